"""What each table format keeps when columns are appended, and what it is told of them."""

import base64
import gzip
import io
import json
import re
import shutil
import struct
import subprocess

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Column, MaskedColumn, QTable, Table
from astropy.time import Time
from astropy.utils import minversion

from blase_astro.catalog import annotate_file, match_file
from blase_astro.cli import main
from blase_astro.io.append import append_columns
from blase_astro.io.files import read_catalog, write_table

NEW = Table(
    {
        "nu": Column(
            [1e14, np.nan, 0.1], unit="Hz", description="a <peak>", meta={"ucd": "em.freq"}
        ),
        "kind": ["UNK", "é<&>", "LSP"],
        "bag": np.array([1, -1, 2], np.int16),
    },
    meta={"PILEVEL": 0.95, "BLASECMD": "blase annotate", "BLASEVER": "0"},
)


def appended(tmp_path, text, suffix, columns=NEW, **options):
    """Content of a file of some text or bytes with columns appended."""
    source, output = tmp_path / f"in{suffix}", tmp_path / f"out{suffix}"
    source.write_bytes(text if isinstance(text, bytes) else text.encode())
    append_columns(source, columns, output, overwrite=True, **options)
    return output.read_bytes().decode("utf-8", "surrogateescape")


# -- CSV and ECSV --------------------------------------------------------------------------------


def test_csv_is_extended_character_by_character(tmp_path):
    """Identifiers, digits, quotes, blanks, a mark of the byte order, ends of lines, odd bytes."""
    lines = [
        "\ufeffRA,id,note\r\n",
        ' 1.50,007,"a ""b"", c"\r\n',
        "1e400,2015E10,two words\r\n",
        "\r\n",
        "+3.,-0,\udcff\r\n",
    ]
    text = "".join(lines).encode("utf-8", "surrogateescape")
    new = appended(tmp_path, text, ".csv").splitlines(keepends=True)
    cells = [",nu,kind,bag", ",100000000000000.0,UNK,1", ",nan,é<&>,-1", "", ",0.1,LSP,2"]
    assert new == [line[:-2] + cell + "\r\n" for line, cell in zip(lines, cells, strict=True)]


def test_csv_ids_are_read_as_text(tmp_path):
    """Also on the way to another format; what is a number is one."""
    text = "id,big,n,x,q,none,when\n007,1e400,-1,1.5,2015E10,,00.5\n08,1,+2,nan,1,,-00.25\n"
    (tmp_path / "a.csv").write_text(text)
    table = read_catalog(tmp_path / "a.csv")
    assert table["id"].tolist() == ["007", "08"]
    assert table["big"].tolist() == ["1e400", "1"]
    assert table["n"].tolist() == [-1, 2]
    assert table["x"].dtype == table["when"].dtype == float
    assert table["q"].tolist() == ["2015E10", "1"]
    assert table["none"].mask.all()
    append_columns(tmp_path / "a.csv", NEW[:2], tmp_path / "a.fits")
    assert read_catalog(tmp_path / "a.fits")["id"].tolist() == ["007", "08"]


@pytest.mark.parametrize("other", ["12345678901234567891", "nan", "0.5", "9223372036854775809"])
def test_csv_ids_keep_their_digits(tmp_path, other):
    """Whole numbers that neither an integer nor a float holds stay text."""
    (tmp_path / "a.csv").write_text(f"id,x\n4050000000000000001,1\n{other},1\n")
    assert read_catalog(tmp_path / "a.csv")["id"].tolist() == ["4050000000000000001", other]


@pytest.mark.parametrize("suffix", [".csv", ".ecsv"])
def test_text_of_two_bytes_is_said(tmp_path, suffix):
    """Its columns would have names that nobody wrote."""
    (tmp_path / f"a{suffix}").write_text("ra,dec\n1,2\n", encoding="utf-16")
    with pytest.raises(OSError, match="text in UTF-16; wanted UTF-8"):
        read_catalog(tmp_path / f"a{suffix}")


def test_an_open_quotation_mark_is_said(tmp_path):
    """Else the rest of the file would be one cell, and the new columns within it."""
    text = 'a,b\n1,"x\ny"\n"2,3\n4,5\n'
    with pytest.raises(ValueError, match="line 4: a quotation mark is opened and never closed"):
        appended(tmp_path, text, ".csv")
    with pytest.raises(OSError, match=r"in\.csv could not be .* line 4: a quotation mark"):
        read_catalog(tmp_path / "in.csv")
    assert not (tmp_path / "out.csv").exists()


def test_ragged_csv(tmp_path):
    """A short row is filled up, a long one is an error that says which."""
    new = appended(tmp_path, "a,b\n1\n2,3\n4,5\n", ".csv")
    assert new.splitlines()[1] == "1,,100000000000000.0,UNK,1"
    with pytest.raises(ValueError, match="row 2 has 3 cells for 2 columns"):
        appended(tmp_path, "a,b\n1,1\n2,3,4\n4,5\n", ".csv")
    (tmp_path / "a.csv").write_text("x,x\n1,2\n")
    with pytest.raises(OSError, match=r"a\.csv could not be .*two columns have the name 'x'"):
        read_catalog(tmp_path / "a.csv")


def test_ecsv_keeps_its_lines(tmp_path):
    """Every row as it was; the header has the new columns and metadata, and astropy reads it."""
    table = QTable({"id": ["007", "#8", "a b"], "x": [1.10, 2.0, 3.0]}, meta={"mine": {"a": 1}})
    table["o"] = np.array([{"k": 1}, None, [1, 2]], object)
    table["t"] = Time([2020.0, 2021.0, 2022.0], format="jyear")
    table["h"] = np.array([1, 2, 3], "f2")
    text = io.StringIO()
    table.write(text, format="ascii.ecsv")
    old = text.getvalue().replace(" 1.1 ", " 1.1000 ").replace("\n#8 ", '\n"#8" ')
    new = appended(tmp_path, old, ".ecsv").splitlines()
    assert [line for line in old.splitlines() if not line.startswith("# ")] == [
        re.sub(r" \S+ \S+ \S+$", "", line) for line in new if not line.startswith("# ")
    ]
    back = Table.read(tmp_path / "out.ecsv")
    assert back["id"].tolist() == ["007", "#8", "a b"]
    assert back["o"].tolist() == [{"k": 1}, None, [1, 2]]
    assert (back["t"] == table["t"]).all()
    assert back["h"].dtype == np.float16
    assert back["kind"].tolist() == NEW["kind"].tolist()
    assert back["nu"].unit == "Hz"
    assert back["nu"].description == "a <peak>"
    assert back.meta["mine"] == {"a": 1}
    assert back.meta["PILEVEL"] == 0.95


@pytest.mark.parametrize(
    "header",
    [
        """delimiter: ","\ndatatype:\n- {name: id, datatype: string}\nmeta: {mine: 1}""",
        """{delimiter: ',', datatype: [{name: id, datatype: string}], meta: {mine: 1}}""",
        """datatype:\n  - name: id\n    datatype: string\ndelimiter: ','\nmeta:\n  mine: 1""",
        """datatype: [{name: id, datatype: string}]\nmeta: !!omap\n- {mine: 1}\ndelimiter: ','""",
    ],
)
def test_ecsv_of_other_writers(tmp_path, header):
    """Whatever way of YAML a header is written in, and whichever quotes the delimiter has."""
    lines = ["%ECSV 1.0", "---", *header.splitlines()]
    text = "".join(f"# {line}\n" for line in lines) + 'id\n007\n"a,b"\nc\n'
    new = appended(tmp_path, text, ".ecsv").splitlines()
    assert new[-2].startswith('"a,b",')
    back = read_catalog(tmp_path / "out.ecsv")
    assert back["id"].tolist() == ["007", "a,b", "c"]
    assert back["kind"].tolist() == NEW["kind"].tolist()
    assert back["nu"].unit == "Hz"
    assert (back.meta["mine"], back.meta["PILEVEL"]) == (1, 0.95)


@pytest.mark.parametrize("suffix", [".fits", ".vot", ".csv", ".parquet"])
def test_odd_columns_go_to_every_format(tmp_path, suffix):
    """Objects, times and half floats of ECSV: as the format can hold them."""
    table = QTable({"o": np.array([{"k": 1}, None, [1, 2]], object)})
    table["t"] = Time([2020.0, 2021.0, 2022.0], format="jyear")
    table["h"] = np.array([1, 2, 3], "f2")
    table.write(tmp_path / "a.ecsv")
    append_columns(tmp_path / "a.ecsv", NEW, tmp_path / f"b{suffix}")
    back = read_catalog(tmp_path / f"b{suffix}")
    assert back["o"][0] == "{'k': 1}"
    assert back["h"].tolist() == [1, 2, 3]
    assert {"nu", "kind", "bag"} < set(back.colnames)


@pytest.mark.parametrize("suffix", [".ecsv", ".csv", ".parquet", ".vot", ".fits"])
def test_complex_columns_go_to_every_format(tmp_path, suffix):
    """Also arrays of them, of one length and of any."""
    table = Table({"c": np.array([1 + 2j, 3j]), "a": np.array([[1j, 2], [3, 4]])})
    of_any_length = np.empty(2, object)
    of_any_length[:] = [np.array([1j]), np.array([2.0, 3j])]
    table["v"] = of_any_length
    write_table(table, tmp_path / f"a{suffix}")
    back = read_catalog(tmp_path / f"a{suffix}")
    assert back.colnames == ["c", "a", "v"]
    if suffix in (".vot", ".fits"):
        assert back["a"].tolist() == table["a"].tolist()
        assert np.asarray(back["v"][1]).tolist() == [2, 3j]
    else:
        assert back["a"].tolist() == ['["1j", "(2+0j)"]', '["(3+0j)", "(4+0j)"]']
    stream = io.StringIO()
    write_table(table, stream, format="json")
    assert json.loads(stream.getvalue().splitlines()[1])["v"] == ["(2+0j)", "3j"]


@pytest.mark.parametrize("old", ["a.csv", "a.fits"])
def test_fits_has_names_of_68_characters(tmp_path, old):
    """A longer one, of the catalog or with a prefix, is said, and no file that nobody reads."""
    long, short = "'" + "c" * 67, "c" * 68
    Table({"id": [1]}).write(tmp_path / "a.fits")
    (tmp_path / "a.csv").write_text(f"{long if old == 'a.csv' else 'id'}\n1\n")
    with pytest.raises(ValueError, match=r"the column 'c+\.\.\. does not fit into FITS"):
        append_columns(tmp_path / old, Table({long: [2]}), tmp_path / "out.fits", replace=[long])
    assert not (tmp_path / "out.fits").exists()
    append_columns(tmp_path / "a.fits", Table({short: [2]}), tmp_path / "out.fits")
    assert read_catalog(tmp_path / "out.fits").colnames == ["id", short]


@pytest.mark.parametrize("suffix", [".fits", ".vot", ".ecsv", ".parquet"])
def test_what_is_masked_stays_unknown(tmp_path, suffix):
    """Also yes or no; in arrays, where the format has a null in them."""
    mask = [False, False, True]
    table = Table({"b": MaskedColumn([True, False, True], mask=mask, description="so?")})
    table["i"] = MaskedColumn([999999, 2, 3], mask=mask)
    table["s"] = MaskedColumn(np.array([16959, 63, 3], np.int16), mask=mask)
    table["u"] = MaskedColumn(np.array([255, 63, 3], np.uint8), mask=mask)
    table["a"] = MaskedColumn([[1, 2]] * 3, mask=[[False, False]] * 2 + [[True, False]])
    table["f"] = MaskedColumn([[0.5, 2]] * 3, mask=[[False, False]] * 2 + [[True, False]])
    write_table(table, tmp_path / f"a{suffix}")
    back = read_catalog(tmp_path / f"a{suffix}")
    assert back["b"].tolist() == [True, False, None]
    assert back["b"].description == "so?"
    assert back["i"].tolist() == [999999, 2, None]
    assert back["s"].tolist() == [16959, 63, None]
    assert back["u"].tolist() == [255, 63, None]
    if suffix != ".fits" or minversion("astropy", "8.0"):  # older ones read no null in arrays
        assert back["a"].tolist() == [[1, 2], [1, 2], [None, 2]]
    assert np.isnan(np.ma.filled(back["f"][2][0], np.nan))


@pytest.mark.parametrize("suffix", [".fits", ".vot", ".ecsv", ".parquet"])
def test_arrays_keep_their_shape(tmp_path, suffix):
    """Yes and no, and arrays of two dimensions."""
    table = Table({"yes": np.eye(2, dtype=bool), "cube": np.arange(12).reshape(2, 2, 3)})
    write_table(table, tmp_path / f"a{suffix}")
    back = read_catalog(tmp_path / f"a{suffix}")
    for name in table.colnames:
        assert back[name].shape == table[name].shape
        assert back[name].tolist() == table[name].tolist()


def test_masked_elements_in_text(tmp_path, capsys):
    """Arrays are JSON in CSV, where null is what is not there."""
    table = Table({"a": MaskedColumn([[1, 2]], mask=[[True, False]])})
    write_table(table, "-", format="csv")
    write_table(table, "-", format="json")
    assert capsys.readouterr().out.split("\n")[1:3] == ['"[null, 2]"', '{"a": [null, 2]}']


def test_arrays_of_text_in_parquet(tmp_path):
    """Each text by itself; the document says how long they are and how many."""
    table = Table({"names": [["a", "bb"], ["c", ""]]})
    write_table(table, tmp_path / "a.parquet")
    assert read_catalog(tmp_path / "a.parquet")["names"].tolist() == [["a", "bb"], ["c", ""]]
    document = parquet_metadata(tmp_path / "a.parquet")[b"IVOA.VOTable-Parquet.content"]
    assert b'datatype="unicodeChar" arraysize="2x2"' in document


def parquet_metadata(path):
    """What a file says of itself."""
    from pyarrow import parquet

    return parquet.read_schema(path).metadata


@pytest.mark.parametrize("suffix", [".vot", ".parquet"])
def test_arrays_of_nothing_are_refused(tmp_path, suffix):
    """Such a column was written so that nobody could read the file."""
    with pytest.raises(ValueError, match="the column 'z' has no elements"):
        write_table(Table({"z": np.zeros((2, 0))}), tmp_path / f"a{suffix}")
    assert list(tmp_path.iterdir()) == []


# -- VOTable -------------------------------------------------------------------------------------

PREFIXED = """<?xml version='1.0' encoding='{encoding}'?>
<!-- a comment -->
<v:VOTABLE version="1.3" xmlns:v="http://www.ivoa.net/xml/VOTable/v1.3"
  xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="a b">
 <v:RESOURCE><?processing instruction?>
  <v:TABLE name="empty"><v:FIELD name="q" datatype="int"/></v:TABLE>
  <v:TABLE name="é" nrows="3">
   <v:GROUP><v:FIELDref ref="x"/></v:GROUP>
   <v:FIELD ID="x" name="x" datatype="double" precision="2"/>
   <v:FIELD ID="s" name="s" datatype="char" arraysize="*"><v:DESCRIPTION>k</v:DESCRIPTION></v:FIELD>
   <v:DATA><v:TABLEDATA>
    <v:TR><v:TD>1.50</v:TD><v:TD><![CDATA[<a>]]></v:TD></v:TR> <!-- </v:TR> -->
    <v:TR><v:TD> 1e-3 </v:TD></v:TR>
    <v:TR/>
   </v:TABLEDATA></v:DATA>
   <v:INFO name="PILEVEL" value="0.5"/>
  </v:TABLE>
  <v:TABLE><v:FIELD name="z" datatype="int"/><v:DATA><v:TABLEDATA><v:TR><v:TD>7</v:TD></v:TR>
  </v:TABLEDATA></v:DATA></v:TABLE>
 </v:RESOURCE>
</v:VOTABLE>
"""


@pytest.mark.parametrize("encoding", ["utf-8", "iso-8859-1", "utf-16"])
def test_votable_text_is_kept(tmp_path, encoding):
    """What is taken out of the result again is the old document, character by character."""
    old = PREFIXED.format(encoding=encoding)
    new = appended(tmp_path, old.encode(encoding), ".vot")
    if encoding == "iso-8859-1":
        new = (tmp_path / "out.vot").read_bytes().decode(encoding)
    old = old.replace("utf-16", "utf-8")
    assert "é" in new
    ours = r'\n?<v:FIELD name="(nu|kind|bag)"[^>]*(/>|>.*?</v:FIELD>)|\n<v:INFO name="\w+" [^>]*/>'
    rest = re.sub(ours, "", new)
    rest = re.sub(r"<v:TD>[^<]*</v:TD>" * 3 + "(?=</v:TR>)", "", rest)
    old = old.replace('<v:INFO name="PILEVEL" value="0.5"/>', "").replace(
        "<v:TR/>", "<v:TR></v:TR>"
    )
    assert rest.replace("<v:TD></v:TD>", "") == old
    assert read_catalog(tmp_path / "out.vot")["kind"].tolist() == NEW["kind"].tolist()
    assert read_catalog(tmp_path / "out.vot")["nu"][2] == 0.1


def binary(n, flags):
    """A VOTable of one row a number: bits, text of any length, a number that text would lose."""
    rows = b""
    for i in range(n):
        nan = struct.pack(">Q", 0x7FF8000000000000 + i)  # a NaN with something in it
        rows += (b"\x20" if flags else b"") + b"\xa0" + struct.pack(">i", i) + b"x" * i + nan
    stream = base64.b64encode(rows).decode()
    kind = "BINARY2" if flags else "BINARY"
    return (
        '<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE><TABLE>'
        '<FIELD name="b" datatype="bit" arraysize="3"/>'
        '<FIELD name="s" datatype="char" arraysize="*"/><FIELD name="x" datatype="double"/>'
        f'<DATA><{kind}><STREAM encoding="base64">{stream}</STREAM></{kind}></DATA>'
        "</TABLE></RESOURCE></VOTABLE>"
    ), rows


@pytest.mark.parametrize("flags", [False, True])
@pytest.mark.parametrize("more", [3, 8])
def test_binary_votables_are_kept_bit_by_bit(tmp_path, flags, more):
    """Rows of different lengths, flags of nulls that need another byte, payloads of NaN."""
    text, _ = binary(3, flags)
    columns = NEW.copy()
    for i in range(more - 3):
        columns[f"extra{i}"] = np.arange(3, dtype=np.int32)
    new = appended(tmp_path, text, ".vot", columns)
    stream = base64.b64decode(re.search(r"base64\">(.*?)</STREAM>", new, re.S)[1])
    n_flags = -(-(3 + more) // 8) if flags else 0
    at = 0
    for i in range(3):
        row = stream[at + n_flags :]
        assert row[:1] == b"\xa0"
        assert row[1 : 5 + i] == struct.pack(">i", i) + b"x" * i
        assert row[5 + i : 13 + i] == struct.pack(">Q", 0x7FF8000000000000 + i)
        at += n_flags + 13 + i + 8 + 2 * len("é<&>") + 2 + 4 * (more - 3)
    assert at == len(stream)
    table = read_catalog(tmp_path / "out.vot")
    assert table["kind"].tolist() == NEW["kind"].tolist()
    assert table["bag"].tolist() == [1, -1, 2]
    assert table["s"].tolist() == ["", "x", "xx"]
    again = NEW.copy()
    again["kind"] = ["much longer", "b", ""]
    append_columns(tmp_path / "out.vot", again, tmp_path / "again.vot", replace=again.colnames)
    assert read_catalog(tmp_path / "again.vot")["kind"].tolist() == ["much longer", "b", ""]
    assert read_catalog(tmp_path / "again.vot")["s"].tolist() == ["", "x", "xx"]


@pytest.mark.parametrize("suffix", [".vot", ".vot.gz"])
def test_replaced_text_is_not_cut(tmp_path, suffix):
    """`UNK` where there was `é`, and where it stood."""
    write_table(Table({"kind": ["é", "b", "c"], "x": [1, 2, 3]}), tmp_path / f"a{suffix}")
    replace = ["kind"]
    append_columns(tmp_path / f"a{suffix}", NEW["kind",], tmp_path / f"b{suffix}", replace=replace)
    table = read_catalog(tmp_path / f"b{suffix}")
    assert table.colnames == ["kind", "x"]
    assert table["kind"].tolist() == NEW["kind"].tolist()


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (
            '<FIELD name="a" datatype="int"/><DATA><FITS><STREAM href="x"/></FITS></DATA>',
            "elsewhere",
        ),
        (
            '<FIELD name="a" datatype="char" arraysize="9999999999"/><DATA><TABLEDATA/></DATA>',
            "hold",
        ),
        (
            '<FIELD name="a" datatype="int"/><DATA><FITS><STREAM>AA</STREAM></FITS></DATA>',
            "could not",
        ),
    ],
)
def test_votables_that_are_refused(tmp_path, bad, words):
    """Before anything is written, in one line that names the file."""
    text = '<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE><TABLE>'
    (tmp_path / "a.vot").write_text(f"{text}{bad}</TABLE></RESOURCE></VOTABLE>")
    with pytest.raises(OSError, match=f"a.vot.*{words}"):
        read_catalog(tmp_path / "a.vot")


def test_votable_has_every_digit(tmp_path):
    """Infinities, NaN, the largest and the smallest, nulls, arrays, bits of all kinds."""
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 2**63, 2000, dtype=np.int64)
    doubles = np.concatenate([[np.inf, -np.inf, np.nan, -0.0, 5e-324], bits.view(float)])
    with np.errstate(over="ignore"):
        table = Table({"d": doubles, "f": doubles.astype(np.float32)})
    table["i"] = MaskedColumn(np.arange(len(table)) - 2**40, mask=np.arange(len(table)) % 3 == 0)
    table["u"] = np.full(len(table), 2**63 - 1, np.uint64)
    table["pair"] = np.stack([doubles, -doubles], axis=1)
    table["texts"] = np.array([["a", "bcd"]] * len(table))
    table["flag"] = doubles > 0
    table["c"] = doubles[::-1] + 1j * np.float32(0.1)
    write_table(table, tmp_path / "a.vot")
    back = read_catalog(tmp_path / "a.vot")
    for name in ("d", "f", "u", "pair", "flag", "c"):
        np.testing.assert_array_equal(np.ma.getdata(back[name]), table[name])
    np.testing.assert_array_equal(np.ma.filled(back["i"], -1), np.ma.filled(table["i"], -1))
    assert back["texts"][0] == "a, bcd"


stilts = pytest.mark.skipif(
    not shutil.which("stilts"), reason="STILTS is not installed (Debian package stilts)"
)


@stilts
@pytest.mark.parametrize("name", ["4lac", "demo", "demo.vot", "estimate"])
def test_votlint_has_no_complaint(tmp_path, ensemble_dir, request, name):
    """Of the 4LAC, of the demonstration, of a VOTable that was annotated, of a table of SEDs."""
    catalogs = request.config.rootpath / "catalogs"
    seds, output = catalogs / "demo_seds.zip", tmp_path / "out.vot"
    source = catalogs / "demo_catalog.fits"
    if name == "4lac":
        source = request.getfixturevalue("shared_data") / "catalogs" / "table_4LAC_h.fits"
    if name == "estimate":
        words = ["estimate", str(seds), "-o", str(output), "--ensemble", str(ensemble_dir), "-q"]
        assert main(words) == 0
    else:
        if name == "demo.vot":
            write_table(read_catalog(source), tmp_path / "in.vot")
            source = tmp_path / "in.vot"
        annotate_file(source, seds, output, ensemble=ensemble_dir)
    done = subprocess.run(
        ["stilts", "votlint", f"votable={output}"], capture_output=True, text=True, check=True
    )
    assert done.stdout + done.stderr == ""


@stilts
@pytest.mark.parametrize("form", ["csv", "votable"])
def test_tables_are_piped_into_stilts(capsys, form):
    """What is printed is what the next command reads."""
    table = Table({"name": ["a", "b"], "nu": [1e14, np.nan]})
    write_table(table, "-", format=form)
    text = capsys.readouterr().out
    done = subprocess.run(
        ["stilts", "tpipe", "in=/dev/stdin", f"ifmt={form}", "omode=out", "ofmt=csv"],
        input=text,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[1].startswith("a,1.0E14")


# -- FITS ----------------------------------------------------------------------------------------


def test_fits_tells_astropy_and_people(tmp_path):
    """Descriptions for `Table.read`, comments of cards, a line of history."""
    table = Table({"old": Column([1, 2, 3], description="mine")})
    for make in (lambda path: write_table(table, path), lambda path: table.write(path)):
        source, output = tmp_path / "a.fits", tmp_path / "b.fits"
        for path in (source, output):
            path.unlink(missing_ok=True)
        make(source)
        append_columns(source, NEW, output)
        back = Table.read(output)
        assert back["nu"].description == "a <peak>"
        assert back["nu"].meta["ucd"] == "em.freq"
        assert back["old"].description == "mine"
        header = fits.getheader(output, 1)
        assert header.comments["PILEVEL"] == "probability of the intervals"
        assert header.comments["TTYPE2"] == "added by blase_astro"
        assert header["HISTORY"][-1] == "blase_astro 0: blase annotate"
        append_columns(output, NEW, tmp_path / "c.fits", replace=NEW.colnames, overwrite=True)
        assert Table.read(tmp_path / "c.fits")["nu"].description == "a <peak>"


def test_fits_has_999_columns(tmp_path):
    """One more is refused, appended or written."""
    table = Table({f"c{i}": [1, 2, 3] for i in range(997)})
    write_table(table, tmp_path / "a.fits")
    append_columns(tmp_path / "a.fits", NEW["bag", "nu"], tmp_path / "b.fits")
    assert len(Table.read(tmp_path / "b.fits").colnames) == 999
    with pytest.raises(ValueError, match="table of 1000 columns does not fit into FITS"):
        append_columns(tmp_path / "a.fits", NEW, tmp_path / "c.fits")
    for name in NEW.colnames:
        table[name] = NEW[name]
    with pytest.raises(ValueError, match="table of 1000 columns"):
        write_table(table, tmp_path / "c.fits")
    assert not (tmp_path / "c.fits").exists()


@pytest.mark.parametrize("suffix", [".fits", ".fits.gz"])
def test_other_hdus_are_copied_byte_by_byte(tmp_path, suffix):
    """A damaged image stays damaged; the checksum of the table alone is made anew."""
    hdus = [fits.PrimaryHDU(), fits.ImageHDU(np.arange(100.0)), fits.table_to_hdu(NEW["bag",])]
    hdus.append(fits.ImageHDU(np.arange(50.0)))
    for hdu in hdus:
        hdu.add_checksum()
    fits.HDUList(hdus).writeto(tmp_path / "good.fits")
    data = bytearray((tmp_path / "good.fits").read_bytes())
    with fits.open(tmp_path / "good.fits") as known:
        spans = [known[i].fileinfo() for i in range(4)]
    data[spans[1]["datLoc"] + 5] ^= 1
    pack = gzip.compress if suffix.endswith(".gz") else bytes
    (tmp_path / f"a{suffix}").write_bytes(pack(bytes(data)))
    append_columns(tmp_path / f"a{suffix}", NEW["nu",], tmp_path / f"b{suffix}")
    new = (tmp_path / f"b{suffix}").read_bytes()
    new = gzip.decompress(new) if suffix.endswith(".gz") else new
    start, end = spans[2]["hdrLoc"], spans[2]["datLoc"] + spans[2]["datSpan"]
    assert new[:start] == data[:start]
    assert new[-len(data[end:]) :] == data[end:]
    with fits.open(tmp_path / f"b{suffix}") as hdus:
        assert hdus[2].verify_checksum() == hdus[2].verify_datasum() == 1
        assert hdus[1].verify_datasum() == 0


def test_what_cannot_stay_is_said(tmp_path):
    """A table of text becomes a binary one; a wrong checksum was wrong before."""
    said = []
    columns = [fits.Column("x", "F8.3", array=np.arange(3))]
    fits.TableHDU.from_columns(columns).writeto(tmp_path / "a.fits")
    append_columns(tmp_path / "a.fits", NEW, tmp_path / "b.fits", say=said.append)
    assert "its table is one of text; the new file has a binary one" in said[0]
    hdu = fits.table_to_hdu(Table({"x": [1, 2, 3]}))
    hdu.add_checksum()
    hdu.writeto(tmp_path / "c.fits")
    data = bytearray((tmp_path / "c.fits").read_bytes())
    data[-2880] ^= 1
    (tmp_path / "c.fits").write_bytes(data)
    append_columns(tmp_path / "c.fits", NEW, tmp_path / "d.fits", say=said.append)
    assert "c.fits: the table does not have the checksum that its header says" in said[1]


# -- Parquet -------------------------------------------------------------------------------------


def test_parquet_of_any_types_is_kept(tmp_path):
    """Schema, values, metadata and row groups; nulls stay nulls, integers integers."""
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    old = pa.table(
        {
            "RA": [1.0, None, float("nan")],
            "id": pa.array([2**60 + 1, None, 3]),
            "struct": [{"a": 1}, None, {"a": None}],
            "list": [[1], [], None],
            "map": pa.array([[("k", 1)], [], None], pa.map_(pa.string(), pa.int64())),
            "dictionary": pa.array(["x", None, "x"]).dictionary_encode(),
            "time": pa.array([0, 1, None], pa.timestamp("us", "UTC")),
            "decimal": pa.array([1, 2, None], pa.decimal128(5, 2)),
            "null": pa.nulls(3),
            "bytes": [b"\xff", b"", None],
            "half": pa.array(np.array([1, 2, 3], "f2")),
        },
        metadata={"mine": "kept"},
    )
    parquet.write_table(old, tmp_path / "a.parquet", compression="zstd", row_group_size=2)
    append_columns(tmp_path / "a.parquet", NEW, tmp_path / "b.parquet")
    with parquet.ParquetFile(tmp_path / "b.parquet") as file:
        new = file.read()
        assert file.num_row_groups == 2
        assert file.metadata.row_group(0).column(0).compression == "ZSTD"
    kept = new.select(old.column_names)
    assert kept.schema == old.schema
    for name in old.column_names:
        assert str(kept[name].to_pylist()) == str(old[name].to_pylist())
    assert new.schema.metadata[b"mine"] == b"kept"
    assert new["nu"].to_pylist() == [1e14, None, 0.1]  # null: no estimate
    assert new["kind"].to_pylist() == NEW["kind"].tolist()
    with pytest.raises(ValueError, match="already has"):
        append_columns(tmp_path / "b.parquet", NEW, tmp_path / "c.parquet")
    append_columns(tmp_path / "b.parquet", NEW, tmp_path / "c.parquet", replace=NEW.colnames)
    table = read_catalog(tmp_path / "c.parquet")
    assert table.colnames == [*old.column_names, *NEW.colnames]
    assert table["nu"].unit == "Hz"
    assert table["id"].tolist() == [2**60 + 1, None, 3]
    assert table["struct"].tolist() == ['{"a": 1}', None, '{"a": null}']


@pytest.mark.parametrize("how", ["written", "appended", "in blocks"])
def test_parquet_is_described_twice(tmp_path, how):
    """For `parquet` and for `parquet.votable` of astropy: units, UCDs, descriptions."""
    pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    from blase_astro.io.parquet import parquet_sink

    path = tmp_path / "a.parquet"
    if how == "written":
        write_table(NEW, path)
    elif how == "appended":
        write_table(Table({"RA": [1.0, 2.0, 3.0]}), tmp_path / "b.parquet")
        append_columns(tmp_path / "b.parquet", NEW, path)
    else:
        with parquet_sink(path, NEW[:0]) as write:
            write(NEW[:1])
            write(NEW[1:])
    for form in ("parquet", "parquet.votable"):
        table = Table.read(path, format=form)
        assert table["kind"].tolist() == NEW["kind"].tolist()
        np.testing.assert_array_equal(np.ma.filled(table["nu"], np.nan), NEW["nu"])
        assert table["nu"].unit == "Hz"
        assert table["nu"].description == "a <peak>"
        assert table["nu"].meta["ucd"] == "em.freq"
        assert table["bag"].dtype == np.int16
    assert Table.read(path).meta["PILEVEL"] == 0.95


def test_an_interrupted_sink_leaves_nothing(tmp_path):
    """Neither half a file nor one beside it."""
    pytest.importorskip("pyarrow")
    from blase_astro.io.parquet import parquet_sink

    def stop():
        with parquet_sink(tmp_path / "a.parquet", NEW) as write:
            write(NEW)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop()
    assert list(tmp_path.iterdir()) == []


def test_a_missing_package_is_said_before_the_work(tmp_path, monkeypatch, capsys):
    """Not after an hour of estimating."""
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)
    assert main(["estimate", "none.zip", "-o", str(tmp_path / "a.parquet")]) == 1
    said = capsys.readouterr().err
    assert "extra parquet" in said


# -- streams -------------------------------------------------------------------------------------


def test_tables_on_a_stream(capsys):
    """CSV, TSV, JSON by line, ECSV and VOTable, on standard output or any other stream."""
    table = NEW.copy()
    table["kind"] = ["=1+1", "a\tb", "c"]
    write_table(table, "-")
    assert capsys.readouterr().out.splitlines()[:2] == ["nu,kind,bag", "100000000000000.0,'=1+1,1"]
    write_table(table, "-", format="tsv")
    assert capsys.readouterr().out.splitlines()[2] == "nan\ta b\t-1"
    write_table(table, "-", format="json", named={"bag": lambda bag: [f"B{bag}"]})
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert rows[0] == {"nu": 1e14, "kind": "=1+1", "bag": ["B1"]}
    assert rows[1]["nu"] is None
    for form in ("ecsv", "votable"):
        text = io.StringIO()
        write_table(table, text, format=form)
        name = "ascii.ecsv" if form == "ecsv" else form
        back = Table.read(io.BytesIO(text.getvalue().encode()), format=name)
        assert back["nu"].unit == "Hz"
        assert [str(kind) for kind in back["kind"]] == ["=1+1", "a\tb", "c"]
    with pytest.raises(ValueError, match="fits: no such format; wanted one of csv, tsv, json"):
        write_table(table, "-", format="fits")


def test_a_format_can_be_asked_for(tmp_path):
    """Whatever the suffix says."""
    write_table(NEW, tmp_path / "a.txt", format="json")
    assert json.loads((tmp_path / "a.txt").read_text().splitlines()[1])["nu"] is None


def test_positions_in_arrays_are_refused(tmp_path, ensemble_dir):
    """A right ascension of two numbers a row is none; said by name."""
    write_table(Table({"RA": np.ones((3, 2)), "DEC": np.ones(3)}), tmp_path / "a.fits")
    with pytest.raises(ValueError, match="RA"):
        match_file(tmp_path / "a.fits", tmp_path / "b.fits", ensemble=ensemble_dir)


@pytest.mark.parametrize("suffix", [".ecsv", ".vot", ".fits"])
def test_an_open_quote_in_ecsv_loses_no_rows(tmp_path, suffix):
    """astropy takes the rest of the file for one cell, and reads fewer rows."""
    head = "# %ECSV 1.0\n# ---\n# datatype:\n"
    for name, kind in (("RA", "float64"), ("DEC", "float64"), ("name", "string")):
        head += f"# - {{name: {name}, datatype: {kind}}}\n"
    text = head + '# schema: astropy-2.0\nRA DEC name\n1 2 a\n3 4 "b\n5 6 c\n7 8 d\n'
    (tmp_path / "a.ecsv").write_text(text)
    with pytest.raises(OSError, match="line 3: a quotation mark is opened and never closed"):
        write_table(read_catalog(tmp_path / "a.ecsv"), tmp_path / f"b{suffix}")
    assert not (tmp_path / f"b{suffix}").exists()
