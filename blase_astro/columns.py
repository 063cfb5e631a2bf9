"""The columns of estimates and annotated catalogs: names, types, units, UCDs, descriptions."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .flags import Flag
from .targets import SED_CLASSES, TARGETS

if TYPE_CHECKING:
    from ._types import Any, ArrayLike, Mapping, Sequence, Table

__all__ = [
    "EMPTY",
    "MATCH_COLUMNS",
    "Specification",
    "column_table",
    "estimate_columns",
    "quantile_name",
    "sed_columns",
]


class Specification(NamedTuple):
    """What a column is, but for its values.

    Attributes
    ----------
    dtype : str
        Type of numpy; ``'U'`` for text of any length.
    unit : str or None
        Unit in astropy's words.
    ucd : str
        Unified content descriptor of the IVOA.
    description : str
        One line; ``{percent}`` stands for the level of the intervals.
    format : str or None
        How a number is shown.
    """

    dtype: str
    unit: str | None
    ucd: str
    description: str
    format: str | None = None


def quantile_name(p: float) -> str:
    """End of the name of a quantile's column: ``q16`` for 0.16, ``q2p5`` for 0.025.

    Parameters
    ----------
    p : float
        Probability.

    Returns
    -------
    name : str
        Letters and digits alone.

    Examples
    --------
    >>> from blase_astro.columns import quantile_name
    >>> quantile_name(0.025), quantile_name(1e-7)
    ('q2p5', 'q0p00001')
    """
    return "q" + f"{100 * p:.8f}".rstrip("0").rstrip(".").replace(".", "p")


_ENDS = {
    "": ("", ""),
    "_lo": (";stat.min", "lower end of the {percent}-percent interval of the "),
    "_hi": (";stat.max", "upper end of the {percent}-percent interval of the "),
}


def _log_columns(name, quantity, log_of, ucd):
    """Columns of a value in log10 with the ends of its interval."""
    return {
        f"{name}{end}": Specification(
            "f8", None, ucd + sub, f"log10 of {log_of}: {text}{quantity}", ".2f"
        )
        for end, (sub, text) in _ENDS.items()
    }


def _target_columns(target, quantiles):
    """Columns of one target: linear, then log10."""
    name, words = target.name, f"{target.words}, observer frame"
    linear = {
        name + end: Specification("f8", target.unit, target.ucds[end], text + words, ".3g")
        for end, (_, text) in _ENDS.items()
    }
    log = _log_columns(f"log_{name}", words, target.unit_text, target.ucd)
    text = f"half the central 68.27-percent interval of log_{name} (dex)"
    log[f"log_{name}_std"] = Specification("f8", None, target.ucds["_std"], text, ".2f")
    for p in quantiles:
        text = f"{100 * p:g}-percent quantile of log_{name}"
        log[f"log_{name}_{quantile_name(p)}"] = Specification("f8", None, target.ucd, text, ".2f")
    return linear | log


_CLASSES = {
    "peak_class": Specification(
        "U3",
        None,
        "src.class",
        "most probable class: LSP (nu_peak < 1e14 Hz), ISP, HSP (>= 1e15 Hz), UNK unknown",
    ),
} | {
    f"p_{name.lower()}": Specification(
        "f8", None, "stat.probability;src.class", f"probability of {name}", ".2f"
    )
    for name in SED_CLASSES
}
_QUALITY = {
    "peak_quality": Specification(
        "i2", None, "meta.code.qual", "3 good, 2 to be used with care, 1 poor, 0 no estimate"
    ),
    "peak_flags": Specification(
        "i4", None, "meta.code.qual", "sum of " + ", ".join(f"{f.value} {f.name}" for f in Flag)
    ),
}
_BAG = {
    "bag": Specification(
        "i2",
        None,
        "meta.code",
        "bag of the training set that holds the source (its networks alone estimate); -1 none",
    ),
    "bag_sep": Specification(
        "f8", "arcsec", "pos.angDistance", "separation from that training source", ".2f"
    ),
}
_COUNTS = {
    "n_points": Specification("i4", None, "meta.number", "usable points of the SED in the bins"),
    "n_bins": Specification("i4", None, "meta.number", "frequency bins that hold points"),
}
_REST = {
    "redshift": Specification("f8", None, "src.redshift", "redshift used for the rest frame", ".3f")
} | (
    _log_columns(
        "log_nu_peak_rest", "frequency of the synchrotron peak, rest frame", "Hz", "em.freq"
    )
    | _log_columns(
        "log_l_peak", "nu L_nu at the synchrotron peak, isotropic", "erg s-1", "phys.luminosity"
    )
)


def estimate_columns(
    quantiles: Sequence[float] = (), *, pdf: bool = False, rest: bool = False
) -> dict[str, Specification]:
    """Columns of an annotated catalog, in their order.

    Parameters
    ----------
    quantiles : sequence of float
        Probabilities whose quantiles have columns.
    pdf : bool
        Whether the distribution of the peak frequency has a column.
    rest : bool
        Whether there are columns of the rest frame.

    Returns
    -------
    columns : dict of str to Specification
        By name.

    Examples
    --------
    >>> from blase_astro.columns import estimate_columns
    >>> list(estimate_columns())[:4]
    ['nu_peak', 'nu_peak_lo', 'nu_peak_hi', 'log_nu_peak']
    """
    columns = _target_columns(TARGETS["nu_peak"], quantiles)
    if pdf:
        columns["log_nu_peak_pdf"] = Specification(
            "f4",
            None,
            "stat.probability;em.freq",
            "probability density of log_nu_peak (1 / dex) at PDFFIRST, PDFFIRST + PDFSTEP, ...",
            ".3f",
        )
    columns |= _target_columns(TARGETS["nufnu_peak"], quantiles)
    return columns | _CLASSES | _QUALITY | _BAG | _COUNTS | (_REST if rest else {})


def sed_columns(
    quantiles: Sequence[float] = (), *, pdf: bool = False, rest: bool = False
) -> dict[str, Specification]:
    """Columns of a table of estimates: what identifies an SED first, what went wrong last.

    Parameters
    ----------
    quantiles, pdf, rest
        As for `estimate_columns`.

    Returns
    -------
    columns : dict of str to Specification
        By name.

    Examples
    --------
    >>> from blase_astro.columns import sed_columns
    >>> list(sed_columns())[-1]
    'message'
    """
    return (
        {
            "name": Specification("U", None, "meta.id;meta.main", "name of the SED"),
            "ra": Specification(
                "f8", "deg", "pos.eq.ra;meta.main", "right ascension of the SED (ICRS)", ".5f"
            ),
            "dec": Specification(
                "f8", "deg", "pos.eq.dec;meta.main", "declination of the SED (ICRS)", ".5f"
            ),
        }
        | estimate_columns(quantiles, pdf=pdf, rest=rest)
        | {
            "message": Specification(
                "U", None, "meta.note", "why there is no estimate; empty where there is"
            )
        }
    )


MATCH_COLUMNS = (
    _BAG
    | {"bag_source": Specification("U", None, "meta.id.cross", "name of that training source")}
    | {"peak_flags": _QUALITY["peak_flags"]}
)
# What a row without a (usable) SED holds, where it is not NaN.
EMPTY = {
    "peak_class": "UNK",
    "peak_quality": 0,
    "peak_flags": 0,
    "bag": -1,
    "n_points": 0,
    "n_bins": 0,
}


def column_table(
    arrays: Mapping[str, ArrayLike],
    specification: Mapping[str, Specification],
    meta: dict[str, Any],
    prefix: str = "",
) -> Table:
    """Arrays as a Table with units, descriptions and UCDs.

    Parameters
    ----------
    arrays : dict of array_like, shape (n, ...) each
        Values by name of the column; which of the specified ones are there depends on the targets.
    specification : dict of str to Specification
        From `estimate_columns` or `sed_columns`, or `MATCH_COLUMNS`.
    meta : dict
        Metadata of the table; ``PILEVEL`` goes to the descriptions of the intervals.
    prefix : str
        Put before the names.

    Returns
    -------
    table : `~astropy.table.Table`
        The table, its columns in the order of the specification.
    """
    from astropy.table import Column, Table
    from astropy.units import Unit

    percent = f"{100 * meta.get('PILEVEL', 0.95):g}"
    columns = []
    for name, (dtype, unit, ucd, description, form) in specification.items():
        if name in arrays:
            columns.append(
                Column(
                    np.asarray(arrays[name], dtype),
                    name=prefix + name,
                    unit=None if unit is None else Unit(unit),
                    description=description.format(percent=percent),
                    format=form,
                    meta={"ucd": ucd},
                )
            )
    if "message" in specification:
        from .view import Estimates as Table
    return Table(columns, meta=meta, copy=False)
