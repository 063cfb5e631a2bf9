"""Readers and writers of the services' formats, and merging."""

import json
from pathlib import Path

import numpy as np
import pytest
from astropy.io.registry import IORegistryError
from astropy.table import Table
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from blase_astro.io import sed_table
from blase_astro.io.gadf import read_gadf, read_jetset, write_gadf, write_jetset
from blase_astro.io.merge import merge_seds
from blase_astro.io.ned import ned_sed, read_ned
from blase_astro.io.ssdc import read_ssdc, ssdc_sed
from blase_astro.io.vizier import read_vizier, vizier_sed
from blase_astro.sed import bin_seds, unusable_reason

DATA = Path(__file__).parent / "data" / "services"
COLUMNS = ["frequency", "nufnu", "nufnu_upper", "nufnu_lower", "mjd_start", "mjd_end"]
COLUMNS += ["upper_limit", "catalog", "reference"]
READERS = {
    "ned_photometry.xml": read_ned,
    "ned_photometry_2013.xml": read_ned,
    "vizier_sed.vot": read_vizier,
    "ssdc_sed.json": read_ssdc,
}
GADF = """# %ECSV 1.0
# ---
# datatype:
# - {name: e_ref, unit: TeV, datatype: float64}
# - {name: e2dnde, unit: TeV / (cm2 s), datatype: float64}
# - {name: e2dnde_errn, unit: TeV / (cm2 s), datatype: float64}
# - {name: e2dnde_errp, unit: TeV / (cm2 s), datatype: float64}
# - {name: e2dnde_ul, unit: TeV / (cm2 s), datatype: float64}
# - {name: is_ul, datatype: bool}
# - {name: instrument, datatype: string}
# meta: !!omap
# - {SED_TYPE: e2dnde}
# - {source: BLZ J2158-3013}
# - {redshift: 0.116}
# - {reference: 2001A&A...000..001A}
# schema: astropy-2.0
e_ref e2dnde e2dnde_errn e2dnde_errp e2dnde_ul is_ul instrument
1.0 1e-12 1e-13 2e-13 "" False HESS
10.0 5e-14 "" "" 3e-13 True HESS
"""
DNDE = """# %ECSV 1.0
# ---
# datatype:
# - {name: e_min, unit: GeV, datatype: float64}
# - {name: e_max, unit: GeV, datatype: float64}
# - {name: dnde, unit: 1 / (cm2 s GeV), datatype: float64}
# - {name: dnde_err, unit: 1 / (cm2 s GeV), datatype: float64}
# schema: astropy-2.0
e_min e_max dnde dnde_err
1.0 4.0 1e-9 1e-10
"""
NORM = """# %ECSV 1.0
# ---
# datatype:
# - {name: e_ref, unit: TeV, datatype: float64}
# - {name: ref_dnde, unit: 1 / (cm2 s TeV), datatype: float64}
# - {name: norm, datatype: float64}
# - {name: norm_err, datatype: float64}
# - {name: norm_ul, datatype: float64}
# - {name: is_ul, datatype: bool}
# schema: astropy-2.0
e_ref ref_dnde norm norm_err norm_ul is_ul
2.0 1e-12 1.5 0.3 2.2 False
"""
JETSET = """# %ECSV 0.9
# ---
# datatype:
# - {name: x, unit: Hz, datatype: float64}
# - {name: y, unit: erg/(cm2 s) , datatype: float64}
# - {name: dy, unit: erg/(cm2 s) ,datatype: float64}
# - {name: T_start, unit: MJD, datatype: float64}
# - {name: T_stop, unit: MJD, datatype: float64}
# - {name: UL, datatype: bool}
# - {name: dataset, datatype: string}
# meta: !!omap
# - {z: 0.0308 }
# - {restframe: obs}
# - {data_scale: lin-lin}
# - {obj_name: 'J1104+3812,Mrk421'}
# schema: astropy-2.0
x y dy T_start T_stop UL dataset
1e10 4e-14 4e-15 55000.0 55001.0 False campaign
1e17 3e-10 0.0 0.0 0.0 False campaign
1e26 2e-12 1e-12 0.0 0.0 True campaign
"""
TEV_ERG = 1.602176634
TEV_HZ = 2.417989242e26


@pytest.fixture
def merged():
    """The three small answers as one SED."""
    return merge_seds([READERS[name](DATA / name) for name in list(READERS)[1:]])


@pytest.mark.parametrize("name", READERS)
def test_readers_return_the_sed_table(name):
    """Every reader gives the columns, units and origin that everything downstream takes."""
    sed = READERS[name](DATA / name)
    assert sed.colnames[:9] == COLUMNS
    assert sed["frequency"].unit == "Hz"
    assert sed["nufnu"].unit == "erg / (s cm2)"
    assert sed.meta["origin"] == name.split("_")[0]
    assert np.isfinite(bin_seds([sed])).sum() >= 3


@pytest.mark.parametrize("name", READERS)
def test_readers_take_paths_bytes_and_file_objects(name):
    """A path as str or Path, an open file and the bytes give the same rows."""
    reader, path = READERS[name], DATA / name
    with path.open("rb") as handle:
        seds = [reader(path), reader(str(path)), reader(path.read_bytes()), reader(handle)]
    for sed in seds[1:]:
        assert (sed["frequency"] == seds[0]["frequency"]).all()


@pytest.mark.parametrize("name", READERS)
def test_cut_off_answer_is_an_oserror(name):
    """A file that ends in the middle is not read as if it were whole."""
    data = (DATA / name).read_bytes()
    with pytest.raises(OSError, match="damaged or cut off"):
        READERS[name](data[: len(data) * 2 // 3])


@pytest.mark.parametrize("name", READERS)
def test_web_page_is_an_oserror(name):
    """A login page in the place of the answer is named as what it is."""
    with pytest.raises(OSError, match=r"not (a VOTable|JSON).*<html>"):
        READERS[name](b"<html><body>Please log in</body></html>")


def test_ned_generations_agree():
    """The present column names and those of 2013 give the same numbers."""
    new, old = read_ned(DATA / "ned_photometry.xml"), read_ned(DATA / "ned_photometry_2013.xml")
    assert new.colnames == old.colnames
    for name in new.colnames:
        if new[name].dtype.kind == "f":
            assert_allclose(new[name].filled(-1), old[name].filled(-1), rtol=1e-12)
        else:
            assert (new[name] == old[name]).all()


def test_ned_rows():
    """Lines are dropped, Jy become nu F_nu in Hz, limits and lower limits are told apart."""
    sed = read_ned(DATA / "ned_photometry.xml")
    assert len(sed) == 10
    assert sed.meta["name"] == "BLZ J2158-3013"
    assert sed.meta["comments"][0] == "NED: emission lines left out: 1"
    radio = sed[sed["catalog"] == "1.4 GHz"][0]
    assert_allclose(radio["nufnu"], 1.4e9 * 0.489e-23)
    assert np.ma.is_masked(radio["nufnu_upper"])
    limit = sed[sed["upper_limit"]]
    assert list(limit["catalog"]) == ["100 microns"]
    assert_allclose(limit["nufnu"], 3e12 * 0.4e-23)
    lower = sed[sed["catalog"] == "38 MHz"][0]
    assert np.ma.is_masked(lower["nufnu"])
    assert_allclose(lower["nufnu_lower"], 38e6 * 140e-23)


def test_ned_uncertainties_become_one_sigma():
    """Two sigma are halved, 90 per cent are divided by 1.645, both sides apart."""
    sed = read_ned(DATA / "ned_photometry.xml")
    two = sed[sed["significance"] == "2 sigma"][0]
    assert_allclose(two["nufnu_upper"] / two["nufnu"], 1.1)
    ninety = sed[sed["significance"] == "90% confidence"][0]
    assert_allclose(ninety["nufnu_upper"] / ninety["nufnu"], 1 + 0.1 / 1.645)
    assert_allclose(ninety["nufnu_lower"] / ninety["nufnu"], 1 - 0.05 / 1.645)


def test_ned_band_flux_is_spread_over_its_band():
    """An energy flux of 2-10 keV becomes nu F_nu at the mean log frequency of the band."""
    sed = read_ned(DATA / "ned_photometry.xml")
    band = sed[sed["catalog"] == "2-10 keV (XMM)"][0]
    assert_allclose(band["frequency"], np.sqrt(20) * 2.417989e17)
    assert_allclose(band["nufnu"], 4.0e-11 / np.log(5), rtol=2e-3)
    assert "2-10" not in str(sed[sed["catalog"] == "1 keV (Einstein)"]["catalog"][0])


def test_ned_duplicates_are_kept_and_marked():
    """The wider aperture and the repeated row are marked; the other epoch is not."""
    sed = read_ned(DATA / "ned_photometry.xml")
    optical = sed[sed["catalog"] == "V (Johnson)"]
    assert list(optical["duplicate"]) == [False, True, False]
    assert list(sed[sed["catalog"] == "1.4 GHz"]["duplicate"]) == [False, True]


def test_ned_error_answer_is_a_valueerror():
    """What NED says in the place of a table becomes the message."""
    with pytest.raises(ValueError, match=r"NED answered: No object found\."):
        read_ned(DATA / "ned_nothing.xml")


def test_votable_status_is_repeated():
    """A status of ERROR, the standard's way, becomes the message; so does an empty answer."""
    text = (DATA / "ned_nothing.xml").read_text()
    status = '<INFO name="QUERY_STATUS" value="ERROR">Service is closed</INFO>'
    text = text.replace('<PARAM name="Error" value=" No object found."/>', status)
    with pytest.raises(ValueError, match="VizieR answered: Service is closed"):
        read_vizier(text.encode())
    with pytest.raises(ValueError, match=r"VizieR answered: nothing \(no table\)"):
        read_vizier(text.replace(status, "").encode())


def test_numbers_as_text():
    """Tables that hold numbers as text or bytes, as older clients return them, work alike."""
    new = Table.read(DATA / "ned_photometry.xml", format="votable", use_names_over_ids=True)
    flux = np.ma.asarray(new["Flux Density"])
    new["Flux Density"] = [
        b"" if m else str(x).encode() for x, m in zip(flux, flux.mask, strict=True)
    ]
    assert_allclose(
        ned_sed(new)["nufnu"].filled(-1), read_ned(DATA / "ned_photometry.xml")["nufnu"].filled(-1)
    )


def test_foreign_tables_are_refused():
    """A VOTable of another kind is named by the column it lacks."""
    with pytest.raises(ValueError, match="column 'Frequency' is missing"):
        ned_sed(Table({"ra": [1.0]}))
    with pytest.raises(ValueError, match="column 'sed_freq' is missing"):
        vizier_sed(Table({"ra": [1.0]}))
    with pytest.raises(ValueError, match="column 'Frequency' is missing"):
        read_ned(DATA / "vizier_sed.vot")


def test_vizier_rows():
    """GHz and Jy become nu F_nu; the catalog is the table, a Julian date becomes an MJD."""
    sed = read_vizier(DATA / "vizier_sed.vot")
    assert_allclose(sed["nufnu"][0], 239.83e12 * 38.2e-26)
    assert_allclose(sed["nufnu_upper"][0], 239.83e12 * 39.0e-26)
    assert list(sed["catalog"][:3]) == ["II/246/out", "I/999/copy", "II/328/allwise"]
    assert list(sed["reference"][:3]) == ["2MASS:J", "2MASS:J", "WISE:W1"]
    assert list(sed["duplicate"]) == [False, True, False, False, False]
    assert sed["mjd_start"][2] == 55329.5
    assert sed["mjd_end"][2] == 55330.5
    assert (sed.meta["ra"], sed.meta["dec"]) == (329.71694, -30.22556)


def test_vizier_names_with_and_without_underscore():
    """The service has used both names for its columns; without a unit its usual one holds."""
    table = Table({"sed_freq": [1.4], "sed_flux": [0.5], "sed_eflux": [0.1], "sed_filter": ["L"]})
    assert_allclose(vizier_sed(table)["nufnu"], 1.4e9 * 0.5e-23)
    assert np.isnan(vizier_sed(table).meta["ra"])


def test_ssdc_rows():
    """Limits are found inside Info, an error of 0 is unknown, the bibcode is the reference."""
    sed = read_ssdc(DATA / "ssdc_sed.json")
    assert list(sed["upper_limit"]) == [False, False, False, True, False]
    assert list(sed["catalog"]) == ["NVSS", "allwise w1", "EGRET3", "EGRET3", "Some paper"]
    assert sed["reference"][0] == "1998AJ....000..007G"
    assert sed["reference"][2] == "1999A&A...000..009I"
    assert np.ma.is_masked(sed["nufnu_upper"][1])
    assert_allclose(sed["nufnu_lower"][0], 6.65e-15)
    assert sed["nufnu_upper"][3] == sed["nufnu"][3]
    assert np.ma.is_masked(sed["mjd_start"][1])


def test_ssdc_refuses_other_answers():
    """An error answer, another unit and other fields are refused with what was wanted."""
    good = json.loads((DATA / "ssdc_sed.json").read_text())
    bad = good | {"ResponseInfo": {"statusCode": "ERROR", "message": ["out of order"]}}
    with pytest.raises(ValueError, match="SSDC answered: ERROR: out of order"):
        ssdc_sed(bad)
    with pytest.raises(ValueError, match="Frequency has the unit 'GHz', wanted 'Hz'"):
        ssdc_sed(good | {"Properties": {"Units": {"Frequency": "GHz"}}})
    with pytest.raises(ValueError, match="no list 'Datasets', got Catalogs"):
        ssdc_sed({"Catalogs": []})
    with pytest.raises(ValueError, match="wanted a JSON object, got a list"):
        ssdc_sed([])


def test_ssdc_is_recognised_by_its_content(tmp_path):
    """Table.read needs no format for an answer of the SED Builder, and leaves other JSON alone."""
    assert Table.read(DATA / "ssdc_sed.json").meta["origin"] == "ssdc"
    (tmp_path / "other.json").write_text('{"other": 1}')
    with pytest.raises(IORegistryError, match="Format could not be identified"):
        Table.read(tmp_path / "other.json")


@pytest.mark.parametrize("name", READERS)
def test_formats_are_registered(name):
    """Table.read knows the formats by the names of the documentation."""
    form = f"{name.split('_')[0]}-sed"
    sed = Table.read(DATA / name, format=form)
    assert (sed["frequency"] == READERS[name](DATA / name)["frequency"]).all()


@pytest.mark.parametrize("form", ["gadf-sed", "jetset-sed"])
def test_writers_are_registered(tmp_path, merged, form):
    """An SED table can be written and read as any other format of astropy."""
    merged.write(tmp_path / "sed.ecsv", format=form)
    back = Table.read(tmp_path / "sed.ecsv", format=form)
    assert back.meta["origin"] == form.removesuffix("-sed")


@pytest.mark.parametrize(
    ("name", "n_rows", "n_limits"), [("ssdc_mrk421", 2301, 48), ("ssdc_3c4543", 1185, 5)]
)
def test_ssdc_real_answers(shared_data, name, n_rows, n_limits):
    """Every row and every limit of two real answers is there."""
    sed = read_ssdc(shared_data / "sed_samples" / f"{name}.json")
    assert len(sed) == n_rows
    assert sed["upper_limit"].sum() == n_limits
    assert (np.isfinite(bin_seds([sed])).sum(axis=1) > 15).all()


def test_gadf_e2dnde():
    """e2dnde in any unit, both errors, limits and the header's redshift are understood."""
    sed = read_gadf(GADF.encode())
    assert_allclose(sed["frequency"], [TEV_HZ, 10 * TEV_HZ])
    assert_allclose(sed["nufnu"], np.array([1e-12, 3e-13]) * TEV_ERG)
    assert_allclose(sed["nufnu_upper"], np.array([1.2e-12, 3e-13]) * TEV_ERG)
    assert_allclose(sed["nufnu_lower"][0], 0.9e-12 * TEV_ERG)
    assert list(sed["upper_limit"]) == [False, True]
    assert list(sed["catalog"]) == ["HESS", "HESS"]
    assert list(sed["reference"]) == ["2001A&A...000..001A"] * 2
    assert (sed.meta["redshift"], sed.meta["name"]) == (0.116, "BLZ J2158-3013")


def test_gadf_dnde_and_norm():
    """dnde at the mean log energy, and gammapy's norm of a reference, become nu F_nu."""
    dnde = read_gadf(DNDE.encode())
    assert_allclose(dnde["frequency"], 2e-3 * TEV_HZ)
    assert_allclose(dnde["nufnu"], 4e-9 * 1e-3 * TEV_ERG)
    assert_allclose(dnde["nufnu_upper"], 4.4e-9 * 1e-3 * TEV_ERG)
    norm = read_gadf(NORM.encode())
    assert_allclose(norm["nufnu"], 4e-12 * 1.5 * TEV_ERG)
    assert_allclose(norm["nufnu_lower"], 4e-12 * 1.2 * TEV_ERG)


def test_gadf_refuses_what_it_cannot_turn_into_nufnu():
    """Band-integrated fluxes, missing units and other files get one clear line."""
    with pytest.raises(ValueError, match="write them with sed_type='e2dnde'"):
        read_gadf(DNDE.replace("dnde", "flux").encode())
    with pytest.raises(ValueError, match="wanted a column 'e_ref'"):
        read_gadf(JETSET.encode())
    with pytest.raises(ValueError, match="column 'e_ref' has no unit"):
        read_gadf(GADF.replace("unit: TeV, ", "", 1).encode())
    with pytest.raises(OSError, match="neither a FITS table nor ECSV"):
        read_gadf(b"energy flux\n1 2\n")


def test_jetset_table():
    """Times of 0, errors of 0 and the older column name dataset mean what JetSeT means."""
    sed = read_jetset(JETSET.encode())
    assert_allclose(sed["nufnu_upper"].filled(0), [4.4e-14, 0, 2e-12])
    assert list(sed["upper_limit"]) == [False, False, True]
    assert sed["mjd_start"][0] == 55000
    assert np.ma.is_masked(sed["mjd_start"][1])
    assert list(sed["catalog"]) == ["campaign"] * 3
    assert sed.meta["redshift"] == 0.0308


def test_jetset_log_scale():
    """The log-log scale holds log10 of both and the error of log10 nu F_nu."""
    lines = [line for line in JETSET.splitlines() if not line[0].isdigit()]
    text = "\n".join([*lines, "10.0 -13.0 0.1 0 0 False a"]).replace("lin-lin", "log-log")
    sed = read_jetset(text.encode())
    assert_allclose(sed["frequency"], 1e10)
    assert_allclose(sed["nufnu_upper"], 1e-13 * (1 + 0.1 * np.log(10)))


def test_jetset_refuses_other_frames_and_scales():
    """Luminosities in the source's frame are not taken for fluxes."""
    with pytest.raises(ValueError, match="in the frame 'src': wanted 'obs'"):
        read_jetset(JETSET.replace("restframe: obs", "restframe: src").encode())
    with pytest.raises(ValueError, match="wanted 'lin-lin' or 'log-log'"):
        read_jetset(JETSET.replace("lin-lin", "lin-log").encode())
    with pytest.raises(ValueError, match="column 'x' is missing"):
        read_jetset(GADF.encode())


@pytest.mark.parametrize("name", ["points.fits", "points.ecsv"])
def test_gadf_round_trip(tmp_path, merged, name):
    """What is written as GADF reads back the same, duplicates and empty rows left out."""
    merged.meta["redshift"] = 0.116
    write_gadf(merged, tmp_path / name)
    back = read_gadf(tmp_path / name)
    kept = merged[(merged["nufnu"].filled(0) > 0) & ~merged["duplicate"]]
    kept.sort("frequency")
    assert len(back) == len(kept) > 8
    for column in COLUMNS[:4]:
        assert_allclose(back[column].filled(-1), kept[column].filled(-1), rtol=1e-9)
    assert (back["upper_limit"] == kept["upper_limit"]).all()
    assert (back["catalog"] == kept["catalog"]).all()
    assert back.meta["redshift"] == 0.116
    with pytest.raises(OSError, match="exists"):
        write_gadf(merged, tmp_path / name)
    write_gadf(merged, tmp_path / name, overwrite=True)


def test_jetset_round_trip(tmp_path, merged):
    """What is written for JetSeT reads back with symmetric errors."""
    write_jetset(merged, tmp_path / "sed.ecsv")
    back = read_jetset(tmp_path / "sed.ecsv")
    kept = merged[(merged["nufnu"].filled(0) > 0) & ~merged["duplicate"]]
    kept.sort("frequency")
    assert_allclose(back["nufnu"], kept["nufnu"])
    both = (back["nufnu_upper"] - back["nufnu_lower"]).filled(0)
    assert_allclose(both, np.where(kept["upper_limit"], 0, _width(kept)))
    assert (back["upper_limit"] == kept["upper_limit"]).all()


def _width(sed):
    return (sed["nufnu_upper"] - sed["nufnu_lower"]).filled(0)


def test_merge_counts_a_measurement_once(merged):
    """Of NVSS and WISE, which two or three services list, one row of each counts."""
    assert merged.meta["origin"] == "ned+vizier+ssdc"
    assert set(merged["origin"]) == {"ned", "vizier", "ssdc"}
    counted = merged[~merged["duplicate"] & ~merged["upper_limit"]]
    assert (np.abs(np.log10(counted["frequency"] / 1.4e9)) < 0.02).sum() == 1
    assert (np.abs(np.log10(counted["frequency"] / 8.9e13)) < 0.02).sum() == 1
    assert len(merged) == sum(len(READERS[name](DATA / name)) for name in list(READERS)[1:])


def test_merge_keeps_epochs_of_one_service():
    """Rows of one SED are never compared with each other."""
    sed = sed_table([8.8e13, 8.8e13], [1e-11, 1.01e-11], catalog=["WISE", "WISE"])
    assert not merge_seds([sed])["duplicate"].any()


def test_merge_keeps_other_surveys_and_other_epochs():
    """A flux of another survey close by, or of WISE in another state, still counts."""
    one = sed_table([8.8e13], [1e-11], catalog=["allwise w1"])
    two = sed_table([8.9e13] * 2, [1.1e-11, 3e-11], catalog=["IRAC", "NEOWISE"])
    assert not merge_seds([one, two])["duplicate"].any()


def test_merge_of_a_merged_sed_keeps_its_origins(merged):
    """Merging again changes neither the origin of a row nor what counts."""
    again = merge_seds([merged, merged])
    assert (again["origin"][: len(merged)] == merged["origin"]).all()
    assert again.meta["origin"] == "ned+vizier+ssdc"
    counted = ~again["duplicate"] & np.isfinite(again["nufnu"].filled(np.nan))
    first = ~merged["duplicate"] & np.isfinite(merged["nufnu"].filled(np.nan))
    assert counted.sum() == first.sum()


def test_merge_nothing():
    """There is no SED of no SEDs."""
    with pytest.raises(ValueError, match="no SED to merge"):
        merge_seds([])


@settings(max_examples=50)
@given(
    st.lists(
        st.tuples(st.floats(7, 26), st.floats(-17, -8), st.sampled_from(["", "WISE", "NVSS"])),
        max_size=12,
    )
)
def test_merging_an_sed_with_itself_adds_nothing(rows):
    """Whatever the rows, a second copy of an SED is marked altogether and the first never."""
    frequency = 10.0 ** np.array([row[0] for row in rows])
    nufnu = 10.0 ** np.array([row[1] for row in rows])
    sed = sed_table(frequency, nufnu, catalog=[row[2] for row in rows])
    duplicate = merge_seds([sed, sed])["duplicate"]
    assert not duplicate[: len(rows)].any()
    assert duplicate[len(rows) :].all()


def test_duplicates_never_count(merged):
    """The bins of a merged SED are those of its rows without the marked ones."""
    assert_allclose(bin_seds([merged]), bin_seds([merged[~merged["duplicate"]]]))
    reason = unusable_reason(merged)
    assert (reason[merged["duplicate"]] == "repeated measurement").all()
