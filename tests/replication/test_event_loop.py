"""What is left of a runtime when its thread has ended."""

from replication.event_loop import EventLoopRuntime


def test_a_thread_that_has_the_number_of_one_that_ended_is_not_taken_for_it() -> None:
    runtime = EventLoopRuntime()
    runtime.start(lambda error: None)
    runtime.stop()
    assert runtime._own_thread is None
    runtime.call_soon(lambda: None)  # or this would be put into a loop that is closed
