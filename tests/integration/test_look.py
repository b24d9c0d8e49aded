"""The clinic's colour and logo, from the staff's page to the patients'."""

import re
from dataclasses import replace
from io import BytesIO

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.unit.test_colours import JPEG, PNG
from tests.visits import a_member_of_staff, get, send, sign_in

LOOK = "/staff/schedule/look/"


def sheets(client: FlaskClient) -> list[str]:
    return re.findall(r'"(/look/[^"]+)"', client.get("/").text)


def send_logo(client: FlaskClient, content: bytes) -> TestResponse:
    token = get(client, LOOK).form("/logo").values()["csrf_token"]
    data = {"csrf_token": token, "logo": (BytesIO(content), "../../logo.svg")}
    return client.post(f"{LOOK}logo", data=data, content_type="multipart/form-data")


def test_a_colour_is_shown_before_it_holds_and_then_drawn_with(client: FlaskClient) -> None:
    a_member_of_staff()
    sign_in(client)
    shown = send(client, get(client, LOOK), "/look/", accent="#ffee00")
    assert shown.status_code == 200
    assert "a lighter or darker shade" in shown.text
    assert sheets(client) == []

    send(client, get(client, LOOK), "/look/", accent="#ffee00", save="y")

    [sheet] = sheets(client)
    answer = client.get(sheet)
    assert answer.content_type.startswith("text/css")
    assert "immutable" in answer.headers["Cache-Control"]
    assert "--accent:#ffee00" in answer.text, "it can be read on dark paper"
    assert answer.text.count("--accent:") == 2
    assert client.get("/look/123456.css").status_code == 404


def test_what_is_no_colour_comes_back_with_a_sentence(client: FlaskClient) -> None:
    a_member_of_staff()
    sign_in(client)

    answer = send(client, get(client, LOOK), "/look/", accent="red; } body {", save="y")

    assert answer.status_code == 422
    assert "such as #1f5f58" in answer.text
    assert "red; } body {" in answer.text


def test_a_logo_stands_in_the_header_with_its_size(client: FlaskClient) -> None:
    a_member_of_staff()
    sign_in(client)

    assert send_logo(client, PNG + bytes(70 * 1024)).status_code == 303

    [path] = sheets(client)
    assert 'width="150" height="40" alt=""' in client.get("/").text
    answer = client.get(path)
    assert (answer.content_type, answer.data[:8]) == ("image/png", PNG[:8])
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    send_logo(client, JPEG)
    assert client.get(path).status_code == 404
    send(client, get(client, LOOK), "/remove")
    assert sheets(client) == []


def test_what_is_no_picture_changes_nothing(client: FlaskClient) -> None:
    a_member_of_staff()
    sign_in(client)

    for content in (b"<svg onload='x'/>", PNG + bytes(110 * 1024), b""):
        answer = send_logo(client, content)
        assert answer.status_code == 422
        assert "PNG or JPEG" in answer.text
    assert send_logo(client, PNG + bytes(300 * 1024)).status_code == 413
    assert sheets(client) == []


def test_the_style_guide_is_for_the_demo_only(sqlite_app: Flask, client: FlaskClient) -> None:
    state = sqlite_app.extensions["booking"]
    assert client.get("/styleguide").status_code == 200
    sqlite_app.extensions["booking"] = replace(state, settings=replace(state.settings, demo=False))

    assert client.get("/styleguide").status_code == 404
