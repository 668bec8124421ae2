/* SPDX-License-Identifier: Apache-2.0 */
#include "publish.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <vdpad/log.h>

#include "consumer.h"
#include "util.h"

/* Another transaction is under way: until it has ended. */
#define BUSY_NS (VDPAD_LOOK_NS / 10)

struct vdpad_publisher {
    struct vdpad_store *store;
    bool in_flight;
    int64_t since_ns; /* When a difference was first seen; 0: none. */
    int64_t stray_ns; /* Likewise a key where none belongs. */
    int64_t next_ns;  /* Not before. */
    int64_t wake_ns;
    bool failed; /* The last transaction. */
};

/* What is to be written. */
struct batch {
    struct vdpad_dbop *ops;
    size_t n, allocated;
};

struct vdpad_publisher *
vdpad_publisher_new(struct vdpad_store *store)
{
    struct vdpad_publisher *p = vdpad_xcalloc(1, sizeof *p);

    p->store = store;
    p->wake_ns = INT64_MAX;
    return p;
}

void
vdpad_publisher_free(struct vdpad_publisher *p)
{
    free(p);
}

static void
on_committed(void *p_, int error, const struct vdpad_error *why)
{
    struct vdpad_publisher *p = p_;

    p->in_flight = false;
    /* Rows that have gone meanwhile, or a change at the same moment, are
     * nothing to talk about. */
    if (error && error != -EAGAIN && error != -ENOENT && !p->failed) {
        vdpad_log(VDPAD_LOG_WARN,
                  "verdicts cannot be written into the database: %s",
                  why->text);
    }
    p->failed = error && error != -EAGAIN && error != -ENOENT;
}

static void
add(struct batch *batch, const struct vdpad_db_iface *iface, const char *value)
{
    batch->ops = vdpad_grow(batch->ops, batch->n, &batch->allocated,
                            sizeof *batch->ops);
    batch->ops[batch->n++] = (struct vdpad_dbop){
        .kind = VDPAD_DBOP_IFACE_EXTERNAL_ID,
        .port = iface->name,
        .uuid = iface->uuid,
        .key = VDPAD_OFFLOAD_KEY,
        .value = value,
        .tag = -1,
    };
}

/* Whether it is certain which representors there are. */
static bool
is_certain(const struct vdpad_observed *o)
{
    static const enum vdpad_class classes[] = { VDPAD_PCI, VDPAD_LINK,
                                                VDPAD_DLPORT };

    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
        if (!o->class_[classes[i]].fresh) {
            return false;
        }
    }
    return true;
}

/* Adds what verdicts want, and notes in 'tracked' the Interfaces that are
 * representors. */
static void
add_verdicts(struct batch *batch, const struct vdpad_world *world,
             const struct vdpad_looks *looks, bool *tracked)
{
    for (size_t i = 0; i < world->n_devs; i++) {
        const struct vdpad_dev *dev = &world->devs[i];
        const struct vdpad_db_iface *iface = dev->iface;
        struct vdpad_offload offload;
        const char *name;

        if (!iface) {
            continue;
        }
        tracked[iface - world->db->ifaces] = true;
        vdpad_looks_get(looks, world, dev, &offload);
        name = vdpad_verdict_name(offload.verdict);
        if (offload.settled
            && !vdpad_streq(vdpad_map_get(&iface->external_ids,
                                          VDPAD_OFFLOAD_KEY),
                            name)) {
            add(batch, iface, name);
        }
    }
}

/* Adds the removal of keys where none belongs, if they are there long enough.
 * Where the netdev has gone the key stays: it is the proof that the port was a
 * representor, and so is dead. */
static void
add_strays(struct vdpad_publisher *p, struct batch *batch,
           const struct vdpad_world *world, const bool *tracked,
           int64_t now_ns)
{
    size_t n = batch->n;

    if (!is_certain(world->observed)) {
        return;
    }
    for (size_t i = 0; i < world->db->n_ifaces; i++) {
        const struct vdpad_db_iface *iface = &world->db->ifaces[i];

        if (!tracked[i]
            && vdpad_map_get(&iface->external_ids, VDPAD_OFFLOAD_KEY)
            && vdpad_iface_life(world, iface) == VDPAD_IFACE_ALIVE) {
            add(batch, iface, NULL);
        }
    }
    if (batch->n == n) {
        p->stray_ns = 0;
        return;
    }
    p->stray_ns = p->stray_ns ? p->stray_ns : now_ns;
    if (now_ns - p->stray_ns < VDPAD_PUBLISH_NS) {
        batch->n = n;
        p->wake_ns = p->stray_ns + VDPAD_PUBLISH_NS;
    }
}

static int64_t
later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static void
write_batch(struct vdpad_publisher *p, const struct batch *batch,
            int64_t now_ns)
{
    int64_t due;

    p->since_ns = p->since_ns ? p->since_ns : now_ns;
    due = later(p->since_ns + VDPAD_PUBLISH_GATHER_NS, p->next_ns);
    if (now_ns >= due) {
        int error = p->store->ops->commit(p->store, batch->ops, batch->n,
                                          on_committed, p);

        if (error == -EBUSY) {
            due = now_ns + BUSY_NS;
        } else {
            p->in_flight = !error;
            p->since_ns = 0;
            p->next_ns = now_ns + VDPAD_PUBLISH_NS;
            /* What comes of it is a change. */
            due = error ? p->next_ns : INT64_MAX;
        }
    }
    if (due < p->wake_ns) {
        p->wake_ns = due;
    }
}

void
vdpad_publisher_run(struct vdpad_publisher *p, const struct vdpad_world *world,
                    const struct vdpad_looks *looks, int64_t now_ns)
{
    struct batch batch = { .ops = NULL };
    bool *tracked;

    p->wake_ns = INT64_MAX;
    if (p->in_flight || !world->db || !world->db_connected) {
        return;
    }
    tracked = vdpad_xcalloc(world->db->n_ifaces + 1, sizeof *tracked);
    add_verdicts(&batch, world, looks, tracked);
    add_strays(p, &batch, world, tracked, now_ns);
    if (batch.n) {
        write_batch(p, &batch, now_ns);
    } else {
        p->since_ns = 0;
    }
    free(batch.ops);
    free(tracked);
}

int64_t
vdpad_publisher_next_ns(const struct vdpad_publisher *p)
{
    return p->wake_ns;
}
