/* Three hashes, each for one purpose.
 *
 * hash_key      seeded per document, for the index of a table: an attacker cannot choose collisions.
 * digest_of     unseeded, 128 bits, for the incremental digest: the same on every machine.
 * checksum_of   XXH64 (Yann Collet's published algorithm), for messages and stored blobs.
 */
#ifndef CRDT_HASH_H
#define CRDT_HASH_H

#include "base.h"

/* The halves of the product as they lie in memory, in whatever order: for shifts gcc sends them over the stack. */
static inline u64 mum(u64 a, u64 b)
{
    union {
        u128 whole;
        u64 half[2];
    } product = {(u128)a * b};
    return product.half[0] ^ product.half[1];
}

/* The bytes p[0..n) folded to 64 bits with wyhash's multiply-and-fold step (Wang Yi, public domain). Who knows
 * `secret` can write a word that makes the step forget all else. */
static inline u64 fold_bytes(const u8 *p, size_t n, u64 seed, u64 secret)
{
    u64 a, b;
    if (n <= 16) {
        if (n >= 8) {
            a = load64(p);
            b = load64(p + n - 8);
        } else if (n >= 4) {
            a = load32(p);
            b = load32(p + n - 4);
        } else if (n > 0) {
            a = ((u64)p[0] << 16) | ((u64)p[n >> 1] << 8) | p[n - 1];
            b = 0;
        } else {
            a = b = 0;
        }
    } else {
        size_t left = n;
        while (left > 16) {
            seed = mum(load64(p) ^ secret, load64(p + 8) ^ seed);
            p += 16;
            left -= 16;
        }
        a = load64(p + left - 16);
        b = load64(p + left - 8);
    }
    return mum(0x8ebc6af09c88c6e3ull ^ n, mum(a ^ secret, b ^ seed));
}

/* The same on every machine. */
static inline u64 hash_bytes(const u8 *p, size_t n, u64 seed)
{
    const u64 k0 = 0xa0761d6478bd642full, k1 = 0xe7037ed1a0b428dbull;
    return fold_bytes(p, n, seed ^ mum(seed ^ k0, k1), k1);
}

static inline u64 hash_key(u8 type, const u8 *p, u32 n, u64 seed)
{
    const u64 k0 = 0xa0761d6478bd642full, k1 = 0xe7037ed1a0b428dbull;
    return fold_bytes(p, n, mum(seed ^ k0, k1) + type, mum(seed ^ k1, k0));
}

/* The same for a key of few bytes that lies, with its type, in twelve. A second step, since of keys that count up the
 * first leaves the upper bits in a row. */
static inline u64 hash_cell(u64 first, u32 last, u64 seed)
{
    const u64 k1 = 0xe7037ed1a0b428dbull, k2 = 0x8ebc6af09c88c6e3ull;
    return mum(mum(first ^ seed, last ^ k1 ^ (seed << 32 | seed >> 32)), k2);
}

/* A sum of these over all entries is the digest of a set of entries: sums, unlike exclusive ors,
 * do not cancel when an entry is counted twice. */
typedef struct {
    u64 low, high;
} Digest;

static inline void digest_add(Digest *sum, Digest d)
{
    u64 low = sum->low + d.low;
    sum->high += d.high + (low < d.low);
    sum->low = low;
}

static inline void digest_subtract(Digest *sum, Digest d)
{
    u64 borrow = sum->low < d.low;
    sum->low -= d.low;
    sum->high -= d.high + borrow;
}

/* The digest of one entry from already folded words: where it is, who wrote it, what it holds. */
static inline Digest digest_of(u64 where, u64 writer, u64 count, u64 what)
{
    u64 a = mum(where ^ 0x9e3779b97f4a7c15ull, writer ^ 0xc2b2ae3d27d4eb4full);
    u64 b = mum(count ^ 0x165667b19e3779f9ull, what ^ 0x27d4eb2f165667c5ull);
    Digest d;
    d.low = mum(a ^ 0xd6e8feb86659fd93ull, b ^ 0xa0761d6478bd642full);
    d.high = mum(a ^ b ^ 0xe7037ed1a0b428dbull, (a + b) ^ 0x8ebc6af09c88c6e3ull);
    return d;
}

u64 checksum_of(const u8 *p, size_t n, u64 seed);

#endif
