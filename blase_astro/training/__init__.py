"""Train ensembles: training set, bags, samples, networks."""

from importlib import import_module

# Public name: module. Loaded when first used: not all of them are cheap.
_PUBLIC = {
    "PRESETS": "config",
    "Pool": "pools",
    "PoolData": "train",
    "StackedEnsemble": "network",
    "TrainConfig": "config",
    "augment": "pools",
    "default_pool": "pools",
    "parse_label": "dataset",
    "read_training_set": "dataset",
    "seed_pool": "pools",
    "split_bags": "pools",
    "train_ensemble": "train",
    "training_points": "dataset",
}

__all__ = list(_PUBLIC)


def __getattr__(name):
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_PUBLIC[name]}", __name__), name)


def __dir__():
    return sorted({*globals(), *_PUBLIC})
