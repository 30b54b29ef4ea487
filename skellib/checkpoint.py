"""The state of an unfinished run in one file."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from skellib.errors import InputError


@dataclass
class State:
    """What a checkpoint holds beside the weights."""

    epoch: int = 0
    seconds: float = 0.0
    history: list[dict[str, Any]] = field(default_factory=list)


class Checkpoint:
    """The state of an unfinished run in one file, replaced whole.

    Args:
        path: of the file.
        key: of the experiment; a checkpoint of another one is refused.
    """

    def __init__(self, path: Path, key: str) -> None:
        self.path, self.key = path, key

    def save(self, parts: dict[str, Any], state: State) -> None:
        """Write weights, optimiser, schedule, generators and progress."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        generators = {"cpu": torch.get_rng_state()}
        if torch.cuda.is_available():
            generators["cuda"] = torch.cuda.get_rng_state()
        content = {name: part.state_dict() for name, part in parts.items()}
        content |= {"key": self.key, "state": asdict(state), "generators": generators}
        part = self.path.with_suffix(f".{os.getpid()}.part")
        torch.save(content, part)
        os.replace(part, self.path)

    def load(self, parts: dict[str, Any]) -> State:
        """Restore what :meth:`save` wrote; a fresh state where there is no file.

        Raises:
            InputError: if the file is damaged or belongs to another experiment.
        """
        if not self.path.is_file():
            return State()
        try:
            # weights_only: tensors and plain containers, no other pickled object.
            content = torch.load(self.path, map_location="cpu", weights_only=True)
            if content["key"] != self.key:
                raise InputError(f"{self.path}: checkpoint of another experiment")
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
        return State(**content["state"])
