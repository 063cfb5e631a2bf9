"""``blase population``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .options import (
    add_output_options,
    add_table_options,
    check_table,
    command,
    count,
    jobs,
    on_stdout,
    one_blas_thread,
    progress,
    put_table,
    say,
    warnings_said,
)

if TYPE_CHECKING:
    from .._types import Any

__all__ = ["add_population"]


def add_population(commands: Any) -> None:
    parser = commands.add_parser(
        "population", help="the distribution of peaks of a catalog, freed of single sources' errors"
    )
    parser.add_argument(
        "estimates", help="table of estimates or annotated catalog made with --pdf; or SEDs"
    )
    parser.add_argument(
        "-o", "--output", help="table to write: .fits .vot .ecsv .parquet .csv; - for stdout"
    )
    add_table_options(parser, samp=False)
    parser.add_argument("--figure", metavar="FILE", help="figure to draw: .pdf .png .svg")
    parser.add_argument("--ensemble", metavar="DIR", help="networks that made the estimates")
    parser.add_argument(
        "--bootstrap", type=count, default=200, metavar="N", help="samples (default: 200)"
    )
    parser.add_argument("--seed", type=count, default=0, help="of the bootstrap (default: 0)")
    parser.add_argument("--jobs", type=jobs, default=1, help="processes that read SEDs")
    add_output_options(parser)
    parser.set_defaults(run=_run_population)


def _run_population(options):
    from ..evaluate.populations import population_of, write_population_figure
    from ..io.output import check_place

    one_blas_thread()
    check_table(options)
    if options.figure:
        check_place(options.figure, overwrite=options.overwrite)
    with warnings_said(options):
        table = population_of(
            options.estimates,
            ensemble=options.ensemble,
            n_bootstrap=options.bootstrap,
            seed=options.seed,
            jobs=options.jobs,
            progress=progress(options),
        )
    table.meta["BLASECMD"] = command(options)
    if options.output or options.format:
        put_table(table, options)
    if options.figure:
        write_population_figure(table, options.figure, overwrite=options.overwrite)
    tell = say(options) if on_stdout(options) else print
    tell(_line(table.meta))
    if not (options.output or options.format or options.figure):
        say(options)("the whole distribution: -o FILE, --figure FILE")
    return 0


def _line(meta):
    """Shares of the classes, in one line."""
    shares = [
        f"{name} {100 * meta[f'FRAC{name}']:.0f} +/- {100 * meta.get(f'EFRAC{name}', 0):.0f} %"
        for name in ("LSP", "ISP", "HSP")
    ]
    return f"{meta['NSOURCE']} sources: {', '.join(shares)}"
