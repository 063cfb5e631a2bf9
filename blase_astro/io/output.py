"""Files and folders written beside their place and moved there when they are whole."""

from __future__ import annotations

import os
import re
import shutil
import stat
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .._types import AnyPath, Iterator, Sequence

__all__ = [
    "ExistsAlready",
    "check_place",
    "placed",
    "placed_folder",
    "refuse_input",
    "temporary_folder",
]

_OURS = re.compile(r"\.blase-beside-[a-z0-9_]{8}")


class ExistsAlready(FileExistsError):
    """What is to be written is there already.

    Parameters
    ----------
    path : path-like
        The file or folder.
    what : str
        What is the matter with it.

    Attributes
    ----------
    hint : str
        The argument that helps; the command writes it as its option.

    Examples
    --------
    >>> from blase_astro.io.output import ExistsAlready
    >>> str(ExistsAlready('a.fits'))
    'a.fits exists already; give overwrite=True to replace it'
    """

    def __init__(self, path, what="exists already"):
        self.hint = "give overwrite=True to replace it"
        super().__init__(f"{path} {what}; {self.hint}")


def check_place(output: AnyPath, *, overwrite: bool = False) -> None:
    """Say early, before the work is done, that a file cannot be written.

    Parameters
    ----------
    output : path-like
        Name of the file to write.
    overwrite : bool
        Is an existing file to be replaced?

    Raises
    ------
    OSError
        If the file exists already, or it or its folder is missing or read-only.

    Examples
    --------
    >>> from blase_astro.io.output import check_place
    >>> check_place('there/is/no/such/folder.fits')
    Traceback (most recent call last):
        ...
    FileNotFoundError: ...
    """
    output = Path(output).expanduser()
    if output.is_dir():
        raise IsADirectoryError(f"{output} is a folder; wanted the name of a file")
    if _is_stream(output):
        return
    if os.path.lexists(output) and not overwrite:  # a link to nowhere is there, too
        raise ExistsAlready(output)
    final = Path(os.path.realpath(output))
    if not final.parent.is_dir():
        raise FileNotFoundError(f"{output}: the folder {final.parent} does not exist")
    if not os.access(final.parent, os.W_OK):
        raise PermissionError(f"{output}: the folder {final.parent} is read-only")
    if final.exists() and not os.access(final, os.W_OK):
        raise PermissionError(f"{output} is read-only")


def refuse_input(output: AnyPath, inputs: Sequence[AnyPath]) -> None:
    """Say early that a file would replace what it is made of, which is asked for by mistake.

    Parameters
    ----------
    output : path-like
        Name of the file to write.
    inputs : sequence of path-like
        The files that are read.

    Raises
    ------
    ValueError
        If the output is one of them, by whatever name.

    Examples
    --------
    >>> from blase_astro.io.output import refuse_input
    >>> refuse_input('catalogs/demo_sed.txt', ['./catalogs/demo_sed.txt'])
    Traceback (most recent call last):
        ...
    ValueError: catalogs/demo_sed.txt is read and would be lost; wanted another file to write
    """
    output = Path(output).expanduser()
    if not output.is_file():
        return
    for path in inputs:
        if os.path.exists(path) and os.path.samefile(path, output):
            raise ValueError(f"{output} is read and would be lost; wanted another file to write")


def _is_stream(path):
    """Is this a pipe or a device like /dev/null, which hold nothing that could be lost?"""
    with suppress(OSError):
        mode = os.stat(path).st_mode
        return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)
    return False


@contextmanager
def placed(output: AnyPath, *, overwrite: bool = False) -> Iterator[Path]:
    """A name beside a file, moved into place when all is written and removed when not.

    What the output is stays: of a link the target is replaced, a file keeps its mode, and a pipe or
    device gets the bytes at the end.

    Parameters
    ----------
    output : path-like
        The file to write.
    overwrite : bool
        Is an existing file to be replaced?

    Yields
    ------
    beside : path-like
        Where to write; its name is that of the output.

    Raises
    ------
    OSError
        If the file exists already or cannot be written; the words name it.

    Examples
    --------
    >>> from pathlib import Path
    >>> from blase_astro.io.output import placed
    >>> with placed('whole.txt') as beside:
    ...     _ = beside.write_text('all or nothing')
    >>> Path('whole.txt').read_text()
    'all or nothing'
    """
    output = Path(output).expanduser()
    check_place(output, overwrite=overwrite)
    stream, final = _is_stream(output), Path(os.path.realpath(output))
    with _private_folder(None if stream else final.parent, output) as folder:
        beside = folder / output.name
        yield beside
        if stream:
            with open(beside, "rb") as whole, open(output, "wb") as target:
                shutil.copyfileobj(whole, target)
        elif overwrite:
            _same_mode(final, beside)
            os.replace(beside, final)
        else:
            _move(beside, final, output)


def _move(beside, final, output):
    """Move a new file into place, unless another one has come there meanwhile."""
    try:
        os.link(beside, final)
        return
    except FileExistsError:
        taken = True
    except OSError:  # a disk without hard links
        taken = os.path.lexists(final)
    if taken:
        raise ExistsAlready(output, "exists meanwhile")
    os.replace(beside, final)


@contextmanager
def placed_folder(folder: AnyPath, *, marker: str, overwrite: bool = False) -> Iterator[Path]:
    """A folder beside another, whose files move to their place when all are written.

    Parameters
    ----------
    folder : path-like
        Where the files go; it is made where it is missing.
    marker : str
        The file that says that the folder holds such content already; it is moved last.
    overwrite : bool
        Are existing files to be replaced?

    Yields
    ------
    beside : path-like
        Folder to write to.

    Raises
    ------
    OSError
        If the content is there already or cannot be written; the words name the folder.

    Examples
    --------
    >>> from blase_astro.io.output import placed_folder
    >>> with placed_folder('report', marker='report.html') as beside:
    ...     _ = (beside / 'report.html').write_text('...')
    """
    folder = Path(folder).expanduser()
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"{folder} is a file; wanted a folder")
    if os.path.lexists(folder / marker) and not overwrite:
        raise ExistsAlready(folder / marker)
    final = Path(os.path.realpath(folder))
    if not final.parent.is_dir():
        raise FileNotFoundError(f"{folder}: the folder {final.parent} does not exist")
    with _private_folder(final if final.is_dir() else final.parent, folder) as parent:
        beside = parent / final.name
        beside.mkdir()
        yield beside
        if not final.exists():
            os.replace(beside, final)
            return
        files = sorted(beside.iterdir(), key=lambda path: path.name == marker)
        taken = [path.name for path in files if os.path.lexists(final / path.name)]
        if taken and not overwrite:
            raise ExistsAlready(folder / taken[0])
        for path in files:
            _same_mode(final / path.name, path)
            os.replace(path, final / path.name)


def _same_mode(old, new):
    """Give a new file mode and owner of the old one, where there is one."""
    with suppress(OSError):
        known = os.stat(old)
        os.chmod(new, stat.S_IMODE(known.st_mode))
        if hasattr(os, "chown"):
            os.chown(new, known.st_uid, known.st_gid)


@contextmanager
def _private_folder(parent, output):
    """A folder that nobody else reads, gone afterwards; errors in it speak of the output."""
    import tempfile

    parent = folder = Path(tempfile.gettempdir() if parent is None else parent)
    try:
        with temporary_folder(parent) as folder:
            yield folder
    except OSError as error:
        reason = _first_with_errno(error)
        if reason is None or not _within(reason.filename, folder):
            raise
        text = f"{output} could not be written: {os.strerror(reason.errno)}"
        raise OSError(text) from error


@contextmanager
def temporary_folder(parent: AnyPath | None = None) -> Iterator[Path]:
    """A folder that nobody else reads, gone afterwards; what killed processes left goes as well.

    Parameters
    ----------
    parent : path-like, optional
        Where; by default among the temporary files of the system.

    Yields
    ------
    folder : path-like
        The folder.

    Examples
    --------
    >>> from blase_astro.io.output import temporary_folder
    >>> with temporary_folder() as folder:
    ...     _ = (folder / 'file').write_text('...')
    >>> folder.exists()
    False
    """
    import tempfile

    parent = Path(tempfile.gettempdir() if parent is None else parent)
    _remove_stale(parent)
    folder, lock = _locked_folder(parent)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def _first_with_errno(error):
    """The error of the system itself, which libraries reword (astropy: "Not enough space")."""
    while isinstance(error, OSError) and error.errno is None:
        error = error.__cause__ or error.__context__
    return error if isinstance(error, OSError) else None


def _within(name, folder):
    """Is this the name of something in a folder, or none at all?"""
    return name is None or str(name).startswith(str(folder))


def _locked_folder(parent):
    """A new folder, and the lock on it that lasts as long as this process."""
    import tempfile

    while True:
        folder = Path(tempfile.mkdtemp(prefix=".blase-beside-", dir=parent))
        lock = _lock(folder, wait=True)
        if folder.is_dir():  # nobody took it for one of a dead process before it was locked
            return folder, lock
        if lock is not None:
            os.close(lock)


def _lock(folder, *, wait):
    """Descriptor with a lock on a folder; None where another has it or there are no locks."""
    try:
        import fcntl

        lock = os.open(folder, os.O_RDONLY)
    except (ImportError, OSError):
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        os.close(lock)
        return None
    return lock


def _remove_stale(parent):
    """Remove what killed processes left: their folders, whose locks went with them."""
    with suppress(OSError):
        for entry in list(os.scandir(parent)):
            if _OURS.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False):
                lock = _lock(entry.path, wait=False)
                if lock is not None:
                    shutil.rmtree(entry.path, ignore_errors=True)
                    os.close(lock)
