"""Training: every member of every bag at once."""

from __future__ import annotations

import logging
import platform
import signal
import threading
import time
import warnings
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger
from torch.utils.data import DataLoader, Dataset, Sampler

from .._version import __version__
from ..calibration import fit_calibration
from ..ensemble import TARGETS, Ensemble
from ..flags import flag_reference
from ..io.values import numbers
from ..sed import bin_points, load_bins
from ..simulate.make import simulate_seds
from .config import PRESETS
from .network import GRIDS, StackedEnsemble, stable_seed
from .pools import default_pool, seed_pool, split_bags
from .resume import alone, checkpoint, digest, keep_run

if TYPE_CHECKING:
    from .._types import Any, AnyPath, Points, Say, Table
    from .config import TrainConfig

__all__ = ["PoolData", "train_ensemble"]

# What rounding the weights may change an estimate by (dex).
_SMALL_CHANGE = 0.005


class _Orders(Sampler):
    """Batches of rows (m, batch), every member in its own order, which only the epoch decides.

    An epoch is a pass over the real samples; beside those of a batch come as many simulated ones,
    drawn at random. Lightning tells the epoch, also that at which a resumed run goes on.
    """

    def __init__(self, pool, size, seed):
        self.real = [rows[~pool.simulated[rows]] for rows in pool.train]
        self.simulated = [rows[pool.simulated[rows]] for rows in pool.train]
        self.seed, self.epoch = seed, 0
        shortest = min(len(own) for own in self.real)
        self.size, self.n_steps = min(size, shortest), max(1, shortest // size)

    def set_epoch(self, epoch):
        self.epoch = epoch

    def __len__(self):
        return self.n_steps

    def __iter__(self):
        shape, orders = (self.n_steps, self.size), []
        for member, (real, simulated) in enumerate(zip(self.real, self.simulated, strict=True)):
            rng = np.random.default_rng(stable_seed(self.seed, self.epoch, 1 + member))
            order = rng.permutation(real)[: self.n_steps * self.size].reshape(shape)
            if len(simulated):
                order = np.concatenate([order, rng.choice(simulated, shape)], axis=1)
            orders.append(order)
        yield from torch.as_tensor(np.stack(orders, axis=1))


class _Rows(Dataset):
    """Gives the rows it is asked for: the module holds the samples, on its own device."""

    def __getitem__(self, rows):
        return rows


class PoolData(pl.LightningDataModule):
    """Feeds every member its own samples in its own order.

    Parameters
    ----------
    pool : `~blase_astro.training.Pool`
        Samples.
    config : TrainConfig
        Batch size and seed.
    """

    def __init__(self, pool, config):
        super().__init__()
        self.pool, self.config = pool, config

    def train_dataloader(self) -> DataLoader:
        orders = _Orders(self.pool, self.config.batch_size, self.config.seed)
        return DataLoader(_Rows(), sampler=orders, batch_size=None)

    def val_dataloader(self) -> DataLoader:
        size = 256
        n_steps = -(-max(len(rows) for rows in self.pool.valid) // size)
        padded = np.full((len(self.pool.valid), n_steps * size), -1)
        for member, rows in enumerate(self.pool.valid):
            padded[member, : len(rows)] = rows
        steps = torch.as_tensor(padded).reshape(len(padded), n_steps, size).transpose(0, 1)
        return DataLoader(_Rows(), sampler=list(steps), batch_size=None)


def train_ensemble(
    table: Table,
    config: TrainConfig | None = None,
    *,
    sampling: Points | None = None,
    output: AnyPath | None = None,
    resume: bool = False,
    progress: bool = True,
    say: Say = None,
    **trainer: Any,
) -> dict[str, Ensemble]:
    """Train the ensembles of all targets that the training set has labels for.

    Parameters
    ----------
    table : `~astropy.table.Table`
        What `~blase_astro.training.read_training_set` returns.
    config : TrainConfig, optional
        The recipe; by default ``PRESETS['default']``.
    sampling : `~blase_astro.io.Points`, optional
        Measurements of the sources, one SED a row of the table, that the simulated SEDs are
        sampled like (`~blase_astro.training.training_points`); by default the built-in surveys.
    output : path-like, optional
        Folder for the ensembles ``<target>.npz``, logs and checkpoints.
    resume : bool
        Go on from the checkpoints in the folder.
    progress : bool
        Show a progress bar.
    say : callable, optional
        Called with a line of text before and after each target.
    **trainer
        Passed to `pytorch_lightning.Trainer`: ``accelerator``, ``devices``, ``strategy``,
        ``precision``.

    Returns
    -------
    ensembles : dict of str to `~blase_astro.ensemble.Ensemble`
        The calibrated ensemble of each target.

    Raises
    ------
    ValueError
        If there are too few sources for the bags, or not one SED a source; if the folder holds
        another run than the one to resume, or one that is still going on.

    Examples
    --------
    >>> from blase_astro.training import train_ensemble
    >>> ensembles = train_ensemble(table, output='my_ensemble')           # doctest: +SKIP
    """
    config = config or PRESETS["default"]
    say = say or (lambda text: None)
    if output is None:
        return _train(table, config, sampling, None, resume, progress, say, trainer)
    logs = Path(output) / "logs"
    with alone(logs):
        keep_run(logs, config, _digest(table, sampling), resume)
        return _train(table, config, sampling, Path(output), resume, progress, say, trainer)


def _train(table, config, sampling, output, resume, progress, say, trainer):
    """Train target by target."""
    binned, label = np.asarray(table["binned"]), _labels(table)
    bag = split_bags(
        np.asarray(table["ra"]), np.asarray(table["dec"]), config.n_bags, seed=config.seed
    )
    ensembles, simulated = {}, None
    if config.simulated:
        simulated = _simulated(sampling, bag, config)
        say(f"{len(simulated[2])} simulated SEDs beside {len(bag)} real ones")
    for i, target in enumerate(TARGETS):
        known = np.isfinite(label[:, i]) & np.isfinite(label[:, 0])
        if not known.any():
            continue
        if np.bincount(bag[known], minlength=config.n_bags).min() < 2:
            raise ValueError(
                f"{target}: wanted two sources with a label in each of {config.n_bags} bags, "
                f"got {known.sum()} in all"
            )
        say(f"{target}: {config.n_bags * config.n_members} networks, {config.epochs} epochs")
        start = time.monotonic()
        pool = _pool(binned[known], label[known], bag[known], simulated, config)
        module = _fit(pool, target, config, output, resume, progress, trainer)
        ensembles[target] = _export(module, table[known], bag[known], target, config)
        if output is not None:
            ensembles[target].save(output / f"{target}.npz")
        say(f"{target}: trained in {time.monotonic() - start:.0f} s")
    return ensembles


def _labels(table):
    return np.stack([numbers(table, f"log_{target}") for target in TARGETS], axis=1)


def _pool(binned, label, bag, simulated, config):
    if config.recipe == "seed":
        return seed_pool(binned, label, bag, config.n_members, seed=config.seed)
    return default_pool(
        binned,
        label,
        bag,
        config.n_members,
        simulated=simulated,
        rich_weights=config.rich_weights,
    )


def _simulated(sampling, bag, config):
    """Simulated SEDs on the sampling of the real ones: binned, labels, bags."""
    if sampling is not None and len(sampling.name) != len(bag):
        raise ValueError(
            f"sampling: wanted one SED for each of {len(bag)} sources, got {len(sampling.name)}"
        )
    points, truth = simulate_seds(config.simulated, seed=config.seed, sampling=sampling)
    binned, _ = bin_points(points, load_bins(config.bins))
    keep = np.isfinite(binned).sum(axis=1) >= 4
    pattern = np.asarray(truth["pattern"])
    sim_bag = np.where(pattern >= 0, bag[pattern], -1)
    return binned[keep], _labels(truth)[keep], sim_bag[keep]


def _fit(pool, target, config, output, resume, progress, options):
    """Train one target's members and return their module."""
    module, data = StackedEnsemble(pool, target, config), PoolData(pool, config)
    folder = None if output is None else output / "logs" / target
    callbacks, logger, start = [], False, None
    if folder is not None:
        saver = ModelCheckpoint(folder, filename="last", save_on_train_epoch_end=True)
        callbacks.append(saver)
        logger = [
            CSVLogger(folder, name="", version="csv"),
            TensorBoardLogger(folder, name="", version="tensorboard"),
        ]
        start = checkpoint(folder / "last.ckpt") if resume else None
    with warnings.catch_warnings(), _errors_alone("pytorch_lightning"):
        # One item of the loader is a whole step; workers to fetch it would only cost time.
        warnings.filterwarnings("ignore", ".*does not have many workers.*")
        warnings.filterwarnings("ignore", ".*exists and is not empty.*")
        # Lightning 2.6 with torch 2.13; nothing a user could do about it.
        warnings.filterwarnings("ignore", ".*treespec, LeafSpec.*")
        fit = pl.Trainer(
            max_epochs=config.epochs,
            logger=logger,
            callbacks=callbacks,
            enable_checkpointing=folder is not None,
            enable_progress_bar=progress,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            log_every_n_steps=1,
            deterministic=True,
            **({"accelerator": "cpu"} | options),
        )
        _fit_or_interrupt(fit, module, data, start)
    return module


def _fit_or_interrupt(trainer, module, data, start):
    """Fit; an interrupt is an interrupt, where Lightning would ignore further ones and exit."""
    handler = signal.getsignal(signal.SIGINT)
    try:
        trainer.fit(module, datamodule=data, ckpt_path=start, weights_only=True)
    except SystemExit:
        if not trainer.interrupted:
            raise
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, handler)
    if trainer.interrupted:
        raise KeyboardInterrupt


@contextmanager
def _errors_alone(name):
    """Keep a library's remarks about devices and its own products from the terminal."""
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def _export(module, table, bag, target, config):
    """The calibrated ensemble of a trained module."""
    weights, biases = module.fold()
    binned, label = np.asarray(table["binned"]), _labels(table)[:, TARGETS[target].index]
    n_bins = np.isfinite(binned).sum(axis=1).astype(np.int32)
    ensemble = Ensemble(
        target=target,
        bin_edges=np.array(load_bins(config.bins)),
        subtract_level=config.subtract_level,
        weights=weights,
        biases=biases,
        meta=_provenance(table, config),
        **_output(module, target, config),
    )
    ensemble = _shortened(ensemble, binned)
    distribution, spread = ensemble.predict_with_spread(binned, bag)
    columns = {
        "name": np.asarray(table["name"], dtype=str),
        "ra": np.asarray(table["ra"], dtype=float),
        "dec": np.asarray(table["dec"], dtype=float),
        "bag": bag.astype(np.int16),
        "label": label,
        "n_bins": n_bins,
    }
    return replace(
        ensemble,
        source_columns=columns | _oob_columns(ensemble, distribution),
        calibration=fit_calibration(distribution.cdf(label), n_bins),
        meta=ensemble.meta | {"reference": flag_reference(binned, spread)},
    )


def _output(module, target, config):
    """What the outputs of the networks mean: the grid, or the scaling of the label."""
    if config.networks == "grid":
        return {"grid": GRIDS[target]}
    shape = (config.n_bags, config.n_members)
    return {
        name: getattr(module, name).cpu().double().numpy().reshape(shape)
        for name in ("label_mean", "label_std")
    }


def _shortened(ensemble, binned):
    """The ensemble with weights of 11 bits, half the size, unless its estimates would change."""
    with np.errstate(over="ignore", invalid="ignore"):  # where a weight is too large for them
        short = replace(ensemble, weights=_short(ensemble.weights), biases=_short(ensemble.biases))
        change = short.predict(binned).median() - ensemble.predict(binned).median()
    return short if np.abs(change).max() < _SMALL_CHANGE else ensemble


def _short(arrays):
    return tuple(array.astype(np.float16).astype(np.float32) for array in arrays)


def _oob_columns(ensemble, distribution):
    """Out-of-bag distributions of the sources, as the file keeps them."""
    if ensemble.grid is None:  # a normal mixture: its base is its mean
        spread = distribution.grid**2 @ distribution.probability.T
        return {"oob_mean": distribution.base, "oob_std": np.sqrt(spread)}
    base = np.zeros(len(distribution)) if distribution.base is None else distribution.base
    return {"oob_probability": distribution.probability.astype(np.float16), "oob_base": base}


def _provenance(table, config):
    return {
        "version": __version__,
        "config": asdict(config),
        "sources": len(table),
        "training_set": _digest(table),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": torch.__version__,
        "pytorch_lightning": pl.__version__,
    }


def _digest(table, sampling=None):
    """Digest of the training set and of what its simulated SEDs are sampled like."""
    measured = [] if sampling is None else [a for a in sampling if isinstance(a, np.ndarray)]
    position = np.stack([np.asarray(table[name], float) for name in ("ra", "dec")])
    return digest(np.asarray(table["binned"]), _labels(table), position, *measured)
