"""Each alert fires when it must, and nobody is woken for nothing: Prometheus says so itself."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.builders import Clock, Mailbox
from tests.conftest import a_running_app, settings_for
from tests.integration.test_metrics import BEARER, TOKEN
from tests.promtool import ALERTS, RULES, Series, Told, judge, require, run

pytestmark = pytest.mark.usefixtures("promtool")
ANSWERS = "booking_http_requests_total"
TIMES = "booking_http_request_seconds_bucket"
PAGE = 'endpoint="public.services"'
READY = 'endpoint="ops.readyz"'
WELL = {
    'up{job="booking"}': "1+0x120",
    "booking_outbox_unsent": "0 3 0+0x118",
    "booking_outbox_oldest_unsent_seconds": "0 30 0+0x118",
    "booking_webhooks_unsent": "0+0x120",
    "booking_worker_last_turn_seconds": "5+0x120",
    "booking_schema_current": "1+0x120",
    f'{ANSWERS}{{{PAGE},method="GET",status="2xx"}}': "0+60x120",
    f'{TIMES}{{{PAGE},le="0.25"}}': "0+60x120",
    f'{TIMES}{{{PAGE},le="1.0"}}': "0+60x120",
    f'{TIMES}{{{PAGE},le="5.0"}}': "0+60x120",
    f'{TIMES}{{{PAGE},le="+Inf"}}': "0+60x120",
}
"""Sixty answers a minute, for two hours."""


@pytest.fixture(scope="module")
def promtool() -> None:
    require()


@pytest.fixture
def scraped(sqlite_url: str, clock: Clock, mailbox: Mailbox) -> Iterator[str]:
    """What Prometheus is told after a visit."""
    settings = settings_for(sqlite_url, BOOKING_METRICS_TOKEN=TOKEN)
    for app in a_running_app(settings, clock, mailbox):
        visitor = app.test_client()
        visitor.get("/")
        yield visitor.get("/metrics", headers=BEARER).get_data(as_text=True)


def test_prometheus_reads_the_rules_as_they_say_that_it_should(tmp_path: Path) -> None:
    """The configuration that stands at their top is whole, and finds them."""
    shutil.copy(RULES, tmp_path)
    (tmp_path / "token").write_text(TOKEN)
    shown = "\n".join(re.findall(r"^#   (.*)$", RULES.read_text(encoding="utf-8"), re.MULTILINE))
    placed = shown.replace("/etc/prometheus/booking_token", str(tmp_path / "token"))
    (tmp_path / "prometheus.yml").write_text(placed)

    said = run("check", "config", str(tmp_path / "prometheus.yml"))

    assert f"{len(ALERTS)} rules found" in said


def test_prometheus_finds_no_fault_in_what_it_is_told(scraped: str) -> None:
    assert {line.split()[2] for line in scraped.splitlines() if "# TYPE" in line} > {ANSWERS}

    run("check", "metrics", given=scraped)


def test_every_alert_is_seen_to_fire() -> None:
    seen = re.findall(r'Told\("(\w+)"', Path(__file__).read_text(encoding="utf-8"))

    assert set(seen) == set(ALERTS)


def test_nothing_is_said_of_a_service_that_does_well(tmp_path: Path) -> None:
    judge(tmp_path, WELL, {"1m": [], "30m": [], "1h": [], "2h": []})


def test_a_service_that_does_not_answer_is_told_after_two_minutes(tmp_path: Path) -> None:
    gone = WELL | {'up{job="booking"}': "1+0x9 0+0x50"}

    judge(tmp_path, gone, {"11m": [], "12m": [Told("BookingDown", job="booking")]})


def test_a_restart_is_told_to_nobody(tmp_path: Path) -> None:
    restarted = WELL | {'up{job="booking"}': "1+0x9 0 0 1+0x50"}

    judge(tmp_path, restarted, {f"{minute}m": [] for minute in range(9, 16)})


def test_a_target_that_nobody_asks_for_any_more_is_down(tmp_path: Path) -> None:
    lost = dict.fromkeys(WELL, "_x60")

    judge(tmp_path, lost, {"1m": [], "3m": [Told("BookingDown", job="booking")]})


def test_a_silent_worker_is_told(tmp_path: Path) -> None:
    silent = WELL | {"booking_worker_last_turn_seconds": "5+0x9 0+60x20"}

    judge(tmp_path, silent, {"13m": [], "14m": [Told("BookingWorkerSilent", "4m 0s")]})


def test_a_worker_that_never_came_is_told(tmp_path: Path) -> None:
    never = WELL | {"booking_worker_last_turn_seconds": "+Inf+0x20"}

    judge(tmp_path, never, {"0": [], "1m": [Told("BookingWorkerSilent", "+Inf")]})


def test_mail_that_does_not_leave_is_told_after_an_hour(tmp_path: Path) -> None:
    waiting = WELL | {"booking_outbox_oldest_unsent_seconds": "0+60x120"}

    judge(tmp_path, waiting, {"65m": [], "66m": [Told("BookingMailNotLeaving", "1h 6m 0s")]})


def test_a_relay_that_is_away_for_half_an_hour_is_told_to_nobody(tmp_path: Path) -> None:
    away = WELL | {"booking_outbox_oldest_unsent_seconds": "0+60x30 0+0x90"}

    judge(tmp_path, away, {"30m": [], "40m": [], "80m": []})


def test_a_schema_that_is_not_ours_is_told_but_not_that_of_an_update(tmp_path: Path) -> None:
    stopped = WELL | {"booking_schema_current": "1 1 0 0 0 1 1 1 1 1 0+0x50"}

    judge(tmp_path, stopped, {"9m": [], "14m": [], "15m": [Told("BookingSchemaNotCurrent")]})


def errors(values: str, endpoint: str = PAGE) -> Series:
    return {f'{ANSWERS}{{{endpoint},method="GET",status="5xx"}}': values}


def test_many_errors_are_told(tmp_path: Path) -> None:
    many = WELL | errors("_x29 3+6x90")

    judge(tmp_path, many, {"30m": [], "1h": [Told("BookingManyErrors", "9.091%")]})


def test_an_error_in_a_hundred_answers_is_told_to_nobody(tmp_path: Path) -> None:
    some = WELL | errors("0+0.6x120")

    judge(tmp_path, some, {"1h": [], "2h": []})


def test_a_handful_of_errors_at_night_wakes_nobody(tmp_path: Path) -> None:
    nobody_else = {f'{ANSWERS}{{{PAGE},method="GET",status="2xx"}}': "100+0x120"}
    night = WELL | nobody_else | errors("0+0x29 0+1x5 5+0x85")

    judge(tmp_path, night, {f"{minute}m": [] for minute in range(30, 60)})


def test_a_handful_of_errors_in_every_ten_minutes_is_told(tmp_path: Path) -> None:
    quiet = {f'{ANSWERS}{{{PAGE},method="GET",status="2xx"}}': "0+1x120"}
    half = WELL | quiet | errors("0+1x120")

    judge(tmp_path, half, {"1h": [Told("BookingManyErrors", "50%")]})


def test_whether_it_is_ready_is_no_error_of_a_visitor(tmp_path: Path) -> None:
    not_ready = errors("0+60x120", READY)
    quiet = {f'{ANSWERS}{{{PAGE},method="GET",status="2xx"}}': "0+1x120"}

    judge(tmp_path, WELL | not_ready, {"1h": []})
    judge(tmp_path, WELL | not_ready | errors("0+0.7x120"), {"1h": []})
    judge(tmp_path, WELL | not_ready | quiet | errors("0+0.3x120"), {"1h": []})


def test_errors_do_not_drown_in_questions_whether_it_is_ready(tmp_path: Path) -> None:
    asked = {f'{ANSWERS}{{{READY},method="GET",status="2xx"}}': "0+6000x120"}

    judge(tmp_path, WELL | asked | errors("0+6x120"), {"1h": [Told("BookingManyErrors", "9.091%")]})


def answers(quick: str, every: str, endpoint: str = PAGE) -> Series:
    """So many within a quarter of a second, and so many at all; the others take 1 to 5 seconds."""
    values = {"0.25": quick, "1.0": quick, "5.0": every, "+Inf": every}
    return {f'{TIMES}{{{endpoint},le="{le}"}}': each for le, each in values.items()}


def test_slow_answers_are_told(tmp_path: Path) -> None:
    slow = WELL | answers("0+60x29 1800+48x90", "0+60x120")

    judge(tmp_path, slow, {"30m": [], "44m": [], "1h": [Told("BookingSlow", "4.8s")]})


def test_some_slow_minutes_are_told_to_nobody(tmp_path: Path) -> None:
    hiccup = WELL | answers("0+60x29 1800+0x1 1920+60x88", "0+60x120")

    judge(tmp_path, hiccup, {"30m": [], "32m": [], "40m": [], "50m": [], "1h": []})


def test_one_slow_answer_at_night_is_told_to_nobody(tmp_path: Path) -> None:
    night = WELL | answers("100+0x120", "100+0x29 101+0x90")

    judge(tmp_path, night, {f"{minute}m": [] for minute in range(30, 60)})


def test_the_measuring_itself_may_be_slow(tmp_path: Path) -> None:
    measuring = WELL | answers("0+0x120", "0+60x120", 'endpoint="ops.metrics"')

    judge(tmp_path, measuring, {"1h": []})


def test_nobody_there_at_all_is_no_error_and_not_slow(tmp_path: Path) -> None:
    silence = {name: "100+0x120" for name in WELL if name.startswith("booking_http")}

    judge(tmp_path, WELL | silence | errors("7+0x120"), {"1h": []})
