"""What one can set, ask and run is written down, and what is written down is there."""

import ast
import re
from html import unescape
from pathlib import Path

import pytest
from flask import Flask

from booking import cli
from tests.conftest import settings_for

ROOT = Path(__file__).parent.parent.parent
SETTINGS = ROOT / "docs" / "settings.md"
API = ROOT / "docs" / "api.md"
MANUALS = tuple(ROOT / each for each in ("README.md", "docs/operations.md", "docs/scaling.md"))
TESTS = ROOT / "tests"
NEVER_GIVEN = {5, 11, 13, 14, 18, 20, 22, 32, 34, 38, 40, 47, 49, 54, 58, 61, 64, 80, 82, 83, 90}
"""Numbers of the list of attacks that stand for nothing."""
READERS = {"text", "flag", "number", "choice"}


def settings_read() -> set[str]:
    """Each variable that the code reads, from the code itself."""
    tree = ast.parse((ROOT / "booking" / "settings.py").read_text(encoding="utf-8"))
    return {
        f"BOOKING_{call.args[0].value}"
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr in READERS
        and call.args
        and isinstance(call.args[0], ast.Constant)
        and isinstance(call.args[0].value, str)
    }


def named_in(path: Path) -> set[str]:
    """Each variable that a document names."""
    return set(re.findall(r"BOOKING_[A-Z]+(?:_[A-Z]+)*", path.read_text(encoding="utf-8")))


def test_settings_are_found_in_the_code() -> None:
    assert {"BOOKING_SECRET_KEY", "BOOKING_PORT", "BOOKING_DEMO"} <= settings_read()


def test_every_setting_is_documented() -> None:
    assert settings_read() - named_in(SETTINGS) == set()


def test_every_setting_that_a_document_names_exists() -> None:
    readable = settings_read() | {f"{name}_FILE" for name in settings_read()}

    for path in (SETTINGS, *MANUALS):
        made_up = {name for name in named_in(path) - readable if name != "BOOKING_X_FILE"}
        assert made_up - {"BOOKING_X"} == set(), path.name


def test_every_route_of_the_api_is_documented(sqlite_app: Flask) -> None:
    text = unescape(API.read_text(encoding="utf-8"))

    for rule in sqlite_app.url_map.iter_rules():
        if (
            rule.endpoint.partition(".")[0]
            in ("api", "fhir", "inbound", "ops", "reference", "staff_api")
            and "robots" not in rule.endpoint
        ):
            verb = "POST" if "POST" in (rule.methods or ()) else "GET"
            assert f"{verb} {rule.rule}" in text, f"{verb} {rule.rule}"


def test_every_command_stands_in_the_table_of_the_operations() -> None:
    text = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    app = Flask("commands")
    before = set(app.cli.commands)
    cli.install(app)

    ours = set(app.cli.commands) - before

    assert {name for name in ours if f"\n| `{name}" not in text} == set()


@pytest.mark.parametrize("name", ["BOOKING_PORT", "BOOKING_WEB_THREADS", "BOOKING_UNDO_SECONDS"])
def test_a_setting_out_of_its_range_is_named(name: str) -> None:
    with pytest.raises(Exception, match=name):
        settings_for("sqlite:///x.db", **{name: "-1"})


def test_every_document_that_is_linked_is_there() -> None:
    documents = [*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md")]

    for document in documents:
        text = document.read_text(encoding="utf-8")
        for target in re.findall(r"\]\(([^)#\s]+)", text):
            if ":" not in target:
                assert (document.parent / target).exists(), f"{document.name} → {target}"


def test_every_attack_names_tests_and_scripts_that_exist() -> None:
    text = (ROOT / "docs" / "attacks.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if re.match(r"\| (?!Attack \||-)", line)]
    named = set(re.findall(r"`(test_\w+\.py)::(test_\w+)`", text))
    there = {(path.name, each) for path in TESTS.rglob("test_*.py") for each in functions_in(path)}

    assert named - there == set()
    assert text.count(".py::") == sum(row.count(".py::") for row in rows)
    for row in rows:
        _, _, _, held, _ = row.split("|")
        pieces = held.strip().split(", ")
        assert all(
            re.fullmatch(r"`(test_\w+\.py::test_\w+|chaos/\w+\.py)`", each) for each in pieces
        )
        assert all((ROOT / each.strip("`")).exists() for each in pieces if each[1:6] == "chaos")


def test_every_attack_of_our_list_has_its_line() -> None:
    text = (ROOT / "docs" / "attacks.md").read_text(encoding="utf-8")
    said = {int(each) for each in re.findall(r"T-(\d\d)", text)}
    for first, last in re.findall(r"T-(\d\d)\.\.(\d\d)", text):
        said |= set(range(int(first), int(last) + 1))

    assert said == set(range(1, 98)) - NEVER_GIVEN


def functions_in(path: Path) -> set[str]:
    """The functions that a file defines at its top."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {each.name for each in tree.body if isinstance(each, ast.FunctionDef)}
