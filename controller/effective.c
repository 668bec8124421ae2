/* SPDX-License-Identifier: Apache-2.0 */
#include "effective.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include <vdpad/log.h>

#include "util.h"

#define SEC_NS INT64_C(1000000000)

/* An answer that is older is asked for anew when somebody wants to see it. */
#define SHOWN_NS (5 * SEC_NS)

/* ovs-vswitchd learns of the key when we do: it may not have read it yet when
 * it is asked first. */
#define RETRY_MIN_NS SEC_NS
#define RETRY_MAX_NS (60 * SEC_NS)

#define LABEL "Globally enabled: "

/* What an answer depends on. */
struct input {
    int32_t pid;
    bool configured, has_port;
};

struct vdpad_effective {
    struct vdpad_vswitchd *vswitchd; /* Or NULL. */
    struct vdpad_history *history;
    struct vdpad_effect_state state;
    struct input input; /* Of the last run. */
    struct input asked; /* Of the question under way. */
    bool asking, wanted, ran;
    int64_t now_ns, asked_ns;
    int64_t retry_ns, pause_ns; /* 0: none. */
    char datapath[80];          /* Of userspace, for the third command. */
};

struct vdpad_effective *
vdpad_effective_new(struct vdpad_vswitchd *vswitchd,
                    struct vdpad_history *history)
{
    struct vdpad_effective *e = vdpad_xcalloc(1, sizeof *e);

    e->vswitchd = vswitchd;
    e->history = history;
    vdpad_text(e->state.told_by, sizeof e->state.told_by,
               "ovs-vswitchd was not asked yet");
    return e;
}

void
vdpad_effective_free(struct vdpad_effective *e)
{
    free(e);
}

bool
vdpad_hw_offload_configured(const struct vdpad_snapshot *db)
{
    const char *value = db ? vdpad_map_get(&db->other_config, "hw-offload")
                           : NULL;

    /* As smap_get_bool() of Open vSwitch's lib/smap.c. */
    return value && !strcasecmp(value, "true");
}

/* Whether ovs-vswitchd has a port in the kernel's datapath: every bridge of
 * that has one of its own. */
static bool
has_kernel_port(const struct vdpad_snapshot *db)
{
    for (size_t i = 0; db && i < db->n_ifaces; i++) {
        const struct vdpad_db_iface *iface = &db->ifaces[i];
        const struct vdpad_db_bridge *bridge;

        bridge = &db->bridges[db->ports[iface->port].bridge];
        if (iface->ofport > 0
            && (!bridge->datapath_type[0]
                || !strcmp(bridge->datapath_type, "system"))) {
            return true;
        }
    }
    return false;
}

/* Sets what to do about a difference, and tells of a new one. */
static void
compare(struct vdpad_effective *e)
{
    struct vdpad_effect_state *s = &e->state;
    bool differs = (s->effect == VDPAD_EFFECT_YES) != e->input.configured;
    struct timespec t;

    /* Of the same process and the same key: no answer is no news. */
    if (s->effect == VDPAD_EFFECT_UNKNOWN) {
        return;
    }
    if (!differs) {
        if (s->remedy[0]) {
            vdpad_history_add(e->history, "ovs-vswitchd", "hw-offload",
                              "in effect as configured again");
        }
        s->remedy[0] = '\0';
        s->differs_since_ms = 0;
        return;
    }
    if (!s->differs_since_ms) {
        clock_gettime(CLOCK_REALTIME, &t);
        s->differs_since_ms = (int64_t) t.tv_sec * 1000 + t.tv_nsec / 1000000;
    } else if (!s->remedy[0]) {
        vdpad_text(s->remedy, sizeof s->remedy,
                   e->input.configured
                       ? "hw-offload is true in the database but not in "
                         "effect: restart ovs-vswitchd (process %" PRId32 ")"
                       : "hw-offload is not true in the database, but "
                         "ovs-vswitchd (process %" PRId32
                         ") goes on offloading until it is restarted",
                   s->pid);
        vdpad_log(VDPAD_LOG_WARN, "%s", s->remedy);
        vdpad_history_add(e->history, "ovs-vswitchd", "hw-offload", "%s",
                          s->remedy);
    }
}

/* Ends the question.  'retry': the answer is none. */
static void
conclude(struct vdpad_effective *e, enum vdpad_effect effect,
         const char *told_by, bool retry)
{
    e->asking = false;
    if (e->asked.pid != e->input.pid) {
        return; /* Of a process that is gone; run() asks the new one. */
    }
    e->state.effect = effect;
    vdpad_text(e->state.told_by, sizeof e->state.told_by, "%s", told_by);
    compare(e);
    if (retry || e->state.differs_since_ms) {
        e->pause_ns = e->pause_ns ? e->pause_ns * 2 : RETRY_MIN_NS;
        if (e->pause_ns > RETRY_MAX_NS) {
            e->pause_ns = RETRY_MAX_NS;
        }
        e->retry_ns = e->now_ns + e->pause_ns;
    } else {
        e->retry_ns = e->pause_ns = 0;
    }
}

/* Asks with 'command' and up to one argument. */
static void
ask(struct vdpad_effective *e, const char *command, const char *arg,
    vdpad_vswitchd_cb *cb)
{
    if (e->vswitchd->ops->call(e->vswitchd, command, &arg, arg ? 1 : 0, cb,
                               e)) {
        conclude(e, VDPAD_EFFECT_UNKNOWN, "too many questions wait", true);
    }
}

static void
on_failed(struct vdpad_effective *e, const struct vdpad_error *why)
{
    conclude(e, VDPAD_EFFECT_UNKNOWN, why->text, true);
}

/* No port that would tell was seen. */
static void
conclude_without(struct vdpad_effective *e)
{
    /* A port that came after the question may have been handed to TC. */
    if (e->asked.has_port) {
        conclude(e, VDPAD_EFFECT_NO, "upcall/show", false);
    } else {
        conclude(e, VDPAD_EFFECT_UNKNOWN,
                 "ovs-vswitchd has no port by which this version could tell",
                 false);
    }
}

static void
on_stats(void *e_, int error, const char *reply, const struct vdpad_error *why)
{
    static const char command[] = "dpctl/offload-stats-show";
    struct vdpad_effective *e = e_;

    (void) reply;
    if (!error) {
        conclude(e, VDPAD_EFFECT_YES, command, false);
    } else if (error == -EIO && strstr(why->text, "(Invalid argument)")) {
        conclude(e, VDPAD_EFFECT_NO, command, false);
    } else if (error == -EIO || error == -EOPNOTSUPP) {
        conclude_without(e);
    } else {
        on_failed(e, why);
    }
}

/* Finds the first datapath that is not the kernel's: "TYPE@NAME:" at the
 * beginning of a line. */
static bool
find_userspace(const char *text, char name[80])
{
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';

        size_t n = strcspn(line, "\n");
        const char *at = memchr(line, '@', n);

        if (at && *line != ' ' && line[n - 1] == ':' && n < 80
            && strncmp(line, "system@", strlen("system@"))) {
            vdpad_text(name, 80, "%.*s", (int) n - 1, line);
            return true;
        }
    }
    return false;
}

static void
on_upcall(void *e_, int error, const char *reply,
          const struct vdpad_error *why)
{
    struct vdpad_effective *e = e_;

    if (error) {
        on_failed(e, why);
    } else if (strstr(reply, "offloaded flows")) {
        conclude(e, VDPAD_EFFECT_YES, "upcall/show", false);
    } else if (find_userspace(reply, e->datapath)) {
        ask(e, "dpctl/offload-stats-show", e->datapath, on_stats);
    } else {
        conclude_without(e);
    }
}

static void
on_offload_show(void *e_, int error, const char *reply,
                const struct vdpad_error *why)
{
    struct vdpad_effective *e = e_;
    const char *value = reply ? strstr(reply, LABEL) : NULL;

    if (value) {
        value += strlen(LABEL);
        conclude(e,
                 !strncmp(value, "true", 4)    ? VDPAD_EFFECT_YES
                 : !strncmp(value, "false", 5) ? VDPAD_EFFECT_NO
                                               : VDPAD_EFFECT_UNKNOWN,
                 "dpif/offload/show", false);
    } else if (!error || error == -EOPNOTSUPP) {
        ask(e, "upcall/show", NULL, on_upcall);
    } else {
        on_failed(e, why);
    }
}

/* Another process runs, or none. */
static void
take_pid(struct vdpad_effective *e, int32_t pid)
{
    bool has_run = e->state.has_run || pid;

    memset(&e->state, 0, sizeof e->state);
    e->state.pid = pid;
    e->state.has_run = has_run;
    e->retry_ns = e->pause_ns = 0;
    vdpad_text(e->state.told_by, sizeof e->state.told_by, "%s",
               pid ? "ovs-vswitchd was not asked yet"
                   : "no ovs-vswitchd runs");
}

void
vdpad_effective_run(struct vdpad_effective *e, const struct vdpad_snapshot *db,
                    int64_t now_ns)
{
    struct input in = { 0 };

    e->now_ns = now_ns;
    if (!e->vswitchd || !db) {
        return;
    }
    in.pid = e->vswitchd->ops->pid(e->vswitchd);
    in.configured = vdpad_hw_offload_configured(db);
    in.has_port = has_kernel_port(db);
    if (!e->ran || in.pid != e->input.pid) {
        take_pid(e, in.pid);
        e->wanted = true;
    } else if (in.configured != e->input.configured
               || in.has_port != e->input.has_port) {
        e->wanted = true;
        e->pause_ns = 0;
        e->state.differs_since_ms = 0;
        e->state.remedy[0] = '\0';
    }
    e->ran = true;
    e->input = in;
    if (e->retry_ns && now_ns >= e->retry_ns) {
        e->retry_ns = 0;
        e->wanted = true;
    }
    if (!e->wanted || e->asking) {
        return;
    }
    e->wanted = false;
    if (in.pid) {
        e->asking = true;
        e->asked = in;
        e->asked_ns = now_ns;
        ask(e, "dpif/offload/show", NULL, on_offload_show);
    }
}

int64_t
vdpad_effective_next_ns(const struct vdpad_effective *e)
{
    if (e->wanted && !e->asking) {
        return e->now_ns;
    }
    return e->retry_ns && !e->asking ? e->retry_ns : INT64_MAX;
}

const struct vdpad_effect_state *
vdpad_effective_get(struct vdpad_effective *e)
{
    if (e->vswitchd && e->input.pid && !e->asking
        && e->now_ns - e->asked_ns >= SHOWN_NS) {
        e->wanted = true;
    }
    return &e->state;
}
