"""
Annotate a catalog
==================

A table of sources and an archive of SEDs become one table with estimates.
"""

# %%
# Rows and SEDs find each other by position. The sources are simulated, so the catalog holds the
# peaks that were put in.

import matplotlib.pyplot as plt
import numpy as np
from astropy.table import Table

import blase_astro

catalog = Table.read("../../catalogs/demo_catalog.fits")
annotated = blase_astro.annotate(catalog, "../../catalogs/demo_seds.zip")
annotated["Source_Name", "true_log_nu_peak", "log_nu_peak", "peak_class", "peak_quality"][:6]

# %%
# Estimate against truth, with 95-percent intervals, coloured by ``peak_quality``. Rows without
# an estimate have NaN and a flag.

given = annotated[np.isfinite(annotated["log_nu_peak"])]
truth, peak = given["true_log_nu_peak"], given["log_nu_peak"]
error = [peak - given["log_nu_peak_lo"], given["log_nu_peak_hi"] - peak]
quality = np.asarray(given["peak_quality"])

fig, ax = plt.subplots(figsize=(6.5, 6), layout="constrained")
styles = {
    3: ("#0072B2", "o", "good"),
    2: ("#E69F00", "s", "with care"),
    1: ("#D55E00", "x", "poor"),
}
for step, (colour, marker, name) in styles.items():
    rows = quality == step
    ax.errorbar(truth[rows], peak[rows], np.array(error)[:, rows], fmt=marker, color=colour, lw=1,
                label=f"{name} ({rows.sum()})")  # fmt: skip
ax.axline((14, 14), slope=1, color="0.6", lw=1, zorder=0)
ax.set(xlabel=r"true $\log_{10}\,(\nu_{\rm peak}$ / Hz)", ylabel="estimated", aspect="equal")
ax.legend(title="peak_quality")
plt.show()

# %%
# The rows that have none, and why:

from blase_astro.flags import flag_names

for row in annotated[~np.isfinite(annotated["log_nu_peak"])]:
    print(f"{row['Source_Name']:16} {flag_names(row['peak_flags'])}")
