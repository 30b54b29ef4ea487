"""Widgets: well formed, small, offline, and their numbers are those of the library."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import skellib as sk
from skellib import figures, losses, weights
from skellib.data import synthetic
from skellib.errors import InputError
from skellib.figures.widgets import networks
from skellib.figures.widgets.page import coordinates, tensor
from skellib.layouts import LAYOUTS, get
from skellib.models import frequency
from tests.book.test_figures import standing

KINECT = get("kinect20")
SCRIPTS = Path(networks.__file__).parent
NODE = shutil.which("node")
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
needs_node = pytest.mark.skipif(NODE is None, reason="needs node to run the scripts")


class _Page(HTMLParser):
    """Check that tags nest, and keep them with the tags around them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict, list[str]]] = []
        self.feed(page)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs), [*self.open]))
        if tag != "input":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def settings_of(widget) -> dict:
    """Return the data that a widget hands to its script."""
    found = re.search(r'"[0-9a-f]{12}",(\{.*\})\)\}</script>$', widget.data, re.S)
    assert found
    return json.loads(found[1])


def decoded(packed: dict) -> np.ndarray:
    """Decode a tensor or coordinates in Python."""
    kinds = {"f16": "<f2", "f32": "<f4", "i16": "<i2"}
    (kind,) = kinds.keys() & packed.keys()
    values = np.frombuffer(base64.b64decode(packed[kind]), kinds[kind])
    return values.astype(float) * packed.get("unit", 1)


def run(code: str, tmp_path: Path, **values) -> dict:
    """Run the widgets' pure scripts and ``code``, which sets ``result``, by node."""
    lines = [
        f"const {name} = ({(SCRIPTS / f'{name}.js').read_text('utf-8')});"
        for name in ("maths", "network")
    ]
    lines += [f"const {name} = {json.dumps(value)};" for name, value in values.items()]
    lines += [code, "console.log(JSON.stringify(result));"]
    script = tmp_path / "script.js"
    script.write_text("\n".join(lines), "utf-8")
    done = subprocess.run([NODE, script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def clips():
    made = synthetic.generate(subjects=[9], takes=1, views=2)
    return made.subset(made.view == 2)


def predictor_for(folder: Path, clips, **options) -> sk.Predictor:
    """Save and load a small network with random weights and statistics."""
    tiny = {
        "preprocessing.frames": 9,
        "model.channels": (5, 4, 6),
        "model.coordinate_systems": 2,
        "model.new_joints": 7,
        "model.slnl_blocks": 2,
        "loss.mutual_weight": 0,
    }
    changes = {f"model.{name}": value for name, value in options.items()}
    experiment = sk.final_model("synthetic", "quick").replace(**{**tiny, **changes})
    model = weights.build_model(experiment, clips, 0)
    generator = torch.Generator().manual_seed(1)
    for name, value in model.state_dict().items():
        if value.is_floating_point():
            noise = torch.rand(value.shape, generator=generator)
            value.copy_(0.5 + noise if "norm" in name else 0.6 * (noise - 0.5))
    path = folder / "network.safetensors"
    weights.save_weights(model, path, experiment, 0, clips)
    return sk.Predictor(path)


@pytest.fixture(scope="module")
def predictor(tmp_path_factory, clips):
    return predictor_for(tmp_path_factory.mktemp("network"), clips)


@pytest.fixture(scope="module")
def widgets(predictor, clips):
    """One of each widget."""
    few = clips.subset([0, 1])
    resized = figures_clip(clips, 1, 16)
    counts = np.eye(3, dtype=int) * 4 + 1
    cells = {(0, 1): [few.clip(0)], (2, 2): [few.clip(0), few.clip(1)]}
    return {
        "player": figures.player(few.clip(0), KINECT, title="A", label="b"),
        "classifier": figures.classifier({"a": predictor, "b": predictor}, few, "A"),
        "affinity": figures.affinity_explorer(predictor, few),
        "spectrum": figures.spectrum_explorer(resized, KINECT, "A"),
        "losses": figures.loss_explorer(title="A"),
        "confusion": figures.confusion_explorer(counts, "abc", cells, KINECT),
        "counts": figures.confusion_explorer(np.stack([counts] * 3), "abc"),
        "sortable": figures.sortable_table(board(), "A", **BOARD),
    }


def board() -> pd.DataFrame:
    """A small table of everything that a column can hold."""
    data = {
        "group": pd.Categorical(list("yxyx"), ["y", "x", "z"]),
        "number": [9.96, -10.0, np.nan, 2.0],
        "count": [2, 11, 3, 1],
        "word": ["<up>", "down", "up", "down"],
        "files": [[("1", "../a.json")], [], [("1", "b"), ("2", "c")], []],
    }
    return pd.DataFrame(data, index=pd.Index(["p", "q", "r", "s"], name="line"))


BOARD = {
    "filters": ["group"],
    "signed": ["number"],
    "links": ["files"],
    "tones": {"down": "bad"},
    "labels": {"x": "x: the second"},
    "downloads": {"a.csv": ("text/csv", 'a,b\n1,"/" 2\n')},
}


def figures_clip(clips, number: int, frames: int) -> np.ndarray:
    """Return a centred clip, resized, (T, N, C)."""
    found = sk.DeviceClips(clips.subset([number]))
    x = sk.crop_resize(found.joints, found.starts, found.lengths, frames)
    return x[0, ..., 0].permute(1, 2, 0).numpy()


NAMES = "player classifier affinity spectrum losses confusion counts sortable".split()


@pytest.mark.parametrize("name", NAMES)
def test_a_widget_is_well_formed_offline_and_small(widgets, name):
    page = widgets[name].data
    settings = re.search(r'"[0-9a-f]{12}",(\{.*\})\)\}</script>$', page, re.S)[1]
    assert len(page.encode()) - len(settings) < 60_000
    assert "http" not in page
    assert "//" not in page.replace("</", "").replace(settings, "")
    assert page.count("</script>") == 1
    assert widgets[name]._repr_html_() == page
    assert len(repr(widgets[name])) < 100


@pytest.mark.parametrize("name", NAMES)
def test_everything_in_a_widget_has_a_name(widgets, name):
    tags = _Page(widgets[name].data).tags
    assert not any("id" in attrs for _, attrs, _ in tags)
    for tag, attrs, around in tags:
        if tag == "canvas":
            assert attrs.get("aria-label") or attrs.get("aria-hidden")
            assert "aria-hidden" in attrs or attrs["tabindex"] == "0"
        if tag in ("input", "select"):
            assert "label" in around or attrs["aria-label"]
        if tag == "th":
            assert attrs["scope"] in ("row", "col")
    assert any(a.get("role") == "group" and a.get("aria-label") for _, a, _ in tags)
    if name not in ("player", "losses"):  # whose outputs follow their sliders
        assert any(a.get("aria-live") == "polite" for _, a, _ in tags)


def test_the_same_widget_has_the_same_bytes(widgets, clips):
    again = figures.spectrum_explorer(figures_clip(clips, 1, 16), KINECT, "A")
    assert again.data == widgets["spectrum"].data
    keys = {re.search(r'data-widget="(\w+)"', w.data)[1] for w in widgets.values()}
    assert len(keys) == len(widgets)


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium to open the page")
def test_widgets_start_without_an_error(widgets, tmp_path):
    head = "<script>onerror = text => { document.title += text; }</script>"
    page = tmp_path / "page.html"
    body = "".join(widget.data for widget in widgets.values())
    page.write_text(f"<!doctype html><title></title>{head}{body}", "utf-8")
    flags = (
        "--headless --no-sandbox --disable-gpu --virtual-time-budget=4000 --dump-dom"
    )
    done = subprocess.run(
        [CHROMIUM, *flags.split(), f"--user-data-dir={tmp_path / 'profile'}", page],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "<title></title>" in done.stdout
    assert done.stdout.count('data-started="yes"') == len(widgets)
    said = re.findall(r'aria-live="polite">([^<]*)<', done.stdout)
    assert len(said) == len(widgets) - 2 and all(said)
    assert "clips of c are taken for" in done.stdout or "clips of a are" in done.stdout


# ---------------------------------------------------------------- a network in the page


VARIANTS = {
    "final": {},
    "local": {"slnl_blocks": 0},
    "5 x 5 kernels": {"kernels": (5, 3, 1)},
    "partners over time": {"axes": ("t",), "embed_ratio": 0.5},
    "pooled over joints": {"pooling": "both"},
    "no attention": {"frequency_attention": "none"},
    "shared mask": {"frequency_attention": "shared"},
    "cosine mask": {"frequency_attention": "cosine"},
    "raw joints": {"transform": "none"},
    "new joints": {"transform": "skeleton"},
    "new coordinates": {"transform": "coordinate"},
    "positions alone": {"fusion": "position"},
    "velocities alone": {"fusion": "velocity"},
    "sum of features": {"fusion": "sum"},
}


@needs_node
@pytest.mark.parametrize("name", VARIANTS)
def test_the_page_computes_the_logits_of_pytorch(name, clips, tmp_path):
    predictor = predictor_for(tmp_path, clips, **VARIANTS[name])
    x = torch.randn(1, 3, 9, 20, 1)
    with torch.no_grad():
        expected = predictor.model(x)
    found = run(
        "const result = network(plan).logits(Float32Array.from(x));",
        tmp_path,
        plan=networks.network_plan(predictor),
        x=x.flatten().tolist(),
    )
    assert found.keys() == expected.keys()
    for branch, logits in expected.items():
        np.testing.assert_allclose(found[branch], logits[0], rtol=1e-4, atol=1e-4)


@needs_node
def test_the_released_laptop_network_runs_in_the_page(root, tmp_path):
    (path,) = (root / "data" / "weights" / "nucla").glob("*.safetensors")
    predictor = sk.Predictor(path)
    x = torch.randn(1, 3, predictor.experiment.preprocessing.frames, 20, 1)
    with torch.no_grad():
        expected = predictor.model(x)["fused"][0]
    plan = networks.network_plan(predictor)
    code = "const result = network(plan).logits(Float32Array.from(x)).fused;"
    found = run(code, tmp_path, plan=plan, x=x.flatten().tolist())
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)


def tempo_changed(clip: np.ndarray, tempo: float) -> np.ndarray:
    """Read a clip (T, ...) at another tempo, back and forth."""
    last = len(clip) - 1
    at = np.abs((np.arange(len(clip)) * tempo + last) % (2 * last) - last)
    left = np.floor(at).astype(int)
    share = (at - left).reshape(-1, *[1] * (clip.ndim - 1))
    return (1 - share) * clip[left] + share * clip[np.minimum(left + 1, last)]


@needs_node
@pytest.mark.parametrize(
    ("yaw", "pitch", "tempo"), [(0, 0, 1), (90, 0, 1), (-35, 20, 0.5), (170, -45, 2.7)]
)
def test_the_page_answers_as_the_predictor_does(
    predictor, clips, tmp_path, yaw, pitch, tempo
):
    sample = settings_of(figures.classifier({"a": predictor}, clips))["clips"][3]
    found = run(
        """const clip = maths.tensor(sample.joints);
        const moved = maths.moved(clip, sample.frames, move);
        const x = maths.resized(moved, sample.frames, sample.crop, plan.frames);
        const result = maths.softmax(network(plan).logits(x).fused);""",
        tmp_path,
        sample=sample,
        plan=networks.network_plan(predictor),
        move={"yaw": yaw, "pitch": pitch, "tempo": tempo},
    )
    clip = torch.from_numpy(tempo_changed(clips.clip(3).astype(float), tempo))
    clip = sk.rotate(sk.rotate(clip, yaw, 1), pitch, 0)
    expected = predictor.probabilities(clip.numpy())
    np.testing.assert_allclose(found, expected, atol=2e-3)


def test_the_page_holds_the_weights_of_the_network(predictor):
    plan = networks.network_plan(predictor)
    model = predictor.model
    assert plan["streams"].keys() == model.streams.keys()
    for name, stream in model.streams.items():
        described = plan["streams"][name]
        for found, layer in (
            (described["skeleton"], stream.transform.skeleton),
            (described["coordinate"], stream.transform.coordinate),
            (
                described["attention"]["sine"]["expand"]["weight"],
                stream.attention.sine.expand,
            ),
            (described["blocks"][0]["spatial"], stream.blocks[0].spatial),
            (
                described["blocks"][1]["partners"]["st"]["w"],
                stream.blocks[1].partners.st.w,
            ),
        ):
            np.testing.assert_array_equal(
                decoded(found), layer.weight.detach().flatten().numpy()
            )
        norm, x = stream.blocks[2].norm, torch.randn(1, 6, 2, 3)
        scale, shift = (decoded(described["blocks"][2][k]) for k in ("scale", "shift"))
        affine = x.numpy() * scale.reshape(1, 6, 1, 1) + shift.reshape(1, 6, 1, 1)
        np.testing.assert_allclose(affine, norm(x).detach(), rtol=1e-5, atol=1e-6)
    total = sum(len(decoded(each)) for each in tensors(plan))
    assert total == sum(p.numel() for p in model.parameters())


def tensors(plan):
    """List the encoded tensors of a plan, at any depth."""
    if isinstance(plan, dict) and plan.keys() & {"f16", "f32"}:
        return [plan]
    parts = plan.values() if isinstance(plan, dict) else plan
    return [
        each
        for part in parts
        if isinstance(part, (dict, list))
        for each in tensors(part)
    ]


def test_tensors_are_in_half_precision_only_if_that_loses_nothing():
    assert tensor([0.5, -2.0]).keys() == {"f16"}
    assert tensor([0.1]).keys() == {"f32"}
    values = np.float32([0.1, 1e-3, 7])
    np.testing.assert_array_equal(decoded(tensor(values)).astype(np.float32), values)


def test_clips_in_the_page_are_within_a_tenth_of_a_millimetre(
    widgets, clips, predictor
):
    sample = settings_of(widgets["classifier"])["clips"][1]
    found = decoded(sample["joints"]).reshape(-1, 1, 20, 3)
    clip = clips.clip(1)
    np.testing.assert_allclose(found, clip - clip[0, :, :1], atol=1e-4)
    assert (decoded(coordinates([0.0, 1.2, -3.0]))[0]) == 0


def test_what_the_page_cannot_run_is_refused(tmp_path, clips, predictor):
    for options, message in (
        ({"order": "sequential"}, "model.order: a page can run 'parallel' only"),
        ({"transform": "cnn"}, "transform 'cnn'"),
        ({"frequency_attention": "spatio_temporal"}, "attention 'spatio_temporal'"),
        ({"frequency_attention": "amplitude"}, "attention 'amplitude'"),
    ):
        with pytest.raises(InputError, match=message):
            networks.network_plan(predictor_for(tmp_path, clips, **options))
    changes = {"model.network": "st_gcn", "loss.mutual_weight": 0}
    peer = sk.final_model("synthetic", "quick").replace(**changes)
    path = tmp_path / "peer.safetensors"
    weights.save_weights(weights.build_model(peer, clips, 0), path, peer, 0, clips)
    with pytest.raises(InputError, match="model.network"):
        networks.network_plan(sk.Predictor(path))
    local = predictor_for(tmp_path, clips, slnl_blocks=0)
    with pytest.raises(InputError, match="no non-local partner"):
        figures.affinity_explorer(local, clips)
    other = synthetic.generate(subjects=1, takes=1, views=1, layout="ntu25")
    changed = predictor.experiment.replace(**{"preprocessing.test_crop_ratio": 1})
    weights.save_weights(predictor.model, path, changed, 0, clips)
    with pytest.raises(InputError, match="different classes, joints or crops"):
        figures.classifier({"a": predictor, "b": sk.Predictor(path)}, clips)
    with pytest.raises(InputError, match="clips of layout ntu25"):
        figures.classifier({"a": predictor}, other)


@needs_node
@pytest.mark.parametrize("axes", ["t", "s", "st"])
def test_affinities_in_the_page_are_those_of_the_block(
    predictor, clips, tmp_path, axes
):
    settings = settings_of(figures.affinity_explorer(predictor, clips.subset([4])))
    position = 3 * 7 + 5  # frame 3, new joint 5
    found = run(
        """const field = network(settings.plan).field(
          maths.tensor(settings.clips[0]), settings.stream);
        const result = [...field(axes)(position)];""",
        tmp_path,
        settings=settings,
        axes=axes,
        position=position,
    )
    stream = predictor.model.streams["position"]
    prepared = sk.DeviceClips(
        clips.subset([4]), preprocessing=predictor.experiment.preprocessing
    )
    (x, _), *_ = prepared.inference(1)
    with torch.no_grad():
        h = stream.attention(stream.transformed(x))
        block = stream.blocks[0]
        if axes == "st":
            h = block.unit_t(h) + block.unit_s(h)
        weights_of = block.partners[axes].affinity(h)[0]
    expected = torch.zeros(9, 7)
    if axes == "st":
        expected = weights_of[0, position].view(9, 7)
    elif axes == "t":
        expected[:, 5] = weights_of[5, 3]
    else:
        expected[3] = weights_of[3, 5]
    np.testing.assert_allclose(np.reshape(found, (9, 7)), expected, atol=1e-4)


# ---------------------------------------------------------------- explorers


@needs_node
@pytest.mark.parametrize(("frames", "joints"), [(16, 20), (7, 5), (6, 1)])
def test_masked_spectra_are_those_of_the_attention(tmp_path, frames, joints):
    x = torch.randn(frames, joints, dtype=torch.float64)
    masks = torch.rand(2, frames, joints, dtype=torch.float64)
    whole = [(m + m.flip(0, 1).roll((1, 1), (0, 1))) / 2 for m in masks]
    found = run(
        """const F = maths.dft2(x, x.map(() => 0), T, N, -1);
        const mirrors = x.map((_, i) => maths.mirror(i, T, N));
        const result = [...F.map(part => [...part]), [...maths.masked(
          F.map(part => Float64Array.from(part)), cosine, sine, T, N)], mirrors];""",
        tmp_path,
        x=x.flatten().tolist(),
        cosine=whole[0].flatten().tolist(),
        sine=whole[1].flatten().tolist(),
        T=frames,
        N=joints,
    )
    spectrum = torch.fft.fft2(x)
    np.testing.assert_allclose(found[0], spectrum.real.flatten(), atol=1e-9)
    np.testing.assert_allclose(found[1], spectrum.imag.flatten(), atol=1e-9)
    half = torch.fft.rfft2(x)
    cosine, sine = (frequency.symmetric_half(mask) for mask in masks)
    back = torch.complex(half.real * cosine, half.imag * sine)
    expected = torch.fft.irfft2(back, s=x.shape)
    np.testing.assert_allclose(found[2], expected.flatten(), atol=1e-9)
    assert [found[3][i] for i in found[3]] == list(range(frames * joints))


def test_the_spectrum_widget_holds_the_clip(widgets, clips):
    settings = settings_of(widgets["spectrum"])
    found = decoded(settings["clip"]).reshape(3, 16, 20)
    np.testing.assert_allclose(
        np.moveaxis(found, 0, -1), figures_clip(clips, 1, 16), atol=1e-4
    )
    with pytest.raises(InputError, match="65 frames"):
        figures.spectrum_explorer(standing(KINECT, 65), KINECT)
    flat = get("openpose18")
    with pytest.raises(InputError, match="three coordinates"):
        figures.spectrum_explorer(standing(flat), flat)


@needs_node
@pytest.mark.parametrize(("gamma", "margin"), [(0, 0), (2, 0.6), (0.5, 1.4), (5, 0)])
def test_losses_in_the_page_are_those_of_the_library(tmp_path, gamma, margin):
    p = torch.linspace(0.02, 0.98, 25, dtype=torch.float64)
    found = run(
        """const both = [maths.losses, maths.gradients];
        const result = both.map(of => p.map(each => of(each, gamma, margin)));""",
        tmp_path,
        p=p.tolist(),
        gamma=gamma,
        margin=margin,
    )
    z = p.logit().requires_grad_()
    logits = torch.stack([z, torch.zeros_like(z)], 1)
    true = torch.zeros(len(p), dtype=torch.long)
    expected = {
        "CE": losses.cross_entropy(logits, true, "none"),
        "FL": losses.focal(logits, true, gamma, "none"),
        "SMCE": losses.soft_margin_cross_entropy(logits, true, margin, "none"),
        "SMFL": losses.soft_margin_focal(logits, true, gamma, margin, "none"),
        "SM": losses.soft_margin(logits.softmax(1)[:, 0], margin),
    }
    for name, loss in expected.items():
        (gradient,) = torch.autograd.grad(loss.sum(), z, retain_graph=True)
        shown = [[each[name] for each in part] for part in found]
        np.testing.assert_allclose(shown[0], loss.detach(), atol=1e-9)
        np.testing.assert_allclose(shown[1], -gradient, atol=1e-9)


def test_the_loss_widget_names_every_loss_of_its_script(widgets):
    settings = settings_of(widgets["losses"])
    script = (SCRIPTS / "maths.js").read_text("utf-8")
    returned = re.findall(r"return \{CE: .*\};", script)
    assert len(returned) == 2
    for line in returned:
        assert re.findall(r"(\w+): ", line) == settings["names"]


def test_the_confusion_widget_holds_counts_and_clips(widgets, clips):
    settings = settings_of(widgets["confusion"])
    assert settings["counts"] == [[[5, 1, 1], [1, 5, 1], [1, 1, 5]]]
    assert {cell: len(each) for cell, each in settings["clips"].items()} == {
        "0 1": 1,
        "2 2": 2,
    }
    film = settings["clips"]["0 1"][0]
    found = decoded(film["joints"]).reshape(film["frames"], 20, 3)
    clip = clips.clip(0)[:, 0]
    np.testing.assert_allclose(found - found[0, 0], clip - clip[0, 0], atol=2e-4)
    cells = [a for tag, a, _ in _Page(widgets["counts"].data).tags if tag == "button"]
    assert cells[1]["aria-label"] == "3 clips of a, taken for b"
    assert not any(tag == "canvas" for tag, *_ in _Page(widgets["counts"].data).tags)
    with pytest.raises(InputError, match="for 4 classes"):
        figures.confusion_explorer(np.eye(3), "abcd")
    with pytest.raises(InputError, match="need a layout"):
        figures.confusion_explorer(np.eye(1), "a", {(0, 0): [clips.clip(0)]})


# ---------------------------------------------------------------- player


def positions(clip: dict) -> np.ndarray:
    words = np.frombuffer(base64.b64decode(clip["data"]), "<i2")
    return words.reshape(*clip["shape"], 3)


def test_player_page_is_small_and_named():
    clip = standing(KINECT, 60)
    page = figures.player(clip, KINECT, title="A <b> & c", label="wave").data
    tags = [each[:2] for each in _Page(page).tags]
    assert len(page.encode()) < 25_000
    assert "A &lt;b&gt; &amp; c" in page
    canvas = next(attrs for tag, attrs in tags if tag == "canvas")
    assert canvas["role"] == "img"
    assert canvas["tabindex"] == "0"
    assert canvas["aria-label"].startswith("Moving skeleton: wave.")
    slider = next(attrs for tag, attrs in tags if tag == "input")
    assert slider["max"] == "59"
    assert slider["aria-label"]
    assert "prefers-reduced-motion" in page


def test_player_is_deterministic_and_tells_clips_apart():
    clip = standing(KINECT)
    page = figures.player(clip, KINECT).data
    assert page == figures.player(clip.copy(), KINECT).data
    key = re.compile(r'data-widget="(\w+)"')
    other = figures.player(clip[:2], KINECT).data
    assert key.findall(page)[0] != key.findall(other)[0]


def test_player_keeps_coordinates_within_a_millimetre():
    clip = standing(KINECT, 5) + np.arange(5).reshape(-1, 1, 1, 1) * [0.8, 0, 0.3]
    packed = settings_of(figures.player(clip, KINECT))["clips"][0]
    whole = positions(packed).astype(float)
    bone = np.linalg.norm(clip[:, 0, 13] - clip[:, 0, 12], axis=-1)
    unit = np.ptp(whole[..., 1]) / np.ptp(clip[..., 1])
    drawn = np.linalg.norm(whole[:, 0, 13] - whole[:, 0, 12], axis=-1) / unit
    np.testing.assert_allclose(drawn, bone, atol=1e-3)


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_player_marks_missing_joints_and_absent_bodies(layout):
    clip = standing(layout, 3, 2)
    clip[1, 0, 3] = 0
    clip[:, 1] = 0
    packed = settings_of(figures.player(clip, layout))["clips"][0]
    missing = (positions(packed) == -32768).all(axis=-1)
    expected = np.zeros((3, 2, layout.size), bool)
    expected[1, 0, 3] = expected[:, 1] = True
    np.testing.assert_array_equal(missing, expected)
    assert len(packed["bones"]) == len(layout.bones)
    assert packed["flat"] == (layout.dims == 2)


def test_player_of_nothing_tracked_still_works():
    packed = settings_of(figures.player(np.zeros((2, 1, 20, 3)), KINECT))["clips"][0]
    assert (positions(packed) == -32768).all()
    assert packed["top"] > packed["floor"]
    assert packed["radius"] > 0


def test_players_share_one_time_axis():
    clips = [standing(KINECT, 3), standing(get("openpose18"), 7)]
    layouts = [KINECT, get("openpose18")]
    widget = figures.players(clips, layouts, ["a", "b"], fps=15)
    assert sum(tag == "canvas" for tag, *_ in _Page(widget.data).tags) == 2
    settings = settings_of(widget)
    assert settings["frames"] == 7
    assert settings["fps"] == 15
    with pytest.raises(InputError, match="2 clips, 1 layouts"):
        figures.players(clips, [KINECT])
    with pytest.raises(InputError, match="at least one"):
        figures.players([], KINECT)


def test_player_text_cannot_end_its_script():
    page = figures.player(standing(KINECT), KINECT, label="</script><b>").data
    assert page.count("</script>") == 1


# ---------------------------------------------------------------- a table


def test_a_table_is_complete_without_a_script(widgets):
    page = widgets["sortable"].data
    cells = re.findall(r"<td[^>]*>(.*?)</td>", page)
    rows = [cells[i : i + 5] for i in range(0, len(cells), 5)]
    assert [row[1] for row in rows] == ["+10.0", "−10.0", "", "+2.0"]
    assert [row[2] for row in rows] == ["2", "11", "3", "1"]
    assert rows[0][3] == "&lt;up&gt;"
    assert rows[0][4] == '<a href="../a.json" aria-label="files 1">1</a>'
    assert rows[2][4].count("<a ") == 2 and rows[1][4] == ""
    assert page.count('<td class="bad">down</td>') == 2
    assert '<div class="controls" hidden>' in page  # the script shows them
    assert "Without JavaScript, the table shows all rows" in page
    assert 'href="data:text/csv;charset=utf-8,a%2Cb%0A1%2C%22%2F%22%202%0A"' in page
    assert '<option value="2">x: the second</option>' in page  # z does not occur


def test_only_categories_can_be_chosen():
    with pytest.raises(InputError, match="'number' is not a categorical column"):
        figures.sortable_table(board(), "A", switches=["number"])


CLICKS = """
const table = document.querySelector("table");
const heads = [...table.tHead.rows[0].cells];
const shown = () => [...table.tBodies[0].rows].filter(row => !row.hidden)
  .map(row => row.cells[0].textContent).join("");
const sorted = () => heads.map(head => head.getAttribute("aria-sort") || "-");
const seen = {start: shown(), before: sorted()};
const click = (name, column) => {
  heads[column].querySelector("button").click();
  seen[name] = [shown(), sorted()[column]];
};
click("number down", 2); click("number up", 2);
click("count down", 3); click("category up", 1); click("label up", 0);
const select = document.querySelector("select");
select.value = select.options.length - 1;
select.dispatchEvent(new Event("change"));
seen.chosen = [shown(), document.querySelector(".answer").textContent];
seen.hidden = heads[1].hidden;
seen.button = !!heads[5].querySelector("button");
document.title = JSON.stringify(seen);
"""


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium to click")
@pytest.mark.parametrize("kind", ["filters", "switches"])
def test_readers_sort_by_value_and_choose(kind, tmp_path):
    options = {k: v for k, v in BOARD.items() if k != "filters"}
    table = figures.sortable_table(board(), "A", **{kind: ["group"]}, **options)
    page = tmp_path / "page.html"
    head = "<!doctype html><meta charset=utf-8><title></title>"
    page.write_text(f"{head}{table.data}<script>{CLICKS}</script>", "utf-8")
    flags = "--headless --no-sandbox --disable-gpu --dump-dom"
    done = subprocess.run(
        [CHROMIUM, *flags.split(), f"--user-data-dir={tmp_path / 'profile'}", page],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    seen = json.loads(re.search(r"<title>(.*?)</title>", done.stdout)[1])
    every = kind == "filters"
    assert seen["before"] == ["none"] * 5 + ["-"]
    assert seen["start"] == ("pqrs" if every else "pr")  # a switch starts at y
    if every:
        assert seen["number down"] == ["psqr", "descending"]  # the empty cell is last
        assert seen["number up"] == ["qspr", "ascending"]
        assert seen["count down"] == ["qrps", "descending"]
        assert seen["category up"] == ["prqs", "ascending"]  # y before x
    assert seen["label up"] == ["pqrs" if every else "pr", "ascending"]
    assert seen["chosen"] == ["qs", "2 of 4 rows, sorted by line, ascending."]
    assert seen["hidden"] is not every  # of a switch, one value is shown anyway
    assert not seen["button"]  # links have no order
