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


def _add_fetch(commands):
    fetch = commands.add_parser("fetch", help="get SEDs and source catalogs from online services")
    kinds = fetch.add_subparsers(dest="kind", required=True, metavar="KIND")

    sed = kinds.add_parser(
        "sed", help="the SED of a source from SSDC, NED and VizieR, as one VOU file"
    )
    _add_target(sed)
    sed.add_argument("-o", "--output", help="file to write (default: standard output)")
    sed.add_argument(
        "--format",
        choices=["vou", "ecsv", "gadf", "jetset"],
        help="format of the file (default: ecsv if its name ends so, else vou)",
    )
    sed.add_argument("--overwrite", action="store_true", help="replace a file that exists")
    sed.set_defaults(run=_run_fetch_sed)

    catalog = kinds.add_parser("catalog", help="a source catalog from VizieR, all rows and columns")
    catalog.add_argument(
        "name", help="4LAC (DR3), 4LAC-DR1, 3HSP, 5BZCAT, or a VizieR name like J/ApJ/892/105"
    )
    catalog.add_argument("-o", "--output", required=True, help="file to write (FITS, VOTable, ...)")
    catalog.add_argument("--overwrite", action="store_true", help="replace a file that exists")
    catalog.add_argument("--timeout", type=float, default=300, help="seconds (default: 300)")
    catalog.set_defaults(run=_run_fetch_catalog)


def _add_target(parser):
    """Options that say which source to fetch, and from where."""
    parser.add_argument("name", nargs="?", help="name of the source, or give --ra and --dec")
    parser.add_argument("--ra", type=float, help="right ascension, degrees (ICRS)")
    parser.add_argument("--dec", type=float, help="declination, degrees (ICRS)")
    parser.add_argument(
        "--from",
        dest="services",
        default="ssdc,ned,vizier",
        help="services to ask, the most trusted first (default: ssdc,ned,vizier)",
    )
    parser.add_argument("--radius", type=float, default=5, help="arcsec (default: 5)")
    parser.add_argument("--timeout", type=float, default=60, help="seconds (default: 60)")
    parser.add_argument(
        "--max-age", type=float, default=7, help="days that a kept answer is good (default: 7)"
    )


def _fetch(options):
    """The SED that the options of `_add_target` ask for; what is missing goes to stderr."""
    import warnings

    from .fetch import fetch_sed

    position = options.ra is not None and options.dec is not None
    if bool(options.name) == position or (options.ra is None) != (options.dec is None):
        raise ValueError("wanted either the name of a source or both --ra and --dec")
    target = options.name
    if position:
        from astropy.coordinates import SkyCoord

        target = SkyCoord(options.ra, options.dec, unit="deg")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        sed = fetch_sed(
            target,
            [name.strip().lower() for name in options.services.split(",")],
            radius=options.radius,
            timeout=options.timeout,
            max_age=options.max_age,
        )
    for warning in caught:
        print(f"blase: warning: {warning.message}", file=sys.stderr)
    return sed


def _run_fetch_sed(options):
    sed = _fetch(options)
    form = options.format
    if form is None:
        form = "ecsv" if str(options.output or "").lower().endswith(".ecsv") else "vou"
    origins = sed.meta["origin"].replace("+", ", ")
    repeated = int(sed["duplicate"].sum())
    print(f"{len(sed)} measurements from {origins}, {repeated} of them repeated", file=sys.stderr)
    if form == "vou":
        sed = sed[~sed["duplicate"]]  # the format has no mark for them
    name = {"vou": "vou-sed", "ecsv": "ascii.ecsv", "gadf": "gadf-sed", "jetset": "jetset-sed"}
    sed.write(options.output or sys.stdout, format=name[form], overwrite=options.overwrite)
    return 0


def _run_fetch_catalog(options):
    import warnings

    from astropy.io.fits.verify import VerifyWarning
    from astropy.units import UnitsWarning

    from .fetch import fetch_catalog

    catalog = fetch_catalog(options.name, timeout=options.timeout)
    with warnings.catch_warnings():
        # Units in VizieR's spelling are written as they are.
        warnings.simplefilter("ignore", UnitsWarning)
        warnings.simplefilter("ignore", VerifyWarning)
        catalog.write(options.output, overwrite=options.overwrite)
    print(f"{len(catalog)} rows of {catalog.meta['VIZIER']}", file=sys.stderr)
    return 0


# One line a subcommand, in the order of `blase --help`.
_COMMANDS = [_add_fetch]


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
