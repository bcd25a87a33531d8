"""A short run of the fuzzer in every test run; the long one is `make fuzz`."""

from __future__ import annotations

import pytest

from tests.fuzz.__main__ import Note, Run, work
from tests.fuzz.seeds import Target, targets


@pytest.mark.parametrize("target", targets(1), ids=lambda target: target.name)
def test_mutated_bytes_are_refused_or_sound(target: Target, capsys: pytest.CaptureFixture[str]) -> None:
    note = Note()
    run = Run(1, note)
    try:
        work([target], run, 2000, shown=False)
    except Exception as error:
        raise AssertionError(f"{error}; to repeat: {note.line(1)}") from error
    assert run.refused > 0
