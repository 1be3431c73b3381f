"""A ledger that jobs come to and go from is the ledger that is built anew each time: to the unit and the millisecond.

`EXAMPLES=20000 pytest tests/simulation` tries that many stories per test.
"""

from dataclasses import dataclass, replace

from hypothesis import given
from hypothesis import strategies as st

from tests.simulation.ledger_model import Model, sorted_state
from tests.simulation.test_ledger_model import END_MS, examples, states, states_ahead
from ucloud_operator.ledger import Allocation, Edge, Ledger, Meter, Run, State, Wallet, edits


@dataclass(frozen=True)
class Change:
    """Some time passes, then a job comes, goes on or goes. Numbers choose among what there is."""

    after_ms: int
    decided: bool
    kind: str
    which: int
    late_ms: int
    run: Run

    def meter(self, state: State) -> Meter:
        """Return a job that starts now, or did a while ago, as far as can be."""
        start_ms = state.at_ms - self.late_ms
        begun = replace(self.run, start_ms=start_ms, end_ms=self.run.end_ms and start_ms + self.run.end_ms)
        if self.kind == "resume" and state.meters:
            known = state.meters[self.which % len(state.meters)]
            last = known.runs[-1]
            if last.end_ms is None:
                return replace(known, runs=(*known.runs[:-1], replace(last, replicas=last.replicas + 1)))
            moved = max(begun.start_ms, last.end_ms)
            ends = begun.end_ms if begun.end_ms is None else max(begun.end_ms, moved)
            return replace(known, runs=(*known.runs, replace(begun, start_ms=moved, end_ms=ends)))
        wallet = state.wallets[self.which % len(state.wallets)]
        charged = min(
            self.late_ms, wallet.local_usage - sum(m.charged for m in state.meters if m.wallet == wallet.name)
        )
        return Meter(f"{self.run.price}-{self.which}", wallet.name, (begun,), charged)


changes = st.lists(
    st.builds(
        Change,
        st.sampled_from([0, 0, 1, 1, 2, 3, 5, 9]),
        st.booleans(),
        st.sampled_from(["start", "start", "stop", "resume"]),
        st.integers(0, 9),
        st.sampled_from([0, 0, 0, 1, 4]),
        st.builds(
            Run,
            st.just(0),
            st.one_of(st.none(), st.integers(1, 9)),
            st.integers(0, 6),
            st.integers(1, 2),
            st.sampled_from([1, 1, 1, 2, 3, 6]),
        ),
    ),
    max_size=5,
)


@st.composite
def busy(draw: st.DrawFn) -> State:
    """States in which little happens but jobs: windows are long, most wallets have credits, all periods go into six."""
    names = [f"w{number}" for number in range(draw(st.integers(1, 5)))]
    wallets = []
    for number, name in enumerate(names):
        above: list[str | None] = [None, *names[:number]]
        parents = draw(
            st.lists(st.sampled_from(above), unique=True, min_size=1, max_size=draw(st.sampled_from([1, 2])))
        )
        quotas = [draw(st.integers(5, 200)) for _ in parents]
        windows = [Allocation("a", quota, 0, 9 * END_MS + quota % 3) for quota in quotas]
        edges = tuple(Edge(parent, (window,)) for parent, window in zip(parents, windows, strict=True))
        wallets.append(Wallet(name, edges, free_to_use=draw(st.integers(0, 9)) == 0))
    runs = st.builds(
        Run,
        st.integers(0, 3),
        st.one_of(st.none(), st.integers(9, END_MS)),
        st.integers(1, 5),
        st.integers(1, 2),
        st.sampled_from([1, 2, 3, 6]),
    )
    jobs = draw(st.lists(st.tuples(st.sampled_from(names), runs), max_size=5))
    meters = [Meter(f"j{number}", name, (run,)) for number, (name, run) in enumerate(jobs)]
    return State(3, tuple(wallets), (*meters, Meter("six", names[0], (Run(0, None, 0, 1, 6),))))


def outlook(ledger: Ledger) -> object:
    return ledger.forecast(), list(ledger.forecasts(2 * END_MS))


def same(lived: Ledger, rebuilt: Ledger, *, decided: bool) -> None:
    """Compare without letting the one that is lived in catch up."""
    ahead = lived.twin()
    for horizon_ms in range(lived.at_ms, lived.at_ms + 10 * decided):
        assert lived.forecast(horizon_ms) == next(rebuilt.forecasts(horizon_ms), None)
    if decided:
        assert outlook(lived) == outlook(rebuilt)
        assert [ahead.charged(meter.uid) for meter in rebuilt.state().meters] == [
            rebuilt.charged(meter.uid) for meter in rebuilt.state().meters
        ]
    assert sorted_state(ahead.state()) == sorted_state(rebuilt.state())
    for wallet in rebuilt.state().wallets:
        assert ahead.numbers(wallet.name) == rebuilt.numbers(wallet.name)
        assert ahead.rate_per_minute(wallet.name) == rebuilt.rate_per_minute(wallet.name)


def changed(lived: Ledger, rebuilt: Ledger, change: Change) -> Ledger:
    """Make the change in the one, and return the other built anew with it."""
    state = rebuilt.state()
    if change.kind == "stop" and not state.meters:
        return rebuilt
    if change.kind == "stop":
        uid = state.meters[change.which % len(state.meters)].uid
        try:
            edited = edits.stop(state, uid)
        except ValueError:
            return rebuilt
        lived.stop(uid)
        return Ledger(edited)
    meter = change.meter(state)
    others = tuple(one for one in state.meters if one.uid != meter.uid)
    try:
        anew = Ledger(replace(state, meters=(*others, meter)))
    except ValueError:
        return rebuilt
    assert lived.runway(meter, 2 * END_MS) == anew.runway(meter, 2 * END_MS)
    lived.start(meter)
    return anew


@examples
@given(st.one_of(busy(), busy(), states(), states_ahead()), changes)
def test_jobs_that_come_and_go_leave_the_ledger_that_is_built_anew(state: State, story: list[Change]) -> None:
    lived, rebuilt = Ledger(state), Ledger(state)
    for change in story:
        to_ms = lived.at_ms + change.after_ms
        if change.decided:
            assert lived.advance(to_ms) == rebuilt.advance(to_ms)
        else:
            assert lived.reach(to_ms) == rebuilt.reach(to_ms)
        same(lived, rebuilt, decided=change.decided)
        rebuilt = changed(lived, rebuilt, change)
    assert lived.advance(2 * END_MS) == rebuilt.advance(2 * END_MS)
    same(lived, rebuilt, decided=True)


@examples
@given(st.one_of(busy(), states()), changes)
def test_and_the_one_that_the_definition_gives(state: State, story: list[Change]) -> None:
    lived, walked = Ledger(state), state
    for change in story:
        model = Model(walked)
        stops = model.advance(lived.at_ms + change.after_ms)
        assert list(lived.advance(lived.at_ms + change.after_ms)) == stops
        walked = sorted_state(model.now())
        assert sorted_state(lived.twin().state()) == walked
        walked = sorted_state(changed(lived, Ledger(walked), change).state())
    assert list(lived.advance(2 * END_MS)) == Model(walked).advance(2 * END_MS)
