"""VOTables as files: read into a table, and written with every digit."""

from __future__ import annotations

import gzip
import re
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape as _xml
from xml.sax.saxutils import quoteattr

import numpy as np

from .bounded import inflated
from .votables import safe_votable

if TYPE_CHECKING:
    from .._types import Any, AnyPath, Table

__all__ = ["add_words", "element", "field_element", "read_votable", "write_votable"]

# datatype by the kind and size of a number; others are widened first
_DATATYPES = {
    "b1": "boolean",
    "u1": "unsignedByte",
    "i2": "short",
    "i4": "int",
    "i8": "long",
    "f4": "float",
    "f8": "double",
    "c8": "floatComplex",
    "c16": "doubleComplex",
}
_WIDER = {"i1": "i2", "u2": "i4", "u4": "i8", "u8": "i8", "f2": "f4", "f16": "f8", "c32": "c16"}
_HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">
<RESOURCE type="results">
<TABLE>
"""


# Keys of metadata, and numbers among their values: a digest of digits alone has no point.
_KEY, _NUMBER = re.compile(r"[A-Z][A-Z0-9]{1,7}"), re.compile(r"[-+]?\d+\.\d+(?:e[-+]?\d+)?")


def document(path):
    """The bytes of a VOTable file in an encoding that has ASCII in it."""
    with open(path, "rb") as file:
        data = file.read()
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = data.decode("utf-16")
        head, sep, rest = text.partition("?>")
        data = (head.replace("UTF-16", "UTF-8").replace("utf-16", "utf-8") + sep + rest).encode()
    return data


def read_votable(path: AnyPath) -> Table:
    """First table of a VOTable file.

    Parameters
    ----------
    path : path-like
        The file.

    Returns
    -------
    table : `~astropy.table.Table`
        The table, its columns by their names.

    Raises
    ------
    ValueError
        If it is no VOTable, or one that `safe_votable` refuses.

    Examples
    --------
    >>> from astropy.table import Table
    >>> from blase_astro.io.votable_files import read_votable, write_votable
    >>> write_votable(Table({'RA': [1.5, 2.5]}), 'two.vot')
    >>> read_votable('two.vot')['RA'].tolist()
    [1.5, 2.5]
    """
    try:
        file = safe_votable(document(path))
    except OSError as error:
        raise ValueError(str(error)) from error
    tables = list(file.iter_tables())
    if not tables:
        raise ValueError("the VOTable holds no table")
    first = next((table for table in tables if len(table.array)), tables[0])
    table = first.to_table(use_names_over_ids=True)
    for name in table.colnames:
        column = table[name]
        if column.dtype.kind == "O" and all(isinstance(text, str) for text in column):
            table.replace_column(name, column.astype(str))
    table.meta |= _words(first)
    return table


def _words(table):
    """What `add_words` said of a table, or a program that has numbers as PARAM made of it.

    Keys that are no cards of FITS are not ours.
    """
    found = {}
    for word in (*table.infos, *table.params):
        value = word.value.item() if isinstance(word.value, np.generic) else word.value
        if isinstance(value, str) and _NUMBER.fullmatch(value):
            value = float(value)
        if word.name and _KEY.fullmatch(word.name) and isinstance(value, (str, int, float)):
            found[word.name] = value
    return found


def votable_infos(path):
    """INFO elements of a VOTable file, which tables in memory do not have: values by name."""
    with inflated(path) as plain:
        whole = safe_votable(document(plain), columns=[])
    parts = [whole, *whole.resources, *whole.iter_tables()]
    return {info.name.upper(): info.value for part in parts for info in part.infos if info.name}


def element(
    name: str, attributes: dict[str, Any], content: str | None = None, prefix: str = ""
) -> str:
    """An XML element as text; attributes that are None or empty are left out.

    Parameters
    ----------
    name, prefix : str
        Name of the element, and what stands before it with its colon.
    attributes : dict
        Values by name.
    content : str, optional
        What is inside, as XML.

    Returns
    -------
    text : str
        The element.

    Examples
    --------
    >>> from blase_astro.io.votable_files import element
    >>> element('INFO', {'name': 'a', 'value': '<'})
    '<INFO name="a" value="&lt;"/>'
    """
    said = "".join(
        f" {k}={quoteattr(str(v))}" for k, v in attributes.items() if v not in (None, "")
    )
    if content is None:
        return f"<{prefix}{name}{said}/>"
    return f"<{prefix}{name}{said}>{content}</{prefix}{name}>"


def plain_values(column):
    """Values of a column as numbers or text that VOTable has, and which are null."""
    values = getattr(column, "unmasked", column)
    mask = np.ma.getmaskarray(np.ma.asarray(column)) if hasattr(column, "mask") else None
    if hasattr(column, "isot"):
        values = np.array(column.isot)
    values = np.ma.getdata(np.ma.asarray(getattr(values, "value", values)))
    if values.dtype.kind == "O" and len(values) and all(map(_is_array, values)):
        return values, None
    if values.dtype.kind in "OM":
        values = np.array([_text(value) for value in values.ravel()]).reshape(values.shape)
    if values.dtype.kind == "S":
        values = np.char.decode(values, "utf-8", "surrogateescape")
    if values.dtype.kind == "U" and values.ndim > 1:  # astropy cannot read arrays of text
        rows = values.reshape(len(values), -1).tolist()
        values = np.array([", ".join(row) for row in rows], dtype=str)
    wider = _WIDER.get(values.dtype.str[1:])
    if values.dtype.kind == "u" and wider == "i8" and (values > np.iinfo("i8").max).any():
        values, wider = values.astype(str), None
    if wider:
        values = values.astype(wider)
    return values, mask


def _is_array(value):
    """Is this the array of numbers of one row, where rows differ in length?"""
    return isinstance(value, np.ndarray) and value.dtype.str[1:] in _DATATYPES


def _text(value):
    """One value of any kind as text."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return "" if value is None else str(value)


def field_element(
    column: Any, *, text: tuple[Any, ...] | None = None, prefix: str = "", ID: str | None = None
) -> str:
    """FIELD element of a column.

    Parameters
    ----------
    column : `~astropy.table.Column`
        Column; ``meta['ucd']`` and ``meta['utype']`` become attributes.
    text : tuple of str and int, optional
        ``datatype`` and ``arraysize`` of text, the length first; by default that which it needs,
        of any length.
    prefix : str
        Before the names of elements.
    ID : str, optional
        Its attribute of this name.

    Returns
    -------
    text : str
        The element.

    Examples
    --------
    >>> from astropy.table import Column
    >>> from blase_astro.io.votable_files import field_element
    >>> field_element(Column([1.0], name='nu', unit='Hz', meta={'ucd': 'em.freq'}))
    '<FIELD name="nu" datatype="double" unit="Hz" ucd="em.freq"/>'
    """
    values, mask = plain_values(column)
    info = column.info
    shape, null = list(values.shape[1:]), None
    if values.dtype.kind == "U":
        ascii_only = all(map(str.isascii, values.ravel().tolist()))
        datatype, *shape = text or ("char" if ascii_only else "unicodeChar", "*")
    elif values.dtype.kind == "O":
        datatype, shape = _DATATYPES[np.result_type(*values).str[1:]], ["*"]
    else:
        datatype, shape = _DATATYPES[values.dtype.str[1:]], shape[::-1]
        if values.dtype.kind in "iu" and mask is not None and mask.any():
            null = element("VALUES", {"null": null_of(values, mask)}, prefix=prefix)
    meta = info.meta or {}
    attributes = {
        "ID": ID,
        "name": info.name,
        "datatype": datatype,
        "arraysize": "x".join(map(str, shape)),
        "unit": _unit(info.unit),
        "ucd": valid_ucd(meta["ucd"]) if meta.get("ucd") else None,
        "utype": meta.get("utype"),
    }
    words = element("DESCRIPTION", {}, _xml(info.description), prefix) if info.description else ""
    return element("FIELD", attributes, (words + (null or "")) or None, prefix)


def null_of(values, mask):
    """A whole number that no row has."""
    lowest = int(np.iinfo(values.dtype).min) if values.dtype.kind == "i" else 255
    there = set(np.unique(values[~mask]).tolist())
    step = 1 if values.dtype.kind == "i" else -1
    while lowest in there:
        lowest += step
    return lowest


def _unit(unit):
    """A unit in the words of VOTable, or as it stands where it has none."""
    from .files import _quiet_units

    if unit is None:
        return None
    with _quiet_units():
        try:
            return unit.to_string("vounit")
        except (ValueError, AttributeError):
            return str(unit)


def valid_ucd(ucd):
    """A UCD that a VOTable may hold: old catalogs write ``phot.flux;stat.error``."""
    from astropy.io.votable.ucd import check_ucd

    *others, last = ucd.split(";")
    for candidate in (ucd, ";".join([last, *others])):
        if check_ucd(candidate, check_controlled_vocabulary=True, has_colon=True):
            return candidate
    return None


def cells(column):
    """The cells of a column as they stand between <TD> and </TD>: every digit of a number.

    A number that is NaN says so, a masked one is empty (or the null of whole numbers).
    """
    values, mask = plain_values(column)
    if mask is not None and values.ndim > 1 and mask.any() and values.dtype.kind in "fiu":
        values = np.where(
            mask, np.nan if values.dtype.kind == "f" else null_of(values, mask), values
        )
    if values.dtype.kind == "U":
        texts = [_xml(text) for text in values.tolist()]
    elif values.dtype.kind == "O":
        texts = [" ".join(_numbers(_parts(row).ravel())) for row in values]
    elif values.dtype.kind == "b":
        texts = _joined(np.where(values, "T", "F"))
    elif values.dtype.kind == "c":
        texts = _joined(_numbers(_parts(values).reshape(len(values), -1)))
    else:
        texts = _joined(_numbers(values))
    if mask is None or not mask.any() or values.ndim > 1:
        return texts
    null = str(null_of(values, mask)) if values.dtype.kind in "iu" else ""
    return [null if hidden else text for text, hidden in zip(texts, mask.tolist(), strict=True)]


def _parts(values):
    """Numbers; of complex ones both parts, one behind the other."""
    return np.stack([values.real, values.imag], -1) if values.dtype.kind == "c" else values


def _numbers(values):
    """Numbers as the shortest text that gives them back."""
    texts = values.astype(str)
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        texts = texts.astype("U32")
        texts[np.isnan(values)] = "NaN"
        texts[np.isposinf(values)] = "+Inf"
        texts[np.isneginf(values)] = "-Inf"
    return texts


def _joined(texts):
    """One text a row."""
    if texts.ndim == 1:
        return texts.tolist()
    return [" ".join(row) for row in texts.reshape(len(texts), -1).tolist()]


def add_words(meta: dict[str, Any], version: str, prefix: str = "") -> list[str]:
    """Metadata as elements of a table: INFO, or PARAM before VOTable 1.2, which has none there.

    Parameters
    ----------
    meta : dict
        Values by key.
    version : str
        Version of VOTable.
    prefix : str
        Before the names of elements.

    Returns
    -------
    elements : list of str
        One an entry that is text or a number.

    Examples
    --------
    >>> from blase_astro.io.votable_files import add_words
    >>> add_words({'level': 0.95}, '1.4')
    ['<INFO name="level" value="0.95"/>']
    """
    said = {k: v for k, v in meta.items() if isinstance(v, (str, int, float)) and k[:2] != "__"}
    if version in ("1.0", "1.1"):
        kind = {"datatype": "char", "arraysize": "*"}
        return [
            element("PARAM", {"name": k} | kind | {"value": v}, prefix=prefix)
            for k, v in said.items()
        ]
    # An empty value is left out by `element`, but INFO has to have one.
    return [
        element("INFO", {"name": k, "value": str(v) or " "}, prefix=prefix) for k, v in said.items()
    ]


def write_votable(table: Table, output: Any) -> None:
    """Write a table as a VOTable document, its metadata as INFO elements.

    Parameters
    ----------
    table : `~astropy.table.Table`
        The table; its names and texts have to fit (`~blase_astro.io.names.fit_text`).
    output : path-like or text stream
        Where to; a name that ends in ``.gz`` is compressed.

    Examples
    --------
    >>> import sys
    >>> from astropy.table import Table
    >>> from blase_astro.io.votable_files import write_votable
    >>> write_votable(Table({'x': [float('inf')]}), sys.stdout)  # doctest: +ELLIPSIS
    <?xml version="1.0" encoding="UTF-8"?>
    ...
    <TR><TD>+Inf</TD></TR>
    ...
    """
    if hasattr(output, "write"):
        output.writelines(_lines(table))
        return
    opened = gzip.open if str(output).endswith(".gz") else open
    with opened(output, "wt", encoding="utf-8", newline="\n") as stream:
        stream.writelines(_lines(table))


def _lines(table, rows_at_once=5000):
    """The document, piece by piece."""
    yield _HEAD
    for column in table.itercols():
        yield field_element(column) + "\n"
    yield "<DATA><TABLEDATA>\n"
    null = {name: _has_null(table[name]) for name in table.colnames}
    whole = [cells(table[name]) if null[name] else None for name in table.colnames]
    for start in range(0, len(table), rows_at_once):
        some = slice(start, start + rows_at_once)
        columns = [
            cells(column[some]) if texts is None else texts[some]
            for column, texts in zip(table.itercols(), whole, strict=True)
        ]
        for row in zip(*columns, strict=True):
            yield f"<TR><TD>{'</TD><TD>'.join(row)}</TD></TR>\n"
    yield "</TABLEDATA></DATA>\n"
    for words in add_words(table.meta, "1.4"):
        yield words + "\n"
    yield "</TABLE>\n</RESOURCE>\n</VOTABLE>\n"


def _has_null(column):
    """Does a column of whole numbers have masked rows, whose null is the same in all pieces?"""
    dtype = getattr(column, "dtype", None)
    return dtype is not None and dtype.kind in "iu" and bool(np.any(getattr(column, "mask", False)))
