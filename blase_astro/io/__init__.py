"""SEDs and catalogs on disk: one module a format; importing the package registers them."""

import importlib.abc
import importlib.util
import sys

from .._lazy import lazy

# Public name: module. Loaded when first used, so that the command can say how
# many threads it wants before numpy is there.
_PUBLIC = {
    "Points": "table",
    "flags": "values",
    "list_seds": "archive",
    "merge_seds": "merge",
    "numbers": "values",
    "read_points": "archive",
    "read_sed": "archive",
    "read_seds": "archive",
    "sed_table": "table",
    "standard_sed": "table",
    "texts": "values",
}

__all__ = list(_PUBLIC)
__getattr__, __dir__ = lazy(__name__, _PUBLIC)


def _register():
    """Make the formats known to ``Table.read`` and ``Table.write``.

    Only for `~astropy.table.Table`: a reader of it serves `~astropy.table.QTable` as well, whereas
    an identifier of QTable would hide those of all other formats. ``force``: a reload is no clash.
    """
    from astropy.io import registry
    from astropy.table import Table

    from . import gadf, ned, ssdc, vizier
    from .vou.reader import identify_vou, read_vou
    from .vou.writer import write_vou

    readers = {
        "ned-sed": ned.read_ned,
        "vizier-sed": vizier.read_vizier,
        "ssdc-sed": ssdc.read_ssdc,
        "gadf-sed": gadf.read_gadf,
        "jetset-sed": gadf.read_jetset,
    }
    writers = {"gadf-sed": gadf.write_gadf, "jetset-sed": gadf.write_jetset}
    with registry.delay_doc_updates(Table):
        registry.register_reader("vou-sed", Table, read_vou, force=True)
        registry.register_writer("vou-sed", Table, write_vou, force=True)
        registry.register_identifier("vou-sed", Table, identify_vou, force=True)
        registry.register_identifier("ssdc-sed", Table, ssdc.identify_ssdc, force=True)
        for name, reader in readers.items():
            registry.register_reader(name, Table, reader, force=True)
        for name, writer in writers.items():
            registry.register_writer(name, Table, writer, force=True)


class _WhenTableIsImported(importlib.abc.MetaPathFinder):
    """Register right after the first import of astropy.table, whoever does it.

    That import takes three times as long as numpy's. Nobody can call ``Table.read`` before it, and
    bulk estimates do without tables.
    """

    def find_spec(self, fullname, path=None, target=None):
        if fullname != "astropy.table":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        run = spec.loader.exec_module

        def run_and_register(module):
            run(module)
            _register()

        spec.loader.exec_module = run_and_register
        return spec


if "astropy.table" in sys.modules:
    _register()
else:
    sys.meta_path.insert(0, _WhenTableIsImported())
