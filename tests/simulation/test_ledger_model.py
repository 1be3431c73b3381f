"""The ledger against its definition (`ledger_model.py`), on random stories with tiny numbers and tiny periods.

`EXAMPLES=20000 pytest tests/simulation` tries that many stories per test.
"""

import os
import random
from dataclasses import dataclass, replace
from typing import TypeVar

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.simulation.ledger_model import Model, sorted_state
from ucloud_operator.ledger import Allocation, Edge, Ledger, Meter, Phase, Run, State, Stop, Wallet, usage_at
from ucloud_operator.ledger.flow import largest_flow
from ucloud_operator.ledger.invariants import no_edge_is_overdrawn, violations
from ucloud_operator.ledger.network import Network

T = TypeVar("T")
END_MS = 40
examples = settings(
    deadline=None,
    max_examples=int(os.environ.get("EXAMPLES", "100")),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@st.composite
def allocations(draw: st.DrawFn) -> tuple[Allocation, ...]:
    windows = draw(st.lists(st.tuples(st.integers(0, 20), st.integers(1, 30), st.integers(0, 30)), max_size=2))
    always = [(0, END_MS + 10, draw(st.integers(1, 80)))] if draw(st.integers(0, 3)) else []
    return tuple(
        Allocation(f"a{number}", quota, start, start + length)
        for number, (start, length, quota) in enumerate([*always, *windows])
    )


@st.composite
def wallets(draw: st.DrawFn) -> tuple[Wallet, ...]:
    """Mostly trees and graphs whose parents come first; now and then a circle, a missing parent, a blocked wallet."""
    names = [f"w{number}" for number in range(draw(st.sampled_from([1, 2, 3, 4, 5, 5])))]
    made = []
    for number, name in enumerate(names):
        above: list[str | None] = [None, *names[:number]]
        if draw(st.integers(0, 9)) == 0:
            above += [*names[number:], "ghost"]
        size = draw(st.sampled_from([1, 1, 1, 2, 2, 3, 0]))
        chosen = draw(st.lists(st.sampled_from(above), unique=True, min_size=min(size, len(above)), max_size=size))
        edges = tuple(Edge(parent, draw(allocations())) for parent in chosen)
        blocked = "deleted" if draw(st.integers(0, 14)) == 0 else ""
        opening = draw(st.sampled_from([0, 0, 0, 5, 50]))
        made.append(Wallet(name, edges, opening, free_to_use=draw(st.integers(0, 9)) == 0, blocked=blocked))
    return tuple(made)


@st.composite
def runs(draw: st.DrawFn, earliest_ms: int = 0) -> tuple[Run, ...]:
    made: list[Run] = []
    start = draw(st.integers(earliest_ms, 25))
    for _ in range(draw(st.sampled_from([1, 1, 1, 2, 3]))):
        length = draw(st.integers(0, 20))
        price, replicas = draw(st.integers(0, 6)), draw(st.integers(1, 2))
        made.append(Run(start, start + length, price, replicas, draw(st.integers(1, 7))))
        start += length + draw(st.integers(0, 4))
    if draw(st.booleans()):
        made[-1] = replace(made[-1], end_ms=None)
    return tuple(made)


@st.composite
def states(draw: st.DrawFn) -> State:
    graph = draw(wallets())
    names = st.sampled_from([wallet.name for wallet in graph])
    jobs = draw(st.lists(st.tuples(names, runs()), min_size=draw(st.sampled_from([0, 1, 2, 3])), max_size=5))
    meters = tuple(Meter(f"j{number}", name, its_runs) for number, (name, its_runs) in enumerate(jobs))
    return State(draw(st.sampled_from([0, 0, 3, 10])), graph, meters)


@st.composite
def states_ahead(draw: st.DrawFn) -> State:
    """States in which some job was charged for more time than has passed, or owes for time that has."""
    state = draw(states())
    meters = []
    for meter in state.meters:
        charged = usage_at(meter.runs, draw(st.integers(0, END_MS)))
        meters.append(replace(meter, charged=charged, overrun=draw(st.integers(0, 3))))
    charged_in = {wallet.name: 0 for wallet in state.wallets}
    for meter in meters:
        charged_in[meter.wallet] += meter.charged
    wallets = (replace(wallet, local_usage=wallet.local_usage + charged_in[wallet.name]) for wallet in state.wallets)
    return State(state.at_ms, tuple(wallets), tuple(meters))


@dataclass(frozen=True)
class Edit:
    """Something that people do at an instant; numbers choose among what there is."""

    at_ms: int
    kind: str
    which: int
    amount: int

    def on(self, state: State) -> State:
        names = [wallet.name for wallet in state.wallets]
        name = names[self.which % len(names)]
        wallet = next(wallet for wallet in state.wallets if wallet.name == name)
        match self.kind:
            case "open" if not wallet.free_to_use:
                changed = replace(wallet, local_usage=wallet.local_usage + self.amount)
            case "block":
                changed = replace(wallet, blocked="" if wallet.blocked else "deleted")
            case "resize" | "grant" if wallet.edges:
                edge = wallet.edges[self.amount % len(wallet.edges)]
                changed_edge = self.resized(edge) if self.kind == "resize" else self.granted(edge, state.at_ms)
                edges = tuple(changed_edge if one is edge else one for one in wallet.edges)
                changed = replace(wallet, edges=edges)
            case "job":
                begun = Run(max(0, state.at_ms - self.which), None, self.amount, 1, 3)
                if any(meter.uid == "new" for meter in state.meters):
                    return state
                return replace(state, meters=(*state.meters, Meter("new", name, (begun,))))
            case _:
                return state
        return replace(state, wallets=tuple(changed if one is wallet else one for one in state.wallets))

    def resized(self, edge: Edge) -> Edge:
        sized = tuple(
            one if one.phase is Phase.RETIRED else replace(one, quota=self.amount) for one in edge.allocations
        )
        return replace(edge, allocations=sized)

    def granted(self, edge: Edge, at_ms: int) -> Edge:
        new = Allocation(f"g{at_ms}-{len(edge.allocations)}", self.amount, at_ms - 2, at_ms + self.which)
        return replace(edge, allocations=(*edge.allocations, new))


KINDS = ["open", "resize", "grant", "block", "job"]
edits = st.lists(
    st.builds(Edit, st.integers(10, END_MS), st.sampled_from(KINDS), st.integers(0, 9), st.integers(0, 40)), max_size=4
).map(lambda some: sorted(some, key=lambda edit: edit.at_ms))


def as_walked(state: State, to_ms: int) -> tuple[State, list[Stop]]:
    model = Model(state)
    stops = model.advance(to_ms)
    return sorted_state(model.now()), stops


@examples
@given(states(), st.integers(0, 30))
def test_the_ledger_does_what_the_definition_says(state: State, more_ms: int) -> None:
    ledger = Ledger(state)
    stops = ledger.advance(state.at_ms + more_ms)
    expected, expected_stops = as_walked(state, state.at_ms + more_ms)
    assert list(stops) == expected_stops
    assert sorted_state(ledger.state()) == expected
    assert violations(ledger.state()) == []
    assert list(no_edge_is_overdrawn(ledger.state())) == []


@examples
@given(states_ahead(), st.integers(0, 30))
def test_also_when_a_job_has_paid_too_much_or_too_little_before(state: State, more_ms: int) -> None:
    ledger = Ledger(state)
    forecasts = [stop for forecast in ledger.forecasts(state.at_ms + more_ms) for stop in forecast.stops]
    stops = ledger.advance(state.at_ms + more_ms)
    expected, expected_stops = as_walked(state, state.at_ms + more_ms)
    assert list(stops) == forecasts == expected_stops
    assert sorted_state(ledger.state()) == expected


@examples
@given(states(), edits)
def test_also_when_people_edit_wallets_on_the_way(state: State, story: list[Edit]) -> None:
    walked = lived = state
    for edit in story:
        ledger = Ledger(lived)
        stops = ledger.advance(max(edit.at_ms, state.at_ms))
        walked, expected_stops = as_walked(walked, max(edit.at_ms, state.at_ms))
        assert list(stops) == expected_stops
        assert sorted_state(ledger.state()) == walked
        assert violations(walked) == []
        lived, walked = edit.on(sorted_state(ledger.state())), edit.on(walked)
    ledger = Ledger(lived)
    assert (list(ledger.advance(END_MS)), as_walked(walked, END_MS)[0]) == (
        as_walked(walked, END_MS)[1],
        sorted_state(ledger.state()),
    )


@examples
@given(states(), st.lists(st.integers(0, END_MS), max_size=4))
def test_the_result_does_not_depend_on_how_time_is_cut_or_on_rebuilding(state: State, cuts: list[int]) -> None:
    straight, cut, rebuilt = Ledger(state), Ledger(state), Ledger(state)
    cut_stops: list[Stop] = []
    rebuilt_stops: list[Stop] = []
    for at_ms in [*sorted(ms for ms in cuts if ms > state.at_ms), END_MS]:
        cut_stops += cut.advance(at_ms)
        rebuilt_stops += rebuilt.reach(at_ms)
        rebuilt = Ledger(rebuilt.state())
        rebuilt_stops += rebuilt.advance(at_ms)
    stops = straight.advance(END_MS)
    assert stops == tuple(cut_stops) == tuple(rebuilt_stops)
    assert straight.state() == cut.state() == rebuilt.state()


@examples
@given(states(), st.randoms(use_true_random=False))
def test_the_order_of_the_input_means_nothing(state: State, chance: random.Random) -> None:
    def shuffled(some: tuple[T, ...]) -> tuple[T, ...]:
        return tuple(chance.sample(some, len(some)))

    def mixed(wallet: Wallet) -> Wallet:
        edges = (replace(edge, allocations=shuffled(edge.allocations)) for edge in wallet.edges)
        return replace(wallet, edges=shuffled(tuple(edges)))

    unordered = Ledger(State(state.at_ms, shuffled(tuple(map(mixed, state.wallets))), shuffled(state.meters)))
    ordered = Ledger(state)
    assert ordered.advance(END_MS) == unordered.advance(END_MS)
    assert sorted_state(ordered.state()) == sorted_state(unordered.state())


@examples
@given(states(), st.one_of(st.none(), st.integers(0, END_MS)))
def test_a_forecast_is_what_then_happens(state: State, horizon_ms: int | None) -> None:
    ledger = Ledger(state)
    before = ledger.state()
    forecasts = list(ledger.forecasts(horizon_ms))
    assert ledger.state() == before
    until_ms = max(state.at_ms, 2 * END_MS if horizon_ms is None else horizon_ms)
    _, stops = as_walked(state, until_ms)
    assert [stop for forecast in forecasts for stop in forecast.stops if stop.at_ms <= until_ms] == stops
    assert all(stop.at_ms == forecast.at_ms for forecast in forecasts for stop in forecast.stops)
    assert next(iter(forecasts), None) == ledger.forecast(horizon_ms)


@examples
@given(states(), st.integers(0, 20))
def test_what_is_usable_is_the_least_cut(state: State, more_ms: int) -> None:
    ledger = Ledger(state)
    ledger.advance(state.at_ms + more_ms)
    model, network = Model(ledger.state()), Network(ledger.state().wallets)
    for wallet in state.wallets:
        numbers = ledger.numbers(wallet.name)
        assert numbers.max_usable == model.max_usable(wallet.name)
        assert numbers.max_usable == largest_flow(network, network.index[wallet.name])
        assert numbers.excess == model.excess(wallet.name)
        if not wallet.free_to_use:
            assert numbers.locked == (numbers.max_usable == 0)
