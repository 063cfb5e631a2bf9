"""Binned SEDs through the networks of an ensemble: matrix products of numpy, in blocks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from .sed import mean_level

if TYPE_CHECKING:
    from ._types import Iterable

__all__ = ["Networks"]

# Reference of the bins where the SED's own level is not subtracted: it keeps float32 sums small.
ZERO_LEVEL = -12.0
# Smallest variance of a normal network in units of the label's scatter: none claims certainty.
MIN_VARIANCE = 1e-4
# An SED's estimate does not depend on its neighbours, to the last bit: where matrix products are
# summed in one order, whatever their size and wherever a row stands. OpenBLAS does that along the
# fast axis of the result, within one of its blocks (256 rows fit into one on all processors that
# were tried), away from the 8 rows at either end and where sizes are multiples of 16.
_MULTIPLE = 16
_EDGE = 8
_CHUNK = 256 - 2 * _EDGE


@dataclass(frozen=True, eq=False)
class Networks:
    """The members of an `~blase_astro.Ensemble` as what they compute.

    Attributes
    ----------
    weights, biases, subtract_level, grid, label_mean, label_std
        As of the ensemble.
    """

    weights: tuple[np.ndarray, ...]
    biases: tuple[np.ndarray, ...]
    subtract_level: bool
    grid: np.ndarray | None = None
    label_mean: np.ndarray | None = None
    label_std: np.ndarray | None = None

    def mix(self, binned: np.ndarray, bags: Iterable[int]) -> tuple[np.ndarray, np.ndarray]:
        """Mixtures of the distributions that the members of some bags give.

        Parameters
        ----------
        binned : ndarray of float, shape (n, n_bins)
            log10 of nu F_nu in erg / (s cm2), NaN where the bin is empty; each has a filled bin.
        bags : iterable of int
            Which bags.

        Returns
        -------
        mixed : ndarray of float, shape (n, n_grid) or (n, 2)
            Mean of the members' probabilities; without a grid mean and variance of the mixture.
        means : ndarray of float64, shape (n_members, n)
            Mean of every member's distribution.
        """
        width = 2 if self.grid is None else len(self.grid)
        members = [(b, m) for b in bags for m in range(self.weights[0].shape[1])]
        mixed = np.empty((len(binned), width), float if self.grid is None else np.float32)
        means = np.empty((len(members), len(binned)))
        for start in range(0, len(binned), _CHUNK):
            rows = slice(start, start + _CHUNK)
            mixed[rows], means[:, rows] = self._mix(binned[rows], members)
        return mixed, means

    def _inputs(self, binned):
        """Inputs of the networks (n_rows, n_in), zeros at the ends, and where the SEDs are."""
        filled = np.isfinite(binned)
        base = mean_level(binned) if self.subtract_level else np.full(len(binned), ZERO_LEVEL)
        n_bins = binned.shape[1]
        n_rows = -(-(len(binned) + 2 * _EDGE) // _MULTIPLE) * _MULTIPLE
        x = np.zeros((n_rows, self.weights[0].shape[2]), np.float32, order="F")
        rows = slice(_EDGE, _EDGE + len(binned))
        x[rows, :n_bins] = np.where(filled, binned - base[:, None], 0)
        x[rows, n_bins : 2 * n_bins] = filled
        if self.subtract_level:
            x[rows, 2 * n_bins] = base - ZERO_LEVEL
        return x, rows

    def _mix(self, binned, members):
        """`mix` of one block of SEDs."""
        x, rows = self._inputs(binned)
        layers = [_empty(len(x), weight.shape[-1]) for weight in self._filled[0]]
        mixed, means = 0, np.empty((len(members), len(binned)))
        for i, member in enumerate(members):
            output = self._forward(x, member, layers)
            if self.grid is None:
                output = self._moments(output, member)
                means[i] = output[rows, 0]
            else:
                means[i] = _softmax(output, self._moment_weights)[rows]
            mixed += output
        mixed = mixed[rows, : self.weights[-1].shape[-1]] / len(members)
        if self.grid is None:
            mixed[:, 1] += means.var(axis=0)
        return mixed, means

    @cached_property
    def _moment_weights(self):
        """What gives the sum and the mean over the grid in one product, (n_columns, 2)."""
        weights = np.stack([np.ones(len(self.grid)), self.grid], axis=1).astype(np.float32)
        return np.pad(weights, [(0, self._more), (0, 0)])

    def _forward(self, x, which, layers):
        """Last layer of one member; ``layers`` is the memory that its layers are written to."""
        last = len(layers) - 1
        for i, (weight, bias) in enumerate(zip(*self._filled, strict=True)):
            np.matmul(x, weight[which], out=layers[i])
            x = layers[i]
            if i < last:
                np.maximum(x, -bias[which], out=x)
        x += bias[which]
        return x

    @property
    def _more(self):
        """Columns that fill up the last layer."""
        return -self.weights[-1].shape[-1] % _MULTIPLE

    @cached_property
    def _filled(self):
        """Weights and biases, the last layer's with columns of no probability."""
        weights, biases = list(self.weights), list(self._biases)
        for arrays, value in ((weights, 0), (biases, -np.inf)):
            width = [(0, 0)] * (arrays[-1].ndim - 1) + [(0, self._more)]
            arrays[-1] = np.pad(arrays[-1], width, constant_values=value)
        return weights, biases

    @cached_property
    def _biases(self):
        """Biases for layers that go on without theirs: max(x + b, 0) is max(x, -b) + b.

        One pass over the memory does for two; what is left out is added to the next layer's bias.
        """
        moved = [self.biases[0].astype(float)]
        for weight, bias in zip(self.weights[1:], self.biases[1:], strict=True):
            moved.append(bias + np.einsum("bmi,bmio->bmo", moved[-1], weight))
        return tuple(bias.astype(np.float32) for bias in moved)

    def _moments(self, output, which):
        """Mean and variance (n, 2) of a normal member."""
        output = output.astype(float)
        scale = self.label_std[which]
        mean = output[:, 0] * scale + self.label_mean[which]
        variance = (np.logaddexp(0, output[:, 1]) + MIN_VARIANCE) * scale**2
        return np.stack([mean, variance], axis=1)


def _empty(n, width):
    """Memory for a product, SEDs along the fast axis."""
    return np.empty((n, width), np.float32, order="F")


def _softmax(logits, weights):
    """Logarithms to probabilities (n, n_grid), in place; their means over the grid (n,)."""
    logits -= logits.max(axis=1, keepdims=True)
    np.exp(logits, out=logits)
    total, first = np.matmul(logits, weights, out=_empty(len(logits), 2)).T
    logits *= (1 / total)[:, None]
    return first.astype(float) / total
