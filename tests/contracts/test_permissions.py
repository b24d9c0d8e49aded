"""Every route with every role, against the permission table (T-06..09)."""

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from booking.models import Role, User
from booking.models.database import transaction
from booking.web import gate, keyed
from booking.web.permissions import NEEDED, PERMISSIONS, Permission
from tests.contracts.test_routes import VERBS, addresses, verbs_of
from tests.pages import page_of
from tests.visits import DESK, a_link, a_member_of_staff, rows, sign_in, the_appointment

OTHERS = gate.PUBLIC | set(keyed.NEEDED)
"""What no role opens: it is for everybody, or for programs."""
PRACTITIONER = {Role.CLINICIAN: "ada"}


@pytest.fixture(params=list(Role))
def role(request: pytest.FixtureRequest, sqlite_app: Flask) -> Role:
    """Each role in turn, held by the desk."""
    assert sqlite_app
    a_member_of_staff(role=request.param, practitioner=PRACTITIONER.get(request.param, ""))
    held: Role = request.param
    return held


def test_every_route_that_is_not_public_has_its_line(sqlite_app: Flask) -> None:
    endpoints = {rule.endpoint for rule in sqlite_app.url_map.iter_rules()}

    assert set(NEEDED) == endpoints - gate.PUBLIC - set(keyed.NEEDED)


def test_every_role_has_its_permissions() -> None:
    administrators = frozenset(
        {Permission.PEOPLE, Permission.PROGRAMS, Permission.AUDIT, Permission.ERASE}
    )

    assert set(PERMISSIONS) == set(Role)
    assert PERMISSIONS[Role.ADMINISTRATOR] == set(Permission)
    assert PERMISSIONS[Role.SCHEDULER] == set(Permission) - administrators
    assert PERMISSIONS[Role.AUDITOR] == {Permission.ACCOUNT, Permission.AUDIT}
    assert not PERMISSIONS[Role.CLINICIAN] & (
        administrators | {Permission.SCHEDULE, Permission.EXPORT}
    )


def test_a_role_opens_what_the_table_says_and_nothing_else(
    client: FlaskClient, sqlite_app: Flask, role: Role
) -> None:
    everywhere = list(addresses(sqlite_app, a_link("Tue 09:00"), the_appointment().reference))
    known = verbs_of(everywhere)
    sign_in(client)
    before = rows()

    for rule, path in everywhere:
        if rule.endpoint in OTHERS or NEEDED[rule.endpoint] in PERMISSIONS[role]:
            continue
        for verb in set(VERBS) & known[path]:
            answer = client.open(path, method=verb)
            if path == "/staff/":  # who may only read the audit is led there
                assert answer.location == "/staff/audit/"
                continue
            # a form without our token is refused before anybody asks who sent it
            expected = (403, 400) if verb == "POST" else (403,)
            assert answer.status_code in expected, (role, verb, path)

    assert rows() == before


def test_a_role_is_let_into_what_the_table_says(
    client: FlaskClient, sqlite_app: Flask, role: Role
) -> None:
    everywhere = list(addresses(sqlite_app, a_link("Tue 09:00"), the_appointment().reference))
    sign_in(client)

    for rule, path in everywhere:
        if rule.endpoint in OTHERS or "GET" not in (rule.methods or ()):
            continue
        if NEEDED[rule.endpoint] in PERMISSIONS[role]:
            answer = client.get(path)
            assert answer.status_code != 403, (role, path)
            assert not (answer.location or "").startswith("/login"), (role, path)


def test_a_button_of_another_role_does_nothing(client: FlaskClient, sqlite_app: Flask) -> None:
    """With a token of our own, so that only the table stands in the way (T-09)."""
    a_member_of_staff(role=Role.AUDITOR)
    everywhere = list(addresses(sqlite_app, a_link("Tue 09:00"), the_appointment().reference))
    sign_in(client)
    page = page_of(client.get("/staff/audit/"))
    token = page.form("/logout").values()["csrf_token"]
    before = rows()

    for rule, path in everywhere:
        closed = rule.endpoint in NEEDED and NEEDED[rule.endpoint] not in PERMISSIONS[Role.AUDITOR]
        if closed and "POST" in (rule.methods or ()):
            answer = client.post(path, data={"csrf_token": token})
            assert answer.status_code == 403, path
            assert page_of(answer).heading == "Your account does not open this page"

    assert rows() == before


def test_whose_role_is_taken_away_has_lost_it_at_once(client: FlaskClient) -> None:
    a_member_of_staff()
    sign_in(client)
    assert client.get("/staff/").status_code == 200

    with transaction() as session:
        session.scalars(select(User).where(User.email == DESK)).one().role = Role.AUDITOR

    assert client.get("/staff/calendars/").status_code == 403
