"""The command ``blase``: parse, call one function, print or write."""

import argparse
import sys
from contextlib import contextmanager

from ._version import __version__

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


def _add_fetch(commands):
    fetch = commands.add_parser("fetch", help="get SEDs and source catalogs from online services")
    kinds = fetch.add_subparsers(dest="kind", required=True, metavar="KIND")

    sed = kinds.add_parser("sed", help="the SED of a source from SSDC, NED and VizieR together")
    sed.add_argument("name", nargs="?", help="name of the source, or give --ra and --dec")
    sed.add_argument("--ra", type=float, help="right ascension in degrees (ICRS)")
    sed.add_argument("--dec", type=float, help="declination in degrees (ICRS)")
    sed.add_argument(
        "--radius", type=_radius, default=5.0, help="how far off to look (default: 5arcsec)"
    )
    sed.add_argument(
        "--max-age", type=float, default=7, help="days that a kept answer is good (default: 7)"
    )
    sed.add_argument("-o", "--output", help="file to write (default: standard output)")
    sed.add_argument(
        "--format",
        choices=["vou", "ecsv", "gadf", "jetset"],
        help="format of the file (default: ecsv if its name ends so, else vou)",
    )
    _add_services_options(sed)
    _add_output_options(sed)
    sed.set_defaults(run=_run_fetch_sed, wrong_usage=sed.error)

    catalog = kinds.add_parser("catalog", help="a source catalog from VizieR, all rows and columns")
    catalog.add_argument(
        "name", help="4LAC (DR3), 4LAC-DR1, 3HSP, 5BZCAT, or a VizieR name like J/ApJ/892/105"
    )
    catalog.add_argument(
        "-o", "--output", required=True, help="table to write: .fits .vot .ecsv .parquet .csv"
    )
    catalog.add_argument("--timeout", type=float, default=300, help="seconds (default: 300)")
    _add_output_options(catalog)
    catalog.set_defaults(run=_run_fetch_catalog)


def _add_services_options(parser):
    parser.add_argument(
        "--from",
        dest="services",
        default="ssdc,ned,vizier",
        help="services to ask, the most trusted first (default: ssdc,ned,vizier)",
    )
    parser.add_argument(
        "--timeout", type=float, default=60, help="seconds for each service (default: 60)"
    )


def _services(options):
    return [name.strip().lower() for name in options.services.split(",")]


def _run_fetch_sed(options):
    from .fetch import fetch_sed

    target = options.name
    given = options.ra is not None, options.dec is not None
    if bool(target) == any(given) or given[0] != given[1]:
        options.wrong_usage("wanted either the name of a source or both --ra and --dec")
    if any(given):
        from astropy.coordinates import SkyCoord

        target = SkyCoord(options.ra, options.dec, unit="deg")
    limits = {name: getattr(options, name) for name in ("radius", "timeout", "max_age")}
    with _warnings_said(options):
        sed = fetch_sed(target, _services(options), **limits)
    repeated, origins = int(sed["duplicate"].sum()), sed.meta["origin"].replace("+", ", ")
    _say(options)(f"{len(sed)} measurements from {origins}, {repeated} of them repeated")
    form = options.format
    if form is None:
        form = "ecsv" if str(options.output or "").lower().endswith(".ecsv") else "vou"
    if form == "vou":
        sed = sed[~sed["duplicate"]]  # the format has no mark for them
    form = "ascii.ecsv" if form == "ecsv" else f"{form}-sed"
    sed.write(options.output or sys.stdout, format=form, overwrite=options.overwrite)
    return 0


def _run_fetch_catalog(options):
    from .fetch import fetch_catalog
    from .io.append import check_output, write_table

    check_output(options.output, overwrite=options.overwrite)
    with _warnings_said(options):
        catalog = fetch_catalog(options.name, timeout=options.timeout)
    write_table(catalog, options.output, overwrite=options.overwrite)
    _say(options)(f"{len(catalog)} rows of {catalog.meta['VIZIER']}")
    return 0


def _add_estimate(commands):
    parser = commands.add_parser(
        "estimate", help="the synchrotron peak of SEDs, one line or one row each"
    )
    parser.add_argument(
        "seds", nargs="*", help="SED files, folders or zip archives of them; - is standard input"
    )
    parser.add_argument("-o", "--output", help="table to write: .fits .vot .ecsv .parquet .csv")
    parser.add_argument(
        "--name", action="append", default=[], help="name of a source whose SED is to be fetched"
    )
    _add_services_options(parser)
    _add_estimate_options(parser)
    _add_output_options(parser)
    parser.set_defaults(run=_run_estimate, wrong_usage=parser.error)


def _add_annotate(commands):
    parser = commands.add_parser("annotate", help="append the estimates of SEDs to a catalog")
    parser.add_argument("catalog", help="source catalog, in any format astropy reads")
    parser.add_argument("seds", nargs="+", help="SED files, folders or zip archives of them")
    parser.add_argument("-o", "--output", required=True, help="catalog to write")
    parser.add_argument(
        "--sed-column", metavar="COL", help="column with the SEDs' file names, to join by"
    )
    _add_estimate_options(parser)
    _add_catalog_options(parser)
    _add_output_options(parser)
    parser.set_defaults(run=_run_annotate)


def _add_match(commands):
    parser = commands.add_parser(
        "match", help="which sources of a catalog are in the training set, in which bag"
    )
    parser.add_argument("catalog", help="source catalog, in any format astropy reads")
    parser.add_argument("-o", "--output", required=True, help="catalog to write")
    _add_ensemble_options(parser)
    _add_catalog_options(parser)
    _add_output_options(parser)
    parser.set_defaults(run=_run_match)


def _add_ensemble_options(parser):
    parser.add_argument(
        "--ensemble", metavar="DIR", help="folder of trained networks (default: the package's)"
    )
    parser.add_argument(
        "--radius",
        type=_radius,
        default=5.0,
        help="largest separation of a match, like 5arcsec or 0.1arcmin (default: 5arcsec)",
    )


def _add_estimate_options(parser):
    _add_ensemble_options(parser)
    parser.add_argument(
        "--level", type=_level, default=0.95, help="probability of the intervals (default: 0.95)"
    )
    parser.add_argument(
        "--bag", type=int, help="force the networks of a bag, -1 for all (default: by position)"
    )
    parser.add_argument(
        "--jobs", type=_jobs, default=_cores(), help="processes (default: as many as cores)"
    )


def _add_catalog_options(parser):
    parser.add_argument("--ra", metavar="COL", help="column of the right ascension")
    parser.add_argument("--dec", metavar="COL", help="column of the declination")
    parser.add_argument(
        "--frame",
        choices=["icrs", "fk5", "fk4", "galactic"],
        help="frame of these columns (default: what their names or the header say)",
    )
    parser.add_argument("--prefix", default="", help="put before the names of the new columns")
    parser.add_argument(
        "--overwrite-columns", action="store_true", help="replace columns of the same names"
    )


def _add_output_options(parser):
    parser.add_argument("--overwrite", action="store_true", help="replace a file that exists")
    parser.add_argument("-q", "--quiet", action="store_true", help="errors alone on stderr")


def _level(text):
    """A probability."""
    level = float(text)
    if not 0 < level < 1:
        raise argparse.ArgumentTypeError(f"{text} is no probability between 0 and 1")
    return level


def _radius(text):
    """An angle with or without unit, as arcsec."""
    units = {"": 1, "arcsec": 1, '"': 1, "arcmin": 60, "'": 60, "deg": 3600}
    number = text.rstrip("abcdefghijklmnopqrstuvwxyz\"'").strip()
    unit = text.strip()[len(number) :].strip()
    try:
        radius = float(number) * units[unit]
    except (ValueError, KeyError):
        radius = 0
    if not 0 < radius < 90 * 3600:
        raise argparse.ArgumentTypeError(f"{text} is no radius; wanted one like 5arcsec")
    return radius


def _jobs(text):
    """A number of processes."""
    if not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text} is no number of processes")
    return int(text)


def _cores():
    """Number of cores this process may use."""
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def _one_blas_thread():
    """Keep numpy's matrix products on one core: for networks this small, threads only wait.

    The cores have the reading processes instead. It counts as long as numpy is not imported.
    """
    import os

    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def _say(options):
    """Writes lines to stderr, unless told to be quiet."""
    return lambda text: None if options.quiet else print(f"blase: {text}", file=sys.stderr)


@contextmanager
def _warnings_said(options):
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
        warnings.showwarning = lambda message, *_: _say(options)(f"warning: {message}")
        yield


def _progress(options):
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


def _command():
    """The words that started the process, for the header of what it writes."""
    import shlex

    return shlex.join(["blase", *sys.argv[1:]])


def _seds(options):
    """What to estimate: one thing by itself, as its number of SEDs is then known, or several."""
    inputs = list(_inputs(options))
    return inputs[0] if len(inputs) == 1 else inputs


def _inputs(options):
    """The SEDs to read: paths, the content of standard input or a pipe, or fetched by name."""
    from pathlib import Path

    from .io.vou_points import parse_points

    def of_bytes(name, file):
        return parse_points(file.read())._replace(name=[name])

    if options.name:
        from .fetch import fetch_sed

        for name in options.name:
            yield fetch_sed(name, _services(options), timeout=options.timeout)
    for path in options.seds:
        if path == "-":
            yield of_bytes("-", sys.stdin.buffer)
        elif Path(path).is_fifo():
            with open(path, "rb") as file:
                yield of_bytes(path, file)
        else:
            yield path


def _estimate_settings(options):
    names = ("ensemble", "radius", "level", "bag", "jobs")
    return {name: getattr(options, name) for name in names}


def _run_estimate(options):
    if not options.seds and not options.name:
        options.wrong_usage("nothing to estimate: wanted SED files or --name")
    _one_blas_thread()
    with _warnings_said(options):
        return _estimate(options)


def _estimate(options):
    """The work of `_run_estimate`."""
    from .catalog import estimate, estimate_arrays

    settings = _estimate_settings(options)
    settings["progress"] = _progress(options)
    if options.output is None:
        columns = estimate_arrays(_seds(options), **settings)
        for i in range(len(columns["name"])):
            print(_line({name: values[i] for name, values in columns.items()}, options.level))
        return _summary(columns, options)
    from .io.append import check_output, write_table

    check_output(options.output, overwrite=options.overwrite)
    settings |= {"leave_out": options.output, "command": _command()}
    table = estimate(_seds(options), **settings)
    write_table(table, options.output, overwrite=options.overwrite)
    return _summary(table, options)


def _line(row, level):
    """What is known of one SED, in one line."""
    from .flags import flag_names

    parts = []
    for target, name in (("nu_peak", "log nu_peak"), ("nufnu_peak", "log nuFnu_peak")):
        value = row.get(f"log_{target}")
        if value is not None and value == value:
            lo, hi = row[f"log_{target}_lo"], row[f"log_{target}_hi"]
            parts.append(f"{name} = {value:.2f} [{lo:.2f}, {hi:.2f}]")
    if not parts:
        return f"{row['name']}: no estimate: {row['message']}; flags: {flag_names(row['flags'])}"
    parts[-1] += f" at {100 * level:g} %"
    if "sed_class" in row:
        probability = row[f"p_{row['sed_class'].lower()}"]
        parts.append(f"{row['sed_class']} ({100 * probability:.0f} %)")
    line = f"{row['name']}: {', '.join(parts)}; {row['n_points']} points in {row['n_bins']} bins"
    if row["bag"] >= 0:
        line += f"; in the training set (bag {row['bag']}, {row['bag_sep']:.1f} arcsec)"
    return f"{line}; flags: {flag_names(row['flags']) or 'none'}"


def _summary(columns, options):
    """Says how many SEDs have no estimate and why; the exit code."""
    names, messages = list(columns["name"]), [str(message) for message in columns["message"]]
    bad = [f"{name}: {message}" for name, message in zip(names, messages, strict=True) if message]
    say = _say(options)
    if options.output is not None:
        for text in bad:
            say(text)
    if bad and len(names) > 1:
        say(f"{len(bad)} of {len(names)} SEDs have no estimate")
    return 1 if len(bad) == len(names) else 0


def _catalog_settings(options):
    names = ("ensemble", "radius", "ra", "dec", "frame", "prefix", "overwrite_columns", "overwrite")
    settings = {name: getattr(options, name) for name in names}
    return settings | {"command": _command(), "say": _say(options)}


def _run_annotate(options):
    from .catalog import annotate_file

    _one_blas_thread()
    settings = _catalog_settings(options) | _estimate_settings(options)
    with _warnings_said(options):
        columns = annotate_file(
            options.catalog,
            options.seds,
            options.output,
            sed_column=options.sed_column,
            progress=_progress(options),
            **settings,
        )
    return _flag_summary(columns, options)


def _flag_summary(columns, options):
    """Says how many rows have an estimate and how often each flag is set; the exit code."""
    from .flags import MIN_BINS, Flag

    flags = columns[f"{options.prefix}flags"]
    n_bins = columns[f"{options.prefix}n_bins"]
    given = int((n_bins >= MIN_BINS).sum())
    counts = {flag.name: int(((flags & flag) != 0).sum()) for flag in Flag}
    said = ", ".join(f"{name} {count}" for name, count in counts.items() if count)
    _say(options)(f"{given} of {len(columns)} rows estimated; flags: {said or 'none'}")
    return 0 if given else 1


def _run_match(options):
    from .catalog import match_file

    with _warnings_said(options):
        match_file(options.catalog, options.output, **_catalog_settings(options))
    return 0


def _add_evaluate(commands):
    parser = commands.add_parser(
        "evaluate", help="how good estimates are: scores, figures and a page with both"
    )
    parser.add_argument(
        "what",
        nargs="?",
        help="folder of an ensemble, scored out of bag (default: the package's); "
        "with --truth a table of estimates",
    )
    parser.add_argument("--truth", metavar="LABELS", help="table with the known values")
    parser.add_argument("-o", "--output", metavar="DIR", help="folder for the report")
    parser.add_argument(
        "--seds",
        dest="archive",
        metavar="ARCHIVE",
        help="SEDs that the ensemble was trained on, for a figure of what its members gain",
    )
    parser.add_argument(
        "--target",
        choices=["nu_peak", "nufnu_peak"],
        help="what the columns of --estimate and --label are (default: nu_peak)",
    )
    parser.add_argument(
        "--estimate",
        nargs=3,
        metavar=("COL", "LO", "HI"),
        help="columns with an estimate and its interval (default: those blase writes)",
    )
    parser.add_argument("--label", metavar="COL", help="column with the known value")
    parser.add_argument(
        "--radius", type=_radius, default=5.0, help="largest separation (default: 5arcsec)"
    )
    parser.add_argument(
        "--level",
        type=_level,
        help="probability of the intervals (default: what the table says, else 0.95)",
    )
    _add_output_options(parser)
    parser.set_defaults(run=_run_evaluate)


def _run_evaluate(options):
    from .report import score, score_text, write_report

    with _warnings_said(options):
        tables, settings = _compared(options) if options.truth else _out_of_bag(options)
        if options.output is None:
            scores = [score(table) for table in tables]
        else:
            settings |= {"command": _command(), "overwrite": options.overwrite}
            scores = write_report(options.output, tables, **settings)
    print("\n\n".join(score_text(table) for table in scores))
    return 0


def _out_of_bag(options):
    """Training sources beside their out-of-bag estimates, and what the report shows besides."""
    from .refine import load_ensembles
    from .report import member_means, out_of_bag_tables

    if options.estimate or options.label or options.target:
        raise ValueError("--estimate, --label and --target need --truth")
    ensembles = load_ensembles(options.what)
    settings = {"title": "Out-of-bag evaluation", "ensemble": ensembles}
    if options.archive:
        settings["members"] = {e.target: member_means(e, options.archive) for e in ensembles}
    return out_of_bag_tables(ensembles, options.level or 0.95), settings


def _compared(options):
    """Estimates beside known values: both targets where their columns are there."""
    from .io.append import read_catalog
    from .report import compare

    if options.what is None or options.archive:
        raise ValueError("--truth goes with a table of estimates, not with an ensemble or --seds")
    estimates, labels = read_catalog(options.what), read_catalog(options.truth)
    named = options.target or options.estimate or options.label
    tables, settings = [], {"level": options.level, "radius": options.radius}
    for target in ("nu_peak", "nufnu_peak"):
        if named and target != (options.target or "nu_peak"):
            continue
        try:
            tables.append(
                compare(
                    estimates,
                    labels,
                    target=target,
                    columns=options.estimate,
                    label=options.label,
                    **settings,
                )
            )
        except ValueError:
            if named or target == "nu_peak":
                raise
    _say(options)(
        f"{len(tables[0])} of {len(estimates)} estimates have one of {len(labels)} known values"
    )
    return tables, {"title": f"{options.what} against {options.truth}"}


def _add_refine(commands):
    parser = commands.add_parser(
        "refine", help="training labels that disagree with their out-of-bag estimates"
    )
    parser.add_argument(
        "ensemble", nargs="?", help="folder of an ensemble (default: the package's)"
    )
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        help="table to write: .fits .vot .ecsv .parquet; .csv has the columns of the original",
    )
    parser.add_argument(
        "--level", type=_level, default=0.95, help="probability of the intervals (default: 0.95)"
    )
    parser.add_argument(
        "--false-discovery",
        type=_level,
        default=0.1,
        metavar="SHARE",
        help="share of right labels among those called suspicious (default: 0.1)",
    )
    _add_output_options(parser)
    parser.set_defaults(run=_run_refine)


def _run_refine(options):
    from .io.append import check_output, file_format, write_table
    from .refine import original_columns, refine

    check_output(options.output, overwrite=options.overwrite)
    refined = refine(options.ensemble, level=options.level, false_discovery=options.false_discovery)
    suspicious = int((refined["suspicious"] > 0).sum())
    refined.meta["HISTORY"] = _command()
    if file_format(options.output) == "ascii.csv":
        refined = original_columns(refined)
    write_table(refined, options.output, overwrite=options.overwrite)
    _say(options)(
        f"{suspicious} of {len(refined)} sources have a suspicious label; they come first"
    )
    return 0


def _add_plot(commands):
    parser = commands.add_parser("plot", help="draw SEDs with their bins and estimated peaks")
    parser.add_argument("seds", nargs="+", help="SED files, folders or zip archives of them")
    parser.add_argument(
        "-o", "--output", required=True, help=".pdf (one page an SED), .png or .svg (one SED)"
    )
    parser.add_argument(
        "--contact-sheet", action="store_true", help="twelve small SEDs on each page"
    )
    parser.add_argument("--no-estimate", action="store_true", help="the SEDs alone")
    _add_ensemble_options(parser)
    parser.add_argument(
        "--level", type=_level, default=0.95, help="probability of the intervals (default: 0.95)"
    )
    _add_output_options(parser)
    parser.set_defaults(run=_run_plot)


def _run_plot(options):
    from .refine import load_ensembles
    from .report import sed_panels, write_sheet

    with _warnings_said(options):
        ensembles = [] if options.no_estimate else load_ensembles(options.ensemble)
        panels = sed_panels(
            options.seds,
            ensembles,
            level=options.level,
            radius=options.radius,
            progress=_progress(options),
        )
        per_page = 12 if options.contact_sheet else 1
        n = write_sheet(panels, options.output, per_page=per_page, overwrite=options.overwrite)
    _say(options)(f"{n} SED{'s' if n != 1 else ''} drawn")
    return 0


def _add_train(commands):
    parser = commands.add_parser(
        "train", help="train an ensemble on an archive of SEDs whose peaks are known"
    )
    parser.add_argument("archive", help="folder or zip of SED files")
    parser.add_argument(
        "-o", "--output", metavar="DIR", required=True, help="folder for the ensemble and its logs"
    )
    labels = parser.add_argument_group("labels (default: those in the file names)")
    labels.add_argument("--labels", metavar="CATALOG", help="catalog with the peaks, any format")
    labels.add_argument("--nu-column", metavar="COL", help="its column of peak frequencies")
    labels.add_argument("--nufnu-column", metavar="COL", help="its column of peak fluxes")
    labels.add_argument(
        "--radius", type=_radius, default=5.0, help="how far an SED may lie from its row (5arcsec)"
    )
    recipe = parser.add_argument_group("recipe")
    recipe.add_argument(
        "--preset", choices=["default", "seed"], default="default", help="seed: the original recipe"
    )
    for name, text in (
        ("bags", "number of bags"),
        ("members", "members of each bag"),
        ("epochs", "length of the training"),
        ("seed", "seed of everything random"),
        ("simulated", "number of simulated SEDs beside the real ones"),
    ):
        recipe.add_argument(f"--{name}", type=_count, metavar="N", help=text)
    run = parser.add_argument_group("running")
    run.add_argument("--resume", action="store_true", help="go on with an interrupted training")
    run.add_argument("--overwrite", action="store_true", help="replace an existing ensemble")
    run.add_argument("--quiet", action="store_true", help="no progress bar, no messages")
    run.add_argument("--device", default="cpu", help="cpu (default), gpu or auto")
    run.add_argument("--devices", type=_count, default=1, help="how many of them (default: 1)")
    run.add_argument("--strategy", default="auto", help="of pytorch_lightning.Trainer")
    run.add_argument("--precision", default="32-true", help="of pytorch_lightning.Trainer")
    parser.set_defaults(run=_run_train)


def _add_simulate(commands):
    parser = commands.add_parser("simulate", help="make SEDs whose peaks are known")
    parser.add_argument(
        "-n", type=_count, default=20000, metavar="N", help="how many SEDs (default: 20000)"
    )
    parser.add_argument(
        "-o", "--output", metavar="ZIP", required=True, help="zip archive of SED files to write"
    )
    parser.add_argument("--seed", type=_count, default=0, help="of the random numbers (default: 0)")
    parser.add_argument(
        "--sampling",
        metavar="ARCHIVE",
        help="folder or zip of real SEDs to sample like (default: built-in surveys)",
    )
    _add_output_options(parser)
    parser.set_defaults(run=_run_simulate)


def _run_simulate(options):
    import os

    from .simulate import simulate_seds, write_simulated

    if os.path.exists(options.output) and not options.overwrite:
        raise FileExistsError(f"{options.output} exists; --overwrite replaces it")
    sampling = None
    if options.sampling is not None:
        from .dataset import join_points
        from .io import read_points

        sampling = join_points(list(read_points(options.sampling)))
    points, _ = simulate_seds(options.n, seed=options.seed, sampling=sampling)
    write_simulated(points, options.output, overwrite=options.overwrite)
    _say(options)(f"{options.output}: {options.n} SEDs, {len(points.sed)} measurements")
    return 0


def _count(text):
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"wanted a whole number from 0, got {text}")
    return number


def _run_train(options):
    from pathlib import Path

    from .dataset import read_training_set
    from .ensemble import TARGETS

    output = Path(options.output)
    existing = [output / f"{target}.npz" for target in TARGETS]
    existing = [path for path in existing if path.exists()]
    if existing and not (options.overwrite or options.resume):
        raise FileExistsError(f"{existing[0]} exists; --overwrite replaces it")
    labels = None
    if options.labels is not None:
        from astropy.table import Table

        labels = Table.read(options.labels)
    config = _train_config(options)
    say = _say(options)
    with _warnings_said(options):
        table = read_training_set(
            options.archive,
            labels,
            bins=config.bins,
            nu_column=options.nu_column,
            nufnu_column=options.nufnu_column,
            radius=options.radius,
            report=say,
        )
    say(f"{len(table)} sources to train on")
    from .train import train_ensemble

    try:
        trained = train_ensemble(
            table,
            config,
            output=output,
            resume=options.resume,
            progress=not options.quiet and sys.stderr.isatty(),
            accelerator=options.device,
            devices=options.devices,
            strategy=options.strategy,
            precision=options.precision,
        )
    except KeyboardInterrupt:
        say("the same command with --resume goes on from the last whole epoch")
        raise
    for ensemble in trained.values():
        print(_training_line(ensemble))
    return 0


def _train_config(options):
    """The preset, with what the command line says differently."""
    from dataclasses import replace

    from .train import PRESETS

    names = {"bags": "n_bags", "members": "n_members"}
    given = {
        names.get(name, name): getattr(options, name)
        for name in ("bags", "members", "epochs", "seed", "simulated")
        if getattr(options, name) is not None
    }
    return replace(PRESETS[options.preset], **given)


def _training_line(ensemble):
    """Out-of-bag scores of a trained ensemble, calibrated without the bag that is judged."""
    import numpy as np

    from .calibration import calibrate_out_of_bag

    label, mean, std, n_bins, bag = (
        ensemble.source_columns[name] for name in ("label", "oob_mean", "oob_std", "n_bins", "bag")
    )
    inside = np.zeros(len(label), bool)
    for rows, calibration in calibrate_out_of_bag(bag, label, mean, std, n_bins):
        lo, hi = calibration.interval(mean[rows], std[rows], n_bins[rows])
        inside[rows] = (lo <= label[rows]) & (label[rows] <= hi)
    return (
        f"{ensemble.target}: {len(label)} sources, out of bag: median error "
        f"{np.median(np.abs(label - mean)):.3f} dex, 95-percent intervals hold {inside.mean():.1%}"
    )


# One line a subcommand, in the order of `blase --help`.
_COMMANDS = [
    _add_estimate,
    _add_annotate,
    _add_match,
    _add_train,
    _add_simulate,
    _add_fetch,
    _add_evaluate,
    _add_refine,
    _add_plot,
]


# Which extra brings what the base install lacks.
_EXTRAS = {
    "torch": "train",
    "pytorch_lightning": "train",
    "matplotlib": "plot",
    "astroquery": "online",
    "pyarrow": "parquet",
}


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
        print(f"blase: error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("blase: interrupted", file=sys.stderr)
        return 130
