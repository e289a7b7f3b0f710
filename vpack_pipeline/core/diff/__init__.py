"""What differs between two packs: figures and verdicts, and what they rest on.

What does not belong here: how packs are opened (``pack_format.opened``), and words
(``cli.diff_words``).
"""
