/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of the host, which apply to all devices. */
#include <string.h>

#include "audit.h"
#include "cmd-why.h"
#include "fields.h"
#include "util.h"

#define OK VDPAD_CHECK_OK
#define FAIL VDPAD_CHECK_FAIL
#define UNKNOWN VDPAD_CHECK_UNKNOWN

static const struct vdpad_module *
find_module(const struct vdpad_world *world, const char *name)
{
    const struct vdpad_module *rows = VDPAD_OBSERVED_ROWS(world->observed,
                                                          VDPAD_MODULE,
                                                          vdpad_module);

    for (size_t i = 0; i < VDPAD_OBSERVED_N(world->observed, VDPAD_MODULE);
         i++) {
        if (!strcmp(rows[i].name, name)) {
            return &rows[i];
        }
    }
    return NULL;
}

void
vdpad_check_modules(const struct vdpad_check_input *in,
                    struct vdpad_finding *f, const char *const *names,
                    const char *remedy)
{
    char text[VDPAD_REASON_SIZE] = "";
    bool missing = false;

    if (!vdpad_check_knows(in, VDPAD_MODULE, f)) {
        return;
    }
    for (; *names; names++) {
        const struct vdpad_module *module = find_module(in->world, *names);
        int32_t state = module ? module->state : VDPAD_MODULE_MISSING;
        size_t used = strlen(text);

        vdpad_text(text + used, sizeof text - used, "%s%s %s",
                   used ? ", " : "", *names, vdpad_module_state_name(state));
        missing = missing || state == VDPAD_MODULE_MISSING;
    }
    vdpad_found(f, missing ? FAIL : OK, "%s", text);
    if (missing) {
        vdpad_remedy(f, "%s", remedy);
    }
}

const char *
vdpad_host_fact(const struct vdpad_world *world, const char *name)
{
    const struct vdpad_host *rows = VDPAD_OBSERVED_ROWS(world->observed,
                                                        VDPAD_HOST,
                                                        vdpad_host);
    size_t low = 0, high = VDPAD_OBSERVED_N(world->observed, VDPAD_HOST);

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(name, rows[middle].name);

        if (!order) {
            return rows[middle].value;
        } else if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return NULL;
}

static bool
has_mlx5(const struct vdpad_world *world)
{
    for (size_t i = 0; i < world->n_pfs; i++) {
        if (!strcmp(world->pfs[i].pci->driver, "mlx5_core")) {
            return true;
        }
    }
    return false;
}

/* What shows that option 'name' of mlx5 is in effect though the kernel is
 * built without: NVIDIA's own drivers, built beside it, take no notice of its
 * configuration.  NULL: nothing. */
static const char *
find_own_mlx5(const struct vdpad_world *world, const char *name)
{
    const struct vdpad_module *module = find_module(world, "mlx5_vdpa");
    const char *vdpa = vdpad_host_fact(world, "CONFIG_MLX5_VDPA_NET");

    if (strncmp(name, "MLX5_", 5) != 0) {
        return NULL;
    }
    if (vdpa && *vdpa == 'n' && module
        && module->state != VDPAD_MODULE_MISSING) {
        return "module mlx5_vdpa can be had";
    }
    /* mlx5e_build_rep_netdev(), drivers/net/ethernet/mellanox/mlx5/core/
     * en_rep.c of 6.12: representors have it only with MLX5_CLS_ACT. */
    for (size_t i = 0; i < world->n_devs && strcmp(name, "MLX5_VDPA_NET") != 0;
         i++) {
        const struct vdpad_dev *dev = &world->devs[i];

        if (dev->rep_feature && dev->rep_feature->supported && dev->pf
            && !strcmp(dev->pf->pci->driver, "mlx5_core")) {
            return "representors have hw-tc-offload";
        }
    }
    return NULL;
}

/* How the kernel was built. */
static void
kernel_config(const struct vdpad_check_input *in, struct vdpad_finding *f)
{
    static const struct {
        const char *name;
        bool mlx5; /* Only where there is such a PF. */
    } needed[] = {
        { "NET_CLS_FLOWER", false }, { "NET_SCH_INGRESS", false },
        { "NET_ACT_MIRRED", false }, { "NET_ACT_VLAN", false },
        { "NET_ACT_PEDIT", false },  { "NET_ACT_TUNNEL_KEY", false },
        { "NET_SWITCHDEV", false },  { "PCI_IOV", false },
        { "MLX5_ESWITCH", true },    { "NET_TC_SKB_EXT", true },
        { "MLX5_CLS_ACT", true },    { "MLX5_VDPA_NET", true },
    };
    const char *own = NULL, *path,
               *kernel = vdpad_host_fact(in->world, "kernel");
    bool mlx5 = has_mlx5(in->world);
    char missing[VDPAD_REASON_SIZE] = "";
    bool fails = false;

    if (!vdpad_check_knows(in, VDPAD_HOST, f)) {
        return;
    }
    kernel = kernel ? kernel : "of this host";
    path = vdpad_host_fact(in->world, "kernel-config");
    if (!path) {
        vdpad_found(f, UNKNOWN,
                    "the configuration of kernel %s is in none of "
                    "/proc/config.gz, /boot, /lib/modules",
                    kernel);
        return;
    }
    for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++) {
        char name[64];
        const char *value;
        size_t used = strlen(missing);

        vdpad_text(name, sizeof name, "CONFIG_%s", needed[i].name);
        value = vdpad_host_fact(in->world, name);
        if (value && *value == 'n' && (mlx5 || !needed[i].mlx5)) {
            vdpad_text(missing + used, sizeof missing - used, "%s%s",
                       used ? ", " : "", name);
            own = find_own_mlx5(in->world, needed[i].name);
            fails |= !own;
        }
    }
    if (missing[0] && !fails) {
        vdpad_found(f, UNKNOWN,
                    "kernel %s is built without %s (%s), but %s: drivers of "
                    "another origin may have it",
                    kernel, missing, path, own);
    } else if (missing[0]) {
        vdpad_found(f, FAIL, "kernel %s is built without %s (%s)", kernel,
                    missing, path);
        vdpad_remedy(f, "boot a kernel with these: those of Ubuntu and RHEL "
                        "have them, Debian's lack NET_TC_SKB_EXT and what "
                        "depends on it; or install NVIDIA's drivers");
    } else {
        vdpad_found(f, OK, "kernel %s has what offload needs (%s)", kernel,
                    path);
    }
}

static void
flower_modules(const struct vdpad_check_input *in, struct vdpad_finding *f)
{
    static const char *const names[] = {
        "cls_flower",
        "act_mirred",
        "sch_ingress",
        NULL,
    };

    vdpad_check_modules(in, f, names,
                        "boot a kernel with CONFIG_NET_CLS_FLOWER, "
                        "CONFIG_NET_ACT_MIRRED and CONFIG_NET_SCH_INGRESS");
}

static void
hw_offload(const struct vdpad_check_input *in, struct vdpad_finding *f)
{
    const char *value;

    if (!in->world->db) {
        vdpad_found(f, UNKNOWN, "the database was not read yet");
        return;
    }
    value = vdpad_map_get(&in->world->db->other_config, "hw-offload");
    vdpad_found(f, vdpad_hw_offload_configured(in->world->db) ? OK : FAIL,
                "other_config:hw-offload is %s", value ? value : "not set");
    if (f->result == FAIL) {
        /* Whether a restart is needed besides is told below. */
        vdpad_remedy(f, "ovs-vsctl set Open_vSwitch . "
                        "other_config:hw-offload=true");
    }
}

/* What the process that runs does of it. */
static void
effective(const struct vdpad_check_input *in, struct vdpad_finding *f)
{
    const struct vdpad_effect_state *e = in->effect;

    /* That it is not even set is told above. */
    if (!e || !vdpad_hw_offload_configured(in->world->db)) {
        vdpad_skip(f);
    } else if (e->effect == VDPAD_EFFECT_YES) {
        vdpad_found(f, OK, "ovs-vswitchd (pid %d) offloads (%s)", e->pid,
                    e->told_by);
    } else if (e->effect == VDPAD_EFFECT_NO && e->remedy[0]) {
        vdpad_found(f, FAIL,
                    "hw-offload is set, but not in effect in ovs-vswitchd "
                    "(pid %d; %s)",
                    e->pid, e->told_by);
        vdpad_remedy(f, "%s", e->remedy);
    } else if (!e->pid && vdpad_audit_runs(in->world, e)) {
        vdpad_found(f, UNKNOWN,
                    "an ovs-vswitchd runs, but has no pid file in the "
                    "directory in which it is looked for, and cannot be "
                    "asked");
        vdpad_remedy(f, "start both with the same OVS_RUNDIR, and "
                        "ovs-vswitchd with --pidfile");
    } else if (!e->pid) {
        vdpad_found(f, in->world->db_connected ? FAIL : UNKNOWN,
                    "no ovs-vswitchd runs");
        vdpad_remedy(f, "systemctl start " VDPAD_OVS_UNIT);
    } else {
        vdpad_found(f, UNKNOWN, "not known: %s", e->told_by);
    }
}

static void
tc_policy(const struct vdpad_check_input *in, struct vdpad_finding *f)
{
    const char *value;

    if (!in->world->db) {
        vdpad_found(f, UNKNOWN, "the database was not read yet");
        return;
    }
    value = vdpad_map_get(&in->world->db->other_config, "tc-policy");
    if (!value || !strcmp(value, "none")) {
        vdpad_found(f, OK, "other_config:tc-policy is %s",
                    value ? value : "not set");
    } else if (!strcmp(value, "skip_sw")) {
        vdpad_found(f, UNKNOWN,
                    "other_config:tc-policy is skip_sw, which "
                    "keeps connection tracking out of hardware");
    } else {
        vdpad_found(f, FAIL, "other_config:tc-policy is %s", value);
    }
    if (f->result != OK) {
        vdpad_remedy(f, "ovs-vsctl remove Open_vSwitch . other_config "
                        "tc-policy && systemctl restart " VDPAD_OVS_UNIT);
    }
}

const struct vdpad_check vdpad_checks_host[] = {
    { "kernel-config", kernel_config, 0 },
    { "flower-modules", flower_modules, 0 },
    { "hw-offload", hw_offload, 0 },
    { "hw-offload-effective", effective, 0 },
    { "tc-policy", tc_policy, 0 },
    { NULL, NULL, 0 },
};
