"""The forms about people: who is invited, what they may do, and how they set up their sign-in."""

from collections.abc import Sequence

from flask_security.utils import hash_password
from wtforms import PasswordField, SelectField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]
from wtforms.validators import ValidationError

from booking.models import Practitioner, Role
from booking.services.people import Newcomer, Standing
from booking.web import fields
from booking.web.forms import Checked, Form, checked
from booking.web.passwords import new_password

ROLES = {
    Role.ADMINISTRATOR: "Administrator: everything, people included",
    Role.SCHEDULER: "Scheduler: appointments and the schedule",
    Role.CLINICIAN: "Clinician: own appointments only",
    Role.AUDITOR: "Auditor: the audit only",
}


class StandingForm(Form):
    """What somebody may do here."""

    role = SelectField(
        "Role", choices=[SelectChoice(*each) for each in ROLES.items()], default=Role.SCHEDULER
    )
    practitioner = SelectField("Which practitioner, for a clinician", default="")

    def __init__(self, practitioners: Sequence[Practitioner], **more: object) -> None:
        super().__init__(**more)
        named = [SelectChoice(each.slug, each.name) for each in practitioners]
        self.practitioner.choices = [SelectChoice("", "Nobody"), *named]

    def validate_practitioner(self, field: SelectField) -> None:
        """A clinician sees the appointments of one practitioner; the others those of all."""
        if self.role.data == Role.CLINICIAN and not field.data:
            raise ValidationError("Choose which practitioner the clinician is.")

    def standing(self) -> Standing:
        """The role asked for, once the form is valid."""
        role = Role(self.role.data)
        return Standing(role, self.practitioner.data if role == Role.CLINICIAN else "")


class InviteForm(StandingForm):
    """Who is to come."""

    email = Checked("Email address", [checked(fields.email_address)])


class PasswordForm(Form):
    """Another password, by who knows the present one."""

    present = PasswordField("Present password")
    password = PasswordField("New password")

    def __init__(self, *, address: str) -> None:
        super().__init__()
        self.address, self.chosen = address, ""

    def validate_password(self, field: PasswordField) -> None:
        """Long, and not guessed soon."""
        try:
            self.chosen = new_password(field.data or "", about=self.address)
        except ValueError as error:
            raise ValidationError(str(error)) from None


class JoinForm(Form):
    """How a member of staff is called, and the password that they choose."""

    name = Checked("Your name", [checked(fields.person_name)])
    email = Checked("Email address")
    password = PasswordField("Password")

    def __init__(self, *, invited: str | None) -> None:
        super().__init__()
        self.invited = invited

    def validate_email(self, field: Checked) -> None:
        """Who was invited has an address already."""
        if self.invited is None:
            checked(fields.email_address)(self, field)

    def validate_password(self, field: PasswordField) -> None:
        """Long, and not guessed soon."""
        address = self.invited or self.email.checked or ""
        try:
            self._chosen = new_password(field.data or "", about=address)
        except ValueError as error:
            raise ValidationError(str(error)) from None

    def newcomer(self) -> Newcomer:
        """The person, once the form is valid; slow by design, so never inside a transaction."""
        return Newcomer(self.name.checked, hash_password(self._chosen), self.email.checked or "")
