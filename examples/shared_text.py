"""Two people type at the same place of one text while they are apart; their words stay whole."""

from crdt import Text


def main() -> None:
    ann = Text("ann")
    ann.append("Shopping: .")
    bob = ann.fork("bob")

    place = ann.index_of(ann.cursor(10))
    for offset, letter in enumerate("milk, "):
        ann.insert(place + offset, letter)
    for offset, letter in enumerate("eggs, "):
        bob.insert(place + offset, letter)

    ann.merge(bob.delta(ann.version))
    bob.merge(ann.delta(bob.version))
    assert ann == bob
    print(str(ann))  # Shopping: milk, eggs, .


if __name__ == "__main__":
    main()
