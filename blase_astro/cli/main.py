"""The command ``blase``."""

from __future__ import annotations

import argparse
import os
import re
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from .._version import __version__
from ..io.names import shown
from .advise import add_advise, add_explain
from .completion import add_completion
from .estimate import add_annotate, add_estimate, add_match
from .evaluate import add_evaluate, add_refine
from .fetch import add_fetch
from .info import add_info
from .options import add_word_options
from .parser import Parser
from .plot import add_plot
from .population import add_population
from .train import add_simulate, add_train

if TYPE_CHECKING:
    from .._types import Sequence

__all__ = ["main"]


def _parser(words=()):
    """The parser of all commands, or of that alone which some words begin with."""
    parser = Parser(
        prog="blase",
        description="Synchrotron peaks of blazars from their SEDs, with intervals.",
        epilog="Begin with: blase estimate FILE. More of each: blase COMMAND --help, "
        "https://blase-astro.readthedocs.io",
    )
    parser.add_argument("--version", action="version", version=f"blase_astro {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    meant = [add for add in _COMMANDS if words and add.__name__ == f"add_{words[0]}"]
    for add in _COMMANDS if meant in ([], [add_completion]) else meant:
        add(commands)
    for command in commands.choices.values():
        for one in _kinds(command) or [command]:
            add_word_options(one)
    return parser


def _kinds(parser):
    """Parsers of the kinds of a command that has some, like ``fetch sed``."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return list(action.choices.values())
    return []


def _parse(words):
    """The options of a command; errors are those of the command that was meant."""
    parser = _parser(words)
    if not words:
        parser.print_help(sys.stderr)
        raise SystemExit(2)
    options, left = parser.parse_known_args(words)
    if options.command is None:
        parser.error("wanted a command")
    if left:
        where = parser._subparsers._group_actions[0].choices[options.command]
        kinds = {kind.prog.split()[-1]: kind for kind in _kinds(where)}
        where = kinds.get(getattr(options, "kind", None), where)
        where.error(f"unrecognized arguments: {' '.join(left)}")
    if getattr(options, "output", None) == "-" and not hasattr(options, "format"):
        parser.error(f"standard output is for tables; wanted {options.command} ... -o NAME")
    options.words = words
    return options


# One line a subcommand, in the order of `blase --help`.
_COMMANDS = [
    add_estimate,
    add_annotate,
    add_match,
    add_population,
    add_advise,
    add_explain,
    add_train,
    add_simulate,
    add_fetch,
    add_evaluate,
    add_refine,
    add_plot,
    add_info,
    add_completion,
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


def _verbosely(options):
    """Run a command; say where an error comes from, and what it took."""
    import time
    import traceback

    start = time.perf_counter()
    try:
        return options.run(options)
    except Exception:
        traceback.print_exc()
        raise
    finally:
        said = f"blase_astro {__version__}: {time.perf_counter() - start:.2f} s"
        with suppress(ImportError):  # Windows has no such module
            import resource

            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            peak /= 2**20 if sys.platform == "darwin" else 2**10
            said += f", {peak:.0f} MiB of memory at most"
        print(f"blase: {said}", file=sys.stderr)


def _open_streams():
    """Standard streams that are closed lead nowhere: else words would get in among the data."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115


@contextmanager
def _ended_tidily():
    """Signals that end the command do so as Ctrl-C does: nothing temporary is left anywhere."""
    import signal

    def end(number, _frame):
        raise SystemExit(128 + number)

    ours = []
    with suppress(ValueError):  # this is no main thread
        for name in ("SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, end)
                ours.append(number)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


def main(args: Sequence[str] | None = None) -> int | str | None:
    """Run the command ``blase``.

    Parameters
    ----------
    args : list of str, optional
        The words after ``blase``; those of the process by default.

    Returns
    -------
    code : int
        0 all good, 1 an error or nothing usable, 2 wrong usage, 130 interrupted, 143 ended.
    """
    _open_streams()
    if hasattr(sys.stdout, "reconfigure"):  # a terminal without Greek is no reason to fail
        sys.stdout.reconfigure(errors="backslashreplace")
    words = sys.argv[1:] if args is None else [str(word) for word in args]
    try:
        options = _parse(words)
        with _ended_tidily():
            return _verbosely(options) if options.verbose else options.run(options)
    except SystemExit as stop:  # argparse: 2 for wrong usage, 0 for --help; signals
        return stop.code
    except BrokenPipeError:  # `blase ... | head`: nobody reads on, and nothing is wrong
        sys.stdout = None
        return 1
    except ImportError as error:
        package = (error.name or "").split(".")[0]
        # The package itself: its name works from an index and from a checkout of ours alike.
        hint = f"; install it with: python -m pip install {package.replace('_', '-')}"
        hint = f"{hint} (part of the extra {_EXTRAS[package]})" if package in _EXTRAS else ""
        print(f"blase: error: {error}{hint}", file=sys.stderr)
        return 1
    except (ValueError, OSError) as error:
        print(f"blase: error: {shown(_words(error))}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("blase: interrupted", file=sys.stderr)
        return 130
