/* SPDX-License-Identifier: Apache-2.0 */
#include "report.h"

#include <stdlib.h>
#include <string.h>

#include <vdpad/log.h>

#include "util.h"

static enum vdpad_log_level
level_of(enum vdpad_state state)
{
    return state == VDPAD_STATE_BLOCKED || state == VDPAD_STATE_FAILED
               ? VDPAD_LOG_WARN
               : VDPAD_LOG_INFO;
}

/* A line of the log costs several system calls, the one to syslog among them:
 * hundreds of them at once would hold up everything else. */
#define MOST_LINES 16

/* What was last told of one device or PF.  A copy: worlds do not last. */
struct told {
    char key[VDPAD_BDF_SIZE + VDPAD_NAME_SIZE];
    char name[VDPAD_NAME_SIZE];
    enum vdpad_state state;
    char blocked[VDPAD_REASON_SIZE]; /* Why, when it is. */
    bool seen;
};

struct vdpad_reporter {
    struct vdpad_history *history;
    size_t n_lines; /* Of the present run(). */
    size_t n, allocated;
    struct told *told;
    size_t n_problems;
    struct vdpad_problem *problems;
    size_t next_problem; /* Where the next one most likely is in them. */
};

struct vdpad_reporter *
vdpad_reporter_new(struct vdpad_history *history)
{
    struct vdpad_reporter *r = vdpad_xcalloc(1, sizeof *r);

    r->history = history;
    return r;
}

void
vdpad_reporter_free(struct vdpad_reporter *r)
{
    if (r) {
        free(r->told);
        free(r->problems);
        free(r);
    }
}

static void
report(struct vdpad_reporter *r, const char *object, enum vdpad_state state,
       const char *reason)
{
    const char *colon = reason[0] ? ": " : "";

    if (r->n_lines++ < MOST_LINES) {
        vdpad_log(level_of(state), "%s is %s%s%s", object,
                  vdpad_state_name(state), colon, reason);
    }
    vdpad_history_add(r->history, object, "state", "%s%s%s",
                      vdpad_state_name(state), colon, reason);
}

/* The order of devices hardly ever changes, so that the search mostly ends at
 * the first look. */
static struct told *
find(struct vdpad_reporter *r, const char *key, size_t hint)
{
    for (size_t i = 0; i < r->n; i++) {
        struct told *t = &r->told[(hint + i) % r->n];

        if (!strcmp(t->key, key)) {
            return t;
        }
    }
    return NULL;
}

static void
tell(struct vdpad_reporter *r, const char *key, const char *name,
     enum vdpad_state state, const char *reason, size_t hint)
{
    const char *blocked = state == VDPAD_STATE_BLOCKED ? reason : "";
    struct told *t = find(r, key, hint);

    /* Reasons of a failure count down the seconds: not news.  What a person
     * has to do is. */
    if (!t || t->state != state || strcmp(t->blocked, blocked) != 0) {
        if (t || state != VDPAD_STATE_FOREIGN) {
            report(r, name, state, reason);
        }
    }
    if (!t) {
        r->told = vdpad_grow(r->told, r->n, &r->allocated, sizeof *r->told);
        t = &r->told[r->n++];
        vdpad_copy(t->key, sizeof t->key, key);
    }
    vdpad_copy(t->name, sizeof t->name, name);
    vdpad_copy(t->blocked, sizeof t->blocked, blocked);
    t->state = state;
    t->seen = true;
}

static void
tell_states(struct vdpad_reporter *r, const struct vdpad_world *w)
{
    size_t kept = 0;

    for (size_t i = 0; i < r->n; i++) {
        r->told[i].seen = false;
    }
    for (size_t i = 0; i < w->n_pfs; i++) {
        const struct vdpad_pf *pf = &w->pfs[i];

        tell(r, pf->pci->bdf, pf->pci->bdf, pf->state, pf->reason, i);
    }
    for (size_t i = 0; i < w->n_devs; i++) {
        const struct vdpad_dev *dev = &w->devs[i];
        char key[sizeof r->told->key];

        if (dev->pf) {
            vdpad_text(key, sizeof key, "%s#%d", dev->pf->pci->bdf,
                       dev->vf_index);
        } else {
            vdpad_copy(key, sizeof key, dev->name);
        }
        tell(r, key, dev->name, dev->state, dev->reason, w->n_pfs + i);
    }
    for (size_t i = 0; i < r->n; i++) {
        if (r->told[i].seen) {
            r->told[kept++] = r->told[i];
        } else if (r->told[i].state != VDPAD_STATE_FOREIGN) {
            if (r->n_lines++ < MOST_LINES) {
                vdpad_log(VDPAD_LOG_INFO, "%s is gone", r->told[i].name);
            }
            vdpad_history_add(r->history, r->told[i].name, "state", "gone");
        }
    }
    r->n = kept;
}

static bool
is_told(struct vdpad_reporter *r, const struct vdpad_problem *p)
{
    for (size_t i = 0; i < r->n_problems; i++) {
        size_t at = (r->next_problem + i) % r->n_problems;

        if (!strcmp(r->problems[at].key, p->key)
            && !strcmp(r->problems[at].word, p->word)
            && !strcmp(r->problems[at].text, p->text)) {
            r->next_problem = at + 1;
            return true;
        }
    }
    return false;
}

static void
tell_problems(struct vdpad_reporter *r, const struct vdpad_world *w)
{
    r->n_lines = 0;
    r->next_problem = 0;
    for (size_t i = 0; i < w->n_problems; i++) {
        const struct vdpad_problem *p = &w->problems[i];

        if (is_told(r, p)) {
            continue;
        }
        if (r->n_lines++ < MOST_LINES) {
            vdpad_log(VDPAD_LOG_WARN, "%s: %s%s%s", p->key, p->word,
                      p->word[0] ? ": " : "", p->text);
        }
        vdpad_history_add(r->history, p->key, "problem", "%s%s%s", p->word,
                          p->word[0] ? ": " : "", p->text);
    }
    if (r->n_lines > MOST_LINES) {
        vdpad_log(VDPAD_LOG_WARN, "%zu more problems: see status --json",
                  r->n_lines - MOST_LINES);
    }
}

void
vdpad_reporter_run(struct vdpad_reporter *r, const struct vdpad_world *w)
{
    r->n_lines = 0;
    tell_states(r, w);
    if (r->n_lines > MOST_LINES) {
        vdpad_log(VDPAD_LOG_INFO,
                  "%zu more states have changed: see "
                  "event/list",
                  r->n_lines - MOST_LINES);
    }
    tell_problems(r, w);
    free(r->problems);
    r->n_problems = w->n_problems;
    r->problems = vdpad_xcalloc(w->n_problems, sizeof *r->problems);
    if (w->n_problems) {
        memcpy(r->problems, w->problems, w->n_problems * sizeof *r->problems);
    }
}

static bool
has_error(const struct vdpad_config *c, const struct vdpad_config_error *e)
{
    for (size_t i = 0; i < c->n_errors; i++) {
        if (!strcmp(c->errors[i].key, e->key)
            && !strcmp(c->errors[i].word, e->word)
            && !strcmp(c->errors[i].reason, e->reason)) {
            return true;
        }
    }
    return false;
}

void
vdpad_report_config(struct vdpad_history *history,
                    const struct vdpad_config *old,
                    const struct vdpad_config *new_)
{
    for (size_t i = 0; i < new_->n_errors; i++) {
        const struct vdpad_config_error *e = &new_->errors[i];

        if (!has_error(old, e)) {
            const char *word = vdpad_unless_first(e->word, e->reason);
            const char *colon = word[0] ? ": " : "";

            vdpad_log(VDPAD_LOG_ERR, "external_ids:%s: %s%s%s", e->key, word,
                      colon, e->reason);
            vdpad_history_add(history, e->key, "config", "%s%s%s", word, colon,
                              e->reason);
        }
    }
}
