"""All tables of the documentation that speak of the shipped ensembles, made anew.

    python tests/benchmarks/tables.py DATA

DATA is the folder of real data. Takes some minutes and no other software: in the tables that
compare, the rows of other methods and recipes stay as they are (`compare.py`, `baselines.py` and
`recipes.py` make them). Run it after you ship other ensembles; look at what changed.
"""

import argparse
from pathlib import Path

import advice
import bands
import bench_flags
import compare
import numpy as np
import recipes
import services
import simulated
import starlight
from astropy.table import Table
from made_with import record

from blase_astro.evaluate import evaluate_groups, out_of_bag
from blase_astro.sed import RICH_BINS
from blase_astro.settings import load_ensembles

TABLES = compare.TABLES


def accuracy_rows():
    """Scores of the shipped ensembles as `compare.accuracy` writes them: (target, SEDs), scores."""
    for ensemble in load_ensembles():
        table = out_of_bag(ensemble)
        rich = np.asarray(table["n_bins"]) >= RICH_BINS
        names = ("label", "mean", "lo", "hi", "cdf", "pit", "crps")
        columns = {name: np.asarray(table[name]) for name in names}
        for row in evaluate_groups({"rich": rich, "sparse": ~rich}, **columns)[1:]:
            scores = {title: np.round(row[name], 3) for name, title in compare.SCORES.items()}
            where = compare.TARGETS[ensemble.target], row["sources"]
            yield where, {"n": row["n"]} | scores


def accuracy():
    """The rows of the shipped ensembles in the table of all methods."""
    table = Table.read(TABLES / "accuracy.ecsv")
    for (target, seds), scores in accuracy_rows():
        at = (table["target"] == target) & (table["method"] == "ensemble") & (table["SEDs"] == seds)
        (row,) = np.flatnonzero(at)
        for title, value in scores.items():
            table[title][row] = value
    compare.write(table, "accuracy")


def default_recipe():
    """The rows of the shipped ensembles in the table of the recipes."""
    table, found = Table.read(TABLES / "recipes.ecsv"), recipes.main(["default"])
    (rows,) = np.nonzero(table["recipe"] == "default")
    for name in found.colnames:
        table[name][rows] = found[name]
    compare.write(table, "recipes")


def flags(data):
    """What each flag means, of the SEDs as they are and thinned."""
    for thin in (False, True):
        name = "flags_thinned" if thin else "flags"
        lines = bench_flags.lines(data / "SEDs.zip", None, thin=thin)
        (TABLES / f"{name}.txt").write_text("\n".join(lines) + "\n")
        record(TABLES, [name])


def main():
    """Make them all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of real data")
    data = parser.parse_args().data
    accuracy()
    default_recipe()
    record(TABLES, ["accuracy", "recipes"])
    flags(data)
    simulated.main([str(data), "-o", str(TABLES)])
    for name, table in services.tables(data, None):
        table.write(TABLES / f"{name}.rst", format="ascii.rst", overwrite=True)
        record(TABLES, [name])
    real = data / "v2"
    advice.main([str(data), "--fit"])
    starlight.main([str(data)])
    bands.main([str(real / "SEDs.zip"), str(real / "labels.ecsv"), "-o", str(TABLES / "bands")])
    compare.readme(None)


if __name__ == "__main__":
    main()
