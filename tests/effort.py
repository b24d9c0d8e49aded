"""What something costs, in a unit that a slow or a busy machine does not change."""

import time
from collections.abc import Callable


def effort(call: Callable[[], object]) -> float:
    """The CPU time of a call over that of a fixed piece of work, done before and after it.

    The piece of work takes about a twentieth of a second on a machine of 2020.
    """
    before = _cpu_of(_fixed_work)
    spent = _cpu_of(call)
    return spent / ((before + _cpu_of(_fixed_work)) / 2)


def _cpu_of(call: Callable[[], object]) -> float:
    began = time.process_time()
    call()
    return time.process_time() - began


def _fixed_work() -> int:
    return sum(len(str(number)) for number in range(300_000))
