/* What checking and joining a message of entries share. */
#ifndef CRDT_REPAIR_H
#define CRDT_REPAIR_H

#include "entries.h"

typedef struct {
    Document *doc;
    Decoder d;
    bool takes_version, is_ahead; /* the sender tells of events that we shall not have seen */
    u32 fields;                   /* that the message makes */
    u64 *held;                    /* by local index: what will be seen */
} Repair;

/* The container that a group of entries is about. */
typedef struct {
    Shape shape;
    const Container *here; /* NULL: not made yet */
    u64 path;
    bool removable;
} Place;

/* A row, or a presence. */
typedef struct {
    Item key, value;
    RemoteDot dot;
    u64 stamp;
} Incoming;

/* Check all of a message; `*groups_at` is where its groups begin. Changes nothing. */
int repair_check(Repair *r, size_t *groups_at);

/* Read the way to a container; with `make`, what is not there yet is made. */
int read_place(Repair *r, Place *at, bool make);
int read_row(Decoder *d, u8 columns, Incoming *row);
int read_slot(Decoder *d, Shape shape, bool removable, Slot *s, u64 *place);

#endif
