/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vdpad/log.h>
#include <vdpad/loop.h>

#include "claims.h"
#include "exec.h"
#include "observer.h"
#include "patience.h"
#include "ready.h"
#include "report.h"
#include "sleepers.h"
#include "suspend.h"
#include "use.h"
#include "util.h"
#include "verdicts.h"

#define MS_NS INT64_C(1000000)
#define SEC_NS INT64_C(1000000000)

/* What no event tells is found at the latest by this. */
#define AUDIT_NS (60 * SEC_NS)

/* Nothing tells that a process has closed a char device: while a device waits
 * for that, it is looked at. */
#define HOLDER_POLL_NS (5 * SEC_NS)

/* New pictures wait this long for others that are on their way. */
#define ADOPT_NS (200 * MS_NS)

/* A port of a device that nobody wants is kept this long after a start, after
 * the database has been away and after a PF has gone: who wants it may be on
 * his way, too. */
#define GRACE_NS (30 * SEC_NS)

struct vdpad_ctl {
    struct vdpad_loop *loop;
    struct vdpad_kernel *kernel;
    struct vdpad_store *store;
    struct vdpad_vswitchd *vswitchd; /* Or NULL. */
    bool dry_run;
    char *record_path;
    char seed[64];

    struct vdpad_observer *observer;
    struct vdpad_memory *memory;
    struct vdpad_record *record;
    struct vdpad_history *history;
    struct vdpad_exec *exec;
    struct vdpad_suspender *suspender;
    struct vdpad_reporter *reporter;
    struct vdpad_patience *patience;
    struct vdpad_verdicts verdicts;

    uint64_t db_serial;
    uint64_t keys_hash; /* Of our keys in it. */
    bool db_connected;
    struct vdpad_config *config;
    struct vdpad_world *world;
    struct vdpad_plan *plan;

    struct vdpad_ready *ready;
    bool up, replan, record_failed;
    int64_t now_ns, audit_ns, holder_ns, record_retry_ns;
    struct vdpad_sleepers sleepers;
    size_t n_pfs;
    struct vdpad_ctl_figures figures;
    char problem[VDPAD_ERROR_TEXT + 100]; /* While 'record_failed'. */
};

static void
on_invalidated(void *aux, unsigned int mask, bool lost)
{
    struct vdpad_ctl *ctl = aux;

    if (lost) {
        ctl->figures.resyncs++;
        vdpad_history_add(ctl->history, "kernel", "events",
                          "events were lost: observed anew");
    }
    vdpad_observer_invalidate(ctl->observer, mask);
}

/* Distinguishes this host from others in mac=stable. */
static void
read_seed(char seed[64])
{
    FILE *f = fopen("/etc/machine-id", "re");

    seed[0] = '\0';
    if (f) {
        if (fgets(seed, 64, f)) {
            seed[strcspn(seed, "\n")] = '\0';
        }
        fclose(f);
    }
}

static void
load_record(struct vdpad_ctl *ctl)
{
    struct vdpad_error why;

    if (vdpad_record_load(ctl->record_path, ctl->dry_run, &ctl->record,
                          &why)) {
        vdpad_log(VDPAD_LOG_ERR, "%s", why.text);
        vdpad_history_add(ctl->history, "record", "error", "%s", why.text);
    }
    vdpad_claim_vfs(ctl->record, ctl->memory);
}

/* An empty world until there is something to show: the commands need no
 * special case then. */
static void
rebuild(struct vdpad_ctl *ctl)
{
    vdpad_world_free(ctl->world);
    vdpad_plan_free(ctl->plan);
    ctl->world = vdpad_world_new(vdpad_observer_view(ctl->observer),
                                 ctl->store->ops->snapshot(ctl->store),
                                 ctl->db_connected, ctl->config, ctl->record,
                                 ctl->seed);
    if (ctl->world->n_pfs < ctl->n_pfs) {
        ctl->memory->grace_until_ns = ctl->now_ns + GRACE_NS;
    }
    ctl->n_pfs = ctl->world->n_pfs;
    ctl->plan = vdpad_plan_new(ctl->world, ctl->memory, ctl->now_ns);

    int64_t next_ns = vdpad_patience_run(ctl->patience, ctl->world,
                                         ctl->now_ns);

    if (next_ns < ctl->plan->next_ns) {
        ctl->plan->next_ns = next_ns;
    }
    ctl->figures.reconciles++;
    ctl->figures.last_reconcile_ns = ctl->now_ns;
    if (ctl->up) {
        vdpad_reporter_run(ctl->reporter, ctl->world);
        vdpad_verdicts_look(&ctl->verdicts, ctl->world, ctl->now_ns);
    }
}

struct vdpad_ctl *
vdpad_ctl_new(struct vdpad_loop *loop, struct vdpad_kernel *kernel,
              struct vdpad_store *store,
              const struct vdpad_ctl_options *options)
{
    static const struct vdpad_map none;
    struct vdpad_ctl *ctl = vdpad_xcalloc(1, sizeof *ctl);

    ctl->loop = loop;
    ctl->kernel = kernel;
    ctl->store = store;
    ctl->vswitchd = options->vswitchd;
    ctl->dry_run = options->dry_run;
    ctl->record_path = vdpad_xstrdup(options->record_path);
    int64_t (*clock_ns)(void) = options->clock_ns ? options->clock_ns
                                                  : vdpad_loop_clock_ns;

    ctl->now_ns = clock_ns();
    ctl->audit_ns = ctl->now_ns + AUDIT_NS;
    read_seed(ctl->seed);
    ctl->history = vdpad_history_new();
    ctl->reporter = vdpad_reporter_new(ctl->history);
    ctl->patience = vdpad_patience_new();
    vdpad_verdicts_init(&ctl->verdicts, store, options->vswitchd, ctl->history,
                        options->dry_run);
    ctl->observer = vdpad_observer_new(kernel);
    ctl->memory = vdpad_memory_new();
    ctl->ready = vdpad_ready_new();
    ctl->memory->grace_until_ns = ctl->now_ns + GRACE_NS;
    load_record(ctl);
    vdpad_sleepers_init(&ctl->sleepers);
    ctl->exec = vdpad_exec_new(kernel, store, ctl->observer, ctl->memory,
                               ctl->record, ctl->record_path, ctl->history,
                               clock_ns);
    ctl->suspender = vdpad_suspender_new(store, ctl->memory);
    ctl->config = vdpad_config_parse(&none);
    kernel->ops->subscribe(kernel, on_invalidated, ctl);
    rebuild(ctl);
    return ctl;
}

void
vdpad_ctl_free(struct vdpad_ctl *ctl)
{
    if (!ctl) {
        return;
    }
    vdpad_ready_free(ctl->ready);
    vdpad_plan_free(ctl->plan);
    vdpad_world_free(ctl->world);
    vdpad_suspender_free(ctl->suspender);
    vdpad_exec_free(ctl->exec);
    vdpad_observer_free(ctl->observer);
    vdpad_memory_free(ctl->memory);
    vdpad_record_free(ctl->record);
    vdpad_config_free(ctl->config);
    vdpad_reporter_free(ctl->reporter);
    vdpad_patience_free(ctl->patience);
    vdpad_verdicts_done(&ctl->verdicts);
    vdpad_history_free(ctl->history);
    free(ctl->record_path);
    vdpad_sleepers_destroy(&ctl->sleepers);
    free(ctl);
}

/* Whether our keys differ from those of the last call. */
static bool
take_keys(struct vdpad_ctl *ctl, const struct vdpad_map *external_ids)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325); /* FNV-1a. */

    for (size_t i = 0; i < external_ids->n; i++) {
        const struct vdpad_kv *kv = &external_ids->kv[i];

        for (int part = 0; !strncmp(kv->key, "vdpa-", 5) && part < 2; part++) {
            for (const char *p = part ? kv->value : kv->key; *p; p++) {
                h = (h ^ (uint8_t) *p) * UINT64_C(0x100000001b3);
            }
            h = (h ^ 0xff) * UINT64_C(0x100000001b3);
        }
    }

    bool changed = h != ctl->keys_hash;

    ctl->keys_hash = h;
    return changed;
}

/* Takes over a new snapshot.  The world borrows from the former one, which is
 * gone: true means it must be rebuilt in this very turn. */
static bool
take_snapshot(struct vdpad_ctl *ctl)
{
    const struct vdpad_snapshot *db = ctl->store->ops->snapshot(ctl->store);
    bool connected = ctl->store->ops->is_connected(ctl->store);
    bool changed = false;

    if (connected != ctl->db_connected) {
        ctl->db_connected = connected;
        ctl->memory->grace_until_ns = ctl->now_ns + GRACE_NS;
        vdpad_history_add(ctl->history, "database", "database",
                          connected ? "connected" : "connection lost");
        changed = true;
    }
    if (db && db->serial != ctl->db_serial) {
        struct vdpad_config *old = ctl->config;

        ctl->db_serial = db->serial;
        ctl->config = vdpad_config_parse(&db->external_ids);
        vdpad_report_config(ctl->history, old, ctl->config);
        if (take_keys(ctl, &db->external_ids)) {
            /* Another intent may take something away: who uses it counts
             * from now on. */
            vdpad_observer_invalidate(ctl->observer, VDPAD_USE_CLASSES);
        }

        /* The old world borrows from the old configuration and snapshot:
         * nothing may look at it any more. */
        vdpad_world_free(ctl->world);
        ctl->world = NULL;
        vdpad_config_free(old);
        changed = true;
    }
    return changed;
}

/* What comes back from the kernel after it had been given up may have changed
 * anything. */
static void
look_for_sleepers(struct vdpad_ctl *ctl)
{
    struct vdpad_exec_figures figures;

    vdpad_exec_get_figures(ctl->exec, &figures);
    if (vdpad_sleepers_run(&ctl->sleepers, ctl->kernel, ctl->memory)) {
        vdpad_observer_invalidate(ctl->observer, VDPAD_ALL_CLASSES);
        ctl->replan = true;
    }
    if (vdpad_sleepers_settle(&ctl->sleepers, ctl->record, ctl->memory,
                              figures.n_batches > 0)) {
        vdpad_claim_vfs(ctl->record, ctl->memory);
        ctl->replan = true;
    }
}

static void
run_timers(struct vdpad_ctl *ctl)
{
    if (ctl->now_ns >= ctl->audit_ns) {
        ctl->audit_ns = ctl->now_ns + AUDIT_NS;
        vdpad_observer_invalidate(
            ctl->observer,
            VDPAD_ALL_CLASSES & ~(1u << VDPAD_FLOW | 1u << VDPAD_TCPRIO));
    }
    if (ctl->holder_ns && ctl->now_ns >= ctl->holder_ns) {
        ctl->holder_ns = 0;
        vdpad_observer_invalidate(ctl->observer, VDPAD_USE_CLASSES);
    }
}

static bool
is_planned(const struct vdpad_memory_entry *entry, void *plan_)
{
    const struct vdpad_plan *plan = plan_;

    /* Both orders of numvfs and e-switch mode are tried in turn, and the plan
     * between two tries does not name the mode. */
    if (entry->failures
        && !strncmp(entry->key, "eswitch-mode ", strlen("eswitch-mode "))) {
        return true;
    }
    /* What waits until it is known who uses a device is not in the plan, and
     * comes back to it. */
    if (entry->failures && plan->wants_holders) {
        return true;
    }
    for (size_t i = 0; i < plan->n; i++) {
        const char *action = vdpad_step_action(&plan->steps[i]);
        size_t len = strlen(action);

        if (!strncmp(entry->key, action, len) && entry->key[len] == ' '
            && !strcmp(entry->key + len + 1,
                       vdpad_step_object(&plan->steps[i]))) {
            return true;
        }
    }
    return false;
}

static void
execute(struct vdpad_ctl *ctl)
{
    struct vdpad_error why;

    if (ctl->dry_run || !ctl->up) {
        return;
    }
    if (ctl->record_failed && ctl->now_ns < ctl->record_retry_ns) {
        return;
    }
    if (vdpad_exec_run(ctl->exec, ctl->plan, &why)) {
        vdpad_text(ctl->problem, sizeof ctl->problem,
                   "nothing is changed on this host while the record of "
                   "changes cannot be kept: %s",
                   why.text);
        if (!ctl->record_failed) {
            vdpad_log(VDPAD_LOG_ERR, "%s", ctl->problem);
            vdpad_history_add(ctl->history, "record", "error", "%s", why.text);
        }
        ctl->record_failed = true;
        ctl->record_retry_ns = ctl->now_ns + 10 * SEC_NS;
    } else {
        ctl->record_failed = false;
    }
}

void
vdpad_ctl_when_ready(struct vdpad_ctl *ctl, vdpad_ready_cb *cb, void *aux)
{
    vdpad_ready_add(ctl->ready, cb, aux);
    ctl->replan = true;
}

void
vdpad_ctl_run(struct vdpad_ctl *ctl, int64_t now_ns)
{
    struct vdpad_exec_figures figures;
    int64_t since = 0;

    ctl->now_ns = now_ns;
    ctl->kernel->ops->run(ctl->kernel);
    look_for_sleepers(ctl);

    bool build = take_snapshot(ctl) || ctl->replan
                 || ctl->plan->next_ns <= now_ns;

    run_timers(ctl);
    vdpad_exec_get_figures(ctl->exec, &figures);
    vdpad_observer_run(ctl->observer, now_ns, figures.n_batches > 0);
    build |= vdpad_exec_take_ended(ctl->exec);
    build |= vdpad_suspender_take_ended(ctl->suspender);
    build |= vdpad_observer_take_failed(ctl->observer);
    build |= ctl->record_failed && now_ns >= ctl->record_retry_ns;
    if (vdpad_observer_has_staged(ctl->observer, &since)
        && (vdpad_observer_is_settled(ctl->observer)
            || now_ns - since >= ADOPT_NS)) {
        vdpad_world_free(ctl->world);
        ctl->world = NULL;
        vdpad_observer_adopt(ctl->observer);
        build = true;
    }
    if (!ctl->up && vdpad_observer_is_complete(ctl->observer)
        && ctl->store->ops->snapshot(ctl->store)) {
        ctl->up = true;
        build = true;
        vdpad_log(VDPAD_LOG_INFO, "first observation is complete");
    }
    if (build) {
        ctl->replan = false;
        rebuild(ctl);
        vdpad_note_vfs(ctl->world, ctl->memory);
        if (vdpad_observer_is_settled(ctl->observer)) {
            vdpad_memory_prune(ctl->memory, is_planned, ctl->plan);
        }
        execute(ctl);
        vdpad_observer_invalidate(ctl->observer,
                                  vdpad_use_to_look_at(ctl->world, ctl->plan,
                                                       now_ns));
        if (vdpad_use_is_awaited(ctl->world)) {
            ctl->holder_ns = ctl->holder_ns ? ctl->holder_ns
                                            : now_ns + HOLDER_POLL_NS;
        } else {
            ctl->holder_ns = 0;
        }
    }
    vdpad_observer_invalidate(
        ctl->observer, vdpad_verdicts_run(&ctl->verdicts, ctl->world, now_ns));
    if (ctl->up && ctl->db_connected && vdpad_world_is_ready(ctl->world)) {
        vdpad_ready_answer(ctl->ready);
    }
    vdpad_suspender_run(ctl->suspender, ctl->config, ctl->db_serial);
    vdpad_observer_answer(ctl->observer);
}

int64_t
vdpad_ctl_next_ns(const struct vdpad_ctl *ctl)
{
    int64_t next = ctl->audit_ns;
    int64_t since;

    if (ctl->replan || vdpad_exec_wants_turn(ctl->exec)) {
        return INT64_MIN;
    }
    if (ctl->holder_ns && ctl->holder_ns < next) {
        next = ctl->holder_ns;
    }
    if (vdpad_verdicts_next_ns(&ctl->verdicts) < next) {
        next = vdpad_verdicts_next_ns(&ctl->verdicts);
    }
    if (ctl->plan->next_ns < next) {
        next = ctl->plan->next_ns;
    }
    if (vdpad_observer_next_ns(ctl->observer) < next) {
        next = vdpad_observer_next_ns(ctl->observer);
    }
    if (vdpad_observer_has_staged(ctl->observer, &since)
        && since + ADOPT_NS < next) {
        next = since + ADOPT_NS;
    }
    if (ctl->record_failed && ctl->record_retry_ns < next) {
        next = ctl->record_retry_ns;
    }
    return next;
}

void
vdpad_ctl_wait(struct vdpad_ctl *ctl)
{
    ctl->kernel->ops->wait(ctl->kernel);
    vdpad_loop_wake_at(ctl->loop, vdpad_ctl_next_ns(ctl));
}

bool
vdpad_ctl_is_up(const struct vdpad_ctl *ctl)
{
    return ctl->up;
}

const struct vdpad_world *
vdpad_ctl_world(const struct vdpad_ctl *ctl)
{
    return ctl->world;
}

const struct vdpad_plan *
vdpad_ctl_plan(const struct vdpad_ctl *ctl)
{
    return ctl->plan;
}

struct vdpad_kernel *
vdpad_ctl_kernel(struct vdpad_ctl *ctl)
{
    return ctl->kernel;
}

int
vdpad_ctl_query(struct vdpad_ctl *ctl, const struct vdpad_flow_query *query,
                vdpad_flow_query_cb *cb, void *aux)
{
    return ctl->kernel->ops->query(ctl->kernel, query, cb, aux);
}

bool
vdpad_ctl_is_dry_run(const struct vdpad_ctl *ctl)
{
    return ctl->dry_run;
}

const struct vdpad_store *
vdpad_ctl_store(const struct vdpad_ctl *ctl)
{
    return ctl->store;
}

struct vdpad_vswitchd *
vdpad_ctl_vswitchd(struct vdpad_ctl *ctl)
{
    return ctl->vswitchd;
}

struct vdpad_history *
vdpad_ctl_history(struct vdpad_ctl *ctl)
{
    return ctl->history;
}

const struct vdpad_looks *
vdpad_ctl_looks(const struct vdpad_ctl *ctl)
{
    return ctl->verdicts.looks;
}

const struct vdpad_effect_state *
vdpad_ctl_effect(struct vdpad_ctl *ctl)
{
    return vdpad_effective_get(ctl->verdicts.effective);
}

const char *
vdpad_ctl_problem(const struct vdpad_ctl *ctl)
{
    return ctl->record_failed ? ctl->problem : NULL;
}

void
vdpad_ctl_get_figures(const struct vdpad_ctl *ctl,
                      struct vdpad_ctl_figures *figures)
{
    struct vdpad_exec_figures exec;

    *figures = ctl->figures;
    vdpad_exec_get_figures(ctl->exec, &exec);
    figures->steps = exec.steps;
    figures->failures = exec.failures;
}

void
vdpad_ctl_reconcile(struct vdpad_ctl *ctl)
{
    vdpad_memory_retry_all(ctl->memory);
    ctl->record_retry_ns = 0;
    ctl->replan = true;
}

void
vdpad_ctl_resync(struct vdpad_ctl *ctl)
{
    ctl->figures.resyncs++;
    vdpad_observer_invalidate(ctl->observer, VDPAD_ALL_CLASSES);
    vdpad_ctl_reconcile(ctl);
}

void
vdpad_ctl_refresh(struct vdpad_ctl *ctl, unsigned int mask, bool compare,
                  vdpad_refreshed_cb *cb, void *aux)
{
    vdpad_observer_refresh(ctl->observer, mask, compare, cb, aux);
}

void
vdpad_ctl_suspend(struct vdpad_ctl *ctl, const char *policy, bool on,
                  bool force, vdpad_suspended_cb *cb, void *aux)
{
    vdpad_suspender_add(ctl->suspender, policy, on, force, cb, aux);
    ctl->replan = true;
}
