"""SEDs of a whole catalog, from services that are played here: what came, what is asked again."""

import os
import warnings

import numpy as np
import pytest
from astropy.table import Table
from astropy.utils.exceptions import AstropyUserWarning

from blase_astro import fetch_rows
from blase_astro.cli import main
from blase_astro.fetch_rows import fetch_seds
from blase_astro.io import list_seds, sed_table

CATALOG = Table({"RA": [10.0, 20.0, np.nan, 30.0], "DEC": [5.0, -0.001, 5.0, 89.99999]})


class Services:
    """Answers by right ascension: an SED, or an error to raise."""

    def __init__(self):
        self.asked, self.answers = [], {}

    def __call__(self, target, services, **limits):
        ra, dec = float(target.ra.deg), float(target.dec.deg)
        self.asked.append(round(ra))
        answer = self.answers.get(round(ra))
        if isinstance(answer, BaseException):
            raise answer
        if answer is not None:
            warnings.warn(answer, AstropyUserWarning, stacklevel=2)
        flux = [2e-14, 5e-14, 3e-12, 4e-12, 1e-12]
        meta = {"ra": ra, "dec": dec, "origin": "ssdc"}
        return sed_table([8.9e8, 1.4e9, 8.8e13, 4.9e14, 2.4e17], flux, meta=meta)


@pytest.fixture
def services(monkeypatch):
    """In place of the network."""
    services = Services()
    monkeypatch.setattr(fetch_rows, "fetch_sed", services)
    return services


def test_one_file_a_row(services, tmp_path):
    """Files named by position, a table of what became of each row; then nothing is asked again."""
    services.answers[20] = ValueError("no photometry")
    said = []
    status = fetch_seds(CATALOG, tmp_path / "seds", say=said.append)
    assert status["status"].tolist() == ["came", "nothing", "no position", "came"]
    assert status["file"][0] == "J004000.00+050000.0.ecsv"
    assert status["file"][1] == "J012000.00-000003.6.ecsv"
    assert status["n_points"].tolist() == [5, 0, 0, 5]
    assert said == [f"{tmp_path / 'seds'}: 4 rows: 2 came, 1 no position, 1 nothing"]
    assert services.asked == [10, 20, 30]
    again = fetch_seds(CATALOG[::-1], tmp_path / "seds")
    assert again["status"].tolist() == ["kept", "no position", "nothing", "kept"]
    assert again["n_points"].tolist() == [5, 0, 0, 5]
    assert services.asked == [10, 20, 30]


def test_what_failed_is_asked_again(services, tmp_path):
    """A failed or incomplete SED at the next run; what had nothing when that is old."""
    services.answers = {10: OSError("NED: HTTP 500"), 30: "the SED is incomplete: NED"}
    status = fetch_seds(CATALOG, tmp_path)
    assert status["status"].tolist() == ["failed", "came", "no position", "incomplete"]
    assert status["message"][0] == "NED: HTTP 500"
    services.answers = {20: ValueError("no photometry")}
    assert fetch_seds(CATALOG, tmp_path)["status"].tolist()[3] == "came"
    assert services.asked == [10, 20, 30, 10, 30]
    (tmp_path / status["file"][1]).unlink()
    assert fetch_seds(CATALOG, tmp_path)["status"][1] == "nothing"
    os.utime(tmp_path / "status.ecsv", (0, 0))
    services.answers = {}
    assert fetch_seds(CATALOG, tmp_path)["status"][1] == "came"


def test_an_interrupted_run_goes_on(services, tmp_path):
    """What came is kept, and the table says what was not asked."""
    services.answers[20] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        fetch_seds(CATALOG, tmp_path)
    status = Table.read(tmp_path / "status.ecsv")
    assert status["status"].tolist() == ["came", "not asked", "no position", "not asked"]
    services.answers = {}
    assert fetch_seds(CATALOG, tmp_path)["status"].tolist()[0] == "kept"
    assert services.asked == [10, 20, 20, 30]


def test_gives_up_without_a_network(services, tmp_path):
    """After five sources nobody is asked any more."""
    catalog = Table({"RA": np.arange(9.0), "DEC": np.zeros(9)})
    services.answers = dict.fromkeys(range(9), OSError("NED cannot be reached"))
    with pytest.raises(OSError, match=r"gave up after 5 sources .*NED cannot be reached"):
        fetch_seds(catalog, tmp_path)
    assert len(services.asked) == 5


def test_fetch_and_annotate(services, tmp_path, ensemble_dir, capsys, monkeypatch):
    """`fetch seds`, then `annotate` takes the folder; `annotate --fetch` does both."""
    pytest.importorskip("astroquery")
    monkeypatch.chdir(tmp_path)
    CATALOG.write("catalog.fits")
    assert main(["fetch", "seds", "catalog.fits", "-o", "seds"]) == 0
    assert "seds: 4 rows: 3 came, 1 no position" in capsys.readouterr().err
    assert len(list_seds("seds")) >= 3
    own = ["--ensemble", str(ensemble_dir)]
    assert main(["annotate", "catalog.fits", "seds", "-o", "a.fits", *own]) == 0
    assert Table.read("a.fits")["n_points"].tolist() == [5, 5, 0, 5]
    said = capsys.readouterr().err
    assert "3 of 4 rows estimated" in said
    words = ["annotate", "catalog.fits", "--fetch", "new", "-o", "b.fits", *own]
    assert main(words) == 0
    assert Table.read("b.fits")["n_points"].tolist() == [5, 5, 0, 5]
    services.answers = dict.fromkeys([10, 20, 30], ValueError("nothing there"))
    assert main(["fetch", "seds", "catalog.fits", "-o", "none"]) == 1


@pytest.mark.parametrize(
    "text",
    ["my notes\n", "# %ECSV 1.0\n# ---\n# datatype:\n# - {name: a, datatype: int64}\na\n1\n"],
)
def test_a_status_of_somebody_else_is_kept(tmp_path, text):
    """It is said, and nobody is asked for anything."""
    (tmp_path / "status.ecsv").write_text(text)
    catalog = Table({"RA": [10.0], "DEC": [20.0]})
    with pytest.raises(OSError, match=r"status\.ecsv: wanted the table that an earlier run left"):
        fetch_seds(catalog, tmp_path)
    assert (tmp_path / "status.ecsv").read_text() == text
