# Which functions of which nodes this thread is running, to find a call that would wait for itself; and the time.

cdef extern from *:
    """
    #include <time.h>

    /* Which nodes' functions this thread is running, innermost first. The frames live on the C stack. */
    typedef struct access_frame {
        PyObject *node;
        PyObject *agent_id;
        struct access_frame *outer;
    } access_frame;

    static __thread access_frame *access_innermost;

    static void access_push(access_frame *frame, PyObject *node, PyObject *agent_id) {
        frame->node = node;
        frame->agent_id = agent_id;
        frame->outer = access_innermost;
        access_innermost = frame;
    }

    static void access_pop(const access_frame *frame) { access_innermost = frame->outer; }

    /* Seconds on the clock of time.perf_counter. */
    static double access_now(void) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
    }
    """
    ctypedef struct PyObject:
        pass
    ctypedef struct access_frame:
        PyObject *node
        PyObject *agent_id
        access_frame *outer
    access_frame *access_innermost
    void access_push(access_frame *frame, PyObject *node, PyObject *agent_id)
    void access_pop(const access_frame *frame)
    double access_now() nogil
