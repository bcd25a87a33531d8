/* What joining the runs of a section leaves for its deletions. */
#ifndef CRDT_SEQUENCE_APPLY_H
#define CRDT_SEQUENCE_APPLY_H

#include "sequence_state.h"
#include "sequence_wire.h"

/* Section numbers from `section` on are local numbers from `local` on. */
typedef struct {
    u32 section, local;
} Mapping;

typedef struct {
    Sequence *s;
    Decoder *d;
    SectionReader r;
    Mapping *map; /* usually one: all elements of the section are new */
    Mapping few[2];
    u32 n, capacity;
    u64 known;    /* events up to here of the writer at hand are logged */
    bool deleted; /* something is deleted that was not, or never was visible */
    bool afresh;  /* it takes the place of all that was here */
} Joining;

/* Check the deletions of a section whose runs were read, against what is held (`s` may be NULL: nothing). */
int check_deletions(const Sequence *s, SectionReader *r);

/* The mapping that an element of the section falls under. */
u32 mapping_of(const Joining *j, u64 number);

/* The local number of an element of the section; NOTHING for one that was taken out. */
static inline u32 mapped(const Joining *j, u64 number)
{
    const Mapping *m = &j->map[mapping_of(j, number)];
    return m->local == NOTHING ? NOTHING : m->local + ((u32)number - m->section);
}

/* Elements of a writer up to here that are not here have been taken out. */
static inline u64 gone_of(const Joining *j, u32 place)
{
    return j->afresh && !j->d->writers[place].forgotten ? 0 : gone_below(j->d, place);
}

/* How many of n bytes are ASCII before another comes. */
u32 count_ascii(const u8 *p, u32 n);

/* Join the runs of a section where nothing is, all at once. BUILD_REFUSED: they cannot be, or not fast; what was read
 * is to be read again. ERROR_MEMORY, ERROR_DECODE. In these cases nothing was changed. O(n), but for siblings. */
enum { BUILD_REFUSED = 1, BUILD_RUNS_MIN = 4 };
int sequence_build(Joining *j, u64 runs);

/* Delete what is still visible of n elements from a local number on. */
int delete_numbers(Joining *j, u32 number, u32 n);

/* Join `count` deletions: logged events, or all deleted ids. After these the events are unknown. */
int join_deletions(Joining *j, u64 count);
int join_deleted(Joining *j, u64 count);

/* Join the list of condemned elements. */
int join_condemned(Joining *j);

#endif
