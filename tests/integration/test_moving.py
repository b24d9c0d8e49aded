"""All that one database holds can be moved into one of another kind, and nothing changes."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import func, select, text

from booking import moving
from booking.app import create_app
from booking.models import Appointment, TimeVersion
from booking.models.base import Base
from booking.models.database import db, transaction
from booking.serve import seed_demo
from booking.services.appointments import cancel_appointment
from tests import postgres
from tests.builders import HOUSE, Clock, Mailbox
from tests.conftest import settings_for
from tests.visits import deliver, rows

COUNTED = frozenset({"time_version"})
"""What triggers keep: in each database by itself."""


@pytest.fixture(params=["to postgresql", "to sqlite"])
def an_old_and_a_new(
    request: pytest.FixtureRequest, postgres_server: str, migrated_sqlite: Path, tmp_path: Path
) -> Iterator[tuple[str, str]]:
    """The address of a database that has its tables, and that of an empty one of another kind."""
    name = f"moved_{os.getpid()}"
    if request.param == "to postgresql":
        old = f"sqlite:///{tmp_path}/old.db"
        shutil.copy(migrated_sqlite, tmp_path / "old.db")
        yield old, postgres.make_database(postgres_server, name)
    else:
        old = postgres.make_database(postgres_server, name, like="booking_template")
        yield old, f"sqlite:///{tmp_path}/new.db"
    postgres.drop_database(postgres_server, name)


def furnished(url: str, clock: Clock, mailbox: Mailbox) -> dict[str, list[tuple[Any, ...]]]:
    """The demo clinic, some of its mail sent, one of its appointments cancelled."""
    app = create_app(settings_for(url), clock=clock, transport=mailbox)
    with app.app_context():
        seed_demo(app)
        deliver(app)
        with transaction() as session:
            made = session.query(Appointment).order_by(Appointment.id.desc()).first()
            assert made
            cancel_appointment(session, made, HOUSE, now=clock.now)
        found = rows(besides=COUNTED)
        db.session.remove()
        db.engine.dispose()
    return found


def move(app: Flask, source: str) -> Result:
    with app.app_context():
        done = app.test_cli_runner().invoke(args=["move-database"], env={"MOVE_FROM": source})
        db.session.remove()
        db.engine.dispose()
    return done


def test_everything_is_there_and_life_goes_on(
    an_old_and_a_new: tuple[str, str], clock: Clock, mailbox: Mailbox
) -> None:
    old, new = an_old_and_a_new
    before = furnished(old, clock, mailbox)
    app = create_app(settings_for(new), clock=clock, transport=mailbox)

    done = move(app, old)

    assert done.exit_code == 0, done.output
    assert "no " not in [line[:3] for line in done.output.splitlines()]
    with app.app_context():
        after = rows(besides=COUNTED)
        sent = len(mailbox.mails)
        deliver(app)  # the cancellation was still owed; new rows get numbers that nobody has
        db.session.remove()
        db.engine.dispose()
    assert {name: len(each) for name, each in after.items()} == {
        name: len(each) for name, each in before.items()
    }
    assert sum(len(each) for each in after.values()) > 100
    assert len(mailbox.mails) > sent


def test_the_next_number_comes_after_the_highest(
    postgres_server: str, migrated_sqlite: Path, tmp_path: Path, clock: Clock, mailbox: Mailbox
) -> None:
    shutil.copy(migrated_sqlite, tmp_path / "old.db")
    furnished(f"sqlite:///{tmp_path}/old.db", clock, mailbox)
    name = f"numbers_{os.getpid()}"
    app = create_app(
        settings_for(postgres.make_database(postgres_server, name)), clock=clock, transport=mailbox
    )

    assert move(app, f"sqlite:///{tmp_path}/old.db").exit_code == 0

    with app.app_context(), db.engine.connect() as connection:
        for table in Base.metadata.sorted_tables:
            column = table.autoincrement_column
            found = column is not None and connection.scalar(
                text("SELECT pg_get_serial_sequence(:table, :column)"),
                {"table": table.name, "column": column.name},
            )
            if found and column is not None:
                highest = connection.scalar(select(func.max(column)))
                following = connection.scalar(text("SELECT nextval(:name)"), {"name": found})
                assert following == (highest or 0) + 1, table.name
    with app.app_context():
        db.engine.dispose()
    postgres.drop_database(postgres_server, name)


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("nonsense", "not the address of a database"),
        ("sqlite:////nowhere/at/all.db", "no database of this service"),
        ("sqlite://", "no database of this service"),
        ("postgresql+psycopg://me:hidden-word@127.0.0.1:9/booking", "did not work"),
    ],
)
def test_what_cannot_be_read_is_said_in_a_sentence(
    source: str, sentence: str, tmp_path: Path, clock: Clock, mailbox: Mailbox
) -> None:
    app = create_app(settings_for(f"sqlite:///{tmp_path}/new.db"), clock=clock, transport=mailbox)

    done = move(app, source)

    assert done.exit_code == 1
    assert sentence in done.output
    assert "hidden-word" not in done.output


def test_a_file_that_is_not_there_is_not_made(
    tmp_path: Path, clock: Clock, mailbox: Mailbox
) -> None:
    app = create_app(settings_for(f"sqlite:///{tmp_path}/new.db"), clock=clock, transport=mailbox)

    done = move(app, f"sqlite:///{tmp_path}/mistyped.db")

    assert done.exit_code == 1
    assert "no database of this service" in done.output
    assert not (tmp_path / "mistyped.db").exists()


def test_what_is_remembered_of_free_times_is_kept_up_after_a_move(
    an_old_and_a_new: tuple[str, str], clock: Clock, mailbox: Mailbox
) -> None:
    old, new = an_old_and_a_new
    furnished(old, clock, mailbox)
    app = create_app(settings_for(new), clock=clock, transport=mailbox)
    assert move(app, old).exit_code == 0

    with app.app_context():
        before = versions()
        with transaction() as session:
            made = session.query(Appointment).where(Appointment.status == "booked").first()
            assert made
            who = made.practitioner_id
            cancel_appointment(session, made, HOUSE, now=clock.now)
        after = versions()
        db.session.remove()
        db.engine.dispose()

    assert after[who] != before.get(who)


def versions() -> dict[int, int]:
    rows = db.session.execute(select(TimeVersion.resource_id, TimeVersion.version))
    return {row.resource_id: row.version for row in rows}


def test_nothing_is_moved_into_what_is_not_empty(sqlite_app: Flask, migrated_sqlite: Path) -> None:
    before = rows()

    done = move(sqlite_app, f"sqlite:///{migrated_sqlite}")

    assert done.exit_code == 1
    assert "not empty" in done.output
    assert rows() == before


def test_another_schema_is_refused(
    migrated_sqlite: Path, tmp_path: Path, clock: Clock, mailbox: Mailbox
) -> None:
    shutil.copy(migrated_sqlite, tmp_path / "old.db")
    old = create_app(settings_for(f"sqlite:///{tmp_path}/old.db"))
    with old.app_context():
        with db.engine.begin() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = '0001_first'"))
        db.engine.dispose()
    app = create_app(settings_for(f"sqlite:///{tmp_path}/new.db"), clock=clock, transport=mailbox)

    done = move(app, f"sqlite:///{tmp_path}/old.db")

    assert done.exit_code == 1
    assert "not of the same version" in done.output


def test_a_row_that_comes_out_differently_stops_the_move(
    migrated_sqlite: Path,
    tmp_path: Path,
    clock: Clock,
    mailbox: Mailbox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shutil.copy(migrated_sqlite, tmp_path / "old.db")
    furnished(f"sqlite:///{tmp_path}/old.db", clock, mailbox)
    app = create_app(settings_for(f"sqlite:///{tmp_path}/new.db"), clock=clock, transport=mailbox)
    copy = moving._copy

    def spoilt(table: object, old: object, new: object) -> int:
        count = copy(table, old, new)  # type: ignore[arg-type]
        if getattr(table, "name", "") == "appointment":
            new.execute(text("UPDATE appointment SET patient_name = 'Another' WHERE id = 1"))  # type: ignore[attr-defined]
        return count

    monkeypatch.setattr(moving, "_copy", spoilt)
    done = move(app, f"sqlite:///{tmp_path}/old.db")

    assert done.exit_code == 1
    assert "of appointment came out differently" in done.output
    with app.app_context():
        assert not rows()["appointment"]
        db.engine.dispose()
