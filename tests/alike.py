"""Estimates have to be the same, however they are asked for: files, tables, arrays, any blocks."""

import numpy as np

# Where matrix products sum in an order that depends on the block. Of log10 some millionths may
# differ, and so of the frequency or flux itself 15 ln 10 times as much.
SAME = {"log": 3e-6, "linear": 1e-4}


def assert_alike(found, wanted, name):
    """Two columns of estimates agree; what is no number is equal."""
    if np.asarray(wanted).dtype.kind == "f":
        linear = name.startswith(("nu_peak", "nufnu_peak"))
        tolerance = SAME["linear" if linear else "log"]
        np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=1e-9, err_msg=name)
    else:
        np.testing.assert_array_equal(found, wanted, err_msg=name)
