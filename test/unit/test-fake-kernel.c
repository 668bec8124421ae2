/* SPDX-License-Identifier: Apache-2.0 */
/* The knobs of the fake kernel: a fault that is asked for and does not come
 * would make every test that relies on it worthless. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "test/fake/fake-kernel.h"

#define PF "0000:65:00.0"
#define MS INT64_C(1000000)
#define ALL ((1u << VDPAD_N_CLASSES) - 1)

static struct vdpad_kernel *kernel;
static int64_t clock_ns;

static struct {
    size_t n_ends, n_pictures, n_events, n_lost;
    int32_t kinds[16];
    int errors[16];
    char text[VDPAD_ERROR_TEXT];
    int observe_error;
    size_t n_rows;
    unsigned int mask;
} seen;

static int64_t
get_clock(void *aux)
{
    (void) aux;
    return clock_ns;
}

static void
on_done(void *aux, const struct vdpad_act *act, int error,
        const struct vdpad_error *why)
{
    (void) aux;
    assert_true(seen.n_ends < 16);
    seen.kinds[seen.n_ends] = act->kind;
    seen.errors[seen.n_ends++] = error;
    if (error) {
        memcpy(seen.text, why->text, sizeof seen.text);
    }
}

static void
on_observed(void *aux, enum vdpad_class class_, int error,
            struct vdpad_picture *picture, const struct vdpad_error *why)
{
    (void) aux;
    (void) class_;
    (void) why;
    seen.n_pictures++;
    seen.observe_error = error;
    seen.n_rows = picture ? picture->n : 0;
}

static void
on_invalidated(void *aux, unsigned int mask, bool lost)
{
    (void) aux;
    seen.n_events++;
    seen.n_lost += lost;
    seen.mask |= mask;
}

static void
command(const char *text)
{
    struct vdpad_error why;

    if (fake_kernel_script(kernel, text, &why)) {
        fail_msg("%s", why.text);
    }
}

/* Lets 'ms' pass, deadline by deadline. */
static void
pass(int64_t ms)
{
    int64_t end = clock_ns + ms * MS;

    for (int i = 0; i < 10000; i++) {
        int64_t next = fake_kernel_next_ns(kernel);

        if (next > end) {
            clock_ns = end;
            return;
        }
        clock_ns = next > clock_ns ? next : clock_ns;
        kernel->ops->run(kernel);
    }
    fail_msg("the fake kernel never rests");
}

static int
setup(void **state)
{
    (void) state;
    clock_ns = 1000 * MS;
    kernel = fake_kernel_new(NULL, NULL);
    assert_non_null(kernel);
    fake_kernel_set_clock(kernel, get_clock, NULL);
    kernel->ops->subscribe(kernel, on_invalidated, NULL);
    command("add-pf " PF " 8 p0; set step-deadline 500; "
            "set read-deadline 500; set repeat-delay 0");
    pass(100);
    memset(&seen, 0, sizeof seen);
    return 0;
}

static int
teardown(void **state)
{
    (void) state;
    kernel->ops->destroy(kernel);
    return 0;
}

static struct vdpad_act
act(int32_t kind, int64_t number)
{
    struct vdpad_act a;

    memset(&a, 0, sizeof a);
    a.kind = kind;
    a.number = number;
    memcpy(a.object, PF, sizeof PF);
    return a;
}

static void
submit(int32_t kind, int64_t number)
{
    struct vdpad_act a = act(kind, number);

    assert_int_equal(kernel->ops->submit(kernel, &a, 1, on_done, NULL), 0);
}

static void
observe(enum vdpad_class class_)
{
    assert_int_equal(kernel->ops->observe(kernel, class_, on_observed, NULL),
                     0);
}

static void
fails_at_the_nth(void **state)
{
    (void) state;
    command("fail autoprobe EIO nth=2 times=2 text=bad_luck");
    for (int i = 0; i < 4; i++) {
        submit(VDPAD_ACT_AUTOPROBE, 1);
        pass(10);
    }
    assert_int_equal(seen.n_ends, 4);
    assert_int_equal(seen.errors[0], 0);
    assert_int_equal(seen.errors[1], -EIO);
    assert_int_equal(seen.errors[2], -EIO);
    assert_int_equal(seen.errors[3], 0);
    assert_non_null(strstr(seen.text, "bad_luck"));
    assert_int_equal(fake_kernel_n_steps(kernel, VDPAD_ACT_AUTOPROBE), 4);
}

static void
delays(void **state)
{
    (void) state;
    command("set numvfs 100; set pci 50");
    submit(VDPAD_ACT_NUMVFS, 2);
    observe(VDPAD_PCI);
    pass(40);
    assert_int_equal(seen.n_pictures, 0);
    pass(20);
    assert_int_equal(seen.n_pictures, 1);
    assert_int_equal(seen.n_rows, 1);
    assert_int_equal(seen.n_ends, 0);
    pass(60);
    assert_int_equal(seen.n_ends, 1);
    assert_int_equal(seen.errors[0], 0);
}

/* What happens while a picture is on its way is not in it. */
static void
late_picture_is_old(void **state)
{
    (void) state;
    command("set pci 50");
    observe(VDPAD_PCI);
    pass(10);
    command("do numvfs " PF " number=4");
    pass(60);
    assert_int_equal(seen.n_rows, 1);
    assert_true(seen.mask & 1u << VDPAD_PCI);
}

static void
loses_a_completion(void **state)
{
    (void) state;
    command("lose autoprobe");
    submit(VDPAD_ACT_AUTOPROBE, 0);
    pass(400);
    assert_int_equal(seen.n_ends, 0);
    assert_int_equal(sim_find_pf(fake_kernel_sim(kernel), PF)->autoprobe, 0);
    pass(200);
    assert_int_equal(seen.n_ends, 1);
    assert_int_equal(seen.errors[0], -ETIMEDOUT);
    assert_int_equal(seen.mask, ALL);
    assert_int_equal(kernel->ops->stuck(kernel, NULL, 0), 0);
}

static void
reverses_completions(void **state)
{
    (void) state;
    command("set reversed 1; set numvfs 20");
    submit(VDPAD_ACT_AUTOPROBE, 0);
    submit(VDPAD_ACT_NUMVFS, 2);
    pass(10);
    assert_int_equal(seen.n_ends, 0);
    pass(20);
    assert_int_equal(seen.n_ends, 2);
    assert_int_equal(seen.kinds[0], VDPAD_ACT_NUMVFS);
    assert_int_equal(seen.kinds[1], VDPAD_ACT_AUTOPROBE);
}

static void
events(void **state)
{
    struct vdpad_kernel_stats stats;

    (void) state;
    command("set drop-events 1; do numvfs " PF " number=1");
    pass(50);
    assert_int_equal(seen.n_events, 0);
    command("set repeat-delay 20; do numvfs " PF " number=0");
    pass(10);
    assert_int_equal(seen.n_events, 1);
    pass(20);
    assert_int_equal(seen.n_events, 2);
    assert_int_equal(seen.n_lost, 0);
    command("lose-events");
    pass(1);
    assert_int_equal(seen.n_lost, 1);
    assert_int_equal(seen.mask, ALL);
    kernel->ops->stats(kernel, &stats);
    assert_int_equal(stats.overruns, 1);
}

static void
observation_fails(void **state)
{
    struct vdpad_kernel_stats stats;

    (void) state;
    command("fail-observe link EAGAIN times=2");
    for (int i = 0; i < 3; i++) {
        observe(VDPAD_LINK);
        pass(10);
        assert_int_equal(seen.observe_error, i < 2 ? -EAGAIN : 0);
    }
    assert_int_equal(seen.n_rows, 1);
    kernel->ops->stats(kernel, &stats);
    assert_int_equal(stats.interrupted, 2);
}

static void
things_appear_late(void **state)
{
    struct sim *sim = fake_kernel_sim(kernel);
    struct sim_pf *pf = sim_find_pf(sim, PF);

    (void) state;
    command("set vf-delay 10; set rep-delay 100; set rename-delay 50");
    submit(VDPAD_ACT_ESWITCH_MODE, VDPAD_ESWITCH_SWITCHDEV);
    submit(VDPAD_ACT_NUMVFS, 2);
    pass(5);
    assert_int_equal(pf->numvfs, 2);
    assert_false(pf->vfs[0].present);
    pass(10);
    assert_true(pf->vfs[0].present && !pf->vfs[1].present);
    pass(10);
    assert_true(pf->vfs[1].present);
    assert_true(pf->vfs[0].has_port && pf->vfs[0].rep < 0);
    pass(100);
    assert_non_null(sim_find_netdev(sim, "pf0vf0"));
    pass(50);
    assert_null(sim_find_netdev(sim, "pf0vf0"));
    assert_non_null(sim_find_netdev(sim, "enp101f0r0"));
    command("reset " PF " 100");
    assert_false(pf->vfs[0].present);
    pass(500);
    assert_true(pf->vfs[0].present && pf->vfs[0].rep >= 0);
    command("vanish " PF);
    assert_null(sim_find_pf(sim, PF));
}

/* The host outlives who looked at it, steps that hang in it included. */
static void
state_file(void **state)
{
    char path[] = "/tmp/test-fake-kernel.XXXXXX";
    struct vdpad_act a = act(VDPAD_ACT_NUMVFS, 0);
    int fd = mkstemp(path);

    (void) state;
    assert_true(fd >= 0);
    kernel->ops->destroy(kernel);
    kernel = fake_kernel_new(NULL, path);
    assert_non_null(kernel);
    fake_kernel_set_clock(kernel, get_clock, NULL);
    command("add-pf " PF " 8 p0; module vdpa loaded; module mlx5_vdpa loaded;"
            "module vhost_vdpa loaded; do numvfs " PF " number=2;"
            "do vdpa-add dev0 word=pci/0000:65:00.2; hold dev0 99 guest");
    a.force = true;
    assert_int_equal(kernel->ops->submit(kernel, &a, 1, on_done, NULL), 0);
    pass(10);
    assert_true(sim_is_frozen(fake_kernel_sim(kernel)));
    kernel->ops->destroy(kernel);

    kernel = fake_kernel_new(NULL, path);
    assert_non_null(kernel);
    fake_kernel_set_clock(kernel, get_clock, NULL);
    assert_true(sim_is_frozen(fake_kernel_sim(kernel)));
    command("release dev0");
    assert_false(sim_is_frozen(fake_kernel_sim(kernel)));
    assert_null(sim_find_vdpa(fake_kernel_sim(kernel), "dev0"));
    assert_int_equal(sim_find_pf(fake_kernel_sim(kernel), PF)->numvfs, 0);
    (void) close(fd);
    (void) unlink(path);
}

static void
mistakes_are_told(void **state)
{
    struct vdpad_error why;

    (void) state;
    assert_int_equal(fake_kernel_script(kernel, "nonsense", &why), -EINVAL);
    assert_int_equal(fake_kernel_script(kernel, "fail x EIO", &why), -EINVAL);
    assert_int_equal(fake_kernel_script(kernel, "hold dev9 1 x", &why),
                     -ENODEV);
    assert_int_equal(fake_kernel_script(kernel, "rename p0", &why), -EINVAL);
}

int
main(void)
{
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, setup, teardown)
    static const struct CMUnitTest tests[] = {
        TEST(fails_at_the_nth),     TEST(delays),
        TEST(late_picture_is_old),  TEST(loses_a_completion),
        TEST(reverses_completions), TEST(events),
        TEST(observation_fails),    TEST(things_appear_late),
        TEST(state_file),           TEST(mistakes_are_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
