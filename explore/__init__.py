"""What the paper's experiments draw (`--explore NAME`): a module each, with `run_experiment`."""
