"""SEDs with a known synchrotron peak: a blazar's physics, seen as the surveys see it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .._version import __version__
from ..io.output import placed
from ..io.table import Points
from .observation import _observe
from .physics import _host_share, _peak, _population, _set_level
from .sampling import _candidates, _fitting, _pattern_depth, _pattern_rows, _patterns, _survey_rows

if TYPE_CHECKING:
    from .._types import AnyPath, Table

__all__ = ["simulate_seds", "write_simulated"]


def simulate_seds(n: int, *, seed: int = 0, sampling: Points | None = None) -> tuple[Points, Table]:
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
        ``redshift``, ``ra`` and ``dec`` (deg), ``source_class`` ('bll' or 'fsrq'), ``host_share``
        (share of the host galaxy in the light at 4.7e14 Hz) and ``pattern``
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
            "host_share": _host_share(par),
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


def write_simulated(points: Points, output: AnyPath, *, overwrite: bool = False) -> None:
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
    import zipfile

    with (
        placed(output, overwrite=overwrite) as beside,
        zipfile.ZipFile(beside, "w", zipfile.ZIP_DEFLATED, compresslevel=4) as archive,
    ):
        for name, text in zip(points.name, _texts(points), strict=True):
            archive.writestr(zipfile.ZipInfo(name), text, zipfile.ZIP_DEFLATED)


def _texts(points):
    """The text of each SED's file, many times faster than `~blase_astro.io.write_vou`."""
    from ..io.vou.writer import HEADER

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
