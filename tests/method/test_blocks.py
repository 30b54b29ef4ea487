"""Local and SLnL blocks (Section III-C, Fig. 4)."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import conv2d

from skellib.models import LocalBlock, SLnLBlock


def block(kind, cin=4, cout=6, **options):
    made = kind(cin, cout, **options).double()
    # Statistics and scales other than the initial ones.
    torch.nn.init.uniform_(made.norm.weight, 0.5, 1.5)
    torch.nn.init.normal_(made.norm.bias)
    made.norm.running_mean.normal_()
    made.norm.running_var.uniform_(0.5, 2)
    return made.eval()


@pytest.mark.parametrize("order", ["parallel", "sequential"])
@pytest.mark.parametrize(("cin", "cout"), [(4, 6), (5, 5)])
@pytest.mark.parametrize("kernel", [3, 5])
def test_local_block_step_by_step(order, cin, cout, kernel):
    made = block(LocalBlock, cin, cout, order=order, kernel=kernel)
    x, k = torch.randn(2, cin, 7, 6, dtype=torch.float64), kernel // 2
    w_t, w_s = made.temporal.weight, made.spatial.weight
    assert w_t.shape == (cout, cin, kernel, 1)
    assert w_s.shape[2:] == (1, kernel)
    if order == "parallel":
        h = conv2d(x, w_t, padding=(k, 0)) + conv2d(x, w_s, padding=(0, k))
    else:
        h = conv2d(conv2d(x, w_t, padding=(k, 0)), w_s, padding=(0, k))
    h = conv2d(h, made.spatiotemporal.weight, padding=k)
    h = h + (x if cin == cout else conv2d(x, made.residual.weight))
    norm = made.norm
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    shift = norm.bias - norm.running_mean * scale
    expected = (h * scale[:, None, None] + shift[:, None, None]).clamp_min(0)
    torch.testing.assert_close(made(x), expected)


@pytest.mark.parametrize("order", ["parallel", "sequential"])
@pytest.mark.parametrize("axes", [("t",), ("s",), ("t", "s", "st")])
def test_a_new_slnl_block_is_its_local_block(order, axes):
    slnl = block(SLnLBlock, order=order, axes=axes)
    local = block(LocalBlock, order=order)
    shared = {k: v for k, v in slnl.state_dict().items() if "partners" not in k}
    local.load_state_dict(shared)
    x = torch.randn(2, 4, 7, 6, dtype=torch.float64)
    assert torch.equal(slnl(x), local(x))


def test_partners_read_what_their_convolution_reads_and_are_summed():
    made = block(SLnLBlock)
    for partner in made.partners.values():
        torch.nn.init.normal_(partner.w.weight)
    x = torch.randn(2, 4, 7, 6, dtype=torch.float64)
    h = made.temporal(x) + made.spatial(x)
    h = h + made.partners["t"](x) + made.partners["s"](x)
    h = made.spatiotemporal(h) + made.partners["st"](h) + made.residual(x)
    torch.testing.assert_close(made(x), made.norm(h).relu())


def test_embedding_width():
    made = SLnLBlock(4, 6, embed_ratio=0.5)
    assert made.partners["t"].phi.out_channels == 3
    assert made.partners["t"].g.out_channels == 6


def test_dropout_only_in_training():
    made = LocalBlock(4, 4, dropout=0.5)
    x = torch.randn(2, 4, 7, 6)
    assert torch.equal(made.eval()(x), made.eval()(x))
    assert not torch.equal(made.train()(x), made.train()(x))


def test_where_dropout_sits():
    """If everything is dropped, the output is zero or the residual path alone."""
    x = torch.randn(2, 4, 7, 6)
    end = LocalBlock(4, 4, dropout=0.999999, dropout_at="end").train()
    assert (end(x) == 0).all()
    inside = LocalBlock(4, 4, dropout=0.999999, dropout_at="inside").train()
    torch.testing.assert_close(inside(x), inside.norm(x).relu())


def test_dropout_at_the_end_shifts_what_max_pooling_sees():
    """The position matters: the maximum of noisy values is not the noisy maximum."""
    x = torch.rand(1, 8, 4000, 1) + 1
    dropped = torch.nn.functional.dropout(x, 0.2)
    pool = torch.nn.functional.max_pool2d
    assert dropped.mean() == pytest.approx(x.mean().item(), rel=0.01)
    assert pool(dropped, (2, 1)).mean() > 1.04 * pool(x, (2, 1)).mean()


def test_what_is_dropped():
    x = torch.rand(4, 50, 6, 5) + 1
    shares = {}
    for kind in ("element", "channel"):
        made = LocalBlock(50, 50, dropout=0.4, dropout_kind=kind).train()
        dropped = (made.dropout(x) == 0).float().mean((2, 3))
        shares[kind] = dropped
        assert dropped.mean().item() == pytest.approx(0.4, abs=0.1)
    assert ((shares["channel"] == 0) | (shares["channel"] == 1)).all()
    assert ((shares["element"] > 0) & (shares["element"] < 1)).all()


@pytest.mark.parametrize("kind", [LocalBlock, SLnLBlock])
def test_every_parameter_gets_a_gradient(kind):
    made = kind(4, 6, dropout=0.0)
    for partner in getattr(made, "partners", {}).values():
        torch.nn.init.normal_(partner.w.weight)
    made(torch.randn(2, 4, 7, 6)).square().sum().backward()
    for name, parameter in made.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_unknown_order_and_axes():
    with pytest.raises(ValueError, match="'reversed' is none of parallel"):
        LocalBlock(4, 4, order="reversed")
    with pytest.raises(ValueError, match="'start' is none of end, inside, pooled"):
        LocalBlock(4, 4, dropout_at="start")
    with pytest.raises(ValueError, match="'x' is none of t, s, st"):
        SLnLBlock(4, 4, axes=("x",))
