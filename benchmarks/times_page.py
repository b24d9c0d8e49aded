"""CPU of the free times, as a page and as JSON, beside a bare Flask that computes nothing.

python -m benchmarks.times_page
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import cycle, product

from flask import Flask, Response, jsonify, render_template_string
from sqlalchemy import update

from benchmarks.clinic import DATABASES, a_measured_app, cpu
from booking.models import Occupancy
from booking.models.database import db, transaction
from booking.services.appointments import book_appointment
from tests.builders import HOUSE, NOW, a_request, at

PAGE = "/services/video?month=2026-12"
JSON = "/api/v1/slots?service=video&from=2026-12-01&to=2026-12-31"
HISTORY = (0, 20_000)
COLLEAGUES = (0, 18)
REQUESTS = 100
AMID, HOUR = at("Tue 10:00", week=3), timedelta(hours=1)
"""A time of the month that is looked at, of another day than the one whose times are shown."""
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


def looks(app: Flask) -> dict[str, Callable[[], object]]:
    """What is looked at: as it mostly is, when nothing has changed, and right after a change."""
    client = app.test_client()
    tag = {"If-None-Match": client.get(JSON).headers["ETag"]}

    with transaction() as session:
        wish = replace(a_request(practitioner="ada"), start=AMID)
        made = book_appointment(session, "video", wish, HOUSE, now=NOW).id
    elsewhere = cycle((AMID + HOUR, AMID))

    def changed() -> None:
        """Somebody's appointment takes another hour of that day."""
        begins = next(elsewhere)
        with db.engine.begin() as connection:
            connection.execute(
                update(Occupancy)
                .where(Occupancy.appointment_id == made)
                .values(blocked_from=begins, blocked_until=begins + HOUR)
            )

    def after(path: str) -> Callable[[], object]:
        def look() -> None:
            changed()
            client.get(path)

        return look

    return {
        "JSON": lambda: client.get(JSON),
        "JSON, 304": lambda: client.get(JSON, headers=tag),
        "JSON, one changed": after(JSON),
        "page": lambda: client.get(PAGE),
        "page, one changed": after(PAGE),
        "(the change itself)": changed,
    }


def main() -> None:
    """Measure everything in one run, so that the ratios hold on any machine."""
    print(f"{'database':<12}{'people':>6}{'past':>7}  {'what':<22}{'ms':>6}{'bare pages':>12}")
    for database, colleagues, past in product(DATABASES, COLLEAGUES, HISTORY):
        with a_measured_app(past, database=database, colleagues=colleagues) as app:
            bare = bare_flask(app.test_client().get(JSON).get_json()).test_client()
            least = cpu(lambda bare=bare: bare.get("/page"), times=REQUESTS)  # type: ignore[misc]
            costs = {what: cpu(look, times=REQUESTS) for what, look in looks(app).items()}
            costs["bare JSON"] = cpu(lambda bare=bare: bare.get("/json"), times=REQUESTS)  # type: ignore[misc]
            costs["bare page"] = least
            for what, mine in costs.items():
                row = f"{database:<12}{2 + colleagues:>6}{past:>7}  {what:<22}"
                print(f"{row}{mine:>6.2f}{mine / least:>12.1f}")


if __name__ == "__main__":
    main()
