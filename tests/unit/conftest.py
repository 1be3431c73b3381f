from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.kube.scripted import ScriptedApi

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def api() -> AsyncIterator[ScriptedApi]:
    async with ScriptedApi() as api:
        yield api
    assert not api.surprises
    assert not api.script, "requests that were expected never came"
