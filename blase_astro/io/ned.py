"""Photometry of the NASA/IPAC Extragalactic Database (format ``'ned-sed'``)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from .answers import JY_HZ, add_duplicate, first_table, read_bytes, repeats, words
from .table import sed_table
from .values import numbers

if TYPE_CHECKING:
    from .._types import Any, SedFile, Table

__all__ = ["ned_sed", "read_ned"]

# Widths of the stated uncertainties in units of one sigma; rms and unstated ones count as one.
_PERCENT = {"68": 1.0, "90": 1.645, "95": 1.960, "99": 2.576}
_NUMBER = r"[-+]?\d*\.?\d+(?:[eE][-+]?\d+)?"
# A number from its beginning to its end: patterns that try its parts take for ever on a long one.
_WHOLE = r"(?<![\d.])(\d++(?:\.\d*+)?|\.\d++)"
_BAND = re.compile(rf"{_WHOLE}\s*([kMGT]eV)?\s*-\s*{_WHOLE}\s*([kMGT]eV)")
_HZ = {"keV": 2.417989e17, "MeV": 2.417989e20, "GeV": 2.417989e23, "TeV": 2.417989e26}
_APERTURE = re.compile(rf"{_WHOLE}\s*(?:\"|arcsec)(\.\d+)?\s*(?:aperture|diameter)", re.I)


def read_ned(file: SedFile) -> Table:
    """Read the photometry of one object as NED returns it (a VOTable).

    Both generations of NED's column names are understood. Rows are kept except emission lines,
    which are no flux densities. Frequencies are in Hz whatever unit the file declares.
    Uncertainties given at 2 sigma, 90 % and so on are brought to one sigma. A flux that NED
    gives integrated over a band of X-rays or gamma rays is spread over that band (divided by
    ln(upper / lower edge), at the mean log frequency), as if nu F_nu were flat inside it.
    ``sed.meta['comments']`` says how many rows that concerned.

    Parameters
    ----------
    file : str, `~pathlib.Path`, file-like or bytes
        What ``https://ned.ipac.caltech.edu/cgi-bin/datasearch?search_type=Photometry&of=xml_main``
        or `astroquery.ipac.ned` got.

    Returns
    -------
    sed : `~astropy.table.Table`
        The SED table, with the further columns ``duplicate`` (rows that repeat another one, or
        measure the same light in a wider aperture: they never count) and ``significance``
        (NED's word for the kind of uncertainty). ``meta['origin']`` is ``'ned'``; the table has
        no position, ``ra`` and ``dec`` are NaN.

    Raises
    ------
    OSError
        If the bytes are no whole VOTable.
    ValueError
        If NED reports an error instead of photometry, or columns are missing.

    Examples
    --------
    >>> from astropy.table import Table
    >>> import blase_astro
    >>> sed = Table.read('3c273_ned.xml', format='ned-sed')  # doctest: +SKIP
    """
    return ned_sed(first_table(read_bytes(file), "NED"))


def is_ned(names):
    """Are these the columns of NED's photometry?"""
    return "Frequency" in names and bool(
        {"Flux Density", "NED Photometry Measurement"} & set(names)
    )


def ned_sed(table: Table, meta: dict[str, Any] | None = None) -> Table:
    """Make an SED of NED's photometry table, as `astroquery.ipac.ned` returns it.

    Parameters
    ----------
    table : `~astropy.table.Table`
        ``Ned.get_table(name, table='photometry')``.
    meta : dict, optional
        Position and redshift (``ra``, ``dec``, ``redshift``), which the table lacks.

    Returns
    -------
    sed : `~astropy.table.Table`
        See `read_ned`.
    """
    name = "Flux Density" if "Flux Density" in table.colnames else "NED Photometry Measurement"
    missing = [n for n in ("Frequency", name, "NED Units") if n not in table.colnames]
    if missing:
        raise ValueError(
            f"no NED photometry table: column {missing[0]!r} is missing, "
            f"got {', '.join(table.colnames[:6])} ..."
        )
    lines = np.array([text.startswith("Line") for text in words(table, "Frequency Mode")], bool)
    foreign = words(table, "NED Units") != "Jy"
    table = table[~(lines | foreign)]
    columns = _fluxes(table, numbers(table, name))
    n_bands = _spread_bands(table, columns)
    sed = sed_table(
        columns["frequency"],
        columns["flux"] * columns["frequency"] * JY_HZ,
        columns["upper"] * columns["frequency"] * JY_HZ,
        columns["lower"] * columns["frequency"] * JY_HZ,
        upper_limit=columns["limit"],
        catalog=words(table, "Observed Passband"),
        reference=words(table, "Refcode"),
        meta={
            "origin": "ned",
            "name": table.meta.get("name", "").removeprefix("Photometric Data for ").strip(),
            "comments": _comments(int(lines.sum()), int((foreign & ~lines).sum()), n_bands),
        }
        | (meta or {}),
    )
    add_duplicate(sed, _duplicates(table, columns))
    sed["significance"] = words(table, "Significance").astype(str)
    sed["significance"].description = "kind of uncertainty, in NED's words, before scaling"
    return sed


def _fluxes(table, flux):
    """Frequency (Hz), flux density and its bounds (Jy), and which rows are upper limits."""
    frequency = numbers(table, "Frequency")  # declared um by NED, but in Hz
    signs, errors = _uncertainties(table)
    scale = np.array([_sigmas(text) for text in words(table, "Significance")], float)
    # Bound in the present columns, or the text after '<' or '>' where the flux is empty.
    above = numbers(table, "Upper limit of Flux Density")
    below = numbers(table, "Lower limit of Flux Density")
    above = np.where(np.isnan(above) & (signs == "<"), errors[:, 0], above)
    below = np.where(np.isnan(below) & (signs == ">"), errors[:, 0], below)
    limit = np.isnan(flux) & ~np.isnan(above)
    plus = numbers(table, "Upper limit of uncertainty")
    minus = numbers(table, "Lower limit of uncertainty")
    plus = np.where(np.isnan(plus), errors[:, 0], plus)
    minus = np.where(np.isnan(minus), errors[:, 1], minus)
    plus, minus = (np.where(d != 0, np.abs(d) / scale, np.nan) for d in (plus, minus))
    return {
        "frequency": frequency,
        "flux": np.where(limit, above, flux),
        "upper": np.where(limit, above, flux + plus),
        "lower": np.where(np.isnan(flux), below, flux - minus),
        "limit": limit,
    }


def _uncertainties(table):
    """NED's uncertainty texts: the sign before each, and its upward and downward size (Jy)."""
    signs, sizes = [], []
    published = words(table, "Uncertainty")
    for text, original in zip(words(table, "NED Uncertainty"), published, strict=True):
        sizes.append(_sizes(text))
        # Of limits, older answers keep the sign in the published column alone.
        signs.append(next((t[0] for t in (text, original) if t[:1] in ("<", ">")), ""))
    return np.array(signs, dtype=str), np.array(sizes, dtype=float).reshape(-1, 2)


def _sizes(text):
    """Upward and downward size in ``'+/-1'``, ``'+1-2'``, ``'<3'`` or ``'3'``; NaN if none."""
    found = re.findall(_NUMBER, text.replace("+/-", ""))
    if not found:
        return np.nan, np.nan
    return abs(float(found[0])), abs(float(found[-1]))


def _sigmas(text):
    """How many sigma an uncertainty called like this spans."""
    found = re.search(rf"{_WHOLE}\s*-?\s*(?:sigma|rms)", text, re.I)
    if found:
        return float(found[1]) or 1.0
    found = re.search(r"(68|90|95|99)\S{0,30}\s*%", text)
    return _PERCENT[found[1]] if found else 1.0


def _spread_bands(table, columns):
    """Turn fluxes integrated over a high-energy band into nu F_nu inside it; count them.

    NED divides such a flux by the frequency in the middle of the band, so that its nu F_nu is
    the integral: too high by ln(upper / lower edge) if nu F_nu is flat, and often at an energy
    where the source emits far less.
    """
    count = 0
    units = words(table, "Units")
    passbands = words(table, "Observed Passband")
    for i, (passband, unit) in enumerate(zip(passbands, units, strict=True)):
        band = _BAND.search(passband)
        integrated = re.search(r"erg|W|Crab", unit) and not re.search(r"Hz|/A\b|A\^-1", unit)
        if not band or not integrated:
            continue
        lower, upper = float(band[1]) * _HZ[band[2] or band[4]], float(band[3]) * _HZ[band[4]]
        if not 0 < lower < upper:
            continue
        middle = np.sqrt(lower * upper)
        factor = columns["frequency"][i] / middle / np.log(upper / lower)
        for name in ("flux", "upper", "lower"):
            columns[name][i] *= factor
        columns["frequency"][i] = middle
        count += 1
    return count


def _duplicates(table, columns):
    """Rows that repeat a measurement, and wider apertures of a measurement with the same note."""
    references = words(table, "Refcode")
    duplicate = repeats(columns["frequency"], columns["flux"], references)
    smallest = {}
    qualifiers = words(table, "Qualifiers")
    for i, text in enumerate(qualifiers):
        found = _APERTURE.search(text)
        if not found or duplicate[i] or not references[i]:
            continue
        size = float(found[1] + (found[2] or ""))
        # The date is part of the note: other epochs are other measurements.
        key = references[i], float(columns["frequency"][i]), _APERTURE.sub("", text)
        if key in smallest and smallest[key][0] != size:
            wider = i if size > smallest[key][0] else smallest[key][1]
            duplicate[wider] = True
            if wider == i:
                continue
        smallest[key] = size, i
    return duplicate


def _comments(n_lines, n_foreign, n_bands):
    said = {
        "emission lines left out": n_lines,
        "measurements left out that NED does not give in Jy": n_foreign,
        "band-integrated fluxes spread over their band, as if nu F_nu were flat": n_bands,
    }
    return [f"NED: {text}: {n}" for text, n in said.items() if n]
