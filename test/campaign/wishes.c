/* SPDX-License-Identifier: Apache-2.0 */
/* What the keys ask for, read once more here: as far as the values go that
 * actions.c writes, and without any code of the daemon's. */
#include "campaign.h"

#include <stdlib.h>
#include <string.h>

/* The value of 'word' in 'text', "key=value ..."; false: it has none. */
static bool
word(const char *text, const char *key, char *value, size_t size)
{
    size_t len = strlen(key);

    while (*text) {
        size_t n = strcspn(text, " ");

        if (n > len && !strncmp(text, key, len) && text[len] == '=') {
            (void) snprintf(value, size, "%.*s", (int) (n - len - 1),
                            text + len + 1);
            return true;
        }
        text += n + strspn(text + n, " ");
    }
    return false;
}

static bool
has(const char *text, const char *key)
{
    char value[64];

    return word(text, key, value, sizeof value);
}

static bool
is(const char *text, const char *key, const char *value)
{
    char have[64];

    return word(text, key, have, sizeof have) && !strcmp(have, value);
}

static bool
is_suspended(const struct intent *intent, unsigned int policy)
{
    char name[8];

    (void) snprintf(name, sizeof name, "p%u", policy);
    return !strcmp(intent->suspended, "*")
           || strstr(intent->suspended, name) != NULL;
}

/* Whether policy 'text' is about PF 'pf', and its VF 'vf' (-1: any). */
static bool
selects(const char *text, int pf, int vf)
{
    char value[64], bdf[32], uplink[16];
    char *ranges;
    int first, last;

    (void) snprintf(bdf, sizeof bdf, "0000:%02x:00.0", 0x65 + pf);
    (void) snprintf(uplink, sizeof uplink, "up%d", pf);
    if (!word(text, "pf", value, sizeof value)) {
        return false;
    }
    ranges = strchr(value, '#');
    if (ranges) {
        *ranges++ = '\0';
    }
    if (strcmp(value, bdf) != 0 && strcmp(value, uplink) != 0) {
        return false;
    }
    if (vf < 0 || !ranges) {
        return true;
    }
    first = last = (int) strtol(ranges, &ranges, 10);
    if (*ranges == '-') {
        last = (int) strtol(ranges + 1, NULL, 10);
    }
    return vf >= first && vf <= last;
}

static int
policy_of(const struct intent *intent, int pf, int vf)
{
    long best = 0;
    int found = -1;

    for (unsigned int i = 0; i < N_POLICIES; i++) {
        const char *text = intent->policies[i];
        char value[16];

        if (!is_suspended(intent, i) && selects(text, pf, vf)) {
            long priority = word(text, "priority", value, sizeof value)
                                ? strtol(value, NULL, 10)
                                : 99;

            if (found < 0 || priority < best) {
                found = (int) i;
                best = priority;
            }
        }
    }
    return found;
}

void
wish_for_vf(const struct campaign *c, int pf, int vf, struct vf_wish *wish)
{
    const struct intent *intent = &c->intent;
    int policy = policy_of(intent, pf, vf);
    const char *text = policy < 0 ? "" : intent->policies[policy];
    char name[16], bdf[32], value[16];

    memset(wish, 0, sizeof *wish);
    (void) snprintf(name, sizeof name, "p%d", policy);
    (void) snprintf(bdf, sizeof bdf, "0000:%02x:00.%d", 0x65 + pf, 2 + vf);
    wish->is_vhost = is(text, "vdpa-type", "vhost");
    wish->is_virtio = is(text, "vdpa-type", "virtio");
    wish->is_vdpa = wish->is_vhost || wish->is_virtio;
    wish->is_vfio = is(text, "device-type", "vfio-pci");
    wish->has_mac = has(text, "mac");
    wish->has_base_mac = is(text, "mac", "02:00:00:00:01:00");
    wish->has_max_vqp = has(text, "max-vqp");
    if (word(text, "mtu", value, sizeof value)) {
        wish->mtu = (unsigned int) strtoul(value, NULL, 10);
    }
    if (word(text, "max-vqp", value, sizeof value)) {
        wish->max_vqp = (unsigned int) strtoul(value, NULL, 10);
    }
    wish->is_attached = wish->is_vdpa
                        && (!intent->attach[0]
                            || !strcmp(intent->attach, "auto"));
    for (unsigned int i = 0; wish->is_vdpa && i < N_PORTS; i++) {
        const char *port = intent->ports[i];

        if (is(port, "vf", bdf)) {
            wish->has_port = true;
            wish->mtu = has(port, "mtu") ? 9000 : wish->mtu;
            wish->is_attached |= !strcmp(intent->attach, "declared");
        } else if (policy >= 0 && is(port, "policy", name)) {
            wish->may_have_port = true;
        }
    }
}

void
wish_for_pf(const struct campaign *c, int pf, struct pf_wish *wish)
{
    memset(wish, 0, sizeof *wish);
    for (unsigned int i = 0; i < N_POLICIES; i++) {
        const char *text = c->intent.policies[i];

        if (is_suspended(&c->intent, i) || !selects(text, pf, -1)) {
            continue;
        }
        wish->is_managed = true;
        if (is(text, "externally-managed", "true")) {
            wish->is_external = true;
            continue;
        }
        wish->is_vdpa |= is(text, "vdpa-type", "vhost")
                         || is(text, "vdpa-type", "virtio");
        wish->has_mode |= wish->is_vdpa || has(text, "eswitch-mode");
        wish->has_numvfs |= has(text, "num-vfs");
        wish->has_mtu |= has(text, "mtu");
    }
}

bool
wish_for_offload(const struct campaign *c)
{
    bool any = false;

    for (unsigned int i = 0; i < N_POLICIES; i++) {
        any |= c->intent.policies[i][0] != '\0';
    }
    for (unsigned int i = 0; i < N_PORTS; i++) {
        any |= c->intent.ports[i][0] != '\0';
    }
    return any && strcmp(c->intent.hw_offload, "false") != 0;
}
