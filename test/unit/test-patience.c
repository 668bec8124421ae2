/* SPDX-License-Identifier: Apache-2.0 */

/* Waiting has a limit. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "controller/patience.h"
#include "controller/util.h"

#define SEC INT64_C(1000000000)
#define LIMIT (VDPAD_PATIENCE_S * SEC)
#define NOW (100 * SEC)

enum { N = 3 };

struct fixture {
    struct vdpad_patience *patience;
    struct vdpad_pci pci;
    struct vdpad_pf pf;
    struct vdpad_dev devs[N];
    struct vdpad_world world;
};

static int
set_up(void **state)
{
    struct fixture *f = vdpad_xcalloc(1, sizeof *f);

    f->patience = vdpad_patience_new();
    vdpad_copy(f->pci.bdf, sizeof f->pci.bdf, "0000:65:00.0");
    f->pf.pci = &f->pci;
    f->world.n_pfs = 1;
    f->world.pfs = &f->pf;
    f->world.n_devs = N;
    f->world.devs = f->devs;
    for (int i = 0; i < N; i++) {
        vdpad_text(f->devs[i].name, sizeof f->devs[i].name, "vdpa%d", i);
    }
    *state = f;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *f = *state;

    vdpad_patience_free(f->patience);
    free(f);
    return 0;
}

/* A plan made anew: it knows nothing of the last one's states. */
static int64_t
run(struct fixture *f, int64_t now_ns, const char *pf, const char *dev0,
    const char *dev2)
{
    const char *reasons[N] = { dev0, NULL, dev2 };

    f->pf.state = pf ? VDPAD_STATE_WAITING : VDPAD_STATE_READY;
    vdpad_copy(f->pf.reason, sizeof f->pf.reason, pf ? pf : "");
    for (int i = 0; i < N; i++) {
        struct vdpad_dev *dev = &f->devs[i];

        dev->state = reasons[i] ? VDPAD_STATE_WAITING : VDPAD_STATE_READY;
        vdpad_copy(dev->reason, sizeof dev->reason,
                   reasons[i] ? reasons[i] : "");
    }
    return vdpad_patience_run(f->patience, &f->world, now_ns);
}

static void
waiting_ends(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(run(f, NOW, "card", "rep", NULL), NOW + LIMIT);
    assert_int_equal(f->pf.state, VDPAD_STATE_WAITING);
    assert_int_equal(run(f, NOW + LIMIT - 1, "card", "rep", NULL),
                     NOW + LIMIT);
    assert_string_equal(f->devs[0].reason, "rep");

    for (int i = 0; i < 2; i++) { /* And so it stays. */
        assert_int_equal(run(f, NOW + LIMIT + i, "card", "rep", NULL),
                         INT64_MAX);
        assert_int_equal(f->pf.state, VDPAD_STATE_BLOCKED);
        assert_int_equal(f->devs[0].state, VDPAD_STATE_BLOCKED);
        assert_int_equal(f->devs[1].state, VDPAD_STATE_READY);
        assert_string_equal(f->devs[0].reason,
                            "waited for more than 60 s in vain: rep");
    }
}

static void
progress_starts_anew(void **state)
{
    struct fixture *f = *state;

    run(f, NOW, NULL, "1 of 3", "x");
    assert_int_equal(run(f, NOW + LIMIT - 1, NULL, "2 of 3", "x"),
                     NOW + LIMIT);
    assert_int_equal(run(f, NOW + LIMIT, NULL, "2 of 3", "x"),
                     NOW + LIMIT - 1 + LIMIT);
    assert_int_equal(f->devs[0].state, VDPAD_STATE_WAITING);
    assert_int_equal(f->devs[2].state, VDPAD_STATE_BLOCKED);
}

static void
what_had_come_is_waited_for_anew(void **state)
{
    struct fixture *f = *state;

    run(f, NOW, NULL, "rep", NULL);
    assert_int_equal(run(f, NOW + LIMIT, NULL, NULL, NULL), INT64_MAX);
    assert_int_equal(run(f, NOW + 2 * LIMIT, NULL, "rep", NULL),
                     NOW + 3 * LIMIT);
    assert_int_equal(f->devs[0].state, VDPAD_STATE_WAITING);
}

int
main(void)
{
#define TEST(FUNCTION) \
    cmocka_unit_test_setup_teardown(FUNCTION, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(waiting_ends),
        TEST(progress_starts_anew),
        TEST(what_had_come_is_waited_for_anew),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
