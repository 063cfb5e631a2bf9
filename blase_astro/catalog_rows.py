"""Which SED belongs to each row of a catalog, and its estimates as columns of the catalog."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .bulk import read_chunks
from .columns import EMPTY, estimate_columns
from .estimates import estimate_chunks
from .flags import Flag
from .io.given import all_points
from .io.values import texts
from .joins import file_keys, join_names, join_sky
from .position_columns import find_position, positions
from .sky import known_positions

if TYPE_CHECKING:
    from ._types import Any, Bands, Callable, Seds, Table
    from .settings import Settings

__all__ = ["row_estimates", "row_positions"]

# Rows of a catalog whose own photometry is held as measurements at once.
_ROWS = 20_000


def row_positions(
    catalog: Table,
    ra: str | None,
    dec: str | None,
    frame: str | None,
    say: Callable[[str], Any],
    *,
    needed: bool = True,
) -> tuple[np.ndarray, np.ndarray]:
    """ICRS positions of the rows of a catalog; says which columns they are from."""
    try:
        columns = find_position(catalog, ra, dec, frame)
    except ValueError:
        if needed or ra is not None:
            raise
        unknown = np.full(len(catalog), np.nan)
        return unknown, unknown
    where = positions(catalog, columns)
    missing = int(np.isnan(where[0]).sum())
    names = f"{columns.lon} and {columns.lat}" if columns.lat else columns.lon
    say(f"positions: {names} ({columns.frame}), missing in {missing} of {len(catalog)} rows")
    return where


def _with_positions(chunks, fallback):
    """SEDs that state no position get that of their catalog row."""
    for chunk in chunks:
        ra, dec = chunk.ra.copy(), chunk.dec.copy()
        for i in np.flatnonzero(~known_positions(ra, dec)):
            for key in file_keys(chunk.name[i]):
                if key in fallback:
                    ra[i], dec[i] = fallback[key]
                    break
        yield chunk._replace(ra=ra, dec=dec)


def row_estimates(
    catalog: Table,
    seds: Seds | None,
    settings: Settings,
    *,
    ra: str | None,
    dec: str | None,
    frame: str | None,
    sed_column: str | None,
    say: Callable[[str], Any],
    bands: Bands | None = None,
    ebv: str | None = None,
    **reading: Any,
) -> dict[str, np.ndarray]:
    """The columns of the estimates, one value a row of the catalog."""
    if seds is None and bands is None:
        raise ValueError("nothing to estimate from: wanted SEDs, or bands of the catalog itself")
    if sed_column is not None and sed_column not in catalog.colnames:
        raise ValueError(
            f"the catalog has no column {sed_column!r}; it has {', '.join(catalog.colnames)}"
        )
    needed = sed_column is None and seds is not None
    position = row_positions(catalog, ra, dec, frame, say, needed=needed)
    if bands is not None:
        where = {"sed_column": sed_column, "say": say, "progress": reading.get("progress")}
        return _photometry(catalog, seds, settings, position, bands, ebv, **where)
    chunks = read_chunks(seds, settings.first.bin_edges, **reading)
    if sed_column is not None:
        wanted = [name.strip() for name in texts(catalog, sed_column)]
        at = dict(zip(wanted, zip(*position, strict=True), strict=True))
        chunks = _with_positions(chunks, {name: p for name, p in at.items() if name})
    parts = list(estimate_chunks(chunks, settings, say))
    if not parts:
        raise ValueError("no SED to estimate from")
    found = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    names, place = found["name"].tolist(), (found["ra"], found["dec"])
    sed, ambiguous = _joined(catalog, sed_column, names, position, place, settings)
    _say_join(sed, ambiguous, found, say)
    return _spread_to_rows(found, sed, ambiguous, position, settings)


def _photometry(catalog, seds, settings, position, bands, ebv, *, sed_column, say, progress):
    """As `row_estimates`, from measurements of the catalog itself and those of SEDs, if any."""
    from .bands import bands_in, merge_points, points_from_bands

    used = bands_in(catalog, bands, say=say)
    sed, ambiguous = np.full(len(catalog), -1), np.zeros(len(catalog), bool)
    if seds is not None:
        files = all_points(seds)
        at = files.ra, files.dec
        sed, ambiguous = _joined(catalog, sed_column, files.name, position, at, settings)
        unread = np.array(files.error, dtype=str)
        _say_join(sed, ambiguous, {"name": np.array(files.name), "message": unread}, say)

    def blocks():
        for start in range(0, max(len(catalog), 1), _ROWS):  # at least once: no rows, columns
            rows = slice(start, start + _ROWS)
            at = (coordinate[rows] for coordinate in position)
            points = points_from_bands(catalog[rows], used, *at, ebv=ebv)
            yield points if seds is None else merge_points(points, files, sed[rows])

    chunks = read_chunks(blocks(), settings.first.bin_edges, progress=progress)
    parts = list(estimate_chunks(chunks, settings, say))
    found = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return _spread_to_rows(found, np.arange(len(catalog)), ambiguous, position, settings)


def _joined(catalog, sed_column, names, position, at, settings):
    """Which SED belongs to each row, by its name or its position, and where others could have."""
    if sed_column is not None:
        return join_names([name.strip() for name in texts(catalog, sed_column)], names)
    return join_sky(position, at, settings.radius)


def _say_join(sed, ambiguous, found, say):
    """How the rows and the SEDs went together, in words."""
    used = np.unique(sed[sed >= 0])
    say(
        f"SEDs: {len(found['name'])}, of which {len(used)} belong to a row; "
        f"rows: {len(sed)}, of which {int((sed >= 0).sum())} have an SED"
    )
    alone = np.delete(found["name"], used)
    if len(alone):
        more = ", ..." if len(alone) > 5 else ""
        say(f"SEDs of no row: {', '.join(str(name) for name in alone[:5])}{more}")
    if ambiguous.any():
        say(f"ambiguous: {int(ambiguous.sum())} rows (flag AMBIGUOUS_SED), the nearest was taken")
    # Which row an SED that cannot be read belongs to is not known, but that it was there.
    unread = np.asarray(found.get("peak_flags", Flag.READ_ERROR)) & Flag.READ_ERROR != 0
    told = np.isin(np.arange(len(found["name"])), used) | unread
    for name, message in zip(found["name"][told], found["message"][told], strict=True):
        if message:
            say(f"no estimate: {name}: {message}")


def _spread_to_rows(found, sed, ambiguous, position, settings):
    """Values of the SEDs at the rows they belong to; rows without one get what can be said."""
    has = sed >= 0
    source, sep, n_near = settings.first.find_source(position, settings.radius)
    columns = {}
    for name in settings.columns(estimate_columns):
        if name in found:
            values = found[name]
            empty = np.full((len(sed), *values.shape[1:]), EMPTY.get(name, np.nan), values.dtype)
            empty[has] = values[sed[has]]
            columns[name] = empty
    columns["bag"][~has] = settings.first.bag_of(source)[~has]
    columns["bag_sep"][~has] = sep[~has]
    flags = columns["peak_flags"]
    flags[~has] |= Flag.NO_SED
    flags[~has & (n_near > 1)] |= Flag.AMBIGUOUS_MATCH
    flags[~has & ~known_positions(*position)] |= Flag.NO_POSITION
    flags[ambiguous] |= Flag.AMBIGUOUS_SED
    return columns
