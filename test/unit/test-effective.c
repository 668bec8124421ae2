/* SPDX-License-Identifier: Apache-2.0 */
/* Whether hw-offload is in effect: what several releases of Open vSwitch
 * answer, and when they are asked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "controller/effective.h"

#define SEC INT64_C(1000000000)

/* An ovs-vswitchd that answers when it is told to. */
static struct {
    struct vdpad_vswitchd up;
    int32_t pid;
    char command[64], arg[64];
    vdpad_vswitchd_cb *cb; /* NULL: nothing is asked. */
    void *aux;
    int calls, refuse;
} fake;

static int
fake_call(struct vdpad_vswitchd *up, const char *command,
          const char *const *args, size_t n, vdpad_vswitchd_cb *cb, void *aux)
{
    (void) up;
    if (fake.refuse) {
        return fake.refuse;
    }
    assert_null(fake.cb);
    fake.calls++;
    snprintf(fake.command, sizeof fake.command, "%s", command);
    snprintf(fake.arg, sizeof fake.arg, "%s", n ? args[0] : "");
    fake.cb = cb;
    fake.aux = aux;
    return 0;
}

static int32_t
fake_pid(const struct vdpad_vswitchd *up)
{
    (void) up;
    return fake.pid;
}

static void
answer(const char *command, int error, const char *text)
{
    struct vdpad_error why;
    vdpad_vswitchd_cb *cb = fake.cb;

    assert_non_null(cb);
    assert_string_equal(fake.command, command);
    fake.cb = NULL;
    if (error) {
        (void) vdpad_error_set(&why, error, "%s", text);
        cb(fake.aux, error, NULL, &why);
    } else {
        cb(fake.aux, 0, text, NULL);
    }
}

static const struct vdpad_vswitchd_ops fake_ops = { .call = fake_call,
                                                    .pid = fake_pid };
static struct vdpad_history *history;
static struct vdpad_effective *e;
static int64_t now;

/* A database with one port of a bridge of the kernel. */
static struct vdpad_kv other_config[] = { { "hw-offload", "true" } };
static struct vdpad_db_bridge bridge;
static struct vdpad_db_port port;
static struct vdpad_db_iface iface;
static struct vdpad_snapshot db;

static void
run(void)
{
    vdpad_effective_run(e, &db, now);
}

static enum vdpad_effect
effect(void)
{
    return vdpad_effective_get(e)->effect;
}

static int
set_up(void **state)
{
    (void) state;
    memset(&fake, 0, sizeof fake);
    fake.up.ops = &fake_ops;
    fake.pid = 77;
    now = 1000 * SEC;
    other_config[0].value = "true";
    bridge = (struct vdpad_db_bridge){ .name = "br", .datapath_type = "" };
    port = (struct vdpad_db_port){ .name = "br" };
    iface = (struct vdpad_db_iface){ .name = "br", .ofport = 65534 };
    db = (struct vdpad_snapshot){
        .other_config = { 1, other_config },
        .n_bridges = 1,
        .n_ports = 1,
        .n_ifaces = 1,
        .bridges = &bridge,
        .ports = &port,
        .ifaces = &iface,
    };
    history = vdpad_history_new();
    e = vdpad_effective_new(&fake.up, history);
    return 0;
}

static int
tear_down(void **state)
{
    (void) state;
    vdpad_effective_free(e);
    vdpad_history_free(history);
    return 0;
}

#define NO_COMMAND "\"x\" is not a valid command"
#define UPCALL_HEAD "system@ovs-system:\n  flows         : (current 0)\n"

/* What each kind of release answers, and what that means. */
static void
test_releases(void **state)
{
    static const struct {
        const char *show, *upcall; /* NULL: there is no such command. */
        int stats_error;           /* 1: not asked. */
        const char *stats;
        int64_t ofport;
        enum vdpad_effect effect;
        const char *told_by;
    } cases[] = {
        { "Globally enabled: true\nDatapaths:\n", NULL, 1, NULL, 1,
          VDPAD_EFFECT_YES, "dpif/offload/show" },
        { "Globally enabled: false\nDatapaths:\n", NULL, 1, NULL, 1,
          VDPAD_EFFECT_NO, "dpif/offload/show" },
        { "Globally enabled: maybe\n", NULL, 1, NULL, 1, VDPAD_EFFECT_UNKNOWN,
          "dpif/offload/show" },
        { "something else\n", UPCALL_HEAD, 1, NULL, 1, VDPAD_EFFECT_NO,
          "upcall/show" },
        { NULL, UPCALL_HEAD "  offloaded flows : 0\n", 1, NULL, 1,
          VDPAD_EFFECT_YES, "upcall/show" },
        { NULL, UPCALL_HEAD, 1, NULL, 1, VDPAD_EFFECT_NO, "upcall/show" },
        { NULL, UPCALL_HEAD, 1, NULL, -1, VDPAD_EFFECT_UNKNOWN,
          "ovs-vswitchd has no port by which this version could tell" },
        { NULL, "", 1, NULL, 0, VDPAD_EFFECT_UNKNOWN,
          "ovs-vswitchd has no port by which this version could tell" },
        { NULL, "netdev@ovs-netdev:\n  flows : 0\n", 0, "HW Offload stats:\n",
          0, VDPAD_EFFECT_YES, "dpctl/offload-stats-show" },
        { NULL, UPCALL_HEAD "netdev@ovs-netdev:\n  flows : 0\n", -EIO,
          "ovs-vswitchd: retrieving offload statistics (Invalid argument)", 1,
          VDPAD_EFFECT_NO, "dpctl/offload-stats-show" },
        { NULL, UPCALL_HEAD "netdev@ovs-netdev:\n", -EIO,
          "retrieving offload statistics (Operation not supported)", 1,
          VDPAD_EFFECT_NO, "upcall/show" },
        { NULL, "netdev@ovs-netdev:\n", -EOPNOTSUPP, NO_COMMAND, 0,
          VDPAD_EFFECT_UNKNOWN,
          "ovs-vswitchd has no port by which this version could tell" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (i) {
            tear_down(state);
            set_up(state);
        }
        iface.ofport = cases[i].ofport;
        run();
        answer("dpif/offload/show", cases[i].show ? 0 : -EOPNOTSUPP,
               cases[i].show ? cases[i].show : NO_COMMAND);
        if (cases[i].upcall) {
            answer("upcall/show", 0, cases[i].upcall);
        }
        if (cases[i].stats_error != 1) {
            assert_string_equal(fake.arg, "netdev@ovs-netdev");
            answer("dpctl/offload-stats-show", cases[i].stats_error,
                   cases[i].stats);
        }
        assert_null(fake.cb);
        if (effect() != cases[i].effect) {
            fail_msg("case %zu: %d", i, effect());
        }
        assert_string_equal(vdpad_effective_get(e)->told_by, cases[i].told_by);
    }
}

static void
show(const char *value)
{
    char text[64];

    snprintf(text, sizeof text, "Globally enabled: %s\n", value);
    answer("dpif/offload/show", 0, text);
}

/* Nothing is asked without a reason. */
static void
test_when_it_is_asked(void **state)
{
    (void) state;
    run();
    show("true");
    assert_int_equal(vdpad_effective_next_ns(e), INT64_MAX);
    now += 3600 * SEC;
    run();
    assert_int_equal(fake.calls, 1);

    /* Somebody looks at it. */
    (void) vdpad_effective_get(e);
    assert_true(vdpad_effective_next_ns(e) <= now);
    run();
    show("true");
    assert_int_equal(fake.calls, 2);
    now += 4 * SEC;
    run();
    (void) vdpad_effective_get(e);
    run();
    assert_int_equal(fake.calls, 2);

    /* Another process, the key, the first port. */
    fake.pid = 78;
    run();
    assert_int_equal(effect(), VDPAD_EFFECT_UNKNOWN);
    show("true");
    other_config[0].value = "false";
    run();
    show("false");
    iface.ofport = -1;
    run();
    show("false");
    assert_int_equal(fake.calls, 5);

    /* No process: nobody is asked. */
    fake.pid = 0;
    run();
    assert_int_equal(fake.calls, 5);
    assert_int_equal(effect(), VDPAD_EFFECT_UNKNOWN);
    assert_int_equal(vdpad_effective_next_ns(e), INT64_MAX);
}

/* It is slower to read the key than we are to ask. */
static void
test_difference_is_confirmed(void **state)
{
    int64_t pauses[] = { 1, 2, 4, 8, 16, 32, 60, 60 };

    (void) state;
    run();
    show("false");
    assert_int_equal(effect(), VDPAD_EFFECT_NO);
    assert_string_equal(vdpad_effective_get(e)->remedy, "");
    for (size_t i = 0; i < sizeof pauses / sizeof *pauses; i++) {
        assert_int_equal(vdpad_effective_next_ns(e), now + pauses[i] * SEC);
        now += pauses[i] * SEC;
        run();
        show("false");
        assert_non_null(
            strstr(vdpad_effective_get(e)->remedy, "restart ovs-vswitchd"));
    }
    assert_true(vdpad_effective_get(e)->differs_since_ms > 0);
    assert_int_equal(vdpad_history_n(history), 1);

    /* One question without an answer does not make it well, nor new when it
     * is answered again. */
    int64_t since = vdpad_effective_get(e)->differs_since_ms;
    now += 60 * SEC;
    run();
    answer("dpif/offload/show", -ETIMEDOUT, "it does not answer");
    assert_int_equal(effect(), VDPAD_EFFECT_UNKNOWN);
    assert_non_null(
        strstr(vdpad_effective_get(e)->remedy, "restart ovs-vswitchd"));
    now += 60 * SEC;
    run();
    show("false");
    assert_non_null(
        strstr(vdpad_effective_get(e)->remedy, "restart ovs-vswitchd"));
    assert_int_equal(vdpad_effective_get(e)->differs_since_ms, since);
    assert_int_equal(vdpad_history_n(history), 1);

    fake.pid = 78; /* It was restarted. */
    run();
    assert_string_equal(vdpad_effective_get(e)->remedy, "");
    show("true");
    assert_int_equal(vdpad_effective_next_ns(e), INT64_MAX);
}

static void
test_goes_on_offloading(void **state)
{
    (void) state;
    run();
    show("true");
    other_config[0].value = "no";
    run();
    show("true");
    now += SEC;
    run();
    show("true");
    assert_non_null(
        strstr(vdpad_effective_get(e)->remedy, "goes on offloading"));
    other_config[0].value = "TRUE"; /* As Open vSwitch reads it. */
    run();
    show("true");
    assert_string_equal(vdpad_effective_get(e)->remedy, "");
}

static void
test_no_answer(void **state)
{
    (void) state;
    run();
    answer("dpif/offload/show", -ETIMEDOUT, "it does not answer");
    assert_int_equal(effect(), VDPAD_EFFECT_UNKNOWN);
    assert_string_equal(vdpad_effective_get(e)->told_by, "it does not answer");
    assert_int_equal(vdpad_effective_next_ns(e), now + SEC);
    fake.refuse = -EBUSY;
    now += SEC;
    run();
    assert_int_equal(vdpad_effective_next_ns(e), now + 2 * SEC);
    fake.refuse = 0;
    now += 2 * SEC;
    run();

    /* Restarted in between: that answer is the old process's. */
    fake.pid = 78;
    run();
    show("true");
    assert_int_equal(effect(), VDPAD_EFFECT_UNKNOWN);
    run();
    show("true");
    assert_int_equal(effect(), VDPAD_EFFECT_YES);
}

static void
test_nobody_to_ask(void **state)
{
    struct vdpad_effective *none = vdpad_effective_new(NULL, history);

    (void) state;
    vdpad_effective_run(none, &db, now);
    vdpad_effective_run(e, NULL, now);
    assert_int_equal(vdpad_effective_get(none)->effect, VDPAD_EFFECT_UNKNOWN);
    assert_int_equal(vdpad_effective_next_ns(none), INT64_MAX);
    assert_int_equal(fake.calls, 0);
    vdpad_effective_free(none);
}

int
main(void)
{
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_releases),
        TEST(test_when_it_is_asked),
        TEST(test_difference_is_confirmed),
        TEST(test_goes_on_offloading),
        TEST(test_no_answer),
        TEST(test_nobody_to_ask),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
