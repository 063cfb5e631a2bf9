"""Figure of one SED with its bins and its estimated peak."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .sed import BIN_EDGES, unusable_reason
from .targets import CLASS_EDGES, SED_CLASSES

if TYPE_CHECKING:
    from ._types import Axes, Table

__all__ = ["plot_sed"]

_BLACK, _ORANGE, _SKY, _GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
_BLUE, _RED, _PURPLE, _GREY = "#0072B2", "#D55E00", "#CC79A7", "#999999"
# Colour and marker of points that do not count, by the reason that `unusable_reason` gives.
_UNUSABLE_MARKERS = {
    "flux outside its bounds": "x",
    "negative flux": "+",
    "EBL-corrected copy": "d",
}


def _axes(ax):
    if ax is None:
        import matplotlib.pyplot as plt

        ax = plt.gca()
    return ax


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
    _draw_points(ax, sed, edges)
    _draw_peak(ax, peak, interval, peak_flux, flux_interval, level)
    if known is not None and np.isfinite(known):
        ax.axvline(known, color=_BLACK, lw=1.5, ls="--", label="known peak")
    top = ax if density is None else _draw_density(ax, density, interval, known)
    if title:
        top.set_title(title, fontsize="medium" if legend else "small")
    if legend:
        # below the Axes, where it hides no measurement
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=3, fontsize="small",
                  frameon=False)  # fmt: skip
    return ax


def _draw_frame(ax, edges, *, names):
    """Axis labels, frequency bins, and edges of the classes."""
    for i, (low, high) in enumerate(edges):
        ax.axvspan(low, high, color=_SKY, alpha=0.12 + 0.1 * (i % 2), lw=0, zorder=0.5)
    for edge in CLASS_EDGES:
        ax.axvline(edge, color=_GREY, lw=0.8, ls=":")
    for x, name in zip((13.5, 14.5, 15.5) if names else (), SED_CLASSES, strict=names):
        ax.text(x, 0.985, name, transform=ax.get_xaxis_transform(), ha="center", va="top",
                fontsize="x-small", color="#666666", clip_on=True)  # fmt: skip
    ax.set(
        xlabel=r"$\log_{10}\,(\nu$ / Hz)",
        ylabel=r"$\log_{10}\,(\nu F_\nu$ / erg s$^{-1}$ cm$^{-2}$)",
        xlim=(edges[0, 0] - 0.3, edges[-1, 1] + 0.3),
    )


def _draw_points(ax, sed, edges):
    """Measurements: used, limits, and those that do not count, by reason."""
    reason = np.asarray(unusable_reason(sed))
    frequency, flux, upper, lower = (
        np.ma.filled(np.ma.asarray(sed[name], dtype=float), np.nan)
        for name in ("frequency", "nufnu", "nufnu_upper", "nufnu_lower")
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
                fmt="o", ms=3.5, color=_BLUE, mfc=fill, lw=0.8, label=_count(rows.sum(), name),
                zorder=3,
            )  # fmt: skip
    for name in sorted(set(reason) - {""}):
        rows = (reason == name) & drawable & (log_flux > low) & (log_flux < high)
        label = _count((reason == name).sum(), "upper limit" if name == "upper limit" else
                       f"not used: {name}", (reason == name).sum() - rows.sum())  # fmt: skip
        if name == "upper limit":
            ax.errorbar(log_nu[rows], log_flux[rows], 0.04 * (high - low), uplims=True, fmt="none",
                        color=_GREY, lw=0.8, capsize=2, label=label, zorder=2)  # fmt: skip
        else:
            marker = _UNUSABLE_MARKERS.get(name, "s") if rows.any() else " "
            ax.plot(
                log_nu[rows], log_flux[rows], marker, ms=4.5, color=_GREY, label=label, zorder=2
            )


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


def _draw_density(ax, density, interval, known):
    """Predictive density in a strip above the Axes."""
    strip = ax.inset_axes([0, 1, 1, 0.16], sharex=ax)
    log_nu, value = density
    strip.fill_between(log_nu, value, color=_ORANGE, alpha=0.25, lw=0)
    if interval is not None:
        inside = (log_nu >= interval[0]) & (log_nu <= interval[1])
        strip.fill_between(log_nu, value, where=inside, color=_ORANGE, alpha=0.6, lw=0)
    shown = value > 1e-3 * np.max(value)
    strip.plot(log_nu[shown], value[shown], color=_RED, lw=1)
    if known is not None and np.isfinite(known):
        strip.axvline(known, color=_BLACK, lw=1.5, ls="--")
    strip.set(ylim=(0, None), yticks=[])
    strip.tick_params(labelbottom=False, bottom=False)
    strip.spines[["top", "right"]].set_visible(False)
    return strip
