/* SPDX-License-Identifier: Apache-2.0 */
/* What goes wrong in the kernel and the hardware: steps, observations, events,
 * PFs and netdevs that come and go. */
#include "faults.h"

#include <errno.h>
#include <string.h>

/* Steps and observations. */

void
fault_fail_step(struct campaign *c, struct rng *r)
{
    static const int errors[] = { -EBUSY,  -EINVAL,    -ENOMEM, -EAGAIN,
                                  -ESTALE, -EIO,       -ENODEV, -EPERM,
                                  -EEXIST, -EOPNOTSUPP };
    int32_t kind = (int32_t) any(r, VDPAD_ACT_N);
    enum fake_fault fault = chance(r, 60)   ? FAKE_FAIL
                            : chance(r, 60) ? FAKE_DELAY
                                            : FAKE_LOSE;
    unsigned int nth = 1 + any(r, 3);
    unsigned int times = chance(r, 70) ? 1 : 1 + any(r, 5);
    int error = errors[any(r, SIZEOF(errors))];
    int64_t delay = chance(r, 70) ? any(r, 5000) * MS : any(r, 60000) * MS;

    if (c->fake) {
        (void) fake_kernel_fault(c->fake, fault, kind, NULL, nth, times, error,
                                 "as scheduled", delay);
        campaign_trace(c, "  fault %d of %s", fault,
                       vdpad_act_name((enum vdpad_act_kind) kind));
    }
}

/* Some steps stay in the kernel for longer than anybody waits for them, and
 * come back one after the other. */
void
fault_hang(struct campaign *c, struct rng *r)
{
    static const int32_t kinds[] = { VDPAD_ACT_VDPA_ADD, VDPAD_ACT_VDPA_ADD,
                                     VDPAD_ACT_VDPA_DEL, VDPAD_ACT_VDPA_BIND,
                                     VDPAD_ACT_VF_PROBE };
    uint32_t n = 2 + any(r, 3);

    for (uint32_t i = 0; c->fake && i < n; i++) {
        int32_t kind = kinds[any(r, SIZEOF(kinds))];

        (void) fake_kernel_fault(c->fake, FAKE_DELAY, kind, NULL,
                                 1 + any(r, 2), 1, 0, "",
                                 (31 + any(r, 60)) * SEC);
        campaign_trace(c, "  %s hangs",
                       vdpad_act_name((enum vdpad_act_kind) kind));
    }
    /* And those that are tried meanwhile are not done at once. */
    if (c->fake && chance(r, 50)) {
        fake_kernel_knobs(c->fake)->step_delay_ns[VDPAD_ACT_VDPA_ADD] =
            any(r, 20000) * MS;
    }
}

void
fault_fail_observe(struct campaign *c, struct rng *r)
{
    static const int errors[] = { -EAGAIN, -EAGAIN, -ETIMEDOUT, -EIO,
                                  -ENOMEM };
    enum vdpad_class class_ = (enum vdpad_class) any(r, VDPAD_N_CLASSES);
    int error = errors[any(r, SIZEOF(errors))];
    unsigned int times = 1 + any(r, chance(r, 80) ? 3 : 12);

    if (c->fake) {
        fake_kernel_fail_observe(c->fake, class_, error, times);
    }
}

void
fault_slow_down(struct campaign *c, struct rng *r)
{
    int32_t n = 1 + (int32_t) any(r, 4);

    for (int32_t i = 0; c->fake && i < n; i++) {
        struct fake_knobs *knobs = fake_kernel_knobs(c->fake);
        bool step = chance(r, 50);
        uint32_t class_ = any(r, VDPAD_N_CLASSES);
        uint32_t kind = any(r, VDPAD_ACT_N);
        int64_t ns = (chance(r, 85) ? any(r, 800) : any(r, 15000)) * MS;

        if (step) {
            knobs->step_delay_ns[kind] = ns;
        } else {
            knobs->observe_delay_ns[class_] = ns;
        }
    }
}

void
fault_speed_up(struct campaign *c, struct rng *r)
{
    (void) r;
    if (c->fake) {
        struct fake_knobs *knobs = fake_kernel_knobs(c->fake);

        memset(knobs->observe_delay_ns, 0, sizeof knobs->observe_delay_ns);
        memset(knobs->step_delay_ns, 0, sizeof knobs->step_delay_ns);
    }
}

/* Events. */

void
fault_disturb_events(struct campaign *c, struct rng *r)
{
    uint32_t what = any(r, 5);
    uint32_t n = any(r, 2000);

    if (!c->fake) {
        return;
    }

    struct fake_knobs *knobs = fake_kernel_knobs(c->fake);

    switch (what) {
    case 0:
        fake_kernel_lose_events(c->fake);
        break;
    case 1:
        /* Without a word: only the audit finds out. */
        knobs->drop_events = 1 + n % 3;
        break;
    case 2:
        knobs->event_delay_ns = n * MS;
        break;
    case 3:
        knobs->repeat_delay_ns = n * MS;
        break;
    default:
        knobs->is_reversed = !knobs->is_reversed;
        break;
    }
}

/* Hardware life. */

/* VFs of others come back, their devices do not. */
static bool
has_foreign_vdpa(struct campaign *c, const struct sim_pf *pf)
{
    bool any = false;

    for (int i = 0; i < pf->totalvfs; i++) {
        const struct sim_vdpa *v = host_vdpa_of(c, pf->vfs[i].bdf);

        any |= v && v->foreign_ns;
    }
    return any;
}

void
fault_reset_pf(struct campaign *c, struct rng *r)
{
    struct sim_pf *pf = any_pf(c, r);
    int64_t ns = (500 + any(r, 20000)) * MS;

    if (pf && !has_foreign_vdpa(c, pf)) {
        struct pf_wish wish;

        wish_for_pf(c, (int) (pf - c->sim->pfs), &wish);
        /* VFs of ours that come back are those of who manages it now, or did
         * as far as the daemon has read; and whose those are that no daemon
         * has seen cannot be told. */
        c->is_record_lost |= wish.is_external
                             || (c->ctl
                                 && fake_store_version(c->client)
                                        < c->intent_version)
                             || c->is_unseen[pf - c->sim->pfs];
        campaign_trace(c, "  reset of %s", pf->bdf);
        (void) sim_reset_pf(c->sim, pf->bdf, c->now_ns + ns);
        changed_pf(c, (int) (pf - c->sim->pfs));
        for (int j = 0; j < N_VFS; j++) {
            c->vfs[pf - c->sim->pfs][j].changed_ns += ns;
        }
    }
}

static void
return_pf(struct campaign *c, const struct later *later)
{
    const char *bdf = later->act.object;

    c->is_pf_away = false;
    campaign_trace(c, "  %s is back", bdf);
    (void) sim_add_pf(c->sim, bdf, N_VFS, later->act.word);
    c->sim->netdevs[sim_find_pf(c->sim, bdf)->uplink].feature =
        c->host_features[sim_find_pf(c->sim, bdf) - c->sim->pfs];
    sim_settle(c->sim);
    changed_object(c, bdf);
}

/* Only where nothing was set up by others: that does not come back. */
void
fault_remove_pf(struct campaign *c, struct rng *r)
{
    struct sim_pf *pf = any_pf(c, r);
    struct vdpad_act act = { 0 };
    int64_t ns = any(r, 20000) * MS;

    /* One at a time: it takes the lowest free slot when it comes back. */
    if (!pf || c->host_pfs[pf - c->sim->pfs] || c->is_uplink_away
        || c->is_pf_away) {
        return;
    }
    c->is_pf_away = true;
    memcpy(act.object, pf->bdf, sizeof pf->bdf);
    (void) snprintf(act.word, sizeof act.word, "up%u",
                    (unsigned int) (pf - c->sim->pfs));
    campaign_trace(c, "  %s is removed", pf->bdf);
    c->has_others_vfs[pf - c->sim->pfs] = false;
    changed_pf(c, (int) (pf - c->sim->pfs));
    (void) sim_vanish(c->sim, act.object);
    (void) campaign_later(c, ns, return_pf, &act);
}

static void
rename_later(struct campaign *c, const struct later *later)
{
    (void) sim_rename(c->sim, later->act.object, later->act.word);
    c->is_uplink_away = false;
    changed_object(c, later->act.word);
    changed_wishes(c);
}

void
fault_rename_netdev(struct campaign *c, struct rng *r)
{
    static unsigned int n;
    struct sim_pf *pf = any_pf(c, r);
    struct sim_vf *vf = any_vf(c, r);
    bool uplink = chance(r, 30) && !c->is_pf_away;
    int64_t ns = any(r, 10000) * MS;
    char name[VDPAD_IFNAME_SIZE];
    struct vdpad_act act = { 0 };

    (void) snprintf(name, sizeof name, "renamed%u", ++n % 10000);
    if (uplink && pf && !c->is_uplink_away) {
        memcpy(act.word, c->sim->netdevs[pf->uplink].link.name,
               VDPAD_IFNAME_SIZE);
        memcpy(act.object, name, sizeof name);
        (void) sim_rename(c->sim, act.word, name);
        c->is_uplink_away = true;
        changed_pf(c, (int) (pf - c->sim->pfs));
        changed_wishes(c);
        (void) campaign_later(c, ns, rename_later, &act);
    } else if (!uplink && vf && vf->rep >= 0) {
        campaign_trace(c, "  %s becomes %s",
                       c->sim->netdevs[vf->rep].link.name, name);
        (void) sim_rename(c->sim, c->sim->netdevs[vf->rep].link.name, name);
        changed_object(c, name);
    }
}
