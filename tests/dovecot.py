"""A real IMAP server for the tests: Debian's dovecot, as whoever runs them, on a free port."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from grp import getgrgid
from pathlib import Path
from pwd import getpwnam, getpwuid
from urllib.parse import quote
from uuid import uuid4

from imap_tools import MailBoxUnencrypted

from tests.ports import free_port

PASSWORD = "quiet:water/7?"
READER = "nobody"
"""Who owns the mails where we are root, whom the server does not let read."""
CONFIGURATION = """
protocols = imap
listen = 127.0.0.1
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
ssl = no
disable_plaintext_auth = no
auth_failure_delay = 0
default_internal_user = {internal}
default_login_user = {login}
default_internal_group = {group}
first_valid_uid = 0
first_valid_gid = 0
mail_location = maildir:{folder}/mail/%n
mail_uid = {uid}
mail_gid = {gid}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
}}
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={folder}
}}
"""


@dataclass(frozen=True)
class Dovecot:
    """A running server, as the owner of one mailbox sees it, which is a folder here."""

    port: int
    folder: Path
    name: str = "none"

    def mailbox(self) -> "Dovecot":
        """A new and empty mailbox."""
        fresh = replace(self, name=uuid4().hex)
        for each in (fresh.mail, *(fresh.mail / sub for sub in ("new", "cur", "tmp"))):
            _give_away(each)
        return fresh

    @property
    def mail(self) -> Path:
        return self.folder / "mail" / self.name

    @property
    def url(self) -> str:
        """What a setting would say."""
        word = quote(PASSWORD, safe="")
        return f"imap://{self.name}%40clinic.example:{word}@127.0.0.1:{self.port}/INBOX"

    def deliver(self, raw: bytes, *, days_ago: int = 0) -> None:
        """Put a mail into the mailbox, as a mail server does; its age is that of its file."""
        name = f"{time.time():.6f}.{uuid4().hex}.clinic.example"
        (self.mail / "tmp" / name).write_bytes(raw)
        (self.mail / "tmp" / name).chmod(0o644)
        then = time.time() - days_ago * 24 * 3600
        os.utime(self.mail / "tmp" / name, (then, then))
        (self.mail / "tmp" / name).rename(self.mail / "new" / name)

    def clear(self) -> None:
        """Empty the mailbox and let its numbering begin anew."""
        for path in self.mail.rglob("*"):
            if path.is_file():
                path.unlink()
        time.sleep(1.1)  # the server numbers by the second

    def mark_as_seen(self) -> None:
        """Read everything, as a person's mail program does."""
        self.flag(1, r"(\Seen)")

    def flag(self, uid: int, flag: str) -> None:
        """Flag a mail, as a person's mail program does."""
        with MailBoxUnencrypted("127.0.0.1", self.port) as box:
            box.login(f"{self.name}@clinic.example", PASSWORD)
            box.client.uid("STORE", str(uid), "+FLAGS", flag)

    def names(self) -> list[str]:
        """The files of the mails that are there; their endings tell the flags."""
        return sorted(each.name for sub in ("new", "cur") for each in (self.mail / sub).iterdir())


def is_installed() -> bool:
    return shutil.which("dovecot") is not None


@contextmanager
def server() -> Iterator[Dovecot]:
    """A server until the block ends."""
    folder, port = Path(tempfile.mkdtemp(prefix="booking-dovecot-")), free_port()
    folder.chmod(0o755)
    _give_away(folder / "mail")
    configuration = CONFIGURATION.format(folder=folder, port=port, password=PASSWORD, **_accounts())
    (folder / "dovecot.conf").write_text(configuration)
    process = subprocess.Popen(["dovecot", "-F", "-c", folder / "dovecot.conf"])
    try:
        _wait_for(port, process)
        yield Dovecot(port, folder)
    finally:
        process.terminate()
        process.wait(10)
        shutil.rmtree(folder, ignore_errors=True)


def _accounts() -> dict[str, str | int]:
    """Who runs the server's parts: ourselves, or those that it brings where we are root."""
    if os.geteuid() != 0:
        own = getpwuid(os.geteuid())
        names = {"internal": own.pw_name, "login": own.pw_name}
        group = getgrgid(own.pw_gid).gr_name
        return {**names, "group": group, "uid": own.pw_uid, "gid": own.pw_gid}
    names = {"internal": "dovecot", "login": "dovenull", "group": "dovecot"}
    reader = getpwnam(READER)
    return {**names, "uid": reader.pw_uid, "gid": reader.pw_gid}


def _give_away(folder: Path) -> None:
    """Make a folder in which the server may write."""
    folder.mkdir()
    if os.geteuid() == 0:
        shutil.chown(folder, READER)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            assert process.poll() is None, "dovecot did not start"
            assert time.monotonic() < deadline
            time.sleep(0.05)
