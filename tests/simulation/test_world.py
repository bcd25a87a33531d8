"""Virtual time: order, streams, pausing, and what must not be done inside an event."""

import pytest

from replication.simulation.process import Process, VirtualRuntime
from replication.simulation.world import Stuck, Trace, World, WouldBlock


def test_events_run_in_the_order_of_their_times_then_of_their_making() -> None:
    world, ran = World(), []
    for time, word in ((2.0, "late"), (1.0, "first"), (1.0, "second"), (0.0, "now")):
        world.at(time, None, ran.append, word)
    world.run_for(1.5)
    assert ran == ["now", "first", "second"]
    assert world.now == 1.5
    world.run_for(1.0)
    assert ran[-1] == "late"


def test_a_cancelled_event_never_runs() -> None:
    world, ran = World(), []
    world.after(1.0, None, ran.append, 1).cancel()
    world.run_for(2.0)
    assert ran == []


def test_one_more_draw_in_one_stream_leaves_the_others_alone() -> None:
    one, two = World(7), World(7)
    two.stream("network").random()
    assert one.stream("disk").random() == two.stream("disk").random()
    assert one.stream("network").random() != two.stream("network").random()


def test_the_stream_of_a_name_differs_from_seed_to_seed() -> None:
    assert World(1).stream("x").random() != World(2).stream("x").random()


def test_waiting_runs_the_world_until_it_holds_or_time_is_up() -> None:
    world, ran = World(), []
    world.after(3.0, None, ran.append, 1)
    assert not world.run_until(lambda: bool(ran), 2.0)
    assert world.now == 2.0
    assert world.run_until(lambda: bool(ran), 2.0)
    assert world.now == 3.0


def test_waiting_for_what_nothing_can_bring_says_so() -> None:
    with pytest.raises(Stuck, match="nothing that could end this wait"):
        World().run_until(lambda: False)


def test_waiting_inside_an_event_is_refused() -> None:
    world = World()
    world.after(0.0, None, world.run_until, lambda: False)
    with pytest.raises(WouldBlock, match="time stands still"):
        world.run_for(1.0)


def test_code_that_goes_round_without_time_passing_is_found() -> None:
    world = World()

    def again() -> None:
        world.after(0.0, None, again)

    again()
    with pytest.raises(Stuck, match="none of them lets time pass"):
        world.run_for(1.0)


def test_a_paused_process_does_everything_afterwards_in_order() -> None:
    world, ran = World(), []
    process = Process(world, "a")
    for second in (1.0, 2.0, 3.0):
        world.at(second, process.thread, ran.append, second)
    process.pause()
    world.run_for(2.5)
    assert ran == []
    process.resume()
    world.run_for(0.0)
    assert ran == [1.0, 2.0]
    world.run_for(1.0)
    assert ran == [1.0, 2.0, 3.0]


def test_a_killed_process_does_nothing_more() -> None:
    world, ran = World(), []
    process = Process(world, "a")
    world.after(1.0, process.thread, ran.append, 1)
    process.pause()
    world.run_for(2.0)
    process.kill()
    process.resume()
    world.after(1.0, process.clients, ran.append, 2)
    world.run_for(2.0)
    assert ran == []


def test_what_a_call_lets_out_fails_the_node_and_is_kept() -> None:
    world, told = World(), []
    process = Process(world, "a")
    runtime = VirtualRuntime(process, world.stream("a"))
    runtime.start(told.append)
    runtime.call_soon([].pop)
    world.run_for(1.0)
    assert [type(error) for error in told] == [IndexError]
    assert world.failures == [("a", told[0])]


def test_calls_before_the_start_run_after_it_and_none_after_the_stop() -> None:
    world, ran = World(), []
    runtime = VirtualRuntime(Process(world, "a"), world.stream("a"))
    runtime.call_soon(ran.append, "before")
    world.run_for(1.0)
    assert ran == []
    runtime.start(ran.append)
    runtime.call_later(5.0, ran.append, "too late")
    world.run_for(1.0)
    assert ran == ["before"]
    runtime.stop()
    runtime.call_soon(ran.append, "after")
    world.run_for(10.0)
    assert ran == ["before"]


def test_a_trace_is_the_same_for_the_same_events_and_another_for_others() -> None:
    def run(time: float) -> Trace:
        trace = Trace()
        world = World(1, trace)
        world.at(time, None, list)
        world.run_for(9.0)
        return trace

    assert run(1.0).hexdigest() == run(1.0).hexdigest()
    assert run(1.0).hexdigest() != run(2.0).hexdigest()
    assert list(run(1.0).last) == ["1.000000 world list"]
