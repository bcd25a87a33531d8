"""Lets the node's own thread go first.

A thread that computes without a pause keeps the interpreter's lock for 5 ms each time another one
wants it (sys.getswitchinterval), and a flush wants it a dozen times: it would take 60 ms. So calls
into a node give way while the node's thread is at work, for two milliseconds at most; if that thread was
waiting for something else all the time, they do so no more until it comes back.

Knows nothing of nodes.
"""

cimport cython

cdef extern from *:
    """
    #include <time.h>

    /* Seconds that a call gives way at most, and how often it looks meanwhile. */
    #define GIVE_WAY_SECONDS 0.002
    #define LOOK_NANOSECONDS 20000

    static double turnstile_now(void) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
    }

    static void turnstile_wait(volatile int *is_wanted) {
        double end = turnstile_now() + GIVE_WAY_SECONDS;
        struct timespec look = {0, LOOK_NANOSECONDS};
        while (*is_wanted && turnstile_now() < end)
            nanosleep(&look, NULL);
    }
    """
    void turnstile_wait(volatile int *is_wanted) nogil


@cython.final
cdef class Turnstile:
    """Where callers' threads give way to the node's."""

    def arrive(self, /):
        """The node's thread is at work from now on. Called by it alone."""
        self.is_spent = False
        self.is_wanted = 1

    def leave(self, /):
        """The node's thread has nothing to do."""
        self.is_wanted = 0

    cdef int give_way(self) except -1:
        """Wait until the node's thread has nothing to do, a moment at most. From callers' threads."""
        if self.is_spent:
            return 0
        with nogil:
            turnstile_wait(&self.is_wanted)
        if self.is_wanted:
            self.is_spent = True
        return 0
