"""docs/gateway.md explains every option of the command, with its default."""

import re
from pathlib import Path

import click
import pytest

from ucloud_operator.__main__ import gateway

PAGE = (Path(__file__).parents[3] / "docs" / "gateway.md").read_text(encoding="utf-8")
OPTIONS = [option for option in gateway.params if isinstance(option, click.Option)]


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.opts[0])
def test_every_option_is_explained_with_its_default(option: click.Option) -> None:
    default = "" if option.is_flag else rf"`{re.escape(str(option.default))}` "
    assert re.search(rf"^\| `{option.opts[0]}` \| {default}\| [^|]+ \|$", PAGE, re.MULTILINE)


def test_no_other_option_is() -> None:
    assert set(re.findall(r"^\| `(--[a-z-]+)`", PAGE, re.MULTILINE)) == {option.opts[0] for option in OPTIONS}
