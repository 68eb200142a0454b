"""``python -m promptlab``."""

import sys

from promptlab.cli.main import main

sys.exit(main())
