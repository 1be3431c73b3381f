"""KWOK's configuration: the rules by which it plays the kubelets."""

import hashlib
from pathlib import Path

import yaml

_RULES = Path(__file__).parent / "kwok"
_INCLUDE = 'include "kubelet";'


def write_configuration(state: Path) -> Path:
    """Write the rules into the state directory, under a name that changes with what they say."""
    text = configuration()
    path = state / f"kwok-{hashlib.sha256(text.encode()).hexdigest()[:12]}.yaml"
    path.write_text(text)
    return path


def configuration() -> str:
    """`stages.yaml` with the shared definitions put where they are used: KWOK knows no way to share them."""
    definitions, templates = (_RULES / "kubelet.jq").read_text(), (_RULES / "kubelet.tpl").read_text()

    def complete(node: object) -> object:
        match node:
            case dict():
                return {
                    key: _with(templates, value) if key == "template" else complete(value)
                    for key, value in node.items()
                }
            case list():
                return [complete(item) for item in node]
            case str():
                return node.replace(_INCLUDE, definitions)
            case _:
                return node

    documents = list(yaml.safe_load_all((_RULES / "stages.yaml").read_text()))
    return yaml.safe_dump_all([complete(document) for document in documents])


def _with(templates: str, template: str) -> str:
    return templates + template if "$told" in template or "{{ template" in template else template
