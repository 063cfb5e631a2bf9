"""Figure of one SED with its bins and its estimated peak."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from .io.values import numbers
from .sed import BIN_EDGES, unusable_reason
from .targets import CLASS_EDGES, SED_CLASSES

if TYPE_CHECKING:
    from ._types import Any, AnyPath, Axes, Table

__all__ = ["plot", "plot_sed", "plot_sequence"]

_BLACK, _ORANGE, _SKY, _GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
_BLUE, _RED, _PURPLE, _GREY = "#0072B2", "#D55E00", "#CC79A7", "#999999"
# Colour and marker of points that do not count, by the reason that `unusable_reason` gives.
_UNUSABLE_MARKERS = {
    "flux outside its bounds": "x",
    "negative flux": "+",
    "EBL-corrected copy": "d",
}


# Words that a font lacks characters of take these from the font that comes with matplotlib.
_FAMILY = ["sans-serif", "DejaVu Sans"]
# Height of the strip with the distribution above the Axes, in heights of these.
_STRIP = 0.16
# h in eV s: the photon energies of the axis on top.
_PLANCK = 4.135667696e-15
_ENERGIES = {"meV": 1e-3, "eV": 1e0, "keV": 1e3, "MeV": 1e6, "GeV": 1e9, "TeV": 1e12}


def _axes(ax):
    if ax is None:
        import matplotlib.pyplot as plt

        ax = plt.gca()
    return ax


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
        return panel | {"title": f"{row['name']}: {reason}".removeprefix(": ")}
    lo, hi = row["log_nu_peak_lo"], row["log_nu_peak_hi"]
    said = f"log ν_peak = {peak:.2f} [{lo:.2f}, {hi:.2f}], {row['peak_class']}"
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
    ax = _axes(ax)
    _draw_frame(ax, edges, names=legend)
    _draw_points(ax, sed, edges, counted=legend)
    _draw_peak(ax, peak, interval, peak_flux, flux_interval, level)
    if known is not None and np.isfinite(known):
        ax.axvline(known, color=_BLACK, lw=1.5, ls="--", label="known peak")
    if density is not None:
        _draw_density(ax, density, interval)
    _draw_energies(ax, 1 if density is None else 1 + _STRIP, "x-small" if legend else 5.5)
    if title:
        # Names are not formulas, whatever characters they have.
        ax.set_title(title, fontsize="medium" if legend else "small", family=_FAMILY,
                     y=1.05 + (_STRIP if density is not None else 0), parse_math=False)  # fmt: skip
    if legend:
        draw_key(ax)
    return ax


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
        The classes in their colours, with the intervals of each source.
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
    'log₁₀ (ν_peak / Hz), rest frame'
    """
    ends = ("", "_lo", "_hi")
    names = [name for name in table.colnames if name.endswith("log_nu_peak_rest")]
    prefix = names[0].removesuffix("log_nu_peak_rest") if names else ""
    if not names or f"{prefix}log_l_peak" not in table.colnames:
        wanted = "log_nu_peak_rest and log_l_peak, which --redshift and --rest give"
        raise ValueError(f"the table has no columns {wanted}")
    x, y = (
        np.array([np.ma.filled(np.ma.asarray(table[f"{prefix}{name}{end}"], float), np.nan)
                  for end in ends])
        for name in ("log_nu_peak_rest", "log_l_peak")
    )  # fmt: skip
    known = np.isfinite(x).all(axis=0) & np.isfinite(y).all(axis=0)
    classes = np.asarray(table[f"{prefix}peak_class"]).astype(str)
    ax = _axes(ax)
    for name, colour, marker in zip(SED_CLASSES, (_RED, _GREEN, _BLUE), "osD", strict=True):
        rows = known & (classes == name)
        if rows.any():
            errors = [np.abs(a[1:, rows] - a[0, rows]) for a in (x, y)]
            ax.errorbar(x[0, rows], y[0, rows], errors[1], errors[0], fmt=marker, ms=4,
                        color=colour, ecolor=colour, elinewidth=0.4, alpha=0.7,
                        label=f"{name} ({rows.sum()})")  # fmt: skip
    ax.set_xlabel("log₁₀ (ν_peak / Hz), rest frame", family=_FAMILY)
    ax.set_ylabel("log₁₀ (νLν at the peak / erg s⁻¹)", family=_FAMILY)
    if known.any():
        ax.legend(frameon=False, fontsize="small")
    return ax, int(known.sum())


def draw_key(ax, axes=None, *, top=-0.15, columns=3):
    """What is what, below the Axes, where it hides no measurement.

    Plain artists: the legend of matplotlib takes as long as all the rest, which counts for
    thousands of pages.

    Parameters
    ----------
    ax : `~matplotlib.axes.Axes`
        Where to draw.
    axes : list of `~matplotlib.axes.Axes`, optional
        Those whose entries are drawn, each once; those of ``ax`` by default.
    top : float
        Height of the first row, in those of the Axes.
    columns : int
        How many entries stand side by side.
    """
    entries = {}
    for one in axes or [ax]:
        handles, labels = one.get_legend_handles_labels()
        entries = dict(zip(labels, handles, strict=True)) | entries
    height = 16 / (72 * ax.figure.get_figheight() * ax.get_position().height)
    rows = -(-len(entries) // columns)
    plain = {"transform": ax.transAxes, "clip_on": False}
    for i, (text, handle) in enumerate(entries.items()):
        x, y = i // rows / columns, top - height * (i % rows)
        parts = handle.get_children() if hasattr(handle, "get_children") else []
        line = next((part for part in [handle, *parts] if hasattr(part, "get_marker")), None)
        if line is not None:
            look = {"color": line.get_color(), "ls": line.get_linestyle(), "lw": 1.5}
            look |= {"marker": line.get_marker(), "mfc": line.get_markerfacecolor()}
            look |= {"ms": min(line.get_markersize(), 9), "mec": line.get_markeredgecolor()}
            at = [x + 0.02] if look["ls"] == "None" else [x + 0.005, x + 0.035]
            ax.plot(at, [y] * len(at), **look, **plain)
        else:
            patch = handle if hasattr(handle, "get_facecolor") else parts[0]
            width, colour = (8, patch.get_facecolor()) if patch is handle else (1, _GREY)
            ax.hlines(y, x + 0.005, x + 0.035, lw=width, color=colour, **plain)
        ax.text(x + 0.045, y, text, va="center_baseline", fontsize="small", transform=ax.transAxes)


def _draw_frame(ax, edges, *, names):
    """Axis labels, frequency bins, and edges of the classes."""
    across = ax.get_xaxis_transform()
    for odd in (0, 1):
        spans = [(low, high - low) for low, high in edges[odd::2]]
        ax.broken_barh(spans, (0, 1), transform=across, color=_SKY, alpha=0.12 + 0.1 * odd, lw=0,
                       zorder=0.5)  # fmt: skip
    ax.vlines(CLASS_EDGES, 0, 1, transform=across, color=_GREY, lw=0.8, ls=":")
    for x, name in zip((13.5, 14.5, 15.5) if names else (), SED_CLASSES, strict=names):
        ax.text(x, 0.985, name, transform=across, ha="center", va="top",
                fontsize="x-small", color="#666666", clip_on=True)  # fmt: skip
    low, high = edges[0, 0] - 0.3, edges[-1, 1] + 0.3
    ax.set(xlim=(low, high), xticks=np.arange(2 * np.ceil(low / 2), high, 2))
    # Plain characters: formulas would be set anew for each page of a file.
    ax.set_xlabel("log₁₀ (ν / Hz)", family=_FAMILY)
    ax.set_ylabel("log₁₀ (νFν / erg s⁻¹ cm⁻²)", family=_FAMILY)


def _draw_energies(ax, top, fontsize):
    """An axis of photon energies on top."""
    across, (low, high) = ax.get_xaxis_transform(), ax.get_xlim()
    at = {f"1 {unit}": np.log10(e / _PLANCK) for unit, e in _ENERGIES.items()}
    at = {text: x for text, x in at.items() if low < x < high}
    ax.vlines(list(at.values()), top, top + 0.012, transform=across, color=_BLACK, lw=0.8,
              clip_on=False)  # fmt: skip
    if top > 1:
        ax.hlines(top, 0, 1, transform=ax.transAxes, color=_BLACK, lw=0.8, clip_on=False)
    for text, x in at.items():
        ax.text(x, top + 0.018, text, transform=across, ha="center", va="bottom", fontsize=fontsize)


def _draw_points(ax, sed, edges, *, counted):
    """Measurements: used, limits, and those that do not count, by reason."""
    reason = np.asarray(unusable_reason(sed))
    frequency = numbers(sed, "frequency", "Hz")
    flux, upper, lower = (
        numbers(sed, name, "erg / (s cm2)") for name in ("nufnu", "nufnu_upper", "nufnu_lower")
    )
    flux = np.abs(flux)
    drawable = np.isfinite(frequency) & (frequency > 0) & np.isfinite(flux) & (flux > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        log_nu, log_flux = np.log10(frequency), np.log10(flux)
    used = reason == ""
    low, high = _flux_limits(log_flux[used if used.any() else drawable])
    ax.set_ylim(low, high)
    column = log_nu[:, None]
    binned = ((column >= edges[:, 0]) & (column < edges[:, 1])).any(axis=1)
    for rows, name, fill in (
        (used & binned, "used", _BLUE),
        (used & ~binned, "in no bin", "white"),
    ):
        if rows.any():
            ax.errorbar(
                log_nu[rows], log_flux[rows], _log_errors(flux[rows], lower[rows], upper[rows]),
                fmt="o", ms=3.5, color=_BLUE, mfc=fill, lw=0.8, zorder=3,
                label=_count(rows.sum(), name) if counted else f"point {name}",
            )  # fmt: skip
    for name in sorted(set(reason) - {""}):
        rows = (reason == name) & drawable & (log_flux > low) & (log_flux < high)
        what = name if name == "upper limit" else f"not used: {name}"
        n, shown = (reason == name).sum(), rows.sum()
        label = _count(n, what, n - shown) if counted else what
        if name == "upper limit":
            ax.errorbar(log_nu[rows], log_flux[rows], 0.04 * (high - low), uplims=True, fmt="none",
                        color=_GREY, lw=0.8, capsize=2, label=label, zorder=2)  # fmt: skip
        else:
            ax.plot(log_nu[rows], log_flux[rows], _UNUSABLE_MARKERS.get(name, "s"), ms=4.5,
                    color=_GREY, label=label, zorder=2)  # fmt: skip


def _flux_limits(log_flux):
    """Range of the axis: limits far below the measurements would squeeze these to a line."""
    if not len(log_flux):
        return -16.0, -9.0
    low, high = log_flux.min(), log_flux.max()
    margin = max(0.5, 0.12 * (high - low))
    return low - margin, high + margin


def _log_errors(flux, lower, upper):
    """Lengths of the error bars in dex, 0 where no bound is given, shape (2, m).

    A lower bound of zero or less has no place on a logarithmic scale: such a bar is 1 dex long.
    """
    down, up = np.zeros(len(flux)), np.zeros(len(flux))
    down[lower <= 0] = 1.0
    given = lower > 0
    down[given] = np.log10(flux[given] / lower[given])
    given = upper > 0
    up[given] = np.log10(upper[given] / flux[given])
    return np.maximum([down, up], 0)


def _count(n, what, n_hidden=0):
    """Entry of the legend: '3 points used', '1 upper limit', '2 points not used: no flux'."""
    if what == "upper limit":
        text = f"{n} upper limit{'s' if n != 1 else ''}"
    else:
        text = f"{n} point{'s' if n != 1 else ''} {what}"
    return f"{text} ({n_hidden} not in the frame)" if n_hidden else text


def _draw_peak(ax, peak, interval, peak_flux, flux_interval, level):
    """The estimated peak: a star with its flux, or a line without, and the interval as a band."""
    if peak is None or not np.isfinite(peak):
        return
    if peak_flux is None or not np.isfinite(peak_flux):
        ax.axvline(peak, color=_RED, lw=2, label="estimated peak")
    else:
        error = [[0], [0]]
        if flux_interval is not None:
            error = [[peak_flux - flux_interval[0]], [flux_interval[1] - peak_flux]]
        ax.errorbar([peak], [peak_flux], error, fmt="*", ms=13, color=_RED, mec="white", lw=1.5,
                    label="estimated peak", zorder=4)  # fmt: skip
        low, high = ax.get_ylim()
        ax.set_ylim(min(low, peak_flux - 0.5), max(high, peak_flux + 0.5))
    if interval is not None:
        ax.axvspan(*interval, color=_ORANGE, alpha=0.3, lw=0,
                   label=f"{100 * level:g}-percent interval")  # fmt: skip


def _draw_density(ax, density, interval):
    """Predictive density in a strip above the Axes."""
    log_nu, value = density
    height = 1 + 0.95 * _STRIP * value / np.max(value)
    above = {"transform": ax.get_xaxis_transform(), "clip_on": False}
    ax.fill_between(log_nu, 1, height, color=_ORANGE, alpha=0.25, lw=0, **above)
    if interval is not None:
        inside = (log_nu >= interval[0]) & (log_nu <= interval[1])
        ax.fill_between(log_nu, 1, height, where=inside, color=_ORANGE, alpha=0.6, lw=0, **above)
    ax.plot(log_nu, height, color=_RED, lw=1, **above)
