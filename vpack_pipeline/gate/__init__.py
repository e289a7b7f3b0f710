"""The gate: contract → suite → check → receipt, and the lock on the pack.

The gate guards integrity, never the result: a bad figure is published like a good one.
What does not belong here: what a table must satisfy (``contracts``), how it is made (``assets``).
"""
