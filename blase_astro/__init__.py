"""Synchrotron peaks of blazars, with honest intervals, for whole catalogs."""

from . import io  # importing it makes the SED formats known to Table.read  # noqa: F401
from ._lazy import lazy, tell_new_names
from ._version import __version__

# How to cite the package, and what it stands on (the catalogs: CITATION.cff).
__citation__ = f"""\
@software{{blase_astro,
  title = {{blase_astro: synchrotron peaks of blazars, with honest intervals, for whole catalogs}},
  author = {{{{The blase_astro developers}}}},
  version = {{{__version__}}},
}}
@article{{Glauch2022,
  title = {{BlaST: a machine-learning estimator for the synchrotron peak of blazars}},
  author = {{Glauch, Theo and Kerscher, Tobias and Giommi, Paolo}},
  journal = {{Astronomy and Computing}}, year = 2022, volume = 41, pages = 100646,
  doi = {{10.1016/j.ascom.2022.100646}},
}}
@inproceedings{{Lakshminarayanan2017,
  title = {{Simple and Scalable Predictive Uncertainty Estimation using Deep Ensembles}},
  author = {{Lakshminarayanan, Balaji and Pritzel, Alexander and Blundell, Charles}},
  booktitle = {{Advances in Neural Information Processing Systems 30}}, year = 2017,
}}
@article{{Chang2020,
  title = {{The Open Universe VOU-Blazars tool}},
  author = {{Chang, Yu-Ling and Brandt, Carlos Henrique and Giommi, Paolo}},
  journal = {{Astronomy and Computing}}, year = 2020, volume = 30, pages = 100350,
  doi = {{10.1016/j.ascom.2019.100350}},
}}
"""

# Public name: module. Loaded when first used, so that the package starts at once.
_PUBLIC = {
    "Distribution": "distribution",
    "Ensemble": "ensemble",
    "Flag": "flags",
    "Settings": "settings",
    "advise": "advice",
    "annotate": "catalog",
    "estimate": "estimates",
    "estimate_points": "points",
    "explain": "advice",
    "match": "catalog",
    "plot": "plotting",
    "read_sed": "io",
    "read_seds": "io",
}

__all__ = ["__citation__", "__version__", *_PUBLIC]
__getattr__, __dir__ = lazy(__name__, _PUBLIC)

tell_new_names(
    {
        f"{__name__}.{old}": f"{__name__}.{new}"
        for old, new in {
            "dataset": "training",
            "train": "training",
            "refine": "evaluate",
            "report": "evaluate",
            "io.vou_points": "io",
        }.items()
    }
)
