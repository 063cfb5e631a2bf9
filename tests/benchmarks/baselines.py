"""What else estimates peaks, on the same SEDs, as distributions of the sources of an ensemble.

Every method estimates the training sources of the ensemble without having seen them:

- *ExtraTrees*: scikit-learn's, on the same bins, levels and bags, calibrated in the same way;
- *log-parabola*, *cubic*: least-squares fits of the synchrotron side (scipy); where a fit has no
  peak between 1e11 and 1e19 Hz, the median;
- *median*: of the labels of the other bags;
- *astroblast*: the command of that package, which estimates out of bag what it was trained on,
  with its own labels and bags.

Fits and median get the residuals of the other bags as their distribution, those with 12 filled
bins or more and the others apart. `accuracy.py` makes the tables.
"""

import csv
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from scipy.optimize import least_squares

from blase_astro import Distribution
from blase_astro.calibration import calibrate_out_of_bag
from blase_astro.evaluate import normal_interval
from blase_astro.io import read_points, read_seds
from blase_astro.sed import RICH_BINS, bin_points, mean_level, usable

PEAKS = (11.0, 19.0)  # log10 Hz, where a fitted peak is believed
_RESIDUALS = np.linspace(-6, 6, 241)  # dex, centres of the cells of the residuals


def read_sources(archive, ensemble, edges=None):
    """Names, points and bins of the sources of an ensemble, in their order."""
    columns = ensemble.source_columns
    edges = ensemble.bin_edges if edges is None else edges
    n = len(columns["label"])
    data = {"file": [""] * n, "log_nu": [np.empty(0)] * n, "log_flux": [np.empty(0)] * n}
    data["binned"] = np.full((n, len(edges)), np.nan, np.float32)
    for points in read_points(archive):
        binned, _ = bin_points(points, edges)
        keep = usable(*points[6:])
        source, _, _ = ensemble.find_source((points.ra, points.dec))
        for i in np.flatnonzero(source >= 0):
            rows, j = keep & (points.sed == i), source[i]
            if np.isfinite(binned[i]).sum() <= np.isfinite(data["binned"][j]).sum():
                continue  # the same source again
            data["file"][j], data["binned"][j] = points.name[i], binned[i]
            data["log_nu"][j] = np.log10(points.frequency[rows])
            data["log_flux"][j] = np.log10(np.abs(points.nufnu[rows]))
    data |= {name: columns[name] for name in ("label", "bag", "n_bins")}
    return data | {"target": ensemble.target}


def methods(archive, ensemble, blast=None):
    """The distributions of every method by its name."""
    data = read_sources(archive, ensemble)
    yield "ExtraTrees", extra_trees(data)
    median = of_other_bags(data, np.median)
    for name, degree in (("log-parabola", 2), ("cubic", 3)):
        seds = zip(data["log_nu"], data["log_flux"], strict=True)
        fit = np.array([fit_peak(*sed, degree) for sed in seds])
        fit = fit[:, 0 if data["target"] == "nu_peak" else 1]
        yield name, with_residuals(np.where(np.isnan(fit), median, fit), data)
    yield "median", with_residuals(median, data)
    if blast:
        yield "astroblast", astroblast(archive, blast, data)


def of_other_bags(data, function):
    """A number made from the labels of the other bags, for each source."""
    value = np.empty(len(data["label"]))
    for b in np.unique(data["bag"]):
        value[data["bag"] == b] = function(data["label"][data["bag"] != b])
    return value


def with_residuals(mean, data):
    """Estimates with the residuals of the other bags about them."""
    rich, bag = data["n_bins"] >= RICH_BINS, data["bag"]
    step = _RESIDUALS[1] - _RESIDUALS[0]
    edges = np.append(_RESIDUALS, _RESIDUALS[-1] + step) - step / 2
    probability = np.empty((len(mean), len(_RESIDUALS)))
    for b in np.unique(bag):
        for group in (rich, ~rich):
            others = (bag != b) & group
            count, _ = np.histogram((data["label"] - mean)[others], edges)
            probability[(bag == b) & group] = count / count.sum()
    return Distribution(_RESIDUALS, probability, mean)


# --- a fit of the synchrotron side ------------------------------------------------------------


def fit_peak(log_nu, log_flux, degree):
    """Peak of a polynomial through the synchrotron side: log nu and log nuFnu, NaN for none.

    X-rays are taken in where they lie on the same curve, as those of an HSP do.
    """
    best = (np.nan, np.nan)
    for edge in (16.7, 19.0):
        x, y = in_cells(log_nu, log_flux, edge)
        if len(x) <= degree:
            continue
        fit = least_squares(
            lambda c, x=x, y=y: np.polyval(c, x - 14) - y,
            np.polyfit(x - 14, y, degree),
            loss="soft_l1",
            f_scale=0.3,
        )
        peak = highest(fit.x)
        good = np.sqrt(np.mean(fit.fun**2)) < 0.3
        if np.isfinite(peak[0]) and (edge < 17 or good or np.isnan(best[0])):
            best = peak
    return best


def in_cells(log_nu, log_flux, edge):
    """Mean flux in cells of a quarter of a dex, so that a long X-ray spectrum is not all."""
    rows = log_nu < edge
    cell = np.round(4 * log_nu[rows]).astype(int)
    cells, index = np.unique(cell, return_inverse=True)
    return cells / 4, np.bincount(index, log_flux[rows]) / np.bincount(index)


def highest(coefficients):
    """Where a polynomial of log nu - 14 has its maximum."""
    roots = np.roots(np.polyder(coefficients))
    roots = roots[np.isreal(roots)].real
    roots = roots[np.polyval(np.polyder(coefficients, 2), roots) < 0]
    roots = roots[(roots + 14 > PEAKS[0]) & (roots + 14 < PEAKS[1])]
    if not len(roots):
        return np.nan, np.nan
    return roots[0] + 14, np.polyval(coefficients, roots[0])


# --- other learners ---------------------------------------------------------------------------


def extra_trees(data):
    """Extremely randomised trees on the same inputs and bags."""
    from sklearn.ensemble import ExtraTreesRegressor

    binned, label, bag = data["binned"], data["label"], data["bag"]
    level = mean_level(binned)
    filled = np.isfinite(binned)
    inputs = np.column_stack([np.where(filled, binned - level[:, None], 0), filled, level])
    shift = level if data["target"] == "nufnu_peak" else np.zeros(len(level))
    mean, std = np.empty(len(label)), np.empty(len(label))
    for b in np.unique(bag):
        others = bag != b
        model = ExtraTreesRegressor(500, min_samples_leaf=5, max_features=0.5, random_state=0)
        model.fit(inputs[others], (label - shift)[others])
        trees = np.array([tree.predict(inputs[~others]) for tree in model.estimators_])
        mean[~others] = trees.mean(axis=0) + shift[~others]
        std[~others] = np.hypot(trees.std(axis=0), 0.05)
    return calibrated(Distribution.normal(mean, std), data)


def calibrated(raw, data):
    """Out-of-bag distributions, calibrated on the other bags."""
    probability = raw.probability.copy()
    pit, n_bins = raw.cdf(data["label"]), data["n_bins"]
    for rows, calibration in calibrate_out_of_bag(data["bag"], pit, n_bins):
        probability[rows] = calibration.apply(raw[rows], n_bins[rows]).probability
    return Distribution(raw.grid, probability, raw.base)


def astroblast(archive, blast, data):
    """Estimates of astroblast; it reads only the newest layout, which our writer writes."""
    row = {name: i for i, name in enumerate(data["file"])}
    result = np.full((2, len(row)), np.nan)
    with tempfile.TemporaryDirectory() as folder:
        seds = Path(folder) / "seds"
        seds.mkdir()
        for name, sed in read_seds(archive):
            # One SED that it cannot read ends its run, so that these are left out.
            if name in row and len(data["log_nu"][row[name]]):
                sed.write(seds / f"{row[name]}.txt", format="vou-sed")
        output = Path(folder) / "out.csv"
        command = [blast, "-s", "-f", str(seds), "-o", str(output)]
        environment = os.environ | {"ORT_DISABLE_TELEMETRY": "1"}
        subprocess.run(command, check=True, env=environment, stdout=sys.stderr)
        kind = "Frequency" if data["target"] == "nu_peak" else "Flux"
        with open(output) as file:
            for line in csv.DictReader(file):
                i = int(Path(line["Filename"]).stem)
                result[:, i] = float(line[f"Estimated Peak {kind}"]), float(line[f"{kind} Error"])
    mean, half = result
    # Its errors are the half widths of 95-percent intervals of normal distributions.
    return Distribution.normal(mean, half / normal_interval(0.0, 1.0)[1])
