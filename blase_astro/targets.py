"""What is estimated: the targets and the usual names of their columns, classes and their edges."""

import numpy as np

__all__ = ["CLASS_EDGES", "SED_CLASSES", "sed_class"]

SED_CLASSES = ("LSP", "ISP", "HSP")
CLASS_EDGES = (14.0, 15.0)  # log10 Hz, observer frame; an edge belongs to the class above it


def sed_class(log_nu_peak):
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
