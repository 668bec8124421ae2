/* SPDX-License-Identifier: Apache-2.0 */
/* A controller, a kernel, a store and a status socket that hold what a test
 * puts into them, so that commands can be run on worlds made by hand.
 *
 * It defines the functions of ctl.h and ovsdb-store.h that commands call, in
 * the test's own object file: in a library they would take the place of the
 * real ones in other tests too.  So include it in one file of a program. */
#ifndef CMD_FIXTURE_H
#define CMD_FIXTURE_H 1

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include <vdpad/loop.h>
#include <vdpad/ovsdb-store.h>

#include "controller/cmd.h"
#include "controller/ctl.h"

#include "cmd-world.h"

/* The status socket. */

struct vdpad_request {
    bool is_done, is_error;
    char *text;
};

struct fixture_command {
    const char *name, *usage;
    int min, max;
    vdpad_command_cb *cb;
    void *aux;
};

static struct fixture_command fixture_commands[64];
static size_t fixture_n_commands;

void
vdpad_command_register(const char *name, const char *usage, int min, int max,
                       vdpad_command_cb *cb, void *aux)
{
    assert_true(fixture_n_commands < N_ELEMS(fixture_commands));
    fixture_commands[fixture_n_commands++] = (struct fixture_command){
        name, usage, min, max, cb, aux
    };
}

static void
fixture_finish(struct vdpad_request *request, const char *text, bool error)
{
    assert_false(request->is_done);
    request->is_done = true;
    request->is_error = error;
    request->text = strdup(text);
}

void
vdpad_request_reply(struct vdpad_request *request, const char *text)
{
    fixture_finish(request, text, false);
}

void
vdpad_request_error(struct vdpad_request *request, const char *text)
{
    fixture_finish(request, text, true);
}

/* The kernel and the store: only what commands ask of them. */

struct fixture_kernel {
    struct vdpad_kernel kernel;
    struct vdpad_kernel_stats stats;
    struct vdpad_stuck stuck[4];
    size_t n_stuck;
};

static size_t
fixture_stuck(const struct vdpad_kernel *kernel, struct vdpad_stuck *stuck,
              size_t max)
{
    const struct fixture_kernel *k = (const struct fixture_kernel *) kernel;

    for (size_t i = 0; i < k->n_stuck && i < max; i++) {
        stuck[i] = k->stuck[i];
    }
    return k->n_stuck;
}

static void
fixture_stats(const struct vdpad_kernel *kernel,
              struct vdpad_kernel_stats *stats)
{
    *stats = ((const struct fixture_kernel *) kernel)->stats;
}

static const struct vdpad_kernel_ops fixture_kernel_ops = {
    .stuck = fixture_stuck,
    .stats = fixture_stats,
};

struct fixture_store {
    struct vdpad_store store;
    bool connected;
};

static bool
fixture_is_connected(const struct vdpad_store *store)
{
    return ((const struct fixture_store *) store)->connected;
}

static const char *
fixture_why_disconnected(const struct vdpad_store *store)
{
    (void) store;
    return "Connection refused";
}

static const char *
fixture_remote(const struct vdpad_store *store)
{
    (void) store;
    return "unix:/run/db.sock";
}

static const struct vdpad_store_ops fixture_store_ops = {
    .is_connected = fixture_is_connected,
    .why_disconnected = fixture_why_disconnected,
    .remote = fixture_remote,
};

/* The controller. */

struct vdpad_ctl {
    struct vdpad_world *world; /* NULL: the first turn is to come. */
    struct vdpad_plan plan;
    struct vdpad_history *history;
    struct vdpad_ctl_figures figures;
    struct fixture_kernel kernel;
    struct fixture_store store;
    struct vdpad_vswitchd *vswitchd; /* NULL: none. */
    struct vdpad_effect_state effect;
    struct vdpad_looks *looks;
    int reconciles, resyncs;
    bool dry_run;

    /* Refreshes asked for and not yet ended. */
    struct {
        unsigned int mask;
        bool compare;
        vdpad_refreshed_cb *cb;
        void *aux;
    } refreshes[16];
    size_t n_refreshes;

    /* The newest query, and how many there were. */
    struct vdpad_flow_query query;
    vdpad_flow_query_cb *query_cb;
    void *query_aux;
    int n_queries, query_error;

    const char *problem; /* NULL: none. */

    vdpad_ready_cb *ready_cb;
    void *ready_aux;

    /* The suspension asked for. */
    char policy[VDPAD_NAME_SIZE];
    bool on, force;
    vdpad_suspended_cb *suspended_cb;
    void *suspended_aux;
};

const struct vdpad_world *
vdpad_ctl_world(const struct vdpad_ctl *ctl)
{
    return ctl->world;
}

const struct vdpad_plan *
vdpad_ctl_plan(const struct vdpad_ctl *ctl)
{
    return ctl->world ? &ctl->plan : NULL;
}

struct vdpad_kernel *
vdpad_ctl_kernel(struct vdpad_ctl *ctl)
{
    return &ctl->kernel.kernel;
}

int
vdpad_ctl_query(struct vdpad_ctl *ctl, const struct vdpad_flow_query *query,
                vdpad_flow_query_cb *cb, void *aux)
{
    if (ctl->query_error) {
        return ctl->query_error;
    }
    ctl->query = *query;
    ctl->query_cb = cb;
    ctl->query_aux = aux;
    ctl->n_queries++;
    return 0;
}

bool
vdpad_ctl_is_dry_run(const struct vdpad_ctl *ctl)
{
    return ctl->dry_run;
}

const struct vdpad_store *
vdpad_ctl_store(const struct vdpad_ctl *ctl)
{
    return &ctl->store.store;
}

struct vdpad_vswitchd *
vdpad_ctl_vswitchd(struct vdpad_ctl *ctl)
{
    return ctl->vswitchd;
}

const struct vdpad_looks *
vdpad_ctl_looks(const struct vdpad_ctl *ctl)
{
    return ctl->looks;
}

const struct vdpad_effect_state *
vdpad_ctl_effect(struct vdpad_ctl *ctl)
{
    return &ctl->effect;
}

struct vdpad_history *
vdpad_ctl_history(struct vdpad_ctl *ctl)
{
    return ctl->history;
}

const char *
vdpad_ctl_problem(const struct vdpad_ctl *ctl)
{
    return ctl->problem;
}

void
vdpad_ctl_get_figures(const struct vdpad_ctl *ctl,
                      struct vdpad_ctl_figures *figures)
{
    *figures = ctl->figures;
}

void
vdpad_ctl_reconcile(struct vdpad_ctl *ctl)
{
    ctl->reconciles++;
}

void
vdpad_ctl_resync(struct vdpad_ctl *ctl)
{
    ctl->resyncs++;
}

void
vdpad_ctl_refresh(struct vdpad_ctl *ctl, unsigned int mask, bool compare,
                  vdpad_refreshed_cb *cb, void *aux)
{
    assert_true(ctl->n_refreshes < N_ELEMS(ctl->refreshes));
    ctl->refreshes[ctl->n_refreshes].mask = mask;
    ctl->refreshes[ctl->n_refreshes].compare = compare;
    ctl->refreshes[ctl->n_refreshes].cb = cb;
    ctl->refreshes[ctl->n_refreshes++].aux = aux;
}

void
vdpad_ctl_when_ready(struct vdpad_ctl *ctl, vdpad_ready_cb *cb, void *aux)
{
    ctl->ready_cb = cb;
    ctl->ready_aux = aux;
}

void
vdpad_ctl_suspend(struct vdpad_ctl *ctl, const char *policy, bool on,
                  bool force, vdpad_suspended_cb *cb, void *aux)
{
    assert_null(ctl->suspended_cb);
    snprintf(ctl->policy, sizeof ctl->policy, "%s", policy);
    ctl->on = on;
    ctl->force = force;
    ctl->suspended_cb = cb;
    ctl->suspended_aux = aux;
}

/* What the commands of the test under way see. */
static struct vdpad_ctl ctl;
static struct vdpad_loop *loop;

/* Whether an observation that teardown has asked for stays out; otherwise it
 * shows what is there. */
static bool fixture_is_slow;

/* Set-up and tear-down of every test. */
static int
fixture_set_up(void **state)
{
    (void) state;
    memset(&fix, 0, sizeof fix);
    memset(&ctl, 0, sizeof ctl);
    fixture_n_commands = 0;
    fixture_is_slow = false;
    fixture_fill_kernel();
    fixture_fill_db();
    fixture_fill_world();
    ctl.world = &fix.world;
    ctl.plan = (struct vdpad_plan){ .n = 3, .steps = fix.steps, .n_due = 1 };
    ctl.kernel.kernel.ops = &fixture_kernel_ops;
    ctl.store.store.ops = &fixture_store_ops;
    ctl.store.connected = true;
    ctl.history = vdpad_history_new();
    ctl.looks = vdpad_looks_new();
    assert_int_equal(vdpad_loop_new(&loop), 0);
    vdpad_commands_register(&ctl, loop);
    return 0;
}

static int
fixture_tear_down(void **state)
{
    (void) state;
    assert_int_equal(ctl.n_refreshes, 0);
    assert_null(ctl.suspended_cb);
    vdpad_history_free(ctl.history);
    vdpad_looks_free(ctl.looks);
    vdpad_loop_free(loop);
    return 0;
}

/* Ends the refresh that was asked for first. */
static inline void
fixture_refreshed(const struct vdpad_observed *fresh)
{
    vdpad_refreshed_cb *cb = ctl.refreshes[0].cb;
    void *aux = ctl.refreshes[0].aux;

    assert_true(ctl.n_refreshes > 0);
    memmove(&ctl.refreshes[0], &ctl.refreshes[1],
            --ctl.n_refreshes * sizeof ctl.refreshes[0]);
    cb(aux, fresh);
}

/* Ends the suspension that was asked for. */
static inline void
fixture_suspended(int error, const struct vdpad_error *why)
{
    vdpad_suspended_cb *cb = ctl.suspended_cb;

    assert_non_null(cb);
    ctl.suspended_cb = NULL;
    cb(ctl.suspended_aux, error, why);
}

/* Looks at the filters of the world, as if for the first time, until verdicts
 * are reached. */
static inline void
fixture_look(void)
{
    int64_t now = VDPAD_IDLE_NS;

    vdpad_looks_free(ctl.looks);
    ctl.looks = vdpad_looks_new();
    for (int i = 0; i < VDPAD_AGREE && ctl.world; i++) {
        now += VDPAD_LOOK_NS;
        fix.observed.class_[VDPAD_FLOW].at_ns++;
        vdpad_looks_take(ctl.looks, ctl.world, now, NULL, NULL);
    }
}

/* Runs "COMMAND ARG…", given with a NULL at its end. */
static inline void
fixture_start(struct vdpad_request *request, const char *const *args)
{
    const char *argv[8];
    int argc = 0;

    memset(request, 0, sizeof *request);
    fixture_look();
    while (args[argc]) {
        argv[argc] = args[argc];
        argc++;
    }
    for (size_t i = 0; i < fixture_n_commands; i++) {
        const struct fixture_command *c = &fixture_commands[i];

        if (!strcmp(c->name, argv[0])) {
            assert_in_range(argc - 1, c->min, c->max);
            c->cb(request, argc, argv, c->aux);
            if (!strcmp(argv[0], "teardown") && ctl.n_refreshes
                && !fixture_is_slow) {
                fixture_refreshed(NULL);
            }
            return;
        }
    }
    fail_msg("no command %s", argv[0]);
}
#define START(REQUEST, ...) \
    fixture_start(REQUEST, (const char *const[]){ __VA_ARGS__, NULL })

/* Takes turns until 'request' is answered. */
static inline void
fixture_take_turns(const struct vdpad_request *request)
{
    for (int i = 0; !request->is_done && i < 1000; i++) {
        vdpad_commands_run(vdpad_loop_clock_ns());
    }
    assert_true(request->is_done);
}

/* The reply to a command that waits for nothing but its turns; the caller
 * frees it. */
static inline char *
fixture_run(const char *const *args, bool expect_error)
{
    struct vdpad_request request;

    fixture_start(&request, args);
    fixture_take_turns(&request);
    if (request.is_error != expect_error) {
        fail_msg("%s: %s", args[0], request.text);
    }
    return request.text;
}
#define RUN(...) fixture_run((const char *const[]){ __VA_ARGS__, NULL }, false)
#define RUN_ERROR(...) \
    fixture_run((const char *const[]){ __VA_ARGS__, NULL }, true)

static inline json_t *
fixture_parse(char *text)
{
    json_error_t error;
    json_t *tree = json_loads(text, JSON_REJECT_DUPLICATES, &error);

    if (!tree) {
        fail_msg("%s in: %s", error.text, text);
    }
    free(text);
    return tree;
}
#define RUN_JSON(...) fixture_parse(RUN(__VA_ARGS__, "--json"))

/* Asserts that 'text' contains 'part'. */
static inline void
assert_contains(const char *text, const char *part)
{
    if (!text || !strstr(text, part)) {
        fail_msg("\"%s\" is not in:\n%s", part, text ? text : "nothing");
    }
}

/* The string that 'object' has to have at 'key', "null" for null; borrowed. */
static inline const char *
string_at(json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);

    assert_non_null(value);
    return json_is_null(value) ? "null" : json_string_value(value);
}

static inline int
integer_at(json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);

    assert_true(json_is_integer(value));
    return (int) json_integer_value(value);
}

/* Asserts that the members of 'object' are exactly 'names', separated by
 * blanks, in this order. */
static inline void
assert_members(json_t *object, const char *names)
{
    char found[1024] = "";
    const char *key;
    json_t *value;

    assert_true(json_is_object(object));
    json_object_foreach(object, key, value) {
        size_t used = strlen(found);
        snprintf(found + used, sizeof found - used, "%s%s", used ? " " : "",
                 key);
    }
    assert_string_equal(found, names);
}

/* Asserts that lines of 'text' have no control characters, and free it. */
static inline void
assert_printable(char *text)
{
    for (const char *p = text; *p; p++) {
        assert_true((unsigned char) *p >= 0x20 || *p == '\n');
    }
    free(text);
}

#define fixture_test(NAME) \
    cmocka_unit_test_setup_teardown(NAME, fixture_set_up, fixture_tear_down)

#endif
