"""`python -m benchmarks.NAME`: one timed script a file, each with its peers; results.md holds what came out."""
