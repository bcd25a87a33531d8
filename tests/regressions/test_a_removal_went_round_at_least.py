"""A weaker update removed a whole child of a map, and so what its field, `at_least="replicated"`, held."""

import pytest

import replication
from crdt import Composite, GCounter, ORMap, PNCounter, RefusedError, field


class Account(Composite):
    notes: GCounter
    balance: PNCounter = field(at_least="replicated")


class Branch(Composite):
    name: GCounter
    safe: Account


class Bank(Composite):
    accounts: ORMap = field(of=Account)
    branches: ORMap = field(of=Branch)
    tallies: ORMap = field(of=GCounter)
    vault: Account


def fill(bank: Bank) -> None:
    bank.accounts["x"].balance.increment(5)
    bank.branches["x"].safe.balance.increment(5)
    bank.tallies["x"].increment()


@pytest.mark.parametrize("name", ["accounts", "branches"])
@pytest.mark.parametrize("rank", range(4))
def test_a_removal_asks_the_strictest_field_below(name, rank):
    bank = Bank("a")
    fill(bank)
    was = bank.to_bytes()

    def remove(state):
        del getattr(state, name)["x"]

    if rank == 3:
        bank._transact(remove, rank)
        assert "x" not in getattr(bank, name)
        return
    with pytest.raises(RefusedError, match=rf"{name}\['x'\]: .*balance.*at_least='replicated'") as refused:
        bank._transact(remove, rank)
    assert (refused.value.field, refused.value.at_least) == ("balance", "replicated")
    assert bank.to_bytes() == was


def test_what_nobody_restricts_is_removed_in_any_mode():
    bank = Bank("a")
    fill(bank)
    bank._transact(lambda s: s.tallies.__delitem__("x"), 0)
    bank._transact(lambda s: s.accounts["x"].notes.increment(), 0)
    assert bank.tallies.value == {}


def test_a_restricted_field_below_an_open_one_refuses_too():
    bank, accounts = Bank("a"), ORMap("a", of=Account)
    with pytest.raises(RefusedError):
        bank._transact(lambda s: s.vault.balance.increment(), 0)
    with pytest.raises(RefusedError):
        accounts._transact(lambda s: s["x"].balance.increment(), 0)
    assert dict(bank.version) == dict(accounts.version) == {}


def test_a_node_refuses_it():
    with replication.open(schema=Bank) as node:
        node.update_state("a", fill, "replicated")
        with pytest.raises(replication.ConsistencyError, match="balance"):
            node.update_state("a", lambda s: s.accounts.__delitem__("x"), "crdt_enhanced")
        assert node.read_state("a").accounts["x"].balance.value == 5
