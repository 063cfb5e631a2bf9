"""What to observe next, and what moved the answer."""

from .bands import BANDS
from .fillings import Fillings
from .leaving_out import explain, plot_explanation, write_explanation_figure
from .observing import advise, target_list
from .starlight import p_starlight

__all__ = [
    "BANDS",
    "Fillings",
    "advise",
    "explain",
    "p_starlight",
    "plot_explanation",
    "target_list",
    "write_explanation_figure",
]
