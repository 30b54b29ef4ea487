"""Every named choice, each in one table: a variant is one line here and its code.

Configuration, error messages, tests and the book follow these tables. They name code
as ``"module:function"`` and import it when it is used, so that a configuration can be
checked without PyTorch. Code outside of skellib adds a variant in the same way::

    from skellib.variants import LOSSES

    LOSSES["hinge"] = my_hinge  # (logits, target, gamma=..., margin=...) -> loss
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Generic, TypeVar

from pydantic_core import core_schema

V = TypeVar("V")


class Choices(dict[str, V], Generic[V]):
    """A table of variants by name.

    Args:
        what: what is chosen, for messages.
        variants: by name; code may be given as ``"module:function"``.
        renamed: former names, and what each is called now, for messages.
    """

    def __init__(
        self,
        what: str,
        variants: dict[str, V],
        renamed: dict[str, str] | None = None,
    ) -> None:
        super().__init__(variants)
        self.what, self.renamed = what, renamed or {}

    def check(self, name: str) -> str:
        """Return the name if the table has it.

        Raises:
            ValueError: it has not; the message lists the names that it has.
        """
        if name in self.renamed:
            raise ValueError(f"{self.what} {name!r} is now {self.renamed[name]!r}")
        if name not in self:
            raise ValueError(f"{self.what} {name!r} is none of {', '.join(self)}")
        return name

    def find(self, name: str) -> Any:
        """Return a variant, imported where the table holds ``"module:function"``.

        Raises:
            ValueError: for an unknown name.
        """
        return resolve(self[self.check(name)])

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        """Let ``Annotated[str, TABLE]`` be the type of a field that holds a name."""
        return core_schema.no_info_after_validator_function(self.check, handler(source))


def resolve(variant: Any) -> Any:
    """Import what is given as ``"module:function"``; return the rest as it is."""
    if isinstance(variant, str) and ":" in variant:
        module, _, attribute = variant.partition(":")
        return getattr(import_module(module), attribute)
    return variant


@dataclass(frozen=True)
class Transform:
    """A transform of the raw joints (Section III-A; a row of Table V).

    Attributes:
        joints: whether ``S' = W_s S`` makes ``N'`` new joints.
        coordinates: whether ``J_i = C_i^T J_0`` makes ``K d`` coordinates.
        build: makes another network instead, from ``d`` and ``K d``; it maps
            (B, d, T, N) to (B, K d, T, N).
    """

    joints: bool = False
    coordinates: bool = False
    build: Callable[[int, int], Any] | str | None = None


TRANSFORMS: Choices[Transform] = Choices(
    "transform",
    {
        "none": Transform(),
        "coordinate": Transform(coordinates=True),
        "skeleton": Transform(joints=True),
        "both": Transform(joints=True, coordinates=True),
        "cnn": Transform(build="skellib.models.transform:two_convolutions"),
    },
)


@dataclass(frozen=True)
class Attention:
    """A kind of frequency attention (Section III-B; a row of Table VII).

    Attributes:
        cosine, sine: the mask network that weighs this component; without one the
            component passes as it is. The same name twice is one network for both.
        magnitude: whether one mask, ``cosine``'s, is computed from the magnitude of the
            spectrum and weighs both components alike, so that phases stay.
        residual: whether the input is added to the output (Eq. 5).
        networks: further mask networks, for ``attend``.
        attend: another way from ``X'`` (B, C, T, N) to the same shape; called with
            the module, whose mask networks are its attributes, and ``X'``.
    """

    cosine: str | None = None
    sine: str | None = None
    magnitude: bool = False
    residual: bool = False
    networks: tuple[str, ...] = ()
    attend: Callable[[Any, Any], Any] | None = None

    @property
    def masks(self) -> tuple[str, ...]:
        """The names of all mask networks."""
        named = (self.cosine, self.sine, *self.networks)
        return tuple(dict.fromkeys(name for name in named if name))


def _mask_over_time_and_joints(attention: Any, x: Any) -> Any:
    """Weigh frames and joints themselves, without a transform."""
    return x * attention.mask(x.mean(1, keepdim=True))


FREQUENCY_ATTENTION: Choices[Attention] = Choices(
    "frequency attention",
    {
        "none": Attention(),
        "amplitude": Attention("mask", "mask", magnitude=True),
        "sine": Attention(sine="sine"),
        "cosine": Attention(cosine="cosine"),
        "shared": Attention("mask", "mask"),
        "dependent": Attention("cosine", "sine"),
        "residual": Attention("cosine", "sine", residual=True),
        "spatio_temporal": Attention(
            networks=("mask",), attend=_mask_over_time_and_joints, residual=True
        ),
    },
)


@dataclass(frozen=True)
class Fusion:
    """How streams are combined (Section III-E, Fig. 6; a row of Table X).

    Attributes:
        streams: their names.
        concatenate: whether features are concatenated rather than added.
        classifiers: whether each stream has a classifier of its own beside.
    """

    streams: tuple[str, ...] = ("position", "velocity")
    concatenate: bool = False
    classifiers: bool = False


FUSIONS: Choices[Fusion] = Choices(
    "fusion",
    {
        "position": Fusion(("position",)),
        "velocity": Fusion(("velocity",)),
        "sum": Fusion(),
        "concatenation": Fusion(concatenate=True),
        "multi_task": Fusion(concatenate=True, classifiers=True),
    },
)

LOSSES: Choices[Callable[..., Any] | str] = Choices(
    "loss", {"soft_margin_focal": "skellib.losses:soft_margin_focal"}
)
DIVERGENCES: Choices[Callable[..., Any] | str] = Choices(
    "divergence",
    {
        "jeffreys": "skellib.losses:jeffreys",
        "jensen_shannon": "skellib.losses:jensen_shannon",
    },
)
NORMALISATIONS: Choices[Callable[..., Any] | str] = Choices(
    "normalisation",
    {
        "channels": "skellib.models.normalisation:over_channels",
        "joints": "skellib.models.normalisation:JointNormalisation",
        "none": "skellib.models.normalisation:nothing",
    },
)
INITIALISATIONS: Choices[Callable[..., Any] | str] = Choices(
    "initialisation",
    {
        "uniform": "skellib.initialisation:uniform",
        "he": "skellib.initialisation:he",
        "xavier": "skellib.initialisation:xavier",
    },
)
POOLINGS = Choices("pooling", {"time": (2, 1), "both": (2, 2)})
"""The window (frames, joints) of max-pooling after every second block."""

# Two-way choices inside one function: a name, and what it means.
AXES = Choices(
    "non-local axes",
    {
        "t": "the positions are the frames of one joint",
        "s": "the positions are the joints of one frame",
        "st": "the positions are all joints of all frames",
    },
)
ORDERS = Choices(
    "block order",
    {
        "parallel": "temporal and spatial unit side by side, then spatio-temporal",
        "sequential": "temporal, then spatial, then spatio-temporal",
    },
)
DROPOUT_PLACES = Choices(
    "dropout_at",
    {
        "end": "the output of a block",
        "inside": "the input of a block's spatio-temporal unit",
    },
)
BODIES = Choices(
    "combine_bodies",
    {
        "joints": "bodies are stacked as further joints, one pass",
        "maximum": "one pass a body with shared weights, maximum of the features",
    },
)
ORIGINS = Choices(
    "origin",
    {
        "first": "the body centre of a clip's first frame, for all of its frames",
        "every": "the body centre of each frame",
    },
)
PADDINGS = Choices(
    "padding",
    {
        "end": "v[t] = x[t + 1] - x[t], the last one zero",
        "start": "v[t] = x[t] - x[t - 1], the first one zero",
        "repeat": "as 'end', the last difference twice",
    },
)
DRAWS = Choices(
    "draws",
    {
        "keyed": "a layer's first weights depend on seed and name alone",
        "sequential": "one generator draws all layers in turn (the first edition)",
    },
)
