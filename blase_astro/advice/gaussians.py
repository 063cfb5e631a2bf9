"""Normal distributions of binned SEDs about each peak, from SEDs of which each lacks many bins."""

import numpy as np

from .fillings import conditional_gain

__all__ = []

# Scatter of the labels about a peak whose SEDs still count there (dex): real, simulated ones.
_SCATTER, _SIMULATED_SCATTER = 0.4, 0.3
# What a simulated SED counts beside a real one, and how many real ones' worth of the covariance of
# simulated SEDs is mixed in.
_SIMULATED_WEIGHT, _MIXED_IN = 0.1, 20.0
_STEPS = 10
# Simulated SEDs that are used: more change little.
_N_SIMULATED = 4000
# Where nothing is known: independent scatter of the bins and that of the level (dex squared).
_OWN, _LEVEL = 0.25, 0.15


def fit_all(binned, label, bag, simulated, simulated_label, peaks):
    """Means and covariances about each peak: without the sources of each bag, and of all.

    Parameters
    ----------
    binned, label, bag, simulated, simulated_label
        As for `blase_astro.advice.Fillings.fit`.
    peaks : ndarray of float, shape (n_peaks,)
        Peaks to fit about.

    Returns
    -------
    mean : ndarray of float64, shape (n_bags + 1, n_peaks, n_bins)
        Means.
    covariance : ndarray of float64, shape (n_bags + 1, n_peaks, n_bins, n_bins)
        Covariances.
    """
    binned, simulated = np.asarray(binned, float), np.asarray(simulated, float)[:_N_SIMULATED]
    simulated_label = np.asarray(simulated_label, float)[:_N_SIMULATED]
    n_bins = binned.shape[1]
    start = _OWN * np.eye(n_bins) + _LEVEL
    priors = []
    for peak in peaks:
        weight = _near(simulated_label, peak, _SIMULATED_SCATTER)
        priors.append(fit_normal(simulated, weight, start, 5.0)[1])
    label = np.asarray(label, float)
    all_seds = np.concatenate([binned, simulated])
    mean = np.empty((bag.max() + 2, len(peaks), n_bins))
    covariance = np.empty((*mean.shape, n_bins))
    for b in range(len(mean)):
        others = (bag != b) & np.isfinite(label)
        for k, peak in enumerate(peaks):
            weight = np.concatenate(
                [
                    np.where(others, _near(label, peak, _SCATTER), 0),
                    _SIMULATED_WEIGHT * _near(simulated_label, peak, _SCATTER),
                ]
            )
            mean[b, k], covariance[b, k] = fit_normal(all_seds, weight, priors[k], _MIXED_IN)
    return mean, covariance


def _near(label, peak, scatter):
    """Weights of SEDs by how near their labels are; nothing where there is none."""
    weight = np.exp(-0.5 * ((label - peak) / scatter) ** 2)
    return np.where(weight > 1e-3, weight, 0)


def fit_normal(binned, weight, prior, prior_weight):
    """Mean and covariance of SEDs with empty bins, by expectation maximisation.

    Parameters
    ----------
    binned : ndarray of float, shape (n, n_bins)
        Binned SEDs, NaN where empty.
    weight : ndarray of float, shape (n,)
        What each counts.
    prior : ndarray of float, shape (n_bins, n_bins)
        Covariance that is mixed in, and begun with.
    prior_weight : float
        How many SEDs it counts as much as.

    Returns
    -------
    mean : ndarray of float64, shape (n_bins,)
        Mean.
    covariance : ndarray of float64, shape (n_bins, n_bins)
        Covariance (Dempster, Laird and Rubin 1977; Little and Rubin 2002, section 11.2).
    """
    use = weight > 0
    binned, weight = binned[use], weight[use]
    filled = np.isfinite(binned)
    there = np.where(filled, binned, 0)
    each = weight[:, None] * filled
    level = (there * each).sum() / max(each.sum(), 1e-9)
    mean = (there * each).sum(axis=0) + level
    mean /= each.sum(axis=0) + 1
    covariance, total = prior, weight.sum()
    for _ in range(_STEPS):
        gain = conditional_gain(np.broadcast_to(covariance, (len(binned), *prior.shape)), filled)
        offset = np.where(filled, binned - mean, 0)
        expected = mean + np.einsum("ni,nij->nj", offset, gain)
        mean = weight @ expected / total
        residual = expected - mean
        # What the given bins leave open of the others, summed over the SEDs.
        told = covariance @ np.einsum("n,nij->ij", weight, gain)
        scatter = (weight[:, None] * residual).T @ residual + total * covariance - told
        scatter = (scatter + scatter.T) / 2 + prior_weight * prior
        covariance = scatter / (total + prior_weight) + 1e-4 * np.eye(len(mean))
    return mean, covariance
