"""Lengths of time as people type them."""

from datetime import timedelta

import pytest

from booking.services import bounds
from booking.web import lengths


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("45", 45), ("45 min", 45), ("2h", 120), ("1 h 30 min", 90), ("1 Day", 1440), ("0", 0)],
)
def test_lengths_are_read_as_people_type_them_and_written_alike(text: str, minutes: int) -> None:
    found = lengths.length(text, within=bounds.NOTICE, what="It")

    assert found == timedelta(minutes=minutes)
    again = lengths.length(lengths.length_text(found), within=bounds.NOTICE, what="It")
    assert again == found


@pytest.mark.parametrize("text", ["", "soon", "-5", "1.5 h", "30 min 1 h", "2 h 2 h", "1 w", "٣"])
def test_what_is_no_length_is_said_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="Write a length such as 45 min"):
        lengths.length(text, within=bounds.NOTICE, what="It")
