"""What must hold at every moment, watched from outside of the nodes.

The observer sees what disks commit, what goes over the wire and what clients are promised, and keeps
its own account of it:

1. What leaves a node is on its disk: no message carries or claims more of an agent than its sender's
   disk holds.
2. A dot names one change for ever: no two operations are given the same one.
3. Equal versions are equal states: whatever disk commits them, their digests agree; and what a disk holds is what
   its parts come to, also when they are put together elsewhere.
4. A promise is true when it is made: what n others acknowledged is on their disks at that moment.
5. A disk never goes back, and a restart reads what the disk held.
6. Nothing goes wrong inside: no exception ends a node but a broken disk.
7. Nobody is purged without: whoever is a member can be merged with, whatever the others have purged.
8. What happens is bounded: nodes do not keep each other busy with nothing.
"""

from typing import Any

from crdt import VersionVector
from crdt.version import span_of
from replication.changes import NO_NEWS, RETIRED
from replication.identity import node_of
from replication.links.handshake import HEADER_BYTES, is_greeting
from replication.messages import Deltas, Holdings, RepairOffer, Rumours, decode, encode
from replication.simulation.cluster import Cluster
from replication.simulation.ledger import Operation, Violation
from replication.storage import Batch, Part

# The first byte of the messages that say something of agents' versions.
_TELLING = {
    encode(message)[0]
    for message in (
        Deltas(0, (), False), Rumours(()), Holdings((), False, False), RepairOffer(b"", "", b"", b"", b"")
    )
}  # fmt: skip


class Observer:
    """Watches a cluster from its start. Violation is raised by the event in which it was seen, at its end."""

    def __init__(self, cluster: Cluster, events_max: int) -> None:
        self._cluster = cluster
        self._events_max = events_max
        # By host and agent: the state that its disk holds, put together here once more.
        self._disks: dict[str, dict[str, Any]] = {name: {} for name in cluster.names}
        self._digests: dict[tuple[str, bytes], bytes] = {}
        self._violations: list[str] = []
        self._failures = cluster.world.failures
        self._dots: dict[tuple[str, str, int], int] = {}
        self._cuts: dict[str, int] = {}
        # By host and agent: under what other name it wrote again what it alone had.
        self._rewritten: dict[tuple[str, str], VersionVector] = {}
        # How often each was looked at; a watch that never sees anything watches nothing.
        self.looks = {"commits": 0, "deltas": 0, "claims": 0, "promises": 0, "restarts": 0, "purges": 0, "rebases": 0}
        for name, host in cluster.hosts.items():
            host.disk.committed.append(lambda batch, name=name: self._committed(name, batch))  # type: ignore[misc]
        cluster.network.sent.append(self._sent)
        cluster.started.append(self._started)
        cluster.world.watch.append(self._look)

    # Disks

    def _committed(self, name: str, batch: Batch) -> None:
        for part in batch.parts:
            self.looks["commits"] += 1
            self._part_committed(name, part)

    def _part_committed(self, name: str, part: Part) -> None:
        disk = self._disks[name]
        state = disk.setdefault(part.agent_id, self._cluster.schema("observer"))
        before, cut = state.version, state._cut
        landing = state._land(part.data, False)
        # What it wrote itself was written again, though it may keep its names: a waited for one is never behind.
        was_behind = not state._cut <= before and any(node_of(writer) == name for writer in before)
        if part.snapshot and landing >= RETIRED:
            state = disk[part.agent_id] = self._cluster.schema.from_bytes(part.data, replica="observer")
        if part.snapshot and (landing >= RETIRED or was_behind):
            self._rebased(name, part.agent_id, before, cut, state.version)
        elif landing > NO_NEWS:
            raise Violation(f"the disk of {name}: a part of agent {part.agent_id!r} builds on what is not there")
        after = state.version
        if state.digest() != part.digest:
            raise Violation(f"the disk of {name}: agent {part.agent_id!r} is not what its parts come to")
        if sum(state._cut.values()) > self._cuts.get((part.agent_id), 0):
            self._cuts[part.agent_id] = sum(state._cut.values())
            self.looks["purges"] += 1
        key = part.agent_id, after.to_bytes()
        if self._digests.setdefault(key, part.digest) != part.digest:
            raise Violation(
                f"the disk of {name}: agent {part.agent_id!r} at version {dict(after)} is not what another disk "
                "holds at that version: a dot has two meanings, or a merge lost something"
            )

    def _rebased(
        self, name: str, agent_id: str, before: VersionVector, cut: VersionVector, after: VersionVector
    ) -> None:
        """What a disk held could not be merged any more; what it alone had, the ledger looks for at the end."""
        self.looks["rebases"] += 1
        cluster = self._cluster
        # Who left and comes back may know names that all others have dropped: then either side may give way.
        is_apart = cluster.left and not cut <= after
        if name not in cluster.left and not is_apart and cluster.config.dead_kept > cluster.world.now:
            raise Violation(f"node {name} was waited for, and agent {agent_id!r} was purged of what it needs")
        news = {writer: count for writer, count in after.items() if writer not in before}
        again = {writer: count for writer, count in news.items() if node_of(writer) == name}
        self._rewritten[name, agent_id] = VersionVector(again)

    def _started(self, name: str) -> None:
        """Of a few agents, what a restarted node reads must be what its disk held."""
        self.looks["restarts"] += 1
        node = self._cluster[name]
        for agent_id, state in list(self._disks[name].items())[:3]:
            version, digest = state.version, state.digest()
            read = node.read_state(agent_id, lambda state: (state.version, state.digest()))
            if read != (version, digest):
                raise Violation(
                    f"node {name} restarted: agent {agent_id!r} is at {dict(read[0])}, its disk held {dict(version)}"
                )

    # The wire

    def _sent(self, source: str, target: str, frame: bytes) -> None:
        if is_greeting(frame) or frame[HEADER_BYTES] not in _TELLING:
            return
        message = decode(frame[HEADER_BYTES:])
        if isinstance(message, Deltas | Rumours):
            for item in message.items:
                self.looks["deltas"] += 1
                if item.delta:
                    self._left(source, item.agent_id, span_of(item.delta)[1], "sent")
        elif isinstance(message, Holdings | RepairOffer):
            for claim in message.holdings if isinstance(message, Holdings) else (message,):
                if claim.version:
                    self.looks["claims"] += 1
                    self._left(source, claim.agent_id, VersionVector.from_bytes(claim.version), "claimed to have")

    def _left(self, source: str, agent_id: str, version: VersionVector, did: str) -> None:
        held = self._disks[source].get(agent_id)
        if held is None or not version <= held.version:
            # Not raised here: it would look like an error of the node's, and be caught by it.
            self._violations.append(
                f"node {source} {did} agent {agent_id!r} at {dict(version)} while its disk held "
                f"{dict(held.version) if held else 'nothing'} of it"
            )

    # Clients

    def acknowledged(self, operation: Operation, version: VersionVector, acks: int) -> None:
        """A client was told: after its operation the agent is at `version`, and so many others have it."""
        self.looks["promises"] += 1
        agent_id, writer = operation.agent_id, operation.writer
        count = version.get(writer, 0)
        for number in range(operation.count_before + 1, count + 1):
            first = self._dots.setdefault((agent_id, writer, number), operation.number)
            if first != operation.number:
                raise Violation(
                    f"operations {first} and {operation.number} on agent {agent_id!r} have one dot, {writer} {number}"
                )
        if not operation.kept:
            return
        needed = VersionVector({writer: count})
        if not self._holds(operation.node, agent_id, needed):
            needed = self._rewritten.get((operation.node, agent_id), needed)
        holders = [name for name in self._disks if self._holds(name, agent_id, needed)]
        others = [name for name in holders if name != operation.node]
        if operation.node not in holders or len(others) < acks:
            raise Violation(
                f"operation {operation.number} on agent {agent_id!r} was promised to be on {acks} other disks, "
                f"and is on those of {', '.join(holders) or 'nobody'}"
            )

    def _holds(self, name: str, agent_id: str, version: VersionVector) -> bool:
        held = self._disks[name].get(agent_id)
        return held is not None and version <= held.version

    # Nodes

    def _look(self) -> None:
        """After every event."""
        if self._cluster.world.events > self._events_max:
            raise Violation(f"{self._events_max} events, and no end: the nodes keep each other busy")
        if self._violations:
            raise Violation(self._violations[0])
        if self._failures:
            who, error = self._failures[0]
            raise error if isinstance(error, Violation) else Violation(f"{who} let out {error!r}") from error
