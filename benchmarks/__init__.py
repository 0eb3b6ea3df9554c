"""Timed scripts, each beside its peers: `python -m benchmarks.NAME`. results.md holds what came out."""
