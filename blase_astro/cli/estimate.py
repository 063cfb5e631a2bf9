"""``blase estimate``, ``annotate`` and ``match``."""

import sys

from ..io.names import shown
from .options import (
    add_catalog_options,
    add_ensemble_options,
    add_estimate_options,
    add_output_options,
    add_services_options,
    catalog_settings,
    command,
    estimate_settings,
    one_blas_thread,
    progress,
    say,
    services,
    warnings_said,
)
from .survey import are_point_tables, estimate_survey, is_parquet, match_survey

__all__ = ["add_annotate", "add_estimate", "add_match"]


def add_estimate(commands):
    parser = commands.add_parser(
        "estimate", help="the synchrotron peak of SEDs, one line or one row each"
    )
    parser.add_argument(
        "seds",
        nargs="*",
        help="SED files, folders or zip archives of them, point tables in Parquet; - is standard "
        "input",
    )
    parser.add_argument("-o", "--output", help="table to write: .fits .vot .ecsv .parquet .csv")
    parser.add_argument(
        "--ra", metavar="DEG", help="right ascension of the one SED (degrees, ICRS)"
    )
    parser.add_argument("--dec", metavar="DEG", help="its declination")
    parser.add_argument(
        "--name", action="append", default=[], help="name of a source whose SED is to be fetched"
    )
    parser.add_argument(
        "--resume", action="store_true", help="of point tables: go on with an interrupted run"
    )
    add_services_options(parser)
    add_estimate_options(parser)
    add_output_options(parser)
    parser.set_defaults(run=_run_estimate, wrong_usage=parser.error)


def add_annotate(commands):
    parser = commands.add_parser("annotate", help="append the estimates of SEDs to a catalog")
    parser.add_argument("catalog", help="source catalog, in any format astropy reads")
    parser.add_argument("seds", nargs="*", help="SED files, folders or zip archives of them")
    parser.add_argument("-o", "--output", required=True, help="catalog to write")
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
    add_estimate_options(parser)
    add_catalog_options(parser)
    add_output_options(parser)
    parser.set_defaults(run=_run_annotate, wrong_usage=parser.error)


def add_match(commands):
    parser = commands.add_parser(
        "match", help="which sources of a catalog are in the training set, in which bag"
    )
    parser.add_argument("catalog", help="source catalog, in any format astropy reads")
    parser.add_argument("-o", "--output", required=True, help="catalog to write")
    add_ensemble_options(parser)
    add_catalog_options(parser)
    add_output_options(parser)
    parser.set_defaults(run=_run_match)


def _seds(options):
    """What to estimate: one thing by itself, as its number of SEDs is then known, or several."""
    inputs = list(_inputs(options))
    return inputs[0] if len(inputs) == 1 else inputs


def _inputs(options):
    """The SEDs to read: paths, the content of standard input or a pipe, or fetched by name."""
    if options.name:
        from ..fetch import fetch_sed

        for name in options.name:
            yield fetch_sed(name, services(options), timeout=options.timeout)
    for path in options.seds:
        yield ("-", sys.stdin.buffer) if path == "-" else path


def _run_estimate(options):
    if not options.seds and not options.name:
        options.wrong_usage("nothing to estimate: wanted SED files or --name")
    one_blas_thread()
    with warnings_said(options):
        if are_point_tables(options):
            return estimate_survey(options)
        if options.resume:
            options.wrong_usage("--resume is for point tables in Parquet")
        return _estimate(options)


def _estimate(options):
    """The work of `_run_estimate`."""
    from ..estimates import Settings, estimate, estimate_arrays

    settings = estimate_settings(options)
    reading = {"jobs": options.jobs, "progress": progress(options), "say": say(options)}
    reading["position"] = _position(options)
    if options.output is None:
        columns = estimate_arrays(_seds(options), Settings(**settings), **reading)
        for i in range(len(columns["name"])):
            row = {name: values[i] for name, values in columns.items()}
            print(shown(_line(row, options.level)))
        return _summary(columns, options)
    from ..io.files import check_output, write_table

    check_output(options.output, overwrite=options.overwrite)
    reading |= {"leave_out": options.output, "command": command(options)}
    table = estimate(_seds(options), **settings, **reading)
    write_table(table, options.output, overwrite=options.overwrite)
    return _summary(table, options)


def _position(options):
    """The position of the one SED, where it is given."""
    if (options.ra is None) != (options.dec is None):
        options.wrong_usage("wanted both --ra and --dec, or none")
    return None if options.ra is None else (options.ra, options.dec)


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
    """Says how many SEDs have no estimate and why; the exit code."""
    names, messages = list(columns["name"]), [str(message) for message in columns["message"]]
    bad = [f"{name}: {message}" for name, message in zip(names, messages, strict=True) if message]
    tell = say(options)
    if options.output is not None:
        for text in bad:
            tell(text)
    if bad and len(names) > 1:
        tell(f"{len(bad)} of {len(names)} SEDs have no estimate")
    return 1 if len(bad) == len(names) else 0


def _run_annotate(options):
    from ..catalog import annotate_file

    if not options.seds and not options.bands:
        options.wrong_usage("nothing to estimate from: wanted SEDs or --bands")
    one_blas_thread()
    settings = catalog_settings(options) | estimate_settings(options) | {"jobs": options.jobs}
    with warnings_said(options):
        columns = annotate_file(
            options.catalog,
            options.seds or None,
            options.output,
            sed_column=options.sed_column,
            bands=options.bands and ",".join(options.bands).split(","),
            ebv=options.ebv,
            progress=progress(options),
            **settings,
        )
    return _flag_summary(columns, options)


def _flag_summary(columns, options):
    """Says how many rows have an estimate and how often each flag is set; the exit code."""
    from ..flags import MIN_BINS, Flag

    flags = columns[f"{options.prefix}peak_flags"]
    n_bins = columns[f"{options.prefix}n_bins"]
    given = int((n_bins >= MIN_BINS).sum())
    counts = {flag.name: int(((flags & flag) != 0).sum()) for flag in Flag}
    said = ", ".join(f"{name} {count}" for name, count in counts.items() if count)
    say(options)(f"{given} of {len(columns)} rows estimated; flags: {said or 'none'}")
    return 0 if given else 1


def _run_match(options):
    from ..catalog import match_file

    with warnings_said(options):
        if is_parquet(options.catalog) and is_parquet(options.output):
            return match_survey(options)
        match_file(options.catalog, options.output, **catalog_settings(options))
    return 0
