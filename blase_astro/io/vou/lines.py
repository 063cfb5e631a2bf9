"""Lines of the SED files of VOU_Blazars: titles, rows, decoration.

All generations of the format are read, from the first one of 2018 (title and five columns) to
the rows that Python scripts append since 2024; see ``docs/vou_format.rst``.
"""

import re

import numpy as np

__all__ = []

MAX_LINES = 500_000  # no SED has more; short ones would take many times their bytes
MAX_SOURCES = 30_000  # nor more sources, whose titles fill as many bytes: each takes some kB
_WANTED = (
    "a first line like '   1  matched source   77.35819    5.69315  99' "
    "or the header line 'Frequency nufnu nufnu unc. ...'"
)
# A title: number, 'matched source', then numbers or stars (RA, Dec, type, redshift). Words after
# it are another product of the tool ('source type'), or prose.
_TITLE = re.compile(
    rb"\s*(\d{1,9}|\*+)[ \t]+matched[ \t]+source"
    rb"((?:[ \t]+(?:[-+*.:\d][^\s]*|[nN][aA][nN]))*)[ \t\r]*(?:\n|$)"
)
_COLUMN_TITLES = re.compile(rb"^[ \t]*Frequency[ \t]+nufnu[ \t]+nufnu unc", re.MULTILINE)
# Every part takes all it can and gives nothing back: a long token costs no more than a look.
_NUMBER = re.compile(rb"([-+]?(?:\d++(?:\.\d*+)?|\.\d++))(?:[eEdD]([-+]?\d++)|([-+]\d{3}))?")
_LONGEST = 64  # bytes of a number that Python does not read
_LONGEST_NUMBERS = 400  # bytes of all numbers of a row, with the blanks between and before them
_FLAGS = {b"Det ": False, b"UL  ": True, b"PT  ": False}
_FLAG = re.compile(rb"(det|ul|pt)(?!\S)", re.IGNORECASE)
_GAP = re.compile(rb"\s{2,}|\t")
_ONE_BLANK = re.compile(rb"(PCCS2 ?\d+ GHz|\S+)\s?(.*)", re.DOTALL)


def _number(token):
    """The number a token stands for, NaN for stars, None if it is no number."""
    if len(token) > _LONGEST:
        return None
    try:
        if b"_" not in token:  # Python takes 1_0 for a number
            return float(token)
    except ValueError:
        pass
    match = _NUMBER.fullmatch(token)
    if match:
        mantissa, exponent, bare_exponent = match.groups()  # gfortran drops the E at 3 digits
        return float(mantissa + b"e" + (exponent or bare_exponent or b"0"))
    return None if token.strip(b"*") else np.nan


def _leading_numbers(tokens):
    numbers = []
    for token in tokens:
        value = _number(token)
        if value is None:
            break
        numbers.append(value)
    return numbers


def parse_row(line):
    """Numbers, flag and text of a data row.

    Returns
    -------
    row : tuple or None
        Six numbers (frequency, nufnu, upper, lower, two MJDs, as printed), the flag (True for a
        limit, None if there is none), the text behind, and the number of blanks before it; None
        if the line is no complete row.
    """
    tokens = line.split(None, 6)
    try:
        numbers = [float(token) for token in tokens[:6]]
        if b"_" in line:  # perhaps in a number
            raise ValueError
    except ValueError:
        numbers = _leading_numbers(tokens[:6])
    if len(numbers) == 6 and len(tokens) == 7:
        rest = tokens[6]
    elif len(numbers) == 4 and len(tokens) > 4:  # the generations without dates
        numbers += [np.nan, np.nan]
        rest = line.split(None, 4)[4]
    else:
        return None
    if len(line) - len(rest) > _LONGEST_NUMBERS:
        return None
    flag = _FLAGS.get(rest[:4])
    if flag is None:
        match = _FLAG.match(rest)
        if match is None:
            before = line[: len(line) - len(rest)]
            return numbers, None, rest, len(before) - len(before.rstrip())
        flag = match[1].upper() == b"UL"
        rest = rest[match.end() :]
    else:
        rest = rest[3 if rest[:3] == b"Det" else 2 :]
    text = rest.lstrip()
    return numbers, flag, text, len(rest) - len(text)


def split_text(text, gap):
    """Catalog and reference of the text behind the numbers, as bytes."""
    parts = _GAP.split(text, maxsplit=1)
    if gap > 8:  # an empty catalog column is at least 12 blanks
        catalog, reference = b"", text
    elif len(parts) == 2:
        catalog, reference = parts
    else:
        match = _ONE_BLANK.match(text)
        catalog, reference = match.groups() if match else (b"", b"")
    return catalog, reference.strip().rstrip(b"! \t\r\v\f")  # '!' ends the tool's own list lines


def is_decoration(line):
    """Is the line blank, a header line or a separator?"""
    text = line.strip()
    return not text.strip(b"-=") or text.startswith((b"Frequency", b"Hz"))


def parse_title(line):
    """Position (deg), redshift, type code and number of the source of a title line, or None."""
    match = _TITLE.match(line)
    if match is None:
        return None
    tokens = match[2].split()
    if len(tokens) < 3:  # position left out
        tokens = [b"*", b"*", *tokens]
    ra, dec, kind, redshift = (*tokens, b"*", b"*")[:4]
    ra, dec, redshift = (np.nan if (x := _number(t)) is None else x for t in (ra, dec, redshift))
    if not (abs(ra) <= 720 and abs(dec) <= 90):
        ra = dec = np.nan
    if not 0 < redshift < np.inf:  # 0.000 is the tool's "unknown"
        redshift = np.nan
    return {
        "ra": ra,
        "dec": dec,
        "redshift": redshift,
        "source_type": int(kind) if re.fullmatch(rb"-?\d{1,9}", kind) else None,
        "source_number": int(match[1]) if match[1].isdigit() else None,
    }


NO_TITLE = {"ra": np.nan, "dec": np.nan, "redshift": np.nan, "source_number": None}


def unix_lines(data):
    """The file's bytes with line feeds, without a byte order mark."""
    data = data.removeprefix(b"\xef\xbb\xbf")
    if b"\n" not in data:
        data = data.replace(b"\r", b"\n")
    if len(data) > MAX_LINES:
        lines = data.count(b"\n")
        if lines > MAX_LINES:
            raise ValueError(f"more than {MAX_LINES} lines, no SED has")
        if lines > MAX_SOURCES and data.count(b"matched") > MAX_SOURCES:
            raise ValueError(f"more than {MAX_SOURCES} sources in one file; wanted it split")
    return data


def plain_line(line):
    """The line with blanks for the bytes that the tool's uninitialised memory may leave."""
    if b"\0" in line or b"\r" in line:
        return line.replace(b"\0", b" ").replace(b"\r", b" ")
    return line


def is_vou(data):
    """Do the bytes hold an SED file of VOU_Blazars (whose rows may still be broken)?"""
    if _TITLE.match(data, 0, 4096) or _TITLE.match(plain_line(data[:4096])):
        return True
    return b"nufnu unc" in data and _COLUMN_TITLES.search(data) is not None


def not_vou(data):
    """Why the bytes are refused."""
    line = data[:4096].strip().split(b"\n")[0][:60]
    got = f"the first line {_decode(line)!r}" if line else "an empty file"
    return f"not an SED file of VOU_Blazars; expected {_WANTED}, got {got}"


def no_rows(malformed):
    return (
        f"no readable row; {len(malformed)} malformed, the first in line {malformed[0]}, wanted "
        "frequency, nufnu, upper, lower, [MJD, MJD], [flag], catalog, reference"
    )


def section_labels(numbers):
    """What tells the sections of a file apart: the source numbers, or 1, 2, ... if they repeat."""
    if None in numbers or len(set(numbers)) < len(numbers):
        return list(range(1, len(numbers) + 1))
    return list(numbers)


def without_magic_numbers(frequency, nufnu, upper, lower, flag):
    """Numbers with NaN where the file's zeros mean "nothing", and which rows are limits.

    ``flag`` is 1 for a limit, 0 for a detection, -1 for a row without flag; for the last the rule
    holds by which the tool itself sets its flag.
    """
    rule = ((nufnu == upper) & (upper == lower)) | ((lower == 0) & (upper != 0))
    limit = np.where(flag < 0, rule, flag == 1)
    no_bounds = (upper == 0) & (lower == 0)
    nan = np.nan
    return (
        np.where(frequency == 0, nan, frequency),
        np.where(no_bounds & (nufnu == 0), nan, nufnu),
        np.where(no_bounds, nan, upper),
        np.where(no_bounds, nan, lower),
        limit,
    )


def _decode(text):
    try:
        return text.decode()
    except UnicodeDecodeError:
        return text.decode("latin-1")
