"""The one place that knows all parts."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from flask import Flask
from flask_migrate import Migrate
from werkzeug.middleware.proxy_fix import ProxyFix

from booking import cli, logs
from booking.messages.mail import Renderer
from booking.messages.transports import Transport, transport_from_url
from booking.models.database import PATIENCE, close_session, db, install_engine_hooks
from booking.models.schema import MIGRATIONS
from booking.services.appointments import House
from booking.services.links import Keys
from booking.services.remembering import Memory
from booking.settings import Settings
from booking.web import (
    account,
    answers,
    api,
    audit,
    calendars,
    clinic_numbers,
    closures,
    contact,
    day,
    desk,
    earlier,
    embedding,
    erasure,
    errors,
    feeds,
    fhir,
    filters,
    gate,
    inbound,
    join,
    keys,
    languages,
    limits,
    look,
    lost,
    metrics,
    numbers,
    ops,
    passkeys,
    patient,
    people,
    picker,
    places,
    public,
    reference,
    retention,
    rooms,
    schedule,
    second,
    services,
    signin,
    staff,
    staff_api,
    steps,
    styleguide,
    texts,
    trail,
    waitlist,
    webhooks,
)
from booking.web.state import Booking

ROOT = Path(__file__).parent.parent
LARGEST_BODY = 64 * 1024
SPARE_CONNECTIONS = 4
LINE = {
    "connect_timeout": int(PATIENCE),
    "tcp_user_timeout": 10_000,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
}
"""Of libpq: a server that lost its power says nothing, and the system would wait for a quarter of
an hour. One that is slow still answers these by its kernel, so they end no wait for a lock."""
BLUEPRINTS = (
    *(public, patient, contact, erasure, earlier, lost),
    *(api, staff_api, reference, inbound, join, feeds, fhir, embedding, styleguide),
    *(staff, desk, day, waitlist, answers, calendars, schedule, closures, texts),
    *(services, rooms, places, clinic_numbers, look),
    *(audit, retention, people, keys, webhooks, account, passkeys, steps, second, numbers),
    ops,
)


def utc_now() -> datetime:
    """The clock of real life."""
    return datetime.now(UTC)


def create_app(
    settings: Settings,
    *,
    clock: Callable[[], datetime] = utc_now,
    transport: Transport | None = None,
) -> Flask:
    """Build the service.

    Args:
        clock: Gives the present instant, in UTC.
        transport: Takes the mails; by default what `settings.smtp_url` names.
    """
    app = Flask("booking", root_path=str(ROOT / "booking"), template_folder=ROOT / "templates")
    app.config.update(
        SQLALCHEMY_DATABASE_URI=settings.database_url,
        SQLALCHEMY_ENGINE_OPTIONS=_engine_options(settings),
        TRUSTED_HOSTS=settings.hosts,
        MAX_CONTENT_LENGTH=LARGEST_BODY,
        MAX_FORM_MEMORY_SIZE=LARGEST_BODY,
        MAX_FORM_PARTS=50,
        RATELIMIT_ENABLED=settings.rate_limits,
        RATELIMIT_HEADERS_ENABLED=False,
    )
    signin.configure(app, settings)
    app.extensions["booking"] = Booking(
        settings=settings,
        clock=clock,
        transport=transport or transport_from_url(settings.smtp_url),
        renderer=Renderer(ROOT / "templates"),
        house=House(
            Keys(settings.secret_key, settings.former_secret_keys),
            settings.undo,
            deadline=settings.deadline,
            limits=settings.rate_limits,
        ),
        memory=Memory(),
    )
    logs.install(app)
    _install_database(app)
    gate.install(app)
    metrics.install(app)
    trail.install(app)
    errors.install(app)
    filters.install(app)
    embedding.install(app)
    languages.install(app)
    picker.install(app)
    limits.install(app)
    signin.install(app)
    _register(app)
    cli.install(app)
    if settings.proxies:
        hops = settings.proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops)  # type: ignore[method-assign]
    return app


def _register(app: Flask) -> None:
    """Every page and address, by audience."""
    for module in BLUEPRINTS:
        app.register_blueprint(module.bp)
    for module in (api, staff_api, inbound):
        signin.csrf.exempt(module.bp)  # they read no cookie
    for view in (
        public.book,
        contact.change,
        contact.confirm,
        erasure.keep,
        erasure.wish,
        lost.ask,
        earlier.join,
        earlier.leave,
        earlier.take,
        earlier.decline,
        patient.cancel,
        patient.keep,
        patient.reschedule,
    ):
        # Their forms check the token themselves, so that an expired one loses nothing typed.
        signin.csrf.exempt(view)


def _engine_options(settings: Settings) -> dict[str, object]:
    sqlite = settings.sqlite_path is not None
    return {
        "hide_parameters": True,
        "pool_timeout": PATIENCE,
        "connect_args": {} if sqlite else LINE,
        "pool_size": settings.web_threads,  # a thread never waits for a connection
        "max_overflow": SPARE_CONNECTIONS,
    }


def _install_database(app: Flask) -> None:
    db.init_app(app)
    app.teardown_appcontext(close_session)  # before the extension does
    Migrate(app, db, directory=str(MIGRATIONS))
    with app.app_context():
        install_engine_hooks(db.engine)
