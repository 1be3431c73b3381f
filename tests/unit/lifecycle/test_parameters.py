import pytest

from ucloud_operator.lifecycle.parameters import DEEPEST, LARGEST, as_json, trouble_with


def nested(levels: int, *, lists: bool) -> dict[str, object]:
    """An object with others in it, so many levels in all."""
    value: object = []
    for _ in range(levels - 2):
        value = [1, value, "x"] if lists else {"a": 1, "b": value}
    return {"value": value}


@pytest.mark.parametrize("lists", [False, True], ids=["objects", "lists"])
def test_depth_has_a_limit(lists: bool) -> None:  # noqa: FBT001  # a parameter
    assert trouble_with(nested(DEEPEST, lists=lists)) == ""
    for levels in (DEEPEST + 1, 50_000):
        assert "nested more than 64 levels deep" in trouble_with(nested(levels, lists=lists))


@pytest.mark.parametrize("letter", ["x", "ø"])
def test_size_has_a_limit_in_bytes(letter: str) -> None:
    frame = len(as_json({"text": ""}))
    fits = letter * ((LARGEST - frame) // len(letter.encode()))
    assert trouble_with({"text": fits}) == ""
    size = frame + len(fits.encode()) + len(letter.encode())
    assert f"are {size} bytes long as JSON, and {LARGEST} can be passed" in trouble_with({"text": fits + letter})


def test_linux_takes_the_largest() -> None:
    assert len(f"UCLOUD_PARAMETERS={'x' * LARGEST}\0") == 128 * 1024
