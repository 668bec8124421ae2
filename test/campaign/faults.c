/* SPDX-License-Identifier: Apache-2.0 */
/* What goes wrong, and what others do.  All of it passes: at the end the host
 * is as if it had not been, the daemon's own work aside. */
#include "campaign.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "test/fake/fake-private.h"

#define SIZEOF(ARRAY) (sizeof(ARRAY) / sizeof(ARRAY)[0])

/* Pick one; NULL or -1: there is none. */

static struct sim_pf *
any_pf(struct campaign *c, struct rng *r)
{
    struct sim_pf *pf = &c->sim->pfs[any(r, N_PFS)];

    return pf->used ? pf : NULL;
}

static struct sim_vf *
any_vf(struct campaign *c, struct rng *r)
{
    struct sim_pf *pf = any_pf(c, r);
    struct sim_vf *vf = pf ? &pf->vfs[any(r, N_VFS)] : NULL;

    return vf && vf->present ? vf : NULL;
}

static struct sim_vdpa *
any_vdpa(struct campaign *c, struct rng *r)
{
    struct sim_vf *vf = any_vf(c, r);

    return vf ? host_vdpa_of(c, vf->bdf) : NULL;
}

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

/* Steps and observations. */

static void
fail_step(struct campaign *c, struct rng *r)
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
static void
hang(struct campaign *c, struct rng *r)
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

static void
fail_observe(struct campaign *c, struct rng *r)
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

static void
slow_down(struct campaign *c, struct rng *r)
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

static void
speed_up(struct campaign *c, struct rng *r)
{
    (void) r;
    if (c->fake) {
        struct fake_knobs *knobs = fake_kernel_knobs(c->fake);

        memset(knobs->observe_delay_ns, 0, sizeof knobs->observe_delay_ns);
        memset(knobs->step_delay_ns, 0, sizeof knobs->step_delay_ns);
    }
}

/* Events. */

static void
disturb_events(struct campaign *c, struct rng *r)
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

static void
reset_pf(struct campaign *c, struct rng *r)
{
    struct sim_pf *pf = any_pf(c, r);
    int64_t ns = (500 + any(r, 20000)) * MS;

    /* What others had made does not come back. */
    if (pf && !c->host_pfs[pf - c->sim->pfs]) {
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
static void
remove_pf(struct campaign *c, struct rng *r)
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
    changed_pf(c, (int) (pf - c->sim->pfs));
    (void) sim_vanish(c->sim, act.object);
    (void) campaign_later(c, ns, return_pf, &act);
}

static void
vanish_vdpa(struct campaign *c, struct rng *r)
{
    struct sim_vdpa *v = any_vdpa(c, r);
    struct vdpad_act act = { .kind = VDPAD_ACT_VDPA_DEL };

    if (v && !v->foreign_ns) {
        memcpy(act.object, v->name, sizeof v->name);
        others_do(c, &act);
    }
}

static void
rename_later(struct campaign *c, const struct later *later)
{
    (void) sim_rename(c->sim, later->act.object, later->act.word);
    c->is_uplink_away = false;
    changed_object(c, later->act.word);
    changed_wishes(c);
}

static void
rename_netdev(struct campaign *c, struct rng *r)
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

static void
hold(struct campaign *c, struct rng *r)
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

static void
go_away(struct campaign *c, struct rng *r)
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

static void
others_change_pf(struct campaign *c, struct rng *r)
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
    }
}

static void
others_change_vf(struct campaign *c, struct rng *r)
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

static void
unload_module(struct campaign *c, struct rng *r)
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

static void
kill_daemon(struct campaign *c, struct rng *r)
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
            reset_pf(c, r);
        } else if (chance(r, 50)) {
            others_change_pf(c, r);
        } else {
            vanish_vdpa(c, r);
        }
        break;
    default:
        c->dying_after = any(r, 6);
        c->dying = DYING_AFTER_RECORD;
        break;
    }
}

static void
lose_record(struct campaign *c, struct rng *r)
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

static void
command(struct campaign *c, struct rng *r)
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
        break;
    case 1:
        vdpad_ctl_resync(c->ctl);
        tries_forget(c);
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

/* The database. */

static void
server_back(struct campaign *c, const struct later *later)
{
    (void) later;
    if (c->client) {
        fake_store_knobs(c->client)->is_down = false;
    }
}

static void
stop_server(struct campaign *c, struct rng *r)
{
    int64_t ns = any(r, 30000) * MS;

    if (c->client) {
        fake_store_knobs(c->client)->is_down = true;
        (void) campaign_later(c, ns, server_back, NULL);
    }
}

static void
disturb_commits(struct campaign *c, struct rng *r)
{
    static const int refusals[] = { -EIO, -EPERM, -EINVAL, -EEXIST };
    uint32_t fate = any(r, 4);
    int refusal = refusals[any(r, SIZEOF(refusals))];
    int64_t commit = chance(r, 90) ? any(r, 2000) : any(r, 40000);
    int64_t update = any(r, 1000);

    if (c->client) {
        struct fake_store_knobs *knobs = fake_store_knobs(c->client);

        knobs->fate = (enum fake_fate) fate;
        knobs->refusal = refusal;
        knobs->commit_delay_ns = commit * MS;
        knobs->update_delay_ns = update * MS;
        knobs->reconnect_ns = update * 3 * MS;
    }
}

static void
write_again(struct campaign *c, const struct later *later)
{
    (void) later;
    intent_write(c); /* The very same wishes. */
}

static void
renew_database(struct campaign *c, struct rng *r)
{
    int64_t ns = any(r, 20000) * MS;

    if (chance(r, 60)) {
        return;
    }
    campaign_trace(c, "  the database is a new one");
    fake_db_renew(c->db);
    fake_db_add_bridge(c->db, "br-other");
    fake_db_add_port(c->db, "br-other", "foreign");
    fake_db_set_iface_key(c->db, "foreign", "iface-id", "theirs");
    c->is_db_renewed = true;
    (void) campaign_later(c, ns, write_again, NULL);
}

static void
vswitchd_back(struct campaign *c, const struct later *later)
{
    (void) later;
    c->vswitchd_ns = c->now_ns;
}

static void
stop_vswitchd(struct campaign *c, struct rng *r)
{
    c->vswitchd_ns = INT64_MAX;
    (void) campaign_later(c, any(r, 30000) * MS, vswitchd_back, NULL);
}

/* A cloud agent, or whoever else writes to Open vSwitch. */
static void
meddle_with_ports(struct campaign *c, struct rng *r)
{
    struct sim_vf *vf = any_vf(c, r);
    uint32_t what = any(r, 4);
    const char *name;
    struct sim_pf *pf;

    if (!vf || vf->rep < 0) {
        return;
    }
    name = c->sim->netdevs[vf->rep].link.name;
    c->are_ports_others = true;
    (void) sim_find_vf(c->sim, vf->bdf, &pf);
    c->is_meddled[pf - c->sim->pfs][vf - pf->vfs] = true;
    campaign_trace(c, "  others meddle with port %s: %u", name, what);
    switch (what) {
    case 0:
        fake_db_set_iface_key(c->db, name, "iface-id", "cloud");
        break;
    case 1:
        fake_db_set_iface_key(c->db, name, "x-others", "1");
        break;
    case 2:
        fake_db_del_port(c->db, name);
        break;
    default:
        fake_db_add_port(c->db, "br-other", name);
        break;
    }
    changed_object(c, vf->bdf);
}

const struct action_kind fault_kinds[] = {
    { "fail-step", 30, false, fail_step },
    { "fail-observe", 10, false, fail_observe },
    { "hang", 8, false, hang },
    { "slow-down", 10, false, slow_down },
    { "speed-up", 6, false, speed_up },
    { "events", 10, false, disturb_events },
    { "reset", 8, false, reset_pf },
    { "remove-pf", 4, false, remove_pf },
    { "vanish-vdpa", 6, false, vanish_vdpa },
    { "rename", 8, false, rename_netdev },
    { "hold", 12, false, hold },
    { "away", 6, false, go_away },
    { "others-pf", 6, false, others_change_pf },
    { "others-vf", 6, false, others_change_vf },
    { "module", 4, false, unload_module },
    { "kill", 26, false, kill_daemon },
    { "lose-record", 2, false, lose_record },
    { "command", 14, false, command },
    { "server", 8, false, stop_server },
    { "commits", 10, false, disturb_commits },
    { "new-database", 4, false, renew_database },
    { "vswitchd", 3, false, stop_vswitchd },
    { "ports", 6, false, meddle_with_ports },
};
const size_t n_fault_kinds = SIZEOF(fault_kinds);

/* Whatever was to come comes now. */
void
faults_end(struct campaign *c)
{
    for (size_t i = 0; i < MAX_LATER; i++) {
        struct later later = c->later[i];

        if (later.when_ns) {
            c->later[i].when_ns = 0;
            later.what(c, &later);
        }
    }
    c->dying = DYING_NOT;
    if (!c->ctl) {
        daemon_start(c);
    }

    struct fake_kernel *k = fake_kernel_cast(c->fake);
    struct rng none = { 0 };

    speed_up(c, &none);
    memset(k->faults, 0, sizeof k->faults);
    memset(k->observe_faults, 0, sizeof k->observe_faults);
    k->knobs.drop_events = 0;
    k->knobs.is_reversed = false;
    k->knobs.event_delay_ns = MS;
    k->knobs.repeat_delay_ns = 3 * MS;
    memset(c->sim->holders, 0, sizeof c->sim->holders);
    sim_run_blocks(c->sim);
    sim_settle(c->sim);
    *fake_store_knobs(c->client) = (struct fake_store_knobs){ 0 };
    if (c->vswitchd_ns == INT64_MAX) {
        c->vswitchd_ns = c->now_ns;
    }
    tries_forget(c);
}
