"""`flask doctor` sends a test message and says at which step it fails, and what to do."""

import socket
import ssl
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask
from flask.testing import FlaskCliRunner

from booking.app import create_app
from booking.doctor import DONE, FOR_NOW, REMEDY
from booking.messages.smtp import SmtpTransport, Step
from booking.messages.transports import Transport, transport_from_url
from booking.models import Heartbeat
from booking.models.database import db, transaction
from booking.services import outbox
from tests.builders import NOW, Clock, Mailbox, an_appointment
from tests.certificates import server_side
from tests.conftest import settings_for
from tests.ports import free_port
from tests.smtp_sink import DROP, SmtpSink, Stage

LOGIN = ("desk@clinic.example", "p@ss/w:rd#1")
ADDRESS = "keeper@clinic.example"

Ask = Callable[[Transport], Result]


@pytest.fixture
def ask(sqlite_app: Flask, clock: Clock) -> Ask:
    """Runs the doctor with this transport, on a service whose worker is awake."""
    with transaction() as session:
        outbox.beat(session, now=NOW, relay_error=None)
    url = sqlite_app.extensions["booking"].settings.database_url

    def run(transport: Transport) -> Result:
        app = create_app(settings_for(url), clock=clock, transport=transport)
        with app.app_context():
            done = FlaskCliRunner(app).invoke(args=["doctor", ADDRESS])
            db.session.remove()
            db.engine.dispose()
        return done

    return run


def a_relay(url: str, **changes: object) -> SmtpTransport:
    relay = transport_from_url(url)
    assert isinstance(relay, SmtpTransport)
    return replace(relay, timeout=2.0, **changes)  # type: ignore[arg-type]


def with_login(sink: SmtpSink) -> SmtpTransport:
    return a_relay(f"smtp://desk%40clinic.example:p%40ss%2Fw%3Ard%231@127.0.0.1:{sink.port}")


def said(done: Result, verdict: str) -> list[str]:
    """What stands after yes or no."""
    lines = [line.split(maxsplit=1) for line in done.output.splitlines() if line[:1] != " "]
    return [rest for first, rest in lines if first == verdict]


def refused_at(done: Result, step: Step) -> None:
    """Everything before this step went well, this one did not, and there is advice."""
    assert done.exit_code == 1
    assert said(done, "no") == [DONE[step]]
    assert REMEDY[step] in done.output
    assert DONE[Step.CONTENT] not in said(done, "yes")


@pytest.mark.parametrize("scheme", ["smtps", "smtp+starttls"])
def test_all_is_well_and_every_step_is_told(ask: Ask, certificate: Path, scheme: str) -> None:
    context = server_side(certificate)
    sink = SmtpSink(tls=context) if scheme == "smtps" else SmtpSink(starttls=context)
    with sink:
        relay = a_relay(
            f"{scheme}://localhost:{sink.port}", tls=ssl.create_default_context(cafile=certificate)
        )

        done = ask(relay)

    assert done.exit_code == 0, done.output
    assert said(done, "yes")[:8] == [DONE[step] for step in relay.steps]
    assert said(done, "yes")[8:] == ["the worker is awake", "the clock and its zones are sane"]
    [received] = sink.received
    assert received.recipients == [ADDRESS]
    assert b"Subject: A test: mail leaves" in received.content


def test_a_sign_in_is_a_step(ask: Ask) -> None:
    with SmtpSink(login=LOGIN) as sink:
        done = ask(with_login(sink))

    assert done.exit_code == 0, done.output
    assert DONE[Step.LOGIN] in said(done, "yes")


def test_no_server_is_told(ask: Ask) -> None:
    done = ask(a_relay(f"smtp://127.0.0.1:{free_port()}"))

    refused_at(done, Step.LINE)
    assert DONE[Step.NAME] in said(done, "yes")
    assert "refused" in done.output


def test_a_name_that_leads_nowhere_is_told(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)

    refused_at(ask(a_relay("smtp://relay.invalid")), Step.NAME)


def test_a_refused_login_is_told(ask: Ask) -> None:
    with SmtpSink(login=LOGIN).fail("AUTH", "535 5.7.8 bad login") as sink:
        done = ask(with_login(sink))

    refused_at(done, Step.LOGIN)
    assert "535 5.7.8 bad login" in done.output
    assert LOGIN[1] not in done.output


@pytest.mark.parametrize(
    ("stage", "step"),
    [
        ("banner", Step.BANNER),
        ("MAIL", Step.SENDER),
        ("RCPT", Step.RECIPIENT),
        ("DATA", Step.CONTENT),
        ("dot", Step.CONTENT),
    ],
)
def test_what_the_relay_refuses_is_told_with_its_answer(ask: Ask, stage: Stage, step: Step) -> None:
    with SmtpSink().fail(stage, "550 not here") as sink:
        done = ask(a_relay(f"smtp://127.0.0.1:{sink.port}"))

    refused_at(done, step)
    assert "     550 not here\n" in done.output


def test_what_the_relay_refuses_for_now_sends_nobody_to_check_the_address(ask: Ask) -> None:
    with SmtpSink().fail("RCPT", "450 4.2.0 greylisted") as sink:
        done = ask(a_relay(f"smtp://127.0.0.1:{sink.port}"))

    assert said(done, "no") == [DONE[Step.RECIPIENT]]
    assert "     450 4.2.0 greylisted\n" in done.output
    assert FOR_NOW in done.output
    assert REMEDY[Step.RECIPIENT] not in done.output


def test_a_relay_that_hangs_up_on_us_is_told(ask: Ask) -> None:
    with SmtpSink().fail("EHLO", DROP) as sink:
        refused_at(ask(a_relay(f"smtp://127.0.0.1:{sink.port}")), Step.HELLO)


@pytest.mark.parametrize("scheme", ["smtps", "smtp+starttls"])
def test_a_certificate_that_nobody_vouches_for_is_told(
    ask: Ask, certificate: Path, scheme: str
) -> None:
    context = server_side(certificate)
    sink = SmtpSink(tls=context) if scheme == "smtps" else SmtpSink(starttls=context)
    with sink:
        done = ask(a_relay(f"{scheme}://localhost:{sink.port}"))

    refused_at(done, Step.SECURED)
    assert "The certificate is not valid" in done.output
    assert sink.received == []


def test_a_folder_takes_the_message_at_once(ask: Ask, tmp_path: Path) -> None:
    done = ask(transport_from_url(f"maildir:{tmp_path}/mail"))

    assert done.exit_code == 0, done.output
    assert len(list(tmp_path.glob("mail/new/*"))) == 1


def test_what_waits_and_a_worker_that_is_silent_are_told(
    ask: Ask, clock: Clock, mailbox: Mailbox
) -> None:
    with transaction() as session:
        an_appointment(session, "Wed 10:00")
    clock.now += timedelta(hours=2)

    done = ask(mailbox)

    assert done.exit_code == 1
    assert said(done, "no") == ["the worker is awake"]
    assert "messages waiting to leave: 3, the oldest for 2 h 0 min" in done.output
    assert "Time since its last turn: 2 h 0 min." in done.output


def test_a_worker_that_never_ran_is_told(ask: Ask, mailbox: Mailbox) -> None:
    with transaction() as session:
        session.delete(session.get_one(Heartbeat, "worker"))

    done = ask(mailbox)

    assert said(done, "no") == ["the worker is awake"]
    assert "It has never had a turn." in done.output
    assert "no message waits to leave" in done.output


def test_mail_is_tried_where_there_is_no_database_yet(mailbox: Mailbox, tmp_path: Path) -> None:
    app = create_app(settings_for(f"sqlite:///{tmp_path}/new.db"), transport=mailbox)

    with app.app_context():
        done = FlaskCliRunner(app).invoke(args=["doctor", ADDRESS])
        db.session.remove()
        db.engine.dispose()

    assert len(mailbox.mails) == 1
    assert said(done, "no") == ["the database can be read"]


def test_what_is_no_address_is_refused(sqlite_app: Flask) -> None:
    done = sqlite_app.test_cli_runner().invoke(args=["doctor", "the keeper"])

    assert (done.exit_code, done.output) == (1, "Error: That is not an email address.\n")
