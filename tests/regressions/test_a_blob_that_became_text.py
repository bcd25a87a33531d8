"""One flipped bit in a row's header can turn its data from bytes into text of the same bytes.

The checksum still held, so the store opened and was written to, and only then failed to load.
"""

import sqlite3

import pytest

import replication
from crdt import Composite, GCounter
from replication.storage.layout import PART


class State(Composite):
    hits: GCounter


def test_a_store_with_text_for_bytes_is_refused_and_left_alone(tmp_path):
    with replication.open(tmp_path / "store", schema=State) as node:
        node.update_state("agent", lambda s: s.hits.increment())
    database = tmp_path / "store" / "store.db"
    connection = sqlite3.connect(database)
    connection.execute("UPDATE record SET data = CAST(data AS TEXT) WHERE kind = ?", (PART,))
    connection.commit()
    connection.close()
    before = database.read_bytes()
    with pytest.raises(replication.CorruptStore, match="checksum"):
        replication.open(tmp_path / "store", schema=State)
    assert database.read_bytes() == before
