"""Calendars of somebody else's: fetched, taken apart, and read for when they say "busy"."""
