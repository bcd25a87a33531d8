/* Joining a checked section. Elements and deletions that are held already are stepped over, so a
 * section may be joined twice, or after one that overlaps it. */
#include "sequence_state.h"
#include "sequence_wire.h"

enum { UNITS_AT_ONCE = 512, CELLS_AT_ONCE = 64 };

/* Section numbers from `section` on are local numbers from `local` on. */
typedef struct {
    u32 section, local;
} Mapping;

typedef struct {
    Sequence *s;
    Decoder *d;
    SectionReader r;
    Mapping *map; /* usually one: all elements of the section are new */
    Mapping few[2];
    u32 n, capacity;
    u64 known;    /* events up to here of the writer at hand are logged */
    bool deleted; /* something is deleted that was not, or never was visible */
} Joining;

static int map_stretch(Joining *j, u32 section, u32 local)
{
    if (j->n != 0 && j->map[j->n - 1].local - j->map[j->n - 1].section == local - section)
        return DONE;
    const u32 few = sizeof j->few / sizeof j->few[0];
    if (j->n == few && j->map == j->few) {
        j->map = NULL;
        if (array_reserve(&j->map, &j->capacity, 4 * few, sizeof(Mapping)) != DONE)
            return ERROR_MEMORY;
        memcpy(j->map, j->few, sizeof j->few);
    }
    if (j->map != j->few && array_reserve(&j->map, &j->capacity, j->n + 1, sizeof(Mapping)) != DONE)
        return ERROR_MEMORY;
    j->map[j->n++] = (Mapping){section, local};
    return DONE;
}

static u32 mapping_of(const Joining *j, u64 number)
{
    u32 low = 0, n = j->n;
    while (n > 1) {
        u32 half = n / 2;
        low += j->map[low + half].section <= number ? half : 0;
        n -= half;
    }
    return low;
}

static u32 mapped(const Joining *j, u64 number)
{
    const Mapping *m = &j->map[mapping_of(j, number)];
    return m->local + ((u32)number - m->section);
}

static u32 resolve(const Joining *j, const Origin *origin, u32 left)
{
    switch (origin->form) {
    case ORIGIN_NEW:
        return mapped(j, origin->number);
    case ORIGIN_HELD:
        return runs_number(&j->s->runs, local_dot(j->d, origin->held));
    case ORIGIN_SAME:
        return runs_right(&j->s->runs, left);
    default:
        return NOTHING;
    }
}

static u32 resolve_right(const Joining *j, const WireRun *run, u32 left)
{
    if (run->right.form != ORIGIN_NEXT)
        return resolve(j, &run->right, left);
    if (run->left.form == ORIGIN_NEW)
        return mapped(j, run->left.number + 1);
    return runs_number(&j->s->runs, local_dot(j->d, run->left.held) + 1);
}

/* ---- deleting by local number ------------------------------------------------------------ */

/* Delete what is still visible of n elements. */
static int delete_numbers(Joining *j, u32 number, u32 n)
{
    while (n != 0) {
        Point at = tree_locate(&j->s->tree, number);
        Span span = point_span(&j->s->tree, at);
        u32 left = span_n(span) - at.offset, piece = n < left ? n : left;
        if (!span_is_deleted(span)) {
            j->s->typing.next = 0;
            int status = delete_elements(j->s, &at, piece, false);
            if (status != DONE)
                return status;
            j->deleted = true;
            j->d->changed = true;
        }
        number += piece;
        n -= piece;
    }
    return DONE;
}

/* ---- elements ---------------------------------------------------------------------------- */

static u32 count_ascii(const u8 *p, u32 n)
{
    u32 i = 0;
    while (i + 8 <= n && (load64(p + i) & 0x8080808080808080ull) == 0)
        i += 8;
    while (i < n && p[i] < 0x80)
        i++;
    return i;
}

static int insert_text(Joining *j, Point *at, Dot first, u32 n)
{
    u32 units[UNITS_AT_ONCE];
    Reader *in = &j->d->in;
    while (n != 0) {
        u32 piece = n < UNITS_AT_ONCE ? n : UNITS_AT_ONCE;
        const u8 *p = in->p;
        u32 ascii = count_ascii(p, piece);
        Units source = {p, NULL, 1}; /* a byte per code point: no decoding */
        if (ascii == piece || ascii > 16) {
            piece = ascii;
            p += ascii;
        } else {
            for (u32 i = 0; i < piece; i++)
                units[i] = next_code_point(&p);
            source = (Units){(const u8 *)units, NULL, 4};
        }
        int status = insert_elements(j->s, at, first, piece, &source);
        if (status != DONE)
            return status;
        in->p = p;
        first += piece;
        n -= piece;
    }
    return DONE;
}

static int insert_items(Joining *j, Point *at, Dot first, u32 n)
{
    Item items[CELLS_AT_ONCE];
    u64 words[CELLS_AT_ONCE];
    u8 heads[CELLS_AT_ONCE];
    Units source = {(const u8 *)words, heads, CELL_WIDTH};
    while (n != 0) {
        u32 piece = n < CELLS_AT_ONCE ? n : CELLS_AT_ONCE;
        u64 payload = 0;
        for (u32 i = 0; i < piece; i++) {
            (void)read_value(&j->d->in, &items[i]);
            payload += value_arena_bytes(&items[i]);
        }
        int status = arena_reserve(&j->s->arena, payload);
        if (status != DONE)
            return status;
        store_items(&j->s->arena, items, piece, words, heads);
        status = insert_elements(j->s, at, first, piece, &source);
        if (status != DONE)
            return status;
        first += piece;
        n -= piece;
    }
    return DONE;
}

static void skip_content(Joining *j, u64 n)
{
    Item item;
    for (; n != 0; n--) {
        if (j->s->is_text)
            (void)next_code_point(&j->d->in.p);
        else
            (void)read_value(&j->d->in, &item);
    }
}

/* The ids of a run that are held: step over their content, delete those the sender has deleted. */
static int join_known(Joining *j, Dot first, u64 section, u64 n, bool deleted)
{
    if (!deleted)
        skip_content(j, n);
    while (n != 0) {
        u32 number, piece = runs_stretch(&j->s->runs, first, (u32)n, &number);
        int status = map_stretch(j, (u32)section, number);
        if (status == DONE && deleted)
            status = delete_numbers(j, number, piece);
        if (status != DONE)
            return status;
        first += piece;
        section += piece;
        n -= piece;
    }
    return DONE;
}

/* Where the next new elements of a run go; its origins are those of the first of them. */
typedef struct {
    Point at;
    Dot first;
    u32 left, right, n;
    bool begun;
} Growth;

static int begin_growth(Joining *j, const WireRun *run, Dot first, u64 known, Growth *growth)
{
    Sequence *s = j->s;
    u32 left = resolve(j, &run->left, NOTHING);
    *growth = (Growth){.first = first, .right = resolve_right(j, run, left), .begun = true};
    growth->left = known == 0 ? left : runs_number(&s->runs, first - 1);
    int status = tree_begin(&s->tree);
    if (status == DONE)
        status = runs_reserve(&s->runs, dot_replica(first));
    if (status == DONE)
        growth->at = fugue_place(s, first, growth->left, growth->right);
    return status;
}

static int grow(Joining *j, Growth *growth, u32 n, bool deleted)
{
    Dot first = growth->first + growth->n;
    growth->n += n;
    if (deleted) {
        j->deleted = true;
        return insert_elements(j->s, &growth->at, first, n, NULL);
    }
    return j->s->is_text ? insert_text(j, &growth->at, first, n)
                         : insert_items(j, &growth->at, first, n);
}

/* A keystroke after another: no place is looked for. */
static bool join_typing(Joining *j, const WireRun *run, Dot first)
{
    Reader *in = &j->d->in;
    if (first != j->s->typing.next || run->left.form != ORIGIN_HELD || run->right.form != ORIGIN_SAME ||
        run->left.held.place != run->place || run->left.held.sequence + 1 != run->sequence ||
        run->life > ALL_VISIBLE || !j->s->is_text || run->n > UNITS_AT_ONCE)
        return false;
    u32 n = (u32)run->n, number = j->s->tree.count;
    Units source = {in->p, NULL, 1};
    if (n > reader_left(in) || count_ascii(in->p, n) != n || !type_on(j->s, first, &source, n))
        return false;
    in->p += n;
    j->d->changed = true;
    return map_stretch(j, (u32)(j->r.count - run->n), number) == DONE; /* the first: cannot fail */
}

static int join_run(Joining *j, const WireRun *run)
{
    Sequence *s = j->s;
    Dot dot = local_dot(j->d, (RemoteDot){run->place, run->sequence});
    if (j->n == 0 && join_typing(j, run, dot))
        return DONE;
    s->typing.next = 0;
    const Author *author = runs_author(&s->runs, dot_replica(dot));
    u64 last = author != NULL ? author_last(&s->runs, author) : 0;
    u64 known = run->sequence > last ? 0 : last - run->sequence + 1;
    u64 section = j->r.count - run->n;
    Growth growth = {0};
    u32 count = s->tree.count;
    Digest before = s->digest;
    PieceReader pieces = pieces_of(run);
    int status = DONE;
    u64 done = 0;
    for (u64 n; status == DONE && (n = next_piece(&pieces)) != 0; done += n) {
        u64 held = done >= known ? 0 : known - done < n ? known - done : n;
        if (held != 0)
            status = join_known(j, dot + done, section + done, held, pieces.deleted);
        if (held == n || status != DONE)
            continue;
        if (!growth.begun) {
            status = begin_growth(j, run, dot + done + held, done + held, &growth);
            count = s->tree.count;
            before = s->digest;
        }
        if (status == DONE)
            status = map_stretch(j, (u32)(section + done + held), s->tree.count);
        if (status == DONE)
            status = grow(j, &growth, (u32)(n - held), pieces.deleted);
    }
    if (!growth.begun)
        return status;
    if (status != DONE) {
        tree_pop(&s->tree, s->tree.count - count);
        s->digest = before;
        return status;
    }
    digest_add(&s->digest, digest_of_origins(s, growth.first, growth.left, growth.right));
    runs_append(&s->runs, growth.first, growth.n, growth.left, growth.right);
    begin_typing(s, growth.first + growth.n, &growth.at, NOTHING);
    j->d->changed = true;
    return DONE;
}

/* ---- deletions --------------------------------------------------------------------------- */

/* The stretch of consecutive local numbers that begins with element `from` of a deletion, or with
 * `backwards` that ends before element `to`. */
static u32 stretch_of(const Joining *j, const WireDeletion *deletion, u64 from, u64 to,
                      bool backwards, u32 *number)
{
    u64 probe = backwards ? to - 1 : from, before, after; /* neighbours in the stretch */
    if (deletion->is_new) {
        u64 section = deletion->number + probe;
        u32 i = mapping_of(j, section);
        u64 end = i + 1 < j->n ? j->map[i + 1].section : j->r.count;
        *number = mapped(j, section);
        before = section - j->map[i].section;
        after = end - section;
    } else {
        const Runs *runs = &j->s->runs;
        *number = runs_number(runs, local_dot(j->d, deletion->target) + probe);
        u32 run = runs_find(runs, *number);
        before = *number - runs->all[run].first;
        after = run_end(runs, run) - *number;
    }
    if (!backwards)
        return (u32)(after < to - from ? after : to - from);
    before = before < probe - from ? before : probe - from;
    *number -= (u32)before;
    return (u32)before + 1;
}

/* Log elements [from, from + n) of a deletion, local from `number` on, unless it is known. */
static int log_deletion(Joining *j, const WireDeletion *deletion, u32 number, u64 from, u32 n)
{
    u16 replica = (u16)j->d->writers[deletion->event.place].local;
    u64 first = deletion->event.sequence;
    if (deletion->kind == EACH_FORWARD)
        first += from;
    else if (deletion->kind == EACH_BACKWARD)
        first += deletion->n - from - n;
    u64 known = j->known < first ? 0 : j->known - first + 1; /* events */
    if (deletion->kind == ONE_EVENT ? known != 0 : known >= n)
        return DONE;
    int status = log_reserve(&j->s->log, replica);
    if (status != DONE)
        return status;
    u32 logged = n - (u32)known;
    log_append(&j->s->log, dot_of(replica, first + known),
               deletion->kind == EACH_FORWARD ? number + (u32)known : number, logged,
               logged == 1 ? EACH_FORWARD : deletion->kind);
    return DONE;
}

/* Stretches are taken in the order of their events. */
static int join_deletion(Joining *j, const WireDeletion *deletion)
{
    bool backwards = deletion->kind == EACH_BACKWARD;
    for (u64 from = 0, to = deletion->n; from < to;) {
        u32 number, n = stretch_of(j, deletion, from, to, backwards, &number);
        if (backwards)
            to -= n;
        int status = delete_numbers(j, number, n);
        if (status == DONE)
            status = log_deletion(j, deletion, number, backwards ? to : from, n);
        if (status != DONE)
            return status;
        if (!backwards)
            from += n;
    }
    return DONE;
}

static int join_log(Joining *j, u64 count)
{
    u32 place = UINT32_MAX;
    for (; count != 0; count--) {
        WireDeletion deletion;
        int status = section_read_deletion(&j->r, &deletion);
        if (status != DONE)
            return status;
        if (deletion.event.place != place) { /* the events of a writer stand together */
            place = deletion.event.place;
            j->known = log_known(&j->s->log, (u16)j->d->writers[place].local);
        }
        status = join_deletion(j, &deletion);
        if (status != DONE)
            return status;
    }
    return DONE;
}

/* After a whole set of deleted elements, the events that did it are unknown. */
static int join_whole(Joining *j, u64 count)
{
    for (; count != 0; count--) {
        RemoteDot first;
        u64 n;
        int status = section_read_deleted(&j->r, &first, &n);
        Dot dot = local_dot(j->d, first);
        while (n != 0 && status == DONE) {
            u32 number, piece = runs_stretch(&j->s->runs, dot, (u32)n, &number);
            status = delete_numbers(j, number, piece);
            dot += piece;
            n -= piece;
        }
        if (status != DONE)
            return status;
    }
    for (u32 i = 0; i < j->d->n && j->deleted; i++) {
        const Sender *writer = &j->d->writers[i];
        if (writer->top > j->d->replicas->all[writer->local].seen) {
            int status = log_raise_horizon(&j->s->log, (u16)writer->local, writer->top);
            if (status != DONE)
                return status;
        }
    }
    return DONE;
}

int sequence_apply(Sequence *s, Decoder *d)
{
    Joining j = {.s = s, .d = d};
    j.map = j.few;
    int status = section_open(&j.r, d, ELEMENTS_MAX);
    if (status != DONE)
        return status;
    s->cursor.leaf = NOTHING;
    for (u64 left = read_varint(&d->in); left != 0 && status == DONE; left--) {
        WireRun run;
        status = section_read_run(&j.r, &run);
        if (status == DONE)
            status = join_run(&j, &run);
    }
    if (status == DONE) {
        u64 head = read_varint(&d->in);
        section_begin_deletions(&j.r);
        status = head & 1 ? join_whole(&j, head >> 1) : join_log(&j, head >> 1);
    }
    if (status == DONE && s->pile.n == 0)
        tidy(s);
    section_close(&j.r);
    if (j.map != j.few)
        block_free(j.map, j.capacity * sizeof(Mapping));
    return status;
}
