"""KWOK's configuration: the rules by which it plays the kubelets.

KWOK decides what to do with a pod when it hears of a change, and does it later, with several hands at once. If the pod
has changed again by then, what was decided before would be written over what was decided since: a pod that was told to
start while it was about to be shown as waiting ran, and then waited, for good. So every patch of a pod is one of the
version that KWOK looked at. The API server refuses it where there is a newer one; KWOK hears of that and decides anew.
"""

import hashlib
import textwrap
from collections.abc import Mapping
from pathlib import Path

import yaml

_RULES = Path(__file__).parent / "kwok"
_INCLUDE = 'include "kubelet";'
_STATUS_OF_THIS_VERSION = "metadata: {resourceVersion: {{ .metadata.resourceVersion | quote }}}\nstatus:\n"


def write_configuration(state: Path) -> Path:
    """Write the rules into the state directory, under a name that changes with what they say."""
    text = configuration()
    path = state / f"kwok-{hashlib.sha256(text.encode()).hexdigest()[:12]}.yaml"
    path.write_text(text)
    return path


def configuration() -> str:
    """`stages.yaml` with the shared definitions put where they are used: KWOK knows no way to share them."""
    documents = yaml.safe_load_all((_RULES / "stages.yaml").read_text())
    return yaml.safe_dump_all([_for_pods(each) if _is_about_pods(each) else each for each in documents])


def _is_about_pods(document: Mapping[str, Mapping[str, object]]) -> bool:
    return document.get("spec", {}).get("resourceRef") == {"apiGroup": "v1", "kind": "Pod"}


def _for_pods(document: object) -> object:
    definitions, templates = (_RULES / "kubelet.jq").read_text(), (_RULES / "kubelet.tpl").read_text()

    def complete(node: object) -> object:
        match node:
            case {"root": "status", "template": str(status), **rest}:
                return {**rest, "template": _indented(templates) + _STATUS_OF_THIS_VERSION + _indented(status)}
            case dict():
                return {key: complete(value) for key, value in node.items()}
            case list():
                return [complete(item) for item in node]
            case str():
                return node.replace(_INCLUDE, definitions)
            case _:
                return node

    return complete(document)


def _indented(template: str) -> str:
    """What stands under `status:` in the patch."""
    return textwrap.indent(template, "  ")
