"""Names of strangers: whole where a format can hold them, escaped and taken back where not."""

import os
import string

import numpy as np
import pytest
from astropy.table import Column, MaskedColumn, Table
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blase_astro.cli import main
from blase_astro.io.append import append_columns
from blase_astro.io.files import read_catalog, write_table
from blase_astro.io.names import escape, fit_text, shield, shown, unescape

SUFFIXES = [".fits", ".vot", ".ecsv", ".csv", ".parquet"]
ODD = [
    "good",
    "#first",
    "caf\xe9",
    "\x1b[31mred",
    "cr\rlf\r\n",
    "\udcff byte",
    "90%",
    "%41",
    "two\nlines",
    "a, b; 'c' \"d\"",
    "\u202eleft",
    "\U0001f600",
    "\u2028",
    "\x85",
    "<&>",
]


def names_of(path):
    """Names of a table as this package reads them."""
    return read_catalog(path)["name"].tolist()


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("first", [0, 1, 2, 3, 4, 5])
def test_every_name_comes_back(tmp_path, suffix, first):
    """None loses a row, none spoils the others, in whichever row it stands."""
    names = ODD[first:] + ODD[:first]
    table = Table({"name": Column(names, description="a name"), "x": np.arange(len(names))})
    write_table(table, tmp_path / f"t{suffix}")
    back = names_of(tmp_path / f"t{suffix}")
    if suffix == ".csv":  # has no description that could say so
        back = [unescape(name) for name in back]
    assert back == names
    if suffix != ".csv":
        assert read_catalog(tmp_path / f"t{suffix}")["name"].description == "a name"


TEXT = st.text(st.characters(exclude_characters=" \t\n", codec=None), min_size=1, max_size=8)


@pytest.mark.parametrize("form", ["fits", "votable", "ascii.ecsv", "parquet"])
@pytest.mark.parametrize(
    "halves",
    [[0xD800], [0xDCFF], [0xDFFF, 0xD800], [0xDCC3, 0xDCA9], [0xDCED, 0xDCA0, 0xDC80]],
)
def test_halves_of_pairs_come_back(halves, form):
    """Those that stand for a byte of a file's name, those that do not, and both together."""
    text = "%uD800" + "".join(map(chr, halves))
    assert unescape(escape(text, form)) == text


@pytest.mark.parametrize("suffix", [".fits", ".vot", ".ecsv", ".parquet"])
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=st.lists(TEXT, min_size=1, max_size=3))
def test_any_name_comes_back(tmp_path, suffix, names):
    """Characters of all of Unicode, halves of pairs among them."""
    names = [name.strip().strip("\0") or "x" for name in names]
    write_table(Table({"name": names}), tmp_path / f"t{suffix}", overwrite=True)
    assert names_of(tmp_path / f"t{suffix}") == names


@pytest.mark.parametrize("text", ODD)
@pytest.mark.parametrize("form", ["fits", "votable", "ascii.ecsv", "ascii.csv", "parquet"])
def test_escapes_are_taken_back(form, text):
    """What has to be escaped is, and reads back."""
    escaped = escape(text, form)
    assert text in (escaped, unescape(escaped))
    if form == "fits":
        assert set(escaped) <= set(string.printable) - set("\r\n\t\x0b\x0c")


def test_what_fits_is_not_touched():
    """The same values; names of columns and descriptions are made fit as well."""
    table = Table({"α": [1], "b": ["90%"]})
    table["b"].description = "in °"
    fitted = fit_text(table, "fits")
    assert fitted.colnames == ["%CE%B1", "b"]
    assert fitted["b"][0] == "90%"
    assert fitted["b"].description == "in %C2%B0"
    assert table.colnames == ["α", "b"]
    assert fit_text(table, "votable").colnames == ["α", "b"]


def test_masked_names_stay_masked(tmp_path):
    """Escaping knows of masks."""
    table = Table({"name": MaskedColumn(["é", "b"], mask=[False, True])})
    assert fit_text(table, "fits")["name"].mask.tolist() == [False, True]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_odd_names_are_appended(tmp_path, suffix):
    """To a catalog of the same format and of another."""
    n = len(ODD)
    for source in (f"a{suffix}", "b.csv"):
        write_table(Table({"id": np.arange(n)}), tmp_path / source, overwrite=True)
        new = Table({"name": Column(ODD)}, meta={"BLASECMD": "blase annotate caf\xe9\x1b \udcff"})
        append_columns(tmp_path / source, new, tmp_path / f"o{suffix}", overwrite=True)
        back = names_of(tmp_path / f"o{suffix}")
        assert (list(map(unescape, back)) if suffix == ".csv" else back) == ODD
        assert len(read_catalog(tmp_path / f"o{suffix}")) == n


def test_formulas_get_a_quote_in_our_columns_only(tmp_path):
    """Spreadsheets run what begins so; the user's own columns stay character by character."""
    assert [shield(t) for t in ("@SUM", "+a", "-2+3", "-", "+", "-3e-5", "a=b")] == [
        "'@SUM",
        "'+a",
        "'-2+3",
        "-",
        "+",
        "-3e-5",
        "a=b",
    ]
    (tmp_path / "a.csv").write_text("id\n=1+1\n@SUM\n")
    append_columns(tmp_path / "a.csv", Table({"name": ["=2", "b"]}), tmp_path / "b.csv")
    assert (tmp_path / "b.csv").read_text() == "id,name\n=1+1,'=2\n@SUM,b\n"


def test_names_on_the_terminal():
    """What would move the cursor, colour or turn the line is escaped; the rest is not."""
    for name, printed in (
        ("caf\xe9 α", "caf\xe9 α"),
        ("a\x1b[2J", r"a\x1b[2J"),
        ("a\nb", r"a\nb"),
        ("\u202egnp", r"\u202egnp"),
        ("\udcff", r"\udcff"),
    ):
        assert shown(name) == printed


def test_commands_with_odd_names(tmp_path, capsys, request):
    """A catalog and SEDs of any name: written, and said on one line each."""
    seds, data = tmp_path / "seds", request.config.rootpath / "catalogs"
    seds.mkdir()
    text = (data / "demo_sed.txt").read_bytes()
    names = ["caf\xe9.txt", "a\x1b[31m.txt", "\udcff.txt", "b\nc.txt", "good.txt"]
    for name in names:
        (seds / name).write_bytes(text)
    for suffix in SUFFIXES:
        assert main(["estimate", str(seds), "-o", str(tmp_path / f"\xe9{suffix}"), "-q"]) == 0
        back = names_of(tmp_path / f"\xe9{suffix}")
        assert sorted(map(unescape, back)) == sorted(names)
    capsys.readouterr()
    assert main(["estimate", str(seds)]) == 0
    out = capsys.readouterr().out
    assert len(out.splitlines()) == len(names)
    assert "\x1b" not in out
    catalog = tmp_path / "caf\xe9.fits"
    catalog.write_bytes((data / "demo_catalog.fits").read_bytes())
    output = tmp_path / "\xe9.vot"
    for output in (tmp_path / "\xe9 2.fits", tmp_path / "\xe9 2.vot"):
        assert main(["match", str(catalog), "-o", str(output), "-q"]) == 0
    assert main(["estimate", str(tmp_path / "a\x1b\n")]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "\x1b" not in said
    assert os.path.exists(output)
