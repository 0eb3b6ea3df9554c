"""Trained weights of other implementations, read from their files and made into runs of this one.

import_weights.py   the way in: `--import_weights`, from files to a run with its first checkpoint
carpedm20.py        reads carpedm20/DCGAN-tensorflow's TensorFlow 1 checkpoints newmu.py
reads Newmu/dcgan_code's Theano arrays, the paper's own networks pytorch.py          reads the state
dicts of pytorch/examples' DCGAN arrays.py           what the three return: arrays by the names of
our variables, and the settings they imply
"""
