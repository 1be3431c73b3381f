"""What must hold at every moment, whatever happens: looked at with every write that reaches the API server.

- what was used only grows, but for what a run is given back whose end was learned late; a job that has ended stays as
  it ended;
- nothing is charged that wasn't granted;
- no replica of a job runs twice at the same time, no two runs of a job overlap, and none costs more than its time;
- what a wallet passes up is what it and those below have used, and what its allocations have paid.

And at the end every wallet says what the facts come to (`check_books`), and with the kubelets' knowledge of what really
ran, no run is free, none is paid twice (`bills`).
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from tests.simulation.credits import Grants, used_by
from ucloud_operator.api import UCloudJob, Wallet
from ucloud_operator.api.common import parse_time
from ucloud_operator.audit import find
from ucloud_operator.control.accounts import runs_of
from ucloud_operator.control.world import World
from ucloud_operator.kube.resources import LEDGERCHECKPOINTS, PODS, UCLOUDJOBS, WALLETS, WALLETSTATEMENTS
from ucloud_operator.ledger.usage import usage_at
from ucloud_operator.lifecycle.facts import open_run, planned_end
from ucloud_operator.lifecycle.observe import LOST_AFTER_MS
from ucloud_operator.lifecycle.sentences import Reason
from ucloud_operator.lifecycle.stops import parse_stop

if TYPE_CHECKING:
    from tests.simulation.api import Api
    from tests.simulation.kubelet import Kubelets
    from tests.simulation.objects import Json
    from tests.simulation.storage import Write
    from ucloud_operator.control.operator import Fed
    from ucloud_operator.kube.resources import Resource
    from ucloud_operator.lifecycle.stops import Stop

IN_FLIGHT_MS = 10_000
"""How long a number may have been on its way to the API server while another write overtook it."""
DECIDED_MS = 2000
"""How long before it is written something may have been decided."""
PROMPT_MS = 1500
"""How long after its end a run's bill is written where nothing fails."""


class Audit:
    """Watches over a simulation."""

    def __init__(self, api: Api, kubelets: Kubelets) -> None:
        self.mistakes: list[str] = []
        self.overdrafts_allowed = False
        """Set where a story cuts quotas below what was used."""
        self.clocks_ms = 0
        """Set where an operator's clock may be ahead: it charges by it, until it learns how long a run really was."""
        self.pods: dict[str, Json] = {}
        """Every pod that ever was, in its last state, by uid."""
        self.jobs: dict[str, UCloudJob] = {}
        """Every job that ever was, in its last state, by uid."""
        self.ended_for: dict[tuple[str, int], str] = {}
        """Why each run ended, by its job's uid and its number."""
        self.concluded_ms: dict[tuple[str, int], int] = {}
        """And when that was written down."""
        self.out_of_credits: set[tuple[str, int]] = set()
        """Instants at which the credits of a job ended, by its uid, by what was known when that mattered."""
        self.short: set[str] = set()
        """The uids of jobs that had no credits left to pay with when a run of theirs was billed."""
        self.world = World(lambda _: None)
        """What there is, as the operator's own audit reads it."""
        self._grants = Grants()
        self._stores: dict[Resource, Fed] = {
            WALLETS: self.world.wallets,
            UCLOUDJOBS: self.world.jobs,
            PODS: self.world.pods,
            WALLETSTATEMENTS: self.world.statements,
            LEDGERCHECKPOINTS: self.world.checkpoints,
        }
        self._api = api
        self._kubelets = kubelets
        self._changed: dict[str, tuple[int, UCloudJob]] = {}  # by uid: when each last was, and what it had been
        self._began: dict[tuple[str, int], int] = {}  # by a job's uid and a run's number: when it was first said
        self._ends: list[tuple[int, int]] = []  # of runs: when it was, and when it was written down
        api.storage.listen(self._heard)

    def check(self) -> None:
        """Raise the first mistake, if any was seen."""
        if self.mistakes:
            raise AssertionError(self.mistakes[0])

    def check_books(self) -> None:
        """Raise what differs from the facts; to be asked when everything was published."""
        differing = [str(finding) for finding in find(self.world) if not finding.is_fine]
        assert not differing, "\n".join(differing)

    def _heard(self, write: Write) -> None:
        store = self._stores.get(write.resource)
        if store is None:
            return
        if write.after is None:
            version = str(write.version)
            store.remove({**write.last, "metadata": {**write.last["metadata"], "resourceVersion": version}})
        else:
            store.apply(write.after)
        if write.resource == UCLOUDJOBS:
            self._look_at_job(write)
        elif write.resource == WALLETS and write.after is not None:
            self._look_at_wallet(write.before, write.after)
        elif write.resource == PODS:
            self._look_at_pod(write.last)

    def _look_at_job(self, write: Write) -> None:
        new = UCloudJob.model_validate(write.last)
        old = self.jobs.get(new.metadata.uid)
        self.jobs[new.metadata.uid] = new
        if old is None:
            return
        since_ms, _ = self._changed.get(new.metadata.uid, (0, old))
        if since_ms + DECIDED_MS < self._api.now_ms():
            self._changed[new.metadata.uid] = self._api.now_ms(), old
        self._look_at_ends(old, new)
        if new.status.usage < old.status.usage:
            self._say(f"{new.key}: its usage fell from {old.status.usage} to {new.status.usage}")
        if old.is_final and (new.status.state, new.status.usage) != (old.status.state, old.status.usage):
            self._say(f"{new.key} had ended with {old.status.usage} and now {new.status.state} {new.status.usage}")
        if len({run.number for run in new.status.runs}) != len(new.status.runs):
            self._say(f"{new.key} has two runs of one number: {new.status.runs}")
        self._look_at_runs(new)

    def _look_at_ends(self, old: UCloudJob, new: UCloudJob) -> None:
        """Note why and when runs ended, and whether there were credits left."""
        now_ms = self._api.now_ms()
        ended_before = {run.number for run in old.status.runs if run.ended_at is not None}
        for run in new.status.runs:
            self._began.setdefault((new.metadata.uid, run.number), now_ms)
            if run.number not in ended_before and run.ended_at is not None:
                self._ends.append((run.ended_at, now_ms))
                self.ended_for[new.metadata.uid, run.number] = new.status.reason or ""
                self.concluded_ms[new.metadata.uid, run.number] = now_ms
                if now_ms > run.ended_at + PROMPT_MS:
                    self._look_at_credits(new, run.ended_at)
                if self._grants.are_spent(new, now_ms, self.jobs):
                    self.short.add(new.metadata.uid)

    def _look_at_credits(self, job: UCloudJob, at_ms: int) -> None:
        if job.status.wallet is None:
            return
        now_ms = self._api.now_ms()
        since_ms = now_ms - DECIDED_MS
        earlier = {
            uid: before  # whoever decided may have known of one job's news and not yet of another's
            for uid, (changed_ms, before) in self._changed.items()
            if changed_ms >= since_ms and used_by(before, at_ms) > used_by(self.jobs[uid], at_ms)
        }
        ended = any(self._grants.ended_at(job, at_ms, jobs) for jobs in (self.jobs, self.jobs | earlier))
        if ended or (self._is_learned_after(job, at_ms) and self._grants.others_took(job, at_ms, now_ms, self.jobs)):
            self.out_of_credits.add((job.metadata.uid, at_ms))

    def _is_learned_after(self, job: UCloudJob, at_ms: int) -> bool:
        """Say whether nobody had said by then that the job's newest run goes on: others may have spent its credits."""
        return any(self._began[job.metadata.uid, run.number] > at_ms for run in job.status.runs[-1:])

    def _look_at_runs(self, job: UCloudJob) -> None:
        """No interval is charged twice, and none for more than its time at its rate."""
        runs = runs_of(job, None)
        for earlier, later in pairwise(runs):
            if earlier.end_ms is None or later.start_ms < earlier.end_ms:
                self._say(f"{job.key} is charged twice for the same time: {job.status.runs}")
        now_ms = max([self._api.now_ms(), *(run.end_ms or 0 for run in runs)])  # a stop may be billed a moment ahead
        if runs and job.status.usage > usage_at(runs, now_ms):
            self._say(f"{job.key} pays {job.status.usage} for {usage_at(runs, now_ms)}")

    def _look_at_wallet(self, before: Json | None, after: Json) -> None:
        new = Wallet.model_validate(after)
        old = Wallet.model_validate(before) if before else new
        self._grants.note(new)
        since_ms = old.status.metered_at or 0
        most_ms = IN_FLIGHT_MS + self.clocks_ms
        late = any(ended_ms < since_ms <= written_ms + most_ms for ended_ms, written_ms in self._ends)
        if new.status.total_usage < old.status.total_usage and not late and not self._is_over_unsaid(since_ms):
            self._say(f"{new.key}: its usage fell from {old.status.total_usage} to {new.status.total_usage}")
        self._look_at_sums(new)
        for group in new.status.groups:
            if group.tree_usage > group.quota and not self.overdrafts_allowed:
                self._say(f"{new.key}: {group.tree_usage} was charged of {group.quota}")

    def _look_at_sums(self, wallet: Wallet) -> None:
        """What a wallet passed up is its total but for the excess, and what its allocations paid.

        Those have paid for what is set aside as well.
        """
        status = wallet.status
        passed = 0 if wallet.spec.pays_for.free_to_use else status.total_usage - status.excess
        carried = sum(group.tree_usage for group in status.groups)
        paid = sum(allocation.used for group in status.groups for allocation in group.allocations)
        aside = any(job.spec.funding == "Reserve" for job in self.world.jobs.values())
        if not passed == status.tree_usage <= carried == paid or not (aside or carried == passed):
            self._say(f"{wallet.key}: {passed} are to be passed up, {status.tree_usage}, {carried} and {paid} are")

    def _is_over_unsaid(self, before_ms: int) -> bool:
        """Say whether a job ended before that by what its pods say, and doesn't say so itself yet."""
        going = (job for job in self.jobs.values() if open_run(job.status) is not None)
        return any(planned_end(job, self.world.pods_of(job)) < before_ms for job in going)

    def _look_at_pod(self, pod: Json) -> None:
        uid = pod["metadata"]["uid"]
        before, self.pods[uid] = self.pods.get(uid, pod), pod
        labels = pod["metadata"].get("labels", {})
        mine = labels.get("ucloud.dk/job-uid"), labels.get("ucloud.dk/rank")
        stop = _stop_on(pod)
        if (
            stop is not None
            and stop.reason is Reason.OutOfCredits
            and mine[0] in self.jobs
            and stop != _stop_on(before)
        ):
            self._look_at_credits(self.jobs[mine[0]], stop.at_ms)
        if uid not in self._kubelets.running or self._is_missed(pod):
            return
        for other in self._kubelets.running:
            its = self.pods[other]["metadata"].get("labels", {})
            same = (its.get("ucloud.dk/job-uid"), its.get("ucloud.dk/rank")) == mine
            if uid != other and same and not self._is_missed(self.pods[other]):
                self._say(f"{pod['metadata']['name']} runs beside {self.pods[other]['metadata']['name']}")

    def _is_missed(self, pod: Json) -> bool:
        """Say whether a pod was to be gone so long ago that it counts as lost with its node."""
        deletion = pod["metadata"].get("deletionTimestamp")
        return deletion is not None and parse_time(deletion) + LOST_AFTER_MS <= self._api.now_ms()

    def _say(self, mistake: str) -> None:
        self.mistakes.append(mistake)


def _stop_on(pod: Json) -> Stop | None:
    return parse_stop(pod["metadata"].get("annotations", {}).get("ucloud.dk/stop"))
