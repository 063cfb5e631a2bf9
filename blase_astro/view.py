"""Tables of estimates on the screen."""

from astropy.table import Table

__all__ = ["Estimates"]

_SHOWN = (
    "name",
    "log_nu_peak",
    "log_nu_peak_lo",
    "log_nu_peak_hi",
    "peak_class",
    "peak_quality",
    "n_bins",
)


class Estimates(Table):
    """A table of estimates that is printed, and shown in notebooks, with the columns that matter.

    In all else it is an `~astropy.table.Table`; ``pprint`` and ``show_in_notebook`` show all
    columns.
    """

    def _short(self):
        """The table with some columns and how many are left out; none of a table that lacks any."""
        names = [name for name in _SHOWN if name in self.colnames]
        left = len(self.colnames) - len(names)
        whole = {"name", "peak_class", "peak_quality"} <= set(names) and left
        return (self[names], left) if whole else (self, 0)

    def __str__(self):
        table, left = self._short()
        if not left:
            return super().__str__()
        lines = "\n".join(table.pformat(max_width=-1))
        return f"{lines}\n({left} more columns: .colnames)"

    def _repr_html_(self):
        table, left = self._short()
        if not left:
            return super()._repr_html_()
        return f"{table._repr_html_()}<p>{left} more columns: <code>.colnames</code></p>"
