"""By which rules services are booked: what is foreseen is what is offered once it is saved."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from werkzeug.datastructures import MultiDict
from werkzeug.test import TestResponse

from booking.domain.timeline import Span
from booking.models import (
    Appointment,
    AuditEntry,
    Clinic,
    HealthcareService,
    Location,
    Mode,
    OwedMessage,
    RemindIf,
    Room,
    Visibility,
)
from booking.models.database import db, transaction
from booking.services import service_rules
from booking.services.appointments import cancel_appointment
from booking.services.availability import free_slots
from booking.services.clinic_file import ServicePart
from booking.services.desk import undo
from booking.services.schedules import Act, ChangedMeanwhile
from booking.services.service_rules import ServiceRules
from tests.builders import HOUSE, NOW, Mailbox, an_appointment, at, the_service
from tests.integration.test_schedule import save
from tests.pages import Page, page_of
from tests.readings import event, told
from tests.visits import a_member_of_staff, a_reference, deliver, get, sign_in

FORTNIGHT = Span(at("Mon 00:00"), at("Mon 00:00", week=2))
ACT = Act("desk@clinic.example", NOW, HOUSE.keys)
SERVICES = "/staff/schedule/services/"
VISIT = f"{SERVICES}visit"
LINK = "https://video.clinic.example/room"


@pytest.fixture
def desk(client: FlaskClient) -> FlaskClient:
    """A browser in which a member of staff is signed in."""
    a_member_of_staff()
    sign_in(client)
    return client


def as_shown(page: Page) -> MultiDict[str, str]:
    """A form as a browser would send it untouched."""
    form, sent = page.form(""), MultiDict[str, str]()
    for each in form.all("input"):
        if each.get("type") != "checkbox" or "checked" in each.attributes:
            sent.add(each.get("name"), each.get("value"))
    for pick in form.all("select"):
        chosen = [each for each in pick.all("option") if "selected" in each.attributes]
        sent.add(pick.get("name"), (chosen or pick.all("option"))[0].get("value"))
    return sent


def ask(desk: FlaskClient, path: str = VISIT, **typed: str | list[str]) -> TestResponse:
    """Type other rules, and ask what they do."""
    sent = as_shown(get(desk, path))
    for name, value in typed.items():
        sent.setlist(name, value if isinstance(value, list) else [value])
    return desk.post(path, data=sent)


def starts(slug: str = "visit") -> list[Any]:
    """What is on offer now, by the one question of every page."""
    db.session.rollback()
    clinic, service = db.session.get_one(Clinic, 1), the_service(db.session(), slug)
    return [each.start for each in free_slots(db.session(), clinic, service, FORTNIGHT, now=NOW)]


def rules_now(slug: str = "visit") -> ServiceRules:
    db.session.rollback()
    return service_rules.rules_of(db.session(), the_service(db.session(), slug))


def change(rules: ServiceRules, slug: str = "visit") -> service_rules.Consequences:
    """Foresee other rules, then save them."""
    with transaction() as session:
        service, clinic = the_service(session, slug), session.get_one(Clinic, 1)
        before = service_rules.rules_of(session, service)
        foreseen = service_rules.foresee(session, clinic, service, rules, FORTNIGHT, now=NOW)
        seen = service_rules.fingerprint(before, rules)
        service_rules.change_rules(session, service, rules, HOUSE, seen=seen, act=ACT)
        return foreseen


def minutes(*choices: int) -> st.SearchStrategy[timedelta]:
    return st.sampled_from([timedelta(minutes=each) for each in choices])


@st.composite
def rules(draw: Callable[..., Any]) -> ServiceRules:
    """Rules with every feature that rules have."""
    return ServiceRules(
        mode=draw(st.sampled_from(Mode)),
        location=draw(st.sampled_from([1, 2])),
        video_url=LINK,
        visibility=draw(st.sampled_from(Visibility)),
        position=draw(st.integers(1, 4)),
        duration=draw(minutes(5, 30, 45, 90)),
        step=draw(minutes(5, 20, 30, 60)),
        buffer_before=draw(minutes(0, 15, 60)),
        buffer_after=draw(minutes(0, 10, 240)),
        minimum_notice=draw(minutes(0, 60, 4000)),
        booking_horizon=timedelta(days=draw(st.sampled_from([1, 5, 60]))),
        change_cutoff=draw(minutes(0, 120)),
        daily_cap=draw(st.sampled_from([None, 1, 2])),
        practitioners=tuple(sorted(draw(st.sets(st.sampled_from(["ada", "ben"]))))),
        rooms=tuple(sorted(draw(st.sets(st.sampled_from(["blue", "old"]))))),
        reminders=draw(st.sampled_from([(), ((timedelta(hours=2), RemindIf.NOT_ACCEPTED),)])),
    )


@pytest.mark.usefixtures("sqlite_app")
@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(wanted=rules())
def test_what_is_foreseen_is_what_is_offered_once_it_is_saved(wanted: ServiceRules) -> None:
    with transaction() as session:
        if session.get(Location, 2) is None:
            session.add(Location(id=2, name="Elsewhere", address="9 Hill Road, Albany, NY 12207"))
            session.add(Room(slug="old", name="Old room", active=False, version=0))
            an_appointment(session, "Tue 09:00")
            an_appointment(session, "Wed 10:30", service="video", practitioner="ben")
    before = starts()

    foreseen = change(wanted)

    assert rules_now() == wanted
    then = starts()
    assert [each for day in foreseen.days for each in day.offered] == then
    assert {each for day in foreseen.days for each in day.gained} == set(then) - set(before)
    assert {each for day in foreseen.days for each in day.lost} == set(before) - set(then)


def test_rules_are_changed_once_what_they_do_was_seen(desk: FlaskClient) -> None:
    before = starts()

    preview = ask(desk, step="1 h", minimum_notice="2 d", practitioners=["ada"])
    page = page_of(preview)

    assert starts() == before
    for words in ("A beginning every until now: 30 min 1 h", "Ada Bell, Ben Cole Ada Bell"):
        assert words in page.text
    assert "0 times more" in page.text
    assert save(desk, preview).status_code == 303
    then = rules_now()
    assert (then.step, then.minimum_notice) == (timedelta(hours=1), timedelta(days=2))
    assert then.practitioners == ("ada",)
    assert set(starts()) < set(before)


def test_nothing_typed_is_lost_between_the_form_and_what_it_does(desk: FlaskClient) -> None:
    preview = page_of(
        ask(desk, duration="1 h 30 min", rooms=[], reminders="3 d, 90 unless accepted")
    )

    again = page_of(desk.post(VISIT, data=as_shown(preview) | {"back": "y"}))

    sent = as_shown(again)
    assert sent["duration"] == "1 h 30 min"
    assert sent.getlist("rooms") == []
    assert sent.getlist("practitioners") == ["ada", "ben"]
    assert sent["reminders"] == "3 d, 90 unless accepted"


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"duration": "soon"}, "The length is missing or not clear. Write a length such as"),
        ({"duration": "4"}, "The length can be from 5 min to 12 h."),
        ({"step": "30 min 1 h"}, "The distance between beginnings is missing or not clear."),
        ({"buffer_after": "1 d"}, "The time kept free after can be from 0 min to 4 h."),
        ({"minimum_notice": "366 d"}, "The notice can be from 0 min to 365 d."),
        ({"booking_horizon": "731"}, "a whole number from 1 to 730."),
        ({"daily_cap": "0"}, "a whole number from 1 to 1000."),
        ({"location": ""}, "Choose the place"),
        ({"location": "9"}, "Choose one of the list."),
        ({"mode": "letter"}, "Choose one of the list."),
        ({"mode": "video"}, "Enter the link of the video room."),
        ({"video_url": "http://video.clinic.example"}, "begins with https://"),
        ({"video_url": "javascript:alert(1)"}, "begins with https://"),
        ({"visibility": "nobody"}, "Choose one of the list."),
        ({"reminders": "2 h, 120 min"}, "stands there twice"),
        ({"reminders": "2 min"}, "A reminder can be from 5 min to 30 d."),
    ],
)
def test_what_makes_no_sense_is_said_where_it_stands(
    desk: FlaskClient, typed: dict[str, str], sentence: str
) -> None:
    answer = ask(desk, **(typed | {"change_cutoff": "77 min"}))

    assert answer.status_code == 422
    page = page_of(answer)
    assert any(sentence in each.text for each in page.alerts())
    assert as_shown(page)["change_cutoff"] == "77 min"


def test_the_limits_are_those_of_the_clinic_file(desk: FlaskClient) -> None:
    file = ServicePart.model_json_schema()["properties"]

    for name in ("duration", "step", "buffer_before", "minimum_notice", "change_cutoff"):
        least, most = file[name]["minimum"], file[name]["maximum"]
        for minutes, status in ((least - 1, 422), (least, 200), (most, 200), (most + 1, 422)):
            assert ask(desk, **{name: str(minutes)}).status_code == status, (name, minutes)


def test_a_new_service_is_seen_then_added_and_its_texts_follow(desk: FlaskClient) -> None:
    preview = ask(
        desk,
        f"{SERVICES}new",
        name="Follow-up",
        location="1",
        practitioners=["ada"],
        position="1",
    )
    assert "times more, 0 times less" in page_of(preview).text
    assert len(db.session.scalars(select(HealthcareService)).all()) == 4

    answer = save(desk, preview)

    assert answer.location.endswith("/texts/follow-up")
    assert rules_now("follow-up").position == 1
    assert rules_now("visit").position == 2
    assert starts("follow-up")
    assert "Follow-up" in get(desk, "/").text


def test_two_services_of_one_name_and_one_called_new_have_addresses_of_their_own(
    desk: FlaskClient,
) -> None:
    for name in ("First consultation", "First consultation", "New"):
        preview = ask(desk, f"{SERVICES}new", name=name, location="1", practitioners=["ada"])
        assert save(desk, preview).status_code == 303

    db.session.rollback()
    slugs = set(db.session.scalars(select(HealthcareService.slug)))
    assert {"first-consultation", "first-consultation-2", "new-2"} < slugs


def test_the_page_says_that_somebody_else_was_faster(desk: FlaskClient) -> None:
    preview = ask(desk, step="1 h")
    save(desk, ask(desk, duration="50 min"))

    answer = save(desk, preview)

    assert answer.status_code == 409
    assert "changed by somebody else" in page_of(answer).text
    assert rules_now().step == timedelta(minutes=30)
    assert save(desk, answer).status_code == 303
    assert rules_now().step == timedelta(hours=1)


@pytest.mark.usefixtures("app")
def test_rules_that_somebody_else_has_changed_are_not_changed_unseen() -> None:
    before = rules_now()
    then = replace(before, step=timedelta(hours=1))
    seen = service_rules.fingerprint(before, then)
    change(then)

    with pytest.raises(ChangedMeanwhile), transaction() as session:
        service = the_service(session)
        service_rules.change_rules(session, service, then, HOUSE, seen=seen, act=ACT)


def test_who_is_booked_with_somebody_taken_out_stays_and_the_page_says_how_many(
    desk: FlaskClient,
) -> None:
    a_reference("Mon 10:00", practitioner="ben", service="video")
    kept = a_reference("Wed 10:00", practitioner="ben")

    preview = ask(desk, practitioners=["ada"])
    save(desk, preview)

    assert (
        "1 coming appointment is with somebody, or in a room, that you take out"
        in page_of(preview).text
    )
    db.session.rollback()
    found = db.session.scalars(select(Appointment).where(Appointment.reference == kept)).one()
    assert (found.status, found.practitioner.slug, found.sequence) == ("booked", "ben", 0)


def test_another_way_to_meet_is_told_to_everybody_booked_and_nobody_else(
    sqlite_app: Flask, desk: FlaskClient, mailbox: Mailbox
) -> None:
    a_reference("Tue 09:00", service="video")
    a_reference("Tue 10:00", service="call", email="other@mail.example")
    deliver(sqlite_app)
    mailbox.mails.clear()

    preview = ask(desk, f"{SERVICES}video", video_url="https://video.clinic.example/new")
    saved = save(desk, preview)
    deliver(sqlite_app)

    assert "1 person with a coming appointment will be told" in page_of(preview).text
    assert saved.status_code == 303
    assert told(mailbox) == [("REQUEST", 1)]
    assert "https://video.clinic.example/new" in str(event(mailbox.mails[0]).to_ical())
    assert {each.recipient for each in mailbox.mails} == {"sam@mail.example"}


def test_a_service_that_becomes_a_call_says_who_left_no_number(desk: FlaskClient) -> None:
    a_reference("Tue 09:00", phone=None)

    page = page_of(ask(desk, mode="phone"))

    assert "1 of them has left no phone number to call." in page.text


def test_a_reminder_that_is_added_is_owed_to_who_is_booked_already(desk: FlaskClient) -> None:
    a_reference("Fri 09:00")

    save(desk, ask(desk, reminders="1 d, 2 h"))
    save(desk, ask(desk, reminders="1 d, 3 h"))
    save(desk, ask(desk, reminders="1 d, 2 h"))

    db.session.rollback()
    query = select(OwedMessage.occasion).where(OwedMessage.kind == "reminder")
    assert sorted(db.session.scalars(query)) == ["120", "1440", "180"]


@pytest.mark.usefixtures("app")
def test_a_cancellation_taken_back_after_a_change_of_length_keeps_its_own() -> None:
    patience = replace(HOUSE, undo=timedelta(minutes=2))
    with transaction() as session:
        made = an_appointment(session, "Tue 09:00")
        cancel_appointment(session, made, patience, now=NOW, actor="desk")
    change(replace(rules_now(), duration=timedelta(minutes=90)))

    with transaction() as session:
        found = session.scalars(select(Appointment)).one()
        undo(session, found, patience, actor="desk", now=NOW)

    assert found.end_at - found.start_at == timedelta(minutes=45)


def test_each_change_leaves_the_names_of_its_fields_in_the_audit_trail(desk: FlaskClient) -> None:
    save(desk, ask(desk, step="1 h", daily_cap="3"))
    save(desk, ask(desk, f"{SERVICES}new", name="Follow-up", location="1"))

    query = select(AuditEntry.action, AuditEntry.subject, AuditEntry.fields)
    query = query.where(AuditEntry.action.startswith("service."))
    assert [tuple(each) for each in db.session.execute(query)] == [
        ("service.change", "visit", "step daily_cap"),
        ("service.add", "follow-up", ""),
    ]


def test_rules_and_texts_lead_to_each_other(desk: FlaskClient) -> None:
    assert "/staff/schedule/texts/visit" in {each.get("href") for each in get(desk, VISIT).all("a")}
    texts = get(desk, "/staff/schedule/texts/visit")
    assert VISIT in {each.get("href") for each in texts.all("a")}
