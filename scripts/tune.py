"""`bluebird tune` from a checkout."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bluebird.cli import main

if __name__ == "__main__":  # painting starts processes that import this file
    sys.exit(main(["tune", *sys.argv[1:]]))
