"""Peaks of all sources of a point table, or of a folder of them, from Parquet to Parquet."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..columns import column_table, sed_columns
from ..flags import Flag
from ..io.output import ExistsAlready, check_place, placed, refuse_input, temporary_folder
from ..io.parquet import parquet_sink
from ..io.parquet_tables import described_columns
from ..points import estimate_sources, grouped, own_settings
from ..population import say_population
from ..settings import Settings
from ..workers import Workers
from .orders import order_of, settings_of
from .reading import PointFile

if TYPE_CHECKING:
    from .._types import Any, AnyPath, Callable

__all__ = ["estimate_parquet", "recorded_settings"]

# Sources of a row group of the output.
_GROUP = 2**15
# Where the settings stand: in the metadata of each file, and beside the files of a folder.
_KEY, SETTINGS_FILE = "BLASESET", "blase_settings.json"
_PARQUET = ".parquet"


def estimate_parquet(
    points: AnyPath,
    output: AnyPath,
    *,
    jobs: int = 1,
    overwrite: bool = False,
    resume: bool = False,
    progress: Callable[[int, int], Any] | None = None,
    say: Callable[[str], Any] | None = None,
    command: str = "",
    **options: Any,
) -> dict[str, int]:
    """Estimate the peaks of all sources of a point table in Parquet, in memory that stays flat.

    Parameters
    ----------
    points : path-like
        A file, or a folder of files, with the columns ``ra`` and ``dec`` (or others that
        `~blase_astro.position_columns.find_position` knows), ``frequency`` and ``nufnu``, and of
        ``nufnu_upper``, ``nufnu_lower``, ``upper_limit``, ``duplicate``, ``catalog`` and
        ``redshift`` those there are: one row a measurement, and a column ``source``,
        ``source_id``, ``object_id`` or ``name``, the rows of a source together; or one row a
        source, with lists of them or a column (``sed``) of lists or structs. Units in the metadata
        are honoured.
    output : path-like
        File to write; of a folder the folder, which gets a file for each one. Each comes to its
        place when it is whole.
    jobs : int
        Number of processes, one BLAS thread each.
    overwrite : bool
        Replace what exists.
    resume : bool
        Leave out files whose output is there already; refused if that was made with other
        settings.
    progress : callable, optional
        Called with the number of sources done and their total.
    say : callable, optional
        Called with lines of text about what was found.
    command : str
        What makes the table, for its metadata.
    **options
        What `~blase_astro.Settings` lists. The catalog's own population is found from at
        most 20,000 sources, evenly spread, in a first pass.

    Returns
    -------
    counts : dict of int
        ``sources``, ``estimated`` (those with an estimate), and how often each flag is set, by
        its name.

    Raises
    ------
    ValueError
        If a file is no point table, a setting makes no sense, or differs from those of what is to
        be resumed.
    OSError
        If a file cannot be read or written, or exists already.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from astropy.table import Table
    >>> from pyarrow import parquet
    >>> from blase_astro.survey import estimate_parquet
    >>> points = {'source_id': [7, 7, 7, 8], 'ra': [10.0, 10.0, 10.0, 20.0],
    ...           'dec': [-80.0] * 4, 'frequency': [1.4e9, 4.9e14, 2.4e17, 1.4e9],
    ...           'nufnu': [2e-14, 4e-12, 1e-12, 1e-14]}
    >>> parquet.write_table(pa.table(points), 'points.parquet')
    >>> counts = estimate_parquet('points.parquet', 'estimates.parquet')
    >>> counts['sources'], counts['estimated']
    (2, 1)
    >>> print(Table.read('estimates.parquet', format='parquet.votable')['source_id', 'n_points'])
    source_id n_points
    --------- --------
            7        3
            8        1
    """
    settings, say = Settings.of(options), say or (lambda _text: None)
    refuse_input(output, [points])
    pairs = _pairs(Path(points), Path(output))
    files = [source for source, _ in pairs]
    for source in files:  # what is no point table is said before the work
        PointFile(source).__exit__()
    settings = own_settings(lambda: _all_blocks(files), settings, say)
    todo = _todo(pairs, Path(points), Path(output), settings, overwrite=overwrite, resume=resume)
    if len(todo) < len(pairs):
        say(f"{len(pairs) - len(todo)} of {len(pairs)} files are there already")
    counts = dict.fromkeys(("sources", "estimated", *Flag.__members__), 0)
    with _blocks(todo, settings, jobs, progress) as blocks:
        total = _write_all(todo, blocks, settings, command, counts, overwrite)
    say_population(total, counts["estimated"], settings, say)
    return counts


# --- which files ------------------------------------------------------------------------------


def _pairs(points, output):
    """Files to read and to write."""
    if not points.is_dir():
        if not points.is_file():
            raise FileNotFoundError(f"{points} is no file; wanted a point table in Parquet")
        return [(points, output)]
    if output.is_file():
        raise NotADirectoryError(f"{output} is a file; wanted a folder for that of a folder")
    if points.resolve() in (output.resolve(), *output.resolve().parents):
        raise ValueError(f"{output} lies in the folder that is read; wanted another one")
    names = sorted(
        path.relative_to(points)
        for path in points.rglob(f"*{_PARQUET}")
        if path.is_file() and not path.name.startswith((".", "_"))
    )
    if not names:
        raise FileNotFoundError(f"{points} holds no file *{_PARQUET}")
    return [(points / name, output / name) for name in names]


def _todo(pairs, points, output, settings, *, overwrite, resume):
    """Pairs of files whose output is missing; refuses to mix those of different settings."""
    mine = settings.fingerprint()
    there = [target for _, target in pairs if os.path.lexists(target)]
    if resume:
        for path in there:
            _compare(recorded_settings(path), mine, path)
    elif there and not overwrite:
        raise ExistsAlready(there[0])
    if points.is_dir():
        record = output / SETTINGS_FILE
        if resume and record.is_file():
            _compare(_read_record(record), mine, record)
        output.mkdir(parents=True, exist_ok=True)
        with placed(record, overwrite=True) as beside:
            beside.write_text(json.dumps(mine, indent=1) + "\n")
    todo = [pair for pair in pairs if not resume or pair[1] not in there]
    for _, target in todo:
        if points.is_dir():
            target.parent.mkdir(parents=True, exist_ok=True)
        check_place(target, overwrite=overwrite)
    return todo


def recorded_settings(path: AnyPath) -> dict | None:
    """The settings that a file was made with.

    Parameters
    ----------
    path : path-like
        What `estimate_parquet` wrote.

    Returns
    -------
    settings : dict or None
        As of ``Settings.fingerprint()``; None where the file does not tell.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from pyarrow import parquet
    >>> from blase_astro.survey.estimate import recorded_settings
    >>> parquet.write_table(pa.table({'a': [1]}), 'other.parquet')
    >>> print(recorded_settings('other.parquet'))
    None
    """
    from pyarrow import ArrowException, parquet

    try:
        meta = described_columns(parquet.read_schema(path)).meta
        return json.loads(meta.get(_KEY, "null"))
    except (ArrowException, ValueError, OSError):
        return None


def _read_record(path):
    try:
        return json.loads(path.read_text())
    except ValueError:
        return None


def _compare(theirs, mine, path):
    """Refuse to go on with what was made with other settings, and say which."""
    if theirs == mine:
        return
    theirs = theirs if isinstance(theirs, dict) else {}
    different = [name for name, value in mine.items() if theirs.get(name) != value]
    raise ValueError(
        f"{path} was made with other settings ({', '.join(different)}); take the same ones to go "
        "on, or another output"
    )


# --- estimates --------------------------------------------------------------------------------


def _all_blocks(files):
    """The measurements of all files, one after the other."""
    for path in files:
        with PointFile(path) as file:
            yield from file.blocks()


@contextmanager
def _blocks(pairs, settings, jobs, progress):
    """Numbers of files with estimates of their sources, in order, by several processes."""
    looked = []
    for source, _ in pairs:
        with PointFile(source) as file:
            looked.append((*file.look_through(), file.divisible()))
    total = sum(n for n, *_ in looked)
    pieces = [[i, *piece] for i, (_, those, _) in enumerate(looked) for piece in those]
    divisible = all(small for *_, small in looked)
    with ExitStack() as stack:
        workers = None
        jobs = min(jobs, len(pieces))
        if jobs > 1 and divisible:
            order = stack.enter_context(_order([source for source, _ in pairs], settings))
            answers = "blase_astro.survey.estimate:_answers"
            workers = stack.enter_context(Workers(answers, order, jobs))
        found = (
            _from_workers(workers, pieces, pairs) if workers else _in_turn(pieces, pairs, settings)
        )
        yield _with_progress(found, total, progress)


def _with_progress(found, total, progress):
    done = 0
    for block in found:
        done += len(block[1]["ra"])
        yield block
        if progress is not None:
            progress(done, total)


def _in_turn(pieces, pairs, settings):
    """Estimates piece by piece in this process."""
    for i, start, stop in pieces:
        with PointFile(pairs[i][0]) as file:
            for columns, posterior, n in estimate_sources(file.blocks(start, stop), settings):
                yield i, columns, posterior, n


def _from_workers(workers, pieces, pairs):
    """Estimates of pieces that workers make, in order."""
    for (i, start, stop), answer in workers.map(pieces):
        if answer is None:
            raise OSError(
                f"{pairs[i][0]}: rows {start} to {stop} were not estimated: the process was "
                "killed, twice"
            )
        (names, n), (posterior, *arrays) = answer
        yield i, dict(zip(names, arrays, strict=True)), posterior, n


@contextmanager
def _order(files, settings):
    """What workers are told, as JSON: files, and settings with the ensembles as files."""
    with temporary_folder() as folder:
        for target, ensemble in settings.ensembles.items():
            ensemble.save(folder / f"{target}.npz")
        yield {
            "settings": order_of(settings),
            "ensemble": str(folder),
            "files": [os.path.abspath(f) for f in files],
        }


def _answers(order):
    """In a worker: a function that estimates some sources of a file."""
    settings = settings_of(order["settings"], order["ensemble"])

    def answer(question):
        i, start, stop = question
        with PointFile(order["files"][i]) as file:
            found = list(estimate_sources(file.blocks(start, stop), settings))
        parts, posteriors, counts = zip(*found, strict=True)
        names = list(parts[0])
        arrays = [np.concatenate([part[name] for part in parts]) for name in names]
        return (names, sum(counts)), [np.asarray(sum(posteriors), float), *arrays]

    return answer


# --- writing ----------------------------------------------------------------------------------


def _write_all(pairs, blocks, settings, command, counts, overwrite):
    """Write the estimates of all files; sum of the distributions of the peak frequency."""
    total, blocks = 0.0, _Ahead(blocks)
    for i, (source, target) in enumerate(pairs):
        with PointFile(source) as file:
            name, identity = file.layout.source or "source", file.no_source()
        meta = settings.meta(command) | {_KEY: json.dumps(settings.fingerprint())}
        like = _table(_empty(identity, settings), name, settings, meta)
        with parquet_sink(target, like, overwrite=overwrite) as write:
            waiting = []
            for _, columns, posterior, n in blocks.of(i):
                total, waiting = total + posterior, [*waiting, columns]
                _count(columns, n, counts)
                if sum(len(part["ra"]) for part in waiting) >= _GROUP:
                    write(_table(_joined(waiting), name, settings, meta))
                    waiting = []
            if waiting:
                write(_table(_joined(waiting), name, settings, meta))
    return total


class _Ahead:
    """Blocks of several files, given file by file."""

    def __init__(self, blocks):
        self._blocks, self._next = iter(blocks), None

    def of(self, i):
        """Those of one file, which come together."""
        self._next = self._next or next(self._blocks, None)
        while self._next is not None and self._next[0] == i:
            yield self._next
            self._next = next(self._blocks, None)


def _empty(identity, settings):
    """Columns of no source, for their types."""
    none = dict.fromkeys(("nufnu_upper", "nufnu_lower", "upper_limit", "duplicate"))
    nothing = np.zeros(0)
    sources = grouped(identity, nothing, nothing, {"frequency": nothing, "nufnu": nothing} | none)
    return next(iter(estimate_sources(sources.blocks(), settings)))[0]


def _joined(parts):
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _table(columns, name, settings, meta):
    """A block as a table, its first column called as that of the input."""
    specification = settings.columns(sed_columns)
    named = specification.pop("name")
    specification.pop("message")
    dtype = columns["source"].dtype.str
    description = "what identifies the source"
    identity = {name: named._replace(dtype=dtype, description=description)}
    return column_table(columns | {name: columns["source"]}, identity | specification, meta)


def _count(columns, n, counts):
    """Add the sources of a block, those with an estimate, and their flags."""
    counts["sources"] += len(columns["ra"])
    counts["estimated"] += n
    for name, flag in Flag.__members__.items():
        counts[name] += int(((columns["peak_flags"] & flag) != 0).sum())
