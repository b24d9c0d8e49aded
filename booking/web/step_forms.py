"""The forms of the second step, of its setting up, and of proving again who one is."""

from wtforms import PasswordField
from wtforms.validators import ValidationError

from booking.web import fields
from booking.web.forms import Checked, Form, Hidden, checked

LONGEST_CODE = 40
LONGEST_ANSWER = 16_000
NO_ANSWER = "The passkey was not taken. Try it again, or use another way."


class CodeForm(Form):
    """Six digits of an app, or a recovery code."""

    code = Checked("Code")

    def validate_code(self, field: Checked) -> None:
        """Something of a length that a code can have."""
        text = (field.data or "").strip()
        if not text or len(text) > LONGEST_CODE:
            raise ValidationError("Enter the code.")
        field.checked = text


class ConfirmForm(Form):
    """The password again."""

    password = PasswordField("Password")

    def validate_password(self, field: PasswordField) -> None:
        """An empty one is a slip, and not counted as a guess."""
        if not field.data:
            raise ValidationError("Enter your password.")


class PasskeyForm(Form):
    """What the browser answers for a passkey; a script of ours puts it in."""

    answer = Hidden()

    def validate_answer(self, field: Hidden) -> None:
        """Longer than any real one it is not ours."""
        if not 1 <= len(field.data or "") <= LONGEST_ANSWER:
            raise ValidationError(NO_ANSWER)


class NewPasskeyForm(PasskeyForm):
    """A new passkey, and what its owner calls it."""

    name = Checked("What do you call this device?", [checked(fields.device_name)])
