/* What the sections of a message share while it is written or read.
 *
 * A message names each writer once, in the order of ids, with `base` (the sender sends what lies
 * above it) and `top` (the sender holds everything up to it); sections then name a writer by its
 * place in that list. A message is read twice by the same functions' rules: `*_check` changes
 * nothing and looks at everything, `*_apply` runs only on bytes that were checked.
 */
#ifndef CRDT_CODEC_H
#define CRDT_CODEC_H

#include "clock.h"
#include "wire.h"

enum { WRITERS_FEW = 8 }; /* up to so many a message needs no memory for its list of writers */

typedef struct {
    Writer out;
    const Replicas *replicas;
    const u64 *since; /* by local index: what the receiver holds; all zero for a full state */
    u16 *place;       /* local index -> place in the message's list of writers */
    bool canonical;   /* rows in canonical order: the full state of to_bytes */
    bool lacks_whole; /* the receiver lacks some of what came here as a whole state (Replica.whole) */
    bool complete;    /* something was purged that the receiver may still hold: absence means removal */
    bool tells_condemned; /* sections of sequences end with what is condemned */
} Encoder;

static inline bool is_news(const Encoder *e, Dot d)
{
    return dot_sequence(d) > e->since[dot_replica(d)];
}

typedef struct {
    u64 base, top, cut, purged;
    u64 retirement; /* sequence of the event that retired it, 0 if it has not left */
    u32 retired_by; /* the place of that event's writer */
    bool forgotten; /* it was retired and its name dropped here: all its events are seen */
    i32 local; /* the writer's local index; -1 while checking, if it is not known here yet */
    u8 id_bytes;
    const u8 *id;
} Sender;

/* The section of the sequence at a path, within the message. */
typedef struct {
    u64 path;
    const u8 *section;
    size_t n;
} Told;

typedef struct {
    Reader in;
    Replicas *replicas; /* `seen` is still what was held before this message */
    Sender *writers;
    Sender *lent; /* room for WRITERS_FEW of them, or NULL */
    u32 n;
    u64 latest_stamp; /* the largest HLC stamp met by a check */
    bool is_full;     /* a whole state in canonical order, not a delta */
    bool saw_whole;   /* a composite that came as a whole was landed */
    bool has_cut;     /* it tells what was purged */
    bool complete;    /* it builds on less than its cut: absence means removal */
    bool tells_condemned; /* sections of sequences end with what is condemned */
    bool may_be_gone; /* what is held of a writer and is not here may have been taken out of a sequence */
    bool replaces;    /* a sequence takes the place of what is here: what that lacks is known of */
    bool has_raised_cut;
    u64 stamp;        /* the clock of those who purged */
    bool changed;
    bool landed;      /* while it was checked already */
    bool unchecked;   /* it is checked while it lands, where nothing was: what was landed then goes again */
    u8 flags;
    Told *told; /* the sequences below ORMaps that it tells of (told.h) */
    u32 told_n, told_capacity;
} Decoder;

/* Whether the message's sender held this dot (a local dot of the receiver). `tops` is by local index. */
static inline bool is_covered(const u64 *tops, Dot d)
{
    return dot_sequence(d) <= tops[dot_replica(d)];
}

/* What a section of a sequence builds on: nothing, where absence means removal. */
static inline u64 section_base(const Decoder *d, u32 place)
{
    return d->complete ? 0 : d->writers[place].base;
}

/* Elements of a writer up to here that are not here have been taken out. */
static inline u64 gone_below(const Decoder *d, u32 place)
{
    const Sender *s = &d->writers[place];
    if (s->forgotten)
        return s->top;
    return !d->may_be_gone || s->local < 0 ? 0 : d->replicas->all[s->local].seen;
}

/* An event's dot as place (varint) and difference to `*previous` sequence (zigzag varint). */
static inline void write_dot(Encoder *e, Dot d, u64 *previous)
{
    write_number(&e->out, e->place[dot_replica(d)]);
    write_difference(&e->out, dot_sequence(d), *previous);
    *previous = dot_sequence(d);
}

/* A place in the list of writers and a sequence the sender holds, both checked. */
typedef struct {
    u32 place;
    u64 sequence;
} RemoteDot;

static inline RemoteDot check_remote_dot(Decoder *d, u64 place, u64 sequence)
{
    if (unlikely(place >= d->n || sequence == 0 || sequence > d->writers[place].top)) {
        refuse(&d->in, "an event that its sender cannot hold");
        return (RemoteDot){0, 0};
    }
    return (RemoteDot){(u32)place, sequence};
}

static inline RemoteDot read_remote_dot(Decoder *d, u64 *previous)
{
    u64 place = read_number(&d->in);
    u64 sequence = read_difference(&d->in, *previous);
    *previous = sequence;
    return check_remote_dot(d, place, sequence);
}

/* Only while applying: then every writer of the message has a local index. */
static inline Dot local_dot(const Decoder *d, RemoteDot dot)
{
    return dot_of((u16)d->writers[dot.place].local, dot.sequence);
}

#endif
