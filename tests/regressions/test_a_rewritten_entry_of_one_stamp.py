"""Of two entries of one stamp the greater writer's counts. A rebase compared the name that an entry had been written
under, and gave it another one; those who merged it compared that, and kept the other entry.

An entry gets another name where both sides have purged.
"""

import pytest

from crdt import LWWMap, RetiredError


@pytest.mark.parametrize("new_name", ["b", "y"])
def test_who_rebased_and_who_merges_that_agree(new_name):
    now = [1_000_000]
    a, away = (LWWMap(name, clock=lambda: now[0]) for name in ("m", "z"))
    a["old"] = away["old"] = 1
    for state in (a, away):
        del state["old"]
        state._purge(state.version, {})
    now[0] += 1000
    a["key"], away["key"] = "of m", "of z"
    with pytest.raises(RetiredError):
        a.merge(away)
    back = away.rebase(a.to_bytes(), new_name)
    a.merge(back)
    assert a.to_bytes() == back.to_bytes()
    assert a["key"] == ("of m" if new_name < "m" else "of z")
