#include "hash.h"

static const u64 P1 = 0x9E3779B185EBCA87ull, P2 = 0xC2B2AE3D27D4EB4Full, P3 = 0x165667B19E3779F9ull,
                 P4 = 0x85EBCA77C2B2AE63ull, P5 = 0x27D4EB2F165667C5ull;

static inline u64 rotate(u64 x, int bits)
{
    return (x << bits) | (x >> (64 - bits));
}

static inline u64 lane(u64 accumulator, u64 word)
{
    return rotate(accumulator + word * P2, 31) * P1;
}

static inline u64 fold(u64 h, u64 accumulator)
{
    return (h ^ lane(0, accumulator)) * P1 + P4;
}

u64 checksum_of(const u8 *p, size_t n, u64 seed)
{
    const u8 *end = p + n;
    u64 h;
    if (n >= 32) {
        u64 a = seed + P1 + P2, b = seed + P2, c = seed, d = seed - P1;
        for (; end - p >= 32; p += 32) {
            a = lane(a, load64(p));
            b = lane(b, load64(p + 8));
            c = lane(c, load64(p + 16));
            d = lane(d, load64(p + 24));
        }
        h = rotate(a, 1) + rotate(b, 7) + rotate(c, 12) + rotate(d, 18);
        h = fold(fold(fold(fold(h, a), b), c), d);
    } else {
        h = seed + P5;
    }
    h += n;
    for (; end - p >= 8; p += 8)
        h = rotate(h ^ lane(0, load64(p)), 27) * P1 + P4;
    if (end - p >= 4) {
        h = rotate(h ^ (load32(p) * P1), 23) * P2 + P3;
        p += 4;
    }
    for (; p < end; p++)
        h = rotate(h ^ (*p * P5), 11) * P1;
    h = (h ^ (h >> 33)) * P2;
    h = (h ^ (h >> 29)) * P3;
    return h ^ (h >> 32);
}
