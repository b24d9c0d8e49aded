"""What a person asks for, checked for shape by whoever took it down."""

import json
from dataclasses import asdict, dataclass, replace
from datetime import datetime


@dataclass(frozen=True, kw_only=True)
class PatientDetails:
    """What the clinic needs to meet the person, and nothing more."""

    name: str
    email: str
    phone: str | None
    """E.164."""
    timezone: str
    may_leave_message: bool
    may_text: bool = False
    call_name: str = ""
    """Whom to ask for on the telephone, where it is not the name."""
    carer_name: str = ""
    """Who books for the patient; empty where they do so themselves."""
    carer_phone: str | None = None
    event_title: str = ""
    """What their own calendar is to say; empty: what the service says."""
    language: str = "en"


@dataclass(frozen=True, kw_only=True)
class BookingRequest:
    """One wish for one slot."""

    start: datetime
    practitioner: str | None
    """A slug; None for whoever is free."""
    patient: PatientDetails
    key: str | None = None
    """Names the wish, so that its repeat books nothing more."""

    def canonical(self, service: str) -> bytes:
        """The same bytes for the same wish, whatever its key."""
        wish = asdict(replace(self, key=None)) | {
            "service": service,
            "start": self.start.isoformat(),
        }
        return json.dumps(wish, sort_keys=True).encode()
