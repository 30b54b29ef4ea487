"""What a run is made of: an :class:`Experiment`, frozen, validated, hashable to a key.

Sections of the configuration mirror the paper's: data and preprocessing (IV-A), model
(III-A to III-C, III-E), loss (III-D, III-E), training (IV-A).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from functools import cached_property
from typing import Annotated, Any

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
from skellib.variants import AXES, FUSIONS, TRANSFORMS, Choices, Fusion, Transform

PROFILES = Choices(
    "profile",
    {
        "quick": "synthetic data, a narrow network: proves the path",
        "laptop": "a smaller network of the same kind, for a processor",
        "full": "the settings of the paper",
    },
    renamed={"paper": "full"},
)


# Settings that do nothing unless another one has a certain value: left out of the key,
# so that two ways to write down the same experiment are one.
_INERT: dict[str, Callable[[Experiment], bool]] = {
    "model.velocity_padding": lambda e: "velocity" not in e.fusion.streams,
    "model.new_joints": lambda e: not e.transform.joints,
    "model.coordinate_systems": lambda e: (
        not (e.transform.coordinates or e.transform.build)
    ),
    "training.learn_transforms": lambda e: e.model.transform == "none",
    "training.transform_seed": lambda e: e.model.transform == "none",
    "model.reduction": lambda e: e.model.frequency_attention == "none",
    "model.axes": lambda e: not e.has_nonlocal,
    "model.embed_ratio": lambda e: not e.has_nonlocal,
    "model.dropout_at": lambda e: e.model.dropout == 0,
    "loss.divergence": lambda e: e.loss.mutual_weight == 0,
}

# Names of the first edition, and what each is called now.
RENAMED = {
    "preprocessing.ratio": "preprocessing.crop_ratio",
    "preprocessing.floor": "preprocessing.min_crop_frames",
    "preprocessing.central": "preprocessing.test_crop_ratio",
    "preprocessing.pitch": "preprocessing.max_pitch",
    "preprocessing.yaw": "preprocessing.max_yaw",
    "model.widths": "model.channels",
    "loss.mutual": "loss.mutual_weight",
    "training.batch": "training.batch_size",
    "training.decay": "training.lr_decay",
}


class Experiment(Section):
    """One configuration that the paper, or this book, gives a number for.

    ``profile`` says in which profile the experiment was set up; it is a label and not
    part of the :attr:`key`.
    """

    dataset: str
    protocol: str
    fold: int = Field(default=0, ge=0)
    profile: Annotated[str, PROFILES] = "full"
    preprocessing: PreprocessingConfig = PreprocessingConfig()
    model: ModelConfig = ModelConfig()
    loss: LossConfig = LossConfig()
    training: TrainingConfig = TrainingConfig()

    @model_validator(mode="after")
    def _possible(self) -> Experiment:
        if self.loss.mutual_weight > 0 and self.model.fusion != "multi_task":
            raise ValueError(
                "loss.mutual_weight needs three branches: set it to 0, or "
                "model.fusion to multi_task"
            )
        known = PROTOCOLS.get(self.dataset, (self.protocol,))
        if self.protocol not in (*known, "given"):
            raise ValueError(
                f"protocol {self.protocol!r} of {self.dataset} is none of "
                f"{', '.join(known)}"
            )
        return self

    @property
    def transform(self) -> Transform:
        """What its transform network consists of."""
        return TRANSFORMS.find(self.model.transform)

    @property
    def fusion(self) -> Fusion:
        """How its streams are combined."""
        return FUSIONS.find(self.model.fusion)

    @property
    def has_nonlocal(self) -> bool:
        """Whether any block has a non-local partner."""
        return self.model.slnl_blocks > 0 and bool(self.model.axes)

    def canonical(self) -> dict[str, Any]:
        """Return everything that changes the result, and nothing that does not.

        Settings at their default are left out, so that a setting that is added later
        changes no key; so are settings that another one switches off.
        """
        found = self.model_dump(mode="json", exclude={"profile"})
        sizes, axes = self.model.kernel_sizes, self.model.axes
        found["model"]["kernels"] = sizes[0] if len({*sizes}) == 1 else list(sizes)
        found["model"]["axes"] = sorted({*axes}, key=list(AXES).index)
        if not self.has_nonlocal:  # SLnL blocks without partners are local blocks
            found["model"]["slnl_blocks"] = 0
        usual = type(self).usual()
        for section, settings in found.items():
            if not isinstance(settings, dict):
                continue
            for name in list(settings):
                inert = _INERT.get(f"{section}.{name}")
                if settings[name] == usual[section][name] or (inert and inert(self)):
                    del settings[name]
        return found

    @classmethod
    def usual(cls) -> dict[str, Any]:
        """Return the default of every setting, by section."""
        return cls(dataset="", protocol="").model_dump(mode="json")

    @cached_property
    def key(self) -> str:
        """Return a stable hash (16 hexadecimal digits) of :meth:`canonical`."""
        text = json.dumps(self.canonical(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def first_edition(self) -> Experiment:
        """The same experiment with the first edition's draws."""
        return self.replace(**{"training.draws": "sequential"})

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
                raise InputError(_unknown(name))
            place[last] = value
        return parse(values)


def _unknown(name: str) -> str:
    """Say what an unknown setting is called now, or which there are."""
    if name in RENAMED:
        return f"{name}: is now {RENAMED[name]}"
    section = name.split(".")[0]
    field = Experiment.model_fields.get(section)
    inner = getattr(field.annotation, "model_fields", None) if field else None
    if inner:
        return f"{name}: unknown setting; {section} has {', '.join(inner)}"
    sections = ", ".join(Experiment.model_fields)
    return f"{name}: unknown setting; the sections are {sections}"


def parse(values: dict[str, Any]) -> Experiment:
    """Validate a configuration.

    Raises:
        InputError: one line with every field that is wrong and why.
    """
    try:
        return Experiment.model_validate(values)
    except ValidationError as error:
        raise InputError("; ".join(map(_fault, error.errors()))) from None


def _fault(fault: Any) -> str:
    """Say in a few words what pydantic found wrong with one setting."""
    name = ".".join(map(str, fault["loc"])) or "experiment"
    if fault["type"] == "extra_forbidden":
        return _unknown(name)
    return f"{name}: {fault['msg'].removeprefix('Value error, ')}"


# Section IV-A; margins and M_1 from the best rows of Tables VI and IX, and for data
# sets that the tables do not cover those of N-UCLA.
_PAPER: dict[str, dict[str, Any]] = {
    "ntu": {"training.epochs": 100, "training.lr_decay": 0.98},
    "ntu cross_subject": {"loss.margin": 0.4, "model.slnl_blocks": 5},
    "kinetics": {
        "training.epochs": 300,
        "training.batch_size": 128,
        "preprocessing.frames": 128,
        "model.channels": (64, 64, 128, 128, 256, 256, 512, 512),
        "model.kernels": (5, 5, 3, 3, 3, 3, 3, 3),
    },
    "sysu": {
        "training.epochs": 40,
        "training.batch_size": 16,
        "training.lr_decay": 0.92,
    },
}

# A network of the same kind for a processor: a quarter of the channels, half of the
# frames; attention over time and joints is what costs there, so fewer new joints too.
# No dropout: in layers this narrow, dropout before max-pooling shifts what batch
# normalisation has learnt so far that inference fails. Chosen on subjects held out of
# N-UCLA's training views.
_LAPTOP: dict[str, Any] = {
    "preprocessing.frames": 32,
    "model.channels": (16, 16, 32, 32, 64, 64),
    "model.new_joints": 24,
    "model.dropout": 0.0,
    "training.epochs": 40,
}
_QUICK: dict[str, Any] = {
    "preprocessing.frames": 24,
    "model.channels": (8, 8, 16, 16, 32, 32),
    "model.new_joints": 16,
    "model.dropout": 0.0,
    "model.coordinate_systems": 4,
    "training.epochs": 8,
}


def check_profile(name: str) -> str:
    """Return a profile's name if there is one.

    Raises:
        InputError: there is none of that name.
    """
    try:
        return PROFILES.check(name)
    except ValueError as error:
        raise InputError(str(error)) from None


def final_model(
    dataset: str, profile: str = "full", protocol: str | None = None
) -> Experiment:
    """The paper's final model, SLnL-rFA with mutual learning, on a data set.

    Args:
        dataset: a name that :func:`skellib.data.load` knows.
        profile: ``"full"``: the paper's settings; ``"laptop"``: a smaller network of
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
    check_profile(profile)
    protocol = protocol or PROTOCOLS[dataset][0]
    experiment = parse(
        {"dataset": dataset, "protocol": protocol, "profile": profile}
    ).replace(**_PAPER.get(dataset, {}), **_PAPER.get(f"{dataset} {protocol}", {}))
    smaller = {"laptop": _LAPTOP, "quick": _QUICK}.get(profile)
    if smaller is None:
        return experiment
    epochs = experiment.training.epochs
    decay = experiment.training.lr_decay ** (epochs / smaller["training.epochs"])
    channels = smaller["model.channels"]
    return experiment.replace(
        **smaller,
        **{"training.lr_decay": round(decay, 6), "model.kernels": 3},
        **{"model.slnl_blocks": min(experiment.model.slnl_blocks, len(channels))},
    )
