"""Estimates have to be the same, however they are asked for: files, tables, arrays, any blocks."""

from functools import cache

import numpy as np


@cache
def sums_in_one_order():
    """Do the matrix products of numpy sum in one order, wherever a row stands?

    Those of OpenBLAS for these processors do; of others it is not known.
    """
    try:
        from threadpoolctl import threadpool_info
    except ImportError:  # comes with scikit-learn
        return False
    kinds = {library.get("architecture") for library in threadpool_info()}
    return bool(kinds) and kinds <= {"Haswell", "Zen", "Sandybridge", "Nehalem"}


def tolerance(name):
    """Largest relative difference of a column.

    Where sums differ, log10 of 15 may by some millionths of that, which is 15 ln 10 times as much
    of the frequency itself.
    """
    if sums_in_one_order():
        return 1e-6
    return 1e-4 if name.startswith(("nu_peak", "nufnu_peak")) else 3e-6


def assert_alike(found, wanted, name):
    """Two columns of estimates agree; what is no number is equal."""
    if np.asarray(wanted).dtype.kind == "f":
        rtol = tolerance(name)
        np.testing.assert_allclose(found, wanted, rtol=rtol, atol=1e-9, err_msg=name)
    else:
        np.testing.assert_array_equal(found, wanted, err_msg=name)
