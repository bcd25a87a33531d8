"""Every timeout and limit of the core, by name. Seconds and bytes."""

from typing import Any, NamedTuple


class _Fields(NamedTuple):
    election_timeout: float = 1.0
    heartbeat_interval: float = 0.1
    lease_reads: bool = False
    clock_drift_max: float = 0.1

    # A message, and what may be under way to one follower.
    append_bytes_max: int = 256 << 10
    inflight_messages_max: int = 64
    inflight_bytes_max: int = 8 << 20
    # What one entry may hold, what all that are not committed may together, and what is applied at once.
    entry_bytes_max: int = 1 << 20
    uncommitted_bytes_max: int = 32 << 20
    apply_bytes_max: int = 1 << 20
    snapshot_chunk_bytes: int = 256 << 10
    # How long the news that something is committed may wait for entries to go with.
    news_delay: float = 0.0
    # By how many entries a learner may lag that is to vote.
    catch_up_entries_max: int = 1000
    # Reads that wait for an index, here or for a follower.
    reads_max: int = 100_000


class Options(_Fields):
    """`election_timeout` is the shortest wait for a leader; each is drawn from it to twice that (paper section 5.2).

    lease_reads  a leader that a majority has answered reads without asking again. It is right only if no node's clock
                 runs faster than another's by more than `clock_drift_max`, a fraction of elapsed time, pauses included.
    """

    def __new__(cls, **given: Any) -> "Options":
        """ValueError if the group could not work with these."""
        self = super().__new__(cls, **given)
        if not 0 < self.heartbeat_interval <= self.election_timeout / 2:
            raise ValueError("heartbeat_interval must be at most half of election_timeout")
        if not 0 <= self.clock_drift_max < 1:
            raise ValueError("clock_drift_max is a fraction below 1")
        for name, value in self._asdict().items():
            if name.endswith(("_max", "_bytes")) and name != "clock_drift_max" and value < 1:
                raise ValueError(f"{name} must be at least 1")
        return self
