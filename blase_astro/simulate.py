"""SEDs with a known synchrotron peak: a blazar's physics, seen as the surveys see it.

Equations, distributions and the published results behind them: :ref:`simulate` in the
documentation. Every component is a function of log frequency and of a dict of parameters that
broadcast against it, and returns log10 of nu F_nu.
"""

from functools import cache
from importlib.resources import files

import numpy as np

from ._version import __version__
from .io.table import Points

__all__ = ["simulate_seds", "write_simulated"]

_LN10 = np.log(10.0)
_H0, _OMEGA = 67.7, 0.31  # km / (s Mpc); Planck Collaboration 2020, A&A 641, A6

# Giant elliptical at rest: log frequency and log nuFnu relative to the R band. From the colours of
# Fukugita et al. 1995 (UBVRI), Mannucci et al. 2001 (JHK) and old stars in WISE.
_HOST = np.array(
    [
        (12.90, -2.50), (13.13, -2.25), (13.40, -1.80), (13.81, -0.95), (13.95, -0.565),
        (14.14, -0.114), (14.26, 0.109), (14.38, 0.142), (14.575, 0.08), (14.67, 0.0),
        (14.74, -0.104), (14.83, -0.343), (14.915, -0.815), (15.0, -1.35), (15.1, -1.8),
        (15.3, -2.3), (15.6, -3.5),
    ]
).T  # fmt: skip

# Extragalactic background light: redshift and log energy (TeV) of optical depth 1, read off the
# tables of Dominguez et al. 2011, MNRAS 410, 2556.
_EBL_Z = np.log10([0.01, 0.03, 0.1, 0.2, 0.5, 1.0, 2.0, 4.0])
_EBL_HORIZON = np.log10([19.0, 10.0, 0.92, 0.45, 0.21, 0.118, 0.070, 0.045])

# Analyses of Fermi-LAT data. At a log frequency: 1-sigma fluctuation of the background and nuFnu
# of one photon, both erg / (s cm2), and the significance of a detection.
_LAT_BANDS = {  # 4FGL-DR2, seven bands
    "log_nu": [22.233, 22.622, 23.122, 23.622, 24.122, 24.622, 25.361],
    "noise": [2.0e-12, 4.6e-13, 1.3e-13, 7.0e-14, 5.0e-14, 6.0e-14, 4.0e-14],
    "photon": [7.5e-13, 6.8e-14, 1.5e-14, 1.4e-14, 2.7e-14, 7.7e-14, 1.6e-13],
    "least": [2.2, 1.7, 1.6, 1.6, 1.3, 0.7, 0.6],
}
_LAT_NARROW = {  # thirty narrow bands, an analysis of one source
    "log_nu": [22.22, 22.47, 22.72, 22.96, 23.21, 23.46, 23.70, 23.95, 24.20, 24.44, 24.69, 24.94,
               25.18, 25.43, 25.80],
    "noise": [1.3e-12, 8.0e-13, 5.8e-13, 4.3e-13, 3.4e-13, 2.6e-13, 2.2e-13, 1.8e-13, 1.5e-13,
              1.3e-13, 1.1e-13, 1.0e-13, 1.0e-13, 1.0e-13, 1.0e-13],
    "photon": [8.0e-14, 6.0e-14, 4.3e-14, 3.5e-14, 3.5e-14, 3.9e-14, 5.5e-14, 9.0e-14, 1.5e-13,
               2.8e-13, 5.0e-13, 8.0e-13, 1.3e-12, 2.0e-12, 4.5e-12],
    "least": [3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 2.6, 2.3, 2.1, 1.9, 1.6, 1.5, 1.3, 1.2, 1.0],
}  # fmt: skip
_LAT_EARLY = {  # 1FGL to 3FGL, five bands, detections only
    "log_nu": [22.685, 23.162, 23.685, 24.162, 25.162],
    "noise": [8.0e-13, 4.0e-13, 3.0e-13, 2.0e-13, 5.0e-14],
    "photon": [1.0e-13, 5.0e-14, 7.0e-14, 1.2e-13, 1.5e-13],
    "least": [3.0, 3.0, 3.0, 2.5, 1.0],
}
_LAT_MONTHS = {  # monthly fluxes, detections only
    "log_nu": [22.384, 23.384],
    "noise": [3.0e-12, 1.0e-12],
    "photon": [3.0e-12, 3.0e-13],
    "least": [3.0, 3.0],
}
_LAT = (_LAT_BANDS, _LAT_NARROW, _LAT_EARLY, _LAT_MONTHS)

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

# Instruments: upper edge of their bands; share of the rows that are from one and the same epoch.
_EPOCH_EDGES = np.array([12.3, 13.95, 14.45, 15.05, 16.0, 17.95, 20.0])
_SAME_EPOCH = np.array([0.1, 0.9, 0.6, 0.15, 0.4, 0.4, 0.5, 0.0])
_UV, _X_RAY = 4, 5
_N_EPOCHS = 24

_GAIA, _PLATE = 14.64885, 14.73878  # log frequency of Gaia's G and of the V of photographic plates
_WISE_W4, _WISE_W3 = 13.135, 13.40
_SPARSE = 20  # an SED of fewer rows is what all-sky surveys give


def _normal(rng, mean, scatter, n, lo=-np.inf, hi=np.inf):
    """Normal numbers, clipped; ``mean`` and ``scatter`` are scalars or of shape (n,)."""
    return np.clip(mean + scatter * rng.standard_normal(n), lo, hi)


def _logistic(value):
    return 0.5 * (1 + np.tanh(0.5 * value))


def _softplus(value, width):
    """Zero below and ``value`` above zero, with a bend of the given width."""
    return width * np.logaddexp(0.0, value / width)


def _take(par, index):
    return {key: value[index] for key, value in par.items()}


def _near(log_nu, where, width=0.002):
    return np.abs(log_nu - where) < width


# --- what a blazar is -------------------------------------------------------------------------


def _population(n, rng):
    """Draw the physical parameters of n blazars: a dict of arrays of shape (n,)."""
    # The label is broad and flat: whoever trains gives the weights.
    nu = rng.uniform(11.8, 18.0, n)
    fsrq = rng.random(n) < 0.92 * _logistic((13.35 - nu) / 0.27)
    z = np.where(fsrq, 0.20 - 0.28 * (nu - 12.25), -0.15 - 0.12 * (nu - 13))
    z = 10 ** _normal(rng, np.clip(z, -0.6, 0.25), np.where(fsrq, 0.20, 0.36), n, -1.7, 0.6)
    par = {"nu": nu, "fsrq": fsrq, "z": z}
    _draw_synchrotron(par, n, rng)
    _draw_thermal(par, n, rng)
    _draw_compton(par, n, rng)
    # Lobes relative to the core at 1.4 GHz.
    par["lobe"] = _normal(rng, -1.5, 0.6, n)
    par["lobe_slope"] = _normal(rng, 0.2, 0.12, n, -0.1, 0.5)
    # Standard deviation (dex) of the flux over the epochs, at the synchrotron peak.
    amplitude = np.where(fsrq, -0.66, -0.70 - 0.02 * np.clip(nu - 13, 0, 4))
    par["amplitude"] = 10 ** _normal(rng, amplitude, 0.15, n)
    par["sky"] = 10 ** _normal(rng, 0, 0.12, n)  # diffuse gamma rays of the place
    return par


def _draw_synchrotron(par, n, rng):
    nu, fsrq = par["nu"], par["fsrq"]
    # Curvature falls with the peak frequency: 1/b rises by 2.04 a decade (Chen 2014).
    curvature = 1 / (2.04 * np.clip(nu - 10.84, 1.5, None))
    par["b_lo"] = curvature * 10 ** _normal(rng, -0.03, 0.10, n)
    par["b_hi"] = par["b_lo"] * 10 ** _normal(rng, 0.02, np.where(fsrq, 0.15, 0.22), n)
    par["slope"] = _normal(rng, np.where(fsrq, 0.42, 0.51), 0.07, n, 0.2, 0.9)
    core = np.where(fsrq, 1.10, 0.97)
    par["slope_radio"] = _normal(rng, core, 0.14, n, 0.6, 1.5)
    # Where the core becomes transparent; an inverted core does not make the radio fainter, it
    # becomes transparent earlier.
    turnover = np.where(fsrq, 10.70 + 0.35 * (nu - 12.2), 11.2 + 0.2 * np.clip(nu - 12.2, 0, 1.3))
    turnover -= 2.0 * (par["slope_radio"] - core)
    turnover = _normal(rng, turnover, np.where(fsrq, 0.2, 0.4), n, 9.6, 13)
    par["turnover"] = np.minimum(turnover, nu - 0.3)
    par["cutoff"] = nu + rng.uniform(2.5, 5.0, n)


def _draw_thermal(par, n, rng):
    """Disc and torus, relative to the synchrotron peak, and the host galaxy."""
    nu, z = par["nu"], par["z"]
    par["disc_excess"] = _normal(rng, 0, 0.33, n)
    disc = par["disc_excess"] - 0.30 - 0.25 * np.clip(nu - 12.4, -0.3, 1.5)
    hidden = 0.2 + 1.0 * rng.random(n) + 0.3 * np.clip(nu - 13.5, 0, None)
    par["disc"] = np.where(par["fsrq"], disc, disc - hidden)
    par["disc_nu"] = _normal(rng, 15.42, 0.10, n) - np.log10(1 + z)
    par["torus"] = par["disc"] + _normal(rng, -0.3, 0.2, n)
    magnitude = _normal(rng, -22.8, 0.6, n)  # M_R, Sbarufatti et al. 2005
    par["host"] = 44.35 - 0.4 * (magnitude + 22.8) - np.log10(4 * np.pi) - 2 * _log_distance(z)
    # Gaia sees the core of a galaxy, plates see too much of one that is no point.
    par["host_gaia"] = _normal(rng, -0.7, 0.25, n, -2, 0)
    par["host_plate"] = 1.8 * rng.random(n) * np.clip(1 - z / 0.25, 0, 1)


def _draw_compton(par, n, rng):
    """Shape and level of the inverse Compton component, from the gamma rays of 4LAC."""
    nu, fsrq = par["nu"], par["fsrq"]
    index = np.where(fsrq, 2.49 - 0.07 * (nu - 12.25), 2.24 - 0.115 * (nu - 12.75))
    index = _normal(rng, np.maximum(index, 1.78), np.where(fsrq, 0.16, 0.115), n, 1.4, 3.0)
    b_hi = 10 ** _normal(rng, np.where(fsrq, -0.87, -1.1 - 0.05 * (nu - 13)), 0.18, n)
    # The log-parabola has the photon index at the pivot: 1 GeV for soft, 5 GeV for hard spectra.
    pivot = 23.35 + 1.3 * (2.5 - index)
    par["index"] = index
    par["ic_nu"] = np.clip(pivot - (index - 2) / (2 * b_hi), 20.8, 26.5)
    par["ic_cutoff"] = np.maximum(par["ic_nu"] + rng.uniform(2.5, 5.0, n), 25.0)
    par["ic_b_lo"] = b_hi * 10 ** _normal(rng, -0.05, 0.08, n)
    par["ic_b_hi"] = b_hi
    # Energy flux of 0.1-100 GeV over the flux of the synchrotron peak.
    faint = 0.62 - 0.05 * (nu - 13) - 0.2 * np.clip(nu - 15.2, 0, None)
    ratio = np.where(fsrq, 0.80 - 0.18 * (nu - 12.5), faint)
    par["gamma_ratio"] = _normal(rng, ratio, np.where(fsrq, 0.32, 0.28), n)
    par["ic_slope"], par["ic_level"] = np.full(n, 0.4), np.zeros(n)
    column = {key: value[:, None] for key, value in par.items()}
    mean = np.mean(10 ** _compton(np.linspace(22.4, 25.4, 16), column), axis=1)
    par["ic_level"] = par["gamma_ratio"] - np.log10(mean * 3 * _LN10)
    # X-rays over the synchrotron peak; with a bright disc there is more to scatter.
    tail = -1.0 - 0.2 * (nu - 12.5) - 0.4 * np.clip(nu - 13.8, 0, None)
    tail = np.where(fsrq, -0.75 - 0.27 * (nu - 12.1) + 0.5 * par["disc_excess"], tail)
    tail = _normal(rng, tail, np.where(fsrq, 0.25, 0.33), n)
    # The power law that leads from the log-parabola down to them.
    width, drop = par["ic_nu"] - 17.7, np.maximum(par["ic_level"] - tail, 0.05)
    par["ic_b_lo"] = b_lo = np.maximum(par["ic_b_lo"], 1.05 * drop / width**2)
    par["ic_slope"] = np.clip(2 * b_lo * (width - np.sqrt(width**2 - drop / b_lo)), 0.1, 1.2)


def _set_level(par, rows, rng):
    """Scale each SED by its gamma rays: all of these sources were found by Fermi."""
    n = len(rows)
    # Energy flux over the threshold, which is lower for hard spectra. Well-studied sources are
    # bright ones.
    study = np.log10(np.maximum(rows, 9) / 9)
    excess, shape = 0.42 + 0.36 * study, 2.5 + 3.0 * study
    energy = -11.88 + 0.45 * (par["index"] - 2) + excess / shape * rng.gamma(shape)
    par["level"] = np.minimum(energy, -8.6 + 0.2 * rng.random(n)) - par["gamma_ratio"]
    par["lobe_level"] = _synchrotron(np.full(n, 9.15), par) + par["lobe"]


# --- what it radiates -------------------------------------------------------------------------


def _hump(log_nu, peak, b_lo, b_hi, slope):
    """Log-parabola whose low side goes over into a power law of the given slope."""
    offset = log_nu - peak
    reach = slope / (2 * b_lo)
    power_law = slope * (offset + reach) - b_lo * reach**2
    low = np.where(offset < -reach, power_law, -b_lo * offset**2)
    return np.where(offset < 0, low, -b_hi * offset**2)


def _end(log_nu, cutoff):
    return np.sqrt(10 ** np.clip(log_nu - cutoff, -20, 8)) / _LN10


def _synchrotron(log_nu, par):
    """Synchrotron component relative to the top of its log-parabola."""
    hump = _hump(log_nu, par["nu"], par["b_lo"], par["b_hi"], par["slope"])
    opaque = _softplus(par["turnover"] - log_nu, 0.15)
    return hump - (par["slope_radio"] - par["slope"]) * opaque - _end(log_nu, par["cutoff"])


def _compton(log_nu, par):
    """Inverse Compton component, on the scale of `_synchrotron`."""
    hump = _hump(log_nu, par["ic_nu"], par["ic_b_lo"], par["ic_b_hi"], par["ic_slope"])
    none = 1.5 * _softplus(15.5 - log_nu, 0.3)  # no scattered photon ends up below
    return par["ic_level"] + hump - none - _end(log_nu, par["ic_cutoff"])


def _lobes(log_nu, par):
    aged = _softplus(log_nu - 11.0, 0.2)
    return par["lobe_level"] + par["lobe_slope"] * (log_nu - 9.15) - aged


def _disc(log_nu, par):
    """Thin disc, nu^(4/3) with an exponential end, and the X-rays of its corona."""
    offset = np.clip(log_nu - par["disc_nu"], -20, 8)
    bump = 4 / 3 * (offset + (1 - 10**offset) / _LN10)
    corona = -1.5 + 0.1 * (log_nu - 17.4)
    return par["disc"] + np.where(log_nu < 16.3, bump, corona)


def _torus(log_nu, par):
    """Dust: a black body of 1200 K and a plateau of cooler ones."""
    offset = np.clip(log_nu + np.log10(1 + par["z"]) - 13.95, -20, 4)
    hot = 4 * offset - np.log10(np.expm1(np.clip(3.92 * 10**offset, 1e-9, 600))) + 1.69
    cool = np.where(offset < -0.7, 1.6 * (offset + 0.7), 0) - 0.15 - 4 * np.maximum(offset, 0)
    return par["torus"] + np.log10(10**hot + 10**cool) - 0.2


def _host(log_nu, par):
    """Giant elliptical galaxy, all its light, in erg / (s cm2)."""
    rest = log_nu + np.log10(1 + par["z"])
    return par["host"] + np.interp(rest, *_HOST, left=-9, right=-9)


def _log_distance(z):
    """log10 of the luminosity distance in cm."""
    grid = np.linspace(0, 4.5, 4501)
    slowness = 1 / np.sqrt(_OMEGA * (1 + grid) ** 3 + 1 - _OMEGA)
    comoving = np.concatenate([[0], np.cumsum((slowness[1:] + slowness[:-1]) / 2)]) * grid[1]
    megaparsec = 299792.458 / _H0 * np.interp(z, grid, comoving) * (1 + z)
    return np.log10(megaparsec) + np.log10(3.0857e24)


def _ebl_depth(log_nu, z):
    """Optical depth of the extragalactic background light."""
    log_energy = log_nu - 26.3834  # TeV
    horizon = np.interp(np.log10(z), _EBL_Z, _EBL_HORIZON)
    ratio = 10 ** np.clip(log_energy - horizon, -20, 1.5)
    return 0.5 * (ratio + ratio**2)


def _forest_depth(log_nu, z):
    """Mean optical depth of the Lyman alpha forest (Madau 1995), and of the Lyman limit."""
    ratio = 10 ** (15.3919 - log_nu)  # wavelength over that of Lyman alpha
    forest = np.where(ratio < 1 + z, 0.0036 * ratio**3.46, 0)
    return forest + np.where(ratio < 0.75 * (1 + z), 0.25 * (1 + z) ** 1.5, 0)


def _peak(par, width=0.7, step=0.01):
    """Position and height of the top of the synchrotron component, shape (n,) each."""
    grid = np.arange(-width, width + step / 2, step)
    column = {key: value[:, None] for key, value in par.items()}
    flux = _synchrotron(column["nu"] + grid, column)
    top = np.clip(np.argmax(flux, axis=1), 1, len(grid) - 2)
    left, middle, right = np.take_along_axis(flux, top[:, None] + [-1, 0, 1], axis=1).T
    bend = np.minimum(left - 2 * middle + right, -1e-12)
    shift = np.clip(0.5 * (left - right) / bend, -1, 1)
    return par["nu"] + grid[top] + shift * step, middle - 0.25 * (left - right) * shift


def _total(log_nu, par, synchrotron, compton):
    """Sum of all components in erg / (s cm2), absorbed on its way; the two of the jet are given."""
    total = 10**synchrotron + 10**compton + 10 ** (par["level"] + _lobes(log_nu, par))
    thermal = (log_nu > 12) & (log_nu < 20)
    log_nu_t, par_t = log_nu[thermal], _take(par, thermal)
    host = _host(log_nu_t, par_t)
    host += np.where(_near(log_nu_t, _GAIA, 2e-4), par_t["host_gaia"], 0)
    host += np.where(_near(log_nu_t, _PLATE, 2e-4), par_t["host_plate"], 0)
    nucleus = 10 ** _disc(log_nu_t, par_t) + 10 ** _torus(log_nu_t, par_t)
    total[thermal] += 10**host + 10 ** par_t["level"] * nucleus
    depth = np.zeros(len(log_nu))
    for band, absorbed in (
        ((log_nu > 14.6) & (log_nu < 16.5), _forest_depth),
        (log_nu > 24, _ebl_depth),
    ):
        depth[band] = absorbed(log_nu[band], par["z"][band])
    return np.log10(total) - depth / _LN10


# --- how it is sampled ------------------------------------------------------------------------


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


# --- how it is measured -----------------------------------------------------------------------


def _change(amplitude, state):
    """Log flux of a state over the mean flux, for which the source has its label."""
    return amplitude * state - 0.5 * _LN10 * amplitude**2


def _observed_flux(log_nu, sed, par, rng):
    """Flux of each row at its epoch, without noise (log10)."""
    n, m = len(par["nu"]), len(log_nu)
    instrument = np.searchsorted(_EPOCH_EDGES, log_nu)
    usual = rng.integers(0, _N_EPOCHS, (n, len(_SAME_EPOCH)))
    usual[:, _UV] = usual[:, _X_RAY]  # telescopes of one satellite
    same = rng.random(m) < _SAME_EPOCH[instrument]
    epoch = np.where(same, usual[sed, instrument], rng.integers(0, _N_EPOCHS, m))
    # Flares of the two components go together, though not strictly.
    states = rng.standard_normal((2, n, _N_EPOCHS))
    state, own = states[:, sed, epoch]
    state_compton = 0.7 * state + 0.71 * own
    state = state + np.where((log_nu > 16) & (log_nu < 20), 0.7, 0)  # satellites go for flares
    par = _take(par, sed)
    # From the slow core over the peak to the short-lived electrons above it.
    offset = log_nu - par["nu"]
    rise = 0.4 + 0.6 * _logistic((offset + 1.0) / 0.4) + 0.6 * _logistic((offset - 0.7) / 0.4)
    amplitude = par["amplitude"] * np.where(log_nu < 12.3, 0.6, rise)
    averaged = (log_nu > 21) & (log_nu < 26.2) & ~_near(log_nu, _LAT_MONTHS["log_nu"][1])
    amplitude_compton = par["amplitude"] * np.where(averaged, 0.3, 0.9)
    synchrotron = par["level"] + _synchrotron(log_nu, par) + _change(amplitude, state)
    compton = par["level"] + _compton(log_nu, par) + _change(amplitude_compton, state_compton)
    return _total(log_nu, par, synchrotron, compton)


def _systematics(log_nu, sed, n, rng):
    """What calibration, confusion and dust do to each row (dex)."""
    m = len(log_nu)
    plate = _near(log_nu, _PLATE, 2e-4)
    shift = _normal(rng, 0, 0.04, (n, 8))[sed, np.searchsorted(_EPOCH_EDGES, log_nu)]
    shift += _normal(rng, 0, np.where(plate, 0.15, 0.03), m)
    wild = rng.random(m) < np.where(plate, 0.05, 0.01)
    shift += np.where(wild, _normal(rng, 0, 0.5, m), 0)
    # Red sources come out too faint in W3 and too bright in W4 (Wright et al. 2010).
    wise = _near(log_nu, _WISE_W3, 0.03), _near(log_nu, _WISE_W4, 0.02)
    shift += np.select(wise, [-0.09, 0.035], 0.0)
    # Gaia's magnitudes are taken as they are; elsewhere the correction for dust has an error.
    dust = 0.02 + rng.exponential(0.1, n)[sed]
    residual = _normal(rng, 0, 0.05, n)[sed] * np.clip(log_nu - 14.3, 0, 1) * (log_nu < 16)
    return shift - np.where(_near(log_nu, _GAIA, 2e-4), dust, residual)


def _measure(log_flux, log_nu, sed, error, par, rng):
    """Flux, upper and lower end, limit flag and keep-mask of each row."""
    n, m = len(par["nu"]), len(log_nu)
    scatter = np.log10(1 + np.clip(np.where(error > 0, error, 0.1), 0, 0.4))
    noise = scatter * _normal(rng, 0, 1, m, -3, 3)
    flux = 10 ** (log_flux + _systematics(log_nu, sed, n, rng) + noise)
    unknown = np.where(error > 0, 1.0, np.nan)
    upper, lower = flux * (1 + error) * unknown, flux * (1 - np.minimum(error, 0.95)) * unknown
    limit, keep = np.zeros(m, bool), np.ones(m, bool)
    lat = _is_lat(log_nu)
    columns = _measure_lat(10 ** log_flux[lat], log_nu[lat], par["sky"][sed[lat]], rng)
    flux[lat], upper[lat], lower[lat], limit[lat], keep[lat] = columns
    return flux, upper, lower, limit, keep


def _is_lat(log_nu):
    return (log_nu > 22) & (log_nu < 25.85)


def _lat_analysis(log_nu):
    """Which analysis of Fermi data a frequency belongs to: an index into ``_LAT``."""

    def listed(analysis):
        grid = np.array(analysis["log_nu"])
        return _near(grid[np.clip(np.searchsorted(grid, log_nu - 0.002), 0, len(grid) - 1)], log_nu)

    return np.select([listed(_LAT_BANDS), listed(_LAT_EARLY), listed(_LAT_MONTHS)], [0, 2, 3], 1)


def _measure_lat(true, log_nu, sky, rng):
    """The same of the Fermi-LAT: background noise and counted photons."""
    analysis = _lat_analysis(log_nu)
    noise, photon, least = (
        np.choose(analysis, [np.interp(log_nu, lat["log_nu"], lat[name]) for lat in _LAT])
        for name in ("noise", "photon", "least")
    )
    noise = noise * sky
    flux = photon * rng.poisson(np.minimum(true / photon, 1e7))
    flux = flux + noise * rng.standard_normal(len(log_nu))
    sigma = np.sqrt(noise**2 + photon * np.maximum(flux, 0.3 * photon))
    limit = flux < least * sigma
    # The best fit of a limit is tiny or zero, as in the catalogs.
    best_fit = np.where(
        analysis == 0, np.maximum(flux, 0) + 1e-5 * sigma * rng.random(len(flux)), 0
    )
    flux = np.where(limit, best_fit, flux)
    upper = flux + np.where(limit, 2 * sigma, sigma)
    lower = np.where(limit, 0.0, np.maximum(flux - sigma, 0.05 * flux))
    return flux, upper, lower, limit, ~limit | (analysis < 2)


# --- all of it --------------------------------------------------------------------------------


def simulate_seds(n, *, seed=0, sampling=None):
    """Simulate SEDs of gamma-ray blazars whose synchrotron peak is known.

    The peak frequencies are uniform in log10 from 11.8 to 18 (less what self-absorption and the
    exponential end shift them); everything else follows from published population results. A
    simulated SED is sampled like a real one: at the frequencies of an SED of ``sampling``, less
    what would be too faint, and with its relative errors. Fluxes and labels of ``sampling`` are
    not used.

    Parameters
    ----------
    n : int
        Number of SEDs.
    seed : int
        Seed of the random numbers; the same seed gives the same SEDs.
    sampling : `~blase_astro.io.Points`, optional
        Real SEDs to sample like. By default half of the SEDs have what radio, optical, X-ray and
        gamma-ray all-sky surveys give, and half have many more surveys and epochs.

    Returns
    -------
    points : `~blase_astro.io.Points`
        Measurements of the n SEDs; a missing uncertainty is NaN.
    truth : `~astropy.table.Table`
        One row an SED: ``log_nu_peak`` (log10 of Hz, observer's frame) and ``log_nufnu_peak``
        (log10 of erg / (s cm2)) of the synchrotron component alone at its mean flux,
        ``redshift``, ``ra`` and ``dec`` (deg), ``source_class`` ('bll' or 'fsrq') and ``pattern``
        (which SED of ``sampling`` gave the sampling, -1 without).

    Raises
    ------
    ValueError
        If n is not positive, or ``sampling`` holds no measurement.

    Examples
    --------
    >>> from blase_astro.simulate import simulate_seds
    >>> points, truth = simulate_seds(3, seed=1)
    >>> len(points.name), len(truth)
    (3, 3)
    """
    if n < 1:
        raise ValueError(f"number of SEDs: wanted at least 1, got {n}")
    rng = np.random.default_rng(seed)
    par = _population(n, rng)
    if sampling is None:
        pattern = np.full(n, -1)
        sed, log_nu, error, depth = _survey_rows(n, rng)
        _set_level(par, np.bincount(sed, minlength=n), rng)
    else:
        real_nu, real_error, rows, first = _patterns(sampling)
        if not rows.any():
            raise ValueError(f"sampling: wanted measurements, got {len(rows)} SEDs without any")
        candidates = _candidates(rows, n, rng)
        _set_level(par, rows[candidates[:, 0]], rng)
        pattern = _fitting(candidates, real_nu, rows, par, rng)
        sed, log_nu, error = _pattern_rows(pattern, real_nu, real_error, rows, first)
        depth = _pattern_depth(sed, log_nu, n, rng)
    columns = _observe(par, sed, log_nu, error, depth, rng)
    truth = _truth(par, pattern, rng)
    return _points(par, truth, columns, rng), truth


def _observe(par, sed, log_nu, error, depth, rng):
    """Measure the SEDs: sed, frequency, flux, its bounds and limit flag of the rows that result."""
    n = len(par["nu"])
    keep = _thin(sed, log_nu, n, rng)
    sed, log_nu, error, depth = sed[keep], log_nu[keep], error[keep], depth[keep]
    # The flux of 10-100 GeV is listed at 60 GeV, but it is that of the band's logarithmic middle.
    inside = np.where(_near(log_nu, _LAT_EARLY["log_nu"][-1]), 24.85, log_nu)
    log_flux = _observed_flux(inside, sed, par, rng)
    keep = _is_lat(log_nu) | (log_flux > depth)
    sed, log_nu, error, log_flux = sed[keep], log_nu[keep], error[keep], log_flux[keep]
    *measured, keep = _measure(log_flux, log_nu, sed, error, par, rng)
    return [column[keep] for column in (sed, 10**log_nu, *measured)]


def _truth(par, pattern, rng):
    from astropy.table import Table

    n = len(pattern)
    nu_peak, height = _peak(par)
    return Table(
        {
            "log_nu_peak": nu_peak,
            "log_nufnu_peak": par["level"] + height,
            "redshift": par["z"],
            "ra": rng.uniform(0, 360, n),
            "dec": np.degrees(np.arcsin(rng.uniform(-1, 1, n))),
            "source_class": np.where(par["fsrq"], "fsrq", "bll"),
            "pattern": pattern,
        }
    )


def _points(par, truth, columns, rng):
    n = len(truth)
    sed, frequency, nufnu, upper, lower, limit = columns
    label = (truth[name].tolist() for name in ("log_nu_peak", "log_nufnu_peak", "ra", "dec"))
    # Half of the BL Lacs have no lines in their spectra.
    unknown = ~par["fsrq"] & (rng.random(n) < 0.45)
    return Points(
        name=["{:.2f}_{:.2f}_{:.4f}_{:.4f}.txt".format(*row) for row in zip(*label, strict=True)],
        ra=np.array(truth["ra"]),
        dec=np.array(truth["dec"]),
        redshift=np.where(unknown, np.nan, par["z"]),
        error=[""] * n,
        sed=sed.astype(np.int64),
        frequency=frequency,
        nufnu=nufnu,
        nufnu_upper=upper,
        nufnu_lower=lower,
        upper_limit=limit,
        duplicate=np.zeros(len(sed), bool),
    )


def write_simulated(points, output, *, overwrite=False):
    """Write simulated SEDs as files of VOU_Blazars into a zip archive.

    Parameters
    ----------
    points : `~blase_astro.io.Points`
        Measurements of n SEDs, as `simulate_seds` returns them: the names hold the labels.
    output : path-like
        The archive. It is written beside and moved into place.
    overwrite : bool
        Replace an existing file.

    Raises
    ------
    OSError
        If the file exists and ``overwrite`` is not set, or cannot be written.

    Examples
    --------
    >>> from blase_astro.io import list_seds
    >>> from blase_astro.simulate import simulate_seds, write_simulated
    >>> points, truth = simulate_seds(2, seed=1)
    >>> write_simulated(points, 'simulated.zip')
    >>> len(list_seds('simulated.zip'))
    2
    """
    import os
    import tempfile
    import zipfile

    output = os.path.expanduser(output)
    if os.path.exists(output) and not overwrite:
        raise FileExistsError(f"{output} exists; to replace it, pass overwrite=True")
    folder = os.path.dirname(os.path.abspath(output))
    with tempfile.TemporaryDirectory(prefix=".blase-", dir=folder) as beside:
        path = os.path.join(beside, os.path.basename(output))
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=4) as archive:
            for name, text in zip(points.name, _texts(points), strict=True):
                archive.writestr(zipfile.ZipInfo(name), text, zipfile.ZIP_DEFLATED)
        os.replace(path, output)


def _texts(points):
    """The text of each SED's file, many times faster than `~blase_astro.io.write_vou`."""
    from .io.vou import HEADER

    missing = np.isnan(points.nufnu_upper) & np.isnan(points.nufnu_lower)
    bounds = np.where(missing, 0.0, [points.nufnu_upper, points.nufnu_lower])
    date = "55000.0000"  # none, in this format
    origin = f"simulated        blase_astro {__version__}"
    numbers = (column.tolist() for column in (points.frequency, points.nufnu, *bounds))
    flags = np.where(points.upper_limit, " UL ", " Det").tolist()
    lines = [
        f"{nu:10.3E}  {flux:10.3E}  {up:10.3E}  {lo:10.3E}  {date}  {date}  {flag}  {origin}"
        for nu, flux, up, lo, flag in zip(*numbers, flags, strict=True)
    ]
    redshift = np.nan_to_num(points.redshift, nan=0.0)
    ends = np.cumsum(np.bincount(points.sed, minlength=len(points.name))).tolist()
    start = 0
    for ra, dec, z, end in zip(points.ra, points.dec, redshift, ends, strict=True):
        title = f"   1  matched source  {ra:9.5f}  {dec:9.5f}  99  {z:5.3f}"
        yield "\n".join([title, *HEADER, *lines[start:end], ""])
        start = end
