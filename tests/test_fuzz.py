"""Odd input for every reader of strangers' bytes: read, or a ValueError or OSError; nothing else.

``tests/fuzz`` does the same at length, by hand; what it found lies in ``tests/data/fuzz``.
"""

import json
import random
import sys
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).with_name("fuzz")))

import mutate
import readers

GOOD = readers.seeds()
FINDS = sorted(mutate.FINDS.glob("*-*"))
FEW = settings(max_examples=60, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("path", FINDS, ids=lambda path: path.name)
def test_finds(path):
    """What once broke a reader does so no more."""
    name = path.name.split("-")[0]
    if name not in readers.READERS:
        pytest.skip("pyarrow is not installed")
    readers.outcome(name, path.read_bytes())


@pytest.mark.parametrize("name", readers.READERS)
def test_good_input_is_read(name):
    """The good files are read: odd ones that are made of them get far."""
    outcomes = [readers.outcome(name, data) for data in GOOD[name]]
    assert outcomes.count("read") >= (len(outcomes) + 1) // 2


@pytest.mark.parametrize("name", readers.READERS)
def test_mutated(name):
    """Some hundred accidents, the same ones each time."""
    n = 150 if name in ("vou", "ssdc", "npz") else 50
    _, finds, _ = mutate.run(name, n, random.Random(7), GOOD[name])
    assert not finds


@pytest.mark.parametrize("name", readers.READERS)
def test_any_bytes(name):
    """No bytes at all, and any, behind the first bytes that make a reader listen."""

    @FEW
    @given(st.data(), st.binary(max_size=200))
    def check(data, tail):
        start = data.draw(st.sampled_from(GOOD[name]))
        readers.outcome(name, start[: data.draw(st.integers(0, min(400, len(start))))] + tail)

    check()


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)
KEYS = ["Datasets", "Data", "Reference", "Name", "Bibliography", "URL", "Meta", "InfoSeparator"]
KEYS += ["Properties", "Units", "ResponseInfo", "statusCode", "message", "Frequency", "Nufnu"]


@st.composite
def odd_answers(draw):
    """An answer of the SSDC in which objects are lists and numbers are anything."""
    answer = json.loads((readers.SERVICES / "ssdc_sed.json").read_text())
    for _ in range(draw(st.integers(1, 4))):
        here = answer
        while True:
            keys = list(here) if isinstance(here, dict) else list(range(len(here)))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            if not isinstance(here[key], dict | list) or draw(st.integers(0, 2)) == 0:
                here[key] = draw(VALUES | st.dictionaries(st.sampled_from(KEYS), VALUES))
                break
            here = here[key]
    return json.dumps(answer).encode()


@FEW
@given(odd_answers())
def test_answers_of_other_shapes(data):
    """T1: an answer of the SSDC is checked by its shape before it is used."""
    readers.outcome("ssdc", data)
    readers.outcome("any", data)


@pytest.mark.parametrize("brackets", [b"[", b'{"a":', b'{"Datasets":['])
def test_brackets_without_end(brackets):
    """T1: two hundred thousand of them."""
    start = b'{"ResponseInfo": {}, "Datasets": '
    assert readers.outcome("ssdc", start + brackets * 200_000) == "OSError"
    assert readers.outcome("any", start + brackets * 200_000) == "ValueError"


UNITS = st.sampled_from(["Hz", "GHz", "eV", "um", "Jy", "erg / (cm2 s)", "parrot", "", "dex(Hz)"])
TYPES = st.sampled_from(["float64", "float32", "int64", "bool", "string", "object", "complex128"])
CELLS = st.sampled_from(
    ["1e10", "nan", "inf", '""', "True", "x", "-1", "1e400", "[1,2]", "9" * 400]
)


@st.composite
def odd_ecsv(draw):
    """An ECSV table with some of the columns of an SED, of any type and unit, and odd metadata."""
    known = ["frequency", "nufnu", "nufnu_upper", "upper_limit", "catalog", "mjd_start"]
    known += ["e_ref", "e_min", "e_max", "e2dnde", "dnde", "norm", "ref_dnde", "e2dnde_ul", "is_ul"]
    known += ["x", "y", "dy", "UL", "data_set", "T_start", "duplicate"]
    names = draw(st.lists(st.sampled_from(known), min_size=1, max_size=6, unique=True))
    lines = ["# %ECSV 1.0", "# ---", "# datatype:"]
    for name in names:
        words = [f"name: {name}", f"datatype: {draw(TYPES)}", f"unit: '{draw(UNITS)}'"]
        lines.append(f"# - {{{', '.join(words[: draw(st.integers(1, 3))])}}}")
    lines.append("# meta: !!omap")
    for key in draw(
        st.lists(st.sampled_from(["ra", "dec", "z", "redshift", "data_scale", "name"]))
    ):
        value = draw(
            st.sampled_from(["1.5", "x", "{a: 1}", "[1]", "null", "91", "lin-lin", "9e999"])
        )
        lines.append(f"# - {key}: {value}")
    lines += ["# schema: astropy-2.0", " ".join(names)]
    for _ in range(draw(st.integers(0, 3))):
        lines.append(" ".join(draw(CELLS) for _ in names))
    return "\n".join(lines).encode()


@FEW
@given(odd_ecsv())
def test_tables_of_other_columns(data):
    """T1: ECSV with any types, units and metadata, or without them."""
    for name in ("gadf", "jetset", "any"):
        readers.outcome(name, data)


@st.composite
def odd_votables(draw):
    """A VOTable with the columns of a service, of other types and sizes, and any cells."""
    columns = ["Frequency", "Flux Density", "NED Units", "NED Uncertainty", "Significance", "Units"]
    columns += ["Observed Passband", "Refcode", "sed_freq", "sed_flux", "sed_eflux", "sed_filter"]
    columns += ["_tabname", "_RAJ2000", "_time", "frequency", "nufnu"]
    names = draw(st.lists(st.sampled_from(columns), min_size=1, max_size=9))
    types = st.sampled_from(["double", "float", "char", "int", "boolean", "unicodeChar", "bit"])
    sizes = st.sampled_from(["", ' arraysize="*"', ' arraysize="2"', ' arraysize="2x*"'])
    fields = "".join(
        f'<FIELD name="{name}" datatype="{draw(types)}"{draw(sizes)} unit="{draw(UNITS)}"/>'
        for name in names
    )
    cells = st.sampled_from(
        ["", "1", "1 2", "Jy", "nan", "+/-1e-3", "2-10 keV", "<1", "T", "1e999"]
    )
    rows = "".join(
        f"<TR>{''.join(f'<TD>{draw(cells)}</TD>'.replace('<1', '&lt;1') for _ in names)}</TR>"
        for _ in range(draw(st.integers(0, 3)))
    )
    table = f"<TABLE>{fields}<DATA><TABLEDATA>{rows}</TABLEDATA></DATA></TABLE>"
    return f'<?xml version="1.0"?><VOTABLE><RESOURCE>{table}</RESOURCE></VOTABLE>'.encode()


@FEW
@given(odd_votables())
def test_votables_of_other_columns(data):
    """T1: answers of NED and VizieR with any types, sizes and cells."""
    for name in ("ned", "vizier", "any"):
        readers.outcome(name, data)


def test_long_texts_cost_no_time():
    """S1: the patterns of NED's texts are not slow for long ones."""
    text = (readers.SERVICES / "ned_photometry.xml").read_bytes()
    start = time.monotonic()
    for old in (b"2-10 keV (XMM)", b"90% confidence", b"2 sigma"):
        assert old in text
        for new in (b"1" * 50_000, b"1." * 20_000, b" " * 50_000, b"90" * 20_000 + b"x"):
            readers.outcome("ned", text.replace(old, new))
    assert time.monotonic() - start < 10
