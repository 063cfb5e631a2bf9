"""Draw the house: modules on their floors, and which imports which. Run from the root:

python docs/figures/house.py docs/_static/house.svg
"""

import ast
import sys
from pathlib import Path

from matplotlib import rcParams
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from test_package import FLOORS, SOURCES, imports, module_of  # noqa: E402


def lines(module):
    """Lines of code of a module or sub-package."""
    return sum(len(p.read_text().splitlines()) for p in SOURCES if module_of(p) == module)


def edges():
    """Which module imports which."""
    found = set()
    for path in SOURCES:
        module = module_of(path)
        found |= {(module, other) for other in imports(path)[0] if other != module}
    return {(a, b) for a, b in found if a != "__init__" and not b.startswith("_")}


def main(output):
    """Draw and write; print the numbers that docs/design.rst has."""
    floors = [[m for m in floor if not m.startswith("_")] for floor in FLOORS]
    place = {}
    rcParams["svg.hashsalt"] = "house"  # the same figure twice is the same file
    figure = Figure(figsize=(10, 7.5), layout="constrained")
    ax = figure.add_subplot()
    for y, floor in enumerate(floors):
        for i, module in enumerate(floor):
            place[module] = (10 * (i + 0.5) / len(floor), y)
    for a, b in sorted(edges()):
        (x0, y0), (x1, y1) = place[a], place[b]
        ax.annotate("", (x1, y1 + 0.22), (x0, y0 - 0.22), zorder=1,
                    arrowprops={"arrowstyle": "->", "color": "#999999", "lw": 0.5})  # fmt: skip
    for module, (x, y) in place.items():
        package = (ROOT / "blase_astro" / module).is_dir()
        colour = "#cfe8f7" if package else "white"
        box = FancyBboxPatch((x - 0.55, y - 0.18), 1.1, 0.36, boxstyle="round,pad=0.04", zorder=2)
        box.set(facecolor=colour, edgecolor="#0072B2")
        ax.add_patch(box)
        ax.text(x, y + 0.06, module, ha="center", va="center", fontsize=8, zorder=3)
        ax.text(x, y - 0.12, f"{lines(module)} lines", ha="center", va="center", fontsize=6,
                color="#555555", zorder=3)  # fmt: skip
    ax.set(xlim=(-0.2, 10.2), ylim=(-0.6, len(floors) - 0.4))
    ax.set_axis_off()
    figure.savefig(output, metadata={"Date": None})
    n = len([p for p in SOURCES if p.name != "__init__.py"])
    longest = max(SOURCES, key=lambda p: len(p.read_text().splitlines()))
    print(f"{n} modules, {len(place)} rooms, {len(edges())} imports between rooms")
    print(f"longest: {longest.relative_to(ROOT)}, {len(longest.read_text().splitlines())} lines")
    functions = [
        node.end_lineno - node.lineno + 1 - len((ast.get_docstring(node) or "").splitlines())
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef)
    ]
    functions.sort()
    print(f"{len(functions)} functions, median {functions[len(functions) // 2]} lines")


if __name__ == "__main__":
    main(sys.argv[1])
