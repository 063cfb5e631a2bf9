"""Options that several subcommands take, what they mean, and words on standard error."""

from __future__ import annotations

import argparse
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..io.names import shown

if TYPE_CHECKING:
    from .._types import Any, Callable, Iterator, Progress, Sequence, Table

__all__ = [
    "add_answer_options",
    "add_catalog_options",
    "add_ensemble_option",
    "add_ensemble_options",
    "add_estimate_options",
    "add_output_options",
    "add_position_columns",
    "add_services_options",
    "add_source_options",
    "add_table_options",
    "add_time_options",
    "add_word_options",
    "catalog_settings",
    "check_somewhere",
    "check_table",
    "command",
    "cores",
    "count",
    "estimate_settings",
    "given_position",
    "given_seds",
    "in_file",
    "jobs",
    "level",
    "on_stdout",
    "one_blas_thread",
    "probabilities",
    "progress",
    "put_table",
    "radius",
    "say",
    "send",
    "services",
    "times",
    "warnings_said",
]


def add_services_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--from",
        dest="services",
        default="ssdc,ned,vizier",
        help="services to ask, the most trusted first (default: ssdc,ned,vizier)",
    )
    parser.add_argument(
        "--timeout", type=float, default=60, help="seconds for each service (default: 60)"
    )


def services(options: argparse.Namespace) -> list[str]:
    return [name.strip().lower() for name in options.services.split(",")]


def add_ensemble_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--ensemble", metavar="DIR", help="folder of trained networks (default: the package's)"
    )


def add_ensemble_options(parser: argparse.ArgumentParser) -> None:
    add_ensemble_option(parser)
    parser.add_argument(
        "--radius",
        type=radius,
        default=5.0,
        help="largest separation of a match, like 5arcsec or 0.1arcmin (default: 5arcsec)",
    )


def add_answer_options(parser: argparse.ArgumentParser) -> None:
    """What every answer of the networks depends on."""
    add_ensemble_options(parser)
    parser.add_argument(
        "--level", type=level, default=0.95, help="probability of the intervals (default: 0.95)"
    )
    parser.add_argument(
        "--bag", type=int, help="force the networks of a bag, -1 for all (default: by position)"
    )
    parser.add_argument(
        "--population",
        default="training",
        metavar="NAME|FILE",
        help="how common each peak is held to be: as in training (default), flat, self (as in the "
        "catalog itself), or as in a file of blase population",
    )
    parser.add_argument(
        "--shortest", action="store_true", help="shortest intervals (default: central ones)"
    )


def add_estimate_options(parser: argparse.ArgumentParser) -> None:
    add_answer_options(parser)
    parser.add_argument(
        "--quantiles",
        type=probabilities,
        default=(),
        metavar="P,P,...",
        help="columns with quantiles, like 0.16,0.5,0.84",
    )
    parser.add_argument(
        "--pdf", action="store_true", help="a column with the whole distribution of log_nu_peak"
    )
    parser.add_argument(
        "--jobs", type=jobs, default=cores(), help="processes (default: as many as cores)"
    )
    parser.add_argument(
        "--rest", action="store_true", help="columns of the rest frame, for SEDs with a redshift"
    )
    parser.add_argument(
        "--cosmology", default="Planck18", metavar="NAME", help="one of astropy's, for luminosities"
    )


def add_time_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--mjd", nargs=2, type=float, metavar=("FROM", "TO"), help="measurements of this time alone"
    )
    parser.add_argument(
        "--undated", choices=["keep", "drop"], default="drop", help="those without a date, with it"
    )


def add_source_options(parser: argparse.ArgumentParser, *, catalog: bool = False) -> None:
    """Which source it is: SEDs from services by its name, and where it lies."""
    value, column = ("DEG|COL", "; of a catalog the column") if catalog else ("DEG", "")
    parser.add_argument(
        "--ra", metavar=value, help=f"right ascension of the one SED (degrees, ICRS){column}"
    )
    parser.add_argument("--dec", metavar=value, help=f"its declination{column}")
    if catalog:
        _add_frame_option(parser)
    parser.add_argument(
        "--name",
        action="append",
        default=[],
        help="name of a source whose SED is to be fetched; may be repeated",
    )
    add_services_options(parser)


def given_seds(options: argparse.Namespace) -> Iterator[Any]:
    """The SEDs to read, one by one: fetched by name, standard input, paths."""
    if options.name:
        from ..fetch import fetch_sed

        for name in options.name:
            yield fetch_sed(name, services(options), timeout=options.timeout)
    for path in options.seds:
        yield ("-", sys.stdin.buffer) if path == "-" else path


def given_position(options: argparse.Namespace) -> tuple[str, str] | None:
    """The position of the one SED, where it is given."""
    if (options.ra is None) != (options.dec is None):
        options.wrong_usage("wanted both --ra and --dec, or none")
    return None if options.ra is None else (options.ra, options.dec)


def times(options: argparse.Namespace) -> dict[str, Any]:
    """The measurements that count, as arguments."""
    return {"mjd": options.mjd, "undated": options.undated}


def add_table_options(parser: argparse.ArgumentParser, *, samp: bool = True) -> None:
    """Where a table goes besides a file."""
    parser.add_argument(
        "--format",
        choices=["csv", "tsv", "json", "ecsv", "votable"],
        help="a table in this format, on standard output unless -o names a file",
    )
    if samp:
        parser.add_argument(
            "--samp",
            nargs="?",
            const="",
            metavar="PROGRAM",
            help="send the table to TOPCAT, Aladin or all programs that take tables",
        )


def in_file(options: argparse.Namespace) -> bool:
    """Is a file to be written, in the format of its suffix?"""
    return options.output not in (None, "-") and options.format is None


def on_stdout(options: argparse.Namespace) -> bool:
    """Is the table printed?"""
    return options.output == "-" or (options.output is None and options.format is not None)


def check_somewhere(options: argparse.Namespace) -> None:
    """Wrong usage where the table would go nowhere."""
    if options.samp is None and not (options.output or options.format):
        options.wrong_usage("nowhere to write to: wanted -o FILE, --format or --samp")


def check_table(options: argparse.Namespace) -> None:
    """Say before the work that the file cannot be written."""
    from ..io.files import check_output

    if options.output not in (None, "-"):
        check_output(options.output, overwrite=options.overwrite, format=options.format)


def put_table(
    table: Table, options: argparse.Namespace, *, kept: Sequence[str] = (), prefix: str = ""
) -> None:
    """Write a table to standard output or a file in the format asked for."""
    from ..flags import flag_names
    from ..io.files import write_table

    named = {f"{prefix}peak_flags": lambda flags: flag_names(flags).split()}
    write_table(
        table,
        options.output or "-",
        format=options.format,
        overwrite=options.overwrite,
        kept=kept,
        named=named,
    )


def send(table: Table, options: argparse.Namespace, name: str) -> None:
    """Send a table by SAMP where it is asked for."""
    if options.samp is None:
        return
    from pathlib import Path

    from ..samp import connected, send_table

    file = options.output if in_file(options) else None
    with connected() as client:
        took = send_table(client, table, options.samp, name=Path(name).name, file=file)
    say(options)(f"sent to {', '.join(took)}")


def add_position_columns(parser: argparse.ArgumentParser) -> None:
    """Where a catalog has its positions."""
    parser.add_argument("--ra", metavar="COL", help="column of the right ascension")
    parser.add_argument("--dec", metavar="COL", help="column of the declination")
    _add_frame_option(parser)


def _add_frame_option(parser):
    parser.add_argument(
        "--frame",
        choices=["icrs", "fk5", "fk4", "galactic"],
        help="frame of these columns (default: what their names or the header say)",
    )


def add_catalog_options(parser: argparse.ArgumentParser) -> None:
    add_position_columns(parser)
    parser.add_argument("--prefix", default="", help="put before the names of the new columns")
    parser.add_argument(
        "--overwrite-columns", action="store_true", help="replace columns of the same names"
    )


def add_output_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--overwrite", action="store_true", help="replace a file that exists")


def probabilities(text: str) -> tuple[float, ...]:
    """Several probabilities with commas between them."""
    return tuple(level(part) for part in text.split(","))


def level(text: str) -> float:
    """A probability."""
    level = float(text)
    if not 0 < level < 1:
        raise argparse.ArgumentTypeError(f"{text} is no probability between 0 and 1")
    return level


def radius(text: str) -> float:
    """An angle with or without unit, as arcsec."""
    from ..angles import arcsec

    try:
        return arcsec(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def jobs(text: str) -> int:
    """A number of processes."""
    if not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text} is no number of processes")
    return int(text)


def cores() -> int:
    """Number of cores this process may use."""
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def one_blas_thread() -> None:
    """Keep numpy's matrix products on one core: for networks this small, threads only wait.

    The cores have the reading processes instead. It counts as long as numpy is not imported.
    """
    import os

    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def add_word_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-q", "--quiet", action="store_true", help="errors alone on stderr")
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="where an error comes from, time and memory"
    )


def say(options: argparse.Namespace) -> Callable[[str], None]:
    """Writes lines to stderr, unless told to be quiet."""
    return lambda text: None if options.quiet else print(f"blase: {shown(text)}", file=sys.stderr)


@contextmanager
def warnings_said(options: argparse.Namespace) -> Iterator[None]:
    """Warnings as lines on stderr."""
    import os
    import warnings

    # Importing astropy takes over the showing of warnings, so it has to come first; one SED file
    # alone is faster without, and its warnings are readable in astropy's way too.
    alone = options.output is None and len(getattr(options, "seds", ())) == 1
    if not alone or os.path.isdir(options.seds[0]) or options.seds[0].endswith(".zip"):
        import astropy  # noqa: F401

    with warnings.catch_warnings():
        warnings.simplefilter("ignore" if options.quiet else "default")
        warnings.showwarning = lambda message, *_: say(options)(f"warning: {message}")
        yield


def progress(options: argparse.Namespace) -> Progress:
    """Writes a progress bar to stderr where that is a terminal."""
    if options.quiet or not sys.stderr.isatty():
        return None

    def show(done, total):
        if total > 1:
            share = 40 * done // total
            end = "\n" if done == total else ""
            bar = "#" * share + "." * (40 - share)
            print(f"\r[{bar}] {done}/{total}", end=end, file=sys.stderr, flush=True)

    return show


def command(options: argparse.Namespace) -> str:
    """The words of the command, for the header of what it writes."""
    import shlex

    return shlex.join(["blase", *options.words])


def estimate_settings(options: argparse.Namespace) -> dict[str, Any]:
    """The options of `blase_astro.Settings` that the command has."""
    from dataclasses import fields

    from ..settings import Settings

    return {f.name: getattr(options, f.name) for f in fields(Settings) if hasattr(options, f.name)}


def catalog_settings(options: argparse.Namespace) -> dict[str, Any]:
    names = ("ensemble", "radius", "ra", "dec", "frame", "prefix", "overwrite_columns", "overwrite")
    settings = {name: getattr(options, name) for name in names}
    return settings | {"command": command(options), "say": say(options)}


def count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"wanted a whole number from 0, got {text}")
    return number
