"""The sections of a configuration, each the arguments of the part that it sets up.

They mirror the paper: preprocessing (IV-A), model (III-A to III-C, III-E), loss (III-D,
III-E), training (IV-A). The names of choices are those of :mod:`skellib.variants`.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveInt,
    model_validator,
)

from skellib import variants


class Section(BaseModel):
    """A part of the configuration: frozen, and no unknown names."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PreprocessingConfig(Section):
    """Centre, crop and resize a clip (Section IV-A); rotation is not in the paper.

    Attributes:
        origin: the frame whose body centre is the origin, see
            :func:`skellib.preprocessing.center`.
        frames: ``T``, the length of a clip after resizing.
        crop_ratio: bounds of the share of a clip that a training crop keeps.
        min_crop_frames: least number of frames of a training crop, where the clip has
            as many.
        test_crop_ratio: the central share that inference keeps.
        align_corners: of the resizing, see :func:`skellib.preprocessing.crop_resize`.
        max_pitch, max_yaw: the largest angles, in degrees, by which a training clip is
            rotated at random, see :func:`skellib.preprocessing.rotate_clips`.
    """

    origin: Annotated[str, variants.ORIGINS] = "first"
    frames: PositiveInt = 64
    crop_ratio: tuple[float, float] = (0.5, 1.0)
    min_crop_frames: PositiveInt = 1
    test_crop_ratio: float = Field(default=0.95, gt=0, le=1)
    align_corners: bool = False
    max_pitch: float = Field(default=0, ge=0, le=180)
    max_yaw: float = Field(default=0, ge=0, le=180)

    @property
    def rotates(self) -> bool:
        """Whether training clips are rotated at random."""
        return self.max_pitch > 0 or self.max_yaw > 0

    @model_validator(mode="after")
    def _ordered(self) -> PreprocessingConfig:
        low, high = self.crop_ratio
        if not 0 < low <= high <= 1:
            raise ValueError("crop_ratio must be two rising numbers in (0, 1]")
        return self


class ModelConfig(Section):
    """The network :class:`skellib.models.SLnLRFA`; the defaults are the final model's.

    Attributes:
        normalisation: of the raw input (IV-A), by :data:`NORMALISATIONS`.
        transform: of joints and coordinates (III-A; Table V), by :data:`TRANSFORMS`.
        coordinate_systems: ``K``.
        new_joints: ``N'``.
        frequency_attention: (III-B; Table VII), by :data:`FREQUENCY_ATTENTION`.
        reduction: the ratio of the mask networks' bottleneck.
        slnl_blocks: ``M_1`` (Table IX); the other blocks are local.
        axes: the non-local partners of an SLnL block (III-C), by :data:`AXES`.
        embed_ratio: ``L`` as a multiple of a block's output channels.
        channels: output channels of each block.
        kernels: ``k`` of all blocks, or one for each.
        order: of the units in a block, by :data:`ORDERS`.
        pooling: after every second block, by :data:`POOLINGS`.
        combine_bodies: by :data:`BODIES`.
        dropout: probability of dropping an element, in each block.
        dropout_at: where in a block, by :data:`DROPOUT_PLACES`.
        fusion: of the streams (III-E; Table X), by :data:`FUSIONS`.
        velocity_padding: by :data:`PADDINGS`.
        initialisation: of the weights, by :data:`INITIALISATIONS`.
    """

    normalisation: Annotated[str, variants.NORMALISATIONS] = "channels"
    transform: Annotated[str, variants.TRANSFORMS] = "both"
    coordinate_systems: PositiveInt = 10
    new_joints: PositiveInt = 64
    frequency_attention: Annotated[str, variants.FREQUENCY_ATTENTION] = "residual"
    reduction: PositiveInt = 32
    slnl_blocks: int = Field(default=3, ge=0)
    axes: tuple[Annotated[str, variants.AXES], ...] = ("t", "s", "st")
    embed_ratio: float = Field(default=1.0, gt=0)
    channels: tuple[PositiveInt, ...] = (64, 64, 128, 128, 256, 256)
    kernels: PositiveInt | tuple[PositiveInt, ...] = 3
    order: Annotated[str, variants.ORDERS] = "parallel"
    pooling: Annotated[str, variants.POOLINGS] = "time"
    combine_bodies: Annotated[str, variants.BODIES] = "joints"
    dropout: float = Field(default=0.2, ge=0, lt=1)
    dropout_at: Annotated[str, variants.DROPOUT_PLACES] = "end"
    fusion: Annotated[str, variants.FUSIONS] = "multi_task"
    velocity_padding: Annotated[str, variants.PADDINGS] = "end"
    initialisation: Annotated[str, variants.INITIALISATIONS] = "uniform"

    @model_validator(mode="after")
    def _consistent(self) -> ModelConfig:
        blocks = len(self.channels)
        if not blocks:
            raise ValueError("channels must name at least one block")
        if self.slnl_blocks > blocks:
            raise ValueError(
                f"slnl_blocks is {self.slnl_blocks}, but channels names {blocks} blocks"
            )
        if isinstance(self.kernels, tuple) and len(self.kernels) != blocks:
            raise ValueError("kernels must be one number, or one for each of channels")
        return self

    @property
    def kernel_sizes(self) -> tuple[int, ...]:
        """``k`` of each block."""
        if isinstance(self.kernels, tuple):
            return self.kernels
        return (self.kernels,) * len(self.channels)


class LossConfig(Section):
    """The objective (III-D, III-E), see :func:`skellib.losses.objective`.

    Attributes:
        kind: of the supervised loss, by :data:`LOSSES`.
        gamma, margin: make it cross-entropy (0, 0), focal loss (gamma, 0), soft-margin
            cross-entropy (0, m) or soft-margin focal loss (Table VI).
        mutual_weight: lambda of Eq. 22; 0 is without mutual learning.
        divergence: of the mimicry loss, by :data:`DIVERGENCES`.
    """

    kind: Annotated[str, variants.LOSSES] = "soft_margin_focal"
    gamma: NonNegativeFloat = 2.0
    margin: NonNegativeFloat = 0.6
    mutual_weight: NonNegativeFloat = 0.1
    divergence: Annotated[str, variants.DIVERGENCES] = "jeffreys"


class TrainingConfig(Section):
    """The optimiser and its schedule (IV-A): Adam, exponential decay per epoch.

    Attributes:
        epochs: passes over the training clips.
        batch_size: clips in a batch.
        learning_rate: of the first epoch.
        weight_decay: of Adam.
        lr_decay: the factor of the learning rate after each epoch.
        draws: how first weights are drawn, by :data:`DRAWS`.
        learn_transforms: off leaves the transform networks' first weights as they are.
        transform_seed: initialises the transform networks as a run with this seed
            would; everything else goes by the run's own seed.
    """

    epochs: PositiveInt = 60
    batch_size: PositiveInt = 32
    learning_rate: float = Field(default=0.001, gt=0)
    weight_decay: NonNegativeFloat = 0.0005
    lr_decay: float = Field(default=0.95, gt=0, le=1)
    draws: Annotated[str, variants.DRAWS] = "keyed"
    learn_transforms: bool = True
    transform_seed: NonNegativeInt | None = None
