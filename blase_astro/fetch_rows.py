"""The SEDs of a whole catalog from online services, one file a row."""

from __future__ import annotations

import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .fetch import SERVICES, fetch_sed
from .io.files import write_table
from .io.output import placed
from .position_columns import find_position, positions
from .sky import known_positions

if TYPE_CHECKING:
    from ._types import Any, AnyPath, Callable, Radius, Sequence, Table

__all__ = ["fetch_seds"]

STATUS = "status.ecsv"
# Sources in a row without an answer of any service after which nobody is asked any more.
_GIVE_UP = 5
_WRITE_EVERY = 20


def fetch_seds(
    catalog: Table,
    folder: AnyPath,
    services: Sequence[str] = SERVICES,
    *,
    ra: str | None = None,
    dec: str | None = None,
    frame: str | None = None,
    radius: Radius = 5.0,
    timeout: float = 60.0,
    max_age: float = 7.0,
    say: Callable[[str], Any] | None = None,
    progress: Callable[[int, int], Any] | None = None,
) -> Table:
    """Fetch the SED of each row of a catalog into a folder, which `~blase_astro.annotate` takes.

    One source is asked for after the other, each service once a second at most. What is in the
    folder already is kept, so that an interrupted or incomplete run goes on where it ended.

    Parameters
    ----------
    catalog : `~astropy.table.Table`
        The catalog.
    folder : path-like
        Where the SEDs go, as ECSV named by position; it is made where it is missing. The table
        ``status.ecsv`` in it says what became of each row.
    services : sequence of str
        As for `~blase_astro.fetch.fetch_sed`.
    ra, dec, frame : str, optional
        Columns of the position and their frame, see `~blase_astro.position_columns.find_position`.
    radius, timeout, max_age
        As for `~blase_astro.fetch.fetch_sed`.
    say : callable, optional
        Called with lines of text about what was found.
    progress : callable, optional
        Called with the number of rows done and their total.

    Returns
    -------
    status : `~astropy.table.Table`
        One row a row of the catalog: ``row``, ``ra``, ``dec``, ``file``, ``status`` (``came``;
        ``incomplete`` if a service failed; ``kept`` from before; ``nothing`` where no service has
        photometry; ``failed``; ``no position``; ``not asked``), ``n_points``, ``message``.

    Raises
    ------
    ValueError
        If the catalog has no position.
    OSError
        If the folder cannot be written, or no service can be reached: after five sources without
        an answer nobody is asked any more.

    Examples
    --------
    >>> from astropy.table import Table
    >>> from blase_astro.fetch_rows import fetch_seds
    >>> catalog = Table({'RA': [329.71694], 'DEC': [-30.22559]})
    >>> status = fetch_seds(catalog, 'seds')  # doctest: +REMOTE_DATA +IGNORE_OUTPUT
    """
    say = say or (lambda text: None)
    where = positions(catalog, find_position(catalog, ra, dec, frame))
    folder = Path(folder).expanduser()
    folder.mkdir(exist_ok=True)
    settings = {"radius": radius, "timeout": timeout, "max_age": max_age}
    before = _before(folder, max_age)
    rows = [_Row(folder, i, *at) for i, at in enumerate(zip(*where, strict=True))]
    failures, error = 0, None
    try:
        for i, row in enumerate(rows):
            if row.from_before(before):
                continue
            row.ask(services, settings)
            failures = failures + 1 if row.status == "failed" else 0
            if failures == _GIVE_UP:
                error = f"gave up after {failures} sources without an answer: {row.message}"
                raise OSError(f"{error}; the same command goes on from there")
            if (i + 1) % _WRITE_EVERY == 0:
                _write_status(rows, folder)
            if progress is not None:
                progress(i + 1, len(rows))
    finally:
        status = _write_status(rows, folder)
        kinds, counts = np.unique(status["status"], return_counts=True)
        parts = ", ".join(f"{n} {kind}" for kind, n in zip(kinds, counts, strict=True))
        say(f"{folder}: {len(rows)} rows: {parts}")
    return status


class _Row:
    """What is known of the SED of one row."""

    def __init__(self, folder, index, ra, dec):
        self.row, self.ra, self.dec, self.folder = index, float(ra), float(dec), folder
        self.file, self.status, self.n_points, self.message = "", "not asked", 0, ""
        if not known_positions(np.array([ra]), np.array([dec]))[0]:
            self.status = "no position"
        else:
            self.file = f"{_designation(self.ra, self.dec)}.ecsv"

    def from_before(self, before):
        """Is nothing to be asked: no position, a file that is whole, or nothing to be had?"""
        if self.status == "no position":
            return True
        status, n_points, message = before.get(self.file, ("", 0, ""))
        if (self.folder / self.file).is_file() and status != "incomplete":
            self.status, self.n_points = "kept", n_points
        elif status == "nothing":
            self.status, self.message = status, message
        return self.status != "not asked"

    def ask(self, services, settings):
        """Ask the services and write what came."""
        from astropy.coordinates import SkyCoord

        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                sed = fetch_sed(SkyCoord(self.ra, self.dec, unit="deg"), services, **settings)
        except ValueError as error:
            self.status, self.message = "nothing", str(error)
        except OSError as error:
            self.status, self.message = "failed", str(error)
        else:
            sed.meta["name"] = self.file.removesuffix(".ecsv")
            with placed(self.folder / self.file, overwrite=True) as beside:
                sed.write(beside, format="ascii.ecsv")
            self.n_points = len(sed)
            self.message = "; ".join(str(warning.message) for warning in caught)
            self.status = "incomplete" if "incomplete" in self.message else "came"


def _designation(ra, dec):
    """Name by position, like J215852.07-301332.1."""
    hours, degrees = ra / 15 % 24, abs(dec)
    h, d = int(hours * 360000 + 1e-6), int(degrees * 36000 + 1e-6)  # 0.01 s and 0.1 arcsec, cut
    lon = f"{h // 360000:02d}{h // 6000 % 60:02d}{h // 100 % 60:02d}.{h % 100:02d}"
    lat = f"{d // 36000:02d}{d // 600 % 60:02d}{d // 10 % 60:02d}.{d % 10}"
    return f"J{lon}{'-' if dec < 0 else '+'}{lat}"


def _before(folder, max_age):
    """Status, number of points and message by file of an earlier run; old ones are forgotten."""
    from astropy.table import Table

    path = folder / STATUS
    if not path.is_file():
        return {}
    fresh = time.time() - path.stat().st_mtime < max_age * 86400
    try:
        return {
            str(row["file"]): (str(row["status"]), int(row["n_points"]), str(row["message"]))
            for row in Table.read(path, format="ascii.ecsv")
            if fresh or row["status"] != "nothing"
        }
    except Exception as error:  # somebody else's, or damaged: readers raise whatever they like
        raise OSError(
            f"{path}: wanted the table that an earlier run left, got something else "
            f"({' '.join(str(error).split())[:100]}); move it away"
        ) from error


def _write_status(rows, folder):
    from astropy.table import Table

    names = ("row", "ra", "dec", "file", "status", "n_points", "message")
    status = Table({name: [getattr(row, name) for row in rows] for name in names})
    status["ra"].unit = status["dec"].unit = "deg"
    write_table(status, folder / STATUS, overwrite=True)
    return status
