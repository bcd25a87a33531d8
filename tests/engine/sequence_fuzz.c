/* Hostile bytes for the sequence decoder: real messages of random histories, mutated.
 *
 *     sequence_fuzz ITERATIONS SEED
 *
 * Built with the address and undefined-behaviour sanitizers. Whatever is accepted must leave every
 * invariant true and the state able to write itself; whatever is refused must leave it as it was.
 */
#include "sequence_driver.c"

#include <stdio.h>
#include <stdlib.h>

static u64 state;
static u32 letters; /* of the alphabet, which begins with those that are ASCII */

static u64 draw(u64 below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (state >> 11) % below;
}

static void edit(Doc *doc)
{
    static const u32 alphabet[] = {'a', 'b', 0xe9, 0x4e2d, 0x1f600};
    u32 length = doc_length(doc), units[40];
    if (length > 0 && draw(3) == 0) {
        u32 at = (u32)draw(length);
        doc_delete(doc, at, 1 + (u32)draw(length - at < 9 ? length - at : 9));
        return;
    }
    u32 n = 1 + (u32)draw(draw(8) == 0 ? 40 : 4);
    for (u32 i = 0; i < n; i++)
        units[i] = alphabet[draw(letters)];
    doc_insert(doc, (u32)draw(length + 1), units, n);
}

static void send(const Doc *from, Doc *to)
{
    u8 *p;
    u64 capacity, where;
    const char *what;
    i64 n = doc_encode(from, to, 0, &p, &capacity);
    if (doc_merge(to, p, (u64)n, &where, &what) < 0) {
        fprintf(stderr, "a true message was refused at %lu: %s\n", (unsigned long)where, what);
        abort();
    }
    message_free(p, capacity);
}

/* Change a message of n bytes in place; it has room for 16 more. */
static u64 mutate(u8 *p, u64 n)
{
    static const u8 spicy[] = {0, 1, 0x7f, 0x80, 0xff, 0xfe, 0x40, 0xc0, 0x0f, 0x3f};
    for (u64 times = 1 + draw(4); times != 0 && n > 2; times--) {
        u64 at = 1 + draw(n - 1);
        switch (draw(6)) {
        case 0:
            p[at] ^= (u8)(1 << draw(8));
            break;
        case 1:
            p[at] = spicy[draw(sizeof spicy)];
            break;
        case 2:
            p[at] = (u8)draw(256);
            break;
        case 3: /* drop a byte */
            memmove(p + at, p + at + 1, n - at - 1);
            n--;
            break;
        case 4: /* a large number in place of a small one */
            memmove(p + at + 4, p + at, n - at);
            n += 4;
            memset(p + at, 0xff, 4);
            break;
        default:
            p[at]++;
        }
        if (draw(20) == 0)
            n = at;
    }
    return n;
}

static void fail(const char *what, const u8 *p, u64 n)
{
    fflush(stdout); fprintf(stderr, "%s\n", what);
    for (u64 i = 0; i < n; i++)
        printf("%02x", p[i]);
    printf("\n");
    abort();
}

/* The short way takes nothing that the long way does not, and makes the same of it. */
static bool compare_ways(const Doc *doc, const u8 *message, u64 n, int status, const u64 digest[2])
{
    u64 before[2], after[2];
    Doc *quick = doc_fork(doc, (const u8 *)"victim", 6);
    doc_digest(quick, before);
    bool taken = doc_take(quick, message, n);
    doc_digest(quick, after);
    const u64 *expected = taken ? digest : before;
    if (taken && status < 0)
        fail("taken the short way and refused the long way", message, n);
    if (after[0] != expected[0] || after[1] != expected[1])
        fail("the short way came to something else", message, n);
    if (taken && doc_elements(quick) < 100000 && doc_broken(quick) != NULL)
        fail(doc_broken(quick), message, n);
    doc_free(quick);
    return taken;
}

static u64 taken;

static bool attack(const Doc *doc, const u8 *message, i64 n)
{
    u8 *p = malloc((size_t)n + 32);
    memcpy(p, message, (size_t)n);
    u64 mutated = mutate(p, (u64)n), before[2], after[2], where, capacity;
    u8 *exact = malloc(mutated + 1); /* so that a read past the end is seen */
    memcpy(exact, p, mutated);
    const char *what = NULL;
    Doc *victim = doc_fork(doc, (const u8 *)"victim", 6);
    doc_digest(victim, before);
    int status = doc_merge(victim, exact, mutated, &where, &what);
    doc_digest(victim, after);
    taken += compare_ways(doc, exact, mutated, status, after);
    if (status < 0 && (before[0] != after[0] || before[1] != after[1]))
        fail("refused bytes changed the state", p, mutated);
    if (status < 0 && (status != ERROR_DECODE || what == NULL))
        fail("refused without a reason", p, mutated);
    if (doc_memory(victim) > doc_memory(doc) + 400 * mutated + 20000)
        fail("memory beyond a small multiple of the bytes", p, mutated);
    if (status >= 0 && doc_length(victim) < 100000) {
        if (doc_elements(victim) < 100000 && doc_broken(victim) != NULL)
            fail(doc_broken(victim), p, mutated);
        u8 *again;
        i64 bytes = doc_encode(victim, NULL, 1, &again, &capacity);
        Doc *copy = doc_new(victim->is_text, (const u8 *)"copy", 4);
        if (bytes < 0 || doc_merge(copy, again, (u64)bytes, &where, &what) < 0)
            fail("what was accepted cannot be written and read again", p, mutated);
        doc_digest(copy, before);
        if (before[0] != after[0] || before[1] != after[1])
            fail("what was accepted is not the same once read again", p, mutated);
        message_free(again, capacity);
        doc_free(copy);
    }
    doc_free(victim);
    free(p);
    free(exact);
    return status >= 0;
}

int main(int argc, char **argv)
{
    u64 iterations = argc > 1 ? strtoull(argv[1], NULL, 10) : 100000, accepted = 0;
    state = (argc > 2 ? strtoull(argv[2], NULL, 10) : 1) * 0x9e3779b97f4a7c15ull + 1;
    for (u64 done = 0; done < iterations;) {
        int is_text = (int)draw(2);
        letters = draw(2) == 0 ? 2 : 5;
        Doc *docs[] = {doc_new(is_text, (const u8 *)"alice", 5), doc_new(is_text, (const u8 *)"bo", 2),
                       doc_new(is_text, (const u8 *)"carol", 5)};
        for (u64 rounds = 2 + draw(12); rounds != 0; rounds--) {
            for (u64 edits = 1 + draw(6); edits != 0; edits--)
                edit(docs[draw(3)]);
            send(docs[draw(3)], docs[draw(3)]);
        }
        for (int kind = 0; kind < 6; kind++) {
            u8 *p;
            u64 capacity;
            Doc *from = docs[draw(3)], *to = docs[draw(3)];
            int full = draw(3) == 0, is_edit = from != to && draw(2) == 0, canonical = full && draw(2) == 0;
            if (is_edit) { /* an edit or two that build on what the other has */
                send(to, from);
                send(from, to);
                edit(from);
                if (draw(2) == 0)
                    edit(from);
                full = canonical = 0;
            }
            i64 n = doc_encode(from, full ? NULL : to, canonical, &p, &capacity);
            for (int k = 0; k < 50 && n > 2; k++, done++)
                accepted += attack(to, p, n);
            message_free(p, capacity);
        }
        for (int i = 0; i < 3; i++)
            doc_free(docs[i]);
    }
    printf("%lu mutated messages, %lu accepted, %lu the short way\n", (unsigned long)iterations,
           (unsigned long)accepted, (unsigned long)taken);
    return 0;
}
