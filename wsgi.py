"""For gunicorn and flask: the app, with its settings from the environment."""

# ruff: noqa: E402 (the first thing that is done concerns the imports)
import gc

# What is loaded stays. Looking for garbage among it takes a quarter of the start, and, since a look
# writes to every object, later costs each forked process a copy of all that they could share.
gc.disable()

import os
import sys
from typing import NoReturn

from booking.app import create_app
from booking.processes import keep_what_is_loaded
from booking.serve import newer_schema_of
from booking.settings import SettingError, Settings

os.umask(0o077)  # what any command writes holds patients: nobody else may read it


def refuse(sentence: str) -> NoReturn:
    """Say why, and end with the status after which gunicorn does not begin the same again."""
    sys.stderr.write(f"{sentence}\n")
    sys.exit(3)


try:
    app = create_app(Settings.from_environ(os.environ))
except SettingError as error:
    refuse(str(error))

# Commands look for themselves, and one of them is to make the database.
if os.environ.get("FLASK_RUN_FROM_CLI") != "true" and (fault := newer_schema_of(app)):
    refuse(fault)

keep_what_is_loaded()
