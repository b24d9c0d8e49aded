"""For gunicorn and flask: the app, with its settings from the environment."""

import os
import sys

from booking.app import create_app
from booking.settings import SettingError, Settings

os.umask(0o077)  # what any command writes holds patients: nobody else may read it

try:
    app = create_app(Settings.from_environ(os.environ))
except SettingError as error:
    sys.exit(str(error))
