"""Ensembles with one damaged number and a right checksum, in whatever edition is on the path.

    python tests/benchmarks/damaged_ensembles.py FOLDER

FOLDER has the ensemble to damage. Prints how many of 150 are refused in words, how many are used
and give an interval about the value, how many give nonsense, and how many end in another error.
"""

import hashlib
import json
import sys
import tempfile
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
from astropy.table import Table

from blase_astro import Ensemble, estimate

VALUES = {"f": [np.nan, np.inf, -1.0, 0.0, 1e30, -1e30, 5.0, 1e6], "i": [-1, 0, 99, 2]}
VALUES |= {"U": ["", "=1+1", "\x1b[31m"]}
SED = Table.read(
    Path(__file__).resolve().parents[2] / "catalogs" / "demo_sed.txt", format="vou-sed"
)


def checksum(header, arrays):
    """The checksum of a file of an ensemble, of both editions."""
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def damaged(arrays, rng):
    """The arrays with one number replaced."""
    name = rng.choice(sorted(arrays))
    array = arrays[name].copy()
    array.flat[rng.integers(array.size)] = rng.choice(VALUES[array.dtype.kind])
    return arrays | {name: array}


def outcome(path):
    """What loading and one estimate come to."""
    try:
        row = estimate(SED, ensemble=Ensemble.load(path))[0]
    except (ValueError, OSError) as error:
        return "refused" if "ensemble" in str(error) else "another error"
    except Exception:
        return "another error"
    lo, value, hi = (row[f"log_nu_peak{end}"] for end in ("_lo", "", "_hi"))
    return "used" if lo < value < hi else "nonsense"


def main():
    """Damage, load and count."""
    warnings.simplefilter("ignore")
    with np.load(Path(sys.argv[1]) / "nu_peak.npz") as file:
        arrays = dict(file)
    header = json.loads(str(arrays.pop("header")))
    assert checksum(header, {k: v for k, v in arrays.items() if k != "sha256"}) == str(
        arrays.pop("sha256")
    )
    counts = Counter()
    with tempfile.TemporaryDirectory() as folder, np.errstate(all="ignore"):
        for seed in range(150):
            bad = damaged(arrays, np.random.default_rng(seed))
            path, stored = Path(folder) / "nu_peak.npz", checksum(header, bad)
            np.savez(path, header=json.dumps(header, sort_keys=True), sha256=stored, **bad)
            counts[outcome(path)] += 1
    names = ("refused", "used", "nonsense", "another error")
    print(", ".join(f"{counts[name]} {name}" for name in names if counts[name]))


if __name__ == "__main__":
    main()
