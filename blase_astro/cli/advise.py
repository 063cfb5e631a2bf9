"""``blase advise`` and ``explain``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..io.names import shown
from .options import (
    add_answer_options,
    add_output_options,
    add_source_options,
    add_table_options,
    add_time_options,
    check_table,
    command,
    cores,
    estimate_settings,
    given_position,
    given_seds,
    jobs,
    on_stdout,
    one_blas_thread,
    progress,
    put_table,
    say,
    send,
    times,
    warnings_said,
)

if TYPE_CHECKING:
    from .._types import Any

__all__ = ["add_advise", "add_explain"]


def _add_settings(parser):
    add_answer_options(parser)
    parser.add_argument(
        "--fillings", metavar="FILE", help="what bands are filled with (default: the package's)"
    )
    add_time_options(parser)
    add_output_options(parser)


def add_advise(commands: Any) -> None:
    parser = commands.add_parser(
        "advise", help="where one more measurement would narrow the peak the most"
    )
    parser.add_argument(
        "seds",
        nargs="*",
        help="SED files, folders or archives, - is standard input; before them, for a list of "
        "targets, a catalog",
    )
    parser.add_argument(
        "--band", action="append", metavar="BAND", help="xray, radio, ... (default: every one)"
    )
    _add_output(parser)
    add_source_options(parser, catalog=True)
    parser.add_argument(
        "--jobs", type=jobs, default=cores(), help="processes that read (default: all cores)"
    )
    _add_settings(parser)
    parser.set_defaults(run=_run_advise, wrong_usage=parser.error)


def _add_output(parser):
    parser.add_argument(
        "-o", "--output", help="table to write: .fits .vot .ecsv .parquet .csv; - for stdout"
    )
    add_table_options(parser)


def add_explain(commands: Any) -> None:
    parser = commands.add_parser(
        "explain", help="how the answer moves without each band and each catalog of an SED"
    )
    parser.add_argument(
        "seds", nargs="*", metavar="sed", help="an SED file; - is standard input; or --name"
    )
    _add_output(parser)
    parser.add_argument("--figure", metavar="FILE", help="figure to draw: .pdf .png .svg")
    add_source_options(parser)
    _add_settings(parser)
    parser.set_defaults(run=_run_explain, wrong_usage=parser.error)


def _run_advise(options):
    one_blas_thread()
    with warnings_said(options):
        return _advise(options)


def _advise(options):
    from ..advice import advise, target_list

    check_table(options)
    catalog = None
    if len(options.seds) > 1 or (options.seds and options.name):
        catalog = _catalog(options.seds[0])
        options.seds = options.seds if catalog is None else options.seds[1:]
    seds = list(given_seds(options))
    if not seds:
        options.wrong_usage("nothing to advise on: wanted SED files or --name")
    if catalog is None and options.frame:
        options.wrong_usage("--frame is for the columns of a catalog")
    advice = advise(
        seds[0] if len(seds) == 1 else seds,
        bands=options.band,
        fillings=options.fillings,
        position=given_position(options) if catalog is None else None,
        jobs=options.jobs,
        progress=progress(options),
        say=say(options),
        leave_out=options.output,
        command=command(options),
        **times(options),
        **estimate_settings(options),
    )
    n_without = len(advice) - sum(advice["band"] != "")
    table = advice
    if catalog is not None:
        where = {name: getattr(options, name) for name in ("ra", "dec", "frame")}
        table = target_list(advice, catalog, radius=options.radius, **where)
    elif options.band:
        table = target_list(advice)
    # A declination may begin with a minus: no formula of a spreadsheet.
    if not _put(table, options, "advice", kept=("dec_dms",)):
        for row in table:
            print(shown(_advice_line(row)))
    if n_without and (options.output or table is not advice):
        say(options)(f"{n_without} SEDs without advice: no estimate, or points in the band")
    nowhere = int(sum((advice["band"] != "") & (advice["ra"] != advice["ra"])))
    if nowhere and table is not advice:
        say(options)(f"{nowhere} SEDs without a position are no targets (one SED: --ra and --dec)")
    return 0 if len(table) and n_without < len(advice) else 1


def _put(table, options, name, *, kept=()):
    """Write, print and send the table where it is asked for; is it?"""
    if options.output or options.format:
        put_table(table, options, kept=kept)
    if not on_stdout(options) and options.output:
        say(options)(f"{options.output}: {len(table)} row{'s' * (len(table) != 1)}")
    send(table, options, name)
    return bool(options.output or options.format or options.samp is not None)


def _catalog(path):
    """A table without fluxes that stands before SEDs, or None where it is an SED itself."""
    from ..io.files import file_format, read_catalog

    if os.path.isdir(path):
        return None
    try:
        file_format(path)
    except ValueError:
        return None
    catalog = read_catalog(path)
    return None if "frequency" in catalog.colnames else catalog


def _advice_line(row):
    """One band of one SED, in one line."""
    if not row["band"]:
        return f"{row['name']}: {row['message']}"
    return (
        f"{row['name']}: {row['band']}: interval of {row['width']:.2f} dex, "
        f"expected {row['width_expected']:.2f} with it ({row['narrowing']:.2f} less); "
        f"class certain: {100 * row['p_certain']:.0f} % (now {row['peak_class']}, "
        f"{100 * row['p_class']:.0f} %)"
    )


def _run_explain(options):
    one_blas_thread()
    with warnings_said(options):
        return _explain(options)


def _explain(options):
    from ..advice import explain, write_explanation_figure
    from ..io.output import check_place
    from ..settings import load_ensembles

    check_table(options)
    if options.figure:
        check_place(options.figure, overwrite=options.overwrite)
    sed = _one_sed(options)
    table = explain(
        sed,
        fillings=options.fillings,
        position=given_position(options),
        command=command(options),
        **times(options),
        **estimate_settings(options),
    )
    put = _put(table, options, "explanation")
    if options.figure:
        edges = load_ensembles(options.ensemble)[0].bin_edges
        place = {"edges": edges, "overwrite": options.overwrite}
        write_explanation_figure(_of_time(sed, options), table, options.figure, **place)
    tell = say(options) if put else print
    if not put:
        for row in table:
            print(shown(_explained_line(row, table[0])))
    if "PSTAR" in table.meta:
        tell(f"host galaxy gives most of the optical light: {100 * table.meta['PSTAR']:.0f} %")
    return 0


def _one_sed(options):
    """The one SED, read or fetched."""
    from ..io import read_sed

    if len(options.seds) + len(options.name) != 1:
        options.wrong_usage("wanted one SED: a file, - or --name")
    (sed,) = given_seds(options)
    if isinstance(sed, tuple):
        sed = sed[1]
    return sed if hasattr(sed, "colnames") else read_sed(sed)


def _of_time(sed, options):
    """The measurements of the SED that count."""
    from ..times import within

    return sed if options.mjd is None else within(sed, **times(options))


def _explained_line(row, whole):
    """What leaving one thing out does, in one line."""
    what = "all points" if row["kind"] == "all" else f"without {row['without']}"
    value, lo, hi = (row[f"log_nu_peak{end}"] for end in ("", "_lo", "_hi"))
    if value != value:
        return f"{what} ({row['n_points']} points): no estimate"
    line = f"{what} ({row['n_points']} points): log nu_peak = {value:.2f} [{lo:.2f}, {hi:.2f}]"
    if row["kind"] == "all":
        return f"{line}, {row['peak_class']}"
    line += f", {row['shift']:+.2f}"
    if row["peak_class"] != whole["peak_class"]:
        line += f", {row['peak_class']}"
    if abs(row["offset_sigma"]) >= _suspicious():
        line += f"; its fluxes are {row['offset']:+.1f} dex off what the others lead to expect"
    return line


def _suspicious():
    from ..advice.leaving_out import SUSPICIOUS

    return SUSPICIOUS
