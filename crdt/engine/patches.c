#include "patches.h"

static int new_step(Patches *p, Step step)
{
    int status = array_reserve(&p->steps, &p->capacity, (size_t)p->n + 1, sizeof(Step));
    if (status == DONE)
        p->steps[p->n++] = step;
    return status;
}

/* Whether deleting one more is what the last step goes on with. */
static bool delete_on(Step *last, u32 at)
{
    if (last->kind == EACH_FORWARD && at == last->at) {
        last->n++;
        return true;
    }
    bool backward = last->kind == EACH_BACKWARD || (last->kind == EACH_FORWARD && last->n == 1);
    if (!backward || at + 1 != last->at)
        return false;
    last->kind = EACH_BACKWARD;
    last->at--;
    last->n++;
    return true;
}

static int add_deletion(Patches *p, u32 at, u32 n)
{
    if (n != 1)
        return new_step(p, (Step){.at = at, .n = n, .kind = ONE_EVENT});
    if (p->n != 0 && delete_on(&p->steps[p->n - 1], at))
        return DONE;
    return new_step(p, (Step){.at = at, .n = 1, .kind = EACH_FORWARD});
}

static inline size_t to_words(size_t bytes)
{
    return (bytes + 3) / 4;
}

static int add_insert(Patches *p, u32 at, const void *units, u8 width, size_t n)
{
    const Step *last = p->n != 0 ? &p->steps[p->n - 1] : NULL;
    bool goes_on = last != NULL && last->kind == STEP_INSERT && at == last->at + last->n && width == last->width;
    size_t from = goes_on ? p->used : to_words(p->used) * 4, bytes = n * width;
    if (n > UINT32_MAX - (goes_on ? last->n : 0))
        return ERROR_LIMIT;
    int status = array_reserve(&p->units, &p->units_capacity, to_words(from + bytes), 4);
    if (status == DONE && !goes_on)
        status = new_step(p, (Step){.at = at, .kind = STEP_INSERT, .width = width});
    if (status != DONE)
        return status;
    copy_short((u8 *)p->units + from, units, bytes);
    p->used = from + bytes;
    p->steps[p->n - 1].n += (u32)n;
    return DONE;
}

int patches_add(Patches *p, u32 at, u32 deleted, const void *units, u8 width, size_t n)
{
    int status = deleted == 0 ? DONE : add_deletion(p, at, deleted);
    return status != DONE || n == 0 ? status : add_insert(p, at, units, width, n);
}

void patches_free(Patches *p)
{
    block_free(p->steps, p->capacity * sizeof(Step));
    block_free(p->units, (size_t)p->units_capacity * 4);
}

int node_apply(Document *doc, SequenceNode *s, const Patches *p)
{
    const u32 *units = p->units;
    int status = UNCHANGED;
    for (u32 i = 0; i < p->n && status >= 0; i++) {
        const Step *step = &p->steps[i];
        if (step->kind == STEP_INSERT) {
            status = node_insert_text(doc, s, step->at, units, step->width, step->n);
            units += to_words((size_t)step->n * step->width);
        } else {
            status = node_delete(doc, s, step->at, step->n, (DeletionKind)step->kind);
        }
    }
    return status;
}
