"""Pickles: arrays and plain containers are read, nothing is ever run."""

from __future__ import annotations

import collections
import copyreg
import os
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from skellib.errors import InputError
from skellib.readers.interchange import pickles

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)
each_protocol = pytest.mark.parametrize("protocol", PROTOCOLS)


def assert_same(found, expected) -> None:
    assert type(found) is type(expected)
    if isinstance(expected, np.ndarray | np.generic):
        assert found.dtype == expected.dtype
        assert found.shape == expected.shape
        assert found.tobytes() == expected.tobytes()
    elif isinstance(expected, list | tuple):
        assert len(found) == len(expected)
        for a, b in zip(found, expected):
            assert_same(a, b)
    elif isinstance(expected, dict):
        assert list(found) == list(expected)
        for key in expected:
            assert_same(found[key], expected[key])
    else:
        assert found == expected


arrays = hnp.arrays(
    st.sampled_from(["f2", "f4", "f8", ">f4", "i8", "u1", "?", "c8", "S3", "U2"]),
    hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3),
    elements={"allow_nan": False},
)
plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.frozensets(st.text())
    | arrays
    | arrays.map(np.asfortranarray)
    | arrays.map(lambda a: a.swapaxes(0, -1) if a.ndim > 1 else a)
    | st.sampled_from(
        [np.float32(1.5), np.int64(-3), np.bool_(True), np.str_("é"), np.complex64(1j)]
    ),
    lambda each: (
        st.lists(each)
        | st.lists(each).map(tuple)
        | st.dictionaries(st.text() | st.integers(-(2**59), 2**59), each)
        | st.sets(st.integers(-(2**59), 2**59)).map(lambda s: [s])
    ),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(value=plain, protocol=st.sampled_from(PROTOCOLS))
@example(value=[b"", b"x" * 300, "\ud800", 2**70, -1, True, frozenset()], protocol=0)
def test_what_is_plain_comes_back(value, protocol: int) -> None:
    assert_same(pickles.load(pickle.dumps(value, protocol)), value)


@each_protocol
def test_arrays_of_numpy_1(protocol: int) -> None:
    array = np.arange(6, dtype="f4").reshape(2, 3)
    content = pickle.dumps([array, array[0, 1]], protocol)
    old = content.replace(b"numpy._core.", b"numpy.core.")
    for module in (b"numpy.core.multiarray", b"numpy.core.numeric"):
        size = len(module)  # written before the text from protocol 4 on
        now, then = (b"\x8c" + bytes([n]) + module for n in (size + 1, size))
        old = old.replace(now, then)
    assert_same(pickles.load(old), [array, array[0, 1]])


def python2(array: np.ndarray) -> bytes:
    """Pickle an array as Python 2 and NumPy 1 did under protocol 2."""
    raw = array.tobytes()
    return (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\nq\x01cnumpy\nndarray\nq\x02"
        b"K\x00\x85U\x01bq\x03\x87Rq\x04(K\x01"
        + b"".join(b"K" + bytes([n]) for n in array.shape)
        + (b"\x85" if array.ndim == 1 else b"\x86")
        + b"cnumpy\ndtype\nq\x05U\x02f4q\x06K\x00K\x01\x87Rq\x07(K\x03U\x01<q\x08NNN"
        b"J\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T"
        + struct.pack("<i", len(raw))
        + raw
        + b"tb."
    )


def test_what_python_2_wrote() -> None:
    array = np.array([[1.5, -2], [np.pi, 3e-9]], dtype="<f4")
    assert_same(pickles.load(python2(array)), array)
    # pickle.dump((["S001.skeleton", "caf\xe9"], [3, 4L]), file) with protocol 0, 2
    text = b"((lp0\nS'S001.skeleton'\np1\naS'caf\\xe9'\np2\na(lp3\nI3\naL4L\natp4\n."
    assert pickles.load(text) == (["S001.skeleton", "café"], [3, 4])
    binary = b"\x80\x02]q\x00(U\x0dS001.skeletonU\x04caf\xe9e]q\x01(K\x03K\x04e\x86."
    assert pickles.load(binary) == (["S001.skeleton", "café"], [3, 4])


def test_a_file_is_mapped_not_copied(tmp_path: Path) -> None:
    array = np.arange(10_000, dtype=np.float32)
    path = tmp_path / "set.pkl"
    path.write_bytes(pickle.dumps({"a": array, "b": [array, array]}, 4))
    loaded = pickles.load(path)
    assert_same(loaded["a"], array)
    assert loaded["b"][0] is loaded["a"]
    assert not loaded["a"].flags.writeable
    assert not loaded["a"].flags.owndata


def test_containers_that_hold_themselves() -> None:
    value: list = [1]
    value += [value, {"self": value}]
    loaded = pickles.load(pickle.dumps(value))
    assert loaded[1] is loaded
    assert loaded[2]["self"] is loaded


# What must not happen.

RAN: list[str] = []


def run(word: str = "ran") -> str:
    """Leave a trace if a pickle could call it."""
    RAN.append(word)
    return word


class Reduced:
    """A class whose pickle asks for a call."""

    def __init__(self, *call) -> None:
        self.call = call

    def __reduce__(self):
        return self.call


class Plain:
    """A class of the reader's own program."""

    field = 1


def short(text: str) -> bytes:
    return b"\x8c" + bytes([len(text)]) + text.encode()


def stack_global(module: str, name: str) -> bytes:
    return short(module) + short(name) + b"\x93"


HERE = __name__
SYSTEM = [
    (Reduced(os.system, ("true",)), rf"{os.system.__module__}\.system"),
    (Reduced(eval, ("run()",)), r"(builtins|__builtin__)\.eval"),
    (Reduced(exec, ("run()",)), r"(builtins|__builtin__)\.exec"),
    (Reduced(getattr, ([], "append")), r"(builtins|__builtin__)\.getattr"),
    (Reduced(run, ()), rf"{HERE}\.run"),
    (Plain(), rf"{HERE}\.Plain|copy_?reg\._reconstructor"),
    (Plain, rf"{HERE}\.Plain"),
    (np.load, r"numpy\.load"),
    (np.frompyfunc, r"numpy\.frompyfunc"),
    (np.matrix([[1]]), r"numpy\.\S*matrix"),
    (np.array([{}], dtype=object), "type 'O8'"),
    (np.zeros(2, dtype=[("a", "f4")]), "type 'V4'"),
    (np.zeros(2, dtype="M8[s]"), "type 'M8'"),
    (np.ma.masked_array([1]), r"numpy\.ma"),
    (collections.OrderedDict(a=1), r"collections\.OrderedDict"),
    (collections.deque([1]), r"collections\.deque"),
    (Path("/"), r"pathlib"),
]


@each_protocol
@pytest.mark.parametrize(("value", "words"), SYSTEM, ids=[w for _, w in SYSTEM])
def test_asking_for_more_is_refused_by_name(value, words: str, protocol: int) -> None:
    if protocol < 2 and isinstance(value, Plain):
        words = "copy_?reg"
    content = pickle.dumps(["before", value], protocol)
    with pytest.raises(InputError, match=f"pickle: asks for .*({words}).*; only NumPy"):
        pickles.load(content)
    assert RAN == []


ARRAY = pickle.dumps(np.arange(3.0), 2)[:-1]  # without its end
EMPTY = pickle.dumps(np.zeros(0), 2)[:-1]
RECONSTRUCT = b"cnumpy._core.multiarray\n_reconstruct\n"
SCALAR = b"cnumpy._core.multiarray\nscalar\n"
DTYPE = b"cnumpy\ndtype\n"
NDARRAY = b"cnumpy\nndarray\n"
F8 = DTYPE + b"X\x02\x00\x00\x00f8\x89\x88\x87R"
LESS = b"(K\x03X\x01\x00\x00\x00<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"

HOSTILE = {
    "INST": b"(S'true'\nios\nsystem\n.",
    "INST of ours": f"(i{HERE}\nrun\n.".encode(),
    "OBJ": b"(cos\nsystem\nS'true'\no.",
    "OBJ of an admitted name": b"(" + DTYPE + b"S'f8'\no.",
    "NEWOBJ": b"\x80\x02" + DTYPE + b"S'f8'\n\x85\x81.",
    "NEWOBJ_EX": b"\x80\x04" + stack_global("numpy", "ndarray") + b")}\x92.",
    "EXT1": b"\x80\x02\x82\x01.",
    "EXT2": b"\x80\x02\x83\x01\x00.",
    "EXT4": b"\x80\x02\x84\x01\x00\x00\x00.",
    "PERSID": b"Pname\n.",
    "BINPERSID": b"S'name'\nQ.",
    "NEXT_BUFFER": b"\x80\x05\x97.",
    "READONLY_BUFFER": b"\x80\x05C\x01a\x98.",
    "a later protocol": b"\x80\x06N.",
    "dotted name": b"\x80\x04" + stack_global("numpy", "ndarray.__class__") + b".",
    "dotted method": b"\x80\x04" + stack_global("numpy", "ndarray.tofile") + b".",
    "dotted module": b"\x80\x04" + stack_global("numpy", "f2py.os.system") + b".",
    "submodule": b"\x80\x04" + stack_global("numpy.f2py", "os.system") + b".",
    "name of a number": b"\x80\x04K\x01K\x02\x93.",
    "a function itself": RECONSTRUCT + b".",
    "a list of functions": b"]" + DTYPE + b"a.",
    "a class": NDARRAY + b".",
    "calling the class": NDARRAY + b"(J\xff\xff\xff\x7ftR.",
    "calling text": b"S'print'\n(S'x'\ntR.",
    "calling a list": b"](tR.",
    "arguments that are no tuple": DTYPE + b"]R.",
    "attributes of an array": ARRAY + b"}S'__class__'\nK\x01sb.",
    "slots of an array": ARRAY + b"(N}S'dtype'\nS'O'\nstb.",
    "attributes of a function": RECONSTRUCT + b"}S'__code__'\nK\x01sb.",
    "slots of a function": RECONSTRUCT + b"(N}S'__defaults__'\n(tstb.",
    "attributes of a list": b"]}S'append'\nK\x01sb.",
    "attributes of text": b"S'x'\n}S'y'\nK\x01sb.",
    "a dtype of objects": DTYPE + b"X\x01\x00\x00\x00O\x89\x88\x87R.",
    "a dtype by module": DTYPE + b"X\x09\x00\x00\x00os.system\x89\x88\x87R.",
    "a dtype of a class": DTYPE + NDARRAY + b"\x85R.",
    "a dtype of a list": DTYPE + b"](S'a'\nS'f4'\ntra\x85R.",
    "a dtype with fields": F8
    + b"(K\x03S'<'\nN(S'a'\nt}S'a'\nF1.0\nsJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb.",
    "an unfinished array": RECONSTRUCT + NDARRAY + b"(K\x00tS'b'\n\x87R.",
    "an array of a list": RECONSTRUCT
    + NDARRAY
    + b"(K\x00tS'b'\n\x87R(K\x01K\x01\x85"
    + F8
    + b"\x89]K\x01atb.",
    "a scalar without a dtype": SCALAR + b"N(S'x'\ntR.",
    "a scalar of too few bytes": SCALAR + F8 + LESS + b"S'1234'\n\x86R.",
    "an unknown encoding": b"c_codecs\nencode\nX\x01\x00\x00\x00a"
    b"X\x05\x00\x00\x00rot13\x86R.",
    "encoding a number": b"c_codecs\nencode\nK\x01X\x06\x00\x00\x00latin1\x86R.",
    "setting an item of a list": b"]K\x00K\x01s.",
    "appending to a dictionary": b"}K\x00a.",
    "extending bytes": b"\x80\x05\x96\x01\x00\x00\x00\x00\x00\x00\x00a(K\x01e.",
    "adding to a list": b"\x80\x04](K\x01\x90.",
    "a key that is an array": b"}" + ARRAY[2:] + b"K\x01s.",
    "a key that is a tuple": b"})K\x01s.",
    "a key that is too large": b"}\x8a\x09" + bytes(8) + b"\x01K\x01s.",
    "an odd list of pairs": b"(K\x01d.",
    "no such memo": b"h\x05.",
    "a mark that is not there": b"K\x01t.",
    "an empty stack": b".",
    "a pop of nothing": b"0.",
    "a tuple of nothing": b"\x87.",
    "no step": b"\xff.",
    "no end": b"N",
    "text cut short": b"X\xff\x00\x00\x00abc.",
    "text that is no text": b"X\x02\x00\x00\x00\xff\xff.",
    "a negative length": b"T\xff\xff\xff\xffabc.",
    "an integer that is none": b"Iabc\n.",
    "an endless integer": b"I" + b"1" * 10_000 + b"\n.",
    "a line without an end": b"I" + b"1" * 10_000,
    "text without quotes": b"Sabc\n.",
    "nothing": b"",
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_hostile_steps_are_refused(content: bytes) -> None:
    with pytest.raises(InputError, match=r"^pickle: "):
        pickles.load(content)
    assert RAN == []


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("INST", r"asks for os\.system; only"),
        ("dotted name", r"asks for numpy\.ndarray\.__class__; only"),
        ("submodule", r"asks for numpy\.f2py\.os\.system; only"),
        ("EXT1", "asks for the step EXT1; only"),
        ("BINPERSID", "asks for the step BINPERSID; only"),
        ("attributes of a list", "asks for attributes of list"),
        ("a later protocol", "asks for protocol 6"),
        ("no end", "byte 1: not a pickle, or a damaged or truncated one"),
    ],
)
def test_the_message_says_what_was_asked_for(name: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        pickles.load(HOSTILE[name])


def test_the_hostile_ones_would_run_elsewhere() -> None:
    """Check that Python's own unpickler does leave the traces."""
    pickle.loads(pickle.dumps(Reduced(run, ("loads",))))
    pickle.loads(HOSTILE["INST of ours"])
    assert [RAN.pop(), RAN.pop()] == ["ran", "loads"]


def test_the_registry_of_extensions_is_not_asked() -> None:
    copyreg.add_extension(HERE, "run", 200)
    try:
        with pytest.raises(InputError, match="EXT1"):
            pickles.load(b"\x80\x02\x82\xc8)R.")
    finally:
        copyreg.remove_extension(HERE, "run", 200)
    assert RAN == []


def claim(shape: tuple[int, ...], data: bytes, order: bytes = b"\x89") -> bytes:
    """Pickle an array that claims a shape."""
    sizes = b"".join(b"\x8a\x08" + struct.pack("<q", size) for size in shape)
    return (
        RECONSTRUCT
        + NDARRAY
        + b"(K\x00tS'b'\n\x87R(K\x01("
        + sizes
        + b"t"
        + F8
        + LESS
        + order
        + b"B"
        + struct.pack("<I", len(data))
        + data
        + b"tb."
    )


def test_the_size_of_an_array_is_that_of_its_data() -> None:
    assert pickles.load(claim((2, 3), bytes(48))).shape == (2, 3)
    assert pickles.load(claim((0, 3), b"")).shape == (0, 3)
    for shape in ((2**40,), (2**62, 4), (7,), (5,), (-6,), (-2, -3), (0, 2**62)):
        with pytest.raises(InputError):
            pickles.load(claim(shape, bytes(48)))


def test_bombs_are_refused() -> None:
    with pytest.raises(InputError, match="byte 9"):  # a length of 2**60
        pickles.load(b"\x8e" + struct.pack("<Q", 2**60) + b"abc.")
    with pytest.raises(InputError, match="byte"):
        pickles.load(b"\x80\x04\x95" + struct.pack("<Q", 2**60) + b"h\x01.")
    assert pickles.load(b"Nr" + struct.pack("<I", 2**32 - 1) + b".") is None
    with pytest.raises(InputError, match="nested more than 50 deep"):
        pickles.load(b"]" * 100_000 + b"a" * 99_999 + b".")
    with pytest.raises(InputError, match="nested more than 50 deep"):
        pickles.load(b")" + b"\x85" * 100_000 + b".")
    with pytest.raises(InputError, match="more than 1000 steps"):
        pickles.load(b"]" * 5000 + b".", max_steps=1000)


@pytest.mark.parametrize(
    "again",
    [
        b"c_codecs\nencode\ng1\nX\x06\x00\x00\x00latin1\x86R0",
        SCALAR + b"g2\ng1\n\x86R0",
        b"c__builtin__\nset\ng3\n\x85R0",
    ],
    ids=["encoded", "scalars", "sets"],
)
def test_a_little_data_is_not_copied_again_and_again(again: bytes) -> None:
    text = b"X\x10'\x00\x00" + b"a" * 10_000 + b"p1\n0"
    kind = DTYPE + b"X\x06\x00\x00\x00S10000\x89\x88\x87Rp2\n0"
    items = b"](" + b"K\x01" * 10_000 + b"ep3\n0"
    with pytest.raises(InputError, match="unfolds into far more data"):
        pickles.load(text + kind + items + again * 1000 + b"N.")


def test_sizes_beyond_reason_are_not_multiplied_out() -> None:
    for shape in ((2**60,) * 30, (1,) * 1000):
        with pytest.raises(InputError, match="damaged"):
            pickles.load(claim(shape, bytes(8)))


def test_shared_containers_are_visited_once() -> None:
    content = b"]" + b"q\x00](h\x00h\x00e" * 45 + b"."  # 2**45 paths, 46 lists
    value = pickles.load(content)
    depth = 0
    while value:
        value, depth = value[1], depth + 1
    assert depth == 45


def test_a_bound_on_the_file(tmp_path: Path) -> None:
    path = tmp_path / "set.pkl"
    path.write_bytes(pickle.dumps([1, 2, 3]))
    with pytest.raises(InputError, match=r"set\.pkl: \d+ bytes; 5 at most"):
        pickles.load(path, max_bytes=5)
    with pytest.raises(InputError, match="5 at most"):
        pickles.load(path.read_bytes(), max_bytes=5)
    path.write_bytes(b"")
    with pytest.raises(InputError, match="empty"):
        pickles.load(path)
    with pytest.raises(InputError, match="cannot be read"):
        pickles.load(tmp_path / "none.pkl")
    with pytest.raises(InputError, match="cannot be read"):
        pickles.load(tmp_path)


VALUE = {"a": np.arange(4.0), "b": ["x", (1, 2.5, None)], "c": {3: b"y"}, "d": {"z"}}


@each_protocol
def test_a_pickle_cut_anywhere_is_refused(protocol: int) -> None:
    content = pickle.dumps(VALUE, max(protocol, 4) if protocol == 3 else protocol)
    for size in range(len(content)):
        with pytest.raises(InputError):
            pickles.load(content[:size])


@settings(max_examples=500, deadline=None)
@given(
    protocol=st.sampled_from(PROTOCOLS),
    changes=st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=6)), max_size=5),
)
def test_spoilt_pickles_raise_nothing_else(protocol: int, changes) -> None:
    content = bytearray(pickle.dumps(VALUE, protocol))
    for place, patch in changes:
        at = int(place * len(content))
        content[at : at + len(patch)] = patch
    assert_read_or_refused(bytes(content))


@settings(max_examples=500, deadline=None)
@given(content=st.binary(max_size=60))
def test_noise_raises_nothing_else(content: bytes) -> None:
    assert_read_or_refused(content + b".")


def assert_read_or_refused(content: bytes) -> None:
    problem = ""
    try:
        pickles.load(content)
    except InputError as error:
        problem = str(error)
    assert "\n" not in problem
