"""Every address that we answer to: who may ask, by which verb, and what asking may change."""

import re
from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.routing import Rule

from booking.web import gate, keyed
from tests.answers import a_mail, take_in
from tests.builders import Mailbox
from tests.visits import (
    COUNTERS,
    TRAIL,
    a_link,
    a_member_of_staff,
    a_reference,
    deliver,
    get,
    rows,
    sign_in,
    the_appointment,
)

VERBS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "PROPFIND", "TRACE")
NOTHING_TYPED = ("contact.stop", "patient.data", "public.hold", "public.let_go")
"""Sent beside a form or by a button alone: there is nothing to give back."""
UNKNOWN = ("PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "MKCOL", "PROPPATCH", "X")
SAFE = ("GET", "HEAD", "OPTIONS", "PROPFIND")
PUBLIC = {
    "api.appointment",
    "api.book",
    "api.cancel",
    "api.reschedule",
    "api.services",
    "api.slots",
    "contact.change",
    "contact.confirm",
    "contact.form",
    "contact.question",
    "contact.stop",
    "erasure.keep",
    "erasure.question",
    "erasure.wish",
    "look.colours",
    "look.logo",
    "styleguide.page",
    "inbound.replies",
    "join.form",
    "join.join",
    "lost.ask",
    "lost.form",
    "reference.openapi",
    "reference.page",
    "earlier.decline",
    "earlier.form",
    "earlier.join",
    "earlier.leave",
    "earlier.offer",
    "earlier.take",
    "embedding.script",
    "feeds.feed",
    "fhir.locations",
    "fhir.manifest",
    "fhir.schedules",
    "fhir.slots",
    "ops.healthz",
    "ops.metrics",
    "ops.readyz",
    "ops.robots",
    "passkeys.options",
    "passkeys.sign_in",
    "patient.appointment",
    "patient.cancel",
    "patient.cancel_form",
    "patient.data",
    "patient.invite",
    "patient.keep",
    "patient.keep_form",
    "patient.reschedule",
    "patient.reschedule_times",
    "public.book",
    "public.booking_form",
    "public.hold",
    "public.let_go",
    "public.service_times",
    "public.services",
    "security.login",
    "static",
}
"""Frozen: whoever opens a page to the public says so here as well."""
BY_KEY = {
    "staff_api.appointment",
    "staff_api.appointments",
    "staff_api.attendance",
    "staff_api.book",
    "staff_api.cancel",
    "staff_api.reschedule",
}
"""What programs open with a key, and nobody without."""
STAFFS_OWN = {
    "webhooks.add",
    "webhooks.add_form",
    "webhooks.page",
    "webhooks.remove",
    "webhooks.renew",
    "webhooks.renew_form",
    "webhooks.resume",
    "webhooks.test",
    "keys.end",
    "keys.make",
    "keys.make_form",
    "keys.page",
    "keys.renew",
    "keys.renew_form",
    "look.change",
    "look.page",
    "look.put_logo",
    "look.remove_logo",
    "retention.one",
    "retention.one_form",
    "retention.rules",
    "retention.rules_form",
    "account.end_one",
    "account.end_others",
    "account.page",
    "account.password",
    "numbers.export",
    "numbers.page",
    "audit.page",
    "day.full_sheet",
    "day.full_sheet_form",
    "day.month",
    "day.page",
    "day.week",
    "day.pulse",
    "day.sheet",
    "day.starts",
    "desk.book_caller",
    "desk.caller",
    "desk.find",
    "desk.names",
    "desk.search",
    "desk.undo",
    "desk.write_note",
    "answers.accept",
    "answers.decline",
    "answers.done",
    "answers.show",
    "calendars.add",
    "calendars.add_form",
    "calendars.check",
    "calendars.end",
    "calendars.page",
    "calendars.remove",
    "calendars.renew",
    "closures.choose_holidays",
    "closures.close",
    "closures.closure",
    "closures.closure_form",
    "closures.holiday_close",
    "closures.holiday_open",
    "closures.holidays",
    "closures.page",
    "closures.remove",
    "schedule.copy_day",
    "schedule.copy_week",
    "schedule.details",
    "schedule.details_form",
    "schedule.extra_add",
    "schedule.extra_form",
    "schedule.hours_add",
    "schedule.hours_edit",
    "schedule.hours_edit_form",
    "schedule.hours_form",
    "schedule.hours_remove",
    "schedule.page",
    "schedule.practitioner_add",
    "schedule.practitioner_form",
    "schedule.week",
    "schedule.why",
    "clinic_numbers.change",
    "clinic_numbers.page",
    "places.add",
    "places.add_form",
    "places.change",
    "places.change_form",
    "places.page",
    "rooms.add",
    "rooms.add_form",
    "rooms.change",
    "rooms.change_form",
    "rooms.page",
    "services.add",
    "services.add_form",
    "services.page",
    "services.rules",
    "services.rules_form",
    "texts.change",
    "texts.page",
    "texts.service_change",
    "texts.service_form",
    "waitlist.page",
    "waitlist.remove",
    "waitlist.skip",
    "people.disable",
    "people.enable",
    "people.invite",
    "people.invite_again",
    "people.invite_form",
    "people.page",
    "people.reset_second_step",
    "people.role",
    "people.role_form",
    "second.add_app",
    "second.add_passkey",
    "second.app",
    "second.choose",
    "second.codes",
    "second.codes_kept",
    "second.new_codes",
    "second.passkey",
    "second.passkey_options",
    "second.picture",
    "second.remove_app",
    "second.remove_passkey",
    "security.logout",
    "security.static",
    "staff.appointment",
    "staff.attendance",
    "staff.cancel",
    "staff.cancel_form",
    "staff.address",
    "staff.address_form",
    "staff.handled",
    "staff.message",
    "staff.reschedule",
    "staff.reschedule_times",
    "staff.resend",
    "staff.upcoming",
    "steps.code",
    "steps.confirm",
    "steps.confirm_form",
    "steps.confirm_passkey",
    "steps.page",
    "steps.passkey",
}


def addresses(app: Flask, link: str, reference: str) -> Iterator[tuple[Rule, str]]:
    """Each rule with an address that it matches."""
    values = {
        "slug": "visit",
        "token": link.rpartition("/")[2],
        "reference": reference,
        "filename": "style.css",
        "verb": "arrive",
        "message": "1",
        "mail": "1",
        "calendar": "1",
        "person": "1",
        "hours": "1",
        "number": "1",
        "on": "2026-12-25",
        "mark": "0" * 16,
        "colour": "1f5f58",
        "digest": "0" * 16,
    }
    for rule in app.url_map.iter_rules():
        yield rule, re.sub(r"<(?:[^<]*:)?(\w+)>", lambda found: values[found[1]], rule.rule)


def verbs_of(everywhere: list[tuple[Rule, str]]) -> dict[str, set[str]]:
    """What each path knows."""
    known: dict[str, set[str]] = {}
    for rule, path in everywhere:
        known.setdefault(path, set()).update(rule.methods or ())
    return known


@pytest.fixture
def everywhere(sqlite_app: Flask) -> list[tuple[Rule, str]]:
    """Every address of the app, each with something behind it."""
    link = a_link("Tue 09:00")
    take_in(a_mail())
    return list(addresses(sqlite_app, link, the_appointment().reference))


def test_the_public_list_is_the_one_that_was_agreed() -> None:
    assert gate.PUBLIC == PUBLIC


def test_every_route_is_known(sqlite_app: Flask) -> None:
    endpoints = {rule.endpoint for rule in sqlite_app.url_map.iter_rules()}

    assert endpoints == PUBLIC | STAFFS_OWN | BY_KEY
    assert set(keyed.NEEDED) == BY_KEY


def test_what_is_not_public_asks_for_sign_in_whatever_the_verb(
    client: FlaskClient, everywhere: list[tuple[Rule, str]]
) -> None:
    known, before = verbs_of(everywhere), rows()

    for rule, path in everywhere:
        for verb in VERBS if rule.endpoint not in PUBLIC | BY_KEY else ():
            answer = client.open(path, method=verb)
            expected = (302, 303) if verb in known[path] else (405,)
            assert answer.status_code in expected, (verb, path)
            assert answer.status_code == 405 or answer.location.startswith("/login"), (verb, path)

    assert rows() == before


def test_a_verb_that_a_public_route_does_not_know_is_refused(
    client: FlaskClient, everywhere: list[tuple[Rule, str]]
) -> None:
    known = verbs_of(everywhere)

    for rule, path in everywhere:
        for verb in set(VERBS) - known[path] if rule.endpoint in PUBLIC else ():
            assert client.open(path, method=verb).status_code == 405, (verb, path)


@pytest.mark.parametrize("signed_in", [False, True])
def test_looking_changes_nothing(
    client: FlaskClient, everywhere: list[tuple[Rule, str]], signed_in: bool
) -> None:
    """T-43: nothing but the trail of who has looked."""
    a_member_of_staff()
    if signed_in:
        sign_in(client)
    before = rows(besides=TRAIL)

    for _, path in everywhere:
        for verb in SAFE:
            answer = client.open(path, method=verb)
            assert answer.status_code < 500 or path == "/readyz", (verb, path)

    assert rows(besides=TRAIL) == before


@pytest.mark.parametrize("signed_in", [False, True])
def test_verbs_that_nobody_offers_change_nothing(
    client: FlaskClient, everywhere: list[tuple[Rule, str]], signed_in: bool
) -> None:
    """T-43: those of WebDAV, those that trace, and those that somebody has made up."""
    known = verbs_of(everywhere)
    a_member_of_staff()
    if signed_in:
        sign_in(client)
    token = {"X-CSRFToken": "x", "X-HTTP-Method-Override": "POST"}
    before = rows(besides=TRAIL)

    for path in known:
        for verb in UNKNOWN:
            answer = client.open(path, method=verb, headers=token, data={"_method": "POST"})
            assert answer.status_code == 405, (verb, path)

    assert rows(besides=TRAIL) == before


def test_a_mail_scanner_that_opens_every_link_changes_nothing(
    sqlite_app: Flask, client: FlaskClient, mailbox: Mailbox
) -> None:
    """T-44: each link of the mail's page, and of the pages behind it, five times."""
    link = a_link("Tue 09:00")
    deliver(sqlite_app)
    assert mailbox.mails
    before = rows(besides=COUNTERS)

    for page in (
        link,
        *(f"{link}/{each}" for each in ("reschedule", "cancel", "keep")),
        "/services/visit",
    ):
        for address in get(client, page).links():
            for _ in range(5):
                assert client.get(address).status_code < 500, address

    assert rows(besides=COUNTERS) == before


def test_what_changes_something_refuses_a_request_without_our_token(
    client: FlaskClient, everywhere: list[tuple[Rule, str]]
) -> None:
    """T-45, T-46: as a member of staff, so that nothing but the missing token is in the way."""
    a_member_of_staff()
    sign_in(client)
    before = rows()

    for rule, path in everywhere:
        if "POST" not in (rule.methods or ()):
            continue
        answer = client.post(path, data={"start": "2026-11-24T15:00:00Z", "name": "Eve"})
        expected = {
            "api": 415,
            "inbound": 404,
            "contact": 422,
            "earlier": 422,
            "erasure": 422,
            "lost": 422,
            "staff_api": 401,
            "public": 422,
            "patient": 422,
        }
        blueprint = rule.endpoint.partition(".")[0]
        wanted = 400 if rule.endpoint in NOTHING_TYPED else expected.get(blueprint, 400)
        if rule.endpoint == "contact.confirm":
            wanted = 404  # it takes another kind of key
        assert answer.status_code == wanted, path

    assert rows() == before


def test_a_form_of_another_site_cannot_pass_for_json(
    client: FlaskClient, everywhere: list[tuple[Rule, str]]
) -> None:
    """The three types that a form can send without asking first."""
    before = rows()
    simple = ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x")

    for rule, path in everywhere:
        if rule.endpoint.startswith("api.") and "POST" in (rule.methods or ()):
            for kind in simple:
                answer = client.post(path, data=b'{"start":"x"}', content_type=kind)
                assert answer.status_code == 415, (path, kind)

    assert rows() == before


def test_nothing_private_is_served_beside_the_pages(client: FlaskClient) -> None:
    """T-89."""
    names: tuple[str, ...] = (
        "/.git/config",
        "/.git/HEAD",
        "/instance/booking.db",
        "/booking.db",
        "/wsgi.py",
    )
    names += ("/static/../settings.py", "/static/..%2fsettings.py")
    names += ("/.env", "/requirements.txt", "/templates/base.html", "/instance/secret_key")

    for name in names:
        assert client.get(name).status_code == 404, name


def test_staff_cannot_be_reached_by_a_reference_from_outside(client: FlaskClient) -> None:
    reference = a_reference()

    answer = client.get(f"/appointments/{reference}")

    assert answer.status_code == 404
