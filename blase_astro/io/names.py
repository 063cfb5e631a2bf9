"""Text from strangers made fit for where it goes: a table format, a spreadsheet, a terminal."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .._types import Any, Table

__all__ = ["escape", "fit_for", "fit_text", "shield", "shown", "unescape", "whole_text"]

_SURROGATES = "\ud800-\udfff"  # what is no UTF-8 in the name of a file comes as these
# What the text of a format cannot hold: FITS has ASCII alone, XML few control characters and a
# unicodeChar two bytes, and readers of text take what looks like an end of a line for one.
_LINE_ENDS = "\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029"
_CHARACTERS = {
    "fits": "[^ -~]",
    "votable": f"[\x00-\x08\n-\x1f{_SURROGATES}\ufffe\uffff\U00010000-\U0010ffff]",
    "ascii.ecsv": f"[\x00\n{_LINE_ENDS}{_SURROGATES}]",
    "ascii.csv": f"[\x00{_LINE_ENDS}{_SURROGATES}]",
    "parquet": f"[{_SURROGATES}]",
}
_NOTE = " (percent-encoded)"
# What spreadsheets would run; a number with its sign, or a sign alone, is none.
_FORMULA = re.compile(r"[=@\t\r]|[+-](?!$|[\d.]+(?:[eE][+-]?\d+)?$)")


@cache
def _unfit(form):
    """Pattern of the characters that a format cannot hold, None for a format that can hold all."""
    return re.compile(_CHARACTERS[form]) if form in _CHARACTERS else None


def shown(text: str) -> str:
    """A name as a terminal may print it: what is not printed, or turns the line, is escaped.

    Parameters
    ----------
    text : str
        A name.

    Returns
    -------
    shown : str
        The same on one line.

    Examples
    --------
    >>> from blase_astro.io.names import shown
    >>> print(shown('PKS 0735+17\\x1b[31m'))
    PKS 0735+17\\x1b[31m
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def shield(text: str) -> str:
    """Text as a spreadsheet takes it for text: what it would run as a formula gets a quote before.

    Parameters
    ----------
    text : str
        Text of a cell.

    Returns
    -------
    shielded : str
        The same, or with ``'`` before it.

    Examples
    --------
    >>> from blase_astro.io.names import shield
    >>> shield('=1+1'), shield('-1.5'), shield('1ES 1959+650')
    ("'=1+1", '-1.5', '1ES 1959+650')
    """
    return "'" + text if _FORMULA.match(text) else text


def escape(text: str, form: str) -> str:
    """Text with what a format cannot hold as percent and two hexadecimal digits a byte.

    Half of a surrogate pair that stands for no byte of a file's name is ``%u`` and four digits.

    Parameters
    ----------
    text : str
        Any text.
    form : str
        Name of the format, as of `~blase_astro.io.files.file_format`.

    Returns
    -------
    escaped : str
        The same where it fits; else what `unescape` takes back, a percent sign being escaped too.

    Examples
    --------
    >>> from blase_astro.io.names import escape
    >>> escape('café.txt', 'fits'), escape('café.txt', 'votable'), escape('90%', 'fits')
    ('caf%C3%A9.txt', 'café.txt', '90%')
    """
    unfit = _unfit(form)
    if unfit is None or not unfit.search(text):
        return text
    return _escaped(text, unfit)


def _escaped(text, unfit):
    """Every unfit character and every percent sign escaped."""
    escaped = unfit.sub(_percent, text.replace("%", "%25"))
    if unescape(escaped) == text:
        return escaped
    # Halves of pairs that stand for bytes which together are another character: no file's name.
    escaped = text.replace("%", "%25")
    halves = re.sub(f"[{_SURROGATES}]", lambda half: f"%u{ord(half[0]):04X}", escaped)
    return unfit.sub(_percent, halves)


def _percent(match):
    """A character as the bytes it stands for; half of a pair may stand for none."""
    try:
        data = match[0].encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return f"%u{ord(match[0]):04X}"
    return "".join(f"%{byte:02X}" for byte in data)


def unescape(text: str) -> str:
    """What `escape` was given.

    Parameters
    ----------
    text : str
        Escaped text.

    Returns
    -------
    text : str
        The original.

    Examples
    --------
    >>> from blase_astro.io.names import unescape
    >>> unescape('caf%C3%A9.txt')
    'café.txt'
    """
    from urllib.parse import unquote

    # A percent sign of the original is %25, so that %u is nothing but half of a pair.
    text = re.sub("%u(D[89A-F][0-9A-F]{2})", lambda half: chr(int(half[1], 16)), text)
    return unquote(text, errors="surrogateescape")


def fit_for(meta: dict[str, Any], form: str) -> dict[str, Any]:
    """Metadata whose texts a format can hold.

    Parameters
    ----------
    meta : dict
        Values by key.
    form : str
        Name of the format.

    Returns
    -------
    meta : dict
        The same, texts escaped where they have to be.

    Examples
    --------
    >>> from blase_astro.io.names import fit_for
    >>> fit_for({'BLASECMD': 'blase match é.fits', 'PILEVEL': 0.95}, 'fits')
    {'BLASECMD': 'blase match %C3%A9.fits', 'PILEVEL': 0.95}
    """
    return {k: escape(v, form) if isinstance(v, str) else v for k, v in meta.items()}


def fit_text(table: Table, form: str) -> Table:
    """A table whose names and texts a format can hold.

    A column with a text that does not fit is escaped as a whole, and its description says so.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Any table; it is not changed.
    form : str
        Name of the format.

    Returns
    -------
    table : `~astropy.table.Table`
        The same table where all fits, else a copy.

    Examples
    --------
    >>> from astropy.table import Table
    >>> from blase_astro.io.names import fit_text
    >>> table = fit_text(Table({'name': ['café.txt', '90%']}), 'fits')
    >>> table['name'].tolist(), table['name'].description
    (['caf%C3%A9.txt', '90%25'], '(percent-encoded)')
    """
    unfit = _unfit(form)
    if unfit is None:
        return table
    fitted = table.copy(copy_data=False)
    fitted.meta = type(table.meta)(fit_for(table.meta, form))
    for name in table.colnames:
        column = table[name]
        if _is_text(column) and unfit.search("".join(_values(column))):
            fitted.replace_column(name, _fitted(column, unfit))
            said = column.info.description or ""
            fitted[name].info.description = (escape(said, form) + _NOTE).strip()
        elif column.info.description:
            fitted[name].info.description = escape(column.info.description, form)
    for name in table.colnames:
        if unfit.search(name):
            fitted.rename_column(name, _escaped(name, unfit))
    return fitted


def _is_text(column):
    """Is this a plain column of text?"""
    dtype = getattr(column, "dtype", None)
    return dtype is not None and dtype.kind == "U"


def _values(column):
    """Texts of a column of any shape, what masked cells hold among them."""
    import numpy as np

    return np.ma.getdata(np.ma.asarray(column)).ravel().tolist()


def _fitted(column, unfit):
    """A column with each text escaped."""
    import numpy as np

    texts = np.array([_escaped(text, unfit) for text in _values(column)]).reshape(column.shape)
    fitted = type(column)(texts, name=column.name)
    if hasattr(column, "mask"):
        fitted.mask = column.mask
    fitted.meta = column.meta
    return fitted


def whole_text(table: Table) -> Table:
    """Take back in a table that was read what `fit_text` did to its columns.

    Parameters
    ----------
    table : `~astropy.table.Table`
        A table as it was read; it is changed.

    Returns
    -------
    table : `~astropy.table.Table`
        The same table.

    Examples
    --------
    >>> from astropy.table import Table
    >>> from blase_astro.io.names import fit_text, whole_text
    >>> whole_text(fit_text(Table({'name': ['café.txt']}), 'fits'))['name'].tolist()
    ['café.txt']
    """
    import numpy as np

    for name in table.colnames:
        said = table[name].info.description or ""
        if said.endswith(_NOTE.strip()) and table[name].dtype.kind in "US":
            column = table[name]
            texts = [unescape(v if isinstance(v, str) else v.decode()) for v in _values(column)]
            whole = type(column)(np.array(texts).reshape(column.shape), name=name)
            if hasattr(column, "mask"):
                whole.mask = column.mask
            whole.meta, whole.description = column.meta, said.removesuffix(_NOTE.strip()).strip()
            table.replace_column(name, whole)
    return table
