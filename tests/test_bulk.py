"""Reading in bulk: what is bad among the good, and processes that read."""

import io
import os
import signal
import subprocess
import sys
import time
import zipfile
from contextlib import suppress

import numpy as np
import pytest
import vou_files
from astropy.table import Column, Table

from blase_astro import bulk, estimate, workers
from blase_astro.bulk import read_chunks
from blase_astro.flags import Flag
from blase_astro.io import sed_table
from blase_astro.sed import BIN_EDGES

GOOD = sed_table([1.4e9, 4.9e14, 2.4e17], [2e-14, 4e-12, 1e-12], meta={"ra": 1.0, "dec": 2.0})
IN_JY = Table({"frequency": [1.4e9], "nufnu": Column([1.0], unit="Jy")})
EDGES = BIN_EDGES


def rows(seds, **options):
    """All SEDs in one chunk."""
    return bulk._joined(list(read_chunks(seds, EDGES, **options)))


class TestBadAmongGood:
    """A5, F11: what cannot be read is a row."""

    def test_tables(self):
        """One table in Jy, one without fluxes, something else."""
        found = rows([("a", GOOD), ("b", IN_JY), ("c", Table({"nu": [1]})), ("d", GOOD), 7])
        assert found.name == ["a", "b", "c", "d", ""]
        assert found.n_points.tolist() == [3, 0, 0, 3, 0]
        assert found.error[1].startswith("column 'nufnu' has the unit 'Jy'; wanted one")
        assert found.error[2].startswith("no SED table: wanted the columns 'frequency'")
        assert found.error[4].startswith("wanted paths, SED tables, open files, pairs")
        assert found.error[::3] == ["", ""]
        assert estimate([GOOD, IN_JY], bag=-1)["peak_flags"][1] & Flag.READ_ERROR

    def test_paths(self, tmp_path):
        """A missing file, a broken archive, JSON that is no SED: the good one is read."""
        (tmp_path / "good.txt").write_bytes(vou_files.padded("A"))
        (tmp_path / "bad.json").write_text("{}")
        (tmp_path / "bad.zip").write_bytes(b"PK\3\4 broken")
        names = ["none.txt", "good.txt", "bad.json", "bad.zip"]
        found = rows([tmp_path / name for name in names])
        assert found.name == names
        assert [bool(error) for error in found.error] == [True, False, True, True]
        assert "No such file" in found.error[0]
        assert "broken or truncated zip archive" in found.error[3]

    @pytest.mark.parametrize("seds", [None, 7, Table(), IN_JY, ("a", IN_JY)])
    def test_alone(self, seds):
        """By itself it is an error that says what is wanted."""
        with pytest.raises(ValueError, match="wanted"):
            rows(seds)

    def test_two_paths_are_no_pair(self, tmp_path):
        """A tuple of two paths is two SEDs."""
        for name in "ab":
            (tmp_path / name).write_bytes(vou_files.padded("A"))
        assert rows((str(tmp_path / "a"), str(tmp_path / "b"))).name == ["a", "b"]


class TestStreams:
    """L5: open files and pipes, read to 64 MiB."""

    def test_kinds(self, tmp_path):
        """Any kind of SED file may come."""
        GOOD.write(tmp_path / "sed.ecsv", format="ascii.ecsv")
        for data in (vou_files.padded("A"), (tmp_path / "sed.ecsv").read_bytes()):
            assert rows(("-", io.BytesIO(data))).name == ["-"]
        assert rows(io.BytesIO(vou_files.padded("F"))).dec.tolist() == [-49.884, -7.5]

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names")
    def test_pipe_without_end(self, tmp_path):
        """What never ends is refused and not kept."""
        os.mkfifo(tmp_path / "pipe")
        name = str(tmp_path / "pipe")
        code = f"file = open({name!r}, 'wb')\nwhile True: file.write(b'x' * 2**20)"
        with subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL) as writer:
            with pytest.raises(ValueError, match="pipe: longer than 64 MiB, no SED is"):
                rows(tmp_path / "pipe")
            writer.kill()


@pytest.fixture
def archive(tmp_path):
    """Five thousand SEDs, with a file that is none and a malformed row among them."""
    text = vou_files.padded("D").decode()
    path = tmp_path / "seds.zip"
    with zipfile.ZipFile(path, "w") as file:
        for i in range(5000):
            file.writestr(f"{i:04d}.txt", text.replace("83.00012", f"{i / 100:8.5f}"))
        file.writestr("4000.jpg", b"\xff\xd8")
        file.writestr("5000.txt", vou_files.padded("H"))
    return path


def workers_of(pid):
    """Processes that a process has started and that are still there."""
    found = []
    for entry in os.listdir("/proc"):
        with suppress(OSError, ValueError):
            with open(f"/proc/{entry}/stat") as file:
                state, parent = file.read().rsplit(")", 1)[1].split()[:2]
            if int(parent) == pid and state != "Z":
                found.append(int(entry))
    return found


def alive(pid):
    """Is there such a process?"""
    with suppress(OSError), open(f"/proc/{pid}/stat") as file:
        return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    return False


needs_proc = pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="no /proc")


@pytest.mark.filterwarnings("ignore:.*seds.zip")
class TestWorkers:
    """Processes that read."""

    def test_same_rows(self, archive):
        """One process and several give the same, and say the same once."""
        with pytest.warns(UserWarning, match="left out 1 files that are no SEDs: 4000.jpg"):
            one = rows(archive)
        with pytest.warns(UserWarning, match="skipped: 1, files that have some: 1") as said:
            two = rows(archive, jobs=2)
        assert len([w for w in said if "seds.zip" in str(w.message)]) == 2
        assert two.name == one.name
        assert two.error == one.error
        for mine, theirs in zip(two[4:], one[4:], strict=True):
            assert mine.dtype == theirs.dtype
            np.testing.assert_array_equal(mine, theirs)
        np.testing.assert_array_equal(two.ra, one.ra)

    def test_the_archive_is_opened_once_a_worker(self, archive, monkeypatch):
        """F10: a piece more is no opening more."""
        opened = []
        original = bulk.opened
        monkeypatch.setattr(bulk, "opened", lambda path: opened.append(path) or original(path))
        answer = bulk._answers({"path": str(archive), "edges": EDGES.tolist()})
        for i in range(5):
            (names, *_), arrays = answer([f"{i:04d}.txt"])
            assert (names, arrays[0].tolist()) == ([f"{i:04d}.txt"], [i / 100])
        assert len(opened) == 1

    @needs_proc
    def test_a_killed_worker_costs_nothing(self, archive):
        """T2: its piece is read by another one."""
        chunks = read_chunks(archive, EDGES, jobs=2)
        found = [next(chunks)]
        for pid in workers_of(os.getpid()):
            os.kill(pid, signal.SIGKILL)
        found = bulk._joined([*found, *chunks])
        assert found.n_points.sum() == rows(archive).n_points.sum()
        assert set(found.error) == {""}
        assert workers_of(os.getpid()) == []

    def test_a_piece_that_kills_twice(self, archive, monkeypatch):
        """Its rows say so, the others are read."""
        monkeypatch.setattr(workers, "_START", KILLED_BY_THE_SECOND_PIECE)
        found = rows(archive, jobs=2)
        assert len(found.name) == 5001  # and the picture, of which nobody knows that it is none
        bad = [error != "" for error in found.error]
        assert sum(bad) == 256
        assert found.error[256] == "not read: the process that read it was killed, twice"
        assert np.isnan(found.binned[256:512]).all()
        assert (found.n_points[512:] > 0).all()

    def test_an_interpreter_that_cannot_be_started(self, archive, monkeypatch):
        """Then one process reads all."""
        for executable in ("", "/bin/false", "/no/such/file"):
            monkeypatch.setattr(sys, "executable", executable)
            assert len(rows(archive, jobs=2).name) == 5001

    @pytest.mark.parametrize(("name", "kind"), [("none", OSError), ("bad.zip", ValueError)])
    def test_errors_are_raised_here(self, name, kind, tmp_path):
        """What a worker cannot open is an error as with one process."""
        (tmp_path / "bad.zip").write_bytes(b"PK\3\4 broken")
        order = {"path": str(tmp_path / name), "edges": EDGES.tolist()}
        made = workers.Workers("blase_astro.bulk:_answers", order, 1)
        with made as one, pytest.raises(kind, match=name):
            list(one.map([["a.txt"]]))

    @pytest.mark.parametrize("how", ["script", "stdin"])
    def test_no_guard_is_needed(self, how, archive, tmp_path):
        """T2: a plain script, and code from standard input."""
        code = (
            "import warnings; warnings.simplefilter('ignore')\n"
            "from blase_astro.bulk import read_chunks\nfrom blase_astro.sed import BIN_EDGES\n"
            f"chunks = read_chunks({str(archive)!r}, BIN_EDGES, jobs=2)\n"
            "print(sum(len(chunk.name) for chunk in chunks))\n"
        )
        (tmp_path / "script.py").write_text(code)
        words = [str(tmp_path / "script.py")] if how == "script" else ["-"]
        done = subprocess.run(
            [sys.executable, *words], input=code, capture_output=True, text=True, timeout=60
        )
        assert (done.returncode, done.stdout) == (0, "5001\n"), done.stderr
        assert done.stderr == ""

    @needs_proc
    @pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
    def test_workers_end_with_their_parent(self, end, archive):
        """F5: however it ends, they do, and nobody waits for what they hold open."""
        code = (
            "import signal, sys, time\nfrom blase_astro.bulk import read_chunks\n"
            "from blase_astro.sed import BIN_EDGES\n"
            # Where the suite itself runs in the background, Ctrl-C is ignored by inheritance.
            "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
            f"chunks = read_chunks({str(archive)!r}, BIN_EDGES, jobs=2)\n"
            "next(chunks); print('going', flush=True); time.sleep(60)\n"
        )
        with subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as parent:
            assert parent.stdout.readline() == "going\n"
            children = workers_of(parent.pid)
            assert len(children) == 2
            parent.send_signal(end)
            start = time.monotonic()
            parent.communicate(timeout=20)
            assert time.monotonic() - start < 10
        deadline = time.monotonic() + 10
        while any(map(alive, children)) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not any(map(alive, children))


# A worker that is killed, as by the system when memory ends, where a question names this file.
KILLED_BY_THE_SECOND_PIECE = workers._START.replace(
    "from blase_astro.workers import _serve;",
    "from blase_astro.workers import _serve; import os, json as j, blase_astro.workers as w; "
    "w.json = type('J', (), {'dumps': j.dumps, 'loads': staticmethod("
    "lambda s: os._exit(9) if b'0256.txt' in s else j.loads(s))});",
)
