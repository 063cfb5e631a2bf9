"""Files written beside and moved into place: whole or not at all, and what they were they stay."""

import gzip
import os
import signal
import stat
import subprocess
import sys

import pytest

from blase_astro.cli import main
from blase_astro.io.bounded import inflated
from blase_astro.io.output import ExistsAlready, check_place, placed, placed_folder


def write(output, text="new", **options):
    """Write a text the way all outputs are written."""
    with placed(output, **options) as beside:
        beside.write_text(text)


def test_a_file_appears_whole(tmp_path):
    """Nothing is seen under the name before the end, and nothing else stays."""
    output = tmp_path / "a.txt"
    with placed(output) as beside:
        beside.write_text("half")
        assert not output.exists()
        beside.write_text("whole")
    assert output.read_text() == "whole"
    assert os.listdir(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("stop", [KeyboardInterrupt, ValueError, OSError])
def test_what_stops_leaves_the_old_file(tmp_path, stop):
    """Errors of the writing code pass as they are."""
    output = tmp_path / "a.txt"
    output.write_text("old")

    def write_half():
        with placed(output, overwrite=True) as beside:
            beside.write_text("half")
            raise stop("stopped")

    with pytest.raises(stop, match=r"^stopped$"):
        write_half()
    assert output.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_existing_files_are_kept_and_the_argument_named(tmp_path):
    """One wording; the hint is what the command turns into an option."""
    output = tmp_path / "a.txt"
    output.write_text("old")
    with pytest.raises(ExistsAlready, match=r"a\.txt exists already; give overwrite=True to") as e:
        write(output)
    assert isinstance(e.value, FileExistsError)
    write(output, overwrite=True)
    assert output.read_text() == "new"


@pytest.mark.parametrize("links", [True, False], ids=["hard links", "none"])
def test_what_comes_meanwhile_is_kept(tmp_path, monkeypatch, links):
    """A file that somebody else writes while we do is theirs, on any disk."""
    if not links:
        monkeypatch.setattr("os.link", lambda *_: (_ for _ in ()).throw(PermissionError(1, "no")))
    output = tmp_path / "a.txt"

    def both_write():
        with placed(output) as beside:
            beside.write_text("ours")
            output.write_text("theirs")

    with pytest.raises(ExistsAlready, match=r"a\.txt exists meanwhile; give overwrite=True"):
        both_write()
    assert output.read_text() == "theirs"
    output.unlink()
    write(output, "ours")
    assert output.read_text() == "ours"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_folder_keeps_what_is_not_ours(tmp_path):
    """A file of a name that we would write is not replaced, nor anything moved."""
    (tmp_path / "more").write_text("mine")

    def fill():
        with placed_folder(tmp_path, marker="index") as beside:
            (beside / "index").write_text("1")
            (beside / "more").write_text("1")

    with pytest.raises(ExistsAlready, match="more exists already"):
        fill()
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {"more": "mine"}


def test_a_link_stays_a_link(tmp_path):
    """Its target is replaced; a dangling one is there as well."""
    (tmp_path / "there").mkdir()
    target, link = tmp_path / "there" / "target.txt", tmp_path / "link.txt"
    link.symlink_to("there/target.txt")
    with pytest.raises(ExistsAlready):
        write(link)
    write(link, overwrite=True)
    assert link.is_symlink()
    assert target.read_text() == "new"
    write(link, "newer", overwrite=True)
    assert target.read_text() == "newer"
    assert sorted(os.listdir(tmp_path)) == ["link.txt", "there"]
    assert os.listdir(tmp_path / "there") == ["target.txt"]
    link.unlink()
    link.symlink_to("nowhere/target.txt")
    with pytest.raises(FileNotFoundError, match="nowhere does not exist"):
        write(link, overwrite=True)


def test_the_mode_stays(tmp_path):
    """A private file stays private, also while it is written; a new one follows the umask."""
    output = tmp_path / "a.txt"
    output.write_text("old")
    output.chmod(0o600)
    with placed(output, overwrite=True) as beside:
        beside.write_text("new")
        assert stat.S_IMODE(beside.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(output.stat().st_mode) == 0o600
    write(tmp_path / "b.txt")
    (tmp_path / "c.txt").touch()
    assert (tmp_path / "b.txt").stat().st_mode == (tmp_path / "c.txt").stat().st_mode


def test_a_pipe_gets_the_bytes(tmp_path):
    """It is no file that could be lost, so nothing has to be allowed, and it stays a pipe."""
    pipe = tmp_path / "pipe.txt"
    os.mkfifo(pipe)
    for options in ({}, {"overwrite": True}):
        reader = subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE, text=True)
        write(pipe, "through", **options)
        assert reader.communicate()[0] == "through"
        assert stat.S_ISFIFO(pipe.stat().st_mode)
    write("/dev/null")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    assert os.listdir(tmp_path) == ["pipe.txt"]


def test_a_read_only_file_is_not_replaced(tmp_path, monkeypatch):
    """Root may write anywhere, so the answer of the system is set."""
    output = tmp_path / "a.txt"
    output.write_text("old")
    monkeypatch.setattr("os.access", lambda path, _: os.path.isdir(path))
    with pytest.raises(PermissionError, match=r"a\.txt is read-only"):
        check_place(output, overwrite=True)


KILLED = """
import os, signal, sys
from blase_astro.io.output import placed
with placed(sys.argv[1]) as beside:
    beside.write_text("half")
    print("writing", flush=True)
    signal.pause()
"""


def test_what_killed_processes_leave_is_removed(tmp_path):
    """By the next run; what a living process writes stays, and so does what is not ours."""
    others = tmp_path / ".blase-beside-of-mine"
    others.mkdir()
    outputs = [tmp_path / "dead.txt", tmp_path / "living.txt"]
    processes = [
        subprocess.Popen([sys.executable, "-c", KILLED, path], stdout=subprocess.PIPE)
        for path in outputs
    ]
    try:
        for process in processes:
            assert process.stdout.readline() == b"writing\n"
        processes[0].send_signal(signal.SIGKILL)
        processes[0].wait()
        assert len(os.listdir(tmp_path)) == 3
        write(tmp_path / "next.txt")
        left = set(os.listdir(tmp_path)) - {"next.txt", others.name}
        assert len(left) == 1
        assert os.listdir(tmp_path / left.pop()) == ["living.txt"]
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    write(tmp_path / "last.txt")
    assert set(os.listdir(tmp_path)) == {"next.txt", "last.txt", others.name}


def test_a_folder_appears_whole(tmp_path):
    """A new one at once, files into an old one; the marker says that it is full."""
    folder = tmp_path / "report"
    with placed_folder(folder, marker="index") as beside:
        (beside / "index").write_text("1")
        (beside / "more").write_text("1")
        assert not folder.exists()
    with pytest.raises(ExistsAlready, match="index exists already"):  # noqa: SIM117
        with placed_folder(folder, marker="index"):
            pass
    (folder / "mine").write_text("kept")
    with placed_folder(folder, marker="index", overwrite=True) as beside:
        (beside / "index").write_text("2")
    assert {p.name: p.read_text() for p in folder.iterdir()} == {
        "index": "2",
        "more": "1",
        "mine": "kept",
    }
    assert os.listdir(tmp_path) == ["report"]
    for wrong, error in ((folder / "mine", NotADirectoryError), ("no/such", FileNotFoundError)):
        with pytest.raises(error), placed_folder(tmp_path / wrong, marker="index"):
            pass


@pytest.fixture
def full_disk(tmp_path):
    """A folder on a disk of 256 kB."""
    folder = tmp_path / "full"
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", folder], capture_output=True
    )
    if done.returncode:
        pytest.skip("a small disk cannot be mounted here")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


COMMANDS = {
    "estimate": ["estimate", "{seds}", "-o"],
    "annotate": ["annotate", "catalogs/demo_catalog.fits", "{seds}", "-o"],
    "match": ["match", "catalogs/demo_catalog.fits", "-o"],
    "plot": ["plot", "{seds}", "--contact-sheet", "-o"],
    "simulate": ["simulate", "-n", "800", "-o"],
    "evaluate": ["evaluate", "{ensemble}", "-o"],
    "refine": ["refine", "{ensemble}", "-o"],
}
SUFFIXES = {
    **dict.fromkeys(("estimate", "annotate", "match"), (".fits", ".vot", ".ecsv", ".csv")),
    "refine": (".fits", ".vot.gz", ".parquet"),
    "plot": (".pdf", ".png"),
    "simulate": (".zip",),
    "evaluate": ("",),
}


@pytest.mark.parametrize(
    ("name", "suffix"), [(name, suffix) for name in SUFFIXES for suffix in SUFFIXES[name]]
)
def test_a_full_disk_is_one_line_that_names_the_file(
    full_disk, name, suffix, ensemble_dir, capsys, request
):
    """For each writer; nothing stays behind."""
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    output = full_disk / f"out{suffix}"
    root = request.config.rootpath
    places = {"seds": root / "catalogs" / "demo_sed.txt", "ensemble": ensemble_dir}
    words = [word.format(**places) for word in COMMANDS[name]]
    words = [str(root / word) if word.startswith("catalogs/") else word for word in words]
    (full_disk / "filler").write_bytes(bytes(256 * 1024))
    code = main([*words, str(output), "-q"])
    said = capsys.readouterr()
    assert code == 1
    assert said.err == f"blase: error: {output} could not be written: No space left on device\n"
    assert os.listdir(full_disk) == ["filler"]


def test_the_header_has_the_words_that_main_was_given(tmp_path, ensemble_dir, monkeypatch, capsys):
    """Not those of the process, which may be a script that calls `main`."""
    from astropy.io import fits

    monkeypatch.setattr("sys.argv", ["script", "--secret", "word"])
    output = tmp_path / "m.fits"
    catalog = "catalogs/demo_catalog.fits"
    words = ["match", catalog, "-o", str(output), "--ensemble", str(ensemble_dir), "-q"]
    assert main(words) == 0
    assert fits.getheader(output, 1)["BLASECMD"] == " ".join(["blase", *words])
    assert main(words) == 1
    assert capsys.readouterr().err == (
        f"blase: error: {output} exists already; give --overwrite to replace it\n"
    )


INFLATING = """
import signal, sys
from blase_astro.io.bounded import inflated
with inflated(sys.argv[1]) as plain:
    print("inflated", flush=True)
    signal.pause()
"""


def test_what_was_inflated_by_a_killed_process_is_removed(tmp_path, monkeypatch):
    """By the next one that needs temporary files."""
    catalog, temporary = tmp_path / "a.csv.gz", tmp_path / "temporary"
    catalog.write_bytes(gzip.compress(b"ra,dec\n1,2\n"))
    temporary.mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", INFLATING, catalog],
        stdout=subprocess.PIPE,
        env=os.environ | {"TMPDIR": str(temporary)},
    ) as process:
        assert process.stdout.readline() == b"inflated\n"
        process.kill()
    assert len(os.listdir(temporary)) == 1
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    with inflated(catalog) as plain:
        assert plain.read_bytes() == b"ra,dec\n1,2\n"
        assert len(os.listdir(temporary)) == 1
    assert os.listdir(temporary) == []
