"""The recipe of a training."""

from dataclasses import dataclass

__all__ = ["PRESETS", "TrainConfig"]


@dataclass(frozen=True)
class TrainConfig:
    """What decides a training; with the archive and the versions, all that does.

    Parameters
    ----------
    recipe : {'default', 'seed'}
        How samples are made: `~blase_astro.training.default_pool` or
        `~blase_astro.training.seed_pool`.
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
