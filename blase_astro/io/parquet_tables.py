"""Parquet files as tables, whatever their columns are; pyarrow is imported where it is used."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from .._types import Any, AnyPath, Sequence, Table

__all__ = ["as_table", "described_columns", "read_parquet", "rows_as_table"]

# Where a file's metadata describe its columns: astropy's way, and that of VOParquet.
YAML = b"table_meta_yaml"
CONTENT = b"IVOA.VOTable-Parquet.content"


def read_parquet(path: AnyPath) -> Table:
    """A Parquet file as a table, whatever its columns are, without pandas.

    Dictionaries become their values, decimals floats, times text; what has no place in a table
    (structs, maps, lists of lists) becomes JSON.

    Parameters
    ----------
    path : path-like
        The file.

    Returns
    -------
    table : `~astropy.table.Table`
        Nulls are masked, but NaN in columns of floats.

    Raises
    ------
    ValueError
        If it is no Parquet file.

    Examples
    --------
    >>> from blase_astro.io.files import read_catalog, write_table
    >>> from blase_astro.io.parquet_tables import read_parquet
    >>> write_table(read_catalog('catalogs/demo_catalog.fits'), 'demo.parquet')
    >>> read_parquet('demo.parquet')['RAJ2000'].unit
    Unit("deg")
    """
    import pyarrow as pa
    from astropy.table import serialize
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            arrow = file.read()
    except pa.ArrowException as error:
        raise ValueError(str(error)) from None
    table = as_table(arrow)
    described = _described(arrow.schema, table)
    return serialize._construct_mixins_from_columns(described)


def as_table(arrow: Any) -> Table:
    """The columns of a pyarrow table, without what its metadata say of them.

    Parameters
    ----------
    arrow : ``pyarrow.Table``
        Rows of a file.

    Returns
    -------
    table : `~astropy.table.Table`
        As `read_parquet` gives them, but for units and descriptions.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from blase_astro.io.parquet_tables import as_table
    >>> as_table(pa.table({'a': [1, None]}))['a'].mask
    array([False,  True])
    """
    from astropy.table import Table

    table = Table()
    for i, name in enumerate(arrow.column_names):
        if name not in table.colnames:  # one column may be selected twice
            table[name] = _column(arrow.column(i))
    return table


def _column(array):
    """One column of numbers, text or arrays."""
    import pyarrow as pa
    from astropy.table import Column, MaskedColumn

    kind = array.type
    if pa.types.is_dictionary(kind):
        array = array.cast(kind.value_type)
        kind = array.type
    if pa.types.is_decimal(kind):
        array, kind = array.cast(pa.float64()), pa.float64()
    if pa.types.is_fixed_size_list(kind) and _is_plain(kind.value_type) and not array.null_count:
        flat = pa.chunked_array([c.flatten() for c in array.chunks], kind.value_type)
        flat = _column(flat)
        return type(flat)(flat.reshape(len(array), kind.list_size))
    if pa.types.is_list(kind) and _is_number(kind.value_type) and not array.null_count:
        values = np.empty(len(array), object)
        values[:] = [np.asarray(value.values) for value in array]
        return Column(values)
    if pa.types.is_floating(kind):
        return Column(array.to_numpy())
    mask = np.asarray(array.is_null())
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        values = array.fill_null(False if pa.types.is_boolean(kind) else 0).to_numpy()
    else:
        values = np.array([_as_text(value) for value in array.to_pylist()] or [""], dtype=str)
        values = values[: len(array)]
    return MaskedColumn(values, mask=mask) if mask.any() else Column(values)


def _is_number(kind):
    import pyarrow as pa

    return pa.types.is_integer(kind) or pa.types.is_floating(kind)


def _is_plain(kind):
    import pyarrow as pa

    return _is_number(kind) or pa.types.is_boolean(kind) or pa.types.is_string(kind)


def _as_text(value):
    """A value of any kind as text."""
    if isinstance(value, (dict, list, tuple)):
        return json.dumps(value, default=str)
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return "" if value is None else str(value)


def _described(schema, table):
    """The table with what a file says of its columns: names that tell them apart, and more."""
    twice = [name for name in table.colnames if schema.names.count(name) > 1]
    if twice:
        raise ValueError(f"two columns have the name {twice[0]!r}")
    try:
        return _with_words(schema.metadata or {}, table)
    except Exception as error:  # YAML and XML from strangers raise whatever they like
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ValueError(f"what it says of its columns is damaged ({reason})") from None


def _with_words(metadata, table):
    """Units, descriptions and the like of the columns, from either set of metadata."""
    from astropy.table import meta

    if YAML in metadata:
        header = meta.get_header_from_yaml(metadata[YAML].decode().split("\n"))
        table.meta.update(header.get("meta", {}))
        said = {column["name"]: column for column in header["datatype"]}
        for name in set(said) & set(table.colnames):
            _shape(table[name], said[name].get("subtype"))
            for attribute in ("description", "format", "unit", "meta"):
                if attribute in said[name]:
                    setattr(table[name], attribute, said[name][attribute])
    elif CONTENT in metadata:
        _describe_by_votable(table, metadata[CONTENT])
    return table


def _shape(column, subtype):
    """Give a column of lists the shape that astropy notes, as in ``int64[2,3]``."""
    sizes = re.fullmatch(r"\w+\[(\d+(?:,\d+)+)\]", str(subtype))
    shape = tuple(map(int, sizes[1].split(","))) if sizes else None
    if shape and column.ndim == 2 and np.prod(shape) == column.shape[1]:
        column.shape = (len(column), *shape)


def _describe_by_votable(table, content):
    """The same from the document of VOParquet."""
    from .votables import safe_votable

    for field in next(safe_votable(content).iter_tables()).fields:
        if field.name in table.colnames:
            column = table[field.name]
            column.unit, column.description = field.unit, field.description
            if field.ucd:
                column.meta["ucd"] = field.ucd


def described_columns(schema: Any) -> Table:
    """The columns of a Parquet file as a table without rows.

    Parameters
    ----------
    schema : ``pyarrow.Schema``
        Of a file.

    Returns
    -------
    table : `~astropy.table.Table`
        With units, descriptions and metadata.

    Examples
    --------
    >>> from blase_astro.io.files import read_catalog, write_table
    >>> from blase_astro.io.parquet_tables import described_columns
    >>> from pyarrow import parquet
    >>> write_table(read_catalog('catalogs/demo_catalog.fits'), 'demo.parquet')
    >>> described_columns(parquet.read_schema('demo.parquet'))['RAJ2000'].unit
    Unit("deg")
    """
    return _described(schema, as_table(schema.empty_table()))


def rows_as_table(arrow: Any, names: Sequence[str], like: Table) -> Table:
    """Some columns of rows of a Parquet file as a table.

    Parameters
    ----------
    arrow : ``pyarrow.Table``
        The rows.
    names : sequence of str
        Which columns.
    like : `~astropy.table.Table`
        Gives the units: what `described_columns` says of the file.

    Returns
    -------
    table : `~astropy.table.Table`
        These columns, with the metadata of ``like``.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from blase_astro.io.parquet_tables import described_columns, rows_as_table
    >>> rows = pa.table({'a': [1, 2], 'b': [3, 4]})
    >>> rows_as_table(rows, ['b'], described_columns(rows.schema)).colnames
    ['b']
    """
    table = as_table(arrow.select(names))
    for name in names:
        table[name].unit = like[name].unit
    table.meta.update(like.meta)
    return table
