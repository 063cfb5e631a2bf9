"""``blase advise`` and ``explain``."""

import os
import sys

from ..io.names import shown
from .options import (
    add_ensemble_options,
    add_output_options,
    command,
    cores,
    jobs,
    level,
    one_blas_thread,
    progress,
    say,
    warnings_said,
)

__all__ = ["add_advise", "add_explain"]


def _add_settings(parser):
    add_ensemble_options(parser)
    parser.add_argument(
        "--level", type=level, default=0.95, help="probability of the intervals (default: 0.95)"
    )
    parser.add_argument(
        "--bag", type=int, help="force the networks of a bag, -1 for all (default: by position)"
    )
    parser.add_argument(
        "--fillings", metavar="FILE", help="what bands are filled with (default: the package's)"
    )


def add_advise(commands):
    parser = commands.add_parser(
        "advise", help="where one more measurement would narrow the peak the most"
    )
    parser.add_argument(
        "seds",
        nargs="+",
        help="SED files, folders or archives; before them, for a list of targets, a catalog",
    )
    parser.add_argument(
        "--band", action="append", metavar="BAND", help="xray, radio, ... (default: every one)"
    )
    parser.add_argument("-o", "--output", help="table to write: .fits .vot .ecsv .parquet .csv")
    _add_settings(parser)
    parser.add_argument(
        "--population",
        default="training",
        metavar="NAME|FILE",
        help="how common each peak is held to be, as for estimate (default: training)",
    )
    parser.add_argument(
        "--jobs", type=jobs, default=cores(), help="processes that read (default: all cores)"
    )
    add_output_options(parser)
    parser.set_defaults(run=_run_advise)


def add_explain(commands):
    parser = commands.add_parser(
        "explain", help="how the answer moves without each band and each catalog of an SED"
    )
    parser.add_argument("sed", help="an SED file; - is standard input")
    parser.add_argument("-o", "--output", help="table to write: .fits .vot .ecsv .parquet .csv")
    parser.add_argument("--figure", metavar="FILE", help="figure to draw: .pdf .png .svg")
    _add_settings(parser)
    add_output_options(parser)
    parser.set_defaults(run=_run_explain)


def _settings(options):
    return {
        name: getattr(options, name) for name in ("ensemble", "radius", "level", "bag", "fillings")
    }


def _run_advise(options):
    one_blas_thread()
    with warnings_said(options):
        return _advise(options)


def _advise(options):
    from ..advice import advise, target_list
    from ..io.files import check_output, write_table

    if options.output:
        check_output(options.output, overwrite=options.overwrite)
    seds, catalog = options.seds, None
    if len(seds) > 1:
        catalog = _catalog(seds[0])
        seds = seds if catalog is None else seds[1:]
    seds = [("-", sys.stdin.buffer) if path == "-" else path for path in seds]
    advice = advise(
        seds[0] if len(seds) == 1 else seds,
        bands=options.band,
        population=options.population,
        jobs=options.jobs,
        progress=progress(options),
        say=say(options),
        leave_out=options.output,
        command=command(options),
        **_settings(options),
    )
    n_without = len(advice) - sum(advice["band"] != "")
    table = advice
    if catalog is not None or options.band:
        table = target_list(advice, catalog, radius=options.radius)
    if options.output:
        # A declination may begin with a minus: no formula of a spreadsheet.
        write_table(table, options.output, overwrite=options.overwrite, kept=("dec_dms",))
    else:
        for row in table:
            print(shown(_advice_line(row)))
    if n_without and (options.output or table is not advice):
        say(options)(f"{n_without} SEDs without advice: no estimate, or points in the band")
    return 0 if len(table) and n_without < len(advice) else 1


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
    from ..io import read_sed
    from ..io.files import check_output, write_table
    from ..io.output import check_place
    from ..settings import load_ensembles

    if options.output:
        check_output(options.output, overwrite=options.overwrite)
    if options.figure:
        check_place(options.figure, overwrite=options.overwrite)
    sed = read_sed(sys.stdin.buffer if options.sed == "-" else options.sed)
    table = explain(sed, command=command(options), **_settings(options))
    if options.output:
        write_table(table, options.output, overwrite=options.overwrite)
    if options.figure:
        edges = load_ensembles(options.ensemble)[0].bin_edges
        place = {"edges": edges, "overwrite": options.overwrite}
        write_explanation_figure(sed, table, options.figure, **place)
    if not options.output:
        for row in table:
            print(shown(_explained_line(row, table[0])))
        if "PSTAR" in table.meta:
            print(f"host galaxy gives most of the optical light: {100 * table.meta['PSTAR']:.0f} %")
    return 0


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
