/* SPDX-License-Identifier: Apache-2.0 */
/* What an operator does: the configuration. */
#include "campaign.h"

#include <string.h>

#define SIZEOF(ARRAY) (sizeof(ARRAY) / sizeof(ARRAY)[0])

static void
set_policy(struct campaign *c, struct rng *r)
{
    static const char *const types[] = {
        "vdpa-type=vhost",    "vdpa-type=vhost",      "vdpa-type=virtio",
        "device-type=netdev", "device-type=vfio-pci", "eswitch-mode=switchdev",
    };
    static const char *const ranges[] = { "", "", "#0", "#0-1", "#1-2", "#3" };
    static const char *const names[] = {
        "", "", "", " name=dev-%p-%v", " name=one",
    };
    char *value = c->intent.policies[any(r, N_POLICIES)];
    bool external = chance(r, 10);
    unsigned int type = any(r, external ? 3 : SIZEOF(types));
    unsigned int pf = any(r, N_PFS);
    char selector[32];

    if (chance(r, 25)) {
        value[0] = '\0';
        return;
    }
    if (chance(r, 5)) {
        strcpy(value, chance(r, 50) ? "pf=nonsense#" : "num-vfs=many");
        return;
    }
    if (chance(r, 15)) {
        (void) snprintf(selector, sizeof selector, "up%u", pf);
    } else {
        (void) snprintf(selector, sizeof selector, "0000:%02x:00.0",
                        0x65 + pf);
    }
    (void) snprintf(value, sizeof c->intent.policies[0],
                    "pf=%s%s %s%s%s%s%s%s priority=%u", selector,
                    ranges[any(r, SIZEOF(ranges))], types[type],
                    external ? " externally-managed=true" : "",
                    chance(r, 25) ? " mtu=9000" : "",
                    type < 3 && chance(r, 20)   ? " mac=stable"
                    : type < 3 && chance(r, 10) ? " mac=02:00:00:00:01:00"
                                                : "",
                    type < 3 && chance(r, 20)
                        ? (chance(r, 50) ? " max-vqp=2" : " max-vqp=max")
                        : "",
                    type < 3 ? names[any(r, SIZEOF(names))] : "", any(r, 100));
    if (!external && chance(r, 85)) {
        size_t len = strlen(value);

        (void) snprintf(value + len, sizeof c->intent.policies[0] - len,
                        " num-vfs=%u",
                        chance(r, 80) ? 4 + any(r, 2) : any(r, 9));
    }
}

static void
set_port(struct campaign *c, struct rng *r)
{
    char *value = c->intent.ports[any(r, N_PORTS)];
    char where[48];

    if (chance(r, 30)) {
        value[0] = '\0';
        return;
    }
    if (chance(r, 50)) {
        (void) snprintf(where, sizeof where, "policy=p%u", any(r, N_POLICIES));
    } else {
        (void) snprintf(where, sizeof where, "vf=0000:%02x:00.%u",
                        0x65 + any(r, N_PFS), 2 + any(r, 4));
    }
    (void) snprintf(value, sizeof c->intent.ports[0], "%s%s%s%s", where,
                    chance(r, 30)   ? " tag=7"
                    : chance(r, 10) ? " trunks=10,20"
                                    : "",
                    chance(r, 15) ? " bridge=br-b" : "",
                    chance(r, 10)   ? " vm-uuid=u"
                    : chance(r, 10) ? " mtu=9000"
                                    : "");
}

static void
set_general(struct campaign *c, struct rng *r)
{
    static const char *const attach[] = { "", "auto", "declared", "none" };

    switch (any(r, 5)) {
    case 0:
        strcpy(c->intent.attach, attach[any(r, 4)]);
        break;
    case 1:
        strcpy(c->intent.bridge, chance(r, 50) ? "" : "br-b");
        break;
    case 2:
        strcpy(c->intent.hw_offload, chance(r, 50) ? "" : "false");
        break;
    case 3:
        strcpy(c->intent.junk, chance(r, 50) ? "" : "x");
        break;
    default:
        strcpy(c->intent.attach, "");
        break;
    }
}

/* By hand; the commands are among the faults, since they can fail. */
static void
set_suspended(struct campaign *c, struct rng *r)
{
    static const char *const values[] = { "", "", "p0", "p1 p2", "*" };

    strcpy(c->intent.suspended, values[any(r, SIZEOF(values))]);
}

static void
set_nothing(struct campaign *c, struct rng *r)
{
    (void) r;
    memset(&c->intent, 0, sizeof c->intent);
}

static void
write_key(struct campaign *c, const char *key, const char *value)
{
    const char *old = fdb_get(&c->db->external_ids, key);

    if (value[0] ? !old || strcmp(old, value) != 0 : old != NULL) {
        campaign_trace(c, "  key %s=%s", key, value);
        fdb_set(&c->db->external_ids, key, value[0] ? value : NULL);
    }
}

void
intent_write(struct campaign *c)
{
    const struct intent *i = &c->intent;
    char key[32];

    for (unsigned int n = 0; n < N_POLICIES; n++) {
        (void) snprintf(key, sizeof key, VDPAD_KEY_POLICY "p%u", n);
        write_key(c, key, i->policies[n]);
    }
    for (unsigned int n = 0; n < N_PORTS; n++) {
        (void) snprintf(key, sizeof key, VDPAD_KEY_PORT "lsp%u", n);
        write_key(c, key, i->ports[n]);
    }
    write_key(c, VDPAD_KEY_ATTACH, i->attach);
    write_key(c, VDPAD_KEY_BRIDGE, i->bridge);
    write_key(c, VDPAD_KEY_HW_OFFLOAD, i->hw_offload);
    write_key(c, VDPAD_KEY_SUSPENDED, i->suspended);
    write_key(c, "vdpa-junk", i->junk);
    c->intent_version = ++c->db->version;
    strcpy(c->suspended, i->suspended);
    tries_forget(c);
    changed_wishes(c);
}

void
intent_withdraw(struct campaign *c)
{
    memset(&c->intent, 0, sizeof c->intent);
    intent_write(c);
}

const struct action_kind intent_kinds[] = {
    { "policy", 50, true, set_policy },
    { "port", 20, true, set_port },
    { "general", 15, true, set_general },
    { "suspended", 10, true, set_suspended },
    { "nothing", 3, true, set_nothing },
};
const size_t n_intent_kinds = SIZEOF(intent_kinds);
