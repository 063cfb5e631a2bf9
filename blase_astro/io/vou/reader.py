"""The 'vou-sed' reader: a file of VOU_Blazars as an SED table."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from ..bounded import file_bytes, inflate, stream_bytes, warn
from ..table import sed_table
from .lines import (
    _TITLE,
    NO_TITLE,
    _decode,
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

if TYPE_CHECKING:
    from ..._types import SedFile, Table

__all__ = ["read_sections", "read_vou"]

_UNKNOWN_MJD = 55000.0  # the tool's "average or unknown date"


def name_and_bytes(file):
    """A name for messages, and the content, of whatever the reader is given."""
    is_path = isinstance(file, (str, os.PathLike))
    if not is_path and not hasattr(file, "read") and not hasattr(file, "__iter__"):
        raise ValueError(f"wanted a path, an open file or lines, got {file!r:.60}")
    name = os.path.expanduser(file) if is_path else str(getattr(file, "name", "SED"))
    try:
        if is_path:
            return name, file_bytes(name)
        return name, stream_bytes(file) if hasattr(file, "read") else inflate(_joined(file))
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _joined(lines):
    """Lines of text or bytes, with or without their ends, as bytes."""
    lines = [x.encode("utf-8", "replace") if isinstance(x, str) else x for x in lines]
    return b"\n".join(line.rstrip(b"\r\n") for line in lines)


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
    """SED tables of the sections of a file's bytes.

    Errors and the warning of malformed rows begin with ``name``.
    """
    try:
        data = unix_lines(data)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    if not is_vou(data):
        raise ValueError(f"{name}: {not_vou(data)}")
    sections, malformed = _parse_lines(data.split(b"\n"))
    if malformed:
        if not any(rows for _, rows in sections):
            raise ValueError(f"{name}: {no_rows(malformed)}")
        warn(f"{name}: malformed rows skipped: {len(malformed)}, the first in line {malformed[0]}")
    return [_section_table(meta, rows) for meta, rows in sections]


def read_sections(file: SedFile) -> list[Table]:
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
    return tables_from_bytes(*name_and_bytes(file))


def read_vou(file: SedFile, *, source: int | None = None) -> Table:
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
    name, data = name_and_bytes(file)
    return only_section(name, tables_from_bytes(name, data), source)


def only_section(name, seds, source):
    """The one SED of a file, or the one that is chosen."""
    labels = section_labels([sed.meta.get("source_number") for sed in seds])
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
