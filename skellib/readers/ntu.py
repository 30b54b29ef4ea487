"""NTU RGB+D: 60 classes, 40 subjects, 3 cameras, up to two persons, Kinect v2.

A. Shahroudy, J. Liu, T.-T. Ng, G. Wang, "NTU RGB+D: A Large Scale Dataset for 3D Human
Activity Analysis", CVPR 2016. Read from the ``.skeleton`` files, one per clip.

A file holds the number of frames; for each frame the number of bodies; for each body a
line of 10 values (the first is its tracking id), the number of joints, and for each
joint a line of 12 values (x, y, z in metres, then image positions, orientation,
tracking state). `read_recording` parses the file, `select_bodies` chooses the actors.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from skellib.data.packed import PackedDataset
from skellib.errors import InputError
from skellib.layouts import LAYOUTS
from skellib.readers import source_format
from skellib.readers.info import DatasetInfo
from skellib.readers.ntu_missing import MISSING
from skellib.readers.source_format import SourceFormat
from skellib.readers.sources import SourceFile

KEY = "ntu"
CLASSES = (
    "drink water",
    "eat meal",
    "brush teeth",
    "brush hair",
    "drop",
    "pick up",
    "throw",
    "sit down",
    "stand up",
    "clap",
    "read",
    "write",
    "tear up paper",
    "put on jacket",
    "take off jacket",
    "put on a shoe",
    "take off a shoe",
    "put on glasses",
    "take off glasses",
    "put on a hat",
    "take off a hat",
    "cheer up",
    "wave a hand",
    "kick something",
    "reach into a pocket",
    "hop",
    "jump up",
    "make a phone call",
    "play with a phone",
    "type on a keyboard",
    "point to something",
    "take a selfie",
    "check the time",
    "rub hands together",
    "nod",
    "shake head",
    "wipe face",
    "salute",
    "put palms together",
    "cross hands in front",
    "sneeze or cough",
    "stagger",
    "fall down",
    "headache",
    "chest pain",
    "back pain",
    "neck pain",
    "nausea or vomiting",
    "fan oneself",
    "punch or slap someone",
    "kick someone",
    "push someone",
    "pat someone's back",
    "point at someone",
    "hug",
    "give something",
    "touch someone's pocket",
    "shake hands",
    "walk towards each other",
    "walk apart",
)
NOISE_FRAMES = 11
"""A track of this many frames or fewer is noise if the clip has a longer one."""
NOISE_SPREAD = 0.8
"""A body wider (x) than this times its height (y) is implausible in that frame."""
NOISE_SHARE = 0.69754
"""A track with this share of implausible frames is noise if the clip has a better."""

_LAYOUT = LAYOUTS["ntu25"]
_JOINTS = _LAYOUT.size
_BODIES = 2
_LARGEST = float(np.finfo(np.float32).max)
_FAST_BYTES = 16 * 2**20  # the fast parser needs about 15 times the file's size


def read(source: str | Path) -> PackedDataset:
    """Read the data set, or the part of it that is there.

    Args:
        source: a folder or zip archive with ``S001C001P001R001A001.skeleton`` and so
            on at any depth (or a folder of such archives).

    Returns:
        Clips in the order of their names, (T, 2, 25, 3), metres in the camera's frame,
        y up; bodies and frames as by `select_bodies`. ``view`` is the camera;
        ``extras["setup"]`` and ``extras["replication"]`` (n,). The 302 clips with
        missing skeletons and those of NTU RGB+D 120 (A061 and up) are skipped.

    Raises:
        InputError: a file that is missing, damaged, or not as published.
    """
    return source_format.read(FORMATS, source)


@dataclass(frozen=True)
class Recording:
    """Contents of a file: B bodies over all frames.

    Attributes:
        frame: (B,) int64, ascending: frame of each body, from 0.
        track: (B,) int64: track of each body; tracking ids are numbered from 0 in order
            of appearance.
        joints: (B, 25, 3) float32, metres.
    """

    frame: np.ndarray
    track: np.ndarray
    joints: np.ndarray


def read_recording(content: bytes, where: str) -> Recording:
    """Parse a ``.skeleton`` file with LF or CR LF line ends.

    The first 3 of a joint's 12 values are converted, each to the float32 nearest to
    ``float(text)``; the others are only counted.

    Args:
        content: bytes of the file.
        where: name of the file for messages.

    Raises:
        InputError: the file is truncated, a count is wrong or absurd, or a value is not
            a finite number. The message names the line.
    """
    recording = _parse_fast(content) if len(content) <= _FAST_BYTES else None
    return recording or _parse_by_line(content, where)


# Fast parser for files as the recorder wrote them. All separators are found at once;
# the counts tell which of them must be spaces and which line ends, so that one
# comparison checks the structure of the whole file. Then all coordinates are converted
# in parallel.

_SPACE, _LF, _CR, _MINUS, _POINT, _ZERO = b" \n\r-.0"
_VALUES = (10, 1, *[12] * _JOINTS)  # on each line of a body
_SIZE = sum(_VALUES)  # of a body, in values
_LINE_ENDS = np.cumsum(_VALUES)  # among the separators of a body, from 1
_POINTS = (_LINE_ENDS[1:-1, None] + np.arange(4)).ravel()  # around each joint's x, y, z
_POWERS = 10.0 ** np.arange(9)

# glibc returns arrays over 128 KiB to the system at once, and the next one is cleared
# again, until a larger array has been freed. Doing so here saves a sixth of the time.
np.empty(_FAST_BYTES, dtype=np.uint8)


def _parse_fast(content: bytes) -> Recording | None:
    """Parse a file without flaws; return None for any other."""
    if not content.endswith(b"\n"):
        content += b"\r\n" if b"\r" in content[:12] else b"\n"
    text = np.frombuffer(content, dtype=np.uint8)
    blank = text <= _SPACE
    is_cr = text == _CR
    returns = np.count_nonzero(is_cr)
    # No empty values: CR LF are the only adjacent separators.
    if np.count_nonzero(blank[1:] & blank[:-1]) != returns or blank[0]:
        return None
    ends = np.flatnonzero(blank ^ is_cr)
    crlf = bool(returns)
    counts = _body_counts(content, ends, crlf)
    if counts is None:
        return None

    # Line ends: that of the file's first line, one per frame, those of the bodies.
    frame = np.repeat(np.arange(len(counts)), counts)
    before = 1 + frame + _SIZE * np.arange(len(frame))
    line_ends = ends[
        np.concatenate(
            [
                [0],
                np.arange(1, 1 + len(counts)) + _SIZE * (np.cumsum(counts) - counts),
                (before[:, None] + _LINE_ENDS).ravel(),
            ]
        )
    ]
    if not (text[line_ends] == _LF).all():
        return None
    if np.count_nonzero(text == _SPACE) != len(ends) - len(line_ends):
        return None
    if crlf and not (returns == len(line_ends) and is_cr[line_ends - 1].all()):
        return None
    starts, stops = ends[before] + 1, ends[before + 1]
    ids = [content[a:b] for a, b in zip(starts.tolist(), stops.tolist(), strict=True)]
    if not all(map(bytes.isdigit, set(ids))):
        return None
    starts, stops = ends[before + 10] + 1, ends[before + 11] - crlf
    twenty_five = (text[starts] == ord("2")) & (text[starts + 1] == ord("5"))
    if not (twenty_five & (stops - starts == 2)).all():
        return None
    ends = ends[before[:, None] + _POINTS].reshape(-1, 4)
    values = _numbers(content, (ends[:, :3] + 1).ravel(), ends[:, 1:].ravel())
    if values is None:
        return None
    return Recording(frame, _tracks(ids), values.reshape(-1, _JOINTS, 3))


def _body_counts(content: bytes, ends: np.ndarray, crlf: bool) -> np.ndarray | None:
    """Return the bodies of each frame, (T,); None if the separators do not match."""
    frames = _count(content[: ends[0] - crlf])
    if frames is None or frames >= len(ends):
        return None
    counts: list[int] = []
    line = 1  # index of the separator that ends the line of the frame
    for _ in range(frames):
        if line >= len(ends):
            return None
        bodies = _count(content[ends[line - 1] + 1 : ends[line] - crlf])
        if bodies is None:
            return None
        counts.append(bodies)
        line += 1 + bodies * _SIZE
    return np.array(counts, dtype=np.int64) if line == len(ends) else None


def _numbers(
    content: bytes, starts: np.ndarray, stops: np.ndarray
) -> np.ndarray | None:
    """Convert the text between each start and stop to float32; None if one is invalid.

    Numbers such as -0.1234567, one digit before and up to 8 after the point, are
    converted in parallel (SIMD within a register). Their digits form an integer that
    float64 represents exactly, as it does the power of ten to divide by, so the
    quotient is rounded as by ``float``. Others, such as 1e-05 or 12.5, go to ``float``.

    At least 8 bytes must follow each stop; the joint's other values do.
    """
    text = np.frombuffer(content, dtype=np.uint8)
    negative = text[starts] == _MINUS
    first = starts + negative
    digits = first + 2  # after the point
    length = stops - digits
    whole = _words(text, first, 2) - np.uint16(_POINT << 8 | _ZERO)
    usual = (whole <= 9) & ((length - 1).view(np.uint64) < 8)

    # The eight bytes from there on; bytes after the stop are shifted out, and zeros in.
    # The lowest byte holds the first digit.
    word = _words(text, digits, 8)
    word ^= np.uint64(0x3030303030303030)
    word <<= np.uint64(64) - np.uint64(8) * length.view(np.uint64)
    above_nine = (word + np.uint64(0x7676767676767676)) | word
    usual &= (above_nine & np.uint64(0x8080808080808080)) == 0
    # Combine neighbours to numbers of 2, then 4, then 8 digits: each product adds ten
    # (hundred, ...) times a number to its neighbour in the next higher position.
    word *= np.uint64(10 << 8 | 1)
    word >>= np.uint64(8)
    word &= np.uint64(0x00FF00FF00FF00FF)
    word *= np.uint64(100 << 16 | 1)
    word >>= np.uint64(16)
    word &= np.uint64(0x0000FFFF0000FFFF)
    word *= np.uint64(10_000 << 32 | 1)
    word >>= np.uint64(32)

    scale = _POWERS.take(length, mode="clip")
    values = (whole * scale + word.view(np.int64)) / scale
    np.negative(values, where=negative, out=values)
    others = np.flatnonzero(~usual)
    between = zip(starts[others].tolist(), stops[others].tolist(), strict=True)
    numbers = [_number(content[start:stop]) for start, stop in between]
    if None in numbers:
        return None
    values[others] = numbers
    return values.astype(np.float32)


def _words(text: np.ndarray, starts: np.ndarray, size: int) -> np.ndarray:
    """Load the little-endian integers of ``size`` bytes at each start."""
    # NumPy gathers unaligned raw bytes faster than numbers.
    shape = (max(len(text) - size + 1, 0),)
    at = np.ndarray(shape, f"V{size}", text, strides=(1,))
    return at[starts].view(f"<u{size}")


# Slow parser for all other files: it reports what is wrong and where.


class _Lines:
    """Line-by-line reader whose errors name the line."""

    def __init__(self, content: bytes, where: str) -> None:
        self._lines = io.BytesIO(content)
        self._where = where
        self._number = 0

    def error(self, problem: str) -> InputError:
        """Return the error for the current line."""
        return InputError(
            f"{self._where}: line {self._number}: {problem}; fetch it again"
        )

    def values(self, wanted: int, what: str) -> list[bytes]:
        """Read the next line, which must have ``wanted`` values."""
        line = self._lines.readline()
        self._number += 1
        if not line:
            raise self.error(f"the file ends where {what} should be")
        values = line.split()
        if len(values) != wanted:
            raise self.error(f"{len(values)} values, not the {wanted} of {what}")
        return values

    def count(self, what: str) -> int:
        """Read the next line, a single count."""
        (value,) = self.values(1, what)
        count = _count(value)
        if count is None:
            raise self.error(f"{_excerpt(value)} is not {what}")
        return count

    def tracking_id(self) -> bytes:
        """Read the next line, a body's, and return its tracking id."""
        tracking_id = self.values(_VALUES[0], "a body")[0]
        if not tracking_id.isdigit():
            raise self.error(f"{_excerpt(tracking_id)} is not a tracking id")
        return tracking_id

    def point(self) -> list[float]:
        """Read the next line, a joint's, and return x, y, z."""
        point = []
        for value in self.values(_VALUES[-1], "a joint")[:3]:
            number = _number(value)
            if number is None:
                raise self.error(f"{_excerpt(value)} is not a finite number")
            point.append(number)
        return point

    def end(self) -> None:
        """Raise if a line that is not blank follows."""
        for line in self._lines:
            self._number += 1
            if line.strip():
                raise self.error("more lines than the counts say")


def _parse_by_line(content: bytes, where: str) -> Recording:
    """Parse any file; raise InputError at the first flaw."""
    lines = _Lines(content, where)
    frame: list[int] = []
    ids: list[bytes] = []
    joints: list[np.ndarray] = []
    for number in range(lines.count("the number of frames")):
        for _ in range(lines.count("the number of bodies")):
            frame.append(number)
            ids.append(lines.tracking_id())
            found = lines.count("the number of joints")
            if found != _JOINTS:
                raise lines.error(f"{found} joints, not {_JOINTS}")
            joints.append(
                np.array([lines.point() for _ in range(_JOINTS)], dtype=np.float32)
            )
    lines.end()
    return Recording(
        np.array(frame, dtype=np.int64),
        _tracks(ids),
        np.array(joints, dtype=np.float32).reshape(-1, _JOINTS, 3),
    )


def _count(text: bytes) -> int | None:
    """Convert a count of up to nine digits; return None for other text."""
    return int(text) if len(text) <= 9 and text.isdigit() else None


def _number(text: bytes) -> float | None:
    """Convert a number that is finite in float32; return None for other text."""
    try:
        number = float(text)
    except ValueError:
        return None
    if b"_" in text or not -_LARGEST <= number <= _LARGEST:
        return None
    return number


def _excerpt(value: bytes) -> str:
    return repr(value[:20].decode("ascii", errors="replace"))


def _tracks(ids: Sequence[bytes]) -> np.ndarray:
    """Number the ids from 0 in order of appearance, (B,) int64."""
    number: dict[bytes, int] = {}
    return np.array([number.setdefault(i, len(number)) for i in ids], dtype=np.int64)


def select_bodies(recording: Recording) -> np.ndarray:
    """Choose the two bodies with the most motion, the main actor first.

    The paper does not describe this step. The rules are those of the preparation
    scripts that SGN and CTR-GCN publish:

    1. A body whose joints are all exactly 0 is absent.
    2. Of several tracks, those of 11 frames or fewer are dropped, then those with at
       least 69.754 % implausible frames: body wider than 0.8 times its height.
    3. A track's motion is the variance of its points over frames and joints, summed
       over x, y, z; over all or over the plausible frames, whichever is smaller.
    4. In order of descending motion, a track is assigned to the first body, or else to
       the second, that is free in all its frames: a person who was lost and found
       again under a new id stays one body. A track that fits neither is dropped.
    5. Frames with neither body are removed.

    Those scripts leave some cases undefined or handle them wrongly. Here, rule 2 never
    drops all tracks; a track keeps its frame numbers (theirs closes gaps); if an id
    occurs twice in a frame, the later body is used.

    Returns:
        (T, 2, 25, 3) float32, zeros where a body is absent; T is 0 without a body.
    """
    there = recording.joints.reshape(-1, _JOINTS * 3).any(axis=1)
    if not there.any():
        return np.zeros((0, _BODIES, _JOINTS, 3), dtype=np.float32)
    joints = recording.joints[there]
    # Empty frames are not counted: a file may claim any number of them.
    frame = np.cumsum(np.diff(recording.frame[there], prepend=-1) > 0) - 1
    clip = np.zeros((frame[-1] + 1, _BODIES, _JOINTS, 3), dtype=np.float32)
    taken = np.zeros((_BODIES, len(clip)), dtype=bool)
    for rows in _by_motion(_split(recording.track[there]), joints):
        for body in range(_BODIES):
            if not taken[body, frame[rows]].any():
                taken[body, frame[rows]] = True
                clip[frame[rows], body] = joints[rows]
                break
    return clip[taken.any(axis=0)]


def _split(track: np.ndarray) -> list[np.ndarray]:
    """Return the row numbers of each track, tracks in order of appearance."""
    order = np.argsort(track, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(track[order])) + 1)


def _by_motion(tracks: list[np.ndarray], joints: np.ndarray) -> list[np.ndarray]:
    """Apply rules 2 and 3: plausible tracks in order of descending motion."""
    if len(tracks) == 1:
        return tracks
    tracks = [rows for rows in tracks if len(rows) > NOISE_FRAMES] or tracks
    x, y = joints[..., 0], joints[..., 1]
    plausible = np.ptp(x, axis=1) <= NOISE_SPREAD * np.ptp(y, axis=1)
    good = [rows for rows in tracks if np.mean(~plausible[rows]) < NOISE_SHARE]

    def motion(rows: np.ndarray) -> float:
        every = _variance(joints[rows])
        if not plausible[rows].any():
            return every
        return min(every, _variance(joints[rows[plausible[rows]]]))

    return sorted(good or tracks, key=motion, reverse=True)


def _variance(joints: np.ndarray) -> float:
    """Return the variance of points (F, N, 3), summed over x, y, z."""
    columns = joints.reshape(-1, 3).T.astype(np.float64, order="C")
    return float(columns.var(axis=1).sum())


def parse(file: SourceFile) -> np.ndarray:
    """Parse a file to (T, 2, 25, 3) float32.

    Raises:
        InputError: a damaged file, or nobody in any frame.
    """
    clip = select_bodies(read_recording(file.read(), file.where))
    if not len(clip):
        raise InputError(f"{file.where}: nobody in any frame")
    return clip


def numbers(name: str) -> tuple[int, ...]:
    """Return setup, camera, performer, replication and class in a clip's name."""
    return tuple(int(name[i + 1 : i + 4]) for i in range(0, len(name), 4))


def skip_reason(name: str) -> str | None:
    """Return why a clip of this name is not part of the data set, or None."""
    setup, camera, performer, replication, code = numbers(name)
    if code > len(CLASSES):
        return "a clip of NTU RGB+D 120, which is prepared as ntu120"
    digits = f"{setup:02d}{camera}{performer:02d}{replication}{code:02d}"
    if int(digits) in MISSING:
        return "one of the 302 clips listed as having missing skeletons"
    return None


FORMATS = (
    SourceFormat(
        key=KEY,
        classes=CLASSES,
        layout=_LAYOUT,
        bodies=_BODIES,
        name=(
            r"S(?P<setup>\d{3})C(?P<view>\d{3})P(?P<subject>\d{3})"
            r"R(?P<replication>\d{3})A(?P<code>\d{3})"
        ),
        ending=".skeleton",
        example="S001C001P001R001A001",
        allowed={
            "code": tuple(range(1, len(CLASSES) + 1)),
            "view": (1, 2, 3),
            "subject": tuple(range(1, 41)),
        },
        parse=parse,
        skip_reason=skip_reason,
    ),
)

INFO = DatasetInfo(
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
)
