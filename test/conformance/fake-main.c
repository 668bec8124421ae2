/* SPDX-License-Identifier: Apache-2.0 */
/* The cases on the fake kernel, whose clock jumps from one deadline to the
 * next. */
#include "kernel-cases.h"

#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "test/fake/fake-kernel.h"

#define PF "0000:65:00.0"
#define HOLDER_PID 4242
#define MS INT64_C(1000000)

static int64_t clock_ns;

static int64_t
get_clock(void *aux)
{
    (void) aux;
    return clock_ns;
}

static struct sim *
sim(struct kc_env *env)
{
    return fake_kernel_sim(env->kernel);
}

static void
begin(struct kc_env *env)
{
    clock_ns = 1000 * MS;
    env->kernel = fake_kernel_new(NULL, NULL);
    assert_non_null(env->kernel);
    fake_kernel_set_clock(env->kernel, get_clock, NULL);
    fake_kernel_knobs(env->kernel)->step_deadline_ns = env->step_deadline_ns;
    /* Representors a while after their ports, VFs one after the other. */
    sim(env)->rep_delay_ns = 20 * MS;
    assert_int_equal(sim_add_pf(sim(env), PF, env->totalvfs, env->uplink), 0);
    for (int i = 0; vdpad_module_names[i]; i++) {
        if (strstr(vdpad_module_names[i], "vdpa")) {
            sim_set_module(sim(env), vdpad_module_names[i],
                           VDPAD_MODULE_LOADED);
        }
    }
    sim_set_module(sim(env), env->missing_module, VDPAD_MODULE_MISSING);
    (void) sim_take_dirty(sim(env));
}

static void
end(struct kc_env *env)
{
    env->kernel->ops->destroy(env->kernel);
}

static bool
pump(struct kc_env *env, bool (*is_done)(void *aux), void *aux)
{
    for (int i = 0; i < 100000 && !is_done(aux); i++) {
        int64_t next = fake_kernel_next_ns(env->kernel);

        if (next == INT64_MAX) {
            return false;
        }
        clock_ns = next > clock_ns ? next : clock_ns;
        env->kernel->ops->run(env->kernel);
    }
    return is_done(aux);
}

/* Somebody else does a step. */
static void
others(struct kc_env *env, int32_t kind, const char *object, const char *word,
       int64_t number)
{
    struct vdpad_act act = kc_act(kind, object, word, number);
    int block;

    assert_int_equal(sim_apply(sim(env), &act, false, &block, NULL), 0);
    fake_kernel_poke(env->kernel);
}

static void
set_numvfs(struct kc_env *env, int n)
{
    if (sim_find_pf(sim(env), PF)->numvfs != n) {
        others(env, VDPAD_ACT_NUMVFS, PF, "", n);
    }
}

static void
reset(struct kc_env *env)
{
    assert_int_equal(
        sim_reset_pf(sim(env), PF, sim(env)->now_ns + INT64_C(1000000000)), 0);
    fake_kernel_poke(env->kernel);
}

static void
set_switchdev(struct kc_env *env, bool on)
{
    others(env, VDPAD_ACT_ESWITCH_MODE, PF, "",
           on ? VDPAD_ESWITCH_SWITCHDEV : VDPAD_ESWITCH_LEGACY);
}

static void
add_vdpa(struct kc_env *env, const char *name, const char *vf)
{
    char handle[VDPAD_BDF_SIZE + 4];

    (void) snprintf(handle, sizeof handle, "pci/%s", vf);
    others(env, VDPAD_ACT_VDPA_ADD, name, handle, 0);
}

static void
del_vdpa(struct kc_env *env, const char *name)
{
    others(env, VDPAD_ACT_VDPA_DEL, name, "", 0);
}

static void
add_filters(struct kc_env *env, const char *ifname, bool foreign)
{
    struct vdpad_flow flow = {
        .sw_flows = 2 + foreign,
        .foreign_flows = foreign,
    };

    assert_int_equal(sim_set_flow(sim(env), ifname, &flow), 0);
    fake_kernel_poke(env->kernel);
}

static void
add_qdisc(struct kc_env *env, const char *ifname)
{
    assert_int_equal(sim_set_qdisc(sim(env), ifname, true), 0);
    fake_kernel_poke(env->kernel);
}

static void
set_filters(struct kc_env *env, const char *ifname, int n)
{
    struct vdpad_flow flow = {
        .sw_flows = (uint32_t) n,
        .foreign_flows = (uint32_t) n,
    };

    assert_int_equal(sim_set_flow(sim(env), ifname, &flow), 0);
    fake_kernel_poke(env->kernel);
}

static void
rename_link(struct kc_env *env, const char *ifname, const char *to)
{
    assert_int_equal(sim_rename(sim(env), ifname, to), 0);
    fake_kernel_poke(env->kernel);
}

static int
hold(struct kc_env *env, const char *vdpa)
{
    assert_int_equal(sim_hold(sim(env), vdpa, HOLDER_PID, "holder"), 0);
    return HOLDER_PID;
}

static void
hold_unseen(struct kc_env *env, const char *vdpa)
{
    assert_int_equal(sim_hold(sim(env), vdpa, HOLDER_PID, NULL), 0);
}

static void
release(struct kc_env *env, const char *vdpa)
{
    assert_int_equal(sim_release(sim(env), vdpa), 0);
    fake_kernel_poke(env->kernel);
}

static int
numvfs(struct kc_env *env)
{
    return sim_find_pf(sim(env), PF)->numvfs;
}

static bool
is_switchdev(struct kc_env *env)
{
    return sim_find_pf(sim(env), PF)->mode == VDPAD_ESWITCH_SWITCHDEV;
}

static void
vf_bdf(struct kc_env *env, int index, char bdf[VDPAD_BDF_SIZE])
{
    memcpy(bdf, sim_find_pf(sim(env), PF)->vfs[index].bdf, VDPAD_BDF_SIZE);
}

static void
vf_driver(struct kc_env *env, const char *bdf, char driver[VDPAD_WORD_SIZE])
{
    const struct sim_vf *vf = sim_find_vf(sim(env), bdf, NULL);

    assert_non_null(vf);
    memcpy(driver, vf->driver, VDPAD_WORD_SIZE);
}

static bool
vdpa(struct kc_env *env, const char *name, struct kc_vdpa *ret)
{
    const struct sim_vdpa *v = sim_find_vdpa(sim(env), name);

    if (!v) {
        return false;
    }
    memset(ret, 0, sizeof *ret);
    (void) snprintf(ret->vf, sizeof ret->vf, "%.19s", v->dev);
    (void) snprintf(ret->driver, sizeof ret->driver, "%s", v->driver);
    (void) snprintf(ret->mac, sizeof ret->mac, "%02x:%02x:%02x:%02x:%02x:%02x",
                    v->mac[0], v->mac[1], v->mac[2], v->mac[3], v->mac[4],
                    v->mac[5]);
    ret->mtu = v->mtu;
    ret->max_vqp = v->max_vqp;
    return true;
}

static bool
get_link(struct kc_env *env, const char *ifname, struct kc_link *ret)
{
    const struct sim_netdev *dev = sim_find_netdev(sim(env), ifname);

    if (!dev) {
        return false;
    }
    memset(ret, 0, sizeof *ret);
    ret->ifindex = dev->link.ifindex;
    ret->mtu = (int) dev->link.mtu;
    ret->up = dev->link.flags & IFF_UP;
    return true;
}

static bool
has_qdisc(struct kc_env *env, const char *ifname)
{
    return sim_find_netdev(sim(env), ifname)->has_qdisc;
}

static bool
has_tc_offload(struct kc_env *env, const char *ifname)
{
    return sim_find_netdev(sim(env), ifname)->feature;
}

static void
function_mac(struct kc_env *env, int index, char mac[18])
{
    const uint8_t *m = sim_find_pf(sim(env), PF)->vfs[index].mac;

    (void) snprintf(mac, 18, "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2],
                    m[3], m[4], m[5]);
}

int
main(int argc, char *argv[])
{
    static const struct kc_ops ops = {
        .begin = begin,
        .end = end,
        .pump = pump,
        .set_numvfs = set_numvfs,
        .reset = reset,
        .set_switchdev = set_switchdev,
        .add_vdpa = add_vdpa,
        .del_vdpa = del_vdpa,
        .add_qdisc = add_qdisc,
        .set_filters = set_filters,
        .add_filters = add_filters,
        .rename = rename_link,
        .hold = hold,
        .hold_unseen = hold_unseen,
        .release = release,
        .numvfs = numvfs,
        .is_switchdev = is_switchdev,
        .vf_bdf = vf_bdf,
        .vf_driver = vf_driver,
        .vdpa = vdpa,
        .link = get_link,
        .has_qdisc = has_qdisc,
        .has_tc_offload = has_tc_offload,
        .function_mac = function_mac,
    };
    struct kc_env env = {
        .pf = PF,
        .uplink = "p0",
        .vf_driver = "mlx5_core",
        .missing_module = "vfio_pci",
        .totalvfs = 8,
        .step_deadline_ns = 3000 * MS,
        .ops = &ops,
    };

    return kc_run(&env, argc - 1, argv + 1);
}
