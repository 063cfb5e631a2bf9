"""Where a simulated SED has measurements: the built-in surveys, or the pattern of a real SED."""

from functools import cache
from importlib.resources import files

import numpy as np

from .physics import _compton, _normal, _synchrotron, _take, _total

__all__ = []

# What monitoring and pointed observations reach: log frequency, log nuFnu.
_DEPTH = np.array(
    [
        (7.0, -16.3), (7.87, -15.5), (8.56, -15.2), (9.12, -15.6), (9.14, -16.4), (9.7, -15.3),
        (10.3, -14.2), (11.0, -12.9), (11.7, -12.3), (12.3, -11.6), (13.0, -11.8), (13.13, -12.35),
        (13.4, -12.7), (13.81, -13.3), (14.2, -12.7), (14.65, -13.6), (15.0, -13.3), (15.4, -13.1),
        (16.7, -13.6), (17.4, -13.5), (18.0, -13.4), (18.3, -12.5), (18.7, -11.5), (19.7, -11.0),
        (25.4, -12.6), (26.5, -12.5), (28.0, -12.0),
    ]
).T  # fmt: skip
# Bands of the sampling: upper edge; where a source is tested; what an all-sky survey reaches there;
# how much it speaks against a pattern to lack the band though surveys would have seen the source.
_BAND_EDGES = np.array([8.3, 9.1, 12.3, 13.95, 14.7, 14.9, 16.5, 18.0, 20.0])
_PROBES = np.array([7.9, 8.6, 9.146, 13.6, 14.65, 14.74, 15.1, 17.38, 18.8, 26.2])
_SURVEYED = np.array([-15.5, -15.2, -16.4, -12.6, -13.4, -12.4, -13.2, -12.8, -11.3, -12.4])
_LACKING = np.array([0.1, 0.1, 0.1, 0.5, 0.1, 0.8, 0.3, 1.5, 0.2, 0.2])
_SPARSE = 20  # an SED of fewer rows is what all-sky surveys give


@cache
def _surveys():
    """The built-in surveys: a table with one row a survey and frequency."""
    from astropy.table import Table

    with (files("blase_astro") / "data" / "surveys.ecsv").open() as file:
        return Table.read(file.read(), format="ascii.ecsv")


def _survey_rows(n, rng):
    """Rows as the built-in surveys would give them: sed, log frequency, relative error, depth."""
    table = _surveys()
    name = np.asarray(table["survey"])
    few = rng.random(n) < 0.5
    parts = []
    for survey in dict.fromkeys(name):
        rows = np.flatnonzero(name == survey)
        first = table[rows[0]]
        here = np.flatnonzero(rng.random(n) < np.where(few, first["sparse"], first["rich"]))
        visits = np.repeat(here, 1 + rng.poisson(first["epochs"] - 1, len(here)))
        parts.append((np.repeat(visits, len(rows)), np.tile(rows, len(visits))))
    sed, row = (np.concatenate(part) for part in zip(*parts, strict=True))
    order = np.argsort(sed, kind="stable")
    sed, row = sed[order], row[order]
    columns = np.log10(table["frequency"]), table["error"], table["depth"]
    return sed, *(np.asarray(column, float)[row] for column in columns)


def _patterns(sampling):
    """What is copied from real SEDs: where they were measured and how well, nothing else.

    Returns log frequency and relative error (0 = none) of the rows, the number of rows of each SED
    and the first of them.
    """
    good = np.isfinite(sampling.frequency) & (sampling.frequency > 0) & ~sampling.duplicate
    flux, upper, lower, limit = (
        np.asarray(column)[good]
        for column in (
            sampling.nufnu,
            sampling.nufnu_upper,
            sampling.nufnu_lower,
            sampling.upper_limit,
        )
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        error = 0.5 * (upper - lower) / np.abs(flux)
        known = (error > 0) & (error < 2) & (lower > 0) & ~limit
    rows = np.bincount(sampling.sed[good], minlength=len(sampling.name))
    log_nu = np.log10(sampling.frequency[good])
    return log_nu, np.where(known, error, 0.0), rows, np.cumsum(rows) - rows


def _candidates(rows, n, rng):
    """For each SED 16 patterns of a similar number of rows, shape (n, 16)."""
    # In proportion to the root of the number of rows: rich SEDs are few but teach most.
    weight = np.sqrt(rows)
    order = np.argsort(rows, kind="stable")
    place = np.empty(len(rows), int)
    place[order] = np.arange(len(rows))
    first = rng.choice(len(rows), n, p=weight / weight.sum())
    window = max(len(rows) // 4, 1)
    other = place[first][:, None] + rng.integers(-window, window + 1, (n, 16))
    other = order[np.clip(other, 0, len(rows) - 1)]
    ratio = rows[other] / rows[first][:, None]
    return np.where((ratio > 0.4) & (ratio < 2.5), other, first[:, None])


def _fitting(candidates, log_nu, rows, par, rng):
    """The candidate that fits best what surveys would see of the simulated source, shape (n,)."""
    n, n_bands = len(candidates), len(_PROBES)
    used = np.zeros((len(rows), n_bands), bool)
    used[np.repeat(np.arange(len(rows)), rows), np.searchsorted(_BAND_EDGES, log_nu)] = True
    probe = np.tile(_PROBES, n)
    each = _take(par, np.repeat(np.arange(n), n_bands))
    jet = (each["level"] + component(probe, each) for component in (_synchrotron, _compton))
    flux = _total(probe, each, *jet).reshape(n, n_bands)
    sparse = rows[candidates[:, 0]] < _SPARSE
    depth = np.where(sparse[:, None], _SURVEYED, np.interp(_PROBES, *_DEPTH))
    seen = (flux > depth + _normal(rng, 0, 0.2, flux.shape))[:, None]
    used = used[candidates]
    cost = ((used & ~seen) + (~used & seen) * _LACKING).sum(axis=2)
    best = np.argmin(cost - 0.25 * np.log(rng.exponential(size=cost.shape)), axis=1)
    return candidates[np.arange(n), best]


def _pattern_rows(pattern, log_nu, error, rows, first):
    """The rows of the patterns: sed, log frequency, relative error."""
    count = rows[pattern]
    sed = np.repeat(np.arange(len(pattern)), count)
    start = np.cumsum(count) - count
    index = np.arange(len(sed)) - np.repeat(start - first[pattern], count)
    return sed, log_nu[index], error[index]


def _pattern_depth(sed, log_nu, n, rng):
    """Faintest log flux at which each row would have been measured."""
    band, n_bands = np.searchsorted(_BAND_EDGES, log_nu), len(_PROBES)
    depth = np.interp(log_nu, *_DEPTH) + _normal(rng, 0, 0.2, (n, n_bands))[sed, band]
    # The only row of a band is that of a survey, several are from observations of the source.
    alone = np.bincount(sed * n_bands + band, minlength=n * n_bands).reshape(n, n_bands) == 1
    shallower = np.maximum(_SURVEYED - np.interp(_PROBES, *_DEPTH), 0)
    return depth + np.where(alone[sed, band], shallower[band], 0)


def _thin(sed, log_nu, n, rng):
    """Keep-mask: a part of the rich SEDs loses rows at random, or whole bands."""
    rich = np.bincount(sed, minlength=n) >= _SPARSE
    share = np.where(rich & (rng.random(n) < 0.35), rng.uniform(0.05, 1, n), 1.0)
    band = np.searchsorted([8.3, 12.3, 13.9, 14.9, 16, 20, 25.3], log_nu)
    lost = (rng.random((n, 8)) < 0.12) & (rich & (rng.random(n) < 0.35))[:, None]
    return (rng.random(len(sed)) < share[sed]) & ~lost[sed, band]
