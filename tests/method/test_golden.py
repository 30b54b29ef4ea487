"""Test values that must not change by accident: keys, initial and released weights.

They were computed once and are stored in ``tests/method/golden``. A change that alters
one on purpose regenerates the file and says so in its commit message:
``python -m tests.method.test_golden``.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from skellib import variants
from skellib.experiment import final_model
from skellib.initialisation import initialise_by_name
from skellib.layouts import LAYOUTS
from skellib.models import SLnLRFA
from skellib.reproduction.paper_tables import UCLA
from skellib.reproduction.results import get_table

FOLDER = Path(__file__).parent / "golden"
ROOT = Path(__file__).parents[2]

ROWS = {
    "N-UCLA final": ("nucla", "cross_view", {}),
    "N-UCLA laptop": ("nucla", "cross_view", {"profile": "laptop"}),
    "N-UCLA quick": ("nucla", "cross_view", {"profile": "quick"}),
    "NTU cross-subject": ("ntu", "cross_subject", {}),
    "NTU cross-view": ("ntu", "cross_view", {}),
    "Kinetics": ("kinetics", "train_val", {}),
    "SYSU": ("sysu", "cross_subject", {}),
    "UTD-MHAD laptop": ("utd_mhad", "cross_subject", {"profile": "laptop"}),
}
NETWORKS = {
    "final": {},
    "raw joints, position": {"transform": "none", "fusion": "position"},
    "cnn, shared, sum": {
        "transform": "cnn",
        "frequency_attention": "shared",
        "fusion": "sum",
    },
    "two bodies, maximum": {"bodies": 2, "combine_bodies": "maximum"},
}
PEERS = {name: each for name, each in variants.NETWORKS.items() if each.settings}


def experiment_keys() -> dict[str, str]:
    keys = {}
    for name, (dataset, protocol, options) in ROWS.items():
        keys[name] = final_model(dataset, protocol=protocol, **options).key
    for number in ("V", "VI", "VII", "X", "Peers"):
        for row in get_table(number).rows:
            if row.ours:
                keys[f"{number}: {row.label}"] = row.experiment(UCLA, "laptop").key
    return keys


def first_weights(options: dict, keyed: bool = False) -> list[str]:
    """Return name, shape and hash of each parameter of a new network, in order."""
    with torch.random.fork_rng():
        torch.manual_seed(7)
        network = SLnLRFA(
            num_classes=10,
            joints=20,
            frames=16,
            channels=(4, 4, 8),
            new_joints=6,
            slnl_blocks=2,
            **options,
        )
    if keyed:
        initialise_by_name(network, seed=7)
    return [_line(name, value) for name, value in network.named_parameters()]


def first_weights_of_peers() -> dict[str, list[str]]:
    """Return the same of small peers."""
    shape = {"num_classes": 5, "frames": 8, "width": 0.125, "bodies": 2}
    options = {"layout": LAYOUTS["sbu15"], "frequency_attention": "residual"}
    found = {}
    for name, peer in PEERS.items():
        network = variants.resolve(peer.build)(**shape, **options)
        initialise_by_name(network, seed=7)
        found[name] = [_line(n, value) for n, value in network.named_parameters()]
    return found


def _line(name: str, value: torch.Tensor) -> str:
    data = value.detach().float().contiguous().numpy().tobytes()
    shape = "x".join(map(str, value.shape))
    return f"{name} {shape} {hashlib.sha256(data).hexdigest()[:12]}"


def kept_state() -> list[str]:
    """Return name, shape and hash of each tensor in the files of released weights."""
    found = []
    for path in sorted((ROOT / "data" / "weights" / "nucla").glob("*.safetensors")):
        with safe_open(path, framework="pt") as file:
            for name in sorted(file.keys()):
                found.append(_line(name, file.get_tensor(name)))
    return found


def current() -> dict[str, object]:
    return {
        "keys": experiment_keys(),
        "sequential": {name: first_weights(o) for name, o in NETWORKS.items()},
        "keyed": {name: first_weights(o, keyed=True) for name, o in NETWORKS.items()},
        "peers": first_weights_of_peers(),
        "kept": kept_state(),
    }


def _golden(name: str) -> object:
    return json.loads((FOLDER / f"{name}.json").read_text())


def test_keys_of_experiments_are_what_they_were():
    assert experiment_keys() == _golden("keys")


@pytest.mark.parametrize("draws", ["sequential", "keyed"])
def test_first_weights_are_what_they_were(draws):
    golden = _golden(draws)
    for name, options in NETWORKS.items():
        assert first_weights(options, draws == "keyed") == golden[name], name


def test_first_weights_of_peers_are_what_they_were():
    assert first_weights_of_peers() == _golden("peers")


def test_kept_network_is_what_it_was():
    assert kept_state() == _golden("kept")


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, value in current().items():
        text = json.dumps(value, indent=0, separators=(",", ":"))
        (FOLDER / f"{name}.json").write_text(text + "\n")
