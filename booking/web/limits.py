"""Rate limits, counted in our own database so that every process counts together."""

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import wraps
from ipaddress import ip_address, ip_network
from typing import Any, NamedTuple

import structlog
from flask import Flask, Response, g, request
from flask_limiter import Limiter
from flask_security import current_user
from limits import parse
from limits.storage import Storage
from sqlalchemy import bindparam, case, delete, select
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from booking.models import RateCounter
from booking.models.base import table_of
from booking.models.database import Busy, db, transaction
from booking.web.state import booking

log = structlog.get_logger("web")

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
        hit = _Hit(key, expiry, amount)
        if "hits" in g:  # the answer stands already, and asks no more how many there were
            g.hits.append(hit)
            return 0
        return _count(hit)

    def get(self, key: str) -> int:
        """The hits in the window that is open."""
        hits, _ends_at = self._counter(key)
        return hits

    def get_expiry(self, key: str) -> float:
        """When the window ends, in seconds of the epoch."""
        _hits, ends_at = self._counter(key)
        return ends_at.timestamp()

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

    def _counter(self, key: str) -> "_Counter":
        looked_up: dict[str, _Counter] = g.get("counters", {})
        return looked_up[key] if key in looked_up else _counters([key])[key]


class _Hit(NamedTuple):
    """So many more under a key, in a window of so many seconds if none is open."""

    key: str
    seconds: int
    amount: int

    def window(self, now: datetime) -> dict[str, Any]:
        """The row of a window that begins with it."""
        until = now + timedelta(seconds=self.seconds)
        return {"key": self.key, "hits": self.amount, "expires_at": until, "now": now}


class _Counter(NamedTuple):
    """The hits in the window that is open, and its end; none and now where none is."""

    hits: int
    ends_at: datetime


_COUNTERS = table_of(RateCounter)
_OPEN = select(_COUNTERS).where(
    _COUNTERS.c.key.in_(bindparam("keys", expanding=True)),
    _COUNTERS.c.expires_at > bindparam("now"),
)


def _counters(keys: Collection[str]) -> dict[str, _Counter]:
    """All of them in one look."""
    now = datetime.now(UTC)
    found = db.session.execute(_OPEN, {"keys": keys, "now": now})
    opened = {key: _Counter(hits, ends_at) for key, hits, ends_at in found}
    return dict.fromkeys(keys, _Counter(0, now)) | opened


def _counting(insert: Callable[..., Any]) -> Any:
    fresh = insert(_COUNTERS)
    over = _COUNTERS.c.expires_at <= bindparam("now")
    more = _COUNTERS.c.hits + fresh.excluded.hits
    renewed = {
        "hits": case((over, fresh.excluded.hits), else_=more),
        "expires_at": case((over, fresh.excluded.expires_at), else_=_COUNTERS.c.expires_at),
    }
    return fresh.on_conflict_do_update(index_elements=[_COUNTERS.c.key], set_=renewed)


_COUNTING = {"sqlite": _counting(sqlite_insert), "postgresql": _counting(postgres_insert)}


def _count(hit: _Hit) -> int:
    """Count, or begin a new window; returns the hits in it."""
    with transaction() as session:
        counting = _COUNTING[session.get_bind().dialect.name].returning(_COUNTERS.c.hits)
        return session.scalar(counting, hit.window(datetime.now(UTC))) or 0


def _count_all(hits: Sequence[_Hit]) -> None:
    """The same for several, in one transaction and in one way to the database."""
    with transaction() as session:
        _write_down(session, hits)


def _write_down(session: Session, hits: Iterable[_Hit]) -> None:
    """In one order, else two could wait for each other."""
    now = datetime.now(UTC)
    windows = [each.window(now) for each in sorted(hits)]
    if windows:
        session.execute(_COUNTING[session.get_bind().dialect.name], windows)


def install(app: Flask) -> None:
    """Limit what is marked below; what counts by its answer alone is counted after it."""
    app.after_request(_count_gathered)  # what is registered last runs first
    limiter.init_app(app)
    app.after_request(_gather)


def _gather(response: Response) -> Response:
    g.hits = []
    return response


def _count_gathered(response: Response) -> Response:
    """Count in one commit what nobody has counted in that of what was made (`count_with`).

    The answer holds even where it could not be counted: what it says has been written.
    """
    hits = g.pop("hits", ())
    if hits:
        try:
            _count_all(hits)
        except (Busy, OperationalError):
            log.warning("not_counted")
    return response


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
    """The same value costs a digest once in a request, however many ask for it."""
    known: dict[str, str] = g.setdefault("hidden", {})
    return known.get(who) or known.setdefault(who, _digest(who))


def _digest(who: str) -> str:
    return booking().house.keys.digest("rate-limit", who.encode("utf-8", "replace")).hex()[:32]


def _made_something(response: Response) -> bool:
    return response.status_code < 400 and not g.get("counted")


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
    return _looking_up(what, view)


def _looking_up(what: str, view: Callable[..., Any]) -> Callable[..., Any]:
    """Read the counters that the limits of a view are about to ask for, one after another."""
    limits = {who: parse(limit) for who, limit in BOOKINGS.items()}

    @wraps(view)
    def looked_up(*args: Any, **kwargs: Any) -> Any:
        g.to_count, g.counted = [], False
        if limiter.enabled:
            g.to_count = [
                _Hit(limit.key_for(_WHO[who](), f"{what}-{who}"), limit.get_expiry(), 1)
                for who, limit in limits.items()
            ]
            g.counters = _counters([each.key for each in g.to_count])
        return view(*args, **kwargs)

    return looked_up


def count_with(session: Session) -> None:
    """Count what the request makes in the transaction that makes it; the last of it.

    One commit for both, where the disk takes milliseconds for each.
    """
    hits: list[_Hit] = g.to_count
    g.to_count = []
    g.counted = bool(hits)
    _write_down(session, hits)


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
