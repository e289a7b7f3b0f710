"""Makes the demonstration sites: DICOM files, deliveries and what is planted in them.

``python -m examples.demo_sites`` writes ``data/demo/<site>`` for ``lidc`` and ``lakeside``. All of
it follows from a seed and from committed documents: the same command gives the same bytes.
What does not belong here: anything that a real study needs; the wheel does not ship this package.
"""
