"""What is built where memory is measured: ours, and the plain container beside it."""

from collections.abc import Callable
from typing import Any, NamedTuple

from benchmarks.peers import loro
from crdt import (
    Composite,
    GCounter,
    GSet,
    LWWMap,
    LWWRegister,
    MVRegister,
    OpBasedList,
    ORMap,
    ORSet,
    PNCounter,
    Text,
)

SHORT, LONG = "{:09d}".format, "user:profile:{:08d}".format


class Agent(Composite):
    done: GCounter
    flags: GSet
    config: LWWMap
    notes: OpBasedList


# --- what is built. Each takes an empty container, the number of entries, and what was there before.


def put(target, n, key=SHORT, value=int):
    for number in range(n):
        target[key(number)] = value(number)


def put_given(target, n, keys):
    for number in range(n):
        target[keys[number]] = number


def text_of(size):
    return lambda number: f"{number:0{size}d}"


def churn(target, n):
    """Written three times over, half of it removed, and that half written again."""
    for turn in range(3):
        put(target, n, value=lambda number, turn=turn: number * 10 + turn)
    for number in range(0, n, 2):
        del target[SHORT(number)]
    for number in range(0, n, 2):
        target[SHORT(number)] = number


def add(target, n, element=SHORT):
    for number in range(n):
        target.add(element(number))


def add_and_remove(target, n):
    for turn in (1, 2):
        for number in range(n):
            target.add(SHORT(number + turn * n))
            target.add(SHORT(number))
            target.remove(SHORT(number + turn * n))


def append(target, n, value=int):
    for number in range(n):
        target.append(value(number))


def insert_in_the_middle(target, n):
    for number in range(n):
        target.insert(number // 2, number)


def type_words(target, n):
    for number in range(0, n, 10):
        target.append(f"{number:09d} "[: n - number])


class Characters:
    """A plain string, which is the least that so many characters can be kept in."""

    __slots__ = ("text",)

    def join(self, n):
        self.text = "a word of " * (n // 10) + "." * (n % 10)


def nest(target, n):
    """Maps of five keys."""
    for number in range(n // 5):
        child = target[SHORT(number)]
        for each in range(5):
            child[f"field{each}"] = number


def nest_plain(target, n):
    for number in range(n // 5):
        child = target[SHORT(number)] = {}
        for each in range(5):
            child[f"field{each}"] = number


def write_agent(agent, _):
    agent.done.increment()
    agent.flags.add("ready")
    agent.config["model"] = "small"
    agent.notes.append("started")


def plain_agent():
    return {"done": 0, "flags": set(), "config": {}, "notes": []}


def write_plain_agent(agent, _):
    agent["done"] += 1
    agent["flags"].add("ready")
    agent["config"]["model"] = "small"
    agent["notes"].append("started")


# --- by a hundred writers: their changes come as deltas, which were there before

WRITERS = 100


def deltas_of(kind: Callable[[str], Any], fill: Callable[[Any, range], None]) -> Callable[[int], list[bytes]]:
    def made(n: int) -> list[bytes]:
        deltas = []
        for number in range(WRITERS):
            state = kind(f"writer {number}")
            fill(state, range(number, n, WRITERS))
            deltas.append(state.delta())
        return deltas

    return made


def put_range(target, numbers):
    for number in numbers:
        target[SHORT(number)] = number


def add_range(target, numbers):
    for number in numbers:
        target.add(SHORT(number))


def append_range(target, numbers):
    for number in numbers:
        target.append(number)


def count_range(target, numbers):
    target.increment(len(numbers))


def merge_all(target, _, deltas):
    for delta in deltas:
        target.merge(delta)


def fill_plain(kind: Callable[[Any, range], None]) -> Callable[..., None]:
    return lambda target, n, _deltas: kind(target, range(n))


# --- cases


class Case(NamedTuple):
    """Ours and the plain one: how an empty one is made, and filled. `data` is the bytes of keys and values an entry."""

    what: str
    shape: str
    ours: tuple[Callable[[], Any], Callable[..., object]]
    plain: tuple[Callable[[], Any], Callable[..., object]]
    data: float
    before: Callable[[int], Any] | None = None
    sizes: str = "middle"  # or "all", "one": a container has a single entry
    asked: Callable[[int], float | None] = lambda n: None
    loro: Callable[[int], Any] | None = None  # the same in Loro

    @property
    def peer(self) -> str:
        return {"plain_agent": "dicts", "Characters": "str"}.get(self.plain[0].__name__, self.plain[0].__name__)


def of_maps(n: int) -> float:
    return 0.5 if n >= 100_000 else 0.8 if n >= 1_000 else 1.0


def at_a_million(share: float) -> Callable[[int], float | None]:
    return lambda n: share if n >= 1_000_000 else None


def ormap_of_maps() -> ORMap:
    return ORMap(of=LWWMap)


def keys_before(n: int) -> list[str]:
    return [SHORT(number) for number in range(n)]


def loro_map(n):
    target = loro.LoroDoc().get_map("m")
    for number in range(n):
        target.insert(SHORT(number), number)
    target.doc().commit()
    return target


def loro_list(n):
    target = loro.LoroDoc().get_list("l")
    for number in range(n):
        target.insert(number // 2, number)
    target.doc().commit()
    return target


def with_keys(key: Callable[[int], str]) -> Callable[..., None]:
    return lambda target, n: put(target, n, key)


def add_long(target, n):
    add(target, n, LONG)


def append_long(target, n):
    append(target, n, LONG)


def with_values(size: int) -> Callable[..., None]:
    return lambda target, n: put(target, n, value=text_of(size))


COMPOSITE = "Composite with 4 fields"


def maps(shape: str, fill: Callable[..., object], data: float, **more: Any) -> Case:
    return Case("LWWMap", shape, (LWWMap, fill), (dict, fill), data, **more)


def sets(kind: Any, shape: str, fill: Callable[..., object], data: float, **more: Any) -> Case:
    return Case(kind.__name__, shape, (kind, fill), (set, fill), data, **more)


def lists(shape: str, fill: Callable[..., object], data: float, **more: Any) -> Case:
    return Case("OpBasedList", shape, (OpBasedList, fill), (list, fill), data, **more)


def by_writers(kind: Any, plain: Any, fill: Callable[[Any, range], None], data: float, sizes: str = "middle") -> Case:
    fills = (kind, merge_all), (plain, fill_plain(put_range if plain is dict else fill))
    return Case(kind.__name__, f"by {WRITERS} writers", *fills, data, before=deltas_of(kind, fill), sizes=sizes)


def single(kind: Any, shape: str, fill: Callable[..., object], data: float, plain: Any = list) -> Case:
    """A container with one entry, beside a dict or list with one."""
    beside = (lambda target, n: put(target, 1)) if plain is dict else append
    return Case(kind.__name__, shape, (kind, fill), (plain, beside), data, sizes="one")


def increment(counter: Any, _: int) -> None:
    counter.increment()


def assign(register: Any, _: int) -> None:
    register.set(1000)


CASES = [
    maps("keys of 9, ints", put, 17, sizes="all", asked=of_maps, loro=loro_map),
    maps("keys of 21, ints", with_keys(LONG), 29, sizes="all", asked=of_maps),
    maps("keys of 9, str of 5", with_values(5), 14),
    maps("keys of 9, str of 100", with_values(100), 109),
    maps("keys of 9 that the program keeps, ints", put_given, 17, before=keys_before),
    maps("after churn", churn, 17),
    by_writers(LWWMap, dict, put_range, 17),
    sets(GSet, "str of 9", add, 9, sizes="all", asked=at_a_million(0.35)),
    sets(GSet, "str of 21", add_long, 21),
    by_writers(GSet, set, add_range, 9),
    sets(ORSet, "str of 9", add, 9, sizes="all", asked=at_a_million(0.45)),
    sets(ORSet, "str of 21", add_long, 21),
    sets(ORSet, "after churn", add_and_remove, 9),
    by_writers(ORSet, set, add_range, 9),
    lists("ints, appended", append, 8, sizes="all", asked=at_a_million(0.5)),
    lists("str of 21, appended", append_long, 21),
    lists("ints, in the middle", insert_in_the_middle, 8, loro=loro_list),
    by_writers(OpBasedList, list, append_range, 8),
    Case("Text", "words, appended", (Text, type_words), (Characters, Characters.join), 1, sizes="all"),
    Case(
        "ORMap of LWWMap", "maps of 5 keys", (ormap_of_maps, nest), (dict, nest_plain), 16.8,
        sizes="nested", asked=lambda n: 0.6 if n >= 500_000 else None,
    ),
    single(GCounter, "by one writer", increment, 9, dict),
    single(PNCounter, "by one writer", increment, 9, dict),
    by_writers(GCounter, dict, count_range, 17, sizes="writers"),
    single(LWWRegister, "an int", assign, 8),
    single(MVRegister, "an int", assign, 8),
    Case(
        COMPOSITE, "4 fields, each written once", (Agent, write_agent), (plain_agent, write_plain_agent), 26,
        sizes="one",
    ),
]  # fmt: skip
