"""Test the whole network: shapes, variants, fusion policies, gradients."""

from __future__ import annotations

import pytest
import torch

from skellib import variants
from skellib.models import SLnLRFA
from skellib.preprocessing import velocity
from skellib.variants import NORMALISATIONS

SMALL = {
    "num_classes": 7,
    "joints": 5,
    "frames": 16,
    "new_joints": 8,
    "coordinate_systems": 2,
    "channels": (4, 4, 6, 6, 8, 8),
    "dropout": 0.0,
}


def make(**options):
    return SLnLRFA(**{**SMALL, **options})


def example(bodies=1, joints=5, frames=16, batch=3):
    return torch.randn(batch, 3, frames, joints, bodies)


CHOICES = {
    "transform": variants.TRANSFORMS,
    "frequency_attention": variants.FREQUENCY_ATTENTION,
    "fusion": variants.FUSIONS,
    "pooling": variants.POOLINGS,
    "combine_bodies": variants.BODIES,
    "order": variants.ORDERS,
    "dropout_kind": variants.DROPOUTS,
    "dropout_at": variants.DROPOUT_PLACES,
    "normalisation": variants.NORMALISATIONS,
    "velocity_padding": variants.PADDINGS,
    "initialisation": variants.INITIALISATIONS,
    "slnl_blocks": range(7),
    "axes": (("t",), ("s",), ("t", "s", "st")),
}
OPTIONS = [(name, value) for name, values in CHOICES.items() for value in values]


@pytest.mark.parametrize("bodies", [1, 2])
@pytest.mark.parametrize(("name", "value"), OPTIONS)
def test_every_variant_runs(name, value, bodies):
    model = make(bodies=bodies, **{name: value}).eval()
    logits = model(example(bodies))
    branches = {"fused"}
    if model.fusion.classifiers:
        branches |= {"position", "velocity"}
    assert set(logits) == branches
    assert all(z.shape == (3, 7) and z.isfinite().all() for z in logits.values())


def test_the_number_of_slnl_blocks_is_that_of_non_local_triples():
    for m1 in range(7):
        blocks = make(slnl_blocks=m1).streams["position"].blocks
        partners = [len(getattr(block, "partners", {})) for block in blocks]
        assert partners == [3] * m1 + [0] * (6 - m1)


@pytest.mark.parametrize(
    ("pooling", "shapes"),
    [
        ("time", [(16, 8), (16, 8), (8, 8), (8, 8), (4, 8), (4, 8)]),
        ("both", [(16, 8), (16, 8), (8, 4), (8, 4), (4, 2), (4, 2)]),
    ],
)
def test_pooling_after_every_second_block(pooling, shapes):
    model, seen = make(fusion="position", pooling=pooling), []
    for block in model.streams["position"].blocks:
        block.register_forward_hook(lambda m, x, y: seen.append(tuple(y.shape[2:])))
    model(example())
    assert seen == shapes


@pytest.mark.parametrize(
    ("place", "frames"),
    [("end", [16, 16, 8, 8, 4, 4]), ("pooled", [16, 8, 8, 4, 4, 2])],
)
@pytest.mark.parametrize("kind", ["element", "channel"])
def test_dropout_before_or_after_the_pooling(kind, place, frames):
    options = {"dropout": 0.5, "dropout_kind": kind, "dropout_at": place}
    model, seen = make(fusion="position", **options), []
    for block in model.streams["position"].blocks:
        block.dropout.register_forward_hook(
            lambda m, x, y: seen.append((type(m), y.shape[2]))
        )
    model(example())
    layer = {"element": torch.nn.Dropout, "channel": torch.nn.Dropout2d}[kind]
    assert seen == [(layer, t) for t in frames]


def test_kinetics_network():
    """IV-A: two more blocks of 512, kernels of 5 in the first two, 128 frames."""
    with torch.device("meta"):
        model = SLnLRFA(
            num_classes=400,
            joints=18,
            bodies=2,
            frames=128,
            channels=(64, 64, 128, 128, 256, 256, 512, 512),
            kernels=(5, 5, 3, 3, 3, 3, 3, 3),
        )
        logits = model(torch.empty(2, 3, 128, 18, 2))
    assert logits["fused"].shape == (2, 400)
    stream = model.streams["velocity"]
    assert [block.temporal.kernel_size[0] for block in stream.blocks[:3]] == [5, 5, 3]
    assert stream.out_features == 512


def test_streams_see_positions_and_their_velocity():
    model, x = make().eval(), example()
    features = model.features(x)
    torch.testing.assert_close(features["position"], model.streams["position"](x))
    torch.testing.assert_close(
        features["velocity"], model.streams["velocity"](velocity(x))
    )
    joined = torch.cat([features["position"], features["velocity"]], 1)
    assert torch.equal(features["fused"], joined)


def test_the_velocity_stream_sees_the_padding_that_was_chosen():
    model, x = make(velocity_padding="repeat").eval(), example()
    inputs = model.stream_inputs(x)
    assert torch.equal(inputs["velocity"], velocity(x, "repeat"))
    assert torch.equal(inputs["position"], x)


def test_input_normalisation_over_channels_or_joints():
    """Normalise each value by the mean and the variance that apply to it."""
    x = torch.randn(6, 3, 4, 5, dtype=torch.float64) * 7 + 2
    axes = {"channels": (0, 2, 3), "joints": (0, 2)}
    for kind, over in axes.items():
        layer = NORMALISATIONS.find(kind)(3, 5).double()
        mean = x.mean(over, keepdim=True)
        variance = x.var(over, keepdim=True, unbiased=False)
        expected = (x - mean) / (variance + layer.eps).sqrt()
        torch.testing.assert_close(layer(x), expected)
    assert NORMALISATIONS.find("none")(3, 5)(x) is x
    with pytest.raises(ValueError, match="normalisation 'all' is none of channels"):
        NORMALISATIONS.find("all")


@pytest.mark.parametrize("kind", ["he", "xavier"])
def test_initialisation_has_the_variance_of_its_rule(kind):
    wide = make(channels=(64,) * 6, num_classes=64, initialisation=kind)
    block = wide.streams["position"].blocks[2]
    fans = {
        block.spatiotemporal: (64 * 9, 64 * 9),
        wide.classifiers["fused"]: (128, 64),
    }
    for layer, (fan_in, fan_out) in fans.items():
        variance = 2 / fan_out if kind == "he" else 2 / (fan_in + fan_out)
        assert layer.weight.var().item() == pytest.approx(variance, rel=0.1)
    assert (wide.classifiers["fused"].bias == 0).all()
    partner = block.partners["st"]
    assert partner.phi.weight.any() and not partner.w.weight.any()
    with torch.device("meta"):  # as for counting
        make(initialisation=kind)


def test_sum_and_single_streams():
    x = example()
    summed = make(fusion="sum").eval()
    features = summed.features(x)
    torch.testing.assert_close(
        features["fused"], features["position"] + features["velocity"]
    )
    single = make(fusion="velocity").eval()
    assert list(single.streams) == ["velocity"]
    torch.testing.assert_close(
        single(x)["fused"],
        single.classifiers["fused"](single.streams["velocity"](velocity(x))),
    )


def test_bodies_as_joints_and_as_maximum():
    x = example(bodies=2).double()
    maximum = make(bodies=2, combine_bodies="maximum").double().eval()
    swapped = x.flip(-1)
    torch.testing.assert_close(maximum(x)["fused"], maximum(swapped)["fused"])
    one = [maximum.streams["position"](x[..., m : m + 1]) for m in (0, 1)]
    torch.testing.assert_close(
        maximum.streams["position"](x), torch.maximum(one[0], one[1])
    )
    stacked = make(bodies=2).streams["position"].double().eval()
    assert stacked.transform.skeleton.in_features == 10
    assert stacked.transformed(x).shape == (3, 6, 16, 8)
    normal = stacked.normalise(torch.cat([x[..., 0], x[..., 1]], 3))
    torch.testing.assert_close(stacked.transformed(x), stacked.transform(normal))


def test_every_parameter_gets_a_gradient():
    model = make()
    for module in model.modules():  # W_w is zero at first
        for partner in getattr(module, "partners", {}).values():
            torch.nn.init.normal_(partner.w.weight, std=0.1)
    sum(z.square().sum() for z in model(example()).values()).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_evaluation_mode_is_deterministic_and_clip_by_clip():
    model, x = make(dropout=0.5).eval(), example(batch=4)
    together = model(x)["fused"]
    alone = torch.cat([model(x[i : i + 1])["fused"] for i in range(4)])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fusion": "late"}, "fusion 'late' is none of position"),
        ({"pooling": "all"}, "pooling 'all' is none of time, both"),
        ({"combine_bodies": "mean"}, "combine_bodies 'mean' is none of"),
        ({"slnl_blocks": 7}, "slnl_blocks is 7, but channels has 6 blocks"),
    ],
)
def test_unknown_options(options, message):
    with pytest.raises(ValueError, match=message):
        make(**options)
