"""Catalogs in HATS by LSDB, here and on a cluster of two workers: nothing lost, nothing mixed."""

import os
import time
import warnings
from dataclasses import replace

import numpy as np
import pytest
from alike import assert_alike

from blase_astro import estimate_points, match
from blase_astro.simulate import simulate_seds

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    lsdb = pytest.importorskip("lsdb", reason="needs the extra lsdb")

import pandas as pd
import pyarrow as pa
from astropy.table import Table
from pyarrow import parquet

import blase_astro.lsdb

pytestmark = pytest.mark.filterwarnings("default")  # those of LSDB and Dask are not ours

NAMES = ("frequency", "nufnu", "nufnu_upper", "nufnu_lower", "upper_limit")
N = 240


@pytest.fixture(scope="module")
def points():
    """Simulated SEDs; the first 20 lie together, far from no partition."""
    return simulate_seds(N, seed=7)[0]


@pytest.fixture(scope="module")
def wanted(points, ensemble_dir):
    """What arrays give."""
    columns = {name: getattr(points, name) for name in NAMES}
    offsets = np.append(0, np.cumsum(np.bincount(points.sed, minlength=N)))
    options = {"offsets": offsets, "ensemble": ensemble_dir}
    return estimate_points(None, points.ra, points.dec, **columns, **options)


@pytest.fixture(scope="module")
def hats(points, tmp_path_factory):
    """The same sources as a HATS catalog with nested SEDs, twelve partitions."""
    offsets = np.append(0, np.cumsum(np.bincount(points.sed, minlength=N))).astype("i4")
    lists = {n: pa.ListArray.from_arrays(offsets, pa.array(getattr(points, n))) for n in NAMES}
    head = {"id": np.arange(N), "ra": points.ra, "dec": points.dec}
    frame = pa.table(head | lists).to_pandas(types_mapper=pd.ArrowDtype)
    order = {"lowest_order": 0, "highest_order": 0, "partition_rows": N, "margin_threshold": None}
    catalog = lsdb.from_dataframe(frame, ra_column="ra", dec_column="dec", **order)
    catalog = catalog.nest_lists(base_columns=list(head), list_columns=list(NAMES), name="sed")
    path = tmp_path_factory.mktemp("hats") / "catalog"
    catalog.write_catalog(path, as_collection=False, progress_bar=False)
    return path


@pytest.fixture(scope="module")
def client():
    """Two workers, one thread each."""
    from dask.distributed import Client, LocalCluster

    options = {"threads_per_worker": 1, "dashboard_address": None, "memory_limit": 0}
    with LocalCluster(n_workers=2, **options) as cluster, Client(cluster) as client:
        yield client


def written(path):
    """What a HATS catalog holds, by the identifier."""
    frame = lsdb.open_catalog(path).compute(progress_bar=False).sort_values("id")
    return frame.set_index("id")


def assert_as_wanted(frame, wanted):
    """A computed catalog holds what arrays give, null where they have NaN."""
    frame = frame.sort_values("id") if "id" in frame else frame
    assert len(frame) == N
    for name, values in wanted.items():
        if name in ("source", "ra", "dec"):
            continue
        number = values.dtype.kind == "f"
        found = frame[name].to_numpy(float, na_value=np.nan) if number else frame[name].to_numpy()
        assert_alike(found, values, name)
        if number:
            np.testing.assert_array_equal(frame[name].isna(), np.isnan(values), err_msg=name)


def test_estimate(hats, wanted, ensemble_dir):
    """Lazy, of fixed types, and what arrays give; the measurements are gone."""
    catalog = blase_astro.lsdb.estimate(lsdb.open_catalog(hats), ensemble=ensemble_dir)
    assert list(catalog.columns)[:4] == ["id", "ra", "dec", "nu_peak"]
    assert "sed" not in catalog.columns
    assert str(catalog.dtypes["log_nu_peak"]) == "double[pyarrow]"
    assert str(catalog.dtypes["peak_class"]) == "string[pyarrow]"
    assert str(catalog.dtypes["bag"]) == "int16[pyarrow]"
    assert_as_wanted(catalog.compute(progress_bar=False), wanted)


def test_no_sources(hats, ensemble_dir):
    """Partitions without sources have the same columns."""
    nobody = lsdb.open_catalog(hats).query("id < 0")
    options = {"quantiles": (0.16,), "pdf": True, "ensemble": ensemble_dir}
    catalog = blase_astro.lsdb.estimate(nobody, **options, prefix="x_")
    frame = catalog.compute(progress_bar=False)
    assert list(frame.columns) == list(catalog.columns)
    assert len(frame) == 0
    assert {"x_log_nu_peak_q16", "x_log_nu_peak_pdf"} <= set(frame.columns)
    assert frame.dtypes.astype(str).to_dict() == catalog.dtypes.astype(str).to_dict()


def test_match(hats, points, ensemble_dir):
    """As the function on tables; the measurements stay."""
    catalog = blase_astro.lsdb.match(lsdb.open_catalog(hats), ensemble=ensemble_dir, radius=3600)
    frame = catalog.compute(progress_bar=False).sort_values("id")
    table = match(Table({"RA": points.ra, "DEC": points.dec}), ensemble=ensemble_dir, radius=3600)
    assert (table["bag"] >= 0).any()
    assert "sed" in frame
    for name in ("bag", "bag_source", "peak_flags"):
        np.testing.assert_array_equal(frame[name].to_numpy(), np.asarray(table[name]))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"column": "lightcurve"}, "the catalog has no column 'lightcurve'"),
        ({"population": "self"}, "needs all sources at once"),
        ({"level": 2}, "level must be a probability"),
    ],
)
def test_refused(hats, options, words):
    """What cannot be done is said before anything is computed."""
    with pytest.raises(ValueError, match=words):
        blase_astro.lsdb.estimate(lsdb.open_catalog(hats), **options)


def test_refused_names_and_ensembles(hats, ensembles, ensemble_dir, tmp_path):
    """Taken names; ensembles without a path; an ensemble that is another one on the worker."""
    catalog = lsdb.open_catalog(hats)
    with pytest.raises(ValueError, match="wanted a path that all workers see"):
        blase_astro.lsdb.estimate(catalog, ensemble=list(ensembles.values()))
    once = blase_astro.lsdb.match(catalog, ensemble=ensemble_dir)
    with pytest.raises(ValueError, match="bag"):
        blase_astro.lsdb.match(once, ensemble=ensemble_dir)
    ensembles["nu_peak"].save(tmp_path / "nu_peak.npz")
    lazy = blase_astro.lsdb.estimate(catalog, ensemble=tmp_path)
    replace(ensembles["nu_peak"], meta={"other": True}).save(tmp_path / "nu_peak.npz")
    blase_astro.lsdb._settings.cache_clear()
    with pytest.raises(RuntimeError, match=r"Pixel: .* is another one on this worker"):
        lazy.compute(progress_bar=False)
    with pytest.raises(ValueError, match=r"is none that blase_astro\.lsdb"):
        blase_astro.lsdb.write(catalog, tmp_path / "x")


def test_worker_killed(hats, wanted, ensemble_dir, client, tmp_path):
    """A worker that dies costs time and nothing else."""
    marker = str(tmp_path / "died")

    def die_once(frame):
        if len(frame) and not os.path.exists(marker):
            open(marker, "w").close()
            os._exit(1)
        return frame

    catalog = lsdb.open_catalog(hats).map_partitions(die_once)
    lazy = blase_astro.lsdb.estimate(catalog, ensemble=ensemble_dir)
    blase_astro.lsdb.write(lazy, tmp_path / "out", progress_bar=False)
    assert os.path.exists(marker)
    assert_as_wanted(written(tmp_path / "out"), wanted)


def test_partition_fails_and_resume(hats, wanted, ensemble_dir, client, tmp_path):
    """The error names the partition; the rest is made by resuming, with the same settings alone."""

    def fail(frame, pixel):
        if pixel.pixel == 7 and len(frame):
            raise RuntimeError(f"broken disk under {pixel}")
        return frame

    out = tmp_path / "out"
    catalog = lsdb.open_catalog(hats)
    broken = catalog.map_partitions(fail, include_pixel=True)
    lazy = blase_astro.lsdb.estimate(broken, ensemble=ensemble_dir)
    with pytest.raises(RuntimeError, match="pixel Order: 0, Pixel: 7"):
        blase_astro.lsdb.write(lazy, out, progress_bar=False)
    while any(client.processing().values()):  # what was under way when it failed goes on
        time.sleep(0.05)
    assert not list(out.rglob("Npix=7.parquet"))
    other = blase_astro.lsdb.estimate(catalog, ensemble=ensemble_dir, level=0.5)
    with pytest.raises(ValueError, match=r"made with other settings \(level\)"):
        blase_astro.lsdb.write(other, out, resume=True, progress_bar=False)
    assert not list(out.rglob("Npix=7.parquet"))
    same = blase_astro.lsdb.estimate(catalog, ensemble=ensemble_dir)
    blase_astro.lsdb.write(same, out, resume=True, progress_bar=False)
    assert_as_wanted(written(out), wanted)
    metadata = next(out.rglob("_common_metadata"))
    words = parquet.read_schema(metadata).metadata[b"IVOA.VOTable-Parquet.content"].decode()
    for word in ('unit="erg', 'ucd="em.freq', "95-percent"):
        assert word in words
    properties = next(out.rglob("hats.properties")).read_text()
    assert "blase_settings" in properties


def test_rest_frame(hats, points, ensemble_dir):
    """Redshifts of the catalog reach the estimates; unknown ones are null."""
    z = np.where(np.arange(N) % 3 == 0, np.nan, 0.5)

    def with_redshift(frame):
        values = pd.array(z[frame["id"].to_numpy().astype(int)], pd.ArrowDtype(pa.float64()))
        return frame.assign(redshift=values)

    catalog = lsdb.open_catalog(hats).map_partitions(with_redshift)
    lazy = blase_astro.lsdb.estimate(catalog, ensemble=ensemble_dir, rest=True, prefix="b_")
    frame = lazy.compute(progress_bar=False).sort_values("id")
    moved = frame["b_log_nu_peak_rest"] - frame["b_log_nu_peak"]
    known = np.isfinite(z) & frame["b_log_nu_peak"].notna().to_numpy()
    np.testing.assert_allclose(moved.to_numpy(float, na_value=np.nan)[known], np.log10(1.5))
    assert moved.isna().to_numpy()[~known].all()
