"""``blase evaluate`` and ``refine``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .options import (
    add_output_options,
    add_table_options,
    check_somewhere,
    check_table,
    command,
    in_file,
    level,
    put_table,
    radius,
    say,
    send,
    warnings_said,
)

if TYPE_CHECKING:
    from .._types import Any

__all__ = ["add_evaluate", "add_refine"]


def add_evaluate(commands: Any) -> None:
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
        "--radius", type=radius, default=5.0, help="largest separation (default: 5arcsec)"
    )
    parser.add_argument(
        "--level",
        type=level,
        help="probability of the intervals (default: what the table says, else 0.95)",
    )
    add_table_options(parser, samp=False)
    add_output_options(parser)
    parser.set_defaults(run=_run_evaluate, wrong_usage=parser.error)


def _run_evaluate(options):
    from ..evaluate.comparison import score, score_text
    from ..evaluate.report import write_report

    if options.output == "-":
        options.wrong_usage("-o takes the folder of a report; --format prints the scores")
    with warnings_said(options):
        tables, settings = _compared(options) if options.truth else _out_of_bag(options)
        if options.output is None:
            scores = [score(table) for table in tables]
        else:
            settings |= {"command": command(options), "overwrite": options.overwrite}
            scores = write_report(options.output, tables, **settings)
    if options.format is None:
        print("\n\n".join(score_text(table) for table in scores))
    else:
        from ..io.files import write_table

        write_table(_together(scores), "-", format=options.format)
    return 0


def _together(scores):
    """The scores of all targets as one table."""
    from astropy.table import vstack

    for table in scores:
        table.add_column([table.meta["target"]] * len(table), name="target", index=0)
    return vstack(scores, metadata_conflicts="silent")


def _out_of_bag(options):
    """Training sources beside their out-of-bag estimates, and what the report shows besides."""
    from ..evaluate.comparison import member_means, out_of_bag_tables
    from ..settings import load_ensembles

    if options.estimate or options.label or options.target:
        raise ValueError("--estimate, --label and --target need --truth")
    ensembles = load_ensembles(options.what)
    settings = {"title": "Out-of-bag evaluation", "ensemble": ensembles}
    if options.archive:
        settings["members"] = {e.target: member_means(e, options.archive) for e in ensembles}
    return out_of_bag_tables(ensembles, options.level or 0.95), settings


def _compared(options):
    """Estimates beside known values, and what the report shows besides."""
    from ..evaluate.comparison import compare_targets
    from ..io.files import read_catalog

    if options.what is None or options.archive:
        raise ValueError("--truth goes with a table of estimates, not with an ensemble or --seds")
    estimates, labels = read_catalog(options.what), read_catalog(options.truth)
    tables = compare_targets(
        estimates,
        labels,
        target=options.target,
        columns=options.estimate,
        label=options.label,
        level=options.level,
        radius=options.radius,
    )
    say(options)(
        f"{len(tables[0])} of {len(estimates)} estimates have one of {len(labels)} known values"
    )
    if options.level is None and "PILEVEL" not in estimates.meta:
        say(options)("the table does not say the level of its intervals: 0.95 is assumed (--level)")
    return tables, {"title": f"{options.what} against {options.truth}"}


def add_refine(commands: Any) -> None:
    parser = commands.add_parser(
        "refine", help="training labels that disagree with their out-of-bag estimates"
    )
    parser.add_argument(
        "ensemble", nargs="?", help="folder of an ensemble (default: the package's)"
    )
    parser.add_argument(
        "-o",
        "--output",
        help="table to write: .fits .vot .ecsv .parquet; .csv has the columns of the original; - "
        "for stdout",
    )
    add_table_options(parser)
    parser.add_argument(
        "--level", type=level, default=0.95, help="probability of the intervals (default: 0.95)"
    )
    parser.add_argument(
        "--false-discovery",
        type=level,
        default=0.1,
        metavar="SHARE",
        help="share of right labels among those called suspicious (default: 0.1)",
    )
    add_output_options(parser)
    parser.set_defaults(run=_run_refine, wrong_usage=parser.error)


def _run_refine(options):
    from ..evaluate.labels import refine, write_refined

    check_somewhere(options)
    check_table(options)
    refined = refine(options.ensemble, level=options.level, false_discovery=options.false_discovery)
    suspicious = int((refined["suspicious"] > 0).sum())
    refined.meta["HISTORY"] = command(options)
    if in_file(options):
        write_refined(refined, options.output, overwrite=options.overwrite)
    elif options.output or options.format:
        put_table(refined, options)
    send(refined, options, "refined")
    say(options)(f"{suspicious} of {len(refined)} sources have a suspicious label; they come first")
    return 0
