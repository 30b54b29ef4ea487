"""Test the transform network against the matrix products of Section III-A."""

from __future__ import annotations

import pytest
import torch

from skellib.models import TransformNetwork
from skellib.variants import TRANSFORMS


def example(dtype=torch.float64):
    return torch.randn(2, 3, 5, 7, dtype=dtype)


def network(kind, **options):
    options = {"coordinate_systems": 4, "new_joints": 9, **options}
    return TransformNetwork(3, 7, kind=kind, **options).double()


@pytest.mark.parametrize(
    ("kind", "channels", "joints"),
    [
        ("none", 3, 7),
        ("coordinate", 12, 7),
        ("skeleton", 3, 9),
        ("both", 12, 9),
        ("cnn", 12, 7),
    ],
)
def test_shapes(kind, channels, joints):
    net = network(kind)
    assert (net.out_channels, net.out_joints) == (channels, joints)
    assert net(example()).shape == (2, channels, 5, joints)


def test_every_kind_is_tested():
    assert set(TRANSFORMS) == {"none", "coordinate", "skeleton", "both", "cnn"}


def test_raw_data_passes_unchanged():
    x = example()
    assert network("none")(x) is x


def test_skeleton_transform_is_a_matrix_product_of_each_skeleton():
    net, x = network("skeleton"), example()
    w_s = net.skeleton.weight  # (N', N)
    for b in range(2):
        for t in range(5):
            s = x[b, :, t].T  # S, (N, d)
            torch.testing.assert_close(net(x)[b, :, t].T, w_s @ s)


def test_coordinate_transform_concatenates_k_oblique_systems():
    net, x = network("coordinate"), example()
    systems = net.coordinate.weight.reshape(4, 3, 3)  # C_i^T for i = 1..K
    y = net(x)
    for i, c_t in enumerate(systems):
        expected = torch.einsum("ed,bdtn->betn", c_t, x)
        torch.testing.assert_close(y[:, 3 * i : 3 * i + 3], expected)


def test_the_order_of_the_two_transforms_does_not_matter():
    net, x = network("both"), example()
    coordinates_first = torch.einsum("ed,bdtn->betn", net.coordinate.weight, x)
    other_order = torch.einsum("mn,betn->betm", net.skeleton.weight, coordinates_first)
    torch.testing.assert_close(net(x), other_order)


@pytest.mark.parametrize("kind", ["coordinate", "skeleton", "both", "cnn"])
def test_transforms_are_linear(kind):
    net, x, y = network(kind), example(), example()
    torch.testing.assert_close(net(2 * x - 3 * y), 2 * net(x) - 3 * net(y))


def test_unknown_kind():
    with pytest.raises(ValueError, match="'rotate' is none of none, coordinate"):
        network("rotate")
