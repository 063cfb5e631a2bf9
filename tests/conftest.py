"""What several test modules need."""

import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from blase_astro.calibration import fit_calibration
from blase_astro.ensemble import Ensemble
from blase_astro.sed import BIN_EDGES


@pytest.fixture(scope="session")
def shared_data():
    """The folder of real SEDs and catalogs; tests that need it skip where it is absent."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("BLASE_TEST_DATA", beside))
    if not (folder / "SEDs.zip").is_file():
        pytest.skip(f"real data not found: {folder} (set BLASE_TEST_DATA)")
    return folder


def _random_ensemble(target, sizes=(53, 16, 2), n_bags=3, n_members=2, seed=0):
    """An ensemble with random weights, sources all over the sky, calibration and reference."""
    rng = np.random.default_rng(seed)
    layers = list(pairwise(sizes))
    n = 300
    level = 14.0 if target == "nu_peak" else -11.5
    label = level + rng.normal(0, 1, n)
    columns = {
        "name": np.array([f"source {i}" for i in range(n)]),
        "ra": rng.uniform(0, 360, n),
        "dec": np.degrees(np.arcsin(rng.uniform(-1, 1, n))),
        "bag": rng.integers(0, n_bags, n).astype(np.int16),
        "label": label,
        "n_bins": rng.integers(3, 26, n).astype(np.int32),
        "oob_mean": label + rng.normal(0, 0.2, n),
        "oob_std": np.full(n, 0.2),
    }
    return Ensemble(
        target=target,
        bin_edges=BIN_EDGES,
        subtract_level=True,
        weights=tuple(
            rng.normal(0, 0.3 * i**-0.5, (n_bags, n_members, i, o)).astype(np.float32)
            for i, o in layers
        ),
        biases=tuple(np.zeros((n_bags, n_members, o), np.float32) for _, o in layers),
        label_mean=np.full((n_bags, n_members), 14.0 if target == "nu_peak" else 0.5),
        label_std=np.ones((n_bags, n_members)),
        source_columns=columns,
        calibration=fit_calibration(
            label, columns["oob_mean"], columns["oob_std"], columns["n_bins"]
        ),
        meta={
            "reference": {
                "level": [-14.0, -9.0],
                "spread": 5.0,
                "patterns": [2**26 - 1],
                "pattern_distance": 0.8,
            }
        },
    )


@pytest.fixture(scope="session")
def ensembles():
    """Small ensembles with random weights, by target; the same sources and bags in both."""
    return {target: _random_ensemble(target) for target in ("nu_peak", "nufnu_peak")}


@pytest.fixture(scope="session")
def ensemble_dir(tmp_path_factory, ensembles):
    """A folder with these ensembles."""
    folder = tmp_path_factory.mktemp("ensemble")
    for target, ensemble in ensembles.items():
        ensemble.save(folder / f"{target}.npz")
    return folder
