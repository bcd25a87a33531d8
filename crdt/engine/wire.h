/* Bounds-checked reading and growing writing of message bytes.
 *
 * A Reader never passes `end` and keeps its first error; a Writer keeps `failed` when memory ran out.
 * So a caller may read or write several fields and look once. Integers are LEB128 varints and must
 * be minimal, so that a number has one spelling.
 */
#ifndef CRDT_WIRE_H
#define CRDT_WIRE_H

#include "base.h"

typedef struct {
    u8 *p;
    size_t n, capacity;
    bool failed;
    bool is_lent; /* p is not the writer's own */
} Writer;

typedef struct {
    const u8 *p, *end, *start;
    const char *error; /* NULL until something is wrong; then what, as text for DecodeError */
} Reader;

static inline Writer empty_writer(void)
{
    return (Writer){0};
}

/* One that begins in `n` bytes of somebody else, who must outlive it. */
static inline Writer lent_writer(u8 *room, size_t n)
{
    return (Writer){.p = room, .capacity = n, .is_lent = true};
}

int writer_grow(Writer *w, size_t more);

static inline bool writer_reserve(Writer *w, size_t more)
{
    return likely(w->capacity - w->n >= more) || writer_grow(w, more) == DONE;
}

static inline void write_byte(Writer *w, u8 byte)
{
    if (writer_reserve(w, 1))
        w->p[w->n++] = byte;
}

static inline void write_bytes(Writer *w, const void *bytes, size_t n)
{
    if (n != 0 && writer_reserve(w, n)) {
        memcpy(w->p + w->n, bytes, n);
        w->n += n;
    }
}

enum { NUMBER_BYTES_MAX = 10 };

/* Where there is room: returns where to go on. */
static inline u8 *put_number(u8 *p, u64 v)
{
    while (v >= 0x80) {
        *p++ = (u8)v | 0x80;
        v >>= 7;
    }
    *p++ = (u8)v;
    return p;
}

static inline void write_number(Writer *w, u64 v)
{
    if (writer_reserve(w, NUMBER_BYTES_MAX))
        w->n = (size_t)(put_number(w->p + w->n, v) - w->p);
}

/* Differences of either sign as small varints. */
static inline u64 zigzag(u64 difference)
{
    return (difference << 1) ^ (0 - (difference >> 63));
}

static inline u64 unzigzag(u64 v)
{
    return (v >> 1) ^ (0 - (v & 1));
}

static inline void write_difference(Writer *w, u64 value, u64 previous)
{
    write_number(w, zigzag(value - previous));
}

static inline void write_string(Writer *w, const u8 *bytes, size_t n)
{
    write_number(w, n);
    write_bytes(w, bytes, n);
}

void writer_free(Writer *w);

/* Record the first error. Returns ERROR_DECODE, so that a check can end with it. */
static inline int refuse(Reader *r, const char *what)
{
    if (r->error == NULL)
        r->error = what;
    return ERROR_DECODE;
}

static inline size_t reader_left(const Reader *r)
{
    return (size_t)(r->end - r->p);
}

static inline u8 read_byte(Reader *r)
{
    if (unlikely(r->p >= r->end)) {
        refuse(r, "cut short");
        return 0;
    }
    return *r->p++;
}

u64 read_number_slow(Reader *r);

/* 0 after an error, so that a loop bounded by a count ends. */
static inline u64 read_number(Reader *r)
{
    if (likely(r->p < r->end && *r->p < 0x80))
        return *r->p++;
    return read_number_slow(r);
}

static inline u64 read_difference(Reader *r, u64 previous)
{
    return previous + unzigzag(read_number(r));
}

/* A count of things that each take at least `bytes_each` (>= 1) bytes: never more than can follow. */
static inline u64 read_count(Reader *r, size_t bytes_each)
{
    u64 n = read_number(r);
    if (unlikely(n > reader_left(r) / bytes_each)) {
        refuse(r, "a count is larger than the bytes that follow");
        return 0;
    }
    return n;
}

/* `n` bytes inside the message itself, or NULL after an error. */
static inline const u8 *read_bytes(Reader *r, u64 n)
{
    if (unlikely(r->error != NULL || n > reader_left(r))) {
        refuse(r, "cut short");
        return NULL;
    }
    const u8 *p = r->p;
    r->p += n;
    return p;
}

/* Whether p[0..n) is UTF-8 without surrogates. */
bool utf8_is_valid(const u8 *p, size_t n);

#endif
