"""KWOK's configuration: the rules by which it plays the kubelets."""

import hashlib
from pathlib import Path

_RULES = Path(__file__).parent / "kwok"


def write_configuration(state: Path) -> Path:
    """Write the stages into the state directory, under a name that changes with what they say."""
    text = (_RULES / "stages.yaml").read_text()
    path = state / f"kwok-{hashlib.sha256(text.encode()).hexdigest()[:12]}.yaml"
    path.write_text(text)
    return path
