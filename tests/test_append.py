"""Columns appended to catalog files, everything else left as it is."""

import errno
import gzip
import io
import json
import warnings

import numpy as np
import pytest
from astropy.io import fits, votable
from astropy.table import Column, MaskedColumn, Table

from blase_astro.io.append import NameTaken, append_columns, join_columns
from blase_astro.io.files import check_output, file_format, read_catalog, write_table

N = 5


def new_columns(n=N):
    """Columns like those of an annotated catalog."""
    table = Table(meta={"PILEVEL": 0.95, "BLASECMD": "blase annotate " + "long " * 30})
    table["nu_peak"] = Column(
        10.0 ** np.arange(n),
        unit="Hz",
        description="frequency of the peak, " * 5 + "observer frame",
        meta={"ucd": "em.freq"},
    )
    table["nufnu_peak"] = Column(
        np.full(n, 1e-12), unit="erg / (s cm2)", meta={"ucd": "phot.flux;em.freq"}
    )
    table["sed_class"] = Column(np.array(["LSP", "UNK", "ISP", "HSP", "LSP"] * n)[:n])
    table["p_lsp"] = Column(np.linspace(0, 1, n), dtype=np.float32)
    table["bag"] = Column(np.full(n, -1, np.int16), description="bag")
    table["flags"] = Column(np.arange(n, dtype=np.int32), meta={"ucd": "meta.code.qual"})
    return table


def fits_file(path):
    """A FITS file with everything that gets lost easily."""
    columns = [
        fits.Column(
            "Name", "6A", array=np.array(["a", "b", "", "dé".encode("ascii", "replace"), "e"])
        ),
        fits.Column("good", "L", array=np.array([True, False, True, True, False])),
        fits.Column("bits", "3X", array=np.ones((N, 3), bool)),
        fits.Column("count", "J", array=np.arange(N), null=-99),
        fits.Column("unsigned", "I", bzero=32768, array=np.arange(N, dtype=np.uint16)),
        fits.Column("scaled", "I", array=np.arange(N)),
        fits.Column("pair", "2D", array=np.arange(2.0 * N).reshape(N, 2)),
        fits.Column(
            "list", "PE()", array=np.array([np.arange(i, dtype="f4") for i in range(N)], object)
        ),
        fits.Column("quality", "I", array=np.arange(N)),
    ]
    table = fits.BinTableHDU.from_columns(columns, name="Sources")
    table.header["TSCAL6"], table.header["TZERO6"] = 0.5, 2.0
    table.header["TUCD1"] = "meta.id;meta.main"
    table.header["TCOMM4"] = ("number of things", "a comment of the card")
    table.header["TELESCOP"] = "eye"
    table.header["HIERARCH a long key"] = 3.5
    table.header["LONGTEXT"] = "x" * 100
    table.header.add_history("made by hand")
    table.add_checksum()
    image = fits.ImageHDU(np.arange(12.0).reshape(3, 4), name="image")
    second = fits.BinTableHDU.from_columns([fits.Column("z", "E", array=np.ones(2))], name="other")
    fits.HDUList([fits.PrimaryHDU(np.zeros((2, 2))), image, table, second]).writeto(path)
    return path


def raw_rows(path, index):
    """Rows of a table HDU as bytes, shape (n, width)."""
    with fits.open(path) as hdus:
        info, header = hdus[index].fileinfo(), hdus[index].header
    data = path.read_bytes()
    data = gzip.decompress(data) if path.suffix == ".gz" else data
    shape = header["NAXIS2"], header["NAXIS1"]
    return np.frombuffer(data, np.uint8, shape[0] * shape[1], info["datLoc"]).reshape(shape)


@pytest.mark.parametrize("suffix", [".fits", ".fits.gz"])
def test_fits_keeps_every_byte_of_the_rest(tmp_path, suffix):
    """Rows, heap, cards and other HDUs; the checksum is made anew and holds."""
    source, output = fits_file(tmp_path / f"a{suffix}"), tmp_path / f"b{suffix}"
    append_columns(source, new_columns(), output)
    with fits.open(source) as old, fits.open(output, checksum=True) as new:
        for i in (0, 1, 3):
            assert fits.HDUDiff(old[i], new[i]).identical
        expected = set(old[2].header) - {"NAXIS1", "TFIELDS", "CHECKSUM", "DATASUM", "THEAP"}
        for key in expected - {"COMMENT", "HISTORY", ""}:
            assert new[2].header[key] == old[2].header[key]
            assert new[2].header.comments[key] == old[2].header.comments[key]
        assert new[2].header["HISTORY"][0] == "made by hand"
        assert new[2].header["HISTORY"][1].startswith("blase_astro : blase annotate long")
        for name in old[2].columns.names:
            if name != "list":
                np.testing.assert_array_equal(new[2].data[name], old[2].data[name])
        for a, b in zip(new[2].data["list"], old[2].data["list"], strict=True):
            np.testing.assert_array_equal(a, b)
    width = raw_rows(source, 2).shape[1]
    np.testing.assert_array_equal(raw_rows(output, 2)[:, :width], raw_rows(source, 2))


@pytest.mark.parametrize("length", [10, 44, 45, 60, 68, 69, 150])
def test_words_of_any_length_fit_into_the_header(tmp_path, length):
    """A command or a name is there whole, with a comment where there is room; nothing warns."""
    columns = Table({"n" * min(length, 68): [1.0]}, meta={"BLASECMD": "x" * length})
    Table({"a": [1]}).write(tmp_path / "a.fits")
    append_columns(tmp_path / "a.fits", columns, tmp_path / "b.fits")
    write_table(columns, tmp_path / "c.fits")
    for name in ("b.fits", "c.fits"):
        header = fits.getheader(tmp_path / name, 1)
        assert header["BLASECMD"] == "x" * length
        assert header.comments["BLASECMD"] in ("what made the columns", "")
        assert (header.comments["BLASECMD"] == "") == (45 <= length <= 68)
        assert columns.colnames[0] in header.values()


@pytest.mark.parametrize("suffix", [".fits", ".fits.gz", ".vot", ".ecsv", ".csv", ".parquet"])
def test_a_vector_a_row(tmp_path, suffix):
    """A density, as --pdf gives it, is appended and replaced within each format."""
    pytest.importorskip("pyarrow")
    density = np.arange(6, dtype=np.float32).reshape(2, 3)
    catalog, output = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    source = tmp_path / f"a{suffix.removesuffix('.gz')}"
    write_table(Table({"a": [1, 2]}), source)
    catalog.write_bytes((gzip.compress if suffix.endswith(".gz") else bytes)(source.read_bytes()))
    append_columns(catalog, Table({"pdf": density, "x": [1.0, 2.0]}), output)
    append_columns(output, Table({"pdf": density + 1}), output, overwrite=True, replace=["pdf"])
    table = read_catalog(output)
    values = [json.loads(t) for t in table["pdf"]] if suffix == ".csv" else table["pdf"]
    np.testing.assert_array_equal(values, density + 1)
    assert table["x"].tolist() == [1.0, 2.0]


def test_new_fits_files_have_checksums(tmp_path):
    """Of every HDU, and they hold: what fitscheck looks for."""
    write_table(new_columns(), tmp_path / "a.fits")
    append_columns(tmp_path / "a.fits", Table({"x": np.zeros(N)}), tmp_path / "b.fits")
    for name in ("a.fits", "b.fits"):
        with fits.open(tmp_path / name, checksum=True) as hdus:
            assert all("CHECKSUM" in hdu.header and "DATASUM" in hdu.header for hdu in hdus)


def test_fits_heap_behind_a_gap_moves_along(tmp_path):
    """THEAP says where the heap begins, which need not be right behind the rows."""
    lists = np.array([np.arange(i, dtype="i4") for i in (3, 1, 4)], dtype=object)
    columns = [
        fits.Column("id", "J", array=[1, 2, 3]),
        fits.Column("list", "PJ()", array=lists),
    ]
    plain, source, output = (tmp_path / f"{name}.fits" for name in ("plain", "gap", "out"))
    fits.BinTableHDU.from_columns(columns).writeto(plain)
    with fits.open(plain) as hdus:
        header, at = hdus[1].header.copy(), hdus[1].fileinfo()["datLoc"]
        before = plain.read_bytes()[: hdus[1].fileinfo()["hdrLoc"]]
    rows, heap, gap = header["NAXIS1"] * header["NAXIS2"], header["PCOUNT"], 64
    data = plain.read_bytes()[at : at + rows + heap]
    header["PCOUNT"], header["THEAP"] = heap + gap, rows + gap
    data = data[:rows] + b"\xff" * gap + data[rows:]
    text = header.tostring().encode()
    source.write_bytes(before + text + data + bytes(-len(data) % 2880))
    append_columns(source, new_columns(3), output)
    with fits.open(output) as hdus:
        assert hdus[1].header["THEAP"] == hdus[1].header["NAXIS1"] * 3 + gap
        for found, expected in zip(hdus[1].data["list"], lists, strict=True):
            np.testing.assert_array_equal(found, expected)


def test_fits_cards_of_new_columns(tmp_path):
    """TUNIT, TCOMM, TUCD and TNULL, read by astropy without a warning."""
    append_columns(fits_file(tmp_path / "a.fits"), new_columns(), tmp_path / "b.fits")
    header = fits.getheader(tmp_path / "b.fits", 2)
    assert header["TTYPE10"] == "nu_peak"
    assert header["TUNIT10"] == "Hz"
    assert header["TCOMM10"] == new_columns()["nu_peak"].description
    assert header["TUCD10"] == "em.freq"
    assert header["TFORM12"] == "3A"
    assert header["TNULL14"] == -32768
    assert header["PILEVEL"] == 0.95
    table = Table.read(tmp_path / "b.fits", hdu=2)
    np.testing.assert_array_equal(table["bag"], -1)
    assert (np.asarray(table["nu_peak"]) == 10.0 ** np.arange(N)).all()
    assert table["nufnu_peak"].unit == "erg / (s cm2)"


def test_many_rows(tmp_path, monkeypatch):
    """Rows are copied in pieces that need not divide their number."""
    monkeypatch.setattr("blase_astro.io.fits_tables._ROWS_AT_ONCE", 7)
    Table({"a": np.arange(30)}).write(tmp_path / "a.fits")
    append_columns(tmp_path / "a.fits", new_columns(30), tmp_path / "b.fits")
    table = Table.read(tmp_path / "b.fits")
    np.testing.assert_array_equal(table["a"], np.arange(30))
    np.testing.assert_array_equal(table["flags"], np.arange(30))


def test_no_rows(tmp_path):
    """An empty catalog stays an empty catalog, with columns."""
    Table({"a": np.zeros(0)}).write(tmp_path / "a.fits")
    append_columns(tmp_path / "a.fits", new_columns(0), tmp_path / "b.fits")
    assert Table.read(tmp_path / "b.fits").colnames == ["a", *new_columns().colnames]


@pytest.mark.parametrize("suffix", [".fits", ".vot", ".ecsv", ".csv", ".parquet"])
def test_columns_can_be_replaced_where_they_stand(tmp_path, suffix):
    """Annotating again: refused with the names, or in place."""
    source, once, twice = (tmp_path / f"{name}{suffix}" for name in "abc")
    write_table(Table({"x": np.arange(N)}), source)
    append_columns(source, new_columns(), once)
    with pytest.raises(ValueError, match=r"already has the column\(s\) nu_peak, nufnu_peak, sed"):
        append_columns(once, new_columns(), twice)
    other = new_columns()
    other["nu_peak"] *= 2
    other["new"] = np.arange(N)
    append_columns(once, other, twice, replace=other.colnames)
    table = Table.read(twice)
    assert table.colnames == ["x", *other.colnames]
    np.testing.assert_array_equal(table["nu_peak"], 2 * 10.0 ** np.arange(N))


def test_a_foreign_column_is_not_overwritten_in_fits(tmp_path):
    """A column of the same name and another format is not ours."""
    Table({"bag": np.arange(N)}).write(tmp_path / "a.fits")
    with pytest.raises(ValueError, match="'bag' cannot be overwritten: its format is K, not I"):
        append_columns(tmp_path / "a.fits", new_columns(), tmp_path / "b.fits", replace=["bag"])
    Table({"name": ["x" * 16] * N}).write(tmp_path / "c.fits")
    columns = Table({"name": ["x" * 6] * N})
    with pytest.raises(ValueError, match="'name' cannot be overwritten: its format is 16A, not 6A"):
        append_columns(tmp_path / "c.fits", columns, tmp_path / "b.fits", replace=["name"])
    assert not (tmp_path / "b.fits").exists()


@pytest.mark.parametrize("suffix", [".fits", ".vot", ".ecsv", ".csv", ".parquet"])
def test_names_that_differ_in_case_clash(tmp_path, suffix):
    """FITS and STILTS do not tell them apart; the 4LAC catalog has Flags."""
    source, output = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    write_table(Table({"Flags": np.arange(N)}), source)
    words = r"already has the column\(s\) Flags \(new: flags\); give prefix= for the new ones$"
    for replace in ((), new_columns().colnames):  # theirs is not ours, and is not replaced
        with pytest.raises(NameTaken, match=words):
            append_columns(source, new_columns(), output, replace=replace)
    assert not output.exists()


VOTABLE = """<?xml version="1.0" encoding="utf-8"?>
<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">
 <INFO ID="query" name="query" value="everything"/>
 <RESOURCE type="results">
  <DESCRIPTION>A resource</DESCRIPTION>
  <COOSYS ID="sys" system="ICRS"/>
  <PARAM name="epoch" datatype="double" value="2016"/>
  <TABLE name="sources">
   <PARAM name="band" datatype="char" arraysize="*" value="gamma"/>
   <FIELD ID="c1" name="name" datatype="char" arraysize="*" ucd="meta.id;meta.main"/>
   <FIELD ID="RA" name="RA" datatype="double" unit="deg" ref="sys" precision="4"/>
   <FIELD ID="n" name="n" datatype="int"><VALUES null="-9"/></FIELD>
   <DATA><TABLEDATA>
    <TR><TD>a</TD><TD>1.5</TD><TD>-9</TD></TR>
    <TR><TD>bc</TD><TD>2.5</TD><TD>2</TD></TR>
    <TR><TD/><TD/><TD>3</TD></TR>
   </TABLEDATA></DATA>
   <INFO name="note" value="in the table"/>
  </TABLE>
  <TABLE name="second">
   <FIELD ID="x" name="x" datatype="int"/>
   <DATA><TABLEDATA><TR><TD>7</TD></TR></TABLEDATA></DATA>
  </TABLE>
 </RESOURCE>
</VOTABLE>
"""


def test_votable_keeps_its_elements(tmp_path):
    """PARAM, INFO, COOSYS, the second table, nulls; our metadata becomes INFO."""
    (tmp_path / "a.vot").write_text(VOTABLE)
    append_columns(tmp_path / "a.vot", new_columns(3), tmp_path / "b.vot")
    file = votable.parse(tmp_path / "b.vot", verify="exception")
    assert [info.name for info in file.infos] == ["query"]
    assert file.resources[0].description.strip() == "A resource"
    assert file.resources[0].params[0].value == 2016
    assert file.resources[0].coordinate_systems[0].ID == "sys"
    first, second = file.resources[0].tables
    assert second.array["x"].tolist() == [7]
    assert [param.name for param in first.params] == ["band"]
    infos = {info.name: info.value for info in first.infos}
    assert infos["note"] == "in the table"
    assert infos["PILEVEL"] == "0.95"
    assert [field.name for field in first.fields][:4] == ["name", "RA", "n", "nu_peak"]
    assert first.fields[3].ucd == "em.freq"
    assert first.array["n"].mask.tolist() == [True, False, False]
    assert first.array["c1"].tolist() == ["a", "bc", ""]
    assert first.array["sed_class"].tolist() == ["LSP", "UNK", "ISP"]


@pytest.mark.parametrize("suffix", [".fits", ".vot", ".ecsv", ".parquet"])
def test_written_tables_come_back(tmp_path, suffix):
    """Values, units, descriptions and UCDs, without a warning (the tests make them errors)."""
    table = new_columns()
    write_table(table, tmp_path / f"t{suffix}")
    back = read_catalog(tmp_path / f"t{suffix}")
    for name in table.colnames:
        np.testing.assert_array_equal(back[name], table[name])
        assert back[name].unit == table[name].unit
        # VOTable folds long texts
        assert (back[name].description or "").split() == (table[name].description or "").split()
        assert back[name].meta.get("ucd") == table[name].meta.get("ucd")


@pytest.mark.parametrize("suffix", [".fits", ".vot", ".ecsv", ".parquet"])
def test_what_a_table_says_of_itself_comes_back(tmp_path, suffix):
    """The level of the intervals, the population: what is asked of the table depends on them."""
    said = {"PILEVEL": 0.5, "POPULAT": "given", "PDFSTEP": 0.09999999999999964, "BLASEVER": "0.2.0"}
    said |= {"NUENSEM": "5505348947497123", "NFENSEM": "12345678901234e5"}
    write_table(Table({"a": [1, 2]}, meta=said), tmp_path / f"a{suffix}")
    append_columns(tmp_path / f"a{suffix}", Table({"b": [3, 4]}, meta={"PILEVEL": 0.95}),
                   tmp_path / f"b{suffix}")  # fmt: skip
    for name, expected in (("a", said), ("b", said | {"PILEVEL": 0.95})):
        meta = read_catalog(tmp_path / f"{name}{suffix}").meta
        assert {key: meta[key] for key in said} == expected


def test_what_another_program_made_of_it_comes_back(tmp_path):
    """TOPCAT writes numbers as PARAM."""
    table = votable.from_table(Table({"a": [1, 2]}))
    first = table.get_first_table()
    said = {"PILEVEL": 0.5, "NSOURCE": 23, "POPULAT": "given"}
    for name, value in {**said, "a_long_key": 1.0}.items():
        kind = {str: "char", int: "int", float: "double"}[type(value)]
        words = {"datatype": kind, "arraysize": "*"} if kind == "char" else {"datatype": kind}
        first.params.append(votable.tree.Param(table, name=name, value=value, **words))
    table.to_xml(str(tmp_path / "a.vot"))
    assert read_catalog(tmp_path / "a.vot").meta == said


def test_formats_can_change_on_the_way(tmp_path):
    """FITS to VOTable: UCDs and descriptions go from cards to attributes, masks stay."""
    table = Table({"name": MaskedColumn(["a", "b", "c", "d", "e"], mask=[0, 1, 0, 0, 0])})
    table["x"] = Column(np.arange(N), description="a thing", meta={"ucd": "pos"})
    table["e"] = Column(np.arange(N), meta={"ucd": "pos;stat.error"})
    table["w"] = Column(np.arange(N), meta={"ucd": "no.such.word"})
    write_table(table, tmp_path / "a.fits")
    append_columns(tmp_path / "a.fits", new_columns(), tmp_path / "b.vot")
    first = votable.parse(tmp_path / "b.vot", verify="exception").get_first_table()
    assert first.fields[1].ucd == "pos"
    assert first.fields[1].description == "a thing"
    assert [field.ucd for field in first.fields[2:5]] == ["stat.error;pos", None, "em.freq"]
    assert votable.validate(tmp_path / "b.vot", output=io.StringIO())
    assert {"PILEVEL", "BLASECMD"} <= {info.name for info in first.infos}


def test_ascii_table_of_fits(tmp_path):
    """A FITS table of text goes through memory and becomes a binary one."""
    columns = [fits.Column("x", "F8.3", array=np.arange(N))]
    fits.TableHDU.from_columns(columns).writeto(tmp_path / "a.fits")
    append_columns(tmp_path / "a.fits", new_columns(), tmp_path / "b.fits")
    assert Table.read(tmp_path / "b.fits").colnames[:2] == ["x", "nu_peak"]


def test_join_keeps_the_table():
    """The user's table is not changed, and its metadata is kept."""
    table = Table({"a": np.arange(N)}, meta={"mine": 1})
    joined = join_columns(table, new_columns())
    assert table.colnames == ["a"]
    assert joined.meta["mine"] == 1
    with pytest.raises(ValueError, match="3 rows do not fit a catalog of 5"):
        join_columns(table, new_columns(3))


def test_output_is_checked_before_the_work(tmp_path):
    """Existing, a folder, without a folder, of no known format."""
    there = tmp_path / "a.fits"
    there.touch()
    check_output(there, overwrite=True)
    with pytest.raises(FileExistsError, match=r"a\.fits exists already; give overwrite=True"):
        check_output(there)
    with pytest.raises(FileNotFoundError, match="no does not exist"):
        check_output(tmp_path / "no" / "a.fits")
    with pytest.raises(ValueError, match=r"a\.xyz: no known suffix; wanted one of \.fits"):
        check_output(tmp_path / "a.xyz")
    (tmp_path / "f.fits").mkdir()
    with pytest.raises(IsADirectoryError, match=r"f\.fits is a folder"):
        check_output(tmp_path / "f.fits")


def test_read_only_folder(tmp_path, monkeypatch):
    """Said before the work (root may write anywhere, so the answer of the system is set)."""
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(PermissionError, match="is read-only"):
        check_output(tmp_path / "a.fits")


def test_suffixes():
    """Longest suffix first, in any case of letters."""
    assert file_format("A.FITS.GZ") == "fits"
    assert file_format("a.b.vot") == "votable"
    with pytest.raises(ValueError, match="no known suffix"):
        file_format(".fits")


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), OSError(errno.ENOSPC, "No space left")])
def test_nothing_half_written_stays(tmp_path, monkeypatch, stop):
    """An interrupt or a full disk leaves the old file and no other."""
    output = tmp_path / "out.fits"
    output.write_text("old")

    def fail(*_):
        raise stop

    monkeypatch.setattr("blase_astro.io.fits_tables._renew_checksum", fail)
    source = fits_file(tmp_path / "a.fits")
    with pytest.raises(type(stop), match=r"could not be written: No space left|^$"):
        append_columns(source, new_columns(), output, overwrite=True)
    assert output.read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.fits", "out.fits"]


def test_truncated_fits_is_said(tmp_path):
    """A catalog that ends too early is no catalog."""
    source = fits_file(tmp_path / "a.fits")
    with fits.open(source) as hdus:
        end = hdus[2].fileinfo()["datLoc"] + 20
    source.write_bytes(source.read_bytes()[:end])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(OSError, match=r"ends before|could not be read"):
            append_columns(source, new_columns(), tmp_path / "b.fits")
    assert not (tmp_path / "b.fits").exists()


def test_what_is_no_table_is_said(tmp_path):
    """Missing files, images, unknown content."""
    fits.PrimaryHDU(np.zeros(3)).writeto(tmp_path / "i.fits")
    (tmp_path / "x.dat").write_bytes(b"\0\1\2")
    (tmp_path / "x.vot").write_text("no xml")
    for name in ("i.fits", "x.dat", "x.vot", "none.fits"):
        with pytest.raises(OSError, match=name.replace(".", r"\.")):
            read_catalog(tmp_path / name)


@pytest.mark.parametrize("n", [0, 1, 5, 6, 7])
def test_csv_in_parts_is_the_whole(tmp_path, monkeypatch, n):
    """CSV written some rows at a time is what astropy writes at once, odd texts included."""
    monkeypatch.setattr("blase_astro.io.delimited._ROWS_AT_ONCE", 3)
    table = Table({"a": np.arange(n), "b": [f'x, "{i}"\n\n' for i in range(n)]}, masked=True)
    table["c"] = MaskedColumn(np.linspace(0, 1, n), mask=np.arange(n) % 2 == 0)
    write_table(table, tmp_path / "parts.csv")
    table.write(tmp_path / "whole.csv", format="ascii.csv", strip_whitespace=False)
    assert (tmp_path / "parts.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_the_longest_name(tmp_path):
    """Of 255 bytes, also where a file is compressed at the end."""
    Table({"a": [1]}).write(tmp_path / "a.fits")
    output = tmp_path / ("x" * 247 + ".fits.gz")
    append_columns(tmp_path / "a.fits", Table({"b": [1]}), output)
    assert read_catalog(output).colnames == ["a", "b"]
