"""The networks of all members of all bags, stacked in one LightningModule."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytorch_lightning as pl
import torch
from torch import nn

from ..networks import MIN_VARIANCE, ZERO_LEVEL
from ..sed import RICH_BINS, load_bins
from ..targets import TARGETS

if TYPE_CHECKING:
    from .._types import Any, Callable
    from .config import TrainConfig
    from .pools import Pool

__all__ = ["GRIDS", "StackedEnsemble"]

# Centres of the cells (dex): of log10 of nu_peak, and of nuFnu_peak relative to the mean level.
GRIDS = {"nu_peak": np.linspace(11, 19, 81), "nufnu_peak": np.linspace(-1.6, 3.2, 81)}
# Where bands begin that instruments measure together, log10 Hz: metre to cm radio, cm, mm, far
# infrared, WISE, 2MASS, optical, ultraviolet, X-rays, hard X-rays, GeV (two), TeV.
BAND_EDGES = (9.1, 10.1, 11.8, 13.3, 13.9, 14.5, 15.1, 16.7, 17.9, 20.0, 23.3, 25.3)
# Share of the bands dropped of a sample that loses any, and the fewest bins left of it.
_BAND_SHARE = 0.3
_FEWEST_LEFT = 4


def stable_seed(seed, when, part=0):
    """A seed for what is random at one step or epoch, whether the run was resumed or not."""
    return int(np.random.SeedSequence([seed, part, when]).generate_state(1)[0])


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


def stacked_network(n_in, hidden, n_out, dropout, seeds):
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
    return nn.Sequential(*layers, StackedLinear(n_in, n_out, generators))


class StackedEnsemble(pl.LightningModule):
    """All members of all bags: one forward pass, one loss each.

    The members share nothing: the loss is the sum of their losses and Adam works number by
    number, so that each is trained as it would be alone.

    Parameters
    ----------
    pool : `~blase_astro.training.Pool`
        Samples.
    target : {'nu_peak', 'nufnu_peak'}
        Which label.
    config : TrainConfig
        Everything else.
    """

    def __init__(self, pool: Pool, target: str, config: TrainConfig) -> None:
        super().__init__()
        self.config, self.target = config, target
        m = len(pool.train)
        n_in = 2 * pool.binned.shape[1] + (2 if config.subtract_level else 0)
        n_out = len(GRIDS[target]) if config.networks == "grid" else 2
        seeds = np.random.SeedSequence(config.seed).generate_state(m + 1)[:m].tolist()
        self.net = stacked_network(n_in, config.hidden, n_out, config.dropout, seeds)
        for name, column in (
            ("binned", pool.binned),
            ("label", pool.label[:, TARGETS[target].index]),
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
        self.register_buffer("grid", torch.as_tensor(GRIDS[target], dtype=torch.float32))
        self.register_buffer("band", _bands(config.bins), persistent=False)
        self.register_buffer("best_loss", torch.full((m,), torch.inf))
        self.register_buffer("best_epoch", torch.full((m,), -1))
        # Learning rate of each member, relative to that of the optimizer.
        self.register_buffer("rate", torch.ones(m, 1, 1))
        self.best = {k: v.clone() for k, v in self.net.state_dict().items()}
        self.plateau = [_plateau() for _ in range(m)]
        self._losses = []

    # -- forward -------------------------------------------------------------------------------

    def inputs(self, index: torch.Tensor, drop: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
        """Scaled inputs (m, batch, n_in) of samples (m, batch), and their levels."""
        binned = self.binned[index]
        filled = torch.isfinite(binned)
        if drop:
            filled = _share_bins(filled, self.config.shared_bins)
            filled = _drop_bands(filled, self.band, self.config.drop_bands)
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

    def loss(self, index: torch.Tensor, drop: bool = False) -> torch.Tensor:
        """Loss (m, batch) of samples (m, batch), weighted."""
        x, base = self.inputs(index, drop)
        label = self.label[index]
        if self.config.subtract_level and self.target == "nufnu_peak":
            label = label - base
        loss = self.grid_loss if self.config.networks == "grid" else self.normal_loss
        return loss(self.net(x), label) * self.weight[index]

    def grid_loss(self, logits: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        """Cross entropy with the smeared label, and the distance of the distributions.

        Cross entropy alone does not know that neighbouring cells are neighbours; the squared
        distance of the cumulative distributions (the CRPS, but for a constant) does.
        """
        width, weight = (
            pair[TARGETS[self.target].index]
            for pair in (self.config.label_width, self.config.cdf_weight)
        )
        label = label.clamp(self.grid[0], self.grid[-1])
        truth = torch.softmax(-0.5 * ((self.grid - label[..., None]) / width) ** 2, -1)
        log_p = torch.log_softmax(logits, -1)
        distance = (log_p.exp().cumsum(-1) - truth.cumsum(-1)) ** 2
        step = self.grid[1] - self.grid[0]
        return (weight * step * distance - truth * log_p).sum(-1)

    def normal_loss(self, out: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        """Gaussian negative log-likelihood."""
        label = (label - self.label_mean) / self.label_std
        variance = nn.functional.softplus(out[..., 1]) + MIN_VARIANCE
        return variance.log() + (label - out[..., 0]) ** 2 / variance

    # -- Lightning -----------------------------------------------------------------------------

    def training_step(self, index: torch.Tensor) -> torch.Tensor:
        # What is dropped is decided by the step alone, so that a resumed run goes the same way.
        torch.manual_seed(stable_seed(self.config.seed, self.global_step))
        loss = self.loss(index, drop=True).mean(1)
        self.log("train_loss", loss.mean(), on_step=False, on_epoch=True, prog_bar=True)
        return loss.sum()

    def validation_step(self, index: torch.Tensor) -> None:
        valid = index >= 0
        loss = torch.where(valid, self.loss(index.clamp(min=0)), 0).sum(1)
        self._losses.append((loss, torch.where(valid, self.weight[index.clamp(min=0)], 0).sum(1)))

    def on_validation_epoch_end(self) -> None:
        loss, weight = (torch.stack(parts).sum(0) for parts in zip(*self._losses, strict=True))
        self._losses.clear()
        loss = loss / weight
        self.log("valid_loss", loss.mean(), prog_bar=True)
        if self.config.recipe == "seed":
            self._judge(loss)

    def _judge(self, loss):
        """Keep the weights of members that were never better; slow down those that stand still."""
        better = loss < self.best_loss
        self.best_loss = torch.where(better, loss, self.best_loss)
        self.best_epoch[better] = self.current_epoch
        for name, value in self.net.state_dict().items():
            self.best[name] = self.best[name].to(value.device)
            self.best[name][better] = value[better]
        self.log("best_valid_loss", self.best_loss.mean())
        for scheduler, value in zip(self.plateau, loss.tolist(), strict=True):
            scheduler.step(value)
        rates = [scheduler.get_last_lr()[0] for scheduler in self.plateau]
        self.rate[:] = torch.tensor(rates, device=self.rate.device)[:, None, None]

    def optimizer_step(
        self,
        epoch: int,
        batch_idx: int,
        optimizer: Any,
        optimizer_closure: Callable[[], Any] | None = None,
    ) -> None:
        # A member's own learning rate scales its step, which Adam makes in proportion to it.
        scaled = bool((self.rate != 1).any())
        before = [p.detach().clone() for p in self.net.parameters()] if scaled else []
        super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)
        with torch.no_grad():
            for old, parameter in zip(before, self.net.parameters(), strict=False):
                parameter.copy_(old + self.rate * (parameter - old))

    def configure_optimizers(self) -> Any:
        config = self.config
        kind = torch.optim.Adam if config.recipe == "seed" else torch.optim.AdamW
        optimizer = kind(
            self.net.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )
        if config.recipe == "seed":
            return optimizer
        scheduler = torch.optim.lr_scheduler.OneCycleLR(
            optimizer,
            config.learning_rate,
            total_steps=max(2, int(self.trainer.estimated_stepping_batches)),
            pct_start=0.1,
        )
        return [optimizer], [{"scheduler": scheduler, "interval": "step"}]

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["best"] = self.best
        checkpoint["plateau"] = [
            {k: v for k, v in p.state_dict().items() if k != "min_lrs"} for p in self.plateau
        ]

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.best = checkpoint["best"]
        for scheduler, state in zip(self.plateau, checkpoint["plateau"], strict=True):
            scheduler.load_state_dict(state)
            scheduler.optimizer.param_groups[0]["lr"] = state["_last_lr"][0]

    # -- export --------------------------------------------------------------------------------

    def fold(self) -> tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...]]:
        """Weights and biases to estimate with as numpy arrays (bag, member, ...), all folded.

        The scaling of the inputs goes into the first layer: an empty bin is 0 before and after,
        so the subtracted mean becomes a weight of the mask. Batch normalisation goes into the
        layer before it.
        """
        state = self.best if self.config.recipe == "seed" else self.net.state_dict()
        state = {k: v.detach().cpu().double() for k, v in state.items()}
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


def _bands(bins):
    """Band of each bin, as a tensor (n_bins,)."""
    centre = np.mean(load_bins(bins), axis=1)
    return torch.as_tensor(np.digitize(centre, BAND_EDGES))


def _share_bins(filled, share):
    """Filled bins (m, batch, n_bins), of a share of the samples those that another one has too.

    Which bins are filled tells of the class of whom they were filled for; what two SEDs of the
    batch share tells as much of either.
    """
    if share == 0:
        return filled
    m, n = filled.shape[:2]
    other = torch.randint(n, (m, n, 1), device=filled.device).expand_as(filled)
    chosen = torch.rand(m, n, 1, device=filled.device) < share
    return _enough(filled & (filled.gather(1, other) | ~chosen), filled)


def _drop_bands(filled, band, share):
    """Filled bins (m, batch, n_bins), of a share of the samples without some whole bands.

    What is not filled tells of the catalogs that were searched, and so of the class; samples that
    lack bands at random teach not to lean on that.
    """
    if share == 0:
        return filled
    shape, n_bands = filled.shape[:2], len(BAND_EDGES) + 1
    probability = _BAND_SHARE * (torch.rand(shape, device=filled.device) < share)
    gone = torch.rand(*shape, n_bands, device=filled.device) < probability[..., None]
    return _enough(filled & ~gone[..., band], filled)


def _drop_bins(filled, share):
    """Filled bins (m, batch, n_bins), of half of the samples without some."""
    if share == 0:
        return filled
    shape = filled.shape[:2]
    half = torch.rand(shape, device=filled.device) < 0.5
    probability = torch.rand(shape, device=filled.device) * 2 * share * half
    kept = filled & (torch.rand(filled.shape, device=filled.device) >= probability[..., None])
    return _enough(kept, filled)


def _enough(kept, filled):
    """What is kept of the filled bins, or all of them where too few would be left."""
    return torch.where(kept.sum(-1, keepdim=True) >= _FEWEST_LEFT, kept, filled)


def _scaling(pool, target, subtract_level):
    """Mean and standard deviation of inputs and label over each member's real training samples."""
    scaling = {
        name: []
        for name in ("bin_mean", "bin_std", "level_mean", "level_std", "label_mean", "label_std")
    }
    binned = pool.binned.astype(float)
    filled = np.isfinite(binned)
    level = np.where(filled, binned, 0).sum(1) / np.maximum(filled.sum(1), 1)
    base = level if subtract_level else np.full(len(level), ZERO_LEVEL)
    relative = np.where(filled, binned - base[:, None], 0)
    label = pool.label[:, TARGETS[target].index]
    label = label - level if subtract_level and target == "nufnu_peak" else label
    for rows in pool.train:
        rows = rows[~pool.simulated[rows]]
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
