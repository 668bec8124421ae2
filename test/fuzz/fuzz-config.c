/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzzes the configuration keys.  The input is lines "KEY=VALUE", a VALUE
 * with "\n" for a new line; whatever they are, what is kept obeys the rules,
 * what is refused says so, and the same input gives the same answer. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vdpad/config.h>

#include "fuzz.h"

#define MAX_KEYS 64

static int
compare_kv(const void *a_, const void *b_)
{
    const struct vdpad_kv *a = a_, *b = b_;
    return strcmp(a->key, b->key);
}

/* Cuts 'text' in place into 'kv' of MAX_KEYS; a key that repeats is left
 * out, as a map column has each once. */
static size_t
split(char *text, struct vdpad_kv *kv)
{
    size_t n = 0, kept = 0;

    for (char *line; n < MAX_KEYS && (line = strsep(&text, "\n"));) {
        char *value = strchr(line, '=');
        if (value) {
            *value++ = '\0';
            kv[n++] = (struct vdpad_kv){ line, value };
        }
    }
    qsort(kv, n, sizeof *kv, compare_kv);
    for (size_t i = 0; i < n; i++) {
        if (!kept || strcmp(kv[kept - 1].key, kv[i].key)) {
            kv[kept++] = kv[i];
        }
    }
    return kept;
}

static void
check_printable(const char *text, size_t max)
{
    CHECK(strlen(text) <= max);
    for (; *text; text++) {
        unsigned char c = (unsigned char) *text;
        CHECK(c >= 0x20 && c != 0x7f);
    }
}

static void
check_mac(const uint8_t mac[6])
{
    static const uint8_t zero[6];
    CHECK(!(mac[0] & 1) && memcmp(mac, zero, 6));
}

static void
check_selector(const struct vdpad_pf_selector *pf)
{
    char bdf[VDPAD_BDF_SIZE];

    if (pf->is_bdf) {
        CHECK(!vdpad_bdf_parse(pf->name, bdf) && !strcmp(bdf, pf->name));
    } else {
        CHECK(vdpad_ifname_is_valid(pf->name));
    }
    for (size_t i = 0; i < pf->n_ranges; i++) {
        CHECK(pf->ranges[i].first <= pf->ranges[i].last);
        CHECK(!i || pf->ranges[i - 1].last < pf->ranges[i].first);
        CHECK(vdpad_selector_has(pf, pf->ranges[i].first));
        CHECK(vdpad_selector_has(pf, pf->ranges[i].last));
    }
}

static void
check_policy(const struct vdpad_policy *p)
{
    CHECK(p->n_pfs || p->vendor || p->device);
    for (size_t i = 0; i < p->n_pfs; i++) {
        check_selector(&p->pfs[i]);
    }
    CHECK(p->vendor < 0xffff && p->device < 0xffff);
    CHECK(p->num_vfs >= -1 && p->num_vfs <= 65535);
    CHECK(!p->externally_managed
          || (p->num_vfs == -1 && p->eswitch_mode == VDPAD_ESWITCH_NONE));
    CHECK(p->type == VDPAD_TYPE_NONE
          || (p->device_type == VDPAD_DEV_NETDEV
              && (p->eswitch_mode == VDPAD_ESWITCH_SWITCHDEV
                  || p->externally_managed)));
    CHECK(p->max_vqp >= -1 && p->max_vqp <= 32767);
    CHECK(!p->mtu || (p->mtu >= 68 && p->mtu <= 65535));
    CHECK(p->priority >= 0 && p->priority <= 99);
    if (p->mac_mode == VDPAD_MAC_BASE) {
        check_mac(p->base_mac);
    }
    CHECK(p->name_template[0] && !strchr(p->name_template, '/'));
    check_printable(p->name_template, VDPAD_NAME_SIZE - 1);
    check_printable(p->name, 63);
}

static void
check_port(const struct vdpad_port_spec *p)
{
    char bdf[VDPAD_BDF_SIZE];

    check_printable(p->iface_id, 255);
    CHECK(!!p->device + !!p->vf + !!p->policy == 1);
    CHECK(!p->vf || (!vdpad_bdf_parse(p->vf, bdf) && !strcmp(bdf, p->vf)));
    CHECK(!p->device || !strchr(p->device, '/'));
    if (p->has_mac) {
        check_mac(p->mac);
    }
    CHECK(!p->mtu || (p->mtu >= 68 && p->mtu <= 65535));
    CHECK(p->tag >= -1 && p->tag <= 4095);
    CHECK(p->tag < 0 || !p->n_trunks);
    for (size_t i = 0; i < p->n_trunks; i++) {
        CHECK(p->trunks[i] >= 0 && p->trunks[i] <= 4095);
        CHECK(!i || p->trunks[i - 1] < p->trunks[i]);
    }
    CHECK(!p->bridge || vdpad_ifname_is_valid(p->bridge));
}

static void
check_config(const struct vdpad_config *c, const struct vdpad_map *map)
{
    size_t n_keys = 0;

    CHECK(vdpad_ifname_is_valid(c->bridge));
    for (size_t i = 0; i < c->n_policies; i++) {
        check_policy(&c->policies[i]);
        CHECK(!i || c->policies[i - 1].priority <= c->policies[i].priority);
    }
    for (size_t i = 0; i < c->n_ports; i++) {
        check_port(&c->ports[i]);
        CHECK(!i
              || strcmp(c->ports[i - 1].iface_id, c->ports[i].iface_id) < 0);
        for (size_t j = 0; j < i; j++) {
            CHECK(!c->ports[i].device || !c->ports[j].device
                  || strcmp(c->ports[i].device, c->ports[j].device));
        }
    }
    for (size_t i = 0; i < c->n_errors; i++) {
        check_printable(c->errors[i].key, 255 * 4 + 3);
        check_printable(c->errors[i].word, 64 * 4 + 3);
        check_printable(c->errors[i].reason, 1023);
        CHECK(c->errors[i].reason[0]);
    }
    for (size_t i = 0; i < map->n; i++) {
        n_keys += !strncmp(map->kv[i].key, "vdpa-policy-", 12)
                  || !strncmp(map->kv[i].key, "vdpa-port-", 10);
    }
    size_t kept = c->n_policies + c->n_ports;
    CHECK(kept <= n_keys && c->n_errors >= n_keys - kept);
    CHECK(c->n_refused_policies + c->n_refused_ports <= n_keys - kept);
}

static void
check_same(const struct vdpad_config *a, const struct vdpad_config *b)
{
    CHECK(a->n_policies == b->n_policies && a->n_ports == b->n_ports);
    CHECK(a->n_errors == b->n_errors);
    for (size_t i = 0; i < a->n_errors; i++) {
        CHECK(!strcmp(a->errors[i].key, b->errors[i].key));
        CHECK(!strcmp(a->errors[i].reason, b->errors[i].reason));
    }
    for (size_t i = 0; i < a->n_policies; i++) {
        CHECK(!strcmp(a->policies[i].name, b->policies[i].name));
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vdpad_kv kv[MAX_KEYS];
    char *text = malloc(size + 1);

    CHECK(text);
    if (size) {
        memcpy(text, data, size);
    }
    text[size] = '\0';
    struct vdpad_map map = { .kv = kv };
    map.n = split(text, kv);
    /* "\n" within values, now that the lines are cut. */
    for (size_t i = 0; i < map.n; i++) {
        for (char *s = strstr(kv[i].value, "\\n"); s; s = strstr(s, "\\n")) {
            s[0] = ' ';
            s[1] = '\n';
        }
    }

    struct vdpad_config *a = vdpad_config_parse(&map);
    struct vdpad_config *b = vdpad_config_parse(&map);
    check_config(a, &map);
    check_same(a, b);
    for (size_t i = 0; i < map.n; i++) {
        struct vdpad_config *c = vdpad_config_check(&map, kv[i].key,
                                                    kv[i].value);
        for (size_t j = 0; j < c->n_errors; j++) {
            CHECK(!strcmp(c->errors[j].key, c->errors[0].key));
        }
        vdpad_config_free(c);
    }
    vdpad_config_free(a);
    vdpad_config_free(b);
    free(text);
    return 0;
}
