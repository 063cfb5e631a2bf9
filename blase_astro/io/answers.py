"""What the readers of services' answers share: bytes to tables, and repeated rows."""

import os

import numpy as np

from .bounded import file_bytes, inflate, stream_bytes
from .values import texts
from .votables import safe_votable

__all__ = ["JY_HZ"]

# One Jy at one Hz as nu F_nu in erg / (s cm2).
JY_HZ = 1e-23
_LONGEST = 1000  # characters of a cell that are looked at


def read_bytes(file):
    """Content of a path (compressed or not), a file object, or bytes, never without end."""
    try:
        if isinstance(file, bytes | bytearray):
            return inflate(bytes(file))
        return stream_bytes(file) if hasattr(file, "read") else file_bytes(os.path.expanduser(file))
    except ValueError as error:
        raise OSError(f"{error}") from None


def first_table(data, service):
    """First table of a VOTable answer, columns named as its fields are.

    Parameters
    ----------
    data : bytes
        The VOTable.
    service : str
        Who sent it, for the error message.

    Returns
    -------
    table : `~astropy.table.Table`
        The table; ``meta['name']`` is the name it has in the file.

    Raises
    ------
    OSError
        If the bytes are no whole VOTable, or one that `~blase_astro.io.votables.safe_votable`
        refuses.
    ValueError
        If it holds no table; the message repeats the error that the service put in its place.
    """
    tables, complaint = all_tables(data, service)
    if not tables:
        raise ValueError(f"{service} answered: {complaint or 'nothing (no table)'}")
    return tables[0]


def all_tables(data, service, **options):
    """Tables of a VOTable answer, and the error that the service put into it, '' if none.

    Parameters
    ----------
    data : bytes
        The VOTable.
    service : str
        Who sent it, for the error message.
    **options
        For `~blase_astro.io.votables.safe_votable`.

    Returns
    -------
    tables : list of `~astropy.table.Table`
        Columns named as the fields are; ``meta['name']`` is a table's name in the file.
    complaint : str
        What went wrong at the service.
    """
    try:
        tree = safe_votable(data, **options)
    except (OSError, ValueError) as error:
        raise OSError(f"{service}: {error}") from error
    tables = []
    for element in tree.iter_tables():
        try:
            table = element.to_table(use_names_over_ids=True)
        except Exception as error:  # columns of one name, units that are none, ...
            raise OSError(f"{service}: damaged VOTable ({str(error)[:200]})") from error
        table.meta["name"] = element.name or ""
        tables.append(table)
    return tables, _complaint(tree)


def _complaint(tree):
    """The error message inside a VOTable, '' if there is none."""
    notes = list(tree.params) + list(tree.infos)
    for resource in tree.resources:
        notes += list(resource.params) + list(resource.infos)
    for note in notes:
        value = getattr(note, "content", None) or note.value
        if (note.name or "").lower() in ("error", "errors") or str(note.value) == "ERROR":
            return " ".join(str(value).split())
    return ""


def words(table, name):
    """A column as text with single blanks, '' where masked or absent; see `texts`."""
    return np.array(
        [" ".join(text[:_LONGEST].split()) for text in texts(table, name)], dtype=object
    )


def repeats(*keys):
    """Which rows equal an earlier row.

    Parameters
    ----------
    *keys : array_like, shape (m,)
        What must be equal, NaN being equal to NaN.

    Returns
    -------
    repeated : ndarray of bool, shape (m,)
        True where all keys equal those of an earlier row.
    """
    seen, repeated = set(), []
    for row in zip(*(np.asarray(key).tolist() for key in keys), strict=True):
        row = tuple(None if value != value else value for value in row)
        repeated.append(row in seen)
        seen.add(row)
    return np.array(repeated, dtype=bool)


def add_duplicate(sed, duplicate):
    """Append the column that marks rows repeating another measurement; they never count."""
    from astropy.table import Column

    sed["duplicate"] = Column(
        np.asarray(duplicate, bool),
        description="does the row repeat another measurement of the SED?",
        meta={"ucd": "meta.code.qual"},
    )
    return sed
