"""
Labels in doubt
===============

A label that lies far from the out-of-bag estimate may be wrong, or the SED misleads. Both are
worth a look. ``blase refine`` orders the training sources by how surely.
"""

import matplotlib.pyplot as plt
import numpy as np

from blase_astro.evaluate import refine

refined = refine(None)
first = refined["name", "log_nu_peak_label", "log_nu_peak", "log_nu_peak_z", "log_nu_peak_q"][:8]
first.round(2)
first

# %%
# Marked are those labels of the frequency of which one in ten is expected to be right after
# all.

label, peak = np.asarray(refined["log_nu_peak_label"]), np.asarray(refined["log_nu_peak"])
marked = (np.asarray(refined["suspicious"]) & 1) > 0
fig, ax = plt.subplots(figsize=(6.5, 6), layout="constrained")
ax.plot(label[~marked], peak[~marked], ".", ms=3, color="0.6", label=f"{(~marked).sum()} others")
ax.plot(label[marked], peak[marked], "o", color="#D55E00", label=f"{marked.sum()} in doubt")
ax.axline((14, 14), slope=1, color="k", lw=0.8)
ax.set(xlabel=r"label, $\log_{10}\,(\nu_{\rm peak}$ / Hz)", ylabel="out-of-bag estimate")
ax.set(aspect="equal")
ax.legend()
plt.show()
