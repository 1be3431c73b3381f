"""Whole objects of our kinds: valid by schema and rules, and the same with exactly one thing wrong.

They refer to each other and to what others have, by names that are drawn from a small pool: so references meet, miss,
lead back to themselves and into namespaces that aren't there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tests.simulation.fuzz.values import INT64, LONG, Values
from tests.simulation.objects import copied
from tests.simulation.schemas import schema_of
from ucloud_operator.api import parse_time
from ucloud_operator.kube.resources import (
    APPLICATIONS,
    COMPUTEPRODUCTS,
    LEDGERCHECKPOINTS,
    UCLOUDJOBS,
    WALLETS,
    WALLETSTATEMENTS,
    Resource,
)

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator, Sequence

    from tests.simulation.objects import Json

KINDS: Final = (WALLETS, UCLOUDJOBS, COMPUTEPRODUCTS, APPLICATIONS, WALLETSTATEMENTS, LEDGERCHECKPOINTS)
WRITTEN_BY_PEOPLE: Final = (WALLETS, UCLOUDJOBS, COMPUTEPRODUCTS, APPLICATIONS)

NAMES: Final = ("a", "b", "c", "d", "example-compute", "x" * 45)
CATEGORIES: Final = (*("fuzz",) * 8, "other", "ünïcode category 🦀")
PROVIDERS: Final = (*("fuzz",) * 8, "example")
VERSIONS: Final = (*("1.0.0",) * 6, "2")


class Objects:
    """Draws objects; `parents` are wallets of others (`namespace/name`) that may be named, too."""

    def __init__(self, chance: random.Random, namespaces: Sequence[str], parents: Sequence[str] = ()) -> None:
        self.chance = chance
        self.values = Values(chance, self._hints(namespaces, parents))

    def valid(self, resource: Resource, name: str | None = None) -> Json:
        """Return an object that can be created."""
        whole = self.values.of(schema_of(resource), "")
        written = {"spec": whole["spec"]}
        _MENDS[resource](self, written["spec"])
        metadata: Json = {"name": name or self.chance.choice(NAMES)}
        if self.chance.random() < 0.3:
            metadata["labels"] = {f"example.org/{self.chance.choice(NAMES)}": self.chance.choice(NAMES)}
        if self.chance.random() < 0.3:
            metadata["annotations"] = {"example.org/note": self.values.text(0, LONG)}
        if self.chance.random() < 0.05 and resource == UCLOUDJOBS:
            metadata["annotations"] = {"ucloud.dk/created-by": "somebody"}
        return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata, **written}

    def invalid(self, resource: Resource, name: str | None = None) -> tuple[Json, str]:
        """Return an object in which one thing is as the schema doesn't allow it, and where that is."""
        thing = self.valid(resource, name)
        places = list(_places(thing["spec"], schema_of(resource)["properties"]["spec"], "spec"))
        holder, key, node, path = self.chance.choice(places)
        holder[key] = self.chance.choice(list(_wrong(node)))
        return thing, path

    def edited(self, resource: Resource, old: Json) -> Json:
        """Return a patch of a spec: some fields as another object has them, or gone."""
        name = old["metadata"]["name"]
        new = (self.valid(resource, name) if self.chance.random() < 0.7 else self.invalid(resource, name)[0])["spec"]
        names = sorted({*new, *old["spec"]})
        chosen = self.chance.sample(names, min(len(names), self.chance.randint(1, 2)))
        return {"spec": {name: copied(new).get(name) for name in chosen}}

    def _hints(self, namespaces: Sequence[str], parents: Sequence[str]) -> dict[str, Callable[[], Any]]:
        choose = self.chance.choice

        def parent() -> Json:
            """A wallet of the pool, of somebody else's, or one that isn't there."""
            if parents and self.chance.random() < 0.4:
                namespace, _, name = choose(parents).partition("/")
                return {"namespace": namespace, "name": name}
            return {"namespace": choose((*namespaces, "nowhere")), "name": choose(NAMES)}

        category = {"name": lambda: choose(CATEGORIES), "provider": lambda: choose(PROVIDERS)}
        hints: dict[str, Callable[[], Any]] = {
            "spec.application.name": lambda: choose(NAMES),
            "spec.application.version": lambda: choose(VERSIONS),
            "spec.name": lambda: choose(NAMES),
            "spec.version": lambda: choose(VERSIONS),
            "spec.product.id": lambda: choose(NAMES),
            "spec.product.category": category["name"],
            "spec.product.provider": category["provider"],
            "spec.replicas": lambda: choose((1, 1, 1, 2, 3)),
            "spec.price": lambda: choose((0, 1, 60_000, 60_000, 60_000, 9 * 10**18)),
            "spec.image": lambda: "registry.example.com/acme/web:1.0.0",
            "spec.env": lambda: choose(({}, {"DEVCLUSTER_EXIT_AFTER": "20s"}, {"A": "$(B)"})),
            "spec.tolerations": list,
            "spec.nodeSelector": dict,
            "spec.gpu": lambda: 0,
            "spec.suspend": lambda: self.chance.random() < 0.1,
            "spec.terminate": lambda: self.chance.random() < 0.1,
            "spec.paysFor.accountingFrequency": lambda: "PERIODIC_MINUTE",
            "spec.allocationGroups[].parent": parent,
            "spec.allocationGroups[].allocations[].id": lambda: choose(NAMES),
            "spec.allocationGroups[].allocations[].quota": lambda: choose((0, 1, 10**5, *(10**6,) * 4, 9 * 10**18)),
            "spec.allocationGroups[].allocations[].startDate": lambda: "2020-01-01T00:00:00Z",
            "spec.openingUsage": lambda: choose((0, 0, 0, 1, 10**5)),
        }
        hints |= {
            f"spec.{holder}.{field}": draw for holder in ("paysFor", "category") for field, draw in category.items()
        }
        return hints


_RULES: Final = "x-kubernetes-validations"


def _places(thing: Json, schema: Json, path: str) -> Iterator[tuple[Json, str, Json, str]]:
    """Yield every field that stands in an object: what it stands in, its name, its schema and its path."""
    for name, node in schema.get("properties", {}).items():
        if name not in thing:
            continue
        inside, here = thing[name], f"{path}.{name}"
        yield thing, name, node, here
        if node["type"] == "object":
            yield from _places(inside, node, here)
        for index, each in enumerate(inside if node["type"] == "array" else ()):
            if isinstance(each, dict):
                yield from _places(each, node["items"], f"{here}[{index}]")


def _wrong(node: Json) -> Iterator[Any]:
    """Yield what can't stand at a node."""
    yield {"string": 7, "integer": "seven", "boolean": "yes", "array": {"a": 1}, "object": [1]}[node["type"]]
    if "enum" in node:
        yield "Something"
    elif node["type"] == "string":
        yield from _wrong_texts(node)
    elif node["type"] == "integer":
        yield from (0.5, INT64[1] + 1)
        yield from (node[bound] + step for bound, step in (("minimum", -1), ("maximum", 1)) if bound in node)
    elif node.get("required"):
        yield {}


def _wrong_texts(node: Json) -> Iterator[str]:
    if node.get("minLength"):
        yield ""
    if "maxLength" in node:
        yield "x" * (node["maxLength"] + 1)
    if node.get("format") == "date-time" or any("matches" in rule["rule"] for rule in node.get(_RULES, ())):
        yield from ("tomorrow", "2026-13-01T00:00:00Z", "2026-12-31T23:59:60Z")


# What rules ask for: each of these takes out of a spec what they refuse.


def _mend_wallet(objects: Objects, spec: Json) -> None:
    owner = spec["owner"]
    owner.setdefault("username" if owner["type"] == "user" else "projectId", "somebody")
    if "warnMinutes" in spec:
        spec["warnMinutes"] = list(dict.fromkeys(spec["warnMinutes"]))
    groups: dict[str, Json] = {}
    for group in spec.get("allocationGroups", ()):
        groups.setdefault(repr(group.get("parent")), group)
        group["allocations"] = _distinct(group.get("allocations", ()), "id")
        for allocation in group["allocations"]:
            starts, ends = allocation["startDate"], allocation["endDate"]
            if parse_time(ends) < parse_time(starts):
                starts, ends = ends, starts
            if parse_time(ends) == parse_time(starts):
                starts, ends = "2020-01-01T00:00:00Z", "2040-01-01T00:00:00Z"
            allocation["startDate"], allocation["endDate"] = starts, ends
    if "allocationGroups" in spec:
        spec["allocationGroups"] = list(groups.values())
    if objects.chance.random() < 0.7:
        spec["paysFor"].pop("freeToUse", None)


def _mend_job(_: Objects, spec: Json) -> None:
    if not any(spec.get("timeAllocation", {"hours": 1}).values()):
        spec["timeAllocation"] = {"minutes": 1}
    if spec.get("funding") == "Reserve":
        spec.setdefault("timeAllocation", {"minutes": 1})


def _mend_product(_: Objects, spec: Json) -> None:
    if ("cpu" in spec) == ("cpuMillis" in spec):
        spec.pop("cpu", None)
        spec["cpuMillis"] = 10
    for toleration in spec.get("tolerations", ()):
        if "key" not in toleration:
            toleration["operator"] = "Exists"


def _mend_application(_: Objects, __: Json) -> None:
    return


def _mend_statement(_: Objects, spec: Json) -> None:
    spec["month"] = "2026-11"
    spec["lines"] = _distinct(spec.get("lines", ()), "uid")


def _mend_checkpoint(_: Objects, spec: Json) -> None:
    for field in ("wallets", "jobs"):
        spec[field] = _distinct(spec.get(field, ()), "uid")


def _distinct(things: Any, key: str) -> list[Json]:
    return list({thing[key]: thing for thing in things}.values())


_MENDS: Final = {
    WALLETS: _mend_wallet,
    UCLOUDJOBS: _mend_job,
    COMPUTEPRODUCTS: _mend_product,
    APPLICATIONS: _mend_application,
    WALLETSTATEMENTS: _mend_statement,
    LEDGERCHECKPOINTS: _mend_checkpoint,
}
