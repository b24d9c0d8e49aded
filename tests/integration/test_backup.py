"""A copy made while others write can be restored, is checked, and sends nothing again."""

import os
import shutil
import signal
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from click.testing import Result
from flask import Flask
from flask_migrate import downgrade, upgrade
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import URL, inspect, make_url, text

from booking.app import create_app
from booking.backup import _run, back_up
from booking.domain.lifecycle import Status
from booking.messages.delivery import RelayDown
from booking.models import Appointment, OwedMessage, schema
from booking.models.database import db, transaction
from booking.serve import seed_demo
from booking.services import invariants
from booking.services.appointments import book_appointment, cancel_appointment
from tests import postgres
from tests.builders import HOUSE, NOW, Clock, Mailbox, a_request, an_appointment, at
from tests.conftest import settings_for
from tests.integration.servers import (
    COMMAND,
    PATIENCE,
    ROOT,
    environment,
    eventually,
    linux_only,
)
from tests.visits import deliver, rows


@pytest.fixture
def an_empty_database(app: Flask, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of another database of the same kind."""
    if app.extensions["booking"].settings.sqlite_path:
        yield f"sqlite:///{tmp_path}/restored.db"
        return
    if not shutil.which("pg_dump") and os.environ.get("CI") != "true":
        pytest.skip("pg_dump is not installed")
    server, name = request.getfixturevalue("postgres_server"), f"restored_{os.getpid()}"
    yield postgres.make_database(server, name)
    postgres.drop_database(server, name)


def run(app: Flask, *args: str | Path) -> Result:
    with app.app_context():
        done = app.test_cli_runner().invoke(args=[str(each) for each in args])
        db.session.remove()
        db.engine.dispose()
    return done


def restored(url: str, clock: Clock, mailbox: Mailbox) -> Flask:
    return create_app(settings_for(url), clock=clock, transport=mailbox)


def book(*starts: str) -> None:
    for start in starts:
        with transaction() as session:
            an_appointment(session, start)


def test_what_was_copied_comes_back_and_is_in_order(
    app: Flask, an_empty_database: str, clock: Clock, mailbox: Mailbox, tmp_path: Path
) -> None:
    book("Tue 10:00", "Wed 10:00")
    deliver(app)
    before, copy = rows(), tmp_path / "copy"
    made = run(app, "backup", copy)
    book("Wed 11:00")

    other = restored(an_empty_database, clock, mailbox)
    back = run(other, "restore", copy)

    assert (made.exit_code, back.exit_code) == (0, 0), made.output + back.output
    assert "no " not in [line[:3] for line in back.output.splitlines()]
    assert copy.stat().st_mode & 0o777 == 0o600
    with other.app_context():
        after = rows()
        db.engine.dispose()
    assert after == before


def test_a_restored_outbox_sends_nothing_that_may_have_left(
    app: Flask, an_empty_database: str, clock: Clock, mailbox: Mailbox, tmp_path: Path
) -> None:
    mailbox.refuse_connection = RelayDown("nobody there")
    book("Wed 10:00")
    deliver(app)
    run(app, "backup", tmp_path / "copy")
    mailbox.refuse_connection = None
    clock.now += timedelta(hours=1)
    other = restored(an_empty_database, clock, mailbox)

    back = run(other, "restore", tmp_path / "copy")

    assert "Restored. 1 messages" in back.output
    with other.app_context():
        deliver(other)
        waiting = db.session.query(OwedMessage).filter(OwedMessage.failed_at.is_not(None)).count()
        db.session.remove()
        db.engine.dispose()
    assert mailbox.mails == []
    assert waiting == 1, "staff see it"


def test_a_restore_that_ended_half_way_has_left_a_quiet_outbox(
    app: Flask,
    an_empty_database: str,
    clock: Clock,
    mailbox: Mailbox,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    book("Wed 10:00")
    db.session.remove()
    downgrade(revision="-1")
    in_the_way = "webhook"
    with transaction() as session:
        session.execute(text(f"CREATE TABLE {in_the_way} (id INTEGER)"))
    run(app, "backup", tmp_path / "copy")
    clock.now += timedelta(hours=1)
    other = restored(an_empty_database, clock, mailbox)

    back = run(other, "restore", tmp_path / "copy")

    assert back.exit_code == 1
    assert in_the_way in caplog.text, "the step to this release's schema failed"
    with other.app_context():
        with transaction() as session:
            session.execute(text(f"DROP TABLE {in_the_way}"))
        db.session.remove()
        upgrade()
        deliver(other)
        assert "not reached" in [each.state for each in db.session.query(OwedMessage)]
        db.session.remove()
        db.engine.dispose()
    assert mailbox.mails == []


def stamp(revision: str) -> None:
    with transaction() as session:
        session.execute(text("UPDATE alembic_version SET version_num = :it"), {"it": revision})


def test_a_copy_of_a_newer_release_is_refused_and_nothing_of_it_is_kept(
    app: Flask, an_empty_database: str, clock: Clock, mailbox: Mailbox, tmp_path: Path
) -> None:
    stamp("9999")
    run(app, "backup", tmp_path / "copy")
    other = restored(an_empty_database, clock, mailbox)

    back = run(other, "restore", tmp_path / "copy")

    assert back.exit_code == 1
    assert back.output.startswith("Error: The copy has the schema 9999, which this release")
    assert back.output.count("\n") == 1
    with other.app_context():
        assert inspect(db.engine).get_table_names() == []
        db.engine.dispose()


def test_a_copy_of_an_older_release_is_brought_up_to_date(
    app: Flask, an_empty_database: str, clock: Clock, mailbox: Mailbox, tmp_path: Path
) -> None:
    db.session.remove()
    downgrade(revision="-1")
    run(app, "backup", tmp_path / "copy")
    other = restored(an_empty_database, clock, mailbox)

    back = run(other, "restore", tmp_path / "copy")

    assert back.exit_code == 0, back.output
    with other.app_context():
        with db.engine.connect() as connection:
            assert schema.revisions_of(connection) == {schema.newest()}
        db.engine.dispose()


@contextmanager
def of_an_administrator(server: str, name: str) -> Iterator[str]:
    """A database in which the role of its name may make tables, and nothing else is its own."""
    url = postgres.make_database(server, name)
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("CREATE EXTENSION btree_gist")
        connection.execute(f"CREATE ROLE {name} LOGIN")
        connection.execute(f"GRANT CREATE ON SCHEMA public TO {name}")
    yield make_url(url).set(username=name).render_as_string(hide_password=False)
    postgres.drop_database(server, name)
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP ROLE {name}")


def test_a_copy_comes_back_where_roles_and_extension_are_others(
    postgres_server: str, clock: Clock, mailbox: Mailbox, tmp_path: Path
) -> None:
    if not shutil.which("pg_dump") and os.environ.get("CI") != "true":
        pytest.skip("pg_dump is not installed")
    copy = tmp_path / "copy"
    with of_an_administrator(postgres_server, f"one_{os.getpid()}") as url:
        app = restored(url, clock, mailbox)
        run(app, "db", "upgrade")
        made = run(app, "backup", copy)

    with of_an_administrator(postgres_server, f"other_{os.getpid()}") as url:
        done = run(restored(url, clock, mailbox), "restore", copy)

    assert made.exit_code == 0, made.output
    assert done.exit_code == 0, done.output


def test_copies_made_while_others_write_are_whole(
    sqlite_app: Flask, clock: Clock, mailbox: Mailbox, tmp_path: Path
) -> None:
    starts = [f"{day} {hour:02}:00" for day in ("Tue", "Wed") for hour in (9, 10, 11, 13, 14)]

    def write() -> None:
        with sqlite_app.app_context():
            book(*starts)

    writer = threading.Thread(target=write)
    writer.start()
    copies: list[Path] = []
    while writer.is_alive() or not copies:
        copies.append(tmp_path / f"copy {len(copies)}")
        assert run(sqlite_app, "backup", copies[-1]).exit_code == 0
    writer.join()

    for number, copy in enumerate(copies[-3:]):
        other = restored(f"sqlite:///{tmp_path}/restored-{number}.db", clock, mailbox)
        assert run(other, "restore", copy).exit_code == 0


@pytest.mark.parametrize(
    "damage",
    ["bytes", "no copy", "not empty", "there already", "no folder", "no database", "no checksum"],
)
def test_what_cannot_be_done_is_said_and_does_nothing(
    sqlite_app: Flask, clock: Clock, mailbox: Mailbox, tmp_path: Path, damage: str
) -> None:
    copy, other = tmp_path / "copy", restored(f"sqlite:///{tmp_path}/other.db", clock, mailbox)
    run(sqlite_app, "backup", copy)
    if damage == "there already":
        done = run(sqlite_app, "backup", copy)
    elif damage == "no folder":
        done = run(sqlite_app, "backup", tmp_path / "nowhere" / "copy")
    elif damage == "not empty":
        done = run(sqlite_app, "restore", copy)
    else:
        content = bytearray(copy.read_bytes())
        content[5000:5100] = b"\xff" * 100
        if damage == "no database":
            content[100:] = b"\xff" * len(content[100:])
        copy.write_bytes(b"nothing" if damage == "no copy" else content)
        if damage == "no checksum":
            copy.with_name("copy.sha256").write_bytes(b"\xff\xfe")
        elif damage != "bytes":
            copy.with_name("copy.sha256").unlink()
        done = run(other, "restore", copy)

    assert done.exit_code == 1
    assert done.output.startswith("Error: ")
    assert done.output.count("\n") == 1
    assert not (tmp_path / "other.db").exists(), "and leaves nothing behind"


def test_a_database_that_is_not_ours_is_neither_copied_nor_restored(
    an_empty_database: str, tmp_path: Path, clock: Clock, mailbox: Mailbox
) -> None:
    other = restored(an_empty_database, clock, mailbox)
    sqlite = other.extensions["booking"].settings.sqlite_path
    with other.app_context(), db.engine.begin() as connection:
        connection.execute(text("CREATE TABLE somebody_elses (id integer)"))

    nothing = run(other, "backup", tmp_path / "copy")
    if sqlite is not None:
        shutil.copy(sqlite, tmp_path / "foreign")
        sqlite.unlink()
        foreign = run(other, "restore", tmp_path / "foreign")

        assert "no copy of a database of this service" in foreign.output

    assert nothing.exit_code == 1
    assert "no database of this service" in nothing.output
    assert not (tmp_path / "copy").exists()


def test_a_name_that_means_something_in_an_address_is_only_a_name(
    sqlite_app: Flask, tmp_path: Path
) -> None:
    odd = tmp_path / "50%20 #1?"
    odd.mkdir()
    run(sqlite_app, "backup", odd / "booking.db")
    settings = sqlite_app.extensions["booking"].settings
    url = URL.create("sqlite", database=str(odd / "booking.db"))
    there = replace(settings, database_url=url.render_as_string())

    back_up(there, odd / "copy")

    with closing(sqlite3.connect(odd / "copy")) as copy:
        assert copy.execute("SELECT count(*) FROM clinic").fetchone() == (1,)
    assert {each.name for each in odd.iterdir()} >= {"booking.db", "copy", "copy.sha256"}


def test_the_demo_is_in_order(sqlite_url: str, clock: Clock, mailbox: Mailbox) -> None:
    """A worker that has never run, and an appointment so near that its reminder is over."""
    app = restored(sqlite_url, clock, mailbox)
    with app.app_context():
        assert seed_demo(app)
        assert faults() == []
        db.session.remove()
        db.engine.dispose()


def faults() -> list[str]:
    db.session.rollback()
    found = invariants.check(db.session(), HOUSE.keys, now=at("Mon 08:00"))
    return [each.what for each in found if each.faults]


SPOILED = {
    "every live appointment has its time": "DELETE FROM occupancy WHERE appointment_id = 1",
    "what is cancelled takes no time": "UPDATE appointment SET status = 'cancelled' WHERE id = 1",
    "every patient is owed what holds": "DELETE FROM outbox WHERE appointment_id = 1",
    "the audit trail is whole": "DELETE FROM audit_entry WHERE number = 1",
}


@pytest.mark.usefixtures("app")
def test_a_database_in_order_has_no_faults() -> None:
    book("Tue 10:00", "Wed 10:00")
    with transaction() as session:
        gone = an_appointment(session, "Wed 11:00")
        cancel_appointment(session, gone, HOUSE, now=at("Mon 08:00"), reason="")

    assert faults() == []


@pytest.mark.usefixtures("app")
def test_what_was_taken_back_before_anybody_heard_of_it_is_in_order() -> None:
    house = replace(HOUSE, undo=timedelta(minutes=1))
    with transaction() as session:
        made = book_appointment(session, "visit", a_request("Wed 11:00"), house, now=NOW)
        cancel_appointment(session, made, house, now=NOW + timedelta(seconds=20))

    assert faults() == []


@pytest.mark.parametrize("what", SPOILED)
@pytest.mark.usefixtures("app")
def test_what_was_spoiled_is_found(what: str) -> None:
    book("Tue 10:00", "Wed 10:00")

    with transaction() as session:
        session.execute(text(SPOILED[what]))

    assert faults() == [what]


@pytest.mark.usefixtures("app")
def test_who_was_never_to_hear_of_an_end_is_found() -> None:
    with transaction() as session:
        gone = an_appointment(session, "Wed 11:00")
        cancel_appointment(session, gone, HOUSE, now=at("Mon 08:00"), reason="")
        session.flush()
        session.execute(text("DELETE FROM outbox WHERE kind = 'cancelled'"))

    assert faults() == ["every patient is owed what holds"]


def test_an_overlap_is_found_where_nobody_refused_it(sqlite_app: Flask) -> None:
    assert sqlite_app
    book("Tue 10:00", "Wed 10:00")
    with transaction() as session:
        for name in session.execute(
            text("SELECT name FROM sqlite_master WHERE type='trigger' AND tbl_name='occupancy'")
        ).scalars():
            session.execute(text(f"DROP TRIGGER {name}"))
        first = session.get_one(Appointment, 1)
        session.execute(
            text(
                "UPDATE occupancy SET blocked_from = (SELECT min(blocked_from) FROM occupancy),"
                " blocked_until = (SELECT max(blocked_until) FROM occupancy)"
            )
        )
        assert first.status == Status.BOOKED

    assert {"the database guards its laws", "nothing overlaps"} <= set(faults())


@pytest.mark.parametrize("of", ["occupancy", "closure"])
def test_a_guard_that_is_gone_is_found(app: Flask, of: str) -> None:
    sqlite = app.extensions["booking"].settings.sqlite_path
    with transaction() as session:
        if sqlite is None and of == "occupancy":
            session.execute(text("ALTER TABLE occupancy DROP CONSTRAINT occupancy_overlap"))
        elif sqlite is None:
            session.execute(text(f"ALTER TABLE {of} DISABLE TRIGGER USER"))
        else:
            law = "overlap" if of == "occupancy" else "version"
            suffix = "" if of == "occupancy" else "_ANY"
            session.execute(text(f"DROP TRIGGER {of}_{law}_on_UPDATE{suffix}"))

    assert faults() == ["the database guards its laws"]


def test_a_table_that_is_gone_is_found(app: Flask) -> None:
    assert app
    with transaction() as session:
        session.execute(text("DROP TABLE told"))

    assert faults() == ["the database guards its laws", "every patient is owed what holds"]


def test_a_clock_that_begins_anew_is_found_before_anybody_has_booked(sqlite_app: Flask) -> None:
    assert sqlite_app

    found = list(invariants.clock_faults(db.session(), datetime(1970, 1, 1, tzinfo=UTC)))

    assert found == ["it shows 1970-01-01 00:00 UTC, which was before this service was written"]


def test_the_tools_are_told_every_machine_and_the_password_apart(tmp_path: Path) -> None:
    """What stands in a command line is seen by everybody on the machine."""
    url = "postgresql+psycopg://sam:p%40ss@/booking?host=one,two&port=5432,5433"
    script = f'echo "$0" >{tmp_path}/told; echo "$PGPASSWORD" >>{tmp_path}/told'

    _run(["sh", "-c", script], settings_for(url))

    told, password = (tmp_path / "told").read_text().splitlines()
    known = conninfo_to_dict(told.removeprefix("--dbname="))
    assert known == {"user": "sam", "dbname": "booking", "host": "one,two", "port": "5432,5433"}
    assert password == "p@ss"


@linux_only
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_restore_that_is_told_to_stop_leaves_no_copy_behind(
    number: signal.Signals, tmp_path: Path
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    address = f"sqlite:///{tmp_path}/restored.db"
    with (
        subprocess.Popen(  # it waits for the rest of its input
            (*COMMAND[:-1], "restore", "-"),
            cwd=ROOT,
            env=environment(address, TMPDIR=scratch),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        ) as restoring
    ):
        assert eventually(lambda: any(scratch.iterdir()))

        restoring.send_signal(number)
        restoring.wait(PATIENCE)
        said = restoring.stderr.read() if restoring.stderr else b""

    assert restoring.returncode == 128 + number
    assert said == b""
    assert list(scratch.iterdir()) == []
