/* SPDX-License-Identifier: Apache-2.0 */

/* Nothing is done on the word of a picture that may be out of date. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "world-builder.h"

#define PF "0000:65:00.0"
#define VF0 "0000:65:00.2"
#define VF1 "0000:65:00.3"
#define BIT(CLASS) (1u << (CLASS))
#define IN_USE (BIT(VDPAD_VDPA) | BIT(VDPAD_VBUS) | BIT(VDPAD_HOLDER))

/* A host on which 'action' is due, and the pictures that it is decided on. */
static const struct {
    const char *action;
    unsigned int needs;
    const char *host;
} cases[] = {
    { "module-load", BIT(VDPAD_MODULE),
      "pf " PF " mode=switchdev tc=on\n"
      "vf " VF0 "\n"
      "module vdpa loadable\n"
      "policy a pf=" PF " vdpa-type=vhost" },
    { "autoprobe", BIT(VDPAD_PCI),
      "pf " PF "\n"
      "policy a pf=" PF " num-vfs=1 vdpa-type=vhost" },
    { "numvfs", BIT(VDPAD_PCI) | BIT(VDPAD_ESWITCH) | IN_USE,
      "pf " PF "\n"
      "policy a pf=" PF " num-vfs=1" },
    { "eswitch-mode", BIT(VDPAD_PCI) | BIT(VDPAD_ESWITCH) | IN_USE,
      "pf " PF "\n"
      "vf " VF0 "\n"
      "policy a pf=" PF " eswitch-mode=switchdev" },
    { "vf-probe", BIT(VDPAD_PCI),
      "pf " PF " mode=switchdev tc=on\n"
      "vf " VF0 " driver=-\n"
      "policy a pf=" PF " vdpa-type=vhost" },
    { "feature", BIT(VDPAD_FEATURE) | BIT(VDPAD_LINK),
      "pf " PF " mode=switchdev\n"
      "vf " VF0 "\n"
      "policy a pf=" PF " eswitch-mode=switchdev" },
    { "vdpa-add",
      BIT(VDPAD_PCI) | BIT(VDPAD_MGMTDEV) | BIT(VDPAD_VDPA) | BIT(VDPAD_VBUS),
      "pf " PF " mode=switchdev tc=on\n"
      "vf " VF0 " up\n"
      "policy a pf=" PF " vdpa-type=vhost" },
    { "vdpa-bind", IN_USE,
      "pf " PF " mode=switchdev tc=on\n"
      "vf " VF0 " up\n"
      "vdpa " VF0 " driver=virtio_vdpa\n"
      "policy a pf=" PF " vdpa-type=vhost" },
    { "vdpa-set-mac", IN_USE,
      "pf " PF " mode=switchdev tc=on\n"
      "vf " VF0 " up\n"
      "vdpa " VF0 " mac=02:00:00:00:00:01\n"
      "policy a pf=" PF " vdpa-type=vhost mac=02:00:00:00:00:02" },
    { "vdpa-del", IN_USE,
      "pf " PF " mode=switchdev\n"
      "vf " VF0 "\n"
      "vdpa " VF0 "\n"
      "record policy a\n"
      "record dev " VF0 " a vdpa:" VF0 },
    { "qdisc-del",
      BIT(VDPAD_QDISC) | BIT(VDPAD_LINK) | BIT(VDPAD_HOLDER) | BIT(VDPAD_VBUS),
      "pf " PF " mode=switchdev\n"
      "vf " VF0 "\n"
      "vdpa " VF0 "\n"
      "qdisc r65v0\n"
      "record policy a\n"
      "record dev " VF0 " a vdpa:" VF0 },
    { "link-up", BIT(VDPAD_LINK),
      "pf " PF " mode=switchdev tc=on\n"
      "vf " VF0 "\n"
      "vdpa " VF0 "\n"
      "policy a pf=" PF " vdpa-type=vhost" },
    { "link-mtu", BIT(VDPAD_LINK),
      "pf " PF " mode=switchdev tc=on\n"
      "vf " VF0 "\n"
      "policy a pf=" PF " mtu=9000" },
    { "port-add", BIT(VDPAD_LINK) | BIT(VDPAD_DLPORT),
      "pf " PF " mode=switchdev tc=on\n"
      "vf " VF0 " up\n"
      "vdpa " VF0 "\n"
      "policy a pf=" PF " vdpa-type=vhost" },
    /* The port of a device that goes, of one that is no longer attached, and
     * one that is left over. */
    { "port-del", BIT(VDPAD_HOLDER) | BIT(VDPAD_VBUS),
      "pf " PF " mode=switchdev\n"
      "vf " VF0 "\n"
      "vdpa " VF0 "\n"
      "port r65v0 br-int ours " VF0 "\n"
      "record policy a\n"
      "record dev " VF0 " a vdpa:" VF0 },
    { "port-del", BIT(VDPAD_HOLDER) | BIT(VDPAD_VBUS),
      "pf " PF " mode=switchdev tc=on\n"
      "vf " VF0 " up\n"
      "vdpa " VF0 "\n"
      "port r65v0 br-int ours " VF0 "\n"
      "key vdpa-attach none\n"
      "policy a pf=" PF " vdpa-type=vhost" },
    { "port-del", BIT(VDPAD_PCI) | BIT(VDPAD_VBUS),
      "port old br-int ours " VF1 },
    /* Ways back. */
    { "eswitch-mode", BIT(VDPAD_PCI) | BIT(VDPAD_ESWITCH) | IN_USE,
      "pf " PF " mode=switchdev\n"
      "record pf " PF " mode=0" },
    { "numvfs", BIT(VDPAD_PCI) | BIT(VDPAD_ESWITCH) | IN_USE,
      "pf " PF "\n"
      "vf " VF0 "\n"
      "record pf " PF " numvfs=0" },
};

static bool
is_due(const struct wb *b, const char *action)
{
    for (size_t i = 0; i < b->plan->n; i++) {
        const struct vdpad_step *s = &b->plan->steps[i];

        if (!strcmp(vdpad_step_action(s), action) && !s->deferred
            && !s->in_flight) {
            return true;
        }
    }
    return false;
}

static void
stale_pictures_decide_nothing(void **unused)
{
    (void) unused;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        void *state;
        struct wb *b;

        wb_set_up(&state);
        b = state;
        given(b, cases[i].host);
        wb_plan(b);
        if (!is_due(b, cases[i].action)) {
            fail_msg("case %zu: %s is not due", i, cases[i].action);
        }
        for (int c = 0; c < VDPAD_N_CLASSES; c++) {
            struct vdpad_observed_class *class_ = &b->observed.class_[c];

            if (!(cases[i].needs & BIT(c))) {
                continue;
            }
            for (int kind = 0; kind < 2; kind++) {
                class_->fresh = false;
                class_->error = kind ? -ETIMEDOUT : 0;
                wb_plan(b);
                if (is_due(b, cases[i].action)) {
                    fail_msg("case %zu: %s is due although %s is stale", i,
                             cases[i].action,
                             vdpad_class_name((enum vdpad_class) c));
                }
            }
            class_->fresh = true;
            class_->error = 0;
        }
        wb_plan(b);
        assert_true(is_due(b, cases[i].action));
        wb_tear_down(&state);
    }
}

/* What has been started is shown, whatever became stale since. */
static void
steps_in_flight_stay_in_the_plan(void **state)
{
    struct wb *b = *state;

    given(b, "pf " PF "\n"
             "flying numvfs " PF "\n"
             "stale pci\n"
             "stale eswitch\n"
             "policy a pf=" PF " num-vfs=1");
    expect_plan(b, "numvfs " PF " 1 (in flight)\n");
    expect_state(b, PF, "applying", "wants 1 VFs");
}

/* Who holds a device changes without any event: an old picture is no proof
 * that nobody does. */
static void
old_picture_of_holders_decides_nothing(void **state)
{
    struct wb *b = *state;
    struct vdpad_plan *plan;

    given(b, "pf " PF " mode=switchdev\n"
             "vf " VF0 "\n"
             "vdpa " VF0 "\n"
             "record policy a\n"
             "record dev " VF0 " a vdpa:" VF0);
    wb_plan(b);
    assert_true(is_due(b, "vdpa-del"));
    assert_false(b->plan->wants_holders);
    plan = vdpad_plan_new(b->world, b->memory, b->now_ns + 10 * WB_SEC);
    assert_int_equal(plan->n_due, 0);
    assert_true(plan->wants_holders);
    vdpad_plan_free(plan);
}

/* A host of which nothing could be seen is left alone, and its state is no
 * reason to forget anything. */
static void
nothing_can_be_seen(void **state)
{
    struct wb *b = *state;

    given(b, "record policy a\n"
             "record dev " VF0 " a vdpa:" VF0 "\n"
             "record pf " PF " numvfs=0 mode=0\n"
             "port old br-int ours " VF1 "\n"
             "policy b pf=" PF " num-vfs=1 vdpa-type=vhost");
    for (int i = 0; i < VDPAD_N_CLASSES; i++) {
        char text[64];

        snprintf(text, sizeof text, "unseen %s permission denied",
                 vdpad_class_name((enum vdpad_class) i));
        given(b, text);
    }
    b->show_records = true;
    expect_plan(b, "record policy b\n");
}

int
main(void)
{
#define TEST(FUNCTION) \
    cmocka_unit_test_setup_teardown(FUNCTION, wb_set_up, wb_tear_down)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stale_pictures_decide_nothing),
        TEST(steps_in_flight_stay_in_the_plan),
        TEST(old_picture_of_holders_decides_nothing),
        TEST(nothing_can_be_seen),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
