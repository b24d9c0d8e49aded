"""Programs that try what they find: the links of every mail, and each key at every door."""

import re
from collections.abc import Iterator
from email import message_from_bytes, policy

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from booking.models import Role
from booking.models.database import transaction
from booking.services import people
from booking.services.people import Standing
from booking.worker import welcome_sender_of
from tests.builders import Clock, Mailbox
from tests.integration.test_api_keys import ask
from tests.integration.test_feeds import subscribe
from tests.integration.test_stored_texts import (
    DEED,
    furnished,
    kinds_that_left,
    owe_one_of_each_kind,
)
from tests.visits import COUNTERS, deliver, rows

__all__ = ["furnished"]

LINK = re.compile(r"http://127\.0\.0\.1:8000(/[^\s\"'<>]*)")
KEY = re.compile(r"/(\w+)/([\w-]{43})")
STAFF_LIST = "/api/v1/staff/appointments?from=2026-11-23&to=2026-11-30"
DOORS = (
    "/appointments/{}",
    "/appointments/{}/invite.ics",
    "/addresses/{}",
    "/join/{}",
    "/feeds/{}.ics",
    "/api/v1/appointments/{}",
)


@pytest.fixture
def links(furnished: Flask, mailbox: Mailbox, clock: Clock) -> list[str]:
    """Whatever stands in a mail of any kind and leads to us."""
    owe_one_of_each_kind()
    with transaction() as work:
        people.invite(work, "kim@clinic.example", Standing(Role.SCHEDULER), "x", DEED)
    clock.forward(hours=6)
    deliver(furnished)
    welcome_sender_of(furnished).turn()
    found = [link for mail in mailbox.mails for link in links_in(mail.content)]
    return list(dict.fromkeys(found))


def links_in(content: bytes) -> Iterator[str]:
    for part in message_from_bytes(content, policy=policy.default).walk():
        if not part.is_multipart():
            text = part.get_content()
            plain = text.decode().replace("\r\n ", "") if isinstance(text, bytes) else text
            yield from LINK.findall(plain)


def keys_of(links: list[str]) -> dict[str, str]:
    """One key of each kind."""
    found = {kind: key for link in links for kind, key in KEY.findall(link)}
    return found | {"feed": subscribe("ben").removeprefix("/feeds/").removesuffix(".ics")}


def refusal_of(answer: TestResponse) -> str | None:
    """What who has no key is shown; None where a door has opened."""
    return None if answer.status_code == 200 else f"{answer.status_code} {answer.text}"


def test_whoever_opens_every_link_of_every_mail_changes_nothing(
    furnished: Flask, links: list[str]
) -> None:
    """T-44: five times each, with the verbs of scanners, and then what those pages lead to."""
    client = furnished.test_client()
    before = rows(besides=COUNTERS)

    for link in links:
        for verb in ("HEAD", "GET", "GET", "OPTIONS", "GET", "GET", "GET"):
            assert client.open(link, method=verb).status_code < 500, link

    kinds = {re.sub(r"/[\w-]{43}|/[0-9A-Z]{8}(?!\w)", "/*", link) for link in links}
    assert kinds >= {
        "/appointments/*",
        "/appointments/*/cancel",
        "/appointments/*/contact",
        "/appointments/*/keep",
        "/appointments/*/offer",
        "/addresses/*?lang=es",
        "/join/*",
        "/staff/appointments/*",
    }
    assert len(kinds_that_left()) > 10
    assert rows(besides=COUNTERS) == before


def test_a_key_opens_its_own_door_and_no_other(furnished: Flask, links: list[str]) -> None:
    """T-01, T-04: of patient, new address, newcomer, calendar and program; all others answer as
    if nothing were there."""
    client = furnished.test_client()
    keys = keys_of(links)

    opened = {
        kind: {door for door in DOORS if client.get(door.format(key)).status_code == 200}
        for kind, key in keys.items()
    }
    programs = {ask(furnished, STAFF_LIST, key).status_code for key in keys.values()}

    assert opened == {
        "appointments": {DOORS[0], DOORS[1], DOORS[5]},
        "addresses": {DOORS[2]},
        "join": {DOORS[3]},
        "feed": {DOORS[4]},
    }
    assert programs == {401}
    for door in DOORS:
        absent = {
            refusal_of(client.get(door.format(key))) for key in (*keys.values(), "x" * 43, "x")
        }
        assert len(absent - {None}) == 1, door
