"""How long a suspect has to speak up."""

import pytest

from replication.config import Config
from replication.gossip.suspicion import Suspicion


def test_suspicion_ends_sooner_with_every_accuser_of_its_own() -> None:
    suspicion = Suspicion("a", 0.0, 100, Config())
    ends = [suspicion.ends_at]
    for accuser in ("a", "b", "b", "c", "d"):
        suspicion.confirm(accuser)
        ends.append(suspicion.ends_at)
    assert ends == pytest.approx([48.0, 48.0, 22.7628, 22.7628, 8.0, 8.0], abs=1e-3)


def test_where_nobody_can_confirm_the_least_time_is_all() -> None:
    assert Suspicion("a", 0.0, 2, Config()).ends_at == 4.0
