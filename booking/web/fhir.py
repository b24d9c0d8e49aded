"""Free slots published for programs that look for appointments: SMART Scheduling Links.

A manifest names files of FHIR R4 resources, one in each line: where patients are met (Location),
what can be booked there (Schedule), and when (Slot), with a link into our own form. Only public
services are in it, only free times, nobody who works here and nobody who comes here. A clinic that
wants to be found switches it on (`BOOKING_PUBLISH_SLOTS`).

https://github.com/smart-on-fhir/smart-scheduling-links, specification.md
"""

import json
import re
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, abort, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from booking.domain.refusals import NotOffered
from booking.domain.slots import Slot
from booking.models import Clinic, HealthcareService, Location, Mode, Visibility
from booking.models.database import db
from booking.services.availability import Offer
from booking.web import fields
from booking.web.state import booking, clinic, now

PREFIX = "/api/fhir"
bp = Blueprint("fhir", __name__, url_prefix=PREFIX)

MOST_SLOTS = 2000
"""Of one service, those that come first: about a megabyte."""
LINES = "application/fhir+ndjson"
EXTENSIONS = "http://fhir-registry.smarthealthit.org/StructureDefinition"
PHYSICAL_TYPE = "http://terminology.hl7.org/CodeSystem/location-physical-type"
AMERICAN = re.compile(
    r"(?P<line>.+), (?P<city>[^,]+), (?P<state>[A-Z]{2}) (?P<postalCode>\d{5}(?:-\d{4})?)"
)
"""An address as envelopes have it in the United States."""

Json = dict[str, Any]


@dataclass(frozen=True)
class Published:
    """What one file says, and a value that is another as soon as it says something else."""

    lines: Callable[[str], Iterable[Json]]
    """The resources, told since when they have been so."""
    version: Hashable

    @property
    def since(self) -> str:
        """When this process first saw it so; one that began later says a later time."""
        return booking().texts.or_else(
            ("published since", self.version), lambda: fields.utc_text(now())
        )

    @property
    def text(self) -> str:
        """One resource in each line."""
        return "".join(f"{_compact(each)}\n" for each in self.lines(self.since))


@bp.before_request
def _is_wanted() -> None:
    if not booking().settings.publish_slots:
        abort(404)


@bp.get("/$bulk-publish")
def manifest() -> ResponseReturnValue:
    """What to read, and since when it is so; another as soon as one of the files is."""
    services = _services()
    slots = {f"slots/{each.slug}": _slots(each) for each in services}
    files = {"locations": _locations(services), "schedules": _schedules(services), **slots}
    kinds = {"locations": "Location", "schedules": "Schedule"}
    base = f"{booking().settings.base_url}{PREFIX}"
    told = {
        "transactionTime": max(each.since for each in files.values()),
        "request": f"{base}/$bulk-publish",
        "output": [
            {"type": kinds.get(name, "Slot"), "url": f"{base}/{name}.ndjson"} for name in files
        ],
        "error": [],
    }
    version = [(name, each.version) for name, each in files.items()]
    return _answer(version, "application/json", lambda: _compact(told))


@bp.get("/locations.ndjson")
def locations() -> ResponseReturnValue:
    """Where patients are met."""
    return _file(_locations(_services()))


@bp.get("/schedules.ndjson")
def schedules() -> ResponseReturnValue:
    """What can be booked, one for each public service."""
    return _file(_schedules(_services()))


@bp.get("/slots/<slug>.ndjson")
def slots(slug: str) -> ResponseReturnValue:
    """When a service can be booked."""
    found = next((each for each in _services() if each.slug == slug), None)
    if found is None:
        raise NotOffered
    return _file(_slots(found))


def _file(published: Published) -> Response:
    key = ("published", published.version)
    return _answer(
        published.version, LINES, lambda: booking().texts.or_else(key, lambda: published.text)
    )


def _answer(version: object, kind: str, write: Callable[[], str]) -> Response:
    """What was asked for, or 304 while it is what the asker has (RFC 9110 §13.1.2)."""
    tag = booking().house.keys.digest("published", repr(version).encode()).hex()[:32]
    if request.if_none_match.contains_weak(tag):
        answer = Response(status=304)
    else:
        answer = Response(write(), content_type=kind)
    answer.set_etag(tag)
    return answer


def _services() -> Sequence[HealthcareService]:
    query = select(HealthcareService).where(HealthcareService.visibility == Visibility.PUBLIC)
    return db.session.scalars(
        query.order_by(HealthcareService.position, HealthcareService.id)
    ).all()


def _locations(services: Sequence[HealthcareService]) -> Published:
    house = clinic()
    places = {_place_id(each): _location(each, house) for each in services}
    return Published(lambda since: (_since(each, since) for each in places.values()), repr(places))


def _schedules(services: Sequence[HealthcareService]) -> Published:
    found = [_schedule(each) for each in services]
    return Published(lambda since: (_since(each, since) for each in found), repr(found))


def _slots(service: HealthcareService) -> Published:
    """The free times of a service, over its whole horizon.

    What is on offer moves on with every minute, but says the same while it begins and ends with
    the same slots: they are looked for once in a minute, and all of them only to be written.
    """
    house = clinic()
    found = booking().memory.offer(db.session(), house, service, now=now())
    moment = ("published ends", found.version, found.offer.span)
    ends = booking().texts.or_else(moment, lambda: _ends(_first(found.offer)))
    page = f"{booking().settings.base_url}{url_for('public.booking_form', slug=service.slug)}"

    def lines(since: str) -> Iterable[Json]:
        schedule = _schedule_id(service)
        return (
            _since(_slot(each, schedule, page, house.phone), since) for each in _first(found.offer)
        )

    return Published(lines, (service.slug, found.version, ends, house.phone, page))


def _first(offer: Offer) -> Sequence[Slot]:
    return offer.slots()[:MOST_SLOTS]


def _ends(slots: Sequence[Slot]) -> str:
    return " ".join(fields.utc_text(each.start) for each in (*slots[:1], *slots[-1:]))


def _location(service: HealthcareService, house: Clinic) -> Json:
    """Where a service is: its place, or the clinic itself where patients do not come."""
    place = _place(service)
    found: Json = {
        "resourceType": "Location",
        "id": _place_id(service),
        "status": "active",
        "name": place.name if place else house.name,
        "telecom": [{"system": "phone", "value": house.phone}],
        "managingOrganization": {"display": house.name},
    }
    if place:
        found["address"] = _address(place.address, house.country)
    elif service.mode != Mode.IN_PERSON:
        virtual = {"system": PHYSICAL_TYPE, "code": "vi", "display": "Virtual"}
        found["physicalType"] = {"coding": [virtual]}
        found["address"] = {"country": house.country}
    return found


def _address(text: str, country: str) -> Json:
    """An address in one line, and in its parts where we can tell them."""
    parts = AMERICAN.fullmatch(text) if country == "US" else None
    known: Json = parts.groupdict() if parts else {"line": text}
    return known | {"line": [known["line"]], "text": text, "country": country}


def _schedule(service: HealthcareService) -> Json:
    """What can be booked; no code of the standard tells one consultation from another."""
    base = booking().settings.base_url
    coding = {"system": f"{base}/services", "code": service.slug, "display": service.name}
    return {
        "resourceType": "Schedule",
        "id": _schedule_id(service),
        "active": True,
        "serviceType": [{"coding": [coding], "text": service.name}],
        "actor": [{"reference": f"Location/{_place_id(service)}"}],
    }


def _slot(slot: Slot, schedule: str, page: str, phone: str) -> Json:
    start = fields.utc_text(slot.start)
    return {
        "resourceType": "Slot",
        "id": f"{schedule}.{slot.start:%Y%m%d%H%M}",
        "extension": [
            {"url": f"{EXTENSIONS}/booking-deep-link", "valueUrl": f"{page}?start={start}"},
            {"url": f"{EXTENSIONS}/booking-phone", "valueString": phone},
        ],
        "schedule": {"reference": f"Schedule/{schedule}"},
        "status": "free",
        "start": start,
        "end": fields.utc_text(slot.end),
    }


def _since(resource: Json, since: str) -> Json:
    return resource | {"meta": {"lastUpdated": since}}


def _place(service: HealthcareService) -> Location | None:
    return service.location if service.mode == Mode.IN_PERSON else None


def _place_id(service: HealthcareService) -> str:
    place = _place(service)
    return _id(f"place {place.id}" if place else f"clinic {service.mode == Mode.IN_PERSON}")


def _schedule_id(service: HealthcareService) -> str:
    return _id(f"service {service.id}")


def _id(what: str) -> str:
    """A name that tells nothing, and stays while the secret does: our own numbers count."""
    return booking().house.keys.digest("published-id", what.encode()).hex()[:24]


def _compact(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
