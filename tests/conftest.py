"""What tests stand on: real databases, migrated; the app; and the edges where fakes may enter."""

import itertools
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_migrate import upgrade

from booking.app import create_app
from booking.models.database import db, transaction
from booking.settings import Settings
from tests import builders, postgres
from tests.builders import Clock, Mailbox
from tests.certificates import write_certificate
from tests.kept import hash_quickly, keep_addresses, with_kept_templates
from tests.pages import CheckedClient
from tests.together import Groups

numbers = itertools.count(1)
BASE_URL = "http://127.0.0.1:8000"
keep_addresses()
hash_quickly()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Groups:
    """How the tests are shared out."""
    return Groups(config, log)


def settings_for(database_url: str, **changes: object) -> Settings:
    """Settings of a demo installation, so that nothing but the database need be named."""
    environ = {
        "BOOKING_DEMO": "1",
        "BOOKING_SECRET_KEY": builders.SECRET,
        "BOOKING_DATABASE_URL": database_url,
        "BOOKING_SMTP_URL": "smtp://127.0.0.1:9",
        "BOOKING_MAIL_FROM": "appointments@clinic.example",
        "BOOKING_RATE_LIMITS": "off",
    }
    return Settings.from_environ(environ | {name: str(each) for name, each in changes.items()})


def migrate(database_url: str) -> None:
    """Bring a database to the newest schema."""
    app = create_app(settings_for(database_url))
    with app.app_context():
        upgrade()
        db.engine.dispose()


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated file to copy."""
    path = tmp_path_factory.mktemp("template") / "booking.db"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """A running PostgreSQL with a migrated database to copy."""
    try:
        running = postgres.server()
        url = running.__enter__()
    except Exception as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"no PostgreSQL could be started: {error}")
    postgres.drop_database(url, "booking_template")
    migrate(postgres.make_database(url, "booking_template"))
    yield url
    running.__exit__(None, None, None)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate for localhost that nobody but its owner trusts."""
    path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    write_certificate(path)
    return path


@pytest.fixture
def sqlite_url(migrated_sqlite: Path, tmp_path: Path) -> str:
    """A fresh migrated SQLite database."""
    path = tmp_path / "booking.db"
    shutil.copy(migrated_sqlite, path)
    return f"sqlite:///{path}"


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """A fresh migrated PostgreSQL database."""
    name = f"booking_{os.getpid()}_{next(numbers)}"
    yield postgres.make_database(postgres_server, name, like="booking_template")
    postgres.drop_database(postgres_server, name)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """Each database in turn."""
    name = "sqlite_url" if request.param == "sqlite" else "postgres_url"
    url: str = request.getfixturevalue(name)
    return url


@pytest.fixture
def clock() -> Clock:
    """Monday 23 November 2026, 8:00 in New York."""
    return Clock()


@pytest.fixture
def mailbox() -> Mailbox:
    """Where the app's mail ends up."""
    return Mailbox()


@pytest.fixture
def app(database_url: str, clock: Clock, mailbox: Mailbox) -> Iterator[Flask]:
    """The app on each database, with the small clinic."""
    yield from a_running_app(settings_for(database_url), clock, mailbox)


@pytest.fixture
def sqlite_app(sqlite_url: str, clock: Clock, mailbox: Mailbox) -> Iterator[Flask]:
    """The app on SQLite alone, for what no database can change."""
    yield from a_running_app(settings_for(sqlite_url), clock, mailbox)


def a_running_app(settings: Settings, clock: Clock, mailbox: Mailbox) -> Iterator[Flask]:
    """An app with the small clinic, inside its context."""
    app = with_kept_templates(create_app(settings, clock=clock, transport=mailbox))
    app.test_client_class = CheckedClient
    with app.app_context():
        with transaction() as session:
            builders.a_clinic(session)
        yield app
        db.session.remove()
        db.engine.dispose()


@pytest.fixture
def client(sqlite_app: Flask) -> FlaskClient:
    """A browser of sorts, without JavaScript, on SQLite."""
    return sqlite_app.test_client()
