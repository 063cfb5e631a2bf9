"""Estimates, flags, annotated and matched catalogs."""

import io
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from astropy import units as u
from astropy.io.votable import validate
from astropy.io.votable.ucd import parse_ucd
from astropy.table import MaskedColumn, Table
from hypothesis import given, settings
from hypothesis import strategies as st

from blase_astro import bulk
from blase_astro.catalog import annotate, annotate_file, match, match_file
from blase_astro.ensemble import Ensemble
from blase_astro.estimates import estimate, estimate_arrays
from blase_astro.flags import Flag, doubts, flag_names, flag_reference, peak_quality
from blase_astro.io import read_seds, sed_table
from blase_astro.sed import bin_seds, points_from_seds
from blase_astro.settings import Settings

FREQUENCY = [8.9e8, 1.4e9, 8.8e13, 4.9e14, 1.9e15, 2.4e17, 2.4e23]
NUFNU = [2e-14, 5e-14, 3e-12, 4e-12, 4e-12, 1e-12, 5e-12]
DESIGN = (
    [f"nu_peak{end}" for end in ("", "_lo", "_hi")]
    + [f"log_nu_peak{end}" for end in ("", "_lo", "_hi", "_std")]
    + [f"nufnu_peak{end}" for end in ("", "_lo", "_hi")]
    + [f"log_nufnu_peak{end}" for end in ("", "_lo", "_hi", "_std")]
    + [
        "peak_class",
        "p_lsp",
        "p_isp",
        "p_hsp",
        "peak_quality",
        "peak_flags",
        "bag",
        "bag_sep",
        "n_points",
        "n_bins",
    ]
)


def make_sed(ra=np.nan, dec=np.nan, n=7, factor=1.0, **meta):
    """An SED of n points at a position."""
    flux = factor * np.array(NUFNU[:n])
    return sed_table(FREQUENCY[:n], flux, meta={"ra": ra, "dec": dec} | meta)


def source(ensembles, i):
    """Position and bag of a training source."""
    columns = ensembles["nu_peak"].source_columns
    return columns["ra"][i], columns["dec"][i], columns["bag"][i]


@pytest.fixture
def folder(tmp_path):
    """A folder of three SEDs and an empty file."""
    seds = tmp_path / "seds"
    (seds / "sub").mkdir(parents=True)
    for name, ra in (("a.txt", 10.0), ("b, with comma.txt", 20.0), ("sub/c.txt", 30.0)):
        make_sed(ra, 5.0, factor=ra).write(seds / name, format="vou-sed")
    (seds / "empty.txt").touch()
    return seds


def test_columns_are_those_of_the_design(ensemble_dir):
    """Names, order, types; a unit where there is one, a valid UCD and a description for each."""
    table = estimate(make_sed(10, 20), ensemble=ensemble_dir)
    assert table.colnames == ["name", "ra", "dec", *DESIGN, "message"]
    assert table["nu_peak_lo"].unit == u.Hz
    assert table["nufnu_peak"].unit == u.Unit("erg / (s cm2)")
    assert table["bag_sep"].unit == u.arcsec
    assert table["log_nu_peak"].unit is None
    kinds = {name: table[name].dtype.str[1:] for name in ("bag", "peak_flags", "n_bins", "p_lsp")}
    assert kinds == {"bag": "i2", "peak_flags": "i4", "n_bins": "i4", "p_lsp": "f8"}
    for column in table.itercols():
        assert column.description
        parse_ucd(column.meta["ucd"], check_controlled_vocabulary=True, has_colon=False)
    assert table.meta["PILEVEL"] == 0.95
    assert table.meta["PIFRAME"] == "observer"
    assert "95-percent" in table["nu_peak_lo"].description
    for flag in Flag:
        assert f"{flag.value} {flag.name}" in table["peak_flags"].description


def test_values_are_those_of_the_ensemble(ensembles):
    """Mean, interval and probabilities of the out-of-bag members, at the level asked for."""
    ra, dec, bag = source(ensembles, 7)
    sed = make_sed(ra, dec)
    row = estimate(sed, ensemble=ensembles.values(), level=0.68)[0]
    binned = bin_seds([sed])
    for target, ensemble in ensembles.items():
        found = ensemble.predict(binned, bag)
        expected = [found.median(), found.std(), *found.interval(0.68)]
        given = [row[f"log_{target}{end}"] for end in ("", "_std", "_lo", "_hi")]
        np.testing.assert_allclose(given, np.ravel(expected))
        np.testing.assert_allclose(row[target], 10 ** found.median()[0])
    assert row["bag"] == bag
    assert row["bag_sep"] < 0.001
    below = ensembles["nu_peak"].predict(binned, bag).cdf([[14.0, 15.0]])[0]
    expected = [below[0], below[1] - below[0], 1 - below[1]]
    found = [row[f"p_{name}"] for name in ("lsp", "isp", "hsp")]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert row["peak_class"] == ("LSP", "ISP", "HSP")[np.argmax(expected)]
    assert (row["n_points"], row["n_bins"]) == (7, 7)


def test_unseen_sources_use_all_members_and_a_bag_can_be_forced(ensembles):
    """-1 far from every training source; a forced bag changes the members, not what is known."""
    ensemble = ensembles["nu_peak"]
    ra, dec, bag = source(ensembles, 3)
    away = make_sed(ra, dec + 0.01 if dec < 0 else dec - 0.01)
    row = estimate(away, ensemble=ensemble)[0]
    assert row["bag"] == -1
    assert np.isnan(row["bag_sep"])
    binned = bin_seds([away])
    np.testing.assert_allclose(row["log_nu_peak"], ensemble.predict(binned, -1).median()[0])
    forced = estimate(make_sed(ra, dec), ensemble=ensemble, bag=-1)[0]
    np.testing.assert_allclose(forced["log_nu_peak"], row["log_nu_peak"])
    assert forced["bag"] == bag
    near = estimate(away, ensemble=ensemble, radius=40 * u.arcsec)[0]
    assert near["bag"] == bag
    assert near["bag_sep"] == pytest.approx(36, rel=1e-4)


def test_every_input_gives_the_same(folder, ensemble_dir):
    """Folder, zip, single paths, tables, pairs, points."""
    archive = folder.parent / "seds.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in folder.rglob("*.txt"):
            file.write(path, path.relative_to(folder))
    names = ["a.txt", "b, with comma.txt", "sub/c.txt"]
    tables = [sed for _, sed in _readable(folder)]
    points = points_from_seds(tables)._replace(name=names)
    paths = [folder / name for name in names]
    results = [
        estimate(seds, ensemble=ensemble_dir)
        for seds in (
            str(folder),
            archive,
            paths,
            tables,
            list(zip(names, tables, strict=True)),
            points,
        )
    ]
    assert results[0]["name"].tolist() == ["a.txt", "b, with comma.txt", "empty.txt", "sub/c.txt"]
    assert results[2]["name"].tolist() == ["a.txt", "b, with comma.txt", "c.txt"]
    first = results[0][[0, 1, 3]]
    for other in results[1:]:
        other = other[other["n_points"] > 0]
        for name in DESIGN:
            if first[name].dtype.kind in "fi":
                np.testing.assert_allclose(other[name], first[name], rtol=1e-6)


def _readable(folder):
    for path in sorted(folder.rglob("*.txt")):
        if path.stat().st_size:
            yield next(iter(read_seds(path)))


def test_a_bad_sed_is_a_row_with_a_reason(folder, ensemble_dir):
    """NaN, flag and message; the others are estimated."""
    row = estimate(folder, ensemble=ensemble_dir)[2]
    assert np.isnan(row["nu_peak"])
    assert row["peak_class"] == "UNK"
    assert row["peak_flags"] == Flag.READ_ERROR | Flag.NO_POSITION
    assert row["message"] == "empty file"


@pytest.mark.parametrize(
    ("sed", "flag", "message"),
    [
        (sed_table([1e9] * 3, [0.0, -1e-14, np.nan]), Flag.NO_POINTS, "no usable point in the fre"),
        (sed_table([1e9], [1e-14], upper_limit=[True]), Flag.NO_POINTS, "no usable point in the"),
        (sed_table([1e11], [1e-14]), Flag.NO_POINTS, "no usable point in the frequency bins"),
        (sed_table([], []), Flag.NO_POINTS, "no usable point in the frequency bins"),
        (make_sed(n=1), Flag.TOO_FEW_BINS, "not enough to estimate from: points in 1 frequency"),
        (make_sed(n=2), Flag.TOO_FEW_BINS, "not enough to estimate from: points in 2 frequency"),
    ],
)
def test_no_estimate_from_nothing(ensemble_dir, sed, flag, message):
    """Nothing usable, all between the bins, too little: no number is invented."""
    row = estimate(sed, ensemble=ensemble_dir)[0]
    assert np.isnan([row["nu_peak"], row["nufnu_peak_hi"], row["p_isp"]]).all()
    assert row["peak_flags"] & flag
    assert row["message"].startswith(message)


def flags_of(ensemble, sed, **change):
    """Flags of one SED by an ensemble with another reference."""
    reference = ensemble.meta["reference"] | change
    other = Ensemble(
        **{name: getattr(ensemble, name) for name in ensemble.__dataclass_fields__}
        | {"meta": {"reference": reference}}
    )
    return Flag(int(estimate(sed, ensemble=other)["peak_flags"][0]))


def test_each_doubt_has_its_flag(ensembles):
    """A flag is set when its reason is there, and not without."""
    ensemble = ensembles["nu_peak"]
    ra, dec, _ = source(ensembles, 5)
    good = make_sed(ra, dec)
    assert flags_of(ensemble, good) == 0
    assert flags_of(ensemble, make_sed(ra, dec, n=4)) == Flag.FEW_BINS
    assert flags_of(ensemble, good, level=[-11.0, -10.0]) == Flag.UNUSUAL_LEVEL
    assert flags_of(ensemble, good, level=[-14.0, -13.0]) == Flag.UNUSUAL_LEVEL
    assert flags_of(ensemble, good, spread=0.0) == Flag.MEMBERS_DISAGREE
    assert flags_of(ensemble, make_sed()) == Flag.NO_POSITION
    assert flags_of(ensemble, make_sed(ra, dec, origin="ned")) == Flag.FOREIGN_FORMAT
    gamma = sed_table(10 ** np.array([22.3, 23, 23.2, 23.4, 23.6, 24, 24.5, 25]), [1e-12] * 8)
    assert Flag.ONE_SIDED in flags_of(ensemble, gamma)
    radio_and_gamma = sed_table(
        10 ** np.array([8, 9, 9.2, 9.4, 22.3, 23, 23.2, 23.4]), [1e-13] * 4 + [1e-12] * 4
    )
    assert Flag.ONE_SIDED in flags_of(ensemble, radio_and_gamma)


def test_members_may_disagree_as_much_as_in_training(ensembles):
    """The most that is usual is usual."""
    binned, label = np.full((2, 26), -11.5, np.float32), np.full(2, 14.0)
    flags = doubts(ensembles["nu_peak"], binned, label, label * 0, np.array([5.0, 5.001]), 0.95)
    assert (flags & Flag.MEMBERS_DISAGREE != 0).tolist() == [False, True]


@pytest.mark.parametrize(
    ("bands", "unusual"),
    [
        ([(7, 10)], True),
        ([(17, 19.5)], True),
        ([(11, 15)], False),
        ([(22.5, 25)], False),
        ([(7, 10), (17, 18)], False),
        ([(7, 10), (22.5, 25)], False),
        ([(7, 10), (13.4, 13.5)], False),
    ],
)
def test_what_shows_too_little_alone(ensembles, bands, unusual):
    """The radio or the X-rays, unless the training SEDs have no more; bins by their middles."""
    ensemble = ensembles["nu_peak"]
    frequency = np.concatenate([np.arange(low, high, 0.2) for low, high in bands])
    sed = sed_table(10**frequency, np.full(len(frequency), 1e-12))
    assert (Flag.UNUSUAL_PATTERN in flags_of(ensemble, sed)) == unusual
    assert Flag.UNUSUAL_PATTERN not in flags_of(ensemble, sed, patterns=[1, 2, 3])


def with_labels(ensemble, label):
    """The ensemble with other labels of its sources."""
    return replace(ensemble, source_columns=ensemble.source_columns | {"label": label})


@pytest.mark.parametrize(("offset", "extrapolated"), [(-9, True), (0, False), (9, True)])
def test_an_estimate_beyond_the_labels_is_marked(ensembles, offset, extrapolated):
    """Above the highest as well as below the lowest."""
    ensemble = ensembles["nu_peak"]
    sed = make_sed(*source(ensembles, 5)[:2])
    mean = estimate(sed, ensemble=ensemble)["log_nu_peak"][0]
    other = with_labels(ensemble, mean + offset + np.linspace(-4, 4, 300))
    flags = Flag(int(estimate(sed, ensemble=other)["peak_flags"][0]))
    assert (Flag.EXTRAPOLATED in flags) == extrapolated


def test_the_spread_of_the_labels_is_that_of_the_level(ensembles):
    """Most labels lie together: 95 percent of them spread wide, half of them do not."""
    ensemble = ensembles["nu_peak"]
    sed = make_sed(*source(ensembles, 5)[:2])
    mean = estimate(sed, ensemble=ensemble)["log_nu_peak"][0]
    label = mean + np.where(np.arange(300) % 5 == 0, 8.0, 1e-3) * np.linspace(-1, 1, 300)
    other = with_labels(ensemble, label)
    flags = {
        level: Flag(int(estimate(sed, ensemble=other, level=level)["peak_flags"][0]))
        for level in (0.5, 0.95)
    }
    assert Flag.WIDE_INTERVAL in flags[0.5]
    assert Flag.WIDE_INTERVAL not in flags[0.95]


def test_labels_make_flags(ensembles):
    """Beyond the labels, and an interval as wide as they spread."""
    ensemble = ensembles["nu_peak"]
    ra, dec, _ = source(ensembles, 5)
    narrow = ensemble.source_columns | {"label": np.full(300, 30.0) + np.linspace(0, 0.1, 300)}
    other = Ensemble(
        **{name: getattr(ensemble, name) for name in ensemble.__dataclass_fields__}
        | {"source_columns": narrow}
    )
    flags = Flag(int(estimate(make_sed(ra, dec), ensemble=other)["peak_flags"][0]))
    assert flags == Flag.EXTRAPOLATED | Flag.WIDE_INTERVAL


def test_two_training_sources_in_the_radius(ensembles):
    """The nearest counts, and the row is marked."""
    ra, dec, _ = source(ensembles, 5)
    row = estimate(make_sed(ra, dec), ensemble=ensembles["nu_peak"], radius=3600 * 60)[0]
    assert row["bag_sep"] < 0.001
    assert row["peak_flags"] & Flag.AMBIGUOUS_MATCH


def test_an_ensemble_without_reference_sets_no_such_flag(ensembles):
    """Old files lack it; nothing is made up."""
    ensemble = ensembles["nu_peak"]
    ra, dec, _ = source(ensembles, 5)
    bare = Ensemble(
        **{name: getattr(ensemble, name) for name in ensemble.__dataclass_fields__} | {"meta": {}}
    )
    assert estimate(make_sed(ra, dec), ensemble=bare)["peak_flags"][0] == 0


@pytest.mark.parametrize("flag", list(Flag))
def test_what_makes_an_estimate_doubtful(flag):
    """A narrow interval is good, but with care where a flag doubts the SED, its bins or members."""
    doubts = {"FEW_BINS", "ONE_SIDED", "UNUSUAL_LEVEL", "MEMBERS_DISAGREE", "EXTRAPOLATED"}
    std = np.array([0.35, 0.36, 0.6, 0.61, np.nan])
    quality = peak_quality(std, np.full(5, flag.value))
    steps = [1, 1, 1] if flag == Flag.UNUSUAL_PATTERN else [3 - (flag.name in doubts), 2, 2]
    assert quality.tolist() == [*steps, 1, 0]


def test_flag_names_and_texts():
    """Bits are distinct powers of two with a name and a text."""
    assert [flag.value for flag in Flag] == [2**i for i in range(len(Flag))]
    assert all(flag.text for flag in Flag)
    assert flag_names(0) == ""
    assert flag_names(Flag.NO_SED | Flag.NO_POSITION) == "NO_SED NO_POSITION"


def test_flag_reference():
    """Quantiles of the training SEDs, and their patterns."""
    binned = np.full((200, 4), -12.0)
    binned[:, 0] = np.linspace(-14, -10, 200)
    binned[100:, 3] = np.nan
    reference = flag_reference(binned, np.linspace(0, 1, 200))
    assert reference["patterns"] == [7, 15]
    assert reference["spread"] == pytest.approx(0.99)
    assert -12.6 < reference["level"][0] < reference["level"][1] < -11.3


def test_the_file_to_be_written_is_not_read(folder, ensemble_dir):
    """An output inside the input folder."""
    (folder / "out.csv").write_text((folder / "a.txt").read_text())
    names = estimate(folder, ensemble=ensemble_dir, leave_out=folder / "out.csv")["name"]
    assert "out.csv" not in names
    assert len(names) == 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"level": 1.5}, r"level must be a probability between 0 and 1; got 1\.5"),
        ({"radius": -1}, r"radius must be a positive angle in arcsec; got -1;"),
        ({"bag": 3}, r"bag must be -1 \(all members\) or 0 to 2; got 3"),
    ],
)
def test_settings_are_checked(ensemble_dir, options, message):
    """Impossible settings are refused."""
    with pytest.raises(ValueError, match=message):
        estimate(make_sed(), ensemble=ensemble_dir, **options)


def test_ensembles_are_found(tmp_path, ensemble_dir, ensembles):
    """A folder, one file, nothing there, none given."""
    one = estimate(make_sed(), ensemble=ensemble_dir / "nufnu_peak.npz")
    assert "nu_peak" not in one.colnames
    assert "peak_class" not in one.colnames
    assert "nufnu_peak" in one.colnames
    with pytest.raises(FileNotFoundError, match=r"holds no ensemble; wanted nu_peak\.npz or"):
        estimate(make_sed(), ensemble=tmp_path)
    with pytest.raises(FileNotFoundError, match="no such ensemble"):
        estimate(make_sed(), ensemble=tmp_path / "none")
    with pytest.raises(ValueError, match="wanted a path or at least one Ensemble, got"):
        estimate(make_sed(), ensemble=[])
    with pytest.raises(ValueError, match="no SED to estimate from"):
        estimate([], ensemble=ensemble_dir)


def test_ensembles_with_other_bags(ensembles):
    """The second target keeps its own bags; different bins are refused."""
    ra, dec, bag = source(ensembles, 4)
    flux = ensembles["nufnu_peak"]
    fields = {name: getattr(flux, name) for name in flux.__dataclass_fields__}
    turned = flux.source_columns | {"bag": (flux.source_columns["bag"] + 1) % 3}
    other = Ensemble(**fields | {"source_columns": turned})
    row = estimate(make_sed(ra, dec), ensemble=[other, ensembles["nu_peak"]])[0]
    expected = flux.predict(bin_seds([make_sed()]), (bag + 1) % 3).median()[0]
    np.testing.assert_allclose(row["log_nufnu_peak"], expected)
    assert row["bag"] == bag
    cut = Ensemble(**fields | {"bin_edges": flux.bin_edges + 1})
    with pytest.raises(ValueError, match="two targets have different frequency bins"):
        estimate(make_sed(), ensemble=[cut, ensembles["nu_peak"]])


@given(order=st.permutations(range(6)), chunk=st.integers(1, 7))
@settings(derandomize=True, max_examples=25)
def test_neighbours_and_chunks_do_not_matter(ensembles, order, chunk):
    """Each SED gets the same estimate whatever it is read with."""
    seds = [make_sed(10 * i, i, n=i + 1, factor=1 + i) for i in range(6)]
    options = Settings(ensemble=ensembles.values())
    alone = [estimate_arrays(sed, options) for sed in seds]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bulk, "_TOGETHER", chunk)
        found = estimate_arrays([seds[i] for i in order], options)
    for k, i in enumerate(order):
        for name in ("log_nu_peak", "log_nufnu_peak_std", "p_isp", "n_bins", "peak_flags"):
            np.testing.assert_allclose(found[name][k], alone[i][name][0], rtol=1e-6)


def test_several_processes_give_the_same(tmp_path, ensemble_dir, monkeypatch):
    """Same rows in the same order, and the warnings of the workers."""
    with zipfile.ZipFile(tmp_path / "s.zip", "w") as file:
        for i in range(12):
            make_sed(10.0 * i, 0.0, n=4 + i % 3).write(
                tmp_path / "sed", format="vou-sed", overwrite=True
            )
            file.write(tmp_path / "sed", f"{i:02d}")
        file.writestr("99", "no SED at all")
    monkeypatch.setattr(bulk, "_CHUNK", 4)
    monkeypatch.setattr(bulk, "_WORTH_A_WORKER", 4)
    done, options = [], Settings(ensemble=ensemble_dir)
    with pytest.warns(UserWarning, match="left out 1 files that are no SEDs: 99"):
        several = estimate_arrays(
            tmp_path / "s.zip", options, jobs=2, progress=lambda *n: done.append(n)
        )
    with pytest.warns(UserWarning, match="left out 1 files that are no SEDs: 99"):
        one = estimate_arrays(tmp_path / "s.zip", options)
    for name in one:
        np.testing.assert_array_equal(several[name], one[name])
    assert done == [(4, 13), (8, 13), (12, 13)]


# --- annotate ---------------------------------------------------------------------------------


def small_catalog():
    """Four rows, one of them without position."""
    return Table(
        {
            "name": ["A", "B", "C", "D"],
            "RA_Counterpart": MaskedColumn([10.0, 359.9999, 30.0, 40.0], mask=[0, 0, 0, 1]),
            "DEC_Counterpart": [0.0, 0.0, 89.9999, 0.0],
            "RAJ2000": [1.0, 2.0, 3.0, 4.0],
            "DEJ2000": [1.0, 2.0, 3.0, 4.0],
        },
        meta={"mine": "kept"},
    )


def test_annotate_by_position(ensemble_dir):
    """Across 0h and near the pole; columns at the end; the rest as it was."""
    catalog = small_catalog()
    before = catalog.copy()
    seds = [make_sed(0.0001, 0, n=5), make_sed(200, 89.9999, n=6), make_sed(30, 89.9999, n=7)]
    seds.append(make_sed(10, 0.0013, n=4))
    said = []
    table = annotate(catalog, seds, ensemble=ensemble_dir, say=said.append)
    assert table.colnames == before.colnames + DESIGN
    assert table["n_points"].tolist() == [4, 5, 7, 0]
    assert np.isfinite(table["nu_peak"]).tolist() == [True, True, True, False]
    assert table["peak_flags"][3] == Flag.NO_SED | Flag.NO_POSITION
    assert table["peak_class"][3] == "UNK"
    assert table.meta["mine"] == "kept"
    assert (catalog == before).all()
    assert catalog.colnames == before.colnames
    assert said[0] == (
        "positions: RA_Counterpart and DEC_Counterpart (icrs), missing in 1 of 4 rows"
    )
    assert said[1] == "SEDs: 4, of which 3 belong to a row; rows: 4, of which 3 have an SED"


def test_annotate_is_one_to_one_and_counts_ambiguities(ensemble_dir):
    """Nearest first; a row with two SEDs and two rows with one SED are marked."""
    catalog = Table({"RA": [10.0, 10.0004, 50.0, 60.0], "DEC": [0.0, 0.0, 0.0, 0.0]})
    seds = [make_sed(10.0003, 0, n=4), make_sed(50.0, 0.001, n=5), make_sed(50.0, 0.0005, n=6)]
    said = []
    table = annotate(catalog, seds, ensemble=ensemble_dir, say=said.append)
    assert table["n_points"].tolist() == [0, 4, 6, 0]
    ambiguous = (table["peak_flags"] & Flag.AMBIGUOUS_SED) > 0
    assert ambiguous.tolist() == [True, True, True, False]
    assert "ambiguous: 3 rows (flag AMBIGUOUS_SED), the nearest was taken" in said


def test_annotate_by_file_name(folder, ensembles):
    """Path, base name, without .txt; the same SED for two rows; an SED without position."""
    ra, dec, bag = source(ensembles, 9)
    make_sed(n=5).write(folder / "sub" / "d.txt", format="vou-sed")
    text = (folder / "sub" / "d.txt").read_text().splitlines()
    text[0] = "   1  matched source  *********  *********  99"
    (folder / "sub" / "d.txt").write_text("\n".join(text))
    names = MaskedColumn(["sub/c.txt", "c.txt", "a", "none", "", "d"], mask=[0, 0, 0, 0, 1, 0])
    catalog = Table({"file": names, "RA": [0, 0, 0, 0, 0, ra], "DEC": [0, 0, 0, 0, 0, dec]})
    table = annotate(catalog, folder, ensemble=ensembles.values(), sed_column="file")
    assert table["n_points"].tolist() == [7, 7, 7, 0, 0, 5]
    assert table["bag"][5] == bag
    assert not table["peak_flags"][5] & Flag.NO_POSITION
    with pytest.raises(ValueError, match="the catalog has no column 'sed'; it has file, RA, DEC"):
        annotate(catalog, folder, ensemble=ensembles.values(), sed_column="sed")


def test_equal_file_names_in_two_folders_are_ambiguous(folder, ensemble_dir):
    """A base name that is there twice is marked, a path is not."""
    make_sed(70, 0).write(folder / "sub" / "a.txt", format="vou-sed")
    catalog = Table({"file": ["a.txt", "sub/a.txt"]})
    table = annotate(catalog, folder, ensemble=ensemble_dir, sed_column="file")
    assert ((table["peak_flags"] & Flag.AMBIGUOUS_SED) > 0).tolist() == [False, False]
    (folder / "a.txt").rename(folder / "sub2.txt")
    (folder / "more").mkdir()
    make_sed(70, 0).write(folder / "more" / "a.txt", format="vou-sed")
    table = annotate(catalog, folder, ensemble=ensemble_dir, sed_column="file")
    assert ((table["peak_flags"] & Flag.AMBIGUOUS_SED) > 0).tolist() == [True, False]


def test_rows_without_sed_know_their_bag(ensembles):
    """What can be said without an SED is said."""
    ra, dec, bag = source(ensembles, 11)
    catalog = Table({"RA": [ra], "DEC": [dec]})
    row = annotate(catalog, make_sed(0, 0), ensemble=ensembles.values())[0]
    assert (row["bag"], row["n_bins"]) == (bag, 0)
    assert row["peak_flags"] == Flag.NO_SED
    wide = annotate(catalog, make_sed(0, 0), ensemble=ensembles.values(), radius=3600 * 60)[0]
    assert (wide["bag"], Flag(int(wide["peak_flags"]))) == (bag, Flag.NO_SED | Flag.AMBIGUOUS_MATCH)


def test_name_clashes(ensemble_dir):
    """Refused by name; solved by a prefix or on request."""
    catalog = Table({"RA": [1.0], "DEC": [1.0], "nu_peak": [5.0]})
    sed = make_sed(1, 1)
    with pytest.raises(ValueError, match=r"already has the column\(s\) nu_peak; give prefix="):
        annotate(catalog, sed, ensemble=ensemble_dir)
    table = annotate(catalog, sed, ensemble=ensemble_dir, prefix="b_")
    assert table["nu_peak"][0] == 5
    assert {"b_nu_peak", "b_peak_flags"} <= set(table.colnames)
    table = annotate(catalog, sed, ensemble=ensemble_dir, overwrite_columns=True)
    assert table["nu_peak"][0] > 5
    assert table.colnames[:3] == catalog.colnames
    twice = annotate(table, sed, ensemble=ensemble_dir, prefix="second_")
    assert len(twice.colnames) == len(table.colnames) + len(DESIGN)


def test_match(ensembles):
    """Bag, separation, name; missing positions and crowded ones are marked."""
    columns = ensembles["nu_peak"].source_columns
    ra, dec, bag = source(ensembles, 20)
    step = 0.0005 if dec < 0 else -0.0005
    catalog = Table({"RA": [ra, 5.0, np.nan], "DEC": [dec + step, 5.0, 0.0]})
    table = match(catalog, ensemble=ensembles["nu_peak"])
    assert table.colnames == ["RA", "DEC", "bag", "bag_sep", "bag_source", "peak_flags"]
    assert table["bag"].tolist() == [bag, -1, -1]
    assert table["bag_sep"][0] == pytest.approx(1.8, rel=1e-4)
    assert table["bag_source"].tolist() == [columns["name"][20], "", ""]
    assert table["peak_flags"].tolist() == [0, 0, Flag.NO_POSITION]
    wide = match(catalog, ensemble=ensembles["nu_peak"], radius=3600 * 80)
    assert wide["bag_source"][0] == columns["name"][20]
    assert wide["peak_flags"][0] == Flag.AMBIGUOUS_MATCH


def test_match_in_other_frames(ensembles):
    """Galactic coordinates are converted."""
    from astropy.coordinates import SkyCoord

    ra, dec, bag = source(ensembles, 20)
    galactic = SkyCoord(ra, dec, unit="deg").galactic
    catalog = Table({"GLON": [galactic.l.deg], "GLAT": [galactic.b.deg]})
    assert match(catalog, ensemble=ensembles["nu_peak"])["bag"][0] == bag


def test_files(tmp_path, ensemble_dir, ensembles):
    """Catalog files are annotated and matched like tables; the command is kept."""
    small = small_catalog()
    small.write(tmp_path / "c.fits")
    sed = make_sed(10, 0)
    columns = annotate_file(
        tmp_path / "c.fits", sed, tmp_path / "a.fits", ensemble=ensemble_dir, command="blase x"
    )
    table = Table.read(tmp_path / "a.fits")
    assert table.colnames == small.colnames + DESIGN
    assert table.meta["BLASECMD"] == "blase x"
    np.testing.assert_array_equal(table["peak_flags"], columns["peak_flags"])
    match_file(tmp_path / "c.fits", tmp_path / "m.ecsv", ensemble=ensemble_dir)
    assert Table.read(tmp_path / "m.ecsv").colnames[-4:] == [
        "bag",
        "bag_sep",
        "bag_source",
        "peak_flags",
    ]


def test_annotate_the_4lac(tmp_path, shared_data, ensemble_dir):
    """2,863 rows, all old columns and cards equal, no warning."""
    from astropy.io import fits

    source = shared_data / "catalogs" / "table_4LAC_h.fits"
    for suffix in (".fits", ".vot", ".ecsv"):
        annotate_file(
            source, shared_data / "SEDs.zip", tmp_path / f"o{suffix}", ensemble=ensemble_dir
        )
    with fits.open(source) as old, fits.open(tmp_path / "o.fits", checksum=True) as new:
        assert fits.HDUDiff(old[0], new[0]).identical
        changed = {"NAXIS1", "TFIELDS", "CHECKSUM", "DATASUM", "COMMENT", "HISTORY"}
        for card in old[1].header.cards:
            assert card.keyword in changed or str(new[1].header.cards[card.keyword]) == str(card)
        for name in old[1].columns.names:
            np.testing.assert_array_equal(new[1].data[name], old[1].data[name])
        assert len(new[1].data) == 2863
        assert new[1].columns.names == old[1].columns.names + DESIGN
    assert validate(tmp_path / "o.vot", output=io.StringIO())
    reference = Table.read(source)
    for suffix in (".fits", ".vot", ".ecsv"):
        table = Table.read(tmp_path / f"o{suffix}")
        assert np.isfinite(table["log_nu_peak"]).sum() == 1590
        for name in reference.colnames:
            old, new = (np.ma.asarray(t[name]) for t in (reference, table))
            same = np.char.strip(old.data.astype(str)) == np.char.strip(new.data.astype(str))
            assert (same | np.ma.getmaskarray(old)).all()


@pytest.mark.parametrize(
    ("std", "flags", "quality"),
    [
        (0.2, 0, 3),
        (0.35, Flag.FOREIGN_FORMAT | Flag.NO_POSITION, 3),
        (0.2, Flag.ONE_SIDED, 2),
        (0.2, Flag.MEMBERS_DISAGREE, 2),
        (0.36, 0, 2),
        (0.6, 0, 2),
        (0.61, 0, 1),
        (0.2, Flag.ONE_SIDED | Flag.MEMBERS_DISAGREE, 1),
        (np.nan, Flag.NO_POINTS, 0),
        (np.nan, Flag.ONE_SIDED | Flag.MEMBERS_DISAGREE, 0),
    ],
)
def test_quality(std, flags, quality):
    """Width and doubts; what looks like a star is poor however narrow it is."""
    assert peak_quality(np.array([std]), np.array([flags]))[0] == quality
