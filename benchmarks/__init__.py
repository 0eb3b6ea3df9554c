"""Timed comparisons with peers: `python -m benchmarks.NAME`. results.md holds the results."""
