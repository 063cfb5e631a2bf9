"""What is estimated: the two targets and their columns, the classes and their edges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .io.values import numbers

if TYPE_CHECKING:
    from ._types import ArrayLike, Table

__all__ = ["CLASS_EDGES", "SED_CLASSES", "TARGETS", "Target", "log10_column", "sed_class"]

SED_CLASSES = ("LSP", "ISP", "HSP")
CLASS_EDGES = (14.0, 15.0)  # log10 Hz, observer frame; an edge belongs to the class above it


@dataclass(frozen=True)
class Target:
    """One quantity that is estimated, and how tables and figures speak of it.

    Parameters
    ----------
    name : str
        Name of the column in linear units; ``log_`` goes before that of log10.
    index : int
        Place among the targets, as in labels of shape (n, 2).
    unit, unit_text : str
        Unit, as astropy writes it and as sentences do.
    ucd : str
        UCD of the quantity.
    words : str
        What it is.
    axis : str
        Label of an axis, of log10.
    labels : tuple of str
        Columns of known values, in this order; those not named ``log...`` are linear.
    log_range : tuple of float
        log10 of what a source can have, to tell log10 from linear where a column has no unit.
    """

    name: str
    index: int
    unit: str
    unit_text: str
    ucd: str
    words: str
    axis: str
    labels: tuple
    log_range: tuple

    @property
    def ucds(self) -> dict[str, str]:
        """UCD of the value and, by the end of their names, of what goes with it."""
        return {
            "": self.ucd,
            "_lo": f"{self.ucd};stat.min",
            "_hi": f"{self.ucd};stat.max",
            "_std": f"stat.stdev;{self.ucd.split(';')[0]}",
        }

    def label_column(self, table: Table) -> str | None:
        """The column of a table that holds known values, None if there is none.

        Parameters
        ----------
        table : `~astropy.table.Table`
            Any catalog.

        Returns
        -------
        name : str or None
            The first of ``labels`` that is there, in any case.
        """
        there = {name.lower(): name for name in reversed(table.colnames)}
        return next((there[name.lower()] for name in self.labels if name.lower() in there), None)


TARGETS = {
    target.name: target
    for target in (
        Target(
            name="nu_peak",
            index=0,
            unit="Hz",
            unit_text="Hz",
            ucd="em.freq",
            words="frequency of the synchrotron peak",
            axis=r"$\log_{10}\,(\nu_{\mathrm{peak}}$ / Hz)",
            labels=("log_nu_peak_label", "log_nu_peak", "nu_peak", "nu_syn", "lognu_peak",
                    "log_nu_syn"),
            log_range=(8, 22),
        ),
        Target(
            name="nufnu_peak",
            index=1,
            unit="erg / (s cm2)",
            unit_text="erg s-1 cm-2",
            ucd="phot.flux;em.freq",
            words="nu F_nu at the synchrotron peak",
            axis=r"$\log_{10}\,(\nu F_\nu$ at the peak / erg s$^{-1}$ cm$^{-2}$)",
            labels=("log_nufnu_peak_label", "log_nufnu_peak", "nufnu_peak", "nuFnu_syn",
                    "log_nuFnu_syn"),
            log_range=(-20, -5),
        ),
    )
}  # fmt: skip


def log10_column(table: Table, name: str, target: str) -> np.ndarray:
    """Column of a table as log10 of a target, whatever it is written in.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Any catalog, n rows.
    name : str
        The column: in a unit of the target, linear or ``dex``; or without unit, then log10, or
        linear where the name is one that catalogs use for linear values and the values are such.
    target : {'nu_peak', 'nufnu_peak'}
        What it holds.

    Returns
    -------
    values : ndarray of float64, shape (n,)
        log10 in the unit of the target; NaN where masked, not positive, or 0, which some catalogs
        write for no value.

    Raises
    ------
    ValueError
        If there is no such column, or it holds something else.

    Examples
    --------
    >>> from astropy import units as u
    >>> from astropy.table import Table
    >>> from blase_astro.targets import log10_column
    >>> table = Table({'peak': [1e5, 0.0] * u.GHz, 'log_nu_peak': [14.0, 0.0]})
    >>> log10_column(table, 'peak', 'nu_peak'), log10_column(table, 'log_nu_peak', 'nu_peak')
    (array([14., nan]), array([14., nan]))
    """
    wanted = TARGETS[target]
    if name not in table.colnames:
        raise ValueError(f"the table has no column {name!r}; it has {', '.join(table.colnames)}")
    values, unit = numbers(table, name), getattr(table[name], "unit", None)
    if len(values) and table[name].dtype.kind in "SU" and np.isnan(values).all():
        raise ValueError(f"column {name!r} must hold numbers; it holds text")
    has_unit = unit is not None and str(unit).strip() != ""
    is_log, offset = _log_unit(unit, name, wanted) if has_unit else (True, 0.0)
    if not has_unit and not _without_unit(values, name, wanted):
        is_log = False
    elif not is_log:
        values = numbers(table, name, wanted.unit)
    with np.errstate(divide="ignore", invalid="ignore"):
        log = values + offset if is_log else np.log10(values)
    return np.where((values == 0) | ~np.isfinite(log), np.nan, log)


def _log_unit(unit, name, target):
    """Whether a unit is that of log10, and log10 of it in that of the target."""
    from astropy import units as u

    if unit == u.dex:
        return True, 0.0
    if not isinstance(unit, u.DexUnit):
        return False, 0.0
    try:
        return True, np.log10(unit.physical_unit.to(target.unit))
    except u.UnitConversionError:
        raise ValueError(
            f"column {name!r} has the unit {str(unit)!r}; wanted one that converts to "
            f"dex({target.unit})"
        ) from None


def _without_unit(values, name, target):
    """Whether the values of a column without unit are log10; what need not be is refused."""
    some = values[np.isfinite(values) & (values != 0)]
    if not len(some):
        return True
    low, high = target.log_range
    middle = np.median(some)
    looks_log, looks_linear = low <= middle <= high, 10.0**low <= middle <= 10.0**high
    linear = {label.lower() for label in target.labels if label[:3] != "log"}
    linear |= {f"{target.name}{end}" for end in target.ucds}
    if name.lower() in linear and looks_log != looks_linear:
        return looks_log
    if looks_linear or np.abs(some).max() > 50 or name.lower() in linear:
        raise ValueError(
            f"column {name!r} has no unit, so wanted log10 of {target.unit}, got {some.max():g}; "
            "give the column its unit"
        )
    return True


def sed_class(log_nu_peak: ArrayLike) -> np.ndarray:
    """Class of a synchrotron peak: LSP below 1e14 Hz, ISP below 1e15 Hz, else HSP.

    Parameters
    ----------
    log_nu_peak : array_like, shape (n,)
        Peak frequency, log10 of Hz, observer frame.

    Returns
    -------
    sed_class : ndarray of str, shape (n,)
        ``'LSP'``, ``'ISP'`` or ``'HSP'``; ``'UNK'`` where the frequency is NaN.

    Notes
    -----
    The classes of Abdo, A. A., et al. 2010, ApJ 716, 30, as used in 4LAC.

    Examples
    --------
    >>> from blase_astro.targets import sed_class
    >>> print(sed_class([13.2, 14.0, 15.0, float('nan')]))
    ['LSP' 'ISP' 'HSP' 'UNK']
    """
    log_nu_peak = np.asarray(log_nu_peak, float)
    names = np.array(SED_CLASSES)[np.digitize(np.nan_to_num(log_nu_peak), CLASS_EDGES)]
    return np.where(np.isnan(log_nu_peak), "UNK", names)
