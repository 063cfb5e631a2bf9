"""``blase plot``: SEDs on pages, a catalog's luminosities, or what another program highlights."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from .options import (
    add_answer_options,
    add_output_options,
    add_source_options,
    add_time_options,
    cores,
    estimate_settings,
    given_position,
    given_seds,
    jobs,
    progress,
    say,
    times,
    warnings_said,
)

if TYPE_CHECKING:
    from .._types import Any

__all__ = ["add_plot"]


def add_plot(commands: Any) -> None:
    parser = commands.add_parser("plot", help="draw SEDs with their bins and estimated peaks")
    parser.add_argument(
        "seds", nargs="*", help="SED files, folders or zip archives of them; - is standard input"
    )
    parser.add_argument("-o", "--output", help=".pdf (one page an SED), .png or .svg (one SED)")
    parser.add_argument(
        "--contact-sheet", action="store_true", help="twelve small SEDs on each page"
    )
    parser.add_argument("--no-estimate", action="store_true", help="the SEDs alone")
    parser.add_argument(
        "--sequence",
        action="store_true",
        help="of a table with the rest frame: luminosity against frequency of the peaks",
    )
    parser.add_argument(
        "--samp",
        nargs="?",
        const="",
        metavar="PROGRAM",
        help="send the estimates to TOPCAT, Aladin or all programs that take tables, and draw the "
        "SED of each row that is highlighted there, in a window or to -o FILE",
    )
    add_source_options(parser)
    add_answer_options(parser)
    add_time_options(parser)
    parser.add_argument(
        "--jobs", type=jobs, default=cores(), help="processes (default: as many as cores)"
    )
    add_output_options(parser)
    parser.set_defaults(run=_run_plot, wrong_usage=parser.error)


def _run_plot(options):
    if options.output is None and options.samp is None:
        options.wrong_usage("nowhere to draw to: wanted -o FILE or --samp")
    if not options.seds and not options.name:
        options.wrong_usage("nothing to draw: wanted SED files or --name")
    with warnings_said(options):
        if options.samp is not None:
            return _follow(options)
        if options.sequence:
            return _sequence(options)
        return _pages(options)


def _pages(options):
    from ..evaluate.sheet import draw_pages

    n = draw_pages(
        _items(options),
        options.output,
        settings=None if options.no_estimate else estimate_settings(options),
        time=None if options.mjd is None else times(options),
        per_page=12 if options.contact_sheet else 1,
        jobs=options.jobs,
        progress=progress(options),
        overwrite=options.overwrite,
    )
    say(options)(f"{n} SED{'s' if n != 1 else ''} drawn")
    return 0


def _items(options):
    """What to draw: paths as they are; what is fetched, piped or placed as name and SED table."""
    from ..io import read_sed
    from ..sky import icrs

    items, position = [], given_position(options)
    for item in given_seds(options):
        if isinstance(item, tuple):
            item = item[0], read_sed(item[1])
        elif hasattr(item, "colnames"):
            item = str(item.meta.get("name") or ""), item
        elif position is not None:
            item = os.path.basename(item), read_sed(item)
        items.append(item)
    if position is not None:
        if len(items) != 1:
            options.wrong_usage("--ra and --dec are for one SED")
        ra, dec = icrs(position)
        items[0][1].meta |= {"ra": float(ra[0]), "dec": float(dec[0])}
    return items


def _sequence(options):
    from matplotlib.figure import Figure

    from ..io.files import read_catalog
    from ..io.output import placed
    from ..plotting import plot_sequence

    if len(options.seds) > 1:
        options.wrong_usage("--sequence takes one table")
    table = read_catalog(options.seds[0])
    figure = Figure(figsize=(7, 5.5), layout="constrained")
    n = plot_sequence(table, figure.add_subplot())[1]
    with placed(options.output, overwrite=options.overwrite) as beside:
        figure.savefig(beside, dpi=150)
    say(options)(f"{n} of {len(table)} rows have a redshift and an estimate")
    return 0 if n else 1


def _follow(options):
    """Draw the SED of each row that another program highlights."""
    from ..estimates import estimate
    from ..samp import connected, highlighted, send_table
    from ..settings import Settings

    if "-" in options.seds or options.name or options.ra or options.mjd:
        options.wrong_usage("--samp takes SED files, folders and archives as they are")
    settings = estimate_settings(options)
    tables = [estimate(path, jobs=options.jobs, **settings) for path in options.seds]
    shelf = _Shelf(options.seds, tables, Settings(pdf=True, **settings))
    canvas = _canvas(options)
    with connected() as client:
        took = send_table(client, shelf.table(), options.samp, name="SEDs")
        say(options)(
            f"{len(shelf)} SEDs sent to {', '.join(took)}; highlight a row there (Ctrl-C ends)"
        )
        for params, row in highlighted(client, idle=canvas.idle):
            i = shelf.index(params, row)
            if i is None:
                say(options)(f"row {row} of another table has no SED here")
                continue
            canvas.draw(shelf.panel(i))
            say(options)(f"drawn: {shelf.name(i)}")
    return 0


class _Shelf:
    """SEDs and where each is to be found again."""

    def __init__(self, paths, tables, settings):
        self.tables, self.settings = tables, settings
        self.places = [
            (path, str(name))
            for path, table in zip(paths, tables, strict=True)
            for name in table["name"]
        ]
        self.catalogs = {}

    def __len__(self):
        return len(self.places)

    def table(self):
        """The estimates of all."""
        from astropy.table import vstack

        return vstack(self.tables, metadata_conflicts="silent")

    def name(self, i):
        return self.places[i][1]

    def index(self, params, row):
        """Which SED a highlighted row is: of our table, or of a file with positions; or None."""
        if params.get("table-id") == "blase SEDs":
            return row if row < len(self) else None
        from urllib.parse import unquote, urlsplit

        from ..io.files import read_catalog
        from ..position_columns import find_position, positions
        from ..sky import match_sky

        url = params.get("url", "")
        try:
            if url not in self.catalogs:
                catalog = read_catalog(unquote(urlsplit(url).path))
                self.catalogs[url] = positions(catalog, find_position(catalog))
            there = [coordinate[row : row + 1] for coordinate in self.catalogs[url]]
            ours = self.table()
            found = match_sky(there, (ours["ra"], ours["dec"]), self.settings.radius)[0]
        except (ValueError, OSError, IndexError):
            return None
        return int(found[0]) if len(found) and found[0] >= 0 else None

    def panel(self, i):
        """What is to be drawn of an SED."""
        from ..evaluate.sheet import estimated_panels
        from ..io import read_seds

        path, name = self.places[i]
        seds = dict(read_seds(path, [name.partition("#")[0]]))
        return estimated_panels([(name, seds[name])], self.settings)[0]


def _canvas(options):
    return _Window() if options.output is None else _Picture(options.output, options.overwrite)


class _Picture:
    """A file that is drawn anew."""

    idle = None

    def __init__(self, output, overwrite):
        from ..io.output import check_place

        check_place(output, overwrite=overwrite)
        self.output = output

    def draw(self, panel):
        from ..evaluate.sheet import write_sheet

        write_sheet([panel], self.output, overwrite=True)


class _Window:
    """A window of matplotlib, which ends the command when it is closed."""

    def __init__(self):
        import matplotlib
        from matplotlib import pyplot

        if matplotlib.get_backend().lower() not in {
            name.lower()
            for name in matplotlib.backends.backend_registry.list_builtin(
                matplotlib.backends.BackendFilter.INTERACTIVE
            )
        }:
            raise ValueError("no window can be opened here; give -o FILE, drawn for each row")
        self.pyplot = pyplot
        self.figure = pyplot.figure("blase", figsize=(9, 6))
        self.figure.subplots_adjust(left=0.085, right=0.98, bottom=0.2, top=0.77)
        pyplot.show(block=False)

    def idle(self):
        self.figure.canvas.start_event_loop(0.05)
        return not self.pyplot.fignum_exists(self.figure.number)

    def draw(self, panel):
        from ..plotting import plot_sed

        self.figure.clear()
        plot_sed(ax=self.figure.add_subplot(), **panel)
        self.figure.canvas.draw_idle()
