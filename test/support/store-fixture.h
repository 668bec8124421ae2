/* SPDX-License-Identifier: Apache-2.0 */
/* A store over an ovsdb-server of its own, and how to wait for it. */
#ifndef TEST_STORE_FIXTURE_H
#define TEST_STORE_FIXTURE_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vdpad/store.h>

#include "ovsdb-fixture.h"

extern struct ovsdb_fixture store_server;
extern struct vdpad_store *the_store;

/* For cmocka: a server with an Open_vSwitch row, and a store that has not run
 * yet. */
int store_setup(void **state);
int store_teardown(void **state);

/* CLOCK_MONOTONIC in milliseconds. */
long long store_now_ms(void);

/* Runs the store until 'is_met', which is first asked after a run(), and
 * returns the snapshot it was asked with.  Fails after a minute. */
typedef bool store_condition(const struct vdpad_snapshot *, const void *aux);
const struct vdpad_snapshot *store_until(store_condition *is_met,
                                         const void *aux);
bool store_has_snapshot(const struct vdpad_snapshot *, const void *aux);

/* Returns a snapshot that has all that was written by now. */
const struct vdpad_snapshot *store_sync(void);

/* What came of a commit(); 'store_on_committed' fills it. */
struct store_result {
    bool done;
    int error;
    struct vdpad_error why;
    uint64_t serial; /* Of the snapshot at that time. */
};
void store_on_committed(void *result, int error, const struct vdpad_error *);
bool store_is_done(const struct vdpad_snapshot *, const void *result);

/* Commits 'ops' and waits for the end.  Returns its error. */
int store_commit(const struct vdpad_dbop *ops, size_t n,
                 struct store_result *result);
#define STORE_COMMIT(RESULT, ...)                           \
    store_commit((struct vdpad_dbop[]){ __VA_ARGS__ },      \
                 sizeof(struct vdpad_dbop[]){ __VA_ARGS__ } \
                     / sizeof(struct vdpad_dbop),           \
                 RESULT)
#define STORE_OP(KIND, ...)                               \
    {                                                     \
        .kind = VDPAD_DBOP_##KIND, .tag = -1, __VA_ARGS__ \
    }

/* Checks what "ovs-vsctl ARGUMENTS" prints. */
void store_assert_vsctl(const char *expected, const char *arguments);

/* Rows that must be there, and whether one is. */
const struct vdpad_db_port *store_find_port(const struct vdpad_snapshot *,
                                            const char *name);
const struct vdpad_db_iface *store_find_iface(const struct vdpad_snapshot *,
                                              const char *name);
bool store_has_port(const struct vdpad_snapshot *, const char *name);

#endif
