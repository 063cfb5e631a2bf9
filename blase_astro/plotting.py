"""Figure of one SED with its bins and its estimated peak."""

from __future__ import annotations

import os
import textwrap
from typing import TYPE_CHECKING

import numpy as np

from .drawing import (
    BLACK,
    BLUE,
    FAMILY,
    GREEN,
    RED,
    STRIP,
    axes_or_current,
    draw_density,
    draw_frame,
    draw_key,
    draw_peak,
    draw_points,
    set_flux_ticks,
)
from .io.values import numbers
from .sed import BIN_EDGES
from .targets import SED_CLASSES

if TYPE_CHECKING:
    from ._types import Any, AnyPath, Axes, Table

__all__ = ["plot", "plot_sed", "plot_sequence"]

# Sources whose intervals can be told apart in one figure.
_FEW = 50


def plot(
    sed: AnyPath | Table, ax: Axes | None = None, *, estimate: bool = True, **options: Any
) -> Axes:
    """Draw an SED with its estimated synchrotron peak, in one line.

    Parameters
    ----------
    sed : path-like or `~astropy.table.Table`
        A file with one SED or an SED table.
    ax : `~matplotlib.axes.Axes`, optional
        Where to draw; the current Axes by default.
    estimate : bool
        Is the peak to be estimated and drawn? False for the SED alone.
    **options
        What `~blase_astro.Settings` lists, and ``title``, ``legend`` of
        `~blase_astro.plotting.plot_sed`.

    Returns
    -------
    ax : `~matplotlib.axes.Axes`
        As of `~blase_astro.plotting.plot_sed`, with the distribution of the peak frequency above.

    Raises
    ------
    ValueError
        If it is no SED.
    OSError
        If the file cannot be read.

    Examples
    --------
    >>> import blase_astro
    >>> from matplotlib.figure import Figure
    >>> ax = blase_astro.plot('catalogs/demo_sed.txt', Figure().add_subplot())
    >>> sorted(ax.get_legend_handles_labels()[1])
    ['1 upper limit', '53 points used', '95-percent interval', 'estimated peak']
    """
    from .estimates import estimate_arrays
    from .io import read_sed
    from .io.table import standard_sed
    from .settings import Settings

    panel: dict[str, Any] = {"title": str(getattr(sed, "meta", {}).get("name") or "")}
    if not hasattr(sed, "colnames"):
        panel["title"] = os.path.basename(os.fsdecode(sed))
        sed = read_sed(sed)
    panel["sed"] = standard_sed(sed)
    shown = {name: options.pop(name) for name in ("title", "legend") if name in options}
    if estimate:
        settings = Settings.of(options | {"pdf": True})
        columns = estimate_arrays([(panel["title"], panel["sed"])], settings)
        panel |= panel_of({name: values[0] for name, values in columns.items()}, settings)
    elif options:
        raise TypeError(f"without an estimate there is no option {next(iter(options))!r}")
    return plot_sed(ax=ax, **panel | shown)


def panel_of(row, settings):
    """What an estimate adds to the figure of an SED.

    Parameters
    ----------
    row : dict
        One row of `~blase_astro.estimate`, by name of the column.
    settings : `~blase_astro.Settings`
        What it was estimated with, ``pdf`` among it.

    Returns
    -------
    panel : dict
        Arguments of `plot_sed`.
    """
    panel = {"level": settings.level, "edges": settings.first.bin_edges, "title": row["name"]}
    peak = row.get("log_nu_peak", np.nan)
    if "nu_peak" in settings.ensembles:
        panel["known"] = _known_label(settings, row)
    if not np.isfinite(peak):
        reason = row["message"] or "no estimate"
        return panel | {"title": f"{row['name']}\n{textwrap.fill(reason, 66)}".strip()}
    lo, hi = row["log_nu_peak_lo"], row["log_nu_peak_hi"]
    said = f"log νₚₑₐₖ = {peak:.2f} [{lo:.2f}, {hi:.2f}], {row['peak_class']}"
    panel |= {
        "title": f"{row['name']}\n{said}".strip(),
        "peak": peak,
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


def _known_label(settings, row):
    """Label of the training source at the position of an SED, NaN if there is none."""
    ensemble = settings.ensembles["nu_peak"]
    source = ensemble.find_source((row["ra"], row["dec"]), settings.radius)[0]
    source = int(np.ravel(source)[0])
    return ensemble.source_columns["label"][source] if source >= 0 else np.nan


def plot_sed(
    sed: Table,
    ax: Axes | None = None,
    *,
    peak: float | None = None,
    interval: tuple[float, float] | None = None,
    peak_flux: float | None = None,
    flux_interval: tuple[float, float] | None = None,
    density: tuple[np.ndarray, np.ndarray] | None = None,
    known: float | None = None,
    level: float = 0.95,
    edges: np.ndarray = BIN_EDGES,
    title: str | None = None,
    legend: bool = True,
) -> Axes:
    """One SED with its bins and its estimated synchrotron peak.

    Parameters
    ----------
    sed : `~astropy.table.Table`
        An SED table (`~blase_astro.io.read_sed`).
    ax : `~matplotlib.axes.Axes`, optional
        Where to draw; the current Axes by default.
    peak, peak_flux : float, optional
        Estimated log10 of the peak frequency (Hz) and of nu F_nu there (erg / (s cm2)).
    interval, flux_interval : tuple of float, optional
        Ends of their intervals, log10.
    density : tuple of ndarray, optional
        log10 of the frequency (Hz) and the predictive density of the peak there (1 / dex), drawn
        above the Axes.
    known : float, optional
        Known log10 of the peak frequency (Hz), as of a training source.
    level : float
        Probability of the intervals.
    edges : ndarray of float, shape (n_bins, 2)
        Frequency bins to shade, log10 of Hz; points between them are drawn hollow.
    title : str, optional
        Title of the figure.
    legend : bool
        Whether to draw the legend and the names of the classes, for which small Axes have no room.

    Returns
    -------
    ax : `~matplotlib.axes.Axes`
        With usable points, upper limits as arrows, and points that do not count in grey, with the
        reason in the legend.

    Examples
    --------
    >>> from blase_astro.io import sed_table
    >>> from blase_astro.plotting import plot_sed
    >>> from matplotlib.figure import Figure
    >>> sed = sed_table([1.4e9, 5e14, 2.4e17], [2e-14, 8e-12, 3e-13])
    >>> ax = plot_sed(sed, Figure().add_subplot(), peak=13.2, interval=(12.6, 13.8))
    >>> ax.get_legend_handles_labels()[1]
    ['estimated peak', '95-percent interval', '3 points used']
    """
    ax = axes_or_current(ax)
    draw_frame(ax, edges, names=legend, strip=density is not None)
    draw_panel(ax, sed, peak=peak, interval=interval, peak_flux=peak_flux, density=density,
               flux_interval=flux_interval, known=known, level=level, edges=edges, title=title,
               legend=legend)  # fmt: skip
    return ax


def draw_panel(
    ax,
    sed,
    *,
    peak=None,
    interval=None,
    peak_flux=None,
    flux_interval=None,
    density=None,
    known=None,
    level=0.95,
    edges=BIN_EDGES,
    title=None,
    legend=True,
):
    """What `plot_sed` draws of one SED, inside the frame that all have in common."""
    draw_points(ax, sed, edges, counted=legend)
    draw_peak(ax, peak, interval, peak_flux, flux_interval, level)
    set_flux_ticks(ax)
    if known is not None and np.isfinite(known):
        ax.axvline(known, color=BLACK, lw=1.5, ls="--", label="known peak")
    if density is not None:
        draw_density(ax, density, interval)
    if title:
        # Names are not formulas, whatever characters they have.
        ax.set_title(title, fontsize="medium" if legend else "small", family=FAMILY,
                     y=1.05 + (STRIP if density is not None else 0), parse_math=False)  # fmt: skip
    if legend:
        draw_key(ax)


def plot_sequence(table: Table, ax: Axes | None = None) -> tuple[Axes, int]:
    """Peak luminosity against peak frequency in the rest frame, of all sources of a catalog.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Estimates or an annotated catalog with columns of the rest frame (``--redshift``,
        ``--rest``), with any prefix.
    ax : `~matplotlib.axes.Axes`, optional
        Where to draw; the current Axes by default.

    Returns
    -------
    ax : `~matplotlib.axes.Axes`
        The classes in their colours, with the intervals of each source; of many sources with the
        median interval alone.
    n : int
        Number of sources drawn.

    Raises
    ------
    ValueError
        If the table has no such columns.

    Examples
    --------
    >>> from blase_astro import estimate
    >>> from blase_astro.plotting import plot_sequence
    >>> from matplotlib.figure import Figure
    >>> estimates = estimate('catalogs/demo_seds.zip', rest=True)
    >>> ax, n = plot_sequence(estimates, Figure().add_subplot())
    >>> ax.get_xlabel()
    'log₁₀ (νₚₑₐₖ / Hz), rest frame'
    """
    ends = ("", "_lo", "_hi")
    names = [name for name in table.colnames if name.endswith("log_nu_peak_rest")]
    prefix = names[0].removesuffix("log_nu_peak_rest") if names else ""
    if not names or f"{prefix}log_l_peak" not in table.colnames:
        wanted = "log_nu_peak_rest and log_l_peak, which --redshift and --rest give"
        raise ValueError(f"the table has no columns {wanted}")
    x, y = (
        np.array([numbers(table, f"{prefix}{name}{end}") for end in ends])
        for name in ("log_nu_peak_rest", "log_l_peak")
    )
    known = np.isfinite(x).all(axis=0) & np.isfinite(y).all(axis=0)
    classes = np.asarray(table[f"{prefix}peak_class"]).astype(str)
    ax = axes_or_current(ax)
    few = known.sum() <= _FEW
    for name, colour, marker in zip(SED_CLASSES, (RED, GREEN, BLUE), "osD", strict=True):
        rows = known & (classes == name)
        if rows.any():
            ax.plot(x[0, rows], y[0, rows], marker, ms=4, color=colour, mew=0, alpha=0.7,
                    label=f"{name} ({rows.sum()})")  # fmt: skip
            if few:
                _draw_bars(ax, x[:, rows], y[:, rows], colour)
    if known.any() and not few:
        _draw_median(ax, x[:, known], y[:, known], table.meta.get("PILEVEL", 0.95))
    ax.set_xlabel("log₁₀ (νₚₑₐₖ / Hz), rest frame", family=FAMILY)
    ax.set_ylabel("log₁₀ (νLν at the peak / erg s⁻¹)", family=FAMILY)
    if known.any():
        ax.legend(frameon=False, fontsize="small")
    return ax, int(known.sum())


def _draw_bars(ax, x, y, colour, **look):
    """Intervals of sources: value, lower and upper end, shape (3, n) each."""
    errors = [np.abs(a[1:] - a[0]) for a in (x, y)]
    ax.errorbar(x[0], y[0], errors[1], errors[0], fmt="none", ecolor=colour, zorder=1.5,
                **{"elinewidth": 0.5, "alpha": 0.7} | look)  # fmt: skip


def _draw_median(ax, x, y, level):
    """The median interval as one cross below all sources, where their own would hide them."""
    ends = [np.median(a - a[0], axis=1)[:, None] for a in (x, y)]
    low, bottom = ax.get_xlim()[0], ax.get_ylim()[0]
    place = low - ends[0][1] + 0.1, bottom - ends[1][2]
    _draw_bars(ax, ends[0] + place[0], ends[1] + place[1], BLACK, elinewidth=1, alpha=1,
               label=f"median {100 * level:g}-percent intervals")  # fmt: skip
