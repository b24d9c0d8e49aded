"""What a member of staff does with a second step, in the words of a test."""

import re
from datetime import timedelta

from flask.testing import FlaskClient
from passlib.totp import TOTP
from werkzeug.test import TestResponse

from tests.authenticator import Device
from tests.builders import Clock
from tests.pages import Page
from tests.visits import get, send

ACCOUNT = "/staff/account/"
STEP, APP, CONFIRM = f"{ACCOUNT}step", f"{ACCOUNT}app", f"{ACCOUNT}confirm"
PASSKEY, RECOVERY = f"{ACCOUNT}passkeys/new", f"{ACCOUNT}recovery"
HALF_A_MINUTE = timedelta(seconds=30)
LOCAL = "http://localhost:8000"
"""Passkeys belong to a name, so they are made and used there."""


def code(secret: str, clock: Clock, *, steps: int = 0) -> str:
    """What an app shows now, or some steps of half a minute later."""
    return str(TOTP(secret).generate(time=clock() + steps * HALF_A_MINUTE).token)


def secret_of(page: Page) -> str:
    """What one would type into an app."""
    return page.all("p", class_="code")[0].text.replace(" ", "")


def set_up_app(client: FlaskClient, clock: Clock) -> str:
    """Set up an app by the form; its secret. The clock goes on, so that the next code is new."""
    page = get(client, APP)
    secret = secret_of(page)
    answer = send(client, page, "/app", code=code(secret, clock))
    assert answer.status_code == 303, answer.status_code
    clock.forward(seconds=30)
    return secret


def recovery_codes(client: FlaskClient) -> list[str]:
    """The codes that are shown now."""
    text = get(client, RECOVERY).all("pre")[0].text
    return re.findall(r"[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}", text)


def enter(client: FlaskClient, typed: str) -> TestResponse:
    """Enter a code as the second step."""
    return send(client, get(client, STEP), "/step", code=typed)


def confirm(client: FlaskClient, path: str, password: str) -> TestResponse:
    """Prove again who one is, on the page to which one was led."""
    return send(client, get(client, path), "/confirm", password=password)


def set_up_passkey(client: FlaskClient, device: Device, name: str = "My phone") -> TestResponse:
    """Set up a passkey, as the script of the page does."""
    page = get(client, f"{LOCAL}{PASSKEY}")
    options = client.get(f"{LOCAL}{PASSKEY}/options").get_json()
    return post(client, page, PASSKEY, answer=device.make(options), name=name)


def passkey_sign_in(client: FlaskClient, device: Device, **typed: str) -> TestResponse:
    """Sign in with a passkey alone."""
    page = get(client, f"{LOCAL}/login")
    options = client.get(f"{LOCAL}/login/passkey").get_json()
    return post(client, page, "/login/passkey", answer=device.sign(options), **typed)


def post(client: FlaskClient, page: Page, ending: str, **typed: str) -> TestResponse:
    """Send a form under the name that passkeys belong to."""
    values = page.form(ending).values() | typed
    return client.post(f"{LOCAL}{ending}", data=values)
