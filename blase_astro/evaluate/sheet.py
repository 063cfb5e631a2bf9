"""Pages of single SEDs with their estimates."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .. import plotting
from ..estimates import Settings, estimate_arrays
from ..io import list_seds, read_seds
from ..io.output import placed
from ..sky import match_sky

if TYPE_CHECKING:
    from .._types import Any, AnyPath, Callable, Ensemble, Iterable, Iterator, Radius, Sequence

__all__ = ["sed_panels", "write_sheet"]


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
    names = [(path, list_seds(path)) for path in paths]
    total, done = sum(len(n) for _, n in names), 0
    for path, members in names:
        for name, sed in read_seds(path, members):
            panel = {"sed": sed, "title": name}
            if ensembles:
                panel |= _panel_estimate(name, sed, ensembles, level, radius)
            yield panel
            done += 1
            if progress is not None:
                progress(min(done, total), total)


def _panel_estimate(name, sed, ensembles, level, radius):
    """What an estimate adds to the figure of an SED."""
    settings = Settings(ensemble=ensembles, level=level, radius=radius, pdf=True)
    columns = estimate_arrays([(name, sed)], settings)
    row = {key: values[0] for key, values in columns.items()}
    panel = {"level": level, "edges": ensembles[0].bin_edges}
    mean = row.get("log_nu_peak", np.nan)
    of_frequency = next((e for e in ensembles if e.target == "nu_peak"), None)
    if of_frequency is not None:
        panel["known"] = _known_label(of_frequency, row, radius)
    if not np.isfinite(mean):
        return panel | {"title": f"{name}: {row['message'] or 'no estimate'}"}
    lo, hi = row["log_nu_peak_lo"], row["log_nu_peak_hi"]
    panel |= {
        "title": f"{name}\nlog nu_peak = {mean:.2f} [{lo:.2f}, {hi:.2f}], {row['peak_class']}",
        "peak": mean,
        "interval": (lo, hi),
        "density": _density(row["log_nu_peak_pdf"], settings.meta()),
    }
    if "log_nufnu_peak" in row:
        panel["peak_flux"] = row["log_nufnu_peak"]
        panel["flux_interval"] = (row["log_nufnu_peak_lo"], row["log_nufnu_peak_hi"])
    return panel


def _density(density, meta):
    """Where the density of the peak frequency is more than nothing, and its values there."""
    log_nu = meta["PDFFIRST"] + meta["PDFSTEP"] * np.arange(len(density))
    shown = np.flatnonzero(density > 1e-3 * density.max())
    some = slice(max(shown[0] - 1, 0), shown[-1] + 2)
    return log_nu[some], density[some]


def _known_label(ensemble, row, radius):
    """Label of the training source at the position of an SED, NaN if there is none."""
    sources = ensemble.source_columns
    places = (row["ra"], row["dec"]), (sources["ra"], sources["dec"])
    source = match_sky(*places, radius)[0][0]
    return sources["label"][source] if source >= 0 else np.nan


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
        SEDs on a page: 1, or a contact sheet of more, without legends.
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


def _write_pages(panels, path, suffix, per_page):
    """Draw page after page; the number of SEDs."""
    from matplotlib.backends.backend_pdf import PdfPages

    pages = _pages(panels, per_page)
    figure, n = next(pages, (None, 0))
    if figure is None:
        raise ValueError("there is no SED to draw")
    if suffix == ".pdf":
        # Opened here, as matplotlib leaves its own file open where the disk is full.
        with open(path, "wb") as file, PdfPages(file, metadata={"CreationDate": None}) as pdf:
            pdf.savefig(figure)
            for figure, count in pages:
                pdf.savefig(figure)
                n += count
        return n
    if next(pages, None) is not None:
        raise ValueError(f"more than {per_page} SED(s) need more than one page; wanted a .pdf file")
    figure.savefig(path, dpi=150)
    return n


def _pages(panels, per_page):
    """Figures with up to so many SEDs, and how many are on each."""
    from matplotlib.figure import Figure

    held = []
    for panel in panels:
        held.append(panel)
        if len(held) == per_page:
            yield _page_of(Figure, held, per_page), len(held)
            held = []
    if held:
        yield _page_of(Figure, held, per_page), len(held)


def _page_of(figure_class, panels, per_page):
    """One page: a single SED, or rows of three."""
    if per_page == 1:
        figure = figure_class(figsize=(9, 6), layout="constrained")
        plotting.plot_sed(ax=figure.add_subplot(), **panels[0])
        return figure
    n_rows = -(-per_page // 3)
    figure = figure_class(figsize=(13, 3.2 * n_rows), layout="constrained")
    for ax, panel in zip(figure.subplots(n_rows, 3).ravel(), panels, strict=False):
        plotting.plot_sed(ax=ax, **panel, legend=False)
    for ax in figure.axes[len(panels) :]:
        ax.set_axis_off()
    return figure
