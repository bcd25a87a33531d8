/* Names, limits, results and memory blocks shared by the whole engine.
 *
 * The engine is plain C with no global state and no Python in it: it can be run under a
 * sanitizer or a fuzzer alone, and every function may be called without the interpreter lock
 * as long as one document is used by one thread at a time.
 */
#ifndef CRDT_BASE_H
#define CRDT_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int32_t i32;
typedef int64_t i64;
typedef unsigned __int128 u128;

/* What every fallible function returns: 0 or more is success, below is one of these. */
enum {
    DONE = 0,
    ERROR_MEMORY = -1, /* nothing was changed */
    ERROR_DECODE = -2, /* the bytes are not ours; Reader.error and Reader.p say what and where */
    ERROR_LIMIT = -3,  /* a documented limit would be passed; nothing was changed */
    ERROR_RANGE = -4,  /* an index or position out of range; nothing was changed */
    ERROR_RETIRED = -5, /* the own writer has been retired; nothing was changed */
};

/* Documented in docs/explanation/wire-format.md; a decoder refuses more than these. */
enum {
    REPLICA_ID_BYTES_MAX = 64,
    REPLICAS_MAX = 65535,
    KEY_BYTES_MAX = 65535,
    VALUE_BYTES_MAX = (1 << 24) - 1,
    INTEGER_BYTES_MAX = 4096,
    VALUE_DEPTH_MAX = 64,
    ROWS_MAX = 1 << 28,
};

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
/* For the paths that run once an operation, where a compiler finds them too long. */
#define ALWAYS_INLINE inline __attribute__((always_inline))

/* Grow, shrink or free (new_bytes == 0) a block. Blocks of 128 kB and more live in their own
 * mapping, so that growing moves pages instead of bytes and freeing returns memory to the system
 * (the allocator's sliding threshold would keep it). Returns NULL when out of memory: then the old
 * block is untouched. `old_bytes` is what the block was last sized to. */
void *block_resize(void *block, size_t old_bytes, size_t new_bytes);

/* What a block of this size really occupies. */
size_t block_footprint(size_t bytes);

/* Of these bytes, of whatever block, most will soon be written for the first time. */
void block_expect(void *bytes, size_t n);

static inline void block_free(void *block, size_t bytes)
{
    (void)block_resize(block, bytes, 0);
}

/* The next capacity for `need` items: first what is needed, since many arrays never grow; eighths for big ones, so that
 * slack stays near 6 %. */
static inline size_t grown_capacity(size_t capacity, size_t need)
{
    size_t next = capacity == 0 ? need : capacity < 16 ? capacity + 4 : capacity + (capacity >> 3);
    return next < need ? need : next;
}

/* Make room for `need` items of `width` bytes in the array `*items` of `*capacity`. */
int array_reserve(void *items, u32 *capacity, size_t need, size_t width);

/* Give back room when more than half of it is unused; when refused, the old block is merely large. */
void array_shrink(void *items, u32 *capacity, size_t need, size_t width);

static inline u64 load64(const void *p)
{
    u64 v;
    memcpy(&v, p, 8);
    return v;
}

static inline u32 load32(const void *p)
{
    u32 v;
    memcpy(&v, p, 4);
    return v;
}

/* memcpy of less than 16 bytes, without a call. */
static inline void copy_few(u8 *to, const u8 *from, size_t n)
{
    if (n >= 8) { /* both halves overlap where n is less than what they have */
        memcpy(to, from, 8);
        memcpy(to + n - 8, from + n - 8, 8);
    } else if (n >= 4) {
        memcpy(to, from, 4);
        memcpy(to + n - 4, from + n - 4, 4);
    } else if (n > 0) {
        u8 first = from[0], middle = from[n / 2], last = from[n - 1];
        to[0] = first;
        to[n / 2] = middle;
        to[n - 1] = last;
    }
}

/* memcpy of what is mostly short, without a call then. */
static inline void copy_short(u8 *to, const u8 *from, size_t n)
{
    if (n > 32) {
        memcpy(to, from, n);
    } else if (n >= 16) {
        memcpy(to, from, 16);
        memcpy(to + n - 16, from + n - 16, 16);
    } else {
        copy_few(to, from, n);
    }
}

/* Unaligned big-endian words: the order of their bytes is the order of the numbers. */
static inline u64 load64_be(const void *p)
{
    return __builtin_bswap64(load64(p));
}

static inline u32 load32_be(const void *p)
{
    return __builtin_bswap32(load32(p));
}

/* How many of the first n bytes of both are equal before they differ. */
static inline size_t equal_bytes(const u8 *a, const u8 *b, size_t n)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        if (load64(a + i) != load64(b + i))
            return i + (size_t)__builtin_clzll(load64_be(a + i) ^ load64_be(b + i)) / 8;
    while (i < n && a[i] == b[i])
        i++;
    return i;
}

static inline void store64_be(void *p, u64 v)
{
    v = __builtin_bswap64(v);
    memcpy(p, &v, 8);
}

#endif
