from __future__ import annotations

import pytest

from tests.unit.kube.scripted import thing
from ucloud_operator.kube import store as store_module
from ucloud_operator.kube.objects import JsonObject, number, section
from ucloud_operator.kube.store import Change, ChangeKind, Key, Store

Prices = Store[int]


def price(raw: JsonObject) -> int:
    found = number(section(raw, "spec"), "price")
    if found is None:
        raise ValueError("has no price")
    return found


@pytest.fixture
def changes() -> list[Change[int]]:
    return []


@pytest.fixture
def store(changes: list[Change[int]]) -> Prices:
    return Store(price, changes.append)


def told(changes: list[Change[int]]) -> list[tuple[str, str, int]]:
    return [(change.kind.value, change.key.name, change.object) for change in changes]


def test_changes_are_told_in_order(store: Prices, changes: list[Change[int]]) -> None:
    store.apply(thing("a", 1, price=10))
    store.apply(thing("a", 2, price=20))
    store.remove(thing("a", 3, price=30))
    assert told(changes) == [("ADDED", "a", 10), ("MODIFIED", "a", 20), ("DELETED", "a", 30)]
    assert [change.before for change in changes] == [None, 10, 20]
    assert not changes[-1].vanished


def test_objects_are_found_by_place_and_uid(store: Prices) -> None:
    store.apply(thing("a", 1, price=10))
    assert store.get("physics", "a") == store.find("uid-a") == 10
    assert store.get("physics", "b") is None
    assert store.find("uid-b") is None
    assert list(store) == list(store.keys()) == [Key("physics", "a")]
    assert (len(store), store.values(), Key("physics", "a") in store) == (1, [10], True)
    assert [str(Key("physics", "a")), str(Key("", "u1"))] == ["physics/a", "u1"]


def test_older_news_change_nothing(store: Prices, changes: list[Change[int]]) -> None:
    assert store.apply(thing("a", 10, price=1)) == 1
    assert store.apply(thing("a", 9, price=2)) == 1
    assert store.apply(thing("a", 10, price=3)) == 1
    assert len(changes) == 1


def test_versions_are_numbers(store: Prices) -> None:
    store.apply(thing("a", 9, price=1))
    assert store.apply(thing("a", 10, price=2)) == 2


def test_a_late_answer_does_not_bring_a_deleted_object_back(store: Prices) -> None:
    store.apply(thing("a", 1, price=1))
    store.remove(thing("a", 5, price=1))
    assert store.apply(thing("a", 4, price=2)) is None
    assert len(store) == 0


def test_an_answer_that_comes_after_a_deletion_nobody_knew_of_changes_nothing(store: Prices) -> None:
    store.remove(thing("a", 5, price=1))
    assert store.apply(thing("a", 4, price=2)) is None


def test_a_late_answer_about_a_predecessor_changes_nothing(store: Prices) -> None:
    store.apply(thing("a", 1, uid="first", price=1))
    store.remove(thing("a", 5, uid="first", price=1))
    store.apply(thing("a", 6, uid="second", price=2))
    assert store.apply(thing("a", 4, uid="first", price=3)) == 2
    store.remove(thing("a", 5, uid="first", price=1))
    assert store.get("physics", "a") == 2


def test_what_left_a_selection_may_come_back(store: Prices) -> None:
    store.apply(thing("a", 1, price=1))
    store.remove(thing("a", 5, price=1))
    assert store.apply(thing("a", 6, price=2)) == 2


def test_a_name_used_again_is_a_deletion_and_an_addition(store: Prices, changes: list[Change[int]]) -> None:
    store.apply(thing("a", 1, uid="first", price=1))
    store.apply(thing("a", 6, uid="second", price=2))
    assert told(changes) == [("ADDED", "a", 1), ("DELETED", "a", 1), ("ADDED", "a", 2)]
    assert [change.uid for change in changes] == ["first", "first", "second"]
    assert changes[1].vanished
    assert store.find("first") is None


def test_a_sweep_drops_what_a_list_lacks(store: Prices, changes: list[Change[int]]) -> None:
    for name in ("a", "b"):
        store.apply(thing(name, 1, price=1))
    store.sweep({"uid-a"}, at_version=9)
    assert told(changes)[2:] == [("DELETED", "b", 1)]
    assert changes[-1].vanished
    assert store.apply(thing("b", 9, price=1)) is None


def test_a_sweep_spares_what_is_newer_than_the_list(store: Prices) -> None:
    store.apply(thing("ours", 10, price=1))
    store.sweep(set(), at_version=9)
    assert store.get("physics", "ours") == 1


def test_an_unreadable_object_is_left_as_it_was(store: Prices, caplog: pytest.LogCaptureFixture) -> None:
    store.apply(thing("a", 1, price=1))
    assert store.apply(thing("a", 2)) == 1
    assert store.unreadable == {"uid-a": "physics/a: has no price"}
    store.apply(thing("a", 2))
    assert caplog.text.count("physics/a can't be read") == 1
    assert store.apply(thing("a", 3, price=3)) == 3
    assert not store.unreadable


def test_an_unreadable_object_that_goes_is_forgotten(store: Prices, changes: list[Change[int]]) -> None:
    store.apply(thing("a", 1, price=1))
    store.apply(thing("a", 2))
    store.remove(thing("a", 3))
    assert told(changes) == [("ADDED", "a", 1), ("DELETED", "a", 1)]
    assert not store.unreadable


def test_an_object_that_was_never_readable_is_forgotten_too(store: Prices) -> None:
    store.apply(thing("a", 1))
    store.apply(thing("b", 1))
    store.remove(thing("a", 2))
    store.sweep(set(), at_version=3)
    assert not store.unreadable


def test_a_history_that_went_back_is_believed(store: Prices, changes: list[Change[int]]) -> None:
    store.apply(thing("a", 100, price=1))
    store.apply(thing("b", 101, price=1))
    store.remove(thing("c", 102, price=1))
    store.rewind()
    store.apply(thing("a", 50, price=2))
    store.apply(thing("c", 51, price=3))
    store.sweep({"uid-a", "uid-c"}, at_version=60)
    assert told(changes)[2:] == [("MODIFIED", "a", 2), ("ADDED", "c", 3), ("DELETED", "b", 1)]


def test_a_listener_that_fails_blinds_nobody(caplog: pytest.LogCaptureFixture) -> None:
    def fail(change: Change[int]) -> None:
        raise RuntimeError(change.key.name)

    store = Store(price, fail)
    store.apply(thing("a", 1, price=1))
    assert len(store) == 1
    assert "ADDED of physics/a was not taken note of" in caplog.text


def test_deletions_are_remembered_for_a_while(store: Prices, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "REMEMBERED_DELETIONS", 2)
    for name in ("a", "b", "c"):
        store.remove(thing(name, 5, price=1))
    assert store.apply(thing("c", 4, price=1)) is None
    assert store.apply(thing("a", 4, price=1)) == 1  # as long as a request may take, not for good


def test_kinds_read_as_the_api_servers() -> None:
    assert ChangeKind("DELETED") is ChangeKind.DELETED
