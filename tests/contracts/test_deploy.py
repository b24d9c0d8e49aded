"""What is ready to deploy says the same as the code, and so do the documents about it."""

import ipaddress
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from flask import Flask

from booking import cli
from booking.app import LARGEST_BODY
from booking.services.pulse import SILENCE
from booking.settings import Settings
from booking.web.gate import LARGER_BODIES
from booking.web.inbound import LARGEST_MAIL
from tests import builders
from tests.builders import Clock, Mailbox
from tests.conftest import a_running_app, settings_for
from tests.contracts.test_documents import named_in, settings_read
from tests.integration.servers import environment
from tests.integration.test_metrics import LABELS, TOKEN, scrape

ROOT = Path(__file__).parent.parent.parent
DEPLOY = ROOT / "deploy"
DOCS = ROOT / "docs"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
FILES = sorted(path for path in DEPLOY.rglob("*") if path.is_file() and path.suffix != ".pyc")
FLASK = ("-m", "flask", "--app", "wsgi")
SIZES = {"k": 1024, "m": 1024 * 1024}
TELLING = {
    *("request", "request_uri", "request_body", "uri", "document_uri", "args", "query_string"),
    *("http_referer", "http_cookie", "remote_addr", "remote_user", "binary_remote_addr"),
}
"""Variables of nginx that hold a key or a person."""
RULES = [
    rule
    for group in yaml.safe_load((DEPLOY / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]
]
PROMQL = {
    *("sum", "by", "rate", "increase", "histogram_quantile", "absent", "and", "or"),
    *("up", "job"),
}
"""Words of the language, and what Prometheus itself knows of each target."""
SECONDS = {"s": 1, "m": 60, "h": 3600}
HARDENED = {
    "NoNewPrivileges": "true",
    "ProtectSystem": "strict",
    "ProtectHome": "true",
    "PrivateTmp": "true",
    "UMask": "0077",
    "CapabilityBoundingSet": "",
    "MemoryDenyWriteExecute": "true",
    "User": "booking",
}


def read(name: str) -> str:
    return (DEPLOY / name).read_text(encoding="utf-8")


def loaded(name: str) -> Any:
    return yaml.safe_load(read(name))


def lines_of(text: str) -> list[str]:
    """The lines that say something, with those that go on in one."""
    joined = text.replace("\\\n", " ").splitlines()
    return [line.strip() for line in joined if line.strip() and not line.startswith("#")]


def unit(path: Path) -> dict[str, list[str]]:
    """What each key of a unit is set to."""
    found: dict[str, list[str]] = {}
    for line in lines_of(path.read_text(encoding="utf-8")):
        if not line.startswith("["):
            key, is_set, value = line.partition("=")
            assert is_set, line
            found.setdefault(key, []).append(value)
    return found


def environment_file() -> dict[str, str]:
    lines = lines_of(read("systemd/booking.env"))
    return dict(shlex.split(line)[0].split("=", 1) for line in lines)


def steps(instruction: str) -> list[list[str]]:
    """The words after each of such instructions of the Dockerfile."""
    lines = [line.split() for line in lines_of(read("Dockerfile"))]
    return [words[1:] for words in lines if words[0] == instruction]


def copied() -> set[str]:
    """What the image takes from the repository."""
    own = [words for words in steps("COPY") if not words[0].startswith("--from")]
    return {source for words in own for source in words[:-1]}


def anchors(path: Path) -> set[str]:
    """Where a link into a document can lead."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings}


def in_bytes(size: str) -> int:
    return int(size[:-1]) * SIZES[size[-1]]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_setting_that_is_named_exists(path: Path) -> None:
    readable = settings_read() | {f"{name}_FILE" for name in settings_read()}

    assert named_in(path) - readable == set()


@pytest.mark.parametrize("path", [*FILES, DOCS / "operations.md"], ids=lambda path: path.name)
def test_every_command_that_is_run_exists(path: Path) -> None:
    app = Flask("commands")
    cli.install(app)
    text = path.read_text(encoding="utf-8")

    run = set(re.findall(r'--app[",\s]+wsgi[",\s]+([a-z][a-z-]*)', text))

    assert run <= {*app.cli.commands, "db"}


def test_units_and_image_run_the_service() -> None:
    assert unit(DEPLOY / "systemd/booking.service")["ExecStart"][0].endswith("--app wsgi serve")
    assert "--app wsgi backup " in unit(DEPLOY / "systemd/booking-backup.service")["ExecStart"][0]
    assert steps("CMD")[-1][-1] == '"serve"]'


def test_systemd_believes_the_child_that_says_that_it_answers() -> None:
    found = unit(DEPLOY / "systemd/booking.service")

    assert (found["Type"], found["NotifyAccess"]) == (["notify"], ["all"])
    assert found["TimeoutStartSec"] == ["infinity"], "nobody knows how long a migration takes"


@pytest.mark.parametrize(("program", "taken"), [("", True), ("def broken(:", False)])
def test_the_service_gives_way_only_to_a_program_that_loads(
    tmp_path: Path, program: str, taken: bool
) -> None:
    looks, gives_way = unit(DEPLOY / "systemd/booking.service")["ExecReload"]
    look = shlex.split(looks.replace("/opt/booking/.venv/bin/python", sys.executable))
    (tmp_path / "wsgi.py").write_text(program)

    done = subprocess.run(look, cwd=tmp_path, capture_output=True, check=False)

    assert (done.returncode == 0) == taken
    assert gives_way == "/bin/kill -HUP $MAINPID"


def test_each_nightly_copy_has_a_name_of_its_own() -> None:
    command = unit(DEPLOY / "systemd/booking-backup.service")["ExecStart"][0]
    shown = command.replace("%%", "%").replace("/opt/booking/.venv/bin/flask", "echo")

    done = subprocess.run(shlex.split(shown), capture_output=True, text=True, check=True)

    assert re.search(r" backup /var/backups/booking/\d{4}-\d\d-\d\dT\d{6}\.copy$", done.stdout)


def test_what_is_older_than_a_month_goes_also_what_was_left_half_way(tmp_path: Path) -> None:
    command = unit(DEPLOY / "systemd/booking-backup.service")["ExecStartPost"][0]
    month_old = time.time() - timedelta(days=32).total_seconds()
    for name in (".backup-x/copy", "old.copy", "old.copy.sha256", "new.copy", "new.copy.sha256"):
        copy = tmp_path / name
        copy.parent.mkdir(exist_ok=True)
        copy.touch()
        if not name.startswith("new"):
            os.utime(copy, (month_old, month_old))

    subprocess.run(command.replace("/var/backups/booking", str(tmp_path)).split(), check=True)

    left = {each.name for each in tmp_path.rglob("*") if each.is_file()}
    assert left == {"new.copy", "new.copy.sha256"}


def test_the_service_starts_with_the_settings_of_the_unit(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(builders.SECRET)
    environ = environment_file() | {"BOOKING_SECRET_KEY_FILE": str(tmp_path / "key")}

    settings = Settings.from_environ(environ)

    writable = unit(DEPLOY / "systemd/booking.service")["ReadWritePaths"][0]
    assert settings.sqlite_path is not None
    assert str(settings.sqlite_path.parent) == writable
    assert settings.proxies == 1


def test_the_service_starts_with_the_settings_of_the_containers(tmp_path: Path) -> None:
    kept = {
        "secret_key": builders.SECRET,
        "smtp_url": "smtp://relay.example:25",
        "database_url": "postgresql+psycopg://booking:secret@database/booking",
    }
    for name, value in kept.items():
        (tmp_path / name).write_text(value)
    chosen = {"BOOKING_BASE_URL": "https://book.example", "BOOKING_MAIL_FROM": "a@clinic.example"}
    stated: dict[str, str] = loaded("compose.yaml")["services"]["booking"]["environment"]

    settings = Settings.from_environ(
        {
            name: chosen.get(name, value.replace("/run/secrets", str(tmp_path)))
            for name, value in stated.items()
        }
    )

    assert settings.proxies == 1
    assert "@database/" in settings.database_url


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_the_units_are_shut_tight(path: Path) -> None:
    found = unit(path)

    assert {key: found.get(key, ["is not set"])[-1] for key in HARDENED} == HARDENED
    assert "/" not in found["ReadWritePaths"][0].split()


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="there is no systemd")
def test_systemd_finds_no_fault(tmp_path: Path) -> None:
    for path in (DEPLOY / "systemd").glob("booking*.*"):
        text = path.read_text(encoding="utf-8")
        placed = re.sub(r"/opt/booking/\.venv/bin/\w+", "/bin/true", text)
        (tmp_path / path.name).write_text(placed)
    units = [tmp_path / "booking.service", tmp_path / "booking-backup.timer"]
    units.append(tmp_path / "booking-backup.service")

    verify = subprocess.run(
        ["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False
    )
    exposed = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=17", units[0], units[2]],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (verify.returncode, verify.stderr) == (0, "")
    assert exposed.returncode == 0, exposed.stdout[-200:]


def test_the_timer_has_something_to_begin() -> None:
    timers = list((DEPLOY / "systemd").glob("*.timer"))

    assert timers
    assert all(timer.with_suffix(".service") in UNITS for timer in timers)


def test_nginx_takes_as_much_as_the_service(sqlite_app: Flask) -> None:
    text = read("nginx.conf")
    places = re.findall(r"location =? ?(\S+) \{(.*?)\n    \}", text, re.DOTALL)
    limit = r"client_(?:max_body|body_buffer)_size (\w+);"
    rules = {rule.endpoint: rule.rule for rule in sqlite_app.url_map.iter_rules()}
    larger = LARGER_BODIES | {"inbound.replies": LARGEST_MAIL}

    found = {place: {*map(in_bytes, re.findall(limit, body))} for place, body in places}
    outside = re.sub(r"location [^{]*\{.*?\n    \}", "", text, flags=re.DOTALL)

    assert {*map(in_bytes, re.findall(limit, outside))} == {LARGEST_BODY}
    assert {place: sizes for place, sizes in found.items() if sizes} == {
        rules[endpoint]: {size} for endpoint, size in larger.items()
    }


def test_nginx_logs_nothing_that_tells() -> None:
    text = read("nginx.conf")
    formats = re.findall(r"log_format booking (.*?);", text, re.DOTALL)

    assert len(formats) == 1
    assert set(re.findall(r"\$(\w+)", formats[0])) & TELLING == set()
    assert set(re.findall(r"access_log \S+ ?(\w*);", text)) == {"booking"}
    assert set(re.findall(r"error_log \S+ ?(\w*);", text)) == {"emerg"}
    assert text.count("access_log") == text.count("error_log") == text.count("server_name")


def test_nginx_replaces_what_a_client_claims() -> None:
    headers = dict(re.findall(r'proxy_set_header (\S+) "?([^";]*)"?;', read("nginx.conf")))

    assert headers["X-Forwarded-For"] == "$remote_addr"
    assert headers["X-Forwarded-Proto"] == "$scheme"
    assert headers["X-Forwarded-Host"] == headers["Forwarded"] == ""


def test_nginx_leaves_the_headers_to_the_service_while_it_is_there() -> None:
    outside = re.sub(r"location @\w*away \{.*?\n    \}", "", read("nginx.conf"), flags=re.DOTALL)
    assert "add_header" not in outside


def test_nginx_shows_metrics_to_the_clinics_own_networks_alone() -> None:
    place = re.search(r"location = /metrics \{(.*?)\n    \}", read("nginx.conf"), re.DOTALL)
    assert place is not None
    rules = re.findall(r"(allow|deny) (\S+);", place[1])

    assert rules.pop() == ("deny", "all")
    assert {kind for kind, _ in rules} == {"allow"}
    assert all(ipaddress.ip_network(network).is_private for _, network in rules)


def in_seconds(duration: str) -> int:
    return int(duration[:-1]) * SECONDS[duration[-1]]


@pytest.fixture
def told(sqlite_url: str, clock: Clock, mailbox: Mailbox) -> Iterator[dict[str, set[str]]]:
    """Every metric that `/metrics` answers with, and its labels."""
    settings = settings_for(sqlite_url, BOOKING_METRICS_TOKEN=TOKEN)
    for app in a_running_app(settings, clock, mailbox):
        visitor = app.test_client()
        visitor.get("/")
        found: dict[str, set[str]] = {"up": {"job"}}
        for sample in scrape(visitor):
            name, _, labels = sample.partition("{")
            found.setdefault(name, set()).update(re.findall(r'(\w+)="', labels))
        yield found


def test_alerts_ask_for_what_is_told_with_labels_that_it_has(told: dict[str, set[str]]) -> None:
    for rule in RULES:
        asked = re.findall(r"\b(booking_\w+|up)\b(?:\{([^}]*)\})?", rule["expr"])
        assert asked, rule["alert"]
        for name, selector in asked:
            assert name in told, rule["alert"]
            assert set(re.findall(r"(\w+)\s*[=!]", selector)) <= told[name], rule["alert"]
        grouped = re.findall(r"\bby \(([^)]*)\)", rule["expr"])
        assert {each.strip() for group in grouped for each in group.split(",")} <= {"le"}


def test_alerts_ask_for_values_that_there_are() -> None:
    for rule in RULES:
        for label, value in re.findall(r'(\w+)="([^"]*)"', rule["expr"]):
            assert label == "job" or re.fullmatch(LABELS[label], value), rule["alert"]


def test_alerts_are_written_in_the_language_of_prometheus(told: dict[str, set[str]]) -> None:
    for rule in RULES:
        plain = re.sub(r'"[^"]*"|\[\d+[smh]\]', "", rule["expr"])
        words = set(re.findall(r"[A-Za-z_]\w*", plain))
        assert words - PROMQL - set(told) - set(LABELS) == set(), rule["alert"]
        assert all(rule["expr"].count(a) == rule["expr"].count(b) for a, b in ("()", "{}", "[]"))


def test_every_alert_says_what_it_is_and_leads_to_what_to_do() -> None:
    names = [rule["alert"] for rule in RULES]

    assert len(set(names)) == len(names) >= 6
    for rule in RULES:
        said = rule["annotations"]
        assert said["summary"], rule["alert"]
        assert len(said["description"]) > len(said["summary"]), rule["alert"]
        path, _, anchor = said["runbook"].partition("#")
        assert anchor in anchors(ROOT / path), rule["alert"]
        assert rule["labels"]["severity"] in ("page", "ticket")


def test_alerts_wait_long_enough_to_be_true_and_not_too_long_to_help() -> None:
    for rule in RULES:
        assert 60 <= in_seconds(rule["for"]) <= 1800, rule["alert"]
        for window in re.findall(r"\[(\w+)\]", rule["expr"]):
            # Of a few scrapes at least, which Prometheus makes once a minute where nobody says.
            assert 300 <= in_seconds(window) <= 3600, rule["alert"]


def test_the_worker_is_called_silent_when_the_service_calls_it_so() -> None:
    (silent,) = (rule["expr"] for rule in RULES if rule["alert"] == "BookingWorkerSilent")

    assert float(silent.rpartition(">")[2]) == SILENCE.total_seconds()


def test_everything_that_is_watched_has_an_alert(told: dict[str, set[str]]) -> None:
    asked = " ".join(rule["expr"] for rule in RULES)
    gauges = {name for name in told if not name.startswith("booking_http")}

    assert {name for name in gauges if name not in asked} == {
        "booking_outbox_unsent",
        "booking_webhooks_unsent",
    }


def test_everything_that_is_copied_into_the_image_is_there_and_not_ignored() -> None:
    lines = lines_of((ROOT / ".dockerignore").read_text(encoding="utf-8"))
    let_in = {line[1:] for line in lines if line.startswith("!")}

    assert lines[0] == "*"
    assert {source for source in copied() if not (ROOT / source).exists()} == set()
    assert copied() == let_in


def test_the_image_holds_all_that_the_service_needs(tmp_path: Path) -> None:
    image = tmp_path / "image"
    for source in copied():
        (image / source).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (ROOT / source).is_dir() else shutil.copy
        copy(ROOT / source, image / source)
    ask = "import wsgi; print(wsgi.app.test_client().get('/?lang=es').status_code)"

    said = [
        subprocess.run(
            [sys.executable, *command],
            cwd=image,
            env=environment(f"sqlite:///{tmp_path}/booking.db"),
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for command in ((*FLASK, "db", "upgrade"), (*FLASK, "seed-demo"), ("-c", ask))
    ]

    assert said[-1] == "200\n"


def test_the_image_runs_as_nobody_in_particular() -> None:
    users = steps("USER")
    made = " ".join(steps("RUN")[-1])

    assert len(users) == 1
    assert re.search(rf"useradd .*--uid \d{{4,}} .* {users[0][0]}\b", made)
    assert "--system" not in made, "its group would have the number of another one of the host"


def test_image_and_containers_hold_no_secret() -> None:
    service = loaded("compose.yaml")["services"]["booking"]
    secret = re.compile(r"KEY|PASSWORD|SECRET|TOKEN|SMTP_URL|DATABASE_URL|IMAP_URL")
    baked = " ".join(word for words in (*steps("ENV"), *steps("ARG")) for word in words)

    assert secret.search(baked) is None
    assert all(name.endswith("_FILE") for name in service["environment"] if secret.search(name))


def test_what_containers_use_is_declared() -> None:
    compose = loaded("compose.yaml")

    for kind in ("secrets", "networks", "volumes"):
        used = {
            each.partition(":")[0]
            for service in compose["services"].values()
            for each in service.get(kind, [])
        }
        assert used == set(compose[kind]), kind


def test_secrets_are_read_from_where_containers_have_them() -> None:
    for service in loaded("compose.yaml")["services"].values():
        files = {v for k, v in service["environment"].items() if k.endswith("_FILE")}
        assert files == {f"/run/secrets/{name}" for name in service["secrets"]}


def test_containers_are_shut_tight() -> None:
    compose = loaded("compose.yaml")
    service = compose["services"]["booking"]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert "ports" not in compose["services"]["database"]
    assert compose["networks"]["database"]["internal"] is True


def test_what_containers_log_does_not_fill_the_disk() -> None:
    for service in loaded("compose.yaml")["services"].values():
        assert {"max-size", "max-file"} <= set(service["logging"]["options"])


def test_the_service_waits_for_a_database_that_answers() -> None:
    services = loaded("compose.yaml")["services"]

    assert services["booking"]["depends_on"]["database"]["condition"] == "service_healthy"
    assert services["database"]["healthcheck"]["test"][:2] == ["CMD", "pg_isready"]


def test_copies_are_made_by_the_tools_of_the_databases_version() -> None:
    database = loaded("compose.yaml")["services"]["database"]["image"]
    tools = re.search(r"postgresql-client-(\d+)", read("Dockerfile"))

    assert tools is not None
    assert database.startswith(f"postgres:{tools[1]}-")


def test_no_image_names_the_host_that_it_comes_from() -> None:
    images = [words[0] for words in steps("FROM")]
    services = loaded("compose.yaml")["services"].values()

    assert images
    assert not [each for each in (*images, *(s["image"] for s in services)) if "/" in each]


def test_ten_things_go_wrong() -> None:
    text = (DOCS / "operations.md").read_text(encoding="utf-8")
    part = text.partition("## The ten things that go wrong")[2].partition("\n## ")[0]

    assert part.count("\n### ") == 10


def test_links_within_the_operations_lead_somewhere() -> None:
    path = DOCS / "operations.md"
    inner = set(re.findall(r"\]\(#([\w-]+)\)", path.read_text(encoding="utf-8")))

    assert inner
    assert inner - anchors(path) == set()


def test_every_test_that_the_threat_model_names_exists() -> None:
    text = (DOCS / "threat-model.md").read_text(encoding="utf-8")
    named = re.findall(r"`(test_\w+\.py)::(test_\w+)`", text)

    missing = [
        name
        for file, name in named
        if not any(
            f"\ndef {name}(" in path.read_text(encoding="utf-8")
            for path in (ROOT / "tests").rglob(file)
        )
    ]

    assert len(named) > 30
    assert missing == []
    assert text.count(".py::") == len(named) + 1  # the one that explains how they are written
