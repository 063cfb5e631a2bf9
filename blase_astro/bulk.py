"""Binned SEDs of files, folders, archives and tables, chunk by chunk."""

from __future__ import annotations

import os
from contextlib import ExitStack
from itertools import chain
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .io.archive import Left, points_of
from .io.given import WANTED, is_one, is_path, item_points, name_of
from .io.members import opened
from .sed import bin_points
from .workers import Workers

if TYPE_CHECKING:
    from ._types import Any, AnyPath, ArrayLike, Iterator, Points, Progress

__all__ = ["Chunk", "binned_chunk", "read_chunks"]

# SEDs whose rows are held at once, and how many a worker needs to be worth its start.
_CHUNK = 256
_WORTH_A_WORKER = 400
# SEDs that single files are gathered to: enough for the networks; more costs memory, saves nothing.
_TOGETHER = 16


class Chunk(NamedTuple):
    """Some SEDs, binned: all that is kept of them.

    Of points that are from no file, ``name`` is an array of any type and ``error`` None.
    """

    name: list
    ra: np.ndarray
    dec: np.ndarray
    error: list
    binned: np.ndarray
    n_points: np.ndarray
    foreign: np.ndarray  # not from VOU_Blazars
    redshift: np.ndarray | None = None


def binned_chunk(points: Points, edges: np.ndarray, foreign: ArrayLike = False) -> Chunk:
    """Points of some SEDs, binned."""
    binned, n_points = bin_points(points, edges)
    foreign = np.broadcast_to(foreign, len(points.name))
    return Chunk(
        points.name,
        points.ra,
        points.dec,
        points.error,
        binned,
        n_points,
        foreign,
        points.redshift,
    )


def _unread(names, error, edges):
    """SEDs that could not be read, and why."""
    n = len(names)
    nowhere, no_points = np.full(n, np.nan), np.zeros(n, np.int32)
    binned = np.full((n, len(edges)), np.nan, np.float32)
    own = np.zeros(n, bool)
    return Chunk(list(names), nowhere, nowhere, [error] * n, binned, no_points, own, nowhere)


def _joined(chunks):
    """Several chunks as one."""
    columns = zip(*chunks, strict=True)
    return Chunk(
        *(list(chain(*c)) if isinstance(c[0], list) else np.concatenate(c) for c in columns)
    )


def read_chunks(
    seds: Any,
    edges: np.ndarray,
    *,
    jobs: Any = 1,
    progress: Progress = None,
    leave_out: AnyPath | None = None,
) -> Iterator[Chunk]:
    """Read and bin SEDs, chunk by chunk: only what is binned is kept, and only of one chunk.

    Parameters
    ----------
    seds : path-like, `~astropy.table.Table`, `~blase_astro.io.Points`, file object or iterable
        What `~blase_astro.estimate` takes. Of several a bad one is an SED with an error.
    edges : ndarray of float, shape (n_bins, 2)
        Frequency bins, log10 of Hz.
    jobs : int
        Number of processes that read an archive or a folder, where it is large enough to pay.
    progress : callable, optional
        Called with the number of SEDs done and their total (0 where that is not known).
    leave_out : path-like, optional
        A file in a folder that is not to be read.

    Yields
    ------
    chunk : Chunk
        Up to some hundred SEDs, in their order.

    Raises
    ------
    ValueError, OSError
        If what is given alone is no SED or cannot be read.
    """
    if not isinstance(jobs, Integral) or isinstance(jobs, bool) or jobs < 1:
        raise ValueError(f"jobs must be a whole number from 1; got {jobs!r}")
    alone = is_one(seds)
    if not alone and not hasattr(seds, "__iter__"):
        raise ValueError(f"seds: {WANTED}, got {seds!r}")
    waiting, done = [], 0
    chunks = (
        _item_chunks(seds, edges, jobs, leave_out) if alone else _all(seds, edges, jobs, leave_out)
    )
    for chunk, total in chunks:
        done += len(chunk.name)
        if progress is not None:
            progress(done, total if alone else 0)
        waiting.append(chunk)
        if sum(len(chunk.name) for chunk in waiting) >= _TOGETHER:
            yield _joined(waiting)
            waiting = []
    if waiting:
        yield _joined(waiting)


def _all(items, edges, jobs, leave_out):
    """Chunks of each item; one that cannot be read is an SED with an error, and not the end."""
    for item in items:
        try:
            yield from _item_chunks(item, edges, jobs, leave_out)
        except (ValueError, OSError) as error:
            yield _unread([name_of(item)], str(error) or type(error).__name__, edges), 1


def _item_chunks(item, edges, jobs, leave_out):
    """Chunks of a path, a table or points, and the number of SEDs in it."""
    if is_path(item):
        if Path(os.fsdecode(item)).is_fifo():
            with open(item, "rb") as file:
                yield from _item_chunks((name_of(item), file), edges, jobs, leave_out)
        else:
            yield from _path_chunks(item, edges, jobs, leave_out)
    else:
        points, foreign = item_points(item)
        yield binned_chunk(points, edges, foreign), len(points.name)


def _path_chunks(path, edges, jobs, leave_out):
    """Binned SEDs of one path, in the order of the names, by several processes where it pays."""
    left = Left()
    with opened(path) as source:
        names, without = source.names()
        left.skipped += without
        if leave_out is not None and os.path.isdir(path):
            out = Path(leave_out).resolve()
            names = [name for name in names if (Path(path) / name).resolve() != out]
        pieces = [names[i : i + _CHUNK] for i in range(0, len(names), _CHUNK)]
        jobs = min(jobs, len(names) // _WORTH_A_WORKER, len(pieces))
        with ExitStack() as stack:
            workers = None
            if jobs > 1:
                order = {"path": os.fsdecode(os.path.abspath(path)), "edges": edges.tolist()}
                workers = stack.enter_context(Workers("blase_astro.bulk:_answers", order, jobs))
            if workers:
                chunks = _from_workers(workers, pieces, edges, left)
            else:
                read = points_of(source, names, _CHUNK, left)
                chunks = (binned_chunk(points, edges, foreign) for points, foreign in read)
            for chunk in chunks:
                yield chunk, len(names)
    left.report(path)


def _from_workers(workers, pieces, edges, left):
    """Chunks that workers read, in order."""
    for piece, answer in workers.map(pieces):
        if answer is None:
            yield _unread(piece, "not read: the process that read it was killed, twice", edges)
            continue
        (names, errors, skipped, malformed), arrays = answer
        left.skipped += skipped
        left.malformed += malformed
        if names:
            ra, dec, *others = arrays
            yield Chunk(names, ra, dec, errors, *others)


def _answers(order):
    """In a worker: a function that reads some SEDs of a path, which stays open."""
    edges = np.array(order["edges"])
    kept_open = opened(order["path"])
    source = kept_open.__enter__()

    def answer(names, _kept=kept_open):
        left = Left()
        chunks = [
            binned_chunk(p, edges, foreign) for p, foreign in points_of(source, names, _CHUNK, left)
        ]
        if not chunks:
            return ([], [], left.skipped, left.malformed), []
        name, ra, dec, error, *others = _joined(chunks)
        return (name, error, left.skipped, left.malformed), [ra, dec, *others]

    return answer
