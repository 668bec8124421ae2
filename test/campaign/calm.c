/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a schedule, when the faults have ceased: all that is left to do
 * is done, within the limits of back-off, and then nothing is. */
#include "campaign.h"

#include <stdlib.h>
#include <string.h>

/* Back-off has at most 300 s between two tries, and comes to that within
 * 1 + 2 + ... + 256 s. */
#define CALM_NS (1500 * SEC)
#define CALM_STEP_NS (5 * SEC)
#define BACKOFF_NS (300 * SEC)

/* Longer than anything that is repeated: the audit, back-off. */
#define QUIET_NS (400 * SEC)

bool
calm_is_mode_fixed(const struct campaign *c, int pf)
{
    return c->sim->order == SIM_ORDER_MODE_FIRST && c->sim->pfs[pf].used
           && c->sim->pfs[pf].numvfs > 0;
}

/* Whether the driver refuses such a step while the PF, *ret_pf, has the VFs
 * that it has. */
static bool
is_mode_fixed(const struct campaign *c, const char *action, const char *object,
              int *ret_pf)
{
    for (int i = 0; i < N_PFS; i++) {
        if (!strcmp(action, vdpad_act_name(VDPAD_ACT_ESWITCH_MODE))
            && !strcmp(c->sim->pfs[i].bdf, object)) {
            *ret_pf = i;
            return calm_is_mode_fixed(c, i);
        }
    }
    return false;
}

/* Whether some policy wants no VFs, but perhaps switchdev. */
static bool
is_none_wanted(const struct campaign *c)
{
    bool any = false;

    for (unsigned int i = 0; i < N_POLICIES; i++) {
        any |= strstr(c->intent.policies[i], " num-vfs=0") != NULL;
    }
    return any;
}

/* For good: until others, or the operator, do otherwise. */
static bool
is_refused(const struct campaign *c, const char *action, const char *object)
{
    const struct sim_pf *pf = sim_find_pf(c->sim, object);
    int i;

    if (is_mode_fixed(c, action, object, &i)) {
        return c->host_numvfs[i] > 0 || c->is_record_lost
               || c->is_host_changed;
    }
    return !strcmp(action, vdpad_act_name(VDPAD_ACT_ESWITCH_MODE)) && pf
           && c->sim->order == SIM_ORDER_VFS_FIRST && !pf->numvfs
           && is_none_wanted(c);
}

bool
calm_may_ask(struct campaign *c, const char *action, const char *object)
{
    int i;

    if (is_refused(c, action, object)) {
        return true;
    }
    /* VFs that a policy wants stay although its mode is not asked for any
     * more: each daemon learns by one refusal that this is so. */
    return is_mode_fixed(c, action, object, &i) && !c->n_asked_modes[i]++;
}

/* Whether the steps that the plan has are all refused, for good, by the host
 * as it was before the daemon came; *ret_step: the first one that is not. */
static bool
are_all_refused(const struct campaign *c, const struct vdpad_step **ret_step)
{
    const struct vdpad_plan *plan = vdpad_ctl_plan(c->ctl);

    for (size_t i = 0; i < plan->n; i++) {
        const struct vdpad_step *step = &plan->steps[i];

        if (step->kind != VDPAD_STEP_RECORD
            && (!step->deferred || step->in_flight
                || !is_refused(c, vdpad_step_action(step),
                               vdpad_step_object(step)))) {
            *ret_step = step;
            return false;
        }
    }
    return !c->asked && !plan->wants_holders && vdpad_ctl_is_up(c->ctl);
}

/* A step that is still refused at the end is tried as seldom as documented. */
static void
check_unsettled(struct campaign *c)
{
    const struct vdpad_plan *plan = vdpad_ctl_plan(c->ctl);
    const struct vdpad_step *step = NULL;

    if (!are_all_refused(c, &step)) {
        calm_print(c);
        campaign_fail(c, "after %d s without faults it is not settled: %s %s",
                      (int) (CALM_NS / SEC),
                      step ? vdpad_step_action(step) : "nothing planned",
                      step ? vdpad_step_object(step) : "");
    }
    for (size_t i = 0; i < plan->n; i++) {
        const char *action = vdpad_step_action(&plan->steps[i]);
        const char *object = vdpad_step_object(&plan->steps[i]);

        if (plan->steps[i].kind != VDPAD_STEP_RECORD
            && tries_last_gap_ns(c, action, object) < BACKOFF_NS - SEC) {
            campaign_fail(c, "%s %s is refused, and still tried every %.0f s",
                          action, object,
                          (double) tries_last_gap_ns(c, action, object) / SEC);
        }
    }
    tally.refused += c->is_faulty;
}

void
calm(struct campaign *c)
{
    int64_t end = c->now_ns + CALM_NS;

    tries_forget(c);
    c->n_tries = 0;
    c->is_calm = true;
    c->last_step_ns = c->now_ns;
    while (c->now_ns < end && !daemon_is_settled(c)) {
        campaign_run_for(c, CALM_STEP_NS);
    }
    if (c->n_requests || c->n_suspends) {
        campaign_fail(c, "%u commands are without an answer",
                      c->n_requests + c->n_suspends);
    }
    if (!daemon_is_settled(c)) {
        check_unsettled(c);
    }
    c->is_calm = false;
}

void
calm_print(struct campaign *c)
{
    const struct vdpad_plan *plan = vdpad_ctl_plan(c->ctl);
    const struct vdpad_world *w = vdpad_ctl_world(c->ctl);

    for (size_t i = 0; c->trace && i < plan->n; i++) {
        campaign_trace(c, "  planned: %s %s: %s%s%s",
                       vdpad_step_action(&plan->steps[i]),
                       vdpad_step_object(&plan->steps[i]),
                       plan->steps[i].reason,
                       plan->steps[i].deferred ? " (deferred)" : "",
                       plan->steps[i].in_flight ? " (in flight)" : "");
    }
    for (size_t i = 0; c->trace && i < w->n_devs; i++) {
        campaign_trace(c, "  %s: %s: %s", w->devs[i].name,
                       vdpad_state_name(w->devs[i].state), w->devs[i].reason);
    }
    for (size_t i = 0; c->trace && i < w->n_pfs; i++) {
        campaign_trace(c, "  %s: %s: %s", w->pfs[i].pci->bdf,
                       vdpad_state_name(w->pfs[i].state), w->pfs[i].reason);
    }
    for (size_t i = 0; c->trace && i < w->n_problems; i++) {
        campaign_trace(c, "  problem: %s %s: %s", w->problems[i].key,
                       w->problems[i].word, w->problems[i].text);
    }
}

void
calm_check_second_run(struct campaign *c)
{
    struct rng r = { 0 };
    struct end *before, *after;
    char text[400];
    bool same;

    /* What is waited for becomes what blocks (controller/patience.h). */
    c->quiet = "a daemon that is settled";
    campaign_run_for(c, QUIET_NS);
    before = end_of(c);
    daemon_kill(c, &r, 0);
    c->quiet = "a second run";
    memset(c->n_asked_modes, 0, sizeof c->n_asked_modes);
    campaign_run_for(c, 100 * SEC);
    c->quiet = NULL;
    after = end_of(c);
    same = end_is_same(before, after, text, sizeof text);
    free(before);
    free(after);
    if (!same) {
        campaign_fail(c, "a restart changes what is seen: %s", text);
    }
    tally.second_runs++;
}
