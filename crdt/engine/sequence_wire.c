#include "sequence_wire.h"

#include "sequence_log.h"

void expectations_open(Expectations *x)
{
    x->all = x->few;
    x->n = x->last = 0;
    x->capacity = sizeof x->few / sizeof x->few[0];
}

void expectations_close(Expectations *x)
{
    if (x->all != x->few)
        block_free(x->all, x->capacity * sizeof(Expectation));
}

static int expectations_reserve(Expectations *x)
{
    if (x->n < x->capacity)
        return DONE;
    if (x->all != x->few)
        return array_reserve(&x->all, &x->capacity, x->n + 1, sizeof(Expectation));
    Expectation *many = block_resize(NULL, 0, 4 * sizeof x->few);
    if (many == NULL)
        return ERROR_MEMORY;
    memcpy(many, x->few, sizeof x->few);
    x->all = many;
    x->capacity *= 4;
    return DONE;
}

u64 *expectation_of(Expectations *x, u32 writer, u64 first)
{
    if (likely(x->last < x->n && x->all[x->last].writer == writer))
        return &x->all[x->last].next;
    u32 low = 0, high = x->n;
    while (low < high) {
        u32 middle = (low + high) / 2;
        if (x->all[middle].writer < writer)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == x->n || x->all[low].writer != writer) {
        if (expectations_reserve(x) != DONE)
            return NULL;
        memmove(x->all + low + 1, x->all + low, (x->n - low) * sizeof(Expectation));
        x->all[low] = (Expectation){first, writer};
        x->n++;
    }
    x->last = low;
    return &x->all[low].next;
}

void section_open(SectionReader *r, Decoder *d, u64 room)
{
    *r = (SectionReader){.d = d, .room = room};
    expectations_open(&r->expected);
}

void section_close(SectionReader *r)
{
    expectations_close(&r->expected);
}

static int read_place(SectionReader *r, u32 *place)
{
    u64 read = read_number(&r->d->in);
    if (read >= r->d->n)
        return refuse(&r->d->in, "a writer that the message does not name");
    *place = (u32)read;
    return DONE;
}

/* An id at or below its writer's base: written as how far below. */
static int read_held(SectionReader *r, u32 place, RemoteDot *held)
{
    u64 base = section_base(r->d, place), below = read_number(&r->d->in);
    if (below >= base)
        return refuse(&r->d->in, "an element that is not below its writer's base");
    *held = (RemoteDot){place, base - below};
    return DONE;
}

static int read_origin(SectionReader *r, OriginForm form, Origin *origin)
{
    origin->form = form;
    u32 place;
    if (form == ORIGIN_HELD)
        return read_place(r, &place) == DONE ? read_held(r, place, &origin->held) : ERROR_DECODE;
    if (form != ORIGIN_NEW)
        return DONE;
    u64 back = read_number(&r->d->in);
    if (back >= r->count)
        return refuse(&r->d->in, "an origin that does not precede its element");
    origin->number = r->count - 1 - back;
    return DONE;
}

static int read_origins(SectionReader *r, u8 code, WireRun *run)
{
    static const u8 rights[] = {ORIGIN_NONE, ORIGIN_NEXT, ORIGIN_SAME, ORIGIN_NEW, ORIGIN_HELD};
    static const u8 at_start[] = {ORIGIN_NONE, ORIGIN_NEW, ORIGIN_HELD};
    if (code == RUN_CONTINUES) {
        if (run->sequence - 1 == 0 || run->sequence - 1 > section_base(r->d, run->place))
            return refuse(&r->d->in, "a run continues an element above its writer's base");
        run->left = (Origin){ORIGIN_HELD, 0, {run->place, run->sequence - 1}};
        run->right = (Origin){.form = ORIGIN_SAME};
        return DONE;
    }
    if (code >= RUN_ORIGINS_END)
        return refuse(&r->d->in, "an unknown form of origins");
    OriginForm left = code >= RUN_LEFT_HELD  ? ORIGIN_HELD
                      : code >= RUN_LEFT_NEW ? ORIGIN_NEW
                                             : ORIGIN_NONE;
    OriginForm right = left == ORIGIN_NONE  ? at_start[code - RUN_AT_START]
                       : left == ORIGIN_NEW ? rights[code - RUN_LEFT_NEW]
                                            : rights[code - RUN_LEFT_HELD];
    if (read_origin(r, left, &run->left) != DONE || read_origin(r, right, &run->right) != DONE)
        return ERROR_DECODE;
    if (right == ORIGIN_NEXT && left == ORIGIN_NEW && run->left.number + 1 >= r->count)
        return refuse(&r->d->in, "an origin that does not precede its element");
    return DONE;
}

static int read_pieces(SectionReader *r, WireRun *run)
{
    Reader *in = &r->d->in;
    u64 head = read_number(in);
    run->starts_deleted = head & 1;
    run->pieces = (head >> 1) + 2;
    if (run->pieces > reader_left(in))
        return refuse(in, "a count is larger than the bytes that follow");
    run->lengths = *in;
    run->n = 0;
    for (u64 i = 0; i < run->pieces; i++) {
        u64 n = read_number(in);
        if (n >= r->room || run->n + n >= r->room)
            return refuse(in, "more elements than a sequence may have");
        run->n += n + 1;
    }
    return in->error == NULL ? DONE : ERROR_DECODE;
}

int section_read_run(SectionReader *r, WireRun *run)
{
    Reader *in = &r->d->in;
    u8 head = read_byte(in);
    if ((head & RUN_NEW_WRITER) != 0 && read_place(r, &r->writer) != DONE)
        return ERROR_DECODE;
    if (r->writer >= r->d->n)
        return refuse(in, "a writer that the message does not name");
    u64 base = section_base(r->d, r->writer);
    u64 *expected = expectation_of(&r->expected, r->writer, base + 1);
    if (expected == NULL)
        return ERROR_MEMORY;
    u64 gap = (head & RUN_GAP) != 0 ? read_number(in) : 0;
    if (gap > SEQUENCE_MAX)
        return refuse(in, "an event that its sender cannot hold");
    *run = (WireRun){.place = r->writer, .n = 1, .life = head / RUN_LIFE};
    run->sequence = *expected + gap;
    if (run->life == MIXED) {
        if (read_pieces(r, run) != DONE)
            return ERROR_DECODE;
    } else if (run->life != ONE_VISIBLE) {
        run->n = read_number(in);
    }
    if (run->n == 0 || run->n > r->room - r->count)
        return refuse(in, "no elements, or more than a sequence may have");
    u64 top = r->d->writers[run->place].top;
    if (run->sequence > top || run->n - 1 > top - run->sequence)
        return refuse(in, "an event that its sender cannot hold");
    if (read_origins(r, head & RUN_ORIGINS, run) != DONE || in->error != NULL)
        return ERROR_DECODE;
    *expected = run->sequence + run->n;
    r->count += run->n;
    return DONE;
}

void section_begin_deletions(SectionReader *r)
{
    r->expected.n = 0;
    r->writer = 0;
    r->target_number = 0;
    r->targeted = false;
}

static int read_target(SectionReader *r, u8 head, WireDeletion *deletion)
{
    Reader *in = &r->d->in;
    if ((head & DELETE_NEW_TARGET) != 0) {
        u64 number = read_difference(in, r->target_number);
        if (number >= r->count || deletion->n > r->count - number)
            return refuse(in, "a deletion of an element that does not exist");
        deletion->is_new = true;
        deletion->number = r->target_number = number;
        return DONE;
    }
    u32 place = r->targeted ? r->target_writer : deletion->event.place;
    if ((head & DELETE_OTHER_WRITER) != 0 && read_place(r, &place) != DONE)
        return ERROR_DECODE;
    u64 base = section_base(r->d, place);
    if (!r->targeted || place != r->target_writer)
        r->target = base;
    u64 sequence = read_difference(in, r->target);
    if (sequence == 0 || sequence > base || deletion->n - 1 > base - sequence)
        return refuse(in, "a deletion of an element that does not exist");
    r->targeted = true;
    r->target_writer = place;
    r->target = sequence;
    deletion->target = (RemoteDot){place, sequence};
    return DONE;
}

int section_read_deletion(SectionReader *r, WireDeletion *deletion)
{
    Reader *in = &r->d->in;
    u8 head = read_byte(in);
    *deletion = (WireDeletion){.kind = head & DELETE_KIND, .n = 1};
    if (deletion->kind > EACH_BACKWARD || head >= 128)
        return refuse(in, "an unknown form of deletion");
    if ((head & DELETE_NEW_WRITER) != 0 && read_place(r, &r->writer) != DONE)
        return ERROR_DECODE;
    if (r->writer >= r->d->n)
        return refuse(in, "a writer that the message does not name");
    u64 base = section_base(r->d, r->writer);
    u64 *expected = expectation_of(&r->expected, r->writer, base + 1);
    if (expected == NULL)
        return ERROR_MEMORY;
    /* Events rise, so that a log of them does; one event may delete several stretches. */
    u64 jump = (head & DELETE_JUMP) != 0 ? read_number(in) : 1;
    if (jump > SEQUENCE_MAX)
        return refuse(in, "an event that its sender cannot hold");
    u64 event = *expected - 1 + jump;
    if ((head & DELETE_ONE) == 0)
        deletion->n = read_number(in);
    u64 top = r->d->writers[r->writer].top;
    u64 events = deletion->kind == ONE_EVENT ? 1 : deletion->n;
    if (deletion->n == 0 || event <= base || event > top ||
        events - 1 > top - event)
        return refuse(in, "an event that its sender cannot hold");
    *expected = event + events;
    deletion->event = (RemoteDot){r->writer, event};
    if (read_target(r, head, deletion) != DONE || in->error != NULL)
        return ERROR_DECODE;
    return DONE;
}

int section_read_deleted(SectionReader *r, RemoteDot *first, u64 *n)
{
    Reader *in = &r->d->in;
    u64 head = read_number(in);
    if ((head & 1) != 0 && read_place(r, &r->writer) != DONE)
        return ERROR_DECODE;
    if (r->writer >= r->d->n)
        return refuse(in, "a writer that the message does not name");
    u64 gap = read_number(in), base = section_base(r->d, r->writer);
    u64 *expected = expectation_of(&r->expected, r->writer, 1);
    if (expected == NULL)
        return ERROR_MEMORY;
    u64 next = *expected;
    *n = (head >> 1) + 1;
    if (gap > SEQUENCE_MAX || next + gap > base || *n - 1 > base - (next + gap))
        return refuse(in, "a deletion of an element that does not exist");
    *first = (RemoteDot){r->writer, next + gap};
    *expected = next + gap + *n;
    return in->error == NULL ? DONE : ERROR_DECODE;
}

const u8 *read_code_points(Reader *r, u64 n, size_t *bytes)
{
    const u8 *start = r->p, *p = start;
    if (n > reader_left(r)) {
        refuse(r, "cut short");
        return NULL;
    }
    while (n != 0 && p < r->end) {
        if (n >= 8 && r->end - p >= 8 && (load64(p) & 0x8080808080808080ull) == 0) {
            p += 8;
            n -= 8;
            continue;
        }
        p += *p < 0x80 ? 1 : *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : 4;
        n--;
    }
    if (n != 0 || p > r->end) {
        refuse(r, "cut short");
        return NULL;
    }
    *bytes = (size_t)(p - start);
    if (!utf8_is_valid(start, *bytes)) {
        refuse(r, "a text is not UTF-8");
        return NULL;
    }
    r->p = p;
    return start;
}
