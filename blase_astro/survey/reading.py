"""Measurements of many sources in Parquet, some sources at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..points import Sources
from .layouts import NUMBERS, Layout, is_list, layout_of

if TYPE_CHECKING:
    from .._types import Any, AnyPath, Iterator, Points

__all__ = ["PointFile", "nested_sources"]

# Rows read at once: of measurements, and of sources with lists.
_ROWS, _NESTED_ROWS = 2**17, 4096
# Rows of one piece of work, and of a row group from which on a file is not divided.
_PIECE, _HUGE = 2**18, 2**22
_NESTED_PIECE, _NESTED_HUGE = 2**13, 2**17


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

    def look_through(self) -> tuple[int, list[tuple[int, int]]]:
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

    def divisible(self) -> bool:
        """Are the row groups small enough for pieces of them to be held in memory?"""
        huge = _HUGE if self.layout.nested is None else _NESTED_HUGE
        return len(self._starts) < 2 or np.diff(self._starts).max() <= huge

    def no_source(self) -> np.ndarray:
        """What identifies sources, of none of them: its type."""
        if self.layout.source is None:
            return np.zeros(0, np.int64)
        return _identities(_plain(self._file.schema_arrow.empty_table()[self.layout.source]))

    def _heads(self):
        """First row of each source; refuses sources whose rows do not stand together."""
        name, heads, marks, last, row = self.layout.source, [], [], None, 0
        for batch in self._batches(0, self._starts[-1], [name]):
            ids = _plain(batch.column(0))
            missing = np.asarray(ids.is_null(nan_is_null=True))
            if missing.any():
                at = row + int(np.flatnonzero(missing)[0])
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

    def blocks(self, start: int = 0, stop: int | None = None) -> Iterator[Points]:
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
        for batch in self._read(size, groups, columns):
            lo, hi = max(start - row, 0), min(stop - row, len(batch))
            row += len(batch)
            if hi > lo:
                yield batch.slice(lo, hi - lo)

    def _read(self, size, groups, columns):
        """Batches of row groups; what pyarrow stumbles over is an error that names the file."""
        from pyarrow import ArrowException

        try:
            yield from self._file.iter_batches(size, row_groups=groups, columns=columns)
        except (ArrowException, OSError) as error:
            reason = " ".join(str(error).split())
            raise OSError(f"{self.path} could not be read: {reason}") from error

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


def nested_sources(batch: Any, layout: Layout, path: AnyPath, row: int = 0) -> Sources:
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
    import pyarrow as pa
    import pyarrow.compute as pc

    array = _plain(array)
    if name == "catalog":  # VOU_Blazars calls copies that are corrected for EBL so
        if not any(word in str(array.type) for word in ("string", "utf8")):
            return np.zeros(len(array), bool)
        return np.asarray(pc.fill_null(pc.equal(array, "DEBL"), False))
    if name in ("upper_limit", "duplicate"):
        unknown = pa.scalar(int(name == "upper_limit")).cast(array.type)
        return np.asarray(pc.fill_null(array, unknown)).astype(bool)
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
        if is_list(column.type):  # a list of structs
            kind, parts = column.type.value_type, column.flatten().flatten()
            fields = {kind.field(i).name: part for i, part in enumerate(parts)}
            return _lengths(column), {n: fields[c] for n, c in layout.measured.items()}
        names = [column.type.field(i).name for i in range(column.type.num_fields)]
        fields = dict(zip(names, column.flatten(), strict=True))
        lists = {name: fields[inner] for name, inner in layout.measured.items()}
    for name, array in lists.items():
        if not is_list(array.type):
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
    return {name: columns.get(name) for name in (*NUMBERS, "upper_limit")} | {
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
    if values.dtype.kind != "O":
        return values
    if len(values) and isinstance(values[0], bytes):  # text of writers who do not call it so
        values = np.array([v.decode("utf-8", "backslashreplace") for v in values], object)
    return values.astype(str)
