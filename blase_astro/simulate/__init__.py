"""SEDs with a known synchrotron peak."""

from .._lazy import lazy

# Public name: module. Loaded when first used: not all of them are cheap.
_PUBLIC = {
    "simulate_seds": "make",
    "write_simulated": "make",
}

__all__ = list(_PUBLIC)
__getattr__, __dir__ = lazy(__name__, _PUBLIC)
