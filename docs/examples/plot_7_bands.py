"""
Photometry in the catalog itself
================================

No SED files: the measurements are columns of the catalog. Magnitudes and fluxes of surveys
become points of an SED.
"""

# %%
# An invented catalog of two sources with the columns of NVSS, AllWISE, Gaia and eRASS1.

import matplotlib.pyplot as plt
from astropy.table import Table

import blase_astro
from blase_astro.bands import points_from_bands
from blase_astro.io import sed_table

nan = float("nan")
catalog = Table({
    "name": ["A", "B"], "RA": [30.0, 210.0], "DEC": [-45.0, 12.0],
    "S1.4": [250.0, 31.0], "e_S1.4": [7.5, 1.0],
    "W1mag": [12.1, 14.9], "e_W1mag": [0.02, 0.03],
    "W2mag": [11.3, 14.0], "e_W2mag": [0.02, 0.04],
    "Gmag": [16.0, 18.7], "e_Gmag": [0.01, 0.02],
    "ML_FLUX_1": [3e-12, nan], "ML_FLUX_ERR_1": [2e-13, nan],
})  # fmt: skip
bands = ["NVSS", "AllWISE", "Gaia", "eRASS1"]
annotated = blase_astro.annotate(catalog, bands=bands)
annotated["name", "log_nu_peak", "log_nu_peak_lo", "log_nu_peak_hi", "n_points"]

# %%
# The points themselves, drawn.

points = points_from_bands(catalog, bands)
fig, axes = plt.subplots(1, 2, figsize=(13, 5.5), layout="constrained")
for i, ax in enumerate(axes):
    rows = points.sed == i
    sed = sed_table(
        points.frequency[rows], points.nufnu[rows], points.nufnu_upper[rows],
        points.nufnu_lower[rows], upper_limit=points.upper_limit[rows],
        meta={"ra": catalog["RA"][i], "dec": catalog["DEC"][i]},
    )  # fmt: skip
    blase_astro.plot(sed, ax, title=catalog["name"][i])
plt.show()
