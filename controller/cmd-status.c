/* SPDX-License-Identifier: Apache-2.0 */
/* status: one screen of how things are. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <vdpad/loop.h>

#include "audit.h"
#include "cmd-call.h"
#include "json-rows.h"
#include "util.h"

#define SET(OBJECT, KEY, VALUE) vdpad_json_set(OBJECT, KEY, VALUE)
#define STUCK_MAX 64 /* Stuck requests that are named. */

static int64_t
ms_since(int64_t since_ns)
{
    return (vdpad_loop_clock_ns() - since_ns) / 1000000;
}

static void
add_config_problems(json_t *problems, const struct vdpad_world *world)
{
    const struct vdpad_config *config = world->config;

    for (size_t i = 0; i < config->n_errors; i++) {
        const struct vdpad_config_error *e = &config->errors[i];
        const char *word = vdpad_unless_first(e->word, e->reason);

        vdpad_json_add(
            problems, vdpad_json_format("configuration: %s: %s%s%s", e->key,
                                        word, word[0] ? ": " : "", e->reason));
    }
    for (size_t i = 0; i < world->n_problems; i++) {
        const struct vdpad_problem *p = &world->problems[i];

        vdpad_json_add(problems,
                       vdpad_json_format("%s%s%s%s%s", p->key,
                                         p->key[0] ? ": " : "", p->word,
                                         p->word[0] ? ": " : "", p->text));
    }
}

static void
add_class_problems(json_t *problems, const struct vdpad_world *world)
{
    for (int i = 0; i < VDPAD_N_CLASSES; i++) {
        const struct vdpad_observed_class *c = &world->observed->class_[i];

        if (c->error) {
            vdpad_json_add(
                problems,
                vdpad_json_format("cannot observe %s: %s (%s)",
                                  vdpad_class_name((enum vdpad_class) i),
                                  c->why.text[0] ? c->why.text
                                                 : strerror(-c->error),
                                  c->known ? "what is shown of it is old"
                                           : "nothing of it is "
                                             "known"));
        }
    }
}

static void
add_stuck_problems(json_t *problems, const struct vdpad_kernel *kernel)
{
    struct vdpad_stuck *stuck = vdpad_xcalloc(STUCK_MAX, sizeof *stuck);
    size_t n = kernel->ops->stuck(kernel, stuck, STUCK_MAX);

    for (size_t i = 0; i < n && i < STUCK_MAX; i++) {
        vdpad_json_add(
            problems,
            stuck[i].is_former
                ? vdpad_json_text("a helper process of an earlier daemon is "
                                  "still in the kernel (pgrep vdpad-step): "
                                  "what it may bring about stays on record "
                                  "until it ends")
                : vdpad_json_format("stuck in the kernel for %" PRId64
                                    " s: %s (helper process %d)",
                                    ms_since(stuck[i].since_ns) / 1000,
                                    stuck[i].what, stuck[i].pid));
    }
    if (n > STUCK_MAX) {
        vdpad_json_add(
            problems,
            vdpad_json_format("%zu more requests are stuck in the kernel",
                              n - STUCK_MAX));
    }
    free(stuck);
}

/* So that nobody looks for single filters in vain. */
static void
add_flood_problem(json_t *problems, const struct vdpad_kernel *kernel)
{
    struct vdpad_kernel_stats stats;

    kernel->ops->stats(kernel, &stats);
    if (stats.untracked) {
        vdpad_json_add(
            problems,
            vdpad_json_format("there are %" PRIu64 " flower filters more than "
                              "the %" PRIu64 " that are tracked one by one; "
                              "of these only sums are known, as of the last "
                              "dump (whose they are: offload/audit)",
                              stats.untracked, stats.flows));
    }
}

/* What is in hardware outlives the process that put it there: ports and
 * verdicts look as good as ever for a while. */
static void
add_vswitchd_problem(json_t *problems, const struct vdpad_world *world,
                     const struct vdpad_effect_state *state)
{
    if (world->n_devs && !state->pid
        && (state->has_run || vdpad_audit_sees_none(world, state))) {
        vdpad_json_add(problems,
                       vdpad_json_text("no ovs-vswitchd runs: what is in "
                                       "hardware stays as it was, and no new "
                                       "port or flow is taken; start it"));
    }
}

static void
add_state_problem(json_t *problems, const char *what, const char *name,
                  enum vdpad_state state, const char *reason)
{
    if (state != VDPAD_STATE_READY && state != VDPAD_STATE_FOREIGN) {
        vdpad_json_add(problems,
                       vdpad_json_format("%s %s: %s%s%s", what, name,
                                         vdpad_state_name(state),
                                         reason[0] ? ": " : "", reason));
    }
}

static json_t *
find_problems(const struct vdpad_call *call)
{
    const struct vdpad_world *world = vdpad_call_world(call);
    const struct vdpad_store *store = vdpad_ctl_store(call->ctl);
    json_t *problems = json_array();

    if (!store->ops->is_connected(store)) {
        const char *reason = store->ops->why_disconnected(store);

        vdpad_json_add(problems,
                       vdpad_json_format(
                           "not connected to the database at %s%s%s%s",
                           store->ops->remote(store), reason[0] ? ": " : "",
                           reason,
                           world->db ? "; its last known state is kept" : ""));
    }
    if (vdpad_ctl_problem(call->ctl)) {
        vdpad_json_add(problems,
                       vdpad_json_text(vdpad_ctl_problem(call->ctl)));
    }
    add_config_problems(problems, world);
    if (vdpad_ctl_effect(call->ctl)->remedy[0]) {
        vdpad_json_add(problems,
                       vdpad_json_text(vdpad_ctl_effect(call->ctl)->remedy));
    }
    add_vswitchd_problem(problems, world, vdpad_ctl_effect(call->ctl));
    if (vdpad_commands_problem()) {
        vdpad_json_add(problems, vdpad_json_text(vdpad_commands_problem()));
    }
    add_class_problems(problems, world);
    add_stuck_problems(problems, vdpad_ctl_kernel(call->ctl));
    add_flood_problem(problems, vdpad_ctl_kernel(call->ctl));
    for (size_t i = 0; i < world->n_pfs; i++) {
        const struct vdpad_pf *pf = &world->pfs[i];
        add_state_problem(problems, "PF", pf->pci->bdf, pf->state, pf->reason);
    }
    for (size_t i = 0; i < world->n_devs; i++) {
        const struct vdpad_dev *dev = &world->devs[i];
        add_state_problem(problems, "device", dev->name, dev->state,
                          dev->reason);
    }
    return problems;
}

/* Whether OVS gives representors the ingress qdisc that offload needs; -1
 * where no representor is attached, or qdiscs cannot be seen. */
static int
has_qdiscs(const struct vdpad_world *world)
{
    int has = -1;

    for (size_t i = 0;
         i < world->n_devs && world->observed->class_[VDPAD_QDISC].known;
         i++) {
        const struct vdpad_dev *dev = &world->devs[i];

        if (dev->iface && dev->iface->ofport > 0) {
            if (dev->qdisc) {
                return 1;
            }
            has = 0;
        }
    }
    return has;
}

/* hw-offload as the database has it and as the running ovs-vswitchd does. */
static json_t *
hw_offload_json(const struct vdpad_call *call)
{
    const struct vdpad_world *world = vdpad_call_world(call);
    const struct vdpad_effect_state *state = vdpad_ctl_effect(call->ctl);
    const char *told_by = state->told_by;
    enum vdpad_effect effect = state->effect;
    char since[32] = "";
    struct tm tm;
    time_t t = (time_t) (state->differs_since_ms / 1000);
    json_t *o = json_object();

    if (!state->pid && !state->has_run
        && !vdpad_audit_sees_none(world, state)) {
        /* One may run elsewhere than where we look for it: its traces are all
         * there is.  They stay when it has ended. */
        int has = has_qdiscs(world);

        if (has >= 0) {
            effect = has ? VDPAD_EFFECT_YES : VDPAD_EFFECT_NO;
            told_by = "ingress qdiscs of representors; ovs-vswitchd cannot be "
                      "asked";
        }
    }
    if (state->remedy[0] && gmtime_r(&t, &tm)) {
        strftime(since, sizeof since, "%Y-%m-%dT%H:%M:%SZ", &tm);
    }
    SET(o, "configured",
        world->db ? vdpad_json_bool(vdpad_hw_offload_configured(world->db))
                  : json_null());
    SET(o, "effective",
        effect == VDPAD_EFFECT_UNKNOWN
            ? json_null()
            : vdpad_json_bool(effect == VDPAD_EFFECT_YES));
    SET(o, "told_by", vdpad_json_text(told_by));
    SET(o, "differs_since", vdpad_json_text(since));
    SET(o, "remedy", vdpad_json_text(state->remedy));
    return o;
}

static json_t *
count_devices(const struct vdpad_world *world)
{
    size_t counts[VDPAD_N_STATES] = { 0 };
    json_t *object = json_object();

    for (size_t i = 0; i < world->n_devs; i++) {
        counts[world->devs[i].state]++;
    }
    SET(object, "total", vdpad_json_int((int64_t) world->n_devs));
    for (int i = 0; i < VDPAD_N_STATES; i++) {
        SET(object, vdpad_state_name((enum vdpad_state) i),
            vdpad_json_int((int64_t) counts[i]));
    }
    return object;
}

static json_t *
count_flows(const struct vdpad_call *call)
{
    const struct vdpad_world *world = vdpad_call_world(call);
    bool known = world->observed->class_[VDPAD_FLOW].known;
    bool kernel_known = world->observed->class_[VDPAD_KFLOW].known;
    uint64_t hw = 0, sw = 0, kernel = 0;
    json_t *object = json_object();

    for (size_t i = 0; i < world->n_devs; i++) {
        struct vdpad_offload offload;

        vdpad_device_offload(world, &world->devs[i], call->looks, &offload);
        hw += offload.hw_flows;
        sw += offload.sw_flows;
        kernel += offload.kernel_flows;
    }
    SET(object, "hw", known ? vdpad_json_u64(hw) : json_null());
    SET(object, "sw", known ? vdpad_json_u64(sw) : json_null());
    SET(object, "kernel", kernel_known ? vdpad_json_u64(kernel) : json_null());
    SET(object, "kernel_age_ms",
        kernel_known ? vdpad_json_int(
            ms_since(world->observed->class_[VDPAD_KFLOW].at_ns))
                     : json_null());
    return object;
}

/* What the planner did and has to do. */
static json_t *
reconcile_json(const struct vdpad_call *call)
{
    struct vdpad_ctl_figures figures;
    json_t *object = json_object();

    vdpad_ctl_get_figures(call->ctl, &figures);
    SET(object, "last_ms_ago",
        figures.last_reconcile_ns
            ? vdpad_json_int(ms_since(figures.last_reconcile_ns))
            : json_null());
    SET(object, "plans", vdpad_json_u64(figures.reconciles));
    SET(object, "steps", vdpad_json_u64(figures.steps));
    SET(object, "failures", vdpad_json_u64(figures.failures));
    SET(object, "due", vdpad_json_int((int64_t) vdpad_call_plan(call)->n_due));
    return object;
}

json_t *
vdpad_status_json(struct vdpad_call *call)
{
    const struct vdpad_world *world = vdpad_call_world(call);
    const struct vdpad_store *store = vdpad_ctl_store(call->ctl);
    const struct vdpad_kernel *kernel = vdpad_ctl_kernel(call->ctl);
    struct vdpad_kernel_stats stats;
    struct vdpad_loop_stats loop;
    struct vdpad_ctl_figures figures;
    json_t *o = json_object(), *inner, *problems = find_problems(call);

    kernel->ops->stats(kernel, &stats);
    vdpad_loop_get_stats(call->loop, &loop);
    vdpad_ctl_get_figures(call->ctl, &figures);

    SET(o, "version", vdpad_json_text(VDPAD_VERSION));
    SET(o, "dry_run", vdpad_json_bool(vdpad_ctl_is_dry_run(call->ctl)));
    SET(o, "healthy", vdpad_json_bool(!json_array_size(problems)));
    SET(o, "problems", problems);
    inner = json_object();
    SET(inner, "remote", vdpad_json_text(store->ops->remote(store)));
    SET(inner, "connected", vdpad_json_bool(store->ops->is_connected(store)));
    SET(o, "database", inner);
    /* The default may not be what the database says. */
    SET(o, "bridge",
        vdpad_json_text(world->db && !world->config->bridge_refused
                            ? world->config->bridge
                            : NULL));
    SET(o, "hw_offload", hw_offload_json(call));
    SET(o, "devices", count_devices(world));
    SET(o, "flows", count_flows(call));
    inner = json_object();
    SET(inner, "overruns", vdpad_json_u64(stats.overruns));
    SET(inner, "resyncs", vdpad_json_u64(figures.resyncs));
    SET(inner, "interrupted_dumps", vdpad_json_u64(stats.interrupted));
    SET(inner, "malformed", vdpad_json_u64(stats.malformed));
    SET(o, "netlink", inner);
    inner = json_object();
    SET(inner, "turns", vdpad_json_u64(loop.turns));
    SET(inner, "longest_turn_ms",
        vdpad_json_int(loop.longest_turn_ns / 1000000));
    SET(o, "loop", inner);
    SET(o, "reconcile", reconcile_json(call));
    return o;
}

/* Prints "PREFIX VALUE" of the member at 'path'. */
static void
print_member(FILE *stream, json_t *status, const char *prefix,
             const char *path)
{
    json_t *value = vdpad_json_at(status, path);
    char *text = vdpad_json_human(value);

    fprintf(stream, "%s%s", prefix, json_is_null(value) ? "unknown" : text);
    free(text);
}

/* "4, of which 2 ready, 1 applying" */
static void
print_devices(FILE *stream, json_t *devices)
{
    const char *separator = " of which ", *key;
    json_t *value;

    print_member(stream, devices, "devices     ", "total");
    json_object_foreach(devices, key, value) {
        if (strcmp(key, "total") != 0 && json_integer_value(value)) {
            fprintf(stream, "%s%" JSON_INTEGER_FORMAT " %s", separator,
                    json_integer_value(value), key);
            separator = ", ";
        }
    }
    fputs("\n", stream);
}

static void
print_problems(FILE *stream, json_t *problems)
{
    enum { SHOWN = 10 }; /* One screen. */
    size_t n = json_array_size(problems);

    fprintf(stream, "problems%s\n", n ? "" : "    none");
    for (size_t i = 0; i < n && i < SHOWN; i++) {
        char *text = vdpad_json_human(json_array_get(problems, i));

        fprintf(stream, "  %s\n", text);
        free(text);
    }
    if (n > SHOWN) {
        fprintf(stream, "  and %zu more: status --json has them all\n",
                n - SHOWN);
    }
}

static char *
status_text(json_t *status)
{
    struct vdpad_text_stream out;
    FILE *f;

    vdpad_text_open(&out);
    f = out.stream;
    fprintf(f, "ovs-vdpad %s%s: %s\n", VDPAD_VERSION,
            json_is_true(json_object_get(status, "dry_run"))
                ? " (--dry-run: it changes nothing)"
                : "",
            json_is_true(json_object_get(status, "healthy")) ? "healthy"
                                                             : "not healthy");
    print_member(f, status, "database    ", "database.remote");
    fprintf(f, ", %s\n",
            json_is_true(vdpad_json_at(status, "database.connected"))
                ? "connected"
                : "not connected");
    print_member(f, status, "bridge      ", "bridge");
    print_member(f, status, "\nhw-offload  configured ",
                 "hw_offload.configured");
    print_member(f, status, ", effective ", "hw_offload.effective");
    print_member(f, status, " (", "hw_offload.told_by");
    fputs(")\n", f);
    print_devices(f, json_object_get(status, "devices"));
    print_member(f, status, "flows       hw ", "flows.hw");
    print_member(f, status, ", sw ", "flows.sw");
    print_member(f, status, ", kernel ", "flows.kernel");
    print_member(f, status, "\nnetlink     overruns ", "netlink.overruns");
    print_member(f, status, ", resyncs ", "netlink.resyncs");
    print_member(f, status, ", interrupted dumps ",
                 "netlink.interrupted_dumps");
    print_member(f, status, ", malformed messages ", "netlink.malformed");
    print_member(f, status, "\nloop        turns ", "loop.turns");
    print_member(f, status, ", longest ", "loop.longest_turn_ms");
    print_member(f, status, " ms\nreconcile   ", "reconcile.last_ms_ago");
    print_member(f, status, " ms ago, plans ", "reconcile.plans");
    print_member(f, status, ", steps ", "reconcile.steps");
    print_member(f, status, ", failures ", "reconcile.failures");
    print_member(f, status, ", due ", "reconcile.due");
    fputs("\n", f);
    print_problems(f, json_object_get(status, "problems"));
    return vdpad_text_close(&out);
}

static void
run_status(struct vdpad_call *call)
{
    json_t *status = vdpad_status_json(call);

    vdpad_call_reply(call, status, call->json ? NULL : status_text(status));
}

static void
loop_show(struct vdpad_call *call)
{
    enum { WAKES = 65 };
    static const struct vdpad_column columns[] = {
        { "WAKES", "count" },
        { "REASON", "where" },
    };
    struct vdpad_loop_stats stats;
    struct vdpad_loop_wake wakes[WAKES];
    size_t n = vdpad_loop_get_wakes(call->loop, wakes, WAKES);
    json_t *figures, *rows;
    char *text = NULL;

    if (call->argc && strcmp(call->argv[0], "--reset") != 0) {
        vdpad_call_error(call, "usage: %s %s", call->command->name,
                         call->command->usage);
        return;
    }
    vdpad_loop_get_stats(call->loop, &stats);
    if (call->argc) {
        vdpad_loop_forget_longest(call->loop);
    }
    figures = json_object();
    rows = json_array();
    SET(figures, "turns", vdpad_json_u64(stats.turns));
    SET(figures, "slow_turns", vdpad_json_u64(stats.slow_turns));
    SET(figures, "longest_turn_us",
        vdpad_json_int(stats.longest_turn_ns / 1000));
    SET(figures, "longest_cpu_us",
        vdpad_json_int(stats.longest_cpu_ns / 1000));
    SET(figures, "last_turn_us", vdpad_json_int(stats.last_turn_ns / 1000));
    SET(figures, "descriptors", vdpad_json_int((int64_t) stats.n_fds));
    for (size_t i = 0; i < n && i < WAKES; i++) {
        json_t *row = json_object();

        SET(row, "where", vdpad_json_text(wakes[i].where));
        SET(row, "count", vdpad_json_u64(wakes[i].count));
        vdpad_json_add(rows, row);
    }
    if (!call->json) {
        struct vdpad_text_stream out;

        vdpad_text_open(&out);
        vdpad_sheet_print(out.stream, figures, "");
        fputs("\n", out.stream);
        vdpad_table_print(out.stream, rows, columns, 2);
        text = vdpad_text_close(&out);
    }
    SET(figures, "wakes", rows);
    vdpad_call_reply(call, figures, text);
}

const struct vdpad_command vdpad_commands_state[] = {
    { "status", "[--json]", 0, 0, VDPAD_MASK_SHOWN | VDPAD_MASK_KFLOW_LATER,
      run_status },
    { "loop/show", "[--reset] [--json]", 0, 1, 0, loop_show },
    { .name = NULL },
};
