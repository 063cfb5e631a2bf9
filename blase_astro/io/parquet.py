"""Parquet: blocks of rows to a file, columns appended to one.

Units, UCDs and descriptions are written twice: as the VOTable document of the VOParquet convention
of the IVOA (``Table.read(..., format='parquet.votable')``, TOPCAT, LSDB), and as astropy's own YAML
(``Table.read(..., format='parquet')``). pyarrow is imported where it is used.
"""

from __future__ import annotations

import base64
import json
import re
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from .output import placed
from .parquet_tables import CONTENT, YAML, as_table
from .votable_files import add_words, field_element
from .yaml_header import extended_yaml, yaml_lines

if TYPE_CHECKING:
    from .._types import Any, AnyPath, Callable, Iterator, Sequence, Table

__all__ = [
    "append_made",
    "append_to_parquet",
    "parquet_sink",
]

_VERSION = b"IVOA.VOTable-Parquet.version"
# An element of the document; NAME stands for an attribute.
_FIELD = r"(?s)<(?P<prefix>\w*:?)FIELD\b[^>]*NAME[^>]*(?:/>|(?<!/)>.*?</(?P=prefix)FIELD>)"
_DOCUMENT = """<?xml version="1.0" encoding="UTF-8"?>
<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">
<RESOURCE type="results">
<TABLE>
{fields}
{words}
</TABLE>
</RESOURCE>
</VOTABLE>
"""


@contextmanager
def parquet_sink(
    output: AnyPath, like: Table, *, overwrite: bool = False, kept: Sequence[str] = ()
) -> Iterator[Callable[[Table], None]]:
    """A Parquet file to which blocks of rows are written, in place when it is whole.

    Parameters
    ----------
    output : path-like
        The file.
    like : `~astropy.table.Table`
        Columns, with units, descriptions and UCDs, and metadata; its rows are not written.
    overwrite : bool
        Is an existing file to be replaced?
    kept : sequence of str
        Columns in which NaN stays NaN; in the others it is null, which means no estimate.

    Yields
    ------
    write : callable
        Takes a table with these columns; each call makes one row group.

    Raises
    ------
    OSError
        If the file exists already or cannot be written.

    Examples
    --------
    >>> import numpy as np
    >>> from astropy.table import Table
    >>> from blase_astro.io.parquet import parquet_sink
    >>> from blase_astro.io.parquet_tables import read_parquet
    >>> block = Table({'nu_peak': [1e14, np.nan]}, units={'nu_peak': 'Hz'})
    >>> with parquet_sink('blocks.parquet', block[:0]) as write:
    ...     write(block)
    ...     write(block)
    >>> len(read_parquet('blocks.parquet'))
    4
    """
    from pyarrow import parquet

    with placed(output, overwrite=overwrite) as beside:
        schema = _schema(like)
        longest: dict[str, int] = {}
        writer = parquet.ParquetWriter(beside, schema, version="2.6", store_schema=False)
        with writer:

            def write(block):
                for name in block.colnames:
                    if block[name].dtype.kind in "US":
                        longest[name] = max(longest.get(name, 1), _length(block[name].dtype))
                writer.write_table(_arrow(block, schema, kept))

            yield write
            metadata = _metadata(like, longest) | _lengths(longest)
            arrow = schema.with_metadata(metadata).serialize().to_pybytes()
            # pyarrow would write its schema first, and then know no lengths of texts.
            metadata[b"ARROW:schema"] = base64.b64encode(arrow)
            writer.add_key_value_metadata(metadata)


def write_parquet(table, path, kept=()):
    """A whole table as a Parquet file."""
    from astropy.table.serialize import represent_mixins_as_columns
    from astropy.utils.data_info import serialize_context_as

    with serialize_context_as("ecsv"):  # masked cells become nulls, not columns of their own
        table = represent_mixins_as_columns(table)
    with parquet_sink(path, table, overwrite=True, kept=kept) as write:
        write(table)


def _length(dtype):
    """Characters of a text."""
    return max(dtype.itemsize // (4 if dtype.kind == "U" else 1), 1)


def _lengths(longest):
    """What astropy wants to know of text, by key of the metadata."""
    return {f"table::len::{name}".encode(): str(n).encode() for name, n in longest.items()}


def _schema(table):
    """pyarrow schema of the columns of a table."""
    import pyarrow as pa

    return pa.schema([(name, _arrow_type(table[name])) for name in table.colnames])


def _arrow_type(column):
    import pyarrow as pa

    if column.dtype.kind == "O":
        arrays = len(column) and all(isinstance(value, np.ndarray) for value in column)
        if not arrays:
            return pa.string()
        return pa.list_(pa.from_numpy_dtype(np.result_type(*column)))
    base = pa.string() if column.dtype.kind in "US" else pa.from_numpy_dtype(column.dtype.base)
    n = int(np.prod(column.shape[1:]))
    return base if column.ndim == 1 else pa.list_(base, n)


def _metadata(table, longest):
    """Both sets of metadata that describe a table."""
    fields = "\n".join(_field(column, longest.get(column.name)) for column in table.itercols())
    content = _DOCUMENT.format(fields=fields, words="\n".join(add_words(table.meta, "1.4")))
    return {
        _VERSION: b"1.0",
        CONTENT: content.encode(),
        YAML: "\n".join(yaml_lines(table)).encode(),
    }


def _field(column, length=None, prefix=""):
    """FIELD element of a column; astropy cannot join text of any length with what it reads."""
    text = None
    if column.dtype.kind in "US":
        text = "unicodeChar", length or _length(column.dtype), *column.shape[:0:-1]
    return field_element(column, text=text, prefix=prefix)


def arrow_table(table):
    """A table of astropy as one of pyarrow.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Numbers, text, arrays of one length.

    Returns
    -------
    arrow : ``pyarrow.Table``
        NaN and masked cells are null.

    Examples
    --------
    >>> from astropy.table import Table
    >>> from blase_astro.io.parquet import arrow_table
    >>> arrow_table(Table({'a': [1.0, float('nan')]}))['a'].null_count
    1
    """
    return _arrow(table, _schema(table), ())


def _arrow(table, schema, kept):
    """A block of rows as a pyarrow table."""
    import pyarrow as pa

    arrays = [
        _arrow_array(table[field.name], field.type, field.name not in kept) for field in schema
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def _arrow_array(column, kind, nan_is_null):
    """One column; masked cells become null."""
    import pyarrow as pa

    values, mask = np.ma.asarray(column), None
    if np.ma.getmaskarray(values).any():
        mask = np.ma.getmaskarray(values).ravel()
    values = np.ma.getdata(values)
    if values.dtype.kind == "S":
        values = np.char.decode(values, "utf-8", "replace")
    if values.dtype.kind == "U" and column.ndim == 1:  # pyarrow would end an array's text at NUL
        return pa.array(values.tolist(), kind, mask=mask)
    if column.ndim > 1:
        flat = values.ravel().astype(values.dtype.newbyteorder("="))
        # Null is what the list holds: lists that are null themselves astropy does not read.
        if flat.dtype.kind == "f" and nan_is_null:
            missing = np.isnan(flat)
            mask = missing if mask is None else mask | missing
        flat = pa.array(flat.tolist() if flat.dtype.kind == "U" else flat, mask=mask)
        return pa.FixedSizeListArray.from_arrays(flat, kind.list_size).cast(kind)
    if values.dtype.kind == "O":
        text = pa.types.is_string(kind)
        return pa.array([str(v) if text else v for v in values], kind, mask=mask)
    values = values.astype(values.dtype.newbyteorder("="))
    if values.dtype.kind == "f" and nan_is_null:
        missing = np.isnan(values)
        mask = missing if mask is None else mask | missing
    return pa.array(values, kind, mask=mask)


def append_to_parquet(
    source: AnyPath, columns: Table, path: AnyPath, check: Callable[[list[str], int], Any]
) -> None:
    """Copy a Parquet file with columns appended, one row group after the other.

    Parameters
    ----------
    source : path-like
        The file: its other columns, of whatever type, their schema and metadata are kept.
    columns : `~astropy.table.Table`
        What to append.
    path : path-like
        File to write.
    check : callable
        Called with the names and number of rows of the file; raises where the columns do not fit.

    Examples
    --------
    >>> from pathlib import Path
    >>> from astropy.table import Table
    >>> from blase_astro.io.parquet import append_to_parquet, parquet_sink
    >>> from blase_astro.io.parquet_tables import read_parquet
    >>> with parquet_sink('short.parquet', Table({'a': [1]})) as write:
    ...     write(Table({'a': [1]}))
    >>> append_to_parquet('short.parquet', Table({'b': [2]}), 'long.parquet', lambda names, n: None)
    >>> read_parquet('long.parquet').colnames
    ['a', 'b']
    """
    append_made(source, columns, partial(_next_rows, columns, count=[0]), path, check)


def _next_rows(columns, part, count):
    """As many of the columns' rows as a part has; ``count`` holds those before them."""
    count[0] += len(part)
    return columns[count[0] - len(part) : count[0]]


def append_made(
    source: AnyPath,
    like: Table,
    make: Callable,
    path: AnyPath,
    check: Callable[[list[str], int], Any],
    rows: int | None = None,
) -> None:
    """As `append_to_parquet`, with columns that are made as the file is read.

    Parameters
    ----------
    source, path, check
        As for `append_to_parquet`.
    like : `~astropy.table.Table`
        Columns, with units, descriptions and UCDs, and metadata; its rows do not count.
    make : callable
        Takes some rows of the file as a ``pyarrow.Table``, gives a table with these columns.
    rows : int, optional
        The most rows that are read at once; a row group by default.

    Examples
    --------
    >>> from astropy.table import Table
    >>> from blase_astro.io.parquet import append_made, parquet_sink
    >>> from blase_astro.io.parquet_tables import read_parquet
    >>> with parquet_sink('short.parquet', Table({'a': [1]})) as write:
    ...     write(Table({'a': [1]}))
    >>> append_made('short.parquet', Table({'b': [0]}), lambda part: Table({'b': [len(part)]}),
    ...             'long.parquet', lambda names, n: None)
    >>> print(read_parquet('long.parquet'))
     a   b
    --- ---
      1   1
    """
    import pyarrow as pa
    from pyarrow import parquet

    with parquet.ParquetFile(source, pre_buffer=False, buffer_size=2**20) as file:
        old, n_rows = file.schema_arrow, file.metadata.num_rows
        check(old.names, n_rows)
        new = _schema(like)
        fields = [new.field(f.name) if f.name in new.names else f for f in old]
        fields += [field for field in new if field.name not in old.names]
        lengths = {n: _length(like[n].dtype) for n in new.names if like[n].dtype.kind in "US"}
        metadata = _extended(old, like) | _lengths(lengths)
        schema = pa.schema(fields, metadata=metadata)
        # Trying dictionaries for columns of floats would take most of the time, and gain nothing.
        words = [field.name for field in fields if not pa.types.is_floating(field.type)]
        how = {"compression": _compression(file), "use_dictionary": words}
        with parquet.ParquetWriter(path, schema, **how) as writer:
            for part in _parts(file, rows):
                added = dict(zip(new.names, _arrow(make(part), new, ()).columns, strict=True))
                arrays = [added[f.name] if f.name in added else part[f.name] for f in fields]
                writer.write_table(pa.Table.from_arrays(arrays, schema=schema), len(part) or None)


def _parts(file, rows):
    """The rows of a file by row groups, or so many at a time."""
    import pyarrow as pa

    if rows is None:
        yield from map(file.read_row_group, range(file.num_row_groups))
    else:
        for batch in file.iter_batches(rows):
            yield pa.Table.from_batches([batch])


def _compression(file):
    """Compression of a file, as the writer calls it."""
    if not file.metadata.num_row_groups or not file.metadata.num_columns:
        return "snappy"
    name = file.metadata.row_group(0).column(0).compression.lower()
    return "none" if name == "uncompressed" else name


def _extended(old, columns):
    """Metadata of a file with the descriptions of new columns in both places."""
    metadata = dict(old.metadata or {})
    if YAML in metadata:
        lines = metadata[YAML].decode().split("\n")
    else:  # astropy wants to find every column there
        lines = [
            "datatype:",
            *(f"- {{name: {json.dumps(n)}, datatype: string}}" for n in old.names),
        ]
    metadata[YAML] = "\n".join(extended_yaml(lines, columns)).encode()
    content = metadata.get(CONTENT, b"").decode()
    if not content:
        known = as_table(old.empty_table())
        fields = "\n".join(_field(column) for column in known.itercols())
        content = _DOCUMENT.format(fields=fields, words="")
    for name in set(columns.colnames) & set(old.names):  # replaced
        content = re.sub(_FIELD.replace("NAME", re.escape(f'name="{name}"')), "", content)
    *_, last = re.finditer(_FIELD.replace("NAME", "") + r"|<(?P<p>\w*:?)TABLE\b[^>]*>", content)
    prefix = last["prefix"] or last["p"] or ""
    fields = [_field(column, prefix=prefix) for column in columns.itercols()]
    content = content[: last.end()] + "\n".join(["", *fields]) + content[last.end() :]
    metadata[CONTENT], metadata[_VERSION] = content.encode(), b"1.0"
    return metadata
