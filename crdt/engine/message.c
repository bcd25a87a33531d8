/* Whole messages: header, checksum, list of writers, the root's section.
 *
 *   magic 0xC5, version, checksum (4 bytes, little-endian), flags, shape, writers, growth, section
 *
 * The checksum is the low half of XXH64 over everything after itself, with the version as its seed.
 */
#include "growth.h"
#include "message.h"
#include "told.h"

#include <stdlib.h>

static u32 message_checksum(const u8 *p, size_t n)
{
    return (u32)checksum_of(p + HEADER_BYTES, n - HEADER_BYTES, p[1]);
}

void sign_message(Writer *w)
{
    u32 checksum = message_checksum(w->p, w->n);
    for (int i = 0; i < 4; i++)
        w->p[2 + i] = (u8)(checksum >> 8 * i);
}

/* ---- encode ------------------------------------------------------------------------------------------ */

static void write_writers(const Document *doc, Encoder *e)
{
    const Replicas *r = &doc->replicas;
    u32 n = 0;
    for (u32 i = 0; i < r->n; i++)
        n += r->all[i].seen != 0;
    write_number(&e->out, n);
    u16 place = 0;
    for (u32 rank = 0; rank < r->n; rank++) {
        u16 index = replicas_by_rank(r)[rank];
        const Replica *writer = &r->all[index];
        if (writer->seen == 0)
            continue;
        u64 base = e->since[index];
        e->place[index] = place++;
        write_string(&e->out, replica_id(r, index), writer->id_bytes);
        write_number(&e->out, base);
        write_number(&e->out, writer->seen - base);
    }
}

static bool has_everything(const Document *doc, const u64 *since)
{
    for (u32 i = 0; i < doc->replicas.n; i++)
        if (since[i] < doc->replicas.all[i].seen)
            return false;
    return true;
}

int document_encode(const Document *doc, const u64 *since, bool everything, Writer *out)
{
    if (!everything && has_everything(doc, since))
        return DONE;
    u16 few[WRITERS_FEW] = {0}, *place = few;
    if (doc->replicas.n > WRITERS_FEW)
        place = calloc(doc->replicas.n, sizeof(u16));
    if (place == NULL)
        return ERROR_MEMORY;
    Encoder e = {.out = *out, .replicas = &doc->replicas, .since = since, .place = place, .canonical = everything};
    for (u32 i = 0; i < doc->replicas.n; i++)
        e.lacks_whole |= since[i] < doc->replicas.all[i].whole;
    u8 header[HEADER_BYTES] = {MAGIC, VERSION};
    write_bytes(&e.out, header, HEADER_BYTES);
    u8 flags = growth_flags(doc, since, everything, &e.complete);
    e.tells_condemned = (flags & FLAG_CUT) && growth_condemned(doc->root, NULL);
    write_byte(&e.out, flags | (everything ? FLAG_FULL : 0) | (e.tells_condemned ? FLAG_CONDEMNED : 0));
    write_number(&e.out, doc->root->shape);
    write_writers(doc, &e);
    growth_write(doc, &e, flags, NULL);
    bool has_news;
    int status = section_encode(doc, &e, doc->root, everything, &has_news);
    if (place != few)
        free(place);
    if (e.out.failed)
        status = ERROR_MEMORY;
    if (status != DONE) {
        writer_free(&e.out);
        return status;
    }
    sign_message(&e.out);
    *out = e.out;
    return DONE;
}

/* ---- decode ------------------------------------------------------------------------------------------ */

int check_header(Reader *r)
{
    if (reader_left(r) < HEADER_BYTES + 2)
        return refuse(r, "shorter than any message");
    if (r->p[0] != MAGIC)
        return refuse(r, "not a message of this library");
    r->p++;
    if ((r->p[0] & 0xf0) != VERSION_MAJOR)
        return refuse(r, "of another major format version");
    r->p++;
    if (load32(r->p) != message_checksum(r->start, (size_t)(r->end - r->start)))
        return refuse(r, "the checksum does not hold: damaged or cut short");
    r->p += 4;
    return DONE;
}

static int read_writer(Decoder *d, Sender *s, u32 place)
{
    u64 n = read_number(&d->in);
    if (n == 0 || n > REPLICA_ID_BYTES_MAX)
        return refuse(&d->in, "a writer's name is empty or longer than 64 bytes");
    *s = (Sender){.id_bytes = (u8)n, .id = read_bytes(&d->in, n)};
    s->base = read_number(&d->in);
    u64 advance = read_number(&d->in);
    if (d->in.error != NULL)
        return ERROR_DECODE;
    /* Mostly both sides know the same writers, and so have them at the same places. A name that is known is UTF-8. */
    s->local = replicas_find_near(d->replicas, place, s->id, s->id_bytes);
    if (s->local < 0 && !utf8_is_valid(s->id, n))
        return refuse(&d->in, "a writer's name is not UTF-8");
    if (s->base > SEQUENCE_MAX || advance > SEQUENCE_MAX - s->base || s->base + advance == 0)
        return refuse(&d->in, "a writer's events are none or more than can be");
    if (d->is_full && s->base != 0)
        return refuse(&d->in, "a full state that builds on something");
    s->top = s->base + advance;
    if (place == 0)
        return DONE;
    const Sender *previous = s - 1;
    u8 shared = previous->id_bytes < n ? previous->id_bytes : (u8)n;
    int c = memcmp(previous->id, s->id, shared);
    if (c > 0 || (c == 0 && previous->id_bytes >= n))
        return refuse(&d->in, "the writers are not in order");
    return DONE;
}

int read_writers(Decoder *d)
{
    u64 n = read_count(&d->in, 4);
    if (n > REPLICAS_MAX)
        return refuse(&d->in, "more writers than can be");
    d->writers = d->lent != NULL && n <= WRITERS_FEW ? d->lent : malloc((n + 1) * sizeof(Sender));
    if (d->writers == NULL)
        return ERROR_MEMORY;
    for (; d->n < n; d->n++) {
        int status = read_writer(d, &d->writers[d->n], d->n);
        if (status != DONE)
            return status;
    }
    return d->in.error != NULL ? ERROR_DECODE : DONE;
}

static u64 held_of(const Document *doc, const Sender *s)
{
    return s->local < 0 ? 0 : doc->replicas.all[s->local].seen;
}

/* What to do with a well-formed message whose header was read. */
static Landing landing_of(const Document *doc, const Decoder *d)
{
    bool has_news = false;
    for (u32 i = 0; i < d->n; i++) {
        u64 held = held_of(doc, &d->writers[i]);
        if (d->writers[i].forgotten)
            continue;
        if (d->writers[i].base > held)
            return MESSAGE_BASE_MISSING;
        has_news |= d->writers[i].top > held;
    }
    if (!has_news)
        return MESSAGE_NO_NEWS;
    return d->flags & FLAGS_GROWTH || has_cut(&doc->replicas) ? growth_landing(doc, d) : MESSAGE_LANDED;
}

static bool is_of_rows(const Document *doc)
{
    Kind kind = container_kind(doc->root);
    return kind == GSET || kind == ORSET || kind == LWW_MAP;
}

/* A whole state where there is nothing yet, of a sequence, set or map alone, is read once: what turns out to be wrong
 * is emptied again. Not if it may turn out to come too early. */
static bool may_land_unchecked(const Document *doc, const Decoder *d, u64 latest_stamp)
{
    if (d->flags != FLAG_FULL || has_cut(&doc->replicas))
        return false;
    if (is_of_rows(doc)) {
        const Table *t = (const Table *)doc->root;
        return t->n == 0 && table_log(t) == NULL && (latest_stamp == UINT64_MAX || !(t->columns & HAS_STAMP));
    }
    Kind kind = container_kind(doc->root);
    return (kind == TEXT || kind == OP_LIST) && sequence_is_blank(((const SequenceNode *)doc->root)->sequence);
}

/* As if the message had never come. */
static void take_back(Document *doc, u32 replicas, Digest digest)
{
    if (is_of_rows(doc)) {
        sums_settle(doc); /* which forgets the marks of what goes now */
        table_empty((Table *)doc->root);
        doc->digest = digest;
    } else {
        Sequence *s = ((SequenceNode *)doc->root)->sequence;
        digest_subtract(&doc->digest, sequence_digest(s));
        sequence_empty(s);
    }
    replicas_truncate(&doc->replicas, replicas);
}

static int land(Document *doc, Decoder *d)
{
    u32 replicas = doc->replicas.n;
    for (u32 i = 0; i < d->n; i++) {
        if (d->writers[i].local >= 0)
            continue;
        d->writers[i].local = replicas_add(&doc->replicas, d->writers[i].id, d->writers[i].id_bytes);
        if (d->writers[i].local < 0) {
            int status = d->writers[i].local;
            replicas_truncate(&doc->replicas, replicas);
            return status;
        }
    }
    u64 few[WRITERS_FEW] = {0}, *tops = few;
    if (doc->replicas.n > WRITERS_FEW)
        tops = calloc(doc->replicas.n, sizeof(u64));
    if (tops == NULL || ((d->flags & FLAGS_GROWTH) && growth_reserve(&doc->replicas) != DONE)) {
        if (tops != few)
            free(tops);
        replicas_truncate(&doc->replicas, replicas);
        return ERROR_MEMORY;
    }
    for (u32 i = 0; i < d->n; i++) {
        if (d->writers[i].forgotten) /* its events are seen, though its name is not kept */
            doc->replicas.all[d->writers[i].local].seen = d->writers[i].top;
        else
            tops[d->writers[i].local] = d->writers[i].top;
    }
    if (has_cut(&doc->replicas))
        growth_tops(doc, d, tops);
    if (d->flags & FLAGS_GROWTH)
        growth_land(doc, d);
    d->replaces = doc->is_behind;
    if (d->unchecked)
        sums_settle(doc);
    Digest digest = doc->digest;
    int status = section_apply(doc, d, doc->root, tops);
    if (tops != few)
        free(tops);
    doc->is_behind = false;
    if (status == DONE && d->has_raised_cut)
        growth_sweep(doc);
    for (u32 i = 0; i < d->n; i++) {
        Replica *writer = &doc->replicas.all[d->writers[i].local];
        if (d->writers[i].forgotten) {
            writer->seen = 0;
        } else if (status == DONE) {
            if ((d->is_full || d->saw_whole) && writer->whole < d->writers[i].top)
                writer->whole = d->writers[i].top;
            seen_raise(doc, (u16)d->writers[i].local, d->writers[i].top);
        }
    }
    if (status != DONE && d->unchecked)
        take_back(doc, replicas, digest);
    if (status != DONE)
        return status;
    if (has_cut(&doc->replicas))
        growth_forget(doc, d);
    if (d->latest_stamp > doc->stamp)
        doc->stamp = d->latest_stamp;
    return DONE;
}

/* A keystroke in a text that is all of the document: landed at once, since its check is all there is to do. */
static bool land_keystroke(Document *doc, Decoder *d)
{
    if (shape_kind(doc->root->shape) != TEXT || d->flags != 0 || has_cut(&doc->replicas))
        return false;
    for (u32 i = 0; i < d->n; i++)
        if (d->writers[i].local < 0)
            return false;
    Sequence *s = ((SequenceNode *)doc->root)->sequence;
    Digest before = sequence_digest(s);
    if (!sequence_take_keystroke(s, d))
        return false;
    digest_subtract(&doc->digest, before);
    digest_add(&doc->digest, sequence_digest(s));
    for (u32 i = 0; i < d->n; i++)
        seen_raise(doc, (u16)d->writers[i].local, d->writers[i].top);
    return true;
}

/* Everything before the section. */
static int read_preamble(Decoder *d, u64 *shape)
{
    int status = check_header(&d->in);
    if (status != DONE)
        return status;
    u8 flags = read_byte(&d->in);
    if ((flags & ~(FLAG_FULL | FLAGS_GROWTH | FLAG_CONDEMNED)) || ((flags & FLAG_CONDEMNED) && !(flags & FLAG_CUT)))
        return refuse(&d->in, "unknown flags");
    d->tells_condemned = flags & FLAG_CONDEMNED;
    d->flags = flags;
    d->is_full = flags & FLAG_FULL;
    *shape = read_number(&d->in);
    status = read_writers(d);
    return status == DONE && (flags & FLAGS_GROWTH) ? growth_read(d, flags) : status;
}

static int check_message(Document *doc, Decoder *d, u64 latest_stamp, Landing *landing, size_t *section_at)
{
    u64 shape;
    int status = read_preamble(d, &shape);
    if (status != DONE)
        return status;
    if (shape != doc->root->shape)
        return refuse(&d->in, "of another type");
    *landing = landing_of(doc, d);
    *section_at = (size_t)(d->in.p - d->in.start);
    if (*landing != MESSAGE_LANDED && *landing != MESSAGE_NO_NEWS)
        return DONE; /* what it builds on is not here: it is checked when that comes, if ever */
    if (*landing == MESSAGE_LANDED && land_keystroke(doc, d)) {
        d->landed = true;
        return DONE;
    }
    d->unchecked = *landing == MESSAGE_LANDED && may_land_unchecked(doc, d, latest_stamp);
    if (d->unchecked)
        return DONE;
    status = section_check(doc, d, (Expected){.shape = doc->root->shape, .here = doc->root});
    if (status == DONE)
        status = told_check(d);
    if (status == DONE && d->in.error == NULL && reader_left(&d->in) != 0)
        return refuse(&d->in, "bytes are left over");
    return d->in.error != NULL ? ERROR_DECODE : status;
}

int document_merge(Document *doc, const u8 *bytes, size_t n, u64 latest_stamp, Landing *landing,
                   const char **error, size_t *offset, u64 *base)
{
    Sender few[WRITERS_FEW];
    Decoder d = {.in = {.p = bytes, .end = bytes + n, .start = bytes}, .replicas = &doc->replicas, .lent = few};
    d.may_be_gone = has_cut(&doc->replicas);
    size_t section_at = 0;
    int status = check_message(doc, &d, latest_stamp, landing, &section_at);
    if (status == DONE && *landing == MESSAGE_LANDED && !d.landed) {
        if (d.latest_stamp > latest_stamp) {
            *landing = MESSAGE_TOO_EARLY;
        } else {
            d.in.p = bytes + section_at;
            status = land(doc, &d);
        }
    }
    if (status == ERROR_DECODE) {
        *error = d.in.error;
        *offset = (size_t)(d.in.p - d.in.start);
    }
    *base = 0;
    for (u32 i = 0; i < d.n; i++)
        *base += d.writers[i].base;
    told_free(&d);
    if (d.writers != few)
        free(d.writers);
    return status;
}

int message_span(const u8 *bytes, size_t n, Sender **writers, u32 *count, const char **error, size_t *offset)
{
    Replicas none = {0};
    Decoder d = {.in = {.p = bytes, .end = bytes + n, .start = bytes}, .replicas = &none};
    u64 shape;
    int status = read_preamble(&d, &shape);
    if (status != DONE) {
        *error = d.in.error;
        *offset = (size_t)(d.in.p - d.in.start);
        free(d.writers);
        return status;
    }
    *writers = d.writers;
    *count = d.n;
    return DONE;
}
