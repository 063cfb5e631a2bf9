"""Figures: what is drawn on the Axes, with which words and units."""

import io

import matplotlib as mpl
import numpy as np
import pytest
from astropy.table import Table
from matplotlib.figure import Figure
from numpy.testing import assert_allclose, assert_array_equal

from blase_astro import drawing, plot, plotting
from blase_astro.evaluate import (
    class_groups,
    figures,
    normal_cdf,
    normal_interval,
    sheet,
    write_sheet,
)
from blase_astro.io import sed_table

RNG = np.random.default_rng(4)
MEAN = RNG.uniform(12, 17, 600)
STD = RNG.uniform(0.1, 0.5, 600)
LABEL = RNG.normal(MEAN, STD)
LO, HI = normal_interval(MEAN, STD)
CDF = normal_cdf(LABEL, MEAN, STD)
BAG = np.arange(600) % 5
MEMBERS = LABEL + RNG.normal(0, 0.3, (5, 4, 600))

# One point of every kind: used twice, in no bin, limit, copy, no flux, outside its bounds, limit
# far below all others.
SED = sed_table(
    [1.4e9, 5e14, 1e11, 2.4e17, 1e25, 1e15, 3e14, 1e26],
    [2e-14, 8e-12, 1e-12, 3e-13, 1e-12, 0.0, 1e-12, 1e-19],
    nufnu_upper=[3e-14, 9e-12, np.nan, np.nan, np.nan, np.nan, 5e-13, np.nan],
    nufnu_lower=[0.0, 7e-12, np.nan, np.nan, np.nan, np.nan, 1e-13, np.nan],
    upper_limit=[False, False, False, True, False, False, False, True],
    catalog=["", "", "", "", "DEBL", "", "", ""],
)


@pytest.fixture
def ax():
    """Empty Axes that no pyplot knows of."""
    return Figure().add_subplot()


def _figures(ax):
    """Every figure of the scores, as (function, arguments)."""
    return {
        "estimates": (figures.plot_estimates, (LABEL, MEAN)),
        "intervals": (figures.plot_intervals, (LABEL, LO, HI)),
        "moving": (figures.plot_moving, (LABEL, MEAN, LO, HI)),
        "reliability": (figures.plot_reliability, (CDF,)),
        "pit": (figures.plot_pit, (CDF,)),
        "confusion": (figures.plot_confusion, (LABEL, MEAN)),
        "gain": (figures.plot_gain, (LABEL, MEMBERS, BAG)),
    }


FIGURES = tuple(_figures(None))


@pytest.mark.parametrize("name", FIGURES)
def test_draws_on_the_axes_given(ax, name, tmp_path):
    """Every figure returns the Axes it was given, with words on both, and can be saved."""
    function, arguments = _figures(ax)[name]
    assert function(*arguments, ax) is ax
    assert ax.get_ylabel()
    assert ax.get_xlabel() or ax.get_xticklabels()[0].get_text()
    ax.figure.savefig(tmp_path / "figure.pdf")


@pytest.mark.parametrize("name", FIGURES)
def test_draws_on_the_current_axes(name):
    """Without Axes every figure is drawn on the current ones."""
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    function, arguments = _figures(None)[name]
    figure, current = plt.subplots()
    try:
        assert function(*arguments) is current
    finally:
        plt.close(figure)


@pytest.mark.parametrize("name", FIGURES)
def test_missing_values(ax, name):
    """A source without estimate does not keep the others from being drawn."""
    function, arguments = _figures(ax)[name]
    arguments = [np.array(a, dtype=float) for a in arguments]
    if name != "gain":
        for a in arguments:
            a[..., 0] = np.nan
        function(*arguments, ax)
    else:
        arguments[0][0] = np.nan
        function(*arguments[:2], BAG, ax)


@pytest.mark.parametrize("name", ["estimates", "intervals", "moving", "reliability", "pit"])
def test_no_source(ax, name, tmp_path):
    """No source gives an empty figure, not an error."""
    function, arguments = _figures(ax)[name]
    function(*([np.zeros(0)] * len(arguments)), ax)
    ax.figure.savefig(tmp_path / "figure.png")


def test_estimates(ax):
    """Both axes have one range and the unit; the median line runs along equal values."""
    figures.plot_estimates(LABEL, MEAN, ax)
    assert ax.get_xlim() == ax.get_ylim()
    assert "Hz" in ax.get_xlabel()
    median = next(line for line in ax.get_lines() if line.get_label() == "median estimate")
    assert_allclose(median.get_xdata(), median.get_ydata(), atol=0.35)
    assert "erg" in figures.plot_estimates(LABEL, MEAN, ax, target="nufnu_peak").get_xlabel()


def test_intervals(ax):
    """The shares above and below add up to what is not covered."""
    figures.plot_intervals(LABEL, LO, HI, ax)
    texts = ax.get_legend_handles_labels()[1]
    outside = sum(float(text.split()[0]) for text in texts if "%" in text)
    assert_allclose(outside, 100 * ((LABEL < LO) | (LABEL > HI)).mean(), atol=0.11)
    assert "95-percent interval" in texts


def test_moving(ax):
    """The moving medians of a constant error and width are these constants."""
    mean = LABEL + RNG.choice([-0.2, 0.2], 600)
    figures.plot_moving(LABEL, mean, mean - 0.7, mean + 0.7, ax)
    width, error = (line.get_ydata() for line in ax.get_lines())
    assert_allclose(error[np.isfinite(error)], 0.2)
    assert_allclose(width[np.isfinite(width)], 1.4)
    assert np.isfinite(error).sum() > 100


def test_moving_density(ax):
    """The shaded density of the known values integrates to their number."""
    figures.plot_moving(LABEL, MEAN, LO, HI, ax)
    density = ax.figure.axes[1]
    x, y = density.collections[0].get_paths()[0].vertices.T
    area = np.abs(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1))) / 2
    assert_allclose(area, 600, rtol=0.02)
    assert "per dex" in density.get_ylabel()


def test_reliability(ax):
    """Each class has its own line, told apart by more than its colour."""
    figures.plot_reliability(CDF, ax, groups=class_groups(LABEL))
    lines = {line.get_label().split()[0]: line for line in ax.get_lines()[1:]}
    assert set(lines) == {"all", "LSP", "ISP", "HSP"}
    assert len({lines[name].get_linestyle() for name in ("LSP", "ISP", "HSP")}) == 3
    level, found = lines["all"].get_data()
    assert_allclose(found, level, atol=0.08)


def test_pit(ax):
    """Every source is in the histogram."""
    figures.plot_pit(CDF, ax)
    assert ax.patches[-1].get_data().values.sum() == 600


def test_confusion(ax):
    """The cells hold number and share, the rows of shares adding up to 100 percent."""
    figures.plot_confusion([13, 13, 13, 16], [13, 13, 16, 16], ax)
    texts = [text.get_text() for text in ax.texts]
    assert texts[0] == "2\n67 %"
    assert texts[2] == "1\n33 %"
    assert texts[8] == "1\n100 %"


def test_gain(ax):
    """Averaging independent members halves the error of one for four of them."""
    figures.plot_gain(LABEL, MEMBERS, BAG, ax)
    median = next(line for line in ax.get_lines() if line.get_label() == "median")
    one, own, _ = median.get_ydata()
    assert_allclose(one / own, 2, rtol=0.1)


def _legend(ax):
    return ax.get_legend_handles_labels()[1]


def test_sed_says_what_counts(ax):
    """The legend counts points by what became of them, with the reason."""
    plotting.plot_sed(SED, ax)
    assert_array_equal(
        sorted(_legend(ax)),
        [
            "1 point in no bin",
            "1 point not used: EBL-corrected copy",
            "1 point not used: flux outside its bounds",
            "1 point not used: no flux (1 not in the frame)",
            "2 points used",
            "2 upper limits (1 not in the frame)",
        ],
    )
    assert "Hz" in ax.get_xlabel()
    assert "erg" in ax.get_ylabel()
    assert ax.get_ylim()[0] > -16


def test_sed_peak(ax):
    """Peak, interval, known peak and distribution are drawn where they belong."""
    log_nu = np.linspace(10, 18, 81)
    plotting.plot_sed(
        SED, ax, peak=13.2, interval=(12.6, 13.8), peak_flux=-9.0, flux_interval=(-9.5, -8.5),
        density=(log_nu, normal_cdf(log_nu, 13.2, 0.3)), known=13.0, level=0.9, title="a source",
    )  # fmt: skip
    assert {"estimated peak", "90-percent interval", "known peak"} <= set(_legend(ax))
    assert ax.get_ylim()[1] >= -8.5
    assert ax.get_title() == "a source"
    top = max(line.get_ydata().max() for line in ax.get_lines() if len(line.get_ydata()) == 81)
    assert 1.1 < top < 1.16  # in heights of the Axes: above them


def test_sed_without_estimate(ax):
    """An estimate of NaN is no peak, and no legend is drawn unless wanted."""
    plotting.plot_sed(SED, ax, peak=np.nan, known=np.nan, legend=False, title="a source")
    assert "estimated peak" not in _legend(ax)
    assert ax.get_legend() is None
    assert ax.get_title() == "a source"


@pytest.mark.parametrize("title", ["a$b", "$x^{", "a_b^c", "\\alpha", "日本", "<&>", "50 % {x}"])
def test_names_are_not_formulas(ax, title, tmp_path):
    """A name with any character is drawn as it is."""
    plotting.plot_sed(SED, ax, title=title)
    assert ax.get_title() == title
    assert write_sheet([{"sed": SED, "title": title}] * 2, tmp_path / "seds.pdf") == 2


def test_energies_lie_where_they_belong(ax):
    """The axis on top: 1 keV is 2.418e17 Hz."""
    plotting.plot_sed(SED, ax)
    (x, y) = next(text.get_position() for text in ax.texts if text.get_text() == "1 keV")
    assert_allclose(10**x, 2.417989e17, rtol=1e-5)
    assert y > 1


def test_key_names_what_is_drawn(ax):
    """Below the Axes stand the entries that a legend would have."""
    plotting.plot_sed(SED, ax, peak=13.2, interval=(12.6, 13.8))
    below = {text.get_text() for text in ax.texts if text.get_position()[1] < 0}
    assert below == set(_legend(ax))


def test_one_page_after_the_other_is_as_alone(tmp_path):
    """Pages that share a figure show nothing of the page before; nor does a sheet."""
    other = sed_table([1e10, 1e11, 1e14], [1e-13, 2e-13, 3e-12])
    alone = {"sed": other, "title": "b"}
    first = {"sed": SED, "title": "a", "peak": 13.0, "interval": (12.0, 14.0), "known": 12.5}
    seen = []
    figure, axes = sheet._page(1)
    for panels in ([alone], [first, alone]):
        for _ in sheet._drawn(panels, figure, axes):
            picture = io.BytesIO()
            figure.savefig(picture, format="png")
        seen.append(picture.getvalue())
    assert seen[0] == seen[1]


def test_sheet_has_a_legend(tmp_path):
    """One a page, with each entry of its SEDs once; panels without an SED are not drawn."""
    figure, axes = sheet._page(12)
    panels = [{"sed": SED, "peak": 13.0}, {"sed": SED, "peak": 13.0, "interval": (12.0, 14.0)}]
    for n in sheet._drawn(panels, figure, axes):
        assert n == 2
        assert [ax.get_visible() for ax in axes] == [True] * 2 + [False] * 10
        entries = [text.get_text() for text in figure.axes[-1].texts]
        assert len(entries) == len(set(entries))
        assert {"point used", "estimated peak", "95-percent interval"} <= set(entries)
    assert len(figure.axes) == 12


def test_plot_in_one_line(ax, ensemble_dir, tmp_path):
    """A file or a table; with the estimate, its options, or without."""
    sed = sed_table([1.4e9, 5e9, 5e14, 2.4e17], [2e-14, 3e-14, 8e-12, 3e-13])
    sed.write(tmp_path / "a$b.txt", format="vou-sed")
    assert plot(tmp_path / "a$b.txt", ax, ensemble=ensemble_dir, level=0.5) is ax
    assert {"estimated peak", "50-percent interval"} <= set(_legend(ax))
    assert ax.get_title().startswith("a$b.txt\nlog νₚₑₐₖ = ")
    bare = plot(SED["frequency", "nufnu"], Figure().add_subplot(), estimate=False, title="x")
    assert bare.get_title() == "x"
    assert "estimated peak" not in _legend(bare)
    with pytest.raises(TypeError, match="did you mean level"):
        plot(SED, ax, levle=0.5)
    with pytest.raises(TypeError, match="without an estimate there is no option 'level'"):
        plot(SED, ax, estimate=False, level=0.5)
    with pytest.raises(FileNotFoundError):
        plot(tmp_path / "nothing.txt", ax)


def test_sed_without_a_usable_point(ax, tmp_path):
    """An SED of which nothing counts is drawn as well."""
    plotting.plot_sed(sed_table([1e9, 0.0], [np.nan, 1e-12]), ax)
    plotting.plot_sed(sed_table([], []), ax)
    ax.figure.savefig(tmp_path / "sed.png")


def test_real_sed(ax, shared_data):
    """A file of VOU_Blazars: limits, copies and points are all accounted for."""
    from blase_astro.io import read_sed

    sed = read_sed(shared_data / "sed_samples" / "TXS_0506+056.txt")
    plotting.plot_sed(sed, ax)
    counted = sum(int(text.split()[0]) for text in _legend(ax))
    assert counted == len(sed)


def test_units_are_honoured():
    """A table in GHz and in W / m2 is drawn where the same in Hz and erg / (s cm2) is."""
    from astropy import units as u
    from astropy.table import QTable

    nu, flux = [1.4e9, 5e14], [2e-14, 8e-12]
    other = QTable(
        {"frequency": (nu * u.Hz).to("GHz"), "nufnu": (flux * u.erg / u.s / u.cm**2).to("W / m2")}
    )
    drawn = [
        plotting.plot_sed(sed, Figure().add_subplot()).containers[0].lines[0].get_xydata()
        for sed in (sed_table(nu, flux), other)
    ]
    assert_allclose(*drawn)


def test_ticks_do_not_crowd(ax):
    """Halves or whole numbers of dex, seven at most, whatever the range."""
    for low, high in ((-12.3, -11.9), (-14, -11), (-16.2, -9), (-40, -9), (-300, 300)):
        ax.set_ylim(low, high)
        drawing.set_flux_ticks(ax)
        ticks = ax.get_yticks()
        assert len(ticks) <= 7
        assert_array_equal(2 * ticks, np.round(2 * ticks))


def test_the_frame_stays_from_page_to_page(tmp_path):
    """It is drawn anew only where the bins or the strip are others; what it frames is not kept."""
    log_nu = np.linspace(10, 18, 81)
    plain = {"sed": SED, "title": "plain"}
    strip = plain | {"density": (log_nu, normal_cdf(log_nu, 13.2, 0.3)), "title": "strip"}
    figure, axes = sheet._page(1)
    seen = []
    for _ in sheet._drawn([plain, plain, strip, strip, plain], figure, axes):
        frame = [artist for artist in sheet._artists(axes[0]) if artist.get_zorder() == 0.5]
        seen.append((len(sheet._artists(axes[0])), *map(id, frame)))
    assert seen[0] == seen[1] != seen[2] == seen[3] != seen[4]
    assert seen[0][0] == seen[4][0]


def test_many_sources_have_one_cross(ax):
    """Intervals that would hide the points become their median."""
    n, ends = 60, {"": 0, "_lo": -0.5, "_hi": 1.0}
    columns = {f"log_nu_peak_rest{end}": np.full(n, 13 + d) for end, d in ends.items()}
    columns |= {f"log_l_peak{end}": np.full(n, 45 + d) for end, d in ends.items()}
    table = Table(columns | {"peak_class": ["LSP"] * n}, meta={"PILEVEL": 0.68})
    assert plotting.plot_sequence(table, ax)[1] == n
    assert _legend(ax) == ["LSP (60)", "median 68-percent intervals"]
    few = plotting.plot_sequence(table[:50], Figure().add_subplot())[0]
    assert _legend(few) == ["LSP (50)"]
    assert len(few.collections) == 2
