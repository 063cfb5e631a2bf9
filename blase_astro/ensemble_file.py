"""Files of ensembles: plain arrays with a header and a checksum, validated once and in full.

Version 2 holds networks that give probabilities on a grid, or normal ones; version 1, of the
first edition, holds normal ones and is turned into version 2 when it is read.
"""

from __future__ import annotations

import hashlib
import json
import math
from typing import TYPE_CHECKING

import numpy as np

from .io.bounded import read_npz
from .io.output import placed
from .targets import TARGETS

if TYPE_CHECKING:
    from ._types import Any, AnyPath, Mapping

__all__ = ["FORMAT_VERSION", "checksum", "read_ensemble", "write_ensemble"]

FORMAT_VERSION = 2
# No ensemble is larger: a file that claims more is refused before it is read.
_MAX_BYTES = 2**29
_MAX_HEADER = 2**22
# Beyond this the products of float32 overflow.
_MAX_WEIGHT = 1e5
# log10 of a peak's frequency or flux, and its scatter, are well within.
_MAX_LABEL = 100


def checksum(header: dict[str, Any], arrays: Mapping[str, np.ndarray]) -> str:
    """SHA-256 of a header and arrays.

    Parameters
    ----------
    header : dict
        What JSON can hold.
    arrays : dict of ndarray
        Plain arrays by name.

    Returns
    -------
    digest : str
        Hexadecimal digits.
    """
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def write_ensemble(path: AnyPath, header: dict[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    """Write header and arrays to a file ``.npz``, whole or not at all.

    Parameters
    ----------
    path : path-like
        The file; an existing one is replaced.
    header, arrays
        As `read_ensemble` returns them.
    """
    header = header | {"format_version": FORMAT_VERSION}
    compact: dict[str, Any] = {name: _compact(array) for name, array in arrays.items()}
    with placed(path, overwrite=True) as beside, open(beside, "wb") as file:
        np.savez_compressed(
            file,
            header=np.array(json.dumps(header, sort_keys=True)),
            sha256=np.array(checksum(header, compact)),
            **compact,
        )


def _compact(array):
    """Numbers of float32 that float16 holds as well take half of the room."""
    if array.dtype == np.float32:
        with np.errstate(over="ignore"):
            short = array.astype(np.float16)
        if np.array_equal(short, array):
            return short
    return array


def read_ensemble(path: AnyPath) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Read header and arrays of an ensemble, verified and validated.

    Parameters
    ----------
    path : path-like
        The file.

    Returns
    -------
    header : dict
        ``target``, ``subtract_level``, ``n_layers``, ``meta``.
    arrays : dict of ndarray
        Names as `~blase_astro.Ensemble` has them, with ``weight_0``, ``source_ra``, ...

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is no ensemble, of another format version, or damaged.
    """
    header, arrays = _load(path)
    version = header.pop("format_version", None)
    if version not in (1, FORMAT_VERSION) or isinstance(version, bool):
        raise ValueError(
            f"{path}: wanted format version 1 or {FORMAT_VERSION}, got {version!r}; "
            "a newer blase_astro may read it"
        )
    stored = str(arrays.pop("sha256"))
    if stored != checksum(header | {"format_version": version}, arrays):
        raise ValueError(f"{path}: damaged ensemble (its checksum does not fit)")
    try:
        _validate(header, arrays, largest_score=np.inf if version == 1 else 1.0)
    except _Wrong as error:
        raise ValueError(f"{path}: no valid ensemble: {error}") from None
    if version == 1 and "calibration_score" in arrays:
        # Residuals in standard deviations, to the central probability of the normal distribution.
        score = np.array([math.erf(s / math.sqrt(2)) for s in arrays["calibration_score"]])
        arrays["calibration_score"] = score
    return header, arrays


def _load(path):
    """Header and arrays as they are in the file."""
    try:
        arrays = read_npz(path, _MAX_BYTES)
        text = str(arrays.pop("header"))
        header = json.loads(text) if len(text) < _MAX_HEADER else None
    except FileNotFoundError:
        raise
    except (ValueError, KeyError, OSError, RecursionError) as error:
        raise ValueError(f"{path}: wanted an ensemble saved by blase_astro ({error})") from None
    if not isinstance(header, dict) or "sha256" not in arrays:
        raise ValueError(f"{path}: wanted an ensemble saved by blase_astro (no header or checksum)")
    return header, arrays


class _Wrong(ValueError):
    """What is wrong with the content of an ensemble."""


def _validate(header, arrays, largest_score):
    """Refuse what no training makes: shapes, finiteness and ranges of everything."""
    if header.get("target") not in TARGETS:
        raise _Wrong(f"target: wanted one of {', '.join(TARGETS)}, got {header.get('target')!r}")
    for name, kind in (("subtract_level", bool), ("n_layers", int), ("meta", dict)):
        if type(header.get(name)) is not kind:
            raise _Wrong(f"{name}: wanted {kind.__name__}, got {header.get(name)!r:.40}")
    n_bins = _validate_bins(arrays)
    shape, n_out = _validate_layers(header, arrays, n_bins)
    _validate_output(arrays, shape, n_out)
    _validate_sources(arrays, shape[0], n_out)
    if any(name.startswith("calibration_") for name in arrays):
        _validate_calibration(arrays, largest_score)
    if "reference" in header["meta"]:
        _validate_reference(header["meta"]["reference"])


def _numbers(arrays, name, shape, kinds="f"):
    """An array of numbers of a shape (None: any length), all finite."""
    if name not in arrays:
        raise _Wrong(f"lacks the array {name}")
    array = arrays[name]
    wanted = ", ".join("any" if n is None else str(n) for n in shape)
    fits = array.ndim == len(shape)
    fits = fits and all(n in (None, m) for n, m in zip(shape, array.shape, strict=True))
    if array.dtype.kind not in kinds or not fits:
        raise _Wrong(f"{name}: wanted numbers of shape ({wanted}), got {array.dtype} {array.shape}")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise _Wrong(f"{name}: not finite")
    return array


def _validate_bins(arrays):
    edges = _numbers(arrays, "bin_edges", (None, 2))
    if (
        not len(edges)
        or not (np.diff(edges.ravel()) >= 0).all()
        or (edges[:, 0] == edges[:, 1]).any()
    ):
        raise _Wrong("bin_edges: wanted rising bins that do not overlap")
    if len(edges) > 62:
        raise _Wrong(f"bin_edges: wanted at most 62 bins, got {len(edges)}")
    return len(edges)


def _validate_layers(header, arrays, n_bins):
    """Bags and members, and the number of outputs, of layers that follow one another."""
    if not 1 <= header["n_layers"] <= 100:
        raise _Wrong(f"n_layers: wanted 1 to 100, got {header['n_layers']}")
    n_in, shape = 2 * n_bins + header["subtract_level"], (None, None)
    for i in range(header["n_layers"]):
        weight = _numbers(arrays, f"weight_{i}", (*shape, n_in, None))
        shape, n_in = weight.shape[:2], weight.shape[3]
        bias = _numbers(arrays, f"bias_{i}", (*shape, n_in))
        largest = max(float(np.abs(a).max(initial=0)) for a in (weight, bias))
        if largest > _MAX_WEIGHT:
            raise _Wrong(f"weight_{i}, bias_{i}: beyond {_MAX_WEIGHT:g}, which no training makes")
    if min(*shape, n_in) < 1:
        raise _Wrong("no member, or no output")
    return shape, n_in


def _validate_output(arrays, shape, n_out):
    if "grid" in arrays:
        grid = _numbers(arrays, "grid", (n_out,))
        step = np.diff(grid)
        if n_out < 2 or step.min() <= 0 or np.ptp(step) > 1e-6:
            raise _Wrong("grid: wanted values that rise in equal steps")
        return
    if n_out != 2:
        raise _Wrong(f"without a grid: wanted 2 outputs, got {n_out}")
    if np.abs(_numbers(arrays, "label_mean", shape)).max() > _MAX_LABEL:
        raise _Wrong(f"label_mean: beyond {_MAX_LABEL}, which no logarithm of a peak is")
    std = _numbers(arrays, "label_std", shape)
    if std.min() <= 0 or std.max() > _MAX_LABEL:
        raise _Wrong(f"label_std: wanted positive numbers up to {_MAX_LABEL}")


def _validate_sources(arrays, n_bags, n_grid):
    names = arrays.get("source_name")
    if names is None or names.dtype.kind != "U" or names.ndim != 1:
        raise _Wrong("source_name: wanted texts")
    n = len(names)
    ra, dec = (_numbers(arrays, f"source_{c}", (n,)) for c in ("ra", "dec"))
    if (np.abs(dec) > 90).any() or (np.abs(ra) > 720).any():
        raise _Wrong("source_ra, source_dec: no positions")
    bag = _numbers(arrays, "source_bag", (n,), "iu")
    if n and not (bag.min() >= 0 and bag.max() < n_bags):
        raise _Wrong(f"source_bag: wanted 0 to {n_bags - 1}, got {bag.min()} to {bag.max()}")
    _numbers(arrays, "source_n_bins", (n,), "iu")
    label = arrays.get("source_label")
    if label is None or label.dtype.kind != "f" or label.shape != (n,):
        raise _Wrong(f"source_label: wanted {n} numbers")
    if "source_oob_probability" in arrays:
        p = _numbers(arrays, "source_oob_probability", (n, n_grid))
        if (
            "grid" not in arrays
            or p.min(initial=0) < 0
            or not (p.sum(axis=1, dtype=float) > 0).all()
        ):
            raise _Wrong("source_oob_probability: wanted probabilities on the grid")
        _numbers(arrays, "source_oob_base", (n,))
    else:
        for name in ("oob_mean", "oob_std"):
            column = arrays.get(f"source_{name}")
            if column is None or column.dtype.kind != "f" or column.shape != (n,):
                raise _Wrong(f"source_{name}: wanted {n} numbers")
        if (arrays["source_oob_std"] <= 0).any():
            raise _Wrong("source_oob_std: wanted positive numbers")


def _validate_calibration(arrays, largest_score):
    lowest = _numbers(arrays, "calibration_lowest_n_bins", (None,), "iu")
    size = _numbers(arrays, "calibration_size", (len(lowest),), "iu")
    if not len(size) or size.min() < 1 or (np.diff(lowest) <= 0).any():
        raise _Wrong("calibration: wanted groups that rise and are not empty")
    score = _numbers(arrays, "calibration_score", (int(size.sum()),))
    groups = np.split(score, np.cumsum(size)[:-1])
    rising = all((np.diff(group) > 0).all() for group in groups)
    if not rising or score.min() < 0 or score.max() > largest_score:
        raise _Wrong("calibration_score: wanted rising probabilities")


def _validate_reference(reference):
    """What flags compare with: see `~blase_astro.flags.flag_reference`."""
    try:
        lowest, highest = (float(x) for x in reference["level"])
        numbers = [lowest, highest, float(reference["spread"])]
        patterns = np.array(reference["patterns"], dtype=np.int64)
    except (KeyError, TypeError, ValueError, OverflowError):
        raise _Wrong("meta.reference: wanted level, spread and patterns") from None
    if not np.isfinite(numbers).all() or patterns.ndim != 1 or lowest > highest:
        raise _Wrong("meta.reference: wanted finite numbers")
