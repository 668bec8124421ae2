/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of the client of fake-db.h, for fake-store.c and
 * fake-transaction.c alone. */
#ifndef TEST_FAKE_STORE_H
#define TEST_FAKE_STORE_H 1

#include "fake-db.h"

/* An operation that the client has found right. */
struct change {
    struct vdpad_dbop op;       /* Strings and arrays are owned. */
    char uuid[VDPAD_UUID_SIZE]; /* Of the row that it changes. */
    struct fdb_map port_ids;    /* PORT_ADD: those of the replaced row. */
};

struct fake_store {
    struct vdpad_store up;
    struct fake_db *db;
    int64_t (*clock_ns)(void);
    struct fake_store_knobs knobs;
    struct vdpad_snapshot *snapshot;
    uint64_t serial, version; /* Of the snapshot. */
    uint64_t seen_version;    /* Newest one that is on its way, … */
    int64_t seen_ns;          /* … since then; 0: none. */
    bool is_connected;
    int64_t connect_ns; /* Not before. */

    bool committing, is_lost;
    int64_t begun_ns, due_ns;
    enum fake_fate fate;
    size_t n_changes;
    struct change *changes;
    int error; /* Of the operations that were left out. */
    struct vdpad_error why;
    vdpad_committed_cb *cb;
    void *aux;
};

/* Adds what 'op' changes to the transaction, if it is right by the client's
 * snapshot and changes something there.  Returns 0 or a negative errno with
 * 'why'. */
int fake_store_judge(struct fake_store *s, const struct vdpad_dbop *op,
                     struct vdpad_error *why);

/* The server does the whole transaction or nothing.  Returns 0 or the
 * server's error. */
int fake_store_do_changes(struct fake_store *s, struct vdpad_error *why);

/* Ends the transaction. */
void fake_store_clear_changes(struct fake_store *s);

#endif
