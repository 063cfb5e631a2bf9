"""Golden numbers: the simulator's, and what the shipped ensembles say of some SEDs.

``python tests/golden.py DATA`` writes them anew, after ensembles have changed on purpose; ``DATA``
is the folder of real SEDs. Look at the difference before you commit it.
"""

import sys
from pathlib import Path

import numpy as np
from astropy.table import Table, vstack

from blase_astro import estimate
from blase_astro.io import read_points, sed_table
from blase_astro.io.table import join_points, points_from_seds
from blase_astro.simulate import simulate_seds
from blase_astro.simulate.observation import _LAT

ROOT = Path(__file__).parents[1]
GOLDEN = Path(__file__).parent / "data" / "golden.ecsv"
GOLDEN_SIMULATED = GOLDEN.with_name("golden_simulated.ecsv")
# Forced to all members as well: a training source is estimated by those of its bag alone.
BAGS = {"own": None, "all": -1}


def numbers(path, source):
    """Estimates of the SEDs of a file or archive, of which source they are, by which members."""
    tables = []
    for members, bag in BAGS.items():
        found = estimate(path, bag=bag)
        columns = {"source": [source] * len(found), "members": [members] * len(found)}
        columns |= {name: np.asarray(found[name]) for name in found.colnames}
        del columns["message"]  # words
        tables.append(Table(columns))
    return vstack(tables)


def demonstration():
    """Of the SEDs that come with the repository."""
    return numbers(ROOT / "catalogs" / "demo_seds.zip", "demonstration")


def txs(data):
    """Of the file of TXS 0506+056 as VOU_Blazars wrote it."""
    return numbers(Path(data) / "sed_samples" / "TXS_0506+056.txt", "TXS 0506+056")


def simulated():
    """Simulated SEDs on the built-in surveys and on the sampling of real and of gamma-ray SEDs."""
    real = join_points(list(read_points(ROOT / "catalogs" / "demo_seds.zip")))
    gamma = points_from_seds(
        [sed_table(10 ** np.array(lat["log_nu"]), np.full(len(lat["log_nu"]), 1e-12))
         for lat in _LAT]
    )  # fmt: skip
    tables = []
    for name, sampling in (("surveys", None), ("demonstration", real), ("gamma rays", gamma)):
        points, truth = simulate_seds(60, seed=1, sampling=sampling)
        table = Table({"sampling": [name] * 60})
        for column in ("log_nu_peak", "log_nufnu_peak", "redshift", "pattern"):
            table[column] = np.asarray(truth[column])
        table["n_points"] = np.bincount(points.sed, minlength=60)
        table["n_limits"] = np.bincount(points.sed, points.upper_limit, minlength=60).astype(int)
        for column in ("frequency", "nufnu"):
            values = np.abs(getattr(points, column))
            log = np.log10(np.where(values > 0, values, 1))
            total = np.bincount(points.sed, log, minlength=60)
            table[f"mean_log_{column}"] = total / np.maximum(table["n_points"], 1)
        tables.append(table)
    _, truth = simulate_seds(1000, seed=2, sampling=real)
    found = vstack(tables)
    # How often each SED of the demonstration is sampled like: what decides between them.
    found.meta["sampled_like"] = np.bincount(truth["pattern"], minlength=len(real.name)).tolist()
    return found


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    table = vstack([demonstration(), txs(sys.argv[1])])
    for column in table.itercols():
        if column.dtype.kind == "f":
            column.info.format = ".7g"
    table.write(GOLDEN, overwrite=True)
    table = simulated()
    for column in table.itercols():
        if column.dtype.kind == "f":
            column.info.format = ".7g"
    table.write(GOLDEN_SIMULATED, overwrite=True)
    print(f"written: {GOLDEN}, {GOLDEN_SIMULATED}")


if __name__ == "__main__":
    main()
