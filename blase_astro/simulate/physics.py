"""What a blazar is: components, population, synchrotron peak.

Every component is a function of log frequency and of a dict of parameters that broadcast against
it, and returns log10 of nu F_nu. Equations and distributions: :ref:`simulate` in the documentation.
"""

import numpy as np

__all__ = []

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


_GAIA, _PLATE = 14.64885, 14.73878  # log frequency of Gaia's G and of the V of photographic plates


def _near(log_nu, where, width=0.002):
    return np.abs(log_nu - where) < width


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


def _host_share(par):
    """Share of the host galaxy in the light at 4.7e14 Hz, where jet and disc are at their means."""
    log_nu = np.full(len(par["nu"]), 14.67)
    host = 10 ** _host(log_nu, par)
    nucleus = 10 ** _synchrotron(log_nu, par) + 10 ** _disc(log_nu, par) + 10 ** _torus(log_nu, par)
    return host / (host + 10 ** par["level"] * nucleus)
