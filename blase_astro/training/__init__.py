"""Train ensembles: training set, bags, samples, networks."""

from .._lazy import lazy

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
__getattr__, __dir__ = lazy(__name__, _PUBLIC)
