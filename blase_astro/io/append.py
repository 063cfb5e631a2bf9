"""Append columns to a catalog file and leave everything else in it as it is."""

import gzip
import re
import shutil

import numpy as np

from .files import (
    _add_infos,
    _first_table,
    _quiet_units,
    _save_votable,
    _words,
    check_output,
    file_format,
    read_catalog,
    write_table,
)
from .output import placed

__all__ = ["append_columns"]

_BLOCK = 2880  # bytes of a FITS block
_ROWS_AT_ONCE = 65536
# One number or text in a FITS table; the other kinds of dtype are never in our columns.
_FITS_CODE = {"f8": "D", "f4": "E", "i8": "K", "i4": "J", "i2": "I", "u1": "B"}


def append_columns(source, columns, output, *, overwrite=False, replace=()):
    """Copy a catalog file and append columns to its first table.

    From FITS to FITS the bytes of all rows, headers and other HDUs are copied as they are. From
    VOTable to VOTable all elements are kept (PARAM, INFO, other tables). Any other way goes
    through a table in memory.

    Parameters
    ----------
    source : path-like
        The catalog.
    columns : `~astropy.table.Table`
        What to append: one row a row of the catalog; numbers and text, no masks. Its ``meta``
        goes to header cards, INFO elements or table metadata.
    output : path-like
        File to write, the format given by its suffix; it may be the catalog itself.
    overwrite : bool
        Is an existing file to be replaced?
    replace : sequence of str
        Columns of the catalog that may be replaced by those of the same name.

    Raises
    ------
    ValueError
        If a name is taken, the number of rows differs, or the suffix is not known.
    OSError
        If a file cannot be read or written.

    Examples
    --------
    >>> from astropy.table import Table
    >>> from blase_astro.io.append import append_columns
    >>> from blase_astro.io.files import read_catalog
    >>> Table({'name': ['A', 'B']}).write('catalog.fits')
    >>> append_columns('catalog.fits', Table({'flags': [0, 48]}), 'longer.fits')
    >>> read_catalog('longer.fits').colnames
    ['name', 'flags']
    """
    try:
        same = file_format(source) == file_format(output)
    except ValueError:
        file_format(output)
        same = False
    form = file_format(output)
    if same and form == "fits" and _is_binary_table(source):
        check_output(output, overwrite=overwrite)
        with placed(output, overwrite=overwrite) as beside:
            _append_to_fits(source, columns, beside, replace)
    elif same and form == "votable":
        check_output(output, overwrite=overwrite)
        with placed(output, overwrite=overwrite) as beside, _quiet_units():
            _append_to_votable(source, columns, beside, replace)
    else:
        table = join_columns(read_catalog(source), columns, replace)
        write_table(table, output, overwrite=overwrite)


def join_columns(table, columns, replace=()):
    """Copy of a table with columns appended at its end.

    Parameters
    ----------
    table, columns : `~astropy.table.Table`
        The table, and what to append: as many rows.
    replace : sequence of str
        Columns of the table that may be replaced, where they stand, by those of the same name.

    Returns
    -------
    joined : `~astropy.table.Table`
        The table with the columns and with the metadata of both.

    Raises
    ------
    ValueError
        If a name is taken or the number of rows differs.
    """
    _check_columns(table.colnames, len(table), columns, replace)
    joined = table.copy()
    for name in columns.colnames:
        joined[name] = columns[name]
    joined.meta.update(columns.meta)
    return joined


def _check_columns(names, n_rows, columns, replace):
    """Refuse to append what does not fit.

    Names that differ in case alone are two names to astropy and TOPCAT, and have to be: the
    4LAC catalog has SED_class and Flags.
    """
    taken = set(names) - set(replace)
    clash = [name for name in columns.colnames if name in taken]
    if clash:
        raise ValueError(
            f"the catalog already has the column(s) {', '.join(clash)}; "
            "give a prefix for the new ones, or let them be overwritten"
        )
    if len(columns) != n_rows:
        raise ValueError(f"{len(columns)} rows do not fit a catalog of {n_rows}")


def _opened(path):
    """The file's bytes, uncompressed."""
    with open(path, "rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rb") if zipped else open(path, "rb")


def _table_span(source):
    """Index, start of header, start and end of data, and row dtype of the first table."""
    from astropy.io import fits

    with fits.open(source, disable_image_compression=True) as hdus:
        index = _first_table(hdus, source)
        info = hdus[index].fileinfo()
        dtype = hdus[index].columns.dtype
    return index, info["hdrLoc"], info["datLoc"], info["datLoc"] + info["datSpan"], dtype


def _is_binary_table(source):
    """Is the first table of a FITS file a binary one?"""
    from astropy.io import fits

    with fits.open(source, disable_image_compression=True) as hdus:
        return hdus[_first_table(hdus, source)].header["XTENSION"].strip() == "BINTABLE"


def _append_to_fits(source, columns, path, replace):
    """FITS to FITS: the old bytes, row by row with the new ones behind them."""
    from astropy.io import fits

    index, start, data, end, dtype = _table_span(source)
    with _opened(source) as file:
        file.seek(start)
        header = fits.Header.fromfile(file)
        names = [str(header.get(f"TTYPE{i + 1}", "")) for i in range(header["TFIELDS"])]
        _check_columns(names, header["NAXIS2"], columns, replace)
        old = {n: names.index(n) + 1 for n in columns.colnames if n in names}
        slots = {n: _slot(header, dtype, n, i, columns[n]) for n, i in old.items()}
        new = [name for name in columns.colnames if name not in old]
        width, heap = header["NAXIS1"], header["PCOUNT"]
        block = _fits_rows(columns, new)
        _edit_header(header, columns, new, old, block.dtype.itemsize)
        file.seek(0)
        with gzip.open(path, "wb") if path.suffix == ".gz" else open(path, "wb") as target:
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
    if "CHECKSUM" in header or "DATASUM" in header:
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
    """Type of a column in a FITS row: big endian, text as bytes."""
    dtype = column.dtype
    if dtype.kind == "U":
        return np.dtype(f"S{max(dtype.itemsize // 4, 1)}")
    if dtype.kind != "S" and dtype.str[1:] not in _FITS_CODE:
        raise ValueError(f"column {column.name!r} has dtype {dtype}; wanted numbers or text")
    return dtype.newbyteorder(">")


def _fits_code(column):
    """TFORM of a column."""
    dtype = _fits_dtype(column)
    return f"{dtype.itemsize}A" if dtype.kind == "S" else _FITS_CODE[dtype.str[1:]]


def _fits_rows(columns, names):
    """Some columns as the rows of a FITS table."""
    rows = np.zeros(len(columns), [(name, _fits_dtype(columns[name])) for name in names])
    for name in names:
        values = np.asarray(columns[name])
        try:
            rows[name] = values
        except UnicodeEncodeError:  # FITS holds ASCII alone
            rows[name] = np.char.encode(values, "ascii", "replace")
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
            header.insert(last, (f"{key}{number}", value), after=True)
            last += 1
    for name, number in old.items():
        for key, value in _column_cards(columns[name]):
            if key not in ("TTYPE", "TFORM"):
                header[f"{key}{number}"] = value
    for key, value in columns.meta.items():
        header[key] = value


def _slot(header, dtype, name, number, column):
    """Bytes of a row that hold a column which is to be replaced by one of the same format."""
    stored = header[f"TFORM{number}"].strip().removeprefix("1")
    wanted = _fits_code(column).removeprefix("1")
    if stored != wanted:
        raise ValueError(
            f"column {name!r} cannot be overwritten: its format is {stored}, not {wanted}"
        )
    start = dtype.fields[dtype.names[number - 1]][1]
    return slice(start, start + dtype[number - 1].itemsize)


def _renew_checksum(path, index):
    """Checksum cards of an HDU that was changed: same length, so they are written in place."""
    from astropy.io import fits

    with fits.open(path, mode="update", disable_image_compression=True, memmap=False) as hdus:
        hdus[index].add_checksum()


def _append_to_votable(source, columns, path, replace):
    """VOTable to VOTable: new fields and values in the first table, all other elements kept."""
    from astropy.io import votable

    file = votable.parse(source, verify="ignore")
    element = file.get_first_table()
    names = [field.name for field in element.fields]
    _check_columns(names, len(element.array), columns, replace)
    new = votable.from_table(columns)
    added = new.get_first_table()
    for field in element.fields:
        if field.name in columns.colnames:
            field.description = columns[field.name].description
            element.array[field.ID] = np.asarray(columns[field.name])
    fields = [field for field in added.fields if field.name not in names]
    arrays = [element.array[name] for name in element.array.dtype.names]
    arrays += [added.array[field.ID] for field in fields]
    element.fields.extend(fields)
    old_dtype = element.array.dtype
    dtype = old_dtype.descr + [(field.ID, added.array.dtype[field.ID].str) for field in fields]
    joined = np.ma.zeros(len(columns), dtype=dtype)
    joined.mask = np.zeros(len(columns), [(name, bool) for name in joined.dtype.names])
    for name, values in zip(joined.dtype.names, arrays, strict=True):
        joined.data[name] = np.ma.getdata(values)
        joined.mask[name] = np.ma.getmaskarray(values)
    element.array = joined
    _add_infos(element, columns.meta)
    _save_votable(file, path)
