/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <vdpad/loop.h>
#include <vdpad/poll-bridge.h>

static void
t(void **s)
{
    struct vdpad_poll_bridge *b; struct vdpad_loop *l;
    (void) s;
    assert_int_equal(vdpad_loop_new(&l), 0);
    assert_int_equal(vdpad_poll_bridge_new(&b), 0);
    vdpad_poll_bridge_free(b);
    vdpad_loop_free(l);
}
int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(t) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
