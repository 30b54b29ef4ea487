"""Convert what the first edition wrote: records, weights and exhibits.

The first edition drew all first weights from one generator: its experiments become
those with ``training.draws`` ``"sequential"``. Names of settings follow
:data:`skellib.experiment.RENAMED`; nothing else changes, and nothing is thrown away.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import save

from skellib.errors import InputError
from skellib.experiment import PROFILES, RENAMED, Experiment, parse
from skellib.paths import atomic_write, write_errors, write_text
from skellib.records import VERSION, RunRecord, file_name, to_json

SHAPE = {
    "classes": "num_classes",
    "channels": "in_channels",
    "joints": "joints",
    "bodies": "bodies",
    "frames": "frames",
}
"""Arguments of the first edition's network that are its input's shape, and their names
now."""


# Fingerprints of the first edition held the name of the source; these are the data sets
# that its records were made with, and their fingerprints now.
FINGERPRINTS = {
    "5d1099f4f264df44d54d8cca9b96ee5661ed13b364967735145b216af2494967": (
        "d54a4542a7c57d39af38819f8bdc4037303c18ba42876d1ce445e60f6723f379"  # N-UCLA
    ),
    "1d58ad076e9d750f587fef4d10a84feb9f9e81c2de401beec07d89226dc8b85a": (
        "6f42ad6901efad72815deaf16f3101d87802ac4d36cd0e9f7ead0c303dba1dec"  # UTD-MHAD
    ),
    "bf4a79b7c755ca52b8e6241c34009a0aeceb29efcf95736fd1dfc58ea5f56aea": (
        "2b44f507a759d46ec7516446fde8dea9944a1e007bffd534fdefc025e441153b"  # SBU
    ),
    "2cd766dbe839ec9c1033f70e4df26fe43811b5c478d72027f908200eba530cff": (
        "208c13ba6d453332c4b71e72a340b684f278d9655c27aaf53f3ff0d3d714c504"  # synthetic
    ),
}


def upgrade_experiment(values: dict[str, Any]) -> Experiment:
    """Convert a configuration of the first edition.

    Raises:
        InputError: it is none.
    """
    upgraded = json.loads(json.dumps(values))
    for old, new in RENAMED.items():
        section, name = old.split(".")
        settings = upgraded.get(section, {})
        if name in settings:
            settings[new.split(".")[1]] = settings.pop(name)
    profile = upgraded.get("profile", "full")
    upgraded["profile"] = PROFILES.renamed.get(profile, profile)
    upgraded.setdefault("training", {})["draws"] = "sequential"
    return parse(upgraded)


def upgrade_record(values: dict[str, Any], concurrent_runs: int = 1) -> RunRecord:
    """Convert a record of version 1.

    Args:
        values: the content of its file.
        concurrent_runs: how many runs shared the device, which version 1 did not note.

    Raises:
        InputError: it is no record of version 1.
    """
    if values.get("version") != 1:
        raise InputError(
            f"version {values.get('version')!r}: not a record of version 1"
        )
    experiment = upgrade_experiment(values["experiment"])
    execution = {**values["execution"], "concurrent_runs": concurrent_runs}
    fingerprint = values["data"]["fingerprint"]
    data = {"fingerprint": FINGERPRINTS.get(fingerprint, fingerprint)}
    return RunRecord(
        **{
            **values,
            "version": VERSION,
            "key": experiment.key,
            "former_key": values["key"],
            "experiment": experiment,
            "execution": execution,
            "data": {**values["data"], **data},
        }
    )


def migrate(
    paths: Iterable[Path], concurrent_runs: int = 1, out: Path | None = None
) -> list[tuple[Path, Path]]:
    """Convert files, and folders of them; those that are up to date are left alone.

    Args:
        paths: records (``.json``), weights (``.safetensors``), exhibits, or folders.
        concurrent_runs: how many runs shared the device when records were made.
        out: folder for the converted files, by data set; unless given they take the
            place of the old ones.

    Returns:
        The old and the new path of each converted file.

    Raises:
        InputError: a file that cannot be converted, or whose new name is taken by
            another record; files before it are converted already.
    """
    done = []
    for path in _files(paths):
        made = _convert(path, concurrent_runs)
        if made is None:
            continue
        name, content = made
        folder = path.parent if out is None else out / path.parent.name
        target = folder / name
        if target.exists() and target != path:
            raise InputError(f"{path}: {target} is there already; move one of them")
        if isinstance(content, str):
            write_text(target, content)
        else:
            with write_errors(target):
                target.parent.mkdir(parents=True, exist_ok=True)
                with atomic_write(target, sync=False) as file:
                    file.write(content)
        if out is None and target != path:
            os.unlink(path)
        done.append((path, target))
    return done


def _files(paths: Iterable[Path]) -> list[Path]:
    """List the files that may be converted."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted([*path.rglob("*.json"), *path.rglob("*.safetensors")])
        elif path.is_file():
            found.append(path)
        else:
            raise InputError(f"{path}: no such file or folder")
    return found


def _convert(path: Path, concurrent_runs: int) -> tuple[str, str | bytes] | None:
    """Return the new name and content of a file; None where nothing is to be done."""
    try:
        if path.suffix == ".safetensors":
            return _convert_weights(path)
        values = json.loads(path.read_text(encoding="utf-8"))
        if not (isinstance(values, dict) and values.get("version") == 1):
            return None
        record = upgrade_record(values, concurrent_runs)
    except (KeyError, TypeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path}: cannot be converted ({reason})") from None
    return file_name(record.key, record.seed), to_json(record)


def _convert_weights(path: Path) -> tuple[str, bytes] | None:
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata() or {}
        if "arguments" not in metadata:
            return None
        state = {name: file.get_tensor(name) for name in sorted(file.keys())}
    experiment = upgrade_experiment(json.loads(metadata["experiment"]))
    arguments = json.loads(metadata.pop("arguments"))
    shape = {new: arguments[old] for old, new in SHAPE.items()}
    if "layout" not in metadata:
        raise ValueError("it does not hold the skeleton's layout; train again")
    metadata |= {
        "experiment": experiment.model_dump_json(),
        "shape": json.dumps(shape),
    }
    name = f"{experiment.key}-seed{metadata['seed']}.safetensors"
    return name, save(state, metadata=metadata)
