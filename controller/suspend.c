/* SPDX-License-Identifier: Apache-2.0 */
#include "suspend.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util.h"

struct request {
    struct request *next;
    char *policy;
    bool on, force;
    void (*cb)(void *aux, int error, const struct vdpad_error *why);
    void *aux;
};

struct vdpad_suspender {
    struct vdpad_store *store;
    struct vdpad_memory *memory;
    struct request *requests;
    bool committing; /* The first of them. */
    bool ended;
};

struct vdpad_suspender *
vdpad_suspender_new(struct vdpad_store *store, struct vdpad_memory *memory)
{
    struct vdpad_suspender *s = vdpad_xcalloc(1, sizeof *s);

    s->store = store;
    s->memory = memory;
    return s;
}

static void
drop_first(struct vdpad_suspender *s)
{
    struct request *r = s->requests;

    s->requests = r->next;
    free(r->policy);
    free(r);
}

void
vdpad_suspender_free(struct vdpad_suspender *s)
{
    if (s) {
        while (s->requests) {
            drop_first(s);
        }
        free(s);
    }
}

void
vdpad_suspender_add(
    struct vdpad_suspender *s, const char *policy, bool on, bool force,
    void (*cb)(void *aux, int error, const struct vdpad_error *why), void *aux)
{
    struct request *r = vdpad_xcalloc(1, sizeof *r);
    struct request **at = &s->requests;

    r->policy = vdpad_xstrdup(policy);
    r->on = on;
    r->force = force;
    r->cb = cb;
    r->aux = aux;
    while (*at) {
        at = &(*at)->next;
    }
    *at = r;
}

/* Appends 'name' to the list 'value'; returns it, moved. */
static char *
append(char *value, const char *name)
{
    size_t len = value ? strlen(value) : 0;
    size_t size = len + strlen(name) + 2;

    value = vdpad_xrealloc(value, size, 1);
    vdpad_text(value + len, size - len, "%s%s", len ? " " : "", name);
    return value;
}

/* The key's new value (the caller frees it); NULL: no key. */
static char *
new_value(const struct request *r, const struct vdpad_config *c)
{
    char *value = NULL;
    bool found = false;

    if (!strcmp(r->policy, "*")) {
        return r->on ? vdpad_xstrdup("*") : NULL;
    }
    if (c->suspend_all && r->on) {
        return vdpad_xstrdup("*");
    }
    if (c->suspend_all) {
        /* All but one: the others have to be named. */
        for (size_t i = 0; i < c->n_policies; i++) {
            if (strcmp(c->policies[i].name, r->policy) != 0) {
                value = append(value, c->policies[i].name);
            }
        }
        for (size_t i = 0; i < c->n_refused_policies; i++) {
            if (strcmp(c->refused_policies[i], r->policy) != 0) {
                value = append(value, c->refused_policies[i]);
            }
        }
        return value;
    }
    for (size_t i = 0; i < c->n_suspended; i++) {
        if (strcmp(c->suspended[i], r->policy)) {
            value = append(value, c->suspended[i]);
        } else if (r->on) {
            found = true;
            value = append(value, r->policy);
        }
    }
    return r->on && !found ? append(value, r->policy) : value;
}

static void
on_committed(void *aux, int error, const struct vdpad_error *why)
{
    struct vdpad_suspender *s = aux;
    struct request *r = s->requests;

    s->committing = false;
    s->ended = true;
    if (error == -EAGAIN) {
        return; /* Once more. */
    }
    if (!error) {
        vdpad_memory_force(s->memory, r->policy, r->on && r->force);
    }
    r->cb(r->aux, error, why);
    drop_first(s);
}

/* Force holds for as long as the suspension that it came with. */
static void
end_force(struct vdpad_suspender *s, const struct vdpad_config *c)
{
    struct vdpad_memory *m = s->memory;

    for (size_t i = 0; i < m->n_forced;) {
        char policy[sizeof *m->forced];

        if (vdpad_config_is_suspended(c, m->forced[i])) {
            i++;
            continue;
        }
        vdpad_copy(policy, sizeof policy, m->forced[i]);
        vdpad_memory_force(m, policy, false);
        i = 0;
    }
}

void
vdpad_suspender_run(struct vdpad_suspender *s,
                    const struct vdpad_config *config, uint64_t serial)
{
    if (serial) {
        end_force(s, config);
    }
    if (!s->requests || s->committing) {
        return;
    }

    struct request *r = s->requests;
    char *value = new_value(r, config);
    struct vdpad_dbop op = { .kind = VDPAD_DBOP_OVS_EXTERNAL_ID,
                             .tag = -1,
                             .key = VDPAD_KEY_SUSPENDED,
                             .value = value };
    int error = serial
                    ? s->store->ops->commit(s->store, &op, 1, on_committed, s)
                    : -ENOTCONN;

    free(value);
    if (!error) {
        s->committing = true;
    } else if (error != -EBUSY) {
        struct vdpad_error why;

        if (error == -EROFS) {
            vdpad_error_set(&why, error,
                            "this daemon runs with --dry-run and changes "
                            "nothing");
        } else {
            vdpad_error_set(&why, error, "the database cannot be written: %s",
                            strerror(-error));
        }
        r->cb(r->aux, error, &why);
        drop_first(s);
    }
}

bool
vdpad_suspender_take_ended(struct vdpad_suspender *s)
{
    bool ended = s->ended;

    s->ended = false;
    return ended;
}
