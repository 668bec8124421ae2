/* SPDX-License-Identifier: Apache-2.0 */
/* What goes wrong with the database and ovs-vswitchd, and what others write
 * there. */
#include "faults.h"

#include <errno.h>

static void
server_back(struct campaign *c, const struct later *later)
{
    (void) later;
    if (c->client) {
        fake_store_knobs(c->client)->is_down = false;
    }
}

void
fault_stop_server(struct campaign *c, struct rng *r)
{
    int64_t ns = any(r, 30000) * MS;

    if (c->client) {
        fake_store_knobs(c->client)->is_down = true;
        (void) campaign_later(c, ns, server_back, NULL);
    }
}

void
fault_disturb_commits(struct campaign *c, struct rng *r)
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

void
fault_renew_database(struct campaign *c, struct rng *r)
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

void
fault_stop_vswitchd(struct campaign *c, struct rng *r)
{
    c->vswitchd_ns = INT64_MAX;
    (void) campaign_later(c, any(r, 30000) * MS, vswitchd_back, NULL);
}

/* A cloud agent, or whoever else writes to Open vSwitch. */
void
fault_meddle_with_ports(struct campaign *c, struct rng *r)
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
