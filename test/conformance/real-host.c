/* SPDX-License-Identifier: Apache-2.0 */
#include "real-host.h"

#include <fcntl.h>
#include <linux/vhost.h>
#include <linux/virtio_config.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jansson.h>

#define MAX_OUTPUT 65536

/* Processes that hold devices. */
static struct {
    pid_t pid;
    char vdpa[VDPAD_NAME_SIZE];
} holders[8];

/* Runs 'command' by the shell, which must succeed, and stores what it printed,
 * without the last line's end. */
static void
run(char output[MAX_OUTPUT], const char *command)
{
    size_t n;
    FILE *f = popen(command, "re");
    int status;

    assert_non_null(f);
    n = fread(output, 1, MAX_OUTPUT - 1, f);
    output[n] = '\0';
    while (n && output[n - 1] == '\n') {
        output[--n] = '\0';
    }
    status = pclose(f);
    if (status) {
        fail_msg("'%s' ended with %#x: %s", command, status, output);
    }
}

const char *
real_output(const char *format, ...)
{
    static char output[MAX_OUTPUT];
    char command[1024];
    va_list args;

    va_start(args, format);
    assert_in_range(vsnprintf(command, sizeof command, format, args), 1,
                    sizeof command - 1);
    va_end(args);
    run(output, command);
    return output;
}

/* Runs a command that prints JSON; the caller frees it. */
static json_t *
json_output(const char *command)
{
    static char output[MAX_OUTPUT];
    json_error_t error;
    json_t *json;

    run(output, command);
    json = json_loads(output[0] ? output : "{}", 0, &error);
    if (!json) {
        fail_msg("'%s': %s: %s", command, error.text, output);
    }
    return json;
}

static void
set_numvfs(struct kc_env *env, int n)
{
    (void) real_output("echo %d > /sys/bus/pci/devices/%s/sriov_numvfs", n,
                       env->pf);
}

static void
reset(struct kc_env *env)
{
    (void) real_output("cd /sys/kernel/debug/twin/%s && echo 1000 > reset_ms "
                       "&& echo 1 > reset && while test -e "
                       "/sys/bus/pci/devices/%s/virtfn0; do sleep 0.05; done",
                       env->pf, env->pf);
}

static void
set_switchdev(struct kc_env *env, bool on)
{
    (void) real_output("devlink dev eswitch set pci/%s mode %s", env->pf,
                       on ? "switchdev" : "legacy");
}

void
real_clean(struct kc_env *env)
{
    (void) real_output("modprobe -a vdpa vhost_vdpa virtio_vdpa virtio_net");
    if (env->ops->numvfs(env)) {
        set_numvfs(env, 0);
    }
    if (env->ops->is_switchdev(env)) {
        set_switchdev(env, false);
    }
    (void) real_output("echo 1 > /sys/bus/pci/devices/%s/"
                       "sriov_drivers_autoprobe; "
                       "ip link set %s mtu 1500",
                       env->pf, env->uplink);
}

static void
add_vdpa(struct kc_env *env, const char *name, const char *vf)
{
    (void) env;
    (void) real_output("vdpa dev add name %s mgmtdev pci/%s", name, vf);
}

static void
del_vdpa(struct kc_env *env, const char *name)
{
    (void) env;
    (void) real_output("vdpa dev del %s", name);
}

static void
add_qdisc(struct kc_env *env, const char *ifname)
{
    (void) env;
    (void) real_output("tc qdisc add dev %s ingress", ifname);
}

static void
set_filters(struct kc_env *env, const char *ifname, int n)
{
    (void) env;
    (void) real_output("tc filter del dev %s ingress", ifname);
    for (int i = 1; i <= n; i++) {
        (void) real_output("tc filter add dev %s ingress prio 2 protocol ip "
                           "flower skip_hw ip_proto udp dst_port %d "
                           "action drop",
                           ifname, i);
    }
}

static void
add_filters(struct kc_env *env, const char *ifname, bool foreign)
{
    (void) env;
    for (int i = 0; i < 2 + foreign; i++) {
        (void) real_output("tc filter add dev %s ingress prio 2 protocol ip "
                           "flower skip_hw ip_proto %d action drop %s",
                           ifname, i ? i == 1 ? 6 : 17 : 1,
                           i < 2 ? "cookie 00112233445566778899aabbccddeeff"
                                 : "");
    }
}

static void
rename_link(struct kc_env *env, const char *ifname, const char *to)
{
    (void) env;
    (void) real_output("ip link set dev %s down && "
                       "ip link set dev %s name %s",
                       ifname, ifname, to);
}

static bool
negotiate(int fd)
{
    uint64_t features = UINT64_C(1) << VIRTIO_F_VERSION_1
                        | UINT64_C(1) << VIRTIO_F_ACCESS_PLATFORM;
    uint8_t before = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER;
    uint8_t after = before | VIRTIO_CONFIG_S_FEATURES_OK;

    return !ioctl(fd, VHOST_SET_OWNER)
           && !ioctl(fd, VHOST_VDPA_SET_STATUS, &before)
           && !ioctl(fd, VHOST_SET_FEATURES, &features)
           && !ioctl(fd, VHOST_VDPA_SET_STATUS, &after);
}

/* Leaves 'fd' in a socket that nobody reads. */
static bool
send_away(int fd)
{
    char byte = '1';
    struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = { .bytes = "" };
    struct msghdr msg = {
        .msg_iov = &iov,
        .msg_iovlen = 1,
        .msg_control = control.bytes,
        .msg_controllen = sizeof control.bytes,
    };
    struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
    int pair[2];

    cmsg->cmsg_level = SOL_SOCKET;
    cmsg->cmsg_type = SCM_RIGHTS;
    cmsg->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(cmsg), &fd, sizeof fd);
    return !socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair)
           && sendmsg(pair[0], &msg, 0) == 1 && !close(fd);
}

/* Opens the char device and waits to be killed.  Never returns. */
static void
be_holder(const char *path, bool unseen, int ready)
{
    int fd;

    (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void) prctl(PR_SET_NAME, "kc-holder");
    fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd >= 0 && (!unseen || (negotiate(fd) && send_away(fd)))
        && write(ready, "1", 1) == 1) {
        for (;;) {
            (void) pause();
        }
    }
    _exit(1);
}

static int
start_holder(const char *vdpa, bool unseen)
{
    char path[256], byte;
    int ready[2];
    size_t i = 0;

    (void) snprintf(path, sizeof path, "/dev/%.200s",
                    real_output("basename /sys/bus/vdpa/devices/%s/"
                                "vhost-vdpa-*",
                                vdpa));
    while (holders[i].pid) {
        i++;
    }
    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    holders[i].pid = fork();
    assert_true(holders[i].pid >= 0);
    if (!holders[i].pid) {
        be_holder(path, unseen, ready[1]);
    }
    (void) snprintf(holders[i].vdpa, sizeof holders[i].vdpa, "%s", vdpa);
    (void) close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    (void) close(ready[0]);
    return holders[i].pid;
}

static int
hold(struct kc_env *env, const char *vdpa)
{
    (void) env;
    return start_holder(vdpa, false);
}

static void
hold_unseen(struct kc_env *env, const char *vdpa)
{
    (void) env;
    (void) start_holder(vdpa, true);
}

static void
release_one(size_t i)
{
    if (holders[i].pid) {
        (void) kill(holders[i].pid, SIGKILL);
        (void) waitpid(holders[i].pid, NULL, 0);
        holders[i].pid = 0;
    }
}

static void
release(struct kc_env *env, const char *vdpa)
{
    (void) env;
    for (size_t i = 0; i < sizeof holders / sizeof holders[0]; i++) {
        if (holders[i].pid && !strcmp(holders[i].vdpa, vdpa)) {
            release_one(i);
        }
    }
}

void
real_release_all(void)
{
    for (size_t i = 0; i < sizeof holders / sizeof holders[0]; i++) {
        release_one(i);
    }
}

static int
numvfs(struct kc_env *env)
{
    return atoi(
        real_output("cat /sys/bus/pci/devices/%s/sriov_numvfs", env->pf));
}

static bool
is_switchdev(struct kc_env *env)
{
    char key[64], command[128];
    const char *mode;
    json_t *all;
    bool result;

    (void) snprintf(key, sizeof key, "pci/%s", env->pf);
    (void) snprintf(command, sizeof command, "devlink -j dev eswitch show %s",
                    key);
    all = json_output(command);
    mode = json_string_value(json_object_get(
        json_object_get(json_object_get(all, "dev"), key), "mode"));
    assert_non_null(mode);
    result = !strcmp(mode, "switchdev");
    json_decref(all);
    return result;
}

static void
vf_bdf(struct kc_env *env, int index, char bdf[VDPAD_BDF_SIZE])
{
    (void) snprintf(bdf, VDPAD_BDF_SIZE, "%.19s",
                    real_output("basename $(readlink "
                                "/sys/bus/pci/devices/%s/virtfn%d)",
                                env->pf, index));
}

static void
vf_driver(struct kc_env *env, const char *bdf, char driver[VDPAD_WORD_SIZE])
{
    (void) env;
    (void) snprintf(driver, VDPAD_WORD_SIZE, "%.31s",
                    real_output("basename \"$(readlink "
                                "/sys/bus/pci/devices/%s/driver)\"",
                                bdf));
}

/* Copies the string member 'name' of 'o', if there is one. */
static void
copy_member(char *dst, size_t size, const json_t *o, const char *name)
{
    const char *value = json_string_value(json_object_get(o, name));

    (void) snprintf(dst, size, "%s", value ? value : "");
}

static bool
vdpa(struct kc_env *env, const char *name, struct kc_vdpa *ret)
{
    json_t *all = json_output("vdpa -j dev show");
    const json_t *dev = json_object_get(json_object_get(all, "dev"), name);
    char command[256];
    const char *mgmtdev;

    (void) env;
    memset(ret, 0, sizeof *ret);
    if (!dev) {
        json_decref(all);
        return false;
    }
    mgmtdev = json_string_value(json_object_get(dev, "mgmtdev"));
    assert_non_null(mgmtdev);
    (void) snprintf(ret->vf, sizeof ret->vf, "%.19s",
                    strchr(mgmtdev, '/') ? strchr(mgmtdev, '/') + 1 : mgmtdev);
    json_decref(all);
    (void) snprintf(ret->driver, sizeof ret->driver, "%.31s",
                    real_output("basename \"$(readlink "
                                "/sys/bus/vdpa/devices/%s/driver)\"",
                                name));
    (void) snprintf(command, sizeof command, "vdpa -j dev config show %s",
                    name);
    all = json_output(command);
    dev = json_object_get(json_object_get(all, "config"), name);
    copy_member(ret->mac, sizeof ret->mac, dev, "mac");
    ret->mtu = (int) json_integer_value(json_object_get(dev, "mtu"));
    ret->max_vqp = (int) json_integer_value(
        json_object_get(dev, "max_vq_pairs"));
    json_decref(all);
    return true;
}

static bool
get_link(struct kc_env *env, const char *ifname, struct kc_link *ret)
{
    json_t *all = json_output("ip -j link show");
    bool found = false;
    size_t i, j;
    json_t *link, *flag;

    (void) env;
    memset(ret, 0, sizeof *ret);
    json_array_foreach(all, i, link) {
        if (strcmp(json_string_value(json_object_get(link, "ifname")),
                   ifname)) {
            continue;
        }
        found = true;
        ret->ifindex = (int) json_integer_value(
            json_object_get(link, "ifindex"));
        ret->mtu = (int) json_integer_value(json_object_get(link, "mtu"));
        json_array_foreach(json_object_get(link, "flags"), j, flag) {
            ret->up |= !strcmp(json_string_value(flag), "UP");
        }
    }
    json_decref(all);
    return found;
}

static bool
has_qdisc(struct kc_env *env, const char *ifname)
{
    (void) env;
    return strstr(real_output("tc qdisc show dev %s", ifname), "ingress");
}

static bool
has_tc_offload(struct kc_env *env, const char *ifname)
{
    (void) env;
    return strstr(real_output("ethtool -k %s", ifname), "hw-tc-offload: on");
}

static void
function_mac(struct kc_env *env, int index, char mac[18])
{
    json_t *all = json_output("devlink -j port show");
    const char *handle;
    json_t *port;
    bool found = false;

    json_object_foreach(json_object_get(all, "port"), handle, port) {
        const json_t *vf = json_object_get(port, "vfnum");

        if (strstr(handle, env->pf) && vf && json_integer_value(vf) == index) {
            copy_member(mac, 18, json_object_get(port, "function"), "hw_addr");
            found = true;
        }
    }
    json_decref(all);
    assert_true(found);
}

void
real_fill(struct kc_ops *ops)
{
    ops->set_numvfs = set_numvfs;
    ops->reset = reset;
    ops->set_switchdev = set_switchdev;
    ops->add_vdpa = add_vdpa;
    ops->del_vdpa = del_vdpa;
    ops->add_qdisc = add_qdisc;
    ops->set_filters = set_filters;
    ops->add_filters = add_filters;
    ops->rename = rename_link;
    ops->hold = hold;
    ops->hold_unseen = hold_unseen;
    ops->release = release;
    ops->numvfs = numvfs;
    ops->is_switchdev = is_switchdev;
    ops->vf_bdf = vf_bdf;
    ops->vf_driver = vf_driver;
    ops->vdpa = vdpa;
    ops->link = get_link;
    ops->has_qdisc = has_qdisc;
    ops->has_tc_offload = has_tc_offload;
    ops->function_mac = function_mac;
}
