"""A simulated network: what links keep, and what each fault does to them."""

from collections import Counter

import pytest

from replication.simulation.network import CALM, Conditions, Network
from replication.simulation.process import Process, VirtualRuntime
from replication.simulation.world import World
from replication.transport import Link


class Host:
    """A process that counts frames on the wire and remembers all it was told."""

    def __init__(self, network: Network, name: str) -> None:
        self.process = Process(network.world, name)
        self.runtime = VirtualRuntime(self.process, network.world.stream(name))
        self.runtime.start(lambda error: None)
        self.transport = network.transport(name, self.runtime)
        self.transport.start(self)
        self.transport.listen(f"{name}:1")
        self.links: list[Link] = []
        self.frames: list[bytes] = []
        self.ends: list[str] = []

    def opened(self, link: Link) -> None:
        link.welcome()
        self.links.append(link)

    def received(self, link: Link, frame: bytes) -> None:
        self.frames.append(frame)

    def closed(self, link: Link, reason: str, detail: str = "") -> None:
        self.ends.append(reason)

    def unreachable(self, address: str, reason: str, detail: str = "") -> None:
        self.ends.append(reason)

    def turned_away(self, address: str, reason: str, detail: str = "") -> None:
        self.ends.append(reason)

    def send(self, count: int) -> list[bytes]:
        frames = [b"%d" % number for number in range(count)]
        for frame in frames:
            assert self.links[0].send(frame)
        return frames


class Pair:
    """Two hosts with a link between them."""

    def __init__(self, conditions: Conditions = CALM, seed: int = 0) -> None:
        self.world = World(seed)
        self.network = Network(self.world, conditions)
        self.a, self.b = Host(self.network, "a"), Host(self.network, "b")
        self.a.transport.dial("b:1")
        self.world.run_for(1.0)
        assert [len(host.links) for host in (self.a, self.b)] == [1, 1]


def test_a_link_knows_which_end_dialled_whom() -> None:
    pair = Pair()
    assert (pair.a.links[0].dialled, pair.a.links[0].address) == (True, "b:1")
    assert pair.b.links[0].dialled is False
    assert pair.b.links[0].address.startswith("a:")


def test_on_a_calm_link_frames_come_once_and_in_order() -> None:
    pair = Pair()
    frames = pair.a.send(500)
    pair.world.run_for(1.0)
    assert pair.b.frames == frames


def test_frames_are_lost_as_often_as_the_conditions_say() -> None:
    pair = Pair(CALM._replace(loss=0.2))
    pair.a.send(2000)
    pair.world.run_for(5.0)
    assert 1500 < len(pair.b.frames) < 1700
    assert pair.b.frames == sorted(pair.b.frames, key=int)


def test_frames_are_doubled_and_overtaken_if_the_conditions_say_so() -> None:
    pair = Pair(CALM._replace(duplicate=0.2, reorder=0.2))
    frames = pair.a.send(1000)
    pair.world.run_for(5.0)
    counts = Counter(pair.b.frames)
    assert set(counts) == set(frames)
    assert 100 < sum(count == 2 for count in counts.values()) < 300
    assert list(dict.fromkeys(pair.b.frames)) != frames


def test_a_full_queue_drops_and_says_so_until_there_is_room() -> None:
    pair = Pair(CALM._replace(queue_bytes=1000, bandwidth=1000.0))
    link = pair.a.links[0]
    assert [link.send(bytes(400)) for _ in range(4)] == [True, True, False, False]
    assert pair.network.dropped == 2
    pair.world.run_for(2.0)
    assert len(pair.b.frames) == 2
    assert link.send(bytes(400))


def test_a_frame_larger_than_the_queue_passes_alone() -> None:
    pair = Pair(CALM._replace(queue_bytes=1000))
    assert pair.a.links[0].send(bytes(5000))
    assert not pair.a.links[0].send(b"x")
    pair.world.run_for(1.0)
    assert len(pair.b.frames) == 1


def test_what_waits_for_a_paused_process_fills_the_senders_queue() -> None:
    pair = Pair(CALM._replace(queue_bytes=1000))
    pair.b.process.pause()
    link = pair.a.links[0]
    assert [link.send(bytes(400)) for _ in range(3)] == [True, True, False]
    pair.world.run_for(60.0)
    assert not link.send(bytes(400))
    pair.b.process.resume()
    pair.world.run_for(1.0)
    assert link.send(bytes(400))


def test_a_cut_is_one_way() -> None:
    pair = Pair()
    pair.network.cut("a", "b")
    pair.a.send(3)
    pair.b.send(3)
    pair.world.run_for(0.1)
    assert (len(pair.a.frames), len(pair.b.frames)) == (3, 0)


def test_a_cut_that_lasts_breaks_the_link_and_dialling_fails() -> None:
    pair = Pair()
    pair.network.cut("a", "b")
    pair.world.run_for(CALM.notice)
    assert (pair.a.ends, pair.b.ends) == (["timeout"], ["timeout"])
    pair.b.transport.dial("a:1")
    pair.world.run_for(5.0)
    assert pair.b.ends == ["timeout", "timeout"]
    assert pair.network.open_links == 0


def test_a_cut_that_heals_soon_loses_frames_but_not_the_link() -> None:
    pair = Pair(CALM._replace(notice=1000.0), seed=1)
    pair.network.cut("a", "b")
    pair.a.send(3)
    pair.world.run_for(1.0)
    pair.network.heal()
    pair.a.send(2)
    pair.world.run_for(2000.0)
    assert len(pair.b.frames) == 2
    assert pair.a.ends == []


def test_a_clogged_way_delivers_in_one_burst_and_in_order() -> None:
    pair = Pair()
    pair.network.clog("a", "b", 5.0)
    frames = pair.a.send(10)
    pair.world.run_for(4.9)
    assert pair.b.frames == []
    pair.world.run_for(0.2)
    assert pair.b.frames == frames


@pytest.mark.parametrize("silent", [False, True])
def test_the_other_end_learns_of_a_crash_at_once_or_late(silent: bool) -> None:
    pair = Pair()
    pair.b.process.kill()
    pair.network.crash(pair.b.transport, silent)
    pair.world.run_for(0.05)
    assert pair.a.ends == ([] if silent else ["reset"])
    pair.world.run_for(CALM.notice)
    assert pair.a.ends == (["timeout"] if silent else ["reset"])
    assert pair.network.open_links == 0


def test_a_restarted_host_resets_the_links_of_its_former_life() -> None:
    pair = Pair(CALM._replace(notice=1000.0), seed=1)
    pair.b.process.kill()
    pair.network.crash(pair.b.transport, silent=True)
    again = Host(pair.network, "b")
    pair.a.send(1)
    pair.world.run_for(1.0)
    assert pair.a.ends == ["reset"]
    assert again.frames == []


def test_closing_delivers_what_was_sent_before_and_then_tells_the_other_end_only() -> None:
    pair = Pair()
    frames = pair.a.send(50)
    pair.a.links[0].close("done")
    assert not pair.a.links[0].send(b"more")
    pair.world.run_for(1.0)
    assert pair.b.frames == frames
    assert (pair.a.ends, pair.b.ends) == ([], ["closed"])


def test_a_link_that_is_not_welcomed_in_time_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Host, "opened", lambda self, link: self.links.append(link))
    pair = Pair()
    pair.world.run_for(10.0)
    assert (pair.a.ends, pair.b.ends) == (["timeout"], ["timeout"])


def test_a_link_that_breaks_while_it_is_opened_was_unreachable_to_who_dialled() -> None:
    pair = Pair(CALM._replace(latency=0.1))
    pair.a.transport.dial("b:1")
    pair.world.run_until(lambda: len(pair.b.links) == 2)
    pair.network.break_links("a", "b")
    pair.world.run_for(5.0)
    assert len(pair.a.links) == 1
    assert pair.a.ends == ["reset", "reset"]


def test_dialling_where_nobody_listens_is_refused_and_a_taken_address_is_an_error() -> None:
    pair = Pair()
    pair.a.transport.dial("c:1")
    pair.world.run_for(1.0)
    assert pair.a.ends == ["refused"]
    with pytest.raises(OSError, match="in use"):
        pair.a.transport.listen("b:1")
