/* SPDX-License-Identifier: Apache-2.0 */
/* From the fields of one SriovNetworkNodePolicy to the words of a policy. */
#include "import-policy.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "config-parse.h"
#include "util.h"

/* The line of field 'name' of the specification. */
static size_t
line_of(const struct vdpad_import_reading *r, const char *name)
{
    const struct vdpad_yaml *node = vdpad_yaml_member(r->spec, name);

    return (node ? node : r->spec)->line;
}

/* Whether devices are selected in a way that words can express. */
static bool
check_selection(struct vdpad_import_reading *r)
{
    char field[VDPAD_FIELD_SIZE];
    bool ok = true;

    if (r->roots && r->pf_names && (r->roots->n > 1 || r->pf_names->n > 1)) {
        vdpad_import_field(field, r->prefix, "spec.nicSelector.pfNames");
        vdpad_import_refuse(r->im, r->pf_names->line, field,
                            "cannot be joined with rootDevices, of which a "
                            "PF has to match one too; keep one of the lists, "
                            "or make a policy of each PF");
        ok = false;
    }
    if (r->roots && r->pf_names && strchr(r->roots->first->text, '#')) {
        vdpad_import_field(field, r->prefix, "spec.nicSelector.rootDevices");
        vdpad_import_refuse(r->im, r->roots->line, field,
                            "has a range beside pfNames; keep one of them");
        ok = false;
    }
    if (r->is_external && !r->roots && !r->pf_names) {
        vdpad_import_field(field, r->prefix, "spec.nicSelector");
        vdpad_import_refuse(r->im, line_of(r, "nicSelector"), field,
                            "has to name the PFs of an externallyManaged "
                            "policy, so that its VFs can be counted; add "
                            "rootDevices or pfNames");
        ok = false;
    }
    if (r->is_external && (r->num_vfs < 1 || r->num_vfs > 65535)) {
        vdpad_import_field(field, r->prefix, "spec.numVfs");
        vdpad_import_refuse(r->im, line_of(r, "numVfs"), field,
                            "is %" PRId64 "; of externallyManaged PFs it is "
                            "the number of VFs that the policy has, 1 or "
                            "more",
                            r->num_vfs);
        ok = false;
    }
    if (r->is_external && r->vdpa_type && r->eswitch_mode
        && !strcmp(r->eswitch_mode, "legacy")) {
        vdpad_import_field(field, r->prefix, "spec.eSwitchMode");
        vdpad_import_refuse(r->im, line_of(r, "eSwitchMode"), field,
                            "legacy cannot go with vdpaType, which needs "
                            "representors; write switchdev");
        ok = false;
    }
    return ok;
}

/* One pf= word of 'name', with 'ranges' ("#0-3", ""). */
static void
print_pf(const struct vdpad_import_reading *r, FILE *stream, const char *name,
         const char *ranges)
{
    fprintf(stream, "pf=%s%s", name, ranges);
    /* The operator leaves VFs beyond numVfs alone; where it makes the VFs
     * there are none. */
    if (r->is_external && !ranges[0] && !strchr(name, '#')) {
        fprintf(stream, "#0");
        if (r->num_vfs > 1) {
            fprintf(stream, "-%" PRId64, r->num_vfs - 1);
        }
    }
    fputc(' ', stream);
}

static char *
make_words(struct vdpad_import_reading *r)
{
    const struct vdpad_yaml *list = r->roots ? r->roots : r->pf_names;
    struct vdpad_text_stream out;

    vdpad_text_open(&out);
    if (r->roots && r->pf_names) {
        const char *ranges = strchr(r->pf_names->first->text, '#');

        print_pf(r, out.stream, r->roots->first->text, ranges ? ranges : "");
    } else if (list) {
        for (const struct vdpad_yaml *m = list->first; m; m = m->next) {
            print_pf(r, out.stream, m->text, "");
        }
    }
    if (r->vendor) {
        fprintf(out.stream, "vendor=%s ", r->vendor);
    }
    if (r->device) {
        fprintf(out.stream, "device-id=%s ", r->device);
    }
    if (r->is_external) {
        fputs("externally-managed=true ", out.stream);
    } else {
        fprintf(out.stream, "num-vfs=%" PRId64 " ", r->num_vfs);
        if (r->eswitch_mode) {
            fprintf(out.stream, "eswitch-mode=%s ", r->eswitch_mode);
        }
    }
    if (r->device_type && !strcmp(r->device_type, "vfio-pci")) {
        fputs("device-type=vfio-pci ", out.stream);
    }
    if (r->vdpa_type) {
        fprintf(out.stream, "vdpa-type=%s ", r->vdpa_type);
    }
    if (r->has_mtu) {
        fprintf(out.stream, "mtu=%" PRId64 " ", r->mtu);
    }
    /* Always: without the field it is 0 there, without the word 99 here. */
    fprintf(out.stream, "priority=%" PRId64, r->priority);
    return vdpad_text_close(&out);
}

static void
say_notes(struct vdpad_import_reading *r)
{
    char field[VDPAD_FIELD_SIZE];

    if (strcmp(r->resource, r->name)) {
        char shown[VDPAD_WORD_TEXT];

        vdpad_printable(r->resource, 64, shown, sizeof shown);
        vdpad_import_field(field, r->prefix, "spec.resourceName");
        vdpad_import_note(r->im, line_of(r, "resourceName"), field,
                          "%s is the device plugin's; export/device-plugin "
                          "names the resource after the policy, %s",
                          shown, r->name);
    }
    if (r->roots && r->pf_names) {
        vdpad_import_field(field, r->prefix, "spec.nicSelector.pfNames[0]");
        vdpad_import_note(r->im, r->pf_names->line, field,
                          "is taken for the name of %s",
                          r->roots->first->text);
    }
}

static void
add_policy(struct vdpad_import_reading *r)
{
    struct vdpad_import *im = r->im;
    char field[VDPAD_FIELD_SIZE];
    char key[sizeof VDPAD_KEY_POLICY + VDPAD_CONFIG_NAME_MAX];

    snprintf(key, sizeof key, VDPAD_KEY_POLICY "%s", r->name);
    for (size_t i = 0; i < im->n; i++) {
        if (!strcmp(im->policies[i].key, key)) {
            vdpad_import_field(field, r->prefix, "metadata.name");
            vdpad_import_refuse(im, r->object->line, field,
                                "%s is the name of another policy of the "
                                "file too; rename one",
                                r->name);
            return;
        }
    }
    im->policies = vdpad_grow(im->policies, im->n, &im->allocated,
                              sizeof *im->policies);
    struct vdpad_import_policy *policy = &im->policies[im->n++];
    *policy = (struct vdpad_import_policy){
        .key = vdpad_xstrdup(key),
        .words = make_words(r),
        .object = r->object,
    };
    vdpad_copy(policy->prefix, sizeof policy->prefix, r->prefix);
    say_notes(r);
}

void
vdpad_import_policy(struct vdpad_import *im, const struct vdpad_yaml *object,
                    const char *prefix)
{
    struct vdpad_import_reading r = { .im = im,
                                      .prefix = prefix,
                                      .object = object };

    if (im->n >= VDPAD_CONFIG_POLICIES_MAX) {
        vdpad_import_refuse(im, object->line, prefix[0] ? prefix : NULL,
                            "is one more than the %d policies that can be "
                            "set",
                            VDPAD_CONFIG_POLICIES_MAX);
        return;
    }
    if (vdpad_import_read(&r) && check_selection(&r)) {
        add_policy(&r);
    }
}
