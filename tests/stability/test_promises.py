"""Who has answered a poll, and whom it lets tell it more."""

from crdt import GCounter, VersionVector
from replication.config import Config
from replication.growth.promises import NOTE_PREFIX, Promises

CONFIG = Config(ack_timeout_max=10.0)


def made(at: dict[str, int]) -> bytes:
    """A change of who is at this version."""
    state = GCounter("x")
    for writer, count in at.items():
        other = GCounter(writer)
        for _ in range(count):
            other.increment()
        state.merge(other)
    return state.to_bytes()


def promises(
    notes: dict[str, bytes] | None = None, held: dict[str, int] | None = None, cut: dict[str, int] | None = None
) -> Promises:
    version = VersionVector({"a~1": 2, "b~1": 1, "old~1": 1} if held is None else held)
    found = Promises(notes or {}, CONFIG, lambda agent_id: (version, VersionVector(cut or {})))
    found.peers(("a", "b"), 0.0)
    return found


ANSWER = VersionVector({"a~1": 2, "b~1": 1})
BEFORE, AFTER = made({"a~1": 1, "c~1": 3}), made({"a~1": 2, "b~1": 1, "c~1": 3})


def test_who_was_not_polled_is_let_in_once_as_far() -> None:
    found = promises()
    assert found.lets_in("c", "agent", BEFORE), "nothing has been answered"
    found.make("agent", ANSWER)
    assert found.lets_in("a", "agent", BEFORE), "who was polled has answered too"
    assert not found.lets_in("c", "agent", BEFORE)
    assert found.lets_in("c", "another", BEFORE)
    assert found.lets_in("c", "agent", AFTER)
    assert found.lets_in("c", "agent", BEFORE), "what was on its way meanwhile does no harm"


def test_a_later_poll_does_not_let_in_who_was_not_asked_before() -> None:
    found = promises()
    found.make("agent", ANSWER)
    found.peers(("a", "b", "c"), 1.0)
    found.make("agent", ANSWER)
    assert not found.lets_in("c", "agent", BEFORE)
    assert found.lets_in("a", "agent", BEFORE)


def test_a_promise_is_remembered() -> None:
    found = promises()
    found.make("agent", ANSWER)
    again = promises({note.key: note.data for note in found.take_notes()})
    assert found.take_notes() == ()
    assert not again.lets_in("c", "agent", BEFORE)
    assert not again.lets_in("a", "agent", BEFORE), "who was polled is not remembered"
    assert again.lets_in("a", "agent", AFTER)
    assert len(promises({"known": b"of something else"})) == 0


def test_nobody_is_refused_for_ever() -> None:
    found = promises()
    found.make("agent", ANSWER)
    found.peers(("a", "b", "c"), 0.0)
    assert not found.lets_in("c", "agent", BEFORE)
    found.tick(9.0)
    assert not found.lets_in("c", "agent", BEFORE)
    found.peers(("a", "b"), 9.0)
    found.peers(("a", "b", "c"), 11.0)
    assert not found.lets_in("c", "agent", BEFORE), "it was away, and could not get anything"
    found.tick(21.0)
    assert found.lets_in("c", "agent", BEFORE)


def test_names_that_were_dropped_meanwhile_are_not_asked_for() -> None:
    stored = VersionVector({**ANSWER, "old~1": 1})
    found = promises()
    found.make("agent", stored)
    assert not found.lets_in("c", "agent", AFTER)
    found = promises(held=dict(ANSWER))
    found.make("agent", stored)
    assert found.lets_in("c", "agent", AFTER)


def test_what_is_from_before_a_purge_made_here_is_left_to_be_refused_for_that() -> None:
    found = promises(cut={"a~1": 2})
    found.make("agent", ANSWER)
    assert found.lets_in("c", "agent", BEFORE)
    found = promises(cut={"a~1": 1})
    found.make("agent", ANSWER)
    assert found.lets_in("c", "agent", made({"c~1": 1}))
    assert not found.lets_in("c", "agent", BEFORE), "it is no further for that"


def test_bytes_that_cannot_be_read_are_left_to_those_who_land_them() -> None:
    found = promises()
    found.make("agent", ANSWER)
    assert found.lets_in("c", "agent", b"no delta")


def test_the_oldest_promises_go_from_memory_and_disk() -> None:
    found = promises()
    for number in range(1002):
        found.make(f"agent {number}", ANSWER)
    assert len(found) == 1000
    notes = {note.key: note.data for note in found.take_notes()}
    assert notes[f"{NOTE_PREFIX}agent 0"] == b""
    assert notes[f"{NOTE_PREFIX}agent 2"] != b""
