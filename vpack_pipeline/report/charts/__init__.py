"""The pictures of the report, one module each: printed rows in, a drawing out.

``axes`` is what some of them share. What does not belong here: strokes (``svg``), which picture
stands where (``sheet``, templates).
"""
