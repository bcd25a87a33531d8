"""Mistakes planted in strong updates, and in the disk and the links that they stand on: see `tests.planted`."""

from contextlib import nullcontext
from pathlib import Path

from replication.driver import Driver
from replication.event_loop import EventLoopRuntime
from replication.links.handshake import _judge_history, difference, judge
from replication.links.links import Links
from replication.storage.directory import Directory
from replication.storage.layout import is_whole
from replication.storage.sqlite import SQLiteStorage
from replication.storage.verify import _check_mark
from replication.strong.applying import Judge
from replication.strong.compaction import Compaction
from replication.strong.core import StrongCore
from replication.strong.journal import RecordLog, read
from replication.strong.machine import Machine
from replication.strong.pieces import Pieces
from replication.strong.proposals import Proposals
from replication.strong.rounds import Rounds
from replication.strong.undecided import Undecided
from tests.planted import Mistakes, a_directory
from tests.regressions import test_an_operation_was_applied_twice_that_left_before_it_was_written as left_early
from tests.strong import (
    test_alone,
    test_core,
    test_heads,
    test_in_simulation,
    test_journal,
    test_log_on_disk,
    test_machine,
    test_pieces,
    test_undecided,
)
from tests.strong import test_processes as processes
from tests.strong.runs import run
from tests.transport import test_links_bad_frames, test_links_refusals

MISTAKES = Mistakes(
    Path(__file__).parent / "mistakes.txt",
    [
        Compaction, Directory, Driver, EventLoopRuntime, Judge, Links, Machine, Pieces, Proposals, RecordLog, Rounds,
        SQLiteStorage, StrongCore, Undecided, _check_mark, _judge_history, difference, is_whole, judge, read,
    ],
    [
        test_machine, test_pieces, test_core, test_journal, test_alone, test_heads, test_links_refusals,
        test_links_bad_frames, test_in_simulation, test_log_on_disk, test_undecided, left_early, processes,
    ],
    run,
    {
        "follower": lambda: nullcontext(test_core.Follower()),
        "group": test_in_simulation.three_voters,
        "node": test_alone.alone,
        "tmp_path": a_directory,
    },
)  # fmt: skip

if __name__ == "__main__":
    MISTAKES.main("python -m tests.strong.planted", 30)
