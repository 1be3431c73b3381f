"""What the operator relies on in a Kubernetes API server: small stories that hold on a real one and on that in memory.

They keep the simulation honest. A behaviour that no story tells may differ; one that the operator comes to rely on
belongs here.
"""

from importlib import import_module

import pytest

_PARTS = ("stage", "objects", "pods", "watching", "controllers", "kubelets")

for part in _PARTS:
    pytest.register_assert_rewrite(f"{__name__}.{part}")
    import_module(f"{__name__}.{part}")
