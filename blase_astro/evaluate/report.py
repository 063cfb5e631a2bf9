"""The report of an evaluation: scores and figures on one page."""

from __future__ import annotations

import base64
import html
from typing import TYPE_CHECKING

import numpy as np

from .._version import __version__
from ..io.files import write_table
from ..io.output import placed_folder
from ..targets import SED_CLASSES, TARGETS
from .comparison import _groups, score, score_text
from .figures import (
    plot_confusion,
    plot_estimates,
    plot_gain,
    plot_intervals,
    plot_moving,
    plot_pit,
    plot_reliability,
)
from .labels import refine
from .scores import confusion

if TYPE_CHECKING:
    from .._types import AnyPath, Ensembles, Sequence, Table

__all__ = ["write_report"]

_CAPTIONS = {
    "estimates": "Known and estimated values. The colour says how many sources share a cell; the "
    "lines are the median of the estimates and their 10 and 90 percent quantiles.",
    "intervals": "Prediction intervals in the order of their width, and the known values about "
    "their centres. Triangles are known values outside.",
    "moving": "Median absolute error and median width of the interval in a window of 0.5 dex about "
    "the known value, over the density of the known values.",
    "reliability": "Share of known values inside the central intervals of every probability. On "
    "the diagonal the intervals are right, above it too wide, below it too narrow.",
    "pit": "Predictive distributions at the known values (PIT). Right intervals give a flat "
    "histogram, too wide ones a heap in the middle, too narrow ones heaps at both ends, a bias a "
    "slope.",
    "confusion": "Known and estimated classes: LSP below 10<sup>14</sup> Hz, ISP below "
    "10<sup>15</sup> Hz, HSP above.",
    "gain": "Quantiles of the absolute error: what averaging the members of a bag gains, and how "
    "much better the members look that were trained on the source.",
}
# Heading and content of the columns of the table of errors; filled from a row of `evaluate`.
_SCORE_COLUMNS = {
    "sources": "{sources}",
    "n": "{n}",
    "median |error|": "{abs_error_median:.3f}",
    "25 to 75 %": "{abs_error_25:.3f} to {abs_error_75:.3f}",
    "mean |error|": "{abs_error_mean:.3f}",
    "RMS": "{rms:.3f}",
    "mean bias": "{bias:+.3f}",
    "median bias": "{bias_median:+.3f}",
    "> 1 dex": "{outliers:.3f}",
    "median width": "{width_median:.3f}",
    "25 to 75 % ": "{width_25:.3f} to {width_75:.3f}",
    "Winkler": "{winkler:.3f}",
    "CRPS": "{crps:.3f}",
    "PIT KS": "{pit_ks:.3f}",
}


def write_report(
    folder: AnyPath,
    tables: Sequence[Table],
    *,
    members: dict[str, np.ndarray] | None = None,
    ensemble: Ensembles | None = None,
    title: str = "",
    command: str = "",
    overwrite: bool = False,
) -> Sequence[Table]:
    """Write scores and figures of an evaluation, and one page with all of them.

    Parameters
    ----------
    folder : path-like
        Folder to write to, made where it is missing: ``report.html``, ``scores.txt``, and for each
        target ``scores_<target>.ecsv`` and each figure as PNG and PDF.
    tables : list of `~astropy.table.Table`
        One a target, from `compare` or `~blase_astro.evaluate.out_of_bag`.
    members : dict of str to ndarray, shape (n_bags, n_members, n), optional
        Estimates of every member for the sources of a target, for the figure of the gain.
    ensemble : path-like or list of `~blase_astro.ensemble.Ensemble`, optional
        Where the labels in doubt are to be shown as well.
    title, command : str
        Headline of the page, and what made it.
    overwrite : bool
        Are files that exist to be replaced?

    Returns
    -------
    scores : list of `~astropy.table.Table`
        The scores of each target.

    Raises
    ------
    OSError
        If a file exists already or cannot be written. Nothing is written then.

    Examples
    --------
    >>> from blase_astro.settings import load_ensembles
    >>> from blase_astro.evaluate import out_of_bag_tables
    >>> from blase_astro.evaluate import write_report
    >>> scores = write_report('report', out_of_bag_tables(load_ensembles()), title='A look')
    >>> len(scores)
    2
    """
    with placed_folder(folder, marker="report.html", overwrite=overwrite) as beside:
        parts, all_scores = [], []
        for table in tables:
            target, scores = table.meta["target"], score(table)
            write_table(scores, beside / f"scores_{target}.ecsv")
            figures = _draw(table, (members or {}).get(target))
            images = {
                name: _save(figure, beside / f"{target}_{name}") for name, figure in figures.items()
            }
            parts.append(_target_section(table, scores, images))
            all_scores.append(scores)
        if ensemble is not None:
            parts.append(_doubt_section(refine(ensemble)))
        (beside / "scores.txt").write_text("\n\n".join(map(score_text, all_scores)) + "\n")
        page = _page(title, command, parts)
        (beside / "report.html").write_text(page, encoding="utf-8")
    return all_scores


def _draw(table, members):
    """The figures of one target, by name."""
    from matplotlib.figure import Figure

    target, level = table.meta["target"], table.meta["level"]
    label, estimate, lo, hi = (
        np.asarray(table[c], float) for c in ("label", "estimate", "lo", "hi")
    )
    classes = {name: rows for name, rows in _groups(table).items() if name in SED_CLASSES}
    plots = {
        "estimates": lambda ax: plot_estimates(label, estimate, ax, target=target),
        "intervals": lambda ax: plot_intervals(label, lo, hi, ax, level=level),
        "moving": lambda ax: plot_moving(label, estimate, lo, hi, ax, target=target),
        "reliability": lambda ax: plot_reliability(table["cdf"], ax, groups=classes),
        "pit": lambda ax: plot_pit(table["pit"], ax),
    }
    if target == "nu_peak":
        plots["confusion"] = lambda ax: plot_confusion(label, estimate, ax)
    if members is not None:
        plots["gain"] = lambda ax: plot_gain(label, members, table["bag"], ax)
    figures = {}
    for name, plot in plots.items():
        figures[name] = Figure(figsize=(5.6, 4.2), layout="constrained")
        plot(figures[name].add_subplot())
    return figures


def _save(figure, path):
    """Figure as PDF and PNG; the latter's bytes."""
    figure.savefig(path.with_suffix(".pdf"), metadata={"CreationDate": None})
    figure.savefig(path.with_suffix(".png"), dpi=150)
    return path.with_suffix(".png").read_bytes()


def _page(title, command, parts):
    """The whole page: nothing in it comes from elsewhere."""
    title = html.escape(title or "Evaluation")
    made = f"blase_astro {__version__}" + (
        f": <code>{html.escape(command)}</code>" if command else ""
    )
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>{title}</h1>
<p>Made by {made}</p>
{"".join(parts)}
{_SCORE_NOTES}
</body>
</html>
"""


_STYLE = """
body { font: 16px/1.5 sans-serif; max-width: 76rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: 0.5rem 0 1.5rem; font-size: 0.85rem; }
caption { text-align: left; font-weight: bold; padding: 0.3rem 0; white-space: nowrap; }
th, td { padding: 0.2rem 0.6rem; text-align: right; white-space: nowrap; }
td { border-bottom: 1px solid #ddd; }
th:first-child, td:first-child { text-align: left; }
thead th { border-bottom: 2px solid #888; vertical-align: bottom; }
.wide { overflow-x: auto; }
.figures { display: grid; gap: 1.5rem; }
.figures { grid-template-columns: repeat(auto-fit, minmax(24rem, 1fr)); }
figure { margin: 0; break-inside: avoid; }
figure img { width: 100%; height: auto; }
figcaption { font-size: 0.85rem; color: #444; }
dt { font-weight: bold; } dd { margin: 0 0 0.4rem 1.5rem; }
"""
_SCORE_NOTES = """<h2>What the scores mean</h2>
<dl>
<dt>|error|, RMS, bias</dt><dd>of the estimate minus the known value, in dex (factors of 10); the
share beyond 1 dex are outliers.</dd>
<dt>width</dt><dd>of the prediction interval, in dex.</dd>
<dt>coverage</dt><dd>share of known values inside the central interval of a probability. The error
given is what chance does to it if the probability is right.</dd>
<dt>Winkler</dt><dd>mean width of the interval plus 2/&alpha; times the distance of each known value
outside (Gneiting &amp; Raftery 2007, eq. 43): smaller is better, and only honest intervals make it
small.</dd>
<dt>CRPS</dt><dd>continuous ranked probability score, the same for the whole distribution: the mean
absolute error of an estimate without uncertainty.</dd>
<dt>PIT KS</dt><dd>largest distance of the distribution of the PIT from a flat one.</dd>
</dl>"""


def _target_section(table, scores, images):
    """Tables and figures of one target."""
    target, level = table.meta["target"], table.meta["level"]
    head = (
        f"<h2>{html.escape(_headline(target))}</h2>\n<p>{scores['n'][0]} sources with "
        f"label and estimate, {scores['n_missing'][0]} without; {100 * level:g}-percent intervals; "
        "log10, all errors and widths in dex.</p>\n"
    )
    rows = [[form.format_map(dict(row)) for form in _SCORE_COLUMNS.values()] for row in scores]
    errors = _html_table("Errors and intervals", _SCORE_COLUMNS, rows)
    percents = (50, 68, 90, 95, 99)
    rows = [
        [row["sources"], str(row["n"])]
        + [f"{row[f'coverage_{p}']:.3f} ± {row[f'coverage_{p}_err']:.3f}" for p in percents]
        for row in scores
    ]
    coverage = _html_table("Coverage", ["sources", "n", *[f"{p} % asked" for p in percents]], rows)
    if target == "nu_peak":
        count = confusion(table["label"], table["estimate"])
        rows = [[name, *map(str, row)] for name, row in zip(SED_CLASSES, count, strict=True)]
        coverage += _html_table(
            "Classes: known (rows), estimated (columns)", ["", *SED_CLASSES], rows
        )
    figures = "\n".join(_html_figure(target, name, image) for name, image in images.items())
    return f'{head}{errors}{coverage}<div class="figures">\n{figures}\n</div>\n'


def _headline(target):
    """What a target is, at the beginning of a line."""
    words = TARGETS[target].words
    return words if words.startswith("nu F_nu") else words.capitalize()


def _html_table(caption, heads, rows):
    """A table whose cells are text."""
    head = "".join(f'<th scope="col">{html.escape(h)}</th>' for h in heads)
    body = "\n".join(
        "<tr>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in row) + "</tr>"
        for row in rows
    )
    return (
        f'<div class="wide"><table>\n<caption>{html.escape(caption)}</caption>\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table></div>\n"
    )


def _html_figure(target, name, image):
    data = base64.b64encode(image).decode()
    return (
        f'<figure id="{target}-{name}"><img src="data:image/png;base64,{data}" '
        f'alt="{name} of {target}"><figcaption>{_CAPTIONS[name]}</figcaption></figure>'
    )


def _doubt_section(refined, most=50):
    """The labels that their estimates contradict."""
    doubtful = refined[refined["suspicious"] > 0]
    share = 100 * refined.meta["FALSEDIS"]
    text = (
        f"<h2>Labels in doubt</h2>\n<p>{len(doubtful)} of {len(refined)} sources have a label that "
        f"disagrees with the out-of-bag estimate beyond chance; up to {share:g} percent of these "
        "may be right.</p>\n"
    )
    for target in TARGETS.values():
        rows = doubtful[doubtful["suspicious"] & (1 << target.index) > 0]
        if len(rows):
            rows.sort(f"log_{target.name}_q")
            text += _doubt_table(rows[:most], target.name, len(rows))
    return text


def _doubt_table(rows, target, n):
    """Labels of one target in doubt, the most surely wrong first."""
    heads = ("source", "RA", "Dec", "bag", "bins", "label", "estimate", "interval", "z", "q")
    cells = [
        (
            row["name"],
            f"{row['ra']:.5f}",
            f"{row['dec']:+.5f}",
            row["bag"],
            row["n_bins"],
            f"{row[f'log_{target}_label']:.2f}",
            f"{row[f'log_{target}']:.2f}",
            f"{row[f'log_{target}_lo']:.2f} to {row[f'log_{target}_hi']:.2f}",
            f"{row[f'log_{target}_z']:+.1f}",
            f"{row[f'log_{target}_q']:.2g}",
        )
        for row in rows
    ]
    shown = f"the first {len(rows)} of {n}" if len(rows) < n else f"all {n}"
    return _html_table(f"{_headline(target)}: {shown}", heads, cells)
