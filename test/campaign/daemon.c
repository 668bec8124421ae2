/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon's life in a schedule, and time, which jumps from one deadline to
 * the next. */
#include "campaign.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "test/fake/fake-private.h"

/* How long a turn takes. */
#define TURN_NS (20 * INT64_C(1000))

/* More turns than this in a second are a loop without end. */
#define MOST_TURNS 4000

#define MAX_STUCK 64

struct campaign *the_campaign;
struct tally tally;

uint32_t
any(struct rng *r, uint32_t n)
{
    uint64_t z = r->state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t) ((z ^ z >> 31) >> 33) % n;
}

bool
chance(struct rng *r, uint32_t percent)
{
    return any(r, 100) < percent;
}

int64_t
campaign_clock_ns(void)
{
    return the_campaign->now_ns;
}

static int64_t
kernel_clock_ns(void *c)
{
    return ((const struct campaign *) c)->now_ns;
}

void
campaign_trace(struct campaign *c, const char *format, ...)
{
    va_list args;

    if (c->trace) {
        fprintf(c->trace, "%s%10.3f ", c->is_faulty ? "" : "ref ",
                (double) c->now_ns / SEC);
        va_start(args, format);
        (void) vfprintf(c->trace, format, args);
        va_end(args);
        fputc('\n', c->trace);
    }
}

void
campaign_fail(struct campaign *c, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void) vsnprintf(c->failure, sizeof c->failure, format, args);
    va_end(args);
    campaign_trace(c, "FAILED: %s", c->failure);
    longjmp(*c->failed, 1);
}

bool
campaign_later(struct campaign *c, int64_t ns,
               void (*what)(struct campaign *, const struct later *),
               const struct vdpad_act *act)
{
    for (size_t i = 0; i < MAX_LATER; i++) {
        if (!c->later[i].when_ns) {
            c->later[i].when_ns = c->now_ns + ns;
            c->later[i].what = what;
            memset(&c->later[i].act, 0, sizeof c->later[i].act);
            if (act) {
                c->later[i].act = *act;
            }
            return true;
        }
    }
    return false;
}

void
daemon_start(struct campaign *c)
{
    struct vdpad_ctl_options options = {
        .record_path = c->record_path,
        .clock_ns = campaign_clock_ns,
    };

    c->fake = fake_kernel_new(NULL, c->sim_path);
    assert(c->fake);
    fake_kernel_set_clock(c->fake, kernel_clock_ns, c);
    c->client = fake_store_new(c->db, campaign_clock_ns);
    c->ctl = vdpad_ctl_new(NULL, &c->guard_kernel, &c->guard_store, &options);
    c->restart_ns = 0;
    campaign_trace(c, "daemon started");
}

/* Nobody has been told that 'act' has made VFs. */
static void
note_unseen(struct campaign *c, const struct vdpad_act *act)
{
    for (int i = 0; i < N_PFS; i++) {
        c->is_unseen[i] |= act->kind == VDPAD_ACT_NUMVFS && act->number
                           && !strcmp(act->object, c->sim->pfs[i].bdf);
    }
}

/* A helper process finishes its step although the daemon has died, perhaps
 * long after the next one has begun: at once, or the kernel makes whoever
 * looks wait for it. */
static void
finish_step(struct campaign *c, const struct later *later)
{
    struct vdpad_error why;
    int block, error;

    if (sim_must_wait(c->sim, &later->act)
        && campaign_later(c, SEC, finish_step, &later->act)) {
        return;
    }
    changed_object(c, later->act.object);
    error = sim_apply(c->sim, &later->act, true, &block, &why);
    if (error == SIM_BLOCKED) {
        c->sim->blocks[block].is_orphan = true;
    }
    if (!error) {
        note_unseen(c, &later->act);
    }
    c->sim->n_former--;
    changed_object(c, later->act.object);
    campaign_trace(c, "late step %s %s: %d",
                   vdpad_act_name((enum vdpad_act_kind) later->act.kind),
                   later->act.object, error);
}

static void
end_daemon(struct campaign *c)
{
    vdpad_ctl_free(c->ctl);
    c->ctl = NULL;
    c->fake->ops->destroy(c->fake);
    c->fake = NULL;
    c->client->ops->destroy(c->client);
    c->client = NULL;
    guard_forget_asked(c);
    tries_forget(c);
    c->n_requests = c->n_suspends = 0;
    c->dying = DYING_NOT;
    memset(c->is_forced, 0, sizeof c->is_forced);
}

/* What becomes of 'act', perhaps after the end of a reset, is never told.  If
 * it was to make as many VFs as another program has, nothing tells them from
 * ours then. */
static void
note_doubt(struct campaign *c, const struct vdpad_act *act)
{
    for (int i = 0; i < N_PFS; i++) {
        const struct sim_pf *pf = &c->sim->pfs[i];

        if (act->kind == VDPAD_ACT_NUMVFS && !strcmp(act->object, pf->bdf)
            && c->has_others_vfs[i] && act->number == pf->numvfs) {
            c->has_others_vfs[i] = false;
            c->is_record_lost = true;
        }
    }
}

void
daemon_kill(struct campaign *c, struct rng *r, int64_t restart_ns)
{
    if (!c->ctl) {
        return;
    }
    for (const struct fake_batch *b = fake_kernel_cast(c->fake)->batches; b;
         b = b->next) {
        int64_t ns = (chance(r, 50) ? any(r, 20) : any(r, 120000)) * MS;

        for (size_t i = b->i; i < b->n; i++) {
            note_doubt(c, &b->acts[i]);
        }
        if (b->is_begun && !b->is_applied && !b->is_failing && chance(r, 80)) {
            c->sim->n_former += campaign_later(c, ns, finish_step,
                                               &b->acts[b->i]);
        }
    }
    if (chance(r, 50)) {
        fake_store_deliver(c->client);
    }
    end_daemon(c);
    c->restart_ns = c->now_ns + 30 * MS + restart_ns;
    tally.kills++;
    campaign_trace(c, "daemon killed");
}

/* Keeps the record as it was, and what a write that was cut short leaves. */
static void
cut_record_short(struct campaign *c, const char *copy)
{
    char path[128];
    FILE *f;

    (void) snprintf(path, sizeof path, "%s.new", c->record_path);
    f = fopen(path, "we");
    assert(f);
    fputs("{\n \"version\": 1,\n \"bo", f);
    fclose(f);
    (void) unlink(c->record_path);
    (void) rename(copy, c->record_path);
}

static void
copy_file(const char *from, const char *to)
{
    FILE *in = fopen(from, "re");
    FILE *out;
    int ch;

    (void) unlink(to);
    if (!in) {
        return;
    }
    out = fopen(to, "we");
    assert(out);
    while ((ch = getc(in)) != EOF) {
        putc(ch, out);
    }
    fclose(in);
    fclose(out);
}

/* Whether the daemon believes that PF 'i' is still in switchdev mode, and says
 * that it cannot see it. */
static bool
is_mode_unseen(const struct campaign *c, int i)
{
    const struct vdpad_observed *o = vdpad_ctl_world(c->ctl)->observed;
    struct pf_wish wish;

    wish_for_pf(c, i, &wish);
    return wish.has_mode && c->sim->pfs[i].mode != VDPAD_ESWITCH_SWITCHDEV
           && !o->class_[VDPAD_ESWITCH].fresh;
}

/* PFs of which nothing has changed on any VF either. */
static void
note_ready_pfs(struct campaign *c)
{
    const struct vdpad_world *w = vdpad_ctl_world(c->ctl);

    for (int i = 0; i < N_PFS; i++) {
        bool is_old = c->sim->pfs[i].used && !is_mode_unseen(c, i);
        struct pf_wish wish;

        wish_for_pf(c, i, &wish);
        if (wish.is_external && c->sim->pfs[i].reset_ns) {
            /* As in fault_reset_pf(). */
            c->is_record_lost = true;
        }
        /* Those that a policy has come to want are as good as ours. */
        c->has_others_vfs[i] &= c->sim->pfs[i].numvfs > 0
                                && !(c->is_host_changed
                                     && wish.numvfs == c->sim->pfs[i].numvfs);
        c->is_unseen[i] &= c->sim->n_former || c->sim->pfs[i].reset_ns
                           || !w->observed->class_[VDPAD_PCI].fresh;
        for (int j = 0; j < N_VFS; j++) {
            is_old &= c->now_ns - c->vfs[i][j].changed_ns > c->lag_ns;
        }
        for (size_t k = 0; is_old && k < w->n_pfs; k++) {
            c->is_pf_ready[i] |= w->pfs[k].managed
                                 && w->pfs[k].state == VDPAD_STATE_READY
                                 && !strcmp(w->pfs[k].pci->bdf,
                                            c->sim->pfs[i].bdf);
        }
    }
}

static void
note_ready(struct campaign *c)
{
    const struct vdpad_world *w = vdpad_ctl_world(c->ctl);

    if (fake_store_version(c->client) < c->intent_version
        || !w->db_connected) {
        return; /* It does not know yet what is wanted. */
    }
    for (size_t i = 0; i < w->n_devs; i++) {
        const struct vdpad_dev *dev = &w->devs[i];

        if (dev->state == VDPAD_STATE_READY && dev->vf
            && dev->intent == VDPAD_INTENT_APPLY) {
            struct vf_truth *t = host_vf_truth(c, dev->vf->bdf);

            if (t && c->now_ns - t->changed_ns > c->lag_ns) {
                t->is_ready = true;
            }
        }
    }
    note_ready_pfs(c);
}

/* Whether a step has begun and is not done yet. */
static bool
is_in_kernel(const struct campaign *c)
{
    for (const struct fake_batch *b = fake_kernel_cast(c->fake)->batches; b;
         b = b->next) {
        if (b->is_begun && !b->is_applied && !b->is_failing) {
            return true;
        }
    }
    return false;
}

/* What had been given up, and is done now, has changed something. */
static void
note_late_ends(struct campaign *c, const struct vdpad_stuck *before, size_t n)
{
    struct vdpad_stuck now[MAX_STUCK];
    size_t n_now = c->fake->ops->stuck(c->fake, now, MAX_STUCK);

    for (size_t i = 0; i < n && i < MAX_STUCK; i++) {
        const char *space = strchr(before[i].what, ' ');
        bool is_there = false;

        for (size_t j = 0; j < n_now && j < MAX_STUCK; j++) {
            is_there |= !strcmp(now[j].what, before[i].what);
        }
        if (!is_there && space) {
            changed_object(c, space + 1);
        }
    }
}

static void
note_lost_answers(struct campaign *c)
{
    for (const struct fake_batch *b = fake_kernel_cast(c->fake)->batches; b;
         b = b->next) {
        if (b->i < b->n
            && (b->is_lost
                || (b->is_failing
                    && (b->error == -EIO || b->error == -ETIMEDOUT)))) {
            note_doubt(c, &b->acts[b->i]);
            note_unseen(c, &b->acts[b->i]);
        }
    }
}

static void
one_turn(struct campaign *c)
{
    struct vdpad_stuck stuck[MAX_STUCK];
    size_t n_stuck = c->fake->ops->stuck(c->fake, stuck, MAX_STUCK);
    enum dying dying = c->dying;
    char copy[128];
    struct rng r = { c->seed ^ (uint64_t) c->now_ns };

    if (dying == DYING_BEFORE_RECORD) {
        (void) snprintf(copy, sizeof copy, "%s.copy", c->record_path);
        copy_file(c->record_path, copy);
    }
    note_lost_answers(c);
    c->client->ops->run(c->client);
    changes_note_suspended(c);
    vdpad_ctl_run(c->ctl, c->now_ns);
    tally.turns++;
    note_late_ends(c, stuck, n_stuck);
    if (dying == DYING_IN_KERNEL && !is_in_kernel(c)) {
        dying = DYING_NOT;
    }
    if (dying != DYING_NOT) {
        if (dying == DYING_BEFORE_RECORD) {
            cut_record_short(c, copy);
        }
        daemon_kill(c, &r, any(&r, 5000) * MS);
        return;
    }
    changes_note_lag(c);
    note_ready(c);
    note_lost_answers(c);
    if (c->is_calm) {
        tries_note_plan(c);
    }
    if (c->now_ns / SEC != c->turns_s) {
        c->turns_s = c->now_ns / SEC;
        c->turns_at = 0;
    }
    if (++c->turns_at > MOST_TURNS) {
        campaign_fail(c, "the loop turns without end");
    }
}

static void
sooner(int64_t *next, int64_t when)
{
    *next = when < *next ? when : *next;
}

static int64_t
next_ns(struct campaign *c)
{
    int64_t next = INT64_MAX;

    for (size_t i = 0; i < MAX_LATER; i++) {
        if (c->later[i].when_ns) {
            sooner(&next, c->later[i].when_ns);
        }
    }
    if (c->vswitchd_ns != INT64_MAX) {
        sooner(&next, c->vswitchd_version != c->db->version ? c->now_ns
                                                            : c->vswitchd_ns);
    }
    if (c->ctl) {
        sooner(&next, vdpad_ctl_next_ns(c->ctl));
        sooner(&next, fake_kernel_next_ns(c->fake));
        sooner(&next, fake_store_next_ns(c->client));
    } else {
        sooner(&next, c->restart_ns);
        sooner(&next, sim_next_ns(c->sim));
    }
    return next;
}

void
campaign_run_for(struct campaign *c, int64_t ns)
{
    int64_t end = c->now_ns + ns;

    while (c->now_ns < end) {
        for (size_t i = 0; i < MAX_LATER; i++) {
            if (c->later[i].when_ns && c->later[i].when_ns <= c->now_ns) {
                struct later later = c->later[i];

                c->later[i].when_ns = 0;
                later.what(c, &later);
            }
        }
        if (c->vswitchd_ns != INT64_MAX
            && (c->vswitchd_version != c->db->version
                || c->now_ns >= c->vswitchd_ns)) {
            host_run_vswitchd(c);
        }
        if (c->ctl) {
            one_turn(c);
        } else {
            sim_advance(c->sim, c->now_ns);
            if (c->now_ns >= c->restart_ns) {
                daemon_start(c);
            }
        }
        host_note_holders(c);

        int64_t next = next_ns(c);

        tally.simulated_ns -= c->now_ns;
        c->now_ns += TURN_NS;
        if (next > c->now_ns) {
            c->now_ns = next < end ? next : end > c->now_ns ? end : c->now_ns;
        }
        tally.simulated_ns += c->now_ns;
    }
}

bool
daemon_is_settled(struct campaign *c)
{
    const struct vdpad_plan *plan = c->ctl ? vdpad_ctl_plan(c->ctl) : NULL;

    if (!plan || !vdpad_ctl_is_up(c->ctl) || c->asked || plan->wants_holders) {
        return false;
    }
    for (size_t i = 0; i < plan->n; i++) {
        if (plan->steps[i].kind != VDPAD_STEP_RECORD) {
            return false;
        }
    }
    return c->now_ns - c->last_step_ns > 65 * SEC;
}
