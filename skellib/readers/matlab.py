"""Reading of a clip's joints from a MATLAB file, versions 5 to 7.

Only numeric arrays are read. This replaces ``scipy.io.loadmat``, which crashes the
interpreter on some damaged files and decompresses without a size limit.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

import numpy as np

from skellib.errors import InputError
from skellib.readers.sources import SourceFile, check_finite

_HEADER = 128  # bytes before the first element; the last two tell the byte order
_INT8, _INT32, _UINT32, _MATRIX, _COMPRESSED = 1, 5, 6, 14, 15  # types of elements
_COMPLEX = 0x800  # among an array's flags
_CLASSES = (
    *("", "cell", "struct", "object", "char", "sparse", "double", "single"),
    *("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"),
)
_NUMERIC = _CLASSES[6:]
_STORED = {  # NumPy's codes of the types that numbers are stored in
    **{1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4"},
    **{7: "f4", 9: "f8", 12: "i8", 13: "u8"},
}


class _Array(NamedTuple):
    """Array of a file, with its numbers in their stored form."""

    name: bytes
    kind: str
    shape: tuple[int, ...]
    stored: int  # type of the stored numbers
    content: bytes


def read_joints(file: SourceFile, variable: str, joints: int) -> np.ndarray:
    """Read the joints of one clip.

    Args:
        file: a MATLAB file.
        variable: name of a numeric array (joints, 3, frames), or (joints, 3) for one
            frame, as MATLAB drops a trailing axis of size 1.
        joints: required number of joints.

    Returns:
        (T, joints, 3) float64.

    Raises:
        InputError: a damaged file, or the variable is missing or of another kind.
    """
    content = _Content(file)
    found = [each for each in content.arrays() if each.name == variable.encode()]
    if len(found) != 1:
        count = "there twice" if found else "missing"
        raise InputError(f"{file.where}: field {variable!r}: {count}")
    array = found[0]
    shape = array.shape
    fits = len(shape) in (2, 3) and shape[:2] == (joints, 3) and shape[-1] > 0
    if array.kind not in _NUMERIC or not fits:
        raise InputError(
            f"{file.where}: field {variable!r}: {array.kind} {shape}, not numbers "
            f"({joints} joints, 3, frames)"
        )
    frames = shape[2] if len(shape) == 3 else 1
    values = content.numbers(array, joints * 3 * frames)
    clip = values.reshape(frames, 3, joints).transpose(0, 2, 1)  # column-major order
    check_finite(file.where, variable, clip)
    return clip


class _Content:
    """Iterator over the arrays of a file; raises InputError if it is damaged."""

    def __init__(self, file: SourceFile) -> None:
        self.file = file
        self.content = file.read()
        mark = self.content[_HEADER - 2 : _HEADER]
        if mark not in (b"IM", b"MI"):
            raise self.damaged("no header of versions 5 to 7")
        if self.content.startswith(b"MATLAB 7.3"):
            raise InputError(f"{file.where}: of MATLAB 7.3; save it with -v7 instead")
        self.order = "<" if mark == b"IM" else ">"

    def damaged(self, what: str) -> InputError:
        """Return the error for a damaged file."""
        return InputError(
            f"{self.file.where}: not a readable MATLAB file ({what}); fetch it again"
        )

    def arrays(self) -> Iterator[_Array]:
        """Yield every array; of those that are not numeric only kind and shape."""
        bound = self.file.max_bytes
        for kind, content in self.elements(self.content[_HEADER:]):
            if kind == _COMPRESSED:
                content = self.unpack(content, bound)
                bound -= len(content)
                kind, content = next(self.elements(content), (0, b""))
            if kind == _MATRIX and content:
                yield self.array(content)

    def elements(self, content: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield the type and the content of each element."""
        place = 0
        while place + 8 <= len(content):
            kind, length = struct.unpack_from(f"{self.order}II", content, place)
            start = place + 8
            if kind >> 16:  # a small element: its length, its type, and four bytes
                kind, length, start = kind & 0xFFFF, kind >> 16, place + 4
            end = start + length
            if end > len(content):
                raise self.damaged("truncated")
            yield kind, content[start:end]
            # Elements are padded to a multiple of eight bytes, unless compressed.
            place = end if kind == _COMPRESSED else place + -(-(end - place) // 8) * 8

    def array(self, content: bytes) -> _Array:
        """Parse a matrix element."""
        parts = list(islice(self.elements(content), 4))
        if not parts or parts[0][0] != _UINT32 or len(parts[0][1]) != 8:
            raise self.damaged("an array without flags")
        (flags,) = struct.unpack_from(f"{self.order}I", parts[0][1])
        kind = _CLASSES[flags & 0xFF] if flags & 0xFF < len(_CLASSES) else "object"
        if flags & _COMPLEX:
            kind = f"complex {kind}"
        types = [part[0] for part in parts[1:3]]
        if types != [_INT32, _INT8] or len(parts[1][1]) % 4:
            return _Array(b"", kind, (), 0, b"")  # an object, without dimensions
        shape = struct.unpack(f"{self.order}{len(parts[1][1]) // 4}i", parts[1][1])
        stored, numbers = parts[3] if len(parts) == 4 else (0, b"")
        return _Array(parts[2][1], kind, shape, stored, numbers)

    def numbers(self, array: _Array, count: int) -> np.ndarray:
        """Return the numbers of an array, (count,) float64."""
        code = _STORED.get(array.stored)
        if code is None or len(array.content) != count * np.dtype(code).itemsize:
            raise self.damaged("an array that is not as long as it says")
        return np.frombuffer(array.content, self.order + code).astype(np.float64)

    def unpack(self, packed: bytes, bound: int) -> bytes:
        """Decompress an element to at most ``bound`` bytes."""
        unpacker = zlib.decompressobj()
        try:
            content = unpacker.decompress(packed, bound + 1)
        except zlib.error as error:
            raise self.damaged(str(error)) from None
        if len(content) > bound:
            raise InputError(
                f"{self.file.where}: more than {self.file.max_bytes} bytes when "
                "unpacked, the bound for one file; --max-megabytes raises it"
            )
        if not unpacker.eof:
            raise self.damaged("truncated")
        return content
