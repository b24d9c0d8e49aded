"""For gunicorn and flask: the app, with its settings from the environment."""

import os
import sys

from booking.app import create_app
from booking.settings import SettingError, Settings

try:
    app = create_app(Settings.from_environ(os.environ))
except SettingError as error:
    sys.exit(str(error))
