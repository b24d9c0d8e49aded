"""The small editions of what `chaos` holds: bad weather, a touched trail, a crowd."""

import pytest

from chaos.audit import tampering
from chaos.delivery import storm
from chaos.holds import crowd, homeless, overlaps


def test_every_message_leaves_or_becomes_a_task_whatever_the_relay_does(database_url: str) -> None:
    found = storm(database_url, appointments=40, kills=4)

    assert found.waiting == found.silent == 0
    assert found.owed == found.sent + found.not_needed + found.not_reached
    assert found.arrived_twice <= found.excusable
    assert found.sent > 40


def test_whoever_touches_the_audit_trail_is_found_out() -> None:
    found = tampering(entries=600, tries=24)

    assert found.missed == 0
    assert len(found.tried) == 8


@pytest.mark.usefixtures("app")
def test_a_crowd_that_holds_books_moves_and_waits_leaves_everything_whole(
    database_url: str,
) -> None:
    done = crowd(database_url, processes=4, steps=25)

    assert (overlaps(), homeless()) == (0, 0)
    assert min(done[each] for each in ("hold", "book", "move", "cancel", "wait", "offer")) > 0
