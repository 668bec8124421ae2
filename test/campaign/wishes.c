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

/* 'suspended' is the key's value. */
bool
wish_is_suspended(const char *suspended, unsigned int policy)
{
    char name[8];

    (void) snprintf(name, sizeof name, "p%u", policy);
    return !strcmp(suspended, "*") || strstr(suspended, name) != NULL;
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

static long
number(const char *text, const char *key, long otherwise)
{
    char value[64];

    return word(text, key, value, sizeof value) ? strtol(value, NULL, 10)
                                                : otherwise;
}

static bool
wants_vdpa(const char *text)
{
    return is(text, "vdpa-type", "vhost") || is(text, "vdpa-type", "virtio");
}

/* Of the e-switch: "" when the policy leaves it alone. */
static const char *
wanted_mode(const char *text)
{
    return (wants_vdpa(text) && !has(text, "externally-managed"))
                   || has(text, "eswitch-mode")
               ? "switchdev"
               : "";
}

/* Whether the policy is refused for itself, or is none. */
static bool
is_bad(const char *text)
{
    char value[64];
    int n = 0;

    if (!word(text, "pf", value, sizeof value) || !strcmp(value, "nonsense#")
        || is(text, "num-vfs", "many")
        || (wants_vdpa(text) && number(text, "num-vfs", 1) == 0)) {
        return true;
    }
    for (int i = 0; i < N_PFS; i++) {
        for (int j = 0; j < N_VFS; j++) {
            bool is_beyond = j >= number(text, "num-vfs", N_VFS);

            if (selects(text, i, j)) {
                n += !is_beyond;
                if (strchr(value, '#') && is_beyond) {
                    return true;
                }
            }
        }
    }
    return n != 1 && is(text, "name", "one");
}

static bool
differ(const char *a, const char *b)
{
    return a[0] && b[0] && strcmp(a, b) != 0;
}

/* Whether two policies of the same priority cannot both be applied. */
static bool
is_conflict(const char *a, const char *b)
{
    char number_a[64] = "", number_b[64] = "";

    (void) word(a, "num-vfs", number_a, sizeof number_a);
    (void) word(b, "num-vfs", number_b, sizeof number_b);
    for (int i = 0; i < N_PFS; i++) {
        if (!selects(a, i, -1) || !selects(b, i, -1)) {
            continue;
        }
        for (int j = 0; j < N_VFS; j++) {
            if (selects(a, i, j) && selects(b, i, j)) {
                return true;
            }
        }
        if (differ(wanted_mode(a), wanted_mode(b))
            || differ(number_a, number_b)) {
            return true;
        }
    }
    return false;
}

/* Whether the policy names a netdev that its PF has not at present: then it is
 * about no PF. */
static bool
is_name_away(const struct campaign *c, const char *text)
{
    char name[16];
    unsigned int pf;

    if (sscanf(text, "pf=up%u", &pf) != 1 || pf >= N_PFS
        || !c->sim->pfs[pf].used) {
        return false;
    }
    (void) snprintf(name, sizeof name, "up%u", pf);
    return strcmp(c->sim->netdevs[c->sim->pfs[pf].uplink].link.name, name)
           != 0;
}

/* Fills 'order' with the policies that apply, most urgent first; returns how
 * many. */
static unsigned int
applied(const struct campaign *c, const char *suspended,
        const char *order[N_POLICIES])
{
    const struct intent *intent = &c->intent;
    unsigned int n = 0;

    for (unsigned int i = 0; i < N_POLICIES; i++) {
        const char *text = intent->policies[i];
        long priority = number(text, "priority", 99);
        bool out = wish_is_suspended(suspended, i) || is_bad(text)
                   || is_name_away(c, text);
        unsigned int at = n;

        for (unsigned int k = 0; k < n && !out; k++) {
            out = number(order[k], "priority", 99) == priority
                  && is_conflict(order[k], text);
        }
        if (out) {
            continue;
        }
        while (at > 0 && number(order[at - 1], "priority", 99) > priority) {
            order[at] = order[at - 1];
            at--;
        }
        order[at] = text;
        n++;
    }
    return n;
}

/* The policy of a VF; NULL: none. */
static const char *
policy_of(const struct campaign *c, const char *suspended, int pf, int vf)
{
    const char *order[N_POLICIES];
    unsigned int n = applied(c, suspended, order);

    for (unsigned int i = 0; i < n; i++) {
        if (selects(order[i], pf, vf)) {
            return order[i];
        }
    }
    return NULL;
}

static bool
is_named(const struct intent *intent, const char *policy, const char *port)
{
    char name[64];
    unsigned int i;

    return word(port, "policy", name, sizeof name)
           && sscanf(name, "p%u", &i) == 1 && i < N_POLICIES
           && policy == intent->policies[i];
}

static void
append(char *text, size_t size, const char *more)
{
    size_t len = strlen(text);

    (void) snprintf(text + len, size - len, "%s ", more);
}

void
wish_text(const struct campaign *c, int pf, int vf, char *text, size_t size)
{
    static const char *const words[] = {
        "vdpa-type", "device-type", "mtu", "mac", "max-vqp",
    };
    const struct intent *intent = &c->intent;
    const char *order[N_POLICIES];
    const char *policy = policy_of(c, c->suspended, pf, vf);
    unsigned int n = applied(c, c->suspended, order);
    char value[64] = "", mode[64] = "", vfs[64] = "", bdf[32];
    bool is_external = true, chosen = false;

    text[0] = '\0';
    for (size_t i = 0; policy && i < sizeof words / sizeof *words; i++) {
        append(text, size,
               word(policy, words[i], value, sizeof value) ? value : "-");
    }
    for (unsigned int i = 0; i < n; i++) {
        if (selects(order[i], pf, -1)
            && !is(order[i], "externally-managed", "true")) {
            is_external = false;
            if (!vfs[0]) {
                (void) word(order[i], "num-vfs", vfs, sizeof vfs);
            }
            if (!mode[0]) {
                (void) snprintf(mode, sizeof mode, "%s",
                                wanted_mode(order[i]));
            }
        }
    }
    append(text, size, is_external ? "external" : "ours");
    append(text, size, vfs);
    append(text, size, mode);
    append(text, size, intent->attach);
    append(text, size, intent->bridge);
    (void) snprintf(bdf, sizeof bdf, "0000:%02x:00.%d", 0x65 + pf, 2 + vf);
    for (unsigned int i = 0; policy && i < N_PORTS; i++) {
        chosen |= is_named(intent, policy, intent->ports[i]);
    }
    for (unsigned int i = 0; i < N_PORTS; i++) {
        if (chosen || is(intent->ports[i], "vf", bdf)) {
            append(text, size, intent->ports[i]);
        }
    }
    /* A port whose VF another policy takes moves to one of the others. */
    for (int i = 0; chosen && i < N_PFS * N_VFS; i++) {
        append(text, size,
               policy_of(c, c->suspended, i / N_VFS, i % N_VFS) == policy
                   ? "1"
                   : "0");
    }
}

void
wish_for_vf(const struct campaign *c, int pf, int vf, struct vf_wish *wish)
{
    const struct intent *intent = &c->intent;
    const char *order[N_POLICIES];
    const char *policy = policy_of(c, intent->suspended, pf, vf);
    const char *text = policy ? policy : "";
    unsigned int n = applied(c, intent->suspended, order);
    char bdf[32], value[16];

    memset(wish, 0, sizeof *wish);
    (void) snprintf(bdf, sizeof bdf, "0000:%02x:00.%d", 0x65 + pf, 2 + vf);
    wish->is_vhost = is(text, "vdpa-type", "vhost");
    wish->is_virtio = is(text, "vdpa-type", "virtio");
    wish->is_vdpa = wish->is_vhost || wish->is_virtio;
    wish->is_vfio = is(text, "device-type", "vfio-pci");
    wish->has_mac = has(text, "mac");
    for (unsigned int i = 0; is(text, "name", "one") && i < n; i++) {
        wish->is_name_shared |= order[i] != policy
                                && is(order[i], "name", "one");
    }
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
        } else if (is_named(intent, policy, port)) {
            wish->may_have_port = true;
        }
    }
}

void
wish_for_pf(const struct campaign *c, int pf, struct pf_wish *wish)
{
    const char *order[N_POLICIES];
    unsigned int n = applied(c, c->intent.suspended, order);

    memset(wish, 0, sizeof *wish);
    wish->numvfs = -1;
    for (unsigned int i = 0; i < n; i++) {
        const char *text = order[i];

        if (!selects(text, pf, -1)) {
            continue;
        }
        wish->is_managed = true;
        if (is(text, "externally-managed", "true")) {
            continue;
        }
        wish->is_ours = true;
        if (wish->numvfs < 0) {
            wish->numvfs = (int) number(text, "num-vfs", -1);
        }
        wish->is_vdpa |= wants_vdpa(text);
        wish->has_mode |= wanted_mode(text)[0] != '\0';
    }
    wish->is_external = wish->is_managed && !wish->is_ours;
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
