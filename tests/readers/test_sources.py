"""Finding files: folders, links, archives and bombs."""

from __future__ import annotations

import os
import pickle
import struct
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path

import pytest

from skellib.errors import InputError
from skellib.readers import sources
from skellib.readers.sources import Found

CLIP = r"(?P<name>c(?P<code>\d+))\.clip"


def found_in(*places: Path, **bounds) -> Found:
    return sources.find(places, [CLIP], **bounds)


def clips(found: Found) -> dict[str, bytes]:
    return {file.groups["name"]: file.read() for file in found.files[0]}


def reasons(found: Found) -> list[str]:
    return [fault.reason for fault in found.faults]


def archive(path: Path, method: int = zipfile.ZIP_DEFLATED, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", method) as file:
        for name, content in members.items():
            file.writestr(f"deep/{name}.clip", content)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "raw" / "deep").mkdir(parents=True)
    (tmp_path / "raw" / "deep" / "c1.clip").write_bytes(b"one")
    return tmp_path / "raw"


def test_folders_archives_and_single_files(folder: Path, tmp_path: Path) -> None:
    archive(folder / "more.ZIP", c2=b"two", c3=b"three")
    single = tmp_path / "c4.clip"
    single.write_bytes(b"four")
    stored = archive(tmp_path / "stored.zip", zipfile.ZIP_STORED, c5=b"five")
    found = found_in(folder, single, stored)
    assert clips(found) == {
        "c1": b"one",
        "c2": b"two",
        "c3": b"three",
        "c4": b"four",
        "c5": b"five",
    }
    assert found.faults == []
    where = {file.groups["name"]: file.where for file in found.files[0]}
    assert where["c1"] == str(folder / "deep" / "c1.clip")
    assert where["c2"] == f"{folder / 'more.ZIP'}:deep/c2.clip"


def test_a_found_file_can_be_sent_to_another_process(folder: Path) -> None:
    archive(folder / "more.zip", c2=b"two")
    for file in found_in(folder).files[0]:
        copy = pickle.loads(pickle.dumps(file))
        assert copy == file
        assert copy.read() == file.read()


def test_a_file_belongs_to_the_first_pattern(folder: Path) -> None:
    found = sources.find([folder], [r"c1\.clip", CLIP])
    assert [len(files) for files in found.files] == [1, 0]


def test_hidden_files_are_passed_over(folder: Path) -> None:
    (folder / ".c2.clip").write_bytes(b"x")
    (folder / "._c3.clip").write_bytes(b"x")
    (folder / ".git").mkdir()
    (folder / ".git" / "c4.clip").write_bytes(b"x")
    with zipfile.ZipFile(folder / "mac.zip", "w") as file:
        file.writestr("__MACOSX/c5.clip", b"x")
        file.writestr("deep/._c6.clip", b"x")
    found = found_in(folder)
    assert list(clips(found)) == ["c1"]
    assert found.faults == []


def test_links(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "other").write_bytes(b"two")
    (tmp_path / "elsewhere" / "c3.clip").write_bytes(b"three")
    (folder / "c2.clip").symlink_to(tmp_path / "elsewhere" / "other")
    (folder / "linked").symlink_to(tmp_path / "elsewhere")
    (folder / "loop").symlink_to(folder)
    (folder / "c4.clip").symlink_to(tmp_path / "nowhere")
    (folder / "c5.clip").symlink_to(folder / "c5.clip")
    found = found_in(folder)
    assert clips(found) == {"c1": b"one", "c2": b"two"}
    assert sorted(Path(fault.where).name for fault in found.faults) == [
        "c4.clip",
        "c5.clip",
        "linked",
        "loop",
    ]
    assert "give that folder as a source" in "".join(reasons(found))
    (tmp_path / "top").symlink_to(folder)  # the source itself may be a link
    assert "c1" in clips(found_in(tmp_path / "top"))


def test_things_named_like_a_file(folder: Path) -> None:
    (folder / "c2.clip").mkdir()
    os.mkfifo(folder / "c3.clip")
    os.mkfifo(folder / "pipe.zip")
    with zipfile.ZipFile(folder / "more.zip", "w") as file:
        file.writestr("c4.clip/", b"")
    found = found_in(folder)
    assert list(clips(found)) == ["c1"]
    assert sorted(reasons(found)) == [
        "a folder, named like a file",
        "a folder, named like a file",
        "not a regular file",
    ]


def test_sources_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    os.mkfifo(tmp_path / "pipe.zip")
    for name, words in (
        ("none", "no such file or folder"),
        ("notes.txt/below", "no such file or folder"),
        ("notes.txt", "neither a folder"),
        ("pipe.zip", "neither a folder"),
        ("x" * 300, "cannot be read"),
        ("a\0b", "no such file or folder"),
    ):
        with pytest.raises(InputError, match=words):
            found_in(tmp_path / name)


def test_names_are_shown_on_one_line(folder: Path) -> None:
    os.mkfifo(os.fsencode(folder) + b"/bad\n\xff c2.clip")
    (folder / "c3.clip\n").write_bytes(b"x")  # ends as no clip does
    folder.joinpath("deep\nest").mkdir()
    (folder / "deep\nest" / "c4.clip").write_bytes(b"")
    found = found_in(folder, max_bytes=10)
    assert [file.groups["name"] for file in found.files[0]] == ["c1", "c4"]
    with pytest.raises(InputError, match=r"deep\\nest/c4.clip: an empty file"):
        found.files[0][1].read()
    assert str(found.faults).isprintable()


def write_member(path: Path, name: str) -> None:
    """Write an archive with one member, whose name may be any."""
    with zipfile.ZipFile(path, "w") as file:
        member = zipfile.ZipInfo()
        member.filename = name
        file.writestr(member, b"two")


def test_paths_in_an_archive_may_be_written_by_another_system(folder: Path) -> None:
    write_member(folder / "more.zip", "x\\c2.clip")
    assert clips(found_in(folder)) == {"c1": b"one", "c2": b"two"}


@pytest.mark.parametrize(
    "name", ["../c2.clip", "/c2.clip", "x/../../c2.clip", "C:/c2.clip", "..\\c2.clip"]
)
def test_names_that_leave_the_archive(folder: Path, name: str) -> None:
    write_member(folder / "more.zip", name)
    found = found_in(folder)
    assert list(clips(found)) == ["c1"]
    assert reasons(found) == ["a name that leaves the archive's folder"]


def spoil(path: Path, at: int, content: bytes) -> None:
    data = bytearray(path.read_bytes())
    data[at : at + len(content)] = content
    path.write_bytes(bytes(data))


def test_a_bomb_is_bounded_whatever_it_claims(tmp_path: Path) -> None:
    bomb = archive(tmp_path / "bomb.zip", c1=bytes(20_000_000))
    assert bomb.stat().st_size < 30_000
    (file,) = found_in(bomb, max_bytes=10_000).files[0]
    assert file.size == 20_000_000
    with pytest.raises(InputError, match=r"bomb\.zip:deep/c1\.clip: more than 10000"):
        file.read()
    # The directory claims 100 bytes: no more comes out, and its checksum is wrong.
    directory = bomb.read_bytes().index(b"PK\1\2")
    spoil(bomb, directory + 24, struct.pack("<I", 100))
    (file,) = found_in(bomb, max_bytes=10_000).files[0]
    assert file.size == 100
    with pytest.raises(InputError, match=r"cannot be read \(Bad CRC-32.*fetch it"):
        file.read()


def test_an_archive_that_changed_since_it_was_listed(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zip", c1=b"one")
    (file,) = found_in(path).files[0]
    assert file.read() == b"one"
    archive(path, c1=b"three", c2=b"two")
    with pytest.raises(InputError, match="changed since it was listed"):
        file.read()
    assert clips(found_in(path)) == {"c1": b"three", "c2": b"two"}


@pytest.mark.parametrize(
    "name", ["C2.clip", "c2.CLIP", "c2.clip.txt", "c2.txt", "c2.clip.gz", "C02.Clip"]
)
def test_names_that_differ_in_case_or_ending_are_listed(
    folder: Path, name: str
) -> None:
    (folder / name).write_bytes(b"two")
    archive(folder / "more.zip", c3=b"three")
    with zipfile.ZipFile(folder / "more.zip", "a") as file:
        file.writestr(f"deep/{name}", b"two")
    (folder / "c2.avi").write_bytes(b"a video beside it")
    found = found_in(folder)
    assert clips(found) == {"c1": b"one", "c3": b"three"}
    assert {fault.where for fault in found.faults} == {
        str(folder / name),
        f"{folder / 'more.zip'}:deep/{name}",
    }
    assert set(reasons(found)) == {
        "its name differs from those sought in case, digits or ending; rename it"
    }


def test_numbers_of_other_lengths_are_listed(tmp_path: Path) -> None:
    for name in ("c001.clip", "c01.clip", "c0001.clip", "c.clip"):
        (tmp_path / name).write_bytes(b"x")
    found = sources.find([tmp_path], [r"(?P<name>c(?P<code>\d{3}))\.clip"])
    assert list(clips(found)) == ["c001"]
    assert [Path(fault.where).name for fault in found.faults] == [
        "c0001.clip",
        "c01.clip",
    ]


def test_members_may_not_overlap(tmp_path: Path) -> None:
    path = archive(tmp_path / "bomb.zip", c1=b"one", c2=b"two")
    second = path.read_bytes().rindex(b"PK\1\2")
    spoil(path, second + 42, struct.pack("<I", 0))  # both point to one content
    found = found_in(path)
    assert found.files == [[]]
    assert "overlap" in reasons(found)[0]


def test_there_is_a_largest_file_and_one_may_raise_it(folder: Path) -> None:
    (folder / "c2.clip").write_bytes(bytes(2000))
    files = {f.groups["name"]: f for f in found_in(folder, max_bytes=1999).files[0]}
    assert files["c1"].read() == b"one"
    with pytest.raises(InputError, match=r"c2\.clip: more than 1999 bytes"):
        files["c2"].read()
    assert len(clips(found_in(folder, max_bytes=2000))["c2"]) == 2000


def test_there_is_a_largest_number_of_files(folder: Path, monkeypatch) -> None:
    archive(folder / "more.zip", c2=b"two", c3=b"three")
    monkeypatch.setattr(sources, "MAX_FILES", 4)
    found_in(folder)
    monkeypatch.setattr(sources, "MAX_FILES", 3)
    with pytest.raises(InputError, match="more than 3 files"):
        found_in(folder)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_spoilt_archive_never_passes(tmp_path: Path, method: int) -> None:
    content = os.urandom(50) + bytes(50)
    path = archive(tmp_path / "good.zip", method, c1=content, c2=b"two")
    good = path.read_bytes()
    for at in range(0, len(good), 3):
        path.write_bytes(good[:at] + bytes([good[at] ^ 0x55]) + good[at + 1 :])
        for file in found_in(path).files[0]:
            with suppress(InputError):
                assert file.read() in (content, b"two")
    for size in range(0, len(good), 7):
        path.write_bytes(good[:size])
        found = found_in(path)
        assert found.files == [[]] and "truncated" in reasons(found)[0]


def test_packings_that_are_not_read(tmp_path: Path) -> None:
    path = archive(tmp_path / "odd.zip", zipfile.ZIP_BZIP2, c1=b"one")
    (file,) = found_in(path).files[0]
    with pytest.raises(InputError, match="packed by an unusual method; unpack"):
        file.read()
    path = archive(tmp_path / "secret.zip", c1=b"one")
    spoil(path, path.read_bytes().index(b"PK\1\2") + 8, b"\1")
    (file,) = found_in(path).files[0]
    with pytest.raises(InputError, match="encrypted"):
        file.read()


def test_a_file_that_is_gone(folder: Path) -> None:
    (file,) = found_in(folder).files[0]
    (folder / "deep" / "c1.clip").unlink()
    with pytest.raises(InputError, match=r"c1\.clip: cannot be read \(No such file"):
        file.read()


def test_the_stamp_is_of_the_content(folder: Path, tmp_path: Path) -> None:
    (before,) = found_in(folder).files[0]
    (folder / "deep" / "c1.clip").write_bytes(b"two")
    os.utime(folder / "deep" / "c1.clip", ns=(1, 2))
    (after,) = found_in(folder).files[0]
    assert (before.size, after.size, after.stamp) == (3, 3, 2)
    (file,) = found_in(archive(tmp_path / "a.zip", c1=b"one")).files[0]
    assert file.stamp == zlib.crc32(b"one")


def test_natural_order() -> None:
    names = ["a10", "a2", "b", "a1b2", "a1b10", "a", "a" + "9" * 5000, "a٣"]
    assert sorted(names, key=sources.natural) == [
        "a",
        "a1b2",
        "a1b10",
        "a2",
        "a10",
        "a" + "9" * 5000,
        "a٣",
        "b",
    ]
    assert sources.natural("007") == sources.natural("7")
    assert sources.natural("0") != sources.natural("")
