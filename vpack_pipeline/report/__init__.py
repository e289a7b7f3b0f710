"""The report: printed figures and documents in, one page of HTML out; and the page to compare on.

What does not belong here: any number that is not in ``pack/report``; judgement (``core``). Nothing
is imported here: pages that a reviewer's commands write need less than the report.
"""
