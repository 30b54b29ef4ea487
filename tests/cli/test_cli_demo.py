"""The demo: one command, without data, and a page that needs no network."""

from __future__ import annotations

import re
import webbrowser
from pathlib import Path
from urllib.request import url2pathname

import pytest

from skellib.__main__ import main
from skellib.cli.demo import PAGE, YAW
from skellib.reproduction import samples


def call(capfd, *arguments):
    """Return the exit status, standard output and standard error of a command."""
    with pytest.raises(SystemExit) as stopped:
        main(["demo", *map(str, arguments)])
    captured = capfd.readouterr()
    return stopped.value.code, captured.out, captured.err


@pytest.fixture
def opened(monkeypatch):
    """Collect what would be opened in a browser."""
    addresses: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda url: not addresses.append(url))
    return addresses


def test_demo_prints_a_table_and_writes_a_page(tmp_path, capfd, opened):
    status, out, _ = call(capfd, "--no-open", "--out", tmp_path / "new")
    assert status == 0 and not opened
    head, *rows, totals, rotated, last = out.splitlines()
    assert all(name in head for name in samples.NETWORKS)
    clips = samples.clips()
    assert len(rows) == len(clips) == 12
    found = samples.answers(samples.networks(), clips)
    for i, (row, label) in enumerate(zip(rows, clips.label)):
        assert row.startswith(clips.classes[label])
        for probabilities in found.values():
            best = probabilities[i].argmax()
            assert f"{100 * probabilities[i, best]:.0f} % {clips.classes[best]}" in row
    sideways = samples.answers(samples.networks(), clips, YAW)
    for line, each in ((totals, found), (rotated, sideways)):
        right = [int((p.argmax(1) == clips.label).sum()) for p in each.values()]
        assert re.findall(r"(\d+) of 12", line) == list(map(str, right))
    page = tmp_path / "new" / PAGE
    assert last == f"page: {page}"
    text = page.read_text("utf-8")
    assert text.startswith("<!doctype html>") and "http" not in text
    assert text.count('<div class="skellib-widget classifier"') == 1
    verdicts = re.findall(r"\((right|wrong)\)</td>", text)
    best = [p.argmax(1) == clips.label for p in found.values()]
    assert len(verdicts) == 24 and verdicts.count("right") == sum(map(sum, best))


def test_demo_opens_the_page_in_the_browser(capfd, opened, monkeypatch):
    status, out, _ = call(capfd)
    assert status == 0
    (address,) = opened
    page = Path(url2pathname(address.removeprefix("file://")))
    assert page.is_file() and f"page: {page}" in out
    page.unlink()
    page.parent.rmdir()
    monkeypatch.setattr(webbrowser, "open", lambda url: False)
    status, out, _ = call(capfd)
    assert status == 0 and "no browser was found; open the page yourself" in out


def test_demo_outside_of_the_repository_says_what_to_do(tmp_path, capfd, monkeypatch):
    monkeypatch.setenv("SKELLIB_ROOT", str(tmp_path))
    status, _, err = call(capfd, "--no-open")
    assert status == 2 and "run this in a clone" in err and err.count("\n") == 1
