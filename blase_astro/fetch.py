"""SEDs and source catalogs from the services that astronomers use.

Needs the extra ``online`` (`astroquery`); nothing else in the package asks the network.
"""

from __future__ import annotations

import contextlib
import warnings
from typing import TYPE_CHECKING

import numpy as np

from .angles import arcsec
from .io.answers import all_tables, first_table
from .io.merge import merge_seds
from .io.ned import ned_sed
from .io.ssdc import read_ssdc
from .io.values import numbers, texts
from .io.vizier import vizier_sed
from .web import cached, get, in_time, reason

if TYPE_CHECKING:
    from ._types import Radius, Sequence, SkyCoord, Table

__all__ = ["CATALOGS", "SERVICES", "fetch_catalog", "fetch_sed", "resolve_name"]

SERVICES = ("ssdc", "ned", "vizier")  # nearest to the training format first
CATALOGS = {
    "4LAC": "J/ApJS/263/24",
    "4LAC-DR3": "J/ApJS/263/24",
    "4LAC-DR1": "J/ApJ/892/105",
    "3HSP": "J/A+A/632/A77",
    "5BZCAT": "VII/274",
}

_LABELS = {"ssdc": "SSDC", "ned": "NED", "vizier": "VizieR"}
_VIZIER_URL = "https://vizier.cds.unistra.fr/viz-bin/sed"
_SSDC_URL = "https://tools.ssdc.asi.it/SED-REST/rest/getData"


def fetch_sed(
    target: str | SkyCoord,
    services: Sequence[str] = SERVICES,
    *,
    radius: Radius = 5.0,
    timeout: float = 60.0,
    max_age: float = 7.0,
) -> Table:
    """Fetch the SED of a source from NED, VizieR and the SSDC, and merge it.

    Answers are kept in the folder ``blase_astro`` of astropy's cache. Fluxes are as the services
    give them: nothing is corrected for Galactic extinction, and no host galaxy is subtracted.

    Parameters
    ----------
    target : str or `~astropy.coordinates.SkyCoord`
        Name, resolved by Sesame (SIMBAD, NED, VizieR), or one position.
    services : sequence of str
        Which of ``'ssdc'``, ``'ned'``, ``'vizier'`` to ask, the most trusted first: a later one
        adds what the earlier ones lack (see `blase_astro.io.merge_seds`).
    radius : float, `~astropy.units.Quantity` or str
        How far from the position a measurement may be, see `~blase_astro.angles.arcsec`. The SSDC
        uses the position errors of its own catalogs instead.
    timeout : float
        Time after which a service is given up, in seconds.
    max_age : float
        Age up to which a kept answer is good enough, in days; 0 always asks anew.

    Returns
    -------
    sed : `~astropy.table.Table`
        The SED table of all services, with the further columns ``duplicate`` and ``origin``;
        ``meta`` holds ``ra``, ``dec`` (deg), the ``redshift`` that NED gives, and ``origin``.

    Raises
    ------
    ValueError
        If the name is unknown, or no service has photometry there.
    OSError
        If no service that might have photometry could be asked. If some failed and others
        answered, one `~astropy.utils.exceptions.AstropyUserWarning` says which.
    ImportError
        If `astroquery` is not installed.

    Examples
    --------
    >>> from blase_astro.fetch import fetch_sed
    >>> sed = fetch_sed('PKS 2155-304')  # doctest: +REMOTE_DATA +IGNORE_OUTPUT
    """
    radius = arcsec(radius)
    services = [services] if isinstance(services, str) else list(services)
    unknown = [name for name in services if name not in _LABELS]
    if unknown or not services:
        wanted = ", ".join(SERVICES)
        raise ValueError(f"unknown service {unknown[0] if unknown else ''!r}: wanted {wanted}")
    _need_astroquery()
    name = target if isinstance(target, str) else ""
    ra, dec = resolve_name(name, timeout=timeout, max_age=max_age) if name else _degrees(target)
    label = name or f"{ra:.5f} {dec:+.5f}"
    fetchers = {"ned": _fetch_ned, "vizier": _fetch_vizier, "ssdc": _fetch_ssdc}
    seds, failed = [], []
    for service in services:
        try:
            sed = fetchers[service](ra, dec, radius, timeout=timeout, max_age=max_age)
        except (OSError, ValueError) as error:
            failed.append(str(error))
        else:
            if sed is not None and len(sed):
                seds.append(sed)
    asked = ", ".join(_LABELS[service] for service in services)
    if not seds and failed:
        raise OSError(f"no SED of {label}: {'; '.join(failed)}")
    if not seds:
        raise ValueError(f"no photometry of {label} within {radius:g} arcsec at {asked}")
    if failed:
        _warn(f"the SED of {label} is incomplete: {'; '.join(failed)}")
    sed = merge_seds(seds)
    sed.meta.update({"ra": ra, "dec": dec} | ({"name": name} if name else {}))
    sed.meta.setdefault("comments", []).append("not corrected for Galactic extinction by us")
    return sed


def fetch_catalog(name: str, *, timeout: float = 300.0, cache: bool = True) -> Table:
    """Fetch a source catalog from VizieR, all rows and columns.

    Parameters
    ----------
    name : str
        One of ``'4LAC'`` (DR3), ``'4LAC-DR1'``, ``'3HSP'``, ``'5BZCAT'``, or the name of any
        VizieR catalog or table such as ``'J/ApJ/892/105'``.
    timeout : float
        Longest silence of the service, in seconds.
    cache : bool
        May astroquery answer from its cache (a week)?

    Returns
    -------
    catalog : `~astropy.table.Table`
        The table of the catalog that has positions, and most rows if several have. VizieR's own
        ``_RAJ2000`` and ``_DEJ2000`` (deg) are among its columns. ``meta['VIZIER']`` names the
        table.

    Raises
    ------
    ValueError
        If VizieR does not have the catalog.
    OSError
        If VizieR cannot be reached or sends something else.
    ImportError
        If `astroquery` is not installed.

    Examples
    --------
    >>> from blase_astro.fetch import fetch_catalog
    >>> catalog = fetch_catalog('5BZCAT')  # doctest: +REMOTE_DATA +IGNORE_OUTPUT
    """
    known = {key.upper(): value for key, value in CATALOGS.items()}
    wanted = known.get(name.upper(), name)
    if "/" not in wanted:
        raise ValueError(
            f"unknown catalog {name!r}: wanted one of {', '.join(CATALOGS)} or the name of a "
            "VizieR catalog such as 'J/ApJ/892/105'"
        )
    _need_astroquery()
    from astroquery import cache_conf
    from astroquery.exceptions import RemoteServiceError, TimeoutError
    from astroquery.vizier import Vizier
    from requests import RequestException

    columns = ["**", "_RAJ2000", "_DEJ2000"]
    vizier = Vizier(columns=columns, row_limit=-1, timeout=timeout)
    try:
        with cache_conf.set_temp("cache_active", cache), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            answer = vizier.get_catalogs_async(wanted).content
    except RequestException as error:
        raise OSError(reason("VizieR", error, timeout)) from error
    except TimeoutError as error:
        raise OSError(f"VizieR did not answer in {timeout:g} s") from error
    except RemoteServiceError as error:
        raise OSError(f"VizieR: {' '.join(str(error).split())[:200]}") from error
    tables, _ = all_tables(answer, "VizieR", invalid="mask")
    usable = [table for table in tables if len(table) and "_RAJ2000" in table.colnames]
    if not usable:
        raise ValueError(f"VizieR has no catalog {wanted} with positions")
    return _savable(max(usable, key=len), wanted)


def resolve_name(name: str, *, timeout: float = 60.0, max_age: float = 7.0) -> tuple[float, float]:
    """Position of a named source, by CDS's Sesame (SIMBAD, NED, VizieR).

    Parameters
    ----------
    name : str
        Name of the source.
    timeout : float
        Time to wait for each of Sesame's servers, in seconds.
    max_age : float
        Age up to which a kept answer is good enough, in days.

    Returns
    -------
    ra, dec : float
        Position in degrees (ICRS).

    Raises
    ------
    ValueError
        If the name is unknown.
    OSError
        If Sesame cannot be reached.

    Examples
    --------
    >>> from blase_astro.fetch import resolve_name
    >>> resolve_name('PKS 2155-304')  # doctest: +REMOTE_DATA
    (329.7169..., -30.2255...)
    """
    from astropy.coordinates.name_resolve import (
        NameResolveError,
        get_icrs_coordinates,
        sesame_url,
    )
    from astropy.utils import data

    def ask():
        try:
            with data.conf.set_temp("remote_timeout", timeout):
                servers = len(sesame_url.get())
                position = in_time(lambda: get_icrs_coordinates(name), servers * timeout)
        except NameResolveError as error:
            if "All Sesame queries failed" in str(error):
                why = " ".join(str(error).split("below:")[-1].split())
                raise OSError(f"Sesame (name resolver) cannot be reached: {why}") from error
            raise ValueError(
                f"unknown name {name!r}: not in SIMBAD, NED or VizieR; give its position"
            ) from error
        except OSError as error:
            raise OSError(f"Sesame (name resolver) cannot be reached: {error}") from error
        return f"{position.ra.deg:.8f} {position.dec.deg:.8f}".encode()

    def read(answer):
        ra, dec = map(float, answer.split())
        return ra, dec

    return cached(f"sesame {' '.join(name.split()).lower()}", ask, read, max_age)


def _fetch_ned(ra, dec, radius, **limits):
    """SED of the object in the radius with most photometry, None if there is none.

    NED lists photometry by its own name of an object, so the object is looked up first; that
    also gives the redshift.
    """
    from astropy.coordinates import SkyCoord
    from astroquery.ipac.ned import Ned

    position, within = SkyCoord(ra, dec, unit="deg"), f"{radius / 60:.6f}m"
    query = Ned.query_region(position, radius=within, get_query_payload=True)
    objects = _ask("ned", Ned.OBJ_SEARCH_URL, query, _ned_table, **limits)
    if objects is None or not len(objects):
        return None
    # A blazar has entries of single surveys beside its own within arcseconds.
    best = np.argmax(np.nan_to_num(numbers(objects, "Photometry Points")))
    name = texts(objects, "Object Name")[best].strip()
    redshift = numbers(objects, "Redshift")[best]
    query = Ned.get_table(name, table="photometry", get_query_payload=True)
    table = _ask("ned", Ned.DATA_SEARCH_URL, query, _ned_table, **limits)
    return None if table is None else ned_sed(table, {"name": name, "redshift": redshift})


def _fetch_vizier(ra, dec, radius, **limits):
    query = {"-c": f"{ra:.6f} {dec:+.6f}", "-c.rs": f"{radius:g}"}
    table = _ask("vizier", _VIZIER_URL, query, _vizier_table, **limits)
    return None if table is None else vizier_sed(table)


def _fetch_ssdc(ra, dec, radius, **limits):
    query = {"ra": f"{ra:.6f}", "dec": f"{dec:.6f}"}
    return _ask("ssdc", _SSDC_URL, query, read_ssdc, **limits)


def _ned_table(data):
    """NED's table, None where its answer has none: that is how it says 'not found'."""
    with contextlib.suppress(ValueError):
        return first_table(data, "NED")


def _vizier_table(data):
    with contextlib.suppress(ValueError):
        return first_table(data, "VizieR")


def _ask(service, url, query, read, *, timeout, max_age):
    """What `read` makes of a service's answer, from the cache or the network."""
    key = " ".join([service, url, *(f"{k}={v}" for k, v in sorted(query.items()))])
    return cached(key, lambda: get(_LABELS[service], url, query, timeout), read, max_age)


def _degrees(position):
    """Right ascension and declination (deg, ICRS) of one position."""
    if getattr(position, "isscalar", False) and hasattr(position, "icrs"):
        return float(position.icrs.ra.deg), float(position.icrs.dec.deg)
    raise ValueError(f"wanted a name or one SkyCoord, got {type(position).__name__}: {position}")


def _savable(table, name):
    """The table in a form that FITS takes, with its origin in the header."""
    for key in table.colnames:
        column = table[key]
        if column.dtype.kind in "OSU":
            mask = np.ma.getmaskarray(np.ma.asarray(column))
            values = [" ".join(text.split()) for text in texts(table, key)]
            table[key] = np.ma.array(values, dtype=str, mask=mask)
            # Text has no unit: VizieR's "h:m:s" is none that FITS or astropy know.
            table[key].description, table[key].meta = column.description, column.meta
    table.meta = {"VIZIER": table.meta.get("name", name), "ORIGIN": "VizieR, CDS Strasbourg"}
    return table


def _need_astroquery():
    try:
        import astroquery  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "fetching needs astroquery: python -m pip install 'blase-astro[online]'"
        ) from error


def _warn(message):
    from astropy.utils.exceptions import AstropyUserWarning

    warnings.warn(message, AstropyUserWarning, stacklevel=3)
