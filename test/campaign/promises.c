/* SPDX-License-Identifier: Apache-2.0 */
/* What the manual promises of an end, held against host and database: what is
 * called ready is so, and what is withdrawn has left nothing. */
#include "campaign.h"

#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#define FAIL(C, BDF, ...)                                           \
    do {                                                            \
        char text_[160];                                            \
                                                                    \
        (void) snprintf(text_, sizeof text_, __VA_ARGS__);          \
        campaign_fail(C, "%s is called ready, but %s", BDF, text_); \
    } while (0)

static void
check_device(struct campaign *c, const struct vf_wish *wish, int i, int j)
{
    const struct sim_pf *pf = &c->sim->pfs[i];
    const struct sim_vf *vf = &pf->vfs[j];
    const struct sim_vdpa *v = host_vdpa_of(c, vf->bdf);
    static const uint8_t base[6] = { 2, 0, 0, 0, 1, 0 };

    if (!v || strcmp(vf->driver, pf->vf_driver) != 0) {
        FAIL(c, vf->bdf, "%s",
             v ? "its VF has another driver" : "is not there");
    }
    if (strcmp(v->driver, wish->is_vhost ? "vhost_vdpa" : "virtio_vdpa")) {
        FAIL(c, vf->bdf, "its driver is %s", v->driver);
    }
    if (c->sim->has_no_config) {
        return; /* What the kernel does not tell counts as right. */
    }
    if (wish->mtu && !wish->may_have_port && v->mtu != wish->mtu) {
        FAIL(c, vf->bdf, "its MTU is %u", v->mtu);
    }
    if (wish->has_max_vqp
        && v->max_vqp
               != (wish->max_vqp ? wish->max_vqp
                                 : (c->sim->max_vqs - 1) / 2)) {
        FAIL(c, vf->bdf, "it has %u pairs of queues", v->max_vqp);
    }
    if (wish->has_mac
        && (!v->has_mac || (v->mac[0] & 3) != 2
            || (wish->has_base_mac ? memcmp(v->mac, base, 5) || v->mac[5] != j
                                   : !memcmp(v->mac, base, 5)))) {
        FAIL(c, vf->bdf, "its MAC address is another");
    }
}

static const char *
bridge_of(const struct campaign *c)
{
    return c->intent.bridge[0] ? c->intent.bridge : "br-int";
}

static void
check_rep(struct campaign *c, const struct vf_wish *wish, int i, int j)
{
    const struct sim_vf *vf = &c->sim->pfs[i].vfs[j];
    const struct sim_netdev *rep = vf->rep < 0 ? NULL
                                               : &c->sim->netdevs[vf->rep];
    const struct fdb_port *port;

    if (!rep || !rep->feature) {
        FAIL(c, vf->bdf, "its representor %s",
             rep ? "has hw-tc-offload off" : "is not there");
    }
    if (wish->mtu && !wish->may_have_port && rep->link.mtu != wish->mtu) {
        FAIL(c, vf->bdf, "its representor's MTU is %u", rep->link.mtu);
    }
    port = fake_db_find_port(c->db, rep->link.name);
    if (c->is_meddled[i][j] || c->is_record_lost) {
        return;
    }
    if (wish->is_attached
        && (!port || port->ofport <= 0 || !(rep->link.flags & IFF_UP))) {
        FAIL(c, vf->bdf, "its representor is %s",
             !port               ? "in no bridge"
             : port->ofport <= 0 ? "not taken"
                                 : "down");
    }
    if (wish->is_attached && !wish->has_port && !wish->may_have_port
        && strcmp(port->bridge, bridge_of(c)) != 0) {
        FAIL(c, vf->bdf, "its representor is in %s", port->bridge);
    }
    if (port && !wish->is_attached && !wish->may_have_port
        && fdb_get(&port->iface_ids, VDPAD_OWNER_KEY)) {
        FAIL(c, vf->bdf, "its representor is in %s, which nobody asks for",
             port->bridge);
    }
}

static void
check_pf(struct campaign *c, int i)
{
    const struct sim_pf *pf = &c->sim->pfs[i];
    const struct sim_netdev *uplink = &c->sim->netdevs[pf->uplink];
    struct pf_wish wish;

    wish_for_pf(c, i, &wish);
    if (strcmp(host_state_of(c, pf->bdf), "ready") != 0 || wish.is_external
        || !wish.is_managed) {
        return;
    }
    if (pf->numvfs < wish.numvfs
        || (pf->numvfs > wish.numvfs && wish.numvfs >= 0 && !c->host_numvfs[i]
            && !c->has_others_vfs[i])) {
        FAIL(c, pf->bdf, "has %d VFs", pf->numvfs);
    }
    if (wish.has_mode
        && (pf->mode != VDPAD_ESWITCH_SWITCHDEV || !uplink->feature)) {
        FAIL(c, pf->bdf, "has mode %d and hw-tc-offload %d", pf->mode,
             uplink->feature);
    }
    if (!c->is_record_lost && pf->autoprobe != c->host_autoprobes[i]) {
        FAIL(c, pf->bdf, "sriov_drivers_autoprobe is %d", pf->autoprobe);
    }
}

/* Each logical port is there once, as its key says. */
static void
check_logical(struct campaign *c, unsigned int i)
{
    const char *text = c->intent.ports[i];
    char id[16];
    unsigned int n = 0;

    (void) snprintf(id, sizeof id, "lsp%u", i);
    for (size_t k = 0; k < c->db->n_ports; k++) {
        const struct fdb_port *port = &c->db->ports[k];
        const char *have = fdb_get(&port->iface_ids, "iface-id");

        if (!have || strcmp(have, id) != 0) {
            continue;
        }
        n++;
        if (!text[0] || !strcmp(c->intent.attach, "none")) {
            campaign_fail(c, "port %s is still there as %s", id, port->name);
        }
        if ((strstr(text, "tag=7") != NULL) != (port->tag == 7)
            || (strstr(text, "trunks=") != NULL) != (port->n_trunks > 0)
            /* It is not moved while its netdev is away. */
            || (sim_find_netdev(c->sim, port->name)
                && strcmp(port->bridge,
                          strstr(text, "bridge=br-b") ? "br-b" : bridge_of(c))
                       != 0)) {
            campaign_fail(c, "port %s is in %s with tag %lld and %zu trunks",
                          id, port->bridge, (long long) port->tag,
                          port->n_trunks);
        }
    }
    if (n > 1) {
        campaign_fail(c, "port %s is there %u times", id, n);
    }
}

/* vdpa-offload is only on representors of devices. */
static void
check_verdicts(struct campaign *c)
{
    for (size_t k = 0; k < c->db->n_ports; k++) {
        const struct fdb_port *port = &c->db->ports[k];
        /* While its netdev is gone the key tells that it was one. */
        bool is_rep = !sim_find_netdev(c->sim, port->name);

        for (int i = 0; i < N_PFS; i++) {
            for (int j = 0; c->sim->pfs[i].used && j < N_VFS; j++) {
                const struct sim_vf *vf = &c->sim->pfs[i].vfs[j];

                is_rep |= vf->rep >= 0
                          && !strcmp(c->sim->netdevs[vf->rep].link.name,
                                     port->name)
                          && strcmp(host_state_of(c, vf->bdf), "-") != 0;
            }
        }
        if (!is_rep && fdb_get(&port->iface_ids, "vdpa-offload")) {
            campaign_fail(c, "port %s, of no device, has the key vdpa-offload",
                          port->name);
        }
    }
}

void
promises_check(struct campaign *c)
{
    for (int i = 0; i < N_PFS; i++) {
        for (int j = 0; c->sim->pfs[i].used && j < N_VFS; j++) {
            const struct sim_vf *vf = &c->sim->pfs[i].vfs[j];
            struct vf_wish wish;

            wish_for_vf(c, i, j, &wish);
            if (vf->present && wish.is_vdpa
                && !strcmp(host_state_of(c, vf->bdf), "ready")) {
                check_device(c, &wish, i, j);
                check_rep(c, &wish, i, j);
                tally.ready++;
            }
        }
        if (c->sim->pfs[i].used) {
            check_pf(c, i);
        }
    }
    for (unsigned int i = 0; !c->are_ports_others && i < N_PORTS; i++) {
        check_logical(c, i);
    }
    check_verdicts(c);
}

static bool
is(const struct fact *fact, const char *field)
{
    return !strcmp(fact->field, field);
}

/* Whether a fact may be as it is at last although it was 'before' at first. */
static bool
may_stay(struct campaign *c, const struct fact *fact, const char *before)
{
    /* A policy may give a VF of others a driver, and their device another one
     * or another address, which stay; see "Hardware, drivers, udev, other
     * people" in docs/operations.md. */
    if (is(fact, "driver")) {
        const struct vf_truth *t = host_vf_truth(c, fact->object);

        return (!before[0] && !strcmp(fact->value, "mlx5_core"))
               || (!fact->value[0] && t && t->is_unbound);
    }
    return is(fact, "bus-driver") || is(fact, "mac")
           || is(fact, "state")
           /* Representors of VFs of others. */
           || is(fact, "rep-up") || is(fact, "rep-mtu") || is(fact, "rep-tc")
           || fact->why == end_is_theirs
           /* Bridges stay, and nobody knows who offloads besides. */
           || (is(fact, "bridge") && !strcmp(fact->value, "there"))
           || (is(fact, "hw-offload") && !strcmp(fact->value, "true"));
}

static const struct fact *
find(const struct end *end, const struct fact *like)
{
    for (size_t i = 0; i < end->n; i++) {
        if (!strcmp(end->facts[i].object, like->object)
            && is(&end->facts[i], like->field)) {
            return &end->facts[i];
        }
    }
    return NULL;
}

void
promises_check_withdrawn(struct campaign *c, const struct end *first,
                         const struct end *last)
{
    for (size_t i = 0; i < last->n; i++) {
        const struct fact *fact = &last->facts[i];
        const struct fact *before = find(first, fact);
        const char *value = before ? before->value : "";

        if (strcmp(fact->value, value) != 0 && !may_stay(c, fact, value)) {
            campaign_fail(c,
                          "withdrawal has left something: %s %s is %s and was "
                          "%s",
                          fact->object, fact->field, fact->value,
                          before ? value : "not there");
        }
    }
    for (size_t i = 0; i < first->n; i++) {
        const struct fact *fact = &first->facts[i];

        if (!find(last, fact) && !(c->is_db_renewed && is(fact, "bridge"))) {
            campaign_fail(c, "withdrawal has taken %s %s along, %s",
                          fact->object, fact->field, fact->value);
        }
    }
    for (size_t k = 0; k < c->db->n_ports; k++) {
        if (fdb_get(&c->db->ports[k].iface_ids, VDPAD_OWNER_KEY)) {
            campaign_fail(c, "withdrawal has left port %s",
                          c->db->ports[k].name);
        }
    }
    check_verdicts(c);
}
