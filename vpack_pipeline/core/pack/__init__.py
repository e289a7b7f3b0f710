"""The pack's own tables: the CLAIM items and every figure that the report prints.

What does not belong here: the HTML (``vpack_pipeline.report``), publication (``io.packs``).
"""
