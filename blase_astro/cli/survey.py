"""``blase estimate`` and ``blase match`` where they stream Parquet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .options import catalog_settings, command, estimate_settings, progress, say

if TYPE_CHECKING:
    import argparse

    from .._types import AnyPath

__all__ = ["are_point_tables", "estimate_survey", "is_parquet", "match_survey"]


def is_parquet(path: AnyPath) -> bool:
    return str(path).lower().endswith(".parquet")


def are_point_tables(options: argparse.Namespace) -> bool:
    """Is the one thing to estimate a point table in Parquet, or a folder of them?"""
    from pathlib import Path

    if options.name or len(options.seds) != 1 or options.seds[0] == "-":
        return False
    path = Path(options.seds[0])
    if path.is_dir():
        files = [file for file in path.rglob("*") if file.is_file()]
        files = [file for file in files if not file.name.startswith((".", "_"))]
        if not files or not all(map(is_parquet, files)):
            return False
        path = min(files)
    if not path.is_file() or not is_parquet(path):
        return False
    from ..survey import is_point_table

    return is_point_table(path)


def estimate_survey(options: argparse.Namespace) -> int:
    """The work of ``blase estimate`` on point tables; the exit code."""
    import os

    from ..survey import estimate_parquet

    source = options.seds[0]
    if options.ra is not None or options.dec is not None:
        options.wrong_usage("--ra and --dec are for one SED; a point table has its positions")
    if options.output is None:
        options.wrong_usage("estimates of a point table go to a file: wanted -o")
    if not os.path.isdir(source) and not is_parquet(options.output):
        options.wrong_usage("estimates of a point table go to Parquet: wanted -o NAME.parquet")
    counts = estimate_parquet(
        source,
        options.output,
        jobs=options.jobs,
        overwrite=options.overwrite,
        resume=options.resume,
        progress=progress(options),
        say=say(options),
        command=command(options),
        **estimate_settings(options),
    )
    n, estimated = counts.pop("sources"), counts.pop("estimated")
    said = ", ".join(f"{name} {count}" for name, count in counts.items() if count)
    say(options)(f"{estimated} of {n} sources estimated; flags: {said or 'none'}")
    return 0 if estimated or not n else 1


def match_survey(options: argparse.Namespace) -> int:
    """The work of ``blase match`` on a catalog in Parquet; the exit code."""
    from ..survey import match_parquet

    match_parquet(
        options.catalog, options.output, progress=progress(options), **catalog_settings(options)
    )
    return 0
