"""What a device looks like to people, from what its browser says of itself."""

BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS", "Firefox"),
    ("Chrome/", "Chrome"),
    ("CriOS", "Chrome"),
    ("Safari/", "Safari"),
)
"""The first that is named counts: most browsers name others as well."""
SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Mac OS X", "Mac"),
    ("Linux", "Linux"),
)


def device_of(user_agent: str) -> str:
    """`Firefox on Windows`; empty if it says nothing that we know."""
    browser, system = _first(BROWSERS, user_agent), _first(SYSTEMS, user_agent)
    return f"{browser} on {system}" if browser and system else browser or system


def _first(known: tuple[tuple[str, str], ...], text: str) -> str:
    found = (name for mark, name in known if mark in text)
    return next(found, "")
