/* SPDX-License-Identifier: Apache-2.0 */
/* why: each check fails when what it looks at is wrong, and no other does. */
#include "cmd-fixture.h"

#include "controller/cmd-why.h"

/* Result, what was seen and the remedy of one check of the first device. */
struct result {
    char result[16], seen[400], remedy[400];
};

static void
copy(char *dst, size_t size, json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));

    snprintf(dst, size, "%s", value ? value : "");
}

/* Runs why; '*ret' is that of 'check'.  Returns how many failed. */
static int
run(const char *check, struct result *ret)
{
    json_t *rows = RUN_JSON("why", "vdpa:0000:65:00.2");
    int failed = 0;
    bool found = false;

    memset(ret, 0, sizeof *ret);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        json_t *row = json_array_get(rows, i);

        assert_members(row, "device check result seen remedy");
        assert_string_equal(json_string_value(json_object_get(row, "device")),
                            "vdpa:0000:65:00.2");
        failed += !strcmp("fail",
                          json_string_value(json_object_get(row, "result")));
        if (!strcmp(json_string_value(json_object_get(row, "check")), check)) {
            assert_false(found);
            found = true;
            copy(ret->result, sizeof ret->result, row, "result");
            copy(ret->seen, sizeof ret->seen, row, "seen");
            copy(ret->remedy, sizeof ret->remedy, row, "remedy");
        }
    }
    json_decref(rows);
    return failed;
}

/* Asserts that 'check' alone fails with 'seen' and 'remedy' ("" none). */
static void
assert_fails(const char *check, const char *seen, const char *remedy)
{
    struct result r;
    int failed = run(check, &r);

    assert_string_equal(r.result, "fail");
    assert_contains(r.seen, seen);
    if (remedy[0]) {
        assert_contains(r.remedy, remedy);
    } else {
        assert_string_equal(r.remedy, "");
    }
    assert_int_equal(failed, 1);
}

static void
assert_unknown(const char *check, const char *seen)
{
    struct result r;

    assert_int_equal(run(check, &r), 0);
    assert_string_equal(r.result, "unknown");
    assert_contains(r.seen, seen);
}

/* Puts 'change' into effect for one assertion. */
#define WITH(LVALUE, VALUE, ASSERTION)      \
    do {                                    \
        __typeof__(LVALUE) saved_ = LVALUE; \
        (LVALUE) = VALUE;                   \
        ASSERTION;                          \
        (LVALUE) = saved_;                  \
    } while (0)

static void
all_is_well(void **state)
{
    json_t *rows = RUN_JSON("why", "vdpa:0000:65:00.2");
    static const char order[] =
        "flower-modules hw-offload tc-policy state vdpa-modules "
        "eswitch-mode uplink-up uplink-hw-tc-offload vdpa-device "
        "vdpa-driver vdpa-negotiated vdpa-link representor representor-up "
        "representor-hw-tc-offload bridge ofport hw-offload-priority "
        "ingress-qdisc mtu mac traffic ";
    char found[1000] = "";

    (void) state;
    for (size_t i = 0; i < json_array_size(rows); i++) {
        json_t *row = json_array_get(rows, i);

        assert_string_equal(json_string_value(json_object_get(row, "result")),
                            "ok");
        strcat(found, json_string_value(json_object_get(row, "check")));
        strcat(found, " ");
    }
    assert_string_equal(found, order);
    json_decref(rows);
    char *text = RUN("why", "lp1");
    assert_contains(text, "DEVICE             CHECK");
    assert_contains(text, "hw-offload                 ok      "
                          "other_config:hw-offload is true");
    free(text);
}

static void
host_checks(void **state)
{
    (void) state;
    for (size_t i = 0; vdpad_module_names[i]; i++) {
        const char *name = vdpad_module_names[i];

        if (!strcmp(name, "cls_flower")) {
            WITH(fix.modules[i].state, VDPAD_MODULE_MISSING,
                 assert_fails("flower-modules", "cls_flower missing",
                              "CONFIG_NET_CLS_FLOWER"));
        } else if (!strcmp(name, "mlx5_vdpa")) {
            WITH(fix.modules[i].state, VDPAD_MODULE_MISSING,
                 assert_fails("vdpa-modules", "mlx5_vdpa missing",
                              "CONFIG_MLX5_VDPA"));
        } else if (!strcmp(name, "vhost_vdpa")) {
            WITH(fix.modules[i].state, VDPAD_MODULE_MISSING,
                 assert_fails("vdpa-modules", "vhost_vdpa missing", "boot"));
        } else if (!strcmp(name, "virtio_vdpa")) {
            /* Not needed by this device. */
            struct result r;
            WITH(fix.modules[i].state, VDPAD_MODULE_MISSING,
                 assert_int_equal(run("vdpa-modules", &r), 0));
        }
    }
    WITH(fix.other_config[0].value, "false",
         assert_fails("hw-offload", "other_config:hw-offload is false",
                      "ovs-vsctl set Open_vSwitch . "
                      "other_config:hw-offload=true"));
    WITH(fix.db.other_config.n, 0,
         assert_fails("hw-offload", "is not set", "ovs-vsctl"));
    fix.other_config[1] = (struct vdpad_kv){ "tc-policy", "skip_hw" };
    fix.db.other_config.n = 2;
    assert_fails("tc-policy", "tc-policy is skip_hw", "ovs-vsctl remove");
    fix.other_config[1].value = "skip_sw";
    assert_unknown("tc-policy", "connection tracking");
}

static void
chain_checks(void **state)
{
    (void) state;
    WITH(fix.devs[0].state, VDPAD_STATE_FAILED,
         assert_fails("state", "failed", "plan"));
    WITH(fix.eswitch.mode, VDPAD_ESWITCH_LEGACY,
         assert_fails("eswitch-mode", "in mode legacy",
                      "devlink dev eswitch set pci/0000:65:00.0 mode "
                      "switchdev"));
    WITH(fix.pf.eswitch, NULL,
         assert_fails("eswitch-mode", "no devlink instance", "driver"));
    WITH(fix.links[0].flags, 0,
         assert_fails("uplink-up", "uplink p0 is down",
                      "ip link set dev p0 up"));
    WITH(fix.links[0].carrier, false,
         assert_fails("uplink-up", "up and has no carrier", "cable"));
    WITH(fix.features[0].active, false,
         assert_fails("uplink-hw-tc-offload", "of uplink p0 is off",
                      "ethtool -K p0 hw-tc-offload on"));
    WITH(fix.pf.uplink_feature, NULL,
         assert_fails("uplink-hw-tc-offload", "has no hw-tc-offload",
                      "CONFIG_MLX5_CLS_ACT"));
    WITH(fix.vbus[0].driver[0], '\0',
         assert_fails("vdpa-driver", "bound to no driver, wanted vhost_vdpa",
                      "plan"));
    WITH(fix.vdpa[0].negotiated, 0,
         assert_fails("vdpa-negotiated", "no driver has negotiated",
                      "start the guest"));
    WITH(fix.vdpa[0].status, 0,
         assert_fails("vdpa-link", "its link is down", "representor"));

    struct vdpad_dev saved = fix.devs[0];
    fix.devs[0].vdpa = NULL;
    fix.devs[0].vbus = NULL;
    fix.devs[0].n_holders = 0;
    assert_fails("vdpa-device", "there is no such vDPA device", "plan");
    fix.devs[0] = saved;
    fix.devs[0].n_holders = 0;
    WITH(fix.vdpa[0].negotiated, 0,
         assert_unknown("vdpa-negotiated", "nobody holds the device"));
}

static void
port_checks(void **state)
{
    (void) state;
    WITH(fix.links[1].flags, 0,
         assert_fails("representor-up", "p0vf0 is down",
                      "ip link set dev p0vf0 up"));
    WITH(fix.features[1].active, false,
         assert_fails("representor-hw-tc-offload", "of p0vf0 is off",
                      "ethtool -K p0vf0 hw-tc-offload on"));
    WITH(fix.bridges[0].name, "br-ex",
         assert_fails("bridge", "in bridge br-ex instead of br-int",
                      "ovs-vsctl del-port p0vf0"));
    WITH(fix.ifaces[0].error, "no such device",
         assert_fails("ofport", "ovs-vswitchd says of p0vf0: no such device",
                      "log"));
    WITH(fix.devs[0].qdisc, NULL,
         assert_fails("ingress-qdisc", "p0vf0 has no ingress qdisc although",
                      "systemctl restart openvswitch-switch"));
    WITH(fix.vdpa[0].mtu, 9000,
         assert_fails("mtu",
                      "vDPA device 9000, of the representor 1500, of "
                      "the uplink 1500",
                      "ip link set dev p0vf0 mtu 9000"));
    WITH(fix.links[0].mtu, 1400,
         assert_fails("mtu", "uplink 1400", "ip link set dev p0 mtu 1500"));
    WITH(fix.ids[0].value, "02:00:00:00:00:99",
         assert_fails("mac", "attached-mac is 02:00:00:00:00:99", "mac="));
    WITH(fix.flows[0].sw_packets, 500, {
        assert_fails("traffic", "partial: 3 flows in hardware",
                     "dpctl/dump-flows");
    });
    fix.iface_config[0] = (struct vdpad_kv){ "hw-offload-priority", "none" };
    fix.ifaces[0].other_config.n = 1;
    assert_fails("hw-offload-priority", "is none", "ovs-vsctl remove");
}

static void
without_representor(void **state)
{
    (void) state;
    fix.devs[0].rep = NULL;
    fix.devs[0].iface = NULL;
    assert_fails("representor", "devlink port 1 has no netdev", "devlink");
    fix.devs[0].dlport = NULL;
    assert_fails("representor", "VF 0 of 0000:65:00.0 has no representor",
                 "switchdev");
}

static void
without_port(void **state)
{
    struct result r;

    (void) state;
    fix.devs[0].iface = NULL;
    assert_fails("bridge", "p0vf0 is in no bridge", "plan");
    /* Checks of the port are not made: the one above says it. */
    (void) run("ofport", &r);
    assert_string_equal(r.result, "");

    fix.devs[0].want_attach = false;
    strcpy(fix.links[1].name, "a;reboot");
    assert_fails("bridge", "a;reboot is in no bridge",
                 "ovs-vsctl add-port br-int 'a;reboot'");
}

static void
what_cannot_be_seen_is_unknown(void **state)
{
    struct vdpad_observed_class *c = &fix.observed.class_[VDPAD_MODULE];

    (void) state;
    c->known = false;
    c->error = -ETIMEDOUT;
    assert_unknown("flower-modules", "module cannot be observed: Connection "
                                     "timed out");
    c->known = true;
    c->error = 0;
    fix.world.db = NULL;
    fix.devs[0].iface = NULL;
    assert_unknown("hw-offload", "the database was not read yet");
    assert_unknown("bridge", "the database was not read yet");
}

/* Without a name: the host once, then every device. */
static void
all_devices(void **state)
{
    (void) state;
    json_t *rows = RUN_JSON("why");
    assert_true(
        json_is_null(json_object_get(json_array_get(rows, 0), "device")));
    assert_true(
        json_is_null(json_object_get(json_array_get(rows, 2), "device")));
    size_t first = 0, second = 0;
    for (size_t i = 3; i < json_array_size(rows); i++) {
        const char *name = json_string_value(
            json_object_get(json_array_get(rows, i), "device"));
        first += !strcmp(name, "vdpa:0000:65:00.2");
        second += !strcmp(name, "vdpa:0000:65:00.3");
    }
    assert_true(first > 10 && second > 5);
    assert_int_equal(first + second + 3, json_array_size(rows));
    json_decref(rows);
}

static void
shell_words(void **state)
{
    char buf[VDPAD_SHELL_SIZE], long_name[200];

    (void) state;
    memset(long_name, 'x', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    assert_string_equal(vdpad_shell_word("enp1s0np0", buf), "enp1s0np0");
    assert_string_equal(vdpad_shell_word("pci/0000:65:00.0", buf),
                        "pci/0000:65:00.0");
    assert_string_equal(vdpad_shell_word("a$(b)", buf), "'a$(b)'");
    assert_string_equal(vdpad_shell_word("", buf), "''");
    assert_string_equal(vdpad_shell_word("a'b", buf), "NAME");
    assert_string_equal(vdpad_shell_word("a\nb", buf), "NAME");
    assert_string_equal(vdpad_shell_word("-rf", buf), "NAME");
    assert_string_equal(vdpad_shell_word("\xc3\xa4", buf), "NAME");
    assert_string_equal(vdpad_shell_word(long_name, buf), "NAME");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(all_is_well),
        fixture_test(host_checks),
        fixture_test(chain_checks),
        fixture_test(port_checks),
        fixture_test(without_representor),
        fixture_test(without_port),
        fixture_test(what_cannot_be_seen_is_unknown),
        fixture_test(all_devices),
        fixture_test(shell_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
