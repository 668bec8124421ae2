/* SPDX-License-Identifier: Apache-2.0 */
/* The client of fake-db.h: its connection, its snapshot, and when what it
 * commits is done, late, refused or lost. */
#include "fake-store.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SEC INT64_C(1000000000)
#define COMMIT_TIMEOUT_NS (30 * SEC)

static struct fake_store *
cast(const struct vdpad_store *store)
{
    return (struct fake_store *) (uintptr_t) store;
}

static const struct vdpad_snapshot *
store_snapshot(struct vdpad_store *up)
{
    return cast(up)->snapshot;
}

static bool
store_is_connected(const struct vdpad_store *up)
{
    return cast(up)->is_connected;
}

static const char *
store_remote(const struct vdpad_store *up)
{
    (void) up;
    return "fake:";
}

static int
store_commit(struct vdpad_store *up, const struct vdpad_dbop *ops, size_t n,
             vdpad_committed_cb *cb, void *aux)
{
    struct fake_store *s = cast(up);
    struct vdpad_error ignored;

    if (!s->is_connected || !s->snapshot) {
        return -ENOTCONN;
    }
    if (s->committing) {
        return -EBUSY;
    }
    s->committing = true;
    s->is_lost = false;
    s->error = 0;
    memset(&s->why, 0, sizeof s->why);
    s->cb = cb;
    s->aux = aux;
    s->begun_ns = s->clock_ns();
    s->due_ns = s->begun_ns + s->knobs.commit_delay_ns;
    s->fate = s->knobs.fate;
    s->knobs.fate = FAKE_COMMIT_DONE;
    for (size_t i = 0; i < n; i++) {
        int error = fake_store_judge(s, &ops[i],
                                     s->error ? &ignored : &s->why);

        s->error = s->error ? s->error : error;
    }
    return 0;
}

static void
take_snapshot(struct fake_store *s)
{
    if (s->version != s->db->version || !s->snapshot) {
        fake_db_snapshot_free(s->snapshot);
        s->snapshot = fake_db_snapshot(s->db, ++s->serial);
        s->version = s->db->version;
    }
    s->seen_ns = 0;
}

static void
disconnect(struct fake_store *s)
{
    s->is_connected = false;
    s->is_lost = s->committing;
    s->connect_ns = s->clock_ns() + s->knobs.reconnect_ns;
    s->seen_ns = 0;
}

static void
end_commit(struct fake_store *s, int error, const struct vdpad_error *why)
{
    struct vdpad_error text = *why;

    s->committing = false;
    fake_store_clear_changes(s);
    if (s->cb) {
        s->cb(s->aux, error, &text);
    }
}

static void
run_commit(struct fake_store *s, int64_t now)
{
    struct vdpad_error why = { .code = 0 };
    int error = 0;

    if (s->is_connected && now < s->due_ns) {
        if (now - s->begun_ns >= COMMIT_TIMEOUT_NS) {
            disconnect(s);
        } else {
            return;
        }
    } else if (s->is_connected && s->fate == FAKE_COMMIT_REFUSED) {
        error = vdpad_error_set(&why, s->knobs.refusal, "refused: %s",
                                strerror(-s->knobs.refusal));
    } else if (s->is_connected && s->fate == FAKE_COMMIT_LOST_BEFORE) {
        disconnect(s);
    } else if (s->is_connected) {
        error = fake_store_do_changes(s, &why);
        if (s->fate == FAKE_COMMIT_LOST_AFTER) {
            disconnect(s);
        } else {
            take_snapshot(s);
        }
    }
    if (!s->is_connected || s->is_lost) {
        error = vdpad_error_set(&why, -EAGAIN, "the connection was lost");
    }
    end_commit(s, error ? error : s->error, error ? &why : &s->why);
}

static void
store_run(struct vdpad_store *up)
{
    struct fake_store *s = cast(up);
    int64_t now = s->clock_ns();

    if (s->is_connected && s->knobs.is_down) {
        disconnect(s);
    } else if (!s->is_connected && !s->knobs.is_down && now >= s->connect_ns) {
        s->is_connected = true;
        take_snapshot(s);
    }
    if (s->is_connected && s->version != s->db->version) {
        if (!s->seen_ns || s->seen_version != s->db->version) {
            s->seen_ns = s->seen_ns ? s->seen_ns : now;
            s->seen_version = s->db->version;
        }
        if (now - s->seen_ns >= s->knobs.update_delay_ns) {
            take_snapshot(s);
        }
    }
    if (s->committing) {
        run_commit(s, now);
    }
}

static void
store_wait(struct vdpad_store *up)
{
    (void) up;
}

int64_t
fake_store_next_ns(struct vdpad_store *up)
{
    const struct fake_store *s = cast(up);
    int64_t next = INT64_MAX;

    if (s->is_connected && s->knobs.is_down) {
        return INT64_MIN;
    }
    if (!s->is_connected) {
        return s->committing      ? INT64_MIN
               : s->knobs.is_down ? INT64_MAX
                                  : s->connect_ns;
    }
    if (s->version != s->db->version) {
        next = s->seen_ns ? s->seen_ns + s->knobs.update_delay_ns : INT64_MIN;
    }
    if (s->committing) {
        int64_t due = s->due_ns < s->begun_ns + COMMIT_TIMEOUT_NS
                          ? s->due_ns
                          : s->begun_ns + COMMIT_TIMEOUT_NS;

        next = due < next ? due : next;
    }
    return next;
}

uint64_t
fake_store_version(const struct vdpad_store *up)
{
    return cast(up)->version;
}

void
fake_store_deliver(struct vdpad_store *up)
{
    struct fake_store *s = cast(up);
    struct vdpad_error why;

    if (s->committing && s->is_connected) {
        (void) fake_store_do_changes(s, &why);
        s->committing = false;
        fake_store_clear_changes(s);
    }
}

static void
store_destroy(struct vdpad_store *up)
{
    struct fake_store *s = cast(up);

    fake_store_clear_changes(s);
    fake_db_snapshot_free(s->snapshot);
    free(s);
}

struct fake_store_knobs *
fake_store_knobs(struct vdpad_store *up)
{
    return &cast(up)->knobs;
}

struct vdpad_store *
fake_store_new(struct fake_db *db, int64_t (*clock_ns)(void))
{
    static const struct vdpad_store_ops ops = {
        .snapshot = store_snapshot,
        .commit = store_commit,
        .is_connected = store_is_connected,
        .remote = store_remote,
        .run = store_run,
        .wait = store_wait,
        .destroy = store_destroy,
    };
    struct fake_store *s = calloc(1, sizeof *s);

    assert(s);
    s->up.ops = &ops;
    s->db = db;
    s->clock_ns = clock_ns;
    return &s->up;
}
