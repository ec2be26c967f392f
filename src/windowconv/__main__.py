"""`python -m windowconv`: the command, for torchrun too."""

import sys

from windowconv.cli import main

if __name__ == "__main__":
    sys.exit(main())
