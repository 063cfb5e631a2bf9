"""Surveys: point tables and catalogs in Parquet, streamed."""

from .estimate import estimate_parquet
from .layouts import is_point_table
from .match import match_parquet
from .reading import PointFile

__all__ = ["PointFile", "estimate_parquet", "is_point_table", "match_parquet"]
