"""Binned SEDs of files, folders, archives and tables, chunk by chunk."""

import os
import warnings
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .io.archive import list_seds, read_points
from .io.table import Points
from .sed import bin_points, points_from_seds

__all__ = ["Chunk", "read_chunks"]

# SEDs whose rows are held at once, and how many a worker needs to be worth its start.
_CHUNK = 256
_WORTH_A_WORKER = 400
# SEDs that single files are gathered to: enough for the networks; more costs memory, saves nothing.
_TOGETHER = 16
# Single files that are not in the text format: what `blase fetch` writes, what the SSDC sends.
_TABLE_SUFFIXES = (".ecsv", ".json", ".fits", ".vot", ".xml")


class Chunk(NamedTuple):
    """Some SEDs, binned: all that is kept of them."""

    name: list
    ra: np.ndarray
    dec: np.ndarray
    error: list
    binned: np.ndarray
    n_points: np.ndarray
    foreign: np.ndarray  # not from VOU_Blazars


def _chunk(points, edges, foreign=False):
    """Points of some SEDs, binned."""
    binned, n_points = bin_points(points, edges)
    foreign = np.broadcast_to(foreign, len(points.name))
    return Chunk(points.name, points.ra, points.dec, points.error, binned, n_points, foreign)


def _joined(chunks):
    """Several chunks as one."""
    columns = zip(*chunks, strict=True)
    return Chunk(
        *(list(chain(*c)) if isinstance(c[0], list) else np.concatenate(c) for c in columns)
    )


def read_chunks(seds, edges, *, jobs=1, progress=None, leave_out=None):
    """Read and bin SEDs, chunk by chunk: only what is binned is kept, and only of one chunk.

    Parameters
    ----------
    seds : path-like, `~astropy.table.Table`, `~blase_astro.io.Points` or iterable
        What `~blase_astro.estimate` takes.
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
    """
    alone = isinstance(seds, (str, os.PathLike, Points)) or hasattr(seds, "colnames")
    waiting, done = [], 0
    for chunk, total in _single_chunks([seds] if alone else seds, edges, jobs, leave_out):
        done += len(chunk.name)
        if progress is not None:
            progress(done, total if alone else 0)
        waiting.append(chunk)
        if sum(len(chunk.name) for chunk in waiting) >= _TOGETHER:
            yield _joined(waiting)
            waiting = []
    if waiting:
        yield _joined(waiting)


def _single_chunks(items, edges, jobs, leave_out):
    """Chunks of each item, and the number of SEDs in it."""
    for item in items:
        if isinstance(item, (str, os.PathLike)) and Path(item).suffix.lower() in _TABLE_SUFFIXES:
            item = (os.path.basename(item), _read_table(item))
        if isinstance(item, (str, os.PathLike)):
            names = _names(item, leave_out)
            for chunk in _path_chunks(item, names, edges, jobs):
                yield chunk, len(names)
        elif isinstance(item, Points):
            yield _chunk(item, edges), len(item.name)
        else:
            name, sed = item if isinstance(item, tuple) else (item.meta.get("name"), item)
            points = points_from_seds([sed])._replace(name=[str(name or "")])
            yield _chunk(points, edges, sed.meta.get("origin", "vou") != "vou"), 1


def _read_table(path):
    """An SED table from a file in one of the formats that astropy and this package know."""
    from astropy.io.registry import IORegistryError
    from astropy.table import Table

    os.stat(path)
    try:
        sed = Table.read(path)
    except IORegistryError:
        raise ValueError(f"{path}: no SED in a format that is known") from None
    missing = [name for name in ("frequency", "nufnu") if name not in sed.colnames]
    if missing:
        raise ValueError(
            f"{path}: no SED table, it has no column {missing[0]!r}; "
            "read it with the format= of its service and pass the table"
        )
    return sed


def _names(path, leave_out):
    """Names of the SEDs of a path, without the file that is about to be written among them."""
    names = list_seds(path)
    if leave_out is not None and Path(path).is_dir():
        out = Path(leave_out).resolve()
        names = [name for name in names if (Path(path) / name).resolve() != out]
    return names


def _path_chunks(path, names, edges, jobs):
    """Binned SEDs of one path, in the order of the names, by several processes where it pays."""
    pieces = [names[i : i + _CHUNK] for i in range(0, len(names), _CHUNK)]
    jobs = min(jobs, len(names) // _WORTH_A_WORKER, len(pieces))
    if jobs <= 1:
        for points in read_points(path, names, chunk=_CHUNK):
            yield _chunk(points, edges)
        return
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    # Fresh interpreters: forking a process whose BLAS has threads may hang.
    pool = ProcessPoolExecutor(jobs, get_context("spawn"), initializer=_ignore_interrupt)
    try:
        n = len(pieces)
        for chunks, caught in pool.map(_read_piece, [path] * n, pieces, [edges] * n):
            for message, category in caught:
                warnings.warn(message, category, stacklevel=2)
            yield from chunks
    finally:
        pool.shutdown(cancel_futures=True)


def _ignore_interrupt():
    """Leave Ctrl-C to the parent process, which then ends the workers."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _read_piece(path, names, edges):
    """What a worker sends back: the SEDs, binned, and what it would have warned of."""
    import astropy  # noqa: F401  (its import takes over the showing of warnings: before we do)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        chunks = [_chunk(points, edges) for points in read_points(path, names, chunk=_CHUNK)]
    return chunks, [(str(warning.message), warning.category) for warning in caught]
