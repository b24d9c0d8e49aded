"""Telling an address that somebody typed in something, where it can do no harm.

The same care as with calendars that are read (`fetching`): no inner network, no redirect, little
time. What comes back is a status; not a byte of the body is read.

`apart` runs this as `python -m booking.messages.foreign.posting`: a side that lets single
bytes of a header trickle is ended with the process.
"""

import json
import logging
import resource
import sys

from .address import address_of
from .apart import CPU, MEMORY
from .faults import CalendarFault
from .fetching import as_faults, session_to
from .questions import Post

AGENT = "Booking (tells of appointments)"


def send(post: Post) -> int:
    """Send it once; the status that came back.

    Raises:
        CalendarFault: in one of its kinds, if nothing came back.
    """
    address = address_of(post.address, hosts=post.hosts)
    headers = dict(post.headers)
    if address.authorization:
        headers["Authorization"] = address.authorization
    with session_to(address, post.hosts, agent=AGENT) as session, as_faults():
        body = post.body.encode()
        with session.post(address.url, headers=headers, data=body, stream=True) as response:
            return response.status_code


def main() -> None:
    """Send the one request on standard input."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU, CPU + 1))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    logging.disable()  # libraries would log addresses
    asked = json.load(sys.stdin)
    try:
        answer: dict[str, object] = {"status": send(Post(**asked))}
    except CalendarFault as fault:
        answer = {"fault": type(fault).__name__}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
