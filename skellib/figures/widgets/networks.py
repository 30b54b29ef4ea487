"""Widgets that run a trained network in the page, and the network as they read it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from skellib.errors import InputError
from skellib.figures.widgets.page import (
    Widget,
    button,
    canvas,
    coordinates,
    select,
    skeleton,
    slider,
    tensor,
    widget,
)
from skellib.variants import FREQUENCY_ATTENTION, POOLINGS

if TYPE_CHECKING:
    from skellib.data import PackedDataset
    from skellib.inference import Predictor

# Settings that network.js assumes.
_REQUIRED = {
    "model.network": "slnl_rfa",
    "model.normalisation": "channels",
    "model.order": "parallel",
    "model.combine_bodies": "joints",
    "model.velocity_padding": "end",
    "preprocessing.align": "none",
    "preprocessing.origin": "first",
    "preprocessing.align_corners": False,
    "preprocessing.modality": "joint",
    "preprocessing.test_crops": 1,
}


def network_plan(
    predictor: Predictor,
    streams: Sequence[str] | None = None,
    blocks: int | None = None,
) -> dict[str, Any]:
    """Describe a trained network for ``network.js``: its layers and their weights.

    Batch normalisation becomes a scale and a shift per channel. Weights are kept in
    half precision where that loses nothing, as in released networks.

    Args:
        predictor: the network.
        streams: names of the streams to describe; by default all.
        blocks: number of blocks of each stream to describe; by default all.

    Returns:
        Numbers, names and encoded tensors, to be written as JSON.

    Raises:
        InputError: if the network has a setting that the script does not implement.
    """
    experiment = predictor.experiment
    model: Any = predictor.model  # of this book: see _REQUIRED
    for name, value in _REQUIRED.items():
        section, setting = name.split(".")
        found = getattr(getattr(experiment, section), setting)
        if found != value:
            raise InputError(f"{name}: a page can run {value!r} only, not {found!r}")
    attention = FREQUENCY_ATTENTION.find(experiment.model.frequency_attention)
    if attention.attend or attention.magnitude or experiment.transform.build:
        raise InputError(
            f"{predictor.weights}: a page cannot run the transform "
            f"{experiment.model.transform!r} with the frequency attention "
            f"{experiment.model.frequency_attention!r}"
        )
    return {
        "frames": experiment.preprocessing.frames,
        "channels": predictor.channels,
        "joints": predictor.layout.size * predictor.bodies,
        "pool": POOLINGS.find(experiment.model.pooling),
        "concatenate": model.fusion.concatenate,
        "streams": {
            name: _stream(model.streams[name], name, blocks)
            for name in streams or model.streams
        },
        "classifiers": {
            name: _linear(each)
            for name, each in model.classifiers.items()
            if streams is None
        },
    }


def _stream(stream: Any, name: str, blocks: int | None) -> dict[str, Any]:
    """Describe one stream up to a number of blocks."""
    transform, attention = stream.transform, stream.attention
    described: dict[str, Any] = {
        "velocity": name == "velocity",
        "joints": transform.out_joints,
        "normalise": _affine(stream.normalise),
        "skeleton": _weight(getattr(transform, "skeleton", None)),
        "coordinate": _weight(getattr(transform, "coordinate", None)),
        "attention": None,
        "blocks": [_block(each) for each in stream.blocks[:blocks]],
    }
    if attention.variant.masks:
        described["attention"] = {
            "cosine": _mask_network(attention, attention.variant.cosine),
            "sine": _mask_network(attention, attention.variant.sine),
            "residual": attention.variant.residual,
        }
    return described


def _mask_network(attention: Any, name: str | None) -> dict[str, Any] | None:
    if name is None:
        return None
    layers = attention.get_submodule(name)
    return {"reduce": _linear(layers.reduce), "expand": _linear(layers.expand)}


def _block(block: Any) -> dict[str, Any]:
    """Describe a local block, or an SLnL block with its non-local partners."""
    partners = getattr(block, "partners", {})
    return {
        "kernel": block.temporal.kernel_size[0],
        "temporal": _weight(block.temporal),
        "spatial": _weight(block.spatial),
        "spatiotemporal": _weight(block.spatiotemporal),
        "residual": _weight(block.residual),
        "partners": {
            axes: {name: _weight(getattr(each, name)) for name in "phi psi g w".split()}
            for axes, each in partners.items()
        },
        **_affine(block.norm),
    }


def _linear(layer: Any) -> dict[str, Any]:
    """Encode a layer with a bias."""
    return {"weight": _weight(layer), "bias": tensor(layer.bias.detach())}


def _weight(layer: Any) -> dict[str, Any] | None:
    """Encode the weight of a layer; None for no layer, and for the identity."""
    weight = getattr(layer, "weight", None)
    return None if weight is None else tensor(weight.detach())


def _affine(norm: Any) -> dict[str, Any]:
    """Convert batch normalisation at inference to a scale and a shift per channel."""
    scale = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
    shift = norm.bias.double() - norm.running_mean.double() * scale
    return {"scale": tensor(scale.detach()), "shift": tensor(shift.detach())}


def _centred(predictor: Predictor, clips: PackedDataset) -> list[np.ndarray]:
    """Centre clips as the network's preprocessing does: each (T, M, N, C)."""
    from skellib.batches import DeviceClips

    if clips.layout.joints != predictor.layout.joints or clips.channels != 3:
        raise InputError(
            f"clips of layout {clips.layout.name}, a network for "
            f"{predictor.layout.name}; the page needs the same, in three coordinates"
        )
    found = DeviceClips(clips, preprocessing=predictor.experiment.preprocessing)
    ends = (found.starts + found.lengths).tolist()
    joints = found.joints.float().numpy()
    return [joints[i:j] for i, j in zip(found.starts.tolist(), ends)]


def classifier(
    networks: Mapping[str, Predictor],
    clips: PackedDataset,
    title: str | None = None,
    fps: float = 30,
) -> Widget:
    """Run trained networks in the page while the reader changes a clip.

    Sliders, or dragging, change the yaw and the pitch of the clip, and its tempo: at
    twice the tempo as many frames hold twice as much of the movement; where the clip
    ends, it goes on backwards. The bars are the class probabilities of the whole clip.

    Args:
        networks: trained networks by name; the first one answers at the start.
        clips: sample clips to choose from, with three coordinates.
        title: a heading.
        fps: frames per second.

    Raises:
        InputError: if the networks differ in their classes or crops, do not fit the
            clips, or have a setting that the page does not implement.
    """
    from torch import tensor as torch_tensor

    from skellib.preprocessing import central_crop

    first, *_ = networks.values()
    kinds = {(each.classes, each.layout, _crop(each)) for each in networks.values()}
    if len(kinds) > 1:
        raise InputError("classifier: networks of different classes, joints or crops")
    samples = []
    for joints, label in zip(_centred(first, clips), clips.label):
        offset, kept = central_crop(torch_tensor([len(joints)]), *_crop(first))
        samples.append(
            {
                "joints": coordinates(joints),
                "frames": len(joints),
                "crop": [offset.item(), kept.item()],
                "label": first.classes.index(clips.classes[label]),
            }
        )
    settings = {
        "networks": [network_plan(each) for each in networks.values()],
        "classes": first.classes,
        "clips": samples,
        "bodies": first.bodies,
        "fps": fps,
        **skeleton(first.layout),
    }
    names = [clips.classes[label] for label in clips.label]
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th>'
        '<td class="share"><i></i></td><td></td></tr>'
        for name in first.classes
    )
    body = (
        f'<div class="controls">{select("clip", "Clip", names)}'
        f"{select('network', 'Network', list(networks))}</div>"
        f'<div class="row">{canvas(_DRAG)}'
        "<table><caption>Class probabilities</caption><tbody>"
        f"{rows}</tbody></table></div>"
        f'<div class="controls">{slider("yaw", "Yaw", -180, 180, 0, 5)}'
        f"{slider('pitch', 'Pitch', -60, 60, 0, 5)}"
        f"{slider('tempo', 'Tempo', 0.5, 3, 1, 0.1)}</div>"
        f'<div class="bar">{button("play", "Play")}{button("reset", "Reset")}</div>'
        '<output class="answer" aria-live="polite"></output>'
    )
    return widget("classifier", settings, body, title, ("maths", "network"))


def _crop(predictor: Predictor) -> tuple[float, str]:
    """Return the arguments of the central crop: ratio and rounding."""
    preprocessing = predictor.experiment.preprocessing
    return preprocessing.test_crop_ratio, preprocessing.test_crop_rounding


_DRAG = (
    "Moving skeleton, as the network receives it. Drag, or use the arrow keys, to "
    "change yaw and pitch; the space bar plays or pauses."
)


def affinity_explorer(
    predictor: Predictor,
    clips: PackedDataset,
    title: str | None = None,
    stream: str = "position",
) -> Widget:
    """Show which positions attend to which, in the first SLnL block of a network.

    A position is a new joint in a frame. Click one to see how much it attends to every
    other one (Eq. 8), and which joints its new joint mixes (the row of ``W_s``).

    Args:
        predictor: network with a skeleton transform whose first block is an SLnL block.
        clips: sample clips to choose from.
        title: a heading.
        stream: name of the stream.

    Raises:
        InputError: if the network has no such block or transform, does not fit the
            clips, or has a setting that the page does not implement.
    """
    from skellib.batches import DeviceClips

    plan = network_plan(predictor, (stream,), 1)
    described = plan["streams"][stream]
    found = described["blocks"][0]["partners"]
    partners = [axes for axes in _MEANING if axes in found]
    if not partners or not described["skeleton"]:
        raise InputError(
            f"{predictor.weights}: its first block has no non-local partner, or it has "
            "no skeleton transform"
        )
    _centred(predictor, clips)  # check that they fit
    preprocessing = predictor.experiment.preprocessing
    prepared = DeviceClips(clips, preprocessing=preprocessing)
    (x, _), *_ = prepared.inference(len(clips))
    settings = {
        "plan": plan,
        "stream": stream,
        "clips": [coordinates(each.permute(0, 1, 3, 2).numpy()) for each in x],
        "partners": partners,
        "joints": list(predictor.layout.joints),
        **skeleton(predictor.layout),
    }
    names = [clips.classes[label] for label in clips.label]
    choices = [_MEANING[axes] for axes in partners]
    body = (
        f'<div class="controls">{select("clip", "Clip", names)}'
        f"{select('partner', 'Attends to', choices)}</div>"
        '<div class="row">'
        + canvas(
            _PICK, "Affinities over frames (right) and new joints (down)", "wide pick"
        )
        + canvas(_CHOSEN, "Chosen position")
        + canvas("The position that it attends to most.", "Attends most to")
        + "</div>"
        '<output class="answer" aria-live="polite"></output>'
    )
    return widget("affinity", settings, body, title, ("maths", "network"))


_MEANING = {
    "st": "all frames and joints",
    "t": "the frames of one joint",
    "s": "the joints of one frame",
}
_CHOSEN = "The chosen position: its frame, and the joints that its new joint mixes."
_PICK = (
    "Map of affinities over frames and new joints. Click a position, or move the ring "
    "by the arrow keys."
)
