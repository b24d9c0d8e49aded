"""Commands, each a thin layer over one use case."""

import json
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from flask import Flask, current_app
from flask_security.utils import hash_password
from sqlalchemy import select
from sqlalchemy.exc import DatabaseError, DataError, IntegrityError, ProgrammingError

from booking import backup, doctor, moving, resealing, serve
from booking import worker as delivery
from booking.domain.refusals import WrongState
from booking.messages.hygiene import is_address
from booking.messages.incoming import understand
from booking.models import Role, User, schema
from booking.models.database import Away, Busy, db, transaction
from booking.services import audit, invariants, retention, second_steps
from booking.services.accounts import (
    SHORTEST_PASSWORD,
    AccountExists,
    NobodyToBe,
)
from booking.services.clinic_file import (
    ClinicExists,
    ClinicFileError,
    read_clinic_file,
    store_clinic,
)
from booking.services.own_data import own_data
from booking.services.people import Deed, Standing, let_in
from booking.services.replies import receive
from booking.web.passwords import new_password

BUSY = "Others have held the database for too long: begin again, what is done stays done."
AWAY = "The database does not answer: begin again when it does."
OF_A_STATEMENT = (IntegrityError, ProgrammingError, DataError)
"""Errors that would be ours, whatever the database: they are not put into one sentence, unless
they come before any statement."""


@contextmanager
def _our_database() -> Iterator[None]:
    """Around a command that needs a database of this very release; what hinders it is a sentence.

    Raises:
        ClickException: if there is none, of another release, away, held by others or damaged.
    """
    path = _app().extensions["booking"].settings.sqlite_path
    if path is not None and not path.is_file():  # asking would make it
        raise click.ClickException(schema.NONE)
    with _in_words():
        with db.engine.connect() as connection:
            fault = schema.foreign(connection)
        if fault:
            raise click.ClickException(fault)
        yield


@contextmanager
def _in_words() -> Iterator[None]:
    """A database that is away, held by others or damaged, a disk that is full: one sentence."""
    try:
        yield
    except BrokenPipeError:
        raise  # who reads what we say has read enough
    except OSError as error:
        raise click.ClickException(f"It did not work: {error.strerror or error}.") from None
    except Away:
        raise click.ClickException(AWAY) from None
    except Busy:
        raise click.ClickException(BUSY) from None
    except DatabaseError as error:
        if isinstance(error, OF_A_STATEMENT) and error.statement is not None:
            raise
        raise click.ClickException(serve.cannot_be_used(error)) from None


@contextmanager
def _tidied_up() -> Iterator[None]:
    """Let a command that is told to stop take away what it has laid beside: whole copies of all.

    Left to itself Python ends at once on these signals, and leaves them.
    """
    before = {
        number: signal.signal(number, lambda number, _: sys.exit(128 + number))
        for number in (signal.SIGTERM, signal.SIGHUP)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def install(app: Flask) -> None:
    """Put our commands beside Flask's own."""
    commands = (
        serve_command,
        web_command,
        worker_command,
        load_clinic,
        create_user_command,
        reset_second_step,
        seed_demo,
        replies,
        audit_commands,
        keys_commands,
        person_commands,
        backup_command,
        restore_command,
        move_command,
        check_command,
        doctor_command,
    )
    for command in commands:
        app.cli.add_command(command)


@click.command("serve")
def serve_command() -> None:
    """Migrate, then run the web server and the delivery worker until told to stop."""
    sys.exit(serve.serve(_app()))


@click.command("web")
def web_command() -> None:
    """Run the web server alone, without migrating; any number may run, each on a port."""
    sys.exit(serve.serve_web(_app()))


@click.command("worker")
@_our_database()
def worker_command() -> None:
    """Run a delivery worker; any number may run."""
    delivery.run(_app())


@click.command("load-clinic")
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@_our_database()
def load_clinic(path: Path) -> None:
    """Write the clinic described in PATH (TOML) into an empty database."""
    try:
        file = read_clinic_file(path.read_text(encoding="utf-8"))
        with transaction() as session:
            store_clinic(session, file)
    except ClinicFileError as error:
        raise click.ClickException(str(error)) from error
    except UnicodeDecodeError:
        raise click.ClickException("The file is not text in UTF-8.") from None
    except ClinicExists:
        raise click.ClickException("The database holds a clinic already.") from None
    click.echo(f"{file.clinic.name}: {len(file.services)} services can be booked.")


@click.command("create-user")
@click.argument("email")
@click.password_option(help=f"At least {SHORTEST_PASSWORD} characters; asked for if not given.")
@click.option(
    "--role",
    type=click.Choice([each.value for each in Role]),
    default=Role.ADMINISTRATOR.value,
    show_default=True,
)
@click.option("--practitioner", default="", help="Which practitioner a clinician is, by slug.")
@_our_database()
def create_user_command(email: str, password: str, role: str, practitioner: str) -> None:
    """Let a member of staff sign in."""
    try:
        password = new_password(password, about=email)
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    email, state = _an_address(email), _app().extensions["booking"]
    try:
        with transaction() as session:
            deed = Deed("system", state.clock(), state.house)
            standing = Standing(Role(role), practitioner)
            let_in(session, email, hash_password(password), standing, deed)
    except AccountExists:
        raise click.ClickException("That address has an account already.") from None
    except NobodyToBe:
        raise click.ClickException("Name --practitioner for a clinician, and only then.") from None
    click.echo(f"{email} can sign in.")


@click.command("reset-second-step")
@click.argument("email")
@_our_database()
def reset_second_step(email: str) -> None:
    """Take the second steps of EMAIL away, who has lost the device; ends their sessions."""
    state = _app().extensions["booking"]
    query = select(User.id).where(User.email == email.lower())
    with transaction() as session:
        number = session.scalar(query)
        if number is None:
            raise click.ClickException("Nobody here has that address.")
        second_steps.reset(session, number, Deed("system", state.clock(), state.house))
    click.echo(f"{email} signs in with the password and sets up another second step.")


@click.group("replies")
def replies() -> None:
    """Mails that came in: answers of calendars, bounces, messages."""


@replies.command("read")
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@_our_database()
def read_replies(paths: tuple[Path, ...]) -> None:
    """Take in mails from PATHS: .eml files, folders of them, Maildirs."""
    state = _app().extensions["booking"]
    verdicts: Counter[str] = Counter()
    for path in (each for given in paths for each in _mails_in(given)):
        raw = path.read_bytes()
        incoming = understand(raw)
        with transaction() as session:
            mail = receive(session, incoming, raw, state.house, now=state.clock())
            line = f"{mail.matter} {mail.verdict}"
        click.echo(line)
        verdicts[line] += 1
    click.echo(f"{verdicts.total()} mails read.")


def _mails_in(path: Path) -> list[Path]:
    """The file itself, or the mails of a folder in the order of their names."""
    if path.is_file():
        return [path]
    maildir = [each for each in (path / "new", path / "cur") if each.is_dir()]
    found = [each for folder in maildir for each in folder.iterdir() if each.is_file()]
    if not maildir:
        found = [each for each in path.rglob("*") if each.suffix.lower() == ".eml"]
    return sorted(found, key=lambda each: each.name)


@click.group("audit")
def audit_commands() -> None:
    """The audit trail."""


@audit_commands.command("verify")
@_our_database()
def audit_verify() -> None:
    """Go through the whole trail; names each entry that was changed, removed or moved."""
    keys = _app().extensions["booking"].house.keys
    faults = list(audit.verify(db.session(), keys))
    for fault in faults:
        click.echo(f"Entry {fault.number} {fault.what}.")
    if faults:
        raise click.ClickException("The trail is broken.")
    head = audit.head(db.session())
    click.echo(f"{head.number} entries; the last is sealed {head.digest.hex()[:16]}.")


@click.group("keys")
def keys_commands() -> None:
    """What is made from the secret key."""


@keys_commands.command("rotate")
@_our_database()
def keys_rotate() -> None:
    """Seal under the newest secret what is sealed under those of BOOKING_FORMER_SECRET_KEYS."""
    state = _app().extensions["booking"]
    try:
        done = resealing.reseal(state.house.keys, now=state.clock())
    except resealing.WrongSecret as error:
        raise click.ClickException(str(error)) from None
    for name, count in done.resealed.items():
        click.echo(f"{count:>9}  {name}")
    for sentence in done.left:
        click.echo(sentence)
    if done.closed:
        raise click.ClickException(resealing.still_closed(done.closed))


def _an_address(given: str) -> str:
    """One address and nothing else: an empty one is that of everybody who has none."""
    if not is_address(given.strip()):
        raise click.ClickException("That is not an email address.")
    return given.strip()


@click.group("person")
def person_commands() -> None:
    """Everything about one person, by email address."""


@person_commands.command("show")
@click.argument("address", type=_an_address)
@_our_database()
def person_show(address: str) -> None:
    """Print what who has ADDRESS can download of each appointment, as JSON."""
    state = _app().extensions["booking"]
    with transaction() as session:
        found = retention.appointments_of(session, address)
        shown = [
            own_data(session, each, state.house, actor="system", now=state.clock())
            for each in found
        ]
    click.echo(json.dumps(shown, indent=2, ensure_ascii=False))


@person_commands.command("erase")
@click.argument("address", type=_an_address)
@click.confirmation_option(prompt="This cannot be taken back. Erase it?")
@_our_database()
def person_erase(address: str) -> None:
    """Erase what is stored about who has ADDRESS, but for what is yet to come or owed a message."""
    state = _app().extensions["booking"]
    erased, left = 0, 0
    letters = retention.letters_of(db.session(), address, state.house)
    with transaction() as session:
        retention.erase_letters(session, letters)
        for each in retention.appointments_of(session, address):
            try:
                retention.erase(session, each, state.house, actor="system", now=state.clock())
                erased += 1
            except WrongState:
                left += 1
    click.echo(f"{erased} erased; {left} left: yet to come, or a message is still owed.")
    click.echo(f"{len(letters)} mails from there that were about no appointment erased.")


@click.command("backup")
@click.argument("path", type=click.Path(allow_dash=True, path_type=Path))
@_tidied_up()
def backup_command(path: Path) -> None:
    """Copy the database to PATH while it is in use, with its SHA-256 beside; - is the output."""
    try:
        digest = backup.back_up(_app().extensions["booking"].settings, path)
    except backup.BackupError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"SHA-256 {digest}", err=True)


@click.command("restore")
@click.argument("path", type=click.Path(allow_dash=True, exists=True, path_type=Path))
@click.pass_context
@_in_words()
@_tidied_up()
def restore_command(context: click.Context, path: Path) -> None:
    """Put the copy at PATH into an empty database, and check it; - is the input."""
    try:
        waiting = backup.restore(_app(), path)
    except backup.BackupError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"Restored. {waiting} messages may have been sent already: see “not reached”.")
    context.invoke(check_command)


@click.command("move-database")
@click.argument("source", envvar="MOVE_FROM")
@click.pass_context
@_in_words()
def move_command(context: click.Context, source: str) -> None:
    """Fill an empty database with all of the one at SOURCE, compare each row, and check it.

    SOURCE is an address like that of BOOKING_DATABASE_URL; one that holds a password is better
    given as MOVE_FROM. Stop the service first.
    """
    try:
        counts = moving.move_from(source)
    except moving.MoveError as error:
        raise click.ClickException(str(error)) from None
    for table, count in counts.items():
        click.echo(f"{count:>9}  {table}")
    click.echo("Every row is the same on both sides.")
    context.invoke(check_command)


@click.command("check")
@_our_database()
def check_command() -> None:
    """Look whether all that must be true of the database is; says what is not."""
    state, wrong = _app().extensions["booking"], False
    for finding in invariants.check(db.session(), state.house.keys, now=state.clock()):
        click.echo(f"{'no ' if finding.faults else 'yes'}  {finding.what}")
        for fault in finding.faults:
            click.echo(f"     {fault}")
        wrong = wrong or bool(finding.faults)
    if wrong:
        raise click.ClickException("Something is not as it must be.")


@click.command("doctor")
@click.argument("address", type=_an_address)
def doctor_command(address: str) -> None:
    """Send a test message to ADDRESS, saying of each step how it went; then look at the worker."""
    if not doctor.examine(_app().extensions["booking"], db.session(), address, click.echo):
        raise click.ClickException("Something is not as it must be.")


@click.command("seed-demo")
@_our_database()
def seed_demo() -> None:
    """Fill an empty database with the demo clinic."""
    click.echo("Filled." if serve.seed_demo(_app()) else "The database holds a clinic already.")


def _app() -> Flask:
    return current_app._get_current_object()  # type: ignore[attr-defined,no-any-return]
