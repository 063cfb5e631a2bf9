"""The package as a whole: its floors, what importing it loads, metadata, documentation."""

import ast
import configparser
import importlib
import inspect
import re
import subprocess
import sys
import tomllib
from importlib.metadata import entry_points, metadata
from pathlib import Path

import pytest

import blase_astro

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted((ROOT / "blase_astro").glob("**/*.py"))

# Imports go down, never up or sideways, wherever in a module they stand (docs/design.rst).
FLOORS = (
    ("_lazy", "_types", "_version", "angles", "view"),
    ("io", "sky", "workers", "distribution"),
    ("joins", "position_columns", "samp", "targets", "web"),
    ("bands", "sed"),
    ("calibration", "drawing", "ensemble_file", "networks", "population", "rest", "times"),
    ("ensemble",),
    ("bulk", "flags"),
    ("columns",),
    ("settings",),
    ("estimates",),
    ("catalog_rows", "points", "simulate", "fetch", "plotting"),
    ("catalog",),
    ("advice", "evaluate", "fetch_rows", "training", "survey"),
    ("lsdb",),
    ("cli",),
    ("__main__",),
)
FLOOR_OF = {module: i for i, floor in enumerate(FLOORS) for module in floor}
HEAVY = ("torch", "pytorch_lightning", "sklearn", "matplotlib", "astroquery", "pyarrow", "pandas")
BASE = ("numpy", "scipy", "astropy")
# Which modules may need what is not in the base install.
EXTRAS = {
    "io": {"pyarrow"},
    "survey": {"pyarrow"},
    "lsdb": {"hats", "pandas", "pyarrow"},
    "training": {"torch", "pytorch_lightning"},
    "drawing": {"matplotlib"},
    "evaluate": {"matplotlib", "pypdf"},
    "advice": {"matplotlib"},
    "cli": {"matplotlib"},
    "distribution": {"qp"},
    "samp": {"pyvo"},
    "fetch": {"astroquery", "requests"},
    "web": {"requests", "urllib3"},  # these two come with astroquery
}


def module_of(path):
    """Name of a source file's module inside the package: ``sed``, ``io`` for all of io."""
    return path.relative_to(ROOT / "blase_astro").with_suffix("").parts[0]


def statements(node):
    """All nodes of a source file but what only type checkers read."""
    for child in ast.iter_child_nodes(node):
        if not (isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"):
            yield child
            yield from statements(child)


def imports(path):
    """Modules that a source file imports: our own by name, others by their top name."""
    package = ["blase_astro", *path.relative_to(ROOT / "blase_astro").parts[:-1]]
    own, others = set(), set()
    for node in statements(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            others |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            others.add(node.module.split(".")[0])
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1]
            names = [node.module] if node.module else [alias.name for alias in node.names]
            full = [".".join([*base, name]).split(".") for name in names]
            own |= {parts[1] for parts in full}
    return own, others - set(sys.stdlib_module_names)


def test_every_module_has_a_floor():
    """A new module is given its place, and no place is left empty."""
    assert {module_of(path) for path in SOURCES} - {"__init__"} == set(FLOOR_OF)


def test_no_module_is_long_without_a_reason():
    """What is longer than 450 lines says why at its head, with the word that is looked for here."""
    for path in SOURCES:
        text = path.read_text()
        says_why = "longer than" in (ast.get_docstring(ast.parse(text)) or "")
        assert len(text.splitlines()) <= 450 or says_why, path.relative_to(ROOT)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_down(path):
    """A module imports only what lies on a lower floor, and nothing that is not installed."""
    module = module_of(path)
    own, others = imports(path)
    if module == "__init__":
        assert own <= {"io", "_lazy", "_version"}
    for other in own - {module}:
        assert FLOOR_OF[other] < FLOOR_OF.get(module, 99), f"{module} imports {other}"
    assert others <= {*BASE, *EXTRAS.get(module, ())}


def test_the_walk_of_an_sed_is_the_one_that_is_told():
    """From a file to its columns, the rooms that docs/design.rst names, and what all stand on."""
    told = (ROOT / "docs" / "design.rst").read_text().split("*File to column:*")[1]
    told = set(re.findall(r"``(\w+)``", told.split("*Archive")[0])) - {"population"}
    entered = set()

    def note(frame, event, _):
        path = Path(frame.f_code.co_filename)
        if event == "call" and path.is_relative_to(ROOT / "blase_astro"):
            entered.add(module_of(path))

    blase_astro.estimate(ROOT / "catalogs" / "demo_sed.txt")  # the ensembles are loaded
    sys.setprofile(note)
    try:
        blase_astro.estimate(ROOT / "catalogs" / "demo_sed.txt")
    finally:
        sys.setprofile(None)
    aside = {"__init__", "_lazy", "angles", "settings", "sky", "targets", "times", "view"}
    assert entered - aside == told


def test_importing_loads_nothing_heavy():
    """Neither the package nor what estimates and annotates loads torch, matplotlib and the like."""
    code = (
        "import sys, blase_astro, blase_astro.cli; blase_astro.annotate; "
        f"print(*[name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@pytest.mark.parametrize("name", blase_astro.__all__)
def test_public_names_are_there(name):
    """What the package lists it has, and help() shows it."""
    assert getattr(blase_astro, name) is not None
    assert name in dir(blase_astro)


def test_unknown_name():
    """A wrong name is an AttributeError, as anywhere."""
    with pytest.raises(AttributeError, match="no attribute 'blast'"):
        blase_astro.blast  # noqa: B018


@pytest.mark.parametrize("old", ["dataset", "train", "refine", "report", "io.vou_points"])
def test_modules_that_have_moved_tell_where(old):
    """The old name of a module tells the new one."""
    with pytest.raises(
        ModuleNotFoundError, match=rf"blase_astro\.{old} has moved: its names are in"
    ):
        importlib.import_module(f"blase_astro.{old}")


def public_functions():
    """The functions in the ``__all__`` of the modules that docs/api.rst shows, each once."""
    api = (ROOT / "docs" / "api.rst").read_text()
    found = {}
    skipped = set(re.findall(r":skip: (\S+)", api))
    for name in re.findall(r"automodapi:: (\S+)", api):
        module = importlib.import_module(name)
        assert module.__doc__, name
        for item in (getattr(module, name) for name in set(module.__all__) - skipped):
            if inspect.isfunction(item):
                found[f"{item.__module__}.{item.__qualname__}"] = item
    return found


def public_definitions(tree):
    """Functions that a module lists in ``__all__``, and the methods of classes that it lists."""
    listed = [node.value for node in tree.body if ast.unparse(node).startswith("__all__ = [")]
    words = listed[0].elts if listed else []
    names = {word.value for word in words if isinstance(word, ast.Constant)}
    for node in (node for node in tree.body if getattr(node, "name", "") in names):
        inside = node.body if isinstance(node, ast.ClassDef) else [node]
        for function in inside:
            if isinstance(function, ast.FunctionDef) and not function.name.startswith("_"):
                yield function, node is not function


def test_public_functions_are_annotated():
    """What goes in and what comes out, for type checkers; `mypy` checks that it is true."""
    missing, n = [], 0
    for path in SOURCES:
        for function, is_method in public_definitions(ast.parse(path.read_text())):
            a = function.args
            arguments = [*a.posonlyargs, *a.args, *a.kwonlyargs, a.vararg, a.kwarg][is_method:]
            told = [arg.annotation for arg in arguments if arg] + [function.returns]
            n += 1
            if None in told:
                missing.append(f"{path.name}: {function.name}")
    assert not missing
    assert n > 250
    assert (ROOT / "blase_astro" / "py.typed").is_file()


def test_public_functions_have_an_example():
    """Every public function is documented, with an example that runs as a doctest."""
    functions = public_functions()
    assert len(functions) > 40
    assert not [name for name, f in functions.items() if ">>> " not in (inspect.getdoc(f) or "")]


def test_public_functions_document_what_they_take_and_give():
    """The docstring of a public function names each parameter, and has its results."""
    for name, function in public_functions().items():
        text = inspect.getdoc(function)
        for parameter in inspect.signature(function).parameters:
            assert re.search(rf"\b{parameter}\b", text), f"{name}: {parameter}"
        gives = re.search(r"^\s+(return|yield)\b ?.", inspect.getsource(function), re.MULTILINE)
        assert not gives or re.search(r"^(Returns|Yields)\n-", text, re.MULTILINE), name


def test_versions_agree():
    """One version: of the package, its metadata, and the citation."""
    citation = (ROOT / "CITATION.cff").read_text()
    assert metadata("blase-astro")["Version"] == blase_astro.__version__
    assert re.search(r"^version: (.+)$", citation, re.MULTILINE)[1] == blase_astro.__version__
    changes = (ROOT / "CHANGES.rst").read_text()
    assert blase_astro.__version__.split(".dev")[0] in changes


def test_citation():
    """The package says how to cite it, with the papers it stands on."""
    assert blase_astro.__version__ in blase_astro.__citation__
    for doi in re.findall(r"doi = \{(.+)\}", blase_astro.__citation__):
        assert doi in (ROOT / "CITATION.cff").read_text()


def test_command():
    """The command is installed and is the function that the tests call."""
    (command,) = [e for e in entry_points(group="console_scripts") if e.name == "blase"]
    assert command.value == "blase_astro.cli:main"


def setup_cfg():
    """The settings of setup.cfg."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    return parser


def test_settings_stand_in_one_place():
    """setup.cfg holds the metadata, pyproject.toml the build system and the tools' settings."""
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert set(pyproject) == {"build-system", "tool"}
    assert "setuptools" not in pyproject["tool"]
    assert all(name.split(".")[0] in {"metadata", "options"} for name in setup_cfg().sections())
    for name in ("setup.py", "pytest.ini", ".coveragerc", "ruff.toml", "requirements.txt"):
        assert not (ROOT / name).exists(), f"{name} would compete with pyproject.toml"


def requirements():
    """Requirements of setup.cfg, each once: name and version specifiers."""
    setup = setup_cfg()
    extras = setup["options.extras_require"].values()
    lines = "\n".join([setup["options"]["install_requires"], *extras]).split("\n")
    lines = {line for line in lines if line and not line.startswith("blase-astro")}
    return sorted(re.fullmatch(r"([\w.-]+)(?:\[.*\])?(.*)", line).groups() for line in lines)


def test_every_requirement_has_a_floor_that_is_tested():
    """constraints-oldest.txt, which a tox environment installs, names the floors of setup.cfg."""
    floors = [f"{name}=={re.match(r'>=([0-9.]+)', spec)[1]}" for name, spec in requirements()]
    lines = (ROOT / "constraints-oldest.txt").read_text().splitlines()
    assert [line for line in lines if not line.startswith("#")] == floors


def test_the_recipe_for_conda_names_what_setup_cfg_names():
    """Version, entry point and requirements of the base install are the same in both."""
    yaml = pytest.importorskip("yaml")
    recipe = yaml.safe_load((ROOT / "conda" / "recipe.yaml").read_text())
    assert recipe["context"]["version"] == blase_astro.__version__.split(".dev")[0]
    setup = setup_cfg()
    wanted = setup["options"]["install_requires"].split() + [
        f"python{setup['options']['python_requires']}"
    ]
    named = [r.replace(" ", "").replace("astropy-base", "astropy")
             for r in recipe["requirements"]["run"]]  # fmt: skip
    assert sorted(named) == sorted(wanted)
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    assert set(build) <= {r.replace(" ", "") for r in recipe["requirements"]["host"]}
    assert recipe["about"]["license"] == setup["metadata"]["license"]
    assert recipe["about"]["summary"] == setup["metadata"]["description"]
    (entry,) = recipe["build"]["python"]["entry_points"]
    assert entry in setup["options.entry_points"]["console_scripts"]


def text_files():
    """Files of the repository that people read or edit."""
    folders = ("blase_astro", "tests", "docs", "catalogs", ".ci")
    kinds = {".py", ".rst", ".cfg", ".toml", ".txt", ".ini", ".cff", ".yaml", ".md", ".ecsv", ""}
    built = {"_build", "api", "generated", "__pycache__", ".git"}
    for folder in (ROOT, *(ROOT / name for name in folders)):
        for path in folder.glob("*" if folder == ROOT else "**/*"):
            if path.is_file() and path.suffix in kinds and not built & set(path.parts):
                yield path


def test_no_path_of_one_machine():
    """Nothing in the repository depends on where it lies."""
    somewhere = re.compile(r"(?<![\w.])/(?:work|root|home|Users)/")
    found = [
        str(path.relative_to(ROOT))
        for path in text_files()
        if path.name not in (Path(__file__).name, ".coverage")
        and somewhere.search(path.read_bytes().decode("utf-8", "replace"))
    ]
    assert not found


def test_the_readme_has_its_two_commands():
    """What .ci/run executes is there: install and annotate, install and test."""
    done = subprocess.run(
        [sys.executable, ROOT / ".ci" / "checks.py", "readme", "1"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "blase annotate" in done.stdout


def test_runs_as_a_module():
    """``python -m blase_astro`` is the command."""
    words = [sys.executable, "-m", "blase_astro", "--version"]
    done = subprocess.run(words, capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.startswith("blase_astro ")
