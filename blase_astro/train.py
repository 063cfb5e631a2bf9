"""Training: every member of every bag at once, stacked in one LightningModule."""

import hashlib
import json
import logging
import platform
import signal
import threading
import warnings
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger
from torch import nn
from torch.utils.data import DataLoader, Dataset, Sampler

from ._version import __version__
from .calibration import fit_calibration
from .dataset import default_pool, seed_pool, select, split_bags
from .ensemble import MIN_VARIANCE, TARGETS, ZERO_LEVEL, Ensemble
from .flags import flag_reference
from .sed import RICH_BINS, bin_points, load_bins
from .simulate import simulate_seds

__all__ = ["PRESETS", "PoolData", "StackedEnsemble", "TrainConfig", "train_ensemble"]


@dataclass(frozen=True)
class TrainConfig:
    """What decides a training; with the archive and the versions, all that does.

    Parameters
    ----------
    recipe : {'default', 'seed'}
        How samples are made: `~blase_astro.dataset.default_pool` or
        `~blase_astro.dataset.seed_pool`.
    bins : str
        Bin set.
    n_bags, n_members : int
        Bags, and members of each.
    hidden, dropout : tuple
        Width of each hidden layer, and the share of its units dropped.
    subtract_level : bool
        Subtract each SED's mean level and give it as an input.
    drop_bins : float
        In half of the samples of a batch, bins are dropped with a probability drawn between 0 and
        twice this number.
    simulated : int
        Number of simulated SEDs beside the real ones.
    simulated_weight : float
        Weight of a simulated SED in the loss.
    rich_weight : float
        Weight of a rich real SED.
    epochs, batch_size : int
        Length of the training, and samples of a batch.
    learning_rate, weight_decay : float
        Of Adam.
    schedule : {'one-cycle', 'plateau'}
        Learning rate: up and down once (Smith and Topin 2017), or divided by ten where a member's
        validation loss has not improved for ten epochs.
    seed : int
        Seed of everything random.
    """

    recipe: str = "default"
    bins: str = "v2"
    n_bags: int = 5
    n_members: int = 5
    hidden: tuple = (152, 80, 48)
    dropout: tuple = (0.1, 0.1, 0.05)
    subtract_level: bool = True
    drop_bins: float = 0.2
    simulated: int = 20000
    simulated_weight: float = 0.5
    rich_weight: float = 4.0
    epochs: int = 30
    batch_size: int = 128
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    schedule: str = "one-cycle"
    seed: int = 0


PRESETS = {
    "default": TrainConfig(),
    # The original recipe, to the letter where the letter was sound (docs: training).
    "seed": TrainConfig(
        recipe="seed",
        bins="v1",
        hidden=(152, 80, 72, 48),
        dropout=(
            0.11623816061109485,
            0.14953177977171542,
            0.024569432237666035,
            0.03208157605345701,
        ),
        subtract_level=False,
        drop_bins=0.0,
        simulated=0,
        epochs=200,
        batch_size=64,
        learning_rate=0.0018397297637578883,
        weight_decay=1.634587061861498e-05,
        schedule="plateau",
    ),
}


# --- the network ------------------------------------------------------------------------------


class StackedLinear(nn.Module):
    """Linear layers of m members side by side: (m, batch, n_in) to (m, batch, n_out)."""

    def __init__(self, n_in, n_out, generators):
        super().__init__()
        bound = n_in**-0.5  # the initial weights of torch.nn.Linear

        def draw(*shape):
            drawn = [torch.rand(shape, generator=g) * 2 * bound - bound for g in generators]
            return nn.Parameter(torch.stack(drawn))

        self.weight = draw(n_in, n_out)
        self.bias = draw(1, n_out)

    def forward(self, x):
        return torch.baddbmm(self.bias, x, self.weight)


class StackedBatchNorm(nn.Module):
    """Batch normalisation of m members side by side, as `torch.nn.BatchNorm1d` for each."""

    eps, momentum = 1e-5, 0.1

    def __init__(self, m, n):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(m, 1, n))
        self.bias = nn.Parameter(torch.zeros(m, 1, n))
        self.register_buffer("running_mean", torch.zeros(m, 1, n))
        self.register_buffer("running_var", torch.ones(m, 1, n))

    def forward(self, x):
        if self.training:
            var, mean = torch.var_mean(x, 1, keepdim=True, correction=0)
            with torch.no_grad():
                unbiased = var * x.shape[1] / max(x.shape[1] - 1, 1)
                self.running_mean.lerp_(mean, self.momentum)
                self.running_var.lerp_(unbiased, self.momentum)
        else:
            mean, var = self.running_mean, self.running_var
        return (x - mean) * (torch.rsqrt(var + self.eps) * self.weight) + self.bias


def stacked_network(n_in, hidden, dropout, seeds):
    """The networks of all members: Linear, BatchNorm, Dropout, ReLU for each hidden layer."""
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    layers = []
    for width, share in zip(hidden, dropout, strict=True):
        layers += [
            StackedLinear(n_in, width, generators),
            StackedBatchNorm(len(seeds), width),
            nn.Dropout(share),
            nn.ReLU(),
        ]
        n_in = width
    return nn.Sequential(*layers, StackedLinear(n_in, 2, generators))


class StackedEnsemble(pl.LightningModule):
    """All members of all bags: one forward pass, one loss each, one best epoch each.

    The members share nothing: the loss is the sum of their losses and Adam works number by
    number, so that each is trained as it would be alone.

    Parameters
    ----------
    pool : `~blase_astro.dataset.Pool`
        Samples.
    target : {'nu_peak', 'nufnu_peak'}
        Which label.
    config : TrainConfig
        Everything else.
    """

    def __init__(self, pool, target, config):
        super().__init__()
        self.config, self.target = config, target
        m = len(pool.train)
        n_in = 2 * pool.binned.shape[1] + (2 if config.subtract_level else 0)
        seeds = np.random.SeedSequence(config.seed).generate_state(m + 1)
        self.net = stacked_network(n_in, config.hidden, config.dropout, seeds[:m].tolist())
        for name, column in (
            ("binned", pool.binned),
            ("label", pool.label[:, TARGETS.index(target)]),
            ("weight", pool.weight),
            # Sparse simulated SEDs say so in one more input, never set in an estimate: their
            # class mix and flux limits need not be learnt as if they were real. Rich SEDs show
            # their peak, simulated or not.
            ("foreign", pool.simulated & (np.isfinite(pool.binned).sum(axis=1) < RICH_BINS)),
        ):
            value = torch.as_tensor(np.asarray(column, np.float32))
            self.register_buffer(name, value, persistent=False)
        for name, value in _scaling(pool, target, config.subtract_level).items():
            self.register_buffer(name, torch.as_tensor(value, dtype=torch.float32))
        self.register_buffer("best_loss", torch.full((m,), torch.inf))
        self.register_buffer("best_epoch", torch.full((m,), -1))
        # Learning rate of each member, relative to that of the optimizer.
        self.register_buffer("rate", torch.ones(m, 1, 1))
        self.best = {k: v.clone() for k, v in self.net.state_dict().items()}
        self.plateau = [_plateau() for _ in range(m)]
        self._losses = []

    # -- forward -------------------------------------------------------------------------------

    def inputs(self, index, drop=False):
        """Scaled inputs (m, batch, n_in) of samples (m, batch), and their levels."""
        binned = self.binned[index]
        filled = torch.isfinite(binned)
        if drop:
            filled = _drop_bins(filled, self.config.drop_bins)
        binned = torch.where(filled, binned, 0)
        count = filled.sum(-1, keepdim=True).clamp(min=1)
        if self.config.subtract_level:
            base = binned.sum(-1, keepdim=True) / count
        else:
            base = torch.full_like(binned[..., :1], ZERO_LEVEL)
        scaled = torch.where(filled, (binned - base - self.bin_mean) / self.bin_std, 0)
        columns = [scaled, filled.to(scaled.dtype)]
        if self.config.subtract_level:
            columns.append((base - ZERO_LEVEL - self.level_mean) / self.level_std)
            columns.append(self.foreign[index][..., None])
        return torch.cat(columns, -1), base[..., 0]

    def loss(self, index, drop=False):
        """Gaussian negative log-likelihood (m, batch) of samples (m, batch), weighted."""
        x, base = self.inputs(index, drop)
        out = self.net(x)
        label = self.label[index]
        if self.config.subtract_level and self.target == "nufnu_peak":
            label = label - base
        label = (label - self.label_mean) / self.label_std
        variance = nn.functional.softplus(out[..., 1]) + MIN_VARIANCE
        return (variance.log() + (label - out[..., 0]) ** 2 / variance) * self.weight[index]

    # -- Lightning -----------------------------------------------------------------------------

    def training_step(self, index):
        # What is dropped is decided by the step alone, so that a resumed run goes the same way.
        torch.manual_seed(_stable_seed(self.config.seed, self.global_step))
        loss = self.loss(index, drop=True).mean(1)
        self.log("train_loss", loss.mean(), on_step=False, on_epoch=True, prog_bar=True)
        return loss.sum()

    def validation_step(self, index):
        valid = index >= 0
        loss = torch.where(valid, self.loss(index.clamp(min=0)), 0).sum(1)
        self._losses.append((loss, torch.where(valid, self.weight[index.clamp(min=0)], 0).sum(1)))

    def on_validation_epoch_end(self):
        loss, weight = (torch.stack(parts).sum(0) for parts in zip(*self._losses, strict=True))
        self._losses.clear()
        loss = loss / weight
        better = loss < self.best_loss
        self.best_loss = torch.where(better, loss, self.best_loss)
        self.best_epoch[better] = self.current_epoch
        for name, value in self.net.state_dict().items():
            self.best[name] = self.best[name].to(value.device)
            self.best[name][better] = value[better]
        self.log("valid_loss", loss.mean(), prog_bar=True)
        self.log("best_valid_loss", self.best_loss.mean())
        if self.config.schedule == "plateau":
            for scheduler, value in zip(self.plateau, loss.tolist(), strict=True):
                scheduler.step(value)
            rates = [scheduler.get_last_lr()[0] for scheduler in self.plateau]
            self.rate[:] = torch.tensor(rates, device=self.rate.device)[:, None, None]

    def optimizer_step(self, epoch, batch_idx, optimizer, optimizer_closure=None):
        # A member's own learning rate scales its step, which Adam makes in proportion to it.
        scaled = bool((self.rate != 1).any())
        before = [p.detach().clone() for p in self.net.parameters()] if scaled else []
        super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)
        with torch.no_grad():
            for old, parameter in zip(before, self.net.parameters(), strict=False):
                parameter.copy_(old + self.rate * (parameter - old))

    def configure_optimizers(self):
        config = self.config
        kind = torch.optim.Adam if config.schedule == "plateau" else torch.optim.AdamW
        optimizer = kind(
            self.net.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )
        if config.schedule == "plateau":
            return optimizer
        scheduler = torch.optim.lr_scheduler.OneCycleLR(
            optimizer,
            config.learning_rate,
            total_steps=max(2, int(self.trainer.estimated_stepping_batches)),
            pct_start=0.1,
        )
        return [optimizer], [{"scheduler": scheduler, "interval": "step"}]

    def on_save_checkpoint(self, checkpoint):
        checkpoint["best"] = self.best
        checkpoint["plateau"] = [
            {k: v for k, v in p.state_dict().items() if k != "min_lrs"} for p in self.plateau
        ]

    def on_load_checkpoint(self, checkpoint):
        self.best = checkpoint["best"]
        for scheduler, state in zip(self.plateau, checkpoint["plateau"], strict=True):
            scheduler.load_state_dict(state)
            scheduler.optimizer.param_groups[0]["lr"] = state["_last_lr"][0]

    # -- export --------------------------------------------------------------------------------

    def fold(self):
        """Weights and biases of the best epochs as numpy arrays (bag, member, ...), all folded.

        The scaling of the inputs goes into the first layer: an empty bin is 0 before and after,
        so the subtracted mean becomes a weight of the mask. Batch normalisation goes into the
        layer before it.
        """
        state = {k: v.detach().cpu().double() for k, v in self.best.items()}
        layers = sorted({int(k.split(".")[0]) for k in state})
        weights, biases = [], []
        for i in layers:
            weight, bias = state[f"{i}.weight"], state[f"{i}.bias"]
            if f"{i}.running_mean" in state:
                scale = weight * torch.rsqrt(state[f"{i}.running_var"] + StackedBatchNorm.eps)
                weights[-1] = weights[-1] * scale
                biases[-1] = (biases[-1] - state[f"{i}.running_mean"]) * scale + bias
            else:
                weights.append(weight)
                biases.append(bias)
        weights[0], biases[0] = self._fold_inputs(weights[0], biases[0])
        shape = (self.config.n_bags, self.config.n_members)
        return (
            tuple(w.reshape(*shape, *w.shape[1:]).numpy().astype(np.float32) for w in weights),
            tuple(b.reshape(*shape, b.shape[-1]).numpy().astype(np.float32) for b in biases),
        )

    def _fold_inputs(self, weight, bias):
        n_bins = self.binned.shape[1]
        mean, std = (getattr(self, f"bin_{k}").cpu().double() for k in ("mean", "std"))
        values = weight[:, :n_bins] / std.transpose(1, 2)
        mask = weight[:, n_bins : 2 * n_bins] - mean.transpose(1, 2) * values
        rows = [values, mask]
        if self.config.subtract_level:
            level = weight[:, 2 * n_bins : 2 * n_bins + 1] / self.level_std.cpu().double()
            bias = bias - self.level_mean.cpu().double() * level
            rows.append(level)
        return torch.cat(rows, 1), bias


def _plateau():
    """Torch's own rule for one member's learning rate; the optimizer in it is a dummy."""
    dummy = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    return torch.optim.lr_scheduler.ReduceLROnPlateau(dummy, patience=10)


def _drop_bins(filled, share):
    """Filled bins (m, batch, n_bins) with some dropped, at least four left of what there is."""
    if share == 0:
        return filled
    shape = filled.shape[:2]
    half = torch.rand(shape, device=filled.device) < 0.5
    probability = torch.rand(shape, device=filled.device) * 2 * share * half
    kept = filled & (torch.rand(filled.shape, device=filled.device) >= probability[..., None])
    return torch.where(kept.sum(-1, keepdim=True) >= 4, kept, filled)


def _scaling(pool, target, subtract_level):
    """Mean and standard deviation of inputs and label over each member's training samples."""
    scaling = {
        name: []
        for name in ("bin_mean", "bin_std", "level_mean", "level_std", "label_mean", "label_std")
    }
    binned = pool.binned.astype(float)
    filled = np.isfinite(binned)
    level = np.where(filled, binned, 0).sum(1) / np.maximum(filled.sum(1), 1)
    base = level if subtract_level else np.full(len(level), ZERO_LEVEL)
    relative = np.where(filled, binned - base[:, None], 0)
    label = pool.label[:, TARGETS.index(target)]
    label = label - level if subtract_level and target == "nufnu_peak" else label
    for rows in pool.train:
        count = np.maximum(filled[rows].sum(0), 1)
        mean = relative[rows].sum(0) / count
        square = (relative[rows] ** 2).sum(0) / count
        scaling["bin_mean"].append([mean])
        scaling["bin_std"].append([np.sqrt(np.maximum(square - mean**2, 1e-4))])
        scaling["level_mean"].append([[level[rows].mean() - ZERO_LEVEL]])
        scaling["level_std"].append([[level[rows].std() + 1e-4]])
        average = np.average(label[rows], weights=pool.weight[rows])
        spread = np.average((label[rows] - average) ** 2, weights=pool.weight[rows])
        scaling["label_mean"].append([average])
        scaling["label_std"].append([np.sqrt(spread) + 1e-4])
    return {name: np.array(values) for name, values in scaling.items()}


# --- the data ---------------------------------------------------------------------------------


def _stable_seed(seed, when, part=0):
    """A seed for what is random at one step or epoch, whether the run was resumed or not."""
    return int(np.random.SeedSequence([seed, part, when]).generate_state(1)[0])


class _Orders(Sampler):
    """Batches of rows (m, batch), every member in its own order, which only the epoch decides.

    Lightning tells the epoch, also that at which a resumed run goes on.
    """

    def __init__(self, rows, size, seed):
        self.rows, self.seed, self.epoch = rows, seed, 0
        shortest = min(len(own) for own in rows)
        self.size, self.n_steps = min(size, shortest), max(1, shortest // size)

    def set_epoch(self, epoch):
        self.epoch = epoch

    def __len__(self):
        return self.n_steps

    def __iter__(self):
        orders = []
        for member, own in enumerate(self.rows):
            rng = np.random.default_rng(_stable_seed(self.seed, self.epoch, 1 + member))
            order = rng.permutation(own)[: self.n_steps * self.size]
            orders.append(order.reshape(self.n_steps, self.size))
        yield from torch.as_tensor(np.stack(orders, axis=1))


class _Rows(Dataset):
    """Gives the rows it is asked for: the module holds the samples, on its own device."""

    def __getitem__(self, rows):
        return rows


class PoolData(pl.LightningDataModule):
    """Feeds every member its own samples in its own order.

    Parameters
    ----------
    pool : `~blase_astro.dataset.Pool`
        Samples.
    config : TrainConfig
        Batch size and seed.
    """

    def __init__(self, pool, config):
        super().__init__()
        self.pool, self.config = pool, config

    def train_dataloader(self):
        orders = _Orders(self.pool.train, self.config.batch_size, self.config.seed)
        return DataLoader(_Rows(), sampler=orders, batch_size=None)

    def val_dataloader(self):
        size = 256
        n_steps = -(-max(len(rows) for rows in self.pool.valid) // size)
        padded = np.full((len(self.pool.valid), n_steps * size), -1)
        for member, rows in enumerate(self.pool.valid):
            padded[member, : len(rows)] = rows
        steps = torch.as_tensor(padded).reshape(len(padded), n_steps, size).transpose(0, 1)
        return DataLoader(_Rows(), sampler=list(steps), batch_size=None)


# --- the whole run ----------------------------------------------------------------------------


def train_ensemble(table, config=None, *, output=None, resume=False, progress=True, **trainer):
    """Train the ensembles of all targets that the training set has labels for.

    Parameters
    ----------
    table : `~astropy.table.Table`
        What `~blase_astro.dataset.read_training_set` returns.
    config : TrainConfig, optional
        The recipe; by default ``PRESETS['default']``.
    output : path-like, optional
        Folder for the ensembles ``<target>.npz``, logs and checkpoints.
    resume : bool
        Go on from the checkpoints in the folder.
    progress : bool
        Show a progress bar.
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
        If there are too few sources for the bags.

    Examples
    --------
    >>> from blase_astro.train import train_ensemble
    >>> ensembles = train_ensemble(table, output='my_ensemble')           # doctest: +SKIP
    """
    config = config or PRESETS["default"]
    binned, label = np.asarray(table["binned"]), _labels(table)
    bag = split_bags(
        np.asarray(table["ra"]), np.asarray(table["dec"]), config.n_bags, seed=config.seed
    )
    if output is not None:
        _keep_config(Path(output) / "logs", config, resume)
    ensembles = {}
    simulated = _simulated(table, bag, config) if config.simulated else None
    for i, target in enumerate(TARGETS):
        known = np.isfinite(label[:, i]) & np.isfinite(label[:, 0])
        if not known.any():
            continue
        if np.bincount(bag[known], minlength=config.n_bags).min() < 2:
            raise ValueError(
                f"{target}: wanted two sources with a label in each of {config.n_bags} bags, "
                f"got {known.sum()} in all"
            )
        pool = _pool(binned[known], label[known], bag[known], simulated, config)
        module = _fit(pool, target, config, output, resume, progress, trainer)
        ensembles[target] = _export(module, table[known], bag[known], target, config)
        if output is not None:
            ensembles[target].save(Path(output) / f"{target}.npz")
    return ensembles


def _keep_config(folder, config, resume):
    """Write the recipe beside the logs; a resumed run must have the same."""
    path = folder / "config.json"
    text = json.dumps(asdict(config), indent=1)
    if resume and path.is_file() and path.read_text() != text:
        old, new = json.loads(path.read_text()), json.loads(text)
        changed = [f"{k}: was {old.get(k)}, now {v}" for k, v in new.items() if old.get(k) != v]
        raise ValueError(f"{path}: cannot resume with another recipe ({'; '.join(changed)})")
    if not resume:
        for checkpoint in folder.glob("*/last.ckpt"):  # of an earlier run
            checkpoint.unlink()
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _labels(table):
    columns = [np.ma.filled(np.ma.asarray(table[f"log_{t}"], float), np.nan) for t in TARGETS]
    return np.stack(columns, axis=1)


def _pool(binned, label, bag, simulated, config):
    if config.recipe == "seed":
        return seed_pool(binned, label, bag, config.n_members, seed=config.seed)
    return default_pool(
        binned,
        label,
        bag,
        config.n_members,
        simulated=simulated,
        rich_weight=config.rich_weight,
        seed=config.seed,
    )


def _simulated(table, bag, config):
    """Simulated SEDs on the sampling of the real ones: binned, labels, bags, weights."""
    sampling = None
    if "points" in table.meta:
        sampling = select(table.meta["points"], np.asarray(table["sed"]))
    points, truth = simulate_seds(config.simulated, seed=config.seed, sampling=sampling)
    binned, _ = bin_points(points, load_bins(config.bins))
    keep = np.isfinite(binned).sum(axis=1) >= 4
    pattern = np.asarray(truth["pattern"])
    sim_bag = np.where(pattern >= 0, bag[pattern], -1)
    weight = np.full(keep.sum(), config.simulated_weight)
    return binned[keep], _labels(truth)[keep], sim_bag[keep], weight


def _fit(pool, target, config, output, resume, progress, options):
    """Train one target's members and return their module."""
    module, data = StackedEnsemble(pool, target, config), PoolData(pool, config)
    folder = None if output is None else Path(output) / "logs" / target
    callbacks, logger, checkpoint = [], False, None
    if folder is not None:
        saver = ModelCheckpoint(folder, filename="last", save_on_train_epoch_end=True)
        callbacks.append(saver)
        logger = [
            CSVLogger(folder, name="", version="csv"),
            TensorBoardLogger(folder, name="", version="tensorboard"),
        ]
        checkpoint = folder / "last.ckpt" if resume and (folder / "last.ckpt").is_file() else None
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
        _fit_or_interrupt(fit, module, data, checkpoint)
    return module


def _fit_or_interrupt(trainer, module, data, checkpoint):
    """Fit; an interrupt is an interrupt, where Lightning would ignore further ones and exit."""
    handler = signal.getsignal(signal.SIGINT)
    try:
        trainer.fit(module, datamodule=data, ckpt_path=checkpoint, weights_only=True)
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
    shape = (config.n_bags, config.n_members)
    label = _labels(table)[:, TARGETS.index(target)]
    binned = np.asarray(table["binned"])
    n_bins = np.isfinite(binned).sum(axis=1).astype(np.int32)
    ensemble = Ensemble(
        target=target,
        bin_edges=np.array(load_bins(config.bins)),
        subtract_level=config.subtract_level,
        weights=weights,
        biases=biases,
        label_mean=module.label_mean.cpu().double().numpy().reshape(shape),
        label_std=module.label_std.cpu().double().numpy().reshape(shape),
        source_columns={},
        meta=_provenance(table, config),
    )
    mean, std, spread = ensemble.predict_with_spread(binned, bag)
    columns = {
        "name": np.asarray(table["name"], dtype=str),
        "ra": np.asarray(table["ra"], dtype=float),
        "dec": np.asarray(table["dec"], dtype=float),
        "bag": bag.astype(np.int16),
        "label": label,
        "n_bins": n_bins,
        "oob_mean": mean,
        "oob_std": std,
    }
    return replace(
        ensemble,
        source_columns=columns,
        calibration=fit_calibration(label, mean, std, n_bins),
        meta=ensemble.meta | {"reference": flag_reference(binned, spread)},
    )


def _provenance(table, config):
    digest = hashlib.sha256(np.ascontiguousarray(table["binned"]).tobytes())
    digest.update(np.ascontiguousarray(_labels(table)).tobytes())
    return {
        "version": __version__,
        "config": asdict(config),
        "sources": len(table),
        "training_set": digest.hexdigest(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": torch.__version__,
        "pytorch_lightning": pl.__version__,
    }
