"""Synchrotron peaks of blazars, with honest intervals, for whole catalogs."""

from ._version import __version__
from .io import read_sed, read_seds

__all__ = ["__version__", "read_sed", "read_seds"]
