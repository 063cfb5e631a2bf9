"""Point tables and catalogs in Parquet: layouts, blocks, resuming, and what is refused."""

import json
from dataclasses import fields
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from alike import assert_alike
from astropy import units as u
from astropy.table import QTable, Table
from hypothesis import given, settings
from hypothesis import strategies as st

from blase_astro import estimate, estimate_points, match
from blase_astro.cli import main
from blase_astro.io import read_sed, read_seds
from blase_astro.io.files import write_table
from blase_astro.sed import points_from_seds
from blase_astro.settings import Settings
from blase_astro.simulate import simulate_seds
from blase_astro.survey import PointFile, estimate_parquet, is_point_table, match_parquet, reading
from blase_astro.survey import match as match_module

pa = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

NAMES = ("frequency", "nufnu", "nufnu_upper", "nufnu_lower", "upper_limit")
TEXT = "erg / (s cm2)"


@pytest.fixture(scope="module")
def flat():
    """Measurements of 60 simulated SEDs, one row each, as arrays by name; of one SED one only."""
    points, _ = simulate_seds(60, seed=5)
    columns = {name: getattr(points, name) for name in NAMES}
    where = {name: getattr(points, name)[points.sed] for name in ("ra", "dec")}
    columns = {"source_id": points.sed * 3 + 5} | where | columns
    rows = (points.sed != 0) | (np.arange(len(points.sed)) == 0)
    return {name: values[rows] for name, values in columns.items()}


@pytest.fixture(scope="module")
def wanted(flat, ensemble_dir):
    """What arrays give."""
    columns = dict(flat)
    return estimate_points(columns.pop("source_id"), **columns, ensemble=ensemble_dir)


def nested(flat, kind):
    """The same measurements, one row a source."""
    ids, first, counts = np.unique(flat["source_id"], return_index=True, return_counts=True)
    lists = {}
    for name in NAMES:
        offsets = np.append(0, np.cumsum(counts)).astype("i4")
        lists[name] = pa.ListArray.from_arrays(offsets, pa.array(flat[name]))
    head = {"source_id": ids, "ra": flat["ra"][first], "dec": flat["dec"][first]}
    if kind == "lists":
        return pa.table(head | lists)
    if kind == "struct of lists":
        return pa.table(head | {"sed": pa.StructArray.from_arrays(list(lists.values()), NAMES)})
    values = pa.StructArray.from_arrays([pa.array(flat[name]) for name in NAMES], NAMES)
    return pa.table(head | {"sed": pa.ListArray.from_arrays(offsets, values)})


def read(path):
    """Estimates of a file by column, NaN for null."""
    table = parquet.read_table(path)
    return {n: table[n].to_numpy(zero_copy_only=False) for n in table.column_names}


def assert_as_wanted(path, wanted, first="source_id"):
    """The file holds what arrays give."""
    found = read(path)
    assert next(iter(found)) == first
    np.testing.assert_array_equal(found.pop(first), wanted["source"])
    assert set(found) == set(wanted) - {"source"}
    for name, values in found.items():
        assert_alike(values, wanted[name], name)


@given(
    st.sampled_from(["flat", "lists", "struct of lists", "list of structs"]),
    st.integers(1, 400),
    st.integers(1, 400),
)
@settings(max_examples=25)
def test_layouts_and_blocks(flat, wanted, ensemble_dir, tmp_path_factory, kind, group, batch):
    """Any layout, row group and batch gives what arrays give."""
    folder = tmp_path_factory.mktemp("layout")
    table = pa.table(flat) if kind == "flat" else nested(flat, kind)
    parquet.write_table(table, folder / "points.parquet", row_group_size=group)
    assert is_point_table(folder / "points.parquet")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("_ROWS", "_NESTED_ROWS", "_PIECE", "_NESTED_PIECE"):
            patch.setattr(reading, name, batch)
        counts = estimate_parquet(
            folder / "points.parquet", folder / "out.parquet", ensemble=ensemble_dir
        )
    assert_as_wanted(folder / "out.parquet", wanted)
    assert counts["sources"] == len(wanted["source"])
    assert counts["estimated"] == np.isfinite(wanted["nu_peak"]).sum()
    assert counts["FEW_BINS"] == ((wanted["peak_flags"] & 16) != 0).sum()


def test_several_processes(flat, wanted, ensemble_dir, tmp_path):
    """Workers on pieces of a file give the same file; text identifies as well as numbers do."""
    columns = dict(flat, source_id=np.char.add("J", flat["source_id"].astype(str)))
    parquet.write_table(pa.table(columns), tmp_path / "points.parquet", row_group_size=100)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "_PIECE", 200)
        estimate_parquet(
            tmp_path / "points.parquet",
            tmp_path / "out.parquet",
            jobs=2,
            ensemble=ensemble_dir,
            population="flat",
        )
    columns.pop("source_id")
    other = estimate_points(
        np.char.add("J", flat["source_id"].astype(str)),
        **columns,
        ensemble=ensemble_dir,
        population="flat",
    )
    assert_as_wanted(tmp_path / "out.parquet", other)


@pytest.mark.parametrize("kind", ["flat", "struct of lists"])
def test_every_setting_reaches_the_workers(flat, ensemble_dir, tmp_path, kind):
    """Each option does for several processes what it does for one; redshifts come along."""
    options = {"level": 0.8, "radius": 8.0, "bag": 1, "population": "flat", "quantiles": (0.16,)}
    options |= {"pdf": True, "shortest": True, "rest": True, "cosmology": "Planck15"}
    known = {f.name for f in fields(Settings) if f.init}
    assert set(options) == known - {"ensemble"}
    table = pa.table(flat) if kind == "flat" else nested(flat, kind)
    z = np.round(np.modf(table["ra"].to_numpy())[0], 3)
    table = table.append_column("redshift", pa.array(z, mask=z < 0.2))
    parquet.write_table(table, tmp_path / "points.parquet", row_group_size=30)
    files = [tmp_path / f"{jobs}.parquet" for jobs in (1, 2)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "_PIECE", 200)
        patch.setattr(reading, "_NESTED_PIECE", 20)
        for jobs, path in enumerate(files, start=1):
            estimate_parquet(
                tmp_path / "points.parquet", path, jobs=jobs, ensemble=ensemble_dir, **options
            )
    one, two = map(parquet.read_table, files)
    assert one.equals(two)
    assert 0 < one["log_l_peak"].null_count < len(one)
    if kind == "flat":
        columns = dict(flat, redshift=np.where(z < 0.2, np.nan, z))
        ids = columns.pop("source_id")
        wanted = estimate_points(ids, **columns, ensemble=ensemble_dir, **options)
        np.testing.assert_allclose(one["log_l_peak"], wanted["log_l_peak"], atol=1e-9)
        np.testing.assert_allclose(one["log_nu_peak_q16"], wanted["log_nu_peak_q16"], atol=1e-9)


def test_description(flat, ensemble_dir, tmp_path):
    """Units, UCDs, descriptions and settings are there in both ways; no estimate is null."""
    parquet.write_table(pa.table(flat), tmp_path / "points.parquet")
    out = tmp_path / "out.parquet"
    estimate_parquet(tmp_path / "points.parquet", out, ensemble=ensemble_dir, level=0.9, pdf=True)
    for form in ("parquet.votable", "parquet"):
        table = Table.read(out, format=form)
        assert table["nu_peak"].unit == u.Hz
        assert table["nufnu_peak"].unit == u.Unit(TEXT)
        assert "90-percent" in table["nu_peak_lo"].description
    assert Table.read(out)["nu_peak"].meta["ucd"].startswith("em.freq")
    arrow = parquet.read_table(out)
    few = arrow["n_bins"].to_numpy() < 3
    assert few.any()
    np.testing.assert_array_equal(np.asarray(arrow["log_nu_peak"].is_null()), few)
    density = arrow["log_nu_peak_pdf"].to_pylist()
    np.testing.assert_array_equal([set(values) == {None} for values in density], few)
    assert not any(None in values for values in np.array(density, object)[~few].tolist())


def test_every_way_in_gives_the_same(tmp_path):
    """Files of SEDs, SED tables, arrays and Parquet in both layouts, by the shipped ensembles."""
    archive = Path(__file__).parents[1] / "catalogs" / "demo_seds.zip"
    names, seds = zip(*read_seds(archive), strict=True)
    points = points_from_seds(seds)
    columns = {name: getattr(points, name) for name in NAMES}
    columns["upper_limit"] |= points.duplicate
    columns |= {name: getattr(points, name)[points.sed] for name in ("ra", "dec")}
    ids = columns["source_id"] = points.sed
    for kind in ("flat", "lists"):
        table = pa.table(columns) if kind == "flat" else nested(columns, kind)
        parquet.write_table(table, tmp_path / f"{kind}.parquet")
        estimate_parquet(tmp_path / f"{kind}.parquet", tmp_path / f"{kind}_out.parquet")
    del columns["source_id"]
    wanted = estimate_points(ids, **columns)
    assert len(wanted["source"]) == len(names) == 25
    for seds_of_any_kind in (archive, seds):
        found = estimate(seds_of_any_kind)
        for name in set(wanted) - {"source"}:
            assert_alike(found[name], wanted[name], name)
    for kind in ("flat", "lists"):
        assert_as_wanted(tmp_path / f"{kind}_out.parquet", wanted)


def test_twenty_thousand(tmp_path):
    """A long file in many row groups: two processes lose nothing and give what arrays give."""
    points, _ = simulate_seds(2000, seed=4)
    rng, n = np.random.default_rng(1), 20000
    copy, row = np.divmod(np.arange(10 * len(points.sed)), len(points.sed))
    columns = {"source_id": copy * 2000 + points.sed[row]}
    ra, dec = rng.uniform(0, 360, n), np.degrees(np.arcsin(rng.uniform(-1, 1, n)))
    columns |= {"ra": ra[columns["source_id"]], "dec": dec[columns["source_id"]]}
    factor = 10 ** rng.normal(0, 0.2, n)[columns["source_id"]]
    for name in NAMES:
        scale = factor if name.startswith("nufnu") else 1
        columns[name] = getattr(points, name)[row] * scale
    columns["upper_limit"] = columns["upper_limit"].astype(bool)
    parquet.write_table(pa.table(columns), tmp_path / "points.parquet", row_group_size=2**16)
    estimate_parquet(tmp_path / "points.parquet", tmp_path / "out.parquet", jobs=2)
    wanted = estimate_points(columns.pop("source_id"), **columns)
    assert len(wanted["source"]) == len(np.unique(wanted["source"])) > 19000
    assert_as_wanted(tmp_path / "out.parquet", wanted)


def test_units_and_copies(flat, wanted, ensemble_dir, tmp_path):
    """Units in the metadata count; copies corrected for EBL do not."""
    table = QTable(flat)
    table["frequency"] = (table["frequency"] * u.Hz).to("GHz")
    for name in NAMES[1:4]:
        table[name] = (table[name] * u.Unit(TEXT)).to("W / m2")
    table["catalog"] = "NVSS"
    copies = table.copy()
    copies["catalog"], copies["nufnu"] = "DEBL", copies["nufnu"] * 100
    for name in NAMES[2:4]:
        copies[name] = np.nan * copies[name]
    doubled = Table(np.concatenate([table.as_array(), copies.as_array()]))
    for name in table.colnames:
        doubled[name].unit = getattr(table[name], "unit", None)
    doubled.sort("source_id")
    write_table(doubled, tmp_path / "points.parquet")
    estimate_parquet(tmp_path / "points.parquet", tmp_path / "o.parquet", ensemble=ensemble_dir)
    assert_as_wanted(tmp_path / "o.parquet", wanted)


@pytest.fixture
def folder(flat, tmp_path):
    """A folder with three files of 20 sources each, one of them in a subfolder."""
    (tmp_path / "points" / "more").mkdir(parents=True)
    of = np.searchsorted(np.unique(flat["source_id"]), flat["source_id"]) // 20
    for i, name in enumerate(("a.parquet", "b.parquet", "more/c.parquet")):
        rows = {column: values[of == i] for column, values in flat.items()}
        parquet.write_table(pa.table(rows), tmp_path / "points" / name)
    return tmp_path / "points"


def outputs(folder):
    """Which files there are, and when each was written."""
    return {p.name: p.stat().st_mtime_ns for p in folder.rglob("*.parquet")}


@pytest.mark.parametrize("population", ["training", "self"])
def test_folder_and_resume(folder, ensemble_dir, tmp_path, population):
    """A folder gives a folder; what is missing is made when it is resumed, with the same result."""
    out, said = tmp_path / "out", []
    options = {"ensemble": ensemble_dir, "population": population}
    estimate_parquet(folder, out, **options)
    assert json.loads((out / "blase_settings.json").read_text())["level"] == 0.95
    before, whole = outputs(out), read(out / "more" / "c.parquet")
    assert sorted(before) == ["a.parquet", "b.parquet", "c.parquet"]
    with pytest.raises(FileExistsError, match="exists already"):
        estimate_parquet(folder, out, **options)
    (out / "more" / "c.parquet").unlink()
    estimate_parquet(folder, out, resume=True, say=said.append, jobs=2, **options)
    after = outputs(out)
    assert "2 of 3 files are there already" in said
    assert {n: after[n] for n in ("a.parquet", "b.parquet")} == {
        n: before[n] for n in ("a.parquet", "b.parquet")
    }
    for name, values in read(out / "more" / "c.parquet").items():
        np.testing.assert_array_equal(values, whole[name], err_msg=name)
    estimate_parquet(folder, out, overwrite=True, **options)
    assert outputs(out)["a.parquet"] != before["a.parquet"]


@pytest.mark.parametrize(
    ("other", "word"),
    [
        ({"level": 0.9}, "level"),
        ({"radius": 6}, "radius"),
        ({"population": "flat"}, "population"),
        ({"quantiles": (0.16,)}, "quantiles"),
        ({"pdf": True}, "pdf"),
        ({"shortest": True}, "shortest"),
        ({"bag": -1}, "bag"),
        ({"ensemble": None}, "ensembles"),
    ],
)
def test_resume_with_other_settings(folder, ensemble_dir, tmp_path, other, word):
    """Results of two kinds never come together, be it by the folder's word or by a file's."""
    out = tmp_path / "out"
    estimate_parquet(folder, out, ensemble=ensemble_dir)
    (out / "b.parquet").unlink()
    before = (out / "blase_settings.json").read_text()
    for _ in range(2):
        with pytest.raises(ValueError, match=rf"made with other settings \({word}\)"):
            estimate_parquet(folder, out, resume=True, **({"ensemble": ensemble_dir} | other))
        assert not (out / "b.parquet").exists()
    assert (out / "blase_settings.json").read_text() == before
    for path in out.rglob("*.parquet"):
        path.unlink()
    with pytest.raises(ValueError, match=r"blase_settings\.json was made with other settings"):
        estimate_parquet(folder, out, resume=True, **({"ensemble": ensemble_dir} | other))


def test_interrupted(folder, ensemble_dir, tmp_path):
    """What was whole when a run ended stays; the file that was not is no file."""

    def stop(done, total):
        if done > 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        estimate_parquet(folder, tmp_path / "out", ensemble=ensemble_dir, progress=stop)
    assert list(outputs(tmp_path / "out")) == ["a.parquet"]
    assert not list((tmp_path / "out").glob(".*"))
    estimate_parquet(folder, tmp_path / "out", ensemble=ensemble_dir, resume=True)
    assert len(outputs(tmp_path / "out")) == 3


def test_foreign_output_is_not_resumed(folder, ensemble_dir, tmp_path):
    """A file of somebody else is not taken for a part of the result."""
    (tmp_path / "out").mkdir()
    parquet.write_table(pa.table({"a": [1]}), tmp_path / "out" / "a.parquet")
    with pytest.raises(ValueError, match=r"a\.parquet was made with other settings"):
        estimate_parquet(folder, tmp_path / "out", ensemble=ensemble_dir, resume=True)


COLUMNS = {"source_id": [1, 2], "ra": [1.0, 2.0], "dec": [1.0, 2.0], "frequency": [1e9, 1e9]}
COLUMNS |= {"nufnu": [1e-14, 1e-14]}


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"frequency": None}, "no measurements; wanted the columns frequency and nufnu"),
        ({"source_id": None}, "no column tells which source"),
        ({"dec": None}, "no position columns found"),
        ({"nufnu": ["1", "2"]}, "column 'nufnu' holds string; wanted numbers"),
        ({"upper_limit": ["1", "2"]}, "column 'upper_limit' holds string; wanted true or false"),
        ({"source_id": [1, None]}, "row 1 has no source_id"),
        ({"source_id": [1.0, np.nan]}, "row 1 has no source_id"),
        ({"source_id": [None, None]}, "column 'source_id' holds null; wanted numbers or text"),
        ({"source_id": [[1], [2]]}, r"column 'source_id' holds list<.*>; wanted numbers or text"),
        ({"frequency": [[1e9], [1e9]]}, "column 'nufnu' holds double; wanted lists"),
        (
            {"frequency": [[1e9], [1e9, 2e9]], "nufnu": [[1e-14], [1e-14]]},
            "row 1 has 2 frequencies but 1 of nufnu",
        ),
        ({"GLON": [1.0, 2.0], "GLAT": [1.0, 2.0], "ra": None}, "wanted ICRS positions"),
    ],
)
def test_refused(changed, words, ensemble_dir, tmp_path):
    """What is no point table is said with the name of the file, and nothing is written."""
    columns = {n: values for n, values in (COLUMNS | changed).items() if values is not None}
    parquet.write_table(pa.table(columns), tmp_path / "p.parquet")
    with pytest.raises(ValueError, match=rf"p\.parquet: .*{words}"):
        estimate_parquet(tmp_path / "p.parquet", tmp_path / "o.parquet", ensemble=ensemble_dir)
    assert [path.name for path in tmp_path.iterdir()] == ["p.parquet"]


@pytest.mark.parametrize("population", ["training", "self"])
@pytest.mark.parametrize(
    "changed",
    [
        {"upper_limit": [0, None]},
        {"upper_limit": [0.0, None], "duplicate": [None, 0]},
        {"catalog": [1, 2]},
        {"catalog": [None, None]},
        {"source_id": [b"1", b"\xff"]},
    ],
)
def test_types_of_other_writers(changed, population, ensemble_dir, tmp_path):
    """Numbers for yes and no, names of catalogs as numbers, text that is called bytes."""
    parquet.write_table(pa.table(COLUMNS | changed), tmp_path / "p.parquet")
    counts = estimate_parquet(
        tmp_path / "p.parquet",
        tmp_path / "o.parquet",
        ensemble=ensemble_dir,
        population=population,
    )
    assert counts["sources"] == 2
    assert counts["NO_POINTS"] == ("upper_limit" in changed)


def _damaged(path, kind):
    """A catalog in Parquet of points that is damaged in some way."""
    table = pa.table(COLUMNS)
    if kind == "YAML":
        table = table.replace_schema_metadata({b"table_meta_yaml": b"}{"})
    if kind == "VOTable":
        table = table.replace_schema_metadata({b"IVOA.VOTable-Parquet.content": b"<junk"})
    if kind == "names":
        table = table.append_column("ra", pa.array([1.0, 2.0]))
    parquet.write_table(table, path)
    if kind == "pages":
        data = path.read_bytes()
        path.write_bytes(data[:4] + b"\xff" * 40 + data[44:])


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("YAML", "what it says of its columns is damaged"),
        ("VOTable", "what it says of its columns is damaged"),
        ("names", "two columns have the name 'ra'"),
        ("pages", "could not be read"),
    ],
)
def test_damaged_files_are_named(kind, words, ensemble_dir, tmp_path):
    """Whatever pyarrow and astropy make of them: one error with the file, and no output."""
    path, output = tmp_path / "p.parquet", tmp_path / "o.parquet"
    _damaged(path, kind)
    for work in (estimate_parquet, match_parquet):
        with pytest.raises((ValueError, OSError), match=rf"p\.parquet.*{words}"):
            work(path, output, ensemble=ensemble_dir)
    assert [path.name for path in tmp_path.iterdir()] == ["p.parquet"]


def test_points_are_not_replaced_by_their_estimates(ensemble_dir, tmp_path):
    """Not even where files may be replaced."""
    path = tmp_path / "p.parquet"
    parquet.write_table(pa.table(COLUMNS), path)
    with pytest.raises(ValueError, match=r"p\.parquet is read and would be lost"):
        estimate_parquet(path, path, overwrite=True, ensemble=ensemble_dir)
    assert parquet.read_table(path).column_names == list(COLUMNS)


def test_scattered_rows(ensemble_dir, tmp_path):
    """A source in two places would be two sources: refused, in whichever row groups they are."""
    columns = {n: np.repeat(v, 2) for n, v in COLUMNS.items()} | {"source_id": ["a", "b", "b", "a"]}
    for size in (1, 4):
        parquet.write_table(pa.table(columns), tmp_path / "p.parquet", row_group_size=size)
        with pytest.raises(ValueError, match="must stand together; sort the table by source_id"):
            estimate_parquet(tmp_path / "p.parquet", tmp_path / "o.parquet", ensemble=ensemble_dir)


def test_no_file_and_no_parquet(ensemble_dir, tmp_path):
    """Missing, empty or damaged files are said by name."""
    with pytest.raises(FileNotFoundError, match="x is no file"):
        estimate_parquet(tmp_path / "x", tmp_path / "o.parquet")
    with pytest.raises(FileNotFoundError, match="holds no file"):
        estimate_parquet(tmp_path, tmp_path / "../out")
    (tmp_path / "p.parquet").write_bytes(b"PAR1 and more")
    assert not is_point_table(tmp_path / "p.parquet")
    with pytest.raises(ValueError, match=r"p\.parquet: "):
        estimate_parquet(tmp_path / "p.parquet", tmp_path / "o.parquet")
    with pytest.raises(ValueError, match="lies in the folder that is read"):
        estimate_parquet(tmp_path, tmp_path / "out")


def test_nothing_at_all(ensemble_dir, tmp_path):
    """A table without rows, and sources without measurements, are fine."""
    schema = pa.table(COLUMNS).schema
    parquet.write_table(schema.empty_table(), tmp_path / "p.parquet")
    out = tmp_path / "o.parquet"
    assert estimate_parquet(tmp_path / "p.parquet", out, ensemble=ensemble_dir)["sources"] == 0
    assert "log_nu_peak" in parquet.read_schema(out).names
    lists = {n: pa.array([None, []], pa.list_(pa.float64())) for n in ("frequency", "nufnu")}
    without = pa.table({"ra": [1.0, None], "dec": [1.0, 2.0]} | lists)
    parquet.write_table(without, tmp_path / "n.parquet")
    estimate_parquet(tmp_path / "n.parquet", out, overwrite=True, ensemble=ensemble_dir)
    assert read(out)["source"].tolist() == [0, 1]
    assert read(out)["peak_flags"].tolist() == [4, 4 + 4096]


def test_pieces(flat, tmp_path):
    """Pieces begin and end with a source and cover all rows, however short the row groups are."""
    for group in (1, 7, 100, 10000):
        parquet.write_table(pa.table(flat), tmp_path / "p.parquet", row_group_size=group)
        with pytest.MonkeyPatch.context() as patch, PointFile(tmp_path / "p.parquet") as file:
            patch.setattr(reading, "_PIECE", 50)
            n_sources, pieces = file.look_through()
            blocks = [list(file.blocks(*piece)) for piece in pieces]
        assert n_sources == len(np.unique(flat["source_id"]))
        assert pieces[0][0] == 0
        assert pieces[-1][1] == len(flat["ra"])
        assert all(one[1] == other[0] for one, other in pairwise(pieces))
        names = [points.name for block in blocks for points in block]
        np.testing.assert_array_equal(np.concatenate(names), np.unique(flat["source_id"]))


# --- the command ------------------------------------------------------------------------------


def test_command(flat, wanted, ensemble_dir, tmp_path, capsys):
    """blase estimate on a point table, and what it refuses."""
    source, out = tmp_path / "points.parquet", tmp_path / "out.parquet"
    parquet.write_table(pa.table(flat), source)
    words = ["estimate", source, "--ensemble", ensemble_dir, "--jobs", "1"]
    assert main([*words, "-o", out]) == 0
    assert_as_wanted(out, wanted)
    err = capsys.readouterr().err
    assert f"of {len(wanted['source'])} sources estimated; flags: " in err
    assert main([*words, "-o", out]) == 1
    assert "exists already; give --overwrite" in capsys.readouterr().err
    assert main([*words, "-o", out, "--resume"]) == 0
    assert main([*words, "-o", out, "--resume", "--level", "0.5"]) == 1
    assert "made with other settings (level)" in capsys.readouterr().err
    assert main(words) == 2
    assert main([*words, "-o", tmp_path / "x.fits"]) == 2
    assert main([*words, "-o", out, "--ra", "1", "--dec", "1"]) == 2
    assert main(["estimate", "catalogs/demo_seds.zip", "--resume"]) == 2


def test_point_table_is_no_sed(flat, tmp_path):
    """Where one SED is wanted, the measurements of many are not taken for those of one."""
    parquet.write_table(pa.table(flat), tmp_path / "points.parquet")
    with pytest.raises(ValueError, match="point table of several sources"):
        read_sed(tmp_path / "points.parquet")


def test_match(ensembles, ensemble_dir, tmp_path, capsys, monkeypatch):
    """A catalog in Parquet is matched block by block with the result of a table."""
    monkeypatch.setattr(match_module, "_ROWS", 37)
    known = ensembles["nu_peak"].source_columns
    rng = np.random.default_rng(1)
    ra = np.concatenate([known["ra"][:50], rng.uniform(0, 360, 150), [np.nan]])
    dec = np.concatenate([known["dec"][:50], rng.uniform(-90, 90, 150), [0.0]])
    table = Table({"id": np.arange(201), "RA": ra, "DEC": dec}, units={"RA": "deg", "DEC": "deg"})
    table["RA"] = table["RA"].to("hourangle")
    table["RA"].unit = "hourangle"
    write_table(table, tmp_path / "sky.parquet")
    out = tmp_path / "matched.parquet"
    words = ["match", tmp_path / "sky.parquet", "-o", out, "--ensemble", ensemble_dir]
    assert main(words) == 0
    said = capsys.readouterr().err
    assert "positions: RA and DEC (icrs), missing in 1 rows" in said
    assert "rows: 201, of which 50 are in the training set" in said
    wanted, found = match(table, ensemble=ensemble_dir), Table.read(out)
    assert found.colnames == wanted.colnames
    for name in ("id", "bag", "bag_source", "peak_flags"):
        np.testing.assert_array_equal(found[name], wanted[name], err_msg=name)
    sep = np.ma.filled(np.ma.asarray(found["bag_sep"], float), np.nan)
    np.testing.assert_allclose(sep, wanted["bag_sep"])
    assert found["bag_sep"].unit == "arcsec"
    assert main(words) == 1
    with pytest.raises(ValueError, match="bag"):
        match_parquet(out, tmp_path / "again.parquet", ensemble=ensemble_dir)
    counts = match_parquet(
        out, tmp_path / "again.parquet", overwrite_columns=True, ensemble=ensemble_dir
    )
    assert counts == {"rows": 201, "matched": 50}
