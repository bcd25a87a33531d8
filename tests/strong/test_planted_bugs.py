"""Each planted mistake is shown by what `mistakes.txt` says: by the first test; with PLANT_ALL=1 by all, seeds too.

What only processes show takes a second and more for each, and is left to `make mutants`.
"""

import os

import pytest

from tests.planted import Plant
from tests.strong import test_processes
from tests.strong.planted import MISTAKES

pytestmark = pytest.mark.no_sanitizer


@pytest.mark.parametrize("plant", MISTAKES.read(), ids=lambda plant: plant.name)
def test_it_is_shown(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    quick = sorted(plant.catches, key=lambda catch: catch.startswith("seed"))[:1]
    if "PLANT_ALL" not in os.environ and MISTAKES.is_in(test_processes, quick):
        pytest.skip("runs processes: make mutants")
    MISTAKES.plant(plant, monkeypatch)
    for catch in plant.catches if "PLANT_ALL" in os.environ else quick:
        assert MISTAKES.shows(catch), f"{plant.name} is not shown by {catch} any more"
