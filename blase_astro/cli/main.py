"""The command ``blase``."""

import argparse
import re
import sys

from .._version import __version__
from ..io.names import shown
from .estimate import add_annotate, add_estimate, add_match
from .evaluate import add_evaluate, add_plot, add_refine
from .fetch import add_fetch
from .population import add_population
from .train import add_simulate, add_train

__all__ = ["main"]


def _parser():
    parser = argparse.ArgumentParser(
        prog="blase", description="Synchrotron peaks of blazars from their SEDs, with intervals."
    )
    parser.add_argument("--version", action="version", version=f"blase_astro {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for add in _COMMANDS:
        add(commands)
    return parser


# One line a subcommand, in the order of `blase --help`.
_COMMANDS = [
    add_estimate,
    add_annotate,
    add_match,
    add_population,
    add_train,
    add_simulate,
    add_fetch,
    add_evaluate,
    add_refine,
    add_plot,
]


# Which extra brings what the base install lacks.
_EXTRAS = {
    "torch": "train",
    "pytorch_lightning": "train",
    "matplotlib": "plot",
    "astroquery": "online",
    "pyarrow": "parquet",
}


def _words(error):
    """An error in words; its hint names arguments of Python, which are options here."""
    hint = getattr(error, "hint", "")
    options = re.sub(r"\b(\w+)=(True\b)?", lambda m: "--" + m[1].replace("_", "-"), hint)
    return str(error).removesuffix(hint) + options


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
    if hasattr(sys.stdout, "reconfigure"):  # a terminal without Greek is no reason to fail
        sys.stdout.reconfigure(errors="backslashreplace")
    words = sys.argv[1:] if args is None else [str(word) for word in args]
    try:
        options = _parser().parse_args(words)
        options.words = words
        return options.run(options)
    except SystemExit as stop:  # argparse: 2 for wrong usage, 0 for --help and --version
        return stop.code
    except BrokenPipeError:  # `blase ... | head`: nobody reads on, and nothing is wrong
        sys.stdout = None
        return 1
    except ImportError as error:
        extra = _EXTRAS.get((error.name or "").split(".")[0])
        hint = f'; install it with: pip install "blase-astro[{extra}]"' if extra else ""
        print(f"blase: error: {error}{hint}", file=sys.stderr)
        return 1
    except (ValueError, OSError) as error:
        print(f"blase: error: {shown(_words(error))}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("blase: interrupted", file=sys.stderr)
        return 130
