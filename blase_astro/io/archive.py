"""SEDs of a file, a folder or an archive, one after the other and never all in memory."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from .bounded import breakages, stream_bytes, warn
from .kinds import NoSED, kind_of, sed_from_bytes, seds_from_bytes
from .members import HIDDEN, opened
from .table import join_points, points_from_seds
from .vou.fast import points_from_bytes
from .vou.lines import is_vou, not_vou, section_labels, unix_lines

if TYPE_CHECKING:
    from .._types import AnyPath, Iterator, Points, SedFile, Sequence, Stream, Table

__all__ = ["list_seds", "read_points", "read_sed", "read_seds", "read_stream"]

_BATCH_BYTES = 2**21  # files are parsed together up to so many bytes, which fit in the cache


def list_seds(path: AnyPath) -> list[str]:
    """Names of what could be an SED in a file, a folder or an archive.

    Parameters
    ----------
    path : path-like
        A file, a folder (searched with all its subfolders) or an archive (zip, tar, tar.gz).

    Returns
    -------
    names : list of str
        In sorted order: paths inside the folder or archive, or the file's own name. Left out are
        hidden files, ``__MACOSX``, READMEs, licences and archives inside; the content is not
        looked at.

    Raises
    ------
    OSError
        If the path cannot be read.
    ValueError
        If it is a broken archive.

    Examples
    --------
    >>> from blase_astro.io import list_seds
    >>> names = list_seds('catalogs/demo_seds.zip')
    >>> names[0]
    'seds/PMN_J1508-4953.txt'
    """
    with opened(path) as source:
        return source.names()[0]


def read_points(
    path: AnyPath, names: Sequence[str] | None = None, *, chunk: int = 256
) -> Iterator[Points]:
    """Measurements of the SEDs of a file, a folder or an archive, as plain arrays.

    Parameters
    ----------
    path : path-like
        A file, a folder (read with all its subfolders) or an archive (zip, tar, tar.gz) of SED
        files of any kind, see `read_sed`.
    names : sequence of str, optional
        Which ones, as from `list_seds`, and in which order; all of these by default.
    chunk : int
        The most files to read at a time. Less are taken where files are long.

    Yields
    ------
    points : `~blase_astro.io.Points`
        The SEDs of up to ``chunk`` files. A file with several sources gives several SEDs, named
        ``name``, ``name#2``, ... by their source numbers. A file that cannot be read (encrypted,
        truncated, larger than 64 MiB or 200 times its compressed size, without a readable row)
        is an SED without measurements whose ``error`` says why.

    Raises
    ------
    OSError
        If the path cannot be read.
    ValueError
        If it is a broken archive.

    Warns
    -----
    AstropyUserWarning
        At the end, once for the files that are no SEDs and were left out, and once for the
        malformed rows that were skipped.

    Examples
    --------
    >>> from blase_astro.io import read_points
    >>> points = next(read_points('catalogs/demo_seds.zip', ['seds/PMN_J1508-4953.txt']))
    >>> points.ra, points.nufnu
    (array([227.1623]), array([2.185e-13, 5.085e-13]))
    """
    left = Left()
    with opened(path) as source:
        if names is None:
            names, without = source.names()
            left.skipped += without
        for points, _ in points_of(source, names, chunk, left):
            yield points
    left.report(path)


class Left:
    """What reading left out: names of files that are no SEDs, and of those with malformed rows."""

    def __init__(self, skipped=(), malformed=()):
        self.skipped, self.malformed = list(skipped), list(malformed)

    def report(self, path):
        """Warn of it, unless all are hidden files."""
        _report_skipped(path, self.skipped)
        if self.malformed:
            name, _, line = self.malformed[0]
            warn(
                f"{path}: malformed rows skipped: {sum(n for _, n, _ in self.malformed)}, "
                f"files that have some: {len(self.malformed)}, the first in {name}, line {line}"
            )


def points_of(source, names, chunk, left):
    """Measurements of the files of an opened path, some at a time.

    Parameters
    ----------
    source : `~blase_astro.io.members.Opened`
        Where they are.
    names : sequence of str
        Which, and in which order.
    chunk : int
        The most files at a time.
    left : Left
        Told of what is left out.

    Yields
    ------
    points : `~blase_astro.io.Points`
        Measurements of up to ``chunk`` files.
    foreign : ndarray of bool, shape (n,)
        Which SEDs are not of VOU_Blazars.
    """
    _keep_freed_memory()
    for batch in _batches(_contents(source, names, left.skipped), chunk):
        parts = []
        for kind, items in groupby(batch, key=lambda item: item[3] is None):
            if kind:
                points, malformed = points_from_bytes(
                    *map(list, list(zip(*items, strict=True))[:3])
                )
                left.malformed += malformed
                parts.append((points, np.zeros(len(points.name), bool)))
            else:
                parts += [item[3] for item in items]
        points, foreign = zip(*parts, strict=True)
        yield (points[0] if len(points) == 1 else join_points(points)), np.concatenate(foreign)


def read_stream(file: Stream, name: str = "-") -> tuple[Points, bool]:
    """Measurements of an SED file of any kind that is open for reading, as standard input is.

    Parameters
    ----------
    file : file object
        Open for reading bytes; read to its end, or to 64 MiB.
    name : str
        Name of the SED.

    Returns
    -------
    points : `~blase_astro.io.Points`
        Its SEDs.
    foreign : bool
        Whether they are not of VOU_Blazars.

    Raises
    ------
    ValueError
        If it is no SED or cannot be read.

    Examples
    --------
    >>> from blase_astro.io.archive import read_stream
    >>> with open('catalogs/demo_sed.txt', 'rb') as file:
    ...     points, foreign = read_stream(file)
    >>> points.name, foreign
    (['-'], False)
    """
    from .members import Opened

    left = Left()
    try:
        data = stream_bytes(file)
    except breakages() as error:
        raise ValueError(f"{name}: {error}") from None
    ((points, foreign),) = points_of(
        Opened(True, lambda: ([name], []), lambda _: data), [name], 1, left
    )
    if points.error[0]:
        raise ValueError(f"{name}: {points.error[0]}")
    left.report(name)
    return points, bool(foreign[0])


def read_sed(file: SedFile, *, source: int | None = None) -> Table:
    """Read one SED, whatever kind of file it is in.

    Parameters
    ----------
    file : path-like, file object or iterable of lines
        An SED file of VOU_Blazars, an answer of the SSDC, NED or VizieR, GADF or JetSeT flux
        points, or an SED table as ECSV, FITS, VOTable or Parquet, compressed or not.
    source : int, optional
        Which source to take of a file of VOU_Blazars that holds several, see
        ``blase_astro.io.vou.reader.read_vou``.

    Returns
    -------
    sed : `~astropy.table.Table`
        The SED table.

    Raises
    ------
    ValueError
        If it is no SED, or holds several of which none is chosen.
    OSError
        If the file cannot be read.

    Examples
    --------
    >>> import blase_astro
    >>> len(blase_astro.read_sed('catalogs/demo_sed.txt'))
    54
    """
    from .vou.reader import name_and_bytes, only_section

    name, data = name_and_bytes(file)
    return only_section(name, seds_from_bytes(name, data), source)


def read_seds(path: AnyPath, names: Sequence[str] | None = None) -> Iterator[tuple[str, Table]]:
    """Read the SEDs of a file, a folder or an archive one at a time.

    Parameters
    ----------
    path : path-like
        A file, a folder (read with all its subfolders) or an archive (zip, tar, tar.gz) of SED
        files of any kind, see `read_sed`.
    names : sequence of str, optional
        Which ones, as from `~blase_astro.io.list_seds`, and in which order; all of these by
        default.

    Yields
    ------
    name : str
        Path inside the folder or archive, or the file's own name; for a further source of the
        same file with its source number, ``name#2``.
    sed : `~astropy.table.Table`
        The SED as from `read_sed`.

    Raises
    ------
    OSError
        If the path cannot be read.
    ValueError
        If it is a broken archive, or a single file that is no SED.

    Warns
    -----
    AstropyUserWarning
        Once for each file that cannot be read, once for each with malformed rows, and once at the
        end for the files that are no SEDs and were left out.

    Examples
    --------
    >>> from blase_astro import read_seds
    >>> for name, sed in read_seds('catalogs/demo_seds.zip', ['seds/PMN_J1508-4953.txt']):
    ...     print(name, len(sed))
    seds/PMN_J1508-4953.txt 2
    """
    skipped = []
    with opened(path) as opened_path:
        if names is None:
            names, without = opened_path.names()
            skipped += without
        for name in names:
            try:
                seds = _tables(name, opened_path.read)
            except NoSED:
                if opened_path.alone:
                    raise
                skipped.append(name)
                continue
            except ValueError as broken:
                if opened_path.alone:
                    raise
                warn(f"{path}: left out {broken}")
                continue
            labels = section_labels([sed.meta.get("source_number") for sed in seds])
            for i, (label, sed) in enumerate(zip(labels, seds, strict=True)):
                yield f"{name}#{label}" if i else name, sed
    _report_skipped(path, skipped)


def _tables(name, read):
    """SED tables of a file; errors begin with its name."""
    try:
        data = read(name)
    except breakages() as broken:
        raise ValueError(f"{name}: {_reason(broken)}") from None
    if not data:
        raise ValueError(f"{name}: empty file")
    return seds_from_bytes(name, data)


def _keep_freed_memory():
    """Keep the memory of a batch for the next one; a quarter of the time would go into new pages.

    The C library of Linux gives freed memory back to the system beyond a threshold, which it
    raises to the largest block that was freed. The block's pages are never touched.
    """
    np.empty(16 * 2**20, np.uint8)


def _contents(source, names, skipped):
    """Name, bytes and error of each SED file, and its points if they are not of VOU_Blazars.

    ``skipped`` gets the names of what is no SED.
    """
    for name in names:
        data, error, points = b"", "", None
        try:
            data = source.read(name)
            kind = kind_of(data)
            if kind:
                points, data = _foreign_points(name, kind, data), b""
            else:
                data = unix_lines(data)
                if not data:
                    raise ValueError("empty file")
                if not is_vou(data):
                    raise NoSED(not_vou(data))
        except NoSED as broken:
            if not source.alone:
                skipped.append(name)
                continue
            error = str(broken)
        except breakages() as broken:
            error = _reason(broken)
        yield name, b"" if error else data, error, points


def _foreign_points(name, kind, data):
    """Points of an SED of another kind of file, and whether it is not of VOU_Blazars."""
    sed = sed_from_bytes(kind, data)
    points = points_from_seds([sed])._replace(name=[name])
    return points, np.array([sed.meta.get("origin", "vou") != "vou"])


def _reason(error):
    return getattr(error, "strerror", None) or str(error) or "broken"


def _batches(contents, chunk):
    """Group the files, by number and by size."""
    batch, size = [], 0
    for item in contents:
        batch.append(item)
        size += len(item[1])
        if len(batch) >= chunk or size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _report_skipped(path, skipped):
    """Warn of the files left out, unless all are hidden ones."""
    seen = [name for name in skipped if not HIDDEN.search(name)]
    if seen:
        shown = ", ".join(seen[:5]) + (", ..." if len(seen) > 5 else "")
        hidden = len(skipped) - len(seen)
        more = f" (and {hidden} hidden files)" if hidden else ""
        warn(f"{path}: left out {len(seen)} files that are no SEDs: {shown}{more}")
