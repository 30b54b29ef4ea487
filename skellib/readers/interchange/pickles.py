"""Safe loading of pickles with plain data and NumPy arrays.

A pickle is a program for a small stack machine. Python's own machine imports and calls
whatever the program names. This one only has the opcodes that build numbers, strings,
bytes, lists, tuples, sets and dictionaries, and stand-ins for the few functions that
NumPy's pickles call. Everything else is rejected, by name, before it could run.

It reads protocols 0 to 5, arrays of NumPy 1 and 2, and pickles of Python 2, whose byte
strings become Latin-1 strings.
"""

from __future__ import annotations

import codecs
import math
import mmap
import pickletools
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np

from skellib.errors import InputError

MAX_BYTES = 8 * 2**30
"""Size limit of a file in bytes; PYSKL's file of NTU RGB+D 120 has about 3 GB."""

MAX_STEPS = 25_000_000
"""Limit of executed opcodes, which bounds the number of objects; three times the need
of PYSKL's largest file."""

MAX_DEPTH = 50
"""Limit of the nesting of containers."""


def load(
    source: str | Path | bytes,
    *,
    max_bytes: int = MAX_BYTES,
    max_steps: int = MAX_STEPS,
) -> Any:
    """Load a pickle of plain containers, numbers, strings, bytes and NumPy arrays.

    A file is memory-mapped. Its arrays are read-only views of the mapping if the
    protocol permits, so that a large file needs little memory until its data are used.

    Args:
        source: path of a file, or the content of one.
        max_bytes: size limit of the file.
        max_steps: limit of executed opcodes.

    Returns:
        The unpickled object.

    Raises:
        InputError: the pickle requests anything else (the message names it; arrays of
            Python objects are rejected too), is damaged or truncated, or exceeds a
            limit. Nothing that it names is imported, called or changed.
    """
    if isinstance(source, bytes):
        where, content = "pickle", memoryview(source)
    else:
        where, content = str(source), _mapped(Path(source), max_bytes)
    if len(content) > max_bytes:
        raise InputError(f"{where}: {len(content)} bytes; {max_bytes} at most are read")
    machine = _Machine(content, max_steps)
    try:
        return _finished(machine.run(), {}, 0)
    except _Refusal as refusal:
        raise InputError(f"{where}: {refusal}") from None
    except MemoryError:
        raise InputError(f"{where}: does not fit into memory") from None
    except (LookupError, ValueError, TypeError, OverflowError, struct.error):
        raise InputError(
            f"{where}: byte {machine.at}: not a pickle, or a damaged or truncated one; "
            "fetch it again"
        ) from None


_Order = Literal["C", "F"]


class _Refusal(Exception):
    """The pickle requests an unsupported operation or exceeds a limit."""


def _asks_for(what: str) -> _Refusal:
    """Return the error for a pickle that requests something unsupported."""
    return _Refusal(f"asks for {what}; only NumPy arrays and plain containers are read")


def _mapped(path: Path, max_bytes: int) -> memoryview:
    """Memory-map a file, read-only."""
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            if size == 0:
                raise InputError(f"{path}: an empty file; fetch it again")
            if size > max_bytes:
                raise InputError(f"{path}: {size} bytes; {max_bytes} at most are read")
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None


class _StandIn:
    """Stand-in for a function or type that NumPy's pickles name."""

    __slots__ = ("call",)

    def __init__(self, call: Callable[..., Any] | None) -> None:
        self.call = call


class _Dtype:
    """NumPy dtype under construction: numbers, or strings of a fixed size."""

    __slots__ = ("value",)

    def __init__(self, code: Any, *_: Any) -> None:
        code = _text(code)
        if not re.fullmatch(r"[biufcSU]\d{1,9}", code):
            raise _asks_for(f"arrays of type {code[:20]!r}")
        self.value = np.dtype(code)

    def build(self, state: Any) -> None:
        """Apply the state: byte order; no subarray, names or fields."""
        order = _text(state[1])
        if order not in ("<", ">", "|", "=") or state[2:5] != (None, None, None):
            raise _asks_for("arrays of records")
        self.value = self.value.newbyteorder(order)


class _Array:
    """NumPy array under construction."""

    __slots__ = ("value",)

    def __init__(self, *_: Any) -> None:
        self.value: np.ndarray | None = None

    def build(self, state: Any) -> None:
        """Apply the state: shape, dtype, order and data."""
        shape, dtype, fortran_order, data = state[-4:]
        self.value = _array(data, dtype, shape, "F" if fortran_order else "C")


def _array(data: Any, dtype: Any, shape: Any, order: _Order = "C") -> np.ndarray:
    """Build an array from its description, if its size matches its data."""
    if isinstance(data, list):
        raise _asks_for("an array of Python objects")
    content = data.encode("latin1") if isinstance(data, str) else memoryview(data)
    if not isinstance(dtype, _Dtype) or not isinstance(shape, tuple):
        raise TypeError
    if len(shape) > 32 or any(type(n) is not int or not 0 <= n < 2**48 for n in shape):
        raise TypeError
    kind = dtype.value
    if math.prod(shape) * kind.itemsize != len(content) or not kind.itemsize:
        raise ValueError
    if not len(content):
        return np.zeros(shape, kind)
    return np.ndarray(shape, kind, content, order=order)


def _from_buffer(
    data: Any, dtype: Any, shape: Any, order: str, axes: tuple[int, ...] | None = None
) -> _Array:
    """Stand in for ``numpy._core.numeric._frombuffer``, used by protocol 5."""
    array = _Array()
    if order == "K" and axes is not None:
        array.value = _array(data, dtype, shape).transpose(axes)
    else:
        array.value = _array(data, dtype, shape, "F" if order == "F" else "C")
    return array


def _scalar(dtype: Any, data: Any) -> Any:
    """Stand in for ``numpy._core.multiarray.scalar``."""
    return _array(data, dtype, ())[()]


def _encoded(text: Any, encoding: Any) -> memoryview:
    """Stand in for ``_codecs.encode``, by which protocols below 3 represent bytes."""
    if encoding not in ("latin1", "latin-1"):
        raise _asks_for("an encoding other than Latin-1")
    return memoryview(_text(text).encode("latin1"))


def _no_bytes() -> memoryview:
    return memoryview(b"")


def _set(members: Any = ()) -> set[Any]:
    return {_key(member) for member in members}


_ALLOWED: dict[tuple[str, str], _StandIn] = {
    ("numpy", "ndarray"): _StandIn(None),
    ("numpy", "dtype"): _StandIn(_Dtype),
    ("_codecs", "encode"): _StandIn(_encoded),
}
for _module in ("builtins", "__builtin__"):
    _ALLOWED[_module, "bytes"] = _StandIn(_no_bytes)
    _ALLOWED[_module, "set"] = _StandIn(_set)
    _ALLOWED[_module, "frozenset"] = _StandIn(
        lambda members=(): frozenset(_set(members))
    )
for _module in ("numpy.core", "numpy._core"):
    _ALLOWED[f"{_module}.multiarray", "_reconstruct"] = _StandIn(_Array)
    _ALLOWED[f"{_module}.multiarray", "scalar"] = _StandIn(_scalar)
    _ALLOWED[f"{_module}.numeric", "_frombuffer"] = _StandIn(_from_buffer)


class _Machine:
    """Stack machine of the pickle format, without the opcodes that run code."""

    def __init__(self, content: memoryview, max_steps: int) -> None:
        self.content = content
        self.at = 0
        self.max_steps = max_steps
        self.stack: list[Any] = []
        self.marked: list[list[Any]] = []  # the stack below each mark
        self.memo: dict[int, Any] = {}
        # Each byte of data is in the file and is passed to at most two calls, so a
        # legitimate pickle does not copy more.
        self.copies_left = 2 * len(content) + 1000

    def run(self) -> Any:
        """Run the program and return the top of the stack."""
        for _ in range(self.max_steps):
            code = self.content[self.at]
            self.at += 1
            if code == _STOP:
                return self.stack[-1]
            step = _STEPS.get(code)
            if step is None:
                raise self.unknown(code)
            step(self)
        raise _Refusal(f"more than {self.max_steps} steps; too large to be read")

    def unknown(self, code: int) -> Exception:
        """Return the error for an invalid opcode, or for one that runs code."""
        name = _OPCODES.get(code)
        if name is None:
            return ValueError()
        if name == "INST":
            return _asks_for(f"{_short(self.line())}.{_short(self.line())}")
        return _asks_for(f"the step {name}")

    def take(self, size: int) -> memoryview:
        """Consume the next bytes of the program."""
        if not 0 <= size <= len(self.content) - self.at:
            raise ValueError
        self.at += size
        return self.content[self.at - size : self.at]

    def number(self, code: str) -> Any:
        """Consume a number of a ``struct`` format."""
        return struct.unpack(code, self.take(struct.calcsize(code)))[0]

    def line(self) -> str:
        """Consume the next line, as Latin-1."""
        window = 256
        while True:
            found = bytes(self.content[self.at : self.at + window])
            end = found.find(b"\n")
            if end >= 0:
                self.at += end + 1
                return found[:end].decode("latin1")
            if len(found) < window:
                raise ValueError
            window *= 4

    def since_mark(self) -> list[Any]:
        """Pop everything pushed since the last mark."""
        items, self.stack = self.stack, self.marked.pop()
        return items

    def top(self, kind: type) -> Any:
        """Return the top of the stack, which must be of this type."""
        if type(self.stack[-1]) is not kind:
            raise TypeError
        return self.stack[-1]

    def push_name(self, module: str, name: str) -> None:
        """Push the stand-in of an allowed name."""
        if (module, name) not in _ALLOWED:
            raise _asks_for(f"{_short(module)}.{_short(name)}")
        self.stack.append(_ALLOWED[module, name])

    def reduce(self) -> None:
        """Call the stand-in below the top of the stack with the tuple on top."""
        arguments = self.stack.pop()
        named = self.top(_StandIn)
        if named.call is None or type(arguments) is not tuple:
            raise TypeError
        for argument in arguments:
            self.charge(argument)
        self.stack[-1] = named.call(*arguments)

    def build(self) -> None:
        """Apply the state on top of the stack to the array or dtype below it."""
        state = self.stack.pop()
        target = self.stack[-1]
        if not isinstance(target, _Array | _Dtype) or type(state) is not tuple:
            raise _asks_for(f"attributes of {type(target).__name__.strip('_').lower()}")
        if isinstance(target, _Array) and type(state[-1]) is str:
            self.charge(state[-1])
        target.build(state)

    def charge(self, data: Any) -> None:
        """Charge ``len(data)`` to the copy budget."""
        if isinstance(data, str | memoryview | list | tuple | set | frozenset):
            self.copies_left -= len(data)
            if self.copies_left < 0:
                raise _Refusal("unfolds into far more data than it has")

    def set_items(self, pairs: list[Any]) -> None:
        """Insert keys and values into the dictionary on top of the stack."""
        target = self.top(dict)
        for key, value in zip(pairs[::2], pairs[1::2], strict=True):
            target[_key(key)] = value


def _key(value: Any) -> Any:
    """Check a key or set member; only types whose hashes cannot be made to collide."""
    if type(value) in (str, bool, type(None)):
        return value
    if type(value) is int and abs(value) < 2**60:
        return value
    raise _asks_for("keys other than text and whole numbers")


def _text(value: Any) -> str:
    """Return a string, which Python 2 may have written as bytes."""
    if type(value) is memoryview:
        return str(value, "latin1")
    if type(value) is not str:
        raise TypeError
    return value


def _short(text: str) -> str:
    """Escape and shorten a string of the pickle for a one-line message."""
    return ascii(text)[1:-1][:60]


def _finished(value: Any, seen: dict[int, tuple[Any, Any]], depth: int) -> Any:
    """Replace arrays and bytes under construction by the final objects.

    ``seen`` maps the ids of finished objects to their results, and keeps them alive.
    """
    if value is None or isinstance(value, str | int | float | set | frozenset):
        return value
    if isinstance(value, np.generic):
        return value
    if id(value) in seen:
        return seen[id(value)][1]
    if depth > MAX_DEPTH:
        raise _Refusal(f"nested more than {MAX_DEPTH} deep")
    result: Any
    if isinstance(value, memoryview):
        result = bytes(value)
    elif isinstance(value, _Dtype | _Array):
        result = value.value
        if result is None:
            raise TypeError
    elif isinstance(value, list):
        seen[id(value)] = value, value
        value[:] = [_finished(item, seen, depth + 1) for item in value]
        result = value
    elif isinstance(value, dict):
        seen[id(value)] = value, value
        for key in value:
            value[key] = _finished(value[key], seen, depth + 1)
        result = value
    elif isinstance(value, tuple):
        result = tuple(_finished(item, seen, depth + 1) for item in value)
    else:
        raise _asks_for("a function of NumPy's itself")
    seen[id(value)] = value, result
    return result


# Opcodes; names and semantics are those of the module pickletools.

_Step = Callable[[_Machine], Any]
_STOP = ord(".")


def _constant(make: Callable[[], Any]) -> _Step:
    return lambda m: m.stack.append(make())


def _fixed(code: str) -> _Step:
    return lambda m: m.stack.append(m.number(code))


def _sized(code: str, convert: Callable[[memoryview], Any]) -> _Step:
    return lambda m: m.stack.append(convert(m.take(m.number(code))))


def _lined(convert: Callable[[str], Any]) -> _Step:
    return lambda m: m.stack.append(convert(m.line()))


def _last(count: int) -> _Step:
    """Return the opcode that replaces the last values by their tuple."""

    def step(m: _Machine) -> None:
        if len(m.stack) < count:
            raise IndexError
        m.stack[-count:] = [tuple(m.stack[-count:])]

    return step


def _utf8(content: memoryview) -> str:
    return str(content, "utf-8", "surrogatepass")


def _latin1(content: memoryview) -> str:
    return str(content, "latin1")


def _long(content: memoryview) -> int:
    return int.from_bytes(content, "little", signed=True)


def _quoted(line: str) -> str:
    if len(line) < 2 or line[0] not in "'\"" or line[-1] != line[0]:
        raise ValueError
    escaped, _ = codecs.escape_decode(line[1:-1].encode("latin1"))
    return escaped.decode("latin1")


def _integer(line: str) -> int:
    return line == "01" if line in ("00", "01") else int(line)  # protocol 0's bool


def _get(code: str | None) -> _Step:
    return lambda m: m.stack.append(m.memo[m.number(code) if code else int(m.line())])


def _put(code: str | None) -> _Step:
    def step(m: _Machine) -> None:
        m.memo[m.number(code) if code else int(m.line())] = m.stack[-1]

    return step


def _protocol(m: _Machine) -> None:
    version = m.number("<B")
    if version > 5:
        raise _asks_for(f"protocol {version}")


def _mark(m: _Machine) -> None:
    m.marked.append(m.stack)
    m.stack = []


def _append(m: _Machine) -> None:
    item = m.stack.pop()
    m.top(list).append(item)


def _appends(m: _Machine) -> None:
    items = m.since_mark()
    m.top(list).extend(items)


def _add_items(m: _Machine) -> None:
    items = m.since_mark()
    m.top(set).update(map(_key, items))


def _set_item(m: _Machine) -> None:
    value, key = m.stack.pop(), m.stack.pop()
    m.set_items([key, value])


def _set_items(m: _Machine) -> None:
    pairs = m.since_mark()
    m.set_items(pairs)


def _dict(m: _Machine) -> None:
    pairs = m.since_mark()
    m.stack.append({})
    m.set_items(pairs)


def _collect(convert: Callable[[list[Any]], Any]) -> _Step:
    def step(m: _Machine) -> None:
        items = m.since_mark()
        m.stack.append(convert(items))

    return step


def _stack_global(m: _Machine) -> None:
    name, module = m.stack.pop(), m.stack.pop()
    if type(name) is not str or type(module) is not str:
        raise TypeError
    m.push_name(module, name)


_NAMED_STEPS: dict[str, _Step] = {
    "PROTO": _protocol,
    "FRAME": lambda m: m.take(8),
    "MARK": _mark,
    "POP": lambda m: m.stack.pop() if m.stack else m.since_mark(),
    "POP_MARK": lambda m: m.since_mark(),
    "DUP": lambda m: m.stack.append(m.stack[-1]),
    "NONE": _constant(lambda: None),
    "NEWTRUE": _constant(lambda: True),
    "NEWFALSE": _constant(lambda: False),
    "INT": _lined(_integer),
    "LONG": _lined(lambda line: int(line.rstrip("L"))),
    "FLOAT": _lined(float),
    "STRING": _lined(_quoted),
    "UNICODE": _lined(lambda line: line.encode("latin1").decode("raw-unicode-escape")),
    "BININT": _fixed("<i"),
    "BININT1": _fixed("<B"),
    "BININT2": _fixed("<H"),
    "BINFLOAT": _fixed(">d"),
    "LONG1": _sized("<B", _long),
    "LONG4": _sized("<i", _long),
    "BINSTRING": _sized("<i", _latin1),
    "SHORT_BINSTRING": _sized("<B", _latin1),
    "BINUNICODE": _sized("<I", _utf8),
    "SHORT_BINUNICODE": _sized("<B", _utf8),
    "BINUNICODE8": _sized("<Q", _utf8),
    "BINBYTES": _sized("<I", memoryview),
    "SHORT_BINBYTES": _sized("<B", memoryview),
    "BINBYTES8": _sized("<Q", memoryview),
    "BYTEARRAY8": _sized("<Q", memoryview),
    "EMPTY_LIST": _constant(list),
    "EMPTY_TUPLE": _constant(tuple),
    "EMPTY_DICT": _constant(dict),
    "EMPTY_SET": _constant(set),
    "APPEND": _append,
    "APPENDS": _appends,
    "ADDITEMS": _add_items,
    "SETITEM": _set_item,
    "SETITEMS": _set_items,
    "LIST": _collect(list),
    "TUPLE": _collect(tuple),
    "FROZENSET": _collect(lambda items: frozenset(map(_key, items))),
    "DICT": _dict,
    "TUPLE1": _last(1),
    "TUPLE2": _last(2),
    "TUPLE3": _last(3),
    "GET": _get(None),
    "BINGET": _get("<B"),
    "LONG_BINGET": _get("<I"),
    "PUT": _put(None),
    "BINPUT": _put("<B"),
    "LONG_BINPUT": _put("<I"),
    "MEMOIZE": lambda m: m.memo.__setitem__(len(m.memo), m.stack[-1]),
    "GLOBAL": lambda m: m.push_name(m.line(), m.line()),
    "STACK_GLOBAL": _stack_global,
    "REDUCE": lambda m: m.reduce(),
    "BUILD": lambda m: m.build(),
}
_OPCODES = {ord(opcode.code): opcode.name for opcode in pickletools.opcodes}
_STEPS = {
    code: _NAMED_STEPS[name] for code, name in _OPCODES.items() if name in _NAMED_STEPS
}
