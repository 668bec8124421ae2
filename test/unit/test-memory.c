/* SPDX-License-Identifier: Apache-2.0 */

/* What is remembered between two plans. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "controller/memory.h"

#define SEC INT64_C(1000000000)
#define NOW (100 * SEC)

static int
set_up(void **state)
{
    *state = vdpad_memory_new();
    return 0;
}

static int
tear_down(void **state)
{
    vdpad_memory_free(*state);
    return 0;
}

static void
fail_step(struct vdpad_memory *m, const char *key, int error, int64_t now_ns)
{
    struct vdpad_error why;

    vdpad_error_set(&why, error, "%s", strerror(-error));
    vdpad_memory_started(m, key);
    vdpad_memory_ended(m, key, error, &why, now_ns);
}

static void
key_is_action_and_object(void **state)
{
    char key[VDPAD_NAME_SIZE + 32];
    char longest[VDPAD_NAME_SIZE];

    (void) state;
    vdpad_memory_key(key, "vdpa-add", "vdpa:0000:65:00.2");
    assert_string_equal(key, "vdpa-add vdpa:0000:65:00.2");
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    vdpad_memory_key(key, "interface-external-id", longest);
    assert_int_equal(strlen(key),
                     strlen("interface-external-id ") + sizeof longest - 1);
}

static void
success_is_forgotten(void **state)
{
    struct vdpad_memory *m = *state;

    assert_null(vdpad_memory_find(m, "numvfs x"));
    vdpad_memory_started(m, "numvfs x");
    assert_true(vdpad_memory_find(m, "numvfs x")->in_flight);
    vdpad_memory_ended(m, "numvfs x", 0, NULL, NOW);

    const struct vdpad_memory_entry *e = vdpad_memory_find(m, "numvfs x");

    assert_true(!e || (!e->in_flight && !e->failures && !e->next_ns));
}

static void
refusals_are_counted_until_success(void **state)
{
    struct vdpad_memory *m = *state;
    const char *key = "eswitch-mode x";

    vdpad_memory_ended(m, key, -EIO, NULL, 0);
    assert_int_equal(vdpad_memory_find(m, key)->refusals, 0);
    vdpad_memory_ended(m, key, -EOPNOTSUPP, NULL, 0);
    vdpad_memory_ended(m, key, -EIO, NULL, 0);
    vdpad_memory_ended(m, key, -EBUSY, NULL, 0);
    vdpad_memory_ended(m, key, -EINVAL, NULL, 0);
    assert_int_equal(vdpad_memory_find(m, key)->refusals, 2);
    assert_false(vdpad_memory_any_stuck(m));
    vdpad_memory_ended(m, key, -ETIMEDOUT, NULL, 0);
    assert_true(vdpad_memory_any_stuck(m));
    vdpad_memory_ended(m, key, 0, NULL, 0);
    assert_int_equal(vdpad_memory_find(m, key)->refusals, 0);
    assert_false(vdpad_memory_any_stuck(m));
}

static void
failures_wait_longer_and_longer(void **state)
{
    struct vdpad_memory *m = *state;
    static const int64_t waits[] = { 1,  2,   4,   8,   16,  32,
                                     64, 128, 256, 300, 300, 300 };
    const struct vdpad_memory_entry *e;

    for (unsigned int i = 0; i < sizeof waits / sizeof *waits; i++) {
        fail_step(m, "numvfs x", -EIO, NOW);
        e = vdpad_memory_find(m, "numvfs x");
        assert_false(e->in_flight);
        assert_int_equal(e->failures, i + 1);
        assert_true(e->next_ns == NOW + waits[i] * SEC);
        assert_int_equal(e->error.code, -EIO);
        assert_string_equal(e->error.text, strerror(EIO));
    }

    /* A success in between, and it starts over. */
    vdpad_memory_started(m, "numvfs x");
    vdpad_memory_ended(m, "numvfs x", 0, NULL, NOW);
    fail_step(m, "numvfs x", -EIO, NOW);
    assert_true(vdpad_memory_find(m, "numvfs x")->next_ns == NOW + SEC);
}

static void
failure_without_text(void **state)
{
    struct vdpad_memory *m = *state;

    vdpad_memory_ended(m, "port-add x", -EINVAL, NULL, NOW);
    assert_int_equal(vdpad_memory_find(m, "port-add x")->error.code, -EINVAL);
    assert_string_equal(vdpad_memory_find(m, "port-add x")->error.text,
                        strerror(EINVAL));
}

static void
not_started_is_no_failure(void **state)
{
    struct vdpad_memory *m = *state;
    static const int errors[] = { -ECANCELED, -ESTALE, -EAGAIN };

    for (size_t i = 0; i < 3; i++) {
        fail_step(m, "link-up x", errors[i], NOW);
        assert_int_equal(vdpad_memory_find(m, "link-up x")->failures, 0);
        assert_true(vdpad_memory_find(m, "link-up x")->next_ns == 0);
        assert_false(vdpad_memory_find(m, "link-up x")->in_flight);
    }

    /* ... but it is not tried without a pause for ever. */
    for (int i = 0; i < 20; i++) {
        fail_step(m, "link-up x", -EAGAIN, NOW);
    }
    assert_true(vdpad_memory_find(m, "link-up x")->next_ns > NOW);
    assert_true(vdpad_memory_find(m, "link-up x")->next_ns <= NOW + 300 * SEC);

    /* Why is told by whoever refused it. */
    struct vdpad_error why;

    vdpad_error_set(&why, -ESTALE, "x: not netdev 7 any more");
    vdpad_memory_started(m, "link-up x");
    vdpad_memory_ended(m, "link-up x", -ESTALE, &why, NOW);
    assert_string_equal(vdpad_memory_find(m, "link-up x")->error.text,
                        "x: not netdev 7 any more");
}

/* A step that succeeds again and again and is still planned has no effect. */
static void
success_in_vain_waits(void **state)
{
    struct vdpad_memory *m = *state;
    const struct vdpad_memory_entry *e = NULL;
    int at_once = 0;

    for (int i = 0; i < 30; i++) {
        vdpad_memory_started(m, "feature x");
        vdpad_memory_ended(m, "feature x", 0, NULL, NOW);
        e = vdpad_memory_find(m, "feature x");
        at_once += !e || e->next_ns <= NOW;
    }
    assert_true(at_once >= 2);
    assert_true(at_once <= 5);
    assert_non_null(e);
    assert_true(e->next_ns == NOW + 300 * SEC);
    assert_non_null(strstr(e->error.text, "feature x: done 30 times to no "
                                          "effect"));
}

static bool
wants_nothing(const struct vdpad_memory_entry *entry, void *aux)
{
    (void) entry;
    (void) aux;
    return false;
}

static bool
wants_one(const struct vdpad_memory_entry *entry, void *aux)
{
    return !strcmp(entry->key, aux);
}

static void
unplanned_steps_are_forgotten(void **state)
{
    struct vdpad_memory *m = *state;

    fail_step(m, "a x", -EIO, NOW);
    fail_step(m, "b x", -EIO, NOW);
    vdpad_memory_started(m, "c x");
    vdpad_memory_started(m, "d x");
    vdpad_memory_ended(m, "d x", 0, NULL, NOW);
    vdpad_memory_prune(m, wants_one, (char *) "b x");
    assert_null(vdpad_memory_find(m, "a x"));
    assert_non_null(vdpad_memory_find(m, "b x"));
    assert_non_null(vdpad_memory_find(m, "c x"));
    assert_null(vdpad_memory_find(m, "d x"));
    vdpad_memory_prune(m, wants_nothing, NULL);
    assert_int_equal(m->n, 1);
}

static void
step_past_its_deadline_stays_in_flight(void **state)
{
    static const struct vdpad_stuck still[] = {
        { .what = "observe vdpa" },
        { .what = "vdpa-add y" },
    };
    struct vdpad_memory *m = *state;
    const struct vdpad_memory_entry *e;

    fail_step(m, "vdpa-del x", -EIO, NOW);
    fail_step(m, "vdpa-del x", -ETIMEDOUT, NOW);
    e = vdpad_memory_find(m, "vdpa-del x");
    assert_true(e->in_flight);
    assert_true(e->stuck);
    assert_string_equal(e->error.text, strerror(ETIMEDOUT));
    vdpad_memory_prune(m, wants_nothing, NULL);
    assert_non_null(vdpad_memory_find(m, "vdpa-del x"));
    fail_step(m, "other x", -EIO, NOW);
    fail_step(m, "vdpa-add y", -ETIMEDOUT, NOW);
    /* Not sent because of that one. */
    fail_step(m, "vdpa-add z", -ECOMM, NOW);
    assert_true(vdpad_memory_find(m, "vdpa-add z")->stuck);
    vdpad_memory_unstick(m, still, 2);
    assert_null(vdpad_memory_find(m, "vdpa-del x"));
    assert_null(vdpad_memory_find(m, "vdpa-add z"));
    assert_true(vdpad_memory_find(m, "vdpa-add y")->stuck);
    vdpad_memory_unstick(m, NULL, 0);
    assert_null(vdpad_memory_find(m, "vdpa-add y"));
    assert_non_null(vdpad_memory_find(m, "other x"));
}

static void
all_are_due_on_request(void **state)
{
    struct vdpad_memory *m = *state;

    fail_step(m, "a x", -EIO, NOW);
    fail_step(m, "b x", -EIO, NOW);
    vdpad_memory_retry_all(m);
    assert_true(vdpad_memory_find(m, "a x")->next_ns == 0);
    assert_true(vdpad_memory_find(m, "b x")->next_ns == 0);
}

static void
many_entries_stay_sorted(void **state)
{
    struct vdpad_memory *m = *state;
    char key[32];

    for (unsigned int i = 0; i < 500; i++) {
        snprintf(key, sizeof key, "a %03u", i * 7 % 500);
        vdpad_memory_started(m, key);
    }
    assert_int_equal(m->n, 500);
    for (size_t i = 1; i < m->n; i++) {
        assert_true(strcmp(m->entries[i - 1].key, m->entries[i].key) < 0);
    }
    for (unsigned int i = 0; i < 500; i++) {
        snprintf(key, sizeof key, "a %03u", i);
        assert_non_null(vdpad_memory_find(m, key));
    }
}

static void
force(void **state)
{
    struct vdpad_memory *m = *state;

    vdpad_memory_force(m, "a", true);
    vdpad_memory_force(m, "a", true);
    vdpad_memory_force(m, "b", true);
    assert_int_equal(m->n_forced, 2);
    assert_true(vdpad_memory_is_forced(m, "a"));
    assert_false(vdpad_memory_is_forced(m, "c"));
    vdpad_memory_force(m, "a", false);
    vdpad_memory_force(m, "c", false);
    assert_false(vdpad_memory_is_forced(m, "a"));
    assert_true(vdpad_memory_is_forced(m, "b"));
    vdpad_memory_force(m, "*", true);
    assert_true(vdpad_memory_is_forced(m, "c"));
}

/* Resuming all ends what was forced of one. */
static void
force_ends_with_all(void **state)
{
    struct vdpad_memory *m = *state;

    vdpad_memory_force(m, "a", true);
    vdpad_memory_force(m, "*", false);
    assert_false(vdpad_memory_is_forced(m, "a"));
}

static void
what_devices_were_made_with(void **state)
{
    struct vdpad_memory *m = *state;
    struct vdpad_act act = {
        .kind = VDPAD_ACT_VDPA_ADD, .object = "d", .mtu = 9000, .max_vqp = 4
    };
    const struct vdpad_memory_made *made;

    assert_null(vdpad_memory_find_made(m, "d"));
    vdpad_memory_note(m, &act);
    made = vdpad_memory_find_made(m, "d");
    assert_int_equal(made->mtu, 9000);
    assert_int_equal(made->max_vqp, 4);
    assert_false(made->has_mac);

    act = (struct vdpad_act){ .kind = VDPAD_ACT_VDPA_SET_MAC,
                              .object = "d",
                              .has_mac = true,
                              .mac = { 2, 3 } };
    vdpad_memory_note(m, &act);
    made = vdpad_memory_find_made(m, "d");
    assert_int_equal(made->mtu, 9000);
    assert_true(made->has_mac);
    assert_int_equal(made->mac[1], 3);

    act.kind = VDPAD_ACT_VDPA_BIND;
    vdpad_memory_note(m, &act);
    strcpy(act.object, "e");
    act.kind = VDPAD_ACT_VDPA_SET_MAC;
    vdpad_memory_note(m, &act);
    assert_null(vdpad_memory_find_made(m, "e"));
    strcpy(act.object, "d");
    act.kind = VDPAD_ACT_VDPA_DEL;
    vdpad_memory_note(m, &act);
    assert_null(vdpad_memory_find_made(m, "d"));
    vdpad_memory_note(m, &act);
}

static void
numbers_of_vfs(void **state)
{
    struct vdpad_memory *m = *state;

    assert_false(vdpad_memory_vfs_changed(m, "a", 4));
    vdpad_memory_vfs_made(m, "a", 0);
    vdpad_memory_vfs_right(m, "a", 0);
    assert_false(vdpad_memory_vfs_changed(m, "a", 4));
    vdpad_memory_vfs_made(m, "a", 4);
    assert_false(vdpad_memory_vfs_changed(m, "a", 4));
    assert_true(vdpad_memory_vfs_changed(m, "a", 3));
    assert_false(vdpad_memory_vfs_changed(m, "a", 0));
    assert_false(vdpad_memory_vfs_changed(m, "b", 3));
    vdpad_memory_vfs_right(m, "a", 3);
    assert_false(vdpad_memory_vfs_changed(m, "a", 3));
    assert_false(vdpad_memory_vfs_changed(m, "a", 4));
    vdpad_memory_vfs_right(m, "a", 8);
    assert_true(vdpad_memory_vfs_changed(m, "a", 3));
    vdpad_memory_retry_all(m);
    assert_false(vdpad_memory_vfs_changed(m, "a", 3));
}

static void
vfs_that_were_ours(void **state)
{
    struct vdpad_memory *m = *state;

    assert_false(vdpad_memory_vfs_were_ours(m, "a"));
    vdpad_memory_vfs_made(m, "a", 4);
    assert_true(vdpad_memory_vfs_were_ours(m, "a"));
    assert_false(vdpad_memory_vfs_were_ours(m, "b"));
    vdpad_memory_retry_all(m);
    vdpad_memory_former_ended(m);
    assert_true(vdpad_memory_vfs_were_ours(m, "a"));
    vdpad_memory_vfs_made(m, "a", 0);
    assert_false(vdpad_memory_vfs_were_ours(m, "a"));

    /* Seen; that says nothing of their number. */
    vdpad_memory_vfs_ours(m, "c", true);
    assert_true(vdpad_memory_vfs_were_ours(m, "c"));
    assert_false(vdpad_memory_vfs_changed(m, "c", 3));
    vdpad_memory_vfs_ours(m, "c", false);
    assert_false(vdpad_memory_vfs_were_ours(m, "c"));
}

int
main(void)
{
#define TEST(FUNCTION) \
    cmocka_unit_test_setup_teardown(FUNCTION, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(numbers_of_vfs),
        TEST(vfs_that_were_ours),
        TEST(key_is_action_and_object),
        TEST(success_is_forgotten),
        TEST(refusals_are_counted_until_success),
        TEST(failures_wait_longer_and_longer),
        TEST(failure_without_text),
        TEST(not_started_is_no_failure),
        TEST(success_in_vain_waits),
        TEST(unplanned_steps_are_forgotten),
        TEST(step_past_its_deadline_stays_in_flight),
        TEST(all_are_due_on_request),
        TEST(many_entries_stay_sorted),
        TEST(force),
        TEST(force_ends_with_all),
        TEST(what_devices_were_made_with),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
