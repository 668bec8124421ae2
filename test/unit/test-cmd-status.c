/* SPDX-License-Identifier: Apache-2.0 */
/* status and loop/show. */
#include "cmd-fixture.h"

/* The default of a key that has not been read yet is not told as its value. */
static void
status_before_the_database_is_read(void **state)
{
    (void) state;
    fix.world.db = NULL;
    json_t *status = RUN_JSON("status");
    assert_true(json_is_null(json_object_get(status, "bridge")));
    json_decref(status);
}

/* Why nothing is done is not only in the log. */
static void
status_tells_that_nothing_is_changed(void **state)
{
    (void) state;
    ctl.dry_run = true;
    json_t *status = RUN_JSON("status");
    assert_true(json_is_true(json_object_get(status, "dry_run")));
    json_decref(status);
    ctl.problem = "nothing is changed";
    char *text = RUN("status");
    assert_contains(text, "(--dry-run: it changes nothing): not healthy\n");
    assert_contains(text, "\n  nothing is changed\n");
    free(text);
}

static void
status_json(void **state)
{
    (void) state;
    ctl.figures.resyncs = 7;
    ctl.kernel.stats.overruns = 5;
    ctl.kernel.stats.malformed = 7;
    json_t *status = RUN_JSON("status"), *inner;
    assert_members(status, "version dry_run healthy problems database bridge "
                           "hw_offload devices flows netlink loop reconcile");
    assert_string_equal(string_at(status, "version"), VDPAD_VERSION);
    assert_string_equal(string_at(status, "bridge"), "br-int");
    assert_true(json_is_false(json_object_get(status, "healthy")));
    assert_int_equal(json_array_size(json_object_get(status, "problems")), 1);
    inner = json_object_get(status, "database");
    assert_members(inner, "remote connected");
    inner = json_object_get(status, "hw_offload");
    assert_members(inner, "configured effective told_by differs_since remedy");
    assert_true(json_is_true(json_object_get(inner, "configured")));
    assert_true(json_is_true(json_object_get(inner, "effective")));
    inner = json_object_get(status, "devices");
    assert_members(inner, "total ready applying waiting blocked failed "
                          "removing foreign");
    assert_int_equal(integer_at(inner, "total"), 2);
    assert_int_equal(integer_at(inner, "waiting"), 1);
    inner = json_object_get(status, "flows");
    assert_members(inner, "hw sw kernel kernel_age_ms");
    assert_int_equal(integer_at(inner, "hw"), 3);
    inner = json_object_get(status, "netlink");
    assert_members(inner, "overruns resyncs interrupted_dumps malformed");
    assert_int_equal(integer_at(inner, "malformed"), 7);
    assert_int_equal(integer_at(inner, "overruns"), 5);
    assert_int_equal(integer_at(inner, "resyncs"), 7);
    assert_members(json_object_get(status, "loop"), "turns longest_turn_ms");
    assert_members(json_object_get(status, "reconcile"),
                   "last_ms_ago plans steps failures due");
    json_decref(status);
}

static void
status_is_healthy(void **state)
{
    (void) state;
    fix.devs[1].state = VDPAD_STATE_FOREIGN;
    fix.devs[1].reason[0] = '\0';
    char *text = RUN("status");
    assert_contains(text,
                    "ovs-vdpad " VDPAD_VERSION ": healthy\n"
                    "database    unix:/run/db.sock, connected\n"
                    "bridge      br-int\n"
                    "hw-offload  configured yes, effective yes (ingress "
                    "qdiscs of representors; ovs-vswitchd cannot be "
                    "asked)\n"
                    "devices     2 of which 1 ready, 1 foreign\n"
                    "flows       hw 3, sw 0, kernel 0\n"
                    "netlink     overruns 0, resyncs 0, interrupted dumps "
                    "0, malformed messages 0\n");
    assert_contains(text, "problems    none");
    free(text);
}

static void
status_names_every_problem(void **state)
{
    char key[] = "vdpa-policy-x", word[] = "mtu=50", reason[] = "68 or more";

    (void) state;
    ctl.store.connected = false;
    fix.errors[0] = (struct vdpad_config_error){ key, word, reason };
    fix.config.n_errors = 1;
    fix.problems[0] = (struct vdpad_problem){ .text = "database is new" };
    fix.world.n_problems = 1;
    fix.observed.class_[VDPAD_VDPA].error = -ETIMEDOUT;
    fix.observed.class_[VDPAD_VDPA].known = false;
    vdpad_error_set(&fix.observed.class_[VDPAD_VDPA].why, -ETIMEDOUT,
                    "no answer in 10 s");
    ctl.kernel.n_stuck = 1;
    ctl.kernel.stuck[0] = (struct vdpad_stuck){
        .pid = 99,
        .since_ns = vdpad_loop_clock_ns() - INT64_C(5000000000),
        .what = "vdpa-del vdpa0",
    };
    ctl.kernel.stats.flows = 1000000;
    ctl.kernel.stats.untracked = 234;
    fix.pf.state = VDPAD_STATE_FAILED;
    strcpy(fix.pf.reason, "numvfs: No space left on device");

    char *text = RUN("status");
    assert_contains(text, ": not healthy\n");
    assert_contains(text,
                    "\n  not connected to the database at "
                    "unix:/run/db.sock: Connection refused; its last known "
                    "state is kept\n"
                    "  configuration: vdpa-policy-x: mtu=50: 68 or more\n"
                    "  database is new\n"
                    "  cannot observe vdpa: no answer in 10 s (nothing of it "
                    "is known)\n"
                    "  stuck in the kernel for 5 s: vdpa-del vdpa0 (helper "
                    "process 99)\n"
                    "  there are 234 flower filters more than the 1000000 "
                    "that are tracked one by one; of these only sums are "
                    "known, as of the last dump (whose they are: "
                    "offload/audit)\n"
                    "  PF 0000:65:00.0: failed: numvfs: No space left on "
                    "device\n"
                    "  device vdpa:0000:65:00.3: waiting: waiting for");
    free(text);
}

static void
status_fits_a_screen(void **state)
{
    enum { N = 254 };
    struct vdpad_dev *devs = calloc(N, sizeof *devs);

    (void) state;
    assert_non_null(devs);
    for (size_t i = 0; i < N; i++) {
        devs[i] = fix.devs[1];
    }
    fix.world.devs = devs;
    fix.world.n_devs = N;
    char *text = RUN("status");
    size_t lines = 1;
    for (const char *p = text; *p; p++) {
        lines += *p == '\n';
    }
    assert_in_range(lines, 5, 24);
    assert_contains(text, "and 244 more: status --json has them all");
    free(text);
    json_t *status = RUN_JSON("status");
    assert_int_equal(json_array_size(json_object_get(status, "problems")),
                     254);
    json_decref(status);
    free(devs);
}

static json_t *
effective(void)
{
    json_t *status = RUN_JSON("status");
    json_t *value = json_object_get(json_object_get(status, "hw_offload"),
                                    "effective");

    json_decref(status);
    return value; /* true, false and null are static. */
}

static void
effective_hw_offload(void **state)
{
    (void) state;
    assert_true(json_is_true(effective()));
    fix.devs[0].qdisc = NULL;
    assert_true(json_is_false(effective()));
    fix.ifaces[0].ofport = -1;
    assert_true(json_is_null(effective()));
    fix.ifaces[0].ofport = 3;
    fix.observed.class_[VDPAD_QDISC].known = false;
    fix.observed.class_[VDPAD_QDISC].error = -ETIMEDOUT;
    assert_true(json_is_null(effective()));
}

/* What an ovs-vswitchd leaves behind does not tell that one offloads. */
static void
effective_hw_offload_of_none(void **state)
{
    static struct vdpad_host host[] = { { "pid-namespace", "initial" },
                                        { "vswitchd/77", "100" } };

    (void) state;
    FIXTURE_ROWS(VDPAD_HOST, host);
    assert_true(json_is_true(effective()));
    ctl.effect.has_run = true;
    assert_true(json_is_null(effective()));
    ctl.effect.has_run = false;
    fix.observed.class_[VDPAD_HOST].picture.n = 1;
    assert_true(json_is_null(effective()));
    strcpy(host[0].value, "other");
    assert_true(json_is_true(effective()));
}

/* Whether status tells that nobody keeps what is in hardware. */
static bool
tells_of_no_vswitchd(void)
{
    json_t *status = RUN_JSON("status");
    char *text = json_dumps(json_object_get(status, "problems"), 0);
    bool tells = strstr(text, "no ovs-vswitchd runs");

    assert_true(!tells || json_is_false(json_object_get(status, "healthy")));
    free(text);
    json_decref(status);
    return tells;
}

static void
status_tells_of_no_vswitchd(void **state)
{
    static struct vdpad_host host[] = { { "pid-namespace", "other" } };

    (void) state;
    FIXTURE_ROWS(VDPAD_HOST, host);
    assert_false(tells_of_no_vswitchd()); /* One may run elsewhere. */
    ctl.effect.has_run = true;
    assert_true(tells_of_no_vswitchd());
    ctl.effect.pid = 77;
    assert_false(tells_of_no_vswitchd());
    ctl.effect.pid = 0;
    ctl.effect.has_run = false;
    strcpy(host[0].value, "initial");
    assert_true(tells_of_no_vswitchd());
    fix.world.n_devs = 0;
    assert_false(tells_of_no_vswitchd());
}

static void
loop_show(void **state)
{
    json_t *figures = RUN_JSON("loop/show");

    (void) state;
    assert_members(figures, "turns slow_turns longest_turn_us longest_cpu_us "
                            "last_turn_us descriptors wakes");
    json_decref(figures);
    char *text = RUN("loop/show");
    assert_contains(text, "turns            0\n");
    assert_contains(text, "WAKES  REASON\nnone");
    free(text);
    json_decref(RUN_JSON("loop/show", "--reset"));
    text = RUN_ERROR("loop/show", "--nonsense");
    assert_string_equal(text, "usage: loop/show [--reset] [--json]");
    free(text);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(status_before_the_database_is_read),
        fixture_test(status_tells_that_nothing_is_changed),
        fixture_test(status_json),
        fixture_test(status_is_healthy),
        fixture_test(status_names_every_problem),
        fixture_test(status_fits_a_screen),
        fixture_test(effective_hw_offload),
        fixture_test(effective_hw_offload_of_none),
        fixture_test(status_tells_of_no_vswitchd),
        fixture_test(loop_show),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
