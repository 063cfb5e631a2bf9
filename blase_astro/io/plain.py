"""One table out of bytes in a general format: FITS, ECSV, VOTable, Parquet."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

from .votables import safe_votable

if TYPE_CHECKING:
    from .._types import Sequence, Table

__all__ = ["plain_table"]

_MOST_ROWS = 500_000  # no SED has more
_STARTS = (
    ("fits", b"SIMPLE  ="),
    ("parquet", b"PAR1"),
    ("ecsv", b"# %ECSV"),
    ("votable", b"<?xml"),
    ("votable", b"<VOTABLE"),
    ("votable", b"<!--"),
    ("votable", b"<!DOCTYPE VOTABLE"),
)


def plain_format(data):
    """Format of a table by its first bytes, '' if it is none of these."""
    start = data[:200].removeprefix(b"\xef\xbb\xbf").lstrip()
    form = next((form for form, magic in _STARTS if start.startswith(magic)), "")
    return "" if form == "votable" and b"VOTABLE" not in data[:100_000] else form


def plain_table(
    data: bytes, wanted: str, formats: Sequence[str] = ("fits", "ecsv", "votable", "parquet")
) -> Table:
    """The first table in bytes, whoever wrote them.

    Parameters
    ----------
    data : bytes
        Content of the file, not compressed.
    wanted : str
        What the file should be, for the message.
    formats : sequence of str
        Which of ``'fits'``, ``'ecsv'``, ``'votable'``, ``'parquet'`` to take.

    Returns
    -------
    table : `~astropy.table.Table`
        Its first table, its header in ``meta``; names that only others know as units are kept.

    Raises
    ------
    OSError
        If it is no such file, or damaged.
    ValueError
        If it is a VOTable that is refused, or larger than an SED.
    """
    import warnings

    form = plain_format(data)
    if form not in formats:
        either = " nor ".join(_NAMES[name] for name in formats)
        raise OSError(f"{wanted}: neither {either}, it starts with {data[:30]!r}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if form == "votable":
            return _votable(data, wanted)
        try:
            table = _READERS[form](data)
        except ImportError as error:
            raise OSError(f"{wanted}: {error}") from error
        except Exception as error:  # readers of damaged files raise whatever they like
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            raise OSError(
                f"{wanted}: neither {' nor '.join(_NAMES[form] for form in formats)} ({reason})"
            ) from error
    if len(table) > _MOST_ROWS:
        raise ValueError(f"{wanted}: {len(table)} rows, no SED has more than {_MOST_ROWS}")
    return table


_NAMES = {
    "fits": "a FITS table",
    "ecsv": "ECSV",
    "votable": "a VOTable",
    "parquet": "Parquet",
}


def _votable(data, wanted):
    """First table of a VOTable; its INFO and PARAM elements become metadata."""
    tree = safe_votable(data)
    element = next(iter(tree.iter_tables()), None)
    if element is None:
        raise ValueError(f"{wanted}: a VOTable without a table")
    try:
        table = element.to_table(use_names_over_ids=True)
    except Exception as error:  # columns of one name and the like
        raise OSError(f"{wanted}: damaged VOTable ({str(error)[:200]})") from error
    for entry in [*element.infos, *element.params]:
        table.meta.setdefault(entry.name, entry.value)
    table.meta["name"] = element.name or ""
    return table


def _fits(data):
    from astropy.io import fits
    from astropy.table import Table

    with fits.open(BytesIO(data), memmap=False) as hdus:
        for hdu in hdus[1:]:
            if isinstance(hdu, fits.BinTableHDU | fits.TableHDU) and "ZIMAGE" not in hdu.header:
                rows, width = hdu.header["NAXIS2"], hdu.header["NAXIS1"]
                if rows * max(width, 1) > len(data):
                    raise OSError(f"{rows} rows of {width} bytes in a file of {len(data)} bytes")
                return Table.read(hdu, character_as_bytes=False)
    raise OSError("no table in it")


def _ecsv(data):
    from astropy.table import Table

    lines = data.decode("utf-8", "replace").splitlines()
    if len(lines) > _MOST_ROWS:
        raise ValueError(f"more than {_MOST_ROWS} lines, no SED has")
    return Table.read(lines, format="ascii.ecsv")


def _parquet(data):
    """A Parquet file with the units and metadata that astropy writes into it."""
    try:
        from pyarrow import parquet
    except ImportError:
        raise ImportError(
            "reading Parquet needs pyarrow: python -m pip install 'blase-astro[parquet]'"
        ) from None
    import numpy as np
    from astropy.table import MaskedColumn, Table, meta

    file = parquet.ParquetFile(BytesIO(data))
    size = sum(file.metadata.row_group(i).total_byte_size for i in range(file.num_row_groups))
    if file.metadata.num_rows > _MOST_ROWS or size > 2**28:
        raise ValueError(f"{file.metadata.num_rows} rows, no SED has more than {_MOST_ROWS}")
    read = file.read()
    for name in {"source_id", "object_id"} & set(read.column_names):
        if len(read[name].unique()) > 1:
            raise ValueError(
                "a point table of several sources, no SED; blase estimate with -o NAME.parquet "
                "(Python: blase_astro.survey.estimate_parquet) takes it"
            )
    header = (read.schema.metadata or {}).get(b"table_meta_yaml")
    known = meta.get_header_from_yaml(header.decode().split("\n")) if header else {}
    units = {column["name"]: column.get("unit") for column in known.get("datatype", [])}
    table = Table(meta=dict(known.get("meta") or {}))
    for name, column in zip(read.column_names, read.columns, strict=True):
        values = column.to_pylist()
        mask = [value is None for value in values]
        fill = next((value for value in values if value is not None), np.nan)
        values = [fill if missing else v for v, missing in zip(values, mask, strict=True)]
        table[name] = MaskedColumn(values, mask=mask, unit=units.get(name))
    return table


_READERS = {"fits": _fits, "ecsv": _ecsv, "parquet": _parquet}
