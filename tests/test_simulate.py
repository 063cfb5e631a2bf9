"""Simulated SEDs: labels that are those of the physics, a sampling that leaks nothing."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from blase_astro.cli import main
from blase_astro.io import Points, list_seds, read_points, read_sed
from blase_astro.io.table import join_points
from blase_astro.sed import bin_points
from blase_astro.simulate import observation, physics, simulate_seds, write_simulated
from blase_astro.simulate import sampling as surveys
from blase_astro.training import parse_label

N = 400


@pytest.fixture(scope="module")
def simulated():
    """A few hundred SEDs of the built-in surveys."""
    return simulate_seds(N, seed=3)


@pytest.fixture(scope="module")
def sampling(simulated):
    """Something to sample like: simulated SEDs with bounds and limits, as good as real ones."""
    points, _ = simulated
    return points


def equal(one, two):
    """Are two Points the same, NaN for NaN?"""
    return all(
        first == second
        if isinstance(first, list)
        else np.array_equal(first, second, "f" in str(first.dtype))
        for first, second in zip(one, two, strict=True)
    )


def synchrotron(log_nu, par, i):
    """Synchrotron component of one source, written anew: slopes integrated from the top."""
    grid = np.linspace(par["nu"][i], log_nu, 20001)
    offset = grid - par["nu"][i]
    slope = np.where(
        offset < 0,
        np.minimum(-2 * par["b_lo"][i] * offset, par["slope"][i]),
        -2 * par["b_hi"][i] * offset,
    )
    hump = np.trapezoid(slope, grid)
    opaque = 0.15 * np.log(1 + np.exp((par["turnover"][i] - log_nu) / 0.15))
    end = 10 ** (0.5 * (log_nu - par["cutoff"][i])) / np.log(10)
    return hump - (par["slope_radio"][i] - par["slope"][i]) * opaque - end


def test_shapes(simulated):
    """Rows are grouped by SED, numbers are finite, every SED has its row of truth."""
    points, truth = simulated
    assert isinstance(points, Points)
    assert len(points.name) == len(truth) == len(points.ra) == N
    assert (np.diff(points.sed) >= 0).all()
    assert set(points.sed) == set(range(N))
    assert {len(column) for column in points[5:]} == {len(points.sed)}
    assert np.isfinite(points.nufnu).all()
    assert (points.frequency > 0).all()
    assert not points.duplicate.any()
    assert (truth["pattern"] == -1).all()
    for name in ("log_nu_peak", "log_nufnu_peak", "redshift"):
        assert np.isfinite(truth[name]).all()


def test_one_sed():
    """The smallest number there is."""
    points, truth = simulate_seds(1)
    assert len(points.name) == len(truth) == 1


def test_seed(simulated):
    """The same seed gives the same SEDs, another one gives others."""
    assert equal(simulate_seds(N, seed=3)[0], simulated[0])
    assert not equal(simulate_seds(N, seed=4)[0], simulated[0])


def test_no_seds():
    """None is not a number of SEDs."""
    with pytest.raises(ValueError, match="wanted at least 1, got 0"):
        simulate_seds(0)


def test_sampling_without_measurements(sampling):
    """Nothing to sample like."""
    nothing = Points(*sampling[:5], *(column[:0] for column in sampling[5:]))
    with pytest.raises(ValueError, match="wanted measurements, got 400 SEDs without any"):
        simulate_seds(3, sampling=nothing)


def test_truth_is_the_peak_of_the_synchrotron_component():
    """Position and height agree with a maximum that is found otherwise, in a model written anew."""
    par = physics._population(30, np.random.default_rng(8))
    nu_peak, height = physics._peak(par)
    for i in range(30):
        low = minimize_scalar(
            lambda log_nu, i=i: -synchrotron(log_nu, par, i),
            bounds=(par["nu"][i] - 0.7, par["nu"][i] + 0.7),
            method="bounded",
            options={"xatol": 1e-6},
        )
        assert nu_peak[i] == pytest.approx(low.x, abs=0.004)
        assert height[i] == pytest.approx(-low.fun, abs=1e-4)


def test_truth_reaches_the_table():
    """The label of the table is that peak, scaled as the SED is."""
    _, truth = simulate_seds(50, seed=5)
    par = physics._population(50, np.random.default_rng(5))
    np.testing.assert_allclose(truth["log_nu_peak"], physics._peak(par)[0])
    np.testing.assert_allclose(truth["redshift"], par["z"])
    assert np.ptp(truth["log_nufnu_peak"]) > 1


def test_a_perfect_measurement_shows_the_label(monkeypatch):
    """Without companions, variability, noise and gaps the brightest point is the label."""
    rng = np.random.default_rng(1)
    par = physics._population(20, rng)
    physics._set_level(par, np.full(20, 100), rng)
    par["amplitude"] = np.zeros(20)
    par["host"] = par["disc"] = par["torus"] = par["lobe_level"] = np.full(20, -40.0)
    par["ic_level"] = np.full(20, -40.0)
    nu_peak, height = physics._peak(par)
    grid = np.linspace(11, 19, 4001)
    grid = grid[(grid < 14.6) | (grid > 16.5)]  # no forest
    sed, log_nu = np.repeat(np.arange(20), len(grid)), np.tile(grid, 20)
    flux = observation._observed_flux(log_nu, sed, par, rng).reshape(20, -1)
    seen = (nu_peak < 14.5) | (nu_peak > 16.6)
    assert seen.sum() > 5
    np.testing.assert_allclose(flux.max(axis=1)[seen], (par["level"] + height)[seen], atol=1e-4)
    np.testing.assert_allclose(grid[flux.argmax(axis=1)][seen], nu_peak[seen], atol=0.05)


def test_labels_are_broad():
    """Peak frequencies are flat over what blazars have, and FSRQs are those of low frequency."""
    _, truth = simulate_seds(3000, seed=1)
    nu, fsrq = truth["log_nu_peak"], truth["source_class"] == "fsrq"
    counts, _ = np.histogram(nu, np.arange(12, 18.1, 0.5))
    assert counts.min() > 0.6 * counts.max()
    assert 0.15 < fsrq.mean() < 0.35
    assert fsrq[nu < 12.5].mean() > 0.7
    assert fsrq[nu > 15].sum() == 0
    assert np.median(truth["redshift"][fsrq]) > 2 * np.median(truth["redshift"][~fsrq])


def test_limits(simulated):
    """A limit has an upper end and no lower one; a bound holds its flux."""
    points, _ = simulated
    limit = points.upper_limit
    assert 0.02 < limit.mean() < 0.5
    assert (points.nufnu_upper[limit] > 0).all()
    assert (points.nufnu_lower[limit] == 0).all()
    assert (points.nufnu_upper[limit] > points.nufnu[limit]).all()
    assert (np.log10(points.frequency[limit]) > 22).all()
    bound = ~limit & np.isfinite(points.nufnu_upper)
    assert (points.nufnu_lower[bound] > 0).all()
    assert (points.nufnu_lower[bound] < points.nufnu[bound]).all()
    assert (points.nufnu[bound] < points.nufnu_upper[bound]).all()
    assert (np.isnan(points.nufnu_upper) == np.isnan(points.nufnu_lower)).all()


def test_background_light_absorbs_more_far_away_and_at_high_energy():
    """Its depth rises with energy and redshift, and is 1 at the known horizon."""
    log_nu, z = np.linspace(24.5, 28, 50), np.linspace(0.02, 3.9, 40)
    depth = physics._ebl_depth(log_nu[:, None], z[None])
    assert (np.diff(depth, axis=0) >= 0).all()
    assert (np.diff(depth, axis=1) >= 0).all()
    assert physics._ebl_depth(26.3834 + np.log10(0.21), 0.5) == pytest.approx(1, rel=0.01)
    assert physics._ebl_depth(24.4, 0.03) < 0.01


def test_forest():
    """Nothing is absorbed on the red side of Lyman alpha, more the farther away."""
    assert physics._forest_depth(np.array([14.6]), np.array([1.0]))[0] == 0
    depth = physics._forest_depth(np.full(3, 15.3), np.array([0.1, 1.0, 2.5]))
    assert depth[0] < depth[1] < depth[2]


def test_luminosity_distance():
    """Agrees with astropy's flat universe."""
    from astropy.cosmology import FlatLambdaCDM

    z = np.array([0.03, 0.3, 1.0, 3.0])
    known = FlatLambdaCDM(67.7, 0.31, Tcmb0=0).luminosity_distance(z).to_value("cm")
    np.testing.assert_allclose(physics._log_distance(z), np.log10(known), atol=2e-4)


def test_components_join():
    """The humps are continuous where their branches meet, and fall off on both sides."""
    par = physics._population(200, np.random.default_rng(2))
    column = {key: value[:, None] for key, value in par.items()}
    grid = np.linspace(8, 17, 4000)
    for component in (physics._synchrotron, physics._compton):
        flux = component(grid, column)
        bright = flux[:, 1:] > -6
        assert np.abs(np.diff(flux, axis=1))[bright].max() < 0.02
    assert (physics._synchrotron(np.array([8.0]), column) < -1).all()


def test_inverse_compton_has_the_gamma_rays_it_was_drawn_with():
    """Its energy flux of 0.1-100 GeV over the synchrotron peak is the one drawn."""
    par = physics._population(50, np.random.default_rng(4))
    column = {key: value[:, None] for key, value in par.items()}
    grid = np.linspace(22.38, 25.38, 2000)
    flux = 10 ** physics._compton(grid, column)
    energy = np.trapezoid(flux, grid * np.log(10), axis=1)
    off = np.log10(energy) - par["gamma_ratio"]  # the X-ray tail bends some a little
    assert np.median(np.abs(off)) < 0.03
    assert np.abs(off).max() < 0.2


def test_the_mean_of_the_states_is_the_labelled_one():
    """Flares and quiet states average to the flux of the label."""
    states = np.random.default_rng(0).standard_normal(200_000)
    change = observation._change(0.25, states)
    assert np.log10(np.mean(10**change)) == pytest.approx(0, abs=0.005)


def test_pattern_gives_the_frequencies(sampling):
    """Rows of a simulated SED are at frequencies of its pattern, never more often."""
    points, truth = simulate_seds(60, seed=2, sampling=sampling)
    for i, pattern in enumerate(truth["pattern"]):
        ours, n_ours = np.unique(points.frequency[points.sed == i].round(-5), return_counts=True)
        theirs, n_theirs = np.unique(
            sampling.frequency[sampling.sed == pattern].round(-5), return_counts=True
        )
        place = np.abs(theirs / ours[:, None] - 1).argmin(axis=1)
        np.testing.assert_allclose(theirs[place], ours, rtol=1e-6)
        assert (n_ours <= n_theirs[place]).all()


def test_fluxes_of_the_sampling_do_not_leak(sampling):
    """With the same relative errors, any fluxes give the same simulated SEDs."""
    n = len(sampling.sed)
    scale = 10 ** np.random.default_rng(0).normal(0, 2, n)  # each row by a factor of its own
    other = sampling._replace(
        nufnu=sampling.nufnu * scale,
        nufnu_upper=sampling.nufnu_upper * scale,
        nufnu_lower=sampling.nufnu_lower * scale,
    )
    one, truth = simulate_seds(80, seed=6, sampling=sampling)
    two, same_truth = simulate_seds(80, seed=6, sampling=other)
    for column in ("log_nu_peak", "log_nufnu_peak", "pattern"):
        assert (truth[column] == same_truth[column]).all()
    assert np.array_equal(one.frequency, two.frequency)
    np.testing.assert_allclose(one.nufnu, two.nufnu, rtol=1e-9)


def test_names_and_positions_of_the_sampling_do_not_leak(sampling):
    """Labels stand in file names: they are not even looked at."""
    nameless = sampling._replace(
        name=[""] * N, ra=np.full(N, np.nan), dec=np.full(N, np.nan), redshift=np.full(N, np.nan)
    )
    one, _ = simulate_seds(40, seed=6, sampling=sampling)
    two, _ = simulate_seds(40, seed=6, sampling=nameless)
    assert equal(one, two)


def test_rich_seds_are_thinned():
    """Some rich SEDs lose rows or bands, sparse ones none."""
    rng = np.random.default_rng(0)
    count = np.array([200] * 100 + [10] * 100)
    sed = np.repeat(np.arange(200), count)
    log_nu = rng.uniform(8, 25, len(sed))
    left = np.bincount(sed[surveys._thin(sed, log_nu, 200, rng)], minlength=200)
    assert (left[100:] == 10).all()
    assert 20 < (left[:100] == 200).sum() < 80
    assert left[:100].min() < 60


def test_faint_sources_are_not_detected():
    """What is too faint for Fermi is a limit in the bands of 4FGL and no row in monthly fluxes."""
    rng = np.random.default_rng(0)
    log_nu = np.repeat([23.622, 23.384], 500)
    sky = np.ones(1000)
    *_, limit, keep = observation._measure_lat(np.full(1000, 1e-15), log_nu, sky, rng)
    assert limit[:500].mean() > 0.9
    assert keep[:500].all()
    assert keep[500:].mean() < 0.02
    flux, upper, lower, limit, _ = observation._measure_lat(np.full(1000, 1e-10), log_nu, sky, rng)
    assert not limit.any()
    assert np.median(flux) == pytest.approx(1e-10, rel=0.05)
    assert (lower < flux).all()
    assert (flux < upper).all()


def test_surveys():
    """The table of surveys is complete and within its ranges."""
    table = surveys._surveys()
    assert len(table) > 40
    assert (table["frequency"] > 1e7).all()
    assert ((table["rich"] >= 0) & (table["rich"] <= 1)).all()
    assert ((table["depth"] > -17) & (table["depth"] < -10)).all()
    assert all(table["reference"])


def test_archive(tmp_path, simulated):
    """The files are read back with labels, positions and measurements."""
    points, truth = simulated
    path = tmp_path / "simulated.zip"
    write_simulated(points, path)
    assert sorted(list_seds(path)) == sorted(points.name)
    chunks = list(read_points(path, points.name))
    back = np.concatenate([chunk.nufnu for chunk in chunks])
    np.testing.assert_allclose(back, points.nufnu, rtol=6e-4, atol=1e-30)
    limit = np.concatenate([chunk.upper_limit for chunk in chunks])
    assert (limit == points.upper_limit).all()
    upper = np.concatenate([chunk.nufnu_upper for chunk in chunks])
    assert (np.isnan(upper) == np.isnan(points.nufnu_upper)).all()
    ra = np.concatenate([chunk.ra for chunk in chunks])
    np.testing.assert_allclose(ra, truth["ra"], atol=1e-5)
    label = parse_label(points.name[0])
    assert label["log_nu_peak"] == pytest.approx(truth["log_nu_peak"][0], abs=0.006)
    assert label["log_nufnu_peak"] == pytest.approx(truth["log_nufnu_peak"][0], abs=0.006)
    binned = np.concatenate([bin_points(chunk)[0] for chunk in chunks])
    assert (np.isfinite(binned).sum(axis=1) >= 3).mean() > 0.95


def test_archive_exists(tmp_path, simulated):
    """An existing file stays, unless it may be replaced; nothing is left beside."""
    path = tmp_path / "simulated.zip"
    path.write_text("mine")
    with pytest.raises(FileExistsError, match=r"simulated\.zip exists already; give over"):
        write_simulated(simulated[0], path)
    assert path.read_text() == "mine"
    write_simulated(simulated[0], path, overwrite=True)
    assert len(list_seds(path)) == N
    assert [item.name for item in tmp_path.iterdir()] == ["simulated.zip"]


def test_command(tmp_path, capsys):
    """blase simulate writes an archive, and samples like another one if told to."""
    first, second = tmp_path / "first.zip", tmp_path / "second.zip"
    assert main(["simulate", "-n", "30", "--seed", "2", "-o", str(first)]) == 0
    assert "30 SEDs" in capsys.readouterr().err
    assert len(list_seds(first)) == 30
    assert main(["simulate", "-n", "5", "--sampling", str(first), "-o", str(second), "-q"]) == 0
    assert capsys.readouterr() == ("", "")
    assert len(list_seds(second)) == 5


def test_command_refuses(tmp_path, capsys):
    """An existing output, an archive that is not there, an impossible number."""
    path = tmp_path / "simulated.zip"
    assert main(["simulate", "-n", "2", "-o", str(path), "-q"]) == 0
    before = path.read_bytes()
    assert main(["simulate", "-n", "3", "-o", str(path)]) == 1
    assert "give --overwrite to replace it" in capsys.readouterr().err
    assert path.read_bytes() == before
    assert main(["simulate", "-n", "3", "-o", str(path), "--overwrite", "-q"]) == 0
    assert len(list_seds(path)) == 3
    missing = str(tmp_path / "missing.zip")
    assert main(["simulate", "--sampling", missing, "-o", str(tmp_path / "new.zip")]) == 1
    assert "missing.zip" in capsys.readouterr().err
    assert main(["simulate", "-n", "0", "-o", str(tmp_path / "new.zip")]) == 1
    assert not (tmp_path / "new.zip").exists()
    assert main(["simulate", "-n", "x", "-o", str(path)]) == 2


def test_one_file_reads_as_sed(tmp_path, simulated):
    """A file of the archive is one that the package reads like any other."""
    import zipfile

    path = tmp_path / "simulated.zip"
    write_simulated(simulated[0], path)
    name = simulated[0].name[0]
    with zipfile.ZipFile(path) as archive:
        archive.extract(name, tmp_path)
    sed = read_sed(tmp_path / name)
    assert len(sed) == (simulated[0].sed == 0).sum()
    assert sed.meta["ra"] == pytest.approx(simulated[1]["ra"][0], abs=1e-5)


def test_like_real_seds(shared_data):
    """Sampled like the real archive, simulated SEDs fill as many bins, at the same level."""
    names = list_seds(shared_data / "SEDs.zip")
    real = join_points(list(read_points(shared_data / "SEDs.zip", names[::7])))
    simulated, truth = simulate_seds(1500, seed=1, sampling=real)
    binned, theirs = bin_points(simulated)[0], bin_points(real)[0]
    rows = np.bincount(real.sed, minlength=len(real.name))
    for rich in (False, True):
        real_filled = np.isfinite(theirs[(rows > 20) == rich]).sum(axis=1)
        filled = np.isfinite(binned[(rows > 20)[truth["pattern"]] == rich]).sum(axis=1)
        assert np.median(filled) == pytest.approx(np.median(real_filled), abs=4 if rich else 1)
    assert np.nanmedian(binned) == pytest.approx(np.nanmedian(theirs), abs=0.25)
