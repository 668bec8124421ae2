/* SPDX-License-Identifier: Apache-2.0 */
/* metrics: figures in Prometheus' text format (version 0.0.4). */
#include <stdlib.h>
#include <string.h>

#include <vdpad/loop.h>

#include "cmd-call.h"
#include "json-rows.h"

#define SET(OBJECT, KEY, VALUE) vdpad_json_set(OBJECT, KEY, VALUE)

/* Adds a family to 'families' and returns its samples. */
static json_t *
family(json_t *families, const char *name, const char *type, const char *help)
{
    json_t *o = json_object(), *samples = json_array();

    SET(o, "name", vdpad_json_format("ovs_vdpad_%s", name));
    SET(o, "type", vdpad_json_text(type));
    SET(o, "help", vdpad_json_text(help));
    SET(o, "samples", samples);
    vdpad_json_add(families, o);
    return samples;
}

/* Adds a sample with up to two labels; NULL: none. */
static void
sample(json_t *samples, const char *label, const char *value,
       const char *label2, const char *value2, uint64_t number)
{
    json_t *o = json_object(), *labels = json_object();

    /* An empty label is none at all to Prometheus. */
    if (label) {
        SET(labels, label, vdpad_json_text(value));
    }
    if (label2) {
        SET(labels, label2, vdpad_json_text(value2));
    }
    SET(o, "labels", labels);
    SET(o, "value", vdpad_json_u64(number));
    vdpad_json_add(samples, o);
}

static void
single(json_t *families, const char *name, const char *type, const char *help,
       uint64_t number)
{
    sample(family(families, name, type, help), NULL, NULL, NULL, NULL, number);
}

/* The member of the status at 'path' as a gauge or counter; one that is
 * unknown is left out. */
static void
from_status(json_t *families, const json_t *status, const char *path,
            const char *name, const char *type, const char *help)
{
    json_t *value = vdpad_json_at(status, path);

    if (json_is_integer(value)) {
        single(families, name, type, help,
               (uint64_t) json_integer_value(value));
    } else if (json_is_boolean(value)) {
        single(families, name, type, help, json_is_true(value));
    }
}

/* How many words and keys are refused: by themselves, and for what the host
 * is. */
static size_t
count_refusals(const struct vdpad_world *world)
{
    size_t n = world->config->n_errors;

    for (size_t i = 0; i < world->n_problems; i++) {
        n += world->problems[i].is_refusal;
    }
    return n;
}

static void
add_status(json_t *families, const struct vdpad_world *world, json_t *status)
{
    json_t *samples, *value;
    const char *key;

    samples = family(families, "build_info", "gauge", "Version of ovs-vdpad");
    sample(samples, "version", VDPAD_VERSION, NULL, NULL, 1);
    from_status(families, status, "healthy", "healthy", "gauge",
                "Whether status has no problem to tell");
    single(families, "problems", "gauge", "Problems that status tells",
           json_array_size(json_object_get(status, "problems")));
    from_status(families, status, "database.connected", "database_connected",
                "gauge", "Whether the Open_vSwitch database is connected");
    from_status(families, status, "hw_offload.configured",
                "hw_offload_configured", "gauge",
                "Whether other_config:hw-offload is true");
    from_status(families, status, "hw_offload.effective",
                "hw_offload_effective", "gauge",
                "Whether hw-offload is in effect in ovs-vswitchd");
    single(families, "config_errors", "gauge",
           "Refused words and keys of the configuration",
           count_refusals(world));

    samples = family(families, "devices", "gauge", "Devices by state");
    json_object_foreach(json_object_get(status, "devices"), key, value) {
        if (strcmp(key, "total") != 0) {
            sample(samples, "state", key, NULL, NULL,
                   (uint64_t) json_integer_value(value));
        }
    }
    from_status(families, status, "reconcile.plans", "plans_total", "counter",
                "Plans made");
    from_status(families, status, "reconcile.steps", "steps_total", "counter",
                "Steps ended");
    from_status(families, status, "reconcile.failures", "step_failures_total",
                "counter", "Steps that failed");
    from_status(families, status, "reconcile.due", "steps_due", "gauge",
                "Steps that the newest plan has to do now");
}

static void
add_kernel(json_t *families, const struct vdpad_call *call)
{
    const struct vdpad_kernel *kernel = vdpad_ctl_kernel(call->ctl);
    const struct vdpad_world *world = vdpad_call_world(call);
    struct vdpad_ctl_figures figures;
    struct vdpad_kernel_stats stats;
    struct vdpad_loop_stats loop;
    json_t *samples;

    kernel->ops->stats(kernel, &stats);
    vdpad_ctl_get_figures(call->ctl, &figures);
    vdpad_loop_get_stats(call->loop, &loop);
    single(families, "netlink_overruns_total", "counter",
           "Event sockets that lost events", stats.overruns);
    single(families, "netlink_interrupted_total", "counter",
           "Dumps that the kernel interrupted", stats.interrupted);
    single(families, "netlink_malformed_total", "counter",
           "Messages that could not be understood", stats.malformed);
    single(families, "kernel_requests_total", "counter",
           "Requests to the kernel", stats.requests);
    single(families, "kernel_timeouts_total", "counter",
           "Requests that were not answered in time", stats.timeouts);
    single(families, "kernel_stuck", "gauge",
           "Requests that are stuck in the kernel",
           kernel->ops->stuck(kernel, NULL, 0));
    single(families, "filters_tracked", "gauge",
           "Flower filters that are tracked one by one", stats.flows);
    single(families, "filters_untracked", "gauge",
           "Flower filters past the limit of the tracker", stats.untracked);
    single(families, "filters_repaired_total", "counter",
           "Filters that came or went without being announced",
           stats.repaired);
    single(families, "workers", "gauge", "Helper processes", stats.workers);
    single(families, "resyncs_total", "counter",
           "Classes observed anew after events were lost", figures.resyncs);
    samples = family(families, "class_observable", "gauge",
                     "Whether the last observation of a class succeeded");
    for (int i = 0; i < VDPAD_N_CLASSES; i++) {
        const struct vdpad_observed_class *c = &world->observed->class_[i];
        sample(samples, "class", vdpad_class_name((enum vdpad_class) i), NULL,
               NULL, c->known && !c->error);
    }
    single(families, "loop_turns_total", "counter", "Turns of the event loop",
           loop.turns);
    single(families, "loop_slow_turns_total", "counter",
           "Turns of 50 ms and more", loop.slow_turns);
    single(families, "loop_longest_turn_microseconds", "gauge",
           "The longest turn", (uint64_t) loop.longest_turn_ns / 1000);
}

/* What tells 'dev' from all others: its name, unless that is one that it is to
 * have and another device has. */
static const char *
label_of(const struct vdpad_world *world, const struct vdpad_dev *dev)
{
    if (dev->vdpa || dev->vbus || !dev->vf
        || dev->state != VDPAD_STATE_BLOCKED) {
        return dev->name;
    }
    for (size_t i = 0; i < world->n_devs; i++) {
        if (&world->devs[i] != dev
            && !strcmp(world->devs[i].name, dev->name)) {
            return dev->vf->bdf;
        }
    }
    return dev->name;
}

static void
add_devices(json_t *families, const struct vdpad_call *call)
{
    const struct vdpad_world *world = vdpad_call_world(call);
    bool known = world->observed->class_[VDPAD_FLOW].known;
    json_t *state = family(families, "device_state", "gauge",
                           "1 for the state that a device is in");
    json_t *verdict = family(families, "device_offload", "gauge",
                             "1 for the verdict on a device's offload");
    json_t *in_use = family(families, "device_in_use", "gauge",
                            "Processes that hold a device");
    json_t *flows = family(families, "device_flows", "gauge",
                           "Flows of a device: filters in hardware, filters "
                           "in software, flows of the kernel datapath");
    json_t *packets = family(families, "device_packets_total", "counter",
                             "Packets that filters of a device counted");
    json_t *bytes = family(families, "device_bytes_total", "counter",
                           "Bytes that filters of a device counted");
    json_t *slow = family(families, "device_slow_path_packets_total",
                          "counter",
                          "Packets of a device that hardware left to the "
                          "host");

    for (size_t i = 0; i < world->n_devs; i++) {
        const struct vdpad_dev *dev = &world->devs[i];
        const char *label = label_of(world, dev);
        struct vdpad_offload o;

        vdpad_device_offload(world, dev, call->looks, &o);
        sample(state, "device", label, "state", vdpad_state_name(dev->state),
               1);
        sample(verdict, "device", label, "verdict",
               vdpad_verdict_name(o.verdict), 1);
        sample(in_use, "device", label, NULL, NULL, dev->n_holders);
        if (known) {
            sample(flows, "device", label, "class", "hw", o.hw_flows);
            sample(flows, "device", label, "class", "sw", o.sw_flows);
            sample(packets, "device", label, "class", "hw", o.hw_packets);
            sample(packets, "device", label, "class", "sw", o.sw_packets);
            sample(bytes, "device", label, "class", "hw", o.hw_bytes);
            sample(bytes, "device", label, "class", "sw", o.sw_bytes);
        }
        if (o.kernel_known) {
            sample(flows, "device", label, "class", "kernel", o.kernel_flows);
        }
        if (o.slow_path_known) {
            sample(slow, "device", label, NULL, NULL, o.slow_path_packets);
        }
    }
}

/* Prints {name="value",…}; values are escaped as the format asks for. */
static void
print_labels(FILE *stream, json_t *labels)
{
    const char *separator = "{", *key;
    json_t *value;

    json_object_foreach(labels, key, value) {
        char *text = vdpad_json_human(value);

        fprintf(stream, "%s%s=\"", separator, key);
        for (const char *p = text; *p; p++) {
            if (*p == '"' || *p == '\\') {
                putc('\\', stream);
            }
            putc(*p, stream);
        }
        putc('"', stream);
        free(text);
        separator = ",";
    }
    if (json_object_size(labels)) {
        putc('}', stream);
    }
}

static char *
metrics_text(json_t *families)
{
    struct vdpad_text_stream out;

    vdpad_text_open(&out);
    for (size_t i = 0; i < json_array_size(families); i++) {
        json_t *f = json_array_get(families, i);
        json_t *samples = json_object_get(f, "samples");
        const char *name = json_string_value(json_object_get(f, "name"));

        fprintf(out.stream, "# HELP %s %s\n# TYPE %s %s\n", name,
                json_string_value(json_object_get(f, "help")), name,
                json_string_value(json_object_get(f, "type")));
        for (size_t s = 0; s < json_array_size(samples); s++) {
            json_t *one = json_array_get(samples, s);

            fputs(name, out.stream);
            print_labels(out.stream, json_object_get(one, "labels"));
            fprintf(out.stream, " %" JSON_INTEGER_FORMAT "\n",
                    json_integer_value(json_object_get(one, "value")));
        }
    }
    return vdpad_text_close(&out);
}

static void
run_metrics(struct vdpad_call *call)
{
    json_t *families = json_array();
    json_t *status = vdpad_status_json(call);

    add_status(families, vdpad_call_world(call), status);
    add_kernel(families, call);
    add_devices(families, call);
    json_decref(status);
    vdpad_call_reply(call, families,
                     call->json ? NULL : metrics_text(families));
}

const struct vdpad_command vdpad_commands_metrics[] = {
    { "metrics", "[--json]", 0, 0, VDPAD_MASK_SHOWN | VDPAD_MASK_KFLOW_LATER,
      run_metrics },
    { .name = NULL },
};
