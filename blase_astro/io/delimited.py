"""Tables as lines of text: CSV, TSV, ECSV, JSON; columns appended with every old character kept."""

from __future__ import annotations

import csv
import json
import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from typing import TYPE_CHECKING

import numpy as np

from .names import shield
from .votable_files import plain_values
from .yaml_header import extended_yaml

if TYPE_CHECKING:
    from .._types import Any, AnyPath, Callable, Sequence, Stream, Table

__all__ = [
    "append_to_csv",
    "append_to_ecsv",
    "read_csv",
    "write_csv",
    "write_ecsv",
    "write_json",
]

_ROWS_AT_ONCE = 5000
_WHOLE = re.compile(r"[+-]?(0|[1-9]\d{0,18})")
# Lines of a column that Python would take for numbers: 007 and 1_000 are none, nor is 2015E10,
# whose first part no program would write so.
_IDENTIFIERS = re.compile(r"^(?:[+-]?0\d+|[1-9]\d+[eE]\d+)$|_", re.MULTILINE)


def write_csv(table: Table, stream: Stream, *, kept: Sequence[str] = (), mark: str = ",") -> None:
    """Write a table as CSV, some rows at a time.

    Parameters
    ----------
    table : `~astropy.table.Table`
        The table, its texts fit for the format.
    stream : text stream
        Where to.
    kept : sequence of str
        Columns in which nothing is put before what a spreadsheet would run.
    mark : str
        What separates columns.

    Examples
    --------
    >>> import sys
    >>> from astropy.table import Table
    >>> from blase_astro.io.delimited import write_csv
    >>> write_csv(Table({'name': ['=1+1'], 'x': [0.1]}), sys.stdout)
    name,x
    '=1+1,0.1
    """
    writer = csv.writer(stream, delimiter=mark, lineterminator="\n")
    writer.writerow(table.colnames)
    for start in range(0, len(table), _ROWS_AT_ONCE):
        writer.writerows(_rows(table[start : start + _ROWS_AT_ONCE], kept, mark))


def _rows(table, kept=(), mark=","):
    """Rows of a table as tuples of text."""
    columns = []
    for name in table.colnames:
        texts, is_text = _texts(table[name]), _is_text(table[name])
        if mark == "\t":  # which has no quotes everywhere
            texts = [re.sub(r"[\t\n]", " ", text) for text in texts]
        if is_text and name not in kept:
            texts = [shield(text) for text in texts]
        columns.append(texts)
    return zip(*columns, strict=True) if columns else iter(())


def _is_text(column):
    """Could this hold what a spreadsheet would run?"""
    dtype = getattr(column, "dtype", None)
    return dtype is not None and dtype.kind in "USO"


def _texts(column):
    """Cells of a column: every digit of a number, nothing where masked."""
    values, mask = plain_values(column)
    if values.ndim > 1 or values.dtype.kind == "O":
        rows = values if mask is None or mask.ndim == 1 else np.ma.MaskedArray(values, mask)
        texts = [json.dumps(np.ma.asarray(row).tolist(), default=str) for row in rows]
    else:
        texts = values.astype(str).tolist()
    if mask is not None and mask.ndim == 1 and mask.any():
        texts = ["" if hidden else text for text, hidden in zip(texts, mask, strict=True)]
    return texts


def write_ecsv(table: Table, stream: Stream) -> None:
    """Write a table as ECSV; a row whose first text begins with ``#`` is no comment.

    Parameters
    ----------
    table : `~astropy.table.Table`
        The table, its texts fit for the format.
    stream : text stream
        Where to.
    """
    from io import StringIO

    whole = StringIO()
    without_complex(table).write(whole, format="ascii.ecsv")
    lines = iter(whole.getvalue().splitlines(keepends=True))
    for line in lines:
        if not line.startswith("# "):
            stream.write(_no_comment(line))
            break
        stream.write(line)
    stream.writelines(map(_no_comment, lines))


def without_complex(table):
    """The table with complex numbers as text, as most formats have none."""
    plain = table.copy(copy_data=False)
    for name in table.colnames:
        values = getattr(table[name], "dtype", None) and plain_values(table[name])[0]
        kind = "" if values is None else values.dtype.kind
        if kind == "c" or (kind == "O" and any(map(np.iscomplexobj, values))):
            plain[name] = _texts(table[name])
    return plain


def _no_comment(line):
    """A line of ECSV with quotes about a first text that begins with ``#``."""
    return re.sub(r"^#[^ \n]*", lambda match: f'"{match[0]}"', line)


def write_json(table: Table, stream: Stream, named: dict[str, Callable]) -> None:
    """Write a table as lines of JSON, one object a row; NaN and masked are null.

    Parameters
    ----------
    table : `~astropy.table.Table`
        The table.
    stream : text stream
        Where to.
    named : dict of str to callable
        Columns, and what makes of a value what is written.

    Examples
    --------
    >>> import sys
    >>> from astropy.table import Table
    >>> from blase_astro.io.delimited import write_json
    >>> table = Table({'x': [float('nan')], 'flags': [5]})
    >>> write_json(table, sys.stdout, {'flags': lambda flags: ['A', 'B']})
    {"x": null, "flags": ["A", "B"]}
    """
    for start in range(0, len(table), _ROWS_AT_ONCE):
        some = table[start : start + _ROWS_AT_ONCE]
        columns = [_json_values(some[name], named.get(name)) for name in table.colnames]
        for row in zip(*columns, strict=True):
            cells = dict(zip(table.colnames, row, strict=True))
            stream.write(json.dumps(cells, default=str) + "\n")  # complex numbers are text


def _json_values(column, name):
    """Values of a column as JSON has them."""
    values, mask = plain_values(column)
    if values.dtype.kind == "f":
        bad = ~np.isfinite(values)
        values = values.astype(str).astype(float) if values.dtype.itemsize < 8 else values
        if bad.any():
            values = np.where(bad, None, values.astype(object))
    elif values.dtype.kind == "O":
        return [np.asarray(row).tolist() for row in values]
    if mask is not None and mask.ndim > 1:
        values = np.where(mask, None, values.astype(object))
    cells = values.tolist()
    if name is not None:
        cells = [name(cell) for cell in cells]
    if mask is not None and mask.ndim == 1 and mask.any():
        cells = [None if hidden else cell for cell, hidden in zip(cells, mask, strict=True)]
    return cells


def _records(file, mark=","):
    """Each record of a file of text, as it stands there, and its cells."""
    taken, ended, first = [], False, 1

    def feed():
        nonlocal ended
        for line in file:
            taken.append(line)
            yield line
        ended = True

    csv.field_size_limit(1 << 24)
    try:
        for cells in csv.reader(feed(), delimiter=mark):
            if ended:  # it looked for more: the rest of the file would be one cell
                raise ValueError(f"line {first}: a quotation mark is opened and never closed")
            yield "".join(taken), cells
            first += len(taken)
            taken.clear()
    except csv.Error as error:
        raise ValueError(str(error)) from None


def _open(path, mode="r"):
    """A file of text whose every byte comes back as it was, ends of lines and odd bytes too."""
    if mode == "r":
        with open(path, "rb") as file:
            if file.read(2) in (BOM_UTF16_LE, BOM_UTF16_BE):
                raise ValueError("text in UTF-16; wanted UTF-8")
    return open(path, mode, encoding="utf-8", errors="surrogateescape", newline="")


def read_csv(path: AnyPath) -> Table:
    """Read a CSV file; what would not come back as it is written stays text.

    Parameters
    ----------
    path : path-like
        The file: names of columns in the first line; empty cells are masked.

    Returns
    -------
    table : `~astropy.table.Table`
        Whole numbers, numbers and text.

    Raises
    ------
    ValueError
        If a row has more cells than there are columns, or two columns have one name.

    Examples
    --------
    >>> from pathlib import Path
    >>> from blase_astro.io.delimited import read_csv
    >>> _ = Path('ids.csv').write_text('id,x\\n007,1\\n2015E10,2\\n')
    >>> read_csv('ids.csv')['id'].tolist()
    ['007', '2015E10']
    """
    from astropy.table import Table

    with _open(path) as file:
        records = (cells for _, cells in _records(file) if cells)
        names = [name.strip() for name in next(records, [])]
        if not names:
            raise ValueError("empty file")
        names[0] = names[0].removeprefix("\ufeff").strip('"')
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise ValueError(f"two columns have the name {twice!r}")
        rows = []
        for i, cells in enumerate(records, start=1):
            if len(cells) > len(names):
                raise ValueError(f"row {i} has {len(cells)} cells for {len(names)} columns")
            rows.append(cells + [""] * (len(names) - len(cells)))
    columns = zip(*rows, strict=True) if rows else [[] for _ in names]
    return Table([_typed(cells) for cells in columns], names=names)


def _typed(cells):
    """Cells of a column as whole numbers, numbers or text; empty ones are masked."""
    from astropy.table import Column, MaskedColumn

    cells = [cell.strip(" \t") for cell in cells]
    mask = np.array([not cell for cell in cells], bool)
    values = np.zeros(len(cells), "U1") if not len(cells) else np.array(cells)
    there = [cell for cell in cells if cell] if mask.any() else cells
    numbers = _numbers(there)
    if numbers is not None:
        values = np.zeros(len(cells), numbers.dtype)
        values[~mask] = numbers
    return MaskedColumn(values, mask=mask) if mask.any() else Column(values)


def _numbers(cells):
    """Cells as whole numbers or numbers; None where they are text."""
    if not cells or _IDENTIFIERS.search("\n".join(cells)):
        return None
    try:
        numbers = np.array(list(map(float, cells)))
    except ValueError:
        return None
    whole = np.isfinite(numbers).all() and (numbers == np.round(numbers)).all()
    if whole and all(map(_WHOLE.fullmatch, cells)):
        whole = list(map(int, cells))
        if all(-(2**63) <= number < 2**63 for number in whole):
            return np.array(whole, np.int64)
    infinite = np.flatnonzero(np.isinf(numbers))  # 1e400 is none, "inf" is
    if any("inf" not in cells[i].lower() for i in infinite):
        return None
    return None if any(map(_loses_digits, cells)) else numbers


def _loses_digits(cell):
    """Is this a whole number, like the name of a source, that a float does not hold?"""
    return len(cell) > 15 and cell.lstrip("+-").isdigit() and int(cell) != float(cell)


def append_to_csv(
    source: AnyPath, columns: Table, path: AnyPath, check: Callable[[list[str], int], Any]
) -> None:
    """Copy a CSV file with cells behind those of each line, which stays as it is.

    Parameters
    ----------
    source, path : path-like
        File to read, and to write.
    columns : `~astropy.table.Table`
        What to append, its texts fit for the format.
    check : callable
        Called with the names and number of rows; raises where the columns do not fit.
    """
    with _open(source) as file:
        records = list(_records(file))
    first = next((i for i, (_, cells) in enumerate(records) if cells), 0)
    names = [name.strip() for name in records[first][1]] if records else []
    if names:
        names[0] = names[0].removeprefix("\ufeff").strip('"')
    new = [columns.colnames, *_rows(columns)]
    with _open(path, "w") as target:
        target.writelines(_longer(records, names, new, ",", check))


def append_to_ecsv(
    source: AnyPath, columns: Table, path: AnyPath, check: Callable[[list[str], int], Any]
) -> None:
    """Copy an ECSV file with columns appended: its header extended, each line longer.

    Parameters
    ----------
    source, path : path-like
        File to read, and to write.
    columns : `~astropy.table.Table`
        What to append, its texts fit for the format.
    check : callable
        Called with the names and number of rows; raises where the columns do not fit.

    Raises
    ------
    ValueError
        If the file has no header of ECSV.
    """
    head, yaml, mark, records = _ecsv(source)
    names = records[0][1] if records else []
    new = [columns.colnames, *_ecsv_rows(columns)]
    longer = list(_longer(records, names, new, mark, check))
    with _open(path, "w") as target:
        target.writelines(head[:2])
        target.writelines(f"# {line}\n" for line in extended_yaml(yaml, columns))
        target.writelines(longer)


def read_ecsv(path: AnyPath) -> Table:
    """Read an ECSV file; one whose last quotation mark is open would lack rows without a word.

    Parameters
    ----------
    path : path-like
        The file.

    Returns
    -------
    table : `~astropy.table.Table`
        As astropy reads it.

    Raises
    ------
    ValueError
        If it is no ECSV, or a quotation mark is never closed.

    Examples
    --------
    >>> from blase_astro.io.delimited import read_ecsv
    >>> from blase_astro.io.files import write_table
    >>> from astropy.table import Table
    >>> write_table(Table({'x': [1, 2]}), 'x.ecsv')
    >>> len(read_ecsv('x.ecsv'))
    2
    """
    from astropy.table import Table

    _ecsv(path)
    return Table.read(path, format="ascii.ecsv")


def _ecsv(path):
    """The header of an ECSV file, its YAML, its delimiter, and the records of `_records`."""
    from astropy.table import meta

    with _open(path) as file:
        lines = file.readlines()
    head = [line for line in lines if line.startswith("#")]
    if not head or "%ECSV" not in head[0]:
        raise ValueError(f"{path}: no header of ECSV")
    body = [line for line in lines if not line.startswith("#")]
    yaml = [line[2:].rstrip("\r\n") for line in head[2:]]
    mark = meta.get_header_from_yaml(yaml).get("delimiter", " ")
    return head, yaml, mark, list(_records(iter(body), mark))


def _ecsv_rows(columns):
    """Rows of our columns as ECSV has them."""
    return zip(*[_texts(columns[name]) for name in columns.colnames], strict=True)


def _longer(records, names, new, mark, check):
    """Records with the new cells; those of replaced columns where they stand."""
    check(names, sum(bool(cells) for _, cells in records) - 1)
    old = {name: names.index(name) for name in new[0] if name in names}
    rows = iter(new)
    for i, (text, cells) in enumerate(records):
        if not cells:
            yield text
            continue
        given = dict(zip(new[0], next(rows), strict=True))
        if len(cells) > len(names):
            raise ValueError(f"row {i} has {len(cells)} cells for {len(names)} columns")
        bare = text.rstrip("\r\n")
        end = text[len(bare) :] or "\n"
        if old:
            cells = cells + [""] * (len(names) - len(cells))
            for name, number in old.items():
                cells[number] = given[name]
            bare = _line(cells, mark)
        else:
            bare += (mark if mark != " " else ' ""') * (len(names) - len(cells))
        added = [given[name] for name in new[0] if name not in old]
        yield (mark.join([bare, _line(added, mark)]) if added else bare) + end


def _line(cells, mark):
    """Cells as one line, quoted where they have to be."""
    unsafe = re.compile(f'[{mark}"\\s]|^#' if mark == " " else f'[{mark}"\r\n]')
    quoted = [
        '"' + cell.replace('"', '""') + '"' if unsafe.search(cell) else cell for cell in cells
    ]
    return mark.join('""' if cell == "" and mark == " " else cell for cell in quoted)
