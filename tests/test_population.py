"""Populations: found, used as a prior, written; on simulated catalogs of known shape."""

from dataclasses import replace

import numpy as np
import pytest
from astropy.table import QTable, Table
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from blase_astro import estimate, population
from blase_astro.cli import main
from blase_astro.distribution import Distribution
from blase_astro.evaluate import plot_population, population_of, population_table
from blase_astro.io import sed_table
from blase_astro.population import (
    Population,
    distance,
    find_population,
    flat,
    read_population,
    training_population,
    with_population,
)

GRID = np.round(np.arange(11.0, 19.01, 0.1), 10)


def normal(mean, std):
    """A population with one hump."""
    share = np.exp(-0.5 * ((GRID - mean) / std) ** 2) + 1e-9
    return Population(GRID, share / share.sum(), (12.0, 18.0))


TRAINING = normal(13.5, 1.2)


def catalog(truth, noise=0.6, seed=0):
    """What networks trained on `TRAINING` say of sources: likelihood times training population."""
    seen = truth + np.random.default_rng(seed).normal(0, noise, len(truth))
    p = np.exp(-0.5 * ((GRID - seen[:, None]) / noise) ** 2) * TRAINING.share
    return Distribution(GRID, p / p.sum(axis=1, keepdims=True))


def drawn(population, n, seed=1):
    """Peaks of n sources of a population."""
    return np.random.default_rng(seed).choice(GRID, n, p=population.share)


@pytest.mark.parametrize(("mean", "std"), [(16.5, 0.5), (13.0, 0.4), (14.8, 0.8)])
def test_a_known_population_is_found(mean, std):
    """Its mean and its width come back, where those of the medians are drawn to the training."""
    truth = drawn(normal(mean, std), 1500)
    sources = catalog(truth)
    found = find_population(sources, TRAINING, n_steps=30, smoothing=0.1, mixed_in=1.0)
    centre = found.grid @ found.share
    width = np.sqrt((found.grid - centre) ** 2 @ found.share)
    bias = abs(sources.median().mean() - truth.mean())
    assert abs(centre - truth.mean()) < max(0.35 * bias, 0.06)
    assert abs(width - np.std(truth)) < 0.2


def test_the_bias_goes_and_the_intervals_stay_honest():
    """A catalog of high peaks: the training population draws them down, their own does not."""
    truth = drawn(normal(16.5, 0.5), 1000)
    sources = catalog(truth)
    own = with_population(sources, TRAINING, find_population(sources, TRAINING))
    assert np.mean(sources.median() - truth) < -0.3
    assert abs(np.mean(own.median() - truth)) < 0.12
    lo, hi = own.interval(0.95)
    assert 0.93 < np.mean((lo <= truth) & (truth <= hi)) < 0.985
    assert own.crps(truth).mean() < sources.crps(truth).mean()


def test_the_training_set_gives_back_its_own_population():
    """Nothing changes for a catalog like the training set."""
    sources = catalog(drawn(TRAINING, 3000))
    own = find_population(sources, TRAINING)
    assert distance(own, TRAINING) < 0.04
    moved = with_population(sources, TRAINING, own).median() - sources.median()
    assert np.abs(moved).max() < 0.15


@settings(max_examples=20, derandomize=True)
@given(n=st.integers(1, 5), mean=st.floats(12, 17.5))
def test_few_sources_change_little(n, mean):
    """One to five sources stay near the training population, wherever they lie."""
    found = find_population(catalog(np.full(n, mean)), TRAINING)
    assert distance(found, TRAINING) < n / (n + 20) + 0.02
    assert found.share.min() >= 0
    assert_allclose(found.share.sum(), 1)


def test_order_and_copies_do_not_matter():
    """Deterministic, whatever the order; a weight of two is a source twice."""
    sources = catalog(drawn(normal(15.5, 0.5), 60))
    found = find_population(sources, TRAINING)
    assert_allclose(find_population(sources[::-1], TRAINING).share, found.share, rtol=1e-9)
    twice = find_population(sources[np.repeat(np.arange(60), 2)], TRAINING)
    assert_allclose(find_population(sources, TRAINING, np.full(60, 2.0)).share, twice.share)


def test_beyond_the_labels_nothing_blows_up():
    """A catalog beyond the support of the training labels: the ratio stays what it is there."""
    edge = TRAINING._replace(support=(12.0, 15.0))
    sources = catalog(np.full(200, 17.5))
    own = with_population(sources, edge, find_population(sources, edge))
    assert np.abs(own.median() - sources.median()).max() < 1.0


@pytest.mark.parametrize("step", [0.05, 0.1, 0.2])
def test_the_smoothing_is_in_dex(step):
    """Sources whose peaks are known exactly: what is found is as wide as the smoothing."""
    grid = np.arange(11.0, 19.01, step)
    training = Population(grid, np.full(len(grid), 1 / len(grid)), (12.0, 18.0))
    exact = np.zeros((50, len(grid)))
    exact[:, len(grid) // 2] = 1
    sources = Distribution(grid, exact)
    found = find_population(sources, training, n_steps=1, smoothing=0.4, mixed_in=0.0)
    centre = grid @ found.share
    assert_allclose(centre, grid[len(grid) // 2], atol=1e-3)
    assert_allclose(np.sqrt((grid - centre) ** 2 @ found.share), 0.4, rtol=0.05)


def test_sources_on_a_grid_of_their_own():
    """What lies beyond the grid of the population is in none of its cells, the rest in its own."""
    sources = Distribution.normal([18.95, 11.0, 15.0], [0.3, 0.2, 0.5])
    shares = population._shares(sources, GRID)
    edges = np.append(GRID - 0.05, GRID[-1] + 0.05)
    for i, edge in ((0, edges[-1]), (1, edges[0])):
        below = sources[i : i + 1].cdf(np.array([edge]))[0]
        assert_allclose(shares[i].sum(), below if i == 0 else 1 - below, atol=1e-9)
    assert_allclose(shares[2] @ GRID, 15.0, atol=1e-3)


def test_nothing_to_find():
    """No source with an estimate is an error that says so."""
    with pytest.raises(ValueError, match="needs sources with an estimate"):
        find_population(Distribution(GRID, np.full((3, len(GRID)), np.nan)), TRAINING)


def test_flat_is_flat():
    """Every peak equally often, whatever the training."""
    sources = catalog(np.array([15.0]))
    even = with_population(sources, TRAINING, flat(TRAINING))
    likelihood = sources.probability / TRAINING.share
    inside = (GRID > 12) & (GRID < 18)
    ratio = even.probability[0, inside] / likelihood[0, inside]
    assert_allclose(ratio / ratio[0], 1)


def test_population_of_normal_networks(ensembles):
    """Each source has a grid of its own: the population lies on one for all."""
    columns = ensembles["nu_peak"].source_columns
    plain = {k: v for k, v in columns.items() if not k.startswith("oob")}
    plain |= {"oob_mean": columns["label"], "oob_std": np.full(300, 0.3)}
    gaussian = replace(
        ensembles["nu_peak"],
        grid=None,
        source_columns=plain,
        label_mean=np.full((3, 2), 14.0),
        label_std=np.ones((3, 2)),
    )
    population = training_population(gaussian)
    assert_allclose(population.grid @ population.share, columns["label"].mean(), atol=0.05)
    sources = Distribution.normal(np.full(200, 16.0), 0.4)
    assert find_population(sources, population).median() > population.median() + 0.5


def seds(n=40):
    """SEDs of several shapes."""
    rng = np.random.default_rng(5)
    nu = 10 ** np.array([9.1, 11.0, 13.4, 14.7, 17.4, 23.0])
    for i in range(n):
        yield sed_table(nu, 10 ** (-12 + rng.normal(0, 0.5, 6)), meta={"ra": i, "dec": 0.0})


@pytest.mark.parametrize("population", ["training", "flat", "self"])
def test_estimates_with_a_population(ensemble_dir, population):
    """By name, from a file and as it is: the same numbers, in any chunking."""
    said = []
    table = estimate(seds(), ensemble=ensemble_dir, population=population, say=said.append)
    assert table.meta["POPULAT"] == ("given" if population == "flat" else population)
    assert np.isfinite(table["log_nu_peak"]).all()
    if population == "self":
        assert any("that of 40 SEDs themselves" in text for text in said)


def test_a_population_from_a_file(ensemble_dir, tmp_path):
    """What `blase population` writes is taken; what is none is refused with words."""
    made = population_of_seds(ensemble_dir)
    made.write(tmp_path / "p.ecsv")
    by_file = estimate(seds(), ensemble=ensemble_dir, population=tmp_path / "p.ecsv")
    own = estimate(seds(), ensemble=ensemble_dir, population="self")
    assert_allclose(by_file["log_nu_peak"], own["log_nu_peak"], atol=0.1)
    table = Table({"log_nu_peak": [13.0, 16.0], "density": [1.0, 2.0]}, units=["dex(Hz)", None])
    plain = read_population(table, TRAINING).share
    assert (read_population(QTable(table), TRAINING).share == plain).all()
    for wrong, words in (
        ("nowhere.ecsv", "there is no file nowhere.ecsv"),
        (3, "wanted 'training', 'flat', 'self' or a file; got 3"),
        (Table({"a": [1]}), "wanted columns log_nu_peak and density, got a"),
        (Table({"log_nu_peak": [14, 13], "density": [1, 1]}), "wanted rising log_nu_peak"),
        (Table({"log_nu_peak": [1, 2], "density": [1, 1]}), "wanted sources between log nu_peak"),
        (Table({"log_nu_peak": [18.6, 19], "density": [1, 1]}), "got none there"),
        (np.ones(81), "wanted 'training', 'flat', 'self' or a file; got array"),
    ):
        with pytest.raises((ValueError, OSError), match=words):
            estimate(seds(2), ensemble=ensemble_dir, population=wrong)


def population_of_seds(ensemble_dir):
    """Table of the population of the SEDs."""
    estimates = estimate(seds(), ensemble=ensemble_dir, pdf=True)
    return population_table(estimates, ensemble=ensemble_dir, n_bootstrap=20)


def test_table_of_a_population(ensemble_dir):
    """Densities that integrate to one, a band about them, shares of classes that add up."""
    table = population_of_seds(ensemble_dir)
    for name in ("density", "histogram", "training"):
        assert_allclose(table[name].sum() * 0.1, 1, atol=0.01)
    assert (table["density_lo"] <= table["density_hi"]).all()
    shares = [table.meta[f"FRAC{name}"] for name in ("LSP", "ISP", "HSP")]
    assert_allclose(sum(shares), 1, atol=1e-3)
    assert all(column.description for column in table.itercols())
    again = population_of_seds(ensemble_dir)
    assert (table["density_hi"] == again["density_hi"]).all()
    assert_allclose(read_population(table, ensemble_population(ensemble_dir)).share.sum(), 1)


def test_classes_and_median_know_where_cells_end():
    """A cell about an edge belongs to both classes; the median is no edge of a cell."""
    from blase_astro.evaluate.populations import _classes

    grid = np.linspace(11, 19, 81)
    share = np.where(np.abs(grid - 14) < 1.01, 1 / 21, 0)  # even from 12.95 to 15.05
    assert_allclose(Population(grid, share, (12.0, 17.0)).median(), 14.0, atol=1e-9)
    meta = _classes(grid, share, np.stack([share, share]))
    assert_allclose([meta[f"FRAC{name}"] for name in ("LSP", "ISP", "HSP")],
                    Distribution(grid, share[None]).between((14, 15))[0], atol=1e-4)  # fmt: skip
    assert_allclose(meta["FRACLSP"], 0.5, atol=1e-4)
    assert_allclose(meta["FRACHSP"], 0.05 / 2.1, atol=1e-4)
    assert meta["EFRACLSP"] == 0


def ensemble_population(ensemble_dir):
    """Training population of the small ensemble."""
    from blase_astro import Ensemble

    return Ensemble.load(ensemble_dir).population


def test_a_damaged_table_is_said(ensemble_dir, tmp_path):
    """What is wrong with it, and not that it holds no SED."""
    path = tmp_path / "a.parquet"
    path.write_bytes(b"PAR1 junk")
    with pytest.raises(OSError, match=r"a\.parquet could not be read as a table"):
        population_of(path, ensemble=ensemble_dir)


def test_wrong_tables(ensemble_dir):
    """Without densities, of other networks, of another population."""
    estimates = estimate(seds(), ensemble=ensemble_dir, pdf=True)
    with pytest.raises(ValueError, match="wanted the column log_nu_peak_pdf"):
        population_table(estimates["name", "log_nu_peak"])
    with pytest.raises(ValueError, match=r"made by the ensemble .* not by"):
        population_table(estimates)
    own = estimate(seds(), ensemble=ensemble_dir, pdf=True, population="self")
    with pytest.raises(ValueError, match="made with another population"):
        population_table(own, ensemble=ensemble_dir)
    lost = estimates.copy()
    del lost.meta["PDFSTEP"]
    with pytest.raises(ValueError, match="wanted PDFSTEP in the metadata"):
        population_table(lost, ensemble=ensemble_dir)
    lost["log_nu_peak_pdf"] = ["[0.1, 0.2]"] * len(lost)  # as CSV has it
    with pytest.raises(ValueError, match="wanted an array of numbers a row"):
        population_table(lost, ensemble=ensemble_dir)


@pytest.mark.parametrize(("n", "few"), [(29, True), (30, False)])
def test_few_sources_are_said(ensembles, n, few):
    """What thirty or more find is not excused."""
    said = []
    estimate(seds(n), ensemble=list(ensembles.values()), population="self", say=said.append)
    assert any("so few sources" in line for line in said) == few


def test_command(ensemble_dir, tmp_path, capsys):
    """From SEDs and from a table: the same line, a table and a figure; nothing is overwritten."""
    for i, sed in enumerate(seds(30)):
        sed.write(tmp_path / f"s{i}", format="vou-sed")
    folder = tmp_path / "seds"
    folder.mkdir()
    for path in tmp_path.glob("s[0-9]*"):
        path.rename(folder / path.name)
    words = ["--ensemble", str(ensemble_dir), "--bootstrap", "10"]
    out, figure = tmp_path / "p.ecsv", tmp_path / "p.png"
    assert main(["population", str(folder), "-o", str(out), "--figure", str(figure), *words]) == 0
    line = capsys.readouterr().out
    assert line.startswith("30 sources: LSP ")
    assert figure.read_bytes().startswith(b"\x89PNG")
    table = tmp_path / "e.fits"
    assert main(["estimate", str(folder), "-o", str(table), "--pdf", *words[:2]]) == 0
    capsys.readouterr()
    assert main(["population", str(table), *words]) == 0
    assert capsys.readouterr().out == line
    assert main(["population", str(table), "--format", "csv", *words]) == 0
    printed, said = capsys.readouterr()
    assert printed.startswith("log_nu_peak,")
    assert line.strip() in said
    assert main(["population", str(table), "-o", str(out), *words]) == 1
    assert "exists already" in capsys.readouterr().err
    assert main(["population", str(out), *words]) == 1
    assert "wanted the column log_nu_peak_pdf" in capsys.readouterr().err


def test_figure(ensemble_dir):
    """Four things with names."""
    from matplotlib.figure import Figure

    ax = plot_population(population_of_seds(ensemble_dir), Figure().add_subplot())
    assert len(ax.get_legend_handles_labels()[1]) == 4


def test_population_of_tables(tmp_path, ensemble_dir):
    """A file of one SED is SEDs, not a table of estimates."""
    next(seds(1)).write(tmp_path / "sed.ecsv")
    assert (
        population_of(tmp_path / "sed.ecsv", ensemble=ensemble_dir, n_bootstrap=0).meta["NSOURCE"]
        == 1
    )


@pytest.mark.parametrize("support", [(14.0, 14.0), (14.02, 14.04), (13.96, 14.31)])
def test_support_of_hardly_a_cell(support):
    """All labels alike: the ratio of two populations is what it is there, everywhere."""
    grid = np.round(11 + 0.1 * np.arange(81), 10)
    training = Population(grid, np.full(81, 1 / 81), support)
    other = training._replace(share=np.exp(grid) / np.exp(grid).sum())
    doubt = Distribution(grid, np.full((1, 81), 1 / 81))
    found = with_population(doubt, training, other).probability[0]
    assert_allclose(found[:30], found[0])
    assert_allclose(found[40:], found[-1])
