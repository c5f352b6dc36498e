"""`python -m bluebird` is the command `bluebird`."""

import sys

from bluebird.cli import main

sys.exit(main())
