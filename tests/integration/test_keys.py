"""The secret changes: nothing is lost, nothing is opened by the former one that must not be."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.fernet import InvalidToken
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import LargeBinary, func, select, update

from booking.app import create_app
from booking.messages.incoming import understand
from booking.models import (
    AppointmentNote,
    AuditEntry,
    AuditHead,
    BusyCalendar,
    CalendarKind,
    Event,
    Feed,
    KeptKey,
    SentMessage,
    User,
)
from booking.models.base import Base
from booking.models.database import db, transaction
from booking.resealing import Done, WrongSecret, reseal
from booking.services import audit, desk, invariants, rotation, second_steps, webhooks
from booking.services.appointments import House
from booking.services.busy import NewCalendar, add_calendar, address_in
from booking.services.correspondence import staff_uid
from booking.services.feeds import renew_feed
from booking.services.kept_keys import with_kept
from booking.services.links import Keys, token_of
from booking.services.people import Deed
from booking.services.replies import receive
from booking.services.webhooks import NewWebhook
from tests.builders import HOUSE, NOW, SECRET, Clock, Mailbox, an_appointment
from tests.conftest import settings_for
from tests.integration.servers import ROOT, environment
from tests.pages import CheckedClient
from tests.visits import (
    DESK,
    PASSWORD,
    a_link,
    a_member_of_staff,
    deliver,
    get,
    rows,
    send,
    sign_in,
    the_appointment,
)

NEWER = "another-secret-that-is-only-used-in-tests-98765"
THIRD = "a-third-secret-that-is-only-used-in-tests-43210"
BEFORE, BOTH, AFTER = HOUSE.keys, Keys(NEWER, (SECRET,)), Keys(NEWER)
ROTATE = (sys.executable, "-m", "flask", "--app", "wsgi", "keys", "rotate")
NOT_SEALED = {
    "api_key.digest",
    "api_key.former_digest",
    *("account_link.digest", "account_link.nonce", "address_change.digest", "address_change.nonce"),
    *("appointment.link_digest", "appointment.link_nonce", "feed.digest", "feed.nonce"),
    *("audit_entry.digest", "audit_head.digest", "hold.key_digest", "link_request.digest"),
    *("logo.content", "passkey.credential", "passkey.public_key"),
    *("recovery_code.digest", "spent_challenge.digest"),
}
"""Bytes that are no secret of anybody, or from which nothing can be had."""
NAME = "BOOKING_FORMER_SECRET_KEYS"
MAIL = ROOT / "tests" / "mails" / "person-writes.eml"


def fill() -> list[str]:
    """Something in every sealed column, and recovery codes, which are given back."""
    a_member_of_staff()
    with transaction() as session:
        made = an_appointment(session, "Tue 09:00")
        desk.write_note(session, made, "came by bus", HOUSE, actor=DESK, now=NOW)
        raw = MAIL.read_bytes()
        receive(session, understand(raw), raw, HOUSE, now=NOW)
        new = NewCalendar(CalendarKind.ICS, "Private", "https://calendar.example/ada.ics")
        add_calendar(session, made.practitioner, new, keys=BEFORE, now=NOW)
        renew_feed(session, "ada", keys=BEFORE, now=NOW)
    with transaction() as session:
        session.add(SentMessage(outbox_id=1, sealed=BEFORE.seal.encrypt(b"a mail as it left")))
    with transaction() as session:
        user = second_steps.owner(session, DESK)
        user.app_sealed = BEFORE.second_step_seal.encrypt(f"{user.id} ABC".encode())
        user.joined_at = NOW
        hook = NewWebhook("https://records.example/hook", [*Event], with_patient=False)
        told, _ = webhooks.add(session, hook, Deed(DESK, NOW, HOUSE))
        webhooks.renew(session, told.id, NOW, timedelta(hours=1), Deed(DESK, NOW, HOUSE))
        return second_steps.new_codes(session, user, Deed(DESK, NOW, HOUSE))


def rotated(keys: Keys = BOTH) -> Done:
    db.session.rollback()
    done = reseal(keys, now=NOW)
    db.session.rollback()
    return done


def opened(keys: Keys) -> dict[str, list[bool]]:
    """Of each sealed column, which rows these keys open."""

    def opens(column: object, value: bytes) -> bool:
        try:
            keys.opener(column.info["seal"]).decrypt(value)  # type: ignore[attr-defined]
        except InvalidToken:
            return False
        return True

    db.session.rollback()
    return {
        str(column): [
            opens(column, each)
            for each in db.session.scalars(select(column).where(column.is_not(None)))
        ]
        for column in rotation.sealed_columns()
    }


def faults(keys: Keys) -> list[str]:
    """What `flask check` finds about keys."""
    db.session.rollback()
    looked = list(invariants.check(db.session(), keys, now=NOW))
    found = {each.what: each.faults for each in looked}
    return found["the audit trail is whole"] + found["all that is sealed can be opened"]


@contextmanager
def an_app(url: str, secret: str, former: str = "") -> Iterator[Flask]:
    """The service with another secret on the same database."""
    chosen = {"BOOKING_SECRET_KEY": secret, "BOOKING_FORMER_SECRET_KEYS": former}
    app = create_app(settings_for(url, **chosen), clock=Clock(), transport=Mailbox())
    app.test_client_class = CheckedClient
    with app.app_context():
        yield app
        db.session.remove()
        db.engine.dispose()


def carry(cookies: FlaskClient, client: FlaskClient) -> FlaskClient:
    """The same browser, before the service that was begun again."""
    cookie = cookies.get_cookie("session")
    assert cookie is not None
    client.set_cookie("session", cookie.value)
    return client


def test_every_column_that_holds_bytes_is_marked_as_sealed_or_known_not_to_be() -> None:
    binary = {
        str(column)
        for table in Base.metadata.sorted_tables
        for column in table.columns
        if isinstance(column.type, LargeBinary)
    }
    marked = {str(column) for column in rotation.sealed_columns()}

    assert binary - marked == NOT_SEALED
    assert len(marked) >= 6


@pytest.mark.usefixtures("sqlite_app")
def test_nothing_sealed_stands_in_a_column_that_is_not_marked() -> None:
    fill()
    rotated()
    tables = {table.name: table for table in Base.metadata.sorted_tables}

    sealed = {
        f"{name}.{column.name}"
        for name, lines in rows().items()
        if name in tables
        for line in lines
        for column, value in zip(tables[name].columns, line, strict=True)
        if str(value).removeprefix("b'").startswith("gAAAA")
    }

    assert sealed == {str(column) for column in rotation.sealed_columns()}


@pytest.mark.usefixtures("app")
def test_all_that_was_sealed_under_a_former_secret_is_sealed_anew() -> None:
    fill()
    assert not any(any(each) for each in opened(AFTER).values())

    done = rotated()

    assert all(each and all(each) for each in opened(AFTER).values())
    assert done.closed == {}
    assert {name for name, count in done.resealed.items() if count} == {
        str(each) for each in rotation.sealed_columns() if each.table.name != "kept_key"
    }


@pytest.mark.usefixtures("app")
def test_a_former_secret_opens_nothing_once_all_is_sealed_anew() -> None:
    fill()

    rotated()

    assert not any(any(each) for each in opened(BEFORE).values())
    assert with_kept(db.session(), BEFORE).kept == ()


@pytest.mark.usefixtures("app")
def test_it_still_says_what_it_said() -> None:
    fill()
    rotated()

    calendar = db.session.scalars(select(BusyCalendar)).one()
    assert address_in(calendar, AFTER) == "https://calendar.example/ada.ics"
    notes = desk.notes(db.session(), the_appointment(), House(AFTER, HOUSE.undo))
    assert [each.text for each in notes] == ["came by bus"]
    user = db.session.scalars(select(User)).one()
    assert AFTER.second_step_seal.decrypt(user.app_sealed or b"") == f"{user.id} ABC".encode()


@pytest.mark.usefixtures("app")
def test_doing_it_again_changes_nothing_but_the_trail() -> None:
    fill()
    rotated()
    still = frozenset({"audit_entry", "audit_head", "kept_key"})
    before, kept = rows(besides=still), db.session.scalar(select(func.count(KeptKey.id)))

    done = rotated()

    assert done.resealed.total() == 0
    assert rows(besides=still) == before
    assert db.session.scalar(select(func.count(KeptKey.id))) == kept


@pytest.mark.usefixtures("app")
def test_a_secret_that_was_never_that_of_this_clinic_is_named_before_anything_is_done() -> None:
    fill()
    before = rows()

    for former in ((THIRD,), (SECRET, THIRD)):
        with pytest.raises(WrongSecret, match="BOOKING_FORMER_SECRET_KEYS"):
            rotated(Keys(NEWER, former))

    assert rows() == before


@pytest.mark.usefixtures("app")
def test_what_no_secret_opens_is_counted_and_left_as_it_is() -> None:
    fill()
    with transaction() as session:
        foreign = Keys(THIRD).seal.encrypt(b"of another time")
        session.execute(update(SentMessage).values(sealed=foreign))

    done = rotated()

    assert done.closed == {"sent_message.sealed": 1}
    assert db.session.scalar(select(SentMessage.sealed)) == foreign
    assert faults(BOTH) == [
        f"1 in sent_message can be opened by no secret that is known: name the former one in {NAME}"
    ]


@pytest.mark.usefixtures("app")
def test_a_check_finds_nothing_before_during_and_after() -> None:
    fill()

    assert faults(BEFORE) == faults(BOTH) == []
    assert len(faults(AFTER)) > 5  # without the former one, nothing can be opened yet
    rotated()
    assert faults(BOTH) == faults(AFTER) == []


@pytest.mark.usefixtures("app")
def test_after_several_changes_the_newest_alone_is_enough() -> None:
    codes = fill()
    uid = staff_uid("REF", 1, BEFORE)
    rotated()
    third = Keys(THIRD)

    rotated(Keys(THIRD, (NEWER,)))

    assert faults(third) == []
    assert all(all(each) for each in opened(third).values())
    assert staff_uid("REF", 1, with_kept(db.session(), third)) == uid
    with transaction() as session:
        user = second_steps.owner(session, DESK)
        deed = Deed(DESK, NOW, House(third, HOUSE.undo))
        assert second_steps.take_code(session, user, codes[0], deed) == "recovery_code"
        assert second_steps.take_code(session, user, codes[0], deed) == "nothing"


@pytest.mark.usefixtures("app")
def test_two_secrets_that_were_skipped_are_laid_down_together() -> None:
    fill()
    with transaction() as session:
        audit.note(session, "x", keys=BOTH, actor=DESK, now=NOW)

    rotated(Keys(THIRD, (NEWER, SECRET)))

    assert faults(Keys(THIRD)) == []


@pytest.mark.usefixtures("app")
def test_whoever_has_a_former_secret_cannot_write_into_the_trail() -> None:
    fill()
    rotated()
    with transaction() as session:
        audit.note(session, "appointment.read", keys=BEFORE, actor="thief", now=NOW)

    assert len(faults(AFTER)) == 1


@pytest.mark.usefixtures("app")
def test_whoever_has_a_former_secret_cannot_change_what_was() -> None:
    fill()
    rotated()
    with transaction() as session:
        last = session.get_one(AuditHead, 1).number - 1
        entry, before = (session.get_one(AuditEntry, number) for number in (last, last - 1))
        entry.actor = "somebody else"
        entry.digest = audit._seals(audit._Line.of(entry), before.digest, BEFORE)[0]

    assert faults(AFTER) == [f"entry {last + 1} was changed, or the one before it was"]


@pytest.mark.usefixtures("app")
def test_whoever_takes_a_kept_key_away_or_exchanges_it_is_found_out() -> None:
    fill()
    rotated()
    with transaction() as session:
        other = session.scalar(select(KeptKey.sealed).where(KeptKey.purpose == "staff-event"))
        session.execute(update(KeptKey).where(KeptKey.purpose == "audit").values(sealed=other))

    assert len(faults(AFTER)) > 1


@pytest.mark.usefixtures("app")
def test_what_a_process_with_old_settings_wrote_is_accepted_by_rotating_again() -> None:
    fill()
    rotated()
    with transaction() as session:
        audit.note(session, "x", keys=BEFORE, actor=DESK, now=NOW)

    rotated()

    assert faults(AFTER) == []


@pytest.mark.usefixtures("app")
def test_who_writes_a_row_at_the_same_time_wins() -> None:
    fill()
    column = Base.metadata.tables["appointment_note"].c.sealed
    (batch,) = rotation.batches(db.session(), column, BOTH)
    with transaction() as session:
        session.execute(update(AppointmentNote).values(sealed=BOTH.seal.encrypt(b"newer")))

    with transaction() as session:
        assert rotation.replace(session, column, batch.stale) == 0

    assert AFTER.seal.decrypt(db.session.scalars(select(column)).one()) == b"newer"


def test_nothing_is_lost_that_others_write_meanwhile(app: Flask) -> None:
    fill()
    a_note_each(300)

    def write(number: int) -> None:
        with app.app_context():
            for turn in range(10):
                with transaction() as session:
                    note = session.get_one(AppointmentNote, number * 10 + turn + 1)
                    note.sealed = BOTH.seal.encrypt(f"written {number} {turn}".encode())
                    session.add(a_note(f"added {number} {turn}", BOTH))

    with ThreadPoolExecutor(4) as pool:
        writers = [pool.submit(write, number) for number in range(4)]
        done = rotated()
        for each in writers:
            each.result()

    assert all(all(each) for each in opened(AFTER).values())
    said = {AFTER.seal.decrypt(each) for each in db.session.scalars(select(AppointmentNote.sealed))}
    for number in range(4):
        for turn in range(10):
            assert f"written {number} {turn}".encode() in said
            assert f"added {number} {turn}".encode() in said
    assert len(said) == 301 + 40
    assert done.closed == {}


def a_note(text: str, keys: Keys = BEFORE) -> AppointmentNote:
    sealed = keys.seal.encrypt(text.encode())
    return AppointmentNote(appointment_id=1, at=NOW, author=DESK, sealed=sealed)


def a_note_each(count: int) -> None:
    with transaction() as session:
        session.add_all(a_note(f"note {number}") for number in range(count))


def test_a_rotation_that_is_killed_is_begun_again(app: Flask, database_url: str) -> None:
    fill()
    a_note_each(6000)
    environ = environment(database_url, BOOKING_SECRET_KEY=NEWER, BOOKING_FORMER_SECRET_KEYS=SECRET)
    running = subprocess.Popen(ROTATE, cwd=ROOT, env=environ, stdout=subprocess.PIPE)
    while not any(opened(AFTER)["appointment_note.sealed"][:50]):
        assert running.poll() is None, "it ended before it could be killed"
        time.sleep(0.02)
    running.send_signal(signal.SIGKILL)
    running.communicate()
    assert not all(opened(AFTER)["appointment_note.sealed"])
    assert faults(BOTH) == []

    again = subprocess.run(
        ROTATE, cwd=ROOT, env=environ, capture_output=True, text=True, check=True
    )

    assert all(all(each) for each in opened(AFTER).values())
    assert len(opened(AFTER)["appointment_note.sealed"]) == 6001
    assert faults(AFTER) == []
    assert "All that is sealed is sealed under the newest secret." in again.stdout
    assert "came by bus" not in again.stdout + again.stderr
    assert DESK not in again.stdout + again.stderr
    assert app


def test_the_command_says_what_still_needs_the_former_secret(app: Flask, database_url: str) -> None:
    fill()
    assert app
    with an_app(database_url, NEWER, SECRET) as changed:
        first = changed.test_cli_runner().invoke(args=["keys", "rotate"])
        sign_in(changed.test_client())
        with transaction() as session:
            renew_feed(session, "ada", keys=BOTH, now=NOW)
        then = changed.test_cli_runner().invoke(args=["keys", "rotate"])

    assert (first.exit_code, then.exit_code) == (0, 0)
    assert "Passwords not typed since the change: 1." in first.output
    assert "Addresses of feeds made before: 1." in first.output
    assert "can be taken out" not in first.output
    assert "Passwords" not in then.output
    assert "feeds" not in then.output
    assert "can be taken out of BOOKING_FORMER_SECRET_KEYS" in then.output


def test_without_a_former_secret_the_command_says_so(sqlite_app: Flask) -> None:
    fill()

    said = sqlite_app.test_cli_runner().invoke(args=["keys", "rotate"])

    assert said.exit_code == 0
    assert "names no former secret" in said.output


def test_a_wrong_secret_ends_the_command_with_a_sentence(
    sqlite_app: Flask, sqlite_url: str
) -> None:
    fill()
    assert sqlite_app
    with an_app(sqlite_url, NEWER, THIRD) as changed:
        said = changed.test_cli_runner().invoke(args=["keys", "rotate"])

    assert said.exit_code == 1
    assert "has sealed nothing in this database" in said.output


def test_a_password_is_hashed_anew_when_it_is_typed(sqlite_app: Flask, sqlite_url: str) -> None:
    a_member_of_staff()
    assert sqlite_app
    with an_app(sqlite_url, NEWER) as lost:
        assert sign_in(lost.test_client()).status_code == 422
    with an_app(sqlite_url, NEWER, SECRET) as changed:
        assert sign_in(changed.test_client(), password="not-the-one-that-it-is").status_code == 422
        assert sign_in(changed.test_client()).status_code == 302
    with an_app(sqlite_url, NEWER) as alone:
        assert sign_in(alone.test_client()).status_code == 302


def test_a_stranger_is_refused_as_ever(sqlite_app: Flask, sqlite_url: str) -> None:
    assert sqlite_app
    with an_app(sqlite_url, NEWER, SECRET) as changed:
        answer = sign_in(changed.test_client(), "nobody@clinic.example")

    assert answer.status_code == 422


def test_sessions_and_forms_from_before_go_on(sqlite_app: Flask, sqlite_url: str) -> None:
    a_member_of_staff()
    client = sqlite_app.test_client()
    sign_in(client)
    page = get(client, "/staff/account/")
    typed = {"present": PASSWORD, "chosen": "another-river-under-the-bridge"}
    form = page.form("/password")
    names = [name for name in form.values() if name != "csrf_token"]

    with an_app(sqlite_url, NEWER, SECRET) as changed:
        carried = carry(client, changed.test_client())
        answer = send(carried, page, "/password", **typed | {names[-1]: typed["chosen"]})
        assert (answer.status_code, answer.location) == (303, "/staff/account/")
        get(carried, "/staff/")
    with an_app(sqlite_url, NEWER) as alone:
        stranger = carry(client, alone.test_client())
        assert stranger.get("/staff/").status_code == 302


def test_a_patients_link_works_before_and_after(app: Flask, database_url: str) -> None:
    link = a_link("Tue 09:00")
    assert app
    with an_app(database_url, NEWER, SECRET) as changed:
        get(changed.test_client(), link)
        assert link.endswith(token_of(the_appointment(), BOTH))  # a mail brings the same
    rotated()
    with an_app(database_url, NEWER) as alone:
        get(alone.test_client(), link)
        deliver(alone)
        newest = token_of(the_appointment(), AFTER)
        get(alone.test_client(), f"/appointments/{newest}")


@pytest.mark.usefixtures("sqlite_app")
def test_the_address_of_a_feed_works_on(sqlite_url: str) -> None:
    fill()
    feed = db.session.scalars(select(Feed)).one()
    token = BEFORE.feed_token(feed.nonce, feed.version)
    rotated()

    for former in (SECRET, ""):
        with an_app(sqlite_url, NEWER, former) as changed:
            assert changed.test_client().get(f"/feeds/{token}.ics").status_code == 200


def test_where_files_hold_secrets_they_hold_former_ones_too(tmp_path: Path) -> None:
    (tmp_path / "former").write_text(f"{SECRET},\n{THIRD}\n")

    settings = settings_for(
        f"sqlite:///{tmp_path}/booking.db",
        BOOKING_SECRET_KEY=NEWER,
        BOOKING_FORMER_SECRET_KEYS_FILE=tmp_path / "former",
    )

    assert settings.former_secret_keys == (SECRET, THIRD)
