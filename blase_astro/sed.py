"""From measurements to binned SEDs: which points count, and into which bin they go."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

import numpy as np

from .io.table import points_from_seds, sed_arrays, texts

if TYPE_CHECKING:
    from ._types import Iterable, Points, Table

__all__ = [
    "BIN_EDGES",
    "bin_points",
    "bin_seds",
    "load_bins",
    "mean_level",
    "points_from_seds",
    "unusable_reason",
    "usable",
]

# An SED with at least this many filled bins is rich: it shows its peak.
RICH_BINS = 12
# Fewer filled bins than this: no estimate, the networks would answer with little but the prior.
MIN_BINS = 3


@cache
def load_bins(name: str = "v1") -> np.ndarray:
    """Frequency bins of the binned SEDs.

    Parameters
    ----------
    name : str
        Name of a bin set of the package (``'v1'``: the 26 bins of the original work).

    Returns
    -------
    edges : ndarray of float64, shape (n_bins, 2)
        Lower (included) and upper (excluded) edge of each bin, log10 of Hz, rising and without
        overlap.

    Raises
    ------
    ValueError
        If the package has no bin set of that name.

    Examples
    --------
    >>> from blase_astro.sed import load_bins
    >>> load_bins().shape
    (26, 2)
    """
    data = files("blase_astro") / "data"
    path = data / f"bins_{name}.ecsv"
    if not path.is_file():
        known = sorted(p.name[5:-5] for p in data.iterdir() if p.name.startswith("bins_"))
        raise ValueError(f"no bin set named {name!r}; wanted one of {', '.join(known)}")
    # Plain numbers below an ECSV header: numpy reads them without astropy's start-up cost.
    rows = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    edges = np.array([row.split() for row in rows[1:]], dtype=float)
    edges.flags.writeable = False
    return edges


BIN_EDGES = load_bins()


def usable(
    frequency: np.ndarray,
    nufnu: np.ndarray,
    nufnu_upper: np.ndarray,
    nufnu_lower: np.ndarray,
    upper_limit: np.ndarray,
    duplicate: np.ndarray,
) -> np.ndarray:
    """Which measurements count: the one rule, on arrays.

    A usable point is a detection (no upper limit) with a finite frequency > 0 whose nu F_nu is
    finite, > 0 and inside its own bounds where bounds are given. VOU_Blazars prints a flux of
    doubtful quality with a minus sign and the bounds of its magnitude: such a magnitude counts,
    any other negative flux does not. EBL-corrected copies of gamma-ray points never count.

    Parameters
    ----------
    frequency : ndarray of float, shape (m,)
        Frequency in Hz.
    nufnu, nufnu_upper, nufnu_lower : ndarray of float, shape (m,)
        nu F_nu and the ends of its interval in erg / (s cm2), NaN where not given.
    upper_limit, duplicate : ndarray of bool, shape (m,)
        True where the row is no detection; where it repeats another row.

    Returns
    -------
    usable : ndarray of bool, shape (m,)
        True where the row counts, with ``abs(nufnu)`` as its flux.

    Examples
    --------
    >>> import numpy as np
    >>> from blase_astro.sed import usable
    >>> no = np.zeros(3, bool)
    >>> nan = np.full(3, np.nan)
    >>> usable(np.array([1e9, 0, 1e9]), np.array([1e-14, 1e-14, -1e-14]), nan, nan, no, no)
    array([ True, False, False])
    """
    flux = np.abs(nufnu)
    inside = ~((flux > nufnu_upper) | (flux < nufnu_lower))  # NaN: no bound, nothing violated
    inside &= ~(np.isinf(nufnu_upper) | np.isinf(nufnu_lower))
    # The quality mark of the format; a comparison with a NaN bound is False.
    marked = (nufnu_lower > 0) & (nufnu_lower <= flux) & (flux <= nufnu_upper)
    sign = (nufnu > 0) | ((nufnu < 0) & marked)
    measured = np.isfinite(frequency) & (frequency > 0) & np.isfinite(nufnu) & sign
    return measured & inside & ~upper_limit & ~duplicate


def unusable_reason(sed: Table) -> np.ndarray:
    """Why measurements of an SED do not count.

    Parameters
    ----------
    sed : `~astropy.table.Table`
        An SED table, m rows.

    Returns
    -------
    reason : ndarray of str, shape (m,)
        Empty where the row is usable, else one of ``'upper limit'``, ``'EBL-corrected copy'``,
        ``'repeated measurement'``, ``'no frequency'``, ``'no flux'``,
        ``'flux outside its bounds'``, ``'negative flux'``.

    Examples
    --------
    >>> from blase_astro.io import sed_table
    >>> from blase_astro.sed import unusable_reason
    >>> sed = sed_table([1.4e9, 2.4e17], [2e-14, 3e-13], upper_limit=[False, True])
    >>> print(unusable_reason(sed))
    ['' 'upper limit']
    """
    arrays = sed_arrays(sed)
    frequency, nufnu, _, _, limit, duplicate = arrays
    cases = {
        "": usable(*arrays),
        "EBL-corrected copy": texts(sed, "catalog") == "DEBL",
        "repeated measurement": duplicate,
        "no frequency": ~(np.isfinite(frequency) & (frequency > 0)),
        "upper limit": limit,
        "no flux": ~np.isfinite(nufnu) | (nufnu == 0),
        "negative flux": nufnu < 0,
    }
    return np.select(list(cases.values()), list(cases), "flux outside its bounds")


def bin_points(points: Points, edges: np.ndarray = BIN_EDGES) -> tuple[np.ndarray, np.ndarray]:
    """Mean log nu F_nu of the usable points of each SED in each frequency bin.

    Parameters
    ----------
    points : `~blase_astro.io.Points`
        Measurements of n SEDs.
    edges : ndarray of float, shape (n_bins, 2)
        Lower (included) and upper (excluded) edge of each bin, log10 of Hz.

    Returns
    -------
    binned : ndarray of float32, shape (n, n_bins)
        Mean log10 of nu F_nu / (erg / (s cm2)), NaN where the bin is empty.
    n_points : ndarray of int32, shape (n,)
        Number of points that went into the bins of each SED.

    Examples
    --------
    >>> from blase_astro.io import sed_table
    >>> from blase_astro.sed import bin_seds
    >>> bin_seds([sed_table([1.4e9, 1.6e9], [1e-14, 1e-13])])[0, 2]
    np.float32(-13.5)
    """
    n, n_bins = len(points.name), len(edges)
    keep = usable(*points[6:])
    log_nu = np.log10(points.frequency[keep])
    column = np.searchsorted(edges[:, 0], log_nu, side="right") - 1
    inside = (column >= 0) & (log_nu < edges[column, 1])
    cell = points.sed[keep][inside] * n_bins + column[inside]
    log_flux = np.log10(np.abs(points.nufnu[keep][inside]))
    total = np.bincount(cell, weights=log_flux, minlength=n * n_bins).reshape(n, n_bins)
    count = np.bincount(cell, minlength=n * n_bins).reshape(n, n_bins)
    mean = np.full((n, n_bins), np.nan, np.float32)
    np.divide(total, count, out=mean, where=count > 0, casting="same_kind")
    return mean, count.sum(axis=1).astype(np.int32)


def bin_seds(seds: Iterable[Table], edges: np.ndarray = BIN_EDGES) -> np.ndarray:
    """Binned SEDs of SED tables.

    Parameters
    ----------
    seds : iterable of `~astropy.table.Table`
        n SED tables.
    edges : ndarray of float, shape (n_bins, 2)
        Lower (included) and upper (excluded) edge of each bin, log10 of Hz.

    Returns
    -------
    binned : ndarray of float32, shape (n, n_bins)
        Mean log10 of nu F_nu / (erg / (s cm2)) of the usable points, NaN where the bin is empty.

    Examples
    --------
    >>> from blase_astro.io import sed_table
    >>> from blase_astro.sed import bin_seds
    >>> bin_seds([sed_table([1.4e9], [1e-14])]).shape
    (1, 26)
    """
    return bin_points(points_from_seds(seds), edges)[0]


def mean_level(binned: np.ndarray) -> np.ndarray:
    """Mean level of each binned SED.

    Parameters
    ----------
    binned : ndarray of float, shape (n, n_bins)
        log10 of nu F_nu in erg / (s cm2), NaN where the bin is empty.

    Returns
    -------
    level : ndarray of float64, shape (n,)
        Mean of the filled bins, NaN where no bin is filled.

    Examples
    --------
    >>> import numpy as np
    >>> from blase_astro.sed import mean_level
    >>> mean_level(np.array([[-12, np.nan, -14]]))
    array([-13.])
    """
    filled = np.isfinite(binned)
    count = filled.sum(axis=1)
    total = np.where(filled, binned, 0).sum(axis=1, dtype=float)
    return np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0)
