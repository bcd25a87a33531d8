/* Joining a checked section. Elements and deletions that are held already are stepped over, so a
 * section may be joined twice, or after one that overlaps it. */
#include "sequence_apply.h"
#include "sequence_purge.h"

enum { UNITS_AT_ONCE = 512, CELLS_AT_ONCE = 64 };

static int map_stretch(Joining *j, u32 section, u32 local)
{
    if (j->n != 0) {
        Mapping last = j->map[j->n - 1];
        bool is_gone = last.local == NOTHING || local == NOTHING;
        if (is_gone ? last.local == local : last.local - last.section == local - section)
            return DONE;
    }
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

static u32 resolve(const Joining *j, const Origin *origin, u32 left)
{
    switch (origin->form) {
    case ORIGIN_NEW:
        return mapped(j, origin->number);
    case ORIGIN_HELD:
        return runs_number(&j->s->runs, local_dot(j->d, origin->held));
    case ORIGIN_SAME:
        if (left == NOTHING)
            return NOTHING; /* only of bytes that no sender makes */
        return j->s->runs.all[runs_find_near(&j->s->runs, left, j->s->run)].right;
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

/* ---- elements ---------------------------------------------------------------------------- */

u32 count_ascii(const u8 *p, u32 n)
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
    size_t bytes;
    Reader ahead = *in;
    if (j->d->unchecked && read_code_points(&ahead, n, &bytes) == NULL) {
        *in = ahead;
        return ERROR_DECODE;
    }
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
        int status = DONE;
        for (u32 i = 0; i < piece && status == DONE; i++) {
            status = read_value(&j->d->in, &items[i]);
            payload += status == DONE ? value_arena_bytes(&items[i]) : 0;
        }
        if (status == DONE)
            status = arena_reserve(&j->s->arena, payload);
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

/* How many of the ids from `first` on, up to n, are held, or have been and are taken out (*number is NOTHING);
 * 0 if they are new. */
static u64 known_part(const Joining *j, Dot first, u64 gone, u64 n, u32 *number)
{
    u32 held = runs_stretch(&j->s->runs, first, runs_limit(n), number);
    if (held != 0)
        return held;
    *number = NOTHING;
    u64 sequence = dot_sequence(first);
    if (sequence > gone)
        return 0;
    u64 end = gone + 1 - sequence < n ? gone + 1 - sequence : n;
    return runs_next(&j->s->runs, first, first + end) - first;
}

/* Ids that are known: step over their content, delete those the sender has deleted. */
static int join_known(Joining *j, u32 number, u64 section, u64 n, bool deleted)
{
    if (!deleted)
        skip_content(j, n);
    int status = map_stretch(j, (u32)section, number);
    return status == DONE && deleted && number != NOTHING ? delete_numbers(j, number, (u32)n) : status;
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
    if (left != NOTHING)
        s->run = runs_find_near(&s->runs, left, s->run);
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
    u64 section = j->r.count - run->n, gone = gone_of(j, run->place);
    Growth growth = {0};
    u32 count = s->tree.count;
    Digest before = s->digest;
    PieceReader pieces = pieces_of(run);
    int status = DONE;
    u64 done = 0;
    for (u64 n; status == DONE && (n = next_piece(&pieces)) != 0; done += n) {
        u64 held = 0;
        u32 number;
        for (u64 part; !growth.begun && held < n && status == DONE; held += part) {
            part = known_part(j, dot + done + held, gone, n - held, &number);
            if (part == 0)
                break;
            status = join_known(j, number, section + done + held, part, pieces.deleted);
        }
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
    idle_meet(s, growth.left, growth.right);
    begin_typing(s, growth.first + growth.n, &growth.at, NOTHING);
    j->d->changed = true;
    return DONE;
}

static int join_runs(Joining *j, u64 runs)
{
    Sequence *s = j->s;
    const u8 *start = j->d->in.p;
    int status = BUILD_REFUSED;
    if (s->tree.count == 0 && runs >= BUILD_RUNS_MIN)
        status = sequence_build(j, runs);
    if (status == DONE) {
        j->d->changed = true;
        s->typing.next = 0;
        return map_stretch(j, 0, 0);
    }
    if (status != BUILD_REFUSED)
        return status;
    j->d->in.p = start;
    section_close(&j->r);
    section_open(&j->r, j->d, ELEMENTS_MAX);
    for (status = DONE; runs != 0 && status == DONE; runs--) {
        WireRun run;
        status = section_read_run(&j->r, &run);
        if (status == DONE)
            status = join_run(j, &run);
    }
    return status;
}

int sequence_apply(Sequence *s, Decoder *d)
{
    Joining j = {.s = s, .d = d, .afresh = d->replaces};
    j.map = j.few;
    section_open(&j.r, d, ELEMENTS_MAX);
    s->cursor.leaf = NOTHING;
    if (d->replaces)
        sequence_empty(s);
    int status = join_runs(&j, read_count(&d->in, 1));
    if (status == DONE && d->unchecked) {
        Reader deletions = d->in;
        status = check_deletions(NULL, &j.r);
        if (status == DONE && reader_left(&d->in) != 0)
            status = refuse(&d->in, "bytes are left over");
        if (status == DONE)
            d->in = deletions;
    }
    if (status == DONE) {
        u64 head = read_number(&d->in);
        section_begin_deletions(&j.r);
        status = head & 1 ? join_deleted(&j, head >> 1) : join_deletions(&j, head >> 1);
    }
    if (status == DONE && d->tells_condemned)
        status = join_condemned(&j);
    if (status == DONE && s->pile.n == 0)
        sequence_tidy(s);
    section_close(&j.r);
    if (j.map != j.few)
        block_free(j.map, j.capacity * sizeof(Mapping));
    return status;
}
