"""Data cards: what a data set is, where it comes from, and what is in it.

`FACTS` says what no file tells: citation, home page, terms, quirks. A `DataCard` says
what was measured on a packed data set, in counts and ranges; it holds nobody's joints.
The cards of the sets that were measured for this book are in ``data/cards``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from skellib.data.packed import PackedDataset
from skellib.data.protocols import folds, protocols_of, split
from skellib.errors import InputError
from skellib.paths import data_folder
from skellib.readers.duplicates import KINDS, DuplicateReport, Kind, find

BINS = 24  # of the histogram of lengths, at most
STEP, STEPS = 0.05, 60  # of the histogram of distances


@dataclass(frozen=True)
class Facts:
    """What a data set's files do not tell.

    Attributes:
        title: its full name.
        what: one sentence.
        citation: authors, title, venue and year.
        home: addresses to fetch it from; empty for the synthetic set.
        terms: on which it may be used.
        contents: clips, classes, persons and joints, as published.
        protocols: name and "training / test" clips of each.
        quirks: what to know before using it.
        prepare: the command that packs it; empty where nothing need be prepared.
    """

    title: str
    what: str
    citation: str
    home: tuple[str, ...]
    terms: str
    contents: str
    protocols: tuple[tuple[str, str], ...]
    quirks: tuple[str, ...]
    prepare: str


FACTS: dict[str, Facts] = {
    "ntu": Facts(
        title="NTU RGB+D",
        what="Daily, medical and two-person actions before three Kinect v2 cameras.",
        citation="A. Shahroudy, J. Liu, T.-T. Ng, G. Wang, NTU RGB+D: A Large Scale "
        "Dataset for 3D Human Activity Analysis, CVPR 2016",
        home=("https://rose1.ntu.edu.sg/dataset/actionRecognition/",),
        terms="registration and a signed release agreement; academic, non-commercial "
        "use; it may not be passed on",
        contents="56,880 files, of which 302 are listed as broken; 60 classes, 40 "
        "persons, 25 joints",
        protocols=(
            ("cross-subject", "40,091 / 16,487"),
            ("cross-view", "37,646 / 18,932"),
        ),
        quirks=(
            "The counts are those without the 302 clips whose skeletons are listed as "
            "missing or broken; with them 40,320 / 16,560 and 37,920 / 18,960.",
            "The paper speaks of 56,000 clips and of 16,540 test clips; the files are "
            "56,880 and 16,560.",
            "Body ids come and go within a clip, and chairs or tables are sometimes "
            "tracked as bodies: the reader keeps the two plausible bodies of most "
            "motion.",
            "Lines end with CR LF in the original files, with LF in some copies.",
        ),
        prepare="prepare ntu --source path/to/nturgbd_skeletons_s001_to_s017.zip",
    ),
    "kinetics": Facts(
        title="Kinetics-Skeleton",
        what="Video clips of the web, with the skeletons that OpenPose found in them.",
        citation="W. Kay et al., The Kinetics Human Action Video Dataset, 2017; "
        "skeletons: S. Yan, Y. Xiong, D. Lin, Spatial Temporal Graph Convolutional "
        "Networks for Skeleton-Based Action Recognition, AAAI 2018",
        home=("https://github.com/yysijie/st-gcn",),
        terms="see the home pages; the skeletons are linked from the README (7.5 GB)",
        contents="about 260,000 clips, 400 classes, 18 joints in the image plane with "
        "a score",
        protocols=(("train / val", "about 240,000 / 20,000"),),
        quirks=(
            "Of the 19,906 validation clips that the label file lists, 19,796 have a "
            "skeleton.",
            "Coordinates are two, in 0 to 1; the third channel is the estimator's "
            "score. A missing joint has score 0.",
            "A frame holds no person at all or up to seven; the two of highest mean "
            "score are kept.",
        ),
        prepare="prepare kinetics --source path/to/kinetics-skeleton",
    ),
    "sysu": Facts(
        title="SYSU 3D Human-Object Interaction",
        what="Twelve activities with objects such as a phone, a chair or a mop.",
        citation="J.-F. Hu, W.-S. Zheng, J. Lai, J. Zhang, Jointly Learning "
        "Heterogeneous Features for RGB-D Activity Recognition, CVPR 2015",
        home=("https://www.isee-ai.cn/~hujianfang/ProjectJOULE.html",),
        terms="see the home page; cite the paper",
        contents="480 clips, 12 classes, 40 persons, 20 joints",
        protocols=(
            ("cross-subject, 30 folds", "240 / 240"),
            ("same-subject, 30 folds", "240 / 240"),
        ),
        quirks=(
            "We know of no published list of the 30 random halves; ours are drawn from "
            "a seed.",
        ),
        prepare="prepare sysu --source path/to/SYSU3DAction",
    ),
    "nucla": Facts(
        title="Northwestern-UCLA Multiview Action 3D",
        what="Ten everyday actions before three Kinect cameras at once.",
        citation="J. Wang, X. Nie, Y. Xia, Y. Wu, S.-C. Zhu, Cross-view Action "
        "Modeling, Learning and Recognition, CVPR 2014",
        home=(
            "http://users.eecs.northwestern.edu/~jwa368/my_data.html",
            "https://github.com/Uason-Chen/CTR-GCN",
        ),
        terms="none stated that we know of beyond citing the paper; treat as research "
        "only",
        contents="1484 clips in the JSON release that the field uses (papers speak of "
        "1494), 10 classes, 10 persons, 20 joints",
        protocols=(("cross-view", "1020 / 464, of which 369 are clean"),),
        quirks=(
            "95 of the 464 test clips repeat the numbers of a training clip: all of "
            "view 3 of the classes pick up with two hands and drop trash.",
            "16 pairs of clips of subject 1, donning and doffing, share frames, all "
            "among the training views.",
            "Two clips have a single frame; two have one frame with untracked joints, "
            "stored as zeros.",
            "There is no class a07 and no a10.",
        ),
        prepare="prepare nucla --source path/to/all_sqe.zip",
    ),
    "utd_mhad": Facts(
        title="UTD-MHAD, the skeletons",
        what="Gestures, sports and daily movements before one Kinect camera.",
        citation="C. Chen, R. Jafari, N. Kehtarnavaz, UTD-MHAD: A Multimodal Dataset "
        "for Human Action Recognition Utilizing a Depth Camera and a Wearable Inertial "
        "Sensor, ICIP 2015",
        home=("https://personal.utdallas.edu/~kehtar/UTD-MHAD.html",),
        terms="free for research; cite the paper",
        contents="861 clips, 27 classes, 8 persons, 20 joints",
        protocols=(("cross-subject, odd persons train", "431 / 430"),),
        quirks=(
            "Three of the 864 combinations were never published: a8_s1_t4, a23_s6_t4, "
            "a27_s8_t4.",
            "The joints are those of N-UCLA with the trunk counted from the top down.",
            "Nine pairs of clips share three to six frames, seven of them a clip of "
            "sit to stand and one of stand to sit. The two clips are always of one "
            "person, so on one side of the split.",
        ),
        prepare="prepare utd_mhad --source path/to/Skeleton",
    ),
    "sbu": Facts(
        title="SBU Kinect Interaction",
        what="Eight interactions of two persons.",
        citation="K. Yun, J. Honorio, D. Chattopadhyay, T. L. Berg, D. Samaras, "
        "Two-person Interaction Detection Using Body-Pose Features and Multiple "
        "Instance Learning, CVPR Workshops 2012",
        home=("https://www3.cs.stonybrook.edu/~kyun/research/kinect_interaction/",),
        terms="research use; cite the paper",
        contents="282 clips, 8 classes, 21 ordered pairs of 7 persons, 2 x 15 joints",
        protocols=(("five folds by pairs of persons", "about 226 / 56"),),
        quirks=(
            "x and y are normalised to about 0 to 1, with y down; z is about 0.8 to "
            "2.5. The authors give the world values as X = 1280 - 2560 x, "
            "Y = 960 - 1920 y, Z = 10000 z / 7.8125.",
            "Fifteen frames a second, half of the other sets' rate.",
        ),
        prepare="prepare sbu --source path/to/clips",
    ),
    "synthetic": Facts(
        title="Synthetic",
        what="A puppet of rigid segments, filmed by three cameras; made for this book.",
        citation="none: it comes with this book",
        home=(),
        terms="those of this book's repository",
        contents="576 clips, 12 classes, 8 builds of the body, 20 or 25 joints",
        protocols=(("cross-view", "384 / 192"), ("cross-subject", "288 / 288")),
        quirks=(
            "Ten of the twelve classes are five pairs that differ in one thing only.",
            "It is easier than any real data set: it shows what a component does, not "
            "how well it does in the world.",
        ),
        prepare="",
    ),
}
"""What a reader needs to know of each data set before touching a file."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ClassCount(_Model):
    """A class: its clips, and their median length in frames (none without clips)."""

    name: str
    clips: int = Field(ge=0)
    median_frames: float | None


class Lengths(_Model):
    """Frames of a clip; ``counts`` of clips between successive ``edges``."""

    min: int
    median: float
    mean: float
    max: int
    edges: list[int]
    counts: list[int]


class Axis(_Model):
    """The range and the mean of one channel over all tracked joints."""

    min: float
    mean: float
    max: float


class Protocol(_Model):
    """A protocol: clips on either side (of the first fold), and how many are tainted.

    ``tainted`` counts, by kind of twin, the test clips that have one in training; of
    several folds, the fold with the most. ``tainted_classes`` counts those of any kind
    by class, in the first fold.
    """

    name: str
    folds: int
    train: int
    test: int
    tainted: dict[str, int]
    tainted_classes: dict[str, int]


class DataCard(_Model):
    """What is in a packed data set.

    Attributes:
        key, source, fingerprint, layout, channels, dtype: of the packed set.
        clips, frames: how many.
        subjects, views: (number, clips) of each.
        classes: in the order of their labels.
        lengths: of the clips.
        bodies: in how many frames 0, 1, ... bodies are present.
        missing: for each joint, the share of present bodies in which it is missing.
        missing_frames, missing_clips: in how many a present body lacks a joint.
        extent: of each channel.
        duplicates: pairs of clips of each kind (`skellib.readers.duplicates`).
        typical: typical distance to the most similar clip; none where not compared.
        nearest: clips by that distance, in steps of `STEP` of the typical one from 0;
            the last step holds all that are beyond; empty where not compared.
        protocols: of the data set.
    """

    key: str
    source: str
    fingerprint: str
    layout: str
    channels: int
    dtype: str
    clips: int
    frames: int
    subjects: list[tuple[int, int]]
    views: list[tuple[int, int]]
    classes: list[ClassCount]
    lengths: Lengths
    bodies: list[int]
    missing: list[float]
    missing_frames: int
    missing_clips: int
    extent: list[Axis]
    duplicates: dict[str, int]
    typical: float | None
    nearest: list[int]
    protocols: list[Protocol]


def card(dataset: PackedDataset, compare: bool = True) -> DataCard:
    """Measure a data set; its joints are read once for the counts, a clip at a time.

    Args:
        dataset: the whole set, not a part of it.
        compare: search for similar clips too, which takes time where there are very
            many (`skellib.readers.duplicates`).
    """
    report = find(dataset, compare=compare)
    return DataCard(
        key=dataset.key,
        source=dataset.source,
        fingerprint=dataset.fingerprint,
        layout=dataset.layout.name,
        channels=dataset.channels,
        dtype=str(dataset.joints.dtype),
        clips=len(dataset),
        frames=int(dataset.lengths.sum()),
        subjects=_counts(dataset.subject),
        views=_counts(dataset.view),
        classes=_classes(dataset),
        lengths=_lengths(dataset.lengths),
        **_joints(dataset),
        duplicates={kind: report.count(kind, across=False) for kind in KINDS},
        typical=report.typical and round(report.typical, 4),
        nearest=_nearest(report.nearest),
        protocols=[
            _protocol(dataset, protocol, report) for protocol in _protocols(dataset)
        ],
    )


def card_path(name: str) -> Path:
    """Where the card of a data set is kept: ``data/cards/NAME.json``."""
    return data_folder("cards") / f"{name}.json"


def read(name: str) -> DataCard | None:
    """The card of a data set, or None if it was not measured.

    Raises:
        InputError: the file is not a card.
    """
    path = card_path(name)
    if not path.is_file():
        return None
    try:
        return DataCard.model_validate_json(path.read_text(encoding="utf-8"))
    except (ValidationError, UnicodeDecodeError):
        raise InputError(
            f"{path}: not a data card; make it again with `python -m skellib card "
            f"{name} --out {path.name}`"
        ) from None


def _counts(values: np.ndarray) -> list[tuple[int, int]]:
    numbers, counts = np.unique(values, return_counts=True)
    return list(zip(numbers.tolist(), counts.tolist(), strict=True))


def _classes(dataset: PackedDataset) -> list[ClassCount]:
    found = []
    for label, name in enumerate(dataset.classes):
        frames = dataset.lengths[dataset.label == label]
        median = float(np.median(frames)) if len(frames) else None
        found.append(ClassCount(name=name, clips=len(frames), median_frames=median))
    return found


def _lengths(lengths: np.ndarray) -> Lengths:
    low, high = int(lengths.min()), int(lengths.max())
    width = -(-(high - low + 1) // BINS)  # whole frames
    edges = np.arange(low, high + width + 1, width)
    return Lengths(
        min=low,
        median=float(np.median(lengths)),
        mean=round(float(lengths.mean()), 2),
        max=high,
        edges=edges.tolist(),
        counts=np.histogram(lengths, edges)[0].tolist(),
    )


def _nearest(distances: list[float]) -> list[int]:
    steps = np.minimum(np.divide(distances, STEP).astype(int), STEPS - 1)
    return np.bincount(steps, minlength=STEPS).tolist() if distances else []


def _joints(dataset: PackedDataset) -> dict[str, Any]:
    """What the joints themselves tell: bodies, missing joints, extent."""
    channels = dataset.channels
    bodies = np.zeros(dataset.bodies + 1, dtype=np.int64)
    missing = np.zeros(dataset.layout.size, dtype=np.int64)
    frames = clips = tracked_joints = 0
    low, high = np.full(channels, np.inf), np.full(channels, -np.inf)
    total = np.zeros(channels)
    for i in range(len(dataset)):
        clip = dataset.clip(i)
        tracked = (clip != 0).any(-1)  # (T, M, N)
        present = tracked.any(-1)
        bodies += np.bincount(present.sum(1), minlength=len(bodies))
        lost = ~tracked & present[..., None]
        missing += lost.sum((0, 1))
        incomplete = int(lost.any((1, 2)).sum())
        frames, clips = frames + incomplete, clips + bool(incomplete)
        values = clip[tracked].astype(np.float64)
        if len(values):
            low, high = (
                np.minimum(low, values.min(0)),
                np.maximum(high, values.max(0)),
            )
            total, tracked_joints = total + values.sum(0), tracked_joints + len(values)
    seen = max(int(bodies @ np.arange(len(bodies))), 1)
    mean = total / max(tracked_joints, 1)
    return {
        "bodies": bodies.tolist(),
        "missing": [round(share, 8) for share in (missing / seen).tolist()],
        "missing_frames": frames,
        "missing_clips": clips,
        "extent": [
            Axis(**{k: round(float(v[c]), 3) for k, v in ends.items()})
            for ends in [{"min": low, "mean": mean, "max": high}]
            for c in range(channels if tracked_joints else 0)
        ],
    }


def _protocols(dataset: PackedDataset) -> tuple[str, ...]:
    """The data set's protocols, if there are any."""
    try:
        return protocols_of(dataset)
    except InputError:
        return ()


def _protocol(
    dataset: PackedDataset, protocol: str, report: DuplicateReport
) -> Protocol:
    found = [
        {kind: _tainted(dataset, report, kind, protocol, fold) for kind in KINDS}
        for fold in range(folds(protocol, dataset.key))
    ]
    most = {kind: max(len(fold[kind]) for fold in found) for kind in KINDS}
    labels = dataset.label[sorted(set().union(*found[0].values()))]
    train, test = split(dataset, protocol)
    return Protocol(
        name=protocol,
        folds=len(found),
        train=len(train),
        test=len(test),
        tainted={kind: number for kind, number in most.items() if number},
        tainted_classes={
            dataset.classes[label]: number for label, number in _counts(labels)
        },
    )


def _tainted(
    dataset: PackedDataset,
    report: DuplicateReport,
    kind: Kind,
    protocol: str,
    fold: int,
) -> set[int]:
    """Test clips of a fold with a twin of this kind in training."""
    train, test = (set(side.tolist()) for side in split(dataset, protocol, fold))
    return {
        one
        for pair in report.pairs
        if pair.kind == kind
        for one, other in (pair.index, pair.index[::-1])
        if one in test and other in train
    }
