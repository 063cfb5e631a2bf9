"""Errors and coverage on simulated SEDs that the ensemble never saw, by class (run by hand).

    python tests/benchmarks/simulated.py DATA [--ensemble DIR] [-n 6000] [-o docs/tables]

DATA is the folder of real data, whose sampling the simulated SEDs follow.
"""

import argparse
from pathlib import Path

import numpy as np
from astropy.table import Table
from made_with import record

from blase_astro.ensemble import TARGETS, Ensemble
from blase_astro.sed import RICH_BINS, bin_points
from blase_astro.simulate import simulate_seds
from blase_astro.targets import sed_class
from blase_astro.training import read_training_set, training_points


def rows(ensemble, binned, label, classes):
    """Median error, both biases, coverage and Winkler score by richness and class."""
    n_bins = np.isfinite(binned).sum(axis=1)
    distribution = ensemble.predict(binned)
    error, (lo, hi) = distribution.median() - label, distribution.interval()
    outside = np.maximum(lo - label, 0) + np.maximum(label - hi, 0)
    winkler = hi - lo + 40 * outside
    for richness in ("rich", "sparse"):
        group = (n_bins >= RICH_BINS) == (richness == "rich")
        group &= n_bins >= 4
        for name in ("all", "LSP", "ISP", "HSP"):
            chosen = group & (True if name == "all" else classes == name)
            yield (
                ensemble.target,
                richness,
                name,
                chosen.sum(),
                np.median(np.abs(error)[chosen]),
                np.median(error[chosen]),
                np.mean(error[chosen]),
                np.mean((outside == 0)[chosen]),
                winkler[chosen].mean(),
            )


def main(arguments=None):
    """Print the table, write it if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--ensemble", help="folder (default: the package's)")
    parser.add_argument("-n", type=int, default=6000)
    parser.add_argument("--seed", type=int, default=12345)
    parser.add_argument("-o", "--output", type=Path, help="folder for simulated.ecsv and .rst")
    options = parser.parse_args(arguments)
    archive = options.data / "v2" / "SEDs.zip"
    real = read_training_set(archive, Table.read(archive.with_name("labels.ecsv")))
    sampling = training_points(archive, real)
    points, truth = simulate_seds(options.n, seed=options.seed, sampling=sampling)
    classes = sed_class(np.asarray(truth["log_nu_peak"]))
    found = []
    for target in TARGETS:
        ensemble = Ensemble.load(options.ensemble, target)
        binned, _ = bin_points(points, ensemble.bin_edges)
        found += rows(ensemble, binned, np.asarray(truth[f"log_{target}"]), classes)
    names = ["target", "SEDs", "class", "number", "median error", "median bias", "mean bias"]
    table = Table(rows=found, names=[*names, "coverage", "Winkler"])
    for name in table.colnames[4:]:
        table[name] = np.round(table[name], 3)
    table.pprint_all()
    if options.output is not None:
        table.write(options.output / "simulated.ecsv", overwrite=True)
        table.write(options.output / "simulated.rst", format="ascii.rst", overwrite=True)
        record(options.output, ["simulated"], options.ensemble)
    return table


if __name__ == "__main__":
    main()
