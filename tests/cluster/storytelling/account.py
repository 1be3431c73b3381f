"""A wallet in a story, and what it is made of."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from tests.cluster.storytelling.stage import Stage
from tests.cluster.storytelling.view import PATIENCE_SECONDS
from ucloud_operator.api import Wallet
from ucloud_operator.kube.resources import WALLETS

PLENTY: Final = 10**12
PROVIDER: Final = "theatre"


@dataclass(frozen=True)
class Account:
    """A wallet."""

    stage: Stage
    namespace: str
    name: str

    @property
    def reference(self) -> Mapping[str, str]:
        return {"namespace": self.namespace, "name": self.name}

    @property
    def seen(self) -> Wallet | None:
        return self.stage.view.wallets.get(self.namespace, self.name)

    @property
    def now(self) -> Wallet:
        """The wallet as it is."""
        assert self.seen is not None, f"there is no wallet {self.namespace}/{self.name}"
        return self.seen

    async def until(self, holds: Callable[[Wallet], bool], within_seconds: float = PATIENCE_SECONDS) -> Wallet:
        """Wait until this holds, and return the wallet."""
        await self.stage.view.until(
            lambda: self.seen is not None and holds(self.seen), lambda: f"wallet {self.seen!r}", within_seconds
        )
        return self.now

    async def is_applied(self) -> Wallet:
        """Wait until its present spec counts."""
        return await self.until(lambda wallet: wallet.status.observed_generation == wallet.metadata.generation)

    async def uses(self, usage: int, within_seconds: float = PATIENCE_SECONDS) -> Wallet:
        """Wait until it says that so much was used by it and below it, and no more."""
        return await self.until(lambda wallet: wallet.status.total_usage == usage, within_seconds)

    async def has_settled(self, usage: int) -> Wallet:
        """Wait until it has taken over that much from jobs that are gone and runs none; expect that this is all."""
        wallet = await self.until(
            lambda wallet: wallet.status.settled_usage == usage and wallet.status.rate_per_minute == 0
        )
        assert wallet.status.local_usage == usage
        return wallet

    async def is_locked(self, *, locked: bool = True) -> Wallet:
        return await self.until(lambda wallet: wallet.status.locked == locked)

    async def is_gone(self) -> None:
        await self.stage.view.until(lambda: self.seen is None, lambda: f"wallet {self.seen!r}", PATIENCE_SECONDS)

    async def patch(self, **spec: object) -> None:
        """Change the spec, as `kubectl patch` does."""
        answer = await self.stage.client.patch(WALLETS, self.name, {"spec": spec}, namespace=self.namespace)
        self.stage.view.wallets.apply(answer)

    async def set_quota(self, quota: int) -> None:
        """Change the one allocation that it began with."""
        group = self.now.spec.allocation_groups[0].model_dump(mode="json", by_alias=True, exclude_none=True)
        await self.patch(allocationGroups=[{**group, "allocations": [allocation(quota)]}])

    async def delete(self) -> None:
        await self.stage.client.delete(WALLETS, self.name, uid=self.now.metadata.uid, namespace=self.namespace)


def category(name: str) -> Mapping[str, object]:
    """A product category whose prices are per minute."""
    return {
        "name": name,
        "provider": PROVIDER,
        "productType": "COMPUTE",
        "accountingUnit": {"name": "DKK", "namePlural": "DKK", "floatingPoint": True},
        "accountingFrequency": "PERIODIC_MINUTE",
    }


def allocation(
    quota: int,
    id: str = "grant",  # noqa: A002  # the field's name
    *,
    start: str = "2026-01-01T00:00:00Z",
    end: str = "2036-01-01T00:00:00Z",
) -> Mapping[str, object]:
    """An allocation, by default one that neither begins nor ends while the story is told."""
    return {"id": id, "quota": quota, "startDate": start, "endDate": end}
