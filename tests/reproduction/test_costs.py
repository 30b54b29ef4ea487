"""Test what the whole paper costs: sizes, operations, the fit, and the schedule."""

from __future__ import annotations

import itertools
import random

import pytest

from benchmarks.full_size import COUNTS
from skellib.data import load
from skellib.errors import InputError
from skellib.experiment import final_model
from skellib.layouts import LAYOUTS
from skellib.peers import AGCN, CTRGCN, HCN, STGCN
from skellib.records import RecordStore
from skellib.reproduction import costs
from skellib.reproduction.estimates import count_macs


@pytest.fixture(scope="module")
def gpu_records():
    return [record for record in RecordStore() if record.stamp.get("cuda")]


def test_sizes_are_those_of_the_data(gpu_records):
    for record in gpu_records:
        size = costs.SIZES.get((record.experiment.dataset, record.experiment.protocol))
        if size:
            assert size.train_clips == record.data["train_clips"]
            assert size.test_clips == record.data["test_clips"]
            assert size.classes == len(record.test.per_class)
    for protocol, counts in COUNTS.items():
        size = costs.SIZES["ntu", protocol]
        assert (size.train_clips, size.test_clips) == counts
    joints = {"ntu": "ntu25", "kinetics": "openpose18", "nucla": "kinect20"}
    for (dataset, _), size in costs.SIZES.items():
        assert size.joints == LAYOUTS[joints.get(dataset, "kinect20")].size


def test_quantities_are_those_of_the_estimates():
    experiment = final_model("synthetic", "quick")
    train_set, test_set = load("synthetic")
    size = costs.DataSize(len(train_set), len(test_set), train_set.num_classes, 20)
    macs, steps, one = costs.quantities(experiment, size)
    assert macs == count_macs(experiment)
    assert (steps, one) == (8 * 12, 1)  # 384 clips in batches of 32


def test_the_fit_finds_planted_rates(gpu_records):
    planted = []
    for record in gpu_records:
        size = costs.size_of(record)
        macs, steps, _ = costs.quantities(record.experiment, size)
        seconds = 2e-14 * macs + 1e-3 * steps + 3
        shared = record.execution["concurrent_runs"]
        planted.append(record.model_copy(update={"seconds": seconds * shared}))
    model = costs.fit(planted)
    assert model.per_mac == pytest.approx(2e-14, rel=1e-6)
    assert model.per_step == pytest.approx(1e-3, rel=1e-6)
    assert model.per_run == pytest.approx(3, rel=1e-6)
    assert model.error < 1e-9 and model.runs == len(planted)
    with pytest.raises(InputError, match="no run on a GPU is recorded"):
        costs.fit([])


def test_the_fit_explains_the_recorded_runs(gpu_records):
    model = costs.fit(gpu_records)
    assert model.device == "NVIDIA H200"
    assert 0 < model.error < 0.25


def test_makespan_against_all_schedules():
    generator = random.Random(0)
    for _ in range(20):
        seconds = [generator.randint(1, 9) for _ in range(5)]
        best = min(
            max(sum(s for s, g in zip(seconds, on) if g == gpu) for gpu in range(2))
            for on in itertools.product(range(2), repeat=5)
        )
        # R. L. Graham, 1969: longest first is at most 4/3 - 1/(3 m) times the best.
        assert best <= costs.makespan(seconds, 2) <= best * 7 / 6
    assert costs.makespan([3.0, 1.0], 1) == 4 and costs.makespan([3.0, 1.0], 9) == 3


def test_the_whole_paper(monkeypatch):
    monkeypatch.setattr(costs, "clip_macs", lambda config, frames, size: 10**9)
    model = costs.CostModel("a GPU", 1e-14, 0.0, 0.0, 0.0, 1)
    table = costs.whole_paper(model, seeds=2, gpus=(1, 64))
    assert table.loc["kinetics", ["epochs", "runs"]].tolist() == ["300", 2 * 4]
    epochs = costs.SIZES["kinetics", "train_val"]
    hours = 1e-5 * (3 * 300 * epochs.train_clips + epochs.test_clips) / 3600
    assert table.loc["kinetics", "longest run (h)"] == pytest.approx(hours)
    assert table.loc["kinetics", "on 1 (h)"] == pytest.approx(8 * hours)
    assert table.loc["kinetics", "on 64 (h)"] == pytest.approx(hours)
    sums = table.drop("together").sum()
    for column in ("runs", "days of one GPU", "on 1 (h)"):
        assert table.loc["together", column] == pytest.approx(sums[column])


def test_a_benchmark_that_was_not_run(monkeypatch, tmp_path):
    assert costs.benchmark("ntu_parsing")["files"] > 0
    monkeypatch.setenv("SKELLIB_ROOT", str(tmp_path))
    with pytest.raises(InputError, match="run `python -m benchmarks"):
        costs.benchmark("ntu_parsing")


@pytest.mark.parametrize(
    ("peer", "parameters", "operations"),
    [
        (HCN, 2_647_868, "0.393"),
        (STGCN, 3_098_832, "3.492"),
        (AGCN, 3_450_760, "3.994"),
        (CTRGCN, 1_446_672, "1.805"),
    ],
)
def test_counts_on_ntu(peer, parameters, operations):
    """Table XI prints all but the last: 2.648 M, 3.099 M and 3.451 M parameters."""
    cost = costs.peer_cost(peer)
    assert cost.parameters == parameters
    assert f"{cost.operations / 1e9:.3f}" == operations


def test_two_streams_of_agcn_are_those_of_table_xi():
    cost = costs.peer_cost(AGCN)
    assert f"{2 * cost.parameters / 1e6:.3f}" == "6.902"
    assert f"{2 * cost.operations / 1e9:.3f}" == "7.987"


def test_the_learnt_graphs_of_agcn_are_parameters_too():
    """Ten units of three graphs of 25 by 25 joints; only layers are counted."""
    whole = sum(
        p.numel() for p in AGCN(num_classes=60, layout=LAYOUTS["ntu25"]).parameters()
    )
    assert whole - costs.peer_cost(AGCN).parameters == 10 * 3 * 25 * 25


def test_ctr_gcn_as_it_is_quoted():
    assert f"{costs.peer_cost(CTRGCN).macs / 1e9:.2f}" == "1.94"
    more_classes = CTRGCN(num_classes=120, layout=LAYOUTS["ntu25"])
    parameters = sum(p.numel() for p in more_classes.parameters())
    assert f"{parameters / 1e6:.2f}" == "1.46"
