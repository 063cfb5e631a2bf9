"""Figures of an evaluation, one function each: a list, and longer than other files for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..drawing import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    RED,
    SKY,
    axes_or_current,
)
from ..targets import SED_CLASSES, TARGETS
from .scores import confusion

if TYPE_CHECKING:
    from .._types import Any, ArrayLike, Axes, Mapping

__all__ = [
    "plot_confusion",
    "plot_estimates",
    "plot_gain",
    "plot_intervals",
    "plot_moving",
    "plot_pit",
    "plot_reliability",
]

# Colour and line of each class, told apart by the line alone as well.
_CLASS_STYLES = {"LSP": (RED, "-"), "ISP": (GREEN, "--"), "HSP": (BLUE, ":")}


def _finite(*arrays):
    """The arrays where all of them are finite."""
    arrays = [np.asarray(a, float) for a in arrays]
    good = np.all([np.isfinite(a) for a in arrays], axis=0)
    return [a[good] for a in arrays]


def plot_estimates(
    label: ArrayLike, estimate: ArrayLike, ax: Axes | None = None, *, target: str = "nu_peak"
) -> Axes:
    """Two-dimensional histogram of known and estimated values.

    Parameters
    ----------
    label, estimate : array_like, shape (n,)
        Known and estimated values, log10; pairs with NaN are left out.
    ax : `~matplotlib.axes.Axes`, optional
        Where to draw; the current Axes by default.
    target : {'nu_peak', 'nufnu_peak'}
        What the values are, for the labels of the axes.

    Returns
    -------
    ax : `~matplotlib.axes.Axes`
        With the histogram, the diagonal, and the median and the 10 and 90 percent lines of the
        estimates in bins of the known value.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from blase_astro.evaluate import plot_estimates
    >>> ax = plot_estimates([13.0, 15.2], [13.1, 15.0], Figure().add_subplot())
    >>> ax.get_ylim() == ax.get_xlim()
    True
    """
    from matplotlib.colors import LogNorm

    ax = axes_or_current(ax)
    label, estimate = _finite(label, estimate)
    low, high = _limits(label, estimate)
    edges = np.linspace(low, high, 41)
    count, _, _ = np.histogram2d(label, estimate, [edges, edges])
    image = ax.pcolormesh(
        edges, edges, np.ma.masked_equal(count.T, 0), cmap="cividis",
        norm=LogNorm(1, max(count.max(), 10)),
        edgecolor="face", linewidth=0.2,  # no white seams between the cells in PDF viewers
    )  # fmt: skip
    ax.figure.colorbar(image, ax=ax, label="sources per cell", pad=0.02)
    ax.plot([low, high], [low, high], color=BLACK, lw=1, ls=":", label="equal")
    centre, quantiles = _running_quantiles(
        label, estimate, np.linspace(low, high, 16), (10, 50, 90)
    )
    ax.plot(centre, quantiles[1], color=RED, lw=2, label="median estimate")
    ax.plot(centre, quantiles[0], color=RED, lw=1.2, ls="--", label="10 and 90 percent")
    ax.plot(centre, quantiles[2], color=RED, lw=1.2, ls="--")
    ax.set(
        xlabel=f"known {TARGETS[target].axis}",
        ylabel=f"estimated {TARGETS[target].axis}",
        xlim=(low, high),
        ylim=(low, high),
        aspect="equal",
    )
    ax.legend(loc="upper left", fontsize="small", framealpha=0.9)
    return ax


def _limits(*arrays):
    """Range that holds all values, widened to whole quarters of a dex."""
    values = np.concatenate([*arrays])
    if not len(values):
        return 12.0, 18.0
    return np.floor(4 * values.min()) / 4 - 0.25, np.ceil(4 * values.max()) / 4 + 0.25


def _running_quantiles(x, y, edges, percent, least=5):
    """Quantiles of y in bins of x that hold at least as many values, at the mean x of each."""
    index = np.digitize(x, edges)
    full = [i for i in range(1, len(edges)) if (index == i).sum() >= least]
    centre = np.array([x[index == i].mean() for i in full])
    quantiles = np.array([np.percentile(y[index == i], percent) for i in full])
    return centre, quantiles.reshape(len(full), len(percent)).T


def plot_intervals(
    label: ArrayLike, lo: ArrayLike, hi: ArrayLike, ax: Axes | None = None, *, level: float = 0.95
) -> Axes:
    """Intervals ordered by width, with the known values about their centres.

    Parameters
    ----------
    label : array_like, shape (n,)
        Known values, log10.
    lo, hi : array_like, shape (n,)
        Ends of the intervals.
    ax : `~matplotlib.axes.Axes`, optional
        Where to draw; the current Axes by default.
    level : float
        Probability of the intervals.

    Returns
    -------
    ax : `~matplotlib.axes.Axes`
        With the share of known values above and below their interval in the legend.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from blase_astro.evaluate import plot_intervals
    >>> ax = plot_intervals([13.0, 15.2], [12.8, 14.0], [13.4, 15.1], Figure().add_subplot())
    >>> ax.get_legend_handles_labels()[1]
    ['95-percent interval', '50.0 % above', '0.0 % below']
    """
    ax = axes_or_current(ax)
    label, lo, hi = _finite(label, lo, hi)
    order = np.argsort(hi - lo, kind="stable")
    half = (hi - lo)[order] / 2
    offset = (label - (hi + lo) / 2)[order]
    rank = np.arange(1, len(order) + 1)
    above, below = offset > half, offset < -half
    inside = ~(above | below)
    ax.fill_between(
        rank, -half, half, color=SKY, alpha=0.4, lw=0, label=f"{100 * level:g}-percent interval"
    )
    style: dict[str, Any] = {"ls": "none", "rasterized": len(rank) > 2000}
    ax.plot(rank[inside], offset[inside], ".", ms=2.5, color=BLUE, **style)
    for rows, marker, colour, name in ((above, "^", RED, "above"), (below, "v", BLACK, "below")):
        share = 100 * rows.mean() if len(rows) else 0
        ax.plot(
            rank[rows], offset[rows], marker, ms=4, color=colour, label=f"{share:.1f} % {name}",
            **style,
        )  # fmt: skip
    ax.axhline(0, color=BLACK, lw=0.6)
    ax.set(
        xlabel="sources, by width of the interval",
        ylabel="known value, from the centre of its interval (dex)",
        xlim=(0, len(rank) + 1),
    )
    ax.legend(loc="upper left", fontsize="small")
    return ax


def plot_moving(
    label: ArrayLike,
    estimate: ArrayLike,
    lo: ArrayLike,
    hi: ArrayLike,
    ax: Axes | None = None,
    *,
    window: float = 0.5,
    target: str = "nu_peak",
    least: int = 10,
) -> Axes:
    """Median absolute error and width of the interval against the known value.

    Parameters
    ----------
    label, estimate : array_like, shape (n,)
        Known and estimated values, log10.
    lo, hi : array_like, shape (n,)
        Ends of the intervals.
    ax : `~matplotlib.axes.Axes`, optional
        Where to draw; the current Axes by default.
    window : float
        Width of the moving window (dex), a Hann window.
    target : {'nu_peak', 'nufnu_peak'}
        What the values are, for the label of the axis.
    least : int
        Fewest sources in the window to draw a value.

    Returns
    -------
    ax : `~matplotlib.axes.Axes`
        With both medians in the window, and the density of the known values on a second scale.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> import numpy as np
    >>> from blase_astro.evaluate import plot_moving
    >>> label = np.linspace(12, 17, 200)
    >>> ax = plot_moving(label, label + 0.1, label - 0.4, label + 0.6, Figure().add_subplot())
    >>> ax.get_legend_handles_labels()[1]
    ['median width of the interval', 'median absolute error']
    """
    ax = axes_or_current(ax)
    label, estimate, lo, hi = _finite(label, estimate, lo, hi)
    low, high = _limits(label)
    x = np.linspace(low, high, 301)
    weight = _hann(x[:, None] - label, window)
    few = (weight > 0).sum(axis=1) < least
    density = ax.twinx()
    density.fill_between(x, weight.sum(axis=1) / window, color=GREY, alpha=0.35, lw=0)
    density.set(ylabel="sources per dex (shaded)", ylim=(0, None))
    ax.set_zorder(density.get_zorder() + 1)  # the lines over the shading
    ax.patch.set_visible(False)
    lines = {
        "median width of the interval": (hi - lo, BLUE, "--"),
        "median absolute error": (np.abs(estimate - label), RED, "-"),
    }
    for name, (values, colour, style) in lines.items():
        median = _smooth(x, np.where(few, np.nan, _weighted_median(values, weight)), window / 2)
        ax.plot(x, median, color=colour, ls=style, lw=2, label=name)
    ax.set(xlabel=f"known {TARGETS[target].axis}", ylabel="dex", xlim=(x[0], x[-1]), yscale="log")
    ax.set_yticks([0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5], minor=False)
    ax.yaxis.set_major_formatter("{x:g}")
    ax.yaxis.set_minor_formatter("")
    drawn = np.concatenate([line.get_ydata() for line in ax.get_lines()])
    drawn = drawn[np.isfinite(drawn)] if np.isfinite(drawn).any() else np.array([0.1, 5.0])
    ax.set_ylim(drawn.min() / 1.3, drawn.max() * 2)  # the legend goes above the lines
    ax.legend(loc="upper left", fontsize="small", ncols=2)
    return ax


def _hann(distance, window):
    """Weight of a Hann window, of mean 1: it falls to zero at the edge, so that nothing jumps."""
    inside = np.abs(distance) < window / 2
    return np.where(inside, 1 + np.cos(2 * np.pi * distance / window), 0)


def _weighted_median(values, weight):
    """Median of the values with each row of weights, NaN where none counts."""
    order = np.argsort(values)
    values, weight = values[order], weight[:, order]
    total = np.cumsum(weight, axis=1)
    median = np.full(len(weight), np.nan)
    for i, row in enumerate(weight):
        used = row > 0
        if used.any():  # between the values on both sides of half the weight
            middle = (total[i] - row / 2)[used] / total[i, -1]
            median[i] = np.interp(0.5, middle, values[used])
    return median


def _smooth(x, y, window):
    """Moving mean of a line that may have gaps; the gaps stay."""
    weight = _hann(x[:, None] - x, window) * np.isfinite(y)
    total = weight.sum(axis=1)
    mean = weight @ np.nan_to_num(y) / np.where(total > 0, total, 1)
    return np.where(np.isfinite(y), mean, np.nan)


def plot_reliability(
    cdf: ArrayLike, ax: Axes | None = None, *, groups: Mapping[str, ArrayLike] | None = None
) -> Axes:
    """Coverage found against coverage asked.

    Parameters
    ----------
    cdf : array_like, shape (n,)
        Predictive distribution of each source at its known value.
    ax : `~matplotlib.axes.Axes`, optional
        Where to draw; the current Axes by default.
    groups : dict of str to array_like of bool, shape (n,), optional
        Groups of sources that get a line of their own.

    Returns
    -------
    ax : `~matplotlib.axes.Axes`
        With the band of two binomial standard deviations about the diagonal for all sources.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from blase_astro.evaluate import plot_reliability
    >>> ax = plot_reliability([0.2, 0.5, 0.9], Figure().add_subplot())
    >>> ax.get_xlabel()
    'probability asked'
    """
    ax = axes_or_current(ax)
    cdf = np.asarray(cdf, float)
    good = np.isfinite(cdf)
    level = np.linspace(0, 1, 201)
    error = 2 * np.sqrt(level * (1 - level) / max(good.sum(), 1))
    ax.fill_between(
        level, level - error, level + error, color=GREY, alpha=0.35, lw=0, label="chance (2 sigma)"
    )
    ax.plot(level, level, color=GREY, lw=1, ls=":")
    styles = iter([(ORANGE, "-."), (PURPLE, "--"), (SKY, "-"), (GREEN, ":")] * 9)
    for name, rows in {"all": good, **(groups or {})}.items():
        central = np.sort(np.abs(2 * cdf[good & np.asarray(rows)] - 1))
        if not len(central):
            continue
        found = np.searchsorted(central, level, side="right") / len(central)
        colour, line = (BLACK, "-") if name == "all" else _CLASS_STYLES.get(name) or next(styles)
        ax.plot(level, found, color=colour, ls=line, lw=2 if name == "all" else 1.5,
                label=f"{name} ({len(central)})")  # fmt: skip
    ax.set(
        xlabel="probability asked", ylabel="share of known values inside",
        xlim=(0, 1), ylim=(0, 1), aspect="equal",
    )  # fmt: skip
    ax.legend(loc="upper left", fontsize="small")
    return ax


def plot_pit(pit: ArrayLike, ax: Axes | None = None, *, n_bins: int = 20) -> Axes:
    """Histogram of the probability integral transform.

    Parameters
    ----------
    pit : array_like, shape (n,)
        Probability integral transforms (`~blase_astro.evaluate.randomised_pit`).
    ax : `~matplotlib.axes.Axes`, optional
        Where to draw; the current Axes by default.
    n_bins : int
        Number of bins.

    Returns
    -------
    ax : `~matplotlib.axes.Axes`
        With the band of two binomial standard deviations about a flat histogram. Heaped in the
        middle: intervals too wide; at both ends: too narrow; tilted: bias.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from blase_astro.evaluate import plot_pit
    >>> ax = plot_pit([0.2, 0.5, 0.9], Figure().add_subplot(), n_bins=10)
    >>> ax.get_ylabel()
    'sources per bin'
    """
    ax = axes_or_current(ax)
    (pit,) = _finite(pit)
    count, edges = np.histogram(pit, n_bins, (0, 1))
    expected = len(pit) / n_bins
    error = 2 * np.sqrt(expected * (1 - 1 / n_bins))
    ax.axhspan(expected - error, expected + error, color=GREY, alpha=0.35, lw=0,
               label="chance (2 sigma)")  # fmt: skip
    ax.axhline(expected, color=GREY, lw=1, ls=":")
    ax.stairs(count, edges, color=BLUE, lw=2, label="found")
    ax.set(
        xlabel="predictive distribution at the known value (PIT)", ylabel="sources per bin",
        xlim=(0, 1), ylim=(0, 1.3 * max(count.max(initial=0), expected + error, 1)),
    )  # fmt: skip
    ax.legend(loc="upper center", fontsize="small", ncols=2)
    return ax


def plot_confusion(label: ArrayLike, estimate: ArrayLike, ax: Axes | None = None) -> Axes:
    """Known against estimated classes of the synchrotron peak.

    Parameters
    ----------
    label, estimate : array_like, shape (n,)
        Known and estimated log10 of the peak frequency (Hz).
    ax : `~matplotlib.axes.Axes`, optional
        Where to draw; the current Axes by default.

    Returns
    -------
    ax : `~matplotlib.axes.Axes`
        With the number of sources and their share of the known class in each cell.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from blase_astro.evaluate import plot_confusion
    >>> ax = plot_confusion([13.0, 14.5, 16.0], [13.1, 13.9, 16.2], Figure().add_subplot())
    >>> ax.texts[0].get_text()
    '1\\n100 %'
    """
    ax = axes_or_current(ax)
    count = confusion(label, estimate)
    share = count / np.maximum(count.sum(axis=1, keepdims=True), 1)
    image = ax.imshow(share, cmap="cividis", vmin=0, vmax=1)
    ax.figure.colorbar(image, ax=ax, label="share of the known class", pad=0.02)
    for i, j in np.ndindex(3, 3):
        colour = "white" if share[i, j] < 0.5 else "black"
        text = f"{count[i, j]}\n{100 * share[i, j]:.0f} %"
        ax.text(j, i, text, ha="center", va="center", color=colour)
    ax.set_xticks(range(3), SED_CLASSES)
    ax.set_yticks(range(3), SED_CLASSES)
    ax.set(xlabel="estimated class", ylabel="known class")
    return ax


def plot_gain(
    label: ArrayLike, member_mean: ArrayLike, bag: ArrayLike, ax: Axes | None = None
) -> Axes:
    """What averaging members gains: errors of one member, of a bag and of all members.

    Parameters
    ----------
    label : array_like, shape (n,)
        Known values of training sources, log10.
    member_mean : array_like, shape (n_bags, n_members, n)
        Estimate of every member (`~blase_astro.ensemble.Ensemble.predict_members`).
    bag : array_like of int, shape (n,)
        Bag of each source.
    ax : `~matplotlib.axes.Axes`, optional
        Where to draw; the current Axes by default.

    Returns
    -------
    ax : `~matplotlib.axes.Axes`
        With quantiles of the absolute error out of bag for a single member and for all members of
        the bag, and of all members of all bags, most of which were trained on the source: the gap
        to these is what being out of bag is for.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> import numpy as np
    >>> from blase_astro.evaluate import plot_gain
    >>> members = 14 + np.random.default_rng(0).normal(0, 0.2, (2, 5, 50))
    >>> ax = plot_gain(np.full(50, 14.0), members, np.arange(50) % 2, Figure().add_subplot())
    >>> ax.get_ylabel()
    'absolute error (dex)'
    """
    ax = axes_or_current(ax)
    label, member_mean = np.asarray(label, float), np.asarray(member_mean, float)
    n_bags, n_members, n = member_mean.shape
    own = member_mean[np.asarray(bag), :, np.arange(n)].T  # (n_members, n)
    errors = {
        "one member,\nout of bag": np.abs(own - label),
        f"its bag of {n_members},\nout of bag": np.abs(own.mean(axis=0) - label),
        f"all {n_bags * n_members},\nnot out of bag": np.abs(member_mean.mean(axis=(0, 1)) - label),
    }
    percents = {90: (PURPLE, "^"), 75: (GREEN, "s"), 50: (BLUE, "o"), 25: (ORANGE, "v")}
    quantiles = np.array([np.nanpercentile(e, list(percents)) for e in errors.values()])
    for values, (percent, (colour, marker)) in zip(quantiles.T, percents.items(), strict=True):
        name = "median" if percent == 50 else f"{percent} percent"
        ax.plot(range(3), values, marker=marker, color=colour, lw=1.5, label=name)
        for i, value in enumerate(values):
            ax.annotate(f"{value:.3f}", (i, value), (0, 6), textcoords="offset points",
                        ha="center", fontsize="small")  # fmt: skip
    ax.set_xticks(range(3), errors)
    ax.set(ylabel="absolute error (dex)", yscale="log", xlim=(-0.4, 3.1))
    ax.margins(y=0.15)
    ax.set_yticks([0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5], minor=False)
    ax.set_ylim(quantiles.min() / 1.3, quantiles.max() * 1.4)
    ax.yaxis.set_major_formatter("{x:g}")
    ax.yaxis.set_minor_formatter("")
    ax.legend(loc="center right", fontsize="small")
    return ax
