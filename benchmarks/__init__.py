"""Benchmarks: each writes its rows and tables to `results/`. Run from the repository's root, with `python -m`."""
