"""Processes of their own that do what they are told, one thing at a time."""

import multiprocessing
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from multiprocessing.connection import Connection
from typing import Any

# Seconds in which an answer must come, and in which a process that was told to end must have ended.
ANSWER_SECONDS = 120.0
END_SECONDS = 20.0


class Worker:
    """Makes something in a new process, and calls its methods there.

    What `make(*arguments)` returns is entered there; both must be importable, since the process starts from nothing.
    """

    def __init__(self, make: Callable[..., AbstractContextManager[Any]], *arguments: Any) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, make, arguments))
        self._process.start()
        theirs.close()

    def begin(self, name: str, *arguments: Any) -> None:
        """A call, whose answer `answer` waits for."""
        self._connection.send((name, arguments))

    def answer(self) -> Any:
        """RuntimeError: with what was raised there. EOFError: the process ended. TimeoutError: it does not answer."""
        if not self._connection.poll(ANSWER_SECONDS):
            raise TimeoutError(f"process {self._process.pid} did not answer within {ANSWER_SECONDS} s")
        worked, value = self._connection.recv()
        if not worked:
            raise RuntimeError(value)
        return value

    def call(self, name: str, *arguments: Any) -> Any:
        self.begin(name, *arguments)
        return self.answer()

    def kill(self) -> None:
        """With SIGKILL."""
        self._process.kill()

    def close(self) -> None:
        """Have it leave what it entered, and end."""
        self._connection.close()
        self._process.join(END_SECONDS)
        self._process.kill()
        self._process.join()


class Group:
    """Workers of which one leads, and says so when it is asked `leads`."""

    def __init__(self, workers: Sequence[Worker]) -> None:
        self._workers = workers

    def wait_until_led(self) -> None:
        for worker in self._workers:
            worker.begin("leads")
        leads = [worker.answer() for worker in self._workers]
        self.leader = self._workers[leads.index(True)]
        self.follower = self._workers[leads.index(False)]

    def kill_leader(self) -> float:
        """Seconds until another wrote again."""
        killed_at = time.monotonic()
        self.leader.kill()
        seconds: float = self.follower.call("write_again", killed_at)
        return seconds

    def close(self) -> None:
        for worker in self._workers:
            worker.close()


def _serve(
    connection: Connection, make: Callable[..., AbstractContextManager[Any]], arguments: tuple[Any, ...]
) -> None:
    with make(*arguments) as made:
        while True:
            try:
                name, values = connection.recv()
            except EOFError:
                return
            try:
                answer = True, getattr(made, name)(*values)
            except Exception as error:
                answer = False, f"{type(error).__name__}: {error}"
            connection.send(answer)
