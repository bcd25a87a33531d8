"""What every state type is: a view of one place in a document, and the document's own members.

A type used alone is the root of a document. A field of a composite or a child in an ORMap is a view
into its root's document: it shares the root's writer, clock, version and digest, so those members,
and merging, belong to the root. A view finds its place again when containers have been freed, and
makes it when it is first written.

The file is long because what all types share is one class, and a cdef class cannot be spread over files.
"""

from bisect import bisect_left
from collections.abc import Mapping
from sys import getsizeof

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_Calloc, PyMem_Free, PyMem_Malloc
from cpython.ref cimport PyObject, Py_XDECREF
from libc.string cimport memset

from crdt.engine cimport *
from crdt.room cimport bytes_written, lend_room
from crdt.root cimport Root, RootExtras, clock_of, hash_seed, lent_room, name_of, new_root, take_back
from crdt.turns cimport LANDING, WALKED
from crdt.values cimport PyGC_Disable, PyGC_Enable, pack_key
from crdt.version cimport VersionVector, make_version

from crdt.errors import DecodeError, ReadOnlyError, RefusedError, RetiredError, WrongTypeError
from crdt.shown import shown

cdef extern from *:
    """
    /* `cls.__new__(cls)`, without a lookup of the name. */
    static inline PyObject *new_instance(PyObject *cls, PyObject *no_arguments)
    {
        return ((PyTypeObject *)cls)->tp_new((PyTypeObject *)cls, no_arguments, NULL);
    }
    """
    object new_instance(object cls, object no_arguments)

# Deltas that wait for their base take at most this much memory in one state; then merging refuses.
cdef size_t HELD_BACK_BYTES_MAX = 256 << 20

# From here on the work takes some 50 us: enough to let other threads of the interpreter run meanwhile.
cdef size_t MESSAGE_MIN = 4 << 10  # bytes to merge
cdef u64 WEIGHT_MIN = 1000  # entries to walk over

cdef enum:
    SINCE_FEW = 16  # writers, up to which a version needs no memory of its own
    SMALL_MESSAGE = 256  # bytes, likewise
    REPR_MAX = 200  # characters

cdef dict classes = {}

LEVELS = ("reactive", "eventually_consistent", "crdt_enhanced", "replicated")


def _register(int kind, cls):
    """Tell which class shows containers of a kind."""
    classes[kind] = cls


cdef object class_of(Container *node):
    return classes[container_kind(node)]


cdef Replicated view(type cls, Root root, Container *node, Replicated parent, object place):
    cdef u32 epoch = root.doc.epoch  # raises before there is a view of what was never started
    cdef Replicated v = new_instance(cls, ())
    v.root = root
    v.node = node
    v.epoch = epoch
    v.parent = parent
    v.place_in_parent = place
    return v


cdef int raise_status(int status, Replicated who) except -1:
    if status == ERROR_MEMORY:
        raise MemoryError(f"{who._place()}: out of memory; nothing was changed")
    if status == ERROR_LIMIT:
        raise OverflowError(
            f"{who._place()}: a limit of the format is reached (events, rows or bytes); nothing was changed"
        )
    if status == ERROR_RETIRED:
        raise RetiredError(
            f"{who._place()}: its writer {who.root.name()!r} has been retired, so nobody would take its changes; "
            "fork the state under another name", True
        )
    if status == ERROR_RANGE:
        raise IndexError(f"{who._place()}: out of range; nothing was changed")
    return status


cdef int raise_landing(Landing landing, Replicated who) except -1:
    if landing == MESSAGE_RETIRED:
        raise RetiredError(
            f"{type(who).__name__}: the bytes are of a state from before what was purged here, or bring changes "
            "of a writer after it was retired; nothing of them was applied: their sender must rebase", False
        )
    if landing == MESSAGE_REBASE:
        raise RetiredError(
            f"{type(who).__name__}: the bytes are of a state that has purged what this one, written to since, "
            "does not know of; nothing of them was applied: rebase this state onto that one", True
        )
    return 0


def restore(cls, data, of, waiting=()):
    """Unpickle: the copy is a writer of its own, since two live writers never share a name."""
    state = cls.from_bytes(data) if of is None else cls.from_bytes(data, of=of)
    for delta in waiting:
        state.merge(delta)
    return state


cdef class Replicated:
    """The members that all state types share."""

    __hash__ = None

    def _start(self, Shape shape, size_t schema, replica, clock, max_drift):
        if clock is not None and not callable(clock):
            raise TypeError(f"clock: a callable that returns milliseconds, not {type(clock).__name__}")
        if type(max_drift) not in (int, float) or not 0 <= max_drift < 1e9:
            raise ValueError(f"max_drift: seconds, 0 or more, not {shown(max_drift)}")
        cdef Document *doc = document_new(shape, <const Schema *>schema, hash_seed)
        self.root = new_root(doc, replica, clock, <u64>(max_drift * 1000))
        self.node = doc.root

    # ---- finding and making the place of a view ---------------------------------------------

    cdef Container *here(self) except? NULL:
        """The container, or NULL if nothing was ever written here."""
        if self.root.guard & LANDING:
            self.root.wait(LANDING)
        if self.parent is None or (self.node != NULL and self.epoch == self.root.doc.epoch):
            return self.node
        return self.find()

    cdef Container *find(self) except? NULL:
        cdef Container *parent = self.parent.here()
        cdef Item key
        self.node = NULL
        self.epoch = self.root.doc.epoch
        if parent == NULL:
            return NULL
        if container_kind(parent) == COMPOSITE:
            self.node = (<CompositeNode *>parent).field[<int>self.place_in_parent]
        else:
            _holder = pack_key(self.place_in_parent, &key, self)
            self.node = map_find(self.root.doc, <Table *>parent, &key)
        return self.node

    cdef Container *open(self) except NULL:
        """The container, ready to be changed: made if needed, guards asked, the writer known."""
        if self.root is None:
            raise TypeError(f"{type(self).__name__}: __init__ was not called")
        if self.root.guard:
            self.check_guard()
        self.root.own()
        cdef Container *node = self.node
        if self.parent is not None and (node == NULL or self.epoch != self.root.doc.epoch):
            node = self.find()
        return node if node != NULL else self.make()

    cdef Container *make(self) except NULL:
        cdef Item key
        cdef int status
        cdef Container *parent = self.parent.here()
        if parent == NULL:
            parent = self.parent.make()
        if container_kind(parent) == COMPOSITE:
            status = composite_make(self.root.doc, <CompositeNode *>parent, <int>self.place_in_parent, &self.node)
        else:
            _holder = pack_key(self.place_in_parent, &key, self)
            status = map_make(self.root.doc, <Table *>parent, &key, &self.node)
        raise_status(status, self)
        self.epoch = self.root.doc.epoch
        return self.node

    cdef int done(self, int status) except -1:
        """End an edit: when it changed nothing, a place that was made for it goes again."""
        if status <= 0 and self.parent is not None:
            edit_abandon(self.root.doc, self.node)
        if status < 0:
            raise_status(status, self)
        return status

    cdef int check_guard(self) except -1:
        cdef Replicated at = self
        if self.root.guard & (WALKED | LANDING):
            self.root.wait(WALKED | LANDING)
        if self.root.guard & (READ_ONLY | KEPT):
            raise ReadOnlyError(
                f"{self._place()}: this state was handed out for reading; "
                "change it inside update_state(agent_id, fn), or fork it"
            )
        while at.parent is not None:
            if self.root.guard & RESTRICTED and hasattr(type(at.parent), "_declared"):
                field = type(at.parent)._declared[at.place_in_parent]
                if field.rank > self.root.rank:
                    raise RefusedError(
                        f"{at._place()}: this field is declared at_least={field.at_least!r} and refuses a "
                        f"{LEVELS[self.root.rank]!r} update; call update_state(..., consistency={field.at_least!r})",
                        field.name,
                        field.at_least,
                    )
            if at.parent.parent is None:
                break
            at = at.parent
        if self.root.guard & TRACKED:
            name = at._field_name()
            if name not in self.root.extras.before:
                self.root.extras.before[name] = at.value
        return 0

    def _field_name(self):
        if self.parent is None:
            return ""
        if hasattr(type(self.parent), "_declared"):
            return type(self.parent)._declared[self.place_in_parent].name
        return self.place_in_parent

    def _place(self):
        """How errors name this place: `config`, `tallies['x']`, or the type's name at the root."""
        if self.parent is None:
            return type(self).__name__
        if not hasattr(type(self.parent), "_declared"):
            return f"{self.parent._place()}[{shown(self.place_in_parent)}]"
        name = self._field_name()
        return name if self.parent.parent is None else f"{self.parent._place()}.{name}"

    def _kind(self):
        """How errors name the type."""
        return type(self).__name__

    def _only_root(self, str what):
        if self.parent is not None:
            raise TypeError(
                f"{self._place()}: {what} belongs to the whole {type(self._top()).__name__} that this is a part of: "
                "one version, one delta and one digest cover all of it"
            )

    def _top(self):
        cdef Replicated at = self
        while at.parent is not None:
            at = at.parent
        return at

    # ---- what is held ----------------------------------------------------------------------

    cdef object value_of(self, Container *node):
        raise NotImplementedError(type(self).__name__)

    @property
    def replica(self):
        """The name this state writes under."""
        return self.root.name()

    @property
    def value(self):
        """Plain Python data; a copy, so changing it changes nothing. O(n)."""
        cdef Container *node = self.here()
        cdef bint collects = PyGC_Disable()  # or a finalizer may change what is read
        try:
            return self.value_of(node)
        finally:
            if collects:
                PyGC_Enable()

    @property
    def version(self):
        """How much of each writer is held, as a `VersionVector`. O(1) between merges."""
        cdef Root root = self.root
        cdef Document *doc = root.doc
        if root.guard & LANDING:
            root.wait(LANDING)
        if root.others is None:
            root.others = {self.writer(i): doc.replicas.all[i].seen
                           for i in range(<int>doc.replicas.n)
                           if i != doc.self and doc.replicas.all[i].seen}
        if doc.self < 0:
            return make_version(root.others, None, 0)
        return make_version(
            root.others, root.name() if root.replica is None else root.replica, doc.replicas.all[doc.self].seen
        )

    cdef str writer(self, int index):
        cdef RootExtras extras = self.root.made_extras()
        if extras.names is None:
            extras.names = {}
        name = extras.names.get(index)
        if name is None:
            name = extras.names[index] = name_of(self.root.doc, index)
        return name

    def _writer(self, int index):
        return self.writer(index)

    @property
    def pending(self):
        """How many deltas are held back, since what they build on is missing or their time is to come."""
        self._only_root("pending")
        self.land_due()
        return len(self.root.held_back() or ())

    cdef bint land_due(self) except -1:
        """Land what waits and need not wait any longer; whether something landed."""
        cdef Root root = self.root
        return root.held_back() and not root.guard & ~KEPT and root.doc.open == NULL and self._land_held_back()

    cdef u64 time_to_write(self) except? 0:
        """The time for a stamp. What has come before is landed first, so that the write is later than it."""
        self.land_due()
        return self.root.now_ms()

    def _waiting(self):
        """The deltas that are held back."""
        return [data for _, data in self.root.held_back() or ()]

    @property
    def _is_waiting(self):
        """Whether deltas are held back; looking lands none of them, as `pending` does."""
        return bool(self.root.held_back())

    @property
    def _is_retired(self):
        """Whether its own writer has been retired: it must `fork` before it can be changed. O(1)."""
        cdef Root root = self.root
        if root.doc.self < 0 and growth_n(&root.doc.replicas) != 0:
            root.own()
        return root.doc.is_retired

    def digest(self):
        """16 bytes, equal for equal states and, but for a hash collision, for no others. O(1)."""
        self._only_root("digest")
        if self.root.guard & LANDING:
            self.root.wait(LANDING)
        cdef Digest d = document_digest(self.root.doc)
        return PyBytes_FromStringAndSize(<char *>&d.low, 8) + PyBytes_FromStringAndSize(<char *>&d.high, 8)

    # ---- exchange ---------------------------------------------------------------------------

    cdef bytes encode(self, u64 *since, bint everything):
        cdef u8[SMALL_MESSAGE] few
        cdef Writer out = lent_writer(few, SMALL_MESSAGE)
        cdef PyObject *room = NULL
        cdef Document *doc = self.root.doc
        cdef int status
        if document_weight(doc, NULL if everything else since) < WEIGHT_MIN:
            status = document_encode(doc, since, everything, &out)
        else:
            self.root.begin_walk()
            room = lend_room(&out, document_room(doc) if everything else 0)
            with nogil:
                status = document_encode(doc, since, everything, &out)
            self.root.end_walk()
        if status < 0:
            Py_XDECREF(room)
            raise_status(status, self)
        try:
            return bytes_written(&out, room)
        finally:
            if self.root.waiting != 0:
                self.root.let_others_in()

    cdef int held_by(self, VersionVector version, u64 *since) except -1:
        """How much of each writer, by local index, a holder of `version` has."""
        cdef Root root = self.root
        cdef Replicas *r = &root.doc.replicas
        cdef int index
        cdef bint is_own = version.counts is None and version.others is not None and version.others is root.others
        if is_own and root.doc.self >= 0:
            # Made here, and nobody else's changes have come since.
            for index in range(<int>r.n):
                since[index] = r.all[index].seen
            since[root.doc.self] = min(<u64>version.own_count, since[root.doc.self])
            return 0
        for writer, count in version.all_counts().items():
            name = (<str>writer).encode()
            index = replicas_find(r, <const u8 *>PyBytes_AS_STRING(name), <u8>PyBytes_GET_SIZE(name))
            if index >= 0:
                since[index] = min(<u64>count, r.all[index].seen)
        return 0

    cdef bytes delta_for(self, VersionVector version):
        if self.root.guard & LANDING:
            self.root.wait(LANDING)
        cdef Document *doc = self.root.doc
        cdef u64[SINCE_FEW] few
        cdef u64 *since = few
        if doc.open != NULL:
            raise RuntimeError(
                f"{type(self).__name__}: bytes of a state cannot leave an update that may still be undone; "
                "take them afterwards"
            )
        if doc.replicas.n > SINCE_FEW:
            since = <u64 *>PyMem_Malloc(doc.replicas.n * sizeof(u64))
            if since == NULL:
                raise MemoryError()
        memset(since, 0, doc.replicas.n * sizeof(u64))
        try:
            if version is not None:
                self.held_by(version, since)
            return self.encode(since, version is None)
        finally:
            if since != few:
                PyMem_Free(since)

    def delta(self, since=None):
        """What a holder of version `since` lacks, as bytes; `b""` if nothing. Without it: everything.

        O(rows) at worst; the bytes are proportional to what changed.
        """
        if self.parent is not None:
            self._only_root("delta")
        if since is None:
            return self.delta_for(None)
        if type(since) is not VersionVector:
            if not isinstance(since, Mapping):
                raise TypeError(f"since is a VersionVector, or None for everything, not {type(since).__name__}")
            since = VersionVector(since)
        return self.delta_for(since)

    def to_bytes(self):
        """The whole state, canonical: equal states give equal bytes. O(n log n)."""
        self._only_root("to_bytes")
        return self.delta_for(None)

    @classmethod
    def from_bytes(cls, data, replica=None, **options):
        """A state from `to_bytes`, writing under `replica` (made up if left out).

        `DecodeError`: the bytes are damaged, of another type, or a delta that builds on something.
        """
        if not isinstance(data, (bytes, bytearray, memoryview)):
            instead = "fork or copy a state" if isinstance(data, Replicated) else "give it what to_bytes() returned"
            raise TypeError(f"{cls.__name__}.from_bytes reads bytes, not {type(data).__name__}: {instead}")
        cdef Replicated state = cls(replica, **options)
        if state.take_in(bytes(data), False) == MESSAGE_BASE_MISSING:
            raise DecodeError(f"{cls.__name__}.from_bytes: a delta on top of an earlier state, not a full state", 0)
        return state

    def _bytes(self, data):
        if type(data) is bytes:
            return data
        if isinstance(data, (bytes, bytearray, memoryview)):
            return bytes(data)
        raise TypeError(
            f"{type(self).__name__}: bytes or another {type(self).__name__} can be merged, not {type(data).__name__}"
        )

    cdef Landing land(self, bytes data, bint mind_drift) except *:
        cdef Root root = self.root
        cdef Landing landing = MESSAGE_NO_NEWS
        cdef const char *error = NULL
        cdef size_t offset = 0
        cdef u64 latest = <u64>-1
        if mind_drift:
            latest = ((root.now_ms() + root.drift_ms()) << 16) | 0xFFFF
        cdef Document *doc = root.doc
        cdef const u8 *message = <const u8 *>PyBytes_AS_STRING(data)
        cdef size_t size = PyBytes_GET_SIZE(data)
        cdef u64 base = 0
        cdef int status
        if size < MESSAGE_MIN:
            status = document_merge(doc, message, size, latest, &landing, &error, &offset, &base)
        else:
            root.begin_landing()
            with nogil:
                status = document_merge(doc, message, size, latest, &landing, &error, &offset, &base)
            root.end_landing()
        if landing == MESSAGE_BASE_MISSING or landing == MESSAGE_TOO_EARLY:
            root.made_extras().base = base
        if status == ERROR_DECODE:
            kind = WrongTypeError if error == b"of another type" else DecodeError
            raise kind(f"{type(self).__name__}: {error.decode()}; nothing of it was applied", offset)
        raise_status(status, self)
        if landing == MESSAGE_LANDED:
            root.others = None
        return landing

    cdef Landing take_in(self, bytes data, bint mind_drift) except *:
        cdef Landing landing = self.land(data, mind_drift)
        if landing == MESSAGE_RETIRED or landing == MESSAGE_REBASE:
            raise_landing(landing, self)
        return landing

    def _land(self, bytes data not None, bint mind_drift):
        return self.land(data, mind_drift)

    def _merge_bytes(self, bytes data not None, bint mind_drift=True):
        return self.take_in(data, mind_drift)

    def merge(self, other):
        """Join another state, or bytes of one, into this one; whether that changed anything.

        A delta whose base is missing here, or stamped further ahead than `max_drift`, is held back
        and lands by itself. `TypeError`: another type. `DecodeError`: damaged bytes; nothing applied.
        `RetiredError`: one side has purged what the other side was written without; nothing applied.
        """
        cdef Root root = self.root
        cdef Landing landing
        cdef bytes data
        cdef bint changed
        if self.parent is not None:
            self._only_root("merge")
        if root.guard & (READ_ONLY | KEPT | WALKED | LANDING):
            self.check_guard()
        if root.doc.open != NULL:
            raise RuntimeError(f"{type(self).__name__}: merging is not possible inside an update; merge outside of it")
        if type(other) is bytes:
            data = other
        elif isinstance(other, Replicated):
            return self._merge_state(other)
        else:
            data = self._bytes(other)
        if PyBytes_GET_SIZE(data) == 0:
            return self.land_due()
        landing = self.take_in(data, True)
        if landing == MESSAGE_BASE_MISSING or landing == MESSAGE_TOO_EARLY:
            self._hold_back(data)
            return False
        changed = landing == MESSAGE_LANDED
        if root.held_back():
            changed = self._land_held_back() or changed
        if root.waiting != 0:
            root.let_others_in()
        return changed

    def _deliver(self, bytes data not None, size_t held_back_max):
        """`merge` for a node: the number of what came of it, as `Landing` in document.h counts, also where `merge`
        raises RetiredError; what has to wait is dropped beyond so many bytes of it."""
        cdef Landing landing = self.land(data, True)
        if landing == MESSAGE_LANDED:
            if self.root.held_back():
                self._land_held_back()
        elif (
            (landing == MESSAGE_BASE_MISSING or landing == MESSAGE_TOO_EARLY)
            and self.root.made_extras().held_back_bytes + <size_t>len(data) <= held_back_max
        ):
            self._hold_back(data)
        return landing

    def _merge_state(self, Replicated other):
        if type(other) is not type(self) or other.root.doc.root.shape != self.root.doc.root.shape:
            raise TypeError(f"{self._kind()} merges with its own type and bytes of it, not with {other._kind()}")
        other._only_root("merge")
        if other.root is self.root:
            return self.land_due()
        data = other.delta_for(self.version)
        return self.merge(data)

    def _hold_back(self, bytes data):
        cdef RootExtras extras = self.root.made_extras()
        waiting = (extras.base, data)
        if extras.held_back is None:
            extras.held_back = []
        at = bisect_left(extras.held_back, waiting)
        if at < len(extras.held_back) and extras.held_back[at] == waiting:
            return
        if extras.held_back_bytes + <size_t>len(data) > HELD_BACK_BYTES_MAX:
            raise DecodeError(
                f"{type(self).__name__}: {len(extras.held_back)} deltas wait for what they build on, which takes "
                f"{extras.held_back_bytes} bytes; ask a peer for a full state instead", 0)
        extras.held_back.insert(at, waiting)
        extras.held_back_bytes += len(data)

    def _land_held_back(self):
        """Try all that waits, again while something lands.

        Sorted by how much each builds on, a chain of deltas lands in one pass, whatever the order it came in.
        """
        cdef RootExtras extras = self.root.made_extras()
        changed = False
        progress = True
        while progress and extras.held_back:
            progress = False
            waiting, extras.held_back, extras.held_back_bytes = extras.held_back, [], 0
            for at, (base, data) in enumerate(waiting):
                try:
                    landing = self.take_in(data, True)
                except (DecodeError, RetiredError):
                    continue  # its base has come and shows that it was never valid, or what it adds comes too late
                except BaseException:  # of the clock, say: what is waiting goes on waiting
                    extras.held_back.extend(waiting[at:])
                    extras.held_back_bytes += sum(len(data) for _, data in waiting[at:])
                    raise
                if landing == MESSAGE_LANDED:
                    changed = progress = True
                elif landing != MESSAGE_NO_NEWS:
                    extras.held_back.append((base, data))
                    extras.held_back_bytes += len(data)
        return changed

    # ---- copies -----------------------------------------------------------------------------

    def _clone(self, replica):
        self._only_root("a copy")
        cdef Root mine = self.root
        if mine.guard & LANDING:
            mine.wait(LANDING)
        if mine.doc.open != NULL:
            raise RuntimeError(f"{type(self).__name__}: copying is not possible inside an update")
        cdef Root root = new_root(document_clone(mine.doc), replica, clock_of(mine), mine.drift_ms())
        if mine.held_back():
            root.made_extras().held_back = list(mine.extras.held_back)
            root.extras.held_back_bytes = mine.extras.held_back_bytes
        cdef Replicated copy = view(type(self), root, root.doc.root, None, None)
        copy._like(self)
        return copy

    def _like(self, other):
        """Take over what a copy shares with its original beyond the document."""

    def fork(self, replica=None):
        """An independent copy that writes under another name. O(n), a copy of memory.

        Of two copies with one name only one may go on writing.
        """
        cdef Replicated copy = self._clone(replica)
        copy.root.take_name()
        return copy

    def _snapshot(self):
        cdef Replicated copy = self._clone(self.root.name())
        copy.root.guard = READ_ONLY
        return copy

    def __copy__(self):
        return self.fork()

    def __deepcopy__(self, memo):
        return self.fork()

    def __reduce__(self):
        self._only_root("pickling")
        return restore, (type(self), self.to_bytes(), None, self._waiting())

    def __eq__(self, other):
        if type(other) is not type(self):
            return NotImplemented
        cdef Replicated theirs = other
        if self.parent is not None or theirs.parent is not None:
            return self._contents() == theirs._contents()
        return self.root.doc.root.shape == theirs.root.doc.root.shape and self.digest() == theirs.digest()

    def _contents(self):
        """What `==` of parts compares: their value, with everything in it told apart by type and content."""
        return self.value

    def __repr__(self):
        return f"{type(self).__name__}({shown(self.value, REPR_MAX)}, replica={self.root.name()!r})"

    def __sizeof__(self):
        size = object.__sizeof__(self)
        cdef Container *node = NULL if self.root is None else self.here()
        if self.parent is not None:
            return size + (0 if node == NULL else container_memory(node))
        if self.root is not None:
            size += getsizeof(self.root) + document_memory(self.root.doc)
        return size

    def check_invariants(self):
        """Raise `AssertionError` naming an inner rule that does not hold. Slow; for tests."""
        self.here()
        cdef const char *broken = document_broken_invariant(self.root.doc)
        if broken != NULL:
            raise AssertionError(f"{type(self).__name__}: {broken.decode()}")

    # ---- bounded growth, for a node ------------------------------------------------------------

    cdef u64 *counts_of(self, vector, bint exact) except NULL:
        """By local writer; the caller frees. With `exact`, each must be held."""
        cdef Document *doc = self.root.doc
        cdef u64 *counts = <u64 *>PyMem_Calloc(doc.replicas.n + 1, sizeof(u64))
        cdef int index
        if counts == NULL:
            raise MemoryError()
        for writer, count in vector.items():
            name = writer.encode()
            index = replicas_find(&doc.replicas, <const u8 *>PyBytes_AS_STRING(name), <u8>PyBytes_GET_SIZE(name))
            held = doc.replicas.all[index].seen if index >= 0 else 0
            if exact and count > held:
                PyMem_Free(counts)
                raise ValueError(f"{type(self).__name__}: the cut has {count} of {writer!r}, but {held} are held")
            if index >= 0:
                counts[index] = min(<u64>count, <u64>held)
        return counts

    def _purge(self, cut, retired=None, /):
        """Forget what removals at or below `cut` leave behind; whether that took an event.

        `cut` must be causally stable: every member holds it, and what any member wrote before it held it
        is held here. `retired`: writers that left for good, with the count of their events, which must be
        what is held. Nothing happens if nothing would go. O(n).
        """
        self._only_root("purging")
        cdef Root root = self.root
        cdef Document *doc = root.doc
        cdef u64 *counts = NULL
        cdef cbool *leaving = NULL
        cdef int status
        cut, retired = VersionVector(cut), VersionVector(retired)
        if root.guard & (READ_ONLY | WALKED | LANDING):
            self.check_guard()
        if doc.open != NULL:
            raise RuntimeError(f"{type(self).__name__}: purging is not possible inside an update")
        root.own()
        for writer, count in retired.items():
            if writer == root.name():
                raise ValueError(f"{type(self).__name__}: {writer!r} cannot retire itself: it writes this purge")
            if self.version.get(writer, 0) != count:
                raise ValueError(f"{type(self).__name__}: {writer!r} cannot retire at {count} of its events: "
                                 f"{self.version.get(writer, 0)} are held here")
        try:
            counts = self.counts_of(cut, True)
            leaving = <cbool *>PyMem_Calloc(doc.replicas.n + 1, sizeof(cbool))
            if leaving == NULL:
                raise MemoryError()
            for index in range(<int>doc.replicas.n):
                leaving[index] = doc.replicas.all[index].seen != 0 and self._writer(index) in retired
            status = raise_status(document_purge(doc, counts, leaving), self)
        finally:
            PyMem_Free(counts)
            PyMem_Free(leaving)
        root.others = None
        return status == CHANGED

    def rebase(self, onto, replica=None):
        """What this state alone has, written again on top of the newer state `onto`, as a new state.

        For a state that `RetiredError` keeps from being merged: it was away when removals it does not know
        of were purged. `onto` is a full state (or its bytes); `replica` the new writer, who must be new to
        both. Kept are counts, elements, entries and removals of events that `onto` has not seen; writes of
        one key compete by their stamps. O(n), O(n log n) for sequences.
        """
        return self._rebase(onto, replica, None)

    def _rebase(self, onto, replica, writers, /):
        """`rebase`; if `writers` is not None, only events of those writers are made again.

        What any of them removed goes.
        """
        self._only_root("rebasing")
        if self.root.doc.open != NULL:
            raise RuntimeError(f"{type(self).__name__}: rebasing is not possible inside an update")
        data = onto.to_bytes() if type(onto) is type(self) else self._bytes(onto)
        cdef Root mine = self.root
        cdef Container *top = mine.doc.root
        cdef Root root = new_root(document_new(top.shape, container_schema(top), hash_seed), replica,
                                  clock_of(mine), mine.drift_ms())
        cdef Replicated state = view(type(self), root, root.doc.root, None, None)
        state._like(self)
        if state.take_in(data, False) == MESSAGE_BASE_MISSING:
            raise DecodeError(f"{type(self).__name__}.rebase: a delta on top of an earlier state, not a full state", 0)
        if root.name() in self.version or root.name() in state.version:
            raise ValueError(f"replica: {root.name()!r} has written in one of the two states; name a new writer")
        root.take_name()
        self.here()
        cdef cbool *whose = NULL
        cdef int status
        if writers is not None:
            whose = <cbool *>PyMem_Calloc(mine.doc.replicas.n + 1, sizeof(cbool))
            if whose == NULL:
                raise MemoryError()
            for index in range(<int>mine.doc.replicas.n):
                whose[index] = self._writer(index) in writers
        status = document_rebase(root.doc, mine.doc, whose)
        PyMem_Free(whose)
        raise_status(status, self)
        root.others = None
        return state

    def _purgeable(self, cut, /):
        """How many entries a purge at `cut` would drop, or announce that they go at a later one. O(n)."""
        cdef VersionVector vector = VersionVector(cut)
        self.here()
        cdef u64 *counts = self.counts_of(vector, False)
        try:
            return document_purgeable(self.root.doc, counts)
        finally:
            PyMem_Free(counts)

    @property
    def _cut(self):
        """Up to where removals have been forgotten, as a `VersionVector`."""
        self.here()
        cdef Replicas *r = &self.root.doc.replicas
        return VersionVector({self._writer(i): growth_of(r, i).cut
                              for i in range(<int>growth_n(r)) if growth_of(r, i).cut})

    @property
    def _retired(self):
        """The writers that left and are still named, with the count of their events."""
        self.here()
        cdef Replicas *r = &self.root.doc.replicas
        return VersionVector({self._writer(i): r.all[i].seen
                              for i in range(<int>growth_n(r)) if growth_of(r, i).retirement})

    # ---- transactions, for a node ------------------------------------------------------------

    def _transact(self, fn, int rank=3, bint track=False, bint keep=False, /):
        """Call `fn(self)`; leave all it changed, or nothing if it raises. With `keep` nobody changes it outside."""
        cdef Root root = self.root
        cdef Document *doc = root.doc
        cdef u64 seen
        if root.guard & (READ_ONLY | WALKED | LANDING):
            self.check_guard()
        if doc.open != NULL:
            raise RuntimeError(f"{type(self).__name__}: an update inside an update of the same state")
        root.own()
        root.rank = rank
        root.guard = (RESTRICTED if rank < 3 and self._is_restricted() else 0) | (TRACKED if track else 0)
        if track:
            root.made_extras().before = {}
        elif root.extras is not None:
            root.extras.before = None
        seen = doc.replicas.all[doc.self].seen
        cdef Transaction transaction = lent_room()
        document_begin(doc, &transaction)
        try:
            result = fn(self)
        except BaseException:
            document_rollback(doc)
            take_back(&transaction)
            root.guard = KEPT if keep else 0
            root.changed = False
            raise
        document_commit(doc)
        take_back(&transaction)
        root.guard = KEPT if keep else 0
        root.changed = doc.replicas.all[doc.self].seen != seen
        return result

    def _is_restricted(self):
        return False

    @property
    def _changed(self):
        return self.root.changed

    @property
    def _before(self):
        return None if self.root.extras is None else self.root.extras.before

    def _make_read_only(self, bint value, /):
        """While a node hands it out for reading; afterwards it is the node's, as after a transaction."""
        self.root.guard = (self.root.guard | READ_ONLY) if value else (self.root.guard & ~READ_ONLY | KEPT)
