/* SPDX-License-Identifier: Apache-2.0 */
/* Planning of the ports of representors in the database.  Only rows with our
 * mark are changed or removed. */
#include <stdlib.h>
#include <string.h>

#include "lookup.h"
#include "plan-ids.h"
#include "util.h"

/* What tells the name of a representor. */
#define NAME_CLASSES (1u << VDPAD_LINK | 1u << VDPAD_DLPORT)

static const struct vdpad_db_port *
port_of(const struct vdpad_planner *p, const struct vdpad_db_iface *iface)
{
    return &p->world->db->ports[iface->port];
}

static const char *
bridge_of(const struct vdpad_planner *p, const struct vdpad_db_iface *iface)
{
    return p->world->db->bridges[port_of(p, iface)->bridge].name;
}

/* Gives 'op' the VLANs of 'spec' if that names any, else those that somebody
 * else, or a key that is 'refused', has given to the port of 'old' (NULL:
 * none). */
static void
set_vlan(struct vdpad_dbop *op, const struct vdpad_planner *p,
         const struct vdpad_port_spec *spec, const struct vdpad_db_iface *old,
         bool refused)
{
    op->tag = -1;
    if (vdpad_spec_has_vlan(spec)) {
        op->tag = spec->tag;
        op->trunks = spec->trunks;
        op->n_trunks = spec->n_trunks;
    } else if (old
               && (refused
                   || !vdpad_map_get(&old->external_ids, "vdpa-vlan"))) {
        op->tag = port_of(p, old)->tag;
        op->trunks = port_of(p, old)->trunks;
        op->n_trunks = port_of(p, old)->n_trunks;
    }
}

static bool
vlan_is_right(const struct vdpad_db_port *port, const struct vdpad_dbop *op)
{
    return port->tag == op->tag && port->n_trunks == op->n_trunks
           && (!op->n_trunks
               || !memcmp(port->trunks, op->trunks,
                          op->n_trunks * sizeof *op->trunks));
}

/* Of the port of 'iface'.  VLANs that no key of ours names are left to others,
 * unless they are a key's that is gone, or the row was 'exchanged': see
 * vdpad_exchange_ids() for that and 'old'. */
static void
plan_vlan(struct vdpad_planner *p, struct vdpad_dev *dev,
          const struct vdpad_db_iface *iface, const struct vdpad_db_iface *old,
          bool exchanged, bool refused)
{
    const struct vdpad_db_port *port = port_of(p, iface);
    const struct vdpad_map *ids = &iface->external_ids;
    struct vdpad_dbop op = { .kind = VDPAD_DBOP_PORT_VLAN,
                             .port = port->name,
                             .uuid = port->uuid };

    set_vlan(&op, p, dev->port_spec, old, refused);
    if (vlan_is_right(port, &op)) {
        return;
    }
    if (vdpad_spec_has_vlan(dev->port_spec)) {
        vdpad_ask_port(p, dev, &op, "the port's VLANs differ from its key's");
    } else if (exchanged) {
        vdpad_ask_port(p, dev, &op, "the representor has another name now");
    } else if (vdpad_map_get(ids, "vdpa-vlan")) {
        vdpad_ask_port(p, dev, &op, "no key asks for these VLANs any more");
    }
}

static void
ask_del(struct vdpad_planner *p, struct vdpad_dev *dev,
        const struct vdpad_db_iface *iface, const char *reason)
{
    const struct vdpad_db_port *port = port_of(p, iface);
    struct vdpad_dbop op = { .kind = VDPAD_DBOP_PORT_DEL,
                             .tag = -1,
                             .bridge = bridge_of(p, iface),
                             .port = port->name,
                             .uuid = port->uuid };

    vdpad_ask_port(p, dev, &op, reason);
}

/* Adds the representor; 'old' is the row it replaces (NULL: none), whose
 * foreign keys and VLANs survive, as does all else on it, which the store sees
 * to.  So do those of a key that is refused. */
static void
ask_add(struct vdpad_planner *p, struct vdpad_dev *dev,
        const struct vdpad_db_iface *old, const char *reason)
{
    const struct vdpad_port_spec *spec = dev->port_spec;
    size_t n_old = old ? old->external_ids.n : 0;
    bool refused = old && !spec
                   && vdpad_refused_declaration(p->world->config, old);
    struct vdpad_kv *kv = vdpad_xcalloc(VDPAD_PORT_IDS_MAX + n_old,
                                        sizeof *kv);
    struct vdpad_dbop op = { .kind = VDPAD_DBOP_PORT_ADD,
                             .tag = -1,
                             .bridge = dev->bridge,
                             .port = dev->rep->name,
                             .uuid = old ? port_of(p, old)->uuid : NULL };
    struct vdpad_port_ids ids;

    vdpad_wanted_ids(dev, &ids);
    memcpy(kv, ids.kv, ids.n * sizeof *kv);
    op.ids.n = ids.n;
    for (size_t i = 0; i < n_old; i++) {
        const struct vdpad_kv *o = &old->external_ids.kv[i];

        if (!vdpad_find_id(&ids, o->key)
            && (refused ? strcmp(o->key, VDPAD_OWNER_KEY) != 0
                        : vdpad_id_is_kept(&old->external_ids, o->key))) {
            kv[op.ids.n++] = *o;
        }
    }
    op.ids.kv = kv;
    set_vlan(&op, p, spec, old, refused);
    vdpad_ask_port(p, dev, &op, reason);
    free(kv);
}

/* Our Interface of the VF of 'dev' under another name: the representor was
 * renamed while it was in the bridge. */
static const struct vdpad_db_iface *
find_renamed(const struct vdpad_planner *p, const struct vdpad_dev *dev)
{
    size_t low = 0;
    size_t high = dev->vf ? p->n_own : 0;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (strcmp(p->own[mid].vf, dev->vf->bdf) < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    for (; dev->vf && low < p->n_own && !strcmp(p->own[low].vf, dev->vf->bdf);
         low++) {
        if (p->own[low].iface != dev->iface) {
            return p->own[low].iface;
        }
    }
    return NULL;
}

static int
compare_own(const void *a_, const void *b_)
{
    const struct vdpad_own_iface *a = a_;
    const struct vdpad_own_iface *b = b_;
    int cmp = strcmp(a->vf, b->vf);

    /* Of one VF in the order of the database. */
    return cmp ? cmp : (a->iface > b->iface) - (a->iface < b->iface);
}

/* Whether 'iface', the row of 'dev' by its name, was another device's before
 * representors got each other's names. */
static bool
is_former_of_another(const struct vdpad_planner *p,
                     const struct vdpad_dev *dev,
                     const struct vdpad_db_iface *iface)
{
    const char *vf = vdpad_map_get(&iface->external_ids, "vdpa-vf");

    return vdpad_iface_is_ours(iface) && vf && dev->vf
           && strcmp(vf, dev->vf->bdf) != 0
           && vdpad_find_pci(p->world->observed, vf);
}

void
vdpad_plan_index(struct vdpad_planner *p)
{
    const struct vdpad_snapshot *db = p->world->db;

    if (!db || !db->n_ifaces) {
        return;
    }
    p->own = vdpad_plan_alloc(p, db->n_ifaces, sizeof *p->own);
    for (size_t i = 0; i < db->n_ifaces; i++) {
        const struct vdpad_db_iface *iface = &db->ifaces[i];
        const char *vf = vdpad_map_get(&iface->external_ids, "vdpa-vf");

        if (vf && vdpad_iface_is_ours(iface)) {
            p->own[p->n_own++] = (struct vdpad_own_iface){ vf, iface };
        }
    }
    if (p->n_own) {
        qsort(p->own, p->n_own, sizeof *p->own, compare_own);
    }
    for (size_t i = 0; i < p->world->n_devs && !p->has_exchange; i++) {
        const struct vdpad_dev *dev = &p->world->devs[i];

        p->has_exchange = dev->want_attach && dev->iface
                          && is_former_of_another(p, dev, dev->iface);
    }
}

/* Whether an Interface that is no netdev has the name that the port of 'dev'
 * needs. */
static bool
is_name_taken(const struct vdpad_planner *p, struct vdpad_dev *dev)
{
    const struct vdpad_db_iface *iface = vdpad_find_iface(p->world->db,
                                                          dev->rep->name);

    if (!iface || vdpad_iface_has_netdev(iface)) {
        return false;
    }
    vdpad_fold_state(&dev->state, dev->reason, VDPAD_STATE_BLOCKED,
                     "bridge %.60s has an interface %s of type %s, which is "
                     "not the representor of that name and keeps it from "
                     "being attached: rename one of the two",
                     bridge_of(p, iface), iface->name, iface->type);
    return true;
}

/* Whether the bridge for the port of 'dev' is there. */
static bool
have_bridge(const struct vdpad_planner *p, struct vdpad_dev *dev)
{
    const struct vdpad_memory_entry *e;
    char key[VDPAD_NAME_SIZE + 32];

    if (vdpad_find_bridge(p->world->db, dev->bridge)) {
        return true;
    }
    if (vdpad_find_rival(p->world->observed, dev->bridge)) {
        vdpad_fold_state(&dev->state, dev->reason, VDPAD_STATE_BLOCKED,
                         "bridge %.60s cannot be made, since there is a "
                         "network device of that name: %s has to name "
                         "another bridge",
                         dev->bridge,
                         dev->port_spec && dev->port_spec->bridge
                             ? "bridge= of its " VDPAD_KEY_PORT "* key"
                             : VDPAD_KEY_BRIDGE);
        return false;
    }
    vdpad_memory_key(key, "bridge-add", dev->bridge);
    e = vdpad_memory_find(p->memory, key);
    if (e && e->failures) {
        vdpad_fold_state(&dev->state, dev->reason, VDPAD_STATE_FAILED,
                         "bridge %.60s cannot be made: %s", dev->bridge,
                         e->error.text);
        return false;
    }
    if (!p->world->db_connected) {
        vdpad_fold_state(&dev->state, dev->reason, VDPAD_STATE_WAITING,
                         "bridge %.60s does not exist; it is made when the "
                         "database is connected again",
                         dev->bridge);
    } else {
        vdpad_fold_state(&dev->state, dev->reason, VDPAD_STATE_APPLYING,
                         "bridge %.60s is being made", dev->bridge);
    }
    return false;
}

/* Whether 'iface' is the row of another device by its name. */
static bool
is_of_another(const struct vdpad_planner *p, const struct vdpad_dev *dev,
              const struct vdpad_db_iface *iface)
{
    for (size_t i = 0; i < p->world->n_devs; i++) {
        const struct vdpad_dev *other = &p->world->devs[i];

        if (other != dev && other->iface == iface && other->want_attach) {
            return true;
        }
    }
    return false;
}

/* A netdev that was renamed while it was in the kernel datapath can be found
 * there by no name (see netlink/step-datapath.c), so that ovs-vswitchd has
 * left it there and cannot take it again. */
static void
plan_datapath(struct vdpad_planner *p, struct vdpad_dev *dev,
              const struct vdpad_db_iface *old)
{
    const struct vdpad_db_iface *iface = dev->iface;
    const struct vdpad_link *master = vdpad_find_link(p->world->observed,
                                                      dev->rep->master);
    struct vdpad_act act = { .kind = VDPAD_ACT_VPORT_DEL,
                             .ifindex = dev->rep->ifindex };

    if (!master || strcmp(master->kind, "openvswitch")
        || !(iface ? vdpad_iface_is_ours(iface) && iface->ofport == -1
                   : old != NULL)) {
        return;
    }
    vdpad_copy(act.object, sizeof act.object, dev->rep->name);
    vdpad_ask_dev(p, dev, VDPAD_LANE_LINK, &act,
                  "it was renamed as a port of the kernel datapath: taken "
                  "out, so that ovs-vswitchd can take it");
}

static void
plan_attached(struct vdpad_planner *p, struct vdpad_dev *dev,
              const struct vdpad_db_iface *old)
{
    const struct vdpad_db_iface *iface = dev->iface;
    const struct vdpad_port_spec *spec = dev->port_spec;
    const char *iface_id = vdpad_map_get(&iface->external_ids, "iface-id");
    const char *bridge = bridge_of(p, iface);
    bool exchanged = is_former_of_another(p, dev, iface);
    const struct vdpad_db_iface *own = exchanged ? old : iface;
    bool refused = !spec && own
                   && vdpad_refused_declaration(p->world->config, own);

    if (refused && !exchanged) {
        return;
    }
    if (strcmp(bridge, dev->bridge)) {
        if (!vdpad_iface_is_ours(iface)) {
            vdpad_fold_state(&dev->state, dev->reason, VDPAD_STATE_BLOCKED,
                             "representor %s is a port of bridge %.60s, put "
                             "there by another program; wanted in %.60s: "
                             "`ovs-vsctl del-port` on it lets it be moved",
                             iface->name, bridge, dev->bridge);
            return;
        }
        if (!have_bridge(p, dev)) {
            return;
        }
        ask_del(p, dev, iface, "it is in another bridge than wanted");
        ask_add(p, dev, iface, "it is in another bridge than wanted");
        return;
    }
    if (exchanged) {
        vdpad_exchange_ids(p, dev, old, refused);
        plan_vlan(p, dev, iface, old, true, refused);
    } else if (vdpad_iface_is_ours(iface)) {
        vdpad_plan_ids(p, dev, iface);
        plan_vlan(p, dev, iface, NULL, false, false);
    } else if (spec && !vdpad_streq(iface_id, spec->iface_id)) {
        vdpad_fold_state(&dev->state, dev->reason, VDPAD_STATE_BLOCKED,
                         "representor %s was attached by another program with "
                         "iface-id %.80s; " VDPAD_KEY_PORT "%.80s has to name "
                         "another device",
                         iface->name, iface_id ? iface_id : "(none)",
                         spec->iface_id);
    }
    if (iface->error[0] || iface->ofport == -1) {
        vdpad_fold_state(&dev->state, dev->reason, VDPAD_STATE_WAITING,
                         "ovs-vswitchd could not take port %s: %.200s",
                         iface->name,
                         iface->error[0] ? iface->error : "ofport -1");
    } else if (iface->ofport == VDPAD_OFPORT_NONE) {
        vdpad_fold_state(&dev->state, dev->reason, VDPAD_STATE_WAITING,
                         "ovs-vswitchd has not taken port %s yet",
                         iface->name);
    }
}

/* A port of ours that is no longer asked for.  One that a key had declared
 * goes with its key; a change of vdpa-attach does not cut off a guest. */
static void
plan_unwanted(struct vdpad_planner *p, struct vdpad_dev *dev,
              const struct vdpad_db_iface *iface)
{
    const char *declared;
    char use[VDPAD_REASON_SIZE];

    if (!iface || !vdpad_iface_is_ours(iface)
        || vdpad_refused_declaration(p->world->config, iface)) {
        return;
    }
    declared = vdpad_map_get(&iface->external_ids, "vdpa-iface-id");
    if (!declared
        || (dev->port_spec && !strcmp(dev->port_spec->iface_id, declared))) {
        if (vdpad_dev_in_use(dev, use)) {
            vdpad_fold_state(&dev->state, dev->reason, VDPAD_STATE_BLOCKED,
                             "its port is to be removed (" VDPAD_KEY_ATTACH
                             "), but it is %.120s",
                             use);
            return;
        }
        if (!vdpad_ask_holders(p)) {
            vdpad_fold_holders(p, &dev->state, dev->reason,
                               VDPAD_STATE_APPLYING,
                               "its port is to be removed");
            return;
        }
    }
    ask_del(p, dev, iface, "no key asks for it any more");
}

void
vdpad_plan_row(struct vdpad_planner *p, struct vdpad_dev *dev)
{
    const struct vdpad_db_iface *row = dev->iface;

    if (!p->world->db || !dev->vf
        || (!dev->want_attach
            && (dev->attach_refused || !p->world->db_connected))) {
        return;
    }
    if (row && is_former_of_another(p, dev, row)) {
        return;
    }
    if (!row) {
        row = find_renamed(p, dev);
    }
    if (!row || !vdpad_iface_is_ours(row) || is_of_another(p, dev, row)) {
        return;
    }
    if (!dev->want_attach) {
        plan_unwanted(p, dev, row);
    } else if (!vdpad_refused_declaration(p->world->config, row)) {
        const struct vdpad_port_spec *spec = dev->port_spec;
        const char *declared = vdpad_map_get(&row->external_ids,
                                             "vdpa-iface-id");

        /* A logical port that belongs in another bridge comes when the row
         * has been moved; the former one goes now. */
        if (spec && strcmp(bridge_of(p, row), dev->bridge) != 0
            && !vdpad_streq(declared, spec->iface_id)) {
            dev->port_spec = NULL;
        }
        vdpad_plan_ids(p, dev, row);
        plan_vlan(p, dev, row, NULL, false, false);
        dev->port_spec = spec;
    }
}

void
vdpad_plan_port(struct vdpad_planner *p, struct vdpad_dev *dev)
{
    const struct vdpad_snapshot *db = p->world->db;
    bool connected = p->world->db_connected;
    enum vdpad_ask outcome;
    char text[VDPAD_REASON_SIZE];

    /* What is wrong with the port is told while the database is away, too. */
    if (!db || !dev->vf) {
        return;
    }
    if (!dev->want_attach && dev->attach_refused) {
        vdpad_fold_state(&dev->state, dev->reason, VDPAD_STATE_BLOCKED,
                         "its representor is not attached while key %s is "
                         "refused (config/show)",
                         p->world->config->attach_refused ? VDPAD_KEY_ATTACH
                                                          : VDPAD_KEY_BRIDGE);
        return;
    }

    const struct vdpad_db_iface *old = find_renamed(p, dev);

    if (!dev->want_attach && !connected) {
        return;
    }
    if (!dev->want_attach) {
        plan_unwanted(p, dev, dev->iface);
        if (old && !is_of_another(p, dev, old)) {
            plan_unwanted(p, dev, old);
        }
        return;
    }
    if (!dev->rep) {
        vdpad_plan_row(p, dev);
    }
    /* Whoever sees the port may use the device at once. */
    if (!dev->rep || (!dev->iface && !dev->vdpa && !dev->vbus)) {
        return;
    }
    if (connected && (old || !dev->iface)
        && !vdpad_ask_pictures(p, NAME_CLASSES, &outcome, text)) {
        vdpad_fold(&dev->state, dev->reason, outcome, VDPAD_STATE_APPLYING,
                   outcome == VDPAD_ASK_UNSURE
                       ? text
                       : "the representor is in no bridge");
        return;
    }
    if (!dev->iface && (is_name_taken(p, dev) || !have_bridge(p, dev))) {
        return;
    }
    if (connected) {
        plan_datapath(p, dev, old);
    }
    p->joins =
        p->has_exchange
        && (old || (dev->iface && is_former_of_another(p, dev, dev->iface)));
    if (old && !is_of_another(p, dev, old)) {
        ask_del(p, dev, old, "the representor has another name now");
    }
    if (dev->iface) {
        plan_attached(p, dev, old);
    } else {
        ask_add(p, dev, old,
                old ? "the representor has another name now"
                    : "the representor is in no bridge");
    }
    p->joins = false;
}

/* Whether a transaction that adds ports is under way: it is not known yet
 * whether the port that is not seen is there. */
static bool
is_port_added(const struct vdpad_planner *p)
{
    for (size_t i = 0; i < p->memory->n; i++) {
        const struct vdpad_memory_entry *e = &p->memory->entries[i];

        if (e->in_flight && !strncmp(e->key, "port-add ", 9)) {
            return true;
        }
    }
    return false;
}

bool
vdpad_plan_detach(struct vdpad_planner *p, struct vdpad_dev *dev)
{
    const struct vdpad_db_iface *iface =
        dev->iface && vdpad_iface_is_ours(dev->iface) ? dev->iface
                                                      : find_renamed(p, dev);

    if (iface) {
        ask_del(p, dev, iface, "its device is being removed");
    }
    return iface || is_port_added(p);
}
