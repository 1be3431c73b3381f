"""Somebody who watches the workspace while the story is played: its wallet, its job and its pods, as they change.

The eyes are the operator's own reflectors, on a connection of their own.
"""

import asyncio
from collections.abc import Callable
from typing import Self

from devcluster.story import JOB, USER, WALLET, Scene
from ucloud_operator.api import UCloudJob, Wallet
from ucloud_operator.kube.client import Client
from ucloud_operator.kube.reflector import Reflector
from ucloud_operator.kube.resources import PODS, UCLOUDJOBS, WALLETS
from ucloud_operator.kube.store import Change, Store
from ucloud_operator.lifecycle.kubelet import Pod


class Witness:
    """Watches while it is open."""

    def __init__(self, client: Client, wallet: str = WALLET) -> None:
        self._wallet = wallet
        self._changed = asyncio.Event()
        self._wallets = Reflector(client, WALLETS, Store(Wallet.model_validate, self._note), namespace=USER)
        self._jobs = Reflector(client, UCLOUDJOBS, Store(UCloudJob.model_validate, self._note), namespace=USER)
        self._pods = Reflector(client, PODS, Store(Pod.model_validate, self._note), namespace=USER)
        self._watching: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._watching = [asyncio.create_task(each.run()) for each in (self._wallets, self._jobs, self._pods)]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._watching:
            task.cancel()
        await asyncio.gather(*self._watching, return_exceptions=True)

    def scene(self) -> Scene:
        """What is seen now."""
        return Scene(
            wallet=self._wallets.store.get(USER, self._wallet),
            job=self._jobs.store.get(USER, JOB),
            pods=tuple(self._pods.store.values()),
        )

    async def look_closely(self) -> Scene:
        """What a full list says: no watch that might lag behind."""
        for each in (self._wallets, self._jobs, self._pods):
            await each.relist()
        return self.scene()

    async def sees(self, what: Callable[[Scene], bool], *, within_seconds: float) -> bool:
        """Wait until that is seen; false when it isn't in time."""
        try:
            async with asyncio.timeout(within_seconds):
                while not what(self.scene()):
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return False
        return True

    def _note(self, _: Change[Wallet] | Change[UCloudJob] | Change[Pod]) -> None:
        self._changed.set()
