"""Fetches the public datasets, as `python download.py` of carpedm20/DCGAN-tensorflow did; data/fetch.py is the code."""

import sys

from data.fetch import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
