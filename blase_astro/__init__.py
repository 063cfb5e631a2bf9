"""Synchrotron peaks of blazars, with honest intervals, for whole catalogs."""

from importlib import import_module

from . import io  # importing it makes the SED formats known to Table.read  # noqa: F401
from ._version import __version__

# Public name: module. Loaded when first used, so that the package starts at once.
_PUBLIC = {
    "Ensemble": "ensemble",
    "Flag": "flags",
    "annotate": "catalog",
    "estimate": "catalog",
    "match": "catalog",
    "read_sed": "io",
    "read_seds": "io",
}

__all__ = ["__version__", *_PUBLIC]


def __getattr__(name):
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_PUBLIC[name]}", __name__), name)


def __dir__():
    return sorted({*globals(), *_PUBLIC})
