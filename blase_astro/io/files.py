"""Tables on disk: formats by suffix, reading and writing."""

from __future__ import annotations

import sys
import warnings
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from .bounded import inflated, plain_name
from .names import fit_text, whole_text
from .output import check_place, placed

if TYPE_CHECKING:
    from .._types import AnyPath, Callable, Sequence, Stream, Table

__all__ = ["check_output", "file_format", "read_catalog", "write_table"]

# suffix: name of the format in astropy's registry
_FORMATS = {
    ".fits": "fits",
    ".fit": "fits",
    ".fits.gz": "fits",
    ".vot": "votable",
    ".votable": "votable",
    ".xml": "votable",
    ".vot.gz": "votable",
    ".ecsv": "ascii.ecsv",
    ".parquet": "parquet",
    ".csv": "ascii.csv",
}
# What a stream can take, by the name that users give it.
_TEXT_FORMATS = {
    "csv": "ascii.csv",
    "tsv": "ascii.tab",
    "json": "json",
    "ecsv": "ascii.ecsv",
    "votable": "votable",
}


def file_format(path: AnyPath) -> str:
    """Format of a table file by its suffix.

    Parameters
    ----------
    path : path-like
        Name of the file.

    Returns
    -------
    format : str
        Name of the format in the registry of astropy.

    Raises
    ------
    ValueError
        If the suffix is not known.

    Examples
    --------
    >>> from blase_astro.io.files import file_format
    >>> file_format('catalog.vot')
    'votable'
    """
    name = Path(path).name.lower()
    for suffix in sorted(_FORMATS, key=len, reverse=True):
        if name.endswith(suffix) and name != suffix:
            return _FORMATS[suffix]
    raise ValueError(f"{path}: no known suffix; wanted one of {', '.join(_FORMATS)}")


def check_output(output: AnyPath, *, overwrite: bool = False, format: str | None = None) -> None:
    """Say early, before the work is done, that a file cannot be written.

    Parameters
    ----------
    output : path-like
        Name of the file to write.
    overwrite : bool
        Is an existing file to be replaced?
    format : str, optional
        Format, as of `write_table`; by default the suffix says.

    Raises
    ------
    ValueError
        If the suffix or format is not known.
    OSError
        If the file exists already, or its folder is missing or read-only.

    Examples
    --------
    >>> from blase_astro.io.files import check_output
    >>> check_output('there/is/no/such/folder.fits')
    Traceback (most recent call last):
        ...
    FileNotFoundError: ...
    """
    if format is not None:
        _text_format(format)
    elif file_format(output) == "parquet":
        import pyarrow.parquet  # noqa: F401  (what is missing is said before the work)
    check_place(output, overwrite=overwrite)


@contextmanager
def _quiet_units():
    """Without the warning that VOUnit deprecates erg, which every table of this field uses."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The unit 'erg' has been deprecated in the VOUnit")
        yield


def read_catalog(path: AnyPath) -> Table:
    """Read a catalog, with the descriptions and UCDs of its columns where they belong.

    FITS keeps descriptions and UCDs in TCOMMn and TUCDn cards, which astropy leaves in the
    table's metadata; here they become ``column.description`` and ``column.meta['ucd']``. In CSV
    what looks like an identifier (007, 2015E10) stays text. VOTables that refer to data elsewhere
    are refused. A compressed file (gzip, bzip2, xz) is inflated to 256 MiB or 100 times its size,
    whichever is more.

    Parameters
    ----------
    path : path-like
        A table in any format that astropy can identify, compressed or not.

    Returns
    -------
    catalog : `~astropy.table.Table`
        The catalog; of a file with several tables the first.

    Raises
    ------
    OSError
        If the file is missing, is not a table that astropy knows, or inflates beyond the limit.

    Examples
    --------
    >>> from blase_astro.io.files import read_catalog
    >>> read_catalog('catalogs/demo_catalog.fits')['RAJ2000'].meta['ucd']
    'pos.eq.ra;meta.main'
    """
    from astropy.io.registry import IORegistryError

    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path} is no file; wanted a catalog")
    try:
        with inflated(path) as plain, _told_of(path), _quiet_units():
            form = content_format(path) or _format_inside(plain)
            return whole_text(_reader(form)(plain))
    except IORegistryError as error:
        raise OSError(f"{path}: no format that astropy knows") from error
    except ValueError as error:
        raise OSError(f"{path} could not be read as a table: {error}") from error


def content_format(path):
    """Format of what is in a file, compressed or not; None if its name does not tell."""
    try:
        return file_format(plain_name(Path(path).name))
    except ValueError:
        return None


@contextmanager
def _told_of(path):
    """What libraries stumble over in a damaged file, whatever it is, as an error that names it."""
    from astropy.io.registry import IORegistryError

    try:
        yield
    except (ValueError, OSError, ImportError, IORegistryError):
        raise
    except MemoryError as error:
        raise OSError(f"{path} could not be read as a table: it is beyond the memory") from error
    except Exception as error:
        text = " ".join(str(error).split()) or type(error).__name__
        raise OSError(f"{path} could not be read as a table: {text}") from error


def _format_inside(path):
    """What astropy would take a file for whose name does not tell, if we read that ourselves.

    Of a VOTable by any name astropy would follow where it points to.
    """
    from astropy.io.registry import identify_format
    from astropy.table import Table
    from astropy.utils.data import get_readable_fileobj

    with get_readable_fileobj(str(path), encoding="binary") as file:
        forms = identify_format("read", Table, str(path), file, [file], {})
    return next((form for form in ("votable", "fits") if form in forms), None)


def _reader(form):
    """What reads a format; astropy where it is none of ours."""
    from astropy.table import Table

    if form == "fits":
        from .fits_tables import read_fits as reader
    elif form == "votable":
        from .votable_files import read_votable as reader
    elif form == "parquet":
        from .parquet_tables import read_parquet as reader
    elif form == "ascii.csv":
        from .delimited import read_csv as reader
    elif form == "ascii.ecsv":
        from .delimited import read_ecsv as reader
    else:
        reader = partial(Table.read, format=form)
    return reader


def write_table(
    table: Table,
    output: AnyPath | Stream,
    *,
    overwrite: bool = False,
    format: str | None = None,
    kept: Sequence[str] = (),
    named: dict[str, Callable] | None = None,
) -> None:
    """Write a table with units, descriptions, UCDs and metadata, as far as the format has them.

    Parameters
    ----------
    table : `~astropy.table.Table`
        The table; ``column.meta['ucd']`` holds UCDs, ``table.meta`` what describes it as a whole.
    output : path-like or text stream
        File to write, beside and moved into place when complete; ``'-'`` is standard output.
    overwrite : bool
        Is an existing file to be replaced?
    format : str, optional
        ``'csv'``, ``'tsv'``, ``'json'`` (one object a row), ``'ecsv'`` or ``'votable'``; by
        default the suffix says, on a stream it is CSV.
    kept : sequence of str
        Columns that are a user's own: in CSV nothing is put before what a spreadsheet would run,
        in Parquet NaN stays NaN. In all others NaN is null there.
    named : dict of str to callable, optional
        Columns of flags, and what makes a list of names of a value: JSON has these.

    Raises
    ------
    ValueError
        If the suffix or format is not known, or cannot hold a column.
    OSError
        If the file exists already or cannot be written.

    Examples
    --------
    >>> from blase_astro.io.files import read_catalog, write_table
    >>> catalog = read_catalog('catalogs/demo_catalog.fits')
    >>> write_table(catalog, 'demo.vot')
    >>> read_catalog('demo.vot')['RAJ2000'].meta['ucd']
    'pos.eq.ra;meta.main'
    >>> write_table(catalog['RAJ2000', 'DEJ2000'][:1], '-', format='csv')
    RAJ2000,DEJ2000
    ...
    """
    if output == "-" or hasattr(output, "write"):
        stream = sys.stdout if output == "-" else output
        _refuse_empty(table, _text_format(format or "csv"))
        with _quiet_units():
            _write_text(table, stream, _text_format(format or "csv"), kept, named)
        return
    check_output(output, overwrite=overwrite, format=format)
    form = file_format(output) if format is None else _text_format(format)
    _refuse_empty(table, form)
    with placed(output, overwrite=overwrite) as beside, _quiet_units():
        if form in ("fits", "parquet") or str(beside).endswith(".gz"):
            _write_binary(table, beside, form, kept)
        else:
            with open(beside, "w", encoding="utf-8", newline="") as stream:
                _write_text(table, stream, form, kept, named)


def _text_format(name):
    """A format that a stream can take, as `file_format` calls it."""
    if name not in _TEXT_FORMATS:
        raise ValueError(f"{name}: no such format; wanted one of {', '.join(_TEXT_FORMATS)}")
    return _TEXT_FORMATS[name]


def _refuse_empty(table, form):
    """Say which column has arrays of nothing, where a format has no words for them."""
    for name in table.colnames if form in ("votable", "parquet") else ():
        if 0 in getattr(table[name], "shape", ())[1:]:
            raise ValueError(
                f"the column {name!r} has no elements, which {form} cannot hold; "
                "wanted a table without it, or FITS or ECSV"
            )


def _write_binary(table, path, form, kept):
    """A table to a file of bytes."""
    if form == "fits":
        from .fits_tables import write_fits

        write_fits(fit_text(_plain(table), form), path)
    elif form == "parquet":
        from .delimited import without_complex
        from .parquet import write_parquet

        write_parquet(fit_text(without_complex(_plain(table)), form), path, kept)
    else:
        from .votable_files import write_votable

        write_votable(fit_text(table, form), path)


def _write_text(table, stream, form, kept, named):
    """A table to a stream of text."""
    from . import delimited

    if form == "votable":
        from .votable_files import write_votable

        write_votable(fit_text(table, form), stream)
    elif form == "json":
        delimited.write_json(table, stream, named or {})
    elif form == "ascii.ecsv":
        delimited.write_ecsv(fit_text(table, form), stream)
    else:
        mark = "\t" if form == "ascii.tab" else ","
        delimited.write_csv(fit_text(table, form), stream, kept=kept, mark=mark)


def _plain(table):
    """The table without types that only Python has: half floats and objects that are no arrays."""
    from .votable_files import plain_values

    plain = table.copy(copy_data=False)
    for name in table.colnames:
        kind = getattr(table[name], "dtype", None)
        if kind is None:
            continue
        if kind.str[1:] == "f2":
            plain[name] = table[name].astype("f4")
        elif kind.kind == "O" and not all(hasattr(value, "dtype") for value in table[name]):
            plain[name] = plain_values(table[name])[0]
    return plain
