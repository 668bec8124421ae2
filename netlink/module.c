/* SPDX-License-Identifier: Apache-2.0 */
#include "module.h"

#include <errno.h>
#include <libkmod.h>
#include <stdbool.h>
#include <string.h>

#include "attrs.h"
#include "observe.h"
#include "sysfs.h"

static void
discard_log(void *data, int priority, const char *file, int line,
            const char *function, const char *format, va_list args)
{
    (void) data;
    (void) priority;
    (void) file;
    (void) line;
    (void) function;
    (void) format;
    (void) args;
}

static struct kmod_ctx *
open_kmod(void)
{
    struct kmod_ctx *ctx = kmod_new(NULL, NULL);

    if (ctx) {
        kmod_set_log_fn(ctx, discard_log, NULL);
    }
    return ctx;
}

static enum vdpad_module_state
module_state(struct kmod_ctx *ctx, const char *name)
{
    struct kmod_module *module;
    struct kmod_list *found = NULL;
    enum vdpad_module_state state;
    int kmod_state = -ENOENT;

    /* Also there for what is built in, if it has parameters. */
    if (vdpad_sysfs_exists("/sys/module/%s", name)) {
        return VDPAD_MODULE_LOADED;
    }
    if (!kmod_module_new_from_name(ctx, name, &module)) {
        kmod_state = kmod_module_get_initstate(module);
        kmod_module_unref(module);
    }
    if (kmod_state == KMOD_MODULE_BUILTIN || kmod_state == KMOD_MODULE_LIVE) {
        return VDPAD_MODULE_LOADED;
    }
    state = !kmod_module_new_from_lookup(ctx, name, &found) && found
                ? VDPAD_MODULE_LOADABLE
                : VDPAD_MODULE_MISSING;
    kmod_module_unref_list(found);
    return state;
}

int
vdpad_observe_module(struct vdpad_rows *rows, struct vdpad_error *why)
{
    struct kmod_ctx *ctx = open_kmod();

    if (!ctx) {
        return vdpad_error_set(why, -ENOMEM, "libkmod: cannot start");
    }
    for (size_t i = 0; vdpad_module_names[i]; i++) {
        struct vdpad_module *row = vdpad_rows_add(rows);

        vdpad_text_copy(row->name, sizeof row->name, vdpad_module_names[i]);
        row->state = (int32_t) module_state(ctx, vdpad_module_names[i]);
    }
    kmod_unref(ctx);
    return 0;
}

static bool
is_known(const char *name)
{
    for (size_t i = 0; vdpad_module_names[i]; i++) {
        if (!strcmp(vdpad_module_names[i], name)) {
            return true;
        }
    }
    return false;
}

static int
load(struct kmod_ctx *ctx, const char *name, struct vdpad_error *why)
{
    struct kmod_list *found = NULL, *item;
    int error = kmod_module_new_from_lookup(ctx, name, &found);

    if (error || !found) {
        return vdpad_error_set(why, error ? error : -ENOENT,
                               "module %s: not on this host (%s)", name,
                               kmod_get_dirname(ctx));
    }
    kmod_list_foreach(item, found)
    {
        struct kmod_module *module = kmod_module_get_module(item);

        error = kmod_module_probe_insert_module(module,
                                                KMOD_PROBE_APPLY_BLACKLIST,
                                                NULL, NULL, NULL, NULL);
        kmod_module_unref(module);
        if (error) {
            break;
        }
    }
    kmod_module_unref_list(found);
    if (error == KMOD_PROBE_APPLY_BLACKLIST) {
        return vdpad_error_set(why, -EPERM,
                               "module %s: blacklisted in modprobe.d", name);
    }
    return error < 0 ? vdpad_error_set(why, error, "load module %s: %s", name,
                                       strerror(-error))
                     : 0;
}

int
vdpad_module_load(const char *name, struct vdpad_error *why)
{
    struct kmod_ctx *ctx;
    int error;

    if (!is_known(name)) {
        return vdpad_error_set(why, -EINVAL, "module %s: not one of ours",
                               name);
    }
    ctx = open_kmod();
    if (!ctx) {
        return vdpad_error_set(why, -ENOMEM, "libkmod: cannot start");
    }
    error = module_state(ctx, name) == VDPAD_MODULE_LOADED
                ? 0
                : load(ctx, name, why);
    kmod_unref(ctx);
    return error;
}
