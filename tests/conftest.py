"""What several test modules need."""

import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from blase_astro.calibration import fit_calibration
from blase_astro.distribution import Distribution
from blase_astro.ensemble import Ensemble
from blase_astro.sed import BIN_EDGES

# How long an example takes says something of the machine and what else it does.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


@pytest.fixture(scope="session")
def shared_data():
    """The folder of real SEDs and catalogs; tests that need it skip where it is absent."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("BLASE_TEST_DATA", beside))
    if not (folder / "SEDs.zip").is_file():
        pytest.skip(f"real data not found: {folder} (set BLASE_TEST_DATA)")
    return folder


def _random_ensemble(target, n_bags=3, n_members=2, seed=0):
    """An ensemble with random weights, sources all over the sky, calibration and reference."""
    rng = np.random.default_rng(seed)
    first = 11.0 if target == "nu_peak" else -2.0
    grid = np.round(first + 0.1 * np.arange(80), 10)
    n = 300
    level = 14.0 if target == "nu_peak" else -11.5
    label = level + rng.normal(0, 1, n)
    distribution = Distribution.normal(label + rng.normal(0, 0.2, n), 0.2)
    columns = {
        "name": np.array([f"source {i}" for i in range(n)]),
        "ra": rng.uniform(0, 360, n),
        "dec": np.degrees(np.arcsin(rng.uniform(-1, 1, n))),
        "bag": rng.integers(0, n_bags, n).astype(np.int16),
        "label": label,
        "n_bins": rng.integers(3, 26, n).astype(np.int32),
        "oob_base": np.full(n, -11.5),
    }
    places = grid if target == "nu_peak" else grid - 11.5
    oob = np.exp(-0.5 * ((places - label[:, None] - rng.normal(0, 0.2, (n, 1))) / 0.2) ** 2)
    columns["oob_probability"] = (oob / oob.sum(axis=1, keepdims=True)).astype(np.float32)
    # Wide humps about the middle of the grid, moved by the SED.
    biases = [np.zeros((n_bags, n_members, 16), np.float32)]
    hump = -0.5 * ((grid - grid[35]) / 0.6) ** 2
    biases.append(np.broadcast_to(hump, (n_bags, n_members, 80)).astype(np.float32))
    return Ensemble(
        target=target,
        bin_edges=BIN_EDGES,
        subtract_level=True,
        weights=tuple(
            rng.normal(0, 0.3 * i**-0.5, (n_bags, n_members, i, o)).astype(np.float32)
            for i, o in pairwise((53, 16, 80))
        ),
        biases=tuple(biases),
        grid=grid,
        source_columns=columns,
        calibration=fit_calibration(distribution.cdf(label), columns["n_bins"]),
        meta={
            "reference": {
                "level": [-14.0, -9.0],
                "spread": 5.0,
                "patterns": [2**26 - 1],
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
