"""Playing a scenario: what would the wallets say after every step? For what-ifs, and to compare with another ledger.

At each step, whatever falls due on the way has happened before the step's operations; those apply one after the other,
and only then is decided who stops at that instant.
"""

from collections.abc import Iterator, Mapping
from typing import assert_never

from ucloud_operator.ledger import edits
from ucloud_operator.ledger.ledger import MINUTE_MS, Ledger
from ucloud_operator.ledger.scenario import Act, Allocate, Begin, End, Resize, ScenarioError, Usage, read
from ucloud_operator.ledger.state import Allocation, Run, State

Json = dict[str, object]


def replay(scenario: Mapping[str, object]) -> Iterator[Json]:
    """Yield `{"at": minute, "wallets": {name: {field: value, …}}}` per step.

    From the first `run` on it has `"forecast"`, too: `{"atMs": …, "stops": [job, …]}`, or None where the credits last.
    Raises ScenarioError, which names the step and the operation.
    """
    steps = read(scenario).steps
    reported: dict[tuple[str, str], int] = {}
    ledger = Ledger(State(steps[0].at * MINUTE_MS if steps else 0, ()))
    for number, step in enumerate(steps, 1):
        place = f"step {number}"
        try:
            ledger.reach(step.at * MINUTE_MS)
            for position, ((name, act),) in enumerate((operation.acts.items() for operation in step.do), 1):
                place = f"step {number}, operation {position}, {name}"
                ledger = Ledger(_applied(ledger.state(), act, reported))
                ledger.reach(step.at * MINUTE_MS)
        except ValueError as error:
            raise ScenarioError(f"{place}: {error}") from error
        ledger.advance(step.at * MINUTE_MS)
        yield {"at": step.at, "wallets": _numbers(ledger)} | _forecast(ledger)


def _applied(state: State, act: Act, reported: dict[tuple[str, str], int]) -> State:
    match act:
        case Allocate() as new:
            window = new.start * MINUTE_MS, new.end * MINUTE_MS
            return edits.allocate(state, new.to, new.source, Allocation(new.id, new.quota, *window))
        case Resize() as size:
            return edits.resize(state, size.id, size.quota)
        case Usage() as usage:
            more = usage.total - reported.get((usage.wallet, usage.job), 0)
            if more < 0:
                raise ValueError(f"{usage.job} has used {usage.total - more} already, more than {usage.total}")
            if any(meter.uid == usage.job for meter in state.meters):
                raise ValueError(f"{usage.job} is metered by its runs, so it can't report as well")
            reported[usage.wallet, usage.job] = usage.total
            return edits.use(state, usage.wallet, more)
        case Begin() as begin:
            if any(job == begin.job for _, job in reported):
                raise ValueError(f"{begin.job} reports its usage, so it can't be metered as well")
            begun = Run(state.at_ms, None, begin.price_per_minute, begin.replicas, MINUTE_MS)
            return edits.run(state, begin.job, begin.wallet, begun)
        case End() as end:
            return edits.stop(state, end.job)
    assert_never(act)


def _numbers(ledger: Ledger) -> Json:
    return {
        name: {
            "localUsage": numbers.local_usage,
            "totalUsage": numbers.total_usage,
            "treeUsage": numbers.tree_usage,
            "quota": numbers.quota,
            "totalAllocated": numbers.total_allocated,
            "maxUsable": numbers.max_usable,
            "locked": numbers.locked,
        }
        for name, numbers in ((wallet.name, ledger.numbers(wallet.name)) for wallet in ledger.state().wallets)
    }


def _forecast(ledger: Ledger) -> Json:
    if not ledger.state().meters:
        return {}
    forecast = ledger.forecast()
    if forecast is None:
        return {"forecast": None}
    return {"forecast": {"atMs": forecast.at_ms, "stops": [stop.uid for stop in forecast.stops]}}
