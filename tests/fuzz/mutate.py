"""Mutated input for every reader: nothing but ValueError and OSError may come out.

    python tests/fuzz/mutate.py -n 100000

Begins from good files and those in ``tests/data/fuzz``. Prints what came out, a row a reader; what
is not documented goes there as a small file, which the suite reads ever after, and makes the exit
code 1.
"""

import argparse
import hashlib
import random
import re
import time
import traceback
from collections import Counter
from pathlib import Path

from readers import READERS, TESTS, outcome, seeds

FINDS = TESTS / "data" / "fuzz"
SLOW = 5.0  # seconds: longer is a find as well
# How many of all inputs each reader gets: those that cost little get more.
SHARES = {"vou": 40, "ssdc": 18, "npz": 3, "npy": 5, "zip": 6, "tar": 5, "votable": 5, "any": 5,
          "ned": 4, "vizier": 4, "gadf": 3, "jetset": 2, "catalog.fits": 3, "catalog.ecsv": 3,
          "catalog.csv": 3, "catalog.vot": 3, "catalog.parquet": 3}  # fmt: skip
NUMBERS = [
    b"0",
    b"-1",
    b"1e999",
    b"nan",
    b"9" * 400,
    b"1" * 5000,
    b"2147483648",
    b"1e-320",
    b"0x1F",
]
PIECES = [
    *NUMBERS, b"", b" ", b"\n", b"\0", b"\xff", b"null", b"[]", b"{}", b"[[", b'"', b"'", b"<",
    b">", b"/>", b"&#49;", b"true", b"*", b"-", b"datatype: ", b"!!omap", b"{a: 1}", b"TFORM1",
    b"&", b",", b"nrows='5'", b"arraysize='3x*'", b"E", b"matched source", b"<TD/>", b"unit='m'",
    b"PK\3\4",
]  # fmt: skip
_TOKEN = re.compile(rb"[-+]?\d[\d.eE+-]*|\w+")


def mutated(rng, data, others):
    """The bytes after some accidents."""
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 5, 9))):
        if not data:
            break
        i, j = sorted(rng.randrange(len(data) + 1) for _ in range(2))
        near = min(i + rng.choice((1, 2, 8, 80, 300)), len(data))
        match rng.choice((0, 1, 2, 3, 4, 5, 6, 6, 6, 6, 6, 7, 8)):
            case 0:
                data = data[:j]
            case 1:
                data = data[:i] + data[near:]
            case 2:
                data = data[:i] + rng.choice(PIECES) + data[i:]
            case 3:
                data = data[:i] + data[i:near] * rng.choice((2, 3, 50)) + data[near:]
            case 4:
                data = data[:i] + bytes([rng.randrange(256)]) + data[i + 1 :]
            case 5:
                data = (
                    data[:i]
                    + bytes([data[i % len(data)] ^ (1 << rng.randrange(8))])
                    + data[i + 1 :]
                )
            case 6:  # one token becomes another piece, or one from elsewhere
                tokens = list(_TOKEN.finditer(data, i, min(i + 2000, len(data))))
                if tokens:
                    token, other = rng.choice(tokens), rng.choice(tokens)[0]
                    piece = rng.choice((rng.choice(PIECES), rng.choice(NUMBERS), other))
                    data = data[: token.start()] + piece + data[token.end() :]
            case 7:  # the head of one file and the end of another
                other = rng.choice(others)
                data = data[:i] + other[rng.randrange(len(other) + 1) :]
            case 8:  # 80 bytes, the card of a FITS header, in the place of another
                a, b = i // 80 * 80, j // 80 * 80
                data = data[:a] + data[b : b + 80] + data[a + 80 :]
    return data[:200_000]


def run(name, n, rng, good, say=print):
    """Give a reader n mutated inputs; how often what came out, and the finds."""
    counts, finds, start = Counter(), {}, time.monotonic()
    for _ in range(n):
        data = mutated(rng, rng.choice(good), good)
        begin = time.monotonic()
        try:
            counts[outcome(name, data)] += 1
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            signature = f"{type(error).__name__} at {Path(where.filename).name}:{where.lineno}"
            counts[type(error).__name__] += 1
            if signature not in finds:
                say(f"{name}: {signature}: {str(error)[:100]}")
            finds[signature] = min(finds.get(signature, data), data, key=len)
        if (seconds := time.monotonic() - begin) > SLOW:
            say(f"{name}: {seconds:.1f} s for {len(data)} bytes")
            finds.setdefault("slow", data)
    return counts, finds, time.monotonic() - start


def main():
    """Mutate, print the table, keep the finds."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("-n", type=int, default=10_000, help="inputs over all readers")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--reader", choices=READERS, action="append")
    options = parser.parse_args()
    chosen = {name: SHARES[name] for name in options.reader or READERS}
    good, total, failed = seeds(), sum(chosen.values()), False
    for name, share in chosen.items():
        kept = [path.read_bytes() for path in sorted(FINDS.glob(f"{name}-*"))]
        n = options.n * share // total
        counts, finds, seconds = run(name, n, random.Random(options.seed), good[name] + kept)
        said = ", ".join(f"{what} {count}" for what, count in counts.most_common())
        print(f"{name:15} {n:6} inputs {seconds:6.0f} s: {said}", flush=True)
        failed |= bool(finds)
        for data in finds.values():
            FINDS.mkdir(exist_ok=True)
            (FINDS / f"{name}-{hashlib.sha256(data).hexdigest()[:10]}").write_bytes(data)
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
