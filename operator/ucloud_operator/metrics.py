"""What Prometheus can read at /metrics."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

STOP_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 30, 60, 300)

REQUESTS = Counter("ucloud_api_requests", "Calls to the API server", ("verb", "resource", "status"))
REQUEST_SECONDS = Histogram("ucloud_api_request_seconds", "How long calls to the API server took", ("verb", "resource"))
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
OVERRUN = Counter("ucloud_overrun_seconds", "Container time after the credits had ended: run, and not paid for")
CLOCK_SKEW = Histogram(
    "ucloud_kubelet_clock_skew_seconds",
    "How far a container's start had to be moved to lie between its pod's creation and its observation",
    buckets=(0.1, 0.5, 1, 2, 5, 30, 300),
)
QUEUE_DEPTH = Gauge("ucloud_queue_depth", "Keys that wait to be worked on")
DEADLINE_OVERDUE = Gauge("ucloud_deadline_overdue_seconds", "How late the first deadline is")
LEADING = Gauge("ucloud_leading", "1 while this replica leads")
PLAN_SECONDS = Histogram(
    "ucloud_plan_seconds",
    "How long working out a component of wallets took",
    buckets=(0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1),
)
