"""Files of a folder, a zip or a tar archive by their names, each read within bounds."""

from __future__ import annotations

import os
import re
import zipfile
from collections import Counter
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from .bounded import MAX_RATIO, breakages, file_bytes, inflating, member_bytes, unpack, warn

if TYPE_CHECKING:
    from .._types import AnyPath, Callable, Iterator

__all__ = ["Opened", "opened"]

HIDDEN = re.compile(r"(^|/)(\.|__MACOSX/)")
_NO_SED = re.compile(
    r"(^|/)(readme|licen[cs]e)[^/]*$|\.(zip|tar|tgz|tar\.(gz|bz2|xz))$", re.IGNORECASE
)
_PACKED = {b"\x1f\x8b": "gzip", b"BZ": "bz2", b"\xfd7": "lzma"}


class Opened(NamedTuple):
    """A path, opened.

    Attributes
    ----------
    alone : bool
        Is it a file by itself, and no folder or archive?
    names : callable
        Gives the names of what could be an SED, sorted, and of what is left out for its name.
    read : callable
        Gives the bytes of one of them; raises one of `breakages`.
    """

    alone: bool
    names: Callable[[], tuple[list[str], list[str]]]
    read: Callable[[str], bytes]


@contextmanager
def opened(path: AnyPath) -> Iterator[Opened]:
    """Open a file, a folder or an archive once, for listing and for any number of its files."""
    path = os.fsdecode(path)
    if os.path.isdir(path):
        yield Opened(
            False, lambda: _sorted(list(_walk(path))), lambda n: file_bytes(os.path.join(path, n))
        )
        return
    with ExitStack() as stack:
        file = stack.enter_context(open(path, "rb"))
        kind = _archive_kind(file)
        if not kind:
            base = os.path.basename(path)
            yield Opened(True, lambda: ([base], []), lambda name: file_bytes(path))
            return
        try:
            archive = stack.enter_context(
                _open_zip(file) if kind == "zip" else _open_tar(file, kind)
            )
        except breakages() as error:
            kind = "zip" if kind == "zip" else "tar"
            raise ValueError(f"{path}: broken or truncated {kind} archive ({error})") from None
        names, read = archive
        yield Opened(False, lambda: _sorted(names, path), read)


def _sorted(names, path=None):
    """Names in their order, those that cannot be SEDs apart; what is there twice is said."""
    counts = Counter(names)
    if len(counts) < len(names):
        twice = [name for name, count in counts.items() if count > 1]
        shown = ", ".join(twice[:5]) + (", ..." if len(twice) > 5 else "")
        warn(f"{path}: {len(twice)} names are there more than once, the last is taken: {shown}")
    skipped = sorted(name for name in counts if HIDDEN.search(name) or _NO_SED.search(name))
    return sorted(counts.keys() - set(skipped)), skipped


def _walk(folder):
    """Paths of the files inside a folder; what cannot be listed is warned of."""

    def unreadable(error):
        warn(f"{error.filename}: left out, {error.strerror}")

    for root, _, files in os.walk(folder, onerror=unreadable):
        for file in files:
            path = os.path.join(root, file)
            if os.path.isfile(path):  # no pipe, no dangling link
                yield os.path.relpath(path, folder).replace(os.sep, "/")


def _archive_kind(file):
    """``'zip'``, ``'tar'``, the compression of a tar, or '' for a file that is no archive."""
    start = file.read(512)
    if start[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return "zip"
    if _is_tar(start):
        return "tar"
    packed = _PACKED.get(start[:2])
    if packed:
        file.seek(0)
        try:
            start = inflating(file, packed).read(512)
        except breakages():
            start = b""
        if _is_tar(start):
            return packed
    return ""


def _is_tar(start):
    """Is this the first header of a tar archive, of any generation? Its checksum says so."""
    if len(start) < 512 or not re.fullmatch(rb"[0-7 \0]{8}", start[148:156]):
        return False
    import tarfile

    try:
        tarfile.TarInfo.frombuf(start, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


@contextmanager
def _open_zip(file):
    with zipfile.ZipFile(file) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]
        yield names, partial(_zip_member, archive)


def _zip_member(archive, name):
    """Bytes of a member, refused before it is inflated if it is no SED by its size."""
    try:
        info = archive.getinfo(name)
    except KeyError:
        raise ValueError("not in the archive") from None
    if info.flag_bits & 1:
        raise ValueError("encrypted")
    with archive.open(info) as member:
        return member_bytes(member, info.compress_size, info.file_size)


@contextmanager
def _open_tar(file, kind):
    """A tar archive; a compressed one is unpacked to a temporary file, to be read in any order."""
    import tarfile
    import tempfile

    with ExitStack() as stack:
        file.seek(0)
        if kind != "tar":
            packed, file = file, stack.enter_context(tempfile.TemporaryFile())
            _unpack(packed, kind, file)
        archive = stack.enter_context(tarfile.open(fileobj=file, mode="r:"))
        members = [info for info in archive.getmembers() if info.isfile()]
        yield (
            [_tar_name(info) for info in members],
            partial(_tar_member, archive, {_tar_name(info): info for info in members}),
        )


def _tar_name(info):
    return info.name.removeprefix("./")


def _unpack(file, kind, target):
    """Write the content of a compressed file to another one."""
    if not unpack(file, kind, target, MAX_RATIO * os.fstat(file.fileno()).st_size):
        raise ValueError(f"inflates beyond {MAX_RATIO} times its size")
    target.seek(0)


def _tar_member(archive, members, name):
    """Bytes of a member of a tar archive."""
    if name not in members:
        raise ValueError("not in the archive")
    size = members[name].size
    with archive.extractfile(members[name]) as member:
        return member_bytes(member, size, size)
