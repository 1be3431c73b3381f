"""The operator's promises, in simulated time: the seed's story to the unit, its price in writes, and shared credits."""

from __future__ import annotations

import pytest

from tests.simulation.admission import OPERATOR
from tests.simulation.bills import check_bills
from tests.simulation.loop import play
from tests.simulation.simulation import Simulation
from tests.simulation.stories import allocation, application, group, job, product, wallet
from ucloud_operator.api import JobState
from ucloud_operator.kube.resources import EVENTS, LEASES, PODS, SERVICES, UCLOUDJOBS, WALLETS

OURS = (PODS, SERVICES, UCLOUDJOBS)
QUOTA, USED, LEFT = 500_000_000, 499_900_000, 100_000

IN_QUEUE = "Your job is now waiting in the queue!"
RUNNING = "Your job is now running!"
NO_MORE_CREDITS = "Your job has been terminated (No more credits)"


async def prepared(**behaviour: str) -> Simulation:
    """A cluster with the seed's product and application, and an operator that leads."""
    simulation = Simulation()
    simulation.apply(product(), application(**behaviour))
    replica = simulation.start_operator()
    await simulation.until(lambda: replica.operator.leading)
    return simulation


def test_the_seeds_story() -> None:
    async def story() -> None:
        simulation = await prepared()
        simulation.apply(wallet("root", quota=2 * QUOTA, category="other"))
        simulation.apply(wallet(quota=QUOTA, used=USED), job("a"))
        await simulation.until(simulation.is_over)
        ended, paid = simulation.job(), simulation.wallet()
        assert ended.status.state is JobState.SUCCESS
        assert ended.status.reason == "OutOfCredits"
        assert [update.status for update in ended.status.updates] == [IN_QUEUE, RUNNING, NO_MORE_CREDITS]
        assert ended.status.usage == LEFT
        queued, began, stopped = (update.timestamp for update in ended.status.updates)
        assert queued <= began
        assert stopped - began == 120_000
        await simulation.pass_seconds(5)
        paid = simulation.wallet()
        assert (paid.status.local_usage, paid.status.max_usable, paid.status.locked) == (QUOTA, 0, True)
        check_bills(simulation)

    play(story())


def test_a_job_that_credits_end_costs_six_writes_and_its_deletion_one_more() -> None:
    async def story() -> None:
        simulation = await prepared()
        (replica,) = simulation.replicas
        simulation.apply(wallet(quota=QUOTA, used=USED))
        await simulation.pass_seconds(3)
        simulation.apply(job())
        await simulation.until(lambda: simulation.job().status.state is JobState.RUNNING)
        await simulation.pass_seconds(1)
        assert replica.writes(*OURS) == 2
        await simulation.until(simulation.is_over)
        await simulation.pass_seconds(1)
        assert replica.writes(*OURS) == 6
        simulation.delete(UCLOUDJOBS, "a")
        await simulation.until(lambda: not simulation.exists(UCLOUDJOBS, "a"))
        await simulation.pass_seconds(300)
        assert replica.writes(*OURS) == 7
        assert simulation.wallet().status.local_usage == QUOTA
        check_bills(simulation)

    play(story())


def test_a_job_that_ends_by_itself_costs_four_writes() -> None:
    async def story() -> None:
        simulation = await prepared(exit_after="10s")
        (replica,) = simulation.replicas
        simulation.apply(wallet(quota=QUOTA))
        await simulation.pass_seconds(3)
        simulation.apply(job())
        await simulation.until(simulation.is_over)
        await simulation.pass_seconds(1)
        assert replica.writes(*OURS) == 4
        assert simulation.job().status.reason == "Completed"
        await simulation.pass_seconds(100)
        check_bills(simulation)

    play(story())


def test_an_idle_minute_costs_one_write_per_wallet_that_is_spent() -> None:
    async def story() -> None:
        simulation = await prepared()
        (replica,) = simulation.replicas
        for number in range(4):
            simulation.apply(wallet(quota=10**12), *(job(f"j{n}") for n in range(3)), namespace=f"team-{number}")
        simulation.apply(wallet(quota=10**12), namespace="idle")
        await simulation.pass_seconds(120)
        writes, jobs = replica.writes(WALLETS), replica.writes(*OURS, EVENTS)
        await simulation.pass_seconds(600)
        assert replica.writes(*OURS, EVENTS) == jobs
        assert 36 <= replica.writes(WALLETS) - writes <= 40
        assert replica.writes(LEASES) > 0

    play(story())


def test_all_jobs_below_an_edge_stop_when_it_is_used_up_and_only_they() -> None:
    async def story() -> None:
        simulation = await prepared()
        simulation.apply(wallet(quota=10**12), namespace="root")
        shared = "root/example-compute"
        simulation.apply(wallet(quota=1_000_000, parent=shared), namespace="dep")
        parent = "dep/example-compute"
        for team in ("one", "two"):
            simulation.apply(wallet(quota=900_000, parent=parent), job("a"), job("b", replicas=2), namespace=team)
        simulation.apply(wallet(quota=10**9, parent=shared), job("c"), namespace="other")
        await simulation.until(lambda: sum(each.is_final for each in simulation.jobs()) == 4, within_seconds=600)
        await simulation.pass_seconds(120)
        dep, other = (simulation.wallet(namespace=name) for name in ("dep", "other"))
        assert (dep.status.total_usage, dep.status.max_usable) == (1_000_000, 0)
        assert simulation.job("c", namespace="other").status.state is JobState.RUNNING
        assert not other.status.locked
        ends = {each.status.runs[0].ended_at for each in simulation.jobs() if each.is_final}
        assert len(ends) == 1
        simulation.edit(UCLOUDJOBS, "c", {"terminate": True}, namespace="other")
        await simulation.until(lambda: all(each.is_final for each in simulation.jobs()))
        await simulation.pass_seconds(120)
        check_bills(simulation)

    play(story())


def overruns_ms(simulation: Simulation) -> list[int]:
    """How long containers ran after what their job was billed for."""
    ends = {each.metadata.uid: each.status.runs[-1].ended_at or 0 for each in simulation.jobs()}
    return [
        simulation.kubelets.finished_ms[uid] - ends[pod["metadata"]["labels"]["ucloud.dk/job-uid"]]
        for uid, pod in simulation.audit.pods.items()
    ]


@pytest.mark.parametrize(("behaviour", "most_ms"), [({}, 1000), ({"ignore_sigterm": "true"}, 3000)])
def test_when_many_wallets_run_dry_all_containers_stop_in_time(behaviour: dict[str, str], most_ms: int) -> None:
    async def story() -> None:
        simulation = await prepared(**behaviour)
        for number in range(12):
            quota = 160_000 + 100 * number
            simulation.apply(wallet(quota=quota), job("a"), job("b", replicas=2), namespace=f"team-{number}")
        await simulation.until(lambda: simulation.jobs() and simulation.is_over())
        overruns = overruns_ms(simulation)
        assert len(overruns) == 36
        assert max(overruns) <= most_ms
        check_bills(simulation)

    play(story())


def test_the_kubelet_stops_a_job_in_time_when_nobody_else_is_there() -> None:
    async def story() -> None:
        simulation = await prepared()
        simulation.apply(wallet(quota=QUOTA, used=USED), job())
        await simulation.until(lambda: any("activeDeadlineSeconds" in pod["spec"] for pod in simulation.pods()))
        await simulation.pass_seconds(1)
        (first,) = simulation.replicas
        first.process.kill()
        await simulation.until(lambda: not simulation.kubelets.running)
        await simulation.pass_seconds(100)
        simulation.start_operator()
        await simulation.until(simulation.is_over)
        assert simulation.job().status.reason == "OutOfCredits"
        assert max(overruns_ms(simulation)) <= 2500  # a deadline counts whole seconds, and is obeyed up to one late
        await simulation.pass_seconds(5)
        check_bills(simulation)

    play(story())


def test_a_job_that_was_suspended_before_it_ran_runs_with_new_pods() -> None:
    async def story() -> None:
        simulation = await prepared(start_after="9s", exit_after="5s")
        simulation.apply(wallet(quota=QUOTA), job(replicas=2))
        await simulation.until(lambda: len(simulation.pods()) == 2)
        await simulation.pass_seconds(2)
        (first,) = simulation.replicas

        def kill_after_one_of_two(_: int) -> None:
            if simulation.steps[-1].startswith("done delete pods"):
                first.process.kill()

        simulation.on_step = kill_after_one_of_two
        simulation.edit(UCLOUDJOBS, "a", {"suspend": True})
        await simulation.until(lambda: any(pod["status"]["phase"] == "Succeeded" for pod in simulation.pods()))
        simulation.on_step = lambda _: None
        simulation.start_operator()
        await simulation.until(lambda: simulation.job().status.state is JobState.SUSPENDED)
        await simulation.until(lambda: not simulation.pods())
        simulation.edit(UCLOUDJOBS, "a", {"suspend": False})
        await simulation.until(simulation.is_over)
        ended = simulation.job().status
        assert (ended.state, ended.reason, len(ended.runs)) == (JobState.SUCCESS, "Completed", 1)
        await simulation.pass_seconds(120)
        check_bills(simulation)

    play(story())


def test_a_pod_that_turns_up_after_its_job_has_gone_is_let_go() -> None:
    async def story() -> None:
        simulation = await prepared()
        simulation.apply(wallet(quota=QUOTA), job())
        await simulation.until(simulation.pods)
        (first,) = simulation.pods()
        simulation.delete(UCLOUDJOBS, "a")
        await simulation.until(lambda: not simulation.exists(UCLOUDJOBS, "a"))
        again = {name: first["metadata"][name] for name in ("labels", "annotations", "finalizers", "ownerReferences")}
        late = {"metadata": {"name": "late", **again}, "spec": first["spec"]}
        simulation.api.create(PODS, "physics", late, user=OPERATOR)
        await simulation.until(lambda: not simulation.pods(), within_seconds=10)

    play(story())


def test_an_allocation_that_ends_stops_what_runs_on_it() -> None:
    async def story() -> None:
        simulation = await prepared()
        ends = "2025-11-24T16:05:00.500Z"
        simulation.apply(wallet(groups=[group(allocation(10**9, ends=ends))]), job())
        await simulation.until(lambda: simulation.job().is_final, within_seconds=600)
        await simulation.pass_seconds(120)
        ended = simulation.job().status
        assert (ended.reason, ended.runs[0].ended_at) == ("OutOfCredits", 1_764_000_300_500)
        check_bills(simulation)

    play(story())


@pytest.mark.parametrize(
    ("behaviour", "state", "reason"),
    [
        ({"exit_after": "3s"}, JobState.SUCCESS, "Completed"),
        ({"exit_after": "3s", "exit_code": "2"}, JobState.FAILURE, "ExitCode"),
        ({"fail": "oom", "exit_after": "5s"}, JobState.FAILURE, "OOMKilled"),
        ({"fail": "evicted", "exit_after": "5s"}, JobState.FAILURE, "Evicted"),
        ({"fail": "unknown", "exit_after": "5s"}, JobState.FAILURE, "Unknown"),
        ({"fail": "node-lost", "exit_after": "5s"}, JobState.FAILURE, "NodeLost"),
        ({"fail": "image-pull"}, JobState.FAILURE, "ImagePullFailed"),
        ({"fail": "config"}, JobState.FAILURE, "ConfigError"),
    ],
)
def test_how_a_container_ends_is_how_its_job_ends(behaviour: dict[str, str], state: JobState, reason: str) -> None:
    async def story() -> None:
        simulation = await prepared(**behaviour)
        simulation.apply(wallet(quota=QUOTA), job())
        await simulation.until(simulation.is_over)
        assert (simulation.job().status.state, simulation.job().status.reason) == (state, reason)
        await simulation.pass_seconds(120)
        check_bills(simulation)

    play(story())


def test_a_pod_on_a_silent_node_is_billed_until_its_deletion_and_no_longer() -> None:
    async def story() -> None:
        simulation = await prepared()
        simulation.apply(wallet(quota=QUOTA), job())
        await simulation.until(lambda: simulation.job().status.state is JobState.RUNNING)
        simulation.kubelets.fall_silent()
        await simulation.pass_seconds(30)
        (pod,) = simulation.pods()
        simulation.api.delete(PODS, "physics", pod["metadata"]["name"])
        await simulation.until(lambda: simulation.job().is_final, within_seconds=90)
        ended = simulation.job().status
        assert (ended.state, ended.reason) == (JobState.FAILURE, "PodDeleted")
        await simulation.pass_seconds(120)
        check_bills(simulation)
        assert "finalizers" not in simulation.pods()[0]["metadata"]

    play(story())


def test_a_job_that_comes_while_nobody_leads_finds_what_another_has_left() -> None:
    async def story() -> None:
        simulation = await prepared(exit_after="30s")
        simulation.apply(wallet(quota=200_000))
        await simulation.pass_seconds(2)
        simulation.apply(job("z"))
        await simulation.until(lambda: simulation.job("z").status.state is JobState.RUNNING)
        (first,) = simulation.replicas
        first.process.kill()
        await simulation.pass_seconds(300)  # longer than the credits would have lasted
        simulation.apply(job("a"))
        await simulation.pass_seconds(5)
        simulation.start_operator()
        await simulation.until(simulation.is_over)
        assert [simulation.job(name).status.reason for name in ("z", "a")] == ["Completed", "Completed"]
        await simulation.pass_seconds(120)
        check_bills(simulation)

    play(story())
