"""Stacked training beside a loop of separate ones, at equal steps (run by hand).

    python tests/benchmarks/bench_train.py [--members 25] [--rows 6000] [--device cpu]

The loop is the original's way: one network, one `pytorch_lightning.Trainer.fit` a member.
"""

import argparse
import logging
import time
import warnings
from dataclasses import replace

import numpy as np
import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from blase_astro.networks import MIN_VARIANCE
from blase_astro.training import PRESETS, Pool, PoolData, StackedEnsemble


class Single(pl.LightningModule):
    """One member, as in the original work."""

    def __init__(self, n_in, config):
        super().__init__()
        self.config, layers = config, []
        for width, share in zip(config.hidden, config.dropout, strict=True):
            layers += [nn.Linear(n_in, width), nn.BatchNorm1d(width), nn.Dropout(share), nn.ReLU()]
            n_in = width
        self.net = nn.Sequential(*layers, nn.Linear(n_in, 2))

    def loss(self, batch):
        x, y = batch
        out = self.net(x)
        variance = nn.functional.softplus(out[:, 1]) + MIN_VARIANCE
        return (variance.log() + (y - out[:, 0]) ** 2 / variance).mean()

    def training_step(self, batch):
        loss = self.loss(batch)
        self.log("train_loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch):
        self.log("valid_loss", self.loss(batch))

    def configure_optimizers(self):
        config = self.config
        return torch.optim.Adam(
            self.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )


def trainer(config, device):
    """The same Trainer for both."""
    return pl.Trainer(
        max_epochs=config.epochs,
        accelerator=device,
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--members", type=int, default=25)
    parser.add_argument("--rows", type=int, default=6000, help="training samples of a member")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    config = replace(PRESETS["seed"], epochs=options.epochs, n_bags=1, n_members=options.members)
    rng = np.random.default_rng(0)
    n = options.rows + 1500
    binned = rng.normal(-12, 1, (n, 26)).astype(np.float32)
    binned[rng.random((n, 26)) < 0.5] = np.nan
    label = np.stack([binned[:, :13].mean(1), binned[:, 13:].mean(1)], 1)
    label = np.where(np.isfinite(label), label, -12.0)
    rows = [np.arange(options.rows)] * options.members
    valid = [np.arange(options.rows, n)] * options.members
    pool = Pool(binned, label, np.ones(n), np.zeros(n, bool), rows, valid)

    start = time.perf_counter()
    module = StackedEnsemble(pool, "nu_peak", config)
    trainer(config, options.device).fit(module, datamodule=PoolData(pool, config))
    stacked = time.perf_counter() - start

    filled = np.isfinite(binned)
    x = torch.tensor(np.concatenate([np.where(filled, binned + 12, 0), filled], 1)).float()
    y = torch.tensor(label[:, 0]).float()
    data = TensorDataset(x, y)
    start = time.perf_counter()
    for _ in range(options.members):
        loaders = [
            DataLoader(
                torch.utils.data.Subset(data, part),
                config.batch_size,
                shuffle=k == 0,
                drop_last=k == 0,
            )
            for k, part in enumerate((rows[0], valid[0]))
        ]
        trainer(config, options.device).fit(Single(52, config), *loaders)
    loop = time.perf_counter() - start
    steps = options.rows // config.batch_size * options.epochs
    print(
        f"{options.members} members, {steps} steps each, {options.device}, "
        f"{torch.get_num_threads()} threads"
    )
    print(f"stacked {stacked:.1f} s, loop {loop:.1f} s, ratio {loop / stacked:.2f}")


if __name__ == "__main__":
    main()
