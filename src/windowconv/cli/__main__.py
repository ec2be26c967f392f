"""`python -m windowconv.cli`."""

import sys

from windowconv.cli import main

sys.exit(main())
