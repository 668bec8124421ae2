/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration keys: every refusal, with the word and the reason that a
 * person gets to see. */
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

struct refusal {
    const char *value, *word, *reason; /* The last one: a part of it. */
};

static void
check_refusal(const char *key, const struct refusal *r)
{
    const struct vdpad_kv kv[] = {
        { "vdpa-policy-0good", "pf=good vdpa-type=vhost" },
        { key, r->value },
        { "vdpa-port-zgood", "vf=66:00.2" },
    };
    bool keyed = strcmp(key, "vdpa-policy-0good") < 0;
    const struct vdpad_kv sorted[] = { kv[keyed], kv[!keyed], kv[2] };
    const struct vdpad_map map = { 3, sorted };
    struct vdpad_config *c = vdpad_config_parse(&map);

    if (c->n_errors != 1 || strcmp(c->errors->key, key)
        || strcmp(c->errors->word, r->word)
        || !strstr(c->errors->reason, r->reason)
        || strchr(c->errors->reason, '\n')) {
        print_error("%s=%s, expected [%s] %s:\n", key, r->value, r->word,
                    r->reason);
        for (size_t i = 0; i < c->n_errors; i++) {
            print_error("%s: [%s] %s\n", c->errors[i].key, c->errors[i].word,
                        c->errors[i].reason);
        }
        fail();
    }
    /* All else is kept. */
    assert_int_equal(c->n_policies, 1);
    assert_string_equal(c->policies[0].name, "0good");
    assert_int_equal(c->n_ports, 1);
    assert_string_equal(c->ports[0].iface_id, "zgood");
    assert_string_equal(c->bridge, "br-int");
    assert_null(c->metrics);
    vdpad_config_free(c);
}

static void
test_policy(void **state)
{
    static const struct refusal table[] = {
        /* Words. */
        { "pf=p0 numvfs=4", "numvfs=4",
          "there is no word numvfs; did you mean num-vfs?" },
        { "pf=p0 numVfs=4", "numVfs=4", "did you mean num-vfs?" },
        { "pf=p0 max_vqp=4", "max_vqp=4", "did you mean max-vqp?" },
        { "pf=p0 mut=1500", "mut=1500", "did you mean mtu?" },
        { "pf=p0 pfNames=p1", "pfNames=p1", "did you mean pf?" },
        { "pf=p0 colour=red", "colour=red", "known are pf, vendor, " },
        { "pf=p0 mtu", "mtu", "mtu has no '='; write for example mtu=1500" },
        { "pf=p0 mtu=", "mtu=", "mtu= has no value; write for example " },
        { "pf=p0 =1500", "=1500", "without spaces around the '='" },
        { "pf=p0 mtu=1500 mtu=1500", "mtu=1500",
          "mtu= is given more than once; keep one" },
        { "", "", "the policy selects no device; add for example pf=" },
        { "num-vfs=4", "", "the policy selects no device" },

        /* pf. */
        { "pf=65:00.8", "pf=65:00.8", "neither a PCI address nor a network" },
        { "pf=a/b", "pf=a/b", "neither a PCI address" },
        { "pf=abcdefghijklmnop", "pf=abcdefghijklmnop", "neither a PCI" },
        { "pf=#0-3", "pf=#0-3", "neither a PCI address" },
        { "pf=p0#", "pf=p0#", "VF indexes are numbers from 0 to 65534" },
        { "pf=p0#3-", "pf=p0#3-", "write for example 0-3,6" },
        { "pf=p0#-3", "pf=p0#-3", "write for example 0-3,6" },
        { "pf=p0#0,,3", "pf=p0#0,,3", "write for example 0-3,6" },
        { "pf=p0#0,", "pf=p0#0,", "write for example 0-3,6" },
        { "pf=p0#0-3-6", "pf=p0#0-3-6", "write for example 0-3,6" },
        { "pf=p0#0#1", "pf=p0#0#1", "write for example 0-3,6" },
        { "pf=p0#65535", "pf=p0#65535", "numbers from 0 to 65534" },
        { "pf=p0#99999999999999999999", "pf=p0#99999999999999999999",
          "numbers from 0 to 65534" },
        { "pf=p0#5-2", "pf=p0#5-2", "the range 5-2 is backwards; write 2-5" },
        { "pf=p0#0-3,2", "pf=p0#0-3,2", "names VF 2 twice" },
        { "pf=p0#0-3 pf=p0#3-4", "pf=p0#3-4", "repeats VF 3 of another pf=" },
        { "pf=65:00.0 pf=0000:65:00.0", "pf=0000:65:00.0",
          "repeats all VFs of another pf=" },
        { "pf=p0#0-8 num-vfs=8", "pf=p0", "names VF 8, but num-vfs=8 makes" },

        /* Numbers and names. */
        { "vendor=mellanox", "vendor=mellanox", "four hexadecimal digits" },
        { "vendor=0", "vendor=0", "four hexadecimal digits" },
        { "vendor=ffff", "vendor=ffff", "four hexadecimal digits" },
        { "device-id=0x1101d", "device-id=0x1101d", "for example device-id=" },
        { "pf=p0 num-vfs=300x", "num-vfs=300x",
          "num-vfs=300x is not a number from 0 to 65535; write for example "
          "num-vfs=8" },
        { "pf=p0 num-vfs=65536", "num-vfs=65536", "from 0 to 65535" },
        { "pf=p0 num-vfs=-1", "num-vfs=-1", "from 0 to 65535" },
        { "pf=p0 num-vfs=+1", "num-vfs=+1", "from 0 to 65535" },
        { "pf=p0 num-vfs=0x10", "num-vfs=0x10", "from 0 to 65535" },
        { "pf=p0 mtu=50", "mtu=50", "from 68 to 65535" },
        { "pf=p0 mtu=65536", "mtu=65536", "from 68 to 65535" },
        { "pf=p0 max-vqp=0", "max-vqp=0", "from 1 to 32767 nor max" },
        { "pf=p0 max-vqp=32768", "max-vqp=32768", "from 1 to 32767 nor max" },
        { "pf=p0 max-vqp=maximum", "max-vqp=maximum", "nor max" },
        { "pf=p0 priority=100", "priority=100", "from 0 to 99" },
        { "pf=p0 externally-managed=yes", "externally-managed=yes",
          "is neither true nor false; write for example true" },
        { "pf=p0 eswitch-mode=swichdev", "eswitch-mode=swichdev",
          "is neither switchdev nor legacy; did you mean switchdev?" },
        { "pf=p0 device-type=vfio", "device-type=vfio",
          "is neither netdev nor vfio-pci" },
        { "pf=p0 vdpa-type=vhots", "vdpa-type=vhots",
          "is neither vhost, virtio nor none; did you mean vhost?" },
        { "pf=p0 mac=03:00:00:00:00:01", "mac=03:00:00:00:00:01",
          "is a multicast address" },
        { "pf=p0 mac=00:00:00:00:00:00", "mac=00:00:00:00:00:00",
          "is no address of a device" },
        { "pf=p0 mac=02:00:00:00:00", "mac=02:00:00:00:00",
          "is not a MAC address" },
        { "pf=p0 mac=stabel", "mac=stabel", "did you mean mac=stable?" },
        { "pf=p0 mac=random", "mac=random", "neither keep, stable nor a MAC" },
        { "pf=p0 num-vfs=16 mac=02:00:00:ff:ff:f8", "mac",
          "plus the VF index 15 leaves the manufacturer's block" },

        /* Templates. */
        { "pf=p0 name=vdpa%x", "name=vdpa%x", "after % only a (address" },
        { "pf=p0 name=vdpa%", "name=vdpa%", "after % only a (address" },
        { "pf=p0 name=a/%a", "name=a/%a", "letters, digits and :._-+@" },
        { "pf=p0 name=a'%a", "name=a'%a", "letters, digits and :._-+@" },
        { "pf=p0 name=-%a", "name=-%a", "must not begin with -" },
        { "pf=p0 name=..%a", "name=..%a", "must not begin with ." },
        { "pf=p0 name=vdpa", "name=vdpa", "gives several VFs the same name" },
        { "pf=p0 name=vdpa%p", "name=vdpa%p", "add %v" },
        { "pf=p0 pf=p1 name=v%v", "name=v%v", "VFs of several PFs the same" },
        { "vendor=15b3 name=v%v", "name=v%v", "VFs of several PFs the same" },
        { "pf=p0 name=%a%a%a%a%a%a%a", "name=%a%a%a%a%a%a%a",
          "could become 133 characters long" },

        /* Words that cannot go together. */
        { "pf=p0 device-type=vfio-pci vdpa-type=virtio",
          "device-type=vfio-pci", "cannot go with vdpa-type=virtio" },
        { "pf=p0 device-type=vfio-pci vdpa-type=vhost", "device-type=vfio-pci",
          "cannot go with vdpa-type=vhost" },
        { "pf=p0 vdpa-type=vhost eswitch-mode=legacy", "eswitch-mode=legacy",
          "which needs representors; write eswitch-mode=switchdev" },
        { "pf=p0 externally-managed=true num-vfs=4", "num-vfs",
          "cannot go with externally-managed=true" },
        { "pf=p0 externally-managed=true eswitch-mode=switchdev",
          "eswitch-mode", "cannot go with externally-managed=true" },
        { "pf=p0 num-vfs=0 vdpa-type=vhost", "num-vfs=0",
          "without VFs there are no devices" },

        /* Beside the good policy. */
        { "pf=good#5", "",
          "VF 5 of good is also in vdpa-policy-0good, of the "
          "same priority 99" },
        { "pf=good#5-7,9", "", "VFs 5-7 of good are also in" },
        { "pf=good", "", "all VFs of good are also in" },

        /* Bytes. */
        { "pf=p0 name=\xff%a", "pf=p0 name=?%a", "not valid UTF-8" },
        { "pf=p0 name=\xc0\xaf", "pf=p0 name=??", "not valid UTF-8" },
        { "pf=p0\x1b[31m", "pf=p0?[31m", "contains control characters" },
        { "pf=p0 \xe2\x80\xae=1", "pf=p0 ?=1", "contains control" },
        { "pf=p0 \xf0\x9f\x98\x80=1", "\xf0\x9f\x98\x80=1",
          "there is no word \xf0\x9f\x98\x80" },
        { "pf=p0 \xf0\x9f\x98", "pf=p0 ???", "not valid UTF-8" },
        { "pf=p0 \xed\xa0\x80", "pf=p0 ???", "not valid UTF-8" },
        { "pf=p0 \xf8", "pf=p0 ?", "not valid UTF-8" },
        { "pf=p0 na\xc3\xafve=1", "na\xc3\xafve=1", "there is no word na" },
    };

    (void) state;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        check_refusal("vdpa-policy-1bad", &table[i]);
    }
}

static void
test_port(void **state)
{
    static const struct refusal table[] = {
        { "", "", "none of device=, vf= and policy= is given; write exactly" },
        { "mtu=1500", "", "none of device=, vf= and policy= is given" },
        { "device=d vf=65:00.2", "", "more than one of device=, vf= and" },
        { "device=a/b", "device=a/b", "must be the name of a vDPA device" },
        { "device=..", "device=..", "must be the name of a vDPA device" },
        { "vf=p0", "vf=p0", "is not a PCI address" },
        { "policy=-x", "policy=-x", "cannot be the name of a policy" },
        { "policy=nosuch", "nosuch", "there is no key vdpa-policy-nosuch" },
        { "vf=66:00.2", "0000:66:00.2", "belongs to vdpa-port-zgood already" },
        { "vf=65:00.2 mac=01:00:5e:00:00:01", "mac=01:00:5e:00:00:01",
          "multicast" },
        { "vf=65:00.2 mac=stable", "mac=stable", "is not a MAC address" },
        { "vf=65:00.2 mtu=67", "mtu=67", "from 68 to 65535" },
        { "vf=65:00.2 tag=4096", "tag=4096", "from 0 to 4095" },
        { "vf=65:00.2 vlan=5", "vlan=5", "did you mean tag?" },
        { "vf=65:00.2 trunks=1;2", "trunks=1;2",
          "VLAN ids are numbers from 0 to 4095" },
        { "vf=65:00.2 trunks=4000-4096", "trunks=4000-4096", "0 to 4095" },
        { "vf=65:00.2 tag=1 trunks=2", "trunks", "has no effect beside tag=" },
        { "vf=65:00.2 bridge=br/int", "bridge=br/int", "without '/' and" },
        { "vf=65:00.2 bridge=br-abcdefghijklm", "bridge=br-abcdefghijklm",
          "up to 15 characters" },
        { "vf=65:00.2 iface-id-ver=a\xe2\x80\x8b",
          "vf=65:00.2 iface-id-ver=a?", "contains control characters" },
        { "vf=65:00.2 vm-uuid=1234", "vm-uuid=1234", "is not a UUID" },
        { "vf=65:00.2 vm-uuid=9d2c5e1c-7a1c-4f52-a2e7_0b6a1f3d8c11",
          "vm-uuid=9d2c5e1c-7a1c-4f52-a2e7_0b6a1f3d8c11", "is not a UUID" },
        { "vf=65:00.2 vf=65:00.3", "vf=65:00.3", "more than once" },
    };

    (void) state;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        /* "zh": after "zgood", so that this one loses. */
        const struct vdpad_kv kv[] = {
            { "vdpa-policy-0good", "pf=good vdpa-type=vhost" },
            { "vdpa-port-zgood", "vf=66:00.2" },
            { "vdpa-port-zh", table[i].value },
        };
        const struct vdpad_map map = { 3, kv };
        struct vdpad_config *c = vdpad_config_parse(&map);

        if (c->n_errors != 1 || strcmp(c->errors->key, "vdpa-port-zh")
            || strcmp(c->errors->word, table[i].word)
            || !strstr(c->errors->reason, table[i].reason)) {
            print_error("%s:\n", table[i].value);
            for (size_t j = 0; j < c->n_errors; j++) {
                print_error("%s: [%s] %s\n", c->errors[j].key,
                            c->errors[j].word, c->errors[j].reason);
            }
            fail();
        }
        assert_int_equal(c->n_ports, 1);
        assert_string_equal(c->ports->iface_id, "zgood");
        assert_int_equal(c->n_refused_ports, 1);
        assert_string_equal(c->refused_ports[0], "zh");
        vdpad_config_free(c);
    }
}

static void
test_options_and_keys(void **state)
{
    static const struct {
        const char *key;
        struct refusal refusal;
    } table[] = {
        { "vdpa-bridge", { "br/int", "br/int", "a bridge's name is up to" } },
        { "vdpa-bridge", { "", "", "a bridge's name is up to" } },
        { "vdpa-hw-offload", { "on", "on", "neither true nor false" } },
        { "vdpa-attach",
          { "declare", "declare",
            "neither auto, declared nor none; did you mean "
            "declared?" } },
        { "vdpa-metrics", { "9345", "9345", "ADDRESS:PORT" } },
        { "vdpa-metrics",
          { "localhost:9345", "localhost:9345", "numeric address" } },
        { "vdpa-metrics", { "127.0.0.1:0", "127.0.0.1:0", "ADDRESS" } },
        { "vdpa-metrics", { "127.0.0.1:65536", "127.0.0.1:65536", "ADDR" } },
        { "vdpa-metrics", { "::1:9345", "::1:9345", "[::1]:9345" } },
        { "vdpa-metrics", { "[::1:9345", "[::1:9345", "[::1]:9345" } },
        { "vdpa-suspended", { "nobody", "nobody", "there is no key vdpa-" } },
        { "vdpa-suspended", { "a/b", "a/b", "or * for all" } },
        { "vdpa-suspended", { "\xff\x1b", "??", "or * for all" } },
        { "vdpa-brigde", { "br-int", "", "did you mean vdpa-bridge?" } },
        { "vdpa-hwoffload", { "1", "", "did you mean vdpa-hw-offload?" } },
        { "vdpa-polcy-1", { "pf=p0", "", "did you mean vdpa-policy-1?" } },
        { "vdpa-policy", { "pf=p0", "", "did you mean vdpa-policy-NAME?" } },
        { "vdpa-policy_a", { "pf=p0", "", "did you mean vdpa-policy-a?" } },
        { "vdpa-pp-x", { "", "", "there is no such key; known are" } },
        { "vdpa-", { "", "", "there is no such key; known are" } },
        { "vdpa-xyz", { "a\x02", "a?", "contains control characters" } },
        { "vdpa-policy-", { "pf=p0", "", "the NAME in vdpa-policy-NAME" } },
        { "vdpa-policy--a", { "pf=p0", "", "the first a letter or digit" } },
        { "vdpa-port-", { "vf=65:00.2", "", "the IFACEID in" } },
        { "vdpa-port-a b", { "vf=65:00.2", "", "without spaces" } },
    };

    (void) state;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        check_refusal(table[i].key, &table[i].refusal);
    }
}

/* Each is known to be refused, and not only to have its default. */
static void
test_refused_options(void **state)
{
    struct vdpad_kv kv[] = {
        { "vdpa-attach", "x" },
        { "vdpa-bridge", "x/y" },
        { "vdpa-hw-offload", "x" },
        { "vdpa-metrics", "x" },
    };
    struct vdpad_map map = { sizeof kv / sizeof *kv, kv };
    struct vdpad_config *c = vdpad_config_parse(&map);

    (void) state;
    assert_true(c->attach_refused && c->bridge_refused);
    assert_true(c->hw_offload_refused && c->metrics_refused);
    assert_false(c->hw_offload);
    vdpad_config_free(c);
    /* A character that nobody sees, as it comes along in what is pasted. */
    kv[2].value = "false\xe2\x80\x8b";
    c = vdpad_config_parse(&map);
    assert_true(c->hw_offload_refused);
    assert_false(c->hw_offload);
    vdpad_config_free(c);
    kv[0].value = "none";
    kv[1].value = "br-x";
    kv[2].value = "false";
    kv[3].value = "off";
    c = vdpad_config_parse(&map);
    assert_false(c->attach_refused || c->bridge_refused);
    assert_false(c->hw_offload_refused || c->metrics_refused);
    vdpad_config_free(c);
}

static void
test_conflicting_policies(void **state)
{
    static const struct {
        const char *first, *second, *reason; /* NULL: no conflict. */
    } table[] = {
        { "pf=a#0-1 num-vfs=8", "pf=a#2-3 num-vfs=4",
          "num-vfs=4 contradicts num-vfs=8 of vdpa-policy-a" },
        { "pf=a#0-1 vdpa-type=vhost", "pf=a#2-3 eswitch-mode=legacy",
          "the e-switch of a cannot be both" },
        { "vendor=15b3", "vendor=15b3", "the same devices are also in" },
        { "vendor=15b3", "vendor=15b3 device-id=101d", NULL },
        { "vendor=15b3", "pf=a", NULL },
        { "pf=a#0-1 num-vfs=8 priority=1", "pf=a#2-3 num-vfs=4", NULL },
        { "pf=a#0-1 num-vfs=8", "pf=a#2-3 num-vfs=8", NULL },
        { "pf=a#0-1 num-vfs=8", "pf=a#2-3", NULL },
        { "pf=a#0,2,4,6", "pf=a#1,3,5,7", NULL },
        { "pf=a#0,2,4,6", "pf=a#1,3,5-6", "VF 6 of a is also in" },
        { "pf=a#0,2,4,6", "pf=b pf=a#9-100,3-5", "VF 4 of a is also in" },
    };

    (void) state;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        const struct vdpad_kv kv[] = {
            { "vdpa-policy-a", table[i].first },
            { "vdpa-policy-b", table[i].second },
        };
        const struct vdpad_map map = { 2, kv };
        struct vdpad_config *c = vdpad_config_parse(&map);

        assert_int_equal(c->n_errors, !!table[i].reason);
        assert_int_equal(c->n_policies, table[i].reason ? 1 : 2);
        if (table[i].reason) {
            assert_string_equal(c->errors->key, "vdpa-policy-b");
            assert_non_null(strstr(c->errors->reason, table[i].reason));
        }
        vdpad_config_free(c);
    }
}

/* All mistakes of a key are told at once, but not without end. */
static void
test_many_errors(void **state)
{
    enum { KEYS = 2000 };
    struct vdpad_kv *kv = calloc(KEYS, sizeof *kv);
    struct vdpad_map map = { KEYS, kv };
    char(*keys)[32] = calloc(KEYS, sizeof *keys);

    (void) state;
    for (size_t i = 0; i < KEYS; i++) {
        snprintf(keys[i], sizeof keys[i], "vdpa-policy-%06zu", i);
        kv[i] = (struct vdpad_kv){ keys[i], "a=1 b=2 mtu=3" };
    }
    struct vdpad_config *c = vdpad_config_parse(&map);
    assert_int_equal(c->n_errors, 1024);
    bool told = false;
    for (size_t i = 0; i < c->n_errors; i++) {
        told = told || strstr(c->errors[i].reason, "more errors than");
    }
    assert_true(told);
    assert_int_equal(c->n_refused_policies, KEYS);
    vdpad_config_free(c);

    /* config/check of one among them tells all the same. */
    c = vdpad_config_check(&map, keys[5], "a=1 b=2 mtu=3");
    assert_int_equal(c->n_errors, 3);
    vdpad_config_free(c);

    for (size_t i = 0; i < KEYS; i++) {
        kv[i].value = i ? "vendor=1 device-id=2" : "pf=a";
    }
    c = vdpad_config_check(&map, keys[KEYS - 1], "pf=b");
    assert_int_equal(c->n_errors, 1);
    assert_non_null(strstr(c->errors->reason, "more than 512 policies"));
    vdpad_config_free(c);

    char many[400] = "";
    for (size_t i = 0; i < 17; i++) {
        strcat(many, " pf=a");
        snprintf(many + strlen(many), 8, "%zu", i);
    }
    kv[0].value = many;
    c = vdpad_config_check(&map, keys[0], many);
    assert_int_equal(c->n_errors, 1);
    assert_non_null(strstr(c->errors->reason, "more than 16 pf= words"));
    vdpad_config_free(c);

    many[0] = '\0';
    for (size_t i = 0; i < 40; i++) {
        strcat(many, " x=1");
    }
    kv[0].value = many;
    map.n = 1;
    c = vdpad_config_parse(&map);
    assert_int_equal(c->n_errors, 16);
    vdpad_config_free(c);
    free(keys);
    free(kv);
}

static void
test_many_ports(void **state)
{
    enum { PORTS = 4100 };
    struct vdpad_kv *kv = calloc(PORTS, sizeof *kv);
    char(*keys)[24] = calloc(PORTS, sizeof *keys);
    char(*values)[24] = calloc(PORTS, sizeof *values);
    struct vdpad_map map = { PORTS, kv };

    (void) state;
    for (size_t i = 0; i < PORTS; i++) {
        snprintf(keys[i], sizeof keys[i], "vdpa-port-%06zu", i);
        snprintf(values[i], sizeof values[i], "device=d%zu", i);
        kv[i] = (struct vdpad_kv){ keys[i], values[i] };
    }
    struct vdpad_config *c = vdpad_config_parse(&map);
    assert_int_equal(c->n_ports, 4096);
    assert_int_equal(c->n_refused_ports, 4);
    assert_int_equal(c->n_errors, 4);
    assert_non_null(strstr(c->errors->reason, "more than 4096 ports"));
    vdpad_config_free(c);
    free(values);
    free(keys);
    free(kv);
}

static void
test_long_values(void **state)
{
    enum { LEN = 10000 };
    static const char *const keys[] = {
        "vdpa-bridge",   "vdpa-attach", "vdpa-hw-offload", "vdpa-metrics",
        "vdpa-policy-a", "vdpa-port-a", "vdpa-nosuch",     "vdpa-suspended",
    };
    char *value = malloc(LEN + 1);

    (void) state;
    memset(value, 'a', LEN);
    value[LEN] = '\0';
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        struct vdpad_kv kv = { keys[i], value };
        struct vdpad_map map = { 1, &kv };
        struct vdpad_config *c = vdpad_config_parse(&map);

        assert_int_equal(c->n_errors, 1);
        assert_int_equal(strlen(c->errors->word), 64 + 3);
        assert_true(strlen(c->errors->reason) < 300);
        assert_int_equal(c->n_policies + c->n_ports, 0);
        vdpad_config_free(c);
    }

    /* A long key, and long words of a value that is short enough. */
    char *key = malloc(LEN + 32);
    sprintf(key, "vdpa-port-%s", value);
    struct vdpad_kv kv = { key, "vf=65:00.2" };
    struct vdpad_map map = { 1, &kv };
    struct vdpad_config *c = vdpad_config_parse(&map);
    assert_int_equal(c->n_errors, 1);
    assert_int_equal(strlen(c->errors->key), 255 + 3);
    vdpad_config_free(c);

    kv = (struct vdpad_kv){ "vdpa-policy-a", value + LEN - 4096 };
    c = vdpad_config_parse(&map);
    assert_int_equal(c->n_errors, 1);
    assert_int_equal(strlen(c->errors->word), 64 + 3);
    vdpad_config_free(c);
    free(key);
    free(value);
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_policy),
        cmocka_unit_test(test_port),
        cmocka_unit_test(test_options_and_keys),
        cmocka_unit_test(test_refused_options),
        cmocka_unit_test(test_conflicting_policies),
        cmocka_unit_test(test_many_errors),
        cmocka_unit_test(test_many_ports),
        cmocka_unit_test(test_long_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
