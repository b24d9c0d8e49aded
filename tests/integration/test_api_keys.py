"""Keys of other programs: who makes them, what they open, and that nothing else opens it."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from booking.models import Appointment, AppointmentEvent, AuditEntry, Role, Scope, User
from booking.models.database import db, transaction
from booking.services import api_keys
from booking.services.api_keys import NewKey
from booking.services.links import token_of
from booking.services.people import Deed
from booking.web import keyed
from tests.builders import HOUSE, NOW, Clock, Mailbox, an_appointment, at
from tests.conftest import a_running_app, settings_for
from tests.pages import page_of
from tests.visits import (
    DESK,
    a_member_of_staff,
    a_reference,
    deliver,
    disable,
    get,
    rows,
    send,
    sign_in,
    the_appointment,
)

LIST = "/api/v1/staff/appointments?from=2026-11-23&to=2026-11-30"
SAM = {"name": "Sam Rivers", "phone": "(212) 555-0123"}
BOTH = (Scope.READ, Scope.WRITE)


def a_key(
    *scopes: Scope,
    name: str = "Records",
    maker: str = DESK,
    expires_in: timedelta | None = None,
) -> str:
    """A key that an administrator has made."""
    if db.session.scalar(select(User.id).where(User.email == maker)) is None:
        a_member_of_staff(maker)
    with transaction() as session:
        expires_at = None if expires_in is None else NOW + expires_in
        new = NewKey(name, scopes or BOTH, expires_at)
        return api_keys.make(session, new, Deed(maker, NOW, HOUSE))[1]


def ask(app: Flask, path: str, key: str | None, **more: Any) -> TestResponse:
    """Ask as a program does: without a cookie, with a key."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    headers |= more.pop("headers", {})
    verb = "POST" if "json" in more or more.pop("post", False) else "GET"
    return app.test_client(use_cookies=False).open(path, method=verb, headers=headers, **more)


def everywhere(reference: str) -> dict[str, tuple[str, dict[str, Any]]]:
    """Each address with something to send there that is right."""
    one = f"/api/v1/staff/appointments/{reference}"
    booking = {"service": "visit", "start": "2026-11-25T15:00:00Z", "patient": SAM}
    return {
        "staff_api.appointments": (LIST, {}),
        "staff_api.appointment": (one, {}),
        "staff_api.book": ("/api/v1/staff/appointments", {"json": booking}),
        "staff_api.reschedule": (f"{one}/reschedule", {"json": {"start": "2026-11-25T16:00:00Z"}}),
        "staff_api.cancel": (f"{one}/cancel", {"json": {}}),
        "staff_api.attendance": (f"{one}/attendance", {"json": {"status": "arrived"}}),
    }


def test_every_address_is_tried() -> None:
    assert set(everywhere("x")) == set(keyed.NEEDED)


@pytest.fixture(params=sorted(keyed.NEEDED))
def address(request: pytest.FixtureRequest, sqlite_app: Flask) -> tuple[str, dict[str, Any], Scope]:
    """Each address in turn, with an appointment of today behind it."""
    assert sqlite_app
    path, sent = everywhere(a_reference("Mon 11:00"))[request.param]
    return path, sent, keyed.NEEDED[request.param]


Address = tuple[str, dict[str, Any], Scope]


def test_a_key_with_the_scope_opens_it(sqlite_app: Flask, address: Address) -> None:
    path, sent, scope = address

    answer = ask(sqlite_app, path, a_key(scope), **sent)

    assert answer.status_code in (200, 201), answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Set-Cookie" not in answer.headers


def test_a_key_with_the_other_scope_does_not(sqlite_app: Flask, address: Address) -> None:
    path, sent, scope = address
    key = a_key(*(each for each in Scope if each != scope))
    before = rows()

    answer = ask(sqlite_app, path, key, **sent)

    assert (answer.status_code, answer.get_json()["code"]) == (403, "insufficient_scope")
    assert f'scope="{scope}"' in answer.headers["WWW-Authenticate"]
    assert rows() == before


@pytest.mark.parametrize(
    "key",
    [
        lambda: None,
        lambda: "",
        lambda: "bk_" + "A" * 43,
        lambda: "x" * 60_000,
        lambda: token_of(the_appointment(), HOUSE.keys),
        lambda: a_key(expires_in=timedelta(0)),
        lambda: ended(a_key()),
    ],
    ids=["none", "empty", "made up", "huge", "a patient's token", "over", "ended"],
)
def test_what_is_no_key_that_works_opens_nothing(
    sqlite_app: Flask, address: Address, key: Callable[[], str | None]
) -> None:
    path, sent, _ = address
    brought = key()
    before = rows()

    answer = ask(sqlite_app, path, brought, **sent)

    assert (answer.status_code, answer.get_json()["code"]) == (401, "bad_key")
    assert answer.content_type == "application/problem+json"
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert rows() == before


def test_a_member_of_staff_who_is_signed_in_has_no_key(
    client: FlaskClient, address: Address
) -> None:
    path, sent, _ = address
    a_member_of_staff()
    sign_in(client)
    before = rows()

    answer = client.open(path, method="POST" if sent else "GET", **sent)

    assert answer.status_code == 401
    assert rows() == before


def test_a_key_opens_no_page_of_the_staff(sqlite_app: Flask) -> None:
    key = a_key()

    for path in ("/staff/", "/staff/keys/", "/staff/people/"):
        assert ask(sqlite_app, path, key).location.startswith("/login")


def ended(key: str) -> str:
    """The same key, which has ended."""
    with transaction() as session:
        asker = api_keys.asker_of(session, key, now=NOW)
        assert asker
        api_keys.end(session, asker.number, Deed(DESK, NOW, HOUSE))
    return key


def renewed(overlap: timedelta, *, by: str = DESK, now: Any = NOW) -> str:
    """Another secret for the one key that there is."""
    with transaction() as session:
        (found,) = api_keys.keys(session)
        last, number = found.renewed_at, found.id
        return api_keys.renew(session, number, last, overlap, Deed(by, now, HOUSE))[1]


def test_the_database_knows_no_key(app: Flask) -> None:
    key = a_key()

    assert key.startswith("bk_")
    assert key not in repr(rows())
    assert key[3:] not in repr(rows())
    assert ask(app, LIST, key).status_code == 200


def test_a_renewed_key_works_beside_the_one_before_for_a_while(app: Flask, clock: Clock) -> None:
    old = a_key()
    new = renewed(timedelta(hours=1))

    both = [ask(app, LIST, each).status_code for each in (old, new)]
    clock.now += timedelta(hours=1)
    later = [ask(app, LIST, each).status_code for each in (old, new)]

    assert (both, later) == ([200, 200], [401, 200])


def test_a_key_that_is_renewed_at_once_ends_the_one_before(app: Flask) -> None:
    old = a_key()
    new = renewed(timedelta())

    assert [ask(app, LIST, each).status_code for each in (old, new)] == [401, 200]


@pytest.mark.parametrize("how", ["disabled", "no administrator"])
def test_a_key_rests_while_who_has_seen_it_is_no_administrator(app: Flask, how: str) -> None:
    key = a_key(maker="ann@clinic.example")
    a_member_of_staff()
    if how == "disabled":
        disable("ann@clinic.example")
    else:
        with transaction() as session:
            ann = select(User).where(User.email == "ann@clinic.example")
            session.scalars(ann).one().role = Role.SCHEDULER

    resting = ask(app, LIST, key).status_code
    another = renewed(timedelta(days=1))

    assert resting == 401
    assert [ask(app, LIST, each).status_code for each in (key, another)] == [401, 200]


def test_a_key_says_on_which_day_it_was_used_last(app: Flask, clock: Clock) -> None:
    key = a_key()
    ask(app, LIST, key)
    clock.now += timedelta(days=2)
    ask(app, LIST, key)
    ask(app, LIST, key)

    (found,) = api_keys.keys(db.session())

    assert str(found.last_used_on) == "2026-11-25"


def test_what_it_reads_and_changes_is_in_the_trail_under_its_name(app: Flask) -> None:
    reference = a_reference("Mon 11:00")
    key = a_key()
    for path, sent in everywhere(reference).values():
        ask(app, path, key, **sent)

    entries = db.session.scalars(
        select(AuditEntry).where(AuditEntry.actor == "key:Records").order_by(AuditEntry.number)
    ).all()

    assert [each.action for each in entries] == [
        "appointment.list",
        "appointment.read",
        "appointment.book",
        "appointment.reschedule",
        "appointment.cancel",
    ]
    assert (entries[0].subject, entries[1].subject) == ("2026-11-23/8", reference)
    assert "key:Records" in db.session.scalars(select(AppointmentEvent.actor)).all()


def test_a_list_is_paged_through_without_meeting_anybody_twice(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("booking.web.staff_api.MOST_LISTED", 2)
    with transaction() as session:
        made = [an_appointment(session, f"Tue {hour}:00") for hour in (10, 11, 14)]
        made += [
            an_appointment(session, "Wed 10:00", service="video", practitioner=who)
            for who in ("ada", "ben")
        ]
        wanted = [each.reference for each in made]
    key, seen, after = a_key(), [], ""

    while after is not None:
        answer = ask(app, LIST + (f"&after={after}" if after else ""), key).get_json()
        seen += [each["reference"] for each in answer["appointments"]]
        after = answer["next"]

    assert sorted(seen) == sorted(wanted)
    assert seen[:3] == wanted[:3]


def test_a_list_is_of_one_practitioner_or_service_where_that_is_asked_for(app: Flask) -> None:
    mine = a_reference("Tue 10:00")
    a_reference("Wed 10:00", service="video", practitioner="ben")
    key = a_key()

    for only in ("&practitioner=ada", "&service=visit"):
        found = ask(app, LIST + only, key).get_json()["appointments"]
        assert [each["reference"] for each in found] == [mine]
    assert ask(app, f"{LIST}&practitioner=nobody", key).status_code == 422


def test_the_desks_rules_hold_for_who_is_booked_with_a_key(app: Flask, mailbox: Mailbox) -> None:
    key = a_key()
    path = "/api/v1/staff/appointments"
    body = {"service": "visit", "start": "2026-11-24T14:00:00Z", "patient": SAM}
    wish = {"Idempotency-Key": "one"}

    made = ask(app, path, key, json=body, headers=wish)
    again = ask(app, path, key, json=body, headers=wish)
    taken = ask(app, path, key, json=body | {"practitioner": "ada"})
    deliver(app)

    assert (made.status_code, again.json) == (201, made.json)
    assert made.get_json()["patient"]["phone"] == "+12125550123"
    assert (taken.status_code, taken.get_json()["code"]) == (409, "slot_taken")
    assert taken.get_json()["alternatives"]
    assert "sam@mail.example" not in [each.recipient for each in mailbox.mails]


def test_a_key_that_may_only_write_learns_of_nobody_who_comes(app: Flask) -> None:
    reference = a_reference("Mon 11:00")

    answer = ask(
        app,
        f"/api/v1/staff/appointments/{reference}/attendance",
        a_key(Scope.WRITE),
        json={"status": "arrived"},
    )

    assert (answer.get_json()["status"], answer.get_json()["patient"]) == ("arrived", None)


def test_a_clinics_own_program_moves_and_cancels_within_the_cut_off(
    app: Flask, clock: Clock
) -> None:
    reference, key = a_reference("Mon 11:00"), a_key()
    one = f"/api/v1/staff/appointments/{reference}"
    clock.now = at("Mon 10:30")

    moved = ask(app, f"{one}/reschedule", key, json={"start": "2026-11-24T15:00:00Z"})
    cancelled = ask(app, f"{one}/cancel", key, post=True)

    assert (moved.status_code, moved.get_json()["sequence"]) == (200, 1)
    assert (cancelled.status_code, cancelled.get_json()["status"]) == (200, "cancelled")


def test_what_was_erased_is_told_to_no_program(app: Flask) -> None:
    reference, key = a_reference("Tue 10:00"), a_key()
    with transaction() as session:
        found = session.scalars(select(Appointment)).one()
        found.erased_at = NOW

    assert ask(app, f"/api/v1/staff/appointments/{reference}", key).get_json()["patient"] is None


def test_one_key_asks_only_so_often(sqlite_url: str, clock: Clock, mailbox: Mailbox) -> None:
    settings = settings_for(sqlite_url, BOOKING_RATE_LIMITS="on")
    for app in a_running_app(settings, clock, mailbox):
        busy, other = a_key(), a_key(name="Billing")

        answers = [ask(app, LIST, busy).status_code for _ in range(121)]

        assert answers.count(200) == 120
        assert answers[-1] == 429
        assert ask(app, LIST, other).status_code == 200


def test_an_administrator_makes_renews_and_ends_a_key(client: FlaskClient, clock: Clock) -> None:
    a_member_of_staff()
    sign_in(client)
    page = get(client, "/staff/keys/new")
    form = page.form().values() | {"name": "Records", "scopes": "appointments:read"}

    made = client.post("/staff/keys/new", data=form)
    again = client.post("/staff/keys/new", data=form)

    first = page_of(made).all("pre")[0].text
    assert (made.status_code, again.status_code) == (200, 422)
    assert ask(client.application, LIST, first).status_code == 200
    assert first not in client.get("/staff/keys/").text

    clock.now += timedelta(minutes=1)
    renew = get(client, "/staff/keys/1/renew")
    second = page_of(send(client, renew, overlap="0")).all("pre")[0].text
    pressed_twice = send(client, renew, overlap="0")

    assert pressed_twice.location == "/staff/keys/"
    statuses = [ask(client.application, LIST, each).status_code for each in (first, second)]
    assert statuses == [401, 200]

    send(client, get(client, "/staff/keys/"), "/end")

    assert ask(client.application, LIST, second).status_code == 401
    actions = db.session.scalars(select(AuditEntry.action).where(AuditEntry.actor == DESK))
    assert {"key.make", "key.renew", "key.end"} <= set(actions)


def test_who_is_disabled_leaves_word_of_the_keys_that_rest(client: FlaskClient) -> None:
    a_key(maker="ann@clinic.example")
    a_member_of_staff()
    sign_in(client)

    send(client, get(client, "/staff/people/"), "/disable")

    assert "These keys rest" in get(client, "/staff/people/").text
    assert "Rests" in get(client, "/staff/keys/").text


def test_a_key_for_nothing_or_for_a_day_that_is_over_is_not_made(client: FlaskClient) -> None:
    a_member_of_staff()
    sign_in(client)
    page = get(client, "/staff/keys/new")
    wrong = page.form().values() | {"name": "Records", "expires": "2026-11-22"}

    answer = client.post("/staff/keys/new", data=wrong)

    assert answer.status_code == 422
    assert "Tick what the key is for." in answer.text
    assert "not over" in answer.text
