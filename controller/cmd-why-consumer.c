/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of what programs that hand out devices have left on the host. */
#include <string.h>

#include "cmd-why.h"
#include "consumer.h"
#include "json-rows.h"
#include "lookup.h"
#include "util.h"

#define OK VDPAD_CHECK_OK
#define FAIL VDPAD_CHECK_FAIL
#define UNKNOWN VDPAD_CHECK_UNKNOWN
#define MASK(CLASS) (1u << (CLASS))

/* os-vif and CNI plugins look a representor up by its VF when they unplug it;
 * if it has gone or been renamed by then they fail, and the row stays for
 * ever. */
static void
stale_ports(const struct vdpad_check_input *in, struct vdpad_finding *f)
{
    const struct vdpad_world *world = in->world;
    const struct vdpad_db_iface *first = NULL;
    enum vdpad_iface_life worst = VDPAD_IFACE_ALIVE;
    char word[VDPAD_SHELL_SIZE], more[32] = "";
    size_t n = 0;

    if (!world->db) {
        vdpad_found(f, UNKNOWN, "the database was not read yet");
        return;
    }
    if (!vdpad_check_knows(in, VDPAD_LINK, f)) {
        return;
    }
    for (size_t i = 0; i < world->db->n_ifaces; i++) {
        const struct vdpad_db_iface *iface = &world->db->ifaces[i];
        enum vdpad_iface_life life = vdpad_iface_life(world, iface);

        /* A port of ours is looked after; what nobody has marked may be
         * anything. */
        if (life == VDPAD_IFACE_ALIVE || vdpad_iface_is_ours(iface)
            || (life == VDPAD_IFACE_ORPHAN && !vdpad_consumer(iface))) {
            continue;
        }
        n++;
        if (life > worst) {
            worst = life;
            first = iface;
        }
    }
    if (!first) {
        vdpad_found(f, OK, "every port has its network device");
        return;
    }
    const char *maker = vdpad_consumer(first);
    if (n > 1) {
        vdpad_text(more, sizeof more, ", and %zu more", n - 1);
    }
    vdpad_found(f, worst == VDPAD_IFACE_DEAD ? FAIL : UNKNOWN,
                "port %s of bridge %s%s%s has no network device: %s%s",
                first->name, vdpad_bridge_of(world, first)->name,
                maker ? ", made by " : "", maker ? maker : "",
                worst == VDPAD_IFACE_DEAD
                    ? "its representor has gone or was renamed"
                    : "its representor has gone or was renamed, or its "
                      "machine is not running",
                more);
    vdpad_remedy(f, "when nothing uses it any more: ovs-vsctl del-port %s",
                 vdpad_shell_word(vdpad_port_of(world, first)->name, word));
}

/* os-vif asks for a port on its bridge with "may exist": one that is already
 * on another bridge stays there, and os-vif says that all is well. */
static void
consumer_bridge(const struct vdpad_check_input *in, struct vdpad_finding *f)
{
    const struct vdpad_db_iface *iface = in->dev->iface;
    const char *maker = iface ? vdpad_consumer(iface) : NULL;
    char word[VDPAD_SHELL_SIZE];

    if (!maker) {
        vdpad_skip(f);
        return;
    }
    const char *is = vdpad_bridge_of(in->world, iface)->name;
    const char *wanted = in->world->config->bridge;
    bool ok = !strcmp(is, wanted);
    vdpad_found(f, ok ? OK : FAIL,
                "%s has plugged %s, which is in bridge %s%s%s", maker,
                iface->name, is, ok ? "" : ", not in vdpa-bridge ",
                ok ? "" : wanted);
    if (!ok) {
        vdpad_remedy(f,
                     "ovs-vsctl del-port %s, then have %s plug it again; or "
                     "set external_ids:vdpa-bridge",
                     vdpad_shell_word(vdpad_port_of(in->world, iface)->name,
                                      word),
                     maker);
    }
}

/* A domain whose <interface> has no <mac> gets a random one from libvirt.  A
 * device that has an address keeps it, so that libvirt, and whoever asks it,
 * knows a wrong one; one that has none takes what it is given, and port
 * security drops what its guest sends. */
static void
guest_mac(const struct vdpad_check_input *in, struct vdpad_finding *f)
{
    const struct vdpad_dev *dev = in->dev;
    const struct vdpad_holder *h = dev->n_holders ? &dev->holders[0] : NULL;
    const char *attached = dev->iface
                               ? vdpad_map_get(&dev->iface->external_ids,
                                               "attached-mac")
                               : NULL;
    bool has_own = dev->vdpa && dev->vdpa->has_mac;
    char wanted[18] = "", word[VDPAD_SHELL_SIZE];
    uint8_t mac[6];

    if (has_own || (attached && !vdpad_mac_parse(attached, mac))) {
        vdpad_mac_text(has_own ? dev->vdpa->mac : mac, wanted);
    }
    if (!h || !h->macs[0] || !wanted[0]) {
        vdpad_skip(f);
        return;
    }
    bool ok = strstr(h->macs, wanted);
    vdpad_found(f, ok ? OK : FAIL, "pid %d gives its guest %s, %s %s", h->pid,
                h->macs, has_own ? "the device has" : "attached-mac is",
                wanted);
    if (!ok) {
        vdpad_remedy(f,
                     "without <mac> in a domain's <interface> libvirt makes "
                     "one up: use what ovs-appctl -t ovs-vdpad "
                     "export/libvirt %s prints",
                     vdpad_shell_word(dev->name, word));
    }
}

const struct vdpad_check vdpad_checks_consumer[] = {
    { "stale-ports", stale_ports, 0 },
    { NULL, NULL, 0 },
};

const struct vdpad_check vdpad_checks_consumer_port[] = {
    { "consumer-bridge", consumer_bridge, 0 },
    { "guest-mac", guest_mac, MASK(VDPAD_VDPA) },
    { NULL, NULL, 0 },
};
