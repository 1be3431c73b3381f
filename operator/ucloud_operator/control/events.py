"""Events, for `kubectl describe`: when something happened that somebody should know, none when all is well.

They are told once, on the way, and never waited for: an Event that can't be written is a line in the log, no more.
What must not be told twice has an occasion, which the Event is named after: whoever comes back after a crash and tells
it again meets the first one.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ucloud_operator.api import format_time
from ucloud_operator.kube.errors import AlreadyExists, ApiError
from ucloud_operator.kube.resources import EVENTS

if TYPE_CHECKING:
    from ucloud_operator.api import UCloudJob, Wallet
    from ucloud_operator.control.parts import Parts

logger = logging.getLogger(__name__)

NAMESPACE_TERMINATING = "NamespaceTerminating"
COMPONENT = "ucloud-operator"
LONGEST_MESSAGE = 1024
"""Characters of an Event's message that the API server takes."""
LONGEST_NAME = 200
"""Characters of an object's name that its Events are named after; with the rest a name has at most 253."""


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that happened to a job or a wallet."""

    reason: str
    message: str
    warning: bool
    occasion: str = ""
    """What makes it this one and not another of its kind; empty where it may be told twice."""


async def tell(parts: Parts, about: UCloudJob | Wallet, happening: Happening) -> None:
    """Write an Event about an object."""
    now = format_time(parts.clock.now_ms())[:19] + "Z"
    metadata = about.metadata
    body = {
        "metadata": {**_name(about, happening), "namespace": metadata.namespace},
        "involvedObject": {
            "apiVersion": f"{about.GROUP}/{about.VERSION}",
            "kind": type(about).__name__,
            "name": metadata.name,
            "namespace": metadata.namespace,
            "uid": metadata.uid,
        },
        "type": "Warning" if happening.warning else "Normal",
        "reason": happening.reason,
        "message": happening.message[:LONGEST_MESSAGE],
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
        "source": {"component": COMPONENT},
        "reportingComponent": COMPONENT,
    }
    try:
        await parts.client.create(EVENTS, body, namespace=metadata.namespace)
    except AlreadyExists:
        logger.debug("%s: %s was told before", about.key, happening.reason)
    except ApiError as error:
        level = logging.DEBUG if NAMESPACE_TERMINATING in error.causes else logging.WARNING
        logger.log(level, "%s: can't write the Event %s: %s", about.key, happening.reason, error)


def _name(about: UCloudJob | Wallet, happening: Happening) -> dict[str, str]:
    prefix = f"{about.metadata.name[:LONGEST_NAME]}."
    if not happening.occasion:
        return {"generateName": prefix}
    told = f"{about.metadata.uid} {happening.reason} {happening.occasion}"
    return {"name": prefix + hashlib.sha256(told.encode()).hexdigest()[:16]}
