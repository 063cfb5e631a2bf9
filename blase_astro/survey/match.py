"""Which sources of a catalog in Parquet are in the training set, in memory that stays flat."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..catalog import matched_columns
from ..columns import MATCH_COLUMNS, column_table
from ..io.append import check_names
from ..io.output import placed
from ..io.parquet import append_made
from ..io.parquet_tables import described_columns, rows_as_table
from ..position_columns import find_position, positions
from ..settings import Settings

if TYPE_CHECKING:
    from .._types import Any, AnyPath, Callable

__all__ = ["match_parquet"]

_ROWS = 2**17  # at once


def match_parquet(
    catalog: AnyPath,
    output: AnyPath,
    *,
    ra: str | None = None,
    dec: str | None = None,
    frame: str | None = None,
    prefix: str = "",
    overwrite: bool = False,
    overwrite_columns: bool = False,
    progress: Callable[[int, int], Any] | None = None,
    say: Callable[[str], Any] | None = None,
    command: str = "",
    **options: Any,
) -> dict[str, int]:
    """Append what `~blase_astro.match` finds to a catalog in Parquet, however long it is.

    Parameters
    ----------
    catalog, output : path-like
        The catalog, and the file to write.
    ra, dec, frame, prefix
        As for `~blase_astro.annotate`.
    overwrite : bool
        Replace an existing file.
    overwrite_columns : bool
        Replace columns of the same names.
    progress : callable, optional
        Called with the number of rows done and their total.
    say : callable, optional
        Called with lines of text about what was found.
    command : str
        What makes the file, for its metadata.
    **options
        ``ensemble`` and ``radius`` as `~blase_astro.Settings` lists them.

    Returns
    -------
    counts : dict of int
        ``rows``, and ``matched``, those in the training set.

    Raises
    ------
    ValueError
        If a name is taken or no position columns are found.
    OSError
        If a file cannot be read or written, or exists already.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from pyarrow import parquet
    >>> from blase_astro.survey import match_parquet
    >>> parquet.write_table(pa.table({'RA': [10.0, 20.0], 'DEC': [-80.0, -80.0]}), 'sky.parquet')
    >>> match_parquet('sky.parquet', 'matched.parquet')
    {'rows': 2, 'matched': 0}
    """
    from pyarrow import ArrowException, parquet

    settings = Settings.of(options)
    try:
        known = described_columns(parquet.read_schema(catalog))
    except (ArrowException, ValueError) as error:
        raise ValueError(f"{catalog}: {error}") from None
    where = find_position(known, ra, dec, frame)
    names = [name for name in (where.lon, where.lat) if name]
    n_rows = parquet.read_metadata(catalog).num_rows
    counts = {"rows": 0, "matched": 0, "unknown": 0}

    def table(arrays):
        return column_table(arrays, MATCH_COLUMNS, settings.match_meta(command), prefix)

    def make(part):
        position = positions(rows_as_table(part, names, known), where)
        arrays = matched_columns(position, settings)
        counts["rows"] += len(part)
        counts["matched"] += int((arrays["bag"] >= 0).sum())
        counts["unknown"] += int(np.isnan(position[0]).sum())
        if progress is not None:
            progress(counts["rows"], n_rows)
        return table(arrays)

    nothing = np.zeros(0)
    like = table(matched_columns((nothing, nothing), settings))
    replace = like.colnames if overwrite_columns else ()
    with placed(output, overwrite=overwrite) as beside:

        def check(names, _n_rows):
            check_names(names, like.colnames, replace)

        try:
            append_made(catalog, like, make, beside, check, _ROWS)
        except (ArrowException, OSError) as error:
            if getattr(error, "errno", None) is not None:  # of the system, not of the file
                raise
            reason = " ".join(str(error).split())
            raise OSError(f"{catalog} could not be read: {reason}") from error
    if say is not None:
        pair = f"{where.lon} and {where.lat}" if where.lat else where.lon
        say(f"positions: {pair} ({where.frame}), missing in {counts['unknown']} rows")
        say(f"rows: {counts['rows']}, of which {counts['matched']} are in the training set")
    del counts["unknown"]
    return counts
