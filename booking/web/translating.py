"""Forms of the clinic's texts: each text that patients read can be entered in other languages too.

A form gets a twin of each such field for every language other than the clinic's own. A twin may
stay empty; otherwise what holds for the original holds for it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, TypeVar

from flask_wtf import FlaskForm
from wtforms.validators import StopValidation

from booking.domain.translations import Translations, tidied
from booking.messages.languages import LANGUAGES, english_name
from booking.models import Translated
from booking.web.forms import Checked, Form
from booking.web.state import clinic

LONG = frozenset({"preparation", "directions"})
"""The texts of several lines."""


@dataclass(frozen=True)
class InOneLanguage:
    """The fields of a form for one other language, as its page shows them."""

    tag: str
    name: str
    fields: list[tuple[Checked, bool]]
    """Each with whether it has several lines."""

    @property
    def is_used(self) -> bool:
        """Whether something stands in them, so that it must be seen."""
        return any(field.data or field.errors for field, _ in self.fields)


class TextsForm(Form):
    """A form of texts of which patients read some."""

    of: ClassVar[type[Translated]]
    """Whose texts they are."""
    languages: ClassVar[tuple[str, ...]] = ()
    """Those that it asks for beside the clinic's own."""

    @property
    def translations(self) -> Translations:
        """What was entered in other languages, once the form is valid."""
        names = self.of.TRANSLATED
        return tidied(
            {tag: {name: self[twin(name, tag)].checked for name in names} for tag in self.languages}
        )

    def in_other_languages(self) -> list[InOneLanguage]:
        """The twins, language by language."""
        names = self.of.TRANSLATED
        return [
            InOneLanguage(
                tag, english_name(tag), [(self[twin(name, tag)], name in LONG) for name in names]
            )
            for tag in self.languages
        ]


AForm = TypeVar("AForm", bound=TextsForm)


def in_languages(
    form: type[AForm], *args: Any, obj: Translated | None = None, **more: Any
) -> AForm:
    """The form with its twins, filled with what is stored of `obj`."""
    stored = obj.translations if obj else {}
    entered = {
        twin(name, tag): text for tag, texts in stored.items() for name, text in texts.items()
    }
    own = clinic().language
    kind: Any = form
    made: AForm = _with_twins(kind, tuple(each for each in LANGUAGES if each != own))(
        *args, obj=obj, **entered, **more
    )
    return made


def twin(name: str, language: str) -> str:
    """What the field for another language is called."""
    return f"{name}_{language}"


@lru_cache
def _with_twins(form: Any, languages: tuple[str, ...]) -> Any:
    twins = {
        twin(name, tag): _twin(getattr(form, name), tag)
        for tag in languages
        for name in form.of.TRANSLATED
    }
    return type(form)(form.__name__, (form,), twins | {"languages": languages})


def _twin(original: Any, language: str) -> Any:
    label, (check,) = original.args
    name = english_name(language)
    return Checked(f"{label} in {name}", [_if_entered(check, name)])


def _if_entered(
    check: Callable[[FlaskForm, Checked], None], language: str
) -> Callable[[FlaskForm, Checked], None]:
    """The original's check, for a text that nobody has to enter."""

    def validate(form: FlaskForm, field: Checked) -> None:
        field.checked = ""
        if not (field.data or "").strip():
            return
        try:
            check(form, field)
        except StopValidation as fault:
            raise StopValidation(f"In {language}: {fault}") from None

    return validate
