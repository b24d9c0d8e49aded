"""The schema: up, down and up again with data, the same as the models, and the law in it."""

from collections.abc import Iterator, Mapping

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from flask import Flask
from flask_migrate import downgrade, upgrade
from sqlalchemy import CheckConstraint, Select, Table, delete, insert, inspect, select, text

from booking.app import create_app
from booking.models import Clinic, HealthcareService, OwedMessage, ServiceReminder, Told
from booking.models.base import Base
from booking.models.database import db, transaction
from booking.serve import seed_demo
from booking.worker import worker_of
from tests.builders import Clock, Mailbox, an_appointment
from tests.conftest import settings_for

THE_LAW = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'occupancy'",
    "postgresql": "SELECT conname FROM pg_constraint WHERE conrelid = 'occupancy'::regclass"
    " AND (contype = 'x' OR conname = 'ck_occupancy_too_long')",
}
VERSIONS = ("INSERT_NEW", "UPDATE_OLD", "UPDATE_NEW", "DELETE_OLD")
ITS_NAMES = {
    "sqlite": {"occupancy_overlap_on_INSERT", "occupancy_overlap_on_UPDATE"}
    | {f"occupancy_version_on_{each}" for each in VERSIONS},
    "postgresql": {"occupancy_overlap", "ck_occupancy_too_long"},
}
Rows = Mapping[str, list[tuple[object, ...]]]


@pytest.fixture
def demo(database_url: str, clock: Clock, mailbox: Mailbox) -> Iterator[Flask]:
    """The app with the demo clinic and one appointment of which everybody has been told."""
    app = create_app(settings_for(database_url), clock=clock, transport=mailbox)
    with app.app_context():
        seed_demo(app)
        with transaction() as session:
            an_appointment(session, "Tue 09:00", service="first-consultation", practitioner=None)
        worker_of(app).turn()
        yield app
        db.session.remove()
        db.engine.dispose()


@pytest.mark.usefixtures("demo")
def test_what_was_stored_can_be_stored_again_after_down_and_up() -> None:
    before = everything()

    db.session.remove()
    downgrade(revision="base")
    assert inspect(db.engine).get_table_names() == ["alembic_version"]
    upgrade()
    put_back(before)

    assert everything() == before
    assert sum(len(rows) for rows in before.values()) > 100
    assert all(before[name] for name in ("occupancy", "outbox", "sent_message", "staff_user"))


@pytest.mark.usefixtures("demo")
def test_who_was_told_what_survives_the_step_from_the_first_schema_and_back() -> None:
    query = select(Told.appointment_id, Told.audience, Told.practitioner_id, Told.sequence)
    before = {tuple(row) for row in db.session.execute(query)}
    db.session.remove()

    downgrade(revision="0001")
    upgrade()

    assert {tuple(row) for row in db.session.execute(query)} == before
    assert {audience for _, audience, _, _ in before} == {"patient", "practitioner", "staff"}
    services = set(db.session.scalars(select(ServiceReminder.service_id)))
    assert services == set(db.session.scalars(select(HealthcareService.id)))
    for_whom = select(OwedMessage.practitioner_id).where(OwedMessage.audience == "practitioner")
    assert None not in db.session.scalars(for_whom).all()


@pytest.mark.usefixtures("demo")
def test_a_clinic_that_was_there_before_erases_nothing_until_somebody_says_so() -> None:
    assert db.session.get_one(Clinic, 1).erase_after_days == 365, "a new one does"
    db.session.remove()

    downgrade(revision="0009")
    upgrade()

    assert db.session.get_one(Clinic, 1).erase_after_days is None


@pytest.mark.usefixtures("demo")
def test_migrating_what_is_migrated_changes_nothing() -> None:
    before = everything()
    db.session.remove()

    upgrade()

    assert everything() == before


@pytest.mark.usefixtures("app")
def test_the_models_say_what_the_migrations_made() -> None:
    with db.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})

        assert compare_metadata(context, Base.metadata) == []


@pytest.mark.usefixtures("app")
def test_the_law_stands_in_the_schema() -> None:
    dialect = db.engine.dialect.name

    found = set(db.session.scalars(text(THE_LAW[dialect])))

    assert found == ITS_NAMES[dialect]


@pytest.mark.usefixtures("app")
def test_constraints_that_models_name_are_in_the_database() -> None:
    inspector = inspect(db.engine)
    for name, table in Base.metadata.tables.items():
        stored = {each["name"] for each in inspector.get_check_constraints(name)}
        checks = (each for each in table.constraints if isinstance(each, CheckConstraint))
        named = {str(each.name) for each in checks}
        assert named <= stored, name


def everything() -> Rows:
    """Every row of every table of ours but those that triggers keep."""
    with db.engine.connect() as connection:
        return {
            table.name: [tuple(row) for row in connection.execute(ordered(table))]
            for table in Base.metadata.sorted_tables
            if "kept_by_triggers" not in table.info
        }


def ordered(table: Table) -> Select[tuple[object, ...]]:
    return select(table).order_by(*table.primary_key)


def put_back(rows: Rows) -> None:
    with db.engine.begin() as connection:
        for table in reversed(Base.metadata.sorted_tables):
            connection.execute(delete(table))  # a migration may have left rows of its own
        for table in Base.metadata.sorted_tables:
            names = [column.name for column in table.columns]
            if rows.get(table.name):
                values = [dict(zip(names, row, strict=True)) for row in rows[table.name]]
                connection.execute(insert(table), values)
