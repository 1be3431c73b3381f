"""Somebody who talks to the API server, and is told yes or no.

A test of a policy is about one request and its answer, including requests that no client library makes: so this speaks
plain HTTP. People that the cluster has no credentials for (kubelets, controllers) are impersonated by its admin.
"""

import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPSConnection
from pathlib import Path
from urllib.parse import urlsplit

Json = Mapping[str, object]


@dataclass(frozen=True)
class Answer:
    """What the API server said."""

    status: int
    body: dict[str, object]

    @property
    def allowed(self) -> bool:
        return self.status < 400

    def __bool__(self) -> bool:
        return self.allowed

    @property
    def message(self) -> str:
        """Why not; empty where the answer is yes."""
        return "" if self.allowed else str(self.body["message"])

    def __getitem__(self, path: str) -> object:
        """What stands in the object at a path such as `metadata/finalizers`; None where nothing does."""
        found: object = self.body
        for step in path.split("/"):
            found = found.get(step.replace("~", "/")) if isinstance(found, dict) else None
        return found


@dataclass(frozen=True)
class Person:
    """One user; the methods are named after the verbs of RBAC and take the path of a collection or an object."""

    kubeconfig: Path
    impersonated: str = ""
    groups: tuple[str, ...] = field(default=())

    def named(self, username: str, *groups: str) -> "Person":
        """Return somebody else, whom this one may impersonate."""
        return Person(self.kubeconfig, username, groups)

    def get(self, path: str) -> Answer:
        return self._ask("GET", path)

    def create(self, path: str, body: Json) -> Answer:
        return self._ask("POST", path, body)

    def replace(self, path: str, body: Json) -> Answer:
        return self._ask("PUT", path, body)

    def patch(self, path: str, body: Json, *, kind: str = "merge-patch+json") -> Answer:
        return self._ask("PATCH", path, body, f"application/{kind}")

    def delete(self, path: str, **options: object) -> Answer:
        return self._ask("DELETE", path, {"kind": "DeleteOptions", "apiVersion": "v1", **options})

    def _ask(self, method: str, path: str, body: Json | None = None, kind: str = "application/json") -> Answer:
        login = json.loads(self.kubeconfig.read_text())
        server = urlsplit(login["clusters"][0]["cluster"]["server"])
        authority = ssl.create_default_context(cafile=login["clusters"][0]["cluster"]["certificate-authority"])
        connection = HTTPSConnection(server.netloc, context=authority, timeout=30)
        connection.putrequest(method, path)
        connection.putheader("Authorization", f"Bearer {login['users'][0]['user']['token']}")
        if self.impersonated:
            connection.putheader("Impersonate-User", self.impersonated)
        for group in self.groups:
            connection.putheader("Impersonate-Group", group)
        content = b"" if body is None else json.dumps(body).encode()
        connection.putheader("Content-Type", kind)
        connection.putheader("Content-Length", str(len(content)))
        connection.endheaders(content)
        response = connection.getresponse()
        text = response.read()
        connection.close()
        return Answer(response.status, json.loads(text))
