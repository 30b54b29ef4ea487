"""The state of an unfinished run in one file."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from skellib.errors import InputError
from skellib.paths import atomic_write, write_errors


@dataclass
class Progress:
    """How far a run has come.

    Attributes:
        epoch: epochs done.
        seconds: wall time spent on them, over all resumptions.
        history: one entry an epoch, see :class:`skellib.records.Epoch`.
    """

    epoch: int = 0
    seconds: float = 0.0
    history: list[dict[str, Any]] = field(default_factory=list)


class Checkpoint:
    """A file with the state of one run, replaced whole.

    Args:
        path: of the file.
        key: of the experiment.
        data: fingerprint of the data set. A checkpoint of another experiment, or of
            other data, is refused.
    """

    def __init__(self, path: Path, key: str, data: str) -> None:
        self.path, self.key, self.data = path, key, data

    def save(self, parts: dict[str, Any], progress: Progress) -> None:
        """Write weights, optimiser, schedule, generator states and progress.

        Raises:
            InputError: the file cannot be written.
        """
        generators = {"cpu": torch.get_rng_state()}
        if torch.cuda.is_available():
            generators["cuda"] = torch.cuda.get_rng_state()
        content = {name: part.state_dict() for name, part in parts.items()} | {
            "key": self.key,
            "data": self.data,
            "progress": asdict(progress),
            "generators": generators,
        }
        with write_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_write(self.path, sync=False) as file:
                torch.save(content, file)

    def load(self, parts: dict[str, Any]) -> Progress:
        """Restore what :meth:`save` wrote; return a fresh start where no file is.

        Raises:
            InputError: the file is damaged, or of another experiment or other data.
        """
        if not self.path.is_file():
            return Progress()
        try:
            # weights_only: tensors and plain containers, no other pickled object.
            content = torch.load(self.path, map_location="cpu", weights_only=True)
            for what, own in (("key", self.key), ("data", self.data)):
                if content[what] != own:
                    raise InputError(
                        f"{self.path}: a checkpoint of {_OTHER[what]} "
                        f"({content[what]}, not {own}); delete it to start anew"
                    )
            for name, part in parts.items():
                part.load_state_dict(content[name])
        except InputError:
            raise
        except Exception as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise InputError(
                f"{self.path}: damaged checkpoint ({reason}); delete it to start anew"
            ) from None
        torch.set_rng_state(content["generators"]["cpu"])
        if "cuda" in content["generators"] and torch.cuda.is_available():
            torch.cuda.set_rng_state(content["generators"]["cuda"])
        return Progress(**content["progress"])

    def delete(self) -> None:
        """Delete the file, if there is one."""
        self.path.unlink(missing_ok=True)


_OTHER = {"key": "another experiment", "data": "other data"}
