"""
Two humps, and what a population does
=====================================

Some SEDs leave two answers open: a jet that peaks low and starlight above it, or a jet that
peaks high. The distribution shows both, and what is known of the catalog weighs them.
"""

# %%
# Of some simulated SEDs the one that is most in two minds: likely an LSP or an HSP, less likely
# what lies between.

import matplotlib.pyplot as plt
import numpy as np

import blase_astro
from blase_astro import estimate_points
from blase_astro.io import sed_table
from blase_astro.simulate import simulate_seds

points, truth = simulate_seds(300, seed=3)
of = points.sed
columns = estimate_points(
    of, points.ra[of], points.dec[of], points.frequency, points.nufnu, points.nufnu_upper,
    points.nufnu_lower, points.upper_limit,
)  # fmt: skip
both = np.minimum(columns["p_lsp"], columns["p_hsp"]) - columns["p_isp"]
which = columns["source"][np.nanargmax(both)]
rows = of == which
sed = sed_table(
    points.frequency[rows], points.nufnu[rows], points.nufnu_upper[rows], points.nufnu_lower[rows],
    upper_limit=points.upper_limit[rows], meta={"name": "two humps", "ra": 10.0, "dec": -80.0},
)  # fmt: skip

fig, ax = plt.subplots(figsize=(8, 6), layout="constrained")
blase_astro.plot(sed, ax, title="two humps")
plt.show()

# %%
# The median of such a distribution lies where hardly any source is; look at the probabilities
# of the classes, or at the shortest interval. ``population`` tells how common each peak is: as
# among the training sources (the default), equally (``"flat"``), or as in a table, here one of
# a catalog of HSPs.

from astropy.table import Table

log_nu = np.arange(11.0, 19.0, 0.1)
hsps = Table({"log_nu_peak": log_nu, "density": np.exp(-(((log_nu - 16.5) / 1.0) ** 2))})

fig, ax = plt.subplots(figsize=(8, 4), layout="constrained")
for name, population, style in [("training", "training", "-"), ("flat", "flat", "--"),
                                ("a catalog of HSPs", hsps, ":")]:  # fmt: skip
    row = blase_astro.estimate(sed, population=population, pdf=True)
    density = np.asarray(row["log_nu_peak_pdf"][0])
    grid = row.meta["PDFFIRST"] + row.meta["PDFSTEP"] * np.arange(len(density))
    shares = ", ".join(f"{c.upper()} {row['p_' + c][0]:.2f}" for c in ("lsp", "isp", "hsp"))
    ax.plot(grid, density, style, lw=2, label=f"{name}: {shares}")
ax.axvline(truth["log_nu_peak"][which], color="k", lw=1, label="put into the simulation")
ax.set(xlim=(11, 19), ylim=(0, None))
ax.set(xlabel=r"$\log_{10}\,(\nu_{\rm peak}$ / Hz)", ylabel="density (1 / dex)")
ax.legend(fontsize="small")
plt.show()
