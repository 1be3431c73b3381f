"""Many stories at a time.

Most of a story is waiting: for pods to start, for credits to run out. So all the stories that were selected are told
together, on one cluster with one operator, when the first test of one is run; that one takes a minute, and the others
only say how theirs went. A story that fails shows what the operator said about it.

A test of that kind is `async def test_…(story: Story)` under `@story`; it may have parameters besides.
"""

import asyncio
import contextlib
import inspect
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any, Final

import pytest

from devcluster import Cluster
from tests.cluster.storytelling.cast import Stage, Story, new_name
from tests.cluster.storytelling.process import operator
from tests.cluster.storytelling.view import watching

SETTINGS: Final = MappingProxyType(
    {
        "minimum_run_seconds": 1,
        "reference_wait_seconds": 3,
        "notice_seconds": 1,
        "queue_notice_seconds": 2,
        "start_failure_seconds": 2,
        "arm_seconds": 1,
    }
)
"""Short, so that stories are."""
AT_ONCE: Final = 20
LONGEST_SECONDS: Final = 180

Body = Callable[..., Coroutine[Any, Any, None]]


def story(body: Body) -> Callable[..., None]:
    """Make a test of a story."""
    _, *others = inspect.signature(body).parameters

    def test(cluster: Cluster, request: pytest.FixtureRequest, **_: object) -> None:
        theatre(cluster, request).hear(request.node)

    for name in ("__name__", "__qualname__", "__doc__", "__module__"):
        setattr(test, name, getattr(body, name))
    asked = (inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in ("cluster", "request", *others))
    test.__signature__ = inspect.Signature(tuple(asked))  # type: ignore[attr-defined]  # it is what pytest goes by
    test.story = body  # type: ignore[attr-defined]
    return test


@asynccontextmanager
async def open_stage(cluster: Cluster, log: Path, settings: Mapping[str, int]) -> AsyncIterator[Stage]:
    """A stage with an operator of its own, for as long as the block takes."""
    async with watching(cluster) as (view, client), operator(cluster, log, settings) as process:
        yield Stage(cluster, view, client, process)


@dataclass(frozen=True)
class Problem:
    """What went wrong in a story."""

    error: Exception
    operator_said: str


class Theatre:
    """Where all stories of a session are told, before the first of them is heard."""

    def __init__(self, cluster: Cluster, items: Sequence[pytest.Function]) -> None:
        self._cluster = cluster
        self._items = items
        self._problems: dict[str, Problem] = {}
        self._nothing_told: Exception | None = None
        self.log = ""
        """What the operator said from its start to its end."""
        self.left_over: list[str] = []
        """Jobs and wallets that didn't go when they were deleted."""

    def hear(self, item: pytest.Item) -> None:
        """Raise what went wrong in a story, if something did."""
        if self._nothing_told is not None:
            raise self._nothing_told
        problem = self._problems.get(item.nodeid)
        if problem is not None:
            item.add_report_section("call", "operator", problem.operator_said)
            raise problem.error

    async def perform(self) -> None:
        """Tell all stories."""
        try:
            await self._tell_all()
        except Exception as error:  # noqa: BLE001  # every test raises it
            self._nothing_told = error

    async def _tell_all(self) -> None:
        with TemporaryDirectory() as folder:
            log = Path(folder) / "operator.log"
            async with open_stage(self._cluster, log, SETTINGS) as stage:
                limit = asyncio.Semaphore(AT_ONCE)
                stories = await asyncio.gather(*(self._tell(item, stage, limit) for item in self._items))
                for story in stories:
                    with contextlib.suppress(AssertionError):
                        await story.is_over()
                self.left_over = [each for story in stories for each in story.left_over()]
            self.log = await asyncio.to_thread(log.read_text)

    async def _tell(self, item: pytest.Function, stage: Stage, limit: asyncio.Semaphore) -> Story:
        story = Story(stage, new_name(item.name))
        arguments = item.callspec.params if hasattr(item, "callspec") else {}
        async with limit:
            try:
                async with asyncio.timeout(LONGEST_SECONDS):
                    await story.begin()
                    await item.function.story(story, **arguments)
            except Exception as error:  # noqa: BLE001  # the test raises it
                self._problems[item.nodeid] = Problem(error, stage.operator.said(story.name))
            await story.end()
        return story


_THEATRE = pytest.StashKey[Theatre]()


def theatre(cluster: Cluster, request: pytest.FixtureRequest) -> Theatre:
    """The session's theatre; when the first asks for it, everything is performed."""
    stash = request.config.stash
    if _THEATRE not in stash:
        items = [each for each in request.session.items if isinstance(each, pytest.Function)]
        stash[_THEATRE] = Theatre(cluster, [each for each in items if hasattr(each.function, "story")])
        asyncio.run(stash[_THEATRE].perform())
    return stash[_THEATRE]
