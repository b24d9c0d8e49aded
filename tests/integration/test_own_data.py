"""Patients take with them what we know of them."""

import json

from flask import Flask
from flask.testing import FlaskClient

from tests.visits import a_link, book, deliver, get, rows, send

CHOICES = {"call_name": "Alex", "carer_name": "Kim Rivers", "event_title": "Errand"}


def test_everything_typed_is_in_the_file_and_nothing_that_opens_a_door(
    sqlite_app: Flask, client: FlaskClient
) -> None:
    path = book(client, **CHOICES).location
    deliver(sqlite_app)

    answer = send(client, get(client, path), "/data")

    found = json.loads(answer.data)
    typed = {"Sam Rivers", "sam@mail.example", "+12125550123", "Alex", "Kim Rivers", "Errand"}
    assert typed <= set(map(str, found["you"].values()))
    assert found["appointment"]["start"] == "2026-11-24T14:00:00Z"
    assert [each["by"] for each in found["history"]] == ["you"]
    assert found["emails_to_you"][0]["what"] == "confirmed"
    assert found["emails_to_you"][0]["sent_at"]
    assert path.rpartition("/")[2] not in answer.text
    assert "attachment" in answer.headers["Content-Disposition"]
    assert [entry[3] for entry in rows()["audit_entry"]][-1] == "data.export"


def test_without_our_token_nothing_is_given(client: FlaskClient) -> None:
    answer = client.post(f"{a_link()}/data")

    assert answer.status_code == 400
    assert b"Sam" not in answer.data
