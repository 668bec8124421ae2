/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vdpad/loop.h>

#include "cmd-call.h"
#include "cmd-http.h"
#include "config-parse.h"
#include "util.h"

/* Calls that wait for the classes in 'mask' to be observed. */
struct wait {
    struct wait *next;
    unsigned int mask;
    bool is_new; /* For those that decide by what is so now. */
    struct vdpad_call *calls, **tail;
};

/* What a call goes on with in the next turn. */
struct later {
    struct later *next;
    vdpad_later_cb *cb;
    void *aux;
};

/* One per process, as the registry of commands is. */
static struct {
    struct vdpad_ctl *ctl;
    struct vdpad_loop *loop;
    struct wait *waits;
    struct later *laters, **laters_tail;
    struct vdpad_metrics_server *server; /* NULL: was not needed yet. */
    bool is_renewing;                    /* Kernel flows. */
} commands;

static void
call_free(struct vdpad_call *call)
{
    for (int i = 0; i < call->argc; i++) {
        free(call->argv[i]);
    }
    free(call->argv);
    free(call);
}

const struct vdpad_world *
vdpad_call_world(const struct vdpad_call *call)
{
    return vdpad_ctl_world(call->ctl);
}

const struct vdpad_plan *
vdpad_call_plan(const struct vdpad_call *call)
{
    return vdpad_ctl_plan(call->ctl);
}

void
vdpad_call_reply(struct vdpad_call *call, json_t *tree, char *text)
{
    if (call->json) {
        free(text);
        text = vdpad_json_dump(tree);
    } else {
        json_decref(tree);
    }
    vdpad_call_reply_text(call, text);
}

void
vdpad_call_reply_text(struct vdpad_call *call, char *text)
{
    size_t len = strlen(text);

    if (call->http) {
        vdpad_http_reply(call->http, text);
    } else {
        if (len && text[len - 1] == '\n') {
            text[len - 1] = '\0'; /* The client adds one. */
        }
        vdpad_request_reply(call->request, text);
    }
    free(text);
    call_free(call);
}

void
vdpad_call_reply_table(struct vdpad_call *call, json_t *rows,
                       const struct vdpad_column *columns, size_t n_columns)
{
    char *text = call->json ? NULL
                            : vdpad_table_text(rows, columns, n_columns);

    vdpad_call_reply(call, rows, text);
}

void
vdpad_call_reply_sheet(struct vdpad_call *call, json_t *object)
{
    struct vdpad_text_stream out;

    vdpad_text_open(&out);
    if (!call->json) {
        vdpad_sheet_print(out.stream, object, "");
    }
    vdpad_call_reply(call, object, vdpad_text_close(&out));
}

static char *__attribute__((format(printf, 1, 0)))
format_printable(const char *format, va_list args)
{
    char *raw, *text;

    if (vasprintf(&raw, format, args) < 0) {
        abort();
    }
    text = vdpad_json_printable(raw);
    free(raw);
    return text;
}

void
vdpad_call_reply_line(struct vdpad_call *call, const char *format, ...)
{
    json_t *object = json_object();
    va_list args;

    va_start(args, format);
    char *text = format_printable(format, args);
    va_end(args);
    vdpad_json_set(object, "text", vdpad_json_text(text));
    vdpad_call_reply(call, object, text);
}

void
vdpad_call_error(struct vdpad_call *call, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    char *text = format_printable(format, args);
    va_end(args);
    vdpad_call_error_lines(call, text);
}

void
vdpad_call_error_lines(struct vdpad_call *call, char *text)
{
    if (call->http) {
        vdpad_http_reply(call->http, NULL);
    } else {
        vdpad_request_error(call->request, text);
    }
    free(text);
    call_free(call);
}

void
vdpad_call_error_unknown(struct vdpad_call *call, const char *what,
                         const char *name, const char *const *names, size_t n)
{
    enum { SHOWN = 8 };
    const char *nearest = vdpad_nearest(name, names, n, sizeof *names);
    struct vdpad_text_stream out;
    char shown[VDPAD_WORD_TEXT];

    vdpad_printable(name, 64, shown, sizeof shown);
    vdpad_text_open(&out);
    fprintf(out.stream, "no %s \"%s\"", what, shown);
    if (nearest) {
        fprintf(out.stream, "; did you mean \"%s\"?", nearest);
    }
    fprintf(out.stream, "%s there %s ", nearest ? "" : ";",
            n == 1 ? "is" : "are");
    for (size_t i = 0; i < n && i < SHOWN; i++) {
        fprintf(out.stream, "%s%s", i ? ", " : "", names[i]);
    }
    if (!n) {
        fputs("none", out.stream);
    } else if (n > SHOWN) {
        fprintf(out.stream, " and %zu more", n - SHOWN);
    }
    char *text = vdpad_text_close(&out);
    vdpad_call_error(call, "%s", text);
    free(text);
}

const struct vdpad_dev *
vdpad_call_device(struct vdpad_call *call, const char *name)
{
    static const char dev[] = "/dev/";
    const struct vdpad_world *world = vdpad_call_world(call);
    const struct vdpad_dev *found;

    /* What device/list shows as the char device is a path. */
    if (!strncmp(name, dev, sizeof dev - 1)) {
        name += sizeof dev - 1;
    }
    found = vdpad_world_find(world, name);
    if (!found) {
        const char **names = vdpad_xcalloc(world->n_devs, sizeof *names);

        for (size_t i = 0; i < world->n_devs; i++) {
            names[i] = world->devs[i].name;
        }
        vdpad_call_error_unknown(call, "device", name, names, world->n_devs);
        free(names);
    }
    return found;
}

/* Of the classes in 'mask' those whose pictures are too old to be shown.  One
 * that could not be observed lately is left to the controller, which keeps
 * trying: a command does not wait for it. */
static unsigned int
stale_classes(const struct vdpad_world *world, unsigned int mask)
{
    int64_t now = vdpad_loop_clock_ns();
    unsigned int stale = 0;

    for (int i = 0; i < VDPAD_N_CLASSES; i++) {
        const struct vdpad_observed_class *c = &world->observed->class_[i];
        int64_t age = mask & VDPAD_MASK_NEW ? -1
                      : i == VDPAD_KFLOW    ? VDPAD_KFLOW_AGE_NS
                                            : VDPAD_SHOWN_AGE_NS;

        /* Just started: an empty table would be a lie. */
        if (mask && !c->known && !c->error) {
            stale |= VDPAD_MASK(i);
        }
        if (mask & VDPAD_MASK(i) && !c->error
            && (!c->fresh || now - c->at_ns > age)) {
            stale |= VDPAD_MASK(i);
        }
    }
    return stale;
}

static void
run_call(struct vdpad_call *call)
{
    if (call->command->classes & VDPAD_MASK_DB
        && !vdpad_call_world(call)->db) {
        vdpad_call_error(call, "the database has not been read yet, so that "
                               "nothing can be said: `ovs-appctl -t "
                               "ovs-vdpad status` shows whether it can be "
                               "reached");
        return;
    }
    call->looks = vdpad_ctl_looks(call->ctl);
    call->command->run(call);
}

static void
run_http(void *call_)
{
    struct vdpad_call *call = call_;

    if (vdpad_http_is_gone(call->http)) {
        vdpad_http_reply(call->http, NULL);
        call_free(call);
    } else {
        run_call(call);
    }
}

/* Runs 'call', whose classes are fresh.  Whoever can connect may make as many
 * HTTP requests as there are slots: they are not all answered in one turn. */
static void
begin_call(struct vdpad_call *call)
{
    if (call->http) {
        vdpad_call_later(run_http, call);
    } else {
        run_call(call);
    }
}

static void
on_refreshed(void *wait_, const struct vdpad_observed *fresh)
{
    struct wait *wait = wait_;
    struct vdpad_call *next;

    (void) fresh;
    for (struct wait **p = &commands.waits; *p; p = &(*p)->next) {
        if (*p == wait) {
            *p = wait->next;
            break;
        }
    }
    for (struct vdpad_call *call = wait->calls; call; call = next) {
        next = call->next;
        begin_call(call);
    }
    free(wait);
}

/* Has 'call' run once the classes in 'mask' are observed anew; joins those
 * that wait for the very same already, so that a flood of commands makes one
 * observation: not for more, which may take longer.  Who wants to see what is
 * so now does not join those who began to wait before. */
static void
wait_for(struct vdpad_call *call, unsigned int mask)
{
    struct wait *wait = call->command->classes & VDPAD_MASK_NEW
                            ? NULL
                            : commands.waits;

    while (wait && (wait->mask != mask || wait->is_new)) {
        wait = wait->next;
    }
    bool is_new = !wait;
    if (is_new) {
        wait = vdpad_xcalloc(1, sizeof *wait);
        wait->mask = mask;
        wait->is_new = call->command->classes & VDPAD_MASK_NEW;
        wait->tail = &wait->calls;
        wait->next = commands.waits;
        commands.waits = wait;
    }
    *wait->tail = call;
    wait->tail = &call->next;
    if (is_new) {
        vdpad_ctl_refresh(call->ctl, mask, false, on_refreshed, wait);
    }
}

void
vdpad_call_later(vdpad_later_cb *cb, void *aux)
{
    struct later *later = vdpad_xcalloc(1, sizeof *later);

    later->cb = cb;
    later->aux = aux;
    if (!commands.laters) {
        commands.laters_tail = &commands.laters;
    }
    *commands.laters_tail = later;
    commands.laters_tail = &later->next;
}

static void
run_laters(void)
{
    int64_t end = vdpad_loop_clock_ns() + 2 * VDPAD_SLICE_NS;
    struct later *later = commands.laters, **tail = commands.laters_tail;

    /* What they put off is for the next turn, and comes behind those for which
     * this one has no time. */
    commands.laters = NULL;
    while (later && vdpad_loop_clock_ns() < end) {
        struct later *next = later->next;

        later->cb(later->aux);
        free(later);
        later = next;
    }
    if (later) {
        *tail = commands.laters;
        if (!commands.laters) {
            commands.laters_tail = tail;
        }
        commands.laters = later;
    }
}

static void start_call(struct vdpad_call *call);

static void
on_http(struct vdpad_http_request *request, void *aux)
{
    struct vdpad_call *call = vdpad_xcalloc(1, sizeof *call);

    (void) aux;
    call->ctl = commands.ctl;
    call->loop = commands.loop;
    call->command = vdpad_commands_metrics;
    call->http = request;
    start_call(call);
}

static void
run_server(int64_t now_ns)
{
    const struct vdpad_world *world = vdpad_ctl_world(commands.ctl);
    /* The port is for the daemon that is at work. */
    const char *endpoint = world && !vdpad_ctl_is_dry_run(commands.ctl)
                               ? world->config->metrics
                               : NULL;

    if (!commands.server && endpoint) {
        commands.server = vdpad_metrics_server_new(commands.loop, on_http);
    }
    if (commands.server) {
        vdpad_metrics_server_run(commands.server, endpoint, now_ns);
    }
}

const char *
vdpad_commands_problem(void)
{
    return vdpad_metrics_server_problem(commands.server);
}

void
vdpad_commands_done(void)
{
    vdpad_metrics_server_free(commands.server);
    commands.server = NULL;
}

void
vdpad_commands_run(int64_t now_ns)
{
    run_laters();
    run_server(now_ns);
    for (struct wait *wait = commands.waits; wait; wait = wait->next) {
        struct vdpad_call **p = &wait->calls;

        /* Running one changes no list of those that wait. */
        while (*p) {
            struct vdpad_call *call = *p;

            if (call->run_ns && call->run_ns <= now_ns) {
                *p = call->next;
                call->next = NULL;
                call->is_early = true;
                begin_call(call);
            } else {
                p = &call->next;
            }
        }
        wait->tail = p;
    }
    vdpad_audits_run(now_ns);
}

void
vdpad_commands_wait(void)
{
    if (commands.laters) {
        vdpad_loop_wake_now(commands.loop);
    }
    if (commands.server) {
        vdpad_loop_wake_at(commands.loop,
                           vdpad_metrics_server_next_ns(commands.server));
    }
    for (const struct wait *wait = commands.waits; wait; wait = wait->next) {
        for (const struct vdpad_call *c = wait->calls; c; c = c->next) {
            if (c->run_ns) {
                vdpad_loop_wake_at(commands.loop, c->run_ns);
            }
        }
    }
    vdpad_loop_wake_at(commands.loop, vdpad_audits_next_ns());
}

static void
on_command(struct vdpad_request *request, int argc, const char *argv[],
           void *command)
{
    struct vdpad_call *call = vdpad_xcalloc(1, sizeof *call);

    call->ctl = commands.ctl;
    call->loop = commands.loop;
    call->command = command;
    call->request = request;
    call->json = argc > 1 && !strcmp(argv[argc - 1], "--json");
    call->argc = argc - 1 - call->json;
    call->argv = vdpad_xcalloc((size_t) argc, sizeof *call->argv);
    for (int i = 0; i < call->argc; i++) {
        call->argv[i] = vdpad_xstrdup(argv[i + 1]);
    }

    /* unixctl counts "--json" as an argument: it cannot check these. */
    if (call->argc < call->command->min || call->argc > call->command->max) {
        vdpad_call_error(call, "usage: %s %s", call->command->name,
                         call->command->usage);
        return;
    }
    start_call(call);
}

static void
on_renewed(void *aux, const struct vdpad_observed *fresh)
{
    (void) aux;
    (void) fresh;
    commands.is_renewing = false;
}

/* Has kernel flows read anew without waiting for them: they take generic
 * netlink.  Who looks again sees them. */
static void
renew_kernel_flows(const struct vdpad_call *call)
{
    unsigned int mask = VDPAD_MASK(VDPAD_KFLOW);

    if (call->command->classes & VDPAD_MASK_KFLOW_LATER
        && !commands.is_renewing
        && stale_classes(vdpad_call_world(call), mask) & mask) {
        commands.is_renewing = true;
        vdpad_ctl_refresh(call->ctl, mask, false, on_renewed, NULL);
    }
}

static void
start_call(struct vdpad_call *call)
{
    const struct vdpad_world *world = vdpad_call_world(call);
    if (!world || !vdpad_call_plan(call)) {
        vdpad_call_error(call, "starting: nothing is known yet, try again in "
                               "a moment");
        return;
    }
    unsigned int stale = stale_classes(world, call->command->classes);
    renew_kernel_flows(call);
    if (call->command->classes & VDPAD_MASK_HASTY) {
        call->run_ns = vdpad_loop_clock_ns() + VDPAD_PATIENCE_NS;
    }
    if (stale) {
        wait_for(call, stale);
    } else {
        begin_call(call);
    }
}

void
vdpad_commands_register(struct vdpad_ctl *ctl, struct vdpad_loop *loop)
{
    static const struct vdpad_command *const tables[] = {
        vdpad_commands_state,  vdpad_commands_list,   vdpad_commands_config,
        vdpad_commands_plan,   vdpad_commands_verify, vdpad_commands_suspend,
        vdpad_commands_why,    vdpad_commands_flow,   vdpad_commands_metrics,
        vdpad_commands_export, vdpad_commands_ready,  vdpad_commands_flow_list,
        vdpad_commands_audit,
    };

    commands.ctl = ctl;
    commands.loop = loop;
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        for (const struct vdpad_command *c = tables[i]; c->name; c++) {
            vdpad_command_register(c->name, c->usage, 0, c->max + 1,
                                   on_command, (void *) (uintptr_t) c);
        }
    }
}
