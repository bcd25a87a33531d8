/* What whole messages have in common, whatever they carry. */
#ifndef CRDT_MESSAGE_H
#define CRDT_MESSAGE_H

#include "document.h"

enum { MAGIC = 0xc5, VERSION = 0x10, VERSION_MAJOR = 0x10, HEADER_BYTES = 6 };

/* Bits of the byte after the header. */
enum {
    FLAG_FULL = 1,     /* a full state in canonical order; without: a delta */
    FLAG_CUT = 2,      /* what was purged follows the writers (growth_wire.c) */
    FLAG_RETIRED = 4,  /* who has left follows them */
    FLAGS_GROWTH = FLAG_CUT | FLAG_RETIRED,
    FLAG_ENTRIES = 8,  /* chosen entries, for repair.c: neither full nor a delta */
    FLAG_CONDEMNED = 32, /* sections of sequences end with what is condemned */
    FLAG_VERSION = 16, /* and all that a holder of the same version lacks */
};

/* Room for the header, and filling it in when the message is complete. */
void sign_message(Writer *w);
/* Magic, version, checksum. */
int check_header(Reader *r);

/* The list of writers, into d->writers, which the caller frees. */
int read_writers(Decoder *d);

#endif
