/* SPDX-License-Identifier: Apache-2.0 */
/* why: every check that offload of a device needs. */
#include "cmd-why.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <vdpad/loop.h>

#include "cmd-call.h"
#include "util.h"

#define SET(OBJECT, KEY, VALUE) vdpad_json_set(OBJECT, KEY, VALUE)
#define N_ELEMS(ARRAY) (sizeof(ARRAY) / sizeof(ARRAY)[0])

static void __attribute__((format(printf, 2, 0)))
format_into(char text[VDPAD_REASON_SIZE], const char *format, va_list args)
{
    char raw[VDPAD_REASON_SIZE];

    if (vsnprintf(raw, sizeof raw, format, args) < 0) {
        raw[0] = '\0';
    }
    vdpad_text(text, VDPAD_REASON_SIZE, "%s", raw);
}

void
vdpad_skip(struct vdpad_finding *finding)
{
    finding->result = VDPAD_CHECK_SKIP;
}

void
vdpad_found(struct vdpad_finding *finding, enum vdpad_check_result result,
            const char *format, ...)
{
    va_list args;

    finding->result = result;
    va_start(args, format);
    format_into(finding->seen, format, args);
    va_end(args);
}

void
vdpad_remedy(struct vdpad_finding *finding, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    format_into(finding->remedy, format, args);
    va_end(args);
}

const char *
vdpad_shell_word(const char *word, char buf[VDPAD_SHELL_SIZE])
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
                                "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "_@%+=:,./-";
    size_t len = strlen(word);

    if (len && len < VDPAD_SHELL_SIZE && word[0] != '-'
        && strspn(word, plain) == len) {
        return word;
    }
    for (const char *p = word; *p; p++) {
        unsigned char c = (unsigned char) *p;
        /* Quotes end the quoting, others do not survive the way to the
         * terminal. */
        if (c < 0x20 || c >= 0x7f || c == '\'') {
            return "NAME";
        }
    }
    if (len + 3 > VDPAD_SHELL_SIZE || word[0] == '-') {
        return "NAME";
    }
    snprintf(buf, VDPAD_SHELL_SIZE, "'%s'", word);
    return buf;
}

bool
vdpad_check_knows(const struct vdpad_check_input *input,
                  enum vdpad_class class_, struct vdpad_finding *finding)
{
    const struct vdpad_observed_class *c =
        &input->world->observed->class_[class_];

    if (!c->known) {
        vdpad_found(finding, VDPAD_CHECK_UNKNOWN, "%s cannot be observed%s%s",
                    vdpad_class_name(class_), c->error ? ": " : "",
                    !c->error        ? ""
                    : c->why.text[0] ? c->why.text
                                     : strerror(-c->error));
    }
    return c->known;
}

static const char *
result_name(enum vdpad_check_result result)
{
    switch (result) {
    case VDPAD_CHECK_OK:
        return "ok";
    case VDPAD_CHECK_FAIL:
        return "fail";
    case VDPAD_CHECK_UNKNOWN:
    case VDPAD_CHECK_SKIP:
    default:
        return "unknown";
    }
}

/* What generic netlink told some time ago and does not tell now may have
 * changed: whatever it says, it is not certain. */
static void
doubt(const struct vdpad_check_input *input, unsigned int classes,
      struct vdpad_finding *finding)
{
    for (int i = 0; i < VDPAD_N_CLASSES; i++) {
        const struct vdpad_observed_class *c =
            &input->world->observed->class_[i];
        int64_t age = vdpad_loop_clock_ns() - c->at_ns;
        char seen[VDPAD_REASON_SIZE];

        if (classes & VDPAD_MASK(i) && c->known
            && (c->error || (input->is_early && age > VDPAD_SHOWN_AGE_NS))
            && finding->result != VDPAD_CHECK_SKIP) {
            vdpad_copy(seen, sizeof seen, finding->seen);
            vdpad_found(finding, VDPAD_CHECK_UNKNOWN,
                        "generic netlink does not answer; %lld s ago: %s",
                        (long long) (age / 1000000000), seen);
            vdpad_remedy(finding, "ovs-appctl -t ovs-vdpad status tells who "
                                  "holds it up");
            return;
        }
    }
}

/* Makes all checks of 'table', and adds those that apply to 'rows' under the
 * name of 'device' (NULL: all devices). */
static void
run_checks(json_t *rows, const struct vdpad_check *table,
           const struct vdpad_check_input *input, const char *device)
{
    for (; table->name; table++) {
        struct vdpad_finding finding = { .result = VDPAD_CHECK_UNKNOWN };

        table->run(input, &finding);
        doubt(input, table->genl, &finding);
        if (finding.result == VDPAD_CHECK_SKIP) {
            continue;
        }
        json_t *row = json_object();
        SET(row, "device", vdpad_json_text(device));
        SET(row, "check", vdpad_json_text(table->name));
        SET(row, "result", vdpad_json_text(result_name(finding.result)));
        SET(row, "seen", vdpad_json_text(finding.seen));
        SET(row, "remedy", vdpad_json_text(finding.remedy));
        vdpad_json_add(rows, row);
    }
}

static void
run_why(struct vdpad_call *call)
{
    static const struct vdpad_column columns[] = {
        { "DEVICE", "device" }, { "CHECK", "check" },   { "RESULT", "result" },
        { "SEEN", "seen" },     { "REMEDY", "remedy" },
    };
    const struct vdpad_world *world = vdpad_call_world(call);
    const struct vdpad_dev *only = NULL;
    struct vdpad_check_input input = {
        .world = world,
        .looks = call->looks,
        .is_early = call->is_early,
    };
    json_t *rows;

    if (call->argc) {
        only = vdpad_call_device(call, call->argv[0]);
        if (!only) {
            return;
        }
    }
    rows = json_array();
    run_checks(rows, vdpad_checks_host, &input, only ? only->name : NULL);
    run_checks(rows, vdpad_checks_consumer, &input, only ? only->name : NULL);
    for (size_t i = 0; i < world->n_devs; i++) {
        const struct vdpad_dev *dev = &world->devs[i];

        /* A VF that nobody has asked to be more than that is no device. */
        if (only
                ? dev == only
                : dev->vdpa || dev->vbus || dev->intent != VDPAD_INTENT_NONE) {
            input.dev = dev;
            run_checks(rows, vdpad_checks_chain, &input, dev->name);
            run_checks(rows, vdpad_checks_uplink, &input, dev->name);
            run_checks(rows, vdpad_checks_port, &input, dev->name);
            run_checks(rows, vdpad_checks_consumer_port, &input, dev->name);
        }
    }
    vdpad_call_reply_table(call, rows, columns, N_ELEMS(columns));
}

const struct vdpad_command vdpad_commands_why[] = {
    { "why", "[NAME] [--json]", 0, 1,
      VDPAD_MASK_SHOWN | VDPAD_MASK(VDPAD_VDPA) | VDPAD_MASK(VDPAD_FEATURE)
          | VDPAD_MASK(VDPAD_HOST) | VDPAD_MASK_HASTY,
      run_why },
    { .name = NULL },
};
