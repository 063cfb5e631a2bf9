"""The columns of estimates and annotated catalogs: names, types, units, UCDs, descriptions."""

import numpy as np

from .flags import Flag
from .targets import SED_CLASSES

__all__ = ["EMPTY", "ESTIMATE_COLUMNS", "MATCH_COLUMNS", "SED_COLUMNS", "column_table"]


def _target_columns(target, quantity, unit, ucd, log_of):
    """Columns of one target: linear, then log10; name: (dtype, unit, UCD, description)."""
    ends = {
        "": ("", ""),
        "_lo": (";stat.min", "lower end of the {percent}-percent interval of the "),
        "_hi": (";stat.max", "upper end of the {percent}-percent interval of the "),
    }
    linear = {
        target + end: ("f8", unit, ucd + sub, text + quantity) for end, (sub, text) in ends.items()
    }
    log = {
        f"log_{target}{end}": ("f8", None, ucd + sub, f"log10 of {log_of}: {text}{quantity}")
        for end, (sub, text) in ends.items()
    }
    first_ucd = ucd.split(";")[0]
    std = ("f8", None, f"stat.stdev;{first_ucd}", f"standard deviation of log_{target} (dex)")
    return linear | log | {f"log_{target}_std": std}


# name: (dtype, unit, UCD, description), in the order of an annotated catalog
ESTIMATE_COLUMNS = (
    _target_columns(
        "nu_peak", "frequency of the synchrotron peak, observer frame", "Hz", "em.freq", "Hz"
    )
    | _target_columns(
        "nufnu_peak",
        "nu F_nu at the synchrotron peak, observer frame",
        "erg / (s cm2)",
        "phot.flux;em.freq",
        "erg s-1 cm-2",
    )
    | {
        "sed_class": (
            "U3",
            None,
            "src.class",
            "most probable class: LSP (nu_peak < 1e14 Hz), ISP, HSP (>= 1e15 Hz), UNK unknown",
        ),
    }
    | {
        f"p_{name.lower()}": ("f4", None, "stat.probability;src.class", f"probability of {name}")
        for name in SED_CLASSES
    }
    | {
        "bag": (
            "i2",
            None,
            "meta.code",
            "bag of the training set that holds the source (its networks alone estimate); -1 none",
        ),
        "bag_sep": ("f8", "arcsec", "pos.angDistance", "separation from that training source"),
        "n_points": ("i4", None, "meta.number", "number of usable points of the SED in the bins"),
        "n_bins": ("i4", None, "meta.number", "number of frequency bins that hold points"),
        "flags": (
            "i4",
            None,
            "meta.code.qual",
            "sum of " + ", ".join(f"{flag.value} {flag.name}" for flag in Flag),
        ),
    }
)
# What identifies an SED goes before its estimate, what went wrong behind it.
SED_COLUMNS = (
    {
        "name": ("U", None, "meta.id;meta.main", "name of the SED file"),
        "ra": ("f8", "deg", "pos.eq.ra;meta.main", "right ascension of the SED (ICRS)"),
        "dec": ("f8", "deg", "pos.eq.dec;meta.main", "declination of the SED (ICRS)"),
    }
    | ESTIMATE_COLUMNS
    | {"message": ("U", None, "meta.note", "why there is no estimate; empty where there is")}
)
MATCH_COLUMNS = {
    "bag": ESTIMATE_COLUMNS["bag"],
    "bag_sep": ESTIMATE_COLUMNS["bag_sep"],
    "bag_source": ("U", None, "meta.id.cross", "name of that training source"),
    "flags": ESTIMATE_COLUMNS["flags"],
}
# What a row without a (usable) SED holds, where it is not NaN.
EMPTY = {"sed_class": "UNK", "bag": -1, "n_points": 0, "n_bins": 0, "flags": 0}


def column_table(arrays, specification, meta, prefix=""):
    """Arrays as a Table with units, descriptions and UCDs.

    Parameters
    ----------
    arrays : dict of array_like, shape (n,) each
        Values by name of the column; which of the specified ones are there depends on the targets.
    specification : dict
        `ESTIMATE_COLUMNS`, `SED_COLUMNS` or `MATCH_COLUMNS`.
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
    for name, (dtype, unit, ucd, description) in specification.items():
        if name in arrays:
            columns.append(
                Column(
                    np.asarray(arrays[name], dtype),
                    name=prefix + name,
                    unit=None if unit is None else Unit(unit),
                    description=description.format(percent=percent),
                    meta={"ucd": ucd},
                )
            )
    return Table(columns, meta=meta, copy=False)
