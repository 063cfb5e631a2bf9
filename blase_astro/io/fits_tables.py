"""FITS tables: read, written, and appended to with every other byte kept."""

from __future__ import annotations

import gzip
import re
import shutil
from typing import TYPE_CHECKING

import numpy as np

from .votable_files import null_of
from .yaml_header import extended_yaml

if TYPE_CHECKING:
    from pathlib import Path

    from .._types import Any, AnyPath, Callable, Say, Table

__all__ = ["append_to_fits", "is_binary_table", "read_fits", "write_fits"]

_BLOCK = 2880  # bytes of a FITS block
_CARD = 80  # of a card of its header
_ROWS_AT_ONCE = 65536
_MOST_COLUMNS = 999  # of a FITS table
_LONGEST_NAME = 68  # characters of a column's name, quotes twice
# One number or text in a FITS table; the other kinds of dtype are never in our columns.
_FITS_CODE = {"f8": "D", "f4": "E", "i8": "K", "i4": "J", "i2": "I", "u1": "B"}
# Comments of the cards that describe how the columns were made.
_COMMENTS = {
    "PILEVEL": "probability of the intervals",
    "PIFRAME": "frame of frequencies and fluxes",
    "BLASEVER": "version of blase_astro",
    "MATCHRAD": "[arcsec] largest separation of a match",
    "NUENSEM": "digest of the ensemble for nu_peak",
    "NFENSEM": "digest of the ensemble for nufnu_peak",
    "BLASECMD": "what made the columns",
}
_BEGIN, _END = (f"--{end}-ASTROPY-SERIALIZED-COLUMNS--" for end in ("BEGIN", "END"))


def read_fits(path: AnyPath) -> Table:
    """First table of a FITS file, descriptions and UCDs of its columns where they belong.

    Parameters
    ----------
    path : path-like
        The file.

    Returns
    -------
    table : `~astropy.table.Table`
        The table.

    Raises
    ------
    ValueError
        If it holds no table.
    """
    from astropy.io import fits
    from astropy.table import Table

    with fits.open(path) as hdus:
        table = Table.read(hdus, hdu=_first_table(hdus))
    for i, column in enumerate(table.itercols(), start=1):
        column.info.description = table.meta.pop(f"TCOMM{i}", column.info.description)
        ucd = table.meta.pop(f"TUCD{i}", None)
        if ucd:
            column.info.meta = (column.info.meta or {}) | {"ucd": ucd}
    return table


def _first_table(hdus):
    """Index of the first table among the HDUs of a FITS file."""
    for i, hdu in enumerate(hdus):
        if hdu.header.get("XTENSION", "").strip() in ("BINTABLE", "TABLE") and "ZIMAGE" not in (
            hdu.header
        ):
            return i
    raise ValueError("the FITS file holds no table")


def write_fits(table: Table, path: AnyPath) -> None:
    """A table as a new FITS file; descriptions and UCDs go to cards that other tools read too.

    Parameters
    ----------
    table : `~astropy.table.Table`
        The table, its names and texts fit for FITS.
    path : path-like
        The file.
    """
    from astropy.io import fits

    _check_names(table.colnames)
    _with_nulls(table).write(path, format="fits", overwrite=True)
    with fits.open(path, mode="update", memmap=False) as hdus:
        header = hdus[1].header
        for i in range(1, header["TFIELDS"] + 1):
            column = table[header[f"TTYPE{i}"]] if header[f"TTYPE{i}"] in table.colnames else None
            for card, value in _words(column):
                header[f"{card}{i}"] = value
        for key in _COMMENTS.keys() & table.meta.keys():
            header[key] = _commented(key, header[key], _COMMENTS[key])
        _add_history(header, table.meta)
        for hdu in hdus:
            hdu.add_checksum()


def _with_nulls(table):
    """The table with nulls that no row has; astropy takes 999999, and yes where it is unknown."""
    from astropy.table import MaskedColumn

    table = table.copy(copy_data=False)
    for name in table.colnames:
        column, mask = table[name], getattr(table[name], "mask", False)
        if not isinstance(column, MaskedColumn) or not np.any(mask):
            continue
        if column.dtype == bool:
            column = column.astype(np.int16)
        if column.dtype.kind == "i" or column.dtype == np.uint8:
            column = column.copy()
            column.fill_value = null_of(np.ma.getdata(column), mask)
            table[name] = column
    return table


def _check_names(names, more=0):
    """FITS numbers its columns with three digits, and a name has to fit on its card."""
    n = len(names) + more
    if n > _MOST_COLUMNS:
        raise ValueError(
            f"a table of {n} columns does not fit into FITS, which has {_MOST_COLUMNS} at most; "
            "write another format"
        )
    for name in names:
        if len(name.replace("'", "''")) > _LONGEST_NAME:
            raise ValueError(
                f"the column {name[:40]}... does not fit into FITS, whose names have "
                f"{_LONGEST_NAME} characters at most; write another format"
            )


def _commented(key, value, comment):
    """Value and comment of a card; the value alone where both are longer than the card."""
    from astropy.io import fits

    length = len(str(fits.Card(key, value)).rstrip())
    goes_on = length > _CARD  # on cards of its own, which have room
    return value, comment if goes_on or length + len(f" / {comment}") <= _CARD else ""


def _add_history(header, meta):
    """A line that says what made the columns."""
    if "BLASECMD" in meta:
        header.add_history(f"blase_astro {meta.get('BLASEVER', '')}: {meta['BLASECMD']}")


def _words(column):
    """Cards with the description and the UCD of a column, where there are any."""
    info = getattr(column, "info", None)
    if info is not None and info.description:
        yield "TCOMM", info.description
    if info is not None and (info.meta or {}).get("ucd"):
        yield "TUCD", info.meta["ucd"]


def _table_span(source, say):
    """Index, start of header, start and end of data, and row dtype of the first table."""
    from astropy.io import fits

    with fits.open(source, disable_image_compression=True) as hdus:
        index = _first_table(hdus)
        info = hdus[index].fileinfo()
        dtype = hdus[index].columns.dtype
        if say is not None and _is_damaged(hdus[index]):
            say("the table does not have the checksum that its header says")
    return index, info["hdrLoc"], info["datLoc"], info["datLoc"] + info["datSpan"], dtype


def _is_damaged(hdu):
    """Does the checksum of the data tell that they were changed?"""
    try:
        return hdu.verify_datasum() == 0
    except (TypeError, ValueError, OSError):  # they end too early, which is said when copied
        return False


def is_binary_table(source: AnyPath) -> bool:
    """Is the first table of a FITS file a binary one?

    Parameters
    ----------
    source : path-like
        The file.

    Returns
    -------
    binary : bool
        Or one of text.
    """
    from astropy.io import fits

    with fits.open(source, disable_image_compression=True) as hdus:
        return hdus[_first_table(hdus)].header["XTENSION"].strip() == "BINTABLE"


def append_to_fits(
    source: AnyPath,
    columns: Table,
    path: Path,
    check: Callable[[list[str], int], Any],
    say: Say = None,
) -> None:
    """Copy a FITS file with columns appended to its first table: the old bytes, then the new.

    Parameters
    ----------
    source : path-like
        The file; its first table is a binary one.
    columns : `~astropy.table.Table`
        What to append, its texts fit for FITS; ``meta`` becomes header cards.
    path : path-like
        File to write, compressed where its name ends in ``.gz``.
    check : callable
        Called with the names and number of rows of the table; raises where the columns do not fit.
    say : callable, optional
        Called with a line of text where the checksum of the table was wrong already.

    Raises
    ------
    ValueError
        If a column to be replaced has another format, or there are too many.
    """
    zipped = str(path).endswith(".gz")
    plain = path.with_name(".plain") if zipped else path
    _copy_with_columns(source, columns, plain, check, say)
    if zipped:
        with open(plain, "rb") as file, gzip.open(path, "wb") as target:
            shutil.copyfileobj(file, target)


def _copy_with_columns(source, columns, path, check, say):
    """The work of `append_to_fits`, uncompressed."""
    from astropy.io import fits

    index, start, data, end, dtype = _table_span(source, say)
    with open(source, "rb") as file:
        file.seek(start)
        header = fits.Header.fromfile(file)
        names = [str(header.get(f"TTYPE{i + 1}", "")) for i in range(header["TFIELDS"])]
        check(names, header["NAXIS2"])
        old = {n: names.index(n) + 1 for n in columns.colnames if n in names}
        slots = {n: _slot(header, dtype, n, i, columns[n]) for n, i in old.items()}
        new = [name for name in columns.colnames if name not in old]
        _check_names(new, len(names))
        width, heap = header["NAXIS1"], header["PCOUNT"]
        block = _fits_rows(columns, new)
        _edit_header(header, columns, new, old, block.dtype.itemsize)
        file.seek(0)
        with open(path, "wb") as target:
            _copy(file, target, start)
            target.write(header.tostring().encode("ascii"))
            file.seek(data)
            written = heap
            for first in range(0, len(columns), _ROWS_AT_ONCE):
                some = slice(first, min(first + _ROWS_AT_ONCE, len(columns)))
                rows = np.frombuffer(_read(file, width * (some.stop - first)), np.uint8)
                rows = rows.reshape(-1, width).copy()
                for name, at in slots.items():
                    rows[:, at] = _as_bytes(_fits_rows(columns[some], [name]))
                rows = np.concatenate([rows, _as_bytes(block[some])], axis=1)
                written += rows.size
                target.write(rows.tobytes())
            _copy(file, target, heap)
            target.write(b"\0" * (-written % _BLOCK))
            file.seek(end)
            shutil.copyfileobj(file, target)
    if "CHECKSUM" in header:
        _renew_checksum(path, index)


def _read(file, n_bytes):
    """Some bytes, all of them."""
    data = file.read(n_bytes)
    if len(data) < n_bytes:
        raise OSError("the FITS file ends before its last HDU does")
    return data


def _copy(file, target, n_bytes):
    """Copy some bytes."""
    while n_bytes > 0:
        piece = min(n_bytes, 1 << 20)
        target.write(_read(file, piece))
        n_bytes -= piece


def _as_bytes(rows):
    """Structured rows as an array of bytes, shape (n, itemsize)."""
    return np.ascontiguousarray(rows).view(np.uint8).reshape(len(rows), -1)


def _fits_dtype(column):
    """Type of an element of a column in a FITS row: big endian, text as bytes."""
    dtype = column.dtype
    if dtype.kind == "U":
        return np.dtype(f"S{max(dtype.itemsize // 4, 1)}")
    if dtype.kind != "S" and dtype.str[1:] not in _FITS_CODE:
        raise ValueError(f"column {column.name!r} has dtype {dtype}; wanted numbers or text")
    return dtype.newbyteorder(">")


def _fits_code(column):
    """TFORM of a column."""
    dtype = _fits_dtype(column)
    count = "" if column.ndim == 1 else column.shape[1]
    return f"{dtype.itemsize}A" if dtype.kind == "S" else f"{count}{_FITS_CODE[dtype.str[1:]]}"


def _fits_rows(columns, names):
    """Some columns as the rows of a FITS table."""
    dtypes = [(name, _fits_dtype(columns[name]), columns[name].shape[1:]) for name in names]
    rows = np.zeros(len(columns), dtypes)
    for name in names:
        rows[name] = np.asarray(columns[name])
    return rows


def _column_cards(column):
    """Header cards that describe a column, without its number."""
    yield "TTYPE", column.name
    yield "TFORM", _fits_code(column)
    if column.unit is not None:
        yield "TUNIT", column.unit.to_string("fits")
    if column.dtype.kind == "i":
        yield "TNULL", int(np.iinfo(column.dtype).min)
    yield from _words(column)


def _edit_header(header, columns, new, old, width):
    """Tell the header of a binary table about its new columns."""
    n_old = header["TFIELDS"]
    if "THEAP" in header:
        header["THEAP"] += width * header["NAXIS2"]
    header["NAXIS1"] += width
    header["TFIELDS"] += len(new)
    last = max(i for i, key in enumerate(header) if re.fullmatch(r"T[A-Z]{3,4}\d+", key))
    for number, name in enumerate(new, start=n_old + 1):
        for key, value in _column_cards(columns[name]):
            comment = "added by blase_astro" if key == "TTYPE" else ""
            card = f"{key}{number}"
            header.insert(last, (card, *_commented(card, value, comment)), after=True)
            last += 1
    for name, number in old.items():
        for key, value in _column_cards(columns[name]):
            if key not in ("TTYPE", "TFORM"):
                header[f"{key}{number}"] = value
    for key, value in columns.meta.items():
        header[key] = _commented(key, value, _COMMENTS[key]) if key in _COMMENTS else value
    _add_history(header, columns.meta)
    _describe_for_astropy(header, columns)
    if "CHECKSUM" in header or "DATASUM" in header:  # their room; they are renewed at the end
        header["CHECKSUM"], header["DATASUM"] = "0" * 16, "0"


def _describe_for_astropy(header, columns):
    """The comments in which ``Table.read`` of astropy looks for descriptions."""
    comments = [
        (i, str(card.value)) for i, card in enumerate(header.cards) if card.keyword == "COMMENT"
    ]
    texts = [text for _, text in comments]
    lines = ["datatype:"]
    if _BEGIN in texts and _END in texts:
        first, last = texts.index(_BEGIN), texts.index(_END)
        lines = _unfolded(texts[first + 1 : last])
        for i, _ in reversed(comments[first : last + 1]):
            del header[i]
    columns = columns.copy(copy_data=False)
    columns.meta.clear()
    lines = extended_yaml(lines, columns)
    if not any(line.startswith("meta:") for line in lines):  # astropy wants it there
        lines.append("meta: {__serialized_columns__: {}}")
    for line in [_BEGIN, *_folded(lines), _END]:
        header.add_comment(line)


def _folded(lines):
    """Lines of up to 70 characters, a backslash behind each that goes on."""
    for line in lines:
        pieces = [line[i : i + 70] for i in range(0, max(len(line), 1), 70)]
        yield from (piece + "\\" for piece in pieces[:-1])
        yield pieces[-1]


def _unfolded(lines):
    """The lines that `_folded` was given."""
    whole, goes_on = [], False
    for line in lines:
        if goes_on:
            whole[-1] += line[:70]
        else:
            whole.append(line[:70])
        goes_on = len(line) == 71
    return whole


def _slot(header, dtype, name, number, column):
    """Bytes of a row that hold a column which is to be replaced by one of the same format."""
    once = re.compile(r"^1(?=\D)")  # the count may be left out, but the 1 of 16A is no count
    stored = once.sub("", header[f"TFORM{number}"].strip())
    wanted = once.sub("", _fits_code(column))
    if stored != wanted:
        raise ValueError(
            f"column {name!r} cannot be overwritten: its format is {stored}, not {wanted}"
        )
    start = dtype.fields[dtype.names[number - 1]][1]
    return slice(start, start + dtype[number - 1].itemsize)


def _renew_checksum(path, index):
    """Checksum cards of the one HDU that was changed, in the room that they have."""
    from astropy.io import fits

    with fits.open(path, disable_image_compression=True) as hdus:
        hdu = hdus[index]
        hdu.add_checksum()
        header, at = hdu.header.tostring(), hdu.fileinfo()["hdrLoc"]
    with open(path, "r+b") as file:
        file.seek(at)
        file.write(header.encode("ascii"))
