"""Which ensembles the tables of the documentation were made with: a stale table fails a test."""

from pathlib import Path

from astropy.table import Table

from blase_astro.settings import load_ensembles

NAME = "made_with.ecsv"


def digests(ensemble=None):
    """First digits of the digests of a folder's ensembles, of the shipped ones by default."""
    return " ".join(e.digest[:16] for e in load_ensembles(ensemble))


def record(folder, tables, ensemble=None):
    """Write beside some tables which ensembles they were made with."""
    path = Path(folder) / NAME
    known = {}
    if path.is_file():
        known = {row["table"]: row["ensembles"] for row in Table.read(path)}
    known |= dict.fromkeys(tables, digests(ensemble))
    names = sorted(known)
    rows = {"table": names, "ensembles": [known[name] for name in names]}
    Table(rows).write(path, overwrite=True)
