"""The small editions of what `chaos` holds: bad weather, killed workers, a touched audit trail."""

from chaos.audit import tampering
from chaos.delivery import storm


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
