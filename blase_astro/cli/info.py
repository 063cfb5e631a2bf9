"""``blase info``: what this package is, and what made a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..io.names import shown
from .options import add_ensemble_option, say, warnings_said

if TYPE_CHECKING:
    from .._types import Any

__all__ = ["add_info"]

# What our tables say of themselves, in words.
_MEANING = {
    "BLASEVER": "version of blase_astro",
    "BLASECMD": "command",
    "PILEVEL": "level of the intervals",
    "PIFRAME": "frame",
    "MATCHRAD": "radius of a match (arcsec)",
    "POPULAT": "population",
    "COSMOLOG": "cosmology",
    "MJDFROM": "measurements from (MJD)",
    "MJDTO": "measurements to (MJD)",
    "NUENSEM": "ensemble of nu_peak",
    "NFENSEM": "ensemble of nufnu_peak",
}


def add_info(commands: Any) -> None:
    parser = commands.add_parser(
        "info", help="version and ensembles; of a file, which command and ensembles made it"
    )
    parser.add_argument(
        "path", nargs="?", help="a table that blase wrote, or an ensemble (default: the package's)"
    )
    add_ensemble_option(parser)
    parser.set_defaults(run=_run_info, output=None)


def _run_info(options):
    from pathlib import Path

    path = Path(options.path) if options.path else None
    if path is not None and not path.exists():
        raise FileNotFoundError(f"{path} does not exist; wanted a table or an ensemble")
    with warnings_said(options):
        if path is None or path.is_dir() or path.suffix == ".npz":
            _about_ensembles(path or options.ensemble)
            return 0
        return _about_table(path, options)


def _about_ensembles(path):
    import numpy

    from .._version import __version__
    from ..evaluate.labels import out_of_bag_line
    from ..settings import load_ensembles

    if path is None:
        print(f"blase_astro {__version__}, numpy {numpy.__version__}")
    for ensemble in load_ensembles(path):
        print(f"{out_of_bag_line(ensemble)}")
        print(f"  digest {ensemble.digest[:16]}")
        print(f"  {ensemble.n_bags} bags of {ensemble.n_members} members, ", end="")
        print(f"{len(ensemble.bin_edges)} frequency bins")
        for name in ("version", "training_set", "created", "preset", "seed"):
            if ensemble.meta.get(name) not in (None, ""):
                print(shown(f"  {name.replace('_', ' ')}: {ensemble.meta[name]}"))


def _infos(path):
    """INFO elements of a VOTable, which tables in memory do not have."""
    from ..io.files import content_format
    from ..io.votable_files import votable_infos

    return votable_infos(path) if content_format(path) == "votable" else {}


def _about_table(path, options):
    """What a table says of itself, and whether these ensembles made it; 1 if it is none of ours."""
    from ..io.files import read_catalog
    from ..settings import load_ensembles

    table = read_catalog(path)
    known = {str(key).upper(): value for key, value in table.meta.items()} | _infos(path)
    n, m = len(table), len(table.colnames)
    print(shown(f"{path}: {n} row{'s' * (n != 1)}, {m} column{'s' * (m != 1)}"))
    if not any(key in known for key in _MEANING):
        say(options)("nothing says what made it; CSV keeps columns alone")
        return 1
    digests = [ensemble.digest for ensemble in load_ensembles(options.ensemble)]
    for key, words in _MEANING.items():
        if key in known:
            value = str(known[key])
            if key in ("NUENSEM", "NFENSEM"):
                same = any(digest.startswith(value) for digest in digests)
                value += " (the one at hand)" if same else " (another than the one at hand)"
            print(shown(f"  {words}: {value}"))
    return 0
