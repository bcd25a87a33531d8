"""Keys that somebody chose to make a table slow."""

import time

import pytest

from crdt import GSet


def time_to_add(start: bytes) -> float:
    s = GSet("a")
    began = time.process_time()
    for n in range(6000):
        s.add(start + n.to_bytes(8, "little"))
    return time.process_time() - began


@pytest.mark.no_sanitizer
def test_nobody_can_choose_keys_that_hash_alike() -> None:
    """These eight bytes are what a published constant of the hash cancels, so that the rest would not count."""
    chosen = (0xE7037ED1A0B428DB).to_bytes(8, "little")
    ordinary = min(time_to_add(b"ordinary") for _ in range(3))
    for keys in (chosen, b"0123456789abcdef" + chosen):
        assert min(time_to_add(keys) for _ in range(3)) < 8 * ordinary
