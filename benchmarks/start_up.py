"""The parts of a run's start-up, in a fresh process: a line of JSON.

    python -m benchmarks.start_up ACCELERATOR DATASET PROFILE [--compile]

Nothing is imported before its time is taken. Part of ``python -m benchmarks.gpu``.
"""

from __future__ import annotations

import json
import sys
import time


def main(accelerator: str, dataset: str, profile: str, compiled: str = "") -> None:
    seconds: dict[str, float] = {}
    begin = time.perf_counter()

    def took(name: str) -> None:
        nonlocal begin
        now = time.perf_counter()
        seconds[name] = round(now - begin, 3)
        begin = now

    import torch

    took("import torch")
    from skellib.batches import DeviceClips
    from skellib.data import load
    from skellib.experiment import final_model
    from skellib.training import Execution, _build_network

    took("import skellib")
    execution = Execution(
        accelerator,
        precision="bf16-mixed",
        graphs=True,
        compile=compiled == "--compile",
        threads=1,
    )
    fabric = execution.fabric()
    torch.zeros(1, device=fabric.device)
    took("the device")
    train_set, _ = load(dataset)
    experiment = final_model(dataset, profile)
    clips = DeviceClips(train_set, fabric.device, experiment.preprocessing)
    batches = clips.training(8 if profile == "quick" else 32, seed=0, epoch=0)
    took("the data")
    network = _build_network(experiment, 0, train_set, fabric, execution)
    adam = torch.optim.Adam(network.parameters(), fused=True)
    model, optimizer = fabric.setup(network, adam)
    step = execution.step(fabric, model, experiment.loss)
    took("the network")
    for number in range(5):
        optimizer.zero_grad(set_to_none=True)
        loss, _ = step(*next(batches))
        optimizer.step()
        loss.item()  # waits for the device
        if number in (0, 2, 3):
            took({0: "first step", 2: "two more", 3: "capture"}[number])
    took("a step")
    print(json.dumps(seconds))


if __name__ == "__main__":
    main(*sys.argv[1:])
