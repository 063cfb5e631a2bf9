"""Coverage-guided fuzzing of one reader, by hand; needs atheris.

    python tests/fuzz/fuzz.py ssdc -max_total_time=600

What is not documented ends the run and is kept by libFuzzer as ``crash-...``: make it small, give
it the reader's name, ``tests/data/fuzz/ssdc-...``, and the suite reads it ever after.
"""

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["blase_astro"]):
    from readers import READERS, outcome, seeds


def main():
    """Fuzz the reader that is named first; the other words are libFuzzer's."""
    if len(sys.argv) < 2 or sys.argv[1] not in READERS:
        raise SystemExit(f"wanted a reader: {', '.join(READERS)}")
    name = sys.argv.pop(1)
    with tempfile.TemporaryDirectory() as corpus:
        for i, data in enumerate(seeds()[name]):
            (Path(corpus) / str(i)).write_bytes(data)
        atheris.Setup([*sys.argv, corpus], lambda data: outcome(name, data))
        atheris.Fuzz()


if __name__ == "__main__":
    main()
