/* SPDX-License-Identifier: Apache-2.0 */
/* plan, reconcile, resync, event/list. */
#include <string.h>
#include <time.h>

#include "cmd-call.h"
#include "config-parse.h"

#define SET(OBJECT, KEY, VALUE) vdpad_json_set(OBJECT, KEY, VALUE)
#define N_ELEMS(ARRAY) (sizeof(ARRAY) / sizeof(ARRAY)[0])

static json_t *
plan_rows(const struct vdpad_plan *plan)
{
    json_t *rows = json_array();

    for (size_t i = 0; i < plan->n; i++) {
        const struct vdpad_step *step = &plan->steps[i];

        if (step->kind == VDPAD_STEP_RECORD) {
            continue;
        }
        json_t *row = json_object();
        SET(row, "action", vdpad_json_text(vdpad_step_action(step)));
        SET(row, "object", vdpad_json_text(vdpad_step_object(step)));
        SET(row, "reason", vdpad_json_text(step->reason));
        SET(row, "when",
            vdpad_json_text(step->in_flight  ? "under way"
                            : step->deferred ? "later"
                                             : "now"));
        vdpad_json_add(rows, row);
    }
    return rows;
}

static void
run_plan(struct vdpad_call *call)
{
    static const struct vdpad_column columns[] = {
        { "ACTION", "action" },
        { "OBJECT", "object" },
        { "WHEN", "when" },
        { "REASON", "reason" },
    };

    vdpad_call_reply_table(call, plan_rows(vdpad_call_plan(call)), columns,
                           N_ELEMS(columns));
}

static void
run_reconcile(struct vdpad_call *call)
{
    const struct vdpad_plan *plan = vdpad_call_plan(call);
    json_t *o = json_object();

    vdpad_ctl_reconcile(call->ctl);
    SET(o, "text",
        vdpad_json_text("planning anew now; failed steps are due "
                        "again at once"));
    SET(o, "steps", plan_rows(plan));
    if (call->json) {
        vdpad_call_reply(call, o, NULL);
        return;
    }
    struct vdpad_text_stream out;
    vdpad_text_open(&out);
    fprintf(out.stream,
            "planning anew now; failed steps are due again at "
            "once (%zu steps so far, see plan)\n",
            json_array_size(json_object_get(o, "steps")));
    vdpad_call_reply(call, o, vdpad_text_close(&out));
}

/* What each class looks like after it was observed anew. */
static void
on_resynced(void *call_, const struct vdpad_observed *fresh)
{
    static const struct vdpad_column columns[] = {
        { "CLASS", "class" },
        { "ROWS", "rows" },
        { "ERROR", "error" },
    };
    struct vdpad_call *call = call_;
    const struct vdpad_world *world = vdpad_call_world(call);
    json_t *rows = json_array();

    (void) fresh;
    for (int i = 0; i < VDPAD_N_CLASSES; i++) {
        const struct vdpad_observed_class *c = &world->observed->class_[i];
        json_t *row = json_object();

        SET(row, "class",
            vdpad_json_text(vdpad_class_name((enum vdpad_class) i)));
        SET(row, "rows",
            c->known ? vdpad_json_int((int64_t) c->picture.n) : json_null());
        SET(row, "error",
            !c->error ? json_null()
                      : vdpad_json_text(c->why.text[0] ? c->why.text
                                                       : strerror(-c->error)));
        vdpad_json_add(rows, row);
    }
    vdpad_call_reply_table(call, rows, columns, N_ELEMS(columns));
}

static void
run_resync(struct vdpad_call *call)
{
    vdpad_ctl_resync(call->ctl);
    vdpad_ctl_refresh(call->ctl, VDPAD_MASK(VDPAD_N_CLASSES) - 1, false,
                      on_resynced, call);
}

/* "2025-11-21T01:50:00.123Z" */
static json_t *
wall_time(int64_t wall_ms)
{
    time_t seconds = (time_t) (wall_ms / 1000);
    struct tm tm;
    char text[32] = "";

    if (!gmtime_r(&seconds, &tm)
        || !strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm)) {
        return json_null();
    }
    return vdpad_json_format("%s.%03dZ", text, (int) (wall_ms % 1000));
}

/* Reads a number of events; whether it is one. */
static bool
parse_count(const char *text, size_t *ret_n)
{
    uint32_t n;

    if (!vdpad_scan_number(&text, UINT32_MAX, &n) || *text || !n) {
        return false;
    }
    *ret_n = n;
    return true;
}

static void
event_list(struct vdpad_call *call)
{
    static const struct vdpad_column columns[] = {
        { "SERIAL", "serial" }, { "TIME", "time" }, { "OBJECT", "object" },
        { "WHAT", "what" },     { "TEXT", "text" },
    };
    const struct vdpad_history *history = vdpad_ctl_history(call->ctl);
    size_t n = vdpad_history_n(history), wanted = 100;
    json_t *rows = json_array();

    if (call->argc
        && (call->argc != 2 || strcmp(call->argv[0], "-n") != 0
            || !parse_count(call->argv[1], &wanted))) {
        json_decref(rows);
        vdpad_call_error(call,
                         "usage: event/list [-n N] [--json], N being "
                         "a number from 1 to %d",
                         VDPAD_HISTORY_SIZE);
        return;
    }
    for (size_t i = n > wanted ? n - wanted : 0; i < n; i++) {
        const struct vdpad_event *event = vdpad_history_get(history, i);
        json_t *row = json_object();

        SET(row, "serial", vdpad_json_u64(event->serial));
        SET(row, "time", wall_time(event->wall_ms));
        SET(row, "object", vdpad_json_text(event->object));
        SET(row, "what", vdpad_json_text(event->what));
        SET(row, "text", vdpad_json_text(event->text));
        vdpad_json_add(rows, row);
    }
    vdpad_call_reply_table(call, rows, columns, N_ELEMS(columns));
}

const struct vdpad_command vdpad_commands_plan[] = {
    { "plan", "[--json]", 0, 0, VDPAD_MASK_DB, run_plan },
    { "reconcile", "[--json]", 0, 0, 0, run_reconcile },
    { "resync", "[--json]", 0, 0, 0, run_resync },
    { "event/list", "[-n N] [--json]", 0, 2, 0, event_list },
    { .name = NULL },
};
