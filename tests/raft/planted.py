"""Mistakes planted in the pure core: see `tests.planted`."""

from pathlib import Path

from replication.raft.configurations import Configurations
from replication.raft.core import Raft
from replication.raft.election import Ballot, hears_a_leader, request, would_vote
from replication.raft.follower import Follower
from replication.raft.leader import Leader
from replication.raft.log import Log
from replication.raft.progress import Progress
from replication.raft.quorum import _outcome, _reached, outcome, reached
from replication.raft.reads import Reads, Rounds
from replication.raft.roles import Roles
from replication.raft.sending import Sending
from replication.raft.snapshots import Incoming
from replication.raft.state import State
from replication.raft.writes import Writes
from tests.planted import Mistakes
from tests.raft import test_paper, test_shipped_bugs, test_shipped_bugs_of_groups, test_slow_disks, test_transcripts
from tests.raft.world import World

HERE = Path(__file__).parent


class _Mistakes(Mistakes):
    """Transcripts show them, too."""

    def shows(self, catch: str) -> str:
        kind, _, which = catch.partition(" ")
        if kind != "transcript":
            return super().shows(catch)
        text = (HERE / "transcripts" / f"{which}.txt").read_text()
        try:
            return "" if test_transcripts.replayed(text) == text else "another transcript"
        except Exception as error:
            return f"{type(error).__name__}: {error}"

    def others(self) -> list[str]:
        transcripts = [f"transcript {path.stem}" for path in sorted((HERE / "transcripts").glob("*.txt"))]
        return [*super().others(), *[each for each in transcripts if self.shows(each)][:1]]


MISTAKES = _Mistakes(
    HERE / "mistakes.txt",
    [
        Ballot, Configurations, Follower, Incoming, Leader, Log, Progress, Raft, Reads, Roles, Rounds, Sending, State,
        Writes, _outcome, _reached, hears_a_leader, outcome, reached, request, would_vote,
    ],
    [test_shipped_bugs, test_shipped_bugs_of_groups, test_slow_disks, test_paper],
    lambda seed: World(seed).run(),
    {},
)  # fmt: skip

if __name__ == "__main__":
    MISTAKES.main("python -m tests.raft.planted", 40)
