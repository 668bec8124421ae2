/* SPDX-License-Identifier: Apache-2.0 */
/* Policies of the SR-IOV network operator become words of ours, or are refused
 * by the names of their fields. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/import-yaml.h"
#include "controller/import.h"

#define N_ELEMS(ARRAY) (sizeof(ARRAY) / sizeof(ARRAY)[0])

#define TYPE                                     \
    "apiVersion: sriovnetwork.openshift.io/v1\n" \
    "kind: SriovNetworkNodePolicy\n"
#define HEAD TYPE "metadata:\n  name: gold\nspec:\n"
#define NEEDED "  resourceName: gold\n  nodeSelector: {}\n"
#define NIC "  nicSelector: {rootDevices: [\"0000:65:00.0\"]}\n"
/* Six lines, so that what follows is line 9. */
#define BASE HEAD NEEDED "  numVfs: 4\n"

static void
assert_contains(const char *text, const char *part)
{
    if (!strstr(text, part)) {
        print_error("\"%s\" is not in:\n%s\n", part, text);
        fail();
    }
}

/* The words that the one policy of 'yaml' becomes; messages to '*messages',
 * which may be NULL. */
static char *
words_of(const char *yaml, char **messages)
{
    static const char start[] = "ovs-vsctl set Open_vSwitch . \\\n"
                                "    external_ids:vdpa-policy-gold='";
    char *command, *said;

    if (!vdpad_import("f", yaml, strlen(yaml), &command, &said)) {
        print_error("refused: %s", said);
        fail();
    }
    assert_memory_equal(command, start, sizeof start - 1);
    size_t len = strlen(command);
    assert_string_equal(command + len - 2, "'\n");
    char *words = strndup(command + sizeof start - 1, len - sizeof start - 1);
    free(command);
    if (messages) {
        *messages = said;
    } else {
        assert_string_equal(said, "");
        free(said);
    }
    return words;
}

static void
assert_words(const char *yaml, const char *wanted)
{
    char *words = words_of(yaml, NULL);

    assert_string_equal(words, wanted);
    free(words);
}

/* Refused, with exactly one message that has 'part' in it. */
static void
assert_refused_len(const char *yaml, size_t len, const char *part)
{
    char *command, *said;

    if (vdpad_import("f", yaml, len, &command, &said)) {
        print_error("not refused: %.*s\n%s", (int) len, yaml, command);
        fail();
    }
    assert_null(command);
    assert_contains(said, part);
    assert_ptr_equal(strchr(said, '\n'), said + strlen(said) - 1);
    for (const char *p = said; p[1]; p++) {
        assert_true((unsigned char) *p >= 0x20);
    }
    free(said);
}

static void
assert_refused(const char *yaml, const char *part)
{
    assert_refused_len(yaml, strlen(yaml), part);
}

static void
every_field(void **state)
{
    char *messages;
    char *words = words_of(HEAD "  resourceName: mlxnics\n"
                                "  nodeSelector:\n"
                                "    kubernetes.io/hostname: \"h1\"\n"
                                "  priority: 10\n"
                                "  mtu: 9000\n"
                                "  numVfs: 8\n"
                                "  nicSelector:\n"
                                "    vendor: \"15b3\"\n"
                                "    deviceID: 101d\n"
                                "    rootDevices:\n"
                                "    - 0000:65:00.0\n"
                                "    - \"0000:65:00.1\"\n"
                                "    netFilter: ''\n"
                                "  deviceType: netdevice\n"
                                "  isRdma: false\n"
                                "  needVhostNet: true\n"
                                "  linkType: ETH\n"
                                "  eSwitchMode: switchdev\n"
                                "  vdpaType: vhost\n"
                                "  excludeTopology: false\n"
                                "  externallyManaged: false\n"
                                "  bridge: {}\n"
                                "status: {}\n",
                           &messages);

    (void) state;
    assert_string_equal(words,
                        "pf=0000:65:00.0 pf=0000:65:00.1 vendor=15b3 "
                        "device-id=101d num-vfs=8 eswitch-mode=switchdev "
                        "vdpa-type=vhost mtu=9000 priority=10");
    assert_contains(messages, "f:7: note: spec.nodeSelector: is not looked");
    assert_contains(messages, "f:21: note: spec.needVhostNet: is the device "
                              "plugin's");
    assert_contains(messages, "spec.resourceName: mlxnics is the device");
    free(words);
    free(messages);
}

static void
defaults(void **state)
{
    (void) state;
    /* Without priority it is the highest there; absent is null, too. */
    assert_words(BASE NIC "  mtu:\n  vdpaType: null\n",
                 "pf=0000:65:00.0 num-vfs=4 priority=0");
    assert_words(BASE "  nicSelector: {vendor: \"15b3\"}\n"
                      "  deviceType: vfio-pci\n",
                 "vendor=15b3 num-vfs=4 device-type=vfio-pci priority=0");
    assert_words(BASE "  nicSelector: {pfNames: [ens1f0#0-1, \"ens1f1\"]}\n",
                 "pf=ens1f0#0-1 pf=ens1f1 num-vfs=4 priority=0");
}

/* VFs that others made: as many as the policy says, and no more. */
static void
external(void **state)
{
    (void) state;
    assert_words(BASE NIC "  externallyManaged: true\n"
                          "  eSwitchMode: switchdev\n  vdpaType: virtio\n",
                 "pf=0000:65:00.0#0-3 externally-managed=true "
                 "vdpa-type=virtio priority=0");
    assert_words(BASE "  nicSelector: {pfNames: [\"p0#1\", p1]}\n"
                      "  externallyManaged: true\n",
                 "pf=p0#1 pf=p1#0-3 externally-managed=true priority=0");
    char *messages;
    char *words = words_of(BASE "  externallyManaged: true\n"
                                "  nicSelector:\n"
                                "    rootDevices: [\"0000:65:00.0\"]\n"
                                "    pfNames: [\"ens1f0#2\"]\n",
                           &messages);
    assert_string_equal(words, "pf=0000:65:00.0#2 externally-managed=true "
                               "priority=0");
    free(words);
    free(messages);
    assert_refused(BASE "  nicSelector: {vendor: \"15b3\"}\n"
                        "  externallyManaged: true\n",
                   "spec.nicSelector: has to name the PFs");
    assert_refused(HEAD NEEDED NIC "  numVfs: 0\n  externallyManaged: true\n",
                   "spec.numVfs: is 0");
    assert_refused(BASE NIC "  externallyManaged: true\n"
                            "  eSwitchMode: legacy\n  vdpaType: virtio\n",
                   "spec.eSwitchMode: legacy cannot go with vdpaType");
}

static void
root_device_and_name(void **state)
{
    char *messages;
    char *words = words_of(BASE "  nicSelector:\n"
                                "    rootDevices: [\"0000:65:00.0\"]\n"
                                "    pfNames: [\"ens1f0#0-2\"]\n",
                           &messages);

    (void) state;
    assert_string_equal(words, "pf=0000:65:00.0#0-2 num-vfs=4 priority=0");
    assert_contains(messages, "spec.nicSelector.pfNames[0]: is taken for the "
                              "name of 0000:65:00.0");
    free(words);
    free(messages);
    assert_refused(BASE "  nicSelector:\n"
                        "    rootDevices: [\"0000:65:00.0\"]\n"
                        "    pfNames: [a, b]\n",
                   "f:11: spec.nicSelector.pfNames: cannot be joined");
    assert_refused(BASE "  nicSelector:\n"
                        "    rootDevices: [\"0000:65:00.0#1\"]\n"
                        "    pfNames: [a]\n",
                   "spec.nicSelector.rootDevices: has a range");
}

static void
wrong_values(void **state)
{
    static const char *const cases[][2] = {
        { "  mtu: \"1500\"\n",
          "f:10: spec.mtu: is a text (1500), has to be a whole number" },
        { "  mtu: 1e3\n", "spec.mtu: is a number (1e3), has to be a whole" },
        { "  mtu: 01500\n", "spec.mtu: is a number (01500), has to be a" },
        { "  mtu: 99999999999999999999\n", "spec.mtu: is a number" },
        { "  mtu: 12\n", "f:10: spec.mtu: as mtu=12: mtu=12 is not a number" },
        { "  mtu: -1\n", "spec.mtu: as mtu=-1" },
        { "  mtu: [1500]\n", "spec.mtu: is a list, has to be a whole" },
        { "  priority: 100\n", "spec.priority: as priority=100" },
        { "  isRdma: yes\n", "spec.isRdma: is a truth value (yes), has to be "
                             "true or false" },
        { "  isRdma: \"true\"\n", "spec.isRdma: is a text (true)" },
        { "  isRdma: true\n", "spec.isRdma: true has no counterpart" },
        { "  linkType: ib\n", "spec.linkType: ib: only Ethernet" },
        { "  linkType: tokenring\n",
          "spec.linkType: is tokenring; write eth" },
        { "  vdpaType: user\n", "spec.vdpaType: is user; write virtio or" },
        { "  vdpaType: \"vhost mtu=1\"\n", "spec.vdpaType: is vhost mtu=1;" },
        { "  deviceType: off\n", "spec.deviceType: is a truth value, has to "
                                 "be a text; write it in quotes: \"off\"" },
        { "  eSwitchMode: legacy\n  vdpaType: vhost\n",
          "f:10: spec.eSwitchMode: as eswitch-mode=legacy: eswitch-mode=legac"
          "y cannot go with vdpa-type=vhost" },
        { "  deviceType: vfio-pci\n  vdpaType: vhost\n",
          "spec.deviceType: as device-type=vfio-pci" },
        { "  bridge: {ovs: {}}\n", "spec.bridge: cannot be carried over" },
        { "  nodeselector: {}\n",
          "f:10: spec.nodeselector: there is no such field; did you mean "
          "nodeSelector" },
        { "  xyzzy: {}\n",
          "f:10: spec.xyzzy: there is no such field; remove" },
        { "  <<: {mtu: 9000}\n", "spec.<<: there is no such field" },
        { "  \"a\\e[2Jb\": 1\n", "spec.a?[2Jb: there is no such field" },
        { "statis: {}\n", "f:10: statis: there is no such field; did you mean "
                          "status" },
    };

    (void) state;
    for (size_t i = 0; i < N_ELEMS(cases); i++) {
        char yaml[1024];

        snprintf(yaml, sizeof yaml, "%s%s", BASE NIC, cases[i][0]);
        assert_refused(yaml, cases[i][1]);
    }
}

static void
wrong_selectors(void **state)
{
    static const char *const cases[][2] = {
        { "{}", "spec.nicSelector: as" },
        { "[]", "spec.nicSelector: is a list, has to be a map" },
        { "{vendor: 8086}", "spec.nicSelector.vendor: is a number, has to be "
                            "a text; write it in quotes: \"8086\"" },
        { "{vendor: 15b3 num-vfs=9}", "spec.nicSelector.vendor: 15b3 num-vfs="
                                      "9 is not a PCI id" },
        { "{deviceID: 101dd}", "spec.nicSelector.deviceID: 101dd is not" },
        { "{netFilter: openstack/NetworkID:1}", "spec.nicSelector.netFilter: "
                                                "names a network of a cloud" },
        { "{rootDevices: 0000:65:00.0}", "spec.nicSelector.rootDevices: is a "
                                         "text (0000:65:00.0), has to be a "
                                         "list" },
        { "{rootDevices: [\"0000:65:00.0\", ens1f0]}",
          "spec.nicSelector.rootDevices[1]: ens1f0 cannot be" },
        { "{rootDevices: [\"0000:65:00.0 mtu=9\"]}",
          "spec.nicSelector.rootDevices[0]: 0000:65:00.0 mtu=9 cannot be" },
        { "{pfNames: [\"a b\"]}", "spec.nicSelector.pfNames[0]: a b cannot" },
        { "{pfNames: [\"a#\"]}", "spec.nicSelector.pfNames[0]: a# cannot be" },
        { "{pfNames: [\"a#1 mtu=9\"]}", "pfNames[0]: a#1 mtu=9 cannot be" },
        { "{pfNames: [\"a#3-1\"]}", "spec.nicSelector: as pf=a#3-1: " },
        { "{pfNames: [\"a#0-4\"]}", "spec.nicSelector: as pf=a: pf=a names VF "
                                    "4, but num-vfs=4" },
        { "{pfName: [a]}", "spec.nicSelector.pfName: there is no such field; "
                           "did you mean pfNames" },
    };

    (void) state;
    for (size_t i = 0; i < N_ELEMS(cases); i++) {
        char yaml[1024];

        snprintf(yaml, sizeof yaml, "%s  nicSelector: %s\n", BASE,
                 cases[i][0]);
        /* The parser of the keys refuses an empty selection as a whole. */
        assert_refused(yaml, i ? cases[i][1] : "metadata.name: as");
    }
}

static void
missing_fields(void **state)
{
    (void) state;
    assert_refused(HEAD NEEDED NIC, "f:5: spec.numVfs: is missing");
    assert_refused(HEAD NEEDED NIC "  numVfs:\n", "spec.numVfs: is missing");
    assert_refused(BASE, "spec.nicSelector: is missing");
    assert_refused(HEAD "  resourceName: a\n  numVfs: 1\n" NIC,
                   "spec.nodeSelector: is missing");
    assert_refused(HEAD "  nodeSelector: {}\n  numVfs: 1\n" NIC,
                   "spec.resourceName: is missing");
    assert_refused(TYPE "metadata: {name: a}\n", "spec: is missing");
    assert_refused(TYPE "metadata: {name: a}\nspec: 5\n",
                   "spec: is a number (5), has to be a map");
    assert_refused(TYPE "spec:\n" NEEDED NIC "  numVfs: 1\n",
                   "metadata.name: is missing");
    assert_refused("kind: SriovNetworkNodePolicy\n", "apiVersion: is missing");
    assert_refused("apiVersion: v1\nspec: {}\n", "kind: is missing");
    assert_refused("apiVersion: v1\nkind: Pod\nspec: {containers: []}\n",
                   "f:2: kind: is Pod; only SriovNetworkNodePolicy");
    assert_refused("apiVersion: sriovnetwork.openshift.io/v2\n"
                   "kind: SriovNetworkNodePolicy\nmetadata: {name: gold}\n"
                   "spec:\n" NEEDED NIC "  numVfs: 1\n",
                   "f:1: apiVersion: is sriovnetwork.openshift.io/v2");
    assert_refused(TYPE "metadata: {name: -x}\nspec:\n" NEEDED NIC
                        "  numVfs: 1\n",
                   "metadata.name: -x cannot be the NAME");
    assert_refused("- 1\n", "is a list, where a SriovNetworkNodePolicy");
    assert_refused("text\n", "is a text, where a");
    assert_refused("", "the file is empty");
    assert_refused("---\n---\n", "the file is empty");
}

static void
many_policies(void **state)
{
    static const char two[] = BASE NIC
        "---\n" TYPE "metadata: {name: silver, uid: 1}\nspec:\n" NEEDED
        "  numVfs: 2\n  nicSelector: {pfNames: [p1]}\n---\n";
    static const char list[] =
        "apiVersion: v1\nkind: List\nmetadata: {resourceVersion: ''}\nitems:\n"
        "- apiVersion: sriovnetwork.openshift.io/v1\n"
        "  kind: SriovNetworkNodePolicy\n"
        "  metadata: {name: gold}\n"
        "  spec: {resourceName: gold, nodeSelector: {}, numVfs: %s,\n"
        "         nicSelector: {pfNames: [p0]}}\n";
    char *command, *said, text[1024];

    (void) state;
    assert_true(vdpad_import("f", two, strlen(two), &command, &said));
    assert_string_equal(command,
                        "ovs-vsctl set Open_vSwitch . \\\n"
                        "    external_ids:vdpa-policy-gold='pf=0000:65:00.0 "
                        "num-vfs=4 priority=0' \\\n"
                        "    external_ids:vdpa-policy-silver='pf=p1 num-vfs=2 "
                        "priority=0'\n");
    free(command);
    free(said);
    snprintf(text, sizeof text, list, "4");
    assert_words(text, "pf=p0 num-vfs=4 priority=0");
    snprintf(text, sizeof text, list, "x");
    assert_refused(text, "f:8: items[0].spec.numVfs: is a text (x)");
    snprintf(text, sizeof text, list, "70000");
    assert_refused(text, "f:8: items[0].spec.numVfs: as num-vfs=70000");
    assert_refused("apiVersion: v1\nkind: List\n", "items: is missing");
    assert_refused("kind: List\nitems: []\n", "the list is empty");
    assert_refused("kind: List\nitems: {}\n", "f:2: items: is a map");
    /* A list within a list is nothing that the API gives. */
    assert_refused("kind: List\nitems:\n- kind: List\n  apiVersion: v1\n"
                   "  items: []\n",
                   "items[0].kind: is List; only");
    assert_refused(BASE NIC "---\n" BASE NIC,
                   "f:11: metadata.name: gold is the name of another");
    /* The same VFs twice. */
    assert_refused(BASE NIC "---\n" TYPE "metadata: {name: b}\nspec:\n" NEEDED
                            "  numVfs: 4\n" NIC,
                   "metadata.name: as vdpa-policy-gold: all VFs of "
                   "0000:65:00.0 are also in vdpa-policy-b");
}

/* Names of netdevs may have any character that a shell takes amiss. */
static void
shell_characters(void **state)
{
    (void) state;
    assert_words(BASE "  nicSelector: {pfNames: ['a$(b)`;\"']}\n",
                 "pf=a$(b)`;\" num-vfs=4 priority=0");
    assert_words(BASE "  nicSelector: {pfNames: ['it''s']}\n",
                 "pf=it'\\''s num-vfs=4 priority=0");
}

static void
all_mistakes_up_to_a_limit(void **state)
{
    static char yaml[40000];
    char *command, *said;
    size_t n = 0, used = strlen(BASE NIC);

    (void) state;
    strcpy(yaml, BASE NIC "  mtu: x\n  isRdma: x\n");
    assert_false(vdpad_import("f", yaml, strlen(yaml), &command, &said));
    assert_contains(said, "spec.mtu: ");
    assert_contains(said, "spec.isRdma: ");
    free(said);
    for (int i = 0; i < 1000; i++) {
        used += (size_t) snprintf(yaml + used, sizeof yaml - used,
                                  "  no-such-field-%d: 1\n", i);
    }
    assert_false(vdpad_import("f", yaml, used, &command, &said));
    for (const char *p = said; (p = strchr(p, '\n')); p++) {
        n++;
    }
    assert_int_equal(n, 20);
    assert_contains(said, "more mistakes than are shown");
    free(said);
}

static void
no_yaml(void **state)
{
    static const char nul[] = "a: \0b\n";

    (void) state;
    assert_refused("a: \xff\n", "no YAML: invalid leading UTF-8 octet (byte 3)"
                                "; the file has to be UTF-8");
    assert_refused_len(nul, sizeof nul - 1, "control characters");
    assert_refused("a: \"\\0\"\n", "f:1: a text has a NUL character");
    assert_refused("a: 1\nb: {\n", "f:3: no YAML: while parsing a flow");
    assert_refused("a: 1\na: 2\n", "f:2: the key a is given more than once "
                                   "(also in line 1)");
    assert_refused("? [a]\n: 1\n", "a key has to be a text");
    assert_refused("a: &x 1\nb: *x\n", "f:2: aliases are not read; write out "
                                       "what *x stands for");
}

/* Text that would grow, or nest, beyond measure. */
static void
bombs(void **state)
{
    static char big[VDPAD_YAML_SIZE_MAX + 2];
    struct vdpad_yaml_error error;
    struct vdpad_yaml *root;
    size_t used = 0;

    (void) state;
    assert_refused("a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\n",
                   "f:2: aliases are not read");
    memset(big, 'a', sizeof big);
    assert_refused_len(big, sizeof big - 1,
                       "the file is larger than 1024 KiB");
    memset(big, '[', sizeof big);
    assert_refused_len(big, VDPAD_YAML_SIZE_MAX,
                       "more than 64 lists and maps");
    memset(big, '\n', sizeof big);
    assert_refused_len(big, VDPAD_YAML_SIZE_MAX, "the file is empty");
    for (size_t i = 0; i + 1 < VDPAD_YAML_SIZE_MAX; i += 2) {
        big[i] = i ? '1' : ' ';
        big[i + 1] = i ? ',' : '[';
    }
    assert_refused_len(big, VDPAD_YAML_SIZE_MAX, "more than 100000 values");
    for (int i = 0; i < 2000; i++) {
        used += (size_t) snprintf(big + used, sizeof big - used, "k%d: 1\n",
                                  i);
    }
    assert_refused_len(big, used, "f:1025: more than 1024 keys in one map");

    /* Just within. */
    used = 0;
    for (int i = 0; i < VDPAD_YAML_DEPTH_MAX; i++) {
        big[used++] = '[';
    }
    memset(big + used, ']', used);
    assert_int_equal(vdpad_yaml_parse(big, 2 * used, &root, &error), 0);
    assert_int_equal(root->n, 1);
    vdpad_yaml_free(root);
    memset(big, '[', VDPAD_YAML_DEPTH_MAX + 1);
    memset(big + VDPAD_YAML_DEPTH_MAX + 1, ']', VDPAD_YAML_DEPTH_MAX + 1);
    assert_refused_len(big, 2 * (VDPAD_YAML_DEPTH_MAX + 1), "more than 64");
}

static void
more_policies_than_can_be_set(void **state)
{
    char *yaml = calloc(1, 300000), *command, *said;
    size_t used = 0;

    (void) state;
    for (int i = 0; i < 514; i++) {
        used += (size_t) sprintf(yaml + used,
                                 TYPE "metadata: {name: p%d}\nspec:\n" NEEDED
                                      "  numVfs: 1\n"
                                      "  nicSelector: {pfNames: [p%d]}\n---\n",
                                 i, i);
    }
    assert_false(vdpad_import("f", yaml, used, &command, &said));
    assert_contains(said, "is one more than the 512 policies");
    free(said);
    free(yaml);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field),
        cmocka_unit_test(defaults),
        cmocka_unit_test(external),
        cmocka_unit_test(root_device_and_name),
        cmocka_unit_test(wrong_values),
        cmocka_unit_test(wrong_selectors),
        cmocka_unit_test(missing_fields),
        cmocka_unit_test(many_policies),
        cmocka_unit_test(shell_characters),
        cmocka_unit_test(all_mistakes_up_to_a_limit),
        cmocka_unit_test(no_yaml),
        cmocka_unit_test(bombs),
        cmocka_unit_test(more_policies_than_can_be_set),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
