"""Answers of the SSDC SED Builder (format ``'ssdc-sed'``)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import unquote

import numpy as np

from .answers import add_duplicate, read_bytes, repeats
from .table import sed_table
from .values import number

if TYPE_CHECKING:
    from .._types import Any, AnyPath, SedFile, Stream, Table

__all__ = ["identify_ssdc", "read_ssdc", "ssdc_sed"]

_UNITS = {
    "Frequency": "Hz",
    "Nufnu": "erg cm**(-2) s**(-1)",
    "StartTime": "mjd",
    "StopTime": "mjd",
}


def read_ssdc(file: SedFile) -> Table:
    """Read an answer of the SSDC SED Builder (JSON).

    Parameters
    ----------
    file : str, `~pathlib.Path`, file-like or bytes
        What ``https://tools.ssdc.asi.it/SED-REST/rest/getData?ra=<deg>&dec=<deg>`` returned.

    Returns
    -------
    sed : `~astropy.table.Table`
        The SED table: ``catalog`` is the data set, ``reference`` the bibcode of its first
        publication. An error of 0 means unknown. Further column ``duplicate``: rows that repeat
        an earlier one of their data set; they never count. ``meta['origin']`` is ``'ssdc'``;
        the answer has no position, ``ra`` and ``dec`` are NaN.

    Raises
    ------
    OSError
        If the bytes are no whole JSON.
    ValueError
        If the service reports an error, or uses other fields or units.

    Examples
    --------
    >>> from astropy.table import Table
    >>> import blase_astro
    >>> sed = Table.read('mrk421.json', format='ssdc-sed')  # doctest: +SKIP
    """
    data = read_bytes(file)
    try:
        answer = json.loads(data)
    except (ValueError, RecursionError) as error:
        head = data.lstrip()[:40]
        whole = "damaged or cut off JSON" if head.startswith(b"{") else f"not JSON: {head!r}"
        raise OSError(f"SSDC: {whole} ({str(error)[:200]})") from error
    return ssdc_sed(answer)


def ssdc_sed(answer: dict[str, Any], meta: dict[str, Any] | None = None) -> Table:
    """Make an SED of an answer of the SED Builder that is already parsed.

    Parameters
    ----------
    answer : dict
        Its fields ``ResponseInfo``, ``Properties``, ``Meta`` and ``Datasets``.
    meta : dict, optional
        Position and redshift (``ra``, ``dec``, ``redshift``), which the answer lacks.

    Returns
    -------
    sed : `~astropy.table.Table`
        See `read_ssdc`.
    """
    _check(answer)
    separator = str(_object(answer.get("Meta"), "Meta").get("InfoSeparator") or ";")
    rows = [
        (_object(data_set.get("Reference"), "a Reference"), _object(row, "a row of Data"))
        for data_set in answer["Datasets"]
        for row in _list(_object(data_set, "an entry of Datasets").get("Data"), "Data")
    ]

    def column(name):
        return np.array([number(row.get(name)) for _, row in rows], dtype=float)

    nufnu, error = column("Nufnu"), column("NufnuError")
    error[~(error > 0)] = np.nan
    infos = [str(row.get("Info") or "").split(separator) for _, row in rows]
    limit = np.array(["Upper Limit" in map(str.strip, info) for info in infos], dtype=bool)
    catalog = [" ".join(str(reference.get("Name") or "")[:1000].split()) for reference, _ in rows]
    frequency, start = column("Frequency"), column("StartTime")
    sed = sed_table(
        frequency,
        nufnu,
        np.where(limit, nufnu, nufnu + error),
        np.where(limit, np.nan, nufnu - error),
        mjd_start=start,
        mjd_end=column("StopTime"),
        upper_limit=limit,
        catalog=catalog,
        reference=[_bibcode(reference) for reference, _ in rows],
        meta={"origin": "ssdc"} | (meta or {}),
    )
    return add_duplicate(sed, repeats(catalog, frequency, nufnu, start))


def is_ssdc(data):
    """Do the bytes look like an answer of the SED Builder?"""
    head = data[:4096].removeprefix(b"\xef\xbb\xbf")
    return head.lstrip()[:1] == b"{" and (b'"ResponseInfo"' in head or b'"Datasets"' in head)


def identify_ssdc(
    origin: str, path: AnyPath | None, fileobj: Stream | None, *args: Any, **kwargs: Any
) -> bool:
    """Is this file an answer of the SED Builder? (For ``Table.read`` without a format.)"""
    if origin != "read" or fileobj is None:
        return False
    here = fileobj.tell()
    head = fileobj.read(4096)
    fileobj.seek(here)
    return is_ssdc(head if isinstance(head, bytes) else head.encode())


def _check(answer):
    """Raise ValueError unless this is a good answer in the units of `_UNITS`."""
    if not isinstance(answer, dict):
        raise ValueError(f"SSDC: wanted a JSON object, got a {type(answer).__name__}")
    info = _object(answer.get("ResponseInfo"), "ResponseInfo")
    if info.get("statusCode", "OK") != "OK":
        said = info.get("message") or []
        said = "; ".join(map(str, said)) if isinstance(said, list) else str(said)
        raise ValueError(f"SSDC answered: {info['statusCode']}: {said or 'no reason given'}")
    if not isinstance(answer.get("Datasets"), list):
        raise ValueError(f"SSDC: no list 'Datasets', got {', '.join(answer) or 'nothing'}")
    units = _object(_object(answer.get("Properties"), "Properties").get("Units"), "Units")
    for name, wanted in _UNITS.items():
        got = units.get(name, wanted)
        if "".join(str(got).split()).lower() != "".join(wanted.split()).lower():
            raise ValueError(f"SSDC: {name} has the unit {got!r}, wanted {wanted!r}")


def _object(value, what):
    """An object of the answer; an absent one is empty."""
    if not isinstance(value, dict | None):
        raise ValueError(f"SSDC: {what} is a {type(value).__name__}, wanted an object")
    return value or {}


def _list(value, what):
    """A list of the answer; an absent one is empty."""
    if not isinstance(value, list | None):
        raise ValueError(f"SSDC: {what} is a {type(value).__name__}, wanted a list")
    return value or []


def _bibcode(reference):
    """Bibcode at the end of the first publication's address, '' without one."""
    for publication in _list(reference.get("Bibliography"), "Bibliography"):
        address = str(_object(publication, "a publication").get("URL") or "").rstrip("/")
        if "/abs/" in address:
            return unquote(address.split("/abs/")[1].removesuffix("/abstract"))
        if address:
            return address
    return ""
