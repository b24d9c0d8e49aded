"""What was made before, for as long as it would be made the same again.

A key holds all that a thing depends on; the version of an offer (`Remembered.version`) stands for
the times in it. So nothing has to be thrown away when something changes: it is asked for under
another key, and what nobody asks for any more makes room.
"""

from collections.abc import Callable, Hashable
from contextlib import suppress
from threading import Lock
from typing import Generic, TypeVar

from cachetools import LRUCache

Thing = TypeVar("Thing")


class Kept(Generic[Thing]):
    """What one process has made lately, shared by its threads."""

    def __init__(self, most: int, size: Callable[[Thing], int]) -> None:
        """Keep so much of it, each thing counted by its size."""
        self._things: LRUCache[Hashable, Thing] = LRUCache(most, getsizeof=size)
        self._lock = Lock()

    def or_else(self, key: Hashable, make: Callable[[], Thing]) -> Thing:
        """What was made under this key, or what is made now."""
        with self._lock:
            found = self._things.get(key)
        if found is None:
            found = make()
            with self._lock, suppress(ValueError):  # it is larger than all that may be kept
                self._things[key] = found
        return found
