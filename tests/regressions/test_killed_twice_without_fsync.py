"""With durability="os", a store that was killed twice before its log was first folded was refused as damaged."""

from replication.storage import Batch, Part
from replication.storage.sqlite import SQLiteStorage


def test_a_store_that_is_killed_again_and_again_opens(tmp_path):
    for number in range(5):
        storage = SQLiteStorage(tmp_path, "n", "aaaaaa", "os", 1 << 20, 1 << 20)
        assert storage.load("a").next_number == number
        storage.write(Batch([Part("a", number, b"part", number == 0, bytes(16))]))
        storage.close(clean=False)
