#include "sort.h"

enum { DIGIT_BITS = 11, DIGITS = 1 << DIGIT_BITS, FEW = 32 };

static void sort_few(u64 *numbers, u32 n)
{
    for (u32 i = 1; i < n; i++) {
        u64 number = numbers[i];
        u32 at = i;
        for (; at > 0 && upper_of(numbers[at - 1]) > upper_of(number); at--)
            numbers[at] = numbers[at - 1];
        numbers[at] = number;
    }
}

void sort_by_upper(u64 *numbers, u64 *spare, u32 n)
{
    u32 largest = 0;
    if (n <= FEW) {
        sort_few(numbers, n);
        return;
    }
    for (u32 i = 0; i < n; i++)
        largest = upper_of(numbers[i]) > largest ? upper_of(numbers[i]) : largest;
    u64 *from = numbers, *to = spare;
    for (u32 shift = 0; shift < 32 && largest >> shift != 0; shift += DIGIT_BITS) {
        u32 begin[DIGITS] = {0}, sum = 0;
        for (u32 i = 0; i < n; i++)
            begin[upper_of(from[i]) >> shift & (DIGITS - 1)]++;
        for (u32 digit = 0; digit < DIGITS; digit++) {
            u32 count = begin[digit];
            begin[digit] = sum;
            sum += count;
        }
        for (u32 i = 0; i < n; i++)
            to[begin[upper_of(from[i]) >> shift & (DIGITS - 1)]++] = from[i];
        u64 *swap = from;
        from = to;
        to = swap;
    }
    if (from != numbers)
        memcpy(numbers, from, (size_t)n * sizeof(u64));
}
