"""A store that no node has open: its directory is held, and all of it is checked, while somebody looks at it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from replication.errors import StoreError
from replication.storage.directory import DATABASE, MARK, Directory
from replication.storage.mark import CommitMark
from replication.storage.verify import Contents, verify


@contextmanager
def closed_store(path: Path) -> Iterator[tuple[Directory, Contents]]:
    """StoreError if it is in use, damaged, or none."""
    for name in (DATABASE, MARK):
        if not (path / name).is_file():
            raise StoreError(f"{path} holds no store: there is no file {name!r} in it", path=str(path))
    directory = Directory(path)
    try:
        mark = CommitMark(directory.mark)
        try:
            contents = verify(directory.database, mark.read())
        finally:
            mark.close()
        yield directory, contents
    finally:
        directory.release()
