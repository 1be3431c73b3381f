"""The example of UCloud's documentation, "Running out of compute credits": its commands and what they are answered."""

import json
import os
import re
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from devcluster.problems import DevclusterError

_CURL_SECONDS = 60
CONVERSATION = (Path(__file__).parent / "conversation.txt").read_text()


def exchanges() -> list[tuple[str, dict[str, object]]]:
    """The commands of the conversation, as they stand, each with the JSON that is printed behind it."""
    _, _, told = CONVERSATION.partition("Communication Flow: Curl")
    found = []
    for begin in re.finditer(r"^curl ", told, re.MULTILINE):
        command, _, rest = told[begin.start() :].partition("\n# {")
        printed = "{" + re.sub(r"^# ?", "", rest, flags=re.MULTILINE)
        found.append((command, json.JSONDecoder().raw_decode(printed)[0]))
    return found


def answer_to(command: str, access: Mapping[str, str]) -> Any:
    """Run a command of the conversation, with the variables in it, and return the JSON that it gets."""
    done = subprocess.run(
        ["sh", "-c", command],
        env=os.environ | access,
        capture_output=True,
        text=True,
        timeout=_CURL_SECONDS,
        check=False,
    )
    if done.returncode == 0:
        with suppress(ValueError):
            return json.loads(done.stdout)
    raise DevclusterError(f"curl got no answer: {done.stderr.strip()[-200:]} {done.stdout[:200]}".rstrip())


INSTANTS = {"timestamp", "createdAt", "startDate", "endDate", "lastSignificantUpdateAt"}


def comparable(value: object, *, is_product: bool = False) -> object:
    """The same, in the same order, but with types for instants and ids; `startedAt` is null in the example."""
    match value:
        case dict():
            return {
                key: "…"
                if key == "startedAt"
                else type(each).__name__
                if key in INSTANTS or (key == "id" and not is_product)
                else comparable(each, is_product=key == "product")
                for key, each in value.items()
            }
        case list():
            return [comparable(each) for each in value]
        case _:
            return value


def as_printed(value: object) -> str:
    """The same as a text in which whatever differs between two plays doesn't: instants and ids."""
    return json.dumps(comparable(value), indent=1)
