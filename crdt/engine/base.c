#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1 /* mremap */
#endif
#include "base.h"

#include <stdlib.h>

#if defined(__linux__)
#include <sys/mman.h>

enum { MAPPED_FROM = 64 * 1024, PAGE = 4096, HUGE_PAGE = 2 << 20 };

static size_t pages(size_t bytes)
{
    return (bytes + PAGE - 1) & ~(size_t)(PAGE - 1);
}

static void *map(size_t bytes)
{
    void *p = mmap(NULL, pages(bytes), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

static void release(void *block, size_t bytes)
{
    if (bytes >= MAPPED_FROM)
        munmap(block, pages(bytes));
    else
        free(block);
}

void *block_resize(void *block, size_t old_bytes, size_t new_bytes)
{
    if (block == NULL)
        old_bytes = 0;
    if (new_bytes == 0) {
        if (block != NULL)
            release(block, old_bytes);
        return NULL;
    }
    bool was_mapped = block != NULL && old_bytes >= MAPPED_FROM;
    bool be_mapped = new_bytes >= MAPPED_FROM;
    if (!was_mapped && !be_mapped)
        return realloc(block, new_bytes);
    if (was_mapped && be_mapped) {
        void *p = mremap(block, pages(old_bytes), pages(new_bytes), MREMAP_MAYMOVE);
        if (p != MAP_FAILED)
            return p;
        /* What the system was told of a part of it makes two mappings, which cannot be moved as one. */
    }
    void *p = be_mapped ? map(new_bytes) : malloc(new_bytes);
    if (p != NULL && block != NULL) {
        memcpy(p, block, old_bytes < new_bytes ? old_bytes : new_bytes);
        release(block, old_bytes);
    }
    return p;
}

/* The system gives each page when it is first written, which takes as long as to write it several times. Huge pages
 * are given rarely, and take what they are for. Told of whole pages outward: a block then stays one mapping. */
void block_expect(void *bytes, size_t n)
{
    uintptr_t begin = (uintptr_t)bytes & ~(uintptr_t)(PAGE - 1);
    if (n >= HUGE_PAGE)
        (void)madvise((void *)begin, pages((uintptr_t)bytes + n - begin), MADV_HUGEPAGE);
}

size_t block_footprint(size_t bytes)
{
    if (bytes == 0)
        return 0;
    return bytes >= MAPPED_FROM ? pages(bytes) : (bytes + 8 + 15) & ~(size_t)15;
}

#else

void block_expect(void *bytes, size_t n)
{
    (void)bytes;
    (void)n;
}

void *block_resize(void *block, size_t old_bytes, size_t new_bytes)
{
    (void)old_bytes;
    if (new_bytes == 0) {
        free(block);
        return NULL;
    }
    return realloc(block, new_bytes);
}

size_t block_footprint(size_t bytes)
{
    return bytes == 0 ? 0 : (bytes + 8 + 15) & ~(size_t)15;
}

#endif

int array_reserve(void *items, u32 *capacity, size_t need, size_t width)
{
    if (likely(need <= *capacity))
        return DONE;
    size_t next = grown_capacity(*capacity, need);
    if (next > UINT32_MAX)
        return ERROR_LIMIT;
    void **array = items;
    void *grown = block_resize(*array, *capacity * width, next * width);
    if (grown == NULL)
        return ERROR_MEMORY;
    *array = grown;
    *capacity = (u32)next;
    return DONE;
}

void array_shrink(void *items, u32 *capacity, size_t need, size_t width)
{
    void *block;
    memcpy(&block, items, sizeof block);
    if (need > *capacity / 2)
        return;
    void *smaller = block_resize(block, *capacity * width, need * width);
    if (smaller == NULL && need != 0)
        return;
    memcpy(items, &smaller, sizeof smaller);
    *capacity = (u32)need;
}
