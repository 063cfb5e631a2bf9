"""The folder of a training: one run at a time, and going on with the run that it holds."""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from contextlib import contextmanager, suppress
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np
import torch

from ..io.output import placed

if TYPE_CHECKING:
    from pathlib import Path

    from .._types import Iterator
    from .config import TrainConfig

__all__ = ["alone", "checkpoint", "digest", "keep_run"]


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold a folder for one training; a second one in it is refused.

    Of a training that was refused itself nothing is left but what was there before.

    Parameters
    ----------
    folder : `~pathlib.Path`
        Folder of the logs; made where it is missing.
    """
    new = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with _locked(folder):
            yield
    except (ValueError, FileNotFoundError):
        if new and not any(folder.glob("*/last.ckpt")):
            with suppress(OSError):  # of folders that somebody else has filled meanwhile
                shutil.rmtree(folder)
                for path in new[1:]:
                    path.rmdir()
        raise


@contextmanager
def _locked(folder):
    """Hold the lock of a folder that is there."""
    with open(folder / "lock", "w") as file:
        try:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(
                f"{folder}: another training writes there; wait for it or name another folder"
            ) from None
        except (ImportError, OSError):
            pass  # no locks on this system
        yield


def digest(*arrays: np.ndarray) -> str:
    """SHA-256 of arrays, as hexadecimal digits."""
    result = hashlib.sha256()
    for array in arrays:
        array = np.ascontiguousarray(array)
        result.update(f"{array.dtype.str} {array.shape}".encode() + array.tobytes())
    return result.hexdigest()


def keep_run(folder: Path, config: TrainConfig, training_set: str, resume: bool) -> None:
    """Write what a run was started with beside its logs; a resumed run must have the same.

    Parameters
    ----------
    folder : `~pathlib.Path`
        Folder of the logs.
    config : `~blase_astro.training.TrainConfig`
        The recipe.
    training_set : str
        Digest of all that is learnt from.
    resume : bool
        Is this run to go on with the one in the folder?
    """
    path = folder / "run.json"
    run = json.loads(json.dumps({"training_set": training_set} | asdict(config)))
    if resume:
        try:
            old = dict(json.loads(path.read_text()))
        except FileNotFoundError:
            raise FileNotFoundError(f"{path}: no training there to go on with") from None
        except (ValueError, TypeError):
            raise ValueError(f"{path}: damaged; wanted what a training wrote there") from None
        if old.pop("training_set", None) != run.pop("training_set"):
            raise ValueError(f"{path}: cannot resume with other SEDs or labels")
        changed = [f"{k}: was {old.get(k)}, now {v}" for k, v in run.items() if old.get(k) != v]
        if changed:
            raise ValueError(f"{path}: cannot resume with another recipe ({'; '.join(changed)})")
        return
    for earlier in folder.glob("*/last.ckpt"):
        earlier.unlink()
    with placed(path, overwrite=True) as beside:
        beside.write_text(json.dumps(run, indent=1))


def checkpoint(path: Path) -> Path | None:
    """The checkpoint to go on from, None where none was written yet.

    Torch reads damaged numbers as they are; the checksums in the file, a zip, tell.

    Parameters
    ----------
    path : `~pathlib.Path`
        The file.
    """
    if not path.is_file():
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
        if damaged is None:
            torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
            return path
    except Exception:  # zipfile, pickle and torch raise many kinds on what is no checkpoint
        pass
    raise ValueError(f"{path}: damaged, or no checkpoint; start anew without --resume")
