"""The thread that waits for the disk: it tells the end of each sync, and what it came to."""

import errno
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from replication.syncer import Syncer


@pytest.fixture
def syncer() -> Iterator[Syncer]:
    one = Syncer()
    yield one
    one.stop()


def end_of(syncer: Syncer) -> int:
    assert select.select([syncer.done], [], [], 10)[0], "a sync did not end"
    return syncer.take()


def test_it_tells_the_end_of_each_sync_once(syncer: Syncer, tmp_path: Path) -> None:
    with open(tmp_path / "file", "wb") as file:
        for _ in range(3):
            syncer.ask(file.fileno())
            assert end_of(syncer) == 0
    assert not select.select([syncer.done], [], [], 0)[0]


def test_it_tells_what_went_wrong_and_goes_on(syncer: Syncer, tmp_path: Path) -> None:
    end, other = os.pipe()
    syncer.ask(end)
    assert end_of(syncer) == errno.EINVAL  # a pipe cannot be synced
    os.close(end)
    os.close(other)
    syncer.ask(end)
    assert end_of(syncer) == errno.EBADF
    with open(tmp_path / "file", "wb") as file:
        syncer.ask(file.fileno())
        assert end_of(syncer) == 0


def test_it_ends_after_what_it_was_asked(tmp_path: Path) -> None:
    syncer = Syncer()
    with open(tmp_path / "file", "wb") as file:
        syncer.ask(file.fileno())
        syncer.stop()
    syncer.stop()


def test_the_interpreters_lock_is_not_asked_for(syncer: Syncer, tmp_path: Path) -> None:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(60.0)  # who asked for the lock would wait as long
    try:
        with open(tmp_path / "file", "wb") as file:
            syncer.ask(file.fileno())
            end = time.monotonic() + 20.0
            is_done = False
            while not is_done and time.monotonic() < end:
                is_done = bool(select.select([syncer.done], [], [], 0)[0])
            assert is_done
            assert syncer.take() == 0
    finally:
        sys.setswitchinterval(interval)


FORKED = """
import os, sys
from replication.syncer import Syncer
syncer = Syncer()
child = os.fork()
if not child:
    del syncer  # it has no thread here
    os._exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
del syncer
print("ended")
"""


@pytest.mark.no_sanitizer
def test_a_forked_child_has_no_thread_to_end(root: Path) -> None:
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORKED]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.split() == ["7", "ended"], done.stderr
