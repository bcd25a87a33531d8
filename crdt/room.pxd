# Large messages are written straight into the bytes object that they end in.
from cpython.ref cimport PyObject

from crdt.engine cimport Writer

cdef extern from *:
    """
    /* Let a writer begin in a bytes object of n bytes, which is returned: what is not used of it is never there. NULL,
     * and the writer as it was: there is none, or n is 0. */
    static PyObject *lend_room(Writer *w, size_t n)
    {
        PyObject *room = n == 0 ? NULL : PyBytes_FromStringAndSize(NULL, (Py_ssize_t)n);
        if (n != 0 && room == NULL)
            PyErr_Clear();
        if (room == NULL)
            return NULL;
        *w = lent_writer((u8 *)PyBytes_AS_STRING(room), n);
        block_expect(w->p, n);
        return room;
    }

    /* What was written; the end of the writer and of what it was lent. */
    static PyObject *bytes_written(Writer *w, PyObject *room)
    {
        PyObject *bytes = room;
        if (room != NULL && w->is_lent) {
            (void)_PyBytes_Resize(&bytes, (Py_ssize_t)w->n);
        } else {
            bytes = PyBytes_FromStringAndSize((const char *)w->p, (Py_ssize_t)w->n);
            Py_XDECREF(room);
        }
        writer_free(w);
        return bytes;
    }
    """
    PyObject *lend_room(Writer *w, size_t n)
    bytes bytes_written(Writer *w, PyObject *room)
