#include "sequence_gaps.h"

int gaps_open(Gaps *gaps, const CondemnedList *gone)
{
    u32 before = 0;
    int status = array_reserve(&gaps->all, &gaps->capacity, gone->n, sizeof(Gap));
    for (u32 i = 0; i < gone->n && status == DONE; i++) {
        gaps->all[gaps->n++] = (Gap){gone->all[i].first, gone->all[i].n, before};
        before += gone->all[i].n;
    }
    return status;
}

void gaps_close(Gaps *gaps)
{
    block_free(gaps->all, gaps->capacity * sizeof(Gap));
    *gaps = (Gaps){0};
}

u32 gaps_below(const Gaps *gaps, u32 number)
{
    u32 low = 0, high = gaps->n; /* the gaps that begin below */
    while (low < high) {
        u32 middle = (low + high) / 2;
        if (gaps->all[middle].first < number)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return number;
    const Gap *gap = &gaps->all[low - 1];
    u32 inside = number - gap->first;
    return number - gap->before - (inside < gap->n ? inside : gap->n);
}
