"""Golden numbers: what the shipped ensembles say of the demonstration and of TXS 0506+056.

``python tests/golden.py DATA`` writes them anew, after ensembles have changed on purpose; ``DATA``
is the folder of real SEDs. Look at the difference before you commit it.
"""

import sys
from pathlib import Path

import numpy as np
from astropy.table import Table, vstack

from blase_astro import estimate

ROOT = Path(__file__).parents[1]
GOLDEN = Path(__file__).parent / "data" / "golden.ecsv"
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


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    table = vstack([demonstration(), txs(sys.argv[1])])
    for column in table.itercols():
        if column.dtype.kind == "f":
            column.info.format = ".7g"
    table.write(GOLDEN, overwrite=True)
    print(f"{GOLDEN}: {len(table)} rows")


if __name__ == "__main__":
    main()
