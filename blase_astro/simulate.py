"""SEDs with a known synchrotron peak: a blazar's physics, seen as the surveys see it."""

import numpy as np

from .io.table import Points

__all__ = ["simulate_seds"]

_LN10 = np.log(10.0)
_H0 = 67.7  # km / (s Mpc); with _OMEGA, Planck Collaboration 2020, A&A 641, A6
_OMEGA = 0.31

# Giant elliptical at rest: log frequency, log nuFnu relative to the R band. From the colours of
# Fukugita et al. 1995 (UBVRI), Mannucci et al. 2001 (JHK) and the WISE colours of old stars.
_HOST_NU = np.array(
    [12.9, 13.13, 13.40, 13.81, 13.95, 14.14, 14.26, 14.38, 14.575]
    + [14.67, 14.74, 14.83, 14.915, 15.0, 15.1, 15.3, 15.6]
)
_HOST_NUFNU = np.array(
    [-2.5, -2.25, -1.80, -0.95, -0.565, -0.114, 0.109, 0.142, 0.08]
    + [0.0, -0.104, -0.343, -0.815, -1.35, -1.8, -2.3, -3.5]
)

# Fermi-LAT fluctuation of the background in a band (1 sigma) and nuFnu of one photon, both in
# erg / (s cm2), at a log frequency: the seven bands of 4FGL-DR2, thirty narrow bands of an analysis
# of one source, the five bands of 1FGL to 3FGL, monthly fluxes. Last: significance of a detection.
_LAT = (
    (
        [22.233, 22.622, 23.122, 23.622, 24.122, 24.622, 25.361],
        [2.0e-12, 4.6e-13, 1.3e-13, 7.0e-14, 5.0e-14, 6.0e-14, 4.0e-14],
        [7.5e-13, 6.8e-14, 1.5e-14, 1.4e-14, 2.7e-14, 7.7e-14, 1.6e-13],
        [2.2, 1.7, 1.6, 1.6, 1.3, 0.7, 0.6],
    ),
    (
        [22.22, 22.47, 22.72, 22.96, 23.21, 23.46, 23.70, 23.95, 24.20, 24.44, 24.69, 24.94]
        + [25.18, 25.43, 25.80],
        [1.3e-12, 8e-13, 5.8e-13, 4.3e-13, 3.4e-13, 2.6e-13, 2.2e-13, 1.8e-13, 1.5e-13, 1.3e-13]
        + [1.1e-13, 1e-13, 1e-13, 1e-13, 1e-13],
        [8e-14, 6e-14, 4.3e-14, 3.5e-14, 3.5e-14, 3.9e-14, 5.5e-14, 9e-14, 1.5e-13, 2.8e-13, 5e-13]
        + [8e-13, 1.3e-12, 2.0e-12, 4.5e-12],
        [3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 2.6, 2.3, 2.1, 1.9, 1.6, 1.5, 1.3, 1.2, 1.0],
    ),
    (
        [22.685, 23.162, 23.685, 24.162, 25.162],
        [8e-13, 4e-13, 3e-13, 2e-13, 5e-14],
        [1.0e-13, 5e-14, 7e-14, 1.2e-13, 1.5e-13],
        [3.0, 3.0, 3.0, 2.5, 1.0],
    ),
    ([22.384, 23.384], [3e-12, 1.0e-12], [3e-12, 3e-13], [3.0, 3.0]),
)

# What deep enough surveys and monitoring reach: log frequency, log nuFnu.
_DEPTH_NU = np.array(
    [7.0, 7.87, 8.56, 9.12, 9.14, 9.7, 10.3, 11.0, 11.7, 12.3, 13.0, 13.13, 13.4, 13.81, 14.2]
    + [14.65, 15.0, 15.4, 16.7, 17.4, 18.0, 18.3, 18.7, 19.7, 25.4, 26.5, 28.0]
)
_DEPTH = np.array(
    [-16.3, -15.5, -15.2, -15.6, -16.4, -15.3, -14.2, -12.9, -12.3, -11.6, -11.8, -12.35, -12.7]
    + [-13.3, -12.7, -13.6, -13.3, -13.1, -13.6, -13.5, -13.4, -12.5, -11.5, -11.0, -12.6, -12.5]
    + [-12.0]
)


_EPOCH_BANDS = np.array([12.3, 13.95, 14.45, 15.05, 16, 17.95, 20])
_ONE_EPOCH = np.array([0.1, 0.9, 0.6, 0.15, 0.4, 0.4, 0.5, 0.0])
# Bands of the sampling, where their depth is tested, what a survey reaches there, and how much it
# speaks against a pattern not to have a band in which surveys would have seen the source.
_PROBE_BANDS = np.array([8.3, 9.1, 12.3, 13.95, 14.7, 14.9, 16.5, 18.0, 20.0])
_PROBES = np.array([7.9, 8.6, 9.146, 13.6, 14.65, 14.74, 15.1, 17.38, 18.8, 26.2])
_PROBE_SURVEY = np.array([-15.5, -15.2, -16.4, -12.6, -13.4, -12.4, -13.2, -12.8, -11.3, -12.4])
_PROBE_MISSED = np.array([0.1, 0.1, 0.1, 0.5, 0.1, 0.8, 0.3, 1.5, 0.2, 0.2])


def _normal(rng, mean, scatter, n, lo=-np.inf, hi=np.inf):
    """Normal numbers, clipped; ``mean`` and ``scatter`` scalars or shape (n,)."""
    return np.clip(mean + scatter * rng.standard_normal(n), lo, hi)


def _logistic(x):
    return 0.5 * (1 + np.tanh(0.5 * x))


def _softplus(x, width):
    """Zero below and ``x`` above zero, with a bend of the given width."""
    return width * np.logaddexp(0.0, x / width)


def _population(n, rng):
    """Draw the physical parameters of n blazars: a dict of arrays of shape (n,)."""
    s = {}
    # The label: broad and flat. What is learnt from is reweighted by whoever trains.
    s["nu"] = nu = rng.uniform(11.8, 18.0, n)
    s["fsrq"] = fsrq = rng.random(n) < 0.92 * _logistic((13.35 - nu) / 0.27)
    # Redshifts, photon indices and gamma-ray dominance of 4LAC (Ajello et al. 2020).
    z = np.where(fsrq, 0.20 - 0.28 * (nu - 12.25), -0.15 - 0.12 * (nu - 13))
    s["z"] = 10 ** _normal(rng, np.clip(z, -0.6, 0.25), np.where(fsrq, 0.20, 0.36), n, -1.7, 0.6)
    _draw_synchrotron(s, n, rng)

    # Lobes relative to the core at 1.4 GHz, steep spectrum.
    s["lobe"] = _normal(rng, -1.5, 0.6, n)
    s["lobe_slope"] = _normal(rng, 0.2, 0.12, n, -0.1, 0.5)
    # Disc and torus relative to the synchrotron peak; hardly any in a BL Lac.
    s["disc_dev"] = _normal(rng, 0, 0.33, n)
    disc = s["disc_dev"] + (-0.30 - 0.25 * np.clip(nu - 12.4, -0.3, 1.5))
    s["disc"] = np.where(
        fsrq, disc, disc - 0.2 - 1.0 * rng.random(n) - 0.3 * np.clip(nu - 13.5, 0, None)
    )
    s["disc_nu"] = _normal(rng, 15.42, 0.10, n) - np.log10(1 + s["z"])
    s["torus"] = s["disc"] + _normal(rng, -0.3, 0.2, n)
    _draw_compton(s, n, rng)
    s["host_mag"] = _normal(rng, -22.8, 0.6, n)  # M_R, Sbarufatti et al. 2005
    s["host_in_gaia"] = 10 ** _normal(rng, -0.7, 0.25, n, -2, 0)
    s["plate"] = 2.2 * rng.random(n) * np.clip(1 - s["z"] / 0.25, 0, 1)
    amplitude = np.where(fsrq, -0.66, -0.70 - 0.02 * np.clip(nu - 13, 0, 4))
    s["amplitude"] = 10 ** _normal(rng, amplitude, 0.15, n)
    s["sky"] = 10 ** _normal(rng, 0, 0.12, n)
    return s


def _draw_synchrotron(s, n, rng):
    """Shape of the synchrotron component."""
    nu = s["nu"]
    # Curvature against peak frequency of Chen 2014: 1/b rises by 2.04 a decade.
    b = 1 / (2.04 * np.clip(nu - 10.84, 1.5, None))
    s["b_lo"] = b * 10 ** _normal(rng, -0.03, 0.10, n)
    s["b_hi"] = s["b_lo"] * 10 ** _normal(rng, 0.02, np.where(s["fsrq"], 0.15, 0.22), n)
    s["slope"] = _normal(rng, 0.51, 0.08, n, 0.25, 0.9)
    s["slope_radio"] = _normal(rng, 0.97, 0.15, n, 0.5, 1.4)
    # Where the core becomes transparent: near the peak in FSRQs and moving with it.
    turnover = np.where(s["fsrq"], 10.85 + 0.5 * (nu - 12.2), 11.2 + 0.2 * np.clip(nu - 12.2, 0, 1.3))
    # Inverted spectra do not make the radio fainter: they end earlier.
    turnover = turnover - 2.0 * (s["slope_radio"] - 0.97)
    turnover = _normal(rng, turnover, np.where(s["fsrq"], 0.3, 0.45), n, 9.6, 13)
    s["turnover"] = np.minimum(turnover, nu - 0.3)
    s["cutoff"] = nu + rng.uniform(2.5, 5.0, n)


def _draw_compton(s, n, rng):
    """Shape and level of the inverse Compton component, from its gamma rays."""
    nu, fsrq = s["nu"], s["fsrq"]
    index = np.where(fsrq, 2.49 - 0.07 * (nu - 12.25), 2.24 - 0.115 * (nu - 12.75))
    index = _normal(rng, np.maximum(index, 1.78), np.where(fsrq, 0.16, 0.115), n, 1.4, 3.0)
    s["ic_b_hi"] = 10 ** _normal(rng, np.where(fsrq, -0.87, -1.1 - 0.05 * (nu - 13)), 0.18, n)
    s["ic_b_lo"] = s["ic_b_hi"] * 10 ** _normal(rng, -0.05, 0.08, n)
    # The log-parabola has the index at the pivot, 0.6 GeV for soft and 5 GeV for hard spectra.
    pivot = 23.35 + 1.3 * (2.5 - index)
    s["ic_nu"] = np.clip(pivot - (index - 2) / (2 * s["ic_b_hi"]), 20.8, 26.5)
    s["ic_cutoff"] = np.maximum(s["ic_nu"] + rng.uniform(2.5, 5.0, n), 25.0)
    # Energy flux of 0.1-100 GeV over the synchrotron peak.
    ratio = np.where(
        fsrq,
        0.80 - 0.18 * (nu - 12.5),
        0.62 - 0.05 * (nu - 13) - 0.2 * np.clip(nu - 15.2, 0, None),
    )
    s["gamma_ratio"] = _normal(rng, ratio, np.where(fsrq, 0.32, 0.28), n)
    s["index"] = index
    s["ic_slope"] = np.full(n, 0.4)
    s["ic_level"] = np.zeros(n)
    grid = np.linspace(22.4, 25.4, 16)
    column = {key: value[:, None] for key, value in s.items()}
    mean = np.mean(10 ** _compton(grid, column), axis=1) * 3 * _LN10
    s["ic_level"] = s["gamma_ratio"] - np.log10(mean)
    # The hard X-ray tail has the slope that leads down to the X-ray level.
    # It goes with the power of the disc, whose photons are scattered.
    tail = np.where(
        fsrq,
        -0.75 - 0.27 * (nu - 12.1),
        -1.0 - 0.2 * (nu - 12.5) - 0.4 * np.clip(nu - 13.8, 0, None),
    )
    tail += np.where(fsrq, 0.5 * s["disc_dev"], 0)
    tail = _normal(rng, tail, np.where(fsrq, 0.25, 0.33), n)
    d, drop = s["ic_nu"] - 17.7, np.maximum(s["ic_level"] - tail, 0.05)
    s["ic_b_lo"] = b = np.maximum(s["ic_b_lo"], 1.05 * drop / d**2)
    s["ic_slope"] = np.clip(2 * b * (d - np.sqrt(d**2 - drop / b)), 0.1, 1.2)


def _bend(x, nu, b_lo, b_hi, slope):
    """Log-parabola whose low side goes over into a power law of the given slope."""
    d = x - nu
    reach = slope / (2 * b_lo)
    below = np.where(d < -reach, slope * (d + reach) - b_lo * reach**2, -b_lo * d**2)
    return np.where(d < 0, below, -b_hi * d**2)


def _synchrotron(x, s):
    """log10 nuFnu of the synchrotron component relative to its log-parabola's top."""
    y = _bend(x, s["nu"], s["b_lo"], s["b_hi"], s["slope"])
    y = y - (s["slope_radio"] - s["slope"]) * _softplus(s["turnover"] - x, 0.15)
    return y - np.sqrt(10 ** np.clip(x - s["cutoff"], -20, 8)) / _LN10


def _compton(x, s):
    y = s["ic_level"] + _bend(x, s["ic_nu"], s["ic_b_lo"], s["ic_b_hi"], s["ic_slope"])
    y = y - 1.5 * _softplus(15.5 - x, 0.3)  # no seed photon ends up below
    return y - np.sqrt(10 ** np.clip(x - s["ic_cutoff"], -20, 8)) / _LN10


def _lobes(x, s):
    return s["lobe_level"] + s["lobe_slope"] * (x - 9.15) - _softplus(x - 11.0, 0.2)


def _disc(x, s):
    """Sum of a thin disc (nu^(4/3), exponential end) and its X-ray corona."""
    d = np.clip(x - s["disc_nu"], -20, 8)
    bump = s["disc"] + (4 / 3) * d + 0.55 - (10**d) * (4 / 3) / _LN10
    corona = s["disc"] - 1.5 + 0.1 * (x - 17.4)
    return np.where(x < 16.3, bump, corona)


def _torus(x, s):
    """Hot dust: a black body of about 1200 K and a broad warm part."""
    d = np.clip(x + np.log10(1 + s["z"]) - 13.95, -20, 4)
    hot = 4 * d - np.log10(np.expm1(np.clip(3.92 * 10**d, 1e-9, 600))) + 1.69
    warm = np.where(d < -0.7, 1.6 * (d + 0.7), 0) - 0.15 - 4 * np.maximum(d, 0)
    return s["torus"] + np.log10(10**hot + 10**warm) - 0.2


def _luminosity_distance(z):
    """log10 of the luminosity distance in cm (flat universe)."""
    grid = np.linspace(0, 4.5, 4501)
    e = 1 / np.sqrt(_OMEGA * (1 + grid) ** 3 + 1 - _OMEGA)
    comoving = np.concatenate([[0], np.cumsum((e[1:] + e[:-1]) / 2)]) * (grid[1] - grid[0])
    mpc = 299792.458 / _H0 * np.interp(z, grid, comoving) * (1 + np.asarray(z))
    return np.log10(mpc) + np.log10(3.0857e24)


def _host(x, s):
    """log10 nuFnu of the giant elliptical in erg / (s cm2), all its light."""
    rest = x + np.log10(1 + s["z"])
    shape = np.interp(rest, _HOST_NU, _HOST_NUFNU, left=-9, right=-9)
    return s["host_level"] + shape


def _ebl_depth(x, z):
    """Optical depth of the extragalactic background light at log frequency x."""
    energy = 10 ** np.clip(x - 26.3834, -9, 3)  # TeV
    return np.minimum((energy * z / 0.16) ** 1.4 * (1 + energy / 10) ** 0.7, 700)


def _forest_depth(x, z):
    """Mean optical depth of the Lyman-alpha forest and the Lyman limit (Madau 1995)."""
    ratio = 10 ** (15.3919 - x)  # wavelength over 1215.67 Angstrom
    forest = np.where(ratio < 1 + z, 0.0036 * ratio**3.46, 0)
    limit = np.where((ratio < (1 + z) * 0.75) & (x < 16.5), 0.25 * (1 + z) ** 1.5, 0)
    return np.where(x < 16.5, forest, 0) + limit


def _take(s, index):
    return {key: value[index] for key, value in s.items()}


def _peak(s, width=0.7, step=0.01):
    """Position and height of the top of the synchrotron component, shape (n,) each."""
    grid = np.arange(-width, width + step / 2, step)
    column = {k: v[:, None] for k, v in s.items()}
    y = _synchrotron(s["nu"][:, None] + grid, column)
    i = np.clip(np.argmax(y, axis=1), 1, len(grid) - 2)
    rows = np.arange(len(y))
    left, mid, right = y[rows, i - 1], y[rows, i], y[rows, i + 1]
    bend = left - 2 * mid + right
    shift = np.where(bend < 0, 0.5 * (left - right) / np.where(bend < 0, bend, -1), 0)
    return s["nu"] + grid[i] + shift * step, mid - 0.25 * (left - right) * shift


def _components(x, s, synchrotron, compton, gaia):
    """log10 nuFnu of the sum at each row; the two jet components given (erg / (s cm2))."""
    total = 10**synchrotron + 10**compton
    total += 10 ** (s["level"] + _lobes(x, s))
    infrared = (x > 12) & (x < 20)
    if infrared.any():
        t, xi = _take(s, infrared), x[infrared]
        host = _host(xi, t) + np.where(gaia[infrared], np.log10(t["host_in_gaia"]), 0)
        # Photographic magnitudes of galaxies that are no point sources come out too bright.
        host += np.where(np.abs(xi - 14.7388) < 2e-4, t["plate"], 0)
        total[infrared] += 10**host + 10 ** (t["level"] + _disc(xi, t))
        total[infrared] += 10 ** (t["level"] + _torus(xi, t))
    depth = np.zeros(len(x))
    uv = (x > 14.6) & (x < 16.5)
    depth[uv] = _forest_depth(x[uv], s["z"][uv])
    tev = x > 24
    depth[tev] = _ebl_depth(x[tev], s["z"][tev])
    return np.log10(total) - depth / _LN10


def _swing(amplitude, state):
    """Log flux of a state over that of the mean flux, in which the source is labelled."""
    return amplitude * state - 0.5 * _LN10 * amplitude**2


def _flux(x, sed, s, rng, gaia):
    """Noise-free but variable flux of each row (log10)."""
    n = len(s["nu"])
    p = _take(s, sed)
    n_epochs = 24
    # A band was seen at few epochs, close in time; a gamma-ray band is a mean of years.
    band = np.searchsorted(_EPOCH_BANDS, x)
    start = rng.integers(0, n_epochs, (n, 8))
    start[:, 4] = start[:, 5]  # ultraviolet and X-ray telescopes of one satellite
    other = rng.integers(0, n_epochs, len(x))
    epoch = np.where(rng.random(len(x)) < _ONE_EPOCH[band], start[sed, band], other)
    # Inverse Compton flares go together with synchrotron flares, though not strictly.
    common = rng.standard_normal((n, n_epochs))
    own = rng.standard_normal((n, n_epochs))
    synch = common[sed, epoch]
    comp = (0.7 * common + 0.71 * own)[sed, epoch]
    d = x - p["nu"]
    rise = 0.4 + 0.6 * _logistic((d + 1.0) / 0.4) + 0.6 * _logistic((d - 0.7) / 0.4)
    amplitude = p["amplitude"] * np.where(x < 12.3, 0.6, rise)
    # Satellites are pointed at flares.
    synch = synch + np.where((x > 16) & (x < 20), 0.7, 0)
    synchrotron = p["level"] + _synchrotron(x, p) + _swing(amplitude, synch)
    swing = np.where((x > 21) & (x < 26.2), 0.3, 0.9)
    swing = np.where(np.abs(x - 23.384) < 0.002, 0.9, swing)  # a month, not years
    compton = p["level"] + _compton(x, p) + _swing(p["amplitude"] * swing, comp)
    return _components(x, p, synchrotron, compton, gaia)


def _survey_rows(n, rng):
    """Rows of SEDs as the built-in surveys would give them: sed, log frequency, relative error."""
    # name, coverage, mean epochs, relative error (0 = none given), frequencies
    surveys = (
        ("NVSS", 0.8, 1, 0.03, (1.4e9,)),
        ("GB6", 0.6, 1, 0.1, (4.85e9,)),
        ("TGSS", 0.5, 1, 0.1, (1.5e8,)),
        ("AT20G", 0.3, 1, 0.05, (4.8e9, 8.6e9, 2e10)),
        ("CRATES", 0.5, 1, 0.0, (8.4e9,)),
        ("PCNT", 0.6, 1, 0.1, (3e10, 4.4e10, 7e10, 1e11, 1.43e11, 2.17e11, 3.53e11)),
        ("WISE", 0.95, 1, 0.04, (1.363e13, 2.498e13, 6.517e13, 8.817e13)),
        ("2MASS", 0.7, 1, 0.08, (1.389e14, 1.804e14, 2.427e14)),
        ("GAIA", 0.9, 1, 0.0, (4.455e14,)),
        ("USNO", 0.6, 1, 0.0, (4.684e14, 6.813e14)),
        ("PanSTARRS", 0.6, 1, 0.02, (3.12e14, 3.46e14, 3.99e14, 4.86e14, 6.23e14)),
        ("SDSS", 0.3, 1, 0.02, (3.382e14, 4.014e14, 4.876e14, 6.443e14, 8.402e14)),
        ("GALEX", 0.6, 1, 0.08, (1.295e15, 1.948e15)),
        ("UVOT", 0.4, 4, 0.05, (5.55e14, 6.93e14, 8.56e14, 1.14e15, 1.34e15, 1.48e15)),
        ("RASS", 0.8, 1, 0.25, (2.418e17,)),
        ("OUSXB", 0.5, 6, 0.25, (1.209e17, 2.418e17, 3.627e17, 7.254e17, 1.088e18)),
        ("BAT", 0.5, 1, 0.25, (1.209e19, 2.418e19)),
        ("4FGL", 1.0, 1, 0.2, tuple(10 ** np.array(_LAT[0][0]))),
        ("TEV", 0.15, 1, 0.3, (4.8e25, 7e25, 1e26, 1.5e26, 2.4e26, 4e26)),
    )
    sparse = rng.random(n) < 0.5
    seen = {"NVSS": 0.55, "GAIA": 0.8, "USNO": 0.4, "RASS": 0.9, "4FGL": 1.0}
    sed, nu, error = [], [], []
    for name, coverage, epochs, relative, frequencies in surveys:
        here = np.flatnonzero(rng.random(n) < np.where(sparse, seen.get(name, 0), coverage))
        count = rng.poisson(epochs - 1, len(here)) + 1 if epochs > 1 else np.ones(len(here), int)
        visits = np.repeat(here, count)
        sed.append(np.repeat(visits, len(frequencies)))
        nu.append(np.tile(np.log10(frequencies), len(visits)))
        error.append(np.full(len(visits) * len(frequencies), relative))
    sed, nu, error = (np.concatenate(a) for a in (sed, nu, error))
    order = np.argsort(sed, kind="stable")
    return sed[order], nu[order], error[order]


def _pattern_table(sampling):
    """What is copied from a real SED: where it was measured and how well, nothing else."""
    ok = (sampling.frequency > 0) & ~sampling.duplicate & np.isfinite(sampling.frequency)
    sed, nu = sampling.sed[ok], np.log10(sampling.frequency[ok])
    flux, up, lo = (a[ok] for a in (sampling.nufnu, sampling.nufnu_upper, sampling.nufnu_lower))
    with np.errstate(invalid="ignore", divide="ignore"):
        error = 0.5 * (up - lo) / np.abs(flux)
    good = np.isfinite(error) & (error > 0) & (error < 2) & (up > 0) & (lo > 0)
    error = np.where(good & ~sampling.upper_limit[ok], error, 0.0)
    rows = np.bincount(sed, minlength=len(sampling.name))
    first = np.concatenate([[0], np.cumsum(rows)[:-1]])
    return nu, error, rows, first


def _draw_pattern(rows, n, rng):
    """Candidates (n, 16) for the pattern of each SED: patterns about as rich as the first."""
    # In proportion to the root of the number of rows: rich SEDs are few but teach most.
    weight = np.sqrt(rows)
    order = np.argsort(rows, kind="stable")
    place = np.empty(len(rows), int)
    place[order] = np.arange(len(rows))
    first = place[rng.choice(len(rows), n, p=weight / weight.sum())]
    window = max(len(rows) // 4, 1)
    other = order[
        np.clip(first[:, None] + rng.integers(-window, window + 1, (n, 16)), 0, len(rows) - 1)
    ]
    first = order[first][:, None]
    alike = (rows[other] > 0.4 * rows[first]) & (rows[other] < 2.5 * rows[first])
    return np.where(alike, other, first)


def _choose_pattern(candidates, sampling_nu, rows, first, s, rng):
    """The candidate that fits best what surveys would see of the simulated source."""
    used = np.zeros((len(rows), len(_PROBES)), bool)
    sed = np.repeat(np.arange(len(rows)), rows)
    used[sed, np.searchsorted(_PROBE_BANDS, sampling_nu)] = True
    n = len(candidates)
    index = np.repeat(np.arange(n), len(_PROBES))
    x = np.tile(_PROBES, n)
    p = _take(s, index)
    none = np.zeros(len(x), bool)
    y = p["level"] + _synchrotron(x, p), p["level"] + _compton(x, p)
    y = _components(x, p, *y, none).reshape(n, -1)
    few = rows[candidates[:, 0]] < 20
    depth = np.where(few[:, None], _PROBE_SURVEY, np.interp(_PROBES, _DEPTH_NU, _DEPTH))
    seen = (y > depth + _normal(rng, 0, 0.2, y.shape))[:, None]
    cover = used[candidates]
    cost = ((cover & ~seen) + (~cover & seen) * _PROBE_MISSED).sum(axis=2)
    best = np.argmin(cost - 0.25 * np.log(rng.exponential(size=cost.shape)), axis=1)
    return candidates[np.arange(n), best]


def _pattern_rows(pattern, nu, error, rows, first):
    """Rows of SEDs sampled like real ones: sed, log frequency, relative error."""
    count = rows[pattern]
    sed = np.repeat(np.arange(len(pattern)), count)
    start = np.cumsum(count) - count
    index = np.arange(len(sed)) - np.repeat(start - first[pattern], count)
    return sed, nu[index], error[index]


def _set_level(s, rows, rng):
    """Level of each SED, from its gamma rays: all of these sources were found by Fermi."""
    n = len(s["nu"])
    # Energy flux over the detection threshold, which is lower for hard spectra; well-studied
    # sources are bright ones.
    study = np.log10(np.maximum(rows, 9) / 9)
    excess, shape = 0.42 + 0.3 * study, 2.5 + 1.5 * study
    energy = -11.88 + 0.45 * (s["index"] - 2) + excess / shape * rng.gamma(shape)
    s["level"] = np.minimum(energy, -8.6 + 0.2 * rng.random(n)) - s["gamma_ratio"]
    radio = np.full(n, 9.15)
    s["lobe_level"] = _synchrotron(radio, s) + s["lobe"]
    r_band = 44.35 - 0.4 * (s["host_mag"] + 22.8)
    s["host_level"] = r_band - np.log10(4 * np.pi) - 2 * _luminosity_distance(s["z"])


def _thin(sed, x, rng, n):
    """Keep-mask: a part of the rich SEDs loses rows at random, or whole bands."""
    count = np.bincount(sed, minlength=n)
    keep = np.where((rng.random(n) < 0.35) & (count > 20), rng.uniform(0.05, 1, n), 1.0)
    mask = rng.random(len(sed)) < keep[sed]
    band = np.searchsorted([8.3, 12.3, 13.9, 14.9, 16, 20, 25.3], x)
    lost = (rng.random((n, 8)) < 0.12) & (rng.random(n) < 0.35)[:, None] & (count > 20)[:, None]
    return mask & ~lost[sed, band]


def _measure(y, x, sed, error, s, rng):
    """Flux, upper and lower end, flag of a limit and keep-mask of each row."""
    n, m = len(s["nu"]), len(x)
    scatter = np.log10(1 + np.clip(np.where(error > 0, error, 0.1), 0, 0.4))
    # Zero points of a band and of a catalog, confusion, extinction.
    shift = _normal(rng, 0, 0.04, (n, 8))[sed, np.searchsorted(_EPOCH_BANDS, x)]
    plate = np.abs(x - 14.7388) < 2e-4  # 5.48e14 Hz: photographic magnitudes
    shift += _normal(rng, 0, np.where(plate, 0.15, 0.03), m) + scatter * _normal(
        rng, 0, 1, m, -3, 3
    )
    wild = rng.random(m) < np.where(plate, 0.05, 0.01)
    shift[wild] += _normal(rng, 0, 0.5, m)[wild]
    shift -= _dust(x, sed, n, rng)
    # Red sources are too faint in WISE W3 and too bright in W4 (Wright et al. 2010).
    shift += np.select([np.abs(x - 13.4) < 0.03, np.abs(x - 13.135) < 0.02], [-0.09, 0.035], 0.0)
    true = 10**y
    flux = true * 10**shift
    upper, lower = flux * (1 + error), flux * (1 - np.minimum(error, 0.95))
    upper[error == 0] = lower[error == 0] = np.nan
    limit, keep = np.zeros(m, bool), np.ones(m, bool)
    lat = (x > 22) & (x < 25.85)
    if lat.any():
        columns = _lat(true[lat], x[lat], sed[lat], s, rng)
        flux[lat], upper[lat], lower[lat], limit[lat], keep[lat] = columns
    return flux, upper, lower, limit, keep


def _dust(x, sed, n, rng):
    """Extinction left in the data (dex): fluxes of GAIA are not corrected for it at all."""
    sky = rng.exponential(0.1, n)[sed]
    left = _normal(rng, 0, 0.05, n)[sed] * np.clip(x - 14.3, 0, 1)
    return np.where(_is_gaia(x), 0.06 + sky, np.where((x > 14) & (x < 16), left, 0))


def _is_gaia(x):
    return np.abs(x - 14.64885) < 2e-4


def _lat_kind(x):
    """Which analysis of Fermi data a frequency belongs to: index into the table of noise."""

    def near(values):
        i = np.clip(np.searchsorted(values, x - 0.002), 0, len(values) - 1)
        return np.abs(np.asarray(values)[i] - x) < 0.002

    return np.select([near(_LAT[0][0]), near(_LAT[2][0]), near(_LAT[3][0])], [0, 2, 3], 1)


def _lat(true, x, sed, s, rng):
    """Measurements of the Fermi-LAT: background noise and counted photons."""
    kind = _lat_kind(x)
    noise, photon, least = (
        np.choose(kind, [np.interp(x, table[0], table[i]) for table in _LAT]) for i in (1, 2, 3)
    )
    noise = noise * s["sky"][sed]
    counts = rng.poisson(np.minimum(true / photon, 1e7))
    flux = counts * photon + noise * rng.standard_normal(len(x))
    sigma = np.sqrt(noise**2 + photon * np.maximum(flux, 0.3 * photon))
    limit = flux < least * sigma
    tiny = np.where(kind == 0, np.maximum(flux, 0) + 1e-5 * sigma * rng.random(len(x)), 0)
    flux = np.where(limit, tiny, flux)
    upper = np.where(limit, tiny + 2 * sigma, flux + sigma)
    lower = np.where(limit, 0.0, np.maximum(flux - sigma, 0.05 * flux))
    return flux, upper, lower, limit, ~limit | (kind < 2)


def simulate_seds(n, *, seed=0, sampling=None):
    """Simulate blazar SEDs whose synchrotron peak is known.

    Parameters
    ----------
    n : int
        Number of SEDs.
    seed : int
        Seed of the random numbers; the same seed gives the same SEDs.
    sampling : `~blase_astro.io.Points`, optional
        Real SEDs whose sampling (frequencies, number of rows, relative errors) is copied, without
        their fluxes. The built-in survey table by default.

    Returns
    -------
    points : `~blase_astro.io.Points`
        The measurements of the n SEDs.
    truth : `~astropy.table.Table`
        One row an SED: log_nu_peak (log10 Hz, observer frame) and log_nufnu_peak (log10
        erg / (s cm2)) of the synchrotron component alone, redshift, ra and dec (deg),
        source_class ('bll' or 'fsrq'), pattern (index of the real SED whose sampling was used,
        or -1).

    Raises
    ------
    ValueError
        If n is not positive or ``sampling`` holds no measurement.

    Examples
    --------
    >>> from blase_astro.simulate import simulate_seds
    >>> points, truth = simulate_seds(3, seed=1)
    >>> len(points.name), len(truth)
    (3, 3)
    """
    if n < 1:
        raise ValueError(f"number of SEDs is {n}; wanted at least 1")
    rng = np.random.default_rng(seed)
    s = _population(n, rng)
    if sampling is None:
        pattern = np.full(n, -1)
        sed, x, error = _survey_rows(n, rng)
        _set_level(s, np.bincount(sed, minlength=n), rng)
    else:
        nu, real_error, rows, first = _pattern_table(sampling)
        if not rows.any():
            raise ValueError("sampling has no measurement at all; wanted Points of real SEDs")
        candidates = _draw_pattern(rows, n, rng)
        _set_level(s, rows[candidates[:, 0]], rng)
        pattern = _choose_pattern(candidates, nu, rows, first, s, rng)
        sed, x, error = _pattern_rows(pattern, nu, real_error, rows, first)
    return _observe(s, pattern, sed, x, error, rng)


def _observe(s, pattern, sed, x, error, rng):
    n = len(s["nu"])
    keep = _thin(sed, x, rng, n)
    sed, x, error = sed[keep], x[keep], error[keep]
    # The flux of 10-100 GeV is printed at the arithmetic middle of the band.
    y = _flux(np.where(np.abs(x - 25.162) < 0.002, 24.85, x), sed, s, rng, _is_gaia(x))
    band = np.searchsorted(_PROBE_BANDS, x)
    # The only row of a band is that of a survey, more of them come from pointed observations.
    # (its depth is that of surveys)
    alone = np.bincount(sed * 10 + band, minlength=n * 10).reshape(n, 10) == 1
    depth = np.interp(x, _DEPTH_NU, _DEPTH) + _normal(rng, 0, 0.2, (n, 10))[sed, band]
    depth += np.where(
        alone[sed, band],
        np.maximum(_PROBE_SURVEY - np.interp(_PROBES, _DEPTH_NU, _DEPTH), 0)[band],
        0,
    )
    lat = (x > 22) & (x < 25.85)
    keep = lat | (y > depth)
    sed, x, error, y = sed[keep], x[keep], error[keep], y[keep]
    flux, upper, lower, limit, keep = _measure(y, x, sed, error, s, rng)
    rows = (a[keep] for a in (sed, x, flux, upper, lower, limit))
    return _assemble(s, pattern, rng, *rows)


def _assemble(s, pattern, rng, sed, x, flux, upper, lower, limit):
    from astropy.table import Table

    n = len(s["nu"])
    nu_peak, height = _peak(s)
    ra = rng.uniform(0, 360, n)
    dec = np.degrees(np.arcsin(rng.uniform(-1, 1, n)))
    truth = Table(
        {
            "log_nu_peak": nu_peak,
            "log_nufnu_peak": s["level"] + height,
            "redshift": s["z"],
            "ra": ra,
            "dec": dec,
            "source_class": np.where(s["fsrq"], "fsrq", "bll"),
            "pattern": pattern,
        }
    )
    unknown = ~s["fsrq"] & (rng.random(n) < 0.45)
    names = [
        f"{a:.2f}_{b:.2f}_{c:.4f}_{d:.4f}.txt"
        for a, b, c, d in zip(nu_peak, truth["log_nufnu_peak"], ra, dec, strict=True)
    ]
    points = Points(
        name=names,
        ra=ra,
        dec=dec,
        redshift=np.where(unknown, np.nan, s["z"]),
        error=[""] * n,
        sed=sed.astype(np.int64),
        frequency=10**x,
        nufnu=flux,
        nufnu_upper=upper,
        nufnu_lower=lower,
        upper_limit=limit,
        duplicate=np.zeros(len(sed), bool),
    )
    return points, truth
