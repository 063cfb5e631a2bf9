"""Bytes of files from strangers, never more than an SED can have, whatever a header declares."""

import io
import math
import os
import struct
import zlib

__all__ = ["read_npz"]

MAX_BYTES = 64 * 2**20  # no SED is longer; a longer file is a mistake or a bomb
MAX_RATIO = 200  # what deflate makes of an SED's blanks stays below a tenth of this
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
    if data[:2] != b"\x1f\x8b" and data[:3] != b"BZh" and data[:6] != b"\xfd7zXZ\0":
        return data
    kind = {0x1F: "gzip", 0x42: "bz2", 0xFD: "lzma"}[data[0]]
    limit = min(MAX_BYTES, MAX_RATIO * len(data))
    try:
        content = inflating(io.BytesIO(data), kind).read(limit + 1)
    except BROKEN as error:
        raise ValueError(f"broken or truncated {kind} file ({error})") from None
    if len(content) > limit:
        raise ValueError(_INFLATES)
    return content


def inflating(file, kind):
    """A compressed file, open for reading its content."""
    import importlib

    return importlib.import_module(kind).open(file)


def read_npz(path, limit=2**29):
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
        except BROKEN as error:
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


def _broken():
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


BROKEN = _broken()


def warn(message):
    """Warn the user, importing astropy only now: the fast path does without."""
    import warnings

    from astropy.utils.exceptions import AstropyUserWarning

    warnings.warn(message, AstropyUserWarning, stacklevel=2)
