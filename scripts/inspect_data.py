"""`bluebird inspect_data` from a checkout."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bluebird.cli import main

if __name__ == "__main__":
    sys.exit(main(["inspect_data", *sys.argv[1:]]))
