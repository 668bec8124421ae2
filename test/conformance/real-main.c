/* SPDX-License-Identifier: Apache-2.0 */
/* The cases on the kernel itself, by way of netlink/, inside a VM that has a
 * simulated card: scripts/twin BUILD/test/conformance-real [CASE...].  Exits
 * with 77 where there is no such card. */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vdpad/loop.h>
#include <vdpad/netlink-kernel.h>

#include "real-host.h"

#define SECOND INT64_C(1000000000)
#define LIMIT_NS (60 * SECOND)

static struct vdpad_loop *loop;

static void
begin(struct kc_env *env)
{
    struct vdpad_netlink_options options = {
        .read_deadline_ns = env->step_deadline_ns,
        .step_deadline_ns = env->step_deadline_ns,
        .slow_deadline_ns = 100 * SECOND,
    };
    struct vdpad_error why;

    real_clean(env);
    assert_int_equal(vdpad_loop_new(&loop), 0);
    if (vdpad_netlink_kernel_new(loop, &options, &env->kernel, &why)) {
        fail_msg("%s", why.text);
    }
}

static void
end(struct kc_env *env)
{
    real_release_all();
    env->kernel->ops->destroy(env->kernel);
    vdpad_loop_free(loop);
}

/* One call of pump(). */
struct pumping {
    struct kc_env *env;
    bool (*is_done)(void *aux);
    void *aux;
    int64_t limit_ns;
};

static void
turn(struct vdpad_loop *loop_, void *pumping_)
{
    struct pumping *p = pumping_;

    p->env->kernel->ops->run(p->env->kernel);
    if (p->is_done(p->aux) || vdpad_loop_clock_ns() >= p->limit_ns) {
        vdpad_loop_stop(loop_);
    }
    p->env->kernel->ops->wait(p->env->kernel);
    vdpad_loop_wake_at(loop_, p->limit_ns);
}

static bool
pump(struct kc_env *env, bool (*is_done)(void *aux), void *aux)
{
    struct pumping p = { env, is_done, aux, vdpad_loop_clock_ns() + LIMIT_NS };

    vdpad_loop_set_turn(loop, turn, &p);
    vdpad_loop_run(loop);
    vdpad_loop_set_turn(loop, NULL, NULL);
    return is_done(aux);
}

/* Fills in what differs between hosts. */
static bool
find_card(struct kc_env *env)
{
    static char pf[VDPAD_BDF_SIZE], driver[VDPAD_WORD_SIZE];
    char path[256], target[256];
    glob_t found;
    ssize_t len;

    if (glob("/sys/class/net/p0/device/sriov_totalvfs", 0, NULL, &found)) {
        return false;
    }
    globfree(&found);
    len = readlink("/sys/class/net/p0/device", target, sizeof target - 1);
    if (len < 0) {
        return false;
    }
    target[len] = '\0';
    (void) snprintf(pf, sizeof pf, "%.19s", strrchr(target, '/') + 1);
    (void) snprintf(path, sizeof path, "/sys/bus/pci/devices/%s/driver", pf);
    len = readlink(path, target, sizeof target - 1);
    if (len < 0) {
        return false;
    }
    target[len] = '\0';
    (void) snprintf(driver, sizeof driver, "%.31s", strrchr(target, '/') + 1);
    env->pf = pf;
    env->uplink = "p0";
    env->missing_module = "mlx5_vdpa";
    env->vf_driver = driver;
    env->totalvfs = atoi(real_output("cat /sys/bus/pci/devices/%s/"
                                     "sriov_totalvfs",
                                     pf));
    return true;
}

int
main(int argc, char *argv[])
{
    struct kc_ops ops = {
        .begin = begin,
        .end = end,
        .pump = pump,
    };
    struct kc_env env = { .step_deadline_ns = 8 * SECOND, .ops = &ops };

    if (vdpad_worker_is_wanted(argc, argv)) {
        return vdpad_worker_main(argc, argv);
    }
    if (geteuid() || !find_card(&env)) {
        (void) fprintf(stderr, "no card here: run me by scripts/twin\n");
        return 77;
    }
    (void) setvbuf(stdout, NULL, _IOLBF, 0);
    real_fill(&ops);
    return kc_run(&env, argc - 1, argv + 1);
}
