"""Each planted mistake is shown by what `mistakes.txt` says."""

import pytest

from tests.raft.planted import Plant, read, shows

pytestmark = pytest.mark.no_sanitizer


@pytest.mark.parametrize("plant", read(), ids=lambda plant: plant.name)
def test_it_is_shown(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    plant.plant(monkeypatch)
    for each in plant.caught.split(", "):
        kind, _, which = each.partition(" ")
        assert shows(kind, which), f"{plant.name} is not shown by {each} any more"
