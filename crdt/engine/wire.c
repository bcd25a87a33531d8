#include "wire.h"

int writer_grow(Writer *w, size_t more)
{
    size_t need = w->n + more;
    size_t next = w->capacity < 64 ? 64 : w->capacity + w->capacity / 2;
    if (next < need)
        next = need;
    u8 *p = w->failed ? NULL : block_resize(w->is_lent ? NULL : w->p, w->capacity, next);
    if (p == NULL) {
        w->failed = true;
        return ERROR_MEMORY;
    }
    if (w->is_lent)
        memcpy(p, w->p, w->n);
    w->is_lent = false;
    w->p = p;
    w->capacity = next;
    return DONE;
}

void writer_free(Writer *w)
{
    if (!w->is_lent)
        block_free(w->p, w->capacity);
    *w = (Writer){0};
}

u64 read_number_slow(Reader *r)
{
    u64 v = 0;
    for (int shift = 0; shift < 64; shift += 7) {
        if (r->p >= r->end) {
            refuse(r, "cut short");
            return 0;
        }
        u8 byte = *r->p++;
        if (shift == 63 && byte > 1)
            break;
        v |= (u64)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            if (byte == 0 && shift != 0) {
                refuse(r, "a number is not in its shortest form");
                return 0;
            }
            return v;
        }
    }
    refuse(r, "a number is longer than 64 bits");
    return 0;
}

/* Bytes that may follow a lead byte (Unicode 15, table 3-7). */
static int sequence_length(const u8 *p, size_t left)
{
    u8 a = p[0];
    if (a < 0xc2 || a > 0xf4)
        return 0;
    int n = a < 0xe0 ? 2 : a < 0xf0 ? 3 : 4;
    if (left < (size_t)n)
        return 0;
    u8 low = a == 0xe0 ? 0xa0 : a == 0xf0 ? 0x90 : 0x80;
    u8 high = a == 0xed ? 0x9f : a == 0xf4 ? 0x8f : 0xbf;
    if (p[1] < low || p[1] > high)
        return 0;
    for (int i = 2; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return n;
}

bool utf8_is_valid(const u8 *p, size_t n)
{
    const u8 *end = p + n;
    while (p < end) {
        if (end - p >= 8 && (load64(p) & 0x8080808080808080ull) == 0) {
            p += 8;
        } else if (*p < 0x80) {
            p++;
        } else {
            int length = sequence_length(p, (size_t)(end - p));
            if (length == 0)
                return false;
            p += length;
        }
    }
    return true;
}
