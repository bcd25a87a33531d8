"""Mistakes in the caller's arguments: each has its own message, and nothing of the call is applied."""

import asyncio
import datetime
from functools import partial

import pytest

import replication
from crdt import Composite, GCounter
from replication.ticket import Ticket
from tests.replication.agents import AgentState, bump, count


def raising(kind, call, *words):
    with pytest.raises(kind) as caught:
        call()
    for word in words:
        assert word in str(caught.value), f"{caught.value} lacks {word!r}"
    return caught.value


@pytest.mark.parametrize("agent_id", [5, None, b"a", ["a"], {"a": 1}, ("a",)])
def test_an_agent_id_that_is_no_str(node, agent_id):
    for call in (lambda: node.update_state(agent_id, bump), lambda: node.read_state(agent_id)):
        raising(TypeError, call, "agent_id", "must be a str", type(agent_id).__name__)


def test_an_agent_id_of_the_wrong_size(open_node):
    node = open_node(agent_id_bytes_max=10)
    raising(ValueError, lambda: node.update_state("", bump), "0 bytes", "1 to 10")
    raising(ValueError, lambda: node.update_state("é" * 6, bump), "12 bytes", "1 to 10")
    raising(ValueError, lambda: node.update_state("\ud800", bump), "surrogate")
    node.update_state("é" * 5, bump)


def test_a_mode_that_is_none(node):
    message = "'reactive', 'eventually_consistent', 'crdt_enhanced', 'replicated'"
    raising(ValueError, lambda: node.update_state("a", bump, consistency="nope"), "'nope'", message, "'strong'")
    raising(ValueError, lambda: node.update_state("a", bump, consistency=None), "None", message)


def test_acks_mean_nothing_to_a_mode_that_tells_nobody(node):
    raising(ValueError, lambda: node.update_state("a", bump, acks=1), "acks=1", "crdt_enhanced", "durable=True")
    raising(ValueError, lambda: node.update_state("a", bump, acks=-1), "acks=-1", "'majority'")
    raising(ValueError, lambda: node.update_state("a", bump, "crdt_enhanced", acks="most"), "'most'", "'majority'")
    raising(ValueError, lambda: node.update_state("a", bump, acks=None), "acks=None", "'majority'")


@pytest.mark.parametrize("acks", [1, "majority", "all"])
def test_acks_mean_nothing_to_a_mode_in_which_a_majority_decides(node, acks):
    words = (f"acks={acks!r}", "'replicated'", "majority of the voters", "leave acks= out")
    for fallback in ((), ("reactive", "eventually_consistent")):
        options = {"consistency": "strong", "acks": acks, "fallback": fallback}
        raising(ValueError, lambda options=options: node.update_state("a", bump, **options), *words)
        raising(ValueError, lambda options=options: asyncio.run(node.aupdate_state("a", bump, **options)), *words)
    assert list(node.agents()) == []
    result = node.update_state("a", bump, "replicated", acks=acks, fallback=("reactive", "crdt_enhanced"))
    assert (result.outcome, result.acks) == ("committed", 0), "a fallback may take them"


def test_an_update_fn_that_is_none(node):
    raising(TypeError, lambda: node.update_state("a", bump(node.read_state("a").fork("x"))), "called instead of passed")
    raising(TypeError, lambda: node.update_state("a", 5), "expected a function", "int")
    raising(TypeError, lambda: node.read_state("a", "config"), "expected a function", "str")


def test_an_update_fn_that_returns_the_state(node):
    def leak(state):
        state.counters.increment()
        return state

    raising(TypeError, lambda: node.update_state("a", leak), "leak", "live AgentState", "read_state", "Nothing was")
    raising(TypeError, lambda: node.update_state("a", lambda s: (bump(s), s.config)[1]), "live LWWMap")
    assert count(node, "a") == 0


def test_an_update_fn_that_is_a_coroutine(node):
    async def later(state):
        state.counters.increment()

    def steps(state):
        yield state.counters.increment()

    raising(TypeError, lambda: node.update_state("a", later), "later", "coroutine", "plain `def`")
    raising(TypeError, lambda: node.update_state("a", steps), "steps", "generator")
    assert count(node, "a") == 0


@pytest.mark.parametrize(
    "inner",
    [
        lambda node: node.update_state("a", bump),
        lambda node: node.update_state("b", bump),
        lambda node: node.read_state("b"),
        lambda node: node.read_state("a", lambda s: s.value),
        lambda node: node.close(),
        lambda node: node.flush(),
    ],
)
def test_an_update_fn_that_calls_its_own_node(node, inner):
    def outer(state):
        state.counters.increment()
        inner(node)

    error = raising(replication.ReplicationError, lambda: node.update_state("a", outer), "'a'", "wait for itself")
    assert not isinstance(error, replication.Closed)
    raising(replication.ReplicationError, lambda: node.read_state("a", lambda s: inner(node)), "wait for itself")
    assert count(node, "a") == 0 and list(node.agents()) == []
    node.update_state("a", bump, timeout=1)


def test_an_update_fn_may_call_another_node(node, open_node):
    other = open_node(None)
    node.update_state("a", lambda s: (bump(s), other.update_state("a", bump))[0])
    with pytest.raises(replication.ReplicationError, match="wait for itself"):
        node.update_state("a", lambda s: other.update_state("a", lambda t: node.update_state("a", bump)))
    assert (count(node, "a"), count(other, "a")) == (1, 1)


@pytest.mark.parametrize("value", [datetime.datetime(2020, 1, 1), {1, 2}, lambda: 0, object()])
def test_a_value_that_cannot_be_kept(node, value):
    def store(state):
        state.counters.increment()
        state.config["when"] = value

    raising(TypeError, lambda: node.update_state("a", store), "when", type(value).__name__)
    assert node.read_state("a").value["counters"] == 0 and node.read_state("a").value["config"] == {}


def test_what_looks_hard_but_is_exact(node):
    node.update_state("a", lambda s: s.config.update({"big": 2**70, "nan": float("nan"), "tuple": (1, 2)}))
    config = node.read_state("a").value["config"]
    assert config["big"] == 2**70 and type(config["big"]) is int and config["nan"] != config["nan"]


def test_mistakes_inside_the_state_leave_nothing(node):
    for mistake in (lambda s: s.counters.increment(-1), lambda s: s.logs.insert(5, "x"), lambda s: s.nope.add(1)):
        with pytest.raises((ValueError, IndexError, AttributeError)):
            node.update_state("a", lambda s, mistake=mistake: (bump(s), mistake(s)))
    with pytest.raises(AttributeError, match="nope"):
        node.update_state("a", lambda s: s.nope)
    assert count(node, "a") == 0


@pytest.mark.parametrize(
    ("timeout", "kind", "shown"),
    [
        (10**400, ValueError, "timeout=1" + "0" * 79 + "..."),
        (10**5000, ValueError, "timeout=0x"),
        (-(10**400), ValueError, "timeout=-1"),
        (-0.5, ValueError, "timeout=-0.5"),
        (float("nan"), ValueError, "timeout=nan"),
        (float("-inf"), ValueError, "timeout=-inf"),
        (True, TypeError, "timeout=True"),
        ("1", TypeError, "timeout='1'"),
        ("x" * 1000, TypeError, "timeout='" + "x" * 79 + "..."),
        ([], TypeError, "timeout=[]"),
    ],
    ids=lambda value: value[:12] if isinstance(value, str) else type(value).__name__,
)
def test_a_wrong_timeout_is_named_by_every_call_that_takes_one(node, timeout, kind, shown):
    node.update_state("a", bump, "replicated")
    modes = [{"consistency": mode} for mode in ("reactive", "eventually_consistent", "crdt_enhanced", "replicated")]
    calls = [partial(node.update_state, "a", bump, **mode) for mode in modes]
    calls += [partial(node.read_state, "a", **mode) for mode in modes]
    calls += [lambda call=call: asyncio.run(call()) for call in (
        *(partial(node.aupdate_state, "a", bump, **mode, timeout=timeout) for mode in modes),
        *(partial(node.aread_state, "a", **mode, timeout=timeout) for mode in modes),
        partial(node.aflush, timeout=timeout),
    )]  # fmt: skip
    with node.watch() as watch:
        for call in (*calls, node.flush, watch.get):
            options = {} if call in calls[2 * len(modes) :] else {"timeout": timeout}
            raising(kind, lambda call=call, options=options: call(**options), shown)
    assert count(node, "a") == 1


def test_a_timeout_beyond_what_the_system_counts_is_as_long_as_it_takes(node):
    with node.watch() as watch:
        for timeout in (float("inf"), 1e300, 10**300):
            for mode in ("reactive", "eventually_consistent", "crdt_enhanced", "replicated"):
                node.update_state("a", bump, mode, timeout=timeout)
                asyncio.run(node.aupdate_state("a", bump, mode, timeout=timeout))
                node.read_state("a", consistency=mode, timeout=timeout)
                asyncio.run(node.aread_state("a", consistency=mode, timeout=timeout))
                assert watch.get(timeout).field == "counters"
            node.flush(timeout)
            asyncio.run(node.aflush(timeout))


def test_a_timeout_that_is_none(node):
    node.update_state("a", bump)
    for call in (node.update_state, node.read_state):
        raising(TypeError, lambda call=call: call("a", lambda s: None, timeout="1"), "timeout='1'")
    raising(TypeError, lambda: node.update_state("b", bump, timeout="1"), "timeout='1'", "seconds")
    raising(ValueError, lambda: node.update_state("b", bump, timeout=-1), "timeout=-1")
    raising(ValueError, lambda: node.update_state("b", bump, timeout=float("nan")), "nan")


def test_expected_that_is_no_version(node):
    raising(TypeError, lambda: node.update_state("a", bump, expected=3), "expected=3", ".version")
    raising(TypeError, lambda: node.update_state("a", bump, expected={"w": 1}), "expected=", "dict")


def test_a_pattern_that_is_no_str(node):
    raising(TypeError, lambda: node.watch(5), "pattern=5")
    raising(TypeError, lambda: node.watch("a", since=5), "since=5")
    version = node.update_state("a", bump).version
    raising(ValueError, lambda: node.watch("a*", since=version), "'a*'", "matches many")


def test_open_with_a_schema_that_is_none(path):
    class Empty(Composite):
        pass

    for schema in (GCounter, dict, {"counters": GCounter}, AgentState("x"), None):
        raising(TypeError, lambda schema=schema: replication.open(path, schema=schema), "schema=", "Composite")
    raising(TypeError, lambda: replication.open(path, schema=Empty), "Empty", "no fields")
    raising(TypeError, lambda: replication.open(path), "schema")
    assert not path.exists()


def test_open_with_an_argument_it_does_not_have(path):
    raising(
        TypeError, lambda: replication.open(path, schema=AgentState, max_agents=5), "max_agents", "max_agents_in_memory"
    )
    raising(TypeError, lambda: replication.open(path, schema=AgentState, xyz=5), "xyz", "flush_bytes_max")
    assert not path.exists()


@pytest.mark.parametrize(
    ("limits", "kind", "word"),
    [
        ({"flush_interval": -1}, ValueError, "flush_interval=-1"),
        ({"flush_interval": float("nan")}, ValueError, "flush_interval=nan"),
        ({"flush_interval": "1"}, TypeError, "flush_interval='1'"),
        ({"flush_interval": 10**400}, ValueError, "flush_interval must be at most"),
        ({"max_agents_in_memory": 10**5000}, ValueError, "16610 bits"),
        ({"max_agents_in_memory": 0}, ValueError, "max_agents_in_memory=0"),
        ({"max_agents_in_memory": 1.5}, TypeError, "max_agents_in_memory=1.5"),
        ({"watch_buffer": True}, TypeError, "watch_buffer=True"),
        ({"durability": "always"}, ValueError, "'fsync', 'os'"),
        ({"name": ""}, ValueError, "name=''"),
        ({"name": "x" * 60}, ValueError, "60 bytes"),
        ({"name": 5}, TypeError, "name=5"),
        ({"listen": "127.0.0.1"}, ValueError, "host:port"),
        ({"listen": 7000}, TypeError, "listen=7000"),
        ({"listen": "0.0.0.0:0"}, ValueError, "tls"),
        ({"peers": "127.0.0.1:1"}, TypeError, "peers="),
        ({"peers": [5]}, TypeError, "peers="),
        ({"cluster": ""}, ValueError, "cluster=''"),
        ({"bootstrap": [""]}, ValueError, "name=''"),
        ({"bootstrap": "n1"}, TypeError, "bootstrap="),
        ({"listen": "127.0.0.1:0", "tls": "yes"}, TypeError, "tls='yes'"),
    ],
)
def test_open_with_a_value_out_of_range(path, limits, kind, word):
    raising(kind, lambda: replication.open(path, schema=AgentState, **limits), word)
    assert not path.exists()


class AsBytes:
    def __fspath__(self):
        return b"bytes"


def test_open_with_a_path_that_is_none():
    for path in (5, b"bytes", "", AsBytes()):
        raising(TypeError, lambda path=path: replication.open(path, schema=AgentState), "path=")


@pytest.mark.parametrize(("name", "why"), [("a\0b", "NUL"), ("a\ud800b", "lone surrogate")])
def test_open_with_a_path_that_no_directory_can_have(tmp_path, name, why):
    for path in (f"{tmp_path}/{name}", tmp_path / name):
        call = partial(replication.open, path, schema=AgentState)
        raising(ValueError, call, f"path={path!r} cannot name a directory", why, "give another path")
    assert list(tmp_path.iterdir()) == []


def test_open_with_a_path_that_is_too_long(tmp_path):
    error = raising(
        replication.StoreError,
        lambda: replication.open(tmp_path / ("x" * 300), schema=AgentState),
        "cannot make the directory",
        "File name too long",
    )
    assert error.path == str(tmp_path / ("x" * 300))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"cluster": "\ud800"}, ("cluster", "surrogate")),
        ({"bootstrap": [f"n{k}" for k in range(1001)]}, ("1001 names", "at most 1000")),
        ({"tick_interval": float("inf")}, ("tick_interval=inf", "finite")),
        ({"election_timeout": float("inf")}, ("election_timeout=inf", "finite")),
    ],
)
def test_what_no_node_can_be_opened_with(tmp_path, arguments, words):
    raising(ValueError, lambda: replication.open(tmp_path / "new", schema=AgentState, **arguments), *words)
    assert not (tmp_path / "new").exists()


def test_names_of_wrong_types(node):
    for call in (node.forget, node.add_voter, node.remove_voter, node.transfer_leadership):
        raising(TypeError, partial(call, b"x"), "name=b'x'", "must be a str")
    version = node.read_state("a").version
    raising(TypeError, lambda: node.watch("a*", since={1: version}), "since=", "agent ids")
    raising(ValueError, lambda: node.update_state("a", bump, "replicated", fallback=("x",)), "fallback='x'")


@pytest.mark.parametrize(("op_id", "advice"), [(None, "Do not repeat it"), ("one", "not applied twice")])
def test_what_to_do_about_a_change_that_is_applied_hangs_on_its_op_id(op_id, advice):
    ticket = Ticket(None, lambda _: None, op_id, 2, 3)
    ticket.is_stored = True
    error = ticket.give_up(2.495448181998654)
    assert advice in str(error) and "within 2.495 s" in str(error)
