"""Many stories at a time.

Most of a story is waiting: for pods to start, for credits to run out. So all the stories that were selected are begun
together, on one cluster with one operator, when the first of them is asked for; each test then waits for its own. A
story that fails shows what the operator said about it.

A test of that kind is `async def test_…(story: Story)` under `@story`; it may have parameters besides.
"""

import asyncio
import contextlib
import inspect
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from concurrent.futures import Future
from contextlib import asynccontextmanager
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


class Theatre:
    """Where the stories of a session are told."""

    def __init__(self, cluster: Cluster, items: Mapping[str, pytest.Function]) -> None:
        self._cluster = cluster
        self._items = items
        self._outcomes: Mapping[str, Future[None]] = {name: Future() for name in items}
        self._said: dict[str, str] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._everything: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=asyncio.run, args=(self._perform(),), daemon=True)
        self.log = ""
        """What the operator said from its start to its end; there when all is over."""
        self.left_over: list[str] = []
        """Jobs and wallets that didn't go with their namespaces."""

    def open(self) -> None:
        """Begin all stories."""
        self._thread.start()

    def close(self) -> None:
        """End whatever still goes on."""
        told = all(outcome.done() for outcome in self._outcomes.values())
        if not told and self._loop is not None and self._everything is not None:
            self._loop.call_soon_threadsafe(self._everything.cancel)
        self._thread.join(LONGEST_SECONDS)

    def hear(self, item: pytest.Item) -> None:
        """Wait for a story's end; raise what went wrong in it."""
        try:
            self._outcomes[item.nodeid].result(LONGEST_SECONDS)
        except BaseException:
            item.add_report_section("call", "operator", self._said.get(item.nodeid, ""))
            raise

    def wait(self) -> None:
        """Wait until all is over, the operator too."""
        self._thread.join(LONGEST_SECONDS)
        assert not self._thread.is_alive()

    async def _perform(self) -> None:
        self._loop, self._everything = asyncio.get_running_loop(), asyncio.current_task()
        try:
            with TemporaryDirectory() as folder:
                log = Path(folder) / "operator.log"
                try:
                    await self._tell_all(log)
                finally:
                    self.log = log.read_text() if log.exists() else ""
        except BaseException as problem:  # noqa: BLE001  # every test that still waits raises it
            self._fail_all(problem)

    async def _tell_all(self, log: Path) -> None:
        async with open_stage(self._cluster, log, SETTINGS) as stage:
            limit = asyncio.Semaphore(AT_ONCE)
            stories = await asyncio.gather(*(self._tell(item, stage, limit) for item in self._items.values()))
            for story in stories:
                with contextlib.suppress(AssertionError):
                    await story.is_over()
            self.left_over = [each for story in stories for each in story.left_over()]

    async def _tell(self, item: pytest.Function, stage: Stage, limit: asyncio.Semaphore) -> Story:
        story = Story(stage, new_name(item.name))
        outcome = self._outcomes[item.nodeid]
        arguments = item.callspec.params if hasattr(item, "callspec") else {}
        async with limit:
            try:
                await story.begin()
                await item.function.story(story, **arguments)
            except Exception as problem:  # noqa: BLE001  # the test raises it
                self._said[item.nodeid] = stage.operator.said(story.name)
                outcome.set_exception(problem)
            else:
                outcome.set_result(None)
            await story.end()
        return story

    def _fail_all(self, problem: BaseException) -> None:
        for outcome in self._outcomes.values():
            if not outcome.done():
                outcome.set_exception(problem)


_THEATRE = pytest.StashKey[Theatre]()


def theatre(cluster: Cluster, request: pytest.FixtureRequest) -> Theatre:
    """The session's theatre; opened by the first who asks."""
    stash = request.config.stash
    if _THEATRE not in stash:
        items = {
            item.nodeid: item
            for item in request.session.items
            if isinstance(item, pytest.Function) and hasattr(item.function, "story")
        }
        stash[_THEATRE] = Theatre(cluster, items)
        request.session.addfinalizer(stash[_THEATRE].close)
        stash[_THEATRE].open()
    return stash[_THEATRE]
