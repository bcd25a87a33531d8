"""The modes: four ways to carry one change, and what each of them promises the caller.

One state, four ways: whatever the mode, a change is a delta that ends in `merge`, so any mixture
of modes on one agent converges. The modes are ordered by strength; a field declared with
`at_least=` refuses every mode below it, because a read-check-write rule cannot be kept by a mixture.

Knows nothing of nodes, disks or networks.
"""

from collections.abc import Iterable
from typing import NamedTuple


class Mode(NamedTuple):
    """One row of the table: its word, its rank among the modes, and its promise."""

    word: str
    rank: int
    counts_acks: bool
    promise: str


REACTIVE = Mode(
    "reactive",
    0,
    False,
    """Told to nobody: the change travels with the agent's next change in another mode, or is found by comparing.

    Returns when: it is applied in memory; with `durable=True`, when it is on disk.
    Survives a crash: once on disk, that is within `flush_interval` and the time of one flush; with
    `durable=True`, from the moment the call returns.
    A reader may see: on this node, always the caller's own writes, at once, on every thread; on
    another node, an older state.""",
)
EVENTUALLY_CONSISTENT = Mode(
    "eventually_consistent",
    1,
    False,
    """Gossip: told to a few peers, who tell others; repaired by anti-entropy.

    Returns when: durable here and handed to gossip.
    Survives a crash: of this node, from the moment the call returns.
    A reader may see: elsewhere, an older state for a while; in the end, this change or a newer one.""",
)
CRDT_ENHANCED = Mode(
    "crdt_enhanced",
    2,
    True,
    """Sent straight to every replica of the agent and merged there.

    Returns when: durable here; with `acks=n`, `"majority"` or `"all"`, durable there too.
    Survives a crash: what n others acknowledged survives the loss of any n machines.
    A reader may see: strong eventual consistency: replicas that received the same changes are equal.""",
)
REPLICATED = Mode(
    "replicated",
    3,
    False,
    """Through the Raft log.

    Returns when: committed by a majority's disks and applied here.
    Survives a crash: of any minority of the voters.
    A reader may see: a reader in this mode, linearizable per agent: every change that was committed
    before the read began.""",
)

MODES: tuple[Mode, ...] = (REACTIVE, EVENTUALLY_CONSISTENT, CRDT_ENHANCED, REPLICATED)

# The words of the original design.
ALIASES: dict[str, str] = {"eventual": "crdt_enhanced", "strong": "replicated"}

_BY_WORD = {mode.word: mode for mode in MODES}
_BY_WORD |= {alias: _BY_WORD[word] for alias, word in ALIASES.items()}


def parse(word: object, argument: str = "consistency") -> Mode:
    """The mode a word or an alias names; ValueError listing all words for any other."""
    mode = _BY_WORD.get(word) if isinstance(word, str) else None
    if mode is None:
        words = ", ".join(repr(mode.word) for mode in MODES)
        aliases = ", ".join(f"{alias!r} for {word!r}" for alias, word in ALIASES.items())
        raise ValueError(f"{argument}={word!r} is not a mode: use one of {words} (or {aliases})")
    return mode


def parse_fallback(words: object, asked: Mode) -> tuple[Mode, ...]:
    """The modes that may serve a call instead of `asked`, each weaker than it, in the order given."""
    if isinstance(words, str) or not isinstance(words, Iterable):
        raise TypeError(f'fallback={words!r} must be a sequence of modes, such as fallback=("crdt_enhanced",)')
    modes = tuple(parse(word, "fallback") for word in words)
    for mode in modes:
        if mode.rank >= asked.rank:
            raise ValueError(
                f"fallback={mode.word!r} is not weaker than consistency={asked.word!r}: "
                "a fallback gives up a promise that cannot be kept now, so name a weaker mode or none"
            )
    return modes
