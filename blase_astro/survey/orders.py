"""Settings as text, for the processes that do a part of the work."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

import numpy as np

from ..population import Population
from ..settings import Settings

if TYPE_CHECKING:
    from .._types import Any, Ensembles

__all__ = ["order_of", "settings_of"]

_PLAIN = [f.name for f in fields(Settings) if f.init and f.name not in ("ensemble", "population")]


def order_of(settings: Settings) -> dict[str, Any]:
    """Settings as what JSON can hold, without their ensembles.

    Parameters
    ----------
    settings : `~blase_astro.Settings`
        The options; not with a population that is still to be found.

    Returns
    -------
    order : dict
        What `settings_of` takes.
    """
    order = {name: getattr(settings, name) for name in _PLAIN}
    order["bag"] = None if settings.bag is None else int(settings.bag)
    population = settings.population
    if isinstance(population, Population):
        grid, share, support = population
        population = [grid.tolist(), share.tolist(), [float(end) for end in support]]
    return order | {"population": population}


def settings_of(order: dict[str, Any], ensemble: Ensembles) -> Settings:
    """The settings again.

    Parameters
    ----------
    order : dict
        From `order_of`.
    ensemble : path-like, list of `~blase_astro.Ensemble` or None
        The ensembles.

    Returns
    -------
    settings : `~blase_astro.Settings`
        Equal to those that the order was made of.
    """
    population = order["population"]
    if isinstance(population, list):
        grid, share, support = population
        population = Population(np.array(grid), np.array(share), tuple(support))
    return Settings(**(order | {"population": population}), ensemble=ensemble)
