/* SPDX-License-Identifier: Apache-2.0 */
/* flow/stats: sums of the flows of each device. */
#include <stdlib.h>

#include "cmd-call.h"
#include "json-rows.h"

#define SET(OBJECT, KEY, VALUE) vdpad_json_set(OBJECT, KEY, VALUE)
#define N_ELEMS(ARRAY) (sizeof(ARRAY) / sizeof(ARRAY)[0])

static void
add_sums(struct vdpad_offload *total, const struct vdpad_offload *o)
{
    total->hw_flows += o->hw_flows;
    total->sw_flows += o->sw_flows;
    total->hw_packets += o->hw_packets;
    total->hw_bytes += o->hw_bytes;
    total->sw_packets += o->sw_packets;
    total->sw_bytes += o->sw_bytes;
    total->kernel_flows += o->kernel_flows;
    total->slow_path_packets += o->slow_path_packets;
    total->slow_path_known |= o->slow_path_known;
}

/* 'dev' NULL: the line of the totals. */
static json_t *
stats_row(const struct vdpad_dev *dev, const struct vdpad_offload *offload)
{
    json_t *row = json_object(), *sums = vdpad_offload_json(offload);

    if (dev) {
        SET(row, "name", vdpad_json_text(dev->name));
        SET(row, "representor",
            vdpad_json_text(dev->rep ? dev->rep->name : NULL));
    } else {
        (void) json_object_del(sums, "verdict");
        (void) json_object_del(sums, "verdict_reason");
    }
    if (json_object_update(row, sums)) {
        abort();
    }
    json_decref(sums);
    return row;
}

static char *
stats_text(json_t *devices, json_t *total)
{
    static const struct vdpad_column columns[] = {
        { "NAME", "name" },
        { "REPRESENTOR", "representor" },
        { "VERDICT", "verdict" },
        { "HW FLOWS", "hw_flows" },
        { "SW FLOWS", "sw_flows" },
        { "KERNEL FLOWS", "kernel_flows" },
        { "HW PACKETS", "hw_packets" },
        { "HW BYTES", "hw_bytes" },
        { "SW PACKETS", "sw_packets" },
        { "SW BYTES", "sw_bytes" },
        { "SLOW PATH", "slow_path_packets" },
    };
    json_t *rows = json_copy(devices), *last = json_copy(total);
    char *text;

    SET(last, "name", vdpad_json_text("total"));
    if (json_array_size(devices)) {
        vdpad_json_add(rows, last);
    } else {
        json_decref(last);
    }
    text = vdpad_table_text(rows, columns, N_ELEMS(columns));
    json_decref(rows);
    return text;
}

static void
flow_stats(struct vdpad_call *call)
{
    const struct vdpad_world *world = vdpad_call_world(call);
    const struct vdpad_dev *only = NULL;

    if (call->argc) {
        only = vdpad_call_device(call, call->argv[0]);
        if (!only) {
            return;
        }
    }
    /* It was waited for: what an earlier dump had is not shown as if it were
     * new. */
    const struct vdpad_observed_class *kernel =
        &world->observed->class_[VDPAD_KFLOW];
    struct vdpad_offload sum = {
        .flows_known = world->observed->class_[VDPAD_FLOW].known,
        .kernel_known = kernel->known && !kernel->error,
    };
    json_t *o = json_object(), *devices = json_array(), *total;
    for (size_t i = 0; i < world->n_devs; i++) {
        struct vdpad_offload offload;

        if (only && only != &world->devs[i]) {
            continue;
        }
        vdpad_device_offload(world, &world->devs[i], call->looks, &offload);
        offload.kernel_known = sum.kernel_known;
        add_sums(&sum, &offload);
        vdpad_json_add(devices, stats_row(&world->devs[i], &offload));
    }
    total = stats_row(NULL, &sum);
    SET(o, "devices", devices);
    SET(o, "total", total);
    vdpad_call_reply(call, o, call->json ? NULL : stats_text(devices, total));
}

const struct vdpad_command vdpad_commands_flow[] = {
    { "flow/stats", "[NAME] [--json]", 0, 1,
      VDPAD_MASK_SHOWN | VDPAD_MASK(VDPAD_KFLOW), flow_stats },
    { .name = NULL },
};
