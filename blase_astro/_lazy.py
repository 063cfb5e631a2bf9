"""Names that are loaded when they are first used, and old names that tell the new ones."""

from __future__ import annotations

import importlib.abc
import sys
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._types import Any, Callable

__all__ = ["lazy", "tell_new_names"]


def lazy(
    package: str, public: dict[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """``__getattr__`` and ``__dir__`` of a package whose names lie in its modules.

    Parameters
    ----------
    package : str
        Name of the package.
    public : dict of str
        Module, relative to the package, by name.

    Returns
    -------
    getter, lister : callable
        For the module's namespace.
    """

    def getter(name):
        if name not in public:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f".{public[name]}", package), name)

    def lister():
        return sorted({*vars(sys.modules[package]), *public})

    return getter, lister


class _NewNames(importlib.abc.MetaPathFinder):
    """Says where a module of an earlier edition is now; nobody else finds it."""

    def __init__(self, moved):
        self.moved = moved

    def find_spec(self, fullname, path=None, target=None):
        if fullname in self.moved:
            raise ModuleNotFoundError(
                f"{fullname} has moved: its names are in {self.moved[fullname]} now", name=fullname
            )


def tell_new_names(moved: dict[str, str]) -> None:
    """Let the import of modules that have moved say where they are.

    Parameters
    ----------
    moved : dict of str
        New place by old module.
    """
    sys.meta_path.append(_NewNames(moved))  # behind all that find modules which are there
