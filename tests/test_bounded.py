"""Bytes from strangers: never more than there can be, whatever a header declares."""

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import time
import tracemalloc
import zipfile
import zlib
from contextlib import suppress

import numpy as np
import pytest
import vou_files
from astropy.table import Table

from blase_astro.cli import main
from blase_astro.io import read_points
from blase_astro.io.append import append_columns
from blase_astro.io.bounded import inflate, read_npz, stream_bytes
from blase_astro.io.files import read_catalog, write_table


def lying_zip(path, name, content, declared):
    """A zip of one member whose header declares fewer bytes than it inflates to, with their CRC."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(content) + packer.flush()
    crc = zlib.crc32(content[:declared])
    fields = (0, 8, 0, 0x21, crc, len(packed), declared, len(name))
    local = struct.pack("<4s5H3I2H", b"PK\3\4", 20, *fields[:4], *fields[4:], 0) + name + packed
    central = struct.pack(
        "<4s6H3I5H2I", b"PK\1\2", 20, 20, *fields[:4], *fields[4:7], len(name), 0, 0, 0, 0, 0, 0
    )
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 1, 1, len(central) + len(name), len(local), 0)
    path.write_bytes(local + central + name + end)
    return path


def peak_of(work):
    """The most memory in use during some work, and what it returns."""
    tracemalloc.start()
    result = work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak, result


class TestSizes:
    """Declared sizes are not trusted."""

    def test_a_zip_that_lies(self, tmp_path):
        """S2: 1,000 bytes declared, 200 MB inside, CRC right: no more than those are inflated."""
        good = vou_files.padded("A")
        path = lying_zip(tmp_path / "s.zip", b"a.txt", good + bytes(2 * 10**8), len(good))
        peak, (points,) = peak_of(lambda: list(read_points(path)))
        assert peak < 5 * 10**7
        assert points.name == ["a.txt"]

    def test_an_npz_that_lies(self, tmp_path):
        """S2: the same for the arrays of an ensemble."""
        npy = io.BytesIO()
        np.save(npy, np.zeros(10))
        content = npy.getvalue() + bytes(2 * 10**8)
        path = lying_zip(tmp_path / "a.npz", b"a.npy", content, len(npy.getvalue()))
        peak, arrays = peak_of(lambda: read_npz(path))
        assert peak < 5 * 10**7
        assert arrays["a"].tolist() == [0.0] * 10

    @pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
    def test_compressed(self, pack):
        """Compressed bytes are inflated, a bomb and a damaged file are refused."""
        data = vou_files.padded("B")
        assert inflate(pack(data)) == data == inflate(data)
        with pytest.raises(ValueError, match="inflates beyond 64 MiB or 200 times its size"):
            inflate(pack(bytes(3 * 10**7)))
        with pytest.raises(ValueError, match="broken or truncated"):
            inflate(pack(data)[:-20])

    def test_a_stream_without_end(self):
        """L5: it is read to 64 MiB."""

        class Endless:
            def read(self, size):
                return b"x" * min(size, 2**20)

        def refused():
            with pytest.raises(ValueError, match="longer than 64 MiB"):
                stream_bytes(Endless())

        assert peak_of(refused)[0] < 70 * 2**20

    def test_text_streams(self):
        """Text is encoded."""
        assert stream_bytes(io.StringIO("é")) == "é".encode()

    def test_long_members_of_a_tar(self, tmp_path):
        """A member that is longer than an SED can be is refused, the others are read."""
        long, good = tarfile.TarInfo("a.txt"), tarfile.TarInfo("b.txt")
        data = vou_files.padded("A")
        long.size, good.size = 2**27, len(data)
        with open(tmp_path / "s.tar", "wb") as file:
            file.write(good.tobuf() + data + bytes(-len(data) % 512) + long.tobuf())
            file.truncate(file.tell() + 2**27 + 1024)
        peak, (points,) = peak_of(lambda: list(read_points(tmp_path / "s.tar")))
        assert points.name == ["a.txt", "b.txt"]
        assert points.error == ["inflates beyond 64 MiB or 200 times its size", ""]
        assert peak < 2 * 10**7

    def test_a_bomb_in_a_tar(self, tmp_path):
        """A compressed tar is unpacked to a bound."""
        data = io.BytesIO()
        with tarfile.open(fileobj=data, mode="w") as archive:
            info = tarfile.TarInfo("a")
            info.size = 10**8
            archive.addfile(info, io.BytesIO(bytes(10**8)))
        (tmp_path / "s.tgz").write_bytes(gzip.compress(data.getvalue()))
        with pytest.raises(
            ValueError, match=r"s\.tgz: broken or .* tar archive \(inflates beyond 200"
        ):
            list(read_points(tmp_path / "s.tgz"))

    def test_a_cut_tar(self, tmp_path):
        """What is not whole is said to be broken."""
        data = io.BytesIO()
        with tarfile.open(fileobj=data, mode="w:gz") as archive:
            archive.addfile(tarfile.TarInfo("a"))
        (tmp_path / "s.tgz").write_bytes(data.getvalue()[:-10])
        with pytest.raises(ValueError, match="broken or truncated tar archive"):
            list(read_points(tmp_path / "s.tgz"))


class TestNpz:
    """Arrays of a stranger's file."""

    def test_all_kinds(self, tmp_path):
        """Numbers, bools and text in any shape and order come back as they were."""
        arrays = {
            "i": np.arange(6).reshape(2, 3),
            "f": np.asfortranarray(np.ones((3, 4), np.float32)),
            "b": np.array([True, False]),
            "u": np.array(["a", "bc"]),
            "s": np.array(b"bytes"),
            "none": np.zeros((0, 5)),
            "scalar": np.array(3.5),
            "complex": np.array([1j])[:0].real,
        }
        np.savez_compressed(tmp_path / "a.npz", **arrays)
        found = read_npz(tmp_path / "a.npz")
        assert list(found) == list(arrays)
        for name, array in arrays.items():
            assert found[name].dtype == array.dtype
            assert found[name].shape == array.shape
            np.testing.assert_array_equal(found[name], array)
            assert found[name].flags.writeable

    def test_refused(self, tmp_path):
        """Objects (pickles), records, more than the limit, another kind of file, a damaged one."""
        path = tmp_path / "a.npz"
        for array, reason in (
            (np.array([{}]), "array of type object"),
            (np.zeros(2, "i4,i4"), "wanted numbers or text"),
            (np.array([1j]), "array of type complex128"),
            (np.zeros(100), "more than 500 bytes"),
        ):
            np.savez(path, a=array)
            with pytest.raises(ValueError, match=rf"a\.npz: no whole \.npz file \(.*{reason}"):
                read_npz(path, limit=500)
        np.savez(path, a=np.zeros(50), b=np.zeros(50))
        with pytest.raises(ValueError, match="more than 200 bytes"):
            read_npz(path, limit=600)
        path.write_bytes(path.read_bytes()[:-30])
        with pytest.raises(ValueError, match="no whole"):
            read_npz(path)
        path.write_bytes(b"\x80\x04N.")
        with pytest.raises(ValueError, match="no whole"):
            read_npz(path)
        with pytest.raises(FileNotFoundError):
            read_npz(tmp_path / "none.npz")

    @pytest.mark.parametrize(
        "shape", ["(99999999999,)", "(-1,)", "(2,)", "(True,)", "('a',)", "9" * 50, "(10**9,)"]
    )
    def test_headers_that_lie(self, shape, tmp_path):
        """A shape that the data do not have is refused before memory is taken for it."""
        header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}"
        header = header.ljust(117) + "\n"
        npy = b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header.encode() + bytes(8)
        with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
            archive.writestr("a.npy", npy)

        def refused():
            with pytest.raises(ValueError, match="no whole"):
                read_npz(tmp_path / "a.npz")

        assert peak_of(refused)[0] < 2 * 10**6

    def test_mutated(self, tmp_path):
        """Whatever happens to the bytes: arrays, or a ValueError."""
        rng = np.random.default_rng(0)
        np.savez_compressed(tmp_path / "a.npz", a=np.arange(30.0), b=np.array(["x", "yz"]))
        data = (tmp_path / "a.npz").read_bytes()
        start, good = time.monotonic(), 0
        for _ in range(1500):
            broken = bytearray(data)
            for place in rng.integers(0, len(data), rng.integers(1, 4)):
                broken[place] = rng.integers(0, 256)
            (tmp_path / "b.npz").write_bytes(broken)
            with suppress(ValueError):
                good += len(read_npz(tmp_path / "b.npz")) > 0
        assert 0 < good < 1500
        assert time.monotonic() - start < 20


class TestCatalogs:
    """Compressed catalogs are inflated to a bound, whatever reads them."""

    @pytest.fixture
    def bomb(self, tmp_path, monkeypatch):
        """A catalog that inflates beyond what is allowed, made for any format."""
        monkeypatch.setattr("blase_astro.io.bounded.CATALOG_BYTES", 2**20)
        monkeypatch.setattr("blase_astro.io.bounded.CATALOG_RATIO", 10)

        def make(suffix):
            path = tmp_path / f"plain{suffix}"
            table = Table({"RA": np.zeros(200000), "DEC": np.zeros(200000)})
            write_table(table, path)
            packed = tmp_path / f"bomb{suffix}.gz"
            packed.write_bytes(gzip.compress(path.read_bytes()))
            assert packed.stat().st_size * 10 < 2**20 < path.stat().st_size
            return packed

        return make

    @pytest.mark.parametrize("suffix", [".fits", ".vot", ".csv", ".ecsv"])
    def test_a_bomb(self, bomb, suffix, tmp_path):
        """It is refused with its name and the limit; nothing is left behind."""
        path = bomb(suffix)
        said = rf"bomb\{suffix}\.gz: inflates beyond 1 MiB"
        columns = Table({"x": np.zeros(200000)})
        for work in (
            lambda: read_catalog(path),
            lambda: append_columns(path, columns, tmp_path / f"out{suffix}"),
            lambda: append_columns(path, columns, tmp_path / "out.vot"),
        ):

            def refused(work=work):
                with pytest.raises(OSError, match=said):
                    work()

            assert peak_of(refused)[0] < 5 * 2**20
        assert not list(tmp_path.glob("out*"))

    def test_the_commands_say_so(self, bomb, capsys):
        """One line that names the file and the limit."""
        path = str(bomb(".vot"))
        for words in (["info", path], ["match", path, "--format", "csv"]):
            assert main(words) == 1
            assert "bomb.vot.gz: inflates beyond 1 MiB" in capsys.readouterr().err

    @pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
    @pytest.mark.parametrize("suffix", [".fits", ".vot", ".csv", ".ecsv", ".parquet"])
    def test_real_ones(self, pack, suffix, tmp_path):
        """Read as what is inside, and appended to: plain or packed, by the name or not."""
        pytest.importorskip("pyarrow")
        catalog = Table({"id": ["a", "b"], "RA": [1.0, 2.0], "DEC": [3.0, 4.0]})
        plain = tmp_path / f"c{suffix}"
        write_table(catalog, plain)
        ending = {gzip.compress: ".gz", bz2.compress: ".bz2", lzma.compress: ".xz"}[pack]
        for name in (f"c{suffix}{ending}", f"disguised{suffix}"):
            path = tmp_path / name
            path.write_bytes(pack(plain.read_bytes()))
            assert read_catalog(path)["id"].tolist() == ["a", "b"]
            output = tmp_path / f"out-{name.removesuffix(ending)}"
            append_columns(path, Table({"x": [5.0, 6.0]}), output)
            assert read_catalog(output)["x"].tolist() == [5.0, 6.0]

    def test_broken_ones(self, tmp_path):
        """Cut off, and packed twice."""
        data = gzip.compress(b"RA,DEC\n1,2\n" * 50)
        (tmp_path / "a.csv.gz").write_bytes(data[:-10])
        with pytest.raises(OSError, match=r"a\.csv\.gz: broken or truncated gzip file"):
            read_catalog(tmp_path / "a.csv.gz")
        (tmp_path / "b.csv.gz").write_bytes(gzip.compress(data))
        with pytest.raises(OSError, match=r"b\.csv\.gz: inflates to a compressed file"):
            read_catalog(tmp_path / "b.csv.gz")
