"""The page on which an appointment is moved, the same for its patient and for staff."""

from dataclasses import replace
from typing import Any

from flask import render_template, request, url_for

from booking.models import Appointment
from booking.web import fields
from booking.web.forms import RescheduleForm
from booking.web.state import clinic
from booking.web.times import Query, alternatives, times
from booking.web.zones import zone_choices


def move_page(
    template: str,
    appointment: Appointment,
    form: RescheduleForm,
    query: Query,
    *,
    taken: bool,
    **more: object,
) -> str:
    """The calendar; with a time chosen, the old and the new one side by side and a button.

    Args:
        taken: The chosen time is gone: the nearest free ones are shown instead.
    """
    service = appointment.service
    if query.month is None:
        own = appointment.start_at.astimezone(query.zone).date().replace(day=1)
        query = replace(query, month=own)
    asked = form.practitioner.data
    start = fields.instant_or_none(form.start.data)
    day = start.astimezone(query.zone).date().isoformat() if start else None
    kept: dict[str, Any] = {"practitioner": query.practitioner, "tz": query.tz, "day": day}
    near = alternatives(service, None, start, ignoring=appointment.id) if taken and start else []
    return render_template(
        template,
        appointment=appointment,
        service=service,
        form=form,
        start=None if taken else start,
        end=start + service.duration if start else None,
        times=times(service, query, ignoring=appointment.id),
        zones=zone_choices(query.zone.key, clinic().timezone),
        back=url_for(request.endpoint or "", **(request.view_args or {}), **kept),
        taken=taken,
        alternatives=near,
        practitioner=next((each for each in service.practitioners if each.slug == asked), None),
        **more,
    )
