"""Bytes of files from strangers, never more than an SED can have."""

import io
import os
import zlib

__all__ = []

MAX_BYTES = 64 * 2**20  # no SED is longer; a longer file is a mistake or a bomb
MAX_RATIO = 200  # what deflate makes of an SED's blanks stays below a tenth of this


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


def warn(message):
    """Warn the user, importing astropy only now: the fast path does without."""
    import warnings

    from astropy.utils.exceptions import AstropyUserWarning

    warnings.warn(message, AstropyUserWarning, stacklevel=2)
