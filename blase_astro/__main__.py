"""The command ``blase`` as ``python -m blase_astro``."""

from .cli import main

if __name__ == "__main__":
    raise SystemExit(main())
