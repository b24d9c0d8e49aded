"""The one command that serves: it begins, it ends whole, and says in a sentence what is wrong."""

import os
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from click import ClickException
from flask import Flask
from sqlalchemy import create_engine, make_url, text

from booking import cli
from booking.app import create_app
from booking.models.database import db
from booking.settings import SettingError, Settings
from booking.web import gate
from tests.conftest import settings_for
from tests.integration.servers import (
    COMMAND,
    PATIENCE,
    ROOT,
    Service,
    Wish,
    a_service,
    children_of,
    coming_days,
    environment,
    eventually,
    is_alive,
    linux_only,
)
from tests.ports import free_port
from tests.postgres import drop_database, make_database

pytestmark = linux_only

VISITORS = 4


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """Begun in an empty folder: it migrates, seeds and serves."""
    mail = f"maildir:{tmp_path}/data/mail"
    with a_service(
        f"sqlite:///{tmp_path}/data/booking.db", tmp_path / "log", BOOKING_SMTP_URL=mail
    ) as running:
        yield running


def test_from_nothing_to_the_first_page_a_booking_and_its_mail(
    service: Service, tmp_path: Path
) -> None:
    client = service.client
    assert client.get("/").status == 200
    start = coming_days(client, "video-consultation", count=1, practitioner=None)[0]

    answer = client.book(Wish("video-consultation", start, 1, practitioner=None), "one")

    assert answer.status == 201
    eventually(lambda: client.get("/readyz").status == 200)
    eventually(lambda: len(list(tmp_path.glob("data/mail/new/*"))) == 3)


def test_what_it_writes_is_for_its_owner_only(service: Service, tmp_path: Path) -> None:
    start = coming_days(service.client, "video-consultation", count=1, practitioner=None)[0]
    service.client.book(Wish("video-consultation", start, 1, practitioner=None), "one")
    eventually(lambda: list(tmp_path.glob("data/mail/new/*")))

    written = [tmp_path / "data", *(tmp_path / "data").rglob("*")]

    names = {each.name for each in written}
    assert {"booking.db", "booking.db-wal", "booking.db.writer", "mail"} <= names
    modes = {each: stat.S_IMODE(each.stat().st_mode) for each in written}
    assert {mode for path, mode in modes.items() if path.is_file()} == {0o600}
    assert {mode for path, mode in modes.items() if path.is_dir()} == {0o700}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_told_to_stop_it_leaves_no_process_behind(service: Service, number: signal.Signals) -> None:
    service.family()
    everybody = service.everybody()

    status = service.end(number)

    assert status == 0
    assert len(everybody) >= 4
    assert not [pid for pid in everybody if is_alive(pid)]


def test_killed_it_takes_its_children_along(service: Service) -> None:
    service.family()
    everybody = service.everybody()

    service.process.kill()

    eventually(lambda: not [pid for pid in everybody if is_alive(pid)])


@pytest.mark.parametrize("who", ["delivery_worker", "web_master"])
def test_a_child_that_dies_is_begun_again(service: Service, who: str) -> None:
    victim = getattr(service, who)()

    os.kill(victim, signal.SIGKILL)

    eventually(lambda: getattr(service, who)() != victim)
    assert eventually(lambda: service.client.get("/").status == 200)


def test_told_to_begin_anew_it_turns_nobody_away(service: Service) -> None:
    pid, before = service.process.pid, service.family()
    over = threading.Event()
    with ThreadPoolExecutor(VISITORS) as visitors:
        asked = [visitors.submit(ask_until, over, service) for _ in range(VISITORS)]

        os.kill(pid, signal.SIGHUP)

        eventually(lambda: not set(before) & set(service.family()))
        assert eventually(lambda: service.client.get("/readyz").status == 200)
        over.set()
        answers = Counter(status for each in asked for status in each.result())
    assert set(answers) == {200}
    assert service.process.pid == pid
    assert service.process.poll() is None
    assert service.end() == 0


def test_systemd_is_told_when_it_answers(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(f"{tmp_path}/notify")
        systemd.settimeout(PATIENCE)
        url = f"sqlite:///{tmp_path}/booking.db"
        with a_service(url, tmp_path / "log", NOTIFY_SOCKET=f"{tmp_path}/notify") as service:
            assert systemd.recv(1000).startswith(b"READY=1")

            os.kill(service.process.pid, signal.SIGHUP)

            assert systemd.recv(1000).startswith(b"READY=1")


def test_told_so_again_while_it_begins_it_begins_once_more(
    service: Service, tmp_path: Path
) -> None:
    pid, log = service.process.pid, tmp_path / "log"
    service.family()
    os.kill(pid, signal.SIGHUP)
    eventually(lambda: not children_of(pid))
    time.sleep(0.3)  # it loads what lies there now

    os.kill(pid, signal.SIGHUP)

    eventually(lambda: log.read_text().count("Booking is at") == 3)
    eventually(lambda: service.client.get("/readyz").status == 200)
    assert service.end() == 0
    assert "child_killed" not in log.read_text(), "what had just begun has heard that it should end"


def ask_until(over: threading.Event, service: Service) -> list[int]:
    """Ask, one after the other, as somebody who does not try again."""
    statuses = []
    while not over.is_set():
        statuses.append(service.client.get("/").status)
    return statuses


def test_begun_anew_it_is_the_program_that_lies_there_now(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/booking.db"
    with a_service(url, tmp_path / "log") as service:
        service.family()
        engine = create_engine(url)
        with engine.begin() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        engine.dispose()

        os.kill(service.process.pid, signal.SIGHUP)

        assert service.process.wait(PATIENCE) == 1
    assert "which this release does not know" in (tmp_path / "log").read_text()


def test_a_terminal_that_is_gone_ends_it(tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    url = f"sqlite:///{tmp_path}/booking.db"
    with a_service(url, tmp_path / "log", stdin=theirs) as service:
        assert service.end(signal.SIGHUP) == 0
    os.close(ours)
    os.close(theirs)


def test_it_begins_again_where_it_left_off(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/data/booking.db"
    with a_service(url, tmp_path / "first") as service:
        before = service.client.get("/").body

    with a_service(url, tmp_path / "second") as service:
        assert service.client.get("/").body == before


def test_what_is_no_request_is_refused_by_our_headers_and_not_quoted(tmp_path: Path) -> None:
    """T-96: a line or a header that the web server itself refuses, before any page is asked."""
    host = "Host: 127.0.0.1\r\nConnection: close\r\n"
    with a_service(f"sqlite:///{tmp_path}/booking.db", tmp_path / "log") as service:
        answers = [
            said_to(service.port, f"GET /{'evil' * 2000} HTTP/1.1\r\n{host}\r\n"),
            said_to(service.port, f"GET / HTTP/1.1\r\nX: {'evil' * 5000}\r\n{host}\r\n"),
            said_to(service.port, f"GET / HTTP/9.evil\r\n{host}\r\n"),
            said_to(service.port, f"GET / HTTP/1.1\r\nevil evil: x\r\n{host}\r\n"),
            said_to(service.port, f"POST / HTTP/1.1\r\nContent-Length: evil\r\n{host}\r\n"),
        ]

    assert [each.split()[1] for each in answers] == ["414", "431", "400", "400", "400"]
    for each in answers:
        head = each.partition("\r\n\r\n")[0].split("\r\n")
        assert {f"{name}: {value}" for name, value in gate.ALWAYS.items()} <= set(head)
        assert "Cache-Control: no-store" in head
        assert "evil" not in each
        assert "gunicorn" not in each


def said_to(port: int, request: str) -> str:
    """What comes back for these very bytes."""
    with socket.create_connection(("127.0.0.1", port), 10) as line:
        line.sendall(request.encode())
        return b"".join(iter(lambda: line.recv(9999), b"")).decode()


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        said = what_it_says(f"sqlite:///{tmp_path}/booking.db", BOOKING_PORT=port)

    assert str(port) in said
    assert "BOOKING_PORT" in said


def test_a_database_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    (tmp_path / "folder.db").mkdir()
    (tmp_path / "letter.db").write_text("Dear database, " * 500)

    for name in ("folder.db", "letter.db"):
        assert "BOOKING_DATABASE_URL" in what_it_says(f"sqlite:///{tmp_path}/{name}")


def test_a_postgresql_that_is_not_there_is_named() -> None:
    url = f"postgresql+psycopg://clinic:secret-word@127.0.0.1:{free_port()}/booking"

    said = what_it_says(url)

    assert "BOOKING_DATABASE_URL" in said
    assert "secret-word" not in said


GUNICORN = (sys.executable, "-m", "gunicorn", "--no-control-socket")


def let_a_newer_release_migrate(database_url: str) -> None:
    engine = create_engine(database_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()


@pytest.mark.parametrize("command", ["serve", "web", "worker", "db upgrade"])
def test_a_database_of_a_newer_release_is_refused(database_url: str, command: str) -> None:
    let_a_newer_release_migrate(database_url)

    said = what_it_says(database_url, command=command)

    assert "The database has the schema 9999, which this release does not know" in said
    assert "run the newer release" in said


def test_gunicorn_alone_refuses_a_database_of_a_newer_release_as_well(database_url: str) -> None:
    let_a_newer_release_migrate(database_url)

    begun = subprocess.run(
        (*GUNICORN, "--bind", f"127.0.0.1:{free_port()}", "wsgi:app"),
        cwd=ROOT,
        env=environment(database_url),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )

    assert begun.returncode != 0
    assert begun.stderr.count("The database has the schema 9999, which this release") == 1
    assert "Traceback" not in begun.stderr


def test_an_app_that_finds_no_database_makes_none_by_looking(tmp_path: Path) -> None:
    subprocess.run(
        (sys.executable, "-c", "import wsgi"),
        cwd=ROOT,
        env=environment(f"sqlite:///{tmp_path}/booking.db"),
        check=True,
    )

    assert list(tmp_path.iterdir()) == []


def test_what_is_loaded_is_looked_through_for_garbage_no_more(tmp_path: Path) -> None:
    count = "import gc, wsgi; print(gc.isenabled(), gc.get_freeze_count(), len(gc.get_objects()))"
    said = subprocess.run(
        (sys.executable, "-c", count),
        cwd=ROOT,
        env=environment(f"sqlite:///{tmp_path}/booking.db"),
        check=True,
        capture_output=True,
        text=True,
    )

    goes_on, kept, looked_through = said.stdout.split()
    assert goes_on == "True"
    assert int(kept) > 100 * int(looked_through)


WRONG = [
    ("BOOKING_SECRET_KEY", "short"),
    ("BOOKING_FORMER_SECRET_KEYS", "short"),
    ("BOOKING_PORT", "eighty"),
    ("BOOKING_BIND", "0.0.0.0"),
    ("BOOKING_BASE_URL", "http://clinic.example"),
    ("BOOKING_BASE_URL", "https://[::1"),
    ("BOOKING_BASE_URL", "https://clinic.example:99999"),
    ("BOOKING_BASE_URL", "https://user:word@clinic.example"),
    ("BOOKING_BASE_URL", "https://clinic.example/#booking"),
    ("BOOKING_BASE_URL", "https://the clinic.example"),
    ("BOOKING_SMTP_URL", "carrier-pigeon://loft"),
    ("BOOKING_SMTP_URL", "smtps://the relay:465"),
    ("BOOKING_SMTP_URL", "smtps://relay.example:0"),
    ("BOOKING_REPLY_IMAP_URL", "imaps://desk:word@the mailbox/INBOX"),
    ("BOOKING_MAIL_FROM", "the clinic"),
    ("BOOKING_MAIL_FROM", "desk@front@clinic.example"),
    ("BOOKING_MAIL_FROM", "desk@clinic..example"),
    ("BOOKING_TWO_STEP", "required"),
    ("BOOKING_REPLY_IMAP_URL_FLIE", "/etc/booking/imap"),
    ("BOOKING_DATABASE_URL", "mysql://localhost/booking"),
    ("BOOKING_DATABASE_URL", "sqlite://"),
    ("BOOKING_DATABASE_URL", "sqlite:///"),
    ("BOOKING_DATABASE_URL", "sqlite:////nowhere/booking.db?mode=ro"),
    ("BOOKING_DATABASE_URL", "sqlite:///file:/nowhere/booking.db?uri=true"),
    ("BOOKING_DATABASE_URL", "postgresql+psycopg://host:port/booking"),
    ("BOOKING_SECRET_KEY_FILE", "/nowhere/key"),
    ("BOOKING_WEB_WORKERS", "0"),
    ("BOOKING_CALENDAR_HOSTS", "https://files.clinic.example/"),
    ("BOOKING_CALENDAR_HOSTS", "*"),
    ("BOOKING_CALENDAR_HOSTS", "files.clinic.example:99999"),
    ("BOOKING_EMBED_ORIGINS", "https://www.clinic.example/page"),
    ("BOOKING_EMBED_ORIGINS", "*"),
    ("BOOKING_EMBED_ORIGINS", "https://www.clinic.example:99999"),
    ("BOOKING_WAITLIST_MINUTES", "5"),
    ("BOOKING_METRICS_TOKEN", "short"),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_wrong_setting_is_named(name: str, value: str) -> None:
    environ = environment("sqlite:////nowhere/booking.db") | {name: value}
    if name.endswith("_FILE"):
        del environ[name.removesuffix("_FILE")]

    with pytest.raises(SettingError, match=rf"^{name} .*\.$"):
        Settings.from_environ(environ)


def test_an_address_in_capitals_is_the_same_address() -> None:
    environ = environment("sqlite:////nowhere/booking.db")

    settings = Settings.from_environ(environ | {"BOOKING_BASE_URL": "HTTPS://Book.Example.org/"})

    assert settings.base_url == "https://book.example.org"
    assert settings.secure


def test_a_variable_of_somebody_else_is_left_alone() -> None:
    environ = environment("sqlite:////nowhere/booking.db")

    assert Settings.from_environ(environ | {"BOOKING_TEST_POSTGRES_URL": "x", "BOOKINGS": "y"})


def test_an_address_to_listen_on_that_is_none_of_ours_is_named(tmp_path: Path) -> None:
    path, elsewhere = tmp_path / "booking.db", {"BOOKING_BIND": "192.0.2.1"}

    said = what_it_says(f"sqlite:///{path}", **elsewhere, BOOKING_DEMO_PUBLIC="1")

    assert said == "BOOKING_BIND names no address of this machine: 192.0.2.1."


def test_a_wrong_setting_is_told_without_a_traceback(tmp_path: Path) -> None:
    said = what_it_says(f"sqlite:///{tmp_path}/booking.db", BOOKING_PORT="eighty")

    assert said == "BOOKING_PORT must be a whole number from 1 to 65535."


NEED_A_DATABASE = [
    *("check", "audit verify", "keys rotate", "person show a@b.example", "seed-demo", "worker"),
    *("person erase --yes a@b.example", "reset-second-step a@b.example"),
    *("create-user a@b.example --password quite-a-few-odd-words", "replies read tests/mails"),
    "load-clinic booking/demo/clinic.toml",
]


def refusal(app: Flask, command: str) -> str:
    """What a command says that ends with a status other than 0."""
    with app.app_context():
        done = app.test_cli_runner().invoke(args=command.split())
        db.session.remove()
        db.engine.dispose()
    assert done.exit_code == 1, done.output
    assert isinstance(done.exception, SystemExit), done.exception
    return done.output.strip()


@pytest.mark.parametrize("command", NEED_A_DATABASE)
def test_a_command_works_on_the_schema_of_its_own_release_alone(
    command: str, tmp_path: Path
) -> None:
    path = tmp_path / "booking.db"
    app = create_app(settings_for(f"sqlite:///{path}"))

    before = refusal(app, command)
    made = path.exists()
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE alembic_version (version_num)")
        database.execute("INSERT INTO alembic_version VALUES ('9999')")
        database.commit()
        newer = refusal(app, command)
        database.execute("UPDATE alembic_version SET version_num = '0001'")
        database.commit()
        older = refusal(app, command)

    assert "names no database of this service" in before
    assert not made
    assert "9999, which this release does not know" in newer
    assert "0001, which is older than this release: run flask db upgrade." in older


@pytest.mark.parametrize("command", ["check", "db upgrade", "restore -", "move-database sqlite://"])
def test_a_database_that_is_away_is_told_in_one_sentence(command: str) -> None:
    said = what_it_says("postgresql+psycopg://u:word@127.0.0.1:1/none", command=command)

    assert "BOOKING_DATABASE_URL names a database that cannot be used: connection failed" in said
    assert "word" not in said


def test_an_option_that_no_server_knows_is_told_in_one_sentence() -> None:
    said = what_it_says(
        "postgresql+psycopg://u:word@127.0.0.1/none?sllmode=require", command="check"
    )

    assert 'cannot be used: invalid connection option "sllmode"' in said
    assert "Traceback" not in said


def test_a_database_that_is_damaged_is_told_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "booking.db").write_bytes(b"something else, " * 500)

    said = what_it_says(f"sqlite:///{tmp_path}/booking.db", command="check")

    assert "cannot be used: file is not a database" in said


@pytest.mark.parametrize("command", ["serve", "db upgrade"])
def test_a_database_in_which_we_may_make_nothing_is_told_in_one_sentence(
    postgres_server: str, command: str
) -> None:
    name = f"not_ours_{os.getpid()}"
    url = make_database(postgres_server, name)
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {name} LOGIN")
        connection.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        said = what_it_says(
            make_url(url).set(username=name).render_as_string(hide_password=False), command=command
        )
        connection.execute(f"DROP ROLE {name}")
    drop_database(postgres_server, name)

    assert "cannot be used: permission denied for schema public" in said


def test_a_disk_that_is_full_is_told_in_one_sentence() -> None:
    said = pytest.raises(ClickException, match=r"^It did not work: No space left on device\.$")

    with said, cli._in_words():
        Path("/dev/full").write_text("what a command says")


def test_the_first_upgrade_makes_the_folder_of_the_database_for_us_alone(tmp_path: Path) -> None:
    folder = tmp_path / "var" / "booking"

    subprocess.run(
        (*COMMAND[:-1], "db", "upgrade"),
        cwd=ROOT,
        env=environment(f"sqlite:///{folder}/booking.db"),
        capture_output=True,
        check=True,
    )

    assert folder.stat().st_mode & 0o777 == 0o700


def what_it_says(database_url: str, *, command: str = "serve", **settings: object) -> str:
    """The one sentence with which it refuses to begin."""
    refused = subprocess.run(
        (*COMMAND[:-1], *command.split()),
        cwd=ROOT,
        env=environment(database_url, **{"BOOKING_PORT": free_port()} | settings),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert refused.returncode != 0
    assert refused.stdout == ""
    [sentence] = refused.stderr.splitlines()
    assert sentence.endswith(".")
    return sentence
