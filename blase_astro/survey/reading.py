"""Measurements of many sources in Parquet, some sources at a time.

Two layouts are taken, and told apart by the schema: one row a measurement, or one row a source
with its measurements in lists (columns of lists, a struct of lists, a list of structs).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..io.parquet import described_columns
from ..points import Sources
from ..sky import find_position

if TYPE_CHECKING:
    from .._types import AnyPath

__all__ = ["PointFile", "is_point_table", "layout_of", "nested_sources"]

# What may identify a source, the first that is there, in any case of letters.
_SOURCE = ("source", "source_id", "object_id", "name")
_NUMBERS = ("frequency", "nufnu", "nufnu_upper", "nufnu_lower")
_MEASURED = (*_NUMBERS, "upper_limit", "duplicate", "catalog")
# Rows read at once: of measurements, and of sources with lists.
_ROWS, _NESTED_ROWS = 2**17, 4096
# Rows of one piece of work, and of a row group from which on a file is not divided.
_PIECE, _HUGE = 2**18, 2**22
_NESTED_PIECE, _NESTED_HUGE = 2**13, 2**17


class Layout(NamedTuple):
    """Where a file keeps what.

    Attributes
    ----------
    source : str or None
        Column that identifies a source.
    ra, dec : str
        Columns with its position.
    nested : str or None
        Column that holds all measurements of a source; empty where each has its own column of
        lists, None where a row is one measurement.
    measured : dict of str
        Name of the column or field of each measured quantity.
    units : dict of str
        Units by name of the column.
    redshift : str or None
        Column with its redshift.
    """

    source: str | None
    ra: str
    dec: str
    nested: str | None
    measured: dict
    units: dict
    redshift: str | None = None

    def columns(self):
        """Columns that are read."""
        lists = [self.nested] if self.nested else list(self.measured.values())
        heads = [name for name in (self.source, self.ra, self.dec, self.redshift) if name]
        return list(dict.fromkeys([*heads, *lists]))


def is_point_table(path: AnyPath) -> bool:
    """Does a Parquet file hold measurements of many sources?

    Parameters
    ----------
    path : path-like
        Any file.

    Returns
    -------
    it_does : bool
        False for anything else, such as the SED of one source.

    Examples
    --------
    >>> from blase_astro.survey import is_point_table
    >>> is_point_table('catalogs/demo_seds.zip')
    False
    """
    with open(path, "rb") as file:
        if file.read(4) != b"PAR1":
            return False
    from pyarrow import ArrowException, parquet

    try:
        schema = parquet.read_schema(path)
    except ArrowException:
        return False
    nested, fields = _find_measurements(schema)
    return fields is not None and (nested is not None or _named(schema.names, _SOURCE) is not None)


def _named(names, wanted):
    """The first of the wanted names that is there, in any case of letters."""
    lower = {name.lower(): name for name in reversed(names)}
    return next((lower[name] for name in wanted if name in lower), None)


def _find_measurements(schema):
    """The column that holds measurements (as in `Layout`), and fields of pyarrow by name."""
    import pyarrow as pa

    fields = {field.name.lower(): field for field in reversed(list(schema))}
    if {"frequency", "nufnu"} <= set(fields):
        return ("" if _is_list(fields["frequency"].type) else None), fields
    found = {}
    for field in schema:
        kind = field.type.value_type if _is_list(field.type) else field.type
        if pa.types.is_struct(kind):
            inner = {kind.field(i).name.lower(): kind.field(i) for i in range(kind.num_fields)}
            if {"frequency", "nufnu"} <= set(inner):
                found[field.name] = inner
    if not found:
        return None, None
    name = "sed" if "sed" in found else next(iter(found))
    return name, found[name]


def _is_list(kind):
    import pyarrow as pa

    return (
        pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    )


def layout_of(schema, path, ra=None, dec=None):
    """The layout of a file; an error says what it lacks.

    Parameters
    ----------
    schema : ``pyarrow.Schema``
        Of the file.
    path : path-like
        What it is called in messages.
    ra, dec : str, optional
        Columns with the positions; by default those that are found.

    Returns
    -------
    layout : Layout
        Where it keeps what.
    """
    nested, fields = _find_measurements(schema)
    if fields is None:
        raise ValueError(
            f"{path}: no measurements; wanted the columns frequency and nufnu, one row a "
            f"measurement, or lists of them, one row a source; got {', '.join(schema.names[:12])}"
        )
    source = _named(schema.names, _SOURCE)
    if source is None and nested is None:
        raise ValueError(
            f"{path}: no column tells which source a measurement belongs to; wanted one of "
            f"{', '.join(_SOURCE)}; got {', '.join(schema.names[:12])}"
        )
    table = described_columns(schema)
    try:
        lon, lat, frame = find_position(table, ra, dec)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    if frame != "icrs" or not lat:
        raise ValueError(f"{path}: wanted ICRS positions, got {lon} and {lat} ({frame})")
    measured = {name: fields[name].name for name in _MEASURED if name in fields}
    for name in measured:
        _check_type(fields[name], name, path)
    units = {name: table[name].unit for name in table.colnames}
    redshift = _named(schema.names, ("redshift",))
    return Layout(source, lon, lat, nested, measured, units, redshift)


def _check_type(field, name, path):
    """Numbers where numbers are wanted, yes or no where that is."""
    import pyarrow as pa

    kind = field.type.value_type if _is_list(field.type) else field.type
    number = pa.types.is_floating(kind) or pa.types.is_integer(kind)
    if name in _NUMBERS and not number:
        raise ValueError(f"{path}: column {field.name!r} holds {kind}; wanted numbers")
    if name in ("upper_limit", "duplicate") and not (number or pa.types.is_boolean(kind)):
        raise ValueError(f"{path}: column {field.name!r} holds {kind}; wanted true or false")


class PointFile:
    """A Parquet file with measurements of many sources.

    Parameters
    ----------
    path : path-like
        The file.

    Attributes
    ----------
    layout : Layout
        Where it keeps what.

    Raises
    ------
    ValueError
        If it is no such file.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from pyarrow import parquet
    >>> from blase_astro.survey import PointFile
    >>> points = {'source_id': [7, 7, 8], 'ra': [10.0, 10.0, 20.0], 'dec': [0.0, 0.0, 0.0],
    ...           'frequency': [1.4e9, 4.9e14, 1.4e9], 'nufnu': [2e-14, 1e-12, 1e-14]}
    >>> parquet.write_table(pa.table(points), 'points.parquet')
    >>> with PointFile('points.parquet') as file:
    ...     n_sources, pieces = file.look_through()
    ...     print(n_sources, [points.name for points in file.blocks(*pieces[0])])
    2 [array([7]), array([8])]
    """

    def __init__(self, path):
        from pyarrow import ArrowException, parquet

        self.path = path
        try:
            self._file = parquet.ParquetFile(path, pre_buffer=False, buffer_size=2**20)
        except ArrowException as error:
            raise ValueError(f"{path}: {error}") from None
        self.layout = layout_of(self._file.schema_arrow, path)
        groups = [
            self._file.metadata.row_group(i).num_rows for i in range(self._file.num_row_groups)
        ]
        self._starts = np.append(0, np.cumsum(groups)).astype(np.int64)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._file.close()

    # -- which rows belong together ------------------------------------------------------------

    def look_through(self):
        """Number of sources, and how the file can be divided between them.

        Returns
        -------
        n_sources : int
            How many sources there are.
        pieces : list of tuple of int
            First row and row after the last of pieces of work: whole row groups, but for the
            source at their ends.

        Raises
        ------
        ValueError
            If the rows of a source do not stand together.
        """
        heads = None if self.layout.nested is not None else self._heads()
        n_sources = int(self._starts[-1]) if heads is None else len(heads)
        edges, least = self._starts, _NESTED_PIECE if heads is None else _PIECE
        if heads is not None:  # the first source that begins in each row group
            edges = np.append(heads, edges[-1])[np.searchsorted(heads, edges)]
        pieces, start = [], 0
        for stop in np.unique(edges).tolist():
            if stop - start >= least or stop == edges[-1]:
                pieces.append((start, stop))
                start = stop
        return n_sources, [piece for piece in pieces if piece[1] > piece[0]]

    def divisible(self):
        """Are the row groups small enough for pieces of them to be held in memory?"""
        huge = _HUGE if self.layout.nested is None else _NESTED_HUGE
        return len(self._starts) < 2 or np.diff(self._starts).max() <= huge

    def no_source(self):
        """What identifies sources, of none of them: its type."""
        if self.layout.source is None:
            return np.zeros(0, np.int64)
        return _identities(_plain(self._file.schema_arrow.empty_table()[self.layout.source]))

    def _heads(self):
        """First row of each source; refuses sources whose rows do not stand together."""
        name, heads, marks, last, row = self.layout.source, [], [], None, 0
        for batch in self._batches(0, self._starts[-1], [name]):
            ids = _plain(batch.column(0))
            if ids.null_count:
                at = row + int(np.flatnonzero(np.asarray(ids.is_null()))[0])
                raise ValueError(f"{self.path}: row {at} has no {name}; wanted one in each row")
            new = _changes(ids)
            if len(ids) and last is not None:
                new[0] = last != ids[0].as_py()
            heads.append(row + np.flatnonzero(new))
            marks.append(_marks(ids.take(np.flatnonzero(new))))
            row += len(ids)
            last = ids[-1].as_py() if len(ids) else last
        heads = np.concatenate(heads) if heads else np.zeros(0, np.int64)
        marks = np.concatenate(marks) if marks else heads
        if len(np.unique(marks)) < len(marks):
            raise ValueError(
                f"{self.path}: the rows of a source must stand together; sort the table by {name}"
            )
        return heads

    # -- measurements --------------------------------------------------------------------------

    def blocks(self, start=0, stop=None):
        """The measurements of rows from one to another, some sources at a time.

        Parameters
        ----------
        start, stop : int
            Rows of the file, where sources begin and end.

        Yields
        ------
        points : `~blase_astro.io.Points`
            Named by what identifies the sources; the row where nothing does.
        """
        stop = int(self._starts[-1]) if stop is None else stop
        read = self._flat_sources if self.layout.nested is None else self._nested_sources
        for sources in read(start, stop):
            if len(sources.source):
                yield from sources.blocks()

    def _batches(self, start, stop, columns):
        """Batches of rows from one to another."""
        first = int(np.searchsorted(self._starts, start, side="right")) - 1
        groups = [i for i in range(first, len(self._starts) - 1) if self._starts[i] < stop]
        size = _ROWS if self.layout.nested is None else _NESTED_ROWS
        row = int(self._starts[first])
        for batch in self._file.iter_batches(size, row_groups=groups, columns=columns):
            lo, hi = max(start - row, 0), min(stop - row, len(batch))
            row += len(batch)
            if hi > lo:
                yield batch.slice(lo, hi - lo)

    def _flat_sources(self, start, stop):
        """Whole sources of rows that are one measurement each."""
        import pyarrow as pa

        layout, rest = self.layout, None
        for batch in self._batches(start, stop, layout.columns()):
            table = pa.Table.from_batches([batch])
            if rest is not None:
                table = pa.concat_tables([rest, table]).combine_chunks()
            heads = np.flatnonzero(_changes(_plain(table[layout.source])))
            yield self._flat(table, heads)
            rest = table.slice(heads[-1])
        if rest is not None:
            yield self._flat(rest, np.array([0, len(rest)]))

    def _flat(self, table, heads):
        """Measurements of all sources but the last, whose rows may go on in the next batch."""
        layout = self.layout
        source = _plain(table[layout.source]).take(heads[:-1])
        table = table.slice(0, heads[-1])
        ra, dec, redshift = _heads_of(table, layout)
        columns = {
            name: _values(table[column], column, layout, name)
            for name, column in layout.measured.items()
        }
        columns = _complete(columns)
        return Sources(_identities(source), ra, dec, columns, heads, None, redshift)

    def _nested_sources(self, start, stop):
        """Sources of rows that hold the measurements of one each."""
        layout, row = self.layout, start
        for batch in self._batches(start, stop, layout.columns()):
            yield nested_sources(batch, layout, self.path, row)
            row += len(batch)


def nested_sources(batch, layout, path, row=0):
    """Sources of rows that hold the measurements of one each.

    Parameters
    ----------
    batch : ``pyarrow.RecordBatch``
        The rows.
    layout : Layout
        Where they keep what.
    path : path-like
        What they are from, for messages.
    row : int
        Number of the first row.

    Returns
    -------
    sources : `~blase_astro.points.Sources`
        Named by what identifies them, by their rows where nothing does.
    """
    names = np.arange(row, row + len(batch))
    if layout.source:
        names = _identities(_plain(batch.column(layout.source)))
    ra, dec, redshift = _heads_of(batch, layout)
    lengths, parts = _unnested(batch, layout, path, row)
    columns = {n: _values(part, layout.measured[n], layout, n) for n, part in parts.items()}
    offsets = np.append(0, np.cumsum(lengths)).astype(np.int64)
    return Sources(names, ra, dec, _complete(columns), offsets, None, redshift)


def _heads_of(table, layout):
    """Position and redshift of rows; None for a redshift that no column has."""
    names = (layout.ra, layout.dec, layout.redshift)
    return [name and _values(table.column(name), name, layout) for name in names]


def _values(array, column, layout, name=None):
    """A column of pyarrow as numpy knows it, with its unit; ``name`` is what it means."""
    import pyarrow.compute as pc

    array = _plain(array)
    if name == "catalog":  # VOU_Blazars calls copies that are corrected for EBL so
        return np.asarray(pc.fill_null(pc.equal(array, "DEBL"), False))
    if name in ("upper_limit", "duplicate"):
        return np.asarray(pc.fill_null(array, name == "upper_limit")).astype(bool)
    values = array.to_numpy(zero_copy_only=False)
    unit = None if layout.nested and name else layout.units.get(column)
    if unit is None or values.dtype.kind not in "fiu":
        return values
    from astropy.units import Quantity

    return Quantity(values, unit, copy=False)


def _unnested(batch, layout, path, row):
    """Lengths of the lists of each row, and the flat measurements by name."""
    import pyarrow as pa

    if not layout.nested:
        lists = {name: batch.column(column) for name, column in layout.measured.items()}
    else:
        column = batch.column(layout.nested)
        if _is_list(column.type):  # a list of structs
            kind, parts = column.type.value_type, column.flatten().flatten()
            fields = {kind.field(i).name: part for i, part in enumerate(parts)}
            return _lengths(column), {n: fields[c] for n, c in layout.measured.items()}
        names = [column.type.field(i).name for i in range(column.type.num_fields)]
        fields = dict(zip(names, column.flatten(), strict=True))
        lists = {name: fields[inner] for name, inner in layout.measured.items()}
    for name, array in lists.items():
        if not _is_list(array.type):
            raise ValueError(f"{path}: column {name!r} holds {array.type}; wanted lists")
    lengths = {name: _lengths(array) for name, array in lists.items()}
    for name, length in lengths.items():
        wrong = np.flatnonzero(length != lengths["frequency"])
        if len(wrong):
            raise ValueError(
                f"{path}: row {row + wrong[0]} has {lengths['frequency'][wrong[0]]} frequencies "
                f"but {length[wrong[0]]} of {name}"
            )
    flat = {name: array.flatten() for name, array in lists.items()}
    return lengths["frequency"], flat if len(batch) else {
        n: pa.array([], pa.float64()) for n in flat
    }


def _lengths(lists):
    """Number of values in each list, 0 where there is none."""
    import pyarrow.compute as pc

    return np.asarray(pc.fill_null(pc.list_value_length(lists), 0)).astype(np.int64)


def _complete(columns):
    """Measured columns by the names that `Sources` knows, None where a file has none."""
    duplicate, copies = columns.pop("duplicate", None), columns.pop("catalog", None)
    if copies is not None:
        duplicate = copies if duplicate is None else duplicate | copies
    return {name: columns.get(name) for name in (*_NUMBERS, "upper_limit")} | {
        "duplicate": duplicate
    }


def _plain(array):
    """One array without chunks and without a dictionary."""
    import pyarrow as pa

    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
        array = array.chunk(0) if isinstance(array, pa.ChunkedArray) else array
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array


def _changes(ids):
    """Where another source begins, the first row included."""
    import pyarrow.compute as pc

    new = np.ones(len(ids), bool)
    if len(ids) > 1:
        new[1:] = np.asarray(pc.not_equal(ids.slice(1), ids.slice(0, len(ids) - 1)))
    return new


def _marks(ids):
    """A whole number of 64 bits for each of what identifies sources."""
    values = _identities(ids)
    if values.dtype.kind in "iu":
        return values.astype(np.int64)
    return np.fromiter(map(hash, values.tolist()), np.int64, len(values))


def _identities(ids):
    """What identifies sources as an array of numbers or text."""
    values = ids.to_numpy(zero_copy_only=False)
    return values.astype(str) if values.dtype.kind == "O" else values
