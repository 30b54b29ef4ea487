"""Test counts: values computed by hand, and the numbers of Table XI."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from skellib.complexity import count
from skellib.models import NonLocal, SLnLRFA


def on_meta(bodies=2, classes=60, joints=25, **options):
    with torch.device("meta"):
        model = SLnLRFA(num_classes=classes, joints=joints, bodies=bodies, **options)
        example = torch.empty(1, 3, options.get("frames", 64), joints, bodies)
    return count(model, example)


def test_single_layers_by_hand():
    convolution = count(nn.Conv2d(3, 8, (3, 1), padding=(1, 0)), torch.ones(1, 3, 5, 4))
    assert convolution.operations == 8 * 5 * 4 * (3 * 3 + 1)
    assert convolution.macs == 8 * 5 * 4 * 9
    linear = count(nn.Linear(6, 5), torch.ones(2, 6))
    assert linear.operations == 2 * 5 * (2 * 6 - 1)
    assert linear.parameters == 35
    norm = count(nn.BatchNorm2d(3), torch.ones(1, 3, 5, 4))
    assert norm.operations == 4 * 60


def test_attention_products_count_only_in_the_true_figure():
    module, x = NonLocal(3, 4, 5, axes="st"), torch.ones(1, 3, 6, 7)
    cost = count(module, x)
    positions = 42
    layers = positions * (3 * 5 + 3 * 5 + 3 * 4 + 4 * 4)
    assert cost.operations == layers
    assert cost.macs == layers + positions**2 * (5 + 4)


def test_one_stream_of_table_xi():
    """Printed: 4.723 M parameters, 3.889 G operations (NTU, 60 classes)."""
    cost = on_meta(fusion="position")
    assert cost.parameters == 4_723_356
    assert cost.operations == 3_889_487_044
    assert f"{cost.parameters / 1e6:.3f}" == "4.723"
    assert f"{cost.operations / 1e9:.4f}" == "3.8895"
    assert f"{cost.macs / 1e9:.2f}" == "9.43"


def test_two_streams_of_table_xi():
    """Printed: 7.778 G, and 9.461 M, which no separate 512-to-60 classifier gives."""
    cost = on_meta()
    assert cost.operations / 1e9 == pytest.approx(7.778, rel=2e-4)
    assert cost.parameters == 2 * 4_723_356 + 512 * 60 + 60
    assert pytest.approx(9.461e6, rel=2e-4) == 2 * 4_723_356 + 256 * 60 + 60


def test_other_readings():
    both = on_meta(fusion="position", pooling="both")
    assert both.operations / 1e9 == pytest.approx(1.89, abs=0.005)
    assert both.macs / 1e9 == pytest.approx(6.6, abs=0.05)
    per_body = on_meta(fusion="position", pooling="both", combine_bodies="maximum")
    assert per_body.operations / 1e9 == pytest.approx(3.78, abs=0.005)


def test_single_body_data_cost_the_same():
    cost = on_meta(bodies=1, joints=20, classes=10, fusion="position")
    assert cost.parameters / 1e6 == pytest.approx(4.709, abs=5e-4)
    assert cost.operations == pytest.approx(3_889_487_044, rel=1e-3)


def test_counting_leaves_the_mode_alone():
    model = nn.Sequential(nn.Linear(2, 2), nn.Dropout())
    count(model.train(), torch.ones(1, 2))
    assert model.training
