"""How estimates from other services' SEDs differ from those of VOU SEDs.

    python tests/benchmarks/services.py DATA [--ensemble DIR] [-o TABLE]

DATA is the folder of real SEDs, with ``SEDs.zip``, ``labels.ecsv``, the 4LAC catalog and the two
SSDC answers in ``sed_samples``. Two tables:

* each SSDC answer beside the VOU SED of the same source where the archive has one, and both merged,
  against the peak of 4LAC (hand fits, good to about 0.1 dex);
* the rich SEDs of the archive cut down to what the services have: all, without gamma rays (NED has
  few, and integrated over wide bands), radio to ultraviolet alone (VizieR's photometry viewer), and
  one in four points: error, coverage and width against the labels. Sources of the training set are
  estimated out of bag.
"""

import argparse
from pathlib import Path

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.table import Table, vstack
from made_with import record

from blase_astro.estimates import estimate
from blase_astro.io import merge_seds, read_seds

SAMPLES = {
    "Mrk 421": ("ssdc_mrk421.json", 166.11381, 38.20883),
    "3C 454.3": ("ssdc_3c4543.json", 343.49062, 16.14821),
}
CUTS = {
    "all": lambda sed, i: np.ones(len(sed), bool),
    "no gamma rays (as NED)": lambda sed, i: sed["frequency"].filled(np.inf) < 1e20,
    "radio to ultraviolet (as VizieR)": lambda sed, i: sed["frequency"].filled(np.inf) < 1e16,
    "one point in four": lambda sed, i: np.random.default_rng(i).random(len(sed)) < 0.25,
}
SHOWN = ("log_nu_peak", "log_nu_peak_lo", "log_nu_peak_hi", "peak_class", "n_points", "n_bins")


def nearest(table, ra, dec, columns, radius=10.0):
    """Row of the table within `radius` arcsec of a position (deg), None if there is none."""
    lon, lat = (np.ma.filled(np.ma.asarray(table[c], dtype=float), np.nan) for c in columns)
    good = np.flatnonzero(np.isfinite(lon) & np.isfinite(lat))
    sky = SkyCoord(lon[good], lat[good], unit="deg")
    off = sky.separation(SkyCoord(ra, dec, unit="deg")).arcsec
    return good[np.argmin(off)] if len(off) and off.min() < radius else None


def samples(data, ensemble):
    """Estimates of the SSDC answers, of VOU's SEDs of the same sources, and of both together."""
    labels = Table.read(data / "labels.ecsv")
    catalog = Table.read(data / "catalogs" / "table_4LAC_h.fits")
    archive = dict(read_seds(data / "SEDs.zip"))
    rows = []
    for source, (name, ra, dec) in SAMPLES.items():
        ssdc = Table.read(data / "sed_samples" / name, format="ssdc-sed")
        ssdc.meta.update(ra=ra, dec=dec)
        seds = {"ssdc": ssdc}
        row = nearest(labels, ra, dec, ("ra", "dec"))
        if row is not None:
            vou = next(sed for key, sed in archive.items() if key.endswith(labels["file"][row]))
            seds |= {"vou": vou, "vou+ssdc": merge_seds([vou, ssdc])}
        row = nearest(catalog, ra, dec, ("RA_Counterpart", "DEC_Counterpart"))
        peak = float(np.log10(catalog["nu_syn"][row])) if row is not None else np.nan
        table = estimate(list(seds.items()), ensemble=ensemble)
        table = table[["name", *(name for name in SHOWN if name in table.colnames)]]
        table.rename_column("name", "sed_from")
        table.add_column(np.full(len(table), source), name="source", index=0)
        table["log_nu_4LAC"] = peak
        rows.append(table)
    return vstack(rows, metadata_conflicts="silent")


def cut_down(data, ensemble):
    """Scores of the archive's rich SEDs as they are and with what other services lack left out."""
    labels = Table.read(data / "labels.ecsv")
    rich = {Path(row["file"]).name: row["log_nu_peak"] for row in labels[labels["rich"]]}
    seds = [(name, sed) for name, sed in read_seds(data / "SEDs.zip") if Path(name).name in rich]
    truth = np.array([rich[Path(name).name] for name, _ in seds])
    rows = []
    for cut, keep in CUTS.items():
        cut_seds = [(name, sed[keep(sed, i)]) for i, (name, sed) in enumerate(seds)]
        table = estimate(cut_seds, ensemble=ensemble)
        peak, lo, hi = (
            np.ma.filled(table[f"log_nu_peak{end}"], np.nan) for end in ("", "_lo", "_hi")
        )
        known = np.isfinite(peak) & np.isfinite(truth)
        error = (peak - truth)[known]
        inside = (lo <= truth) & (truth <= hi)
        rows.append(
            {
                "cut": cut,
                "n": int(known.sum()),
                "median_abs_error": np.median(np.abs(error)),
                "median bias": np.median(error),
                "coverage": inside[known].mean(),
                "median_width": np.median((hi - lo)[known]),
            }
        )
    return Table(rows)


def tables(data, ensemble):
    """Name and content of the two tables, one after the other."""
    for name, make in (("services", samples), ("services_cuts", cut_down)):
        table = make(data, ensemble)
        for column in table.itercols():
            if column.dtype.kind == "f":
                column.format = ".2f"
        yield name, table


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of real SEDs")
    parser.add_argument("--ensemble", help="folder of trained networks (default: the package's)")
    parser.add_argument("-o", "--output", type=Path, help="folder for the two tables")
    options = parser.parse_args()
    for name, table in tables(options.data, options.ensemble):
        print("\n".join(table.pformat(max_lines=-1, max_width=-1)), end="\n\n")
        if options.output:
            table.write(options.output / f"{name}.rst", format="ascii.rst", overwrite=True)
            record(options.output, [name], options.ensemble)


if __name__ == "__main__":
    main()
