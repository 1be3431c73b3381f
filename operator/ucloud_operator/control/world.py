"""What we know of the cluster: a store per kind, and the few look-ups that decisions need.

Objects come from Kopf's watches, from our own watch of pods, from full lists and from the answers to our own writes,
in any order; the stores keep the newest of each. Whoever changes a store is told of nothing; `on_change` of the World
is called with the work that the change makes necessary: always a key, never the contents.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, TypeVar

from ucloud_operator.api import Application, ComputeProduct, UCloudJob, Wallet
from ucloud_operator.api.checkpoint import LedgerCheckpoint
from ucloud_operator.api.statement import StatementWallet, WalletStatement
from ucloud_operator.control.decided import Decided
from ucloud_operator.control.queue import Key
from ucloud_operator.kube.store import Change, ChangeKind, Store
from ucloud_operator.lifecycle.facts import run_number
from ucloud_operator.lifecycle.kubelet import Pod
from ucloud_operator.lifecycle.pods import JOB_ID, pod_name
from ucloud_operator.lifecycle.pods import WALLET as WALLET_NAME
from ucloud_operator.lifecycle.statement import Settled, settled_by

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

KINDS = JOB, WALLET, PLAN, SETTLE, ORPHAN = "job", "wallet", "plan", "settle", "orphan"
"""The kinds of work: a job's life, a wallet's published state, a component's next instants, a wallet's statements, and
a pod without a job."""

ENDED_PHASES = frozenset({"Succeeded", "Failed"})
"""Of pods: their containers have ended, as far as their kubelets say."""

T = TypeVar("T")


class Index:
    """Keys filed under something that their objects have."""

    def __init__(self) -> None:
        """Start empty."""
        self._keys: defaultdict[str, set[str]] = defaultdict(set)
        self._values: dict[str, frozenset[str]] = {}

    def file(self, key: str, *values: str) -> None:
        """File the key under these values and no others."""
        new, old = frozenset(values), self._values.pop(key, frozenset())
        for value in old - new:
            self._keys[value].discard(key)
            if not self._keys[value]:
                del self._keys[value]
        for value in new - old:
            self._keys[value].add(key)
        if new:
            self._values[key] = new

    def of(self, key: str) -> frozenset[str]:
        """Return the values that the key is filed under."""
        return self._values.get(key, frozenset())

    def under(self, value: str) -> tuple[str, ...]:
        """Return the keys under the value, in order."""
        return tuple(sorted(self._keys.get(value, ())))


class World:
    """All objects that the operator reads."""

    def __init__(
        self, on_change: Callable[[Key], None], on_news: Callable[[str, str | None], None] = lambda _uid, _version: None
    ) -> None:
        """Take whom to tell what must be looked at again, and whom of new versions of our kinds (None: it is gone)."""
        self._on_change, self._on_news = on_change, on_news
        self.jobs: Store[UCloudJob] = Store(UCloudJob.model_validate, self._job_changed)
        self.wallets: Store[Wallet] = Store(Wallet.model_validate, self._wallet_changed)
        self.products: Store[ComputeProduct] = Store(ComputeProduct.model_validate, self._reference_changed)
        self.applications: Store[Application] = Store(Application.model_validate, self._reference_changed)
        self.statements: Store[WalletStatement] = Store(WalletStatement.model_validate, self._statement_changed)
        self.checkpoints: Store[LedgerCheckpoint] = Store(LedgerCheckpoint.model_validate, self._checkpoint_changed)
        self.pods: Store[Pod] = Store(Pod.model_validate, self._pod_changed)
        self._jobs_of_wallet = Index()
        self._jobs_of_namespace = Index()
        self._pods_of_job = Index()
        self._wallets_of_namespace = Index()
        self._children = Index()
        self._statements_of_account = Index()
        self._checkpoints_of_wallet = Index()
        self._settled: dict[StatementWallet, Settled] = {}
        self._waiting: set[str] = set()
        self.decided = Decided(self._touch, lambda wallet_key: on_change(Key(PLAN, wallet_key)))
        self.graph_version = 0  # changes whenever a wallet is added, removed or changed by others
        self.version = 0  # changes whenever anything does that decisions about money are made from
        self._touched: dict[str, int] = {}  # by wallet: the version of the last change that its numbers depend on

    def version_of(self, wallets: Iterable[str]) -> int:
        """Return a number that changes whenever a fact does that the numbers of these wallets depend on.

        Our own publications are none: they say what follows from the facts.
        """
        return max((self._touched.get(key, 0) for key in wallets), default=0)

    # Look-ups

    def job(self, key: str) -> UCloudJob | None:
        """Return the job `namespace/name`."""
        return self.jobs.get(*split(key))

    def wallet(self, key: str) -> Wallet | None:
        """Return the wallet `namespace/name`."""
        return self.wallets.get(*split(key))

    def pods_of(self, job: UCloudJob) -> tuple[Pod, ...]:
        """Return the pods that carry the job's uid, of all its runs."""
        return tuple(self._each(self.pods, self._pods_of_job.under(job.metadata.uid)))

    def in_the_way(self, job: UCloudJob, ranks: Iterable[int]) -> Pod | None:
        """Return a pod that has the name of one of these replicas: an earlier job of the same name left it."""
        namespace, run = job.metadata.namespace or "", run_number(job.status)
        found = (self.pods.get(namespace, pod_name(job.metadata.name, rank, run)) for rank in ranks)
        ours = job.metadata.uid, run
        return next((pod for pod in found if pod is not None and (pod.job_uid, pod.run) != ours), None)

    def orphan(self, pod_key: str) -> Pod | None:
        """Return the pod `namespace/name` if our finalizer holds it and its job isn't known."""
        pod = self.pods.get(*split(pod_key))
        return pod if pod is not None and self.is_orphan(pod) else None

    def is_orphan(self, pod: Pod) -> bool:
        """Say whether our finalizer holds a pod whose job isn't known."""
        return pod.is_held and self.jobs.find(pod.job_uid) is None

    def orphans(self) -> tuple[str, ...]:
        """Return the keys of all such pods."""
        keys = (f"{key.namespace}/{key.name}" for key in self.pods)
        return tuple(key for key in keys if self.orphan(key) is not None)

    def jobs_of(self, wallet_key: str) -> tuple[UCloudJob, ...]:
        """Return the jobs that spend, or have spent, this wallet's credits."""
        return tuple(self._each(self.jobs, self._jobs_of_wallet.under(wallet_key)))

    def jobs_in(self, namespace: str) -> tuple[UCloudJob, ...]:
        """Return the jobs of a namespace."""
        return tuple(self._each(self.jobs, self._jobs_of_namespace.under(namespace)))

    def children_of(self, wallet_key: str) -> tuple[str, ...]:
        """Return the wallets that name this one as a parent, now or when they were last applied."""
        return self._children.under(wallet_key)

    def statements_of(self, account: StatementWallet) -> tuple[WalletStatement, ...]:
        """Return the statements of whoever has this namespace, name and category, oldest first."""
        found = self._each(self.statements, self._statements_of_account.under(repr(account)))
        return tuple(sorted(found, key=lambda statement: (statement.spec.month, statement.spec.part)))

    def checkpoint_of(self, wallet_uid: str) -> LedgerCheckpoint | None:
        """Return the newest checkpoint that has this wallet in it."""
        found = self._each(self.checkpoints, self._checkpoints_of_wallet.under(wallet_uid))
        return max(found, key=lambda checkpoint: checkpoint.spec.at, default=None)

    def settled(self, account: StatementWallet) -> Settled:
        """Return what an account's statements say together."""
        known = self._settled.get(account)
        if known is None:
            known = self._settled[account] = settled_by(self.statements_of(account))
        return known

    def product_for(self, job: UCloudJob) -> ComputeProduct | None:
        """Return the product that the job names, by id, category and provider."""
        wanted = job.spec.product
        named = [product for product in self.products.values() if product.id == wanted.id]
        for product in named:
            category = product.spec.category
            if (category.name, category.provider) == (wanted.category, wanted.provider):
                return product
        return named[0] if named else None

    def application_for(self, job: UCloudJob) -> Application | None:
        """Return the application that the job names."""
        wanted = job.spec.application
        for application in self.applications.values():
            if (application.spec.name, application.spec.version) == (wanted.name, wanted.version):
                return application
        return None

    def wallets_paying(self, namespace: str, category: str, provider: str) -> tuple[Wallet, ...]:
        """Return a namespace's wallets for a product category, the one that counts first: the oldest."""
        paying = (
            wallet
            for wallet in self._each(self.wallets, self._wallets_of_namespace.under(namespace))
            if (wallet.spec.pays_for.name, wallet.spec.pays_for.provider) == (category, provider)
        )
        return tuple(sorted(paying, key=lambda w: (w.metadata.creation_timestamp, w.metadata.name)))

    def wallet_for(self, job: UCloudJob, pods: tuple[Pod, ...] = ()) -> Wallet | None:
        """Return the wallet that pays for the job: the one it was launched on, else the one its namespace has."""
        namespace, product = job.metadata.namespace or "", job.spec.product
        pinned = self._paying(job, pods)
        if pinned is not None:
            return self.wallets.get(namespace, pinned)
        paying = self.wallets_paying(namespace, product.category, product.provider)
        return paying[0] if paying else None

    def wait(self, job_key: str) -> None:
        """Look at the job again when any product, application or wallet changes."""
        self._waiting.add(job_key)

    # Changes

    def _job_changed(self, change: Change[UCloudJob]) -> None:
        key, job, gone = join(change), change.object, change.kind is ChangeKind.DELETED
        wallet = job.status.wallet
        self._on_news(change.uid, None if gone else job.metadata.resource_version)
        self._file_spender(job, gone=gone)
        self._jobs_of_namespace.file(key, *() if gone else (change.key.namespace,))
        self._on_change(Key(JOB, key))
        for pod_key in self._pods_of_job.under(job.metadata.uid) if gone else ():
            self._on_change(Key(ORPHAN, pod_key))
        before = change.before.status.wallet if change.before else None
        for name in sorted({each.name for each in (wallet, before) if each is not None}):
            self._on_change(Key(PLAN, f"{change.key.namespace}/{name}"))

    def _file_spender(self, job: UCloudJob, *, gone: bool = False) -> None:
        """File a job under the wallet that pays for it, from the moment that its pods are there."""
        wallet = None if gone else self._paying(job, self.pods_of(job))
        before = self._jobs_of_wallet.of(job.key)
        self._jobs_of_wallet.file(job.key, *() if wallet is None else (f"{job.metadata.namespace}/{wallet}",))
        after = self._jobs_of_wallet.of(job.key)
        for key in before | after:
            self._touch(key)
        for key in sorted(before - after):
            self._on_change(Key(WALLET, key))  # one that is being deleted waits for its jobs
        self.version += 1

    def _touch(self, wallet_key: str) -> None:
        self.version += 1
        self._touched[wallet_key] = self.version

    @staticmethod
    def _paying(job: UCloudJob, pods: tuple[Pod, ...]) -> str | None:
        if job.status.wallet is not None:
            return job.status.wallet.name
        return next((name for pod in pods if (name := pod.metadata.annotations.get(WALLET_NAME))), None)

    def _wallet_changed(self, change: Change[Wallet]) -> None:
        key, wallet, gone = join(change), change.object, change.kind is ChangeKind.DELETED
        self.version += 1
        self._on_news(change.uid, None if gone else wallet.metadata.resource_version)
        self._on_change(Key(WALLET, key))
        if not gone and self.decided.is_published(wallet, change.before):
            self._wake()
            return
        self.graph_version += 1
        self._touch(key)
        self._wallets_of_namespace.file(key, *() if gone else (change.key.namespace,))
        self._children.file(key, *() if gone else parents_of(wallet))
        self._on_change(Key(PLAN, key))
        if change.before is None or gone:
            for near in (*self._children.under(key), *sorted(parents_of(wallet))):  # who waits for it to come, or to go
                self._on_change(Key(WALLET, near))
        self._wake()

    def _statement_changed(self, change: Change[WalletStatement]) -> None:
        account, gone = change.object.spec.wallet, change.kind is ChangeKind.DELETED
        self._statements_of_account.file(join(change), *() if gone else (repr(account),))
        self._settled.pop(account, None)
        wallet_key = f"{account.namespace}/{account.name}"
        self._touch(wallet_key)
        self._on_change(Key(PLAN, wallet_key))
        for line in change.object.spec.lines:
            job = self.jobs.find(line.uid)
            if job is not None and job.is_being_deleted:  # it waits for its line, whichever way we learn of that
                self._on_change(Key(JOB, job.key))

    def _checkpoint_changed(self, change: Change[LedgerCheckpoint]) -> None:
        wallets = () if change.kind is ChangeKind.DELETED else change.object.spec.wallets
        self._checkpoints_of_wallet.file(join(change), *(wallet.uid for wallet in wallets))
        for wallet in change.object.spec.wallets:
            self._touch(f"{wallet.namespace}/{wallet.name}")
        for wallet in wallets[:1]:
            self._on_change(Key(PLAN, f"{wallet.namespace}/{wallet.name}"))

    def _reference_changed(self, change: Change[ComputeProduct] | Change[Application]) -> None:
        gone = change.kind is ChangeKind.DELETED
        self._on_news(change.uid, None if gone else change.object.metadata.resource_version)
        self._wake()

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, set()
        for key in sorted(waiting):
            self._on_change(Key(JOB, key))

    def _pod_changed(self, change: Change[Pod]) -> None:
        pod = change.object
        gone = change.kind is ChangeKind.DELETED
        self._pods_of_job.file(join(change), *() if gone or not pod.job_uid else (pod.job_uid,))
        job = self.jobs.find(pod.job_uid)
        if pod.reserved and job is not None and job.status.wallet is None:
            self._on_change(Key(PLAN, f"{change.key.namespace}/{pod.metadata.annotations.get(WALLET_NAME)}"))
        if job is not None:
            if gone or _says(pod) != (None if change.before is None else _says(change.before)):
                self._file_spender(job)
            self._on_change(Key(JOB, job.key))
        elif not gone and pod.is_held:
            self._on_change(Key(ORPHAN, join(change)))
        heir = self.jobs.get(change.key.namespace, pod.metadata.labels.get(JOB_ID, ""))
        if heir is not None and heir is not job:  # it may wait for the name
            self._on_change(Key(JOB, heir.key))

    def _each(self, store: Store[T], keys: tuple[str, ...]) -> Iterator[T]:
        for key in keys:
            found = store.get(*split(key))
            if found is not None:
                yield found


def _says(pod: Pod) -> tuple[object, ...]:
    """Return what a pod says of money: by which wallet it runs, for which run, what is set aside, and its stop."""
    return pod.metadata.annotations.get(WALLET_NAME), pod.run, pod.reserved, pod.stop


def parents_of(wallet: Wallet) -> set[str]:
    """Return the keys of the wallets that a wallet names as parents, in its spec or as last applied."""
    parents = [group.parent for group in wallet.spec.allocation_groups]
    parents += [group.parent for group in wallet.status.groups]
    return {parent.key for parent in parents if parent is not None}


def join(change: Change[T]) -> str:
    """Return the changed object's `namespace/name`."""
    return f"{change.key.namespace}/{change.key.name}"


def split(key: str) -> tuple[str, str]:
    """Take `namespace/name` apart."""
    namespace, _, name = key.rpartition("/")
    return namespace, name
