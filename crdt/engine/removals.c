/* The log of recent removals: what a table's rows no longer show. See RemovalLog in table.h. */
#include "table.h"

#include <stdlib.h>

/* A log this short is always kept; beyond, it may grow to a quarter of the rows. */
enum { LOG_ALWAYS = 64 };

/* The log of a table, made if there is none. */
static RemovalLog *log_of(Table *t)
{
    TableExtras *extras = table_extras(t);
    if (extras != NULL && extras->log == NULL)
        extras->log = calloc(1, sizeof(RemovalLog));
    return extras == NULL ? NULL : extras->log;
}

int removals_reserve(Table *t, u32 key_bytes)
{
    RemovalLog *log = log_of(t);
    if (log == NULL)
        return ERROR_MEMORY;
    int status = array_reserve(&log->all, &log->capacity, log->n + 1, sizeof(Removal));
    if (status == DONE && key_bytes > KEY_INLINE)
        status = arena_reserve(&log->keys, key_bytes);
    return status;
}

void removals_append(Table *t, Dot event, const Item *key)
{
    RemovalLog *log = table_log(t);
    log->all[log->n++] = (Removal){event, key_store(key, &log->keys)};
}

void removals_free(RemovalLog *log)
{
    if (log == NULL)
        return;
    block_free(log->all, log->capacity * sizeof(Removal));
    block_free(log->horizon, log->horizon_capacity * sizeof(u64));
    arena_free(&log->keys);
    free(log);
}

int removals_begin(Table *t, const Replicas *replicas)
{
    bool none = true;
    for (u32 i = 0; i < replicas->n && none; i++)
        none = replicas->all[i].whole == 0;
    if (none)
        return DONE;
    u64 *sequences = malloc(replicas->n * sizeof(u64));
    if (sequences == NULL)
        return ERROR_MEMORY;
    for (u32 i = 0; i < replicas->n; i++)
        sequences[i] = replicas->all[i].whole;
    int status = removals_raise_horizon(t, sequences, replicas->n);
    free(sequences);
    return status;
}

int removals_raise_horizon(Table *t, const u64 *sequences, u32 n)
{
    RemovalLog *log = log_of(t);
    if (log == NULL)
        return ERROR_MEMORY;
    if (array_reserve(&log->horizon, &log->horizon_capacity, n, sizeof(u64)) != DONE)
        return ERROR_MEMORY;
    for (; log->horizon_n < n; log->horizon_n++)
        log->horizon[log->horizon_n] = 0;
    for (u32 i = 0; sequences != NULL && i < n; i++)
        if (sequences[i] > log->horizon[i])
            log->horizon[i] = sequences[i];
    return DONE;
}

int removals_trim(Table *t)
{
    RemovalLog *log = table_log(t);
    u32 bound = t->n / 4 > LOG_ALWAYS ? t->n / 4 : LOG_ALWAYS;
    if (log == NULL || log->n <= bound)
        return DONE;
    u32 dropped = log->n - bound / 2;
    u32 writers = log->horizon_n;
    for (u32 i = 0; i < dropped; i++)
        if (dot_replica(log->all[i].event) >= writers)
            writers = dot_replica(log->all[i].event) + 1u;
    if (array_reserve(&log->horizon, &log->horizon_capacity, writers, sizeof(u64)) != DONE)
        return ERROR_MEMORY;
    for (; log->horizon_n < writers; log->horizon_n++)
        log->horizon[log->horizon_n] = 0;
    for (u32 i = 0; i < dropped; i++) {
        Dot event = log->all[i].event;
        if (dot_sequence(event) > log->horizon[dot_replica(event)])
            log->horizon[dot_replica(event)] = dot_sequence(event);
    }
    log->n -= dropped;
    memmove(log->all, log->all + dropped, log->n * sizeof(Removal));
    Arena fresh = {0};
    u64 live = 0;
    for (u32 i = 0; i < log->n; i++)
        live += cell_arena_bytes(log->all[i].key.head, load64(log->all[i].key.p));
    if (arena_reserve(&fresh, live) != DONE)
        return DONE; /* the dead keys stay a while longer */
    for (u32 i = 0; i < log->n; i++) {
        Item key = key_item(&log->all[i].key, &log->keys);
        log->all[i].key = key_store(&key, &fresh);
    }
    arena_free(&log->keys);
    log->keys = fresh;
    if (log->capacity > 4 * bound) {
        Removal *all = block_resize(log->all, log->capacity * sizeof(Removal), 2 * bound * sizeof(Removal));
        if (all != NULL) {
            log->all = all;
            log->capacity = 2 * bound;
        }
    }
    return DONE;
}

void removals_forget(RemovalLog *log, u16 writer)
{
    if (log == NULL)
        return;
    u32 kept = 0;
    for (u32 i = 0; i < log->n; i++)
        if (dot_replica(log->all[i].event) != writer)
            log->all[kept++] = log->all[i];
    log->n = kept;
    if (writer < log->horizon_n)
        log->horizon[writer] = 0;
}

bool removals_reaches(const Table *t, const u64 *since, u32 n)
{
    const RemovalLog *log = table_log(t);
    if (log == NULL)
        return true;
    for (u32 i = 0; i < log->horizon_n; i++)
        if (log->horizon[i] > (i < n ? since[i] : 0))
            return false;
    return true;
}

RemovalLog *removals_copy(const RemovalLog *from)
{
    RemovalLog *to = calloc(1, sizeof(RemovalLog));
    if (to == NULL)
        return NULL;
    if (array_reserve(&to->all, &to->capacity, from->n, sizeof(Removal)) != DONE ||
        array_reserve(&to->horizon, &to->horizon_capacity, from->horizon_n, sizeof(u64)) != DONE ||
        arena_copy(&to->keys, &from->keys) != DONE) {
        removals_free(to);
        return NULL;
    }
    to->n = from->n;
    to->horizon_n = from->horizon_n;
    if (from->n != 0)
        memcpy(to->all, from->all, from->n * sizeof(Removal));
    if (from->horizon_n != 0)
        memcpy(to->horizon, from->horizon, from->horizon_n * sizeof(u64));
    return to;
}

size_t removals_memory(const RemovalLog *log)
{
    if (log == NULL)
        return 0;
    return block_footprint(sizeof(RemovalLog)) + arena_memory(&log->keys) +
           block_footprint(log->capacity * sizeof(Removal)) +
           block_footprint(log->horizon_capacity * sizeof(u64));
}
