"""The life of a job: gather what is known, decide, carry it out, and again until nothing is left to do."""

from __future__ import annotations

import logging
from contextlib import AsyncExitStack, ExitStack, suppress
from typing import TYPE_CHECKING, assert_never

from ucloud_operator.api import FINAL_STATES, JobState
from ucloud_operator.api.job import JobRate
from ucloud_operator.control import measures
from ucloud_operator.control.books import period_ms, run_from
from ucloud_operator.control.calls import Calls
from ucloud_operator.control.decided import concludes_run
from ucloud_operator.control.events import Happening, tell
from ucloud_operator.control.publication import is_edited
from ucloud_operator.control.queue import Key
from ucloud_operator.control.world import ENDED_PHASES, JOB, PLAN, SETTLE, parents_of
from ucloud_operator.kube.errors import AlreadyExists, ApiError, Conflict, Forbidden, Invalid, NotFound, TooLarge
from ucloud_operator.kube.resources import NAMESPACES
from ucloud_operator.ledger.state import Run
from ucloud_operator.lifecycle.admission import AdmissionView, Objection, admit
from ucloud_operator.lifecycle.commands import (
    Adopt,
    Arm,
    DeleteJob,
    DeletePods,
    Launch,
    ReleaseJob,
    ReleasePods,
    Settle,
    Warn,
    WriteStatus,
)
from ucloud_operator.lifecycle.decide import decide
from ucloud_operator.lifecycle.facts import least_run_ms, open_run, paid_by, reserved_for, run_number
from ucloud_operator.lifecycle.observe import Waiting, observe_pod
from ucloud_operator.lifecycle.sentences import Reason
from ucloud_operator.lifecycle.statement import account_of_job
from ucloud_operator.lifecycle.stops import Stop
from ucloud_operator.lifecycle.view import View

if TYPE_CHECKING:
    from ucloud_operator.api import ComputeProduct, UCloudJob, Wallet
    from ucloud_operator.control.books import Outlook
    from ucloud_operator.control.parts import Parts
    from ucloud_operator.lifecycle.commands import Command, Decision
    from ucloud_operator.lifecycle.kubelet import Pod

logger = logging.getLogger(__name__)

MAX_STEPS = 20
"""Decisions in a row for one job; more than its whole life needs, so more means a defect, and it is said."""

EPOCH_POLICY = "ucloud-pod-epoch"
RETRY_MS = 1000
LONGEST_RETRY_MS = 10_000

AT_REST = FINAL_STATES | {JobState.SUSPENDED}


class Jobs:
    """The worker of the keys of kind JOB."""

    def __init__(self, parts: Parts) -> None:
        """Take the parts that it joins."""
        self._parts = parts
        self._world, self._books = parts.world, parts.books
        self._deadlines, self._queue = parts.deadlines, parts.queue
        self._client, self._settings, self._clock = parts.client, parts.settings, parts.clock
        self._calls = Calls(parts)
        self._failing: dict[str, int] = {}  # by job uid, since when (unix ms)
        self._held_up: dict[str, tuple[str, int]] = {}  # by job uid: what was said, and the last pause (ms)
        self._rejected: dict[str, str] = {}  # by job uid, until its FAILURE is written
        self._unanswered: set[str] = set()  # keys of jobs whose launch failed, and may have got through

    async def reconcile(self, key: str) -> None:
        """Bring one job as far as it can go now."""
        looked_again = alone = False
        async with AsyncExitStack() as stack:
            for _ in range(MAX_STEPS):
                job = self._world.job(key)
                if job is None:
                    self._deadlines.drop(Key(JOB, key))
                    self._unanswered.discard(key)
                    return
                if key in self._unanswered:
                    await self._learn_whether_launched(job)
                decision = decide(await self._view(job))
                self._deadlines.set(Key(JOB, key), decision.wake_ms)
                if not decision.commands:
                    return
                if not looked_again and self._concludes(job, decision):
                    await self._calls.refresh_pods(job)
                    looked_again = True
                elif not alone and self._parts.applying.locked() and _bills(job, decision):
                    await stack.enter_async_context(self._parts.applying)  # what is left is being changed
                    alone = True
                elif not await self._carry_out_all(job, decision):
                    return
        raise RuntimeError(f"{key}: still something to do after {MAX_STEPS} decisions")

    async def _carry_out_all(self, job: UCloudJob, decision: Decision) -> bool:
        """Carry out a decision, which counts from now on; return whether to go on at once.

        Who doesn't hold the lease at the moment carries out nothing: a process that stood still for a while may know of
        a pod that the next leader has made, and not yet of why. If it still turns out to be the holder, it tries again.
        """
        with ExitStack() as under_way, ExitStack() as until_launched:
            for command in decision.commands:
                self._count(job, command, under_way, until_launched)
            try:
                for command in decision.commands:
                    self._calls.check_lease("carry out", job.key)
                    if isinstance(command, Launch):
                        until_launched.pop_all()  # from here on what becomes of it says whether it counts
                    if not await self._carry_out(job, command):
                        return False
            except Conflict:  # it was decided from what is no longer so, and so was what comes after it
                await self._calls.refresh(job)
            except ApiError:
                if _bills(job, decision):  # it may have got through: it counts until we know
                    with suppress(ApiError):
                        await self._calls.refresh(job)
                raise
        return True

    def _count(self, job: UCloudJob, command: Command, under_way: ExitStack, until_launched: ExitStack) -> None:
        """Let a command count as long as it is under way, or until what it launches says whether it counts."""
        if isinstance(command, Arm):
            under_way.enter_context(self._world.decided.end(job, command.stop))
        elif isinstance(command, WriteStatus):
            under_way.enter_context(self._world.decided.bill(job, command.status))
        elif isinstance(command, Launch):
            self._count_launch(job)
            until_launched.callback(self._books.launched, job.metadata.uid)

    def recall(self, job: UCloudJob) -> None:
        """Count a launch that an operator before us has begun, so that nobody else gets the credits that it goes by."""
        if job.is_final or open_run(job.status) is not None:
            return
        pods, number = self._world.pods_of(job), run_number(job.status)
        wallet, product = self._world.wallet_for(job, pods), self._world.product_for(job)
        rate = next((pod.rate for pod in pods if pod.run == number and pod.rate is not None), None)
        if rate is None and product is not None and wallet is not None and job.status.reason == Reason.Resumed:
            rate = JobRate(price=product.spec.price, replicas=job.spec.replicas, period_ms=period_ms(wallet))
        if rate is not None and wallet is not None:
            run = Run(self._clock.now_ms(), None, rate.price, rate.replicas, rate.period_ms)
            self._books.launch(job, wallet.key, run)

    def _concludes(self, job: UCloudJob, decision: Decision) -> bool:
        """Say whether a run is about to be concluded while some of its pods haven't said that they have ended.

        The watch tells of them one by one, and late after it was broken: they may have ended earlier than the one
        that has, or have started all the same. What is billed is decided from all of them as they are.
        """
        states = {command.status.state for command in decision.commands if isinstance(command, WriteStatus)}
        if job.status.state in states or states.isdisjoint(AT_REST):
            return False
        return any(pod.status.phase not in ENDED_PHASES for pod in self._world.pods_of(job))

    # What is known

    async def _view(self, job: UCloudJob) -> View:
        terminating = await self._is_namespace_terminating(job, self._world.pods_of(job))
        now_ms = self._clock.now_ms()  # from here on nothing is awaited: a decision is about one moment
        pods = self._world.pods_of(job)
        wallet = self._world.wallet_for(job, pods)
        return View(
            job=job,
            pods=pods,
            wallet=wallet,
            now_ms=now_ms,
            settings=self._settings,
            credits=self._credits(job, pods, wallet, now_ms),
            settled=self._is_settled(job),
            namespace_terminating=terminating,
            failing_since_ms=self._failing_since(job, pods, now_ms),
            held_up=self._held_up.get(job.metadata.uid, ("", 0))[0],
            rejected=self._rejected.get(job.metadata.uid, ""),
            admit=lambda: self._admit(job, wallet, now_ms),
            in_the_way=lambda ranks: self._world.in_the_way(job, ranks),
            bill=lambda end_ms: self._books.bill(job, end_ms, now_ms),
        )

    def _credits(self, job: UCloudJob, pods: tuple[Pod, ...], wallet: Wallet | None, now_ms: int) -> Stop | None:
        """Return when and why the job's credits end, by the newest plan; no wallet, no credits."""
        if job.is_final or (open_run(job.status) is None and not pods):
            return None
        pinned = job.status.wallet
        if wallet is None or (pinned is not None and wallet.metadata.uid != pinned.uid):
            return Stop(Reason.WalletDeleted, now_ms)
        plan, trouble = self._books.planner.newest(wallet.key, now_ms), self._books.troubles.trouble(wallet)
        end_ms = plan.ends_ms.get(job.metadata.uid)
        if end_ms is None and self._is_out_of_line(job, pods, trouble, locked=plan.numbers[wallet.key].locked):
            end_ms = now_ms
        if end_ms is None:
            return None
        if not trouble:
            return Stop(Reason.OutOfCredits, end_ms)
        word = trouble.partition(":")[0]
        reason = Reason(word) if word in {Reason.WalletDeleted, Reason.ParentNotFound} else Reason.WalletBlocked
        return Stop(reason, end_ms)

    @staticmethod
    def _is_out_of_line(job: UCloudJob, pods: tuple[Pod, ...], trouble: str, *, locked: bool) -> bool:
        """Say whether a job that no plan has an end for has to end all the same.

        One that waits ends when its wallet locks, unless it is free. One for which its cost is set aside ends only if
        its wallet can't be used at all.
        """
        if reserved_for(job, pods):
            return bool(trouble)
        costs = any(pod.rate is not None and pod.rate.price for pod in pods)
        return open_run(job.status) is None and locked and (costs or bool(trouble))

    def _is_settled(self, job: UCloudJob) -> bool:
        account = account_of_job(job)
        return account is not None and job.metadata.uid in self._world.settled(account).uids

    def _failing_since(self, job: UCloudJob, pods: tuple[Pod, ...], now_ms: int) -> int | None:
        """Return since when one of the pods that wait to start fails to."""
        uid = job.metadata.uid
        if not any(isinstance(seen := observe_pod(pod, now_ms), Waiting) and seen.failure for pod in pods):
            self._failing.pop(uid, None)
            return None
        return self._failing.setdefault(uid, now_ms)

    def _admit(self, job: UCloudJob, wallet: Wallet | None, now_ms: int) -> Objection | None:
        """Ask the admission chain; a wallet whose spec, or one above it, isn't applied yet is not there yet."""
        product, application = self._world.product_for(job), self._world.application_for(job)
        applied = wallet if wallet is not None and self._is_applied(wallet) else None
        resting = job.status.state is JobState.SUSPENDED
        patient = resting or bool(job.status.runs) or (applied is None and wallet is not None)  # it can come any moment
        outlook = self._outlook(job, product, applied, now_ms)
        objection = admit(
            AdmissionView(
                job=job,
                product=product,
                application=application,
                wallet=applied,
                wallet_locked=outlook.numbers.locked if outlook else applied is None or applied.status.locked,
                wallet_blocked=self._books.troubles.trouble(applied) if applied is not None else "",
                max_usable=outlook.numbers.max_usable if outlook else 0,
                runway_ms=outlook.lasts_ms if outlook else 0,
                reservable=self._reservable(job, applied, now_ms),
                several_parents=applied is not None
                and self._books.sources.is_tangle(self._books.sources.component(applied.key)),
                longest_reservable_ms=lambda: self._longest_reservable_ms(job, product, applied, now_ms),
                minimum_run_ms=least_run_ms(job, self._settings),
                waited_ms=0 if patient else max(0, now_ms - job.metadata.creation_timestamp),
                reference_wait_ms=1000 * self._settings.reference_wait_seconds,
            )
        )
        if objection is not None:
            self._world.wait(job.key)
        return objection

    def _outlook(
        self, job: UCloudJob, product: ComputeProduct | None, wallet: Wallet | None, now_ms: int
    ) -> Outlook | None:
        """Say what the job would find if it started now, where that is known."""
        if wallet is None or product is None:
            return None
        run = run_from(now_ms, job, product, wallet)
        return self._books.outlook(wallet.key, job, run, now_ms)

    def _reservable(self, job: UCloudJob, wallet: Wallet | None, now_ms: int) -> int | None:
        """Return how much could be set aside for a job that wants it so."""
        allocation = job.spec.time_allocation
        if job.spec.funding != "Reserve" or allocation is None or wallet is None:
            return None
        return self._books.reservable(wallet.key, job.metadata.uid, now_ms + allocation.duration_ms, now_ms)

    def _longest_reservable_ms(
        self, job: UCloudJob, product: ComputeProduct | None, wallet: Wallet | None, now_ms: int
    ) -> int:
        assert product is not None  # noqa: S101  # only asked where a cost is too high
        assert wallet is not None  # noqa: S101  # the same
        run = run_from(now_ms, job, product, wallet)
        return self._books.longest_reservable_ms(wallet.key, job.metadata.uid, run, now_ms)

    def _is_applied(self, wallet: Wallet) -> bool:
        """Say whether the newest specs of a wallet and of all above it stand in their statuses, and so in the books."""
        found, todo = {wallet.key}, [wallet]
        while todo:
            each = todo.pop()
            edited = is_edited(each, self._books.sources.applied(each), self._books.troubles.blocked(each))
            if each.status.metered_at is None or edited:
                return False
            above = parents_of(each) - found
            found |= above
            todo += [parent for key in above if (parent := self._world.wallet(key)) is not None]
        return True

    async def _is_namespace_terminating(self, job: UCloudJob, pods: tuple[Pod, ...]) -> bool:
        """Ask whether the namespace is being deleted, where that would explain why a pod is."""
        unexplained = any(pod.is_being_deleted and pod.stop is None for pod in pods)
        if not unexplained or job.is_final or job.is_being_deleted or job.spec.terminate or job.spec.suspend:
            return False
        try:
            namespace = await self._client.get(NAMESPACES, job.metadata.namespace or "")
        except NotFound:
            return True
        status = namespace.get("status")
        return isinstance(status, dict) and status.get("phase") == "Terminating"

    # What to do

    async def _carry_out(self, job: UCloudJob, command: Command) -> bool:  # noqa: C901  # a table of commands
        """Carry out one command; return whether to go on at once."""
        match command:
            case Adopt():
                await self._calls.adopt(job)
            case Launch():
                return await self._launch(job, command)
            case Arm():
                await self._calls.arm(job, command)
            case DeletePods():
                await self._calls.delete_pods(command)
            case Warn():
                await self._calls.warn(command)
                if command.aloud:
                    warning = Happening(command.reason, command.message, warning=True, occasion=command.occasion)
                    await tell(self._parts, job, warning)
            case DeleteJob():
                await self._calls.delete_job(job)
                return False
            case ReleasePods():
                await self._calls.release_pods(command)
            case WriteStatus():
                await self._write(job, command)
            case Settle():
                self._queue.add(Key(SETTLE, paid_by(job)))
                return False
            case ReleaseJob():
                await self._calls.release_job(job)
                return False
            case _:
                assert_never(command)
        return True

    async def _write(self, job: UCloudJob, command: WriteStatus) -> None:
        before, after = job.status, command.status
        await self._calls.write_status(job, after)
        if before.state is not after.state and after.state is not None:
            measures.came_to(after, self._world.pods_of(job), self._clock.now_ms())
            logger.info("%s is %s: %s", job.key, after.state.value, after.message)
            if after.state is JobState.FAILURE:
                await tell(self._parts, job, Happening(after.reason or "", after.message or "", warning=True))
            if after.state.is_final or after.state.value in {"RUNNING", "SUSPENDED"}:
                self._books.launched(job.metadata.uid)
                self._rejected.pop(job.metadata.uid, None)
                self._held_up.pop(job.metadata.uid, None)
        if after.wallet is not None:
            key = f"{job.metadata.namespace}/{after.wallet.name}"
            self._queue.add(Key(PLAN, (self._books.sources.component(key) or (key,))[0]), urgent=True)

    def _count_launch(self, job: UCloudJob) -> None:
        """Count a launch from the decision on.

        A job whose resumption has been written is in nobody's line any more, and its pods come later. Others that go on
        at the same time may hear of it before its write is answered.
        """
        product, wallet = self._world.product_for(job), self._world.wallet_for(job)
        if product is not None and wallet is not None:
            self._books.launch(job, wallet.key, run_from(self._clock.now_ms(), job, product, wallet))

    async def _launch(self, job: UCloudJob, command: Launch) -> bool:
        """Create the pods; what is refused for good ends the job, what is refused for now is tried again."""
        product, application = self._world.product_for(job), self._world.application_for(job)
        wallet = self._world.wallet_for(job)
        if product is None or application is None or wallet is None:
            self._books.launched(job.metadata.uid)
            return False
        try:
            await self._calls.launch(job, command, product, application, wallet)
        except (Invalid, TooLarge) as error:
            if EPOCH_POLICY in str(error):  # the Lease is gone: nobody's pods are let in until somebody leads again
                self._deadlines.set(Key(JOB, job.key), self._clock.now_ms() + self._hold_up(job, str(error)))
                return False
            self._books.launched(job.metadata.uid)
            logger.error("%s: its pod is refused: %s", job.key, error)  # noqa: TRY400  # the cause is in it
            self._rejected[job.metadata.uid] = str(error)
            return True
        except (Forbidden, AlreadyExists) as error:
            self._deadlines.set(Key(JOB, job.key), self._clock.now_ms() + self._hold_up(job, str(error)))
            return False
        except ApiError:
            self._unanswered.add(job.key)
            raise
        self._stop_counting_without_pods(job)  # their names are taken
        return True

    async def _learn_whether_launched(self, job: UCloudJob) -> None:
        """Read the pods of a job whose launch failed; until then it counts as launched, and nothing is decided."""
        await self._calls.refresh_pods(job)
        self._unanswered.discard(job.key)
        self._stop_counting_without_pods(job)

    def _stop_counting_without_pods(self, job: UCloudJob) -> None:
        if not self._world.pods_of(job):
            self._books.launched(job.metadata.uid)

    def _hold_up(self, job: UCloudJob, message: str) -> int:
        """Note why a job can't be launched yet; return how long to wait before the next attempt (ms)."""
        said, pause_ms = self._held_up.get(job.metadata.uid, ("", RETRY_MS // 2))
        if said != message:
            logger.warning("%s: can't launch yet: %s", job.key, message)
        pause_ms = min(2 * pause_ms, LONGEST_RETRY_MS)
        self._held_up[job.metadata.uid] = message, pause_ms
        return pause_ms


def _bills(job: UCloudJob, decision: Decision) -> bool:
    return any(isinstance(each, WriteStatus) and concludes_run(job, each.status) for each in decision.commands)
