"""Test the search for the architecture: its counts, its sets, the page's figures."""

from __future__ import annotations

import itertools
import json
import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks import architecture_search as search
from benchmarks.architecture_search import CHOICES, Reading
from skellib.complexity import count, paper_operations
from skellib.models import SLnLRFA

DEFAULT = Reading()
BUILT = {
    "bodies": {"joints": "joints", "passes": "maximum", "coordinates": "joints"},
    "embed": {"out": 1.0, "half out": 0.5},
}


def library(reading, fusion="position"):
    """Count a reading that the library can build."""
    stacked = reading.bodies == "coordinates"
    shape = {
        "in_channels": 6 if stacked else 3,
        "bodies": 1 if stacked or reading.bodies == "one" else 2,
    }
    names = ("normalisation", "reduction", "order", "slnl_blocks")
    with torch.device("meta"):
        model = SLnLRFA(
            num_classes=60,
            **shape,
            **{name: getattr(reading, name) for name in names},
            fusion=fusion,
            combine_bodies=BUILT["bodies"].get(reading.bodies, "joints"),
            embed_ratio=BUILT["embed"][reading.embed],
            pooling=reading.window,
        )
        x = torch.empty(1, shape["in_channels"], 64, 25, shape["bodies"])
    cost = count(model, x)
    return cost.parameters, cost.operations


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"bodies": "passes"},
        {"bodies": "one", "normalisation": "joints", "slnl_blocks": 0},
        {"bodies": "coordinates", "normalisation": "none", "reduction": 128},
        {"order": "sequential", "embed": "half out", "slnl_blocks": 5},
        {"window": "both", "bodies": "passes", "reduction": 4, "slnl_blocks": 6},
    ],
    ids=str,
)
def test_counts_are_those_of_the_library(changes):
    reading = replace(DEFAULT, **changes)
    assert search.one_stream(reading) == library(reading)


def test_counts_of_two_streams_are_those_of_the_library():
    assert search.two_streams(DEFAULT, "concatenation") == library(
        DEFAULT, "multi_task"
    )


class Partner(nn.Module):
    """A non-local module without its products, which the rule does not count."""

    def __init__(self, reading, inputs, outputs):
        super().__init__()
        bias = reading.nonlocal_bias
        width = {"out": outputs, "in": inputs}[reading.embed.split()[-1]]
        embed = width // 2 if "half" in reading.embed else width
        self.phi = nn.Conv2d(inputs, embed, 1, bias=bias)
        self.psi = nn.Conv2d(inputs, embed, 1, bias=bias)
        if reading.weighting == "bottleneck":
            self.g = nn.Conv2d(inputs, embed, 1, bias=bias)
            self.w = nn.Conv2d(embed, outputs, 1, bias=bias)
        else:
            self.g = nn.Conv2d(inputs, outputs, 1, bias=bias)
            self.w = nn.Conv2d(outputs, outputs, 1, bias=bias)
        if reading.weighting == "none":
            self.w = nn.Identity()
        own = reading.norms == "partners"
        self.norm = nn.BatchNorm2d(outputs) if own else nn.Identity()

    def forward(self, x):
        self.phi(x), self.psi(x)
        return self.norm(self.w(self.g(x)))


class Unit(nn.Module):
    """A convolution, its batch normalisation and its non-local partner."""

    def __init__(self, reading, inputs, outputs, kernel, slnl):
        super().__init__()
        same = {"padding": "same", "bias": reading.bias}
        self.local = nn.Conv2d(inputs, outputs, kernel, **same)
        own = reading.norms in ("units", "convolutions")
        self.norm = nn.BatchNorm2d(outputs) if own else nn.Identity()
        self.partner = Partner(reading, inputs, outputs) if slnl else None

    def forward(self, x):
        y = self.norm(self.local(x))
        return y if self.partner is None else y + self.partner(x)


class Block(nn.Module):
    def __init__(self, reading, inputs, outputs, slnl):
        super().__init__()
        self.order = reading.order
        second = outputs if self.order == "sequential" else inputs
        third = {"concatenated": 2 * outputs, "all": inputs}.get(self.order, outputs)
        self.t = Unit(reading, inputs, outputs, (3, 1), slnl)
        self.s = Unit(reading, second, outputs, (1, 3), slnl)
        self.st = Unit(reading, third, outputs, (3, 3), slnl)
        self.start = self.end = self.residual = nn.Identity()
        if reading.norms == "start":
            self.start = nn.BatchNorm2d(inputs)
        elif reading.norms in ("end", "partners"):
            self.end = nn.BatchNorm2d(outputs)
        if reading.residual == "never":
            self.residual = None
        elif reading.residual == "all" or inputs != outputs:
            layers = [nn.Conv2d(inputs, outputs, 1, bias=reading.bias)]
            if reading.norms == "convolutions":
                layers.append(nn.BatchNorm2d(outputs))
            self.residual = nn.Sequential(*layers)

    def forward(self, x):
        x = self.start(x)
        if self.order == "sequential":
            y = self.st(self.s(self.t(x)))
        elif self.order == "all":
            y = self.t(x) + self.s(x) + self.st(x)
        elif self.order == "concatenated":
            y = self.st(torch.cat([self.t(x), self.s(x)], 1))
        else:
            y = self.st(self.t(x) + self.s(x))
        return self.end(y if self.residual is None else y + self.residual(x))


class Network(nn.Module):
    """One stream of any reading, written layer by layer."""

    def __init__(self, r):
        super().__init__()
        d, n = {"joints": (3, 50), "coordinates": (6, 25)}.get(r.bodies, (3, 25))
        self.r, self.d, self.n = r, d, n
        self.input_norm = {
            "channels": nn.BatchNorm2d(d),
            "joints": nn.BatchNorm1d(d * n),
            "none": nn.Identity(),
        }[r.normalisation]
        self.skeleton = nn.Linear(n, 64, bias=r.transform_bias)
        self.coordinate = nn.Linear(d, 10 * d, bias=r.transform_bias)
        self.masks = nn.ModuleList()
        for _ in range(2):
            bottleneck = nn.Linear(4096, 4096 // r.reduction, bias=r.mask_bias)
            expand = nn.Linear(4096 // r.reduction, 4096, bias=r.mask_bias)
            self.masks.append(nn.Sequential(bottleneck, expand))
        widths = itertools.pairwise((10 * d, 64, 64, 128, 128, 256, 256))
        self.blocks = nn.ModuleList(
            Block(r, *width, i < r.slnl_blocks) for i, width in enumerate(widths)
        )
        kept = {"both": (), "time": (3,), "joints": (2,), "neither": (2, 3)}[r.average]
        self.averaged = tuple({2, 3} - set(kept))
        t, n = 8 if "6" in r.pooling or "5" in r.pooling else 16, 64
        n = n * t // 64 if r.window == "both" else n
        features = 256 * (t if 2 in kept else 1) * (n if 3 in kept else 1)
        self.head = nn.Linear(features, 60)
        if r.hidden:
            self.head = nn.Sequential(
                nn.Linear(features, r.hidden), nn.Linear(r.hidden, 60)
            )

    def pool(self, x):
        return nn.functional.max_pool2d(x, (2, 1) if self.r.window == "time" else 2)

    def forward(self, x):
        flat = isinstance(self.input_norm, nn.BatchNorm1d)
        x = self.input_norm(x.transpose(2, 3).flatten(1, 2) if flat else x)
        x = x.unflatten(1, (self.d, self.n)).transpose(2, 3) if flat else x
        turned = [
            lambda x: self.skeleton(x),
            lambda x: self.coordinate(x.movedim(1, -1)).movedim(-1, 1),
        ]
        for transform in turned[:: 1 if self.r.transform_first == "skeleton" else -1]:
            x = transform(x)
        for mask in self.masks:
            mask(x.mean(1).flatten(1))
        for number, block in enumerate(self.blocks, 1):
            if "before" in self.r.pooling and str(number) in self.r.pooling:
                x = self.pool(x)
            x = block(x)
            if "after" in self.r.pooling and str(number) in self.r.pooling:
                x = self.pool(x)
        x = x.mean(self.averaged) if self.averaged else x
        return self.head(x.flatten(1).amax(0, keepdim=True))


def drawn(number):
    """Draw readings that are no repeats."""
    random.seed(0)
    while number:
        options = {name: random.choice([*CHOICES[name]]) for name in CHOICES}
        if not search.repeats(reading := Reading(**options)):
            yield reading
            number -= 1


@pytest.mark.parametrize("reading", [DEFAULT, *drawn(60)], ids=search.differences)
def test_counts_are_those_of_a_network_built_layer_by_layer(reading):
    with torch.device("meta"):
        network = Network(reading).eval()
        x = torch.empty(
            search.BODIES if reading.bodies == "passes" else 1, network.d, 64, network.n
        )
    parameters = sum(p.numel() for p in network.parameters())
    assert search.one_stream(reading) == (parameters, paper_operations(network, x))


def test_every_choice_is_counted_in_one_part():
    names = [*Reading.__dataclass_fields__]
    assert names == [*CHOICES]
    assert sorted(names) == sorted(["bodies", *itertools.chain(*search.PARTS.values())])


@pytest.fixture
def few(monkeypatch):
    """Leave a handful of options, and a wide range of targets."""
    kept = {
        "bodies": ["joints", "passes"], "transform_bias": [False, True],
        "norms": ["end", "units"], "slnl_blocks": [2, 3], "window": ["time", "both"],
        "pooling": ["after 2, 4, 6", "after 2, 4"], "average": ["both", "time"],
        "hidden": [0, 128],
    }  # fmt: skip
    options = {name: kept.get(name, [getattr(DEFAULT, name)]) for name in CHOICES}
    for name, names in options.items():
        monkeypatch.setitem(CHOICES, name, {x: CHOICES[name][x] for x in names})
    return [
        Reading(**dict(zip(options, chosen)))
        for chosen in itertools.product(*options.values())
    ]


def test_the_search_is_that_of_a_plain_loop(few):
    targets = search.Targets()
    for base in search.bases():
        targets.add(base)
    for name in search.SETS:
        readings = [reading for reading in few if name in search.sets(reading)]
        assert targets.readings[name] == len(readings) > 0
        met = {search.printed(search.one_stream(reading)) for reading in readings}
        near = {
            (p, o)
            for p, o in met
            if abs(p / 4_723 - 1) <= 0.2 and abs(o / 3_889 - 1) <= 0.2
        }
        found = np.argwhere(targets.met[name]) + targets.low
        assert set(map(tuple, found.tolist())) == near != set()
    one = [r for r in few if search.printed(search.one_stream(r)) == search.ONE_STREAM]
    assert set(targets.matches) == set(one) and DEFAULT in one


def test_the_committed_matches_print_the_papers_numbers(root):
    found = json.loads((root / search.RESULTS).read_text("utf-8"))
    for match in found["matches"]:
        reading = Reading(**match["differs"])
        assert match["sets"] == search.sets(reading)
        assert [*search.one_stream(reading)] == match["one stream"]
        assert search.printed(match["one stream"]) == (4_723, 3_889)
        for third, cost in match["two streams"].items():
            assert [*search.two_streams(reading, third)] == cost


def test_the_figures_of_the_page_are_those_of_the_search(root):
    found = json.loads((root / search.RESULTS).read_text("utf-8"))
    page = (root / "book" / "architecture.md").read_text("utf-8")
    for rows in search.tables(found):
        assert rows in page
    text = " ".join(page.split())
    matches = found["matches"]
    open_choices = [m["differs"] for m in matches if search.SETS[-1] in m["sets"]]
    pooling, bias = {"pooling": "after 2, 4"}, {"transform_bias": True}
    assert sorted(open_choices, key=len) == [{}, bias, pooling, bias | pooling]
    assert "The default is one of the four in the last column." in text
    costs = [cost for match in matches for cost in match["two streams"].values()]
    assert search.TWO_STREAMS not in map(search.printed, costs)
    assert f"None of the {len(matches)} also prints both numbers of two streams" in text
    million, billion = search.printed(search.two_streams(DEFAULT, "sum"))
    assert f"prints {million / 1e3} M and {billion / 1e3} G, in both cases" in text
    excess = search.two_streams(DEFAULT, "concatenation")[0] / 1e6 - 9.461
    assert f"accept the difference of {excess:.3f} M." in text
    assert f"lists options for {len(CHOICES)} choices" in text
    assert f"within {100 * search.WITHIN:.0f} % of the printed ones" in text
