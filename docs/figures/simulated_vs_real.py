"""Draw simulated SEDs beside real ones: python docs/figures/simulated_vs_real.py SEDs.zip

The archive holds real SEDs with log10 nu_peak in their file names. Two figures go to docs/_static.
"""

import sys
import warnings
from pathlib import Path

import matplotlib as mpl

mpl.use("agg")
import matplotlib.pyplot as plt
import numpy as np

from blase_astro.io import read_points
from blase_astro.io.table import join_points
from blase_astro.sed import BIN_EDGES, bin_points, usable
from blase_astro.simulate import simulate_seds
from blase_astro.training import parse_label

STATIC = Path(__file__).resolve().parents[1] / "_static"
CLASSES = {"LSP": (11, 14), "ISP": (14, 15), "HSP": (15, 19)}
REAL, SIMULATED = "C0", "C1"
RICH = 64  # rows


def labels_of(points):
    """log10 nu_peak of file names."""
    return np.array([parse_label(name)["log_nu_peak"] for name in points.name], dtype=float)


def draw_sed(ax, points, i, color):
    """One SED: measurements with their bars, limits as arrows."""
    rows = points.sed == i
    frequency, nufnu, upper, lower = (
        column[rows]
        for column in (points.frequency, points.nufnu, points.nufnu_upper, points.nufnu_lower)
    )
    good = usable(*(column[rows] for column in points[6:]))
    limit = points.upper_limit[rows] & (upper > 0)
    bars = good & np.isfinite(upper)
    ax.vlines(frequency[bars], lower[bars], upper[bars], color=color, lw=0.6, alpha=0.6)
    ax.plot(frequency[good], nufnu[good], ".", ms=3, color=color)
    ax.plot(frequency[limit], upper[limit], "v", ms=2.5, color=color, alpha=0.5, mfc="none")
    ax.set(xscale="log", yscale="log", xlim=(3e7, 1e28), ylim=(1e-17, 3e-9))


def choose(real, real_label, truth, rng):
    """For each class three rich real SEDs, and simulated ones on as many rows with that peak."""
    rows = np.bincount(real.sed, minlength=len(real.name))
    simulated = np.flatnonzero(rows[truth["pattern"]] >= RICH)
    for lo, hi in CLASSES.values():
        of_class = np.flatnonzero((rows >= RICH) & (real_label >= lo) & (real_label < hi))
        for one in rng.choice(of_class, 3, replace=False):
            distance = np.abs(truth["log_nu_peak"][simulated] - real_label[one])
            distance += np.abs(np.log10(rows[truth["pattern"][simulated]] / rows[one]))
            yield one, simulated[np.argmin(distance)]


def draw_seds(real, real_label, points, truth):
    """Figure of single SEDs: three real and three simulated ones of each class."""
    fig, axes = plt.subplots(3, 6, figsize=(13, 6.2), sharex=True, sharey=True)
    pairs = list(choose(real, real_label, truth, np.random.default_rng(1)))
    for row, name in enumerate(CLASSES):
        for column, (one, other) in enumerate(pairs[3 * row : 3 * row + 3]):
            draw_sed(axes[row, 2 * column], real, one, REAL)
            draw_sed(axes[row, 2 * column + 1], points, other, SIMULATED)
            for shift, log_nu in ((0, real_label[one]), (1, truth["log_nu_peak"][other])):
                axes[row, 2 * column + shift].axvline(10**log_nu, color="0.6", lw=0.8, zorder=0)
        axes[row, 0].set_ylabel(f"{name}\n" r"$\nu F_\nu$ [erg s$^{-1}$ cm$^{-2}$]")
    for column, ax in enumerate(axes[0]):
        ax.set_title(("real", "simulated")[column % 2])
    for ax in axes[-1]:
        ax.set_xlabel("frequency [Hz]")
    fig.tight_layout(w_pad=0.1, h_pad=0.3)
    fig.savefig(STATIC / "simulated_seds.png", dpi=90)


def draw_shapes(ax, binned, color, label):
    """Median and 16th to 84th percentile of the bins relative to the mean level."""
    shape = binned - np.nanmean(binned, axis=1, keepdims=True)
    enough = np.isfinite(shape).sum(axis=0) >= 4
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # bins that are empty in all of them
        low, middle, high = np.nanpercentile(shape, [16, 50, 84], axis=0)
    middles = BIN_EDGES.mean(axis=1)
    ax.errorbar(
        middles[enough] + (0.1 if color == SIMULATED else -0.1),
        middle[enough],
        [(middle - low)[enough], (high - middle)[enough]],
        fmt="o",
        ms=3,
        color=color,
        label=f"{label} ({len(binned)})",
        lw=1,
    )


def like_archive(label, real_label, size=1500):
    """Simulated SEDs drawn so that their peaks are distributed as those of the archive."""
    edges = np.arange(11, 19.1, 0.5)
    wanted, there = (np.histogram(values, edges)[0] for values in (real_label, label))
    weight = (wanted / np.maximum(there, 1))[np.digitize(label, edges) - 1]
    return np.random.default_rng(0).choice(len(label), size, p=weight / weight.sum())


def draw_distributions(real, real_label, points, truth):
    """Figure of distributions: shapes by class, filled bins, levels, slopes between bins."""
    rows = np.bincount(real.sed, minlength=len(real.name))
    theirs, ours = bin_points(real)[0], bin_points(points)[0]
    fig, axes = plt.subplots(3, 3, figsize=(13, 9.5))
    for row, rich in enumerate((True, False)):
        one = np.flatnonzero((rows >= RICH) == rich)
        other = np.flatnonzero((rows[truth["pattern"]] >= RICH) == rich)
        other = other[like_archive(truth["log_nu_peak"][other], real_label[one])]
        draw_histograms(axes[2], theirs[one], ours[other], rich)
        for ax, (name, (lo, hi)) in zip(axes[row], CLASSES.items(), strict=True):
            inside = one[(real_label[one] >= lo) & (real_label[one] < hi)]
            label = truth["log_nu_peak"][other]
            draw_shapes(ax, theirs[inside], REAL, "real")
            draw_shapes(ax, ours[other[(label >= lo) & (label < hi)]], SIMULATED, "simulated")
            ax.set_title(f"{name}, {'rich' if rich else 'sparse'}")
            ax.set(xlabel=r"log$_{10}$ frequency [Hz]", ylabel="bin over mean level [dex]")
            ax.legend(loc="lower right", fontsize="small")
    fig.tight_layout()
    fig.savefig(STATIC / "simulated_distributions.png", dpi=90)


def draw_histograms(axes, theirs, ours, rich):
    """Filled bins, mean level, and the infrared to optical slope of both."""
    style = "-" if rich else ":"
    kind = "rich" if rich else "sparse"
    slope_bins = (5, 9) if rich else (9, 19)
    for binned, color, name in ((theirs, REAL, "real"), (ours, SIMULATED, "simulated")):
        label = f"{name}, {kind}"
        values = (
            np.isfinite(binned).sum(axis=1),
            np.nanmean(binned, axis=1),
            binned[:, slope_bins[1]] - binned[:, slope_bins[0]],
        )
        for ax, value, edges in zip(
            axes,
            values,
            (np.arange(0.5, 27), np.arange(-14, -9.5, 0.2), np.arange(-2.5, 2.6, 0.2)),
            strict=True,
        ):
            ax.hist(value, edges, histtype="step", color=color, ls=style, density=True, label=label)
    axes[0].set(xlabel="filled bins", ylabel="share")
    axes[1].set(xlabel="mean level [dex]")
    axes[2].set(xlabel="12 µm to optical (rich), optical to 1 GeV (sparse) [dex]")
    axes[1].legend(fontsize="small", loc="upper right")


def main(archive):
    """Read the archive, simulate on its sampling, draw."""
    real = join_points(list(read_points(archive)))
    label = labels_of(real)
    points, truth = simulate_seds(8000, seed=1, sampling=real)
    draw_seds(real, label, points, truth)
    draw_distributions(real, label, points, truth)


if __name__ == "__main__":
    main(*sys.argv[1:])
