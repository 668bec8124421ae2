/* SPDX-License-Identifier: Apache-2.0 */
/* A real ovsdb-server with an Open_vSwitch database in a directory of its
 * own, without ovs-vswitchd.  Whatever goes wrong here ends the program with
 * a message: no test can go on without its database. */
#ifndef TEST_OVSDB_FIXTURE_H
#define TEST_OVSDB_FIXTURE_H 1

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct ovsdb_fixture {
    char dir[64];      /* Removed by ovsdb_fixture_done(). */
    char remote[96];   /* "unix:DIR/db.sock". */
    pid_t pid;         /* 0: not running. */
    char options[512]; /* More of them, for the next start. */
};

/* Whether the programs that this needs are there. */
bool ovsdb_fixture_is_possible(void);

/* Makes the directory and a database without rows, and starts the server. */
void ovsdb_fixture_init(struct ovsdb_fixture *);
void ovsdb_fixture_done(struct ovsdb_fixture *);

/* Starts the server, stops it (returns when it has ended), puts a new database
 * without rows in the place of the old one. */
void ovsdb_fixture_start(struct ovsdb_fixture *);
void ovsdb_fixture_stop(struct ovsdb_fixture *);
void ovsdb_fixture_renew(struct ovsdb_fixture *);

/* Has the running server listen on 'method' ("ptcp" or "pssl") too and
 * returns the port of 127.0.0.1 that it took. */
int ovsdb_fixture_listen(struct ovsdb_fixture *, const char *method);

/* Runs "ovs-vsctl ARGUMENTS", which must succeed, and returns what it printed
 * without the last line's end: borrowed until the next call. */
const char *ovsdb_fixture_vsctl(const struct ovsdb_fixture *,
                                const char *arguments, ...)
    __attribute__((format(printf, 2, 3)));

/* Runs 'command' by the shell, with $VSCTL and $DIR set, in the background.
 * ovsdb_fixture_join() waits for it and returns whether it succeeded. */
pid_t ovsdb_fixture_spawn(const struct ovsdb_fixture *, const char *command);
bool ovsdb_fixture_join(pid_t pid);

#endif
