"""Bytes of files from strangers, never more than an SED can have, whatever a header declares."""

from __future__ import annotations

import io
import math
import os
import struct
import zlib
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from .output import temporary_folder

if TYPE_CHECKING:
    import numpy as np

    from .._types import AnyPath

__all__ = ["read_npz"]

MAX_BYTES = 64 * 2**20  # no SED is longer; a longer file is a mistake or a bomb
MAX_RATIO = 200  # what deflate makes of an SED's blanks stays below a tenth of this
# Of catalogs: what any may inflate to, and how many times its size; tables of empty cells, as text,
# have some tens.
CATALOG_BYTES = 2**28
CATALOG_RATIO = 100
_MAGIC = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\xfd7zXZ\0": "lzma"}
_TOO_LONG = f"longer than {MAX_BYTES >> 20} MiB, no SED is"
_INFLATES = f"inflates beyond {MAX_BYTES >> 20} MiB or {MAX_RATIO} times its size"


def file_bytes(path):
    """Bytes of a file, inflated if it is compressed."""
    with open(path, "rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size  # 0 for a pipe
        if size > MAX_BYTES:
            raise ValueError(_TOO_LONG)
        data = file.read(size + 1) if size else b""
        if not size or len(data) != size:  # it grows, or comes in pieces
            data += _all_of(file, MAX_BYTES - len(data))
    return inflate(data)


def stream_bytes(stream):
    """Bytes of a file open for reading: standard input, a pipe, whatever has `read`; inflated."""
    return inflate(_all_of(stream, MAX_BYTES))


def _all_of(stream, limit):
    """What a stream holds up to its end, which has to come."""
    pieces, size = [], 0
    while size <= limit and (piece := stream.read(limit + 1 - size)):
        pieces.append(piece.encode("utf-8", "replace") if isinstance(piece, str) else piece)
        size += len(pieces[-1])
    if size > limit:
        raise ValueError(_TOO_LONG)
    return b"".join(pieces)


def member_bytes(member, packed, declared):
    """Bytes of an open member of an archive, which takes ``packed`` bytes in it.

    What it declares may be a reason to refuse it at once, but is not trusted.
    """
    limit = min(MAX_BYTES, MAX_RATIO * packed)
    data = b"" if declared > limit else member.read(declared + 1)
    if max(declared, len(data)) > limit:
        raise ValueError(_INFLATES)
    return inflate(data)


def inflate(data):
    """The bytes, or what they are the gzip, bzip2 or xz file of, refusing what no SED is."""
    kind = packing(data)
    if kind is None:
        return data
    limit = min(MAX_BYTES, MAX_RATIO * len(data))
    try:
        content = inflating(io.BytesIO(data), kind).read(limit + 1)
    except breakages() as error:
        raise ValueError(f"broken or truncated {kind} file ({error})") from None
    if len(content) > limit:
        raise ValueError(_INFLATES)
    return content


def packing(start):
    """How a file that starts so is compressed; None if it is not."""
    return next((kind for magic, kind in _MAGIC.items() if start.startswith(magic)), None)


def inflating(file, kind):
    """A compressed file, open for reading its content."""
    import importlib

    return importlib.import_module(kind).open(file)


def unpack(file, kind, target, limit):
    """Write the content of a compressed file to another one; is it within the limit?"""
    source, size = inflating(file, kind), 0
    while size <= limit and (piece := source.read(2**20)):
        size += target.write(piece)
    return size <= limit


@contextmanager
def inflated(path):
    """A catalog that is not compressed: the file itself, or a copy for as long as it is needed.

    Parameters
    ----------
    path : path-like
        The file.

    Yields
    ------
    plain : path-like
        Where its content is, named like the file but for the suffix of the compression.

    Raises
    ------
    OSError
        If it cannot be read, is broken, or inflates to more than catalogs do.
    """
    path = Path(path)
    with open(path, "rb") as file:
        kind, size = packing(file.read(6)), os.fstat(file.fileno()).st_size
        if kind is None:
            yield path
            return
        file.seek(0)
        limit = max(CATALOG_BYTES, CATALOG_RATIO * size)
        with temporary_folder() as folder:
            plain = folder / plain_name(path.name)
            with open(plain, "w+b") as target:
                try:
                    within = unpack(file, kind, target, limit)
                except breakages() as error:
                    raise OSError(f"{path}: broken or truncated {kind} file ({error})") from None
                target.seek(0)
                if not within or packing(target.read(6)):
                    raise OSError(
                        f"{path}: inflates to a compressed file; wanted a catalog inside"
                        if within
                        else f"{path}: inflates beyond {limit >> 20} MiB, no catalog of its size "
                        "does; if this one is right, inflate it first"
                    )
            yield plain


def plain_name(name):
    """A file's name without the suffix of its compression."""
    stem, suffix = os.path.splitext(name)
    return stem if stem and suffix.lower() in (".gz", ".bz2", ".xz") else name


def read_npz(path: AnyPath, limit: int = 2**29) -> dict[str, np.ndarray]:
    """Arrays of an ``.npz`` file from a stranger, without pickle and within a limit.

    Parameters
    ----------
    path : path-like
        The file.
    limit : int
        The most bytes that all arrays together may take.

    Returns
    -------
    arrays : dict of ndarray
        The arrays by name: bool, integers, floats and text alone.

    Raises
    ------
    ValueError
        If it is no such file, damaged, or holds anything else, or more.
    OSError
        If the file cannot be read.

    Examples
    --------
    >>> import numpy as np
    >>> from blase_astro.io.bounded import read_npz
    >>> np.savez('arrays.npz', a=np.arange(3))
    >>> read_npz('arrays.npz')
    {'a': array([0, 1, 2])}
    """
    import zipfile

    arrays = {}
    with open(path, "rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                for info in archive.infolist():
                    with archive.open(info) as member:
                        array = _npy(member, limit)
                    limit -= array.nbytes
                    arrays[info.filename.removesuffix(".npy")] = array
        except breakages() as error:
            raise ValueError(f"{path}: no whole .npz file ({error})") from None
    return arrays


def _npy(member, limit):
    """The array in an open ``.npy`` file, its header checked before its data are read."""
    import numpy as np
    from numpy.lib import format as npy

    version = npy.read_magic(member)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"version {version} of the format, wanted 1.0 or 2.0")
    read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    try:
        shape, fortran, dtype = read_header(member)
    except Exception as error:  # numpy parses it as Python
        raise ValueError(f"a header that is none ({str(error)[:80]})") from None
    if dtype.kind not in "biufUS" or dtype.hasobject:
        raise ValueError(f"an array of type {dtype}, wanted numbers or text")
    size = math.prod(shape) * dtype.itemsize
    if any(type(n) is not int or n < 0 for n in shape):
        raise ValueError(f"an array of shape {shape}")
    if math.prod(shape) * max(dtype.itemsize, 1) > limit:
        raise ValueError(f"an array of shape {shape}, more than {limit} bytes")
    data = bytearray(member.read(size + 1))
    if len(data) != size:
        raise ValueError(f"an array of {len(data)} bytes where its shape wants {size}")
    array = np.frombuffer(data, dtype) if dtype.itemsize else np.zeros(math.prod(shape), dtype)
    return array.reshape(shape, order="F" if fortran else "C")


@cache
def breakages():
    """What zipfile, tarfile and their decompressors raise on a broken archive or member."""
    import tarfile
    import zipfile

    none_without_lzma = [zipfile.lzma.LZMAError] if zipfile.lzma else []
    return (
        zipfile.BadZipFile,
        tarfile.TarError,
        zlib.error,
        struct.error,
        EOFError,
        NotImplementedError,
        RuntimeError,
        OSError,
        ValueError,
        *none_without_lzma,
    )


def warn(message):
    """Warn the user, importing astropy only now: the fast path does without."""
    import warnings

    from astropy.utils.exceptions import AstropyUserWarning

    warnings.warn(message, AstropyUserWarning, stacklevel=2)
