"""The in-memory API's front: one request in, the bytes of its answer out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.simulation.refusals import expired
from tests.simulation.storage import Place
from ucloud_operator.kube.resources import PODS

if TYPE_CHECKING:
    from tests.simulation.api import Api
    from tests.simulation.objects import Json
    from ucloud_operator.kube.transport import Request


def answer(api: Api, request: Request, user: str) -> bytes:
    """Carry out a request, or raise a Refusal."""
    resource, namespace, name = request.resource, request.namespace or "", request.name or ""
    body: Json = json.loads(request.body) if request.body else {}
    match request.verb:
        case "get":
            content = api.get(resource, namespace, name)
        case "list":
            content = _page(api, request)
        case "create":
            content = api.create(resource, namespace, body, user=user)
        case "patch":
            content = api.patch(resource, namespace, name, body, subresource=request.subresource, user=user)
        case "delete":
            uid, grace_seconds = body.get("preconditions", {}).get("uid"), body.get("gracePeriodSeconds")
            last = api.delete(resource, namespace, name, uid=uid, grace_seconds=grace_seconds)
            content = _removed_or_held(api, request, last)
        case _:
            raise AssertionError(request.verb)
    return json.dumps(content).encode()


def _removed_or_held(api: Api, request: Request, thing: Json) -> Json:
    """Return what a DELETE answers: the object if it is still there (or is a pod), else that it succeeded."""
    metadata = thing["metadata"]
    place = Place(metadata.get("namespace", ""), metadata["name"])
    if request.resource == PODS or api.storage.get(request.resource, place) is not None:
        return thing
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": {"uid": metadata["uid"]},
    }


def _page(api: Api, request: Request) -> Json:
    """One page of a list: all of them show the moment of the first, unless that is forgotten by now."""
    query = request.query
    token, _, begins = query.get("continue", "").partition("/")
    if token:
        if token not in api.snapshots:
            raise expired()
        version, things = api.snapshots[token]
    else:
        version = api.storage.version
        things = api.list(request.resource, request.namespace, query.get("labelSelector"), query.get("fieldSelector"))
    start = int(begins or 0)
    end = start + int(query.get("limit") or len(things) or 1)
    metadata = {"resourceVersion": str(version)}
    if end < len(things):
        token = token or f"{version}-{len(api.snapshots)}"
        api.snapshots[token] = (version, things)
        metadata["continue"] = f"{token}/{end}"
    return {
        "kind": f"{request.resource.kind}List",
        "apiVersion": request.resource.api_version,
        "metadata": metadata,
        "items": things[start:end],
    }
