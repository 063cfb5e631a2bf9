"""Fetching, against a server on this machine that answers as the services do, or fails."""

import gc
import shutil
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from astropy import units as u
from astropy.config import set_temp_cache
from astropy.coordinates import SkyCoord
from astropy.coordinates.name_resolve import sesame_url
from astropy.table import Table
from astropy.utils.exceptions import AstropyUserWarning

from blase_astro import fetch, web
from blase_astro.cli import main
from blase_astro.fetch import fetch_catalog, fetch_sed, resolve_name

pytest.importorskip("astroquery")

DATA = Path(__file__).parent / "data" / "services"
ANSWERS = {
    "/ned/objsearch": "ned_objects.xml",
    "/ned/datasearch": "ned_photometry.xml",
    "/vizier": "vizier_sed.vot",
    "/ssdc": "ssdc_sed.json",
}
SESAME = b"# BLZ J2158-3013\n#=S=Simbad: 1\n%J 329.71694 -30.22556 = 21:58:52 -30:13:32\n"
UNKNOWN = b"# nothing here\n#!S=Simbad: No known catalog could be found\n"
POSITION = SkyCoord(329.71694, -30.22556, unit="deg")
SERVICES = ("ned", "vizier", "ssdc")
# What goes wrong, and the one line that the user reads.
FAILURES = {
    "404": "HTTP 404 Not Found",
    "500": "HTTP 500 Internal Server Error",
    "html": "not (a VOTable|JSON).*<html>",
    "cut": "the answer was cut off",
    "half": "damaged or cut off (VOTable|JSON)",
    "silent": r"did not answer in 0\.5 s",
    "drip": r"not done after 0\.5 s",
    "huge": "the answer is larger than 1 MB",
    "headers": r"not done after 0\.5 s",
    "stream": "VOTable refused: its data lie elsewhere|not JSON",
}
STREAM = """<?xml version="1.0"?>
<VOTABLE version="1.3"><RESOURCE><TABLE><FIELD name="sed_freq" datatype="double"/>
<DATA><BINARY><STREAM encoding="base64" href="URL"/></BINARY></DATA>
</TABLE></RESOURCE></VOTABLE>"""


class Handler(BaseHTTPRequestHandler):
    """Answers of the small files, or a failure that `server.failures` names for a path."""

    def do_GET(self):
        path = urlsplit(self.path).path
        self.server.asked.append((time.monotonic(), path, parse_qs(urlsplit(self.path).query)))
        failure = self.server.failures.get(path)
        if path.startswith("/sesame"):
            self.reply({None: SESAME, "unknown": UNKNOWN}.get(failure, b""), failure)
        else:
            name = self.server.answers.get(path)
            self.reply((DATA / name).read_bytes() if name else b"", failure)

    def reply(self, body, failure):
        if failure in ("404", "500"):
            return self.send_error(int(failure))
        if failure == "silent":
            return self.server.stop.wait(5)
        length = len(body)
        if failure == "html":
            body = b"<html><body>Please log in</body></html>"
            length = len(body)
        elif failure == "half":
            body = body[: length * 2 // 3]
            length = len(body)
        elif failure == "cut":
            body = body[: length // 2]
        elif failure in ("huge", "drip"):
            body, length = b"<?xml " + b" " * 2_000_000, 2_000_006
        elif failure == "headers":
            for i in range(60):
                self.wfile.write(b"HTTP/1.0 200 OK\r\n" if i == 0 else b"X-Y: %d\r\n" % i)
                if self.server.stop.wait(0.1):
                    return None
        elif failure == "stream":
            url = f"http://127.0.0.1:{self.server.server_port}/secret"
            body = STREAM.replace("URL", url).encode()
            length = len(body)
        self.send_response(200)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        if failure == "drip":
            for i in range(50):
                self.wfile.write(body[i : i + 1])
                self.wfile.flush()
                if self.server.stop.wait(0.1):
                    return None
        return self.wfile.write(body)

    def handle(self):
        try:
            super().handle()
        except (BrokenPipeError, ConnectionResetError):  # the client gave up, as it should
            self.close_connection = True

    def log_message(self, *args):
        pass


@pytest.fixture
def server(monkeypatch, tmp_path):
    """A server on this machine in the place of Sesame, NED, VizieR and the SSDC."""
    from astroquery.ipac.ned import Ned

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.block_on_close = False
    server.asked, server.failures, server.answers = [], {}, dict(ANSWERS)
    server.stop = threading.Event()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    root = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(type(Ned), "OBJ_SEARCH_URL", f"{root}/ned/objsearch")
    monkeypatch.setattr(type(Ned), "DATA_SEARCH_URL", f"{root}/ned/datasearch")
    monkeypatch.setattr(fetch, "_VIZIER_URL", f"{root}/vizier")
    monkeypatch.setattr(fetch, "_SSDC_URL", f"{root}/ssdc")
    monkeypatch.setattr(web, "_SECONDS_BETWEEN", 0.0)
    (tmp_path / "cache").mkdir()
    with sesame_url.set([f"{root}/sesame/"]), set_temp_cache(tmp_path / "cache"):
        yield server
    server.stop.set()
    server.shutdown()
    server.server_close()
    thread.join()


def paths(server):
    """Paths asked for so far."""
    return [path.split("/SNV")[0] for _, path, _ in server.asked]


def test_sed_by_name(server):
    """A name gives one merged SED with position, redshift, origins and every service's rows."""
    sed = fetch_sed("BLZ J2158-3013", services=SERVICES)
    assert sed.meta["origin"] == "ned+vizier+ssdc"
    assert sed.meta["name"] == "BLZ J2158-3013"
    assert (sed.meta["ra"], sed.meta["dec"]) == (329.71694, -30.22556)
    assert sed.meta["redshift"] == 0.116
    assert len(sed) == 10 + 5 + 5
    assert sed["duplicate"].any()
    assert "not corrected for Galactic extinction by us" in sed.meta["comments"]
    assert paths(server) == ["/sesame", "/ned/objsearch", "/ned/datasearch", "/vizier", "/ssdc"]


@pytest.mark.parametrize("radius", [7, 7 * u.arcsec, "7arcsec"])
def test_what_is_asked(server, radius):
    """Position, radius and NED's own name of its best object go to the services."""
    fetch_sed(POSITION, radius=radius)
    asked = {path: query for _, path, query in server.asked}
    assert asked["/ned/datasearch"]["objname"] == ["BLZ J2158-3013"]
    assert asked["/ned/datasearch"]["search_type"] == ["Photometry"]
    assert float(asked["/ned/objsearch"]["radius"][0]) == pytest.approx(7 / 60, abs=1e-4)
    assert asked["/vizier"] == {"-c": ["329.716940 -30.225560"], "-c.rs": ["7"]}
    assert asked["/ssdc"] == {"ra": ["329.716940"], "dec": ["-30.225560"]}


def test_default_puts_the_training_format_first(server):
    """The service nearest to VOU wins where two list the same measurement."""
    sed = fetch_sed(POSITION)
    assert sed.meta["origin"] == "ssdc+ned+vizier"
    assert not sed["duplicate"][sed["origin"] == "ssdc"].any()


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("path", ["/ned/objsearch", "/ned/datasearch", "/vizier", "/ssdc"])
def test_every_failure_is_one_line(server, monkeypatch, failure, path):
    """Whatever goes wrong at a service, the error names the service and the reason."""
    monkeypatch.setattr(web.get, "__defaults__", (1_000_000,))
    server.failures[path] = failure
    service = path.split("/")[1]
    label = {"ned": "NED", "vizier": "VizieR", "ssdc": "SSDC"}[service]
    message = f"no SED of 329.71694 -30.22556: {label}.*{FAILURES[failure]}"
    start = time.monotonic()
    with pytest.raises(OSError, match=message) as caught:
        fetch_sed(POSITION, services=service, timeout=0.5)
    assert "\n" not in str(caught.value)
    assert time.monotonic() - start < 3
    assert "/secret" not in paths(server)


def test_partial_answers_are_used_and_said(server):
    """One service down: the SED of the others, and one warning that names it."""
    server.failures["/vizier"] = "500"
    message = "the SED of BLZ J2158-3013 is incomplete: VizieR: HTTP 500"
    with pytest.warns(AstropyUserWarning, match=message) as caught:
        sed = fetch_sed("BLZ J2158-3013")
    assert len(caught) == 1
    assert sed.meta["origin"] == "ssdc+ned"


def test_all_services_down(server):
    """Nothing at all: an OSError with every reason in it."""
    server.failures |= dict.fromkeys(ANSWERS, "500")
    with pytest.raises(OSError, match=r"SSDC: HTTP 500.*NED: HTTP 500.*VizieR: HTTP 500"):
        fetch_sed(POSITION)


def test_no_network(server, monkeypatch):
    """A closed port, as without a network, is told from a service that answers with an error."""
    monkeypatch.setattr(fetch, "_SSDC_URL", "http://127.0.0.1:1/ssdc")
    with pytest.raises(OSError, match=r"SSDC \(127.0.0.1:1\) cannot be reached: no network"):
        fetch_sed(POSITION, services="ssdc")


def test_unknown_name(server):
    """A name that Sesame does not know is a ValueError that says what to do."""
    server.failures["/sesame/SNV"] = "unknown"
    with pytest.raises(ValueError, match=r"unknown name 'Nobody'.*give its position"):
        fetch_sed("Nobody")


# The standard library, which astropy asks with, leaves a socket to the collector on a timeout.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("failure", ["500", "silent"])
def test_sesame_down(server, failure):
    """A resolver that fails is not taken for an unknown name."""
    server.failures["/sesame/SNV"] = failure
    with pytest.raises(OSError, match=r"Sesame \(name resolver\) cannot be reached"):
        resolve_name("BLZ J2158-3013", timeout=0.5)
    gc.collect()


def test_no_photometry(server):
    """Services that have nothing there are no failure but give no SED either."""
    server.answers["/ned/objsearch"] = "ned_nothing.xml"
    server.answers["/vizier"] = "ned_nothing.xml"
    with pytest.raises(ValueError, match=r"no photometry of .* within 5 arcsec at NED, VizieR"):
        fetch_sed(POSITION, services=["ned", "vizier"])
    assert paths(server) == ["/ned/objsearch", "/vizier"]


def test_nothing_at_one_service_is_no_warning(server):
    """An SED is complete when a service simply has nothing."""
    server.answers["/ned/datasearch"] = "ned_nothing.xml"
    assert fetch_sed(POSITION).meta["origin"] == "ssdc+vizier"


def test_answers_are_kept(server, tmp_path):
    """A second call asks nobody; max_age=0, and an answer that cannot be read, ask again."""
    first = fetch_sed("BLZ J2158-3013")
    n_asked = len(server.asked)
    again = fetch_sed("blz  j2158-3013")
    assert len(server.asked) == n_asked
    assert (again["nufnu"] == first["nufnu"]).all()
    fetch_sed("BLZ J2158-3013", max_age=0)
    assert len(server.asked) == 2 * n_asked
    for path in (tmp_path / "cache").rglob("blase_astro/*"):
        path.write_bytes(path.read_bytes()[:10])
    fetch_sed("BLZ J2158-3013")
    assert len(server.asked) == 3 * n_asked


def test_bad_answers_are_not_kept(server):
    """After a failure the next call asks again and gets the good answer."""
    server.failures["/ssdc"] = "half"
    with pytest.raises(OSError, match="damaged or cut off"):
        fetch_sed(POSITION, services="ssdc")
    server.failures.clear()
    assert len(fetch_sed(POSITION, services="ssdc")) == 5


def test_cache_that_cannot_be_written(server, tmp_path):
    """A file where the cache's folder should be does not keep anybody from fetching."""
    (tmp_path / "cache" / "blase_astro").write_text("")
    shutil.rmtree(tmp_path / "cache" / "astropy", ignore_errors=True)  # astropy 7 has made it
    (tmp_path / "cache" / "astropy").write_text("")
    assert len(fetch_sed(POSITION, services="ssdc")) == 5


def test_one_request_a_second(server, monkeypatch):
    """Two requests to NED are a second apart, requests to others do not wait for them."""
    monkeypatch.setattr(web, "_SECONDS_BETWEEN", 1.0)
    monkeypatch.setattr(web, "_last_request", {})
    start = time.monotonic()
    fetch_sed(POSITION)
    times = {path: when for when, path, _ in server.asked}
    assert times["/ned/datasearch"] - times["/ned/objsearch"] > 0.95
    assert time.monotonic() - start < 2


def test_wrong_arguments():
    """What is neither a name nor one position, and unknown services, are refused."""
    with pytest.raises(ValueError, match="unknown service 'simbad': wanted ssdc, ned, vizier"):
        fetch_sed("Mrk 421", services=["ned", "simbad"])
    with pytest.raises(ValueError, match="wanted a name or one SkyCoord, got list"):
        fetch_sed([1, 2])
    with pytest.raises(ValueError, match="wanted a name or one SkyCoord, got SkyCoord"):
        fetch_sed(SkyCoord([1, 2], [3, 4], unit="deg"))
    with pytest.raises(ValueError, match="unknown catalog '5LAC': wanted one of 4LAC"):
        fetch_catalog("5LAC")


def test_without_astroquery(monkeypatch):
    """The message of the base install says what to install."""
    monkeypatch.setitem(__import__("sys").modules, "astroquery", None)
    with pytest.raises(ImportError, match=r"pip install 'blase-astro\[online\]'"):
        fetch_sed("Mrk 421")


@pytest.fixture
def vizier(monkeypatch):
    """astroquery's VizieR without its network; returns the list of what was asked."""
    from astroquery.utils.mocks import MockResponse
    from astroquery.vizier import VizierClass

    asked = []
    answer = {"content": (DATA / "vizier_catalog.vot").read_bytes()}

    def request(self, method, url, data=None, timeout=None, **kwargs):
        asked.append(data)
        if "error" in answer:
            raise answer["error"]
        return MockResponse(answer["content"], url=url)

    monkeypatch.setattr(VizierClass, "_request", request)
    asked.append(answer)
    return asked


def test_catalog(vizier):
    """All rows and columns are asked for, and the table with positions is taken."""
    catalog = fetch_catalog("5bzcat")
    assert "-source=VII/274" in vizier[1]
    assert "-out.max=unlimited" in vizier[1]
    assert "-out.all" in vizier[1]
    assert list(catalog["Name"]) == ["5BZB J2158-3013", "5BZB J1104+3812"]
    assert catalog["Name"].dtype.kind == "U"
    assert catalog["Name"].description == "Name of the blazar"
    assert np.ma.is_masked(catalog["z"][1])
    assert catalog.meta["VIZIER"] == "VII/274/bzcat5"


@pytest.mark.parametrize("suffix", ["fits", "ecsv", "vot"])
def test_catalog_command(vizier, tmp_path, suffix, capsys):
    """The command writes what astropy can write, without a warning."""
    path = tmp_path / f"bzcat.{suffix}"
    assert main(["fetch", "catalog", "5BZCAT", "-o", str(path)]) == 0
    table = Table.read(path)
    assert list(table["Name"]) == ["5BZB J2158-3013", "5BZB J1104+3812"]
    assert table["RAJ2000"][0] == "21 58 52.06"
    assert capsys.readouterr().err == "blase: 2 rows of VII/274/bzcat5\n"
    assert main(["fetch", "catalog", "5BZCAT", "-o", str(path)]) == 1
    assert "exists already" in capsys.readouterr().err
    assert main(["fetch", "catalog", "5BZCAT", "--format", "csv", "-q"]) == 0
    assert "5BZB J2158-3013" in capsys.readouterr().out
    assert main(["fetch", "catalog", "5BZCAT"]) == 2


def test_catalog_failures(vizier):
    """Network errors, web pages, cut answers and empty ones are told apart."""
    import requests

    answer = vizier[0]
    whole = answer["content"]
    answer["error"] = requests.ConnectionError("refused")
    with pytest.raises(OSError, match="VizieR cannot be reached: no network"):
        fetch_catalog("3HSP")
    answer["error"] = requests.Timeout("slow")
    with pytest.raises(OSError, match="VizieR did not answer in 300 s"):
        fetch_catalog("3HSP")
    del answer["error"]
    answer["content"] = b"<html>out of order</html>"
    with pytest.raises(OSError, match="not a VOTable"):
        fetch_catalog("3HSP")
    answer["content"] = whole[: len(whole) // 2]
    with pytest.raises(OSError, match="damaged or cut off"):
        fetch_catalog("3HSP")
    answer["content"] = STREAM.replace("URL", "file:///etc/hostname").encode()
    with pytest.raises(OSError, match=r"VizieR: VOTable refused.*\(file:///etc/hostname\)"):
        fetch_catalog("3HSP")
    answer["content"] = (DATA / "ned_nothing.xml").read_bytes()
    with pytest.raises(ValueError, match=r"no catalog J/A\+A/632/A77 with positions"):
        fetch_catalog("3HSP")


def test_sed_command_writes_a_vou_file(server, tmp_path, capsys):
    """The file of the command is read back as a VOU file with every measurement counted once."""
    path = tmp_path / "sed.txt"
    assert main(["fetch", "sed", "BLZ J2158-3013", "-o", str(path)]) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert "20 measurements from ssdc, ned, vizier, " in said.err
    sed, full = Table.read(path, format="vou-sed"), fetch_sed("BLZ J2158-3013")
    assert len(sed) == (~full["duplicate"]).sum()
    assert sed.meta["redshift"] == 0.116
    assert sed.meta["ra"] == pytest.approx(329.71694)
    assert main(["fetch", "sed", "BLZ J2158-3013", "-o", str(path)]) == 1
    assert capsys.readouterr().err.endswith("give --overwrite to replace it\n")


@pytest.mark.parametrize("form", ["gadf", "jetset", "ecsv"])
def test_sed_command_formats(server, tmp_path, form):
    """Other formats are written on demand; ECSV keeps every column."""
    path = tmp_path / "sed.ecsv"
    choice = [] if form == "ecsv" else ["--format", form]
    name = "ascii.ecsv" if form == "ecsv" else f"{form}-sed"
    where = ["--ra", "329.71694", "--dec", "-30.22556", "--from", "ssdc"]
    assert main(["fetch", "sed", *where, *choice, "-o", str(path)]) == 0
    assert len(Table.read(path, format=name)) == 5


def test_sed_command_prints(server, capsys):
    """Without a file the SED goes to standard output, and only that."""
    assert main(["fetch", "sed", "BLZ J2158-3013", "--from", "ssdc", "-o", "-"]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[0].split()[1:3] == ["matched", "source"]
    assert len(out.splitlines()) == 4 + 5


def test_sed_command_warns_and_fails_in_one_line(server, capsys):
    """A partial answer is a warning and exit code 0, none at all an error and exit code 1."""
    server.failures["/vizier"] = "500"
    assert main(["fetch", "sed", "BLZ J2158-3013"]) == 0
    assert "blase: warning: the SED of BLZ J2158-3013 is incomplete" in capsys.readouterr().err
    assert main(["fetch", "sed", "BLZ J2158-3013", "--from", "vizier"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("blase: error: no SED of BLZ J2158-3013: VizieR: HTTP 500")
    assert error.count("\n") == 1


@pytest.mark.parametrize("words", [[], ["--ra", "1"], ["Mrk 421", "--ra", "1", "--dec", "2"]])
def test_sed_command_wants_a_name_or_a_position(words, capsys):
    """Neither, half of one and both are wrong usage."""
    assert main(["fetch", "sed", *words]) == 2
    assert "either the name of a source or both --ra and --dec" in capsys.readouterr().err


def test_estimate_by_name(server, ensemble_dir, capsys):
    """Fetching and estimating in one go gives one line, flagged as outside the training format."""
    words = ["estimate", "--name", "BLZ J2158-3013", "--ensemble", str(ensemble_dir)]
    assert main(words) == 0
    out = capsys.readouterr().out
    assert out.startswith("BLZ J2158-3013: log nu_peak = ")
    assert "FOREIGN_FORMAT" in out
    assert out.count("\n") == 1


def test_estimate_by_name_that_is_unknown(server, ensemble_dir, capsys):
    """An unknown name is one line on stderr and exit code 1; nothing at all is wrong usage."""
    server.failures["/sesame/SNV"] = "unknown"
    words = ["estimate", "--ensemble", str(ensemble_dir)]
    assert main([*words, "--name", "Nobody"]) == 1
    assert capsys.readouterr().err.startswith("blase: error: unknown name 'Nobody'")
    assert main(words) == 2
    assert "wanted SED files or --name" in capsys.readouterr().err
