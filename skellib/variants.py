"""Tables of variants: one table per component, one line per variant.

Configuration, error messages, tests and the book are derived from these tables. Code is
referred to as ``"module:function"`` and imported on first use, so that a configuration
can be validated without PyTorch. A variant defined outside skellib is added likewise::

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
    """Look up the variants of a component by name.

    Args:
        what: name of the component, for error messages.
        variants: variants by name; code may be given as ``"module:function"``.
        renamed: current names by former name, for error messages.
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
        """Return the name if it is in the table.

        Raises:
            ValueError: if it is not; the message lists the names that are.
        """
        if not isinstance(name, str):
            raise ValueError(f"{self.what}: expected a name, not {name!r}")
        if name in self.renamed:
            raise ValueError(f"{self.what} {name!r} is now {self.renamed[name]!r}")
        if name not in self:
            raise ValueError(f"{self.what} {name!r} is none of {', '.join(self)}")
        return name

    def find(self, name: str) -> Any:
        """Return a variant; import it if it is given as ``"module:function"``.

        Raises:
            ValueError: if the name is unknown.
        """
        return resolve(self[self.check(name)])

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        """Make ``Annotated[str, TABLE]`` a pydantic field type that checks names."""
        return core_schema.no_info_after_validator_function(self.check, handler(source))


def resolve(variant: Any) -> Any:
    """Import ``"module:function"``; return anything else unchanged."""
    if isinstance(variant, str) and ":" in variant:
        module, _, attribute = variant.partition(":")
        return getattr(import_module(module), attribute)
    return variant


@dataclass(frozen=True)
class Transform:
    """Describe a transform of the raw joints (Section III-A; a row of Table V).

    Attributes:
        joints: whether ``S' = W_s S``, the skeleton transform, computes ``N'`` joints.
        coordinates: whether ``J_i = C_i^T J_0``, the coordinate transform, computes
            ``K d`` coordinates.
        build: function of ``d`` and ``K d`` that builds a different network instead,
            from (B, d, T, N) to (B, K d, T, N).
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
    """Describe a kind of frequency attention (Section III-B; a row of Table VII).

    Attributes:
        cosine, sine: name of the mask network that weights this component; a component
            without one is left unweighted. The same name for both is a shared network.
        magnitude: whether a single mask, that of ``cosine``, is computed from the
            magnitude of the spectrum and applied to both components, so that the phase
            is preserved.
        residual: whether the input is added to the output (Eq. 5).
        networks: names of further mask networks, for ``attend``.
        attend: function that replaces the masking of the spectrum. It is called with
            the module, whose mask networks are its attributes, and ``X'``
            (B, C, T, N), and returns a tensor of the same shape.
    """

    cosine: str | None = None
    sine: str | None = None
    magnitude: bool = False
    residual: bool = False
    networks: tuple[str, ...] = ()
    attend: Callable[[Any, Any], Any] | None = None

    @property
    def masks(self) -> tuple[str, ...]:
        """Names of all mask networks."""
        named = (self.cosine, self.sine, *self.networks)
        return tuple(dict.fromkeys(name for name in named if name))


def _mask_magnitudes_alone(attention: Any, x: Any) -> Any:
    """Weight the magnitude and drop the phase (Section IV-C.3 read literally)."""
    import torch  # configurations are read without it

    magnitude = torch.fft.fft2(x).abs()
    mask = attention.mask(magnitude.mean(1, keepdim=True))
    return torch.fft.ifft2(mask * magnitude).real


def _mask_over_time_and_joints(attention: Any, x: Any) -> Any:
    """Weight the frames and joints themselves, without a Fourier transform."""
    return x * attention.mask(x.mean(1, keepdim=True))


FREQUENCY_ATTENTION: Choices[Attention] = Choices(
    "frequency attention",
    {
        "none": Attention(),
        "amplitude": Attention("mask", "mask", magnitude=True),
        "amplitude_only": Attention(networks=("mask",), attend=_mask_magnitudes_alone),
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
    """Describe how streams are combined (Section III-E, Fig. 6; a row of Table X).

    Attributes:
        streams: names of the streams.
        concatenate: whether features are concatenated instead of added.
        classifiers: whether each stream also has its own classifier.
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


@dataclass(frozen=True)
class Network:
    """Describe a network, that of the paper or a peer of :mod:`skellib.peers`.

    Attributes:
        build: class of the network.
        settings: settings of ``model`` that a peer takes as arguments; None for the
            network of the paper, which takes the whole section.
        fusion: streams of a peer.
    """

    build: Callable[..., Any] | str
    settings: tuple[str, ...] | None = None
    fusion: Fusion | None = None

    def uses(self, setting: str) -> bool:
        """Return whether a setting of ``model`` has an effect."""
        if self.settings is None:
            return setting != "width"
        return setting in (*self.settings, "network", "initialisation")


_PEER = ("width", "frequency_attention", "reduction")
_ONE_STREAM = Fusion(("position",))
NETWORKS: Choices[Network] = Choices(
    "network",
    {
        "slnl_rfa": Network("skellib.models:SLnLRFA"),
        "hcn": Network(
            "skellib.peers:HCN",
            (*_PEER, "normalisation", "dropout", "velocity_padding"),
            Fusion(concatenate=True),
        ),
        "st_gcn": Network("skellib.peers:STGCN", (*_PEER, "dropout"), _ONE_STREAM),
        "agcn": Network("skellib.peers:AGCN", _PEER, _ONE_STREAM),
        "ctr_gcn": Network("skellib.peers:CTRGCN", _PEER, _ONE_STREAM),
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
        "channels": "skellib.models.normalisation:channel_normalisation",
        "joints": "skellib.models.normalisation:JointNormalisation",
        "none": "skellib.models.normalisation:no_normalisation",
    },
)
OPTIMIZERS: Choices[Callable[..., Any] | str] = Choices(
    "optimizer", {"adam": "torch.optim:Adam", "sgd": "skellib.training:nesterov"}
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
"""Window (frames, joints) of the max-pooling after every second block."""

DROPOUTS: Choices[Callable[..., Any] | str] = Choices(
    "dropout_kind",
    {"element": "torch.nn:Dropout", "channel": "torch.nn:Dropout2d"},
)
"""What is dropped at once: a single element, or a whole channel of a clip."""

# Options that a single function implements: each name with its meaning.
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
        "pooled": "the output of a block, after the pooling that follows it, if any",
    },
)
BODIES = Choices(
    "combine_bodies",
    {
        "joints": "bodies are stacked as further joints, one pass",
        "maximum": "one pass per body with shared weights, maximum of the features",
    },
)
ALIGNMENTS = Choices(
    "align",
    {
        "none": "clips stay as the camera saw them",
        "yaw": "each clip is rotated about the vertical",
        "body": "each clip is rotated about all three axes",
    },
)
ORIGINS = Choices(
    "origin",
    {
        "first": "the body centre of the clip's first frame, for all of its frames",
        "every": "the body centre of each frame",
        "spine": "the middle of the spine in each frame",
    },
)
CROP_ROUNDINGS = Choices(
    "test_crop_rounding",
    {
        "kept": "the number of frames that are kept is rounded",
        "cut": "the number of frames that are cut at either end is rounded down",
    },
)
MODALITIES: Choices[tuple[bool, bool]] = Choices(
    "modality",
    {
        "joint": (False, False),
        "bone": (True, False),
        "motion": (False, True),
        "bone_motion": (True, True),
    },
)
"""Whether the network receives bones instead of joints, and velocities of either."""

PADDINGS = Choices(
    "padding",
    {
        "end": "v[t] = x[t + 1] - x[t], the last velocity is zero",
        "start": "v[t] = x[t] - x[t - 1], the first velocity is zero",
        "repeat": "as 'end', but the last difference is repeated",
        "resized": "the T - 1 differences are resized to T frames",
    },
)
DRAWS = Choices(
    "draws",
    {
        "keyed": "a layer's initial weights depend on the seed and its name only",
        "sequential": "one generator initialises all layers in turn (first edition)",
    },
)
