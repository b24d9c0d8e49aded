"""What is stored, and what the database refuses."""

from booking.models.appointment import Appointment, AppointmentEvent, IdempotencyKey, Occupancy
from booking.models.base import Base
from booking.models.clinic import (
    Clinic,
    Closure,
    HealthcareService,
    Location,
    Mode,
    OpeningBreak,
    OpeningHours,
    Practitioner,
    Resource,
    ResourceKind,
    Room,
    Visibility,
)
from booking.models.limit import RateCounter
from booking.models.outbox import Audience, Heartbeat, Kind, OwedMessage, SentMessage
from booking.models.staff import Role, StaffSession, User

__all__ = [
    "Appointment",
    "AppointmentEvent",
    "Audience",
    "Base",
    "Clinic",
    "Closure",
    "HealthcareService",
    "Heartbeat",
    "IdempotencyKey",
    "Kind",
    "Location",
    "Mode",
    "Occupancy",
    "OpeningBreak",
    "OpeningHours",
    "OwedMessage",
    "Practitioner",
    "RateCounter",
    "Resource",
    "ResourceKind",
    "Role",
    "Room",
    "SentMessage",
    "StaffSession",
    "User",
    "Visibility",
]
