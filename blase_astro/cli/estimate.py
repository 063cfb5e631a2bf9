"""``blase estimate``, ``annotate`` and ``match``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..io.names import shown
from .fetch import fetch_rows
from .options import (
    add_catalog_options,
    add_ensemble_options,
    add_estimate_options,
    add_output_options,
    add_services_options,
    add_source_options,
    add_table_options,
    add_time_options,
    catalog_settings,
    check_somewhere,
    check_table,
    command,
    estimate_settings,
    given_position,
    given_seds,
    in_file,
    one_blas_thread,
    progress,
    put_table,
    say,
    send,
    times,
    warnings_said,
)
from .survey import are_point_tables, estimate_survey, is_parquet, match_survey

if TYPE_CHECKING:
    from .._types import Any

__all__ = ["add_annotate", "add_estimate", "add_match"]


def add_estimate(commands: Any) -> None:
    parser = commands.add_parser(
        "estimate", help="the synchrotron peak of SEDs, one line or one row each"
    )
    parser.add_argument(
        "seds",
        nargs="*",
        help="SED files, folders or zip archives of them, point tables in Parquet; - is standard "
        "input",
    )
    parser.add_argument(
        "-o", "--output", help="table to write: .fits .vot .ecsv .parquet .csv; - for stdout"
    )
    add_table_options(parser)
    add_source_options(parser)
    parser.add_argument(
        "--resume", action="store_true", help="of point tables: go on with an interrupted run"
    )
    add_estimate_options(parser)
    add_time_options(parser)
    add_output_options(parser)
    parser.set_defaults(run=_run_estimate, wrong_usage=parser.error)


def add_annotate(commands: Any) -> None:
    parser = commands.add_parser("annotate", help="append the estimates of SEDs to a catalog")
    parser.add_argument("catalog", help="source catalog, in any format astropy reads")
    parser.add_argument("seds", nargs="*", help="SED files, folders or zip archives of them")
    parser.add_argument("-o", "--output", help="catalog to write; - for standard output")
    add_table_options(parser)
    parser.add_argument(
        "--bands",
        action="append",
        metavar="SET",
        help="make measurements from the catalog's own columns: ready sets like AllWISE,Gaia, or "
        "a table of bands",
    )
    parser.add_argument(
        "--ebv", metavar="COL", help="column with E(B-V), to free the bands of extinction"
    )
    parser.add_argument(
        "--sed-column", metavar="COL", help="column with the SEDs' file names, to join by"
    )
    parser.add_argument(
        "--redshift", metavar="COL", help="column of redshifts, for columns of the rest frame"
    )
    parser.add_argument(
        "--fetch",
        nargs="?",
        const="seds",
        metavar="DIR",
        help="first get the SEDs of all rows from the services into this folder (seds)",
    )
    add_services_options(parser)
    add_estimate_options(parser)
    add_time_options(parser)
    add_catalog_options(parser)
    add_output_options(parser)
    parser.set_defaults(run=_run_annotate, wrong_usage=parser.error)


def add_match(commands: Any) -> None:
    parser = commands.add_parser(
        "match", help="which sources of a catalog are in the training set, in which bag"
    )
    parser.add_argument("catalog", help="source catalog, in any format astropy reads")
    parser.add_argument("-o", "--output", help="catalog to write; - for standard output")
    add_table_options(parser)
    add_ensemble_options(parser)
    add_catalog_options(parser)
    add_output_options(parser)
    parser.set_defaults(run=_run_match, wrong_usage=parser.error)


def _seds(options):
    """What to estimate: one thing by itself, as its number of SEDs is then known, or several."""
    inputs = list(given_seds(options))
    return inputs[0] if len(inputs) == 1 else inputs


def _run_estimate(options):
    if not options.seds and not options.name:
        options.wrong_usage("nothing to estimate: wanted SED files or --name")
    _refuse_input(options)
    one_blas_thread()
    with warnings_said(options):
        if are_point_tables(options):
            return estimate_survey(options)
        if options.resume:
            options.wrong_usage("--resume is for point tables in Parquet")
        return _estimate(options)


def _refuse_input(options):
    """Say that the output is one of the SEDs, which no --overwrite means."""
    if options.output is not None:
        from ..io.output import refuse_input

        refuse_input(options.output, options.seds)


def _estimate(options):
    """The work of `_run_estimate`."""
    from ..estimates import estimate, estimate_arrays
    from ..settings import Settings

    settings = estimate_settings(options)
    reading = {"jobs": options.jobs, "progress": progress(options), "say": say(options)}
    reading |= times(options) | {"position": given_position(options)}
    if options.output is None and options.format is None and options.samp is None:
        columns = estimate_arrays(_seds(options), Settings(**settings), **reading)
        for i in range(len(columns["name"])):
            row = {name: values[i] for name, values in columns.items()}
            print(shown(_line(row, options.level)))
        return _summary(columns, options)
    check_table(options)
    if options.output != "-":
        reading["leave_out"] = options.output
    table = estimate(_seds(options), command=command(options), **settings, **reading)
    if options.output or options.format:
        put_table(table, options)
    send(table, options, "estimates")
    return _summary(table, options)


def _line(row, level):
    """What is known of one SED, in one line."""
    import numpy as np

    from ..flags import flag_names

    parts = []
    for target, name in (("nu_peak", "log nu_peak"), ("nufnu_peak", "log nuFnu_peak")):
        value = row.get(f"log_{target}")
        if value is not None and value == value:
            lo, hi = row[f"log_{target}_lo"], row[f"log_{target}_hi"]
            parts.append(f"{name} = {value:.2f} [{lo:.2f}, {hi:.2f}]")
    if not parts:
        return (
            f"{row['name']}: no estimate: {row['message']}; flags: {flag_names(row['peak_flags'])}"
        )
    parts[-1] += f" at {100 * level:g} %"
    if "peak_class" in row:
        probability = row[f"p_{row['peak_class'].lower()}"]
        parts.append(f"{row['peak_class']} ({100 * probability:.0f} %)")
    line = f"{row['name']}: {', '.join(parts)}; {row['n_points']} points in {row['n_bins']} bins"
    if not np.isfinite(row["ra"]):
        line += "; position unknown: may be in the training set (give --ra and --dec)"
    if row["bag"] >= 0:
        line += f"; in the training set (bag {row['bag']}, {row['bag_sep']:.1f} arcsec)"
    return f"{line}; flags: {flag_names(row['peak_flags']) or 'none'}"


def _summary(columns, options):
    """Says how many SEDs have an estimate, and why others have none; the exit code."""
    names, messages = list(columns["name"]), [str(message) for message in columns["message"]]
    bad = [f"{name}: {message}" for name, message in zip(names, messages, strict=True) if message]
    tell, n, table = say(options), len(names), options.output or options.format
    if table:
        for text in bad:
            tell(text)
        to = f"{options.output}: " if options.output not in (None, "-") else ""
        if not bad or n > 1:  # of one SED the reason says it all
            tell(f"{to}{n - len(bad)} of {n} SED{'s' * (n != 1)} estimated{_flag_counts(columns)}")
    elif bad and n > 1:
        tell(f"{len(bad)} of {n} SEDs have no estimate")
    return 1 if len(bad) == n else 0


def _flag_counts(columns, prefix=""):
    """How often each flag is set, in words."""
    import numpy as np

    from ..flags import Flag

    flags = np.asarray(columns[f"{prefix}peak_flags"])
    counts = {flag.name: int(((flags & flag) != 0).sum()) for flag in Flag}
    said = ", ".join(f"{name} {count}" for name, count in counts.items() if count)
    return f"; flags: {said or 'none'}"


def _run_annotate(options):
    check_somewhere(options)
    if not options.seds and not options.bands and not options.fetch:
        options.wrong_usage("nothing to estimate from: wanted SEDs, --bands or --fetch")
    if options.ebv and not options.bands:
        options.wrong_usage("--ebv is for the bands of the catalog: wanted --bands with it")
    _refuse_input(options)
    one_blas_thread()
    with warnings_said(options):
        check_table(options)
        seds = [*options.seds, *([options.fetch] if options.fetch else [])]
        if options.fetch:
            fetch_rows(options, options.fetch)
        settings = catalog_settings(options) | estimate_settings(options)
        settings |= {
            "jobs": options.jobs,
            "progress": progress(options),
            "sed_column": options.sed_column,
            "bands": options.bands and ",".join(options.bands).split(","),
            "ebv": options.ebv,
            "redshift": options.redshift,
        } | times(options)
        # One alone that cannot be read is an error; of several it is an SED that says so.
        columns = _appended(options, settings, seds[0] if len(seds) == 1 else seds or None)
    return _flag_summary(columns, options)


def _appended(options, settings, *seds):
    """Append columns to a catalog: to a copy of the file, on standard output, or to be sent."""
    from ..catalog import annotate, annotate_file, match, match_file
    from ..io.files import read_catalog

    in_memory, to_file = (annotate, annotate_file) if seds else (match, match_file)
    if in_file(options):
        columns = to_file(options.catalog, *seds, options.output, **settings)
        if options.samp is not None:
            send(read_catalog(options.output), options, options.catalog)
        return columns
    catalog = read_catalog(options.catalog)
    settings.pop("overwrite")
    table = in_memory(catalog, *seds, **settings)
    if options.output or options.format:
        put_table(table, options, kept=catalog.colnames, prefix=options.prefix)
    send(table, options, options.catalog)
    return table


def _flag_summary(columns, options):
    """Says how many rows have an estimate and how often each flag is set; the exit code."""
    from ..sed import MIN_BINS

    given = int((columns[f"{options.prefix}n_bins"] >= MIN_BINS).sum())
    counts = _flag_counts(columns, options.prefix)
    say(options)(f"{given} of {len(columns)} rows estimated{counts}")
    return 0 if given else 1


def _run_match(options):
    check_somewhere(options)
    with warnings_said(options):
        streamed = in_file(options) and options.samp is None
        if streamed and is_parquet(options.catalog) and is_parquet(options.output):
            return match_survey(options)
        check_table(options)
        _appended(options, catalog_settings(options))
    return 0
