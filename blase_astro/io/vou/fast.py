"""The fast path from the bytes of SED files to plain arrays."""

from __future__ import annotations

import numpy as np

from ..table import Points
from .lines import (
    NO_TITLE,
    is_decoration,
    is_vou,
    no_rows,
    not_vou,
    parse_row,
    parse_title,
    plain_line,
    section_labels,
    split_text,
    unix_lines,
    without_magic_numbers,
)

__all__ = ["parse_points", "points_from_bytes"]

_WIDTH = 80  # bytes of a line that the fast path looks at: the numbers, flag, start of catalog


def _layout():
    """Bytes of a row in fixed columns, as 32-bit words: what is expected and how strictly.

    A byte differs from its pattern, by exclusive or, in 0 where it has to be that byte, and in 0
    to 9 where it has to be a digit: the second is so if neither it nor it + 6 has a high bit set.
    """
    number, date = " 0.000E+00  ", "00000.0000  "
    pattern = (number * 4 + date * 2).encode()
    digit = np.array([byte == ord("0") for byte in pattern])
    exact = np.where(digit, 0xF0, 0xFF)
    exact[[12 * i for i in range(4)]] = 0  # the two signs of a number are looked at apart
    exact[[12 * i + 7 for i in range(4)]] = 0
    table = np.array([list(pattern), np.where(digit, 6, 0), exact], dtype=np.uint8)
    return table.view("<u4").reshape(3, -1, 1)


def _powers():
    """Multiplier and divisor for a decimal exponent, by its sign bit and two digits in BCD.

    With four digits before it, an exponent in which one of them is a power of ten below 10**23,
    hence exact in double precision, gives the correctly rounded number; others are marked 0.
    """
    multiplier, divisor = np.zeros(512), np.ones(512)
    for digits in range(100):
        for sign, code in ((1, 0), (-1, 256)):
            power = sign * digits - 3
            i = code + (digits // 10 << 4) + digits % 10
            if abs(power) <= 22:
                multiplier[i], divisor[i] = 10.0 ** max(power, 0), 10.0 ** max(-power, 0)
    return multiplier, divisor


_PATTERN, _ADD, _EXACT = _layout()
_MULTIPLIER, _DIVISOR = _powers()
_DET, _UL = np.frombuffer(b" Det UL ", "<u4")
_TWO_LETTERS = np.frombuffer(b"deulpt", "<u2")


def _fixed_columns(rows):
    """Read the lines that stand in fixed columns as the tool writes them.

    Parameters
    ----------
    rows : ndarray of V80, shape (n,)
        The first 80 bytes from the start of each line.

    Returns
    -------
    fixed : ndarray of bool, shape (n,)
        Which lines were read; the others have to be looked at one by one.
    numbers : ndarray of float64, shape (4, n)
        Frequency, nufnu, upper, lower.
    flag : ndarray of int8, shape (n,)
        1 for a limit, 0 for a detection, -1 without flag.
    """
    words = np.ascontiguousarray(rows.view("<u4").reshape(-1, _WIDTH // 4).T)
    diff = words[:18] ^ _PATTERN
    wrong = diff + _ADD
    wrong |= diff
    wrong &= _EXACT
    head, middle, tail = diff[0:12:3], diff[1:12:3], diff[2:12:3]  # ' d.d', 'ddE+', 'dd  '
    sign, exponent_sign = head & 0xFF, middle >> 24
    negative = sign == (ord(" ") ^ ord("-"))
    small = exponent_sign == (ord("+") ^ ord("-"))
    signs = (negative | (sign == 0)) & (small | (exponent_sign == 0))
    flag, plain_text = _flag_and_text(words[18], words[19])
    fixed = (np.bitwise_or.reduce(wrong, axis=0) == 0) & signs.all(axis=0) & plain_text

    mantissa = ((head >> 8) & 0xF) * 1000 + ((head >> 24) & 0xF) * 100
    mantissa += (middle & 0xF) * 10 + ((middle >> 8) & 0xF)
    power = ((tail & 0xF) << 4) | ((tail >> 8) & 0xF) | (small.astype(np.uint32) << 8)
    multiplier = _MULTIPLIER[power]
    numbers = mantissa * multiplier / _DIVISOR[power]
    np.negative(numbers, out=numbers, where=negative)
    column, row = np.nonzero((multiplier == 0) & (mantissa > 0) & fixed)
    for i, j, line in zip(column.tolist(), row.tolist(), rows[row].tolist(), strict=True):
        numbers[i, j] = float(line[12 * i : 12 * i + 10])
    return fixed, numbers, flag


def _flag_and_text(first, second):
    """Flag of the bytes 73-80 of rows, and whether a catalog other than DEBL starts where due."""
    limit = first == _UL
    flagged = limit | (first == _DET)
    catalog = second >> 16
    behind_flag = (
        ((second & 0xFFFF) == 0x2020)
        & ((catalog & 0xFF) > 0x20)
        & ((catalog | 0x2020) != _TWO_LETTERS[0])
    )
    letters = (first & 0xFFFF) | 0x2020
    without_flag = (first & 0xFF) > 0x20
    for pair in _TWO_LETTERS:  # DEBL, Det, UL, PT
        without_flag &= letters != pair
    return np.where(flagged, limit, -1).astype(np.int8), (flagged & behind_flag) | without_flag


def _scan(data):
    """Start and end of the lines of a file's bytes, and the first bytes of each line."""
    end = np.flatnonzero(np.frombuffer(data, np.uint8) == 10) if data else np.zeros(0, np.int64)
    if data[-1:] != b"\n":
        end = np.append(end, len(data))
    start = np.zeros_like(end)
    np.add(end[:-1], 1, out=start[1:])
    whole = np.searchsorted(start, len(data) - _WIDTH, side="right")
    rows = np.zeros(len(start) - whole, f"V{_WIDTH}")  # the last lines may be too short
    if whole:  # a view of overlapping items, one from each byte on, from which lines are picked
        overlapping = np.ndarray(len(data) - _WIDTH + 1, rows.dtype, data, strides=(1,))
        picked = overlapping[start[:whole]]
        rows = np.concatenate([picked, rows]) if len(rows) else picked
    return start, end, rows


def _read_other_lines(lines, contents, numbers, flag, duplicate):
    """Read the lines outside of the fixed columns, as the reader does.

    ``lines`` yields (i, file, start, end) of each; rows go to place i of the arrays.

    Returns
    -------
    found : ndarray of int64
        Places of the rows found.
    titles : list of (i, file, dict)
        Title lines and their content.
    malformed : dict of int to list of int
        For each file the places of its malformed rows.
    """
    found, titles, malformed = [], [], {}
    for i, file, start, end in lines:
        line = plain_line(contents[file][start:end])
        if is_decoration(line):
            continue
        if (title := parse_title(line)) is not None:
            titles.append((i, file, title))
        elif (row := parse_row(line)) is not None:
            values, limit, text, gap = row
            found.append(i)
            numbers[:, i] = values[:4]
            flag[i] = -1 if limit is None else limit
            duplicate[i] = split_text(text, gap)[0] == b"DEBL"
        else:
            malformed.setdefault(file, []).append(i)
    return np.array(found, np.int64), titles, malformed


def points_from_bytes(
    names: list[str], contents: list[bytes], errors: list[str]
) -> tuple[Points, list[tuple[str, int, int]]]:
    """Measurements of many SED files at once.

    Parameters
    ----------
    names : list of str, shape (n_files,)
        Their names.
    contents : list of bytes, shape (n_files,)
        Their bytes, from `unix_lines` and with `is_vou`; empty where there is an error.
    errors : list of str, shape (n_files,)
        Why a file could not be read; empty where it could.

    Returns
    -------
    points : Points
        One SED a section of a file.
    malformed : list of (str, int, int)
        Name, number of malformed rows and line of the first, for files that have some among
        readable ones.
    """
    starts, ends, rows = zip(*map(_scan, contents), strict=True)
    n_lines = np.array([len(start) for start in starts])
    first = np.cumsum(n_lines) - n_lines
    kept, numbers, flag = _fixed_columns(np.concatenate(rows))
    duplicate = np.zeros(len(kept), bool)
    other = np.flatnonzero(~kept)
    file = np.repeat(np.arange(len(contents)), n_lines)[other]
    where = (other, file, np.concatenate(starts)[other], np.concatenate(ends)[other])
    lines = zip(*(array.tolist() for array in where), strict=True)
    found, titles, bad = _read_other_lines(lines, contents, numbers, flag, duplicate)
    kept[found] = True

    sections = _sections(first, kept, titles)
    line, section_file, metas = sections
    errors = list(errors)
    malformed = []
    for i, places in sorted(bad.items()):
        places = [int(place - first[i]) + 1 for place in places]
        if not kept[first[i] : first[i] + n_lines[i]].any():
            errors[i] = no_rows(places)
        else:
            malformed.append((names[i], len(places), places[0]))
    kept = np.flatnonzero(kept)
    *columns, limit = without_magic_numbers(*numbers.take(kept, axis=1), flag[kept])
    points = Points(
        _section_names(names, section_file, metas),
        *(np.array([meta[key] for meta in metas], float) for key in ("ra", "dec", "redshift")),
        [errors[i] for i in section_file],
        np.searchsorted(line, kept, side="right") - 1,
        *columns,
        limit,
        duplicate[kept],
    )
    return points, malformed


def _sections(first, kept, titles):
    """First line, file and title of each section; rows before a title are one without title."""
    titled = {file for _, file, _ in titles}
    rows_before = np.concatenate([[0], np.cumsum(kept)])
    opening = {}
    for i, file, _ in titles:
        opening.setdefault(file, rows_before[i] > rows_before[first[file]])
    untitled = [
        (start, file, NO_TITLE)
        for file, start in enumerate(first.tolist())
        if file not in titled or opening[file]
    ]
    sections = sorted(titles + untitled, key=lambda section: section[:2])
    return [list(column) for column in zip(*sections, strict=True)]


def _section_names(names, section_file, metas):
    """Names of sections: the file's for its first one, 'name#number' for the others."""
    result = [names[file] for file in section_file]
    if len(result) > len(names):
        members = {}
        for i, file in enumerate(section_file):
            members.setdefault(file, []).append(i)
        for places in members.values():
            labels = section_labels([metas[i]["source_number"] for i in places])
            for i, label in zip(places[1:], labels[1:], strict=True):
                result[i] = f"{result[i]}#{label}"
    return result


def parse_points(data: bytes) -> Points:
    """Measurements of the bytes of one SED file, by the fast path.

    Parameters
    ----------
    data : bytes
        Content of an SED file of VOU_Blazars.

    Returns
    -------
    points : `~blase_astro.io.Points`
        Its rows, without dates and texts; the first name is empty.

    Raises
    ------
    ValueError
        If it is no such file, or has rows but no readable one.

    Examples
    --------
    >>> from blase_astro.io.vou.fast import parse_points
    >>> points = parse_points(b'''   1  matched source   77.35819    5.69315  99
    ...  1.400E+09   7.518E-15   7.742E-15   7.294E-15  55000.0000  55000.0000  NVSS
    ... ''')
    >>> points.ra, points.nufnu
    (array([77.35819]), array([7.518e-15]))
    """
    data = unix_lines(data)
    if not is_vou(data):
        raise ValueError(f"SED: {not_vou(data)}")
    points, _ = points_from_bytes([""], [data], [""])
    if points.error[0]:
        raise ValueError(f"SED: {points.error[0]}")
    return points
