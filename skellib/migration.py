"""Convert records and weights of the first edition to the current format.

The first edition initialised all layers by one generator, so that its experiments
become those with ``training.draws`` ``"sequential"``. Settings are renamed by
:data:`skellib.experiment.RENAMED`. Nothing else is changed, and nothing is lost.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from skellib.errors import InputError
from skellib.experiment import PROFILES, RENAMED, Experiment, parse
from skellib.paths import atomic_write, write_errors
from skellib.records import VERSION, RunRecord, file_name, to_json

SHAPE = {
    "classes": "num_classes",
    "channels": "in_channels",
    "joints": "joints",
    "bodies": "bodies",
    "frames": "frames",
}
"""Arguments for the shape of a network's input: former to current name."""


# The first edition included the name of the source in fingerprints. For each data set
# of its records: the former and the current fingerprint.
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
        InputError: if it is not valid.
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
        values: contents of the file.
        concurrent_runs: number of runs that shared the device, which version 1 does not
            record.

    Raises:
        InputError: if it is not a record of version 1.
    """
    if values.get("version") != 1:
        raise InputError(
            f"version {values.get('version')!r}: not a record of version 1"
        )
    experiment = upgrade_experiment(values["experiment"])
    execution = {"concurrent_runs": concurrent_runs, **values["execution"]}
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
    """Convert records and weights; leave files in the current format unchanged.

    Args:
        paths: records (``.json``), weights (``.safetensors``), or folders of them.
        concurrent_runs: number of runs that shared the device when the records were
            made.
        out: folder for the converted files, with a subfolder per data set. By default
            they replace the old files.

    Returns:
        Old and new path of each converted file.

    Raises:
        InputError: if a file cannot be converted, or its new name is already taken.
            Files before it have been converted then.
    """
    done = []
    for path in _files(paths):
        made = _convert(path, concurrent_runs)
        if made is None:
            continue
        dataset, name, content = made
        folder = path.parent if out is None else out / dataset
        target = folder / name
        if target.exists() and target != path:
            raise InputError(f"{path}: {target} already exists; move one of them")
        with write_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            with atomic_write(target) as file:
                file.write(content)
        if out is None and target != path:
            os.unlink(path)
        done.append((path, target))
    return done


def _files(paths: Iterable[Path]) -> list[Path]:
    """List the given files, and the records and weights in the given folders."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted([*path.rglob("*.json"), *path.rglob("*.safetensors")])
        elif path.is_file():
            found.append(path)
        else:
            raise InputError(f"{path}: no such file or folder")
    return list(dict.fromkeys(path.resolve() for path in found))


def _convert(path: Path, concurrent_runs: int) -> tuple[str, str, bytes] | None:
    """Return data set, new name and contents of a file; None if it is up to date."""
    try:
        if path.suffix == ".safetensors":
            return _convert_weights(path)
        values = json.loads(path.read_text(encoding="utf-8"))
        if not (isinstance(values, dict) and values.get("version") == 1):
            return None
        record = upgrade_record(values, concurrent_runs)
    except (
        SafetensorError,
        AttributeError,
        KeyError,
        TypeError,
        ValueError,
    ) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path}: cannot be converted ({reason})") from None
    name = file_name(record.key, record.seed)
    return record.experiment.dataset, name, to_json(record).encode()


def _convert_weights(path: Path) -> tuple[str, str, bytes] | None:
    """Convert a file of weights, as :func:`_convert`."""
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata() or {}
        if "arguments" not in metadata:
            return None
        state = {name: file.get_tensor(name) for name in sorted(file.keys())}
    experiment = upgrade_experiment(json.loads(metadata["experiment"]))
    arguments = json.loads(metadata.pop("arguments"))
    shape = {new: arguments[old] for old, new in SHAPE.items()}
    if "layout" not in metadata:
        raise ValueError("it does not contain the skeleton layout; train again")
    metadata |= {
        "experiment": experiment.model_dump_json(),
        "shape": json.dumps(shape),
    }
    name = f"{experiment.key}-seed{metadata['seed']}.safetensors"
    return experiment.dataset, name, save(state, metadata=metadata)
