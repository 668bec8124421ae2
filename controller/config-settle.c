/* SPDX-License-Identifier: Apache-2.0 */
/* Keys that are each right but cannot stand together. */
#include "config-parse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int
compare_policies(const void *a_, const void *b_)
{
    const struct vdpad_policy *a = a_, *b = b_;

    if (a->priority != b->priority) {
        return a->priority < b->priority ? -1 : 1;
    }
    return strcmp(a->name, b->name);
}

static int
compare_ports(const void *a_, const void *b_)
{
    const struct vdpad_port_spec *a = a_, *b = b_;
    return strcmp(a->iface_id, b->iface_id);
}

/* Whether 'name' is the rest of the only key after 'prefix'. */
static bool
is_only_key(const struct vdpad_parse *p, const char *prefix, const char *name)
{
    return p->only_key && vdpad_has_prefix(p->only_key, prefix)
           && !strcmp(p->only_key + strlen(prefix), name);
}

/* Refuses 'prefix''name' as a whole. */
static void
refuse_late(struct vdpad_parse *p, const char *prefix, const char *name,
            const char *word, const char *why)
{
    size_t size = strlen(prefix) + strlen(name) + 1;
    char *key = vdpad_xcalloc(size, 1);

    snprintf(key, size, "%s%s", prefix, name);
    p->key = key;
    p->word = word;
    p->n_errors = 0;
    vdpad_refuse(p, "%s", why);
    p->key = p->word = NULL;
    free(key);
}

/* Of two policies that cannot stand together the later by name yields, so that
 * which one it is does not change with time. */
void
vdpad_policies_settle(struct vdpad_parse *p)
{
    struct vdpad_config *c = p->config;

    if (!c->n_policies) {
        return;
    }
    qsort(c->policies, c->n_policies, sizeof *c->policies, compare_policies);
    bool *lost = vdpad_xcalloc(c->n_policies, sizeof *lost);
    char why[512];
    size_t n = 0;

    for (size_t i = 0; i < c->n_policies; i++) {
        for (size_t j = i + 1; j < c->n_policies && !lost[i]; j++) {
            struct vdpad_policy *a = &c->policies[i], *b = &c->policies[j];
            bool swap = is_only_key(p, VDPAD_KEY_POLICY, a->name);

            if (a->priority != b->priority) {
                break;
            }
            if (!lost[j]
                && vdpad_policies_conflict(swap ? b : a, swap ? a : b, why,
                                           sizeof why)) {
                lost[swap ? i : j] = true;
                refuse_late(p, VDPAD_KEY_POLICY, swap ? a->name : b->name,
                            NULL, why);
            }
        }
    }
    for (size_t i = 0; i < c->n_policies; i++) {
        if (lost[i]) {
            vdpad_names_add(&c->refused_policies, &c->n_refused_policies,
                            c->policies[i].name);
            vdpad_policy_done(&c->policies[i]);
        } else {
            c->policies[n++] = c->policies[i];
        }
    }
    c->n_policies = n;
    free(lost);
}

/* A port by what it claims. */
struct claim {
    size_t port;             /* Index. */
    const char *device, *vf; /* Either may be NULL. */
    const char *iface_id;
    bool last; /* Yields to all others. */
};

static int
compare_claims(const void *a_, const void *b_)
{
    const struct claim *a = a_, *b = b_;
    int cmp = strcmp(a->device ? a->device : "", b->device ? b->device : "");

    if (!cmp) {
        cmp = strcmp(a->vf ? a->vf : "", b->vf ? b->vf : "");
    }
    if (!cmp) {
        cmp = a->last - b->last;
    }
    return cmp ? cmp : strcmp(a->iface_id, b->iface_id);
}

static void
settle_claims(struct vdpad_parse *p, bool *lost)
{
    struct vdpad_config *c = p->config;
    struct claim *claims = vdpad_xcalloc(c->n_ports, sizeof *claims);
    size_t n = 0;

    for (size_t i = 0; i < c->n_ports; i++) {
        const struct vdpad_port_spec *port = &c->ports[i];
        if (!lost[i] && !port->policy) {
            claims[n++] = (struct claim){
                .port = i,
                .device = port->device,
                .vf = port->vf,
                .iface_id = port->iface_id,
                .last = is_only_key(p, VDPAD_KEY_PORT, port->iface_id),
            };
        }
    }
    qsort(claims, n, sizeof *claims, compare_claims);
    for (size_t i = 1, first = 0; i < n; i++) {
        const struct claim *a = &claims[first], *b = &claims[i];
        char holder[VDPAD_WORD_TEXT], why[512];

        if (a->device ? !b->device || strcmp(a->device, b->device)
                      : !b->vf || strcmp(a->vf, b->vf)) {
            first = i;
            continue;
        }
        vdpad_printable(a->iface_id, 64, holder, sizeof holder);
        snprintf(why, sizeof why,
                 "%s%s belongs to " VDPAD_KEY_PORT "%s "
                 "already; a device has one port",
                 b->device ? "device=" : "vf=", b->device ? b->device : b->vf,
                 holder);
        lost[b->port] = true;
        refuse_late(p, VDPAD_KEY_PORT, b->iface_id,
                    b->device ? b->device : b->vf, why);
    }
    free(claims);
}

void
vdpad_ports_settle(struct vdpad_parse *p, const struct vdpad_map *ids)
{
    struct vdpad_config *c = p->config;

    if (!c->n_ports) {
        return;
    }
    qsort(c->ports, c->n_ports, sizeof *c->ports, compare_ports);
    bool *lost = vdpad_xcalloc(c->n_ports, sizeof *lost);
    size_t n = 0;

    for (size_t i = 0; i < c->n_ports; i++) {
        const struct vdpad_port_spec *port = &c->ports[i];
        char key[sizeof VDPAD_KEY_POLICY + VDPAD_CONFIG_NAME_MAX], why[256];

        if (!port->policy) {
            continue;
        }
        /* A policy that is refused still stands: so do its ports. */
        snprintf(key, sizeof key, "%s%s", VDPAD_KEY_POLICY, port->policy);
        if (!vdpad_map_get(ids, key)) {
            snprintf(why, sizeof why,
                     "there is no key %s; set it, or name "
                     "another policy",
                     key);
            lost[i] = true;
            refuse_late(p, VDPAD_KEY_PORT, port->iface_id, port->policy, why);
        }
    }
    settle_claims(p, lost);
    for (size_t i = 0; i < c->n_ports; i++) {
        if (lost[i]) {
            vdpad_names_add(&c->refused_ports, &c->n_refused_ports,
                            c->ports[i].iface_id);
            vdpad_port_spec_done(&c->ports[i]);
        } else {
            c->ports[n++] = c->ports[i];
        }
    }
    c->n_ports = n;
    free(lost);
}
