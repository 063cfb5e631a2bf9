"""What the networks make of which bins are filled: subsets of the bands, and exchanged patterns.

    python tests/benchmarks/patterns.py DATA

DATA is the folder of real data (``v2/SEDs.zip``). All estimates are out of bag, calibrated on the
other bags.

patterns
    Real SEDs less some of their bins, in three ways: every subset of the wide bands
    (``advice/bands.py``), `bench_flags.thinned`, and every subset of the photometry of the ready
    sets of ``blase_astro.bands``. *predicted* is the mean CRPS that the distributions themselves
    predict, *beyond* what was found more than that. The SEDs with UNUSUAL_PATTERN, and those with
    X-rays but no millimetre and no infrared, stand beside the others in the same numbers of
    filled bins.
exchange
    SEDs of 12 bins and more, cut down to what they share with the pattern of another source, an
    HSP or an LSP, such that equally many bins are left of both, or equally many in each wide band
    and both with or without the bin of the peak. *error* is the mean size, *difference* the
    estimate under the pattern of an HSP less that under the pattern of an LSP, with its bootstrap
    error over sources; *pattern says* the difference of the mean labels of the sources of other
    bags that have the bins left, where each bin more halves a source's weight.
"""

import argparse
from itertools import pairwise, product
from pathlib import Path

import numpy as np
from accuracy import keep, table_of
from baselines import read_sources
from bench_flags import thinned

from blase_astro import Distribution, Ensemble
from blase_astro.advice.bands import BANDS, band_columns
from blase_astro.bands import read_bands
from blase_astro.bulk import Chunk
from blase_astro.calibration import calibrate_out_of_bag
from blase_astro.flags import MIN_BINS, Flag, doubts
from blase_astro.sed import RICH_BINS
from blase_astro.targets import sed_class

WIDE = [name for name in BANDS if name != "xray"]
PHOTOMETRY = (
    ("NVSS", "FIRST", "SUMSS", "VLASS"),
    ("AllWISE", "2MASS"),
    ("Gaia", "SDSS", "Pan-STARRS"),
    ("GALEX",),
    ("RASS", "eRASS1"),
    ("4FGL-DR3",),
)
STEPS = (MIN_BINS, 6, 9, RICH_BINS, 19, 99)
HIGH = "X, no mm, no IR"
FEWEST = 20  # SEDs that are worth a line
IN_EACH_BAND = "as many in each band"
PAIRS = 20  # exchanges of each SED
FEWEST_LEFT = 6


# --- estimates --------------------------------------------------------------------------------


def judge(ensemble, binned, source):
    """Errors, scores and flags of cut-down SEDs of sources, out of bag."""
    columns, n_bins = ensemble.source_columns, np.isfinite(binned).sum(axis=1)
    label, bag = columns["label"][source], columns["bag"][source]
    raw, spread = ensemble.predict_with_spread(binned, bag, calibrated=False)
    probability = np.empty_like(raw.probability)
    whole = columns["bag"], ensemble.oob.cdf(columns["label"]), columns["n_bins"]
    for sources, calibration in calibrate_out_of_bag(*whole):
        rows = bag == columns["bag"][sources[0]]
        probability[rows] = calibration.apply(raw[rows], n_bins[rows]).probability
    found = Distribution(raw.grid, probability, raw.base)
    median, (lo, hi) = found.median(), found.interval()
    flags = doubts(ensemble, binned, median, hi - lo, spread, 0.95)
    return {
        "source": source,
        "n_bins": n_bins,
        "error": median - label,
        "CRPS": found.crps(label),
        "predicted": predicted_crps(found),
        "central": np.abs(2 * found.cdf(label) - 1),
        "flagged": (flags & Flag.UNUSUAL_PATTERN) != 0,
        HIGH: high_pattern(binned, ensemble.bin_edges),
    }


def high_pattern(binned, edges):
    """Are there X-rays, but neither millimetre nor infrared, as in survey SEDs of HSPs?"""
    bands = band_columns(edges, ["xray", "millimetre", "infrared"])
    xray, *others = (np.isfinite(binned[:, columns]).any(axis=1) for columns in bands.values())
    return xray & ~np.any(others, axis=0)


def predicted_crps(distribution):
    """Mean CRPS of labels drawn from the distributions: the integral of F (1 - F)."""
    cdf = distribution.cumulative()
    low, high = cdf[:, :-1], cdf[:, 1:]
    square = (low * low + low * high + high * high) / 3
    return distribution.step * ((low + high) / 2 - square).sum(axis=1)


# --- subsets ----------------------------------------------------------------------------------


def cut_down(ensemble, binned):
    """Kinds of cut-down SEDs, with their bins and their sources."""
    wide = list(band_columns(ensemble.bin_edges, WIDE).values())
    yield "as they are", binned[None]
    yield "subsets of bands", subsets(binned, wide)
    rng = np.random.default_rng(0)
    copies = [
        thinned(Chunk(*[None] * len(Chunk._fields))._replace(binned=binned), rng) for _ in range(3)
    ]
    yield "thinned", np.array([copy.binned for copy in copies])
    yield "photometry", subsets(binned, [bins_of(survey, ensemble) for survey in PHOTOMETRY])


def bins_of(surveys, ensemble):
    """Bins that the photometry of some surveys fills."""
    frequency = np.log10(read_bands(list(surveys))["frequency"])[:, None]
    low, high = ensemble.bin_edges.T
    return np.flatnonzero(((low <= frequency) & (frequency < high)).any(axis=0))


def subsets(binned, groups):
    """All SEDs with some groups of bins alone: those that have points in each of these."""
    made = []
    for chosen in product((False, True), repeat=len(groups)):
        columns = [group for group, use in zip(groups, chosen, strict=True) if use]
        some = np.full_like(binned, np.nan)
        for group in columns:
            some[:, group] = binned[:, group]
        missing = [~np.isfinite(binned[:, group]).any(axis=1) for group in columns]
        some[np.any(missing, axis=0)] = np.nan
        made.append(some)
    return np.array(made)


def pattern_rows(ensemble, binned):
    """Scores by number of bins, and of the flagged SEDs beside others with as many bins."""
    for kind, made in cut_down(ensemble, binned):
        source = np.tile(np.arange(len(binned)), len(made))
        some = made.reshape(-1, binned.shape[1])
        rows = np.isfinite(some).sum(axis=1) >= MIN_BINS
        found = judge(ensemble, some[rows], source[rows])
        for low, high in pairwise(STEPS):
            here = (found["n_bins"] >= low) & (found["n_bins"] < high)
            name = f"{low} to {high - 1}" if high < STEPS[-1] else f"{low} and more"
            yield {"SEDs": kind, "bins": name} | scores(found, here.astype(float))
        for name in ("flagged", HIGH):
            if found[name].sum() >= FEWEST:
                like = as_many_bins(found["n_bins"], found[name])
                yield {"SEDs": kind, "bins": name} | scores(found, found[name].astype(float))
                yield {"SEDs": kind, "bins": "others, as many"} | scores(found, like)


def as_many_bins(n_bins, flagged):
    """Weights of the others such that their numbers of bins are those of the flagged."""
    wanted, there = (np.bincount(n_bins[rows], minlength=99) for rows in (flagged, ~flagged))
    return np.where(flagged, 0, (wanted / np.maximum(there, 1))[n_bins])


def scores(found, weight):
    """Weighted scores; the error is the median of its size."""
    size = np.abs(found["error"])
    order = np.argsort(size)
    half = np.searchsorted(np.cumsum(weight[order]), weight.sum() / 2)
    beyond = found["CRPS"] - found["predicted"]
    return {
        "n": int((weight > 0).sum()),
        "sources": len(np.unique(found["source"][weight > 0])),
        "error": size[order][half],
        "mean bias": np.average(found["error"], weights=weight),
        "CRPS": np.average(found["CRPS"], weights=weight),
        "predicted": np.average(found["predicted"], weights=weight),
        "beyond": np.average(beyond, weights=weight),
        "68%": np.average(found["central"] <= 0.68, weights=weight),
        "95%": np.average(found["central"] <= 0.95, weights=weight),
    }


# --- exchange ---------------------------------------------------------------------------------


def exchange_rows(ensemble, binned, likenesses=("as many bins", IN_EACH_BAND)):
    """HSPs and LSPs under the patterns of HSPs and of LSPs."""
    columns = ensemble.source_columns
    classes = sed_class(columns["label"])
    bits = np.left_shift(np.int64(1), np.arange(binned.shape[1]))
    pattern = (np.isfinite(binned) * bits).sum(axis=1)
    middle = ensemble.bin_edges.mean(axis=1)
    peak = bits[np.abs(middle - columns["label"][:, None]).argmin(axis=1)]
    wide = [bits[c].sum() for c in band_columns(ensemble.bin_edges, WIDE).values()]
    for likeness in likenesses:
        for name in ("HSP", "LSP"):
            rng = np.random.default_rng(0)
            pairs = []
            for i in np.flatnonzero((classes == name) & (columns["n_bins"] >= RICH_BINS)):
                masks = [*wide, peak[i]] if likeness == IN_EACH_BAND else []
                left = [
                    shared(pattern[i], pattern[(classes == other) & (np.arange(len(peak)) != i)])
                    for other in ("HSP", "LSP")
                ]
                found = alike(*left, masks)
                found = found[rng.permutation(len(found))[:PAIRS]]
                pairs += [(i, *pair) for pair in found]
            yield {"SEDs": name, "left": likeness} | exchanged(
                ensemble, binned, pattern, np.array(pairs)
            )


def shared(pattern, others):
    """What an SED shares with the patterns of others, where that is enough."""
    left = np.unique(pattern & others)
    return left[np.bitwise_count(left) >= FEWEST_LEFT]


def alike(hsp, lsp, masks):
    """Pairs of different patterns with equally many bins, in all and under each mask."""
    first, second = (
        np.stack([np.bitwise_count(left & mask) for mask in (-1, *masks)]) for left in (hsp, lsp)
    )
    a, b = np.nonzero((first[:, :, None] == second[:, None]).all(axis=0))
    return np.stack([hsp[a], lsp[b]], axis=1)[hsp[a] != lsp[b]]


def exchanged(ensemble, binned, pattern, pairs):
    """One row: scores under both patterns and their difference, each SED with equal weight."""
    source, places = pairs[:, 0], np.arange(binned.shape[1])
    under, says = [], []
    for left in pairs[:, 1:].T:
        filled = (left[:, None] >> places & 1).astype(bool)
        under.append(judge(ensemble, np.where(filled, binned[source], np.nan), source))
        says.append(of_pattern(left, source, ensemble.source_columns, pattern))
    sources, index = np.unique(source, return_inverse=True)

    def each(values):
        return np.bincount(index, values) / np.bincount(index)

    rng = np.random.default_rng(0)
    difference = each(under[0]["error"] - under[1]["error"])
    draws = rng.integers(0, len(sources), (1000, len(sources)))
    row = {"n": len(sources), "bins": np.bitwise_count(pairs[:, 1]).mean()}
    for name, one in zip(("HSP", "LSP"), under, strict=True):
        row[f"{name}'s: error"] = each(np.abs(one["error"])).mean()
        row[f"{name}'s: bias"] = each(one["error"]).mean()
        row[f"{name}'s: predicted"] = each(one["predicted"]).mean()
        row[f"{name}'s: 95%"] = each(one["central"] <= 0.95).mean()
    row["difference"] = difference.mean()
    row["+-"] = difference[draws].mean(axis=1).std()
    row["pattern says"] = each(says[0] - says[1]).mean()
    return row


def of_pattern(left, source, columns, pattern):
    """Mean label of the sources of other bags that have all these bins, the nearest above all."""
    found = np.empty(len(left))
    unique, index = np.unique(np.stack([left, columns["bag"][source]]), axis=1, return_inverse=True)
    for k, (bins, bag) in enumerate(unique.T):
        more = np.bitwise_count(pattern & ~bins).astype(float)
        weight = np.where((bins & ~pattern == 0) & (columns["bag"] != bag), 0.5**more, 0)
        mean = np.average(columns["label"], weights=weight) if weight.any() else np.nan
        found[index.ravel() == k] = mean
    return found


def main(arguments=None, *, write=True):
    """Make both tables, and write them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of real data")
    options = parser.parse_args(arguments)
    ensemble = Ensemble.load()
    binned = read_sources(options.data / "v2" / "SEDs.zip", ensemble)["binned"]
    tables = {
        "patterns": table_of(list(pattern_rows(ensemble, binned))),
        "exchange": table_of(list(exchange_rows(ensemble, binned))),
    }
    for name, table in tables.items() if write else ():
        keep(table, name)
    return tables


if __name__ == "__main__":
    main()
