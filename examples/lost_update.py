"""Two agents change a copy of the same state. Plain data loses one's work; a CRDT keeps both."""

import json

from crdt import Composite, GCounter, OpBasedList


class Work(Composite):
    done: GCounter
    notes: OpBasedList


def with_plain_data() -> dict[str, object]:
    saved = json.dumps({"done": 10, "notes": []})
    ann, bob = json.loads(saved), json.loads(saved)
    ann["done"] += 1
    ann["notes"].append("ann was here")
    bob["done"] += 1
    bob["notes"].append("bob was here")
    saved = json.dumps(ann)
    saved = json.dumps(bob)  # and what ann did is gone
    return dict(json.loads(saved))


def with_replicas() -> dict[str, object]:
    start = Work("setup")
    start.done.increment(10)
    ann, bob = start.fork("ann"), start.fork("bob")
    ann.done.increment()
    ann.notes.append("ann was here")
    bob.done.increment()
    bob.notes.append("bob was here")
    ann.merge(bob.delta(ann.version))
    bob.merge(ann.delta(bob.version))
    assert ann == bob
    return dict(ann.value)


if __name__ == "__main__":
    print(with_plain_data())  # {'done': 11, 'notes': ['bob was here']}
    print(with_replicas())  # {'done': 12, 'notes': ['ann was here', 'bob was here']}
