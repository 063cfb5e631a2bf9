"""Surveys: point tables and catalogs in Parquet, streamed."""

from .estimate import estimate_parquet
from .match import match_parquet
from .reading import PointFile, is_point_table

__all__ = ["PointFile", "estimate_parquet", "is_point_table", "match_parquet"]
