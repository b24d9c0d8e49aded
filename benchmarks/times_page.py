"""CPU of the free times, as a page and as JSON, beside a bare Flask that computes nothing.

python -m benchmarks.times_page
"""

import time

from flask import Flask, Response, jsonify, render_template_string
from flask.testing import FlaskClient

from benchmarks.clinic import a_measured_app

PAGE = "/services/video?month=2026-12"
JSON = "/api/v1/slots?service=video&from=2026-12-01&to=2026-12-31"
HISTORY = (0, 20_000)
REQUESTS = 200
ROUNDS = 5
BARE_PAGE = """<!doctype html><title>Times</title><h1>Times</h1>
<table>{% for week in weeks %}<tr>{% for day in week %}<td><a href="/?day={{ day }}">{{ day }}</a>
{% endfor %}{% endfor %}</table><ul>{% for slot in slots %}<li><a href="/{{ slot.start }}">
{{ slot.start }}</a>{% endfor %}</ul>"""


def bare_flask(answer: object) -> Flask:
    """What Flask itself costs: the same JSON, and a template with as many squares and links."""
    app = Flask("bare")

    @app.get("/json")
    def as_json() -> Response:
        return jsonify(answer)

    @app.get("/page")
    def as_page() -> str:
        slots = answer["slots"][:16] if isinstance(answer, dict) else []
        weeks = [range(7 * week, 7 * week + 7) for week in range(5)]
        return render_template_string(BARE_PAGE, weeks=weeks, slots=slots)

    return app


def cost(client: FlaskClient, path: str) -> float:
    """Milliseconds of CPU for a request, in the best of some rounds."""
    return min(_round(client, path) for _ in range(ROUNDS))


def _round(client: FlaskClient, path: str) -> float:
    began = time.process_time()
    for _ in range(REQUESTS):
        assert client.get(path).status_code == 200
    return (time.process_time() - began) / REQUESTS * 1000


def main() -> None:
    """Measure everything in one run, so that the ratios hold on any machine."""
    print(f"{'past':>7}  {'what':<6}{'ours, ms':>9}{'bare, ms':>10}{'ratio':>7}")
    for past in HISTORY:
        with a_measured_app(past) as app:
            ours = app.test_client()
            bare = bare_flask(ours.get(JSON).get_json()).test_client()
            for what, path in (("JSON", JSON), ("page", PAGE)):
                mine, least = cost(ours, path), cost(bare, f"/{what.lower()}")
                print(f"{past:>7}  {what:<6}{mine:>9.2f}{least:>10.2f}{mine / least:>7.1f}")


if __name__ == "__main__":
    main()
