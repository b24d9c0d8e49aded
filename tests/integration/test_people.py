"""Who works here: invited, changed, disabled; the first administrator."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from booking import serve
from booking.app import create_app
from booking.messages.transports import PermanentFailure, RelayDown
from booking.models import AuditEntry, Role, User
from booking.models.database import db, transaction
from booking.services import people, upkeep
from booking.services.people import Deed, LastAdministrator, LinkEnded, Newcomer, OwnAccess
from booking.worker import welcome_sender_of
from tests.builders import HOUSE, NOW, Clock, Mailbox
from tests.conftest import a_running_app, settings_for
from tests.pages import Page, page_of
from tests.visits import DESK, a_member_of_staff, get, rows, send, sign_in

PEOPLE = "/staff/people/"
KIM = "kim@clinic.example"
CHOSEN = "seven odd ducks on a pond"


@pytest.fixture
def desk(client: FlaskClient) -> FlaskClient:
    """An administrator who is signed in."""
    a_member_of_staff()
    sign_in(client)
    return client


def invite(client: FlaskClient, email: str = KIM, **more: str) -> None:
    """Invite somebody by the form."""
    answer = send(client, get(client, f"{PEOPLE}invite"), "", email=email, **more)
    assert (answer.status_code, answer.location) == (303, PEOPLE)


def the_link(app: Flask, mailbox: Mailbox, address: str = KIM) -> str:
    """Where the newest invitation leads."""
    welcome_sender_of(app).turn()
    text = mailbox.to(address)[-1].content.decode().replace("=\r\n", "")
    found = re.search(r"http://127\.0\.0\.1:8000(/join/[\w-]{43})", text)
    assert found
    return found[1]


def join(client: FlaskClient, link: str, **typed: str) -> int:
    """Set up a sign-in; the status of the answer."""
    wanted = {"name": "Kim Lane", "password": CHOSEN} | typed
    return send(client, get(client, link), "", **wanted).status_code


def number_of(email: str) -> int:
    db.session.rollback()
    found = db.session.scalars(select(User.id).where(User.email == email)).one()
    db.session.rollback()  # what is read next is what holds then
    return found


def press(client: FlaskClient, email: str, what: str) -> Page:
    """Press a button of the page of people, also one that is not shown; the page after it."""
    token = get(client, PEOPLE).form("/logout").values()["csrf_token"]
    path = f"{PEOPLE}{number_of(email)}/{what}"
    answer = client.post(path, data={"csrf_token": token})
    assert answer.status_code == 303, answer.status_code
    return get(client, PEOPLE)


def test_who_is_invited_sets_a_password_and_is_in(
    desk: FlaskClient, sqlite_app: Flask, mailbox: Mailbox
) -> None:
    invite(desk, role="scheduler")
    link = the_link(sqlite_app, mailbox)
    kim = sqlite_app.test_client()

    assert join(kim, link) == 303

    assert sign_in(kim, KIM, CHOSEN).status_code == 302
    assert kim.get("/staff/").status_code == 200
    assert kim.get(PEOPLE).status_code == 403
    assert "Kim Lane" in get(desk, PEOPLE).text


def test_a_clinician_is_invited_as_one_of_the_practitioners(
    desk: FlaskClient, sqlite_app: Flask, mailbox: Mailbox
) -> None:
    invite(desk, role="clinician", practitioner="ada")
    kim = sqlite_app.test_client()
    join(kim, the_link(sqlite_app, mailbox))

    sign_in(kim, KIM, CHOSEN)

    assert [each.text for each in get(kim, "/staff/calendars/").all("h2")] == ["Ada Bell"]


def test_the_mail_says_nothing_but_that(
    desk: FlaskClient, sqlite_app: Flask, mailbox: Mailbox
) -> None:
    invite(desk)

    the_link(sqlite_app, mailbox)

    text = mailbox.mails[-1].content.decode()
    assert "Subject: Set up your sign-in\r\n" in text
    assert "Quiet Harbor" in text
    assert "Quiet Harbor Clinic" not in text
    assert len(mailbox.mails) == 1


def test_a_link_works_once(desk: FlaskClient, sqlite_app: Flask, mailbox: Mailbox) -> None:
    """T-62."""
    invite(desk)
    link = the_link(sqlite_app, mailbox)
    kim = sqlite_app.test_client()
    page = get(kim, link)
    join(kim, link)

    again = send(kim, page, "", name="Eve", password="another odd password here")

    assert again.status_code == 404
    assert kim.get(link).status_code == 404
    assert sign_in(kim, KIM, CHOSEN).status_code == 302


@pytest.mark.parametrize("forged", ["x", "A" * 43, "%00", "é", "A" * 3000])
def test_a_made_up_link_opens_nothing(client: FlaskClient, forged: str) -> None:
    """T-01..03: like one that has ended."""
    assert client.get(f"/join/{forged}").status_code == 404


def test_a_link_ends_after_two_days(
    desk: FlaskClient, sqlite_app: Flask, mailbox: Mailbox, clock: Clock
) -> None:
    invite(desk)
    link = the_link(sqlite_app, mailbox)
    clock.forward(hours=47, minutes=59)
    assert desk.get(link).status_code == 200

    clock.forward(minutes=1)

    assert desk.get(link).status_code == 404
    with transaction() as session:
        upkeep.forget_what_expired(session, now=clock())
    sign_in(desk)
    assert "The link has ended." in get(desk, PEOPLE).text


def test_a_new_invitation_ends_the_one_before(
    desk: FlaskClient, sqlite_app: Flask, mailbox: Mailbox
) -> None:
    invite(desk)
    first = the_link(sqlite_app, mailbox)

    press(desk, KIM, "invite")

    second = the_link(sqlite_app, mailbox)
    assert desk.get(first).status_code == 404
    assert desk.get(second).status_code == 200


def test_who_has_lost_the_password_gets_another_by_mail(
    desk: FlaskClient, sqlite_app: Flask, mailbox: Mailbox
) -> None:
    """T-62: and whoever is in with the old one is not any more."""
    a_member_of_staff(KIM)
    thief, kim = sqlite_app.test_client(), sqlite_app.test_client()
    sign_in(thief, KIM)

    press(desk, KIM, "invite")
    assert join(kim, the_link(sqlite_app, mailbox)) == 303

    assert thief.get("/staff/").status_code == 302
    assert sign_in(thief, KIM).status_code == 422
    assert sign_in(kim, KIM, CHOSEN).status_code == 302


def test_who_is_disabled_gets_no_link(
    desk: FlaskClient, sqlite_app: Flask, mailbox: Mailbox
) -> None:
    a_member_of_staff(KIM)
    press(desk, KIM, "disable")

    press(desk, KIM, "invite")

    welcome_sender_of(sqlite_app).turn()
    assert mailbox.mails == []


def test_looking_at_a_link_uses_nothing_up(
    desk: FlaskClient, sqlite_app: Flask, mailbox: Mailbox
) -> None:
    """T-44: scanners of mail open links."""
    invite(desk)
    link = the_link(sqlite_app, mailbox)
    before = rows()

    for _ in range(5):
        get(sqlite_app.test_client(), link)

    assert rows() == before


def test_the_database_holds_no_link(desk: FlaskClient, sqlite_app: Flask, mailbox: Mailbox) -> None:
    invite(desk)

    token = the_link(sqlite_app, mailbox).rpartition("/")[2]

    assert token not in repr(rows())


def test_an_invitation_survives_a_relay_that_is_down(
    desk: FlaskClient, sqlite_app: Flask, mailbox: Mailbox, clock: Clock
) -> None:
    mailbox.refuse_connection = RelayDown("The relay cannot be reached.")
    invite(desk)
    welcome_sender_of(sqlite_app).turn()
    assert "The relay cannot be reached." in get(desk, PEOPLE).text

    mailbox.refuse_connection = None
    clock.forward(minutes=2)

    assert desk.get(the_link(sqlite_app, mailbox)).status_code == 200
    assert len(mailbox.mails) == 1


def test_an_address_that_does_not_exist_is_told(
    desk: FlaskClient, sqlite_app: Flask, mailbox: Mailbox, clock: Clock
) -> None:
    mailbox.refuse_mail = PermanentFailure("550 no such mailbox")
    invite(desk)

    welcome_sender_of(sqlite_app).turn()

    assert "550 no such mailbox" in get(desk, PEOPLE).text
    mailbox.refuse_mail = None
    clock.forward(minutes=10)
    welcome_sender_of(sqlite_app).turn()
    assert mailbox.mails == []


def test_an_address_with_an_account_is_not_invited_again(desk: FlaskClient) -> None:
    page = get(desk, f"{PEOPLE}invite")

    answer = send(desk, page, "", email="Desk@Clinic.Example")

    assert answer.status_code == 422
    assert "This address has an account already." in page_of(answer).text


def test_a_clinician_must_be_somebody(desk: FlaskClient) -> None:
    answer = send(desk, get(desk, f"{PEOPLE}invite"), "", email=KIM, role="clinician")

    assert answer.status_code == 422
    assert "Choose which practitioner" in page_of(answer).alerts()[0].text


@pytest.mark.parametrize(
    "password",
    [
        "too short",
        "passwordpassword",
        "password12345678",
        "aaaaaaaaaaaaaaaaaaaa",
        "abcabcabcabcabcabc",
        "123456789012345678",
        "QWERTYUIOPASDFGHJKL",
        KIM,
        "!!!!!!!!!!!!!!!!!!!!",
        "x" * 257,
    ],
)
def test_a_password_that_is_guessed_soon_is_refused(
    desk: FlaskClient, sqlite_app: Flask, mailbox: Mailbox, password: str
) -> None:
    invite(desk)
    link = the_link(sqlite_app, mailbox)

    answer = send(desk, get(desk, link), "", name="Kim Lane", password=password)

    assert answer.status_code == 422
    assert page_of(answer).form("").all("input", id="password")[0].get("value") == ""
    assert desk.get(link).status_code == 200


def test_who_is_disabled_is_out_of_every_session(desk: FlaskClient, sqlite_app: Flask) -> None:
    """T-56."""
    a_member_of_staff(KIM, role=Role.SCHEDULER)
    browsers = [sqlite_app.test_client() for _ in range(2)]
    for each in browsers:
        sign_in(each, KIM)
        assert each.get("/staff/").status_code == 200

    press(desk, KIM, "disable")

    assert [each.get("/staff/").status_code for each in browsers] == [302, 302]
    assert sign_in(browsers[0], KIM).status_code == 422
    press(desk, KIM, "enable")
    assert browsers[1].get("/staff/").status_code == 302
    assert sign_in(browsers[0], KIM).status_code == 302


def test_who_is_disabled_while_invited_cannot_come(
    desk: FlaskClient, sqlite_app: Flask, mailbox: Mailbox
) -> None:
    invite(desk)
    link = the_link(sqlite_app, mailbox)

    press(desk, KIM, "disable")
    press(desk, KIM, "enable")

    assert desk.get(link).status_code == 404
    assert "Invited" in get(desk, PEOPLE).text


def test_a_role_is_changed_and_holds_at_once(desk: FlaskClient, sqlite_app: Flask) -> None:
    a_member_of_staff(KIM, role=Role.SCHEDULER)
    kim = sqlite_app.test_client()
    sign_in(kim, KIM)

    send(desk, get(desk, f"{PEOPLE}{number_of(KIM)}"), "", role="auditor")

    assert kim.get("/staff/calendars/").status_code == 403
    assert kim.get("/staff/audit/").status_code == 200


@pytest.mark.parametrize("what", ["disable", ""])
def test_nobody_changes_their_own_access(desk: FlaskClient, what: str) -> None:
    """T-09."""
    a_member_of_staff(KIM)
    token = get(desk, PEOPLE).form("/logout").values()["csrf_token"]
    path = f"{PEOPLE}{number_of(DESK)}{'/' if what else ''}{what}"

    desk.post(path, data={"csrf_token": token, "role": "auditor", "practitioner": ""})

    page = get(desk, PEOPLE)
    assert "your own access is for another administrator" in page.text


@pytest.mark.usefixtures("app")
def test_the_last_administrator_stays() -> None:
    a_member_of_staff()
    a_member_of_staff(KIM, active=False)
    deed = Deed(KIM, NOW, HOUSE)

    desk, less = number_of(DESK), people.Standing(Role.SCHEDULER)

    with pytest.raises(LastAdministrator), transaction() as session:
        people.disable(session, desk, deed)
    with pytest.raises(LastAdministrator), transaction() as session:
        people.change_role(session, desk, less, deed)
    with pytest.raises(OwnAccess), transaction() as session:
        people.disable(session, desk, Deed(DESK, NOW, HOUSE))


def test_somebody_who_is_not_there_is_not_found(desk: FlaskClient) -> None:
    token = get(desk, PEOPLE).form("/logout").values()["csrf_token"]

    assert desk.get(f"{PEOPLE}999").status_code == 404
    for what in ("disable", "enable", "invite"):
        answer = desk.post(f"{PEOPLE}999/{what}", data={"csrf_token": token})
        assert answer.status_code == 404


def test_what_was_done_about_people_stands_in_the_audit(
    desk: FlaskClient, sqlite_app: Flask, mailbox: Mailbox
) -> None:
    invite(desk)
    join(sqlite_app.test_client(), the_link(sqlite_app, mailbox))
    press(desk, KIM, "disable")

    db.session.rollback()
    entries = db.session.scalars(select(AuditEntry).order_by(AuditEntry.number)).all()

    about = [(each.action, each.actor) for each in entries if each.subject]
    wanted = [("person.invite", DESK), ("person.join", KIM), ("person.disable", DESK)]
    assert [each for each in about if each[0].startswith("person.")] == wanted
    assert ("sign_in", DESK) in [(each.action, each.actor) for each in entries]
    assert CHOSEN not in repr(rows())


def test_where_there_is_nobody_a_link_makes_the_first_administrator(
    client: FlaskClient,
) -> None:
    """T-63."""
    with transaction() as session:
        token = people.first_link(session, HOUSE.keys, now=NOW)
    link = f"/join/{token}"

    assert join(client, link, email="first@clinic.example") == 303

    assert client.get(link).status_code == 404
    assert sign_in(client, "first@clinic.example", CHOSEN).status_code == 302
    assert client.get(PEOPLE).status_code == 200
    with transaction() as session:
        assert people.first_link(session, HOUSE.keys, now=NOW) is None


def test_the_first_link_ends_after_a_day_with_a_new_one_and_with_the_first_account(
    client: FlaskClient, clock: Clock
) -> None:
    """T-63."""
    with transaction() as session:
        first = people.first_link(session, HOUSE.keys, now=NOW)
        second = people.first_link(session, HOUSE.keys, now=NOW)
    assert client.get(f"/join/{first}").status_code == 404
    assert client.get(f"/join/{second}").status_code == 200

    a_member_of_staff()
    assert client.get(f"/join/{second}").status_code == 404

    with transaction() as session:
        session.delete(session.scalars(select(User)).one())
    assert client.get(f"/join/{second}").status_code == 200
    clock.forward(hours=24)
    assert client.get(f"/join/{second}").status_code == 404


def test_the_command_lets_in_whom_it_is_told(sqlite_app: Flask) -> None:
    run = sqlite_app.test_cli_runner().invoke
    words = ["create-user", KIM, "--password"]

    refused = [
        run(args=[*words, "passwordpassword"]),
        run(args=[*words, CHOSEN, "--role", "clinician"]),
        run(args=[*words, CHOSEN, "--role", "owner"]),
        run(args=[*words, CHOSEN, "--role", "auditor", "--practitioner", "ada"]),
        run(args=["create-user", "kim cole@clinic.example", "--password", CHOSEN]),
    ]
    done = run(args=[*words, CHOSEN, "--role", "clinician", "--practitioner", "ada"])

    assert all(each.exit_code != 0 for each in refused)
    assert done.exit_code == 0, done.output
    assert db.session.scalars(select(User.role)).all() == ["clinician"]
    [entry] = db.session.scalars(select(AuditEntry))
    assert (entry.actor, entry.action) == ("system", "person.join")


def test_no_command_changes_an_account_past_the_trail(sqlite_app: Flask) -> None:
    assert {"users", "roles"} & set(sqlite_app.cli.commands) == set()


def test_serving_prints_the_first_link_outside_of_the_demo_only(
    sqlite_url: str, clock: Clock, mailbox: Mailbox
) -> None:
    real = settings_for(
        sqlite_url,
        BOOKING_DEMO="0",
        BOOKING_BASE_URL="http://127.0.0.1:8000",
        BOOKING_RATE_LIMITS="on",
    )
    demo = create_app(settings_for(sqlite_url), clock=clock, transport=mailbox)

    for app in a_running_app(real, clock, mailbox):
        first = serve._first_link(app)
        assert first
        assert re.fullmatch(r"http://127\.0\.0\.1:8000/join/[\w-]{43}", first)
        with app.app_context():
            a_member_of_staff()
        assert serve._first_link(app) is None
    assert serve._first_link(demo) is None


def test_lives_of_links_are_what_the_pages_say() -> None:
    assert timedelta(hours=48) == people.INVITATION_LIFE
    assert timedelta(hours=24) == people.FIRST_LINK_LIFE


def test_of_many_who_use_the_first_link_at_once_one_is_let_in(app: Flask) -> None:
    """T-63: on each database the second waits for the first, and finds that somebody is here."""
    with transaction() as session:
        token = people.first_link(session, HOUSE.keys, now=NOW)
    assert token
    start = Barrier(4)

    def use(number: int) -> bool:
        with app.app_context():
            start.wait()
            newcomer = Newcomer("Kim", "x", f"kim{number}@clinic.example")
            try:
                with transaction() as session:
                    people.join(session, token, newcomer, HOUSE, now=NOW)
            except LinkEnded:
                return False
            return True

    with ThreadPoolExecutor(4) as threads:
        let_in = list(threads.map(use, range(4)))

    assert sum(let_in) == len(rows()["staff_user"]) == 1
