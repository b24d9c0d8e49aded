"""Ask the service of this container whether it answers, by the name that it answers to."""

import http.client
import os
import sys
from urllib.parse import urlsplit


def status() -> int:
    """What `/healthz` says."""
    line = http.client.HTTPConnection(
        "127.0.0.1", int(os.environ.get("BOOKING_PORT") or 8000), timeout=4
    )
    name = urlsplit(os.environ["BOOKING_BASE_URL"].strip().lower()).netloc
    line.request("GET", "/healthz", headers={"Host": name})
    return line.getresponse().status


if __name__ == "__main__":
    sys.exit(status() != http.client.OK)
