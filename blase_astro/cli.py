"""The command ``blase``: parse, call one function, print or write."""

import argparse
import sys

from ._version import __version__

__all__ = ["main"]


def _parser():
    parser = argparse.ArgumentParser(prog="blase", description=__doc__)
    parser.add_argument("--version", action="version", version=f"blase_astro {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for add in _COMMANDS:
        add(commands)
    return parser


# One line a subcommand, in the order of `blase --help`.
_COMMANDS = []


def main(args=None):
    """Run the command ``blase``.

    Parameters
    ----------
    args : list of str, optional
        The words after ``blase``; those of the process by default.

    Returns
    -------
    code : int
        0 all good, 1 an error or nothing usable, 2 wrong usage, 130 interrupted.
    """
    try:
        options = _parser().parse_args(args)
    except SystemExit as stop:  # argparse: 2 for wrong usage, 0 for --help and --version
        return stop.code
    try:
        return options.run(options)
    except (ValueError, OSError, ImportError) as error:
        print(f"blase: error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("blase: interrupted", file=sys.stderr)
        return 130
