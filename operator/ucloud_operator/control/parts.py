"""What the workers share: one of each, put together by `Operator`."""

from __future__ import annotations

import asyncio  # noqa: TC003  # a field of a dataclass
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ucloud_operator.control.books import Books
    from ucloud_operator.control.deadlines import Deadlines
    from ucloud_operator.control.queue import Key, WorkQueue
    from ucloud_operator.control.world import World
    from ucloud_operator.kube.client import Client
    from ucloud_operator.kube.clock import Clock
    from ucloud_operator.kube.lease import Lease
    from ucloud_operator.settings import Settings


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of one replica of the operator."""

    world: World
    books: Books
    deadlines: Deadlines[Key]
    queue: WorkQueue
    client: Client
    lease: Lease
    settings: Settings
    clock: Clock
    applying: asyncio.Lock
    """Held while a spec is applied or a checkpoint written: two at once would each be made without the other."""
