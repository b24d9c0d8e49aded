"""Settings: read once from the environment, checked at the start, never changed after."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from booking.messages.hygiene import is_address
from booking.messages.mailbox import MailboxAddress
from booking.messages.transports import transport_from_url

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
SHORTEST_SECRET = 32
ORIGIN = re.compile(r"https://[a-z0-9.-]+(:\d{1,5})?|http://(localhost|127\.0\.0\.1)(:\d{1,5})?")
WEBSITE = re.compile(r"https?://([a-z0-9]([a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:]+\])(:\d{1,5})?")
HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:\d{1,5})?")
DRIVERS = ("sqlite", "postgresql+psycopg")


class SettingError(Exception):
    """A setting is missing or wrong; the text is one sentence that names the variable."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that an installation decides outside its database.

    `docs/settings.md` explains each; a test holds the two together.
    """

    database_url: str
    secret_key: str
    base_url: str
    smtp_url: str
    mail_from: str
    former_secret_keys: tuple[str, ...] = field(default=(), repr=False)
    bind: str = "127.0.0.1"
    port: int = 8000
    web_workers: int = 2
    web_threads: int = 16
    proxies: int = 0
    undo: timedelta = timedelta(seconds=120)
    deadline: timedelta = timedelta(minutes=120)
    rate_limits: bool = True
    mail_tags: bool = False
    reply_imap_url: str | None = field(default=None, repr=False)
    inbound_key: str | None = field(default=None, repr=False)
    metrics_token: str | None = field(default=None, repr=False)
    calendar_hosts: tuple[str, ...] = ()
    embed_origins: tuple[str, ...] = ()
    publish_slots: bool = False
    two_steps: bool = True
    demo: bool = False

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> "Settings":
        """Read and check every `BOOKING_*` variable.

        Raises:
            SettingError: if one is missing, unreadable or unsafe.
        """
        read = _Reader(environ)
        demo = read.flag("DEMO", default=False)
        port = read.number("PORT", 8000, least=1, most=65535)
        bind = read.text("BIND", "127.0.0.1")
        demo_public = read.flag("DEMO_PUBLIC", default=False)
        if demo and bind not in LOOPBACK and not demo_public:
            _refuse("BIND", "must be a loopback address in the demo (or set BOOKING_DEMO_PUBLIC=1)")
        rate_limits = read.choice("RATE_LIMITS", "on", ("on", "off")) == "on"
        if not (rate_limits or demo):
            _refuse("RATE_LIMITS", "can be 'off' only where BOOKING_DEMO is 1")
        secret_key = _secret("SECRET_KEY", read.text("SECRET_KEY"))
        settings = cls(
            database_url=_database(
                read.text("DATABASE_URL", _demo(demo, "sqlite:///instance/booking.db"))
            ),
            secret_key=secret_key,
            former_secret_keys=_former(read.text("FORMER_SECRET_KEYS", ""), secret_key),
            base_url=_base_url(read.text("BASE_URL", _demo(demo, f"http://127.0.0.1:{port}"))),
            smtp_url=_smtp(read.text("SMTP_URL", _demo(demo, "maildir:instance/mail"))),
            mail_from=_address(read.text("MAIL_FROM", _demo(demo, "appointments@clinic.example"))),
            bind=bind,
            port=port,
            web_workers=read.number("WEB_WORKERS", 2, least=1, most=64),
            web_threads=read.number("WEB_THREADS", 16, least=1, most=256),
            proxies=read.number("PROXIES", 0, least=0, most=10),
            undo=timedelta(
                seconds=read.number("UNDO_SECONDS", 0 if demo else 120, least=0, most=3600)
            ),
            deadline=timedelta(minutes=read.number("WAITLIST_MINUTES", 120, least=15, most=2880)),
            rate_limits=rate_limits,
            mail_tags=read.flag("MAIL_TAGS", default=False),
            reply_imap_url=_mailbox(read.text("REPLY_IMAP_URL", "")),
            inbound_key=_if_set("INBOUND_KEY", read.text("INBOUND_KEY", "")),
            metrics_token=_if_set("METRICS_TOKEN", read.text("METRICS_TOKEN", "")),
            calendar_hosts=_hosts(read.text("CALENDAR_HOSTS", "")),
            embed_origins=_origins(read.text("EMBED_ORIGINS", "")),
            publish_slots=read.flag("PUBLISH_SLOTS", default=False),
            two_steps=read.choice(
                "TWO_STEPS", "optional" if demo else "required", ("required", "optional")
            )
            == "required",
            demo=demo,
        )
        read.refuse_misspelt()
        return settings

    @property
    def hosts(self) -> list[str]:
        """The host names that we answer to; links in mails always use `base_url`."""
        host = urlsplit(self.base_url).hostname or ""
        return sorted({host, *LOOPBACK}) if host in LOOPBACK else [host]

    @property
    def passkey_origin(self) -> str:
        """Where passkeys work: they belong to a name, so never to an address (WebAuthn §5.1.2)."""
        parts = urlsplit(self.base_url)
        if parts.hostname not in LOOPBACK:
            return f"{parts.scheme}://{parts.netloc}".lower()
        return f"{parts.scheme}://localhost" + (f":{parts.port}" if parts.port else "")

    @property
    def secure(self) -> bool:
        """Whether visitors reach us by https, so that cookies can insist on it."""
        return self.base_url.startswith("https://")

    @property
    def sqlite_path(self) -> Path | None:
        """The database file, where the database is SQLite."""
        url = make_url(self.database_url)
        return Path(url.database) if url.drivername == "sqlite" and url.database else None


class _Reader:
    """Reads `BOOKING_X`, or the file that `BOOKING_X_FILE` names."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._known: set[str] = set()

    def text(self, name: str, default: str | None = None) -> str:
        self._known |= {f"BOOKING_{name}", f"BOOKING_{name}_FILE"}
        value = self._environ.get(f"BOOKING_{name}") or self._from_file(name) or default
        if value is None:
            _refuse(name, "is not set")
        return value

    def _from_file(self, name: str) -> str | None:
        path = self._environ.get(f"BOOKING_{name}_FILE")
        if not path:
            return None
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingError(f"BOOKING_{name}_FILE names a file that cannot be read.") from error

    def refuse_misspelt(self) -> None:
        """A name that nobody reads, and that is nearly one of ours, would change nothing unseen."""
        for name in sorted(self._environ.keys() - self._known):
            if name.startswith("BOOKING_"):
                for meant in get_close_matches(name, self._known, n=1, cutoff=0.9):
                    raise SettingError(f"{name} is no setting: {meant} is.")

    def choice(self, name: str, default: str, choices: tuple[str, ...]) -> str:
        value = self.text(name, default).lower()
        if value not in choices:
            _refuse(name, f"must be one of {', '.join(choices)}")
        return value

    def flag(self, name: str, *, default: bool) -> bool:
        return self.choice(name, "1" if default else "0", ("0", "1")) == "1"

    def number(self, name: str, default: int, *, least: int, most: int) -> int:
        value = self.text(name, str(default))
        if not (value.isascii() and value.isdigit() and least <= int(value[:9]) <= most):
            _refuse(name, f"must be a whole number from {least} to {most}")
        return int(value)


def _refuse(name: str, reason: str) -> NoReturn:
    raise SettingError(f"BOOKING_{name} {reason}.")


def _demo(demo: bool, value: str) -> str | None:
    """Only the demo has defaults that a real clinic must decide for itself."""
    return value if demo else None


def _database(text: str) -> str:
    """The database's address; a relative path of SQLite counts from where the service starts."""
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):  # the latter for a port that is no number
        url = None
    if (
        url is None
        or url.drivername not in DRIVERS
        or url.database in (None, "", ":memory:")
        or (url.drivername == "sqlite" and url.query)  # it would be left aside, or a second file
    ):
        _refuse(
            "DATABASE_URL",
            "must be sqlite:///PATH or postgresql+psycopg://USER:PASSWORD@HOST/NAME",
        )
    if url.drivername == "sqlite":
        url = url.set(database=str(Path(url.database or "").absolute()))
    return url.render_as_string(hide_password=False)


def _secret(name: str, key: str) -> str:
    if len(key) < SHORTEST_SECRET or len(set(key)) < 10:
        _refuse(name, f"must be at least {SHORTEST_SECRET} random characters")
    return key


def _former(text: str, newest: str) -> tuple[str, ...]:
    """Secrets of former times, the newest first."""
    found = tuple(dict.fromkeys(each.strip() for each in text.split(",") if each.strip()))
    if newest in found:
        _refuse("FORMER_SECRET_KEYS", "names the secret of BOOKING_SECRET_KEY, which is not former")
    return tuple(_secret("FORMER_SECRET_KEYS", each) for each in found)


def _if_set(name: str, key: str) -> str | None:
    return _secret(name, key) if key else None


def _base_url(url: str) -> str:
    """Scheme, host and perhaps a port, in the letters in which a browser says them."""
    url = url.strip().lower().rstrip("/")
    if not WEBSITE.fullmatch(url) or not _has_port_in_range(url):
        _refuse("BASE_URL", "must be like https://book.example.org, without a path")
    if url.startswith("http://") and urlsplit(url).hostname not in LOOPBACK:
        _refuse("BASE_URL", "must begin with https://, since health data passes through it")
    return url


def _has_port_in_range(url: str) -> bool:
    try:
        return urlsplit(url).port != 0
    except ValueError:
        return False


def _smtp(url: str) -> str:
    try:
        transport_from_url(url)
    except ValueError as error:
        _refuse("SMTP_URL", f"is wrong: {str(error).rstrip('.')}")
    return url


def _mailbox(url: str) -> str | None:
    try:
        if url:
            MailboxAddress.from_url(url)
    except ValueError as error:
        _refuse("REPLY_IMAP_URL", f"is wrong: {str(error).rstrip('.')}")
    return url or None


def _hosts(text: str) -> tuple[str, ...]:
    """Names, each with or without a port, as the addresses of calendars have them."""
    names = tuple(name.strip().lower() for name in text.split(",") if name.strip())
    if not all(HOST.fullmatch(each) and _has_port_in_range(f"//{each}") for each in names):
        _refuse("CALENDAR_HOSTS", "must be host names such as files.clinic.example or host:8443")
    return names


def _origins(text: str) -> tuple[str, ...]:
    """Origins as a browser says them: scheme and host, and nothing after."""
    found = tuple(each.strip().lower() for each in text.split(",") if each.strip())
    if not all(ORIGIN.fullmatch(each) and _has_port_in_range(each) for each in found):
        _refuse("EMBED_ORIGINS", "must be origins such as https://www.clinic.example")
    return found


def _address(address: str) -> str:
    if not is_address(address) or "." not in address.rpartition("@")[2]:
        _refuse("MAIL_FROM", "must be one plain mail address, such as appointments@clinic.example")
    return address
