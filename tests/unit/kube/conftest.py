from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.kube.scripted import HurriedClock
from ucloud_operator.kube.client import Call, Client

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.unit.kube.scripted import ScriptedApi


@pytest.fixture
def clock() -> HurriedClock:
    return HurriedClock()


@pytest.fixture
def calls() -> list[Call]:
    return []


@pytest.fixture
async def client(api: ScriptedApi, clock: HurriedClock, calls: list[Call]) -> AsyncIterator[Client]:
    async with Client(api.credentials, on_call=calls.append, clock=clock, timeout_seconds=2) as client:
        yield client
