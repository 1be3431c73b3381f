"""Money, pure: no I/O, no clock of its own, no Kubernetes. Amounts and instants are integers.

`Ledger(State)` is the door; `replay` plays a scenario from a file's contents.
"""

from ucloud_operator.ledger.ledger import Ledger
from ucloud_operator.ledger.state import (
    Allocation,
    Edge,
    Forecast,
    Meter,
    Phase,
    Run,
    State,
    Stop,
    Wallet,
    WalletNumbers,
)
from ucloud_operator.ledger.usage import usage_at

__all__ = [
    "Allocation",
    "Edge",
    "Forecast",
    "Ledger",
    "Meter",
    "Phase",
    "Run",
    "State",
    "Stop",
    "Wallet",
    "WalletNumbers",
    "usage_at",
]
