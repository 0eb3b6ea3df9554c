"""One experiment of the paper a file, and the arithmetic of the convolutions that its networks are made of."""
