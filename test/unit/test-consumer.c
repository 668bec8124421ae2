/* SPDX-License-Identifier: Apache-2.0 */
/* Ports of os-vif and of CNI plugins: shown, and told when they are dead. */
#include "cmd-fixture.h"

#include "controller/consumer.h"

static struct vdpad_kv foreign[6];

static int
compare_kv(const void *a_, const void *b_)
{
    const struct vdpad_kv *a = a_, *b = b_;

    return strcmp(a->key, b->key);
}

/* Makes the port one that somebody else made, with the key 'mark'. */
static void
make_foreign(const char *mark)
{
    foreign[0] = (struct vdpad_kv){ "attached-mac", "02:00:00:00:00:01" };
    foreign[1] = (struct vdpad_kv){ "iface-id", "lp1" };
    foreign[2] = (struct vdpad_kv){ mark, "x" };
    qsort(foreign, 3, sizeof *foreign, compare_kv); /* As maps are. */
    fix.ifaces[0].external_ids = (struct vdpad_map){ 3, foreign };
}

/* The one row of check 'wanted'. */
static json_t *
check(const char *wanted)
{
    json_t *rows = RUN_JSON("why");
    json_t *row, *found = NULL;
    size_t i;

    json_array_foreach(rows, i, row) {
        const char *name = json_string_value(json_object_get(row, "check"));

        if (!strcmp(name, wanted)) {
            assert_null(found);
            found = json_incref(row);
        }
    }
    assert_non_null(found);
    json_decref(rows);
    return found;
}

static void
assert_check_of(const char *name, const char *result, const char *seen)
{
    json_t *row = check(name);

    assert_string_equal(json_string_value(json_object_get(row, "result")),
                        result);
    assert_contains(json_string_value(json_object_get(row, "seen")), seen);
    assert_int_equal(json_is_null(json_object_get(row, "remedy")),
                     !strcmp(result, "ok"));
    json_decref(row);
}

static void
assert_check(const char *result, const char *seen)
{
    assert_check_of("stale-ports", result, seen);
}

static void
who_made_it(void **state)
{
    static const char *const makers[][2] = {
        { "vm-uuid", "os-vif" },
        { "sandbox", "ovn-kubernetes" },
        { "vf-netdev-name", "ovn-kubernetes" },
        { "ovn-plugged", "ovn" },
        { "contNetns", "ovs-cni" },
    };

    (void) state;
    fix.ids[3] = (struct vdpad_kv){ "vm-uuid", "x" }; /* A word of ours. */
    fix.ifaces[0].external_ids.n = 4;
    assert_null(vdpad_consumer(&fix.ifaces[0]));
    for (size_t i = 0; i < N_ELEMS(makers); i++) {
        make_foreign(makers[i][0]);
        assert_string_equal(vdpad_consumer(&fix.ifaces[0]), makers[i][1]);
    }
    make_foreign("something");
    assert_null(vdpad_consumer(&fix.ifaces[0]));
}

static void
keys_are_shown(void **state)
{
    static struct vdpad_kv transient[] = { { "transient", "true" } };

    (void) state;
    make_foreign("sandbox");
    fix.ports[0].other_config = (struct vdpad_map){ 1, transient };
    json_t *list = RUN_JSON("port/list");
    json_t *port = json_array_get(list, 0);
    json_t *keys = json_object_get(port, "consumer_keys");
    assert_string_equal(json_string_value(json_object_get(port, "made_by")),
                        "ovn-kubernetes");
    assert_members(keys, "sandbox transient");
    json_decref(list);
}

static void
dead_ports(void **state)
{
    (void) state;
    assert_check("ok", "every port has its network device");

    /* ovs-vswitchd has it: whatever the name, there is a device. */
    static char gone[] = "gone";
    make_foreign("vm-uuid");
    fix.ifaces[0].name = gone;
    assert_check("ok", "every port");

    fix.ifaces[0].ofport = -1;
    assert_check("unknown", "port gone of bridge br-int, made by os-vif has "
                            "no network device: its representor has gone or "
                            "was renamed, or its machine is not running");
    make_foreign("vdpa-offload");
    assert_check("fail", "its representor has gone or was renamed");

    fix.observed.class_[VDPAD_LINK].fresh = false;
    assert_int_equal(vdpad_iface_life(&fix.world, &fix.ifaces[0]),
                     VDPAD_IFACE_ALIVE);
    fix.observed.class_[VDPAD_LINK].fresh = true;
    assert_int_equal(vdpad_iface_life(&fix.world, &fix.ifaces[0]),
                     VDPAD_IFACE_DEAD);

    /* Tunnels and internal ports have none; a picture that is old proves
     * nothing; of what nobody has marked nothing is known. */
    static char geneve[] = "geneve";
    fix.ifaces[0].type = geneve;
    assert_check("ok", "every port");
    static char none[] = "";
    fix.ifaces[0].type = none;
    fix.world.db_connected = false;
    assert_check("ok", "every port");
    fix.world.db_connected = true;
    make_foreign("something");
    assert_check("ok", "every port");
    /* Ours is looked after by the planner. */
    fix.ifaces[0].external_ids = (struct vdpad_map){ 3, fix.ids };
    assert_check("ok", "every port");
}

/* os-vif leaves a port on another bridge, and says that all is well. */
static void
other_bridge(void **state)
{
    static char wanted[] = "br-vm";

    (void) state;
    make_foreign("vm-uuid");
    assert_check_of("consumer-bridge", "ok",
                    "os-vif has plugged p0vf0, which is in bridge br-int");
    fix.config.bridge = wanted;
    assert_check_of("consumer-bridge", "fail",
                    "in bridge br-int, not in vdpa-bridge br-vm");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(who_made_it),
        fixture_test(keys_are_shown),
        fixture_test(dead_ports),
        fixture_test(other_bridge),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
