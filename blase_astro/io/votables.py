"""VOTables from strangers: read whole, or refused before they cost or reach anything."""

from __future__ import annotations

import re
from io import BytesIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .._types import Any

__all__ = ["safe_votable"]

# Inside of a tag there is no "<", not even in quotes, so that no tag of a comment hides another. No
# part gives back what it took: the patterns stay linear whatever the bytes.
_TAG = re.compile(
    rb"""<(?:[\w.-]++:)?(STREAM|TABLE|FIELD|PARAM)\b((?:[^<>"']|"[^"<]*+"|'[^'<]*+')*+)""",
    re.ASCII,
)
_ATTRIBUTE = re.compile(r"""(?<![\w.:-])([\w.:-]++)\s*+=\s*+("[^"]*+"|'[^']*+')""")
_DECLARES = re.compile(rb"<!(?:ENTITY|ATTLIST)|<!DOCTYPE[^<>\[]*+\[")
_ROW = re.compile(rb"<(?:[\w.-]++:)?TR\b")
_ENCODING = re.compile(rb"""^<\?xml[^>]*\bencoding\s*=\s*["']([^"']*)""")
# Any other would hide the tags from a look at the bytes.
_ENCODINGS = (b"", b"utf-8", b"utf8", b"us-ascii", b"ascii", b"iso-8859-1", b"latin-1", b"latin1")
_BYTES = {"double": 8, "long": 8, "floatcomplex": 8, "doublecomplex": 16, "char": 4}
_ALWAYS = 2**28  # bytes of memory that any file may take
_RATIO = 100  # and how many for each of its own; a table of empty cells has some tens


def safe_votable(data: bytes, **options: Any) -> Any:
    """Parse a VOTable without following what it points to.

    Parameters
    ----------
    data : bytes
        The whole file, not compressed.
    **options
        For `astropy.io.votable.parse`.

    Returns
    -------
    tree : `~astropy.io.votable.tree.VOTableFile`
        The file.

    Raises
    ------
    ValueError
        If its data lie elsewhere (a ``STREAM`` with ``href``), it declares entities or a
        character set that hides its tags, or claims rows and arrays that its bytes cannot hold.
    OSError
        If it is no VOTable, damaged or cut off.

    Examples
    --------
    >>> from pathlib import Path
    >>> from blase_astro.io.votables import safe_votable
    >>> tree = safe_votable(Path('tests/data/services/vizier_sed.vot').read_bytes())
    >>> len(tree.get_first_table().fields)
    10
    """
    import warnings

    from astropy.io import votable

    start = data.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not start.startswith((b"<?xml", b"<!--", b"<!DOCTYPE", b"<VOTABLE")) and not re.match(
        rb"<[\w.-]+:VOTABLE\b", start[:80]
    ):
        raise OSError(f"not a VOTable, it starts with {start[:40]!r}")
    reason = _refusal(start)
    if reason:
        raise ValueError(f"VOTable refused: {reason}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # services bend the standard; what matters is checked
            return votable.parse(BytesIO(start), **{"verify": "ignore"} | options)
    except Exception as error:  # the XML parsers raise whatever they like
        reason = (str(error).strip() or type(error).__name__).split("\n")[-1]
        raise OSError(f"damaged or cut off VOTable ({reason[:200]})") from error


def _refusal(data):
    """Why a VOTable is not to be parsed; empty if it may be."""
    encoding = _ENCODING.match(data)
    if b"\0" in data[:400] or (encoding and encoding[1].lower() not in _ENCODINGS):
        name = encoding[1].decode("latin-1") if encoding else "UTF-16"
        return f"character set {name!r}; wanted UTF-8"
    if _DECLARES.search(data):
        return "it declares entities or attributes; no VOTable needs any"
    claimed = width = 0
    there = None
    for tag, inside in _TAG.findall(data):
        attributes = _attributes(inside)
        if tag == b"STREAM" and "href" in attributes:
            return (
                f"its data lie elsewhere ({attributes['href'][:100]}); wanted a file with its data"
            )
        if tag == b"TABLE":
            claimed, width = _count(attributes.get("nrows", "0")), 0
        elif tag in (b"FIELD", b"PARAM"):
            there = len(_ROW.findall(data)) if there is None else there
            width += _width(attributes)
        rows = max(claimed, there or 0, 1)
        if claimed > len(data) or width * rows > _ALWAYS + _RATIO * len(data):
            return f"it claims {rows} rows of {width} bytes, more than {len(data)} bytes can hold"
    return ""


def _attributes(inside):
    """Attributes of a tag by their names without prefix."""
    from html import unescape

    found = _ATTRIBUTE.findall(inside.decode("latin-1"))
    return {name.rsplit(":", 1)[-1].lower(): unescape(value[1:-1]) for name, value in found}


def _width(attributes):
    """Bytes of memory that a cell of a field takes at least."""
    size = _BYTES.get(attributes.get("datatype", "").lower(), 4)
    for count in attributes.get("arraysize", "1").split("x"):
        size *= 1 if "*" in count else _count(count)
    return size


def _count(text):
    """A count as written, 1 where it is none: the parser will have its say on it."""
    text = text.strip()[:30]
    return int(text) if text.isdecimal() else 1
