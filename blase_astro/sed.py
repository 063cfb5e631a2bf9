"""From measurements to binned SEDs: which points count, and into which bin they go."""

from functools import cache
from importlib.resources import files

import numpy as np

from .io.table import Points

__all__ = ["BIN_EDGES", "bin_points", "bin_seds", "load_bins", "unusable_reason", "usable"]


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
