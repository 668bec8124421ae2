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
    c->gen = 1;
    c->lag_ns = 2 * SEC;
    the_campaign = c;
    host_make(c);
    for (int i = 0; i < N_PFS; i++) {
        c->host_pfs[i] = c->sim->pfs[i].numvfs > 0
                         || c->sim->pfs[i].autoprobe != 1;
        c->host_numvfs[i] = c->sim->pfs[i].numvfs;
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
                          config->n_refused_policies);
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

/* Whether some PF has a mode that nobody asks for any more and that its driver
 * does not change at present. */
static bool
has_other_mode(struct campaign *c)
{
    const struct vdpad_world *w = vdpad_ctl_world(c->ctl);

    for (size_t i = 0; i < w->n_pfs; i++) {
        if (w->pfs[i].managed && w->pfs[i].record
            && w->pfs[i].record->mode >= 0
            && w->pfs[i].want_mode == VDPAD_ESWITCH_NONE) {
            return true;
        }
    }
    return false;
}

/* Whether a port of ours is left that no device wants: it stays for as long as
 * some policy cannot be applied in full. */
static bool
has_kept_port(const struct vdpad_world *w)
{
    bool is_unsure = false;

    for (size_t i = 0; i < w->n_problems; i++) {
        is_unsure |= !strncmp(w->problems[i].key, VDPAD_KEY_POLICY,
                              strlen(VDPAD_KEY_POLICY));
    }
    for (size_t i = 0; is_unsure && w->db && i < w->db->n_ifaces; i++) {
        const struct vdpad_db_iface *iface = &w->db->ifaces[i];
        bool is_wanted = !vdpad_iface_is_ours(iface);

        for (size_t d = 0; d < w->n_devs && !is_wanted; d++) {
            is_wanted = w->devs[d].iface == iface && w->devs[d].want_attach;
        }
        if (!is_wanted) {
            return true;
        }
    }
    return false;
}

/* Whether something is kept because nobody can tell whether it is wanted: what
 * that is depends on what was before. */
static bool
is_frozen(struct campaign *c)
{
    const struct vdpad_world *w = vdpad_ctl_world(c->ctl);
    bool frozen = has_other_mode(c) || has_kept_port(w);

    for (int i = 0; i < N_PFS; i++) {
        /* A VF of others that a policy had given to vfio-pci stays there. */
        for (int j = 0; c->host_pfs[i] && j < N_VFS; j++) {
            frozen |= !strcmp(c->sim->pfs[i].vfs[j].driver, "vfio-pci");
        }
    }
    for (size_t i = 0; i < w->n_pfs; i++) {
        const struct vdpad_record_pf *r = w->pfs[i].record;

        frozen |= w->pfs[i].managed && w->pfs[i].want_numvfs < 0 && r
                  && r->numvfs >= 0;
        frozen |= w->pfs[i].frozen || w->pfs[i].external
                  || w->pfs[i].state == VDPAD_STATE_BLOCKED
                  || (w->pfs[i].state == VDPAD_STATE_FAILED
                      && w->pfs[i].pci->numvfs
                      && (!w->pfs[i].record || w->pfs[i].record->numvfs));
    }
    frozen |= w->config->n_refused_ports > 0
              || w->config->n_refused_policies > 0 || c->are_ports_others;
    for (size_t i = 0; i < w->n_devs; i++) {
        frozen |= w->devs[i].intent == VDPAD_INTENT_FREEZE;
        /* Who comes first has the name. */
        frozen |= strstr(w->devs[i].reason, "is already called") != NULL;
    }
    return frozen;
}

/* Returns the essence at the end, or NULL when it failed. */
static char *
run(struct campaign *c, FILE *trace)
{
    static jmp_buf failed;
    char *volatile first = NULL;
    char *volatile end = NULL;

    c->trace = trace;
    c->failed = &failed;
    if (setjmp(failed)) {
        free(first);
        free(end);
        tear_down(c);
        return NULL;
    }
    set_up(c);
    first = host_essence(c, false);
    daemon_start(c);
    act_all(c);
    campaign_trace(c, "calm");
    faults_end(c);
    if (c->is_faulty) {
        campaign_run_for(c, 35 * SEC); /* Commands come to their end. */
    }
    intent_write(c);
    if (c->is_db_renewed) {
        settle_lost_policies(c);
    }
    calm(c);
    calm_print(c);
    if (c->is_faulty) {
        calm_check_second_run(c);
    }
    give_up_wishes(c);
    c->is_kept = is_frozen(c);
    end = host_essence(c, true);
    campaign_trace(c, "end\n%s", end);
    if (c->is_faulty && !c->is_record_lost) {
        char *last;

        campaign_trace(c, "withdrawn");
        intent_withdraw(c);
        calm(c);
        last = host_essence(c, false);
        if (strcmp(first, last) != 0) {
            campaign_trace(c, "at first\n%sat last\n%s", first, last);
            calm_print(c);
            free(last);
            campaign_fail(c, "what was withdrawn has left something");
        }
        free(last);
    }
    free(first);
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
    char *with, *without = NULL;
    bool same;

    assert(c && ref);
    *c = *plan;
    *ref = *plan;
    c->is_faulty = true;
    tally.schedules++;
    with = run(c, trace);
    if (with && !c->is_record_lost && !c->is_kept) {
        ref->are_ports_others = c->are_ports_others;
        without = run(ref, trace);
        if (without && !ref->is_kept) {
            tally.compared++;
            tally.configured += has_policy(ref);
        }
    }
    same = with
           && (c->is_record_lost || c->is_kept || ref->is_kept
               || (without && !strcmp(with, without)));
    if (!same) {
        (void) snprintf(failure, size, "%s",
                        !with      ? c->failure
                        : !without ? ref->failure
                                   : "another end than without faults");
        if (trace && with && without) {
            fprintf(trace, "with faults\n%swithout\n%s", with, without);
        }
    }
    free(with);
    free(without);
    free(c);
    free(ref);
    return same;
}
