"""The example of UCloud's documentation, "Running out of compute credits": its commands and what they are answered."""

import json
import re
from pathlib import Path

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
