/* SPDX-License-Identifier: Apache-2.0 */
/* What people and their programs do: they use devices, change the host, and
 * kill and command the daemon. */
#include "faults.h"

#include <string.h>
#include <unistd.h>

static struct sim_vdpa *
any_vdpa(struct campaign *c, struct rng *r)
{
    struct sim_vf *vf = any_vf(c, r);

    return vf ? host_vdpa_of(c, vf->bdf) : NULL;
}

/* Users. */

static void
let_go(struct campaign *c, const struct later *later)
{
    for (int i = 0; i < SIM_HOLDERS; i++) {
        struct sim_holder *h = &c->sim->holders[i];

        if (h->used && h->pid == (int32_t) later->act.number) {
            campaign_trace(c, "  pid %d lets go", h->pid);
            memset(h, 0, sizeof *h);
        }
    }
    sim_run_blocks(c->sim);
    sim_settle(c->sim);
}

void
fault_hold(struct campaign *c, struct rng *r)
{
    static int32_t pid = 1000;
    struct sim_vdpa *v = any_vdpa(c, r);
    struct vdpad_act act = { .number = ++pid };
    int64_t ns = (chance(r, 70) ? any(r, 20000) : any(r, 120000)) * MS;

    if (v
        && !sim_hold(c->sim, v->name, (int32_t) act.number,
                     ns / MS % 7 ? "qemu" : NULL)) {
        campaign_trace(c, "  pid %d holds %s", pid, v->name);
        (void) campaign_later(c, ns, let_go, &act);
    }
}

static void
come_back(struct campaign *c, const struct later *later)
{
    (void) sim_set_away(c->sim, later->act.object, false);
}

void
fault_go_away(struct campaign *c, struct rng *r)
{
    struct sim_vdpa *v = any_vdpa(c, r);
    struct vdpad_act act = { 0 };
    int64_t ns = any(r, 60000) * MS;

    if (v && !sim_set_away(c->sim, v->name, true)) {
        campaign_trace(c, "  the netdev of %s is away", v->name);
        memcpy(act.object, v->name, sizeof v->name);
        (void) campaign_later(c, ns, come_back, &act);
    }
}

/* Other programs. */

/* Somebody else's step, which asks nobody. */
static void
others_do(struct campaign *c, const struct vdpad_act *act)
{
    struct vdpad_error why;
    int block;
    int error;

    changed_object(c, act->object);
    error = sim_apply(c->sim, act, false, &block, &why);
    if (error == SIM_BLOCKED) {
        c->sim->blocks[block].is_orphan = true;
    }
    campaign_trace(c, "  others: %s %s %lld: %d",
                   vdpad_act_name((enum vdpad_act_kind) act->kind),
                   act->object, (long long) act->number, error);
}

void
fault_vanish_vdpa(struct campaign *c, struct rng *r)
{
    struct sim_vdpa *v = any_vdpa(c, r);
    struct vdpad_act act = { .kind = VDPAD_ACT_VDPA_DEL };

    if (v && !v->foreign_ns) {
        memcpy(act.object, v->name, sizeof v->name);
        others_do(c, &act);
    }
}

void
fault_others_change_pf(struct campaign *c, struct rng *r)
{
    struct sim_pf *pf = any_pf(c, r);
    bool mode = chance(r, 50);
    struct vdpad_act act = { .kind = mode ? VDPAD_ACT_ESWITCH_MODE
                                          : VDPAD_ACT_NUMVFS };

    /* What others had set up stays as it was.  Both values are those from
     * before the daemon came. */
    if (pf && !c->host_pfs[pf - c->sim->pfs]) {
        memcpy(act.object, pf->bdf, sizeof pf->bdf);
        others_do(c, &act);
        c->has_others_vfs[pf - c->sim->pfs] &= pf->numvfs > 0;
    }
}

/* Another number of VFs, through none, than there are and than the daemon has
 * ever asked for: these it cannot take for its own. */
void
fault_others_make_vfs(struct campaign *c, struct rng *r)
{
    struct sim_pf *pf = any_pf(c, r);
    struct vdpad_act act = { .kind = VDPAD_ACT_NUMVFS };
    int number = 1 + (int) any(r, N_VFS - 1);
    ptrdiff_t i = pf ? pf - c->sim->pfs : 0;

    if (!pf || c->host_pfs[i] || pf->reset_ns || pf->numvfs == number
        || c->asked_vfs[i] & 1u << number) {
        return;
    }
    memcpy(act.object, pf->bdf, sizeof pf->bdf);
    others_do(c, &act);
    if (pf->numvfs) {
        return; /* Somebody uses one. */
    }
    act.number = number;
    others_do(c, &act);
    c->has_others_vfs[i] = pf->numvfs > 0;
    c->is_reconciled[i] = false;
    c->is_host_changed = true;
}

void
fault_others_change_vf(struct campaign *c, struct rng *r)
{
    struct sim_vf *vf = any_vf(c, r);
    struct sim_vdpa *v = vf ? host_vdpa_of(c, vf->bdf) : NULL;
    struct vdpad_act act = { .kind = VDPAD_ACT_VF_UNBIND };

    if (!vf || (v && v->foreign_ns)
        || (sim_find_vf(c->sim, vf->bdf, NULL) && !vf->driver[0])) {
        return;
    }
    if (v && chance(r, 50)) {
        act.kind = VDPAD_ACT_VDPA_UNBIND;
        memcpy(act.object, v->name, sizeof v->name);
    } else if (v) {
        memcpy(act.object, vf->bdf, sizeof vf->bdf);
        host_vf_truth(c, vf->bdf)->is_unbound = true;
    } else {
        return;
    }
    others_do(c, &act);
}

static void
module_back(struct campaign *c, const struct later *later)
{
    int i = sim_module_index(later->act.object);

    if (c->sim->modules[i] != VDPAD_MODULE_LOADED) {
        (void) sim_set_module(c->sim, later->act.object,
                              VDPAD_MODULE_LOADABLE);
    }
    changed_all(c);
}

static bool
any_foreign(const struct campaign *c)
{
    for (int i = 0; i < 64; i++) {
        if (c->sim->vdpas[i].used && c->sim->vdpas[i].foreign_ns) {
            return true;
        }
    }
    return false;
}

void
fault_unload_module(struct campaign *c, struct rng *r)
{
    static const char *const names[] = { "mlx5_vdpa", "vhost_vdpa",
                                         "virtio_vdpa" };
    struct vdpad_act act = { 0 };
    bool missing = chance(r, 30);
    int64_t ns = any(r, 30000) * MS;
    uint32_t which = any(r, SIZEOF(names));

    if (any_foreign(c)) {
        return; /* They would go with it, and nobody brings them back. */
    }
    (void) snprintf(act.object, sizeof act.object, "%s", names[which]);
    if (which) {
        /* A bus driver in use cannot be unloaded. */
        for (int i = 0; i < 64; i++) {
            if (c->sim->vdpas[i].used
                && !strcmp(c->sim->vdpas[i].driver, names[which])) {
                return;
            }
        }
    }
    campaign_trace(c, "  module %s is unloaded", act.object);
    (void) sim_set_module(c->sim, act.object,
                          missing ? VDPAD_MODULE_MISSING
                                  : VDPAD_MODULE_LOADABLE);
    changed_all(c);
    (void) campaign_later(c, ns, module_back, &act);
}

/* The daemon. */

void
fault_kill_daemon(struct campaign *c, struct rng *r)
{
    /* Those that the record is about. */
    static const int32_t changes[] = {
        VDPAD_ACT_VDPA_ADD,     VDPAD_ACT_VDPA_DEL,  VDPAD_ACT_NUMVFS,
        VDPAD_ACT_ESWITCH_MODE, VDPAD_ACT_AUTOPROBE, VDPAD_ACT_FEATURE,
        VDPAD_ACT_LINK_MTU,
    };
    int64_t ns = chance(r, 70) ? any(r, 3000) * MS : any(r, 40000) * MS;

    if (!c->ctl) {
        return;
    }
    switch (any(r, 4)) {
    case 0:
        daemon_kill(c, r, ns);
        break;
    case 1:
        c->dying = DYING_BEFORE_RECORD;
        break;
    case 2:
        for (size_t i = 0; i < SIZEOF(changes); i++) {
            if (chance(r, 60)) {
                (void) fake_kernel_fault(c->fake, FAKE_DELAY, changes[i], NULL,
                                         1 + any(r, 2), 1, 0, "", 60 * SEC);
            }
        }
        campaign_trace(c, "  to be killed during a step");
        c->dying = DYING_IN_KERNEL;
        /* So that there is something to do. */
        if (chance(r, 50)) {
            fault_reset_pf(c, r);
        } else if (chance(r, 50)) {
            fault_others_change_pf(c, r);
        } else {
            fault_vanish_vdpa(c, r);
        }
        break;
    default:
        c->dying_after = any(r, 6);
        c->dying = DYING_AFTER_RECORD;
        break;
    }
}

void
fault_lose_record(struct campaign *c, struct rng *r)
{
    if (chance(r, 70)) {
        return;
    }
    daemon_kill(c, r, any(r, 2000) * MS);
    if (chance(r, 50) || truncate(c->record_path, 17)) {
        (void) unlink(c->record_path);
    }
    campaign_trace(c, "  the record is lost");
    c->is_record_lost = true;
    for (int i = 0; i < N_PFS; i++) {
        c->has_others_vfs[i] |= c->sim->pfs[i].numvfs > 0;
    }
    for (int i = 0; i < 64; i++) {
        if (c->sim->vdpas[i].used) {
            c->sim->vdpas[i].foreign_ns = 1;
        }
    }
    changed_all(c);
}

static void
on_refreshed(void *aux, const struct vdpad_observed *fresh)
{
    struct campaign *c = aux;

    (void) fresh;
    c->n_requests--;
}

static void
on_suspended(void *aux, int error, const struct vdpad_error *why)
{
    struct campaign *c = aux;

    (void) why;
    campaign_trace(c, "  teardown or resume: %d", error);
    c->n_suspends--;
    tries_forget(c);
}

void
fault_command(struct campaign *c, struct rng *r)
{
    uint32_t what = any(r, 4);
    uint32_t mask = any(r, 1u << VDPAD_N_CLASSES);
    uint32_t policy = any(r, N_POLICIES + 1);
    bool on = chance(r, 60), force = chance(r, 40);
    char name[8] = "*";

    if (!c->ctl || c->dying != DYING_NOT) {
        return;
    }
    tally.requests++;
    switch (what) {
    case 0:
        vdpad_ctl_reconcile(c->ctl);
        tries_forget(c);
        memset(c->is_reconciled, true, sizeof c->is_reconciled);
        break;
    case 1:
        vdpad_ctl_resync(c->ctl);
        tries_forget(c);
        memset(c->is_reconciled, true, sizeof c->is_reconciled);
        break;
    case 2:
        c->n_requests++;
        vdpad_ctl_refresh(c->ctl, mask | 1, on, on_refreshed, c);
        break;
    default:
        if (policy < N_POLICIES) {
            (void) snprintf(name, sizeof name, "p%u", policy);
        }
        campaign_trace(c, "  %s %s%s", on ? "teardown" : "resume", name,
                       force ? " --force" : "");
        c->n_suspends++;
        c->is_forced[policy] |= on && force;
        vdpad_ctl_suspend(c->ctl, name, on, on && force, on_suspended, c);
        break;
    }
}
