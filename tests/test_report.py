"""Reports and sheets of SEDs, in Python and from the command line."""

import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from astropy import units as u
from astropy.table import Table
from numpy.testing import assert_allclose, assert_array_equal

from blase_astro.cli import main
from blase_astro.evaluate import (
    compare,
    compare_targets,
    member_means,
    normal_interval,
    out_of_bag_tables,
    score,
    score_text,
    sed_panels,
    sheet,
    write_sheet,
)
from blase_astro.io import sed_table
from blase_astro.io.files import write_table

RNG = np.random.default_rng(31)
LABELS = Table(
    {
        "file": [f"SED_{i}" for i in range(60)],
        "ra": np.linspace(0, 300, 60),
        "dec": np.linspace(-80, 80, 60),
        "log_nu_peak": RNG.uniform(12, 17, 60),
        "log_nufnu_peak": RNG.uniform(-13, -10, 60),
    }
)
SED = sed_table(
    [1.4e9, 1e13, 5e14, 2.4e17, 1e23],
    [2e-14, 5e-12, 8e-12, 3e-13, 1e-12],
    meta={"ra": 10.0, "dec": 20.0},
)


def _estimates(order=slice(None)):
    """Estimates of the labels with 95-percent intervals, in the columns that blase writes."""
    table = Table({"name": [f"SEDs/SED_{i}.txt" for i in range(60)]})
    table["ra"], table["dec"] = LABELS["ra"] + 1e-4, LABELS["dec"]
    for name in ("log_nu_peak", "log_nufnu_peak"):
        mean = LABELS[name] + RNG.normal(0, 0.3, 60)
        table[name] = mean
        table[f"{name}_lo"], table[f"{name}_hi"] = normal_interval(mean, 0.3)
    table["n_bins"] = RNG.integers(3, 26, 60)
    table.meta["PILEVEL"] = 0.95
    return table[order]


ESTIMATES = _estimates()


class _Page(HTMLParser):
    """What a page is made of."""

    def __init__(self, text):
        super().__init__()
        self.open, self.images, self.others = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag == "img":
            self.images.append(attrs["src"])
        elif tag not in ("meta",):
            self.open.append(tag)
        self.others += [attrs[key] for key in ("href", "src") if key in attrs and tag != "img"]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture
def files(tmp_path):
    """Labels, estimates and an SED as files."""
    LABELS.write(tmp_path / "labels.ecsv")
    ESTIMATES.write(tmp_path / "estimates.fits")
    SED.write(tmp_path / "sed.txt", format="vou-sed")
    return tmp_path


# --- estimates beside labels ------------------------------------------------------------------


@pytest.mark.parametrize("by", ["position", "name", "name, of SEDs without positions"])
def test_join(by):
    """Rows are joined by position, or by file name without folder and suffix."""
    estimates, labels = ESTIMATES[::-1][:40].copy(), LABELS.copy()
    if by == "name":
        labels.remove_columns(["ra", "dec"])
    elif by != "position":
        estimates["ra"], estimates["dec"] = np.nan, np.nan
    table = compare(estimates, labels)
    assert len(table) == 40
    assert_allclose(table["estimate"], table["label"], atol=1.5)
    row = list(table["estimate"]).index(ESTIMATES["log_nu_peak"][50])
    assert table["label"][row] == LABELS["log_nu_peak"][50]


def test_join_is_one_to_one():
    """Two estimates near one label: the nearer one is taken."""
    estimates = ESTIMATES[[5, 5]].copy()
    estimates["ra"][0] += 1e-3
    estimates["log_nu_peak"] = [1.0, 2.0]
    assert_array_equal(compare(estimates, LABELS)["estimate"], [2.0])


def test_linear_columns():
    """Columns in Hz are taken as log10, and 0 as no value, as in 4LAC."""
    labels = LABELS["ra", "dec"].copy()
    labels["nu_syn"] = 10 ** LABELS["log_nu_peak"]
    labels["nu_syn"][3] = 0
    table = compare(ESTIMATES, labels)
    assert np.isnan(table["label"]).sum() == 1
    assert_allclose(np.delete(table["label"], 3), np.delete(LABELS["log_nu_peak"], 3))


@pytest.mark.parametrize("radius", [5 * u.arcsec, "0.1arcmin"])
def test_labels_in_any_unit_and_radius(radius):
    """A label of 1e5 GHz is 14, not 5, and a radius with a unit joins."""
    labels = LABELS["ra", "dec"].copy()
    labels["nu_peak"] = 10 ** (LABELS["log_nu_peak"] - 9)
    labels["nu_peak"].unit = "GHz"
    table = compare(ESTIMATES, labels, radius=radius)
    assert_allclose(table["label"], LABELS["log_nu_peak"])


def test_the_class_is_that_of_the_known_frequency():
    """Of the frequency its own label, whatever it is called; of the flux that beside it."""
    labels = LABELS.copy()
    labels["by_hand"] = labels["log_nu_peak"] + 1
    table = compare(ESTIMATES, labels, label="by_hand")
    assert_array_equal(table["log_nu_peak"], labels["by_hand"])
    table = compare(ESTIMATES, labels, target="nufnu_peak")
    assert_array_equal(table["log_nu_peak"], labels["log_nu_peak"])


def test_labels_of_refining_are_no_estimates():
    """A table of refining holds both: the labels are known, not the estimates beside them."""
    labels = LABELS["ra", "dec"].copy()
    labels["log_nu_peak"], labels["log_nu_peak_label"] = 1.0, LABELS["log_nu_peak"]
    assert_allclose(compare(ESTIMATES, labels)["label"], LABELS["log_nu_peak"])


def test_a_file_named_twice_counts_once():
    """Joined by name, one to one: the first of each."""
    estimates, labels = ESTIMATES[[5, 5, 6]].copy(), LABELS[[5, 6, 6]].copy()
    estimates.remove_columns(["ra", "dec"])
    estimates["log_nu_peak"], labels["log_nu_peak"] = [1.0, 2.0, 3.0], [14.0, 15.0, 16.0]
    table = compare(estimates, labels)
    assert_array_equal(table["estimate"], [1.0, 3.0])
    assert_array_equal(table["label"], [14.0, 15.0])


def test_other_columns():
    """The columns of other tools are named by the caller."""
    estimates = Table(ESTIMATES["ra", "dec"])
    estimates["peak"], estimates["low"], estimates["high"] = (
        ESTIMATES[f"log_nu_peak{end}"] for end in ("", "_lo", "_hi")
    )
    labels = Table(LABELS["ra", "dec"])
    labels["by_hand"] = LABELS["log_nu_peak"]
    table = compare(estimates, labels, columns=("peak", "low", "high"), label="by_hand", level=0.95)
    assert_allclose(table["estimate"], ESTIMATES["log_nu_peak"])


def test_both_targets_are_compared_where_they_are_there():
    """Frequency and flux; a named column is that of one target alone."""
    labels = LABELS.copy()
    both = compare_targets(ESTIMATES, labels)
    assert [table.meta["target"] for table in both] == ["nu_peak", "nufnu_peak"]
    assert_array_equal(both[1]["label"], compare(ESTIMATES, labels, target="nufnu_peak")["label"])
    one = compare_targets(ESTIMATES, labels, label="log_nu_peak", level=0.5)
    assert [(table.meta["target"], table.meta["level"]) for table in one] == [("nu_peak", 0.5)]
    labels.remove_column("log_nu_peak")
    assert [t.meta["target"] for t in compare_targets(ESTIMATES, labels)] == ["nufnu_peak"]
    labels.remove_column("log_nufnu_peak")
    with pytest.raises(ValueError, match="labels: wanted a column log_nu_peak_label or"):
        compare_targets(ESTIMATES, labels)


def test_out_of_bag_tables_know_the_class(ensembles):
    """The known peak frequency stands beside the flux, where there is one for each source."""
    nu, nufnu = ensembles["nu_peak"], ensembles["nufnu_peak"]
    both = out_of_bag_tables([nufnu, nu], level=0.5)
    for table in both:
        assert_array_equal(table["log_nu_peak"], nu.source_columns["label"])
        assert table.meta["level"] == 0.5
    (alone,) = out_of_bag_tables([nufnu])
    assert "log_nu_peak" not in alone.colnames
    fewer = {name: column[:200] for name, column in nu.source_columns.items()}
    of_fewer = out_of_bag_tables([nufnu, replace(nu, source_columns=fewer)])
    assert ["log_nu_peak" in table.colnames for table in of_fewer] == [False, True]


def test_what_is_missing_is_named():
    """A missing column or a join without result says so."""
    with pytest.raises(ValueError, match="labels: wanted a column log_nu_peak_label or"):
        compare(ESTIMATES, LABELS["ra", "dec"])
    with pytest.raises(ValueError, match="wanted a column log_nu_peak_lo beside log_nu_peak"):
        compare(ESTIMATES["ra", "dec", "log_nu_peak"], LABELS)
    with pytest.raises(ValueError, match="the table has no column 'peak'; it has"):
        compare(ESTIMATES, LABELS, columns=("peak", "lo", "hi"))
    with pytest.raises(ValueError, match="no source is in both"):
        compare(ESTIMATES, LABELS, radius=1e-3)
    with pytest.raises(ValueError, match="labels: wanted positions, or a column file"):
        compare(ESTIMATES, LABELS["log_nu_peak",])


def test_some_positions_are_enough():
    """Sources without one are left out; only tables without any are joined by name."""
    estimates = ESTIMATES.copy()
    estimates["ra"][0] = np.nan
    assert (
        len(
            compare(
                estimates["ra", "dec", "log_nu_peak", "log_nu_peak_lo", "log_nu_peak_hi"], LABELS
            )
        )
        == 59
    )


def test_positions_agree_within_five_arcsec():
    """As everywhere, where no radius is given."""
    for offset, n in ((4.9, 60), (5.1, 0)):
        moved = LABELS.copy()
        moved["dec"] += offset / 3600
        if n:
            assert len(compare(ESTIMATES, moved)) == n
            assert len(compare_targets(ESTIMATES, moved)[0]) == n
        else:
            with pytest.raises(ValueError, match="no source is in both"):
                compare(ESTIMATES, moved)
            with pytest.raises(ValueError, match="no source is in both"):
                compare_targets(ESTIMATES, moved)


def test_scores_of_a_comparison():
    """The level of the intervals is that of the estimates; flux is grouped by class as well."""
    for target in ("nu_peak", "nufnu_peak"):
        scores = score(compare(ESTIMATES, LABELS, target=target))
        assert list(scores["sources"][:4]) == ["all", "LSP", "ISP", "HSP"]
        assert scores["n"][0] == scores["n"][1:4].sum() == 60
        assert_allclose(scores["rms"][0], 0.3, atol=0.1)
        assert scores.meta["level"] == 0.95
        lines = score_text(scores).splitlines()
        assert len(lines) == 3 + len(scores)
        assert {"sources", "rms", "in95%", "winkler", "pit_ks"} <= set(lines[1].split())  # no ...


# --- the report -------------------------------------------------------------------------------


def test_report_of_an_ensemble(ensemble_dir, tmp_path, capsys):
    """Text on stdout; tables, figures and one page that needs nothing else in the folder."""
    folder = tmp_path / "report"
    assert main(["evaluate", str(ensemble_dir), "-o", str(folder)]) == 0
    printed = capsys.readouterr().out
    assert printed.count("LSP") == 2
    assert printed == (folder / "scores.txt").read_text()
    figures = ("estimates", "intervals", "moving", "reliability", "pit")
    for target in ("nu_peak", "nufnu_peak"):
        scores = Table.read(folder / f"scores_{target}.ecsv")
        assert scores["n"][0] == 300
        for name in figures:
            assert (folder / f"{target}_{name}.png").read_bytes()[:4] == b"\x89PNG"
            assert (folder / f"{target}_{name}.pdf").read_bytes()[:4] == b"%PDF"
    text = (folder / "report.html").read_text(encoding="utf-8")
    page = _Page(text)
    assert page.open == []
    assert page.others == []
    assert len(page.images) == 2 * len(figures) + 1
    assert all(src.startswith("data:image/png;base64,") for src in page.images)
    assert "Labels in doubt" in text
    assert not re.search(r"https?://|<script", text)
    assert [path.name for path in tmp_path.iterdir()] == ["report"]


def test_existing_report_is_kept(ensemble_dir, tmp_path, capsys):
    """A report is replaced only when asked for; other files in its folder stay."""
    (tmp_path / "report.html").write_text("mine")
    (tmp_path / "notes.txt").write_text("mine too")
    assert main(["evaluate", str(ensemble_dir), "-o", str(tmp_path)]) == 1
    assert "give --overwrite to replace it" in capsys.readouterr().err
    assert (tmp_path / "report.html").read_text() == "mine"
    assert main(["evaluate", str(ensemble_dir), "-o", str(tmp_path), "--overwrite"]) == 0
    assert (tmp_path / "report.html").read_text() != "mine"
    assert (tmp_path / "notes.txt").read_text() == "mine too"


def test_report_needs_its_parent(ensemble_dir, tmp_path, capsys):
    """A folder that cannot be made is said before the work, in one line."""
    assert main(["evaluate", str(ensemble_dir), "-o", str(tmp_path / "a" / "b")]) == 1
    assert "does not exist" in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    assert main(["evaluate", str(ensemble_dir), "-o", str(tmp_path / "file")]) == 1
    assert "is a file; wanted a folder" in capsys.readouterr().err


def test_members_of_the_archive(ensembles, tmp_path):
    """The members estimate the training sources found in an archive; others stay NaN."""
    ensemble = ensembles["nu_peak"]
    sources = ensemble.source_columns
    for i in (3, 7):
        sed = SED.copy()
        sed.meta |= {"ra": sources["ra"][i], "dec": sources["dec"][i]}
        sed.write(tmp_path / f"{i}.txt", format="vou-sed")
    mean = member_means(ensemble, tmp_path)
    assert mean.shape == (ensemble.n_bags, ensemble.n_members, 300)
    assert_array_equal(np.flatnonzero(np.isfinite(mean[0, 0])), [3, 7])
    SED.write(tmp_path / "elsewhere.txt", format="vou-sed")
    with pytest.raises(ValueError, match=r"elsewhere\.txt holds no SED of a training source"):
        member_means(ensemble, tmp_path / "elsewhere.txt")


def test_gain_of_members(ensembles, tmp_path):
    """With the SEDs of the training set the report shows what averaging members gains."""
    ensemble = ensembles["nu_peak"]
    ensemble.save(tmp_path / "nu_peak.npz")
    sed = SED.copy()
    sed.meta |= {name: ensemble.source_columns[name][0] for name in ("ra", "dec")}
    sed.write(tmp_path / "sed.txt", format="vou-sed")
    output = ["-o", str(tmp_path / "report"), "--seds", str(tmp_path / "sed.txt"), "-q"]
    assert main(["evaluate", str(tmp_path), *output]) == 0
    assert (tmp_path / "report" / "nu_peak_gain.png").exists()
    assert not (tmp_path / "report" / "nufnu_peak_gain.png").exists()


def test_evaluate_against_truth(files, capsys):
    """Any estimates against any labels: both targets where both are there."""
    truth = ["--truth", str(files / "labels.ecsv")]
    assert main(["evaluate", str(files / "estimates.fits"), *truth]) == 0
    printed, said = capsys.readouterr()
    assert "nu_peak" in printed
    assert "nufnu_peak" in printed
    assert "60 of 60 estimates have one of 60 known values" in said
    output = ["-o", str(files / "report"), "--target", "nufnu_peak", "-q"]
    assert main(["evaluate", str(files / "estimates.fits"), *truth, *output]) == 0
    printed, said = capsys.readouterr()
    assert printed.startswith("nufnu_peak")
    assert said == ""
    assert not (files / "report" / "scores_nu_peak.ecsv").exists()


@pytest.mark.parametrize("suffix", [".fits", ".vot", ".ecsv", ".csv"])
def test_the_level_of_the_table_counts(files, capsys, suffix):
    """Half of the labels are no miss of intervals that were to hold half; CSV cannot say so."""
    table = ESTIMATES.copy()
    table.meta["PILEVEL"] = 0.5
    write_table(table, files / f"half{suffix}")
    words = [str(files / f"half{suffix}"), "--truth", str(files / "labels.ecsv")]
    assert main(["evaluate", *words]) == 0
    printed, said = capsys.readouterr()
    assert ("95-percent intervals" if suffix == ".csv" else "50-percent intervals") in printed
    assert ("0.95 is assumed (--level)" in said) == (suffix == ".csv")
    assert main(["evaluate", *words, "--level", "0.68"]) == 0
    printed, said = capsys.readouterr()
    assert "68-percent intervals" in printed
    assert "assumed" not in said


def test_evaluate_usage(files, ensemble_dir, capsys):
    """Options that make no sense together are refused."""
    assert main(["evaluate", str(ensemble_dir), "--label", "x"]) == 1
    assert "need --truth" in capsys.readouterr().err
    assert main(["evaluate", "--truth", str(files / "labels.ecsv")]) == 1
    assert "--truth goes with a table of estimates" in capsys.readouterr().err
    assert main(["evaluate", str(ensemble_dir), "--level", "95"]) == 2


# --- refine -----------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".fits", ".vot", ".ecsv"])
def test_refine_command(ensemble_dir, tmp_path, capsys, suffix):
    """The refined training catalog in every format, all columns with descriptions."""
    output = tmp_path / f"refined{suffix}"
    assert main(["refine", str(ensemble_dir), "-o", str(output)]) == 0
    assert "of 300 sources have a suspicious label" in capsys.readouterr().err
    refined = Table.read(output)
    assert len(refined) == 300
    assert {"log_nu_peak_label", "log_nufnu_peak_q", "suspicious"} <= set(refined.colnames)
    assert main(["refine", str(ensemble_dir), "-o", str(output)]) == 1
    assert "exists already" in capsys.readouterr().err


def test_refine_prints(ensemble_dir, tmp_path, capsys):
    """The whole table in any format, on standard output."""
    assert main(["refine", str(ensemble_dir), "--format", "ecsv", "-q"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "suspicious" in Table.read(out, format="ascii.ecsv").colnames
    assert main(["refine", str(ensemble_dir)]) == 2
    assert "nowhere to write to" in capsys.readouterr().err


def test_refine_csv(ensemble_dir, tmp_path):
    """The CSV has the columns of the original work."""
    output = tmp_path / "refined.csv"
    assert main(["refine", str(ensemble_dir), "-o", str(output), "-q"]) == 0
    head = output.read_text().splitlines()[0]
    assert head == (
        "Right Ascension,Declination,Bag,Catalogue Peak,Estimated Peak,Estimate Error (95%)"
    )


# --- SEDs -------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".png", ".pdf", ".svg"])
def test_plot_command(files, ensemble_dir, capsys, suffix):
    """One SED with its estimate, in every format."""
    output = files / f"sed{suffix}"
    arguments = ["plot", str(files / "sed.txt"), "-o", str(output)]
    assert main([*arguments, "--ensemble", str(ensemble_dir)]) == 0
    assert "1 SED drawn" in capsys.readouterr().err
    assert output.stat().st_size > 5000
    assert main([*arguments, "--no-estimate"]) == 1
    assert "exists already" in capsys.readouterr().err


def test_plot_many(tmp_path, capsys):
    """Many SEDs are pages of a PDF, or a contact sheet; an image cannot hold several pages."""
    folder = tmp_path / "seds"
    folder.mkdir()
    for i in range(3):
        SED.write(folder / f"{i}.txt", format="vou-sed")
    (folder / "bad.txt").write_text("no SED")
    arguments = ["plot", str(folder), "--no-estimate"]
    assert main([*arguments, "-o", str(tmp_path / "pages.pdf")]) == 0
    said = capsys.readouterr().err
    assert "3 SEDs drawn" in said
    assert "bad.txt" in said
    assert len(re.findall(rb"/Type /Page\b", (tmp_path / "pages.pdf").read_bytes())) == 3
    assert main([*arguments, "-o", str(tmp_path / "sheet.png"), "--contact-sheet"]) == 0
    assert main([*arguments, "-o", str(tmp_path / "pages.png")]) == 1
    assert "need more than one page; wanted a .pdf file" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pages.pdf", "seds", "sheet.png"]


def test_several_processes_draw_the_same(tmp_path, ensemble_dir, monkeypatch, capsys):
    """Pages and their order, what is said and the summary; a contact sheet as well."""
    pypdf = pytest.importorskip("pypdf")
    monkeypatch.setattr(sheet, "_PIECE", 12)
    folder = tmp_path / "seds"
    folder.mkdir()
    for i in range(53):
        SED.write(folder / f"{i:03d}.txt", format="vou-sed")
    (folder / "017.txt").write_text("no SED")
    words = ["plot", str(folder), "--ensemble", str(ensemble_dir)]
    for more, n_pages in (([], 52), (["--contact-sheet"], 5)):
        texts = []
        for jobs in ("1", "2"):
            output = tmp_path / f"{n_pages}-{jobs}.pdf"
            assert main([*words, "-o", str(output), "--jobs", jobs, *more]) == 0
            said = capsys.readouterr().err
            assert "52 SEDs drawn" in said
            assert "017.txt" in said
            pages = pypdf.PdfReader(output).pages
            assert len(pages) == n_pages
            texts.append([page.extract_text() for page in pages])
        if not more:
            assert texts[0] == texts[1]
            assert "052.txt" in texts[1][-1]


def test_plot_what_estimate_takes(ensembles, ensemble_dir, tmp_path, monkeypatch, capsys):
    """A place, a time, a bag, standard input and a name count for what is drawn."""
    sources, drawn = ensembles["nu_peak"].source_columns, []
    monkeypatch.setattr(
        sheet, "write_sheet", lambda panels, *_, **__: drawn.append(list(panels)) or 1
    )
    path = tmp_path / "sed.ecsv"
    sed = SED.copy()
    del sed.meta["ra"], sed.meta["dec"]
    sed["mjd_start"] = [58000.0, 58000, 58000, 58000, 59000]
    sed.write(path)
    words = ["plot", str(path), "-o", str(tmp_path / "x.png"), "--ensemble", str(ensemble_dir)]
    place = ["--ra", str(sources["ra"][7]), "--dec", str(sources["dec"][7])]
    monkeypatch.setattr("blase_astro.fetch.fetch_sed", lambda name, *_, **__: sed)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(path.read_bytes())))
    own = f"--bag={sources['bag'][7]}"
    for more in ([], place, [own], ["--mjd", "57999", "58001"], ["--population", "flat"]):
        assert main([*words, *more]) == 0
    assert main(["plot", "-", "--name", "BLZ", *words[2:]]) == 0
    plain, there, forced, early, flat, (named, piped) = drawn
    assert there[0]["known"] == sources["label"][7]
    assert_allclose(there[0]["peak"], forced[0]["peak"], atol=1e-6)
    assert len(early[0]["sed"]) == 4
    assert_allclose([named["peak"], piped["peak"]], plain[0]["peak"], atol=1e-6)
    for (other,) in (there, flat):
        assert abs(other["peak"] - plain[0]["peak"]) > 1e-5
    capsys.readouterr()
    for more, said in (
        (["--ra", "1"], "wanted both"),
        ([str(path), *place], "for one SED"),
        (["--mjd", "1", "2", "--samp"], "takes SED files"),
    ):
        assert main([*words[:2], *more, *words[2:]]) == 2
        assert said in capsys.readouterr().err
    assert main(["plot", *words[2:]]) == 2
    assert main([*words, "--population", "self"]) == 1
    assert "wanted training, flat or a file" in capsys.readouterr().err


def test_sheet_refuses(tmp_path):
    """Unknown suffixes, missing folders and sheets of nothing are named."""
    with pytest.raises(ValueError, match=r"no known suffix; wanted \.pdf, \.png or \.svg"):
        write_sheet([], tmp_path / "sheet.doc")
    with pytest.raises(ValueError, match="there is no SED to draw"):
        write_sheet([], tmp_path / "sheet.pdf")
    with pytest.raises(FileNotFoundError, match="does not exist"):
        write_sheet([], tmp_path / "a" / "sheet.pdf")
    assert list(tmp_path.iterdir()) == []


def test_panels_do_not_depend_on_the_order_of_the_ensembles(ensembles, tmp_path):
    """Density, interval and known peak are those of the frequency, wherever its ensemble stands."""
    nu, nufnu = ensembles["nu_peak"], ensembles["nufnu_peak"]
    sources = nu.source_columns
    meta = {"ra": sources["ra"][7], "dec": sources["dec"][7]}
    sed = sed_table([1.4e9, 5e9, 5e14, 2.4e17], [2e-14, 3e-14, 8e-12, 3e-13], meta=meta)
    sed.write(tmp_path / "sed.txt", format="vou-sed")
    (first,), (second,), (flux,) = (
        list(sed_panels([tmp_path / "sed.txt"], order, radius=5 * u.arcsec))
        for order in ([nu, nufnu], [nufnu, nu], [nufnu])
    )
    assert first["known"] == second["known"] == sources["label"][7]
    assert first["title"] == second["title"]
    for name in ("density", "interval", "flux_interval"):
        assert_array_equal(first[name], second[name])
    value, density = first["density"]
    assert_allclose(density.sum() * (value[1] - value[0]), 1, atol=0.05)
    assert "known" not in flux
