"""The sections of a configuration; each holds the arguments of one component.

They follow the paper: preprocessing (IV-A), model (III-A to III-C, III-E), loss (III-D,
III-E), training (IV-A). Names of variants are those in :mod:`skellib.variants`.
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
    field_validator,
    model_validator,
)

from skellib import variants


class Section(BaseModel):
    """Validate a section of the configuration: immutable, without unknown settings."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class PreprocessingConfig(Section):
    """Configure centring, cropping and resizing (Section IV-A), rotation and noise.

    Rotation and noise are not in the paper and are off by default.

    Attributes:
        align: rotation to a common front, see :func:`skellib.preprocessing.align`.
        origin: frame whose body centre is the origin, see
            :func:`skellib.preprocessing.center`.
        frames: ``T``, number of frames of a clip after resizing.
        crop_ratio: bounds of the fraction of a clip that a training crop keeps.
        min_crop_frames: minimum number of frames of a training crop; shorter clips are
            kept whole.
        test_crop_ratio: fraction of a clip that the central crop keeps at inference.
        test_crop_rounding: how the crop is rounded to whole frames, see
            :func:`skellib.preprocessing.central_crop`.
        align_corners: how to resize, see :func:`skellib.preprocessing.crop_resize`.
        test_crops: number of crops at inference whose logits are averaged, see
            :func:`skellib.preprocessing.spread_crops`.
        modality: what the network receives, in ``MODALITIES``: joints, bones, or the
            motion of either, see :func:`skellib.preprocessing.modality`.
        max_pitch, max_yaw: largest angles, in degrees, by which training clips are
            rotated at random, see :func:`skellib.preprocessing.rotate_clips`.
        joint_noise: standard deviation of the random displacement of each joint in
            training, in the units of the data set (metres for most), see
            :func:`skellib.preprocessing.displace_joints`.
    """

    align: Annotated[str, variants.ALIGNMENTS] = "none"
    origin: Annotated[str, variants.ORIGINS] = "first"
    frames: PositiveInt = 64
    crop_ratio: tuple[float, float] = (0.5, 1.0)
    min_crop_frames: PositiveInt = 1
    test_crop_ratio: float = Field(default=0.95, gt=0, le=1)
    test_crop_rounding: Annotated[str, variants.CROP_ROUNDINGS] = "kept"
    test_crops: PositiveInt = 1
    align_corners: bool = False
    modality: Annotated[str, variants.MODALITIES] = "joint"
    max_pitch: float = Field(default=0, ge=0, le=180)
    max_yaw: float = Field(default=0, ge=0, le=180)
    joint_noise: NonNegativeFloat = 0

    @property
    def rotates(self) -> bool:
        """Whether training clips are rotated at random."""
        return self.max_pitch > 0 or self.max_yaw > 0

    @model_validator(mode="after")
    def _ordered(self) -> PreprocessingConfig:
        low, high = self.crop_ratio
        if not 0 < low <= high <= 1:
            raise ValueError("crop_ratio must be two numbers in (0, 1], smaller first")
        return self


class ModelConfig(Section):
    """Configure the network, :class:`skellib.models.SLnLRFA` or a peer of it.

    The defaults are those of the paper's final model. Each variant is a name in a table
    of :mod:`skellib.variants`. Of a peer, only the settings that ``NETWORKS`` lists for
    it have an effect.

    Attributes:
        network: the network, in ``NETWORKS``.
        width: factor of the channels of a peer, whose numbers are those of its paper.
        normalisation: normalisation of the raw input (IV-A), in ``NORMALISATIONS``.
        transform: transform network (III-A; Table V), in ``TRANSFORMS``.
        coordinate_systems: ``K``, number of coordinate systems.
        new_joints: ``N'``, number of new joints.
        frequency_attention: kind of attention (III-B; Table VII), in
            ``FREQUENCY_ATTENTION``.
        reduction: reduction ratio of the mask networks' bottleneck.
        slnl_blocks: ``M_1``, number of SLnL blocks (Table IX); later blocks are local.
        axes: units of an SLnL block that have a non-local partner (III-C), in ``AXES``.
        embed_ratio: ``L`` divided by the output channels of the block.
        channels: output channels of each block.
        kernels: kernel size ``k`` of all blocks, or of each block.
        order: order of the units in a block, in ``ORDERS``.
        pooling: pooling after every second block, in ``POOLINGS``.
        combine_bodies: how bodies are combined, in ``BODIES``.
        dropout: probability of dropping an element or a channel in each block.
        dropout_kind: what is dropped at once, in ``DROPOUTS``.
        dropout_at: position of dropout in a block, in ``DROPOUT_PLACES``.
        fusion: how the streams are combined (III-E; Table X), in ``FUSIONS``.
        velocity_padding: padding of the velocities, in ``PADDINGS``.
        initialisation: initialisation of the weights, in ``INITIALISATIONS``.
    """

    network: Annotated[str, variants.NETWORKS] = "slnl_rfa"
    width: float = Field(default=1.0, gt=0)
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
    dropout_kind: Annotated[str, variants.DROPOUTS] = "element"
    dropout_at: Annotated[str, variants.DROPOUT_PLACES] = "end"
    fusion: Annotated[str, variants.FUSIONS] = "multi_task"
    velocity_padding: Annotated[str, variants.PADDINGS] = "end"
    initialisation: Annotated[str, variants.INITIALISATIONS] = "uniform"

    @field_validator("axes")
    @classmethod
    def _in_order(cls, axes: tuple[str, ...]) -> tuple[str, ...]:
        """Sort the axes: their order means nothing and must change no key."""
        return tuple(name for name in variants.AXES if name in axes)

    @model_validator(mode="after")
    def _consistent(self) -> ModelConfig:
        blocks = len(self.channels)
        if not blocks:
            raise ValueError("channels must have at least one block")
        if self.slnl_blocks > blocks:
            raise ValueError(
                f"slnl_blocks is {self.slnl_blocks}, but channels has {blocks} blocks"
            )
        if isinstance(self.kernels, tuple) and len(self.kernels) != blocks:
            raise ValueError("kernels must be one number, or one number per block")
        if any(k % 2 == 0 for k in self.kernel_sizes):
            raise ValueError("kernels must be odd: an even one changes the frames")
        return self

    @property
    def kernel_sizes(self) -> tuple[int, ...]:
        """Kernel size ``k`` of each block."""
        if isinstance(self.kernels, tuple):
            return self.kernels
        return (self.kernels,) * len(self.channels)


class LossConfig(Section):
    """Configure the objective (III-D, III-E), see :func:`skellib.losses.objective`.

    Attributes:
        kind: supervised loss, in :data:`skellib.variants.LOSSES`.
        gamma, margin: parameters of the loss: (0, 0) is cross-entropy, (gamma, 0) focal
            loss, (0, m) soft-margin cross-entropy, (gamma, m) soft-margin focal loss
            (Table VI).
        mutual_weight: lambda in Eq. 22; 0 switches mutual learning off.
        divergence: divergence of the mimicry loss, in
            :data:`skellib.variants.DIVERGENCES`.
        label_smoothing: share of the target that is spread evenly over all classes
            (C. Szegedy et al., CVPR 2016); not in the paper.
    """

    kind: Annotated[str, variants.LOSSES] = "soft_margin_focal"
    gamma: NonNegativeFloat = 2.0
    margin: NonNegativeFloat = 0.6
    mutual_weight: NonNegativeFloat = 0.1
    divergence: Annotated[str, variants.DIVERGENCES] = "jeffreys"
    label_smoothing: float = Field(default=0, ge=0, lt=1)


class TrainingConfig(Section):
    """Configure the optimiser and its schedule (IV-A): Adam with exponential decay.

    Attributes:
        optimizer: the optimiser, in :data:`skellib.variants.OPTIMIZERS`.
        epochs: number of passes over the training clips.
        batch_size: number of clips in a batch.
        learning_rate: learning rate of the first epoch.
        weight_decay: weight decay of Adam.
        lr_decay: factor by which the learning rate is multiplied after each epoch.
        milestones: epochs after which it is also divided by 10.
        warm_up: number of epochs over which it rises linearly to its full value.
        clip_norm: largest norm of the gradient of all weights together; a longer one is
            scaled down. None leaves gradients as they are.
        ema_decay: decay per step of a moving average of the weights, which is what is
            evaluated and kept; 0 for the weights themselves. Not in the paper.
        draws: how initial weights are drawn, in :data:`skellib.variants.DRAWS`.
        learn_transforms: whether to train the transform networks; otherwise they keep
            their initial weights.
        transform_seed: seed of the transform networks' initialisation; by default the
            run's own seed.
    """

    optimizer: Annotated[str, variants.OPTIMIZERS] = "adam"
    epochs: PositiveInt = 60
    batch_size: PositiveInt = 32
    learning_rate: float = Field(default=0.001, gt=0)
    weight_decay: NonNegativeFloat = 0.0005
    lr_decay: float = Field(default=0.95, gt=0, le=1)
    milestones: tuple[PositiveInt, ...] = ()
    warm_up: NonNegativeInt = 0
    clip_norm: float | None = Field(default=None, gt=0)
    ema_decay: float = Field(default=0, ge=0, lt=1)
    draws: Annotated[str, variants.DRAWS] = "keyed"
    learn_transforms: bool = True
    transform_seed: NonNegativeInt | None = None
