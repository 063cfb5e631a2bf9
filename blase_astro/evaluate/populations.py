"""The distribution of peaks of a catalog, freed of the errors of single sources."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np

from ..distribution import Distribution
from ..estimates import estimate_arrays
from ..population import find_population
from ..settings import Settings, load_ensembles
from ..targets import CLASS_EDGES, SED_CLASSES

if TYPE_CHECKING:
    from .._types import Any, AnyPath, Axes, Ensembles, Table

__all__ = ["plot_population", "population_of", "population_table", "write_population_figure"]

# What is shown is the distribution itself: more steps, less smoothing than for a prior.
_SHARP: dict[str, Any] = {"n_steps": 30, "smoothing": 0.1, "mixed_in": 1.0}


def population_table(
    estimates: Table, *, ensemble: Ensembles | None = None, n_bootstrap: int = 200, seed: int = 0
) -> Table:
    """The distribution of peaks of a catalog, with bands from a bootstrap.

    Parameters
    ----------
    estimates : `~astropy.table.Table`
        Made with ``pdf=True``: it has the column ``log_nu_peak_pdf``, under the training
        population (the default).
    ensemble : path-like or list of `~blase_astro.Ensemble`, optional
        The networks that made it; by default those that come with the package.
    n_bootstrap : int
        How often sources are drawn anew, with replacement.
    seed : int
        Seed of the random numbers.

    Returns
    -------
    population : `~astropy.table.Table`
        ``log_nu_peak``, ``density`` (1 / dex) with ``density_lo`` and ``density_hi`` (16 and 84
        percent of the bootstrap), the ``histogram`` of the medians (1 / dex) and the density of
        the ``training`` sources. ``meta``: number of sources, and share and error of each class.

    Raises
    ------
    ValueError
        If the column is missing, was made by other networks, or holds no estimate.

    Notes
    -----
    The histogram of the medians is the distribution of peaks smeared by the errors and drawn
    towards the training population; the density is what the expectation maximisation of
    `~blase_astro.population.find_population` finds behind them.

    Examples
    --------
    >>> from blase_astro import estimate
    >>> from blase_astro.evaluate import population_table
    >>> estimates = estimate('catalogs/demo_seds.zip', pdf=True)
    >>> population_table(estimates, n_bootstrap=5).colnames[:2]
    ['log_nu_peak', 'density']
    """
    from astropy.table import Table

    network = next((e for e in load_ensembles(ensemble) if e.target == "nu_peak"), None)
    if network is None:
        raise ValueError("a population needs the ensemble for nu_peak")
    distribution = _distributions(estimates, network)
    training = network.population
    step = training.grid[1] - training.grid[0]
    found = find_population(distribution, training, **_SHARP).share
    rng, n = np.random.default_rng(seed), len(distribution)
    drawn = np.zeros((n_bootstrap, len(found)))
    for i in range(n_bootstrap):
        weight = np.bincount(rng.integers(0, n, n), minlength=n)
        drawn[i] = find_population(distribution, training, weight, **_SHARP).share
    lo, hi = np.quantile(drawn, [0.16, 0.84], axis=0) if n_bootstrap else (found, found)
    histogram, _ = np.histogram(
        distribution.median(), np.append(training.grid, training.grid[-1] + step) - step / 2
    )
    table = Table({"log_nu_peak": training.grid, "density": found / step})
    table["density_lo"], table["density_hi"] = lo / step, hi / step
    table["histogram"] = histogram / n / step
    table["training"] = training.share / step
    table.meta |= {"NSOURCE": n, "NUENSEM": network.digest[:16]}
    table.meta |= _classes(training.grid, found, drawn)
    return _described(table)


def _distributions(estimates, network):
    """Distributions from the column of densities."""
    if "log_nu_peak_pdf" not in estimates.colnames:
        raise ValueError(
            "estimates: wanted the column log_nu_peak_pdf, which --pdf (Python: pdf=True) gives; "
            f"got {', '.join(estimates.colnames[:8])}, ..."
        )
    if str(estimates.meta.get("POPULAT", "training")).strip() != "training":
        raise ValueError(
            "estimates: made with another population than that of the training; their "
            "distributions have it in them already"
        )
    made_by = str(estimates.meta.get("NUENSEM", "")).strip()
    if made_by and made_by != network.digest[:16]:
        raise ValueError(
            f"estimates: made by the ensemble {made_by}, not by {network.digest[:16]}; "
            "name theirs with --ensemble DIR"
        )
    column = estimates["log_nu_peak_pdf"]
    if column.ndim != 2 or column.dtype.kind != "f":
        raise ValueError(
            "estimates: log_nu_peak_pdf: wanted an array of numbers a row, which FITS, VOTable, "
            f"ECSV and Parquet hold; got {column.dtype} of shape {column.shape}"
        )
    density = np.ma.filled(np.ma.asarray(column, float), np.nan)
    try:
        first, step = (float(estimates.meta[key]) for key in ("PDFFIRST", "PDFSTEP"))
    except KeyError as error:
        raise ValueError(
            f"estimates: wanted {error.args[0]} in the metadata, where the densities begin and how "
            "far apart they are; got a table that has lost it"
        ) from None
    known = np.isfinite(density).all(axis=1) & (density.sum(axis=1) > 0)
    if not known.any():
        raise ValueError("estimates: no row has an estimate")
    probability = density[known] / density[known].sum(axis=1, keepdims=True)
    grid = first + step * np.arange(density.shape[1])
    if len(grid) == len(network.population.grid) and np.allclose(grid, network.population.grid):
        grid = network.population.grid  # a header may have rounded it
    return Distribution(grid, probability)


def _classes(grid, found, drawn):
    """Share of each class and its error, for the metadata."""
    share = Distribution(grid, found[None]).between(CLASS_EDGES)[0]
    meta = {f"FRAC{name}": round(float(s), 4) for name, s in zip(SED_CLASSES, share, strict=True)}
    if len(drawn):
        error = Distribution(grid, drawn).between(CLASS_EDGES).std(axis=0)
        pairs = zip(SED_CLASSES, error, strict=True)
        meta |= {f"EFRAC{name}": round(float(e), 4) for name, e in pairs}
    return meta


_DESCRIPTIONS = {
    "log_nu_peak": ("em.freq", "log10 of Hz: synchrotron peak, observer frame"),
    "density": ("stat.probability;em.freq", "density of sources, freed of their errors (1 / dex)"),
    "density_lo": ("stat.probability;stat.min", "16 percent of the bootstrap (1 / dex)"),
    "density_hi": ("stat.probability;stat.max", "84 percent of the bootstrap (1 / dex)"),
    "histogram": ("stat.probability", "histogram of the medians (1 / dex)"),
    "training": ("stat.probability", "density of the training sources (1 / dex)"),
}


def _described(table):
    for name, (ucd, text) in _DESCRIPTIONS.items():
        table[name].info.description = text
        table[name].info.meta = {"ucd": ucd}
        table[name].info.format = ".4f" if name != "log_nu_peak" else ".2f"
    return table


def population_of(
    source: AnyPath,
    *,
    ensemble: Any = None,
    say: Any = None,
    jobs: Any = 1,
    progress: Any = None,
    **options: Any,
) -> Table:
    """Table of estimates from a file of them, or from SEDs.

    Parameters
    ----------
    source : path-like
        A table of estimates with ``log_nu_peak_pdf``, or SEDs.
    ensemble, say, jobs, progress
        As for `~blase_astro.estimate`.
    **options
        As for `population_table`.

    Returns
    -------
    population : `~astropy.table.Table`
        As from `population_table`.

    Examples
    --------
    >>> from blase_astro.evaluate import population_of
    >>> population_of('catalogs/demo_seds.zip', n_bootstrap=5).meta['NSOURCE'] > 15
    True
    """
    from ..io.files import file_format, read_catalog

    table = None
    with suppress(ValueError):  # no table by its name
        file_format(source)
        if os.path.isfile(source):
            table = read_catalog(source)
    if table is None or "frequency" in table.colnames:
        from ..columns import column_table

        settings = Settings(ensemble=ensemble, pdf=True)
        columns = estimate_arrays(source, settings, jobs=jobs, progress=progress, say=say)
        table = column_table(columns, settings.columns(), settings.meta())
    return population_table(table, ensemble=ensemble, **options)


def plot_population(population: Table, ax: Axes | None = None) -> Axes:
    """The distribution of peaks of a catalog beside the histogram of its medians.

    Parameters
    ----------
    population : `~astropy.table.Table`
        From `population_table`.
    ax : `~matplotlib.axes.Axes`, optional
        Where to draw; the current Axes by default.

    Returns
    -------
    ax : `~matplotlib.axes.Axes`
        With the density, its band of 68 percent, the histogram, and the training population.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from blase_astro import estimate
    >>> from blase_astro.evaluate import plot_population, population_table
    >>> population = population_table(estimate('catalogs/demo_seds.zip', pdf=True), n_bootstrap=5)
    >>> plot_population(population, Figure().add_subplot()).get_ylabel()
    'share of sources per dex'
    """
    from ..drawing import axes_or_current

    ax = axes_or_current(ax)
    x = np.asarray(population["log_nu_peak"])
    step = x[1] - x[0]
    edges = np.append(x - step / 2, x[-1] + step / 2)
    n = population.meta["NSOURCE"]
    ax.stairs(population["histogram"], edges, fill=True, color="#999999", alpha=0.35,
              label=f"medians of {n} sources")  # fmt: skip
    ax.fill_between(x, population["density_lo"], population["density_hi"], color="#0072B2",
                    alpha=0.3, lw=0, label="68 percent of the bootstrap")  # fmt: skip
    ax.plot(x, population["density"], color="#0072B2", lw=2, label="freed of errors")
    ax.plot(x, population["training"], color="#D55E00", lw=1, ls="--", label="training sources")
    for edge in CLASS_EDGES:
        ax.axvline(edge, color="#999999", lw=0.8, ls=":")
    ax.set(xlabel=r"$\log_{10}\,(\nu_{\mathrm{peak}}$ / Hz)", ylabel="share of sources per dex",
           xlim=(11.5, 18.5), ylim=(0, None))  # fmt: skip
    ax.legend(fontsize="small")
    return ax


def write_population_figure(population: Table, output: AnyPath, *, overwrite: bool = False) -> None:
    """Draw the distribution of peaks of a catalog to a file.

    Parameters
    ----------
    population : `~astropy.table.Table`
        From `population_table`.
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
    >>> from blase_astro.evaluate import population_of, write_population_figure
    >>> population = population_of('catalogs/demo_seds.zip', n_bootstrap=5)
    >>> write_population_figure(population, 'population.png')
    """
    from pathlib import Path

    from matplotlib.figure import Figure

    from ..io.output import placed

    suffix = Path(output).suffix.lower()
    if suffix not in (".pdf", ".png", ".svg"):
        raise ValueError(f"{output}: no known suffix; wanted .pdf, .png or .svg")
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    plot_population(population, figure.add_subplot())
    with placed(output, overwrite=overwrite) as beside:
        figure.savefig(beside, format=suffix[1:], dpi=150)
