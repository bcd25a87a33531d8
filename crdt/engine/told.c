#include "told.h"

#include <stdlib.h>

int told_note(Decoder *d, u64 path, const u8 *section)
{
    if (array_reserve(&d->told, &d->told_capacity, d->told_n + 1, sizeof(Told)) != DONE)
        return ERROR_MEMORY;
    d->told[d->told_n++] = (Told){path, section, (size_t)(d->in.p - section)};
    return DONE;
}

static int told_compare(const void *one, const void *other)
{
    const Told *a = one, *b = other;
    return a->path < b->path ? -1 : a->path > b->path;
}

int told_check(Decoder *d)
{
    if (d->told_n < 2)
        return DONE;
    qsort(d->told, d->told_n, sizeof(Told), told_compare);
    for (u32 i = 1; i < d->told_n; i++) {
        const Told *a = &d->told[i - 1], *b = &d->told[i];
        if (a->path == b->path && (a->n != b->n || memcmp(a->section, b->section, a->n) != 0))
            return refuse(&d->in, "of one sequence two different things are told");
    }
    return DONE;
}
