"""The options of all that estimates: one list, checked once."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, fields
from functools import lru_cache
from hashlib import sha256
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ._version import __version__
from .angles import arcsec
from .columns import sed_columns
from .ensemble import Ensemble
from .population import (
    Population,
    flat,
    read_population,
)
from .rest import named_cosmology
from .targets import TARGETS

if TYPE_CHECKING:
    from ._types import Callable, Mapping

__all__ = ["Settings", "load_ensembles"]


@dataclass(frozen=True, eq=False)
class Settings:
    """What an estimate depends on besides the SED: the options of all that estimates.

    Parameters
    ----------
    ensemble : path-like, `~blase_astro.Ensemble` or list of them, optional
        The networks; by default those that come with the package.
    level : float
        Probability of the intervals.
    radius : float, `~astropy.units.Quantity` or str
        Largest separation from a training source, arcsec without unit.
    bag : int, optional
        Force the members of a bag, -1 for all; by default those that never saw the source.
    population : {'training', 'flat', 'self'}, path-like, Table or Population
        How common each peak frequency is held to be: as among the training sources, all equally,
        as in the catalog itself (found by expectation maximisation), or as a file of
        ``blase population`` says.
    quantiles : sequence of float
        Probabilities whose quantiles are given as well.
    pdf : bool
        Whether the whole distribution of the peak frequency is given.
    shortest : bool
        Shortest intervals instead of central ones.
    rest : bool
        Whether there are columns of the rest frame as well, for SEDs that state a redshift.
    cosmology : str
        Name of the cosmology of ``astropy.cosmology`` for their luminosities.

    Raises
    ------
    ValueError
        If a value makes no sense.
    OSError
        If an ensemble or a population cannot be read.

    Examples
    --------
    >>> from blase_astro.settings import Settings
    >>> Settings(level=0.68, radius='0.1 arcmin').radius
    6.0
    """

    ensemble: object = None
    level: float = 0.95
    radius: object = 5.0
    bag: int | None = None
    population: object = "training"
    quantiles: tuple = ()
    pdf: bool = False
    shortest: bool = False
    rest: bool = False
    cosmology: str = "Planck18"
    ensembles: dict = field(init=False, repr=False)

    def __post_init__(self):
        ensembles = {e.target: e for e in load_ensembles(self.ensemble)}
        checked = {"ensembles": ensembles, "radius": arcsec(self.radius)}
        checked["level"] = _probability(self.level, "level")
        quantiles = (self.quantiles,) if np.ndim(self.quantiles) == 0 else self.quantiles
        checked["quantiles"] = tuple(_probability(p, "quantiles") for p in quantiles)
        first, *others = ensembles.values()
        for other in others:
            if not np.array_equal(other.bin_edges, first.bin_edges):
                raise ValueError("the ensembles of the two targets have different frequency bins")
        n_bags = min(e.n_bags for e in ensembles.values())
        if self.bag is not None and (
            not isinstance(self.bag, Integral)
            or isinstance(self.bag, bool)
            or not -1 <= self.bag < n_bags
        ):
            raise ValueError(f"bag must be -1 (all members) or 0 to {n_bags - 1}; got {self.bag!r}")
        if self.rest:
            named_cosmology(self.cosmology)
        checked["population"] = _population(self.population, ensembles.get("nu_peak"))
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Settings:
        """Settings from a dictionary, with an error that helps where a name is not known."""
        known = [f.name for f in fields(cls) if f.init]
        for name in options:
            if name not in known:
                from difflib import get_close_matches

                near = get_close_matches(name, known, 1)
                hint = f"; did you mean {near[0]}?" if near else f"; known are {', '.join(known)}"
                raise TypeError(f"no option {name!r}{hint}")
        return cls(**options)

    @property
    def first(self) -> Ensemble:
        """The ensemble that the bags and flags speak of."""
        return next(iter(self.ensembles.values()))

    def columns(self, make: Callable = sed_columns) -> dict[str, Any]:
        """Specification of the columns that these settings give."""
        return make(self.quantiles, pdf=self.pdf, rest=self.rest)

    def fingerprint(self) -> dict[str, Any]:
        """What two outputs must agree in to be parts of one, as plain values for JSON."""
        population: Any = self.population
        if not isinstance(population, str):
            population = sha256(np.round(population.share, 12).tobytes()).hexdigest()[:16]
        return {
            "version": __version__,
            "ensembles": {target: e.digest for target, e in self.ensembles.items()},
            "level": self.level,
            "radius": self.radius,
            "bag": None if self.bag is None else int(self.bag),
            "population": population,
            "quantiles": list(self.quantiles),
            "pdf": bool(self.pdf),
            "shortest": bool(self.shortest),
            "rest": self.cosmology if self.rest else None,
        }

    def pdf_grid(self) -> tuple[float, float]:
        """First place and step of the grid of densities, log10 of Hz."""
        grid = self.ensembles["nu_peak"].grid
        return (10.0, 0.1) if grid is None else (float(grid[0]), float(grid[1] - grid[0]))

    def meta(self, command: str = "") -> dict[str, Any]:
        """What the table as a whole is told, with keys that fit a FITS header."""
        meta = {"PILEVEL": self.level, "PIFRAME": "observer"} | self.match_meta(command)
        name = self.population if isinstance(self.population, str) else "given"
        if self.pdf and "nu_peak" in self.ensembles:
            meta |= dict(zip(("PDFFIRST", "PDFSTEP"), self.pdf_grid(), strict=True))
        if self.rest:
            meta["COSMOLOG"] = self.cosmology
        return meta | {"POPULAT": name}

    def match_meta(self, command: str = "") -> dict[str, Any]:
        """As `meta`, of a table that holds no estimate."""
        meta = {"BLASEVER": __version__, "MATCHRAD": self.radius}
        keys = {"nu_peak": "NUENSEM", "nufnu_peak": "NFENSEM"}
        meta |= {keys[t]: e.digest[:16] for t, e in self.ensembles.items()}
        return meta | ({"BLASECMD": command} if command else {})


def _probability(value, name):
    if not isinstance(value, Real) or isinstance(value, bool) or not 0 < value < 1:
        raise ValueError(f"{name} must be a probability between 0 and 1; got {value!r}")
    return float(value)


def _population(population, ensemble):
    """A population by name, as it is, or from a file."""
    if isinstance(population, Population):
        return population
    if isinstance(population, str) and population in ("training", "self"):
        return population
    if ensemble is None:
        raise ValueError("a population needs the ensemble for nu_peak")
    training = ensemble.population
    if isinstance(population, str) and population == "flat":
        return flat(training)
    if not hasattr(population, "colnames") and not isinstance(population, (str, os.PathLike)):
        raise ValueError(
            f"population: wanted 'training', 'flat', 'self' or a file; got {population!r}"
        )
    if isinstance(population, str) and not os.path.exists(population):
        raise FileNotFoundError(
            f"population: wanted training, flat, self or a file; there is no file {population}"
        )
    return read_population(population, training)


def load_ensembles(ensemble: Any = None) -> list[Ensemble]:
    """Ensembles of both targets, or of those that are there.

    Parameters
    ----------
    ensemble : path-like, `~blase_astro.Ensemble` or list of them, optional
        A folder or file of ensembles, or the ensembles themselves; by default those that come
        with the package.

    Returns
    -------
    ensembles : list of `~blase_astro.Ensemble`
        That for the peak frequency first.

    Raises
    ------
    ValueError
        If a list holds none, two of one target, or something else.
    OSError
        If a file is missing.

    Examples
    --------
    >>> from blase_astro.settings import load_ensembles
    >>> [ensemble.target for ensemble in load_ensembles()]
    ['nu_peak', 'nufnu_peak']
    """
    if isinstance(ensemble, Ensemble):
        return [ensemble]
    if ensemble is not None and not isinstance(ensemble, (str, os.PathLike)):
        given = list(ensemble) if hasattr(ensemble, "__iter__") else [ensemble]
        if not given or not all(isinstance(e, Ensemble) for e in given):
            raise ValueError(f"ensemble: wanted a path or at least one Ensemble, got {given!r:.80}")
        if len({e.target for e in given}) < len(given):
            raise ValueError("ensemble: wanted one Ensemble a target, got several of one")
        return sorted(given, key=lambda e: TARGETS[e.target].index)
    if ensemble is None:
        return [_kept(None, target) for target in TARGETS]
    path = Path(ensemble)
    if not path.is_dir():
        return [Ensemble.load(path)]
    there = [target for target in TARGETS if (path / f"{target}.npz").is_file()]
    if not there:
        raise FileNotFoundError(f"{path} holds no ensemble; wanted nu_peak.npz or nufnu_peak.npz")
    return [Ensemble.load(path, target) for target in there]


@lru_cache
def _kept(path, target):
    """The shipped ensembles, read once a process."""
    return Ensemble.load(path, target)
