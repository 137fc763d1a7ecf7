"""A profile's request whose body does not come."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.requests import Request

from wavelane.errors import ErrorCode, WavelaneError
from wavelane_server.config import LimitsConfig, ProfilesConfig
from wavelane_server.profiles.http import put_profile
from wavelane_server.profiles.store import FolderStore


async def test_a_body_that_stalls(tmp_path: Path) -> None:
    async def receive() -> Any:
        return await asyncio.get_running_loop().create_future()

    recognizer = SimpleNamespace(
        config=SimpleNamespace(limits=LimitsConfig(idle_timeout_s=0.01)),
        profiles=FolderStore(ProfilesConfig(folder=tmp_path)),
    )
    app = SimpleNamespace(state=SimpleNamespace(recognizer=recognizer))
    scope = {"type": "http", "app": app, "path_params": {"key": "key-0123456789"}, "headers": []}
    with pytest.raises(WavelaneError, match=r"limits\.idle_timeout_s") as raised:
        await put_profile(Request(scope, receive))
    assert raised.value.code is ErrorCode.IDLE_TIMEOUT
