"""Every reader of strangers' bytes, with what it may raise and good input to begin from."""

import gzip
import io
import json
import sys
import tarfile
import tempfile
import warnings
import zipfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np

TESTS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TESTS))

import vou_files  # noqa: E402
from astropy.table import Table  # noqa: E402

from blase_astro.catalog import match_file  # noqa: E402
from blase_astro.io import bounded, read_points, sed_table  # noqa: E402
from blase_astro.io.files import read_catalog, write_table  # noqa: E402
from blase_astro.io.gadf import read_gadf, read_jetset  # noqa: E402
from blase_astro.io.kinds import kind_of, seds_from_bytes  # noqa: E402
from blase_astro.io.ned import read_ned  # noqa: E402
from blase_astro.io.ssdc import read_ssdc  # noqa: E402
from blase_astro.io.table import points_from_seds  # noqa: E402
from blase_astro.io.vizier import read_vizier  # noqa: E402
from blase_astro.io.votables import safe_votable  # noqa: E402
from blase_astro.io.vou import fast, reader  # noqa: E402
from blase_astro.sed import bin_seds, unusable_reason  # noqa: E402

DOCUMENTED = (ValueError, OSError)
SERVICES = TESTS / "data" / "services"


def usable(sed):
    """An SED that came out can be used: points, bins, reasons."""
    points_from_seds([sed])
    bin_seds([sed])
    unusable_reason(sed)


def vou(data):
    """Both ways of reading a text file, which have to agree."""
    try:
        seds = reader.tables_from_bytes("file", data)
    except ValueError:
        seds = None
    try:
        points = fast.parse_points(data)
    except ValueError:
        assert seds is None, "the fast path refuses what the reader reads"
        raise
    assert seds is not None, "the fast path reads what the reader refuses"
    assert len(seds) == len(points.name)
    found = points_from_seds(seds)
    for name in ("sed", "frequency", "nufnu", "nufnu_upper", "nufnu_lower", "upper_limit"):
        mine, theirs = getattr(points, name), getattr(found, name)
        assert np.array_equal(mine, theirs, equal_nan=mine.dtype.kind == "f"), name


def alone(read):
    """A reader of one SED."""
    return lambda data: usable(read(data))


def any_kind(data):
    """A file of any kind, by its content."""
    kind_of(data)
    for sed in seds_from_bytes("file", data):
        usable(sed)


def in_file(read, suffix):
    """A reader of paths."""

    def through_a_file(data):
        with tempfile.NamedTemporaryFile(suffix=suffix) as file:
            file.write(data)
            file.flush()
            read(file.name)

    return through_a_file


def zip_of(members):
    """A zip of members by name, whose checksums are right whatever they hold."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as zipped:
        for name, data in members.items():
            zipped.writestr(name, data)
    return file.getvalue()


def archive(path):
    """All SEDs of an archive, none of which ends the reading."""
    for points in read_points(path):
        assert len(points.name) == len(points.error)


def catalog(path):
    """A catalog gets columns, and comes back."""
    output = f"{path}.out{Path(path).suffix}"
    try:
        match_file(path, output)
        read_catalog(output)
    finally:
        Path(output).unlink(missing_ok=True)


CATALOGS = [".fits", ".ecsv", ".csv", ".vot"] + [".parquet"] * bool(find_spec("pyarrow"))
READERS = {
    "vou": vou,
    "ssdc": alone(read_ssdc),
    "ned": alone(read_ned),
    "vizier": alone(read_vizier),
    "gadf": alone(read_gadf),
    "jetset": alone(read_jetset),
    "votable": safe_votable,
    "any": any_kind,
    "zip": in_file(archive, ".zip"),
    "tar": in_file(archive, ".tar"),
    "npz": in_file(bounded.read_npz, ".npz"),
    "npy": lambda data: READERS["npz"](zip_of({"a.npy": data})),
    **{f"catalog{suffix}": in_file(catalog, suffix) for suffix in CATALOGS},
}


def outcome(name, data):
    """What a reader does with bytes: ``'read'`` or the name of what it raised.

    Anything that is not documented is raised.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            READERS[name](data)
        except DOCUMENTED as error:
            return type(error).__name__
    return "read"


def _written(sed, form, suffix):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"sed{suffix}"
        sed.write(path, format=form)
        return path.read_bytes()


def _catalog(suffix):
    """A small catalog with numbers, texts, integers and truths."""
    table = Table({"name": ["a", "b c"], "RAJ2000": [77.36, 1.0], "DEJ2000": [5.69, -1.0]})
    table["n"], table["flag"] = [1, 2], [True, False]
    table["RAJ2000"].unit = table["DEJ2000"].unit = "deg"
    table["name"].description = "what it is called"
    with tempfile.TemporaryDirectory() as folder:
        write_table(table, Path(folder) / f"catalog{suffix}")
        return (Path(folder) / f"catalog{suffix}").read_bytes()


def seeds():
    """Good input of each reader, as a list of bytes."""
    text = [vou_files.padded(key) for key in sorted(vou_files.PATHS)]
    text += [vou_files.trimmed(key) for key in sorted(vou_files.PATHS)]
    files = {path.name: path.read_bytes() for path in sorted(SERVICES.iterdir())}
    sed = sed_table(
        [1.4e9, 4.9e14, 2.4e17, 1e22],
        [2e-14, 4e-12, 1e-12, 3e-12],
        [2.2e-14, 4.4e-12, np.nan, 3e-12],
        [1.8e-14, 3.6e-12, np.nan, np.nan],
        mjd_start=[55000.5, np.nan, np.nan, np.nan],
        upper_limit=[False, False, False, True],
        catalog=["NVSS", "SDSS", "", "3FGL"],
        meta={"ra": 77.36, "dec": 5.69, "redshift": 0.3365},
    )
    gadf = [_written(sed, "gadf-sed", suffix) for suffix in (".fits", ".ecsv")]
    jetset = [_written(sed, "jetset-sed", ".ecsv")]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain = [
            _written(sed, form, suffix)
            for form, suffix in (("fits", ".fits"), ("ascii.ecsv", ".ecsv"), ("votable", ".vot"))
        ]
        plain.append(_written(Table(sed["frequency", "nufnu"]), "votable", ".vot"))
    ssdc = files["ssdc_sed.json"]
    packed = json.dumps(json.loads(ssdc), separators=(",", ":")).encode()
    ned = [data for name, data in files.items() if name.startswith("ned")]
    vizier = [data for name, data in files.items() if name.startswith("vizier")]
    members = {"a.txt": text[0], "b.json": ssdc, "c.fits": plain[0], "d.gz": gzip.compress(text[1])}
    tarred, npz, npy = io.BytesIO(), io.BytesIO(), io.BytesIO()
    with tarfile.open(fileobj=tarred, mode="w") as file:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
    np.savez_compressed(npz, a=np.arange(20.0), b=np.array(["x", "yz"]), c=np.zeros((2, 3), "f4"))
    np.save(npy, np.arange(12.0).reshape(3, 4))
    tar = tarred.getvalue()
    return {
        "vou": text,
        "ssdc": [ssdc, packed],
        "ned": ned,
        "vizier": vizier,
        "gadf": gadf,
        "jetset": jetset,
        "votable": [*ned, *vizier, plain[2]],
        "any": [text[0], ssdc, *ned, *vizier, *gadf, *jetset, *plain],
        "zip": [zip_of(members)],
        "tar": [tar, gzip.compress(tar)],
        "npz": [npz.getvalue()],
        "npy": [npy.getvalue()],
        **{f"catalog{suffix}": [_catalog(suffix)] for suffix in CATALOGS},
    }
