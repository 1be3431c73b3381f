"""What Prometheus can read of the gateway. docs/metrics.md has a row for each, with the same sentence.

Apart from the operator's, and never in one process with them: a gateway that said `ucloud_leading 0` would be counted
as a replica of the operator. No label has values that callers choose.
"""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics

disable_created_metrics()  # type: ignore[no-untyped-call]  # as for the operator

REQUESTS = Counter(
    "ucloud_gateway_requests",
    "Requests by their route's template, and what they were answered; status 0: nothing",
    ("route", "method", "status"),
)
REQUEST_SECONDS = Histogram(
    "ucloud_gateway_request_seconds", "From a request to the beginning of its answer", ("route",)
)
IN_FLIGHT = Gauge("ucloud_gateway_requests_in_flight", "Requests whose answer hasn't begun")
FOLLOWERS = Gauge("ucloud_gateway_followers", "Connections that stay open for what is yet to happen", ("protocol",))
API_REQUESTS = Counter(
    "ucloud_gateway_api_requests",
    "Calls to the API server on behalf of callers; status 0: no answer",
    ("verb", "resource", "status"),
)
API_REQUEST_SECONDS = Histogram(
    "ucloud_gateway_api_request_seconds",
    "How long calls to the API server on behalf of callers took",
    ("verb", "resource"),
)
