/* SPDX-License-Identifier: Apache-2.0 */

/* Planning of the database: bridges, ports, their keys, and what is left of
 * former ones. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "port-host.h"
#include "world-builder.h"


static void
port_of_nobody(void **state)
{
    struct wb *b = *state;

    b->show_ids = true;
    given(b, HOST1 ONE);
    expect_plan(b, "port-add r65v0 br-int attached-mac=" MAC0
                   " vdpa-device=vdpa:" VF0 " vdpa-vf=" VF0 "\n");
    wb_apply_plan(b);
    expect_plan(b, "");
    expect_state(b, VF0, "ready", "");
}

static void
declared_port(void **state)
{
    struct wb *b = *state;

    b->show_ids = true;
    given(b, HOST1 ONE "want lsp1 vf=" VF0 " trunks=7,6 iface-id-ver=3 "
                       "vm-uuid=" UUID);
    expect_plan(b, "port-add r65v0 br-int trunks=6,7 attached-mac=" MAC0
                   " iface-id=lsp1 iface-id-ver=3 vdpa-iface-id=lsp1 "
                   "vm-uuid=" UUID " vdpa-vlan=trunks vdpa-device=vdpa:" VF0
                   " vdpa-vf=" VF0 "\n");
    wb_apply_plan(b);
    expect_plan(b, "");
    expect_state(b, "lsp1", "ready", "");
}

/* The address of the function behind the representor, where the device tells
 * none. */
static void
mac_by_devlink(void **state)
{
    struct wb *b = *state;

    b->show_ids = true;
    given(b, "pf " PF " mode=switchdev tc=on\n"
             "vf " VF0 " up hw-addr=02:00:00:00:00:33\n"
             "vdpa " VF0 "\n" ONE);
    expect_plan(b, "port-add r65v0 br-int attached-mac=02:00:00:00:00:33 "
                   "vdpa-device=vdpa:" VF0 " vdpa-vf=" VF0 "\n");
}

static void
foreign_port_is_as_good(void **state)
{
    struct wb *b = *state;

    given(b, HOST1 ONE "port r65v0 br-int iface-id=theirs tag=9");
    expect_plan(b, "");
    expect_state(b, VF0, "ready", "");
}

static void
foreign_port_with_another_id(void **state)
{
    struct wb *b = *state;

    given(b, HOST1 ONE "port r65v0 br-int iface-id=theirs\n"
                       "want lsp1 vf=" VF0);
    expect_plan(b, "");
    expect_state(b, VF0, "blocked", "with iface-id theirs");
}

static void
foreign_port_in_another_bridge(void **state)
{
    struct wb *b = *state;

    given(b, HOST1 ONE "bridge br-x\n"
                       "port r65v0 br-x");
    expect_plan(b, "");
    expect_state(b, VF0, "blocked", "a port of bridge br-x");
}

/* The port that is added is in the place of the one that is removed: what is
 * on that row survives. */
static void
expect_replacement(const struct wb *b)
{
    const char *removed = NULL;
    size_t n = 0;

    for (size_t i = 0; i < b->plan->n; i++) {
        const struct vdpad_step *s = &b->plan->steps[i];

        if (s->kind == VDPAD_STEP_DB && s->op.kind == VDPAD_DBOP_PORT_DEL) {
            removed = s->op.uuid;
        } else if (s->kind == VDPAD_STEP_DB
                   && s->op.kind == VDPAD_DBOP_PORT_ADD) {
            assert_non_null(s->op.uuid);
            assert_string_equal(s->op.uuid, removed);
            n++;
        }
    }
    assert_int_equal(n, 1);
}

/* In one transaction, and what others wrote goes along. */
static void
port_of_ours_moves(void **state)
{
    struct wb *b = *state;

    b->show_ids = true;
    given(b, HOST1 ONE "bridge br-x\n"
                       "key vdpa-bridge br-x\n" PORT0
                       "iface-id=os-vif ovn-installed=1");
    expect_plan(b, "port-del r65v0 br-int\n"
                   "port-add r65v0 br-x attached-mac=" MAC0
                   " vdpa-device=vdpa:" VF0 " vdpa-vf=" VF0
                   " iface-id=os-vif ovn-installed=1\n");
    expect_replacement(b);
    wb_apply_plan(b);
    expect_plan(b, "");
    expect_state(b, VF0, "ready", "");
}

/* What a key had declared that is gone does not. */
static void
declaration_does_not_move(void **state)
{
    struct wb *b = *state;

    b->show_ids = true;
    given(b, HOST1 ONE "bridge br-x\n"
                       "key vdpa-bridge br-x\n" PORT0
                       "iface-id=lsp1 vdpa-iface-id=lsp1 vm-uuid=u tag=7 "
                       "vdpa-vlan=tag");
    expect_plan(b, "port-del r65v0 br-int\n"
                   "port-add r65v0 br-x attached-mac=" MAC0
                   " vdpa-device=vdpa:" VF0 " vdpa-vf=" VF0 "\n");
}

static void
port_waits_for_its_new_bridge(void **state)
{
    struct wb *b = *state;

    given(b, HOST1 ONE "key vdpa-bridge br-x\n" PORT0);
    expect_plan(b, "bridge-add br-x\n");
    expect_state(b, VF0, "applying", "bridge br-x is being made");
    wb_apply_plan(b);
    expect_plan(b, "port-del r65v0 br-int\n"
                   "port-add r65v0 br-x\n");
}

/* What keeps the bridge from being made is the device's reason, also while
 * that is tried again. */
static void
bridge_that_cannot_be_made(void **state)
{
    struct wb *b = *state;

    given(b, HOST1 ONE "key vdpa-bridge br-x\n"
                       "failed bridge-add br-x 2 17 2");
    expect_plan(b, "bridge-add br-x (deferred)\n");
    expect_state(b, VF0, "failed", "bridge br-x cannot be made: File exists");
    b->now_ns += 3 * WB_SEC;
    expect_plan(b, "bridge-add br-x\n");
    expect_state(b, VF0, "failed", "bridge br-x cannot be made: File exists");
    wb_apply_plan(b);
    expect_plan(b, "port-add r65v0 br-x\n");
    wb_apply_plan(b);
    expect_plan(b, "");
    expect_state(b, VF0, "ready", "");
}

/* A patch port or tunnel may have any name, that of a representor too, and
 * attaches nothing. */
static void
interface_that_is_no_netdev(void **state)
{
    struct wb *b = *state;

    given(b, HOST1 ONE "port r65v0 br-int type=patch");
    expect_plan(b, "");
    expect_state(b, VF0, "blocked", "an interface r65v0 of type patch");
    assert_null(wb_dev(b, VF0)->iface);
    given(b, "no-port r65v0\n"
             "port r65v0 br-int type=geneve");
    expect_plan(b, "");
    expect_state(b, VF0, "blocked", "an interface r65v0 of type geneve");
    given(b, "no-port r65v0");
    expect_plan(b, "port-add r65v0 br-int\n");
    given(b, "port r65v0 br-int type=dpdk");
    expect_plan(b, "");
    expect_state(b, VF0, "ready", "");
}

/* A bridge would have to have the name of a netdev that is none. */
static void
bridge_called_like_a_netdev(void **state)
{
    struct wb *b = *state;

    given(b, HOST1 ONE PORT0 "\nkey vdpa-bridge up65");
    expect_plan(b, "");
    expect_state(b, VF0, "blocked", "bridge up65 cannot be made");
    given(b, "no-port r65v0");
    expect_plan(b, "");
    expect_state(b, VF0, "blocked", "bridge up65 cannot be made");

    /* What an ovs-vswitchd had made for the bridge does not stand in the
     * way of it. */
    strcpy(wb_find_link(b, "up65")->kind, "openvswitch");
    expect_plan(b, "bridge-add up65\n");
}

static void
renamed_representor(void **state)
{
    struct wb *b = *state;

    b->show_ids = true;
    given(b, HOST1 ONE "want lsp1 vf=" VF0 "\n" PORT0 "iface-id=lsp1 "
                       "vdpa-iface-id=lsp1 ovn-installed=1");
    strcpy(wb_find_link(b, "r65v0")->name, "enp0v0");
    expect_plan(b, "port-del r65v0 br-int\n"
                   "port-add enp0v0 br-int attached-mac=" MAC0
                   " iface-id=lsp1 vdpa-iface-id=lsp1 vdpa-device=vdpa:" VF0
                   " vdpa-vf=" VF0 " ovn-installed=1\n");
    expect_replacement(b);
    wb_apply_plan(b);
    expect_plan(b, "");
}

/* A cloud's agent writes its own iface-id onto our port. */
static void
iface_id_of_others_is_kept(void **state)
{
    struct wb *b = *state;

    given(b, HOST1 ONE PORT0 "iface-id=theirs vm-uuid=v");
    expect_plan(b, "");
    expect_state(b, VF0, "ready", "");
}

static void
key_of_a_port_is_withdrawn(void **state)
{
    struct wb *b = *state;

    given(b,
          HOST1 ONE PORT0 "iface-id=lsp1 "
                          "vdpa-iface-id=lsp1 vm-uuid=u ovn-installed=1 tag=5 "
                          "vdpa-vlan=tag");
    expect_plan(b, "interface-external-id r65v0 -iface-id\n"
                   "interface-external-id r65v0 -vdpa-iface-id\n"
                   "interface-external-id r65v0 -vdpa-vlan\n"
                   "interface-external-id r65v0 -vm-uuid\n"
                   "port-vlan r65v0\n");
    wb_apply_plan(b);
    expect_plan(b, "");
    assert_string_equal(wb_get(&b->ports[0].ids, "ovn-installed"), "1");
}

/* ... also while the representor is away: another device may have the logical
 * port by then, and this one has another's. */
static void
key_is_withdrawn_while_the_representor_is_away(void **state)
{
    struct wb *b = *state;

    b->show_ids = true;
    given(b, HOST1 ONE PORT0 "iface-id=lsp vdpa-iface-id=lsp their=key tag=5 "
                             "vdpa-vlan=tag\n"
                             "want lsp device=vdpa:" VF0 " tag=5");
    expect_plan(b, "");
    given(b, "gone link r65v0");
    expect_plan(b, "");
    given(b, "want lsp");
    expect_plan(b, "interface-external-id r65v0 -iface-id\n"
                   "interface-external-id r65v0 -vdpa-iface-id\n"
                   "interface-external-id r65v0 -vdpa-vlan\n"
                   "port-vlan r65v0\n");
    given(b, "want lsp device=vdpa:" VF0 " tag=abc");
    expect_plan(b, "");
}

/* ... or while the device cannot be made anew. */
static void
key_is_withdrawn_while_the_pf_is_blocked(void **state)
{
    struct wb *b = *state;

    given(b, HOST1 "policy a pf=" PF "#0 num-vfs=3 vdpa-type=vhost\n" PORT0
                   "iface-id=lsp vdpa-iface-id=lsp\n"
                   "gone vdpa vdpa:" VF0 "\n"
                   "want lsp device=vdpa:" VF0);
    expect_plan(b, "");
    expect_state(b, VF0, "blocked", "another program made them");
    /* Another one comes when the port is where that belongs. */
    given(b, "want lsp\n"
             "want lsp2 vf=" VF0 " bridge=br-b\n"
             "bridge br-b");
    expect_plan(b, "interface-external-id r65v0 -iface-id\n"
                   "interface-external-id r65v0 -vdpa-iface-id\n");
    wb_apply_plan(b);
    expect_plan(b, "");
}

/* ... meanwhile another program has put its own port there. */
static void
iface_id_that_others_replaced_is_kept(void **state)
{
    struct wb *b = *state;

    given(b, HOST1 ONE PORT0 "iface-id=theirs "
                             "vdpa-iface-id=lsp1");
    expect_plan(b, "interface-external-id r65v0 -vdpa-iface-id\n");
}

static void
key_of_a_port_changes(void **state)
{
    struct wb *b = *state;

    given(b, HOST1 ONE "want lsp2 vf=" VF0 " tag=6\n" PORT0 "iface-id=lsp1 "
                       "vdpa-iface-id=lsp1 vm-uuid=u tag=5");
    expect_plan(b, "interface-external-id r65v0 iface-id=lsp2\n"
                   "interface-external-id r65v0 vdpa-iface-id=lsp2\n"
                   "interface-external-id r65v0 vdpa-vlan=tag\n"
                   "interface-external-id r65v0 -vm-uuid\n"
                   "port-vlan r65v0 tag=6\n");
    wb_apply_plan(b);
    expect_plan(b, "");
    /* The word is withdrawn, the key stands. */
    given(b, "want lsp2 vf=" VF0);
    expect_plan(b, "interface-external-id r65v0 -vdpa-vlan\n"
                   "port-vlan r65v0\n");
}

/* A key that names no VLANs leaves them to whoever sets them. */
static void
vlan_of_others_stays(void **state)
{
    struct wb *b = *state;

    given(b, HOST1 ONE "bridge br-x\n"
                       "want lsp1 vf=" VF0 "\n" PORT0
                       "iface-id=lsp1 vdpa-iface-id=lsp1 tag=5");
    expect_plan(b, "");
    given(b, "key vdpa-bridge br-x");
    expect_plan(b, "port-del r65v0 br-int\n"
                   "port-add r65v0 br-x tag=5\n");
    given(b, "key vdpa-bridge br-int\n"
             "want lsp1");
    expect_plan(b, "interface-external-id r65v0 -iface-id\n"
                   "interface-external-id r65v0 -vdpa-iface-id\n");
}

static void
vswitchd_refuses_the_port(void **state)
{
    struct wb *b = *state;

    given(b, HOST1 ONE PORT0 "ofport=-1 "
                             "error=no_such_thing");
    expect_plan(b, "");
    expect_state(b, VF0, "waiting", "no_such_thing");
    given(b, "no-port r65v0\n" PORT0 "ofport=-");
    expect_plan(b, "");
    expect_state(b, VF0, "waiting", "has not taken port r65v0 yet");
}

/* The database may be away for long: what is wrong with a port is no better
 * for that. */
static void
database_is_away(void **state)
{
    struct wb *b = *state;

    given(b, HOST1 ONE "db disconnected");
    expect_plan(b, "");
    expect_state(b, VF0, "waiting",
                 "the representor is in no bridge; that is done when the "
                 "database is connected again");
    given(b, "no-bridge br-int");
    expect_plan(b, "");
    expect_state(b, VF0, "waiting",
                 "bridge br-int does not exist; it is made when");
    given(b, "bridge br-int\n" PORT0 "ofport=-1 error=no_such_thing");
    expect_plan(b, "");
    expect_state(b, VF0, "waiting", "no_such_thing");
    given(b, "no-port r65v0\n" PORT0 "ofport=3");
    expect_plan(b, "");
    expect_state(b, VF0, "ready", "");
    given(b, "key vdpa-bridge br-ext\nbridge br-ext");
    expect_plan(b, "");
    expect_state(b, VF0, "waiting",
                 "it is in another bridge than wanted; that is done when");
    given(b, "key vdpa-attach none");
    expect_plan(b, "");
    expect_state(b, VF0, "ready", "");
}

static void
hw_offload(void **state)
{
    struct wb *b = *state;

    given(b, "other-config hw-offload");
    expect_plan(b, "");
    given(b, "policy a pf=" PF " num-vfs=1");
    expect_plan(b, "set-other-config hw-offload true\n");
    given(b, "other-config hw-offload false");
    expect_plan(b, "set-other-config hw-offload true\n");
    given(b, "key vdpa-hw-offload false");
    expect_plan(b, "");
    given(b, "policy a\n"
             "key vdpa-hw-offload true");
    expect_plan(b, "set-other-config hw-offload true\n");
    given(b, "db disconnected");
    expect_plan(b, "");
}

static void
steps_of_the_database_wait_too(void **state)
{
    struct wb *b = *state;

    given(b, HOST POLICY "flying port-add r65v0\n"
                         "failed port-add r65v1 2 22 5");
    expect_plan(b, "port-add r65v0 br-int (in flight)\n"
                   "port-add r65v1 br-int (deferred)\n");
    expect_state(b, VF0, "applying", "in no bridge");
    expect_state(b, VF1, "failed", "Invalid argument (attempt 2");
}

/* Which netdev is the representor is not certain at the moment. */
static void
stale_links_give_no_port(void **state)
{
    struct wb *b = *state;
    static const char *const classes[] = { "link", "dlport" };

    given(b, HOST1 ONE);
    for (size_t i = 0; i < 2; i++) {
        char text[32];

        snprintf(text, sizeof text, "stale %s", classes[i]);
        given(b, text);
        expect_plan(b, "");
        expect_state(b, VF0, "applying", "in no bridge");
        snprintf(text, sizeof text, "fails %s no answer", classes[i]);
        given(b, text);
        expect_plan(b, "");
        expect_state(b, VF0, "waiting", "cannot be observed: no answer");
        b->observed.class_[VDPAD_LINK].fresh = true;
        b->observed.class_[VDPAD_LINK].error = 0;
    }
}

int
main(void)
{
#define TEST(FUNCTION) \
    cmocka_unit_test_setup_teardown(FUNCTION, wb_set_up, wb_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(port_of_nobody),
        TEST(declared_port),
        TEST(mac_by_devlink),
        TEST(foreign_port_is_as_good),
        TEST(foreign_port_with_another_id),
        TEST(foreign_port_in_another_bridge),
        TEST(port_of_ours_moves),
        TEST(port_waits_for_its_new_bridge),
        TEST(bridge_that_cannot_be_made),
        TEST(interface_that_is_no_netdev),
        TEST(declaration_does_not_move),
        TEST(bridge_called_like_a_netdev),
        TEST(renamed_representor),
        TEST(iface_id_of_others_is_kept),
        TEST(key_of_a_port_is_withdrawn),
        TEST(key_is_withdrawn_while_the_representor_is_away),
        TEST(key_is_withdrawn_while_the_pf_is_blocked),
        TEST(iface_id_that_others_replaced_is_kept),
        TEST(key_of_a_port_changes),
        TEST(vlan_of_others_stays),
        TEST(vswitchd_refuses_the_port),
        TEST(database_is_away),
        TEST(hw_offload),
        TEST(steps_of_the_database_wait_too),
        TEST(stale_links_give_no_port),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
