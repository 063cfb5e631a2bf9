"""SED files for tests: made-up values in every layout that VOU_Blazars has written.

In ``data/vou`` a ``~`` at the end of a row stands for the blanks up to the full length of its
layout, and ``<V6>`` for the three header lines of a layout.
"""

from pathlib import Path

PATHS = {path.name[0]: path for path in Path(__file__).with_name("data").glob("vou/*.txt")}
HEADERS = {
    "V3": (
        " Frequency     nufnu     nufnu unc.  nufnu unc. start time   end time   "
        "Catalog     Reference"
    ),
    "V5": (
        " Frequency     nufnu     nufnu unc.  nufnu unc. start time   end time   "
        "Flag  Catalog     Reference"
    ),
    "V6": (
        " Frequency     nufnu     nufnu unc.  nufnu unc. start time   end time   "
        "Flag  Catalog          Reference"
    ),
}
UNITS = "    Hz       erg/cm2/s     upper       lower        MJD         MJD   "
ROW_LENGTH = {"V0": 58, "V1": 140, "V2": 164, "V3": 284, "V5": 290, "V6": 295, "V7": 295}

LOOK_ALIKES = {
    "internal file": "   1  matched source   77.35819    5.69315  source type  99\n",
    "SED tool file": (
        " 77.35819 |   5.69315 |  2.418E+17 |  1.000E+00 |  2.185E-13 |  9.500E-14 |"
        "   55000.00 |   55000.00 | UL|\n"
    ),
    "CSV file": "freq. ,flux ,err_flux ,MJD_start ,MJD_end ,flag,catalog,reference\n",
    "empty file": "",
    "prose": "3 matched source files were found\n",
    "JPEG": "\udcff\udcd8\udcff\udce0\0\x10JFIF\0" + "\x01\udc99\n\r" * 3000,
    "FITS": "SIMPLE  =                    T / conforms to FITS standard" + " " * 2800,
}


def header_lines(layout):
    """The three header lines of a layout."""
    return f"{HEADERS[layout]}\n{UNITS}\n{'-' * 123}"


def template(key):
    """A test file's text with its headers and the marks of blanks, and its layout's length."""
    text = PATHS[key].read_text(encoding="utf-8")
    for layout in HEADERS:
        text = text.replace(f"<{layout}>", header_lines(layout))
    return text, ROW_LENGTH[PATHS[key].stem[2:]]


def _as_bytes(key, lines):
    """Bytes of the lines; H is the one with the line ends of another system."""
    return ("\r\n" if key == "H" else "\n").join(lines).encode()


def padded(key):
    """A test file's bytes with blanks up to the full length, as the tool writes it."""
    text, length = template(key)
    lines = text.split("\n")
    return _as_bytes(key, [x[:-1].ljust(length) if x.endswith("~") else x for x in lines])


def trimmed(key):
    """A test file's bytes as an editor leaves it."""
    return _as_bytes(key, [line.rstrip("~ ") for line in template(key)[0].split("\n")])
