"""Waits for the disk in a thread that never holds the interpreter's lock.

A sync takes from a fraction of a millisecond to as long as the disk likes. The node's thread has others to hear
meanwhile, and a thread of Python's would ask for the interpreter's lock twice for each sync, which
a caller that computes gives away only after 5 ms.

Knows nothing of storages and event loops.
"""

cimport cython

import os

cdef extern from *:
    """
    #include <errno.h>
    #include <pthread.h>
    #include <signal.h>
    #include <unistd.h>

    /* `file` is what to sync next, -1 for nothing. `error` is the errno of the last sync, 0 if it went well. */
    typedef struct {
        pthread_t thread;
        pthread_mutex_t lock;
        pthread_cond_t is_asked;
        int file, error, done, has_ended;
    } syncer;

    static void *syncer_run(void *argument) {
        syncer *self = argument;
        pthread_mutex_lock(&self->lock);
        for (;;) {
            while (self->file < 0 && !self->has_ended)
                pthread_cond_wait(&self->is_asked, &self->lock);
            if (self->file < 0)
                break;
            int file = self->file, error;
            pthread_mutex_unlock(&self->lock);
            do
                error = fsync(file) < 0 ? errno : 0;
            while (error == EINTR);
            pthread_mutex_lock(&self->lock);
            self->file = -1;
            self->error = error;
            ssize_t told;
            do
                told = write(self->done, "", 1);
            while (told < 0 && errno == EINTR);
        }
        pthread_mutex_unlock(&self->lock);
        return NULL;
    }

    /* The errno of what failed, 0 if it runs. Signals are the interpreter's business, in its own threads. */
    static int syncer_start(syncer *self, int done) {
        sigset_t all, before;
        pthread_mutex_init(&self->lock, NULL);
        pthread_cond_init(&self->is_asked, NULL);
        self->file = -1;
        self->error = self->has_ended = 0;
        self->done = done;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        int error = pthread_create(&self->thread, NULL, syncer_run, self);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        return error;
    }

    static void syncer_ask(syncer *self, int file) {
        pthread_mutex_lock(&self->lock);
        self->file = file;
        pthread_mutex_unlock(&self->lock);
        pthread_cond_signal(&self->is_asked);  /* after it, or who wakes up at once sleeps again for the lock */
    }

    static void syncer_end(syncer *self) {
        pthread_mutex_lock(&self->lock);
        self->has_ended = 1;
        pthread_cond_signal(&self->is_asked);
        pthread_mutex_unlock(&self->lock);
        pthread_join(self->thread, NULL);
        pthread_cond_destroy(&self->is_asked);
        pthread_mutex_destroy(&self->lock);
    }
    """
    ctypedef struct syncer:
        int error
    int getpid()
    int syncer_start(syncer *self, int done)
    void syncer_ask(syncer *self, int file)
    void syncer_end(syncer *self) nogil


@cython.final
cdef class Syncer:
    """One thread that syncs files, one at a time. `done` becomes readable, by one byte, with the end of each."""

    cdef syncer _syncer
    cdef readonly int done
    cdef int _tell, _process  # the process that has the thread, 0 for none: a forked child has not

    def __cinit__(self):
        """OSError if there can be no thread."""
        self.done, self._tell = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        cdef int error = syncer_start(&self._syncer, self._tell)
        if error:
            self._close()
            raise OSError(error, f"{os.strerror(error)}: no thread can be started that waits for the disk")
        self._process = getpid()

    def __dealloc__(self):
        self.stop()

    def ask(self, int file, /):
        """Begin to sync a file. Nothing may be under way, and the file stays open until its end is told."""
        syncer_ask(&self._syncer, file)

    def take(self, /):
        """What the sync ended with that `done` tells of: 0, or the errno."""
        os.read(self.done, 1)
        return self._syncer.error

    def stop(self, /):
        """End the thread, after what it is at. Does nothing the second time."""
        if self._process == getpid():
            self._process = 0
            with nogil:
                syncer_end(&self._syncer)
            self._close()

    cdef _close(self):
        os.close(self.done)
        os.close(self._tell)
