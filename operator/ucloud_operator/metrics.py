"""What Prometheus can read at /metrics. docs/metrics.md has a row for each, with the same sentence."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics

STOP_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 30, 60, 300)

disable_created_metrics()  # type: ignore[no-untyped-call]  # a third of all series, that nobody asks for

# Money and stops

JOB_STATES = Counter("ucloud_job_transitions", "States that jobs came to, and why", ("state", "reason"))
STOP_ACKNOWLEDGED = Histogram(
    "ucloud_stop_acknowledged_seconds",
    "From the instant that a job's credits ended to the API server's answer to the DELETE of its pods",
    buckets=STOP_BUCKETS,
)
STOP_LATENESS = Histogram(
    "ucloud_stop_lateness_seconds",
    "From the instant that a job's credits ended to the end of its containers as the watch told it",
    buckets=STOP_BUCKETS,
)
STOP_OVERDUE = Gauge(
    "ucloud_stop_overdue_seconds",
    "For how long the pod that is latest has outlived the end of its credits; 0 where none has",
)
OVERRUN = Counter("ucloud_overrun_seconds", "Container time after the credits had ended: run, and not paid for")
DEADLINE_OVERDUE = Gauge("ucloud_deadline_overdue_seconds", "How late the first deadline is")
CLOCK_SKEW = Histogram(
    "ucloud_kubelet_clock_skew_seconds",
    "How far a container's start had to be moved to lie between its pod's creation and its observation",
    buckets=(0.1, 0.5, 1, 2, 5, 30, 300),
)

# What there is

JOBS = Gauge("ucloud_jobs", "Jobs by state; NEW ones have none yet", ("state",))
WALLETS = Gauge("ucloud_wallets", "Wallets by whether their credits can be used, and if not why", ("state",))
ORPHAN_PODS = Gauge("ucloud_orphan_pods", "Pods that our finalizer holds although their job isn't known")
UNREADABLE = Gauge(
    "ucloud_unreadable_objects", "Objects whose newest version can't be read and is left aside", ("resource",)
)

# The operator's health

BUILD = Gauge("ucloud_build_info", "1, labelled with the version that runs", ("version",))
LEADING = Gauge("ucloud_leading", "1 while this replica leads")
LEASE_EPOCH = Gauge(
    "ucloud_lease_epoch", "The newest epoch of the lease that is known here: it grows at every acquisition"
)
QUEUE_DEPTH = Gauge("ucloud_queue_depth", "Keys that wait to be worked on", ("lane",))
QUEUE_AGE = Gauge(
    "ucloud_queue_oldest_seconds", "For how long the oldest of them has waited; 0 where none does", ("lane",)
)
WORK_AGE = Gauge("ucloud_work_longest_seconds", "For how long the key that takes longest has been worked on")
WORK_FAILURES = Counter(
    "ucloud_work_failures",
    "Attempts at a key that failed: passing by what the API server answered, defect by a mistake of ours",
    ("kind", "cause"),
)
FAILING_KEYS = Gauge(
    "ucloud_failing_keys", "Keys that failed so often in a row that they are tried every half minute only", ("kind",)
)
PLAN_SECONDS = Histogram(
    "ucloud_plan_seconds",
    "How long working out a component of wallets took",
    buckets=(0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1),
)

# The API server

WATCH_SILENCE = Gauge(
    "ucloud_watch_silence_seconds",
    "For how long nothing has been heard on the watch of pods, where bookmarks come each minute",
)
REQUESTS = Counter(
    "ucloud_api_requests", "Calls to the API server; status 0: no answer", ("verb", "resource", "status")
)
REQUEST_SECONDS = Histogram("ucloud_api_request_seconds", "How long calls to the API server took", ("verb", "resource"))
