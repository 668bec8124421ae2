/* SPDX-License-Identifier: Apache-2.0 */
/* offload/audit: TC filters that no running Open vSwitch owns, and their
 * removal.
 *
 * An audit where no ovs-vswitchd runs waits until it is sure that this is no
 * restart, looking every second.  Removals are made one by one; before each
 * the processes are looked at again, and the helper that makes it looks at
 * the filters. */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <vdpad/log.h>
#include <vdpad/loop.h>

#include "audit.h"
#include "cmd-call.h"
#include "util.h"

#define SET(OBJECT, KEY, VALUE) vdpad_json_set(OBJECT, KEY, VALUE)
#define N_ELEMS(ARRAY) (sizeof(ARRAY) / sizeof(ARRAY)[0])
#define LOOK_NS INT64_C(1000000000)

#define LOOKED_AT                                       \
    (VDPAD_MASK(VDPAD_QDISC) | VDPAD_MASK(VDPAD_TCPRIO) \
     | VDPAD_MASK(VDPAD_LINK) | VDPAD_MASK(VDPAD_HOST))

/* One call under way. */
struct audit {
    struct audit *next;
    struct vdpad_call *call;
    bool fix;
    int64_t gone_since_ns; /* Since then no ovs-vswitchd; 0: one was seen. */
    int64_t due_ns;        /* The next look; 0: none. */

    size_t n_rows;
    struct vdpad_audit_row *rows;
    char (*fixes)[200]; /* What became of each row; "": nothing. */

    struct vdpad_act *acts; /* Steps of row 'row'. */
    size_t n_acts, act, row;
};

/* All of them, so that none is lost. */
static struct audit *audits;

static void
audit_free(struct audit *audit)
{
    struct audit **p = &audits;

    while (*p != audit) {
        p = &(*p)->next;
    }
    *p = audit->next;
    free(audit->rows);
    free(audit->fixes);
    free(audit->acts);
    free(audit);
}

static void
reply(struct audit *audit)
{
    static const struct vdpad_column columns[] = {
        { "NETDEVS", "netdevs" },    { "BLOCK", "block" },
        { "HOOK", "hook" },          { "CLASS", "class" },
        { "CHAINS", "chains" },      { "FILTERS", "filters" },
        { "OF OVS", "ovs_filters" }, { "IN HW", "hw_filters" },
        { "PROOF", "proof" },        { "FIX", "fix" },
    };
    json_t *rows = json_array();

    for (size_t i = 0; i < audit->n_rows; i++) {
        const struct vdpad_audit_row *r = &audit->rows[i];
        json_t *row = json_object();

        SET(row, "netdevs", vdpad_json_text(r->netdevs));
        SET(row, "block", vdpad_json_optional((int64_t) r->block, 0));
        SET(row, "hook",
            vdpad_json_text(r->block    ? "block"
                            : r->egress ? "egress"
                                        : "ingress"));
        SET(row, "class", vdpad_json_text(vdpad_audit_class_name(r->class_)));
        SET(row, "chains", vdpad_json_int(r->chains));
        SET(row, "filters", vdpad_json_int(r->filters));
        SET(row, "ovs_filters", vdpad_json_int(r->ovs_filters));
        SET(row, "hw_filters", vdpad_json_int(r->hw_filters));
        SET(row, "proof", vdpad_json_text(r->proof));
        SET(row, "fix",
            vdpad_json_text(audit->fixes[i][0] ? audit->fixes[i] : NULL));
        vdpad_json_add(rows, row);
    }

    struct vdpad_call *call = audit->call;

    audit_free(audit);
    vdpad_call_reply_table(call, rows, columns, N_ELEMS(columns));
}

static int64_t
since_boot_ns(void)
{
    struct timespec now = { 0 };

    (void) clock_gettime(CLOCK_BOOTTIME, &now);
    return (int64_t) now.tv_sec * 1000000000 + now.tv_nsec;
}

/* What is known of ovs-vswitchd now. */
static void
judge(struct audit *audit, struct vdpad_audit_ovs *ovs)
{
    const struct vdpad_world *world = vdpad_call_world(audit->call);
    const struct vdpad_effect_state *effect = vdpad_ctl_effect(
        audit->call->ctl);
    int64_t now = vdpad_loop_clock_ns();

    if (vdpad_audit_runs(world, effect)) {
        audit->gone_since_ns = 0;
    } else if (!audit->gone_since_ns) {
        audit->gone_since_ns = now;
    }
    vdpad_audit_judge(world, effect,
                      audit->gone_since_ns ? now - audit->gone_since_ns : 0,
                      since_boot_ns(), sysconf(_SC_CLK_TCK), ovs);
}

static void next_step(struct audit *audit);

/* Whether some of the row's filters are gone and others are not: those of a
 * block stay until the last netdev's qdisc goes. */
static bool
is_in_part(const struct audit *audit)
{
    return audit->act && audit->acts[0].kind == VDPAD_ACT_FILTER_DEL;
}

static void
on_done(void *audit_, const struct vdpad_act *act, int error,
        const struct vdpad_error *why)
{
    struct audit *audit = audit_;
    char *fix = audit->fixes[audit->row];
    struct vdpad_history *history = vdpad_ctl_history(audit->call->ctl);

    if (error) {
        const char *text = why && why->text[0] ? why->text : strerror(-error);

        vdpad_text(fix, sizeof audit->fixes[0], "%s: %s",
                   is_in_part(audit) ? "removed in part, the rest was not"
                                     : "not removed",
                   text);
        vdpad_history_add(history, act->object, "error",
                          "stranded filters are left: %s", text);
        vdpad_log(VDPAD_LOG_WARN, "%s: stranded filters are left: %s",
                  act->object, text);
        audit->act = audit->n_acts;
    } else {
        vdpad_text(fix, sizeof audit->fixes[0], "%s",
                   act->kind == VDPAD_ACT_QDISC_DEL
                       ? "removed, with the qdisc"
                       : "removed; what is not Open vSwitch's was left");
        vdpad_history_add(history, act->object, "step",
                          "%s done: stranded filters removed",
                          vdpad_act_name((enum vdpad_act_kind) act->kind));
        vdpad_log(VDPAD_LOG_INFO, "%s: %s done: stranded filters removed",
                  act->object,
                  vdpad_act_name((enum vdpad_act_kind) act->kind));
        audit->act++;
    }
    next_step(audit);
}

/* Whether 'row' is as stranded as it was, as far as the daemon knows; if not,
 * why ("": it has gone). */
static bool
is_still_stranded(struct audit *audit, char *reason, size_t size)
{
    const struct vdpad_audit_row *old = &audit->rows[audit->row];
    struct vdpad_audit_ovs ovs;
    struct vdpad_audit_row *rows;
    bool stranded = false;
    size_t n;

    judge(audit, &ovs);
    rows = vdpad_audit(vdpad_call_world(audit->call), &ovs, &n);
    reason[0] = '\0';
    for (size_t i = 0; i < n; i++) {
        if (rows[i].ifindex == old->ifindex && rows[i].block == old->block
            && rows[i].egress == old->egress) {
            stranded = rows[i].class_ == VDPAD_AUDIT_STRANDED;
            vdpad_copy(reason, size, rows[i].proof);
        }
    }
    free(rows);
    return stranded;
}

/* Nothing is left to be removed, as with one hook of a qdisc when the other
 * one's removal has taken all of it. */
static void
has_gone(struct audit *audit)
{
    vdpad_text(audit->fixes[audit->row], sizeof audit->fixes[0],
               "it has gone meanwhile");
}

static void
on_looked_again(void *audit_, const struct vdpad_observed *fresh)
{
    struct audit *audit = audit_;
    struct vdpad_kernel *kernel = vdpad_ctl_kernel(audit->call->ctl);
    char reason[200];
    int error;

    (void) fresh;
    if (!is_still_stranded(audit, reason, sizeof reason)) {
        /* The qdiscs of a block go one after the other, the last with all. */
        if (reason[0]) {
            vdpad_text(audit->fixes[audit->row], sizeof audit->fixes[0],
                       "%s: %s",
                       is_in_part(audit) ? "removed in part, the rest left"
                                         : "left alone",
                       reason);
        } else if (!audit->act) {
            has_gone(audit);
        }
        audit->act = audit->n_acts;
        next_step(audit);
        return;
    }
    error = kernel->ops->submit(kernel, &audit->acts[audit->act], 1, on_done,
                                audit);
    if (error) {
        on_done(audit, &audit->acts[audit->act], error, NULL);
    }
}

/* Goes on to the next step, of the next row if need be, or ends. */
static void
next_step(struct audit *audit)
{
    while (audit->act >= audit->n_acts && audit->row < audit->n_rows) {
        free(audit->acts);
        audit->acts = NULL;
        audit->act = audit->n_acts = 0;
        audit->row++;
        if (audit->row < audit->n_rows
            && audit->rows[audit->row].class_ == VDPAD_AUDIT_STRANDED) {
            audit->acts = vdpad_audit_steps(vdpad_call_world(audit->call),
                                            &audit->rows[audit->row],
                                            &audit->n_acts);
            if (!audit->n_acts) {
                has_gone(audit);
            }
        }
    }
    if (audit->row < audit->n_rows) {
        vdpad_ctl_refresh(audit->call->ctl,
                          VDPAD_MASK(VDPAD_HOST) | VDPAD_MASK(VDPAD_QDISC),
                          false, on_looked_again, audit);
    } else {
        reply(audit);
    }
}

/* The pictures are new, and it is certain whether ovs-vswitchd has gone. */
static void
decide(struct audit *audit)
{
    const struct vdpad_world *world = vdpad_call_world(audit->call);
    struct vdpad_audit_ovs ovs;

    judge(audit, &ovs);
    audit->rows = vdpad_audit(world, &ovs, &audit->n_rows);
    audit->fixes = vdpad_xcalloc(audit->n_rows, sizeof *audit->fixes);
    if (audit->fix) {
        audit->row = SIZE_MAX; /* Before the first one. */
        audit->row++;
        audit->n_acts = 0;
        if (audit->n_rows && audit->rows[0].class_ == VDPAD_AUDIT_STRANDED) {
            audit->acts = vdpad_audit_steps(world, &audit->rows[0],
                                            &audit->n_acts);
        }
        next_step(audit);
        return;
    }
    for (size_t i = 0; i < audit->n_rows; i++) {
        size_t n;

        if (audit->rows[i].class_ == VDPAD_AUDIT_STRANDED) {
            struct vdpad_act *acts = vdpad_audit_steps(world, &audit->rows[i],
                                                       &n);

            vdpad_text(audit->fixes[i], sizeof audit->fixes[0],
                       "--fix would remove %s",
                       acts && acts[0].kind == VDPAD_ACT_QDISC_DEL
                           ? "them with the qdisc"
                           : "those of Open vSwitch");
            free(acts);
        }
    }
    reply(audit);
}

static void
on_all_looked_at(void *audit, const struct vdpad_observed *fresh)
{
    (void) fresh;
    decide(audit);
}

static bool
has_ovs_filters(const struct vdpad_world *world)
{
    const struct vdpad_tcprio *rows = VDPAD_OBSERVED_ROWS(world->observed,
                                                          VDPAD_TCPRIO,
                                                          vdpad_tcprio);

    for (size_t i = 0; i < VDPAD_OBSERVED_N(world->observed, VDPAD_TCPRIO);
         i++) {
        if (rows[i].ovs_filters) {
            return true;
        }
    }
    return false;
}

/* Waits while it may be a restart. */
static void
go_on(struct audit *audit)
{
    const struct vdpad_world *world = vdpad_call_world(audit->call);
    int64_t now = vdpad_loop_clock_ns();
    struct vdpad_audit_ovs ovs;

    judge(audit, &ovs);
    if (audit->gone_since_ns && has_ovs_filters(world)
        && now - audit->gone_since_ns < VDPAD_AUDIT_GRACE_NS) {
        audit->due_ns = now + LOOK_NS;
    } else {
        vdpad_ctl_refresh(audit->call->ctl, LOOKED_AT, false, on_all_looked_at,
                          audit);
    }
}

static void
on_host_looked_at(void *audit, const struct vdpad_observed *fresh)
{
    (void) fresh;
    go_on(audit);
}

void
vdpad_audits_run(int64_t now_ns)
{
    for (struct audit *a = audits; a; a = a->next) {
        if (a->due_ns && a->due_ns <= now_ns) {
            a->due_ns = 0;
            vdpad_ctl_refresh(a->call->ctl, VDPAD_MASK(VDPAD_HOST), false,
                              on_host_looked_at, a);
        }
    }
}

int64_t
vdpad_audits_next_ns(void)
{
    int64_t next = INT64_MAX;

    for (const struct audit *a = audits; a; a = a->next) {
        if (a->due_ns && a->due_ns < next) {
            next = a->due_ns;
        }
    }
    return next;
}

static void
run_audit(struct vdpad_call *call)
{
    const struct vdpad_observed *o = vdpad_call_world(call)->observed;
    struct audit *audit;

    if (call->argc && strcmp(call->argv[0], "--fix") != 0) {
        vdpad_call_error(call,
                         "offload/audit: what is \"%.40s\"?  usage: %s %s",
                         call->argv[0], call->command->name,
                         call->command->usage);
        return;
    }
    if (call->argc && vdpad_ctl_is_dry_run(call->ctl)) {
        vdpad_call_error(call, "this daemon runs with --dry-run and removes "
                               "nothing");
        return;
    }
    for (int i = 0; i < VDPAD_N_CLASSES; i++) {
        const struct vdpad_observed_class *c = &o->class_[i];

        if (LOOKED_AT & VDPAD_MASK(i) && (!c->known || c->error)) {
            vdpad_call_error(call, "%s cannot be observed: %s",
                             vdpad_class_name((enum vdpad_class) i),
                             c->error && c->why.text[0] ? c->why.text
                                                        : "see status");
            return;
        }
    }
    audit = vdpad_xcalloc(1, sizeof *audit);
    audit->call = call;
    audit->fix = call->argc != 0;
    audit->next = audits;
    audits = audit;
    go_on(audit);
}

const struct vdpad_command vdpad_commands_audit[] = {
    { "offload/audit", "[--fix] [--json]", 0, 1, LOOKED_AT | VDPAD_MASK_NEW,
      run_audit },
    { .name = NULL },
};
