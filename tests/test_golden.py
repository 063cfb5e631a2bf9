"""The simulator and the shipped ensembles say today what they said yesterday."""

import numpy as np
import pytest
from astropy.table import Table
from golden import GOLDEN, GOLDEN_SIMULATED, demonstration, simulated, txs
from numpy.testing import assert_allclose, assert_array_equal


@pytest.fixture(scope="module")
def golden():
    """What they said."""
    return Table.read(GOLDEN)


def compare(found, golden):
    """Texts and whole numbers the same, others to what float32 and other processors leave."""
    golden = golden[golden["source"] == found["source"][0]]
    assert found.colnames == golden.colnames
    for name in found.colnames:
        now, before = np.asarray(found[name]), np.asarray(golden[name])
        if now.dtype.kind != "f":
            assert_array_equal(now, before, err_msg=name)
        elif name.startswith(("nu_peak", "nufnu_peak")):
            assert_allclose(now, before, rtol=1e-3, err_msg=name)
        else:
            assert_allclose(now, before, rtol=0, atol=3e-4, err_msg=name)


def test_the_demonstration(golden):
    """Poor and rich SEDs, training sources and others, by their bag's members and by all."""
    found = demonstration()
    compare(found, golden)
    assert np.isfinite(found["log_nu_peak"]).sum() >= 30
    # The file must not hold what it would hold if the bags were ignored.
    own, every = (found["log_nu_peak"][found["members"] == m] for m in ("own", "all"))
    known = found["bag"][found["members"] == "own"] >= 0
    assert (np.abs(own - every)[known & np.isfinite(own)] > 1e-3).all()


def test_a_real_sed(golden, shared_data):
    """TXS 0506+056, a source that the ensembles were trained on."""
    compare(txs(shared_data), golden)


def test_simulated_seds():
    """Labels, measurements and limits: what the networks were trained on."""
    found, golden = simulated(), Table.read(GOLDEN_SIMULATED)
    assert found.colnames == golden.colnames
    assert found.meta["sampled_like"] == golden.meta["sampled_like"]
    for name in found.colnames:
        if found[name].dtype.kind == "f":
            assert_allclose(found[name], golden[name], rtol=1e-6, err_msg=name)
        else:
            assert_array_equal(found[name], golden[name], err_msg=name)
