"""What the readers of services' answers share: bytes to tables, and repeated rows."""

from io import BytesIO

import numpy as np

__all__ = ["JY_HZ"]

# One Jy at one Hz as nu F_nu in erg / (s cm2).
JY_HZ = 1e-23


def read_bytes(file):
    """Content of a path (compressed or not), a file object, or bytes."""
    if isinstance(file, bytes | bytearray):
        return bytes(file)
    from astropy.utils.data import get_readable_fileobj

    with get_readable_fileobj(file, encoding="binary") as handle:
        return handle.read()


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
        If the bytes are no whole VOTable.
    ValueError
        If it holds no table; the message repeats the error that the service put in its place.
    """
    import warnings

    from astropy.io import votable

    head = data.lstrip(b"\xef\xbb\xbf \t\r\n")[:60]
    if not head.startswith((b"<?xml", b"<VOTABLE", b"<!--")):
        raise OSError(f"{service}: not a VOTable, it starts with {head[:40]!r}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # services bend the standard; what matters is checked
            tree = votable.parse(BytesIO(data), verify="ignore")
    except Exception as error:  # the XML parsers raise whatever they like
        reason = str(error).strip().split("\n")[-1]
        raise OSError(f"{service}: damaged or cut off VOTable ({reason})") from error
    tables = list(tree.iter_tables())
    if not tables:
        raise ValueError(f"{service} answered: {_complaint(tree) or 'nothing (no table)'}")
    table = tables[0].to_table(use_names_over_ids=True)
    table.meta["name"] = tables[0].name or ""
    return table


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


def numbers(table, name):
    """A column as float64, NaN where masked, absent or no number."""
    if name not in table.colnames:
        return np.full(len(table), np.nan)
    column = np.ma.asarray(table[name])
    if column.dtype.kind in "fiu":
        return np.ma.filled(column.astype(float), np.nan)
    return np.array([_number(text) for text in texts(table, name)], dtype=float)


def texts(table, name):
    """A column as str, stripped, '' where masked or absent."""
    if name not in table.colnames:
        return np.full(len(table), "", dtype=object)
    values = []
    for value in np.ma.asarray(table[name]).tolist():
        value = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
        values.append("" if value is None else " ".join(str(value).split()))
    return np.array(values, dtype=object)


def _number(text):
    try:
        return float(text)
    except ValueError:
        return np.nan


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
