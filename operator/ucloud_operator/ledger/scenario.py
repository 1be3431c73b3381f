"""A scenario as people write it (JSON): steps in minutes, operations, and perhaps the states that they expect."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt, ValidationError, model_validator
from pydantic.alias_generators import to_camel


class _Part(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True, strict=True)


class Allocate(_Part):
    """An allocation of `quota` to wallet `to` from wallet `from` (null: from outside), valid on `[start, end)`."""

    id: str
    to: str
    source: str | None = Field(alias="from")
    quota: NonNegativeInt
    start: int
    end: int


class Resize(_Part):
    """The allocation's quota is `quota` from now on (of a retired one: no effect)."""

    id: str
    quota: NonNegativeInt


class Usage(_Part):
    """That job of that wallet has used `total` so far: absolute, never decreasing."""

    wallet: str
    job: str
    total: NonNegativeInt


class Begin(_Part):
    """That job of that wallet runs from now on."""

    wallet: str
    job: str
    price_per_minute: NonNegativeInt
    replicas: PositiveInt = 1


class End(_Part):
    """That job doesn't run any longer."""

    job: str


Act = Allocate | Resize | Usage | Begin | End


class Operation(_Part):
    """Exactly one of these."""

    allocate: Allocate | None = None
    resize: Resize | None = None
    usage: Usage | None = None
    run: Begin | None = None
    stop: End | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if len(self.acts) != 1:
            raise ValueError("an operation is exactly one of " + ", ".join(type(self).model_fields))
        return self

    @property
    def acts(self) -> dict[str, Act]:
        """What is to be done, by its name: one thing."""
        every = {
            "allocate": self.allocate,
            "resize": self.resize,
            "usage": self.usage,
            "run": self.run,
            "stop": self.stop,
        }
        return {name: act for name, act in every.items() if act is not None}


class Step(BaseModel):
    """Operations at one minute. `expect` is for whoever compares; it isn't read here."""

    model_config = ConfigDict(frozen=True, strict=True)

    at: int
    do: list[Operation] = []


class Scenario(BaseModel):
    """Steps, in order."""

    model_config = ConfigDict(frozen=True, strict=True)

    title: str = ""
    steps: list[Step]

    @model_validator(mode="after")
    def _forward(self) -> Self:
        for number, (before, step) in enumerate(pairwise(self.steps), 2):
            if step.at < before.at:
                raise ValueError(f"step {number} is at minute {step.at}, the one before it at {before.at}")
        return self


class ScenarioError(ValueError):
    """What is wrong with a scenario, and where."""


def read(scenario: Mapping[str, object]) -> Scenario:
    """Read what JSON holds. Raises ScenarioError, which names the step and the operation."""
    try:
        return Scenario.model_validate(scenario)
    except ValidationError as error:
        first = error.errors()[0]
        sentence = "there is no such thing" if first["type"] == "extra_forbidden" else first["msg"]
        place = _place(first["loc"])
        raise ScenarioError((place and f"{place}: ") + sentence.removeprefix("Value error, ")) from error


def _place(path: tuple[int | str, ...]) -> str:
    words = {"steps": "step", "do": "operation"}
    counted = {before: after for before, after in pairwise(path) if before in words}
    named = [f"{words[str(word)]} {int(number) + 1}" for word, number in counted.items()]
    plain = [str(part) for part in path if isinstance(part, str) and part not in counted]
    return ", ".join([*named, ".".join(plain)] if plain else named)
