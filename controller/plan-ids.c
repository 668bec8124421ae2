/* SPDX-License-Identifier: Apache-2.0 */
#include "plan-ids.h"

#include <stdio.h>
#include <string.h>

#include "lookup.h"
#include "util.h"

static void
add_id(struct vdpad_port_ids *ids, const char *key, const char *value)
{
    if (value && ids->n < VDPAD_PORT_IDS_MAX) {
        ids->kv[ids->n++] = (struct vdpad_kv){ key, value };
    }
}

void
vdpad_wanted_ids(const struct vdpad_dev *dev, struct vdpad_port_ids *ids)
{
    const struct vdpad_port_spec *spec = dev->port_spec;
    const uint8_t *mac = NULL;

    memset(ids, 0, sizeof *ids);
    if (dev->vdpa && dev->vdpa->has_config && dev->vdpa->has_mac) {
        mac = dev->vdpa->mac;
    } else if (dev->want_mac) {
        mac = dev->mac;
    } else if (dev->dlport && dev->dlport->has_hw_addr) {
        mac = dev->dlport->hw_addr;
    }
    if (mac && (mac[0] | mac[1] | mac[2] | mac[3] | mac[4] | mac[5])) {
        (void) snprintf(ids->mac, sizeof ids->mac,
                        "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1],
                        mac[2], mac[3], mac[4], mac[5]);
        add_id(ids, "attached-mac", ids->mac);
    }
    if (spec) {
        add_id(ids, "iface-id", spec->iface_id);
        add_id(ids, "iface-id-ver", spec->iface_id_ver);
        add_id(ids, "vdpa-iface-id", spec->iface_id);
        add_id(ids, "vm-uuid", spec->vm_uuid);
    }
    if (vdpad_spec_has_vlan(spec)) {
        add_id(ids, "vdpa-vlan", spec->n_trunks ? "trunks" : "tag");
    }
    add_id(ids, "vdpa-device", dev->name);
    add_id(ids, "vdpa-vf", dev->vf->bdf);
}

const char *
vdpad_find_id(const struct vdpad_port_ids *ids, const char *key)
{
    for (size_t i = 0; i < ids->n; i++) {
        if (!strcmp(ids->kv[i].key, key)) {
            return ids->kv[i].value;
        }
    }
    return NULL;
}

static void
set_id(struct vdpad_planner *p, struct vdpad_dev *dev,
       const struct vdpad_db_iface *iface, const char *key, const char *value,
       const char *present)
{
    struct vdpad_dbop op = {
        .kind = VDPAD_DBOP_IFACE_EXTERNAL_ID,
        .port = iface->name,
        .uuid = iface->uuid,
        .key = key,
        .value = value,
        .tag = -1,
    };
    char reason[VDPAD_REASON_SIZE];

    vdpad_text(reason, sizeof reason,
               "external_ids:%s is %.100s, wanted "
               "%.100s",
               key, present ? present : "(none)", value ? value : "(none)");
    vdpad_ask_port(p, dev, &op, reason);
}

/* Whether 'key' of 'have' is there because a key of ours that is gone had
 * declared the port. */
static bool
is_left_over(const struct vdpad_map *have, const char *key)
{
    static const char *const declared[] = {
        "iface-id", "iface-id-ver", "vm-uuid", "vdpa-vlan", "vdpa-iface-id",
    };
    const char *was = vdpad_map_get(have, "vdpa-iface-id");

    for (size_t i = 0; was && i < sizeof declared / sizeof *declared; i++) {
        if (!strcmp(declared[i], key)) {
            /* Unless it is another program's by now. */
            return i > 0 || vdpad_streq(vdpad_map_get(have, key), was);
        }
    }
    return false;
}

/* Writes those of 'ids' that are not there. */
static void
set_wanted(struct vdpad_planner *p, struct vdpad_dev *dev,
           const struct vdpad_db_iface *iface,
           const struct vdpad_port_ids *ids)
{
    for (size_t i = 0; i < ids->n; i++) {
        const struct vdpad_kv *kv = &ids->kv[i];
        const char *present = vdpad_map_get(&iface->external_ids, kv->key);

        if (!vdpad_streq(present, kv->value)) {
            set_id(p, dev, iface, kv->key, kv->value, present);
        }
    }
}

void
vdpad_plan_ids(struct vdpad_planner *p, struct vdpad_dev *dev,
               const struct vdpad_db_iface *iface)
{
    const struct vdpad_map *have = &iface->external_ids;
    struct vdpad_port_ids ids;

    vdpad_wanted_ids(dev, &ids);
    set_wanted(p, dev, iface, &ids);
    for (size_t i = 0; i < have->n; i++) {
        if (is_left_over(have, have->kv[i].key)
            && !vdpad_find_id(&ids, have->kv[i].key)) {
            set_id(p, dev, iface, have->kv[i].key, NULL, have->kv[i].value);
        }
    }
}

/* Whether 'key' is the row's, whatever device has it. */
static bool
is_of_row(const char *key)
{
    return !strcmp(key, VDPAD_OWNER_KEY) || !strcmp(key, "vdpa-offload");
}

bool
vdpad_id_is_kept(const struct vdpad_map *ids, const char *key)
{
    return !is_of_row(key) && !is_left_over(ids, key);
}

/* Whether 'key' goes with the device from its former row, which has 'ids'.
 * While its key is 'refused', so does what that had asked for. */
static bool
is_carried(const struct vdpad_map *ids, const char *key, bool refused)
{
    return refused ? !is_of_row(key) : vdpad_id_is_kept(ids, key);
}

void
vdpad_exchange_ids(struct vdpad_planner *p, struct vdpad_dev *dev,
                   const struct vdpad_db_iface *old, bool refused)
{
    static const struct vdpad_map none;
    const struct vdpad_map *own = old ? &old->external_ids : &none;
    const struct vdpad_db_iface *iface = dev->iface;
    const struct vdpad_map *have = &iface->external_ids;
    struct vdpad_port_ids ids;

    vdpad_wanted_ids(dev, &ids);
    for (size_t i = 0; i < have->n; i++) {
        const struct vdpad_kv *kv = &have->kv[i];

        if (!vdpad_find_id(&ids, kv->key) && !is_of_row(kv->key)
            && (!is_carried(own, kv->key, refused)
                || !vdpad_map_get(own, kv->key))) {
            set_id(p, dev, iface, kv->key, NULL, kv->value);
        }
    }
    set_wanted(p, dev, iface, &ids);
    for (size_t i = 0; i < own->n; i++) {
        const struct vdpad_kv *kv = &own->kv[i];
        const char *present = vdpad_map_get(have, kv->key);

        if (is_carried(own, kv->key, refused) && !vdpad_find_id(&ids, kv->key)
            && !vdpad_streq(present, kv->value)) {
            set_id(p, dev, iface, kv->key, kv->value, present);
        }
    }
}
