"""How the index test did, before and after it was locked: one function a table.

What does not belong here: how an interval is made (``stats``), what is correct (``adjudication``),
who belongs to the set (``eligibility``).
"""
