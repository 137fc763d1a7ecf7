"""Live captions: files that lose nothing, and a page that shows what was said."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from playwright.async_api import expect

from examples.captions.__main__ import Captions
from examples.captions.page import Board, serving
from support.page import COMMANDS, SPEECH, OpenPage, decode, write_wav
from support.server import Server
from wavelane_client import CLOCK_RATE, Alternative, Final, Partial, connect_sync
from wavelane_client.formats import LINE_CHARACTERS, wrap

TIMING = r"(\d\d):(\d\d):(\d\d)[.,](\d{3}) --> (\d\d):(\d\d):(\d\d)[.,](\d{3})"


@pytest.fixture(scope="module")
def sentences(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of several utterances, two of them without a pause between them."""
    names = ("libri_egypt", "libri_simmer", "libri_lemon")
    egypt, simmer, lemon = (decode(SPEECH / f"{name}.opus") for name in names)
    path = tmp_path_factory.mktemp("captions") / "talk.wav"
    return write_wav(path, egypt, simmer, 1.5, lemon, 1.0, egypt)


@contextmanager
def captions(server: Server, *arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "examples.captions", "--url", server.ws, *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    with process:
        try:
            yield process
        finally:
            process.kill()


def finals_of(server: Server, recording: Path) -> list[Final]:
    """What the server says by itself."""
    with connect_sync(server.ws, sample_rate=16_000, text={"punctuation": True, "capitals": True}) as stream:
        stream.send(decode(recording).tobytes())
        stream.end()
        return [event for event in stream if isinstance(event, Final) and event.text]


def cues_of(text: str) -> list[tuple[float, float, list[str]]]:
    """Start, end (s) and lines of each subtitle, by the rules that both formats share."""
    cues = []
    for block in text.strip().split("\n\n"):
        lines = block.split("\n")
        if lines[0].isdigit():
            assert int(lines.pop(0)) == len(cues) + 1
        elif lines == ["WEBVTT"]:
            continue
        times = re.fullmatch(TIMING, lines[0])
        assert times is not None
        numbers = [int(number) for number in times.groups()]
        start, end = (3600 * h + 60 * m + s + ms / 1000 for h, m, s, ms in (numbers[:4], numbers[4:]))
        cues.append((start, end, lines[1:]))
    return cues


def test_files_have_every_word_in_order_at_its_time(server: Server, sentences: Path, tmp_path: Path) -> None:
    srt, vtt = tmp_path / "talk.srt", tmp_path / "talk.vtt"
    with captions(server, "--file", sentences, "--fast", "--srt", srt, "--vtt", vtt) as process:
        said = process.communicate(timeout=60)[0].splitlines()
    assert process.returncode == 0, said

    finals = finals_of(server, sentences)
    assert len(finals) >= 3
    assert [line.split("] ")[1] for line in said] == [final.text for final in finals]
    cues = cues_of(srt.read_text())
    assert cues == cues_of(vtt.read_text())
    assert len(cues) > len(finals)  # some utterance is too long for one
    words = " ".join(line for _, _, lines in cues for line in lines).split()
    assert words == " ".join(final.text for final in finals).split()
    at = 0.0
    for start, end, lines in cues:
        assert at <= start < end
        assert 1 <= len(lines) <= 2
        assert max(map(len, lines)) <= LINE_CHARACTERS
        at = end
    firsts = {round(final.words[0].start / CLOCK_RATE, 3) for final in finals}
    assert firsts <= {start for start, _, _ in cues}
    assert sorted(tmp_path.iterdir()) == [srt, vtt]


@pytest.mark.browser
@pytest.mark.asyncio(loop_scope="module")
async def test_the_page_shows_what_is_said_and_ctrl_c_loses_none_of_it(
    server: Server, page: OpenPage, tmp_path: Path
) -> None:
    finals, srt = finals_of(server, COMMANDS), tmp_path / "talk.srt"
    view = await page("about:blank", viewport={"width": 800, "height": 600}, network_faults=True)
    with captions(server, "--file", COMMANDS, "--port", "0", "--srt", srt) as process:
        assert process.stdout is not None
        url = process.stdout.readline().removeprefix("page: ").strip()
        await view.goto(f"{url}?hold=3&size=4")
        shown = view.locator("#captions p")
        await expect(shown.locator("i").last).not_to_be_empty()  # words that may still change
        await expect(shown.first).to_have_text(finals[0].text)
        process.send_signal(signal.SIGINT)
        assert await view.evaluate("getComputedStyle(document.body).backgroundColor") == "rgba(0, 0, 0, 0)"
        # In one go: the page writes its lines anew with every event.
        assert await view.evaluate("getComputedStyle(document.querySelector('#captions p')).fontSize") == "32px"
        said = process.communicate(timeout=20)[0]  # a page that stays open keeps nothing from ending
    assert process.returncode == 0, said
    words = " ".join(line for _, _, lines in cues_of(srt.read_text()) for line in lines).split()
    assert words == " ".join(line.split("] ")[1] for line in said.splitlines()).split()
    assert words[0] == finals[0].words[0].text
    assert len(words) < sum(len(final.words) for final in finals)  # the recording was not heard to its end
    await expect(shown).to_have_count(0)  # after three seconds of silence


async def test_other_sites_do_not_read_along() -> None:
    """One that gives its name this machine's address is refused."""
    async with serving(Board(), 0) as url, httpx.AsyncClient() as client:
        assert (await client.get(url)).status_code == 200
        for path in ("", "events"):
            answer = await client.get(f"{url}{path}", headers={"Host": "evil.example"})
            assert answer.status_code == 400


@given(
    said=st.lists(st.text("ab", min_size=1, max_size=60), max_size=40),
    finals=st.lists(st.text("ab ", min_size=1, max_size=90).filter(str.strip), max_size=3),
    data=st.data(),
)
def test_lines_are_the_last_two_and_nothing_certain_is_taken_back(
    said: list[str], finals: list[str], data: st.DataObject
) -> None:
    captions = Captions(Board(), [])
    captions.finals = [final_of(" ".join(text.split())) for text in finals]
    text = " ".join(said)
    stable = data.draw(st.integers(0, len(text)))
    partial = Partial(channel=0, utterance=0, text=text, stable=stable, words=(), start=0, processed=0, lag_ms=0)
    every = [line for final in captions.finals for line in wrap(final.text.split())] + wrap(said)
    lines = captions.lines(partial)
    assert [certain + rest for certain, rest in lines] == every[-2:]
    # What may still change is the end of the text, all of it that is shown.
    tentative = "".join(rest for _, rest in lines).replace(" ", "")
    unstable = text[stable:].replace(" ", "")
    assert unstable.endswith(tentative)
    assert tentative == unstable or not any(certain for certain, _ in lines)


async def test_a_slow_viewer_sees_the_newest() -> None:
    board = Board()
    viewer = board.watch()
    assert await anext(viewer) == []
    for text in ("one", "two", "three"):
        board.show([(text, "")])
    assert await anext(viewer) == [("three", "")]
    board.close()
    assert [lines async for lines in viewer] == []


def final_of(text: str) -> Final:
    alternative = Alternative(text=text, confidence=1.0, words=())
    return Final(
        channel=0, utterance=0, alternatives=(alternative,), start=0, end=0, processed=0, lag_ms=0, reason="silence"
    )
