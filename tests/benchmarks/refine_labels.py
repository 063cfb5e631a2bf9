"""Does `blase refine` find wrong labels? Run by hand, in minutes.

``python tests/benchmarks/refine_labels.py -o refine_labels``

simulates a training set, gives a share of its sources the label of another one, trains a small
ensemble on it, wrong labels and all, and asks which labels are suspicious. With an archive of SEDs
as ``--sampling`` the simulated ones are measured where its SEDs are. Writes ``.ecsv`` and ``.rst``:
of the labels wrong by more than 0.5, 1 and 2 dex the share found, of the right ones the share
accused, and the share of right ones among all that were called suspicious.
"""

import argparse

import numpy as np
from astropy.table import Table

from blase_astro.evaluate import refine
from blase_astro.sed import bin_points, load_bins
from blase_astro.simulate import simulate_seds
from blase_astro.training import TrainConfig, read_training_set, train_ensemble, training_points

LABEL_ERROR = 0.1  # dex, of a label by hand
FALSE_DISCOVERY = (0.05, 0.1, 0.2)


def main(args=None):
    """Train with several shares of wrong labels and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sampling", help="SEDs whose frequencies the simulated ones have")
    parser.add_argument("-n", type=int, default=1700, help="number of sources")
    parser.add_argument("--shares", type=float, nargs="+", default=[0.0, 0.02, 0.05, 0.1])
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("-o", "--output", default="refine_labels", help="name without suffix")
    options = parser.parse_args(args)
    rows = []
    for seed, share in enumerate(options.shares):
        rng = np.random.default_rng(seed)
        sources = training_set(options, rng)
        true = np.array(sources["log_nu_peak"])
        wrong = rng.random(len(true)) < share
        sources["log_nu_peak"][wrong] = rng.permutation(true)[wrong]
        config = TrainConfig(simulated=0, epochs=options.epochs, n_members=2)
        ensemble = train_ensemble(sources, config, progress=False)["nu_peak"]
        rows += scores(ensemble, sources, true, share)
        print(Table(rows[-len(FALSE_DISCOVERY) :]), flush=True)
    table = Table(rows)
    for name in table.colnames[4:]:
        table[name].info.format = ".3f"
    table.write(f"{options.output}.ecsv", overwrite=True)
    table.write(f"{options.output}.rst", format="ascii.rst", overwrite=True)


def training_set(options, rng):
    """Simulated sources with the columns of `blase_astro.training.read_training_set`."""
    sampling = None
    if options.sampling:
        sampling = training_points(options.sampling, read_training_set(options.sampling))
    points, truth = simulate_seds(options.n, seed=int(rng.integers(1000)), sampling=sampling)
    binned, _ = bin_points(points, load_bins("v2"))
    keep = np.isfinite(binned).sum(axis=1) >= 4
    truth = truth[keep]
    n = len(truth)
    label = truth["log_nu_peak"] + rng.normal(0, LABEL_ERROR, n)
    columns = {
        "name": [f"source {i}" for i in range(n)],
        # all over the sky: simulated positions may lie together, whose bags would too
        "ra": rng.uniform(0, 360, n),
        "dec": np.degrees(np.arcsin(rng.uniform(-1, 1, n))),
        "redshift": truth["redshift"],
        "log_nu_peak": np.round(label, 2),
        "log_nufnu_peak": np.full(n, np.nan),
        "binned": binned[keep],
    }
    return Table(columns)


def scores(ensemble, sources, true, share):
    """What refining finds, for several shares of false discoveries."""
    error = dict(zip(sources["name"], np.abs(sources["log_nu_peak"] - true), strict=True))
    rows = []
    for false_discovery in FALSE_DISCOVERY:
        refined = refine([ensemble], false_discovery=false_discovery)
        size = np.array([error[name] for name in refined["name"]])
        suspicious = np.asarray(refined["suspicious"]) > 0
        right = size == 0
        row = {"wrong": share, "asked": false_discovery, "n": len(size)}
        row["suspicious"] = int(suspicious.sum())
        for least in (0.5, 1, 2):
            row[f"found > {least} dex"] = mean(suspicious[size > least])
        row["accused"] = mean(suspicious[right])
        row["accused / suspicious"] = mean(right[suspicious])
        rows.append(row)
    return rows


def mean(values):
    """Mean, NaN for nothing."""
    return float(np.mean(values)) if len(values) else np.nan


if __name__ == "__main__":
    main()
