/* SPDX-License-Identifier: Apache-2.0 */
/* The words of vdpa-port-IFACEID. */
#include "config-parse.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum port_word {
    W_DEVICE,
    W_VF,
    W_POLICY,
    W_MAC,
    W_MTU,
    W_TAG,
    W_TRUNKS,
    W_BRIDGE,
    W_IFACE_ID_VER,
    W_VM_UUID,
    W_N
};

static bool
parse_device(struct vdpad_parse *p, const char *value, void *port_)
{
    struct vdpad_port_spec *port = port_;

    if (!vdpad_is_plain(value, VDPAD_NAME_SIZE - 1) || strchr(value, '/')
        || value[0] == '.') {
        return vdpad_refuse(p,
                            "device= must be the name of a vDPA device, up "
                            "to %d characters without '/' and without a "
                            "leading '.'; write for example "
                            "device=vdpa:0000:65:00.2",
                            VDPAD_NAME_SIZE - 1);
    }
    port->device = vdpad_xstrdup(value);
    return true;
}

static bool
parse_vf(struct vdpad_parse *p, const char *value, void *port_)
{
    struct vdpad_port_spec *port = port_;
    char bdf[VDPAD_BDF_SIZE], word[VDPAD_WORD_TEXT];

    if (vdpad_bdf_parse(value, bdf)) {
        vdpad_printable(p->word, 64, word, sizeof word);
        return vdpad_refuse(p,
                            "%s is not a PCI address; write for example "
                            "vf=0000:65:00.2",
                            word);
    }
    port->vf = vdpad_xstrdup(bdf);
    return true;
}

static bool
parse_policy(struct vdpad_parse *p, const char *value, void *port_)
{
    struct vdpad_port_spec *port = port_;
    char word[VDPAD_WORD_TEXT];

    if (!vdpad_is_policy_name(value)) {
        vdpad_printable(p->word, 64, word, sizeof word);
        return vdpad_refuse(p,
                            "%s cannot be the name of a policy; write the "
                            "NAME of a key " VDPAD_KEY_POLICY "NAME",
                            word);
    }
    port->policy = vdpad_xstrdup(value);
    return true;
}

static bool
parse_mac(struct vdpad_parse *p, const char *value, void *port_)
{
    struct vdpad_port_spec *port = port_;

    port->has_mac = vdpad_parse_unicast(p, value, port->mac);
    return port->has_mac;
}

static bool
parse_mtu(struct vdpad_parse *p, const char *value, void *port_)
{
    struct vdpad_port_spec *port = port_;
    return vdpad_parse_mtu(p, value, &port->mtu);
}

static bool
parse_tag(struct vdpad_parse *p, const char *value, void *port_)
{
    struct vdpad_port_spec *port = port_;
    uint32_t n;

    if (!vdpad_parse_number(p, value, 0, 4095, "100", &n)) {
        return false;
    }
    port->tag = n;
    return true;
}

static bool
parse_trunks(struct vdpad_parse *p, const char *value, void *port_)
{
    struct vdpad_port_spec *port = port_;
    struct vdpad_range *ranges;
    size_t n;

    if (!vdpad_parse_ranges(p, value, 4095, "VLAN ids", &ranges, &n)) {
        return false;
    }
    port->trunks = vdpad_xcalloc(4096, sizeof *port->trunks);
    uint32_t next = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t id = ranges[i].first > next ? ranges[i].first : next;
        for (; id <= ranges[i].last; id++) {
            port->trunks[port->n_trunks++] = id;
        }
        next = id;
    }
    port->trunks = vdpad_xrealloc(port->trunks, port->n_trunks,
                                  sizeof *port->trunks);
    free(ranges);
    return true;
}

static bool
parse_bridge(struct vdpad_parse *p, const char *value, void *port_)
{
    struct vdpad_port_spec *port = port_;

    if (!vdpad_ifname_is_valid(value)) {
        return vdpad_refuse(p,
                            "bridge= must be up to %d characters without "
                            "'/' and ':'; write for example bridge=br-int",
                            VDPAD_IFNAME_SIZE - 1);
    }
    port->bridge = vdpad_xstrdup(value);
    return true;
}

static bool
parse_iface_id_ver(struct vdpad_parse *p, const char *value, void *port_)
{
    struct vdpad_port_spec *port = port_;

    if (!vdpad_is_plain(value, VDPAD_CONFIG_ID_MAX)) {
        return vdpad_refuse(p,
                            "iface-id-ver= must be up to %d printable "
                            "characters",
                            VDPAD_CONFIG_ID_MAX);
    }
    port->iface_id_ver = vdpad_xstrdup(value);
    return true;
}

static bool
parse_vm_uuid(struct vdpad_parse *p, const char *value, void *port_)
{
    static const char example[] = "9d2c5e1c-7a1c-4f52-a2e7-0b6a1f3d8c11";
    struct vdpad_port_spec *port = port_;
    bool ok = strlen(value) == sizeof example - 1;

    for (size_t i = 0; ok && value[i]; i++) {
        ok = example[i] == '-' ? value[i] == '-'
                               : isxdigit((unsigned char) value[i]);
    }
    if (!ok) {
        char word[VDPAD_WORD_TEXT];
        vdpad_printable(p->word, 64, word, sizeof word);
        return vdpad_refuse(p,
                            "%s is not a UUID; write for example "
                            "vm-uuid=%s",
                            word, example);
    }
    port->vm_uuid = vdpad_xstrdup(value);
    return true;
}

static const struct vdpad_word words[W_N] = {
    [W_DEVICE] = { "device", "vdpa:0000:65:00.2", false, parse_device },
    [W_VF] = { "vf", "0000:65:00.2", false, parse_vf },
    [W_POLICY] = { "policy", "NAME", false, parse_policy },
    [W_MAC] = { "mac", "02:00:00:00:01:00", false, parse_mac },
    [W_MTU] = { "mtu", "1500", false, parse_mtu },
    [W_TAG] = { "tag", "100", false, parse_tag },
    [W_TRUNKS] = { "trunks", "10,20", false, parse_trunks },
    [W_BRIDGE] = { "bridge", "br-int", false, parse_bridge },
    [W_IFACE_ID_VER] = { "iface-id-ver", "1", false, parse_iface_id_ver },
    [W_VM_UUID] = { "vm-uuid", "9d2c5e1c-7a1c-4f52-a2e7-0b6a1f3d8c11", false,
                    parse_vm_uuid },
};

bool
vdpad_port_spec_parse(struct vdpad_parse *p, const char *iface_id,
                      const char *value, struct vdpad_port_spec *port)
{
    *port = (struct vdpad_port_spec){
        .iface_id = vdpad_xstrdup(iface_id),
        .text = vdpad_xstrdup(value),
        .tag = -1,
    };
    if (!vdpad_parse_words(p, value, words, W_N, port)) {
        return false;
    }

    size_t before = p->n_errors;
    int n = !!port->device + !!port->vf + !!port->policy;
    if (n != 1) {
        vdpad_refuse(p,
                     "%s of device=, vf= and policy= is given; write "
                     "exactly one of them",
                     n ? "more than one" : "none");
    }
    if (port->tag >= 0 && port->n_trunks) {
        p->word = "trunks";
        vdpad_refuse(p, "trunks= has no effect beside tag=, which makes an "
                        "access port; drop one of the two");
        p->word = NULL;
    }
    return p->n_errors == before;
}

void
vdpad_port_spec_done(struct vdpad_port_spec *port)
{
    free(port->iface_id);
    free(port->text);
    free(port->device);
    free(port->vf);
    free(port->policy);
    free(port->trunks);
    free(port->bridge);
    free(port->iface_id_ver);
    free(port->vm_uuid);
}
