"""Pure statistics: numpy in, numpy and frozen records out.

Every function cites its source and is tested against a named outside result. What does not belong
here: frames, files, clocks, hidden randomness (a seeded ``numpy.random.Generator`` is handed in),
and any judgement about a figure; ``core`` decides what a figure means and when it is refused.
"""
