/* SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lookup.h"
#include "util.h"
#include "world-internal.h"

const char *
vdpad_state_name(enum vdpad_state state)
{
    switch (state) {
    case VDPAD_STATE_READY:
        return "ready";
    case VDPAD_STATE_APPLYING:
        return "applying";
    case VDPAD_STATE_WAITING:
        return "waiting";
    case VDPAD_STATE_BLOCKED:
        return "blocked";
    case VDPAD_STATE_FAILED:
        return "failed";
    case VDPAD_STATE_REMOVING:
        return "removing";
    case VDPAD_STATE_FOREIGN:
        return "foreign";
    case VDPAD_N_STATES:
        break;
    }
    return "?";
}

void
vdpad_world_problem(struct vdpad_world *w, const char *key, const char *word,
                    const char *format, ...)
{
    struct vdpad_problem *p;
    char text[VDPAD_REASON_SIZE];
    va_list args;

    w->problems = vdpad_grow(w->problems, w->n_problems,
                             &w->allocated_problems, sizeof *w->problems);
    p = &w->problems[w->n_problems++];
    p->is_refusal = false;
    va_start(args, format);
    (void) vsnprintf(text, sizeof text, format, args);
    va_end(args);
    vdpad_text(p->key, sizeof p->key, "%s", key);
    vdpad_text(p->word, sizeof p->word, "%s", word);
    vdpad_text(p->text, sizeof p->text, "%s", text);
}

static void
join_pfs(struct vdpad_world *w)
{
    const struct vdpad_observed *o = w->observed;
    const struct vdpad_pci *rows = VDPAD_OBSERVED_ROWS(o, VDPAD_PCI,
                                                       vdpad_pci);
    size_t n = VDPAD_OBSERVED_N(o, VDPAD_PCI);

    for (size_t i = 0; i < n; i++) {
        w->n_pfs += rows[i].totalvfs >= 0;
    }
    w->pfs = vdpad_xcalloc(w->n_pfs, sizeof *w->pfs);

    struct vdpad_pf *pf = w->pfs;

    for (size_t i = 0; i < n; i++) {
        if (rows[i].totalvfs < 0) {
            continue;
        }
        pf->pci = &rows[i];
        pf->eswitch = vdpad_find_eswitch(o, rows[i].bdf);
        pf->uplink = vdpad_find_uplink(o, rows[i].bdf);
        if (pf->uplink) {
            pf->uplink_feature = vdpad_find_feature(o, pf->uplink->ifindex);
        }
        pf->record = vdpad_record_find_pf(w->record, rows[i].bdf);
        for (size_t j = 0; j < n; j++) {
            pf->n_vfs += rows[j].vf_index >= 0
                         && !strcmp(rows[j].pf, rows[i].bdf);
        }
        pf->want_numvfs = -1;
        pf->want_mode = VDPAD_ESWITCH_NONE;
        pf->state = VDPAD_STATE_FOREIGN;
        pf++;
    }
}

static struct vdpad_dev *
new_dev(struct vdpad_world *w, size_t *allocated)
{
    w->devs = vdpad_grow(w->devs, w->n_devs, allocated, sizeof *w->devs);

    struct vdpad_dev *dev = &w->devs[w->n_devs++];

    memset(dev, 0, sizeof *dev);
    dev->vf_index = -1;
    dev->state = VDPAD_STATE_FOREIGN;
    return dev;
}

/* FNV-1a: the same address for the same VF of the same host, for ever. */
static void
stable_mac(const char *seed, const char *vf, uint8_t mac[6])
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);

    for (int part = 0; part < 2; part++) {
        for (const char *p = part ? vf : seed; *p; p++) {
            h = (h ^ (uint8_t) *p) * UINT64_C(0x100000001b3);
        }
        h = (h ^ 0xff) * UINT64_C(0x100000001b3);
    }
    for (int i = 0; i < 6; i++) {
        mac[i] = (uint8_t) (h >> (8 * i));
    }
    mac[0] = (uint8_t) ((mac[0] & 0xfc) | 0x02);
}

static void
base_mac(const uint8_t base[6], int32_t index, uint8_t mac[6])
{
    uint32_t low = ((uint32_t) base[3] << 16 | (uint32_t) base[4] << 8
                    | base[5])
                   + (uint32_t) index;

    memcpy(mac, base, 3);
    mac[3] = (uint8_t) (low >> 16);
    mac[4] = (uint8_t) (low >> 8);
    mac[5] = (uint8_t) low;
}

/* Writes the name that 'template' gives.  The parser has refused unknown
 * fields. */
static void
expand_name(const char *template, const char *vf, const char *pf,
            int32_t index, char name[VDPAD_NAME_SIZE])
{
    size_t n = 0;

    for (const char *p = template; *p && n < VDPAD_NAME_SIZE - 1; p++) {
        int len;

        if (*p != '%' || !p[1]) {
            name[n++] = *p;
            continue;
        }
        p++;
        if (*p == 'v') {
            len = snprintf(name + n, VDPAD_NAME_SIZE - n, "%d", index);
        } else {
            len = snprintf(name + n, VDPAD_NAME_SIZE - n, "%s",
                           *p == 'a'   ? vf
                           : *p == 'p' ? pf
                                       : "%");
        }
        n += len > 0 ? (size_t) len : 0;
    }
    n = n < VDPAD_NAME_SIZE - 1 ? n : VDPAD_NAME_SIZE - 1;
    memset(name + n, 0, VDPAD_NAME_SIZE - n);
}

/* Fills what the kernel shows of the VF of 'dev'. */
static void
join_vf(struct vdpad_world *w, struct vdpad_dev *dev)
{
    const struct vdpad_observed *o = w->observed;

    dev->rep = vdpad_find_representor(o, dev->pf->pci->bdf, dev->vf_index,
                                      &dev->dlport);
    if (dev->vf) {
        dev->mgmtdev = vdpad_find_mgmtdev(o, dev->vf->bdf);
        dev->vdpa = vdpad_find_vdpa_of(o, dev->vf->bdf);
        dev->vbus = vdpad_find_vbus_of(o, dev->vf->bdf);
        dev->record = vdpad_record_find_dev(w->record, dev->vf->bdf);
    }
    if (dev->rep) {
        dev->rep_feature = vdpad_find_feature(o, dev->rep->ifindex);
        dev->flow = vdpad_find_flow(o, dev->rep->ifindex);
        dev->qdisc = vdpad_find_qdisc(o, dev->rep->ifindex);
        dev->iface = vdpad_find_iface(w->db, dev->rep->name);
        if (dev->iface && !vdpad_iface_has_netdev(dev->iface)) {
            dev->iface = NULL;
        }
    }
}

static void
join_rest(struct vdpad_world *w, struct vdpad_dev *dev)
{
    const char *name = dev->vdpa   ? dev->vdpa->name
                       : dev->vbus ? dev->vbus->name
                                   : NULL;

    if (dev->vbus && dev->vbus->driver[0]) {
        dev->holders = vdpad_find_holders(w->observed, dev->vbus->chardev,
                                          &dev->n_holders);
    } else if (name) {
        dev->holders = vdpad_find_late_holders(w->observed, &dev->n_holders);
    }
    if (name) {
        vdpad_copy(dev->name, sizeof dev->name, name);
        dev->owner = dev->record && !strcmp(dev->record->name, name)
                         ? VDPAD_OWNER_US
                         : VDPAD_OWNER_FOREIGN;
    }
}

/* Decides what is wanted of 'dev', a VF of a PF. */
static void
set_intent(const struct vdpad_resolver *r, struct vdpad_dev *dev,
           const struct vdpad_policy *policy)
{
    bool kept = false; /* For a policy that cannot be applied now. */
    bool withdrawn = false;

    if (dev->record) {
        dev->policy_name = dev->record->policy;
        switch (vdpad_resolve_status(r, dev->record->policy)) {
        case VDPAD_POLICY_APPLIED:
        case VDPAD_POLICY_SUSPENDED:
        case VDPAD_POLICY_GONE:
            withdrawn = true;
            break;
        case VDPAD_POLICY_REFUSED:
            kept = true;
            dev->frozen_by = "is refused (config/show)";
            break;
        case VDPAD_POLICY_UNSURE:
            kept = true;
            dev->frozen_by = "names a network device that no PF has "
                             "(config/show)";
            break;
        case VDPAD_POLICY_LOST:
            dev->frozen_by = r->world->db
                                 ? "is of another database (config/show)"
                                 : "is not known until the database is read";
            break;
        }
    }
    if (policy && policy->type != VDPAD_TYPE_NONE
        && (!kept || !strcmp(dev->record->policy, policy->name))) {
        dev->intent = VDPAD_INTENT_APPLY;
        dev->policy = policy;
        dev->policy_name = policy->name;
    } else if (dev->record) {
        dev->intent = withdrawn ? VDPAD_INTENT_REMOVE : VDPAD_INTENT_FREEZE;
    }
}

/* Adds the VFs of 'pf' that have a vDPA device, had one of ours, or should
 * have one. */
static void
join_devs_of(const struct vdpad_resolver *r, struct vdpad_pf *pf,
             size_t *allocated)
{
    struct vdpad_world *w = r->world;
    const struct vdpad_pci *rows = VDPAD_OBSERVED_ROWS(w->observed, VDPAD_PCI,
                                                       vdpad_pci);
    int32_t n = pf->pci->numvfs > pf->want_numvfs ? pf->pci->numvfs
                                                  : pf->want_numvfs;
    const struct vdpad_pci **vfs = vdpad_xcalloc((size_t) (n > 0 ? n : 0),
                                                 sizeof *vfs);

    for (size_t i = 0; i < VDPAD_OBSERVED_N(w->observed, VDPAD_PCI); i++) {
        if (rows[i].vf_index >= 0 && rows[i].vf_index < n
            && !strcmp(rows[i].pf, pf->pci->bdf)) {
            vfs[rows[i].vf_index] = &rows[i];
        }
    }
    pf->n_vf_policies = n > 0 ? n : 0;
    pf->vf_policies = vdpad_xcalloc((size_t) pf->n_vf_policies,
                                    sizeof *pf->vf_policies);
    for (int32_t i = 0; i < n; i++) {
        const struct vdpad_policy *policy = vdpad_resolve_vf(r, pf, i);

        pf->vf_policies[i] = policy;

        struct vdpad_dev dev = {
            .pf = pf, .vf_index = i, .vf = vfs[i], .state = VDPAD_STATE_FOREIGN
        };

        if (vfs[i] || (policy && policy->type != VDPAD_TYPE_NONE)) {
            join_vf(w, &dev);
            set_intent(r, &dev, policy);
        }
        if (!dev.vdpa && !dev.vbus && dev.intent == VDPAD_INTENT_NONE) {
            continue;
        }
        if (!vfs[i]) {
            vdpad_text(dev.name, sizeof dev.name, "%s#%d", pf->pci->bdf, i);
        } else if (dev.policy) {
            expand_name(dev.policy->name_template, vfs[i]->bdf, pf->pci->bdf,
                        i, dev.name);
        } else if (dev.record && dev.record->name[0]) {
            vdpad_copy(dev.name, sizeof dev.name, dev.record->name);
        } else {
            vdpad_copy(dev.name, sizeof dev.name, vfs[i]->bdf);
        }
        join_rest(w, &dev);
        *new_dev(w, allocated) = dev;
    }
    free(vfs);
}

/* vDPA devices without a VF that we know (simulators, VDUSE). */
static void
join_others(struct vdpad_world *w, size_t *allocated)
{
    const struct vdpad_vbus *rows = VDPAD_OBSERVED_ROWS(w->observed,
                                                        VDPAD_VBUS,
                                                        vdpad_vbus);
    size_t n = w->n_devs;

    for (size_t i = 0; i < VDPAD_OBSERVED_N(w->observed, VDPAD_VBUS); i++) {
        bool known = false;

        for (size_t d = 0; d < n && !known; d++) {
            known = w->devs[d].vbus == &rows[i];
        }
        if (!known) {
            struct vdpad_dev *dev = new_dev(w, allocated);

            dev->vbus = &rows[i];
            dev->vdpa = vdpad_find_vdpa(w->observed, rows[i].name);
            join_rest(w, dev);
        }
    }
}

/* Where the port of 'dev' belongs is in a key that is refused: it stays where
 * it is. */
static void
keep_attached(const struct vdpad_world *w, struct vdpad_dev *dev)
{
    dev->attach_refused = true;
    for (size_t i = 0; w->db && i < w->db->n_ifaces; i++) {
        const struct vdpad_db_iface *iface = &w->db->ifaces[i];
        const char *vf = vdpad_map_get(&iface->external_ids, "vdpa-vf");

        if (iface == dev->iface
            || (vf && dev->vf && !strcmp(vf, dev->vf->bdf)
                && vdpad_iface_is_ours(iface))) {
            const struct vdpad_db_port *port = &w->db->ports[iface->port];

            dev->want_attach = true;
            dev->bridge = w->db->bridges[port->bridge].name;
        }
    }
}

/* Resolves what the policy and the port ask for to numbers. */
static void
set_wishes(struct vdpad_world *w, struct vdpad_dev *dev, const char *seed)
{
    const struct vdpad_policy *policy = dev->policy;
    const struct vdpad_port_spec *spec = dev->port_spec;

    dev->mtu = spec && spec->mtu ? spec->mtu : policy->mtu;
    if (spec && spec->has_mac) {
        dev->want_mac = true;
        memcpy(dev->mac, spec->mac, sizeof dev->mac);
    } else if (policy->mac_mode == VDPAD_MAC_STABLE && dev->vf) {
        dev->want_mac = true;
        stable_mac(seed, dev->vf->bdf, dev->mac);
    } else if (policy->mac_mode == VDPAD_MAC_BASE) {
        dev->want_mac = true;
        base_mac(policy->base_mac, dev->vf_index, dev->mac);
    }
    dev->max_vqp = policy->max_vqp;
    if (dev->max_vqp < 0) {
        /* The control queue counts in max_vqs (mlx5_vdpa, drivers/vdpa/mlx5/
         * net/mlx5_vnet.c of 6.12: mgtdev->max_supported_vqs). */
        dev->max_vqp = dev->mgmtdev && dev->mgmtdev->max_vqs > 2
                           ? (int32_t) ((dev->mgmtdev->max_vqs - 1) / 2)
                           : 0;
    }
    if (w->config->attach_refused
        || (w->config->bridge_refused && !(spec && spec->bridge))) {
        keep_attached(w, dev);
        return;
    }
    dev->want_attach = w->config->attach != VDPAD_ATTACH_NONE
                       && (spec || w->config->attach == VDPAD_ATTACH_AUTO);
    if (dev->want_attach) {
        dev->bridge = spec && spec->bridge ? spec->bridge : w->config->bridge;
    }
}

/* Tells of policies that the record knows and this database does not. */
static void
check_lost(const struct vdpad_resolver *r)
{
    struct vdpad_world *w = r->world;

    for (size_t i = 0; w->db && i < w->record->n_policies; i++) {
        const char *name = w->record->policies[i].name;
        char key[VDPAD_NAME_SIZE];

        if (vdpad_resolve_status(r, name) == VDPAD_POLICY_LOST) {
            vdpad_text(key, sizeof key, VDPAD_KEY_POLICY "%s", name);
            vdpad_world_problem(w, key, "",
                                "policy %s was applied from "
                                "another database and this one does not have "
                                "it; what runs is kept: set the key again, "
                                "or `teardown %s`",
                                name, name);
        }
    }
}

/* Whether 'name' is in the configuration: what it selects is known then. */
static bool
is_understood(const struct vdpad_config *c, const char *name)
{
    for (size_t i = 0; i < c->n_policies; i++) {
        if (!strcmp(c->policies[i].name, name)) {
            return true;
        }
    }
    return false;
}

/* Whether the record has a policy that must not be taken for withdrawn and of
 * which nobody knows which PFs it means. */
static bool
any_frozen(const struct vdpad_resolver *r)
{
    const struct vdpad_record *record = r->world->record;

    for (size_t i = 0; i < record->n_policies; i++) {
        const char *name = record->policies[i].name;
        enum vdpad_policy_status status = vdpad_resolve_status(r, name);

        if (status == VDPAD_POLICY_LOST || status == VDPAD_POLICY_UNSURE
            || (status == VDPAD_POLICY_REFUSED
                && !is_understood(r->world->config, name))) {
            return true;
        }
    }
    return !r->world->db;
}

struct vdpad_world *
vdpad_world_new(const struct vdpad_observed *observed,
                const struct vdpad_snapshot *db, bool db_connected,
                const struct vdpad_config *config,
                const struct vdpad_record *record, const char *seed)
{
    struct vdpad_world *w = vdpad_xcalloc(1, sizeof *w);
    struct vdpad_resolver r = {
        .world = w,
        .refused = vdpad_xcalloc(config->n_policies, sizeof *r.refused),
        .unsure = vdpad_xcalloc(config->n_policies, sizeof *r.unsure),
    };
    size_t allocated = 0;

    w->observed = observed;
    w->db = db;
    w->config = config;
    w->record = vdpad_record_copy(record);
    w->db_connected = db_connected;

    join_pfs(w);
    vdpad_resolve_policies(&r);
    check_lost(&r);

    bool frozen = any_frozen(&r);

    for (size_t i = 0; i < w->n_pfs; i++) {
        vdpad_resolve_pf(&r, &w->pfs[i]);
        w->pfs[i].frozen |= frozen;
        join_devs_of(&r, &w->pfs[i], &allocated);
        vdpad_resolve_ranges(&r, &w->pfs[i]);
    }
    join_others(w, &allocated);
    vdpad_resolve_ports(w);
    for (size_t i = 0; i < w->n_devs; i++) {
        if (w->devs[i].intent == VDPAD_INTENT_APPLY) {
            struct vdpad_dev *dev = &w->devs[i];

            set_wishes(w, dev, seed);
            if (dev->pf && dev->mtu > dev->pf->want_mtu) {
                dev->pf->want_mtu = dev->mtu;
            }
        }
    }
    free(r.refused);
    free(r.unsure);
    return w;
}

void
vdpad_world_free(struct vdpad_world *w)
{
    if (w) {
        for (size_t i = 0; i < w->n_pfs; i++) {
            free(w->pfs[i].vf_policies);
        }
        free(w->pfs);
        free(w->devs);
        free(w->problems);
        vdpad_record_free(w->record);
        free(w);
    }
}

static bool
is_called(const struct vdpad_dev *dev, const char *name)
{
    const char *iface_id = dev->iface
                               ? vdpad_map_get(&dev->iface->external_ids,
                                               "iface-id")
                               : NULL;

    return !strcmp(dev->name, name) || (dev->vf && !strcmp(dev->vf->bdf, name))
           || (dev->rep && !strcmp(dev->rep->name, name))
           || (dev->vbus
               && (!strcmp(dev->vbus->chardev, name)
                   || !strcmp(dev->vbus->netdev, name)))
           || (iface_id && !strcmp(iface_id, name));
}

const struct vdpad_dev *
vdpad_world_find(const struct vdpad_world *w, const char *name)
{
    for (size_t i = 0; *name && i < w->n_devs; i++) {
        if (is_called(&w->devs[i], name)) {
            return &w->devs[i];
        }
    }
    for (size_t i = 0; i < w->n_devs; i++) {
        const struct vdpad_port_spec *spec = w->devs[i].port_spec;

        if (spec && !strcmp(spec->iface_id, name)) {
            return &w->devs[i];
        }
    }
    return NULL;
}

bool
vdpad_dev_is_driven(const struct vdpad_dev *dev)
{
    return dev->vbus && !strcmp(dev->vbus->driver, "vhost_vdpa") && dev->vdpa
           && dev->vdpa->negotiated;
}

bool
vdpad_dev_in_use(const struct vdpad_dev *dev, char text[VDPAD_REASON_SIZE])
{
    if (dev->n_holders) {
        vdpad_text(text, VDPAD_REASON_SIZE, "in use by pid %d (%s)",
                   dev->holders[0].pid, dev->holders[0].command);
        return true;
    }
    if (dev->vbus && dev->vbus->netdev_away) {
        vdpad_text(text, VDPAD_REASON_SIZE,
                   "in use: its netdev is in another "
                   "network namespace");
        return true;
    }
    if (vdpad_dev_is_driven(dev)) {
        vdpad_text(text, VDPAD_REASON_SIZE,
                   "in use: features 0x%llx are negotiated on %s, though no "
                   "process is seen to have it open",
                   (unsigned long long) dev->vdpa->negotiated,
                   dev->vbus->chardev);
        return true;
    }
    return false;
}
