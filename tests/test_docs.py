"""What the documentation shows of the command line: it parses, and where it can run it runs."""

import re
import shlex
import shutil
from pathlib import Path

import pytest

from blase_astro import cli
from blase_astro.cli.main import _parser

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.rst"), *ROOT.glob("docs/*.rst")])


def console_blocks(page):
    """Blocks of a page that show a terminal: lists of (command, lines it prints)."""
    text = page.read_text()
    blocks = re.findall(r"^\.\. code-block:: console\n\n((?:(?: {3,}.*)?\n)+)", text, re.MULTILINE)
    for block in blocks:
        steps = []
        for line in re.sub(r"^ {3,4}", "", block, flags=re.MULTILINE).splitlines():
            if line.startswith("$ "):
                steps.append((line[2:], []))
            elif line.strip():
                steps[-1][1].append(line.strip())
        yield steps


BLOCKS = [
    pytest.param(steps, id=f"{page.name}-{i}")
    for page in PAGES
    for i, steps in enumerate(console_blocks(page))
]


@pytest.mark.parametrize("steps", BLOCKS)
def test_commands_parse(steps):
    """Every `blase` line has options that exist."""
    for command, _ in steps:
        words = shlex.split(command, comments=True)
        if words[0] == "blase":
            _parser().parse_args(words[1:])


@pytest.mark.parametrize("steps", [b for b in BLOCKS if "catalogs/" in b.values[0][0][0]])
def test_commands_on_the_demonstration_run(steps, tmp_path, monkeypatch, capsys):
    """Blocks that start from the demonstration run, and print what the page shows."""
    shutil.copytree(ROOT / "catalogs", tmp_path / "catalogs")
    monkeypatch.chdir(tmp_path)
    for command, shown in steps:
        words = shlex.split(command, comments=True)
        assert words[0] == "blase", f"no rule to run {command!r}"
        monkeypatch.setattr("sys.argv", words)
        assert cli.main(words[1:]) == 0, command
        printed = capsys.readouterr()
        lines = [line.strip() for line in (printed.err + printed.out).splitlines()]
        for line in shown:
            pattern = re.escape(line).replace(r"\.\.\.", ".*")
            assert any(re.fullmatch(pattern, got) for got in lines), (line, lines)


def test_the_quickstart_says_what_it_shows():
    """Peak and interval in its words are those of the line above them."""
    text = (ROOT / "docs" / "quickstart.rst").read_text()
    shown = re.search(r"demo_sed.txt: log nu_peak = (\S+) \[(\S+), (\S+)\]", text)
    assert re.findall(r"10\\ :sup:`(\d+\.\d+)`", text) == list(shown.groups())
