"""Photometry in the catalog itself: columns of magnitudes and fluxes to one SED a row."""

from .merge import merge_points
from .photometry import bands_in, points_from_bands
from .sets import read_bands

__all__ = ["bands_in", "merge_points", "points_from_bands", "read_bands"]
