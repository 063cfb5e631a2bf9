"""What the photometry of a catalog tells, out of bag, and what stars and galaxies get.

``python tests/benchmarks/bands.py v2/SEDs.zip v2/labels.ecsv -o docs/tables/bands``

writes ``bands.ecsv`` and ``.rst`` (blazars), and ``bands_others.ecsv`` and ``.rst`` (what is no
blazar), in a minute. Of each real SED only the measurements in some bands are kept: in the SEDs
from surveys those of the surveys named, in the SEDs from the SSDC, whose rows do not tell the
survey, one for each frequency of a ready set, within 0.02 dex of it. They are estimated by the
members that never saw the source. Stars are black bodies and galaxies the simulator's giant
elliptical, both as magnitudes in a catalog.
"""

import argparse
from pathlib import Path

import astropy.units as u
import numpy as np
from astropy.modeling.physical_models import BlackBody
from astropy.table import Table
from made_with import record

from blase_astro.bands import points_from_bands, read_bands
from blase_astro.estimates import estimate_arrays
from blase_astro.evaluate import evaluate_groups
from blase_astro.flags import Flag
from blase_astro.io import read_seds
from blase_astro.io.table import points_from_seds
from blase_astro.settings import Settings, load_ensembles
from blase_astro.simulate.physics import _host
from blase_astro.targets import sed_class

RADIO = ("NVSS", "FIRST", "SUMSS")
OPTICAL = ("GAIA", "SDSS")
X_RAY = ("RASS", "eRASS1")
SURVEYS = {
    "all of the file": None,
    "radio, Gaia, SDSS": RADIO + OPTICAL,
    "radio, Gaia, SDSS, X-ray": RADIO + OPTICAL + X_RAY,
    "radio, Gaia, SDSS, X-ray, 4FGL": RADIO + OPTICAL + X_RAY + ("4FGL-DR3",),
}
INFRARED = ("NVSS", "AllWISE", "2MASS", "Gaia", "GALEX")
SSDC = {
    "all of the file": None,
    "radio, WISE, 2MASS, Gaia, GALEX": INFRARED,
    "the same and X-ray": (*INFRARED, "RASS"),
    "the same and X-ray, 4FGL": (*INFRARED, "RASS", "4FGL-DR3"),
}
OF_OTHERS = ["AllWISE", "2MASS", "Gaia", "GALEX"]
FAINTEST = {"AllWISE": 17.0, "2MASS": 16.5, "Gaia": 21.0, "GALEX": 22.0}
N = 200  # objects of each kind
FEWEST = 20  # sources of a class that are worth a line


def main(args=None):
    """Score both and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("archive", help="real SEDs")
    parser.add_argument("labels", help="their labels, with the columns file and origin")
    parser.add_argument("--ensemble", help="folder of the ensemble (default: the package's)")
    parser.add_argument("-o", "--output", default="bands", help="name without suffix")
    options = parser.parse_args(args)
    settings = Settings(ensemble=load_ensembles(options.ensemble)[0])
    write(blazars(options, settings), options.output)
    write(others(settings), options.output + "_others")
    output = Path(options.output)
    record(output.parent, [output.name, f"{output.name}_others"], options.ensemble)


def write(rows, output):
    """A table as .ecsv and .rst."""
    table = Table(list(rows))
    for name in table.colnames:
        if table[name].dtype.kind == "f":
            table[name].info.format = ".2f"
    table.write(f"{output}.ecsv", overwrite=True)
    table.write(f"{output}.rst", format="ascii.rst", overwrite=True)
    table.pprint_all()


# --- blazars ----------------------------------------------------------------------------------


def blazars(options, settings):
    """Scores of each class, for each choice of bands."""
    labels = Table.read(options.labels)
    label_of = {row["file"]: (row["log_nu_peak"], row["origin"]) for row in labels}
    seds = {"surveys": [], "SSDC": []}
    label = {"surveys": [], "SSDC": []}
    for name, sed in read_seds(options.archive):
        value, origin = label_of[name.rsplit("/", 1)[-1]]
        seds[origin].append(sed)
        label[origin].append(value)
    for origin, choices, keep in (
        ("surveys", SURVEYS, of_surveys),
        ("SSDC", SSDC, at_frequencies),
    ):
        for bands, surveys in choices.items():
            kept = [sed if surveys is None else keep(sed, surveys) for sed in seds[origin]]
            columns = estimate_arrays(points_from_seds(kept), settings)
            for row in scores(np.array(label[origin]), columns):
                yield {"SEDs": origin, "bands": bands} | row


def of_surveys(sed, surveys):
    """The measurements of some surveys."""
    return sed[np.isin(np.asarray(sed["catalog"]), surveys)]


def at_frequencies(sed, surveys):
    """The first measurement near each frequency of the ready sets."""
    wanted = np.log10(np.unique(read_bands(list(surveys))["frequency"]))
    off = np.abs(np.log10(np.asarray(sed["frequency"])) - wanted[:, None])
    detected = ~np.asarray(sed["upper_limit"])
    near = (off < 0.02) & detected
    return sed[np.unique(near.argmax(axis=1)[near.any(axis=1)])]


def scores(label, columns):
    """One row a class; shares are of all its sources, errors of those that have an estimate."""
    mean, lo, hi = (columns[f"log_nu_peak{end}"] for end in ("", "_lo", "_hi"))
    truth = sed_class(label)
    groups = {name: truth == name for name in ("LSP", "ISP", "HSP")}
    table = evaluate_groups(groups, label, mean, lo, hi)
    right = sed_class(mean) == truth
    flags = flags_of(columns)
    groups = {"all": np.ones(len(label), bool)} | groups
    for row, (name, rows) in zip(table, groups.items(), strict=True):
        known = rows & np.isfinite(mean)
        if known.sum() < FEWEST:
            continue
        yield {
            "class": name,
            "n": int(rows.sum()),
            "estimated": known.sum() / rows.sum(),
            "error": row["abs_error_median"],
            "mean bias": row["bias"],
            "coverage": row["coverage_95"],
            "Winkler": row["winkler"],
            "class right": right[known].mean(),
            **doubts(flags[known]),
        }


def doubts(flags):
    """Shares of the flags that such SEDs get."""
    one_sided, disagree = (flags & flag > 0 for flag in (Flag.ONE_SIDED, Flag.MEMBERS_DISAGREE))
    return {
        "unusual": (flags & Flag.UNUSUAL_PATTERN > 0).mean(),
        "one-sided": one_sided.mean(),
        "disagree": disagree.mean(),
        "both": (one_sided & disagree).mean(),
    }


def flags_of(columns):
    """The column of flags, without those that say where the source is."""
    return columns["peak_flags"] & ~int(Flag.NO_POSITION | Flag.AMBIGUOUS_MATCH)


# --- what is no blazar ------------------------------------------------------------------------


def others(settings):
    """Estimates of stars and galaxies."""
    bands = read_bands(OF_OTHERS)
    bands = bands[np.unique(bands["frequency"], return_index=True)[1]]
    frequency = np.array(bands["frequency"])
    for kelvin in (3500, 5800, 10_000, 30_000):
        flux = BlackBody(kelvin * u.K)(frequency * u.Hz).value
        log_nufnu = np.log10(frequency * flux)
        yield {"object": f"star, {kelvin} K"} | estimates(log_nufnu, bands, settings)
    for z in (0.05, 0.2, 0.5):
        par = {"host": 0.0, "z": z}
        log_nufnu = _host(np.log10(frequency), par)
        yield {"object": f"galaxy, z = {z}"} | estimates(log_nufnu, bands, settings)


def estimates(log_nufnu, bands, settings):
    """What N objects of one shape, G from 13 to 18, get."""
    rng = np.random.default_rng(0)
    zero = np.array(1e-23 * bands["zero_point"] * bands["frequency"])
    magnitude = -2.5 * (log_nufnu - np.log10(zero))
    g = magnitude[bands["band"] == "G"]
    catalog = Table()
    shift = rng.uniform(13, 18, N) - g
    for row, value in zip(bands, magnitude, strict=True):
        measured = value + shift + rng.normal(0, 0.05, N)
        measured[measured > FAINTEST[row["survey"]]] = np.nan
        catalog[row["column"]] = measured
        catalog[row["error"]] = 0.05
    columns = estimate_arrays(points_from_bands(catalog, bands), settings)
    mean, flags = columns["log_nu_peak"], flags_of(columns)
    known = np.isfinite(mean)
    low, middle, high = np.quantile(mean[known], [0.16, 0.5, 0.84]) if known.any() else [np.nan] * 3
    width = (columns["log_nu_peak_hi"] - columns["log_nu_peak_lo"])[known]
    return {
        "estimated": known.mean(),
        "log nu_peak": middle,
        "16%": low,
        "84%": high,
        "width of interval": np.median(width),
        **doubts(flags[known]),
    }


if __name__ == "__main__":
    main()
