"""VOTables from strangers: what is refused before it costs or reaches anything."""

import http.server
import threading
import time
import tracemalloc
from contextlib import suppress

import numpy as np
import pytest
from astropy.io.votable import from_table
from astropy.table import MaskedColumn, Table

from blase_astro.io.votables import safe_votable

HEAD = b'<?xml version="1.0"?>\n<VOTABLE version="1.3"><RESOURCE>'
TAIL = b"</RESOURCE></VOTABLE>"
FIELD = b'<FIELD name="a" datatype="double"/>'


def votable(inside, head=HEAD):
    return head + inside + TAIL


def stream(href, tag=b"STREAM"):
    data = b"<DATA><BINARY><" + tag + b" encoding='base64' " + href + b"/></BINARY></DATA>"
    return votable(b"<TABLE>" + FIELD + data + b"</TABLE>")


@pytest.mark.parametrize(
    "data",
    [
        stream(b'href="file:///etc/hostname"'),
        stream(b'href="file:///x"').replace(b"<DATA>", b"""<!-- <TABLE " --><DATA>"""),
        stream(b'href="file:///x"').replace(b"<DATA>", b"<!-- <STREAM ' --><DATA>"),
        stream(b"title='\"' href='file:///x'"),
        stream(b"actuate = 'onLoad' href\n=\n'http://127.0.0.1/x'"),
        stream(b'title=">" href="ftp://127.0.0.1/x"'),
        stream(b'href="file:///etc/hostname"', tag=b"v:STREAM"),
        votable(
            b"<TABLE>" + FIELD + b'<DATA><FITS><STREAM href="file:///x"/></FITS></DATA></TABLE>'
        ),
    ],
)
def test_data_elsewhere(data):
    """S3: nothing that a file points to is opened, however the tag is written."""
    with pytest.raises(ValueError, match=r"refused: its data lie elsewhere .*; wanted a file with"):
        safe_votable(data)


def test_nobody_is_asked():
    """S3: no request goes out."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(404)

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        with pytest.raises(ValueError, match="refused"):
            safe_votable(stream(b'href="http://127.0.0.1:%d/x"' % server.server_port))
        server.shutdown()
        thread.join()
    assert asked == []


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b'<?xml version="1.0"?><!DOCTYPE V [<!ENTITY s "x">]><VOTABLE/>', "declares entities"),
        (
            b'<?xml version="1.0"?><!DOCTYPE V SYSTEM ">" [<!ATTLIST STREAM href CDATA "f">]>',
            "declares entities or attributes",
        ),
        (b'<?xml version="1.0" encoding="utf-16"?><VOTABLE/>', "character set 'utf-16'"),
        (b'<?xml version="1.0" encoding="cp037"?><VOTABLE/>', "character set 'cp037'"),
        (votable(b'<TABLE nrows="200000000">' + FIELD + b"<DATA/></TABLE>"), "200000000 rows"),
        (votable(b'<TABLE nrows="&#50;00000000">' + FIELD + b"<DATA/></TABLE>"), "200000000 rows"),
        (votable(b'<TABLE><FIELD name="a" datatype="double" arraysize="9999999999"/></TABLE>'), ""),
        (votable(b'<TABLE><FIELD name="a>" datatype="int" arraysize="99999x99999"/></TABLE>'), ""),
        (votable(b'<PARAM name="a" datatype="int" arraysize="999999999" value=""/>'), ""),
        (
            votable(
                b'<TABLE><FIELD name="a" datatype="double" arraysize="9999"/><DATA><TABLEDATA>'
                + b"<TR><TD/></TR>" * 9000
                + b"</TABLEDATA></DATA></TABLE>"
            ),
            "9000 rows of 79992 bytes",
        ),
    ],
)
def test_claims(data, reason):
    """Counts that the bytes cannot hold, and what would hide them, are refused at once."""
    tracemalloc.start()
    start = time.monotonic()
    with pytest.raises(ValueError, match=f"VOTable refused: .*{reason}"):
        safe_votable(data)
    assert time.monotonic() - start < 1
    assert tracemalloc.get_traced_memory()[1] < 2 * 10**7
    tracemalloc.stop()


@pytest.mark.parametrize("data", [b"", b"<html></html>", b"{}", b"SIMPLE  =", b"\x1f\x8b"])
def test_other_files(data):
    """What is no VOTable is said to be none."""
    with pytest.raises(OSError, match="not a VOTable, it starts with"):
        safe_votable(data)


@pytest.mark.parametrize(
    "piece",
    [b"<TABLE ", b"<TABLE '", b'<STREAM a="', b"<!DOCTYPE ", b"<TR", b"a", b"a=", b" ", b"<a:"],
)
def test_no_bytes_take_long(piece):
    """Tags, quotes and words without end cost a look each."""
    start = time.monotonic()
    for before in (b"", b"<TABLE ", b"<FIELD name="):
        with suppress(ValueError, OSError):
            safe_votable(votable(before + piece * (300_000 // len(piece))))
    assert time.monotonic() - start < 5


def test_cut_off():
    """So is the end that is missing."""
    with pytest.raises(OSError, match=r"damaged or cut off VOTable \("):
        safe_votable(votable(b"<TABLE>")[:60])


@pytest.mark.parametrize("form", ["tabledata", "binary", "binary2"])
def test_large_and_empty_catalogs_pass(form, tmp_path):
    """Thousands of rows, long texts that are nearly all empty, arrays: what catalogs hold."""
    n = 4000
    table = Table({"name": np.full(n, "", "U200"), "flux": np.zeros((n, 20))})
    table["name"][0] = "x" * 200
    table["z"] = MaskedColumn(np.ones(n), mask=np.arange(n) > 0)
    from_table(table).to_xml(str(tmp_path / "t.vot"), tabledata_format=form)
    tree = safe_votable((tmp_path / "t.vot").read_bytes())
    assert len(tree.get_first_table().to_table()) == n


def test_old_document_type(tmp_path):
    """A DOCTYPE that names a DTD, as old files have, is no reason."""
    head = b'<?xml version="1.0"?><!DOCTYPE VOTABLE SYSTEM "http://us-vo.org/xml/VOTable.dtd">'
    data = votable(b"<TABLE>" + FIELD + b"</TABLE>", head + b'<VOTABLE version="1.0"><RESOURCE>')
    assert len(safe_votable(data).get_first_table().fields) == 1
