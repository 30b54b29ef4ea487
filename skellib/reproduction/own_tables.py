"""Define this book's own tables: other data, other splits, open choices."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

from skellib.experiment import AUTHOR_HABITS, PROFILES
from skellib.reproduction.design import FACTORS, HALF, screening_rows
from skellib.reproduction.paper_tables import (
    BASELINE_0,
    BASELINE_1,
    BASELINE_2,
    BASELINE_3,
    PAPER_DATASETS,
    SLNL_RFA,
    SLNL_RFA_ML,
    TABLES,
    UCLA,
    Changes,
    Column,
    Row,
    Table,
)

UTD = Column("UTD-MHAD", "utd_mhad", "cross_subject")
SBU = Column("SBU", "sbu", "five_fold")

_OTHER_DATA = Table(
    "Other data",
    "Does the method travel?",
    (UTD, SBU),
    (
        Row("Baseline0", {}, BASELINE_0),
        Row("SLnL-rFA", {}, SLNL_RFA),
        Row("SLnL-rFA+ML", {}, SLNL_RFA_ML),
    ),
    baseline="Baseline0",
)


def _changed(rows: Sequence[Row], changes: Changes) -> tuple[Row, ...]:
    """Return rows with further settings changed, without the paper's numbers."""
    return tuple(Row(r.label, {}, {**(r.changes or {}), **changes}) for r in rows)


HELD_OUT = Column("N-UCLA, held-out subjects", "nucla", "validation")
"""For choosing settings; it does not use view 3, the test set."""


def _option(label: str, **change: Any) -> Row:
    """Make a row: the final model with one choice changed by ``section__setting=``."""
    settings = {name.replace("__", "."): value for name, value in change.items()}
    return Row(label, {}, {**SLNL_RFA_ML, **settings})


# Choices that the paper leaves open, changed one at a time. How two bodies are combined
# is not among them, since N-UCLA has one body.
_OPEN_CHOICES = Table(
    "Open choices",
    "What the paper leaves open, tried on held-out subjects",
    (HELD_OUT,),
    (
        _option("As decided"),
        _option("Crops of 64 frames or more", preprocessing__min_crop_frames=64),
        _option("Origin: body centre of every frame", preprocessing__origin="every"),
        _option("Resizing aligns the corners", preprocessing__align_corners=True),
        _option("Velocity: zero frame first", model__velocity_padding="start"),
        _option("Velocity: last difference twice", model__velocity_padding="repeat"),
        _option("Input normalised joint by joint", model__normalisation="joints"),
        _option("Input not normalised", model__normalisation="none"),
        _option("Units of a block one after another", model__order="sequential"),
        _option("L: half of the output channels", model__embed_ratio=0.5),
        _option("Max-pooling 2 × 2", model__pooling="both"),
        _option("No dropout", model__dropout=0.0),
        _option("Dropout 0.2 at the end of a block", model__dropout=0.2),
        _option(
            "Dropout 0.2 inside a block",
            model__dropout=0.2,
            model__dropout_at="inside",
        ),
        _option("He initialisation", model__initialisation="he"),
        _option("Xavier initialisation", model__initialisation="xavier"),
        _option("True Jensen-Shannon divergence", loss__divergence="jensen_shannon"),
    ),
    baseline="As decided",
)

# Splits without view 3: held-out subjects seen by the same cameras, or a new camera on
# the same subjects, in either direction.
CAMERAS = (
    Column("N-UCLA, camera 1 to 2", "nucla", "camera_1_2"),
    Column("N-UCLA, camera 2 to 1", "nucla", "camera_2_1"),
)
_OTHER_SPLITS = Table(
    "Other splits",
    "The transforms of Table V by other splits of N-UCLA's training views",
    (HELD_OUT, *CAMERAS),
    _changed(TABLES["V"].rows, {}),
    baseline=TABLES["V"].baseline,
)

# In the last rows the transforms are initialised by one seed and everything else by
# another: together a grid that separates the two.
_INITIALISATION = Table(
    "Initialisation",
    "What learning and initialisation do to the transforms",
    (UCLA,),
    (
        Row("Transforms learnt (Baseline1)", {}, BASELINE_1),
        Row(
            "Transforms not learnt",
            {},
            {**BASELINE_1, "training.learn_transforms": False},
        ),
        *(
            Row(
                f"Transforms initialised by seed {seed}",
                {},
                {**BASELINE_1, "training.transform_seed": seed},
            )
            for seed in range(3)
        ),
    ),
    baseline="Transforms learnt (Baseline1)",
)


def _rotation(pitch: float, yaw: float) -> Changes:
    return {"preprocessing.max_pitch": pitch, "preprocessing.max_yaw": yaw}


def _rotation_label(pitch: int, yaw: int) -> str:
    parts = {"pitch": pitch, "yaw": yaw}
    text = ", ".join(f"{name} up to {bound}°" for name, bound in parts.items() if bound)
    return text.capitalize()


# The bounds of the rotation are chosen on splits with a new camera other than view 3,
# with the network on raw joints, which trains fastest. The last row has the bounds of
# other code for this data set (Chen et al. 2021).
_ROTATED_CLIPS = Table(
    "Rotated clips",
    "Training clips rotated at random, tested on a new camera",
    CAMERAS,
    (
        Row("Not rotated (Baseline0)", {}, BASELINE_0),
        *(
            Row(
                _rotation_label(pitch, yaw), {}, {**BASELINE_0, **_rotation(pitch, yaw)}
            )
            for pitch, yaw in (*product((0, 10), (0, 30, 60, 90)), (60, 60))
            if pitch or yaw
        ),
    ),
    baseline="Not rotated (Baseline0)",
)

CHOSEN_ROTATION = _rotation(pitch=10, yaw=60)
"""The bounds of the row of "Rotated clips" with the best mean of both columns."""
STEPS = Table(
    "Steps",
    "Table V, and on from its last row one component more in each",
    (UCLA,),
    (
        *TABLES["V"].rows,
        TABLES["VI"].row("SMFL (2,0.6)"),
        TABLES["VII"].row("Residual FA (rFA)"),
        TABLES["IV"].row("SLnL-rFA"),
        TABLES["IV"].row("SLnL-rFA+ML"),
    ),
    baseline=TABLES["V"].baseline,
)
"""Rows of the paper's tables side by side; it has no runs of its own."""
_ROTATED_CAMERA_3 = Table(
    "Rotated, camera 3",
    "The paper's steps, trained on clips rotated as chosen",
    (UCLA,),
    _changed(STEPS.rows, CHOSEN_ROTATION),
    baseline=STEPS.baseline,
)

# What the first runs at the paper's size asked: dropout, rotation or weight decay?
# Networks without dropout; the last rows have another weight decay as well.
_NO_DROPOUT: Changes = {"model.dropout": 0.0}
_WEIGHT_DECAY = ((0.00005, ("Baseline0",)), (0.0, ("Baseline0", "rFA", "Final model")))
_CHAIN: dict[str, Changes] = {
    "Baseline0": BASELINE_0,
    "Coordinate Trans.": {**BASELINE_0, "model.transform": "coordinate"},
    "Skeleton Trans.": {**BASELINE_0, "model.transform": "skeleton"},
    "Baseline1": BASELINE_1,
    "rFA": BASELINE_3,
    "Final model": SLNL_RFA_ML,
}
_NO_DROPOUT_TABLE = Table(
    "No dropout",
    "The paper's steps without dropout; clips as recorded, rotated, other weight decay",
    (UCLA, CAMERAS[0]),
    (
        *(
            Row(f"{name}, as recorded", {}, {**_CHAIN[name], **_NO_DROPOUT})
            for name in ("Baseline0", "Final model")
        ),
        *(
            Row(f"{name}, rotated", {}, {**each, **_NO_DROPOUT, **CHOSEN_ROTATION})
            for name, each in _CHAIN.items()
        ),
        *(
            Row(
                f"{name}, rotated, weight decay {weight_decay:g}",
                {},
                {**_CHAIN[name], **_NO_DROPOUT, **CHOSEN_ROTATION}
                | {"training.weight_decay": weight_decay},
            )
            for weight_decay, names in _WEIGHT_DECAY
            for name in names
        ),
    ),
    baseline="Baseline0, rotated",
)

_AUTHOR_HABITS = Table(
    "Author habits",
    "The settings of the first author's public code, beside those of the text",
    (UCLA,),
    tuple(
        Row(f"{name}, {label}", {}, {**_CHAIN[name], **changes})
        for label, changes in (("the text", {}), ("the author's habits", AUTHOR_HABITS))
        for name in ("Baseline0", "Baseline1", "Final model")
    ),
    baseline="Baseline0, the text",
)

# Trained on one camera and tested on the other, without the clips that both have.
UNTWINNED_CAMERAS = (
    Column("N-UCLA, camera 1 to 2, no twins", "nucla", "camera_1_2_untwinned"),
    Column("N-UCLA, camera 2 to 1, no twins", "nucla", "camera_2_1_untwinned"),
)
# The halves of the design; see its module.
_SCREENING = tuple(
    Table(
        name,
        "Settings at two levels each, on a split without view 3 and without twins",
        (column,),
        rows,
        seeds=1,
    )
    for name, column, rows in zip(
        ("Screening", "Screening folded over"),
        UNTWINNED_CAMERAS,
        (screening_rows()[:HALF], screening_rows()[HALF:]),
        strict=True,
    )
)


def _high(*names: str) -> Changes:
    """Return the settings of some factors of the screening at their high levels."""
    high = {factor.name: factor.high for factor in FACTORS}
    return {setting: value for name in names for setting, value in high[name].items()}


SCREENED_FIRST = _high("yaw", "normalisation")
"""What the first half of the screening chooses, by :func:`design.choose`."""
SCREENED = _high("epochs", "normalisation")
"""What both halves choose, by the same rule."""
CANDIDATES: dict[str, Changes] = {
    "as recorded": {},
    "rotated": CHOSEN_ROTATION,
    "as screened at first": SCREENED_FIRST,
    "as screened": SCREENED,
    "as screened, rotated": {**SCREENED, **CHOSEN_ROTATION},
}
"""Preparations among which "Confirmation" decides: those that splits without view 3
chose, and the two that were chosen in different ways together."""
CONFIRMATION = Table(
    "Confirmation",
    "Candidates for the preparation, on the splits of the screening",
    UNTWINNED_CAMERAS,
    tuple(
        Row(
            f"{name}, {label}",
            {},
            {**_CHAIN[name], **_NO_DROPOUT, **changes},
            profiles=("laptop",),
        )
        for name in ("Baseline0", "Baseline1")
        for label, changes in CANDIDATES.items()
    ),
    baseline="Baseline0, as recorded",
    seeds=3,
)
CHOSEN: str | None = None
"""The candidate that "Confirmation" chooses, by :func:`preparation.confirmed`."""
CHOSEN_PREPARATION = CANDIDATES[CHOSEN] if CHOSEN else SCREENED_FIRST
"""The preparation of camera 3; until "Confirmation" has chosen one, that of the first
half, which has been tried there."""
PREPARED: Changes = {"model.dropout": 0.0, **CHOSEN_PREPARATION}
"""The chosen preparation in both profiles: the screening began without dropout."""
UNTWINNED = Column("N-UCLA, untwinned", "nucla", "cross_view_untwinned")
_PREPARED = Table(
    "Chosen preparation",
    "The paper's steps with the chosen preparation",
    (UCLA, UNTWINNED),
    _changed(STEPS.rows, PREPARED),
    baseline=STEPS.baseline,
)
_ALIGNED = Table(
    "Aligned",
    "The transforms of Table V on clips that face the camera",
    (UCLA,),
    _changed(TABLES["V"].rows, {**_NO_DROPOUT, "preprocessing.align": "yaw"}),
    baseline=TABLES["V"].baseline,
)
RHYTHM = Table(
    "Rhythm",
    "Does frequency attention help classes with a characteristic frequency?",
    (UTD,),
    (
        Row("No attention (Baseline2)", {}, BASELINE_2),
        Row("Residual FA (rFA)", {}, BASELINE_3),
    ),
    baseline="No attention (Baseline2)",
    seeds=20,
)
DROPOUT = Table(
    "Dropout",
    "What dropout drops, and where, in the final model with the chosen preparation",
    (HELD_OUT,),
    tuple(
        Row(label, {}, {**SLNL_RFA_ML, **PREPARED, "model.dropout": 0.2, **changes})
        for label, changes in (
            ("Elements, at the end of a block (the text)", {}),
            ("Channels", {"model.dropout_kind": "channel"}),
            ("After pooling", {"model.dropout_at": "pooled"}),
            ("None", _NO_DROPOUT),
        )
    ),
    seeds=1,
)
# A modern recipe around the paper's local blocks, which train fastest, on raw joints:
# each step alone, on splits without view 3; see :mod:`skellib.reproduction.recipe`.
_RAW: Changes = {**BASELINE_0, **PREPARED}
RECIPE_STEPS: dict[str, Changes] = {
    "Label smoothing": {"loss.label_smoothing": 0.1},
    "Averaged weights": {"training.ema_decay": 0.99},
    "Five crops in a test": {"preprocessing.test_crops": 5},
}
"""Steps that are kept if they help, by name; each alone is a row of "Recipe"."""
STREAMS: dict[str, Changes] = {
    "Joints": {},
    "Bones": {"preprocessing.modality": "bone"},
    "Motion": {"preprocessing.modality": "motion"},
}
"""Streams that an ensemble can have."""
RECIPE = Table(
    "Recipe",
    "Steps towards the best number, each alone, on splits without view 3",
    UNTWINNED_CAMERAS,
    tuple(
        Row(label, {}, {**_RAW, **changes})
        for label, changes in (STREAMS | RECIPE_STEPS).items()
    ),
    baseline="Joints",
    seeds=2,
)
CHOSEN_STEPS: tuple[str, ...] | None = None
"""Steps that "Recipe" chooses, by :func:`skellib.reproduction.recipe.choose`."""
_CHOSEN_RECIPE: Changes = {
    name: value
    for step in CHOSEN_STEPS or ()
    for name, value in RECIPE_STEPS[step].items()
}
_BEST = Table(
    "Best",
    "The recipe on camera 3, a stream a row",
    (UCLA, UNTWINNED),
    _changed([RECIPE.row(stream) for stream in STREAMS], _CHOSEN_RECIPE),
    baseline="Joints",
)
UNDECIDED = tuple(
    table
    for table, chosen in ((_PREPARED, CHOSEN), (_BEST, CHOSEN_STEPS))
    if chosen is None
)
"""Tables without runs to do, since another table has not chosen their settings yet."""
# Networks of other papers on the same clips, by cross-entropy and, unless said, by our
# optimiser and schedule; HCN's paper has the same. Dropout is that of the papers: of
# HCN after its later layers, of ST-GCN at the end of each unit (Section 4.1), of the
# others none. A quarter as wide, on few clips, ST-GCN learns little with so much of it,
# as our own network does: hence a row without, to which the parts are added. The
# schedules of ST-GCN and AGCN are for data sets forty times as large.
HCN: Changes = {
    **BASELINE_0,
    "model.network": "hcn",
    "model.width": 1.0,  # the profile laptop needs no narrower one
    "model.dropout": 0.5,
}
ST_GCN: Changes = {**BASELINE_0, "model.network": "st_gcn", "model.dropout": 0.5}
ST_GCN_PLAIN: Changes = {**ST_GCN, **_NO_DROPOUT}
AGCN: Changes = {**BASELINE_0, "model.network": "agcn"}
CTR_GCN: Changes = {**BASELINE_0, "model.network": "ctr_gcn"}
_SGD: Changes = {
    "training.optimizer": "sgd",
    "training.learning_rate": 0.1,
    "training.lr_decay": 1.0,
    "training.weight_decay": 0.0001,
}
# L. Shi et al., CVPR 2019, Section 5.2.
_AGCN_SCHEDULE: Changes = {
    "training.batch_size": 64,
    "training.epochs": 50,
    "training.milestones": (30, 40),
}
# The released settings for N-UCLA of Y. Chen et al., ICCV 2021: an epoch has each clip
# five times, hence five times as many epochs here, and clips are rotated.
_CTR_GCN_SCHEDULE: Changes = {
    "preprocessing.frames": 52,
    **_rotation(60, 60),
    "training.batch_size": 16,
    "training.epochs": 5 * 65,
    "training.milestones": (5 * 50,),
    "training.warm_up": 5 * 5,
}
_GPU = ("quick", "full")
_PEERS = Table(
    "Peers",
    "Other networks in the same harness",
    (UCLA, UNTWINNED, UTD, SBU),
    (
        Row("Baseline0", {}, BASELINE_0),
        Row("SLnL-rFA+ML", {}, SLNL_RFA_ML),
        Row("HCN", {}, HCN, year=2018),
        Row("ST-GCN", {}, ST_GCN, year=2018),
        Row("ST-GCN, no dropout", {}, ST_GCN_PLAIN, year=2018),
        Row("AGCN", {}, AGCN, year=2019, profiles=_GPU),
        Row(
            "AGCN, bones",  # with the row above: 2s-AGCN
            {},
            {**AGCN, "preprocessing.modality": "bone"},
            year=2019,
            profiles=_GPU,
        ),
        Row(
            "AGCN, own schedule",
            {},
            {**AGCN, **_SGD, **_AGCN_SCHEDULE},
            year=2019,
            profiles=_GPU,
        ),
        Row("CTR-GCN", {}, CTR_GCN, year=2021, profiles=_GPU),
        Row(
            "CTR-GCN, own schedule",
            {},
            {**CTR_GCN, **_SGD, **_CTR_GCN_SCHEDULE},
            year=2021,
            profiles=_GPU,
        ),
    ),
    baseline="SLnL-rFA+ML",
)


def _parts(name: str, plain: Changes, profiles: tuple[str, ...]) -> Table:
    """Make a table of the paper's ideas as parts of a peer; for ten seeds."""
    attention = {"model.frequency_attention": "residual"}
    loss = {"loss.gamma": 2.0, "loss.margin": None}
    return Table(
        f"Parts, {name}",
        f"Frequency attention and the soft-margin focal loss as parts of {name}",
        (UCLA, UTD),
        tuple(
            Row(f"{name}{label}", {}, {**plain, **changes}, profiles=profiles)
            for label, changes in (
                ("", {}),
                (" + rFA", attention),
                (" + SMFL", loss),
                (" + rFA + SMFL", attention | loss),
            )
        ),
        baseline=name,
    )


OWN_TABLES: dict[str, Table] = {
    table.number: table
    for table in (
        _OTHER_DATA,
        _OTHER_SPLITS,
        _INITIALISATION,
        _ROTATED_CLIPS,
        _ROTATED_CAMERA_3,
        _NO_DROPOUT_TABLE,
        _AUTHOR_HABITS,
        _OPEN_CHOICES,
        *_SCREENING,
        CONFIRMATION,
        _PREPARED,
        DROPOUT,
        _ALIGNED,
        RHYTHM,
        RECIPE,
        _BEST,
        _PEERS,
        _parts("HCN", HCN, tuple(PROFILES)),
        _parts("ST-GCN", ST_GCN_PLAIN, tuple(PROFILES)),
        _parts("CTR-GCN", CTR_GCN, _GPU),
    )
}
"""This book's own tables, by name; none of their rows has a number of the paper."""

OTHER_DATASETS = tuple(
    dict.fromkeys(
        column.dataset
        for table in OWN_TABLES.values()
        for column in table.columns
        if column.dataset not in PAPER_DATASETS
    )
)
"""Data sets of this book's own tables that the paper does not use."""
