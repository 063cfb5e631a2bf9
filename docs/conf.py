"""Settings of the documentation: python -m sphinx -W -n docs docs/_build/html, or tox -e docs."""

import sys
import zlib
from importlib.metadata import metadata
from pathlib import Path

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx_astropy.conf.v2 import *  # noqa: F403
from sphinx_astropy.conf.v2 import exclude_patterns, extensions

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE)]  # the tree's package, installed or not; reference.py

project = "blase_astro"
author = metadata("blase-astro")["Author"]
version = release = metadata("blase-astro")["Version"]
copyright = f"2026, {author}"

extensions.remove("sphinx_astropy.ext.changelog_links")  # there are no numbered requests yet
extensions.remove("matplotlib.sphinxext.plot_directive")  # figures: FIGURES, below
extensions.remove("sphinx.ext.mathjax")  # formulas: MathML, below
extensions += ["sphinx_design", "sphinx_gallery.gen_gallery"]
exclude_patterns += ["tables", "generated", "examples"]

nitpicky = True
nitpick_ignore_regex = [("py:obj", r"[A-Z_]+")]  # constants of a module, named in its docstrings
default_role = "obj"
numpydoc_show_class_members = False
numpydoc_xref_param_type = False
automodsumm_inherited_members = False
autodoc_inherit_docstrings = False
autodoc_typehints = "none"
# A named tuple documents its fields in its own docstring.
autodoc_default_options = {"exclude-members": "__new__"}

html_math_renderer = "mathml"
html_title = f"blase_astro {release}"
html_logo = "_static/logo.svg"
html_favicon = "_static/logo.svg"
html_static_path = ["_static"]
html_css_files = ["blase.css"]
html_theme_options = {
    "logo": {"text": "blase_astro"},
    # The pages are few: all in the side bar, none twice.
    "navbar_center": [],
    "navbar_persistent": [],
    "navbar_end": ["search-button-field", "theme-switcher"],
    "show_toc_level": 2,
    "show_nav_level": 1,
    "footer_start": ["copyright"],
    "footer_end": ["last-updated"],
}
html_sidebars = {"**": ["pages.html"]}
templates_path = ["_templates"]
html_show_sourcelink = False

# --- the gallery: every script of examples/ is run ----------------------------------------------

sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "gallery",
    "within_subsection_order": "FileNameSortKey",
    "doc_module": ("blase_astro",),
    "reference_url": {"blase_astro": None},
    "write_computation_times": False,
    "min_reported_time": 60,
    "matplotlib_animations": False,
    "thumbnail_size": (400, 280),
}

# --- links to other projects ------------------------------------------------------------------

# Where a project cannot be reached, the inventory of the names we use stands in for its own: the
# links are the same, and a build without a network is as strict as one with it.
SITES = {
    "python": "https://docs.python.org/3/",
    "numpy": "https://numpy.org/doc/stable/",
    "scipy": "https://docs.scipy.org/doc/scipy/",
    "astropy": "https://docs.astropy.org/en/stable/",
    "astroquery": "https://astroquery.readthedocs.io/en/latest/",
    "matplotlib": "https://matplotlib.org/stable/",
    "torch": "https://docs.pytorch.org/docs/stable/",
    "lightning": "https://lightning.ai/docs/pytorch/stable/",
}
intersphinx_mapping = {name: (url, (None, f"generated/{name}.inv")) for name, url in SITES.items()}
intersphinx_timeout = 5


def write_inventories():
    """The names of links.txt as inventories in Sphinx's format."""
    folder = HERE / "generated"
    folder.mkdir(exist_ok=True)
    rows = [row.split() for row in (HERE / "links.txt").read_text().splitlines()]
    rows = [row for row in rows if row and row[0] in SITES]
    for name in SITES:
        head = f"# Sphinx inventory version 2\n# Project: {name}\n# Version: \n"
        head += "# The remainder of this file is compressed using zlib.\n"
        body = "".join(
            f"{key} {kind} 1 {page} -\n" for site, key, kind, page in rows if site == name
        )
        (folder / f"{name}.inv").write_bytes(head.encode() + zlib.compress(body.encode()))


write_inventories()

# --- figures, by the package's own command ----------------------------------------------------

DEMO = HERE.parent / "catalogs" / "demo_sed.txt"
# What is made in docs/generated, and by which command.
FIGURES = {"quickstart.png": ["plot", str(DEMO)], "report": ["evaluate"]}


def make_figures(app):
    """Run the commands that draw the figures."""
    from blase_astro.cli import main

    for name, words in FIGURES.items():
        output = HERE / "generated" / name
        code = main([*words, "-o", str(output), "--overwrite", "--quiet"])
        if code != 0:
            raise RuntimeError(f"blase {' '.join(words)} ended with {code}: no figure {name}")


def make_reference(app):
    """Write the parts that are made from the package itself."""
    import reference

    reference.write(HERE / "generated")


# --- formulas as MathML, which browsers show without a script from the network -----------------


def visit_math(self, node):
    """Inline formula."""
    self.body.append(tex2mathml(node.astext()))
    raise nodes.SkipNode


def visit_math_block(self, node):
    """Formula on a line of its own."""
    self.body.append(f'<div class="math">{tex2mathml(node.astext(), as_block=True)}</div>')
    raise nodes.SkipNode


def setup(app):
    """Called by Sphinx."""
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_math_block, None))
    app.connect("builder-inited", make_figures)
    app.connect("builder-inited", make_reference)
