"""The sections of a configuration, each the arguments of the part that it sets up.

They mirror the paper: preprocessing (IV-A), model (III-A to III-C, III-E), loss (III-D,
III-E), training (IV-A).
"""

from __future__ import annotations

from typing import Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveInt,
    model_validator,
)


class Section(BaseModel):
    """A part of the configuration: frozen, and no unknown names."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PreprocessingConfig(Section):
    """Centre, crop and resize (IV-A); ``pitch`` and ``yaw`` are not the paper's.

    See :func:`skellib.preprocessing.center` for ``origin``, and
    :class:`skellib.settings.PreprocessingConfig` for the others.
    """

    origin: Literal["first", "every"] = "first"
    frames: PositiveInt = 64
    ratio: tuple[float, float] = (0.5, 1.0)
    floor: PositiveInt = 1
    central: float = Field(default=0.95, gt=0, le=1)
    align_corners: bool = False
    pitch: float = Field(default=0, ge=0, le=180)
    yaw: float = Field(default=0, ge=0, le=180)

    @model_validator(mode="after")
    def _ordered(self) -> PreprocessingConfig:
        low, high = self.ratio
        if not 0 < low <= high <= 1:
            raise ValueError("ratio must be two rising numbers in (0, 1]")
        return self


class ModelConfig(Section):
    """The network; see :class:`skellib.models.SLnLRFA` for the meaning of each."""

    normalisation: Literal["channels", "joints", "none"] = "channels"
    transform: Literal["none", "coordinate", "skeleton", "both", "cnn"] = "both"
    coordinate_systems: PositiveInt = 10
    new_joints: PositiveInt = 64
    frequency_attention: Literal[
        "none",
        "amplitude",
        "sine",
        "cosine",
        "shared",
        "dependent",
        "residual",
        "spatio_temporal",
    ] = "residual"
    reduction: PositiveInt = 32
    slnl_blocks: int = Field(default=3, ge=0)
    axes: tuple[Literal["t", "s", "st"], ...] = ("t", "s", "st")
    embed_ratio: float = Field(default=1.0, gt=0)
    widths: tuple[PositiveInt, ...] = (64, 64, 128, 128, 256, 256)
    kernels: PositiveInt | tuple[PositiveInt, ...] = 3
    order: Literal["parallel", "sequential"] = "parallel"
    pooling: Literal["time", "both"] = "time"
    combine_bodies: Literal["joints", "maximum"] = "joints"
    dropout: float = Field(default=0.2, ge=0, lt=1)
    dropout_at: Literal["end", "inside"] = "end"
    fusion: Literal["position", "velocity", "sum", "concatenation", "multi_task"] = (
        "multi_task"
    )
    velocity_padding: Literal["end", "start", "repeat"] = "end"
    initialisation: Literal["uniform", "he", "xavier"] = "uniform"

    @model_validator(mode="after")
    def _consistent(self) -> ModelConfig:
        if not self.widths:
            raise ValueError("widths must name at least one block")
        if self.slnl_blocks > len(self.widths):
            raise ValueError(
                f"slnl_blocks is {self.slnl_blocks}, but widths names "
                f"{len(self.widths)} blocks"
            )
        if isinstance(self.kernels, tuple) and len(self.kernels) != len(self.widths):
            raise ValueError("kernels must be one number, or one for each of widths")
        return self


class LossConfig(Section):
    """The objective (III-D, III-E).

    ``gamma`` and ``margin`` make it CE (0, 0), FL (gamma, 0), SMCE (0, m) or SMFL;
    ``mutual`` is the weight lambda of the mimicry loss (Eq. 22), 0 without mutual
    learning.
    """

    gamma: NonNegativeFloat = 2.0
    margin: NonNegativeFloat = 0.6
    mutual: NonNegativeFloat = 0.1
    divergence: Literal["jeffreys", "jensen_shannon"] = "jeffreys"


class TrainingConfig(Section):
    """The optimiser and its schedule (IV-A): Adam, exponential decay per epoch.

    Two settings ask what learning and the draw of the transforms do:
    ``learn_transforms`` off leaves the weights of the transform networks as they were
    drawn; ``transform_seed`` draws them as a run with that seed would, and everything
    else by the run's own seed.
    """

    epochs: PositiveInt = 60
    batch: PositiveInt = 32
    learning_rate: float = Field(default=0.001, gt=0)
    weight_decay: NonNegativeFloat = 0.0005
    decay: float = Field(default=0.95, gt=0, le=1)
    learn_transforms: bool = True
    transform_seed: NonNegativeInt | None = None
