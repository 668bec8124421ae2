/* SPDX-License-Identifier: Apache-2.0 */
/* Requests to the kernel adapter, served by real helper processes.  As root
 * the tests have a network namespace of their own, in which there is only
 * "lo". */
#include "test-worker.h"

#include <net/if.h>
#include <sched.h>

static bool has_namespace;

static void
test_observe_all(void **state)
{
    const struct vdpad_link *link;
    struct fixture f;

    (void) state;
    open_kernel(&f, 0);
    for (int i = 0; i < VDPAD_N_CLASSES; i++) {
        enum vdpad_class class_ = (enum vdpad_class) i;

        f.n_wanted++;
        assert_int_equal(
            f.kernel->ops->observe(f.kernel, class_, on_observed, &f), 0);
        /* One at a time for each class. */
        assert_int_equal(
            f.kernel->ops->observe(f.kernel, class_, on_observed, &f), -EBUSY);
    }
    /* Never from within observe(). */
    assert_int_equal(f.n_observed, 0);
    run_until(&f, all_observed);
    assert_int_equal(f.n_observed, VDPAD_N_CLASSES);
    for (int i = 0; i < VDPAD_N_CLASSES; i++) {
        /* Open files of others are not for everyone to see. */
        if (i != VDPAD_HOLDER) {
            assert_int_equal(f.observed_error[i], 0);
            assert_int_equal(f.pictures[i].class_, i);
        }
    }
    assert_true(f.pictures[VDPAD_LINK].n >= 1);
    link = VDPAD_ROWS(&f.pictures[VDPAD_LINK], vdpad_link);
    assert_int_equal(link->ifindex, 1);
    assert_string_equal(link->name, "lo");
    assert_true(link->flags & IFF_LOOPBACK);
    close_kernel(&f);
}

static void
test_observe_from_callback(void **state)
{
    struct fixture f;

    (void) state;
    open_kernel(&f, 0);
    f.observe_again = true;
    f.n_wanted = 2;
    assert_int_equal(
        f.kernel->ops->observe(f.kernel, VDPAD_LINK, on_observed, &f), 0);
    run_until(&f, all_observed);
    assert_int_equal(f.observed_error[VDPAD_LINK], 0);
    close_kernel(&f);
}

static void
test_bad_requests(void **state)
{
    struct vdpad_act act = stale_act();
    struct fixture f;

    (void) state;
    open_kernel(&f, 0);
    assert_int_equal(f.kernel->ops->observe(f.kernel, VDPAD_N_CLASSES,
                                            on_observed, &f),
                     -EINVAL);
    act.kind = VDPAD_ACT_N;
    assert_int_equal(f.kernel->ops->submit(f.kernel, &act, 1, on_done, &f),
                     -EINVAL);
    act = stale_act();
    memset(act.object, 'x', sizeof act.object);
    assert_int_equal(f.kernel->ops->submit(f.kernel, &act, 1, on_done, &f),
                     -EINVAL);
    close_kernel(&f);
}

/* Names that would lead out of their directory never become paths. */
static void
test_bad_names(void **state)
{
    static const char *const names[] = { "",    ".",   "..", "../../class",
                                         "a/b", "a\nb" };
    static const int kinds[] = {
        VDPAD_ACT_NUMVFS,    VDPAD_ACT_AUTOPROBE, VDPAD_ACT_VF_PROBE,
        VDPAD_ACT_VF_UNBIND, VDPAD_ACT_VDPA_BIND, VDPAD_ACT_VDPA_UNBIND,
    };
    const size_t n_names = sizeof names / sizeof *names;
    struct fixture f;

    (void) state;
    open_kernel(&f, 0);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct vdpad_act acts[sizeof names / sizeof *names];

        f.n_done = f.n_done_wanted = 0;
        memset(acts, 0, sizeof acts);
        for (size_t j = 0; j < n_names; j++) {
            acts[j].kind = kinds[i];
            (void) snprintf(acts[j].object, sizeof acts[j].object, "%s",
                            names[j]);
            (void) snprintf(acts[j].word, sizeof acts[j].word, "vhost_vdpa");
        }
        submit(&f, acts, n_names);
        run_until(&f, all_done);
        for (size_t j = 0; j < n_names; j++) {
            assert_int_equal(f.done_error[j], -EINVAL);
        }
    }
    /* Nor do drivers' names. */
    for (size_t i = 0; i < 2; i++) {
        f.n_done = f.n_done_wanted = 0;
        for (size_t j = 1; j < n_names; j++) {
            struct vdpad_act act = {
                .kind = i ? VDPAD_ACT_VF_PROBE : VDPAD_ACT_VDPA_BIND,
                .object = "0000:00:00.0",
            };

            (void) snprintf(act.word, sizeof act.word, "%s", names[j]);
            submit(&f, &act, 1);
        }
        run_until(&f, all_done);
        for (size_t j = 1; j < n_names; j++) {
            assert_int_equal(f.done_error[j - 1], -EINVAL);
        }
    }
    close_kernel(&f);
}

static void
test_not_there(void **state)
{
    static const struct {
        const char *object, *word;
        int kind, error;
    } cases[] = {
        { "ffff:ff:1f.7", "", VDPAD_ACT_NUMVFS, -ENODEV },
        { "ffff:ff:1f.7", "", VDPAD_ACT_AUTOPROBE, -ENODEV },
        { "ffff:ff:1f.7", "", VDPAD_ACT_VF_PROBE, -ENODEV },
        { "ffff:ff:1f.7", "", VDPAD_ACT_VF_UNBIND, -ENODEV },
        { "no-such-device", "vhost_vdpa", VDPAD_ACT_VDPA_BIND, -ENODEV },
        { "no-such-device", "", VDPAD_ACT_VDPA_UNBIND, -ENODEV },
        { "no-such-module", "", VDPAD_ACT_MODULE_LOAD, -EINVAL },
    };
    const size_t n = sizeof cases / sizeof *cases;
    struct vdpad_act acts[sizeof cases / sizeof *cases];
    struct fixture f;

    (void) state;
    memset(acts, 0, sizeof acts);
    for (size_t i = 0; i < n; i++) {
        acts[i].kind = cases[i].kind;
        (void) snprintf(acts[i].object, sizeof acts[i].object, "%s",
                        cases[i].object);
        (void) snprintf(acts[i].word, sizeof acts[i].word, "%s",
                        cases[i].word);
    }
    open_kernel(&f, 0);
    submit(&f, acts, n);
    run_until(&f, all_done);
    /* A failed step does not stop those after it. */
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(f.done_error[i], cases[i].error);
    }
    close_kernel(&f);
}

/* More batches than may run side by side, and a step that is refused because
 * its netdev has another name. */
static void
test_many_batches(void **state)
{
    struct vdpad_act acts[2] = { stale_act(), stale_act() };
    struct vdpad_kernel_stats stats;
    struct fixture f;

    (void) state;
    acts[1].ifindex = INT32_MAX;
    open_kernel(&f, 0);
    for (int i = 0; i < 12; i++) {
        submit(&f, acts, 2);
    }
    f.kernel->ops->stats(f.kernel, &stats);
    assert_int_equal(stats.workers, 8);
    run_until(&f, all_done);
    assert_int_equal(f.n_done, 24);
    for (size_t i = 0; i < 24; i++) {
        assert_int_equal(f.done_error[i], -ESTALE);
    }
    f.kernel->ops->stats(f.kernel, &stats);
    assert_int_equal(stats.requests, 24);
    assert_int_equal(stats.timeouts, 0);
    close_kernel(&f);
}

/* A helper that dies takes down one request, not those after it. */
/* Helpers go on when the terminal or systemd signals the daemon's group. */
/* Nothing is left behind: neither descriptors nor processes. */
static void
test_events(void **state)
{
    struct vdpad_act act;
    const struct vdpad_link *link;
    struct fixture f;

    (void) state;
    if (!has_namespace) {
        skip();
    }
    open_kernel(&f, 0);
    observe(&f, VDPAD_LINK);
    link = VDPAD_ROWS(&f.pictures[VDPAD_LINK], vdpad_link);
    assert_int_equal(f.pictures[VDPAD_LINK].n, 1);
    assert_false(link->flags & IFF_UP);

    memset(&act, 0, sizeof act);
    act.kind = VDPAD_ACT_LINK_UP;
    act.ifindex = 1;
    act.number = 1;
    (void) snprintf(act.object, sizeof act.object, "lo");
    f.changed = 0;
    f.changed_wanted = 1u << VDPAD_LINK;
    submit(&f, &act, 1);
    run_until(&f, all_done);
    assert_int_equal(f.done_error[0], 0);
    run_until(&f, is_invalidated);
    assert_int_equal(f.lost, 0);

    observe(&f, VDPAD_LINK);
    link = VDPAD_ROWS(&f.pictures[VDPAD_LINK], vdpad_link);
    assert_true(link->flags & IFF_UP);

    act.kind = VDPAD_ACT_LINK_MTU;
    act.number = 1280;
    f.n_done = f.n_done_wanted = 0;
    submit(&f, &act, 1);
    run_until(&f, all_done);
    assert_int_equal(f.done_error[0], 0);
    observe(&f, VDPAD_LINK);
    link = VDPAD_ROWS(&f.pictures[VDPAD_LINK], vdpad_link);
    assert_int_equal(link->mtu, 1280);

    /* No ingress qdisc: nothing to delete. */
    act.kind = VDPAD_ACT_QDISC_DEL;
    f.n_done = f.n_done_wanted = 0;
    submit(&f, &act, 1);
    run_until(&f, all_done);
    assert_int_equal(f.done_error[0], 0);
    close_kernel(&f);
}

int
main(int argc, char *argv[])
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_observe_all),
        cmocka_unit_test(test_observe_from_callback),
        cmocka_unit_test(test_bad_requests),
        cmocka_unit_test(test_bad_names),
        cmocka_unit_test(test_not_there),
        cmocka_unit_test(test_many_batches),
        cmocka_unit_test(test_events),
    };

    if (vdpad_worker_is_wanted(argc, argv)) {
        return vdpad_worker_main(argc, argv);
    }
    has_namespace = !unshare(CLONE_NEWNET);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
