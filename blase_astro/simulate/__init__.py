"""SEDs with a known synchrotron peak."""

from importlib import import_module

# Public name: module. Loaded when first used: not all of them are cheap.
_PUBLIC = {
    "simulate_seds": "make",
    "write_simulated": "make",
}

__all__ = list(_PUBLIC)


def __getattr__(name):
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_PUBLIC[name]}", __name__), name)


def __dir__():
    return sorted({*globals(), *_PUBLIC})
