"""What something costs, in a unit that a slow or a busy machine does not change."""

import gc
import time
from collections.abc import Callable


def effort(call: Callable[[], object]) -> float:
    """The CPU time of a call over that of a fixed piece of work, done before and after it.

    The piece of work takes about a twentieth of a second on a machine of 2020.
    """
    before = cpu_of(_fixed_work)
    spent = cpu_of(call)
    return spent / ((before + cpu_of(_fixed_work)) / 2)


def cpu_of(call: Callable[[], object]) -> float:
    """The seconds of CPU of a call.

    What the process holds already is kept out of the garbage collector's rounds meanwhile: after
    a thousand tests one round over everything costs as much as what is measured.
    """
    gc.freeze()
    try:
        began = time.process_time()
        call()
        return time.process_time() - began
    finally:
        gc.unfreeze()


def _fixed_work() -> int:
    return sum(len(str(number)) for number in range(300_000))
