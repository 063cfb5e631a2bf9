"""Columns of a catalog, elements of vectors among them, as plain numbers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from .._types import Any, Table

__all__ = ["element", "find", "numbers"]


def find(table: Table, name: str) -> tuple[str, tuple[int, ...]] | None:
    """Column and indices that ``name[2,1]`` stands for; None where there is no such column."""
    folded = {column.lower(): column for column in reversed(table.colnames)}
    element = re.fullmatch(r"(.+)\[(\d+(?:, ?\d+)*)\]", name)
    ways: list[tuple[str, tuple[int, ...]]] = [(name, ())]
    if element:
        ways.append((element[1], tuple(int(i) for i in element[2].split(","))))
    for text, index in ways:
        column = text if text in table.colnames else folded.get(text.lower())
        if column is not None:
            return column, index
    return None


def element(table: Table, name: str) -> tuple[np.ndarray, Any]:
    """A column of the catalog, or an element of it, and its unit."""
    column, index = find(table, name) or (name, ())
    values, unit = numbers(table, column, index)
    return values, unit


def _odd(values):
    """The first value that is no number, and its row."""
    for row, value in enumerate(values.tolist()):
        try:
            float(value)
        except (TypeError, ValueError):
            return f"{value!r} in row {row}"
    return str(values.dtype)


def numbers(table: Table, name: str, index: tuple[int, ...] = ()) -> tuple[np.ndarray, Any]:
    """A column as float64, NaN where masked, and its unit or None."""
    column = table[name]
    mask = np.asarray(getattr(column, "mask", False))
    values = np.asarray(getattr(column, "unmasked", column))
    if len(index) != values.ndim - 1 or any(
        i >= size for i, size in zip(index, values.shape[1:], strict=True)
    ):
        wanted = ", ".join(map(str, index)) or "none"
        raise ValueError(f"column {name!r}: wanted element {wanted}; a row is {values.shape[1:]}")
    at: Any = (slice(None), *index)
    try:
        numbers = values[at].astype(float)
    except (TypeError, ValueError):
        raise ValueError(f"column {name!r}: wanted numbers, got {_odd(values[at])}") from None
    if mask.any():
        numbers[np.broadcast_to(mask, values.shape)[at]] = np.nan
    return numbers, getattr(column, "unit", None)
