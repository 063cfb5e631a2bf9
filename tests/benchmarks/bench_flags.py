"""What each flag and quality means: errors, intervals and coverage with and without, out of bag.

    python tests/benchmarks/bench_flags.py ARCHIVE [--ensemble DIR] [--thin] [-o docs/tables]

ARCHIVE is the archive that the ensemble was trained on. Every SED is estimated by the members that
never saw its source, and compared with its label. With ``--thin`` each SED is estimated again with
part of its bins left out, at random or from one end: what a flag is for, and rare among the SEDs
as they are. (Coverage is then not to be expected: the intervals were calibrated on whole SEDs.)
"""

import argparse
from pathlib import Path

import numpy as np
from made_with import record

from blase_astro.bulk import read_chunks
from blase_astro.estimates import estimate_binned
from blase_astro.flags import Flag
from blase_astro.settings import Settings


def thinned(chunk, rng):
    """SEDs with bins left out: a random share of all, or all above or below a random one."""
    binned = chunk.binned.copy()
    n, n_bins = binned.shape
    share = rng.uniform(0, 1, (n, 1))
    at_random = rng.random((n, n_bins)) < share
    cut, place = rng.integers(0, n_bins, (n, 1)), np.arange(n_bins)
    one_end = np.where(rng.random((n, 1)) < 0.5, place < cut, place > cut)
    binned[np.where(rng.random((n, 1)) < 0.5, at_random, one_end)] = np.nan
    return chunk._replace(binned=binned)


def out_of_bag(archive, settings, copies, rng):
    """Estimates of the training sources, with their labels."""
    parts = []
    for chunk in read_chunks(archive, settings.first.bin_edges):
        source, _, _ = settings.first.find_source((chunk.ra, chunk.dec))
        for one in [thinned(chunk, rng) for _ in range(copies)] or [chunk]:
            columns, _ = estimate_binned(one.binned, one.n_points, one.ra, one.dec, settings)
            columns["label"] = settings.first.source_columns["label"][source]
            parts.append({name: values[source >= 0] for name, values in columns.items()})
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def line(name, rows, error, width, covered):
    """One line of the table."""
    if rows.sum() < 5:
        return f"{name:18}{rows.sum():7d}"
    return (
        f"{name:18}{rows.sum():7d}{np.median(error[rows]):9.3f}{np.mean(error[rows] > 1):9.3f}"
        f"{np.sqrt(np.mean(error[rows] ** 2)):9.3f}{np.median(width[rows]):9.2f}"
        f"{np.mean(covered[rows]):9.3f}"
    )


def lines(archive, ensemble, *, thin):
    """The table as lines of text."""
    settings = Settings(ensemble=ensemble)
    found = out_of_bag(archive, settings, 3 * thin, np.random.default_rng(0))
    target = settings.first.target
    mean, lo, hi = (found[f"log_{target}{end}"] for end in ("", "_lo", "_hi"))
    known = np.isfinite(mean) & np.isfinite(found["label"])
    flags = found["peak_flags"][known]
    error = np.abs(mean - found["label"])[known]
    covered = ((lo <= found["label"]) & (found["label"] <= hi))[known]
    table = error, (hi - lo)[known], covered
    yield f"{known.sum()} estimates of {target} out of bag (of {len(known)} SEDs)"
    yield f"{'':18}{'n':>7}{'median':>9}{'> 1 dex':>9}{'rms':>9}{'width':>9}{'covered':>9}"
    yield line("all", np.ones(known.sum(), bool), *table)
    for quality in (3, 2, 1):
        yield line(f"peak_quality {quality}", found["peak_quality"][known] == quality, *table)
    yield line("no flag", flags == 0, *table)
    for flag in Flag:
        if (flags & flag).any():
            yield line(flag.name, (flags & flag) != 0, *table)
            yield line("  without it", (flags & flag) == 0, *table)


def main():
    """Print the table, write it if asked."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("archive")
    parser.add_argument("--ensemble")
    parser.add_argument("--thin", action="store_true")
    parser.add_argument("-o", "--output", type=Path, help="folder for flags.txt, flags_thinned.txt")
    options = parser.parse_args()
    text = "\n".join(lines(options.archive, options.ensemble, thin=options.thin))
    print(text)
    if options.output is not None:
        name = "flags_thinned" if options.thin else "flags"
        (options.output / f"{name}.txt").write_text(text + "\n")
        record(options.output, [name], options.ensemble)


if __name__ == "__main__":
    main()
