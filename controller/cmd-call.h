/* SPDX-License-Identifier: Apache-2.0 */
/* What the files cmd*.c share: one call of a command, and how it is
 * answered. */
#ifndef VDPAD_CMD_CALL_H
#define VDPAD_CMD_CALL_H 1

#include <vdpad/ovsdb-store.h>

#include "ctl.h"
#include "json.h"
#include "offload.h"
#include "table.h"

struct vdpad_call;
typedef void vdpad_call_cb(struct vdpad_call *);

#define VDPAD_MASK(CLASS) (1u << (CLASS))

/* Classes whose pictures age without events, which what is shown of a device
 * depends on.  None of them needs generic netlink, which another program's
 * act can block for the whole host. */
#define VDPAD_MASK_SHOWN                                  \
    (VDPAD_MASK(VDPAD_LINK) | VDPAD_MASK(VDPAD_VBUS)      \
     | VDPAD_MASK(VDPAD_HOLDER) | VDPAD_MASK(VDPAD_QDISC) \
     | VDPAD_MASK(VDPAD_FLOW))

/* For a command that decides something by what it sees: no picture that is
 * there is fresh enough. */
#define VDPAD_MASK_NEW (1u << 31)

/* For a command that says by itself what it does not know: it is run after
 * VDPAD_PATIENCE_NS even if not all is fresh by then. */
#define VDPAD_MASK_HASTY (1u << 30)
#define VDPAD_PATIENCE_NS INT64_C(2000000000)

/* For a command that shows how many kernel flows there are, as they were seen
 * last, and how long ago. */
#define VDPAD_MASK_KFLOW_LATER (1u << 29)

/* For a command that would show an empty database for one that was not read
 * yet, or nothing to be done for a host that was not seen yet. */
#define VDPAD_MASK_DB (1u << 28)

/* A picture that is older is taken anew before a command shows it. */
#define VDPAD_SHOWN_AGE_NS INT64_C(1000000000)

/* That of kernel flows, all of which are read for it, may be this old. */
#define VDPAD_KFLOW_AGE_NS INT64_C(5000000000)

struct vdpad_command {
    const char *name;
    const char *usage;    /* Of the arguments. */
    int min, max;         /* Arguments, without "--json". */
    unsigned int classes; /* To be fresh before 'run'; may have the flags
                           * _MASK_NEW, …. */
    vdpad_call_cb *run;   /* Ends, now or later, in exactly one of
                                 * vdpad_call_reply() and its kin. */
};

/* Ends at an entry without a name. */
extern const struct vdpad_command vdpad_commands_list[];  /* lists, show */
extern const struct vdpad_command vdpad_commands_state[]; /* status, loop */
extern const struct vdpad_command vdpad_commands_config[];
extern const struct vdpad_command vdpad_commands_plan[];
extern const struct vdpad_command vdpad_commands_verify[];
extern const struct vdpad_command vdpad_commands_suspend[];
extern const struct vdpad_command vdpad_commands_why[];
extern const struct vdpad_command vdpad_commands_flow[];
extern const struct vdpad_command vdpad_commands_flow_list[];
extern const struct vdpad_command vdpad_commands_audit[];
extern const struct vdpad_command vdpad_commands_metrics[];
extern const struct vdpad_command vdpad_commands_export[];
extern const struct vdpad_command vdpad_commands_ready[];

struct vdpad_call {
    struct vdpad_ctl *ctl;
    struct vdpad_loop *loop;
    const struct vdpad_looks *looks; /* Verdicts and what was counted. */
    const struct vdpad_command *command;
    struct vdpad_request *request;
    struct vdpad_http_request *http; /* Instead of 'request', or NULL. */
    bool json;
    int64_t run_ns; /* When it is run at the latest; 0: when all is fresh. */
    bool is_early;  /* It was, before all was fresh. */
    int argc;       /* Without the command, "--json". */
    char **argv;
    struct vdpad_call *next; /* In a list of waiting calls. */
};

/* The newest world and plan; not NULL; to be asked for again after every
 * wait. */
const struct vdpad_world *vdpad_call_world(const struct vdpad_call *call);
const struct vdpad_plan *vdpad_call_plan(const struct vdpad_call *call);

/* Each of the following answers and frees 'call'.
 *
 * Takes over 'tree' and 'text' (from malloc) and prints the one that was asked
 * for. */
void vdpad_call_reply(struct vdpad_call *call, json_t *tree, char *text);

/* Takes over 'text' (from malloc), which is what was asked for, table or
 * JSON. */
void vdpad_call_reply_text(struct vdpad_call *call, char *text);

/* Takes over 'rows', printed as a table of 'columns' or as JSON. */
void vdpad_call_reply_table(struct vdpad_call *call, json_t *rows,
                            const struct vdpad_column *columns,
                            size_t n_columns);

/* Takes over 'object', printed one member a line or as JSON. */
void vdpad_call_reply_sheet(struct vdpad_call *call, json_t *object);

/* An object with the one member "text", which is all that people see. */
void vdpad_call_reply_line(struct vdpad_call *call, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

void vdpad_call_error(struct vdpad_call *call, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The same for several lines; takes over 'text' (from malloc), all of which
 * must be printable. */
void vdpad_call_error_lines(struct vdpad_call *call, char *text);

/* "no device "x": …" with the most similar one of the 'n' 'names' and the
 * first few of them. */
void vdpad_call_error_unknown(struct vdpad_call *call, const char *what,
                              const char *name, const char *const *names,
                              size_t n);

/* How long what is too much for one turn may take of it. */
#define VDPAD_SLICE_NS INT64_C(5000000)

/* Calls 'cb' in the next turn, or, where others have used that up, in one
 * after it. */
typedef void vdpad_later_cb(void *aux);
void vdpad_call_later(vdpad_later_cb *cb, void *aux);

/* The device that 'name' names in one way or other.  NULL: none, and 'call' is
 * answered and freed. */
const struct vdpad_dev *vdpad_call_device(struct vdpad_call *call,
                                          const char *name);

/* The audits that wait: those that are due go on. */
void vdpad_audits_run(int64_t now_ns);
int64_t vdpad_audits_next_ns(void); /* INT64_MAX: none waits. */

/* What is wrong with serving commands, for status; NULL: nothing. */
const char *vdpad_commands_problem(void);

/* The status socket's summary, for others: see cmd-status.c. */
json_t *vdpad_status_json(struct vdpad_call *call);

#endif
