"""Addresses that were probably mistyped: a question to whoever typed them, never a correction."""

from difflib import get_close_matches
from functools import lru_cache

PROVIDERS = (
    "gmail.com", "googlemail.com", "yahoo.com", "ymail.com", "rocketmail.com", "hotmail.com",
    "outlook.com", "live.com", "msn.com", "icloud.com", "me.com", "mac.com", "aol.com", "gmx.com",
    "gmx.de", "gmx.net", "web.de", "t-online.de", "mail.com", "email.com", "proton.me",
    "protonmail.com", "fastmail.com", "hey.com", "zoho.com", "yandex.com", "comcast.net",
    "verizon.net", "att.net", "sbcglobal.net", "bellsouth.net", "cox.net", "charter.net",
    "earthlink.net", "optonline.net", "frontier.com", "btinternet.com", "sky.com",
    "virginmedia.com",
    "hotmail.co.uk", "yahoo.co.uk", "live.co.uk", "hotmail.es", "yahoo.es", "outlook.es",
    "hotmail.fr", "yahoo.fr", "orange.fr", "free.fr", "libero.it", "yahoo.de", "hotmail.de",
    "yahoo.ca", "rogers.com", "shaw.ca", "bigpond.com", "hotmail.com.mx", "yahoo.com.mx",
    "prodigy.net.mx", "yahoo.com.ar", "hotmail.com.ar",
)  # fmt: skip
"""Where most people have their mailbox. A domain that is one of these is never asked about."""
ENDINGS = {
    "con": "com", "cmo": "com", "ocm": "com", "vom": "com", "xom": "com", "comm": "com",
    "cpm": "com", "coml": "com", "nte": "net", "met": "net", "ogr": "org", "rog": "org",
}  # fmt: skip
"""Endings that no domain has, and what was meant."""
ALIKE = 0.88
"""How alike two domains are when one letter of them is wrong, missing, doubled or swapped."""


def probably_meant(address: str) -> str | None:
    """The address that was probably meant; None where nothing is wrong with it."""
    local, _, domain = address.rpartition("@")
    plain = domain.lower()
    meant = _meant(plain)
    return None if meant == plain else f"{local}@{meant}"


@lru_cache(maxsize=1000)
def _meant(domain: str) -> str:
    if domain in PROVIDERS:
        return domain
    before, _, ending = domain.rpartition(".")
    mended = f"{before}.{ENDINGS.get(ending, ending)}"
    near = get_close_matches(mended, PROVIDERS, n=1, cutoff=ALIKE)
    return near[0] if near else mended
