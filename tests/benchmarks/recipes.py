"""Out-of-bag scores of several trainings in one table (run by hand).

    python tests/benchmarks/recipes.py default=DIR seed=DIR -o docs/tables

Each word is a name and the folder of an ensemble; without a folder, the package's own.
"""

import argparse
from pathlib import Path

import numpy as np
from astropy.table import Table
from made_with import record

from blase_astro import Ensemble
from blase_astro.evaluate import class_groups, evaluate_groups, out_of_bag
from blase_astro.sed import RICH_BINS
from blase_astro.targets import TARGETS

# Bins of the two recipes differ: an SED is rich if it was so in the first ensemble's bins.
GROUPS = ("rich", "sparse", "LSP", "ISP", "HSP")


def scores(ensemble, rich, peak):
    """Scores of each group, the intervals calibrated without the bag that is judged."""
    table = out_of_bag(ensemble)
    columns = {name: np.asarray(table[name]) for name in ("label", "mean", "lo", "hi")}
    groups = {"rich": rich, "sparse": ~rich} | class_groups(peak)
    return evaluate_groups(groups, **columns)


def main(arguments=None):
    """Print the table, write it if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("ensembles", nargs="+", metavar="NAME[=DIR]")
    parser.add_argument("-o", "--output", type=Path, help="folder for recipes.ecsv and .rst")
    options = parser.parse_args(arguments)
    rows, rich, peak = [], None, None
    for target in TARGETS:
        for word in options.ensembles:
            name, _, folder = word.partition("=")
            ensemble = Ensemble.load(folder or None, target)
            if rich is None:
                rich = ensemble.source_columns["n_bins"] >= RICH_BINS
                peak = ensemble.source_columns["label"]
            for row in scores(ensemble, rich, peak):
                if row["sources"] in GROUPS:
                    columns = ("n", "abs_error_median", "coverage_95", "winkler")
                    rows.append((target, name, row["sources"], *(row[c] for c in columns)))
    names = ["target", "recipe", "SEDs", "n", "median error", "coverage", "Winkler score"]
    table = Table(rows=rows, names=names)
    for name in names[4:]:
        table[name] = np.round(np.asarray(table[name], float), 3)
    table.pprint_all()
    if options.output is not None:
        table.write(options.output / "recipes.ecsv", overwrite=True)
        table.write(options.output / "recipes.rst", format="ascii.rst", overwrite=True)
        record(options.output, ["recipes"])
    return table


if __name__ == "__main__":
    main()
