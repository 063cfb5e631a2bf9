"""An ensemble beside what else there is, on the same SEDs: run by hand, in minutes.

``python tests/benchmarks/baselines.py SEDs.zip --ensemble my_ensemble -o baselines``

writes ``baselines.ecsv`` and ``baselines.rst``. Every method estimates the training sources of the
ensemble without having seen them:

- *ensemble*: its out-of-bag estimates, the intervals calibrated on the other bags;
- *ExtraTrees*: scikit-learn's, on the same bins, levels and bags, calibrated in the same way;
- *log-parabola*, *cubic*: least-squares fits of the synchrotron side (scipy); where a fit has no
  peak between 1e11 and 1e19 Hz (the column ``fails``), the median;
- *median*: of the labels of the other bags;
- *astroblast*: with ``--blast``, the command of that package, which estimates out of bag what it
  was trained on, with its own labels and bags.

The intervals of the fits and of the median reach between the 2.5 and 97.5 percent quantiles of
the residuals of the other bags, rich (30 measurements or more) and sparse SEDs apart.
"""

import argparse
import csv
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from astropy.table import vstack
from scipy.optimize import least_squares

from blase_astro.calibration import calibrate_out_of_bag
from blase_astro.ensemble import mean_level
from blase_astro.evaluate import evaluate_groups, out_of_bag
from blase_astro.io import read_points, read_seds
from blase_astro.sed import bin_points, usable
from blase_astro.settings import load_ensembles
from blase_astro.sky import pairs

RICH = 30  # measurements
PEAKS = (11.0, 19.0)  # log10 Hz, where a fitted peak is believed
COLUMNS = (
    "target", "method", "sources", "n", "fails", "abs_error_median", "rms", "bias", "outliers",
    "width_median", "coverage_95", "winkler",
)  # fmt: skip


def main(args=None):
    """Run all methods and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("archive", help="the SEDs that the ensemble was trained on")
    parser.add_argument("--ensemble", help="folder of the ensemble (default: the package's)")
    parser.add_argument("--blast", help="the command of astroblast")
    parser.add_argument("-o", "--output", default="baselines", help="name without suffix")
    options = parser.parse_args(args)
    tables = []
    for ensemble in load_ensembles(options.ensemble):
        data = read_sources(options.archive, ensemble)
        groups = {"rich": data["rich"], "sparse": ~data["rich"]}
        for method, (mean, lo, hi, fails) in run_methods(data, options).items():
            scores = evaluate_groups(groups, data["label"], mean, lo, hi)
            scores["target"], scores["method"] = ensemble.target, method
            scores["fails"] = [fails.mean(), *(fails[rows].mean() for rows in groups.values())]
            scores["fails"].info.format = ".3f"
            tables.append(scores[COLUMNS])
            print(scores[COLUMNS].pformat(max_width=-1)[2], flush=True)
    table = vstack(tables, metadata_conflicts="silent")
    table.write(f"{options.output}.ecsv", overwrite=True)
    table.write(f"{options.output}.rst", format="ascii.rst", overwrite=True)


def read_sources(archive, ensemble):
    """The training sources of an ensemble that the archive has, as arrays of one length."""
    sources = out_of_bag(ensemble)
    names, log_nu, log_flux, binned, source = [], [], [], [], []
    for points in read_points(archive):
        bins, _ = bin_points(points, ensemble.bin_edges)
        keep = usable(*points[6:])
        seds, found, _ = pairs(points.ra, points.dec, sources["ra"], sources["dec"], 5.0)
        for i, j in zip(seds, found, strict=True):
            rows = keep & (points.sed == i)
            names.append(points.name[i])
            log_nu.append(np.log10(points.frequency[rows]))
            log_flux.append(np.log10(np.abs(points.nufnu[rows])))
            binned.append(bins[i])
            source.append((j, (points.sed == i).sum()))
    row, n_points = np.array(source).T
    sources = sources[row]
    data = {name: np.asarray(sources[name]) for name in sources.colnames}
    rich = n_points >= RICH
    print(f"{len(rich)} of {len(ensemble.sources)} sources found, {rich.sum()} rich", flush=True)
    return data | {
        "file": names, "log_nu": log_nu, "log_flux": log_flux, "binned": np.array(binned),
        "rich": rich, "target": ensemble.target,
    }  # fmt: skip


def run_methods(data, options):
    """Estimate and interval of every method, and where it gave none."""
    n = len(data["label"])
    results = {"ensemble": (data["mean"], data["lo"], data["hi"], np.zeros(n, bool))}
    results["ExtraTrees"] = (*extra_trees(data), np.zeros(n, bool))
    median = of_other_bags(data, np.median)
    for name, degree in (("log-parabola", 2), ("cubic", 3)):
        seds = zip(data["log_nu"], data["log_flux"], strict=True)
        fit = np.array([fit_peak(*sed, degree) for sed in seds])
        fit = fit[:, 0 if data["target"] == "nu_peak" else 1]
        fails = np.isnan(fit)
        results[name] = (*with_residual_quantiles(np.where(fails, median, fit), data), fails)
    results["median"] = (*with_residual_quantiles(median, data), np.zeros(n, bool))
    if options.blast:
        mean, lo, hi = astroblast(options, data)
        results["astroblast"] = (mean, lo, hi, np.isnan(mean))
    return results


def of_other_bags(data, function):
    """A number made from the labels of the other bags, for each source."""
    value = np.empty(len(data["label"]))
    for b in np.unique(data["bag"]):
        value[data["bag"] == b] = function(data["label"][data["bag"] != b])
    return value


def with_residual_quantiles(mean, data):
    """Intervals from the residuals of the other bags."""
    lo, hi = mean.copy(), mean.copy()
    for b in np.unique(data["bag"]):
        for rich in (True, False):
            rows = (data["bag"] == b) & (data["rich"] == rich)
            others = (data["bag"] != b) & (data["rich"] == rich)
            low, high = np.quantile((data["label"] - mean)[others], [0.025, 0.975])
            lo[rows] += low
            hi[rows] += high
    return mean, lo, hi


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
    lo, hi = np.empty(len(label)), np.empty(len(label))
    for rows, calibration in calibrate_out_of_bag(bag, label, mean, std, data["n_bins"]):
        lo[rows], hi[rows] = calibration.interval(mean[rows], std[rows], data["n_bins"][rows])
    return mean, lo, hi


def astroblast(options, data):
    """Estimates of astroblast; it reads only the newest layout, which our writer writes."""
    row = {name: i for i, name in enumerate(data["file"])}
    result = np.full((2, len(row)), np.nan)
    with tempfile.TemporaryDirectory() as folder:
        seds = Path(folder) / "seds"
        seds.mkdir()
        for name, sed in read_seds(options.archive):
            # One SED that it cannot read ends its run, so that these are left out.
            if name in row and len(data["log_nu"][row[name]]):
                sed.write(seds / f"{row[name]}.txt", format="vou-sed")
        output = Path(folder) / "out.csv"
        command = [options.blast, "-s", "-f", str(seds), "-o", str(output)]
        environment = os.environ | {"ORT_DISABLE_TELEMETRY": "1"}
        subprocess.run(command, check=True, env=environment, stdout=sys.stderr)
        kind = "Frequency" if data["target"] == "nu_peak" else "Flux"
        with open(output) as file:
            for line in csv.DictReader(file):
                i = int(Path(line["Filename"]).stem)
                result[:, i] = float(line[f"Estimated Peak {kind}"]), float(line[f"{kind} Error"])
    mean, half = result
    return mean, mean - half, mean + half


if __name__ == "__main__":
    main()
