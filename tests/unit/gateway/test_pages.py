"""UCloud's pages, without anything that is kept between two of them."""

import pytest

from ucloud_operator.gateway.asked import PageQuery
from ucloud_operator.gateway.errors import RefusalError
from ucloud_operator.gateway.pages import page, page_of

LETTERS = "badc"


def ask(items: str = LETTERS, *, newest_first: bool = False, **asked: object) -> tuple[object, object, object]:
    query = PageQuery.model_validate(asked)
    shown = page(items, query, place=str, render=str.upper, newest_first=newest_first)
    assert list(shown) == ["itemsPerPage", "items", "next"]
    return shown["itemsPerPage"], shown["items"], shown["next"]


def test_everything_fits_on_the_usual_page() -> None:
    assert ask() == (50, ["A", "B", "C", "D"], None)
    assert ask("") == (50, [], None)


@pytest.mark.parametrize(("wanted", "size"), [(0, 50), (-7, 50), (1, 1), (250, 250), (1000, 1000), (1001, 1000)])
def test_a_page_has_up_to_a_thousand_items(wanted: int, size: int) -> None:
    assert ask(itemsPerPage=wanted)[0] == size


@pytest.mark.parametrize("newest_first", [False, True])
def test_next_goes_on_where_the_last_page_ended_though_its_last_item_is_gone(*, newest_first: bool) -> None:
    size, shown, following = ask(itemsPerPage=3, newest_first=newest_first)
    rest = LETTERS.replace(str(following), "")
    assert (size, shown) == (3, ["D", "C", "B"] if newest_first else ["A", "B", "C"])
    assert ask(rest, itemsPerPage=3, next=following, newest_first=newest_first) == (
        3,
        ["A"] if newest_first else ["D"],
        None,
    )


def test_items_can_be_skipped() -> None:
    assert ask(itemsPerPage=2, itemsToSkip=1) == (2, ["B", "C"], "c")
    assert ask(itemsToSkip=9) == (50, [], None)
    with pytest.raises(RefusalError, match="Invalid offset"):
        ask(itemsToSkip=-1)


def test_a_parameter_without_a_value_is_none() -> None:
    assert ask(itemsPerPage="", next="", itemsToSkip="") == ask()


def test_in_a_chosen_order_next_says_how_many_came_before() -> None:
    def part(**asked: object) -> tuple[object, object]:
        shown = page_of(LETTERS, PageQuery.model_validate(asked), render=str.upper)
        assert list(shown) == ["itemsPerPage", "items", "next"]
        return shown["items"], shown["next"]

    assert part() == (["B", "A", "D", "C"], None)
    assert part(itemsPerPage=3) == (["B", "A", "D"], "3")
    assert part(itemsPerPage=3, next="3") == (["C"], None)
    assert part(itemsPerPage=2, itemsToSkip=1) == (["A", "D"], "3")
    assert part(next="9" * 18) == ([], None)
    for senseless in ("-1", "1.0", "٣", "9" * 19, "000000000000001-b"):
        with pytest.raises(RefusalError, match="Invalid offset"):
            part(next=senseless)
