"""Rate limits, counted in our own database so that every process counts together."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from typing import Any

from flask import Response, g, request
from flask_limiter import Limiter
from flask_security import current_user
from limits.storage import Storage
from sqlalchemy import case, delete, select
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from booking.models import RateCounter
from booking.models.database import db, transaction
from booking.web.state import booking

BOOKINGS = {"address": "30 per hour", "network": "120 per hour", "contact": "6 per hour"}
CODES = "30 per hour"
"""Wrong codes of one account: only who knows its password can use them up."""
HOLDS = {"address": "60 per hour", "network": "240 per hour"}
KEYS = "120 per minute"
"""What one key may ask for: more than a program needs that looks what has changed."""
SIGN_INS = {"address": "10 per 15 minutes", "network": "60 per 15 minutes"}


class DatabaseStorage(Storage):
    """Fixed windows in the table `rate_counter`: one upsert for each hit."""

    STORAGE_SCHEME = ["booking-sql"]  # noqa: RUF012 (the library's name)

    @property
    def base_exceptions(self) -> type[Exception]:
        return Exception

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count, or begin a new window; returns the hits in the window."""
        now = datetime.now(UTC)
        fresh = {"key": key, "hits": amount, "expires_at": now + timedelta(seconds=expiry)}
        with transaction() as session:
            sqlite = session.get_bind().dialect.name == "sqlite"
            insert: Callable[..., Any] = sqlite_insert if sqlite else postgres_insert
            over = RateCounter.expires_at <= now
            counting = insert(RateCounter).values(**fresh)
            counting = counting.on_conflict_do_update(
                index_elements=[RateCounter.key],
                set_={
                    "hits": case((over, amount), else_=RateCounter.hits + amount),
                    "expires_at": case((over, fresh["expires_at"]), else_=RateCounter.expires_at),
                },
            ).returning(RateCounter.hits)
            return int(session.execute(counting).scalar_one())

    def get(self, key: str) -> int:
        """The hits in the window that is open."""
        found = self._counter(key)
        return found.hits if found else 0

    def get_expiry(self, key: str) -> float:
        """When the window ends, in seconds of the epoch."""
        found = self._counter(key)
        return (found.expires_at if found else datetime.now(UTC)).timestamp()

    def check(self) -> bool:
        """Whether the storage answers; it is the database of everything else."""
        return True

    def reset(self) -> int | None:
        """Forget every counter."""
        with transaction() as session:
            session.execute(delete(RateCounter))
        return None

    def clear(self, key: str) -> None:
        """Forget one counter."""
        with transaction() as session:
            session.execute(delete(RateCounter).where(RateCounter.key == key))

    def _counter(self, key: str) -> RateCounter | None:
        query = select(RateCounter).where(
            RateCounter.key == key, RateCounter.expires_at > datetime.now(UTC)
        )
        return db.session.scalar(query)


def address() -> str:
    """Who asks, as a keyed hash: the table of counters names nobody."""
    return _hidden(request.remote_addr or "")


def network() -> str:
    """The neighbourhood of who asks: /24, or /48 for IPv6."""
    try:
        asker = ip_address(request.remote_addr or "")
    except ValueError:
        return _hidden("")
    asker = getattr(asker, "ipv4_mapped", None) or asker  # else all of IPv4 would be one network
    prefix = 24 if asker.version == 4 else 48
    return _hidden(str(ip_network(f"{asker}/{prefix}", strict=False)))


def contact() -> str:
    """Whom it would write to: the address of a booking, or the link of a move."""
    token = (request.view_args or {}).get("token")
    return _hidden(f"link {token}" if token else _email().strip().lower())


def _email() -> str:
    if not request.is_json:
        return request.form.get("email", "")
    try:
        body = request.get_json(silent=True)
    except RecursionError:  # brackets without end: the view says what is wrong
        return ""
    patient = body.get("patient") if isinstance(body, dict) else None
    return str(patient.get("email", "")) if isinstance(patient, dict) else ""


def account() -> str:
    """Who has given the right password already."""
    return _hidden(f"account {current_user.id}")


def api_key() -> str:
    """Which key asks; the gate has looked at it."""
    return _hidden(f"key {g.asker.number}")


def _hidden(who: str) -> str:
    return booking().house.keys.digest("rate-limit", who.encode("utf-8", "replace")).hex()[:32]


def _made_something(response: Response) -> bool:
    return response.status_code < 400


def _refused(response: Response) -> bool:
    return response.status_code not in (302, 303) or bool(g.get("wrong_answer"))


limiter = Limiter(key_func=address, storage_uri="booking-sql://", strategy="fixed-window")

_WHO = {"address": address, "network": network, "contact": contact}


def limit_bookings(view: Callable[..., Any]) -> Callable[..., Any]:
    """Count the appointments made and moved, by address, network and contact."""
    return _counted_as("book", view)


def limit_lost_links(view: Callable[..., Any]) -> Callable[..., Any]:
    """Count the questions for lost links, as often but apart: else they would tell how much was
    booked with an address lately, and keep its owner from booking."""
    return _counted_as("find", view)


def _counted_as(what: str, view: Callable[..., Any]) -> Callable[..., Any]:
    for who, limit in BOOKINGS.items():
        shared = limiter.shared_limit(
            limit, scope=f"{what}-{who}", key_func=_WHO[who], deduct_when=_made_something
        )
        view = shared(view)
    return view


def limit_keys(view: Callable[..., Any]) -> Callable[..., Any]:
    """Count what a program asks for, by its key, whatever it asks and wherever it asks from."""
    return limiter.shared_limit(KEYS, scope="api-key", key_func=api_key)(view)


def limit_holds(view: Callable[..., Any]) -> Callable[..., Any]:
    """Count the times that are held, by address and network."""
    for who, limit in HOLDS.items():
        view = limiter.shared_limit(limit, scope=f"hold-{who}", key_func=_WHO[who])(view)
    return view


def limit_sign_ins(view: Callable[..., Any]) -> Callable[..., Any]:
    """Count failed sign-ins by where they come from, never by account: a stranger who guesses
    locks out himself and nobody else."""
    for who, limit in SIGN_INS.items():
        shared = limiter.shared_limit(
            limit,
            scope=f"sign-in-{who}",
            key_func=_WHO[who],
            methods=["POST"],
            deduct_when=_refused,
        )
        view = shared(view)
    return view


def limit_codes(view: Callable[..., Any]) -> Callable[..., Any]:
    """Count wrong codes with failed sign-ins, and by account: six digits must not be tried out
    from many places, and whoever tries them has the password already."""
    counted = limiter.shared_limit(
        CODES, scope="code-account", key_func=account, methods=["POST"], deduct_when=_refused
    )
    return limit_sign_ins(counted(view))
