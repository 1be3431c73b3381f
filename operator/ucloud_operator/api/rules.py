"""What a schema's keywords can't express: CEL rules, each with the sentence that is read by whoever breaks it.

The API server estimates what a rule can cost at most, from `maxItems`, `maxLength` and so on, and refuses a CRD
whose rules could cost too much. Two things make an estimate explode: the text of a number (`string(x)`, of unknown
length), and comparing a field whose name is a word of CEL's own, such as `namespace`, without its escape
(`__namespace__`).
"""

from dataclasses import dataclass

from pydantic import JsonValue


@dataclass(frozen=True)
class Rule:
    """A CEL rule: what must hold of an object, and what whoever breaks it gets to read."""

    holds: str
    """The expression. `self` is the object that the rule is put on, `oldSelf` what it was before an update."""

    message: str
    """What is wrong and what to write instead."""

    field: str | None = None
    """The field below that is at fault, such as `.endDate`, where it isn't the object as a whole."""

    message_with_values: str | None = None
    """A CEL expression that says the same with the numbers. `message` stands in where it can't be computed."""

    def as_json(self) -> dict[str, JsonValue]:
        """The rule as `x-kubernetes-validations` lists it."""
        written: dict[str, JsonValue] = {"rule": self.holds, "message": self.message}
        if self.field:
            written["fieldPath"] = self.field
        if self.message_with_values:
            written["messageExpression"] = self.message_with_values
        return written


def rules(*rules: Rule) -> dict[str, JsonValue]:
    """Rules as the `json_schema_extra` of a field or a model."""
    return {"x-kubernetes-validations": [rule.as_json() for rule in rules]}


def immutable(field: str, instead: str) -> dict[str, JsonValue]:
    """The rule for a field that is always there (required, or with a default) and never changes.

    An optional field needs `immutable_optional` on the object around it: a rule on the field itself is not evaluated
    when the field appears or vanishes.
    """
    return rules(Rule("self == oldSelf", f"{field} can't be changed: {instead}"))


def immutable_optional(field: str, instead: str) -> Rule:
    """The rule, on the object around it, for an optional field that neither changes nor appears nor vanishes."""
    return Rule(
        f"has(self.{field}) == has(oldSelf.{field}) && (!has(self.{field}) || self.{field} == oldSelf.{field})",
        f"{field} can't be changed, added or removed: {instead}",
        field=f".{field}",
    )


DISTINCT: dict[str, JsonValue] = {"x-kubernetes-list-type": "set"}
"""The `json_schema_extra` of a list of numbers or texts in which none may stand twice."""

WHOLE: dict[str, JsonValue] = {"x-kubernetes-map-type": "atomic"}
"""The `json_schema_extra` of an object that is only ever written whole. For long lists of such objects, `managedFields`
then say once per element who wrote it, and not once per field: the API server does half the work."""


def list_map(*keys: str) -> dict[str, JsonValue]:
    """The `json_schema_extra` of a list in which no two elements may have the same keys."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)}
