"""The loops over a history: the same for every library, as far as its calls allow."""

from benchmarks.peers import pycrdt, updates_since


def loop(_, patches):
    """What the loop costs that calls for each edit."""
    for _position, deleted, inserted in patches:
        if deleted:
            pass
        if inserted:
            pass


def loop_with_call(_, patches):
    """The same, with a call that does next to nothing in place of an edit."""
    nothing = {}.get
    for position, deleted, inserted in patches:
        if deleted:
            nothing(position, deleted)
        if inserted:
            nothing(position, inserted)


def edit(text, patches):
    insert, delete = text.insert, text.delete
    for position, deleted, inserted in patches:
        if deleted:
            delete(position, deleted)
        if inserted:
            insert(position, inserted)


def edit_pycrdt(text, patches):
    insert = text.insert
    for position, deleted, inserted in patches:
        if deleted:
            del text[position : position + deleted]
        if inserted:
            insert(position, inserted)


def edit_with_deltas(text, patches):
    """A delta for each edit, as bytes, with the version carried on."""
    insert, delete, delta = text.insert, text.delete, text.delta
    deltas, version = [], text.version
    for position, deleted, inserted in patches:
        if deleted:
            delete(position, deleted)
        if inserted:
            insert(position, inserted)
        deltas.append(delta(version))
        version = text.version
    return deltas


def edit_loro_with_updates(text, patches):
    """As a program does that sends each edit on: committed, and the update taken."""
    doc, insert, delete = text.doc(), text.insert, text.delete
    updates, version = [], doc.oplog_vv
    for position, deleted, inserted in patches:
        if deleted:
            delete(position, deleted)
        if inserted:
            insert(position, inserted)
        doc.commit()
        updates.append(updates_since(doc, version))
        version = doc.oplog_vv
    return updates


def receive(text, deltas):
    merge = text.merge
    for delta in deltas:
        merge(delta)


def receive_loro(doc, updates):
    take = doc.import_
    for update in updates:
        take(update)


def new_pycrdt():
    return pycrdt.Doc().get("t", type=pycrdt.Text)
