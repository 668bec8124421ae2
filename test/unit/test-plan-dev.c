/* SPDX-License-Identifier: Apache-2.0 */

/* Planning of vDPA devices: adoption, creation, changes, representors. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "world-builder.h"

#define PF "0000:65:00.0"
#define VF0 "0000:65:00.2"
#define VF1 "0000:65:00.3"

/* A PF that is as it should be, and a VF that is up but without a device. */
#define HOST                                    \
    "pf " PF " mode=switchdev tc=on mtu=9216\n" \
    "vf " VF0 " up\n"                           \
    "key vdpa-attach none\n"
#define OURS "record dev " VF0 " a vdpa:" VF0 "\n"
#define POLICY "policy a pf=" PF " vdpa-type=vhost "

static void
device_is_made_with_all_it_needs(void **state)
{
    struct wb *b = *state;

    given(b, HOST POLICY "mtu=9000 max-vqp=4 mac=02:00:00:00:00:10 "
                         "name=v%v@%p");
    expect_plan(b, "vdpa-add v0@" PF " pci/" VF0 " mac=02:00:00:00:00:10 "
                   "mtu=9000 max-vqp=4\n"
                   "vdpa-bind v0@" PF " vhost_vdpa\n"
                   "link-mtu r65v0 9000\n");
}

static void
any_name_is_adopted(void **state)
{
    struct wb *b = *state;

    b->show_records = true;
    given(b, HOST POLICY "\n"
                         "vdpa " VF0 " name=somebodys");
    expect_plan(b, "record policy a\n"
                   "record dev " VF0 " a\n");
    expect_state(b, "somebodys", "ready", "");
    assert_int_equal(wb_dev(b, VF0)->owner, VDPAD_OWNER_FOREIGN);
    wb_apply_plan(b);
    expect_plan(b, "");
}

static void
adopted_device_is_not_made_anew(void **state)
{
    struct wb *b = *state;

    given(b, HOST POLICY "mtu=9000\n"
                         "vdpa " VF0 " name=somebodys mtu=1500");
    expect_plan(b, "link-mtu r65v0 9000\n");
    expect_state(b, "somebodys", "blocked",
                 "mtu is 1500, wanted 9000, and another program made");
}

static void
adopted_device_with_another_mac(void **state)
{
    struct wb *b = *state;

    given(b,
          HOST POLICY "mac=02:00:00:00:00:10\n"
                      "vdpa " VF0 " name=somebodys mac=02:00:00:00:00:99\n");
    expect_plan(b, "vdpa-set-mac somebodys mac=02:00:00:00:00:10\n");
    given(b, "failed vdpa-set-mac somebodys 1 95 10");
    expect_plan(b, "");
    expect_state(b, "somebodys", "blocked",
                 "another MAC address is wanted, "
                 "and another program made");
}

static void
adopted_device_gets_its_driver(void **state)
{
    struct wb *b = *state;

    given(b, HOST POLICY "\n"
                         "vdpa " VF0 " name=somebodys driver=-");
    expect_plan(b, "vdpa-bind somebodys vhost_vdpa\n");
}

static void
driver_stays_while_in_use(void **state)
{
    struct wb *b = *state;

    given(b, HOST "policy a pf=" PF " vdpa-type=virtio\n"
                  "vdpa " VF0 " name=somebodys\n"
                  "holder somebodys 77 qemu");
    expect_plan(b, "");
    expect_state(b, "somebodys", "blocked", "in use by pid 77 (qemu)");
    given(b, "gone vdpa somebodys\n"
             "vdpa " VF0 " driver=virtio_vdpa away\n" POLICY);
    expect_plan(b, "");
    expect_state(b, VF0, "blocked", "in another network namespace");
}

static void
device_of_ours_is_made_anew(void **state)
{
    struct wb *b = *state;

    given(b, HOST OURS POLICY "mtu=9000\n"
                              "vdpa " VF0 " mtu=1500");
    expect_plan(b, "vdpa-del vdpa:" VF0 " pci/" VF0 "\n"
                   "link-mtu r65v0 9000\n");
    wb_apply_plan(b);
    expect_plan(b, "vdpa-add vdpa:" VF0 " pci/" VF0 " mtu=9000\n"
                   "vdpa-bind vdpa:" VF0 " vhost_vdpa\n");
    wb_apply_plan(b);
    expect_plan(b, "");
}

static void
device_in_use_is_not_made_anew(void **state)
{
    struct wb *b = *state;

    given(b, HOST OURS POLICY "max-vqp=4\n"
                              "vdpa " VF0 " max-vqp=2\n"
                              "holder vdpa:" VF0 " 77 qemu");
    expect_plan(b, "");
    expect_state(b, VF0, "blocked",
                 "max-vqp is 2, wanted 4, which must wait: "
                 "in use by pid 77 (qemu)");
}

/* Another program deletes it: out of sysfs already, not out of the kernel. */
static void
device_in_removal_waits_for_its_user(void **state)
{
    struct wb *b = *state;
    struct vdpad_vbus *vbus;

    given(b, HOST OURS POLICY "\n"
                              "vdpa " VF0 "\n"
                              "holder vdpa:" VF0 " 77 qemu");
    expect_plan(b, "");
    expect_state(b, VF0, "ready", "");
    vbus = b->observed.class_[VDPAD_VBUS].picture.rows;
    wb_del_row(b, VDPAD_VBUS, vbus);
    expect_plan(b, "");
    expect_state(b, VF0, "blocked",
                 "another program removes it, which waits in the kernel "
                 "until it is let go of: in use by pid 77 (qemu)");
}

static void
mac_is_set_or_the_device_made_anew(void **state)
{
    struct wb *b = *state;

    given(b, HOST OURS POLICY "mac=02:00:00:00:00:10\n"
                              "vdpa " VF0 " mac=02:00:00:00:00:99");
    expect_plan(b, "vdpa-set-mac vdpa:" VF0 " mac=02:00:00:00:00:10\n");
    given(b, "failed vdpa-set-mac vdpa:" VF0 " 1 95 10");
    expect_plan(b, "vdpa-del vdpa:" VF0 " pci/" VF0 "\n");
    given(b, "holder vdpa:" VF0 " 77 qemu");
    expect_plan(b, "");
    expect_state(b, VF0, "blocked", "pid 77 (qemu)");
}

/* A netdev does not learn of another address. */
static void
device_with_a_netdev_is_made_anew_for_a_mac(void **state)
{
    struct wb *b = *state;

    given(b, HOST OURS
          "policy a pf=" PF " vdpa-type=virtio mac=02:00:00:00:00:10\n"
          "vdpa " VF0 " driver=virtio_vdpa mac=02:00:00:00:00:99");
    expect_plan(b, "vdpa-del vdpa:" VF0 " pci/" VF0 "\n");
    wb_converge(b, 10);
    expect_state(b, VF0, "ready", "");
    given(b, "policy a pf=" PF " vdpa-type=virtio mac=02:00:00:00:00:20");
    expect_plan(b, "vdpa-del vdpa:" VF0 " pci/" VF0 "\n");
}

/* Kernels that do not tell the configuration. */
static void
untold_values_count_as_right(void **state)
{
    struct wb *b = *state;

    given(b, HOST OURS POLICY "mtu=9000 max-vqp=4 mac=stable\n"
                              "vdpa " VF0 " mtu=1500 config=-");
    expect_plan(b, "link-mtu r65v0 9000\n");
}

/* A driver that takes the value and does not heed it is not asked again. */
static void
driver_that_ignores_a_value(void **state)
{
    struct wb *b = *state;
    unsigned int deletions = 0;

    b->ignores_mtu = true;
    given(b, HOST POLICY "mtu=9000");
    for (int i = 0; i < 50; i++) {
        wb_plan(b);
        for (size_t j = 0; j < b->plan->n; j++) {
            deletions += !strcmp(vdpad_step_action(&b->plan->steps[j]),
                                 "vdpa-del");
        }
        wb_apply_plan(b);
        b->now_ns += WB_SEC;
    }
    assert_int_equal(deletions, 0);
    expect_plan(b, "");
    expect_state(b, VF0, "blocked", "mtu is 1500, wanted 9000");

    /* Another value is another question. */
    given(b, POLICY "mtu=8000");
    expect_plan(b, "vdpa-del vdpa:" VF0 " pci/" VF0 "\n"
                   "link-mtu r65v0 8000\n");
}

static void
too_many_queues(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF " mode=switchdev tc=on\n"
             "vf " VF0 " up max-vqs=9\n"
             "policy a pf=" PF " vdpa-type=vhost max-vqp=5");
    expect_plan(b, "");
    expect_state(b, VF0, "blocked",
                 "vdpa-policy-a: max-vqp=5 is more than "
                 "the 4 queue pairs");
    given(b, "policy a pf=" PF " vdpa-type=vhost max-vqp=4");
    expect_plan(b, "vdpa-add vdpa:" VF0 " pci/" VF0 " max-vqp=4\n"
                   "vdpa-bind vdpa:" VF0 " vhost_vdpa\n");
    given(b, "policy a pf=" PF " vdpa-type=vhost max-vqp=max");
    expect_plan(b, "vdpa-add vdpa:" VF0 " pci/" VF0 " max-vqp=4\n"
                   "vdpa-bind vdpa:" VF0 " vhost_vdpa\n");
}

static void
queues_of_a_device_without_control_queue(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF " mode=switchdev tc=on\n"
             "vf " VF0 " up max-vqs=2\n"
             "policy a pf=" PF " vdpa-type=vhost max-vqp=2");
    expect_plan(b, "");
    expect_state(b, VF0, "blocked", "max-vqp=2 is more than the 1 queue");
    given(b, "policy a pf=" PF " vdpa-type=vhost max-vqp=1");
    expect_plan(b, "vdpa-add vdpa:" VF0 " pci/" VF0 " max-vqp=1\n"
                   "vdpa-bind vdpa:" VF0 " vhost_vdpa\n");
}

/* A VF of our own is taken back from it (test-plan-pf). */
static void
vf_of_others_with_vfio(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF " mode=switchdev tc=on\n"
             "vf " VF0 " up driver=vfio-pci\n"
             "policy a pf=" PF " vdpa-type=vhost");
    expect_plan(b, "");
    expect_state(b, VF0, "blocked", "drivers/vfio-pci/unbind");
}

static void
name_of_another_device(void **state)
{
    struct wb *b = *state;

    given(b, HOST POLICY "name=v%v\n"
                         "vdpa - name=v0");
    expect_plan(b, "");
    expect_state(b, VF0, "blocked", "already called v0");
}

/* Two PFs, one template, one round. */
static void
one_name_for_two(void **state)
{
    struct wb *b = *state;

    given(b, HOST "pf 0000:66:00.0 mode=switchdev tc=on\n"
                  "vf 0000:66:00.2 up\n"
                  "policy a pf=" PF " vdpa-type=vhost name=v%v\n"
                  "policy b pf=0000:66:00.0 vdpa-type=vhost name=v%v");
    b->show_records = true;
    expect_plan(b, "record policy a\n"
                   "record policy b\n"
                   "vdpa-add v0 pci/" VF0 "\n"
                   "record dev " VF0 " a v0\n"
                   "vdpa-bind v0 vhost_vdpa\n");
    expect_state(b, "0000:66:00.2", "blocked", "already called v0");
}

/* The name of a device that is not there is its policy's, not that of one that
 * was. */
static void
template_changes_while_there_is_no_device(void **state)
{
    struct wb *b = *state;

    given(b, HOST OURS POLICY "name=new%v");
    expect_plan(b, "vdpa-add new0 pci/" VF0 "\n"
                   "vdpa-bind new0 vhost_vdpa\n");
}

static void
template_changes_while_the_device_is_being_made(void **state)
{
    struct wb *b = *state;

    given(b, HOST OURS POLICY "name=new%v\n"
                              "flying vdpa-add vdpa:" VF0);
    b->show_records = true;
    expect_plan(b, "record policy a\n");
    expect_state(b, VF0, "applying", "is being made as vdpa:" VF0);
}

static void
template_does_not_rename(void **state)
{
    struct wb *b = *state;

    given(b, HOST OURS POLICY "name=new%v\n"
                              "vdpa " VF0);
    expect_plan(b, "");
    assert_int_equal(wb_dev(b, VF0)->owner, VDPAD_OWNER_US);
}

static void
failed_creation_waits(void **state)
{
    struct wb *b = *state;

    b->show_records = true;
    given(b, HOST POLICY "\n"
                         "record policy a\n"
                         "failed vdpa-add vdpa:" VF0 " 2 22 2");
    expect_plan(b, "vdpa-add vdpa:" VF0 " pci/" VF0 " (deferred)\n");
    expect_state(b, VF0, "failed", "Invalid argument (attempt 2");
}

static void
creation_in_flight(void **state)
{
    struct wb *b = *state;

    b->show_records = true;
    given(b, HOST OURS POLICY "\n"
                              "record policy a\n"
                              "flying vdpa-add vdpa:" VF0 "\n"
                              "flying vdpa-bind vdpa:" VF0);
    expect_plan(b, "vdpa-add vdpa:" VF0 " pci/" VF0 " (in flight)\n");
    expect_state(b, VF0, "applying", "wants a vDPA device");
}

/* The policy wanted another driver for a moment, and the kernel is still at
 * it. */
static void
earlier_bind_in_flight(void **state)
{
    struct wb *b = *state;

    given(b, HOST OURS POLICY "\n"
                              "vdpa " VF0 "\n"
                              "flying vdpa-bind vdpa:" VF0);
    expect_plan(b, "");
    expect_state(b, VF0, "applying", "vdpa-bind, begun before, has not ended");
}

/* What a creation depends on is stale: then nothing is claimed either. */
static void
nothing_is_claimed_before_the_step(void **state)
{
    struct wb *b = *state;

    b->show_records = true;
    given(b, HOST POLICY "\n"
                         "record policy a\n"
                         "stale vdpa");
    expect_plan(b, "");
    expect_state(b, VF0, "applying", "wants a vDPA device");
}

static void
device_that_is_not_complete_yet(void **state)
{
    struct wb *b = *state;

    given(b, HOST POLICY "\n"
                         "vdpa " VF0 " chardev=-");
    expect_plan(b, "");
    expect_state(b, VF0, "waiting", "char device has not appeared");
    given(b, "gone vdpa vdpa:" VF0 "\n"
             "vdpa " VF0 " driver=virtio_vdpa netdev=-\n"
             "policy a pf=" PF " vdpa-type=virtio");
    expect_plan(b, "");
    expect_state(b, VF0, "waiting", "netdev has not appeared");
}

static void
another_policy_takes_over(void **state)
{
    struct wb *b = *state;

    b->show_records = true;
    given(b, HOST OURS "record policy b\n"
                       "record policy a\n"
                       "vdpa " VF0 "\n"
                       "policy b pf=" PF " vdpa-type=vhost");
    expect_plan(b, "record dev " VF0 " b vdpa:" VF0 "\n");
    wb_apply_plan(b);
    expect_plan(b, "record forget-policy a\n");
    assert_string_equal(wb_dev(b, VF0)->policy_name, "b");
    assert_int_equal(wb_dev(b, VF0)->owner, VDPAD_OWNER_US);
}

static void
representor_is_awaited(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF " mode=switchdev tc=on\n"
             "vf " VF0 " rep=-\n" POLICY "\n"
             "vdpa " VF0);
    expect_plan(b, "");
    expect_state(b, VF0, "waiting", "representor of VF 0 of " PF);
}

static void
representor_is_brought_up(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF " mode=switchdev tc=on\n"
             "vf " VF0 " tc=off rep-mtu=1400\n" POLICY "mtu=1500\n"
             "vdpa " VF0);
    expect_plan(b, "feature r65v0 on\n"
                   "link-mtu r65v0 1500\n"
                   "link-up r65v0 up\n"
                   "port-add r65v0 br-int\n");
}

/* Nobody asked for a port: the representor is whoever's attaches it. */
static void
representor_of_others_stays_down(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF " mode=switchdev tc=on\n"
             "vf " VF0 "\n"
             "key vdpa-attach none\n" POLICY "\n"
             "vdpa " VF0);
    expect_plan(b, "");
    expect_state(b, VF0, "ready", "");
}

static void
vf_without_driver(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF " mode=switchdev tc=on\n"
             "vf " VF0 " driver=- up\n" POLICY);
    expect_plan(b, "vf-probe " VF0 "\n");
    expect_state(b, VF0, "applying", PF ": VF has driver (none)");
}

static void
stuck_deletion_blocks(void **state)
{
    struct wb *b = *state;

    given(b, HOST OURS POLICY "mtu=9000\n"
                              "vdpa " VF0 " mtu=1500\n"
                              "stuck vdpa-del vdpa:" VF0 " held by pid 77");
    expect_plan(b, "vdpa-del vdpa:" VF0 " pci/" VF0 " (in flight)\n"
                   "link-mtu r65v0 9000\n");
    expect_state(b, VF0, "blocked", "held by pid 77");
}

static void
nothing_destructive_without_database(void **state)
{
    struct wb *b = *state;

    given(b, HOST OURS POLICY "mtu=9000\n"
                              "vdpa " VF0 " mtu=1500\n"
                              "db disconnected");
    wb_find_link(b, "r65v0")->mtu = 9000;
    expect_plan(b, "");
    expect_state(b, VF0, "waiting", "database is connected again");
    given(b, "policy a pf=" PF " vdpa-type=virtio");
    expect_plan(b, "");
    expect_state(b, VF0, "waiting", "database is connected again");
}

static void
devices_of_no_policy_are_shown_only(void **state)
{
    struct wb *b = *state;

    given(b, HOST "vdpa " VF0 " name=theirs\n"
                  "vdpa - name=sim0");
    expect_plan(b, "");
    expect_state(b, "theirs", "foreign", "");
    expect_state(b, "sim0", "foreign", "");
    assert_int_equal(wb_dev(b, "theirs")->owner, VDPAD_OWNER_FOREIGN);
}

int
main(void)
{
#define TEST(FUNCTION) \
    cmocka_unit_test_setup_teardown(FUNCTION, wb_set_up, wb_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(device_is_made_with_all_it_needs),
        TEST(any_name_is_adopted),
        TEST(adopted_device_is_not_made_anew),
        TEST(adopted_device_with_another_mac),
        TEST(adopted_device_gets_its_driver),
        TEST(driver_stays_while_in_use),
        TEST(device_of_ours_is_made_anew),
        TEST(device_in_use_is_not_made_anew),
        TEST(device_in_removal_waits_for_its_user),
        TEST(mac_is_set_or_the_device_made_anew),
        TEST(device_with_a_netdev_is_made_anew_for_a_mac),
        TEST(untold_values_count_as_right),
        TEST(driver_that_ignores_a_value),
        TEST(too_many_queues),
        TEST(queues_of_a_device_without_control_queue),
        TEST(vf_of_others_with_vfio),
        TEST(name_of_another_device),
        TEST(one_name_for_two),
        TEST(template_changes_while_there_is_no_device),
        TEST(template_changes_while_the_device_is_being_made),
        TEST(template_does_not_rename),
        TEST(failed_creation_waits),
        TEST(creation_in_flight),
        TEST(earlier_bind_in_flight),
        TEST(nothing_is_claimed_before_the_step),
        TEST(device_that_is_not_complete_yet),
        TEST(another_policy_takes_over),
        TEST(representor_is_awaited),
        TEST(representor_is_brought_up),
        TEST(representor_of_others_stays_down),
        TEST(vf_without_driver),
        TEST(stuck_deletion_blocks),
        TEST(nothing_destructive_without_database),
        TEST(devices_of_no_policy_are_shown_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
