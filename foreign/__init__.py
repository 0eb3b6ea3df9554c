"""Turns other implementations' trained weights into a run of this one.

- import_weights.py: the entry point (`--import_weights`): makes a run with its first checkpoint
- carpedm20.py: reads TensorFlow 1 checkpoints of carpedm20/DCGAN-tensorflow
- newmu.py: reads Theano arrays of Newmu/dcgan_code, the paper's own networks
- pytorch.py: reads state dicts of pytorch/examples' DCGAN
- arrays.py: what these three return, and the settings that the shapes of arrays imply
"""
