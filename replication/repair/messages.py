"""What the two sides of `reconcile` say, as messages between nodes, and back.

Knows nothing of agents' states.
"""

from crdt.repair import HASH_BYTES
from replication.messages import (
    Message,
    RepairAnswer,
    RepairEnd,
    RepairEntries,
    RepairMore,
    RepairOffer,
    RepairSymbols,
)
from replication.repair import reconcile

# The messages that name a session.
OfSession = RepairOffer | RepairMore | RepairSymbols | RepairAnswer | RepairEntries | RepairEnd


def told(session: bytes, message: reconcile.Message) -> Message:
    """What a side of `reconcile` says, as a message between nodes."""
    match message:
        case reconcile.More(number=count):
            return RepairMore(session, count)
        case reconcile.Cells(symbols=symbols):
            return RepairSymbols(session, symbols)
        case reconcile.Answer(entries=entries, wanted=wanted):
            hashes = b"".join(each.to_bytes(HASH_BYTES, "little") for each in wanted or ())
            return RepairAnswer(session, entries, hashes, wanted is None)
        case reconcile.Repairs(entries=entries):
            return RepairEntries(session, entries)
        case _:
            return RepairEnd(session, "stale")


def heard(message: Message) -> reconcile.Message | None:
    """And back."""
    match message:
        case RepairMore(number=count):
            return reconcile.More(count)
        case RepairSymbols(symbols=symbols):
            return reconcile.Cells(symbols)
        case RepairAnswer(entries=entries, wanted=wanted, everything=everything):
            hashes = [wanted[at : at + HASH_BYTES] for at in range(0, len(wanted), HASH_BYTES)]
            found = tuple(int.from_bytes(each, "little") for each in hashes)
            return reconcile.Answer(entries, None if everything else found)
        case RepairEntries(entries=entries):
            return reconcile.Repairs(entries)
        case _:
            return None
