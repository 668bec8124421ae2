/* SPDX-License-Identifier: Apache-2.0 */
#include <vdpad/model.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <vdpad/action.h>

const char *const vdpad_module_names[] = {
    "vdpa",       "vhost_vdpa",  "virtio_vdpa", "virtio_net",
    "mlx5_core",  "mlx5_vdpa",   "vfio_pci",    "cls_flower",
    "act_mirred", "sch_ingress", NULL,
};

const char *const vdpad_config_names[] = {
    "NET_CLS_FLOWER",
    "NET_SCH_INGRESS",
    "NET_ACT_MIRRED",
    "NET_ACT_VLAN",
    "NET_ACT_PEDIT",
    "NET_ACT_TUNNEL_KEY",
    "NET_ACT_CT",
    "NET_TC_SKB_EXT",
    "NET_SWITCHDEV",
    "PCI_IOV",
    "MLX5_ESWITCH",
    "MLX5_CLS_ACT",
    "MLX5_TC_CT",
    "MLX5_VDPA_NET",
    "VHOST_VDPA",
    "VIRTIO_VDPA",
    NULL,
};

/* -1, 0, 1. */
#define ORDER(A, B) (((A) > (B)) - ((A) < (B)))

/* Declares TYPE_order(), which compares two rows by EXPRESSION over 'a' and
 * 'b'. */
#define ROW_ORDER(TYPE, EXPRESSION)                         \
    static int TYPE##_order(const void *a_, const void *b_) \
    {                                                       \
        const struct vdpad_##TYPE *a = a_, *b = b_;         \
        return EXPRESSION;                                  \
    }

static int
order_handle(const char *bus_a, const char *dev_a, const char *bus_b,
             const char *dev_b)
{
    int order = strcmp(bus_a, bus_b);

    return order ? order : strcmp(dev_a, dev_b);
}

static int
dlport_order(const void *a_, const void *b_)
{
    const struct vdpad_dlport *a = a_, *b = b_;
    int order = order_handle(a->bus, a->dev, b->bus, b->dev);

    return order ? order : ORDER(a->index, b->index);
}

static int
holder_order(const void *a_, const void *b_)
{
    const struct vdpad_holder *a = a_, *b = b_;
    int order = strcmp(a->chardev, b->chardev);

    return order ? order : ORDER(a->pid, b->pid);
}

static int
qdisc_order(const void *a_, const void *b_)
{
    const struct vdpad_qdisc *a = a_, *b = b_;
    int order = ORDER(a->ifindex, b->ifindex);

    return order ? order : ORDER(a->clsact, b->clsact);
}

ROW_ORDER(module, strcmp(a->name, b->name))
ROW_ORDER(pci, strcmp(a->bdf, b->bdf))
ROW_ORDER(link, ORDER(a->ifindex, b->ifindex))
ROW_ORDER(eswitch, order_handle(a->bus, a->dev, b->bus, b->dev))
ROW_ORDER(mgmtdev, order_handle(a->bus, a->dev, b->bus, b->dev))
ROW_ORDER(vdpa, strcmp(a->name, b->name))
ROW_ORDER(vbus, strcmp(a->name, b->name))
ROW_ORDER(feature, ORDER(a->ifindex, b->ifindex))
ROW_ORDER(flow, ORDER(a->ifindex, b->ifindex))
ROW_ORDER(kflow, ORDER(a->ifindex, b->ifindex))
ROW_ORDER(host, strcmp(a->name, b->name))

static int
tcprio_order(const void *a_, const void *b_)
{
    const struct vdpad_tcprio *a = a_, *b = b_;
    int order = ORDER(a->ifindex, b->ifindex);

    order = order ? order : ORDER(a->block, b->block);
    order = order ? order : ORDER(a->egress, b->egress);
    order = order ? order : ORDER(a->chain, b->chain);
    return order ? order : ORDER(a->prio, b->prio);
}

static const struct class_info {
    const char *name;
    size_t row_size;
    int (*order)(const void *, const void *);
} classes[VDPAD_N_CLASSES] = {
#define CLASS(TAG, TYPE) \
    [TAG] = { #TYPE, sizeof(struct vdpad_##TYPE), TYPE##_order }
    CLASS(VDPAD_MODULE, module),   CLASS(VDPAD_PCI, pci),
    CLASS(VDPAD_LINK, link),       CLASS(VDPAD_ESWITCH, eswitch),
    CLASS(VDPAD_DLPORT, dlport),   CLASS(VDPAD_MGMTDEV, mgmtdev),
    CLASS(VDPAD_VDPA, vdpa),       CLASS(VDPAD_VBUS, vbus),
    CLASS(VDPAD_FEATURE, feature), CLASS(VDPAD_HOLDER, holder),
    CLASS(VDPAD_QDISC, qdisc),     CLASS(VDPAD_FLOW, flow),
    CLASS(VDPAD_KFLOW, kflow),     CLASS(VDPAD_HOST, host),
    CLASS(VDPAD_TCPRIO, tcprio),
#undef CLASS
};

size_t
vdpad_row_size(enum vdpad_class class_)
{
    return (unsigned int) class_ < VDPAD_N_CLASSES ? classes[class_].row_size
                                                   : 0;
}

const char *
vdpad_class_name(enum vdpad_class class_)
{
    return (unsigned int) class_ < VDPAD_N_CLASSES ? classes[class_].name
                                                   : "?";
}

int
vdpad_picture_sort(struct vdpad_picture *p)
{
    const struct class_info *info = &classes[p->class_];
    const char *rows;

    if (p->n < 2) {
        return 0;
    }
    qsort(p->rows, p->n, info->row_size, info->order);
    rows = p->rows;
    for (size_t i = 1; i < p->n; i++) {
        if (!info->order(rows + (i - 1) * info->row_size,
                         rows + i * info->row_size)) {
            return -EEXIST;
        }
    }
    return 0;
}

void
vdpad_picture_clear(struct vdpad_picture *p)
{
    if (p) {
        free(p->rows);
        p->rows = NULL;
        p->n = 0;
    }
}

const char *
vdpad_act_name(enum vdpad_act_kind kind)
{
    static const char *const names[VDPAD_ACT_N] = {
        [VDPAD_ACT_MODULE_LOAD] = "module-load",
        [VDPAD_ACT_AUTOPROBE] = "autoprobe",
        [VDPAD_ACT_NUMVFS] = "numvfs",
        [VDPAD_ACT_ESWITCH_MODE] = "eswitch-mode",
        [VDPAD_ACT_FEATURE] = "feature",
        [VDPAD_ACT_VF_PROBE] = "vf-probe",
        [VDPAD_ACT_VF_UNBIND] = "vf-unbind",
        [VDPAD_ACT_VDPA_ADD] = "vdpa-add",
        [VDPAD_ACT_VDPA_DEL] = "vdpa-del",
        [VDPAD_ACT_VDPA_SET_MAC] = "vdpa-set-mac",
        [VDPAD_ACT_VDPA_BIND] = "vdpa-bind",
        [VDPAD_ACT_VDPA_UNBIND] = "vdpa-unbind",
        [VDPAD_ACT_LINK_UP] = "link-up",
        [VDPAD_ACT_LINK_MTU] = "link-mtu",
        [VDPAD_ACT_QDISC_DEL] = "qdisc-del",
        [VDPAD_ACT_FILTER_DEL] = "filter-del",
        [VDPAD_ACT_PORT_HW_ADDR] = "port-hw-addr",
        [VDPAD_ACT_VPORT_DEL] = "vport-del",
    };

    return (unsigned int) kind < VDPAD_ACT_N ? names[kind] : "?";
}
