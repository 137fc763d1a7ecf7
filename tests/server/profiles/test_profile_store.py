import asyncio
import json
import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavelane.errors import ErrorCode, WavelaneError
from wavelane.session.options import parse_options
from wavelane_server.config import ProfilesConfig
from wavelane_server.profiles.profile import Correction, corrected, merged, parse_correction, parse_vocabulary
from wavelane_server.profiles.store import FolderStore

KEY = "user-0123456789"
VOCABULARY = {
    "consent": True,
    "hotwords": ["Nguyen", {"phrase": "Wavelane", "boost": 3}],
    "replace": {"wave lane": "Wavelane"},
}


def store_in(folder: Path, **limits: int) -> FolderStore:
    return FolderStore(ProfilesConfig(folder=folder, **limits))


def damage(folder: Path) -> None:
    next(folder.glob("*.json")).write_text("{")


async def test_a_profile_is_stored_read_changed_and_erased(tmp_path: Path) -> None:
    store = store_in(tmp_path / "new" / "folder")
    saved = await store.save(KEY, parse_vocabulary(VOCABULARY))
    assert await store.load(KEY) == saved
    assert [word.phrase for word in saved.hotwords] == ["Nguyen", "Wavelane"]
    correction = Correction(utterance=0, was="win", should_be="Nguyen")
    changed = await store.change(KEY, lambda known: corrected(known, correction))
    assert changed.replace == {"wave lane": "Wavelane", "win": "Nguyen"}
    assert changed.hotwords == saved.hotwords
    assert changed.created == saved.created
    await store.erase(KEY)
    for call in (store.load(KEY), store.erase(KEY), store.change(KEY, lambda known: known)):
        with pytest.raises(WavelaneError) as raised:
            await call
        assert raised.value.code is ErrorCode.PROFILE_NOT_FOUND


async def test_the_folder_tells_no_key_and_only_its_owner_may_look(tmp_path: Path) -> None:
    store = store_in(tmp_path / "profiles")
    await store.save(KEY, parse_vocabulary(VOCABULARY))
    (file,) = (tmp_path / "profiles").glob("*.json")
    assert KEY not in file.name
    assert KEY not in file.read_text()
    assert (tmp_path / "profiles").stat().st_mode & 0o077 == 0
    assert file.stat().st_mode & 0o077 == 0


async def test_limits_name_their_settings(tmp_path: Path) -> None:
    store = store_in(tmp_path, max_profiles=1, max_phrases=2)
    many = {"consent": True, "hotwords": ["one", "two", "three"]}
    with pytest.raises(WavelaneError, match=r"profiles\.max_phrases"):
        await store.save(KEY, parse_vocabulary(many))
    await store.save(KEY, parse_vocabulary(VOCABULARY))
    await store.save(KEY, parse_vocabulary(VOCABULARY))
    with pytest.raises(WavelaneError, match=r"profiles\.max_profiles"):
        await store.save("another-key", parse_vocabulary(VOCABULARY))
    for key in ("short", "../../../etc/passwd", "with blank 1", "a" * 129, KEY + "\n"):
        with pytest.raises(WavelaneError, match="8 to 128"):
            await store.load(key)


async def test_a_file_that_is_damaged_is_an_error_and_can_be_stored_anew(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    await store.save(KEY, parse_vocabulary(VOCABULARY))
    damage(tmp_path)
    with pytest.raises(WavelaneError) as raised:
        await store.load(KEY)
    assert raised.value.code is ErrorCode.INTERNAL
    await store.save(KEY, parse_vocabulary(VOCABULARY))
    assert (await store.load(KEY)).replace == VOCABULARY["replace"]


async def test_a_folder_that_is_gone(tmp_path: Path) -> None:
    store = store_in(tmp_path / "profiles")
    (tmp_path / "profiles" / ".lock").unlink()
    (tmp_path / "profiles").rmdir()
    for change in (store.save(KEY, parse_vocabulary(VOCABULARY)), store.erase(KEY)):
        with pytest.raises(WavelaneError) as raised:
            await change
        assert raised.value.code is ErrorCode.INTERNAL


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WavelaneError, match=r"profiles\.folder"):
        store_in(tmp_path / "file" / "folder")


async def test_of_changes_at_the_same_time_none_is_lost(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    await store.save(KEY, parse_vocabulary({"consent": True}))
    script = """
import asyncio, sys
from pathlib import Path
from wavelane_server.config import ProfilesConfig
from wavelane_server.profiles.profile import Correction, corrected
from wavelane_server.profiles.store import FolderStore
async def main(folder, name):
    store = FolderStore(ProfilesConfig(folder=Path(folder)))
    for i in range(20):
        correction = Correction(utterance=0, was=f"{name} {i}", should_be="x")
        await store.change("user-0123456789", lambda known: corrected(known, correction))
asyncio.run(main(*sys.argv[1:]))
"""
    arguments = [(sys.executable, "-c", script, str(tmp_path), name) for name in ("a", "b")]
    others = [await asyncio.create_subprocess_exec(*words) for words in arguments]
    assert [await other.wait() for other in others] == [0, 0]
    profile = await store.load(KEY)
    assert set(profile.replace) == {f"{name} {i}" for name in ("a", "b") for i in range(20)}
    assert len(os.listdir(tmp_path)) == 2, "the profile and the lock"  # noqa: PTH208


@pytest.mark.parametrize(
    ("values", "hint"),
    [
        ({}, "consent: true"),
        ({"consent": False}, "consent: true"),
        ({"consent": True, "hotword": []}, "hotword: unknown option"),
        ({"consent": True, "hotwords": [{"phrase": "a", "boost": 99}]}, "less than or equal to 20"),
        ({"consent": True, "replace": {"...": "x"}}, "no word"),
        ([], "valid dictionary"),
    ],
)
def test_what_is_not_stored(values: object, hint: str) -> None:
    with pytest.raises(WavelaneError, match=hint) as raised:
        parse_vocabulary(values)
    assert raised.value.code is ErrorCode.INVALID_CONFIG


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"utterance": 0, "was": "", "should_be": "b"},
        {"utterance": 0, "was": "a", "should_be": " "},
        {"utterance": -1},
        {"x": 1},
        None,
    ],
)
def test_what_is_no_correction(values: object) -> None:
    with pytest.raises(WavelaneError) as raised:
        parse_correction(values)
    assert raised.value.code is ErrorCode.INVALID_MESSAGE


def test_corrections() -> None:
    vocabulary = parse_vocabulary({"consent": True, "hotwords": ["Mary"], "replace": {"Wave Lane": "wavelane"}})
    again = corrected(vocabulary, Correction(utterance=1, was="wave  lane", should_be=" Wavelane "))
    assert again.replace == {"wave lane": "Wavelane"}
    assert [word.phrase for word in again.hotwords] == ["Mary", "Wavelane"]
    only_case = corrected(vocabulary, Correction(utterance=1, was="mary", should_be="Mary"))
    assert [word.phrase for word in only_case.hotwords] == ["Mary"]
    assert only_case.replace["mary"] == "Mary"
    full = parse_vocabulary({"consent": True, "replace": {f"word {number}": "x" for number in range(1000)}})
    with pytest.raises(WavelaneError, match="1001 phrases are more than the 1000"):
        corrected(full, Correction(utterance=1, was="one more", should_be="x"))


words = st.sampled_from(["jon", "Jon", "mary anne", "wave lane", "x"])


@given(st.dictionaries(words, words, max_size=3), st.lists(words, max_size=3), st.lists(words, max_size=3))
def test_merged_options_are_valid_and_the_clients_come_first(
    own: dict[str, str], mine: list[str], theirs: list[str]
) -> None:
    own = dict({phrase.casefold(): (phrase, text) for phrase, text in own.items()}.values())
    vocabulary = parse_vocabulary(
        {"consent": True, "hotwords": theirs, "replace": {"jon": "John", "Mary Anne": "Marianne"}}
    )
    # What is no list is left as it is, to be refused.
    assert merged({"hotwords": "jon", "text": {}}, vocabulary)["hotwords"] == "jon"
    values = merged({"hotwords": mine, "text": {"itn": True, "replace": own}}, vocabulary)
    options = parse_options(json.loads(json.dumps(values)))
    assert [word.phrase for word in options.hotwords][: len(mine)] == mine
    assert options.text.itn
    for phrase, text in own.items():
        assert options.text.replace[phrase] == text
    assert {"jon", "mary anne"} <= {phrase.casefold() for phrase in options.text.replace}
