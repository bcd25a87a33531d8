"""What is rare about one update: its record, its condition, its watchers, and the errors that explain.

`access` calls these while it holds the slot's lock, or before. Knows nothing of threads or disks.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from crdt import RefusedError, VersionVector
from crdt.shown import shown
from replication import arguments
from replication.access import UpdateResult
from replication.consistency import REPLICATED, parse
from replication.errors import ConflictError, ConsistencyError, OutcomeUnknown
from replication.operations import check_op_id, decode_result, encode_result
from replication.result import Change
from replication.slot import Slot
from replication.store import Store
from replication.watch import Watch


def under_way(op_id: str) -> OutcomeUnknown:
    """What a weaker mode answers whose operation has no verdict yet."""
    return OutcomeUnknown(
        f"op_id={op_id!r} was put to the group before, and may be committed once there is one again: it was "
        "not served in another mode, which would apply it twice. Ask again later with the same op_id, in the mode "
        "'replicated', which can tell",
        op_id=op_id,
    )


class Recording:
    """A caller's function whose result is encoded inside the transaction: one that cannot be remembered undoes it.

    It is given to `keep` there: from the transaction's end on an interruption, by a signal's handler, finds both the
    change and the record.
    """

    __slots__ = ("_agent_id", "_bytes_max", "_fn", "_keep", "_op_id", "_word")

    def __init__(
        self, fn: Any, op_id: str, agent_id: str, word: str, bytes_max: int, keep: Callable[[bytes], object]
    ) -> None:
        self._fn, self._op_id, self._agent_id, self._word, self._bytes_max = fn, op_id, agent_id, word, bytes_max
        self._keep = keep

    def __call__(self, state: Any) -> Any:
        value = self._fn(state)
        version = state.version.to_bytes()
        data = encode_result(self._op_id, self._agent_id, self._word, version, value, self._bytes_max)
        answer = decode_result(data)[3]  # what every repetition of the call is answered
        self._keep(data)
        return answer


class Transactions:
    """The rare parts of updates on one store."""

    def __init__(
        self, store: Store, origin: str, operation_bytes_max: int, others: Callable[[], tuple[str, ...]]
    ) -> None:
        self._store = store
        self._origin = origin
        self._operation_bytes_max = operation_bytes_max
        self._others = others
        # The result that the log has of an operation, if it has one, and whether one may come into it; set by the node.
        self.committed: Callable[[str], bytes | None] = lambda op_id: None
        self.is_under_way: Callable[[str, str], bool] = lambda agent_id, op_id: False

    # Checked before an agent is taken; here because `access` knows no modes.
    check_read_mode = staticmethod(arguments.check_read_mode)
    check_timeout = staticmethod(arguments.seconds)

    def plan(self, consistency: Any, acks: Any, fallback: Any) -> arguments.Plan | None:
        """How an update travels, None for "reactive"; Unavailable if no mode allowed can keep its promise."""
        return arguments.plan(consistency, acks, fallback, self._others)

    def acks_in(self, word: str, acks: int | str) -> int | str:
        """What a mode that serves a call in place of another is asked for."""
        return acks if parse(word).counts_acks else 0

    def before(self, slot: Slot, op_id: str | None, expected: VersionVector | None) -> UpdateResult | None:
        """The recorded result, if there is one; ConflictError unless the agent is at `expected`.

        OutcomeUnknown if the operation was put to the group and has no verdict. With the slot's lock held, as it stays
        until the function has run: whoever goes to the group asks `served` between noting that and running.
        """
        if op_id is not None:
            check_op_id(op_id)
            # Asked in this order, for the verdict may come in between: what has one is served.
            may_be_committed = self.is_under_way(slot.agent_id, op_id)
            served = self.served(op_id)
            if served is not None:
                return self.replayed(slot.agent_id, op_id, served)
            if may_be_committed:
                raise under_way(op_id)
        if expected is not None:
            self.check_expected(slot.agent_id, slot.state.version, expected)
        return None

    def served(self, op_id: str) -> bytes | None:
        """What is recorded of an operation, in whatever mode it was served."""
        record = self._store.operations.get(op_id)
        return self.committed(op_id) if record is None else record.data

    def check_expected(self, agent_id: str, actual: VersionVector, expected: Any) -> None:
        """ConflictError unless the agent is at `expected`."""
        if not isinstance(expected, VersionVector):
            raise TypeError(
                f"expected={shown(expected)} must be the `.version` of a result or of a state, "
                f"not {type(expected).__name__}"
            )
        if actual != expected:
            raise ConflictError(
                f"agent {agent_id!r} is not at the expected version any more: expected {dict(expected)}, "
                f"found {dict(actual)}. Nothing was applied: read it again, decide again, and pass the new version",
                actual=actual,
            )

    def replayed(self, agent_id: str, op_id: str, data: bytes) -> UpdateResult:
        """The recorded result of an operation; ValueError if it was one of another agent."""
        used_for, consistency, version, value = decode_result(data)
        if used_for != agent_id:
            raise ValueError(
                f"op_id={op_id!r} was used for agent {used_for!r} and cannot name a change of agent "
                f"{agent_id!r}: make a new one for every change, such as uuid.uuid4().hex"
            )
        # Only its own node knows what a weaker mode served: nothing was agreed on, whatever is asked for now.
        outcome = "committed" if consistency == REPLICATED.word else "applied"
        return UpdateResult(value, outcome, consistency, VersionVector.from_bytes(version), 0.0, replayed=True)

    def recording(
        self, fn: Any, op_id: str, agent_id: str, word: str, keep: Callable[[bytes], object] | None = None
    ) -> Recording:
        """`fn`, with its result given to `keep` within the transaction, or else remembered here."""
        keep = keep or partial(self._store.operations.add, agent_id, op_id)
        return Recording(fn, op_id, agent_id, word, self._operation_bytes_max, keep)

    def take_back(self, slot: Slot, op_id: str) -> None:
        """The function's transaction was undone, perhaps after its result had been remembered."""
        self._store.operations.take_back(slot.agent_id, op_id)

    def refusal(self, slot: Slot, error: BaseException, word: str) -> ConsistencyError | None:
        """What a refused field means to the caller; None for any other error."""
        if not isinstance(error, RefusedError):
            return None
        return ConsistencyError(
            f"field {error.field!r} of agent {slot.agent_id!r} is declared at_least={error.at_least!r} "
            f"and refuses a {word!r} update, because its rule cannot be kept by weaker modes: "
            f"use consistency={error.at_least!r}. Nothing was applied",
            field=error.field,
            at_least=error.at_least,
        )

    def tell(self, watches: tuple[Watch, ...], slot: Slot, word: str) -> None:
        """Put what the last transaction changed into these streams."""
        state = slot.state
        version = state.version
        for field, before in state._before.items():
            after = getattr(state, field).value
            change = Change(slot.agent_id, field, before, after, self._origin, word, version)
            for watch in watches:
                watch.put(change)
