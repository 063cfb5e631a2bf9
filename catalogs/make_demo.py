"""Make the demonstration: a small source catalog and the archive of its SEDs.

    python catalogs/make_demo.py

writes ``demo_catalog.fits``, ``demo_seds.zip`` and one of its SEDs, ``demo_sed.txt``, beside this
script. The sources are invented: their SEDs are simulated (`blase_astro.simulate`) and lie at
random positions, away from all training sources. The catalog keeps the peak that was put in, to
compare with what is estimated. One row is real: PMN J1508-4953 with two X-ray measurements, all
that the documentation of an older tool shows of its SED, from which that tool answers
12.42 +/- 0.71; it is here to be refused. One row has no SED. ``demo_annotated.fits`` is the result,
made with the networks that come with the package:

    blase annotate catalogs/demo_catalog.fits catalogs/demo_seds.zip -o catalogs/demo_annotated.fits
"""

import io
import zipfile
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import Column, Table

from blase_astro.io import sed_table
from blase_astro.io.files import write_table
from blase_astro.simulate import simulate_seds

HERE = Path(__file__).resolve().parent
N_SIMULATED = 24
PMN = sed_table(
    [2.418e17, 2.418e17],
    [2.185e-13, 5.085e-13],
    [3.139e-13, 6.281e-13],
    [1.230e-13, 3.889e-13],
    mjd_start=[np.nan, 58150.0],
    mjd_end=[np.nan, 58150.1016],
    catalog=["RASS", "OUSXB"],
    reference=["Boller et al. 2016, A&A, 103, 1", "Giommi et al. 2019"],
    meta={"ra": 227.1623, "dec": -49.884},
)


def names_of(ra, dec):
    """Names made from positions, as catalogs have them."""
    where = SkyCoord(ra, dec, unit="deg")
    hours = where.ra.to_string(u.hour, fields=2, sep="", pad=True)
    degrees = where.dec.to_string(fields=2, sep="", pad=True, alwayssign=True)
    return [f"SIM J{h}{d}" for h, d in zip(hours, degrees, strict=True)]


def simulated():
    """SED tables and true peaks of the invented sources."""
    points, truth = simulate_seds(N_SIMULATED, seed=2026)
    # Positions, hence names, of its own: they stay when the simulation improves.
    rng = np.random.default_rng(2026)
    ra = rng.uniform(0, 360, N_SIMULATED).round(5)
    dec = np.degrees(np.arcsin(rng.uniform(-1, 1, N_SIMULATED))).round(5)
    seds = []
    for i in range(N_SIMULATED):
        rows = points.sed == i
        columns = (a[rows] for a in points[6:10])
        meta = {"ra": ra[i], "dec": dec[i], "redshift": points.redshift[i]}
        catalog = np.full(rows.sum(), "SIM")
        seds.append(
            sed_table(*columns, upper_limit=points.upper_limit[rows], catalog=catalog, meta=meta)
        )
    return seds, truth


def main():
    """Write the catalog and the archive."""
    seds, truth = simulated()
    ra, dec = (np.array([sed.meta[key] for sed in seds]) for key in ("ra", "dec"))
    names = names_of(ra, dec)
    catalog = Table(meta={"EXTNAME": "DEMO", "COMMENTS": "simulated sources, invented positions"})
    catalog["Source_Name"] = [*names, "PMN J1508-4953", "SIM without SED"]
    catalog["RAJ2000"] = Column(
        [*ra, 227.1623, 10.0], unit="deg", meta={"ucd": "pos.eq.ra;meta.main"}
    )
    catalog["DEJ2000"] = Column(
        [*dec, -49.884, -80.0], unit="deg", meta={"ucd": "pos.eq.dec;meta.main"}
    )
    catalog["true_log_nu_peak"] = Column(
        [*np.asarray(truth["log_nu_peak"]).round(3), np.nan, np.nan],
        description="log10 of the peak frequency / Hz put into the simulation",
    )
    write_table(catalog, HERE / "demo_catalog.fits", overwrite=True)
    # A well-measured LSP: the plainest case.
    lsp = np.asarray(truth["log_nu_peak"]) < 13.5
    best = max(np.flatnonzero(lsp), key=lambda i: len(seds[i]))
    seds[best].write(HERE / "demo_sed.txt", format="vou-sed", overwrite=True)
    with zipfile.ZipFile(HERE / "demo_seds.zip", "w", zipfile.ZIP_DEFLATED) as file:
        for name, sed in zip([*names, "PMN J1508-4953"], [*seds, PMN], strict=True):
            text = io.StringIO()
            sed.write(text, format="vou-sed")
            # A date of its own would make each run's archive another one.
            member = zipfile.ZipInfo(f"seds/{name.replace(' ', '_')}.txt", (2026, 1, 1, 0, 0, 0))
            member.compress_type = zipfile.ZIP_DEFLATED
            file.writestr(member, text.getvalue())


if __name__ == "__main__":
    main()
