"""SEDs of one source from several services as one, no measurement counted twice."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from .answers import add_duplicate, words
from .table import sed_table, standard_sed
from .values import flags, numbers

if TYPE_CHECKING:
    from .._types import Any, Iterable, Table

__all__ = ["merge_seds"]

# Surveys that every service serves under a name of its own: VOU, NED, VizieR, SSDC. Fluxes of
# one object differ between services by zero points and apertures, not by being measured twice.
_SURVEYS = {
    "WISE": r"wise|\bii/3(11|28)\b",
    "2MASS": r"2mass|\bii/246\b",
    "NVSS": r"nvss|\bviii/65\b|1998AJ\.{4}115\.1693C",
    "FIRST": r"\bfirst\b|\bviii/(92|90|71)\b|1997ApJ\.{3}475\.{2}479W",
    "GB6": r"\bgb6|\bviii/40\b|1996ApJS\.{2}103\.{2}427G",
    "SUMSS": r"sumss|\bviii/(81|70)\b",
    "PMN": r"\bpmn|\bviii/(38|39)\b",
    "VLSS": r"vlss|\bviii/(79|97)\b|2007AJ\.{4}134\.1245C",
    "TGSS": r"tgss|j/a\+a/598/a78",
    "Planck": r"planck|\bpccs|\bercsc|\bviii/88\b",
    "IRAS": r"\biras|\bii/(125|126|156)",
    "AKARI": r"akari|\bii/(297|298)\b",
    "SDSS": r"sdss",
    "PanSTARRS": r"pan-?starrs|\bps1\b|\bii/349\b",
    "Gaia": r"gaia|\bi/(345|350|355)\b",
    "GALEX": r"galex|\bii/(312|335)\b",
    "RASS": r"\brass|rosat|rxs|\bix/10\b|j/a\+a/588/a103",
}

# How far (dex) frequency and nu F_nu may differ: within one survey, and otherwise, where equal
# numbers up to rounding are all that tells that two services list the same publication.
_SAME_SURVEY = (0.02, 0.10)
_SAME_NUMBERS = (0.005, 0.005)


def merge_seds(seds: Iterable[Table]) -> Table:
    """Merge SEDs of one source that come from different services or files.

    A row is marked as ``duplicate`` if an SED before it in the list has the same measurement:
    the same survey with frequencies within 0.02 dex and nu F_nu within 0.1 dex, or frequency
    and nu F_nu both equal within 0.005 dex, whatever the names. Marked rows stay in the table
    and never count. Rows of one and the same SED are not compared: repeated epochs are real.

    Parameters
    ----------
    seds : iterable of `~astropy.table.Table`
        SED tables, the most trusted first.

    Returns
    -------
    sed : `~astropy.table.Table`
        All rows in the order given, with the further columns ``duplicate`` and ``origin``
        (the service of the row, ``'vou'`` if its table names none). ``meta`` has for each entry
        the first value that is known; ``meta['origin']`` joins the services with ``'+'``,
        ``meta['comments']`` holds the comments of all.

    Raises
    ------
    ValueError
        If there is nothing to merge, or something that is no SED table.

    Examples
    --------
    >>> from blase_astro.io import merge_seds, sed_table
    >>> one = sed_table([8.8e13], [2e-12], catalog=['WISE'])
    >>> two = sed_table([8.9e13], [2.1e-12], catalog=['II/328/allwise'],
    ...                 meta={'origin': 'vizier'})
    >>> print(merge_seds([one, two])['catalog', 'origin', 'duplicate'])
       catalog     origin duplicate
    -------------- ------ ---------
              WISE    vou     False
    II/328/allwise vizier      True
    """
    seds = [standard_sed(sed) for sed in seds]
    if not seds:
        raise ValueError("no SED to merge")
    origins = [str(sed.meta.get("origin") or "vou") for sed in seds]

    def together(values):
        return np.concatenate([values(sed) for sed in seds])

    columns: dict[str, Any] = {n: together(lambda sed, n=n: numbers(sed, n)) for n in _NUMBERS}
    columns |= {n: together(lambda sed, n=n: words(sed, n)) for n in ("catalog", "reference")}
    merged = sed_table(
        **columns,
        upper_limit=together(lambda sed: flags(sed, "upper_limit")),
        meta=_merged_meta(seds, origins),
    )
    part = np.repeat(np.arange(len(seds)), [len(sed) for sed in seds])
    marked = together(lambda sed: flags(sed, "duplicate"))
    add_duplicate(merged, marked | _measured_before(merged, part, marked))
    merged["origin"] = np.concatenate(
        [_origins(sed, origin) for sed, origin in zip(seds, origins, strict=True)]
    ).astype(str)
    merged["origin"].description = "service that the row comes from"
    return merged


_NUMBERS = ("frequency", "nufnu", "nufnu_upper", "nufnu_lower", "mjd_start", "mjd_end")


def _origins(sed, origin):
    """Service of each row, kept from an earlier merge if there was one."""
    if "origin" in sed.colnames:
        return words(sed, "origin")
    return np.full(len(sed), origin, dtype=object)


def _merged_meta(seds, origins):
    meta = {}
    for sed in seds:
        for key, value in sed.meta.items():
            known = value is not None and value == value
            if known and key not in meta:
                meta[key] = value
    names = dict.fromkeys(name for origin in origins for name in origin.split("+"))
    said = [sed.meta.get("comments") or [] for sed in seds]
    said = [[texts] if isinstance(texts, str) else texts for texts in said]
    comments = list(dict.fromkeys(str(text) for texts in said for text in texts))
    return meta | {"origin": "+".join(names)} | ({"comments": comments} if comments else {})


def _measured_before(sed, part, marked):
    """Which rows an SED before theirs has already; `part` (m,) numbers the SEDs."""
    with np.errstate(divide="ignore", invalid="ignore"):
        log_nu = np.log10(np.abs(numbers(sed, "frequency")))
        log_flux = np.log10(np.abs(numbers(sed, "nufnu")))
    limit, survey = flags(sed, "upper_limit"), _surveys(sed)
    before = np.zeros(len(sed), dtype=bool)
    for i in np.flatnonzero((part > 0) & ~marked):
        others = (part < part[i]) & (limit == limit[i]) & ~marked
        off_nu, off_flux = np.abs(log_nu - log_nu[i]), np.abs(log_flux - log_flux[i])
        same = (off_nu <= _SAME_NUMBERS[0]) & (off_flux <= _SAME_NUMBERS[1])
        if survey[i]:
            close = (off_nu <= _SAME_SURVEY[0]) & (off_flux <= _SAME_SURVEY[1])
            same |= close & (survey == survey[i])
        before[i] = (same & others).any()
    return before


def _surveys(sed):
    """Survey that each row belongs to, '' if none of `_SURVEYS`."""
    names = {}
    rows = zip(words(sed, "catalog"), words(sed, "reference"), strict=True)
    labels = [f"{catalog} {reference}" for catalog, reference in rows]
    for label in set(labels):
        found = (n for n, pattern in _SURVEYS.items() if re.search(pattern, label, re.IGNORECASE))
        names[label] = next(found, "")
    return np.array([names[label] for label in labels], dtype=object)
