"""How exact the estimates of the training sources are, out of bag: the tables of docs/accuracy.

    python tests/benchmarks/accuracy.py DATA --others first=DIR seed=DIR --blast /path/to/blast

DATA is the folder of real data (``v2/SEDs.zip`` and ``v2/labels.ecsv``). Distributions of the
shipped ensembles are calibrated without the bag that is judged. With ``--others`` other ensembles
are judged on the same sources, out of bag, with the calibration that they come with; of a source
that they were not trained on, all members answer. With ``--blast`` so is astroblast, and simpler
methods. Without both, the rows of other methods stay as they are.

accuracy, methods
    Scores by kind of SED and by class, of all methods.
labels
    The same against the labels of either catalog alone.
catalogs
    Without the points of one catalog, on survey SEDs of 12 bins.
populations
    Catalogs of one class, with the populations one can ask for.
"""

import argparse
from pathlib import Path

import baselines
import numpy as np
from astropy.table import Table, vstack
from made_with import record

from blase_astro import Distribution, Ensemble
from blase_astro.evaluate import winkler_score
from blase_astro.io import read_seds
from blase_astro.population import find_population, flat, with_population
from blase_astro.sed import RICH_BINS, bin_seds
from blase_astro.settings import load_ensembles
from blase_astro.sky import match_sky
from blase_astro.targets import SED_CLASSES, sed_class

TABLES = Path(__file__).resolve().parents[2] / "docs" / "tables"
OURS = "blase_astro"
_LEVELS = (50, 68, 90, 95, 99)
_FEWEST = 20  # sources of a group that is shown
# Catalogs that survey SEDs of 12 bins often have points of.
CATALOGS = ("RFC", "NVSS", "GAIA", "4FGL-DR3")


def keep(table, name, rst=None):
    """Write a table for the next run, and for the documentation as a whole or as ``rst``."""
    TABLES.mkdir(exist_ok=True)
    table.write(TABLES / f"{name}.ecsv", overwrite=True)
    for file, shown in (rst or {name: table}).items():
        shown.write(TABLES / f"{file}.rst", format="ascii.rst", overwrite=True)
    record(TABLES, [name, *(rst or ())])


def scores(distribution, label):
    """Scores of distributions against labels."""
    known = distribution.known & np.isfinite(label)
    distribution, label = distribution[known], label[known]
    error = distribution.median() - label
    central = np.abs(2 * distribution.cdf(label) - 1)
    row = {"n": len(label), "error": np.median(np.abs(error))}
    row |= {"median bias": np.median(error), "mean bias": np.mean(error)}
    row["CRPS"] = np.mean(distribution.crps(label))
    row["Winkler"] = np.mean(winkler_score(label, *distribution.interval()))
    row |= {f"{level}%": np.mean(central <= level / 100) for level in _LEVELS}
    row["in std"] = np.mean(np.abs(error) <= distribution.std())
    return row


def table_of(rows):
    """Rows as a table, with three digits."""
    table = Table(rows)
    for name in table.colnames:
        if table[name].dtype.kind == "f":
            digits = 2 if name == "Winkler" or name[-1] == "%" or name == "in std" else 3
            table[name] = np.round(table[name], digits)
            table[name].info.format = f".{digits}f"
    return table


def groups(labels, ensemble):
    """Kinds of SEDs and classes, and the rows of ``labels`` that belong to them."""
    row = rows_of(labels, ensemble)
    n_bins = np.zeros(len(labels), int)
    n_bins[row] = ensemble.source_columns["n_bins"]
    ssdc = np.asarray(labels["origin"]) == "SSDC"
    classes = sed_class(labels["log_nu_peak"])
    for kind, chosen in {
        "SSDC": ssdc,
        f"surveys, {RICH_BINS} bins": ~ssdc & (n_bins >= RICH_BINS),
        "sparse": ~ssdc & (n_bins < RICH_BINS),
    }.items():
        for name in ("all", *SED_CLASSES):
            one = chosen & (n_bins > 0) & ((classes == name) | (name == "all"))
            if one.sum() >= _FEWEST:
                yield (kind, name), one


def rows_of(labels, ensemble):
    """The row of ``labels`` of each source of an ensemble."""
    columns = ensemble.source_columns
    at = np.asarray(labels["ra"], float), np.asarray(labels["dec"], float)
    row, _, _ = match_sky((columns["ra"], columns["dec"]), at, 5.0)
    return row


def honest(ensemble):
    """Out-of-bag distributions of the sources, calibrated on the other bags."""
    return baselines.calibrated(ensemble.oob, ensemble.source_columns)


def of_sources(ensemble, other, archive):
    """Distributions that another ensemble gives to the sources of an ensemble, out of bag."""
    columns = ensemble.source_columns
    binned = baselines.read_sources(archive, ensemble, other.bin_edges)["binned"]
    bag, _, _ = other.find_bag(columns["ra"], columns["dec"])
    return other.predict(binned, bag)


def accuracy(options, labels):
    """Scores of all methods."""
    archive, rows = options.data / "v2" / "SEDs.zip", []
    for ensemble in load_ensembles():
        found = {OURS: honest(ensemble)}
        for name, folder in options.others:
            other = Ensemble.load(folder, ensemble.target)
            found[name] = of_sources(ensemble, other, archive)
        if options.blast:
            found |= dict(baselines.methods(archive, ensemble, options.blast))
        label, row = ensemble.source_columns["label"], rows_of(labels, ensemble)
        for (kind, name), chosen in groups(labels, ensemble):
            for method, distribution in found.items():
                where = {"target": ensemble.target, "SEDs": kind, "class": name, "method": method}
                rows.append(where | scores(distribution[chosen[row]], label[chosen[row]]))
    table = table_of(rows)
    if not options.blast:
        before = Table.read(TABLES / "accuracy.ecsv")
        others = before[~np.isin(before["method"], np.unique(table["method"]))]
        table = vstack([table, others], metadata_conflicts="silent")
    places = {}  # of target, kind and class, in the order of our own rows
    order = [places.setdefault(tuple(row), len(places)) for row in table["target", "SEDs", "class"]]
    return table[np.argsort(order, kind="stable")]


def shown(table):
    """What the documentation shows of the scores: by class, the flux, all methods."""
    ours = np.isin(table["method"], [OURS, "astroblast"])
    nu, every = table["target"] == "nu_peak", table["class"] == "all"
    by_class, flux = table[ours & nu], table[ours & ~nu & every]
    columns = ["SEDs", "method", "n", "error", "median bias", "mean bias", "CRPS", "Winkler", "95%"]
    for name in ("target", "class"):
        flux.remove_column(name)
    by_class.remove_column("target")
    return {"accuracy": by_class, "accuracy_flux": flux, "methods": table[columns][nu & every]}


def by_label(labels):
    """Scores against the labels of one catalog alone, where it has one."""
    ensemble = Ensemble.load()
    found, row = honest(ensemble), rows_of(labels, ensemble)
    for catalog, column in (
        ("both", "log_nu_peak"),
        ("4LAC", "log_nu_peak_4lac"),
        ("3HSP", "log_nu_peak_3hsp"),
    ):
        label = np.ma.filled(np.ma.asarray(labels[column], float), np.nan)
        for (kind, name), chosen in groups(labels, ensemble):
            rows = chosen[row] & np.isfinite(label[row])
            if rows.sum() >= _FEWEST:
                where = {"labels": catalog, "SEDs": kind, "class": name}
                yield where | scores(found[rows], label[row][rows])


def without_catalogs(options, labels):
    """Survey SEDs of 12 bins as they are and without the points of one catalog."""
    ensemble = Ensemble.load()
    row, archive = rows_of(labels, ensemble), options.data / "v2" / "SEDs.zip"
    place = np.full(len(labels), -1)
    place[row] = np.arange(len(row))
    label, bag = ensemble.source_columns["label"], ensemble.source_columns["bag"]
    for catalog in CATALOGS:
        for what in ("as they are", "without it"):
            binned, of = without(catalog, archive, labels, ensemble, what == "without it")
            where = place[of]
            found = ensemble.predict(binned, bag[where])
            yield {"catalog": catalog, "SEDs": what} | scores(found, label[where])


def without(catalog, archive, labels, ensemble, leave_out=True):
    """Bins of the survey SEDs of 12 bins that have points of a catalog, less these points.

    And the row of ``labels`` of each.
    """
    chosen = dict(groups(labels, ensemble))[f"surveys, {RICH_BINS} bins", "all"]
    place = {labels["file"][i]: i for i in np.flatnonzero(chosen)}
    seds, rows = [], []
    for name, sed in read_seds(archive):
        here = sed["catalog"] == catalog
        row = place.get(name.rsplit("/", 1)[-1])
        if row is not None and here.any():
            seds.append(sed[~here] if leave_out else sed)
            rows.append(row)
    return bin_seds(seds, ensemble.bin_edges), np.array(rows)


def populations():
    """Catalogs of one class and mixed ones, each with the populations one can ask for."""
    ensemble = Ensemble.load()
    found, training = honest(ensemble), ensemble.population
    label = ensemble.source_columns["label"]
    classes, rng = sed_class(label), np.random.default_rng(0)
    of = {name: np.flatnonzero(classes == name) for name in SED_CLASSES}
    others = np.flatnonzero(classes != "HSP")
    catalogs = {f"{len(rows)} {name}": [rows] for name, rows in of.items()}
    catalogs |= {f"all {len(label)}": [np.arange(len(label))]}
    catalogs |= {
        "400 HSP and 100 others": [
            np.concatenate([rng.choice(of["HSP"], 400, False), rng.choice(others, 100, False)])
            for _ in range(5)
        ],
        "30 HSP": [rng.choice(of["HSP"], 30, False) for _ in range(20)],
        "10 of any class": [rng.choice(len(label), 10, False) for _ in range(50)],
    }
    for name, draws in catalogs.items():
        for asked in ("training", "flat", "self"):
            parts = []
            for rows in draws:
                some = found[rows]
                population = {"training": training, "flat": flat(training)}.get(asked)
                population = population or find_population(some, training)
                parts.append(with_population(some, training, population).probability)
            drawn = Distribution(found.grid, np.concatenate(parts))
            yield {"catalog": name, "population": asked} | scores(
                drawn, label[np.concatenate(draws)]
            )


def main(arguments=None, *, write=True):
    """Make the tables, and write them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of real data")
    parser.add_argument("--others", nargs="*", default=[], metavar="NAME=DIR", help="ensembles")
    parser.add_argument("--blast", help="the command of astroblast")
    options = parser.parse_args(arguments)
    options.others = [word.split("=", 1) for word in options.others]
    labels = Table.read(options.data / "v2" / "labels.ecsv")
    tables = {
        "accuracy": accuracy(options, labels),
        "labels": table_of(list(by_label(labels))),
        "catalogs": table_of(list(without_catalogs(options, labels))),
        "populations": table_of(list(populations())),
    }
    for name, table in tables.items() if write else ():
        keep(table, name, shown(table) if name == "accuracy" else None)
    return tables


if __name__ == "__main__":
    main()
