"""A deletion was not written again where the newer state did not have its key. Somebody else, who was away too and had
not heard of it, still held what was deleted: it came back, or two held different states at one version.
"""

import pytest

from crdt import LWWMap


@pytest.mark.parametrize("first", ["remover", "keeper", "both"])
def test_it_stays_deleted(first: str) -> None:
    newer, keeper, remover = LWWMap("newer"), LWWMap("keeper"), LWWMap("remover")
    newer["gone"] = 1
    del newer["gone"]
    assert newer._purge(newer.version)
    keeper["key"] = 1
    remover.merge(keeper)
    del remover["key"]
    one, other = (remover, keeper) if first == "remover" else (keeper, remover)
    one = one.rebase(newer, "one")
    other = other.rebase(newer if first == "both" else one, "other")
    one.merge(other)
    other.merge(one)
    assert one.value == other.value == {}
    assert one.to_bytes() == other.to_bytes()
