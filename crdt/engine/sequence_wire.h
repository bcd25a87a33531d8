/* The section of a sequence as bytes; docs/explanation/wire-format.md, "Sequences", is its text.
 *
 * A section is a list of runs, then a list of deletions. Elements of the section are numbered in its
 * order; an origin or a target is one of those numbers, or the id of an element that the receiver
 * holds already (at or below its writer's base).
 */
#ifndef CRDT_SEQUENCE_WIRE_H
#define CRDT_SEQUENCE_WIRE_H

#include "codec.h"
#include "item.h"

/* The first byte of a run: origins | NEW_WRITER | GAP | life. */
enum {
    RUN_CONTINUES = 0,   /* held: left is the id before the run's first, right that one's right */
    RUN_AT_START = 1,    /* left is the start; + 0, 1, 2 for right: the end, in the section, held */
    RUN_LEFT_NEW = 4,    /* left is in the section; + a RightForm */
    RUN_LEFT_HELD = 9,   /* left is held; + a RightForm */
    RUN_ORIGINS_END = 14,
    RUN_ORIGINS = 15,
    RUN_NEW_WRITER = 16, /* its place follows; else the writer of the run before */
    RUN_GAP = 32,        /* the writer's sequence numbers skipped follow */
    RUN_LIFE = 64,       /* times a Life */
};

typedef enum { ONE_VISIBLE = 0, ALL_VISIBLE = 1, ALL_DELETED = 2, MIXED = 3 } Life;

/* The end; what follows left in the section or by id; left's own right; a number; an id. */
typedef enum { RIGHT_END = 0, RIGHT_NEXT = 1, RIGHT_SAME = 2, RIGHT_NEW = 3, RIGHT_HELD = 4 } RightForm;

/* The first byte of a logged deletion: DeletionKind | these. */
enum {
    DELETE_KIND = 3,
    DELETE_NEW_TARGET = 4,   /* the first element is in the section; else it is held */
    DELETE_NEW_WRITER = 8,   /* the place of the event's writer follows */
    DELETE_JUMP = 16,        /* how far the event is above the last one follows; else it is the next */
    DELETE_ONE = 32,         /* one element; else their number follows */
    DELETE_OTHER_WRITER = 64 /* the place of the writer of held elements follows */
};

/* Logged deletions may name elements more than once, because writers may delete the same ones; how
 * often is bounded, or a few bytes could make a receiver go through all of its elements again and
 * again. A sender with more than this to tell sends the set of deleted ids. */
enum { DELETIONS_PER_ELEMENT = 16 };

typedef enum { ORIGIN_NONE, ORIGIN_NEW, ORIGIN_HELD, ORIGIN_NEXT, ORIGIN_SAME } OriginForm;

typedef struct {
    OriginForm form;
    u64 number;     /* ORIGIN_NEW */
    RemoteDot held; /* ORIGIN_HELD */
} Origin;

typedef struct {
    u32 place; /* writer */
    u64 sequence;
    u64 n;
    Life life;
    u64 pieces;        /* of MIXED */
    bool starts_deleted;
    Reader lengths;    /* of the pieces */
    Origin left, right;
} WireRun;

typedef struct {
    u8 kind;
    RemoteDot event;
    u64 n;
    bool is_new;      /* the target is in the section */
    u64 number;       /* then its number, */
    RemoteDot target; /* else its id */
} WireDeletion;

/* The sequence number expected next of each writer that a section has named so far, by place or local
 * index; a message may have thousands of writers and thousands of sections that name few. */
typedef struct {
    u64 next;
    u32 writer;
} Expectation;

typedef struct {
    Expectation *all; /* by writer; `few` at first */
    Expectation few[4];
    u32 n, capacity, last;
} Expectations;

void expectations_open(Expectations *x);
void expectations_close(Expectations *x);

/* That of a writer, made with `first` if it is not there. NULL when out of memory. Good until the
 * next call. */
u64 *expectation_of(Expectations *x, u32 writer, u64 first);

/* What reading carries from one run or deletion to the next. */
typedef struct {
    Decoder *d;
    Expectations expected;
    u64 count;     /* elements of the section so far */
    u64 room;      /* elements there may be */
    u32 writer, target_writer;
    u64 target;    /* sequence number of the last held target of target_writer */
    u64 target_number;
    bool targeted;
} SectionReader;

void section_open(SectionReader *r, Decoder *d, u64 room);
void section_close(SectionReader *r);

/* Read what precedes a run's content, and check all that needs no sequence. */
int section_read_run(SectionReader *r, WireRun *run);

/* Forget the runs' numbering before the deletions. */
void section_begin_deletions(SectionReader *r);
int section_read_deletion(SectionReader *r, WireDeletion *deletion);

/* A stretch of deleted ids that the receiver holds, of the whole set of them. */
int section_read_deleted(SectionReader *r, RemoteDot *first, u64 *n);

/* The pieces of a run: lengths of visible and deleted stretches by turns. */
typedef struct {
    Reader lengths;
    u64 left, n; /* pieces, elements */
    bool deleted;
    bool mixed;
} PieceReader;

static inline PieceReader pieces_of(const WireRun *run)
{
    bool deleted = run->life == ALL_DELETED || (run->life == MIXED && run->starts_deleted);
    return (PieceReader){run->lengths, run->pieces, run->n, !deleted, run->life == MIXED};
}

/* The next piece's length, or 0 at the end; p->deleted says its kind. */
static inline u64 next_piece(PieceReader *p)
{
    p->deleted = !p->deleted;
    if (p->mixed)
        return p->left-- > 0 ? read_number(&p->lengths) + 1 : (p->left = 0);
    u64 n = p->n;
    p->n = 0;
    return n;
}

/* The bytes of the next n code points, checked to be UTF-8; NULL after refusing. */
const u8 *read_code_points(Reader *r, u64 n, size_t *bytes);

/* Decode one code point of checked UTF-8. */
static inline u32 next_code_point(const u8 **bytes)
{
    const u8 *p = *bytes;
    u32 a = p[0];
    if (a < 0x80) {
        *bytes = p + 1;
        return a;
    }
    if (a < 0xe0) {
        *bytes = p + 2;
        return (a & 0x1f) << 6 | (p[1] & 0x3fu);
    }
    if (a < 0xf0) {
        *bytes = p + 3;
        return (a & 0x0f) << 12 | (p[1] & 0x3fu) << 6 | (p[2] & 0x3fu);
    }
    *bytes = p + 4;
    return (a & 0x07) << 18 | (p[1] & 0x3fu) << 12 | (p[2] & 0x3fu) << 6 | (p[3] & 0x3fu);
}

static inline u8 *put_code_point(u8 *p, u32 unit)
{
    if (unit < 0x80) {
        *p++ = (u8)unit;
    } else if (unit < 0x800) {
        *p++ = (u8)(0xc0 | unit >> 6);
        *p++ = (u8)(0x80 | (unit & 0x3f));
    } else if (unit < 0x10000) {
        *p++ = (u8)(0xe0 | unit >> 12);
        *p++ = (u8)(0x80 | (unit >> 6 & 0x3f));
        *p++ = (u8)(0x80 | (unit & 0x3f));
    } else {
        *p++ = (u8)(0xf0 | unit >> 18);
        *p++ = (u8)(0x80 | (unit >> 12 & 0x3f));
        *p++ = (u8)(0x80 | (unit >> 6 & 0x3f));
        *p++ = (u8)(0x80 | (unit & 0x3f));
    }
    return p;
}

#endif
