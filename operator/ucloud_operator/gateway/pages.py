"""UCloud's pages: `{itemsPerPage, items, next}`.

Nothing is kept between two pages: `next` is the place of the last item that was shown. So what is created or deleted
meanwhile neither repeats an item nor skips one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from ucloud_operator.gateway.errors import bad_request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ucloud_operator.gateway.asked import PageQuery

T = TypeVar("T")

USUAL_ITEMS: Final = 50
MOST_ITEMS: Final = 1000


def page(
    found: Iterable[T],
    asked: PageQuery,
    *,
    place: Callable[[T], str],
    render: Callable[[T], object],
    newest_first: bool = False,
) -> Mapping[str, object]:
    """Return the part that was asked for, in the order of `place`, a text that no two items share.

    Raises:
        RefusalError: 400, if a negative number of items was to be skipped.
    """
    skipped = asked.items_to_skip or 0
    if skipped < 0:
        raise bad_request("Invalid offset")
    size = USUAL_ITEMS if (asked.items_per_page or 0) <= 0 else min(asked.items_per_page or 0, MOST_ITEMS)
    items = sorted(found, key=place, reverse=newest_first)
    if asked.next is not None:
        items = [item for item in items if _is_behind(place(item), asked.next, newest_first=newest_first)]
    shown, rest = items[skipped : skipped + size], items[skipped + size :]
    return {
        "itemsPerPage": size,
        "items": [render(item) for item in shown],
        "next": place(shown[-1]) if rest else None,
    }


def _is_behind(one: str, other: str, *, newest_first: bool) -> bool:
    return one < other if newest_first else one > other
