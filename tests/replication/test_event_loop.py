"""What a runtime takes for its end, and what is left of it when its thread has ended."""

import asyncio
import gc
import threading

from replication.event_loop import EventLoopRuntime


def test_a_thread_that_has_the_number_of_one_that_ended_is_not_taken_for_it() -> None:
    runtime = EventLoopRuntime()
    runtime.start(lambda error: None)
    runtime.stop()
    assert runtime._own_thread is None
    runtime.call_soon(lambda: None)  # or this would be put into a loop that is closed


def test_only_an_error_in_what_the_node_does_is_one_of_the_node() -> None:
    """A name that was not found in the moment when its lookup was given up was told as a failure of the store."""
    failures: list[BaseException] = []
    runtime = EventLoopRuntime()
    runtime.start(failures.append)

    def forget_a_failed_future() -> None:
        future: asyncio.Future[None] = runtime.loop.create_future()
        future.set_exception(OSError("Name or service not known"))
        del future
        gc.collect()

    def fail() -> None:
        raise ZeroDivisionError

    is_done = threading.Event()
    runtime.call_soon(forget_a_failed_future)
    runtime.call_soon(fail)
    runtime.call_soon(is_done.set)
    assert is_done.wait(20)
    runtime.stop()
    assert [type(each) for each in failures] == [ZeroDivisionError]
