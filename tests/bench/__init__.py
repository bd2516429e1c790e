"""`make bench`: the engine and the product measured, beside their peers, in one run on one machine.

Each file named after a bench has ``run(bench) -> list[Figure]``; ``__main__.py`` is the command, ``report.py`` what it
prints and writes. Nothing here is collected as a test but ``test_bench.py``.
"""
