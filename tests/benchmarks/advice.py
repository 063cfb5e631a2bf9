"""Is the advice true, and is a bad catalog found? And the data that both need.

    python tests/benchmarks/advice.py DATA [--fit] [-o docs/tables]

DATA is the folder of real data (``v2``). ``--fit`` first makes ``blase_astro/data/advice.npz`` from
the training SEDs anew (some minutes); run it after you ship other ensembles. Then three tables
and two figures are made, in a minute or two:

``advice``, ``advice_scores``
    Of each real SED each band that it has is hidden, advice is asked for, and the band is shown.
    Out of bag throughout: neither the networks nor the fillings saw the source.
``advice_spoiled``
    The fluxes of one catalog of a real SED are multiplied, and `blase_astro.explain` is asked.
"""

import argparse
from pathlib import Path

import numpy as np
from astropy.table import Table
from made_with import record

from blase_astro import explain
from blase_astro.advice import BANDS, Fillings, observing
from blase_astro.advice.bands import band_columns
from blase_astro.io import read_seds
from blase_astro.sed import MIN_BINS, bin_points
from blase_astro.settings import Settings, load_ensembles
from blase_astro.simulate import simulate_seds
from blase_astro.training import read_training_set
from blase_astro.training.dataset import training_points

ROOT = Path(__file__).resolve().parents[2]
TABLES, STATIC = ROOT / "docs" / "tables", ROOT / "docs" / "_static"
N_SIMULATED = 4000
# Numbers that are given with their errors, and what these are called.
ERRORS = {"found width": "+/- (width)", "correlation": "+/- (corr.)", "top quarter": "+/- (top)"}
# SEDs of each line about spoiled catalogs.
N_SPOILED = 400


def main(args=None):
    """Make tables and figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of real data")
    parser.add_argument("--fit", action="store_true", help="make the package's fillings anew")
    parser.add_argument("-o", "--output", type=Path, default=TABLES)
    options = parser.parse_args(args)
    table = training_set(options.data)
    if options.fit:
        fit(options.data, table)
    found = dict(studies(np.asarray(table["binned"]), np.asarray(table["label"])))
    rows = list(band_rows(found))
    scores = [name for name in rows[0] if "CRPS" in name or "certain" in name]
    write(({k: v for k, v in row.items() if k not in scores} for row in rows),
          options.output / "advice")  # fmt: skip
    write(({k: row[k] for k in ("band", *scores)} for row in rows),
          options.output / "advice_scores")  # fmt: skip
    write(xray_rows(found["xray"]), options.output / "advice_xray")
    draw_gain(found, STATIC / "advice_gain.png")
    write(spoiled_rows(options.data), options.output / "advice_spoiled")
    draw_spoiled(options.data, STATIC / "advice_explain.png")
    record(options.output, ["advice", "advice_scores", "advice_xray", "advice_spoiled"])


def training_set(data):
    """The training SEDs in the order of the ensemble's sources: binned, and their labels."""
    (ensemble, *_) = load_ensembles()
    labels = Table.read(data / "v2" / "labels.ecsv")
    table = read_training_set(data / "v2" / "SEDs.zip", labels, bins="v2")
    source = ensemble.find_source((table["ra"], table["dec"]))[0]
    table = table[source >= 0][np.argsort(source[source >= 0])]
    assert len(table) == len(ensemble.source_columns["bag"]), "not the set of the ensembles"
    table["label"] = ensemble.source_columns["label"]
    return table


def fit(data, table):
    """Make the fillings of the package."""
    (ensemble, *_) = load_ensembles()
    points = training_points(data / "v2" / "SEDs.zip", table)
    simulated, truth = simulate_seds(N_SIMULATED, seed=0, sampling=points)
    fillings = Fillings.fit(
        np.asarray(table["binned"]),
        np.asarray(table["label"]),
        ensemble.source_columns["bag"],
        ensemble.bin_edges,
        simulated=bin_points(simulated, ensemble.bin_edges)[0],
        simulated_label=np.asarray(truth["log_nu_peak"]),
    )
    fillings.save(ROOT / "blase_astro" / "data" / "advice.npz", overwrite=True)


def write(rows, output):
    """A table as .ecsv and .rst."""
    table = Table(list(rows))
    for name in table.colnames:
        if table[name].dtype.kind == "f":
            table[name] = np.round(table[name], 3)
            table[name].info.format = ".3f" if "CRPS" in name else ".2f"
    table.write(f"{output}.ecsv", overwrite=True)
    table.write(f"{output}.rst", format="ascii.rst", overwrite=True)
    table.pprint_all()


# --- hide a band, ask, reveal -----------------------------------------------------------------


def studies(binned, label, bands=tuple(BANDS)):
    """For each band, what was predicted and what was found, of all SEDs that have it."""
    settings = Settings(ensemble=load_ensembles()[0])
    fillings = Fillings.of(settings.first)
    for band, own in band_columns(settings.first.bin_edges, bands).items():
        hidden = binned.copy()
        hidden[:, own] = np.nan
        rows = np.isfinite(binned[:, own]).any(axis=1)
        rows = np.flatnonzero(rows & (np.isfinite(hidden).sum(axis=1) >= MIN_BINS))
        bag = settings.first.source_columns["bag"][rows].astype(int)
        now, gained = observing.gains(hidden[rows], bag, {band: own}, settings, fillings)
        then = observing.predict(binned[rows], bag, settings)
        _, width, crps, p_class = gained[band]
        yield (
            band,
            {
                "now": observing.width(now, settings),
                "then": observing.width(then, settings),
                "filled": np.isfinite(binned[rows]),
                "each": width,
                "crps": observing.expected_crps(now) - crps.mean(axis=1),
                "crps_found": now.crps(label[rows]) - then.crps(label[rows]),
                "certain": np.mean(p_class >= observing.CERTAIN, axis=1),
                "certain_found": observing._classes(then).max(axis=1) >= observing.CERTAIN,
                "certain_before": observing._classes(now).max(axis=1) >= observing.CERTAIN,
            },
        )


def band_rows(found):
    """One row a band, with errors of the bootstrap."""
    for band, study in found.items():
        n = len(study["now"])
        rng = np.random.default_rng(0)
        drawn = [numbers(study, rng.integers(0, n, n)) for _ in range(200)]
        error = {name: np.std([d[name] for d in drawn]) for name in drawn[0]}
        row = {"band": band, "n": n}
        for name, value in numbers(study, np.arange(n)).items():
            row[name] = value
            if name in ERRORS:
                row[ERRORS[name]] = error[name]
        yield row


def xray_rows(study):
    """What limits the X-rays: one row a kind of measurement that was hidden."""
    hard = band_columns(load_ensembles()[0].bin_edges, "hard_xray")["hard_xray"]
    has = study["filled"][:, hard].any(axis=1)
    for name, rows in (("all", has | True), ("soft alone", ~has), ("hard among them", has)):
        row = {"hidden X-rays": name, "n": int(rows.sum())}
        found = numbers(study, np.flatnonzero(rows))
        wanted = ("predicted width", "found width", "correlation", "of width", "at most")
        yield row | {name: found[name] for name in wanted}


def numbers(study, rows):
    """What is said of some sources."""
    now, then, each = study["now"][rows], study["then"][rows], study["each"][rows]
    expected, narrowing = now - each.mean(axis=1), now - then
    best = max(len(rows) // 4, 1)

    def top(order):
        return narrowing[np.argsort(-order, kind="stable")[:best]].mean()

    # How well the mean of the fillings tells one of them: if the world were as they are.
    limit = [correlation(expected, now - each[:, m]) for m in range(each.shape[1])]
    return {
        "width": now.mean(),
        "predicted width": each.mean(),
        "found width": then.mean(),
        "correlation": correlation(expected, narrowing),
        "of width": correlation(now, narrowing),
        "at most": np.mean(limit),
        "top quarter": top(expected),
        "widest": top(now),
        "all": narrowing.mean(),
        "predicted CRPS gain": study["crps"][rows].mean(),
        "found CRPS gain": study["crps_found"][rows].mean(),
        "certain before": study["certain_before"][rows].mean(),
        "predicted certain": study["certain"][rows].mean(),
        "found certain": study["certain_found"][rows].mean(),
    }


def correlation(a, b):
    return np.corrcoef(a, b)[0, 1]


def draw_gain(found, path):
    """Predicted against found narrowing, by eighths of the sources; and the top quarters."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.5, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    colours = ["#000000", "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00",
               "#CC79A7", "#999999"]  # fmt: skip
    for (band, study), colour in zip(found.items(), colours, strict=True):
        expected = study["now"] - study["each"].mean(axis=1)
        parts = np.array_split(np.argsort(expected), 8)
        narrowing = study["now"] - study["then"]
        error = [narrowing[p].std() / len(p) ** 0.5 for p in parts]
        left.errorbar([expected[p].mean() for p in parts], [narrowing[p].mean() for p in parts],
                      error, fmt="o-", ms=4, lw=0.8, color=colour, label=band)  # fmt: skip
    ends = left.get_xlim()
    left.plot(ends, ends, color="#999999", lw=1, ls=":")
    left.set(xlabel="predicted narrowing (dex)", ylabel="found narrowing (dex)")
    left.legend(fontsize="small")
    place, rows = np.arange(len(found)), list(band_rows(found))
    for shift, name, colour in ((-0.27, "top quarter", "#0072B2"), (0, "widest", "#E69F00"),
                                (0.27, "all", "#999999")):  # fmt: skip
        label = {"top quarter": "quarter by advice", "widest": "widest quarter"}.get(name, name)
        right.bar(place + shift, [row[name] for row in rows], 0.26, color=colour, label=label)
    right.set_xticks(place, list(found), rotation=40, ha="right")
    right.set_ylabel("found narrowing (dex)")
    right.legend(fontsize="small")
    figure.savefig(path, dpi=110)


# --- spoiled on purpose -----------------------------------------------------------------------


def spoilable(data):
    """Survey SEDs with four catalogs or more, each with one that can be left out."""
    rng = np.random.default_rng(0)
    settings = Settings(ensemble=load_ensembles()[0])
    for name, sed in read_seds(data / "v2" / "SEDs.zip"):
        if len(set(sed["catalog"])) >= 4 and rng.random() < 0.7:
            table = explain(sed, ensemble=settings.first)
            known = (table["kind"] == "catalog") & np.isfinite(table["offset"])
            if known.sum() >= 4:
                yield name, sed, str(rng.choice(np.asarray(table["without"][known]))), settings


def spoiled(sed, catalog, factor):
    """A copy with the fluxes of one catalog multiplied."""
    copy = sed.copy()
    rows = np.asarray(copy["catalog"]) == catalog
    for name in ("nufnu", "nufnu_upper", "nufnu_lower"):
        copy[name][rows] = copy[name][rows] * factor
    return copy


def spoiled_rows(data, n=N_SPOILED):
    """One row a factor: how often the spoiled catalog comes first."""
    chosen = []
    for item in spoilable(data):
        chosen.append(item)
        if len(chosen) == n:
            break
    for factor in (1.0, 3.0, 10.0, 100.0, 0.1, 0.01):
        first, by_shift, suspicious, other, moved, chance = [], [], [], [], [], []
        for _, sed, catalog, settings in chosen:
            table = explain(spoiled(sed, catalog, factor), ensemble=settings.first)
            rows = table[table["kind"] == "catalog"]
            sigma = np.nan_to_num(np.abs(np.asarray(rows["offset_sigma"], float)))
            shift = np.nan_to_num(np.abs(np.asarray(rows["shift"], float)))
            it = np.asarray(rows["without"]) == catalog
            first.append(it[np.argmax(sigma)])
            by_shift.append(it[np.argmax(shift)])
            suspicious.append((sigma[it] >= 3).any())
            other.append((sigma[~it] >= 3).any())
            moved.append(shift[it].max(initial=0))
            chance.append(1 / len(rows))
        yield {
            "factor": f"{factor:g}",
            "n": len(chosen),
            "ranked first": np.mean(first),
            "first by shift": np.mean(by_shift),
            "by chance": np.mean(chance),
            "beyond 3 sigma": np.mean(suspicious),
            "another beyond": np.mean(other),
            "shift without it": np.median(moved),
        }


def draw_spoiled(data, path):
    """The figure of `blase explain` for a spoiled SED."""
    from blase_astro.advice import write_explanation_figure

    for _, sed, _, settings in spoilable(data):
        catalogs = set(sed["catalog"])
        if {"SDSS", "NVSS", "4FGL-DR3"} <= catalogs and len(catalogs) >= 6:
            bad = spoiled(sed, "SDSS", 30.0)
            write_explanation_figure(
                bad, explain(bad, ensemble=settings.first), path, overwrite=True
            )
            return


if __name__ == "__main__":
    main()
