"""The story once more, by HTTP: the curl commands of UCloud's documentation, as they stand, and what they are answered.

They go to a gateway, which goes to the API server with the user's own token.
"""

import json
import time
from collections.abc import Iterator, Mapping

from rich.console import Console

from devcluster.cluster import Cluster
from devcluster.conversation import answer_to, as_printed, exchanges
from devcluster.gateway import running_gateway
from devcluster.problems import DevclusterError
from devcluster.story import Check, Story
from devcluster.users import EXAMPLE, token

_PATIENCE_SECONDS = 30
_DOCUMENTED_ID = "id=62348"


def converse(console: Console, cluster: Cluster, story: Story) -> Iterator[Check]:
    """Run the commands, show what is said, and compare it with the documentation, field for field."""
    (browse, wallets), (create, created), (retrieve, ended) = exchanges()
    if not cluster.stamps:
        ended["owner"] = {"createdBy": "unknown", "project": EXAMPLE.username}
    with running_gateway(cluster, f"--minimum-run-seconds={story.minimum_run_seconds}") as gateway:
        access = {"host": gateway.address, "accessToken": token(cluster.state, EXAMPLE)}
        yield _check("browseWallets", _say(console, browse, access), wallets)
        answer = _say(console, create, access)
        yield _check("jobs", answer, created)
        retrieve = retrieve.replace(_DOCUMENTED_ID, f"id={_id_in(answer)}")
        console.print(f"[dim]… and {story.run_seconds} s later[/]")
        deadline = time.monotonic() + story.run_seconds + _PATIENCE_SECONDS
        while _state(answer_to(retrieve, access)) != "SUCCESS" and time.monotonic() < deadline:
            time.sleep(1)
        yield _check("jobs/retrieve", _say(console, retrieve, access), ended)


def _id_in(answer: Mapping[str, object]) -> str:
    match answer:
        case {"responses": [{"id": str(job_id)}]}:
            return job_id
    raise DevclusterError(f"No job was created: {json.dumps(answer)}")


def _state(job: Mapping[str, object]) -> object:
    match job:
        case {"status": {"state": state}}:
            return state
    return None


def _say(console: Console, command: str, access: Mapping[str, str]) -> Mapping[str, object]:
    """Run a command before people's eyes; the token stays a variable's name."""
    console.print(f"\n[bold]$ {command}[/]", soft_wrap=True)
    answer: Mapping[str, object] = answer_to(command, access)
    console.print_json(json.dumps(answer))
    return answer


def _check(call: str, answer: object, documented: object) -> Check:
    is_same = as_printed(answer) == as_printed(documented)
    seen = "the documentation's answer, field for field" if is_same else "another answer than the documentation's"
    return Check(f"{call} by curl", is_same, seen)
