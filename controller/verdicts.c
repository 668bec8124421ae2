/* SPDX-License-Identifier: Apache-2.0 */
#include "verdicts.h"

#include "publish.h"

/* Between two requests to observe filters for the sake of verdicts: they may
 * not be observable. */
#define ASK_NS VDPAD_LOOK_NS

void
vdpad_verdicts_init(struct vdpad_verdicts *v, struct vdpad_store *store,
                    struct vdpad_vswitchd *vswitchd,
                    struct vdpad_history *history, bool dry_run)
{
    v->looks = vdpad_looks_new();
    v->effective = vdpad_effective_new(vswitchd, history);
    v->publisher = dry_run ? NULL : vdpad_publisher_new(store);
    v->history = history;
    v->asked_ns = INT64_MIN / 2;
}

void
vdpad_verdicts_done(struct vdpad_verdicts *v)
{
    vdpad_publisher_free(v->publisher);
    vdpad_effective_free(v->effective);
    vdpad_looks_free(v->looks);
}

static void
on_verdict(void *v_, const char *device, enum vdpad_verdict old,
           enum vdpad_verdict new_, const char *reason)
{
    struct vdpad_verdicts *v = v_;

    /* That is an event of the device's state. */
    if (old == VDPAD_VERDICT_BLOCKED || new_ == VDPAD_VERDICT_BLOCKED) {
        return;
    }
    vdpad_history_add(v->history, device, "offload", "%s -> %s: %s",
                      vdpad_verdict_name(old), vdpad_verdict_name(new_),
                      reason);
}

void
vdpad_verdicts_look(struct vdpad_verdicts *v, const struct vdpad_world *world,
                    int64_t now_ns)
{
    vdpad_looks_take(v->looks, world, now_ns, on_verdict, v);
    if (v->publisher) {
        vdpad_publisher_run(v->publisher, world, v->looks, now_ns);
    }
}

static int64_t
next_ask_ns(const struct vdpad_verdicts *v)
{
    int64_t next = vdpad_looks_next_ns(v->looks);

    return next > v->asked_ns + ASK_NS ? next : v->asked_ns + ASK_NS;
}

unsigned int
vdpad_verdicts_run(struct vdpad_verdicts *v, const struct vdpad_world *world,
                   int64_t now_ns)
{
    vdpad_effective_run(v->effective, world->db, now_ns);
    if (v->publisher && vdpad_publisher_next_ns(v->publisher) <= now_ns) {
        vdpad_publisher_run(v->publisher, world, v->looks, now_ns);
    }
    if (next_ask_ns(v) > now_ns) {
        return 0;
    }
    v->asked_ns = now_ns;
    /* An observation that is under way must not be begun anew: it may take
     * longer than the time between two. */
    return world->observed->class_[VDPAD_FLOW].fresh ? 1u << VDPAD_FLOW : 0;
}

int64_t
vdpad_verdicts_next_ns(const struct vdpad_verdicts *v)
{
    int64_t next = next_ask_ns(v);

    if (v->publisher && vdpad_publisher_next_ns(v->publisher) < next) {
        next = vdpad_publisher_next_ns(v->publisher);
    }
    if (vdpad_effective_next_ns(v->effective) < next) {
        next = vdpad_effective_next_ns(v->effective);
    }
    return next;
}
