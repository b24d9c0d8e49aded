"""Where a person stands: on pages that leave a trace, in no address, and in no log."""

import re
from io import StringIO
from urllib.parse import unquote

import pytest
import structlog
from flask import Flask
from sqlalchemy import func, select

from booking.models import Appointment, AuditEntry, Clinic, HealthcareService
from booking.models.database import db, transaction
from booking.services import retention
from booking.services.links import token_of
from tests.builders import HOUSE, Clock
from tests.contracts.test_routes import addresses
from tests.integration.test_api_keys import LIST, a_key, ask
from tests.integration.test_stored_texts import furnished, owe_one_of_each_kind, the_first
from tests.integration.test_sweeps import forms_of
from tests.pages import page_of
from tests.visits import DESK, deliver, rows, sign_in

__all__ = ["furnished"]

OF_A_PERSON = re.compile(r"rivers|@mail\.example|555.?0123|walk|away", re.IGNORECASE)
PERSON = re.compile(r"rivers|sam@mail|sam%40mail|555.?0123", re.IGNORECASE)


@pytest.fixture
def paths(furnished: Flask) -> list[str]:
    """Every page that there is, for patients and for staff."""
    link = f"/appointments/{token_of(the_first(), HOUSE.keys)}"
    everywhere = addresses(furnished, link, the_first().reference)
    found = [path for rule, path in everywhere if "GET" in (rule.methods or ())]
    return [*found, "/staff/mail/2", "/staff/day/sheet?full=1"]


def entries() -> int:
    db.session.rollback()
    return db.session.scalar(select(func.count(AuditEntry.number))) or 0


def test_every_page_of_staff_that_names_a_patient_leaves_an_entry(
    furnished: Flask, paths: list[str]
) -> None:
    """T-92: also where somebody adds a page and does not think of it."""
    client = furnished.test_client()
    sign_in(client)
    seen = []

    for path in paths:
        before, answer = entries(), client.get(path)
        if path.startswith("/staff/") and PERSON.search(answer.text):
            seen.append(path)
            assert entries() > before, path

    assert len(seen) > 5


def test_a_form_that_comes_back_leaves_an_entry_like_the_page_before(
    furnished: Flask, paths: list[str]
) -> None:
    """T-92: else whoever wants to read unseen sends each form wrong."""
    client = furnished.test_client()
    sign_in(client)
    shown = []

    staffs = [each for each in paths if each.startswith("/staff/")]
    for leads, form in forms_of(client, staffs):
        if leads == "/staff/names":  # it would hide them
            continue
        wrong = dict.fromkeys(form.values(), "\0") | {"csrf_token": form.values()["csrf_token"]}
        before, answer = entries(), client.post(leads, data=wrong)
        if PERSON.search(answer.text):
            shown.append(leads.rpartition("/")[2])
            assert entries() > before, leads

    assert {"cancel", "address"} <= set(shown)


def test_no_person_stands_in_any_address_of_any_page(furnished: Flask, paths: list[str]) -> None:
    """T-87: neither in links nor in where a form leads, to us or to others."""
    client = furnished.test_client()
    sign_in(client)

    for path in paths:
        answer = client.get(path)
        assert not PERSON.search(unquote(answer.location or "")), path
        if answer.status_code == 200 and answer.mimetype == "text/html":
            for each in page_of(answer).all("a", "form", "link", "script", "img"):
                lead = each.get("href") or each.get("action") or each.get("src")
                ours = not lead.startswith(("tel:", "mailto:"))
                assert not (ours and PERSON.search(unquote(lead))), (path, lead)


def test_no_log_of_anything_that_can_be_asked_holds_a_person(
    furnished: Flask, paths: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    """T-86: pages, programs and mails of every kind; `test_security.py` adds the faults."""
    ours = StringIO()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(ours))
    client = furnished.test_client()
    sign_in(client)
    owe_one_of_each_kind()
    deliver(furnished)

    for path in paths:
        client.get(f"{path}{'&' if '?' in path else '?'}q=Rivers&name=sam@mail.example")
        client.post(path, data={"name": "Sam Rivers", "email": "sam@mail.example"})
    assert ask(furnished, LIST, a_key(name="Another")).status_code == 200

    written = ours.getvalue() + "".join(capfd.readouterr())
    assert written.count('"event": "request"') > 100
    assert not PERSON.search(written)
    assert token_of(the_first(), HOUSE.keys) not in written


def test_no_address_of_the_clinics_own_runs_a_script(furnished: Flask, paths: list[str]) -> None:
    """T-35: where the links of a page lead is looked at as it is fetched."""
    script = "javascript:alert(1)"
    with transaction() as work:
        house = work.get_one(Clinic, 1)
        house.exit_url = house.phone = house.crisis_phone = script
        for service in work.scalars(select(HealthcareService)):
            service.video_url = script
        for each in work.scalars(select(Appointment)):
            each.patient_phone = script
        by_video = f"/appointments/{token_of(work.get_one(Appointment, 2), HOUSE.keys)}"
    client = furnished.test_client()
    sign_in(client)

    for path in [*paths, by_video, "/services/video"]:
        assert client.get(path).status_code != 500, path


def test_nothing_of_a_person_is_left_in_any_table_once_all_is_erased(
    furnished: Flask, clock: Clock
) -> None:
    """T-91: also what only a few have: notes, wishes, other addresses, answers, mails."""
    owe_one_of_each_kind()
    clock.forward(days=30)
    deliver(furnished)
    assert OF_A_PERSON.search(repr(rows()))

    with transaction() as work:
        for each in work.scalars(select(Appointment)):
            retention.erase(work, each, HOUSE, actor=DESK, now=clock.now)

    assert [name for name, lines in rows().items() if OF_A_PERSON.search(repr(lines))] == []
