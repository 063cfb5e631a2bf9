"""Append columns to a catalog file and leave everything else in it as it is."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from .bounded import inflated
from .files import _quiet_units, _told_of, check_output, file_format, read_catalog, write_table
from .names import fit_text
from .output import placed

if TYPE_CHECKING:
    from .._types import AnyPath, Say, Sequence, Table

__all__ = ["NameTaken", "append_columns", "join_columns"]


class NameTaken(ValueError):
    """New columns have names that the catalog has already, in any case of letters.

    Parameters
    ----------
    clashes : list of tuple of str
        New names, and the old ones they clash with.

    Attributes
    ----------
    hint : str
        The arguments that help; the command writes them as its options.
    """

    def __init__(self, clashes):
        said = [new if new == old else f"{old} (new: {new})" for new, old in clashes]
        self.hint = "give prefix= for the new ones"
        if any(new == old for new, old in clashes):
            self.hint += ", or overwrite_columns=True to replace the old"
        super().__init__(f"the catalog already has the column(s) {', '.join(said)}; {self.hint}")


def append_columns(
    source: AnyPath,
    columns: Table,
    output: AnyPath,
    *,
    overwrite: bool = False,
    replace: Sequence[str] = (),
    say: Say = None,
) -> None:
    """Copy a catalog file and append columns to its first table.

    From a format to itself nothing else changes: FITS byte for byte, VOTable, CSV and ECSV
    character by character, Parquet column by column with its schema. Any other way goes through a
    table in memory.

    Parameters
    ----------
    source : path-like
        The catalog.
    columns : `~astropy.table.Table`
        What to append: one row a row of the catalog; numbers and text, no masks. Its ``meta``
        goes to header cards, INFO elements or table metadata.
    output : path-like
        File to write, the format given by its suffix; it may be the catalog itself.
    overwrite : bool
        Is an existing file to be replaced?
    replace : sequence of str
        Columns of the catalog that may be replaced by those of the same name.
    say : callable, optional
        Called with a line of text where something of the catalog cannot stay as it is.

    Raises
    ------
    ValueError
        If a name is taken, in any case of letters, the number of rows differs, or the suffix is not
        known.
    OSError
        If a file cannot be read or written.

    Examples
    --------
    >>> from astropy.table import Table
    >>> from blase_astro.io.append import append_columns
    >>> from blase_astro.io.files import read_catalog
    >>> Table({'name': ['A', 'B']}).write('catalog.fits')
    >>> append_columns('catalog.fits', Table({'flags': [0, 48]}), 'longer.fits')
    >>> read_catalog('longer.fits').colnames
    ['name', 'flags']
    """
    check_output(output, overwrite=overwrite)
    with inflated(source) as plain:
        _append_plain(plain, source, columns, output, overwrite, replace, say)


def _append_plain(plain, source, columns, output, overwrite, replace, say):
    """The work of `append_columns`, of a file that is not compressed."""
    form = file_format(output)
    tell = None if say is None else lambda text: say(f"{source}: {text}")
    append = _appender(plain, form, tell)
    if append is None:
        table = read_catalog(source)
        kept = [name for name in table.colnames if name not in columns.colnames]
        joined = join_columns(table, columns, replace)
        write_table(joined, output, overwrite=overwrite, kept=kept)
        return
    check = partial(_check_columns, columns=columns, replace=replace)
    with placed(output, overwrite=overwrite) as beside, _quiet_units(), _told_of(source):
        append(plain, fit_text(columns, form), beside, check)


def _appender(source, form, say):
    """What appends within a format; None where there is another format to go to."""
    try:
        if file_format(source) != form:
            return None
    except ValueError:
        return None
    if form == "fits":
        from .fits_tables import append_to_fits, is_binary_table

        if is_binary_table(source):
            return partial(append_to_fits, say=say)
        if say is not None:
            say("its table is one of text; the new file has a binary one")
        return None
    if form == "votable":
        from .votable_append import append_to_votable

        return append_to_votable
    if form == "parquet":
        from .parquet import append_to_parquet

        return append_to_parquet
    from .delimited import append_to_csv, append_to_ecsv

    return append_to_csv if form == "ascii.csv" else append_to_ecsv


def join_columns(table: Table, columns: Table, replace: Sequence[str] = ()) -> Table:
    """Copy of a table with columns appended at its end.

    Parameters
    ----------
    table, columns : `~astropy.table.Table`
        The table, and what to append: as many rows.
    replace : sequence of str
        Columns of the table that may be replaced, where they stand, by those of the same name.

    Returns
    -------
    joined : `~astropy.table.Table`
        The table with the columns and with the metadata of both.

    Raises
    ------
    ValueError
        If a name is taken or the number of rows differs.

    Examples
    --------
    >>> from astropy.table import Table
    >>> from blase_astro.io.append import join_columns
    >>> join_columns(Table({'a': [1]}), Table({'b': [2]})).colnames
    ['a', 'b']
    """
    _check_columns(table.colnames, len(table), columns, replace)
    joined = table.copy()
    for name in columns.colnames:
        joined[name] = columns[name]
    joined.meta.update(columns.meta)
    return joined


def _check_columns(names, n_rows, columns, replace):
    """Refuse to append what does not fit."""
    check_names(names, columns.colnames, replace)
    if len(columns) != n_rows:
        raise ValueError(f"{len(columns)} rows do not fit a catalog of {n_rows}")


def check_names(names, new, replace=()):
    """Refuse names of new columns that are taken.

    Names are compared without regard to case, as FITS and STILTS compare them.
    """
    taken = {name.casefold(): name for name in names}
    taken |= {name.casefold(): name for name in names if name in new}
    clashes = [
        (name, taken[name.casefold()])
        for name in new
        if name.casefold() in taken and not (name in replace and name in names)
    ]
    if clashes:
        raise NameTaken(clashes)
