"""UCloud's pages: `{itemsPerPage, items, next}`.

Nothing is kept between two pages: `next` is the place of the last item that was shown. So what is created or deleted
meanwhile neither repeats an item nor skips one. Where a caller chose the order, `next` is a number of items, as in
UCloud, and that doesn't hold.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TypeVar

from ucloud_operator.gateway.errors import bad_request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

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
    skipped, size = _skipped(asked), _size(asked)
    items = sorted(found, key=place, reverse=newest_first)
    if asked.next is not None:
        items = [item for item in items if _is_behind(place(item), asked.next, newest_first=newest_first)]
    shown, rest = items[skipped : skipped + size], items[skipped + size :]
    return {
        "itemsPerPage": size,
        "items": [render(item) for item in shown],
        "next": place(shown[-1]) if rest else None,
    }


def page_of(ordered: Sequence[T], asked: PageQuery, *, render: Callable[[T], object]) -> Mapping[str, object]:
    """Return the part that was asked for of what is in a chosen order: `next` says how many items came before.

    Raises:
        RefusalError: 400, as above, or if `next` is no number.
    """
    if asked.next is not None and not re.fullmatch("[0-9]{1,18}", asked.next):
        raise bad_request("Invalid offset")
    first, size = int(asked.next or 0) + _skipped(asked), _size(asked)
    last = first + size
    return {
        "itemsPerPage": size,
        "items": [render(item) for item in ordered[first:last]],
        "next": str(last) if last < len(ordered) else None,
    }


def _skipped(asked: PageQuery) -> int:
    if asked.items_to_skip is not None and asked.items_to_skip < 0:
        raise bad_request("Invalid offset")
    return asked.items_to_skip or 0


def _size(asked: PageQuery) -> int:
    wanted = asked.items_per_page or 0
    return min(wanted, MOST_ITEMS) if wanted > 0 else USUAL_ITEMS


def _is_behind(one: str, other: str, *, newest_first: bool) -> bool:
    return one < other if newest_first else one > other
