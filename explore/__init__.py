"""The paper's experiments (`--explore NAME`), a module each with a `run_experiment`.

arithmetic/ holds what explains the convolutions that the networks are made of.
"""
