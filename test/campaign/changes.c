/* SPDX-License-Identifier: Apache-2.0 */
/* What has changed since a device was seen ready, VF by VF: what has not may
 * not be taken away. */
#include "campaign.h"

#include <string.h>

#include "test/fake/fake-private.h"

/* In the worst case the audit, each 60 s, is the first to see a change. */
#define AUDIT_LAG_NS (75 * SEC)

/* From a change of the database until the daemon knows it: the connection may
 * be lost at that moment. */
#define FORCE_LAG_NS (35 * SEC)

void
changed_vf(struct campaign *c, int pf, int vf)
{
    c->vfs[pf][vf].is_ready = c->is_pf_ready[pf] = false;
    c->vfs[pf][vf].changed_ns = c->now_ns;
    tries_forget(c);
}

void
changed_pf(struct campaign *c, int pf)
{
    for (int j = 0; j < N_VFS; j++) {
        changed_vf(c, pf, j);
    }
}

void
changed_all(struct campaign *c)
{
    for (int i = 0; i < N_PFS; i++) {
        changed_pf(c, i);
    }
}

static bool
is_netdev(const struct campaign *c, int32_t slot, const char *name)
{
    return slot >= 0 && !strcmp(c->sim->netdevs[slot].link.name, name);
}

void
changed_object(struct campaign *c, const char *object)
{
    const struct sim_vdpa *v = sim_find_vdpa(c->sim, object);
    const char *name = v ? v->dev : object;
    bool found = v != NULL;

    for (int i = 0; i < N_PFS; i++) {
        const struct sim_pf *pf = &c->sim->pfs[i];

        if (!pf->used) {
            continue;
        }
        if (!strcmp(pf->bdf, name) || is_netdev(c, pf->uplink, name)) {
            changed_pf(c, i);
            return;
        }
        for (int j = 0; j < N_VFS; j++) {
            const struct sim_vf *vf = &pf->vfs[j];

            if (!strcmp(vf->bdf, name) || strstr(name, vf->bdf)
                || is_netdev(c, vf->rep, name)) {
                changed_vf(c, i, j);
                found = true;
            }
        }
    }
    if (!found) {
        changed_all(c); /* A module, or what is there no more. */
    }
}

void
changed_wishes(struct campaign *c)
{
    for (int i = 0; i < N_PFS; i++) {
        for (int j = 0; j < N_VFS; j++) {
            struct vf_truth *t = &c->vfs[i][j];
            char text[sizeof t->wish];

            wish_text(c, i, j, text, sizeof text);
            if (strcmp(text, t->wish) != 0) {
                memcpy(t->wish, text, sizeof text);
                changed_vf(c, i, j);
            }
        }
    }
}

void
changes_note_suspended(struct campaign *c)
{
    const char *value = fdb_get(&c->db->external_ids, VDPAD_KEY_SUSPENDED);

    if (strcmp(value ? value : "", c->suspended) != 0) {
        (void) snprintf(c->suspended, sizeof c->suspended, "%s",
                        value ? value : "");
        c->intent_version = c->db->version;
        tries_forget(c);
        changed_wishes(c);
    }
    for (unsigned int i = 0; i < N_POLICIES; i++) {
        if (wish_is_suspended(c->suspended, i)) {
            c->suspended_ns[i] = c->now_ns;
        }
    }
}

bool
changes_is_forced(const struct campaign *c, const char *name)
{
    unsigned int i;

    return name && sscanf(name, "p%u", &i) == 1 && i < N_POLICIES
           && (c->is_forced[i] || c->is_forced[N_POLICIES])
           && c->now_ns - c->suspended_ns[i] < FORCE_LAG_NS;
}

void
changes_note_lag(struct campaign *c)
{
    const struct fake_knobs *knobs = fake_kernel_knobs(c->fake);
    int64_t lag = 2 * SEC;

    for (int i = 0; i < VDPAD_N_CLASSES; i++) {
        lag = knobs->observe_delay_ns[i] > lag ? knobs->observe_delay_ns[i]
                                               : lag;
    }
    if (knobs->event_delay_ns > MS) {
        lag = lag > 5 * SEC ? lag : 5 * SEC;
    }
    if (knobs->drop_events) {
        lag = AUDIT_LAG_NS;
    }
    /* What was late comes within that time. */
    if (lag >= c->lag_ns || c->now_ns - c->worst_ns > c->lag_ns) {
        c->lag_ns = lag;
        c->worst_ns = c->now_ns;
    }
}
