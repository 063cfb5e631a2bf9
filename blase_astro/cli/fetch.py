"""``blase fetch``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from .options import (
    add_output_options,
    add_position_columns,
    add_services_options,
    add_table_options,
    check_somewhere,
    check_table,
    progress,
    put_table,
    radius,
    say,
    send,
    services,
    warnings_said,
)

if TYPE_CHECKING:
    import argparse

    from .._types import Any, AnyPath, Table

__all__ = ["add_fetch", "fetch_rows"]


def add_fetch(commands: Any) -> None:
    fetch = commands.add_parser("fetch", help="get SEDs and source catalogs from online services")
    kinds = fetch.add_subparsers(dest="kind", required=True, metavar="KIND")

    sed = kinds.add_parser("sed", help="the SED of a source from SSDC, NED and VizieR together")
    sed.add_argument("name", nargs="?", help="name of the source, or give --ra and --dec")
    sed.add_argument("--ra", type=float, help="right ascension in degrees (ICRS)")
    sed.add_argument("--dec", type=float, help="declination in degrees (ICRS)")
    sed.add_argument(
        "--radius", type=radius, default=5.0, help="how far off to look (default: 5arcsec)"
    )
    sed.add_argument(
        "--max-age", type=float, default=7, help="days that a kept answer is good (default: 7)"
    )
    sed.add_argument("-o", "--output", help="file to write (default: -, standard output)")
    sed.add_argument(
        "--format",
        choices=["vou", "ecsv", "gadf", "jetset"],
        help="format of the file (default: ecsv if its name ends so, else vou)",
    )
    add_services_options(sed)
    add_output_options(sed)
    sed.set_defaults(run=_run_fetch_sed, wrong_usage=sed.error)

    seds = kinds.add_parser("seds", help="the SEDs of all rows of a catalog, one file a row")
    seds.add_argument("catalog", help="source catalog, in any format astropy reads")
    seds.add_argument(
        "-o", "--output", metavar="DIR", required=True, help="folder; what is in it is kept"
    )
    add_position_columns(seds)
    seds.add_argument(
        "--radius", type=radius, default=5.0, help="how far off to look (default: 5arcsec)"
    )
    seds.add_argument("--max-age", type=float, default=7, help="days that a kept answer is good")
    add_services_options(seds)
    seds.set_defaults(run=_run_fetch_seds)

    catalog = kinds.add_parser("catalog", help="a source catalog from VizieR, all rows and columns")
    catalog.add_argument(
        "name", help="4LAC (DR3), 4LAC-DR1, 3HSP, 5BZCAT, or a VizieR name like J/ApJ/892/105"
    )
    catalog.add_argument(
        "-o", "--output", help="table to write: .fits .vot .ecsv .parquet .csv; - for stdout"
    )
    add_table_options(catalog)
    catalog.add_argument("--timeout", type=float, default=300, help="seconds (default: 300)")
    add_output_options(catalog)
    catalog.set_defaults(run=_run_fetch_catalog, wrong_usage=catalog.error)


def _run_fetch_sed(options):
    from ..fetch import fetch_sed
    from ..io.output import check_place, placed

    target = options.name
    given = options.ra is not None, options.dec is not None
    if bool(target) == any(given) or given[0] != given[1]:
        options.wrong_usage("wanted either the name of a source or both --ra and --dec")
    if any(given):
        from astropy.coordinates import SkyCoord

        target = SkyCoord(options.ra, options.dec, unit="deg")
    to_file = options.output not in (None, "-")
    if to_file:
        check_place(options.output, overwrite=options.overwrite)
    limits = {name: getattr(options, name) for name in ("radius", "timeout", "max_age")}
    with warnings_said(options):
        sed = fetch_sed(target, services(options), **limits)
    repeated, origins = int(sed["duplicate"].sum()), sed.meta["origin"].replace("+", ", ")
    say(options)(f"{len(sed)} measurements from {origins}, {repeated} of them repeated")
    form = options.format
    if form is None:
        form = "ecsv" if str(options.output or "").lower().endswith(".ecsv") else "vou"
    if form == "vou":
        sed = sed[~sed["duplicate"]]  # the format has no mark for them
    form = "ascii.ecsv" if form == "ecsv" else f"{form}-sed"
    if not to_file:
        sed.write(sys.stdout, format=form)
        return 0
    with placed(options.output, overwrite=options.overwrite) as beside:
        sed.write(beside, format=form)
    return 0


def _run_fetch_seds(options):
    with warnings_said(options):
        status = fetch_rows(options, options.output)
    came = sum(kind in ("came", "kept", "incomplete") for kind in status["status"])
    return 0 if came else 1


def fetch_rows(options: argparse.Namespace, folder: AnyPath) -> Table:
    """The SEDs of the rows of a catalog, into a folder; the table of what came."""
    from ..fetch_rows import fetch_seds
    from ..io.files import read_catalog

    where = {name: getattr(options, name) for name in ("ra", "dec", "frame", "radius", "timeout")}
    return fetch_seds(
        read_catalog(options.catalog),
        folder,
        services(options),
        max_age=getattr(options, "max_age", 7.0),
        say=say(options),
        progress=progress(options),
        **where,
    )


def _run_fetch_catalog(options):
    from ..fetch import fetch_catalog

    check_somewhere(options)
    with warnings_said(options):
        check_table(options)
        catalog = fetch_catalog(options.name, timeout=options.timeout)
    if options.output or options.format:
        put_table(catalog, options, kept=catalog.colnames)
    send(catalog, options, options.name)
    say(options)(f"{len(catalog)} rows of {catalog.meta['VIZIER']}")
    return 0
