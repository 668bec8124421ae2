/* SPDX-License-Identifier: Apache-2.0 */
/* teardown, resume: write vdpa-suspended and say what comes of it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cmd-call.h"
#include "util.h"

#define SET(OBJECT, KEY, VALUE) vdpad_json_set(OBJECT, KEY, VALUE)
#define N_ELEMS(ARRAY) (sizeof(ARRAY) / sizeof(ARRAY)[0])

/* One teardown or resume, until its key is in the database. */
struct request {
    struct vdpad_call *call;
    char *policy; /* "*": all. */
    bool on, force;
};

/* Whether 'dev' is under 'policy' ("*": any) by way of ours. */
static bool
is_of_policy(const struct vdpad_dev *dev, const char *policy)
{
    return dev->policy_name
           && (!strcmp(policy, "*") || !strcmp(dev->policy_name, policy));
}

static bool
is_suspended(const struct vdpad_config *config, const char *policy)
{
    for (size_t i = 0; i < config->n_suspended; i++) {
        if (!strcmp(config->suspended[i], policy)) {
            return true;
        }
    }
    return config->suspend_all && !strcmp(policy, "*");
}

/* Adds 'name' to the '*n' sorted or unsorted 'names', once. */
static void
add_name(const char **names, size_t *n, const char *name)
{
    for (size_t i = 0; i < *n; i++) {
        if (!strcmp(names[i], name)) {
            return;
        }
    }
    names[(*n)++] = name;
}

/* All names of policies that mean something: those with a key, valid or not,
 * those suspended, those that the record has, those that devices are still
 * under.  The caller frees the array, not the names. */
static const char **
policy_names(const struct vdpad_world *world, size_t *ret_n)
{
    const struct vdpad_config *config = world->config;
    const char **names = vdpad_xcalloc(
        config->n_policies + config->n_refused_policies + config->n_suspended
            + world->record->n_policies + world->n_devs,
        sizeof *names);
    size_t n = 0;

    for (size_t i = 0; i < config->n_policies; i++) {
        add_name(names, &n, config->policies[i].name);
    }
    for (size_t i = 0; i < config->n_refused_policies; i++) {
        add_name(names, &n, config->refused_policies[i]);
    }
    for (size_t i = 0; i < config->n_suspended; i++) {
        if (strcmp(config->suspended[i], "*") != 0) {
            add_name(names, &n, config->suspended[i]);
        }
    }
    for (size_t i = 0; i < world->record->n_policies; i++) {
        add_name(names, &n, world->record->policies[i].name);
    }
    for (size_t i = 0; i < world->n_devs; i++) {
        if (world->devs[i].policy_name) {
            add_name(names, &n, world->devs[i].policy_name);
        }
    }
    *ret_n = n;
    return names;
}

/* Whether 'policy' is one that there is; if not, 'call' is answered. */
static bool
check_policy(struct vdpad_call *call, const char *policy)
{
    size_t n;
    const char **names = policy_names(vdpad_call_world(call), &n);
    bool found = false;

    for (size_t i = 0; i < n && !found; i++) {
        found = !strcmp(names[i], policy);
    }
    if (!strcmp(policy, "*")) {
        found = n > 0 || is_suspended(vdpad_call_world(call)->config, "*");
        if (!found) {
            vdpad_call_error(call, "there is no policy: nothing to do");
        }
    } else if (!found) {
        vdpad_call_error_unknown(call, "policy", policy, names, n);
    }
    free(names);
    return found;
}

/* What becomes of 'dev', for people. */
static const char *
effect_on(const struct vdpad_world *world, const struct request *request,
          bool in_use)
{
    const struct vdpad_observed_class *holders =
        &world->observed->class_[VDPAD_HOLDER];

    if (!request->on) {
        return "set up again";
    } else if (request->force) {
        return "torn down";
    } else if (in_use) {
        return "refused, in use: kept until it is released";
    } else if (!holders->known || holders->error) {
        return "kept until one can see who uses it";
    }
    return "torn down";
}

/* The devices of the request's policy, each with what becomes of it. */
static json_t *
device_rows(const struct vdpad_world *world, const struct request *request)
{
    json_t *rows = json_array();

    for (size_t i = 0; i < world->n_devs; i++) {
        const struct vdpad_dev *dev = &world->devs[i];
        char user[VDPAD_REASON_SIZE];

        if (!is_of_policy(dev, request->policy)) {
            continue;
        }
        bool in_use = request->on && vdpad_dev_in_use(dev, user);
        json_t *row = json_object();
        SET(row, "name", vdpad_json_text(dev->name));
        SET(row, "policy", vdpad_json_text(dev->policy_name));
        SET(row, "effect", vdpad_json_text(effect_on(world, request, in_use)));
        SET(row, "in_use", in_use ? vdpad_json_text(user) : json_null());
        vdpad_json_add(rows, row);
    }
    return rows;
}

static void
request_free(struct request *request)
{
    free(request->policy);
    free(request);
}

/* Answers 'call', about 'policy', with 'text' (from malloc, taken over) for
 * people. */
static void
reply(struct vdpad_call *call, const char *policy, bool suspended,
      json_t *devices, char *text)
{
    json_t *o = json_object();

    SET(o, "policy", vdpad_json_text(policy));
    SET(o, "suspended", vdpad_json_bool(suspended));
    SET(o, "devices", devices);
    vdpad_call_reply(call, o, text);
}

static void
on_suspended(void *request_, int error, const struct vdpad_error *why)
{
    static const struct vdpad_column columns[] = {
        { "DEVICE", "name" },
        { "POLICY", "policy" },
        { "EFFECT", "effect" },
        { "IN USE", "in_use" },
    };
    struct request *request = request_;
    struct vdpad_call *call = request->call;
    const char *of = !strcmp(request->policy, "*") ? "all policies"
                                                   : request->policy;

    if (error) {
        const char *text = why && why->text[0] ? why->text : strerror(-error);
        vdpad_call_error(call, "%s %s: %s could not be written: %s",
                         call->command->name, of, VDPAD_KEY_SUSPENDED, text);
        request_free(request);
        return;
    }
    struct vdpad_text_stream out;
    json_t *devices = device_rows(vdpad_call_world(call), request);
    vdpad_text_open(&out);
    fprintf(out.stream, "%s: %s\n", of,
            request->on ? "suspended, and stays so until it is resumed"
                        : "no longer suspended");
    if (json_array_size(devices)) {
        fputs("\n", out.stream);
        vdpad_table_print(out.stream, devices, columns, N_ELEMS(columns));
    } else {
        fputs("there is no device of it at present\n", out.stream);
    }
    reply(call, request->policy, request->on, devices, vdpad_text_close(&out));
    request_free(request);
}

/* The error of a teardown of which nothing is left: who uses what. */
static void
reply_all_in_use(struct vdpad_call *call, const char *policy)
{
    enum { SHOWN = 20 };
    const struct vdpad_world *world = vdpad_call_world(call);
    struct vdpad_text_stream out;
    size_t n = 0;

    vdpad_text_open(&out);
    fputs("nothing is torn down, since every device is in use (--force takes "
          "them down all the same):",
          out.stream);
    for (size_t i = 0; i < world->n_devs; i++) {
        char user[VDPAD_REASON_SIZE];

        if (is_of_policy(&world->devs[i], policy)
            && vdpad_dev_in_use(&world->devs[i], user) && n++ < SHOWN) {
            char *name = vdpad_json_printable(world->devs[i].name);
            char *text = vdpad_json_printable(user);

            fprintf(out.stream, "\n  %s: %s", name, text);
            free(name);
            free(text);
        }
    }
    if (n > SHOWN) {
        fprintf(out.stream, "\n  and %zu more", n - SHOWN);
    }
    vdpad_call_error_lines(call, vdpad_text_close(&out));
}

/* Whether 'policy' has devices, and all of them are in use. */
static bool
is_all_in_use(const struct vdpad_world *world, const char *policy)
{
    size_t n = 0, n_in_use = 0;

    for (size_t i = 0; i < world->n_devs; i++) {
        const struct vdpad_dev *dev = &world->devs[i];
        char user[VDPAD_REASON_SIZE];

        /* One that does not exist yet is no reason to go on. */
        if (is_of_policy(dev, policy) && (dev->vdpa || dev->vbus)) {
            n++;
            n_in_use += vdpad_dev_in_use(dev, user);
        }
    }
    return n && n == n_in_use;
}

static void
submit(struct vdpad_call *call, const char *policy, bool on, bool force)
{
    struct request *request;

    if (vdpad_ctl_is_dry_run(call->ctl)) {
        vdpad_call_error(call, "this daemon runs with --dry-run and neither "
                               "tears down nor sets up: ask the daemon that "
                               "is at work");
        return;
    }
    request = vdpad_xcalloc(1, sizeof *request);
    request->call = call;
    request->policy = vdpad_xstrdup(policy);
    request->on = on;
    request->force = force;
    vdpad_ctl_suspend(call->ctl, policy, on, force, on_suspended, request);
}

/* Reads "[--force] POLICY|--all".  Returns the policy ("*": all), or NULL, and
 * then 'call' is answered. */
static const char *
parse_policy(struct vdpad_call *call, bool *force)
{
    const char *policy = NULL;
    bool usage = false;

    for (int i = 0; i < call->argc; i++) {
        const char *arg = call->argv[i];

        if (force && !strcmp(arg, "--force")) {
            *force = true;
        } else if (policy || (arg[0] == '-' && strcmp(arg, "--all") != 0)) {
            usage = true;
        } else {
            policy = !strcmp(arg, "--all") ? "*" : arg;
        }
    }
    if (usage || !policy) {
        vdpad_call_error(call, "usage: %s %s", call->command->name,
                         call->command->usage);
        return NULL;
    }
    return check_policy(call, policy) ? policy : NULL;
}

static void
run_teardown(struct vdpad_call *call)
{
    bool force = false;
    const char *policy = parse_policy(call, &force);

    if (!policy) {
        return;
    }
    if (!force && is_all_in_use(vdpad_call_world(call), policy)) {
        reply_all_in_use(call, policy);
    } else {
        submit(call, policy, true, force);
    }
}

/* The answer to a resume of what is not suspended. */
static void
reply_not_suspended(struct vdpad_call *call, const char *policy)
{
    struct vdpad_text_stream out;
    char *name = vdpad_json_printable(policy);

    vdpad_text_open(&out);
    if (vdpad_call_world(call)->config->n_suspended) {
        fprintf(out.stream, "policy %s is not suspended: nothing to do\n",
                name);
    } else {
        fputs("no policy is suspended: nothing to do\n", out.stream);
    }
    free(name);
    reply(call, policy, false, json_array(), vdpad_text_close(&out));
}

static void
run_resume(struct vdpad_call *call)
{
    const char *policy = parse_policy(call, NULL);
    const struct vdpad_config *config;

    if (!policy) {
        return;
    }
    config = vdpad_call_world(call)->config;
    if (config->suspend_all && strcmp(policy, "*") != 0) {
        vdpad_call_error(call,
                         "all policies are suspended (%s has \"*\"): "
                         "use resume --all, then teardown those that are to "
                         "stay down",
                         VDPAD_KEY_SUSPENDED);
    } else if (!strcmp(policy, "*")
                   ? !config->suspend_all && !config->n_suspended
                   : !is_suspended(config, policy)) {
        reply_not_suspended(call, policy);
    } else {
        submit(call, policy, false, false);
    }
}

const struct vdpad_command vdpad_commands_suspend[] = {
    { "teardown", "[--force] POLICY|--all [--json]", 1, 2,
      VDPAD_MASK(VDPAD_HOLDER) | VDPAD_MASK(VDPAD_VBUS)
          | VDPAD_MASK(VDPAD_VDPA) | VDPAD_MASK_NEW,
      run_teardown },
    { "resume", "POLICY|--all [--json]", 1, 1, 0, run_resume },
    { .name = NULL },
};
