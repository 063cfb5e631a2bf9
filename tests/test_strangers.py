"""What strangers bring beside SEDs: labels, bands, old ensembles, and calls from Python."""

import bz2
import gzip
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

import blase_astro
from blase_astro import Ensemble
from blase_astro.bands import read_bands
from blase_astro.cli import main
from blase_astro.ensemble_file import checksum


@pytest.fixture
def elsewhere(tmp_path):
    """A VOTable whose data are at an address, and what was asked for there."""
    asked = []

    class Server(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *args):
            pass

    server = HTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    href = f"http://127.0.0.1:{server.server_port}/x"
    path = tmp_path / "labels.vot"
    path.write_text(
        '<?xml version="1.0"?>'
        '<VOTABLE version="1.3" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE><TABLE>'
        '<FIELD name="log_nu_peak" datatype="double"/>'
        f'<DATA><BINARY><STREAM href="{href}"/></BINARY></DATA></TABLE></RESOURCE></VOTABLE>'
    )
    yield path, asked
    server.shutdown()
    thread.join()
    server.server_close()


def test_labels_that_are_elsewhere(elsewhere, tmp_path, capsys):
    """Nobody is asked for the labels of a training."""
    pytest.importorskip("pytorch_lightning")
    path, asked = elsewhere
    words = ["train", "catalogs/demo_seds.zip", "-o", str(tmp_path / "out"), "--labels", str(path)]
    assert main(words) == 1
    assert "its data lie elsewhere" in capsys.readouterr().err
    assert not asked


def test_bands_that_are_elsewhere(elsewhere):
    """Nor for a table of bands."""
    path, asked = elsewhere
    with pytest.raises((ValueError, OSError), match="its data lie elsewhere"):
        read_bands(path)
    assert not asked


@pytest.mark.parametrize("name", ["catalog.dat", "catalog", "catalog.dat.gz", "catalog.vot.bz2"])
def test_catalogs_that_are_elsewhere(elsewhere, tmp_path, capsys, name):
    """Nor for a catalog whose name does not say that it is a VOTable."""
    path, asked = elsewhere
    packed = {".gz": gzip.compress, ".bz2": bz2.compress}.get(Path(name).suffix, bytes)
    (tmp_path / name).write_bytes(packed(path.read_bytes()))
    assert main(["match", str(tmp_path / name), "--format", "csv"]) == 1
    assert re.search("its data lie elsewhere|not a VOTable", capsys.readouterr().err)
    assert not asked


@pytest.mark.parametrize(
    ("name", "value"), [("label_mean", -1e30), ("label_mean", 101.0), ("label_std", 1e30)]
)
def test_labels_of_normal_networks(tmp_path, ensembles, name, value):
    """A mean or width of labels that no logarithm of a frequency or flux has."""
    header, arrays = ensembles["nu_peak"]._to_arrays()
    n_bags, n_members, n_in, _ = arrays[f"weight_{header['n_layers'] - 1}"].shape
    last = header["n_layers"] - 1
    arrays = {k: v for k, v in arrays.items() if k != "grid" and "oob" not in k}
    arrays[f"weight_{last}"] = np.zeros((n_bags, n_members, n_in, 2), np.float32)
    arrays[f"bias_{last}"] = np.zeros((n_bags, n_members, 2), np.float32)
    n = len(arrays["source_ra"])
    arrays |= {"source_oob_mean": np.full(n, 14.0), "source_oob_std": np.ones(n)}
    arrays |= {"label_mean": np.full((n_bags, n_members), 14.0)}
    arrays |= {"label_std": np.ones((n_bags, n_members))}
    header = header | {"format_version": 1}

    def written():
        stored = checksum(header, arrays)
        text = json.dumps(header, sort_keys=True)
        np.savez(tmp_path / "e.npz", header=np.array(text), sha256=np.array(stored), **arrays)
        return tmp_path / "e.npz"

    Ensemble.load(written())
    arrays[name][0, 0] = value
    with pytest.raises(ValueError, match=rf"e\.npz: no valid ensemble: {name}"):
        Ensemble.load(written())


SED = "catalogs/demo_sed.txt"


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ({"level": "0.9"}, "level must be a probability"),
        ({"level": None}, "level must be a probability"),
        ({"level": True}, "level must be a probability"),
        ({"bag": 1.5}, "bag must be -1"),
        ({"bag": True}, "bag must be -1"),
        ({"quantiles": 2}, "quantiles must be a probability"),
        ({"ensemble": 3}, "ensemble: wanted a path"),
        ({"radius": None}, "radius must be a positive angle"),
        ({"jobs": "x"}, "jobs must be a whole number from 1"),
        ({"jobs": None}, "jobs must be a whole number from 1"),
        ({"jobs": 0}, "jobs must be a whole number from 1"),
    ],
)
def test_options_of_other_kinds(option, words):
    """From Python, too, a wrong option is told in words."""
    with pytest.raises(ValueError, match=words):
        blase_astro.estimate(SED, **option)


def test_one_quantile():
    """A number alone is a list of one."""
    table = blase_astro.estimate(SED, quantiles=0.16)
    assert "log_nu_peak_q16" in table.colnames


@pytest.mark.parametrize("catalog", [None, 3, "catalogs/demo_catalog.fits"])
def test_catalogs_of_other_kinds(catalog):
    """A table is wanted, and said to be."""
    for call in (blase_astro.match, lambda c: blase_astro.annotate(c, SED)):
        with pytest.raises(ValueError, match="catalog: wanted a table, got"):
            call(catalog)


@pytest.mark.parametrize("seds", [None, 3, Table()])
def test_seds_of_other_kinds(seds):
    """What is no SED is an error in words."""
    with pytest.raises(ValueError, match="wanted"):
        blase_astro.estimate(seds)


@pytest.mark.parametrize("file", [None, 3, 1.5])
def test_files_of_other_kinds(file):
    """What is no file either."""
    with pytest.raises(ValueError, match="wanted a path, an open file or lines, got"):
        blase_astro.read_sed(file)
