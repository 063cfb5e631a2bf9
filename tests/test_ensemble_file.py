"""Files of ensembles from strangers: what no training makes is refused, whatever its checksum."""

import json

import numpy as np
import pytest

from blase_astro import Ensemble, estimate
from blase_astro.ensemble_file import checksum, read_ensemble, write_ensemble
from blase_astro.io import sed_table


@pytest.fixture(scope="module")
def content(ensembles):
    """Header and arrays of a good ensemble."""
    return ensembles["nu_peak"]._to_arrays()


def write(path, header, arrays, version=2):
    """A file with a right checksum, whatever it holds."""
    header = header | {"format_version": version} if isinstance(header, dict) else header
    np.savez(
        path,
        header=np.array(json.dumps(header, sort_keys=True)),
        sha256=np.array(checksum(header, arrays)),
        **arrays,
    )
    return path


def changed(array, where, value):
    """A copy with one value changed."""
    array = array.copy()
    array.flat[where % array.size] = value
    return array


BAD_ARRAYS = {
    "weight_0": [lambda a: changed(a, 3, np.nan), lambda a: a[:, :, :-1], lambda a: a.astype("U3")],
    "weight_1": [lambda a: changed(a, 3, np.inf), lambda a: a[..., :-1], lambda a: a[:1]],
    "bias_0": [lambda a: changed(a, 0, np.nan), lambda a: a[..., 1:], lambda a: a[0]],
    "bias_1": [lambda a: changed(a, 0, -np.inf), lambda a: a.T],
    "grid": [lambda a: a[::-1], lambda a: a[:-1], lambda a: a * np.nan, lambda a: a**2],
    "bin_edges": [lambda a: a[::-1], lambda a: a[:, :1], lambda a: changed(a, 5, np.nan),
                  lambda a: a[:, ::-1], lambda a: a[:0]],
    "source_ra": [lambda a: changed(a, 2, np.nan), lambda a: a[1:], lambda a: changed(a, 0, 1e300)],
    "source_dec": [lambda a: changed(a, 2, 91.0), lambda a: a.astype("U9")],
    "source_bag": [lambda a: changed(a, 1, 3), lambda a: changed(a, 1, -1), lambda a: a * 1.0],
    "source_name": [lambda a: a[1:], lambda a: np.arange(len(a))],
    "source_label": [lambda a: a[1:], lambda a: a.astype("U9")],
    "source_n_bins": [lambda a: a[1:], lambda a: a.astype("U9")],
    "source_oob_probability": [lambda a: -a, lambda a: a[:, 1:], lambda a: a * 0,
                               lambda a: changed(a, 7, np.nan)],
    "source_oob_base": [lambda a: a * np.nan],
    "calibration_score": [lambda a: a[::-1], lambda a: a - 2, lambda a: a[1:],
                          lambda a: a * np.nan, lambda a: a + 1],
    "calibration_size": [lambda a: a * 0, lambda a: a + 1, lambda a: a * 1.5],
    "calibration_lowest_n_bins": [lambda a: a[::-1], lambda a: np.append(a, 99)],
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "change"), [(name, f) for name, all_ in BAD_ARRAYS.items() for f in all_]
)
def test_bad_arrays(tmp_path, content, name, change):
    """Wrong shapes, kinds, numbers that are not finite or out of range: one clear error."""
    header, arrays = content
    path = write(tmp_path / "e.npz", header, arrays | {name: change(arrays[name])})
    if np.array_equal(change(arrays[name]), arrays[name]):
        pytest.skip("the change changes nothing here")
    with pytest.raises(ValueError, match=r"e\.npz: no valid ensemble: "):
        Ensemble.load(path)


@pytest.mark.parametrize("name", sorted(BAD_ARRAYS))
def test_missing_arrays(tmp_path, content, name):
    """Every array is missed."""
    header, arrays = content
    path = write(tmp_path / "e.npz", header, {k: v for k, v in arrays.items() if k != name})
    with pytest.raises(ValueError, match=r"e\.npz: no valid ensemble: "):
        Ensemble.load(path)


@pytest.mark.parametrize(
    "header",
    [
        None,
        [],
        "text",
        {"target": "nu_peak"},
        {"target": "x"},
        {"n_layers": "2"},
        {"n_layers": 1},
        {"n_layers": 10**9},
        {"n_layers": True},
        {"subtract_level": 1},
        {"meta": []},
        {"meta": {"reference": []}},
        {"meta": {"reference": {"level": [1], "spread": 1, "patterns": []}}},
        {"meta": {"reference": {"level": [-1, 1], "spread": float("nan"), "patterns": [1]}}},
        {"meta": {"reference": {"level": [-1, 1], "spread": 1, "patterns": [10**30]}}},
    ],
)
def test_bad_headers(tmp_path, content, header):
    """A header that is no object, lacks something, or has values of another kind."""
    good, arrays = content
    if isinstance(header, dict) and len(header) == 1 and header != {"target": "nu_peak"}:
        header = good | header
    with pytest.raises(ValueError, match=r"e\.npz: "):
        Ensemble.load(write(tmp_path / "e.npz", header, arrays))


@pytest.mark.parametrize("version", [0, 3, None, "2", True, 2.5])
def test_unknown_versions(tmp_path, content, version):
    """Only versions that are known."""
    with pytest.raises(ValueError, match=r"wanted format version 1 or 2, got"):
        Ensemble.load(write(tmp_path / "e.npz", *content, version=version))


VALUES = {"f": [np.nan, np.inf, -1.0, 0.0, 1e30, -1e30, 5.0, 1e6], "i": [-1, 0, 99, 2]}
VALUES |= {"U": ["", "=1+1", "\x1b[31m"]}


@pytest.mark.parametrize("seed", range(150))
def test_random_damage(tmp_path, content, seed):
    """One number of one array replaced, with a right checksum: refused, or still an ensemble."""
    header, arrays = content
    rng = np.random.default_rng(seed)
    name = rng.choice(sorted(arrays))
    value = rng.choice(VALUES[arrays[name].dtype.kind])
    with np.errstate(over="ignore"):
        damaged = changed(arrays[name], rng.integers(10**6), value)
    path = write(tmp_path / "e.npz", header, arrays | {name: damaged})
    try:
        ensemble = Ensemble.load(path)
    except ValueError as error:
        refused = str(error)
    else:
        sed = sed_table([1.4e9, 4.9e14, 2.4e17], [1e-13, 1e-12, 1e-12])
        row = estimate(sed, ensemble=ensemble)[0]
        assert row["log_nu_peak_lo"] <= row["log_nu_peak"] <= row["log_nu_peak_hi"]
        assert row["log_nu_peak_lo"] < row["log_nu_peak_hi"]
        return
    assert "no valid ensemble" in refused


def test_a_file_that_is_too_large(tmp_path, content, monkeypatch):
    """What it claims to hold is bounded before it is read."""
    path = write(tmp_path / "e.npz", *content)
    monkeypatch.setattr("blase_astro.ensemble_file._MAX_BYTES", 1000)
    with pytest.raises(ValueError, match=r"e\.npz: "):
        Ensemble.load(path)


def test_float16_where_nothing_is_lost(tmp_path, content):
    """Numbers that float16 holds are kept as such, others to the last bit."""
    header, arrays = content
    arrays = arrays | {"weight_0": arrays["weight_0"].astype(np.float16).astype(np.float32)}
    write_ensemble(tmp_path / "e.npz", header, arrays)
    _, again = read_ensemble(tmp_path / "e.npz")
    assert again["weight_0"].dtype == np.float16
    assert again["weight_1"].dtype == np.float32
    for name in arrays:
        np.testing.assert_array_equal(again[name], arrays[name])


def test_the_first_edition_is_still_read(tmp_path, ensembles):
    """Version 1: normal networks, residuals in standard deviations as scores."""
    from scipy.stats import norm

    rng = np.random.default_rng(3)
    columns = ensembles["nu_peak"].source_columns
    arrays = {f"source_{k}": v for k, v in columns.items() if not k.startswith("oob")}
    arrays |= {"source_oob_mean": columns["label"] + 0.1, "source_oob_std": np.full(300, 0.2)}
    arrays |= {"bin_edges": ensembles["nu_peak"].bin_edges}
    arrays |= {"weight_0": rng.normal(0, 0.01, (3, 2, 53, 2)).astype(np.float32)}
    arrays |= {"bias_0": np.zeros((3, 2, 2), np.float32)}
    arrays |= {"label_mean": np.full((3, 2), 14.0), "label_std": np.full((3, 2), 0.5)}
    score = np.sort(np.abs(rng.normal(0, 1, 300)))
    arrays |= {"calibration_lowest_n_bins": np.array([3]), "calibration_size": np.array([300])}
    arrays |= {"calibration_score": score}
    header = {"target": "nu_peak", "subtract_level": True, "n_layers": 1, "meta": {}}
    ensemble = Ensemble.load(write(tmp_path / "e.npz", header, arrays, version=1))
    binned = np.full((1, 26), -12.0)
    raw = ensemble.predict(binned, calibrated=False)
    half = np.interp(0.9, np.arange(1, 301) / 301, score) * raw.std()
    lo, hi = ensemble.predict(binned).interval(0.9)
    np.testing.assert_allclose(hi - lo, 2 * half, rtol=0.03)
    assert ensemble.oob.std()[0] == pytest.approx(0.2, rel=0.01)
    assert ensemble.calibration.score.max() < 1
    np.testing.assert_allclose(ensemble.calibration.score[10], 2 * norm.cdf(score[10]) - 1)
