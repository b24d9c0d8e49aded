"""Answers come back: which count, which do not, and what each of them does."""

import hmac
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from booking.domain.lifecycle import Partstat, Status
from booking.domain.refusals import SlotTaken, TooLate, WrongState
from booking.messages.incoming import UNREADABLE, understand
from booking.models import Appointment, Audience, Clinic, Kind, OwedMessage, ReceivedMail
from booking.models.database import db, transaction
from booking.services import agenda, inbox
from booking.services.appointments import (
    cancel_appointment,
    reschedule_appointment,
)
from booking.services.outbox import settle_sent
from booking.services.readdressing import correct_address
from booking.services.replies import LARGEST_KEPT, receive
from booking.web.inbound import LARGEST_MAIL, OLDEST, SIGNATURE
from tests.answers import SAM, a_bounce, a_mail, a_proposal, an_answer, take_in, uid_of
from tests.builders import HOUSE, NOW, Clock, Mailbox, an_appointment, at
from tests.conftest import a_running_app, settings_for
from tests.visits import deliver

LATER = "20261123T131000Z"
EARLIER = "20261123T120000Z"
KEY = "a-key-that-only-the-gateway-knows-0123456789"


@pytest.fixture
def made(sqlite_app: Flask) -> int:
    """An appointment of which its patient has been told."""
    return a_told_appointment(sqlite_app)


@pytest.fixture
def everywhere(app: Flask) -> int:
    """The same on each database, for what a database might do differently."""
    return a_told_appointment(app)


def a_told_appointment(app: Flask) -> int:
    with transaction() as session:
        made = an_appointment(session, "Tue 09:00").id
    deliver(app)
    return made


def appointment(number: int) -> Appointment:
    db.session.rollback()
    return db.session.get_one(Appointment, number)


def move(number: int, start: str = "Wed 13:00") -> None:
    with transaction() as session:
        found = session.get_one(Appointment, number)
        reschedule_appointment(session, found, at(start), HOUSE, now=NOW)


def owed(*kinds: Kind) -> list[tuple[str, str]]:
    """What is owed beyond the first confirmation, by kind and audience."""
    db.session.rollback()
    query = select(OwedMessage.kind, OwedMessage.audience).order_by(OwedMessage.id)
    return [(kind, audience) for kind, audience in db.session.execute(query) if kind in kinds]


def waiting() -> list[int]:
    db.session.rollback()
    return [each.id for each in inbox.waiting(db.session(), now=NOW)]


# What counts


@pytest.mark.parametrize("partstat", ["ACCEPTED", "TENTATIVE", "declined"])
def test_an_answer_is_noted(made: int, partstat: str) -> None:
    mail = take_in(an_answer(uid_of(made), partstat))

    assert (mail.verdict, mail.matter, mail.appointment_id) == ("applied", "answer", made)
    assert appointment(made).partstat == partstat.upper()
    assert appointment(made).answered_at == NOW


def test_a_calendars_yes_bothers_nobody(made: int) -> None:
    take_in(an_answer(uid_of(made)))

    assert waiting() == []
    assert owed(Kind.DECLINED) == []


def test_a_comment_waits_for_staff_and_is_stored_sealed(made: int) -> None:
    words = ("COMMENT:I use a wheelchair",)
    mail = take_in(an_answer(uid_of(made), more=words))

    assert waiting() == [mail.id]
    assert b"wheelchair" not in mail.sealed
    [(_, comment)] = inbox.received(db.session(), appointment(made), HOUSE)
    assert comment == "I use a wheelchair"


def test_capital_letters_in_the_address_do_not_matter(made: int) -> None:
    mail = take_in(an_answer(uid_of(made).upper(), attendee="SAM@Mail.Example"))

    assert mail.verdict == "applied"


@pytest.mark.parametrize("sequence", [None, 7, 999_999_999])
def test_a_sequence_that_is_missing_or_ahead_counts_and_is_never_ours(
    made: int, sequence: int | None
) -> None:
    mail = take_in(an_answer(uid_of(made), sequence=sequence))

    assert (mail.verdict, mail.sequence) == ("applied", 0)
    assert appointment(made).sequence == 0


# What does not


def test_an_answer_that_guesses_the_uid_is_recorded_and_nothing_more(everywhere: int) -> None:
    for uid in ("3f2b8b9e-0000-4000-8000-000000000000", "x", "\0", "' OR 1=1 --"):
        mail = take_in(an_answer(uid))
        assert (mail.verdict, mail.appointment_id) == ("unknown", None)

    assert appointment(everywhere).partstat == Partstat.NEEDS_ACTION
    assert waiting() == []


@pytest.mark.parametrize(
    "attendee",
    [
        "eve@mail.example",
        "sam@mail.example.evil.example",
        "sam+x@mail.example",
        "",
        "sam",
        f"{SAM}\r\nATTENDEE;PARTSTAT=DECLINED:mailto:eve@mail.example",
        f"{SAM}\r\nATTENDEE;PARTSTAT=ACCEPTED:mailto:{SAM}",
    ],
)
def test_who_was_not_invited_cannot_answer(made: int, attendee: str) -> None:
    mail = take_in(an_answer(uid_of(made), "DECLINED", attendee=attendee))

    assert mail.verdict == "party_crasher"
    assert appointment(made).partstat == Partstat.NEEDS_ACTION
    assert (owed(Kind.DECLINED), waiting()) == ([], [])


def test_from_proves_nothing_and_is_not_needed(made: int) -> None:
    real = an_answer(uid_of(made)).replace(b"From: sam@mail.example", b"From: robot@cal.example")

    assert take_in(real).verdict == "applied"


def test_a_former_address_cannot_answer_any_more(everywhere: int) -> None:
    former = uid_of(everywhere)
    with transaction() as session:
        found = session.get_one(Appointment, everywhere)
        correct_address(session, found, "new@mail.example", HOUSE, now=NOW, actor="desk")

    mail = take_in(an_answer(former, "DECLINED"))

    assert (mail.verdict, mail.appointment_id) == ("former", everywhere)
    assert appointment(everywhere).partstat == Partstat.NEEDS_ACTION
    new = an_answer(uid_of(everywhere), attendee="new@mail.example", sequence=None)
    assert take_in(new).verdict == "applied"


@pytest.mark.parametrize("partstat", ["NEEDS-ACTION", "COMPLETED", "X-MAYBE"])
def test_what_is_neither_yes_nor_no_does_nothing(made: int, partstat: str) -> None:
    assert take_in(an_answer(uid_of(made), partstat)).verdict == "no_answer"
    assert appointment(made).partstat == Partstat.NEEDS_ACTION


def test_an_invitation_that_is_passed_on_goes_to_staff(made: int) -> None:
    friend = ("ATTENDEE;PARTSTAT=NEEDS-ACTION:mailto:friend@mail.example",)
    mail = take_in(an_answer(uid_of(made), "DELEGATED", more=friend))

    assert mail.verdict == "delegated"
    assert waiting() == [mail.id]


@pytest.mark.parametrize("what", ["cancelled", "past"])
def test_after_the_end_an_answer_is_only_recorded(made: int, what: str) -> None:
    uid, now = uid_of(made), NOW
    if what == "cancelled":
        with transaction() as session:
            cancel_appointment(session, session.get_one(Appointment, made), HOUSE, now=NOW)
    else:
        now = at("Tue 09:00")

    mail = take_in(an_answer(uid, "DECLINED", sequence=1), now=now)

    assert (mail.verdict, mail.handled_at) == ("over", now)
    assert owed(Kind.DECLINED) == []


# Older and newer


def test_an_answer_to_an_earlier_time_does_not_count_and_asks_again_once(
    sqlite_app: Flask, made: int, mailbox: Mailbox
) -> None:
    move(made)
    deliver(sqlite_app)
    before = len(mailbox.to(SAM))

    verdicts = [
        take_in(an_answer(uid_of(made), "DECLINED", stamped=f"20261123T13000{n}Z")).verdict
        for n in range(5)
    ]
    deliver(sqlite_app)

    assert verdicts == ["older"] * 5
    assert appointment(made).partstat == Partstat.NEEDS_ACTION
    assert len(mailbox.to(SAM)) == before + 1


def test_an_answer_to_a_time_that_holds_again_counts(sqlite_app: Flask, made: int) -> None:
    move(made, "Wed 13:00")
    move(made, "Tue 09:00")
    deliver(sqlite_app)

    assert take_in(an_answer(uid_of(made), sequence=0)).verdict == "applied"


@pytest.mark.parametrize(
    ("stamped", "verdict"), [("20261123T124400Z", "older"), ("20261123T124600Z", "applied")]
)
def test_without_a_sequence_the_stamp_decides_with_a_quarter_of_an_hour_to_spare(
    everywhere: int, stamped: str, verdict: str
) -> None:
    move(everywhere)

    assert take_in(an_answer(uid_of(everywhere), sequence=None, stamped=stamped)).verdict == verdict


@pytest.mark.parametrize("late_first", [True, False])
def test_of_two_answers_the_later_made_wins_in_whichever_order_they_come(
    made: int, late_first: bool
) -> None:
    yes = an_answer(uid_of(made), "ACCEPTED", stamped=LATER)
    no = an_answer(uid_of(made), "DECLINED", stamped=EARLIER)

    for mail in (yes, no) if late_first else (no, yes):
        take_in(mail)

    assert appointment(made).partstat == Partstat.ACCEPTED
    assert waiting() == []


def test_microsofts_time_decides_where_the_stamp_is_the_same(made: int) -> None:
    no = ("X-MICROSOFT-CDO-REPLYTIME:20261123T130100Z",)
    yes = ("X-MICROSOFT-CDO-REPLYTIME:20261123T130200Z",)

    take_in(an_answer(uid_of(made), "ACCEPTED", more=yes))
    late = take_in(an_answer(uid_of(made), "DECLINED", more=no))

    assert late.verdict == "superseded"
    assert appointment(made).partstat == Partstat.ACCEPTED


def test_an_answer_from_a_clock_that_is_ahead_does_not_stand_for_ever(made: int) -> None:
    ahead = an_answer(uid_of(made), "DECLINED", stamped="20991123T130000Z")
    take_in(ahead.replace(b"Date: Mon, 23 Nov 2026", b"Date: Mon, 23 Nov 2099"))

    take_in(an_answer(uid_of(made), stamped="20261123T130500Z"))

    assert appointment(made).partstat == Partstat.ACCEPTED


def test_the_same_answer_in_another_mail_is_once(made: int) -> None:
    take_in(an_answer(uid_of(made), "DECLINED"))

    again = take_in(an_answer(uid_of(made), "DECLINED"), now=NOW + timedelta(minutes=5))

    assert again.verdict == "repeated"
    assert appointment(made).answered_at == NOW


def test_two_answers_at_once_end_in_the_later_one(app: Flask, everywhere: int) -> None:
    uid = uid_of(everywhere)
    mails = [an_answer(uid, "DECLINED", stamped=f"20261123T1300{n:02}Z") for n in range(6)]
    mails.append(an_answer(uid, "ACCEPTED", stamped=LATER))

    together(app, [*mails, *mails])

    assert appointment(everywhere).partstat == Partstat.ACCEPTED
    assert waiting() == []
    assert stored() == 7


def test_an_answer_waits_for_the_one_that_is_being_noted(app: Flask, everywhere: int) -> None:
    """Without the lock it would not see it, and undo it."""
    uid = uid_of(everywhere)
    yes = an_answer(uid, "ACCEPTED", stamped=LATER)
    no = an_answer(uid, "DECLINED", stamped=EARLIER)

    with transaction() as session:
        receive(session, understand(yes), yes, HOUSE, now=NOW)
        other = threading.Thread(target=together, args=(app, [no]))
        other.start()
        other.join(0.5)
        waited = other.is_alive()
    other.join()

    assert waited
    assert appointment(everywhere).partstat == Partstat.ACCEPTED


# A "no"


def test_a_no_cancels_nothing_but_asks_the_address_on_file_and_tells_staff(
    app: Flask, everywhere: int, mailbox: Mailbox
) -> None:
    mail = take_in(an_answer(uid_of(everywhere), "DECLINED"))
    deliver(app)

    assert appointment(everywhere).status == Status.BOOKED
    assert owed(Kind.DECLINED) == [("declined", "patient"), ("declined", "staff")]
    assert waiting() == [mail.id]
    assert b"/keep" in mailbox.to(SAM)[-1].content


def test_a_calendar_that_says_no_again_and_again_is_asked_once(made: int) -> None:
    for minute in range(5):
        take_in(an_answer(uid_of(made), "DECLINED", stamped=f"20261123T13{minute:02}00Z"))

    assert len(owed(Kind.DECLINED)) == 2
    assert len(waiting()) == 1


def test_a_yes_after_a_no_leaves_nothing_to_do(made: int) -> None:
    take_in(an_answer(uid_of(made), "DECLINED"))

    take_in(an_answer(uid_of(made), "ACCEPTED", stamped=LATER))

    assert waiting() == []


@pytest.mark.parametrize(
    ("now", "status"), [(NOW, Status.CANCELLED), (at("Tue 08:00"), Status.BOOKED)]
)
def test_a_clinic_may_let_a_no_cancel_but_never_inside_the_cut_off(
    everywhere: int, now: datetime, status: Status
) -> None:
    with transaction() as session:
        session.get_one(Clinic, 1).decline_cancels = True

    mail = take_in(an_answer(uid_of(everywhere), "DECLINED"), now=now)

    assert mail.verdict == "applied"
    assert appointment(everywhere).status == status
    last = agenda.history(db.session(), appointment(everywhere))[-1]
    assert (last.verb, last.actor) == (
        ("cancel", "calendar") if status == Status.CANCELLED else ("book", "patient")
    )
    assert bool(waiting()) == (status == Status.BOOKED)


def test_a_no_about_a_time_that_was_moved_waits_no_more(made: int) -> None:
    take_in(an_answer(uid_of(made), "DECLINED"))

    move(made)

    assert waiting() == []


def test_kept_it_goes_back_into_the_calendar_and_off_the_list(
    app: Flask, everywhere: int, mailbox: Mailbox
) -> None:
    take_in(an_answer(uid_of(everywhere), "DECLINED"))
    deliver(app)
    before = len(mailbox.to(SAM))

    for _ in range(3):
        with transaction() as session:
            inbox.keep_appointment(
                session, session.get_one(Appointment, everywhere), HOUSE, now=NOW
            )
    deliver(app)

    assert appointment(everywhere).partstat == Partstat.ACCEPTED
    assert waiting() == []
    assert len(mailbox.to(SAM)) == before + 1
    assert b'method="REQUEST"' in mailbox.to(SAM)[-1].content
    assert [each.verb for each in agenda.history(db.session(), appointment(everywhere))][1:] == [
        "keep"
    ]


def test_what_is_over_cannot_be_kept(made: int) -> None:
    with pytest.raises(TooLate), transaction() as session:
        inbox.keep_appointment(
            session, session.get_one(Appointment, made), HOUSE, now=at("Tue 09:00")
        )
    with transaction() as session:
        cancel_appointment(session, session.get_one(Appointment, made), HOUSE, now=NOW)
    with pytest.raises(WrongState), transaction() as session:
        inbox.keep_appointment(session, session.get_one(Appointment, made), HOUSE, now=NOW)


# Proposals


def test_a_proposal_moves_nothing_and_waits_for_staff(made: int) -> None:
    mail = take_in(a_proposal(uid_of(made)))

    assert (mail.matter, mail.verdict) == ("proposal", "proposed")
    assert appointment(made).start_at == at("Tue 09:00")
    assert appointment(made).partstat == Partstat.NEEDS_ACTION
    assert waiting() == [mail.id]
    assert inbox.can_be_had(db.session(), mail, now=NOW)


def test_accepted_by_staff_it_moves_and_everybody_is_told(
    app: Flask, everywhere: int, mailbox: Mailbox
) -> None:
    mail = take_in(a_proposal(uid_of(everywhere)))
    with transaction() as session:
        inbox.accept_proposal(session, mail.id, HOUSE, actor="desk", now=NOW)
    deliver(app)

    assert appointment(everywhere).start_at == at("Wed 10:00")
    assert waiting() == []
    assert len(mailbox.to(SAM)) == 2
    with pytest.raises(WrongState), transaction() as session:
        inbox.accept_proposal(session, mail.id, HOUSE, actor="desk", now=NOW)


@pytest.mark.parametrize("start", ["20261125T150700Z", "20261125T030000Z", "20261125T150000"])
def test_a_proposal_that_cannot_be_had_is_not_offered(made: int, start: str) -> None:
    mail = take_in(a_proposal(uid_of(made), start))

    assert not inbox.can_be_had(db.session(), mail, now=NOW)
    with pytest.raises((SlotTaken, WrongState)), transaction() as session:
        inbox.accept_proposal(session, mail.id, HOUSE, actor="desk", now=NOW)
    assert appointment(made).start_at == at("Tue 09:00")
    assert waiting() == [mail.id]


def test_declined_by_staff_the_patient_is_told_that_it_stays(made: int) -> None:
    mail = take_in(a_proposal(uid_of(made)))

    with transaction() as session:
        inbox.decline_proposal(session, mail.id, actor="desk", now=NOW)

    assert owed(Kind.UNCHANGED) == [("unchanged", "patient")]
    assert waiting() == []
    with pytest.raises(WrongState), transaction() as session:
        inbox.decline_proposal(session, mail.id, actor="desk", now=NOW)


def test_the_newest_proposal_is_the_one_that_waits(made: int) -> None:
    first = take_in(a_proposal(uid_of(made), "20261125T150000Z"))
    second = take_in(a_proposal(uid_of(made), "20261125T160000Z", stamped=LATER))
    late = take_in(a_proposal(uid_of(made), "20261125T140000Z", stamped=EARLIER))

    assert waiting() == [second.id]
    assert (first.verdict, late.verdict) == ("proposed", "superseded")


def test_a_proposal_about_an_earlier_time_asks_again(made: int) -> None:
    move(made)

    assert take_in(a_proposal(uid_of(made))).verdict == "older"


# Bounces


def first_message(number: int) -> OwedMessage:
    query = select(OwedMessage).where(
        OwedMessage.appointment_id == number, OwedMessage.audience == Audience.PATIENT
    )
    return db.session.scalars(query.order_by(OwedMessage.id)).first() or pytest.fail("none")


def test_what_comes_back_rises_to_the_top_of_the_staff_page(everywhere: int) -> None:
    mail = take_in(a_bounce(first_message(everywhere)))

    assert (mail.matter, mail.verdict, mail.appointment_id) == ("bounce", "bounced", everywhere)
    [task] = agenda.not_reached(db.session())
    assert (task.appointment_id, task.last_error) == (everywhere, "550 5.1.1 (address) unknown")
    assert waiting() == []


def test_a_bounce_that_repeats_is_no_news(made: int) -> None:
    take_in(a_bounce(first_message(made)))
    with transaction() as session:
        agenda.mark_handled(session, session.get_one(Appointment, made), now=NOW)

    assert take_in(a_bounce(first_message(made))).verdict == "repeated"
    assert agenda.not_reached(db.session()) == []


@pytest.mark.parametrize("action", ["delayed", "relayed", "delivered", "expanded"])
def test_what_is_only_late_is_not_lost(made: int, action: str) -> None:
    assert take_in(a_bounce(first_message(made), action=action)).verdict == "not_failed"
    assert agenda.not_reached(db.session()) == []


def test_a_bounce_of_somebody_elses_mail_is_only_recorded(made: int) -> None:
    message = first_message(made)
    raw = a_bounce(message).replace(message.message_id.encode(), b"f" * 32)

    assert take_in(raw).verdict == "unknown"


def test_who_sends_it_meanwhile_does_not_undo_a_bounce(made: int) -> None:
    take_in(a_bounce(first_message(made)))

    with transaction() as session:
        message = session.get_one(OwedMessage, first_message(made).id)
        settle_sent(session, message, "an old lease", b"", now=NOW)

    assert len(agenda.not_reached(db.session())) == 1


# People and machines


def test_a_text_goes_to_the_appointment_whose_message_it_answers(made: int) -> None:
    name = f"<{first_message(made).message_id}@clinic.example>"

    mails = [
        take_in(a_mail(headers=(f"In-Reply-To: {name}",))),
        take_in(a_mail(headers=(f"References: <x@mail.example> {name}",))),
        take_in(a_mail(headers=(f"Delivered-To: desk+{name[1:33]}@clinic.example",))),
    ]

    assert [(each.verdict, each.appointment_id) for each in mails] == [("message", made)] * 3
    assert len(waiting()) == 3


@pytest.mark.usefixtures("sqlite_app")
def test_a_text_that_names_nothing_is_not_guessed_at() -> None:
    mail = take_in(a_mail())

    assert (mail.matter, mail.appointment_id) == ("message", None)
    assert waiting() == [mail.id]
    assert inbox.opened(mail, HOUSE).text == "May I bring my sister?"


@pytest.mark.usefixtures("sqlite_app")
def test_an_out_of_office_reply_bothers_nobody() -> None:
    mail = take_in(a_mail(headers=("Auto-Submitted: auto-replied",)))

    assert (mail.matter, mail.verdict) == ("ignored", "automatic")
    assert waiting() == []


@pytest.mark.usefixtures("sqlite_app")
def test_an_answer_that_cannot_be_made_out_goes_to_staff() -> None:
    mail = take_in(an_answer(""))

    assert mail.verdict == "unreadable"
    assert waiting() == [mail.id]


@pytest.mark.usefixtures("sqlite_app")
def test_done_it_leaves_the_list() -> None:
    mail = take_in(a_mail())

    with transaction() as session:
        inbox.handle(session, mail.id, actor="desk", now=NOW)

    assert waiting() == []


# Once


def test_a_mail_that_comes_on_two_ways_is_one(made: int) -> None:
    raw = an_answer(uid_of(made), "DECLINED")
    relayed = b"Received: from a by b\r\nX-Spam: no\r\n" + raw.replace(b"\r\n", b"\n")

    first, again = take_in(raw), take_in(relayed)

    assert first.id == again.id
    assert stored() == 1


def test_a_mail_that_borrows_the_name_of_another_is_not_taken_for_it(made: int) -> None:
    real = an_answer(uid_of(made), "ACCEPTED")
    name = next(line for line in real.split(b"\r\n") if line.startswith(b"Message-ID"))
    forged = a_mail("Nothing.").split(b"\r\n")
    forged = [name if line.startswith(b"Message-ID") else line for line in forged]

    take_in(b"\r\n".join(forged))

    assert take_in(real).verdict == "applied"


def test_the_same_mail_from_many_readers_at_once_is_handled_once(
    app: Flask, everywhere: int
) -> None:
    together(app, [an_answer(uid_of(everywhere), "DECLINED")] * 8)

    assert stored() == 1
    assert len(owed(Kind.DECLINED)) == 2


def test_who_dies_before_the_end_has_done_nothing(everywhere: int) -> None:
    raw = an_answer(uid_of(everywhere), "DECLINED")

    with pytest.raises(RuntimeError), transaction() as session:
        receive(session, UNREADABLE, raw, HOUSE, now=NOW)
        raise RuntimeError

    assert stored() == 0
    assert take_in(raw).verdict == "applied"


@pytest.mark.usefixtures("sqlite_app")
def test_a_long_mail_is_kept_in_part() -> None:
    mail = take_in(a_mail("x" * 3 * LARGEST_KEPT))

    assert len(HOUSE.keys.seal.decrypt(mail.sealed)) == LARGEST_KEPT


def stored() -> int:
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(ReceivedMail)) or 0


def together(app: Flask, mails: list[bytes]) -> None:
    """Receive all of them at the same time, each in a thread of its own."""
    faults: list[BaseException] = []

    def work(raw: bytes) -> None:
        with app.app_context():
            try:
                take_in(raw)
            except BaseException as fault:
                faults.append(fault)
            finally:
                db.session.remove()

    threads = [threading.Thread(target=work, args=(raw,)) for raw in mails]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert faults == []


# By command


def test_a_command_reads_files_folders_and_maildirs(sqlite_app: Flask, tmp_path: Path) -> None:
    (tmp_path / "box" / "new").mkdir(parents=True)
    (tmp_path / "box" / "cur").mkdir()
    (tmp_path / "box" / "new" / "1").write_bytes(a_mail())
    (tmp_path / "box" / "cur" / "2:2,S").write_bytes(a_mail())
    (tmp_path / "a.eml").write_bytes(a_mail(headers=("Auto-Submitted: auto-replied",)))
    (tmp_path / "notes.txt").write_bytes(b"no mail")
    names = [str(tmp_path), str(tmp_path / "box"), str(tmp_path / "a.eml")]

    done = sqlite_app.test_cli_runner().invoke(args=["replies", "read", *names])

    assert done.exit_code == 0, done.output
    assert done.output.splitlines() == [
        "ignored automatic",
        "message message",
        "message message",
        "ignored automatic",
        "4 mails read.",
    ]
    assert stored() == 3


def test_a_command_says_what_is_not_there(sqlite_app: Flask) -> None:
    done = sqlite_app.test_cli_runner().invoke(args=["replies", "read", "/nowhere"])

    assert done.exit_code != 0


# By gateway


@pytest.fixture
def gateway(sqlite_url: str, clock: Clock, mailbox: Mailbox) -> Iterator[FlaskClient]:
    """An app to which mails can be handed over."""
    settings = settings_for(sqlite_url, BOOKING_INBOUND_KEY=KEY)
    for app in a_running_app(settings, clock, mailbox):
        yield app.test_client()


def hand_over(
    client: FlaskClient,
    raw: bytes,
    *,
    key: str = KEY,
    at_: datetime = NOW,
    kind: str = "message/rfc822",
    signature: str | None = None,
) -> TestResponse:
    time = int(at_.timestamp())
    mac = hmac.new(key.encode(), f"{time}.".encode() + raw, "sha256").hexdigest()
    signed = f"t={time},v1={mac}" if signature is None else signature
    headers = {SIGNATURE: signed}
    return client.post("/api/v1/replies", data=raw, content_type=kind, headers=headers)


@pytest.mark.parametrize("kind", ["message/rfc822", "application/octet-stream"])
def test_a_gateway_hands_over_a_mail_and_may_repeat_it(gateway: FlaskClient, kind: str) -> None:
    with transaction() as session:
        made = an_appointment(session, "Tue 09:00").id
    raw = an_answer(uid_of(made))

    answers = [hand_over(gateway, raw, kind=kind).status_code for _ in range(2)]

    assert answers == [204, 204]
    assert stored() == 1
    assert appointment(made).partstat == Partstat.ACCEPTED


@pytest.mark.parametrize(
    "changes",
    [
        {"key": "another key that is long enough 0123456789"},
        {"at_": NOW - timedelta(seconds=OLDEST + 1)},
        {"at_": NOW + timedelta(seconds=OLDEST + 1)},
        {"signature": ""},
        {"signature": "t=1,v1="},
        {"signature": "t=١,v1=x"},
        {"signature": "v1=" + "0" * 64},
    ],
)
def test_what_is_not_signed_by_the_gateway_now_is_refused(
    gateway: FlaskClient, changes: dict[str, str]
) -> None:
    answer = hand_over(gateway, a_mail(), **changes)  # type: ignore[arg-type]

    assert answer.status_code == 401
    assert answer.get_json()["code"] == "bad_signature"
    assert stored() == 0


def test_a_signature_is_for_one_mail(gateway: FlaskClient) -> None:
    time = int(NOW.timestamp())
    mac = hmac.new(KEY.encode(), f"{time}.".encode() + a_mail(), "sha256").hexdigest()

    assert hand_over(gateway, a_mail(), signature=f"t={time},v1={mac}").status_code == 401


def test_a_gateway_is_told_what_is_wrong(gateway: FlaskClient) -> None:
    large = b"x" * LARGEST_MAIL

    assert hand_over(gateway, large).status_code == 204
    assert hand_over(gateway, large + b"x").status_code == 413
    assert hand_over(gateway, a_mail(), kind="multipart/form-data; boundary=x").status_code == 415
    assert hand_over(gateway, a_mail(), kind="application/json").status_code == 415


def test_without_a_key_there_is_no_gateway(client: FlaskClient) -> None:
    assert hand_over(client, a_mail()).status_code == 404


@pytest.mark.parametrize("key", ["short", "a" * 40])
def test_a_key_that_can_be_guessed_stops_the_start(key: str) -> None:
    with pytest.raises(Exception, match="BOOKING_INBOUND_KEY"):
        settings_for("sqlite:///x.db", BOOKING_INBOUND_KEY=key)
