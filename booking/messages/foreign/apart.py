"""Reading foreign calendars in a process of their own.

What is read there was written by strangers. Whatever it holds can use up no more than that
process: so much time, so much memory, and it knows neither the secret key nor the database.

The question goes in by standard input and the answer comes out by standard output, as JSON.
"""

import json
import signal
import subprocess
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from booking.domain.timeline import Span

from .faults import CalendarFault, TooMuchWork, TooSlow, fault_named
from .questions import Post, Question, Reading

CPU = 2
"""Seconds of work. The largest calendar that we take needs about one."""
MEMORY = 512 * 1024 * 1024
WALL = 25.0
"""Seconds for everything: also for what no library watches, such as names and slow headers."""
POST_WALL = 12.0
"""The same for what another program is told."""
CHILD = "booking.messages.foreign.reading"
POSTING = "booking.messages.foreign.posting"
ROOT = Path(__file__).parents[3]


def read_apart(question: Question) -> Reading | None:
    """Fetch a calendar and read it, where it can do no harm; None when it is still as it was.

    Raises:
        CalendarFault: in one of its kinds, if the calendar cannot be read.
    """
    asked = asdict(question) | {
        "since": question.since.isoformat(),
        "until": question.until.isoformat(),
    }
    return _understood(run_apart(CHILD, asked, wall=WALL))


def post_apart(post: Post) -> int:
    """Tell another program something; the status that came back.

    Raises:
        CalendarFault: in one of its kinds, if nothing came back.
    """
    answer = run_apart(POSTING, asdict(post), wall=POST_WALL)
    if "fault" in answer:
        raise fault_named(answer["fault"])
    return int(answer["status"])


def run_apart(child: str, asked: object, *, wall: float) -> Any:
    """Put a question to a module of ours in a process that knows no secret; its answer.

    Args:
        wall: Seconds after which it is ended.

    Raises:
        CalendarFault: if it ended without an answer.
    """
    try:
        done = subprocess.run(  # noqa: S603 (our own module, and nothing of the question)
            [sys.executable, "-m", child],
            input=json.dumps(asked).encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=ROOT,
            env={"PYTHONPATH": str(ROOT)},
            timeout=wall,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise TooSlow from None
    if done.returncode in (-signal.SIGXCPU, -signal.SIGKILL):
        raise TooMuchWork
    if done.returncode != 0:
        raise CalendarFault
    return json.loads(done.stdout)


def _understood(answer: Any) -> Reading | None:
    if "fault" in answer:
        raise fault_named(answer["fault"])
    if "unchanged" in answer:
        return None
    spans = [
        Span(*(datetime.fromtimestamp(each, UTC) for each in pair)) for pair in answer["spans"]
    ]
    return Reading(spans, answer["etag"], answer["last_modified"])
