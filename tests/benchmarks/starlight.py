"""Is the optical light that of the host galaxy? Networks, and what they mean on real SEDs.

    python tests/benchmarks/starlight.py DATA [--fit] [-o docs/tables]

DATA is the folder of real data. ``--fit`` first trains ``blase_astro/data/starlight.npz`` on
simulated SEDs (a minute; scikit-learn). Three tables:

``starlight_simulated``
    Simulated SEDs of another seed: how often the probability is right.
``starlight``
    Real SEDs but those of FSRQs, by the probability: errors of log nu_peak out of bag, and how
    often 4LAC puts the peak 0.6 dex or more below 3HSP, as where starlight was taken for it.
``starlight_groups``
    Real SEDs by what is known of them.
"""

import argparse
from itertools import pairwise
from pathlib import Path

import numpy as np
from advice import ROOT, TABLES, training_set, write
from astropy.table import Table
from made_with import record

from blase_astro.advice import p_starlight
from blase_astro.advice.starlight import starlight_inputs
from blase_astro.sed import bin_points
from blase_astro.settings import load_ensembles
from blase_astro.simulate import simulate_seds
from blase_astro.training.dataset import training_points

STEPS = (0, 0.02, 0.1, 0.3, 1)


def main(args=None):
    """Make the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of real data")
    parser.add_argument("--fit", action="store_true", help="train the networks anew")
    parser.add_argument("-o", "--output", type=Path, default=TABLES)
    options = parser.parse_args(args)
    table = training_set(options.data)
    points = training_points(options.data / "v2" / "SEDs.zip", table)
    if options.fit:
        fit(*simulated(20000, 5, points))
    write(simulated_rows(*simulated(5000, 6, points)), options.output / "starlight_simulated")
    write(real_rows(options.data, table), options.output / "starlight")
    write(group_rows(options.data, table), options.output / "starlight_groups")
    record(options.output, ["starlight_groups", "starlight_simulated", "starlight"])


def simulated(n, seed, points):
    """Simulated binned SEDs, and whether the host gives most of the light."""
    seds, truth = simulate_seds(n, seed=seed, sampling=points)
    edges = load_ensembles()[0].bin_edges
    return bin_points(seds, edges)[0].astype(float), np.asarray(truth["host_share"]) > 0.5


def usable(binned):
    return np.isfinite(binned[:, 15:18]).any(axis=1) & (np.isfinite(binned).sum(axis=1) >= 4)


def fit(binned, starlight):
    """Train three networks, on the SEDs as they are and thinned, and write them."""
    from sklearn.neural_network import MLPClassifier

    rng = np.random.default_rng(0)
    thin = binned.copy()
    thin[rng.random(thin.shape) < 0.7 * rng.random((len(thin), 1))] = np.nan
    binned, starlight = np.concatenate([binned, thin]), np.tile(starlight, 2)
    rows = usable(binned)
    x = starlight_inputs(binned[rows])
    mean, scale = x.mean(axis=0), x.std(axis=0) + 0.05
    members = [
        MLPClassifier((16,), alpha=1e-3, max_iter=40, batch_size=256, random_state=seed,
                      learning_rate_init=3e-3, early_stopping=True)
        .fit((x - mean) / scale, starlight[rows])
        for seed in range(3)
    ]  # fmt: skip
    arrays = {
        "bin_edges": load_ensembles()[0].bin_edges,
        "mean": mean,
        "scale": scale,
        "weight_0": np.array([m.coefs_[0] for m in members], np.float32),
        "bias_0": np.array([m.intercepts_[0][None] for m in members], np.float32),
        "weight_1": np.array([m.coefs_[1][:, 0] for m in members], np.float32),
        "bias_1": np.array([m.intercepts_[1] for m in members], np.float32),
    }
    np.savez_compressed(ROOT / "blase_astro" / "data" / "starlight.npz", **arrays)


def steps(probability):
    """Rows between the steps, with their names."""
    for low, high in pairwise(STEPS):
        yield f"{low:g} to {high:g}", (probability >= low) & (probability < high + (high == 1))


def simulated_rows(binned, starlight):
    """One row a step."""
    probability = p_starlight(binned, load_ensembles()[0].bin_edges)
    for name, rows in steps(probability):
        yield {
            "probability": name,
            "n": int(rows.sum()),
            "mean": probability[rows].mean(),
            "host most of it": starlight[rows].mean(),
            "of all such": (rows & starlight).sum() / (starlight & np.isfinite(probability)).sum(),
        }


def real(data, table):
    """What is known of the real SEDs: their labels, redshifts and the answer."""
    labels = Table.read(data / "v2" / "labels.ecsv")
    by_file = {str(name): i for i, name in enumerate(labels["file"])}
    labels = labels[[by_file[str(f).rsplit("/", 1)[-1]] for f in table["file"]]]
    fermi, hsp, z = (
        np.ma.filled(np.ma.asarray(labels[name], float), np.nan)
        for name in ("log_nu_peak_4lac", "log_nu_peak_3hsp", "redshift")
    )
    edges = load_ensembles()[0].bin_edges
    probability = p_starlight(np.asarray(table["binned"], float), edges)
    return np.asarray(labels["class"]), fermi, hsp, z, probability


def real_rows(data, table):
    """One row a step."""
    kind, fermi, hsp, z, probability = real(data, table)
    ensemble = load_ensembles()[0]
    label = np.asarray(table["label"])
    estimate = ensemble.predict(np.asarray(table["binned"]), ensemble.source_columns["bag"])
    error = estimate.median() - label
    lo, hi = estimate.interval()
    inside = (label >= lo) & (label <= hi)
    both = np.isfinite(fermi) & (hsp > 15)
    for name, rows in steps(probability):
        rows = rows & (kind != "fsrq")
        yield {
            "probability": name,
            "n": int(rows.sum()),
            "redshift": np.median(z[rows & (z > 0)]),
            "error": np.median(np.abs(error[rows])),
            "median bias": np.median(error[rows]),
            "beyond 1 dex": np.mean(np.abs(error[rows]) > 1),
            "coverage": inside[rows].mean(),
            "width": np.mean((hi - lo)[rows]),
            "HSPs in both": int((rows & both).sum()),
            "4LAC low": np.mean((hsp - fermi)[rows & both] > 0.6),
        }


def group_rows(data, table):
    """One row a group."""
    kind, fermi, hsp, z, probability = real(data, table)
    bll, isp = kind == "bll", (fermi >= 14) & (fermi < 15)
    groups = {
        "BL Lacs, z below 0.1": bll & (z > 0) & (z < 0.1),
        "BL Lacs, z 0.1 to 0.2": bll & (z >= 0.1) & (z < 0.2),
        "BL Lacs, z 0.2 to 0.35": bll & (z >= 0.2) & (z < 0.35),
        "BL Lacs, z from 0.35": bll & (z >= 0.35),
        "FSRQs": kind == "fsrq",
        "ISP in 4LAC, HSP in 3HSP": isp & (hsp >= 15),
        "HSP in both": (fermi >= 15) & (hsp >= 15),
        "ISP in 4LAC, not in 3HSP": isp & ~(hsp > 0),
    }
    for name, rows in groups.items():
        known = rows & np.isfinite(probability)
        share = np.mean(probability[known] >= 0.3)
        yield {
            "sources": name,
            "n": int(known.sum()),
            "mean probability": probability[known].mean(),
            "from 0.3 on": share,
            "+/-": np.sqrt(share * (1 - share) / known.sum()),
        }


if __name__ == "__main__":
    main()
