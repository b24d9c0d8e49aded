"""The small edition of `chaos.cluster`: many processes that share nothing but a database."""

from pathlib import Path

from chaos import cluster
from tests import nginx, pgbouncer
from tests.integration.servers import linux_only


@linux_only
def test_web_servers_and_workers_that_share_only_a_database_keep_every_promise(
    postgres_url: str, tmp_path: Path
) -> None:
    nginx.require()
    pgbouncer.require()

    found = cluster.run(postgres_url, tmp_path, people=4, seconds=6.0, pool=4)

    assert found.broken == []
    assert (found.overlaps, found.owed, found.lost, found.arrived_twice) == (0, 0, 0, 0)
    assert found.check == ""
    assert found.bookings > 0
    assert found.holds
