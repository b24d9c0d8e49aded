"""What Prometheus reads: requests by endpoint, never by path, which may hold a key; and the pulse.

Each process counts for itself; those that `serve` forks do so in files of one folder, so that
whichever of them is asked tells of all.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory

from flask import Flask, Response, g, request
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    disable_created_metrics,
    generate_latest,
    values,
)
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from booking.services.pulse import Pulse

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""Where the library looks for what other processes have counted."""
BUCKETS = (0.01, 0.05, 0.1, 0.25, 1.0, 5.0)
"""Seconds: a page is quick, bearable, or slow."""
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"})
"""Whoever asks may make up others: those are counted as one."""


@contextmanager
def shared() -> Iterator[None]:
    """Let the processes that are forked in this block count together.

    Their folder is new and empty, for its owner alone, and goes when the block ends.
    """
    with TemporaryDirectory(prefix="booking-metrics-") as folder:
        os.environ[FOLDER] = folder
        values.ValueClass = values.MultiProcessValue()  # type: ignore[no-untyped-call]
        yield


class Requests:
    """What was asked of one app, and how long the answers took."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._own = CollectorRegistry()
        self._count = Counter(
            "booking_http_requests_total",
            "Requests that were answered.",
            ["endpoint", "method", "status"],
            registry=self._own,
        )
        self._seconds = Histogram(
            "booking_http_request_seconds",
            "Seconds until the answer was ready.",
            ["endpoint"],
            buckets=BUCKETS,
            registry=self._own,
        )

    def note(self, response: Response) -> Response:
        """Count the request that this answers."""
        endpoint = request.endpoint or "unknown"
        method = request.method if request.method in METHODS else "other"
        self._count.labels(endpoint, method, f"{response.status_code // 100}xx").inc()
        if "began" in g:
            self._seconds.labels(endpoint).observe(time.perf_counter() - g.began)
        return response

    def told(self) -> bytes:
        """What this process has counted, and all that count with it."""
        if FOLDER not in os.environ:
            return generate_latest(self._own)
        everybody = CollectorRegistry()
        MultiProcessCollector(everybody)  # type: ignore[no-untyped-call]
        return generate_latest(everybody)


class _Now(Collector):
    """The pulse in the words of Prometheus."""

    def __init__(self, pulse: Pulse) -> None:
        self._pulse = pulse

    def collect(self) -> Iterator[GaugeMetricFamily]:
        pulse = self._pulse
        never = float("inf")
        last_turn = never if pulse.last_turn is None else pulse.last_turn.total_seconds()
        yield GaugeMetricFamily(
            "booking_outbox_unsent",
            "Messages that are due and have neither left nor been given up.",
            pulse.unsent,
        )
        yield GaugeMetricFamily(
            "booking_outbox_oldest_unsent_seconds",
            "For how long the oldest of them has been due; 0 if there is none.",
            pulse.oldest_unsent.total_seconds(),
        )
        yield GaugeMetricFamily(
            "booking_webhooks_unsent",
            "What other programs are to be told, and have not taken yet.",
            pulse.unsent_calls,
        )
        yield GaugeMetricFamily(
            "booking_worker_last_turn_seconds",
            "Age of the worker's last sign of life; +Inf if there was none.",
            last_turn,
        )
        yield GaugeMetricFamily(
            "booking_schema_current",
            "1 if the database has the schema of this release, else 0.",
            int(pulse.schema_current),
        )


def install(app: Flask) -> None:
    """Count, where somebody is to read it."""
    if app.extensions["booking"].settings.metrics_token is None:
        return
    requests = Requests()
    app.extensions["booking_requests"] = requests
    app.after_request(requests.note)


def exposition(app: Flask, pulse: Pulse) -> bytes:
    """All that there is to tell, in the text format of Prometheus."""
    requests: Requests = app.extensions["booking_requests"]
    return requests.told() + generate_latest(_Now(pulse))
