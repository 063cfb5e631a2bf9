"""The parts of the figure of an SED: bins, points, peak and distribution, and the key to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .io.values import numbers
from .sed import unusable_reason
from .targets import CLASS_EDGES, SED_CLASSES

if TYPE_CHECKING:
    from ._types import Axes, Sequence, Table

__all__ = [
    "axes_or_current",
    "draw_density",
    "draw_frame",
    "draw_key",
    "draw_peak",
    "draw_points",
    "fix_ticks",
    "set_flux_ticks",
]

BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
BLUE, RED, PURPLE, GREY = "#0072B2", "#D55E00", "#CC79A7", "#999999"
# Colour and marker of points that do not count, by the reason that `unusable_reason` gives.
_UNUSABLE_MARKERS = {
    "flux outside its bounds": "x",
    "negative flux": "+",
    "EBL-corrected copy": "d",
}
# Words that a font lacks characters of take these from the font that comes with matplotlib.
FAMILY = ["sans-serif", "DejaVu Sans"]
FREQUENCY, FLUX = "log₁₀ (ν / Hz)", "log₁₀ (νFν / erg s⁻¹ cm⁻²)"
# Height of the strip with the distribution above the Axes, in heights of these.
STRIP = 0.16
# h in eV s: the photon energies of the axis on top.
_PLANCK = 4.135667696e-15
_ENERGIES = {"meV": 1e-3, "eV": 1e0, "keV": 1e3, "MeV": 1e6, "GeV": 1e9, "TeV": 1e12}


def axes_or_current(ax: Axes | None) -> Axes:
    """The Axes to draw in: those given, or the current ones."""
    if ax is None:
        import matplotlib.pyplot as plt

        ax = plt.gca()
    return ax


def draw_key(
    ax: Axes, axes: Sequence[Axes] | None = None, *, top: float = -0.15, columns: Table = 3
) -> None:
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
            width, colour = (8, patch.get_facecolor()) if patch is handle else (1, GREY)
            ax.hlines(y, x + 0.005, x + 0.035, lw=width, color=colour, **plain)
        ax.text(x + 0.045, y, text, va="center_baseline", fontsize="small", transform=ax.transAxes)


def draw_frame(ax: Axes, edges: np.ndarray, *, names: bool, strip: bool = False) -> None:
    """What the figures of all SEDs have in common: frequency bins, classes, energies, words.

    Parameters
    ----------
    ax : `~matplotlib.axes.Axes`
        Where to draw.
    edges : ndarray of float, shape (n_bins, 2)
        Frequency bins, log10 of Hz.
    names : bool
        Are the classes to be named?
    strip : bool
        Is there a strip above, for a distribution?
    """
    across = ax.get_xaxis_transform()
    for odd in (0, 1):
        ax.add_patch(_spans(edges[odd::2], transform=across, fc=SKY, alpha=0.12 + 0.1 * odd))
    ax.vlines(CLASS_EDGES, 0, 1, transform=across, color=GREY, lw=0.8, ls=":")
    for x, name in zip((13.5, 14.5, 15.5) if names else (), SED_CLASSES, strict=names):
        ax.text(x, 0.985, name, transform=across, ha="center", va="top",
                fontsize="x-small", color="#666666", clip_on=True)  # fmt: skip
    low, high = edges[0, 0] - 0.3, edges[-1, 1] + 0.3
    ax.set(xlim=(low, high), xticks=np.arange(2 * np.ceil(low / 2), high, 2))
    # Plain characters: formulas would be set anew for each page of a file.
    ax.set_xlabel(FREQUENCY, family=FAMILY)
    ax.set_ylabel(FLUX, family=FAMILY)
    _draw_energies(ax, 1 + STRIP * strip, "x-small" if names else 5.5)


def fix_ticks(ax: Axes) -> None:
    """Turn the ticks of a frame into plain artists: no page asks them for their room.

    Parameters
    ----------
    ax : `~matplotlib.axes.Axes`
        With a frame; its range stays as it is.
    """
    ticks, size = ax.get_xticks(), ax.get_xticklabels()[0].get_fontsize()
    ax.set_xticks([])
    ax.plot(ticks, np.zeros(len(ticks)), "k", ls="none", marker=3, ms=3.5, mew=0.8,
            transform=ax.get_xaxis_transform(), clip_on=False)  # fmt: skip
    for x in ticks:
        ax.annotate(f"{x:.0f}", (x, 0), (0, -7), xycoords=ax.get_xaxis_transform(), fontsize=size,
                    textcoords="offset points", ha="center", va="top")  # fmt: skip


def _spans(spans, **look):
    """Full-height bars as one patch, which draws as fast as a single bar."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    bars = [Path.unit_rectangle().vertices * (high - low, 1) + (low, 0) for low, high in spans]
    one = Path.unit_rectangle()
    path = Path(np.concatenate(bars), np.tile(one.codes, len(bars)))
    return PathPatch(path, lw=0, zorder=0.5, **look)


def _draw_energies(ax, top, fontsize):
    """An axis of photon energies on top."""
    across, (low, high) = ax.get_xaxis_transform(), ax.get_xlim()
    at = {f"1 {unit}": np.log10(e / _PLANCK) for unit, e in _ENERGIES.items()}
    at = {text: x for text, x in at.items() if low < x < high}
    ax.vlines(list(at.values()), top, top + 0.012, transform=across, color=BLACK, lw=0.8,
              clip_on=False)  # fmt: skip
    if top > 1:
        ax.hlines(top, 0, 1, transform=ax.transAxes, color=BLACK, lw=0.8, clip_on=False)
    for text, x in at.items():
        ax.text(x, top + 0.018, text, transform=across, ha="center", va="bottom", fontsize=fontsize)


def draw_points(ax: Axes, sed: Table, edges: np.ndarray, *, counted: bool) -> None:
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
        (used & binned, "used", BLUE),
        (used & ~binned, "in no bin", "white"),
    ):
        if rows.any():
            ax.errorbar(
                log_nu[rows], log_flux[rows], _log_errors(flux[rows], lower[rows], upper[rows]),
                fmt="o", ms=3.5, color=BLUE, mfc=fill, lw=0.8, zorder=3,
                label=_count(rows.sum(), name) if counted else f"point {name}",
            )  # fmt: skip
    for name in sorted(set(reason) - {""}):
        rows = (reason == name) & drawable & (log_flux > low) & (log_flux < high)
        what = name if name == "upper limit" else f"not used: {name}"
        n, shown = (reason == name).sum(), rows.sum()
        label = _count(n, what, n - shown) if counted else what
        if name == "upper limit":
            ax.errorbar(log_nu[rows], log_flux[rows], 0.04 * (high - low), uplims=True, fmt="none",
                        color=GREY, lw=0.8, capsize=2, label=label, zorder=2)  # fmt: skip
        else:
            ax.plot(log_nu[rows], log_flux[rows], _UNUSABLE_MARKERS.get(name, "s"), ms=4.5,
                    color=GREY, label=label, zorder=2)  # fmt: skip


def _flux_limits(log_flux):
    """Range of the axis: limits far below the measurements would squeeze these to a line."""
    if not len(log_flux):
        return -16.0, -9.0
    low, high = log_flux.min(), log_flux.max()
    margin = max(0.5, 0.12 * (high - low))
    return low - margin, high + margin


def set_flux_ticks(ax: Axes) -> None:
    """At most seven ticks of the axis of fluxes, at halves or whole numbers of dex."""
    low, high = ax.get_ylim()
    step = next(step for step in (0.5, 1, 2, 5, np.inf) if (high - low) / step < 7)
    ax.set_yticks(np.arange(np.ceil(low / step), high / step) * step)


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


def draw_peak(
    ax: Axes,
    peak: float | None,
    interval: tuple[float, float] | None,
    peak_flux: float | None,
    flux_interval: tuple[float, float] | None,
    level: float,
) -> None:
    """The estimated peak: a star with its flux, or a line without, and the interval as a band."""
    if peak is None or not np.isfinite(peak):
        return
    if peak_flux is None or not np.isfinite(peak_flux):
        ax.axvline(peak, color=RED, lw=2, label="estimated peak")
    else:
        error = [[0], [0]]
        if flux_interval is not None:
            error = [[peak_flux - flux_interval[0]], [flux_interval[1] - peak_flux]]
        ax.errorbar([peak], [peak_flux], error, fmt="*", ms=13, color=RED, mec="white", lw=1.5,
                    label="estimated peak", zorder=4)  # fmt: skip
        low, high = ax.get_ylim()
        ax.set_ylim(min(low, peak_flux - 0.5), max(high, peak_flux + 0.5))
    if interval is not None:
        ax.axvspan(*interval, color=ORANGE, alpha=0.3, lw=0,
                   label=f"{100 * level:g}-percent interval")  # fmt: skip


def draw_density(
    ax: Axes, density: tuple[np.ndarray, np.ndarray], interval: tuple[float, float] | None
) -> None:
    """Predictive density in a strip above the Axes."""
    log_nu, value = density
    height = 1 + 0.95 * STRIP * value / np.max(value)
    above = {"transform": ax.get_xaxis_transform(), "clip_on": False}
    ax.fill_between(log_nu, 1, height, color=ORANGE, alpha=0.25, lw=0, **above)
    if interval is not None:
        inside = (log_nu >= interval[0]) & (log_nu <= interval[1])
        ax.fill_between(log_nu, 1, height, where=inside, color=ORANGE, alpha=0.6, lw=0, **above)
    ax.plot(log_nu, height, color=RED, lw=1, **above)
