/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration keys: what is understood, and how. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <vdpad/config.h>

static int
compare_kv(const void *a_, const void *b_)
{
    const struct vdpad_kv *a = a_, *b = b_;
    return strcmp(a->key, b->key);
}

/* Parses "key", "value", … */
static struct vdpad_config *
parse_pairs(const char *const *pairs, size_t n)
{
    struct vdpad_kv kv[16] = { { .key = NULL } };
    struct vdpad_map map = { .n = n / 2, .kv = kv };

    assert_true(map.n <= 16);
    for (size_t i = 0; i < map.n; i++) {
        kv[i].key = pairs[2 * i];
        kv[i].value = pairs[2 * i + 1];
    }
    qsort(kv, map.n, sizeof *kv, compare_kv);
    return vdpad_config_parse(&map);
}

#define PARSE(...)                                    \
    parse_pairs((const char *const[]){ __VA_ARGS__ }, \
                sizeof(const char *const[]){ __VA_ARGS__ } / sizeof(char *))

static void
show_errors(const struct vdpad_config *c)
{
    for (size_t i = 0; i < c->n_errors; i++) {
        print_error("%s [%s] %s\n", c->errors[i].key, c->errors[i].word,
                    c->errors[i].reason);
    }
}

/* As PARSE(), of one policy, in which nothing is wrong. */
static struct vdpad_config *
parse_policy(const char *value)
{
    struct vdpad_config *c = PARSE("vdpa-policy-p", value);

    show_errors(c);
    assert_int_equal(c->n_errors, 0);
    assert_int_equal(c->n_policies, 1);
    return c;
}

static void
test_defaults(void **state)
{
    struct vdpad_config *c = PARSE("system-id", "x", "ovn-bridge", "y");

    (void) state;
    assert_string_equal(c->bridge, "br-int");
    assert_true(c->hw_offload);
    assert_int_equal(c->attach, VDPAD_ATTACH_AUTO);
    assert_null(c->metrics);
    assert_false(c->suspend_all);
    assert_int_equal(c->n_policies + c->n_ports + c->n_errors, 0);
    vdpad_config_free(c);
    vdpad_config_free(NULL);
}

static void
test_policy_defaults(void **state)
{
    struct vdpad_config *c = parse_policy("pf=0000:65:00.0");
    const struct vdpad_policy *p = c->policies;

    (void) state;
    assert_string_equal(p->name, "p");
    assert_string_equal(p->text, "pf=0000:65:00.0");
    assert_int_equal(p->n_pfs, 1);
    assert_int_equal(p->pfs[0].n_ranges, 0);
    assert_int_equal(p->vendor, 0);
    assert_int_equal(p->device, 0);
    assert_int_equal(p->num_vfs, -1);
    assert_false(p->externally_managed);
    assert_int_equal(p->eswitch_mode, VDPAD_ESWITCH_NONE);
    assert_int_equal(p->device_type, VDPAD_DEV_NETDEV);
    assert_int_equal(p->type, VDPAD_TYPE_NONE);
    assert_int_equal(p->max_vqp, 0);
    assert_int_equal(p->mtu, 0);
    assert_int_equal(p->mac_mode, VDPAD_MAC_KEEP);
    assert_string_equal(p->name_template, "vdpa:%a");
    assert_int_equal(p->priority, 99);
    assert_false(p->suspended);
    vdpad_config_free(c);
}

static void
test_policy_all_words(void **state)
{
    static const uint8_t base[6] = { 2, 0, 0, 0, 1, 0xfe };
    struct vdpad_config *c = parse_policy(
        "  pf=65:00.0#6,0-3\tpf=enp65s0f1np1#0 vendor=0x15B3 device-id=101d "
        "num-vfs=8\neswitch-mode=switchdev device-type=netdev "
        "vdpa-type=virtio max-vqp=4 mtu=9000 mac=02:00:00:00:01:fe "
        "name=net%v@%p priority=10 externally-managed=false ");
    const struct vdpad_policy *p = c->policies;

    (void) state;
    assert_int_equal(p->n_pfs, 2);
    assert_string_equal(p->pfs[0].name, "0000:65:00.0");
    assert_true(p->pfs[0].is_bdf);
    assert_int_equal(p->pfs[0].n_ranges, 2);
    assert_int_equal(p->pfs[0].ranges[0].first, 0);
    assert_int_equal(p->pfs[0].ranges[0].last, 3);
    assert_int_equal(p->pfs[0].ranges[1].first, 6);
    assert_int_equal(p->pfs[0].ranges[1].last, 6);
    assert_string_equal(p->pfs[1].name, "enp65s0f1np1");
    assert_false(p->pfs[1].is_bdf);
    assert_int_equal(p->vendor, 0x15b3);
    assert_int_equal(p->device, 0x101d);
    assert_int_equal(p->num_vfs, 8);
    assert_int_equal(p->eswitch_mode, VDPAD_ESWITCH_SWITCHDEV);
    assert_int_equal(p->type, VDPAD_TYPE_VIRTIO);
    assert_int_equal(p->max_vqp, 4);
    assert_int_equal(p->mtu, 9000);
    assert_int_equal(p->mac_mode, VDPAD_MAC_BASE);
    assert_memory_equal(p->base_mac, base, 6);
    assert_string_equal(p->name_template, "net%v@%p");
    assert_int_equal(p->priority, 10);

    assert_true(vdpad_selector_has(&p->pfs[0], 3));
    assert_false(vdpad_selector_has(&p->pfs[0], 4));
    assert_true(vdpad_selector_has(&p->pfs[0], 6));
    assert_true(vdpad_selector_has(NULL, 77));
    vdpad_config_free(c);
}

static void
test_policy_implies(void **state)
{
    static const struct {
        const char *value;
        int eswitch_mode, type, max_vqp, mac_mode;
    } cases[] = {
        { "vendor=15b3 vdpa-type=vhost", VDPAD_ESWITCH_SWITCHDEV,
          VDPAD_TYPE_VHOST, 0, VDPAD_MAC_KEEP },
        { "pf=p0 vdpa-type=vhost externally-managed=true", VDPAD_ESWITCH_NONE,
          VDPAD_TYPE_VHOST, 0, VDPAD_MAC_KEEP },
        { "pf=p0 eswitch-mode=legacy device-type=vfio-pci num-vfs=0",
          VDPAD_ESWITCH_LEGACY, VDPAD_TYPE_NONE, 0, VDPAD_MAC_KEEP },
        { "pf=p0 vdpa-type=none max-vqp=max mac=stable", VDPAD_ESWITCH_NONE,
          VDPAD_TYPE_NONE, -1, VDPAD_MAC_STABLE },
        { "pf=p0#5 vdpa-type=vhost name=vdpa0 mac=keep",
          VDPAD_ESWITCH_SWITCHDEV, VDPAD_TYPE_VHOST, 0, VDPAD_MAC_KEEP },
        { "pf=p0 vdpa-type=vhost num-vfs=1 name=one max-vqp=32767",
          VDPAD_ESWITCH_SWITCHDEV, VDPAD_TYPE_VHOST, 32767, VDPAD_MAC_KEEP },
        { "pf=p0#0-3 pf=p0#8-9 vdpa-type=vhost name=v%v",
          VDPAD_ESWITCH_SWITCHDEV, VDPAD_TYPE_VHOST, 0, VDPAD_MAC_KEEP },
    };

    (void) state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct vdpad_config *c = parse_policy(cases[i].value);
        assert_int_equal(c->policies->eswitch_mode, cases[i].eswitch_mode);
        assert_int_equal(c->policies->type, cases[i].type);
        assert_int_equal(c->policies->max_vqp, cases[i].max_vqp);
        assert_int_equal(c->policies->mac_mode, cases[i].mac_mode);
        vdpad_config_free(c);
    }
}

static void
test_general_options(void **state)
{
    struct vdpad_config *c = PARSE("vdpa-bridge", "br-vdpa", "vdpa-hw-offload",
                                   "false", "vdpa-attach", "declared",
                                   "vdpa-metrics", "[::1]:9345");

    (void) state;
    assert_int_equal(c->n_errors, 0);
    assert_string_equal(c->bridge, "br-vdpa");
    assert_false(c->hw_offload);
    assert_int_equal(c->attach, VDPAD_ATTACH_DECLARED);
    assert_string_equal(c->metrics, "[::1]:9345");
    vdpad_config_free(c);

    c = PARSE("vdpa-metrics", "off", "vdpa-attach", "none");
    assert_int_equal(c->n_errors, 0);
    assert_null(c->metrics);
    assert_int_equal(c->attach, VDPAD_ATTACH_NONE);
    vdpad_config_free(c);
}

static void
test_order_and_suspension(void **state)
{
    struct vdpad_config *c = PARSE("vdpa-policy-c", "pf=a priority=5",
                                   "vdpa-policy-a", "pf=b", "vdpa-policy-b",
                                   "pf=c priority=5", "vdpa-policy-bad",
                                   "pf=d x=1", "vdpa-suspended",
                                   " a,bad  nobody\n");

    (void) state;
    assert_int_equal(c->n_policies, 3);
    assert_string_equal(c->policies[0].name, "b");
    assert_string_equal(c->policies[1].name, "c");
    assert_string_equal(c->policies[2].name, "a");
    assert_false(c->policies[0].suspended);
    assert_true(c->policies[2].suspended);
    assert_int_equal(c->n_suspended, 3);
    assert_string_equal(c->suspended[2], "nobody");
    assert_int_equal(c->n_refused_policies, 1);
    assert_string_equal(c->refused_policies[0], "bad");
    assert_int_equal(c->n_errors, 2);
    assert_string_equal(c->errors[1].key, "vdpa-suspended");
    assert_string_equal(c->errors[1].word, "nobody");
    vdpad_config_free(c);

    c = PARSE("vdpa-policy-a", "pf=b", "vdpa-suspended", "*");
    assert_true(c->suspend_all);
    assert_true(c->policies[0].suspended);
    assert_int_equal(c->n_errors, 0);
    vdpad_config_free(c);
}

static void
test_suspension_survives_length(void **state)
{
    enum { LEN = 200000 };
    char *value = malloc(LEN + 1);

    (void) state;
    memset(value, 'x', LEN);
    memcpy(value, "a,", 2);
    value[LEN] = '\0';
    struct vdpad_config *c = PARSE("vdpa-policy-a", "pf=b", "vdpa-suspended",
                                   value);
    assert_true(c->policies[0].suspended);
    assert_int_equal(c->n_errors, 2);
    vdpad_config_free(c);
    free(value);
}

static void
test_port(void **state)
{
    static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 9 };
    struct vdpad_config *c = PARSE(
        "vdpa-port-9d2c5e1c-7a1c-4f52-a2e7-0b6a1f3d8c11",
        ("device=vdpa:0000:65:00.2 mac=02:00:00:00:00:09 mtu=1442 tag=100 "
         "bridge=br-ex iface-id-ver=abc/1 "
         "vm-uuid=9D2C5E1C-7a1c-4f52-a2e7-0b6a1f3d8c11"),
        "vdpa-port-default_pod-1", "vf=65:00.3 trunks=20,10,12-14,13",
        "vdpa-port-z", "policy=p", "vdpa-policy-p", "pf=p0 oops");

    (void) state;
    assert_int_equal(c->n_errors, 1);
    assert_int_equal(c->n_ports, 3);
    const struct vdpad_port_spec *p = c->ports;
    assert_string_equal(p->iface_id, "9d2c5e1c-7a1c-4f52-a2e7-0b6a1f3d8c11");
    assert_string_equal(p->device, "vdpa:0000:65:00.2");
    assert_true(p->has_mac);
    assert_memory_equal(p->mac, mac, 6);
    assert_int_equal(p->mtu, 1442);
    assert_int_equal(p->tag, 100);
    assert_int_equal(p->n_trunks, 0);
    assert_string_equal(p->bridge, "br-ex");
    assert_string_equal(p->iface_id_ver, "abc/1");
    assert_string_equal(p->vm_uuid, "9D2C5E1C-7a1c-4f52-a2e7-0b6a1f3d8c11");

    p = &c->ports[1];
    assert_string_equal(p->vf, "0000:65:00.3");
    assert_null(p->device);
    assert_null(p->bridge);
    assert_int_equal(p->tag, -1);
    assert_int_equal(p->n_trunks, 5);
    static const int64_t trunks[] = { 10, 12, 13, 14, 20 };
    assert_memory_equal(p->trunks, trunks, sizeof trunks);

    /* The key of the policy stands, though refused: so does the port. */
    assert_string_equal(c->ports[2].policy, "p");
    vdpad_config_free(c);
}

static void
test_all_trunks(void **state)
{
    struct vdpad_config *c = PARSE("vdpa-port-a", "vf=65:00.3 trunks=0-4095");

    (void) state;
    assert_int_equal(c->n_ports, 1);
    assert_int_equal(c->ports->n_trunks, 4096);
    assert_int_equal(c->ports->trunks[4095], 4095);
    vdpad_config_free(c);
}

static void
test_conflicts(void **state)
{
    struct vdpad_config *c = PARSE(
        "vdpa-policy-a", "pf=65:00.0#0-3 priority=1", "vdpa-policy-b",
        "pf=0000:65:00.0#3-5 priority=1", "vdpa-policy-c",
        "pf=65:00.0#4-6 priority=1", "vdpa-policy-d", "pf=65:00.0 priority=2",
        "vdpa-port-m", "device=x", "vdpa-port-n", "device=x", "vdpa-port-o",
        "vf=65:00.2", "vdpa-port-q", "vf=0:65:0.2", "vdpa-port-r",
        "policy=nosuch");

    (void) state;
    /* b yields to a, and then is no obstacle for c. */
    assert_int_equal(c->n_policies, 3);
    assert_string_equal(c->policies[0].name, "a");
    assert_string_equal(c->policies[1].name, "c");
    assert_string_equal(c->policies[2].name, "d");
    assert_int_equal(c->n_refused_policies, 1);
    assert_string_equal(c->errors[0].key, "vdpa-policy-b");
    assert_non_null(strstr(c->errors[0].reason, "VF 3 of 0000:65:00.0"));
    assert_int_equal(c->n_ports, 2);
    assert_string_equal(c->ports[0].iface_id, "m");
    assert_string_equal(c->ports[1].iface_id, "o");
    assert_int_equal(c->n_refused_ports, 3);
    assert_string_equal(c->refused_ports[0], "n");
    assert_int_equal(c->n_errors, 4);
    assert_string_equal(c->errors[1].word, "x");
    assert_string_equal(c->errors[3].word, "nosuch");
    vdpad_config_free(c);
}

/* The newcomer loses, whatever its name is. */
static void
test_check(void **state)
{
    static const struct vdpad_kv kv[] = {
        { "system-id", "x" },
        { "vdpa-policy-m", "pf=p0#0-3" },
        { "vdpa-policy-z", "nonsense" },
        { "vdpa-port-m", "device=d" },
    };
    static const struct vdpad_map map = { 4, kv };
    static const struct {
        const char *key, *value;
        size_t n_errors;
        const char *reason;
    } cases[] = {
        { "vdpa-policy-a", "pf=p0#3", 1, "also in vdpa-policy-m" },
        { "vdpa-policy-n", "pf=p0#3", 1, "also in vdpa-policy-m" },
        { "vdpa-policy-m", "pf=p0#3", 0, NULL },
        { "vdpa-policy-a", "pf=p0#4", 0, NULL },
        { "vdpa-policy-z", "pf=p1", 0, NULL },
        { "vdpa-port-a", "device=d", 1, "vdpa-port-m already" },
        { "vdpa-port-z", "device=d", 1, "vdpa-port-m already" },
        { "vdpa-port-z", "policy=z", 0, NULL },
        { "vdpa-port-z", "policy=y", 1, "no key vdpa-policy-y" },
        { "vdpa-suspended", "m,z", 0, NULL },
        { "vdpa-attach", "never", 1, "neither auto" },
        { "system-id", "y", 1, "not a key of ovs-vdpad" },
        { "a", "y", 1, "not a key of ovs-vdpad" },
        { "zzz", "y", 1, "not a key of ovs-vdpad" },
        { "", "", 1, "not a key of ovs-vdpad" },
    };

    (void) state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct vdpad_config *c = vdpad_config_check(&map, cases[i].key,
                                                    cases[i].value);
        if (c->n_errors != cases[i].n_errors) {
            print_error("%s=%s:\n", cases[i].key, cases[i].value);
            show_errors(c);
        }
        assert_int_equal(c->n_errors, cases[i].n_errors);
        if (cases[i].reason) {
            assert_string_equal(c->errors[0].key, cases[i].key);
            assert_non_null(strstr(c->errors[0].reason, cases[i].reason));
        }
        vdpad_config_free(c);
    }
}

static void
test_addresses(void **state)
{
    static const struct {
        const char *text, *bdf; /* NULL: invalid. */
    } bdfs[] = {
        { "0000:65:00.0", "0000:65:00.0" },
        { "65:00.7", "0000:65:00.7" },
        { "0001:A0:1F.2", "0001:a0:1f.2" },
        { "1:5:0.0", "0001:05:00.0" },
        { "10000:65:00.0", "10000:65:00.0" },
        { "00010000:65:00.0", "10000:65:00.0" },
        { "ffffffff:ff:1f.7", "ffffffff:ff:1f.7" },
        { "65:00.8", NULL },
        { "65:20.0", NULL },
        { "65:00", NULL },
        { "65:00.0 ", NULL },
        { "100:00.0", NULL },
        { "65.00:0", NULL },
        { "0:0:0:0.0", NULL },
        { ":00.0", NULL },
        { "", NULL },
        { ":", NULL },
        { "::0.0", NULL },
        { "65:00.", NULL },
        { "65:00.0.0", NULL },
        { "100000000:65:00.0", NULL },
        { "0x1:65:00.0", NULL },
    };
    static const struct {
        const char *text;
        bool valid;
    } macs[] = {
        { "02:00:00:00:01:00", true }, { "AA:bb:CC:dd:EE:ff", true },
        { "02:00:00:00:01", false }, { "02:00:00:00:01:00:00", false },
        { "02:00:00:00:01:0", false }, { "02-00-00-00-01-00", false },
        { "02:00:00:00:01:0g", false }, { "", false }, { "::::::", false },
        { "2:0:0:0:1:0", false }, { "02:00:00:00:01:00 ", false },
    }, names[] = {
        { "p0", true }, { "enp65s0f0np0npf", true },
        { "enp65s0f0np0npf0", false }, { "", false }, { ".", false },
        { "..", false }, { "...", true }, { "a/b", false }, { "a:b", false },
        { "a b", false }, { "a\n", false }, { "a\x7f", false },
        { "\xc3\xa9", false }, { "a.5", true },
    };

    (void) state;
    for (size_t i = 0; i < sizeof bdfs / sizeof *bdfs; i++) {
        char bdf[VDPAD_BDF_SIZE] = "untouched";
        int error = vdpad_bdf_parse(bdfs[i].text, bdf);
        assert_int_equal(error, bdfs[i].bdf ? 0 : -EINVAL);
        assert_string_equal(bdf, bdfs[i].bdf ? bdfs[i].bdf : "untouched");
    }
    for (size_t i = 0; i < sizeof macs / sizeof *macs; i++) {
        uint8_t mac[6];
        assert_int_equal(vdpad_mac_parse(macs[i].text, mac),
                         macs[i].valid ? 0 : -EINVAL);
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_int_equal(vdpad_ifname_is_valid(names[i].text), names[i].valid);
    }
}

static void
test_map_get(void **state)
{
    static const struct vdpad_kv kv[] = {
        { "a", "1" },
        { "b", "2" },
        { "d", "3" },
    };
    static const struct vdpad_map map = { 3, kv }, empty = { 0, NULL };

    (void) state;
    assert_string_equal(vdpad_map_get(&map, "a"), "1");
    assert_string_equal(vdpad_map_get(&map, "b"), "2");
    assert_string_equal(vdpad_map_get(&map, "d"), "3");
    assert_null(vdpad_map_get(&map, "c"));
    assert_null(vdpad_map_get(&map, ""));
    assert_null(vdpad_map_get(&map, "e"));
    assert_null(vdpad_map_get(&empty, "a"));
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_policy_defaults),
        cmocka_unit_test(test_policy_all_words),
        cmocka_unit_test(test_policy_implies),
        cmocka_unit_test(test_general_options),
        cmocka_unit_test(test_order_and_suspension),
        cmocka_unit_test(test_suspension_survives_length),
        cmocka_unit_test(test_port),
        cmocka_unit_test(test_all_trunks),
        cmocka_unit_test(test_conflicts),
        cmocka_unit_test(test_check),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_map_get),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
