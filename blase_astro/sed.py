"""From measurements to binned SEDs: which points count, and into which bin they go."""

from functools import cache
from importlib.resources import files

import numpy as np

from .io.table import Points

__all__ = [
    "BIN_EDGES",
    "bin_points",
    "bin_seds",
    "load_bins",
    "points_from_seds",
    "unusable_reason",
    "usable",
]

# An SED with at least this many filled bins is rich: it shows its peak.
RICH_BINS = 12


@cache
def load_bins(name="v1"):
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


def usable(frequency, nufnu, nufnu_upper, nufnu_lower, upper_limit, duplicate):
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


def _arrays(sed):
    """Arrays of an SED table in the order `usable` takes them, in Hz and erg / (s cm2)."""
    from astropy.units import Quantity

    def numbers(name, unit):
        column = sed[name]
        mask = np.asarray(getattr(column, "mask", False))
        column = getattr(column, "unmasked", column)
        values = np.array(column.filled(np.nan) if hasattr(column, "filled") else column)
        if column.unit is not None:
            values = Quantity(values, column.unit).to_value(unit)
        return np.where(mask, np.nan, values.astype(float))

    flux = [numbers(name, "erg/(s cm2)") for name in ("nufnu", "nufnu_upper", "nufnu_lower")]
    limit = np.ma.filled(np.ma.asarray(sed["upper_limit"]), True).astype(bool)
    catalog = np.ma.filled(np.ma.asarray(sed["catalog"]), "").astype(str)
    duplicate = catalog == "DEBL"
    if "duplicate" in sed.colnames:  # marked by a reader of a service's answer, or by a merge
        duplicate |= np.ma.filled(np.ma.asarray(sed["duplicate"]), False).astype(bool)
    return numbers("frequency", "Hz"), *flux, limit, duplicate


def unusable_reason(sed):
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
    arrays = _arrays(sed)
    frequency, nufnu, _, _, limit, duplicate = arrays
    cases = {
        "": usable(*arrays),
        "EBL-corrected copy": np.asarray(sed["catalog"]) == "DEBL",
        "repeated measurement": duplicate,
        "no frequency": ~(np.isfinite(frequency) & (frequency > 0)),
        "upper limit": limit,
        "no flux": ~np.isfinite(nufnu) | (nufnu == 0),
        "negative flux": nufnu < 0,
    }
    return np.select(list(cases.values()), list(cases), "flux outside its bounds")


def bin_points(points, edges=BIN_EDGES):
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


def points_from_seds(seds):
    """The measurements of SED tables as plain arrays.

    Parameters
    ----------
    seds : iterable of `~astropy.table.Table`
        n SED tables.

    Returns
    -------
    points : `~blase_astro.io.Points`
        Their rows, one SED after the other; the names are empty.

    Examples
    --------
    >>> from blase_astro.io import sed_table
    >>> from blase_astro.sed import points_from_seds
    >>> points_from_seds([sed_table([1.4e9], [1e-14], meta={'ra': 77.36})]).ra
    array([77.36])
    """
    seds = list(seds)
    arrays = [_arrays(sed) for sed in seds]
    columns = [np.concatenate(parts) for parts in zip(*arrays, strict=True)] or [np.zeros(0)] * 6
    columns[4:] = [column.astype(bool) for column in columns[4:]]

    def meta(key):
        values = [sed.meta.get(key) for sed in seds]
        return np.array([np.nan if value is None else value for value in values], dtype=float)

    rows = np.repeat(np.arange(len(seds)), [len(sed) for sed in seds])
    empty = [""] * len(seds)
    return Points(empty, meta("ra"), meta("dec"), meta("redshift"), empty, rows, *columns)


def bin_seds(seds, edges=BIN_EDGES):
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
