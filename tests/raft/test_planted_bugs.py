"""Each planted mistake is shown by what `mistakes.txt` says."""

import pytest

from tests.planted import Plant
from tests.raft.planted import MISTAKES

pytestmark = pytest.mark.no_sanitizer


@pytest.mark.parametrize("plant", MISTAKES.read(), ids=lambda plant: plant.name)
def test_it_is_shown(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    MISTAKES.plant(plant, monkeypatch)
    for catch in plant.catches:
        assert MISTAKES.shows(catch), f"{plant.name} is not shown by {catch} any more"
