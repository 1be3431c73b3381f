"""What the gateway asks of the API server, each time as the caller and with nothing but the caller's rights.

Nothing is kept from one request to the next.
"""

from __future__ import annotations

import asyncio
import re
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

from ucloud_operator.api import Application, ComputeProduct, UCloudJob, Wallet
from ucloud_operator.api.common import DNS_LABEL_PATTERN
from ucloud_operator.api.job import MAX_NAME_LENGTH
from ucloud_operator.gateway.errors import NOT_FOUND, RefusalError, bad_request, from_kubernetes
from ucloud_operator.gateway.grants import granted
from ucloud_operator.gateway.verdict import Surroundings
from ucloud_operator.kube.errors import AlreadyExists, ApiError, Conflict, NotFound, ServerError, Unreachable
from ucloud_operator.kube.objects import section, text
from ucloud_operator.kube.resources import (
    APPLICATIONS,
    COMPUTEPRODUCTS,
    SELFSUBJECTACCESSREVIEWS,
    SELFSUBJECTREVIEWS,
    UCLOUDJOBS,
    WALLETS,
    Resource,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from ucloud_operator.gateway.grants import Grant
    from ucloud_operator.kube.client import Client
    from ucloud_operator.kube.objects import Json

T = TypeVar("T")
U = TypeVar("U")

AT_ONCE: Final = 16
"""How many requests of one bulk are on their way to the API server together."""
Change: TypeAlias = "Callable[[UCloudJob], Mapping[str, object]]"
"""What of a job's spec becomes what; nothing if it stays as it is, a RefusalError if it may not be so."""

ATTEMPTS: Final = 4
"""How often another name is taken, or a change made anew that somebody else's overtook."""
MAX_NAMESPACE_LENGTH: Final = 63


def is_namespace_name(name: str) -> bool:
    """Whether a namespace can be called that."""
    return len(name) <= MAX_NAMESPACE_LENGTH and re.fullmatch(DNS_LABEL_PATTERN, name) is not None


async def workspace_of(client: Client, project: str) -> str:
    """Return the namespace that a request is about: the project's, else the one that is called as the caller is.

    Raises:
        RefusalError: 400, if that can't be the name of a namespace. Names aren't changed to fit: two people would
            share one.
    """
    if project:
        if not is_namespace_name(project):
            raise bad_request("The header Project must be the name of a workspace: a-z, 0-9 and -, at most 63")
        return project
    username = await username_of(client)
    if not is_namespace_name(username):
        raise bad_request(f"'{username}' can't be the name of a workspace: name one in the header Project")
    return username


async def username_of(client: Client) -> str:
    """Return who the caller is to the API server."""
    body = {"apiVersion": SELFSUBJECTREVIEWS.api_version, "kind": SELFSUBJECTREVIEWS.kind}
    review = await client.create(SELFSUBJECTREVIEWS, body)
    return text(section(section(review, "status"), "userInfo"), "username")


@dataclass(frozen=True, slots=True)
class Workspace:
    """A namespace, as the caller sees it and may change it."""

    client: Client
    namespace: str

    async def wallets(self) -> Sequence[Wallet]:
        """Return its wallets."""
        return await self._list(WALLETS, Wallet.model_validate, self.namespace)

    async def all_wallets(self) -> Sequence[Wallet]:
        """Return the wallets of all workspaces: few may see them."""
        return await self._list(WALLETS, Wallet.model_validate)

    async def jobs(self) -> Sequence[UCloudJob]:
        """Return its jobs."""
        return await self._list(UCLOUDJOBS, UCloudJob.model_validate, self.namespace)

    async def job(self, name: str) -> UCloudJob:
        """Return one job; RefusalError (404) if there is none."""
        if len(name) > MAX_NAME_LENGTH or not re.fullmatch(DNS_LABEL_PATTERN, name):
            raise RefusalError(HTTPStatus.NOT_FOUND, NOT_FOUND)  # no job is called that
        try:
            return UCloudJob.model_validate(await self.client.get(UCLOUDJOBS, name, namespace=self.namespace))
        except NotFound as error:
            raise RefusalError(HTTPStatus.NOT_FOUND, NOT_FOUND) from error

    async def applications(self) -> Sequence[Application]:
        """Return what jobs can run."""
        return await self._list(APPLICATIONS, Application.model_validate)

    async def may(self, verb: str, resource: Resource) -> bool:
        """Whether the caller has a right on all objects of a kind here, as the API server would decide now."""
        asked = {"namespace": self.namespace, "verb": verb, "group": resource.group, "resource": resource.plural}
        review = await self.client.create(
            SELFSUBJECTACCESSREVIEWS,
            {
                "apiVersion": SELFSUBJECTACCESSREVIEWS.api_version,
                "kind": SELFSUBJECTACCESSREVIEWS.kind,
                "spec": {"resourceAttributes": asked},
            },
        )
        return section(review, "status").get("allowed") is True

    async def surroundings(self) -> Surroundings:
        """Return what its jobs can run and be paid with."""
        products, applications, wallets = await asyncio.gather(
            self._list(COMPUTEPRODUCTS, ComputeProduct.model_validate),
            self.applications(),
            self.wallets(),
        )
        return Surroundings(products, applications, wallets)

    async def create(self, specs: Sequence[Mapping[str, object]]) -> Sequence[str]:
        """Create all these jobs or none, and return their names in the same order.

        Of several, the API server is first asked whether it would take each. If one fails all the same, those that were
        created are deleted again, and the refusal says which couldn't be.
        """
        if len(specs) > 1:
            unless_refused(await _in_turn(specs, self._would_create))
        outcomes = await _in_turn(specs, self._create)
        also = ""
        if any(isinstance(each, RefusalError) for each in outcomes):
            stay = [each for each in outcomes if isinstance(each, str) and not await self._take_back(each)]
            also = f"; these jobs were created all the same: {', '.join(stay)}" if stay else ""
        return unless_refused(outcomes, also)

    async def grant(self, grants: Sequence[Grant]) -> None:
        """Add allocations to wallets, to each wallet all of its own at once.

        If that fails for one, the refusal names the allocations that were added to others.
        """
        of_wallet: dict[str, list[Grant]] = {}
        for each in grants:
            of_wallet.setdefault(each.wallet.key, []).append(each)
        outcomes = dict(zip(of_wallet, await _in_turn(list(of_wallet.values()), self._grant), strict=False))
        done = {key for key, outcome in outcomes.items() if outcome is None}
        added = [each.allocation_id for each in grants if each.wallet.key in done]
        also = f"; these allocations were added all the same: {', '.join(added)}" if added else ""
        unless_refused([outcomes.get(each.wallet.key) for each in grants], also)

    async def change(self, changes: Sequence[tuple[str, Change]]) -> None:
        """Change jobs, by name.

        All are looked at before one is changed, and `change` may refuse. If a change fails all the same, the refusal
        names the jobs that were changed.
        """
        unless_refused(await _in_turn(changes, lambda each: self._would_change(*each)))
        outcomes = await _in_turn(changes, lambda each: self._change(*each))
        changed = [
            name for (name, _), each in zip(changes, outcomes, strict=False) if not isinstance(each, RefusalError)
        ]
        unless_refused(outcomes, f"; these jobs were changed all the same: {', '.join(changed)}" if changed else "")

    async def _would_change(self, name: str, change: Change) -> None:
        change(await self.job(name))

    async def _change(self, name: str, change: Change) -> None:
        await self._revise(UCLOUDJOBS, name, lambda raw: change(UCloudJob.model_validate(raw)), self.namespace)

    async def _grant(self, grants: Sequence[Grant]) -> None:
        wallet = grants[0].wallet.metadata

        def change(raw: Json) -> Mapping[str, object]:
            return granted(section(raw, "spec"), grants)

        try:
            await self._revise(WALLETS, wallet.name, change, wallet.namespace)
        except (ServerError, Unreachable) as error:

            async def is_made() -> bool:
                return not change(await self.client.get(WALLETS, wallet.name, namespace=wallet.namespace))

            what = f"wallet '{wallet.name}' got {', '.join(each.allocation_id for each in grants)}"
            await _insist_on(is_made, what, error)

    async def _revise(
        self, resource: Resource, name: str, change: Callable[[Json], Mapping[str, object]], namespace: str | None
    ) -> None:
        """Patch what `change` says into an object's spec, anew if somebody else's write came in between."""
        attempt = 1
        while True:
            raw = await self.client.get(resource, name, namespace=namespace)
            spec = change(raw)
            if not spec:
                return
            version = text(section(raw, "metadata"), "resourceVersion")
            try:
                await self.client.patch(resource, name, {"spec": spec}, namespace=namespace, resource_version=version)
            except Conflict:
                if attempt == ATTEMPTS:
                    raise
                attempt += 1  # the operator writes to it, too
            else:
                return

    async def _would_create(self, spec: Mapping[str, object]) -> None:
        await self.client.create(UCLOUDJOBS, _body(spec, new_name()), namespace=self.namespace, dry_run=True)

    async def _create(self, spec: Mapping[str, object]) -> str:
        attempt = 1
        while True:
            name = new_name()
            try:
                await self.client.create(UCLOUDJOBS, _body(spec, name), namespace=self.namespace)
            except AlreadyExists:
                if attempt == ATTEMPTS:
                    raise
                attempt += 1
            except (ServerError, Unreachable) as error:
                await _insist_on(partial(self._exists, name), f"job '{name}' was created", error)
                return name
            else:
                return name

    async def _exists(self, name: str) -> bool:
        return bool(await self.client.get(UCLOUDJOBS, name, namespace=self.namespace))

    async def _take_back(self, name: str) -> bool:
        """Delete a job that was just created; False if that can't be done."""
        try:
            job = await self.job(name)
            await self.client.delete(UCLOUDJOBS, name, uid=job.metadata.uid, namespace=self.namespace)
        except (ApiError, RefusalError):
            return False
        return True

    async def _list(
        self, resource: Resource, parse: Callable[[object], T], namespace: str | None = None
    ) -> Sequence[T]:
        return [parse(each) for each in await self.client.list(resource, namespace=namespace)]


def new_name() -> str:
    """Return a name for a job: a number, as UCloud's ids are, that grows with time; 16 digits until the year 2286."""
    return str(time.time_ns() // 1000)


async def _insist_on(is_done: Callable[[], Awaitable[bool]], what: str, error: ServerError | Unreachable) -> None:
    """Look whether something was done, after an answer that doesn't say so; RefusalError (502) if it can't be known."""
    if isinstance(error, Unreachable) and not error.ambiguous:
        raise error
    with suppress(ApiError):
        if await is_done():
            return
    why = f"Kubernetes gave no usable answer: look whether {what} before you ask again"
    raise RefusalError(HTTPStatus.BAD_GATEWAY, why) from error


def unless_refused(outcomes: Sequence[T | RefusalError], also: str = "") -> Sequence[T]:
    """Return the outcomes of a bulk, or raise its first refusal with the place of the item that it is about."""
    for place, outcome in enumerate(outcomes):
        if isinstance(outcome, RefusalError):
            where = f"items.{place}: " if len(outcomes) > 1 else ""
            raise RefusalError(outcome.status, f"{where}{outcome.why}{also}", outcome.code)
    return [outcome for outcome in outcomes if not isinstance(outcome, RefusalError)]


async def _in_turn(items: Sequence[U], do: Callable[[U], Awaitable[T]]) -> Sequence[T | RefusalError]:
    """Do it for each, several at once, and for none after the first failure."""
    outcomes: list[T | RefusalError] = []
    for start in range(0, len(items), AT_ONCE):
        outcomes += await asyncio.gather(*(_outcome(do, item) for item in items[start : start + AT_ONCE]))
        if any(isinstance(outcome, RefusalError) for outcome in outcomes):
            break
    return outcomes


async def _outcome(do: Callable[[U], Awaitable[T]], item: U) -> T | RefusalError:
    try:
        return await do(item)
    except ApiError as error:
        return from_kubernetes(error)
    except RefusalError as refusal:
        return refusal


def _body(spec: Mapping[str, object], name: str) -> Mapping[str, object]:
    return {
        "apiVersion": UCLOUDJOBS.api_version,
        "kind": UCLOUDJOBS.kind,
        "metadata": {"name": name},
        "spec": spec,
    }
