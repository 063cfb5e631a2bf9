"""astropy's YAML description of a table, which FITS and Parquet files carry as well as ECSV."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .._types import Table

__all__ = ["extended_yaml", "yaml_lines"]


def yaml_lines(table: Table) -> list[str]:
    """Lines that describe a table.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Any table without mixin columns.

    Returns
    -------
    lines : list of str
        The lines.

    Examples
    --------
    >>> from astropy.table import Table
    >>> from blase_astro.io.yaml_header import yaml_lines
    >>> yaml_lines(Table({'x': [1.0]}, units={'x': 'Hz'}))
    ['datatype:', '- {name: x, unit: Hz, datatype: float64}']
    """
    from astropy.table import meta

    return meta.get_yaml_from_table(table)


def extended_yaml(lines: list[str], columns: Table) -> list[str]:
    """Lines that describe a table, and more columns and metadata.

    Parameters
    ----------
    lines : list of str
        The lines of a table.
    columns : `~astropy.table.Table`
        Columns that are appended, or put in place of those of the same name.

    Returns
    -------
    lines : list of str
        The lines of the longer table.

    Examples
    --------
    >>> from astropy.table import Table
    >>> from blase_astro.io.yaml_header import extended_yaml, yaml_lines
    >>> lines = yaml_lines(Table({'x': [1.0]}))
    >>> extended_yaml(lines, Table({'y': [2]}, meta={'level': 0.95}))
    ['datatype:', '- {name: x, datatype: float64}', '- {name: y, datatype: int64}', \
'meta: !!omap', '- {level: 0.95}']
    """
    head, items, tail = _parts(lines, bool(columns.meta))
    new = yaml_lines(columns)
    _, new_items, new_tail = _parts(new)
    added = {_name_of(item): item for item in new_items}
    items = [added.pop(_name_of(item), item) for item in items]
    words = new_tail[1:] if new_tail[:1] == ["meta: !!omap"] else []
    if tail[:1] == ["meta: !!omap"]:
        tail = _with_words(tail, words)
    elif not any(line.startswith("meta:") for line in tail):
        tail = new_tail + tail
    return [*head, *(line for item in [*items, *added.values()] for line in item), *tail]


def _name_of(item):
    """Name of the column that some lines describe."""
    from astropy.table import meta

    return meta.get_header_from_yaml(["datatype:", *item])["datatype"][0]["name"]


def _parts(lines, words=False):
    """What stands before the columns, the lines of each column, and what stands behind.

    Where there are ``words`` to add, the latter is the metadata as astropy writes it.
    """
    from astropy.table import meta

    parts = _split(lines)
    if [line for line in lines if line.strip()] in ([], ["datatype:"]):
        return parts
    header = meta.get_header_from_yaml(lines)
    starts = [item[0].startswith("- ") for item in parts[1]]
    plain = len(starts) == len(header["datatype"] or ()) and all(starts)
    others = [line for line in parts[2] if line.startswith("meta:")]
    if plain and not (words and others and others != ["meta: !!omap"]):
        return parts
    return _split(_as_astropy_writes(header))


def _as_astropy_writes(header):
    """Lines of a header that another program laid out otherwise; JSON is YAML."""
    columns, said = header.pop("datatype") or [], header.pop("meta", None) or {}
    return [
        *(f"{key}: {json.dumps(value)}" for key, value in header.items()),
        "datatype:",
        *(f"- {json.dumps(column)}" for column in columns),
        "meta: !!omap",
        *(f"- {json.dumps({key: value})}" for key, value in said.items()),
    ]


def _split(lines):
    """The work of `_parts`, of lines as astropy writes them."""
    first = next((i for i, line in enumerate(lines) if line.rstrip() == "datatype:"), None)
    if first is None:
        return [*lines, "datatype:"], [], []
    items, i = [], first + 1
    while i < len(lines) and lines[i][:2] in ("- ", "  "):
        if lines[i].startswith("- ") or not items:
            items.append([])
        items[-1].append(lines[i])
        i += 1
    return lines[: first + 1], items, lines[i:]


def _with_words(tail, words):
    """Metadata with more of it, entries of the same key replaced."""
    keys = {word.split(":")[0] for word in words if word.startswith("- {")}
    kept, i = [tail[0]], 1
    while i < len(tail) and (tail[i].startswith(("- ", " ")) or not tail[i]):
        if tail[i].startswith("- "):
            leave = tail[i].split(":")[0] in keys
        if not leave:
            kept.append(tail[i])
        i += 1
    return [*kept, *words, *tail[i:]]
