"""devhost without a log, to measure what that costs: python -m bench.silent, with the arguments of devhost."""

import logging
import sys

from devhost.__main__ import main

if __name__ == "__main__":
    logging.disable()
    sys.exit(main())
