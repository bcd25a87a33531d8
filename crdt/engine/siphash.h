/* SipHash-2-4 (Aumasson and Bernstein 2012) over 64-bit words: the keyed hash of entries.
 *
 * Keyed by a session, so that nobody can prepare entries whose hashes collide in it. The input is a
 * list of words; bytes go in eight by eight, little-endian, the last word filled up with zeros, and
 * whoever hashes them puts their number into a word before. The closing word is the count of words.
 */
#ifndef CRDT_SIPHASH_H
#define CRDT_SIPHASH_H

#include "base.h"

typedef struct {
    u64 k0, k1;
} SipKey;

typedef struct {
    u64 v0, v1, v2, v3, words;
} Sip;

static inline u64 rotated(u64 x, int by)
{
    return x << by | x >> (64 - by);
}

static inline void sip_round(Sip *s)
{
    s->v0 += s->v1;
    s->v2 += s->v3;
    s->v1 = rotated(s->v1, 13) ^ s->v0;
    s->v3 = rotated(s->v3, 16) ^ s->v2;
    s->v0 = rotated(s->v0, 32);
    s->v2 += s->v1;
    s->v0 += s->v3;
    s->v1 = rotated(s->v1, 17) ^ s->v2;
    s->v3 = rotated(s->v3, 21) ^ s->v0;
    s->v2 = rotated(s->v2, 32);
}

static inline Sip sip_begin(SipKey key)
{
    return (Sip){key.k0 ^ 0x736f6d6570736575ull, key.k1 ^ 0x646f72616e646f6dull,
                 key.k0 ^ 0x6c7967656e657261ull, key.k1 ^ 0x7465646279746573ull, 0};
}

static inline void sip_word(Sip *s, u64 word)
{
    s->v3 ^= word;
    sip_round(s);
    sip_round(s);
    s->v0 ^= word;
    s->words++;
}

static inline void sip_bytes(Sip *s, const u8 *p, size_t n)
{
    for (; n >= 8; p += 8, n -= 8)
        sip_word(s, load64(p));
    if (n != 0) {
        u64 last = 0;
        memcpy(&last, p, n);
        sip_word(s, last);
    }
}

static inline u64 sip_end(Sip *s)
{
    sip_word(s, s->words << 56);
    s->v2 ^= 0xff;
    for (int i = 0; i < 4; i++)
        sip_round(s);
    return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

#endif
