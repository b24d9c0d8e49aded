import errno
import mailbox
import os
import socket
import ssl
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from email.message import Message
from pathlib import Path

import pytest

from booking.messages.mail import Mail
from booking.messages.transports import (
    DeliveryError,
    MaildirTransport,
    PermanentFailure,
    RelayDown,
    RelayMisconfigured,
    SmtpTransport,
    TemporaryFailure,
    transport_from_url,
)
from tests.certificates import server_side
from tests.ports import free_port
from tests.smtp_sink import DROP, HANG, SmtpSink, Stage

PATIENCE = 0.4
CONTENT = b"Subject: x\r\n\r\n.a line that begins with a dot\r\n..two\r\nend\r\n"
LOGIN = ("desk@clinic.example", "p@ss/w:rd#1")


def a_mail(recipient: str = "pat@home.example") -> Mail:
    return Mail(
        sender="hello@clinic.example",
        recipient=recipient,
        message_id="<1@clinic.example>",
        content=CONTENT,
    )


def relay(sink: SmtpSink) -> SmtpTransport:
    return a_relay(f"smtp://127.0.0.1:{sink.port}")


def a_relay(url: str) -> SmtpTransport:
    transport = transport_from_url(url)
    assert isinstance(transport, SmtpTransport)
    return replace(transport, timeout=PATIENCE)


def fault_of_sending(transport: SmtpTransport, mail: Mail | None = None) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught, transport.connect() as connection:
        connection.send(mail or a_mail())
    return caught.value


@contextmanager
def silent_server(say: bytes = b"", *, close: bool = False) -> Iterator[int]:
    """Accepts a connection, says this, then waits or closes."""
    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            line, _ = server.accept()
            with line:
                line.sendall(say)
                if not close:
                    done.wait(5)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            done.set()
            thread.join()


def test_a_mail_arrives_as_it_was_written() -> None:
    with SmtpSink() as sink:
        with relay(sink).connect() as connection:
            connection.send(a_mail())

        (received,) = sink.received
        assert received.sender == "hello@clinic.example"
        assert received.recipients == ["pat@home.example"]
        assert received.content == CONTENT
        assert sink.commands == ["EHLO [127.0.0.1]", "QUIT"]


def test_one_connection_carries_many_mails() -> None:
    with SmtpSink() as sink:
        with relay(sink).connect() as connection:
            for number in range(5):
                connection.send(a_mail(f"pat{number}@home.example"))

        assert [one.recipients for one in sink.received] == [
            [f"pat{number}@home.example"] for number in range(5)
        ]
        assert sink.sessions == 1


def test_a_refusing_relay_is_down() -> None:
    fault = fault_of_sending(a_relay(f"smtp://127.0.0.1:{free_port()}"))

    assert type(fault) is RelayDown
    assert "refused" in fault.text


def test_an_unknown_host_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)

    assert type(fault_of_sending(a_relay("smtp://relay.invalid"))) is RelayDown


@pytest.mark.parametrize("close", [True, False])
def test_a_relay_without_banner_is_down(close: bool) -> None:
    with silent_server(close=close) as port:
        assert type(fault_of_sending(a_relay(f"smtp://127.0.0.1:{port}"))) is RelayDown


def test_a_server_that_speaks_something_else_is_down() -> None:
    with silent_server(b"HTTP/1.1 400 Bad Request\r\n", close=True) as port:
        assert type(fault_of_sending(a_relay(f"smtp://127.0.0.1:{port}"))) is RelayDown


@pytest.mark.parametrize(
    ("stage", "reply", "expected"),
    [
        ("banner", "421 closing", RelayDown),
        ("banner", "450 later", RelayDown),
        ("banner", "554 no service for you", RelayMisconfigured),
        ("EHLO", DROP, RelayDown),
        ("EHLO", HANG, RelayDown),
        ("MAIL", DROP, RelayDown),
        ("MAIL", HANG, RelayDown),
        ("MAIL", "421 closing", RelayDown),
        ("MAIL", "451 later", TemporaryFailure),
        ("MAIL", "530 log in first", RelayMisconfigured),
        ("MAIL", "550 not you", PermanentFailure),
        ("RCPT", "421 too many", TemporaryFailure),
        ("RCPT", "450 busy", TemporaryFailure),
        ("RCPT", "550 nobody here", PermanentFailure),
        ("RCPT", DROP, TemporaryFailure),
        ("RCPT", HANG, TemporaryFailure),
        ("DATA", "452 full", TemporaryFailure),
        ("DATA", "554 no", PermanentFailure),
        ("DATA", "250 what", TemporaryFailure),
        ("DATA", DROP, TemporaryFailure),
        ("DATA", HANG, TemporaryFailure),
        ("dot", "451 later", TemporaryFailure),
        ("dot", "554 spam", PermanentFailure),
    ],
)
def test_a_fault_is_known_by_stage_and_reply(
    stage: Stage, reply: str, expected: type[DeliveryError]
) -> None:
    with SmtpSink().fail(stage, reply) as sink:
        fault = fault_of_sending(relay(sink))

    assert type(fault) is expected
    assert not getattr(fault, "maybe_sent", False)
    assert sink.received == []


@pytest.mark.parametrize("reply", [DROP, HANG, "gibberish"])
def test_silence_after_the_dot_may_mean_that_the_mail_was_taken(reply: str) -> None:
    with SmtpSink().fail("dot", reply) as sink:
        fault = fault_of_sending(relay(sink))

    assert isinstance(fault, TemporaryFailure)
    assert fault.maybe_sent


def test_a_drop_before_the_dot_is_known_not_to_have_sent() -> None:
    long_mail = replace(a_mail(), content=CONTENT + (b"x" * 900 + b"\r\n") * 30_000)

    with SmtpSink().fail("content", DROP) as sink:
        fault = fault_of_sending(relay(sink), long_mail)

    assert isinstance(fault, TemporaryFailure)
    assert not fault.maybe_sent
    assert sink.received == []


@pytest.mark.parametrize("reply", [DROP, "500 no goodbye", "421 whatever"])
def test_a_fault_at_quit_is_success(reply: str) -> None:
    with SmtpSink().fail("QUIT", reply) as sink:
        with relay(sink).connect() as connection:
            connection.send(a_mail())

        assert len(sink.received) == 1


@pytest.mark.parametrize(
    ("stage", "reply"),
    [
        ("MAIL", "451 later"), ("RCPT", "550 nobody"), ("RCPT", "421 closing"), ("RCPT", DROP),
        ("DATA", "554 no"), ("content", DROP), ("dot", "554 spam"), ("dot", DROP),
    ],
)  # fmt: skip
def test_after_a_failure_the_next_mail_goes_through(stage: Stage, reply: str) -> None:
    with SmtpSink() as sink, relay(sink).connect() as connection:
        connection.send(a_mail())
        sink.received.clear()
        sink.fail(stage, reply, times=1)
        with pytest.raises((TemporaryFailure, PermanentFailure)):
            connection.send(a_mail("first@home.example"))

        connection.send(a_mail("next@home.example"))

        assert sink.received[-1].recipients == ["next@home.example"]


@pytest.mark.parametrize("reply", [DROP, "421 idle too long"])
def test_a_session_that_the_relay_gave_up_is_opened_again(reply: str) -> None:
    with SmtpSink() as sink:
        with relay(sink).connect() as connection:
            connection.send(a_mail())
            sink.fail("MAIL", reply, times=1)

            connection.send(a_mail())

        assert len(sink.received) == 2
        assert sink.sessions == 2


def test_a_fresh_session_that_breaks_is_not_tried_again() -> None:
    with SmtpSink().fail("MAIL", DROP, times=1) as sink:
        assert type(fault_of_sending(relay(sink))) is RelayDown

        assert sink.sessions == 1


def test_a_session_is_left_after_421() -> None:
    with SmtpSink().fail("RCPT", "421 closing", times=1) as sink:
        with relay(sink).connect() as connection:
            with pytest.raises(TemporaryFailure):
                connection.send(a_mail())
            connection.send(a_mail())

        assert sink.sessions == 2
        assert "RSET" not in sink.commands


def test_a_reply_is_kept_short_and_without_the_address() -> None:
    said = "550 <Pat@home.example>: user pat unknown\x07, patient files " + "x" * 300
    with SmtpSink().fail("RCPT", said) as sink:
        fault = fault_of_sending(relay(sink))

    assert isinstance(fault, PermanentFailure)
    assert fault.text.startswith("550 (address) user (address) unknown")
    assert "patient files" in fault.text
    assert "pat@" not in fault.text.lower()
    assert fault.text.isascii()
    assert len(fault.text) <= 200


@pytest.mark.parametrize("recipient", ["a@b.example\r\nRCPT TO:<c@d.example>", "", "a@b, c@d"])
def test_only_one_plain_address_is_told_to_the_relay(recipient: str) -> None:
    with SmtpSink() as sink:
        fault = fault_of_sending(relay(sink), a_mail(recipient))

    assert isinstance(fault, PermanentFailure)
    assert "@" not in fault.text
    assert sink.received == []


def login_url(sink: SmtpSink) -> str:
    return f"smtp://desk%40clinic.example:p%40ss%2Fw%3Ard%231@127.0.0.1:{sink.port}"


@pytest.mark.filterwarnings("ignore:Session.login_data:DeprecationWarning")
def test_a_login_is_percent_decoded_and_names_us() -> None:
    with SmtpSink(login=LOGIN) as sink:
        with a_relay(login_url(sink)).connect() as connection:
            connection.send(a_mail())

        assert len(sink.received) == 1
        assert sink.commands[0] == "EHLO clinic.example"


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("535 5.7.8 bad login", RelayMisconfigured),
        ("534 5.7.9 too weak", RelayMisconfigured),
        ("454 4.7.0 later", RelayDown),
        ("421 4.7.0 closing", RelayDown),
    ],
)
def test_a_bad_login_is_a_wrong_setting_unless_temporary(
    reply: str, expected: type[DeliveryError]
) -> None:
    with SmtpSink(login=LOGIN).fail("AUTH", reply) as sink:
        assert type(fault_of_sending(a_relay(login_url(sink)))) is expected


def test_a_relay_that_knows_no_login_is_a_wrong_setting() -> None:
    with SmtpSink() as sink:
        assert type(fault_of_sending(a_relay(login_url(sink)))) is RelayMisconfigured


@pytest.mark.parametrize("scheme", ["smtps", "smtp+starttls"])
def test_tls_carries_mail_to_a_relay_that_we_trust(certificate: Path, scheme: str) -> None:
    context = server_side(certificate)
    sink = SmtpSink(tls=context) if scheme == "smtps" else SmtpSink(starttls=context)
    with sink:
        transport = a_relay(f"{scheme}://localhost:{sink.port}")
        trusting = ssl.create_default_context(cafile=certificate)
        with replace(transport, tls=trusting, timeout=2.0).connect() as connection:
            connection.send(a_mail())

        assert len(sink.received) == 1


@pytest.mark.parametrize("scheme", ["smtps", "smtp+starttls"])
def test_a_certificate_that_nobody_vouches_for_is_a_wrong_setting(
    certificate: Path, scheme: str
) -> None:
    context = server_side(certificate)
    sink = SmtpSink(tls=context) if scheme == "smtps" else SmtpSink(starttls=context)
    with sink:
        fault = fault_of_sending(a_relay(f"{scheme}://localhost:{sink.port}"))

    assert type(fault) is RelayMisconfigured
    assert "certificate" in fault.text


def test_a_relay_without_starttls_never_gets_mail_in_the_clear() -> None:
    with SmtpSink() as sink:
        fault = fault_of_sending(a_relay(f"smtp+starttls://127.0.0.1:{sink.port}"))

    assert type(fault) is RelayMisconfigured
    assert sink.received == []


def test_a_tls_failure_is_a_relay_that_is_down() -> None:
    with SmtpSink() as sink:
        assert type(fault_of_sending(a_relay(f"smtps://127.0.0.1:{sink.port}"))) is RelayDown


@pytest.mark.parametrize(
    ("url", "host", "port", "security"),
    [
        ("smtp://relay.example", "relay.example", 25, "none"),
        ("smtp+starttls://relay.example", "relay.example", 587, "starttls"),
        ("smtps://u:p@relay.example/", "relay.example", 465, "tls"),
        ("SMTPS://u:p@[::1]:2465", "::1", 2465, "tls"),
    ],
)
def test_a_url_names_the_relay(url: str, host: str, port: int, security: str) -> None:
    transport = transport_from_url(url)

    assert isinstance(transport, SmtpTransport)
    assert (transport.host, transport.port, transport.security) == (host, port, security)
    assert transport.timeout == 8.0
    assert transport.tls.verify_mode is ssl.CERT_REQUIRED
    assert transport.tls.check_hostname


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("", "must begin with"),
        ("http://relay.example", "must begin with"),
        ("smtp:relay.example", "must begin with"),
        ("smtps://", "must name a host"),
        ("smtps://user:pa/ss@relay.example", "must end"),
        ("smtps://user:secret@relay.example:port", "must end in host:port"),
        ("smtps://user:secret@relay.example:99999", "must end in host:port"),
        ("smtps://user:secret@relay.example/path", "must end after"),
        ("smtps://user@relay.example", "a user and a password"),
        ("smtp://user:secret@relay.example", "unencrypted"),
        ("maildir:", "must name a folder"),
    ],
)
def test_a_wrong_url_is_refused_in_one_sentence_without_secrets(url: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence) as caught:
        transport_from_url(url)

    assert "secret" not in str(caught.value)
    assert "pa/ss" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_transport_shows_no_password() -> None:
    assert "secret" not in repr(transport_from_url("smtps://user:secret@relay.example"))


def delivered(path: Path) -> list[Message]:
    box = mailbox.Maildir(path, create=False)
    return [box[key] for key in sorted(box.keys())]


def test_a_folder_takes_each_mail_in_a_file_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "instance" / "mail"
    transport = transport_from_url(f"maildir:{path}")
    assert isinstance(transport, MaildirTransport)

    with transport.connect() as connection:
        connection.send(a_mail())
        connection.send(a_mail())

    files = sorted((path / "new").iterdir())
    assert [file.read_bytes() for file in files] == [CONTENT, CONTENT]
    assert [stat.S_IMODE(file.stat().st_mode) for file in files] == [0o600, 0o600]
    for folder in (path, *path.iterdir()):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert list((path / "tmp").iterdir()) == []
    assert [message["Subject"] for message in delivered(path)] == ["x", "x"]


@pytest.mark.parametrize("url", ["maildir:/srv/mail", "maildir:///srv/mail"])
def test_a_folder_may_be_written_as_a_path_or_a_url(url: str) -> None:
    assert transport_from_url(url) == MaildirTransport(Path("/srv/mail"))


def test_a_folder_that_cannot_be_made_is_a_wrong_setting(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with (
        pytest.raises(RelayMisconfigured),
        MaildirTransport(tmp_path / "file" / "mail").connect(),
    ):
        pass


def test_a_full_disk_is_a_relay_that_is_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)

    with (
        pytest.raises(RelayDown, match="No space"),
        MaildirTransport(tmp_path).connect() as connection,
    ):
        connection.send(a_mail())

    assert [file for file in tmp_path.rglob("*") if file.is_file()] == []
