"""Which addresses to dial, and when to try again.

A seed is an address that was given to the node: it is dialled until the node there is linked, over
whichever link. An address that was learnt of a named node is dialled when something is to be sent
to it. After a failure each waits for a random time below a bound that doubles ("full jitter":
Brooker, Exponential Backoff And Jitter, 2015), so that a thousand nodes do not come back at once.

Pure: time and randomness are given.
"""

from collections.abc import Container, Iterable
from random import Random

from replication.config import Config
from replication.links.handshake import Refusal

# Beyond it the bound has long reached its limit.
_DOUBLINGS_MAX = 32


class Target:
    """One address.

    name     who was found there last
    busy     it is being dialled, or what was dialled is still a link
    mine     it leads to this node itself, and is never dialled again
    trouble  what went wrong last; None since it was last linked
    """

    __slots__ = ("address", "busy", "failures", "mine", "name", "not_before", "seed", "trouble")

    def __init__(self, address: str, *, seed: bool) -> None:
        self.address = address
        self.name: str | None = None
        self.seed = seed
        self.busy = self.mine = False
        self.failures = 0
        self.not_before = 0.0
        self.trouble: Refusal | None = None


class Targets:
    """All addresses of one node."""

    def __init__(self, seeds: Iterable[str], random: Random, limits: Config) -> None:
        self._random, self._limits = random, limits
        self._by_address = {seed: Target(seed, seed=True) for seed in seeds}
        self._seeds = list(self._by_address.values())
        self._sought: dict[str, None] = {}
        self._by_name: dict[str, Target] = {}

    def at(self, address: str) -> Target | None:
        """The target at an address."""
        return self._by_address.get(address)

    def of(self, name: str) -> Target | None:
        """The target where a node is thought to be."""
        return self._by_name.get(name)

    def seek(self, addresses: Iterable[str]) -> None:
        """These are seeds, too, from now on; those that this was told before and is not any more are none. O(seeds)."""
        wanted = dict.fromkeys(addresses)
        for address in [address for address in self._sought if address not in wanted]:
            del self._sought[address]
            target = self._by_address.pop(address)
            self._seeds.remove(target)
            self._by_name = {name: each for name, each in self._by_name.items() if each is not target}
        for address in wanted:
            if address not in self._by_address:
                self._sought[address] = None
                target = self._by_address[address] = Target(address, seed=True)
                self._seeds.append(target)

    def learn(self, name: str, address: str) -> None:
        """A node is at this address now; "" if nowhere."""
        old = self._by_name.get(name)
        if old is not None and old.address == address:
            return
        self.forget(name)
        if address:
            target = self._by_address.get(address)
            if target is None:
                target = self._by_address[address] = Target(address, seed=False)
            self._by_name[name] = target

    def forget(self, name: str) -> None:
        """There is no such node any more; a seed is kept. O(nodes)."""
        target = self._by_name.pop(name, None)
        if target is not None and not target.seed and target not in self._by_name.values():
            del self._by_address[target.address]

    def due(self, now: float, linked: Container[str]) -> list[Target]:
        """The seeds to dial now."""
        return [target for target in self._seeds if may_dial(target, now) and target.name not in linked]

    def unmet(self) -> tuple[str, ...]:
        """The seeds where nobody was found yet; one that leads to this node itself is none."""
        return tuple(target.address for target in self._seeds if target.name is None and not target.mine)

    def failed(self, target: Target, now: float, trouble: Refusal | None, *, patient: bool = False) -> None:
        """It did not become a link, or is none any more. `patient`: trying again at once is of no use."""
        target.busy = False
        target.trouble = trouble
        limits = self._limits
        if patient:
            target.not_before = now + limits.redial_max * (1 + self._random.random()) / 2
        else:
            bound = min(limits.redial_max, limits.redial_min * 2.0 ** min(target.failures, _DOUBLINGS_MAX))
            target.not_before = now + bound * self._random.random()
        target.failures += 1

    def reached(self, target: Target, name: str) -> None:
        """It became a link to that node."""
        target.trouble = None
        target.name = name
        self._by_name.setdefault(name, target)

    def hurry(self) -> None:
        """What stood in the way may be gone: try all again."""
        for target in self._by_address.values():
            target.not_before = 0.0

    def troubles(self) -> dict[str, Refusal]:
        """What is wrong at each address where something is."""
        return {address: target.trouble for address, target in self._by_address.items() if target.trouble is not None}


def may_dial(target: Target, now: float) -> bool:
    """Whether it makes sense to dial an address now."""
    return not target.busy and not target.mine and now >= target.not_before
