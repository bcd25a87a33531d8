/* A document as a set of entries: what its digest is the sum of, one by one.
 *
 * An entry is a counter's slot, a row of a table (one writer's value of a key), a presence dot of an
 * ORMap's key, a whole sequence, or all that purges have decided. What is seen of each writer is no entry.
 * Two documents hold the same entries if and only if their digests, less their versions, are equal.
 */
#ifndef CRDT_ENTRIES_H
#define CRDT_ENTRIES_H

#include "document.h"
#include "siphash.h"

typedef enum { ENTRY_SLOT = 1, ENTRY_ROW, ENTRY_PRESENCE, ENTRY_SEQUENCE, ENTRY_GROWTH } EntryKind;

/* Where an entry stands. The entries of one container follow each other. */
typedef struct {
    EntryKind kind;
    const Container *in;
    u32 row; /* or slot */
    Dot dot; /* of a presence */
} EntryAt;

/* The keyed hash of an entry, of 48 bits: the same wherever the entry is the same. */
u64 entry_hash(const Document *doc, SipKey key, EntryAt at);

/* Call `see` for every entry; ends early with what it returns, if that is not DONE. O(entries). */
int entries_walk(const Document *doc, int (*see)(void *context, EntryAt at), void *context);

/* The hashes of all entries, in no order worth knowing; the caller frees with block_free. */
typedef struct {
    u64 *all;
    size_t n, capacity;
} Hashes;

int entries_hashes(const Document *doc, SipKey key, Hashes *hashes);

/* A message of the entries that have these hashes (NULL: of all); of a hash that none has, nothing. With `tops` (by
 * local index) the receiver may take them over as its version: then nothing else may be missing there. */
int entries_encode(const Document *doc, SipKey key, const u64 *hashes, size_t n, const u64 *tops, Writer *out);

/* Join the entries of a message with what is held, whatever the versions say. As document_merge. */
int document_repair(Document *doc, const u8 *bytes, size_t n, u64 latest_stamp, Landing *landing,
                    const char **error, size_t *offset);

/* A few words, found fast: 0 is no word. */
typedef struct {
    u64 *slot;
    size_t mask, n;
    u64 seed;
    bool has_zero;
} Words;

int words_open(Words *words, size_t n, u64 seed);
void words_close(Words *words);
/* Whether it was not there yet. Never more than was opened for. */
bool words_add(Words *words, u64 word);
bool words_have(const Words *words, u64 word);

#endif
