"""The command, as a user types it."""

import errno
import gzip
import io
import json
import os
import runpy
import shlex
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from blase_astro.cli import main
from blase_astro.cli.completion import _tree
from blase_astro.cli.main import _kinds, _parser
from blase_astro.flags import Flag
from blase_astro.io import sed_table

FREQUENCY = [8.9e8, 1.4e9, 8.8e13, 4.9e14, 1.9e15, 2.4e17, 2.4e23]
NUFNU = [2e-14, 5e-14, 3e-12, 4e-12, 4e-12, 1e-12, 5e-12]
# The two usable points of PMN J1508-49 in the documentation of the older tool.
TWO_POINTS = sed_table([4.85e9, 2.42e17], [5.5e-14, 2.2e-13], meta={"ra": 227.16, "dec": -49.88})


def write_sed(path, ra=10.0, dec=5.0, n=7):
    """An SED file of n points."""
    sed = sed_table(FREQUENCY[:n], NUFNU[:n], meta={"ra": ra, "dec": dec})
    sed.write(path, format="vou-sed", overwrite=True)
    return path


@pytest.fixture
def sed(tmp_path):
    """A good SED file."""
    return write_sed(tmp_path / "sed.txt")


@pytest.fixture
def blase(ensemble_dir):
    """The command with the small ensembles; numbers and paths become words."""

    def run(command, *words):
        extra = (
            ["--ensemble", str(ensemble_dir)]
            if command in ("estimate", "annotate", "match")
            else []
        )
        return main([command, *map(str, words), *extra])

    return run


def test_one_sed_is_one_line(blase, sed, capsys):
    """Both targets with intervals, class, points and bins, flags; nothing on stderr."""
    assert blase("estimate", sed) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.count("\n") == 1
    assert out.startswith("sed.txt: log nu_peak = ")
    for part in ("log nuFnu_peak = -", "at 95 %", "7 points in 7 bins", "flags: none"):
        assert part in out


def test_level_bag_and_radius_count(blase, tmp_path, ensembles, capsys):
    """Options work for one SED as for many."""
    columns = ensembles["nu_peak"].source_columns
    ra, dec = columns["ra"][8], columns["dec"][8]
    sed = write_sed(tmp_path / "s", ra, dec + 0.001 * np.sign(-dec))
    lines = []
    for options in ([], ["--level", 0.5], ["--bag=-1"], ["--radius", "1arcsec"]):
        assert blase("estimate", sed, *options) == 0
        lines.append(capsys.readouterr().out)
    assert len(set(lines)) == 4
    assert f"in the training set (bag {columns['bag'][8]}, 3.6 arcsec)" in lines[0]
    assert "at 50 %" in lines[1]
    assert "training set" not in lines[3]


def test_several_files(blase, tmp_path, capsys):
    """As the shell expands a wildcard; the bad ones do not end the run."""
    good = [write_sed(tmp_path / f"{i}.txt") for i in range(2)]
    (tmp_path / "bad.txt").write_text("no SED at all\n")
    assert blase("estimate", good[0], tmp_path / "bad.txt", good[1]) == 0
    out, err = capsys.readouterr()
    assert [line.split(":")[0] for line in out.splitlines()] == ["0.txt", "bad.txt", "1.txt"]
    assert "bad.txt: no estimate: " in out
    assert "blase: 1 of 3 SEDs have no estimate" in err


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty file"),
        (b"some text\n", "not an SED file"),
        (b"\xff\xfe\0\0", "not an SED file"),
        (b"   1  matched source   10.00000    5.00000  99\n", "no usable point"),
        (b"\x1f\x8b\x08broken", "gzip file"),
    ],
)
def test_no_estimate_is_an_error(blase, tmp_path, capsys, content, reason):
    """From no usable point no number, but the reason, and exit code 1."""
    (tmp_path / "x").write_bytes(content)
    assert blase("estimate", tmp_path / "x") == 1
    out, _ = capsys.readouterr()
    assert out.startswith("x: no estimate: ")
    assert reason in out
    assert "+/-" not in out


def test_two_points_are_not_enough(blase, tmp_path, capsys):
    """The example of the older tool's documentation: said, not guessed."""
    TWO_POINTS.write(tmp_path / "PMNJ1508-49", format="vou-sed")
    assert blase("estimate", tmp_path / "PMNJ1508-49") == 1
    assert "no estimate: not enough to estimate from" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "flag"),
    [
        (lambda text: text.replace("\n", "\r\n"), None),
        (lambda text: text.replace("\n", "\r"), None),
        (lambda text: text.rstrip(), None),
        (lambda text: "\ufeff" + text, None),
        (lambda text: text.replace("TBD", "Véron"), None),
        (lambda text: text.replace("10.00000", "*" * 8), "NO_POSITION"),
        (lambda text: text.replace("10.00000", "     NaN"), "NO_POSITION"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_odd_files_are_read(blase, sed, capsys, change, flag, encoding):
    """Line ends, a truncated last line, a byte order mark, another encoding, no position."""
    assert blase("estimate", sed) == 0
    expected = capsys.readouterr().out
    text = change(sed.read_text())
    if "\ufeff" in text and encoding == "latin-1":
        pytest.skip("a byte order mark is UTF-8")
    sed.write_bytes(text.encode(encoding))
    assert blase("estimate", sed) == 0
    out = capsys.readouterr().out
    assert out.split(";")[:2] == expected.split(";")[:2]
    assert (flag or "flags: none") in out


@pytest.mark.parametrize("ra", [77.358 + 360, 77.358 - 360])
def test_ra_beyond_the_circle(blase, tmp_path, capsys, ensembles, ra):
    """RA + 360 is the same place."""
    columns = ensembles["nu_peak"].source_columns
    i = int(np.argmin(np.abs(columns["dec"])))
    sed = write_sed(
        tmp_path / "s", columns["ra"][i] + np.sign(ra) * 360 * (abs(ra) > 360), columns["dec"][i]
    )
    assert blase("estimate", sed) == 0
    assert "in the training set" in capsys.readouterr().out


def test_standard_input_and_pipes(blase, sed, tmp_path, capsys, monkeypatch):
    """`-` and a named pipe are read; garbage on them is an error."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(sed.read_bytes())))
    assert blase("estimate", "-") == 0
    assert capsys.readouterr().out.startswith("-: log nu_peak = ")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"nothing")))
    assert blase("estimate", "-") == 1
    assert capsys.readouterr().err.startswith("blase: error: ")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["cp", sed, pipe]):
        assert blase("estimate", pipe) == 0
    assert "log nu_peak = " in capsys.readouterr().out


def test_tables_and_answers_of_services(blase, sed, tmp_path, capsys):
    """What `blase fetch` writes and what the SSDC sends; other tables are named."""
    Table.read(sed, format="vou-sed").write(tmp_path / "sed.ecsv")
    assert blase("estimate", sed, tmp_path / "sed.ecsv") == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.removeprefix("sed.txt") == second.removeprefix("sed.ecsv")
    assert blase("estimate", Path(__file__).parent / "data" / "services" / "ssdc_sed.json") == 0
    assert "FOREIGN_FORMAT" in capsys.readouterr().out
    Table({"a": [1]}).write(tmp_path / "t.ecsv")
    (tmp_path / "t.json").write_text("{}")
    for name, message in (("t.ecsv", "of no SED (a source catalog?)"), ("t.json", "not an SED")):
        assert blase("estimate", tmp_path / name) == 1
        assert message in capsys.readouterr().out
    assert blase("estimate", tmp_path / "none.json") == 1
    assert "none.json" in capsys.readouterr().err


@pytest.fixture
def archive(tmp_path):
    """A zip with three SEDs, an empty file, and what comes along in zips."""
    path = tmp_path / "seds.zip"
    with zipfile.ZipFile(path, "w") as file:
        for i in range(3):
            file.write(write_sed(tmp_path / "one", ra=10.0 * i), f"SEDs/{i}, with comma.txt")
        for name in ("__MACOSX/SEDs/._0", ".DS_Store", "README.md", "SEDs/inner.zip"):
            file.writestr(name, "no SED")
        file.writestr("SEDs/empty", "")
    return path


@pytest.mark.parametrize("suffix", ["fits", "vot", "ecsv", "parquet", "csv", "fits.gz"])
def test_a_zip_becomes_a_table(blase, archive, tmp_path, capsys, suffix):
    """One sorted row an SED, in every format; what is odd is said and does not end the run."""
    output = tmp_path / f"out.{suffix}"
    assert blase("estimate", archive, "-o", output) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert "blase: SEDs/empty: empty file" in err
    assert "3 of 4 SEDs estimated; flags: " in err
    table = Table.read(output)
    names = [f"SEDs/{i}, with comma.txt" for i in range(3)]
    assert [str(name) for name in table["name"]] == [*names, "SEDs/empty"]
    assert np.isfinite(table["nu_peak"][:3]).all()
    assert table["peak_flags"][3] & Flag.READ_ERROR
    if suffix in ("fits", "ecsv"):
        assert table.meta["PILEVEL"] == 0.95
        assert table.meta["BLASECMD"].split()[0] == "blase"


def test_a_folder_with_odd_things(blase, tmp_path, capsys):
    """Hidden files, a README, a dangling link, a sub-folder."""
    folder = tmp_path / "seds"
    (folder / "sub").mkdir(parents=True)
    write_sed(folder / "sub" / "b")
    write_sed(folder / "a")
    (folder / ".DS_Store").write_bytes(b"\0\1")
    (folder / "README").write_text("hello")
    (folder / "link").symlink_to("nowhere")
    (folder / "photo.jpg").write_bytes(b"\xff\xd8")
    assert blase("estimate", folder) == 0
    out, err = capsys.readouterr()
    assert [line.split(":")[0] for line in out.splitlines()] == ["a", "sub/b"]
    assert "warning" in err
    assert "photo.jpg" in err
    assert blase("estimate", folder, "--quiet") == 0
    assert capsys.readouterr().err == ""


def test_output_in_the_input_folder(blase, tmp_path, capsys):
    """A second run does not read what the first one wrote."""
    folder = tmp_path / "seds"
    folder.mkdir()
    write_sed(folder / "a")
    for options in ([], ["--overwrite"]):
        assert blase("estimate", folder, "-o", folder / "out.csv", *options) == 0
        assert len(Table.read(folder / "out.csv")) == 1


def test_existing_output_is_kept(blase, sed, tmp_path, capsys):
    """Unless told to overwrite it, and refused before the work."""
    output = tmp_path / "out.csv"
    output.write_text("mine")
    assert blase("estimate", sed, "-o", output) == 1
    assert "exists already; give --overwrite to replace it" in capsys.readouterr().err
    assert output.read_text() == "mine"
    assert blase("estimate", sed, "-o", output, "--overwrite") == 0
    assert len(Table.read(output)) == 1


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("none/out.fits", "does not exist"),
        (".", "is a folder"),
        ("out.xyz", "no known suffix; wanted one of"),
        ("/dev/full", "no known suffix"),
    ],
)
def test_impossible_outputs(blase, sed, tmp_path, capsys, output, message):
    """One line and exit code 1."""
    (tmp_path / "folder.fits").mkdir()
    assert (
        blase("estimate", sed, "-o", tmp_path / (output if output != "." else "folder.fits")) == 1
    )
    err = capsys.readouterr().err
    assert err.startswith("blase: error: ")
    assert message in err
    assert err.count("\n") == 1


def test_a_full_disk(blase, sed, tmp_path, capsys, monkeypatch):
    """One line, and no half file."""

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("blase_astro.io.fits_tables.write_fits", full)
    assert blase("estimate", sed, "-o", tmp_path / "out.fits") == 1
    assert "out.fits could not be written: No space left on device" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["sed.txt"]


@pytest.mark.parametrize(
    "words",
    [
        ["estimate"],
        ["estimate", "x", "--level", "1.5"],
        ["estimate", "x", "--level", "nan"],
        ["estimate", "x", "--radius", "-5"],
        ["estimate", "x", "--radius", "5 parsec"],
        ["estimate", "x", "--jobs", "0"],
        ["estimate", "x", "--bag", "two"],
        ["annotate", "catalog.fits"],
        ["match", "catalog.fits"],
        ["guess"],
        *([*words, "-o", "-"] for words in (["plot", "x"], ["simulate"], ["fetch", "seds", "x"])),
        ["train", "x", "-o", "-"],
        ["evaluate", "-o", "-"],
        [],
    ],
)
def test_wrong_usage(words, capsys):
    """Exit code 2 and a usage line, before anything is read."""
    assert main(words) == 2
    assert "usage: blase" in capsys.readouterr().err


def test_help_and_version(capsys):
    """Exit code 0, on stdout."""
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("blase_astro ")
    for command in ("estimate", "annotate", "match"):
        assert main([command, "--help"]) == 0
        assert "--overwrite" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["estimate", "none.txt"], "none.txt"),
        (["estimate", "x", "--bag", "7"], "bag must be -1 (all members) or 0 to 2; got 7"),
        (
            ["annotate", "none.fits", "x", "-o", "out.fits"],
            "none.fits is no file; wanted a catalog",
        ),
        (["match", "none.fits", "-o", "out.fits"], "none.fits is no file; wanted a catalog"),
    ],
)
def test_errors_are_one_line(blase, tmp_path, monkeypatch, capsys, words, message):
    """A wrong path or bag: what is wrong, exit code 1."""
    monkeypatch.chdir(tmp_path)
    write_sed(tmp_path / "x")
    assert blase(*words) == 1
    err = capsys.readouterr().err
    assert err.startswith("blase: error: ")
    assert message in err
    assert err.count("\n") == 1


def test_a_missing_ensemble(tmp_path, sed, capsys):
    """The folder is named."""
    assert main(["estimate", str(sed), "--ensemble", str(tmp_path)]) == 1
    assert "holds no ensemble" in capsys.readouterr().err


def test_annotate(blase, archive, tmp_path, capsys):
    """The catalog with columns appended; what was found is said on stderr."""
    Table({"id": [1, 2], "RA": [20.0, 99.0], "DEC": [5.0, 5.0]}).write(tmp_path / "c.fits")
    output = tmp_path / "out.fits"
    assert blase("annotate", tmp_path / "c.fits", archive, "-o", output) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert "blase: positions: RA and DEC (icrs), missing in 0 of 2 rows" in err
    assert "blase: SEDs: 4, of which 1 belong to a row; rows: 2, of which 1 have an SED" in err
    assert "blase: 1 of 2 rows estimated; flags: NO_SED 1" in err
    table = Table.read(output)
    assert table.colnames[:4] == ["id", "RA", "DEC", "nu_peak"]
    assert np.isfinite(np.ma.filled(table["nu_peak"], np.nan)).tolist() == [True, False]
    again = ["annotate", output, archive, "-o", tmp_path / "two.fits", "-q"]
    assert blase(*again) == 1
    assert "already has the column(s) nu_peak" in capsys.readouterr().err
    assert blase(*again, "--prefix", "b_") == 0
    assert blase(*again, "--overwrite-columns", "--overwrite") == 0
    assert capsys.readouterr().err == ""


def test_annotate_by_name_and_in_place(blase, archive, tmp_path):
    """A column of file names; the output may be the catalog itself."""
    catalog = tmp_path / "c.csv"
    Table({"sed": ["1, with comma.txt", "none"]}).write(catalog)
    words = ["annotate", catalog, archive, "-o", catalog, "--sed-column", "sed"]
    assert blase(*words) == 1
    assert blase(*words, "--overwrite") == 0
    assert np.isfinite(np.ma.filled(Table.read(catalog)["nu_peak"], np.nan)).tolist() == [
        True,
        False,
    ]


def test_annotate_nothing(blase, archive, tmp_path, capsys):
    """No row with an estimate: written, but exit code 1."""
    Table({"RA": [99.0], "DEC": [5.0]}).write(tmp_path / "c.fits")
    assert blase("annotate", tmp_path / "c.fits", archive, "-o", tmp_path / "out.fits") == 1
    assert "0 of 1 rows estimated" in capsys.readouterr().err


def test_match(blase, ensembles, tmp_path, capsys):
    """Named columns, other frames, a radius with its unit."""
    columns = ensembles["nu_peak"].source_columns
    catalog = Table({"x": columns["ra"][:3], "y": columns["dec"][:3]})
    catalog.write(tmp_path / "c.ecsv")
    words = ["match", tmp_path / "c.ecsv", "-o", tmp_path / "m.vot", "--radius", "0.1arcmin"]
    assert blase(*words) == 1
    assert "no position columns found among x, y" in capsys.readouterr().err
    assert blase(*words, "--ra", "x", "--dec", "y") == 0
    assert "blase: rows: 3, of which 3 are in the training set" in capsys.readouterr().err
    assert Table.read(tmp_path / "m.vot")["bag"].tolist() == columns["bag"][:3].tolist()


def test_an_interrupt_leaves_nothing(blase, archive, tmp_path, monkeypatch, capsys):
    """Ctrl-C: exit code 130, one line, no half file."""

    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("blase_astro.io.votable_files.write_votable", stop)
    assert blase("estimate", archive, "-o", tmp_path / "out.vot", "-q") == 130
    assert capsys.readouterr().err == "blase: interrupted\n"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["one", "seds.zip"]


def test_a_progress_bar_on_a_terminal(blase, archive, monkeypatch, capsys):
    """Only there; it ends with a full bar."""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    assert blase("estimate", archive) == 0
    assert "[" + "#" * 40 + "] 4/4\n" in capsys.readouterr().err


def test_start_up_imports_little(sed, ensemble_dir):
    """A fresh interpreter estimates one SED without astropy, scipy and all heavy packages."""
    code = (
        "import sys; from blase_astro.cli import main; code = main(sys.argv[1:]); "
        "names = {name.split('.')[0] for name in sys.modules}; "
        "print(sorted(names & {'astropy', 'scipy', 'torch', 'matplotlib', 'pandas', 'sklearn', "
        "'pytorch_lightning', 'astroquery', 'pyarrow'})); sys.exit(code)"
    )
    words = ["estimate", str(sed), "--ensemble", str(ensemble_dir)]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1] == "[]"


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_a_real_interrupt(tmp_path, ensemble_dir):
    """SIGINT in the middle of many SEDs, with several processes."""
    text = write_sed(tmp_path / "one").read_bytes()
    with zipfile.ZipFile(tmp_path / "s.zip", "w", zipfile.ZIP_DEFLATED) as file:
        for i in range(12000):
            file.writestr(f"{i:05d}", text)
    words = ["estimate", "s.zip", "-o", "out.csv", "--jobs", "2", "--ensemble", str(ensemble_dir)]
    code = "import sys; from blase_astro.cli import main; sys.exit(main(sys.argv[1:]))"
    with subprocess.Popen(
        [sys.executable, "-c", code, *words], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    ) as process:
        time.sleep(1.0)
        process.send_signal(signal.SIGINT)
        err = process.communicate(timeout=60)[1]
    if (tmp_path / "out.csv").exists():
        pytest.skip("it was done before the interrupt")
    assert process.returncode in (130, -signal.SIGINT)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["one", "s.zip"]
    if process.returncode == 130:  # what it says of the estimates may come before
        assert err.splitlines()[-1] == "blase: interrupted"
        assert all(line.startswith("blase: ") for line in err.splitlines()), err


COMMAND = "import sys; from blase_astro.cli import main; sys.exit(main(sys.argv[1:]))"


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_an_ended_command_leaves_nothing_temporary(tmp_path):
    """SIGTERM while an inflated catalog lies in the folder of temporary files: it is removed."""
    with gzip.open(tmp_path / "catalog.csv.gz", "wt") as file:
        file.write("RA,DEC\n" + "1,2\n" * 1_000_000)
    (tmp_path / "tmp").mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", COMMAND, "match", "catalog.csv.gz", "-o", "out.csv"],
        cwd=tmp_path,
        env=os.environ | {"TMPDIR": str(tmp_path / "tmp")},
    ) as process:
        deadline = time.monotonic() + 60
        while not os.listdir(tmp_path / "tmp") and time.monotonic() < deadline:
            time.sleep(0.005)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 128 + signal.SIGTERM
    assert os.listdir(tmp_path / "tmp") == []
    assert sorted(os.listdir(tmp_path)) == ["catalog.csv.gz", "tmp"]


@pytest.mark.skipif(os.name != "posix", reason="streams of POSIX")
@pytest.mark.parametrize(
    ("closed", "words", "code", "out"),
    [
        ("2>&-", "estimate sed.txt", 0, "sed.txt: log nu_peak"),
        ("2>&-", "estimate sed.txt --format csv", 0, "name,ra,dec"),
        ("2>&-", "estimate nothing.txt", 1, ""),
        (">&-", "estimate sed.txt", 0, ""),
        (">&-", "estimate sed.txt --format csv", 0, ""),
        ("<&-", "estimate -", 1, ""),
    ],
)
def test_closed_streams(tmp_path, closed, words, code, out):
    """Of a daemon or by `>&-`: nothing goes astray, and no traceback comes."""
    write_sed(tmp_path / "sed.txt")
    line = f"{shlex.quote(sys.executable)} -c {shlex.quote(COMMAND)} {words} {closed}"
    done = subprocess.run(["sh", "-c", line], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == code
    assert done.stdout.startswith(out)
    assert "blase: " not in done.stdout
    assert "Traceback" not in done.stderr


def test_a_missing_package_names_its_extra(monkeypatch, capsys):
    """What the base install lacks is said with the extra that brings it."""

    def missing(*_, **__):
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    monkeypatch.setattr("blase_astro.catalog.match_file", missing)
    assert main(["match", "a.fits", "-o", "b.fits"]) == 1
    assert (
        "torch'; install it with: python -m pip install torch (part of the extra train)"
        in capsys.readouterr().err
    )


# --- tables on standard output ----------------------------------------------------------------

READERS = {
    "csv": lambda text: Table.read(text, format="ascii.csv"),
    "tsv": lambda text: Table.read(text, format="ascii.tab"),
    "ecsv": lambda text: Table.read(text, format="ascii.ecsv"),
    "json": lambda text: Table([json.loads(line) for line in text.splitlines()]),
    "votable": lambda text: Table.read(io.BytesIO(text.encode()), format="votable"),
}


@pytest.mark.parametrize("form", READERS)
@pytest.mark.parametrize("command", ["estimate", "annotate", "match"])
def test_tables_on_standard_output(blase, sed, tmp_path, capsys, form, command):
    """What is printed reads back with the numbers of the file; words go to stderr alone."""
    catalog = tmp_path / "catalog.ecsv"
    Table({"id": ["=1+1", "b"], "RA": [10.0, 20.0], "DEC": [5.0, 5.0]}).write(catalog)
    words = {"estimate": [sed], "annotate": [catalog, sed], "match": [catalog]}[command]
    assert blase(command, *words, "-o", tmp_path / "file.ecsv") == 0
    assert "blase: " in capsys.readouterr().err
    assert blase(command, *words, "--format", form) == 0
    out, err = capsys.readouterr()
    assert "blase: " not in out
    assert err.count("warning") == 0
    expected, got = Table.read(tmp_path / "file.ecsv"), READERS[form](out)
    assert got.colnames == expected.colnames
    for name in ("log_nu_peak", "bag", "RA"):
        if name in expected.colnames:
            values = [np.nan if v is None else v for v in got[name].tolist()]
            assert np.allclose(np.array(values, float), expected[name].filled(np.nan)
                               if hasattr(expected[name], "filled") else expected[name],
                               equal_nan=True)  # fmt: skip
    if command != "estimate":
        assert got["id"][0] == "=1+1"


def test_json_names_the_flags(blase, tmp_path, capsys):
    """A list of names instead of a number, empty where there is none."""
    assert blase("estimate", write_sed(tmp_path / "few", n=4), "--format", "json") == 0
    assert json.loads(capsys.readouterr().out)["peak_flags"] == ["FEW_BINS"]


def test_dash_is_standard_output(blase, sed, tmp_path, capsys):
    """`-o -` prints CSV; with --format a file has that format, whatever it is called."""
    assert blase("estimate", sed, "-o", "-") == 0
    assert capsys.readouterr().out.startswith("name,ra,dec,")
    assert blase("estimate", sed, "-o", tmp_path / "table", "--format", "tsv") == 0
    assert capsys.readouterr().out == ""
    assert (tmp_path / "table").read_text().startswith("name\tra\tdec\t")
    assert blase("estimate", sed, "-o", tmp_path / "table", "--format", "tsv") == 1
    assert "exists already" in capsys.readouterr().err


def test_summary_after_a_file(blase, sed, tmp_path, capsys):
    """One line, off a terminal as well; none with -q; why a single SED has no estimate."""
    assert blase("estimate", sed, "-o", tmp_path / "a.csv") == 0
    said = capsys.readouterr().err
    assert said == f"blase: {tmp_path / 'a.csv'}: 1 of 1 SED estimated; flags: none\n"
    assert blase("estimate", sed, "-o", tmp_path / "b.csv", "-q") == 0
    assert capsys.readouterr().err == ""
    (tmp_path / "bad.json").write_text('{"Datasets": [')
    assert blase("estimate", tmp_path / "bad.json", "-o", tmp_path / "c.csv") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("blase: ")
    assert "bad.json: " in line


def test_scores_as_a_table(ensemble_dir, capsys):
    """The scores of both targets, one row a group."""
    assert main(["evaluate", str(ensemble_dir), "--format", "csv"]) == 0
    scores = READERS["csv"](capsys.readouterr().out)
    assert scores.colnames[:3] == ["target", "sources", "n"]
    assert set(scores["target"]) == {"nu_peak", "nufnu_peak"}


@pytest.mark.skipif(shutil.which("stilts") is None, reason="STILTS is not installed")
@pytest.mark.parametrize("form", ["votable", "ecsv"])
def test_stilts_reads_what_is_printed(blase, sed, tmp_path, capsys, form):
    """As in the documentation: a pipe to STILTS, which finds numbers where there are numbers."""
    (tmp_path / "bad.txt").write_text("no SED")
    assert blase("estimate", sed, tmp_path / "bad.txt", "--format", form) == 0
    words = ["stilts", "tpipe", f"ifmt={form}", "in=-", "ofmt=csv", "out=-"]
    words += ["cmd=select log_nu_peak>0", "cmd=keepcols 'name log_nu_peak peak_flags'"]
    done = subprocess.run(words, input=capsys.readouterr().out.encode(), capture_output=True)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.decode().splitlines()
    assert lines[0] == "name,log_nu_peak,peak_flags"
    assert len(lines) == 2


# --- help -------------------------------------------------------------------------------------


def test_bare_command_helps(capsys):
    """The commands with a line each."""
    assert main([]) == 2
    said = capsys.readouterr().err
    for name in ("estimate", "annotate", "info", "completion"):
        assert f"    {name}" in said


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["estimat"], "estimate"),
        (["anotate", "x"], "annotate"),
        (["estimate", "x", "--levle", "0.5"], "--level"),
        (["fetch", "sed", "x", "--max-agee", "1"], "--max-age"),
        (["fetch", "sedd"], "sed"),
        (["estimate", "x", "--format", "vottable"], "votable"),
    ],
)
def test_typos(words, meant, capsys):
    """What was perhaps meant is said."""
    assert main(words) == 2
    assert f"did you mean {meant}?" in capsys.readouterr().err


def commands():
    """Words of every command, and of every kind of those that have kinds."""
    tree = _tree(_parser()._subparsers._group_actions[0])
    return [name.split() for name in tree if name != "fetch"]


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_help(words, capsys):
    """Every command has -q and -v, and its help says the defaults."""
    assert main([*words, "--help"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "-q, --quiet" in said
    assert "-v, --verbose" in said
    if words == ["plot"]:
        assert "probability of the intervals (default: 0.95)" in said


@pytest.mark.parametrize("name", ["estimate", "advise", "explain", "plot"])
def test_what_asks_the_networks_has_their_options(name):
    """One SED is the same to all: by name, at a place, of a time, of a population."""
    wanted = "--name --ra --dec --mjd --undated --from --timeout "
    wanted += "--ensemble --radius --level --bag --population --shortest --overwrite --samp"
    assert set(wanted.split()) <= set(parsers()[name]._option_string_actions)


@pytest.mark.parametrize(
    "name",
    [
        "estimate",
        "annotate",
        "match",
        "population",
        "advise",
        "explain",
        "refine",
        "catalog",
        "evaluate",
    ],
)
def test_what_writes_a_table_can_print_it(name):
    """In any format, to a file or to standard output; what exists stays."""
    wanted = {"-o", "--format", "--overwrite"}
    assert wanted <= set(parsers()[name]._option_string_actions)


def parsers():
    """The parser of each command, and of each kind of those that have kinds."""
    found = {}
    for name, parser in _parser()._subparsers._group_actions[0].choices.items():
        found |= {kind.prog.split()[-1]: kind for kind in _kinds(parser)} or {name: parser}
    return found


def test_verbose(blase, sed, tmp_path, capsys):
    """Time and memory; the place of an error."""
    assert blase("estimate", sed, "-v") == 0
    assert "MiB of memory at most" in capsys.readouterr().err
    assert blase("estimate", tmp_path / "none", "-v") == 1
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell, capsys, tmp_path):
    """A script for each shell that this shell takes, with every command and its options."""
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert all(word in script for words in commands() for word in words)
    assert "overwrite-columns" in script
    path = tmp_path / "script"
    path.write_text(script)
    if shutil.which(shell):
        subprocess.run([shell, "-n", path], check=True)
    if shell == "bash":
        ask = f"source {path}; COMP_WORDS=(blase annotate x --red); COMP_CWORD=3; _blase; "
        done = subprocess.run(["bash", "-c", ask + "echo ${COMPREPLY[@]}"], capture_output=True)
        assert done.stdout.split() == [b"--redshift"]


def test_info(blase, sed, tmp_path, ensemble_dir, capsys):
    """What made a file, and whether the ensembles at hand did; of ensembles what they are."""
    own = ["--ensemble", str(ensemble_dir)]
    for suffix in ("fits", "vot", "ecsv", "parquet"):
        output = tmp_path / f"table.{suffix}"
        assert blase("estimate", sed, "-o", output, "--level", "0.68") == 0
        capsys.readouterr()
        assert main(["info", str(output), *own]) == 0
        said = capsys.readouterr().out
        for words in ("command: blase estimate ", "intervals: 0.68", "(the one at hand)"):
            assert words in said
        assert main(["info", str(output)]) == 0
        assert "(another than the one at hand)" in capsys.readouterr().out
    assert blase("estimate", sed, "-o", tmp_path / "table.csv") == 0
    assert main(["info", str(tmp_path / "table.csv")]) == 1
    assert "CSV keeps columns alone" in capsys.readouterr().err
    assert main(["info", str(ensemble_dir)]) == 0
    assert "3 bags of 2 members, 26 frequency bins" in capsys.readouterr().out
    assert main(["info"]) == 0
    assert "blase_astro " in capsys.readouterr().out
    assert main(["info", str(tmp_path / "none")]) == 1
    assert "does not exist" in capsys.readouterr().err


def test_print_shows_what_matters(sed, ensemble_dir):
    """The short view has the peak, and says that there is more; a chosen part is shown whole."""
    from blase_astro import estimate

    table = estimate(sed, ensemble=ensemble_dir)
    for view in (str(table), table._repr_html_()):
        assert "log_nu_peak_hi" in view
        assert "p_lsp" not in view
        assert "more columns" in view
    assert max(map(len, str(table).splitlines())) < 100
    assert "p_lsp" in str(table["name", "p_lsp"])
    assert table["name", "n_points"].colnames == ["name", "n_points"]


def test_seds_that_are_missing_are_said(blase, sed, archive, tmp_path, capsys):
    """A word mistyped writes no catalog without estimates; one of several is named."""
    catalog, output = "catalogs/demo_catalog.fits", tmp_path / "out.fits"
    assert blase("annotate", catalog, "missing.zip", "-o", output) == 1
    assert "blase: error: [Errno 2] No such file or directory: 'missing.zip'" in (
        capsys.readouterr().err
    )
    assert not output.exists()
    assert blase("annotate", catalog, "missing.zip", "catalogs/demo_seds.zip", "-o", output) == 0
    err = capsys.readouterr().err
    assert "blase: no estimate: missing.zip: [Errno 2] No such file or directory" in err


def test_what_strangers_wrote_is_shown_escaped(tmp_path, capsys):
    """Neither the name of a file nor what it says of itself turns the terminal's colours."""
    path = tmp_path / "\x1b[31m.ecsv"
    table = Table({"RA": [1.0], "DEC": [2.0]}, meta={"BLASECMD": "\x1b[31mblase\x07"})
    table.write(path, format="ascii.ecsv")
    assert main(["info", str(path)]) == 0
    out = capsys.readouterr().out
    assert out.count("\\x1b[31m") == 2
    assert "\x1b" not in out


def test_what_cannot_stay_is_said_by_the_command(blase, tmp_path, capsys):
    """A table of text becomes a binary one."""
    columns = [fits.Column(n, "F10.4", array=np.array([1.0]), ascii=True) for n in ("RA", "DEC")]
    table = fits.TableHDU.from_columns(columns)
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(tmp_path / "text.fits")
    assert blase("match", tmp_path / "text.fits", "-o", tmp_path / "out.fits") == 0
    assert "its table is one of text; the new file has a binary one" in capsys.readouterr().err


def test_an_output_that_is_read_is_refused(blase, tmp_path, capsys):
    """--overwrite does not mean the SEDs themselves, by whatever name they go."""
    sed = tmp_path / "sed.ecsv"
    TWO_POINTS.write(sed, format="ascii.ecsv")
    (tmp_path / "link.ecsv").symlink_to(sed)
    text, catalog = sed.read_bytes(), "catalogs/demo_catalog.fits"
    for output in (sed, tmp_path / "link.ecsv"):
        assert blase("estimate", sed, "-o", output, "--overwrite") == 1
        assert f"{output} is read and would be lost" in capsys.readouterr().err
        assert blase("annotate", catalog, sed, "-o", output, "--overwrite") == 1
    assert sed.read_bytes() == text


def test_extinction_is_of_bands(blase, sed, tmp_path, capsys):
    """--ebv alone would do nothing."""
    words = ["catalogs/demo_catalog.fits", sed, "--ebv", "EBV", "-o", tmp_path / "out.fits"]
    assert blase("annotate", *words) == 2
    assert "--ebv is for the bands of the catalog" in capsys.readouterr().err


def test_as_a_module(monkeypatch, capsys):
    """``python -m blase_astro`` is the command."""
    monkeypatch.setattr("sys.argv", ["blase", "--version"])
    with pytest.raises(SystemExit) as end:
        runpy.run_module("blase_astro", run_name="__main__")
    assert not end.value.code
    assert capsys.readouterr().out.startswith("blase_astro ")
