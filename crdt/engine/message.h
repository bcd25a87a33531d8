/* What whole messages have in common, whatever they carry. */
#ifndef CRDT_MESSAGE_H
#define CRDT_MESSAGE_H

#include "document.h"

enum { MAGIC = 0xc5, VERSION = 0x10, VERSION_MAJOR = 0x10, HEADER_BYTES = 6 };

/* The byte after the header. */
enum {
    FLAG_FULL = 1,            /* a full state in canonical order; 0: a delta */
    FLAG_ENTRIES = 2,         /* chosen entries, for repair.c */
    FLAG_ENTRIES_VERSION = 3, /* the same, and all that a holder of the same version lacks */
};

/* Room for the header, and filling it in when the message is complete. */
void sign_message(Writer *w);
/* Magic, version, checksum. */
int check_header(Reader *r);

/* The list of writers, into d->writers, which the caller frees. */
int read_writers(Decoder *d);

#endif
