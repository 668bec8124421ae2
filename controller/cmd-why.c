/* SPDX-License-Identifier: Apache-2.0 */
/* why: every check that offload of a device needs. */
#include "cmd-why.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vdpad/loop.h>

#include "cmd-rows.h"
#include "util.h"

#define SET(OBJECT, KEY, VALUE) vdpad_json_set(OBJECT, KEY, VALUE)
#define PAGE 1000 /* Flows that are asked for at a time. */
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

static void
cannot_observe(const struct vdpad_observed_class *c, enum vdpad_class class_,
               struct vdpad_finding *finding)
{
    vdpad_found(finding, VDPAD_CHECK_UNKNOWN, "%s cannot be observed%s%s",
                vdpad_class_name(class_), c->error ? ": " : "",
                !c->error        ? ""
                : c->why.text[0] ? c->why.text
                                 : strerror(-c->error));
}

bool
vdpad_check_knows(const struct vdpad_check_input *input,
                  enum vdpad_class class_, struct vdpad_finding *finding)
{
    const struct vdpad_observed_class *c =
        &input->world->observed->class_[class_];

    if (!c->known) {
        cannot_observe(c, class_, finding);
    }
    return c->known;
}

bool
vdpad_check_knows_now(const struct vdpad_check_input *input,
                      enum vdpad_class class_, struct vdpad_finding *finding)
{
    const struct vdpad_observed_class *c =
        &input->world->observed->class_[class_];

    if (!c->known || c->error) {
        cannot_observe(c, class_, finding);
    }
    return c->known && !c->error;
}

bool
vdpad_check_doubts(const struct vdpad_check_input *input,
                   enum vdpad_class class_)
{
    const struct vdpad_observed_class *c =
        &input->world->observed->class_[class_];

    return !c->known || c->error
           || (input->is_early
               && vdpad_loop_clock_ns() - c->at_ns > VDPAD_SHOWN_AGE_NS);
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
    if (!classes || finding->result == VDPAD_CHECK_SKIP) {
        return;
    }
    for (int i = 0; i < VDPAD_N_CLASSES; i++) {
        const struct vdpad_observed_class *c =
            &input->world->observed->class_[i];
        char seen[VDPAD_REASON_SIZE];

        if (classes & VDPAD_MASK(i) && c->known
            && vdpad_check_doubts(input, (enum vdpad_class) i)) {
            int64_t age = vdpad_loop_clock_ns() - c->at_ns;

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

/* One call that asks for flows before it answers. */
struct why {
    struct vdpad_call *call;
    char device[VDPAD_NAME_SIZE]; /* "": all. */
    bool probe;
    bool has_tc, has_datapath;
    struct vdpad_why_flows tc, datapath;
    struct vdpad_flow_query query;  /* The one under way. */
    bool has_begun;                 /* Checks of all devices are made. */
    char (*names)[VDPAD_NAME_SIZE]; /* Of the devices to be checked. */
    size_t n_names, next;
};

static void
why_free(void *why_)
{
    struct why *why = why_;

    vdpad_why_flows_clear(&why->tc);
    vdpad_why_flows_clear(&why->datapath);
    free(why->names);
    free(why);
}

/* Checks of all devices, then of one device after the other.  One that has
 * gone since they were counted is left out. */
static bool
next_rows(struct vdpad_call *call, void *why_, json_t *rows)
{
    struct why *why = why_;
    const struct vdpad_world *world = vdpad_call_world(call);
    const char *device = why->device[0] ? why->device : NULL;
    struct vdpad_check_input input = {
        .world = world,
        .looks = call->looks,
        .effect = vdpad_ctl_effect(call->ctl),
        .tc = why->has_tc ? &why->tc : NULL,
        .datapath = why->has_datapath ? &why->datapath : NULL,
        .is_early = call->is_early,
    };

    if (!why->has_begun) {
        why->has_begun = true;
        run_checks(rows, vdpad_checks_host, &input, device);
        run_checks(rows, vdpad_checks_guests, &input, device);
        run_checks(rows, vdpad_checks_consumer, &input, device);
    } else if (why->next < why->n_names) {
        input.dev = vdpad_world_find(world, why->names[why->next++]);
    }
    if (input.dev) {
        device = input.dev->name;
        run_checks(rows, vdpad_checks_chain, &input, device);
        run_checks(rows, vdpad_checks_uplink, &input, device);
        run_checks(rows, vdpad_checks_port, &input, device);
        run_checks(rows, vdpad_checks_consumer_port, &input, device);
        run_checks(rows, vdpad_checks_flows, &input, device);
    }
    return why->next < why->n_names;
}

/* A VF that nobody has asked to be more than that is no device. */
static bool
is_device(const struct vdpad_dev *dev)
{
    return dev->vdpa || dev->vbus || dev->intent != VDPAD_INTENT_NONE;
}

static void
reply(void *why_)
{
    static const struct vdpad_column columns[] = {
        { "DEVICE", "device" }, { "CHECK", "check" },   { "RESULT", "result" },
        { "SEEN", "seen" },     { "REMEDY", "remedy" },
    };
    struct why *why = why_;
    const struct vdpad_world *world = vdpad_call_world(why->call);
    const struct vdpad_dev *only = NULL;

    /* It may have gone while flows were asked for. */
    if (why->device[0]) {
        only = vdpad_call_device(why->call, why->device);
        if (!only) {
            why_free(why);
            return;
        }
    }
    why->names = vdpad_xcalloc(world->n_devs, sizeof *why->names);
    for (size_t i = 0; i < world->n_devs; i++) {
        const struct vdpad_dev *dev = &world->devs[i];

        if (only ? dev == only : is_device(dev)) {
            vdpad_copy(why->names[why->n_names++], sizeof *why->names,
                       dev->name);
        }
    }
    vdpad_call_reply_rows(why->call, columns, N_ELEMS(columns), next_rows,
                          why_free, why);
}

static void next_question(struct why *why);

/* Takes a page, and asks for the next one or goes on. */
static void
take_flows(struct why *why, struct vdpad_why_flows *into,
           vdpad_flow_query_cb *cb, int error,
           const struct vdpad_flow_detail *flows, size_t n, bool more,
           const struct vdpad_error *reason)
{
    if (error && !into->n_pages) {
        into->error = error;
        into->why = *reason;
    } else if (error) {
        into->is_cut = true;
    } else if (vdpad_why_take_page(into, &why->query, flows, n, more)) {
        if (!vdpad_ctl_query(why->call->ctl, &why->query, cb, why)) {
            return;
        }
        into->is_cut = true;
    }
    next_question(why);
}

static void
on_tc(void *why_, int error, const struct vdpad_flow_detail *flows, size_t n,
      bool more, const struct vdpad_error *reason)
{
    struct why *why = why_;

    take_flows(why, &why->tc, on_tc, error, flows, n, more, reason);
}

static void
on_datapath(void *why_, int error, const struct vdpad_flow_detail *flows,
            size_t n, bool more, const struct vdpad_error *reason)
{
    struct why *why = why_;

    take_flows(why, &why->datapath, on_datapath, error, flows, n, more,
               reason);
}

static void
on_probe(void *why_, int error, const struct vdpad_flow_detail *flows,
         size_t n, bool more, const struct vdpad_error *reason)
{
    struct why *why = why_;
    struct vdpad_why_probe *probe = &why->tc.probes[why->tc.n_probes++];

    (void) flows;
    (void) n;
    (void) more;
    probe->error = error;
    vdpad_text(probe->text, sizeof probe->text, "%s",
               !error            ? ""
               : reason->text[0] ? reason->text
                                 : strerror(-error));
    next_question(why);
}

static bool
is_asked_about(const struct why *why, const struct vdpad_dev *dev)
{
    return dev->rep && (!why->device[0] || !strcmp(why->device, dev->name));
}

/* Begins the next probe, of the worst flow of the next device that has one.
 * Returns false when there is no more to probe. */
static bool
probe_next(struct why *why)
{
    const struct vdpad_world *world = vdpad_call_world(why->call);
    struct vdpad_flow_query query = { .kind = VDPAD_QUERY_PROBE,
                                      .has_at = true };

    for (size_t i = 0;
         i < world->n_devs && why->tc.n_probes < N_ELEMS(why->tc.probes);
         i++) {
        bool is_cut;
        size_t n;
        const struct vdpad_flow_detail *worst =
            is_asked_about(why, &world->devs[i])
                ? vdpad_why_worst(&why->tc, &world->devs[i], &n, &is_cut)
                : NULL;
        /* What is to stay out of hardware is not offered to it. */
        bool is_new = worst && !vdpad_why_is_skip_hw(worst);

        for (size_t j = 0; is_new && j < why->tc.n_probes; j++) {
            is_new = memcmp(&why->tc.probes[j].at, &worst->pos,
                            sizeof worst->pos)
                     != 0;
        }
        if (is_new) {
            query.at = worst->pos;
            why->tc.probes[why->tc.n_probes].at = worst->pos;
            return !vdpad_ctl_query(why->call->ctl, &query, on_probe, why);
        }
    }
    return false;
}

/* Whether any device that is asked about has filters in software, or flows
 * that are not in TC. */
static bool
has_flows(const struct why *why, bool datapath)
{
    const struct vdpad_world *world = vdpad_call_world(why->call);

    for (size_t i = 0; i < world->n_devs; i++) {
        const struct vdpad_dev *dev = &world->devs[i];

        if (is_asked_about(why, dev)
            && (datapath ? vdpad_why_has_kernel_flows(world->observed, dev)
                         : dev->flow && dev->flow->sw_flows)) {
            return true;
        }
    }
    return false;
}

/* The netdev of the one device that is asked about; 0: all are, or it has
 * none. */
static int32_t
only_ifindex(const struct why *why)
{
    const struct vdpad_world *world = vdpad_call_world(why->call);

    /* By its name alone: the database's rows may be gone (see
     * next_question()). */
    for (size_t i = 0; i < world->n_devs; i++) {
        const struct vdpad_dev *dev = &world->devs[i];

        if (!strcmp(dev->name, why->device) && dev->rep) {
            return dev->rep->ifindex;
        }
    }
    return 0;
}

/* Begins to ask for flows.  Returns false when that is not possible. */
static bool
ask(struct why *why, enum vdpad_flow_query_kind kind, uint32_t where,
    vdpad_flow_query_cb *cb)
{
    why->query = (struct vdpad_flow_query){
        .kind = (int32_t) kind,
        .ifindex = only_ifindex(why),
        .where = where,
        .limit = PAGE,
    };
    return !vdpad_ctl_query(why->call->ctl, &why->query, cb, why);
}

/* Asks what is still to be asked, or answers. */
static void
next_question(struct why *why)
{
    const struct vdpad_observed *o = vdpad_call_world(why->call)->observed;

    if (!why->has_tc && has_flows(why, false)) {
        why->has_tc = true;
        if (ask(why, VDPAD_QUERY_TC, 1u << VDPAD_FLOW_IN_TC, on_tc)) {
            return;
        }
        why->has_tc = false;
    }
    /* Not while generic netlink hangs. */
    if (!why->has_datapath && !why->call->is_early
        && !o->class_[VDPAD_VDPA].error && !o->class_[VDPAD_KFLOW].error
        && has_flows(why, true)) {
        why->has_datapath = true;
        if (ask(why, VDPAD_QUERY_DATAPATH, 0, on_datapath)) {
            return;
        }
        why->has_datapath = false;
    }
    if (why->probe && why->has_tc && !why->tc.error && probe_next(why)) {
        return;
    }
    /* Not from here: an answer of the kernel comes before the controller has
     * taken over the newest snapshot, and the database's rows that the world
     * borrows may be gone already.  And several that waited for the same do
     * not answer in one turn. */
    vdpad_call_later(reply, why);
}

static void
run_why(struct vdpad_call *call)
{
    const struct vdpad_dev *only = NULL;
    struct why *why = vdpad_xcalloc(1, sizeof *why);
    const char *name = NULL;

    why->call = call;
    for (int i = 0; i < call->argc; i++) {
        if (!strcmp(call->argv[i], "--probe")) {
            why->probe = true;
        } else if (name) {
            vdpad_call_error(call, "usage: %s %s", call->command->name,
                             call->command->usage);
            free(why);
            return;
        } else {
            name = call->argv[i];
        }
    }
    if (why->probe && vdpad_ctl_is_dry_run(call->ctl)) {
        vdpad_call_error(call,
                         "this daemon runs with --dry-run and offers no "
                         "filter to hardware: leave --probe out, or ask the "
                         "daemon that is at work");
        free(why);
        return;
    }
    if (name) {
        only = vdpad_call_device(call, name);
        if (!only) {
            free(why);
            return;
        }
        vdpad_copy(why->device, sizeof why->device, only->name);
    }
    next_question(why);
}

const struct vdpad_command vdpad_commands_why[] = {
    { "why", "[NAME] [--probe] [--json]", 0, 2,
      VDPAD_MASK_SHOWN | VDPAD_MASK(VDPAD_VDPA) | VDPAD_MASK(VDPAD_FEATURE)
          | VDPAD_MASK(VDPAD_KFLOW) | VDPAD_MASK(VDPAD_ESWITCH)
          | VDPAD_MASK(VDPAD_HOST) | VDPAD_MASK_HASTY,
      run_why },
    { .name = NULL },
};
