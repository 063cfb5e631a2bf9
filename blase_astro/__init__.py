"""Synchrotron peaks of blazars, with honest intervals, for whole catalogs."""

from ._version import __version__

__all__ = ["__version__"]
