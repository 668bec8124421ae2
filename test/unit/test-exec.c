/* SPDX-License-Identifier: Apache-2.0 */

/* Carrying out plans, on ports that answer as the test says. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <vdpad/loop.h>

#include "controller/exec.h"
#include "script-kernel.h"
#include "world-builder.h"

#define PF "0000:65:00.0"
#define VF0 "0000:65:00.2"
#define VF1 "0000:65:00.3"
#define NAME0 "vdpa:" VF0
#define HOST                           \
    "pf " PF " mode=switchdev tc=on\n" \
    "vf " VF0 " up\n"                  \
    "vf " VF1 " up\n"
#define POLICY "policy a pf=" PF " vdpa-type=vhost\n"

struct bench {
    struct wb *b;
    struct script_kernel k;
    struct script_store s;
    struct vdpad_observer *o;
    struct vdpad_history *history;
    struct vdpad_exec *x;
    char folder[64], path[96];
};

static int
set_up(void **state)
{
    struct bench *t = calloc(1, sizeof *t);
    struct timespec now;

    strcpy(t->folder, "/tmp/test-exec.XXXXXX");
    assert_non_null(mkdtemp(t->folder));
    snprintf(t->path, sizeof t->path, "%s/record", t->folder);
    wb_set_up((void **) &t->b);
    clock_gettime(CLOCK_MONOTONIC, &now);
    t->b->now_ns = now.tv_sec * WB_SEC + now.tv_nsec;
    script_kernel_init(&t->k);
    script_store_init(&t->s);
    t->o = vdpad_observer_new(&t->k.up);
    vdpad_observer_run(t->o, 1, false);
    script_answer_all(&t->k);
    vdpad_observer_adopt(t->o);
    t->history = vdpad_history_new();
    t->x = vdpad_exec_new(&t->k.up, &t->s.up, t->o, t->b->memory, t->b->record,
                          t->path, t->history, vdpad_loop_clock_ns);
    *state = t;
    return 0;
}

static int
tear_down(void **state)
{
    struct bench *t = *state;
    char other[128];

    vdpad_exec_free(t->x);
    vdpad_observer_free(t->o);
    vdpad_history_free(t->history);
    wb_tear_down((void **) &t->b);
    unlink(t->path);
    snprintf(other, sizeof other, "%s.new", t->path);
    unlink(other);
    rmdir(t->path);
    rmdir(t->folder);
    free(t);
    return 0;
}

/* Plans and starts what is due. */
static void
run(struct bench *t)
{
    struct vdpad_error why;

    wb_plan(t->b);
    assert_int_equal(vdpad_exec_run(t->x, t->b->plan, &why), 0);
}

/* The index of the step under way. */
static size_t
step(const struct bench *t, enum vdpad_act_kind kind, const char *object)
{
    for (size_t i = 0; i < t->k.n_steps; i++) {
        if (t->k.steps[i].act.kind == (int32_t) kind
            && !strcmp(t->k.steps[i].act.object, object)) {
            return i;
        }
    }
    fail_msg("no step %s %s", vdpad_act_name(kind), object);
    return 0;
}

static void
end(struct bench *t, enum vdpad_act_kind kind, const char *object, int error)
{
    script_end(&t->k, step(t, kind, object), error);
}

static struct vdpad_record *
saved(const struct bench *t)
{
    struct vdpad_record *r;
    struct vdpad_error why;

    assert_int_equal(vdpad_record_load(t->path, false, &r, &why), 0);
    return r;
}

static bool
is_fresh(const struct bench *t, enum vdpad_class class_)
{
    return vdpad_observer_view(t->o)->class_[class_].fresh;
}

/* Many steps on as many ports. */
static struct {
    struct vdpad_plan plan;
    struct vdpad_step steps[140];
    char names[140][8];
} many;

static void
make_many(void)
{
    memset(&many, 0, sizeof many);
    for (size_t i = 0; i < 140; i++) {
        struct vdpad_step *step = &many.steps[i];

        snprintf(many.names[i], sizeof many.names[i], "p%zu", i);
        step->kind = VDPAD_STEP_DB;
        step->op.kind = i == 63 ? VDPAD_DBOP_PORT_DEL : VDPAD_DBOP_PORT_ADD;
        step->op.port = many.names[i];
    }
    many.plan = (struct vdpad_plan){ .n = 140,
                                     .steps = many.steps,
                                     .next_ns = INT64_MAX };
}

/* What replaces something goes with it, however full the transaction is. */
static void
transactions_are_bounded(void **state)
{
    struct bench *t = *state;
    struct vdpad_error why;

    make_many();
    assert_int_equal(vdpad_exec_run(t->x, &many.plan, &why), 0);
    assert_int_equal(t->s.n_ops, 65);
}

/* What must not be torn apart is all there, or not at all. */
static void
joined_steps_are_not_torn_apart(void **state)
{
    struct bench *t = *state;
    struct vdpad_error why;

    make_many();
    many.steps[0].is_joined = many.steps[139].is_joined = true;
    assert_int_equal(vdpad_exec_run(t->x, &many.plan, &why), 0);
    assert_int_equal(t->s.n_ops, 66);
}

static void
joined_steps_wait_for_each_other(void **state)
{
    struct bench *t = *state;
    struct vdpad_error why;

    make_many();
    many.steps[0].is_joined = many.steps[139].is_joined = true;
    many.steps[139].deferred = true;
    many.plan.n_due = 1;
    assert_int_equal(vdpad_exec_run(t->x, &many.plan, &why), 0);
    assert_int_equal(t->s.n_ops, 64);
}

static void
record_then_steps(void **state)
{
    struct bench *t = *state;
    struct vdpad_record *r;
    struct vdpad_exec_figures figures;

    given(t->b, HOST POLICY);
    run(t);
    r = saved(t);
    assert_string_equal(r->policies[0].name, "a");
    assert_string_equal(vdpad_record_find_dev(r, VF0)->name, NAME0);
    vdpad_record_free(r);
    assert_int_equal(t->k.n_steps, 4);
    vdpad_exec_get_figures(t->x, &figures);
    assert_int_equal(figures.n_batches, 2);
    assert_true(vdpad_exec_take_ended(t->x));
    assert_false(vdpad_exec_take_ended(t->x));

    /* Each device is a lane: creation, then driver. */
    assert_int_equal(t->k.steps[0].act.kind, VDPAD_ACT_VDPA_ADD);
    assert_int_equal(t->k.steps[1].act.kind, VDPAD_ACT_VDPA_BIND);
    assert_int_equal(t->k.steps[0].batch, t->k.steps[1].batch);
    assert_int_not_equal(t->k.steps[0].batch, t->k.steps[2].batch);
}

static void
nothing_twice(void **state)
{
    struct bench *t = *state;

    given(t->b, HOST POLICY);
    run(t);
    run(t);
    assert_int_equal(t->k.n_steps, 4);
    assert_int_equal(t->k.n_batches, 2);
    end(t, VDPAD_ACT_VDPA_ADD, NAME0, -EINVAL);
    run(t);
    assert_int_equal(t->k.n_steps, 3);
}

/* A record that cannot be written: nothing is changed, and nothing that was
 * to be recorded is lost. */
static void
record_that_cannot_be_written(void **state)
{
    struct bench *t = *state;
    struct vdpad_error why;
    struct vdpad_record *r;

    assert_int_equal(mkdir(t->path, 0700), 0);
    given(t->b, HOST POLICY);
    for (int i = 0; i < 3; i++) {
        wb_plan(t->b);
        assert_true(vdpad_exec_run(t->x, t->b->plan, &why) < 0);
        assert_non_null(strstr(why.text, t->path));
        assert_int_equal(t->k.n_batches, 0);
        assert_int_equal(t->s.n_commits, 0);
    }
    assert_int_equal(rmdir(t->path), 0);
    run(t);
    assert_int_equal(t->k.n_batches, 2);
    r = saved(t);
    assert_int_equal(r->n_devs, 2);
    vdpad_record_free(r);
}

/* That it had its effect is believed when it has been seen. */
static void
success_is_looked_at(void **state)
{
    struct bench *t = *state;
    struct vdpad_exec_figures figures;

    given(t->b, HOST POLICY);
    run(t);
    (void) vdpad_exec_take_ended(t->x);
    assert_true(is_fresh(t, VDPAD_VDPA));
    end(t, VDPAD_ACT_VDPA_ADD, NAME0, 0);
    assert_false(is_fresh(t, VDPAD_VDPA));
    assert_false(is_fresh(t, VDPAD_VBUS));
    assert_true(is_fresh(t, VDPAD_PCI));
    assert_false(vdpad_exec_take_ended(t->x));
    vdpad_exec_get_figures(t->x, &figures);
    assert_int_equal(figures.steps, 1);
    assert_int_equal(figures.failures, 0);
    assert_int_equal(figures.n_batches, 2);
    end(t, VDPAD_ACT_VDPA_BIND, NAME0, 0);
    vdpad_exec_get_figures(t->x, &figures);
    assert_int_equal(figures.n_batches, 1);
}

static void
failure_is_planned_on_at_once(void **state)
{
    struct bench *t = *state;
    const struct vdpad_memory_entry *e;
    struct vdpad_exec_figures figures;

    given(t->b, HOST POLICY);
    run(t);
    (void) vdpad_exec_take_ended(t->x);
    end(t, VDPAD_ACT_VDPA_ADD, NAME0, -EINVAL);
    assert_true(vdpad_exec_take_ended(t->x));
    e = vdpad_memory_find(t->b->memory, "vdpa-add " NAME0);
    assert_int_equal(e->failures, 1);
    assert_string_equal(e->error.text, "script: Invalid argument");

    /* The driver's step had no chance: that is no failure of its own. */
    end(t, VDPAD_ACT_VDPA_BIND, NAME0, -ENODEV);
    assert_false(vdpad_exec_take_ended(t->x));
    e = vdpad_memory_find(t->b->memory, "vdpa-bind " NAME0);
    assert_true(!e || !e->failures);
    vdpad_exec_get_figures(t->x, &figures);
    assert_int_equal(figures.steps, 2);
    assert_int_equal(figures.failures, 1);
    assert_int_equal(vdpad_history_n(t->history), 1);
}

/* Steps end in any order, those of other batches first. */
static void
steps_end_in_any_order(void **state)
{
    struct bench *t = *state;
    struct vdpad_exec_figures figures;

    given(t->b, HOST POLICY);
    run(t);
    for (size_t n = t->k.n_steps; n-- > 0;) {
        script_end(&t->k, n, n % 2 ? 0 : -EIO);
    }
    vdpad_exec_get_figures(t->x, &figures);
    assert_int_equal(figures.n_batches, 0);
    assert_int_equal(figures.steps, 4);
    assert_int_equal(figures.failures, 2);
}

/* Whoever has made a device where ours was to be made keeps it. */
static void
failed_creation_is_not_claimed(void **state)
{
    struct bench *t = *state;
    struct vdpad_record *r;

    given(t->b, HOST POLICY);
    run(t);
    end(t, VDPAD_ACT_VDPA_ADD, NAME0, -EEXIST);
    end(t, VDPAD_ACT_VDPA_ADD, "vdpa:" VF1, -EIO);
    given(t->b, "vdpa " VF0 "\n"
                "vdpa " VF1);
    run(t);
    r = saved(t);
    assert_string_equal(vdpad_record_find_dev(r, VF0)->name, "");

    /* A helper process that died may have made it. */
    assert_string_equal(vdpad_record_find_dev(r, VF1)->name, "vdpa:" VF1);
    vdpad_record_free(r);
    wb_plan(t->b);
    assert_int_equal(wb_dev(t->b, VF0)->owner, VDPAD_OWNER_FOREIGN);
    assert_int_equal(wb_dev(t->b, VF1)->owner, VDPAD_OWNER_US);
}

/* A reset fails what would make VFs anew, and brings those that were ours
 * back. */
static void
failed_count_of_ours_stays(void **state)
{
    struct bench *t = *state;

    given(t->b, "pf " PF " mode=switchdev tc=on\n"
                "policy a pf=" PF " num-vfs=2");
    run(t);
    end(t, VDPAD_ACT_NUMVFS, PF, 0);
    assert_true(vdpad_memory_vfs_were_ours(t->b->memory, PF));
    run(t);
    end(t, VDPAD_ACT_NUMVFS, PF, -ESTALE);
    assert_int_equal(t->b->record->pfs[0].numvfs, 0);
}

static void
failed_count_is_not_claimed(void **state)
{
    struct bench *t = *state;

    given(t->b, "pf " PF " mode=switchdev tc=on\n"
                "policy a pf=" PF " num-vfs=2");
    run(t);
    assert_int_equal(t->b->record->pfs[0].numvfs, 0);
    end(t, VDPAD_ACT_NUMVFS, PF, -EBUSY);
    assert_int_equal(t->b->record->pfs[0].numvfs, -1);
    assert_false(vdpad_memory_vfs_were_ours(t->b->memory, PF));
    assert_false(is_fresh(t, VDPAD_HOLDER));

    /* Somebody else's two now. */
    given(t->b, "vf " VF0 "\n"
                "vf " VF1 "\n"
                "policy a");
    run(t);
    assert_int_equal(t->k.n_steps, 0);
}

static void
failed_giving_is_not_claimed(void **state)
{
    struct bench *t = *state;

    given(t->b, "pf " PF " mode=switchdev tc=on\n"
                "vf " VF0 "\n"
                "vf " VF1 "\n"
                "policy a pf=" PF " device-type=vfio-pci");
    run(t);
    assert_int_equal(t->b->record->n_vfs, 2);
    end(t, VDPAD_ACT_VF_PROBE, VF0, -EBUSY);
    end(t, VDPAD_ACT_VF_PROBE, VF1, -EIO);
    assert_int_equal(t->b->record->n_vfs, 1);

    /* A helper process that died may have done it. */
    assert_string_equal(t->b->record->vfs[0].vf, VF1);

    /* A VF that vfio-pci did not take has lost its driver. */
    t->b->now_ns += 10 * WB_SEC;
    run(t);
    assert_int_equal(t->b->record->n_vfs, 2);
    end(t, VDPAD_ACT_VF_PROBE, VF0, -ENODEV);
    assert_int_equal(t->b->record->n_vfs, 2);
}

static void
step_past_its_deadline(void **state)
{
    struct bench *t = *state;

    given(t->b, HOST POLICY);
    run(t);
    end(t, VDPAD_ACT_VDPA_ADD, NAME0, -ETIMEDOUT);
    end(t, VDPAD_ACT_VDPA_BIND, NAME0, -ECANCELED);
    assert_string_equal(vdpad_record_find_dev(t->b->record, VF0)->name, NAME0);
    run(t);
    assert_int_equal(t->k.n_steps, 2);
    expect_state(t->b, VF0, "blocked", "script: Connection timed out");
}

/* What was never sent is not there later by our doing. */
static void
step_that_was_not_sent(void **state)
{
    struct bench *t = *state;

    given(t->b, HOST POLICY);
    run(t);
    end(t, VDPAD_ACT_VDPA_ADD, NAME0, -ECOMM);
    assert_string_equal(vdpad_record_find_dev(t->b->record, VF0)->name, "");
    end(t, VDPAD_ACT_VDPA_BIND, NAME0, -ECOMM);
    run(t);
    assert_int_equal(t->k.n_steps, 2);
    expect_state(t->b, VF0, "blocked", "script: Communication error on send");
    given(t->b, "vdpa " VF0);
    run(t);
    assert_int_equal(wb_dev(t->b, VF0)->owner, VDPAD_OWNER_FOREIGN);
}

static void
kernel_that_takes_no_steps(void **state)
{
    struct bench *t = *state;
    struct vdpad_exec_figures figures;

    given(t->b, HOST POLICY);
    t->k.refusal = -EMFILE;
    run(t);
    vdpad_exec_get_figures(t->x, &figures);
    assert_int_equal(figures.n_batches, 0);
    assert_int_equal(figures.failures, 2);
    wb_plan(t->b);
    expect_state(t->b, VF0, "failed", "not started: Too many open files");
}

static void
one_transaction(void **state)
{
    struct bench *t = *state;
    struct vdpad_exec_figures figures;

    given(t->b, HOST POLICY "vdpa " VF0 "\n"
                            "vdpa " VF1 "\n"
                            "no-bridge br-int\n"
                            "other-config hw-offload");
    run(t);
    assert_int_equal(t->s.n_ops, 2);
    script_commit_ends(&t->s, 0);
    given(t->b, "bridge br-int\n"
                "other-config hw-offload true");
    run(t);
    assert_int_equal(t->s.n_commits, 2);
    assert_int_equal(t->s.n_ops, 2);
    assert_int_equal(t->s.kinds[0], VDPAD_DBOP_PORT_ADD);
    assert_int_equal(t->s.kinds[1], VDPAD_DBOP_PORT_ADD);

    /* Another one has to wait for it. */
    given(t->b, "other-config hw-offload");
    run(t);
    assert_int_equal(t->s.n_commits, 2);
    assert_true(is_fresh(t, VDPAD_QDISC));
    (void) vdpad_exec_take_ended(t->x);
    script_commit_ends(&t->s, 0);
    assert_true(vdpad_exec_take_ended(t->x));
    assert_false(is_fresh(t, VDPAD_QDISC));
    vdpad_exec_get_figures(t->x, &figures);
    assert_int_equal(figures.steps, 4);
}

static void
transaction_that_fails(void **state)
{
    struct bench *t = *state;

    given(t->b, HOST POLICY "vdpa " VF0 "\n"
                            "vdpa " VF1);
    run(t);
    script_commit_ends(&t->s, -EINVAL);
    run(t);
    assert_int_equal(t->s.n_commits, 1);
    expect_state(t->b, VF0, "failed", "script: Invalid argument (attempt 1");
}

/* Several keys of one row are one step: they fail once. */
static void
keys_of_one_row_fail_once(void **state)
{
    struct bench *t = *state;

    given(t->b, HOST "policy a pf=" PF "#0 vdpa-type=vhost\n"
                     "vdpa " VF0 "\n"
                     "want lsp vf=" VF0 "\n"
                     "port r65v0 br-int ours " VF0);
    run(t);
    assert_int_equal(t->s.n_ops, 3);
    script_commit_ends(&t->s, -EINVAL);
    assert_int_equal(vdpad_memory_find(t->b->memory,
                                       "interface-external-id r65v0")
                         ->failures,
                     1);
}

static void
transaction_that_met_another(void **state)
{
    struct bench *t = *state;

    given(t->b, HOST POLICY "vdpa " VF0 "\n"
                            "vdpa " VF1);
    run(t);
    script_commit_ends(&t->s, -EAGAIN);
    assert_true(vdpad_exec_take_ended(t->x));
    run(t);
    assert_int_equal(t->s.n_commits, 2);
}

/* Neither is a failure: the steps are simply not under way. */
static void
database_that_takes_nothing(void **state)
{
    struct bench *t = *state;
    static const int errors[] = { -EBUSY, -ENOTCONN };

    given(t->b, HOST POLICY "vdpa " VF0 "\n"
                            "vdpa " VF1);
    for (unsigned int i = 0; i < 2; i++) {
        t->s.refusal = errors[i];
        run(t);
        assert_int_equal(t->s.n_commits, i + 1);
        expect_plan(t->b, "port-add r65v0 br-int\n"
                          "port-add r65v1 br-int\n");
    }
    t->s.refusal = -EROFS;
    run(t);
    wb_plan(t->b);
    expect_state(t->b, VF0, "failed", "Read-only file system");
}

/* The daemon ends while the kernel still works. */
static void
freed_in_the_middle(void **state)
{
    struct bench *t = *state;

    given(t->b, HOST POLICY "vdpa " VF0 "\n");
    run(t);
    assert_true(t->k.n_steps > 0);
    assert_non_null(t->s.cb);
}

int
main(void)
{
#define TEST(FUNCTION) \
    cmocka_unit_test_setup_teardown(FUNCTION, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(record_then_steps),
        TEST(transactions_are_bounded),
        TEST(joined_steps_are_not_torn_apart),
        TEST(joined_steps_wait_for_each_other),
        TEST(nothing_twice),
        TEST(record_that_cannot_be_written),
        TEST(success_is_looked_at),
        TEST(failure_is_planned_on_at_once),
        TEST(steps_end_in_any_order),
        TEST(failed_creation_is_not_claimed),
        TEST(failed_count_of_ours_stays),
        TEST(failed_count_is_not_claimed),
        TEST(failed_giving_is_not_claimed),
        TEST(step_past_its_deadline),
        TEST(step_that_was_not_sent),
        TEST(kernel_that_takes_no_steps),
        TEST(one_transaction),
        TEST(transaction_that_fails),
        TEST(keys_of_one_row_fail_once),
        TEST(transaction_that_met_another),
        TEST(database_that_takes_nothing),
        TEST(freed_in_the_middle),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
