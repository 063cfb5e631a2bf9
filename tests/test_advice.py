"""Advice on the next observation, and what moved an answer."""

import io
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from blase_astro import advise, explain
from blase_astro.advice import (
    BANDS,
    Fillings,
    fillings,
    gaussians,
    observing,
    p_starlight,
    target_list,
)
from blase_astro.advice.bands import band_columns
from blase_astro.cli import main
from blase_astro.distribution import Distribution
from blase_astro.ensemble import Ensemble
from blase_astro.io import read_sed, sed_table
from blase_astro.io.files import read_catalog
from blase_astro.io.table import join_points
from blase_astro.sed import bin_points, load_bins
from blase_astro.settings import Settings
from blase_astro.simulate import simulate_seds

ROOT = Path(__file__).resolve().parents[1]
DEMO = ROOT / "catalogs"


@pytest.fixture(scope="module")
def known():
    """The fillings and the settings of the package."""
    return Fillings.load(), Settings()


@pytest.fixture(scope="module")
def simulated():
    """Simulated SEDs: points, their bins."""
    points, _ = simulate_seds(200, seed=3)
    return points, bin_points(points, load_bins("v2"))[0]


@pytest.mark.parametrize("bins", ["v1", "v2"])
def test_every_bin_belongs_to_one_band(bins):
    """But for the X-rays, which are there as a whole as well."""
    edges = load_bins(bins)
    columns = band_columns(edges)
    single = np.concatenate([own for band, own in columns.items() if band != "xray"])
    assert_array_equal(np.sort(single), np.arange(len(edges)))
    both = np.concatenate([columns["soft_xray"], columns["hard_xray"]])
    assert_array_equal(columns["xray"], both)


def test_unknown_band():
    """The error names those that there are."""
    with pytest.raises(ValueError, match=r"wanted some of radio, .*gamma; got 'x'"):
        advise(DEMO / "demo_sed.txt", bands="x")


# --- fillings ---------------------------------------------------------------------------------


def test_fit_finds_a_known_distribution():
    """A normal distribution of which half of all bins are empty."""
    rng = np.random.default_rng(0)
    root = np.array([[0.5, 0, 0], [0.4, 0.3, 0], [0.3, 0.1, 0.2]])
    mean = np.array([-12.0, -11.5, -13.0])
    seds = mean + rng.standard_normal((5000, 3)) @ root.T
    seds[rng.random(seds.shape) < 0.5] = np.nan
    found = gaussians.fit_normal(seds, np.ones(5000), np.eye(3), 1.0)
    assert_allclose(found[0], mean, atol=0.03)
    assert_allclose(found[1], root @ root.T, atol=0.03)


def test_draws_are_of_the_conditional_distribution(known):
    """Mean and covariance of many draws are what the formula of one SED gives."""
    found, _ = known
    sed = np.full((1, 33), np.nan)
    given = [2, 16, 27]
    sed[0, given] = -14.5, -11.5, -11.8
    peak = Distribution(np.arange(12.0, 17.0, 0.01), np.zeros((1, 500)))
    peak.probability[0, 225:226] = 1.0  # 14.25, the fifth of the peaks
    drawn, place = found.draw(sed, np.array([2]), peak, 4000)
    assert (place == 4).all()
    mean, covariance = found.mean[2, 4].astype(float), found.covariance[2, 4].astype(float)
    others = np.setdiff1d(np.arange(33), given)
    inverse = np.linalg.inv(covariance[np.ix_(given, given)])
    gain = covariance[np.ix_(others, given)] @ inverse
    wanted = mean[others] + gain @ (sed[0, given] - mean[given])
    left = covariance[np.ix_(others, others)] - gain @ covariance[np.ix_(given, others)]
    assert_allclose(drawn[0][:, given], np.broadcast_to(sed[0, given], (4000, 3)), atol=1e-6)
    scatter = np.sqrt(np.diag(left))
    assert_allclose((drawn[0][:, others].mean(axis=0) - wanted) / scatter, 0, atol=0.06)
    assert_allclose(np.cov(drawn[0][:, others].T) / np.outer(scatter, scatter),
                    left / np.outer(scatter, scatter), atol=0.08)  # fmt: skip


@given(st.lists(st.booleans(), min_size=33, max_size=33), st.integers(-1, 4))
@settings(max_examples=25)
def test_draws_keep_what_is_there(filled, bag):
    """And are finite everywhere, whatever is filled."""
    sed = np.where(filled, -12.0, np.nan)[None]
    peak = Distribution(np.array([13.0, 14.0, 15.0]), np.array([[0.2, 0.5, 0.3]]))
    drawn, _ = Fillings.load().draw(sed, np.array([bag]), peak, 3)
    assert np.isfinite(drawn).all()
    assert_allclose(drawn[0][:, filled], -12.0, atol=1e-6)


def test_patterns_are_of_other_sources(known):
    """Never of a source of the SED's own bag, and always with a point in the band."""
    found, _ = known
    columns = band_columns(found.bin_edges)["xray"]
    mine = found.bag == 1
    pattern = np.where(mine, -1, found.pattern)  # all bits: only the own bag has all bins
    marked = replace(found, pattern=pattern)
    peak = np.tile(np.arange(len(found.peak)), (5, 2))
    which = marked.choose_patterns(columns, np.full(5, 10), np.full(5, 1), peak)
    assert which.shape == (5, 24, len(columns))
    assert which.any(axis=2).all()
    known_patterns = {tuple(row) for row in fillings.unpacked(found.pattern[~mine], 33)[:, columns]}
    assert {tuple(row) for row in which.reshape(-1, len(columns))} <= known_patterns


def test_other_networks_need_other_fillings(ensembles, tmp_path):
    """Advice with networks that the fillings do not belong to says what to do."""
    with pytest.raises(ValueError, match=r"make yours with blase_astro.advice.Fillings.fit"):
        advise(DEMO / "demo_sed.txt", ensemble=ensembles["nu_peak"])
    with pytest.raises(ValueError, match="other frequency bins"):
        advise(DEMO / "demo_sed.txt", ensemble=ensembles["nu_peak"], fillings=Fillings.load())
    with pytest.raises(ValueError, match="needs the ensemble for nu_peak"):
        advise(DEMO / "demo_sed.txt", ensemble=Ensemble.load(target="nufnu_peak"))
    (tmp_path / "no.npz").write_bytes(b"no")
    with pytest.raises(ValueError, match=r"no whole \.npz file"):
        advise(DEMO / "demo_sed.txt", fillings=tmp_path / "no.npz")
    np.savez(tmp_path / "few.npz", peak=np.arange(3.0))
    with pytest.raises(ValueError, match="no fillings; it lacks bin_edges, mean"):
        Fillings.load(tmp_path / "few.npz")
    # An SED is explained without them, though not whether its catalogs fit each other.
    table = explain(DEMO / "demo_sed.txt", ensemble=ensembles["nu_peak"])
    assert np.isfinite(table["log_nu_peak"][0])
    assert np.isnan(table["offset"]).all()


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        ("mean", lambda a: a[:-1]),
        ("covariance", lambda a: -a),
        ("covariance", lambda a: a * np.nan),
        ("bag", lambda a: a + 100),
        ("pattern", lambda a: a[:-1]),
    ],
)
def test_damaged_fillings(known, tmp_path, name, spoil):
    """What no fit makes is refused."""
    arrays = {key: np.asarray(value) for key, value in vars(known[0]).items() if key[0] != "_"}
    np.savez(tmp_path / "bad.npz", **(arrays | {name: spoil(arrays[name])}))
    with pytest.raises(ValueError, match=r"bad.npz"):
        Fillings.load(tmp_path / "bad.npz")


def test_saved_fillings(known, tmp_path):
    """What is written is read back, and nothing is overwritten unasked."""
    known[0].save(tmp_path / "f.npz")
    again = Fillings.load(tmp_path / "f.npz")
    assert_array_equal(again.covariance, known[0].covariance)
    with pytest.raises(FileExistsError):
        known[0].save(tmp_path / "f.npz")


# --- advice -----------------------------------------------------------------------------------


def test_advice_of_the_demonstration():
    """Rows for empty bands alone; the columns belong together."""
    table = advise(DEMO / "demo_seds.zip")
    asked = np.asarray(table["band"]) != ""
    assert set(table["band"][asked]) <= set(BANDS)
    assert (np.asarray(table["message"])[~asked] != "").all()
    assert (np.asarray(table["message"])[asked] == "").all()
    rows = table[asked]
    assert_allclose(rows["narrowing"], rows["width"] - rows["width_expected"], atol=1e-12)
    for name in ("p_class", "p_certain"):
        assert ((rows[name] >= 0) & (rows[name] <= 1)).all()
    assert np.isnan(np.asarray(table["width_expected"])[~asked]).all()


def test_an_answer_does_not_depend_on_neighbours(simulated):
    """Nor on their number."""
    points, _ = simulated
    some = join_points([points])
    together = advise(some, bands=["xray", "optical"])
    alone = advise(observed(points, 7), bands=["xray", "optical"])
    rows = together[np.asarray(together["name"]) == points.name[7]]
    for name in ("width", "width_expected", "crps_gain", "p_certain"):
        assert_allclose(rows[name], alone[name], atol=2e-3, err_msg=name)


def observed(points, i):
    """One SED of points as a table."""
    rows = points.sed == i
    sed = sed_table(
        points.frequency[rows], points.nufnu[rows], upper_limit=points.upper_limit[rows]
    )
    sed.meta |= {"ra": points.ra[i], "dec": points.dec[i], "name": points.name[i]}
    return sed


def test_bad_seds_are_rows(tmp_path):
    """A bad SED spoils no other; one that has all bands says so."""
    shutil.copy(DEMO / "demo_sed.txt", tmp_path / "good.txt")
    (tmp_path / "bad.txt").write_text("nothing\n")
    table = advise([tmp_path / "bad.txt", tmp_path / "no.txt", tmp_path / "good.txt"])
    assert list(table["band"][:2]) == ["", ""]
    assert "no.txt" in table["message"][1]
    assert table["band"][2] == "millimetre"
    table = advise(tmp_path / "good.txt", bands="radio")
    assert table["message"].tolist() == ["points in every band asked for"]
    with pytest.raises(TypeError, match="did you mean level"):
        advise(tmp_path / "good.txt", levl=0.9)
    with pytest.raises(ValueError, match="got 2"):
        advise(tmp_path / "good.txt", position=([1.0, 2.0], [1.0, 2.0]))


def test_options_are_those_of_an_estimate():
    """Level, bag and population change the answer as they change an estimate."""
    sed = sed_table([1.4e9, 4.9e14, 2.4e17], [2e-14, 4e-12, 1e-12])
    plain, wide = advise(sed, bands="gamma"), advise(sed, bands="gamma", level=0.99)
    assert wide["width"][0] > plain["width"][0]
    assert wide["width_expected"][0] > plain["width_expected"][0]
    assert advise(sed, bands="gamma", bag=0)["width"][0] != plain["width"][0]
    flat = advise(sed, bands="gamma", population="flat")
    assert flat["log_nu_peak"][0] != plain["log_nu_peak"][0]
    own = advise([sed] * 40, bands="gamma", population="self")
    assert own["log_nu_peak"][0] != plain["log_nu_peak"][0]


def test_a_training_source_is_judged_out_of_bag(known):
    """At its position the networks and fillings of its bag alone answer."""
    source = known[1].first.sources[3]
    sed = sed_table([1.4e9, 4.9e14, 2.4e17], [2e-14, 4e-12, 1e-12])
    here = advise(sed, bands="gamma", position=([source["ra"]], [source["dec"]]))
    forced = advise(sed, bands="gamma", bag=int(source["bag"]))
    assert here["bag"][0] == source["bag"]
    assert here["width_expected"][0] == forced["width_expected"][0]


def test_expected_score():
    """The mean score of labels that are drawn from the distribution itself."""
    peak = Distribution(np.arange(10.0, 20.0, 0.1), np.zeros((1, 100)))
    peak.probability[0, 20:50] = np.random.default_rng(0).random(30)
    peak = peak.times(np.ones(100))
    labels = peak.sample(20000, 1)[0]
    many = Distribution(peak.grid, np.repeat(peak.probability, 20000, axis=0))
    assert_allclose(observing.expected_crps(peak)[0], many.crps(labels).mean(), rtol=0.02)


def hidden_and_shown(binned, band, settings, known):
    """Predicted and found narrowing, of SEDs that no network ever saw."""
    own = band_columns(known.bin_edges, band)[band]
    hidden = binned.copy()
    hidden[:, own] = np.nan
    rows = np.isfinite(binned[:, own]).any(axis=1) & (np.isfinite(hidden).sum(axis=1) >= 4)
    bag = np.full(rows.sum(), -1)
    now, found = observing.gains(hidden[rows], bag, {band: own}, settings, known)
    shown = observing.predict(binned[rows], bag, settings)
    width = observing.width(now, settings)
    return width, width - found[band][1].mean(axis=1), width - observing.width(shown, settings)


@pytest.mark.parametrize("band", ["radio", "optical", "xray", "gamma"])
def test_advice_is_true_of_simulated_seds(known, simulated, band):
    """What is predicted is what is found, in the mean and from source to source."""
    width, predicted, found = hidden_and_shown(simulated[1], band, known[1], known[0])
    assert len(found) > 50
    assert abs(predicted.mean() - found.mean()) < 0.2
    assert np.corrcoef(predicted, found)[0, 1] > 0.6
    assert np.corrcoef(predicted, found)[0, 1] > np.corrcoef(width, found)[0, 1]


# --- lists of targets -------------------------------------------------------------------------


def test_target_list():
    """Ranked by what is gained; at the positions and with the names of the catalog."""
    catalog = read_catalog(DEMO / "demo_catalog.fits")
    advice = advise(DEMO / "demo_seds.zip", bands=["xray", "optical"])
    targets = target_list(advice, catalog)
    assert_array_equal(targets["rank"], np.arange(1, len(targets) + 1))
    assert (np.diff(targets["narrowing"]) <= 0).all()
    assert set(targets["name"]) <= {str(name).strip() for name in catalog["Source_Name"]}
    from astropy.coordinates import SkyCoord

    where = SkyCoord(targets["ra_hms"], targets["dec_dms"], unit=("hourangle", "deg"))
    there = SkyCoord(targets["ra"], targets["dec"], unit="deg")
    assert where.separation(there).arcsec.max() < 0.2
    # Sources without SED are no targets, and SEDs of no source neither.
    assert len(target_list(advice, catalog[:0])) == 0
    with pytest.raises(ValueError, match="position"):
        target_list(advice, Table({"a": [1]}))


@pytest.mark.parametrize("suffix", ["fits", "csv", "ecsv", "vot", "parquet"])
def test_the_command_writes_a_list_of_targets(tmp_path, capsys, suffix):
    """In every format; an existing file stays."""
    if suffix == "parquet":
        pytest.importorskip("pyarrow")
    out = tmp_path / f"targets.{suffix}"
    words = ["advise", DEMO / "demo_catalog.fits", DEMO / "demo_seds.zip", "--band", "xray"]
    assert main([*words, "-o", out]) == 0
    table = read_catalog(out)
    assert list(table["rank"]) == list(range(1, len(table) + 1))
    assert any(str(dec).startswith("-") for dec in table["dec_dms"])
    capsys.readouterr()
    assert main([*words, "-o", out]) == 1
    assert "exists already" in capsys.readouterr().err


def test_the_command_for_seds(tmp_path, capsys):
    """One line a band, or a table with one row a band; errors in words."""
    assert main(["advise", DEMO / "demo_sed.txt"]) == 0
    assert "demo_sed.txt: xray: interval of" in capsys.readouterr().out
    assert main(["advise", DEMO / "demo_seds.zip", "-o", tmp_path / "a.ecsv"]) == 0
    assert "band" in Table.read(tmp_path / "a.ecsv").colnames
    capsys.readouterr()
    assert main(["advise", DEMO / "demo_sed.txt", DEMO / "demo_sed.txt"]) == 0
    assert capsys.readouterr().out.count(" xray: interval") == 2
    for words in (["no.txt"], [DEMO / "demo_sed.txt", "--band", "x"]):
        assert main(["advise", *words]) == 1
        assert capsys.readouterr().err.startswith("blase: error: ")
    assert main(["advise", DEMO / "demo_sed.txt", "--band", "radio"]) == 1
    capsys.readouterr()
    sed_table([1.4e9, 8.8e13, 4.9e14], [2e-14, 3e-12, 4e-12]).write(tmp_path / "nowhere.ecsv")
    assert main(["advise", tmp_path / "nowhere.ecsv", "--band", "xray"]) == 1
    assert "1 SEDs without a position are no targets" in capsys.readouterr().err


def dated(path):
    """A file with dates for half of its measurements, and without a position."""
    sed = sed_table(
        [1.4e9, 8.8e13, 4.9e14, 1e15, 2.4e17],
        [2e-14, 3e-12, 4e-12, 4e-12, 1e-12],
        mjd_start=[np.nan, 58000, 58000, 58001, 59000],
    )
    sed.write(path, format="ascii.ecsv")
    return path


@pytest.mark.parametrize("command", ["advise", "explain"])
def test_the_commands_take_what_estimate_takes(command, known, tmp_path, capsys, monkeypatch):
    """A time, a place, standard input, a name; a table in any format, printed or written."""
    path, source = dated(tmp_path / "sed.ecsv"), known[1].first.sources[3]
    place = ["--ra", source["ra"], "--dec", source["dec"]]

    def printed(*words):
        assert main([command, *map(str, words), "--format", "ecsv", "-q"]) == 0
        out, err = capsys.readouterr()
        assert err == ""
        return Table.read(out, format="ascii.ecsv")

    whole = printed(path)
    of_a_time = printed(path, "--mjd", 57990, 58010, "--undated", "keep")
    assert of_a_time.meta["MJDFROM"] == 57990
    assert of_a_time["log_nu_peak"][0] != whole["log_nu_peak"][0]
    assert printed(path, "--bag=0")["log_nu_peak"][0] != whole["log_nu_peak"][0]
    at = printed(path, *place)
    forced = printed(path, f"--bag={source['bag']}")
    assert at["log_nu_peak"][0] == forced["log_nu_peak"][0] != whole["log_nu_peak"][0]
    assert main([command, str(path), "--ra", "10"]) == 2
    assert "wanted both --ra and --dec" in capsys.readouterr().err
    assert main([command]) == 2
    capsys.readouterr()
    (tmp_path / "sed.txt").write_bytes((DEMO / "demo_sed.txt").read_bytes())
    stdin = io.TextIOWrapper(io.BytesIO((DEMO / "demo_sed.txt").read_bytes()))
    monkeypatch.setattr("sys.stdin", stdin)
    piped = printed("-")
    monkeypatch.setattr("blase_astro.fetch.fetch_sed", lambda name, *_, **__: read_sed(path))
    assert_allclose(printed("--name", "BLZ")["log_nu_peak"], whole["log_nu_peak"])
    assert_allclose(piped["log_nu_peak"], printed(DEMO / "demo_sed.txt")["log_nu_peak"])
    assert main([command, str(path), "-o", "-"]) == 0
    assert capsys.readouterr().out.startswith("name," if command == "advise" else "without,")
    assert main([command, str(path), "-o", str(tmp_path / "t"), "--format", "tsv"]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert f"{tmp_path / 't'}: {len(whole)} rows" in err


def test_targets_from_columns_of_any_name(tmp_path, capsys):
    """The catalog's position columns are named where nobody could guess them."""
    catalog = Table.read(DEMO / "demo_catalog.fits")
    catalog.rename_columns(["RAJ2000", "DEJ2000"], ["x", "y"])
    catalog.write(tmp_path / "c.ecsv")
    words = [tmp_path / "c.ecsv", DEMO / "demo_seds.zip", "--band", "xray", "--format", "csv"]
    words = ["advise", *map(str, words)]
    assert main(words) == 1
    assert "no position columns found among" in capsys.readouterr().err
    assert main([*words, "--ra", "x", "--dec", "y", "--frame", "icrs"]) == 0
    assert capsys.readouterr().out.startswith("rank,name,ra,dec,ra_hms")
    assert main(["advise", str(DEMO / "demo_sed.txt"), "--frame", "icrs"]) == 2


# --- explanations -----------------------------------------------------------------------------


def with_catalogs(points, i):
    """A simulated SED whose bands are different catalogs."""
    sed = observed(points, i)
    log_nu = np.log10(sed["frequency"])
    names = ["A", "B", "C", "D", "E"]
    sed["catalog"] = np.array(names)[np.searchsorted([9.5, 14.0, 15.3, 20.0], log_nu)]
    return sed


def test_explanation_leaves_out_and_asks_again(simulated):
    """The estimate without a catalog is that of the SED without its rows."""
    sed = with_catalogs(simulated[0], 4)
    table = explain(sed)
    assert table["kind"][0] == "all"
    assert table["shift"][0] == 0
    from blase_astro import estimate

    whole = estimate(sed)
    assert_allclose(table["log_nu_peak"][0], whole["log_nu_peak"][0], atol=1e-6)
    for row in table[table["kind"] == "catalog"]:
        rest = estimate(sed[np.asarray(sed["catalog"]) != row["without"]])
        for name in ("log_nu_peak", "log_nu_peak_lo", "log_nu_peak_hi"):
            assert_allclose(row[name], rest[name][0], atol=1e-5)
        assert_allclose(row["shift"], row["log_nu_peak"] - whole["log_nu_peak"][0], atol=1e-5)


def test_a_spoiled_catalog_is_found(simulated):
    """It comes first among the catalogs far more often than by chance."""
    points, binned = simulated
    rich = np.flatnonzero(np.isfinite(binned).sum(axis=1) >= 10)[:40]
    rng, found, tried = np.random.default_rng(0), 0, 0
    for i in rich:
        sed = with_catalogs(points, i)
        names = sorted(set(sed["catalog"]))
        if len(names) < 4:
            continue
        bad = rng.choice(names)
        sed["nufnu"][np.asarray(sed["catalog"]) == bad] *= 30.0
        table = explain(sed)
        first = table[table["kind"] == "catalog"][0]
        found, tried = found + (first["without"] == bad), tried + 1
    assert tried > 20
    assert found > 0.6 * tried


def test_what_cannot_be_explained(tmp_path, ensembles):
    """Errors that say what is wrong."""
    with pytest.raises(ValueError, match="usable points in 1 frequency bins, 3 needed"):
        explain(sed_table([1.4e9], [1e-14]))
    with pytest.raises(OSError, match=r"no.txt"):
        explain(tmp_path / "no.txt")
    with pytest.raises(ValueError, match="one SED has none of its own"):
        explain(DEMO / "demo_sed.txt", population="self")
    with pytest.raises(ValueError, match="position: wanted that of the one SED, got 2"):
        explain(DEMO / "demo_sed.txt", position=([1.0, 2.0], [3.0, 4.0]))
    with pytest.raises(ValueError, match="nu_peak"):
        explain(DEMO / "demo_sed.txt", ensemble=ensembles["nufnu_peak"])
    # Three bins, one catalog each: without one there is no estimate, and that is no error.
    sed = sed_table([1.4e9, 4.9e14, 2.4e17], [2e-14, 4e-12, 1e-12], catalog=["a", "b", "c"])
    table = explain(sed)
    assert np.isnan(table["log_nu_peak"][1:]).all()
    assert set(table["peak_class"][1:]) == {"UNK"}


def test_the_command_explains(tmp_path, capsys):
    """Lines, a table, a figure; names with a dollar are no formula."""
    sed = sed_table([1.4e9, 4.9e14, 6e14, 2.4e17], [2e-14, 4e-12, 5e-12, 1e-12],
                    catalog=["a$b$c_{", "b", "c", "d"])  # fmt: skip
    sed.write(tmp_path / "sed.ecsv")
    assert main(["explain", DEMO / "demo_sed.txt"]) == 0
    assert "without radio (7 points): log nu_peak = " in capsys.readouterr().out
    pytest.importorskip("matplotlib")
    words = ["explain", tmp_path / "sed.ecsv", "--figure", tmp_path / "e.png"]
    assert main([*words, "-o", tmp_path / "e.ecsv"]) == 0
    assert (tmp_path / "e.png").stat().st_size > 10_000
    assert "offset_sigma" in Table.read(tmp_path / "e.ecsv").colnames
    assert main(words) == 1
    assert "exists already" in capsys.readouterr().err
    assert main(["explain", DEMO / "demo_sed.txt", "--figure", tmp_path / "e.xyz"]) == 1


# --- starlight --------------------------------------------------------------------------------


def test_starlight_of_simulated_seds():
    """The probability is that of the simulator, and separates the two kinds."""
    points, truth = simulate_seds(2000, seed=11)
    edges = load_bins("v2")
    probability = p_starlight(bin_points(points, edges)[0], edges)
    starlight = np.asarray(truth["host_share"]) > 0.5
    known = np.isfinite(probability)
    assert known.mean() > 0.8
    assert abs(probability[known].mean() - starlight[known].mean()) < 0.05
    assert probability[known & starlight].mean() > probability[known & ~starlight].mean() + 0.25


def test_starlight_needs_optical_light():
    """No answer without it, with too few bins, or for other bins."""
    edges = load_bins("v2")
    sed = np.full((3, 33), np.nan)
    sed[0, [2, 3, 4, 20, 27]] = -12.0
    sed[1, [2, 16, 27]] = -12.0
    sed[2, [2, 3, 16, 27]] = -12.0
    assert_array_equal(np.isfinite(p_starlight(sed, edges)), [False, False, True])
    assert np.isnan(p_starlight(sed[:, :26], load_bins("v1"))).all()
    assert p_starlight(sed[:0], edges).shape == (0,)
    assert "PSTAR" in explain(DEMO / "demo_sed.txt").meta


def test_the_host_is_seen_nearby():
    """Its share falls with the distance."""
    truth = simulate_seds(2000, seed=1)[1]
    near, share = truth["redshift"] < 0.15, np.asarray(truth["host_share"])
    assert ((share >= 0) & (share <= 1)).all()
    assert np.median(share[near]) > np.median(share[~near]) + 0.1
