"""What several test modules need."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data():
    """The folder of real SEDs and catalogs; tests that need it skip where it is absent."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("BLASE_TEST_DATA", beside))
    if not (folder / "SEDs.zip").is_file():
        pytest.skip(f"real data not found: {folder} (set BLASE_TEST_DATA)")
    return folder
