"""``blase train`` and ``simulate``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from .options import add_output_options, count, radius, say, warnings_said

if TYPE_CHECKING:
    from .._types import Any

__all__ = ["add_simulate", "add_train"]

# Options whose fields of the recipe have other names.
_FIELDS = {"bags": "n_bags", "members": "n_members"}


def add_train(commands: Any) -> None:
    from ..training.config import PRESETS

    parser = commands.add_parser(
        "train", help="train an ensemble on an archive of SEDs whose peaks are known"
    )
    parser.add_argument("archive", help="folder or zip of SED files")
    parser.add_argument(
        "-o", "--output", metavar="DIR", required=True, help="folder for the ensemble and its logs"
    )
    labels = parser.add_argument_group("labels (default: those in the file names)")
    labels.add_argument("--labels", metavar="CATALOG", help="catalog with the peaks, any format")
    labels.add_argument("--nu-column", metavar="COL", help="its column of peak frequencies")
    labels.add_argument("--nufnu-column", metavar="COL", help="its column of peak fluxes")
    labels.add_argument(
        "--radius",
        type=radius,
        default=5.0,
        help="how far an SED may lie from its row (default: 5arcsec)",
    )
    recipe = parser.add_argument_group("recipe")
    recipe.add_argument(
        "--preset",
        choices=["default", "seed"],
        default="default",
        help="default, or seed: the original recipe",
    )
    for name, text in (
        ("bags", "number of bags"),
        ("members", "members of each bag"),
        ("epochs", "length of the training"),
        ("seed", "seed of everything random"),
        ("simulated", "number of simulated SEDs beside the real ones"),
    ):
        known = {preset: getattr(PRESETS[preset], _FIELDS.get(name, name)) for preset in PRESETS}
        text += f" (default: {known['default']}"
        text += f"; preset seed: {known['seed']})" if known["seed"] != known["default"] else ")"
        recipe.add_argument(f"--{name}", type=count, metavar="N", help=text)
    run = parser.add_argument_group("running")
    run.add_argument("--resume", action="store_true", help="go on with an interrupted training")
    run.add_argument("--overwrite", action="store_true", help="replace an existing ensemble")
    run.add_argument("--device", default="cpu", help="cpu (default), gpu or auto")
    run.add_argument("--devices", type=count, default=1, help="how many of them (default: 1)")
    run.add_argument("--strategy", default="auto", help="of pytorch_lightning (default: auto)")
    run.add_argument(
        "--precision", default="32-true", help="of pytorch_lightning (default: 32-true)"
    )
    parser.set_defaults(run=_run_train)


def add_simulate(commands: Any) -> None:
    parser = commands.add_parser("simulate", help="make SEDs whose peaks are known")
    parser.add_argument(
        "-n", type=count, default=20000, metavar="N", help="how many SEDs (default: 20000)"
    )
    parser.add_argument(
        "-o", "--output", metavar="ZIP", required=True, help="zip archive of SED files to write"
    )
    parser.add_argument("--seed", type=count, default=0, help="of the random numbers (default: 0)")
    parser.add_argument(
        "--sampling",
        metavar="ARCHIVE",
        help="folder or zip of real SEDs to sample like (default: built-in surveys)",
    )
    add_output_options(parser)
    parser.set_defaults(run=_run_simulate)


def _run_simulate(options):
    from ..io.output import check_place
    from ..simulate.make import simulate_seds, write_simulated

    check_place(options.output, overwrite=options.overwrite)
    sampling = None
    if options.sampling is not None:
        from ..io import read_points
        from ..io.table import join_points

        sampling = join_points(list(read_points(options.sampling)))
    points, _ = simulate_seds(options.n, seed=options.seed, sampling=sampling)
    write_simulated(points, options.output, overwrite=options.overwrite)
    say(options)(f"{options.output}: {options.n} SEDs, {len(points.sed)} measurements")
    return 0


def _run_train(options):
    from pathlib import Path

    from ..ensemble import TARGETS
    from ..io.output import ExistsAlready
    from ..training.dataset import read_training_set, training_points

    output = Path(options.output)
    existing = [output / f"{target}.npz" for target in TARGETS]
    existing = [path for path in existing if path.exists()]
    if existing and not (options.overwrite or options.resume):
        raise ExistsAlready(existing[0])
    labels = None
    if options.labels is not None:
        from ..io.files import read_catalog

        labels = read_catalog(options.labels)
    config = _train_config(options)
    tell = say(options)
    with warnings_said(options):
        table = read_training_set(
            options.archive,
            labels,
            bins=config.bins,
            nu_column=options.nu_column,
            nufnu_column=options.nufnu_column,
            radius=options.radius,
            report=tell,
        )
        sampling = training_points(options.archive, table) if config.simulated else None
    tell(f"{len(table)} sources to train on")
    from ..evaluate.labels import out_of_bag_line
    from ..training.train import train_ensemble

    try:
        trained = train_ensemble(
            table,
            config,
            sampling=sampling,
            output=output,
            resume=options.resume,
            progress=not options.quiet and sys.stderr.isatty(),
            say=tell,
            accelerator=options.device,
            devices=options.devices,
            strategy=options.strategy,
            precision=options.precision,
        )
    except KeyboardInterrupt:
        tell("the same command with --resume goes on from the last whole epoch")
        raise
    for ensemble in trained.values():
        print(out_of_bag_line(ensemble))
    return 0


def _train_config(options):
    """The preset, with what the command line says differently."""
    from dataclasses import replace

    from ..training.config import PRESETS

    given = {
        _FIELDS.get(name, name): getattr(options, name)
        for name in ("bags", "members", "epochs", "seed", "simulated")
        if getattr(options, name) is not None
    }
    return replace(PRESETS[options.preset], **given)
