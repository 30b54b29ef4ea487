"""What a run is made of: an :class:`Experiment`, frozen, validated, hashable to a key.

Sections of the configuration mirror the paper's: data and preprocessing (IV-A), model
(III-A to III-C, III-E), loss (III-D, III-E), training (IV-A).
"""

from __future__ import annotations

import hashlib
import json
from functools import cached_property
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from skellib.data import PROTOCOLS
from skellib.errors import InputError
from skellib.settings import (
    LossConfig,
    ModelConfig,
    PreprocessingConfig,
    Section,
    TrainingConfig,
)

Profile = Literal["quick", "laptop", "paper"]
PROFILES = ("quick", "laptop", "paper")


# Settings that are younger than the first records, each with the value that it has in
# them: left out of the key there, so that those keys stay.
_LATER = {
    "preprocessing.origin": "first",
    "preprocessing.align_corners": False,
    "preprocessing.pitch": 0,
    "preprocessing.yaw": 0,
    "model.normalisation": "channels",
    "model.velocity_padding": "end",
    "model.initialisation": "uniform",
    "training.learn_transforms": True,
    "training.transform_seed": None,
}


class Experiment(Section):
    """One configuration that the paper, or this book, gives a number for.

    ``profile`` says in which profile the experiment was set up; it is a label and not
    part of the :attr:`key`.
    """

    dataset: str
    protocol: str
    fold: int = Field(default=0, ge=0)
    profile: Profile = "paper"
    preprocessing: PreprocessingConfig = PreprocessingConfig()
    model: ModelConfig = ModelConfig()
    loss: LossConfig = LossConfig()
    training: TrainingConfig = TrainingConfig()

    @model_validator(mode="after")
    def _possible(self) -> Experiment:
        if self.loss.mutual > 0 and self.model.fusion != "multi_task":
            raise ValueError(
                "loss.mutual needs three branches: set it to 0, or "
                "model.fusion to multi_task"
            )
        known = PROTOCOLS.get(self.dataset, (self.protocol,))
        if self.protocol not in (*known, "given"):
            raise ValueError(
                f"protocol {self.protocol!r} of {self.dataset} is none of "
                f"{', '.join(known)}"
            )
        return self

    def canonical(self) -> dict[str, Any]:
        """Everything that changes the result, and nothing that does not.

        Settings that another setting switches off are left out, so that two ways to
        write down the same experiment are one.
        """
        full = self.model_dump(mode="json", exclude={"profile"})
        model, loss = full["model"], full["loss"]
        for name, value in _LATER.items():
            section, _, setting = name.partition(".")
            if full[section][setting] == value:
                del full[section][setting]
        if model["fusion"] == "position":
            model.pop("velocity_padding", None)
        if model["transform"] not in ("skeleton", "both"):
            del model["new_joints"]
        if model["transform"] in ("none", "skeleton"):
            del model["coordinate_systems"]
        if model["transform"] == "none":
            for inert in ("learn_transforms", "transform_seed"):
                full["training"].pop(inert, None)
        if model["frequency_attention"] == "none":
            del model["reduction"]
        if model["slnl_blocks"] == 0 or not model["axes"]:
            for inert in ("slnl_blocks", "axes", "embed_ratio"):
                del model[inert]
        else:
            model["axes"] = sorted(set(model["axes"]))
        if model["dropout"] == 0:
            del model["dropout_at"]
        if isinstance(model["kernels"], int):
            model["kernels"] = [model["kernels"]] * len(model["widths"])
        if loss["mutual"] == 0:
            del loss["divergence"]
        return full

    @cached_property
    def key(self) -> str:
        """A stable hash (16 hexadecimal digits) of :meth:`canonical`."""
        text = json.dumps(self.canonical(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def replace(self, **changes: Any) -> Experiment:
        """A copy with other values, by dotted name: ``replace(**{"loss.gamma": 0})``.

        Raises:
            InputError: for an unknown name or a value that is not allowed.
        """
        values = self.model_dump()
        for name, value in changes.items():
            place: Any = values
            *parents, last = name.split(".")
            for parent in parents:
                place = place.get(parent) if isinstance(place, dict) else None
            if not isinstance(place, dict) or last not in place:
                raise InputError(f"{name}: unknown setting; {_settings_near(name)}")
            place[last] = value
        return parse(values)


def _settings_near(name: str) -> str:
    section = name.split(".")[0]
    field = Experiment.model_fields.get(section)
    inner = getattr(field.annotation, "model_fields", None) if field else None
    if inner:
        return f"{section} has {', '.join(inner)}"
    return f"the sections are {', '.join(Experiment.model_fields)}"


def parse(values: dict[str, Any]) -> Experiment:
    """Validate a configuration.

    Raises:
        InputError: one line with every field that is wrong and why.
    """
    try:
        return Experiment.model_validate(values)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc'])) or 'experiment'}: "
            f"{fault['msg'].removeprefix('Value error, ')}"
            for fault in error.errors()
        )
        raise InputError(faults) from None


# Section IV-A; margins and M_1 from the best rows of Tables VI and IX, and for data
# sets that the tables do not cover those of N-UCLA.
_PAPER: dict[str, dict[str, Any]] = {
    "ntu": {"training.epochs": 100, "training.decay": 0.98},
    "ntu cross_subject": {"loss.margin": 0.4, "model.slnl_blocks": 5},
    "kinetics": {
        "training.epochs": 300,
        "training.batch": 128,
        "preprocessing.frames": 128,
        "model.widths": (64, 64, 128, 128, 256, 256, 512, 512),
        "model.kernels": (5, 5, 3, 3, 3, 3, 3, 3),
    },
    "sysu": {"training.epochs": 40, "training.batch": 16, "training.decay": 0.92},
}

# A network of the same kind for a processor: a quarter of the channels, half of the
# frames; attention over time and joints is what costs there, so fewer new joints too.
# No dropout: in layers this narrow, dropout before max-pooling shifts what batch
# normalisation has learnt so far that inference fails. Chosen on subjects held out of
# N-UCLA's training views; chapter 8 shows the runs.
_LAPTOP: dict[str, Any] = {
    "preprocessing.frames": 32,
    "model.widths": (16, 16, 32, 32, 64, 64),
    "model.new_joints": 24,
    "model.dropout": 0.0,
    "training.epochs": 40,
}
_QUICK: dict[str, Any] = {
    "preprocessing.frames": 24,
    "model.widths": (8, 8, 16, 16, 32, 32),
    "model.new_joints": 16,
    "model.dropout": 0.0,
    "model.coordinate_systems": 4,
    "training.epochs": 8,
}


def final_model(
    dataset: str, profile: str = "paper", protocol: str | None = None
) -> Experiment:
    """The paper's final model, SLnL-rFA with mutual learning, on a data set.

    Args:
        dataset: a name that :func:`skellib.data.load` knows.
        profile: ``"paper"``: the paper's settings; ``"laptop"``: a smaller network of
            the same kind; ``"quick"``: a narrow one and few epochs. The last two decay
            the learning rate as far as the paper does, over fewer epochs.
        protocol: the first of the data set's protocols where it is not given. That of
            a data set of one's own must be: see :func:`skellib.data.protocols_of`.

    Raises:
        InputError: for an unknown data set, profile or protocol.
    """
    if dataset not in PROTOCOLS and protocol is None:
        known = ", ".join(PROTOCOLS)
        raise InputError(
            f"data set {dataset!r} is none of {known}; of one's own give the protocol"
        )
    if profile not in PROFILES:
        raise InputError(f"profile {profile!r} is none of {', '.join(PROFILES)}")
    protocol = protocol or PROTOCOLS[dataset][0]
    experiment = parse(
        {"dataset": dataset, "protocol": protocol, "profile": profile}
    ).replace(**_PAPER.get(dataset, {}), **_PAPER.get(f"{dataset} {protocol}", {}))
    smaller = {"laptop": _LAPTOP, "quick": _QUICK}.get(profile)
    if smaller is None:
        return experiment
    epochs = experiment.training.epochs
    decay = experiment.training.decay ** (epochs / smaller["training.epochs"])
    widths = smaller["model.widths"]
    return experiment.replace(
        **smaller,
        **{"training.decay": round(decay, 6), "model.kernels": 3},
        **{"model.slnl_blocks": min(experiment.model.slnl_blocks, len(widths))},
    )
