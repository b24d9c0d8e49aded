"""Make its database: the clinic, and so many appointments before an instant.

python -m benchmarks.django_appointment.seed HOW_MANY BEFORE
"""

import sys
from datetime import datetime, time, timedelta

import django

django.setup()  # before its models can be read

from appointment.models import (  # noqa: E402
    Appointment,
    AppointmentRequest,
    Config,
    Service,
    StaffMember,
    WorkingHours,
)
from django.contrib.auth.models import User  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.utils import timezone  # noqa: E402

HALF_AN_HOUR = timedelta(minutes=30)
OPENS, CLOSES = time(9), time(17)
AT_A_TIME = 5_000


def clinic() -> StaffMember:
    """One practitioner with one service of half an hour, from nine to five on every day."""
    Config.objects.create(
        slot_duration=30, lead_time=OPENS, finish_time=CLOSES, appointment_buffer_time=0
    )
    service = Service.objects.create(name="Consultation", duration=HALF_AN_HOUR, price=0)
    ada = User.objects.create_user("ada", "ada@clinic.example", first_name="Ada", last_name="Bell")
    staff = StaffMember.objects.create(user=ada, work_on_saturday=True, work_on_sunday=True)
    staff.services_offered.add(service)
    for day in range(7):
        WorkingHours.objects.create(
            staff_member=staff, day_of_week=day, start_time=OPENS, end_time=CLOSES
        )
    return staff


def past(staff: StaffMember, numbers: range, before: datetime) -> None:
    """Appointments one after another, each of a client with an account of their own."""
    service = Service.objects.get()
    clients = User.objects.bulk_create(
        User(username=f"alex{number}", email=f"alex{number}@mail.example", first_name="Alex")
        for number in numbers
    )
    requests = AppointmentRequest.objects.bulk_create(
        _request(service, staff, number, timezone.localtime(before - HALF_AN_HOUR * (number + 2)))
        for number in numbers
    )
    Appointment.objects.bulk_create(
        Appointment(
            client=client,
            appointment_request=request,
            phone=f"+1212555{request.id % 10_000:04}",
            amount_to_pay=0,
            id_request=f"appointment-{request.id}",
        )
        for client, request in zip(clients, requests, strict=True)
    )


def _request(
    service: Service, staff: StaffMember, number: int, start: datetime
) -> AppointmentRequest:
    return AppointmentRequest(
        date=start.date(),
        start_time=start.time(),
        end_time=(start + HALF_AN_HOUR).time(),
        service=service,
        staff_member=staff,
        id_request=f"request-{number}",
    )


def main(count: int, before: datetime) -> None:
    """Migrate, and fill."""
    call_command("migrate", verbosity=0)
    staff = clinic()
    for first in range(0, count, AT_A_TIME):
        past(staff, range(first, min(count, first + AT_A_TIME)), before)


if __name__ == "__main__":
    main(int(sys.argv[1]), datetime.fromisoformat(sys.argv[2]))
