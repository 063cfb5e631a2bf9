"""
A contact sheet
===============

Many SEDs at a glance, to look over what was estimated. In the shell: ``blase plot SEDs.zip
--contact-sheet -o sheet.pdf``.
"""

import matplotlib.pyplot as plt

import blase_astro
from blase_astro.io import read_seds

fig, axes = plt.subplots(2, 3, figsize=(13, 7.5), layout="constrained")
for ax, (name, sed) in zip(axes.flat, read_seds("../../catalogs/demo_seds.zip"), strict=False):
    blase_astro.plot(sed, ax, title=name.removeprefix("seds/"), legend=False)
plt.show()
