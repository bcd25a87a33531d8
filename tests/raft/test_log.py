"""The log in memory against a list, and what is counted of it."""

from random import Random

from replication.raft.log import DATA, ENTRY_BYTES, Entry, Log
from replication.raft.messages import Appended
from replication.raft.writes import Writes


def test_a_log_is_what_a_list_would_be() -> None:
    for seed in range(30):
        random = Random(seed)
        log, model, term = Log(0, 0), [Entry(0, DATA, b"")], 1  # the model keeps what was compacted
        for _ in range(200):
            log.durable = log.handed = random.randint(log.durable, log.last)
            match random.randrange(4):
                case 0 | 1:
                    term += random.random() < 0.3
                    new = [Entry(term, DATA, bytes(random.randrange(9))) for _ in range(random.randrange(4))]
                    log.append(new)
                    model += new
                case 2 if log.last > log.offset:
                    first = random.randint(log.offset + 1, log.last)
                    log.truncate(first)
                    del model[first:]
                    term = max(term, log.last_term)
                case 3:
                    log.compact(random.randint(log.offset, log.durable))
            compare(log, model, random)


def compare(log: Log, model: list[Entry], random: Random) -> None:
    log.check_invariants()
    assert log.last == len(model) - 1 and log.last_term == model[-1].term
    for index in range(log.last + 2):
        inside = log.offset <= index <= log.last
        assert log.term(index) == (model[index].term if inside else -1)
    sizes = [len(entry.data) + ENTRY_BYTES for entry in model]
    if log.last > log.offset:
        first = random.randint(log.offset + 1, log.last)
        last, limit = random.randint(first, log.last + 2), random.choice([0, 20, 60, 10_000])
        taken = list(log.between(first, last, limit))
        assert taken == model[first : first + len(taken)] and first + len(taken) - 1 <= last
        assert len(taken) == 1 or sum(sizes[first : first + len(taken)]) <= limit
        more = first + len(taken)
        assert more > min(last, log.last) or sum(sizes[first : more + 1]) > limit
        assert log.bytes_after(first) == sum(sizes[first + 1 :])
        low = log.first_within(last := min(last, log.last), limit)
        assert sum(sizes[low + 1 : last + 1]) <= limit
        assert low == log.offset or sum(sizes[low : last + 1]) > limit
        term = random.randint(0, log.last_term + 1)
        below = [index for index in range(log.offset + 1, first + 1) if model[index].term <= term]
        assert log.last_of_term(first, term) == max(below, default=log.offset)
    assert log.bytes == sum(sizes[log.offset + 1 :])


def test_a_message_waits_for_its_write_and_for_no_other() -> None:
    writes = Writes()
    messages = [Appended(1, at, False, 0, 0) for at in range(3)]
    for number, message in enumerate(messages, 1):
        assert writes.add(10 * number, 0.0) == number
        writes.hold(number, "b", message)
    assert writes.release() == []
    assert writes.report(2) == 20 and writes.report(2) == 0
    assert [send.message for send in writes.release()] == messages[:2]
    writes.truncate(25)
    assert writes.report(3) == 24
    assert [send.message for send in writes.release()] == messages[2:]


def test_a_disk_hangs_by_its_oldest_write() -> None:
    writes = Writes()
    assert not writes.is_stuck(99.0, 1.0)
    writes.add(1, 0.0)
    writes.add(2, 0.9)
    assert not writes.is_stuck(1.0, 1.0) and writes.is_stuck(1.1, 1.0)
    writes.report(1)
    assert not writes.is_stuck(1.1, 1.0) and writes.is_stuck(2.0, 1.0)
