"""What a pack is by itself: its bag and format, whether it is whole, who signed it, how its values
are written.

A reviewer runs this on a machine that has the base install alone: nothing here, and nothing that
it imports, goes beyond the standard library, PyYAML and ``errors``, but for ``cryptography`` where
a signature is made or checked. What does not belong here:
where packs lie and what goes into them (``io.packs``), and what their figures say (``report``).
"""
