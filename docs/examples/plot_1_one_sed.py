"""
One SED and its distribution
============================

An SED, where its synchrotron emission peaks, and how sure that is.
"""

# %%
# In one line. Points that were used, upper limits as arrows, frequency bins as stripes; the
# star is the estimated peak, the band its 95-percent interval, and the strip above the axes
# shows the whole predictive distribution.

import matplotlib.pyplot as plt

import blase_astro

sed = blase_astro.read_sed("../../catalogs/demo_sed.txt")
fig, ax = plt.subplots(figsize=(8, 6), layout="constrained")
blase_astro.plot(sed, ax)
plt.show()

# %%
# The numbers behind it. Estimates are an astropy table, one row an SED.

estimates = blase_astro.estimate(sed, quantiles=[0.16, 0.84], pdf=True)
estimates["log_nu_peak", "log_nu_peak_lo", "log_nu_peak_hi", "log_nu_peak_std", "peak_class"]

# %%
# With ``pdf=True`` the distribution itself is a column: the density on a grid whose first value
# and step stand in the metadata. Everything else was made from it.

import numpy as np

density = np.asarray(estimates["log_nu_peak_pdf"][0])
grid = estimates.meta["PDFFIRST"] + estimates.meta["PDFSTEP"] * np.arange(len(density))
fig, ax = plt.subplots(figsize=(8, 3.5), layout="constrained")
ax.fill_between(grid, density, alpha=0.3)
for name, style in [("q16", "--"), ("q84", "--")]:
    ax.axvline(estimates[f"log_nu_peak_{name}"][0], color="k", ls=style)
ax.axvline(estimates["log_nu_peak"][0], color="k")
middle = estimates["log_nu_peak"][0]
ax.set(xlim=(middle - 1.5, middle + 1.5), ylim=(0, None))
ax.set(xlabel=r"$\log_{10}\,(\nu_{\rm peak}$ / Hz)", ylabel="density (1 / dex)")
plt.show()
