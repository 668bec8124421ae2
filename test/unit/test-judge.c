/* SPDX-License-Identifier: Apache-2.0 */
/* The judge: each verdict by its definition, how long it takes to be reached,
 * and that it does not flutter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/judge.h"

#define SEC VDPAD_LOOK_NS
#define N_ELEMS(ARRAY) (sizeof(ARRAY) / sizeof(ARRAY)[0])

static struct vdpad_judge j;
static int64_t now;
static int changes;

static int
set_up(void **state)
{
    (void) state;
    now = 5000 * SEC;
    changes = 0;
    vdpad_judge_init(&j, now);
    return 0;
}

static bool
look(const struct vdpad_evidence *e, int64_t after)
{
    bool changed;

    now += after;
    if (e) {
        vdpad_judge_add(&j, e, now);
    }
    changed = vdpad_judge_look(&j, NULL, true, now);
    changes += changed;
    return changed;
}

/* Looks often enough for any verdict. */
static void
settle(const struct vdpad_evidence *e)
{
    for (int i = 0; i < VDPAD_AGREE; i++) {
        look(e, SEC);
    }
}

static void
assert_verdict(const char *verdict, const char *reason)
{
    assert_string_equal(vdpad_verdict_name(j.verdict), verdict);
    if (!strstr(j.reason, reason)) {
        fail_msg("\"%s\" is not in \"%s\"", reason, j.reason);
    }
}

/* What each look at a device that was idle before leads to. */
static void
test_definitions(void **state)
{
    static const struct {
        struct vdpad_evidence e;
        const char *verdict, *reason;
    } cases[] = {
        { { .hw = 10, .hw_flows = true },
          "offloaded",
          "100 % of 10 packets in hardware" },
        { { .hw = 90, .sw = 10, .slow = 10, .hw_flows = true },
          "offloaded",
          "90 % of 100 packets in hardware, 10 in TC software, 0 in neither" },
        { { .hw = 89, .slow = 11, .hw_flows = true },
          "partial",
          "89 % of 100 packets in hardware, 0 in TC software, 11 in" },
        { { .hw = 89, .sw = 11, .hw_flows = true }, "partial", "89 %" },
        { { .hw = 1, .sw = 99, .slow = 99, .hw_flows = true },
          "partial",
          "1 % of" },
        /* No flow was in hardware all the time, but some carried. */
        { { .hw = 6, .sw = 94, .slow = 94 }, "partial", "6 % of" },
        { { .slow = 50, .hw_flows = true },
          "partial",
          "in hardware but count no packets, while 50 took the slow path" },
        { { .slow = 50, .sw = 50, .hw_flows = true },
          "partial",
          "count no packets" },
        { { .slow = 50, .sw = 50 },
          "software",
          "of 50 packets 50 were in TC software, 0 in neither" },
        { { .sw = 50 }, "software", "50 were in TC software" },
        { { .hw = 4, .slow = 96, .sw = 96 }, "software", "carries nothing" },
        { { .slow = 50, .sw = 30 }, "software", "30 were" },
        { { .slow = 50, .sw = 29 }, "kernel", "21 in neither" },
        { { .slow = 50 }, "kernel", "of 50 packets 0 were in TC" },
        /* A driver that does not count the slow path. */
        { { .hw = 90, .rx = 10, .hw_flows = true },
          "offloaded",
          "90 % of 100 packets in hardware" },
        { { .hw = 89, .rx = 11, .hw_flows = true },
          "partial",
          "89 % to 100 % of the packets in hardware: it counted 89, the "
          "representor received 11" },
        { { .hw = 40, .rx = 60, .sw = 50, .hw_flows = true },
          "partial",
          "40 % to 44 % of" },
        { { .hw = 50, .rx = 50, .sw = 50, .hw_flows = true },
          "partial",
          "50 % of 100 packets in hardware, 50 in TC software, 0 in" },
        { { .rx = 50, .hw_flows = true }, "partial", "while 50 took" },
        { { .rx = 50, .sw = 30 }, "software", "20 in neither" },
        { { .rx = 50 }, "kernel", "50 in neither" },
        { { .rx = 9 }, "idle", "no packets were seen yet" },
        { { .slow = 9 }, "idle", "no packets were seen yet" },
        { { .hw = 9, .hw_flows = true }, "idle", "no packets" },
        { { .hw_flows = true }, "idle", "no packets" },
        { { .hw = UINT64_MAX, .slow = UINT64_MAX, .hw_flows = true },
          "partial",
          "50 % of" },
    };

    for (size_t i = 0; i < N_ELEMS(cases); i++) {
        set_up(state);
        look(&cases[i].e, 0);
        look(NULL, SEC); /* Nothing contradicts it. */
        print_message("case %zu\n", i);
        assert_verdict(cases[i].verdict, cases[i].reason);
    }
}

/* A packet now and then, as each new flow has it, is no reason. */
static void
test_first_packets(void **state)
{
    const struct vdpad_evidence first = { .slow = 1, .hw_flows = true };
    const struct vdpad_evidence busy = { .hw = 100,
                                         .slow = 5,
                                         .hw_flows = true };

    (void) state;
    look(&first, SEC);
    look(&first, SEC);
    assert_verdict("idle", "");
    settle(&busy);
    assert_verdict("offloaded", "95 %");
    for (int i = 0; i < 5; i++) {
        look(&first, SEC);
    }
    assert_verdict("offloaded", "");
}

static void
test_takes_agreement(void **state)
{
    const struct vdpad_evidence good = { .hw = 100, .hw_flows = true };
    const struct vdpad_evidence bad = { .slow = 100, .hw_flows = true };

    (void) state;
    assert_false(look(&good, 0));
    assert_int_equal(vdpad_judge_next_ns(&j), now + SEC);
    assert_true(look(&good, SEC));
    assert_verdict("offloaded", "100 %");

    assert_false(look(&bad, SEC));
    assert_false(look(&bad, SEC));
    assert_false(look(&good, SEC)); /* Contradicted. */
    assert_false(look(&bad, SEC));
    assert_false(look(&bad, SEC));
    assert_verdict("offloaded", "");
    assert_true(look(&bad, SEC));
    assert_verdict("partial", "count no packets");
    assert_int_equal(changes, 2);
}

/* Looks in quick succession are one, and an old picture is none. */
static void
test_looks_are_apart(void **state)
{
    const struct vdpad_evidence good = { .hw = 100, .hw_flows = true };

    (void) state;
    look(&good, 0);
    for (int i = 0; i < 9; i++) {
        assert_false(look(&good, SEC / 10));
    }
    assert_int_equal(vdpad_judge_next_ns(&j), now + SEC / 10);
    assert_true(look(&good, SEC / 10));

    set_up(state);
    look(&good, 0);
    now += SEC;
    assert_false(vdpad_judge_look(&j, NULL, false, now));
    assert_true(vdpad_judge_look(&j, NULL, true, now));
}

static void
test_idle_after_a_while(void **state)
{
    const struct vdpad_evidence good = { .hw = 100, .hw_flows = true };
    const struct vdpad_evidence little = { .hw = 4, .hw_flows = true };

    (void) state;
    assert_false(j.settled);
    assert_int_equal(vdpad_judge_next_ns(&j), now + VDPAD_IDLE_NS);
    assert_false(look(NULL, VDPAD_IDLE_NS - 1));
    assert_true(look(NULL, SEC)); /* Now it is known to be. */
    assert_true(j.settled);
    assert_verdict("idle", "fewer than 10 packets in the last 60 s");
    assert_int_equal(vdpad_judge_next_ns(&j), INT64_MAX);

    settle(&good);
    assert_int_equal(vdpad_judge_next_ns(&j), now + VDPAD_IDLE_NS);
    look(&little, 30 * SEC);
    look(&little, 29 * SEC);
    assert_verdict("offloaded", "");
    assert_true(look(&little, SEC) == false); /* 12 packets in 60 s. */
    assert_verdict("offloaded", "of 12 packets");
    look(&little, 59 * SEC);
    assert_true(look(NULL, SEC));
    assert_verdict("idle", "fewer than 10");

    /* Four packets a minute never add up. */
    for (int i = 0; i < 20; i++) {
        look(&little, 61 * SEC);
    }
    assert_verdict("idle", "");
}

static void
test_blocked_at_once(void **state)
{
    const struct vdpad_evidence good = { .hw = 100, .hw_flows = true };

    (void) state;
    settle(&good);
    vdpad_judge_add(&j, &good, now);
    assert_true(vdpad_judge_look(&j, "the device is failed: x", true, now));
    assert_verdict("blocked", "the device is failed: x");
    assert_false(vdpad_judge_look(&j, "the device is waiting", true, now));
    assert_verdict("blocked", "waiting");
    assert_int_equal(vdpad_judge_next_ns(&j), INT64_MAX);
    assert_true(look(NULL, 0));
    assert_verdict("idle", "");
    look(NULL, SEC); /* What was counted before does not count. */
    assert_verdict("idle", "");
    settle(&good);
    assert_verdict("offloaded", "");
}

static uint32_t
chance(void)
{
    static uint32_t x = 2463534242u;

    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    return x;
}

/* Evidence of 'n' packets with 'hw' per mille in hardware and, of the rest,
 * 'tc' in TC software. */
static struct vdpad_evidence
mix(uint64_t n, int64_t hw, int64_t tc)
{
    struct vdpad_evidence e = { .hw_flows = hw > 0 };

    hw = hw < 0 ? 0 : hw > 1000 ? 1000 : hw;
    tc = tc < 0 ? 0 : tc > 1000 ? 1000 : tc;
    e.hw = n * (uint64_t) hw / 1000;
    e.slow = n - e.hw;
    e.sw = e.slow * (uint64_t) tc / 1000;
    return e;
}

/* With noise of up to 4 % around any share no verdict comes back once it has
 * been left, however long it goes on. */
static void
test_noise(void **state)
{
    for (int64_t hw = 0; hw <= 1000; hw += 10) {
        for (int64_t tc = 0; tc <= 1000; tc += 100) {
            unsigned int left = 0;

            set_up(state);
            for (int i = 0; i < 300; i++) {
                enum vdpad_verdict old = j.verdict;
                int64_t a = (int64_t) (chance() % 81) - 40;
                int64_t b = (int64_t) (chance() % 81) - 40;
                struct vdpad_evidence e = mix(1000 + chance() % 1000, hw + a,
                                              tc + b);

                /* Whether a flow is in hardware does not change. */
                e.hw_flows = hw >= 100;
                if (look(&e, SEC + chance() % SEC)) {
                    left |= 1u << old;
                }
                if (left & 1u << j.verdict) {
                    fail_msg("%s again at %d per mille in hardware, %d in TC",
                             vdpad_verdict_name(j.verdict), (int) hw,
                             (int) tc);
                }
            }
        }
    }
}

/* Constant rates lead to the verdict that the definition gives, whatever was
 * before, within so many looks, and it stays. */
static void
test_convergence(void **state)
{
    for (int round = 0; round < 2000; round++) {
        struct vdpad_evidence fresh, e;
        enum vdpad_verdict verdict;

        e = mix(10 + chance() % 10000, chance() % 1001, chance() % 1001);
        set_up(state);
        settle(&e);
        verdict = j.verdict;

        set_up(state);
        for (int i = 0; i < 40; i++) {
            fresh = mix(chance() % 100, chance() % 1001, chance() % 1001);
            look(&fresh, chance() % (3 * SEC));
        }
        for (int i = 0; i < VDPAD_AGREE + 2; i++) {
            look(&e, SEC);
        }

        /* Between the limits to get one and to keep it both are right. */
        uint64_t all = e.hw + e.slow;
        uint64_t share = 1000 * e.hw / all;
        uint64_t tc = e.slow ? 1000 * e.sw / e.slow : 0;
        bool between = (share >= 800 && share < 900)
                       || (!e.hw_flows && share >= 50 && share < 150)
                       || (share < 150 && tc >= 400 && tc <= 600);

        if (j.verdict != verdict && !between) {
            fail_msg("%s, not %s, at %u per mille in hardware of %u, %u in TC",
                     vdpad_verdict_name(j.verdict),
                     vdpad_verdict_name(verdict), (unsigned) share,
                     (unsigned) all, (unsigned) tc);
        }
        changes = 0;
        for (int i = 0; i < 20; i++) {
            look(&e, SEC);
        }
        assert_int_equal(changes, 0);
    }
}

int
main(void)
{
#define TEST(NAME) cmocka_unit_test_setup(NAME, set_up)
    const struct CMUnitTest tests[] = {
        TEST(test_definitions),
        TEST(test_first_packets),
        TEST(test_takes_agreement),
        TEST(test_looks_are_apart),
        TEST(test_idle_after_a_while),
        TEST(test_blocked_at_once),
        TEST(test_noise),
        TEST(test_convergence),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
