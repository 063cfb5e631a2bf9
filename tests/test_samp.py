"""Tables to other programs and rows from them, over a hub of this process."""

import threading
import time

import numpy as np
import pytest
from astropy.table import Table

from blase_astro.cli import main
from blase_astro.io import sed_table
from blase_astro.io.files import read_catalog
from blase_astro.samp import _library, connected, highlighted, send_table

samp = _library()
FREQUENCY = [8.9e8, 1.4e9, 8.8e13, 4.9e14, 2.4e17]
NUFNU = [2e-14, 5e-14, 3e-12, 4e-12, 1e-12]


class Program:
    """A program that takes tables, as TOPCAT does."""

    def __init__(self, hub, name):
        self.client = samp.SAMPIntegratedClient(name=name, addr="127.0.0.1")
        self.client.connect(hub=hub)
        self.took, self.refuse = [], ""
        for kind in ("table.load.votable", "table.load.fits"):
            self.client.bind_receive_call(kind, self.take)

    def take(self, private_key, sender, message, kind, params, extra):
        time.sleep(0.2)  # the hub loses an answer that comes before it waits for one
        if self.refuse:
            answer = {"samp.status": "samp.error", "samp.error": {"samp.errortxt": self.refuse}}
        else:
            self.took.append((params, read_catalog(params["url"].removeprefix("file://"))))
            answer = {"samp.status": "samp.ok", "samp.result": {}}
        self.client.reply(message, answer)

    def highlight(self, row, **params):
        params = {"row": str(row), **params}
        message = {"samp.mtype": "table.highlight.row", "samp.params": params}
        self.client.notify_all(message)


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A hub that no other program knows of."""
    lock = tmp_path / "lock"
    monkeypatch.setenv("SAMP_HUB", f"std-lockurl:{lock.as_uri()}")
    with samp.conf.set_temp("use_internet", False):
        hub = samp.SAMPHubServer(web_profile=False, lockfile=str(lock), addr="127.0.0.1")
        hub.start()
        yield hub
        if hub.is_running:
            hub.stop()


@pytest.fixture
def topcat(hub):
    """A program that takes tables."""
    program = Program(hub, "Topcat")
    yield program
    if hub.is_running:
        program.client.disconnect()


@pytest.fixture
def sed(tmp_path):
    """Two SED files in a folder."""
    folder = tmp_path / "seds"
    folder.mkdir()
    for i in (1, 2):
        sed = sed_table(FREQUENCY, NUFNU, meta={"ra": 10.0 * i, "dec": 5.0})
        sed.write(folder / f"{i}.txt", format="vou-sed")
    return folder


def test_a_table_is_sent(hub, topcat):
    """With its name, to the program that is meant or to all."""
    other = Program(hub, "Aladin")
    table = Table({"x": [1.0, np.nan]})
    with connected() as client:
        assert send_table(client, table, "top", name="mine") == ["Topcat"]
        assert sorted(send_table(client, table)) == ["Aladin", "Topcat"]
        with pytest.raises(OSError, match=r"no program 'ds9' takes tables.*Aladin"):
            send_table(client, table, "ds9")
        topcat.refuse = "no more memory"
        with pytest.raises(OSError, match="Topcat did not take the table: no more memory"):
            send_table(client, table, "topcat")
    params, got = topcat.took[0]
    assert params["name"] == "mine"
    assert got["x"][0] == 1.0
    assert len(topcat.took) == 2
    other.client.disconnect()


def test_no_hub(tmp_path, monkeypatch):
    """Said in one line, with what to do."""
    monkeypatch.setenv("SAMP_HUB", f"std-lockurl:{(tmp_path / 'none').as_uri()}")
    with (
        pytest.raises(OSError, match="no SAMP hub is running; start TOPCAT or Aladin"),
        connected(),
    ):
        pass


def test_rows_come(hub, topcat):
    """In their order as long as somebody looks; the end of the hub is the end."""
    with connected() as client:
        rows = highlighted(client, seconds=0.01)
        threading.Timer(0.3, lambda: topcat.highlight(7, url="x")).start()
        params, row = next(rows)
        assert (params["url"], row) == ("x", 7)
        threading.Timer(0.2, hub.stop).start()
        assert list(rows) == []


def test_a_hub_that_is_killed(hub, topcat, monkeypatch):
    """It says nothing any more, which ends the wait as well."""
    with connected() as client:
        monkeypatch.setattr(client, "ping", lambda: (_ for _ in ()).throw(ConnectionRefusedError))
        assert list(highlighted(client, seconds=0.01)) == []


@pytest.mark.parametrize("command", ["estimate", "annotate", "match"])
def test_commands_send(command, topcat, sed, tmp_path, ensemble_dir, capsys):
    """--samp sends the table that is written or printed else."""
    catalog = tmp_path / "catalog.fits"
    Table({"RA": [10.0, 20.0], "DEC": [5.0, 5.0]}).write(catalog)
    words = {"estimate": [sed], "annotate": [catalog, sed], "match": [catalog]}[command]
    words = [command, *map(str, words), "--ensemble", str(ensemble_dir), "--samp", "topcat"]
    assert main(words) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert "sent to Topcat" in err
    assert main([*words, "-o", str(tmp_path / "out.fits")]) == 0
    assert len(topcat.took) == 2
    assert topcat.took[0][1].colnames == topcat.took[1][1].colnames
    own = topcat.took[1][0]["url"].endswith("/out.fits")
    assert own


@pytest.mark.parametrize("command", ["advise", "explain"])
def test_advice_is_sent(command, topcat, tmp_path, capsys):
    """Lists of targets go to a program as estimates do."""
    sed = sed_table(FREQUENCY, NUFNU, meta={"ra": 10.0, "dec": 5.0})
    sed.write(tmp_path / "sed.txt", format="vou-sed")
    assert main([command, str(tmp_path / "sed.txt"), "--samp", "topcat"]) == 0
    assert "log_nu_peak" in topcat.took[0][1].colnames
    assert "sent to Topcat" in capsys.readouterr().err


def test_highlighted_rows_are_drawn(hub, topcat, sed, tmp_path, ensemble_dir, monkeypatch):
    """Rows of our table, and of a catalog with positions; others are said to have no SED."""
    catalog = tmp_path / "catalog.fits"
    Table({"RA": [99.0, 20.0], "DEC": [5.0, 5.0]}).write(catalog)
    said, output = [], tmp_path / "view.png"
    monkeypatch.setattr("blase_astro.cli.plot.say", lambda options: said.append)

    def answered(n):
        end = time.monotonic() + 60
        while len(said) < n and time.monotonic() < end:
            time.sleep(0.05)

    def click():
        answered(1)
        time.sleep(0.5)  # from saying so to listening
        ours = {"table-id": topcat.took[0][0]["table-id"]}
        theirs = {"url": catalog.as_uri()}
        for n, (row, params) in enumerate([(0, ours), (1, theirs), (0, theirs), (9, ours)]):
            topcat.highlight(row, **params)
            answered(n + 2)
        hub.stop()

    thread = threading.Thread(target=click)
    thread.start()
    words = ["plot", str(sed), "--samp", "-o", str(output), "--ensemble", str(ensemble_dir)]
    assert main(words) == 0
    thread.join()
    assert said[0].startswith("2 SEDs sent to Topcat")
    no_sed = "row {} of another table has no SED here"
    assert said[1:] == ["drawn: 1.txt", "drawn: 2.txt", no_sed.format(0), no_sed.format(9)]
    assert output.stat().st_size > 5000


def test_no_window(topcat, sed, ensemble_dir, capsys):
    """Without a display and a file there is nowhere to draw to."""
    assert main(["plot", str(sed), "--samp", "--ensemble", str(ensemble_dir)]) == 1
    assert "no window can be opened here; give -o FILE" in capsys.readouterr().err
