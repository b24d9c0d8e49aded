"""For gunicorn and flask: the app, with its settings from the environment."""

import os
import sys
from typing import NoReturn

from booking.app import create_app
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
