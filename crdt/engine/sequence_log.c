#include "sequence_log.h"

static u32 deleter_place(const DeleteLog *log, u16 replica)
{
    u32 low = 0, high = log->n_deleters;
    while (low < high) {
        u32 middle = (low + high) / 2;
        if (log->deleters[middle].replica < replica)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_at(const DeleteLog *log, u32 place, u16 replica)
{
    return place < log->n_deleters && log->deleters[place].replica == replica;
}

static int make_deleter(DeleteLog *log, u16 replica, u32 *place)
{
    *place = deleter_place(log, replica);
    if (is_at(log, *place, replica))
        return DONE;
    int status = array_reserve(&log->deleters, &log->deleters_capacity, log->n_deleters + 1,
                               sizeof(Deleter));
    if (status != DONE)
        return status;
    memmove(log->deleters + *place + 1, log->deleters + *place,
            (log->n_deleters - *place) * sizeof(Deleter));
    log->deleters[*place] = (Deleter){.replica = replica, .last = LOG_NOTHING};
    log->n_deleters++;
    return DONE;
}

static u64 last_event(const DeleteLog *log, const Deleter *deleter)
{
    if (deleter->last == LOG_NOTHING)
        return 0;
    return dot_sequence(deletion_end(&log->all[deleter->last]));
}

u64 log_known(const DeleteLog *log, u16 replica)
{
    u32 place = deleter_place(log, replica);
    if (!is_at(log, place, replica))
        return 0;
    u64 last = last_event(log, &log->deleters[place]), horizon = log->deleters[place].horizon;
    return last > horizon ? last : horizon;
}

int log_reserve(DeleteLog *log, u16 replica)
{
    u32 place;
    if (likely(log->n != 0 && log->n < log->capacity && log->all[log->n - 1].replica == replica))
        return DONE;
    int status = make_deleter(log, replica, &place);
    if (status != DONE)
        return status;
    if (log->n >= LOG_NOTHING)
        return ERROR_LIMIT;
    return array_reserve(&log->all, &log->capacity, log->n + 1, sizeof(Deletion));
}

/* Lengthen the last entry by single-element events, or by more elements of the same event. */
static bool extend(Deletion *last, Dot event, u32 first, u32 n, DeletionKind kind)
{
    bool single = last->n == 1;
    Dot end = deletion_end(last);
    if (event == end && kind == ONE_EVENT && (single || last->kind == ONE_EVENT)) {
        if (last->first + last->n != first)
            return false;
        last->kind = ONE_EVENT;
        last->n += n;
        return true;
    }
    if (event != end + 1 || (n != 1 && kind == ONE_EVENT) || (!single && last->kind == ONE_EVENT))
        return false;
    bool forward = (n == 1 || kind == EACH_FORWARD) && (single || last->kind == EACH_FORWARD);
    bool backward = (n == 1 || kind == EACH_BACKWARD) && (single || last->kind == EACH_BACKWARD);
    if (forward && first == last->first + last->n) {
        last->kind = EACH_FORWARD;
    } else if (backward && first + n == last->first) {
        last->kind = EACH_BACKWARD;
        last->first = first;
    } else {
        return false;
    }
    last->n += n;
    return true;
}

void log_append(DeleteLog *log, Dot event, u32 first, u32 n, DeletionKind kind)
{
    if (log->n != 0 && extend(&log->all[log->n - 1], event, first, n, kind))
        return;
    Deleter *deleter = &log->deleters[deleter_place(log, dot_replica(event))];
    u64 sequence = dot_sequence(event);
    log->all[log->n] = (Deletion){.dot_low = (u32)sequence,
                                  .dot_middle = (u16)(sequence >> 32),
                                  .replica = dot_replica(event),
                                  .first = first,
                                  .n = n,
                                  .previous = deleter->last & LOG_NOTHING,
                                  .kind = kind & 3};
    deleter->last = log->n++;
}

u32 log_pop(DeleteLog *log, Dot event, u32 events, u32 *first, DeletionKind *kind)
{
    if (log->n == 0)
        return 0;
    Deletion *last = &log->all[log->n - 1];
    if (deletion_end(last) != event)
        return 0;
    *kind = last->kind;
    if (last->kind == ONE_EVENT || last->n <= events) {
        *first = last->first;
        log->deleters[deleter_place(log, last->replica)].last = last->previous;
        log->n--;
        return last->n;
    }
    last->n -= events;
    *first = last->first;
    if (last->kind == EACH_FORWARD)
        *first += last->n;
    else
        last->first += events;
    if (last->n == 1)
        last->kind = EACH_FORWARD; /* a single event has no direction */
    return events;
}

void log_trim(DeleteLog *log, u32 runs)
{
    u32 bound = log_bound(runs);
    if (log->n <= bound)
        return;
    u32 drop = log->n - bound / 4 * 3;
    for (u32 i = 0; i < drop; i++) {
        Deleter *deleter = &log->deleters[deleter_place(log, log->all[i].replica)];
        u64 end = dot_sequence(deletion_end(&log->all[i]));
        if (deleter->horizon < end)
            deleter->horizon = end;
    }
    log->n -= drop;
    memmove(log->all, log->all + drop, log->n * sizeof(Deletion));
    for (u32 i = 0; i < log->n; i++) {
        u32 previous = log->all[i].previous;
        log->all[i].previous =
            (previous == LOG_NOTHING || previous < drop ? LOG_NOTHING : previous - drop) &
            LOG_NOTHING;
    }
    for (u32 i = 0; i < log->n_deleters; i++) {
        u32 *last = &log->deleters[i].last;
        *last = *last == LOG_NOTHING || *last < drop ? LOG_NOTHING : *last - drop;
    }
}

int log_raise_horizon(DeleteLog *log, u16 replica, u64 sequence)
{
    u32 place;
    int status = make_deleter(log, replica, &place);
    if (status == DONE && log->deleters[place].horizon < sequence)
        log->deleters[place].horizon = sequence;
    return status;
}

bool log_reaches(const DeleteLog *log, const u64 *since)
{
    for (u32 i = 0; i < log->n_deleters; i++)
        if (since[log->deleters[i].replica] < log->deleters[i].horizon)
            return false;
    return true;
}

bool log_has_news(const DeleteLog *log, const u64 *since)
{
    for (u32 i = 0; i < log->n_deleters; i++)
        if (since[log->deleters[i].replica] < last_event(log, &log->deleters[i]))
            return true;
    return false;
}

void log_forget(DeleteLog *log, u16 replica)
{
    u32 place = deleter_place(log, replica), kept = 0;
    if (!is_at(log, place, replica))
        return;
    log->n_deleters--;
    memmove(log->deleters + place, log->deleters + place + 1, (log->n_deleters - place) * sizeof(Deleter));
    for (u32 i = 0; i < log->n_deleters; i++)
        log->deleters[i].last = LOG_NOTHING;
    for (u32 i = 0; i < log->n; i++) {
        Deletion entry = log->all[i];
        if (entry.replica == replica)
            continue;
        Deleter *deleter = &log->deleters[deleter_place(log, entry.replica)];
        entry.previous = deleter->last & LOG_NOTHING;
        deleter->last = kept;
        log->all[kept++] = entry;
    }
    log->n = kept;
}

void log_take_out(DeleteLog *log, const Gaps *gaps)
{
    u32 kept = 0;
    for (u32 i = 0; i < log->n_deleters; i++)
        log->deleters[i].last = LOG_NOTHING;
    for (u32 i = 0; i < log->n; i++) {
        Deletion entry = log->all[i];
        Deleter *deleter = &log->deleters[deleter_place(log, entry.replica)];
        u32 first = gaps_below(gaps, entry.first), end = gaps_below(gaps, entry.first + entry.n);
        if (end - first != entry.n) {
            if (deleter->horizon < dot_sequence(deletion_end(&entry)))
                deleter->horizon = dot_sequence(deletion_end(&entry));
            continue;
        }
        entry.first = first;
        entry.previous = deleter->last & LOG_NOTHING;
        deleter->last = kept;
        log->all[kept++] = entry;
    }
    log->n = kept;
    array_shrink(&log->all, &log->capacity, kept, sizeof(Deletion));
}

void log_free(DeleteLog *log)
{
    block_free(log->all, log->capacity * sizeof(Deletion));
    block_free(log->deleters, log->deleters_capacity * sizeof(Deleter));
    *log = (DeleteLog){0};
}

int log_copy(DeleteLog *to, const DeleteLog *from)
{
    *to = (DeleteLog){0};
    if (array_reserve(&to->all, &to->capacity, from->n, sizeof(Deletion)) != DONE ||
        array_reserve(&to->deleters, &to->deleters_capacity, from->n_deleters, sizeof(Deleter)) !=
            DONE) {
        log_free(to);
        return ERROR_MEMORY;
    }
    if (from->n != 0)
        memcpy(to->all, from->all, from->n * sizeof(Deletion));
    if (from->n_deleters != 0)
        memcpy(to->deleters, from->deleters, from->n_deleters * sizeof(Deleter));
    to->n = from->n;
    to->n_deleters = from->n_deleters;
    return DONE;
}

size_t log_memory(const DeleteLog *log)
{
    return block_footprint(log->capacity * sizeof(Deletion)) +
           block_footprint(log->deleters_capacity * sizeof(Deleter));
}
