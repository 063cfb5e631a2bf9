"""Refining the training labels: what is found, what is accused, what is written."""

from dataclasses import replace

import numpy as np
import pytest
from astropy.io.votable.ucd import parse_ucd
from astropy.table import Table
from numpy.testing import assert_allclose, assert_array_equal

from blase_astro.evaluate import (
    original_columns,
    out_of_bag,
    out_of_bag_line,
    p_values,
    q_value,
    refine,
    write_refined,
)


def _with_labels(ensemble, label, **columns):
    """The ensemble with other labels of its sources."""
    columns = ensemble.source_columns | {"label": label} | columns
    return replace(ensemble, source_columns=columns)


def test_out_of_bag(ensembles):
    """The intervals cover the labels as asked, though calibrated without the bag they are for."""
    estimates = out_of_bag(ensembles["nu_peak"], level=0.9)
    inside = (estimates["lo"] <= estimates["label"]) & (estimates["label"] <= estimates["hi"])
    assert_allclose(inside.mean(), 0.9, atol=0.06)
    digest = ensembles["nu_peak"].digest[:16]
    assert estimates.meta == {"target": "nu_peak", "level": 0.9, "digest": digest}
    assert all(estimates[name].info.description for name in ("estimate", "lo", "pit", "p_value"))


def test_out_of_bag_needs_estimates(ensembles):
    """An ensemble that was not calibrated says so."""
    ensemble = ensembles["nu_peak"]
    nothing = np.full(300, np.nan)
    with pytest.raises(ValueError, match="for nu_peak has no source with a label"):
        out_of_bag(_with_labels(ensemble, nothing))
    none = {"oob_probability": np.full((300, 80), np.nan)}
    with pytest.raises(ValueError, match="for nu_peak holds no out-of-bag estimate"):
        out_of_bag(_with_labels(ensemble, ensemble.source_columns["label"], **none))


def test_wrong_labels_come_first(ensembles):
    """Labels moved by 2 dex are marked and on top; hardly any other is accused."""
    ensemble = ensembles["nu_peak"]
    label = ensemble.source_columns["label"].copy()
    wrong = np.random.default_rng(2).choice(300, 15, replace=False)
    label[wrong] += 2.0
    refined = refine([_with_labels(ensemble, label)])
    names = set(ensemble.source_columns["name"][wrong])
    assert set(refined["name"][:15]) == names
    assert refined["suspicious"][:15].sum() == 15
    assert refined["suspicious"][15:].sum() <= 3
    assert np.all(np.diff(refined["log_nu_peak_q"]) >= 0)


def test_right_labels_are_left_alone(ensembles):
    """Without wrong labels next to none is suspicious."""
    assert (refine([ensembles["nu_peak"]])["suspicious"] > 0).mean() < 0.02


def test_no_ensemble():
    """Said in words."""
    with pytest.raises(ValueError, match="at least one Ensemble, got"):
        refine([])


def test_the_level_of_the_intervals_counts(ensembles):
    """Half of the labels lie in intervals of 50 percent, and they are narrower."""
    wide, narrow = (refine([ensembles["nu_peak"]], level=level) for level in (0.95, 0.5))
    width = [np.median(t["log_nu_peak_hi"] - t["log_nu_peak_lo"]) for t in (wide, narrow)]
    assert width[0] > 2 * width[1]
    assert (wide.meta["PILEVEL"], narrow.meta["PILEVEL"]) == (0.95, 0.5)
    table = out_of_bag(ensembles["nu_peak"], level=0.5)
    inside = (table["lo"] <= table["label"]) & (table["label"] <= table["hi"])
    assert_allclose(inside.mean(), 0.5, atol=0.08)


def test_suspicious_is_what_the_rate_says(ensembles):
    """Those and only those whose q is at most the rate that was asked for, one bit a target."""
    label = {}
    for target, ensemble in ensembles.items():
        label[target] = ensemble.source_columns["label"].copy()
        label[target][: 40 if target == "nu_peak" else 25] += np.linspace(0.4, 1.2, 40)[:25].repeat(
            [2] * 15 + [1] * 10 if target == "nu_peak" else 1
        )
    both = [_with_labels(e, label[t]) for t, e in ensembles.items()]
    for rate in (0.01, 0.1, 0.3):
        refined = refine(both, false_discovery=rate)
        expected = (refined["log_nu_peak_q"] <= rate) + 2 * (refined["log_nufnu_peak_q"] <= rate)
        assert_array_equal(refined["suspicious"], expected)
        assert refined.meta["FALSEDIS"] == rate
    assert set(expected) == {0, 1, 2, 3}


def test_the_line_of_a_training(ensembles):
    """Median error and coverage are those of the table."""
    ensemble = ensembles["nu_peak"]
    table = out_of_bag(ensemble)
    error = np.median(np.abs(table["label"] - table["estimate"]))
    inside = ((table["lo"] <= table["label"]) & (table["label"] <= table["hi"])).mean()
    assert out_of_bag_line(ensemble) == (
        f"nu_peak: 300 sources, out of bag: median error {error:.3f} dex, 95-percent intervals "
        f"hold {inside:.1%}"
    )


@pytest.mark.parametrize("suffix", ["csv", "ecsv", "fits", "vot"])
def test_the_file_of_refining(ensembles, tmp_path, suffix):
    """CSV has the columns of the original; the others all, in their order."""
    refined = refine(list(ensembles.values()))
    path = tmp_path / f"refined.{suffix}"
    write_refined(refined, path)
    expected = original_columns(refined) if suffix == "csv" else refined
    assert Table.read(path).colnames == expected.colnames
    with pytest.raises(FileExistsError):
        write_refined(refined, path)


def test_both_targets(ensembles, ensemble_dir):
    """A folder with both targets gives one row a source, with a bit for each."""
    refined = refine(ensemble_dir)
    assert len(refined) == 300
    assert refined["suspicious"].max() <= 3
    assert {"log_nu_peak_q", "log_nufnu_peak_q"} <= set(refined.colnames)
    assert (refined.meta["PILEVEL"], refined.meta["FALSEDIS"]) == (0.95, 0.1)  # by default
    for target in ("log_nu_peak", "log_nufnu_peak"):
        error = refined[f"{target}_label"] - refined[target]
        assert_allclose(refined[f"{target}_z"], error / refined[f"{target}_std"])
    assert_array_equal(refine(list(ensembles.values()))["name"], refined["name"])


def test_columns_are_described(ensemble_dir):
    """Every column has a description and a UCD of the controlled vocabulary."""
    for column in refine(ensemble_dir).itercols():
        assert column.info.description
        assert parse_ucd(column.meta["ucd"], check_controlled_vocabulary=True)


def test_different_sources(ensembles):
    """Ensembles of different training sets are not mixed."""
    other = _with_labels(
        ensembles["nufnu_peak"],
        ensembles["nufnu_peak"].source_columns["label"],
        name=ensembles["nufnu_peak"].source_columns["name"][::-1],
    )
    with pytest.raises(ValueError, match="different training sources"):
        refine([ensembles["nu_peak"], other])


def test_original_columns(ensembles):
    """The table of the original: half widths, and the level in the name of the last column."""
    refined = refine([ensembles["nu_peak"]])
    table = original_columns(refined)
    assert table.colnames == [
        "Right Ascension", "Declination", "Bag", "Catalogue Peak", "Estimated Peak",
        "Estimate Error (95%)",
    ]  # fmt: skip
    half = (refined["log_nu_peak_hi"] - refined["log_nu_peak_lo"]) / 2
    assert_allclose(table["Estimate Error (95%)"], half)
    assert (
        original_columns(refine([ensembles["nu_peak"]], level=0.68)).colnames[-1].endswith("(68%)")
    )
    with pytest.raises(ValueError, match="need the ensemble for nu_peak"):
        original_columns(refine([ensembles["nufnu_peak"]]))


def test_p_values_of_right_labels():
    """Among right labels p-values are uniform as far as they matter, however wide all are."""
    rng = np.random.default_rng(8)
    distance = np.abs(rng.normal(0, rng.choice([0.7, 1.6]), 2000))
    p = p_values(distance, np.arange(2000) % 5, np.zeros(2000, int))
    for share in (0.5, 0.1, 0.01):
        assert_allclose((p < share).mean(), share, atol=4 * np.sqrt(share / 2000))


def test_p_values_are_those_of_the_own_group():
    """Distances of one group say nothing of another."""
    rng = np.random.default_rng(4)
    group = np.repeat([0, 1], 500)
    distance = np.abs(rng.normal(0, np.where(group == 0, 1.0, 3.0)))
    bag = np.arange(1000) % 5
    together = p_values(distance, bag, group)
    for g in (0, 1):
        rows = group == g
        assert_allclose(together[rows], p_values(distance[rows], bag[rows], group[rows]))


def test_p_values_find_wrong_labels():
    """Of labels wrong by six standard deviations most are found; hardly a right one is accused."""
    rng = np.random.default_rng(10)
    distance, wrong = np.abs(rng.normal(0, 1, 2000)), rng.random(2000) < 0.05
    distance[wrong] = np.abs(rng.normal(6, 1, wrong.sum()))
    suspicious = q_value(p_values(distance, np.arange(2000) % 5, np.zeros(2000, int))) < 0.05
    assert suspicious[wrong].mean() > 0.6
    assert suspicious[~wrong].mean() < 0.01


def test_p_values_fall():
    """The further from its estimate, the smaller; nothing to compare with, nothing to say."""
    distance = np.append(np.linspace(0.01, 10, 400), np.nan)
    p = p_values(np.tile(distance, 2), np.repeat([0, 1], 401), np.zeros(802, int))[:401]
    assert np.all(np.diff(p[:400]) <= 1e-9)
    assert np.isnan(p[400])
    assert np.isnan(p_values(distance[:5], np.zeros(5, int), np.zeros(5, int))).all()
