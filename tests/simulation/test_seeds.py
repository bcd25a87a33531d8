"""The first seeds of `make sim`; and what its command prints when one fails."""

import pytest

from replication.simulation import run as runs
from replication.simulation.__main__ import main
from replication.simulation.ledger import Violation
from replication.simulation.run import SMALL, Outcome, Plan, run
from replication.simulation.world import Trace


@pytest.mark.parametrize("seed", range(25))
def test_no_promise_is_broken(seed: int) -> None:
    outcome = run(seed)
    assert outcome.looks["commits"] > 0
    assert outcome.looks["deltas"] > 0
    assert outcome.looks["promises"] > 0


def test_a_failing_seed_prints_its_reproduction_and_its_last_events(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(seed: int, plan: Plan = SMALL, trace: Trace | None = None) -> Outcome:
        if trace is not None:
            trace.add("the last thing that happened")
        raise Violation(f"planted in seed {seed}")

    monkeypatch.setattr(runs, "run", fail)
    monkeypatch.setattr("replication.simulation.__main__.run", fail)
    assert main(["--seeds", "1", "--first", "7"]) == 1
    printed = capsys.readouterr().out
    assert "seed 7: Violation: planted in seed 7" in printed
    assert "python -m replication.simulation --seed 7 --trace" in printed
    assert "the last thing that happened" in printed


def test_one_seed_can_be_run_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seed", "3", "--trace"]) == 0
    printed = capsys.readouterr().out
    assert " commits " in printed
    assert "Outcome(seed=3" in printed


def test_many_seeds_are_summed_up_by_several_processes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seeds", "4", "--jobs", "2"]) == 0
    assert "4 seeds, 0 failed" in capsys.readouterr().out
