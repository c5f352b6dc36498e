"""`python -m bluebird` is the command `bluebird`."""

import sys

from bluebird.cli import main

if __name__ == "__main__":
    sys.exit(main())
