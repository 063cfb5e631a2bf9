"""Hostile input: what `bench_strangers` gives to the commands.

Each case makes its files in an empty folder and says which words follow ``blase``. None needs more
than a few seconds and some hundred kilobytes to make; what they would cost a reader that believes
them is another matter.
"""

import io
import json
import os
import re
import tarfile
import threading
import zipfile
import zlib
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import NamedTuple

import numpy as np
from astropy.io import fits
from astropy.table import Table

import blase_astro.io  # the format vou-sed  # noqa: F401

ROOT = Path(__file__).resolve().parents[2]
CATALOG = ROOT / "catalogs" / "demo_catalog.fits"
GOOD = (ROOT / "catalogs" / "demo_sed.txt").read_text()


class Case(NamedTuple):
    """A case.

    ``make`` writes the files and returns the words; ``right`` is the outcome that is right:
    ``estimates``, ``flagged row`` (the good ones estimated, the bad one a row that says why),
    ``one line`` or ``harmless`` (whatever the check allows); ``good`` is the number of estimates to
    be had. ``check`` looks at the folder and at what was said, and returns what is wrong.
    """

    fault: str
    what: str
    make: callable
    right: str = "one line"
    good: int = 0
    check: callable = lambda folder, said: ""
    stdin: str = None
    largest: int = None  # bytes that may be written


# --- files --------------------------------------------------------------------------------------


def one(data, name="sed.txt", output="out.csv"):
    """One file."""

    def make(folder):
        put(folder / name, data)
        return ["estimate", name, "-o", output]

    return make


def put(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else data.encode())


def among(members, suffix=".csv"):
    """A folder with three good SEDs and others."""

    def make(folder):
        for name, data in (three() | members).items():
            put(folder / "seds" / name if isinstance(name, str) else bytes_path(folder, name), data)
        return ["estimate", "seds", "-o", f"out{suffix}"]

    return make


def bytes_path(folder, name):
    """A path with bytes that are not UTF-8."""
    return Path(os.fsdecode(os.fsencode(folder / "seds") + b"/" + name))


def three():
    return {f"good{i}.txt": GOOD for i in range(3)}


def zipped(members, *options):
    """A zip with three good SEDs and others, as pairs, because a name may come twice."""

    def make(folder):
        with zipfile.ZipFile(folder / "seds.zip", "w", zipfile.ZIP_DEFLATED) as file:
            for name, data in [*three().items(), *members]:
                file.writestr(name, data)
        return ["estimate", "seds.zip", "-o", "out.csv", *options]

    return make


def packed_zeros(head, megabytes):
    """A deflated stream of some bytes and so many megabytes of zeros."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = bytes(2**20)
    first = packer.compress(head) + packer.flush(zlib.Z_FULL_FLUSH)
    again = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)
    return first + again * megabytes + packer.flush()


def lying_zip(path, name, others, head=b"", megabytes=1900):
    """A zip with a member of 1.9 GB that says to have 1,000 bytes and has their checksum."""
    data, crc = packed_zeros(head, megabytes), zlib.crc32((head + bytes(1000))[:1000])
    with zipfile.ZipFile(path, "w") as file:
        for other, text in others.items():
            file.writestr(other, text)
        file.writestr(name, data)
        info = file.getinfo(name)
        stored = info.header_offset
        info.compress_type, info.file_size, info.CRC = zipfile.ZIP_DEFLATED, 1000, crc
        file.fp.flush()
    with open(path, "r+b") as raw:
        raw.seek(stored)
        raw.write(info.FileHeader())


def lying_member(folder):
    lying_zip(folder / "seds.zip", "lies.txt", three())
    return ["estimate", "seds.zip", "-o", "out.csv"]


def lying_ensemble(folder):
    """One array more, of 1.9 GB."""
    with zipfile.ZipFile(ROOT / "blase_astro" / "data" / "nu_peak.npz") as file:
        arrays = {name: file.read(name) for name in file.namelist()}
    head = io.BytesIO()
    shape = {"descr": "|u1", "fortran_order": False, "shape": (1900 * 2**20,)}
    np.lib.format.write_array_header_1_0(head, shape)
    (folder / "e").mkdir()
    lying_zip(folder / "e" / "nu_peak.npz", "more.npy", arrays, head.getvalue())
    put(folder / "sed.txt", GOOD)
    return ["estimate", "sed.txt", "-o", "out.csv", "--ensemble", "e"]


def pickled_ensemble(folder):
    """An array of objects, whose pickle makes a file when it is run."""

    class Trap:
        def __reduce__(self):
            return os.mkdir, ("ran",)

    (folder / "e").mkdir()
    np.savez(folder / "e" / "nu_peak.npz", header=np.array([Trap()], object))
    put(folder / "sed.txt", GOOD)
    return ["estimate", "sed.txt", "-o", "out.csv", "--ensemble", "e"]


def tar_of_five(folder):
    with tarfile.open(folder / "seds.tar", "w") as file:
        for i in range(5):
            info = tarfile.TarInfo(f"good{i}.txt")
            info.size = len(GOOD.encode())
            file.addfile(info, io.BytesIO(GOOD.encode()))
    return ["estimate", "seds.tar", "-o", "out.csv"]


def many_members(folder):
    with zipfile.ZipFile(folder / "seds.zip", "w") as file:
        for name, text in three().items():
            file.writestr(name, text)
        for i in range(100_001):
            file.writestr(f"{i}.txt", "x")
    return ["estimate", "seds.zip", "-o", "out.csv", "--jobs", "2"]


def beside(name, data=None):
    """A good file and another on the command line."""

    def make(folder):
        put(folder / "good.txt", GOOD)
        if data is not None:
            put(folder / name, data)
        return ["estimate", "good.txt", name]

    return make


def folder_as_fits(folder):
    for name, text in three().items():
        put(folder / "x.fits" / name, text)
    return ["estimate", "x.fits", "-o", "out.csv"]


def script(text, seds=1000):
    """A script without a main guard, beside a zip of many SEDs."""

    def make(folder):
        put(folder / "script.py", text)
        with zipfile.ZipFile(folder / "seds.zip", "w", zipfile.ZIP_DEFLATED) as file:
            for i in range(seds):
                file.writestr(f"{i}.txt", GOOD)
        return ["python", "script.py"]

    return make


UNGUARDED = """
import blase_astro
blase_astro.estimate("seds.zip", jobs=2).write("out.ecsv")
"""
KILLED = """
import os, signal, subprocess, sys, threading, time
def kill():
    for _ in range(2000):
        time.sleep(0.01)
        found = subprocess.run(["pgrep", "-P", str(os.getpid()), "python"], capture_output=True)
        if len(pids := found.stdout.split()) >= 2:
            try:
                os.kill(int(pids[-1]), signal.SIGKILL)
                return
            except ProcessLookupError:
                pass
def main():
    import blase_astro
    threading.Thread(target=kill, daemon=True).start()
    blase_astro.estimate("seds.zip", jobs=2).write("out.ecsv")
if __name__ == "__main__":
    main()
"""


# --- catalogs -----------------------------------------------------------------------------------


def catalog(name, data, output=None):
    """A catalog, to be given the bags of its sources."""

    def make(folder):
        if callable(data):
            data(folder / name)
        else:
            put(folder / name, data)
        return ["match", name, "-q", "-o", output or f"out{Path(name).suffix}"]

    return make


FIELDS = (
    '<FIELD name="RAJ2000" ucd="pos.eq.ra;meta.main" datatype="double" unit="deg"/>'
    '<FIELD name="DEJ2000" ucd="pos.eq.dec;meta.main" datatype="double" unit="deg"/>'
)
ROWS = "<DATA><TABLEDATA><TR><TD>63.8</TD><TD>48.5</TD></TR></TABLEDATA></DATA>"


def votable(content, head="", space=""):
    return (
        f'<?xml version="1.0"?>{head}<VOTABLE version="1.3" '
        f'xmlns="http://www.ivoa.net/xml/VOTable/v1.3"{space}><RESOURCE>{content}'
        "</RESOURCE></VOTABLE>"
    )


def stream(href):
    return votable(f'<TABLE>{FIELDS}<DATA><BINARY><STREAM href="{href}"/></BINARY></DATA></TABLE>')


def from_file(folder):
    """A VOTable whose rows are in another file of the machine."""
    put(folder / "elsewhere", np.array([63.8, 48.5], ">f8").tobytes())
    put(folder / "c.vot", stream((folder / "elsewhere").as_uri()))
    return ["match", "c.vot", "-o", "out.vot"]


class Server(BaseHTTPRequestHandler):
    """Tells whether it was asked."""

    def do_GET(self):
        ASKED.append(self.path)
        self.send_error(404)

    def log_message(self, *args):
        pass


ASKED = []


def from_server(folder):
    """A VOTable whose rows are at an address."""
    server = HTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    ASKED.clear()
    put(folder / "c.vot", stream(f"http://127.0.0.1:{server.server_port}/x"))
    return ["match", "c.vot", "-q", "-o", "out.vot"]


LAUGHS = "<!DOCTYPE V [<!ENTITY a0 'ha'>" + "".join(
    f"<!ENTITY a{i} '{f'&a{i - 1};' * 10}'>" for i in range(1, 10)
)
ENTITY = f"<!DOCTYPE V [<!ENTITY x SYSTEM '{(ROOT / 'LICENSE').as_uri()}'>]>"


def wide(path):
    columns = {f"c{i}": np.zeros(1) for i in range(996)} | {"RAJ2000": [63.8], "DEJ2000": [48.5]}
    Table(columns).write(path)


def damaged_image(path):
    """A catalog behind an image whose checksum does not fit it."""
    image, table = fits.ImageHDU(np.zeros((8, 8))), fits.open(CATALOG)[1]
    fits.HDUList([fits.PrimaryHDU(), table, image]).writeto(path, checksum=True)
    data = bytearray(path.read_bytes())
    data[-2880] ^= 1
    path.write_bytes(data)


def nested_parquet(path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = {"RAJ2000": [63.8], "DEJ2000": [48.5], "a": [{"x": 1}], "b": [[1, 2]]}
    table |= {"c": pa.array(["x"]).dictionary_encode(), "d": pa.nulls(1)}
    pq.write_table(pa.table(table), path)


def integers_with_null(path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = {"RAJ2000": [63.8, 1.0], "DEJ2000": [48.5, 1.0], "id": [2**60 + 1, None]}
    pq.write_table(pa.table(table), path)


def integers_stay(folder, said):
    import pyarrow.parquet as pq

    values = pq.read_table(folder / "out.parquet")["id"].to_pylist()
    return "" if values == [2**60 + 1, None] else "an integer became a float"


def vectors(path):
    Table({"RAJ2000": [[63.8, 1.0]], "DEJ2000": [[48.5, 1.0]]}).write(path)


def beyond_the_pole(folder):
    sed = Table.read(GOOD.splitlines(), format="vou-sed")
    sed.meta["dec"] = 91.0
    sed.write(folder / "sed.ecsv")
    return ["estimate", "sed.ecsv", "-o", "out.csv"]


def linked(folder):
    """An output that is a link to a file."""
    put(folder / "sed.txt", GOOD)
    put(folder / "target.csv", "old")
    (folder / "out.csv").symlink_to("target.csv")
    return ["estimate", "sed.txt", "-o", "out.csv", "--overwrite"]


def dollar(folder):
    put(folder / "seds" / "a$x_{$.txt", GOOD)
    put(folder / "seds" / "good.txt", GOOD)
    return ["plot", "seds", "-o", "out.pdf"]


# --- looks --------------------------------------------------------------------------------------


def rows(n):
    """All rows come back from the table that was written."""

    def check(folder, said):
        (path,) = folder.glob("out.*")
        found = len(Table.read(path, format="ascii.csv" if path.suffix == ".csv" else None))
        return "" if found == n else f"{n} rows became {found}"

    return check


def text_stays(*texts):
    def check(folder, said):
        (path,) = folder.glob("out.*")
        content = path.read_text()
        return "".join(f"{text} is lost; " for text in texts if text not in content)[:-2]

    return check


def no_formula(folder, said):
    lines = (folder / "out.csv").read_text().splitlines()
    return "a formula in the table" if any(line.startswith("=") for line in lines) else ""


def no_licence(folder, said):
    """Nothing of the file that the entity names."""
    words = (ROOT / "LICENSE").read_text().splitlines()[0]
    texts = [said, *(path.read_text() for path in folder.glob("out.*"))]
    return "a file was read" if any(words in text for text in texts) else ""


def not_asked(folder, said):
    return "a server was asked" if ASKED else ""


def no_escape(folder, said):
    return "a control character on the terminal" if "\x1b" in said else ""


def image_as_it_was(folder, said):
    old, new = (folder / "c.fits").read_bytes(), (folder / "out.fits").read_bytes()
    return "" if new.endswith(old[-2 * 2880 :]) else "a wrong checksum became right"


def columns_that_fits_has(folder, said):
    if (path := folder / "out.fits").exists() and fits.getheader(path, 1)["TFIELDS"] > 999:
        return "an invalid file"
    return ""


def both_tables(folder, said):
    n = (folder / "out.vot").read_text().count("</TABLE>")
    return "" if n == 2 else f"{n} of 2 tables"


def nowhere(folder, said):
    ra = Table.read(folder / "out.csv", format="ascii.csv")["ra"]
    known = np.isfinite(np.ma.filled(np.ma.asarray(ra, float), np.nan)).any()
    return "a place off the sphere" if known else ""


def link_stays(folder, said):
    return "" if (folder / "out.csv").is_symlink() else "the link is gone"


def not_run(folder, said):
    return "a pickle was run" if (folder / "ran").exists() else ""


def names_the_file(folder, said):
    return "" if "out.fits" in said else "no file named"


def both_told(folder, said):
    """Of two members of one name both count, or the second is said to be left out."""
    n = len(Table.read(folder / "out.csv", format="ascii.csv"))
    return "" if n == 4 or "more than once" in said else "one of two members lost, unsaid"


# --- the cases ----------------------------------------------------------------------------------


def long_row(digits):
    return GOOD + f" {'1' * digits}x  1.0E-12  1.0E-12  1.0E-12  55000.0  55000.0  Det  A\n"


def ssdc(**values):
    return json.dumps({"Datasets": [], "Properties": {}, "Source": {}} | values)


CSV = "id,RAJ2000,DEJ2000\n007,63.8,48.5\n2015E10,1,1\n1e400,2,2\n"
ECSV = "# %ECSV 1.0\n# ---\n# meta: {dec: {a: 1}}\nfrequency nufnu\n1e9 1e-12\n"
OBJECTS = (
    "# %ECSV 1.0\n# ---\n# datatype:\n# - {name: RAJ2000, datatype: float64}\n"
    "# - {name: DEJ2000, datatype: float64}\n# - {name: o, datatype: string, subtype: json}\n"
    'RAJ2000 DEJ2000 o\n63.8 48.5 "{""a"": 1}"\n'
)
COMMENT = votable(f'<!-- mine --><TABLE x:a="1">{FIELDS}{ROWS}</TABLE>', space=' xmlns:x="u:x"')
SSDC = (ROOT / "tests" / "data" / "services" / "ssdc_sed.json").read_text()
LARGE = re.sub(r"[-+]?\d+\.\d+(e[-+]?\d+)?", "9" * 400, SSDC, count=1, flags=re.IGNORECASE)
_FILE = io.BytesIO()
Table({"frequency": [1e9], "nufnu": [1e-12]}).write(_FILE, format="fits")
BAD_CARD = _FILE.getvalue().replace(b"TFORM1  = 'D", b"TFORM1  = (D")


def cases():
    """All cases."""
    est, flagged = "estimates", "flagged row"
    return [
        Case("S1", "a number of 40,000 digits in a row", one(long_row(40_000)), est, 1),
        Case("S1", "the same with 80,000, in a zip", zipped([("x", long_row(80_000))]), est, 3),
        Case("S2", "a zip member of 1.9 GB that says 1,000 bytes", lying_member, flagged, 3),
        Case("S2", "an ensemble that does", lying_ensemble),
        Case("S3", "a VOTable that refers to a file", from_file),
        Case("S3", "a VOTable that refers to a server", from_server, check=not_asked),
        Case("S3", "a VOTable of 200,000,000 rows, it says",
             catalog("c.vot", votable(f'<TABLE nrows="200000000">{FIELDS}{ROWS}</TABLE>'))),
        Case("F2", "a name that begins with #, to ECSV", among({"#x.txt": GOOD}, ".ecsv"),
             est, 3, rows(4)),
        Case("F2", "an escape character in a name, to VOTable",
             among({"a\x1bb.txt": GOOD}, ".vot"), est, 3, rows(4)),
        Case("F2", "a carriage return in a name, to CSV", among({"a\rb.txt": GOOD}), est, 3,
             rows(4)),
        Case("F2", "an accent in a name, to FITS", among({"caf\xe9.txt": GOOD}, ".fits"), est, 3,
             rows(4)),
        Case("F2", "a byte 0xff in a name", among({b"a\xffb.txt": GOOD}), est, 3, rows(4)),
        Case("F3", "a FITS table of 998 columns", catalog("c.fits", wide), "one line", 0,
             columns_that_fits_has),
        Case("F4", "a VOTable with two tables",
             catalog("c.vot", votable(f"<TABLE>{FIELDS}{ROWS}</TABLE>" * 2)), est, 0, both_tables),
        Case("F10", "a zip of 100,001 members that are no SEDs", many_members, est, 3),
        Case("F11", "JSON of something else beside a good file", beside("bad.json", '{"a": 1}'),
             flagged, 1),
        Case("F11", "a missing file beside a good one", beside("missing.txt"), flagged, 1),
        Case("F11", "a folder called x.fits", folder_as_fits, est, 3),
        Case("W3", "a FITS image whose checksum is wrong", catalog("c.fits", damaged_image), est, 0,
             image_as_it_was),
        Case("W4", "identifiers 007, 2015E10, 1e400 in CSV", catalog("c.csv", CSV), est, 0,
             text_stays("007", "2015E10", "1e400")),
        Case("W4", "a whole number and a null in Parquet", catalog("c.parquet", integers_with_null),
             est, 0, integers_stay),
        Case("W5", "a tar of five SEDs", tar_of_five, est, 5),
        Case("W6", "two members of one name", zipped([("good0.txt", GOOD)]), est, 3, both_told),
        Case("L8", "a declination of 91", beyond_the_pole, est, 1, nowhere),
        Case("T1", "ECSV without column types", one(ECSV, "x.ecsv"), "harmless"),
        Case("T1", "SSDC: a list where an object belongs",
             one(ssdc(Datasets={}, Properties=[1]), "x.json")),
        Case("T1", "SSDC: a whole number of 400 digits",
             one(LARGE, "x.json"), "harmless"),
        Case("T1", "200,000 brackets", one('{"Datasets":' + "[" * 200_000, "x.json")),
        Case("T1", "FITS with a bad card", one(BAD_CARD, "x.fits")),
        Case("T2", "a script without a main guard", script(UNGUARDED), est, 1000),
        Case("T2", "a worker that is killed", script(KILLED), est, 1000),
        Case("T4", "Parquet with structures, lists, categories, nothing",
             catalog("c.parquet", nested_parquet), est),
        Case("T4", "ECSV with objects", catalog("c.ecsv", OBJECTS, "out.fits"), est),
        Case("T4", "positions that are vectors", catalog("c.fits", vectors)),
        Case("T7", "a dollar sign in a name, drawn", dollar, est),
        Case("L1", "an escape character in a name, printed",
             lambda folder: [*among({"a\x1b[31mb.txt": ""})(folder)[:2]], flagged, 3, no_escape),
        Case("L1", "a name that is a formula, to CSV", among({"=1+1.txt": GOOD}), est, 3,
             no_formula),
        Case("L2", "a comment and a prefix in a VOTable", catalog("c.vot", COMMENT), est, 0,
             text_stays("<!-- mine -->", "xmlns:x=")),
        Case("L3", "an output that is a link", linked, est, 1, link_stays),
        Case("L4", "CSV that begins with a byte order mark",
             catalog("c.csv", "\ufeffRAJ2000,DEJ2000\n63.8,48.5\n"), est),
        Case("L5", "standard input without end", lambda folder: ["estimate", "-"],
             stdin="/dev/zero"),
        Case("L6", "490,000 title lines", one(GOOD.split("\n")[0].join(["", "\n"]) * 490_000)),
        Case("L7", "no room for the output", one(GOOD, output="out.fits"), check=names_the_file,
             largest=99),
        Case("held", "100 MB of zeros in a zip", zipped([("x.txt", bytes(10**8))]), flagged, 3),
        Case("held", "a member ../../x.txt", zipped([("../../x.txt", GOOD)]), est, 3),
        Case("held", "a billion laughs",
             catalog("c.vot", votable(f"<TABLE>{FIELDS}&a9;{ROWS}</TABLE>", LAUGHS + "]>"))),
        Case("held", "an entity that is a file",
             catalog("c.vot", votable(f"<DESCRIPTION>&x;</DESCRIPTION><TABLE>{FIELDS}{ROWS}"
                                      "</TABLE>", ENTITY)), "harmless", 0, no_licence),
        Case("held", "a pickle in an ensemble", pickled_ensemble, "one line", 0, not_run),
    ]  # fmt: skip
