"""Tables on disk: formats by suffix, reading and writing."""

import gzip
import warnings
from contextlib import contextmanager
from io import StringIO
from pathlib import Path

from .output import check_place, placed

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
_CSV_ROWS = 2000


def file_format(path):
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


def check_output(output, *, overwrite=False):
    """Say early, before the work is done, that a file cannot be written.

    Parameters
    ----------
    output : path-like
        Name of the file to write.
    overwrite : bool
        Is an existing file to be replaced?

    Raises
    ------
    ValueError
        If the suffix is not known.
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
    if file_format(output) == "parquet":
        import pyarrow.parquet  # noqa: F401  (what is missing is said before the work)
    check_place(output, overwrite=overwrite)


@contextmanager
def _quiet_units():
    """Without the warning that VOUnit deprecates erg, which every table of this field uses."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The unit 'erg' has been deprecated in the VOUnit")
        yield


def read_catalog(path):
    """Read a catalog, with the descriptions and UCDs of its columns where they belong.

    FITS keeps descriptions and UCDs in TCOMMn and TUCDn cards, which astropy leaves in the
    table's metadata; here they become ``column.description`` and ``column.meta['ucd']``.

    Parameters
    ----------
    path : path-like
        A table in any format that astropy can identify.

    Returns
    -------
    catalog : `~astropy.table.Table`
        The catalog; of a file with several tables the first.

    Raises
    ------
    OSError
        If the file is missing or is not a table that astropy knows.

    Examples
    --------
    >>> from blase_astro.io.files import read_catalog
    >>> read_catalog('catalogs/demo_catalog.fits')['RAJ2000'].meta['ucd']
    'pos.eq.ra;meta.main'
    """
    from astropy.io import fits
    from astropy.io.registry import IORegistryError
    from astropy.table import Table

    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path} is no file; wanted a catalog")
    try:
        form = file_format(path)
    except ValueError:
        form = None
    try:
        with _quiet_units():
            if form != "fits":
                return Table.read(path, format=form)
            with fits.open(path) as hdus:
                table = Table.read(hdus, hdu=_first_table(hdus, path))
    except IORegistryError as error:
        raise OSError(f"{path}: no format that astropy knows") from error
    except (ValueError, TypeError, IndexError) as error:
        raise OSError(f"{path} could not be read as a table: {error}") from error
    for i, column in enumerate(table.itercols(), start=1):
        column.info.description = table.meta.pop(f"TCOMM{i}", column.info.description)
        ucd = table.meta.pop(f"TUCD{i}", None)
        if ucd:
            column.info.meta = (column.info.meta or {}) | {"ucd": ucd}
    return table


def _first_table(hdus, path):
    """Index of the first table among the HDUs of a FITS file."""
    for i, hdu in enumerate(hdus):
        if hdu.header.get("XTENSION", "").strip() in ("BINTABLE", "TABLE") and "ZIMAGE" not in (
            hdu.header
        ):
            return i
    raise ValueError(f"{path} holds no table")


def write_table(table, output, *, overwrite=False):
    """Write a table in the format of the suffix, with units, descriptions, UCDs and metadata.

    Parameters
    ----------
    table : `~astropy.table.Table`
        The table; ``column.meta['ucd']`` holds UCDs, ``table.meta`` what describes it as a whole.
    output : path-like
        File to write; it is written beside and moved into place when complete.
    overwrite : bool
        Is an existing file to be replaced?

    Raises
    ------
    ValueError
        If the suffix is not known.
    OSError
        If the file exists already or cannot be written.

    Examples
    --------
    >>> from blase_astro.io.files import read_catalog, write_table
    >>> catalog = read_catalog('catalogs/demo_catalog.fits')
    >>> write_table(catalog, 'demo.vot')
    >>> read_catalog('demo.vot')['RAJ2000'].meta['ucd']
    'pos.eq.ra;meta.main'
    """
    form = file_format(output)
    check_output(output, overwrite=overwrite)
    with placed(output, overwrite=overwrite) as beside, _quiet_units():
        if form == "fits":
            _write_fits(table, beside)
        elif form == "votable":
            _write_votable(table, beside)
        elif form == "ascii.csv":
            _write_csv(table, beside)
        else:
            table.write(beside, format=form)


def _write_csv(table, path):
    """A table as CSV, some rows at a time: astropy makes a text of every cell before it writes."""
    with open(path, "w", encoding="utf-8", newline="") as file:
        for start in range(0, max(len(table), 1), _CSV_ROWS):
            part = StringIO()
            table[start : start + _CSV_ROWS].write(part, format="ascii.csv")
            header_or_none = 0 if start == 0 else part.getvalue().index("\n") + 1
            file.write(part.getvalue()[header_or_none:])


def _write_fits(table, path):
    """A table as a new FITS file; descriptions and UCDs go to cards that other tools read too."""
    from astropy.io import fits

    table.write(path, format="fits")
    with fits.open(path, mode="update", memmap=False) as hdus:
        header = hdus[1].header
        for i in range(1, header["TFIELDS"] + 1):
            column = table[header[f"TTYPE{i}"]] if header[f"TTYPE{i}"] in table.colnames else None
            for card, value in _words(column):
                header[f"{card}{i}"] = value


def _words(column):
    """Cards with the description and the UCD of a column, where there are any."""
    info = getattr(column, "info", None)
    if info is not None and info.description:
        yield "TCOMM", info.description
    if info is not None and (info.meta or {}).get("ucd"):
        yield "TUCD", info.meta["ucd"]


def _write_votable(table, path):
    """A table as a new VOTable file, its metadata as INFO elements."""
    from astropy.io.votable import from_table

    table = table.copy(copy_data=False)
    for column in table.itercols():
        if column.info.meta and column.info.meta.get("ucd"):
            column.info.meta = column.info.meta | {"ucd": _valid_ucd(column.info.meta["ucd"])}
    file = from_table(table)
    _add_infos(file.get_first_table(), table.meta)
    _save_votable(file, path)


def _valid_ucd(ucd):
    """A UCD that a VOTable may hold: old catalogs write ``phot.flux;stat.error``."""
    from astropy.io.votable.ucd import check_ucd

    *others, last = ucd.split(";")
    for candidate in (ucd, ";".join([last, *others])):
        if check_ucd(candidate, check_controlled_vocabulary=True, has_colon=True):
            return candidate
    return None


def _save_votable(file, path):
    """VOTable file to disk, compressed where the name says so."""
    with gzip.open(path, "wb") if path.suffix == ".gz" else open(path, "wb") as stream:
        file.to_xml(stream)


def _add_infos(element, meta):
    """Metadata as INFO elements of a TABLE; an element of the same name is replaced."""
    from astropy.io.votable.tree import Info

    for key, value in meta.items():
        if not isinstance(value, (str, int, float)) or key.startswith("__"):
            continue
        element.infos[:] = [info for info in element.infos if info.name != key]
        element.infos.append(Info(name=key, value=str(value)))
