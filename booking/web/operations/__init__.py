"""Every address of the API: what is asked, what comes back, and an example of each."""

from booking.web.operations.desk import DESK
from booking.web.operations.public import MACHINES, PUBLIC

OPERATIONS = (*PUBLIC, *DESK, *MACHINES)
