"""How the answer moves without each band and each catalog of an SED."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from ..columns import Specification, column_table
from ..io import read_sed
from ..io.table import Points, points_from_seds, sed_arrays, standard_sed, texts
from ..sed import MIN_BINS, bin_points, usable
from ..settings import Settings, load_ensembles
from ..sky import icrs
from ..targets import CLASS_EDGES, SED_CLASSES
from ..times import time_meta, within
from .bands import band_columns
from .fillings import Fillings
from .observing import bags, predict
from .starlight import p_starlight

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .._types import Any, AnyPath, Position, Table

__all__ = ["explain", "plot_explanation", "write_explanation_figure"]

# From this many standard deviations on the fluxes of a catalog are called suspicious.
SUSPICIOUS = 3.0
# Draws of what the other measurements lead to expect.
_DRAWS = 64
# Scatter of measurements in one bin (dex): variability and what catalogs differ by.
_SCATTER = 0.2

COLUMNS = {
    "without": Specification("U", None, "meta.id", "what was left out; empty for nothing"),
    "kind": Specification("U7", None, "meta.code", "band, catalog, or all: the SED as it is"),
    "n_points": Specification("i4", None, "meta.number", "its usable points"),
    "log_nu_peak": Specification("f8", None, "em.freq", "log10 of Hz: median without it", ".2f"),
    "log_nu_peak_lo": Specification(
        "f8", None, "em.freq;stat.min", "lower end of the {percent}-percent interval", ".2f"
    ),
    "log_nu_peak_hi": Specification(
        "f8", None, "em.freq;stat.max", "upper end of the {percent}-percent interval", ".2f"
    ),
    "shift": Specification(
        "f8", None, "stat.error", "how far the median moves when it is left out (dex)", "+.2f"
    ),
    "widening": Specification(
        "f8", None, "stat.error", "how much wider the interval becomes without it (dex)", "+.2f"
    ),
    "peak_class": Specification("U3", None, "src.class", "most probable class without it"),
    "offset": Specification(
        "f8", None, "stat.error",
        "how far its fluxes lie above what all others lead to expect (dex)", "+.2f",
    ),
    "offset_sigma": Specification(
        "f8", None, "stat.error", "the same in standard deviations of what is expected", "+.1f"
    ),
}  # fmt: skip


def explain(
    sed: AnyPath | Table,
    *,
    fillings: Fillings | AnyPath | None = None,
    position: Position | None = None,
    mjd: Any = None,
    undated: str = "drop",
    command: str = "",
    **options: Any,
) -> Table:
    """How the estimate moves without each band and each catalog, and which of them does not fit.

    Parameters
    ----------
    sed : path-like or `~astropy.table.Table`
        One SED.
    fillings : `~blase_astro.advice.Fillings` or path-like, optional
        What tells whether a catalog fits the others; by default that of the package, where it
        belongs to the networks.
    position : `~astropy.coordinates.SkyCoord` or pair, optional
        Position of the source, instead of that in the file.
    mjd, undated
        As for `~blase_astro.estimate`.
    command : str
        What makes the table, for its metadata.
    **options
        ``ensemble``, ``level``, ``radius``, ``bag``, ``population`` (but ``'self'``, which one SED
        is too few for), ``shortest``: see `~blase_astro.Settings`.

    Returns
    -------
    explanation : `~astropy.table.Table`
        The SED as it is, then without each band from the radio on, then without each catalog, the
        one that fits the others least first. ``meta['PSTAR']`` is the probability that the host
        galaxy gives most of the optical light, where there is some (``p_starlight``).

    Raises
    ------
    ValueError
        If the SED has too few usable points, or an option makes no sense.
    OSError
        If the file cannot be read.

    Examples
    --------
    >>> from blase_astro import explain
    >>> explanation = explain('catalogs/demo_sed.txt')
    >>> explanation['kind'][:2].tolist()
    ['all', 'band']
    """
    settings = Settings.of(options)
    if "nu_peak" not in settings.ensembles:
        raise ValueError("explaining needs the ensemble for nu_peak")
    if isinstance(settings.population, str) and settings.population == "self":
        raise ValueError("population: one SED has none of its own; wanted training, flat or a file")
    sed = standard_sed(sed) if hasattr(sed, "colnames") else read_sed(sed)
    if mjd is not None:
        sed = within(sed, mjd, undated)
    edges = settings.first.bin_edges
    groups = _groups(sed, edges)
    points = points_from_seds([sed])
    binned = _binned(points, [~rows for _, _, rows in groups], edges)
    if np.isfinite(binned[0]).sum() < MIN_BINS:
        raise ValueError(
            f"nothing to explain: usable points in {np.isfinite(binned[0]).sum()} frequency bins, "
            f"{MIN_BINS} needed for an estimate"
        )
    where = icrs(position) if position is not None else (points.ra, points.dec)
    if len(where[0]) != 1:
        raise ValueError(f"position: wanted that of the one SED, got {len(where[0])}")
    bag = np.repeat(bags(where, settings), len(groups))
    arrays, distribution = _estimates(binned, bag, settings)
    arrays |= {
        "without": [name for name, _, _ in groups],
        "kind": [kind for _, kind, _ in groups],
        "n_points": [int(rows.sum()) for _, _, rows in groups],
    }
    arrays["n_points"][0] = int(_used(sed, edges).sum())
    own = _binned(points, [rows for _, _, rows in groups], edges)
    known = _fillings(settings, fillings)
    arrays |= _offsets(own, binned, bag, distribution, known)
    star = p_starlight(binned[:1], edges)[0]
    meta = (
        settings.meta(command)
        | time_meta(mjd)
        | ({"PSTAR": float(star)} if np.isfinite(star) else {})
    )
    table = column_table(arrays, COLUMNS, meta)
    doubt = np.nan_to_num(np.abs(np.asarray(arrays["offset_sigma"])))
    place = np.array([["all", "band", "catalog"].index(kind) for kind in arrays["kind"]])
    order = np.lexsort([np.where(place == 2, -doubt, np.arange(len(doubt))), place])
    return table[order]


def _used(sed, edges):
    """Which rows count: usable, and inside a bin."""
    arrays = sed_arrays(sed)
    with np.errstate(divide="ignore", invalid="ignore"):
        log_nu = np.log10(arrays[0])[:, None]
    return usable(*arrays) & ((log_nu >= edges[:, 0]) & (log_nu < edges[:, 1])).any(axis=1)


def _groups(sed, edges):
    """What can be left out: name, kind, rows of the SED; the first is nothing."""
    used = _used(sed, edges)
    groups = [("", "all", np.zeros(len(sed), bool))]
    with np.errstate(divide="ignore", invalid="ignore"):
        log_nu = np.log10(np.asarray(sed_arrays(sed)[0]))[:, None]
    for band, columns in band_columns(edges).items():
        own = edges[columns]
        groups.append((band, "band", ((log_nu >= own[:, 0]) & (log_nu < own[:, 1])).any(axis=1)))
    catalog = texts(sed, "catalog")
    for name in sorted(set(catalog) - {""}):
        groups.append((name, "catalog", catalog == name))
    return [
        (name, kind, rows & used)
        for name, kind, rows in groups
        if kind == "all" or ((rows & used).any() and (used & ~rows).any())
    ]


def _binned(points, masks, edges):
    """The SED with some of its rows, binned; one row a mask."""
    n = len(masks)
    rows = np.concatenate([np.flatnonzero(mask) for mask in masks])
    copy = np.repeat(np.arange(n), [int(mask.sum()) for mask in masks])
    nowhere = np.full(n, np.nan)
    heads = [""] * n, nowhere, nowhere, nowhere, [""] * n
    return bin_points(Points(*heads, copy, *(column[rows] for column in points[6:])), edges)[0]


def _estimates(binned, bag, settings):
    """What the networks say without each group, by column, and their distributions."""
    enough = np.isfinite(binned).sum(axis=1) >= MIN_BINS
    distribution = predict(np.where(enough[:, None], binned, np.nan), bag, settings)
    median = distribution.median()
    lo, hi = distribution.interval(settings.level, shortest=settings.shortest)
    best = np.argmax(np.nan_to_num(distribution.between(CLASS_EDGES)), axis=1)
    arrays = {
        "log_nu_peak": median,
        "log_nu_peak_lo": lo,
        "log_nu_peak_hi": hi,
        "shift": median - median[0],
        "widening": (hi - lo) - (hi - lo)[0],
        "peak_class": np.where(enough, np.array(SED_CLASSES)[best], "UNK"),
    }
    return arrays, distribution


def _fillings(settings, fillings):
    """The fillings to judge with; None where those of the package are of other networks."""
    if fillings is not None:
        return Fillings.load(fillings) if isinstance(fillings, (str, os.PathLike)) else fillings
    try:
        return Fillings.of(settings.ensembles["nu_peak"])
    except ValueError:
        return None


def _offsets(own, rest, bag, distribution, fillings):
    """How far each group's fluxes lie above what the rest leads to expect."""
    offset, sigma = np.full((2, len(own)), np.nan)
    rows = np.flatnonzero(distribution.known & (np.arange(len(own)) > 0))
    if fillings is not None and len(rows):
        drawn, _ = fillings.draw(rest[rows], bag[rows], distribution[rows], _DRAWS)
        apart = np.nanmean(own[rows, None] - drawn, axis=2)
        offset[rows] = apart.mean(axis=1)
        sigma[rows] = offset[rows] / np.hypot(apart.std(axis=1), _SCATTER)
    return {"offset": offset, "offset_sigma": sigma}


def plot_explanation(
    sed: Table,
    explanation: Table,
    figure: Figure | None = None,
    *,
    edges: np.ndarray | None = None,
) -> Figure:
    """An SED and, beside it, the estimates without each band and catalog.

    Parameters
    ----------
    sed : `~astropy.table.Table`
        The SED.
    explanation : `~astropy.table.Table`
        From `explain`.
    figure : `~matplotlib.figure.Figure`, optional
        Where to draw; a new one by default.
    edges : ndarray of float, shape (n_bins, 2), optional
        Frequency bins of the networks, log10 of Hz; those of the package's by default.

    Returns
    -------
    figure : `~matplotlib.figure.Figure`
        With two Axes.

    Examples
    --------
    >>> from blase_astro import explain, read_sed
    >>> from blase_astro.advice import plot_explanation
    >>> sed = read_sed('catalogs/demo_sed.txt')
    >>> len(plot_explanation(sed, explain(sed)).axes)
    2
    """
    from matplotlib.figure import Figure

    from ..io.names import shown
    from ..plotting import plot_sed

    edges = load_ensembles()[0].bin_edges if edges is None else edges
    n = len(explanation)
    figure = figure or Figure(figsize=(12, max(5.0, 2 + 0.28 * n)), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[1.3, 1])
    peak, lo, hi = (
        np.asarray(explanation[f"log_nu_peak{end}"], float) for end in ("", "_lo", "_hi")
    )
    level = explanation.meta.get("PILEVEL", 0.95)
    plot_sed(sed, left, peak=peak[0], interval=(lo[0], hi[0]), level=level, edges=edges)
    doubt = np.abs(np.nan_to_num(np.asarray(explanation["offset_sigma"], float))) >= SUSPICIOUS
    place = np.arange(n)
    for rows, colour, label in (
        (~doubt, "#0072B2", None),
        (doubt, "#D55E00", f"off by {SUSPICIOUS:g} sigma or more"),
    ):
        if rows.any():
            bars = [(peak - lo)[rows], (hi - peak)[rows]]
            right.errorbar(peak[rows], place[rows], xerr=bars, fmt="o", ms=4, color=colour,
                           label=label)  # fmt: skip
    right.axvline(peak[0], color="#999999", lw=1)
    right.axvspan(lo[0], hi[0], color="#E69F00", alpha=0.15, lw=0)
    names = [shown(str(name)) for name in explanation["without"]]
    kinds = [str(kind) for kind in explanation["kind"]]
    right.set_yticks(
        place,
        [
            ("all points" if k == "all" else f"without {w}").replace("$", r"\$")
            for w, k in zip(names, kinds, strict=True)
        ],
        fontsize="small",
    )
    right.invert_yaxis()
    right.set_xlabel(r"$\log_{10}\,(\nu_{\mathrm{peak}}$ / Hz)")
    if doubt.any():
        right.legend(fontsize="small")
    return figure


def write_explanation_figure(
    sed: Table,
    explanation: Table,
    output: AnyPath,
    *,
    edges: np.ndarray | None = None,
    overwrite: bool = False,
) -> None:
    """Draw `plot_explanation` to a file.

    Parameters
    ----------
    sed, explanation, edges
        As for `plot_explanation`.
    output : path-like
        File to write: ``.pdf``, ``.png`` or ``.svg``.
    overwrite : bool
        Replace an existing file.

    Raises
    ------
    ValueError
        If the suffix is not known.
    OSError
        If the file exists already or cannot be written.

    Examples
    --------
    >>> from blase_astro import explain, read_sed
    >>> from blase_astro.advice import write_explanation_figure
    >>> sed = read_sed('catalogs/demo_sed.txt')
    >>> write_explanation_figure(sed, explain(sed), 'explanation.png')
    """
    from pathlib import Path

    from ..io.output import placed

    suffix = Path(output).suffix.lower()
    if suffix not in (".pdf", ".png", ".svg"):
        raise ValueError(f"{output}: no known suffix; wanted .pdf, .png or .svg")
    with placed(output, overwrite=overwrite) as beside:
        plot_explanation(sed, explanation, edges=edges).savefig(beside, format=suffix[1:], dpi=130)
