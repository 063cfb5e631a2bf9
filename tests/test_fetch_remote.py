"""The live services; run with ``pytest --remote-data tests/test_fetch_remote.py``."""

import numpy as np
import pytest

from blase_astro.fetch import fetch_catalog, fetch_sed, resolve_name
from blase_astro.sed import bin_seds

pytest.importorskip("astroquery")
pytestmark = pytest.mark.remote_data


def test_resolve_name():
    """Sesame knows a famous blazar to an arcsecond."""
    assert resolve_name("PKS 2155-304", max_age=0) == pytest.approx(
        (329.71694, -30.22559), abs=3e-4
    )


@pytest.mark.parametrize("service", ["ned", "vizier", "ssdc"])
def test_each_service(service):
    """Each service sends what its reader understands, enough for an estimate."""
    sed = fetch_sed("PKS 2155-304", services=service, max_age=0)
    assert sed.meta["origin"] == service
    assert len(sed) > 20
    assert np.isfinite(bin_seds([sed])).sum() >= 6


def test_ned_knows_the_redshift():
    """The redshift that NED lists comes along."""
    assert fetch_sed("Mrk 421", services="ned").meta["redshift"] == pytest.approx(0.03, abs=0.002)


def test_merged():
    """All services together, with fewer rows counted than fetched."""
    sed = fetch_sed("PKS 2155-304")
    assert sed.meta["origin"] == "ssdc+ned+vizier"
    assert 0 < sed["duplicate"].sum() < len(sed)


def test_nothing_there():
    """An empty field is a ValueError, not a failure of the services."""
    from astropy.coordinates import SkyCoord

    with pytest.raises(ValueError, match="no photometry"):
        fetch_sed(SkyCoord(0.0, 89.9, unit="deg"), services=["ned", "vizier"], radius=0.1)


@pytest.mark.parametrize(("name", "n_rows"), [("4LAC", 3000), ("3HSP", 2000), ("5BZCAT", 3561)])
def test_catalogs(name, n_rows):
    """The catalogs of the command line are there, with positions."""
    catalog = fetch_catalog(name)
    assert len(catalog) >= n_rows
    assert np.isfinite(np.ma.filled(catalog["_RAJ2000"], np.nan)).mean() > 0.9
