"""Every reason a job can have, and every sentence people read about one.

A *reason* is for programs: one CamelCase word in ``status.reason``, in conditions, Events and the stop annotation.
People filter, alert and branch on it, so :class:`Reason` is an API: words are added to it, none is ever renamed.

A *sentence* is for people and carries the numbers they need to act. Where UCloud has a sentence, it is UCloud's to the
letter; the three of UCloud's own documentation (``QUEUED``, ``RUNNING``, ``OUT_OF_CREDITS``) are a contract as well,
because existing clients compare them. A sentence never tells a time relative to now ("3 seconds ago"): it is written
once and read later.
"""

from enum import StrEnum

from ucloud_operator.api import format_time


class Reason(StrEnum):
    """Why a job is in its state, for programs."""

    # On its way.
    Queued = "Queued"  # waits for its pods to be placed
    Unschedulable = "Unschedulable"  # the same, and there is no place at present
    Starting = "Starting"  # placed: images are pulled, containers made
    Started = "Started"  # every replica runs; the meter runs with them
    Suspended = "Suspended"  # `spec.suspend` was set
    Resumed = "Resumed"  # back in the queue after a suspension

    # References that are waited for, then given up.
    NoWallet = "NoWallet"  # no wallet in this namespace pays for the product's category
    WalletDeleted = "WalletDeleted"  # the wallet was deleted under the job
    WalletBlocked = "WalletBlocked"  # the wallet can't be used as it is written: a circle of parents, a second wallet
    ProductNotFound = "ProductNotFound"
    ApplicationNotFound = "ApplicationNotFound"
    ParentNotFound = "ParentNotFound"  # a wallet above the job's doesn't exist

    # Refused.
    InvalidParameters = "InvalidParameters"  # no application can be given them
    ReserveNotPossible = "ReserveNotPossible"  # nothing can be set aside with this wallet, whatever it has
    NotEnoughCredits = "NotEnoughCredits"  # at the start; during a run it is OutOfCredits

    # Stopped on purpose.
    Stopping = "Stopping"  # told to stop and not gone yet
    OutOfCredits = "OutOfCredits"
    Expired = "Expired"  # the time allocation is used up
    Cancelled = "Cancelled"  # `spec.terminate`, the job's or its namespace's deletion

    # Ended by itself.
    Completed = "Completed"  # exit code 0
    ExitCode = "ExitCode"
    Signal = "Signal"
    OOMKilled = "OOMKilled"

    # Ended by the cluster, or never begun.
    Evicted = "Evicted"
    NodeLost = "NodeLost"
    NodeRefused = "NodeRefused"  # the kubelet didn't admit the pod
    ImagePullFailed = "ImagePullFailed"
    PodRejected = "PodRejected"  # the API server refuses the pod as it is
    ConfigError = "ConfigError"  # the container couldn't be created or started
    PodDeleted = "PodDeleted"  # by somebody else than the operator
    Unknown = "Unknown"


# What a running job goes through. The first three are those of UCloud's documentation, to the letter.
QUEUED = "Your job is now waiting in the queue!"
RUNNING = "Your job is now running!"
OUT_OF_CREDITS = "Your job has been terminated (No more credits)"
CANCELLED = "Your job has been cancelled!"
NAMESPACE_DELETED = "Your job has been cancelled! (Its namespace is being deleted)"
WALLET_DELETED = "Your job has been terminated (Its wallet was deleted)"
WALLET_UNUSABLE = "Your job has been terminated (Its wallet can no longer be used)"
PARENT_DELETED = "Your job has been terminated (A parent of its wallet is missing)"
EXPIRED = "Your job has expired."
SUSPENDED = "Your job has been suspended."
SUSPENDED_OUT_OF_CREDITS = "Your job has been suspended (No more credits)"
RESUMED = "Your job is back in the queue!"

# How pods end. UCloud's, from its Kubernetes integration.
COMPLETED = "Job completed successfully."
OOM_KILLED = "Job exceeded its memory limit (OOMKilled)."
EVICTED = "Job was evicted by the system."
EVICTED_MEMORY = "Job was evicted because the node was under memory pressure."
NODE_LOST = "Job failed because its node was no longer available."
NO_DETAILS = "Job failed without termination details."
UNDETERMINED = "Job failed because Kubernetes could no longer determine its state."

# Ours, in the same voice.
POD_DELETED = "Job failed because one of its pods was deleted."
DEADLINE = "Job was stopped by a deadline that the operator did not set."


def exit_code(code: int) -> str:
    """An exit code other than 0."""
    return f"Job failed with exit code {code}."


def signal(number: int) -> str:
    """Killed by a signal that we did not send."""
    return f"Job was terminated by signal {number}."


def image_pull_failed(message: str) -> str:
    """With what the kubelet says about it."""
    return _because("Job failed because its image could not be pulled", message)


def config_error(message: str) -> str:
    """With what the kubelet says about it."""
    return _because("Job failed because its container could not be started", message)


def held_up(message: str) -> str:
    """In the queue because the API server won't take its pods yet, with what it says about it."""
    return _because("Your job waits because its pods are refused for now", message)


def name_taken(pod: str, node: str, *, lost: bool) -> str:
    """In the queue because a pod of an earlier job has the name of one of its own."""
    waits = f"Your job waits for pod {pod} to go: it is of an earlier job of the same name"
    return f"{waits}, and stays until node {node} is back or its Node object is deleted" if lost else waits


def pod_rejected(message: str) -> str:
    """With what the API server says about it."""
    return _because("Job failed because its pod was refused", message)


def node_refused(message: str) -> str:
    """With what the kubelet says about it."""
    return _because("Job failed because its node did not accept it", message)


def unschedulable(message: str) -> str:
    """In the queue for want of a place, with what the scheduler says about it."""
    return _because("There are currently no machines available to run your job", message)


# References: while they are waited for, and when that ends.


def waiting_for(what: str) -> str:
    """A reference may arrive a moment after the job: people apply a folder of manifests at once."""
    return f"Waiting for {what}."


def gave_up_waiting(what: str, waited_ms: int, instead: str) -> str:
    """The same reference, no more patience, and what to do."""
    return f"Waited {duration(waited_ms)} for {what}, in vain: {instead}."


def product(id_: str, category: str, provider: str) -> str:
    """A reference to a product, as a noun."""
    return f"product '{id_}' in category '{category}' of provider '{provider}'"


def application(name: str, version: str) -> str:
    """A reference to an application, as a noun."""
    return f"application '{name}' in version '{version}'"


def wallet(category: str, provider: str) -> str:
    """A wallet that could pay, as a noun."""
    return f"a wallet in this namespace that pays for category '{category}' of provider '{provider}'"


def wallet_usable(name: str, blocked: str) -> str:
    """A wallet that is there and can't be used as things are, with what the ledger says about it, as a noun."""
    return f"wallet '{name}' to become usable ({blocked})"


LIST_PRODUCTS = "`kubectl get computeproducts` lists those there are"
LIST_APPLICATIONS = "`kubectl get applications.ucloud.dk` lists those there are"
LIST_WALLETS = "`kubectl get wallets` lists those there are"
DESCRIBE_WALLET = "`kubectl describe wallet` says more"


# Money.


def parameters_too_deep(levels: int) -> str:
    """The refusal of a job whose parameters nobody could read."""
    return f"its parameters are nested more than {levels} levels deep: {_FEWER_PARAMETERS}"


def parameters_too_large(size: int, largest: int) -> str:
    """The refusal of a job whose parameters don't fit into an environment variable."""
    return (
        f"its parameters are {size} bytes long as JSON, and {largest} can be passed to an application:"
        f" {_FEWER_PARAMETERS}"
    )


_FEWER_PARAMETERS = "create another job with less in them, such as the path of a file with the rest"


def reserve_not_possible(name: str) -> str:
    """The refusal of a job whose cost can't be set aside because credits come on several paths."""
    return (
        f"funding: Reserve isn't possible with wallet '{name}': it has several parents, or is connected to one"
        " that has; leave funding out, or write Stream"
    )


def not_enough_to_reserve(cost: int, allocation_ms: int, usable: int, longest_ms: int) -> str:
    """The refusal of a job whose whole cost can't be set aside."""
    instead = f"; at the most {duration(longest_ms)} can be" if longest_ms >= _SECOND_MS else ""
    return (
        f"needs {cost} set aside for {duration(allocation_ms)}; of this wallet's credits that last so long"
        f" {usable} can be used{instead}"
    )


def not_enough_credits(rate_per_minute: int, usable: int, runway_ms: int, minimum_ms: int) -> str:
    """The refusal of a job that would end before it has done anything."""
    lasts = f", which lasts {duration(runway_ms)}" if usable else ""
    return (
        f"needs {rate_per_minute} per minute; this wallet can still use {usable}{lasts}"
        f" (to start, it takes credits for {duration(minimum_ms)})"
    )


def nothing_left(wallet_name: str) -> str:
    """UCloud's refusal for a workspace at its quota, where the job's rate isn't known yet."""
    return f"This workspace has reached the quota of wallet '{wallet_name}'."


ENDS_LATER = "At the present rate this goes on for longer."


def ends_at(remaining_ms: int, end_ms: int) -> str:
    """The warning before an end, by credits or by time; with the instant, as it is read later."""
    return f"At the present rate this job ends in {duration(max(0, remaining_ms))}, at {format_time(end_ms)}."


def exhausts_at(remaining_ms: int, end_ms: int) -> str:
    """The same, said of a wallet."""
    return f"At the present rate its credits end in {duration(max(0, remaining_ms))}, at {format_time(end_ms)}."


# How numbers are said.

_SECOND_MS = 1000
_MINUTE_MS = 60 * _SECOND_MS
_HOUR_MS = 60 * _MINUTE_MS
_DAY_MS = 24 * _HOUR_MS

_UNITS = (  # (from so many of them on, unit, its length): 119 s, but 2 min; 47 h, but 2 d
    (2 * _DAY_MS, "d", _DAY_MS),
    (2 * _HOUR_MS, "h", _HOUR_MS),
    (2 * _MINUTE_MS, "min", _MINUTE_MS),
    (_SECOND_MS, "s", _SECOND_MS),
    (1, "ms", 1),
    (0, "s", _SECOND_MS),
)


def duration(length_ms: int) -> str:
    """A length of time in one unit, rounded down: nobody is promised more than there is."""
    assert length_ms >= 0
    unit, unit_ms = next((unit, unit_ms) for least_ms, unit, unit_ms in _UNITS if length_ms >= least_ms)
    return f"{length_ms // unit_ms} {unit}"


_LONGEST_MESSAGE = 512  # characters of a kubelet's or scheduler's message that go into a status


def _because(sentence: str, message: str) -> str:
    message = " ".join(message.split())
    if not message:
        return f"{sentence}."
    return f"{sentence}: {message if len(message) <= _LONGEST_MESSAGE else message[: _LONGEST_MESSAGE - 1] + '…'}"
