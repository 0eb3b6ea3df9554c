"""Downloads public datasets, as the original's download.py did; the code is data/fetch.py."""

import sys

from data.fetch import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
