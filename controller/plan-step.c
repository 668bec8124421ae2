/* SPDX-License-Identifier: Apache-2.0 */
/* A plan as data: its memory, and the names of its steps. */
#include <stdlib.h>
#include <string.h>

#include "plan-internal.h"
#include "util.h"

/* Memory that lives as long as the plan: a list of blocks. */
struct block {
    struct block *next;
    max_align_t data[];
};

void *
vdpad_plan_alloc(struct vdpad_planner *p, size_t n, size_t size)
{
    struct block *block = vdpad_xcalloc(1, sizeof *block + n * size);

    block->next = p->plan->arena;
    p->plan->arena = block;
    return block->data;
}

const char *
vdpad_plan_strdup(struct vdpad_planner *p, const char *s)
{
    if (!s) {
        return NULL;
    }

    size_t size = strlen(s) + 1;

    return memcpy(vdpad_plan_alloc(p, size, 1), s, size);
}

void
vdpad_plan_free(struct vdpad_plan *plan)
{
    if (plan) {
        for (struct block *b = plan->arena; b;) {
            struct block *next = b->next;

            free(b);
            b = next;
        }
        free(plan->steps);
        free(plan);
    }
}

static const char *
dbop_name(enum vdpad_dbop_kind kind)
{
    switch (kind) {
    case VDPAD_DBOP_OVS_OTHER_CONFIG:
        return "set-other-config";
    case VDPAD_DBOP_OVS_EXTERNAL_ID:
        return "set-external-id";
    case VDPAD_DBOP_BRIDGE_ADD:
        return "bridge-add";
    case VDPAD_DBOP_PORT_ADD:
        return "port-add";
    case VDPAD_DBOP_PORT_DEL:
        return "port-del";
    case VDPAD_DBOP_IFACE_EXTERNAL_ID:
        return "interface-external-id";
    case VDPAD_DBOP_PORT_VLAN:
        return "port-vlan";
    case VDPAD_DBOP_IFACE_MTU:
        return "interface-mtu";
    }
    return "?";
}

const char *
vdpad_step_action(const struct vdpad_step *step)
{
    return step->kind == VDPAD_STEP_KERNEL
               ? vdpad_act_name((enum vdpad_act_kind) step->act.kind)
           : step->kind == VDPAD_STEP_DB ? dbop_name(step->op.kind)
                                         : "record";
}

const char *
vdpad_step_object(const struct vdpad_step *step)
{
    return step->kind == VDPAD_STEP_KERNEL   ? step->act.object
           : step->kind == VDPAD_STEP_RECORD ? step->rec.object
           : step->op.port                   ? step->op.port
           : step->op.bridge                 ? step->op.bridge
                                             : step->op.key;
}
