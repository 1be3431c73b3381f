"""A statement's object is found by its name alone, so the name must be the same every time and nobody else's."""

import itertools
import re

from hypothesis import given
from hypothesis import strategies as st

from ucloud_operator.api import statement_name
from ucloud_operator.api.common import DNS_LABEL_PATTERN

labels = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", fullmatch=True)
names = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,40}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,40}[a-z0-9])?){0,4}", fullmatch=True)
texts = st.text(min_size=1, max_size=253)
parts = st.integers(min_value=1, max_value=10**9)


def test_it_says_whose_it_is_and_of_when() -> None:
    name = statement_name("lab", "example-compute", "example-compute", "example", "2026-11", 1)
    assert name == "lab-example-compute-2026-11-1-4syaouw7rqrerjha"


@given(namespace=labels, name=names, category=texts, provider=texts, part=parts)
def test_it_is_a_label_and_says_when_however_long_the_names_are(
    namespace: str, name: str, category: str, provider: str, part: int
) -> None:
    named = statement_name(namespace, name, category, provider, "2026-11", part)
    assert len(named) <= 63
    assert re.fullmatch(DNS_LABEL_PATTERN, named)
    assert f"-2026-11-{part}-" in named
    assert named == statement_name(namespace, name, category, provider, "2026-11", part)


def test_wallets_that_look_alike_have_different_statements() -> None:
    long = "w" * 253
    wallets = [
        ("a-b", "c", "c", "p"),
        ("a", "b-c", "c", "p"),
        ("a", "b.c", "c", "p"),
        ("a", "b-c", "p", "c"),
        ("a", "b-c", "cp", ""),
        ("a", "b-c", "c", "p2"),
        ("n" * 63, long, "c", "p"),
        ("n" * 63, long[:-1], "c", "p"),
    ]
    statements = {
        statement_name(*wallet, month, part)
        for wallet, month, part in itertools.product(wallets, ("2026-11", "2026-12"), (1, 2, 12))
    }
    assert len(statements) == len(wallets) * 6
