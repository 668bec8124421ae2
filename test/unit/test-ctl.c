/* SPDX-License-Identifier: Apache-2.0 */

/* The turns of the controller. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <sys/stat.h>

#include "controller/ready.h"
#include "test/support/ctl-fixture.h"

/* Nothing is changed while the record cannot be kept; that is tried again by
 * itself, without a turn in between. */
static void
record_that_cannot_be_kept(void **state)
{
    (void) state;
    pass(SEC);
    assert_null(vdpad_ctl_problem(t.ctl));
    assert_int_equal(mkdir(t.record, 0700), 0);
    set_policy();
    pass(SEC);
    assert_non_null(
        strstr(vdpad_ctl_problem(t.ctl), "nothing is changed on this host"));
    assert_non_null(strstr(vdpad_ctl_problem(t.ctl), t.record));
    assert_int_equal(vdpad_ctl_world(t.ctl)->pfs[0].pci->numvfs, 0);
    for (int i = 0; i < 3; i++) {
        int64_t next_ns = vdpad_ctl_next_ns(t.ctl);

        assert_true(next_ns > t.now_ns);
        t.now_ns = next_ns;
        t.store->ops->run(t.store);
        vdpad_ctl_run(t.ctl, t.now_ns);
    }
    assert_int_equal(rmdir(t.record), 0);
    pass(15 * SEC);
    assert_int_equal(dev_of(NAME0)->state, VDPAD_STATE_READY);
    assert_null(vdpad_ctl_problem(t.ctl));
}

enum { WAITERS = VDPAD_READY_MAX + 2 };

static int answers[WAITERS]; /* 0: none, 1: ready, -1: not. */

static void
on_ready(void *answer, const char *why_not)
{
    *(int *) answer = why_not ? -1 : 1;
}

/* Those who gave up cannot be told from those who wait, so there is an end to
 * how many wait: the others take their place. */
static void
waiting_for_ever(void **state)
{
    (void) state;
    memset(answers, 0, sizeof answers);
    fake_db_set_key(t.db, VDPAD_KEY_BRIDGE, "a/b");
    pass(SEC);
    for (int i = 0; i < WAITERS; i++) {
        vdpad_ctl_when_ready(t.ctl, on_ready, &answers[i]);
        pass(SEC);
    }
    for (int i = 0; i < WAITERS; i++) {
        assert_int_equal(answers[i], i < WAITERS - VDPAD_READY_MAX ? -1 : 0);
    }
    fake_db_set_key(t.db, VDPAD_KEY_BRIDGE, "br-int");
    pass(SEC);
    for (int i = WAITERS - VDPAD_READY_MAX; i < WAITERS; i++) {
        assert_int_equal(answers[i], 1);
    }
}

/* Steps that wait until it is known who uses the device are repeated ever more
 * seldom, too. */
static void
removal_that_fails_is_put_off(void **state)
{
    (void) state;
    set_policy();
    pass(30 * SEC);
    assert_int_equal(dev_of(NAME0)->state, VDPAD_STATE_READY);
    assert_int_equal(fake_kernel_fault(t.kernel, FAKE_FAIL, VDPAD_ACT_VDPA_DEL,
                                       NAME0, 1, 1000, -EREMOTEIO, "broken",
                                       0),
                     0);
    fake_db_set_key(t.db, VDPAD_KEY_POLICY "a", NULL);
    pass(1200 * SEC);
    assert_in_range(fake_kernel_n_steps(t.kernel, VDPAD_ACT_VDPA_DEL), 10, 15);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(record_that_cannot_be_kept, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(removal_that_fails_is_put_off, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(waiting_for_ever, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
