/* SPDX-License-Identifier: Apache-2.0 */
/* Observation, PFs, VFs and netdevs. */
#include "kernel-cases.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#define BIT(CLASS) (1u << (CLASS))

/* Finds the row of 'p' whose text member at 'offset' is 'text'. */
static const void *
find_row(const struct vdpad_picture *p, size_t offset, const char *text)
{
    for (size_t i = 0; i < p->n; i++) {
        const char *row = (const char *) p->rows + i * p->row_size;

        if (!strcmp(row + offset, text)) {
            return row;
        }
    }
    return NULL;
}
#define FIND(PICTURE, TYPE, MEMBER, TEXT)                                   \
    ((const struct TYPE *) find_row(PICTURE, offsetof(struct TYPE, MEMBER), \
                                    TEXT))

static void
every_class_is_observed(void **state)
{
    struct vdpad_picture p;

    (void) state;
    for (int i = 0; i < VDPAD_N_CLASSES; i++) {
        kc_picture(i, &p);
        vdpad_picture_clear(&p);
    }

    kc_picture(VDPAD_PCI, &p);
    const struct vdpad_pci *pf = FIND(&p, vdpad_pci, bdf, kc_env->pf);
    assert_non_null(pf);
    assert_string_equal(pf->pf, "");
    assert_int_equal(pf->vf_index, -1);
    assert_int_equal(pf->numvfs, 0);
    assert_int_equal(pf->totalvfs, kc_env->totalvfs);
    assert_int_equal(pf->autoprobe, 1);
    assert_int_equal(pf->vendor, 0x15b3);
    assert_int_equal(pf->device, 0x101d);
    assert_string_not_equal(pf->driver, "");
    vdpad_picture_clear(&p);

    kc_picture(VDPAD_MODULE, &p);
    for (const char *const *name = vdpad_module_names; *name; name++) {
        assert_non_null(FIND(&p, vdpad_module, name, *name));
    }
    assert_int_equal(FIND(&p, vdpad_module, name, "vdpa")->state,
                     VDPAD_MODULE_LOADED);
    vdpad_picture_clear(&p);

    kc_picture(VDPAD_ESWITCH, &p);
    assert_int_equal(FIND(&p, vdpad_eswitch, dev, kc_env->pf)->mode,
                     VDPAD_ESWITCH_LEGACY);
    vdpad_picture_clear(&p);

    struct kc_link link;
    kc_picture(VDPAD_LINK, &p);
    const struct vdpad_link *uplink = FIND(&p, vdpad_link, name,
                                           kc_env->uplink);
    assert_non_null(uplink);
    assert_true(kc_env->ops->link(kc_env, kc_env->uplink, &link));
    assert_int_equal(uplink->ifindex, link.ifindex);
    assert_int_equal(uplink->mtu, link.mtu);
    assert_int_equal((uplink->flags & IFF_UP) != 0, link.up);
    assert_string_equal(uplink->parent_dev, kc_env->pf);
    vdpad_picture_clear(&p);
}

static void
on_observed(void *aux, enum vdpad_class class_, int error,
            struct vdpad_picture *picture, const struct vdpad_error *why)
{
    (void) class_;
    (void) error;
    (void) picture;
    (void) why;
    ++*(int *) aux;
}

static bool
is_one(void *aux)
{
    return *(int *) aux;
}

static void
one_observation_per_class(void **state)
{
    const struct vdpad_kernel_ops *ops = kc_env->kernel->ops;
    int n = 0;

    (void) state;
    assert_int_equal(ops->observe(kc_env->kernel, VDPAD_PCI, on_observed, &n),
                     0);
    assert_int_equal(ops->observe(kc_env->kernel, VDPAD_PCI, on_observed, &n),
                     -EBUSY);
    assert_true(kc_env->ops->pump(kc_env, is_one, &n));
    assert_int_equal(n, 1);
}

static void
numvfs(void **state)
{
    struct vdpad_picture p;

    (void) state;
    assert_int_equal(kc_do(VDPAD_ACT_NUMVFS, kc_env->pf, "", 3), 0);
    assert_int_equal(kc_env->ops->numvfs(kc_env), 3);
    kc_picture(VDPAD_PCI, &p);
    assert_int_equal(FIND(&p, vdpad_pci, bdf, kc_env->pf)->numvfs, 3);
    for (int i = 0; i < 3; i++) {
        const struct vdpad_pci *vf;
        char bdf[VDPAD_BDF_SIZE];

        kc_env->ops->vf_bdf(kc_env, i, bdf);
        vf = FIND(&p, vdpad_pci, bdf, bdf);
        assert_non_null(vf);
        assert_string_equal(vf->pf, kc_env->pf);
        assert_int_equal(vf->vf_index, i);
        assert_int_equal(vf->numvfs, -1);
        assert_int_equal(vf->device, 0x101e);
        assert_string_equal(vf->driver, kc_env->vf_driver);
    }
    vdpad_picture_clear(&p);

    /* What is there already was made by another; another number needs 0
     * first. */
    assert_int_equal(kc_do(VDPAD_ACT_NUMVFS, kc_env->pf, "", 3), -ESTALE);
    assert_int_equal(kc_do(VDPAD_ACT_NUMVFS, kc_env->pf, "", 2), -EBUSY);
    assert_int_equal(kc_env->ops->numvfs(kc_env), 3);
    assert_int_equal(kc_do(VDPAD_ACT_NUMVFS, kc_env->pf, "", 0), 0);
    assert_int_equal(kc_env->ops->numvfs(kc_env), 0);
    assert_int_equal(kc_do(VDPAD_ACT_NUMVFS, kc_env->pf, "", 0), 0);
    assert_int_equal(kc_do(VDPAD_ACT_NUMVFS, kc_env->pf, "",
                           kc_env->totalvfs + 1),
                     -ERANGE);
    assert_int_equal(kc_do(VDPAD_ACT_NUMVFS, "0000:fe:1f.7", "", 1), -ENODEV);
}

static void
eswitch_mode(void **state)
{
    struct vdpad_picture links, ports;
    const struct vdpad_link *uplink;

    (void) state;
    kc_env->ops->set_numvfs(kc_env, 2);
    assert_int_equal(kc_do(VDPAD_ACT_ESWITCH_MODE, kc_env->pf, "",
                           VDPAD_ESWITCH_SWITCHDEV),
                     0);
    assert_true(kc_env->ops->is_switchdev(kc_env));
    kc_make_vfs(2);
    kc_picture(VDPAD_DLPORT, &ports);
    kc_picture(VDPAD_LINK, &links);
    uplink = FIND(&links, vdpad_link, name, kc_env->uplink);
    assert_non_null(uplink);
    assert_true(uplink->switch_id_len > 0);
    for (int i = 0; i < 2; i++) {
        struct vdpad_dlport port;
        const struct vdpad_link *rep;
        struct kc_link link;
        char tail[8];

        kc_representor(i, &port);
        assert_int_equal(port.flavour, 4);
        rep = FIND(&links, vdpad_link, name, port.ifname);
        assert_non_null(rep);
        assert_int_equal(rep->ifindex, port.ifindex);
        assert_int_equal(rep->switch_id_len, uplink->switch_id_len);
        assert_memory_equal(rep->switch_id, uplink->switch_id,
                            uplink->switch_id_len);
        assert_int_equal(snprintf(tail, sizeof tail, "vf%d", i), 3);
        assert_non_null(strstr(rep->port_name, tail));
        assert_true(kc_env->ops->link(kc_env, port.ifname, &link));
        assert_int_equal(link.ifindex, port.ifindex);
    }
    vdpad_picture_clear(&ports);
    vdpad_picture_clear(&links);

    assert_int_equal(kc_do(VDPAD_ACT_ESWITCH_MODE, kc_env->pf, "",
                           VDPAD_ESWITCH_SWITCHDEV),
                     0);
    assert_int_equal(kc_do(VDPAD_ACT_ESWITCH_MODE, kc_env->pf, "",
                           VDPAD_ESWITCH_LEGACY),
                     0);
    assert_false(kc_env->ops->is_switchdev(kc_env));
    assert_int_equal(kc_do(VDPAD_ACT_ESWITCH_MODE, "0000:fe:1f.7", "",
                           VDPAD_ESWITCH_LEGACY),
                     -ENODEV);
}

static void
module_load(void **state)
{
    struct vdpad_picture p;

    (void) state;
    assert_int_equal(kc_do(VDPAD_ACT_MODULE_LOAD, "vhost_vdpa", "", 0), 0);
    assert_int_equal(kc_do(VDPAD_ACT_MODULE_LOAD, "vhost_vdpa", "", 0), 0);
    assert_int_equal(kc_do(VDPAD_ACT_MODULE_LOAD, "virtio_vdpa", "", 0), 0);
    kc_picture(VDPAD_MODULE, &p);
    assert_int_equal(FIND(&p, vdpad_module, name, "vhost_vdpa")->state,
                     VDPAD_MODULE_LOADED);
    assert_int_equal(FIND(&p, vdpad_module, name, "virtio_vdpa")->state,
                     VDPAD_MODULE_LOADED);
    vdpad_picture_clear(&p);
    assert_int_equal(
        kc_do(VDPAD_ACT_MODULE_LOAD, kc_env->missing_module, "", 0), -ENOENT);
    /* What the daemon has no use for is not loaded. */
    assert_int_equal(kc_do(VDPAD_ACT_MODULE_LOAD, "usb_storage", "", 0),
                     -EINVAL);
}

static void
autoprobe(void **state)
{
    char bdf[VDPAD_BDF_SIZE], driver[VDPAD_WORD_SIZE];
    struct vdpad_picture p;

    (void) state;
    assert_int_equal(kc_do(VDPAD_ACT_AUTOPROBE, kc_env->pf, "", 0), 0);
    kc_picture(VDPAD_PCI, &p);
    assert_int_equal(FIND(&p, vdpad_pci, bdf, kc_env->pf)->autoprobe, 0);
    vdpad_picture_clear(&p);
    assert_int_equal(kc_do(VDPAD_ACT_NUMVFS, kc_env->pf, "", 1), 0);
    kc_env->ops->vf_bdf(kc_env, 0, bdf);
    kc_env->ops->vf_driver(kc_env, bdf, driver);
    assert_string_equal(driver, "");

    /* It also keeps a driver away that others ask for by name, but not one
     * that a step asks for. */
    for (int by_name = 0; by_name < 2; by_name++) {
        assert_int_equal(kc_do(VDPAD_ACT_VF_PROBE, bdf,
                               by_name ? kc_env->vf_driver : "", 0),
                         0);
        kc_env->ops->vf_driver(kc_env, bdf, driver);
        assert_string_equal(driver, kc_env->vf_driver);
        kc_picture(VDPAD_PCI, &p);
        assert_string_equal(FIND(&p, vdpad_pci, bdf, bdf)->driver_override,
                            by_name ? kc_env->vf_driver : "");
        vdpad_picture_clear(&p);
        assert_int_equal(kc_do(VDPAD_ACT_VF_UNBIND, bdf, "", 0), 0);
    }
    assert_int_equal(kc_do(VDPAD_ACT_VF_PROBE, bdf, "", 0), 0);

    assert_int_equal(kc_do(VDPAD_ACT_AUTOPROBE, kc_env->pf, "", 1), 0);
    assert_int_equal(kc_do(VDPAD_ACT_AUTOPROBE, "0000:fe:1f.7", "", 1),
                     -ENODEV);
}

static void
vf_probe_and_unbind(void **state)
{
    char bdf[VDPAD_BDF_SIZE], driver[VDPAD_WORD_SIZE];

    (void) state;
    kc_make_vfs(1);
    kc_env->ops->vf_bdf(kc_env, 0, bdf);
    assert_int_equal(kc_do(VDPAD_ACT_VF_PROBE, bdf, "", 0), 0);
    assert_int_equal(kc_do(VDPAD_ACT_VF_UNBIND, bdf, "", 0), 0);
    kc_env->ops->vf_driver(kc_env, bdf, driver);
    assert_string_equal(driver, "");
    assert_int_equal(kc_do(VDPAD_ACT_VF_UNBIND, bdf, "", 0), 0);
    assert_int_equal(kc_do(VDPAD_ACT_VF_PROBE, bdf, "", 0), 0);
    kc_env->ops->vf_driver(kc_env, bdf, driver);
    assert_string_equal(driver, kc_env->vf_driver);
    assert_int_equal(kc_do(VDPAD_ACT_VF_PROBE, bdf, "no_such_driver", 0),
                     -ENOENT);
    assert_int_equal(kc_do(VDPAD_ACT_VF_PROBE, bdf, "", 0), 0);
    assert_int_equal(kc_do(VDPAD_ACT_VF_PROBE, "0000:fe:1f.7", "", 0),
                     -ENODEV);
    assert_int_equal(kc_do(VDPAD_ACT_VF_UNBIND, "0000:fe:1f.7", "", 0),
                     -ENODEV);
}

static int
link_step(int32_t kind, int32_t ifindex, const char *name, int64_t number)
{
    struct vdpad_act act = kc_act(kind, name, "", number);

    act.ifindex = ifindex;
    return kc_step(act, NULL);
}

static void
link_steps(void **state)
{
    struct vdpad_dlport port;
    struct kc_link link;

    (void) state;
    kc_make_vfs(1);
    kc_representor(0, &port);
    assert_int_equal(
        link_step(VDPAD_ACT_LINK_UP, port.ifindex, port.ifname, 1), 0);
    assert_true(kc_env->ops->link(kc_env, port.ifname, &link));
    assert_true(link.up);
    assert_int_equal(
        link_step(VDPAD_ACT_LINK_UP, port.ifindex, port.ifname, 0), 0);
    assert_true(kc_env->ops->link(kc_env, port.ifname, &link));
    assert_false(link.up);
    assert_int_equal(
        link_step(VDPAD_ACT_LINK_MTU, port.ifindex, port.ifname, 9000), 0);
    assert_true(kc_env->ops->link(kc_env, port.ifname, &link));
    assert_int_equal(link.mtu, 9000);
    assert_int_equal(link_step(VDPAD_ACT_LINK_MTU, port.ifindex, port.ifname,
                               60000),
                     -EINVAL);
    assert_int_equal(
        link_step(VDPAD_ACT_LINK_MTU, port.ifindex, port.ifname, 60), -EINVAL);
}

static void
stale_netdev_is_refused(void **state)
{
    static const int32_t kinds[] = {
        VDPAD_ACT_LINK_UP,
        VDPAD_ACT_LINK_MTU,
        VDPAD_ACT_FEATURE,
        VDPAD_ACT_QDISC_DEL,
    };
    struct vdpad_dlport port;
    struct kc_link before, after;

    (void) state;
    kc_make_vfs(1);
    kc_representor(0, &port);
    assert_true(kc_env->ops->link(kc_env, kc_env->uplink, &before));
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        /* Another one's name, another one's index, no one's index. */
        assert_int_equal(
            link_step(kinds[i], before.ifindex, port.ifname, 1400), -ESTALE);
        assert_int_equal(
            link_step(kinds[i], port.ifindex, kc_env->uplink, 1400), -ESTALE);
        assert_int_equal(link_step(kinds[i], 1000000, port.ifname, 1400),
                         -ESTALE);
    }
    assert_true(kc_env->ops->link(kc_env, kc_env->uplink, &after));
    assert_memory_equal(&before, &after, sizeof before);

    kc_env->ops->rename(kc_env, port.ifname, "renamed0");
    assert_int_equal(
        link_step(VDPAD_ACT_LINK_UP, port.ifindex, port.ifname, 1), -ESTALE);
    assert_int_equal(link_step(VDPAD_ACT_LINK_UP, port.ifindex, "renamed0", 1),
                     0);
}

static void
feature(void **state)
{
    struct vdpad_dlport port;
    struct vdpad_picture p;

    (void) state;
    kc_make_vfs(1);
    kc_representor(0, &port);
    for (int on = 0; on < 2; on++) {
        const struct vdpad_feature *row;

        assert_int_equal(
            link_step(VDPAD_ACT_FEATURE, port.ifindex, port.ifname, on), 0);
        assert_int_equal(kc_env->ops->has_tc_offload(kc_env, port.ifname), on);
        kc_picture(VDPAD_FEATURE, &p);
        row = FIND(&p, vdpad_feature, name, port.ifname);
        assert_non_null(row);
        assert_int_equal(row->ifindex, port.ifindex);
        assert_true(row->supported);
        assert_int_equal(row->active, on);
        vdpad_picture_clear(&p);
    }
}

struct wanted_flows {
    int32_t ifindex;
    uint32_t n;
};

/* Netdevs whose drivers count what hardware passes on have rows as well. */
static bool
has_flows(const struct vdpad_picture *p, void *wanted_)
{
    const struct wanted_flows *wanted = wanted_;

    for (size_t i = 0; i < p->n; i++) {
        const struct vdpad_flow *row = &VDPAD_ROWS(p, vdpad_flow)[i];

        if (row->ifindex == wanted->ifindex) {
            return row->sw_flows == wanted->n
                   && row->foreign_flows == wanted->n && !row->hw_flows
                   && !row->block;
        }
    }
    return false;
}

static void
qdisc(void **state)
{
    struct vdpad_dlport port;
    struct vdpad_picture p;

    (void) state;
    kc_make_vfs(1);
    kc_representor(0, &port);
    kc_env->ops->add_qdisc(kc_env, port.ifname);
    kc_picture(VDPAD_QDISC, &p);
    assert_int_equal(p.n, 1);
    assert_int_equal(VDPAD_ROWS(&p, vdpad_qdisc)[0].ifindex, port.ifindex);
    assert_false(VDPAD_ROWS(&p, vdpad_qdisc)[0].clsact);
    vdpad_picture_clear(&p);
    kc_until(VDPAD_FLOW, has_flows,
             &(struct wanted_flows){ .ifindex = port.ifindex });

    assert_int_equal(
        link_step(VDPAD_ACT_QDISC_DEL, port.ifindex, port.ifname, 0), 0);
    assert_false(kc_env->ops->has_qdisc(kc_env, port.ifname));
    assert_int_equal(
        link_step(VDPAD_ACT_QDISC_DEL, port.ifindex, port.ifname, 0), 0);
}

/* What is in no datapath is out of it, whether there are datapaths or not. */
static void
vport_del(void **state)
{
    struct vdpad_dlport port;

    (void) state;
    kc_make_vfs(1);
    kc_representor(0, &port);
    assert_int_equal(
        link_step(VDPAD_ACT_VPORT_DEL, port.ifindex, port.ifname, 0), 0);
    assert_int_equal(
        link_step(VDPAD_ACT_VPORT_DEL, port.ifindex, "another", 0), -ESTALE);
}

/* Filters that come and go are told of, and counted. */
static void
filters(void **state)
{
    struct wanted_flows wanted;
    struct vdpad_dlport port;
    struct vdpad_picture p;

    (void) state;
    kc_make_vfs(1);
    kc_representor(0, &port);
    kc_env->ops->add_qdisc(kc_env, port.ifname);
    wanted = (struct wanted_flows){ .ifindex = port.ifindex };
    kc_until(VDPAD_FLOW, has_flows, &wanted);
    for (int i = 0; i < 3; i++) {
        wanted.n = (const uint32_t[]){ 3, 1, 0 }[i];
        kc_forget();
        kc_env->ops->set_filters(kc_env, port.ifname, (int) wanted.n);
        kc_wait_invalidated(1u << VDPAD_FLOW);
        kc_until(VDPAD_FLOW, has_flows, &wanted);
    }
    kc_picture(VDPAD_QDISC, &p);
    assert_int_equal(p.n, 1);
    vdpad_picture_clear(&p);
}

/* The only row of TC filters there is; 'filters' 0: there is none. */
static void
assert_filters(int32_t ifindex, uint32_t filters, uint32_t ovs)
{
    struct vdpad_picture p;

    kc_picture(VDPAD_TCPRIO, &p);
    assert_int_equal(p.n, filters ? 1 : 0);
    if (filters) {
        const struct vdpad_tcprio *row = VDPAD_ROWS(&p, vdpad_tcprio);

        assert_int_equal(row->ifindex, ifindex);
        assert_int_equal(row->block, 0);
        assert_int_equal(row->chain, 0);
        assert_int_equal(row->prio, 2);
        assert_int_equal(row->filters, filters);
        assert_int_equal(row->ovs_filters, ovs);
        assert_int_equal(row->hw_filters, 0);
    }
    vdpad_picture_clear(&p);
}

/* What is not Open vSwitch's stays. */
static void
filters_del(void **state)
{
    struct vdpad_dlport port;
    struct vdpad_act act;

    (void) state;
    kc_make_vfs(1);
    kc_representor(0, &port);
    kc_env->ops->add_qdisc(kc_env, port.ifname);
    assert_filters(port.ifindex, 0, 0);
    kc_env->ops->add_filters(kc_env, port.ifname, true);
    assert_filters(port.ifindex, 3, 2);
    assert_int_equal(
        link_step(VDPAD_ACT_QDISC_DEL, port.ifindex, port.ifname, 1), -EBUSY);
    act = kc_act(VDPAD_ACT_FILTER_DEL, port.ifname, "", 0);
    act.ifindex = port.ifindex;
    act.tc.prio = 2;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(kc_step(act, NULL), 0);
        assert_filters(port.ifindex, 1, 0);
    }
    assert_int_equal(
        link_step(VDPAD_ACT_QDISC_DEL, port.ifindex, port.ifname, 1), -EBUSY);
    assert_true(kc_env->ops->has_qdisc(kc_env, port.ifname));
    assert_int_equal(
        link_step(VDPAD_ACT_QDISC_DEL, port.ifindex, port.ifname, 0), 0);

    kc_env->ops->add_qdisc(kc_env, port.ifname);
    kc_env->ops->add_filters(kc_env, port.ifname, false);
    assert_filters(port.ifindex, 2, 2);
    assert_int_equal(
        link_step(VDPAD_ACT_QDISC_DEL, port.ifindex, port.ifname, 1), 0);
    assert_false(kc_env->ops->has_qdisc(kc_env, port.ifname));
    assert_filters(port.ifindex, 0, 0);
}

static void
port_hw_addr(void **state)
{
    struct vdpad_act act;
    struct vdpad_dlport port;
    struct vdpad_picture p;
    char mac[18];

    (void) state;
    kc_make_vfs(2);
    kc_representor(1, &port);
    act = kc_act(VDPAD_ACT_PORT_HW_ADDR, kc_env->pf, "", port.index);
    act.has_mac = true;
    memcpy(act.mac, (uint8_t[6]){ 2, 0x10, 0x20, 0x30, 0x40, 0x50 }, 6);
    assert_int_equal(kc_step(act, NULL), 0);
    kc_env->ops->function_mac(kc_env, 1, mac);
    assert_string_equal(mac, "02:10:20:30:40:50");
    kc_representor(1, &port);
    assert_true(port.has_hw_addr);
    assert_memory_equal(port.hw_addr, act.mac, 6);

    act.number = 54321;
    assert_int_equal(kc_step(act, NULL), -ENODEV);

    /* A vDPA device that is given no address has its VF's. */
    kc_make_vdpa("conf0", 1, "vhost_vdpa");
    kc_picture(VDPAD_VDPA, &p);
    assert_int_equal(p.n, 1);
    if (VDPAD_ROWS(&p, vdpad_vdpa)[0].has_config) {
        assert_true(VDPAD_ROWS(&p, vdpad_vdpa)[0].has_mac);
        assert_memory_equal(VDPAD_ROWS(&p, vdpad_vdpa)[0].mac, act.mac, 6);
    }
    vdpad_picture_clear(&p);
}

static void
events_arrive(void **state)
{
    struct vdpad_dlport port;

    (void) state;
    kc_forget();
    kc_env->ops->set_numvfs(kc_env, 2);
    kc_wait_invalidated(BIT(VDPAD_PCI) | BIT(VDPAD_LINK) | BIT(VDPAD_MGMTDEV));
    kc_forget();
    kc_env->ops->set_switchdev(kc_env, true);
    kc_wait_invalidated(BIT(VDPAD_ESWITCH) | BIT(VDPAD_DLPORT)
                        | BIT(VDPAD_LINK));
    kc_make_vfs(2);
    kc_representor(0, &port);
    kc_forget();
    kc_env->ops->rename(kc_env, port.ifname, "renamed1");
    kc_wait_invalidated(BIT(VDPAD_LINK));
    kc_representor(0, &port);
    assert_string_equal(port.ifname, "renamed1");
    assert_false(kc_lost);
}

static void
batches(void **state)
{
    struct vdpad_act acts[5];
    struct kc_done one, two;
    struct kc_link link;

    (void) state;
    acts[0] = kc_act(VDPAD_ACT_NUMVFS, kc_env->pf, "", 2);
    acts[1] = kc_act(VDPAD_ACT_NUMVFS, kc_env->pf, "", 1);
    acts[2] = kc_act(VDPAD_ACT_ESWITCH_MODE, kc_env->pf, "",
                     VDPAD_ESWITCH_SWITCHDEV);
    acts[3] = kc_act(VDPAD_ACT_MODULE_LOAD, kc_env->missing_module, "", 0);
    acts[4] = kc_act(VDPAD_ACT_AUTOPROBE, kc_env->pf, "", 0);
    kc_submit(acts, 5, &one);
    assert_true(kc_env->ops->link(kc_env, kc_env->uplink, &link));
    acts[0] = kc_act(VDPAD_ACT_LINK_MTU, kc_env->uplink, "", 1600);
    acts[0].ifindex = link.ifindex;
    kc_submit(acts, 1, &two);
    kc_wait_done(&two, 1);
    kc_wait_done(&one, 5);
    assert_int_equal(two.ends[0].error, 0);
    assert_int_equal(one.ends[0].error, 0);
    assert_int_equal(one.ends[1].error, -EBUSY);
    assert_int_equal(one.ends[2].error, 0);
    assert_int_equal(one.ends[3].error, -ENOENT);
    assert_int_equal(one.ends[4].error, 0);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(one.ends[i + 1].act.kind, acts[i + 1].kind);
    }
    assert_int_equal(kc_env->ops->numvfs(kc_env), 2);
    assert_true(kc_env->ops->is_switchdev(kc_env));
}

const struct CMUnitTest kc_step_cases[] = {
    KC_CASE(every_class_is_observed),
    KC_CASE(one_observation_per_class),
    KC_CASE(numvfs),
    KC_CASE(eswitch_mode),
    KC_CASE(module_load),
    KC_CASE(autoprobe),
    KC_CASE(vf_probe_and_unbind),
    KC_CASE(link_steps),
    KC_CASE(stale_netdev_is_refused),
    KC_CASE(feature),
    KC_CASE(qdisc),
    KC_CASE(filters),
    KC_CASE(vport_del),
    KC_CASE(filters_del),
    KC_CASE(port_hw_addr),
    KC_CASE(events_arrive),
    KC_CASE(batches),
};
const size_t kc_n_step_cases = sizeof kc_step_cases / sizeof kc_step_cases[0];
