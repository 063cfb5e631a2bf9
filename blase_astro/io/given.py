"""What users give as SEDs: one thing or many of them, paths, tables, open files, with a name."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from .archive import read_points, read_stream
from .table import Points, join_points, points_from_seds

if TYPE_CHECKING:
    from .._types import Any, Seds

__all__ = ["WANTED", "all_points", "is_one", "is_pair", "is_path", "item_points", "name_of"]

WANTED = "wanted paths, SED tables, open files, pairs of name and one of these, or Points"


def is_path(item: Any) -> bool:
    """Is it a path, of a file, a folder or an archive?"""
    return isinstance(item, (str, os.PathLike))


def is_pair(item: Any) -> bool:
    """Is it a name, and an SED table or a file that is open for reading?"""
    return isinstance(item, tuple) and len(item) == 2 and _is_sed(item[1])


def is_one(seds: Any) -> bool:
    """Is it one thing to take SEDs from, and no iterable of such things?"""
    return is_path(seds) or isinstance(seds, Points) or _is_sed(seds) or is_pair(seds)


def _is_sed(item):
    """Is it an SED table, or a file that is open for reading?"""
    return hasattr(item, "colnames") or hasattr(item, "read")


def name_of(item: Any) -> str:
    """What an SED is called: its file's name, the name that comes with it or that its table has."""
    if is_path(item):
        return os.path.basename(os.fsdecode(item))
    if isinstance(item, tuple) and item:
        return str(item[0])
    return str(getattr(item, "meta", {}).get("name") or getattr(item, "name", ""))


def item_points(item: Any) -> tuple[Points, bool]:
    """Measurements of anything but a path, and whether they are not from VOU_Blazars."""
    if isinstance(item, Points):
        return item, False
    sed = item[1] if is_pair(item) else item
    if hasattr(sed, "colnames"):
        points = points_from_seds([sed])._replace(name=[name_of(item)])
        return points, (sed.meta.get("origin") or "vou") != "vou"
    if hasattr(sed, "read"):
        return read_stream(sed, name_of(item))
    raise ValueError(f"{WANTED}, got {type(sed).__name__}: {str(sed)[:60]}")


def all_points(seds: Seds) -> Points:
    """The measurements of SEDs of any kind at once.

    Parameters
    ----------
    seds
        What `~blase_astro.estimate` takes. Of several a bad one is an SED with an error.

    Returns
    -------
    points : `~blase_astro.io.Points`
        All of them.
    """
    parts: list[Points] = []
    items: Any = [seds] if is_one(seds) else seds
    for item in items:
        try:
            parts += read_points(item) if is_path(item) else [item_points(item)[0]]
        except (ValueError, OSError) as error:
            if is_one(seds):
                raise
            reason = str(error) or type(error).__name__
            parts.append(_nothing()._replace(name=[name_of(item)], error=[reason]))
    return join_points(parts)


def _nothing():
    """One SED without measurements."""
    from .table import sed_table

    return points_from_seds([sed_table([], [])])
