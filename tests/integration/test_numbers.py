"""The numbers: counted by week, in as many statements always, and safe in a spreadsheet."""

import csv
from codecs import BOM_UTF8
from io import StringIO

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from booking.domain.lifecycle import Verb
from booking.models import Appointment, Clinic, Practitioner
from booking.models.database import db, transaction
from booking.services.appointments import cancel_appointment, note_attendance
from booking.services.numbers import Week, weeks
from booking.web.numbers import plain_cell
from tests.builders import HOUSE, MONDAY, NOW, an_appointment, at
from tests.visits import a_member_of_staff, get, sign_in


@pytest.fixture
def desk(client: FlaskClient) -> FlaskClient:
    a_member_of_staff()
    sign_in(client)
    return client


def this_week() -> Week:
    db.session.rollback()
    practitioners = list(db.session.scalars(select(Practitioner).order_by(Practitioner.slug)))
    found = weeks(db.session(), db.session.get_one(Clinic, 1), practitioners, now=NOW)
    assert len(found) == 12
    assert found[-1].first == MONDAY
    return found[-1]


def a_week() -> None:
    with transaction() as session:
        made = [
            an_appointment(session, start, email=f"{number}@mail.example")
            for number, start in enumerate(("Tue 09:00", "Tue 10:00", "Wed 09:00", "Fri 09:00"))
        ]
        note_attendance(session, made[0], Verb.FULFIL, HOUSE, actor="desk", now=at("Tue 10:00"))
        note_attendance(session, made[1], Verb.MISS, HOUSE, actor="desk", now=at("Tue 11:00"))
        cancel_appointment(session, made[2], HOUSE, now=NOW)


def test_what_happened_is_counted_in_its_week(app: Flask) -> None:
    assert app
    a_week()

    week = this_week()

    assert (week.booked, week.seen, week.missed, week.cancelled) == (4, 1, 1, 1)
    assert week.days_ahead == 1.6, "between the middle two of 25, 26, 49 and 97 hours"


def test_how_full_somebody_was_is_what_was_taken_of_the_hours(app: Flask) -> None:
    assert app
    a_week()
    ada, ben = db.session.scalars(select(Practitioner.id).order_by(Practitioner.slug))

    week = this_week()

    assert week.full(ada) == round(100 * 90 / (5 * 7 * 60))
    assert week.full(ben) == 0


def test_an_empty_clinic_has_empty_weeks(desk: FlaskClient) -> None:
    assert this_week().days_ahead is None
    assert "Numbers" in get(desk, "/staff/numbers/").heading


def test_each_number_has_a_small_chart_with_its_table_behind(desk: FlaskClient) -> None:
    page = get(desk, "/staff/numbers/")

    tables = " ".join(each.text for each in page.all("th"))
    charts = [each.text for each in page.all("figcaption")]
    assert charts[:5] == ["Booked", "Seen", "Cancelled", "Did not come", "Days ahead"]
    assert all(each in tables for each in charts)


def test_the_file_says_what_the_page_says(desk: FlaskClient) -> None:
    a_week()

    answer = desk.get("/staff/numbers/weeks.csv")

    assert answer.data.startswith(BOM_UTF8)  # Excel takes it for another alphabet otherwise
    lines = list(csv.reader(StringIO(answer.data.decode("utf-8-sig"))))
    assert answer.mimetype == "text/csv"
    assert lines[0][:6] == ["week", "booked", "seen", "cancelled", "missed", "days ahead"]
    assert lines[-1][:6] == ["2026-11-23", "4", "1", "1", "1", "1.6"]
    assert len(lines) == 13


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_is_a_formula(start: str) -> None:
    """T-36."""
    assert plain_cell(f"{start}1+1") == f"'{start}1+1"
    assert plain_cell("1+1") == "1+1"


def test_no_patient_is_named(desk: FlaskClient) -> None:
    a_week()

    assert "Rivers" not in get(desk, "/staff/numbers/").text
    assert b"Rivers" not in desk.get("/staff/numbers/weeks.csv").data
    assert db.session.scalars(select(Appointment)).first()
