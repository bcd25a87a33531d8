"""What the disk has been given and has not reported, and the messages that wait for it.

A promise leaves only when it is durable: a term and a vote (paper section 5.2: "persistent state, updated on stable
storage before responding"), entries before they are acknowledged. Writes are numbered and become durable in order, so a
message waits for a number.

A report says that entries up to some index are durable *as they were when the write was made*. If later entries have
replaced them in the log, it must not count for those: `truncate` takes back what outstanding writes stand for.
"""

from collections import deque

from replication.raft.messages import Message
from replication.raft.ready import Send


class Writes:
    __slots__ = ("_held", "_pending", "done", "made")

    def __init__(self) -> None:
        self.made = 0  # the number of the newest write
        self.done = 0  # all up to this one are durable
        self._pending: deque[tuple[int, int, float]] = deque()  # number, last index it makes durable, since when
        self._held: deque[tuple[int, Send]] = deque()

    def add(self, last: int, now: float) -> int:
        """A write was made, after which the log is durable up to `last`."""
        self.made += 1
        self._pending.append((self.made, last, now))
        return self.made

    def truncate(self, first: int) -> None:
        """Entries from `first` on have gone from the log."""
        if self._pending:
            self._pending = deque((number, min(last, first - 1), since) for number, last, since in self._pending)

    def report(self, number: int) -> int:
        """All writes up to that one are durable; up to which index of the log that is, 0 if nothing is new."""
        assert number <= self.made
        durable = 0
        while self._pending and self._pending[0][0] <= number:
            durable = max(durable, self._pending.popleft()[1])
        self.done = max(self.done, number)
        return durable

    def hold(self, number: int, peer: str, message: Message) -> None:
        """Send it once that write, which may be the next to be made, is durable."""
        self._held.append((number, Send(peer, message)))

    def release(self) -> list[Send]:
        """The messages whose writes are durable, in their order."""
        if not self._held:
            return []
        free = [send for number, send in self._held if number <= self.done]
        if free:
            self._held = deque(each for each in self._held if each[0] > self.done)
        return free

    def is_stuck(self, now: float, patience: float) -> bool:
        """Whether the disk has not done a write for longer than that."""
        return bool(self._pending) and now - self._pending[0][2] > patience
