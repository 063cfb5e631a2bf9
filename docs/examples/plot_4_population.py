"""
The population of a catalog
===========================

How are the peaks of a whole catalog distributed? A histogram of estimates answers another
question: it is smeared by their errors and drawn towards what is common among the training
sources.
"""

# %%
# Simulated sources, half of them LSPs and half HSPs: another mixture than that of the training.

import matplotlib.pyplot as plt
import numpy as np
from astropy.table import Table

from blase_astro import Settings, estimate_points
from blase_astro.evaluate import plot_population, population_table
from blase_astro.simulate import simulate_seds

points, truth = simulate_seds(3000, seed=4)
peak = np.asarray(truth["log_nu_peak"])
wanted = np.exp(-(((peak - 13.0) / 0.4) ** 2)) + np.exp(-(((peak - 16.3) / 0.4) ** 2))
chosen = np.random.default_rng(0).random(len(peak)) < wanted

# %%
# One call estimates all of them from plain arrays, one row a measurement. The distributions
# (``pdf=True``) are what the population is found from.

of = points.sed
columns = estimate_points(
    of, points.ra[of], points.dec[of], points.frequency, points.nufnu, points.nufnu_upper,
    points.nufnu_lower, points.upper_limit, pdf=True,
)  # fmt: skip
estimates = Table(columns, meta=Settings(pdf=True).meta())[chosen[columns["source"]]]
population = population_table(estimates, n_bootstrap=50)

# %%
# The truth, known here, in black.

fig, ax = plt.subplots(figsize=(8, 5), layout="constrained")
plot_population(population, ax)
ax.hist(peak[chosen], np.arange(11.5, 18.6, 0.25), density=True, histtype="step", color="k",
        label="truth")  # fmt: skip
ax.set_xlim(11, 19)
ax.legend()
plt.show()

# %%
# In numbers: shares of the classes found, and true.

true_class = np.digitize(peak[chosen], [14, 15])
for i, name in enumerate(["LSP", "ISP", "HSP"]):
    found, error = population.meta[f"FRAC{name}"], population.meta[f"EFRAC{name}"]
    medians = np.mean(np.digitize(estimates["log_nu_peak"], [14, 15]) == i)
    print(f"{name}: found {found:.2f} +/- {error:.2f}, histogram of estimates {medians:.2f}, "
          f"true {np.mean(true_class == i):.2f}")  # fmt: skip
