"""SEDs of files, folders and zip archives, good and bad ones."""

import gzip
import io
import os
import re
import tarfile
import tempfile
import tracemalloc
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow
import pytest
import vou_files
from astropy.table import Table
from astropy.utils.exceptions import AstropyUserWarning
from pyarrow import parquet

from blase_astro.io import archive as module
from blase_astro.io import list_seds, read_points, read_sed, read_seds
from blase_astro.io.archive import read_stream

CLEAN = "ABCDEG"  # the made-up files of one source without a malformed row
JPEG = b"\xff\xd8\xff\xe0\0\x10JFIF\0" + bytes(range(256)) * 20
NESTED = "inside.zip"


def write_folder(folder):
    """The made-up files in a folder and a subfolder of it."""
    (folder / "more").mkdir(parents=True)
    for key in CLEAN:
        (folder / ("more" if key > "C" else "") / f"{key}.txt").write_bytes(vou_files.padded(key))
    return folder


def write_zip(path, members):
    """A zip archive of (name, bytes)."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return path


@pytest.fixture
def folder(tmp_path):
    """A folder with six SEDs."""
    return write_folder(tmp_path / "seds")


@pytest.fixture
def archive(tmp_path):
    """A zip archive with the same."""
    members = [(f"{'more/' * (k > 'C')}{k}.txt", vou_files.padded(k)) for k in CLEAN]
    return write_zip(tmp_path / "seds.zip", members[::-1])


NAMES = ["A.txt", "B.txt", "C.txt", "more/D.txt", "more/E.txt", "more/G.txt"]


class TestGood:
    """What everybody hopes for."""

    @pytest.mark.parametrize("kind", ["folder", "archive"])
    def test_folder_and_zip(self, kind, request):
        """Both give the same SEDs, in sorted order, by both ways of reading."""
        path = request.getfixturevalue(kind)
        assert list_seds(path) == NAMES
        (points,) = read_points(path)
        seds = dict(read_seds(path))
        assert points.name == list(seds) == NAMES
        assert points.error == [""] * 6
        assert np.bincount(points.sed).tolist() == [len(sed) for sed in seds.values()]
        assert points.ra.tolist() == [sed.meta["ra"] for sed in seds.values()]
        assert (np.diff(points.sed) >= 0).all()

    @pytest.mark.parametrize("kind", ["folder", "archive"])
    def test_names_and_chunks(self, kind, request):
        """Names choose and order the SEDs, chunks group them."""
        path = request.getfixturevalue(kind)
        names = ["more/G.txt", "A.txt", "more/D.txt"]
        chunks = list(read_points(path, names, chunk=2))
        assert [points.name for points in chunks] == [names[:2], names[2:]]
        assert [name for name, _ in read_seds(str(path), names)] == names

    def test_single_file(self, folder):
        """One file goes by its own name."""
        path = folder / "more" / "D.txt"
        assert list_seds(path) == ["D.txt"]
        (points,) = read_points(path)
        ((name, sed),) = read_seds(path)
        assert points.name == [name] == ["D.txt"]
        assert len(points.sed) == len(sed) == 3

    def test_several_sources_in_a_file(self, tmp_path):
        """Further sources of a file carry their number."""
        path = tmp_path / "field.txt"
        path.write_bytes(vou_files.padded("F"))
        (points,) = read_points(path)
        assert points.name == [name for name, _ in read_seds(path)] == ["field.txt", "field.txt#2"]
        assert points.dec.tolist() == [-49.884, -7.5]

    def test_gzip_inside(self, tmp_path):
        """Files compressed one by one are read as such."""
        data = gzip.compress(vou_files.padded("B"))
        (tmp_path / "seds").mkdir()
        (tmp_path / "seds" / "B.gz").write_bytes(data)
        path = write_zip(tmp_path / "seds.zip", [("B.gz", data)])
        for source in (tmp_path / "seds", path):
            (points,) = read_points(source)
            assert len(points.sed) == 15

    def test_real_archive(self, shared_data):
        """All 1,721 real files, without an error or a warning."""
        points = list(read_points(shared_data / "SEDs.zip"))
        assert sum(len(part.name) for part in points) == 1721
        assert not any(error for part in points for error in part.error)
        assert sum(len(part.sed) for part in points) == 69136
        assert max(len(part.name) for part in points) <= 256
        (sed,) = read_points(shared_data / "SEDs.zip", [points[0].name[5]])
        assert sed.ra == points[0].ra[5]

    def test_memory_does_not_grow_with_the_archive(self, tmp_path, monkeypatch):
        """Twenty times the files need no more memory."""
        monkeypatch.setattr(module, "_keep_freed_memory", lambda: None)
        data = b"\n".join(vou_files.padded("B").split(b"\n")[:5] * 20)

        def peak(n):
            path = write_zip(tmp_path / f"{n}.zip", [(f"{i}.txt", data) for i in range(n)])
            tracemalloc.start()
            for points in read_points(path, chunk=8):
                assert len(points.name) >= 8
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            return peak

        assert peak(640) < peak(32) + 1000 * 640  # the directory of the zip itself


class TestBad:
    """What people's archives really hold."""

    OTHERS = (
        ("A.txt", vou_files.padded("A")),
        (".DS_Store", b"\0\0\0\1Bud1"),
        ("__MACOSX/._A.txt", b"\0\5\26\7"),
        ("__MACOSX/sub/._A.txt", b"\0\5\26\7"),
        (".git/config", vou_files.padded("A")),
        ("README.md", b"An example:\n" + vou_files.padded("B")),
        ("LICENSE", b"Do what you like"),
        ("photo.jpg", JPEG),
        (NESTED, b"PK\3\4"),
        ("sub/table.csv", b"a,b\n1,2\n"),
    )

    def _folder(self, tmp_path):
        for name, data in self.OTHERS:
            path = tmp_path / "seds" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return tmp_path / "seds"

    @pytest.mark.parametrize("kind", ["folder", "zip"])
    def test_others_are_left_out_and_counted(self, kind, tmp_path):
        """Hidden files, READMEs, pictures and archives are no errors."""
        path = self._folder(tmp_path)
        if kind == "zip":
            path = write_zip(tmp_path / "seds.zip", self.OTHERS)
        assert list_seds(path) == ["A.txt", "photo.jpg", "sub/table.csv"]
        message = r"left out 5 files that are no SEDs: .*photo\.jpg.* \(and 4 hidden files\)"
        with pytest.warns(AstropyUserWarning, match=message):
            (points,) = read_points(path)
        assert points.name == ["A.txt"]
        with pytest.warns(AstropyUserWarning, match=message):
            assert [name for name, _ in read_seds(path)] == ["A.txt"]

    def test_hidden_files_alone_are_not_worth_a_warning(self, tmp_path):
        """Archives made on a Mac read quietly."""
        path = write_zip(tmp_path / "seds.zip", self.OTHERS[:4])
        (points,) = read_points(path)
        assert points.name == ["A.txt"]

    def test_no_sed_at_all(self, tmp_path):
        """An empty archive gives nothing."""
        assert list(read_points(write_zip(tmp_path / "seds.zip", []))) == []
        assert list(read_seds(tmp_path / "seds.zip")) == []

    def test_broken_files_do_not_stop_the_others(self, tmp_path):
        """A broken SED is an entry with its reason, or a warning, and the rest is read."""
        title = b"   1  matched source   77.35819    5.69315  99\n"
        members = [
            ("a.txt", b""),
            ("b.txt", title + b" 1,4E+09 1,0E-14 1,1E-14 9,0E-15 NVSS\n"),
            ("c.txt", vou_files.padded("C")),
            ("d.gz", b"\x1f\x8b broken"),
        ]
        path = write_zip(tmp_path / "seds.zip", members)
        (points,) = read_points(path)
        assert points.name == ["a.txt", "b.txt", "c.txt", "d.gz"]
        assert points.error[0] == "empty file"
        assert points.error[1].startswith("no readable row; 1 malformed, the first in line 2, want")
        assert points.error[2] == ""
        assert points.error[3].startswith("broken or truncated gzip file")
        assert points.ra[1] == 77.35819
        assert set(points.sed.tolist()) == {2}
        with pytest.warns(AstropyUserWarning) as warned:
            assert [name for name, _ in read_seds(path)] == ["c.txt"]
        texts = [str(warning.message) for warning in warned]
        assert [text.split(": ")[1] for text in texts] == [
            "left out a.txt",
            "left out b.txt",
            "left out d.gz",
        ]

    def test_malformed_rows_are_counted_once(self, tmp_path):
        """One warning an archive from the fast path."""
        path = write_zip(tmp_path / "s.zip", [(f"{k}.txt", vou_files.padded(k)) for k in "HAI"[:2]])
        message = "rows skipped: 1, files that have some: 1, the first in H.txt, line 10$"
        with pytest.warns(AstropyUserWarning, match=message):
            list(read_points(path))

    def test_encrypted(self, tmp_path):
        """An encrypted member is refused by name, before its bytes are looked at."""
        path = write_zip(tmp_path / "s.zip", [("a.txt", vou_files.padded("A"))] * 1 + [("b", b"")])
        data = bytearray(path.read_bytes())
        data[data.index(b"PK\1\2") + 8] |= 1
        path.write_bytes(data)
        (points,) = read_points(path, ["a.txt"])
        assert points.error == ["encrypted"]

    def test_damaged_member(self, tmp_path):
        """So is one whose bytes are not what they were."""
        members = [(f"{key}.txt", vou_files.padded(key)) for key in "AB"]
        path = write_zip(tmp_path / "s.zip", members)
        data = bytearray(path.read_bytes())
        for i in range(60, 90):
            data[i] ^= 0x55
        path.write_bytes(data)
        (points,) = read_points(path)
        assert points.error[0] != ""
        assert points.error[1] == ""

    def test_truncated_archive(self, archive):
        """An archive without its end is an error with its name."""
        archive.write_bytes(archive.read_bytes()[:500])
        for read in (list_seds, lambda path: list(read_points(path))):
            with pytest.raises(ValueError, match=r"seds\.zip: broken or truncated zip archive"):
                read(archive)

    @pytest.mark.parametrize("size", [2 * 10**6, 65 * 2**20])
    def test_bomb(self, size, tmp_path, monkeypatch):
        """What inflates beyond all measure is not inflated."""
        monkeypatch.setattr(module, "_keep_freed_memory", lambda: None)
        path = write_zip(tmp_path / "s.zip", [("a.txt", bytes(size)), self.OTHERS[0]])
        tracemalloc.start()
        (points,) = read_points(path)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert points.name == ["A.txt", "a.txt"]
        assert points.error == ["", "inflates beyond 64 MiB or 200 times its size"]
        assert peak < 10**6

    def test_bomb_with_a_false_size(self, tmp_path):
        """A member that lies about its size is cut off at it."""
        path = write_zip(tmp_path / "s.zip", [("a.txt", b"x" * 10**6)])
        data = path.read_bytes().replace((10**6).to_bytes(4, "little"), (900).to_bytes(4, "little"))
        path.write_bytes(data)
        (points,) = read_points(path)
        assert "CRC" in points.error[0]

    def test_mutated_archives(self, archive, tmp_path):
        """Whatever happens to an archive, only the documented errors come out."""
        rng = np.random.default_rng(0)
        data, path = archive.read_bytes(), tmp_path / "mutated.zip"
        for _ in range(300):
            broken = bytearray(data)
            for place in rng.integers(0, len(data), 3):
                broken[place] = rng.integers(0, 256)
            path.write_bytes(broken)
            with suppress(ValueError, OSError, AstropyUserWarning):
                list(read_points(path, list_seds(path)[:6]))

    def test_names_that_are_not_there(self, archive, folder):
        """A name from elsewhere is an error entry."""
        (points,) = read_points(archive, ["A.txt", "other"])
        assert points.error == ["", "not in the archive"]
        (points,) = read_points(folder, ["other", "A.txt"])
        assert points.error == ["No such file or directory", ""]

    def test_single_file_that_is_no_sed(self, tmp_path):
        """For a file of its own there is nothing to go on with."""
        path = tmp_path / "photo.jpg"
        path.write_bytes(JPEG)
        (points,) = read_points(path)
        assert points.error[0].startswith("not an SED file of VOU_Blazars")
        with pytest.raises(ValueError, match=r"photo\.jpg: not an SED file"):
            list(read_seds(path))
        for read in (list_seds, lambda path: list(read_points(path)), read_sed):
            with pytest.raises(FileNotFoundError, match="missing"):
                read(tmp_path / "missing")

    def test_pipes_and_dangling_links(self, folder):
        """What is no file is left alone."""
        os.mkfifo(folder / "pipe")
        (folder / "dangling").symlink_to(folder / "nowhere")
        (folder / "loop").symlink_to(folder, target_is_directory=True)
        assert list_seds(folder) == NAMES

    @pytest.mark.skipif(os.geteuid() == 0, reason="nothing is unreadable for root")
    def test_unreadable(self, folder):
        """What may not be read is an error entry, or a warning for a folder."""
        (folder / "A.txt").chmod(0)
        (points,) = read_points(folder)
        assert points.error[0] == "Permission denied"
        (folder / "more").chmod(0)
        with pytest.warns(AstropyUserWarning, match="more: left out, Permission denied"):
            assert list_seds(folder) == NAMES[:3]
        (folder / "more").chmod(0o700)


SERVICES = Path(__file__).parent / "data" / "services"


def kinds_of_files():
    """One SED in every kind of file that is read: name, bytes, number of rows."""
    sed = read_seds(DEMO).__next__()[1]
    del sed.meta["source_type"], sed.meta["source_number"]
    files = {name: (SERVICES / name).read_bytes() for name in ANSWERS}
    with tempfile.TemporaryDirectory() as folder:
        for name, form in WRITTEN.items():
            sed.write(Path(folder) / name, format=form)
            files[name] = (Path(folder) / name).read_bytes()
        table = Table({n: np.ma.filled(sed[n], np.nan) for n in ("frequency", "nufnu")})
        arrow = pyarrow.table({name: table[name] for name in table.colnames})
        parquet.write_table(arrow, Path(folder) / "sed.parquet")
        files["sed.parquet"] = (Path(folder) / "sed.parquet").read_bytes()
    return files | {"packed.json.gz": gzip.compress(files["ssdc_sed.json"])}


ANSWERS = ("ned_photometry.xml", "vizier_sed.vot", "ssdc_sed.json")
WRITTEN = {
    "sed.txt": "vou-sed",
    "sed.ecsv": "ascii.ecsv",
    "sed.fits": "fits",
    "sed.vot": "votable",
    "gadf.fits": "gadf-sed",
    "gadf.ecsv": "gadf-sed",
    "jetset.ecsv": "jetset-sed",
}
DEMO = Path(__file__).parents[1] / "catalogs" / "demo_sed.txt"
KINDS = kinds_of_files()
FOREIGN = {name for name in KINDS if name.split(".")[0] not in ("sed",)}


def in_folder(path):
    for name, data in KINDS.items():
        (path / "seds" / "sub").mkdir(parents=True, exist_ok=True)
        (path / "seds" / "sub" / name).write_bytes(data)
    return path / "seds"


def in_zip(path):
    return write_zip(path / "seds.zip", [(f"sub/{name}", data) for name, data in KINDS.items()])


def in_tar(path, mode="w", suffix=".tar"):
    path = path / f"seds{suffix}"
    with tarfile.open(path, mode) as archive:
        for name, data in KINDS.items():
            info = tarfile.TarInfo(f"./sub/{name}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


PLACES = {
    "folder": in_folder,
    "zip": in_zip,
    "tar": in_tar,
    "tar.gz": lambda path: in_tar(path, "w:gz", ".tar.gz"),
    "tgz without a name": lambda path: in_tar(path, "w:gz", ""),
    "tar.xz": lambda path: in_tar(path, "w:xz", ".tar.xz"),
}


class TestKinds:
    """Every kind of SED file, wherever it lies."""

    @pytest.mark.parametrize("name", KINDS)
    def test_alone(self, name, tmp_path):
        """A file by itself is read by all ways of reading, whatever its name says."""
        path = tmp_path / "sed"
        path.write_bytes(KINDS[name])
        ((found, sed),) = read_seds(path)
        (points,) = read_points(path)
        assert found == "sed"
        assert points.error == [""]
        assert len(points.sed) == len(sed) == len(read_sed(path)) > 4
        assert sed.colnames[:2] == ["frequency", "nufnu"]
        frequency = sed["frequency"].filled(np.nan)
        np.testing.assert_allclose(points.frequency, frequency, equal_nan=True)
        with open(path, "rb") as file:
            streamed, foreign = read_stream(file)
        assert len(streamed.sed) == len(sed)
        assert foreign == (name in FOREIGN)

    @pytest.mark.parametrize("place", PLACES)
    def test_together(self, place, tmp_path):
        """In folders, zips and tars they are read one beside the other, by name."""
        path = PLACES[place](tmp_path)
        names = sorted(f"sub/{name}" for name in KINDS)
        assert list_seds(path) == names
        (points,) = read_points(path)
        assert points.name == names == [name for name, _ in read_seds(path)]
        assert points.error == [""] * len(names)
        (two,) = read_points(path, names[3:1:-1])
        assert two.name == names[3:1:-1]
        first = points.frequency[points.sed == 3]
        np.testing.assert_array_equal(two.frequency[two.sed == 0], first)

    def test_positions(self, tmp_path):
        """What a file says of the position is known, of FITS with its keys in capitals too."""
        points = next(read_points(in_zip(tmp_path)))
        known = dict(zip(points.name, np.isfinite(points.ra), strict=True))
        assert known["sub/sed.fits"]
        assert known["sub/sed.ecsv"]
        assert known["sub/vizier_sed.vot"]
        assert not known["sub/ssdc_sed.json"]

    def test_catalogs_are_no_seds(self, tmp_path):
        """A table of sources is left out of a folder and refused in words by itself."""
        table = Table({"Source_Name": ["a"], "RAJ2000": [1.0], "DEJ2000": [2.0]})
        (tmp_path / "seds").mkdir()
        for name in ("c.fits", "c.vot", "c.ecsv"):
            table.write(tmp_path / "seds" / name, format=None if name[2] != "v" else "votable")
        (tmp_path / "seds" / "a.txt").write_bytes(KINDS["sed.txt"])
        with pytest.warns(AstropyUserWarning, match="left out 3 files that are no SEDs: c.ecsv"):
            (points,) = read_points(tmp_path / "seds")
        assert points.name == ["a.txt"]
        (points,) = read_points(tmp_path / "seds" / "c.fits")
        message = r"of no SED \(a source catalog\?\); wanted the columns 'frequency' and 'nufnu'"
        assert re.search(f"{message}.*got Source_Name, RAJ2000, DEJ2000", points.error[0])
        with pytest.raises(ValueError, match=rf"c\.vot: a table, but {message}"):
            list(read_seds(tmp_path / "seds" / "c.vot"))

    def test_damaged_ones_are_entries(self, tmp_path):
        """A cut answer among others is an error of its own."""
        members = [(name, data[: len(data) * 2 // 3]) for name, data in KINDS.items()]
        (points,) = read_points(
            write_zip(tmp_path / "seds.zip", [*members, ("z", KINDS["sed.txt"])])
        )
        errors = dict(zip(points.name, points.error, strict=True))
        assert errors["z"] == ""
        for name in ("ned_photometry.xml", "ssdc_sed.json", "sed.fits", "sed.parquet"):
            assert errors[name] != "", name

    def test_foreign_kinds_in_a_row_of_text_files(self, tmp_path):
        """The order of the names is kept, whatever the kinds."""
        data = [KINDS["sed.txt"], KINDS["ssdc_sed.json"]]
        members = [(f"{i:03d}", data[i % 3 == 0]) for i in range(40)]
        path = write_zip(tmp_path / "seds.zip", members)
        for chunk in (1, 7, 256):
            points = list(read_points(path, chunk=chunk))
            assert [name for part in points for name in part.name] == [name for name, _ in members]
            assert sum(len(part.sed) for part in points) == 26 * 54 + 14 * 5


class TestNamesInArchives:
    """Names that are there twice."""

    @pytest.mark.filterwarnings("ignore:Duplicate name")
    @pytest.mark.parametrize("kind", ["zip", "tar"])
    def test_duplicates_are_said(self, kind, tmp_path):
        """W6: one row, the last, and a warning in words."""
        if kind == "zip":
            members = [("a.txt", vou_files.padded("A")), ("a.txt", vou_files.padded("D"))]
            path = write_zip(tmp_path / "s.zip", members)
        else:
            path = tmp_path / "s.tar"
            with tarfile.open(path, "w") as archive:
                for key in "AD":
                    data = vou_files.padded(key)
                    info = tarfile.TarInfo("a.txt")
                    info.size = len(data)
                    archive.addfile(info, io.BytesIO(data))
        message = "1 names are there more than once, the last is taken: a.txt"
        with pytest.warns(AstropyUserWarning, match=message):
            (points,) = read_points(path)
        assert points.ra.tolist() == [83.00012]

    def test_a_folder_may_be_called_anything(self, tmp_path):
        """F11: a folder named x.fits is a folder."""
        write_folder(tmp_path / "x.fits")
        assert list_seds(tmp_path / "x.fits") == NAMES
