/* The recent delete events of a sequence, kept to answer a peer that lacks only some of them.
 *
 * The log is no part of the state: which elements are deleted says it all. It is bounded; what is
 * dropped, or was never known because a state came as a whole, lies below the writer's `horizon`,
 * and a peer that has seen less than a horizon is sent every deleted id instead.
 *
 * An entry is one event that deleted a stretch of elements, or a stretch of events that deleted one
 * element each, forwards or backwards, as a held delete or backspace key does.
 */
#ifndef CRDT_SEQUENCE_LOG_H
#define CRDT_SEQUENCE_LOG_H

#include "sequence_gaps.h"

enum { LOG_ENTRIES_MIN = 256, LOG_NOTHING = (1 << 30) - 1 };

typedef enum { ONE_EVENT = 0, EACH_FORWARD = 1, EACH_BACKWARD = 2 } DeletionKind;

typedef struct {
    u32 dot_low;
    u16 dot_middle, replica;
    u32 first, n;       /* elements by local number, lowest first */
    u32 previous : 30;  /* the writer's entry before this one, or LOG_NOTHING */
    u32 kind : 2;
} Deletion;

typedef struct {
    u64 horizon;
    u32 last; /* its last entry, or LOG_NOTHING */
    u16 replica;
} Deleter;

typedef struct {
    Deletion *all;
    Deleter *deleters; /* by replica index */
    u32 n, capacity, n_deleters, deleters_capacity;
} DeleteLog;

/* The first event of an entry, and the last. */
static inline Dot deletion_dot(const Deletion *d)
{
    return dot_of(d->replica, (u64)d->dot_middle << 32 | d->dot_low);
}

static inline Dot deletion_end(const Deletion *d)
{
    return deletion_dot(d) + (d->kind == ONE_EVENT ? 0 : d->n - 1);
}

/* The last event of a writer that is logged or below its horizon; 0 if none. */
u64 log_known(const DeleteLog *log, u16 replica);

/* Room for one more entry of this writer. */
int log_reserve(DeleteLog *log, u16 replica);

/* `event` deleted the n elements from `first` on; `kind` for a stretch of n events. Reserved. */
void log_append(DeleteLog *log, Dot event, u32 first, u32 n, DeletionKind kind);

/* Take the last stretch of elements that `event` and up to `events - 1` before it deleted out of the log; 0 if
 * there is none of `event`. */
u32 log_pop(DeleteLog *log, Dot event, u32 events, u32 *first, DeletionKind *kind);

/* Entries that are kept at most, beside so many runs. */
static inline u32 log_bound(u32 runs)
{
    return runs / 4 > LOG_ENTRIES_MIN ? runs / 4 : LOG_ENTRIES_MIN;
}

/* Drop the oldest entries when there are more than the bound. */
void log_trim(DeleteLog *log, u32 runs);

/* Events of this writer up to here may have deleted something without being in the log. */
int log_raise_horizon(DeleteLog *log, u16 replica, u64 sequence);

/* Whether the log has every event that a holder of `since` (by local index) lacks. */
bool log_reaches(const DeleteLog *log, const u64 *since);

/* Whether it has any at all. */
bool log_has_news(const DeleteLog *log, const u64 *since);

/* Drop what the log says of a writer. */
void log_forget(DeleteLog *log, u16 replica);

/* Elements have been taken out: forget the events of entries that name one, which all who may ask have. */
void log_take_out(DeleteLog *log, const Gaps *gaps);

void log_free(DeleteLog *log);
int log_copy(DeleteLog *to, const DeleteLog *from);
size_t log_memory(const DeleteLog *log);

#endif
