"""Doctests run in a folder of their own, from which the tree's files are seen and not changed."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _own_folder_for_doctests(request, tmp_path_factory, monkeypatch):
    if isinstance(request.node, pytest.DoctestItem):
        folder = tmp_path_factory.mktemp("doctest")
        for name in ("catalogs", "docs", "tests"):
            (folder / name).symlink_to(Path(__file__).parent / name)
        monkeypatch.chdir(folder)
