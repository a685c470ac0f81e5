"""`python -m commands`: the command line where the `viewdistill` script is not on the path."""

import sys

from commands.main import main

sys.exit(main())
