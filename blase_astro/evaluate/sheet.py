"""Pages of single SEDs with their estimates."""

from __future__ import annotations

import gc
import os
import warnings
from contextlib import contextmanager, nullcontext
from importlib.util import find_spec
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from astropy.utils.exceptions import AstropyUserWarning

from .. import drawing, plotting
from ..estimates import estimate_arrays
from ..io import list_seds, read_seds
from ..io.output import placed
from ..sed import BIN_EDGES
from ..settings import Settings
from ..times import within
from ..workers import Workers

if TYPE_CHECKING:
    from .._types import Any, AnyPath, Callable, Ensemble, Iterable, Iterator, Radius, Sequence

__all__ = ["sed_panels", "write_sheet"]

# SEDs that are estimated together.
_TOGETHER = 64
# SEDs that a worker draws at once: whole contact sheets.
_PIECE = 48


def sed_panels(
    paths: Iterable[AnyPath],
    ensembles: Sequence[Ensemble] = (),
    *,
    level: float = 0.95,
    radius: Radius = 5.0,
    progress: Callable[..., Any] | None = None,
) -> Iterator[dict[str, Any]]:
    """SEDs with their estimates, as `write_sheet` takes them.

    Parameters
    ----------
    paths : iterable of path-like
        SED files, folders or archives.
    ensembles : list of `~blase_astro.ensemble.Ensemble`
        What estimates the peaks, one a target in any order; none for the SEDs alone.
    level : float
        Probability of the intervals.
    radius : float, `~astropy.units.Quantity` or str
        Largest separation from a training source, whose label is drawn then, see
        `~blase_astro.angles.arcsec`.
    progress : callable, optional
        Called with the number of SEDs done and their total.

    Yields
    ------
    panel : dict
        Arguments of `~blase_astro.plotting.plot_sed`.

    Examples
    --------
    >>> from blase_astro.io import sed_table
    >>> from blase_astro.evaluate import sed_panels
    >>> sed_table([1.4e9, 4.9e14], [2e-14, 4e-12]).write('sed.txt', format='vou-sed')
    >>> [panel['title'] for panel in sed_panels(['sed.txt'])]
    ['sed.txt']
    """
    settings = None
    if ensembles:
        settings = Settings(ensemble=ensembles, level=level, radius=radius, pdf=True)
    return _panels(paths, settings, progress)


def _panels(items, settings, progress, time=None):
    """Panels of the SEDs in paths, and of pairs of name and SED table."""
    names = [(item, None if isinstance(item, tuple) else list_seds(item)) for item in items]
    total, done = sum(1 if n is None else len(n) for _, n in names), 0
    seds = (
        pair
        for item, members in names
        for pair in ([item] if members is None else read_seds(item, members))
    )
    if time is not None:
        seds = ((name, within(sed, **time)) for name, sed in seds)
    while some := list(islice(seds, _TOGETHER)):
        for panel in estimated_panels(some, settings):
            yield panel
            done += 1
            if progress is not None:
                progress(min(done, total), total)


def estimated_panels(seds, settings):
    """Pairs of name and SED table as panels, with estimates where there are settings."""
    if settings is None:
        return [{"sed": sed, "title": name} for name, sed in seds]
    columns = estimate_arrays(seds, settings)
    rows = [{key: values[i] for key, values in columns.items()} for i in range(len(seds))]
    return [
        {"sed": sed} | plotting.panel_of(row, settings)
        for (_, sed), row in zip(seds, rows, strict=True)
    ]


def write_sheet(
    panels: Iterable[dict[str, Any]], output: AnyPath, *, per_page: int = 1, overwrite: bool = False
) -> int:
    """Draw SEDs on the pages of a file.

    Parameters
    ----------
    panels : iterable of dict
        Arguments of `~blase_astro.plotting.plot_sed` for each SED; drawn as they come.
    output : path-like
        File to write: ``.pdf`` for any number of pages, ``.png`` or ``.svg`` for one.
    per_page : int
        SEDs on a page: 1, or a contact sheet of more, with one legend a page.
    overwrite : bool
        Is a file that exists to be replaced?

    Returns
    -------
    n : int
        Number of SEDs drawn.

    Raises
    ------
    ValueError
        If the suffix is not known, there is no SED, or they need more pages than the format has.
    OSError
        If the file exists already or cannot be written.

    Examples
    --------
    >>> from blase_astro.io import sed_table
    >>> from blase_astro.evaluate import write_sheet
    >>> sed = sed_table([1.4e9, 4.9e14], [2e-14, 4e-12])
    >>> write_sheet([{'sed': sed}, {'sed': sed}], 'seds.pdf')
    2
    """
    output = Path(output)
    suffix = output.suffix.lower()
    if suffix not in (".pdf", ".png", ".svg"):
        raise ValueError(f"{output}: no known suffix; wanted .pdf, .png or .svg")
    with placed(output, overwrite=overwrite) as beside:
        return _write_pages(panels, beside, suffix, per_page)


def draw_pages(
    items,
    output,
    *,
    settings=None,
    time=None,
    per_page=1,
    jobs=1,
    progress=None,
    overwrite=False,
):
    """Draw the SEDs of files, folders and archives, by several processes where it pays.

    Parameters
    ----------
    items : list of path-like and of pairs of str and `~astropy.table.Table`
        What to draw: paths, and SEDs with their names.
    output : path-like
        As for `write_sheet`.
    settings : dict, optional
        Options of `~blase_astro.Settings`, paths among them as text; without, no peak is estimated.
    time : dict, optional
        Arguments of `~blase_astro.times.within`: the measurements that count.
    per_page, overwrite
        As for `write_sheet`.
    jobs : int
        Number of processes that draw pages of a PDF; more than one needs `pypdf`.
    progress : callable, optional
        Called with the number of SEDs done and their total.

    Returns
    -------
    n : int
        Number of SEDs drawn.
    """
    whole = None if settings is None else Settings(pdf=True, **settings)
    if whole is not None and isinstance(whole.population, str) and whole.population == "self":
        raise ValueError("population: single SEDs are drawn; wanted training, flat or a file")
    paths = [os.fspath(item) for item in items if not isinstance(item, tuple)]
    jobs = jobs if len(paths) == len(items) else 1
    names = {path: list_seds(path) for path in paths} if jobs > 1 else {}
    pieces = [
        (path, some[i : i + _PIECE])
        for path, some in names.items()
        for i in range(0, len(some), _PIECE)
    ]
    jobs = min(jobs, len(pieces) // 2)
    if jobs > 1 and Path(output).suffix.lower() == ".pdf" and find_spec("pypdf"):
        order = {"settings": settings and _absolute(settings), "time": time, "per_page": per_page}
        with Workers("blase_astro.evaluate.sheet:_drawing", order, jobs) as workers:
            if workers:
                total = sum(map(len, names.values()))
                with placed(output, overwrite=overwrite) as beside:
                    return _bound(workers, pieces, beside, progress, total)
    panels = _panels(items, whole, progress, time)
    return write_sheet(panels, output, per_page=per_page, overwrite=overwrite)


def _absolute(settings):
    """Settings whose paths hold in any folder, as workers need them."""
    there = {
        name: os.path.abspath(settings[name])
        for name in ("ensemble", "population")
        if settings.get(name) is not None and os.path.exists(settings[name])
    }
    return settings | there


def _bound(workers, pieces, path, progress, total):
    """Pages that workers draw, bound in one file; the number of SEDs."""
    from pypdf import PdfWriter

    writer, n, done = PdfWriter(), 0, 0
    for (_, names), answer in workers.map([[os.path.abspath(p), names] for p, names in pieces]):
        if answer is None:
            raise OSError(f"not drawn: the process that drew {names[0]} was killed, twice")
        (drawn, warned), (pages,) = answer
        for text in warned:
            warnings.warn(text, AstropyUserWarning, stacklevel=2)
        if drawn:
            writer.append(BytesIO(pages.tobytes()))
        n, done = n + drawn, done + len(names)
        if progress is not None:
            progress(done, total)
    if not n:
        raise ValueError("there is no SED to draw")
    writer.write(path)
    return n


def _drawing(order):
    """In a worker: a function that draws some SEDs of a path."""
    settings, time = order["settings"], order["time"]
    if settings is not None:
        settings = Settings(pdf=True, **settings)

    def answer(piece):
        path, names = piece
        pages = BytesIO()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            seds = list(read_seds(path, names))
        if time is not None:
            seds = [(name, within(sed, **time)) for name, sed in seds]
        panels = estimated_panels(seds, settings) if seds else []
        n = _write_pages(panels, pages, ".pdf", order["per_page"]) if seds else 0
        warned = [str(warning.message) for warning in caught]
        return (n, warned), [np.frombuffer(pages.getvalue(), np.uint8)]

    return answer


def _write_pages(panels, path, suffix, per_page):
    """Draw page after page; the number of SEDs."""
    from matplotlib.backends.backend_pdf import PdfPages

    n = 0
    with _undisturbed():
        figure, axes = _page(per_page)
        if suffix == ".pdf":
            # Opened here, as matplotlib leaves its own file open where the disk is full.
            with (
                nullcontext(path) if hasattr(path, "write") else open(path, "wb") as file,
                PdfPages(file, metadata={"CreationDate": None}) as pdf,
            ):
                for count in _drawn(panels, figure, axes):
                    pdf.savefig(figure)
                    n += count
        else:
            for count in _drawn(panels, figure, axes):
                if n:
                    text = f"more than {per_page} SED(s) need more than one page"
                    raise ValueError(f"{text}; wanted a .pdf file")
                figure.savefig(path, dpi=150)
                n = count
    if not n:
        raise ValueError("there is no SED to draw")
    return n


@contextmanager
def _undisturbed():
    """Draw thousands of artists without looking for cycles, and names in any alphabet.

    The search for cycles takes a tenth of the time, and what the pages leave is freed at the end.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
            yield
    finally:
        if was_on:
            gc.enable()


def _page(per_page):
    """The one figure of all pages: a single SED, or rows of three.

    Making a figure and finding room for its labels would take longer than drawing it.
    """
    from matplotlib.figure import Figure

    if per_page == 1:
        figure = Figure(figsize=(9, 6))
        figure.subplots_adjust(left=0.1, right=0.98, bottom=0.2, top=0.77)
        ax = figure.add_subplot()
        ax.xaxis.set_label_coords(0.5, -0.08)  # else the size of all ticks is asked for
        ax.yaxis.set_label_coords(-0.07, 0.5)
        return figure, [ax]
    n_rows = -(-per_page // 3)
    height = 3.2 * n_rows + 0.6
    figure = Figure(figsize=(13, height))
    axes = figure.subplots(n_rows, 3).ravel()
    figure.subplots_adjust(
        left=0.06, right=0.99, bottom=1.2 / height, top=1 - 0.95 / height, hspace=0.62, wspace=0.15
    )
    for ax in axes:
        ax.tick_params(labelsize="small")
        ax.xaxis.set_label_coords(0.5, -0.13)
        ax.yaxis.set_label_coords(-0.145, 0.5)
    return figure, axes


def _drawn(panels, figure, axes):
    """Draw page after page on the one figure; how many SEDs are on each."""
    panels, frames = iter(panels), {}
    alone = len(axes) == 1
    while some := list(islice(panels, len(axes))):
        used = axes[: len(some)]
        for ax, panel in zip(used, some, strict=True):
            _keep_frame(ax, panel, frames, names=alone)
            plotting.draw_panel(ax, **panel, legend=alone)
        for ax in axes:
            ax.set_visible(ax in used)
        if not alone:
            _label_outer(used)
            key = figure.add_axes([0.055, 0, 0.93, 0.9 / figure.get_figheight()])
            key.set_axis_off()
            drawing.draw_key(key, list(used), top=0.5, columns=5)
        yield len(some)
        if not alone:
            key.remove()
        for ax in used:
            _clear(ax, frames[ax][1])


def _keep_frame(ax, panel, frames, *, names):
    """Leave the frame of the page before where it is that of this SED as well, or draw it."""
    edges, strip = panel.get("edges", BIN_EDGES), panel.get("density") is not None
    look = edges.tobytes(), strip
    if ax in frames and frames[ax][0] == look:
        return
    _clear(ax)
    drawing.draw_frame(ax, edges, names=names, strip=strip)
    drawing.fix_ticks(ax)
    frames[ax] = look, _artists(ax)


def _artists(ax):
    return [*ax.lines, *ax.collections, *ax.texts, *ax.patches]


def _clear(ax, kept=()):
    """Remove what was drawn but the frame."""
    for artist in _artists(ax):
        if artist not in kept:
            artist.remove()
    ax.containers.clear()
    ax.set_title("")


def _label_outer(used):
    """Words at the outer axes of a contact sheet alone."""
    for i, ax in enumerate(used):
        ax.set_ylabel("" if i % 3 else drawing.FLUX)
        ax.set_xlabel("" if i + 3 < len(used) else drawing.FREQUENCY)
