"""Peaks in the rest frame of their sources, and luminosities."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ._types import ArrayLike, Mapping

__all__ = ["rest_frame"]


def rest_frame(
    columns: Mapping[str, np.ndarray], redshift: ArrayLike, cosmology: str = "Planck18"
) -> dict[str, np.ndarray]:
    """Peaks in the rest frame, from estimates in the observer's frame and redshifts.

    The distributions are moved as a whole, by log10 of 1 + z and of 4 pi times the squared
    luminosity distance: so are the medians and the ends of the intervals.

    Parameters
    ----------
    columns : dict of ndarray, shape (n,) each
        Estimates by name of the column (`~blase_astro.estimates.estimate_binned`).
    redshift : ndarray of float, shape (n,)
        Redshifts; what is not finite or not above 0 is not known.
    cosmology : str
        Name of a cosmology of `astropy.cosmology`.

    Returns
    -------
    columns : dict of ndarray of float64, shape (n,) each
        ``redshift``, ``log_nu_peak_rest`` and ``log_l_peak`` (nu L_nu at the peak, as if it
        shone alike in all directions) with the ends of their intervals; NaN without a redshift.

    Raises
    ------
    ValueError
        If astropy has no cosmology of that name.

    Examples
    --------
    >>> import numpy as np
    >>> from blase_astro.rest import rest_frame
    >>> peak = {'log_nu_peak': np.array([13.0]), 'log_nufnu_peak': np.array([-11.0])}
    >>> moved = rest_frame(peak, [1.0])
    >>> moved['log_nu_peak_rest'].round(3).tolist(), moved['log_l_peak'].round(2).tolist()
    ([13.301], [46.74])
    """
    redshift = np.array(redshift, dtype=float)
    redshift[~(np.isfinite(redshift) & (redshift > 0))] = np.nan
    moved = {"redshift": redshift}
    shifts = {
        "nu_peak": ("log_nu_peak_rest", np.log10(1 + redshift)),
        "nufnu_peak": ("log_l_peak", _log_area(redshift, cosmology)),
    }
    for target, (name, shift) in shifts.items():
        for end in ("", "_lo", "_hi"):
            if f"log_{target}{end}" in columns:
                moved[name + end] = columns[f"log_{target}{end}"] + shift
    return moved


def _log_area(redshift, name):
    """log10 of the area (cm2) over which the light has spread, luminosity distance included."""
    distances = np.full(redshift.shape, np.nan)
    known = np.isfinite(redshift)
    if known.any():
        some, place = np.unique(redshift[known], return_inverse=True)
        distances[known] = named_cosmology(name).luminosity_distance(some).to_value("cm")[place]
    return np.log10(4 * np.pi) + 2 * np.log10(distances)


def named_cosmology(name):
    """A cosmology of astropy by its name."""
    from astropy import cosmology

    if name not in cosmology.available:
        raise ValueError(f"cosmology: wanted {', '.join(cosmology.available)}; got {name!r}")
    return getattr(cosmology, name)
