"""The paper's experiments (`--explore NAME`): each is a module with a `run_experiment`.

convolution/ explains the convolutions that the networks are made of.
"""
