"""A subscribed calendar that is polled: what 304 costs beside a bare page, and what history costs.

python -m benchmarks.feeds
"""

import time
from datetime import timedelta

from flask import Flask
from flask.testing import FlaskClient

from benchmarks.clinic import a_measured_app
from booking.models.database import transaction
from booking.services.feeds import renew_feed, token_of_feed
from tests.builders import HOUSE, NOW, an_appointment
from tests.integration.history import past_appointments

HISTORY = (10, 10_000)
"""Past appointments of the practitioner, all older than what a feed shows."""
AHEAD = tuple(
    f"{day} {hour}:00" for day in ("Tue", "Fri") for hour in ("09", "10", "11", "13", "14")
)
POLLS = 1000
ROUNDS = 5


def subscribe(past: int) -> str:
    """A practitioner with a past and some appointments ahead; the path of the feed."""
    with transaction() as session:
        past_appointments(session, past, before=NOW - timedelta(days=60))
        for start in AHEAD:
            an_appointment(session, start)
        feed = renew_feed(session, "ada", keys=HOUSE.keys, now=NOW)
        assert feed is not None
        return f"/feeds/{token_of_feed(feed, HOUSE.keys)}.ics"


def bare_flask() -> FlaskClient:
    """What Flask itself costs: a constant, and as constant a tag."""
    app = Flask("bare")

    @app.get("/")
    def page() -> str:
        return "ok"

    return app.test_client()


def cost(client: FlaskClient, path: str, tag: str = "") -> tuple[float, int]:
    """Milliseconds of CPU for a poll, in the best of some rounds, and the bytes of its body."""
    headers = {"If-None-Match": tag} if tag else {}
    best, size = float("inf"), 0
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(POLLS // ROUNDS):
            size = len(client.get(path, headers=headers).get_data())
        best = min(best, (time.process_time() - began) / (POLLS // ROUNDS) * 1000)
    return best, size


def main() -> None:
    """Measure everything in one run, so that the ratios hold on any machine."""
    least, _ = cost(bare_flask(), "/")
    print(f"{'past':>7}  {'what':<12}{'ms':>7}{'ratio':>7}{'bytes':>8}")
    for past in HISTORY:
        with a_measured_app(0) as app:
            client, path = app.test_client(), subscribe(past)
            tag = client.get(path).headers["ETag"]
            for what, known in (("whole feed", ""), ("304", tag)):
                spent, size = cost(client, path, known)
                print(f"{past:>7}  {what:<12}{spent:>7.2f}{spent / least:>7.1f}{size:>8}")


if __name__ == "__main__":
    main()
