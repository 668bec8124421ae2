/* SPDX-License-Identifier: Apache-2.0 */
/* Dispatch of commands, and those that list. */
#include "cmd-fixture.h"

#define DEVICE_MEMBERS                                                        \
    "name mgmtdev pf vf vf_index controller vdpa_type driver chardev netdev " \
    "mac mtu max_vqp representor ifindex bridge port ofport iface_id policy " \
    "owner state reason in_use_by offload"

static void
all_are_registered(void **state)
{
    static const char *const names[] = { "status",
                                         "pf/list",
                                         "device/list",
                                         "device/show",
                                         "representor/list",
                                         "port/list",
                                         "config/show",
                                         "config/check",
                                         "plan",
                                         "reconcile",
                                         "resync",
                                         "verify",
                                         "teardown",
                                         "resume",
                                         "event/list",
                                         "why",
                                         "flow/stats",
                                         "flow/list",
                                         "metrics",
                                         "export/nova",
                                         "export/libvirt",
                                         "loop/show",
                                         "ready/wait",
                                         "offload/audit",
                                         "export/deviceinfo",
                                         "export/device-plugin" };

    (void) state;
    assert_int_equal(fixture_n_commands, N_ELEMS(names));
    for (size_t i = 0; i < N_ELEMS(names); i++) {
        bool found = false;

        for (size_t c = 0; c < fixture_n_commands; c++) {
            found = found || !strcmp(fixture_commands[c].name, names[i]);
            assert_contains(fixture_commands[c].usage, "[--json]");
        }
        assert_true(found);
    }
}

static void
wrong_arguments(void **state)
{
    char *text = RUN_ERROR("device/show");

    (void) state;
    assert_string_equal(text, "usage: device/show NAME [--json]");
    free(text);
    text = RUN_ERROR("device/show", "--json");
    assert_string_equal(text, "usage: device/show NAME [--json]");
    free(text);
    text = RUN_ERROR("status", "--jsn");
    assert_string_equal(text, "usage: status [--json]");
    free(text);
}

static void
not_started(void **state)
{
    (void) state;
    ctl.world = NULL;
    char *text = RUN_ERROR("status");
    assert_contains(text, "starting");
    free(text);
}

static void
unknown_device(void **state)
{
    char *text = RUN_ERROR("device/show", "vdpa:0000:65:00.9");

    (void) state;
    assert_string_equal(text, "no device \"vdpa:0000:65:00.9\"; did you mean "
                              "\"vdpa:0000:65:00.2\"? there are "
                              "vdpa:0000:65:00.2, vdpa:0000:65:00.3");
    free(text);
    text = RUN_ERROR("why", "\x1b[2J\nx");
    assert_contains(text, "no device \"?[2J?x\"; there are");
    free(text);
    fix.world.n_devs = 0;
    text = RUN_ERROR("flow/stats", "x");
    assert_string_equal(text, "no device \"x\"; there are none");
    free(text);
}

/* Pictures that age without events are taken anew, once for all who wait. */
static void
old_pictures_are_refreshed(void **state)
{
    struct vdpad_request first, second, third;

    (void) state;
    fix.observed.class_[VDPAD_FLOW].at_ns -= INT64_C(2000000000);
    fix.observed.class_[VDPAD_LINK].fresh = false;
    START(&first, "device/list");
    START(&second, "status", "--json");
    assert_false(first.is_done);
    assert_false(second.is_done);
    assert_int_equal(ctl.n_refreshes, 1);
    assert_int_equal(ctl.refreshes[0].mask,
                     1u << VDPAD_FLOW | 1u << VDPAD_LINK);
    assert_false(ctl.refreshes[0].compare);

    /* Another class: another wait. */
    fix.observed.class_[VDPAD_HOLDER].fresh = false;
    START(&third, "device/show", "p0vf0");
    assert_int_equal(ctl.n_refreshes, 2);
    fixture_refreshed(NULL);
    assert_true(first.is_done && second.is_done && !third.is_done);
    fixture_refreshed(NULL);
    assert_true(third.is_done && !third.is_error);
    free(first.text);
    free(second.text);
    free(third.text);
}

/* Before the first observation an empty table would be a lie. */
static void
first_observation_is_waited_for(void **state)
{
    struct vdpad_request request;

    (void) state;
    fix.observed.class_[VDPAD_VDPA].known = false;
    START(&request, "device/list");
    assert_false(request.is_done);
    fixture_refreshed(NULL);
    assert_true(request.is_done);
    free(request.text);
}

static void
ready_wait(void **state)
{
    struct vdpad_request request;

    (void) state;
    START(&request, "ready/wait");
    assert_false(request.is_done);
    ctl.ready_cb(ctl.ready_aux, NULL);
    assert_string_equal(request.text, "2 configured devices are ready");
    assert_false(request.is_error);
    free(request.text);

    START(&request, "ready/wait");
    ctl.ready_cb(ctl.ready_aux, "not ready yet");
    assert_true(request.is_error);
    assert_contains(request.text, "not ready yet");
    free(request.text);
}

/* A class that cannot be observed must not keep commands waiting. */
static void
unobservable_is_not_waited_for(void **state)
{
    struct vdpad_observed_class *c = &fix.observed.class_[VDPAD_FLOW];

    (void) state;
    c->fresh = false;
    c->error = -ETIMEDOUT;
    json_t *status = RUN_JSON("status");
    assert_false(json_is_true(json_object_get(status, "healthy")));
    assert_contains(json_string_value(json_array_get(
                        json_object_get(status, "problems"), 0)),
                    "cannot observe flow: Connection timed out (what is "
                    "shown of it is old)");
    json_decref(status);
}

static void
device_json(void **state)
{
    json_t *list = RUN_JSON("device/list");
    json_t *one = RUN_JSON("device/show", "vdpa:0000:65:00.2");
    json_t *offload, *user;

    (void) state;
    assert_int_equal(json_array_size(list), 2);
    assert_true(json_equal(one, json_array_get(list, 0)));
    assert_members(one, DEVICE_MEMBERS);
    assert_members(json_array_get(list, 1), DEVICE_MEMBERS);
    assert_string_equal(string_at(one, "mgmtdev"), "pci/0000:65:00.2");
    assert_string_equal(string_at(one, "pf"), "0000:65:00.0");
    assert_string_equal(string_at(one, "vf"), "0000:65:00.2");
    assert_int_equal(integer_at(one, "vf_index"), 0);
    assert_int_equal(integer_at(one, "controller"), 0);
    assert_string_equal(string_at(one, "vdpa_type"), "vhost");
    assert_string_equal(string_at(one, "driver"), "vhost_vdpa");
    assert_string_equal(string_at(one, "chardev"), "/dev/vhost-vdpa-0");
    assert_string_equal(string_at(one, "netdev"), "null");
    assert_string_equal(string_at(one, "mac"), "02:00:00:00:00:01");
    assert_int_equal(integer_at(one, "mtu"), 1500);
    assert_int_equal(integer_at(one, "max_vqp"), 2);
    assert_string_equal(string_at(one, "representor"), "p0vf0");
    assert_int_equal(integer_at(one, "ifindex"), 11);
    assert_string_equal(string_at(one, "bridge"), "br-int");
    assert_string_equal(string_at(one, "port"), "p0vf0");
    assert_int_equal(integer_at(one, "ofport"), 3);
    assert_string_equal(string_at(one, "iface_id"), "lp1");
    assert_string_equal(string_at(one, "policy"), "gold");
    assert_string_equal(string_at(one, "owner"), "ovs-vdpad");
    assert_string_equal(string_at(one, "state"), "ready");
    assert_string_equal(string_at(one, "reason"), "null");
    user = json_array_get(json_object_get(one, "in_use_by"), 0);
    assert_members(user, "pid command");
    assert_int_equal(integer_at(user, "pid"), 4711);
    offload = json_object_get(one, "offload");
    assert_members(offload,
                   "verdict verdict_reason hw_flows sw_flows kernel_flows "
                   "hw_packets hw_bytes sw_packets sw_bytes "
                   "slow_path_packets");
    assert_string_equal(string_at(offload, "verdict"), "offloaded");
    assert_int_equal(integer_at(offload, "slow_path_packets"), 100);
    json_decref(one);
    json_decref(list);
}

/* What there is not is null, whatever may be missing. */
static void
bare_device(void **state)
{
    (void) state;
    fix.devs[1] = (struct vdpad_dev){
        .name = "0000:65:00.0#1",
        .pf = NULL,
        .vf_index = -1,
        .state = VDPAD_STATE_FOREIGN,
    };
    json_t *one = RUN_JSON("device/show", "0000:65:00.0#1");
    const char *key;
    json_t *value;

    assert_members(one, DEVICE_MEMBERS);
    json_object_foreach(one, key, value) {
        bool is_set = !strcmp(key, "name") || !strcmp(key, "state")
                      || !strcmp(key, "reason") || !strcmp(key, "in_use_by")
                      || !strcmp(key, "offload");
        assert_int_equal(json_is_null(value), !is_set);
    }
    json_decref(one);
}

static void
device_table(void **state)
{
    char *text = RUN("device/list");

    (void) state;
    assert_contains(text, "NAME               VF            TYPE");
    assert_contains(text, "4711 qemu-system-x86  ready    -\n");
    assert_contains(text, "waiting  waiting for the management device");
    free(text);
    text = RUN("device/show", "/dev/vhost-vdpa-0");
    assert_contains(text, "in_use_by                  4711 qemu-system-x86\n");
    assert_contains(text, "offload.verdict            offloaded\n");
    free(text);
}

static void
names_from_outside(void **state)
{
    (void) state;
    memcpy(fix.devs[0].name, "a\x1b[31m\r\nb\xff", 10);
    memcpy(fix.holders[0].command, "q\x1b]0;x\x07", 8);
    memset(fix.devs[1].name, 'n', sizeof fix.devs[1].name - 1);
    fix.ids[1].value = "lp\x1b\n1";
    static const char *const commands[] = {
        "status", "device/list", "representor/list", "port/list",
        "why",    "flow/stats",  "metrics",          "export/nova",
    };
    for (size_t i = 0; i < N_ELEMS(commands); i++) {
        assert_printable(RUN(commands[i]));
        json_decref(RUN_JSON(commands[i]));
    }
}

static void
pf_list(void **state)
{
    json_t *list = RUN_JSON("pf/list"), *pf = json_array_get(list, 0);

    (void) state;
    assert_members(pf, "pf driver vendor device num_vfs total_vfs vfs_seen "
                       "autoprobe eswitch_mode firmware uplink ifindex up "
                       "carrier mtu switch_id hw_tc_offload policy managed "
                       "externally_managed state reason");
    assert_string_equal(string_at(pf, "vendor"), "15b3");
    assert_string_equal(string_at(pf, "eswitch_mode"), "switchdev");
    assert_string_equal(string_at(pf, "switch_id"), "abcd");
    assert_int_equal(integer_at(pf, "total_vfs"), 127);
    json_decref(list);

    fix.pf.uplink = NULL;
    fix.pf.uplink_feature = NULL;
    fix.pf.eswitch = NULL;
    char *text = RUN("pf/list");
    assert_contains(text, "0000:65:00.0  mlx5_core  -       -       2  127");
    free(text);
    fix.world.n_pfs = 0;
    text = RUN("pf/list");
    assert_contains(text, "REASON\nnone");
    free(text);
}

static void
representor_list(void **state)
{
    struct vdpad_dlport more[4];

    (void) state;
    /* One without a device of ours. */
    memcpy(more, fix.dlports, sizeof fix.dlports);
    more[3] = fix.dlports[2];
    more[3].index = 9;
    more[3].vf = 8;
    more[3].ifindex = 0;
    fix.devs[0].dlport = &more[1];
    fix.devs[1].dlport = &more[2];
    FIXTURE_ROWS(VDPAD_DLPORT, more);
    json_t *list = RUN_JSON("representor/list");
    json_t *rep = json_array_get(list, 0);
    assert_int_equal(json_array_size(list), 3);
    assert_members(rep,
                   "representor ifindex pf controller vf_index vf device "
                   "up carrier mtu hw_tc_offload ingress_qdisc bridge port "
                   "ofport iface_id rx_packets");
    assert_string_equal(string_at(rep, "representor"), "p0vf0");
    assert_true(json_is_true(json_object_get(rep, "ingress_qdisc")));
    rep = json_array_get(list, 2);
    assert_string_equal(string_at(rep, "device"), "null");
    assert_string_equal(string_at(rep, "pf"), "0000:65:00.0");
    assert_int_equal(integer_at(rep, "vf_index"), 8);
    json_decref(list);
}

static void
port_list(void **state)
{
    struct vdpad_db_iface ifaces[2];
    struct vdpad_port_spec specs[2] = { fix.port, fix.port };
    char waiting[] = "lp2";

    (void) state;
    /* A port of ours without a device, and a key without a device. */
    ifaces[0] = fix.ifaces[0];
    ifaces[1] = fix.ifaces[0];
    ifaces[1].name = "old";
    ifaces[1].error = "could not open network device old";
    ifaces[1].ofport = -1;
    fix.db.ifaces = ifaces;
    fix.db.n_ifaces = 2;
    fix.devs[0].iface = &ifaces[0];
    specs[1].iface_id = waiting;
    fix.config.ports = specs;
    fix.config.n_ports = 2;
    fix.devs[0].port_spec = &specs[0];
    json_t *list = RUN_JSON("port/list");
    json_t *port = json_array_get(list, 0);
    assert_int_equal(json_array_size(list), 3);
    assert_members(port,
                   "bridge port ofport iface_id tag trunks "
                   "attached_mac mtu link_state device key owner made_by "
                   "consumer_keys state reason");
    assert_string_equal(string_at(port, "key"), "vdpa-port-lp1");
    assert_string_equal(string_at(port, "owner"), "ovs-vdpad");
    assert_int_equal(integer_at(port, "tag"), 5);
    port = json_array_get(list, 1);
    assert_int_equal(integer_at(port, "ofport"), -1);
    assert_string_equal(string_at(port, "reason"),
                        "could not open network device old");
    port = json_array_get(list, 2);
    assert_string_equal(string_at(port, "iface_id"), "lp2");
    assert_string_equal(string_at(port, "state"), "waiting");
    assert_string_equal(string_at(port, "port"), "null");
    json_decref(list);

    static const int64_t trunks[] = { 10, 20, 21, 22, 40, 41 };
    static const struct vdpad_kv ids[] = {
        { "iface-id", "lp1" },
        { "iface-status", "active" },
        { "vm-uuid", "3f1f6f9c-0000-4000-8000-000000000000" },
    };
    struct vdpad_db_port ports[2] = { fix.ports[0], fix.ports[0] };

    ports[1].tag = -1;
    ports[1].trunks = (int64_t *) trunks;
    ports[1].n_trunks = N_ELEMS(trunks);
    fix.db.ports = ports;
    ifaces[1].port = 1;
    ifaces[1].external_ids = (struct vdpad_map){ N_ELEMS(ids), ids };
    fix.devs[0].iface = &ifaces[1];
    char *text = RUN("port/list");
    assert_contains(text, "  VLAN            ");
    assert_contains(text, "  10,20-22,40-41  ");
    assert_contains(text, "  MADE BY  ");
    assert_contains(text, "  os-vif   ");
    free(text);

    /* A key that nothing is attached for, though its device is ready. */
    fix.devs[0].iface = NULL;
    fix.devs[0].want_attach = false;
    list = RUN_JSON("port/list");
    port = json_array_get(list, 0);
    assert_string_equal(string_at(port, "key"), "vdpa-port-lp1");
    assert_string_equal(string_at(port, "state"), "waiting");
    assert_contains(string_at(port, "reason"), "another program is to attach");
    json_decref(list);

    fix.world.db = NULL;
    text = RUN_ERROR("port/list");
    assert_contains(text, "the database has not been read yet");
    free(text);
    text = RUN_ERROR("plan");
    assert_contains(text, "the database has not been read yet");
    free(text);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(all_are_registered),
        fixture_test(wrong_arguments),
        fixture_test(not_started),
        fixture_test(unknown_device),
        fixture_test(old_pictures_are_refreshed),
        fixture_test(first_observation_is_waited_for),
        fixture_test(ready_wait),
        fixture_test(unobservable_is_not_waited_for),
        fixture_test(device_json),
        fixture_test(bare_device),
        fixture_test(device_table),
        fixture_test(names_from_outside),
        fixture_test(pf_list),
        fixture_test(representor_list),
        fixture_test(port_list),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
