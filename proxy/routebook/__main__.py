"""`python -m routebook` is `routebook`."""

import sys

from routebook.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
