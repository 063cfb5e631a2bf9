"""What kind of SED file some bytes are, and the one way to read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .plain import plain_format, plain_table
from .ssdc import is_ssdc
from .table import standard_sed
from .vou.lines import is_vou, not_vou, unix_lines
from .vou.reader import tables_from_bytes

if TYPE_CHECKING:
    from .._types import Table

__all__ = ["NoSED", "kind_of", "seds_from_bytes"]

_FIRST = (b"S", b"P", b"#", b"<", b"{")  # of what is none of the text files of VOU_Blazars


class NoSED(ValueError):
    """The bytes are whole, but no SED: a picture, a source catalog."""


def kind_of(data: bytes) -> str:
    """Kind of an SED file by its first bytes.

    Parameters
    ----------
    data : bytes
        Content of the file, not compressed.

    Returns
    -------
    kind : str
        ``'ssdc'``, ``'fits'``, ``'ecsv'``, ``'votable'``, ``'parquet'``; ``''`` for a text file, of
        VOU_Blazars or none at all.
    """
    start = data[:80].removeprefix(b"\xef\xbb\xbf").lstrip()
    if not start.startswith(_FIRST):
        return ""
    return "ssdc" if is_ssdc(data) else plain_format(data)


def seds_from_bytes(name: str, data: bytes) -> list[Table]:
    """SED tables of the bytes of a file of any kind.

    Parameters
    ----------
    name : str
        What errors and warnings begin with.
    data : bytes
        Content of the file, not compressed.

    Returns
    -------
    seds : list of `~astropy.table.Table`
        One a section of a file of VOU_Blazars, else a single one.

    Raises
    ------
    ValueError
        If it is no SED or cannot be read.
    """
    kind = kind_of(data)
    try:
        if kind:
            return [sed_from_bytes(kind, data)]
        data = unix_lines(data)
        if not is_vou(data):
            raise NoSED(not_vou(data))
    except (ValueError, OSError) as error:
        same = NoSED if isinstance(error, NoSED) else ValueError
        raise same(f"{name}: {error}") from error
    return tables_from_bytes(name, data)


def sed_from_bytes(kind, data):
    """The SED table of the bytes of a file of a `kind_of` its own."""
    from .gadf import gadf_sed, jetset_sed
    from .ned import is_ned, ned_sed
    from .ssdc import read_ssdc
    from .vizier import is_vizier, vizier_sed

    if kind == "ssdc":
        return read_ssdc(data)
    table = plain_table(data, "SED")
    names = set(table.colnames)
    if {"frequency", "nufnu"} <= names:
        return standard_sed(table)
    if is_ned(names):
        return ned_sed(table)
    if is_vizier(names):
        return vizier_sed(table)
    if "e_ref" in names or {"e_min", "e_max"} <= names:
        return gadf_sed(table)
    if {"x", "y"} <= names and {"data_scale", "restframe"} & {str(key) for key in table.meta}:
        return jetset_sed(table)
    raise NoSED(
        "a table, but of no SED (a source catalog?); wanted the columns 'frequency' and 'nufnu', "
        "or those of NED, VizieR's photometry, GADF or JetSeT, got "
        + (", ".join(table.colnames[:8]) + ", ..." * (len(table.colnames) > 8) or "none")
    )
