"""Timed scripts with their peers: `python -m benchmarks.NAME`. results.md holds what came out."""
