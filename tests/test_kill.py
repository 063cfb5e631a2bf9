"""A few of the kills of tests/kill/kills.py."""

import importlib.util
from pathlib import Path

import pytest


def test_killed_commands_leave_nothing():
    """No half file, no worker, and no temporary file after the next run."""
    if not Path("/proc/self/stat").is_file():
        pytest.skip("processes are looked for in /proc")
    path = Path(__file__).parent / "kill" / "kills.py"
    spec = importlib.util.spec_from_file_location("kills", path)
    kills = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(kills)
    kills.SUFFIXES = (".fits", ".vot")
    assert kills.kills(6, seed=3, names=("estimate", "match", "annotate")) == []
