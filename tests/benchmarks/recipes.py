"""What each part of the recipe is good for: trainings with and without it, out of bag.

    python tests/benchmarks/recipes.py DATA [--seeds 0 1] [--only NAME ...]

DATA is the folder of real data. Every variant is trained for nu_peak with each seed, which deals
the bags anew, and judged as `accuracy.py` judges; the numbers are means over the seeds. Seeds 0
and 1 chose the recipe; *default, other seeds* are 2 and 3, which chose nothing. *12 bins*:
survey SEDs with 12 filled bins or more, *HSP* those of them, *without 4FGL* the same less the
points of that catalog, *exchange* how much higher SEDs come out under the patterns of HSPs than
under those of LSPs (`patterns.py`, as many bins in each band). A network of the *pattern alone* is
told which bins are filled and no flux.
Takes a minute or two of one core for each variant and seed; with ``--only`` the rows of other
variants stay as they are.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from accuracy import TABLES, groups, honest, rows_of, scores, table_of, without
from astropy.table import Table, vstack
from patterns import IN_EACH_BAND, exchange_rows

from blase_astro import Ensemble
from blase_astro.training import (
    PRESETS,
    read_training_set,
    train_ensemble,
    training_points,
)

DEFAULT = PRESETS["default"]
OTHER_SEEDS = "default, other seeds"
NOTHING_DROPPED = {"shared_bins": 0.0, "drop_bands": 0.0, "drop_bins": 0.0}
VARIANTS = {
    "default": {},
    OTHER_SEEDS: {},
    "normal distributions": {"networks": "normal"},
    "cross entropy alone": {"cdf_weight": (0.0, 0.0)},
    "labels smeared by 0.2 dex": {"label_width": (0.2, 0.1)},
    "without weights for rich SEDs": {"rich_weights": ()},
    "without simulated SEDs": {"simulated": 0},
    "no bins shared": {"shared_bins": 0.0},
    "bins of half shared": {"shared_bins": 0.5},
    "no bands dropped": {"drop_bands": 0.0},
    "nothing dropped": NOTHING_DROPPED,
    "layers of 256, 128, 64": {"hidden": (256, 128, 64), "dropout": (0.1, 0.1, 0.05)},
    "20 epochs": {"epochs": 20},
    "80 epochs": {"epochs": 80},
    "pattern alone": {"simulated": 0},
    "pattern alone, nothing dropped": {"simulated": 0} | NOTHING_DROPPED,
}


def scores_of(ensemble, binned, labels, shipped, less):
    """One row of numbers, of one training."""
    row, found = rows_of(labels, ensemble), honest(ensemble)
    label = ensemble.source_columns["label"]
    at = {key: chosen[row] for key, chosen in groups(labels, shipped)}
    result = {}
    for name, key, columns in (
        ("SSDC", ("SSDC", "all"), ("error", "CRPS", "Winkler")),
        ("12 bins", ("surveys, 12 bins", "all"), ("error", "CRPS", "Winkler")),
        ("HSP", ("surveys, 12 bins", "HSP"), ("error", "median bias", "mean bias")),
        ("sparse", ("sparse", "all"), ("error", "CRPS")),
    ):
        one = scores(found[at[key]], label[at[key]])
        result |= {f"{name}: {column}": one[column] for column in columns}
    result["all: CRPS"] = scores(found, label)["CRPS"]
    for pair in exchange_rows(ensemble, binned, [IN_EACH_BAND]):
        result[f"exchange: {pair['SEDs']}"] = pair["difference"]
    if less is not None:
        some, of = less
        place = np.full(len(labels), -1)
        place[row] = np.arange(len(row))
        where = place[of]
        bag = ensemble.source_columns["bag"][where]
        result["without 4FGL: error"] = scores(ensemble.predict(some, bag), label[where])["error"]
    return result


def pattern(table):
    """The training set without fluxes: all filled bins are alike."""
    table = table.copy()
    table["binned"] = np.where(np.isfinite(table["binned"]), np.float32(-12), np.float32(np.nan))
    return table


def main():
    """Train the variants and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of real data")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--only", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    options = parser.parse_args()
    archive, shipped = options.data / "v2" / "SEDs.zip", Ensemble.load()
    labels = Table.read(options.data / "v2" / "labels.ecsv")
    table = read_training_set(archive, labels, bins=DEFAULT.bins)
    table["log_nufnu_peak"] = np.nan  # the peak frequency alone
    sampling = training_points(archive, table)
    less = without("4FGL-DR3", archive, labels, shipped)
    path = TABLES / "recipes.ecsv"
    for name in options.only:
        found = []
        for seed in (2, 3) if name == OTHER_SEEDS else options.seeds:
            alone = name.startswith("pattern")
            config = replace(DEFAULT, seed=seed, **VARIANTS[name])
            known = pattern(table) if alone else table
            ensemble = train_ensemble(known, config, sampling=sampling, progress=False)["nu_peak"]
            binned = np.asarray(known["binned"])
            found.append(scores_of(ensemble, binned, labels, shipped, None if alone else less))
        row = {key: np.mean([one[key] for one in found]) for key in found[0]}
        made = table_of([{"recipe": name} | {"without 4FGL: error": np.nan} | row])
        if path.is_file():
            before = Table.read(path)
            other = [one in VARIANTS and one != name for one in before["recipe"]]
            made = vstack([before[other], made], metadata_conflicts="silent")
        order = [list(VARIANTS).index(one) for one in made["recipe"]]
        made = made[np.argsort(order)]
        made.write(path, overwrite=True)
        print(made[made["recipe"] == name], flush=True)
    made.write(path.with_suffix(".rst"), format="ascii.rst", overwrite=True)


if __name__ == "__main__":
    main()
