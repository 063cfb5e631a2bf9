"""The reader and the writer of VOU_Blazars' SED files, and the fast path beside them."""

import gzip
import io
import subprocess
import sys
import time
import warnings
from importlib import reload

import numpy as np
import pytest
import vou_files
from astropy.io import registry
from astropy.table import QTable, Table
from astropy.utils.exceptions import AstropyUserWarning
from hypothesis import example, given, settings
from hypothesis import strategies as st

import blase_astro
from blase_astro import sed as sed_module
from blase_astro.io import (
    bounded,
    read_points,
    read_sed,
    sed_table,
)
from blase_astro.io.vou import (
    fast,
    lines,
    reader,
    writer,
)

NAN = np.nan
INF = np.inf
NUMBERS = ["frequency", "nufnu", "nufnu_upper", "nufnu_lower"]
TITLE = "   1  matched source   77.35819    5.69315  99  0.336"
ROW = " 1.400E+09   1.024E-14   1.055E-14   9.935E-15  55000.0000  55000.0000   Det  NVSS   TBD"

# What the ten files of made-up values must give: frequency, nufnu, upper, lower of each row, then
# the rows that are limits, the catalogs, some references, the known dates and the meta.
EXPECTED = {
    "A": {
        "numbers": [
            (2.418e17, 2.185e-13, 3.139e-13, 1.230e-13),
            (4.850e9, 5.525e-14, NAN, NAN),
            (5.450e11, 0, 3.932e-12, 0),
            (1.209e17, NAN, NAN, NAN),
            (3.000e10, 1.356e-13, 1.695e-13, 1.017e-13),
            (1.200e12, 2.260e-12, 2.486e-12, 2.034e-12),
            (1.209e25, 6.514e-12, 7.160e-12, 5.870e-12),
            (NAN, NAN, NAN, NAN),
        ],
        "limits": [2, 3, 7],
        "catalogs": "RASS|NORTH20|PCNT|OUSXB|PCCS2 30 GHz|SPIRE250|DEBL|DEBL",
        "references": {0: "Boller et al. 2016, A&A, 103, 1", 7: "3FHL EBL-corrected flux"},
        "dates": {3: (58218.6992, 58218.8984)},
        "meta": (227.1623, -49.884, NAN, 99, 1),
        "usable": [0, 1, 4, 5],
    },
    "B": {
        "numbers": [
            (1.400e9, 1.024e-14, 1.055e-14, 9.935e-15),
            (4.800e9, -3.503e-14, 3.842e-14, 3.164e-14),
            (4.455e14, 7.006e-13, NAN, NAN),
            (1.363e13, 1.243e-12, 1.243e-12, 1.243e-12),
            (1.813e22, 0, 4.633e-12, 0),
            (7.640e25, 3.477e-16, 8.521e-12, 0),
            (1.209e17, NAN, NAN, NAN),
            (2.418e17, 1.017e-13, 2.486e-13, -4.520e-14),
            (6.517e13, 3.729e-12, 1.356e-12, 1.130e-12),
            (3.460e14, INF, 0, INF),
            (2.418e23, NAN, NAN, NAN),
            (1.430e11, 5.650e-13, 6.215e-13, 5.085e-13),
            (2.418e26, 1.130e-12, 1.582e-12, 6.780e-13),
            (8.870e8, 6.335e-15, 6.783e-15, 5.885e-15),
            (NAN, NAN, NAN, NAN),
        ],
        "limits": [3, 4, 5, 6, 14],
        "catalogs": (
            "NVSS|GB6|GAIA|WISE|4FGL-DR3|2FHL|2SXPS|BMW|2MASS|PanSTARRS|1FLE|PCCS2143 GHz|"
            "VERITAS||DEBL"
        ),
        "references": {12: "TBD", 13: "TBD", 14: "EBL-corrected flux"},
        "dates": {12: (NAN, 54500)},
        "meta": (101.23456, -12.34567, NAN, 99, 1),
        "usable": [0, 1, 2, 7, 11, 12, 13],
    },
    "C": {
        "numbers": [
            (1.400e9, 1.024e-14, 1.055e-14, 9.935e-15),
            (7.4e7, 1.130e-14, 1.356e-14, 9.040e-15),
            (8.4e7, 1.130e-16, 3.390e-16, -1.130e-16),
            (2e8, NAN, NAN, NAN),
            (3.935e22, 4.525e-11, 5.510e-11, 3.539e-11),
            (1.209e17, 1.356e-13, NAN, NAN),
            (6.818e14, 1.233e-11, 1.242e-11, 1.224e-11),
            (4.856e14, 2.260e-12, 2.373e-12, 2.147e-12),
            (6.818e14, 1.233e-11, 1.242e-11, 1.224e-11),
        ],
        "limits": [4, 5],
        "catalogs": "NVSS|SPECFINDV3|GLEAMV2|EPRS|Fermi|SUFST|SMARTS|ZTF-LC|SMARTS",
        "references": {
            1: "Stein et al., 2021, A&A, 655, A17",
            4: "Sahakyan et al. 2023",
            7: "Bellm et al. 2019 PASP 131 018002",
        },
        "dates": {
            4: (54692.23, 54703.48),
            5: (56007.1, 56007.2),
            6: (56449.4331, 56449.4331),
            7: (58307.1234, 58307.1234),
            8: (56449.4331, 56449.4331),
        },
        "meta": (9.87654, 54.32109, 0.086, 1, 3),
        "usable": [0, 1, 2, 6, 7, 8],
    },
    "D": {
        "numbers": [
            (1.400e9, 8.478e-15, 8.733e-15, 8.223e-15),
            (3.000e10, 1.356e-13, 1.695e-13, 1.017e-13),
            (1.200e12, 2.260e-12, 2.486e-12, 2.034e-12),
        ],
        "limits": [],
        "catalogs": "NVSS|PCCS2 30 GHz|SPIRE250",
        "references": {0: "", 1: "", 2: ""},
        "dates": {},
        "meta": (83.00012, -30.12345, NAN, 4, 2),
        "usable": [0, 1, 2],
    },
    "E": {
        "numbers": [
            (1.400e9, 8.478e-15, 8.733e-15, 8.223e-15),
            (3.520e8, 1.130e-15, 2.260e-15, 5.650e-16),
            (1.209e25, 5.650e-12, 6.780e-12, 4.520e-12),
        ],
        "limits": [],
        "catalogs": "NVSS|WISH|3FHL",
        "references": {0: "Condon et al. 1998, AJ, 115, 1693", 1: "", 2: "TBD"},
        "dates": {},
        "meta": (83.00012, -30.12345, NAN, 99, 2),
        "usable": [0, 1, 2],
    },
    "G": {
        "numbers": [
            (1.400e9, 8.478e-15, 8.733e-15, 8.223e-15),
            (6.813e14, 7.910e-13, NAN, NAN),
        ],
        "limits": [],
        "catalogs": "NVSS|USNO",
        "references": {0: "Condon et al. 1998, AJ, 115, 1693", 1: ""},
        "dates": {},
        "meta": (303.10203, 60.70809, NAN, 2, 1),
        "usable": [0, 1],
    },
    "H": {
        "numbers": [
            (1e9, 1.234e-100, 1.234e-100, 1.234e-100),
            (1e9, 1.2e-14, 1.3e-14, 1.1e-14),
            (NAN, 1e-14, 1.1e-14, 9e-15),
            (1.4e9, 1e-14, 1.1e-14, 9e-15),
        ],
        "limits": [1],
        "catalogs": "NVSS|ODD NAME|NVSS|NVSS",
        "references": {0: "TBD", 1: "A ref  with   runs, of, commas, é", 2: "", 3: "Condon et al."},
        "dates": {},
        "meta": (83.00012, -30.12345, NAN, 99, 1),
        "usable": [0, 3],
    },
}


def tables(data):
    """Tables of the sections of a file's bytes, or None if it is refused; without warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AstropyUserWarning)
        try:
            return reader.tables_from_bytes("file", lines.unix_lines(data))
        except ValueError:
            return None


def assert_same_points(data):
    """The reader and the fast path see the same in a file; returns the fast path's points."""
    seds = tables(data)
    try:
        points = fast.parse_points(data)
    except ValueError:
        assert seds is None
        return None
    assert len(seds) == len(points.name)
    for i, sed in enumerate(seds):
        rows = points.sed == i
        for name in NUMBERS:
            assert np.array_equal(getattr(points, name)[rows], filled(sed[name]), equal_nan=True)
        assert np.array_equal(points.upper_limit[rows], sed["upper_limit"])
        assert np.array_equal(points.duplicate[rows], sed["catalog"] == "DEBL")
        assert np.array_equal(
            sed_module.usable(*(a[rows] for a in points[6:])), sed_module.unusable_reason(sed) == ""
        )
        for key in ("ra", "dec", "redshift"):
            assert np.array_equal(getattr(points, key)[i], sed.meta[key], equal_nan=True)
    return points


def filled(column):
    """Numbers of a column with NaN where masked."""
    return column.filled(NAN)


def assert_equal(sed, other):
    """Two SED tables hold the same."""
    assert sed.colnames == other.colnames
    assert len(sed) == len(other)
    for name in sed.colnames:
        a, b = sed[name], other[name]
        assert (a.unit, a.description, a.meta) == (b.unit, b.description, b.meta)
        if a.dtype.kind == "f":
            a, b = filled(a), filled(b)
        assert np.array_equal(a, b, equal_nan=a.dtype.kind == "f"), name
    assert repr(sed.meta) == repr(other.meta)


class TestGenerations:
    """The made-up files A to J, as the tool writes them and trimmed by an editor."""

    @pytest.mark.parametrize("form", [vou_files.padded, vou_files.trimmed])
    @pytest.mark.parametrize("key", EXPECTED)
    def test_file(self, key, form):
        """Numbers, limits, texts, dates, meta and usable rows of one file."""
        expected, data = EXPECTED[key], form(key)
        (sed,) = tables(data)
        found = np.column_stack([filled(sed[name]) for name in NUMBERS])
        assert np.array_equal(found, np.array(expected["numbers"]), equal_nan=True)
        assert np.flatnonzero(sed["upper_limit"]).tolist() == expected["limits"]
        assert "|".join(sed["catalog"]) == expected["catalogs"]
        assert {i: sed["reference"][i] for i in expected["references"]} == expected["references"]
        dates = np.full((len(sed), 2), NAN)
        for i, pair in expected["dates"].items():
            dates[i] = pair
        found = np.column_stack([filled(sed[name]) for name in ("mjd_start", "mjd_end")])
        assert np.array_equal(found, dates, equal_nan=True)
        keys = ("ra", "dec", "redshift", "source_type", "source_number")
        assert str(tuple(sed.meta[k] for k in keys)) == str(expected["meta"]).replace(
            "np.nan", "nan"
        )
        usable = sed_module.unusable_reason(sed) == ""
        assert np.flatnonzero(usable).tolist() == expected["usable"]
        assert_same_points(data)

    @pytest.mark.parametrize("form", [vou_files.padded, vou_files.trimmed])
    def test_two_sources(self, form, tmp_path):
        """F holds two sources, of which one has to be chosen."""
        path = tmp_path / "F"
        path.write_bytes(form("F"))
        assert [sed.meta["source_type"] for sed in reader.read_sections(path)] == [99, -5]
        sed = Table.read(path, format="vou-sed", source=2)
        assert sed.meta["dec"] == -7.5
        assert len(sed) == 1
        points = assert_same_points(form("F"))
        assert points.name == ["", "#2"]
        with pytest.raises(ValueError, match=r"F: it holds source 1, 2; wanted source= .* None"):
            read_sed(path)
        with pytest.raises(ValueError, match="got 3"):
            read_sed(path, source=3)

    def test_repeated_source_numbers(self):
        """Concatenated files, all of source 1, are told apart by their order."""
        points = assert_same_points(3 * f"{TITLE}\n{ROW}\n".encode())
        assert points.name == ["", "#2", "#3"]

    def test_short_row_is_warned_of(self):
        """The cut row of H is skipped, with one warning."""
        with pytest.warns(AstropyUserWarning, match="h.txt: malformed rows skipped: 1, the first"):
            reader.tables_from_bytes("h.txt", vou_files.padded("H"))

    @pytest.mark.parametrize("headers", ["", "<V6>\n"])
    def test_no_rows(self, headers):
        """J: a title without rows is an empty SED with its meta filled."""
        text = f"{TITLE}\n{headers}".replace("<V6>", vou_files.header_lines("V6"))
        (sed,) = tables(text.encode())
        assert len(sed) == 0
        assert sed.colnames[:2] == ["frequency", "nufnu"]
        assert sed["nufnu"].unit == "erg / (s cm2)"
        assert sed.meta["redshift"] == 0.336
        assert assert_same_points(text.encode()).ra == [77.35819]

    @pytest.mark.parametrize("kind", vou_files.LOOK_ALIKES)
    def test_look_alike_is_refused(self, kind, tmp_path):
        """I: what is no SED gives one clear error that names the file."""
        path = tmp_path / "other.txt"
        path.write_bytes(vou_files.LOOK_ALIKES[kind].encode("utf-8", "surrogateescape"))
        with pytest.raises(ValueError, match=r"other\.txt: not an SED file .* expected a first li"):
            reader.read_vou(path)
        with pytest.raises(ValueError, match="not an SED file"):
            fast.parse_points(path.read_bytes())


class TestRealFiles:
    """What the tool itself and the archive of real SEDs give."""

    def test_txs(self, shared_data):
        """Counts of the published file of TXS 0506+056."""
        path = shared_data / "sed_samples" / "TXS_0506+056.txt"
        sed = read_sed(path)
        assert len(sed) == 311
        assert sed.meta["ra"] == 77.35819
        catalogs, counts = np.unique(sed["catalog"], return_counts=True)
        counts = dict(zip(catalogs.tolist(), counts.tolist(), strict=True))
        assert len(counts) == 24
        assert (counts["OUSXB"], counts["XRTSPEC"], counts["DEBL"]) == (110, 116, 6)
        assert sed["upper_limit"].sum() == 18
        assert (sed["mjd_start"].mask.sum(), sed["frequency"].mask.sum()) == (79, 1)
        assert sed["nufnu"].mask.sum() == 13
        assert (sed["nufnu"] == 0).sum() == 2
        no_bounds = sed["nufnu_upper"].mask & ~sed["nufnu"].mask
        assert no_bounds.sum() == 5
        assert (sed["mjd_end"] > sed["mjd_start"])[sed["catalog"] == "OUSXB"].sum() == 105
        assert assert_same_points(path.read_bytes()).sed.size == 311

    def test_all_files_of_the_archive(self, shared_data):
        """Every file is read, both ways alike, with the position that its name tells."""
        parts = list(read_points(shared_data / "SEDs.zip"))
        names, seds = zip(*blase_astro.read_seds(shared_data / "SEDs.zip"), strict=True)
        assert len(names) == 1721
        assert list(names) == [name for part in parts for name in part.name]
        for column in NUMBERS:
            ours = np.concatenate([getattr(part, column) for part in parts])
            theirs = np.concatenate([filled(sed[column]) for sed in seds])
            assert np.array_equal(ours, theirs, equal_nan=True)
        limits = np.concatenate([part.upper_limit for part in parts])
        assert np.array_equal(limits, np.concatenate([sed["upper_limit"] for sed in seds]))
        position = [[float(x) for x in name.split("_")[2:4]] for name in names]
        found = [[sed.meta["ra"], sed.meta["dec"]] for sed in seds]
        np.testing.assert_allclose(found, position, rtol=0, atol=6e-5)


class TestInput:
    """What the reader takes."""

    def test_kinds_of_input(self, tmp_path):
        """Path, gzip, open files and lines give the same table."""
        data = vou_files.padded("C")
        plain, packed = tmp_path / "sed.txt", tmp_path / "sed.txt.gz"
        plain.write_bytes(data)
        packed.write_bytes(gzip.compress(data))
        expected = read_sed(plain)
        lines = data.decode().split("\n")
        for file in (str(plain), packed, lines, [line.encode() for line in lines]):
            assert_equal(Table.read(file, format="vou-sed"), expected)
        for mode in ("r", "rb"):
            with plain.open(mode) as file:
                assert_equal(Table.read(file, format="vou-sed"), expected)
        assert_equal(read_sed(io.BytesIO(packed.read_bytes())), expected)

    def test_qtable(self, tmp_path):
        """A QTable gets quantities."""
        path = tmp_path / "sed.txt"
        path.write_bytes(vou_files.padded("D"))
        assert QTable.read(path, format="vou-sed")["nufnu"].unit == "erg / (s cm2)"
        assert QTable.read(path)["frequency"].to_value("MHz").tolist() == [1400, 30000, 1.2e6]

    def test_identified_by_content(self, tmp_path):
        """A title line suffices, whatever the name; nothing else is claimed."""
        path = tmp_path / "SED_11.78_227.1623_-49.8840_PMNJ1508-49_1.551"
        path.write_bytes(vou_files.padded("B"))
        assert len(Table.read(path)) == 15
        with path.open("rb") as file:
            file.seek(10)
            assert not reader.identify_vou("read", None, file)
            assert file.tell() == 10
        assert not reader.identify_vou("write", str(path), None)
        assert not reader.identify_vou("read", "sed.csv", io.BytesIO(path.read_bytes()))
        assert not reader.identify_vou("read", None, io.StringIO(TITLE))

    @pytest.mark.parametrize("format", ["ascii.ecsv", "ascii.csv", "fits", "votable"])
    def test_foreign_files_are_left_alone(self, format, tmp_path):
        """Astropy's own formats are identified as before, by QTable too."""
        name = f"t.{format.split('.')[-1]}"
        Table({"a": [1, 2]}).write(tmp_path / name, format=format)
        assert len(Table.read(tmp_path / name)) == 2
        assert len(QTable.read(tmp_path / name)) == 2

    @pytest.mark.parametrize("content", [b"\x1f\x8b", b"\x1f\x8b" + bytes(50)])
    def test_broken_gzip(self, content, tmp_path):
        """A broken gzip file is an error with its name."""
        path = tmp_path / "sed.gz"
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"sed\.gz: broken or truncated gzip file"):
            read_sed(path)

    def test_gzip_bomb(self, tmp_path):
        """A file that inflates beyond all measure is refused."""
        path = tmp_path / "sed.gz"
        path.write_bytes(gzip.compress(bytes(2 * 10**6)))
        with pytest.raises(ValueError, match="inflates beyond 64 MiB or 200 times its size"):
            read_sed(path)

    def test_huge_file(self, tmp_path):
        """So is a file no SED can be as long as."""
        path = tmp_path / "sed.txt"
        with path.open("wb") as file:
            file.truncate(bounded.MAX_BYTES + 1)
        with pytest.raises(ValueError, match=r"sed\.txt: longer than 64 MiB"):
            read_sed(path)

    def test_too_many_lines(self):
        """And one of short lines, which would take many times its bytes of memory."""
        data = io.BytesIO(TITLE.encode() + b"\n" * 500_001)
        with pytest.raises(ValueError, match="SED: more than 500000 lines"):
            read_sed(data)
        with pytest.raises(ValueError, match="more than 500000 lines"):
            fast.parse_points(data.getvalue())

    def test_too_many_sources(self):
        """L6: as many titles as a file has lines would take gigabytes."""
        data = f"{TITLE}\n".encode() * 100_000
        start = time.monotonic()
        with pytest.raises(ValueError, match="more than 30000 sources in one file; wanted it spl"):
            read_sed(io.BytesIO(data))
        with pytest.raises(ValueError, match="more than 30000 sources"):
            fast.parse_points(data)
        assert time.monotonic() - start < 1

    def test_no_such_file(self):
        """A missing file is an OSError."""
        with pytest.raises(FileNotFoundError, match=r"missing\.txt"):
            read_sed("missing.txt")


class TestRows:
    """Single lines, beyond those of the made-up files."""

    @pytest.mark.parametrize(
        ("title", "expected"),
        [
            (TITLE, (77.35819, 5.69315, 0.336, 99, 1)),
            ("**** matched source 1 2 ** *****", (1.0, 2.0, NAN, None, None)),
            ("  1  matched source  *********  ********* 99", (NAN, NAN, NAN, 99, 1)),
            ("  1  matched source    99  0.100", (NAN, NAN, 0.1, 99, 1)),
            ("  1  matched source  05:09:25.96  +05:41:35.3  99", (NAN, NAN, NAN, 99, 1)),
            ("  1  matched source  77.3  200.0  -5  -.500", (NAN, NAN, NAN, -5, 1)),
            ("999999999  matched source  77.3  1.5  --5  1e999", (77.3, 1.5, NAN, None, 999999999)),
            ("  1  matched source  77.3  NaN  -5    NaN", (NAN, NAN, NAN, -5, 1)),
            ("\ufeff  1  matched source  77.3  1.5   1  0.1\r", (77.3, 1.5, 0.1, 1, 1)),
        ],
    )
    def test_title(self, title, expected):
        """Unreadable parts of a title are missing, not an error."""
        (sed,) = tables(f"{title}\n{ROW}\n".encode())
        assert str(tuple(sed.meta.values())) == str(expected).replace("np.nan", "nan")
        assert len(sed) == 1
        assert_same_points(f"{title}\n{ROW}\n".encode())

    @pytest.mark.parametrize(
        "row",
        [
            " 1.400E+09   1.024E-14",
            " 1.400E+09   1.024E-14   1.055E-14   9.935E-15",
            " 1.400E+09   1.024E-14   1.055E-14   9.935E-15  55000.0000",
            " 1.400E+09   1.024E-14   1.055E-14   9.935E-15  55000.0000  55000.0000",
            " 1.400E+09   1_0.24E-14  1.055E-14   9.935E-15  55000.0000  55000.0000   Det  NVSS",
            " 1,400E+09   1,024E-14   1,055E-14   9,935E-15  55000.0000  55000.0000   Det  NVSS",
            "# a comment",
        ],
    )
    def test_malformed(self, row):
        """A row that is cut or no row is skipped and counted; alone it is an error."""
        with pytest.warns(AstropyUserWarning, match="sed: malformed rows skipped: 1, .* line 3$"):
            (sed,) = reader.tables_from_bytes("sed", f"{TITLE}\n{ROW}\n{row}\n".encode())
        assert len(sed) == 1
        with pytest.raises(ValueError, match="sed: no readable row; 1 malformed, the first in lin"):
            reader.tables_from_bytes("sed", f"{TITLE}\n{row}\n".encode())
        assert_same_points(f"{TITLE}\n{row}\n".encode())
        assert_same_points(f"{TITLE}\n{ROW}\n{row}\n".encode())

    @pytest.mark.parametrize(
        "digits", ["9" * 40_000, "1" * 40_000 + "x", "0." + "0" * 80_000, "-" * 40_000]
    )
    @pytest.mark.parametrize("place", [0, 1, 5])
    def test_numbers_without_end(self, digits, place):
        """S1: a number of 40,000 digits is a malformed row, at once, by both ways of reading."""
        tokens = ROW.split(None, 6)
        tokens[place] = digits
        row = "  ".join(tokens)
        start = time.monotonic()
        with pytest.warns(AstropyUserWarning, match="malformed rows skipped: 1, the first in line"):
            (sed,) = reader.tables_from_bytes("sed", f"{TITLE}\n{ROW}\n{row}\n".encode())
        assert len(sed) == 1
        assert_same_points(f"{TITLE}\n{ROW}\n{row}\n".encode())
        (sed,) = tables(f"   1  matched source  {digits}  {digits}  99\n{ROW}\n".encode())
        assert np.isnan(sed.meta["ra"])
        assert time.monotonic() - start < 1

    def test_headers_without_title(self):
        """Column titles make an SED too, with nothing known of its source."""
        data = f"{vou_files.header_lines('V6')}\n{ROW}\n".encode()
        assert np.isnan(assert_same_points(data).ra).tolist() == [True]

    def test_flag_in_lower_case(self):
        """A flag counts in any case."""
        (sed,) = tables(f"{TITLE}\n{ROW.replace('Det', 'ul ')}\n".encode())
        assert sed["upper_limit"].tolist() == [True]

    def test_latin_1(self):
        """A byte that is no UTF-8 is taken for Latin-1."""
        (sed,) = tables(f"{TITLE}\n{ROW.replace('TBD', 'Véron')}".encode("latin-1"))
        assert sed["reference"][0] == "Véron"

    def test_old_line_ends(self):
        """Carriage returns alone end lines as well."""
        assert_same_points(f"{TITLE}\r{ROW}\r{ROW}\r".encode())
        assert len(tables(f"{TITLE}\r{ROW}\r{ROW}\r".encode())[0]) == 2

    def test_fixed_columns_give_the_nearest_number(self):
        """The fast path's own arithmetic agrees with Python's for every exponent."""
        rng = np.random.default_rng(0)
        numbers = [
            f"{sign}{m // 1000}.{m % 1000:03d}E{e:+03d}"
            for e in range(-99, 100)
            for sign, m in zip(" -", [*rng.integers(0, 10000, 1), 9999], strict=True)
        ]
        numbers += [f" 1.{i:03d}E-14" for i in range(-len(numbers) % 4)]
        rows = [
            f"{'  '.join(numbers[i : i + 4])}  55000.0000  55000.0000  NVSS        TBD          "
            for i in range(0, len(numbers), 4)
        ]
        lines = np.array([row.encode() for row in rows], "S80").view("V80")
        fixed, values, flag = fast._fixed_columns(lines)
        assert fixed.all()
        assert (flag == -1).all()
        assert values.T.ravel().tolist() == [float(number) for number in numbers]

    @pytest.mark.parametrize("place", range(80))
    def test_fixed_columns_refuse_any_other_byte(self, place):
        """One wrong byte anywhere, and both ways still agree on the row."""
        row = vou_files.padded("B").split(b"\n")[4]
        for byte in b"\0\t\n\r !+-./0129:;?@ADEULdx\xff":
            changed = row[:place] + bytes([byte]) + row[place + 1 :]
            assert_same_points(b"\n".join([TITLE.encode(), row, changed, row]))


class TestWriter:
    """Writing in today's layout."""

    @pytest.mark.parametrize("key", EXPECTED)
    def test_round_trip(self, key, tmp_path):
        """What was read from a file is the same after writing and reading it."""
        (sed,) = tables(vou_files.padded(key))
        sed.write(tmp_path / "out.txt", format="vou-sed")
        assert_equal(read_sed(tmp_path / "out.txt"), sed)

    def test_layout(self, tmp_path):
        """A row of the tool itself comes back byte by byte, and so does the title."""
        data = vou_files.padded("C").split(b"\n")[:5]
        (sed,) = tables(b"\n".join(data))
        sed.write(tmp_path / "out.txt", format="vou-sed")
        assert (tmp_path / "out.txt").read_bytes().split(b"\n") == [*data, b""]

    def test_bare_table(self, tmp_path):
        """Frequency and flux suffice; units are converted, unknown numbers get the usual code."""
        table = QTable({"frequency": [1.4], "nufnu": [2.5e-17]}, units=["GHz", "W / m2"])
        table.write(tmp_path / "out.txt", format="vou-sed")
        sed = read_sed(tmp_path / "out.txt")
        assert (sed["frequency"][0], sed["nufnu"][0]) == (1.4e9, 2.5e-14)
        assert sed.meta["source_type"] == 99
        assert np.isnan(sed.meta["ra"])

    def test_file_object_and_overwrite(self, tmp_path):
        """A file is replaced only when told to."""
        sed, path = sed_table([1e9], [1e-14]), tmp_path / "out.txt"
        text = io.StringIO()
        sed.write(text, format="vou-sed")
        sed.write(path, format="vou-sed")
        assert path.read_text() == text.getvalue()
        with pytest.raises(OSError, match=r"out\.txt exists already; give overwrite=True"):
            sed.write(path, format="vou-sed")
        sed_table([], []).write(path, format="vou-sed", overwrite=True)
        assert len(read_sed(path)) == 0

    def test_missing_column(self):
        """An SED without fluxes cannot be written."""
        with pytest.raises(ValueError, match="column 'nufnu' is wanted, got frequency"):
            Table({"frequency": [1.0]}).write(io.StringIO(), format="vou-sed")

    @pytest.mark.parametrize(
        ("catalog", "reference"),
        [("a  b", ""), (" a", ""), ("a\tb", ""), ("a", "b\nc"), ("a", "b!"), ("a", " b")],
    )
    def test_texts_that_the_format_cannot_hold(self, catalog, reference):
        """What would not be read back is refused rather than changed."""
        sed = sed_table([1, 2], [1, 2], catalog=["", catalog], reference=["", reference])
        with pytest.raises(ValueError, match=r"row 1: catalog .* cannot be written; wanted"):
            sed.write(io.StringIO(), format="vou-sed")

    def test_negative_and_small_numbers_keep_their_columns(self):
        """Three digits of an exponent push out the E, as in Fortran."""
        assert writer._es(-1.2345e-100) == "-1.234-100"
        assert writer._es(1e100) == " 1.000+100"
        assert writer._es(-INF) == " -Infinity"


class TestRegistration:
    """The formats are known to astropy once the package is imported, without its tables."""

    @pytest.mark.parametrize(
        "code",
        [
            "import blase_astro, sys; assert 'astropy.table' not in sys.modules\n"
            "from astropy.table import Table",
            "from astropy.table import Table; import blase_astro",
            "import blase_astro, importlib; importlib.reload(blase_astro.io)\n"
            "from astropy.table import Table; importlib.reload(blase_astro.io)",
        ],
    )
    def test_in_either_order(self, code):
        """Whichever is imported first."""
        check = "from astropy.io import registry; registry.get_reader('vou-sed', Table)"
        done = subprocess.run(
            [sys.executable, "-c", f"{code}\n{check}"], capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")

    def test_reload(self):
        """Registering again is no clash."""
        reload(blase_astro.io)
        assert registry.get_reader("vou-sed", Table) is not None

    def test_fast_path_does_without_astropy(self, tmp_path):
        """Bulk reading does not pay for astropy's import."""
        (tmp_path / "sed.txt").write_bytes(vou_files.padded("B"))
        code = (
            "import sys\nfrom blase_astro.io import read_points\n"
            f"assert len(list(read_points({str(tmp_path)!r}))) == 1\n"
            "assert 'astropy' not in sys.modules"
        )
        subprocess.run([sys.executable, "-c", code], check=True)


# ---- properties -------------------------------------------------------------------------------


@st.composite
def four_digits(draw, low=-40, high=30):
    """A number that ES10.3 holds."""
    return float(f"{draw(st.integers(-9999, 9999))}e{draw(st.integers(low, high))}")


WORDS = st.text(st.characters(min_codepoint=33, max_codepoint=0x17F, exclude_categories=["C", "Z"]))
TEXTS = st.lists(WORDS.filter(bool), max_size=3).map(" ".join)
MAYBE = four_digits() | st.sampled_from([NAN, INF, -INF, 0.0, 1.5e-101, 2e200])
DATES = st.integers(0, 999_999_999).map(lambda i: i / 1e4) | st.just(NAN)


@st.composite
def sed_tables(draw):
    """Tables as the reader makes them."""
    n = draw(st.integers(0, 4))

    def column(values):
        return draw(st.lists(values, min_size=n, max_size=n))

    upper, lower, nufnu = (np.array(column(MAYBE), float) for _ in range(3))
    none = (upper == 0) & (lower == 0)
    upper[none] = lower[none] = NAN
    nufnu[np.isnan(upper) & np.isnan(lower) & (nufnu == 0)] = NAN
    position = st.integers(0, 8_999_999).map(lambda i: i / 1e5)
    return sed_table(
        column(MAYBE.filter(lambda x: x != 0)),
        nufnu,
        upper,
        lower,
        mjd_start=column(DATES.filter(lambda x: x != 55000)),
        mjd_end=column(DATES.filter(lambda x: x != 55000)),
        upper_limit=column(st.booleans()),
        catalog=column(TEXTS),
        reference=column(TEXTS.map(lambda text: text.rstrip("! "))),
        meta={
            "ra": draw(position),
            "dec": draw(position | st.just(NAN)),
            "redshift": draw(st.integers(1, 9999).map(lambda i: i / 1e3) | st.just(NAN)),
            "source_type": draw(st.integers(-9, 99)),
            "source_number": draw(st.integers(0, 99999)),
        },
    )


@given(sed_tables())
def test_written_tables_are_read_back(sed):
    """read(write(t)) == t."""
    if np.isnan(sed.meta["dec"]):
        sed.meta["ra"] = NAN
    text = io.StringIO()
    sed.write(text, format="vou-sed")
    (back,) = reader.tables_from_bytes("t", text.getvalue().encode())
    assert_equal(back, sed)
    assert_same_points(text.getvalue().encode())


ODD_NUMBERS = st.sampled_from(
    [
        "1.000E+09",
        "-1.000E-14",
        "0.000E+00",
        "-0.000E+00",
        "1.234-100",
        "1.2D-14",
        "1e5",
        "**********",
        "NaN",
        "Infinity",
        "-INF",
        "1_0",
        "x",
        "9.999E-30",
        "1.000E+26",
        "5.185E-25",
        "1.",
        ".5",
        "+1.0E-14",
        "0x10",
        "1.000E-14",
        "1.100E-14",
        "9.000E-15",
    ]
)
ODD_DATES = st.sampled_from(
    ["55000.0000", "58218.6992", "**********", "55000", "NaN", "1e5", "-1.0", "x", ""]
)
ODD_TEXTS = st.sampled_from(
    [
        "Det",
        "UL",
        "PT",
        "det",
        "Det  NVSS",
        "Det  DEBL",
        "UL   DEBL  x",
        "Det DEBL",
        "DEBL",
        "DEBLX",
        "DEBL x",
        "Det  DEBLX",
        "Det",
        "De",
        "Det           DEBL",
        "Det\tDEBL",
        "NVSS",
        "PCCS2 30 GHz",
        "PCCS2143 GHz  ref",
        "PTX",
        "ULX",
        "Detx",
        "ul  NVSS",
        "\x00",
        "Det  \x00DEBL",
        "Det  A\x00",
        "  ",
        "3C 273",
        "Det  UL  DEBL",
        "é",
        "Det  WISE    Wright+ 2010",
    ]
)
GAPS = st.sampled_from(["  ", " ", "   ", "\t", "          ", "  \t"])


@st.composite
def odd_lines(draw):
    """A line much like a row: in fixed columns, or of tokens at random."""
    numbers = [draw(ODD_NUMBERS) for _ in range(4)]
    dates = [draw(ODD_DATES) for _ in range(2)]
    text = draw(ODD_TEXTS)
    if draw(st.booleans()):
        columns = [x.rjust(10) for x in numbers + dates]
        return "  ".join(columns) + draw(st.sampled_from(["  ", "   "])) + text
    tokens = (numbers + dates + [text])[draw(st.integers(0, 2)) :]
    return "".join(draw(GAPS) + token for token in tokens)


ODD_FILES = st.lists(
    odd_lines()
    | st.sampled_from([TITLE, ROW, "", " ====", "-" * 123, vou_files.UNITS, TITLE + "\0", "1 2"]),
    max_size=8,
).map(lambda lines: "\n".join([TITLE, *lines]).encode())


@given(ODD_FILES | st.binary(max_size=200).map(lambda x: TITLE.encode() + x))
@example(f"{TITLE}\n{ROW}".encode())
@settings(max_examples=500)
def test_both_ways_agree_on_any_file(data):
    """The reader and the fast path see the same rows, also in odd files."""
    assert_same_points(data)


@given(st.binary(max_size=300))
def test_any_bytes(data):
    """No bytes give an error other than ValueError."""
    assert_same_points(data)


def mutated(rng, data):
    """The bytes after some random accidents."""
    data = bytearray(data)
    for _ in range(rng.integers(1, 6)):
        i, j = np.sort(rng.integers(0, len(data) + 1, 2)).tolist()
        match rng.integers(0, 6):
            case 0:
                del data[j:]
            case 1:
                del data[i : i + int(rng.integers(1, 30))]
            case 2:
                data[i:i] = rng.bytes(rng.integers(1, 5))
            case 3:
                data[i:i] = data[i : i + int(rng.integers(1, 400))]
            case 4 if i < len(data):
                data[i] = rng.integers(0, 256)
            case 5:
                data[i:i] = rng.choice([b"\n", b" ", b"-", b"\0", b"\r", b"9", b"E", b"*"])
    return bytes(data)


def test_mutated_files():
    """A few thousand broken files: no other error than ValueError, and both ways agree."""
    rng = np.random.default_rng(20)
    originals = [vou_files.padded(key) for key in vou_files.PATHS]
    read = 0
    for i in range(3000):
        read += assert_same_points(mutated(rng, originals[i % len(originals)])) is not None
    assert 1000 < read < 3000
