/* SPDX-License-Identifier: Apache-2.0 */
/* An Open_vSwitch database in memory, and a client of it that implements
 * <vdpad/store.h> as the one over the real ovsdb-server does: what it answers
 * is compared with that one by test/unit/test-fake-store.c.
 *
 * The database outlives its clients, as a server does; it has one Interface
 * per Port.  All that others do to it are functions of the database, all that
 * can go wrong between client and server are knobs of the client. */
#ifndef TEST_FAKE_DB_H
#define TEST_FAKE_DB_H 1

#include <vdpad/store.h>

/* A map column, sorted by key; all strings are owned. */
struct fdb_kv {
    char *key, *value;
};
struct fdb_map {
    size_t n;
    struct fdb_kv *kv;
};

/* A Port and its Interface. */
struct fdb_port {
    char uuid[VDPAD_UUID_SIZE], iface_uuid[VDPAD_UUID_SIZE];
    char *name, *bridge;
    char *type;  /* Of the Interface. */
    char *error; /* Likewise; "": none. */
    int64_t ofport;
    int64_t tag; /* -1: none. */
    size_t n_trunks;
    int64_t *trunks;
    int64_t mtu_request;
    struct fdb_map port_ids, iface_ids; /* external_ids. */
    uint64_t ids_version; /* Of the database when these last changed. */
};

struct fdb_bridge {
    char uuid[VDPAD_UUID_SIZE];
    char *name;
};

struct fake_db {
    uint64_t version; /* Changes with every transaction. */
    uint64_t last_uuid;
    bool has_row;
    char uuid[VDPAD_UUID_SIZE]; /* Of the Open_vSwitch row. */
    struct fdb_map external_ids, other_config;
    size_t n_bridges, n_ports;
    struct fdb_bridge *bridges;
    struct fdb_port *ports;
};

/* A database with an Open_vSwitch row and nothing else. */
struct fake_db *fake_db_new(void);
void fake_db_free(struct fake_db *);

/* As if the file had been lost: another row, no bridges, no keys. */
void fake_db_renew(struct fake_db *);

/* What others write.  A NULL value deletes the key.  Those that name what is
 * not there, or add what is, do nothing. */
void fake_db_set_key(struct fake_db *, const char *key, const char *value);
void fake_db_set_other(struct fake_db *, const char *key, const char *value);
void fake_db_add_bridge(struct fake_db *, const char *name);
struct fdb_port *fake_db_add_port(struct fake_db *, const char *bridge,
                                  const char *name);
void fake_db_del_port(struct fake_db *, const char *name);
void fake_db_set_iface_key(struct fake_db *, const char *name, const char *key,
                           const char *value);
/* What ovs-vswitchd makes of an Interface. */
void fake_db_set_ofport(struct fake_db *, const char *name, int64_t ofport,
                        const char *error);

struct fdb_port *fake_db_find_port(struct fake_db *, const char *name);
const struct fdb_bridge *fake_db_find_bridge(const struct fake_db *,
                                             const char *name);

/* NULL: no such key. */
const char *fdb_get(const struct fdb_map *, const char *key);

/* The client. */
enum fake_fate {
    FAKE_COMMIT_DONE,
    FAKE_COMMIT_REFUSED,     /* By the server: nothing is done. */
    FAKE_COMMIT_LOST_BEFORE, /* The connection goes before it is done, … */
    FAKE_COMMIT_LOST_AFTER,  /* … or after: its answer is lost. */
};

struct fake_store_knobs {
    int64_t update_delay_ns; /* From a change until the client has it. */
    int64_t commit_delay_ns; /* From commit() until the server does it; from
                              * 30 s on the connection is given up. */
    int64_t reconnect_ns;    /* After a loss. */
    enum fake_fate fate;     /* Of the next commit; then DONE again. */
    int refusal;             /* With REFUSED: its errno. */
    bool is_down;            /* The server is not there. */
};

/* A client of 'db', which must outlive it. */
struct vdpad_store *fake_store_new(struct fake_db *db,
                                   int64_t (*clock_ns)(void));
struct fake_store_knobs *fake_store_knobs(struct vdpad_store *);

/* The version of the database that the client's snapshot is of. */
uint64_t fake_store_version(const struct vdpad_store *);

/* When run() has something to do; INT64_MAX: never; in the past: now. */
int64_t fake_store_next_ns(struct vdpad_store *);

/* The server does what is under way, and nobody hears of it: the client is
 * about to die. */
void fake_store_deliver(struct vdpad_store *);

/* For the client's own files: a snapshot of 'db', and its end. */
struct vdpad_snapshot *fake_db_snapshot(const struct fake_db *,
                                        uint64_t serial);
void fake_db_snapshot_free(struct vdpad_snapshot *);
void fdb_set(struct fdb_map *, const char *key, const char *value);
void fdb_clear(struct fdb_map *);

#endif
