/* SPDX-License-Identifier: Apache-2.0 */
/* One schedule: made, run with its faults and without, compared. */
#include "campaign.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "controller/lookup.h"

const struct action_kind *
action_kind(const struct action *a)
{
    return a->kind < n_intent_kinds ? &intent_kinds[a->kind]
                                    : &fault_kinds[a->kind - n_intent_kinds];
}

static uint32_t
pick(struct rng *r, const struct action_kind *kinds, size_t n)
{
    uint32_t sum = 0, at;

    for (size_t i = 0; i < n; i++) {
        sum += kinds[i].weight;
    }
    at = any(r, sum);
    for (uint32_t i = 0;; i++) {
        if (at < kinds[i].weight) {
            return i;
        }
        at -= kinds[i].weight;
    }
}

void
schedule_make(struct campaign *c, uint64_t seed)
{
    struct rng r = { seed * UINT64_C(0x2545f4914f6cdd1d) };
    uint32_t intents;

    memset(c, 0, sizeof *c);
    c->seed = seed;
    c->host_rng.state = seed ^ UINT64_C(0x9d39247e33776d41);
    c->n_actions = 4 + any(&r, chance(&r, 80) ? 16 : MAX_ACTIONS - 8);
    intents = 20 + any(&r, 40);
    for (size_t i = 0; i < c->n_actions; i++) {
        struct action *a = &c->actions[i];
        uint32_t gap = any(&r, 10);

        a->gap_ns = gap < 3   ? 0
                    : gap < 5 ? any(&r, 50) * MS
                    : gap < 9 ? any(&r, 3000) * MS
                              : any(&r, 60000) * MS;
        /* There is something to go wrong from the first on. */
        if (!i || chance(&r, intents)) {
            a->kind = i ? pick(&r, intent_kinds, n_intent_kinds) : 0;
        } else {
            a->kind = (uint32_t) n_intent_kinds
                      + pick(&r, fault_kinds, n_fault_kinds);
        }
        a->seed = (uint64_t) any(&r, UINT32_MAX) << 32 | any(&r, UINT32_MAX);
    }
}

static void
set_up(struct campaign *c)
{
    const char *folder = getenv("TMPDIR");

    (void) snprintf(c->dir, sizeof c->dir, "%s/campaign.XXXXXX",
                    folder && strlen(folder) < 32 ? folder
                    : !access("/dev/shm", W_OK)   ? "/dev/shm"
                                                  : "/tmp");
    assert(mkdtemp(c->dir));
    (void) snprintf(c->sim_path, sizeof c->sim_path, "%s/host", c->dir);
    (void) snprintf(c->record_path, sizeof c->record_path, "%s/record",
                    c->dir);
    c->now_ns = 1000 * SEC;
    c->lag_ns = 2 * SEC;
    the_campaign = c;
    host_make(c);
    for (int i = 0; i < N_PFS; i++) {
        c->host_pfs[i] = c->sim->pfs[i].numvfs > 0
                         || c->sim->pfs[i].autoprobe != 1;
        c->host_autoprobes[i] = c->sim->pfs[i].autoprobe;
        c->host_numvfs[i] = c->sim->pfs[i].numvfs;
        c->has_others_vfs[i] = c->host_numvfs[i] > 0;
        c->host_features[i] =
            c->sim->pfs[i].used
            && c->sim->netdevs[c->sim->pfs[i].uplink].feature;
    }
    guard_set_up(c);
}

static void
tear_down(struct campaign *c)
{
    static const char *const suffixes[] = { "", ".new", ".copy", ".bad" };
    char path[128];

    if (c->ctl) {
        vdpad_ctl_free(c->ctl);
    }
    if (c->fake) {
        c->fake->ops->destroy(c->fake);
    }
    if (c->client) {
        c->client->ops->destroy(c->client);
    }
    guard_forget_asked(c);
    host_forget(c);
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        (void) snprintf(path, sizeof path, "%s%s", c->record_path,
                        suffixes[i]);
        (void) unlink(path);
    }
    (void) unlink(c->sim_path);
    (void) rmdir(c->dir);
}

/* The database that was lost knew of policies that the new one does not: they
 * are kept until an operator says, in the new one, that he does not want
 * them. */
static void
settle_lost_policies(struct campaign *c)
{
    struct intent intent = c->intent;

    for (unsigned int i = 0; i < N_POLICIES; i++) {
        /* Selects nothing. */
        (void) snprintf(c->intent.policies[i], sizeof c->intent.policies[i],
                        "pf=0000:9%u:00.0 num-vfs=1 vdpa-type=vhost", i);
    }
    intent_write(c);
    campaign_run_for(c, 10 * SEC);
    c->intent = intent;
    intent_write(c);
}

static bool
is_among(const char *name, char *const names[], size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!strcmp(names[i], name)) {
            return true;
        }
    }
    return false;
}

/* The PF has a number of VFs of which no policy can be applied: others have
 * made as many as no policy wants, or no policy says how many. */
static bool
is_hopeless(const struct vdpad_pf *pf)
{
    bool others = pf->pci->numvfs > 0
                  && !(pf->record && pf->record->numvfs == 0);

    if (!pf->managed || pf->external || !pf->policy) {
        return false;
    }
    return others ? pf->want_numvfs >= 0 && pf->want_numvfs != pf->pci->numvfs
                  : pf->want_numvfs < 0;
}

/* What has been set up is kept while a policy is about a PF that there is
 * not: it may come, and be what the policy was about. */
static bool
is_about_nothing(const struct campaign *c, const char *policy)
{
    unsigned int pf;

    if (sscanf(policy, "pf=0000:%x:", &pf) == 1) {
        pf -= 0x65;
    } else if (sscanf(policy, "pf=up%u", &pf) != 1) {
        return false;
    }
    return pf >= N_PFS || !c->sim->pfs[pf].used;
}

/* Whether the host refuses the policy: that two name VFs in common may be seen
 * only there. */
static bool
has_problem(const struct vdpad_world *w, const char *policy)
{
    for (size_t i = 0; i < w->n_problems; i++) {
        const char *key = w->problems[i].key;
        size_t n = strlen(VDPAD_KEY_POLICY);

        if (!strncmp(key, VDPAD_KEY_POLICY, n) && !strcmp(key + n, policy)) {
            return true;
        }
    }
    return false;
}

/* Takes back keys that are refused or hopeless.  Returns whether there were
 * any. */
static bool
take_back(struct campaign *c)
{
    const struct vdpad_world *w = vdpad_ctl_world(c->ctl);
    const struct vdpad_config *config = w->config;
    bool any = false;

    for (unsigned int i = 0; i < N_POLICIES; i++) {
        char name[16];
        bool is_bad;

        (void) snprintf(name, sizeof name, "p%u", i);
        is_bad = is_among(name, config->refused_policies,
                          config->n_refused_policies)
                 || has_problem(w, name)
                 || is_about_nothing(c, c->intent.policies[i]);
        for (size_t p = 0; p < w->n_pfs; p++) {
            is_bad |= is_hopeless(&w->pfs[p])
                      && !strcmp(w->pfs[p].policy->name, name);
        }
        if (is_bad) {
            c->intent.policies[i][0] = '\0';
            any = true;
        }
    }
    for (unsigned int i = 0; i < N_PORTS; i++) {
        char name[16];

        (void) snprintf(name, sizeof name, "lsp%u", i);
        if (is_among(name, config->refused_ports, config->n_refused_ports)) {
            c->intent.ports[i][0] = '\0';
            any = true;
        }
    }
    return any;
}

/* What stands for a key that is refused, or cannot be applied, is what was
 * before it.  The operator gives up such wishes: then the end follows from the
 * keys alone again. */
static void
give_up_wishes(struct campaign *c)
{
    for (unsigned int i = 0; i < N_POLICIES + N_PORTS && take_back(c); i++) {
        campaign_trace(c, "wishes are given up");
        intent_write(c);
        calm(c);
    }
}

static void
act_all(struct campaign *c)
{
    for (size_t i = 0; i < c->n_actions; i++) {
        const struct action *a = &c->actions[i];
        const struct action_kind *kind = action_kind(a);
        struct rng r = { a->seed };

        if (a->is_out || (!c->is_faulty && !kind->is_intent)) {
            continue;
        }
        if (c->is_faulty) {
            campaign_run_for(c, a->gap_ns);
        }
        campaign_trace(c, "%zu: %s", i, kind->name);
        kind->act(c, &r);
        tally.actions += c->is_faulty;
        if (kind->is_intent) {
            intent_write(c);
        }
        if (!c->is_faulty) {
            c->last_step_ns = c->now_ns;
            for (int n = 0; n < 60 && (n < 2 || !daemon_is_settled(c)); n++) {
                campaign_run_for(c, 2 * SEC);
            }
        }
    }
}

/* Returns the end, or NULL when it failed. */
static struct end *
run(struct campaign *c, FILE *trace)
{
    static jmp_buf failed;
    struct end *volatile first = NULL;
    struct end *volatile end = NULL;
    struct end *volatile last = NULL;

    c->trace = trace;
    c->failed = &failed;
    if (setjmp(failed)) {
        free(first);
        free(end);
        free(last);
        tear_down(c);
        return NULL;
    }
    set_up(c);
    first = end_of(c);
    daemon_start(c);
    act_all(c);
    campaign_trace(c, "calm");
    faults_end(c);
    if (c->is_faulty) {
        campaign_run_for(c, 35 * SEC); /* Commands come to their end. */
    }
    intent_write(c);
    if (c->is_db_renewed && c->is_faulty) {
        settle_lost_policies(c);
    }
    calm(c);
    calm_print(c);
    if (c->is_faulty) {
        calm_check_second_run(c);
    }
    give_up_wishes(c);
    promises_check(c);
    end = end_of(c);
    if (c->is_faulty && !c->is_record_lost) {
        campaign_trace(c, "withdrawn");
        intent_withdraw(c);
        calm(c);
        calm_print(c);
        last = end_of(c);
        if (!c->is_host_changed) {
            promises_check_withdrawn(c, first, last);
        }
    }
    free(first);
    free(last);
    tear_down(c);
    return end;
}

static bool
has_policy(const struct campaign *c)
{
    for (unsigned int i = 0; i < N_POLICIES; i++) {
        if (c->intent.policies[i][0]) {
            return true;
        }
    }
    return false;
}

bool
schedule_run(const struct campaign *plan, char *failure, size_t size,
             FILE *trace)
{
    struct campaign *c = malloc(sizeof *c);
    struct campaign *ref = malloc(sizeof *ref);
    struct end *with, *without = NULL;
    char difference[400];
    bool same = true;

    assert(c && ref);
    *c = *plan;
    *ref = *plan;
    c->is_faulty = true;
    tally.schedules++;
    with = run(c, trace);
    if (!with) {
        (void) snprintf(failure, size, "%s", c->failure);
        same = false;
    } else if (!c->is_record_lost && !c->is_host_changed) {
        memcpy(ref->is_meddled, c->is_meddled, sizeof c->is_meddled);
        without = run(ref, trace);
        if (!without) {
            (void) snprintf(failure, size, "%s", ref->failure);
            same = false;
        } else if (end_compare(with, without, difference, sizeof difference)) {
            (void) snprintf(failure, size,
                            "another end than without faults: %s", difference);
            same = false;
        } else {
            tally.compared++;
            tally.configured += has_policy(ref);
        }
    }
    free(with);
    free(without);
    free(c);
    free(ref);
    return same;
}
