"""Reading a calendar by CalDAV (RFC 4791): what is in it, never changing anything.

The library of that name builds what is asked and understands what is answered. The asking itself
is `fetching.ask`: the library's own client follows redirects, sleeps when it is told to, and reads
answers of any length.
"""

import time
from collections.abc import Collection
from datetime import datetime
from typing import ClassVar

from caldav.elements import cdav, dav
from caldav.elements.base import BaseElement
from caldav.lib.error import DAVError
from caldav.response import DAVResponse
from lxml import etree

from .address import Address, address_of
from .faults import NotACalendar
from .fetching import LONGEST, Fetched, ask, judge, short

EMPTY = "BEGIN:VCALENDAR\r\nEND:VCALENDAR"
"""Stands before what was found, so that nothing is a calendar too."""


class _Changes(BaseElement):
    """A tag of the whole calendar that changes with anything in it (CalendarServer's getctag)."""

    tag: ClassVar[str] = "{http://calendarserver.org/ns/}getctag"


def fetch_dav(
    text: str,
    *,
    since: datetime,
    until: datetime,
    known: str = "",
    hosts: Collection[str] = (),
) -> Fetched | None:
    """What a calendar holds between two instants; None when nothing in it has changed.

    Args:
        text: The address of one calendar, with user and password in it where they are needed.
        known: The tag that came with what we know.
        hosts: Names that may lie in the clinic's own network.

    Raises:
        CalendarFault: in one of its kinds, if it cannot be had.
    """
    deadline = time.monotonic() + LONGEST
    address = address_of(text, hosts=hosts)
    tag, address = _tag(address, hosts, deadline)
    if tag and tag == known:
        return None
    data = dav.Prop() + cdav.CalendarData()
    busy = cdav.CompFilter("VEVENT") + cdav.TimeRange(since, until)
    query = cdav.CalendarQuery() + data + (cdav.Filter() + (cdav.CompFilter("VCALENDAR") + busy))
    answer, _ = _asked("REPORT", address, query, hosts, deadline, depth=1)
    try:
        found = [each.calendar_data for each in answer.parse_calendar_query()]
    except DAVError:
        raise NotACalendar from None
    return Fetched(content="\r\n".join([EMPTY, *filter(None, found)]).encode(), etag=tag)


def _tag(address: Address, hosts: Collection[str], deadline: float) -> tuple[str, Address]:
    """The calendar's tag, empty where the server has none, and the address that it answers to.

    Raises:
        NotACalendar: if there is something else.
    """
    wanted = dav.Propfind() + (dav.Prop() + dav.ResourceType() + _Changes())
    answer, address = _asked("PROPFIND", address, wanted, hosts, deadline, depth=0)
    try:
        properties = [each.properties for each in answer.parse_propfind()]
    except DAVError:
        raise NotACalendar from None
    if not properties or cdav.Calendar.tag not in (properties[0].get(dav.ResourceType.tag) or ()):
        raise NotACalendar
    return short(str(properties[0].get(_Changes.tag) or ""), 200), address


def _asked(
    method: str,
    address: Address,
    body: BaseElement,
    hosts: Collection[str],
    deadline: float,
    *,
    depth: int,
) -> tuple[DAVResponse, Address]:
    text = etree.tostring(body.xmlelement(), encoding="utf-8", xml_declaration=True)
    headers = {"Content-Type": "application/xml; charset=utf-8", "Depth": str(depth)}
    response, address = ask(method, address, headers, hosts, deadline=deadline, body=text)
    judge(response.status_code)
    try:
        return DAVResponse.from_bytes(response.content, response.status_code), address
    except (etree.XMLSyntaxError, ValueError):
        raise NotACalendar from None
