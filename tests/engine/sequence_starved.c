/* Memory that runs out at any allocation: an edit that fails must leave the sequence as it was, and a
 * join that fails must be completed by doing it again.
 *
 *     sequence_starved ROUNDS SEED          (linked with --wrap=block_resize)
 */
#include "sequence_driver.c"

#include <stdio.h>
#include <stdlib.h>

static i64 left = -1; /* allocations until one fails; below 0: none does */

void *__real_block_resize(void *block, size_t old_bytes, size_t new_bytes);
void *__wrap_block_resize(void *block, size_t old_bytes, size_t new_bytes);

void *__wrap_block_resize(void *block, size_t old_bytes, size_t new_bytes)
{
    if (new_bytes > old_bytes && left >= 0 && left-- == 0)
        return NULL;
    return __real_block_resize(block, old_bytes, new_bytes);
}

static u64 state;

static u64 draw(u64 below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (state >> 11) % below;
}

static void require(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "%s\n", what);
        abort();
    }
}

static int edit(Doc *doc)
{
    u32 length = sequence_length(doc->sequence);
    u16 own = doc->own;
    Dot dot = dot_of(own, doc->replicas.all[own].seen + 1);
    if (length != 0 && draw(3) == 0) {
        u32 at = (u32)draw(length), n = 1 + (u32)draw(length - at < 30 ? length - at : 30);
        DeletionKind kind = (DeletionKind)draw(3);
        int status = sequence_delete(doc->sequence, at, n, dot, kind, draw(2));
        doc->replicas.all[own].seen += status != DONE ? 0 : kind == ONE_EVENT ? 1 : n;
        return status;
    }
    u32 units[300], n = 1 + (u32)draw(draw(4) == 0 ? 300 : 3), at = (u32)draw(length + 1);
    Item items[300];
    for (u32 i = 0; i < n; i++) {
        units[i] = draw(9) == 0 ? 0x1f600 : 'a';
        items[i] = draw(3) == 0 ? (Item){.type = BYTES, .n = 12, .p = (const u8 *)"twelve bytes"}
                                : item_integer((i64)draw(100));
    }
    int status = doc->is_text ? text_insert(doc->sequence, at, dot, units, 4, n)
                              : list_insert(doc->sequence, at, dot, items, n);
    doc->replicas.all[own].seen += status == DONE ? n : 0;
    return status;
}

static u64 edits_failed, joins_failed;

static void starve_edit(Doc *doc)
{
    u64 before[2], after[2];
    doc_digest(doc, before);
    left = (i64)draw(6);
    int status = edit(doc);
    left = -1;
    doc_digest(doc, after);
    if (status == DONE)
        return;
    edits_failed++;
    require(status == ERROR_MEMORY, "another error than that memory ran out");
    require(before[0] == after[0] && before[1] == after[1], "a failed edit changed the state");
    require(doc_broken(doc) == NULL, "a failed edit broke an invariant");
}

static void starve_join(const Doc *from, Doc *to)
{
    u8 *p;
    u64 capacity, where;
    const char *what;
    left = draw(3) == 0 ? (i64)draw(10) : -1;
    i64 n = doc_encode(from, to, 0, &p, &capacity);
    left = -1;
    if (n < 0) {
        require(n == ERROR_MEMORY, "an encoder failed otherwise");
        message_free(p, capacity);
        return;
    }
    left = (i64)draw(40);
    int status = doc_merge(to, p, (u64)n, &where, &what);
    left = -1;
    if (status < 0) {
        joins_failed++;
        require(status == ERROR_MEMORY, "a join failed otherwise");
        require(doc_broken(to) == NULL, "a failed join broke an invariant");
        require(doc_merge(to, p, (u64)n, &where, &what) >= 0, "a join cannot be completed");
    }
    require(doc_broken(to) == NULL, "a join broke an invariant");
    message_free(p, capacity);
}

int main(int argc, char **argv)
{
    u64 rounds = argc > 1 ? strtoull(argv[1], NULL, 10) : 100;
    state = (argc > 2 ? strtoull(argv[2], NULL, 10) : 1) * 0x9e3779b97f4a7c15ull + 1;
    for (; rounds != 0; rounds--) {
        int is_text = (int)draw(2);
        Doc *docs[] = {doc_new(is_text, (const u8 *)"alice", 5), doc_new(is_text, (const u8 *)"bob", 3)};
        for (u64 steps = 20 + draw(40); steps != 0; steps--) {
            Doc *doc = docs[draw(2)];
            starve_edit(doc);
            if (draw(4) == 0)
                starve_join(doc, docs[doc == docs[0]]);
            sequence_settle(doc->sequence);
        }
        u64 a[2], b[2];
        for (int i = 0; i < 4; i++)
            starve_join(docs[i % 2], docs[1 - i % 2]);
        left = -1;
        for (int i = 0; i < 2; i++) {
            u8 *p;
            u64 capacity, where;
            const char *what;
            i64 n = doc_encode(docs[i], docs[1 - i], 0, &p, &capacity);
            require(doc_merge(docs[1 - i], p, (u64)n, &where, &what) >= 0, "a last join failed");
            message_free(p, capacity);
        }
        doc_digest(docs[0], a);
        doc_digest(docs[1], b);
        require(a[0] == b[0] && a[1] == b[1], "the replicas differ in the end");
        doc_free(docs[0]);
        doc_free(docs[1]);
    }
    printf("%lu edits and %lu joins failed\n", (unsigned long)edits_failed, (unsigned long)joins_failed);
    return 0;
}
