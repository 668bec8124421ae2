/* SPDX-License-Identifier: Apache-2.0 */
/* verify: whether the cached pictures are what the host looks like now. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd-call.h"
#include "fields.h"

#define SET(OBJECT, KEY, VALUE) vdpad_json_set(OBJECT, KEY, VALUE)
#define N_ELEMS(ARRAY) (sizeof(ARRAY) / sizeof(ARRAY)[0])
#define DIFFERENCES_MAX 1000 /* That are listed; all are counted. */

/* Holders and flows of the kernel datapath come and go untold, and counters of
 * filters run: their cached pictures may differ at any time, and they are
 * observed whenever they are needed.  Which filters there are is verified by
 * the tracker, with each of its dumps. */
#define POLLED                                          \
    (VDPAD_MASK(VDPAD_HOLDER) | VDPAD_MASK(VDPAD_FLOW)  \
     | VDPAD_MASK(VDPAD_KFLOW) | VDPAD_MASK(VDPAD_HOST) \
     | VDPAD_MASK(VDPAD_TCPRIO))
#define COMPARED ((VDPAD_MASK(VDPAD_N_CLASSES) - 1) & ~POLLED)

struct comparison {
    enum vdpad_class class_;
    json_t *differences;
};

static void
on_difference(void *comparison_, const void *cached, const void *fresh)
{
    struct comparison *comparison = comparison_;
    enum vdpad_class class_ = comparison->class_;
    char key[320], text[1024];

    if (json_array_size(comparison->differences) >= DIFFERENCES_MAX) {
        return;
    }
    vdpad_row_key(class_, cached ? cached : fresh, key, sizeof key);
    if (cached && fresh) {
        vdpad_row_diff(class_, cached, fresh, text, sizeof text);
    } else {
        vdpad_row_text(class_, cached ? cached : fresh, text, sizeof text);
    }
    json_t *row = json_object();
    SET(row, "class", vdpad_json_text(vdpad_class_name(class_)));
    SET(row, "key", vdpad_json_text(key));
    SET(row, "kind",
        vdpad_json_text(!cached  ? "missing"
                        : !fresh ? "extra"
                                 : "differs"));
    SET(row, "text", vdpad_json_text(text));
    vdpad_json_add(comparison->differences, row);
}

/* Writes to 'text' how well the tracker of filters does. */
static const char *
tracked(const struct vdpad_call *call, char *text, size_t size)
{
    const struct vdpad_kernel *kernel = vdpad_ctl_kernel(call->ctl);
    struct vdpad_kernel_stats stats;

    kernel->ops->stats(kernel, &stats);
    (void) snprintf(text, size,
                    "counters run; %" PRIu64 " filters tracked, %" PRIu64
                    " past the limit, %" PRIu64 " repaired",
                    stats.flows, stats.untracked, stats.repaired);
    return text;
}

/* Compares one class; appends to 'differences' and returns its line. */
static json_t *
compare_class(const struct vdpad_call *call, enum vdpad_class class_,
              const struct vdpad_observed_class *cached,
              const struct vdpad_observed_class *fresh, json_t *differences)
{
    struct comparison comparison = { class_, differences };
    const char *result = "same", *why = NULL;
    char text[160];
    size_t n = 0;

    if (POLLED & VDPAD_MASK(class_)) {
        result = "polled";
        why = class_ == VDPAD_FLOW
                  ? tracked(call, text, sizeof text)
                  : "no event tells of changes: observed whenever it is shown";
    } else if (fresh->error || !fresh->known) {
        result = "unknown";
        why = fresh->error && fresh->why.text[0] ? fresh->why.text
              : fresh->error                     ? strerror(-fresh->error)
                                                 : "it could not be observed";
    } else if (!cached->known || !cached->fresh) {
        result = "unknown";
        why = "the cache is known to be out of date, and is being observed";
    } else {
        n = vdpad_picture_compare(&cached->picture, &fresh->picture,
                                  on_difference, &comparison);
        result = n ? "differs" : "same";
    }

    json_t *row = json_object();
    SET(row, "class", vdpad_json_text(vdpad_class_name(class_)));
    SET(row, "result", vdpad_json_text(result));
    SET(row, "rows",
        cached->known ? vdpad_json_int((int64_t) cached->picture.n)
                      : json_null());
    SET(row, "differences", vdpad_json_int((int64_t) n));
    SET(row, "why", vdpad_json_text(why));
    return row;
}

static char *
verify_text(json_t *o)
{
    static const struct vdpad_column class_columns[] = {
        { "CLASS", "class" }, { "RESULT", "result" },
        { "ROWS", "rows" },   { "DIFFERENCES", "differences" },
        { "WHY", "why" },
    };
    static const struct vdpad_column difference_columns[] = {
        { "CLASS", "class" },
        { "KEY", "key" },
        { "IN CACHE", "kind" },
        { "WHAT", "text" },
    };
    struct vdpad_text_stream out;

    vdpad_text_open(&out);
    vdpad_table_print(out.stream, json_object_get(o, "classes"), class_columns,
                      N_ELEMS(class_columns));
    fputs("\n", out.stream);
    vdpad_table_print(out.stream, json_object_get(o, "differences"),
                      difference_columns, N_ELEMS(difference_columns));
    return vdpad_text_close(&out);
}

static void
on_fresh(void *call_, const struct vdpad_observed *fresh)
{
    struct vdpad_call *call = call_;
    const struct vdpad_world *world = vdpad_call_world(call);
    json_t *classes = json_array(), *differences = json_array();
    json_t *o = json_object();
    bool equal = true;

    if (!fresh) {
        json_decref(classes);
        json_decref(differences);
        json_decref(o);
        vdpad_call_error(call, "the host could not be observed: see status");
        return;
    }
    for (int i = 0; i < VDPAD_N_CLASSES; i++) {
        json_t *row = compare_class(call, (enum vdpad_class) i,
                                    &world->observed->class_[i],
                                    &fresh->class_[i], differences);

        /* What could not be compared is not known to be equal. */
        equal = equal
                && strcmp(json_string_value(json_object_get(row, "result")),
                          "unknown")
                && !json_integer_value(json_object_get(row, "differences"));
        vdpad_json_add(classes, row);
    }
    SET(o, "equal", vdpad_json_bool(equal));
    SET(o, "classes", classes);
    SET(o, "differences", differences);
    vdpad_call_reply(call, o, call->json ? NULL : verify_text(o));
}

static void
run_verify(struct vdpad_call *call)
{
    vdpad_ctl_refresh(call->ctl, COMPARED, true, on_fresh, call);
}

const struct vdpad_command vdpad_commands_verify[] = {
    { "verify", "[--json]", 0, 0, 0, run_verify },
    { .name = NULL },
};
