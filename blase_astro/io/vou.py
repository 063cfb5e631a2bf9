"""The SED text files of VOU_Blazars: the 'vou-sed' reader and writer.

All generations of the format are read, from the first one of 2018 (title and five columns) to
the rows that Python scripts append since 2024; see ``docs/vou_format.rst``.
"""

import io
import os
import re
import zlib

import numpy as np

from .table import sed_table

__all__ = ["read_sections", "read_vou", "write_vou"]

MAX_BYTES = 64 * 2**20  # no SED is longer; a longer file is a mistake or a bomb
MAX_LINES = 500_000  # nor has more lines; short ones would take many times their bytes
MAX_RATIO = 200  # what deflate makes of an SED's blanks stays below a tenth of this

_UNKNOWN_MJD = 55000.0  # the tool's "average or unknown date"
HEADER = (
    " Frequency     nufnu     nufnu unc.  nufnu unc. start time   end time   "
    "Flag  Catalog          Reference",
    "    Hz       erg/cm2/s     upper       lower        MJD         MJD   ",
    "-" * 123,
)
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
_NUMBER = re.compile(rb"([-+]?(?:\d+\.?\d*|\.\d+))(?:[eEdD]([-+]?\d+)|([-+]\d{3}))?")
_FLAGS = {b"Det ": False, b"UL  ": True, b"PT  ": False}
_FLAG = re.compile(rb"(det|ul|pt)(?!\S)", re.IGNORECASE)
_GAP = re.compile(rb"\s{2,}|\t")
_ONE_BLANK = re.compile(rb"(PCCS2 ?\d+ GHz|\S+)\s?(.*)", re.DOTALL)


# ---- lines ------------------------------------------------------------------------------------


def _number(token):
    """The number a token stands for, NaN for stars, None if it is no number."""
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
    if len(data) > MAX_LINES and data.count(b"\n") > MAX_LINES:
        raise ValueError(f"more than {MAX_LINES} lines, no SED has")
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


# ---- the reader -------------------------------------------------------------------------------


def inflate_gzip(data):
    """Content of the bytes of a gzip file, refusing what no SED is."""
    import gzip

    try:
        content = gzip.GzipFile(fileobj=io.BytesIO(data)).read(MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"broken or truncated gzip file ({error})") from None
    if len(content) > min(MAX_BYTES, MAX_RATIO * len(data)):
        raise ValueError(f"inflates beyond {MAX_BYTES >> 20} MiB or {MAX_RATIO} times its size")
    return content


def file_bytes(file):
    """Bytes of a path, gzip or not."""
    with open(file, "rb") as handle:
        size = os.fstat(handle.fileno()).st_size  # 0 for a pipe
        data = handle.read(size or MAX_BYTES + 1) if size <= MAX_BYTES else b""
    if max(size, len(data)) > MAX_BYTES:
        raise ValueError(f"longer than {MAX_BYTES >> 20} MiB, no SED is")
    return inflate_gzip(data) if data[:2] == b"\x1f\x8b" else data


def _name_and_bytes(file):
    """A name for messages, and the content, of whatever the reader is given."""
    is_path = isinstance(file, (str, os.PathLike))
    name = os.path.expanduser(file) if is_path else str(getattr(file, "name", "SED"))
    try:
        if is_path:
            return name, unix_lines(file_bytes(name))
        content = file.read() if hasattr(file, "read") else _joined(file)
        if isinstance(content, str):
            content = content.encode("utf-8", "replace")
        if content[:2] == b"\x1f\x8b":
            content = inflate_gzip(content)
        return name, unix_lines(content)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _joined(lines):
    """Lines of text or bytes, with or without their ends, as bytes."""
    lines = [x.encode("utf-8", "replace") if isinstance(x, str) else x for x in lines]
    return b"\n".join(line.rstrip(b"\r\n") for line in lines)


def _decode(text):
    try:
        return text.decode()
    except UnicodeDecodeError:
        return text.decode("latin-1")


def _parse_lines(lines):
    """Sections of a file, as (meta, rows), and the line numbers of its malformed rows."""
    sections, malformed, texts = [], [], {}
    for i, line in enumerate(lines, 1):
        line = plain_line(line)
        row = parse_row(line)
        if row is not None:
            numbers, flag, *text = row
            text = tuple(text)
            if text not in texts:
                texts[text] = [_decode(part) for part in split_text(*text)]
            if not sections:
                sections.append((dict(NO_TITLE), []))
            sections[-1][1].append((*numbers, -1 if flag is None else flag, *texts[text]))
        elif (title := parse_title(line)) is not None:
            sections.append((title, []))
        elif not is_decoration(line):
            malformed.append(i)
    return sections or [(dict(NO_TITLE), [])], malformed


def _section_table(meta, rows):
    *numbers, flag, catalog, reference = zip(*rows, strict=True) if rows else [()] * 9
    frequency, nufnu, upper, lower, start, end = np.array(numbers, dtype=float).reshape(6, -1)
    *columns, limit = without_magic_numbers(frequency, nufnu, upper, lower, np.array(flag))
    return sed_table(
        *columns,
        mjd_start=np.where(start == _UNKNOWN_MJD, np.nan, start),
        mjd_end=np.where(end == _UNKNOWN_MJD, np.nan, end),
        upper_limit=limit,
        catalog=catalog,
        reference=reference,
        meta=meta,
    )


def tables_from_bytes(name, data):
    """SED tables of the sections of a file's bytes (from `unix_lines`).

    Errors and the warning of malformed rows begin with ``name``.
    """
    if not is_vou(data):
        raise ValueError(f"{name}: {not_vou(data)}")
    sections, malformed = _parse_lines(data.split(b"\n"))
    if malformed:
        if not any(rows for _, rows in sections):
            raise ValueError(f"{name}: {no_rows(malformed)}")
        warn(f"{name}: malformed rows skipped: {len(malformed)}, the first in line {malformed[0]}")
    return [_section_table(meta, rows) for meta, rows in sections]


def warn(message):
    """Warn the user, importing astropy only now: the fast path does without."""
    import warnings

    from astropy.utils.exceptions import AstropyUserWarning

    warnings.warn(message, AstropyUserWarning, stacklevel=2)


def read_sections(file):
    """Read every source of an SED file of VOU_Blazars.

    Parameters
    ----------
    file : path-like, file object or iterable of lines
        As for `read_vou`.

    Returns
    -------
    seds : list of `~astropy.table.Table`
        One SED table a section (title line) of the file, in the file's order.

    Raises
    ------
    ValueError
        If it is no SED file of VOU_Blazars, or has rows but no readable one.
    OSError
        If the file cannot be read.
    """
    return tables_from_bytes(*_name_and_bytes(file))


def read_vou(file, *, source=None):
    """Read an SED file of VOU_Blazars, of any generation of the tool.

    Parameters
    ----------
    file : path-like, file object or iterable of lines
        A path (gzip or not), an open text or binary file, or the lines.
    source : int, optional
        Which source to take of a file that holds several: the number at the start of its title
        line, or 1, 2, ... in the file's order if these numbers repeat.

    Returns
    -------
    sed : `~astropy.table.Table`
        Every row of the file: ``frequency`` (Hz), ``nufnu``, ``nufnu_upper``, ``nufnu_lower``
        (erg / (s cm2), the ends of the interval, not its half-widths), ``mjd_start``, ``mjd_end``
        (d), ``upper_limit``, ``catalog``, ``reference``; in ``meta`` ``ra``, ``dec`` (deg),
        ``redshift``, ``source_type`` and ``source_number``. What the file writes as a zero, as
        stars or as MJD 55000 because there is nothing to write is masked (NaN in ``meta``).
        ``upper_limit`` follows the file's flag; where the file has none, the rule by which the
        tool sets it: flux and both bounds equal, or a lower bound of 0 below another upper one.

    Raises
    ------
    ValueError
        If it is no SED file of VOU_Blazars, has rows but no readable one, or holds several
        sources of which none or an unknown one is chosen.
    OSError
        If the file cannot be read.

    Warns
    -----
    AstropyUserWarning
        Once a file with malformed rows, with their number and the first one's line.

    See Also
    --------
    blase_astro.io.read_seds : SEDs of a folder or a zip archive, one at a time.

    Examples
    --------
    >>> from astropy.table import Table
    >>> import blase_astro
    >>> lines = ['   1  matched source   77.35819    5.69315  99',
    ...          ' 1.400E+09   7.518E-15   7.742E-15   7.294E-15  55000.0000  55000.0000  NVSS']
    >>> sed = Table.read(lines, format='vou-sed')
    >>> sed['nufnu'].unit, sed['catalog'][0], sed.meta['ra']
    (Unit("erg / (s cm2)"), np.str_('NVSS'), 77.35819)
    """
    name, data = _name_and_bytes(file)
    seds = tables_from_bytes(name, data)
    labels = section_labels([sed.meta["source_number"] for sed in seds])
    if source is None and len(seds) == 1:
        return seds[0]
    if source not in labels:
        raise ValueError(
            f"{name}: it holds source {', '.join(map(str, labels))}; "
            f"wanted source= one of these, got {source!r}"
        )
    return seds[labels.index(source)]


def identify_vou(origin, path, fileobj, *args, **kwargs):
    """Does an open file start like an SED of VOU_Blazars? (For ``Table.read`` without format.)"""
    if origin != "read" or fileobj is None or str(path).lower().endswith(".csv"):
        return False
    position = fileobj.tell()
    start = fileobj.read(256)
    fileobj.seek(position)
    return isinstance(start, bytes) and _TITLE.match(start) is not None


# ---- the writer -------------------------------------------------------------------------------


def _es(value):
    """A number as Fortran's ES10.3 prints it."""
    if np.isnan(value):
        text = "NaN"
    elif np.isinf(value):
        text = "Infinity" if value > 0 else "-Infinity"
    else:
        text = f"{value:.3E}"
        if text[-4] in "+-":  # three digits push out the E
            text = text.replace("E", "")
    return text.rjust(10)


def _values(table, name, unit):
    """Numbers of a column in a unit, NaN where masked or where there is no such column."""
    from astropy.units import Quantity

    if name not in table.colnames:
        return np.full(len(table), np.nan)
    column = table[name]
    mask = np.asarray(getattr(column, "mask", False))
    values = np.array(getattr(column, "unmasked", column), dtype=float)
    if column.unit is not None:
        values = Quantity(values, column.unit).to_value(unit)
    return np.where(mask, np.nan, values)


def _strings(table, name):
    if name not in table.colnames:
        return [""] * len(table)
    return np.ma.filled(np.ma.asarray(table[name]).astype(str), "").tolist()


def _title_line(meta):
    def number(key, default):
        value = meta.get(key)
        return default if value is None else value

    position = [number("ra", np.nan), number("dec", np.nan)]
    ra, dec = ("*" * 9 if np.isnan(x) else f"{x:9.5f}" for x in position)
    redshift = number("redshift", np.nan)
    z = f"{redshift:5.3f}" if redshift > 0 else "0.000"
    if redshift > 0 and float(z) != redshift:
        z = f"{redshift:.6g}"
    kind, source = number("source_type", 99), number("source_number", 1)
    return f"{source:4d}  matched source  {ra}  {dec}  {kind:2d}  {z}"


def _check_text(row, catalog, reference):
    """Refuse what would not be read back: the format separates the two by blanks alone."""
    text = f"{catalog:<15}  {reference:<200}".encode()
    gap = len(text) - len(text.lstrip())
    back = [_decode(part) for part in split_text(text.lstrip(), gap + 2)]
    if back != [catalog, reference] or set(catalog + reference) & {"\n", "\r", "\0"}:
        raise ValueError(
            f"row {row}: catalog {catalog!r} and reference {reference!r} cannot be written; wanted "
            "one line without blanks at the ends, two blanks inside the catalog, or a final '!'"
        )


def _row_lines(table):
    """The data rows in the columns of the tool since August 2020."""
    flux_unit = "erg/(s cm2)"
    frequency = np.nan_to_num(_values(table, "frequency", "Hz"), posinf=np.inf, neginf=-np.inf)
    nufnu, upper, lower = (
        _values(table, name, flux_unit) for name in ("nufnu", "nufnu_upper", "nufnu_lower")
    )
    no_bounds = np.isnan(upper) & np.isnan(lower)
    upper, lower = np.where(no_bounds, 0.0, [upper, lower])
    nufnu = np.where(no_bounds & np.isnan(nufnu), 0.0, nufnu)
    dates = [_values(table, name, "d") for name in ("mjd_start", "mjd_end")]
    start, end = (np.where(np.isnan(date), _UNKNOWN_MJD, date) for date in dates)
    limit = np.zeros(len(table), bool)
    if "upper_limit" in table.colnames:
        limit = np.ma.filled(np.ma.asarray(table["upper_limit"]), True).astype(bool)
    catalogs, references = _strings(table, "catalog"), _strings(table, "reference")
    for text in dict.fromkeys(zip(catalogs, references, strict=True)):
        _check_text(list(zip(catalogs, references, strict=True)).index(text), *text)
    flags = np.where(limit, " UL ", " Det")
    numbers = [[_es(x) for x in column.tolist()] for column in (frequency, nufnu, upper, lower)] + [
        [f"{x:10.4f}" for x in column.tolist()] for column in (start, end)
    ]
    for *row, flag, catalog, reference in zip(*numbers, flags, catalogs, references, strict=True):
        yield f"{'  '.join(row)}  {flag}  {catalog:<15}  {reference:<200}"


def write_vou(table, output, *, overwrite=False):
    """Write an SED table as VOU_Blazars writes its SED files since August 2020.

    The format holds four digits of a flux, a frequency and a bound, five decimals of the position
    and four of a date. What is masked is written as the tool writes it: bounds of 0, MJD 55000.

    Parameters
    ----------
    table : `~astropy.table.Table`
        An SED table; ``frequency`` and ``nufnu`` have to be there, the other columns may lack.
    output : path-like or file object
        Where to: a path, or a file open for writing text.
    overwrite : bool
        Replace an existing file.

    Raises
    ------
    OSError
        If the file exists and ``overwrite`` is not set, or cannot be written.
    ValueError
        If ``frequency`` or ``nufnu`` lacks, or a catalog or reference cannot be written.

    Examples
    --------
    >>> import io
    >>> from blase_astro.io import sed_table
    >>> text = io.StringIO()
    >>> sed_table([1.4e9], [2.5e-14], catalog=['NVSS']).write(text, format='vou-sed')
    >>> print(text.getvalue().splitlines()[4].strip())
    1.400E+09   2.500E-14   0.000E+00   0.000E+00  55000.0000  55000.0000   Det  NVSS
    """
    for name in ("frequency", "nufnu"):
        if name not in table.colnames:
            raise ValueError(f"column {name!r} is wanted, got {', '.join(table.colnames)}")
    text = "\n".join([_title_line(table.meta), *HEADER, *_row_lines(table), ""])
    if hasattr(output, "write"):
        output.write(text)
        return
    try:
        with open(os.path.expanduser(output), "w" if overwrite else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise FileExistsError(f"{output} exists; to replace it, pass overwrite=True") from None
