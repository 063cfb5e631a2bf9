"""Names of types for annotations: read by type checkers alone, never needed to run."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence  # noqa: F401
    from os import PathLike
    from typing import IO, Any, TypeAlias

    from astropy.coordinates import SkyCoord
    from astropy.table import Table
    from astropy.units import Quantity
    from matplotlib.axes import Axes  # noqa: F401

    from .ensemble import Ensemble
    from .io import Points

    # What `numpy.asarray` takes. Numpy's own name is a union that cannot be computed with, and
    # most functions give the array the name of what it was made from.
    ArrayLike: TypeAlias = Any
    AnyPath: TypeAlias = str | PathLike[str]
    Say: TypeAlias = Callable[[str], Any] | None
    Progress: TypeAlias = Callable[[int, int], Any] | None
    Stream: TypeAlias = IO[Any]
    SedFile: TypeAlias = AnyPath | bytes | Stream | Iterable[str]
    Radius: TypeAlias = float | str | Quantity
    Position: TypeAlias = SkyCoord | tuple[Any, Any]
    Ensembles: TypeAlias = AnyPath | Ensemble | Iterable[Ensemble] | None
    Seds: TypeAlias = AnyPath | Table | Points | Iterable[Any]
    Bands: TypeAlias = AnyPath | Table | Iterable[Any]
