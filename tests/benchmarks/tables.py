"""All tables of the documentation that speak of the shipped ensembles, made anew.

    python tests/benchmarks/tables.py DATA

DATA is the folder of real data. Takes some minutes and no other software: in the tables that
compare, the rows of other methods and recipes stay as they are (`compare.py`, `baselines.py` and
`recipes.py` make them). Run it after you ship other ensembles; look at what changed.
"""

import argparse
from pathlib import Path

import accuracy
import advice
import bands
import bench_flags
import compare
import patterns
import services
import simulated
import starlight
from made_with import record

TABLES = compare.TABLES


def flags(data):
    """What each flag means, of the SEDs as they are and thinned."""
    for thin in (False, True):
        name = "flags_thinned" if thin else "flags"
        lines = bench_flags.lines(data / "v2" / "SEDs.zip", None, thin=thin)
        (TABLES / f"{name}.txt").write_text("\n".join(lines) + "\n")
        record(TABLES, [name])


def main():
    """Make them all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of real data")
    data = parser.parse_args().data
    accuracy.main([str(data)])
    patterns.main([str(data)])
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
