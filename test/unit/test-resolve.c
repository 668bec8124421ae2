/* SPDX-License-Identifier: Apache-2.0 */

/* Which policy and which port belong to which device. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "world-builder.h"

#define PF "0000:65:00.0"
#define PF2 "0000:66:00.0"
#define VF0 "0000:65:00.2"
#define VF1 "0000:65:00.3"
#define VF2 "0000:65:00.4"
#define HOST                           \
    "pf " PF " mode=switchdev tc=on\n" \
    "vf " VF0 " up\n"                  \
    "vf " VF1 " up\n"                  \
    "vf " VF2 " up\n"                  \
    "vdpa " VF0 " name=d0\n"           \
    "vdpa " VF1 " name=d1\n"           \
    "vdpa " VF2 " name=d2\n"
#define POLICY "policy a pf=" PF " vdpa-type=vhost\n"

/* The device that has the port 'id', or "". */
static const char *
device_of(const struct wb *b, const char *id)
{
    for (size_t i = 0; i < b->world->n_devs; i++) {
        const struct vdpad_dev *dev = &b->world->devs[i];

        if (dev->port_spec && !strcmp(dev->port_spec->iface_id, id)) {
            return dev->name;
        }
    }
    return "";
}

static void
ports_by_each_kind_of_name(void **state)
{
    struct wb *b = *state;

    given(b, HOST POLICY "want x device=d2\n"
                         "want y vf=" VF0 "\n"
                         "want z policy=a");
    wb_plan(b);
    expect_no_problems(b);
    assert_string_equal(device_of(b, "x"), "d2");
    assert_string_equal(device_of(b, "y"), "d0");
    assert_string_equal(device_of(b, "z"), "d1");
}

static void
unknown_device(void **state)
{
    struct wb *b = *state;

    given(b, HOST POLICY "want x device=nobody\n"
                         "want y vf=0000:65:01.1\n"
                         "want z device=d0");
    wb_plan(b);
    expect_problem(b, "vdpa-port-x", "there is no such device");
    expect_problem(b, "vdpa-port-y", "there is no such device");
    assert_string_equal(device_of(b, "z"), "d0");
}

static void
device_of_no_policy(void **state)
{
    struct wb *b = *state;

    given(b, HOST "policy a pf=" PF "#1 vdpa-type=vhost\n"
                  "want x device=d0\n"
                  "want y vf=" VF2);
    wb_plan(b);
    expect_problem(b, "vdpa-port-x", "device d0 is in no policy");
    expect_problem(b, "vdpa-port-y", "device d2 is in no policy");
    assert_int_equal(wb_dev(b, "d0")->intent, VDPAD_INTENT_NONE);
}

/* The parser cannot see that a name and an address are one device. */
static void
two_ports_on_one_device(void **state)
{
    struct wb *b = *state;

    given(b, HOST POLICY "want x device=d0\n"
                         "want y vf=" VF0);
    wb_plan(b);
    assert_string_equal(device_of(b, "x"), "d0");
    assert_string_equal(device_of(b, "y"), "");
    expect_problem(b, "vdpa-port-y", "already belongs to vdpa-port-x");
}

static void
more_ports_than_devices(void **state)
{
    struct wb *b = *state;

    given(b, HOST "policy a pf=" PF "#0-1 vdpa-type=vhost\n"
                  "want x policy=a\n"
                  "want y policy=a\n"
                  "want z policy=a");
    wb_plan(b);
    assert_string_equal(device_of(b, "x"), "d0");
    assert_string_equal(device_of(b, "y"), "d1");
    expect_problem(b, "vdpa-port-z", "policy a has no free device");
}

/* Others may come and go: a choice stands as long as its key. */
static void
choice_is_stable(void **state)
{
    struct wb *b = *state;

    given(b, HOST POLICY "want m policy=a\n"
                         "want n policy=a");
    wb_converge(b, 3);
    assert_string_equal(device_of(b, "m"), "d0");
    assert_string_equal(device_of(b, "n"), "d1");

    given(b, "want a policy=a\n"
             "want m");
    wb_converge(b, 3);
    assert_string_equal(device_of(b, "n"), "d1");
    assert_string_equal(device_of(b, "a"), "d0");
    expect_plan(b, "");
}

/* Also when somebody takes the Interface away: its guest is there still. */
static void
choice_outlives_its_interface(void **state)
{
    struct wb *b = *state;

    given(b, HOST POLICY "want m policy=a\n"
                         "want n policy=a");
    wb_converge(b, 3);
    given(b, "want m");
    wb_converge(b, 3);
    given(b, "no-port r65v1\n"
             "holder d1 42 qemu\n"
             "want z device=d1");
    wb_plan(b);
    assert_string_equal(device_of(b, "n"), "d1");
    assert_string_equal(device_of(b, "z"), "");

    /* Of a key that is refused it cannot be told. */
    given(b, "want n policy=a tag=abc\n"
             "want z");
    b->observed.class_[VDPAD_HOLDER].picture.n = 0;
    given(b, "want o policy=a\n"
             "want p policy=a");
    wb_plan(b);
    assert_string_equal(device_of(b, "o"), "d0");
    assert_string_equal(device_of(b, "p"), "d2");
    given(b, "want n policy=a\n"
             "want o\n"
             "want p");
    wb_converge(b, 3);
    assert_string_equal(device_of(b, "n"), "d1");

    /* Somebody else's port is his. */
    given(b, "no-port r65v1\n"
             "port r65v1 br-int iface-id=theirs");
    wb_plan(b);
    assert_string_equal(device_of(b, "n"), "d0");

    given(b, "no-port r65v1\n"
             "want n");
    wb_converge(b, 3);
    assert_string_equal(vdpad_record_find_dev(b->record, VF1)->port, "");
}

/* Explicit names go first, so that no choice has to move for them. */
static void
explicit_names_first(void **state)
{
    struct wb *b = *state;

    given(b, HOST POLICY "want a policy=a\n"
                         "want z device=d0");
    wb_plan(b);
    assert_string_equal(device_of(b, "z"), "d0");
    assert_string_equal(device_of(b, "a"), "d1");
}

/* A key that comes later takes nothing from a port that stands. */
static void
explicit_name_of_what_stands(void **state)
{
    struct wb *b = *state;

    given(b, HOST POLICY "port r65v0 br-int ours " VF0 " iface-id=a "
                         "vdpa-iface-id=a vdpa-device=d0\n"
                         "want a policy=a\n"
                         "want z device=d0");
    wb_plan(b);
    assert_string_equal(device_of(b, "a"), "d0");
    assert_string_equal(device_of(b, "z"), "");
    expect_problem(b, "vdpa-port-z", "already belongs to vdpa-port-a");
}

/* Likewise from one whose key is refused, be it for that very key. */
static void
device_of_a_refused_key(void **state)
{
    struct wb *b = *state;

    given(b, HOST POLICY "port r65v0 br-int ours " VF0 " iface-id=m "
                         "vdpa-iface-id=m vdpa-device=d0\n"
                         "want m device=d0\n"
                         "want a device=d0");
    wb_plan(b);
    assert_string_equal(device_of(b, "a"), "");
    expect_problem(b, "vdpa-port-a", "belongs to vdpa-port-m, which is");
    given(b, "want m device=d0 tag=abc\n"
             "want a policy=a");
    wb_plan(b);
    assert_string_equal(device_of(b, "a"), "d1");
    given(b, "want m");
    given(b, "want a device=d0");
    wb_plan(b);
    assert_string_equal(device_of(b, "a"), "d0");
}

/* What is asked for and not there is told, by whoever the VFs are made. */
static void
ranges_beyond_the_last_vf(void **state)
{
    struct wb *b = *state;

    given(b, HOST "policy a pf=" PF "#0-3 vdpa-type=vhost");
    wb_plan(b);
    expect_problem(b, "vdpa-policy-a",
                   "VF 3 is in its ranges, and " PF
                   " has 3 VFs; ask for more");
    given(b, "policy a pf=" PF "#0,5-6 externally-managed=true "
             "vdpa-type=vhost");
    wb_plan(b);
    expect_problem(b, "vdpa-policy-a",
                   "VF 5 is in its ranges, and " PF
                   " has 3 VFs, made by others;");
    given(b, "policy a pf=" PF "#0-5 num-vfs=6 vdpa-type=vhost");
    wb_plan(b);
    expect_no_problems(b);
}

/* One that a cloud's agent uses already is not free. */
static void
devices_of_others_are_not_chosen(void **state)
{
    struct wb *b = *state;

    given(b, HOST POLICY "port r65v0 br-int iface-id=theirs\n"
                         "port r65v1 br-int ours " VF1 " iface-id=neutron "
                         "vdpa-device=d1\n"
                         "want a policy=a");
    wb_plan(b);
    assert_string_equal(device_of(b, "a"), "d2");
}

static void
choice_outlives_a_reset(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF "\n"
             "pf " PF2 "\n"
             "policy a pf=" PF " pf=" PF2 " num-vfs=1 vdpa-type=vhost\n"
             "want y vf=" VF0 "\n"
             "want x policy=a");
    wb_converge(b, 10);
    given(b, "want y");
    wb_converge(b, 10);
    assert_string_equal(device_of(b, "x"), "vdpa:0000:66:00.2");

    /* The other one is free now, but that one will be back. */
    given(b, "gone vf 0000:66:00.2");
    wb_converge(b, 2);
    assert_string_equal(device_of(b, "x"), "");
    expect_problem(b, "vdpa-port-x", "VF 0000:66:00.2 is away");
    wb_appear(b, 1);
    wb_converge(b, 5);
    expect_no_problems(b);
    assert_string_equal(device_of(b, "x"), "vdpa:0000:66:00.2");
}

/* A VF that nobody will bring back frees its port. */
static void
choice_ends_with_its_vf(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF "\n"
             "pf " PF2 "\n"
             "policy a pf=" PF " pf=" PF2 " num-vfs=1 vdpa-type=vhost\n"
             "want x policy=a");
    wb_converge(b, 10);
    given(b, "policy a pf=" PF2 " num-vfs=1 vdpa-type=vhost");
    wb_converge(b, 20);
    expect_no_problems(b);
    assert_string_equal(device_of(b, "x"), "vdpa:0000:66:00.2");
    assert_int_equal(b->n_ports, 1);
}

/* The policy is refused: its ports stay where they are. */
static void
port_of_a_refused_policy(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF "\n"
             "policy a pf=" PF " num-vfs=2 vdpa-type=vhost\n"
             "want x policy=a");
    wb_converge(b, 10);
    given(b, "policy a pf=" PF " num-vfs=2 vdpa-type=vhost mtu=1");
    expect_plan(b, "");
    assert_int_equal(b->n_ports, 2);
}

/* ... whether it is refused for itself or for the host: the port is still that
 * of its device, and what keeps a new one from being made is the policy. */
static void
ports_of_a_policy_that_is_not_known(void **state)
{
    static const char *const policies[][2] = {
        { "policy a pf=up65 num-vfs=2 vdpa-type=vhost mtu=1",
          "policy a is refused" },
        { "policy a pf=up65 num-vfs=9 vdpa-type=vhost",
          "policy a is refused" },
        { "policy a pf=up00 num-vfs=2 vdpa-type=vhost",
          "policy a names a network device that no PF has" },
    };
    struct wb *b = *state;

    given(b, "pf " PF "\n"
             "policy a pf=up65 num-vfs=2 vdpa-type=vhost\n"
             "want x policy=a\n"
             "want y device=vdpa:" VF1);
    wb_converge(b, 10);
    for (size_t i = 0; i < sizeof policies / sizeof *policies; i++) {
        given(b, policies[i][0]);
        given(b, "want z vf=" VF0 "\n"
                 "want v policy=a");
        expect_plan(b, "");
        assert_string_equal(device_of(b, "x"), "vdpa:" VF0);
        assert_string_equal(device_of(b, "y"), "vdpa:" VF1);
        expect_problem(b, "vdpa-port-z", "already belongs to vdpa-port-x");
        expect_problem(b, "vdpa-port-v", policies[i][1]);
        assert_int_equal(b->world->n_problems,
                         2 + (b->config->n_refused_policies ? 0 : 1));
        given(b, "want x\n"
                 "want v");
        wb_plan(b);
        expect_problem(b, "vdpa-port-z", policies[i][1]);
        given(b, "want x policy=a");
    }
}

/* A port does not go to another device of the policy meanwhile. */
static void
port_on_a_pf_that_is_not_known(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF "\n"
             "pf " PF2 "\n"
             "policy a pf=up65 pf=" PF2 " num-vfs=1 vdpa-type=vhost\n"
             "want x policy=a");
    wb_converge(b, 10);
    assert_string_equal(device_of(b, "x"), "vdpa:" VF0);
    wb_rename(b, "up65", "eth0");
    expect_plan(b, "");
    assert_string_equal(device_of(b, "x"), "vdpa:" VF0);
}

/* Nor is a device missing that the policy is not to make. */
static void
port_of_a_policy_without_devices(void **state)
{
    struct wb *b = *state;

    given(b, HOST "policy a pf=" PF "\n"
                  "want x policy=a");
    wb_plan(b);
    expect_problem(b, "vdpa-port-x", "it has no vdpa-type=");
    given(b, POLICY "key vdpa-suspended a");
    wb_plan(b);
    expect_problem(b, "vdpa-port-x", "policy a is suspended");
    given(b, "policy a pf=" PF " vdpa-type=what");
    wb_plan(b);
    expect_problem(b, "vdpa-port-x", "policy a is suspended");
    given(b, "key vdpa-suspended");
    wb_plan(b);
    expect_problem(b, "vdpa-port-x", "policy a is refused (config/show)");
}

static void
ranges_in_two_words(void **state)
{
    struct wb *b = *state;

    given(b, HOST "policy a pf=" PF "#0 pf=" PF "#2 vdpa-type=vhost");
    wb_plan(b);
    assert_int_equal(wb_dev(b, "d0")->intent, VDPAD_INTENT_APPLY);
    assert_int_equal(wb_dev(b, "d1")->intent, VDPAD_INTENT_NONE);
    assert_int_equal(wb_dev(b, "d2")->intent, VDPAD_INTENT_APPLY);
}

/* The highest wish of all policies of a PF holds for its uplink, the first
 * one's count and mode. */
static void
wishes_for_a_pf(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF "\n"
             "policy a pf=" PF "#0 num-vfs=2 vdpa-type=vhost mtu=1500 "
             "priority=9\n"
             "policy b pf=" PF "#1 num-vfs=4 vdpa-type=vhost mtu=9000 "
             "priority=10\n"
             "policy c pf=" PF "#2 num-vfs=6 mtu=9216\n"
             "key vdpa-suspended c");
    wb_plan(b);
    assert_int_equal(wb_pf(b, PF)->want_numvfs, 2);
    assert_int_equal(wb_pf(b, PF)->want_mtu, 9000);
    assert_int_equal(wb_pf(b, PF)->want_mode, VDPAD_ESWITCH_SWITCHDEV);
    assert_string_equal(wb_pf(b, PF)->policy->name, "a");
    assert_false(wb_pf(b, PF)->external);
}

/* A policy that names a PF with other PCI ids than it asks for has no effect,
 * and says so. */
static void
pf_with_other_ids(void **state)
{
    struct wb *b = *state;

    given(b, HOST "policy a pf=" PF " vendor=8086 vdpa-type=vhost");
    wb_plan(b);
    assert_false(wb_pf(b, PF)->managed);
    expect_problem(b, "vdpa-policy-a",
                   PF " has vendor 15b3, device 101d, so that the policy does "
                      "not apply to it; correct or drop vendor=");
    given(b, "policy a pf=up65 device-id=1017 vdpa-type=vhost");
    wb_plan(b);
    expect_problem(b, "vdpa-policy-a", "correct or drop device-id=");
    given(b, "policy a pf=" PF " vendor=15b3 device-id=101d vdpa-type=vhost");
    wb_plan(b);
    expect_no_problems(b);
    assert_true(wb_pf(b, PF)->managed);

    /* What was not asked for is not missed. */
    given(b, "policy a device-id=1017 vdpa-type=vhost");
    wb_plan(b);
    expect_problem(b, "vdpa-policy-a",
                   "no physical function here has device 1017;");
    given(b, "policy a vendor=15b3 device-id=1017 vdpa-type=vhost");
    wb_plan(b);
    expect_problem(b, "vdpa-policy-a", "has vendor 15b3, device 1017;");
}

/* A VM whose port went before it still has the device. */
static void
device_in_use_is_not_free(void **state)
{
    struct wb *b = *state;

    given(b, HOST "holder d0 77 qemu\n"
                  "policy a pf=" PF "#0-1 vdpa-type=vhost\n"
                  "want x policy=a");
    wb_plan(b);
    assert_string_equal(device_of(b, "x"), "d1");
    given(b, "want y policy=a");
    wb_plan(b);
    expect_problem(b, "vdpa-port-y", "policy a has no free device");

    /* But the port that it has already remains its own. */
    given(b, "want y\n"
             "port r65v0 br-int ours " VF0 " iface-id=x vdpa-iface-id=x");
    wb_plan(b);
    assert_string_equal(device_of(b, "x"), "d0");
}

int
main(void)
{
#define TEST(FUNCTION) \
    cmocka_unit_test_setup_teardown(FUNCTION, wb_set_up, wb_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(pf_with_other_ids),
        TEST(device_in_use_is_not_free),
        TEST(ports_by_each_kind_of_name),
        TEST(unknown_device),
        TEST(device_of_no_policy),
        TEST(two_ports_on_one_device),
        TEST(more_ports_than_devices),
        TEST(choice_is_stable),
        TEST(choice_outlives_its_interface),
        TEST(explicit_names_first),
        TEST(explicit_name_of_what_stands),
        TEST(device_of_a_refused_key),
        TEST(ranges_beyond_the_last_vf),
        TEST(devices_of_others_are_not_chosen),
        TEST(choice_outlives_a_reset),
        TEST(choice_ends_with_its_vf),
        TEST(port_of_a_refused_policy),
        TEST(ports_of_a_policy_that_is_not_known),
        TEST(port_on_a_pf_that_is_not_known),
        TEST(port_of_a_policy_without_devices),
        TEST(ranges_in_two_words),
        TEST(wishes_for_a_pf),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
