"""Scores: against scoringrules and scipy, and against what is known by hand."""

import numpy as np
import pytest
from astropy.table import Table
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

from blase_astro.evaluate import (
    LEVELS,
    class_groups,
    confusion,
    crps,
    evaluate,
    evaluate_groups,
    ks_distance,
    n_bins_groups,
    normal_cdf,
    normal_interval,
    q_value,
    randomised_pit,
    winkler_score,
)
from blase_astro.targets import sed_class

RNG = np.random.default_rng(20)
MEAN = RNG.uniform(12, 18, 5000)
STD = RNG.uniform(0.1, 0.6, 5000)
LABEL = RNG.normal(MEAN, STD)
LO, HI = normal_interval(MEAN, STD)

p_values = hnp.arrays(float, st.integers(1, 40), elements=st.floats(0, 1))


def test_scores_of_a_known_case():
    """Every error score of four sources, worked out by hand."""
    label, mean = np.array([13.0, 14.0, 15.0, 16.0]), np.array([13.1, 13.8, 15.4, 14.0])
    row = evaluate(label, mean, mean - 0.3, mean + 0.3)[0]
    assert_allclose(row["abs_error_median"], 0.3)
    assert_allclose([row["abs_error_25"], row["abs_error_75"]], [0.175, 0.8])
    assert_allclose(row["abs_error_mean"], 2.7 / 4)
    assert_allclose(row["rms"], np.sqrt((0.01 + 0.04 + 0.16 + 4) / 4))
    assert_allclose(row["bias"], (0.1 - 0.2 + 0.4 - 2) / 4)
    assert_allclose(row["bias_median"], (0.1 - 0.2) / 2)
    assert row["outliers"] == 0.25
    assert row["coverage_95"] == 0.5
    assert_allclose(row["coverage_95_err"], np.sqrt(0.95 * 0.05 / 4))
    assert_allclose(row["winkler"], 0.6 + 40 * (0.1 + 1.7) / 4)


def test_right_distribution_scores_right():
    """Estimates from the true distribution are covered at every level, with a uniform PIT."""
    row = evaluate(LABEL, MEAN, LO, HI)[0]
    for level in LEVELS:
        name = f"coverage_{100 * level:.0f}"
        assert_allclose(row[name], level, atol=4 * row[f"{name}_err"])
    assert row["pit_ks"] < 1.63 / np.sqrt(5000)  # 1-percent point of the KS distribution


def test_scores_are_described():
    """Every column has a description, and the table goes to ECSV and back."""
    scores = evaluate(LABEL, MEAN, LO, HI)
    assert all(column.info.description for column in scores.itercols())
    assert len(scores) == 1


def test_ecsv(tmp_path):
    """The table of groups goes to ECSV and back."""
    scores = evaluate_groups(class_groups(LABEL), LABEL, MEAN, LO, HI)
    scores.write(tmp_path / "scores.ecsv")
    again = Table.read(tmp_path / "scores.ecsv")
    assert_array_equal(again["winkler"], scores["winkler"])
    assert again.meta["level"] == 0.95


def test_winkler_against_scoringrules():
    """The Winkler score is scoringrules' interval score."""
    scoringrules = pytest.importorskip("scoringrules")
    lo, hi = normal_interval(MEAN, STD, 0.9)
    expected = scoringrules.interval_score(LABEL, lo, hi, alpha=0.1)
    assert_allclose(winkler_score(LABEL, lo, hi, 0.9), expected)


def test_crps_against_scoringrules():
    """The CRPS from intervals, and that of the default, is scoringrules' for the normal."""
    scoringrules = pytest.importorskip("scoringrules")
    expected = scoringrules.crps_normal(LABEL, MEAN, STD)
    ours = crps(LABEL, lambda level: normal_interval(MEAN, STD, level))
    assert_allclose(ours, expected, rtol=0.01, atol=1e-3)
    assert_allclose(evaluate(LABEL, MEAN, LO, HI)["crps"], expected.mean())


def test_crps_of_another_distribution():
    """The CRPS from intervals holds for a heavy tail as well."""
    scoringrules = pytest.importorskip("scoringrules")
    expected = scoringrules.crps_t(LABEL, 4.0, MEAN, STD)
    tail = stats.t(4)

    def interval(level):
        return MEAN - tail.ppf((1 + level) / 2) * STD, MEAN + tail.ppf((1 + level) / 2) * STD

    assert_allclose(crps(LABEL, interval).mean(), expected.mean(), rtol=0.005)


def test_ks_against_scipy():
    """The distance from uniform is scipy's."""
    pit = RNG.beta(1.2, 1.0, 300)
    assert_allclose(ks_distance(pit), stats.kstest(pit, "uniform").statistic)
    assert np.isnan(ks_distance([]))


def test_pit_of_rounded_labels():
    """Labels rounded to 1 dex have no uniform PIT unless it is randomised."""
    rounded = np.round(LABEL)

    def cdf(value):
        return normal_cdf(value, 15.0, 1.0)

    label = np.round(RNG.normal(15.0, 1.0, 5000))
    assert ks_distance(randomised_pit(cdf, label)) > 0.1
    assert ks_distance(randomised_pit(cdf, label, 1.0)) < 1.63 / np.sqrt(5000)
    assert_array_equal(randomised_pit(cdf, rounded, 1.0), randomised_pit(cdf, rounded, 1.0))


def test_missing_estimates_are_counted():
    """Sources without label or estimate are left out and counted."""
    label, mean = np.array([13.0, np.nan, 14.0]), np.array([13.0, 13.0, np.nan])
    row = evaluate(label, mean, mean - 1, mean + 1)[0]
    assert (row["n"], row["n_missing"]) == (1, 2)


def test_no_source():
    """No source at all gives a row of NaN, without a warning."""
    row = evaluate([], [], [], [])[0]
    assert row["n"] == 0
    assert np.isnan(row["abs_error_median"])
    assert np.isnan(row["coverage_95"])


def test_asymmetric_interval():
    """The normal distribution behind an interval takes the label's side."""
    row = evaluate([14.0], [14.2], [13.9], [17.0])[0]
    assert row["coverage_90"] == 1
    assert row["coverage_68"] == 0


def test_other_level():
    """Scores of intervals at another level use that level."""
    lo, hi = normal_interval(MEAN, STD, 0.68)
    row = evaluate(LABEL, MEAN, lo, hi, level=0.68)[0]
    assert_allclose(row["coverage_95"], 0.95, atol=0.015)
    assert_allclose(row["winkler"], winkler_score(LABEL, lo, hi, 0.68).mean())


def test_classes():
    """The edges belong to the class above, as in 4LAC."""
    names = sed_class([13.99, 14.0, 14.99, 15.0, np.nan])
    assert_array_equal(names, ["LSP", "ISP", "ISP", "HSP", "UNK"])


def test_confusion():
    """Rows are known classes, columns estimated ones; NaN is left out."""
    count = confusion([13, 13, 14.5, 16, np.nan], [13, 16, 14.5, 14.5, 13])
    assert_array_equal(count, [[1, 0, 1], [0, 1, 0], [0, 1, 0]])


def test_groups():
    """Each group's row holds the scores of its sources alone."""
    n_bins = RNG.integers(5, 27, 5000)
    groups = class_groups(LABEL) | n_bins_groups(n_bins)
    scores = evaluate_groups(groups, LABEL, MEAN, LO, HI)
    assert list(scores["sources"][:4]) == ["all", "LSP", "ISP", "HSP"]
    assert scores["n"][0] == scores["n"][1:4].sum() == scores["n"][4:].sum() == 5000
    rows = LABEL >= 15
    alone = evaluate(LABEL[rows], MEAN[rows], LO[rows], HI[rows])
    assert_allclose(scores["crps"][3], alone["crps"][0])


def test_q_value_against_scipy():
    """The adjusted p-values are scipy's; a source without p-value has no q-value."""
    p = RNG.random(200) ** 3
    assert_allclose(q_value(p), stats.false_discovery_control(p))
    with_gap = q_value([*p, np.nan])
    assert_allclose(with_gap[:-1], stats.false_discovery_control(p))
    assert np.isnan(with_gap[-1])


@settings(derandomize=True)
@given(p=p_values)
def test_q_value_keeps_order(p):
    """q-values are in the order of the p-values, at least as large and at most 1."""
    q = q_value(p)
    assert np.all(q >= p)
    assert np.all(q <= 1)
    assert np.all(np.diff(q[np.argsort(p)]) >= 0)


@settings(derandomize=True)
@given(shift=st.floats(-5, 5), level=st.floats(0.01, 0.99))
def test_scores_do_not_depend_on_the_origin(shift, level):
    """Moving labels and estimates together changes no score."""
    lo, hi = normal_interval(MEAN[:50], STD[:50], level)
    here = evaluate(LABEL[:50], MEAN[:50], lo, hi, level=level)
    there = evaluate(LABEL[:50] + shift, MEAN[:50] + shift, lo + shift, hi + shift, level=level)
    for name in ("abs_error_median", "winkler", "crps", "pit_ks"):
        assert_allclose(there[name], here[name], atol=1e-9)
