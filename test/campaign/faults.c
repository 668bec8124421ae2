/* SPDX-License-Identifier: Apache-2.0 */
/* All faults: which there are, how often each comes, and that they pass: at
 * the end the host is as if they had not been, the daemon's own work aside. */
#include "faults.h"

#include <string.h>

#include "test/fake/fake-private.h"

struct sim_pf *
any_pf(struct campaign *c, struct rng *r)
{
    struct sim_pf *pf = &c->sim->pfs[any(r, N_PFS)];

    return pf->used ? pf : NULL;
}

struct sim_vf *
any_vf(struct campaign *c, struct rng *r)
{
    struct sim_pf *pf = any_pf(c, r);
    struct sim_vf *vf = pf ? &pf->vfs[any(r, N_VFS)] : NULL;

    return vf && vf->present ? vf : NULL;
}

const struct action_kind fault_kinds[] = {
    { "fail-step", 30, false, fault_fail_step },
    { "fail-observe", 10, false, fault_fail_observe },
    { "hang", 8, false, fault_hang },
    { "slow-down", 10, false, fault_slow_down },
    { "speed-up", 6, false, fault_speed_up },
    { "events", 10, false, fault_disturb_events },
    { "reset", 8, false, fault_reset_pf },
    { "remove-pf", 4, false, fault_remove_pf },
    { "vanish-vdpa", 6, false, fault_vanish_vdpa },
    { "rename", 8, false, fault_rename_netdev },
    { "hold", 12, false, fault_hold },
    { "away", 6, false, fault_go_away },
    { "others-pf", 6, false, fault_others_change_pf },
    { "others-vfs", 4, false, fault_others_make_vfs },
    { "others-vf", 6, false, fault_others_change_vf },
    { "module", 4, false, fault_unload_module },
    { "kill", 26, false, fault_kill_daemon },
    { "lose-record", 2, false, fault_lose_record },
    { "command", 14, false, fault_command },
    { "server", 8, false, fault_stop_server },
    { "commits", 10, false, fault_disturb_commits },
    { "new-database", 4, false, fault_renew_database },
    { "vswitchd", 3, false, fault_stop_vswitchd },
    { "ports", 6, false, fault_meddle_with_ports },
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

    fault_speed_up(c, &none);
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
