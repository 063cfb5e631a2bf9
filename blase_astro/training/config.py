"""The recipe of a training."""

from dataclasses import dataclass

__all__ = ["PRESETS", "TrainConfig"]


@dataclass(frozen=True)
class TrainConfig:
    """What decides a training; with the archive and the versions, all that does.

    Of pairs, the first number is for ``nu_peak``, the second for ``nufnu_peak``.

    Parameters
    ----------
    recipe : {'default', 'seed'}
        ``default``: real SEDs beside simulated ones (`~blase_astro.training.default_pool`), the
        learning rate up and down once (Smith and Topin 2017), the last weights. ``seed``:
        augmented real SEDs (`~blase_astro.training.seed_pool`), the learning rate divided by ten
        where a member's validation loss has not improved for ten epochs, its best epoch.
    networks : {'grid', 'normal'}
        What the networks give: probabilities on a grid, or mean and variance of a normal
        distribution.
    bins : str
        Bin set.
    n_bags, n_members : int
        Bags, and members of each.
    hidden, dropout : tuple
        Width of each hidden layer, and the share of its units dropped.
    subtract_level : bool
        Subtract each SED's mean level and give it as an input. Networks on a grid need it.
    drop_bins : float
        In half of the samples of a batch, bins are dropped with a probability drawn between 0 and
        twice this number.
    drop_bands : float
        In this share of the samples whole bands are dropped, each with a probability of 0.3.
    shared_bins : float
        In this share of the samples only those bins are kept that another sample of the batch,
        drawn at random, has too.
    simulated : int
        Number of simulated SEDs; a batch has as many of them as of real ones.
    rich_weights : tuple of pair
        Number of filled bins and the weight in the loss of a real SED from there on.
    label_width : tuple of float
        Standard deviation (dex) that the label is smeared by on the grid: its own error.
    cdf_weight : tuple of float
        Weight of the squared distance of the cumulative distributions, beside cross entropy.
    epochs, batch_size : int
        Length of the training in passes over the real SEDs, and real SEDs of a batch.
    learning_rate, weight_decay : float
        Of Adam.
    seed : int
        Seed of everything random.
    """

    recipe: str = "default"
    networks: str = "grid"
    bins: str = "v2"
    n_bags: int = 5
    n_members: int = 4
    hidden: tuple = (192, 64)
    dropout: tuple = (0.1, 0.05)
    subtract_level: bool = True
    drop_bins: float = 0.1
    drop_bands: float = 0.25
    shared_bins: float = 0.25
    simulated: int = 20000
    rich_weights: tuple = ((12, 2.0), (20, 4.0))
    label_width: tuple = (0.1, 0.1)
    cdf_weight: tuple = (3.0, 9.0)
    epochs: int = 40
    batch_size: int = 64
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    seed: int = 0

    def __post_init__(self):
        if self.networks == "grid" and not self.subtract_level:
            raise ValueError("networks on a grid: wanted subtract_level=True, got False")


PRESETS = {
    "default": TrainConfig(),
    # The original recipe, to the letter where the letter was sound (docs: training).
    "seed": TrainConfig(
        recipe="seed",
        networks="normal",
        bins="v1",
        n_members=5,
        hidden=(152, 80, 72, 48),
        dropout=(
            0.11623816061109485,
            0.14953177977171542,
            0.024569432237666035,
            0.03208157605345701,
        ),
        subtract_level=False,
        drop_bins=0.0,
        drop_bands=0.0,
        shared_bins=0.0,
        simulated=0,
        rich_weights=(),
        epochs=200,
        batch_size=64,
        learning_rate=0.0018397297637578883,
        weight_decay=1.634587061861498e-05,
    ),
}
