"""Downloads public datasets, as the original's download.py did; the code is in data/fetch.py."""

import sys

from system.packages import end_without_package

try:
    from data.fetch import main
except ModuleNotFoundError as error:
    end_without_package(error)

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
