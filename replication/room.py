"""Callers who wait until agents leave memory, so that theirs has room."""

from replication.config import Config
from replication.driver import Driver
from replication.errors import OutcomeUnknown, Overloaded
from replication.runtime import Runtime

# Seconds between two looks whether agents that are in use may leave.
_LOOK_AGAIN = 0.001


class Room:
    def __init__(self, config: Config, driver: Driver, runtime: Runtime) -> None:
        self._config = config
        self._driver = driver
        self._runtime = runtime

    def wait(self, until: float | None) -> float:
        """Block until there was a flush; until when that may be done again, which is None the first time.

        Overloaded if agents have not left within `memory_wait`, or what the disk failed with.
        """
        if until is None:
            until = self._runtime.time() + self._config.memory_wait
        else:
            self._runtime.waiter().wait(_LOOK_AGAIN)  # they were in use, for which a flush does not wait
        try:
            self._driver.wait(set(), max(0.0, until - self._runtime.time()))
        except OutcomeUnknown as error:
            if self._driver.failure is not None:
                raise self._driver.failure from None
            raise Overloaded(
                f"all {self._config.max_agents_in_memory} agents in memory hold changes that the disk did not take, or "
                f"are in use, within memory_wait={self._config.memory_wait} s: nothing was applied; slow down, "
                "or raise max_agents_in_memory",
                limit="max_agents_in_memory",
            ) from error
        return until
