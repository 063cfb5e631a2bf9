"""
Simulated blazars
=================

SEDs with a known peak: to train networks, to test a method, to see what a survey would see.
"""

# %%
# 300 sources as gamma-ray blazars are, seen by radio, optical, X-ray and gamma-ray surveys.

import matplotlib.pyplot as plt
import numpy as np

from blase_astro.simulate import simulate_seds

points, truth = simulate_seds(300, seed=1)
first = truth["log_nu_peak", "log_nufnu_peak", "redshift", "source_class"][:4]
first.round(2)
first

# %%
# The best sampled source of each class, with its true peak.

n_points = np.bincount(points.sed[~points.upper_limit], minlength=len(truth))
peak = np.asarray(truth["log_nu_peak"])
fig, axes = plt.subplots(1, 3, figsize=(13, 4.5), sharex=True, layout="constrained")
for ax, name, low, high in zip(axes, ("LSP", "ISP", "HSP"), (0, 14, 15), (14, 15, 20), strict=True):
    best = np.argmax(np.where((peak >= low) & (peak < high), n_points, 0))
    rows = (points.sed == best) & ~points.upper_limit & (points.nufnu > 0)
    ax.plot(np.log10(points.frequency[rows]), np.log10(points.nufnu[rows]), ".", color="#0072B2")
    ax.axvline(peak[best], color="#D55E00", label=f"true peak {peak[best]:.2f}")
    ax.set(title=f"{name}, {truth['source_class'][best]}", xlabel=r"$\log_{10}\,(\nu$ / Hz)")
    ax.legend()
axes[0].set_ylabel(r"$\log_{10}\,(\nu F_\nu$ / erg s$^{-1}$ cm$^{-2}$)")
plt.show()
