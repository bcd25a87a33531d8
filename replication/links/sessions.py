"""The links of a node with what is known of their other ends, and which of them is used.

Pure bookkeeping: what becomes of a link is decided in `links`.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from replication.links.handshake import HEADER_BYTES, Greeting
from replication.messages import Hello, Refused
from replication.transport import Link

GREETING, CONTESTED, UP, RETIRING = "greeting", "contested", "up", "retiring"
# Names of which traffic is remembered while they are not linked; above it the longest known goes.
_TRAFFIC_NAMES_MAX = 4096


class Traffic:
    """What went over the links to one node, in frames and their bytes, and what found no room."""

    __slots__ = ("bytes_in", "bytes_out", "dropped", "frames_in", "frames_out")

    def __init__(self) -> None:
        self.frames_in = self.frames_out = self.bytes_in = self.bytes_out = self.dropped = 0

    def add(self, other: "Traffic") -> None:
        """Count what another one counted."""
        for field in self.__slots__:
            setattr(self, field, getattr(self, field) + getattr(other, field))

    def status(self) -> dict[str, int]:
        return {field: getattr(self, field) for field in self.__slots__}


class Endings:
    """Why links ended: how often for each reason, and what there was to say the last time."""

    __slots__ = ("_counts", "_last", "early_frames")

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._last: dict[str, str] = {}
        # Messages on links that had not accepted their other end yet: lost, and nobody's fault.
        self.early_frames = 0

    def count(self, reason: str, address: str, detail: str) -> None:
        """One more. The reasons are few: none is made of what comes from outside."""
        self._counts[reason] += 1
        self._last[reason] = f"{address}: {detail}" if detail else address

    def status(self) -> dict[str, Any]:
        return {
            "ended": dict(sorted(self._counts.items())),
            "last": dict(sorted(self._last.items())),
            "early_frames": self.early_frames,
        }


class Session:
    """A link, from its opening to its end.

    serial      which of the links that its dialling end opened
    theirs      what the other end said of itself; None before, and until it is found to be right
    question    the number of the other end's last question, 0 if it has asked none
    asked       the number of this end's last question, and `asked_at` when
    challenged  the question from which on an answer proves that the other end lives
    prefix      what goes before a message to it, and `expected` what must stand before one from it;
                empty until it is accepted
    deadline    when its state ends; None if it does not by itself
    since       when it was opened or, once it is, when it came up
    """

    __slots__ = (
        "asked",
        "asked_at",
        "challenged",
        "deadline",
        "expected",
        "link",
        "prefix",
        "question",
        "serial",
        "since",
        "state",
        "theirs",
        "traffic",
    )
    header_bytes = HEADER_BYTES

    def __init__(self, link: Link, serial: int, now: float) -> None:
        self.link = link
        self.serial = serial
        self.state = GREETING
        self.theirs: Hello | None = None
        self.question = self.asked = self.challenged = 0
        self.asked_at = self.since = now
        self.prefix = self.expected = b""
        self.deadline: float | None = None
        self.traffic = Traffic()

    @property
    def name(self) -> str:
        """Who is at the other end; "" before that is known."""
        return self.theirs.name if self.theirs is not None else ""

    @property
    def is_up(self) -> bool:
        """Whether messages come out of it."""
        return self.state in (UP, RETIRING)

    def ask(self, own: Hello, now: float) -> None:
        """Say who this node is, and ask for an answer."""
        self.asked += 1
        self.asked_at = now
        self._greet(own, asks=self.asked)

    def answer(self, own: Hello) -> None:
        """Answer the last question: the other end is accepted."""
        if self.question:
            self._greet(own, answers=self.question)

    def refuse(self, refused: Refused) -> None:
        """Tell the other end why it is not wanted."""
        self._greet(refused)

    def _greet(self, message: Hello | Refused, asks: int = 0, answers: int = 0) -> None:
        serial = self.serial if self.link.dialled else 0
        self.put(Greeting(message, serial & 0xFFFFFFFF, asks & 0xFFFFFFFF, answers & 0xFFFFFFFF).pack())

    def send(self, payload: bytes) -> bool:
        """Queue a message; False if there is no room."""
        return self.put(self.prefix + payload)

    def put(self, frame: bytes) -> bool:
        """Queue a frame; False if there is no room."""
        if not self.link.send(frame):
            self.traffic.dropped += 1
            return False
        self.traffic.frames_out += 1
        self.traffic.bytes_out += len(frame)
        return True


class Sessions:
    """All of them, by link and by name. `restless` are those that time changes."""

    def __init__(self, own_name: str) -> None:
        self._own_name = own_name
        self._by_link: dict[Link, Session] = {}
        self._by_name: dict[str, list[Session]] = {}
        self._traffic: dict[str, Traffic] = {}
        self.restless: dict[Session, None] = {}
        self.current: dict[str, Session] = {}  # the one to send on, of those that are up

    def __iter__(self) -> Iterator[Session]:
        return iter(self._by_link.values())

    def __len__(self) -> int:
        return len(self._by_link)

    def at(self, link: Link) -> Session | None:
        return self._by_link.get(link)

    def add(self, session: Session) -> None:
        self._by_link[session.link] = session
        self.restless[session] = None

    def identify(self, session: Session, hello: Hello) -> None:
        """Its other end has said who it is."""
        session.theirs = hello
        self._by_name.setdefault(hello.name, []).append(session)
        # From now on it counts for that node, over all links.
        traffic = self._traffic.pop(hello.name, None) or Traffic()
        traffic.add(session.traffic)
        session.traffic = self._traffic[hello.name] = traffic
        if len(self._traffic) > _TRAFFIC_NAMES_MAX:
            oldest = next((name for name in self._traffic if name not in self._by_name), None)
            self._traffic.pop(oldest or "", None)

    def remove(self, session: Session) -> None:
        del self._by_link[session.link]
        self.restless.pop(session, None)
        if session.theirs is not None:
            same = self._by_name[session.name]
            same.remove(session)
            if not same:
                del self._by_name[session.name]

    def clear(self) -> None:
        for table in (self._by_link, self._by_name, self.restless, self.current):
            table.clear()

    def rivals(self, session: Session) -> list[Session]:
        """Those that lead to another run of the same node, or to another node of its name."""
        theirs = session.theirs
        assert theirs is not None
        return [other for other in self._by_name[theirs.name] if other.theirs and other.theirs.boot != theirs.boot]

    def choose(self, name: str, retire_at: float) -> None:
        """Let the best of those to a node be the one to send on, and the others end at `retire_at`."""
        up = [each for each in self._by_name.get(name, ()) if each.is_up]
        if not up:
            self.current.pop(name, None)
            return
        # Both ends agree: what the smaller name dialled, and of these what was dialled last.
        best = max(up, key=lambda each: (each.link.dialled == (self._own_name < name), each.serial))
        self.current[name] = best
        for session in up:
            if session is best:
                session.state, session.deadline = UP, None
                self.restless.pop(session, None)
            elif session.state == UP:
                session.state, session.deadline = RETIRING, retire_at
                self.restless[session] = None

    def status(self) -> dict[str, dict[str, Any]]:
        """Of every node that is linked: where, since which run, and what went over all links to it so far."""
        return {name: self._status_of(self.current[name]) for name in sorted(self.current)}

    def _status_of(self, session: Session) -> dict[str, Any]:
        assert session.theirs is not None
        return {
            "address": session.link.address,
            "dialled": session.link.dialled,
            "version": session.expected[0],
            "incarnation": session.theirs.incarnation,
            **session.traffic.status(),
        }
