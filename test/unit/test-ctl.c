/* SPDX-License-Identifier: Apache-2.0 */

/* The turns of the controller. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/stat.h>

#include "test/support/ctl-fixture.h"

/* Nothing is changed while the record cannot be kept; that is tried again by
 * itself, without a turn in between. */
static void
record_that_cannot_be_kept(void **state)
{
    (void) state;
    pass(SEC);
    assert_int_equal(mkdir(t.record, 0700), 0);
    set_policy();
    pass(SEC);
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
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(record_that_cannot_be_kept, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
