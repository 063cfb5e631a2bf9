"""The ensemble: files, cross-match, prediction."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from alike import sums_in_one_order
from astropy import units as u
from astropy.coordinates import SkyCoord
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax

from blase_astro.calibration import fit_calibration
from blase_astro.ensemble import Ensemble
from blase_astro.networks import MIN_VARIANCE, ZERO_LEVEL, Networks
from blase_astro.sed import BIN_EDGES, bin_points, mean_level
from blase_astro.simulate import simulate_seds

GRID = np.round(10 + 0.1 * np.arange(90), 10)


def make_ensemble(
    target="nu_peak", subtract_level=True, n_bags=3, n_members=2, seed=0, normal=False
):
    """An ensemble with random weights and sources all over the sky."""
    rng = np.random.default_rng(seed)
    sizes = (52 + subtract_level, 7, 5, 2 if normal else len(GRID))
    weights, biases = [], []
    for n_in, n_out in pairwise(sizes):
        weights.append(rng.normal(0, n_in**-0.5, (n_bags, n_members, n_in, n_out)))
        biases.append(rng.normal(0, 1, (n_bags, n_members, n_out)))
    n = 200
    columns = {
        "name": np.array([f"source {i}" for i in range(n)]),
        "ra": rng.uniform(0, 360, n),
        "dec": np.degrees(np.arcsin(rng.uniform(-1, 1, n))),
        "bag": rng.integers(0, n_bags, n).astype(np.int16),
        "label": rng.uniform(12, 18, n),
        "n_bins": rng.integers(4, 26, n).astype(np.int32),
        "oob_mean": rng.uniform(12, 18, n),
        "oob_std": rng.uniform(0.1, 1, n),
    }
    return Ensemble(
        target=target,
        bin_edges=BIN_EDGES,
        subtract_level=subtract_level,
        weights=tuple(w.astype(np.float32) for w in weights),
        biases=tuple(b.astype(np.float32) for b in biases),
        source_columns=columns,
        **(_normal_output((n_bags, n_members)) if normal else {"grid": GRID}),
        meta={"seed": seed},
    )


def _normal_output(shape):
    """What normal networks have instead of a grid."""
    return {
        "label_mean": np.linspace(13, 14, np.prod(shape)).reshape(shape),
        "label_std": np.linspace(1, 1.5, np.prod(shape)).reshape(shape),
    }


def random_seds(n, seed=1):
    """Binned SEDs with about half of the bins filled, the first one empty."""
    rng = np.random.default_rng(seed)
    binned = rng.normal(-12, 1, (n, 26))
    binned[rng.random((n, 26)) < 0.5] = np.nan
    binned[0] = np.nan
    return binned.astype(np.float32)


def outputs(ensemble, sed, members):
    """Last layer of some members for one SED, one by one in float64, and the level."""
    filled = np.isfinite(sed)
    base = sed[filled].mean(dtype=float) if ensemble.subtract_level else ZERO_LEVEL
    x = [np.where(filled, sed - base, 0), filled]
    if ensemble.subtract_level:
        x.append([base - ZERO_LEVEL])
    last = []
    for b, m in members:
        h = np.concatenate(x)
        for i, (w, c) in enumerate(zip(ensemble.weights, ensemble.biases, strict=True)):
            h = (np.maximum(h, 0) if i else h) @ w[b, m].astype(float) + c[b, m]
        last.append(h)
    relative = ensemble.subtract_level and ensemble.target == "nufnu_peak"
    return last, base if relative else 0.0


@pytest.mark.parametrize("target", ["nu_peak", "nufnu_peak"])
@pytest.mark.parametrize("subtract_level", [True, False])
def test_predict_is_the_mixture_of_the_right_members(target, subtract_level):
    """All members for -1, those of the bag alone for a bag; as computed one by one."""
    ensemble, binned = make_ensemble(target, subtract_level), random_seds(40)
    bag = np.arange(40) % 4 - 1
    distribution, spread = ensemble.predict_with_spread(binned, bag)
    assert not distribution.known[0]
    assert np.isnan(spread[0])
    for i in range(1, 40):
        bags = range(3) if bag[i] == -1 else [bag[i]]
        last, base = outputs(ensemble, binned[i], [(b, m) for b in bags for m in range(2)])
        members = [softmax(h) for h in last]
        np.testing.assert_allclose(
            distribution.probability[i], np.mean(members, axis=0), rtol=2e-4, atol=1e-7
        )
        means = [p @ GRID for p in members]
        np.testing.assert_allclose(distribution.mean()[i], np.mean(means) + base, rtol=1e-5)
        np.testing.assert_allclose(spread[i], np.std(means), rtol=1e-3, atol=1e-5)


def test_normal_networks_are_mixed_as_ever():
    """Without a grid: the mean of the means, the mean of the variances plus their variance."""
    ensemble, binned = make_ensemble(normal=True), random_seds(20)
    distribution, spread = ensemble.predict_with_spread(binned, 1)
    for i in range(1, 20):
        last, _ = outputs(ensemble, binned[i], [(1, 0), (1, 1)])
        scale, shift = ensemble.label_std[1], ensemble.label_mean[1]
        means = np.array([h[0] for h in last]) * scale + shift
        variances = (np.log1p(np.exp([h[1] for h in last])) + MIN_VARIANCE) * scale**2
        std = np.sqrt(variances.mean() + means.var())
        np.testing.assert_allclose(distribution.median()[i], means.mean(), atol=1e-4)
        np.testing.assert_allclose(distribution.std()[i], std, rtol=5e-3)
        np.testing.assert_allclose(spread[i], means.std(), rtol=1e-3)


def test_no_normal_member_is_certain():
    """However sure a network is, its standard deviation is a hundredth of the labels' scatter."""
    ensemble = make_ensemble(normal=True)
    weights, biases = list(ensemble.weights), list(ensemble.biases)
    weights[-1], biases[-1] = weights[-1] * 0, biases[-1] * 0 + [0, -100]
    sure = Networks(tuple(weights), tuple(biases), True, None, ensemble.label_mean, np.ones((3, 2)))
    mixed, means = sure.mix(random_seds(5)[1:], [0])
    np.testing.assert_allclose(means, np.repeat(ensemble.label_mean[0], 4).reshape(2, 4))
    np.testing.assert_allclose(mixed[:, 1] - np.var(ensemble.label_mean[0]), 1e-4, rtol=1e-6)


def test_members_make_the_mixture():
    """predict_members and predict tell the same story."""
    ensemble, binned = make_ensemble("nufnu_peak"), random_seds(30)
    means = ensemble.predict_members(binned)
    np.testing.assert_allclose(means.mean((0, 1)), ensemble.predict(binned).mean(), rtol=1e-6)


def test_calibration_is_applied_by_the_number_of_bins():
    """predict gives the calibrated distribution, unless told not to."""
    ensemble, binned = make_ensemble(), random_seds(30)
    calibration = fit_calibration(
        np.random.default_rng(2).random(600) ** 2, np.repeat([8, 15], 300)
    )
    honest = replace(ensemble, calibration=calibration)
    raw = honest.predict(binned, calibrated=False)
    n_bins = np.isfinite(binned).sum(axis=1)
    np.testing.assert_array_equal(raw.probability, ensemble.predict(binned).probability)
    np.testing.assert_allclose(
        honest.predict(binned).probability, calibration.apply(raw, n_bins).probability
    )


@given(st.integers(1, 1200), st.integers(0, 5))
def test_batch_size_does_not_matter(n, seed):
    """A row's estimate does not depend on its company."""
    ensemble, binned = make_ensemble(), random_seds(1200, seed)
    together = ensemble.predict(binned[:n])[[n - 1]]
    alone = ensemble.predict(binned[n - 1 : n])
    np.testing.assert_allclose(together.probability, alone.probability, rtol=1e-6)


def test_predict_refuses_what_does_not_fit():
    """Wrong bags and wrong shapes are said."""
    ensemble = make_ensemble()
    for bag in (3, -2):
        with pytest.raises(ValueError, match=rf"wanted -1 \(all members\) or 0 to 2, got {bag}"):
            ensemble.predict(random_seds(2), bag)
    with pytest.raises(ValueError, match=r"wanted shape \(n, 26\), got \(26,\)"):
        ensemble.predict(random_seds(1)[0])


def test_save_and_load(tmp_path):
    """What is loaded is what was saved, bit for bit, twice the same bytes, float32."""
    ensemble = make_ensemble()
    ensemble.save(tmp_path / "nu_peak.npz")
    again = Ensemble.load(tmp_path)
    assert again.digest == ensemble.digest
    assert again.weights[0].dtype == np.float32
    assert again.meta == ensemble.meta
    assert again.sources["name"][3] == "source 3"
    assert again.sources["ra"].unit == "deg"
    binned = random_seds(9)
    np.testing.assert_array_equal(
        again.predict(binned).probability, ensemble.predict(binned).probability
    )
    again.save(tmp_path / "again.npz")
    assert (tmp_path / "again.npz").read_bytes() == (tmp_path / "nu_peak.npz").read_bytes()
    assert [p.name for p in sorted(tmp_path.iterdir())] == ["again.npz", "nu_peak.npz"]
    assert "3 bags x 2 members, 200 training sources" in repr(again)


def test_load_refuses_what_is_no_ensemble(tmp_path):
    """Missing, foreign, damaged and future files each give one clear error."""
    with pytest.raises(FileNotFoundError, match="no such ensemble"):
        Ensemble.load(tmp_path / "nowhere.npz")
    with pytest.raises(ValueError, match="target: wanted one of nu_peak, nufnu_peak, got 'x'"):
        Ensemble.load(tmp_path, target="x")
    path = tmp_path / "nu_peak.npz"
    path.write_bytes(b"hello")
    with pytest.raises(ValueError, match=r"wanted an ensemble saved by blase_astro|damaged"):
        Ensemble.load(path)
    np.savez(path, a=np.zeros(3))
    with pytest.raises(ValueError, match="wanted an ensemble saved by blase_astro"):
        Ensemble.load(path)
    make_ensemble().save(path)
    with np.load(path) as archive:
        arrays = dict(archive)
    header = str(arrays["header"])
    np.savez(path, **(arrays | {"grid": arrays["grid"] + 1}))
    with pytest.raises(ValueError, match="its checksum does not fit"):
        Ensemble.load(path)
    changed = header.replace('"format_version": 2', '"format_version": 9')
    np.savez(path, **(arrays | {"header": np.array(changed)}))
    with pytest.raises(ValueError, match="wanted format version 1 or 2, got 9"):
        Ensemble.load(path)


@pytest.mark.parametrize("cut", [0.1, 0.5, 0.99])
def test_load_refuses_truncated_files(tmp_path, cut):
    """A file cut short is an error, not an ensemble."""
    path = tmp_path / "nu_peak.npz"
    make_ensemble().save(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * cut)])
    with pytest.raises(ValueError, match=r"nu_peak\.npz"):
        Ensemble.load(path)


def test_load_runs_no_code(tmp_path):
    """An object array, which would need unpickling, is refused."""
    path = tmp_path / "nu_peak.npz"
    np.savez(path, header=np.array([object()], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="wanted an ensemble"):
        Ensemble.load(path)


@pytest.mark.parametrize("n", [5, 500])
def test_find_bag_agrees_with_skycoord(n):
    """Nearest source and separation are SkyCoord's, for few positions and for many."""
    ensemble = make_ensemble()
    rng = np.random.default_rng(4)
    pick = rng.integers(0, 200, n)
    sources = SkyCoord(ensemble.sources["ra"], ensemble.sources["dec"])
    moved = sources[pick].directional_offset_by(
        rng.uniform(0, 360, n) * u.deg, rng.uniform(0, 10, n) * u.arcsec
    )
    bag, separation, n_near = ensemble.find_bag(moved.ra.deg, moved.dec.deg, radius=5)
    index, expected, _ = moved.match_to_catalog_sky(sources)
    hit = expected.arcsec <= 5
    assert 0 < hit.sum() < n or n == 5
    np.testing.assert_array_equal(bag, np.where(hit, ensemble.sources["bag"][index], -1))
    np.testing.assert_allclose(separation[hit], expected.arcsec[hit], rtol=1e-6)
    assert np.isnan(separation[~hit]).all()
    np.testing.assert_array_equal(n_near, hit)


@pytest.mark.parametrize(
    ("source", "target"),
    [((0.0001, 10), (359.9999, 10)), ((10, 89.9999), (190, 89.9999)), ((5, -90), (200, -90))],
)
def test_find_bag_across_zero_and_the_poles(source, target):
    """Right ascension wraps at 0 h, and means nothing at the poles."""
    ensemble = make_ensemble()
    ensemble.source_columns["ra"][7], ensemble.source_columns["dec"][7] = source
    bag, separation, _ = ensemble.find_bag(*target)
    assert bag[0] == ensemble.source_columns["bag"][7]
    assert separation[0] < 1


def test_find_bag_without_position_or_sources():
    """NaN positions match nothing; neither does anything where there are no sources."""
    ensemble = make_ensemble()
    bag, separation, n_near = ensemble.find_bag([np.nan, 10], [5, np.nan])
    assert bag.tolist() == [-1, -1]
    assert np.isnan(separation).all()
    assert n_near.tolist() == [0, 0]
    for name in ensemble.source_columns:
        ensemble.source_columns[name] = ensemble.source_columns[name][:0]
    assert ensemble.find_bag([10], [10])[0].tolist() == [-1]


def test_mean_level():
    """Empty bins do not count; an empty SED has no level."""
    np.testing.assert_array_equal(
        mean_level(np.array([[-12, np.nan, -14], [np.nan] * 3])), [-13, np.nan]
    )


@pytest.mark.parametrize("target", ["nu_peak", "nufnu_peak"])
def test_shipped_estimates_do_not_depend_on_neighbours(target):
    """To the last bit, one by one and in blocks of any size, or as far as float32 has digits."""
    ensemble = Ensemble.load(None, target)
    binned = bin_points(simulate_seds(600, seed=8)[0], ensemble.bin_edges)[0]
    binned = binned[np.isfinite(binned).any(axis=1)]
    together = ensemble.predict(binned).probability
    for size in (1, 7, 100):
        for start in (0, 300, 500):
            rows = slice(start, start + size)
            alone = ensemble.predict(binned[rows]).probability
            np.testing.assert_allclose(alone, together[rows], rtol=1e-5, atol=1e-6)
            if sums_in_one_order():
                np.testing.assert_array_equal(alone, together[rows])
