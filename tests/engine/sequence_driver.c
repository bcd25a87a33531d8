/* A document of one sequence, as little as the tests of the sequence engine need.
 *
 * Messages: count of writers, then of each its id (length, bytes), base and top - base; then the section.
 */
#include "sequence_state.h"

#include <stdlib.h>

#define EXPORT __attribute__((visibility("default")))

typedef struct {
    Replicas replicas;
    Sequence *sequence;
    u16 own;
    bool is_text;
} Doc;

EXPORT Doc *doc_new(int is_text, const u8 *id, u8 n)
{
    Doc *doc = block_resize(NULL, 0, sizeof(Doc));
    *doc = (Doc){.is_text = is_text};
    doc->own = (u16)replicas_add(&doc->replicas, id, n);
    doc->sequence = sequence_new(&doc->replicas, is_text, 42);
    return doc;
}

EXPORT void doc_free(Doc *doc)
{
    sequence_free(doc->sequence);
    replicas_free(&doc->replicas);
    block_free(doc, sizeof(Doc));
}

EXPORT Doc *doc_fork(const Doc *doc, const u8 *id, u8 n)
{
    Doc *fork = block_resize(NULL, 0, sizeof(Doc));
    *fork = (Doc){.is_text = doc->is_text};
    (void)replicas_copy(&fork->replicas, &doc->replicas);
    fork->own = (u16)replicas_add(&fork->replicas, id, n);
    fork->sequence = sequence_clone(doc->sequence, &fork->replicas);
    return fork;
}

static Dot next_dot(Doc *doc)
{
    return dot_of(doc->own, doc->replicas.all[doc->own].seen + 1);
}

EXPORT int doc_insert(Doc *doc, u32 position, const u32 *units, u32 n)
{
    int status;
    if (doc->is_text) {
        status = text_insert(doc->sequence, position, next_dot(doc), units, 4, n);
    } else {
        static const char payload[] = "the payload of a list item that is too long for a cell";
        Item *items = block_resize(NULL, 0, (n + 1) * sizeof(Item));
        u8 *bytes = block_resize(NULL, 0, n * sizeof payload + 1);
        for (u32 i = 0; i < n; i++) {
            u8 *p = bytes + i * sizeof payload;
            memcpy(p, payload, sizeof payload);
            memcpy(p, &units[i], 1);
            p[0] = (u8)('0' + units[i] % 10);
            if (units[i] % 3 == 0)
                items[i] = (Item){.type = STRING, .n = sizeof payload - 1, .p = p};
            else
                items[i] = item_integer(units[i]);
        }
        status = list_insert(doc->sequence, position, next_dot(doc), items, n);
        block_free(items, (n + 1) * sizeof(Item));
        block_free(bytes, n * sizeof payload + 1);
    }
    if (status == DONE)
        doc->replicas.all[doc->own].seen += n;
    return status;
}

EXPORT int doc_delete(Doc *doc, u32 position, u32 n)
{
    int status = sequence_delete(doc->sequence, position, n, next_dot(doc), ONE_EVENT, true);
    if (status == DONE)
        doc->replicas.all[doc->own].seen++;
    return status;
}

EXPORT int doc_delete_each(Doc *doc, u32 position, u32 n, int backward)
{
    DeletionKind kind = backward ? EACH_BACKWARD : EACH_FORWARD;
    int status = sequence_delete(doc->sequence, position, n, next_dot(doc), kind, true);
    if (status == DONE)
        doc->replicas.all[doc->own].seen += n;
    return status;
}

EXPORT int doc_undo_deletions(Doc *doc, u32 events)
{
    doc->replicas.all[doc->own].seen -= events;
    return sequence_undo_delete(doc->sequence, next_dot(doc), events);
}

EXPORT int doc_undo(Doc *doc, u32 inserted)
{
    u64 *seen = &doc->replicas.all[doc->own].seen;
    if (inserted == 0)
        return sequence_undo_delete(doc->sequence, dot_of(doc->own, (*seen)--), 1);
    *seen -= inserted;
    return sequence_undo_insert(doc->sequence, next_dot(doc), inserted);
}

EXPORT void doc_settle(Doc *doc)
{
    sequence_settle(doc->sequence);
}

EXPORT void doc_skip(Doc *doc, u64 n)
{
    doc->replicas.all[doc->own].seen += n;
}

EXPORT u32 doc_length(const Doc *doc)
{
    return sequence_length(doc->sequence);
}

/* Deleted ones included. */
EXPORT u32 doc_elements(const Doc *doc)
{
    return doc->sequence->tree.count;
}

EXPORT u64 doc_memory(const Doc *doc)
{
    return sequence_memory(doc->sequence);
}

EXPORT void doc_digest(const Doc *doc, u64 *out)
{
    Digest d = sequence_digest(doc->sequence);
    out[0] = d.low;
    out[1] = d.high;
}

EXPORT const char *doc_broken(const Doc *doc)
{
    return sequence_broken_invariant(doc->sequence);
}

/* All visible elements: code points, or what the units of doc_insert were (strings: 1000 + digit). */
EXPORT void doc_read(const Doc *doc, u32 position, u32 n, u32 *out)
{
    if (doc->is_text) {
        text_copy(doc->sequence, position, n, out, 4);
        return;
    }
    SequenceWalk walk = walk_start(doc->sequence, position);
    Item item;
    for (; n != 0 && walk_next(&walk, &item); n--)
        *out++ = item.type == STRING ? 1000u + (item_bytes(&item)[0] - '0') : (u32)item_integer_value(&item);
}

EXPORT u32 doc_item(const Doc *doc, u32 position)
{
    Item item = list_item(doc->sequence, position);
    return item.type == STRING ? 1000u + (item_bytes(&item)[0] - '0') : (u32)item_integer_value(&item);
}

EXPORT int doc_dot_at(const Doc *doc, u32 position, char *id, u64 *sequence)
{
    Dot dot;
    int status = sequence_dot_at(doc->sequence, position, &dot);
    if (status != DONE)
        return status;
    const Replica *replica = &doc->replicas.all[dot_replica(dot)];
    memcpy(id, replica_id(&doc->replicas, dot_replica(dot)), replica->id_bytes);
    id[replica->id_bytes] = 0;
    *sequence = dot_sequence(dot);
    return DONE;
}

EXPORT int doc_position_of(const Doc *doc, const u8 *id, u8 n, u64 sequence, u32 *position)
{
    bool visible;
    i32 replica = replicas_find(&doc->replicas, id, n);
    if (replica < 0)
        return ERROR_RANGE;
    int status = sequence_position_of(doc->sequence, dot_of((u16)replica, sequence), position, &visible);
    return status == DONE ? visible : status;
}

/* ---- messages ---------------------------------------------------------------------------- */

EXPORT u64 doc_seen(const Doc *doc, const u8 *id, u8 n)
{
    i32 replica = replicas_find(&doc->replicas, id, n);
    return replica < 0 ? 0 : doc->replicas.all[replica].seen;
}

/* The message for a holder of what `peer` holds (NULL: nothing). Returns bytes, or an error. */
EXPORT i64 doc_encode(const Doc *doc, const Doc *peer, int canonical, u8 **out, u64 *capacity)
{
    const Replicas *r = &doc->replicas;
    u64 *since = malloc(r->n * 8);
    u16 *place = malloc(r->n * 2);
    bool *used = malloc(r->n);
    memset(used, 0, r->n);
    for (u32 i = 0; i < r->n; i++) {
        since[i] = peer == NULL ? 0 : doc_seen(peer, replica_id(r, (u16)i), r->all[i].id_bytes);
        if (since[i] > r->all[i].seen)
            since[i] = r->all[i].seen;
        place[i] = UINT16_MAX;
    }
    Encoder e = {.replicas = r, .since = since, .place = place, .canonical = canonical};
    int status = sequence_mark_writers(doc->sequence, &e, used);
    u32 n = 0;
    for (u32 rank = 0; rank < r->n; rank++) {
        u16 i = replicas_by_rank(r)[rank];
        used[i] |= r->all[i].seen > since[i];
        if (used[i])
            place[i] = (u16)n++;
    }
    write_number(&e.out, n);
    for (u32 rank = 0; rank < r->n; rank++) {
        u16 i = replicas_by_rank(r)[rank];
        if (!used[i])
            continue;
        write_string(&e.out, replica_id(r, i), r->all[i].id_bytes);
        write_number(&e.out, since[i]);
        write_number(&e.out, r->all[i].seen - since[i]);
    }
    if (status == DONE && sequence_has_news(doc->sequence, &e))
        status = sequence_encode(doc->sequence, &e);
    free(since);
    free(place);
    free(used);
    *out = e.out.p;
    *capacity = e.out.capacity;
    return status == DONE ? (i64)e.out.n : status;
}

EXPORT void message_free(u8 *p, u64 capacity)
{
    block_free(p, capacity);
}

static int read_writers(Doc *doc, Decoder *d, Sender *writers)
{
    for (u32 i = 0; i < d->n; i++) {
        Sender *w = &writers[i];
        *w = (Sender){0};
        u64 n = read_number(&d->in);
        w->id = n >= 1 && n <= REPLICA_ID_BYTES_MAX ? read_bytes(&d->in, n) : NULL;
        if (w->id == NULL)
            return refuse(&d->in, "a bad id");
        w->id_bytes = (u8)n;
        w->base = read_number(&d->in);
        u64 advance = read_number(&d->in);
        if (d->in.error != NULL || w->base > SEQUENCE_MAX || advance > SEQUENCE_MAX - w->base)
            return refuse(&d->in, "a bad writer");
        w->top = w->base + advance;
        w->local = replicas_find(&doc->replicas, w->id, w->id_bytes);
        for (u32 k = 0; k < i; k++)
            if (writers[k].id_bytes == n && memcmp(writers[k].id, w->id, n) == 0)
                return refuse(&d->in, "a writer twice");
        if ((w->local < 0 ? 0 : doc->replicas.all[w->local].seen) < w->base)
            return refuse(&d->in, "not yet");
    }
    return DONE;
}

/* 1: changed, 0: not, below: error; then *where and *what say more. */
EXPORT int doc_merge(Doc *doc, const u8 *p, u64 n, u64 *where, const char **what)
{
    Decoder d = {.in = {p, p + n, p, NULL}, .replicas = &doc->replicas};
    Sender few[64];
    d.n = (u32)read_count(&d.in, 3);
    if (d.n > 64)
        return refuse(&d.in, "too many for the driver");
    d.writers = few;
    int status = read_writers(doc, &d, few);
    const u8 *section = d.in.p;
    bool empty = section == d.in.end;
    if (status == DONE && !empty)
        status = sequence_check(doc->sequence, doc->is_text, &d);
    if (status == DONE && d.in.p != d.in.end)
        status = refuse(&d.in, "bytes left over");
    *where = (u64)(d.in.p - p);
    *what = d.in.error;
    if (status != DONE)
        return status;
    for (u32 i = 0; i < d.n; i++) {
        few[i].local = replicas_add(&doc->replicas, few[i].id, few[i].id_bytes);
        if (few[i].local < 0)
            return few[i].local;
    }
    d.in.p = section;
    if (!empty)
        status = sequence_apply(doc->sequence, &d);
    if (status != DONE)
        return status;
    for (u32 i = 0; i < d.n; i++)
        if (doc->replicas.all[few[i].local].seen < few[i].top)
            doc->replicas.all[few[i].local].seen = few[i].top;
    return d.changed;
}

/* Whether a message was taken the short way, which is for those whose writers are all known. */
EXPORT int doc_take(Doc *doc, const u8 *p, u64 n)
{
    Decoder d = {.in = {p, p + n, p, NULL}, .replicas = &doc->replicas};
    Sender few[64];
    d.n = (u32)read_count(&d.in, 3);
    d.writers = few;
    if (d.n > 64 || read_writers(doc, &d, few) != DONE)
        return false;
    for (u32 i = 0; i < d.n; i++)
        if (few[i].local < 0)
            return false;
    if (!sequence_take_keystroke(doc->sequence, &d))
        return false;
    for (u32 i = 0; i < d.n; i++)
        if (doc->replicas.all[few[i].local].seen < few[i].top)
            doc->replicas.all[few[i].local].seen = few[i].top;
    return true;
}

/* ---- an editing history ------------------------------------------------------------------ */

/* Patches as the trace has them: position, deleted, inserted, then that many code points. With a
 * peer, every patch is sent to it. */
EXPORT int doc_replay(Doc *doc, const u32 *patches, u64 n, Doc *peer, u64 *sent)
{
    const u32 *end = patches + n;
    while (patches < end) {
        u32 position = patches[0], deleted = patches[1], inserted = patches[2];
        patches += 3;
        int status = deleted != 0 ? doc_delete(doc, position, deleted) : DONE;
        if (status == DONE && inserted != 0)
            status = doc_insert(doc, position, patches, inserted);
        patches += inserted;
        sequence_settle(doc->sequence);
        if (status == DONE && peer != NULL) {
            u8 *message;
            u64 capacity, where;
            const char *what;
            i64 bytes = doc_encode(doc, peer, 0, &message, &capacity);
            status = doc_merge(peer, message, (u64)bytes, &where, &what);
            *sent += (u64)bytes;
            message_free(message, capacity);
        }
        if (status < 0)
            return status;
    }
    return DONE;
}
