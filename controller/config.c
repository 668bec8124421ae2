/* SPDX-License-Identifier: Apache-2.0 */
/* The keys: which there are, and what they say together.  The words within a
 * policy and a port are in config-policy.c and config-port.c. */
#include "config-parse.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_BRIDGE "br-int"
#define OUR_PREFIX "vdpa-"
#define SEPARATORS ", \t\n\v\f\r"

const char *
vdpad_map_get(const struct vdpad_map *map, const char *key)
{
    size_t low = 0, high = map->n;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int cmp = strcmp(key, map->kv[mid].key);
        if (!cmp) {
            return map->kv[mid].value;
        } else if (cmp < 0) {
            high = mid;
        } else {
            low = mid + 1;
        }
    }
    return NULL;
}

static bool
parse_bridge(struct vdpad_parse *p, const char *value)
{
    if (!vdpad_ifname_is_valid(value)) {
        p->word = value;
        return vdpad_refuse(
            p,
            "a bridge's name is up to %d characters "
            "without '/', ':' and spaces; write for example " DEFAULT_BRIDGE,
            VDPAD_IFNAME_SIZE - 1);
    }
    free(p->config->bridge);
    p->config->bridge = vdpad_xstrdup(value);
    return true;
}

static bool
parse_hw_offload(struct vdpad_parse *p, const char *value)
{
    static const char *const names[] = { "true", "false", NULL };
    int i;

    p->word = value;
    if (!vdpad_parse_choice(p, value, names, &i)) {
        return false;
    }
    p->config->hw_offload = !i;
    return true;
}

static bool
parse_attach(struct vdpad_parse *p, const char *value)
{
    static const char *const names[] = { [VDPAD_ATTACH_AUTO] = "auto",
                                         [VDPAD_ATTACH_DECLARED] = "declared",
                                         [VDPAD_ATTACH_NONE] = "none",
                                         NULL };
    int i;

    p->word = value;
    if (!vdpad_parse_choice(p, value, names, &i)) {
        return false;
    }
    p->config->attach = (enum vdpad_attach) i;
    return true;
}

static bool
is_endpoint(const char *value)
{
    char address[INET6_ADDRSTRLEN + 2];
    struct in6_addr in6;
    struct in_addr in4;
    const char *colon = strrchr(value, ':');
    uint32_t port;

    if (!colon || (size_t) (colon - value) >= sizeof address) {
        return false;
    }
    const char *rest = colon + 1;
    if (!vdpad_scan_number(&rest, 65535, &port) || *rest || !port) {
        return false;
    }
    size_t len = (size_t) (colon - value);
    memcpy(address, value, len);
    address[len] = '\0';
    if (len > 2 && address[0] == '[' && address[len - 1] == ']') {
        address[len - 1] = '\0';
        return inet_pton(AF_INET6, address + 1, &in6) == 1;
    }
    return inet_pton(AF_INET, address, &in4) == 1;
}

static bool
parse_metrics(struct vdpad_parse *p, const char *value)
{
    if (!strcmp(value, "off")) {
        return true;
    }
    if (!is_endpoint(value)) {
        p->word = value;
        return vdpad_refuse(p, "the endpoint is written ADDRESS:PORT with a "
                               "numeric address; write for example "
                               "127.0.0.1:9345 or [::1]:9345");
    }
    p->config->metrics = vdpad_xstrdup(value);
    return true;
}

static bool
has_name(char *const *names, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        if (!strcmp(names[i], name)) {
            return true;
        }
    }
    return false;
}

void
vdpad_names_add(char ***names, size_t *n, const char *name)
{
    *names = vdpad_xrealloc(*names, *n + 1, sizeof **names);
    (*names)[(*n)++] = vdpad_xstrdup(name);
}

/* Names that mean nothing are told but do no harm: the key must go on holding
 * down what it names rightly. */
static void
parse_suspended(struct vdpad_parse *p, const struct vdpad_map *ids,
                const char *value)
{
    struct vdpad_config *c = p->config;
    const char *end = value + strnlen(value, VDPAD_CONFIG_SUSPENDED_MAX);

    if (*end) {
        vdpad_refuse(p,
                     "only the first %d bytes are read; use * to suspend "
                     "all policies",
                     VDPAD_CONFIG_SUSPENDED_MAX);
    }
    while (value < end && *(value += strspn(value, SEPARATORS))) {
        size_t len = strcspn(value, SEPARATORS);
        char *name = vdpad_xstrndup(value, len);
        char key[sizeof VDPAD_KEY_POLICY + VDPAD_CONFIG_NAME_MAX];

        p->word = name;
        snprintf(key, sizeof key, "%s%s", VDPAD_KEY_POLICY, name);
        if (!strcmp(name, "*")) {
            c->suspend_all = true;
        } else if (!vdpad_is_policy_name(name)) {
            vdpad_refuse(
                p, "what is to be suspended is named as in " VDPAD_KEY_POLICY
                   "NAME, or * for all");
        } else if (!has_name(c->suspended, c->n_suspended, name)) {
            if (c->n_suspended < VDPAD_CONFIG_POLICIES_MAX) {
                vdpad_names_add(&c->suspended, &c->n_suspended, name);
            }
            if (!vdpad_map_get(ids, key)) {
                vdpad_refuse(p, "there is no key %s; remove the name", key);
            }
        }
        p->word = NULL;
        free(name);
        value += len;
    }
}

static void
parse_policy(struct vdpad_parse *p, const char *value)
{
    struct vdpad_config *c = p->config;
    const char *name = p->key + strlen(VDPAD_KEY_POLICY);
    struct vdpad_policy policy;

    if (!vdpad_is_policy_name(name)) {
        vdpad_refuse(p,
                     "the NAME in " VDPAD_KEY_POLICY "NAME is up to %d "
                     "letters, digits, '.', '_' and '-', the first a letter "
                     "or digit",
                     VDPAD_CONFIG_NAME_MAX);
    } else if (c->n_policies + c->n_refused_policies
               >= VDPAD_CONFIG_POLICIES_MAX) {
        vdpad_refuse(p,
                     "there are more than %d policies; use ranges to join "
                     "some",
                     VDPAD_CONFIG_POLICIES_MAX);
        vdpad_names_add(&c->refused_policies, &c->n_refused_policies, name);
    } else if (!value || !vdpad_policy_parse(p, name, value, &policy)) {
        if (value) {
            vdpad_policy_done(&policy);
        }
        vdpad_names_add(&c->refused_policies, &c->n_refused_policies, name);
    } else {
        c->policies = vdpad_xrealloc(c->policies, c->n_policies + 1,
                                     sizeof *c->policies);
        c->policies[c->n_policies++] = policy;
    }
}

static void
parse_port(struct vdpad_parse *p, const char *value)
{
    struct vdpad_config *c = p->config;
    const char *id = p->key + strlen(VDPAD_KEY_PORT);
    struct vdpad_port_spec port;

    if (!vdpad_is_plain(id, VDPAD_CONFIG_ID_MAX)) {
        vdpad_refuse(p,
                     "the IFACEID in " VDPAD_KEY_PORT "IFACEID is up to "
                     "%d printable characters without spaces",
                     VDPAD_CONFIG_ID_MAX);
    } else if (c->n_ports + c->n_refused_ports >= VDPAD_CONFIG_PORTS_MAX) {
        vdpad_refuse(p, "there are more than %d ports",
                     VDPAD_CONFIG_PORTS_MAX);
        vdpad_names_add(&c->refused_ports, &c->n_refused_ports, id);
    } else if (!value || !vdpad_port_spec_parse(p, id, value, &port)) {
        if (value) {
            vdpad_port_spec_done(&port);
        }
        vdpad_names_add(&c->refused_ports, &c->n_refused_ports, id);
    } else {
        c->ports = vdpad_xrealloc(c->ports, c->n_ports + 1, sizeof *c->ports);
        c->ports[c->n_ports++] = port;
    }
}

static void
refuse_unknown_key(struct vdpad_parse *p)
{
    static const char *const keys[] = {
        VDPAD_KEY_BRIDGE,    VDPAD_KEY_HW_OFFLOAD, VDPAD_KEY_ATTACH,
        VDPAD_KEY_SUSPENDED, VDPAD_KEY_METRICS,
    };
    static const char *const families[] = { VDPAD_KEY_POLICY, VDPAD_KEY_PORT };
    const char *meant = vdpad_nearest(p->key, keys, sizeof keys / sizeof *keys,
                                      sizeof *keys);
    const char *name = "";

    /* Compare the part up to the second hyphen with the families' names. */
    char head[32];
    size_t len = strlen(OUR_PREFIX);
    len += strcspn(p->key + len, "-_");
    if (!meant && len < sizeof head) {
        memcpy(head, p->key, len);
        head[len] = '\0';
        meant = vdpad_nearest(head, families, 2, sizeof *families);
        if (meant) {
            name = p->key[len] && p->key[len + 1] ? p->key + len + 1 : "NAME";
        }
    }
    char shown[VDPAD_WORD_TEXT];
    vdpad_printable(name, 64, shown, sizeof shown);
    if (meant) {
        vdpad_refuse(p, "there is no such key; did you mean %s%s?", meant,
                     shown);
    } else {
        vdpad_refuse(p,
                     "there is no such key; known are %s, %s, %s, %sNAME, "
                     "%sIFACEID, %s, %s",
                     keys[0], keys[1], keys[2], families[0], families[1],
                     keys[3], keys[4]);
    }
}

/* Refuses a value that no key could have. */
static bool
check_value(struct vdpad_parse *p, const char *value)
{
    bool has_control;

    p->word = value;
    if (!vdpad_is_utf8(value, &has_control)) {
        return vdpad_refuse(p, "the value is not valid UTF-8; set it anew");
    }
    if (has_control) {
        return vdpad_refuse(p, "the value contains control characters; set "
                               "it anew");
    }
    size_t len = strlen(value);
    if (len > VDPAD_CONFIG_VALUE_MAX) {
        return vdpad_refuse(p,
                            "the value has %zu bytes, more than the %d "
                            "that are allowed",
                            len, VDPAD_CONFIG_VALUE_MAX);
    }
    p->word = NULL;
    return true;
}

static void
parse_key(struct vdpad_parse *p, const struct vdpad_map *ids,
          const char *value)
{
    struct vdpad_config *c = p->config;
    const struct {
        const char *key;
        bool (*parse)(struct vdpad_parse *, const char *value);
        bool *refused;
    } options[] = {
        { VDPAD_KEY_BRIDGE, parse_bridge, &c->bridge_refused },
        { VDPAD_KEY_HW_OFFLOAD, parse_hw_offload, &c->hw_offload_refused },
        { VDPAD_KEY_ATTACH, parse_attach, &c->attach_refused },
        { VDPAD_KEY_METRICS, parse_metrics, &c->metrics_refused },
    };

    if (!strcmp(p->key, VDPAD_KEY_SUSPENDED)) {
        parse_suspended(p, ids, value);
        return;
    }
    bool ok = check_value(p, value);
    if (vdpad_has_prefix(p->key, VDPAD_KEY_POLICY)) {
        p->word = NULL;
        parse_policy(p, ok ? value : NULL);
        return;
    }
    if (vdpad_has_prefix(p->key, VDPAD_KEY_PORT)) {
        p->word = NULL;
        parse_port(p, ok ? value : NULL);
        return;
    }
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        if (!strcmp(p->key, options[i].key)) {
            *options[i].refused = !ok || !options[i].parse(p, value);
            c->hw_offload = c->hw_offload && !c->hw_offload_refused;
            return;
        }
    }
    if (ok) {
        refuse_unknown_key(p);
    }
}

static int
compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *) a, *(char *const *) b);
}

static int
compare_errors(const void *a_, const void *b_)
{
    const struct vdpad_config_error *a = a_, *b = b_;
    int cmp = strcmp(a->key, b->key);

    return cmp ? cmp : strcmp(a->reason, b->reason);
}

static struct vdpad_config *
parse(const struct vdpad_map *ids, const char *only_key)
{
    struct vdpad_config *c = vdpad_xcalloc(1, sizeof *c);

    *c = (struct vdpad_config){
        .bridge = vdpad_xstrdup(DEFAULT_BRIDGE),
        .hw_offload = true,
        .attach = VDPAD_ATTACH_AUTO,
    };
    for (size_t i = 0; i < ids->n; i++) {
        if (vdpad_has_prefix(ids->kv[i].key, OUR_PREFIX)) {
            struct vdpad_parse p = { .config = c,
                                     .only_key = only_key,
                                     .key = ids->kv[i].key };
            parse_key(&p, ids, ids->kv[i].value);
        }
    }

    struct vdpad_parse p = { .config = c, .only_key = only_key };
    vdpad_policies_settle(&p);
    vdpad_ports_settle(&p, ids);
    if (c->n_refused_policies) {
        qsort(c->refused_policies, c->n_refused_policies,
              sizeof *c->refused_policies, compare_names);
    }
    if (c->n_refused_ports) {
        qsort(c->refused_ports, c->n_refused_ports, sizeof *c->refused_ports,
              compare_names);
    }
    if (c->n_errors) {
        qsort(c->errors, c->n_errors, sizeof *c->errors, compare_errors);
    }
    for (size_t i = 0; i < c->n_policies; i++) {
        c->policies[i].suspended = vdpad_config_is_suspended(
            c, c->policies[i].name);
    }
    return c;
}

struct vdpad_config *
vdpad_config_parse(const struct vdpad_map *external_ids)
{
    return parse(external_ids, NULL);
}

struct vdpad_config *
vdpad_config_check(const struct vdpad_map *external_ids, const char *key,
                   const char *value)
{
    struct vdpad_kv *kv = vdpad_xcalloc(external_ids->n + 1, sizeof *kv);
    struct vdpad_kv new = { .key = key, .value = value };
    size_t n = 0;
    bool added = false;

    for (size_t i = 0; i < external_ids->n; i++) {
        int cmp = added ? -1 : strcmp(external_ids->kv[i].key, key);
        if (!added && cmp >= 0) {
            kv[n++] = new;
            added = true;
        }
        if (cmp) {
            kv[n++] = external_ids->kv[i];
        }
    }
    if (!added) {
        kv[n++] = new;
    }

    struct vdpad_map map = { .n = n, .kv = kv };
    struct vdpad_config *config = parse(&map, key);
    if (!vdpad_has_prefix(key, OUR_PREFIX)) {
        struct vdpad_parse p = { .config = config, .key = key };
        vdpad_refuse(
            &p,
            "this is not a key of ovs-vdpad: those begin with " OUR_PREFIX);
    }
    free(kv);
    return config;
}

static void
free_names(char **names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(names[i]);
    }
    free(names);
}

void
vdpad_config_free(struct vdpad_config *config)
{
    if (!config) {
        return;
    }
    for (size_t i = 0; i < config->n_policies; i++) {
        vdpad_policy_done(&config->policies[i]);
    }
    for (size_t i = 0; i < config->n_ports; i++) {
        vdpad_port_spec_done(&config->ports[i]);
    }
    for (size_t i = 0; i < config->n_errors; i++) {
        free(config->errors[i].key);
        free(config->errors[i].word);
        free(config->errors[i].reason);
    }
    free_names(config->suspended, config->n_suspended);
    free_names(config->refused_policies, config->n_refused_policies);
    free_names(config->refused_ports, config->n_refused_ports);
    free(config->policies);
    free(config->ports);
    free(config->errors);
    free(config->metrics);
    free(config->bridge);
    free(config);
}

bool
vdpad_config_is_suspended(const struct vdpad_config *config,
                          const char *policy)
{
    return config->suspend_all
           || has_name(config->suspended, config->n_suspended, policy);
}

static int
compare_port(const void *iface_id, const void *spec)
{
    return strcmp(iface_id, ((const struct vdpad_port_spec *) spec)->iface_id);
}

const struct vdpad_port_spec *
vdpad_config_port(const struct vdpad_config *config, const char *iface_id)
{
    return config->n_ports ? bsearch(iface_id, config->ports, config->n_ports,
                                     sizeof *config->ports, compare_port)
                           : NULL;
}

bool
vdpad_config_refuses_port(const struct vdpad_config *config,
                          const char *iface_id)
{
    return has_name(config->refused_ports, config->n_refused_ports, iface_id);
}

bool
vdpad_selector_has(const struct vdpad_pf_selector *selector, uint16_t vf)
{
    if (!selector || !selector->n_ranges) {
        return true;
    }
    for (size_t i = 0; i < selector->n_ranges; i++) {
        if (vf >= selector->ranges[i].first
            && vf <= selector->ranges[i].last) {
            return true;
        }
    }
    return false;
}
