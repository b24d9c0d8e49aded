"""What is stored, and what the database refuses."""

from booking.models.address_change import AddressChange
from booking.models.api_key import ApiKey, Scope
from booking.models.appointment import (
    Appointment,
    AppointmentEvent,
    AppointmentNote,
    IdempotencyKey,
    Occupancy,
)
from booking.models.audit import AuditEntry, AuditHead
from booking.models.base import Base, Seal, sealed_by
from booking.models.calendars import BusyCalendar, BusyTime, CalendarKind, Feed
from booking.models.clinic import (
    Clinic,
    Closure,
    FeedShows,
    HealthcareService,
    HolidayOverride,
    Location,
    Mode,
    OpeningBreak,
    OpeningHours,
    Practitioner,
    RemindIf,
    Resource,
    ResourceKind,
    Room,
    ServiceReminder,
    Translated,
    Visibility,
)
from booking.models.hold import Hold
from booking.models.incoming import Matter, ReceivedMail, ReplyMailbox
from booking.models.kept_key import KeptKey
from booking.models.limit import RateCounter
from booking.models.link_request import LinkRequest
from booking.models.logo import Logo
from booking.models.outbox import (
    Audience,
    FormerInvitation,
    Heartbeat,
    Kind,
    OwedMessage,
    SentMessage,
    Told,
)
from booking.models.staff import (
    AccountLink,
    Passkey,
    RecoveryCode,
    Role,
    SpentChallenge,
    StaffSession,
    User,
)
from booking.models.time_version import OF_THE_CLINIC, TimeVersion
from booking.models.waitlist import Outcome, WaitlistEntry, WaitlistOffer
from booking.models.webhook import Event, OwedCall, Webhook

__all__ = [
    "OF_THE_CLINIC",
    "AccountLink",
    "AddressChange",
    "ApiKey",
    "Appointment",
    "AppointmentEvent",
    "AppointmentNote",
    "Audience",
    "AuditEntry",
    "AuditHead",
    "Base",
    "BusyCalendar",
    "BusyTime",
    "CalendarKind",
    "Clinic",
    "Closure",
    "Event",
    "Feed",
    "FeedShows",
    "FormerInvitation",
    "HealthcareService",
    "Heartbeat",
    "Hold",
    "HolidayOverride",
    "IdempotencyKey",
    "KeptKey",
    "Kind",
    "LinkRequest",
    "Location",
    "Logo",
    "Matter",
    "Mode",
    "Occupancy",
    "OpeningBreak",
    "OpeningHours",
    "Outcome",
    "OwedCall",
    "OwedMessage",
    "Passkey",
    "Practitioner",
    "RateCounter",
    "ReceivedMail",
    "RecoveryCode",
    "RemindIf",
    "ReplyMailbox",
    "Resource",
    "ResourceKind",
    "Role",
    "Room",
    "Scope",
    "Seal",
    "SentMessage",
    "ServiceReminder",
    "SpentChallenge",
    "StaffSession",
    "TimeVersion",
    "Told",
    "Translated",
    "User",
    "Visibility",
    "WaitlistEntry",
    "WaitlistOffer",
    "Webhook",
    "sealed_by",
]
