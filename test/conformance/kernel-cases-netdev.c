/* SPDX-License-Identifier: Apache-2.0 */
/* Netdevs: links, features, qdiscs and their filters, vports of datapaths. */
#include "kernel-cases.h"

#include <errno.h>

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
        row = KC_FIND(&p, vdpad_feature, name, port.ifname);
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

const struct CMUnitTest kc_netdev_cases[] = {
    KC_CASE(link_steps),  KC_CASE(stale_netdev_is_refused),
    KC_CASE(feature),     KC_CASE(qdisc),
    KC_CASE(filters),     KC_CASE(vport_del),
    KC_CASE(filters_del),
};
const size_t kc_n_netdev_cases = sizeof kc_netdev_cases
                                 / sizeof kc_netdev_cases[0];
