"""Debian's promtool: what Prometheus itself makes of our rules, on values that we make up."""

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

BINARY = shutil.which("promtool")
RULES = Path(__file__).parent.parent / "deploy" / "alerts.yml"
ALERTS: dict[str, Any] = {
    rule["alert"]: rule
    for group in yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
}
Series = dict[str, str]
"""What is scraped each minute: `0+60x30` is 0, 60, 120 … and `_` no answer."""


@dataclass(frozen=True)
class Told:
    """That somebody is told of something, and with which words in the place of a value."""

    alert: str
    value: str = ""
    job: str | None = None

    def as_expected(self) -> dict[str, Any]:
        """All that promtool compares."""
        rule = ALERTS[self.alert]
        labels = rule["labels"] | ({"job": self.job} if self.job else {})
        words = {
            name: re.sub(r"\{\{.*?\}\}", self.value, text)
            for name, text in rule["annotations"].items()
        }
        return {"exp_labels": labels, "exp_annotations": words}


def require() -> None:
    """Leave a test out where there is no promtool, but never in a run that must have it."""
    if BINARY is None:
        if os.environ.get("CI") == "true":
            pytest.fail("promtool is missing")
        pytest.skip("there is no promtool")


def judge(folder: Path, series: Series, told: dict[str, list[Told]]) -> None:
    """See that at each of these times just these alerts fire, and no other."""
    expected = [
        {
            "eval_time": time,
            "alertname": name,
            "exp_alerts": [each.as_expected() for each in now if each.alert == name],
        }
        for time, now in told.items()
        for name in ALERTS
    ]
    course = {
        "interval": "1m",
        "input_series": [{"series": name, "values": each} for name, each in series.items()],
        "alert_rule_test": expected,
    }
    tests = {"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": [course]}
    (folder / "course.json").write_text(json.dumps(tests))  # which is YAML as well
    run("test", "rules", str(folder / "course.json"))


def run(*arguments: str, given: str = "") -> str:
    """What it says; what it finds wrong stands in the failure."""
    done = subprocess.run(
        [BINARY or "promtool", *arguments], input=given, capture_output=True, text=True, check=False
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    return said
