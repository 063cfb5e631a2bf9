"""
Are the intervals honest?
=========================

Out of bag, each training source is estimated by the networks that never saw it, and its
intervals are calibrated without it. So the labels can be counted.
"""

# %%
# Reliability: of intervals that promise a probability, which share holds the label? The lines
# should follow the diagonal. PIT: where the labels fall in their distributions; it should be
# flat.

import matplotlib.pyplot as plt
import numpy as np

from blase_astro import Ensemble
from blase_astro.evaluate import n_bins_groups, out_of_bag, plot_pit, plot_reliability

table = out_of_bag(Ensemble.load())
fig, axes = plt.subplots(1, 2, figsize=(11, 5), layout="constrained")
plot_reliability(np.asarray(table["cdf"]), axes[0], groups=n_bins_groups(table["n_bins"]))
plot_pit(np.asarray(table["pit"]), axes[1])
plt.show()

# %%
# The coverage of the intervals at several probabilities, and the median error.

from blase_astro.evaluate import evaluate

label, median, lo, hi = (np.asarray(table[name]) for name in ("label", "estimate", "lo", "hi"))
inside = (lo <= label) & (label <= hi)
print(f"{len(table)} sources, 95-percent intervals hold {inside.mean():.1%} of the labels")
print(f"within one standard deviation: {np.mean(np.abs(label - median) <= table['std']):.1%}")
scores = evaluate(label, median, lo, hi, level=0.95)[0]
print(f"median error {scores['abs_error_median']:.2f} dex")

# %%
# Narrow intervals are more than honest ones. Here all of them are ordered by their width: a
# source with few points gets a wide interval.

from blase_astro.evaluate import plot_intervals

fig, ax = plt.subplots(figsize=(9, 4.5), layout="constrained")
plot_intervals(label, lo, hi, ax)
plt.show()
