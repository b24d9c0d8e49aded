"""A relay in bad weather and workers that are killed: the small edition of `chaos.delivery`."""

from chaos.delivery import storm


def test_every_message_leaves_or_becomes_a_task_whatever_the_relay_does(database_url: str) -> None:
    found = storm(database_url, appointments=40, kills=4)

    assert found.waiting == found.silent == 0
    assert found.owed == found.sent + found.not_needed + found.not_reached
    assert found.arrived_twice <= found.excusable
    assert found.sent > 40
