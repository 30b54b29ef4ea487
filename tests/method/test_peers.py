"""Test the peers: counts of Table XI, graphs, units by value, training."""

from __future__ import annotations

from collections import deque
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from skellib.data import load
from skellib.errors import InputError
from skellib.evaluation import features
from skellib.experiment import final_model
from skellib.layouts import LAYOUTS, Layout
from skellib.peers import AGCN, CTRGCN, HCN, STGCN, spatial_partition
from skellib.peers.agcn import AdaptiveConvolution
from skellib.peers.ctr_gcn import MultiScaleConvolution, RefinedConvolution
from skellib.peers.st_gcn import SpatialConvolution
from skellib.records import RecordStore
from skellib.training import Execution, train
from skellib.variants import NETWORKS, Fusion, Network
from skellib.weights import build_model, load_trained, weights_path

PEERS = {"hcn": HCN, "st_gcn": STGCN, "agcn": AGCN, "ctr_gcn": CTRGCN}
each_peer = pytest.mark.parametrize("peer", PEERS.values(), ids=PEERS)
each_name = pytest.mark.parametrize("name", PEERS)


@st.composite
def layouts(draw):
    """Draw a tree of up to seven joints, with any joints as its centre."""
    size = draw(st.integers(1, 7))
    bones = tuple((draw(st.integers(0, j - 1)), j) for j in range(1, size))
    centre = draw(st.sets(st.integers(0, size - 1), min_size=1))
    return Layout(
        name="custom tree",
        joints=tuple(map(str, range(size))),
        bones=bones,
        center=tuple((joint, 1 / len(centre)) for joint in sorted(centre)),
        pairs=(),
        up=(1, 1),
        dims=3,
    )


any_layout = st.one_of(layouts(), st.sampled_from(list(LAYOUTS.values())))


def small(peer, layout=LAYOUTS["sbu15"], **options):
    torch.manual_seed(0)
    shape = {"num_classes": 5, "frames": 10, "width": 0.125} | options
    return peer(layout=layout, **shape).eval()


def randomised(network):
    """Add noise to all values, so that nothing is zero or one by initialisation."""
    for value in (*network.parameters(), *network.buffers()):
        if value.is_floating_point():
            value.data += 0.2 * torch.rand_like(value)
    return network


# --- the graph -----------------------------------------------------------------------


def distances(layout):
    """Walk from all centre joints at once."""
    found = {joint: 0 for joint, _ in layout.center}
    queue = deque(found)
    while queue:
        joint = queue.popleft()
        for bone in layout.bones:
            if joint in bone:
                other = sum(bone) - joint
                if other not in found:
                    found[other] = found[joint] + 1
                    queue.append(other)
    return found


@given(any_layout)
@settings(deadline=None)
def test_partition_against_a_walk_over_the_bones(layout):
    away = distances(layout)
    bones = {frozenset(bone) for bone in layout.bones}
    expected = torch.zeros(3, layout.size, layout.size)
    for i in range(layout.size):
        for k, belongs in enumerate((int.__eq__, int.__lt__, int.__gt__)):
            subset = [
                j
                for j in range(layout.size)
                if (i == j or frozenset((i, j)) in bones) and belongs(away[j], away[i])
            ]
            for j in subset:
                expected[k, i, j] = 1 / len(subset)
    assert torch.equal(spatial_partition(layout), expected)


def test_partition_of_an_arm_by_hand():
    arm = Layout(
        "custom arm", ("a", "b", "c"), ((0, 1), (1, 2)), ((0, 1.0),), (), (1, 1), 3
    )
    root, inward, outward = spatial_partition(arm)
    assert torch.equal(root, torch.eye(3))
    assert torch.equal(inward, torch.tensor([[0, 0, 0], [1, 0, 0], [0, 1, 0.0]]))
    assert torch.equal(outward, inward.T)


# --- units by value ------------------------------------------------------------------


def unit(kind, channels=3, out=8):
    """Make a unit in float64 without normalisation, and clips (2, 3, 4, 5)."""
    torch.manual_seed(1)
    module = kind(channels, out, torch.rand(3, 5, 5)).double()
    for parameter in module.parameters():
        nn.init.normal_(parameter)
    module.norm = nn.Identity()
    return module, torch.randn(2, channels, 4, 5, dtype=torch.float64)


def mixed(module, x, graph):
    """Sum over subsets and joints by loops; ``graph(b, k)`` is (N, N) or (C, N, N)."""
    h = module.convolution(x).unflatten(1, (3, -1))
    total = torch.zeros_like(h[:, 0])
    for b in range(len(x)):
        for k in range(3):
            for i in range(5):
                for j in range(5):
                    total[b, ..., i] += graph(b, k)[..., i, j, None] * h[b, k, ..., j]
    return total


def test_spatial_convolution_against_loops():
    module, x = unit(SpatialConvolution)
    graph = module.adjacency * module.importance
    expected = mixed(module, x, lambda b, k: graph[k])
    torch.testing.assert_close(module(x), expected.relu())


def test_adaptive_convolution_against_loops():
    module, x = unit(AdaptiveConvolution)
    theta, phi = (f(x).unflatten(1, (3, 2)) for f in (module.theta, module.phi))

    def graph(b, k):
        products = [
            [(theta[b, k, ..., i] * phi[b, k, ..., j]).mean().item() for j in range(5)]
            for i in range(5)
        ]
        similar = torch.tensor(products, dtype=torch.float64).softmax(1)
        return module.adjacency[k] + module.learnt[k] + similar

    expected = mixed(module, x, graph) + module.residual(x)
    torch.testing.assert_close(module(x), expected.relu())


def test_refined_convolution_against_loops():
    module, x = unit(RefinedConvolution)
    psi, phi = (f(x).mean(2).unflatten(1, (3, 8)) for f in (module.psi, module.phi))
    weight, bias = module.xi.weight[..., 0, 0], module.xi.bias

    def graph(b, k):
        own = slice(8 * k, 8 * k + 8)
        refined = torch.zeros(8, 5, 5, dtype=torch.float64)
        for i in range(5):
            for j in range(5):
                difference = torch.tanh(psi[b, k, :, i] - phi[b, k, :, j])
                refined[:, i, j] = weight[own] @ difference + bias[own]
        return module.topology[k] + module.alpha * refined

    expected = mixed(module, x, graph) + module.residual(x)
    torch.testing.assert_close(module(x), expected.relu())


@pytest.mark.parametrize("stride", [1, 2])
def test_branches_of_the_multi_scale_convolution_look_as_far_as_said(stride):
    """The reach of each branch: the input frames that its middle output depends on."""
    module = randomised(MultiScaleConvolution(8, stride).double().eval())
    x = torch.rand(1, 8, 21, 1, dtype=torch.float64, requires_grad=True)
    middle = 10 // stride
    reach = []
    for branch in module.branches:
        (gradient,) = torch.autograd.grad(branch(x)[0, :, middle].sum(), x)
        frames = gradient.abs().sum((0, 1, 3)).nonzero().flatten() - 10
        reach.append(frames.tolist())
    assert reach[:2] == [[-2, -1, 0, 1, 2], [-4, -2, 0, 2, 4]]
    assert set(reach[2]) <= {-1, 0, 1} and reach[3] == [0]
    assert module(x).shape == (1, 8, -(-21 // stride), 1)


def test_hcn_sees_all_joints_at_once_from_the_third_layer_on():
    """Only a change of conv3 lets the order of the joints matter."""
    network = small(HCN)
    order = torch.randperm(15)
    x = torch.randn(2, 3, 10, 15, 1)
    other = x[:, :, :, order]
    before = network(x)["fused"]
    assert not torch.allclose(network(other)["fused"], before)
    for stream in network.streams.values():
        stream.conv3.weight.data = stream.conv3.weight.data[:, order]
    torch.testing.assert_close(network(other)["fused"], before)


# --- networks ------------------------------------------------------------------------


@each_peer
@given(
    layout=any_layout,
    frames=st.integers(1, 33),
    bodies=st.integers(1, 3),
    channels=st.integers(2, 4),
    attention=st.sampled_from(["none", "residual"]),
)
@settings(deadline=None, max_examples=12)
def test_any_skeleton_passes(peer, layout, frames, bodies, channels, attention):
    network = small(
        peer,
        layout,
        frames=frames,
        bodies=bodies,
        in_channels=channels,
        frequency_attention=attention,
    )
    x = torch.randn(2, channels, frames, layout.size, bodies)
    logits = network(x)
    assert list(logits) == ["fused"]
    assert logits["fused"].shape == (2, 5) and logits["fused"].isfinite().all()


@each_peer
@pytest.mark.parametrize("attention", ["none", "residual"])
def test_gradients_reach_every_parameter(peer, attention):
    """Except biases that batch normalisation subtracts again."""
    network = randomised(small(peer, frequency_attention=attention)).train()
    for module in network.modules():
        if isinstance(module, (nn.Dropout, nn.Dropout2d)):
            module.p = 0
    network(torch.randn(4, 3, 10, 15, 2))["fused"].square().sum().backward()
    for name, parameter in network.named_parameters():
        cancelled = name.endswith("bias") and peer is not HCN
        assert parameter.grad.any() or cancelled, name


@each_peer
def test_the_order_of_the_bodies_does_not_matter(peer):
    """Except to the normalisation of AGCN and CTR-GCN, which is each body's own."""
    network = small(peer).double()
    if peer in (AGCN, CTRGCN):
        network.normalise = nn.Identity()
    x = torch.randn(3, 3, 10, 15, 2, dtype=torch.float64)
    one, other = network(x)["fused"], network(x.flip(4))["fused"]
    torch.testing.assert_close(one, other)
    assert not torch.allclose(one, network(x[..., :1].expand_as(x))["fused"])


@pytest.mark.parametrize("peer", [STGCN, AGCN, CTRGCN])
def test_bodies_are_normalised_as_said(peer):
    """Each coordinate and joint by itself; of ST-GCN over both bodies together."""
    network = small(peer).train()
    x = torch.randn(8, 3, 10, 15, 2) * torch.tensor([1.0, 9.0]) + 4
    bodies = network.normalised(x).unflatten(0, (8, 2))  # (B, M, d, T, N)
    over = (0, 1, 3) if peer is STGCN else (0, 3)
    mean, spread = bodies.mean(over), bodies.std(over, unbiased=False)
    torch.testing.assert_close(mean, torch.zeros_like(mean), atol=1e-5, rtol=0)
    torch.testing.assert_close(spread, torch.ones_like(spread), atol=1e-4, rtol=0)


# --- experiments ---------------------------------------------------------------------

QUICK = final_model("synthetic", "quick", "cross_subject").replace(
    **{"training.epochs": 1, "loss.mutual_weight": 0}
)


@pytest.fixture(scope="module")
def data():
    train_set, test_set = load("synthetic", "cross_subject")
    return train_set.subset(range(0, len(train_set), 12)), test_set.subset(range(8))


def experiment(name, **changes):
    return QUICK.replace(**{"model.network": name, **changes})


def test_the_table_lists_all_peers():
    assert list(NETWORKS) == ["slnl_rfa", *PEERS]


@each_name
def test_a_peer_is_trained_recorded_and_loaded(name, data, tmp_path):
    chosen = experiment(name)
    record = train(
        chosen,
        3,
        *data,
        store=RecordStore(tmp_path / "records"),
        checkpoints=tmp_path,
        execution=Execution("cpu", threads=1),
        progress=False,
    )
    assert record.experiment == chosen and record.history[0].loss > 0
    trained = load_trained(weights_path(chosen, 3, tmp_path))
    assert type(trained.model) is PEERS[name]
    assert trained.layout == data[0].layout
    x = torch.randn(2, 3, 24, 20, 1)
    logits = trained.model(x)["fused"]
    fresh = build_model(chosen, data[0], seed=8).eval()
    assert not torch.equal(fresh(x)["fused"], logits)
    fresh.load_state_dict(trained.model.state_dict())
    assert torch.equal(fresh(x)["fused"], logits)
    assert trained.model.features(x)["fused"].shape[0] == 2


@each_name
def test_attention_changes_no_other_layer_at_first(name, data):
    """Initialisation is keyed: rows with and without attention share all layers."""
    build = partial(build_model, dataset=data[0], seed=4)
    plain = build(experiment(name, **{"model.frequency_attention": "none"}))
    attentive = build(experiment(name))
    more = dict(attentive.state_dict())
    for key, value in plain.state_dict().items():
        assert torch.equal(more.pop(key), value)
    assert more and all("attention" in key for key in more)


@each_name
def test_what_a_peer_ignores_changes_no_key(name):
    base = experiment(name)
    ignored = {
        "model.transform": "none",
        "model.new_joints": 5,
        "model.channels": (4, 4, 8, 8, 8, 8),
        "model.slnl_blocks": 0,
        "model.kernels": 5,
        "model.fusion": "sum",
        "training.transform_seed": 3,
        "training.learn_transforms": False,
    }
    assert base.replace(**ignored).key == base.key != QUICK.key
    used = {
        "model.width": 0.5,
        "model.frequency_attention": "none",
        "model.reduction": 8,
        "model.initialisation": "he",
    }
    if "dropout" in NETWORKS[name].settings:
        used["model.dropout"] = 0.7
    if name == "hcn":
        used["model.normalisation"] = "joints"
    for setting, value in used.items():
        assert base.replace(**{setting: value}).key != base.key, setting
    other = base.replace(**{"model.velocity_padding": "start"})
    assert (other.key == base.key) == (name != "hcn")


class OneLayer(nn.Module):
    """A network of one's own, with one setting."""

    def __init__(self, *, num_classes, layout, in_channels, bodies, frames, dropout):
        super().__init__()
        size = in_channels * frames * layout.size * bodies
        self.layers = nn.Sequential(nn.Dropout(dropout), nn.Linear(size, num_classes))

    def forward(self, x):
        return {"fused": self.layers(x.flatten(1))}


def test_a_network_of_ones_own_is_one_class_and_one_line(data, tmp_path, monkeypatch):
    with pytest.raises(InputError, match="'mine' is none of slnl_rfa, hcn"):
        experiment("mine")
    mine = Network(OneLayer, ("dropout",), Fusion(("position",)))
    monkeypatch.setitem(NETWORKS, "mine", mine)
    chosen = experiment("mine", **{"model.dropout": 0.5})
    assert chosen.key == chosen.replace(**{"model.width": 2.0}).key
    record = train(
        chosen,
        0,
        *data,
        store=RecordStore(tmp_path),
        checkpoints=tmp_path,
        execution=Execution("cpu", threads=1),
        progress=False,
    )
    assert record.parameters == (3 * 24 * 20 + 1) * 12


def test_the_width_changes_no_key_of_ours():
    assert QUICK.replace(**{"model.width": 3.0}).key == QUICK.key


def test_a_peer_has_no_branches_to_learn_from_each_other():
    with pytest.raises(InputError, match="loss.mutual_weight needs three branches"):
        experiment("st_gcn", **{"loss.mutual_weight": 0.1})


def test_features_of_a_peer_are_what_its_classifier_receives(data):
    from skellib.batches import DeviceClips

    network = build_model(experiment("agcn"), data[0], seed=0).eval()
    clips = DeviceClips(data[1], preprocessing=QUICK.preprocessing)
    found = features(network, clips)["fused"]
    x = torch.cat([x for x, _ in clips.inference(4)])
    with torch.no_grad():
        expected = network(x)["fused"]
        torch.testing.assert_close(network.classifier(found), expected)
