"""SEDs of a file, a folder or a zip archive, one after the other and never all in memory."""

import os
import re
import struct
import zipfile
import zlib
from contextlib import contextmanager
from functools import partial

import numpy as np

from .bounded import MAX_BYTES, MAX_RATIO, file_bytes, inflate_gzip, warn
from .vou.fast import points_from_bytes
from .vou.lines import is_vou, not_vou, section_labels, unix_lines
from .vou.reader import tables_from_bytes

__all__ = ["list_seds", "read_points", "read_seds"]

_BATCH_BYTES = 2**21  # files are parsed together up to so many bytes, which fit in the cache
_HIDDEN = re.compile(r"(^|/)(\.|__MACOSX/)")
_NO_SED = re.compile(r"(^|/)(readme|licen[cs]e)[^/]*$|\.zip$", re.IGNORECASE)
# What zipfile and its decompressors raise on a broken archive or member.
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    OSError,
    ValueError,
    *([zipfile.lzma.LZMAError] if zipfile.lzma else []),  # None in a Python built without it
)


def list_seds(path):
    """Names of what could be an SED in a file, a folder or a zip archive.

    Parameters
    ----------
    path : path-like
        A file, a folder (searched with all its subfolders) or a zip archive.

    Returns
    -------
    names : list of str
        In sorted order: paths inside the folder or archive, or the file's own name. Left out are
        hidden files, ``__MACOSX``, READMEs, licences and zip archives inside; the content is not
        looked at.

    Raises
    ------
    OSError
        If the path cannot be read.
    ValueError
        If it is a broken zip archive.

    Examples
    --------
    >>> from blase_astro.io import list_seds
    >>> names = list_seds('catalogs/demo_seds.zip')
    >>> names[0]
    'seds/PMN_J1508-4953.txt'
    """
    return _list(path)[0]


def read_points(path, names=None, *, chunk=256):
    """Measurements of the SEDs of a file, a folder or a zip archive, as plain arrays.

    Parameters
    ----------
    path : path-like
        A file, a folder (read with all its subfolders) or a zip archive of SED files of
        VOU_Blazars.
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
        If it is a broken zip archive.

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
    _keep_freed_memory()
    skipped, malformed = [], []
    for batch in _batches(_contents(path, names, skipped), chunk):
        points, bad = points_from_bytes(*batch)
        malformed += bad
        yield points
    _report_skipped(path, skipped)
    if malformed:
        name, _, line = malformed[0]
        warn(
            f"{path}: malformed rows skipped: {sum(n for _, n, _ in malformed)}, files that have "
            f"some: {len(malformed)}, the first in {name}, line {line}"
        )


def read_seds(path, names=None):
    """Read the SEDs of a file, a folder or a zip archive one at a time.

    Parameters
    ----------
    path : path-like
        A file, a folder (read with all its subfolders) or a zip archive of SED files of
        VOU_Blazars.
    names : sequence of str, optional
        Which ones, as from `~blase_astro.io.list_seds`, and in which order; all of these by
        default.

    Yields
    ------
    name : str
        Path inside the folder or archive, or the file's own name; for a further source of the
        same file with its source number, ``name#2``.
    sed : `~astropy.table.Table`
        The SED as from `~blase_astro.io.read_sed`.

    Raises
    ------
    OSError
        If the path cannot be read.
    ValueError
        If it is a broken zip archive, or a single file that is no SED.

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
    alone = not (os.path.isdir(path) or _is_zip(path))
    for name, data, error in _contents(path, names, skipped):
        try:
            if error:
                raise ValueError(f"{name}: {error}")
            seds = tables_from_bytes(name, data)
        except ValueError as broken:
            if alone:
                raise
            warn(f"{path}: left out {broken}")
            continue
        labels = section_labels([sed.meta["source_number"] for sed in seds])
        for i, (label, sed) in enumerate(zip(labels, seds, strict=True)):
            yield f"{name}#{label}" if i else name, sed
    _report_skipped(path, skipped)


def _keep_freed_memory():
    """Keep the memory of a batch for the next one; a quarter of the time would go into new pages.

    The C library of Linux gives freed memory back to the system beyond a threshold, which it
    raises to the largest block that was freed. The block's pages are never touched.
    """
    np.empty(16 * 2**20, np.uint8)


def _list(path):
    """Names of possible SEDs, and of what is left out for its name."""
    if _is_zip(path):
        with _open_zip(path) as archive:
            names = [name for name in archive.namelist() if not name.endswith("/")]
    elif os.path.isdir(path):
        names = list(_walk(path))
    else:
        os.stat(path)
        return [os.path.basename(path)], []
    names = sorted(set(names))
    skipped = [name for name in names if _HIDDEN.search(name) or _NO_SED.search(name)]
    left_out = set(skipped)
    return [name for name in names if name not in left_out], skipped


def _walk(folder):
    """Paths of the files inside a folder; what cannot be listed is warned of."""

    def unreadable(error):
        warn(f"{error.filename}: left out, {error.strerror}")

    for root, _, files in os.walk(folder, onerror=unreadable):
        for file in files:
            path = os.path.join(root, file)
            if os.path.isfile(path):  # no pipe, no dangling link
                yield os.path.relpath(path, folder).replace(os.sep, "/")


def _is_zip(path):
    if not os.path.isfile(path):
        return False
    with open(path, "rb") as file:
        return file.read(4) in (b"PK\x03\x04", b"PK\x05\x06")


def _open_zip(path):
    try:
        return zipfile.ZipFile(path)
    except _BROKEN as error:
        raise ValueError(f"{path}: broken or truncated zip archive ({error})") from None


@contextmanager
def _opened(path):
    """A function that gives the bytes of a member by its name."""
    if _is_zip(path):
        with _open_zip(path) as archive:
            yield partial(_zip_member, archive)
    elif os.path.isdir(path):
        yield lambda name: file_bytes(os.path.join(path, name))
    else:
        yield lambda name: file_bytes(path)


def _zip_member(archive, name):
    """Bytes of a member, refused before it is inflated if it is no SED by its size."""
    try:
        info = archive.getinfo(name)
    except KeyError:
        raise ValueError("not in the archive") from None
    if info.flag_bits & 1:
        raise ValueError("encrypted")
    if info.file_size > min(MAX_BYTES, MAX_RATIO * info.compress_size):
        raise ValueError(f"inflates beyond {MAX_BYTES >> 20} MiB or {MAX_RATIO} times its size")
    data = archive.read(info)
    return inflate_gzip(data) if data[:2] == b"\x1f\x8b" else data


def _contents(path, names, skipped):
    """Name, bytes and error of each SED; ``skipped`` gets the names of what is none."""
    alone = not (os.path.isdir(path) or _is_zip(path))
    if names is None:
        names, without = _list(path)
        skipped += without
    with _opened(path) as read:
        for name in names:
            data, error = b"", ""
            try:
                data = unix_lines(read(name))
                if not data:
                    error = "empty file"
            except _BROKEN as broken:
                error = getattr(broken, "strerror", None) or str(broken) or "broken"
            if not error and not is_vou(data):
                if not alone:
                    skipped.append(name)
                    continue
                error = not_vou(data)
            yield name, b"" if error else data, error


def _batches(contents, chunk):
    """Group names, bytes and errors, by number and by size."""
    batch, size = [], 0
    for item in contents:
        batch.append(item)
        size += len(item[1])
        if len(batch) >= chunk or size >= _BATCH_BYTES:
            yield [list(column) for column in zip(*batch, strict=True)]
            batch, size = [], 0
    if batch:
        yield [list(column) for column in zip(*batch, strict=True)]


def _report_skipped(path, skipped):
    """Warn of the files left out, unless all are hidden ones."""
    seen = [name for name in skipped if not _HIDDEN.search(name)]
    if seen:
        shown = ", ".join(seen[:5]) + (", ..." if len(seen) > 5 else "")
        hidden = len(skipped) - len(seen)
        more = f" (and {hidden} hidden files)" if hidden else ""
        warn(f"{path}: left out {len(seen)} files that are no SEDs: {shown}{more}")
