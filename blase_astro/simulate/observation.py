"""What surveys measure of a simulated source: variability, errors, limits, gamma-ray bands."""

import numpy as np

from .physics import (
    _GAIA,
    _LN10,
    _PLATE,
    _compton,
    _logistic,
    _near,
    _normal,
    _synchrotron,
    _take,
    _total,
)
from .sampling import _thin

__all__ = []

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
# Instruments: upper edge of their bands; share of the rows that are from one and the same epoch.
_EPOCH_EDGES = np.array([12.3, 13.95, 14.45, 15.05, 16.0, 17.95, 20.0])
_SAME_EPOCH = np.array([0.1, 0.9, 0.6, 0.15, 0.4, 0.4, 0.5, 0.0])
_UV, _X_RAY = 4, 5
_N_EPOCHS = 24
_WISE_W4, _WISE_W3 = 13.135, 13.40


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
