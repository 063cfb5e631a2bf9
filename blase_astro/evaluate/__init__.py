"""How good estimates are: scores, figures, reports, labels in doubt."""

from .._lazy import lazy

# Public name: module. Loaded when first used: not all of them are cheap.
_PUBLIC = {
    "LEVELS": "groups",
    "cdf_of_interval": "scores",
    "class_groups": "groups",
    "compare": "comparison",
    "compare_targets": "comparison",
    "confusion": "scores",
    "crps": "scores",
    "evaluate": "groups",
    "evaluate_groups": "groups",
    "ks_distance": "scores",
    "member_means": "comparison",
    "n_bins_groups": "groups",
    "normal_cdf": "scores",
    "normal_interval": "scores",
    "original_columns": "labels",
    "out_of_bag": "labels",
    "out_of_bag_line": "labels",
    "p_values": "labels",
    "out_of_bag_tables": "comparison",
    "plot_confusion": "figures",
    "plot_estimates": "figures",
    "plot_gain": "figures",
    "plot_intervals": "figures",
    "plot_moving": "figures",
    "plot_pit": "figures",
    "plot_population": "populations",
    "plot_reliability": "figures",
    "population_of": "populations",
    "population_table": "populations",
    "q_value": "scores",
    "randomised_pit": "scores",
    "refine": "labels",
    "score": "comparison",
    "score_text": "comparison",
    "sed_panels": "sheet",
    "winkler_score": "scores",
    "write_population_figure": "populations",
    "write_refined": "labels",
    "write_report": "report",
    "write_sheet": "sheet",
}

__all__ = list(_PUBLIC)
__getattr__, __dir__ = lazy(__name__, _PUBLIC)
