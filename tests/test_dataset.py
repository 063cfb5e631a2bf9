"""From an archive to the training set: labels, bags, augmentation, samples."""

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import MaskedColumn, Table, vstack
from hypothesis import given, settings
from hypothesis import strategies as st

from blase_astro.io import sed_table
from blase_astro.io.files import read_catalog, write_table
from blase_astro.io.table import select
from blase_astro.sed import points_from_seds
from blase_astro.training import (
    augment,
    default_pool,
    parse_label,
    read_training_set,
    seed_pool,
    split_bags,
    training_points,
)
from blase_astro.training.pools import LABEL_EDGES

FREQUENCIES = [1.4e9, 4.455e14, 2.418e17, 1.0e23, 1.0e24]


def write_archive(folder, names, n_rows=5):
    """SED files of a few points, at the positions of their names."""
    rng = np.random.default_rng(0)
    folder.mkdir()
    for name in names:
        label = parse_label(name)
        flux = 10 ** rng.normal(-12, 0.3, n_rows)
        meta = {"ra": label.get("ra", 10.0), "dec": label.get("dec", 10.0)}
        sed = sed_table(FREQUENCIES[:n_rows], flux, meta=meta)
        sed.write(folder / name, format="vou-sed")
    return folder


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "SEDs/SED_11.78_227.1623_-49.8840_PMNJ1508-49_1.551",
            (11.78, np.nan, 227.1623, -49.884, "PMNJ1508-49", 1.551),
        ),
        (
            "SED_14.00_0.3293_47.7002_A_name_with_0.5_in_it_0.000",
            (14.0, np.nan, 0.3293, 47.7002, "A_name_with_0.5_in_it", np.nan),
        ),
        (
            "15.20_-11.34_77.3582_5.6931.txt",
            (15.2, -11.34, 77.3582, 5.6931, "15.20_-11.34_77.3582_5.6931.txt", np.nan),
        ),
    ],
)
def test_parse_label(name, expected):
    """Both schemes of file names are understood; 0.000 is no redshift."""
    label = parse_label(name)
    keys = ("log_nu_peak", "log_nufnu_peak", "ra", "dec", "name", "redshift")
    for key, value in zip(keys, expected, strict=True):
        np.testing.assert_equal(label[key], value)


@pytest.mark.parametrize("name", ["TXS_0506+056", "sed.txt", "SED_x_1_2_name_0.1", "3_Sed.txt"])
def test_names_without_label(name):
    """A plain name is no label."""
    assert parse_label(name) == {}


def test_real_archive(shared_data):
    """All 1,721 names give the label, the position and the name of the catalog."""
    table = read_training_set(shared_data / "SEDs.zip")
    labels = Table.read(shared_data / "labels.ecsv")
    assert len(table) == len(labels) == 1721
    by_file = {name.rsplit("/", 1)[-1]: i for i, name in enumerate(table["file"])}
    table = table[[by_file[name] for name in labels["file"]]]
    np.testing.assert_allclose(table["log_nu_peak"], labels["log_nu_peak"], atol=0.0051)
    np.testing.assert_allclose(table["ra"], labels["ra"], atol=1e-4)
    np.testing.assert_allclose(table["dec"], labels["dec"], atol=1e-4)
    assert table["binned"].shape == (1721, 33)


def test_labels_from_the_4lac(shared_data):
    """Labels by position from the published catalog, in Hz, with zeros for no value."""
    said = []
    catalog = Table.read(shared_data / "catalogs" / "table_4LAC_h.fits")
    table = read_training_set(shared_data / "SEDs.zip", catalog, report=said.append)
    own = read_training_set(shared_data / "SEDs.zip")
    labels = dict(zip(own["file"], own["log_nu_peak"], strict=True))
    expected = [labels[name] for name in table["file"]]
    assert len(table) > 1300
    assert np.isfinite(table["log_nufnu_peak"]).all()
    np.testing.assert_allclose(table["log_nu_peak"], expected, atol=0.0051)
    assert any("no label" in line for line in said)


def test_what_is_left_out_is_said(tmp_path):
    """Duplicates, missing labels, too few bins and unreadable files are counted and left out."""
    names = [f"SED_13.{i}0_{10 * i}.0000_5.0000_source{i}_0.000" for i in range(4)]
    archive = write_archive(tmp_path / "seds", names)
    (archive / "SED_13.00_10.0000_5.0000_again_0.000").write_text((archive / names[1]).read_text())
    (archive / "unlabelled").write_text((archive / names[2]).read_text())
    write_archive(tmp_path / "poor", ["SED_13.00_200.0000_5.0000_poor_0.000"], n_rows=2)
    poor = tmp_path / "poor" / "SED_13.00_200.0000_5.0000_poor_0.000"
    poor.rename(archive / poor.name)
    said = []
    table = read_training_set(archive, report=said.append)
    assert sorted(table["name"]) == ["again", "source0", "source2", "source3"]
    assert said == [
        "1 of 7 SEDs left out: fewer than 4 filled bins",
        "1 of 7 SEDs left out: no label",
        "1 of 7 SEDs left out: the same source as another SED",
    ]


@pytest.mark.parametrize("place", ["30.0_95.0", "10000.0_5.0"])
def test_a_place_that_is_none(tmp_path, place):
    """A source beyond the pole can be in no bag."""
    names = [f"13.00_-11.00_{where}.txt" for where in ("10.0_5.0", place)]
    said = []
    table = read_training_set(write_archive(tmp_path / "seds", names), report=said.append)
    assert table["ra"].tolist() == [10]
    assert said == ["1 of 2 SEDs left out: no position"]


def test_nothing_to_train_on(tmp_path):
    """An archive without labels says so."""
    archive = write_archive(tmp_path / "seds", ["one", "two"])
    with pytest.raises(ValueError, match=r"nothing to train on among 2 SEDs \(most often: no lab"):
        read_training_set(archive)


@pytest.fixture
def three(tmp_path):
    """An archive of three sources without labels in their names, and their catalog."""
    archive = tmp_path / "seds"
    archive.mkdir()
    for i in range(3):
        sed = sed_table(FREQUENCIES, [1e-12] * 5, meta={"ra": 10.0 * i, "dec": 5.0})
        sed.write(archive / f"source{i}", format="vou-sed")
    catalog = Table({"RA": [0.0, 10.0, 20.0], "DEC": [5.0] * 3})
    return archive, catalog


@pytest.mark.parametrize(
    "column",
    [
        MaskedColumn([1e13, 1e14, 0.0], name="nu_peak", unit="Hz"),
        MaskedColumn([1e4, 1e5, -1.0], name="nu_syn", unit="GHz"),
        MaskedColumn([13.0, 14.0, np.nan], name="log_nu_peak"),
        MaskedColumn([13.0, 14.0, 15.0], name="log_nu_peak", mask=[0, 0, 1]),
        MaskedColumn([13.0, 14.0, 0.0], name="log_nu_peak"),
    ],
)
def test_units_of_labels(three, column):
    """Hz by the unit, log10 without one; zero, negative, masked and NaN are no label."""
    archive, catalog = three
    catalog[column.name] = column
    table = read_training_set(archive, catalog)
    np.testing.assert_allclose(table["log_nu_peak"], [13, 14])
    assert np.isnan(table["log_nufnu_peak"]).all()


@pytest.mark.parametrize("suffix", ["fits", "ecsv", "vot", "parquet"])
def test_the_table_can_be_kept(three, tmp_path, suffix):
    """In every format that holds arrays; the measurements are found again, in the order of rows."""
    archive, catalog = three
    catalog["log_nu_peak"] = [13.0, 14.0, 15.0]
    table = read_training_set(archive, catalog)[::-1]
    path = tmp_path / f"table.{suffix}"
    write_table(table, path)
    again = read_catalog(path)
    np.testing.assert_array_equal(again["binned"], table["binned"])
    points = training_points(archive, again)
    assert points.name == table["file"].tolist()
    assert points.ra.tolist() == [20, 10, 0]
    assert np.bincount(points.sed).tolist() == [5, 5, 5]
    (archive / "source1").unlink()
    with pytest.raises(ValueError, match=r"holds no source1 \(1 of 3 files"):
        training_points(archive, again)


@pytest.mark.parametrize("radius", [5.0, 5 * u.arcsec, "0.1 arcmin"])
def test_the_nearest_row_gives_the_label(three, radius):
    """Of two rows within the radius, in any order; the radius may have a unit."""
    archive, catalog = three
    catalog["log_nu_peak"] = [13.0, 14.0, 15.0]
    other = catalog.copy()
    other["RA"] += 0.0003  # 1.1 arcsec
    other["log_nu_peak"] += 3
    for both in (vstack([catalog, other]), vstack([other, catalog])):
        table = read_training_set(archive, both, radius=radius)
        assert table["log_nu_peak"].tolist() == [13, 14, 15]


def test_wrong_label_columns(three):
    """A missing column and linear numbers without a unit are said."""
    archive, catalog = three
    with pytest.raises(ValueError, match="no column of peak frequencies; wanted one of log_nu_p"):
        read_training_set(archive, catalog)
    with pytest.raises(ValueError, match="has no column 'peak'"):
        read_training_set(archive, catalog, nu_column="peak")
    catalog["peak"] = [1e13, 1e14, 1e15]
    with pytest.raises(ValueError, match=r"'peak' has no unit, so wanted log10 of Hz, got 1e\+15"):
        read_training_set(archive, catalog, nu_column="peak")


def test_bags_are_even_seeded_and_keep_neighbours_together():
    """Equal bags; the same again with the same seed; close pairs in one bag."""
    rng = np.random.default_rng(3)
    ra, dec = rng.uniform(0, 360, 500), np.degrees(np.arcsin(rng.uniform(-1, 1, 500)))
    ra[100:150], dec[100:150] = ra[:50] + 0.005, dec[:50] + 0.001
    bag = split_bags(ra, dec, 5, seed=1, min_separation=60)
    assert np.bincount(bag).min() > 80
    np.testing.assert_array_equal(bag, split_bags(ra, dec, 5, seed=1))
    assert (bag != split_bags(ra, dec, 5, seed=2)).any()
    coordinates = SkyCoord(ra, dec, unit="deg")
    first, second, _, _ = coordinates.search_around_sky(coordinates, 60 * u.arcsec)
    assert (first != second).sum() >= 80
    np.testing.assert_array_equal(bag[first], bag[second])


@pytest.mark.parametrize("n_bags", [1, 4])
def test_impossible_bags(n_bags):
    """One bag leaves no one to ask; more bags than sources cannot be."""
    with pytest.raises(ValueError, match=f"n_bags: wanted 2 to 3 .*, got {n_bags}"):
        split_bags(np.array([0.0, 10, 20]), np.zeros(3), n_bags)


def random_set(n, seed=0):
    """Binned SEDs with a third of the bins filled, and labels (n, 2)."""
    rng = np.random.default_rng(seed)
    binned = rng.normal(-12, 1, (n, 26)).astype(np.float32)
    binned[rng.random((n, 26)) < 0.6] = np.nan
    label = np.stack([rng.uniform(11.5, 18.4, n), rng.normal(-12, 1, n)], axis=1)
    return binned, label


@given(st.integers(1, 300), st.integers(0, 9))
@settings(max_examples=20)
def test_augment_fills_every_label(n, seed):
    """Label bins that have sources get 90 samples or fewer, copies only lose bins."""
    binned, label = random_set(n, seed)
    made, index = augment(binned, label[:, 0], np.random.default_rng(seed))
    column = np.digitize(label[index, 0], LABEL_EDGES)
    assert np.bincount(column).max(initial=0) <= 90
    filled = np.isfinite(made)
    assert filled.sum(axis=1).min(initial=5) >= 5
    np.testing.assert_array_equal(made[filled], binned[index][filled])
    assert (np.isfinite(binned[index]).sum(axis=1) - filled.sum(axis=1)).max(initial=0) <= 15


def test_augment_knows_every_label_bin():
    """One source in each of the 31 bins of labels: all are as frequent."""
    label = (LABEL_EDGES[:-1] + LABEL_EDGES[1:]) / 2
    _, index = augment(np.ones((31, 26), np.float32), label, np.random.default_rng(0))
    np.testing.assert_array_equal(np.bincount(index), 90)
    on_edges = np.concatenate([LABEL_EDGES[:-1], [5.0, 30.0]])  # beyond all: to the nearest
    _, index = augment(np.ones((33, 26), np.float32), on_edges, np.random.default_rng(0))
    count = np.bincount(index)
    np.testing.assert_array_equal(count[1:30], 90)
    assert (count[0] + count[31], count[30] + count[32]) == (90, 90)


def test_augment_keeps_the_originals_and_survives_full_labels():
    """Originals are there; a label with more than 90 sources gives 90 of them and no copy."""
    binned, label = random_set(130)
    binned[:, :6] = -12
    label[:120, 0], label[120:, 0] = 13.0, 17.0
    made, index = augment(binned, label[:, 0], np.random.default_rng(0))
    assert len(np.unique(index[label[index, 0] == 13.0])) == 90
    assert set(index[label[index, 0] == 17.0]) == set(range(120, 130))
    for source in range(120, 130):
        whole = np.isfinite(binned[source])
        assert (np.isfinite(made[index == source]) == whole).all(axis=1).any()


def test_augment_deletes_what_nearly_all_have():
    """A bin that all SEDs of a label have goes more often than one that half of them have."""
    binned = np.full((60, 26), -12, np.float32)
    binned[::2, 0] = np.nan
    made, _ = augment(binned, np.full(60, 13.0), np.random.default_rng(0), per_label=4000)
    lost = np.isnan(made[60:])
    assert lost[:, 1:].mean(axis=0).min() > 3 * (lost[:, 0].mean() - 0.5)


def test_seed_pool_splits_by_source():
    """No sample of the left-out bag, and no source on both sides, whatever copies there are."""
    binned, label = random_set(400)
    bag = np.arange(400) % 5
    binned[:, 0] = np.arange(400)  # which source a sample is
    binned[:, 1:6] = -12
    pool = seed_pool(binned, label, bag, 2, n_valid=200, per_label=10)
    assert len(pool.train) == len(pool.valid) == 10
    for member, (train, valid) in enumerate(zip(pool.train, pool.valid, strict=True)):
        sides = [match_sources(pool, rows, binned, label) for rows in (train, valid)]
        assert not sides[0] & sides[1]
        assert 0 < len(sides[1]) <= 52 < len(sides[0])  # 200 samples of 1,240, of 320 sources
        for side in sides:
            assert not {source for source in side if bag[source] == member // 2}
        assert len(valid) <= 200 < 800 < len(train)


def match_sources(pool, rows, _binned, label):
    """The sources of samples, by their label, which is each source's own."""
    order = np.argsort(label[:, 0])
    position = np.searchsorted(label[order, 0], pool.label[rows, 0])
    return set(order[position].tolist())


def test_default_pool_leaves_out_simulations_of_the_bag():
    """Neither a source of the bag nor a simulated SED on its sampling is learnt from."""
    binned, label = random_set(100)
    bag = np.arange(100) % 5
    binned[:30] = -12  # rich
    sim_bag = np.arange(50) % 6 - 1
    simulated = (*random_set(50, seed=1), sim_bag)
    binned[5:10, 20:] = np.nan  # 20 bins
    pool = default_pool(
        binned, label, bag, 3, simulated=simulated, rich_weights=((12, 2.0), (21, 4.0))
    )
    np.testing.assert_array_equal(pool.simulated, np.arange(150) >= 100)
    np.testing.assert_array_equal(pool.binned[100:], simulated[0])
    np.testing.assert_array_equal(pool.label[100:], simulated[1])
    assert (pool.weight[100:] == 1).all()
    n_bins = np.isfinite(pool.binned[:100]).sum(axis=1)
    expected = np.select([n_bins >= 21, n_bins >= 12], [4.0, 2.0], 1.0)
    assert (np.unique(expected) == [1, 2, 4]).all()
    np.testing.assert_allclose(pool.weight[:100], expected / expected.mean(), rtol=1e-12)
    every = np.concatenate([bag, sim_bag])
    for member, (train, valid) in enumerate(zip(pool.train, pool.valid, strict=True)):
        left_out = member // 3
        assert not (every[train] == left_out).any()
        assert len(train) == (every != left_out).sum()
        np.testing.assert_array_equal(valid, np.flatnonzero(bag == left_out))


def test_select_renumbers():
    """Some SEDs of many keep their measurements, in the order asked for."""
    seds = [sed_table([1e9] * n, [n * 1e-12] * n, meta={"ra": n, "dec": 0}) for n in (1, 2, 3)]
    points = select(points_from_seds(seds), np.array([2, 0]))
    assert points.ra.tolist() == [3, 1]
    assert points.sed.tolist() == [0, 0, 0, 1]
    np.testing.assert_allclose(points.nufnu, [3e-12] * 3 + [1e-12])
