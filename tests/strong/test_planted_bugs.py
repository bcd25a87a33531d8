"""Each planted mistake is shown by what `mistakes.txt` says: by the first test; with PLANT_ALL=1 by all, seeds too."""

import os

import pytest

from tests.planted import Plant
from tests.strong.planted import MISTAKES

pytestmark = pytest.mark.no_sanitizer


@pytest.mark.parametrize("plant", MISTAKES.read(), ids=lambda plant: plant.name)
def test_it_is_shown(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    quick = sorted(plant.catches, key=lambda catch: catch.startswith("seed"))[:1]
    MISTAKES.plant(plant, monkeypatch)
    for catch in plant.catches if "PLANT_ALL" in os.environ else quick:
        assert MISTAKES.shows(catch), f"{plant.name} is not shown by {catch} any more"
