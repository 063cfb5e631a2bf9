"""How Parquet files keep the measurements of many sources.

Two layouts are taken, and told apart by the schema: one row a measurement, or one row a source
with its measurements in lists (columns of lists, a struct of lists, a list of structs).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..io.parquet_tables import described_columns
from ..position_columns import find_position

if TYPE_CHECKING:
    from .._types import Any, AnyPath

__all__ = ["Layout", "is_list", "is_point_table", "layout_of"]

# What may identify a source, the first that is there, in any case of letters.
_SOURCE = ("source", "source_id", "object_id", "name")
NUMBERS = ("frequency", "nufnu", "nufnu_upper", "nufnu_lower")
_MEASURED = (*NUMBERS, "upper_limit", "duplicate", "catalog")


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

    def columns(self) -> list[str]:
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
        return ("" if is_list(fields["frequency"].type) else None), fields
    found = {}
    for field in schema:
        kind = field.type.value_type if is_list(field.type) else field.type
        if pa.types.is_struct(kind):
            inner = {kind.field(i).name.lower(): kind.field(i) for i in range(kind.num_fields)}
            if {"frequency", "nufnu"} <= set(inner):
                found[field.name] = inner
    if not found:
        return None, None
    name = "sed" if "sed" in found else next(iter(found))
    return name, found[name]


def is_list(kind: Any) -> bool:
    """Is a type of pyarrow one of lists?"""
    import pyarrow as pa

    return (
        pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    )


def layout_of(schema: Any, path: AnyPath, ra: str | None = None, dec: str | None = None) -> Layout:
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
    _check_source(source and schema.field(schema.names.index(source)).type, source, path)
    try:
        table = described_columns(schema)
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


def _check_source(kind, name, path):
    """What identifies sources has to be comparable."""
    import pyarrow as pa

    kind = kind and (kind.value_type if pa.types.is_dictionary(kind) else kind)
    if kind and (pa.types.is_nested(kind) or pa.types.is_null(kind)):
        raise ValueError(f"{path}: column {name!r} holds {kind}; wanted numbers or text")


def _check_type(field, name, path):
    """Numbers where numbers are wanted, yes or no where that is."""
    import pyarrow as pa

    kind = field.type.value_type if is_list(field.type) else field.type
    number = pa.types.is_floating(kind) or pa.types.is_integer(kind)
    if name in NUMBERS and not number:
        raise ValueError(f"{path}: column {field.name!r} holds {kind}; wanted numbers")
    if name in ("upper_limit", "duplicate") and not (number or pa.types.is_boolean(kind)):
        raise ValueError(f"{path}: column {field.name!r} holds {kind}; wanted true or false")
