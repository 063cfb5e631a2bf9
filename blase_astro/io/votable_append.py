"""Columns appended to a VOTable by inserting text: what is not inserted stays byte for byte."""

from __future__ import annotations

import base64
import gzip
import re
from typing import TYPE_CHECKING, NamedTuple
from xml.parsers import expat

import numpy as np

from .votable_files import (
    _DATATYPES,
    add_words,
    cells,
    document,
    field_element,
    plain_values,
)

if TYPE_CHECKING:
    from .._types import Any, AnyPath, Callable, Table

__all__ = ["append_to_votable"]

_SIZES = {"char": 1, "unicodeChar": 2, "bit": 1} | {
    name: int(kind[1:]) for kind, name in _DATATYPES.items()
}
_BASE64_LINE = 76


def append_to_votable(
    source: AnyPath, columns: Table, path: AnyPath, check: Callable[[list[str], int], Any]
) -> None:
    """Copy a VOTable with columns appended to its first table.

    Old cells are never read as numbers, so they keep every digit; comments, namespaces, groups and
    other tables stay as they are.

    Parameters
    ----------
    source : path-like
        The document.
    columns : `~astropy.table.Table`
        What to append, its texts fit for the format; ``meta`` becomes INFO elements.
    path : path-like
        File to write, compressed where its name ends in ``.gz``.
    check : callable
        Called with the names and number of rows of the table; raises where the columns do not fit.

    Raises
    ------
    ValueError
        If the document is refused, or its data are of a kind that cannot be added to.
    """
    data = document(source)
    table = _layout(data)
    names = [attributes.get("name", "") for attributes, _, _ in table.fields]
    old = {name: names.index(name) for name in columns.colnames if name in names}
    if table.kind == "TABLEDATA":
        check(names, len(table.rows))
        edits = _cell_edits(table, columns, old)
    elif table.kind in ("BINARY", "BINARY2"):
        edits = _binary_edits(data, table, columns, old, lambda n: check(names, n))
    else:
        raise ValueError(
            f"the data of the VOTable are {table.kind or 'missing'}; "
            "wanted TABLEDATA, BINARY or BINARY2"
        )
    edits += _field_edits(table, columns, old)
    edits += _word_edits(table, columns.meta)
    opened = gzip.open if str(path).endswith(".gz") else open
    with opened(path, "wb") as file:
        file.writelines(_edited(data, edits))


class Layout(NamedTuple):
    """Where the parts of the first table with rows stand in a document; all ends are exclusive."""

    version: str
    prefix: str  # of the elements' names, with its colon
    fields: list  # (attributes, start, end)
    infos: list  # (name, start, end), children of the table
    kind: str  # TABLEDATA, BINARY, BINARY2 or FITS
    rows: list  # of TABLEDATA: (where cells end, None in <TR/>; span of all; spans of the cells)
    stream: tuple  # attributes, start and end of the stream's text
    end: int  # of DATA


def _layout(data):
    """Where the parts of the first table with data stand in a document."""
    walk = _Walk(data)
    try:
        walk.parser.Parse(data, True)
    except expat.ExpatError as error:
        raise ValueError(f"no XML: {error}") from None
    return walk.layout()


class _Walk:
    """Handlers of expat that note where things stand in a document."""

    def __init__(self, data):
        self.data, self.version, self.prefix, self.path = data, "", "", []
        self.table = self.found = self.behind = self.empty = None
        self.parser = expat.ParserCreate()
        self.parser.StartElementHandler = self.start
        self.parser.EndElementHandler = self.stop
        self.parser.EntityDeclHandler = self.entity
        self.parser.ordered_attributes = False

    def entity(self, name, *_):
        raise ValueError(f"a VOTable that declares entities ({name}) is not read")

    def start(self, qname, attributes):
        name = qname.rpartition(":")[2]
        at = self.parser.CurrentByteIndex
        if name == "VOTABLE" and not self.path:
            self.version = attributes.get("version", "1.1")
        elif name == "TABLE" and self.found is None:
            self.prefix = qname.rpartition(":")[0]
            self.table = {"fields": [], "infos": [], "rows": [], "kind": "", "stream": ((), 0, 0)}
        if self.table is not None:
            self.inside(name, attributes, at)
        self.path.append((name, attributes, at))

    def inside(self, name, attributes, at):
        """Something of a table that may be the one."""
        parent = self.path[-1][0]
        if parent == "DATA":
            self.table["kind"] = name
        elif name == "TR" and parent == "TABLEDATA":
            self.row = []
        elif name == "STREAM":
            after = self.data.index(b">", at) + 1
            self.table["stream"] = attributes, after, after

    def stop(self, qname):
        name, attributes, start = self.path.pop()
        at = self.parser.CurrentByteIndex
        closed = self.data.startswith(f"</{qname}".encode(), at) and at > start
        end = self.data.index(b">", at) + 1 if closed else at
        parent = self.path[-1][0] if self.path else ""
        if name == "INFO" and parent == "TABLE" and (self.table or self.behind):
            (self.table or self.behind)["infos"].append((attributes.get("name"), start, end))
        if name == "TABLE":
            self.table = self.behind = None
        if self.table is None:
            return
        if name == "FIELD" and parent == "TABLE":
            self.table["fields"].append((attributes, start, end))
        elif name == "STREAM":
            self.table["stream"] = *self.table["stream"][:2], at
        elif name == "TD" and parent == "TR":
            self.row.append((start, end))
        elif name == "TR" and parent == "TABLEDATA":
            self.table["rows"].append((at if closed else None, (start, end), self.row))
        elif name == "DATA" and parent == "TABLE":
            self.table["end"], self.behind = end, self.table
            if self.table["rows"] or b"".join(self.data[slice(*self.table["stream"][1:])].split()):
                self.found = self.table
            self.empty = self.empty or self.table
            self.table = None

    def layout(self):
        found = self.found or self.empty
        if found is None:
            raise ValueError("the VOTable holds no table with data")
        prefix = self.prefix + ":" if self.prefix else ""
        return Layout(version=self.version, prefix=prefix, **found)


def _edited(data, edits):
    """Pieces of a document in which spans are replaced, each (start, end, text)."""
    encoding = re.match(rb"<\?xml[^>]*encoding\s*=\s*[\"']([\w.-]+)", data.lstrip(b"\xef\xbb\xbf"))
    encoding = encoding[1].decode() if encoding else "utf-8"
    done = 0
    for start, end, text in sorted(edits, key=lambda edit: edit[:2]):
        yield data[done:start]
        yield text.encode(encoding, "xmlcharrefreplace")
        done = end
    yield data[done:]


def _field_edits(table, columns, old):
    """The new FIELD elements behind the last one; those of replaced columns where they stand."""
    binary = table.kind != "TABLEDATA"
    added = ""
    for name in columns.colnames:
        attributes, start, end = table.fields[old[name]] if name in old else ({}, 0, 0)
        column = columns[name]
        kind = _text_kind(column) if binary and column.dtype.kind == "U" else None
        text = field_element(column, text=kind, prefix=table.prefix, ID=attributes.get("ID"))
        if name in old:
            yield start, end, text
        else:
            added += "\n" + text
    last = table.fields[-1][2]
    yield last, last, added


def _word_edits(table, meta):
    """Metadata behind the data; an INFO of the same name is replaced."""
    yield from ((start, end, "") for name, start, end in table.infos if name in meta)
    added = "\n".join(["", *add_words(meta, table.version, table.prefix)])
    at = table.fields[-1][2] if table.version in ("1.0", "1.1") else table.end
    yield at, at, added


def _cell_edits(table, columns, old):
    """New cells at the end of each row, and those of replaced columns where they stand."""
    prefix, edits = table.prefix, []
    texts = {name: cells(columns[name]) for name in columns.colnames}
    new = [texts[name] for name in columns.colnames if name not in old]
    new = list(zip(*new, strict=True)) if new else [()] * len(columns)
    td = f"<{prefix}TD>", f"</{prefix}TD>"
    for i, (last, whole, spans) in enumerate(table.rows):
        missing = len(table.fields) - len(spans)
        if missing < 0:
            raise ValueError(f"row {i + 1} of the VOTable has more cells than fields")
        added = "".join(f"{td[0]}{text}{td[1]}" for text in [""] * missing + list(new[i]))
        if last is None:  # <TR/>
            edits.append((*whole, f"<{prefix}TR>{added}</{prefix}TR>"))
        else:
            edits.append((last, last, added))
        for name, number in old.items():
            if number < len(spans):
                edits.append((*spans[number], f"{td[0]}{texts[name][i]}{td[1]}"))
    return edits


def _binary_edits(data, table, columns, old, check):
    """The stream with the bytes of the new cells behind those of each row."""
    attributes, start, end = table.stream
    if attributes.get("encoding", "").strip() != "base64":
        raise ValueError("the stream of the VOTable is not in base64")
    stream = base64.b64decode(data[start:end])
    sizes = [_cell_size(attributes) for attributes, _, _ in table.fields]
    flags = -(-len(sizes) // 8) if table.kind == "BINARY2" else 0
    rows = list(_row_spans(stream, sizes, flags))
    check(len(rows))
    new = [name for name in columns.colnames if name not in old]
    more_flags = bytes(-(-(len(sizes) + len(new)) // 8) - flags) if flags else b""
    added = {name: _cell_bytes(columns[name]) for name in columns.colnames}
    pieces = []
    for i, spans in enumerate(rows):
        at = spans[0][0] - flags
        pieces += [stream[at : at + flags], more_flags]
        row = [stream[slice(*span)] for span in spans]
        for name, number in old.items():
            row[number] = added[name][i]
        pieces += row
        pieces += [added[name][i] for name in new]
    text = base64.b64encode(b"".join(pieces)).decode()
    lines = [text[i : i + _BASE64_LINE] for i in range(0, len(text), _BASE64_LINE)]
    return [(start, end, "\n".join(["", *lines, ""]))]


def _cell_size(attributes):
    """Bytes of a cell, and of one element of it where a count stands before it (else 0)."""
    datatype, size = attributes.get("datatype"), attributes.get("arraysize", "").strip()
    if datatype not in _SIZES:
        raise ValueError(f"datatype {datatype!r} of field {attributes.get('name')!r} is not known")
    if size.endswith("*") and "x" not in size:
        return 4, _SIZES[datatype] if datatype != "bit" else -1
    if not re.fullmatch(r"(\d+(x\d+)*)?", size):
        raise ValueError(
            f"field {attributes.get('name')!r} has arrays of size {size}, which cannot be told "
            "apart in a binary stream; convert the table to TABLEDATA first"
        )
    n = int(np.prod([int(text) for text in size.split("x")])) if size else 1
    return (-(-n // 8) if datatype == "bit" else n * _SIZES[datatype]), 0


def _row_spans(stream, sizes, flags):
    """Spans of the cells of each row."""
    at, end = 0, len(stream)
    while at < end:
        at += flags
        spans = []
        for size, item in sizes:
            start = at
            at += size
            if item:
                n = int.from_bytes(stream[start:at], "big")
                at += -(-n // 8) if item < 0 else n * item
            spans.append((start, at))
        if at > end:
            raise ValueError("the stream of the VOTable ends before its last row does")
        yield spans


def _text_kind(column):
    """Type and length of text in a binary stream."""
    ascii_only = all(map(str.isascii, column.tolist()))
    return "char" if ascii_only else "unicodeChar", max(column.dtype.itemsize // 4, 1)


def _cell_bytes(column):
    """The cells of one of our columns: numbers, or text of one length."""
    values, _ = plain_values(column)
    if values.dtype.kind == "U":
        kind, n = _text_kind(column)
        codes = values.astype(f"U{n}").view(np.uint32).reshape(len(values), n)
        values = codes.astype(">u1" if kind == "char" else ">u2")
    elif values.dtype.kind == "b":
        values = np.where(values, b"T", b"F")
    data = np.ascontiguousarray(values.astype(values.dtype.newbyteorder(">"))).tobytes()
    size = len(data) // max(len(values), 1)
    return [data[i : i + size] for i in range(0, len(data), size or 1)]
