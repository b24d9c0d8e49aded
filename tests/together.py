"""Which tests run in one process, where several share the work."""

from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

TOGETHER = ("tests/browser/", "tests/integration/test_behind_nginx.py")
"""What these share is dear: every page opened in a browser, a service behind a proxy."""


class Groups(LoadScopeScheduling):  # type: ignore[misc]
    """Each test goes where there is room; those of a group go together.

    The groups of xdist itself (`xdist_group`) are written into the ids of tests, which pytest takes
    no notice of since 9.2: all was set up in every process.
    """

    def _split_scope(self, nodeid: str) -> str:
        return next((group for group in TOGETHER if nodeid.startswith(group)), nodeid)
