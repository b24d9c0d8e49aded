"""What goes wrong when a calendar of somebody else's is read, in words for staff.

No text holds the calendar's address: whoever knows that reads the calendar.
"""


class CalendarFault(Exception):
    """The calendar could not be read; `text` says why, in at most 200 characters."""

    text = "It could not be read."

    def __init__(self) -> None:
        super().__init__(self.text)


class InnerAddress(CalendarFault):
    """It lies, or sends us, where only the clinic's own network leads."""

    text = (
        "The address leads into an inner network. If that is meant, its host name must be "
        "added to the setting BOOKING_CALENDAR_HOSTS."
    )


class NotSecure(CalendarFault):
    """It would travel in the open."""

    text = "The address does not begin with https://, so anybody on the way could read along."


class BadAddress(CalendarFault):
    """It is no web address."""

    text = "The address is not one of a calendar: it begins with https:// or webcal://."


class Unreachable(CalendarFault):
    """No connection, no such name, no valid certificate."""

    text = "The other side could not be reached."


class TooSlow(CalendarFault):
    """It took longer than we wait."""

    text = "The other side took too long to answer."


class TooManyRedirects(CalendarFault):
    """It sends us from one place to the next."""

    text = "The address leads on and on to others."


class SignInNeeded(CalendarFault):
    """401 or 403."""

    text = "The other side asks for a sign-in, or the one in the address is wrong."


class NotThere(CalendarFault):
    """404 or 410."""

    text = "There is nothing at that address any more. Perhaps it was renewed."


class ServerTrouble(CalendarFault):
    """Any other answer than the calendar."""

    text = "The other side answered with an error of its own."


class TooLarge(CalendarFault):
    """More bytes than we take."""

    text = "The calendar is larger than 2 MB. Publish one that holds less of the past."


class NotACalendar(CalendarFault):
    """Something else, or half of one."""

    text = "What came back is not a calendar, or not a whole one."


class TooMuchWork(CalendarFault):
    """Repetitions or events beyond any diary."""

    text = "The calendar holds repetitions or events without measure, so it was not worked through."


_BY_NAME = {each.__name__: each for each in CalendarFault.__subclasses__()}


def fault_named(name: str) -> CalendarFault:
    """The fault whose class is called so; the general one for any other name."""
    return _BY_NAME.get(name, CalendarFault)()
