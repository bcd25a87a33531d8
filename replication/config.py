"""Every limit and timeout of a node, by name and unit. What happens at each is said beside it.

`open(..., **limits)` takes any of these by name. Knows nothing of what they are used for.
"""

from math import isfinite
from typing import Any, NamedTuple

from crdt.shown import shown


class Config(NamedTuple):
    """The limits of one node. Immutable. `Config.of` checks names and values."""

    # Seconds a change may wait in memory before a flush takes it to disk. 0 flushes at once.
    flush_interval: float = 0.005
    # Seconds that changes of others, which are on their disks, may wait for a flush of their own; any
    # flush that is needed sooner takes the agents it is for, and `flush()` everything.
    merge_flush_interval: float = 0.1
    # Bytes of deltas in one transaction; what lies above goes into the next, which follows at once.
    flush_bytes_max: int = 16 << 20
    # Agents with state in memory. Above it, those not touched lately leave; they come back from
    # the store when asked for. Changed agents leave only once they are flushed.
    max_agents_in_memory: int = 10_000
    # Seconds a call waits for memory when everything in memory is changed and not yet flushed;
    # then it raises Overloaded.
    memory_wait: float = 30.0
    # UTF-8 bytes of an agent id; a longer one is a ValueError.
    agent_id_bytes_max: int = 512
    # An agent's deltas on disk are rewritten as one snapshot when they outgrow the last snapshot
    # by this factor and by `compaction_bytes_min`, or are more than `compaction_rows_max`.
    compaction_ratio: float = 1.0
    compaction_bytes_min: int = 1024
    compaction_rows_max: int = 4096
    # Bytes of write-ahead log at which it is copied into the database file and started again.
    checkpoint_bytes: int = 4 << 20
    # Bytes of small deltas that lie on disk together, by flush, before they are moved to their agents.
    journal_bytes: int = 4 << 20
    # Remembered `op_id`s; above it the oldest is forgotten, and repeating that one applies it anew.
    operations_max: int = 10_000
    # Bytes of a remembered result; a larger one is a ValueError and nothing is applied.
    operation_bytes_max: int = 64 << 10
    # Changes a watcher may lie behind; above it changes are folded, one entry an agent, and above
    # that many agents into one entry that says how many were missed.
    watch_buffer: int = 4096
    # Seconds between two probes of members by this node; one member a probe.
    probe_interval: float = 1.0
    # Seconds a probed member has to answer before others are asked to probe it; less than
    # `probe_interval`, and more than a tick or a round trip takes.
    probe_timeout: float = 0.5
    # Members that are asked to probe one that did not answer.
    indirect_probes: int = 3
    # A suspect has at least this many probe intervals, times log10 of the members, to speak up.
    suspicion_factor: int = 4
    # And this many times as long while nobody else suspects it.
    suspicion_max_factor: int = 6
    # A node that is slow itself stretches its probes, up to this many times.
    local_health_max: int = 8
    # Seconds between messages that only carry claims about members, sent while there are fresh ones.
    claim_interval: float = 0.2
    # How often a claim is passed on, times log10 of the members, rounded up.
    claim_retransmit_factor: int = 4
    # Seconds between exchanges of all that is known of members, with one of them; longer in clusters above 32.
    push_pull_interval: float = 30.0
    # Seconds that a dead or left member is remembered; and that removals are kept for a dead one.
    dead_kept: float = 86400.0
    # Members that are known of; above it the longest gone is forgotten, and claims about more are refused.
    members_max: int = 10_000
    # UTF-8 bytes of a member's metadata, keys and values; more is a ValueError, or a refused claim.
    meta_bytes_max: int = 512
    # Bytes that wait for one link to take them; a message beyond that is dropped, and anti-entropy
    # brings later what it would have brought.
    link_queue_bytes_max: int = 8 << 20
    # Seconds for which a peer may take nothing of what waits for it; then its link is closed.
    link_stall_timeout: float = 10.0
    # Seconds in which the other end of a new link must show who it is; then the link is closed.
    link_handshake_timeout: float = 5.0
    # Links that others opened to this node, and how many of them may still be unknown; whoever
    # comes above either is turned away, and tries again later.
    links_max: int = 1024
    link_strangers_max: int = 256
    # Seconds before an address that did not answer is dialled again: at random up to the first,
    # doubled each time, up to the second.
    redial_min: float = 0.05
    redial_max: float = 10.0
    # Seconds between two looks at what is due: timeouts, retries, gossip rounds. Nothing waits for it
    # that can be done at once.
    tick_interval: float = 0.05
    # Bytes of one agent's deltas that wait in memory for what they build on; more is dropped, and
    # anti-entropy brings it again.
    held_back_bytes_max: int = 4 << 20
    # Bytes of deltas in one message; a larger single delta goes alone.
    message_bytes_max: int = 256 << 10
    # Bytes of deltas that one peer was sent and did not acknowledge. Above it only the names of
    # agents are kept, and repair brings what changed.
    channel_bytes_max: int = 4 << 20
    # Seconds after which a peer that did not acknowledge is asked whether it holds what it was sent;
    # doubled while it stays silent, up to the second.
    ack_timeout: float = 1.0
    ack_timeout_max: float = 10.0
    # Seconds after which a peer that could not land a change yet is asked whether it can by now.
    miss_patience: float = 0.1
    # Agents of which one peer may lack something, by name; above it the oldest is left to
    # anti-entropy. And how many of them are asked about at once.
    behind_max: int = 10_000
    behind_asked_max: int = 256
    # Peers that a rumour is told at once, the rounds in which it is told again, by how much
    # (times log10 of the nodes, rounded up), and for how many agents there are rumours: above that
    # the oldest is dropped. A larger delta than `rumour_bytes_max` is left to anti-entropy.
    rumour_fanout: int = 3
    gossip_interval: float = 0.2
    rumour_retransmit: float = 4.0
    rumours_max: int = 10_000
    rumour_bytes_max: int = 64 << 10

    # Seconds between two checks, each with one peer at random, whether both hold the same.
    sync_interval: float = 1.0
    # Bytes of one message of such a comparison; what does not fit comes with the next check.
    sync_message_bytes: int = 64 << 10
    # Agents asked for and not come; of one peer at most half as many. More are asked for later.
    sync_asks_max: int = 1024
    # Agents loaded for one such message, to compare their versions.
    sync_loads_max: int = 256
    # Seconds after which what was asked for may be asked for again, of the same peer after twice as
    # many each time, up to the second.
    sync_ask_timeout: float = 2.0
    sync_wait_max: float = 60.0
    # Bytes a second that comparing may cost, sent and received; of one peer at most half as many.
    # What comes above it is not answered, and the next check starts anew.
    sync_bytes_per_second: int = 1 << 20
    # Sessions at once in which two nodes repair an agent that versions do not tell apart, and with one
    # peer half as many; more are begun when these are over. One that nothing is heard of for so many
    # seconds is given up, and begun again later.
    repairs_max: int = 8
    repair_timeout: float = 60.0
    # Bytes of a delta above which it goes in chunks of this size, so that others are not held up;
    # and how many chunks of one delta may be on their way.
    chunk_bytes: int = 256 << 10
    chunk_window: int = 4
    # Bytes of all deltas that are being received in chunks, and of all that are being sent; one that
    # comes above it is refused, and asked for again later.
    transfer_bytes_max: int = 1 << 30
    # Such deltas to one peer, and from one peer; likewise.
    transfers_max: int = 4
    # Seconds without an answer after which a chunk is sent again, and after which a delta is given up.
    transfer_retry: float = 1.0
    transfer_keep: float = 60.0
    # Seconds without word from who leads after which another is elected, up to twice as many; and between words.
    election_timeout: float = 1.0
    heartbeat_interval: float = 0.1
    # Share of the time by which clocks of voters may run apart, pauses of their machines included. Above 0 who leads
    # relies on it and reads without asking the others. The same on all voters.
    lease_drift_max: float = 0.0
    # Entries of the log since the last snapshot, and their bytes, above which there is another, and the log is cut; so
    # many entries, and no more bytes, are kept for members that are a little behind.
    log_entries_max: int = 10_000
    log_bytes_max: int = 16 << 20
    log_entries_kept: int = 1_000
    # Bytes of the changes that go into the log together, more is an Overloaded; and of an entry, of which it may take
    # several.
    change_bytes_max: int = 16 << 20
    entry_bytes_max: int = 1 << 20
    # Seconds between two looks at which agents hold much that only removals and old writers left behind, and
    # the entries and names above which it goes. Agents that changed since the last look; beyond that
    # many the oldest is left until it changes again.
    purge_interval: float = 30.0
    purge_min: int = 64
    purge_queue_max: int = 10_000
    # Seconds for which the writers of a node that left, or was forgotten or is dead are kept; should it
    # come back later, what it holds of them is taken for new.
    writer_kept: float = 2592000.0

    @classmethod
    def of(cls, limits: dict[str, Any]) -> "Config":
        """A config from keyword arguments; TypeError naming near matches of an unknown one, ValueError out of range."""
        for name, value in limits.items():
            if name not in cls._fields:
                raise TypeError(f"open() has no argument {name!r}: {_hint(name, cls._fields)}")
            _check(name, value, cls.__annotations__[name])
        config = cls(**limits)
        if config.lease_drift_max >= 1:
            raise ValueError(f"lease_drift_max={config.lease_drift_max!r} must be less than 1, the share of a whole")
        if 2 * config.heartbeat_interval > config.election_timeout:
            raise ValueError(
                f"heartbeat_interval={config.heartbeat_interval!r} must be at most half of "
                f"election_timeout={config.election_timeout!r}: who leads would be taken for dead. Give both"
            )
        if not _ENTRY_BYTES[0] <= config.entry_bytes_max <= _ENTRY_BYTES[1]:
            raise ValueError(
                f"entry_bytes_max={config.entry_bytes_max!r} must be from {_ENTRY_BYTES[0]} to {_ENTRY_BYTES[1]}: it "
                "travels in one message. How much one call may change is change_bytes_max"
            )
        return config


# Of which an entry of the log may be.
_ENTRY_BYTES = 512, 2 << 20
# Of whole numbers: more fits into no file, no clock and no column.
_WHOLE_MAX = (1 << 63) - 1
_MAY_BE_ZERO = frozenset(
    {"flush_interval", "merge_flush_interval", "compaction_bytes_min", "compaction_ratio", "lease_drift_max"}
)
# Without which time does not pass.
_IS_FINITE = frozenset({"tick_interval", "heartbeat_interval", "election_timeout", "probe_interval", "probe_timeout"})


def _check(name: str, value: Any, kind: type) -> None:
    accepted = (int, float) if kind is float else (int,)
    if isinstance(value, bool) or not isinstance(value, accepted):
        expected = "a number" if kind is float else "a whole number"
        raise TypeError(f"{name}={shown(value)} must be {expected}, not {type(value).__name__}")
    if isinstance(value, int) and value > _WHOLE_MAX:
        raise ValueError(f"{name} must be at most {_WHOLE_MAX}, and was given a number of {value.bit_length()} bits")
    if name in _MAY_BE_ZERO:
        if not value >= 0:  # NaN fails too
            raise ValueError(f"{name}={shown(value)} must be 0 or more")
    elif not value > 0:
        raise ValueError(f"{name}={shown(value)} must be more than 0")
    if name in _IS_FINITE and not isfinite(value):
        raise ValueError(f"{name}={shown(value)} must be finite: a node that never looks what is due does nothing")


def _hint(name: str, known: tuple[str, ...]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, known, n=3, cutoff=0.5)
    return f"did you mean {' or '.join(near)}?" if near else f"the limits are {', '.join(known)}"
