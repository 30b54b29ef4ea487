"""Save and restore the state of an unfinished run."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from skellib.errors import InputError
from skellib.paths import atomic_write, read_errors, write_errors


@dataclass
class Progress:
    """Hold the progress of a run.

    Attributes:
        epoch: number of completed epochs.
        seconds: wall time of these epochs, including those before the run was resumed.
        history: one entry per epoch, see :class:`skellib.records.Epoch`.
    """

    epoch: int = 0
    seconds: float = 0.0
    history: list[dict[str, Any]] = field(default_factory=list)

    def add(self, epoch: dict[str, Any], seconds: float) -> None:
        """Add a completed epoch; ``seconds`` is the wall time so far."""
        self.epoch, self.seconds = epoch["epoch"], seconds
        self.history.append(epoch)


class Checkpoint:
    """Keep the state of one run in a file that is replaced atomically.

    A checkpoint of a different experiment or of different data is refused.

    Args:
        path: path of the file.
        key: key of the experiment.
        data: fingerprint of the data set.
    """

    def __init__(self, path: Path, key: str, data: str) -> None:
        self.path, self.key, self.data = path, key, data

    def save(self, parts: dict[str, Any], progress: Progress) -> None:
        """Write the state of the run and of the random generators.

        Args:
            parts: network, optimiser and schedule, by name.
            progress: progress of the run.

        Raises:
            InputError: if the file cannot be written.
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
        """Restore what :meth:`save` wrote, if there is a file.

        Args:
            parts: network, optimiser and schedule, by name; their state is replaced.

        Returns:
            The progress of the run; that of a new run if there is no file.

        Raises:
            InputError: if the file is damaged or belongs to another experiment or other
                data.
        """
        if not self.path.is_file():
            return Progress()
        try:
            # weights_only: refuse pickled objects that could run code.
            with read_errors(self.path):
                content = torch.load(self.path, map_location="cpu", weights_only=True)
            for what, own in (("key", self.key), ("data", self.data)):
                if content[what] != own:
                    raise InputError(
                        f"{self.path}: a checkpoint of {_OTHER[what]} "
                        f"({content[what]}, not {own}); delete it to start again"
                    )
            for name, part in parts.items():
                part.load_state_dict(content[name])
        except InputError:
            raise
        except Exception as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise InputError(
                f"{self.path}: damaged checkpoint ({reason}); delete it to start again"
            ) from None
        torch.set_rng_state(content["generators"]["cpu"])
        if "cuda" in content["generators"] and torch.cuda.is_available():
            torch.cuda.set_rng_state(content["generators"]["cuda"])
        return Progress(**content["progress"])

    def delete(self) -> None:
        """Delete the file if it exists."""
        self.path.unlink(missing_ok=True)


_OTHER = {"key": "another experiment", "data": "other data"}
